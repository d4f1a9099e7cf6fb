--- The journal of uploads in the state file: the uploads that were planned and done, the batches that were sent and
-- acknowledged, and an event of the history for each of these steps, in the same transaction. Each entry is durable
-- when its function returns. docs/uploads.md describes the tables. The functions raise failures (failure.lua): kind
-- conflict if another process has changed the entry, else kind io or config. Relies on state.lua for transactions.

local core = require "flarelight.core"
local effort = require "flarelight.history.effort"
local failure = require "flarelight.upload.failure"
local json = require "flarelight.json"
local random = require "flarelight.random"
local state = require "flarelight.state"

---@class flarelight.Journal : flarelight.State
local Journal = setmetatable({}, { __index = state.class })
Journal.__index = Journal

local journal = {}

local sql, one = state.sql, state.one

--- The journal of a client, or nil if it has no state file.
---@return flarelight.Journal?
function journal.of(api) return state.of(api, Journal) end

-- Runs statements in one transaction. Returns the rows of the last one.
local function run(self, ...)
  local rows = self:try(...)
  if rows then return rows end
  failure.fail("conflict", "imports:upload: another process has changed the journal")
end

--- The name of an upload in the history.
function journal.subject(token) return "upload " .. token end

-- The statement that adds an event to the history of an upload. It stands before the statement whose rows count.
local function event(self, token, name, detail) return self:event(journal.subject(token), name, detail) end

local function decoded(text) return text and json.decode(text) or nil end

local function of_row(row)
  if not row then return nil end
  row.options, row.id, row.result = json.decode(row.options), decoded(row.import), decoded(row.result)
  row.checked = row.checked == 1
  return row
end

local columns = "token, key, service, state, kind, path, size, modified, inode, columns, options, import, name, "
  .. "rows_start, batch_records, comparison, checked, started, ended, failure, result"

--- The entry of an upload by its token, or nil.
function Journal:get(token)
  return of_row(run(self, sql("SELECT " .. columns .. " FROM uploads WHERE token = ? AND service = ?",
    token, self.service))[1])
end

--- The entry of an upload by its key, or nil.
function Journal:find(key)
  return of_row(run(self, sql("SELECT " .. columns .. " FROM uploads WHERE key = ? AND service = ?",
    key, self.service))[1])
end

-- The paths of a list of files; nil if there is no list.
local function paths_of(parts)
  if not parts then return nil end
  local paths = {}
  for i, part in ipairs(parts) do paths[i] = part.path end
  return paths
end

--- The unfinished uploads, oldest first.
function Journal:pending()
  local rows = run(self, sql("SELECT token, key, import, name, path, options, started, failure, "
    .. "(SELECT coalesce(sum(count), 0) FROM batches WHERE batches.token = uploads.token AND state = 'acknowledged')"
    .. " AS records, "
    .. "(SELECT count(*) FROM batches WHERE batches.token = uploads.token AND state = 'sent') AS in_doubt "
    .. "FROM uploads WHERE service = ? AND state <> 'done' ORDER BY started, token", self.service))
  for _, row in ipairs(rows) do
    local options = decoded(row.options)
    row.id, row.file, row.files = decoded(row.import), options.spool or row.path, paths_of(options.parts)
    row.import, row.path, row.options = nil, nil, nil
    row.in_doubt = row.in_doubt > 0
  end
  return rows
end

--- Whether an unfinished upload, of any service, reads a file of this name. The folder does not count: the state file
-- may have been moved with it, or be reached by a symbolic link.
function Journal:needs(path)
  local name = path:match "[^/]*$"
  return run(self, sql("SELECT 1 FROM uploads WHERE (path = ?1 "
    .. "OR substr(path, length(path) - length(?2) + 1) = ?2) AND state <> 'done' LIMIT 1", path, "/" .. name))[1] ~= nil
end

--- The batches of an upload, in order.
function Journal:batches(token)
  local rows = run(self, sql("SELECT number, first, count, line, rows_before, sha256, last, state, "
    .. "import, reject FROM batches WHERE token = ? ORDER BY number", token))
  for _, row in ipairs(rows) do row.id = decoded(row.import) end
  return rows
end

-- Deletes old uploads that are done, but not the last of a series, with which the next one is compared.
local DELETE_OLD = "DELETE FROM uploads WHERE state = 'done' AND key IS NULL AND ended < ? "
  .. "AND (series IS NULL OR EXISTS (SELECT 1 FROM uploads AS later WHERE later.service = uploads.service "
  .. "AND later.series = uploads.series AND later.state = 'done' AND later.series_number > uploads.series_number))"

--- Plans an upload. Returns whether its key was free.
function Journal:plan(upload)
  return self:try(
    sql(DELETE_OLD, upload.started - self:kept()),
    self:old_events(),
    event(self, upload.token, "began", {
      key = upload.key, source = upload.path or upload.kind, name = upload.name, process = core.process(),
      import = upload.id and json.encode(upload.id) or nil, series = upload.series,
    }),
    one("INSERT INTO uploads (token, key, service, state, kind, path, size, modified, inode, columns, options, "
      .. "import, name, batch_records, started, series, shape, series_number) "
      .. "VALUES (?1, ?2, ?3, 'planned', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, "
      .. "(SELECT coalesce(max(series_number), 0) + 1 FROM uploads WHERE service = ?3 AND series = ?15)) "
      .. "ON CONFLICT DO NOTHING",
      upload.token, upload.key, self.service, upload.kind, upload.path, upload.size, upload.modified, upload.inode,
      upload.columns, json.encode(upload.options), upload.id and json.encode(upload.id) or nil, upload.name,
      upload.batch_records, upload.started, upload.series, upload.shape and json.encode(upload.shape) or nil)) ~= false
end

--- The finished upload of a series that was begun last: `{ shape =, ended = }`; nil if there is none.
function Journal:last_of_series(name)
  local row = run(self, sql("SELECT shape, ended FROM uploads WHERE service = ? AND series = ? AND state = 'done' "
    .. "ORDER BY series_number DESC LIMIT 1", self.service, name))[1]
  return row and { shape = json.decode(row.shape), ended = row.ended } or nil
end

--- Deletes an upload that failed with `message`, if nothing of it was sent or applied. Returns whether it was deleted.
function Journal:forget_unsent(token, message)
  return self:try(
    event(self, token, "dropped", { message = message }),
    one("DELETE FROM uploads WHERE token = ? AND state <> 'done' "
      .. "AND NOT EXISTS (SELECT 1 FROM batches WHERE batches.token = uploads.token)", token)) ~= false
end

--- Deletes an unfinished upload and its batches. Returns whether there was one.
function Journal:forget(token)
  return self:try(
    event(self, token, "forgotten", { process = core.process() }),
    one("DELETE FROM uploads WHERE token = ? AND state <> 'done'", token)) ~= false
end

--- Records the number of rows in the import before the first batch.
function Journal:started(token, rows_start)
  return run(self, one("UPDATE uploads SET rows_start = ? WHERE token = ?", rows_start, token))
end

--- Adds to the history that this process goes on with an upload, and whether the run before ended without a word.
function Journal:resumed(token)
  local last = self:events(journal.subject(token), 1)[1]
  self:tell(journal.subject(token), "resumed", {
    process = core.process(), broken_off = last ~= nil and last.event ~= "stopped",
  })
end

--- Records that a batch is about to be sent. The entry is durable on return, so the first byte may be sent.
function Journal:sent(token, batch)
  return run(self,
    event(self, token, "sent", {
      batch = batch.number, record = batch.record, records = batch.count, line = batch.line, last = batch.last,
    }),
    one("INSERT INTO batches (token, number, first, count, line, rows_before, sha256, last, state) "
      .. "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'sent')", token, batch.number, batch.record, batch.count, batch.line,
      batch.rows_before, batch.sha256, batch.last),
    one("UPDATE uploads SET state = 'running', failure = NULL WHERE token = ?", token))
end

--- Records that a batch is applied. `id`: of the import, if this batch has shown it; `of_batch`: it is the batch's own
-- import; `proof`: how that is known, for the history.
function Journal:acknowledged(token, number, id, of_batch, proof)
  local import = id ~= nil and json.encode(id) or nil
  local detail = { batch = number, import = import }
  for name, value in pairs(proof or {}) do detail[name] = value end
  return run(self,
    event(self, token, "applied", detail),
    one("UPDATE batches SET state = 'acknowledged', import = ? WHERE token = ? AND number = ? AND state = 'sent'",
      of_batch and import or nil, token, number),
    one("UPDATE uploads SET import = coalesce(import, ?) WHERE token = ?", import, token))
end

--- Records the import that a batch in doubt has created.
function Journal:adopted(token, number, id, of_batch)
  return run(self,
    event(self, token, "found", { batch = number, import = json.encode(id) }),
    one("UPDATE batches SET import = ? WHERE token = ? AND number = ?", of_batch and json.encode(id) or nil, token,
      number),
    one("UPDATE uploads SET import = coalesce(import, ?) WHERE token = ?", json.encode(id), token))
end

--- Records that a batch was provably not applied, by deleting it. `err`: of its sending, for the history.
function Journal:withdrawn(token, number, batch_records, err)
  local detail = effort.of(err or {})
  detail.batch, detail.message = number, err and err.message
  return run(self,
    event(self, token, "withdrawn", detail),
    one("DELETE FROM batches WHERE token = ? AND number = ? AND state = 'sent'", token, number),
    one("UPDATE uploads SET batch_records = CASE WHEN batch_records > ?1 THEN ?1 ELSE batch_records END "
      .. "WHERE token = ?2", batch_records, token))
end

--- Records that only the first `count` records of a batch are applied. The batch is reduced to these records, and
-- acknowledged.
function Journal:divided(token, number, count, sha256, id)
  return run(self,
    event(self, token, "divided", { batch = number, records = count }),
    one("UPDATE batches SET count = ?, sha256 = ?, last = 0, state = 'acknowledged' "
      .. "WHERE token = ? AND number = ? AND state = 'sent'", count, sha256, token, number),
    one("UPDATE uploads SET import = coalesce(import, ?) WHERE token = ?", id ~= nil and json.encode(id) or nil, token))
end

--- Records that a record was finally refused. `line`: its line in the rejects file.
function Journal:rejected(token, number, line)
  return run(self, event(self, token, "rejected", { batch = number, reject = line }),
    one("UPDATE batches SET state = 'rejected', last = 0, reject = ? "
    .. "WHERE token = ? AND number = ? AND state = 'sent'", line, token, number))
end

--- Records how rows of the import are compared, and whether an update was seen to append.
function Journal:learned(token, comparison, checked)
  return run(self, one("UPDATE uploads SET comparison = ?, checked = ? WHERE token = ?", comparison, checked, token))
end

--- Records that the upload has stopped. It can be resumed. `fate`: of its current batch, for the history.
function Journal:stopped(token, message, fate)
  return run(self, event(self, token, "stopped", { message = message, fate = fate }),
    sql("UPDATE uploads SET failure = ? WHERE token = ? AND state <> 'done'", message, token))
end

--- Records the result of an upload that is done. Deletes the batches of an upload without a key, which are no longer
-- needed.
function Journal:done(token, result, ended)
  return run(self,
    event(self, token, "done", { records = result.records, batches = result.batches, rejected = result.rejected }),
    one("UPDATE uploads SET state = 'done', result = ?, ended = ?, failure = NULL WHERE token = ?",
      json.encode(result), ended, token),
    sql("DELETE FROM batches WHERE token = ? AND (SELECT key FROM uploads WHERE token = ?) IS NULL", token, token))
end

--- A token for an upload: 96 random bits.
function journal.token() return random.digits(12) end

return journal
