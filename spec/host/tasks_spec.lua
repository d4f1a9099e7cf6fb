local pollable = require "flarelight.host.pollable"
local support = require "support"
local system = require "support.system"

-- Lua 5.1 cannot yield out of a for loop's iterator, nor across pcall.
local is_51 = _VERSION == "Lua 5.1" and rawget(_G, "jit") == nil

describe("tasks", function()
  local opened = support.opened(after_each)
  local sandbox, api

  before_each(function() sandbox, api = opened.service() end)

  it("api:all runs calls at the same time, and answers in order", function()
    -- Each call waits until all three have arrived: one after another they would never end in time.
    sandbox:fault { operation = "*", kind = "latency", seconds = 0.3, times = 3 }
    local order = {}
    local function call(name, method)
      return function()
        order[#order + 1] = "begin " .. name
        local data, meta, err = method()
        order[#order + 1] = "end"
        return data, meta, err
      end
    end
    local results, failed = api:all {
      call("imports", function() return api.imports:all() end),
      call("preparations", function() return api.preparations:all() end),
      call("reports", function() return api.reports:generate(99) end),
    }
    assert.are.same({ "begin imports", "begin preparations", "begin reports", "end", "end", "end" }, order)
    assert.are.equal(1, failed)
    assert.are.same({}, results[1].data)
    assert.are.equal(200, results[2].meta.status)
    assert.are.equal("not_found", results[3].err.kind)
  end)

  it("a task that waits for rows can be cancelled, and others go on where it was", function()
    local id = support.import(api, 20)
    local rows, err = api.imports:rows(id, { start = 10, page_size = 10 }), nil
    sandbox:fault { operation = "imports.data", kind = "latency", seconds = 60, times = math.huge }
    local task = api:spawn(function() err = select(3, rows:next()) end)
    support.update_until(api, function() return sandbox:hits().total > 0 end)
    task:cancel()
    support.update_until(api, function() return task:done() end)
    assert.are.equal("cancelled", err.kind)
    sandbox:clear_faults()
    assert.are.same({ { n = 10 }, 10 }, { rows:next() })
  end)

  -- Two tasks that take rows of one stream: the first waits for a page, the second for the first.
  local function two_that_wait(rows)
    sandbox:fault { operation = "imports.data", kind = "latency", seconds = 60, times = math.huge }
    local before, all, inner = sandbox:hits().total, {}, nil
    for i = 1, 2 do
      all[i] = api:spawn(function()
        inner = inner or coroutine.running()
        local row, _, err = rows:next()
        return row and row.n or err and err.kind or "end"
      end)
    end
    support.update_until(api, function() return sandbox:hits().total > before end)
    for _ = 1, 10 do api:update() end
    return all, inner
  end

  it("rows:close ends the waits of all tasks", function()
    local rows = api.imports:rows(support.import(api, 20))
    local all = two_that_wait(rows)
    rows:close()
    support.update_until(api, function() return all[1]:done() and all[2]:done() end)
    assert.are.same({ "end", "end" }, { all[1]:result(), all[2]:result() })
  end)

  it("api:close ends the waits of all tasks that take rows of one stream", function()
    local other = support.client(sandbox)
    local all = two_that_wait(other.imports:rows(support.import(api, 20)))
    other:close()
    support.update_until(api, function() return all[1]:done() and all[2]:done() end)
    assert.are.same({ "closed", "closed" }, { all[1]:result(), all[2]:result() })
  end)

  it("of two tasks that take rows of one stream, one goes on when the other is cancelled", function()
    local id = support.import(api, 20)
    for cancelled = 1, 2 do
      local rows = api.imports:rows(id)
      local all = two_that_wait(rows)
      sandbox:clear_faults()
      all[cancelled]:cancel()
      support.update_until(api, function() return all[cancelled]:done() end)
      assert.are.equal("cancelled", all[cancelled]:result())
      if cancelled == 2 then all[1]:cancel() end -- its page comes late
      support.update_until(api, function() return all[1]:done() and all[2]:done() end)
      assert.are.equal(cancelled == 1 and 0 or "cancelled", all[3 - cancelled]:result())
      assert.are.equal(cancelled == 1 and 1 or 0, rows:next().n)
    end
  end)

  it("a task that raised in one stream and reads another one keeps nobody waiting", function()
    local id, fails = support.import(api, 20), false
    local other = support.client(sandbox, { api_key = function() return not fails and sandbox.api_key or error "no" end })
    local first, second = other.imports:rows(id), api.imports:rows(id)
    local raised, taken
    api:spawn(function()
      fails = true
      raised = not pollable.protect(function() return first:next() end) -- as pcall, which on Lua 5.1 lets nothing wait
      fails = false
      sandbox:fault { operation = "imports.data", kind = "latency", seconds = 60 }
      second:next()
    end)
    support.update_until(api, function() return raised ~= nil and sandbox:hits().total > 0 end)
    for _ = 1, 10 do api:update() end
    local task = api:spawn(function() taken = first:next() end)
    support.update_until(api, function() return task:done() end)
    assert.are.same({ true, { n = 0 } }, { raised, taken })
    second:close()
    other:close()
  end)

  it("code that blocks takes the rows of a stream whose tasks wait, and they the rest", function()
    local rows = api.imports:rows(support.import(api, 20), { page_size = 2, prefetch = 0 })
    local all = two_that_wait(rows)
    sandbox:clear_faults()
    assert.are.same({ 0, 1, 2 }, { rows:next().n, rows:next().n, rows:next().n })
    local taken = { all[1]:result(), all[2]:result() }
    table.sort(taken)
    assert.are.same({ 3, 4 }, taken)
    assert.are.same({ n = 5 }, (rows:next()))
  end)

  local close = rawget(coroutine, "close") -- Lua 5.4
  if close then
    it("a task takes the rows of a stream after the coroutine of another one was closed in its turn", function()
      local rows = api.imports:rows(support.import(api, 20))
      local all, inner = two_that_wait(rows)
      sandbox:clear_faults()
      assert(close(inner))
      support.update_until(api, function() return all[2]:done() end)
      assert.are.equal(0, all[2]:result())
    end)
  end

  it("a task that never ran is reported at the end, unless it was cancelled or ran", function()
    local function said(code)
      local script = system.write(system.path ".lua", ([[
        local flarelight = require "flarelight"
        local api = assert(flarelight.new { api_key = "k", subscription_id = %q, base_url = %q })
        %s]]):format(sandbox.subscription_id, sandbox.url, code))
      return system.shell(("%s %s 2>&1"):format(system.interpreter, script))
    end
    assert.matches("^flarelight: a task never ran: nothing waited for it", said "api:spawn(function() end)")
    assert.are.equal("", said "api:spawn(function() end):result()")
    assert.are.equal("", said "api:spawn(function() end):cancel()")
    assert.are.equal("", said "api:spawn(function() end) api:update()")
    assert.are.equal("", said "api:map({ 1, 2, 3 }, function() return true end)")
  end)

  it("api:map and api:wait_until keep the message of an error whose third value is no error", function()
    local code = { code = 7 }
    local results, failed = api:map({ 1, 2, 3 }, function(n)
      if n == 1 then return nil, "my message", code end
      if n == 2 then error() end
      return nil, nil, code
    end)
    assert.are.equal(3, failed)
    assert.are.same({ "raised", "my message", code }, { results[1].err.kind, results[1].err.message, results[1].err.value })
    assert.are.same({ "raised", "error() was called without a message" }, { results[2].err.kind, results[2].err.message })
    assert.are.equal(code, results[3].err.value)
    local none, message, err = api:wait_until(function() return nil, "my message", code end)
    assert.are.same({ nil, "my message", code }, { none, message, err.value })
  end)

  it("api:map keeps to its concurrency and to the order", function()
    local under_way, most = 0, 0
    local results, failed = api:map({ "a", "b", "c", "d", "e", "f", "g" }, function(item, index)
      under_way = under_way + 1
      most = math.max(most, under_way)
      assert(api.imports:all())
      under_way = under_way - 1
      return item .. index
    end, { concurrency = 3 })
    assert.are.equal(0, failed)
    assert.are.equal(3, most)
    local values = {}
    for i, result in ipairs(results) do values[i] = result.data end
    assert.are.same({ "a1", "b2", "c3", "d4", "e5", "f6", "g7" }, values)
  end)

  it("what is raised inside becomes that item's error and harms no other", function()
    local results, failed = api:map({ 1, 2, 3 }, function(item)
      if item == 2 then error({ code = 7 }) end
      if item == 3 then error "plain" end
      return api.imports:all()
    end)
    assert.are.equal(2, failed)
    assert.are.same({}, results[1].data)
    assert.are.equal("raised", results[2].err.kind)
    assert.are.equal(7, results[2].err.value.code)
    assert.is_truthy(tostring(results[3].err):find("plain", 1, true))
    assert.are.same({ {}, 0 }, { api:map({}, function() end) })
  end)

  it("an error object without a text is an error as others are", function()
    for _, text in ipairs { function() error "no text" end, function() return nil end } do
      local value = setmetatable({}, { __tostring = text })
      local function fail() error(value) end
      for _, run in ipairs {
        function() return api:map({ 1, 2 }, function(item) return item == 1 and fail() or item end, { concurrency = 1 }) end,
        function() return api:all { fail, function() return 2 end } end,
      } do
        for _, within in ipairs { function() return run() end, function() return api:spawn(run):result() end } do
          local results, failed = within()
          assert.are.same({ 1, "raised", 2 }, { failed, results[1].err.kind, results[2].data })
          assert.are.equal(value, results[1].err.value)
          assert.matches("^a table whose __tostring ", results[1].err.message)
        end
      end
      local task = api:spawn(fail)
      local good, raised = pcall(task.result, task)
      assert.is_false(good)
      assert.are.equal(value, raised)
      assert.is_true(task:done())
      local _, message = api.imports:upload { name = "n", records = function() return nil, value end }
      assert.matches("a table whose __tostring ", message)
    end
  end)

  it("Ctrl-C inside of the function of api:map ends it", function()
    local ran = 0
    local good, raised = pcall(api.map, api, { 1, 2, 3 }, function(item)
      ran = ran + 1
      if item == 1 then error("file.lua:1: interrupted!", 0) end
      return api.imports:all()
    end, { concurrency = 1 })
    assert.are.same({ false, "file.lua:1: interrupted!", 1 }, { good, raised, ran })
    assert(api.imports:all())
  end)

  it("a task's result is what it returned, or raises what it raised", function()
    local task = api:spawn(function()
      assert(api.imports:all())
      return 1, nil, 3
    end)
    assert.is_false(task:done())
    assert.are.same({ 1, nil, 3 }, { task:result() })
    assert.is_true(task:done())
    local failing = api:spawn(function() error "no luck" end)
    local good, raised = pcall(failing.result, failing)
    assert.is_false(good)
    assert.is_truthy(raised:find("no luck", 1, true))
  end)

  it("tasks wait for tasks", function()
    local inner = api:spawn(function() return #api.imports:all() end)
    local outer = api:spawn(function() return inner:result() + 1 end)
    assert.are.equal(1, outer:result())
    local results = api:spawn(function() return api:all { function() return 5 end } end):result()
    assert.are.equal(5, results[1].data)
  end)

  it("says so where tasks wait for each other", function()
    local second
    local first = api:spawn(function() return second:result() end)
    second = api:spawn(function() return first:result() end)
    local good, raised = pcall(first.result, first)
    assert.is_false(good)
    assert.is_truthy(raised:find("wait for each other", 1, true))
  end)

  it("api:update never blocks and resumes what is ready", function()
    sandbox:fault { operation = "imports.all", kind = "latency", seconds = 60 }
    local kind
    local task = api:spawn(function()
      kind = select(3, api.imports:all()).kind
    end)
    -- A frame loop that blocked in the call would not come here before the reply, in a minute.
    for _ = 1, 200 do api:update(0.001) end
    while sandbox:hits().total == 0 do api:update(0.001) end
    for _ = 1, 200 do api:update(0.001) end
    assert.is_false(task:done())
    assert.is_nil(kind)
    task:cancel()
    local other = api:spawn(function() return #assert(api.imports:all()) end)
    repeat api:update(0.001) until task:done() and other:done()
    assert.are.equal("cancelled", kind)
    assert.are.equal(0, other:result())
  end)

  it("a stream of rows that is ready gives way when the slice is spent", function()
    local id = support.import(api, 3000)
    local seen = 0
    local task = api:spawn(function()
      local stream = api.imports:rows(id, { page_size = 3000 })
      while stream:next() do seen = seen + 1 end
    end)
    local partial = 0
    while not task:done() do
      local before = seen
      api:update(0)
      if seen > before and seen < 3000 then partial = partial + 1 end
    end
    assert.are.equal(3000, seen)
    assert.is_true(partial > 10)
  end)

  it("a for loop over rows works in a task, or says what to use instead", function()
    local id = support.import(api, 10)
    local task = api:spawn(function()
      local sum = 0
      for row in api.imports:rows(id) do sum = sum + row.n end
      return sum
    end)
    if is_51 then
      local good, raised = pcall(task.result, task)
      assert.is_false(good)
      assert.is_truthy(raised:find(":next()", 1, true))
    else
      assert.are.equal(45, task:result())
    end
  end)

  describe("an upload in a frame loop", function()
    -- Frames without any time of their own: each does one piece of work, however fast the machine is.
    local function frames_until(what, each)
      local frames, ends = 0, os.time() + 300 -- only a hang takes so long, also on a busy machine
      repeat
        assert(os.time() < ends, "nothing has come of it")
        api:update(0)
        if each then each() end
        frames = frames + 1
      until what()
      return frames
    end

    it("reads its records a few a frame, and writes them out in pieces", function()
      local n, calls, most = 0, 0, 0
      local task = api:spawn(function()
        return api.imports:upload { name = "n", batch_records = 1000, records = function()
          calls = calls + 1
          if n < 3000 then
            n = n + 1
            return { n = n - 1 }
          end
        end }
      end)
      frames_until(function() return task:done() end, function() most, calls = math.max(most, calls), 0 end)
      assert.is_true(most <= 2, most .. " records were read in a frame")
      assert.are.equal(3000, #sandbox:rows(assert(task:result()).id))

      task = api:spawn(function() return api.imports:upload { name = "array", records = support.records(20000) } end)
      local before = sandbox:counts().requests
      local frames = frames_until(function() return sandbox:counts().requests > before end)
      assert.is_true(frames > 2 * 5000 / 64, frames .. " frames until the first batch was sent")
      frames_until(function() return task:done() end)
      assert.are.equal(20000, assert(task:result()).records)
    end)

    it("never blocks, can be cancelled, and goes on where it was", function()
      local state = system.path()
      local lines = { "n" }
      for n = 0, 44 do lines[#lines + 1] = n end
      local path = system.file(table.concat(lines, "\n") .. "\n", ".csv")
      for kind, given in pairs { file = { file = path }, records = { records = support.records(45) } } do
        local loading = support.client(sandbox, { state = state })
        given.name, given.batch_records, given.settle = kind, 10, 0.01
        local progress
        given.on_progress = function(p) progress = p end
        sandbox:fault { operation = "imports.import", kind = "latency", nth = 3, seconds = 60 }
        local failure
        local task = loading:spawn(function() failure = select(3, loading.imports:upload(given)) end)
        frames_until(function() return sandbox:hits().total == 1 end)
        -- The third batch is on its way, for a minute: a loop that blocked would not come here before.
        for _ = 1, 200 do loading:update(0.001) end
        assert.is_false(task:done())
        assert.are.same({ 2, 20 }, { progress.batches, progress.records })
        task:cancel()
        frames_until(function() return task:done() end)
        assert.are.same({ "cancelled", "in_doubt" }, { failure.kind, failure.fate })
        assert.are.equal(failure.token, assert(loading.imports:pending())[1].token)

        sandbox:clear_faults()
        local resumed = loading:spawn(function()
          return loading.imports:resume(failure.token, { records = given.records, settle = 0.01 })
        end)
        frames_until(function() return resumed:done() end)
        local result = assert(resumed:result())
        local rows = sandbox:rows(result.id)
        assert.are.equal(45, #rows)
        for i, row in ipairs(rows) do assert.are.equal(i - 1, row.n) end
        assert.are.same({}, assert(loading.imports:pending()))
        assert.are.same({}, sandbox:duplicates())
        loading:close()
      end
    end)
  end)

  it("cancels the call of a task, and every later one", function()
    sandbox:fault { operation = "imports.all", kind = "stall", seconds = 30 }
    local first, second
    local task = api:spawn(function()
      first = { api.imports:all() }
      second = { api.reports:all() }
      return "over"
    end)
    while #sandbox:requests() == 0 do api:update(0.001) end
    task:cancel()
    assert.are.equal("over", task:result())
    assert.are.equal("cancelled", first[3].kind)
    assert.are.equal("cancelled", second[3].kind)
    task:cancel()
  end)

  it("the fate of a write that is cancelled on its way is in doubt", function()
    sandbox:fault { operation = "automations.execute", kind = "stall", seconds = 30 }
    local err
    local task = api:spawn(function() err = select(3, api.automations:execute(1)) end)
    while #sandbox:requests() == 0 do api:update(0.001) end
    task:cancel()
    task:result()
    assert.are.equal("cancelled", err.kind)
    assert.are.equal("in_doubt", err.fate)
  end)

  it("cancels a task that sleeps or has not begun", function()
    local slept = api:spawn(function()
      return (select(3, api:wait_until(function() return false end, { interval = 60, timeout = 600 })))
    end)
    api:update(0.01)
    slept:cancel()
    assert.are.equal("cancelled", slept:result().kind)
    local unborn = api:spawn(function() return (select(3, api.imports:all())) end)
    unborn:cancel()
    assert.are.equal("cancelled", unborn:result().kind)
    assert.are.equal(0, #sandbox:requests())
  end)

  it("wait_until gives the first true value, or a time-out", function()
    local calls = 0
    assert.are.equal("third", api:wait_until(function()
      calls = calls + 1
      return calls == 3 and "third"
    end, { interval = 0.01 }))
    local value, message, err = api:wait_until(function() return nil end, { interval = 0.01, timeout = 0.05 })
    assert.is_nil(value)
    assert.are.equal("timeout", err.kind)
    assert.are.equal(message, tostring(err))
    assert.has_error(function() api:wait_until(function() error("inside", 0) end) end, "inside")
  end)

  it("wait_until ends with an error that its function returns", function()
    local value, message, err = api:wait_until(function() return api.imports:data "none" end)
    assert.are.same({ "not_found", tostring(err) }, { err.kind, message })
    assert.is_nil(value)
    message, err = select(2, api:wait_until(function() return nil, "broken" end))
    assert.are.same({ "broken", "raised", "broken" }, { message, err.kind, err.value })
    local calls = 0
    assert.is_true(api:wait_until(function()
      calls = calls + 1
      return calls == 3, "not yet"
    end, { interval = 0.01 }))
  end)

  it("a blocking call outside of tasks leaves them where they are, and loses nothing of theirs", function()
    sandbox:fault { operation = "imports.all", kind = "latency", seconds = 0.2 }
    local begun, ended = false, false
    local task = api:spawn(function()
      begun = true
      assert(api.imports:all())
      ended = true
    end)
    api:update(0.001)
    assert.is_true(begun)
    for _ = 1, 3 do assert(api.reports:all()) end
    assert.is_false(ended)
    task:result()
    assert.is_true(ended)
  end)

  it("raises misuse at the caller's level", function()
    local task = api:spawn(function() end)
    task:result()
    for name, call in pairs {
      ["api:spawn"] = function() api:spawn(1) end,
      ["api:map"] = function() api:map(1, print) end,
      ["api:all"] = function() api:all { 1 } end,
      ["api:update"] = function() api:update "x" end,
      ["api:wait_until"] = function() api:wait_until() end,
      ["api:map: items: should be an array without gaps"] = function() api:map({ 1, nil, 3 }, print) end,
      ["api:map: items: should be an array"] = function() api:map({ a = 1 }, print) end,
      [_VERSION == "Lua 5.1" and "items: should be an array without" or "a stream is no array"] = function()
        api:map(api.imports:rows(1), print)
      end,
      ["api:all: functions: should be an array without gaps"] = function() api:all { print, nil, print } end,
      ["task.done: call it with a colon"] = function() task.done() end,
      ["task.result: call it with a colon"] = function() task.result(5) end,
      ["task.cancel: call it with a colon"] = function() task.cancel {} end,
      ["concurrency"] = function() api:map({}, print, { concurrency = 0 }) end,
    } do
      local good, message = pcall(call)
      assert.is_false(good)
      assert.is_truthy(message:find("tasks_spec.lua", 1, true), message)
      assert.is_truthy(message:find(name, 1, true), message)
    end
  end)
end)
