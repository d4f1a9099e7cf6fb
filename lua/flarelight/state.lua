--- The state file from Lua: statements, transactions, locks, and the history of what happened.
--
-- upload/journal.lua and once/journal.lua keep their tables with it. A transaction is durable when its function
-- returns. A *relaxed* one is not synced: it survives the end of the process, and a crash of the machine once a durable
-- one follows. The functions raise failures (failure.lua): kind conflict if another process has changed an entry, else
-- kind io or config. Relies on the binding's store, and on calls.lua to wait for it.

local calls = require "flarelight.calls"
local failure = require "flarelight.upload.failure"
local core = require "flarelight.core"
local json = require "flarelight.json"

---@class flarelight.State
---@field api flarelight.Client
---@field store userdata
---@field service string base URL and subscription
local State = {}
State.__index = State

local state = { class = State }

local KEPT = 90        -- days, unless the client has the option `keep`
local MOST_EVENTS = 2^31 - 1 -- more than the history keeps
local LONGEST = 400    -- bytes of a text in the history

--- The state file of a client, as an object of `class`; nil if it has none.
function state.of(api, class)
  local store = calls.store(api)
  if not store then return nil end
  local config = calls.config(api)
  return setmetatable({ api = api, store = store, service = config.base_url .. " " .. config.subscription_id },
    class or State)
end

--- A statement with its values.
function state.sql(text, ...) return { text, n = select("#", ...), ... } end

--- The same, but it must change one row. If it does not, the file is not in the state that this process expects.
function state.one(text, ...)
  local statement = state.sql(text, ...)
  statement.changes = 1
  return statement
end

-- A client may be closed by a function of the caller, while other code of it is at work.
local function check_open(self)
  if not self.store:is_open() then failure.fail("closed", "state: the client is closed") end
end

local function try(self, relaxed, statements)
  check_open(self)
  local ticket = self.store:run(statements, calls.blocks(self.api), relaxed)
  local rows, message, kind, closed = calls.done(calls.job(self.api, ticket))
  if rows then return rows end
  if kind == "guard" then return false end
  failure.fail(kind or closed, "state: " .. tostring(message))
end

--- Runs statements in one transaction. Returns the rows of the last one; false if a statement did not change its row.
function State:try(...) return try(self, false, { ... }) end

--- The same, relaxed.
function State:try_relaxed(...) return try(self, true, { ... }) end

-- The outcome of a question about a lock: `answer, message, kind`. A state file answers at once, a database by a job.
local function outcome(self, answer, message, kind)
  if type(answer) ~= "number" then return answer, message, kind end
  local closed
  answer, message, kind, closed = calls.done(calls.job(self.api, answer))
  return answer, message, kind or closed
end

--- Releases a lock. In a database the worker does it, unless this code blocks anyway.
function State:unlock(lock)
  lock:release(calls.blocks(self.api))
  calls.count_lock(self.api, -1)
end

--- A lock that excludes other processes and other holders of this one; nil if another holder has it.
function State:lock(name)
  check_open(self)
  local lock, message, kind = outcome(self, self.store:lock(name, calls.blocks(self.api)))
  if message then failure.fail(kind, "state: " .. message) end
  if lock then calls.count_lock(self.api, 1) end
  return lock
end

--- Whether a holder in any process has a lock. Takes nothing.
function State:is_locked(name)
  check_open(self)
  local held, message, kind = outcome(self, self.store:is_locked(name, calls.blocks(self.api)))
  if message then failure.fail(kind, "state: " .. message) end
  return held
end

--- The age in seconds after which what has ended is deleted.
function State:kept() return (calls.config(self.api).keep or KEPT) * 86400 end

-- --- history ---

local function short(text)
  text = tostring(text)
  return #text > LONGEST and text:sub(1, LONGEST - 3) .. "..." or text
end

-- A name of a file need not be UTF-8: for the history, each byte that is not ASCII becomes "?".
local function ascii(detail)
  local plain = {}
  for name, value in pairs(detail) do
    plain[name] = type(value) == "string" and value:gsub("[\128-\255]", "?") or value
  end
  return plain
end

--- The statement that adds an event to the history of a subject.
---@param subject string "upload TOKEN" or "once KEY"
---@param event string
---@param detail table? texts, numbers and booleans
function State:event(subject, event, detail)
  local kept = {}
  for name, value in pairs(detail or {}) do kept[name] = type(value) == "string" and short(value) or value end
  return state.sql("INSERT INTO history (service, subject, at, event, detail) VALUES (?, ?, ?, ?, ?)", self.service,
    subject, os.time(), event, core.encode(kept) or json.encode(ascii(kept)))
end

--- Adds an event by itself, in a relaxed transaction.
function State:tell(subject, event, detail) self:try_relaxed(self:event(subject, event, detail)) end

--- The statement that deletes old events. Reads one row if there are none.
function State:old_events()
  return state.sql("DELETE FROM history WHERE at < ?1 AND (SELECT at FROM history ORDER BY number LIMIT 1) < ?1",
    os.time() - self:kept())
end

--- The events of a subject, oldest first: { { at =, event =, detail = }, … }. `last`: only so many of the newest.
function State:events(subject, last)
  local rows = self:try(state.sql("SELECT at, event, detail FROM history WHERE service = ? AND subject = ? "
    .. "ORDER BY number DESC LIMIT ?", self.service, subject, last or MOST_EVENTS))
  local events = {}
  for place, row in ipairs(rows) do
    row.detail = json.decode(row.detail)
    events[#rows + 1 - place] = row
  end
  return events
end

--- The process that was the last to begin or resume a subject, and when; nil if the history does not have it.
---@return integer? process, number? at epoch seconds
function State:holder(subject)
  local row = self:try(state.sql("SELECT at, detail FROM history WHERE service = ? AND subject = ? "
    .. "AND event IN ('began', 'resumed') ORDER BY number DESC LIMIT 1", self.service, subject))[1]
  if not row then return nil end
  return json.decode(row.detail).process, row.at
end

return state
