--- What the caches of the processes with one state in PostgreSQL share, in its database: a mark that each write
-- changes, and a table of replies (csrc/postgres/schema.c). cache/in_files.lua describes the functions.
--
-- The mark is a sequence, since its new value is seen by all at once, whatever their transactions are. The connection
-- is one of its own, so that no upload waits for the cache. A database that does not answer is left alone for a while:
-- meanwhile there is no mark, so nothing is taken from the cache, and a write that could not be told is told later.
--
-- Relies on the binding's store, on postgres.lua to open it, and on calls.lua to wait for it.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local postgres = require "flarelight.postgres"

---@class flarelight.CacheDatabase: flarelight.CachePlace
---@field store userdata
---@field rest number by core.now: the database is left alone until then
---@field owed boolean a write was not told
local Database = { now = "extract(epoch FROM clock_timestamp())::double precision" }
Database.__index = Database

local in_database = {}

local REST = 10 -- seconds
local CHANGE = { { "SELECT nextval('flarelight.write_marks')", n = 0 } }
local READ = { { "SELECT last_value::text AS mark FROM flarelight.write_marks", n = 0 } }

--- The place in the database of a client's state. Connects to nothing.
---@return flarelight.CacheDatabase
function in_database.open(api)
  local store = assert(postgres.open_cache(calls.config(api).database)) -- the configuration has tried it
  return setmetatable({ store = store, rest = 0, owed = false }, Database)
end

local function is_resting(self) return self.closed or core.now() < self.rest end

-- The outcome of a question: `answer`, or `nil, message`. After a failure of the connection the database is left alone.
local function outcome(self, waiter)
  local answer, message, kind = calls.done(waiter)
  if kind == "io" then self.rest = core.now() + REST end
  return answer, message
end

function Database:run(api, statements)
  if is_resting(self) then return nil end
  return (outcome(self, calls.job(api, self.store:run(statements, calls.blocks(api), true))))
end

function Database:mark(api)
  if self.owed then
    if not self:run(api, CHANGE) then return nil end
    self.owed = false
  end
  local rows = self:run(api, READ)
  return rows and rows[1] and rows[1].mark
end

-- By the worker, also where the code may block: a write need not wait until others know that it begins.
local function begin_change(self, api)
  self.owed = true
  if is_resting(self) then return nil end
  return calls.job(api, self.store:run(CHANGE, false, true))
end

function Database:change(api)
  local begun, waiter = pcall(begin_change, self, api)
  if not begun or not waiter then return nil end
  return function()
    if outcome(self, waiter) then self.owed = false end
  end
end

function Database:lock(api, name)
  if is_resting(self) then return nil, "the database is left alone" end
  return outcome(self, calls.job(api, self.store:lock(name, calls.blocks(api))))
end

function Database:unlock(api, lock) lock:release(calls.blocks(api)) end -- luacheck: ignore 212

function Database:close()
  self.closed = true
  self.store:close()
end

return in_database
