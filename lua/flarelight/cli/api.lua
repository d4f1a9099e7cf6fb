--- flarelight api: a request to any path.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local ending = require "flarelight.cli.ending"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local request = require "flarelight.request"
local seeing = require "flarelight.cli.seeing"
local status = require "flarelight.cli.status"
local system = require "flarelight.system"

local api_command = {}

local PAGE = 5000 -- rows of one request of --paginate

local function usage(message, ...) ending.fail(status.USAGE, message:format(...)) end

-- --- the command line ---

local function pair(text)
  local name, value = text:match "^([^=]+)=(.*)$"
  if not name then return nil, ("'%s' should be NAME=VALUE"):format(text) end
  return name, value
end

-- -f: the value is a text.
local function text_field(text)
  local name, value = pair(text)
  if not name then return nil, value end
  return { name = name, json = json.encode(value), text = value }
end

-- -F: the value is JSON, which is sent digit for digit.
local function json_field(text)
  local name, value = pair(text)
  if not name then return nil, value end
  local decoded, message = json.decode(value)
  if decoded == nil then return nil, ("'%s': the value is not JSON: %s"):format(text, message) end
  local plain = not value:find '^%s*["{%[]' -- a number, true, false or null
  return { name = name, json = value, text = plain and value or type(decoded) == "string" and decoded or nil }
end

local function decode_percent(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function add(members, name, value, where)
  if members[name] ~= nil then usage("%s is given twice in the %s", name, where) end
  members[name] = value
end

-- The path, with a slash before it, and the query behind it as a table.
local function split(word)
  if word:find "^%a+://" then usage("'%s' should be a path of the service, as /Import/All", word) end
  local path, text = word:match "^([^?]*)%??(.*)$"
  local query = {}
  for part in text:gmatch "[^&]+" do
    local name, value = part:match "^([^=]*)=?(.*)$"
    add(query, decode_percent(name), decode_percent(value), "query")
  end
  return path:sub(1, 1) == "/" and path or "/" .. path, query
end

-- The JSON of --input, as a text.
local function input_of(path)
  local text, message
  if path == "-" then
    text, message = io.read "*a"
    message = "standard input: " .. tostring(message)
  else
    text, message = system.read(path)
  end
  if not text then usage("--input: %s", message) end
  local value, wrong = json.decode(text)
  if value == nil then usage("--input: %s: %s", path == "-" and "standard input" or path, wrong) end
  return text
end

-- The request of the command line, for api:request.
local function request_of(args)
  local words, input = args.request, args.input ~= nil
  local method = words[2] and words[1]:upper() or input and "POST" or "GET"
  local path, query = split(words[2] or words[1])
  local in_query, members, parts = method == "GET" or method == "OPTIONS" or input, {}, {}
  for _, list in ipairs { args.text_fields, args.json_fields } do
    for _, field in ipairs(list) do
      if in_query then
        if not field.text then
          usage("-F %s: an object or an array cannot stand in the query", field.name)
        end
        add(query, field.name, field.text, "query")
      else
        add(members, field.name, field.json, "body")
        parts[#parts + 1] = json.encode(field.name) .. ":" .. field.json
      end
    end
  end
  local body = input and input_of(args.input) or parts[1] and "{" .. table.concat(parts, ",") .. "}"
  return {
    method = method, path = path, query = next(query) and query or nil, raw = args.raw,
    body = body and request.json_text(body) or nil,
    repeatable = args.repeatable, headers = seeing.headers(args),
  }
end

-- --- replies ---

-- The rows in the data of a reply: an array, or an object whose one array is `records`; nil for other data. Null and no
-- rows are an empty array.
local function rows_of(data)
  if data == json.null then return {} end
  if type(data) ~= "table" then return nil end
  if getmetatable(data) == core.array_metatable then return data end
  local records = data.records
  return type(records) == "table" and getmetatable(records) == core.array_metatable and records or nil
end

-- Requests page after page until one has no rows, and prints the rows as one array.
local function paginate(api, given)
  local query = given.query or {}
  local start = tonumber(query.start or 0)
  if not start or start < 0 or start ~= math.floor(start) then
    usage("start should be a whole number with --paginate")
  end
  query.count = query.count or ("%.0f"):format(PAGE)
  given.query = query
  local last, first_row = nil, true
  while true do
    query.start = ("%.0f"):format(start)
    local data = ending.expect(api:request(given))
    local rows = rows_of(data)
    if not rows then
      ending.fail(status.FAILED, given.path .. ": the data is no list of rows, which --paginate needs", "protocol")
    end
    if #rows == 0 then break end
    local lines = {}
    for i, row in ipairs(rows) do lines[i] = "  " .. output.compact(row) end
    local text = table.concat(lines, ",\n")
    if text == last then
      ending.fail(status.FAILED, given.path .. ": two pages are the same: the path ignores start", "protocol")
    end
    if last then
      output.write((first_row and "[\n" or ",\n") .. last)
      first_row = false
    end
    last, start = text, start + #rows
  end
  if not last then return output.write "[]\n" end
  output.write((first_row and "[\n" or ",\n") .. last .. "\n]\n")
end

local function run(args)
  args.own_headers = true -- they belong to the call, so that X-Request-Id may be among them
  local given = request_of(args)
  if args.paginate and given.method ~= "GET" then usage("--paginate is for GET") end
  if args.paginate and args.raw then usage("give either --paginate or --raw") end
  local api = context.client(args)
  if args.paginate then return paginate(api, given) end
  local data, meta, err = api:request(given)
  if data ~= nil and not args.curl and given.method ~= "GET" and given.method ~= "OPTIONS" then
    output.did(("the write was applied: %s %s"):format(given.method, given.path), "applied")
  end
  if args.raw then
    local reply = data or err.reply
    if reply then output.write(reply.body) end
    if data then return end
  end
  output.write(output.encode((ending.expect(data, meta, err))))
end

function api_command.define(parser, define)
  local command = define(parser, "api",
    "Sends a request to any path. With the retries, fates and exit statuses of the other commands.", run)
  local words = command:argument("path"):target "request":argname { "[METHOD]", "PATH" }:args "1-2"
    :description "GET (default), OPTIONS, POST, PUT, PATCH or DELETE, and a path, as /Import/All."
  words._get_usage = function() return "[METHOD] PATH" end -- argparse takes the last word for the optional one
  command:option("-f --raw-field"):argname "NAME=VALUE":count "*":target "text_fields":convert(text_field)
    :description "A text: in the query of GET and with --input, else a member of the body."
  command:option("-F --field"):argname "NAME=JSON":count "*":target "json_fields":convert(json_field)
    :description "The same with a value in JSON: -F year=2024."
  command:option("--input"):argname "FILE"
    :description "Body in JSON; - for standard input. Without METHOD the request is then a POST."
  command:flag("--raw"):description "Prints the reply as it came, of any content type. Also that of an error."
  command:flag("--paginate"):description
    "GET with start and count: requests page after page, and prints all rows as one array."
  command:flag("--repeatable"):description "This write may be sent again although it may have arrived."
  seeing.of_one_call(command)
  context.connecting(command)
end

return api_command
