--- A state in PostgreSQL for the script under test: one database, which is empty before each point.
--
-- Relies on state.lua for transactions, and on the sandbox's rule that each point has a service of its own, so that
-- only what this file deletes is shared by two points.

local core = require "flarelight.core"
local failure = require "flarelight.upload.failure"
local flarelight = require "flarelight"
local postgres = require "flarelight.postgres"
local state = require "flarelight.state"

local database = {}

---@class flarelight.TortureDatabase
---@field url string with its password, for the script
---@field state flarelight.State
---@field api flarelight.Client sends nothing
---@field tables string[] those with entries of scripts
local Database = {}
Database.__index = Database

local TABLES = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'flarelight' "
  .. "AND tablename NOT IN ('version', 'salt')"

-- Deletes what the last point has left. Raises a failure.
local function delete_all(self)
  local statements = {}
  for i, name in ipairs(self.tables) do statements[i] = state.sql("DELETE FROM " .. name) end
  self.state:try_relaxed((table.unpack or unpack)(statements))
end

-- Reads the names of the tables, and raises if one of them has entries.
local function must_be_empty(self)
  for i, row in ipairs(self.state:try(state.sql(TABLES))) do self.tables[i] = row.name end
  for _, name in ipairs(self.tables) do
    if self.state:try(state.sql("SELECT count(*) AS entries FROM " .. name))[1].entries ~= 0 then
      failure.fail("config", ("state: the schema flarelight of %s is in use, and torture deletes what is in it: name "
        .. "a database of its own"):format(postgres.shown(self.url)))
    end
  end
end

--- Opens a database that has no entries of flarelight, or returns `nil, message, err`.
---@param url string
---@return flarelight.TortureDatabase? database, string? message, flarelight.Error? err
function database.open(url)
  local api, message, err = flarelight.new {
    state = url, base_url = "http://127.0.0.1:9", api_key = "none",
    subscription_id = "00000000-0000-4000-8000-000000000000",
  }
  if not api then return nil, message, err end
  local self = setmetatable({ url = url, api = api, state = state.of(api), tables = {} }, Database)
  local opened, why, its = failure.caught(function()
    must_be_empty(self)
    return self
  end)
  if not opened then api:close() end
  return opened, why, its
end

--- Deletes what the last point has left.
---@return boolean? done, string? message, flarelight.Error? err
function Database:clear()
  local done, message, err = failure.caught(function()
    delete_all(self)
    return true
  end)
  return done, message, err
end

local PATIENCE, POLL = 5, 0.005 -- seconds

-- Waits until the server has ended the sessions of the killed run: what that run sent last would renew its leases.
local function await_others(self)
  local due = core.now() + PATIENCE
  local others = state.sql("SELECT count(*) AS others FROM pg_stat_activity WHERE datname = current_database() "
    .. "AND application_name = 'flarelight' AND pid <> pg_backend_pid()")
  while self.state:try_relaxed(others)[1].others > 0 and core.now() < due do core.wait(POLL) end
end

--- Lets the leases of all locks end, as they would 30 s after their holder was killed.
---@return boolean? done, string? message, flarelight.Error? err
function Database:end_leases()
  local done, message, err = failure.caught(function()
    await_others(self)
    self.state:try_relaxed(state.sql "UPDATE locks SET lapses = clock_timestamp() - interval '1 s'")
    return true
  end)
  return done, message, err
end

--- Deletes what the last point has left, and closes the connection.
function Database:close()
  self:clear()
  self.api:close()
end

return database
