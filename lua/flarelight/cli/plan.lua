--- flarelight plan: predicts the requests of an upload of a file (imports:plan), and estimates the minutes of the rate
-- limit and the time. Sends nothing, and needs neither a key nor the network.

local context = require "flarelight.cli.context"
local ending = require "flarelight.cli.ending"
local file_options = require "flarelight.cli.file_options"
local flarelight = require "flarelight"
local imports = require "flarelight.cli.imports"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local plans = require "flarelight.upload.plan"
local postgres = require "flarelight.postgres"
local series = require "flarelight.upload.series"
local status = require "flarelight.cli.status"
local system = require "flarelight.system"
local wording = require "flarelight.cli.wording"

local plan = {}

-- The client that reads the files. It sends nothing, so it gets placeholders for a missing configuration, unless a
-- series is given, which belongs to a service.
local function client(args)
  if args.series then return context.client(args, { state = context.state(args) }) end
  -- For the rate limit that it knows. A plan does without, also where the environment cannot be read.
  local found, state = pcall(context.state, args, true)
  local api = flarelight.new(context.options(args, { state = found and state or false }))
  if api then return api end
  local given = context.options(args, {
    api_key = "none", subscription_id = "00000000-0000-4000-8000-000000000000", base_url = "http://127.0.0.1",
  })
  given.environment, given.region, given.profile, given.api_key_file, given.key_command = nil, nil, nil, nil, nil
  return ending.expect(flarelight.new(given))
end

-- The series to compare with. nil without a state file, since opening it would create it.
local function known_series(args)
  if not args.series then
    if args.drift then ending.fail(status.USAGE, "--drift goes with --series, the name that the uploads share") end
    return nil
  end
  local path = context.state(args)
  if not path then ending.fail(status.USAGE, "--series: needs a state file: --state FILE") end
  local file = not postgres.is_url(path) and io.open(path, "rb")
  if file then file:close() end
  return (file or postgres.is_url(path)) and args.series or nil
end

-- The rate limit without a request, from --rate-limit or the state file, and its origin.
local function known_limit(api, args)
  if args.rate_limit then return args.rate_limit, "--rate-limit" end
  return api:quota().limit, "the state file"
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
    add("delimiter %s", system.quote(dialect.delimiter == "\t" and "\\t" or dialect.delimiter))
    if dialect.separator_line then parts[#parts] = parts[#parts] .. " (by the first line)" end
    add(dialect.quote and "quote %s" or "no quotes", dialect.quote and system.quote(dialect.quote))
    add("header: %s", dialect.header and "the first row" or args.header and "as given" or "none")
    add("decimal %s", system.quote(dialect.decimal))
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
    bytes = found.bytes, batches = found.batches, largest_batch = found.largest_batch,
    requests = estimated.requests, writes = estimated.writes, reads = estimated.reads,
    rate_limit = estimated.limit, minutes_of_quota = estimated.minutes, seconds = estimated.seconds,
    bound_by = estimated.bound, columns = json.array(found.columns), first_records = decoded,
    differences = found.differences and json.array(found.differences) or nil,
  }
end

-- Whether an upload would stop.
local function stops(args, found)
  return found.differences and #found.differences > 0 and args.drift ~= "accept"
end

-- The line about the series.
local function series_text(args, found)
  if not args.series then return nil end
  if not found.differences then return args.series .. ": no upload of it is done" end
  return ("%s: %s the upload of %s%s"):format(args.series, #found.differences == 0 and "as" or "differs from",
    output.clock(found.compared_with), stops(args, found) and "; --drift accept sends the file as it is" or "")
end

local function print_facts(args, path, out, found, estimated)
  local minutes = estimated.minutes
  local percent = minutes and minutes < 1 and (" (%.1f %% of a minute)"):format(minutes * 100) or ""
  local facts = {
    { "file", type(path) == "table" and table.concat(path, " ") or path },
    { "read as", dialect_text(args, found.dialect) },
    { "records", output.count(found.records) },
    { "sent", ("%s of JSON in %s, the largest %s"):format(output.bytes(found.bytes),
      output.counted(found.batches, "batch", "batches"), output.bytes(found.largest_batch)) },
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
  if found.differences and #found.differences > 0 then
    output.write("\n" .. series.table(found.differences) .. "\n")
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
local function plan_one(api, args, path)
  local given = file_options.of(args)
  given.file, given.id, given.show, given.series = path, args.id, args.show, known_series(args)
  given.batch_records, given.batch_bytes, given.map = args.batch_records, args.batch_bytes, args.map and args.map.call
  local found = ending.expect(api.imports:plan(given))
  for place, remark in ipairs(found.remarks) do found.remarks[place] = wording.of_file(remark) end
  plans.complete(found, args.id ~= nil, args.state ~= "none")
  local estimated = { requests = found.requests, writes = found.writes, reads = found.reads }
  estimated.limit, estimated.origin = known_limit(api, args)
  estimated.seconds, estimated.bound = estimate(found, estimated.requests, estimated.limit, args)
  local limit = estimated.limit
  estimated.minutes = limit and limit > 0 and estimated.requests / limit or nil
  return found, estimated
end

local function run(args, out)
  local sources, planned = imports.sources(args), json.array {}
  local stopped, api = status.DONE, client(args)
  local worst = ending.each(sources, out.json, function(path, place)
    local found, estimated = plan_one(api, args, path)
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
  context.connecting(command, { rate_limit = true })
end

return plan
