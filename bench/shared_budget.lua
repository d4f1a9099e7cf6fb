--- Processes that share one rate limit by one state, against a sandbox that enforces the limit.
--
--   eval "$(make -s env)"
--   lua5.4 bench/shared_budget.lua [PROCESSES] [LIMIT] [WINDOW] [WINDOWS] [CALLS] [STATE] [COMMAND]
--
-- PROCESSES (16) make calls for WINDOWS (4) windows of WINDOW (20) seconds in which the sandbox allows LIMIT (240)
-- requests. CALLS is `one` (each process makes one call after another), `many` (each process has fifty calls waiting)
-- or `pages` (each process reads pages, which are no interactive calls). STATE is the URL of a PostgreSQL database;
-- without it the state is a file. ADDRESS of the environment is that of the sandbox, and MACHINES the network namespaces in
-- which the processes run in turn (bench/two_machines). COMMAND is run by the shell in the middle of the third window.
-- Prints for the windows after the first one: the part of the limit that was used, the replies over the limit, the largest
-- number of requests of a process over the smallest, and the calls that failed. In the first window the limit is not known
-- before the first reply.

local interpreter = arg[-1] or "lua5.4"
local flarelight = require "flarelight"
local core = require "flarelight.core"

-- --- one process: makes calls until the time is over, and prints the number of good and failed ones ---

local function work(options)
  local api = assert(flarelight.new { base_url = options.url, api_key = options.key, state = options.state,
    subscription_id = options.subscription, user_agent = "process/" .. options.number, max_concurrency = 4,
    max_attempts = 10, allow_insecure_http = true })
  local good, failed, first_failure = 0, 0, ""
  local ends = options.ends
  local function count(data, message, err)
    if data ~= nil then good = good + 1
    elseif not (err and err.kind == "closed") then
      failed = failed + 1
      first_failure = tostring(message)
    end
  end
  local function left() return ends - core.now() end
  local function loop()
    while left() > 0 do
      if options.calls == "pages" then
        local rows = api.imports:rows(1, { page_size = 1, limit = 1, prefetch = 1 })
        for _ in rows do count(true) end
      else
        count(api.imports:all())
      end
    end
  end
  if options.calls == "one" then
    loop()
  else
    for _ = 1, options.calls == "pages" and 8 or 50 do api:spawn(loop) end
    while left() > 0 do api:update(0.02) end
  end
  -- Calls that still wait for budget are neither good nor failed: they end with the client.
  api:close()
  io.write(good, " ", failed, " ", first_failure, "\n")
end

if arg[1] == "process" then
  return work { url = arg[2], key = arg[3], subscription = arg[4], state = arg[5], ends = tonumber(arg[6]),
    number = arg[7], calls = arg[8] }
end

-- --- the parent ---

local count, limit, window = tonumber(arg[1] or 16), tonumber(arg[2] or 240), tonumber(arg[3] or 20)
local windows, calls = tonumber(arg[4] or 4), arg[5] or "many"
local sandbox = assert(require("flarelight.sandbox").start {
  rate_limit = limit, rate_window = window, log_requests = 1e6, address = os.getenv "ADDRESS",
})
local machines = {}
for name in (os.getenv "MACHINES" or ""):gmatch "%S+" do machines[#machines + 1] = "ip netns exec " .. name .. " " end
local setup = assert(flarelight.new { base_url = sandbox.url, api_key = sandbox.api_key,
  subscription_id = sandbox.subscription_id, allow_insecure_http = true })
assert(setup.imports:import { name = "shared", records = { { n = 1 } } })
setup:close()
local state = arg[6]
if not state then
  state = os.tmpname()
  os.remove(state)
end
local begun = core.now()
local ends = begun + window * (windows + 0.5)
if arg[7] then os.execute(("(sleep %g; %s) >/dev/null 2>&1 &"):format(window * 2.5, arg[7])) end
local pipes = {}
for number = 1, count do
  pipes[number] = assert(io.popen(("%s%s %s process %s %s %s '%s' %.3f %d %s"):format(
    machines[number % math.max(1, #machines) + 1] or "", interpreter, arg[0], sandbox.url, sandbox.api_key,
    sandbox.subscription_id, state, ends, number, calls)))
end
local failed, why = 0, ""
for number = 1, count do
  local _, bad, message = pipes[number]:read "*l":match "^(%d+) (%d+) (.*)$"
  failed, why = failed + tonumber(bad), message ~= "" and message or why
  pipes[number]:close()
end

-- The windows of the sandbox: each begins with the first request after the end of the one before.
local shares, accepted, refused, at = {}, 0, 0, nil
local list, window_number = {}, 0
for _, request in ipairs(sandbox:requests()) do list[#list + 1] = request end
local per_window = {}
for _, request in ipairs(list) do
  if not at or request.time >= at + window then at, window_number = request.time, window_number + 1 end
  local each = per_window[window_number] or { good = 0, refused = 0, agents = {} }
  per_window[window_number] = each
  if request.status == 429 then each.refused = each.refused + 1
  elseif request.status == 200 then each.good = each.good + 1 end
  local agent = request.headers["user-agent"] or ""
  each.agents[agent] = (each.agents[agent] or 0) + 1
end
local measured, first, last = 0, nil, nil
for number = 2, window_number - 1 do -- the last window is cut off
  measured, accepted, refused = measured + 1, accepted + per_window[number].good, refused + per_window[number].refused
end
for number = 2, window_number - 1 do
  for agent, requests in pairs(per_window[number].agents) do
    if agent:find "^process/" then shares[agent] = (shares[agent] or 0) + requests end
  end
end
for number = 1, count do
  local share = shares["process/" .. number] or 0
  first, last = math.min(first or share, share), math.max(last or share, share)
end
print(("processes %d  limit %d in %g s  %s  windows measured %d"):format(count, limit, window, calls, measured))
for number, each in ipairs(per_window) do
  print(("  window %d: %d good, %d over the limit"):format(number, each.good, each.refused))
end
print(("used %.1f %%  over the limit %d  most/least %.2f (%d, %d)  failed %d %s"):format(
  100 * accepted / (limit * measured), refused, last / math.max(first, 1), last, first, failed, why))
for _, ending in ipairs { "-budget", "-budget-wal", "-budget-shm" } do os.remove(state .. ending) end
