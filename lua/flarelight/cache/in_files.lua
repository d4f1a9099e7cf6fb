--- What the caches of the processes with one state file share, in files beside it: a mark that each write changes, and
-- an SQLite database of replies. cache/in_database.lua is the same for a state in PostgreSQL.
--
-- A place is given the client with each question, and does not keep it: Lua 5.1 would never collect the client.
-- Relies on the binding's store and mark, and on calls.lua to wait for the store.

local calls = require "flarelight.calls"
local core = require "flarelight.core"

---@class flarelight.CachePlace
---@field now string in SQL: epoch seconds by the clock of the place
---@field mark fun(self, api): string? the mark of now; nil if it cannot be read
---@field change fun(self, api): fun()? changes the mark. What it returns waits until others see that. Never raises
---@field run fun(self, api, statements: table[]): table[]? runs statements; the rows of the last one, or nil
---@field lock fun(self, api, name: string): userdata?, string? a lock; nil if another holder has it; nil and a message
---@field unlock fun(self, api, lock: userdata)
---@field closed boolean? of a closed client: nothing is known any more, and nothing is told
---@field close fun(self)

---@class flarelight.CacheFiles: flarelight.CachePlace
---@field marker userdata
---@field store userdata? the database, which a client that only writes does not need
local Files = { now = "((julianday('now') - 2440587.5) * 86400.0)" }
Files.__index = Files

local in_files = {}

--- The place beside the state file of a client. Opens nothing.
---@return flarelight.CacheFiles
function in_files.open(api)
  local config = calls.config(api)
  return setmetatable({ marker = core.write_mark(config.state_path, config.shared_files) }, Files)
end

function Files:mark() return not self.closed and self.marker:read() or nil end

function Files:change() pcall(self.marker.change, self.marker) end

local function store_of(self, api)
  local config = calls.config(api)
  self.store = self.store or core.cache_store(config.state_path, config.shared_files)
  return self.store
end

function Files:run(api, statements)
  if self.closed then return nil end
  local ticket = store_of(self, api):run(statements, calls.blocks(api), true)
  return (calls.done(calls.job(api, ticket)))
end

function Files:lock(api, name)
  if self.closed then return nil, "the client is closed" end
  return store_of(self, api):lock(name)
end

function Files:unlock(_, lock) lock:release() end -- luacheck: ignore 212

function Files:close()
  self.closed = true
  self.marker:close()
  if self.store then self.store:close() end
end

return in_files
