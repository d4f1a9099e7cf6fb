--- Waiting for the end of a run: the option `wait` of preparations:execute, reports:generate and automations:execute.
--
-- The service documents no status of a run, so the end has to be recognised by a change: of the entry of the
-- preparation or report in its list, of the import that a preparation makes, or of the stored result. verdict.lua
-- decides whether a run has ended, by the profile of the service if there is one; pace.lua decides how often to read;
-- lists.lua shares the requests. Relies on calls.lua for calls and on waiting.lua for the loop.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local endpoint = require "flarelight.endpoint"
local errors = require "flarelight.error"
local lists = require "flarelight.wait.lists"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local outcome = require "flarelight.wait.outcome"
local pace = require "flarelight.wait.pace"
local pollable = require "flarelight.host.pollable"
local recovery = require "flarelight.wait.recovery"
local request = require "flarelight.request"
local verdict = require "flarelight.wait.verdict"
local waiting = require "flarelight.waiting"

---@class flarelight.WaitOptions
---@field timeout number? seconds after the start, 600
---@field interval number? seconds between the first two reads, 1; doubles to 30
---@field done nil|fun(): any, string?, flarelight.Error? returns true at the end; `["until"]` is another name for it
---@field report flarelight.Id? waits for the end of this report instead
---@field preparation flarelight.Id? the same

---@class flarelight.RunOptions : flarelight.CallOptions
---@field wait number|flarelight.WaitOptions|nil waits for the end of the run, for at most this number of seconds

---@class flarelight.Proof
---@field seen_in "entry"|"import"|"result"|"reply"|"done" the place where the end was seen
---@field changed table<string, { before: any, now: any }> the members that changed
---@field status string? the status that was seen
---@field entry table? the whole entry that was seen
---@field value any the result of `done`
---@field profile boolean whether a rule of a profile was used
---@field acknowledged boolean whether the service acknowledged the start
---@field seconds number from the start to the read that showed the end
---@field looks integer

local wait = {}

-- The list of each kind, and its word in messages.
local KINDS = {
  preparations = { list = "preparations.all", word = "preparation" },
  reports = { list = "reports.all", word = "report" },
}
local TIMEOUT = 600

local known = {
  timeout = "seconds", interval = "seconds", done = "function", ["until"] = "function", report = "id",
  preparation = "id",
}

-- Reads the option: { timeout =, interval =, done =, kind =, id = }. Misuse raises.
local function read(shown, given, kind, id)
  local name = shown .. ".wait"
  if type(given) == "number" then given = { timeout = given } end
  given = options.table(name, given, known)
  if given.done and given["until"] then misuse(name .. ": give either done or until, which are the same") end
  if given.report and given.preparation then misuse(name .. ": give either report or preparation") end
  local plan = {
    timeout = given.timeout or TIMEOUT, interval = given.interval or pace.FIRST, done = given.done or given["until"],
    kind = kind, id = id,
  }
  if given.report then plan.kind, plan.id = "reports", given.report end
  if given.preparation then plan.kind, plan.id = "preparations", given.preparation end
  if not plan.kind and not plan.done then
    misuse(name .. ": the service has no list of automations in which the end could be seen: give done (or "
      .. "[\"until\"]), a function that returns true at the end, or the report or preparation that ends with it")
  end
  return plan
end

-- --- reading ---

-- A watch is the state of one wait: the data for verdict.lua and outcome.lua, and the boards `list` and `imports` that
-- it reads. `seen` holds for each board the time at which the request of the newest used reply began.
local function open_watch(api, operation, plan)
  local profile, kind = calls.config(api).profile, KINDS[plan.kind]
  local watch = {
    api = api, operation = operation, kind = plan.kind, id = plan.id, timeout = plan.timeout, interval = plan.interval,
    done = plan.done, subject = kind and ("%s %s"):format(kind.word, verdict.text(plan.id)) or "what was started",
    rule = profile and profile.runs and profile.runs[plan.kind], seen = {}, looks = 0,
  }
  if plan.done then return watch end
  watch.list = lists.board(api, kind.list)
  local seen_in = watch.rule and watch.rule.seen_in
  if plan.kind == "preparations" and (not seen_in or seen_in == "import") then
    watch.imports = lists.board(api, "imports.all")
  end
  return watch
end

local function list_of(watch, board, since, deadline)
  local reply = lists.look(board, watch.seen[board] or since, deadline)
  watch.seen[board] = reply.begun
  local date = reply.meta and reply.meta.date
  watch.ahead = date and date - os.time() or watch.ahead
  return reply.data, reply.message, reply.err
end

-- The stored result of a report, as a text; false while there is none. Read only if a profile says that it shows the
-- end.
local function result_of(watch, deadline)
  local prepared = request.endpoint("reports.chart_data", { body = { reportId = watch.id } },
    { deadline = deadline }, calls.config(watch.api))
  prepared.inner = true
  local data, message, err = calls.call(watch.api, prepared)
  if data == nil and err.kind ~= "invalid_request" and err.kind ~= "not_found" then return nil, message, err end
  return verdict.result_text(data)
end

-- The present sight; `nil, message, err` if a request fails.
local function sight_of(watch, since, deadline)
  local sight = {}
  local list, message, err = list_of(watch, watch.list, since, deadline)
  if list == nil then return nil, message, err end
  sight.entry = verdict.entry(list, watch.id)
  watch.is_listed = sight.entry ~= false
  watch.names = watch.names or verdict.import_names(sight.entry, watch.rule)
  if verdict.is_told_by_entry(sight.entry, watch.rule) then watch.imports = nil end
  if watch.imports then
    list, message, err = list_of(watch, watch.imports, since, deadline)
    if list == nil then return nil, message, err end
    sight.imports = verdict.imports(list, watch.names)
  end
  if watch.rule and watch.rule.seen_in == "result" then
    sight.result, message, err = result_of(watch, deadline)
    if sight.result == nil then return nil, message, err end
  end
  return sight
end

-- --- the loop ---

-- Errors after which no further read can succeed.
local LAST = { cancelled = true, closed = true, phase = true, config = true, unauthorized = true, forbidden = true }

local function stop(watch, err)
  watch.stopped = err
  return nil, err.message, err
end

-- Reads once. Returns the end that was seen, or nil for "not yet". A temporary error is kept in `watch.failure`.
local function look(watch)
  local left = watch.ends - core.now()
  if left > 0 and pace.holds(calls.handle(watch.api):quota()) then return nil end
  watch.looks = watch.looks + 1
  local sight, message, err = sight_of(watch, watch.begun, math.max(5, left))
  if not sight then
    watch.failure = message
    if LAST[err.kind] then return stop(watch, err) end
    return nil
  end
  watch.failure = nil
  local state, seen = verdict.judge(watch.rule, watch.before, sight, watch.was_running)
  watch.was_running = watch.was_running or state == "running"
  watch.state, watch.shown = state, seen
  return seen
end

-- The same with the caller's own function.
local function ask_caller(watch)
  watch.looks = watch.looks + 1
  local good, value, message, err = pollable.protect(watch.done)
  if not good then return stop(watch, errors.from_caller(value)) end
  if value then return { seen_in = "done", changed = {}, value = value } end
  if value == nil and (message ~= nil or err ~= nil) then
    return stop(watch, errors.of_results(message, err))
  end
end

-- Returns the end that was seen, or nil and an error.
local function poll(watch)
  local api = watch.api
  watch.ends = core.now() + watch.timeout
  local seen, _, err = waiting.poll(api, function()
    return (watch.done and ask_caller or look)(watch)
  end, {
    timeout = watch.timeout, interval = watch.interval, growth = 2, most = math.max(pace.LONGEST, watch.interval),
    pause = function(seconds, left)
      if watch.done then return calls.sleep(seconds, api) end
      local boards = { watch.list, watch.imports }
      local paced = pace.seconds(seconds, calls.handle(api):quota(), #boards)
      return lists.pause(api, boards, math.min(paced, left))
    end,
  })
  return seen, err
end

-- --- start and end ---

-- Starts the run by `start()`, which sends the request, and waits for its end.
local function run(watch, start)
  local begun = core.now()
  if not watch.done then
    local message, err
    watch.before, message, err = sight_of(watch, begun - 1e-9, nil)
    if not watch.before then
      err.fate = "not_sent"
      return nil, message, err
    end
  end
  local data, meta, err = start()
  -- Inside of a block of once that runs again, the start was made by an earlier run: what counts as changed is what has
  -- changed since then.
  if data ~= nil and meta.already then
    local note = meta.note
    watch.before, watch.names, meta.note = note and note.before or watch.before, note and note.names or watch.names, nil
  end
  if data == nil and (err.fate ~= "in_doubt" or LAST[err.kind]) then return nil, meta, err end
  local acknowledged, seen, why = data ~= nil, nil, nil
  watch.begun = core.now()
  if acknowledged then seen = verdict.failed_at_once(data, watch.rule) end
  if not seen then seen, why = poll(watch) end
  local proof = outcome.proof(watch, seen, core.now() - watch.begun, acknowledged)
  if not seen and not acknowledged then
    err.proof = proof
    return nil, meta, err
  end
  local members = {
    fate = "applied", data = data, proof = proof, request_id = (acknowledged and meta or err).request_id,
    elapsed = core.now() - begun,
  }
  if why and why ~= watch.stopped and why.kind == "timeout" then return outcome.timed_out(watch, members) end
  if why then return outcome.stopped(watch, why, members) end
  if seen.failed then return outcome.failed(watch, seen, members) end
  if not acknowledged then data, meta = outcome.resolved(err, seen) end
  meta.proof = proof
  return data, meta
end

--- Starts a run and waits for its end, by the option `given.wait` of a method of wait/method.lua. `known_options`: the
-- options of the method.
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function wait.start(operation, kind, known_options, self, id, parameters, given)
  local shown = operation:gsub("%.", ":")
  options.table(shown, given, known_options)
  local plan = read(shown, given.wait, kind, id)
  if parameters ~= nil then options.check(shown .. ": parameters", parameters, "table") end
  if id == nil then misuse "id: is missing" end
  if given.deadline then plan.timeout = math.min(plan.timeout, given.deadline) end
  local own = {}
  for name, value in pairs(given) do own[name] = value end
  own.wait = nil
  local watch = open_watch(self.client, operation, plan)
  if watch.rule and watch.rule.seen_in == "nothing" and not plan.done then
    local _, message, err = outcome.hopeless(watch)
    return nil, message, err
  end
  local data, meta, err = run(watch, function()
    local reply, its_meta, failure = endpoint.call(self, operation,
      { id = id, body = parameters or {}, note = recovery.note(watch) }, own)
    return reply, its_meta, failure
  end)
  return data, meta, err
end

--- Judges a start that an earlier run of a block has made, and whose fate is not known. Looks until the time of its
-- wait is up, then once: see recovery.lua.
---@param api flarelight.Client
---@param write { operation: string, note: table?, sent: number, request_id: string } of the state file
---@return { applied: boolean, words: string?, data: any, meta: table? } found `words`: what the service shows; nil if
-- the start had no wait, or one that looks at nothing
function wait.recover(api, write)
  local note = write.note
  if type(note) ~= "table" or type(note.before) ~= "table" or not KINDS[note.kind] then return { applied = false } end
  local left = math.max(0, recovery.ends(note, write.sent) - os.time())
  local watch = open_watch(api, write.operation, {
    kind = note.kind, id = note.id, timeout = left, interval = math.min(pace.FIRST, left),
  })
  watch.before, watch.names, watch.begun = note.before, note.names, core.now()
  poll(watch)
  if watch.failure or not watch.state then
    local why = watch.failure or watch.stopped and watch.stopped.message or "there was no time for it"
    return { applied = false, words = ("the service could not be looked at: %s"):format(why) }
  end
  local found = { words = recovery.words(watch.subject, watch.state, watch.shown) }
  found.applied = recovery.proves(watch.rule, note, write.sent, watch.state, watch.shown, os.time())
  if found.applied then found.data, found.meta = outcome.resolved(write, watch.shown or {}) end
  return found
end

return wait
