--- Calls: submits requests to the core, waits for their outcomes through the host, and keeps the private data of
-- clients. The endpoint modules, pages.lua, export/ and upload/ make their calls here; client.lua is the public class
-- on top of them. Relies on configuration.lua for the options, on host/ for waiting, on host/mailbox.lua for their
-- outcomes.

local configuration = require "flarelight.configuration"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local hooks = require "flarelight.hooks"
local host = require "flarelight.host"
local loading = require "flarelight.loading"
local mailbox = require "flarelight.host.mailbox"
local misuse = require "flarelight.misuse"
local postgres = require "flarelight.postgres"
local scope = require "flarelight.host.scope"
local tasks = require "flarelight.host.tasks"

local fates = loading.later "flarelight.fates"
local trace = loading.later "flarelight.trace"

---@class flarelight.CallOptions
---@field deadline number? seconds from now, over all attempts and waits
---@field repeatable boolean? a write that may be sent again though it may have arrived
---@field fresh boolean? sends the request, whatever the cache has
---@field headers table<string, string>? more headers

---@class flarelight.Retry
---@field status integer? of the reply, if there was one
---@field kind flarelight.ErrorKind
---@field reason "throttled"|"server"|"network"
---@field delay number seconds until the next attempt, at least

---@class flarelight.RateLimit
---@field limit integer?
---@field remaining integer?
---@field reset number? epoch seconds
---@field format "delta"|"epoch"|"epoch_ms"|"iso"|"http_date"|"nonsense"|nil how the reset was written

---@class flarelight.Meta
---@field status integer
---@field messages any[] the service's messages, as they came
---@field attempts integer
---@field elapsed number seconds, waits included
---@field waited number? seconds of them for which the rate limit held the call; nil: it did not
---@field retries flarelight.Retry[]? the attempts after which it was tried again, the first four; nil: there was none
---@field rate_limit flarelight.RateLimit?
---@field request_id string
---@field fate flarelight.Fate? of a write
---@field cached boolean
---@field date number? epoch seconds by the service's clock
---@field encoding string? as "gzip": how the reply was compressed
---@field etag boolean? the reply had a tag
---@field head string? the head of the reply as it came: status line and header lines
---@field headers table<string, string>? of the reply, names in lower case; made when it is first read
---@field age number? with `cached`: seconds since the request of the reply began
---@field proof flarelight.Proof? of a start with `wait`: the observations

---@class flarelight.RawReply
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string

---@class flarelight.Event
---@field name "start"|"wait"|"retry"|"done"
---@field operation string as "imports.data"
---@field method string
---@field path string
---@field request_id string
---@field attempt integer
---@field elapsed number seconds since the call was made
---@field delay number? wait, retry: seconds until it continues
---@field reason string? wait, retry
---@field status integer? of the reply, if there was one
---@field kind flarelight.ErrorKind? retry, done: of the error
---@field fate flarelight.Fate? done: of a write

local calls = {}

-- Client -> its handle, its configuration and its key. Kept apart from the client, so that no dump of one shows
-- the key.
local private = setmetatable({}, { __mode = "k" })

--- Gives a client its handle and its configuration (of configuration.lua). Starts no thread and sends nothing.
function calls.open(api, config)
  config.events = config.on_event ~= nil or config.debug ~= nil
  config.host = host.of_option(config.host)
  local inner = { config = config, handle = core.client(config), key = nil, key_number = 0, locks = 0 }
  if type(config.api_key) == "string" then inner.key = config.api_key end
  private[api] = inner
  inner.hooks = hooks.new(config)
  if config.events or config.after then
    -- Only the client keeps the listener alive, so that events of a collected client are dropped.
    inner.listener = config.debug and trace.listener(config.debug, config.on_event) or { event = config.on_event }
    mailbox.listen(inner.handle:number(), inner.listener)
  end
end

-- Closes the state of a closed client, unless code may still write into it: code that holds a lock, or waits (of any
-- client, since a wait does not tell whose it is). Then it is closed with the last lock, or when it is collected.
local function close_state(inner)
  if inner.locks > 0 or mailbox.is_expecting() then return end
  if inner.store then inner.store:close() end
  if inner.on_close then inner.on_close() end
  inner.on_close = nil
end

--- Ends a client: its calls under way end with kind `closed`.
function calls.close(api)
  local inner = private[api]
  inner.handle:close()
  inner.closed = true
  close_state(inner)
end

--- Calls `fn()` when the client is closed and none of its code is at work. `fn` must not raise, nor refer to the
-- client.
function calls.watch_close(api, fn) private[api].on_close = fn end

--- Counts the locks of a state that code of the client holds: 1 for one that was taken, -1 for one that was released.
function calls.count_lock(api, change)
  local inner = private[api]
  inner.locks = inner.locks + change
  if inner.closed then close_state(inner) end
end

--- Calls `fn(prepared, method)` before each request of a client, with the headers set. Nothing is sent if it raises.
function calls.intercept(api, fn) private[api].intercept = fn end

--- Whether the client was closed.
function calls.is_closed(api) return private[api].closed == true end

--- The client's configuration. Not to be changed.
function calls.config(api) return private[api].config end

--- The core's handle of the client.
function calls.handle(api) return private[api].handle end

--- Waits for a waiter, through the host that runs now. Returns true; false if no outcome can arrive any more; `false,
-- message, err` if this code cannot wait.
function calls.wait(waiter)
  if waiter.ready then return true end
  local waited, message = tasks.wait(waiter)
  if waited then return waiter.ready or false end
  local _, whole, err = errors.fail("phase", message)
  return false, whole, err
end

--- Waits for `seconds`, through the host. Returns true; `false, message, err` if this code cannot wait. `api`: the
-- client whose option `host` applies; without it the host that runs now.
function calls.sleep(seconds, api)
  local chosen = api and private[api].config.host
  local _, message, err = calls.wait(mailbox.waiter { due = core.now() + seconds, chosen = chosen })
  if err then return false, message, err end
  return true
end

local KEY_COMMAND_SECONDS = 60

-- Waits for the run of the key command that another call has started. Returns whether it has told its result. False,
-- without an error: the call was cancelled, or the host has ended its coroutine.
local function await_key_run(inner, running)
  local waiter = mailbox.waiter {
    of_tasks = true, chosen = inner.config.host, due = running.begun + KEY_COMMAND_SECONDS + 5,
  }
  running.waiters[#running.waiters + 1] = waiter
  local _, message, err = calls.wait(waiter)
  if err then return false, message, err end
  local task = tasks.current()
  if not running.told and task and task.cancelled then
    _, message, err = calls.cancelled()
    return false, message, err
  end
  return running.told or false
end

local function run_key_command(api, inner)
  local name = inner.config.key_name
  local ticket = core.program_output(inner.config.key_command, KEY_COMMAND_SECONDS, calls.blocks(api))
  local text, message, _, kind = calls.done(calls.job(api, ticket))
  if text then return configuration.check_key(text:match "^%s*(.-)%s*$", name .. ": the output") end
  if kind then return errors.fail(kind, message) end
  return errors.fail("config", ("%s: the command %s"):format(name, message))
end

-- The key that the command prints, or `nil, message, err`. Calls that need it at the same time share one run, since the
-- command may ask its user a question.
local function command_key(api, inner)
  local running = inner.key_run
  while running do
    local told, message, err = await_key_run(inner, running)
    if told then return running.key, running.message, running.err end
    if err then return nil, message, err end
    if inner.key_run == running then inner.key_run = nil end
    running = inner.key_run
  end
  running = { begun = core.now(), waiters = {} }
  inner.key_run = running
  local key, message, err = run_key_command(api, inner)
  running.key, running.message, running.err = key, message, err
  -- An error of kind config is that of the command; any other concerns only the code that has run it.
  running.told = key ~= nil or err.kind == "config"
  if inner.key_run == running then inner.key_run = nil end
  for _, waiter in ipairs(running.waiters) do mailbox.set_ready(waiter) end
  return key, message, err
end

local function call_key_function(inner)
  local key, message = inner.config.api_key()
  if key == nil then
    return errors.fail("config",
      "api_key: the function returned no key" .. (message and ": " .. errors.text_of(message) or ""))
  end
  return configuration.check_key(key, "api_key: the result of the function")
end

local function ask_key(api, inner)
  local key, message, err
  if inner.config.key_command then key, message, err = command_key(api, inner)
  else key, message, err = call_key_function(inner) end
  if not key then return nil, message, err end
  if key ~= inner.key then
    inner.key, inner.key_number = key, inner.key_number + 1
    if inner.on_key then inner.on_key() end
  end
  return key
end

-- The key to send: the configured one, or that of the caller's function or command, which is asked once.
local function key_of(api, inner)
  if inner.key then return inner.key end
  local key, message, err = ask_key(api, inner)
  return key, message, err
end

--- The key with which a call of now would be sent, or `nil, message, err`.
function calls.key(api)
  local key, message, err = key_of(api, private[api])
  return key, message, err
end

--- After a 401: whether there is another key than the one that `waiter` was sent with. Asks the caller's function or
-- command for it, unless another call has done so since.
function calls.rotate_key(api, waiter)
  local inner = private[api]
  if type(inner.config.api_key) ~= "function" and not inner.config.key_command then return false end
  if inner.key_number == waiter.key_number then ask_key(api, inner) end
  return inner.key_number ~= waiter.key_number
end

local take_outcome -- defined below

local function refused(kind, message, method, path)
  if kind == "misuse" then misuse(message) end
  return errors.fail(kind, message, { method = method, path = path })
end

--- `nil, message, err` of a task that was cancelled.
function calls.cancelled() return errors.fail("cancelled", "the task was cancelled") end

--- Raises an error that `on_event`, `debug` or `after` has raised since the last time. Called only while the caller has
-- no call under way: a mistake in a logging function must not lose the outcome of a write.
function calls.surface(api)
  local listener = private[api].listener
  local raised = listener and listener.raised
  if raised then
    listener.raised = nil
    error(raised[1], 0)
  end
end

-- Raises the Ctrl-C that came inside of such a function: the outcome of the call has been taken, and that of a write of
-- a block is recorded.
local function surface_interrupt(api)
  local listener = private[api].listener
  local raised = listener and listener.raised
  if raised and errors.is_interrupt(raised[1]) then calls.surface(api) end
end

-- Sets the headers of a request. An error that `before` raises is raised here; the error of a request that is a part of
-- other work is returned, so that this work ends in order.
local function set_headers(inner, prepared, method)
  if prepared.interactive and not prepared.inner then
    inner.hooks:before(prepared, method)
    return true
  end
  local ok, raised = pcall(inner.hooks.before, inner.hooks, prepared, method)
  if ok then return true end
  local err = errors.from_caller(raised)
  return nil, err.message, err
end

-- The beginning of submit and pages: returns the host and sets the key in `prepared`, or returns `nil, message, err`.
local function admit(api, prepared, method)
  local inner = private[api]
  local here, cannot = host.for_waiting(inner.config.host)
  if not here then return refused("phase", ("%s: %s"):format(prepared.operation, cannot), method, prepared.path) end
  local task = tasks.current()
  if task and task.cancelled then return calls.cancelled() end
  local key, message, err = key_of(api, inner)
  if not key then return nil, message, err end
  prepared.api_key = key
  if inner.hooks.active or prepared.given_headers then
    local good, why, failure = set_headers(inner, prepared, method)
    if not good then return nil, why, failure end
  end
  if inner.intercept then inner.intercept(prepared, method) end
  return here
end

--- Calls `fn(api)` when a write of this client is submitted, and when its outcome arrives. What it returns the second
-- time, a function or nil, is called before the code that waits for the write gets the outcome; it may wait. `fn` must
-- not raise, and must not refer to the client, which Lua 5.1 would then never collect.
function calls.watch_writes(api, fn) private[api].on_write = fn end

--- Calls `fn()` when the client has got another key, the first one too. `fn` must not raise, nor refer to the client.
function calls.watch_key(api, fn) private[api].on_key = fn end

-- Announces a write to the function of calls.watch_writes, now and when the outcome arrives.
local function announce(api, inner, waiter)
  local arrived = waiter.arrived
  inner.on_write(api)
  function waiter.arrived(self)
    self.before_outcome = inner.on_write(api)
    arrived(self)
  end
end

-- The waiter is complete before the request is submitted, since from then on memory may run out only where the outcome
-- cannot be lost. `prepared.fate` is the fate of a write if an error is raised before its outcome is known; nil:
-- not_sent.
local function hand_over(api, prepared)
  local inner = private[api]
  local here, message, err = admit(api, prepared, prepared.method)
  if not here then return nil, message, err end
  prepared.waits = here.blocks -- this code does nothing else meanwhile
  local has_mailbox, reserved = pcall(core.ticket)
  if not has_mailbox and errors.is_interrupt(reserved) then error(reserved, 0) end
  if not has_mailbox then return refused("network", reserved, prepared.method, prepared.path) end
  prepared.ticket = reserved
  -- The code that submits a call also waits for it, in the same host.
  local waiter = {
    key_number = inner.key_number, here = here, write = prepared.write, ticket = prepared.ticket, ready = false,
    reply = false, next_woken = false, take = false, handed_over = false, is_taken = false,
    before_outcome = false, arrived = prepared.arrived,
  }
  if inner.hooks.after_function then waiter.request = prepared end
  if prepared.write then
    waiter.take = fates.prepare(waiter, prepared, function() return take_outcome(api, waiter) end)
    fates.watch(waiter, prepared.operation)
    if inner.on_write then announce(api, inner, waiter) end
  end
  mailbox.expect(prepared.ticket, waiter)
  waiter.handed_over = true
  local before = prepared.fate
  prepared.fate = "in_doubt"
  local good, ticket, kind, why = pcall(inner.handle.submit, inner.handle, prepared)
  if good and ticket then
    prepared.under_way = true
    return waiter
  end
  if good then prepared.fate = before end -- Ctrl-C may have been raised after the submission
  waiter.handed_over = false
  if prepared.write then fates.taken(waiter) end
  mailbox.forget(prepared.ticket)
  if not good then error(ticket, 0) end
  return refused(kind, why, prepared.method, prepared.path)
end

--- Submits a request. Returns its waiter, or `nil, message, err` if nothing was sent. Misuse raises.
function calls.submit(api, prepared)
  local waiter, message, err = hand_over(api, prepared)
  if not waiter and prepared.write then err.fate = "not_sent" end
  return waiter, message, err
end

function take_outcome(api, waiter)
  local ready, cannot, why = calls.wait(waiter)
  if not ready then
    local _
    mailbox.forget(waiter.ticket)
    if not why then
      _, cannot, why = errors.fail("closed", "the call belongs to the parent process")
    end
    if waiter.write then why.fate = "in_doubt" end
    return nil, cannot, why
  end
  if waiter.before_outcome then waiter.before_outcome() end
  local data, meta, err = waiter.reply:outcome(private[api].config.null_as_nil)
  if waiter.request then private[api].hooks:after(waiter.request, err or meta, private[api].listener) end
  return data, meta, err
end

--- Waits for a waiter's outcome: `data, meta`, or `nil, message, err`. Memory that runs out meanwhile raises for a
-- read; a write fails with kind `memory` and its fate.
function calls.outcome(api, waiter)
  if waiter.write then return waiter.take() end
  return take_outcome(api, waiter)
end

--- Calls `after` for a page that was taken out of the waiter of a pager.
function calls.page_taken(api, waiter, page)
  if waiter.request then
    private[api].hooks:after(waiter.request, page:meta(), private[api].listener)
    surface_interrupt(api)
  end
end

local function call(api, prepared)
  local begun = core.now()
  local waiter, message, err = calls.submit(api, prepared)
  if not waiter then return nil, message, err end
  local data, meta, failure = calls.outcome(api, waiter)
  if data ~= nil or failure.kind ~= "unauthorized" then return data, meta, failure end
  prepared.fate = failure.fate -- what the function of the key raises changes nothing about it
  if calls.rotate_key(api, waiter) then
    local doubted = failure.fate == "in_doubt" -- an attempt before the 401 may have arrived
    if prepared.deadline then prepared.deadline = math.max(0, prepared.deadline - (core.now() - begun)) end
    waiter, message, err = calls.submit(api, prepared)
    if waiter then data, meta, failure = calls.outcome(api, waiter) else meta, failure = message, err end
    if data == nil and doubted then failure.fate = "in_doubt" end
  end
  -- Not a tail call, so that the level of misuse can be found.
  return data, meta, failure
end

--- One call from beginning to end. `prepared` is a request of request.lua; its member `inner` marks a request that is a
-- part of another call, which an error of `on_event` must not end; `journaled` a write that has a journal of its own.
-- Any other write inside of a block of `api:once` goes through the block, which records it. `arrived(waiter)`, of a
-- read, is called when the outcome has arrived, before any code takes it.
function calls.call(api, prepared)
  if prepared.interactive and not prepared.inner then calls.surface(api) end
  local block = prepared.write and not prepared.journaled and scope.current()
  local data, meta, failure
  if block then
    data, meta, failure = block:write(prepared, private[api].config, function()
      local its_data, its_meta, its_failure = call(api, prepared)
      return its_data, its_meta, its_failure
    end)
  else
    data, meta, failure = call(api, prepared)
  end
  surface_interrupt(api)
  return data, meta, failure
end

--- Lets `fn(api, prepared, fresh)` answer the reads of a client; it returns what calls.call returns.
function calls.answer_reads(api, fn) private[api].reader = fn end

--- As calls.call, for a request that may be a read: without a function of calls.answer_reads it is calls.call.
---@param api flarelight.Client
---@param prepared table a request of request.lua
---@param fresh boolean? sends the request, whatever is known
---@return any data, flarelight.Meta|string meta_or_message, flarelight.Error? err
function calls.read(api, prepared, fresh)
  local make = private[api].reader or calls.call
  local data, meta, err = make(api, prepared, fresh)
  return data, meta, err
end

--- Whether a call of this code blocks the whole Lua state. Blocking work can then be done in place, instead of by the
-- worker.
function calls.blocks(api)
  local here = host.current(private[api].config.host)
  return here ~= nil and here.blocks
end

--- The waiter of a job that was just submitted to the worker.
function calls.job(api, ticket) return mailbox.expect(ticket, { chosen = private[api].config.host }) end

--- Waits for a job. Returns its results, or `nil, message, nil, kind`.
function calls.done(waiter)
  local ready, cannot, why = calls.wait(waiter)
  if ready then return waiter.reply:outcome() end
  mailbox.forget(waiter.ticket)
  if why then return nil, cannot, nil, why.kind end
  return nil, "the job belongs to the parent process", nil, "closed"
end

--- The state of a client, a file or a database, or nil if it has none. Opens nothing.
function calls.store(api)
  local inner = private[api]
  local config = inner.config
  if inner.closed and not inner.store and (config.database or config.state) then
    inner.store = core.store "closed" -- never opened: whoever uses it is told
    inner.store:close()
  end
  if config.database and not inner.store then
    inner.store = assert(postgres.open(config.database)) -- the configuration has tried it
  end
  if config.state and not inner.store then
    inner.store = core.store(config.state_path, config.shared_files, config.state, config.state_linked)
  end
  return inner.store
end

--- Opens a pager. Returns the waiter of its pages, and a guard, which cancels the pager when the guard is collected; or
-- `nil, message, err`.
function calls.pages(api, prepared)
  local inner = private[api]
  local here, message, err = admit(api, prepared, "GET")
  if not here then return nil, message, err end
  local ticket, kind, why = inner.handle:pages(prepared)
  if not ticket then return refused(kind, why, "GET", prepared.path) end
  local waiter = mailbox.expect(ticket, { pages = {}, key_number = inner.key_number, chosen = inner.config.host })
  if inner.hooks.after_function then waiter.request = prepared end
  return waiter, core.guard(ticket)
end

return calls
