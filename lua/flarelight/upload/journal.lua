--- The journal of uploads in the state file: what was planned, sent, acknowledged and done, durable
-- before the next step is taken. docs/uploads.md describes the tables. Relies on the binding's store,
-- whose scripts run in one transaction each, and on the client to wait for them.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local json = require "flarelight.json"

---@class flarelight.Journal
local Journal = {}
Journal.__index = Journal

local journal = {}

-- Days after which an upload that is done and has no key is forgotten.
local KEPT = 90

--- The journal of a client, or nil where it has no state file.
function journal.of(api)
  local store = calls.store(api)
  if not store then return nil end
  local config = calls.config(api)
  return setmetatable({ api = api, store = store, service = config.base_url .. " " .. config.subscription_id }, Journal)
end

local function sql(text, ...) return { text, n = select("#", ...), ... } end

-- As sql, but one row has to change: the journal is as this process believes.
local function one(text, ...)
  local statement = sql(text, ...)
  statement.changes = 1
  return statement
end

-- Runs statements in one transaction: rows of the last one, or nil, message, err.
local function run(self, ...)
  local ticket = self.store:run({ ... }, calls.blocks(self.api))
  local rows, message, kind, closed = calls.done(calls.job(self.api, ticket))
  if rows then return rows end
  if kind == "guard" then
    return errors.fail("conflict", "imports:upload: the journal was changed by somebody else", { guard = true })
  end
  return errors.fail(kind or closed, "state: " .. tostring(message))
end

--- A lock for one holder at a time over all processes; nil: somebody has it; nil and an error.
function Journal:lock(name)
  local lock, message = self.store:lock(name)
  if lock then return lock end
  if message then return errors.fail("io", "state: " .. message) end
  return nil
end

local function of_row(row)
  if not row then return nil end
  row.options = json.decode(row.options)
  row.id = row.import and json.decode(row.import) or nil
  row.columns = row.columns
  row.result = row.result and json.decode(row.result) or nil
  row.checked = row.checked == 1
  return row
end

local columns = "token, key, service, state, kind, path, size, modified, inode, columns, options, import, name, "
  .. "rows_start, batch_records, comparison, checked, started, ended, failure, result"

--- The upload of a token, or false where there is none; nil, message, err.
function Journal:get(token)
  local rows, message, err = run(self, sql("SELECT " .. columns .. " FROM uploads WHERE token = ? AND service = ?",
    token, self.service))
  if not rows then return nil, message, err end
  return of_row(rows[1]) or false
end

--- The upload of a key, or false.
function Journal:find(key)
  local rows, message, err = run(self, sql("SELECT " .. columns .. " FROM uploads WHERE key = ? AND service = ?",
    key, self.service))
  if not rows then return nil, message, err end
  return of_row(rows[1]) or false
end

--- The uploads that did not end, oldest first.
function Journal:pending()
  local rows, message, err = run(self, sql("SELECT token, key, import, name, path, started, failure, "
    .. "(SELECT ifnull(sum(count), 0) FROM batches WHERE batches.token = uploads.token AND state = 'acknowledged')"
    .. " AS records, "
    .. "(SELECT count(*) FROM batches WHERE batches.token = uploads.token AND state = 'sent') AS in_doubt "
    .. "FROM uploads WHERE service = ? AND state <> 'done' ORDER BY started, token", self.service))
  if not rows then return nil, message, err end
  for _, row in ipairs(rows) do
    row.id = row.import and json.decode(row.import) or nil
    row.file, row.import, row.path = row.path, nil, nil
    row.in_doubt = row.in_doubt > 0
  end
  return rows
end

--- The batches of an upload, in order.
function Journal:batches(token)
  local rows, message, err = run(self, sql("SELECT number, first, count, line, rows_before, sha256, last, state, "
    .. "import, reject FROM batches WHERE token = ? ORDER BY number", token))
  if not rows then return nil, message, err end
  for _, row in ipairs(rows) do row.id = row.import and json.decode(row.import) or nil end
  return rows
end

--- Plans an upload. False: its key is taken.
function Journal:plan(upload)
  local rows, message, err = run(self,
    sql("DELETE FROM uploads WHERE state = 'done' AND key IS NULL AND ended < ?", upload.started - KEPT * 86400),
    one("INSERT INTO uploads (token, key, service, state, kind, path, size, modified, inode, columns, options, "
      .. "import, name, batch_records, started) VALUES (?, ?, ?, 'planned', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      .. "ON CONFLICT DO NOTHING",
      upload.token, upload.key, self.service, upload.kind, upload.path, upload.size, upload.modified, upload.inode,
      upload.columns, json.encode(upload.options), upload.id and json.encode(upload.id) or nil, upload.name,
      upload.batch_records, upload.started))
  if rows then return true end
  if err.guard then return false end
  return nil, message, err
end

--- Takes an upload back of which nothing was sent yet. Whether there was one.
function Journal:forget(token)
  local rows, message, err = run(self, one("DELETE FROM uploads WHERE token = ? AND state = 'planned'", token))
  if rows then return true end
  if err.guard then return false end
  return nil, message, err
end

--- How many rows were in the import before.
function Journal:started(token, rows_start)
  return run(self, one("UPDATE uploads SET rows_start = ? WHERE token = ?", rows_start, token))
end

--- A batch is about to be sent. Durable on return: the first byte may go.
function Journal:sent(token, batch)
  return run(self,
    one("INSERT INTO batches (token, number, first, count, line, rows_before, sha256, last, state) "
      .. "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'sent')", token, batch.number, batch.record, batch.count, batch.line,
      batch.rows_before, batch.sha256, batch.last),
    one("UPDATE uploads SET state = 'running', failure = NULL WHERE token = ?", token))
end

--- A batch is applied. `id`: of the import where this batch has made it known.
function Journal:acknowledged(token, number, id, of_batch)
  local import = id ~= nil and json.encode(id) or nil
  return run(self,
    one("UPDATE batches SET state = 'acknowledged', import = ? WHERE token = ? AND number = ? AND state = 'sent'",
      of_batch and import or nil, token, number),
    one("UPDATE uploads SET import = ifnull(import, ?) WHERE token = ?", import, token))
end

--- The import that a batch in doubt has made is known.
function Journal:adopted(token, number, id, of_batch)
  return run(self,
    one("UPDATE batches SET import = ? WHERE token = ? AND number = ?", of_batch and json.encode(id) or nil, token,
      number),
    one("UPDATE uploads SET import = ifnull(import, ?) WHERE token = ?", json.encode(id), token))
end

--- A batch was provably not taken.
function Journal:withdrawn(token, number, batch_records)
  return run(self,
    one("DELETE FROM batches WHERE token = ? AND number = ? AND state = 'sent'", token, number),
    one("UPDATE uploads SET batch_records = min(batch_records, ?) WHERE token = ?", batch_records, token))
end

--- Of a batch only a first part is in: it becomes that part, acknowledged.
function Journal:divided(token, number, count, sha256, id)
  return run(self,
    one("UPDATE batches SET count = ?, sha256 = ?, last = 0, state = 'acknowledged' "
      .. "WHERE token = ? AND number = ? AND state = 'sent'", count, sha256, token, number),
    one("UPDATE uploads SET import = ifnull(import, ?) WHERE token = ?", id ~= nil and json.encode(id) or nil, token))
end

--- A record was refused for good. `line`: what the rejects file says of it.
function Journal:rejected(token, number, line)
  return run(self, one("UPDATE batches SET state = 'rejected', last = 0, reject = ? "
    .. "WHERE token = ? AND number = ? AND state = 'sent'", line, token, number))
end

--- How rows of the import are compared; that an update appends was seen.
function Journal:learned(token, comparison, checked)
  return run(self, one("UPDATE uploads SET comparison = ?, checked = ? WHERE token = ?", comparison, checked, token))
end

--- The upload has stopped; it can be resumed.
function Journal:stopped(token, message)
  return run(self, sql("UPDATE uploads SET failure = ? WHERE token = ? AND state <> 'done'", message, token))
end

--- The upload is done, with this result. What was kept only to go on is given up.
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
