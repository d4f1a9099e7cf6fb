--- The rejects file of an upload: a line of JSON for each record that the service refused.
--
--   {"record": 12, "line": 13, "messages": [...], "data": {...}}
--
-- `record` counts from 1. `line` is that of the uploaded file (null for records of Lua). `messages` are the service's,
-- `data` is the record as it was sent. The journal keeps the lines until the upload is done. A resumed upload writes
-- the file again from them, so that no line is lost or repeated.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local failure = require "flarelight.upload.failure"
local json = require "flarelight.json"

local rejects = {}

local function put(path, mode, text)
  local file, message = io.open(path, mode)
  local good = file ~= nil
  if file then
    good, message = file:write(text)
    if good then good, message = file:close() else file:close() end
  end
  if not good then failure.fail("io", ("imports:upload: rejects: %s"):format(message or path)) end
end

--- The line of a record. `text`: its JSON.
function rejects.line(record, line, messages, text)
  return ('{"record":%d,"line":%s,"messages":%s,"data":%s}\n'):format(record, line and ("%d"):format(line) or "null",
    json.encode(json.array(messages)), text)
end

--- Begins the file with the lines of the journal.
function rejects.begin(path, lines) put(path, "wb", table.concat(lines)) end

--- Appends a line.
function rejects.append(path, line) put(path, "ab", line) end

--- Syncs the file to the disk.
function rejects.sync(api, path)
  local good, message, _, closed = calls.done(calls.job(api, core.durable(path, calls.blocks(api))))
  if not good then failure.fail(closed or "io", "imports:upload: rejects: " .. message) end
end

--- Fails if the rejects file, which is overwritten, is an uploaded file or the state file.
---@param parts { path: string }[]? the files that are uploaded
function rejects.check(api, path, parts)
  local state = calls.config(api).state_path
  local others = {}
  for i, part in ipairs(parts or {}) do others[i] = { part.path, "the file that is uploaded" } end
  for _, suffix in ipairs { "", "-wal", "-shm", "-journal", "-lock" } do
    others[#others + 1] = { state and state .. suffix, "the state file" }
  end
  for _, other in ipairs(others) do
    if other[1] and core.same_file(path, other[1]) then
      failure.fail("config", ("imports:upload: rejects: %s is %s"):format(path, other[2]))
    end
  end
end

return rejects
