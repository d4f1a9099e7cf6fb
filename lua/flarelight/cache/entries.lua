--- The entries of a cache: replies by key, bounded by their bytes. The entry that was used longest ago goes first.
-- Pure: the time is an argument.

local Entries = {}
Entries.__index = Entries

local entries = {}

-- Bytes of an entry beside its reply and its key: the Lua table and the userdata.
local OVERHEAD = 300

---@class flarelight.CacheEntry
---@field key string
---@field reply userdata whose outcome can be taken many times
---@field stored number when the request of the reply began, by core.now
---@field mark string|boolean the mark of writes of that moment (cache/shared.lua)
---@field size integer bytes of the reply
---@field bytes integer of the entry

---@class flarelight.CacheEntries
---@field bytes integer of all entries
---@field count integer

--- An empty set of entries, which never holds more than `max_bytes`.
---@return flarelight.CacheEntries
function entries.new(max_bytes)
  -- The list of entries is a ring through itself: `newer` is the one that was used longest ago.
  local self = { max_bytes = max_bytes, by_key = {}, bytes = 0, count = 0 }
  self.newer, self.older = self, self
  return setmetatable(self, Entries)
end

local function unlink(entry)
  entry.older.newer, entry.newer.older = entry.newer, entry.older
end

local function link(self, entry)
  entry.older, entry.newer = self.older, self
  entry.older.newer, self.older = entry, entry
end

--- Removes an entry.
function Entries:remove(entry)
  if self.by_key[entry.key] ~= entry then return end
  self.by_key[entry.key] = nil
  unlink(entry)
  self.bytes, self.count = self.bytes - entry.bytes, self.count - 1
end

--- The entry of a key, which counts as used now; nil if there is none.
---@return flarelight.CacheEntry?
function Entries:get(key)
  local entry = self.by_key[key]
  if entry and self.older ~= entry then
    unlink(entry)
    link(self, entry)
  end
  return entry
end

--- Stores a reply of `size` bytes in place of the entry of this key. Drops the entries that were used longest ago until
-- it fits. A reply that does not fit alone is not stored, and the entry of the key goes all the same.
function Entries:put(key, reply, size, now, mark)
  local old, bytes = self.by_key[key], size + #key + OVERHEAD
  if old then self:remove(old) end
  if bytes > self.max_bytes then return end
  while self.bytes + bytes > self.max_bytes do self:remove(self.newer) end
  local entry = { key = key, reply = reply, stored = now, mark = mark, size = size, bytes = bytes }
  self.by_key[key] = entry
  link(self, entry)
  self.bytes, self.count = self.bytes + bytes, self.count + 1
end

--- Removes all entries.
function Entries:clear()
  self.by_key, self.bytes, self.count = {}, 0, 0
  self.newer, self.older = self, self
end

return entries
