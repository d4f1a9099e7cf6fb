--- The replies that the processes with one state file share: an SQLite file beside it, and a mark that each write
-- changes.
--
-- The place of a reply is a digest of the file's salt, of all that decides what the service answers, and of the key, so
-- that no two keys share a reply and no key is stored. A reply counts only while the mark is the one that was read
-- before its request was sent. One process at a time sends the request of a place: it holds the lock of that name, and
-- the others look for its reply.
--
-- Whatever fails here, the call goes on as if no reply was kept. Relies on the binding's store and mark, and on
-- calls.lua to wait for the store.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local tasks = require "flarelight.host.tasks"

---@class flarelight.SharedReplies
---@field api flarelight.Client
---@field store userdata
---@field marker userdata
---@field max_bytes integer
---@field added integer bytes that this process has put there since it last enforced the bound
---@field salt string?
local Shared = {}
Shared.__index = Shared

local shared = {}

local NOW = "((julianday('now') - 2440587.5) * 86400.0)" -- epoch seconds
local FIRST_LOOK, LONGEST_LOOK = 0.005, 0.1             -- seconds between two looks for another process's reply
local PUTS_OF_A_BOUND = 16                              -- the bound may be passed by this part of it a process
local PATIENCE = 30                                     -- seconds for which another process is waited for

-- Whether the client has a state file, beside which others can stand.
local function has_file(config) return config.state ~= nil and not config.state:find "^postgres" end

--- The shared replies of a client. nil if it has no state file, or if its own function may change its requests.
---@return flarelight.SharedReplies?
function shared.open(api)
  local config = calls.config(api)
  if not has_file(config) or config.before then return nil end
  return setmetatable({
    api = api, store = core.cache_store(config.state, config.shared_files),
    marker = core.write_mark(config.state, config.shared_files), max_bytes = config.cache.max_bytes, added = 0,
  }, Shared)
end

--- A function that tells the other processes of a write of this client. nil if it has no state file.
---@return fun()?
function shared.announcer(api)
  local config = calls.config(api)
  if not has_file(config) then return nil end
  local marker
  return function()
    pcall(function()
      marker = marker or core.write_mark(config.state, config.shared_files)
      marker:change()
    end)
  end
end

--- The mark of now; nil if it cannot be read.
---@return string?
function Shared:mark() return (self.marker:read()) end

-- Runs statements. Returns the rows of the last one, or nil.
local function run(self, statements)
  local ticket = self.store:run(statements, calls.blocks(self.api), true)
  return (calls.done(calls.job(self.api, ticket)))
end

local function headers_text(headers)
  local lines = {}
  for name, value in pairs(headers or {}) do lines[#lines + 1] = ("%s:%s"):format(name, tostring(value)) end
  table.sort(lines)
  return table.concat(lines, "\n")
end

--- The place of a read with this key of cache/init.lua; nil if there is none.
---@return string?
function Shared:place(read)
  if not self.salt then
    local rows = run(self, { { "SELECT value FROM salt", n = 0 } })
    if not rows or not rows[1] then return nil end
    self.salt = rows[1].value
  end
  local config, key = calls.config(self.api), calls.key(self.api)
  if not key then return nil end
  local parts = { self.salt, config.base_url, config.subscription_id, key, headers_text(config.headers), read }
  for index, part in ipairs(parts) do parts[index] = #part .. ":" .. part end
  return core.sha256(table.concat(parts))
end

---@class flarelight.SharedReply
---@field mark string when its request began
---@field age number seconds since then
---@field request_id string
---@field head string
---@field text string

--- The reply at a place; nil if there is none.
---@return flarelight.SharedReply?
function Shared:get(place)
  local rows = run(self, { {
    "SELECT mark, " .. NOW .. " - began AS age, request_id, head, text FROM replies WHERE place = ?", place, n = 1,
  } })
  local row = rows and rows[1]
  -- A reply from the future: the clock was set back.
  if row and row.age < 0 then return nil end
  return row
end

-- The mark as text: its bytes may be no UTF-8.
local function text_of(mark)
  return (mark:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

--- Whether a reply of this mark still counts.
function Shared.is_current(reply, mark) return reply.mark == text_of(mark) end

--- Keeps a reply whose request began `age` seconds ago under `mark`. The oldest replies go until it fits.
function Shared:put(place, mark, age, request_id, head, text)
  local bytes = #head + #text
  if bytes > self.max_bytes then return end
  local statements = {
    { "INSERT OR REPLACE INTO replies (place, mark, began, bytes, request_id, head, text) VALUES (?, ?, " .. NOW
      .. " - ?, ?, ?, ?, ?)", place, text_of(mark), age, bytes, request_id, head, text, n = 7 },
  }
  self.added = self.added + bytes
  if self.added >= self.max_bytes / PUTS_OF_A_BOUND then -- the sum reads all entries, so it is not made each time
    self.added = 0
    statements[2] = {
      "DELETE FROM replies WHERE place IN (SELECT place FROM (SELECT place, "
        .. "SUM(bytes) OVER (ORDER BY began DESC, place) AS total FROM replies) WHERE total > ?)",
      self.max_bytes, n = 1,
    }
  end
  run(self, statements)
end

--- A 304 has confirmed the reply at a place: it counts from `age` seconds ago, under `mark`.
function Shared:confirm(place, mark, age)
  run(self, {
    { "UPDATE replies SET mark = ?, began = " .. NOW .. " - ? WHERE place = ?", text_of(mark), age, place, n = 3 },
  })
end

--- Waits until this process may send the request of a place, or until another process has got a reply that
-- `is_there(reply)` accepts; the argument is nil while there is none. Returns that reply, or nil and the lock to hold
-- while the request is under way. Without both, the request is to be sent without the lock.
---@param due number by core.now
function Shared:await(place, due, is_there)
  local patience, wait = math.min(due, core.now() + PATIENCE), FIRST_LOOK
  while true do
    local lock, message = self.store:lock(place)
    if message then return nil end
    local reply = self:get(place)
    if is_there(reply) then
      if lock then lock:release() end
      return reply
    end
    if lock then return nil, lock end
    local task = tasks.current()
    if core.now() + wait > patience or task and task.cancelled then return nil end
    if not calls.sleep(wait, self.api) then return nil end
    wait = math.min(wait * 2, LONGEST_LOOK)
  end
end

return shared
