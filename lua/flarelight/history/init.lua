--- What the state file knows: `api:runs`, the uploads and blocks of once with their states, and `api:explain`, what
-- happened to one of them, step by step. narrative.lua has the sentences. Reads only, and disturbs no process that is
-- at work. Relies on state.lua.

local failure = require "flarelight.upload.failure"
local json = require "flarelight.json"
local narrative = require "flarelight.history.narrative"
local options = require "flarelight.options"
local recovery = require "flarelight.wait.recovery"
local state = require "flarelight.state"

---@class flarelight.RunEntry
---@field kind "upload"|"once"
---@field key string?
---@field token string? of an upload
---@field state "running"|"in_doubt"|"stopped"|"done" running: a process is at work on it
---@field started number epoch seconds
---@field ended number? when it was done
---@field failure string? the error at which it last stopped
---@field name string? of the import
---@field id any of the import

---@class flarelight.Step
---@field at number epoch seconds
---@field event string
---@field text string a sentence
---@field detail table batch, write, fate, message, …

---@class flarelight.Doubt
---@field operation string as "preparations.execute"
---@field target string its path at the service, as "/Preparation/1/Execute"
---@field sent number epoch seconds
---@field request_id string
---@field before string? of a start with a wait: what the list showed before it, as "updatedAt 2026-11-26T02:00:00Z"

---@class flarelight.Explanation : flarelight.RunEntry
---@field state string as in RunEntry; "gone": only the history knows it
---@field steps flarelight.Step[] oldest first
---@field doubts flarelight.Doubt[]? of a block in doubt: the writes to look at

local history = {}

local known = { pending = "boolean", limit = "positive" }
local LIMIT = 50

local function need(api, name)
  return state.of(api) or failure.fail("config", name .. ": needs a state file: flarelight.new { state = path }")
end

local sql = state.sql

local UPLOADS = "SELECT 'upload' AS kind, token, key, state, started, ended, failure, name, import, "
  .. "(SELECT count(*) FROM batches WHERE batches.token = uploads.token AND batches.state = 'sent') AS doubtful "
  .. "FROM uploads WHERE service = ?1 AND "
local BLOCKS = "SELECT 'once' AS kind, NULL AS token, key, state, started, ended, failure, NULL AS name, "
  .. "NULL AS import, "
  .. "(SELECT count(*) FROM writes WHERE writes.service = blocks.service AND writes.key = blocks.key "
  .. "AND writes.state <> 'applied' AND repeatable = 0) AS doubtful FROM blocks WHERE service = ?1 AND "

-- A row as an entry.
local function entry_of(own, row)
  local what = row.kind == "upload" and "upload " .. row.token or "once " .. row.key
  local found = row.state
  if found ~= "done" then
    found = own:is_locked(own.service .. " " .. what) and "running" or row.doubtful > 0 and "in_doubt" or "stopped"
  end
  return {
    kind = row.kind, key = row.key, token = row.token, state = found, started = row.started, ended = row.ended,
    failure = row.failure, name = row.name, id = row.import and json.decode(row.import) or nil,
  }
end

local function read_runs(own, given)
  local pending = given.pending and "state <> 'done'" or "1 = 1"
  local rows = own:try(sql(UPLOADS .. pending .. " UNION ALL " .. BLOCKS .. pending
    .. " ORDER BY started DESC, token, key LIMIT ?2", own.service, given.limit or LIMIT))
  local list = {}
  for place, row in ipairs(rows) do list[place] = entry_of(own, row) end
  return list
end

--- The uploads and blocks of this service in the state file, the newest first.
---@param api flarelight.Client
---@param given { pending: boolean?, limit: integer? }? `pending`: only those that are not done; `limit`: 50
---@return flarelight.RunEntry[]? runs, string? message, flarelight.Error? err
function history.runs(api, given)
  given = options.table("api:runs", given, known)
  local list, message, err = failure.caught(function() return read_runs(need(api, "api:runs"), given) end)
  return list, message, err
end

-- --- explaining ---

-- The entries that a name means: an upload by its token or key, and a block by its key.
local function entries_of(own, name)
  local rows, list = own:try(sql(UPLOADS .. "(token = ?2 OR key = ?2) UNION ALL " .. BLOCKS .. "key = ?2", own.service,
    name)), {}
  for place, row in ipairs(rows) do list[place] = entry_of(own, row) end
  return list
end

local function steps_of(own, kind, name)
  local steps = {}
  for place, event in ipairs(own:events(kind .. " " .. name)) do
    steps[place] = {
      at = event.at, event = event.event, detail = event.detail,
      text = narrative.sentence(kind, event.event, event.detail), of = kind,
    }
  end
  return steps
end

-- The writes of a block whose fate is not known.
local function doubts_of(own, key)
  local rows = own:try(sql("SELECT operation, target, sent, request_id, note FROM writes WHERE service = ? AND key = ? "
    .. "AND state <> 'applied' AND repeatable = 0 ORDER BY number", own.service, key))
  for _, row in ipairs(rows) do
    local note = row.note and json.decode(row.note)
    row.note, row.before = nil, type(note) == "table" and recovery.before(note) or nil
  end
  return rows
end

local function explain(own, name)
  local entries, steps = entries_of(own, name), {}
  local subjects = {}
  for _, entry in ipairs(entries) do subjects[#subjects + 1] = { entry.kind, entry.token or entry.key } end
  -- Of what was forgotten or dropped the history alone knows.
  if #entries == 0 then subjects = { { "upload", name }, { "once", name } } end
  for _, subject in ipairs(subjects) do
    for _, step in ipairs(steps_of(own, subject[1], subject[2])) do steps[#steps + 1] = step end
  end
  if #entries == 0 and #steps == 0 then
    failure.fail("not_found", ("api:explain: the state file has no upload and no key %q of this service"):format(name))
  end
  local found = entries[1] or { kind = steps[1].of, state = "gone", started = steps[1].at }
  if not entries[1] and found.kind == "upload" then found.token = name elseif not entries[1] then found.key = name end
  found.steps = steps
  if found.kind == "once" and found.state == "in_doubt" then found.doubts = doubts_of(own, found.key) end
  for _, step in ipairs(steps) do step.of = nil end
  return found
end

--- What happened to an upload or a block: its entry as in `runs`, and `steps`, oldest first. If an upload and a block
-- have the same key, the entry is that of the upload, and the steps of the block follow.
---@param api flarelight.Client
---@param name string token or key
---@return flarelight.Explanation? explanation, string? message, flarelight.Error? err
function history.explain(api, name)
  options.check("api:explain: token or key", name, "string")
  local found, message, err = failure.caught(function() return explain(need(api, "api:explain"), name) end)
  return found, message, err
end

return history
