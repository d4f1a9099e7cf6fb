--- The blocks of `api:once` in the state file: that each has begun, the writes inside, its result, and the events of
-- the history.
--
-- A write is durable before its first byte is sent, and a result before it is returned. The beginning of a block and
-- the outcome of a write are not synced (state.lua: relaxed): if the machine crashes, a lost beginning has sent
-- nothing, and a write whose outcome is lost is in doubt. Raises failures (failure.lua). Relies on state.lua for
-- transactions.

local core = require "flarelight.core"
local failure = require "flarelight.upload.failure"
local json = require "flarelight.json"
local state = require "flarelight.state"

---@class flarelight.BlockJournal : flarelight.State
local Journal = setmetatable({}, { __index = state.class })
Journal.__index = Journal

local journal = {}

local sql, one = state.sql, state.one

--- The journal of a client, or nil if it has no state file.
---@return flarelight.BlockJournal?
function journal.of(api) return state.of(api, Journal) end

--- The name of a block in the history.
function journal.subject(key) return "once " .. key end

local function event(self, key, name, detail) return self:event(journal.subject(key), name, detail) end

local function changed(key)
  failure.fail("conflict", ("api:once: key %q: another process has changed its entry in the state file"):format(key))
end

local function need(rows, key) return rows or changed(key) end

local columns = "key, state, holder, began, started, ended, failure, result"

--- The entry of a block, or nil: { key =, state =, holder =, began =, started =, ended =, failure =, result = }.
function Journal:block(key)
  local row = self:try(sql("SELECT " .. columns .. " FROM blocks WHERE service = ? AND key = ?", self.service, key))[1]
  if row and row.result then row.result = json.decode(row.result) end
  return row
end

--- Whether an upload has this key.
function Journal:is_upload(key)
  return self:try(sql("SELECT 1 AS one FROM uploads WHERE service = ? AND key = ?", self.service, key))[1] ~= nil
end

--- The recorded writes of a block that is not done, in the order in which they were sent.
function Journal:writes(key)
  local rows = self:try(sql("SELECT number, operation, target, sha256, request_id, repeatable, state, sent, note, "
    .. "reply FROM writes WHERE service = ? AND key = ? ORDER BY number", self.service, key))
  for _, row in ipairs(rows) do
    row.repeatable = row.repeatable == 1
    row.note, row.reply = row.note and json.decode(row.note), row.reply and json.decode(row.reply)
  end
  return rows
end

--- Records that this process begins a block, or begins it again. Not synced: nothing has been sent. `broken_off`:
-- whether the run before ended without a word.
function Journal:begin(key, broken_off)
  local now, process = os.time(), core.process()
  self:try_relaxed(
    self:old_events(),
    event(self, key, broken_off == nil and "began" or "resumed", { process = process, broken_off = broken_off }),
    sql("INSERT INTO blocks (service, key, state, holder, began, started) VALUES (?1, ?2, 'running', ?3, ?4, ?4) "
      .. "ON CONFLICT (service, key) DO UPDATE SET state = 'running', holder = ?3, began = ?4, failure = NULL",
      self.service, key, process, now))
end

--- Records a write that is about to be sent. It is durable on return, so the first byte may be sent.
---@param write table see writes.lua
function Journal:sent(key, write)
  need(self:try(
    event(self, key, "sent", {
      write = write.number, operation = write.operation, target = write.target, request_id = write.request_id,
      sha256 = write.sha256,
    }),
    one("INSERT INTO writes (service, key, number, operation, target, sha256, request_id, repeatable, state, sent, "
      .. "note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'sent', ?, ?)", self.service, key, write.number, write.operation,
      write.target, write.sha256, write.request_id, write.repeatable, os.time(), write.note)), key)
end

--- Records the outcome of a write, not synced. `kept`: "applied" or "in_doubt", or nil: it had no effect.
---@param reply string? of an applied one: its data and meta as JSON
---@param detail table for the history: fate =, message =, status =, and the effort (history/effort.lua)
function Journal:ended(key, number, kept, reply, detail)
  detail.write = number
  local entry = kept
    and one("UPDATE writes SET state = ?, reply = ? WHERE service = ? AND key = ? AND number = ?", kept, reply,
      self.service, key, number)
    or one("DELETE FROM writes WHERE service = ? AND key = ? AND number = ?", self.service, key, number)
  need(self:try_relaxed(event(self, key, "ended", detail), entry), key)
end

--- Records that the function of a block failed, not synced.
---@param detail table message =, kind =, fate =
function Journal:stopped(key, detail)
  self:try_relaxed(event(self, key, "stopped", detail),
    sql("UPDATE blocks SET state = 'stopped', failure = ? WHERE service = ? AND key = ? AND state <> 'done'",
      detail.message, self.service, key))
end

--- Records the answer of the caller's function `look`. If it is false, the writes in doubt had no effect.
---@param answer boolean
---@param doubtful table[] the writes in doubt
function Journal:looked(key, answer, doubtful)
  local statements = { event(self, key, "looked", { answer = answer, writes = #doubtful }) }
  for _, write in ipairs(answer and {} or doubtful) do
    statements[#statements + 1] = one("DELETE FROM writes WHERE service = ? AND key = ? AND number = ?", self.service,
      key, write.number)
  end
  need(self:try((table.unpack or unpack)(statements)), key)
end

--- Adds to the history what the service shows of a start in doubt, and whether that proves that it was carried out.
function Journal:sighted(key, number, applied, words)
  self:tell(journal.subject(key), "sighted", { write = number, applied = applied, message = words })
end

local function done(self, key, result)
  return one("UPDATE blocks SET state = 'done', ended = ?, result = ?, failure = NULL WHERE service = ? AND key = ? "
    .. "AND state <> 'done'", os.time(), result, self.service, key)
end

local function delete_writes(self, key)
  return sql("DELETE FROM writes WHERE service = ? AND key = ?", self.service, key)
end

--- Records the result of a block. It is durable on return.
---@param result string JSON of { data =, meta = }
---@param proof table? of a wait, for the history: seen_in =, seconds =, looks =
function Journal:done(key, result, proof)
  need(self:try(event(self, key, "done", proof), delete_writes(self, key), done(self, key, result)), key)
end

--- Records somebody's decision: "done" with a result, or "again", after which nothing of the block counts any more.
---@param how "done"|"again"
---@param result string? JSON of { data =, meta = }
function Journal:settle(key, how, result)
  local entry = how == "done" and done(self, key, result)
    or one("UPDATE blocks SET state = 'stopped', ended = NULL, result = NULL, failure = NULL WHERE service = ? "
      .. "AND key = ?", self.service, key)
  need(self:try(event(self, key, "settled", { how = how, process = core.process() }), delete_writes(self, key), entry),
    key)
end

--- Deletes a block. Returns whether there was one.
function Journal:forget(key)
  return self:try(event(self, key, "forgotten", { process = core.process() }),
    one("DELETE FROM blocks WHERE service = ? AND key = ?", self.service, key)) ~= false
end

--- Adds to the history that a write was not sent again, because it was applied in an earlier run.
function Journal:replayed(key, number) self:tell(journal.subject(key), "replayed", { write = number }) end

return journal
