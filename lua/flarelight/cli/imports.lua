--- flarelight imports: list, data, rows, upload, diff, pending, resume, forget.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local display = require "flarelight.chart.display"
local ending = require "flarelight.cli.ending"
local errors = require "flarelight.error"
local export_options = require "flarelight.export.options"
local file_options = require "flarelight.cli.file_options"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local progress = require "flarelight.cli.progress"
local seeing = require "flarelight.cli.seeing"
local status = require "flarelight.cli.status"
local wording = require "flarelight.cli.wording"

local imports = {}

local function list(args, out)
  local api = context.client(args)
  out:list(ending.expect(api.imports:all()), nil, "there are no imports")
end

local function data(args, out)
  local api = context.client(args)
  local rows = ending.expect(api.imports:data(args.id, { start = args.start, count = args.count }))
  if rows == json.null then rows = json.array {} end
  out:list(rows, nil, "there are no rows there")
end

-- --where, --map: the function that a file of Lua returns.
local function lua_function(path)
  local chunk, message = loadfile(path)
  if not chunk then return nil, message end
  local ran, result = pcall(chunk)
  if not ran then return nil, tostring(result) end
  if type(result) ~= "function" then return nil, path .. " should return a function" end
  -- A mistake in the file is not one of this command.
  local function named(ran_to_end, value, ...)
    if ran_to_end then return value, ... end
    if ending.is_interrupt(value) then error(value, 0) end
    local text = errors.from_raised(value).message
    error(select(3, errors.fail("raised", text:find(path, 1, true) and text or path .. ": " .. text)), 0)
  end
  return { call = function(...) return named(pcall(result, ...)) end, path = path }
end

-- --- rows ---

-- The command that continues an export, or why there is none; nil if the export has left no part.
local function export_resumption(args, format)
  if args.output and (format == "sqlite" or export_options.uncompressed(args.output) ~= args.output) then
    return { heading = args.output .. " was not written: SQLite and compressed files are written in one go" }
  end
  if args.continue then return { heading = args.output .. " is as it was: the same command appends the rows" } end
  local part = args.output and io.open(args.output .. ".part", "rb")
  if not part then return nil end
  local size = part:seek "end"
  part:close()
  if size == 0 then return nil end
  local words = { "flarelight imports rows " .. context.quoted(args.id) .. " -o " .. context.quoted(args.output) }
  if args.columns then words[2] = "--columns " .. context.quoted(args.columns.text) end
  if args.where then words[#words + 1] = "--where " .. context.quoted(args.where.path) end
  if args.delimiter then words[#words + 1] = "--delimiter " .. context.quoted(args.delimiter) end
  if args.bom then words[#words + 1] = "--bom" end
  if args.escape_formulas then words[#words + 1] = "--escape-formulas" end
  for _, name in ipairs { "format", "start", "limit", "page_size" } do
    local value = args[name]
    if value then
      value = type(value) == "number" and ("%.0f"):format(value) or value
      words[#words + 1] = "--" .. name:gsub("_", "-") .. " " .. value
    end
  end
  return {
    heading = "The rows so far are in " .. args.output .. ".part. To go on:",
    command = table.concat(words, " ") .. " --resume" .. context.same_options(args),
  }
end

-- Converts --columns: the names, and the text for the command that continues.
local function columns(text)
  local names, message = context.list(text)
  return names and { names = names, text = text } or nil, message
end

local function options_of(args, bar)
  return {
    columns = args.columns and args.columns.names, start = args.start, limit = args.limit, page_size = args.page_size,
    resume = args.resume, where = args.where and args.where.call, delimiter = args.delimiter, bom = args.bom,
    escape_formulas = args.escape_formulas, continue = args.continue, table = args.table,
    on_progress = function(p)
      bar:update(args.limit and p.rows / args.limit, { output.counted(p.rows, "row"), output.bytes(p.bytes),
                                                       output.duration(p.elapsed) })
    end,
  }
end

local function rows(args, out)
  if args.output == "-" then args.output = nil end
  local format = context.format(args, export_options.by_ending, "csv",
    args.output and export_options.uncompressed(args.output))
  for _, name in ipairs { "resume", "continue" } do
    if args[name] and not args.output then ending.fail(status.USAGE, ("--%s needs -o FILE"):format(name)) end
  end
  -- The first request of a whole export is printed, and no file is touched.
  if args.curl then args.output, args.resume, args.continue = nil, nil, nil end
  local api = context.client(args, args.continue and { state = context.state(args) } or nil)
  -- Without progress if the rows are printed on the terminal.
  local bar = progress.new(out, "import " .. args.id, not args.output and core.terminal(1) ~= nil)
  local given = options_of(args, bar)
  local ran, result, message, err = pcall(function()
    output.flush()
    given.to, given.format = args.output or "-", format
    return api.imports:export(args.id, given)
  end)
  bar:finish()
  -- What Ctrl-C has left behind closes its file, which removes a part that nothing could continue.
  if not ran then collectgarbage() end
  if ending.was_interrupted(ran, result, err) then ending.interrupted(export_resumption(args, format)) end
  if not ran then error(result, 0) end
  if err and not args.output and message:find "standard output: cannot write" then output.broken(message) end
  -- A conflict would occur again.
  local resumable = not result and err.progress and err.kind ~= "conflict"
  ending.expect(result, message, err, resumable and export_resumption(args, format) or nil)
  if args.output then
    out:note(("%s: %s, %s in %s"):format(args.output, output.counted(result.rows, "row"), output.bytes(result.bytes),
      output.duration(result.elapsed)))
  end
end

-- --- uploads ---

-- The least number of seconds that the rate limit leaves for the rest of a file, if the rest takes as many requests for
-- its bytes as the part before.
local function rate_eta(api, p)
  local quota = api:quota()
  if not (quota.limit and quota.remaining and p.bytes > 0 and p.batches > 0) then return 0 end
  local batches = p.batches * (p.total_bytes - p.bytes) / p.bytes
  return math.max(0, batches - quota.remaining) * 60 / math.max(1, quota.limit)
end

local function show_progress(api, bar)
  return function(p)
    local parts, share, eta = { output.counted(p.records, "record") }, nil, nil
    if p.total_bytes and p.total_bytes > 0 then
      share = p.bytes / p.total_bytes
      eta = p.eta and math.max(p.eta, rate_eta(api, p))
      if p.elapsed >= 1 then parts[2] = output.bytes(p.bytes / p.elapsed) .. "/s" end
    end
    bar:update(share, parts, eta)
  end
end

-- For the case that the result cannot be printed. An upload that was already done has changed nothing.
local function record_result(result)
  if result.already then return end
  output.did(("the upload is complete: %simport %s, %s, token %s"):format(
    type(result.file) == "string" and result.file .. " is " or "", result.id, output.counted(result.records, "record"),
    result.token or "none"), "applied")
end

local function print_result(out, result)
  for _, remark in ipairs(result.remarks or {}) do
    out:note((result.file and result.file .. ": " or "") .. remark)
  end
  if result.already then
    out:note(("already loaded on %s, %s; nothing was sent"):format(output.clock(result.loaded_at),
      output.counted(result.records, "record")))
  end
  out:facts({
    { "file", result.file }, { "import", result.id },
    { "imports", result.ids and #result.ids > 1 and table.concat(result.ids, " ") or nil },
    { "records", result.records }, { "batches", result.batches },
    { "rejected", result.rejected > 0 and result.rejected or nil },
    { "seconds", ("%.2f"):format(result.elapsed) }, { "token", result.token },
  }, result)
end

-- Errors of these kinds pass. After one of another kind a resumed upload may fail again, until its cause is mended.
local PASSES = {
  network = true, timeout = true, rate_limited = true, server = true, cancelled = true, closed = true, raised = true,
}

-- Whether an error says that the file of an upload cannot be read as it was when the upload began. Errors about a batch
-- have `records`.
local function is_of_source(err)
  return err.file ~= nil and err.records == nil and (err.kind == "io" or err.kind == "conflict")
end

-- How to continue an upload. `records`: the number that have arrived, nil if that is in doubt; `err`: nil after Ctrl-C.
local function upload_resumption(args, token, records, err)
  if not token then return nil end
  local way = err and is_of_source(err) and "With the old file in its place again, to go on:" or "To go on:"
  local map = args.map and " --map " .. context.quoted(args.map.path) or ""
  local words = token .. context.same_options(args)
  return {
    heading = (records and records > 0 and "What has arrived stays. " or "") .. way,
    command = "flarelight imports resume " .. token .. map .. context.same_options(args),
    forget = err and not PASSES[err.kind] and "flarelight imports forget " .. words or nil,
  }
end

-- What an upload leaves at the service that cannot continue, since there is no state file. `p`: its last progress.
local function remainder(p)
  if not p then
    return { heading = "Without a state file it cannot go on, and no batch was confirmed. Whether one has arrived: "
      .. "flarelight imports list" }
  end
  local text = ("Without a state file it cannot go on. Import %s keeps what has arrived: %s so far"):format(p.id,
    output.counted(p.records, "record"))
  return { import = p.id, heading = text }
end

-- The token of the upload that this command has begun, if it was interrupted before the first progress: the pending
-- upload with its key, or the one that was not pending before.
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

-- Runs an upload, or continues one, and returns its result. After Ctrl-C, or an error that leaves it resumable, the
-- message says how to continue.
local function transfer(api, args, out, label, start)
  local bar = progress.new(out, label)
  local keeps = context.state(args) ~= false
  local show, before = show_progress(api, bar), pending_tokens(api, keeps)
  local token, records, last = args.token, 0, nil
  local ran, result, message, err = pcall(start, function(p)
    token, records, last = p.token or token, p.records, p
    show(p)
  end)
  bar:finish()
  if ending.was_interrupted(ran, result, err) then
    token = keeps and (token or begun_token(api, before, args.key)) or nil
    api:close()
    ending.interrupted(keeps and upload_resumption(args, token, records) or not keeps and remainder(last) or nil)
  end
  if not ran then error(result, 0) end
  if result then
    for place, remark in ipairs(result.remarks or {}) do result.remarks[place] = wording.of_file(remark) end
    return result
  end
  -- Without a state file, and without a token, nothing can continue.
  if not keeps then ending.expect(nil, message, err, last and remainder(last) or nil) end
  local arrived = err.fate ~= "in_doubt" and err.progress and err.progress.records or nil
  ending.expect(nil, message, err, upload_resumption(args, err.token, arrived, err))
end

--- Options for reading a file and dividing it into batches: for upload and plan.
function imports.reading(command)
  command:argument("file"):argname "FILE":args "+":description "File in CSV, TSV, JSON lines or JSON."
  command:flag("--parts"):description "The files are parts of one import, and not an upload each."
  file_options.define(command)
  command:option("--map"):argname "FILE.lua":convert(lua_function)
    :description "Sends what the function that FILE.lua returns makes of each record; nil drops the record."
  command:option("--series"):argname "NAME"
    :description "Compares the file with the last upload of this series: its columns, types and number of records."
  command:option("--drift"):choices { "stop", "accept" }
    :description "stop (default): sends nothing where they differ. accept: sends the file."
  command:option("--batch-records"):argname "N":convert(context.positive)
    :description "Largest number of records in one request. Default: 5000."
  command:option("--batch-bytes"):argname "N":convert(context.positive)
    :description "Largest number of bytes in one request. Default: 8 MiB."
end

--- The sources of a command line: a path for each upload, or one list with the parts of one upload.
---@return (string|string[])[]
function imports.sources(args)
  local inputs = 0
  for _, path in ipairs(args.file) do
    if path == "-" then inputs = inputs + 1 end
  end
  if inputs > 1 then ending.fail(status.USAGE, "standard input can be read only once: give - once") end
  return args.parts and { args.file } or args.file
end

-- Options of an upload that have the same name here.
local PASSED = {
  "batch_records", "batch_bytes", "description", "key", "id", "update", "on_reject", "rejects", "settle", "series",
  "drift",
}

-- The default name of an import: the name of the file without its endings, converted to UTF-8 if it is not.
local function name_of(path)
  if path == "-" then return "standard input" end
  local name = path:match "([^/]+)$" or path
  local compression = core.compression(path)
  if compression then name = name:sub(1, -#compression - 1) end
  return display.clean((name:gsub("%.[^.]*$", "")))
end

local function upload_one(api, args, out, source)
  local path = type(source) == "table" and source[1] or source
  local given = file_options.of(args)
  given.file, given.name = source, args.name or not args.id and name_of(path) or nil
  for _, name in ipairs(PASSED) do given[name] = args[name] end
  given.map = args.map and args.map.call
  if args.no_events then given.send_events = false end
  local label = path:match "([^/]+)$" or path
  if type(source) == "table" and #source > 1 then label = label .. (" and %d more"):format(#source - 1) end
  return transfer(api, args, out, label, function(on_progress)
    given.on_progress = on_progress
    return api.imports:upload(given)
  end)
end

-- Options that name one upload, or a file that each upload would replace.
local function check_several(args)
  for _, name in ipairs { "name", "key", "rejects" } do
    if args[name] then
      ending.fail(status.USAGE, ("--%s is for one upload: give one FILE, or --parts, which makes the files one import")
        :format(name))
    end
  end
end

-- Runs several uploads, one after another. After Ctrl-C it prints those that are done.
local function upload_each(api, args, out, sources)
  local results = json.array {}
  local ran, worst = pcall(ending.each, sources, out.json, function(source, place)
    local result = upload_one(api, args, out, source)
    result.file = source
    record_result(result)
    results[#results + 1] = result
    if out.json then return end
    if place > 1 then output.write "\n" end
    print_result(out, result)
  end, true)
  if out.json then output.write(output.encode(results)) end
  if not ran then error(worst, 0) end
  return worst
end

local function upload(args, out)
  local sources = imports.sources(args)
  if #sources > 1 then check_several(args) end
  local api = context.client(args, { state = context.state(args) })
  if #sources > 1 then return upload_each(api, args, out, sources) end
  local result = upload_one(api, args, out, sources[1])
  record_result(result)
  print_result(out, result)
end

-- A value of a difference, as JSON; "nothing" if it is nil.
local function shown(value)
  if value == nil then return "nothing" end
  return (json.encode(value))
end

local function diff(args, out)
  local api = context.client(args)
  local given = file_options.of(args)
  given.file, given.page_size = #args.part > 0 and { args.file, (table.unpack or unpack)(args.part) } or args.file,
    args.page_size
  local bar = progress.new(out, "import " .. args.id)
  given.map = args.map and args.map.call
  given.on_progress = function(p)
    bar:update(p.total_bytes > 0 and p.bytes / p.total_bytes or nil, { output.counted(p.records, "record") })
  end
  local ran, result, message, err = pcall(function() return api.imports:compare(args.id, given) end)
  bar:finish()
  if not ran then error(result, 0) end
  ending.expect(result, message, err)
  local first = result.first_difference or {}
  out:facts({
    { "equal", result.equal and "yes" or result.alike and "no, but alike" or "no" },
    { "records", result.records }, { "rows", result.rows },
    { "row", first.position }, { "line", first.line }, { "column", first.column },
    { "file", first.position and shown(first.here) }, { "import", first.position and shown(first.there) },
  }, result)
  if not result.equal then return status.FAILED end
end

local function pending(args, out)
  local api = context.client(args, { state = context.state(args) })
  local found = ending.expect(api.imports:pending())
  if not out.json then
    for _, each in ipairs(found) do
      if type(each.started) == "number" then each.started = output.clock(each.started) end
    end
  end
  out:list(found, { "token", "key", "id", "name", "file", "records", "started" }, "no upload is pending")
end

local function resume(args, out)
  local api = context.client(args, { state = context.state(args) })
  if not args.token then
    local found = ending.expect(api.imports:pending())
    if #found == 0 then return out:note "no upload is pending" end
    if #found > 1 then
      ending.fail(status.USAGE,
        ("%d uploads are pending: name the token of one (flarelight imports pending)"):format(#found))
    end
    args.token = found[1].token
  end
  local file = #args.file > 1 and args.file or args.file[1]
  local result = transfer(api, args, out, "upload " .. args.token, function(on_progress)
    return api.imports:resume(args.token, {
      file = file, map = args.map and args.map.call, settle = args.settle, on_progress = on_progress,
    })
  end)
  record_result(result)
  print_result(out, result)
end

local function forget(args, out)
  if (args.token == nil) == (args.key == nil) then ending.fail(status.USAGE, "give either TOKEN or --key KEY") end
  local api = context.client(args, { state = context.state(args) })
  ending.expect(api:forget(args.token or args.key))
  output.did("the upload is forgotten")
  if out.json then return output.write(output.encode { forgotten = args.token or args.key }) end
  out:note "forgotten; what has arrived stays in the import"
end

function imports.define(parser, define)
  local group = define(parser, "imports", "Lists data imports, reads their rows, uploads files.")

  local command = define(group, "list", "Lists the imports that the key may see.", list)
  seeing.of_one_call(command)
  context.connecting(command)

  command = define(group, "data", "Prints one page of an import's rows.", data)
  command:argument("id"):argname "ID":convert(context.id):description "Id of the import."
  command:option("--start"):argname "N":convert(context.count):description "Position of the first row, from 0."
  command:option("--count"):argname "N":convert(context.positive):description "Largest number of rows. Default: 100."
  seeing.of_one_call(command)
  context.connecting(command)

  command = define(group, "rows", "Prints or writes every row of an import, as CSV, TSV, JSON or SQLite.", rows)
  command:argument("id"):argname "ID":convert(context.id):description "Id of the import."
  command:option("--format"):choices { "csv", "tsv", "jsonl", "json", "sqlite" }
    :description "Format. Default: by the ending of FILE, else csv."
  command:option("-o --output"):argname "FILE"
    :description "File to write. It gets its name once it is complete. Compressed for .gz, .zst, .xz, .bz2, .zip."
  command:option("--columns"):argname "A,B":convert(columns)
    :description "Only these columns, in this order. As in CSV, a name with a comma stands in quotes."
  command:option("--start"):argname "N":convert(context.count):description "Position of the first row, from 0."
  command:option("--limit"):argname "N":convert(context.count):description "Largest number of rows."
  command:option("--page-size"):argname "N":convert(context.positive)
    :description "Rows of one request. Default: 5000."
  command:option("--where"):argname "FILE.lua":convert(lua_function)
    :description "Only the rows that the function which FILE.lua returns keeps."
  command:option("--delimiter"):argname "C":convert(file_options.byte)
    :description "CSV: byte between cells; \\t is a tab. Default: a comma; for TSV a tab."
  command:flag("--bom"):description "Begins CSV with a byte order mark."
  command:flag("--escape-formulas"):description "CSV: puts an apostrophe before texts that a spreadsheet would run."
  command:option("--table"):argname "NAME":description "Table of the database. Default: the import's name."
  command:flag("--continue"):description "Appends the rows that came since the last run to FILE."
  command:flag("--resume"):description "Continues an export of FILE that did not end."
  seeing.of_one_call(command)
  context.connecting(command)

  command = define(group, "upload", "Uploads files, each to a new import or to one that exists.", upload)
  imports.reading(command)
  command:option("--name"):argname "NAME":description "Name of the import. Default: the file's name."
  command:option("--description"):argname "TEXT":description "Description of the import."
  command:option("--id"):argname "ID":convert(context.id):description "Updates this import."
  command:option("--update"):choices { "append", "import_per_batch" }
    :description "append: the service is known to append on an update. import_per_batch: each batch becomes an import."
  command:option("--key"):argname "KEY"
    :description "Names this upload for good: the same key and file never load twice."
  command:option("--on-reject"):choices { "stop", "isolate" }
    :description "stop (default): a refused batch stops the upload. isolate: its bad records are set aside."
  command:option("--rejects"):argname "FILE":description "File for the records that the service refused."
  command:option("--settle"):argname "SECONDS":convert(context.number)
    :description "Wait before a batch in doubt is read back. Default: 2."
  command:flag("--no-events"):description "Sends no events, so that no automation starts."
  context.connecting(command)

  command = define(group, "diff", "Compares a file with the rows of an import. Ends with status 1 where they differ.",
    diff)
  command:argument("file"):argname "FILE":description "File as for upload."
  command:argument("id"):argname "ID":convert(context.id):description "Id of the import."
  command:option("--part"):argname "FILE":count "*":description "The next part of an import of several files."
  file_options.define(command)
  command:option("--map"):argname "FILE.lua":convert(lua_function):description "The function of --map of the upload."
  command:option("--page-size"):argname "N":convert(context.positive):description "Rows of one request. Default: 5000."
  context.connecting(command)

  command = define(group, "pending", "Lists the uploads that did not end.", pending)
  context.connecting(command)

  command = define(group, "resume", "Continues an upload that did not end.", resume)
  command:argument("token"):argname "TOKEN":args "?"
    :description "Token of the upload. Default: the only one that is pending."
  command:option("--file"):argname "FILE":count "*"
    :description "Path of the file, if it was moved. Of parts: the paths of all, in their order."
  command:option("--map"):argname "FILE.lua":convert(lua_function)
    :description "The function of --map again, if the upload was begun with one."
  command:option("--settle"):argname "SECONDS":convert(context.number)
    :description "Wait before a batch in doubt is read back. Default: 2."
  context.connecting(command)

  command = define(group, "forget", "Drops an upload that did not end. What has arrived stays in the import.", forget)
  command:argument("token"):argname "TOKEN":args "?":description "Token of the upload, from `imports pending`."
  command:option("--key"):argname "KEY":description "Key of the upload, instead of its token."
  context.connecting(command)
end

return imports
