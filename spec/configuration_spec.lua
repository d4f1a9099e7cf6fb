-- What a client is made of: options, the environment, the key file; what is misuse and what is an
-- error; where the key goes, and where it never shows.

local configuration = require "flarelight.configuration"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

local SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
local HERE = "configuration_spec%.lua:%d+: flarelight: "

local function given(more)
  local options = { api_key = "k", subscription_id = SUBSCRIPTION, region = "eu" }
  for name, value in pairs(more or {}) do
    if value == "none" then value = nil end
    options[name] = value
  end
  return options
end

-- Runs `run` with these variables and no others.
local function with_environment(variables, run)
  local getenv = os.getenv
  os.getenv = function(name) return variables[name] end -- luacheck: ignore 122
  local ok, message = pcall(run)
  os.getenv = getenv -- luacheck: ignore 122
  if not ok then error(message, 0) end
end

local write_file = system.file

describe("flarelight.new", function()
  describe("raises, where it is called,", function()
    local cases = {
      { { colour = "red" }, 'unknown option "colour" %(known: after, allow_insecure_http, api_key, ' }, { { "k" }, "unknown option 1" },
    }
    local wrong = {
      api_key = 5, subscription_id = 5, region = true, base_url = {}, allow_insecure_http = "yes", connect_timeout = 0,
      read_timeout = -1, write_timeout = "5", deadline = 0 / 0, max_attempts = 0, max_concurrency = 1.5,
      max_response_bytes = -1, null_as_nil = 1, update_key = 1, trust_short_page = "true", rate_limit = 0,
      ca_file = true, client_cert = 1, client_key = 1, proxy = 1, user_agent = 1, on_event = "print",
    }
    for _, name in ipairs { "ca_file", "client_cert", "client_key", "profile", "state" } do
      cases[#cases + 1] = { { [name] = "a\0b" }, "%." .. name .. ": should be a path without NUL bytes" }
    end
    for name, value in pairs(wrong) do
      cases[#cases + 1] = { { [name] = value }, "%." .. name .. ": should be " }
    end
    for _, case in ipairs(cases) do
      it("as to " .. case[2]:gsub("%%", ""), function()
        local ok, message = pcall(function() return flarelight.new(given(case[1])) end)
        assert.is_false(ok)
        assert.matches("^[^\n]*" .. HERE .. "flarelight%.new:? ?" .. case[2], message)
      end)
    end
    it("without showing what may be the key", function()
      for _, secret in ipairs { "hidden", { api_key = 123454321 }, { api_key = { "hidden" } } } do
        local ok, message = pcall(function() return flarelight.new(secret) end)
        assert.is_false(ok)
        assert.matches(HERE, message)
        assert.is_nil(message:find "hidden" or message:find "12345")
      end
    end)
  end)

  it("resolves the paths of files that are opened later, whatever SQLite makes of them", function()
    local folder = system.shell("pwd -P"):gsub("%s+$", "")
    for _, path in ipairs { "nightly.db", ":memory:", "file:x?mode=memory", "./a", "../a" } do
      local found = assert(configuration.read(given { state = path }, function() end))
      assert.are.equal(folder .. "/" .. path, found.state)
    end
    assert.are.equal("/a/b", configuration.read(given { state = "/a/b" }, function() end).state)
    local files = { ca_file = "README.md", client_cert = "./README.md", client_key = "docs/../README.md" }
    local found = assert(configuration.read(given(files), function() end))
    for name, path in pairs(files) do assert.are.equal(folder .. "/" .. path, found[name]) end
  end)

  -- options, environment -> the base URL, or "!" and the message of an error of kind config
  local E_KEY, E_FILE = "FLARELIGHT_API_KEY", "FLARELIGHT_API_KEY_FILE"
  local E_SUBSCRIPTION, E_REGION, E_BASE = "FLARELIGHT_SUBSCRIPTION_ID", "FLARELIGHT_REGION", "FLARELIGHT_BASE_URL"
  local eu = "https://integration.eu.flarelight.cloud"
  local cases = {
    { {}, {}, eu }, { { region = "us-east-1" }, {}, "https://integration.us-east-1.flarelight.cloud" },
    { { region = "none" }, { [E_REGION] = "eu" }, eu },
    { { region = "none" }, { [E_BASE] = "https://a.example" }, "https://a.example" },
    { { region = "none" }, { [E_BASE] = "https://a.example", [E_REGION] = "eu" }, "https://a.example" },
    { { region = "none" }, { [E_BASE] = "", [E_REGION] = "eu" }, eu },
    { { region = "eu" }, { [E_BASE] = "https://a.example", [E_REGION] = "us" }, eu },
    { { base_url = "https://b.example/" }, { [E_BASE] = "https://a.example" }, "https://b.example" },
    { { base_url = "https://b.example:8443/x/y//" }, {}, "https://b.example:8443/x/y" },
    { { base_url = "http://127.0.0.1:80" }, {}, "http://127.0.0.1:80" }, { { base_url = "http://[::1]:80" }, {}, "http://[::1]:80" },
    { { base_url = "http://localhost" }, {}, "http://localhost" }, { { base_url = "http://127.8.9.1" }, {}, "http://127.8.9.1" },
    { { base_url = "http://a.example" }, {}, "!^base_url is http:// to a host that is not this machine" },
    { { base_url = "http://a.example", allow_insecure_http = true }, {}, "http://a.example" },
    { { region = "none" }, { [E_BASE] = "http://a.example" }, "!^FLARELIGHT_BASE_URL is http://" },
    { { base_url = "http://localhost.evil.example" }, {}, "!^base_url is http://" },
    { { base_url = "http://127.0.0.1.evil.example" }, {}, "!^base_url is http://" },
    { { base_url = "http://0x7f.1" }, {}, "!^base_url is http://" },
    { { base_url = "https://user:pass@a.example" }, {}, "!^base_url holds user information" },
    { { base_url = "http://localhost@a.example" }, {}, "!^base_url holds user information" },
    { { base_url = "ftp://a.example" }, {}, "!^base_url begins with neither" }, { { base_url = "a.example" }, {}, "!^base_url begins" },
    { { base_url = "" }, {}, "!^base_url is empty" }, { { base_url = "https://" }, {}, "!^base_url has no host" },
    { { base_url = "https://a.example?x=1" }, {}, "!^base_url has a query" }, { { base_url = "https://a.example/#x" }, {}, "!^base_url has a query" },
    { { base_url = "https://a.example:99999" }, {}, "!^base_url has no host" },
    { { base_url = "https://a.example\r\nX: y" }, {}, "!^base_url holds a control character" },
    { { base_url = "https://a b.example" }, {}, "!^base_url holds" },
    { { region = "none" }, {}, "!^region is missing: give region or base_url" },
    { { region = "" }, {}, "!^region should be lower%-case" }, { { region = "EU" }, {}, "!^region should be" },
    { { region = "eu.evil.example/" }, {}, "!^region should be" }, { { region = "e@u" }, {}, "!^region should be" },
    { { region = "eu\n" }, {}, "!^region should be" }, { { region = ("e"):rep(64) }, {}, "!^region should be" },
    { { region = "none" }, { [E_REGION] = "E U" }, "!^FLARELIGHT_REGION should be" },
    { { subscription_id = "none" }, { [E_SUBSCRIPTION] = SUBSCRIPTION }, eu },
    { { subscription_id = SUBSCRIPTION:upper() }, {}, eu }, { {}, { [E_SUBSCRIPTION] = "nonsense" }, eu },
    { { subscription_id = "none" }, {}, "!^subscription_id is missing" },
    { { subscription_id = "none" }, { [E_SUBSCRIPTION] = "" }, "!^subscription_id is missing" },
    { { subscription_id = "none" }, { [E_SUBSCRIPTION] = "x" }, "!^FLARELIGHT_SUBSCRIPTION_ID should be a UUID" },
    { { subscription_id = "" }, {}, "!^subscription_id should be a UUID" },
    { { subscription_id = SUBSCRIPTION .. "\r\nX: y" }, {}, "!^subscription_id should be a UUID" },
    { { subscription_id = SUBSCRIPTION:gsub("%-", "") }, {}, "!^subscription_id should be a UUID" },
    { { subscription_id = "{" .. SUBSCRIPTION .. "}" }, {}, "!^subscription_id should be a UUID" },
    { { api_key = "none" }, {}, "!^api_key is missing: give api_key, or set FLARELIGHT_API_KEY or FLARELIGHT_API_KEY_FILE" },
    { { api_key = "none" }, { [E_KEY] = "", [E_FILE] = "" }, "!^api_key is missing" }, { { api_key = "" }, {}, "!^api_key is empty" },
    { { api_key = "hid\r\nden: 1" }, {}, "!^api_key holds a line break" }, { { api_key = "hid\nden" }, {}, "!^api_key holds a line break" },
    { { api_key = "hid\0den" }, {}, "!^api_key holds a control" }, { { api_key = "hid den" }, {}, "!^api_key holds a space" },
    { { api_key = "hid\195\164den" }, {}, "!^api_key holds a character beyond ASCII" },
    { { api_key = "none" }, { [E_KEY] = "hid\nden" }, "!^FLARELIGHT_API_KEY holds a line break" },
    { { api_key = "none" }, { [E_FILE] = "/nowhere/key" }, "!^FLARELIGHT_API_KEY_FILE: /nowhere/key: No such file" },
    { { api_key = "none" }, { [E_FILE] = "/" }, "!^FLARELIGHT_API_KEY_FILE: .*directory" },
    { { subscription_id = "hidden" }, {}, "!^subscription_id should be a UUID" }, -- the key, in the wrong place
    { { user_agent = "a\r\nX: y" }, {}, "!^user_agent holds a control" }, { { proxy = "http://p\n" }, {}, "!^proxy holds a control" },
    { { proxy = "socks9://user:hidden@127.0.0.1:1" }, {}, "!^proxy has a scheme that is none of a proxy %(http, https, socks4" },
    { { proxy = "http://user:hid/den'\"@:::" }, {}, "!^proxy should be a URL such as http://host:3128$" },
    { { proxy = "::::" }, {}, "!^proxy should be a URL" }, { { proxy = "http://host:65536" }, {}, "!^proxy should be a URL" },
    { { ca_file = "/nowhere/ca" }, {}, "!^ca_file: /nowhere/ca: No such file" }, { { client_cert = "/nowhere/c" }, {}, "!^client_cert: " },
    { { client_key = "/nowhere/k" }, {}, "!^client_key: " }, { { max_concurrency = 2 ^ 52, max_attempts = 2 ^ 52, rate_limit = 2 ^ 52 }, {}, eu },
  }
  for i, case in ipairs(cases) do
    it(("%d: %s"):format(i, case[3]:gsub("[!^%%]", "")), function()
      with_environment(case[2], function()
        local api, message, err = flarelight.new(given(case[1]))
        if case[3]:sub(1, 1) ~= "!" then
          assert.is_nil(message)
          assert.equal("flarelight client of " .. case[3], tostring(api))
          return api:close()
        end
        assert.is_nil(api)
        assert.matches(case[3]:sub(2), message)
        assert.same({ "config", message, message }, { err.kind, err.message, tostring(err) })
        assert.is_nil(message:find "hid" or message:find "den")
      end)
    end)
  end

  it("needs no option where the environment has them all", function()
    with_environment({ [E_KEY] = "k", [E_SUBSCRIPTION] = SUBSCRIPTION, [E_REGION] = "eu" }, function()
      for _, options in ipairs { {}, false } do assert(flarelight.new(options or nil)):close() end
    end)
  end)
end)

describe("a client", function()
  local box
  setup(function() box = support.sandbox { gzip = true } end)
  teardown(function() box:stop() end)
  before_each(function() box:reset() end)

  it("takes the key from where it is given first", function()
    local key = box.api_key
    local good, bad = write_file(key .. "\r\n\n"), write_file "bad"
    local sources = {
      { key, { [1] = "bad", [2] = bad } }, { nil, { [1] = key, [2] = bad } }, { nil, { [2] = good } }, { nil, { [1] = "", [2] = good } },
    }
    for i, source in ipairs(sources) do
      with_environment({ FLARELIGHT_API_KEY = source[2][1], FLARELIGHT_API_KEY_FILE = source[2][2] }, function()
        local api = assert(flarelight.new { api_key = source[1], subscription_id = box.subscription_id, base_url = box.url })
        assert.is_table(api.imports:all(), "source " .. i)
        api:close()
      end)
    end
  end)

  it("reads the true environment, and goes to this machine past every proxy", function()
    local script = write_file [[
      local api = assert(require "flarelight".new())
      print(api.imports:all() and "came through")
    ]]
    assert.equal("came through\n", (system.shell(("%s http_proxy=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9 no_proxy="
      .. " '%s' %s 2>&1"):format(system.environment(box), system.interpreter, script))))
  end)

  describe("asks a function for the key", function()
    local function rotating(...)
      local keys, asked = { ... }, { 0 }
      return function()
        asked[1] = asked[1] + 1
        return keys[math.min(asked[1], #keys)]
      end, asked
    end

    it("once, and once more after a 401", function()
      local key, asked = rotating("old", box.api_key)
      local api = support.client(box, { api_key = key })
      assert.equal(0, asked[1])
      local _, meta = assert(api.imports:import { records = {} })
      assert.equal("applied", meta.fate)
      assert(api.imports:all())
      assert.equal(2, asked[1])
      local seen = {}
      for i, request in ipairs(box:requests()) do seen[i] = request.status end
      assert.same({ 401, 200, 200 }, seen)
      api:close()
    end)
    it("for streams of rows and for uploads, too", function()
      local owner = support.client(box)
      local id = support.import(owner, 3)
      local key = rotating("old", box.api_key)
      local api = support.client(box, { api_key = key })
      assert.equal(3, #api.imports:rows(id):batch(10))
      api:close()
      api = support.client(box, { api_key = (rotating("old", box.api_key)) })
      assert.equal(2, assert(api.imports:upload { records = { { n = 1 }, { n = 2 } }, batch_records = 1 }).records)
      api:close()
      owner:close()
    end)
    it("once for all calls that were refused together", function()
      local key, asked = rotating("old", box.api_key)
      local api = support.client(box, { api_key = key })
      local results, failed = api:map({ 1, 2, 3, 4 }, function() return api.imports:all() end)
      assert.equal(0, failed, results[1].err and tostring(results[1].err))
      assert.equal(2, asked[1])
      api:close()
    end)
    it("and gives up where there is no other", function()
      for _, keys in ipairs { { "old" }, { "old", "older" }, { "old", "not a key" } } do
        local key, asked = rotating(unpack and unpack(keys) or table.unpack(keys)) -- luacheck: ignore 143
        local api = support.client(box, { api_key = key })
        local data, message, err = api.imports:all()
        assert.is_nil(data)
        assert.same({ "unauthorized", message, 2 }, { err.kind, tostring(err), asked[1] })
        api:close()
      end
    end)
    it("and tells what it gave", function()
      for _, case in ipairs {
        { function() end, "^api_key: the function returned no key$" }, { function() return nil, "locked" end, "returned no key: locked$" },
        { function() return 5 end, "the result of the function should be a string, but is a number" },
        { function() return "hid\nden" end, "the result of the function holds a line break" }, { function() return "" end, "is empty" },
      } do
        local api = support.client(box, { api_key = case[1] })
        for _, call in ipairs { function() return api.imports:all() end, function() return api.imports:rows(1):next() end } do
          local data, message, err = call()
          assert.is_nil(data)
          assert.matches(case[2], message)
          assert.equal("config", err.kind)
        end
        api:close()
      end
      assert.equal(0, #box:requests())
    end)
  end)

  describe("does as it is told:", function()
    local function call(options, run)
      local api = support.client(box, options)
      local data, message, err = (run or function() return api.imports:all() end)(api)
      api:close()
      return data, message, err
    end
    it("user_agent", function()
      call {}
      call { user_agent = "mine/1" }
      local log = box:requests()
      assert.matches("^flarelight%-lua/%d", log[1].headers["user-agent"])
      assert.equal("mine/1", log[2].headers["user-agent"])
    end)
    it("read_timeout, write_timeout, deadline", function()
      local function import(api) return api.imports:import { records = {} } end
      box:fault { kind = "latency", seconds = 60, times = 4 }
      local functions = {}
      -- At the same time, so that they can be long enough for all to be sent before they pass.
      for i, case in ipairs {
        { { read_timeout = 1 } }, { { deadline = 1 } }, { { write_timeout = 1 }, import, "in_doubt" }, { { deadline = 1 }, import, "in_doubt" },
      } do
        functions[i] = function()
          case[1].max_attempts = 1
          local _, _, err = call(case[1], case[2])
          assert.same({ "timeout", case[3] }, { err.kind, err.fate })
        end
      end
      support.together(functions)
      box:clear_faults()
    end)
    it("max_attempts", function()
      box:fault { kind = "status", status = 500, times = 9 }
      local _, _, err = call { max_attempts = 1 }
      assert.same({ "server", 1, 1 }, { err.kind, err.attempts, box:hits().total })
      _, _, err = call { max_attempts = 2 }
      assert.same({ "server", 2, 3 }, { err.kind, err.attempts, box:hits().total })
    end)
    it("max_response_bytes", function()
      local owner = support.client(box)
      local id = support.import(owner, 500)
      owner:close()
      local function read(api) return api.imports:data(id, { count = 500 }) end
      local _, message, err = call({ max_response_bytes = 1000 }, read)
      assert.matches("larger than max_response_bytes %(1000%)", message)
      assert.equal("protocol", err.kind)
      assert.equal(500, #(assert(call({ max_response_bytes = 10000 }, read))))
    end)
    it("rate_limit, until the server has said", function()
      local quiet = support.sandbox { rate_limit = 0 }
      local api = support.client(quiet, { rate_limit = 77 })
      assert(api.imports:all())
      assert.equal(77, api:quota().limit)
      api:close()
      quiet:stop()
    end)
    it("trust_short_page", function()
      local api = support.client(box)
      local id = support.import(api, 3)
      for trust, asked in pairs { [true] = 1, [false] = 2 } do
        box:clear_log()
        call({ trust_short_page = trust }, function(client) return client.imports:rows(id):batch(9) end)
        assert.equal(asked, #support.requests(box, "imports.data"))
      end
      api:close()
    end)
    it("proxy", function()
      local proxy = support.raw_server { support.reply("200 OK", '{"data":[],"messages":[]}') }
      finally(function() proxy:stop() end)
      assert(call { base_url = "http://127.0.0.1:1/base", proxy = proxy.url })
      assert.matches("^GET http://127%.0%.0%.1:1/base/Import/All HTTP/1", proxy:requests()[1])
    end)
    it("proxy, whose password no message shows", function()
      for _, proxy in ipairs { "user:SECRET-1@127.0.0.1:1", "http://user:SECRET-1@127.0.0.1:1" } do
        local api = support.client(box, { proxy = proxy, max_attempts = 1 })
        local data, message, err = api.imports:all()
        assert.is_nil(data)
        assert.is_nil(message:find("SECRET", 1, true), message)
        assert.is_nil(tostring(err):find("SECRET", 1, true))
        api:close()
      end
    end)
    it("ca_file", function()
      local path, private_key = system.certificate "127.0.0.1"
      if not path then pending "needs the openssl command" return end
      local own = { certificate = path, private_key = private_key, subscription_id = box.subscription_id }
      local safe = support.sandbox(own)
      local to = { base_url = safe.url, max_attempts = 1 }
      local _, _, err = call(to, function(api) return api.imports:import { records = {} } end)
      assert.same({ "tls", "not_sent", 0 }, { err.kind, err.fate, #safe:requests() })
      to.ca_file = path
      assert(call(to))
      safe:stop()
    end)
  end)

  -- Everything that can be reached from a value, as text.
  local function dump(value, seen, parts)
    seen, parts = seen or {}, parts or {}
    parts[#parts + 1] = tostring(value)
    if type(value) == "table" and not seen[value] then
      seen[value] = true
      for name, member in pairs(value) do
        dump(name, seen, parts)
        dump(member, seen, parts)
      end
      dump(getmetatable(value), seen, parts)
    end
    return table.concat(parts, "\n")
  end

  it("shows its key nowhere, though the server says it back", function()
    local key, escaped = "s3cr3t/Key+0123456789==", "s3cr3t\\/Key+0123456789=="
    local function reply(status, body, headers)
      return support.reply(status, body, (headers or "") .. "Connection: close\r\n")
    end
    local cases = { -- reply, kind
      { reply("500 No", "<p>" .. key .. "</p>"), "server" }, { reply("502 No", ("x"):rep(1010) .. key .. key), "server" },
      { reply("200 OK", ("x"):rep(1024 - #key) .. key .. "x"), "protocol" }, { reply("200 OK", ("x"):rep(1005) .. key), "protocol" },
      { reply("200 OK", '{"echo":"' .. escaped .. '"}'), "protocol" }, { reply("200 OK", key:upper()), "protocol" },
      { reply("302 Found", "", "Location: https://elsewhere.example/?key=" .. key .. "\r\n"), "http" },
      { reply("200 OK", "<p>", "Content-Type: text/html" .. key .. "\r\n"), "protocol" },
      { reply("400 No", '{"data":null,"messages":["' .. escaped .. '",{"text":"bad key ' .. key .. '","' .. key .. '":1}]}'), "invalid_request" },
      { reply("200 OK", '{"data":[],"messages":["' .. escaped .. '",{"key":["' .. key .. '"]}]}') },
      { "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{" .. key .. "," .. key:sub(1, 9), "network" },
    }
    local replies, events = {}, {}
    for i, case in ipairs(cases) do replies[i] = case[1] end
    local server = support.raw_server(replies)
    finally(function() server:stop() end)
    local api = support.client(box, {
      api_key = key, base_url = server.url, subscription_id = support.subscription(), max_attempts = 1,
      on_event = function(event) events[#events + 1] = event end,
    })
    local function check(what, ...)
      local text = dump({ ... }):lower()
      assert.is_nil(text:find("s3cr3t", 1, true), what .. ": " .. text)
    end
    for i, case in ipairs(cases) do
      local data, message, err = api.imports:all()
      assert.truthy(server:requests()[i]:find("X-Api-Key: " .. key .. "\r\n", 1, true))
      assert.equal(case[2], err and err.kind, i)
      check("reply " .. i, data, message, err)
    end
    assert.is_true(#events >= 2 * #cases)
    check("events", events)
    check("client", api, api.imports, api:quota(), api:stats(), api.imports:rows(1))
    api:close()
  end)
end)
