--- What the sandbox remembers: requests, duplicates, counts, snapshots.

local curl = require "sandbox.curl"
local sandbox = require "flarelight.sandbox"
local system = require "support.system"

local SUBSCRIPTION, transfer, ask, start, import, data_of =
  curl.SUBSCRIPTION, curl.transfer, curl.ask, curl.start, curl.import, curl.data_of

describe("the sandbox", function()
  after_each(curl.stop_all)

  describe("remembers", function()
    it("what was asked, without secrets", function()
      local box = start { log_body_bytes = 10 }
      ask(box, "/Import/7/Data?start=1", { headers = { Authorization = "Bearer token", ["X-Request-Id"] = "r1" } })
      import(box, "[]")
      ask(box, "/Else", { key = "bad" })
      local log = box:requests()
      assert.equal(3, #log)
      local first = log[1]
      assert.same({ "GET", "/Import/7/Data", "start=1", "imports.data", 404, "", false, true, 1 },
        { first.method, first.path, first.query, first.operation, first.status, first.body, first.committed,
          first.authorized, first.number })
      assert.equal("<redacted>", first.headers["x-api-key"])
      assert.equal("<redacted>", first.headers.authorization)
      assert.equal("r1", first.headers["x-request-id"])
      assert.equal(SUBSCRIPTION, first.headers["x-subscription-id"])
      assert.is_true(math.abs(first.time - os.time()) < 60)
      assert.same({ "imports.import", 200, true, '{"data":{"', 23 },
        { log[2].operation, log[2].status, log[2].committed, log[2].body, log[2].body_bytes })
      assert.same({ false, 401 }, { log[3].authorized, log[3].status })
      assert.is_nil(log[3].operation)
      assert.not_equal(log[1].connection, log[2].connection)
      assert.equal(1, #box:requests(3))
      box:clear_log()
      assert.same({}, box:requests())
    end)

    it("while it answers others", function()
      local box = start { log_requests = 50 }
      box:fault { kind = "latency", probability = 0.2, seconds = 0.001 }
      local url = box.url .. "/Import/Data?[1-300]"
      local pipe = io.popen("curl -s -Z " .. transfer(url, { body = '{"data":{"records":[{"n":1}]}}' })
        :gsub("^%-s %-i", "") .. " >/dev/null 2>&1; echo done")
      local counts
      repeat
        counts = box:counts()
        assert.is_true(#box:requests() <= 50)
        assert.is_true(#(box:rows(1) or {}) <= 1)
        assert.is_true(#box:snapshot() > 0)
      until counts.requests >= 300
      assert.equal("done\n", pipe:read "*a")
      pipe:close()
      assert.equal(300, box:counts().rows)
      assert.equal(299, #box:duplicates())
    end)

    it("no more requests than it may", function()
      local box = start { log_requests = 2 }
      for _ = 1, 5 do ask(box, "/Import/All") end
      local log = box:requests()
      assert.same({ 2, 4, 5 }, { #log, log[1].number, log[2].number })
      assert.equal(5, box:counts().requests)
    end)

    it("no more bytes than it may", function()
      local box = start { log_bytes = 5000 }
      for index = 1, 5 do import(box, '[{"text":"' .. tostring(index):rep(2000) .. '"}]') end
      local log = box:requests()
      assert.equal(2, #log)
      assert.matches("5555", log[2].body)
      import(box, '[{"text":"' .. ("x"):rep(9000) .. '"}]')
      assert.equal(6, box:requests()[1].number)
    end)

    it("commits that happened twice", function()
      local box = start { definitions = { preparations = { { id = 1, sql = "SELECT 1 AS a" }, { id = 2, sql = "SELECT 1 AS a" } } } }
      local function with_id(id) return { headers = { ["X-Request-Id"] = id } } end
      import(box, '[{"n":1}]')                       -- 1
      import(box, '[{"n":2}]')                       -- 2
      import(box, '[{"n":1}]')                       -- 3 repeats 1
      import(box, '[{"n":1}]', nil, with_id "x")     -- 4
      import(box, '[{"n":9}]', nil, with_id "x")     -- 5 repeats 4
      import(box, '[{"n":9}]', nil, with_id "y")     -- 6
      import(box, "[1]")                             -- 7 was refused
      import(box, "[1]")                             -- 8 was refused
      ask(box, "/Preparation/1/Execute", { body = "{}" }) -- 9
      ask(box, "/Preparation/2/Execute", { body = "{}" }) -- 10
      ask(box, "/Preparation/1/Execute", { body = "{}" }) -- 11 repeats 9
      ask(box, "/Import/All")
      ask(box, "/Import/All")
      local found = {}
      for index, duplicate in ipairs(box:duplicates()) do
        found[index] = duplicate.operation .. " " .. duplicate.first .. " " .. duplicate.again
      end
      assert.same({ "imports.import 1 3", "imports.import 4 5", "preparations.execute 9 11" }, found)
      assert.matches('"n":1', box:duplicates()[1].body)
    end)

    it("everything, in a snapshot", function()
      local box = start()
      import(box, '[{"n":1}]', '"name":"kept"')
      local snapshot = box:snapshot()
      import(box, '[{"n":2}]', '"id":1')
      import(box, '[{"n":3}]')
      box:restore(snapshot)
      assert.equal('[{"n":1}]', box:rows_text(1))
      assert.equal(1, box:counts().imports)
      assert.matches('"id":2', import(box, '[{"n":4}]').body)
      local other = start()
      other:restore(snapshot)
      assert.equal('[{"n":1}]', data_of(ask(other, "/Import/1/Data")))
      assert.has_error(function() other:restore "nonsense" end)
      assert.equal('[{"n":1}]', other:rows_text(1))
      box:fault { kind = "empty", times = math.huge }
      box:reset()
      assert.same({ imports = 0, rows = 0, results = 0, events = 0, runs = 0, requests = 0 },
        (function(counts) counts.connections, counts.starts = nil, nil return counts end)(box:counts()))
      assert.matches('"id":1,', import(box, "[]").body)
    end)

    it("imports in a file", function()
      local path = system.path()
      local box = start { database = path }
      import(box, '[{"n":1}]', '"name":"kept"')
      local snapshot = box:snapshot()
      curl.drop(box)
      box = nil -- luacheck: ignore
      collectgarbage() collectgarbage()
      box = start { database = path }
      assert.equal('[{"n":1}]', data_of(ask(box, "/Import/1/Data")))
      import(box, "[]")
      box:restore(snapshot)
      assert.equal(1, box:counts().imports)
      local path_of_uri = system.path() -- "file:" begins a path like any other
      assert.is_nil((sandbox.start { database = "file:" .. path_of_uri }))
      assert.is_false(system.exists(path_of_uri))
      local none, message = sandbox.start { database = system.file(("not a database"):rep(100)) }
      assert.is_nil(none)
      assert.matches("not a database", message)
    end)
  end)
end)
