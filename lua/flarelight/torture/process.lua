--- The script under test as a process, and the folder through which it reports.
--
-- A run is { folder =, box =, settle =, wait =, source =, timeout =, interpreter =,
-- command =, database = }. In the folder are `state.db`, or `state` with the URL of the database; written by
-- the shell: `pid`, `output` and, when the process has ended, `status`; written by harness.lua inside the process:
-- `checkpoints` that were reached, `outcomes` of uploads, names of `rejects` files, and `killed` if it has killed
-- itself. Relies on a POSIX shell and on harness.lua.

local core = require "flarelight.core"
local settings = require "flarelight.settings"
local system = require "flarelight.system"

local process = {}

local POLL = 0.002 -- seconds between two checks of the script and the sandbox

--- The lines of a file that are not empty; none if there is no file.
function process.lines(path)
  local lines = {}
  for line in (system.read(path) or ""):gmatch "[^\n]+" do lines[#lines + 1] = line end
  return lines
end

-- The path of a module of flarelight.
local function module_path(name)
  for template in package.path:gmatch "[^;]+" do
    local path = template:gsub("%?", (name:gsub("%.", "/")))
    local file = io.open(path)
    if file then
      file:close()
      return path
    end
  end
end

--- Starts the script in the background.
---@param run table
---@param checkpoint string? at which the script kills itself, as "batch.sending:3"
function process.start(run, checkpoint)
  local folder, box, quote = run.folder, run.box, system.quote
  local environment = {
    FLARELIGHT_BASE_URL = box.url, FLARELIGHT_API_KEY = box.api_key, FLARELIGHT_SUBSCRIPTION_ID = box.subscription_id,
    FLARELIGHT_TORTURE = folder,
    FLARELIGHT_TORTURE_CHECKPOINT = checkpoint or "",
    FLARELIGHT_TORTURE_SETTLE = tostring(run.settle), FLARELIGHT_TORTURE_WAIT = tostring(run.wait),
    FLARELIGHT_TORTURE_SOURCE = run.source or "file",
  }
  -- A URL may have a password, and other users see command lines: harness.lua reads it from a file.
  if run.database then
    local file = assert(io.open(folder .. "/state", "w"))
    file:write(run.database.url)
    file:close()
  else
    environment.FLARELIGHT_STATE = folder .. "/state.db"
  end
  -- The script finds the modules of this process, whatever path led to them.
  local words = { "exec env" }
  for _, version in ipairs { "5_2", "5_3", "5_4" } do
    words[#words + 1] = ("-u LUA_PATH_%s -u LUA_CPATH_%s"):format(version, version)
  end
  for _, name in ipairs(settings.variables()) do words[#words + 1] = "-u " .. name end
  environment.LUA_PATH, environment.LUA_CPATH = package.path, package.cpath
  for name, value in pairs(environment) do words[#words + 1] = name .. "=" .. quote(tostring(value)) end
  words[#words + 1] = quote(run.interpreter) .. " " .. quote(assert(module_path "flarelight.torture.harness"))
  for _, word in ipairs(run.command) do words[#words + 1] = quote(word) end
  os.remove(folder .. "/status")
  os.remove(folder .. "/pid")
  local function file(name) return quote(folder .. "/" .. name) end
  local inner = ("echo $$ >%s; %s"):format(file "pid", table.concat(words, " "))
  os.execute(("{ sh -c %s </dev/null >>%s 2>&1; echo $? >%s; mv %s %s; } 2>/dev/null &"):format(
    quote(inner), file "output", file "status.new", file "status.new", file "status"))
end

local function ended(run) return system.read(run.folder .. "/status") ~= nil end

local function kill(run)
  local pid = tonumber(system.read(run.folder .. "/pid") or "")
  if pid then os.execute(("kill -KILL %d 2>/dev/null"):format(pid)) end
end

--- Waits for the script's end. Kills it when `doomed()` is true, or after `run.timeout` seconds; then it sets
--- `run.hung`.
---@param run table
---@param doomed (fun(): boolean)?
---@return integer status, boolean killed whether it was killed because it was doomed
function process.wait(run, doomed)
  local due, killed = core.now() + run.timeout, false
  while not ended(run) do
    if not killed and doomed and doomed() then
      kill(run)
      killed = true
    elseif core.now() > due then
      kill(run)
      run.hung = true
    end
    core.wait(POLL)
  end
  return tonumber(system.read(run.folder .. "/status")), killed
end

--- The outcome of the last call of upload or resume: { fate =, kind =, message = }.
function process.last_outcome(run)
  local lines = process.lines(run.folder .. "/outcomes")
  local fate, kind, message = (lines[#lines] or ""):match "^(.-)\t(.-)\t(.*)$"
  return { fate = fate, kind = kind, message = message }
end

--- The lines of the rejects files that the script has named.
function process.rejects(run)
  local lines, seen = {}, {}
  for _, path in ipairs(process.lines(run.folder .. "/rejects")) do
    if not seen[path] then
      seen[path] = true
      for _, line in ipairs(process.lines(path)) do lines[#lines + 1] = line end
    end
  end
  return lines
end

return process
