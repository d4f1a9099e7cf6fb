--- Torture: runs a script against a sandbox in this process again and again, each time with one thing that goes
-- wrong, then until it is through, and compares what the sandbox holds with what a run without trouble leaves
-- there. docs/torture.md describes it.
--
-- What goes wrong is a point, named SERVER/KIND:WHAT:N. Of the kinds `step` ends the script with SIGKILL at a
-- step of its uploads, `net` at a moment of a request to the sandbox, `fault` lets the sandbox go wrong as its
-- faults do, `twice` ends it while it looks what became of a batch, `mix` draws a fault and an end from a seed,
-- and `clean` lets the script run. Relies on a shell to start and end the script, and on harness.lua inside it.

local core = require "flarelight.core"
local sandbox = require "flarelight.sandbox"

local torture = {}

local MOST_RUNS = 8 -- of the script, for one point
local POLL = 0.002 -- seconds between two looks at the script and the sandbox
local LONG = 30 -- seconds that a request hangs while the script is ended

--- Servers: the plain one, and those that are not what one would wish.
torture.SERVERS = {
  { name = "plain", options = {} },
  { name = "replaces", options = { update = "replace" } },
  { name = "reversed", options = { row_order = "reversed" } },
  { name = "alternating", options = { row_order = "alternating" } },
  { name = "adds", options = { added_member = "_position" } },
  { name = "normalizes", options = { values = "normalized" } },
  { name = "texts", options = { values = "text" } },
  { name = "hides", options = { list_descriptions = false } },
  { name = "other", options = {
    ids = "uuid", rows = "records", count_cap = 300, past_end = "404", messages = "object",
    rejected_batch = "keeps_good", reset_format = "absent",
  } },
}

-- Moments of a request at which the script is ended: the fault that holds the request there.
local MOMENTS = {
  -- It has arrived, and nothing comes of it.
  { name = "received", fault = { kind = "hang", seconds = LONG } },
  -- It has arrived, and is carried out after the script's end, within the settle time.
  { name = "late", fault = { kind = "hang", late = true }, late = true },
  -- It is carried out, and no byte of the reply has left.
  { name = "committed", fault = { kind = "latency", seconds = LONG } },
  -- Half of the reply has left.
  { name = "replying", fault = { kind = "stall", seconds = LONG, after = "half" } },
  -- All of it has.
  { name = "replied" },
}

-- Faults that need no end of the script. `late` is set to a part of the settle time.
local FAULTS = {
  { name = "commit_then_drop", fault = { kind = "commit_then_drop" } },
  { name = "commit_then_500", fault = { kind = "commit_then_500" } },
  { name = "commit_then_503", fault = { kind = "commit_then_500", status = 503 } },
  { name = "commit_late", fault = { kind = "commit_late" }, late = true },
  { name = "partial_commit", fault = { kind = "partial_commit" } },
  { name = "partial_commit_drop", fault = { kind = "partial_commit", drop = true } },
  { name = "partial_commit_first", fault = { kind = "partial_commit", records = 1 } },
  { name = "partial_commit_none", fault = { kind = "partial_commit", records = 0 } },
  { name = "keepalive_kill", fault = { kind = "keepalive_kill" } },
  { name = "read_lag", fault = { kind = "commit_then_drop" },
    besides = { operation = "imports.data", kind = "read_lag" } },
  { name = "list_lag", fault = { kind = "commit_then_drop" },
    besides = { operation = "imports.all", kind = "read_lag" } },
  { name = "refuse", fault = { kind = "refuse" } },
  { name = "reset", fault = { kind = "reset" } },
  { name = "empty", fault = { kind = "empty" } },
  { name = "garbage", fault = { kind = "garbage" } },
  { name = "truncate", fault = { kind = "truncate" } },
  { name = "stall", fault = { kind = "stall", seconds = 0.2 } },
  { name = "stall_head", fault = { kind = "stall", seconds = 0.2, after = "head" } },
  { name = "latency", fault = { kind = "latency", seconds = 0.2 } },
  { name = "hang", fault = { kind = "hang", seconds = 0.2 } },
  { name = "slow_body", fault = { kind = "slow_body", seconds = 0.01 } },
  { name = "throttle", fault = { kind = "throttle" } },
  { name = "throttle_after", fault = { kind = "throttle", retry_after = 0 } },
  { name = "status_400", fault = { kind = "status", status = 400 } },
  { name = "status_401", fault = { kind = "status", status = 401 } },
  { name = "status_403", fault = { kind = "status", status = 403 } },
  { name = "status_404", fault = { kind = "status", status = 404 } },
  { name = "status_408", fault = { kind = "status", status = 408 } },
  { name = "status_413", fault = { kind = "status", status = 413 } },
  { name = "status_500", fault = { kind = "status", status = 500 } },
  { name = "status_503", fault = { kind = "status", status = 503 } },
  { name = "html", fault = { kind = "html" } },
  { name = "wrong_length", fault = { kind = "wrong_length" } },
  { name = "bad_gzip", fault = { kind = "bad_gzip" } },
  { name = "huge", fault = { kind = "huge", bytes = 260 * 2 ^ 20 } },
  { name = "redirect", fault = { kind = "redirect" } },
  { name = "redirect_303", fault = { kind = "redirect", status = 303 } },
  { name = "foreign_use", fault = { kind = "foreign_use", requests = 10 } },
}

-- What makes a doubt, and the steps at which the script is ended while it clears it up.
local DOUBTS = {
  { name = "commit_then_drop", steps = { "doubt.settling", "doubt.looked", "doubt.resolved" } },
  { name = "partial_commit", steps = { "doubt.settling", "doubt.looked", "doubt.resolved", "batch.divided" } },
  { name = "reset", steps = { "doubt.settling", "doubt.looked", "doubt.resolved" } },
  { name = "status_413", steps = { "batch.divided" } },
  -- Here the first run is ended, and the second one while it looks.
  { name = "received", steps = { "doubt.settling", "doubt.looked", "doubt.resolved" } },
  { name = "committed", steps = { "doubt.settling", "doubt.looked", "doubt.resolved" } },
}

local function named(list, name)
  for _, each in ipairs(list) do
    if each.name == name then return each end
  end
end

-- Those that are tried on servers that are not plain: where a write's fate hangs on what is read back.
local DOUBTFUL = {
  commit_then_drop = true, commit_late = true, partial_commit = true, reset = true, read_lag = true,
  received = true, late = true, committed = true,
}

local function copy(values)
  local made = {}
  for name, value in pairs(values or {}) do made[name] = value end
  return made
end

local function quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

-- --- the script as a process ---

-- The file of a module of ours.
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

-- Starts it in the background; it has ended once the file `status` is there.
local function start(run, step)
  local folder, box = run.folder, run.box
  local environment = {
    FLARELIGHT_BASE_URL = box.url, FLARELIGHT_API_KEY = box.api_key, FLARELIGHT_SUBSCRIPTION_ID = box.subscription_id,
    FLARELIGHT_STATE = folder .. "/state.db", FLARELIGHT_TORTURE = folder, FLARELIGHT_TORTURE_STEP = step or "",
    FLARELIGHT_TORTURE_SETTLE = tostring(run.settle),
  }
  -- The script finds the modules that run here, by whatever path they were found.
  local words = { "exec env" }
  for _, version in ipairs { "5_2", "5_3", "5_4" } do
    words[#words + 1] = ("-u LUA_PATH_%s -u LUA_CPATH_%s"):format(version, version)
  end
  environment.LUA_PATH, environment.LUA_CPATH = package.path, package.cpath
  for name, value in pairs(environment) do words[#words + 1] = name .. "=" .. quote(value) end
  words[#words + 1] = quote(run.interpreter) .. " " .. quote(assert(module_path "flarelight.torture.harness"))
  for _, word in ipairs(run.command) do words[#words + 1] = quote(word) end
  os.remove(folder .. "/status")
  os.remove(folder .. "/pid")
  local inner = ("echo $$ >%s/pid; %s"):format(folder, table.concat(words, " "))
  os.execute(("{ sh -c %s </dev/null >>%s/output 2>&1; echo $? >%s/status.new; mv %s/status.new %s/status; }"
    .. " 2>/dev/null &"):format(quote(inner), quote(folder), quote(folder), quote(folder), quote(folder)))
end

local function ended(run) return read_file(run.folder .. "/status") ~= nil end

local function kill(run)
  local pid = tonumber(read_file(run.folder .. "/pid") or "")
  if pid then os.execute(("kill -KILL %d 2>/dev/null"):format(pid)) end
end

-- Waits for the script's end; kills it when `doomed()` says so, or the time is over. Returns its exit status,
-- and whether it was killed here.
local function wait(run, doomed)
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
  return tonumber(read_file(run.folder .. "/status")), killed
end

-- --- what is there, and what should be ---

-- The rows of all imports of a sandbox, as texts by the import's name, each with how often it is there.
local function holdings(box)
  local flarelight = require "flarelight"
  box:clear_faults()
  local api = assert(flarelight.new {
    base_url = box.url, api_key = box.api_key, subscription_id = box.subscription_id, max_attempts = 2,
  })
  local held = {}
  for _, import in ipairs(assert(api.imports:all())) do
    local name = type(import.name) == "string" and import.name or ""
    held[name] = held[name] or { count = 0, rows = {}, imports = 0 }
    local here = held[name]
    here.imports = here.imports + 1
    -- A row's text is what was sent, so that rows are compared digit for digit; an array of objects in one line.
    for text in torture.rows_of(box:rows_text(import.id)) do
      here.rows[text] = (here.rows[text] or 0) + 1
      here.count = here.count + 1
    end
  end
  api:close()
  return held
end

-- Where the string of a JSON text ends that begins at `begin`.
local function string_end(text, begin)
  local close = text:find('["\\]', begin + 1)
  while text:sub(close, close) == "\\" do close = text:find('["\\]', close + 2) end
  return close
end

--- Iterates the texts of the objects in the JSON text of an array.
function torture.rows_of(text)
  local position = 2
  return function()
    local begin = text:find("{", position, true)
    if not begin then return nil end
    local depth, at = 0, begin
    while true do
      -- The next byte that matters; strings are stepped over.
      local found = text:find('[{}"]', at)
      local byte = text:sub(found, found)
      if byte == '"' then
        at = string_end(text, found) + 1
      else
        depth = depth + (byte == "{" and 1 or -1)
        at = found + 1
        if depth == 0 then
          position = at
          return text:sub(begin, found)
        end
      end
    end
  end
end

-- The texts of an object's members, in the order in which they stand there.
local function members_of(text)
  local members, depth, at, begin = {}, 0, 2, 2
  while at < #text do
    local found = text:find('[{}%[%],"]', at)
    local byte = text:sub(found, found)
    if byte == '"' then
      found = string_end(text, found)
    elseif byte == "," then
      if depth == 0 then
        members[#members + 1] = text:sub(begin, found - 1)
        begin = found + 1
      end
    elseif found < #text then
      depth = depth + ((byte == "{" or byte == "[") and 1 or -1)
    end
    at = found + 1
  end
  members[#members + 1] = text:sub(begin, -2)
  return members
end

--- The text of an object with its members in order: Lua's tables have none, so that the same record may be
--- written in one order in one process and in another in the next.
function torture.in_order(text)
  local members = members_of(text)
  table.sort(members)
  return "{" .. table.concat(members, ",") .. "}"
end

--- The texts of the records in rejects files, and how often each is there: those that the service refused one by one.
---@param lines string[] of the files
---@return table<string, integer>
function torture.rejected(lines)
  local records = {}
  for _, line in ipairs(lines) do
    for _, member in ipairs(members_of(line)) do
      local text = member:match '^"data":(.*)$'
      if text then records[text] = (records[text] or 0) + 1 end
    end
  end
  return records
end

-- The same holdings with the rows in order.
local function ordered(held)
  local made = {}
  for name, here in pairs(held) do
    local rows = {}
    for text, count in pairs(here.rows) do
      local key = torture.in_order(text)
      rows[key] = (rows[key] or 0) + count
    end
    made[name] = { rows = rows }
  end
  return made
end

--- How many rows of `expected` are neither in `held` nor in `rejected`, and how many of `held` are too many; one that
-- is in both is, too.
function torture.compare(expected, held, rejected)
  local lost, repeated = 0, 0
  for name, wanted in pairs(expected) do
    local here = held[name] or { rows = {} }
    for text, count in pairs(wanted.rows) do
      local missing, refused = math.max(0, count - (here.rows[text] or 0)), rejected and rejected[text] or 0
      lost = lost + math.max(0, missing - refused)
      repeated = repeated + math.max(0, refused - missing)
    end
  end
  for name, here in pairs(held) do
    local wanted = expected[name] or { rows = {} }
    for text, count in pairs(here.rows) do repeated = repeated + math.max(0, count - (wanted.rows[text] or 0)) end
  end
  return lost, repeated
end

local function same_counts(left, right)
  for name, here in pairs(left) do
    if not right[name] or right[name].count ~= here.count then return false end
  end
  for name in pairs(right) do
    if not left[name] then return false end
  end
  return true
end

local function lines_of(path)
  local lines = {}
  for line in (read_file(path) or ""):gmatch "[^\n]+" do lines[#lines + 1] = line end
  return lines
end

-- What the last call of upload or resume said: { fate =, kind =, message = }.
local function last_outcome(run)
  local lines = lines_of(run.folder .. "/outcomes")
  local fate, kind, message = (lines[#lines] or ""):match "^(.-)\t(.-)\t(.*)$"
  return { fate = fate, kind = kind, message = message }
end

-- --- one point ---

local function fault_of(given, run, nth)
  local fault = copy(given.fault)
  fault.operation, fault.nth = "imports.import", nth
  if given.late then fault.seconds = run.settle / 2 end
  return fault
end

-- Sets what goes wrong; returns the steps to end at by the number of the run, and the test for ending the first
-- run from here.
local function arrange(run, point)
  local box = run.box
  if point.kind == "step" then return { point.what .. ":" .. point.nth } end
  if point.kind == "clean" then return {} end
  if point.kind == "mix" then
    box:fault(fault_of(point.fault, run, point.nth))
    if point.fault.besides then box:fault(point.fault.besides) end
    return { point.step }
  end
  local given, steps = point.given, {}
  if given.fault then box:fault(fault_of(given, run, point.nth)) end
  if given.besides then box:fault(given.besides) end
  if point.kind == "fault" then return steps end
  if point.kind == "twice" then
    local from_here = named(MOMENTS, given.name) ~= nil
    steps[from_here and 2 or 1] = point.step .. ":1"
    if not from_here then return steps end
  end
  return steps, function()
    if given.fault then return box:hits().total > 0 end
    local answered = 0
    for _, request in ipairs(box:requests()) do
      if request.operation == "imports.import" then answered = answered + 1 end
    end
    return answered >= point.nth
  end
end

local function settle_runs(run, steps, doomed)
  local status, killed, last
  for number = 1, MOST_RUNS do
    run.runs = number
    os.remove(run.folder .. "/killed")
    start(run, steps[number])
    local shot
    status, shot = wait(run, number == 1 and doomed or nil)
    -- The fault was for the first run: what it has not met then is no point of this script.
    if number == 1 then run.hits = run.box:hits().total end
    run.at_step = run.at_step or read_file(run.folder .. "/killed") ~= nil
    killed = killed or shot or run.at_step
    if run.hung then return status, killed, last_outcome(run) end
    local outcome = last_outcome(run)
    local stopped = outcome.fate == "in_doubt" or outcome.fate == "foreign" or outcome.kind == "conflict"
    if status == 0 and outcome.fate == "done" then return status, killed, outcome end
    -- What stops alike twice will stop so for ever. A run that was ended says nothing.
    if not shot and status ~= 137 and last and stopped and last.fate == outcome.fate and last.kind == outcome.kind then
      return status, killed, outcome
    end
    last = not shot and status ~= 137 and outcome or nil
  end
  return status, killed, last_outcome(run)
end

-- The lines of the rejects files that the script has named.
local function rejects_of(run)
  local lines, seen = {}, {}
  for _, path in ipairs(lines_of(run.folder .. "/rejects")) do
    if not seen[path] then
      seen[path] = true
      for _, line in ipairs(lines_of(path)) do lines[#lines + 1] = line end
    end
  end
  return lines
end

-- What became of it, in a word, and the rows that are too few or too many.
local function judge(run, point, status, killed, outcome)
  local held, rejected = holdings(run.box), torture.rejected(rejects_of(run))
  local lost, repeated = torture.compare(run.expected, held, rejected)
  if lost > 0 or repeated > 0 then
    local in_order = ordered { rejected = { rows = rejected } }.rejected.rows
    lost, repeated = torture.compare(ordered(run.expected), ordered(held), in_order)
  end
  local fired = killed or run.hits > 0
  if point.kind == "clean" then fired = true elseif point.kind == "twice" then fired = run.at_step end
  local result = {
    point = point.name, kind = point.kind, runs = run.runs, lost = lost, repeated = repeated, status = status,
    fate = outcome.fate, error = outcome.kind, message = outcome.message,
  }
  if run.hung then result.outcome = "hung"
  elseif outcome.fate == "done" and status == 0 then
    result.outcome = lost > 0 and "LOST" or repeated > 0 and "REPEATED" or fired and "exact" or "not reached"
  elseif outcome.fate == "in_doubt" then result.outcome = "stopped in_doubt"
  elseif outcome.fate == "foreign" or outcome.kind == "conflict" then result.outcome = "stopped foreign"
  elseif outcome.kind and outcome.kind ~= "" then result.outcome = "stopped " .. outcome.kind
  else result.outcome = "stopped without a word" end
  return result
end

-- Runs one point in a folder and a sandbox of its own.
local function run_point(given, point, expected)
  local options = copy(point.server.options)
  for name, value in pairs(given.sandbox or {}) do options[name] = options[name] == nil and value or options[name] end
  options.rate_limit = options.rate_limit or 0
  options.log_body_bytes = 0
  local box = assert(sandbox.start(options))
  local folder = given.folder .. "/run"
  os.execute("rm -rf " .. quote(folder) .. " && mkdir -p " .. quote(folder))
  local run = {
    box = box, folder = folder, settle = given.settle, timeout = given.timeout, interpreter = given.interpreter,
    command = given.command, expected = expected or {},
  }
  local steps, doomed = arrange(run, point)
  local status, killed, outcome = settle_runs(run, steps, doomed)
  local result = judge(run, point, status, killed, outcome)
  local imports = 0
  for _, request in ipairs(box:requests()) do
    if request.operation == "imports.import" then imports = imports + 1 end
  end
  result.output = read_file(folder .. "/output")
  local seen = { imports = imports, steps = lines_of(folder .. "/steps"), held = expected == nil and holdings(box) }
  box:stop()
  return result, seen
end

-- --- the points ---

-- Linear congruential, with the numbers of "Numerical Recipes": the same on every Lua.
local function generator(seed)
  local state = seed % 4294967296
  return function(most)
    state = (state * 1664525 + 1013904223) % 4294967296
    return math.floor(state / 4294967296 * most) + 1
  end
end

local function clean_point(server)
  return { name = server.name .. "/clean", server = server, kind = "clean" }
end

local function mix_point(server, seed, steps, imports)
  local draw = generator(seed)
  for _ = 1, 3 do draw(2) end -- the first numbers of near seeds are near
  local fault, nth, step = FAULTS[draw(#FAULTS)], draw(imports), steps[draw(#steps)]
  return {
    name = ("%s/mix:%d"):format(server.name, seed), server = server, kind = "mix",
    fault = fault, nth = nth, step = step,
  }
end

-- All points of a server, after what its clean run has shown.
local function points_of(server, seen, given)
  local points, whole = {}, server.name == "plain"
  if whole then
    for _, step in ipairs(seen.steps) do
      local what, nth = step:match "^(.*):(%d+)$"
      points[#points + 1] = {
        name = ("%s/step:%s"):format(server.name, step), server = server, kind = "step", what = what, nth = nth,
      }
    end
  end
  local function add(kind, list)
    for _, each in ipairs(list) do
      if whole or DOUBTFUL[each.name] then
        for nth = 1, seen.imports do
          points[#points + 1] = {
            name = ("%s/%s:%s:%d"):format(server.name, kind, each.name, nth), server = server, kind = kind,
            given = each, nth = nth,
          }
        end
      end
    end
  end
  add("net", MOMENTS)
  add("fault", FAULTS)
  for _, doubt in ipairs(whole and DOUBTS or {}) do
    for _, step in ipairs(doubt.steps) do
      for nth = 1, seen.imports do
        points[#points + 1] = {
          name = ("%s/twice:%s+%s:%d"):format(server.name, doubt.name, step, nth), server = server, kind = "twice",
          given = named(MOMENTS, doubt.name) or named(FAULTS, doubt.name), step = step, nth = nth,
        }
      end
    end
  end
  if whole and #seen.steps > 0 and seen.imports > 0 then
    for number = 1, given.mixes do
      points[#points + 1] = mix_point(server, given.seed + number - 1, seen.steps, seen.imports)
    end
  end
  return points
end

local function of_kinds(points, kinds)
  if not kinds then return points end
  local wanted, chosen = {}, {}
  for _, kind in ipairs(kinds) do wanted[kind] = true end
  for _, point in ipairs(points) do
    if wanted[point.kind] then chosen[#chosen + 1] = point end
  end
  return chosen
end

-- Every nth of the points, from a place that the seed says, where there is a limit.
local function sample(points, limit, seed)
  if not limit or #points <= limit then return points end
  local chosen, draw = {}, generator(seed)
  local offset = draw(#points) - 1
  for place = 1, limit do
    chosen[place] = points[(offset + math.floor((place - 1) * #points / limit)) % #points + 1]
  end
  return chosen
end

--- Tortures a script.
---
--- `given`: command (the script and its arguments), interpreter (how Lua is called), folder (for files, made by
--- the caller), settle (seconds), timeout (seconds for one run), servers and kinds (names, or nil for all), only
--- (the name of one point), limit (most points of each server), mixes, seed, sandbox (more of its options),
--- on_result(result, done, of).
---
--- Returns the results in order, each { point =, kind =, outcome =, lost =, repeated =, runs =, message =, output = },
--- or `nil, message` where the script does not run even when nothing goes wrong.
---@return table[]? results, string? message
function torture.run(given)
  local plain = torture.SERVERS[1]
  local results, plans, expected_plain = {}, {}, nil
  local only_server = given.only and given.only:match "^([^/]+)/"
  local wanted = {}
  for _, name in ipairs(given.servers or {}) do wanted[name] = true end
  -- Each server once without trouble: what it should hold, and which points there are.
  for _, server in ipairs(torture.SERVERS) do
    local chosen = not given.servers or wanted[server.name]
    if only_server then chosen = server.name == only_server end
    if chosen or server == plain then
      local result, seen = run_point(given, clean_point(server))
      if server == plain then
        if result.status ~= 0 or result.fate ~= "done" then
          return nil, ("the script does not come through even where nothing goes wrong (status %s): %s\n%s"):format(
            tostring(result.status), result.message or "it made no upload with flarelight", result.output or "")
        end
        expected_plain = seen.held
      end
      -- Where values are changed on the way, its own clean run says what should be there: as many rows as on
      -- the plain one. Where that run stops, or rows are missing, the plain one's are what should be there.
      local done = result.fate == "done" and result.status == 0
      local held = done and same_counts(seen.held, expected_plain) and seen.held or expected_plain
      plans[#plans + 1] = { server = server, seen = seen, expected = held, chosen = chosen, clean = result }
    end
  end
  local work = {}
  for _, plan in ipairs(plans) do
    if plan.chosen then
      work[#work + 1] = { point = clean_point(plan.server), expected = plan.expected }
      local points = of_kinds(points_of(plan.server, plan.seen, given), given.kinds)
      for _, point in ipairs(sample(points, given.limit, given.seed)) do
        work[#work + 1] = { point = point, expected = plan.expected }
      end
    end
  end
  if given.only then
    local found
    local seed = tonumber(given.only:match "/mix:(%d+)$")
    for _, each in ipairs(work) do if each.point.name == given.only then found = each end end
    if not found and seed then
      for _, plan in ipairs(plans) do
        if plan.server.name == only_server and #plan.seen.steps > 0 then
          found = { point = mix_point(plan.server, seed, plan.seen.steps, plan.seen.imports), expected = plan.expected }
        end
      end
    end
    if not found then return nil, ("there is no point %q"):format(given.only) end
    work = { found }
  end
  for place, each in ipairs(work) do
    local result = run_point(given, each.point, each.expected)
    results[place] = result
    if given.on_result then given.on_result(result, place, #work) end
  end
  return results
end

return torture
