--- The options with which a user sees and changes what is sent: --debug, --headers, --curl.
--
-- --curl prints the first request as a command of curl, and ends the command before anything is sent. The key stands in
-- it as $FLARELIGHT_API_KEY. Relies on calls.lua, which shows it the requests.

local calls = require "flarelight.calls"
local ending = require "flarelight.cli.ending"
local headers = require "flarelight.headers"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local progress = require "flarelight.cli.progress"
local core = require "flarelight.core"
local status = require "flarelight.cli.status"
local system = require "flarelight.system"

local seeing = {}

-- A header as it is typed: NAME: VALUE.
local function header(text)
  local name, value = text:match "^%s*([^:]-)%s*:%s*(.*)$"
  if not name or name == "" then return nil, ("'%s' is no header, as 'X-Team: data'"):format(text) end
  return { name, value }
end

--- The descriptions of the options that every command with a connection has.
seeing.HELP = {
  debug = "Shows each attempt on standard error: heads, sizes, times, retries. Without the key.",
  headers = "A header of every request, as 'X-Team: data'. As often as needed.",
}

--- Options of every command that sends requests.
function seeing.define(command)
  command:flag("--debug"):description(seeing.HELP.debug):hidden(true)
  command:option("-H --headers"):argname "HEADER":count "*":convert(header):hidden(true)
    :description(seeing.HELP.headers)
end

--- The option of commands that make one call.
function seeing.of_one_call(command)
  command:flag("--curl"):description "Prints the request as a command of curl. Sends nothing, and needs no key."
end

--- The headers of the command line as a table, name to value.
function seeing.headers(args)
  local given
  for _, each in ipairs(args.headers or {}) do
    given = given or {}
    if given[each[1]] then ending.fail(status.USAGE, ("--headers: %q is given twice"):format(each[1])) end
    given[each[1]] = each[2]
  end
  return given
end

-- Writes a line of --debug. A bar is removed before, and drawn again later.
local function write_line(line)
  if progress.current then progress.current:clear() end
  output.complain("flarelight: " .. line)
end

--- Sets the options of the client for this command line.
function seeing.set_options(args, given)
  if not args.own_headers then given.headers = seeing.headers(args) end
  if args.debug or os.getenv "FLARELIGHT_DEBUG" == "1" then given.debug = write_line end
  -- Nothing is sent, so no key is needed. This text is shown nowhere.
  if args.curl then given.api_key, given.api_key_file = "no-key", nil end
end

-- --- --curl ---

local quote = system.quote

-- The words of the client's options for TLS and the proxy.
local function words_of(config)
  local words = {}
  for _, pair in ipairs { { "ca_file", "--cacert" }, { "client_cert", "--cert" }, { "client_key", "--key" } } do
    if config[pair[1]] then words[#words + 1] = pair[2] .. " " .. quote(config[pair[1]]) end
  end
  if config.proxy then
    local scheme, user, rest = config.proxy:match "^(%a*:?/?/?)(.*@)(.*)$"
    words[#words + 1] = "--proxy " .. quote(user and scheme .. rest or config.proxy)
    -- Its user and password are a secret, too.
    if user then words[#words + 1] = '--proxy-user "$PROXY_USER"' end
  end
  return words
end

-- The query of a prepared request; that of the first page of a stream.
local function query_of(prepared)
  if not prepared.page_size then return prepared.query or "" end
  return ("?start=%.0f&count=%.0f"):format(prepared.start or 0, prepared.page_size)
end

-- The header lines, those that flarelight sets included.
local function lines_of(prepared, config, has_body)
  local lines, given = {}, {}
  for line in (prepared.headers or ""):gmatch "[^%z]+" do
    lines[#lines + 1] = line
    given[line:match "^[^:]+":lower()] = true
  end
  local function add(name, value)
    if value and not given[name:lower()] then table.insert(lines, 1, name .. ": " .. value) end
  end
  add("Content-Type", has_body and "application/json" or nil)
  add("Accept", prepared.raw and "*/*" or "application/json")
  add("X-Request-Id", prepared.request_id)
  add("X-Subscription-Id", config.subscription_id)
  return lines
end

--- A prepared request (of request.lua) as a command of curl for sh.
---@param prepared table
---@param method string
---@param config table
---@return string
function seeing.curl(prepared, method, config)
  local body, has_body = nil, prepared.has_body or method == "POST"
  if has_body then body = prepared.body_text or json.encode(prepared.has_body and prepared.body or {}) end
  local words = { "curl -sS --globoff --path-as-is --compressed" }
  if method ~= (has_body and "POST" or "GET") then words[#words + 1] = "-X " .. method end
  words[#words + 1] = "-A " .. quote(config.user_agent)
  for _, word in ipairs(words_of(config)) do words[#words + 1] = word end
  words[#words + 1] = '-H "X-Api-Key: $FLARELIGHT_API_KEY"'
  for _, line in ipairs(lines_of(prepared, config, has_body)) do words[#words + 1] = "-H " .. quote(line) end
  if has_body then words[#words + 1] = "--data-binary " .. quote(body) end
  local path = core.path(prepared.path, prepared.id) or prepared.path
  words[#words + 1] = quote(config.base_url .. path .. query_of(prepared))
  return table.concat(words, " \\\n  ")
end

--- With --curl, ends the command at the first request of a client, and prints it. Checks the headers in any case,
-- before anything is sent.
function seeing.watch(args, api)
  if args.own_headers then headers.check("--headers", seeing.headers(args)) end
  if not args.curl then return end
  local config = calls.config(api)
  calls.intercept(api, function(prepared, method)
    ending.raise { status = status.DONE, text = seeing.curl(prepared, method, config) }
  end)
end

return seeing
