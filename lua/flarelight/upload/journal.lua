--- The journal of uploads in the state file: the uploads that were planned and done, the batches that were sent and
-- acknowledged. Each entry is durable when its function returns. docs/uploads.md describes the tables. The functions
-- raise failures (failure.lua): kind conflict if another process has changed the entry, else kind io or config. Relies
-- on the binding's store, which runs a script in one transaction, and on calls.lua to wait for it.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local failure = require "flarelight.upload.failure"
local json = require "flarelight.json"

---@class flarelight.Journal
local Journal = {}
Journal.__index = Journal

local journal = {}

-- Days after which an upload that is done and has no key is deleted.
local KEPT = 90

--- The journal of a client, or nil if it has no state file.
function journal.of(api)
  local store = calls.store(api)
  if not store then return nil end
  local config = calls.config(api)
  return setmetatable({ api = api, store = store, service = config.base_url .. " " .. config.subscription_id }, Journal)
end

local function sql(text, ...) return { text, n = select("#", ...), ... } end

-- As sql, but the statement must change one row. If it does not, the journal is not in the state that this process
-- expects.
local function one(text, ...)
  local statement = sql(text, ...)
  statement.changes = 1
  return statement
end

-- Runs statements in one transaction. Returns the rows of the last one; false if a statement did not change its row.
local function try(self, ...)
  local rows, message, kind, closed = calls.done(calls.job(self.api, self.store:run({ ... }, calls.blocks(self.api))))
  if rows then return rows end
  if kind == "guard" then return false end
  failure.fail(kind or closed, "state: " .. tostring(message))
end

local function run(self, ...)
  local rows = try(self, ...)
  if rows then return rows end
  failure.fail("conflict", "imports:upload: another process has changed the journal")
end

--- A lock that excludes other processes; nil if another process has it.
function Journal:lock(name)
  local lock, message = self.store:lock(name)
  if message then failure.fail("io", "state: " .. message) end
  return lock
end

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
    .. "(SELECT ifnull(sum(count), 0) FROM batches WHERE batches.token = uploads.token AND state = 'acknowledged')"
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
  return run(self, sql("SELECT 1 FROM uploads WHERE (path = ? OR substr(path, ?) = ?) AND state <> 'done' LIMIT 1",
    path, -#name - 1, "/" .. name))[1] ~= nil
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
  return try(self,
    sql(DELETE_OLD, upload.started - KEPT * 86400),
    one("INSERT INTO uploads (token, key, service, state, kind, path, size, modified, inode, columns, options, "
      .. "import, name, batch_records, started, series, shape, series_number) "
      .. "VALUES (?1, ?2, ?3, 'planned', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, "
      .. "(SELECT ifnull(max(series_number), 0) + 1 FROM uploads WHERE service = ?3 AND series = ?15)) "
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

--- Deletes an upload if nothing of it was sent or applied. Returns whether it was deleted.
function Journal:forget_unsent(token)
  return try(self, one("DELETE FROM uploads WHERE token = ? AND state <> 'done' "
    .. "AND NOT EXISTS (SELECT 1 FROM batches WHERE batches.token = uploads.token)", token)) ~= false
end

--- Deletes an unfinished upload and its batches. Returns whether there was one.
function Journal:forget(token)
  return try(self, one("DELETE FROM uploads WHERE token = ? AND state <> 'done'", token)) ~= false
end

--- Records the number of rows in the import before the first batch.
function Journal:started(token, rows_start)
  return run(self, one("UPDATE uploads SET rows_start = ? WHERE token = ?", rows_start, token))
end

--- Records that a batch is about to be sent. The entry is durable on return, so the first byte may be sent.
function Journal:sent(token, batch)
  return run(self,
    one("INSERT INTO batches (token, number, first, count, line, rows_before, sha256, last, state) "
      .. "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'sent')", token, batch.number, batch.record, batch.count, batch.line,
      batch.rows_before, batch.sha256, batch.last),
    one("UPDATE uploads SET state = 'running', failure = NULL WHERE token = ?", token))
end

--- Records that a batch is applied. `id`: of the import, if this batch has shown it; `of_batch`: it is the batch's own
-- import.
function Journal:acknowledged(token, number, id, of_batch)
  local import = id ~= nil and json.encode(id) or nil
  return run(self,
    one("UPDATE batches SET state = 'acknowledged', import = ? WHERE token = ? AND number = ? AND state = 'sent'",
      of_batch and import or nil, token, number),
    one("UPDATE uploads SET import = ifnull(import, ?) WHERE token = ?", import, token))
end

--- Records the import that a batch in doubt has created.
function Journal:adopted(token, number, id, of_batch)
  return run(self,
    one("UPDATE batches SET import = ? WHERE token = ? AND number = ?", of_batch and json.encode(id) or nil, token,
      number),
    one("UPDATE uploads SET import = ifnull(import, ?) WHERE token = ?", json.encode(id), token))
end

--- Records that a batch was provably not applied, by deleting it.
function Journal:withdrawn(token, number, batch_records)
  return run(self,
    one("DELETE FROM batches WHERE token = ? AND number = ? AND state = 'sent'", token, number),
    one("UPDATE uploads SET batch_records = min(batch_records, ?) WHERE token = ?", batch_records, token))
end

--- Records that only the first `count` records of a batch are applied. The batch is reduced to these records, and
-- acknowledged.
function Journal:divided(token, number, count, sha256, id)
  return run(self,
    one("UPDATE batches SET count = ?, sha256 = ?, last = 0, state = 'acknowledged' "
      .. "WHERE token = ? AND number = ? AND state = 'sent'", count, sha256, token, number),
    one("UPDATE uploads SET import = ifnull(import, ?) WHERE token = ?", id ~= nil and json.encode(id) or nil, token))
end

--- Records that a record was finally refused. `line`: its line in the rejects file.
function Journal:rejected(token, number, line)
  return run(self, one("UPDATE batches SET state = 'rejected', last = 0, reject = ? "
    .. "WHERE token = ? AND number = ? AND state = 'sent'", line, token, number))
end

--- Records how rows of the import are compared, and whether an update was seen to append.
function Journal:learned(token, comparison, checked)
  return run(self, one("UPDATE uploads SET comparison = ?, checked = ? WHERE token = ?", comparison, checked, token))
end

--- Records that the upload has stopped. It can be resumed.
function Journal:stopped(token, message)
  return run(self, sql("UPDATE uploads SET failure = ? WHERE token = ? AND state <> 'done'", message, token))
end

--- Records the result of an upload that is done. Deletes the batches of an upload without a key, which are no longer
-- needed.
function Journal:done(token, result, ended)
  return run(self,
    one("UPDATE uploads SET state = 'done', result = ?, ended = ?, failure = NULL WHERE token = ?",
      json.encode(result), ended, token),
    sql("DELETE FROM batches WHERE token = ? AND (SELECT key FROM uploads WHERE token = ?) IS NULL", token, token))
end

--- A token for an upload: 96 random bits.
function journal.token()
  local file, text = io.open("/dev/urandom", "rb"), nil
  if file then
    text = file:read(12)
    file:close()
  end
  if text and #text == 12 then
    return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
  end
  local parts = {}
  for i = 1, 3 do
    local mixed = os.time() * 1000003 + core.now() * 1e6 * i + math.random() * 2 ^ 32
    parts[i] = ("%08x"):format(math.floor(mixed % 2 ^ 32))
  end
  return table.concat(parts)
end

return journal
