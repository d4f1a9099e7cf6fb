--- flarelight plan: predicts what an upload of a file would send: requests, minutes of the rate limit, time, and the
-- first records as JSON. Sends nothing, and needs neither a key nor the network.

local compressed = require "flarelight.compressed"
local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local ending = require "flarelight.cli.ending"
local file_options = require "flarelight.cli.file_options"
local flarelight = require "flarelight"
local imports = require "flarelight.cli.imports"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local series = require "flarelight.upload.series"
local status = require "flarelight.cli.status"
local upload = require "flarelight.upload"
local wording = require "flarelight.cli.wording"

local plan = {}

local function fail(message, kind)
  message = wording.of_file(message)
  ending.fail(kind == "misuse" and status.USAGE or status.FAILED, message, kind ~= "misuse" and kind or nil)
end

local function open(args, path, survey)
  local asked = file_options.of(args)
  asked.survey = survey
  asked.types = asked.types or "auto"
  compressed.prepare(path)
  local source, message, _, kind = core.source(path, asked)
  if not source then fail(message, kind) end
  return source
end

-- Reads the whole file in batches, as an upload does, and counts.
local function measure(args, path)
  local source = open(args, path, args.series ~= nil)
  local found = {
    columns = source:columns(), dialect = source:dialect(), shape = source:shape(), remarks = source:remarks(),
    records = 0, batches = 0, bytes = 0, largest = 0,
  }
  for place, remark in ipairs(found.remarks) do found.remarks[place] = wording.of_file(remark) end
  while true do
    local text, count, _, kind = source:read(args.batch_records or 5000, args.batch_bytes or 8 * 2 ^ 20)
    if text == nil and count == nil then break end
    if text == nil then fail(count, kind) end
    found.records, found.batches = found.records + count, found.batches + 1
    found.bytes, found.largest = found.bytes + text:size(), math.max(found.largest, text:size())
    text:close()
  end
  source:close()
  return found
end

-- The first records as the JSON that would be sent.
local function first_records(args, path)
  local source, records = open(args, path), {}
  for place = 1, args.show do
    local text, count = source:read(1, 1)
    if not text or not count then break end
    records[place] = core.encode(text):sub(2, -2)
    text:close()
  end
  source:close()
  return records
end

-- What the file differs in from the last upload of its series; false where there is none, nil without a series.
local function drift(args, found)
  if not args.series then
    if args.drift then ending.fail(status.USAGE, "--drift goes with --series, the name that the uploads share") end
    return nil
  end
  local path = context.state(args)
  if not path then ending.fail(status.USAGE, "--series: needs a state file: --state FILE") end
  local file = io.open(path, "rb") -- opening the state file would make it
  if not file then return false end
  file:close()
  local api = context.client(args, { state = path })
  local compared = ending.expect(upload.drift(api, args.series, found.shape))
  api:close()
  return compared
end

--- The requests of an upload without failures: the number of writes, and of the reads that check them. One read checks
-- the end. On a new import another one checks after the second batch that the first is still there. An upload with a
-- journal keeps a last batch back, which removes its mark. `updates`: the import exists; the search for its end is not
-- counted, since its length is not known. docs/uploads.md explains each request.
function plan.requests(found, updates, journaled)
  local writes = math.max(1, found.batches)
  if not updates and journaled and writes == 1 and found.records > 1 then writes = 2 end
  if found.records == 0 or updates and not journaled then return writes, 0 end
  return writes, not updates and writes > 1 and 2 or 1
end

-- The rate limit without a request, from --rate-limit or the state file, and its origin.
local function known_limit(args)
  if args.rate_limit then return args.rate_limit, "--rate-limit" end
  local api = flarelight.new(context.options(args, { state = args.state ~= "none" and args.state or nil }))
  if not api then return nil end
  local limit = api:quota().limit
  api:close()
  return limit, "the state file"
end

-- Estimates the seconds, and names what limits the speed. A client uses nine tenths of the limit in a minute. Each
-- request takes the latency, and its bytes take bandwidth.
local function estimate(found, requests, limit, args)
  local transfer = requests * args.latency + found.bytes / (args.bandwidth * 1e6)
  local paced = 0
  if limit then
    local usable = math.max(1, math.floor(limit * 0.9))
    if requests > usable then paced = (requests / usable - 1) * 60 end
  end
  return math.max(transfer, paced), paced > transfer and "the rate limit" or "the transfer"
end

-- The dialect of the file, in one line: `csv, delimiter ';', quote '"', header: the first row, encoding utf-8`.
local function dialect_text(args, dialect)
  local parts = { dialect.format }
  local function add(format, value) parts[#parts + 1] = format:format(value) end
  if dialect.delimiter then
    add("delimiter %s", wording.quote(dialect.delimiter == "\t" and "\\t" or dialect.delimiter))
    if dialect.separator_line then parts[#parts] = parts[#parts] .. " (by the first line)" end
    add(dialect.quote and "quote %s" or "no quotes", dialect.quote and wording.quote(dialect.quote))
    add("header: %s", dialect.header and "the first row" or args.header and "as given" or "none")
    add("decimal %s", wording.quote(dialect.decimal))
  end
  if args.at then add("at %s", args.at) end
  add("encoding %s", dialect.encoding)
  if dialect.compression then add("compressed (%s)", dialect.compression) end
  return table.concat(parts, ", ")
end

local function json_of(path, found, estimated)
  local decoded = json.array {}
  for i, text in ipairs(found.first_records) do decoded[i] = json.decode(text) end
  return {
    file = path, dialect = found.dialect, remarks = json.array(found.remarks), records = found.records,
    bytes = found.bytes, batches = found.batches,
    largest_batch = found.largest, requests = estimated.requests, writes = estimated.writes, reads = estimated.reads,
    rate_limit = estimated.limit, minutes_of_quota = estimated.minutes, seconds = estimated.seconds,
    bound_by = estimated.bound, columns = json.array(found.columns), first_records = decoded,
    differences = found.drift and json.array(found.drift.differences) or nil,
  }
end

-- Whether an upload would stop.
local function stops(args, found)
  return found.drift and #found.drift.differences > 0 and args.drift ~= "accept"
end

-- The line about the series.
local function series_text(args, found)
  if found.drift == nil then return nil end
  if not found.drift then return args.series .. ": no upload of it is done" end
  return ("%s: %s the upload of %s%s"):format(args.series, #found.drift.differences == 0 and "as" or "differs from",
    output.clock(found.drift.ended), stops(args, found) and "; --drift accept sends the file as it is" or "")
end

local function print_facts(args, path, out, found, estimated)
  local minutes = estimated.minutes
  local percent = minutes and minutes < 1 and (" (%.1f %% of a minute)"):format(minutes * 100) or ""
  local facts = {
    { "file", type(path) == "table" and table.concat(path, " ") or path },
    { "read as", dialect_text(args, found.dialect) },
    { "records", output.count(found.records) },
    { "sent", ("%s of JSON in %s, the largest %s"):format(output.bytes(found.bytes),
      output.counted(found.batches, "batch", "batches"), output.bytes(found.largest)) },
    { "requests", ("%s: %s, %s to check them"):format(output.count(estimated.requests),
      output.counted(estimated.writes, "write"), output.counted(estimated.reads, "read"))
      .. (args.id and ", and some more to find the end of the import" or "") },
    { "quota", minutes and ("%.2f minutes of %s a minute%s, after %s"):format(minutes,
      output.counted(estimated.limit, "request"), percent, estimated.origin)
      or "unknown: --rate-limit N names the requests a minute" },
    { "time", ("about %s, bound by %s (%g s a request, %g MB/s)"):format(output.duration(estimated.seconds),
      estimated.bound, args.latency, args.bandwidth) },
  }
  facts[#facts + 1] = { "series", series_text(args, found) }
  for _, remark in ipairs(found.remarks) do facts[#facts + 1] = { "remark", remark } end
  out:facts(facts, {})
  if found.drift and #found.drift.differences > 0 then
    output.write("\n" .. series.table(found.drift.differences) .. "\n")
  end
  if #found.columns > 0 then
    local columns = {}
    for i, column in ipairs(found.columns) do columns[i] = { column = column.name, type = column.type } end
    output.write "\n"
    out:list(columns, { "column", "type" }, "")
  end
  if #found.first_records > 0 then
    output.write "\nfirst records\n"
    for _, record in ipairs(found.first_records) do output.write("  " .. record .. "\n") end
  end
end

-- Plans one upload. Returns the findings and the estimates.
local function plan_one(args, path)
  local found = measure(args, path)
  found.first_records, found.drift = first_records(args, path), drift(args, found)
  local estimated = {}
  estimated.writes, estimated.reads = plan.requests(found, args.id ~= nil, args.state ~= "none")
  estimated.requests = estimated.writes + estimated.reads
  estimated.limit, estimated.origin = known_limit(args)
  estimated.seconds, estimated.bound = estimate(found, estimated.requests, estimated.limit, args)
  local limit = estimated.limit
  estimated.minutes = limit and limit > 0 and estimated.requests / limit or nil
  return found, estimated
end

local function run(args, out)
  local sources, planned = imports.sources(args), json.array {}
  local stopped = status.DONE
  local worst = ending.each(sources, out.json, function(path, place)
    local found, estimated = plan_one(args, path)
    if stops(args, found) then stopped = status.FAILED end
    planned[#planned + 1] = json_of(path, found, estimated)
    if out.json then return end
    if place > 1 then output.write "\n" end
    print_facts(args, path, out, found, estimated)
  end)
  if out.json then output.write(output.encode(#sources == 1 and planned[1] or planned)) end
  return math.max(worst, stopped)
end

function plan.define(parser, define)
  local command = define(parser, "plan",
    "Tells what an upload of a file would send. Sends nothing, and needs no key.", run)
  imports.reading(command)
  command:option("--id"):argname "ID":description "Plans an update of this import."
  command:option("--rate-limit"):argname "N":convert(context.positive)
    :description "Requests a minute that the service allows."
  command:option("--latency"):argname "SECONDS":convert(context.number):default(0.3):description "Time of one request."
  command:option("--bandwidth"):argname "MB/S":convert(context.number):default(5)
    :description "Bandwidth of the way to the service."
  command:option("--show"):argname "N":convert(context.count):default(3)
    :description "Number of first records to show."
  context.connecting(command)
end

return plan
