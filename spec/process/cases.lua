-- cases.lua NAME [ARGUMENT...]: one case of process_spec.lua in a process of its own. Prints "ok" at the end, or
-- raises an error.

local process = require "spec_process"
-- The thread sanitizer starts a thread of its own with the first thread of the program.
if os.getenv "SPEC_SANITIZER" == "thread" then process.threads = function() return 1 end end
local threads_before, descriptors_before = process.threads(), process.descriptors()
local signals_before = process.signals()
local flarelight = require "flarelight"

local function client(options)
  options = options or {}
  options.ca_file = os.getenv "SPEC_CA_FILE"
  return assert(flarelight.new(options))
end

-- A joined thread stays in the list of the system for a moment.
local function threads()
  for _ = 1, 1000 do
    if process.threads() == threads_before then break end
    process.sleep(0.001)
  end
  return process.threads()
end

local function count(set)
  local n = 0
  for _ in pairs(set) do n = n + 1 end
  return n
end

local function equal(expected, found, what)
  if expected ~= found then
    error(("%s: expected %s, found %s"):format(what, tostring(expected), tostring(found)), 2)
  end
end

local function is_as_before()
  equal(threads_before, threads(), "threads")
  equal(count(descriptors_before), count(process.descriptors()), "descriptors")
end

-- The descriptors that programs started by this process inherit, beyond those that it inherited itself.
local function inherited()
  local own = {}
  for number, closed in pairs(process.descriptors()) do
    if descriptors_before[number] == nil and not closed then own[#own + 1] = number end
  end
  return table.concat(own, " ")
end

-- The kind of the error of a call; "good" for a call that succeeds.
local function kind_of(_, _, err) return err and err.kind or "good" end

-- Runs `fn` in a child and here; each has to end with the kind that is expected of it.
local function in_child(fn)
  local child = process.fork()
  if child == 0 then
    local good, message = pcall(fn)
    if not good then io.stderr:write("in the child: ", tostring(message), "\n") end
    os.exit(good and 0 or 1, true)
  end
  return function()
    local how, status = process.wait(child, 60)
    equal("exit 0", ("%s %s"):format(how, tostring(status)), "the child")
  end
end

local cases = {}

function cases.starts_nothing()
  is_as_before()
  local api = client()
  is_as_before()
  tostring(api)
  api:quota()
  api:stats()
  api.imports:rows(1)
  api:close()
  is_as_before()
end

function cases.leaves_nothing(times)
  local id = arg[3]
  for i = 1, tonumber(times) do
    local api, other = client(), client()
    if i % 2 == 0 then
      assert(api.imports:all())
      assert(other.imports:data(id))
      api.imports:rows(id, { page_size = 2 }):next()
    end
    other:close()
    api:close()
    if i % 2 == 0 then equal(threads_before, threads(), "threads after the last close") end
  end
  flarelight = nil
  collectgarbage()
  collectgarbage()
  -- One descriptor belongs to the Lua state while the state lives.
  equal(threads_before, threads(), "threads")
  equal(count(descriptors_before) + 1, count(process.descriptors()), "descriptors")
end

-- A stream that is collected frees the pages that it has read ahead.
function cases.forgets_streams(times, id)
  local api = client()
  local function resident()
    local file = io.open "/proc/self/statm"
    if not file then return 0 end
    local pages = file:read "*a":match "^%d+ (%d+)"
    file:close()
    return tonumber(pages) * 4
  end
  local function abandon()
    for _ = 1, tonumber(times) do assert(api.imports:rows(id, { page_size = 1000, prefetch = 4 }):next()) end
    for _ = 1, 3 do
      collectgarbage()
      api.imports:all() -- takes the outcomes that have come
    end
  end
  abandon()
  local before = resident()
  for _ = 1, 4 do abandon() end
  local grown = resident() - before
  if grown > 24576 then error(("grew by %d KiB"):format(grown)) end
end

function cases.closes_on_exec()
  local api = client()
  local waiting = {}
  for i = 1, 5 do waiting[i] = function() return api.imports:all() end end
  local _, failed = api:all(waiting)
  equal(0, failed, "failed calls")
  equal("", inherited(), "descriptors that a program started now would get")
end

function cases.keeps_signals()
  local api = client()
  assert(api.imports:all())
  equal(signals_before, process.signals(), "signal handlers")
  api:close()
  equal(signals_before, process.signals(), "signal handlers")
end

-- The environment names a proxy at which nobody listens.
function cases.passes_proxies_by()
  assert(os.getenv "http_proxy" and os.getenv "https_proxy" and os.getenv "ALL_PROXY")
  assert(client { max_attempts = 1 }.imports:all())
end

function cases.clients_are_apart()
  local one, other = client(), client { api_key = "wrong", max_attempts = 1 }
  equal("unauthorized", kind_of(other.imports:all()), "the other's call")
  local task = one:spawn(function() return kind_of(one.imports:data(1)) end)
  one:update(0)
  other:close()
  other:close()
  equal("closed", kind_of(other.imports:all()), "a call of the closed client")
  task:result()
  assert(one.imports:all())
  equal("closed", kind_of(other:request { path = "/Import/All" }), "a request of the closed client")
end

-- The last client is closed while streams are open: none of their readers waits for ever.
function cases.closes_streams(id)
  for prefetch = 0, 3 do
    for read = 0, 3 do
      local api = client()
      local rows = api.imports:rows(id, { page_size = 1, prefetch = prefetch })
      for _ = 1, read do assert(rows:next()) end
      -- All pages that it may read ahead have come by then.
      if read == 2 then api:wait_until(function() return false end, { timeout = 0.05, interval = 0.05 }) end
      local kept = read == 1 and client() or nil -- with another client the engine goes on
      api:close()
      local row, _, err
      repeat row, _, err = rows:next() until not row
      equal("closed", err and err.kind, ("prefetch %d, %d rows read: kind"):format(prefetch, read))
      if kept then kept:close() end
    end
  end
end

-- A client is collected while its pages are under way.
function cases.collects_clients(id)
  for _ = 1, 30 do
    local api = client()
    local rows = api.imports:rows(id, { page_size = 1, prefetch = 8 })
    rows:next()
    local seen = setmetatable({ api, rows }, { __mode = "v" })
    api, rows = nil, nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    equal(0, count(seen), "objects left")
  end
  equal(threads_before, threads(), "threads")
end

-- Interrupts this process when it waits, and not before: a child watches until the process sleeps.
local function interrupt_soon()
  local parent = process.pid()
  local child = process.fork()
  if child ~= 0 then return child end
  local asleep = 0
  repeat
    process.sleep(0.05)
    local file = io.open(("/proc/%d/stat"):format(parent))
    local is_asleep = true -- where the system does not say
    if file then
      is_asleep = file:read "*a":match "^%d+ %b() (%a)" == "S"
      file:close()
    end
    asleep = is_asleep and asleep + 1 or 0
  until asleep == 4
  os.execute(("kill -INT %d"):format(parent))
  os.exit(0, false)
end

function cases.is_interrupted(by)
  local api = client()
  local waits = {
    call = function() return api.reports:all() end, -- which stalls
    tasks = function() return api:all { function() return api.reports:all() end } end,
    sleep = function() return api:wait_until(function() return false end, { interval = 60 }) end,
  }
  -- A run before the measured one, so that LuaJIT has compiled the code.
  for _ = 1, 200 do assert(api.imports:all()) end
  local child = interrupt_soon()
  local good, message = pcall(waits[by])
  process.wait(child, 60)
  equal(false, good, "the call's success")
  assert(tostring(message):find "interrupted", message)
  assert(api.imports:all())
  local task = api:spawn(function() return api.imports:all() end)
  repeat api:update(0.01) until task:done()
  assert(task:result())
  api:close()
  assert(client().imports:all())
end

function cases.forks_before_use()
  local joined = in_child(function() assert(client().imports:all()) end)
  assert(client().imports:all())
  joined()
end

function cases.forks_after_use()
  local api = client()
  assert(api.imports:all())
  local joined = in_child(function()
    assert(api.imports:all())
    in_child(function() assert(api.imports:all()) end)()
    assert(client().imports:all())
  end)
  assert(api.imports:all())
  joined()
  assert(api.imports:all())
end

-- Calls that the parent made end with kind closed in the child, and go on in the parent.
function cases.forks_in_flight(id)
  local api = client()
  local rows = api.imports:rows(id, { page_size = 1, prefetch = 1 })
  assert(rows:next())
  local slow = api:spawn(function() return api.reports:all() end) -- takes a second
  local streaming = api:spawn(function()
    local stream, n = api.imports:rows(id, { page_size = 1 }), 0
    while true do
      local row, _, err = stream:next()
      if not row then return n, err end
      n = n + 1
    end
  end)
  for _ = 1, 2 do api:update(0) end -- both have begun
  local joined = in_child(function()
    local row, _, err
    repeat row, _, err = rows:next() until not row
    equal("closed", err and err.kind, "the stream's end")
    equal("closed", kind_of(slow:result()), "the call's end")
    local _, failure = streaming:result()
    equal("closed", failure and failure.kind, "the task's end")
    assert(api.imports:all())
    assert(api.imports:rows(id):next())
    local results, failed = api:map({ 1, 2, 3 }, function() return api.imports:all() end)
    equal(0, failed, "failed calls of " .. #results)
    api:close()
  end)
  assert(slow:result())
  local n, err = streaming:result()
  equal(nil, err and err.kind, "the parent's stream")
  local left = 1
  while assert(left < 1000) and rows:next() do left = left + 1 end
  equal(n, left, "rows of the parent")
  joined()
end

-- A call of the child itself hides none of those that the parent had under way.
function cases.forks_and_calls_first()
  local api = client()
  local slow = api:spawn(function() return api.reports:all() end) -- takes a second
  api:update(0)
  local joined = in_child(function()
    assert(api.imports:all())
    equal("closed", kind_of(slow:result()), "the call's end")
    api:close()
  end)
  assert(slow:result())
  joined()
end

local function records_of(name)
  local records = {}
  for i = 1, 40 do records[i] = { from = name, n = i } end
  return records
end

-- The descriptors of this process for files whose names begin with `path`, one a line.
local function open_files(path)
  local pipe = assert(io.popen(("ls -l /proc/%d/fd 2>/dev/null"):format(process.pid())))
  local found = {}
  for name in pipe:read "*a":gmatch "%-> ([^\n]+)" do
    if name:find(path, 1, true) == 1 then found[#found + 1] = name end
  end
  pipe:close()
  return table.concat(found, "\n")
end

-- Checks that the import has each record of `name` once and in order.
local function holds(api, id, name)
  local rows = assert(api.imports:rows(id):batch(100))
  equal(40, #rows, "rows of " .. name)
  for i, row in ipairs(rows) do
    equal(name, row.from, "whose row")
    equal(i, row.n, "row")
  end
end

-- Uploads the records of `name` (with a state file only if there is a `key`) and calls `fn` when the nth batch was
-- acknowledged. Returns the results of pcall.
local function upload(api, name, nth, fn, key)
  local checkpoints, seen = require "flarelight.upload.checkpoints", 0
  checkpoints.on = function(step)
    if step ~= "batch.acknowledged" then return end
    seen = seen + 1
    if seen == nth then fn() end
  end
  local outcome = { pcall(api.imports.upload, api.imports, {
    records = records_of(name), key = key, name = name, batch_records = 10, settle = 0.01,
  }) }
  checkpoints.on = nil
  return (table.unpack or unpack)(outcome, 1, 4) -- luacheck: ignore
end

-- After a fork the parent alone has the open state file; the child opens it anew, and both go on.
function cases.forks_with_a_state_file(path)
  local api = client { state = path }
  equal(false, (upload(api, "parent", 2, function() error("interrupted", 0) end, "parent")), "the upload's end")
  local token = assert(api.imports:pending())[1].token
  if open_files "/" ~= "" then equal(true, open_files(path) ~= "", "whether the parent has it open") end
  in_child(function()
    equal("", open_files(path), "descriptors of the state file in the child")
    equal(token, assert(api.imports:pending())[1].token, "what is pending in the child")
  end)()
  local joined = in_child(function()
    local good, result = upload(api, "child", 1, function() end, "child")
    assert(good, result)
    holds(api, result.id, "child")
  end)
  holds(api, assert(api.imports:resume(token, { records = records_of "parent", settle = 0.01 })).id, "parent")
  joined()
  equal(0, #assert(api.imports:pending()), "uploads that are pending")
  -- The parent sees what the child has written.
  local before = #assert(api.imports:all())
  local good, result = upload(api, "child", 1, function() end, "child")
  assert(good, result)
  holds(api, result.id, "child")
  equal(before, #assert(api.imports:all()), "imports")
end

-- An upload belongs to the process that runs it. A child that is forked in the middle of it is refused, and holds no
-- lock after its parent has ended.
function cases.forks_in_an_upload(path)
  local log = path .. "-log"
  local uploader = process.fork()
  if uploader == 0 then
    local api = client { state = path }
    upload(api, "mine", 2, function()
      local parent = process.pid()
      if process.fork() ~= 0 then
        while true do process.sleep(1) end
      end
      local good, message = pcall(function()
        local token = assert(api.imports:pending())[1].token
        equal("conflict", kind_of(api.imports:resume(token, { records = records_of "mine" })), "the child's resume")
        os.execute(("kill -9 %d"):format(parent))
        local result, message, err
        for _ = 1, 1000 do -- until the parent is gone
          result, message, err = api.imports:resume(token, { records = records_of "mine", settle = 0.01 })
          if result or err.kind ~= "conflict" then break end
          process.sleep(0.01)
        end
        assert(result, message)
        equal(40, result.records, "records")
        holds(api, result.id, "mine")
      end)
      local file = assert(io.open(log .. ".part", "w"))
      file:write(good and "good" or tostring(message))
      file:close()
      os.rename(log .. ".part", log)
      os.exit(0, true)
    end, "mine")
    os.exit(1)
  end
  equal("signal 9", ("%s %s"):format(process.wait(uploader, 60)), "the uploader's end")
  local file
  for _ = 1, 6000 do
    file = io.open(log)
    if file then break end
    process.sleep(0.01)
  end
  local outcome = file and file:read "*a" or "hung"
  if file then file:close() end
  os.remove(log)
  equal("good", outcome, "the child")
end

-- A child that returns into its copy of an upload gets an error, and sends nothing.
function cases.forks_and_goes_on(path)
  for _, state in ipairs { path, false } do
    local api, child = client { state = state or nil }, nil
    local good, result, message, err = upload(api, "copied", 2, function() child = process.fork() end, state and "copied" or nil)
    assert(child, message or result)
    if child == 0 then os.exit(good and not result and err.kind == "closed" and 0 or 1, true) end
    equal("exit 0", ("%s %s"):format(process.wait(child, 60)), "the child")
    assert(good and result, message)
    holds(api, result.id, "copied")
    if state then equal(0, #assert(api.imports:pending()), "uploads that are pending") end
  end
end

-- Forks at any moment of the engine's work.
function cases.forks_often(times)
  local api = client()
  for _ = 1, 4 do
    api:spawn(function()
      while true do
        api.imports:import { records = { { n = 1 } }, name = "fork" }
        local fresh = client() -- for one more handshake
        fresh.imports:all()
        fresh:close()
      end
    end)
  end
  for i = 1, tonumber(times) do
    local until_when = os.clock() + i % 7 * 0.001
    repeat api:update(0.001) until os.clock() >= until_when
    in_child(function() assert(client().imports:all()) end)()
  end
end

-- Ends with one write under way whose outcome nobody takes, one whose outcome was taken, and a read.
function cases.ends_with_a_write_under_way(closes)
  local api = client()
  assert(api.imports:import { records = { { n = 1 } }, name = "taken" })
  api:spawn(function() return api.reports:generate(1) end) -- takes a minute
  api:spawn(function() return api.reports:all() end)
  for _ = 1, 3 do api:update(0) end
  if closes == "closes" then api:close() end
end

local run = assert(cases[arg[1]], arg[1])
run(arg[2], arg[3])
print "ok"
