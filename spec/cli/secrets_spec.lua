--- No secret stands in what any command prints: the API key, the passwords of proxies and of a state in PostgreSQL. Every
-- command runs with marked secrets, with and without --debug and --json, and in situations in which it fails.

local commands = require "support.command"
local names = require "support.names"
local support = require "support"
local system = require "support.system"

-- The same for every Lua, and many starts of the command.
if not system.reference or system.checked then return end

local KEY, PROXY, DATABASE = "Marked=Key/7+x", "Proxy-Secret", "Database-Secret"
local FORMS = {
  KEY, "Marked%3DKey%2F7%2Bx", "Marked=Key\\/7+x", "TWFya2VkPUtleS83K3", -- the last one: base64
  PROXY, "bWU6UHJveHktU2VjcmV0", DATABASE,                               -- "me:Proxy-Secret" in base64
}

-- Command -> lines of it: one that does its work, and some that fail.
local LINES = {
  ["imports list"] = { "imports list", "imports list --curl", "imports list --key-file missing" },
  ["imports data"] = { "imports data 1 --count 1", "imports data 99" },
  ["imports rows"] = { "imports rows 1 --limit 1", "imports rows 1 -o rows.csv", "imports rows 1 -o /nowhere/rows.csv" },
  ["imports upload"] = {
    "imports upload people.csv", "imports upload people.csv --key once", "imports upload missing.csv", "imports upload -",
  },
  ["imports diff"] = { "imports diff people.csv 1" },
  ["imports pending"] = { "imports pending" },
  ["imports resume"] = { "imports resume", "imports resume nothing" },
  ["imports forget"] = { "imports forget nothing", "imports forget --key nothing" },
  ["automations execute"] = { "automations execute 1", "automations execute 99" },
  ["preparations list"] = { "preparations list" },
  ["preparations execute"] = { "preparations execute 1 --wait=5", "preparations execute 1 --once night" },
  ["reports list"] = { "reports list" },
  ["reports generate"] = { "reports generate 1", "reports generate 1 --parameters '{'" },
  ["reports chart"] = {
    "reports chart --report 1", "reports chart --report 1 --format html", "reports chart --report 1 --format csv",
  },
  runs = { "runs" },
  ["runs list"] = { "runs list --limit 3" },
  ["runs show"] = { "runs show once", "runs show night", "runs show nothing" },
  ["runs forget"] = { "runs forget nothing" },
  ["runs settle"] = { "runs settle nothing --again" },
  api = {
    "api /Import/All", "api /nowhere", "api /Import/All --raw", "api /Import/1/Data --paginate -f count=5000",
    "api POST /Import/Data -F name=x",
  },
  quota = { "quota", "quota --watch --count 2 --interval 0.01" },
  version = { "version" },
  doctor = { "doctor" },
  plan = { "plan people.csv", "plan missing.csv" },
  calibrate = { "calibrate", "calibrate --yes -o found.json" },
  torture = {
    "torture --limit 1 --servers plain script.lua", "torture missing.lua",
    "torture --state postgresql://me:" .. DATABASE .. "@127.0.0.1:1/none script.lua",
  },
  sandbox = { "sandbox -- true", "sandbox --fault imports.all:status -- flarelight imports list" },
  ["sandbox pull"] = { "sandbox pull -o pulled-$$.db --rows 1" },
  completion = {
    "completion bash", "completion zsh", "completion fish", "completion words ids", "completion words tokens",
    "completion words keys",
  },
  help = { "help options", "help man", "help imports upload" },
}
-- Commands that have no --debug or no --json.
local function modes_of(command)
  local has = {}
  for _, option in ipairs(command._options) do
    for _, alias in ipairs(option._aliases) do has[alias] = true end
  end
  local modes = { "" }
  if has["--debug"] then modes[#modes + 1] = " --debug" end
  if has["--debug"] and has["--json"] then modes[#modes + 1] = " --json --debug" end
  return modes
end

describe("no secret is in the output of", function()
  local folder, environment, sandbox
  local all = commands.all()

  setup(function()
    folder = system.folder()
    sandbox = support.sandbox { definitions = "examples/definitions.lua", api_key = KEY, rate_limit = 100000 }
    environment = commands.environment(sandbox, folder) .. "\ncd " .. system.shell "pwd":match "[^\n]+"
    local api = support.client(sandbox)
    assert(api.imports:upload { file = "examples/data/birdstrikes.csv", name = "strikes" })
    assert(api.automations:execute(1))
    api:close()
    system.write(folder .. "/people.csv", "id,name\n1,Ada\n2,Grace\n")
    system.write(folder .. "/script.lua", "print(os.getenv 'FLARELIGHT_API_KEY' ~= nil)\n")
  end)
  teardown(function() sandbox:stop() end)

  -- Runs a line; fails if a secret is in what it prints.
  local function check(line, variables)
    local shown = {}
    local out, err, status = commands.shell(folder, environment, ([[
      root=$PWD
      flarelight() { FLARELIGHT_LUA=%s timeout -s KILL 120 "$root/bin/flarelight" "$@"; }
      PATH=$root/bin:$PATH
      cd %s
      %s flarelight %s </dev/null]]):format(system.quote(system.interpreter), system.quote(folder), variables or "", line))
    for _, text in ipairs { out, err } do
      for _, form in ipairs(FORMS) do
        if text:lower():find(form:lower(), 1, true) then shown[#shown + 1] = form .. " in: " .. text end
      end
    end
    assert.are.same({}, shown, line)
    return status, out .. err
  end

  it("no command that is missing in the lines", function()
    local acting = {}
    for name, each in pairs(all) do acting[name] = commands.acts(each) or nil end
    assert.are.same(names.sorted(acting), names.sorted(LINES))
  end)

  for _, name in ipairs(names.sorted(LINES)) do
    it(name, function()
      local modes = modes_of(all[name])
      for place, line in ipairs(LINES[name]) do
        -- The first line of each works: a line with a wrong option would show nothing.
        for each = place == 1 and 1 or math.min(2, #modes), place == 1 and #modes or math.min(2, #modes) do
          local status, text = check(line .. modes[each])
          -- An unknown token or key has status 2, too, and is no wrong option.
          local misused = status == 2 and not text:find("the state file has no", 1, true)
          assert.is_false(place == 1 and misused, line .. modes[each] .. "\n" .. text)
        end
      end
    end)
  end

  local SOME = { "imports list --debug", "doctor", "imports upload people.csv --debug", "runs", "imports pending --json" }

  it("commands whose key is refused", function()
    for _, line in ipairs(SOME) do
      sandbox:fault { kind = "status", status = 401, times = 9 }
      check(line)
      sandbox:clear_faults()
    end
  end)

  local situations = {
    { "a service that cannot be reached", "FLARELIGHT_BASE_URL=http://127.0.0.1:1" },
    { "a proxy with a password", "FLARELIGHT_PROXY=http://me:Proxy-Secret@127.0.0.1:1" },
    { "a proxy whose URL is malformed", "FLARELIGHT_PROXY=http://me:Proxy-Secret@[127.0.0.1:1" },
    { "a proxy of the system's variables", "FLARELIGHT_BASE_URL=https://service.invalid https_proxy=http://me:Proxy-Secret@127.0.0.1:1" },
    { "a command for the key", "FLARELIGHT_API_KEY= FLARELIGHT_KEY_COMMAND='echo Marked=Key/7+x'" },
    { "a command that fails", "FLARELIGHT_API_KEY= FLARELIGHT_KEY_COMMAND='echo Marked=Key/7+x; exit 1'" },
    { "a key of two lines", "FLARELIGHT_API_KEY='Marked=Key/7+x\nMarked=Key/7+x'" },
    { "a state in PostgreSQL that cannot be reached", "FLARELIGHT_STATE=postgresql://me:Database-Secret@127.0.0.1:1/db" },
    { "such a state with the password as an option", "FLARELIGHT_STATE='postgresql://127.0.0.1:1/db?passw%6frd=Database-Secret'" },
    { "such a state whose password has a slash", "FLARELIGHT_STATE=postgresql://me:1/Database-Secret@127.0.0.1:1/db" },
    { "such a state whose password has a question mark", "FLARELIGHT_STATE=postgresql://me:1?Database-Secret@127.0.0.1:1/db" },
    { "such a state whose password has an at sign", "FLARELIGHT_STATE=postgresql://me:1@Database-Secret@127.0.0.1:1/db" },
  }
  for _, case in ipairs(situations) do
    it("commands with " .. case[1], function()
      for _, line in ipairs(SOME) do check(line, case[2]) end
    end)
  end

  it("commands with secrets in a configuration file", function()
    system.shell(("mkdir -p %s/config/flarelight"):format(folder))
    local path = folder .. "/config/flarelight/config.ini"
    system.write(path, ([[
[key]
api_key = %s
[proxied]
proxy = http://me:%s@127.0.0.1:1
state = postgresql://me:%s@127.0.0.1:1/db
[broken]
api_key = %s
proxi = http://me:%s@127.0.0.1:1
]]):format(KEY, PROXY, DATABASE, KEY, PROXY))
    system.shell("chmod 644 " .. path)
    for _, section in ipairs { "key", "proxied" } do
      for _, line in ipairs(SOME) do
        check(line, ("XDG_CONFIG_HOME=%s/config FLARELIGHT_ENVIRONMENT=%s"):format(folder, section))
      end
    end
    for _, line in ipairs(SOME) do
      check(line, ("FLARELIGHT_API_KEY= XDG_CONFIG_HOME=%s/config FLARELIGHT_ENVIRONMENT=key"):format(folder))
    end
  end)
end)
