--- Harness inside the script under test: records checkpoints and the outcomes of uploads, of blocks of once and of
-- starts, and kills the process at the given checkpoint. torture/process.lua starts it as
-- `lua …/flarelight/torture/harness.lua script.lua`, with this environment:
--
--   FLARELIGHT_TORTURE             the folder
--   FLARELIGHT_STATE               the state file; not there if the state is in a database: the folder's file `state`
--                                  then has its URL
--   FLARELIGHT_TORTURE_CHECKPOINT  "batch.sending:3": the third time that this checkpoint is reached
--   FLARELIGHT_TORTURE_SOURCE      the kind of source that uploads get instead of their file (sources.lua)
--   FLARELIGHT_TORTURE_SETTLE      the option `settle` of uploads that do not give it
--   FLARELIGHT_TORTURE_WAIT        the longest time in seconds that a start waits for the end of its run

local folder = os.getenv "FLARELIGHT_TORTURE"
if not folder then error("flarelight.torture.harness is started by `flarelight torture` alone", 0) end

local client = require "flarelight.client"
local imports = require "flarelight.imports"
local checkpoints = require "flarelight.upload.checkpoints"
local sources = require "flarelight.torture.sources"

local doomed, nth = (os.getenv "FLARELIGHT_TORTURE_CHECKPOINT" or ""):match "^(.*):(%d+)$"
local settle = tonumber(os.getenv "FLARELIGHT_TORTURE_SETTLE")
local longest = tonumber(os.getenv "FLARELIGHT_TORTURE_WAIT")
nth = tonumber(nth)
local kind = os.getenv "FLARELIGHT_TORTURE_SOURCE" or "file"

-- Opens and closes the file each time, so that every line survives SIGKILL.
local function put(name, text)
  local file = assert(io.open(folder .. "/" .. name, "a"))
  file:write(text, "\n")
  file:close()
end

local reached = {}

function checkpoints.on(name)
  reached[name] = (reached[name] or 0) + 1
  put("checkpoints", name .. ":" .. reached[name])
  -- os.execute returns after the signal: no line of this script runs in between. $PPID is this process.
  if name == doomed and reached[name] == nth then
    put("killed", name)
    os.execute "kill -KILL $PPID"
  end
end

local function outcome(result, message, err)
  if result ~= nil then
    put("outcomes", "done\t\t")
  else
    put("outcomes", ("%s\t%s\t%s"):format(err.fate or "", err.kind or "", (tostring(message):gsub("[\t\n]", " "))))
  end
  return result, message, err
end

local function copy_of(values)
  local copy = {}
  for name, value in pairs(values) do copy[name] = value end
  return copy
end

local function with_settle(given)
  local copy = copy_of(type(given) == "table" and given or {})
  copy.settle = copy.settle or settle
  return copy
end

-- The options of a start with a shorter `wait`. A script that waits for ten minutes for a run that was never carried
-- out would take ten minutes for each point.
local function with_short_wait(given)
  if type(given) ~= "table" or given.wait == nil then return given end
  local copy = copy_of(given)
  if type(copy.wait) == "table" then
    copy.wait = copy_of(copy.wait)
    copy.wait.timeout = math.min(tonumber(copy.wait.timeout) or longest, longest)
  elseif type(copy.wait) == "number" then
    copy.wait = math.min(copy.wait, longest)
  end
  return copy
end

local function state_of_run()
  local file = io.open(folder .. "/state")
  if not file then return os.getenv "FLARELIGHT_STATE" end
  local url = file:read "*a"
  file:close()
  return url
end

-- Every client reaches the sandbox only, whatever options the script gives. The classes of clients and of the modules
-- that start runs are local to their modules: the first client leads to them.
local new, wrapped_client = client.new, false
local STARTS = { automations = "execute", preparations = "execute", reports = "generate" }

local function wrap_client(api)
  wrapped_client = true
  local class = getmetatable(api).__index
  local once = class.once
  function class.once(...) return outcome(once(...)) end
  for name, method in pairs(STARTS) do
    local its_class = getmetatable(api[name]).__index
    local start = its_class[method]
    its_class[method] = function(self, id, parameters, given)
      return outcome(start(self, id, parameters, with_short_wait(given)))
    end
  end
end

function client.new(given)
  local forced = copy_of(type(given) == "table" and given or {})
  forced.base_url, forced.region, forced.proxy, forced.profile = os.getenv "FLARELIGHT_BASE_URL", nil, nil, nil
  forced.api_key, forced.subscription_id = os.getenv "FLARELIGHT_API_KEY", os.getenv "FLARELIGHT_SUBSCRIPTION_ID"
  forced.environment, forced.api_key_file, forced.key_command = nil, nil, nil
  forced.state = state_of_run()
  local api, message, err = new(forced)
  if api and not wrapped_client then wrap_client(api) end
  return api, message, err
end

-- The class is local to its module. The first object that the module makes leads to it.
local make = imports.new
local wrapped = false
function imports.new(...)
  local object = make(...)
  if not wrapped then
    wrapped = true
    local class = getmetatable(object).__index
    local upload, resume = class.upload, class.resume
    function class.upload(self, given)
      if type(given) ~= "table" then return upload(self, given) end
      if type(given.rejects) == "string" then put("rejects", given.rejects) end
      return outcome(upload(self, with_settle(sources.replaced(kind, given, folder .. "/sources"))))
    end
    function class.resume(self, token, given) return outcome(resume(self, token, with_settle(given))) end
  end
  return object
end

-- The script gets its own `arg`. An error that it raises ends the process as it would without the harness.
local words = rawget(_G, "arg")
for place = 0, #words do words[place] = words[place + 1] end
local script = assert(loadfile(words[0]))
script((table.unpack or unpack)(words))
