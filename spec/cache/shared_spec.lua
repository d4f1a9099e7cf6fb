--- Replies that several processes share, beside a state file and in PostgreSQL. Most specs use several clients of one
-- process, which exclude and see each other as processes do. Without an installed PostgreSQL its specs are pending.

local postgres = require "support.postgres"
local support = require "support"
local system = require "support.system"

local opened = support.opened(after_each)
local new_state -- function(folder): a new state, and the name of its database; nil if it cannot be had
local folder, state, name, sandbox, api -- of the spec that runs

local function test(what, body)
  it(what, function()
    folder = system.folder()
    state, name = new_state(folder)
    if not state then return pending "PostgreSQL, or the module for it, is not installed" end
    body()
  end)
end

local function client(options)
  return opened.client(sandbox, support.with({ state = state, cache = { ttl = 60 } }, options or {}))
end

local function open(options, client_options)
  sandbox = opened.sandbox(options)
  api = client(client_options)
  local id = support.import(api, 10)
  sandbox:clear_log()
  return id
end

local function sent(operation) return #support.requests(sandbox, operation) end

-- Reads what the service answers with the key in it.
local function read_with_key()
  local id = open()
  sandbox:fault { operation = "imports.all", kind = "header", line = "X-Echo: " .. sandbox.api_key }
  assert(api.imports:all())
  assert(api.imports:import { records = { { key = sandbox.api_key } }, name = "with the key" })
  assert(api.imports:data(id))
  assert(api.imports:data(id + 1))
  assert(client().imports:data(id + 1))
  assert.are.equal(3, sent "imports.data") -- a reply with the key is not left there
end

local function read_beyond_bound()
  local id = open(nil, { cache = { ttl = 60, max_bytes = 4000 } })
  for start = 0, 9 do
    for count = 1, 10 do assert(api.imports:data(id, { start = start, count = count })) end
  end
end

-- Whether so many bytes are those of a cache of 4,000: a process may pass its bound by a part.
local function is_bounded(bytes) return bytes > 1000 and bytes <= 4000 * 17 / 16 + 1000 end

-- The specs that hold for both places.
local function specs_of_a_place()
  test("gives the reply of one client to another", function()
    local id = open()
    local rows, asked = assert(api.imports:data(id))
    local other = client()
    local again, meta = assert(other.imports:data(id))
    assert.are.same(rows, again)
    assert.are.same({ true, 0, asked.request_id, 200 }, { meta.cached, meta.attempts, meta.request_id, meta.status })
    assert.is_true(meta.age >= 0 and meta.age < 60)
    assert.are.same(asked.headers, meta.headers)
    assert.are.equal(1, sent "imports.data")
    assert.are.same({ 1, 1, 0, 1 }, (function(stats)
      return { stats.hits, stats.from_state, stats.misses, stats.entries }
    end)(other:stats().cache))
    assert(other.imports:data(id)) -- from memory
    assert.are.equal(1, other:stats().cache.from_state)
  end)

  test("keeps apart what differs in the read, the key, the headers or the service", function()
    local id = open()
    assert(api.imports:data(id))
    assert(client().imports:data(id, { count = 3 }))
    assert(client { headers = { ["X-Tenant"] = "a" } }.imports:data(id))
    assert.are.equal(3, sent "imports.data")
    assert.are.equal("unauthorized", select(3, client { api_key = "another-key" }.imports:data(id)).kind)
    assert.are.equal("unauthorized", select(3, client { subscription_id = support.subscription() }.imports:data(id)).kind)
    local function before(request) request.headers["X-Tenant"] = "b" end
    assert(client { before = before }.imports:data(id))
    assert(client { before = before }.imports:data(id))
    assert.are.equal(7, sent "imports.data")
  end)

  for how, options in pairs { ["with a cache"] = { cache = { ttl = 60 } }, ["without a cache"] = {} } do
    test("sees the write of another client " .. how .. " with the next call", function()
      local id = open()
      local writer = opened.client(sandbox, support.with({ state = state }, options))
      for rows = 10, 12 do
        assert.are.equal(rows, #assert(api.imports:data(id)))
        assert.are.equal(rows, #assert(client().imports:data(id)))
        assert(writer.imports:import { id = id, records = { { n = rows } } })
      end
      assert.are.equal(3, sent "imports.data")
    end)
  end

  test("gives no reply whose request began before a write of another client", function()
    local id = open()
    sandbox:fault { operation = "imports.data", kind = "latency", seconds = 0.3 }
    local writer = client()
    support.together {
      function() api.imports:data(id) end,
      function() assert(writer.imports:import { id = id, records = { { n = 10 } } }) end,
    }
    assert.are.equal(11, #assert(api.imports:data(id)))
    assert.are.equal(11, #assert(client().imports:data(id)))
  end)

  test("sends one request for equal reads of many processes at once", function()
    open()
    sandbox:fault { operation = "imports.all", kind = "latency", seconds = 0.5, times = math.huge }
    system.write(folder .. "/script.lua", [[
      local api = require("flarelight").new { state = os.getenv "STATE", cache = { ttl = 60 } }
      local items, good = {}, 0
      for n = 1, 25 do items[n] = n end
      api:map(items, function() if api.imports:all() then good = good + 1 end end, { concurrency = 25 })
      print(good)
    ]])
    local out = system.shell(("cd %s && for n in 1 2 3 4; do %s STATE=%s %s script.lua & done; wait"):format(
      system.quote(folder), system.environment(sandbox), system.quote(state), system.quote(system.interpreter)))
    assert.are.equal("25\n25\n25\n25\n", out)
    assert.are.equal(1, sent "imports.all")
  end)

  test("asks itself if the process that asked was killed", function()
    open()
    sandbox:fault { operation = "imports.all", kind = "hang", seconds = 60 }
    system.write(folder .. "/script.lua", [[
      require("flarelight").new { state = os.getenv "STATE", cache = { ttl = 60 } }.imports:all()
    ]])
    local pid = system.shell(("cd %s && %s STATE=%s %s script.lua >/dev/null 2>&1 & echo $!"):format(
      system.quote(folder), system.environment(sandbox), system.quote(state), system.quote(system.interpreter)))
    repeat system.shell "sleep 0.02" until sent "imports.all" == 1
    local data
    support.together {
      function() data = assert(api.imports:all()) end,
      function() system.shell("kill -9 " .. pid:match "%d+") end,
    }
    assert.is_table(data)
  end)

  test("confirms the reply of another client by its tag", function()
    local id = open({ etag = true }, { cache = { ttl = 1e-9 } })
    local rows = assert(api.imports:data(id))
    local other = client { cache = { ttl = 1e-9 } }
    assert.are.same(rows, (assert(other.imports:data(id))))
    assert.are.equal(1, other:stats().cache.unchanged)
    assert(client().imports:data(id)) -- the confirmed reply counts anew
    assert.are.equal(2, sent "imports.data")
  end)

  -- A read that began before a write of another, and ends after the next reader's.
  test("confirms no reply that another client has left behind a newer one", function()
    local id = open({ etag = true }, { cache = { ttl = 0.3 } })
    local late, last = client(), client()
    sandbox:fault { operation = "imports.data", kind = "latency", seconds = 0.8, nth = 1 }
    local slow = late:spawn(function() return late.imports:data(id, { fresh = true }) end)
    support.update_until(late, function() return sent "imports.data" == 1 end)
    assert(last.imports:import { id = id, records = { { n = 11 } } })
    assert.are.equal(11, #assert(api.imports:data(id)))
    support.update_until(late, function() return slow:done() end)
    assert.are.equal(10, #slow:result())
    assert.are.equal(11, #assert(api.imports:data(id))) -- asks again, and gets a 304
    assert.are.equal(11, #assert(last.imports:data(id)))
  end)

  test("leaves a reply that was read with another key to nobody", function()
    open()
    local old, keys = "an-old-key-0123456789", 0
    local rotating = client { api_key = function()
      keys = keys + 1
      return keys == 1 and old or sandbox.api_key
    end }
    assert(rotating.imports:all())
    assert.are.equal(401, select(3, client { api_key = old }.imports:all()).status)
  end)

  -- It would wait for 30 s, half of its time. Only the task could end that.
  test("does not wait for a task that its own code stops", function()
    local id = open()
    sandbox:fault { operation = "imports.data", kind = "latency", seconds = 3 }
    local script = system.file([[
      local id, state = arg[1], arg[2]
      local under_way = false
      local api = assert(require("flarelight").new { state = state, cache = { ttl = 60 }, on_event = function(event)
        under_way = under_way or event.name == "start" and event.operation == "imports.data"
      end })
      local task = api:spawn(function() return (assert(api.imports:data(id))) end)
      while not under_way do api:update(0.01) end
      assert(api.imports:import { id = id, records = { { n = 11 } } })
      print(#assert(api.imports:data(id, { deadline = 60 })), task:done())
    ]], ".lua")
    assert.are.equal("11\tfalse\n", (system.shell(("timeout -s KILL 28 env %s %s %s %s %s"):format(
      system.environment(sandbox), system.interpreter, script, id, system.quote(state)))))
  end)

  test("does not keep others waiting for a read that was never sent", function()
    open()
    local raise = true
    local strict = client { before = function() if raise then error "stop" end end }
    assert.is_false(pcall(strict.imports.all, strict.imports))
    raise = false
    assert(strict.imports:all())
  end)

  test("is not emptied by a client that gets its key from a function", function()
    local id = open()
    local function key() return sandbox.api_key end
    assert(api.imports:data(id))
    assert(client { api_key = key }.imports:data(id))
    assert(client { api_key = key }.imports:data(id))
    assert.are.equal(1, sent "imports.data")
  end)

  test("sees the writes of others also where it keeps its replies to itself", function()
    local id = open()
    local own = client { before = function() end }
    for rows = 10, 11 do
      assert.are.equal(rows, #assert(own.imports:data(id)))
      assert.are.equal(rows, #assert(own.imports:data(id)))
      assert(api.imports:import { id = id, records = { { n = rows } } })
    end
    assert.are.equal(2, sent "imports.data")
  end)

  test("lets its client be collected", function()
    open()
    local kept = setmetatable({}, { __mode = "k" })
    -- Not one of `opened`, which keeps its clients.
    local dropped = support.client(sandbox, { state = state, cache = { ttl = 60 } })
    assert(dropped.imports:all())
    assert(dropped.imports:import { name = "one", records = { { n = 1 } } })
    kept[dropped] = true
    dropped = nil -- luacheck: ignore 311
    for _ = 1, 5 do collectgarbage() end
    assert.is_nil((next(kept)))
  end)

  test("leaves a read the time for a request of its own if the process that asks is stopped", function()
    open()
    sandbox:fault { operation = "imports.all", kind = "hang", seconds = 60 }
    system.write(folder .. "/script.lua", [[
      require("flarelight").new { state = os.getenv "STATE", cache = { ttl = 60 } }.imports:all()
    ]])
    local pid = system.shell(("cd %s && %s STATE=%s %s script.lua >/dev/null 2>&1 & echo $!"):format(
      system.quote(folder), system.environment(sandbox), system.quote(state), system.quote(system.interpreter)))
    finally(function() system.shell("kill -9 " .. pid:match "%d+") end)
    repeat system.shell "sleep 0.02" until sent "imports.all" == 1
    system.shell("kill -STOP " .. pid:match "%d+")
    sandbox:fault { operation = "imports.all", kind = "latency", seconds = 1 }
    assert(api.imports:all { deadline = 4 })
    assert.are.equal(2, sent "imports.all")
  end)
end

describe("a cache beside the state file #timed", function()
  setup(function() new_state = function(where) return where .. "/state.db" end end)
  specs_of_a_place()

  test("holds no key, in files that are private", function()
    read_with_key()
    local out = system.shell(("grep -c -a -F %s %s-cache* %s-writes; ls -l %s-cache %s-writes"):format(
      sandbox.api_key, state, state, state, state))
    assert.is_nil(out:find ":[1-9]%d*\n", out)
    assert.are.equal(2, select(2, out:gsub("%-rw%-%-%-%-%-%-%-", "")), out)
  end)

  test("holds no more bytes than it may", function()
    read_beyond_bound()
    local held = tonumber((system.shell("sqlite3 " .. system.quote(state .. "-cache") .. " 'SELECT SUM(bytes) FROM replies'")))
    assert.is_true(is_bounded(held), held)
  end)

  local function spoil(how)
    return function()
      local id = open()
      assert(api.imports:data(id))
      system.shell(how:gsub("STATE", (system.quote(state):gsub("%%", "%%%%"))))
      local other = client()
      for _ = 1, 2 do
        assert.are.equal(10, #assert(api.imports:data(id)))
        assert.are.equal(10, #assert(other.imports:data(id)))
      end
      assert(other.imports:import { id = id, records = { { n = 10 } } })
      assert.are.equal(11, #assert(other.imports:data(id)))
      assert.are.equal(11, #assert(api.imports:data(id)))
    end
  end
  test("goes on if its files are deleted", spoil "rm -f STATE-cache* STATE-writes")
  test("goes on if its file is no database", spoil "head -c 9000 /dev/urandom >STATE-cache")
  test("goes on if its mark is cut", spoil ": >STATE-writes")
  test("goes on if its files cannot be used",
    spoil "rm -f STATE-cache* STATE-writes && mkdir STATE-cache STATE-writes STATE-cache-lock")

  test("goes on if its file is locked", function()
    local id = open()
    assert(api.imports:data(id))
    local pid = system.shell(("(echo 'BEGIN EXCLUSIVE;'; sleep 3) | sqlite3 %s-cache >/dev/null 2>&1 & echo $!"):format(
      system.quote(state)))
    finally(function() system.shell("kill " .. pid:match "%d+") end)
    system.shell "sleep 0.2"
    assert.are.equal(10, #assert(client().imports:data(id)))
  end)
end)

describe("a cache in PostgreSQL #timed", function()
  local server
  setup(function()
    server = pcall(require, "flarelight.postgres_core") and postgres.start() or nil
    new_state = function() if server then return server:database() end end
  end)
  teardown(function() if server then server:stop() end end)
  specs_of_a_place()

  test("holds no key", function()
    read_with_key()
    local out = server:dump(name)
    assert.is_truthy(out:find("COPY flarelight.replies", 1, true))
    assert.is_nil(out:find(sandbox.api_key, 1, true))
  end)

  test("holds no more bytes than it may", function()
    read_beyond_bound()
    local held = tonumber((server:sql(name, "SELECT SUM(bytes) FROM flarelight.replies")))
    assert.is_true(is_bounded(held), held)
  end)

  test("is made in a database of the version before", function()
    local id = open()
    assert(api.imports:data(id))
    server:sql(name, "DROP TABLE flarelight.replies, flarelight.salt; DROP SEQUENCE flarelight.write_marks;"
      .. " UPDATE flarelight.version SET number = 2")
    assert(client().imports:data(id)) -- and makes the tables
    local other = client()
    assert(other.imports:data(id))
    assert.are.equal(1, other:stats().cache.from_state)
    assert.are.equal("3", server:sql(name, "SELECT number FROM flarelight.version"):match "%d+")
  end)

  -- Calls of two clients while the server is lost, and afterwards.
  test("goes on while the database is lost, and tells then of the writes meanwhile", function()
    local id = open()
    local other = client()
    assert(api.imports:data(id))
    assert(other.imports:data(id))
    server:kill()
    local resumed = false
    finally(function() if not resumed then server:resume() end end)
    for _ = 1, 2 do
      assert.are.equal(10, #assert(api.imports:data(id)))
      assert.are.equal(10, #assert(other.imports:data(id)))
    end
    assert(other.imports:import { id = id, records = { { n = 10 } } })
    assert.are.equal(11, #assert(api.imports:data(id)))
    server:resume()
    resumed = true
    -- Both leave the database alone for 10 s.
    system.shell "sleep 11"
    sandbox:clear_log()
    assert.are.equal(11, #assert(other.imports:data(id))) -- and changes the mark
    assert.are.equal(11, #assert(api.imports:data(id)))
    assert.are.equal(1, sent "imports.data")
  end)

  test("keeps nobody waiting for the lock of a journal", function()
    local id = open()
    local holder = system.shell(("(echo 'BEGIN; SELECT pg_advisory_xact_lock(1718383205);'; sleep 20) | "
      .. "PGPASSWORD=secret psql -q %s >/dev/null 2>&1 & echo $!"):format(system.quote(state))):match "%d+"
    finally(function() system.shell("kill " .. holder) end)
    system.shell "sleep 0.3"
    assert(api.imports:data(id))
    assert(client().imports:data(id))
    assert.are.equal(1, sent "imports.data")
  end)
end)
