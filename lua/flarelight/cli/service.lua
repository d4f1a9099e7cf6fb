--- flarelight quota, doctor, version: the rate budget, checks of the installation and the service, versions.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local ending = require "flarelight.cli.ending"
local flarelight = require "flarelight"
local output = require "flarelight.cli.output"
local status = require "flarelight.cli.status"

local service = {}

local function interpreter()
  local jit = rawget(_G, "jit")
  return jit and jit.version or _VERSION
end

local function version(_, out)
  out:facts({
    { "flarelight", flarelight._VERSION }, { "Lua", interpreter() }, { "libraries", core.libraries() },
  }, { version = flarelight._VERSION, lua = interpreter(), libraries = core.libraries() })
end

-- --- quota ---

local function quota(args, out)
  local api = context.client(args, { state = context.state(args) })
  -- If the budget is not known, one cheap request finds it out.
  local known = api:quota()
  if not known.limit then
    ending.expect(api.imports:all())
    known = api:quota()
  end
  local function seconds(value) return value and output.duration(value) end
  out:facts({
    { "limit", known.limit and output.count(known.limit) .. " requests a minute" or "the service does not say" },
    { "left", known.remaining and output.count(known.remaining) },
    { "resets in", seconds(known.reset_in) },
    { "pace", known.pace and ("%.1f requests a second"):format(known.pace) },
    { "waiting", known.waiting }, { "spent here", known.spent }, { "spent by others", known.foreign },
    { "kept in", known.place },
  }, known)
end

-- --- doctor ---

-- The checks run in order. Each takes the table `found`, in which earlier checks have left their findings, and returns
-- "ok", "warning", "failed" or "skipped", and a text, which never holds the key.

local function check_lua()
  return "ok", ("flarelight %s on %s"):format(flarelight._VERSION, interpreter())
end

local function check_libraries()
  local libraries = core.libraries()
  local major, minor = libraries:match "libcurl/(%d+)%.(%d+)"
  if tonumber(major) * 1000 + tonumber(minor) < 7080 then
    return "failed", libraries .. ": libcurl 7.80 or newer is needed"
  end
  -- `version` lists the other libraries.
  return "ok", libraries:match "^%S+ %S+" or libraries
end

local function check_programs()
  local pipe = io.popen "gnuplot --version 2>/dev/null"
  local said = pipe and pipe:read "*l"
  if pipe then pipe:close() end
  if said then return "ok", said end
  return "warning", "there is no gnuplot: charts as SVG and PNG cannot be drawn"
end

local function check_key(found)
  local args = found.args
  local source = args.key_file and "--key-file"
    or (os.getenv "FLARELIGHT_API_KEY" or "") ~= "" and "FLARELIGHT_API_KEY"
    or (os.getenv "FLARELIGHT_API_KEY_FILE" or "") ~= "" and "FLARELIGHT_API_KEY_FILE"
  if not source then return "failed", "no key: set FLARELIGHT_API_KEY or FLARELIGHT_API_KEY_FILE" end
  local path = args.key_file or source == "FLARELIGHT_API_KEY_FILE" and os.getenv "FLARELIGHT_API_KEY_FILE"
  found.source = source
  if path then
    local pipe = io.popen("find -L " .. context.quote(path) .. " -maxdepth 0 -perm /077 2>/dev/null")
    local open = pipe and pipe:read "*l"
    if pipe then pipe:close() end
    if open then return "warning", ("%s: other users may read %s"):format(source, path) end
  end
  return "ok", "from " .. source
end

local function check_configuration(found)
  local given = context.options(found.args, { state = found.state, max_attempts = 1 })
  local api, message = flarelight.new(given)
  if not api then return "failed", message end
  found.api = api
  return "ok", tostring(api):gsub("flarelight client of ", "")
end

local function check_state(found)
  if found.args.state == "none" then return "skipped", "--state none" end
  local made, path = pcall(context.state, found.args)
  if not made then return "failed", type(path) == "table" and path.message or tostring(path) end
  local shared, file = found.args.shared_files, io.open(path, "rb")
  local good, message
  if file then
    file:close()
    local fault = core.file_fault(path, shared)
    if fault then return "failed", ("%s: is refused: %s"):format(path, fault) end
    good, message = io.open(path, "ab")
    if good then good:close() end
  else
    good, message = core.create_owned(path, shared)
  end
  if not good then return "failed", message end
  found.state = path
  return "ok", path
end

local function check_service(found)
  if not found.api then return "skipped", "there is no client" end
  local data, meta, err = found.api.imports:all { deadline = 30 }
  found.meta = data ~= nil and meta or err
  found.secure = tostring(found.api):find "https://" ~= nil
  if data == nil then
    found.failure = err
    local source = err.kind == "unauthorized" and found.source and (" (the key is from %s)"):format(found.source) or ""
    return "failed", meta .. source
  end
  return "ok", ("GET /Import/All: %d, %s, %.0f ms"):format(meta.status,
    output.counted(type(data) == "table" and #data or 0, "import"), meta.elapsed * 1000)
end

local function check_tls(found)
  if not found.meta then return "skipped", "nothing was reached" end
  if found.failure and found.failure.kind == "tls" then return "failed", found.failure.message end
  if not found.meta.status then return "skipped", "nothing was reached" end
  if not found.secure then return "warning", "plain http: safe only for a service on this machine, as the sandbox" end
  return "ok", "the certificate is good for this host"
end

local function check_clock(found)
  local meta = found.meta
  if not (meta and meta.status) then return "skipped", "nothing was reached" end
  if not meta.date then return "warning", "the replies have no Date header" end
  local skew = meta.date - (found.asked_at or os.time())
  local text = ("this clock is %s %s the service's"):format(output.duration(math.abs(skew)),
    skew > 0 and "behind" or "ahead of")
  if math.abs(skew) <= 2 then return "ok", "this clock and the service's agree" end
  -- A wrong clock affects certificates and os.date. The rate budget uses the service's clock.
  return math.abs(skew) > 300 and "failed" or "warning", text
end

local function check_rate(found)
  local rate = found.meta and found.meta.rate_limit
  if not (found.meta and found.meta.status) then return "skipped", "nothing was reached" end
  if not rate and found.failure then return "skipped", "the service refused the request" end
  if not rate then return "warning", "the service does not say its rate limit" end
  return "ok", ("%s requests a minute, %s left"):format(rate.limit or "?", rate.remaining or "?")
end

local CHECKS = {
  { "lua", check_lua }, { "libraries", check_libraries }, { "programs", check_programs }, { "key", check_key },
  { "state", check_state }, { "configuration", check_configuration }, { "service", check_service },
  { "tls", check_tls }, { "clock", check_clock }, { "rate limit", check_rate },
}

local function doctor(args, out)
  local found, results, worst = { args = args }, {}, status.DONE
  for i, check in ipairs(CHECKS) do
    found.asked_at = os.time()
    local result, text = check[2](found)
    results[i] = { check = check[1], result = result, detail = text }
    if result == "failed" then worst = status.FAILED end
    if not out.json then output.write(("%-9s %-14s %s\n"):format(result, check[1], text)) end
  end
  if out.json then output.write(output.encode(results)) end
  if found.api then found.api:close() end
  return worst
end

function service.define(parser, define)
  local command = define(parser, "quota",
    "Prints the rate limit and what is left of it. Sends one request if nothing is known yet.", quota)
  context.connecting(command)
  command = define(parser, "doctor",
    "Checks key, configuration, libraries, network and clock. Sends one request.", doctor)
  context.connecting(command)
  command = define(parser, "version", "Prints the versions of flarelight, Lua and the libraries.", version)
  context.printing(command)
end

return service
