--- Reads the rows of an import, for the checks of an upload. If a read fails, the functions return `nil, message, err`,
-- since only their callers know the consequence. Relies on rows.lua and endpoint.lua for the reads.

local calls = require "flarelight.calls"
local checkpoints = require "flarelight.upload.checkpoints"
local core = require "flarelight.core"
local endpoint = require "flarelight.endpoint"
local errors = require "flarelight.error"
local failure = require "flarelight.upload.failure"
local reconcile = require "flarelight.upload.reconcile"
local request = require "flarelight.request"
local pages = require "flarelight.pages"
local rows = require "flarelight.rows"

local readback = {}

local PAGE = 5000 -- rows of a page

--- The most reads of an upload that waits until repeated reads agree.
readback.LOOKS = 6

-- Past the end of an import some servers return an error instead of an empty page.
local function is_past_end(err, start) return start > 0 and (err.status == 400 or err.status == 404) end

-- Reads a row or two, which every server returns in one page.
local function read_page(run, id, start, count)
  local query = request.query { start = start, count = count }
  local data, message, err = endpoint.call({ client = run.api }, "imports.data",
    { id = id, query = query, bulk = true }, { deadline = run.deadline })
  if data == nil then
    if is_past_end(err, start) then return {} end
    return nil, message, err
  end
  local page = pages.rows_of(data)
  return page ~= core.null and page or {}
end

--- At most `count` rows from `start` on; fewer at the end.
---@param run flarelight.UploadRun
function readback.rows(run, id, start, count)
  if count <= 2 then return read_page(run, id, start, count) end
  local stream = rows.open(run.api, "imports:upload", id,
    { start = start, limit = count, page_size = math.min(count, PAGE), prefetch = 0, deadline = run.deadline })
  local found = {}
  while #found < count do
    local row, message, err = stream:next()
    if row == nil then
      stream:close()
      if err and not (#found == 0 and is_past_end(err, start)) then return nil, message, err end
      return found
    end
    found[#found + 1] = row
  end
  stream:close()
  return found
end

--- At most `count` rows from `rows_before` on, and whether the row before them exists. The read begins with that row,
-- since an existing start is no error on any server.
function readback.place(run, id, rows_before, count)
  local back = rows_before > 0 and 1 or 0
  local found, message, err = readback.rows(run, id, rows_before - back, count + back)
  if not found then return nil, message, err end
  if back == 0 then return found, true end
  local anchored = #found > 0
  table.remove(found, 1)
  return found, anchored
end

--- Raises the failure of a service whose rows do not depend on `start`. `words`: what cannot be done with such a
-- service.
function readback.fail_start(words, fate)
  failure.fail("protocol", "imports:upload: the service gives rows far beyond the end of the import: it ignores or "
    .. "changes `start`, so that " .. words, { fate = fate })
end

--- Checks that the rows of a page depend on `start`. Otherwise reading many rows would never end. Returns true, or
-- `nil, message, err`. Sends a request only once a run.
function readback.check_start(run, id)
  if run.start_checked then return true end
  local beyond, message, err = readback.rows(run, id, reconcile.far, 1)
  if not beyond then return nil, message, err end
  if #beyond == 0 then
    run:trust_start()
    return true
  end
  return errors.fail("protocol",
    "the service gives rows far beyond the end of the import: it ignores or changes `start`")
end

--- The number of rows in an import: searched by reading single rows. Raises failures.
function readback.count(run)
  local state, position, count = reconcile.probe()
  while position do
    local found, _, err = readback.rows(run, run.id, position, 1)
    if not found then
      failure.unchecked("nothing was sent, since the import could not be read to find its end", "not_sent", err)
    end
    checkpoints.reached "probe.read"
    state, position, count = reconcile.probe(state, #found > 0)
  end
  if not count then readback.fail_start("the end of the import cannot be found. Nothing was sent", "not_sent") end
  return count
end

--- Waits before the read of this number (from 1), longer each time, since written rows may become visible late.
function readback.settle(run, look)
  checkpoints.reached "doubt.settling"
  calls.sleep(reconcile.settle(run.settle, look), run.api)
end

return readback
