--- The rate budgets that processes share, read from the file beside the state file, or from PostgreSQL. The engine
-- takes requests of them by itself (csrc/core/files/lease_store.c, which has the tables); here they are only shown.
-- Relies on the binding's store, and on calls.lua to wait for it.

local calls = require "flarelight.calls"
local core = require "flarelight.core"

local budget = {}

-- A process that shares the budget.
---@class flarelight.QuotaMember
---@field machine string its host name
---@field process integer its process id
---@field waiting integer calls that wait for budget
---@field spent integer requests since the process began
---@field granted integer requests of this window that it has taken or holds
---@field pace number? requests a second while requests are spread

-- Seconds since the epoch, by the clock of the tables.
local NOW_OF_FILE = "(julianday('now') - 2440587.5) * 86400.0"
local NOW_OF_DATABASE = "extract(epoch FROM clock_timestamp())::double precision"

-- The rows of a query, in which NOW stands for the time, "window" for a column, and ? for the service. nil without a
-- state, or if the file is missing; and a message if it cannot be read.
local function read(api, sql)
  local config = calls.config(api)
  local store, path
  if config.database then
    store = calls.store(api)
  elseif config.state then
    store, path = core.budget_store(config.state_path, config.shared_files)
    -- Opening the store would make the file.
    local file = io.open(path, "rb")
    if not file then return nil end
    file:close()
  else
    return nil
  end
  sql = sql:gsub("NOW", config.database and NOW_OF_DATABASE or NOW_OF_FILE)
  local service = config.base_url .. " " .. config.subscription_id
  local rows, message = calls.done(calls.job(api, store:run({ { sql, n = 1, service } }, calls.blocks(api))))
  if not config.database then store:close() end
  if not rows then return nil, tostring(message) end
  return rows
end

local function seconds(microseconds) return microseconds / 1e6 end

--- What the state tells about the budget of a client's service: { limit =, remaining =, reset =, reset_in =,
-- foreign = } as in api:quota(). nil if the client has no state, or it tells nothing; and a message if it cannot be
-- read.
---@return table? found, string? message
function budget.of(api)
  local rows, message = read(api, "SELECT requests, granted, foreign_use, foreign_total, reset_at, NOW AS now"
    .. " FROM services WHERE service = ?")
  if not rows then return nil, message end
  local row = rows[1]
  if not (row and row.requests) then return nil end
  local found = { limit = row.requests, remaining = row.requests, foreign = row.foreign_total }
  local left = seconds(row.reset_at) - row.now
  if left > 0 then
    found.remaining = math.max(0, row.requests - row.granted - row.foreign_use)
    found.reset, found.reset_in = seconds(row.reset_at), left
  end
  return found
end

--- The processes that share the budget of a client's service and have asked for requests lately.
---@return flarelight.QuotaMember[]
function budget.members(api)
  local rows = read(api, "SELECT machine, process, waiting, spent, spacing, demand, expires_at, NOW AS now"
    .. ", CASE WHEN m.\"window\" = s.\"window\" THEN m.granted ELSE 0 END AS granted "
    .. "FROM members AS m JOIN services AS s ON s.service = m.service WHERE m.service = ? "
    .. "ORDER BY machine, process, member") or {}
  local members = {}
  for _, row in ipairs(rows) do
    -- A process that ended leaves its record for a while.
    if row.demand > 0 and seconds(row.expires_at) > row.now then
      members[#members + 1] = { machine = row.machine, process = row.process, waiting = row.waiting, spent = row.spent,
                                granted = row.granted, pace = row.spacing > 0 and 1e6 / row.spacing or nil }
    end
  end
  return members
end

return budget
