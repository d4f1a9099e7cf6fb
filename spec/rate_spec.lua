-- The rate budget over HTTP: what the headers say in each of their forms, pacing against a server that
-- counts, and what api:quota() tells. The arithmetic by itself is in spec/core/policy/rate_limit_spec.c.

local support = require "support"

describe("the rate budget", function()
  local opened = support.opened(after_each)
  local client_of = opened.client
  local sandbox, api

  local function start(options, client_options)
    sandbox, api = opened.service(options, client_options)
    return sandbox, api
  end
  local function raw(headers, body)
    local good = support.reply("200 OK", body or '{"data":[],"messages":[]}', headers) .. "..."
    api = client_of(opened.raw_server { good, good, good })
  end

  local function update_until(what) support.update_until(api, what) end
  local function is_near(expected, value, slack)
    assert.is_true(value ~= nil and math.abs(value - expected) <= (slack or 5),
      ("%s is not near %s"):format(tostring(value), expected))
  end

  describe("is read from headers", function()
    for _, format in ipairs { "delta", "epoch", "epoch_ms", "iso", "http_date" } do
      for _, skew in ipairs { 0, 7200, -1e6 } do
        it(("with Reset as %s, the server's clock %d s off"):format(format, skew), function()
          start { rate_limit = 50, rate_window = 40, reset_format = format, clock_skew = skew }
          local _, meta = assert(api.imports:all())
          assert.are.same({ 50, 49 }, { meta.rate_limit.limit, meta.rate_limit.remaining })
          -- The server's own time there, this machine's here.
          is_near(os.time() + 40 + skew, meta.rate_limit.reset)
          local quota = api:quota()
          assert.are.same({ 50, 49 }, { quota.limit, quota.remaining })
          is_near(40, quota.reset_in)
          is_near(os.time() + 40, quota.reset)
        end)
      end
    end

    for _, format in ipairs { "absent", "nonsense" } do
      it("with Reset " .. format .. ": a minute is assumed", function()
        start { rate_limit = 50, rate_window = 5, reset_format = format }
        local _, meta = assert(api.imports:all())
        if format == "absent" then assert.is_nil(meta.rate_limit.reset) end
        is_near(60, api:quota().reset_in)
        assert.equal(49, api:quota().remaining)
      end)
    end

    it("where there are none nothing is held back", function()
      start({ rate_limit = 1000, rate_limit_headers = false })
      for _ = 1, 30 do assert(api.imports:all()) end
      local _, meta = assert(api.imports:all())
      assert.is_nil(meta.rate_limit)
      local quota = api:quota()
      assert.are.same({ nil, nil, nil, 31 }, { quota.limit, quota.remaining, quota.pace, quota.spent })
    end)

    it("and not believed where they are absurd", function()
      raw "X-RateLimit-Limit: 3\r\nX-RateLimit-Remaining: 2\r\nX-RateLimit-Reset: 99999999\r\n"
      assert(api.imports:all())
      is_near(60, api:quota().reset_in)
      raw "X-RateLimit-Limit: -3\r\nX-RateLimit-Remaining: many\r\n"
      local _, meta = assert(api.imports:all())
      assert.are.same({ nil, nil }, { meta.rate_limit, api:quota().limit })
      raw "X-RateLimit-Limit: 0\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 60\r\n"
      for _ = 1, 3 do assert(api.imports:all { deadline = 10 }) end
    end)
  end)

  it("is kept to, in any format of Reset and with several clients, and refusals are waited out", function()
    -- All at the same time, so that their windows do not add up.
    local cases = {
      { reset_format = "delta", calls = 12 }, { reset_format = "epoch_ms", calls = 22 },
      { reset_format = "epoch", calls = 12 }, { reset_format = "iso", calls = 12, clock_skew = 3600 },
      { reset_format = "http_date", calls = 12, clock_skew = -3600 },
    }
    local boxes, runs = {}, {}
    for i, case in ipairs(cases) do
      local box, first = start { rate_limit = 10, rate_window = 3, reset_format = case.reset_format,
                                 clock_skew = case.clock_skew }
      local clients = { first, client_of(box), client_of(box) }
      boxes[i] = box
      runs[i] = function()
        assert(first.imports:all()) -- what is not known cannot be kept to
        local items = {}
        for n = 2, case.calls do items[n - 1] = n end
        local _, failed = first:map(items, function(n) return clients[n % 3 + 1].imports:all() end,
          { concurrency = 20 })
        return failed
      end
    end
    local refusing, refused = start { rate_limit = 2, rate_window = 1, rate_limit_status = 403 }
    refusing:fault { kind = "foreign_use" }
    runs[#runs + 1] = function() return refused.imports:all() end
    local busy, waiting = start()
    busy:fault { kind = "throttle", retry_after = 1, times = 3 }
    runs[#runs + 1] = function()
      return (select(2, waiting:map({ 1, 2, 3, 4, 5, 6 }, function() return waiting.imports:all() end)))
    end

    local results = api:all(runs)
    for i, case in ipairs(cases) do
      assert.equal(0, results[i].data, tostring(results[i].err))
      local good, others = 0, 0
      for _, request in ipairs(boxes[i]:requests()) do
        if request.status == 200 then good = good + 1 else others = others + 1 end
      end
      assert.equal(case.calls, good, case.reset_format)
      -- A window of a minute lets replies of the one before be told apart; one of seconds does not always.
      assert.is_true(others <= 2, case.reset_format)
    end
    assert.equal(2, results[#cases + 1].meta.attempts)
    assert.equal(0, results[#cases + 2].data)
    assert.equal(9, #busy:requests())
  end)

  it("is one for all clients of a process, and another for another subscription", function()
    start { rate_limit = 3, rate_window = 60 }
    local same = client_of(sandbox)
    local other = client_of({ url = sandbox.url, api_key = "x", subscription_id = "00000000-0000-4000-8000-000000000009" })
    for _ = 1, 3 do assert(api.imports:all()) end
    local _, _, err = same.imports:all { deadline = 5 }
    assert.are.same({ "rate_limited", 0 }, { err.kind, err.attempts })
    assert.are.same({ 3, 0, 3 }, { same:quota().limit, same:quota().remaining, same:quota().spent })
    _, _, err = other.imports:all { deadline = 5 }
    assert.equal("unauthorized", err.kind)
  end)

  it("fails a call at once that has to wait for the next window behind others, longer than its deadline", function()
    start { rate_limit = 40, rate_window = 60 }
    assert(api.imports:all())
    local list = {}
    for n = 1, 60 do list[n] = n end
    local results = api:map(list, function() return api.imports:all { deadline = 3 } end, { concurrency = 60 })
    local at_once = 0
    for _, result in ipairs(results) do
      local err = result.err
      if err and err.kind == "rate_limited" and err.attempts == 0 and err.elapsed == 0 then
        at_once = at_once + 1
        assert.is_true(err.retry_at > os.time() + 30)
      end
    end
    assert.equal(60 - 39, at_once)
  end)

  it("is told by api:quota before, during and after", function()
    start { rate_limit = 10, rate_window = 60 }
    assert.are.same({ place = "memory", waiting = 0, spent = 0, foreign = 0 }, api:quota())
    sandbox:fault { kind = "latency", seconds = 0.2, nth = 2 }
    assert(api.imports:all())
    local task = api:spawn(function() return api.imports:all() end)
    update_until(function() return #sandbox:requests() == 2 end)
    local quota = api:quota()
    assert.are.same({ 10, 8, 2, 0 }, { quota.limit, quota.remaining, quota.spent, quota.waiting })
    assert(task:result())
    assert.equal(8, api:quota().remaining)

    sandbox:fault { kind = "foreign_use", requests = 3 }
    assert(api.imports:all())
    quota = api:quota()
    assert.are.same({ 4, 3, 3 }, { quota.remaining, quota.spent, quota.foreign })
    assert(api.imports:all())

    sandbox:fault { kind = "foreign_use", requests = 2 }
    assert(api.imports:all())
    task = api:spawn(function() return api.imports:all() end)
    update_until(function() return api:quota().waiting == 1 end)
    quota = api:quota()
    assert.are.same({ 0, 0, 1 }, { quota.remaining, quota.pace, quota.waiting })
    task:cancel()
    update_until(function() return task:done() end)
    assert.equal(0, api:quota().waiting)
    assert.equal(5, #sandbox:requests())
  end)

  it("is whole again when the window is over", function()
    start { rate_limit = 5, rate_window = 0.2, reset_format = "epoch_ms" }
    assert(api.imports:all())
    update_until(function() return api:quota().reset == nil end)
    assert.are.same({ 5, 5 }, { api:quota().limit, api:quota().remaining })
  end)

  it("gives back what was never sent", function()
    start { rate_limit = 10, rate_window = 60 }
    assert(api.imports:all())
    sandbox:stop()
    local lost = client_of(sandbox, { max_attempts = 1 })
    for _ = 1, 5 do assert.is_nil((lost.imports:all())) end
    assert.are.same({ 9, 1 }, { api:quota().remaining, api:quota().spent })
  end)

  it("is shared by hurried calls and bulk: a call goes ahead of pages that are spread", function()
    start { rate_limit = 100, rate_window = 60 }
    local id = support.import(api, 60)
    sandbox:fault { operation = "imports.all", kind = "foreign_use", requests = 75 }
    assert(api.imports:all())
    -- 23 are left, 13 without what is kept for calls like the last: every page has seconds to wait.
    local done = 0
    local reader = api:spawn(function()
      for _ = 1, 6 do assert(api.imports:rows(id, { page_size = 10 }):batch(60)) end
      done = done + 1
    end)
    update_until(function() return api:quota().waiting > 0 end)
    for _ = 1, 3 do assert(api.imports:all { deadline = 3 }) end
    update_until(function() return api:quota().waiting > 0 end) -- pages still wait
    assert.equal(0, done)
    reader:cancel()
  end)

  describe("that is assumed", function()
    it("holds before the server has said, and where it says nothing", function()
      start({ rate_limit = 100, rate_limit_headers = false }, { rate_limit = 3 })
      for _ = 1, 3 do assert(api.imports:all()) end
      local _, _, err = api.imports:all { deadline = 5 }
      assert.are.same({ "rate_limited", 0 }, { err.kind, err.attempts })
      assert.are.same({ 3, 0 }, { api:quota().limit, api:quota().remaining })
      assert.equal(3, #sandbox:requests())
    end)

    it("gives way to the server's word at once, for every client", function()
      start({ rate_limit = 100 }, { rate_limit = 1 })
      local other = client_of(sandbox)
      sandbox:fault { kind = "latency", seconds = 0.2 }
      local first = api:spawn(function() return api.imports:all() end)
      update_until(function() return #sandbox:requests() == 1 end)
      -- By the assumption the next one goes in a minute; the reply that is under way knows better.
      local results = other:map({ 1, 2 }, function(n) return (n == 1 and api or other).imports:all() end)
      for i = 1, 2 do
        assert.truthy(results[i].data)
        assert.is_true(results[i].meta.elapsed < 20)
      end
      assert(first:result())
      assert.equal(100, api:quota().limit)
    end)
  end)

  describe("after a refusal", function()
    it("holds back every client for as long as the server says", function()
      start({}, { max_attempts = 1 })
      local other = client_of(sandbox)
      sandbox:fault { kind = "throttle", retry_after = 30 }
      assert.is_nil((api.imports:all()))
      -- It was the last attempt; the others wait all the same.
      local _, _, err = other.imports:all { deadline = 5 }
      assert.are.same({ "rate_limited", 0 }, { err.kind, err.attempts })
      is_near(os.time() + 30, err.retry_at)
      assert.equal(0, other:quota().pace)
    end)

    it("holds back nobody where that is too long", function()
      start()
      sandbox:fault { kind = "throttle", retry_after = 121 }
      local _, _, err = api.imports:all()
      assert.equal("rate_limited", err.kind)
      is_near(os.time() + 121, err.retry_at)
      assert(api.imports:all { deadline = 5 })
    end)
  end)
end)
