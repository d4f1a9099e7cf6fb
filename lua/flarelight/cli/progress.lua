--- Progress on standard error: on a terminal a bar that is redrawn, elsewhere a line every few seconds, with --quiet
-- nothing. A dumb terminal (TERM=dumb) cannot redraw a line, and gets lines.

local core = require "flarelight.core"
local display = require "flarelight.chart.display"
local output = require "flarelight.cli.output"
local pollable = require "flarelight.host.pollable"
local script = require "flarelight.host.script"

local REDRAW, COUNT, LINE, BETWEEN = 0.1, 0.5, 5, 30 -- seconds
local BAR, SHORT_BAR = 24, 10 -- columns

---@class flarelight.cli.Progress
local Progress = {}
Progress.__index = Progress

local progress = {}

-- Whether the locale of the environment is UTF-8.
local function is_utf8()
  local locale = os.getenv "LC_ALL"
  if not locale or locale == "" then locale = os.getenv "LC_CTYPE" end
  if not locale or locale == "" then locale = os.getenv "LANG" end
  locale = (locale or ""):lower()
  return locale:find("utf-8", 1, true) ~= nil or locale:find("utf8", 1, true) ~= nil
end

-- Whether standard error is a terminal that can redraw a line.
local function redraws()
  local term = os.getenv "TERM"
  return core.terminal(2) ~= nil and term ~= nil and term ~= "" and term ~= "dumb"
end

--- A bar of `width` columns for a share from 0 to 1.
function progress.bar(share, width, utf8)
  local full, part, empty = "#", {}, "-"
  if utf8 then full, part, empty = "█", { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }, "░" end
  local eighths = math.floor(math.max(0, math.min(1, share)) * width * 8 + 0.5)
  local whole = math.floor(eighths / 8)
  local rest = part[eighths - whole * 8] or ""
  return full:rep(whole) .. rest .. empty:rep(width - whole - (rest ~= "" and 1 or 0))
end

---@param out flarelight.cli.Output
---@param label string
---@param hidden boolean? shows nothing: standard output is the same terminal
---@return flarelight.cli.Progress
function progress.new(out, label, hidden)
  local quiet = out.quiet or hidden or false
  progress.current = setmetatable({
    label = display.clean(label), quiet = quiet, terminal = not quiet and redraws(),
    utf8 = is_utf8(), drawn = false, last = core.now(), parts = {},
  }, Progress)
  return progress.current
end

local function time_left(self, name) return self[name] and self[name] - core.now() end

-- The texts behind the bar, most important first: the current wait, the time to go, the texts of the caller.
local function parts_of(self)
  local parts = {}
  local wait, eta = time_left(self, "wait_end"), time_left(self, "eta_end")
  if wait and wait > 0 then
    parts[1] = ("waiting %s: %s"):format(output.whole_duration(wait), self.wait_reason)
  end
  if eta and eta >= 0.5 then parts[#parts + 1] = output.whole_duration(eta) .. " to go" end
  for _, part in ipairs(self.parts) do parts[#parts + 1] = part end
  return parts
end

local function line_of(self, bar_width, count)
  local pieces = { self.label ~= "" and self.label or nil }
  if self.share then
    local percent = ("%3d %%"):format(math.floor(self.share * 100))
    pieces[#pieces + 1] = (bar_width > 0 and progress.bar(self.share, bar_width, self.utf8) .. " " or "") .. percent
  end
  local parts = parts_of(self)
  for place = 1, math.min(count, #parts) do pieces[#pieces + 1] = parts[place] end
  return table.concat(pieces, "  ")
end

-- The forms of the line, best first: the width of its bar, and the number of texts behind it. The first that fits is
-- drawn.
local FORMS = { { BAR, 4 }, { BAR, 3 }, { BAR, 2 }, { SHORT_BAR, 3 }, { SHORT_BAR, 2 }, { 0, 2 }, { SHORT_BAR, 1 } }

local function fitted(self, room)
  local parts = #parts_of(self)
  for _, form in ipairs(FORMS) do
    if form[2] <= math.max(parts, 1) then
      local line = line_of(self, form[1], form[2])
      if display.width(line) <= room then return line end
    end
  end
  return display.cut(line_of(self, 0, 1), room)
end

local function draw(self)
  local room = core.terminal(2) or 0
  if room <= 0 then room = 80 end
  local whole = self.label
  self.label = display.cut(whole, math.max(8, math.floor(room / 3)))
  -- Never wider than the terminal: a line that wraps cannot be drawn over.
  io.stderr:write("\r", fitted(self, room - 1), "\27[K")
  self.label, self.drawn, self.last = whole, true, core.now()
end

--- Sets the progress, and shows it if the last redraw is old enough.
---@param share number? from 0 to 1, if the end is known
---@param parts string[] the rest of the line, most important first
---@param eta number? seconds to go
function Progress:update(share, parts, eta)
  self.share, self.parts, self.wait_end = share, parts, nil
  self.eta_end = eta and core.now() + eta
  if self.quiet then return end
  local since = core.now() - self.last
  if self.terminal then
    if not self.drawn or since >= REDRAW then draw(self) end
  elseif since >= LINE then
    self.last = core.now()
    local done = share and ("%d %%, "):format(math.floor(share * 100)) or ""
    io.stderr:write(("%s: %s%s\n"):format(self.label, done, table.concat(parts_of(self), "  ")))
  end
end

--- Removes the bar for a line that is printed in between. The next update draws it again.
function Progress:clear()
  if self.drawn then io.stderr:write "\r\27[K" end
  self.drawn = false
end

--- Ends the progress. The bar stays in its last state, and later output begins on a new line.
function Progress:finish()
  self.wait_end, self.eta_end = nil, nil
  if self.drawn then
    draw(self)
    io.stderr:write "\n"
  end
  self.drawn = false
  if progress.current == self then progress.current = nil end
end

--- Ends the current progress, if there is one.
function progress.stop()
  if progress.current then progress.current:finish() end
end

-- --- waits ---

local told -- time of the last line about a wait

--- Shows that a call waits. On a terminal the seconds count down behind the bar, or in a line that is removed when the
--- call has ended. Elsewhere the wait is a line; of waits that are `usual`, at most one line every half a minute.
function progress.wait(seconds, reason, usual)
  local now = core.now()
  local bar = progress.current
  if bar and bar.quiet then return end
  if not bar and redraws() then bar = progress.new({}, "") end
  if bar and bar.terminal then
    bar.wait_end, bar.wait_reason = now + seconds, reason
    return draw(bar)
  end
  if usual and told and now - told < BETWEEN then return end
  told = now
  io.stderr:write(("waiting %s: %s\n"):format(output.duration(seconds), reason))
end

-- Redraws a line that counts down. Returns the seconds to sleep before the next redraw.
local function tick(timeout)
  local bar = progress.current
  if not (bar and bar.drawn and (bar.wait_end or bar.eta_end)) then return timeout end
  if core.now() - bar.last >= REDRAW then draw(bar) end
  return math.min(timeout or COUNT, COUNT)
end

--- The host of the command. It blocks like the host of scripts, and redraws the bar while it waits.
progress.host = { name = "command", blocks = true, spawn = script.spawn, is_running = script.is_running }

function progress.host.wait(handle)
  if handle.of_tasks then return script.wait(handle) end
  pollable.step()
  while not handle:is_over() do
    core.wait(tick(handle:timeout()))
    pollable.step()
  end
  local bar = progress.current
  if not bar or not bar.wait_end then return end
  bar.wait_end = nil
  if bar.label == "" then -- made for this wait only
    bar:clear()
    progress.current = nil
  end
end

return progress
