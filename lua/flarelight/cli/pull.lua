--- flarelight sandbox pull: reads the lists, the first rows of each import and the charts of a service into the
-- database of a sandbox, so that a script can be tried on one's own data without the account's quota. Only reads the
-- service.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local display = require "flarelight.chart.display"
local ending = require "flarelight.cli.ending"
local flarelight = require "flarelight"
local output = require "flarelight.cli.output"
local progress = require "flarelight.cli.progress"
local status = require "flarelight.cli.status"
local wording = require "flarelight.cli.wording"

local pull = {}

local PAGE = 5000
local ROWS = 1000

local function is_text(value) return type(value) == "string" end

-- An id as the service shows it, as text; nil if the entry has none.
local function id_of(entry)
  local id = type(entry) == "table" and entry.id
  if id == nil or id == false or id == core.null then return nil end
  return is_text(id) and id or tostring(id)
end

-- The three lists, as arrays of entries with ids.
local function read_lists(api)
  local lists = {}
  for _, name in ipairs { "imports", "preparations", "reports" } do
    local all, kept = ending.expect(api[name]:all()), {}
    for _, entry in ipairs(type(all) == "table" and all or {}) do
      if id_of(entry) then kept[#kept + 1] = entry end
    end
    lists[name] = kept
  end
  return lists
end

-- The most requests that reading the rest takes: pages of rows, of which the last may have to prove the end, and a
-- chart for each report.
local function count_requests(lists, rows)
  local count = #lists.reports
  for _, import in ipairs(lists.imports) do
    local known = type(import.records) == "number" and import.records or math.huge
    count = count + math.ceil(math.min(known, rows) / math.min(PAGE, rows)) + (known < rows and 1 or 0)
  end
  return count
end

-- --- one import ---

-- Reads the first rows of an import into a file of JSON lines, digit for digit.
local function read_rows(api, id, rows, path)
  local result, message, err = api.imports:export(id, {
    to = path, format = "jsonl", limit = rows, page_size = math.min(PAGE, rows),
  })
  if not result then return nil, message, err end
  return result
end

-- Makes the same import in the sandbox. Returns its id there.
local function write_import(own, entry, path)
  local name = is_text(entry.name) and entry.name or nil
  local description = is_text(entry.description) and entry.description or nil
  local file = io.open(path, "rb")
  local size = file and file:seek "end" or 0
  if file then file:close() end
  local made = size == 0
    and ending.expect(own.imports:import { records = {}, name = name, description = description, send_events = false })
    or ending.expect(own.imports:upload { file = path, format = "jsonl", name = name, description = description,
                                          send_events = false })
  return made.id
end

-- Errors after which the next import can still be read.
local SINGLE = {
  not_found = true, forbidden = true, invalid_request = true, protocol = true, io = true, conflict = true,
}

local function pull_import(work, entry)
  local id, path = id_of(entry), work.path .. ".rows"
  local result, message, err = read_rows(work.api, entry.id, work.rows, path)
  if result then
    work.box:adopt(write_import(work.own, entry, path), {
      id = id, createdAt = entry.createdAt, updatedAt = entry.updatedAt,
    })
    work.pulled = work.pulled + result.rows
  end
  os.remove(path)
  os.remove(path .. ".part")
  if result then return end
  if not SINGLE[err.kind] then ending.expect(nil, message, err) end
  work.failed[#work.failed + 1] = ("import %s: %s"):format(id, message)
end

-- --- reports ---

-- Stores the chart of a report. A report that was never generated has none.
local function pull_report(work, entry)
  local data, message, err = work.api.reports:chart_data { reportId = entry.id }
  if data == nil then
    if not SINGLE[err.kind] then ending.expect(nil, message, err) end
    work.without[#work.without + 1] = id_of(entry)
    return
  end
  local rows = type(entry.rows) == "number" and entry.rows
    or type(data) == "table" and type(data.labels) == "table" and #data.labels or 0
  work.box:store_result(id_of(entry), rows, flarelight.json.encode(data))
end

-- The definitions of the sandbox: preparations and reports that run nothing and give their results again.
local function definitions_of(lists)
  local found = { preparations = flarelight.json.array {}, reports = flarelight.json.array {} }
  for _, kind in ipairs { "preparations", "reports" } do
    for _, entry in ipairs(lists[kind]) do
      local target = kind == "preparations" and is_text(entry.target) and entry.target or nil
      table.insert(found[kind], {
        id = type(entry.id) == "number" and entry.id or id_of(entry), name = is_text(entry.name) and entry.name or nil,
        played = true, target = target,
      })
    end
  end
  return found
end

-- --- the whole ---

local function write_definitions(path, lists)
  local file, message = io.open(path, "wb")
  local written = file and file:write(output.encode(definitions_of(lists)))
  if not (file and file:close() and written) then
    ending.fail(status.FAILED, message or path .. ": cannot be written")
  end
end

local function check_target(path)
  context.check_folder(path)
  for _, each in ipairs { path, path .. ".json" } do
    local file = io.open(each, "rb")
    if file then
      file:close()
      ending.fail(status.USAGE, each .. ": is there already; remove it, or give another -o FILE")
    end
  end
end

local function announce(args, out, lists, requests)
  out:note(("%s, %s, %s: at most %s more, after 3 for the lists."):format(output.counted(#lists.imports, "import"),
    output.counted(#lists.preparations, "preparation"), output.counted(#lists.reports, "report"),
    output.counted(requests, "request")))
  if not args.yes and core.terminal(0) and not context.agreed "Read them?" then
    ending.fail(status.USAGE, "nothing was read but the lists")
  end
end

-- Reads everything into the database at `work.path`.
local function fill(work, lists, out)
  local bar, done, all = progress.new(out, "pull"), 0, #lists.imports + #lists.reports
  local function step(read, entry)
    read(work, entry)
    done = done + 1
    bar:update(done / all, { output.counted(work.pulled, "row") })
  end
  local ran, raised = pcall(function()
    for _, entry in ipairs(lists.imports) do step(pull_import, entry) end
    for _, entry in ipairs(lists.reports) do step(pull_report, entry) end
  end)
  bar:finish()
  if not ran then error(raised, 0) end
end

-- The sandbox shows ids that are digits as numbers, unless it is told otherwise.
local function settings_of(lists)
  for _, entry in ipairs(lists.imports) do
    if is_text(entry.id) and entry.id:find "^%d+$" then return " --set ids=string" end
  end
  return ""
end

local function tell(args, out, work, lists)
  local path = context.quoted(args.output)
  local line = ("flarelight sandbox --database %s --definitions %s.json%s -- sh"):format(path, path, settings_of(lists))
  if out.json then
    return output.write(output.encode { imports = #lists.imports - #work.failed, rows = work.pulled,
      preparations = #lists.preparations, reports = #lists.reports, database = args.output,
      failed = flarelight.json.array(work.failed), command = line })
  end
  for _, each in ipairs(work.failed) do output.complain("not pulled: " .. display.clean(wording.of(each))) end
  if #work.without > 0 then out:note("reports without a chart: " .. table.concat(work.without, ", ")) end
  out:note(("%s in %s. To use them:"):format(output.counted(work.pulled, "row"), args.output))
  output.write(line .. "\n")
end

local function run(args, out)
  check_target(args.output)
  local built, sandbox = ending.load "flarelight.sandbox"
  if not built then ending.fail(status.FAILED, (tostring(sandbox):gsub("^flarelight: ", ""))) end
  local api = context.client(args)
  local lists = read_lists(api)
  announce(args, out, lists, count_requests(lists, args.rows))
  local path = args.output .. ".part"
  os.remove(path)
  local box, message = sandbox.start { database = path, rate_limit = 0 }
  if not box then ending.fail(status.FAILED, message) end
  local own = assert(flarelight.new { base_url = box.url, api_key = box.api_key, subscription_id = box.subscription_id,
                                      proxy = "", host = progress.host })
  local work = { api = api, own = own, box = box, path = path, rows = args.rows, pulled = 0, failed = {}, without = {} }
  local ran, raised = pcall(fill, work, lists, out)
  own:close()
  box:stop()
  os.remove(path .. "-journal")
  if not ran then
    os.remove(path)
    os.remove(path .. ".rows")
    error(raised, 0)
  end
  write_definitions(args.output .. ".json", lists)
  local renamed, why = os.rename(path, args.output)
  if not renamed then ending.fail(status.FAILED, why) end
  tell(args, out, work, lists)
  return #work.failed > 0 and status.FAILED or status.DONE
end

--- Defines the command below `sandbox`.
function pull.define(parser, define)
  local command = define(parser, "pull", "Reads the lists, the first rows of each import and the charts of the service "
    .. "into a sandbox's database. Says before how many requests that takes.", run)
  command:option("-o --output"):argname "FILE":count(1):description "Database to write; FILE.json gets the definitions."
  command:option("--rows"):argname "N":convert(context.positive):default(tostring(ROWS))
    :description "Rows of each import, from the first."
  command:flag("-y --yes"):description "Reads without asking on a terminal."
  context.connecting(command)
end

return pull
