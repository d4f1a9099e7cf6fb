-- What a client tells of its calls: on_event and api:stats().

local support = require "support"

local HUGE = math.huge

describe("on_event", function()
  local opened = support.opened(after_each)
  local sandbox, api, events

  local function start(options, client_options)
    events = {}
    client_options = client_options or {}
    client_options.on_event = client_options.on_event or function(event) events[#events + 1] = event end
    sandbox, api = opened.service(options, client_options)
  end

  -- The events as one line each, of the members that are named.
  local function lines(...)
    local list = {}
    for i, event in ipairs(events) do
      local words = { event.name }
      for _, name in ipairs { ... } do
        if event[name] ~= nil then words[#words + 1] = ("%s=%s"):format(name, tostring(event[name])) end
      end
      list[i] = table.concat(words, " ")
    end
    return list
  end
  local words = { "attempt", "status", "kind", "reason", "fate" }
  local unpack = table.unpack or unpack
  local function told() return lines(unpack(words)) end

  local cases = {
    { "a read", call = function() return api.imports:all() end,
      { "start attempt=1", "done attempt=1 status=200" } },
    { "a write", call = function() return api.imports:import { records = {} } end,
      { "start attempt=1", "done attempt=1 status=200 fate=applied" } },
    { "a refusal", call = function() return api.imports:data(99) end,
      { "start attempt=1", "done attempt=1 status=404 kind=not_found" } },
    { "a refused write", call = function() return api.automations:execute(99) end,
      { "start attempt=1", "done attempt=1 status=404 kind=not_found fate=rejected" } },
    { "a read that goes again", call = function() return api.imports:all() end,
      faults = { { kind = "status", status = 502 }, { kind = "reset", nth = 2 } },
      { "start attempt=1", "retry attempt=1 status=502 kind=server reason=server", "start attempt=2",
        "retry attempt=2 kind=network reason=network", "start attempt=3", "done attempt=3 status=200" } },
    { "a write that is throttled, then lost", call = function() return api.imports:import { records = {} } end,
      faults = { { kind = "throttle" }, { kind = "commit_then_500", nth = 2 } },
      { "start attempt=1", "retry attempt=1 status=429 kind=rate_limited reason=throttled", "start attempt=2",
        "done attempt=2 status=500 kind=server fate=in_doubt" } },
    { "a call that the deadline ends", call = function() return api.imports:all { deadline = 5 } end,
      faults = { { kind = "throttle", retry_after = 30 } },
      { "start attempt=1", "done attempt=1 status=429 kind=rate_limited" } },
  }
  for _, case in ipairs(cases) do
    it("tells of " .. case[1], function()
      start(nil, { max_attempts = 3 })
      for _, fault in ipairs(case.faults or {}) do sandbox:fault(fault) end
      local _, meta, err = case.call()
      meta = err or meta
      assert.are.same(case[2], told())
      local elapsed = 0
      for _, event in ipairs(events) do
        assert.are.same({ meta.request_id, sandbox:requests()[1].method, sandbox:requests()[1].path },
          { event.request_id, event.method, event.path })
        assert.is_true(event.elapsed >= elapsed)
        elapsed = event.elapsed
        assert.equal(event.name == "retry", event.delay ~= nil)
        for _, value in pairs(event) do
          assert.is_nil(tostring(value):find(sandbox.api_key, 1, true))
        end
      end
      assert.equal(meta.elapsed, elapsed)
    end)
  end

  it("tells of a wait for the rate budget, and how long it is", function()
    start { rate_limit = 1, rate_window = 2, reset_format = "epoch_ms" }
    assert(api.imports:all())
    assert(api.imports:all())
    assert.are.same({ "start attempt=1", "done attempt=1 status=200", "wait attempt=0 reason=rate_limit",
                      "start attempt=1", "done attempt=1 status=200" }, told())
    assert.is_true(events[3].delay > 0 and events[3].delay <= 3)
    assert.equal("imports.all", events[3].operation)
  end)

  it("tells the wait that the server asks for to the letter", function()
    start()
    sandbox:fault { kind = "throttle", retry_after = 1 }
    assert(api.imports:all())
    assert.are.same({ "retry", 1 }, { events[2].name, events[2].delay })
  end)

  it("tells of the pages of rows", function()
    start()
    local id = support.import(api, 25)
    events = {}
    assert.equal(25, #assert(api.imports:rows(id, { page_size = 10, prefetch = 0 }):batch(30)))
    local done = {}
    for _, event in ipairs(events) do
      assert.equal("imports.data", event.operation)
      if event.name == "done" then done[#done + 1] = event.status end
    end
    assert.are.same({ 200, 200, 200, 200 }, done)
  end)

  it("tells a client of its own calls alone", function()
    start()
    local other = support.client(sandbox)
    assert(other.imports:all())
    other:close()
    assert.are.same({}, events)
  end)

  describe("that raises", function()
    local broken
    local function raising(options)
      broken = true
      start(nil, options or {})
    end
    local function handler(event)
      events[#events + 1] = event
      if broken then error({ event = event.name }) end
    end

    it("costs no outcome; the next call raises it, and sends nothing", function()
      raising { on_event = handler }
      local data, meta = api.imports:import { records = { { n = 1 } } }
      assert.truthy(data)
      assert.equal("applied", meta.fate)
      broken = false
      local ok, raised = pcall(api.imports.all, api.imports)
      assert.is_false(ok)
      assert.are.same({ event = "start" }, raised) -- the first of them
      assert.equal(1, #sandbox:requests())
      assert(api.imports:all())
      assert.equal(2, #sandbox:requests())
      assert.are.same({ "start", "done", "start", "done" }, lines())
    end)

    it("is raised by api:update, and by api:close", function()
      raising { on_event = handler }
      local task = api:spawn(function() return api.imports:all() end)
      local raised
      local ends = os.time() + 10
      repeat
        local ok, value = pcall(api.update, api, 0.01)
        raised = raised or not ok and value
      until task:done() or os.time() > ends
      assert.are.same({ event = "start" }, raised)
      assert.are.same({}, (task:result()))
      pcall(api.update, api)
      assert(api.imports:rows(1))
      assert.are.same({}, (api.imports:all()))
      assert.is_false((pcall(api.close, api)))
      assert.has_no.errors(function() api:close() end)
    end)

    it("harms no other client, nor the tasks of this one", function()
      raising { on_event = handler }
      local other = support.client(sandbox)
      local results, failed = other:all {
        function() return api.imports:import { records = {} } end,
        function() return other.imports:all() end,
        function() return other.reports:all() end,
      }
      assert.equal(0, failed, results[1].err)
      assert(other.imports:all())
      other:close()
      assert.is_false((pcall(api.imports.all, api.imports)))
    end)
  end)
end)

describe("api:stats", function()
  it("counts what was done", function()
    local sandbox = support.sandbox()
    local api = support.client(sandbox, { max_attempts = 2 })
    local none = { calls = 0, attempts = 0, retries = 0, bytes_in = 0, bytes_out = 0, connections = 0, errors = {},
                   latency = {} }
    assert.are.same(none, api:stats())
    for _ = 1, 3 do assert(api.imports:all()) end
    local stats = api:stats()
    assert.are.same({ 3, 3, 0, 1 }, { stats.calls, stats.attempts, stats.retries, stats.connections })
    assert.is_true(stats.bytes_in > 300 and stats.bytes_out > 300)
    assert.equal(stats.connections, sandbox:counts().connections)

    sandbox:fault { kind = "status", status = 500, times = HUGE, operation = "reports.all" }
    api.reports:all()
    api.imports:data(9)
    api.imports:data(9)
    assert(api.imports:import { records = {} })
    stats = api:stats()
    assert.are.same({ 7, 8, 1 }, { stats.calls, stats.attempts, stats.retries })
    assert.are.same({ server = 1, not_found = 2 }, stats.errors)
    assert.equal(8, #sandbox:requests())
    api:close()
    sandbox:stop()
  end)
end)
