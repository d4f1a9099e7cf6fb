--- Torture: runs a script against a sandbox in this process, once for each thing that can go wrong (points.lua),
-- starts it again until it succeeds (process.lua), and compares the rows in the sandbox with those of a run without
-- trouble (holdings.lua). docs/torture.md describes it.

local database = require "flarelight.torture.database"
local holdings = require "flarelight.torture.holdings"
local points = require "flarelight.torture.points"
local process = require "flarelight.torture.process"
local sandbox = require "flarelight.sandbox"
local system = require "flarelight.system"

local torture = {}

torture.SERVERS = points.SERVERS

local MOST_RUNS = 8 -- of the script, for one point

local function copy(values)
  local made = {}
  for name, value in pairs(values or {}) do made[name] = value end
  return made
end

-- Starts the script until it succeeds, or stops twice with the same error. Returns its last exit status, whether it
-- was killed on the way, and its last outcome.
local function run_to_end(run, checkpoints, doomed)
  local status, killed, last
  for number = 1, MOST_RUNS do
    run.runs = number
    os.remove(run.folder .. "/killed")
    if run.database and number > 1 then assert(run.database:end_leases()) end
    process.start(run, checkpoints[number])
    local shot
    status, shot = process.wait(run, number == 1 and doomed or nil)
    -- Only the first run counts: a fault that did not meet it is not reached by this script.
    if number == 1 then run.hits = run.box:hits().total end
    run.at_checkpoint = run.at_checkpoint or system.read(run.folder .. "/killed") ~= nil
    killed = killed or shot or run.at_checkpoint
    local outcome = process.last_outcome(run)
    if run.hung then return status, killed, outcome end
    -- A script that has not reached the module is not there to be resumed.
    if run.once and not outcome.fate then return status, killed, outcome end
    local stopped = outcome.fate == "in_doubt" or outcome.fate == "foreign" or outcome.kind == "conflict"
      or outcome.kind == "run_failed" or outcome.kind == "timeout" and outcome.fate == "applied"
    if status == 0 and outcome.fate == "done" then return status, killed, outcome end
    -- The same error twice would occur again and again. A run that was killed does not count.
    if not shot and status ~= 137 and last and stopped and last.fate == outcome.fate and last.kind == outcome.kind then
      return status, killed, outcome
    end
    last = not shot and status ~= 137 and outcome or nil
  end
  return status, killed, process.last_outcome(run)
end

-- How many starts of runs are missing, and how many are too many, by the clean run.
local function compare_starts(expected, made)
  local lost, repeated = 0, 0
  for operation, count in pairs(expected or {}) do
    lost = lost + math.max(0, count - made[operation])
    repeated = repeated + math.max(0, made[operation] - count)
  end
  return lost, repeated
end

-- The result of a point: its outcome, and the numbers of rows and of starts of runs that are missing or too many. A
-- start that was repeated is wrong also if the script has stopped with an error.
local function judge(run, point, status, killed, outcome)
  local rejected = holdings.rejected(process.rejects(run))
  local lost_starts, repeated_starts = compare_starts(run.expected_starts, run.box:counts().starts)
  local lost, repeated = holdings.compare_in_any_order(run.expected, holdings.of(run.box), rejected)
  local fired = killed or run.hits > 0
  if point.kind == "clean" then fired = true elseif point.kind == "twice" then fired = run.at_checkpoint end
  local result = {
    point = point.name, kind = point.kind, runs = run.runs, lost = lost + lost_starts,
    repeated = repeated + repeated_starts, lost_starts = lost_starts, repeated_starts = repeated_starts,
    status = status,
    fate = outcome.fate, error = outcome.kind, message = outcome.message,
  }
  if run.hung then result.outcome = "hung"
  elseif repeated_starts > 0 then result.outcome = "REPEATED"
  elseif outcome.fate == "done" and status == 0 then
    result.outcome = result.lost > 0 and "LOST" or repeated > 0 and "REPEATED" or fired and "exact" or "not reached"
  elseif outcome.fate == "in_doubt" then result.outcome = "stopped in_doubt"
  elseif outcome.fate == "foreign" or outcome.kind == "conflict" then result.outcome = "stopped foreign"
  elseif outcome.kind and outcome.kind ~= "" then result.outcome = "stopped " .. outcome.kind
  else result.outcome = "stopped without a message" end
  return result
end

-- Runs one point in a folder and a sandbox of its own. Returns the result, and observations: the number of `imports`
-- (requests), the `starts` of runs by operation, the `checkpoints`, and without `expected` the holdings of the sandbox,
-- `held`.
local function run_point(given, point, expected, expected_starts)
  local options = copy(point.server.options)
  for name, value in pairs(given.sandbox or {}) do options[name] = options[name] == nil and value or options[name] end
  options.rate_limit = options.rate_limit or 0
  options.log_body_bytes = 0
  local box = assert(sandbox.start(options))
  local folder = given.folder .. "/run"
  os.execute("rm -rf " .. system.quote(folder) .. " && mkdir -p " .. system.quote(folder))
  local run = {
    box = box, folder = folder, settle = given.settle, wait = given.wait or 5, source = given.source,
    timeout = given.timeout, database = given.database,
    interpreter = given.interpreter, command = given.command, expected = expected or {},
    expected_starts = expected_starts, once = point.kind == "clean",
  }
  if given.database then assert(given.database:clear()) end
  local checkpoints, doomed = points.arrange(point, box, given.settle)
  local status, killed, outcome = run_to_end(run, checkpoints, doomed)
  local result = judge(run, point, status, killed, outcome)
  local imports = 0
  for _, request in ipairs(box:requests()) do
    if request.operation == "imports.import" then imports = imports + 1 end
  end
  result.output = system.read(folder .. "/output")
  local seen = {
    imports = imports, starts = box:counts().starts, checkpoints = process.lines(folder .. "/checkpoints"),
    held = expected == nil and holdings.of(box),
  }
  box:stop()
  return result, seen
end

-- What a script has printed; once, if each of its runs has printed the same. Traces of LuaJIT have addresses, which
-- differ.
local function printed(result)
  local output, runs = result.output or "", result.runs
  local same = output:gsub("0x%x+", "0x")
  local one = same:sub(1, math.floor(#same / runs))
  return one:rep(runs) == same and one or output
end

-- Runs the script once without trouble on each server. Returns a plan for each: the rows that it should hold, and the
-- checkpoints and requests that there are. Or nil and a message, if the script does not succeed.
local function plan_servers(given, is_chosen)
  local plans, expected_plain, plain_starts = {}, nil, nil
  for _, server in ipairs(points.SERVERS) do
    local plain = server == points.SERVERS[1]
    if plain or is_chosen(server) then
      local result, seen = run_point(given, points.clean(server))
      local done = result.fate == "done" and result.status == 0
      if plain and not done and not result.fate and result.status == 0 then
        return nil, "the script ends with status 0, but makes no upload and starts no run with flarelight: there is "
          .. "nothing to kill it in"
      end
      if plain and not done then
        return nil, ("the script fails although nothing goes wrong (status %s): %s\n%s"):format(
          tostring(result.status), result.message or "it had made no upload with flarelight", printed(result))
      end
      expected_plain, plain_starts = expected_plain or seen.held, plain_starts or seen.starts
      -- A server that changes values is compared with its own clean run, if that has as many rows as the plain
      -- server. If it has not, or the run stopped, the server is compared with the plain one.
      local held = done and holdings.same_counts(seen.held, expected_plain) and seen.held or expected_plain
      local starts = done and seen.starts or plain_starts
      plans[#plans + 1] = { server = server, seen = seen, expected = held, starts = starts }
    end
  end
  return plans
end

-- The points of all chosen servers, each with the rows that should be there.
local function points_of(plans, given, is_chosen)
  local work = {}
  for _, plan in ipairs(plans) do
    if is_chosen(plan.server) then
      work[#work + 1] = { point = points.clean(plan.server), expected = plan.expected, starts = plan.starts }
      local chosen = points.of_kinds(points.all(plan.server, plan.seen, given), given.kinds)
      for _, point in ipairs(points.sample(chosen, given.limit, given.seed)) do
        work[#work + 1] = { point = point, expected = plan.expected, starts = plan.starts }
      end
    end
  end
  return work
end

-- The point of this name: one of the list, or a mix, drawn from the seed in its name.
local function point_named(name, work, plans, is_chosen)
  for _, each in ipairs(work) do
    if each.point.name == name then return each end
  end
  local seed = tonumber(name:match "/mix:(%d+)$")
  for _, plan in ipairs(seed and plans or {}) do
    if is_chosen(plan.server) and #plan.seen.checkpoints > 0 then
      return { point = points.mix(plan.server, seed, plan.seen), expected = plan.expected, starts = plan.starts }
    end
  end
end

-- torture.run without the database.
local function run_all(given)
  local only_server = given.only and given.only:match "^([^/]+)/"
  local wanted = {}
  for _, name in ipairs(given.servers or {}) do wanted[name] = true end
  local function is_chosen(server)
    if only_server then return server.name == only_server end
    -- Each point on a server of `runs` waits for seconds: they are tried if they are named.
    if not given.servers then return not server.runs end
    return wanted[server.name] == true
  end
  local plans, message = plan_servers(given, is_chosen)
  if not plans then return nil, message end
  local work = points_of(plans, given, is_chosen)
  if given.only then
    work = { point_named(given.only, work, plans, is_chosen) }
    if #work == 0 then return nil, ("there is no point %q"):format(given.only) end
  end
  local results = {}
  for place, each in ipairs(work) do
    results[place] = run_point(given, each.point, each.expected, each.starts)
    if given.on_result then given.on_result(results[place], place, #work) end
  end
  return results
end

--- Tortures a script.
---
--- `given`: command (the script and its arguments), interpreter (how Lua is called), folder (for files, made by
--- the caller), settle (seconds), wait (the longest `wait` of a start, 5 seconds),
--- source (of sources.KINDS, or nil for "file"), state (a URL of PostgreSQL whose schema flarelight is empty; nil for a
--- state file of each point),
--- timeout (seconds for one run), servers and kinds (names, or nil for all), only
--- (the name of one point), limit (most points of each server), mixes, seed, sandbox (more of its options),
--- on_result(result, done, of).
---
--- Returns the results in order, each { point =, kind =, outcome =, lost =, repeated =, runs =, message =, output = },
--- or `nil, message` if the script fails although nothing goes wrong.
---@return table[]? results, string? message
function torture.run(given)
  local opened, message, err
  if given.state then
    opened, message, err = database.open(given.state)
    if not opened then return nil, message, err end
    given = copy(given)
    given.database = opened
  end
  local ran, results, why = pcall(run_all, given)
  if opened then opened:close() end
  if not ran then error(results, 0) end
  return results, why
end

return torture
