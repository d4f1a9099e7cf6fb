--- Calibration: finds out behaviour that the service's documentation leaves open, and makes a profile of the findings
-- (profile.lua). It writes to a scratch import and reads the import back. docs/calibration.md describes each step.
--
-- It writes four times: a few records that show how values are changed; a few more to the same import; a batch with a
-- bad record; and many small records, for the cap on a page. No other program may write to the import meanwhile. All
-- requests are documented ones.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local endpoint = require "flarelight.endpoint"
local errors = require "flarelight.error"
local json = require "flarelight.json"
local names = require "flarelight.names"
local profile = require "flarelight.profile"
local request = require "flarelight.request"

local calibration = {}

--- The records of the last batch. A cap on pages that is larger is not found. The service recommends pages of up to
-- 5000.
calibration.ROWS = 6000

local MARK = "flarelight_calibration" -- the member by which the rows of calibrations are recognised
local MOST_ROWS = 100 -- the most rows in the import at the beginning, so that one page holds them all
local FEW_ROWS = 20 -- more than all records before the last batch
local FIRST_PAUSE, GREATEST_PAUSE = 0.05, 5 -- seconds between two reads
local LOOKS = 24 -- the most reads after one write
local WRITES = 4

--- The number of requests of a calibration: writes, the fewest reads, the most reads.
function calibration.requests()
  local least = 12
  -- `least` has one read for each write. If the service refuses counts over its cap, the cap is searched for by
  -- halving.
  local halvings = math.ceil(math.log(calibration.ROWS + MOST_ROWS) / math.log(2))
  return WRITES, least, least + (LOOKS - 1) * WRITES + halvings
end

-- --- the records that are sent ---

-- Values that a service may change, each in a column of its own.
local function probe_records(token)
  local records = {
    { whole = 42, fraction = 1.5, flag = true, text = "Zürich" },
    { whole = -7, fraction = 0.25, flag = false, text = "00501" },
    { whole = 0, fraction = 1e-7, flag = true, text = "a\nb" },
  }
  for n, record in ipairs(records) do
    record[MARK], record.n, record.nothing, record.empty = token, n, json.null, ""
  end
  return records
end

local function small_records(token, first, count)
  local records = {}
  for i = 1, count do records[i] = { [MARK] = token, n = first + i - 1 } end
  return records
end

-- --- reading back ---

local Stop = {} -- class of the value that is raised to stop the calibration: the message and error of a call

local function stop(message, err) error(setmetatable({ message = message, err = err }, Stop), 0) end

local function stop_with(kind, message)
  local _, whole, err = errors.fail(kind, "calibration: " .. message)
  stop(whole, err)
end

local function note(run, name, value, evidence)
  run.found[name], run.evidence[name] = value, evidence
end

-- Records the findings from the meta of a successful reply.
local function watch(run, meta)
  run.replies = run.replies + 1
  local rate = meta.rate_limit
  run.reset = rate and rate.format or "absent"
  run.limit = rate and rate.limit or run.limit
  run.etag = run.etag or meta.etag == true and meta.fate == nil
  run.gzip = run.gzip or meta.encoding == "gzip"
  if meta.date and not run.skew then run.skew = meta.date - os.time() end
  local first = meta.messages[1]
  if first ~= nil then
    local text = type(first) == "table" and (first.message or first.text) or first
    run.notices[tostring(text)] = (run.notices[tostring(text)] or 0) + 1
    run.message = run.message or first
  end
end

-- Reads one page. Its data is unchanged.
local function page(run, start, count)
  return endpoint.call(run.api.imports, "imports.data",
    { id = run.id, query = request.query { start = start, count = count } }, {})
end

-- The rows in a page's data, and the way in which the service wraps them; nil if the data holds no rows.
local function rows_of(data)
  if type(data) ~= "table" then return nil end
  if type(data.records) == "table" then return data.records, "records" end
  if getmetatable(data) == core.array_metatable then return data, "bare" end
end

local function read(run, start, count)
  local data, meta, err = page(run, start, count)
  if data == nil then stop(meta, err) end
  watch(run, meta)
  local rows, wrapping = rows_of(data)
  if not rows then stop_with("protocol", "a page of rows is neither an array nor an object with records") end
  run.wrapping = wrapping
  return rows
end

-- Reads the first page. Returns its rows, the rows of this calibration by their number, and their numbers in order.
local function look(run, batch)
  local rows = read(run, 0, run.page)
  local ours, order = {}, {}
  for _, row in ipairs(rows) do
    if type(row) == "table" and row[MARK] == run.token then
      local n = tonumber(row.n)
      ours[n], order[#order + 1] = row, n
    end
  end
  return { rows = rows, total = #rows, ours = ours, order = order, seen = batch and ours[batch] ~= nil }
end

-- Reads until `seen(found)` is true, for at most `patience` seconds. The first wait measures the delay until rows are
-- visible (`run.lag`).
local function await(run, seen)
  local written, last, pause = core.now(), nil, FIRST_PAUSE
  if run.lag and run.lag > 0 then calls.sleep(run.lag) end
  for _ = 1, LOOKS do
    local at = core.now()
    local found = look(run)
    if seen(found) then
      if not run.lag then
        run.lag = last and (last + at) / 2 - written or 0
        run.late = last ~= nil
      end
      return found
    end
    last = at
    if at - written > run.patience then break end
    calls.sleep(pause)
    pause = math.min(pause * 1.5, GREATEST_PAUSE)
  end
  return nil
end

local function write(run, members)
  members.send_events = false
  local data, meta, err = run.api.imports:import(members)
  if data ~= nil then watch(run, meta) end
  return data, meta, err
end

-- --- the steps ---

local function kind_of_id(id)
  if type(id) == "number" or getmetatable(id) == core.integer_metatable then return "number" end
  return core.is_uuid(tostring(id)) and "uuid" or "string"
end

local function same_id(left, right) return tostring(left) == tostring(right) end

local function list(run)
  local imports, meta, err = run.api.imports:all()
  if imports == nil then stop(meta, err) end
  watch(run, meta)
  return imports
end

local function find(imports, id)
  for _, each in ipairs(imports) do
    if type(each) == "table" and each.id ~= nil and same_id(each.id, id) then return each end
  end
end

-- Checks the scratch import before anything is written.
local function begin(run)
  local imports = list(run)
  if run.id == nil then return end
  local listed = find(imports, run.id)
  if not listed then stop_with("not_found", ("there is no import %s"):format(tostring(run.id))) end
  run.id = listed.id
  local found = look(run)
  if found.total > MOST_ROWS then
    stop_with("config", ("import %s has more than %d rows: name a scratch import"):format(tostring(run.id), MOST_ROWS))
  end
  run.before = found.total
end

local function compare_values(run, found)
  local sent, added, changed, textual, dropped = probe_records(run.token), {}, nil, false, false
  for n, record in ipairs(sent) do
    local row = found.ours[n]
    for name, value in pairs(record) do
      local got = row and row[name]
      if value == json.null then
        if got == nil then dropped = true elseif got ~= json.null then changed = name end
      elseif type(value) == "number" and type(got) == "string" and tonumber(got) == value then textual = true
      elseif got ~= value then changed = name end
    end
    for name in pairs(row or {}) do
      if record[name] == nil then added[name] = true end
    end
  end
  local what = changed and "other" or textual and "text" or dropped and "normalized" or "verbatim"
  local why = {
    other = ("the member %s came back as something else"):format(tostring(changed)),
    text = "numbers came back as strings of their digits",
    normalized = "null members did not come back",
    verbatim = "every value came back as it was sent",
  }
  note(run, "values", what, why[what])
  local members = names.sorted(added)
  if #members > 0 then
    note(run, "added_member", members[1], "rows came back with " .. table.concat(members, ", ")
      .. " besides what was sent")
  end
end

local function first_batch(run)
  local records = probe_records(run.token)
  local data, meta, err = write(run, {
    records = records, id = run.id, name = run.id == nil and run.name or nil, description = run.token,
  })
  if data == nil then stop(meta, err) end
  if run.id ~= nil and not same_id(data.id, run.id) then
    stop_with("conflict", ("the member %q does not name the import to update: import %s was created instead")
      :format(run.update_key, tostring(data.id)))
  end
  run.id = data.id
  run.made = run.made or data.id
  note(run, "ids", kind_of_id(data.id), ("the id of the import came as a %s"):format(type(data.id)))
  local found = await(run, function(each) return each.ours[1] and each.ours[#records] end)
  if not found then
    stop_with("timeout", ("%d records were accepted, but not visible within %g s"):format(#records, run.patience))
  end
  note(run, "rows", run.wrapping,
    run.wrapping == "bare" and "data is the array of rows" or "data is an object with records")
  note(run, "visible_after", math.floor(run.lag * 10 + 0.5) / 10,
    run.late and ("records were visible after about %.1f s"):format(run.lag) or "records were visible at once")
  compare_values(run, found)
  run.first = found
  local listed = find(list(run), run.id)
  if listed then
    local shown = listed.description == run.token
    note(run, "list_descriptions", shown, shown and "the list shows the description that was sent"
      or "the list does not show the description that was sent")
  end
end

local function second_batch(run)
  local records = small_records(run.token, 11, 3)
  local data, meta, err = write(run, { records = records, id = run.id, description = run.token })
  if data == nil then stop(meta, err) end
  if not same_id(data.id, run.id) then
    stop_with("conflict", ("the member %q does not name the import to update: import %s was created instead import %s; "
      .. "update_key names the member"):format(run.update_key, tostring(data.id), tostring(run.id)))
  end
  note(run, "update_key", run.update_key, ("a write with the member %q went to that import"):format(run.update_key))
  local found = await(run, function(each) return each.ours[11] and each.ours[13] end)
  if not found then
    note(run, "update", "other", "the records of an update did not become visible")
    return
  end
  local expected = run.first.total + #records
  if found.ours[1] and found.ours[3] and found.total == expected then
    note(run, "update", "append", ("%d rows and then %d more are %d"):format(run.first.total, #records, found.total))
  elseif not found.ours[1] and found.total == #records then
    note(run, "update", "replace", ("%d rows and then %d more are %d"):format(run.first.total, #records, found.total))
  else
    note(run, "update", "other", ("%d rows and then %d more are %d"):format(run.first.total, #records, found.total))
  end
end

local function is_sorted(order, sign)
  for i = 2, #order do
    if (order[i] - order[i - 1]) * sign < 0 then return false end
  end
  return true
end

-- Reads the same page four times, to notice an order that changes between reads.
local function order_of_rows(run)
  local ways = {}
  for _ = 1, 4 do
    local order = look(run).order
    ways[is_sorted(order, 1) and "kept" or is_sorted(order, -1) and "reversed" or "other"] = true
  end
  local what = ways.other and "other" or ways.kept and ways.reversed and "alternating"
    or ways.kept and "kept" or "reversed"
  local why = {
    kept = "rows came in the order in which they were written, four times",
    reversed = "rows came in the opposite order, four times",
    alternating = "rows came in one order and in the opposite one in turns",
    other = "rows came in no order that could be told",
  }
  note(run, "row_order", what, why[what])
end

local function bad_batch(run)
  local before = look(run).total
  local records = json.array { { [MARK] = run.token, n = 21 }, 1, { [MARK] = run.token, n = 23 } }
  local data, meta, err = write(run, { data = { records = records }, id = run.id, description = run.token })
  if data ~= nil then
    note(run, "bad_record", "taken", "a record that is a number was accepted")
    await(run, function(each) return each.ours[23] end)
    return
  end
  if err.fate ~= "rejected" then stop(meta, err) end
  note(run, "bad_record", "refused", ("a record that is a number: status %d"):format(err.status))
  run.message = err.messages[1] or run.message
  -- Somewhat longer than the delay until rows are visible.
  calls.sleep(run.lag > 0 and run.lag * 1.5 + 0.2 or 0)
  local found = look(run)
  local good = (found.ours[21] and 1 or 0) + (found.ours[23] and 1 or 0)
  if good == 0 and found.total == before then
    note(run, "rejected_batch", "dropped", "nothing of a batch with a bad record was stored")
  elseif good == 2 then
    note(run, "rejected_batch", "keeps_good", "the good records of a batch with a bad one were stored")
  else
    note(run, "rejected_batch", "other", ("%d of 2 good records of a batch with a bad one were stored"):format(good))
  end
end

-- Searches for the largest count of a page, between an accepted and a refused count.
local function search_cap(run, granted, refused)
  while refused - granted > 1 do
    local middle = math.floor((granted + refused) / 2)
    local data, meta, err = page(run, 0, middle)
    if data ~= nil then
      watch(run, meta)
      granted = middle
    elseif err.kind == "invalid_request" then
      refused = middle
    else
      stop(meta, err)
    end
  end
  return granted
end

local function cap_of_pages(run)
  local total = run.total
  local data, meta, err = page(run, 0, total)
  if data == nil and err.kind == "invalid_request" then
    local cap = search_cap(run, run.page, total)
    note(run, "count_cap", cap, ("pages of more than %d rows are refused"):format(cap))
    note(run, "over_cap", "400", "a larger count is a 400")
    return
  end
  if data == nil then stop(meta, err) end
  watch(run, meta)
  local came = #(rows_of(data) or {})
  if came < total then
    note(run, "count_cap", came, ("%d rows were requested, and %d arrived"):format(total, came))
    note(run, "over_cap", "cut", "a larger count gives fewer rows")
  else
    note(run, "count_cap", 0, ("%d rows came in one page; more was not tried"):format(came))
  end
end

local function many_records(run)
  local before = run.found.update == "replace" and 0 or look(run).total
  local records = small_records(run.token, 101, calibration.ROWS)
  local data, meta, err = write(run, { records = records, id = run.id, description = run.token })
  if data == nil then stop(meta, err) end
  run.total = before + #records
  run.written = run.total
  -- The read at the last position shows whether all records are visible, in any order.
  calls.sleep(run.lag > 0 and run.lag * 1.5 + 0.2 or 0)
  for _ = 1, LOOKS do
    local rows = read(run, run.total - 1, 1)
    if #rows == 1 then break end
    calls.sleep(math.max(0.2, run.lag))
  end
end

local function past_end(run)
  local data, meta, err = page(run, run.total, 10)
  if data == nil and err.kind ~= "protocol" then
    if not err.status then stop(meta, err) end
    local what = (err.status == 400 or err.status == 404) and tostring(err.status) or "other"
    return note(run, "past_end", what, ("a start at the end is a %d"):format(err.status))
  end
  if data ~= nil then watch(run, meta) end
  if data == json.null then return note(run, "past_end", "null", "a start at the end gives null") end
  local rows = rows_of(data)
  local empty = rows and #rows == 0
  note(run, "past_end", empty and "empty" or "other",
    empty and "a start at the end gives no rows" or "a start at the end gives something else")
end

-- The findings from all replies together.
local function headers(run)
  local limited = run.limit ~= nil
  note(run, "rate_limit_headers", limited, limited and "replies tell the rate limit" or "no reply told a rate limit")
  if limited then note(run, "rate_limit", run.limit, ("X-RateLimit-Limit is %d"):format(run.limit)) end
  note(run, "reset_format", run.reset, run.reset == "absent" and "no reply had X-RateLimit-Reset"
    or "the form of X-RateLimit-Reset")
  note(run, "gzip", run.gzip or false, run.gzip and "a reply came compressed" or "no reply came compressed")
  note(run, "etag", run.etag or false, run.etag and "replies to reads have tags" or "no reply had a tag")
  if run.skew then
    local skew = math.abs(run.skew) <= 2 and 0 or run.skew
    note(run, "clock_skew", skew, skew == 0 and "its clock and this one's agree" or "seconds that its clock is ahead")
  end
  if run.message ~= nil then
    local kind = type(run.message) == "table" and "object" or type(run.message) == "string" and "string" or "other"
    note(run, "messages", kind, ("messages are %ss"):format(kind == "other" and type(run.message) or kind))
  end
  for text, count in pairs(run.notices) do
    if count == run.replies then note(run, "notice", text, "every good reply carries it") end
  end
end

local STEPS = {
  begin, first_batch, second_batch, order_of_rows, bad_batch, many_records, cap_of_pages, past_end, headers,
}

--- Calibrates. `given`: `id`, the scratch import (none makes one, under `name`); `patience`, seconds to wait
-- for records to show (60); `on_step(number, of)`, called before each step. Returns the profile and the state of the
-- scratch import ({ id =, rows =, made = }), or `nil, message, err, left`.
---@param api flarelight.Client
---@param given { id: flarelight.Id?, name: string?, patience: number?, on_step: fun(step: integer, of: integer)? }
---@return flarelight.Profile?, table|string left_or_message, flarelight.Error? err, table? left
function calibration.run(api, given)
  local config = calls.config(api)
  local run = {
    api = api, id = given.id, name = given.name or "flarelight calibration", patience = given.patience or 60,
    update_key = config.update_key, page = given.id == nil and FEW_ROWS or MOST_ROWS + FEW_ROWS, before = 0,
    -- Unique to this calibration. Taken from the clock, since the random generator may not be seeded.
    token = ("calibration %s %06.0f"):format(os.date "!%Y-%m-%dT%H:%M:%SZ", core.now() * 1e6 % 1e6),
    found = {}, evidence = {}, notices = {}, replies = 0,
  }
  local done, raised = pcall(function()
    for number, step in ipairs(STEPS) do
      if given.on_step then given.on_step(number, #STEPS) end
      step(run)
    end
  end)
  local left = { id = run.id, rows = run.written, made = given.id == nil and run.made ~= nil }
  if not done then
    if getmetatable(raised) ~= Stop then error(raised, 0) end
    return nil, raised.message, raised.err, left
  end
  return {
    version = profile.VERSION, service = config.base_url, calibrated = os.date "!%Y-%m-%dT%H:%M:%SZ",
    found = run.found, evidence = run.evidence,
  }, left
end

return calibration
