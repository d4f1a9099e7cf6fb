--- The client: the public class, for one service and one key. It has the endpoints, and functions for tasks and loops.
-- Relies on calls.lua for making calls and waiting, on host/tasks.lua and host/frame.lua for tasks.

local automations = require "flarelight.automations"
local calls = require "flarelight.calls"
local configuration = require "flarelight.configuration"
local errors = require "flarelight.error"
local frame = require "flarelight.host.frame"
local host = require "flarelight.host"
local imports = require "flarelight.imports"
local known_settings = require "flarelight.settings"
local loading = require "flarelight.loading"
local mailbox = require "flarelight.host.mailbox"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local pollable = require "flarelight.host.pollable"
local preparations = require "flarelight.preparations"
local reports = require "flarelight.reports"
local request = require "flarelight.request"
local tasks = require "flarelight.host.tasks"

local cache = loading.later "flarelight.cache"
local history = loading.later "flarelight.history"
local once = loading.later "flarelight.once"
local shared_budget = loading.later "flarelight.budget"
local upload = loading.later "flarelight.upload"
local waiting = loading.later "flarelight.waiting"

---@class flarelight.Quota
---@field limit integer? requests a minute
---@field remaining integer? estimate
---@field reset number? epoch seconds
---@field reset_in number? seconds
---@field pace number? requests a second while calls are spread; nil while calls start at once
---@field waiting integer calls that wait for budget
---@field spent integer requests of this process
---@field foreign integer requests of other processes, as far as the service's replies show
---@field place "memory"|"state file"|"postgresql"

---@class flarelight.Stats
---@field calls integer
---@field attempts integer
---@field retries integer
---@field errors table<flarelight.ErrorKind, integer>
---@field bytes_in integer
---@field bytes_out integer
---@field connections integer opened
---@field cache flarelight.CacheStats? with the option `cache`
---@field latency table<string, flarelight.Latency> seconds that attempts took, by operation; "request" for api:request

---@class flarelight.Latency
---@field count integer attempts
---@field sum number seconds
---@field buckets { le: number, count: integer }[] attempts of at most `le` seconds; the last `le` is math.huge

-- The outcome of one function of api:all or api:map.
---@class flarelight.Result
---@field data any
---@field meta flarelight.Meta?
---@field err flarelight.Error?

---@class flarelight.Client
---@field imports flarelight.Imports
---@field automations flarelight.Automations
---@field preparations flarelight.Preparations
---@field reports flarelight.Reports
local Client = {}
Client.__index = Client
Client.__name = "flarelight.client"

local client = {}

--- Makes a client. Starts no thread and sends nothing. Returns it, or `nil, message, err` of kind config.
---@param given flarelight.Options?
---@return flarelight.Client? client, string? message, flarelight.Error? err
function client.new(given)
  local config, message, err = configuration.read(given, os.getenv)
  if not config then return nil, message, err end
  local self = setmetatable({}, Client)
  calls.open(self, config)
  if config.cache or config.state or config.database then cache.open(self) end
  self.imports, self.automations = imports.new(self), automations.new(self)
  self.preparations, self.reports = preparations.new(self), reports.new(self)
  return self
end

Client.__tostring = function(self)
  return ("flarelight client of %s"):format(calls.config(self).base_url)
end

local request_options = {
  method = "string", path = "string", query = "table", body = "any", repeatable = "boolean",
  deadline = "seconds", fresh = "boolean", headers = "table", raw = "boolean",
}

--- Any request to the service, with the client's headers, retries and errors. A GET may come from the cache. With
-- `raw`, `data` is a reply of 2xx as it came, `{ status =, headers =, body = }`, of any content type; another reply is
-- an error, which has it in `reply`.
---@param given { method: "GET"|"OPTIONS"|"POST"|"PUT"|"PATCH"|"DELETE"|nil, path: string, query: table<string, string|number|boolean>?, body: any, repeatable: boolean?, deadline: number?, fresh: boolean?, headers: table<string, string>?, raw: boolean? }
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Client:request(given)
  options.self(self, Client, "api.request")
  given = options.table("api:request", given, request_options)
  local prepared = request.free(given, calls.config(self))
  local data, meta, err = calls.read(self, prepared, given.fresh or prepared.method ~= "GET")
  return data, meta, err
end

--- The state of the rate budget, without a request.
---@return flarelight.Quota
function Client:quota()
  options.self(self, Client, "api.quota")
  local quota = calls.handle(self):quota()
  -- Before the first call the state tells what other processes know.
  local known = quota.place ~= "memory" and not quota.limit and shared_budget.of(self)
  if known then
    for name, value in pairs(known) do quota[name] = value end
  end
  return quota
end

--- Deletes an unfinished upload, or a key of `once`, from the client's state file, so that its key is free again. Rows
-- that have arrived stay in the import. Fails with kind not_found if there is none, conflict if a process is at work on
-- it, or the upload is done.
---@param name string token or key
---@return true? forgotten, string? message, flarelight.Error? err
function Client:forget(name)
  options.self(self, Client, "api.forget")
  local forgotten, message, err = upload.forget(self, name)
  if not forgotten and (err.kind == "not_found" or err.kind == "conflict") and once.has(self, name) then
    forgotten, message, err = once.forget(self, name)
  end
  return forgotten, message, err
end

--- The settings that were given, with their origin, sorted by name; no secret is shown. And the warnings about the
-- configuration file. Sends nothing.
---@return { name: string, value: any, from: string }[] settings, string[] warnings
function Client:settings()
  options.self(self, Client, "api.settings")
  local config, list, warnings = calls.config(self), {}, {}
  for name, found in pairs(config.sources) do
    local row = known_settings.by_name[name]
    local shown = { name = name, from = found.from }
    if not row.secret and type(found.value) ~= "table" and type(found.value) ~= "function" then
      shown.value = found.value
    end
    list[#list + 1] = shown
  end
  table.sort(list, function(one, other) return one.name < other.name end)
  for place, warning in ipairs(config.warnings) do warnings[place] = warning end
  return list, warnings
end

--- Runs `fn` once, however often the script is started: a key that is done gives its recorded result, and one that was
-- broken off runs again without repeating a write. See once/init.lua and docs/runs.md.
---@param key string
---@param fn fun(): any, any, any
---@param given flarelight.OnceOptions?
---@return any data, flarelight.OnceMeta|string meta_or_message, flarelight.Error? err
function Client:once(key, fn, given)
  options.self(self, Client, "api.once")
  local data, meta, err = once.run(self, key, fn, given)
  return data, meta, err
end

--- Decides about a key of `once` whose writes are in doubt: "done" (with its result, true by default) or "again".
---@param key string
---@param how "done"|"again"
---@param result any
---@return true? settled, string? message, flarelight.Error? err
function Client:settle(key, how, result)
  options.self(self, Client, "api.settle")
  local settled, message, err = once.settle(self, key, how, result)
  return settled, message, err
end

--- The uploads and the keys of `once` in the client's state file, the newest first. See history/init.lua.
---@param given { pending: boolean?, limit: integer? }?
---@return flarelight.RunEntry[]? runs, string? message, flarelight.Error? err
function Client:runs(given)
  options.self(self, Client, "api.runs")
  local list, message, err = history.runs(self, given)
  return list, message, err
end

--- What happened to an upload or a key of `once`, step by step.
---@param name string token or key
---@return flarelight.Explanation? explanation, string? message, flarelight.Error? err
function Client:explain(name)
  options.self(self, Client, "api.explain")
  local found, message, err = history.explain(self, name)
  return found, message, err
end

--- Counters since the client was made.
---@return flarelight.Stats
function Client:stats()
  options.self(self, Client, "api.stats")
  local stats = calls.handle(self):stats()
  stats.cache = calls.config(self).cache and cache.stats(self) or nil
  return stats
end

--- Ends the client: calls under way end with kind `closed`. May be called again.
function Client:close()
  options.self(self, Client, "api.close")
  calls.close(self)
  local lists = package.loaded["flarelight.wait.lists"] -- without it nothing waits for a run
  if lists then lists.wake(self) end
  mailbox.step()
  calls.surface(self)
end
Client.__close = Client.close

--- Starts a task: a function whose calls let other tasks run instead of blocking. Raises if no task can run here.
---@param run fun(): ...
---@return flarelight.Task
function Client:spawn(run)
  options.self(self, Client, "api.spawn")
  options.check("api:spawn", run, "function")
  local chosen = calls.config(self).host
  local here, message = host.current(chosen)
  -- The host `frame` runs only inside its tasks. The first task is started from outside.
  if not here and chosen == frame then here = frame end
  if not here then
    local _, _, err = errors.fail("phase", "api:spawn: " .. message)
    error(err, 0)
  end
  return tasks.spawn(chosen and chosen.blocks and frame or host.for_tasks(here), run, chosen)
end

--- Resumes the tasks of frame loops that are ready, for at most `budget` seconds (default 1 ms). Never blocks.
---@param budget number?
function Client:update(budget)
  options.self(self, Client, "api.update")
  frame.update(budget == nil and 0.001 or options.check("api:update", budget, "duration"))
  calls.surface(self)
end

-- The error in the results `nil, message, err` of a caller's function; nil if they are no error.
local function error_of(data, meta, err)
  if data ~= nil or meta == nil and err == nil then return nil end
  return errors.of_results(meta, err)
end

local function outcome_of(ok, data, meta, err)
  if not ok then return { err = errors.from_caller(data) } end
  local failure = error_of(data, meta, err)
  return failure and { err = failure } or { data = data, meta = meta }
end

-- Raises unless `items` is an array without gaps.
local function check_array(name, items)
  options.check(name, items, "table")
  local count, places = #items, 0
  for key in pairs(items) do
    if type(key) == "number" and key >= 1 and key == math.floor(key) then places = places + 1 end
  end
  if places ~= count or count == 0 and next(items) ~= nil then misuse(name .. ": should be an array without gaps") end
end

--- Runs `fn(item, index)` for each item of an array, `concurrency` at a time (default: max_concurrency). Returns the
-- results in order, each {data =, meta =} or {err =}, and how many failed.
---@param items any[]
---@param fn fun(item: any, index: integer): any, any, any
---@param given { concurrency: integer? }?
---@return flarelight.Result[] results, integer failed
function Client:map(items, fn, given)
  options.self(self, Client, "api.map")
  check_array("api:map: items", items)
  options.check("api:map: fn", fn, "function")
  given = options.table("api:map", given, { concurrency = "positive" })
  calls.surface(self)
  local count, chosen = #items, calls.config(self).host
  local width = math.min(given.concurrency or calls.config(self).max_concurrency or 8, count)
  local results, failed, next_index, left, workers = {}, 0, 1, width, {}
  local broken, reason = false, nil
  local all_done = mailbox.waiter { of_tasks = true, ready = count == 0 or nil }
  local function run_items()
    while next_index <= count do
      local index = next_index
      next_index = index + 1
      results[index] = outcome_of(pollable.protect(function() return fn(items[index], index) end))
    end
  end
  -- A worker takes one item after another. If `fn` raises, the error is the result of its item only. Ctrl-C ends them
  -- all.
  local function work()
    local good, raised = pollable.protect(run_items)
    left = left - 1
    if not good then broken, reason = true, raised end
    if left == 0 or not good then mailbox.set_ready(all_done) end
  end
  local here, message = host.for_waiting(chosen)
  if here then
    for i = 1, width do workers[i] = tasks.spawn(here.blocks and frame or here, work, chosen) end
    all_done.here = here
    if not all_done.ready then tasks.wait(all_done) end
  end
  local function refuse() return errors.fail("phase", "api:map: " .. message) end
  if broken or not all_done.ready then -- or this code cannot wait, or its task was cancelled
    next_index = count + 1
    for _, task in ipairs(workers) do task:cancel() end
    for index = 1, count do
      if not results[index] then
        results[index] = { err = select(3, (here and calls.cancelled or refuse)()) }
      end
    end
  end
  if broken then error(reason, 0) end
  for index = 1, count do
    if results[index].err then failed = failed + 1 end
  end
  return results, failed
end

--- Runs functions concurrently. Returns the same as `api:map`.
---@param functions (fun(): any, any, any)[]
---@return flarelight.Result[] results, integer failed
function Client:all(functions)
  options.self(self, Client, "api.all")
  check_array("api:all: functions", functions)
  for index, fn in ipairs(functions) do options.check(("api:all: [%d]"):format(index), fn, "function") end
  local results, failed = self:map(functions, function(fn) return fn() end, { concurrency = math.max(1, #functions) })
  return results, failed
end

--- Calls `fn` every `interval` seconds until it returns a true value, and returns that value; `nil, message, err` of
-- kind timeout after `timeout` seconds. `nil, message` from `fn` ends the waiting with that error; nil alone and false
-- mean "not yet". An error that `fn` raises is raised here.
---@param fn fun(): any, any, any
---@param given { timeout: number?, interval: number? }? seconds: 600 and 5
---@return any value, string? message, flarelight.Error? err
function Client:wait_until(fn, given)
  options.self(self, Client, "api.wait_until")
  options.check("api:wait_until", fn, "function")
  given = options.table("api:wait_until", given, { timeout = "seconds", interval = "seconds" })
  local value, message, err = waiting.poll(self, function()
    local found, meta, why = fn()
    if found then return found end
    local failure = error_of(found, meta, why)
    if failure then return nil, failure.message, failure end
  end, { timeout = given.timeout or 600, interval = given.interval or 5 })
  return value, message, err
end

return client
