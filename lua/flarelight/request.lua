--- Requests: merges an endpoint and its arguments into one plain table, which the binding submits.
-- Pure: nothing is sent here. Misuse raises.

local core = require "flarelight.core"
local headers = require "flarelight.headers"
local json = require "flarelight.json"
local misuse = require "flarelight.misuse"

local request = {}

--- The operations: the nine endpoints, as the vendor documents them. This is the only list; the methods of the client,
-- the sandbox and docs/api.md are checked against it. `write`: the request may change something on the server;
-- `expects_id`: the reply must have the id of an import; `expects_rows`: the reply must have rows, or null.
request.endpoints = {
  ["imports.all"] = { method = "GET", path = "/Import/All" },
  ["imports.data"] = { method = "GET", path = "/Import/{id}/Data", expects_rows = true },
  ["imports.import"] = { method = "POST", path = "/Import/Data", write = true, expects_id = true },
  ["automations.execute"] = { method = "POST", path = "/Automation/{id}/Execute", write = true },
  ["preparations.all"] = { method = "GET", path = "/Preparation/All" },
  ["preparations.execute"] = { method = "POST", path = "/Preparation/{id}/Execute", write = true },
  ["reports.all"] = { method = "GET", path = "/Report/All" },
  ["reports.generate"] = { method = "POST", path = "/Report/{id}/Generate", write = true },
  -- A POST that changes nothing: repeated like a GET.
  ["reports.chart_data"] = { method = "POST", path = "/Report/ChartData" },
}

--- A position far beyond the end of any import: a row there proves that the service ignores `start`. It fits into 32
-- bits, which some services use.
request.FAR = 2 ^ 30

local function escape(text)
  return (text:gsub("[^%w%-%._~]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

local function number_text(value)
  if value == math.floor(value) and math.abs(value) <= 2 ^ 53 then return ("%.0f"):format(value) end
  return json.encode(value)
end

--- A table of names and values as "?a=1&b=2", sorted by name; "" for an empty one.
function request.query(query)
  local names, parts = {}, {}
  for name in pairs(query or {}) do
    if type(name) ~= "string" then misuse(("query: names are strings, but one is a %s"):format(type(name))) end
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = query[name]
    local kind = type(value)
    if value ~= value or value == math.huge or value == -math.huge then
      misuse(("query.%s: should be a number that is finite, but is %s"):format(name, tostring(value)))
    end
    if kind == "number" then value = number_text(value)
    elseif kind == "boolean" then value = tostring(value)
    elseif kind ~= "string" then
      misuse(("query.%s: should be a string, a number or true or false, but is a %s"):format(name, kind))
    end
    parts[i] = escape(name) .. "=" .. escape(value)
  end
  return #parts > 0 and "?" .. table.concat(parts, "&") or ""
end

--- The checked headers of a call's options; nil for none.
---@param operation string for messages
function request.headers(operation, call_options)
  if call_options.headers == nil then return nil end
  return headers.check(operation:gsub("%.", ":") .. ".headers", call_options.headers)
end

--- The request of one of the operations.
---@param operation string name in `endpoints`
---@param arguments { id: any, query: string?, body: any, note: any } `note`: kept with a write inside of `api:once`
---@param call_options table deadline, repeatable, headers
---@param config table the client's configuration
function request.endpoint(operation, arguments, call_options, config)
  local endpoint = request.endpoints[operation]
  if endpoint.path:find("{id}", 1, true) and arguments.id == nil then misuse "id: is missing" end
  return {
    operation = operation, method = endpoint.method, path = endpoint.path,
    id = arguments.id, query = arguments.query,
    note = arguments.note, body = arguments.body, has_body = endpoint.method == "POST",
    write = endpoint.write, expects_id = endpoint.expects_id, expects_rows = endpoint.expects_rows,
    interactive = not arguments.bulk,
    repeatable = call_options.repeatable,
    given_headers = request.headers(operation, call_options),
    deadline = call_options.deadline or config.deadline,
  }
end

local Text = {}

--- A body for `api:request` that is JSON text already, and is sent as it is. The caller has checked the text.
---@param text string
function request.json_text(text) return setmetatable({ text = text }, Text) end

-- Method -> whether it is a write. HEAD is missing: its reply has no body, and so no envelope.
local methods = { GET = false, OPTIONS = false, POST = true, PUT = true, PATCH = true, DELETE = true }

--- The request of `api:request`, to any path.
function request.free(given, config)
  local method = given.method or "GET"
  if methods[method] == nil then
    misuse(("api:request.method: %q is not one of GET, OPTIONS, POST, PUT, PATCH, DELETE"):format(method))
  end
  if given.path == nil then misuse "api:request.path: is missing" end
  if given.path:sub(1, 1) ~= "/" then
    misuse(("api:request.path: should begin with a slash, as \"/Import/All\", but is %q"):format(given.path))
  end
  local body, has_body = given.body, given.body ~= nil
  if method == "POST" and not has_body then body, has_body = {}, true end
  return {
    operation = method .. " " .. given.path, method = method, path = given.path,
    query = request.query(given.query), body = body, has_body = has_body,
    body_text = getmetatable(body) == Text and body.text or nil,
    write = methods[method], interactive = true, raw = given.raw,
    given_headers = request.headers("api:request", given),
    repeatable = given.repeatable, deadline = given.deadline or config.deadline,
  }
end

--- An id as the text in a path: 1 and 1.0 are "1", and no digit is lost.
---@param id flarelight.Id
---@return string
function request.id_text(id)
  local is_exact = math.type and math.type(id) == "integer"
  if type(id) == "number" and not is_exact and id == math.floor(id) then return ("%.0f"):format(id) end
  return tostring(id)
end

-- An id as a member of a body: its digits must not become 1.0 or 1e+15.
local function body_id(id)
  local is_exact = math.type and math.type(id) == "integer"
  if is_exact or type(id) == "string" and id ~= "" or getmetatable(id) == core.integer_metatable then return id end
  if type(id) == "number" and id == math.floor(id) and math.abs(id) <= 2 ^ 53 then return json.integer(id) end
  misuse "id: should be a string that is not empty, or a whole number (beyond 2^53 as a string)"
end

--- The body of POST /Import/Data. It has only the members that are given, and always sendEvents. An empty table of
-- records is sent as an array.
---@param members { data: any, records: any, name: string?, description: string?, send_events: boolean?, id: any }
function request.import_body(members, update_key)
  local data = members.data
  if members.records ~= nil then
    data = { records = members.records }
  end
  if type(data.records) == "table" and next(data.records) == nil then
    local copy = {}
    for name, value in pairs(data) do copy[name] = value end
    copy.records, data = json.array {}, copy
  end
  local body = {
    data = data, name = members.name, description = members.description,
    sendEvents = members.send_events ~= false,
  }
  if members.id ~= nil then
    if body[update_key] ~= nil then misuse(("update_key: %q is a member of the body already"):format(update_key)) end
    body[update_key] = body_id(members.id)
  end
  return body
end

return request
