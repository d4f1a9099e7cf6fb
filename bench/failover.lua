--- An upload that one machine begins and another one finishes, over a state in PostgreSQL. bench/two_machines runs it.
--
--   ADDRESS=… MACHINES="A B" lua5.4 bench/failover.lua STATE
--
-- The machines are network namespaces. In each case the process on A stops in the middle of an upload of 4,000 records:
-- `paused` (SIGSTOP), `cut-off` (its network is gone), `killed` (SIGKILL). B runs the same script until it succeeds, which
-- is when the leases of A have ended. Then A goes on, and says what came of it. Prints for each case how many tries B
-- needed, what A said, how many requests A sent after it had come back, and the records that are lost or repeated.

local interpreter = arg[-1] or "lua5.4"
local flarelight = require "flarelight"
local core = require "flarelight.core"

local RECORDS, BATCH = 4000, 100

-- --- one process: uploads; on A it stops after half of the records ---

local function work(options)
  local api = assert(flarelight.new { base_url = options.url, api_key = options.key, allow_insecure_http = true,
    subscription_id = options.subscription, state = options.state, user_agent = options.agent, write_timeout = 40,
    max_attempts = 1 })
  local stopped = options.stop == ""
  local result, message, err = api.imports:upload {
    file = options.file, key = options.key_of_upload, name = options.key_of_upload, batch_records = BATCH,
    on_progress = function(progress)
      if stopped or progress.records < RECORDS / 2 then return end
      stopped = true
      io.write("half ", core.process(), "\n")
      io.flush()
      os.execute((options.stop:gsub("PID", tostring(core.process()))))
    end,
  }
  io.write(result and "done" or ("%s: %s"):format(err.kind, message), "\n")
  api:close()
end

if arg[1] == "process" then
  return work { url = arg[2], key = arg[3], subscription = arg[4], state = arg[5], agent = arg[6], file = arg[7],
    key_of_upload = arg[8], stop = arg[9] }
end

-- --- the parent ---

local state, machines = assert(arg[1], "usage: failover.lua STATE"), {}
for name in assert(os.getenv "MACHINES"):gmatch "%S+" do machines[#machines + 1] = name end
local sandbox = assert(require("flarelight.sandbox").start {
  address = os.getenv "ADDRESS", rate_limit = 0, log_requests = 1e6,
})
local name = os.tmpname()
local file = name .. ".csv"
local out = assert(io.open(file, "w"))
out:write "id,text\n"
for number = 1, RECORDS do out:write(number, ",text ", number, "\n") end
out:close()

local function command(machine, agent, key, stop)
  return ("ip netns exec %s %s %s process %s %s %s '%s' %s %s %s '%s'"):format(machine, interpreter, arg[0],
    sandbox.url, sandbox.api_key, sandbox.subscription_id, state, agent, file, key, stop)
end

local function requests_of(agent)
  local count = 0
  for _, request in ipairs(sandbox:requests()) do
    if request.headers["user-agent"] == agent then count = count + 1 end
  end
  return count
end

-- The records that are missing in the imports of this name, and those that are too many.
local function judge(import_name)
  local seen, lost, repeated = {}, 0, 0
  local api = assert(flarelight.new { base_url = sandbox.url, api_key = sandbox.api_key, allow_insecure_http = true,
    subscription_id = sandbox.subscription_id })
  for _, import in ipairs(assert(api.imports:all())) do
    if import.name == import_name then
      for _, row in ipairs(sandbox:rows(import.id)) do seen[row.id] = (seen[row.id] or 0) + 1 end
    end
  end
  api:close()
  for number = 1, RECORDS do
    lost = lost + (seen[number] and 0 or 1)
    repeated = repeated + math.max(0, (seen[number] or 0) - 1)
  end
  return lost, repeated
end

local function run(case, stop, back)
  local agent_a, agent_b, key = "a/" .. case, "b/" .. case, "upload-" .. case
  local begun = core.now()
  local first = assert(io.popen(command(machines[1], agent_a, key, stop)))
  local process = assert(first:read "*l":match "^half (%d+)$")
  local tries, said = 0
  repeat
    tries = tries + 1
    if tries > 1 then core.wait(5) end
    local second = assert(io.popen(command(machines[2], agent_b, key, "")))
    said = second:read "*a":match "[^\n]*"
    second:close()
  until said == "done" or tries == 30
  local taken, before = core.now() - begun, requests_of(agent_a)
  os.execute((back:gsub("PID", process)))
  local of_a = first:read "*a":match "[^\n]*"
  first:close()
  local lost, repeated = judge(key)
  print(("%-8s B: %s after %.0f s, %d tries; A: %s; requests of A after its return: %d; lost %d, repeated %d"):format(
    case, said, taken, tries, of_a == "" and "nothing" or of_a, requests_of(agent_a) - before, lost, repeated))
end

run("paused", "kill -STOP PID", "kill -CONT PID")
run("cut-off", "ip link set eth0 down", ("ip -n %s link set eth0 up"):format(machines[1]))
run("killed", "kill -KILL PID", "true")
os.remove(file)
os.remove(name)
sandbox:stop()
