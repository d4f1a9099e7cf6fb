--- Lets each n-th allocation fail, in spec/memory/host.c, while spec/memory/script.lua runs against a sandbox.
--
--   lua5.4 spec/memory/sweep.lua HOST CPATH [STEP [SOURCE ...]]
--
-- Every STEP-th n, for each SOURCE of allocations (core, lua, sqlite, curl), once and from there on. Prints the problems
-- and the number of allocations that failed. `make memory` runs all of them.

local support = require "support"
local system = require "support.system"

local sweep = {}

local ROWS = 12        -- of the import that the script reads
local PER_PROCESS = 200

-- Runs a command. Returns its lines, and its exit status (above 128: the signal).
local function run(command)
  local pipe = assert(io.popen(command .. "; echo status $?"))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines, tonumber((table.remove(lines) or ""):match "^status (%d+)$")
end

-- The blocks that stay allocated from one run to the next: there may be a few that live as long as the process.
local function find_leak(lines)
  local before, growth = nil, 0
  for _, line in ipairs(lines) do
    local blocks = tonumber(line:match "^blocks (%d+)")
    if blocks and before and blocks > before then growth = growth + (blocks - before) end
    before = blocks or before
  end
  return growth
end

--- `given`: host, cpath, source, on (from there on), step, first, last. Returns the number of failed allocations, of
-- runs, and the problems as a list of texts.
function sweep.run(given)
  local sandbox = support.sandbox { rate_limit = 0 }
  local api = support.client(sandbox)
  local folder = system.folder()
  local file = assert(io.open(folder .. "/records.csv", "w"))
  file:write "n\n"
  for i = 0, 8 do file:write(i, "\n") end
  file:close()
  -- It shows a description, by which an upload knows that the list of imports has them.
  local import = assert(api.imports:import {
    records = support.records(ROWS), name = "rows", description = "rows",
  }).id
  api:close()
  local start = sandbox:snapshot()
  local result = { failed = 0, runs = 0, problems = {} }
  local first, step = given.first or 1, given.step or 1
  local over
  local function note(words, ...)
    result.problems[#result.problems + 1] = ("%s, %s: "):format(given.source, given.on and "on" or "once")
      .. words:format(...)
  end
  repeat
    local last = math.min(first + PER_PROCESS * step - 1, given.last or math.huge)
    local at = first
    sandbox:restore(start)
    sandbox:clear_log()
    local lines, status = run(("LUA_CPATH=%s %s spec/memory/script.lua %d %d %d %d %s %s %s %s %d %s %s 2>&1"):format(
      system.quote(given.cpath), given.host, first, last, step, given.on and 1 or 0, given.source, sandbox.url,
      sandbox.api_key, sandbox.subscription_id, import, system.quote(folder), given.on and "on" or "once"))
    for _, line in ipairs(lines) do
      local failed = line:match "^n %d+ counted %d+ failed (%d+)"
      if failed then
        result.runs, result.failed = result.runs + 1, result.failed + tonumber(failed)
      elseif line:find "^begin " then
        at = tonumber(line:match "%d+")
      elseif not line:find "^blocks " then
        note("%s", line)
      end
    end
    local leak = find_leak(lines)
    if leak > 0 then note("%d blocks are leaked from n = %d to %d", leak, first, at) end
    over = status == 3 or result.runs == 0
    if not over and status ~= 0 then note("n = %d: status %d", at, status) end
    first = at + step
  until over or first > (given.last or math.huge)
  sandbox:stop()
  return result
end

if not (arg and (arg[0] or ""):find "sweep%.lua$") then return sweep end

local host, cpath, step = arg[1], arg[2], tonumber(arg[3]) or 1
local sources = arg[4] and { (table.unpack or unpack)(arg, 4) } or { "core", "lua", "sqlite", "curl" }
local failed, wrong = 0, 0
for _, source in ipairs(sources) do
  for _, on in ipairs { false, true } do
    local result = sweep.run { host = host, cpath = cpath, step = step, source = source, on = on }
    for _, problem in ipairs(result.problems) do print(problem) end
    print(("%s, %s: %d runs, %d allocations failed, %d problems"):format(source, on and "from there on" or "once",
      result.runs, result.failed, #result.problems))
    failed, wrong = failed + result.failed, wrong + #result.problems
  end
end
print(("%d allocations failed, %d problems"):format(failed, wrong))
os.exit(wrong == 0)
