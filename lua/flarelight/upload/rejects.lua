--- The rejects file of an upload: a line of JSON for each record that the service refused.
--
--   {"record": 12, "line": 13, "messages": [...], "data": {...}}
--
-- `record` counts from 1, `line` is that of the uploaded file (null for records of Lua), `messages` is what
-- the service said, `data` the record as it was sent. The journal keeps the lines until the upload is done: a
-- resumed upload writes the file anew from them, so that none is lost or there twice.

local errors = require "flarelight.error"
local json = require "flarelight.json"

local rejects = {}

local function fail(path, message)
  return errors.fail("io", ("imports:upload: rejects: %s"):format(message or path))
end

--- The line of a record. `text`: its JSON.
function rejects.line(record, line, messages, text)
  return ('{"record":%d,"line":%s,"messages":%s,"data":%s}\n'):format(record, line and ("%d"):format(line) or "null",
    json.encode(json.array(messages)), text)
end

--- Begins the file with the lines that are known already.
function rejects.begin(path, lines)
  local file, message = io.open(path, "wb")
  if not file then return fail(path, message) end
  local good
  good, message = file:write(table.concat(lines))
  if good then good, message = file:close() else file:close() end
  if not good then return fail(path, message) end
  return true
end

--- Appends a line.
function rejects.append(path, line)
  local file, message = io.open(path, "ab")
  if not file then return fail(path, message) end
  local good
  good, message = file:write(line)
  if good then good, message = file:close() else file:close() end
  if not good then return fail(path, message) end
  return true
end

return rejects
