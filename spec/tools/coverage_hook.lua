-- coverage_hook.lua: LUA_INIT of the Luas that spec/tools/coverage runs. Notes each line of the module that runs, in all
-- coroutines, and writes them into a file of the folder COVERAGE_HITS when the process ends.

local folder, root = os.getenv "COVERAGE_HITS", os.getenv "COVERAGE_ROOT"
local getinfo, sethook, exit = debug.getinfo, debug.sethook, os.exit
local files = {}   -- source -> its lines, or false for a file of others

local function hook(_, line)
  local source = getinfo(2, "S").source
  local lines = files[source]
  if lines == nil then
    local path = source:sub(1, 1) == "@" and source:sub(2):gsub("^" .. root:gsub("%p", "%%%0"), "")
    lines = path and (path:find "^lua/flarelight" or path:find "^bin/") and { path = path } or false
    files[source] = lines
  end
  if lines then lines[line] = true end
end

local function write()
  sethook()
  local name = ("%s/%d-%s"):format(folder, os.time(), tostring(files):match "%w+$")
  local file = io.open(name, "a")
  if not file then return end
  for _, lines in pairs(files) do
    for line in pairs(lines or {}) do
      if line ~= "path" then file:write(lines.path, " ", line, "\n") end
    end
  end
  file:close()
end

-- A hook belongs to one coroutine.
local create, resume = coroutine.create, coroutine.resume
function coroutine.create(body)   -- luacheck: ignore 122
  local thread = create(body)
  sethook(thread, hook, "l")
  return thread
end

local function passed_on(good, ...)
  if not good then error((...), 0) end
  return ...
end
function coroutine.wrap(body)   -- luacheck: ignore 122
  local thread = coroutine.create(body)
  return function(...) return passed_on(resume(thread, ...)) end
end

function os.exit(...)   -- luacheck: ignore 122
  write()
  return exit(...)
end
COVERAGE_AT_END = setmetatable({}, { __gc = write })   -- luacheck: ignore 111
sethook(hook, "l")
