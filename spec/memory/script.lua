--- Runs in spec/memory/host.c, once for each allocation that fails: makes a client, calls, reads rows, exports, writes,
-- uploads, closes. Then it checks with a healthy client what has arrived. It raises on the first thing that is wrong,
-- and returns false if no allocation has failed.

local flarelight = require "flarelight"
-- LuaJIT crashes where memory runs out while compiled code runs: spec/memory/luajit.lua shows it without flarelight.
if rawget(_G, "jit") then require("jit").off() end
-- On Lua 5.1 a module whose loading has failed cannot be loaded again.
if _VERSION == "Lua 5.1" then require "flarelight.client" end
local url, key, subscription, import, folder, mode = arg[1], arg[2], arg[3], tonumber(arg[4]), arg[5], arg[6]
local n = memory.n
local name = mode .. n

local options = { base_url = url, api_key = key, subscription_id = subscription, state = folder .. "/" .. name .. ".db" }
local records = { { n = 0 }, { n = 1 }, { n = 2 } }
local path = folder .. "/records.csv"
local FILE_ROWS = 9
local steps = { "new", "call", "rows", "write", "upload", "export", "close" }
-- Nothing is allocated for the notes while memory is short.
local results = {}
for _, step in ipairs(steps) do results[step] = { ok = false, value = false, message = false, err = false } end
local api = false
local settle, batch = 0.01, 4
local upload = { file = path, name = name .. "u", key = name, batch_records = batch, settle = settle }
local write = { records = records, name = name .. "w", description = "a write" }
local to = { to = folder .. "/" .. name .. ".csv", page_size = 5 }
local row_options = { page_size = 5 }
local seen = 0

local run = {
  new = function() return flarelight.new(options) end,
  call = function() return api.imports:all() end,
  rows = function()
    seen = 0
    for row, message, err in api.imports:rows(import, row_options) do
      if row == nil then return nil, message, err end
      assert(row.n == seen, "rows: another row")
      seen = seen + 1
    end
    return seen
  end,
  write = function() return api.imports:import(write) end,
  upload = function() return api.imports:upload(upload) end,
  export = function() return api.imports:export(import, to) end,
  close = function() api:close() return true end,
}
local function keep(result, ok, value, message, err)
  result.ok, result.value, result.message, result.err = ok, value, message, err
end

memory.arm()
for i = 1, #steps do
  local step = steps[i]
  local result = results[step]
  if step == "new" or api then keep(result, pcall(run[step])) else result.message = "skipped" end
  if step == "new" and result.ok and result.value then api = result.value end
end
local counted, failed = memory.disarm()

local function check(good, words, ...)
  if not good then error(words:format(...), 0) end
end

-- A call without memory raises, or fails with an error.
for i = 1, #steps do
  local step = steps[i]
  local result = results[step]
  if result.message ~= "skipped" then
    if not result.ok then
      check(type(result.value) == "table" and result.value.kind or tostring(result.value):find "not enough memory$",
        "%s raised %s", step, tostring(result.value))
    elseif result.value == nil then
      check(type(result.err) == "table" and result.err.kind, "%s failed without an error: %s, %s", step,
        tostring(result.message), tostring(result.err))
    end
    check(failed > 0 or result.ok and result.value, "%s failed though memory was there: %s", step,
      tostring(result.ok and result.message or result.value))
  end
end
if results.rows.ok and results.rows.value then check(results.rows.value == 12, "rows: %d rows", results.rows.value) end
if results.export.ok and results.export.value then
  local file, lines = assert(io.open(to.to)), 0
  for _ in file:lines() do lines = lines + 1 end
  file:close()
  check(lines == 13, "export: %d lines", lines)
end
os.remove(to.to)
os.remove(to.to .. ".part")

if api and not (results.close.ok and results.close.value) then api:close() end
local healthy = assert(flarelight.new(options))
local function imports_of(wanted)
  local ids = {}
  for _, each in ipairs(assert(healthy.imports:all())) do
    if each.name == wanted then ids[#ids + 1] = each.id end
  end
  return ids
end
local function count(id) return #assert(healthy.imports:data(id, {})) end

-- The fate of the write is the truth.
local made, result = imports_of(write.name), results.write
check(#made <= 1, "write: %d imports", #made)
if result.message == "skipped" or not result.ok then
  check(#made == 0, "write: raised %s, and it was applied", tostring(result.value))
elseif result.value == nil then
  local fate = result.err.fate
  check(fate, "write: failed without a fate: %s", tostring(result.message))
  check(#made == 1 and (fate == "applied" or fate == "in_doubt") or #made == 0 and fate ~= "applied",
    "write: the fate is %s, and %d imports were made", fate, #made)
else
  check(#made == 1, "write: succeeded without an import")
end

-- So is that of the upload, and the same call completes it.
result, made = results.upload, imports_of(upload.name)
check(#made <= 1, "upload: %d imports", #made)
local arrived = made[1] and count(made[1]) or 0
if result.message == "skipped" or not result.ok then
  check(#made == 0, "upload: raised %s, and rows have arrived: %d", tostring(result.value), arrived)
elseif result.value == nil then
  local fate, progress = result.err.fate, result.err.progress
  check(fate, "upload: failed without a fate: %s", tostring(result.message))
  if progress then
    local least = progress.records
    check(fate == "in_doubt" or fate == "applied" or arrived == least,
      "upload: %d rows are acknowledged, %d have arrived, and the fate is %s", least, arrived, fate)
    check(arrived >= least, "upload: %d rows are acknowledged, %d have arrived", least, arrived)
  end
else
  check(arrived == FILE_ROWS, "upload: succeeded with %d rows", arrived)
end
local again, message = healthy.imports:upload(upload)
check(again, "upload: again: %s", tostring(message))
made = imports_of(upload.name)
check(#made == 1 and again.id == made[1], "upload: after the second call there are %d imports", #made)
local place = 0
for _, row in ipairs(assert(healthy.imports:data(made[1], {}))) do
  check(row.n == place, "upload: row %d is %s", place, tostring(row.n))
  place = place + 1
end
check(place == FILE_ROWS, "upload: %d rows", place)
healthy:close()
os.remove(options.state)
os.remove(options.state .. "-lock")
io.write(("n %d counted %d failed %d\n"):format(n, counted, failed))
return failed > 0
