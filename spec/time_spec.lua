-- Deadlines, time-outs, cancelling and closing. No time is measured here but against bounds that only
-- something that hangs would pass.

local support = require "support"

local HUGE = math.huge
local definitions = { preparations = { { id = 1, sql = "SELECT 1 AS a", target = "t" } } }

describe("time:", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function start(options, client_options)
    sandbox, api = opened.service(support.with(options, definitions), client_options)
  end

  local function write(options) return api.preparations:execute(1, nil, options) end
  local function read(options) return api.imports:all(options) end

  -- What a call that fails says of itself.
  local function outcome(data, _, err)
    assert.is_nil(data)
    assert.is_true((err.elapsed or 0) < 60)
    return err
  end
  local function update_until(what) support.update_until(api, what) end
  local function finish(task)
    update_until(function() return task:done() end)
    return outcome(task:result())
  end
  local function seen(n) return function() return #sandbox:requests() >= n end end

  describe("a deadline", function()
    it("holds over all attempts, and says when the call could have gone", function()
      start(nil, { max_attempts = 100 })
      sandbox:fault { kind = "status", status = 500, times = HUGE }
      local err
      for _ = 1, 10 do
        err = outcome(read { deadline = 0.5 })
        assert.equal("timeout", err.kind)
        if err.message:find("try again", 1, true) then break end -- else it has passed while an attempt was under way
      end
      assert.equal(500, err.status)
      assert.is_true(err.attempts >= 1 and err.retry_at >= os.time() - 10)
      assert.truthy(err.message:find("the deadline leaves no time to try again", 1, true))
    end)

    -- The server's wait ends after the deadline: the call fails at once.
    local waits = {
      { "503", { status = 503, retry_after = 30 }, read, "timeout" },
      { "429", { status = 429, retry_after = 30 }, read, "rate_limited" },
      { "403", { status = 403, retry_after = 30, remaining = 0 }, read, "forbidden" },
      { "429 to a write", { status = 429, retry_after = 30 }, write, "rate_limited", "rejected" },
      { "503 to a write that may be repeated", { status = 503, retry_after = 30 },
        function(options) options.repeatable = true return write(options) end, "timeout", "in_doubt" },
    }
    for _, case in ipairs(waits) do
      it("does not wait for what comes after it: " .. case[1], function()
        start()
        case[2].kind = "status"
        sandbox:fault(case[2])
        local err = outcome(case[3] { deadline = 5 })
        assert.are.same({ case[4], case[5], 1 }, { err.kind, err.fate, err.attempts })
        -- os.time() is whole seconds, of a clock that is some milliseconds behind.
        local wait = err.retry_at - os.time()
        assert.is_true(wait > 10 and wait <= 33, ("retry_at is %s s ahead"):format(wait))
      end)
    end

    it("ends a call in flight", function()
      start()
      sandbox:fault { kind = "latency", seconds = 60, times = HUGE }
      -- At the same time, and long enough for both to be sent before it passes.
      support.together {
        function()
          local err = outcome(read { deadline = 1 })
          assert.are.same({ "timeout", nil, 1 }, { err.kind, err.fate, err.attempts })
        end,
        function()
          local err = outcome(write { deadline = 1 })
          assert.are.same({ "timeout", "in_doubt", 1 }, { err.kind, err.fate, err.attempts })
        end,
      }
      assert.equal(2, #sandbox:requests())
    end)

    it("of the client holds for every call that has none of its own", function()
      start(nil, { deadline = 0.2 })
      sandbox:fault { kind = "latency", seconds = 0.4, times = HUGE }
      assert.equal("timeout", outcome(read()).kind)
      assert(read { deadline = 10 })
    end)

    it("is not waited for where the rate budget comes later", function()
      start { rate_limit = 3, rate_window = 30 }
      for _ = 1, 3 do assert(read()) end
      -- The first is told by asking the budget, the second while another call waits for it already.
      local waiting = api:spawn(function() return read() end)
      for _ = 1, 2 do
        local err = outcome(write { deadline = 5 })
        assert.are.same({ "rate_limited", "not_sent", 0 }, { err.kind, err.fate, err.attempts })
        local wait = err.retry_at - os.time()
        assert.is_true(wait > 10 and wait <= 33, "retry_at")
        api:update(0.01)
      end
      assert.equal(3, #sandbox:requests())
      waiting:cancel()
      assert.equal("cancelled", finish(waiting).kind)
    end)

    it("passes while the call has no place", function()
      start(nil, { max_concurrency = 1 })
      sandbox:fault { kind = "latency", seconds = 60 }
      local first = api:spawn(function() return read() end)
      update_until(seen(1))
      local err = outcome(write { deadline = 0.1 })
      assert.are.same({ "timeout", "not_sent", 0 }, { err.kind, err.fate, err.attempts })
      first:cancel()
      assert.equal("cancelled", finish(first).kind)
      assert(write())
    end)
  end)

  describe("a time-out", function()
    it("is one attempt's", function()
      start(nil, { read_timeout = 1, write_timeout = 1, max_attempts = 2 })
      sandbox:fault { kind = "latency", seconds = 60, times = HUGE }
      support.together {
        function()
          local err = outcome(read())
          assert.are.same({ "timeout", 2 }, { err.kind, err.attempts })
        end,
        function()
          local err = outcome(write())
          assert.are.same({ "timeout", "in_doubt", 1 }, { err.kind, err.fate, err.attempts })
        end,
      }
    end)

    it("of connecting leaves nothing sent", function()
      -- It takes the connection, and never answers TLS.
      local server = opened.raw_server { "+" }
      api = opened.client({ url = server.url:gsub("^http", "https"), api_key = "k",
        subscription_id = server.subscription_id }, { connect_timeout = 0.1, max_attempts = 2 })
      local err = outcome(write())
      assert.are.same({ "timeout", "not_sent", 2 }, { err.kind, err.fate, err.attempts })
    end)
  end)

  describe("waits", function()
    it("grow, but not beyond their bounds", function()
      local delays = {}
      start(nil, { max_attempts = 3, on_event = function(event)
        if event.name == "retry" then delays[#delays + 1] = event.delay end
      end })
      sandbox:fault { kind = "status", status = 500, times = 3 }
      assert.equal("server", outcome(read()).kind)
      sandbox:fault { kind = "throttle", times = 1 }
      assert(read())
      assert.equal(3, #delays)
      for i, most in ipairs { 0.5, 1, 1 } do assert.is_true(delays[i] >= 0 and delays[i] <= most) end
    end)

    it("are not taken any more where too many calls had to", function()
      start(nil, { max_attempts = 2, max_concurrency = 64 })
      sandbox:fault { kind = "status", status = 500, times = HUGE }
      local items = {}
      for i = 1, 45 do items[i] = i end
      local results, failed = api:map(items, function() return read() end, { concurrency = 45 })
      assert.equal(45, failed)
      local retried, refused = 0, 0
      for _, result in ipairs(results) do
        if result.err.attempts == 2 then retried = retried + 1 end
        if result.err.message:find("too many retries lately", 1, true) then refused = refused + 1 end
      end
      -- 500 tokens, 14 a retry.
      assert.are.same({ 35, 10 }, { retried, refused })
      assert.equal(35, api:stats().retries)
    end)

    it("of many calls at once lose none", function()
      start(nil, { max_concurrency = 200, max_attempts = 2 })
      sandbox:fault { kind = "throttle", times = 200 }
      local items = {}
      for i = 1, 90 do items[i] = i end
      local _, failed = api:map(items, function() return read() end, { concurrency = 90 })
      assert.equal(90, failed)
      assert.equal(180, #sandbox:requests())
    end)
  end)

  local retries
  local counting = { on_event = function(event) if event.name == "retry" then retries = retries + 1 end end }
  local function waits_again() return retries == 1 end

  -- Each puts a task into a state; then it is stopped.
  local states = {
    { "has not begun", fate = "not_sent", attempts = nil, begin = function() return function() return true end end },
    { "waits for the rate budget", fate = "not_sent", attempts = 0,
      options = { rate_limit = 2, rate_window = 60 },
      begin = function()
        for _ = 1, 2 do assert(read()) end
        sandbox:clear_log()
        return function() return api:quota().waiting == 1 end
      end },
    { "waits for a place", fate = "not_sent", attempts = 0, client = { max_concurrency = 1 },
      begin = function()
        sandbox:fault { operation = "imports.all", kind = "latency", seconds = 60 }
        api:spawn(function() return read() end)
        return function() return #sandbox:requests() == 1 and api:quota().waiting == 1 end
      end },
    { "waits for its next attempt", fate = "not_sent", attempts = 1, client = counting,
      begin = function()
        sandbox:fault { kind = "throttle", retry_after = 60 }
        return waits_again
      end },
    { "waits for its next attempt after one that is in doubt", fate = "in_doubt", attempts = 1, repeatable = true,
      client = counting,
      begin = function()
        sandbox:fault { kind = "status", status = 503, retry_after = 60 }
        return waits_again
      end },
    { "is in flight", fate = "in_doubt", attempts = 1,
      begin = function()
        sandbox:fault { kind = "latency", seconds = 60 }
        return seen(1)
      end },
    { "is in flight again", fate = "in_doubt", attempts = 2,
      begin = function()
        sandbox:fault { kind = "throttle" }
        sandbox:fault { kind = "latency", seconds = 60, times = HUGE }
        return seen(2)
      end },
  }
  for _, state in ipairs(states) do
    for _, kind in ipairs { "cancelled", "closed" } do
      if kind == "cancelled" or state.attempts then
        it("a write that " .. state[1] .. " is " .. kind, function()
          start(state.options, state.client)
          retries = 0
          local reached = state.begin()
          local task = api:spawn(function() return write { repeatable = state.repeatable } end)
          if state.attempts then update_until(reached) end
          local requests = #support.requests(sandbox, "preparations.execute")
          if kind == "cancelled" then task:cancel() else api:close() end
          -- Whoever takes what has come runs the tasks: any client.
          local runner = support.client(sandbox)
          local err = outcome(task:result())
          runner:close()
          assert.are.same({ kind, state.fate, state.attempts }, { err.kind, err.fate, err.attempts })
          -- Nothing of an attempt before it.
          if state[1]:find "in flight" then assert.are.same({ nil, 0 }, { err.status, #err.messages }) end
          assert.equal(requests, #support.requests(sandbox, "preparations.execute"))
        end)
      end
    end
  end

  it("a call that is cancelled makes room for the next", function()
    start(nil, { max_concurrency = 1 })
    sandbox:fault { kind = "latency", seconds = 60 }
    local task = api:spawn(function() return read() end)
    update_until(seen(1))
    local next_one = api:spawn(function() return read() end)
    api:update(0.01)
    task:cancel()
    assert.equal("cancelled", outcome(task:result()).kind)
    assert(next_one:result())
  end)

  it("a cancel that comes too late changes nothing", function()
    start()
    local task = api:spawn(function() return write() end)
    local _, meta = task:result()
    task:cancel()
    assert.equal("applied", meta.fate)
    assert.equal("applied", select(2, task:result()).fate)
  end)

  it("a reader of rows is told that the client was closed, whatever has come", function()
    for prefetch = 0, 3 do
      start()
      local id = support.import(api, 100)
      local rows = api.imports:rows(id, { page_size = 10, prefetch = prefetch })
      assert(rows:next())
      api:close()
      local row, _, err
      local count = 1
      repeat
        row, _, err = rows:next()
        if row then count = count + 1 end
      until not row
      assert.equal("closed", err.kind)
      assert.is_true(count >= 10 and count % 10 == 0)
    end
  end)

  it("a call of a closed client is refused", function()
    start()
    api:close()
    local _, _, err = read()
    assert.equal("closed", err.kind)
  end)
end)
