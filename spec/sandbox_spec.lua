--- How a sandbox starts and ends, and what it refuses.

local curl = require "sandbox.curl"
local sandbox = require "flarelight.sandbox"
local system = require "support.system"

local KEY, SUBSCRIPTION, ask, start = curl.KEY, curl.SUBSCRIPTION, curl.ask, curl.start

describe("the sandbox", function()
  after_each(curl.stop_all)

  describe("starts", function()
    local wrong = {
      { { colour = "red" }, "unknown option 'colour' %(known: added_member, address, " },
      { { port = "80" }, "port must be a whole number" }, { { port = 70000 }, "port must be from 0 to 65535" },
      { { update = "merge" }, "update must be one of append, replace" },
      { { ids = 1 }, "ids must be one of" }, { { gzip = 1 }, "gzip must be a boolean" },
      { { rate_window = 0 }, "rate_window must be from" }, { { clock_skew = 0 / 0 }, "clock_skew must be a number" },
      { { features = { "imports.none" } }, "unknown operation 'imports.none'" },
      { { keys = { k = { allow = { "x" } } } }, "unknown operation 'x'" },
      { { certificate = "x" }, "certificate and private_key go together" },
      { { api_key = "" }, "api_key must not be empty" }, { { api_key = "a\0b" }, "NUL" },
      { { definitions = 1 }, "definitions must be a table or the path" },
      { { definitions = { tables = {} } }, "unknown member 'tables'" },
      { { preparations = { {} } }, "preparations%[1%]: sql is missing" },
      { { preparations = { { sql = "SELECT 1", colour = 1 } } }, "unknown member 'colour'" },
      { { preparations = { { id = 1, sql = "a" }, { id = "1", sql = "b" } } }, "is used twice" },
      { { reports = { { name = "r" } } }, "one of sql and preparation" },
      { { reports = { { preparation = 1 } } }, "there is no preparation 1" },
      { { automations = { { steps = { { report = 3 } } } } }, "there is no report 3" },
      { { automations = { { steps = { {} } } } }, "step 1 names neither" },
    }
    it("only with options it knows, and says so where it was called", function()
      for _, case in ipairs(wrong) do
        local good, message = pcall(function() sandbox.start(case[1]) end)
        assert.is_false(good, case[2])
        assert.matches(case[2], message)
        assert.matches("sandbox_spec", message)
      end
      assert.has_error(function() sandbox.start "fast" end)
    end)

    local wrong_faults = {
      { { kind = "explode" }, "unknown kind 'explode'" }, { {}, "unknown kind 'nil'" },
      { { kind = "empty", status = 500 }, "unknown option 'status' %(known: kind, " },
      { { kind = "status" }, "status is missing" }, { { kind = "status", status = 99 }, "status must be from" },
      { { kind = "empty", operation = "imports" }, "unknown operation 'imports'" },
      { { kind = "empty", nth = 0 }, "nth must be at least 1" }, { { kind = "empty", probability = 2 }, "probability must be" },
      { { kind = "stall", after = "lunch" }, "after must be one of" },
      { { kind = "throttle", retry_after = true }, "retry_after must be" },
    }
    it("and takes only faults it knows", function()
      local box = start()
      for _, case in ipairs(wrong_faults) do
        local good, message = pcall(function() box:fault(case[1]) end)
        assert.is_false(good, case[2])
        assert.matches(case[2], message)
        assert.matches("sandbox_spec", message)
      end
      assert.same({ total = 0 }, box:hits())
      assert.has_error(function() box:rows {} end)
    end)

    it("on a port of its own, and answers why it cannot", function()
      local box = start()
      assert.equal("http://127.0.0.1:" .. box.port, box.url)
      assert.equal(KEY, box.api_key)
      assert.equal(SUBSCRIPTION, box.subscription_id)
      local none, message = sandbox.start { port = box.port }
      assert.is_nil(none)
      assert.matches("cannot listen on 127.0.0.1 port " .. box.port, message)
      none, message = sandbox.start { address = "localhost" }
      assert.is_nil(none)
      assert.matches("IPv4", message)
      none, message = sandbox.start { database = "/nowhere/at/all" }
      assert.is_nil(none)
      assert.matches("unable to open", message)
    end)

    it("and writes the environment of shells when it answers", function()
      local path = system.file("export FLARELIGHT_BASE_URL=old", ".env")
      local box = start { environment_file = path, api_key = "it's" }
      local output = system.shell((". %s && curl -s -o /dev/null -w '%%{http_code}' -H \"X-Api-Key: $FLARELIGHT_API_KEY\""
        .. ' -H "X-Subscription-Id: $FLARELIGHT_SUBSCRIPTION_ID" "$FLARELIGHT_BASE_URL/Import/All"'):format(path))
      assert.equal("200", output)
      local other = start { environment_file = path }
      box:stop()
      assert.matches(other.url, system.read(path), 1, true)
      other:stop()
      assert.is_nil(system.read(path))
      -- A sandbox that does not start leaves no file that leads to nowhere.
      system.write(path, "old")
      assert.is_nil((sandbox.start { environment_file = path, address = "nowhere" }))
      assert.is_nil(system.read(path))
      local none, message = sandbox.start { environment_file = system.path() .. "/no/such.env" }
      assert.is_nil(none)
      assert.matches("No such file", message)
    end)

    it("on one that no other of this process has had, whatever has stopped", function()
      local had = {}
      for _ = 1, 600 do
        local box = sandbox.start()
        assert.is_nil(had[box.port])
        had[box.port] = true
        box:stop()
      end
    end)

    it("and stops, more than once", function()
      local box = start()
      ask(box, "/Import/All")
      box:stop()
      box:stop()
      local reply, code = ask(box, "/Import/All")
      assert.is_nil(reply)
      assert.equal(7, code)
      assert.equal(1, #box:requests())
    end)

    it("with TLS", function()
      local path, key = system.certificate "127.0.0.1"
      if not path then pending "needs the openssl command" return end
      local box = start { certificate = path, private_key = key }
      os.remove(path)
      os.remove(key)
      assert.matches("^https://", box.url)
      assert.equal(200, ask(box, "/Import/All", { extra = "-k" }).status)
      box:fault { kind = "reset" }
      local _, code = ask(box, "/Import/All", { extra = "-k" })
      assert.is_true(code == 56 or code == 35)
      local none = sandbox.start { certificate = "-----BEGIN nothing", private_key = "-----BEGIN nothing" }
      assert.is_nil(none)
    end)
  end)

  it("survives what its Lua side would never hand to it", function()
    local core = require "flarelight.sandbox_core"
    local refused = {
      { port = "x" }, { port = 1e9 }, { rate_window = 0 / 0 }, { ids = "none" }, { ids = 3 }, { keys = { {} } },
      { keys = { 1 } }, { features = { "no" } }, { preparations = { {} } }, { preparations = { { id = "1", name = "n" } } },
      { preparations = { false } }, { reports = { { id = "1", name = "n" } } }, { automations = { { id = "1" } } },
      { automations = { { id = "1", name = "n", steps = { {} } } } }, { required_columns = { {} } },
    }
    for i, options in ipairs(refused) do assert.is_false(pcall(core.start, options), i) end
    assert.is_nil((core.start { address = "nowhere" }))
    assert.is_nil((core.start { certificate = "x" }))
    for _, value in ipairs { false, 1, "x", print } do assert.is_false(pcall(core.start, value)) end
    local handle = assert(core.start {
      automations = { { id = "1", name = "n", api_trigger = true, steps = { { id = "9", report = true } } } },
      keys = { { key = "k" } },
    })
    local reply = ask({ url = "http://127.0.0.1:" .. handle:port() }, "/Automation/1/Execute", { body = "{}", key = "k" })
    assert.equal(400, reply.status)
    assert.matches("there is no report 9", reply.body)
    for _, fault in ipairs { {}, { kind = "no" }, { kind = "empty" }, { kind = "stall", operation = "*", seconds = 0 / 0 },
      { kind = "huge", operation = "*", bytes = 1 }, { kind = "empty", operation = "*", nth = "x" } } do
      assert.is_false(pcall(handle.fault, handle, fault))
    end
    local userdata = io.stdout
    for name, method in pairs(getmetatable(handle).__index) do
      assert.is_false(pcall(method, userdata), name)
      assert.is_false(pcall(method), name)
    end
    local collect = getmetatable(handle).__gc
    assert.is_false(pcall(collect, userdata))
    -- The owners of copies and tapes are in the registry alone.
    local registry = debug.getregistry()
    for _, name in ipairs { "flarelight.sandbox_core.copy", "flarelight.sandbox_core.tape" } do
      pcall(core.decode, "[]")
      assert.is_false(pcall(registry[name].__gc, userdata), name)
      assert.is_false(pcall(registry[name].__gc, handle), name)
    end
    collect(handle)
    collect(handle)
    assert.is_false(pcall(handle.counts, handle))
  end)

  it("does not disturb an exit with requests in flight", function()
    local script = system.file [[
      local sandbox = require "flarelight.sandbox"
      local box = assert(sandbox.start())
      box:fault { kind = "latency", seconds = 60, times = 3 }
      for _ = 1, 3 do
        os.execute(("curl -s -m 5 %s/Import/All >/dev/null 2>&1 &"):format(box.url))
      end
      while box:hits().total < 3 do os.execute "sleep 0.01" end
      io.write "waiting"
      os.exit(tonumber(arg[1]))
    ]]
    for _, status in ipairs { 0, 3 } do
      assert.same({ "waiting", status }, { system.shell(("%s %s %d"):format(system.quote(system.interpreter), script, status)) })
    end
  end)
end)
