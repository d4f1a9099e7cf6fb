-- Environments: which value of a setting counts, what a wrong configuration file is told as, who may write it, and the
-- command that prints the key.

local flarelight = require "flarelight"
local settings = require "flarelight.settings"
local support = require "support"
local system = require "support.system"

local ONE, OTHER = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"

describe("an environment", function()
  local opened = support.opened(after_each)
  local folder, path, variables
  local getenv = os.getenv

  before_each(function()
    folder = system.folder()
    path = folder .. "/flarelight/config.ini"
    system.shell("mkdir " .. folder .. "/flarelight")
    variables = { XDG_CONFIG_HOME = folder, HOME = folder .. "/home" }
    os.getenv = function(name) return variables[name] end -- luacheck: ignore 122
  end)
  after_each(function() os.getenv = getenv end) -- luacheck: ignore 122

  local function config(text, mode)
    system.write(path, text)
    system.shell(("chmod %s %s"):format(mode or "600", path))
  end

  local function opening(given)
    local api, message, err = flarelight.new(given)
    if api then opened.later(function() api:close() end) end
    return api, message, err
  end

  local function values(given)
    local found = {}
    for _, each in ipairs((assert(opening(given)):settings())) do found[each.name] = each end
    return found
  end

  local PROD = ("[prod]\nregion = eu\napi_key = hidden\nsubscription_id = %s\nconnect_timeout = 3.5\n"):format(ONE)

  it("beats nothing but the default: an option counts first, then a variable, then the file", function()
    config(PROD .. "max_attempts = 7\n[test]\nregion = us\napi_key_file = key\nsubscription_id = " .. OTHER .. "\n")
    system.write(folder .. "/flarelight/key", "hidden\n")
    variables.FLARELIGHT_MAX_ATTEMPTS, variables.FLARELIGHT_REGION = "5", "ap"
    local found = values { environment = "prod", connect_timeout = 2 }
    assert.are.same({ 2, "option" }, { found.connect_timeout.value, found.connect_timeout.from })
    assert.are.same({ 5, "FLARELIGHT_MAX_ATTEMPTS" }, { found.max_attempts.value, found.max_attempts.from })
    assert.are.same({ "ap", "FLARELIGHT_REGION" }, { found.region.value, found.region.from })
    assert.is_nil(found.base_url)
    assert.are.same({ ONE, path .. " [prod]" }, { found.subscription_id.value, found.subscription_id.from })
    assert.is_nil(found.api_key.value)
    variables.FLARELIGHT_ENVIRONMENT, variables.FLARELIGHT_REGION = "test", nil
    assert.are.equal("flarelight client of https://integration.us.flarelight.cloud", tostring(assert(opening())))
    assert.are.equal(folder .. "/flarelight/key", values().api_key_file.value)
    assert.are.equal(ONE, values { environment = "prod" }.subscription_id.value)
  end)

  it("reads every kind of value from the file and from a variable", function()
    local texts = {
      allow_insecure_http = { "yes", true }, replace_invalid = { "off", false }, read_timeout = { "0.5", 0.5 },
      max_concurrency = { "3", 3 }, update_key = { "import", "import" }, proxy = { "", "" },
    }
    local lines = {}
    for name, case in pairs(texts) do lines[#lines + 1] = name .. " = " .. case[1] end
    config(PROD .. table.concat(lines, "\n"))
    local found = values { environment = "prod" }
    for name, case in pairs(texts) do
      if name ~= "proxy" then assert.are.equal(case[2], found[name].value, name) end
    end
    config(PROD)
    for name, case in pairs(texts) do variables[settings.by_name[name].variable] = case[1] end
    found = values { environment = "prod" }
    for name, case in pairs(texts) do
      if name ~= "proxy" then assert.are.equal(case[2], found[name].value, name) end
    end
  end)

  it("finds its files from the folder of the configuration file and from the home", function()
    system.shell(("mkdir %s/home && cp README.md %s/home/ca.pem && cp README.md %s/flarelight/cert.pem"):format(
      folder, folder, folder))
    config(PROD .. "ca_file = ~/ca.pem\nclient_cert = cert.pem\nstate = none\n")
    local found = values { environment = "prod" }
    assert.are.equal(folder .. "/home/ca.pem", found.ca_file.value)
    assert.are.equal(folder .. "/flarelight/cert.pem", found.client_cert.value)
    local _, message = assert(opening { environment = "prod" }):forget "x"
    assert.matches("state", message)
  end)

  -- the file, the environment -> the message, without the path before it
  local cases = {
    { PROD, "prd", " has no section %[prd%]: is it prod%?$" },
    { PROD, "nonsense", " has no section %[nonsense%]; it has prod$" },
    { "", "prod", " has no section %[prod%]; it has none$" },
    { PROD .. "reguon = eu\n", "prod", ', line 6: the key "reguon" is not known; is it region%?$' },
    { PROD .. "conect-timeout = 1\n", "prod", "; is it connect_timeout%?$" },
    { PROD .. "colour = hidden\n", "prod", 'the key "colour" is not known %(known: allow_insecure_http, api_key, ' },
    { PROD .. "[other]\ncolour = hidden\n", "prod", ', line 7: the key "colour"' },
    { "region = eu\n" .. PROD, "prod", ", line 1: stands before the first %[section%]$" },
    { PROD .. "region = us\n", "prod", ", line 6: region stands twice in %[prod%]; " },
    { PROD .. " region = us\n", "prod", ", line 6: connect_timeout stands twice in %[prod%]; a line that begins" },
    { PROD .. "hidden\n", "prod", ", line 6 is neither a %[section%] nor name = value$" },
    { PROD .. "proxy = " .. ("hidden"):rep(100) .. "\n", "prod", ", line 6 is too long$" },
    { PROD .. "proxy = a\0b\n", "prod", " holds a NUL byte$" },
    { PROD .. "max_attempts = many\n", "prod", ', line 6: max_attempts should be a whole number above 0, but is "many"$' },
    { PROD .. "max_attempts = 0x10\n", "prod", 'should be a whole number above 0, but is "0x10"$' },
    { PROD .. "read_timeout = 0\n", "prod", 'should be a number of seconds above 0, but is "0"$' },
    { PROD .. "trust_short_page = maybe\n", "prod", 'should be true or false, but is "maybe"$' },
    { PROD .. "key_command = pass x\n", "prod", ": key_command stands beside api_key: give only one of api_key, " },
    { PROD:gsub("region = eu", "region = E U"), "prod", ", line 2: region should be lower%-case letters" },
    { PROD:gsub("%-4000%-", "-hidden-"), "prod", ", line 4: subscription_id should be a UUID" },
    { PROD .. "ca_file = nowhere.pem\n", "prod", "flarelight/nowhere.pem: No such file" },
  }
  for number, case in ipairs(cases) do
    it(("%d: a file is refused: %s"):format(number, case[3]:gsub("[%%^$]", "")), function()
      config(case[1])
      local api, message, err = opening { environment = case[2] }
      assert.is_nil(api)
      assert.are.equal("config", err.kind)
      assert.matches(case[3], message)
      assert.is_nil(message:find "hidden", message)
    end)
  end

  it("is refused if the file is missing, or others may write it; a key that others may read is a warning", function()
    local _, message = opening { environment = "prod" }
    assert.are.equal(("environment prod: %s: No such file or directory"):format(path), message)
    for mode, expected in pairs { ["620"] = true, ["602"] = true, ["666"] = true, ["644"] = false, ["600"] = false } do
      config(PROD, mode)
      local api, why = opening { environment = "prod" }
      assert.are.equal(expected, api == nil, mode)
      if expected then assert.matches("may be written by other users: chmod go%-w takes that away$", why) end
      local _, warnings = (api or { settings = function() end }):settings()
      if mode == "644" then assert.matches("holds a key, and other users may read it: chmod go%-r", warnings[1]) end
      if mode == "600" then assert.are.same({}, warnings) end
    end
    variables.XDG_CONFIG_HOME, variables.HOME = nil, nil
    assert.matches("neither XDG_CONFIG_HOME nor HOME is an absolute path", (select(2, opening { environment = "prod" })))
  end)

  it("names the environments where a setting is missing and none is chosen", function()
    config(PROD .. "[test]\nregion = us\n")
    local there = "; the configuration file has environments (prod, test), and FLARELIGHT_ENVIRONMENT chooses one"
    for _, given in ipairs { {}, { api_key = "k" }, { api_key = "k", subscription_id = ONE } } do
      local _, message, err = opening(given)
      assert.are.equal("config", err.kind)
      assert.are.equal(there, message:match ";.*$")
    end
    local _, message = opening { environment = "test" }
    assert.is_nil(message:find("has environments", 1, true), message)
    config "nonsense"
    _, message = opening {}
    assert.is_nil(message:find("has environments", 1, true), message)
  end)

  it("reads no file and loads no module without a name", function()
    config "nonsense"
    local given = { api_key = "k", region = "eu", subscription_id = ONE }
    local loaded = package.loaded["flarelight.ini_core"]
    package.loaded["flarelight.ini_core"] = nil
    assert(opening(given))
    assert.is_nil(package.loaded["flarelight.ini_core"])
    package.loaded["flarelight.ini_core"] = loaded
    for _, name in ipairs { "", "environment" } do
      if name == "" then variables.FLARELIGHT_ENVIRONMENT = "" end
      assert(opening(given))
    end
  end)

  describe("with a key_command", function()
    local sandbox, count
    before_each(function()
      sandbox = opened.sandbox()
      count = folder .. "/count"
    end)

    local function client(command, more)
      local given = support.with({
        key_command = command, base_url = sandbox.url, subscription_id = sandbox.subscription_id,
      }, more)
      return assert(opening(given))
    end

    it("sends its output, trimmed, and runs it once for all calls", function()
      local api = client(("echo >>%s; printf ' \\n%s\\n\\n'"):format(count, sandbox.api_key))
      assert.is_nil(system.read(count)) -- only when it is needed
      local results, failed = api:map({ 1, 2, 3 }, function() return api.imports:all() end)
      assert.are.equal(0, failed, tostring(results[1].err))
      assert(api.imports:all())
      assert.are.equal("\n", system.read(count))
    end)

    it("runs it again after a 401, so that keys can rotate", function()
      local key = system.file("wrong", ".key")
      local api = client(("echo >>%s; cat %s; printf %%s %s >%s"):format(count, key, sandbox.api_key, key))
      assert(api.imports:all())
      assert.are.equal("\n\n", system.read(count))
      system.write(key, "wrong")
      assert(api.imports:all()) -- the key that was right is kept
      assert.are.equal("\n\n", system.read(count))
    end)

    -- the command -> the message behind "key_command: "
    local failures = {
      { "echo hidden; exit 3", "the command ended with status 3" },
      { "echo hidden; kill -9 $$", "the command was ended by a signal" },
      { "hidden_no_such_command 2>/dev/null", "the command ended with status 127" },
      { "true", "the output is empty" }, { "echo; echo", "the output is empty" },
      { "echo hid den", "the output holds a space" }, { "echo hid; echo den", "the output holds a line break" },
      { "yes hidden", "the command has printed more than 65536 bytes" },
    }
    for _, case in ipairs(failures) do
      it("tells that " .. case[2] .. ": " .. case[1], function()
        local api = client(case[1])
        local data, message, err = api.imports:all()
        assert.is_nil(data)
        assert.are.same({ "config", "key_command: " .. case[2] }, { err.kind, message })
        local _, told, why = api.automations:execute(1)
        assert.are.same({ message, "not_sent" }, { told, why.fate })
        assert.are.equal(0, #sandbox:requests())
      end)
    end

    it("has its own standard input, and its words reach the one who waits", function()
      local api = client "read line && echo hidden || echo sandbox-key"
      assert(api.imports:all())
    end)

    it("lets other tasks run meanwhile", function()
      local api = client(("until [ -e %s ]; do sleep 0.01; done; echo sandbox-key"):format(count))
      local task = api:spawn(function() return api.imports:all() end)
      api:update(0.01)
      assert.is_false(task.finished or false)
      system.write(count, "") -- from the code that the command did not block
      support.update_until(api, function() return task.finished end)
      assert.is_truthy((task:result()))
    end)
  end)
end)
