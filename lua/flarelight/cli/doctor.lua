--- flarelight doctor: checks the installation, the settings, and the way to the service. Tells where each value came
-- from, and what to do about each finding. Relies on csrc/lua/diagnosis.c for names and certificates.

local configuration = require "flarelight.configuration"
local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local failure = require "flarelight.upload.failure"
local flarelight = require "flarelight"
local output = require "flarelight.cli.output"
local postgres = require "flarelight.postgres"
local settings = require "flarelight.settings"
local state = require "flarelight.state"
local status = require "flarelight.cli.status"
local wording = require "flarelight.cli.wording"

local doctor = {}

-- The checks run in order. Each takes the table `found`, in which earlier checks have left their findings, and returns
-- "ok", "warning", "failed" or "skipped", a text, which never holds the key, and an advice where there is one.

local function check_lua()
  return "ok", ("flarelight %s on %s"):format(flarelight._VERSION, context.interpreter())
end

local function check_libraries()
  local libraries = core.libraries()
  local major, minor = libraries:match "libcurl/(%d+)%.(%d+)"
  if tonumber(major) * 1000 + tonumber(minor) < 7080 then
    return "failed", libraries .. ": libcurl 7.80 or newer is needed", "install a newer libcurl"
  end
  -- `version` lists the other libraries.
  return "ok", libraries:match "^%S+ %S+" or libraries
end

local function check_programs()
  local pipe = io.popen "gnuplot --version 2>/dev/null"
  local said = pipe and pipe:read "*l"
  if pipe then pipe:close() end
  if said then return "ok", said end
  return "warning", "there is no gnuplot: charts as SVG and PNG cannot be drawn", "install gnuplot"
end

-- --- settings ---

local function check_environment(found)
  local name = found.args.environment or os.getenv(settings.ENVIRONMENT)
  if not name or name == "" then return "skipped", "no environment is named, so no configuration file is read" end
  local _, source, err = configuration.find("state", { environment = name }, os.getenv)
  if err then
    found.unread = true
    return "failed", source, "correct the file, or name another environment"
  end
  found.environment = name
  return "ok", ("%s, from %s"):format(name, found.args.environment and "--environment" or settings.ENVIRONMENT)
end

local KEYS = { "api_key", "api_key_file", "key_command" }

-- A check of settings, which would find the fault of an environment that cannot be read once more.
local function of_settings(check)
  return function(found)
    if found.unread then return "skipped", "the environment cannot be read" end
    return check(found)
  end
end

-- Where a value came from, in the command's words.
local function origin(name, source)
  local row = settings.by_name[name]
  return source.from == "option" and row.flag or source.from
end

local function open_to_others(path)
  local pipe = io.popen("find -L " .. context.quote(path) .. " -maxdepth 0 -perm /077 2>/dev/null")
  local open = pipe and pipe:read "*l"
  if pipe then pipe:close() end
  return open ~= nil
end

local function check_key(found)
  local given = context.options(found.args)
  -- The strongest level counts, and in it the first of KEYS.
  local name, source
  for _, each in ipairs(KEYS) do
    local value, one, err = configuration.find(each, given, os.getenv)
    if err then return "failed", wording.of(one) end
    if value and (not source or one.level < source.level) then name, source = each, one end
  end
  if not source then
    return "failed", "no key: set FLARELIGHT_API_KEY or FLARELIGHT_API_KEY_FILE",
      "make a key in the service's settings, write it to a file that only you can read, and give --key-file FILE"
  end
  found.source = origin(name, source)
  if name == "api_key_file" and open_to_others(source.value) then
    return "warning", ("%s: other users may read %s"):format(found.source, source.value),
      "chmod 600 " .. context.quoted(source.value)
  end
  return "ok", (name == "key_command" and "from the command of " or "from ") .. found.source
end

local function check_configuration(found)
  local given = context.options(found.args, { state = found.state, max_attempts = found.args.max_attempts or 1 })
  local api, message = flarelight.new(given)
  if not api then
    return "failed", wording.of(message), "correct the setting: the message begins with where it came from"
  end
  local _, warnings = api:settings()
  found.api, found.base = api, tostring(api):gsub("flarelight client of ", "")
  if warnings[1] then return "warning", warnings[1] end
  return "ok", found.base
end

-- Whether the session is encrypted, or stays on the machine.
local DATABASE = "SELECT current_setting('server_version') AS version, "
  .. "(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls, "
  .. "(inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1') AS here, "
  .. "(SELECT count(*) FROM uploads WHERE state <> 'done') AS unfinished"

-- Connects to a state in PostgreSQL, which makes or brings up its tables, and tells what is there.
local function check_database(url)
  local advice = "--state URL names another database, --state none does without"
  -- Nothing is sent to this service.
  local api, message = flarelight.new { state = url, api_key = "none", base_url = "http://127.0.0.1",
    subscription_id = "00000000-0000-0000-0000-000000000000" }
  if not api then return "failed", wording.of(message), advice end
  local rows, why = failure.caught(function() return state.of(api):try(state.sql(DATABASE)) end)
  api:close()
  if not rows then return "failed", why, advice end
  local row = rows[1]
  local text = ("%s: PostgreSQL %s, %s, %s unfinished uploads"):format(postgres.shown(url), row.version,
    row.tls == 1 and "with TLS" or "without TLS", output.count(row.unfinished))
  if row.tls == 1 or row.here == 1 then return "ok", text end
  return "warning", text, "what is sent to the database can be read on the way: add ?sslmode=verify-full to the URL"
end

local function check_state(found)
  if found.args.state == "none" then return "skipped", "--state none" end
  local made, path, from = pcall(context.state, found.args)
  if not made then return "failed", type(path) == "table" and path.message or tostring(path) end
  if not path then return "skipped", "none, from " .. from end
  found.state_from = from
  if postgres.is_url(path) then
    found.state = path
    return check_database(path)
  end
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
  if not good then return "failed", message, "--state FILE names another file, --state none does without" end
  found.state = path
  return "ok", path
end

-- --- the way to the service ---

local function host_of(url)
  return url:match "^%a[%w+.-]*://[^/@]*@%[([^%]]+)%]" or url:match "^%a[%w+.-]*://%[([^%]]+)%]"
    or url:match "^%a[%w+.-]*://[^/@]*@([^/:]+)" or url:match "^%a[%w+.-]*://([^/:]+)" or url:match "^([^/:]+)"
end

local function is_this_machine(host) return host == "localhost" or host == "::1" or host:find "^127%." ~= nil end

-- The proxy of the request to the service: its URL and its origin; nil if there is none. no_proxy is left to libcurl.
local function proxy_of(found)
  local given, source = configuration.find("proxy", context.options(found.args), os.getenv)
  if given then return given ~= "" and given or nil, source and origin("proxy", source) end
  local host = host_of(found.base)
  if is_this_machine(host) then return nil end
  local scheme = found.base:match "^%a+"
  for _, name in ipairs { scheme .. "_proxy", scheme:upper() .. "_PROXY", "all_proxy", "ALL_PROXY" } do
    local value = os.getenv(name)
    -- http_proxy in capitals may be the header of a request, so libcurl ignores it.
    if value and value ~= "" and name ~= "HTTP_PROXY" then return value, name end
  end
end

local function check_proxy(found)
  if not found.api then return "skipped", "there is no client" end
  local proxy, from = proxy_of(found)
  if not proxy then return "skipped", "none" end
  found.proxy_host = host_of(proxy)
  local addresses, message = core.addresses(found.proxy_host)
  if not addresses then
    return "failed", ("%s, from %s: %s"):format(found.proxy_host, from, message), "correct " .. from
  end
  return "ok", ("%s, from %s; its name resolves to %s"):format(found.proxy_host, from, addresses[1])
end

local function check_dns(found)
  if not found.api then return "skipped", "there is no client" end
  local host = host_of(found.base)
  if found.proxy_host then return "skipped", ("the proxy resolves %s"):format(host) end
  local addresses, message = core.addresses(host)
  if addresses then return "ok", ("%s is %s"):format(host, table.concat(addresses, ", ")) end
  return "failed", ("%s: %s"):format(host, message),
    "check --region or --base-url for a misspelling, and that this machine has a network and a DNS server"
end

local ADVICE = {
  unauthorized = "the key is wrong, was revoked, or belongs to another subscription: make a new one",
  forbidden = "the key may not list imports: ask who administers the subscription to allow the Integration API",
  not_found = "the address answers, but not as the service: check --base-url",
  timeout = "a firewall may drop the connection: check --proxy, or raise --connect-timeout",
  network = "check the address, the network and --proxy",
  tls = "the next line tells what the server presented",
  rate_limited = "others have used up the quota: wait for the next minute",
  server = "the service has a failure: try again later",
}

local function check_service(found)
  if not found.api then return "skipped", "there is no client" end
  found.asked_at = os.time()
  local data, meta, err = found.api.imports:all { deadline = 30 }
  found.meta = data ~= nil and meta or err
  found.secure = found.base:find "^https://" ~= nil
  if data == nil then
    found.failure = err
    local source = err.kind == "unauthorized" and found.source and (" (the key is from %s)"):format(found.source) or ""
    return "failed", wording.of(meta) .. source, ADVICE[err.kind]
  end
  return "ok", ("GET /Import/All: %d, %s, %.0f ms"):format(meta.status,
    output.counted(type(data) == "table" and #data or 0, "import"), meta.elapsed * 1000)
end

-- The certificates that the server presents: { { Subject =, Issuer =, ["Expire date"] = }, … } or nil, message.
local function chain_of(found)
  local given = context.options(found.args)
  local proxy = proxy_of(found)
  local function file(name) return (configuration.find(name, given, os.getenv)) end
  local lines, message = core.certificates {
    url = found.base, proxy = proxy or is_this_machine(host_of(found.base)) and "" or nil,
    client_cert = file "client_cert", client_key = file "client_key", timeout = 10,
  }
  if not lines then return nil, message end
  local chain = {}
  for _, line in ipairs(lines) do
    local place, name, value = line:match "^(%a)([%a ]+):(.*)$"
    place = place:byte() - ("A"):byte() + 1
    chain[place] = chain[place] or {}
    chain[place][name] = value
  end
  return chain
end

-- A name as "CN = Example CA", as "Example CA".
local function common_name(name)
  return name and (name:match "CN%s*=%s*([^,]+)" or name) or "?"
end

-- The chain in words: the names from the server's to the authority's that signed the last of them.
local function told(chain)
  local names = {}
  for place, each in ipairs(chain) do names[place] = common_name(each.Subject) end
  local last = chain[#chain]
  if last.Issuer ~= last.Subject then names[#names + 1] = common_name(last.Issuer) end
  return ("%s; valid until %s"):format(table.concat(names, ", signed by "), chain[1]["Expire date"] or "?")
end

local function check_tls(found)
  if not found.meta then return "skipped", "nothing was reached" end
  local failed = found.failure and found.failure.kind == "tls"
  if not failed and not found.meta.status then return "skipped", "nothing was reached" end
  if not found.secure then
    return "warning", "plain http: safe only for a service on this machine, as the sandbox"
  end
  local chain, message = chain_of(found)
  local words = chain and chain[1] and told(chain)
    or "its certificates cannot be read" .. (message and ": " .. message or "")
  if not failed then return "ok", words end
  local signer = chain and chain[1] and common_name(chain[#chain].Issuer)
  return "failed", ("%s (%s)"):format(words, found.failure.message), signer
    and ("if %s is your company's authority, give its certificate with --ca-file FILE; else someone stands between")
      :format(signer) or "check that the address speaks TLS"
end

local function check_clock(found)
  local meta = found.meta
  if not (meta and meta.status) then return "skipped", "nothing was reached" end
  if not meta.date then return "warning", "the replies have no Date header" end
  local skew = meta.date - found.asked_at
  local text = ("this clock is %s %s the service's"):format(output.duration(math.abs(skew)),
    skew > 0 and "behind" or "ahead of")
  if math.abs(skew) <= 2 then return "ok", "this clock and the service's agree" end
  -- A wrong clock affects certificates and os.date. The rate budget uses the service's clock.
  return math.abs(skew) > 300 and "failed" or "warning", text, "set this machine's clock, by NTP for example"
end

local function check_rate(found)
  local rate = found.meta and found.meta.rate_limit
  if not (found.meta and found.meta.status) then return "skipped", "nothing was reached" end
  if not rate and found.failure then return "skipped", "the service refused the request" end
  if not rate then return "warning", "the service does not say its rate limit", "give --rate-limit N if you know it" end
  local text = ("%s requests a minute, %s left"):format(rate.limit or "?", rate.remaining or "?")
  if rate.remaining and rate.limit and rate.remaining < rate.limit / 10 then
    return "warning", text, "other programs use the quota, too: calls may have to wait"
  end
  return "ok", text
end

local CHECKS = {
  { "lua", check_lua }, { "libraries", check_libraries }, { "programs", check_programs },
  { "environment", check_environment },
  { "key", of_settings(check_key) }, { "state", of_settings(check_state) },
  { "configuration", of_settings(check_configuration) }, { "proxy", check_proxy }, { "dns", check_dns },
  { "service", check_service }, { "tls", check_tls }, { "clock", check_clock }, { "rate limit", check_rate },
}

-- The settings that were given, with their origins. Values of secrets are not shown.
local function settings_of(found)
  local list = {}
  for _, each in ipairs(found.api and found.api:settings() or {}) do
    local from = origin(each.name, each)
    -- The command itself has given these two as options.
    local set_here = each.from == "option" and found.args[each.name] == nil
    if each.name == "state" then from, set_here = found.state_from or from, false end
    if not set_here then list[#list + 1] = { setting = each.name, value = each.value, from = from } end
  end
  return list
end

local MARGIN = (" "):rep(25)

local function behind_margin(text) return MARGIN .. output.fitted(1, text, #MARGIN) end

local function tell(result, name, text, advice)
  output.write(("%s %-14s %s\n"):format(output.coloured(1, result, ("%-9s"):format(result)), name,
    behind_margin(text):sub(#MARGIN + 1)))
  if advice and result ~= "ok" then output.write(behind_margin("→ " .. advice) .. "\n") end
end

local function run(args, out)
  local found, results, worst = { args = args }, {}, status.DONE
  for i, check in ipairs(CHECKS) do
    local result, text, advice = check[2](found)
    results[i] = { check = check[1], result = result, detail = text, advice = result ~= "ok" and advice or nil }
    if result == "failed" then worst = status.FAILED end
    if not out.json then tell(result, check[1], text, advice) end
    if check[1] == "configuration" then
      for _, each in ipairs(settings_of(found)) do
        results[i].settings = results[i].settings or {}
        table.insert(results[i].settings, each)
        if not out.json then
          output.write(behind_margin(("%s%s, from %s"):format(each.setting:gsub("_", "-"),
            each.value ~= nil and " " .. tostring(each.value) or "", each.from)) .. "\n")
        end
      end
    end
  end
  if out.json then output.write(output.encode(results)) end
  if found.api then found.api:close() end
  return worst
end

function doctor.define(parser, define)
  local command = define(parser, "doctor",
    "Checks settings, key, network, certificates, clock and quota. Sends one request.", run)
  context.connecting(command)
end

return doctor
