--- The replies that the processes with one state share, at a place: in a file beside the state file
-- (cache/in_files.lua), or in the database (cache/in_database.lua).
--
-- A reply is found by a digest of the place's salt, of all that decides what the service answers, and of the key, so
-- that no two keys share a reply and no key is stored. A reply counts only while the mark is the one that was read
-- before its request was sent. One process at a time sends the request of a read: it holds the lock of that name, and
-- the others look for its reply.
--
-- Whatever fails here, the call goes on as if no reply was kept. Relies on the place for statements, locks and the
-- mark, and on calls.lua for the key.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local tasks = require "flarelight.host.tasks"

---@class flarelight.SharedReplies
---@field place flarelight.CachePlace
---@field max_bytes integer
---@field added integer bytes that this process has put there since it last enforced the bound
---@field salt string?
local Shared = {}
Shared.__index = Shared

local shared = {}

local FIRST_LOOK, LONGEST_LOOK = 0.005, 0.1             -- seconds between two looks for another process's reply
local PUTS_OF_A_BOUND = 16                              -- the bound may be passed by this part of it a process
local PATIENCE = 30                                     -- seconds for which another process is waited for

--- The shared replies of a client, which is given with each question (cache/in_files.lua says why). nil if its own
-- function may change its requests.
---@param place flarelight.CachePlace
---@return flarelight.SharedReplies?
function shared.open(api, place)
  local config = calls.config(api)
  if config.before then return nil end
  return setmetatable({ place = place, max_bytes = config.cache.max_bytes, added = 0 }, Shared)
end

--- The mark of now; nil if it cannot be read.
---@return string?
function Shared:mark(api) return self.place:mark(api) end

local function headers_text(headers)
  local lines = {}
  for name, value in pairs(headers or {}) do lines[#lines + 1] = ("%s:%s"):format(name, tostring(value)) end
  table.sort(lines)
  return table.concat(lines, "\n")
end

--- The digest of a read with this key of cache/init.lua; nil if there is none.
---@return string?
function Shared:digest(api, read)
  if not self.salt then
    local rows = self.place:run(api, { { "SELECT value FROM salt", n = 0 } })
    if not rows or not rows[1] then return nil end
    self.salt = rows[1].value
  end
  local config, key = calls.config(api), calls.key(api)
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

--- The reply of a read; nil if there is none.
---@return flarelight.SharedReply?
function Shared:get(api, digest)
  local rows = self.place:run(api, { {
    "SELECT mark, " .. self.place.now .. " - began AS age, request_id, head, text FROM replies WHERE place = ?", digest,
    n = 1,
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

--- Keeps a reply whose request began `age` seconds ago under `mark`, unless one is kept whose request began later. The
-- oldest replies go until it fits.
function Shared:put(api, digest, mark, age, request_id, head, text)
  local bytes = #head + #text
  if bytes > self.max_bytes then return end
  local statements = {
    { "INSERT INTO replies (place, mark, began, bytes, request_id, head, text) VALUES (?, ?, " .. self.place.now
      .. " - ?, ?, ?, ?, ?) ON CONFLICT (place) DO UPDATE SET mark = excluded.mark, began = excluded.began, "
      .. "bytes = excluded.bytes, request_id = excluded.request_id, head = excluded.head, text = excluded.text "
      .. "WHERE replies.began <= excluded.began",
      digest, text_of(mark), age, bytes, request_id, head, text, n = 7 },
  }
  self.added = self.added + bytes
  if self.added >= self.max_bytes / PUTS_OF_A_BOUND then -- the sum reads all entries, so it is not made each time
    self.added = 0
    statements[2] = {
      "DELETE FROM replies WHERE place IN (SELECT place FROM (SELECT place, "
        .. "SUM(bytes) OVER (ORDER BY began DESC, place) AS total FROM replies) AS sums WHERE total > ?)",
      self.max_bytes, n = 1,
    }
  end
  self.place:run(api, statements)
end

--- A 304 has confirmed the reply of this request: if it is the kept one, it counts from `age` seconds ago, under
-- `mark`.
function Shared:confirm(api, digest, mark, age, request_id)
  self.place:run(api, {
    { "UPDATE replies SET mark = ?, began = " .. self.place.now .. " - ? WHERE place = ? AND request_id = ?",
      text_of(mark), age, digest, request_id, n = 4 },
  })
end

-- The digests whose locks code of this Lua state has, with the time from which that no longer counts: code that ended
-- early may not have released its lock.
local held = {}

--- Waits until this process may send the request of a read, or until another process has got a reply that
-- `is_there(reply)` accepts; the argument is nil while there is none. Returns that reply, or nil and the lock to hold
-- while the request is under way. Without both, the request is to be sent without the lock: the other process may be
-- stopped, so half of the time is left for it; and code that blocks would never let other code of its own end.
---@param due number by core.now
function Shared:await(api, digest, due, is_there)
  local now, wait = core.now(), FIRST_LOOK
  local patience = math.min(now + (due - now) / 2, now + PATIENCE)
  while true do
    local lock, message = self.place:lock(api, digest)
    if message then return nil end
    local reply = self:get(api, digest)
    if is_there(reply) then
      if lock then self.place:unlock(api, lock) end
      return reply
    end
    if lock then
      held[digest] = core.now() + PATIENCE
      return nil, lock
    end
    if held[digest] and core.now() < held[digest] and calls.blocks(api) then return nil end
    local task = tasks.current()
    if core.now() + wait > patience or task and task.cancelled then return nil end
    if not calls.sleep(wait, api) then return nil end
    wait = math.min(wait * 2, LONGEST_LOOK)
  end
end

--- Releases a lock of Shared:await.
function Shared:unlock(api, digest, lock)
  held[digest] = nil
  self.place:unlock(api, lock)
end

return shared
