--- flarelight imports: list, data, rows, upload, pending, resume.

local context = require "flarelight.cli.context"
local output = require "flarelight.cli.output"
local progress = require "flarelight.cli.progress"
local status = require "flarelight.cli.status"

local imports = {}

local function split(text)
  local names = {}
  for name in (text .. ","):gmatch "(.-)," do
    if name == "" then return nil, "a column without a name" end
    names[#names + 1] = name
  end
  return names
end

local function list(args, out)
  local api = context.client(args)
  out:list(context.expect(api.imports:all()), nil, "there are no imports")
end

local function data(args, out)
  local api = context.client(args)
  local rows = context.expect(api.imports:data(args.id, { start = args.start, count = args.count }))
  local json = require "flarelight.json"
  if rows == json.null then rows = json.array {} end
  out:list(rows, nil, "there are no rows there")
end

-- --- rows: an export ---

-- Pages of JSON lines as the elements of one JSON array.
local function array_writer(write)
  local opened = false
  local function put(text)
    write(opened and ",\n" or "[\n")
    opened = true
    write((text:sub(1, -2):gsub("\n", ",\n")))
  end
  return put, function() write(opened and "\n]\n" or "[]\n") end
end

-- The export of a JSON array, which is none of the client's formats: to PATH.part, then to its place.
local function export_array(api, args, given)
  local path = args.output
  local part, file = path and path .. ".part", nil
  local write = output.write
  if path then
    local message
    file, message = io.open(part, "wb")
    if not file then context.fail(status.FAILED, message) end
    write = function(text)
      local good, why = file:write(text)
      if not good then context.fail(status.FAILED, part .. ": " .. why) end
    end
  end
  local put, close = array_writer(write)
  given.to, given.format = put, "jsonl"
  local result, message, err = api.imports:export(args.id, given)
  if not result then return nil, message, err end
  close()
  if path then
    local closed, why = file:close()
    if closed then closed, why = os.rename(part, path) end
    if not closed then context.fail(status.FAILED, tostring(why)) end
  end
  return result
end

local by_ending = { csv = "csv", jsonl = "jsonl", ndjson = "jsonl", json = "json" }

local function format_of(args)
  local ending = args.output and (args.output:match "%.([^./]*)$" or ""):lower()
  return args.format or args.json and "json" or by_ending[ending] or "csv"
end

local function rows(args, out)
  local format = format_of(args)
  if args.output == "-" then args.output = nil end
  if args.resume and (format == "json" or not args.output) then
    context.fail(status.USAGE, "--resume needs -o FILE, and --format csv or jsonl")
  end
  local api = context.client(args)
  local bar = progress.new(out, "import " .. args.id)
  local given = {
    columns = args.columns, start = args.start, limit = args.limit, page_size = args.page_size, resume = args.resume,
    on_progress = function(p)
      bar:update(args.limit and p.rows / args.limit, ("%s rows  %s  %s"):format(output.count(p.rows),
        output.bytes(p.bytes), output.duration(p.elapsed)))
    end,
  }
  local result, message, err
  if format == "json" then
    result, message, err = export_array(api, args, given)
  else
    output.flush()
    given.to, given.format = args.output or "-", format
    result, message, err = api.imports:export(args.id, given)
  end
  -- Rows on the terminal are progress enough.
  if args.output or not require("flarelight.core").terminal(1) then bar:finish() end
  context.expect(result, message, err)
  if args.output then
    out:note(("%s: %s rows, %s in %s"):format(args.output, output.count(result.rows), output.bytes(result.bytes),
      output.duration(result.elapsed)))
  end
end

-- --- uploads ---

local function show_progress(bar)
  return function(p)
    local parts = { output.count(p.records) .. " records" }
    if p.total_bytes and p.elapsed >= 1 then parts[#parts + 1] = output.bytes(p.bytes / p.elapsed) .. "/s" end
    if p.eta and p.eta >= 0.5 then parts[#parts + 1] = output.duration(p.eta) .. " to go" end
    if p.waiting_for_rate then parts[#parts + 1] = "waiting for the rate limit" end
    bar:update(p.total_bytes and p.total_bytes > 0 and p.bytes / p.total_bytes or nil, table.concat(parts, "  "))
  end
end

local function print_result(out, result)
  out:facts({
    { "import", result.id }, { "imports", result.ids and #result.ids > 1 and table.concat(result.ids, " ") or nil },
    { "records", result.records }, { "batches", result.batches },
    { "rejected", result.rejected > 0 and result.rejected or nil },
    { "seconds", ("%.2f"):format(result.elapsed) }, { "token", result.token },
  }, result)
end

-- How to go on, as a command to type.
local function resume_command(args, token, file)
  local needs_file = file and not file:find "^/" and (" --file " .. context.quote(file)) or ""
  return ("flarelight imports resume %s%s%s"):format(token, needs_file, context.same_options(args))
end

-- The token of the upload that this command has begun, where it was interrupted before it told: the one with
-- its key, or the one that was not pending before.
local function begun_token(api, before, key)
  -- Without a state file nothing is pending.
  for _, each in ipairs(api.imports:pending() or {}) do
    if key and each.key == key or not before[each.token] then return each.token end
  end
end

local function pending_tokens(api, keeps)
  local tokens = {}
  if not keeps then return tokens end
  for _, each in ipairs(api.imports:pending() or {}) do tokens[each.token] = true end
  return tokens
end

-- Runs an upload or its resumption; Ctrl-C and errors that leave it resumable say how to go on.
local function transfer(args, out, label, start)
  local api = context.client(args, { state = context.state(args) })
  local bar = progress.new(out, label)
  local token, shown, before = args.token, show_progress(bar), pending_tokens(api, args.state ~= "none")
  local ran, result, message, err = pcall(start, api, function(p)
    token = p.token or token
    shown(p)
  end)
  bar:finish()
  local interrupted = not ran and context.is_interrupt(result)
    or ran and result == nil and err.kind == "raised" and context.is_interrupt(err)
  if not ran and not interrupted then error(result, 0) end
  if ran and result then return print_result(out, result) end
  if interrupted then
    token = token or begun_token(api, before, args.key)
    api:close()
  else
    token = err.token -- none where there is nothing to go on with
  end
  local hint = token and "hat has arrived stays. To go on:\n  " .. resume_command(args, token)
  if interrupted then
    output.complain("flarelight: interrupted" .. (hint and "; w" .. hint or ""))
    return status.INTERRUPTED
  end
  context.expect(nil, message, err, hint and "W" .. hint)
end

-- --types zip=text,cost=number
local function types(text)
  if text == "auto" or text == "text" then return text end
  local found = {}
  for part in (text .. ","):gmatch "(.-)," do
    local column, kind = part:match "^(.+)=(%a+)$"
    if not column or not (kind == "number" or kind == "text" or kind == "boolean") then
      return nil, ("'%s' is not auto, text or COLUMN=number|text|boolean,…"):format(text)
    end
    found[column] = kind
  end
  return found
end

--- Options that say how a file is read and cut into batches, for upload and plan.
function imports.reading(command)
  command:option("--types"):argname "TYPES":convert(types)
    :description "Types of CSV columns: auto, text, or COLUMN=number|text|boolean,…. Default: auto."
  command:option("--input-format"):choices { "csv", "tsv", "jsonl", "json" }
    :description "Format of the file, where its name does not tell."
  command:option("--batch-records"):argname "N":convert(context.positive)
    :description "Most records of one request. Default: 5000."
  command:option("--batch-bytes"):argname "N":convert(context.positive)
    :description "Most bytes of one request. Default: 8 MiB."
end

local function upload(args, out)
  local given = {
    file = args.file, format = args.input_format, types = args.types,
    batch_records = args.batch_records, batch_bytes = args.batch_bytes,
    name = args.name or not args.id and (args.file:match "([^/]+)$" or args.file):gsub("%.[^.]*$", "") or nil,
    description = args.description, key = args.key, id = args.id, update = args.update,
    on_reject = args.on_reject, rejects = args.rejects, settle = args.settle,
  }
  if args.no_events then given.send_events = false end
  return transfer(args, out, args.file:match "([^/]+)$" or args.file, function(api, on_progress)
    given.on_progress = on_progress
    return api.imports:upload(given)
  end)
end

local function pending(args, out)
  local api = context.client(args, { state = context.state(args) })
  local list_of, message, err = api.imports:pending()
  local found = context.expect(list_of, message, err)
  local columns = { "token", "key", "id", "name", "file", "records", "started" }
  if not out.json then
    for _, each in ipairs(found) do
      if type(each.started) == "number" then each.started = os.date("%Y-%m-%d %H:%M:%S", math.floor(each.started)) end
    end
  end
  out:list(found, columns, "no upload is pending")
end

local function resume(args, out)
  if not args.token then
    local api = context.client(args, { state = context.state(args) })
    local found = context.expect(api.imports:pending())
    api:close()
    if #found == 0 then return out:note "no upload is pending" end
    if #found > 1 then
      context.fail(status.USAGE,
        ("%d uploads are pending: name the token of one (flarelight imports pending)"):format(#found))
    end
    args.token = found[1].token
  end
  return transfer(args, out, "upload " .. args.token, function(api, on_progress)
    return api.imports:resume(args.token, { file = args.file, settle = args.settle, on_progress = on_progress })
  end)
end

function imports.define(parser, define)
  local group = define(parser, "imports", "Data imports. Lists them, reads their rows, uploads files.")

  local command = define(group, "list", "The imports that the key may see.", list)
  context.connecting(command)

  command = define(group, "data", "One page of an import's rows.", data)
  command:argument("id"):argname "ID":convert(context.id)
  command:option("--start"):argname "N":convert(context.count):description "Position of the first row, from 0."
  command:option("--count"):argname "N":convert(context.positive):description "Most rows. Default: 100."
  context.connecting(command)

  command = define(group, "rows", "Every row of an import, as CSV, JSON lines or a JSON array.", rows)
  command:argument("id"):argname "ID":convert(context.id)
  command:option("--format"):choices { "csv", "jsonl", "json" }
    :description "Default: by the name of FILE, else csv."
  command:option("-o --output"):argname "FILE":description "Where to write them; it takes its name once it is whole."
  command:option("--columns"):argname "A,B":convert(split):description "Only these columns, in this order."
  command:option("--start"):argname "N":convert(context.count):description "Position of the first row, from 0."
  command:option("--limit"):argname "N":convert(context.count):description "Most rows."
  command:option("--page-size"):argname "N":convert(context.positive)
    :description "Rows to ask for at a time. Default: 5000."
  command:flag("--resume"):description "Go on with what an export of FILE that did not end has left."
  context.connecting(command)

  command = define(group, "upload", "A file's records into a new import, or one that exists.", upload)
  command:argument("file"):argname "FILE":description "CSV, TSV, JSON lines or JSON."
  command:option("--name"):description "Of the import. Default: the file's name."
  command:option("--description"):description "Of the import."
  command:option("--id"):argname "ID":convert(context.id):description "An import that exists."
  command:option("--update"):choices { "append", "import_per_batch" }
    :description "append: an update of an import is known to append. import_per_batch: each batch becomes an import."
  command:option("--key"):argname "KEY"
    :description "Names this upload for good: the same key and file never load twice."
  command:option("--on-reject"):choices { "stop", "isolate" }
    :description "A batch that is refused stops the upload (default), or its bad records are set aside."
  command:option("--rejects"):argname "FILE":description "Where refused records go."
  command:option("--settle"):argname "SECONDS":convert(context.number)
    :description "Before a batch in doubt is read back. Default: 2."
  command:flag("--no-events"):description "Send no events: no automation starts."
  imports.reading(command)
  context.connecting(command)

  command = define(group, "pending", "Uploads that did not end.", pending)
  context.connecting(command)

  command = define(group, "resume", "Goes on with an upload that did not end.", resume)
  command:argument("token"):argname "TOKEN":args "?":description "Default: the one that is pending."
  command:option("--file"):argname "FILE":description "Where the file is now."
  command:option("--settle"):argname "SECONDS":convert(context.number)
    :description "Before a batch in doubt is read back. Default: 2."
  context.connecting(command)
end

return imports
