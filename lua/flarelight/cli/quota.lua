--- flarelight quota: the rate budget; with --watch as it changes, by the processes that share it.
--
-- --watch reads the file beside the state file, or the tables in PostgreSQL, by which processes share the budget
-- (lua/flarelight/budget.lua), and sends nothing. On a terminal the table is drawn over the one before; elsewhere each
-- look is a line.

local budget = require "flarelight.budget"
local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local display = require "flarelight.chart.display"
local ending = require "flarelight.cli.ending"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local status = require "flarelight.cli.status"

local quota = {}

-- --- once ---

local function seconds(value) return value and output.duration(value) end

local function show(args, out)
  local state, why = context.state(args, true)
  local api = context.client(args, { state = state })
  if not state and why ~= "--state" then out:note("there is no shared budget without a state file: " .. why) end
  -- If the budget is not known, one cheap request finds it out.
  local known = api:quota()
  if not known.limit then
    ending.expect(api.imports:all())
    known = api:quota()
  end
  out:facts({
    { "limit", known.limit and output.count(known.limit) .. " requests a minute" or "the service does not say" },
    { "left", known.remaining and output.count(known.remaining) },
    { "resets in", seconds(known.reset_in) },
    { "pace", known.pace and ("%.1f requests a second"):format(known.pace) },
    { "waiting", known.waiting }, { "spent here", known.spent }, { "spent by others", known.foreign },
    { "kept in", known.place },
  }, known)
end

-- --- watching ---

-- What the state tells now: the budget, the processes, and their sums. `pace` is absent while any process sends at
-- once.
local function look(api)
  local found, message = budget.of(api)
  found = found or { message = message }
  found.at, found.members, found.waiting = os.time(), budget.members(api), 0
  local pace, spread = 0, #found.members > 0
  for _, member in ipairs(found.members) do
    found.waiting = found.waiting + member.waiting
    pace, spread = pace + (member.pace or 0), spread and member.pace ~= nil
  end
  found.pace = spread and pace or nil
  return found
end

local function pace_text(pace) return pace and ("%.1f a second"):format(pace) or "at once" end

-- The budget in words, most important first.
local function words_of(found)
  if found.message then return { "the budget cannot be read: " .. display.clean(found.message) } end
  if not found.limit then return { "no process has learned the limit yet" } end
  return {
    "limit " .. output.count(found.limit), "left " .. output.count(found.remaining),
    found.reset_in and "resets in " .. output.whole_duration(found.reset_in) or "the window is over",
    "waiting " .. output.count(found.waiting), "by others " .. output.count(found.foreign),
    #found.members > 0 and "pace " .. pace_text(found.pace) or "no process wants requests",
  }
end

-- One line for all of it, for a pipe.
local function line_of(found)
  local words = words_of(found)
  for _, member in ipairs(found.members) do
    words[#words + 1] = ("%s:%d waiting %d, has %d, spent %d, %s"):format(display.clean(member.machine), member.process,
      member.waiting, member.granted, member.spent, pace_text(member.pace))
  end
  return os.date("%Y-%m-%d %H:%M:%S", found.at) .. "  " .. table.concat(words, "  ")
end

local ROW = "%-20s %7s %7s %5s %6s  %s"

-- The lines of the table for a terminal.
local function table_of(found)
  local words = words_of(found)
  local lines = {
    os.date("%H:%M:%S", found.at) .. "  " .. table.concat(words, "  ", 1, math.min(3, #words)),
    (" "):rep(10) .. table.concat(words, "  ", 4),
  }
  if #found.members == 0 then return lines end
  lines[3] = ROW:format("machine", "process", "waiting", "has", "spent", "pace")
  for place, member in ipairs(found.members) do
    lines[place + 3] = ROW:format(display.cut(display.clean(member.machine), 20), member.process, member.waiting,
      member.granted, member.spent, pace_text(member.pace))
  end
  return lines
end

-- Whether standard output is a terminal that can draw over what is there.
local function redraws()
  local term = os.getenv "TERM"
  return core.terminal(1) ~= nil and term ~= nil and term ~= "" and term ~= "dumb"
end

-- Draws lines over the `drawn` lines that stand above the cursor. Returns their number. None is wider than the
-- terminal: a line that wraps could not be drawn over.
local function draw(lines, drawn)
  local room = core.terminal(1) or 0
  if room <= 0 then room = 80 end
  local parts = { drawn > 0 and ("\27[%dA\r"):format(drawn) or "" }
  for _, line in ipairs(lines) do parts[#parts + 1] = display.cut(line, room - 1) .. "\27[K\n" end
  parts[#parts + 1] = "\27[J"
  output.write(table.concat(parts))
  return #lines
end

local function watch(args, out)
  local state = context.state(args)
  if not state then
    ending.fail(status.USAGE, "quota --watch reads the budget that processes share by a state: --state names it")
  end
  local api = context.client(args, { state = state })
  local in_place, drawn, count = redraws() and not out.json, 0, 0
  while true do
    local found = look(api)
    if out.json then
      found.members = json.array(found.members)
      output.write(output.compact(found) .. "\n")
    elseif in_place then
      drawn = draw(table_of(found), drawn)
    else
      output.write(line_of(found) .. "\n")
    end
    output.flush()
    count = count + 1
    if args.count and count >= args.count then return end
    core.wait(args.interval)
  end
end

local function run(args, out)
  if args.watch then return watch(args, out) end
  if args.count then ending.fail(status.USAGE, "--count goes with --watch") end
  return show(args, out)
end

function quota.define(parser, define)
  local command = define(parser, "quota",
    "Prints the rate limit and what is left of it. Sends one request if nothing is known yet.", run)
  command:flag("--watch"):description("Goes on: prints the budget that processes share by the state, and the "
    .. "part of each, until Ctrl-C. Sends nothing.")
  command:option("--interval"):argname "SECONDS":convert(context.number):default "1"
    :description "Between two looks of --watch."
  command:option("--count"):argname "N":convert(context.positive):description "Ends --watch after N looks."
  context.connecting(command)
end

return quota
