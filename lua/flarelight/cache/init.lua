--- The cache of reads: the option `cache` of a client. Replies are kept as they came, in memory, and made into new
-- tables for each caller, so that no caller changes the copy of another. With a state, all processes share their
-- replies. docs/cache.md describes it.
--
-- A read is a *flight* while its request is under way. Equal reads wait for its reply instead of sending their own
-- request. The mailbox ends a flight when the reply arrives, even if the code that began it is gone.
--
-- Every write of the client drops all entries, when it is submitted and when its outcome arrives: automations may start
-- with a write, so there is no entry of which it is known that a write leaves it true. A reply whose request began
-- before that moment is not stored, and is not given to later callers. With a state, a write also changes a mark
-- there, and an entry counts only while the mark is the one under which its request began.
--
-- Before its request is submitted, nothing ends a flight whose code is gone. So a flight that was not seen to run for a
-- while counts as dead.
--
-- Relies on calls.lua for the calls, on cache/entries.lua for the bound, on cache/exchange.lua and
-- cache/shared.lua for the replies of other processes, and on cache/in_files.lua or cache/in_database.lua for the place
-- where they are and for the mark.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local entries = require "flarelight.cache.entries"
local exchange = require "flarelight.cache.exchange"
local loading = require "flarelight.loading"
local mailbox = require "flarelight.host.mailbox"
local request = require "flarelight.request"
local shared = require "flarelight.cache.shared"
local tasks = require "flarelight.host.tasks"

local in_database = loading.later "flarelight.cache.in_database"
local in_files = loading.later "flarelight.cache.in_files"

local cache = {}

-- client -> its cache
local caches = setmetatable({}, { __mode = "k" })

---@class flarelight.CacheStats
---@field hits integer reads that sent nothing
---@field shared integer of them, those that waited for the request of an equal read
---@field from_state integer of them, those whose reply another process had left in the state
---@field misses integer reads that sent a request
---@field unchanged integer of them, those whose reply said that the older reply is still right (304)
---@field stale integer reads that failed and got an older reply (`stale_if_error`)
---@field entries integer
---@field bytes integer

local answer -- defined below

-- Where the client's cache meets those of others; nil if it has no state.
local function place_of(config, api)
  if config.database then return in_database.open(api) end
  if config.state then return in_files.open(api) end
end

--- Gives a new client the cache that its options ask for, before its first call.
function cache.open(api)
  local config = calls.config(api)
  local settings, place = config.cache, place_of(config, api)
  if not settings then
    if place then
      calls.watch_writes(api, function(writer) return place:change(writer) end)
      calls.watch_close(api, function() place:close() end)
    end
    return
  end
  local self = {
    entries = entries.new(settings.max_bytes), ttl = settings.ttl, stale_if_error = settings.stale_if_error,
    flights = {}, hits = 0, shared = 0, from_state = 0, misses = 0, unchanged = 0, stale = 0,
    place = place, others = place and shared.open(api, place),
  }
  local function drop()
    self.entries:clear()
    self.flights = {}
  end
  calls.watch_key(api, drop) -- nothing that another key has read is given to this one
  calls.watch_close(api, function()
    drop()
    if place then place:close() end
  end)
  calls.watch_writes(api, function(writer)
    drop()
    if place then return place:change(writer) end
  end)
  caches[api] = self
  calls.answer_reads(api, answer)
end

-- The key of a read: all that the service sees of it, apart from the client's own headers. nil if the body has no form
-- in JSON. The lengths keep the parts apart.
local function key_of(prepared)
  local id, query, body = prepared.id, prepared.query or "", ""
  id = id ~= nil and request.id_text(id) or ""
  if prepared.has_body then
    body = core.encode(prepared.body, true)
    if not body then return nil end
  end
  return table.concat({ prepared.method, prepared.path, #id, id, #query, query, body }, " ")
end

-- The mark of now: what was read under another mark does not count. true without a state; nil if the mark of the state
-- cannot be read.
local function mark_of(self, api)
  if not self.place then return true end
  return self.place:mark(api)
end

-- --- flights ---

---@class flarelight.Flight
---@field begun number
---@field mark string|boolean of mark_of, before the request
---@field due number when its deadline ends; math.huge without one
---@field request table whose member `under_way` tells that it was submitted
---@field seen number when its code was last seen to run before that
---@field reply userdata? when it has arrived
---@field head string? of the reply, and `text`, as they came: for other processes
---@field text string?
---@field confirmed boolean? the reply was a 304: an older reply is still right
---@field watchers table<table, true> waiters of equal reads

local function end_flight(self, key, flight)
  if self.flights[key] == flight then self.flights[key] = nil end
  for waiter in pairs(flight.watchers) do mailbox.set_ready(waiter) end
end

-- The flight has its reply.
local function land(self, key, flight, reply, size)
  flight.reply = reply
  if self.flights[key] == flight then self.entries:put(key, reply, size, flight.begun, flight.mark) end
  end_flight(self, key, flight)
end

-- Called when the reply has arrived, in whatever code steps the mailbox. `older`: the entry that a 304 confirms.
local function arrived(self, key, flight, reply, older)
  flight.head, flight.text = reply:text()
  local status, size = reply:keep()
  if status == 304 then
    self.unchanged = self.unchanged + 1
    reply, size = older.reply, older.size
    flight.confirmed = true
  end
  if status then return land(self, key, flight, reply, size) end
  flight.reply = reply
  end_flight(self, key, flight)
end

-- Makes the request conditional if the older reply had a tag. A tag that no header can hold is left out.
local function set_condition(prepared, older)
  local tag = older and older.reply:headers().etag
  if not tag or #tag > 200 or not tag:find '^[W/]*"[\33\35-\126]*"$' then return nil end
  prepared.given_headers, prepared.conditional = { ["If-None-Match"] = tag }, true
  return older
end

local function begin_flight(self, key, prepared, due, mark)
  local now = core.now()
  local flight = { begun = now, seen = now, due = due, mark = mark, request = prepared, watchers = {} }
  prepared.under_way = nil
  self.flights[key] = flight
  return flight
end

local UNSEEN = 1 -- seconds

-- Whether a flight will end.
local function is_alive(flight) return flight.request.under_way or core.now() - flight.seen <= UNSEEN end

-- Waits for the reply of another read's flight, until `due` at most, or until it may be dead. Returns whether this code
-- may have waited.
local function await(api, flight, due)
  if not flight.request.under_way then due = math.min(due, core.now() + UNSEEN) end
  local waiter = mailbox.waiter {
    due = due < math.huge and due or nil, chosen = calls.config(api).host,
    of_tasks = not calls.blocks(api) or nil,
  }
  flight.watchers[waiter] = true
  local _, _, err = calls.wait(waiter)
  flight.watchers[waiter] = nil
  return err == nil
end

-- --- outcomes ---

-- Makes the outcome of a kept reply. The members of meta that describe the sending of the request are those of this
-- call, which sent nothing.
local function outcome(api, reply, stored)
  local data, meta, err = reply:outcome(calls.config(api).null_as_nil)
  if err then return data, meta, err end
  meta.cached, meta.age = true, math.max(0, core.now() - stored)
  meta.attempts, meta.elapsed, meta.rate_limit, meta.waited, meta.retries = 0, 0, nil, nil, nil
  return data, meta
end

-- Kinds of errors that concern only the read that sent the request, or that another key may mend.
local OWN = { cancelled = true, closed = true, phase = true, unauthorized = true }

-- Kinds of errors after which an older reply is better than none.
local MENDED = { network = true, timeout = true, server = true, rate_limited = true }

-- The entry of a key if it is at most `age` seconds old, and no write has come since.
local function within(self, key, age, mark)
  local entry = self.entries:get(key)
  return entry and mark and entry.mark == mark and core.now() - entry.stored <= age and entry or nil
end

-- --- requests ---

-- Sends the request of a flight. `digest`: by which the reply is left for other processes, or nil.
local function send(self, api, key, flight, prepared, digest, older)
  self.misses = self.misses + 1
  flight.begun, flight.seen, prepared.keeps_text = core.now(), core.now(), digest ~= nil
  older = set_condition(prepared, self.entries:get(key) or older)
  prepared.arrived = function(waiter) pcall(arrived, self, key, flight, waiter.reply, older) end
  if prepared.deadline then prepared.deadline = math.max(0, flight.due - core.now()) end
  local data, meta, err = calls.call(api, prepared)
  if not flight.reply then end_flight(self, key, flight) end -- nothing was sent, or nothing can arrive any more
  if data ~= nil then
    if meta.status == 304 then data, meta, err = outcome(api, flight.reply, flight.begun) end
    -- With another key after a 401 it is another read.
    if digest and self.others:digest(api, key) == digest then
      exchange.leave(api, self.others, digest, flight, meta.request_id)
    end
  elseif MENDED[err.kind] then
    local entry = within(self, key, self.ttl + self.stale_if_error, mark_of(self, api))
    if entry then
      self.stale = self.stale + 1
      return outcome(api, entry.reply, entry.stored)
    end
  end
  return data, meta, err
end

-- The outcome of a read that no entry and no flight of this process answers.
local function ask(self, api, key, prepared, due, mark, fresh)
  local flight = begin_flight(self, key, prepared, due, mark)
  local digest = self.others and self.others:digest(api, key)
  local found, lock, older
  if digest and not fresh then
    found, lock, older = exchange.look(api, self.others, self.ttl, flight, prepared, digest)
  end
  if found then
    self.hits, self.from_state, flight.begun = self.hits + 1, self.from_state + 1, found.stored
    land(self, key, flight, found.reply, found.size)
    return outcome(api, found.reply, found.stored)
  end
  local data, meta, err = send(self, api, key, flight, prepared, digest, older)
  if lock then self.others:unlock(api, digest, lock) end
  return data, meta, err
end

-- Waits for a flight, and returns its outcome: true, data, meta. nil if this read has to look again; false if it cannot
-- wait.
local function share(self, api, flight, due)
  if not await(api, flight, due) then return false end
  if not flight.reply then return end
  local data, meta, err = outcome(api, flight.reply, flight.begun)
  if err and OWN[err.kind] then return end
  self.hits, self.shared = self.hits + 1, self.shared + 1
  return true, data, meta, err
end

local function is_cancelled()
  local task = tasks.current()
  return task ~= nil and task.cancelled
end

-- Makes a read, or takes its reply from the cache: the function of calls.answer_reads.
function answer(api, prepared, fresh)
  local self = caches[api]
  local passes = prepared.write or prepared.raw or prepared.given_headers ~= nil -- headers may change the reply
  if passes or calls.is_closed(api) or is_cancelled() then
    local data, meta, err = calls.call(api, prepared)
    return data, meta, err
  end
  calls.surface(api)
  local key, begun = key_of(prepared), core.now()
  if not key then -- the call raises the misuse
    local data, meta, err = calls.call(api, prepared)
    return data, meta, err
  end
  local due, mark = prepared.deadline and begun + prepared.deadline or math.huge, mark_of(self, api)
  if not mark then -- what another process has written cannot be known
    local data, meta, err = calls.call(api, prepared)
    return data, meta, err
  end
  while not fresh do
    local entry = within(self, key, self.ttl, mark)
    if entry then
      self.hits = self.hits + 1
      return outcome(api, entry.reply, entry.stored)
    end
    local flight = self.flights[key]
    -- A read with more time than the flight would get the flight's timeout.
    if not flight or flight.due < due or flight.mark ~= mark then break end
    local got, data, meta, err = share(self, api, flight, due)
    if got then return data, meta, err end
    if got == false or is_cancelled() or core.now() >= due then break end
    if self.flights[key] == flight and not is_alive(flight) then break end
  end
  local data, meta, err = ask(self, api, key, prepared, due, mark, fresh)
  return data, meta, err
end

--- Counters for api:stats; nil without the option `cache`.
---@return flarelight.CacheStats?
function cache.stats(api)
  local self = caches[api]
  return self and {
    hits = self.hits, shared = self.shared, from_state = self.from_state, misses = self.misses,
    unchanged = self.unchanged, stale = self.stale, entries = self.entries.count, bytes = self.entries.bytes,
  }
end

return cache
