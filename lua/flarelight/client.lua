--- The client: one service, one key. Submits requests, waits in the way of the host, and holds the
-- endpoints. Relies on configuration.lua for what it is given, mailbox.lua for what comes back.

local configuration = require "flarelight.configuration"
local core = require "flarelight.core"
local mailbox = require "flarelight.host.mailbox"
local errors = require "flarelight.error"
local frame = require "flarelight.host.frame"
local host = require "flarelight.host"
local options = require "flarelight.options"
local pollable = require "flarelight.host.pollable"
local request = require "flarelight.request"
local tasks = require "flarelight.host.tasks"

---@class flarelight.CallOptions
---@field deadline number? seconds from now, over all attempts and waits
---@field repeatable boolean? a write that may be sent again though it may have arrived
---@field fresh boolean? passes a cache by; this version has none

---@class flarelight.RateLimit
---@field limit integer?
---@field remaining integer?
---@field reset number? epoch seconds
---@field format "delta"|"epoch"|"epoch_ms"|"iso"|"http_date"|"nonsense"|nil how the reset was written

---@class flarelight.Meta
---@field status integer
---@field messages any[] what the service had to say, as it came
---@field attempts integer
---@field elapsed number seconds, waits included
---@field rate_limit flarelight.RateLimit?
---@field request_id string
---@field fate flarelight.Fate? of a write
---@field cached boolean
---@field date number? epoch seconds by the service's clock
---@field encoding string? as "gzip": how the reply was compressed
---@field etag boolean? the reply had a tag

---@class flarelight.Event
---@field name "start"|"wait"|"retry"|"done"
---@field operation string as "imports.data"
---@field method string
---@field path string
---@field request_id string
---@field attempt integer
---@field elapsed number seconds since the call was made
---@field delay number? wait, retry: seconds until it goes on
---@field reason string? wait, retry
---@field status integer? of the reply, where there was one
---@field kind flarelight.ErrorKind? retry, done: of the error
---@field fate flarelight.Fate? done: of a write

---@class flarelight.Quota
---@field limit integer? requests a minute
---@field remaining integer? what is believed to be left
---@field reset number? epoch seconds
---@field reset_in number? seconds
---@field pace number? requests a second while they are spread; nil while they go at once
---@field waiting integer calls that wait for budget
---@field spent integer requests of this process
---@field foreign integer requests of others, as far as they showed
---@field place "memory"

---@class flarelight.Stats
---@field calls integer
---@field attempts integer
---@field retries integer
---@field errors table<flarelight.ErrorKind, integer>
---@field bytes_in integer
---@field bytes_out integer
---@field connections integer opened

-- What became of one function of api:all or api:map.
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

-- What no dump of a client should show: the handle, the configuration with the key.
local private = setmetatable({}, { __mode = "k" })

local client = {}

--- Makes a client. Starts no thread and sends nothing.
function client.new(given)
  local config, message, err = configuration.read(given, os.getenv)
  if not config then return nil, message, err end
  config.events = config.on_event ~= nil
  config.host = host.of_option(config.host)
  local self = setmetatable({}, Client)
  local inner = { config = config, handle = core.client(config), key = nil, key_number = 0 }
  if type(config.api_key) == "string" then inner.key = config.api_key end
  private[self] = inner
  if config.on_event then
    -- Kept alive by the client alone: events of one that is gone reach nobody.
    inner.listener = { on_event = config.on_event }
    mailbox.listen(inner.handle:number(), inner.listener)
  end
  self.imports = require("flarelight.imports").new(self)
  self.automations = require("flarelight.automations").new(self)
  self.preparations = require("flarelight.preparations").new(self)
  self.reports = require("flarelight.reports").new(self)
  return self
end

Client.__tostring = function(self)
  local inner = private[self]
  return ("flarelight client of %s"):format(inner and inner.config.base_url or "?")
end

--- The client's configuration, for the modules of the client itself. Not to be changed.
function client.config(self) return private[self].config end

--- Waits for a waiter in the way of the host that runs now. False: nothing can come for it; with `message,
-- err` where this code cannot wait.
function client.wait(waiter)
  if waiter.ready then return true end
  local here, message = waiter.here, nil
  if not here then here, message = host.current(waiter.chosen) end
  if not here then
    local _, whole, err = errors.fail("phase", message)
    return false, whole, err
  end
  mailbox.hold(waiter, true)
  tasks.wait(here, waiter)
  mailbox.hold(waiter, false)
  return waiter.ready or false
end

local function ask_key(self)
  local inner = private[self]
  local key, message = inner.config.api_key()
  if key == nil then
    return errors.fail("config", "api_key: the function gave none" .. (message and ": " .. tostring(message) or ""))
  end
  local good, wrong, err = configuration.check_key(key, "api_key: what the function gave")
  if not good then return nil, wrong, err end
  if key ~= inner.key then inner.key, inner.key_number = key, inner.key_number + 1 end
  return key
end

--- The key to send: as configured, or asked of the function once and kept.
function client.key(self)
  local inner = private[self]
  if inner.key then return inner.key end
  local key, message, err = ask_key(self)
  return key, message, err
end

--- After a 401: true if there is another key to try than the one that `waiter` went with. Asks the key
-- function again, unless another call has done so since.
function client.rotate_key(self, waiter)
  local inner = private[self]
  if type(inner.config.api_key) ~= "function" then return false end
  if inner.key_number == waiter.key_number then ask_key(self) end
  return inner.key_number ~= waiter.key_number
end

local function refused(kind, message, method, path)
  if kind == "misuse" then errors.misuse(message) end
  return errors.fail(kind, message, { method = method, path = path })
end

local function cancelled()
  return errors.fail("cancelled", "the task was cancelled")
end

--- Raises what on_event has raised since, if anything. Only where nothing is under way for the caller:
-- a mistake in a log's code must not cost the outcome of a write.
function client.surface(self)
  local listener = private[self].listener
  local raised = listener and listener.raised
  if raised then
    listener.raised = nil
    error(raised[1], 0)
  end
end

--- Hands a request over. Returns its waiter, or `nil, message, err`. Misuse raises.
function client.submit(self, prepared)
  local inner = private[self]
  local here, cannot = host.current(inner.config.host)
  if not here then
    return refused("phase", ("%s: %s"):format(prepared.operation, cannot), prepared.method, prepared.path)
  end
  local key, message, err = client.key(self)
  if not key then return nil, message, err end
  prepared.api_key = key
  prepared.waits = here.blocks -- nothing else is done meanwhile
  local ticket, kind, why = inner.handle:submit(prepared)
  if not ticket then return refused(kind, why, prepared.method, prepared.path) end
  -- Whoever hands it over waits for it, and in this host.
  return mailbox.expect(ticket, { key_number = inner.key_number, here = here })
end

--- Waits for a waiter's outcome: `data, meta`, or `nil, message, err`.
function client.outcome(self, waiter)
  local ready, cannot, why = client.wait(waiter)
  if not ready then
    mailbox.forget(waiter.ticket)
    if why then return nil, cannot, why end
    return errors.fail("closed", "the call belongs to the process that this one was forked off")
  end
  return waiter.reply:outcome(private[self].config.null_as_nil)
end

--- One call from beginning to end. `prepared` is a request of request.lua.
function client.call(self, prepared)
  local task, begun = tasks.current(), core.now()
  if task and task.cancelled then return cancelled() end
  if prepared.interactive then client.surface(self) end
  local waiter, message, err = client.submit(self, prepared)
  if not waiter then return nil, message, err end
  local data, meta, failure = client.outcome(self, waiter)
  if data == nil and failure.kind == "unauthorized" and client.rotate_key(self, waiter) then
    if prepared.deadline then prepared.deadline = math.max(0, prepared.deadline - (core.now() - begun)) end
    waiter, message, err = client.submit(self, prepared)
    if not waiter then return nil, message, err end
    data, meta, failure = client.outcome(self, waiter)
  end
  -- Not a tail call, so that the level of misuse can be found.
  return data, meta, failure
end

--- Whether whoever asks now does nothing until it has what it asked for: work that blocks may then be done
-- in place, instead of by the worker.
function client.blocks(self)
  local here = host.current(private[self].config.host)
  return here ~= nil and here.blocks
end

--- The waiter of a job that the worker was given just now.
function client.job(self, ticket) return mailbox.expect(ticket, { chosen = private[self].config.host }) end

--- Waits for a job: what it gives, or nil where it belongs to a parent process.
function client.done(waiter)
  local ready, cannot, why = client.wait(waiter)
  if ready then return waiter.reply:outcome() end
  mailbox.forget(waiter.ticket)
  if why then return nil, cannot, nil, why.kind end
  return nil, "the job belongs to the process that this one was forked off", nil, "closed"
end

--- The state file of a client, or nil where it has none. Opens nothing.
function client.store(self)
  local inner = private[self]
  if inner.config.state and not inner.store then inner.store = core.store(inner.config.state) end
  return inner.store
end

--- Opens a pager: pages come by its ticket. Returns the waiter and a guard, which gives the pager up
-- when it is collected.
function client.pages(self, prepared)
  local inner = private[self]
  local here, cannot = host.current(inner.config.host)
  if not here then return refused("phase", ("%s: %s"):format(prepared.operation, cannot), "GET", prepared.path) end
  local key, message, err = client.key(self)
  if not key then return nil, message, err end
  prepared.api_key = key
  local ticket, kind, why = inner.handle:pages(prepared)
  if not ticket then return refused(kind, why, "GET", prepared.path) end
  local waiter = mailbox.expect(ticket, { pages = {}, key_number = inner.key_number, chosen = inner.config.host })
  return waiter, core.guard(ticket)
end

local request_options = {
  method = "string", path = "string", query = "table", body = "any", repeatable = "boolean",
  deadline = "seconds",
}

--- Any request to the service, with the client's headers, retries and errors.
---@param given { method: "GET"|"OPTIONS"|"POST"|"PUT"|"PATCH"|"DELETE"|nil, path: string, query: table<string, string|number|boolean>?, body: any, repeatable: boolean?, deadline: number? }
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function Client:request(given)
  options.self(self, Client, "api.request")
  given = options.table("api:request", given, request_options)
  local data, meta, err = client.call(self, request.free(given, client.config(self)))
  return data, meta, err
end

--- What is known of the rate budget, without asking for it.
---@return flarelight.Quota
function Client:quota()
  options.self(self, Client, "api.quota")
  return private[self].handle:quota()
end

--- Counters since the client was made.
---@return flarelight.Stats
function Client:stats()
  options.self(self, Client, "api.stats")
  return private[self].handle:stats()
end

--- Ends the client: calls under way end with kind `closed`. May be called again.
function Client:close()
  options.self(self, Client, "api.close")
  private[self].handle:close()
  private[self].store = nil -- what is under way may still have to write into it; the collector closes it
  mailbox.step()
  client.surface(self)
end
Client.__close = Client.close

--- Starts a task: a function whose calls give way to others instead of blocking. Raises where none can run.
---@param run fun(): ...
---@return flarelight.Task
function Client:spawn(run)
  options.self(self, Client, "api.spawn")
  options.check("api:spawn", run, "function")
  local chosen = client.config(self).host
  local here, message = host.current(chosen)
  -- Before the first frame task nothing runs in its host: it begins here.
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
  client.surface(self)
end

local function outcome_of(ok, data, meta, err, ...)
  if not ok then return { err = errors.from_raised(data) } end
  if data == nil and (meta ~= nil or err ~= nil or select("#", ...) > 0) then
    return { err = errors.is(err) and err or errors.from_raised(err or meta) }
  end
  return { data = data, meta = meta }
end

--- Runs `fn(item, index)` over an array, `concurrency` at a time (default: max_concurrency). Returns the
-- results in order, each {data =, meta =} or {err =}, and how many failed.
---@param items any[]
---@param fn fun(item: any, index: integer): any, any, any
---@param given { concurrency: integer? }?
---@return flarelight.Result[] results, integer failed
function Client:map(items, fn, given)
  options.self(self, Client, "api.map")
  options.check("api:map: items", items, "table")
  options.check("api:map: fn", fn, "function")
  given = options.table("api:map", given, { concurrency = "positive" })
  client.surface(self)
  local count, chosen = #items, client.config(self).host
  local width = math.min(given.concurrency or client.config(self).max_concurrency or 8, count)
  local results, failed, next_index, left, workers = {}, 0, 1, width, {}
  local all_done = mailbox.waiter { of_tasks = true, ready = count == 0 or nil }
  -- So many workers; what one item raises ends only that one.
  local function work()
    while next_index <= count do
      local index = next_index
      next_index = index + 1
      results[index] = outcome_of(pollable.protect(function() return fn(items[index], index) end))
    end
    left = left - 1
    if left == 0 then mailbox.set_ready(all_done) end
  end
  local here, message = host.current(chosen)
  if here then
    for i = 1, width do workers[i] = tasks.spawn(here.blocks and frame or here, work, chosen) end
    if not all_done.ready then tasks.wait(here, all_done) end
  end
  local function refuse() return errors.fail("phase", "api:map: " .. message) end
  if not all_done.ready then -- nothing can wait here, or we were cancelled
    next_index = count + 1
    for _, task in ipairs(workers) do task:cancel() end
    for index = 1, count do
      if not results[index] then
        results[index] = { err = select(3, (here and cancelled or refuse)()) }
      end
    end
  end
  for index = 1, count do
    if results[index].err then failed = failed + 1 end
  end
  return results, failed
end

--- Runs functions at the same time. Returns as `api:map` does.
---@param functions (fun(): any, any, any)[]
---@return flarelight.Result[] results, integer failed
function Client:all(functions)
  options.self(self, Client, "api.all")
  options.check("api:all", functions, "table")
  for index, fn in ipairs(functions) do options.check(("api:all: [%d]"):format(index), fn, "function") end
  local results, failed = self:map(functions, function(fn) return fn() end, { concurrency = math.max(1, #functions) })
  return results, failed
end

--- Waits for `seconds` in the way of the host. True; `false, message, err` where nothing can wait.
-- `self`: the client whose host it is to be, if it was given one.
function client.sleep(seconds, self)
  local chosen = self and client.config(self).host
  local _, message, err = client.wait(mailbox.waiter { due = core.now() + seconds, chosen = chosen })
  if err then return false, message, err end
  return true
end

--- Calls `fn` every `interval` seconds until it gives a true value, and returns that; `nil, message,
-- err` of kind timeout where none came in `timeout` seconds. What `fn` raises goes through.
---@param fn fun(): any
---@param given { timeout: number?, interval: number? }? seconds: 600 and 5
---@return any value, string? message, flarelight.Error? err
function Client:wait_until(fn, given)
  options.self(self, Client, "api.wait_until")
  options.check("api:wait_until", fn, "function")
  given = options.table("api:wait_until", given, { timeout = "seconds", interval = "seconds" })
  local timeout, interval = given.timeout or 600, given.interval or 5
  local task, begun = tasks.current(), core.now()
  while true do
    local value = fn()
    if value then return value end
    if task and task.cancelled then return cancelled() end
    local left = begun + timeout - core.now()
    if left <= 0 then
      return errors.fail("timeout", ("nothing after %g s of waiting"):format(timeout), { elapsed = core.now() - begun })
    end
    local slept, message, err = client.sleep(math.min(interval, left), self)
    if not slept then return nil, message, err end
  end
end

return client
