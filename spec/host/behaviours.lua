--- The behaviours that every host has: one list, which behaviours_spec.lua runs in each host itself.
--
-- A behaviour is called with a client and a table from the host's driver:
--   name         the name of the host that flarelight should find
--   blocks       whether a waiting call blocks the whole process
--   start_ticks  function(tick): calls `tick` again and again beside the behaviour; returns a function that ends this
-- The sandbox (spec/host/sandbox.lua) answers /Report/All and automations late, and stalls /Preparation/All; import 1 has
-- 500 rows. Report 1 takes a moment behind its reply.

local flarelight = require "flarelight"
local pollable = require "flarelight.pollable"

local is_51 = _VERSION == "Lua 5.1" and rawget(_G, "jit") == nil

local list = {}
local function it(name, fn) list[#list + 1] = { name = name, fn = fn } end

local function equal(expected, found)
  if expected ~= found then
    error(("expected %s, found %s"):format(tostring(expected), tostring(found)), 2)
  end
end

it("is the host that runs", function(_, env)
  equal(env.name, require("flarelight.host").current().name)
end)

it("a call returns data and meta", function(api)
  local data, meta = api.imports:data(1, { count = 3 })
  equal(3, #data)
  equal(2, data[3].n)
  equal(200, meta.status)
end)

it("a call that fails returns nil, message and error", function(api)
  local data, message, err = api.imports:data(404)
  equal(nil, data)
  equal(message, tostring(err))
  equal("not_found", err.kind)
end)

it("misuse raises", function(api)
  local good, message = pcall(function() return api.imports:data() end)
  equal(false, good)
  assert(message:find("id: is missing", 1, true), message)
end)

it("a write is applied, and read back", function(api)
  local import, meta = api.imports:import { records = { { a = 1 }, { a = 2 } }, name = "written" }
  equal("applied", meta.fate)
  equal(2, #api.imports:data(import.id))
end)

it("others run while a call waits", function(api, env)
  local ticks = 0
  if env.blocks then
    local stop = env.start_ticks(function() ticks = ticks + 1 end)
    assert(api.reports:all())
    stop()
    return equal(0, ticks)
  end
  -- The reply never comes. The fifth tick closes the client, which ends the call.
  local other = assert(flarelight.new())
  local stop = env.start_ticks(function()
    ticks = ticks + 1
    if ticks == 5 then other:close() end
  end)
  local _, _, err = other.preparations:all()
  stop()
  equal("closed", err.kind)
end)

it("rows come one by one, by next", function(api)
  local rows, n = api.imports:rows(1, { page_size = 40 }), 0
  while true do
    local row, position, err = rows:next()
    if not row then
      equal(nil, err)
      break
    end
    equal(n, position)
    equal(n, row.n)
    n = n + 1
  end
  equal(500, n)
end)

it("rows come in a for loop, or it names what does", function(api, env)
  local n = 0
  local good, message = pollable.protect(function()
    for row in api.imports:rows(1, { page_size = 40 }) do n = n + row.n / row.n * (row.n > 0 and 1 or 0) end
  end)
  if is_51 and not env.blocks then
    equal(false, good)
    assert(tostring(message):find(":next()", 1, true), message)
  end
end)

it("an error ends a for loop by being raised", function(api, env)
  local good, raised = pollable.protect(function()
    for _ in api.imports:rows(404) do error "a row" end
  end)
  equal(false, good)
  if not (is_51 and not env.blocks) then equal("not_found", raised.kind) end
end)

it("equal reads at the same time are one request with a cache", function()
  local cached = assert(flarelight.new { cache = { ttl = 60 } })
  local reads = {}
  for i = 1, 10 do reads[i] = function() return cached.reports:all() end end
  local results, failed = cached:all(reads)
  equal(0, failed)
  for i = 2, 10 do equal(true, results[i].data ~= results[1].data and #results[i].data == #results[1].data) end
  local stats = cached:stats()
  equal(1, stats.attempts)
  equal(9, stats.cache.hits)
  equal(true, select(2, cached.reports:all()).cached)
  cached:close()
end)

it("api:all runs calls at the same time and answers in order", function(api)
  local order = {}
  local function call(method)
    return function()
      order[#order + 1] = "begin"
      local data, meta, err = method()
      order[#order + 1] = "end"
      return data, meta, err
    end
  end
  local results, failed = api:all {
    call(function() return api.reports:all() end),
    call(function()
      assert(api.reports:all())
      return api.imports:data(404)
    end),
    call(function() return api.reports:all() end),
  }
  equal("begin begin begin end end end", table.concat(order, " "))
  equal(1, failed)
  equal(200, results[1].meta.status)
  equal("not_found", results[2].err.kind)
end)

it("api:map keeps the order and its concurrency, and what is raised harms no other", function(api)
  local under_way, most, items = 0, 0, {}
  for i = 1, 300 do items[i] = i end
  local results, failed = api:map(items, function(item)
    if item == 7 then error { code = 7 } end
    if item % 10 ~= 0 then return item end
    under_way = under_way + 1
    most = math.max(most, under_way)
    -- The first calls are answered late, so that several are under way at once however busy the machine is.
    if item <= 40 then assert(api.reports:all()) end
    local data, message, err = api.imports:data(1, { start = item, count = 1 })
    under_way = under_way - 1
    if not data then return data, message, err end
    return data[1].n
  end, { concurrency = 4 })
  equal(1, failed)
  equal(7, results[7].err.value.code)
  assert(most >= 2 and most <= 4, "under way at once: " .. most)
  for i = 1, 300 do if i ~= 7 then equal(i, results[i].data) end end
end)

it("many calls wait at the same time", function(api)
  local wide = assert(flarelight.new { max_concurrency = 50 })
  local functions = {}
  for i = 1, 200 do functions[i] = function() return api.imports:data(1, { start = i, count = 1 }) end end
  local results, failed = wide:all(functions)
  equal(0, failed)
  for i = 1, 200 do equal(i, results[i].data[1].n) end
  wide:close()
end)

it("a task has a result, or raises what it raised", function(api)
  local task = api:spawn(function()
    assert(api.reports:all())
    return 1, nil, 3
  end)
  local one, two, three = task:result()
  equal(1, one)
  equal(nil, two)
  equal(3, three)
  equal(true, task:done())
  local failing = api:spawn(function() error({ "no luck" }) end)
  local good, raised = pollable.protect(function() return failing:result() end)
  equal(false, good)
  equal("no luck", raised[1])
end)

it("tasks wait for tasks", function(api)
  local inner = api:spawn(function() return #api.reports:all() end)
  local outer = api:spawn(function() return inner:result() + 1 end)
  equal(2, outer:result())
end)

it("a task's call, and what follows, can be cancelled", function(api)
  local first, second
  local task = api:spawn(function()
    first = { api.preparations:all() } -- which stalls
    second = { api.reports:all() }
    return "over"
  end)
  local other = api:spawn(function()
    api:wait_until(function() return false end, { timeout = 0.05, interval = 0.05 })
    task:cancel()
  end)
  other:result()
  equal("over", task:result())
  equal("cancelled", first[3].kind)
  equal("cancelled", second[3].kind)
end)

it("a task that waits for rows can be cancelled", function(api)
  local reading = api:spawn(function()
    while true do -- so it waits for a page, whenever the other one cancels it
      local rows = api.imports:rows(1, { page_size = 1, prefetch = 0 })
      repeat
        local row, _, err = rows:next()
        if err then return err.kind end
      until not row
    end
  end)
  api:spawn(function()
    assert(api.reports:all())
    reading:cancel()
  end):result()
  equal("cancelled", reading:result())
end)

it("tasks take the rows of one stream, each row once, and all get the end or the error", function(api)
  local function take_batch(rows)
    local batch, message, err = rows:batch(7)
    if not batch or #batch > 0 then return batch, message, err end
  end
  local function take_columns(rows)
    local columns, count, err = rows:columns(7)
    if not columns then return nil, count, err end
    local taken = {}
    for i = 1, count do taken[i] = { n = columns.n[i] } end
    if count > 0 then return taken end
  end
  local function take_next(rows)
    local row, message, err = rows:next()
    return row and { row }, message, err
  end
  local function take_in_loop(rows)
    if is_51 then return take_next(rows) end
    local taken = {}
    for row in rows do
      taken[#taken + 1] = row
      if #taken == 3 then break end
    end
    if #taken > 0 then return taken end
  end
  for _, options in ipairs { { page_size = 40 }, { page_size = 40, prefetch = 0 } } do
    for _, take in ipairs { take_next, take_batch, take_columns, take_in_loop } do
      local rows, seen, count = api.imports:rows(1, options), {}, 0
      local results, failed = api:map({ 1, 2, 3 }, function(number)
        while true do
          local taken, message, err = (number == 1 and take_next or take)(rows)
          if not taken then return err == nil and "end" or nil, message, err end
          for _, row in ipairs(taken) do
            equal(nil, seen[row.n])
            seen[row.n], count = true, count + 1
          end
          assert(api.imports:data(1, { count = 1 })) -- so that another one comes to its turn
        end
      end)
      for i = 1, 3 do equal("end", results[i].err and tostring(results[i].err) or results[i].data) end
      equal(0, failed)
      equal(500, count)
    end
  end
  local missing = api.imports:rows(404)
  local results = api:map({ 1, 2, 3 }, function() return missing:next() end)
  for i = 1, 3 do equal("not_found", results[i].err and results[i].err.kind) end
end)

it("a task that waits for rows gets the end when another one closes them", function(api)
  local rows, closed
  local reading = api:spawn(function()
    while not closed do -- so it waits for a page, whenever the other one closes the stream
      rows = api.imports:rows(1, { page_size = 1, prefetch = 0 })
      repeat
        local row, _, err = rows:next()
        equal(nil, err)
      until not row
    end
    return rows:next()
  end)
  api:spawn(function()
    assert(api.reports:all())
    closed = true
    rows:close()
  end):result()
  equal(nil, reading:result())
end)

it("a task that waits for rows can be cancelled, and the others have them", function(api)
  local rows, count = api.imports:rows(1, { page_size = 10, prefetch = 0 }), 0
  local function read()
    while true do
      local row, _, err = rows:next()
      if not row then return err and err.kind or "end" end
      count = count + 1
    end
  end
  local tasks = { api:spawn(read), api:spawn(read), api:spawn(read) }
  api:spawn(function()
    assert(api.imports:data(1, { count = 1 }))
    tasks[1]:cancel()
    tasks[2]:cancel()
  end):result()
  tasks[1]:result()
  tasks[2]:result()
  equal("end", tasks[3]:result())
  equal(500, count)
end)

it("a task that sleeps can be cancelled", function(api)
  local slept = api:spawn(function()
    return (select(3, api:wait_until(function() return false end, { interval = 60, timeout = 600 })))
  end)
  api:spawn(function() assert(api.imports:all()) slept:cancel() end):result()
  equal("cancelled", slept:result().kind)
end)

it("a wait for a run sees its end, with others that wait for the same", function(api)
  local function generate() return api.reports:generate(1, nil, { wait = { timeout = 60, interval = 0.05 } }) end
  local results, failed = api:map({ 1, 2, 3 }, generate)
  for i = 1, 3 do assert(results[i].data, results[i].err) end
  equal(0, failed)
  for i = 1, 3 do equal("entry", results[i].meta.proof.seen_in) end
  equal("applied", select(2, generate()).fate)
end)

it("a task that waits for a run can be cancelled", function(api)
  local waited
  local task = api:spawn(function()
    waited = { api.reports:generate(1, nil, { wait = { timeout = 600, interval = 60, done = function() end } }) }
  end)
  api:spawn(function()
    api:wait_until(function() return false end, { timeout = 0.3, interval = 0.3 })
    task:cancel()
  end):result()
  task:result()
  equal("cancelled", waited[3].kind)
end)

it("sleeping ends in time, and others run meanwhile", function(api, env)
  local ticks, calls = 0, 0
  local stop = env.start_ticks(function() ticks = ticks + 1 end)
  equal("third", api:wait_until(function()
    calls = calls + 1
    return calls >= 3 and (env.blocks or ticks > 3) and "third"
  end, { interval = 0.05, timeout = 30 }))
  stop()
  equal("timeout", select(3, api:wait_until(function() end, { interval = 0.01, timeout = 0.03 })).kind)
end)

it("a deadline ends a call that stalls", function(api)
  local _, _, err = api.preparations:all { deadline = 0.1 }
  equal("timeout", err.kind)
end)

it("events come while it waits", function()
  local names = {}
  local watched = assert(flarelight.new { on_event = function(event) names[#names + 1] = event.name end })
  assert(watched.imports:all())
  watched:close()
  equal("start done", table.concat(names, " "))
end)

it("uploads and exports", function(api)
  local records = {}
  for i = 1, 25 do records[i] = { n = i } end
  local result = assert(api.imports:upload { records = records, batch_records = 10, name = "up" })
  equal(3, result.batches)
  local text = {}
  local written = assert(api.imports:export(result.id, { to = function(part) text[#text + 1] = part end, page_size = 10 }))
  equal(25, written.rows)
  equal("n\r\n1\r\n2", table.concat(text):sub(1, 7))
end)

it("writes a compressed file, compares it, and uploads it, beside others", function(api, env)
  local base, ticks = os.tmpname(), 0
  -- A program that embeds Lua may not have the module for compressed files.
  local path = base .. (pcall(require, "flarelight.archive_core") and ".csv.gz" or ".csv")
  local stop = env.start_ticks(function() ticks = ticks + 1 end)
  local written = assert(api.imports:export(1, { to = path, page_size = 50 }))
  local compared = assert(api.imports:compare(1, { file = path, page_size = 50 }))
  local uploaded = assert(api.imports:upload { file = path, name = "again" })
  stop()
  os.remove(path)
  os.remove(base)
  equal(500, written.rows)
  equal(true, compared.equal)
  equal(500, compared.rows)
  equal(500, uploaded.records)
  if env.blocks then equal(0, ticks) else assert(ticks > 0) end
end)

it("ready rows give way to others", function(api, env)
  if env.blocks then return end
  local ticks, most, before = 0, 0, 0
  local stop = env.start_ticks(function() ticks = ticks + 1 end)
  local rows, n = api.imports:rows(1, { page_size = 500 }), 0
  -- All rows are here already, and the work on each takes longer than a slice.
  while true do
    if not rows:next() then break end
    n = n + 1
    if n == 2 then before = ticks end
    local until_when = pollable.now() + (n < 100 and 0.002 or 0)
    while pollable.now() < until_when do end -- luacheck: ignore
    most = ticks - before
  end
  stop()
  equal(500, n)
  assert(most > 3, "nothing else ran")
end)

it("a loop around sleeps of next to nothing holds up nobody", function(api)
  local seen
  local looking = api:spawn(function()
    return api:wait_until(function() return seen end, { interval = 1e-9, timeout = 20 })
  end)
  api:spawn(function() seen = #assert(api.imports:data(1, { count = 2 })) end)
  equal(2, looking:result())
end)

it("the client's close ends what waits, and what follows", function()
  local other = assert(flarelight.new())
  local task = other:spawn(function() return (select(3, other.preparations:all())) end)
  other:spawn(function()
    other:wait_until(function() return false end, { timeout = 0.05, interval = 0.05 })
    other:close()
  end):result()
  equal("closed", task:result().kind)
  equal("closed", select(3, other.imports:all()).kind)
end)

it("a host of another kind says that nothing runs in it", function(_, env)
  if env.name == "frame" then return end
  local other = assert(flarelight.new { host = "frame" })
  local _, message, err = other.imports:all()
  equal("phase", err.kind)
  assert(message:find("frame", 1, true), message)
  other:close()
end)

-- Places from which a call is made, and how the call ends there, where it does not block.
local function object(name, run) return setmetatable({}, { [name] = function() run() return "text" end }) end
local places = {
  { "string.gsub", function(run) return (("x"):gsub("x", run)) end },
  { "table.sort", function(run) table.sort({ 1, 2 }, function() run() return false end) end },
  { "tostring", function(run) tostring(object("__tostring", run)) end, luajit = "works" },
  { "require", function(run)
    package.preload["a place to call from"], package.loaded["a place to call from"] = run, nil
    require "a place to call from"
  end },
  { "load", function(run)
    local called
    return load(function() -- which Lua 5.1 calls again at the end
      if not called then called = true run() end
    end)
  end },
  { "pcall", function(run)
    local good, raised = pcall(run)
    if not good then error(raised, 0) end
  end, lua = "works", luajit = "works" },
  { "a metamethod", function(run) return object("__index", run).member end,
    lua = "works", luajit = "works", lua51 = "raises" },
  { "an iterator", function(run) for _ in run do end end, -- luacheck: ignore
    lua = "works", luajit = "works", lua51 = "raises" },
}

local lua = rawget(_G, "jit") and "luajit" or is_51 and "lua51" or "lua"

it("a call where Lua cannot yield fails before anything is sent, and harms no other", function(api, env)
  for _, place in ipairs(places) do
    local expected, outcome = env.blocks and "works" or place[lua] or "phase", nil
    local before = api:stats().calls
    local function write()
      place[2](function()
        local import, message, err = api.imports:import { records = { { a = 1 } }, name = "placed" }
        outcome = import and "works" or err.kind
        assert(import or err.kind ~= "phase" or message:find("cannot yield", 1, true), message)
      end)
    end
    if env.blocks then
      write()
    else
      local other = api:spawn(function() return #assert(api.reports:all()) end)
      local task = api:spawn(write)
      local good, raised = pollable.protect(function() task:result() end)
      if not good then
        outcome = "raises"
        assert(tostring(raised):find("attempt to yield", 1, true), tostring(raised))
      end
      equal(1, other:result())
      before = before + 1
    end
    if outcome ~= expected then error(("%s: expected %s, found %s"):format(place[1], expected, tostring(outcome))) end
    equal(expected == "works" and 1 or 0, api:stats().calls - before)
    equal(500, api:spawn(function() return #assert(api.imports:data(1, { count = 500 })) end):result())
  end
end)

it("an upload where Lua cannot yield fails before anything is sent", function(api, env)
  if env.blocks then return end
  local before, err = api:stats().calls, nil
  api:spawn(function()
    ("x"):gsub("x", function()
      local _
      _, _, err = api.imports:upload { records = { { a = 1 } }, name = "placed" }
    end)
  end):result()
  equal("phase", err.kind)
  equal("not_sent", err.fate)
  equal(before, api:stats().calls)
end)

it("a coroutine inside of a thread that is never resumed holds up no other", function(api, env)
  if env.name ~= "cqueues" then return end
  coroutine.wrap(function() api.preparations:all { deadline = 0.5 } end)()
  for _ = 1, 3 do equal(1, api:spawn(function() return #assert(api.reports:all()) end):result()) end
end)

local left = 0 -- writes whose outcome no code takes

it("a coroutine that is closed while it writes, or never resumed, holds up no other", function(api, env)
  local close = rawget(coroutine, "close") -- Lua 5.4
  local is_resumed = env.name == "luv" or env.name == "copas"
  if not close and (env.name ~= "cqueues" or not rawget(coroutine, "isyieldable")) then return end
  if not is_resumed and env.name ~= "cqueues" then return end -- the coroutine of a script blocks
  local function write() error((select(3, api.automations:execute(404)))) end
  local function rejected() return api:stats().errors.not_found or 0 end
  local before = rejected() - left
  for _, closes in ipairs(is_resumed and { true } or close and { false, true } or { false }) do
    local co = coroutine.create(write)
    assert(coroutine.resume(co))
    equal("suspended", coroutine.status(co))
    if closes then assert(close(co)) end
    left = left + 1
  end
  assert(api:wait_until(function() return rejected() - before == left end, { interval = 0.01 }))
  equal(1, api:spawn(function() return #assert(api.reports:all()) end):result())
  collectgarbage()
  collectgarbage()
end)

it("a coroutine that is closed in a loop over rows, or while another one has its turn, holds up no other", function(api, env)
  local close = rawget(coroutine, "close")
  if not close or (env.name ~= "luv" and env.name ~= "copas") then return end
  local rows, taken = api.imports:rows(1, { page_size = 100 }), 0
  local function run(fn)
    local co = coroutine.create(fn)
    assert(coroutine.resume(co))
    equal("suspended", coroutine.status(co))
    return co
  end
  assert(close(run(function() for _ in api.imports:rows(1) do equal(true, false) end end)))
  local first = run(function() rows:next() end)
  local second = run(function() rows:next() end)
  assert(close(second))
  assert(close(first)) -- the stream goes on
  while rows:next() do taken = taken + 1 end
  equal(500, taken)
end)

it("rows that have come are given where Lua cannot yield", function(api, env)
  if env.blocks then return end
  local rows, n = api.imports:rows(1, { page_size = 500 }), 0
  assert(rows:next())
  local text = ("x"):rep(400):gsub("x", function()
    local until_when = pollable.now() + 0.0001
    while pollable.now() < until_when do end -- luacheck: ignore
    n = n + 1
    return assert(rows:next()).n == n and "y" or "n"
  end)
  equal(("y"):rep(400), text)
end)

it("tells of errors that nobody asks for", function(api)
  api:spawn(function() error "lost and found" end)
  assert(api.imports:all())
  assert(api:spawn(function() return api.reports:all() end):result())
  collectgarbage()
  collectgarbage()
end)

local behaviours = {}

--- Runs all behaviours one after the other, and gives each line of the report to `say`. Returns whether all passed.
-- Never raises.
function behaviours.run(env, say)
  local failed, api = 0, assert(flarelight.new())
  for _, behaviour in ipairs(list) do
    local outcome = { pollable.protect(function() return behaviour.fn(api, env) end) }
    if not outcome[1] then
      failed = failed + 1
      say(("FAILED %s: %s"):format(behaviour.name, tostring(outcome[2])))
    end
  end
  api:close()
  say(("writes whose outcome is not taken: %d"):format(left))
  say(("%s: %d behaviours, %d failed"):format(env.name, #list, failed))
  return failed == 0
end

return behaviours
