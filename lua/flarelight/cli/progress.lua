--- How far something has come, on standard error: a bar that is drawn again and again on a terminal, a line
-- every few seconds elsewhere, nothing with --quiet.

local core = require "flarelight.core"
local display = require "flarelight.chart.display"

local REDRAW, LINE = 0.1, 5 -- seconds
local BAR = 24 -- columns

---@class flarelight.cli.Progress
local Progress = {}
Progress.__index = Progress

local progress = {}

-- Whether the terminal shows more than ASCII, as far as the environment tells.
local function is_utf8()
  local locale = os.getenv "LC_ALL"
  if not locale or locale == "" then locale = os.getenv "LC_CTYPE" end
  if not locale or locale == "" then locale = os.getenv "LANG" end
  locale = (locale or ""):lower()
  return locale:find("utf-8", 1, true) ~= nil or locale:find("utf8", 1, true) ~= nil
end

--- A bar for a share between 0 and 1.
function progress.bar(share, width, utf8)
  local full, part, empty = "#", {}, "-"
  if utf8 then full, part, empty = "█", { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }, "░" end
  local eighths = math.floor(math.max(0, math.min(1, share)) * width * 8 + 0.5)
  local whole = math.floor(eighths / 8)
  local rest = part[eighths - whole * 8] or ""
  return full:rep(whole) .. rest .. empty:rep(width - whole - (rest ~= "" and 1 or 0))
end

---@param out flarelight.cli.Output
---@param label string what is on its way
---@return flarelight.cli.Progress
function progress.new(out, label)
  progress.current = setmetatable({
    label = display.clean(label), quiet = out.quiet, terminal = not out.quiet and core.terminal(2) ~= nil,
    utf8 = is_utf8(), drawn = false, last = core.now(),
  }, Progress)
  return progress.current
end

local function draw(self)
  local room = core.terminal(2) or 0
  if room <= 0 then room = 80 end
  local text = self.text
  if self.share then
    text = ("%s %3d %%  %s"):format(progress.bar(self.share, BAR, self.utf8), math.floor(self.share * 100), text)
  end
  -- Never wider than the terminal: a line that wraps cannot be drawn over.
  local label = display.cut(self.label, math.max(8, math.floor(room / 3)))
  io.stderr:write("\r", display.cut(label .. "  " .. text, room - 1), "\27[K")
  self.drawn = true
end

--- Shows how far it is, if it is time to.
---@param share number? from 0 to 1, where the end is known
---@param text string the rest of the line
function Progress:update(share, text)
  self.share, self.text = share, text
  if self.quiet then return end
  local now = core.now()
  if self.terminal then
    if self.drawn and now - self.last < REDRAW then return end
    self.last = now
    return draw(self)
  end
  if now - self.last < LINE then return end
  self.last = now
  local done = share and ("%d %%, "):format(math.floor(share * 100)) or ""
  io.stderr:write(("%s: %s%s\n"):format(self.label, done, text))
end

--- Takes the bar away, for a line that is printed in between; the next update draws it again.
function Progress:clear()
  if self.drawn then io.stderr:write "\r\27[K" end
  self.drawn = false
end

--- A line on standard error above the bar that is drawn, if there is one.
function progress.say(text)
  local bar = progress.current
  local drawn = bar and bar.drawn
  if drawn then bar:clear() end
  io.stderr:write(text, "\n")
  if drawn then draw(bar) end
end

--- Ends it; what is printed next begins on a line of its own. The last state stays to be seen.
function Progress:finish()
  if not self.drawn then return end
  draw(self)
  io.stderr:write "\n"
  self.drawn = false
end

return progress
