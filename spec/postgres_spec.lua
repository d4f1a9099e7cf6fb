-- A state in PostgreSQL, over a real server: uploads, keys, blocks of once and exports with `continue` as in a state file,
-- what is refused, locks with a lease, and a server that is lost. Without an installed server it is pending.

local calls = require "flarelight.calls"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"
local postgres = require "support.postgres"
local shown = require "flarelight.postgres".shown

local server

describe("a state in PostgreSQL", function()
  local opened = support.opened(after_each)
  local sandbox, url, name

  setup(function() server = pcall(require, "flarelight.postgres_core") and postgres.start() or nil end)
  teardown(function() if server then server:stop() end end)

  local function test(what, body)
    it(what, function()
      if not server then return pending "PostgreSQL, or the module for it, is not installed" end
      sandbox = opened.sandbox { definitions = "examples/definitions.lua" }
      url, name = server:database()
      body()
    end)
  end

  local function client(options) return opened.client(sandbox, support.with({ state = url }, options)) end

  -- Waits until a process has printed "paused" and has stopped itself.
  local function await_pause(pid, log)
    system.shell(([[n=0
      until grep -q paused %s && ps -o stat= -p %s | grep -q ^T || [ $n = 600 ]; do sleep 0.1; n=$((n+1)); done]])
      :format(log, pid))
  end

  -- Lets a process go on, and waits until it has ended.
  local function await_end(pid)
    system.shell(([[kill -CONT %s; n=0
      while kill -0 %s 2>/dev/null && [ $n != 600 ]; do sleep 0.1; n=$((n+1)); done]]):format(pid, pid))
  end

  local function upload(api, options)
    local given = support.with({ records = support.records(10), batch_records = 3, name = "n", key = "k" }, options)
    given.records = given.records or nil
    return api.imports:upload(given)
  end

  test("keeps uploads and their keys, for any process", function()
    local result = assert(upload(client()))
    assert.are.equal(10, result.records)
    local again, meta = assert(upload(client()))
    assert.is_truthy(again.already or meta and meta.already)
    assert.are.equal(10, #sandbox:rows(result.id))
    local runs = assert(client():runs())
    assert.are.same({ 1, "k", "done" }, { #runs, runs[1].key, runs[1].state })
    local explained = assert(client():explain "k")
    assert.matches("begins the upload", explained.steps[1].text)
    assert.matches("10 records in 4 batches", explained.steps[#explained.steps].text)
    assert.are.equal("postgresql", client():quota().place)
  end)

  test("lets another client finish an upload that stopped", function()
    local ended = pcall(upload, client(), { key = "cut", on_progress = function(progress)
      if progress.records >= 6 then error "enough" end
    end })
    assert.is_false(ended)
    local api = client()
    local pending_list = assert(api.imports:pending())
    assert.are.equal("cut", pending_list[1].key)
    local result = assert(upload(api, { key = "cut" }))
    assert.are.equal(10, #sandbox:rows(result.id))
    assert.are.same({}, api.imports:pending())
  end)

  test("finishes the upload of a file that another machine began, and refuses another file", function()
    local lines = { "n" }
    for n = 0, 9 do lines[#lines + 1] = n end
    local text = table.concat(lines, "\n") .. "\n"
    local ended = pcall(upload, client(), { records = false, file = system.file(text, ".csv"), on_progress = function(progress)
      if progress.records >= 6 then error "enough" end
    end })
    assert.is_false(ended)
    local _, _, err = upload(client(), { records = false, file = system.file(text:gsub("3", "7"), ".csv") })
    assert.are.equal("conflict", err and err.kind)
    local result = assert(upload(client(), { records = false, file = system.file(text, ".csv") }))
    assert.are.equal(10, #sandbox:rows(result.id))
  end)

  test("runs a block of once only once", function()
    local ran = 0
    local function block()
      ran = ran + 1
      return assert(client().imports:import { name = "one", records = support.records(1) })
    end
    assert(client():once("b", block))
    local _, meta = assert(client():once("b", block))
    assert.is_true(meta.already)
    assert.are.equal(1, ran)
  end)

  test("is kept by the worker for uploads at once", function()
    local api = client()
    local results = api:map({ 1, 2, 3 }, function(n)
      return assert(upload(api, { key = "k" .. n, name = "n" .. n })).records
    end)
    for n = 1, 3 do assert.are.equal(10, results[n].data) end
  end)

  test("refuses what cannot be a state, with nothing sent and no password shown", function()
    server:sql(name, "CREATE SCHEMA flarelight; CREATE TABLE flarelight.birds (n int)")
    local newer, newer_name = server:database()
    assert(upload(client { state = newer }))
    server:sql(newer_name, "UPDATE flarelight.version SET number = 99")
    server:sql(newer_name, "CREATE ROLE guest LOGIN PASSWORD 'guest'")
    local bare, bare_name = server:database()
    local before = support.count(sandbox, "POST")
    for _, case in ipairs {
      { url, "config", "tables of another program" },
      { newer, "config", "of a newer flarelight" },
      { server:url(bare_name, "guest", "guest"), "config", "permission denied" },
      { server:url(bare_name, nil, "wrongword"), "config", "password authentication failed" },
      { server:url "nowhere", "config", "does not exist" },
      { bare:gsub(":%d+/", ":1/"), "io", "onnection refused" },
    } do
      local _, message, err = upload(client { state = case[1] })
      assert.are.equal(case[2], err and err.kind, message or case[3])
      if not message:find(case[3], 1, true) then error(message .. " lacks " .. case[3]) end
      for _, secret in ipairs { "secret", "wrongword", "guest:" } do
        assert.is_nil(message:find(secret, 1, true), message)
      end
    end
    assert.are.equal(before, support.count(sandbox, "POST"))
    local api, message, err = flarelight.new { state = "postgresql://owner:sec%ret@host/db", api_key = "k",
      subscription_id = support.subscription(), base_url = "http://127.0.0.1" }
    assert.is_nil(api)
    assert.are.equal("config", err.kind)
    assert.matches("is no URL of PostgreSQL", message)
    assert.is_nil(message:find "sec%%ret")
    for _, setting in ipairs((client():settings())) do assert.is_nil(tostring(setting.value):find "secret") end
  end)

  test("uses a schema that was made for a user without other rights", function()
    server:sql(name, "CREATE ROLE plain LOGIN PASSWORD 'plain'; CREATE SCHEMA flarelight AUTHORIZATION plain")
    assert(upload(client { state = server:url(name, "plain", "plain") }))
  end)

  test("stops an upload when the server is lost, and goes on later", function()
    local api = client()
    local killed = false
    local _, message, err = upload(api, { on_progress = function(progress)
      if not killed and progress.records >= 3 then
        killed = true
        server:kill()
      end
    end })
    server:resume()
    assert.are.equal("io", err and err.kind, message)
    local result = assert(upload(api))
    assert.are.equal(10, #sandbox:rows(result.id))
  end)

  test("frees a lock before the next call that takes it, in tasks, too", function()
    local api = client()
    local tasks = {}
    for n = 1, 4 do
      tasks[n] = api:spawn(function()
        for _ = 1, 25 do assert.are.equal(n, assert(api:once("key " .. n, function() return n end))) end
      end)
    end
    for _, task in ipairs(tasks) do task:result() end
  end)

  test("renews a lock whatever else is unlocked meanwhile #slow", function()
    local api = client()
    assert(api:once("done", function() return true end))
    assert(api:once("long", function()
      for _ = 1, 8 do -- longer than a renewal, 10 s
        system.shell "sleep 2"
        assert(api:once("done", error))
      end
      local left = tonumber(server:sql(name, "SELECT extract(epoch FROM max(lapses) - clock_timestamp()) FROM flarelight.locks"))
      assert.is_true(left > 15, left) -- of 30; without a renewal 14
      return true
    end))
  end)

  test("keeps a lock while its holder lives, and none of a process that was paused for longer", function()
    local core = require "flarelight.core"
    local api, one, other = client(), core.database(url), core.database(url)
    local function outcome(ticket) return calls.done(calls.job(api, ticket)) end
    local function take(store) return outcome(store:lock("upload x", true)) end
    local lock = take(one)
    assert.is_truthy(lock)
    assert.is_nil((take(other)))
    assert.is_true(outcome(other:is_locked("upload x", true)))
    -- As after a pause: the lease has lapsed, and nobody has taken over. It is renewed by the next transaction.
    server:sql(name, "UPDATE flarelight.locks SET lapses = now() - interval '1 s'")
    local function write(store)
      return outcome(store:run({ { "DELETE FROM exports WHERE path = ?", "x", n = 1 } }, true))
    end
    assert.is_truthy(write(one))
    assert.is_nil((take(other)))
    -- Another process has taken over: nothing can be recorded, so nothing is sent.
    server:sql(name, "UPDATE flarelight.locks SET lapses = now() - interval '1 s'")
    local theirs = take(other)
    assert.is_truthy(theirs)
    local rows, message, kind = write(one)
    assert.are.same({ nil, "conflict" }, { rows, kind })
    assert.matches("another one has taken over", message)
    assert.is_truthy(write(other))
    lock:release(true)
    assert.is_truthy(write(one))
    assert.is_nil((take(one)))
    theirs:release(true)
    assert.is_truthy(take(one))
  end) -- and the collector releases the last

  test("sends no write once its lock was released", function()
    local request = require "flarelight.request"
    local api = client()
    local store = calls.store(api)
    local function write()
      local prepared = request.endpoint("automations.execute", { id = 1, body = {} }, {}, calls.config(api))
      prepared.permit = store
      local data, _, err = calls.call(api, prepared)
      return data ~= nil and "applied" or err.fate
    end
    assert.are.equal("not_sent", write())
    local first = calls.done(calls.job(api, store:lock("once a", true)))
    local second = calls.done(calls.job(api, store:lock("once b", true)))
    first:release(true)
    assert.are_not.equal("not_sent", write())
    second:release(true)
    assert.are.equal("not_sent", write())
    assert.are.equal(1, #support.requests(sandbox, "automations.execute"))
    assert(calls.done(calls.job(api, store:lock("once a", true))))
    assert.are_not.equal("not_sent", write())
  end)

  test("lets one process finish what a paused one began, and lets that one send nothing more", function()
    local script, log = system.path ".lua", system.path()
    system.write(script, ([[
      local flarelight, core = require "flarelight", require "flarelight.core"
      local api = assert(flarelight.new { state = %q })
      local records = {}
      for n = 1, 10 do records[n] = { n = n - 1 } end
      local paused = false
      print(api.imports:upload { records = records, batch_records = 3, name = "n", key = "k", on_progress = function(progress)
        if paused or progress.records < 3 then return end
        paused = true
        print "paused"
        io.stdout:flush()
        os.execute(("kill -STOP %%d"):format(core.process()))
      end })]]):format(url))
    local pid = system.shell(("%s %s %s >%s 2>&1 & echo $!"):format(system.environment(sandbox), system.interpreter, script,
      log)):match "%d+"
    await_pause(pid, log)
    local _, _, err = upload(client(), { records = support.records(10) })
    assert.are.equal("conflict", err and err.kind) -- the lease is not over
    -- As after 30 s.
    server:sql(name, "UPDATE flarelight.locks SET lapses = now() - interval '1 s'")
    local result = assert(upload(client()))
    assert.are.equal(10, #sandbox:rows(result.id))
    local before = support.count(sandbox, "POST")
    await_end(pid)
    assert.matches("another one has taken over", system.read(log))
    assert.are.equal(before, support.count(sandbox, "POST"))
    assert.are.equal(10, #sandbox:rows(result.id))
  end)

  test("is asked by doctor, which says what it found", function()
    assert(upload(client()))
    local function doctor(state)
      return (system.shell(("%s %s bin/flarelight doctor --state %s 2>&1"):format(system.environment(sandbox),
        system.interpreter, system.quote(state))))
    end
    assert.matches("ok +state +postgresql://owner@127%.0%.0%.1:%d+/%w+: PostgreSQL %d+.-, without TLS, 0 unfinished uploads",
      doctor(url))
    local out = doctor(server:url(name, nil, "wrongword"))
    assert.matches("failed +state .-password authentication failed", out)
    assert.is_nil(out:find "wrongword")
  end)

  test("keeps numbers under a locale with a decimal comma", function()
    local folder, script = system.folder(), system.path ".lua"
    local _, status = system.shell(("localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>&1"):format(folder))
    if status ~= 0 then return pending "localedef or its sources are not installed" end
    assert(upload(client()))
    system.write(script, ([[
      local flarelight, core = require "flarelight", require "flarelight.core"
      local calls = require "flarelight.calls"
      assert(os.setlocale("de_DE.UTF-8", "numeric"))
      local api = assert(flarelight.new { state = %q })
      local store = calls.store(api)
      local function run(...) return calls.done(calls.job(api, store:run({ { n = select("#", ...) - 1, ... } }, true))) end
      local rows, message = run("SELECT CAST(? AS double precision) / 2 AS half", 2.5)
      print(rows and rows[1].half == 1.25, message)]]):format(url))
    local out = system.shell(("LOCPATH=%s %s %s %s 2>&1"):format(folder, system.environment(sandbox), system.interpreter,
      script))
    assert.matches("^true", out)
  end)

  -- A process stops itself before its POST number `nth`, which it has recorded, and goes on after its lease. `work`: what
  -- it does with `api`; `meanwhile`: what another one does. Returns what it printed, and the POST requests that it sent
  -- then.
  local function paused_for_long(work, nth, meanwhile)
    local script, log = system.path ".lua", system.path()
    system.write(script, ([[
      local flarelight, core = require "flarelight", require "flarelight.core"
      local count = 0
      local api = assert(flarelight.new { state = %q, before = function(request)
        if request.method ~= "POST" then return end
        count = count + 1
        if count ~= %d then return end
        print "paused"
        io.stdout:flush()
        os.execute(("kill -STOP %%d"):format(core.process()))
      end })
      local records = {}
      for n = 1, 10 do records[n] = { n = n - 1 } end
      local _, message, err = %s
      print(message, err and err.kind, err and err.fate)]]):format(url, nth, work))
    local pid = system.shell(("%s %s %s >%s 2>&1 & echo $!"):format(system.environment(sandbox), system.interpreter, script,
      log)):match "%d+"
    await_pause(pid, log)
    system.shell "sleep 31"
    meanwhile()
    local before = support.count(sandbox, "POST")
    await_end(pid)
    return system.read(log), support.count(sandbox, "POST") - before
  end

  test("lets a process that recorded a batch and was paused then send nothing of it #slow", function()
    local out, sent = paused_for_long(
      [[api.imports:upload { records = records, batch_records = 3, name = "n", key = "k" }]], 2, function()
        local result = assert(upload(client())) -- the lease has lapsed
        assert.are.equal(10, #sandbox:rows(result.id))
      end)
    assert.are.equal(0, sent, out)
    assert.matches("another one has taken over its work%s+conflict", out)
    assert.are.equal(1, #assert(client().imports:all()))
  end)

  test("lets a process that recorded a write of once and was paused then send nothing of it #slow", function()
    local out, sent = paused_for_long(
      [[api:once("b", function() return api.imports:import { name = "one", records = records } end)]], 1, function()
        local _, _, err = client():once("b", function() end)
        assert.are.equal("in_doubt", err and err.fate) -- whether it was sent cannot be known here
      end)
    assert.are.equal(0, sent, out)
    assert.matches("conflict", out)
    assert.are.equal(0, #assert(client().imports:all()))
  end)

  local urls = {
    { "postgres://h/d", "postgres://h/d" }, { "postgresql://u@h:1/d", "postgresql://u@h:1/d" },
    { "postgresql://u:p@h:1/d?password=p&sslmode=require&sslpassword=q", "postgresql://u@h:1/d?sslmode=require" },
    { "postgresql://:p@h/d", "postgresql://@h/d" }, { "postgresql:///d?host=/tmp&port=1", "postgresql:///d?host=/tmp&port=1" },
    { "postgresql://u:p@h/d?passw%6frd=p&connect_timeout=2", "postgresql://u@h/d?connect_timeout=2" }, { "postgresql://u:#p@h/d", "postgresql://***", true },
    -- Passwords that are not written as a URL wants them.
    { "postgresql://u:p@p@h/d", "postgresql://***", true }, { "postgresql://u:p/p@h/d", "postgresql://***", true },
    { "postgresql://u:p?p@h/d", "postgresql://***", true }, { "postgresql://h/d?password=p@p", "postgresql://***", true },
  }
  for _, case in ipairs(urls) do
    test("is shown without its password: " .. case[1], function()
      assert.are.equal(case[2], shown(case[1]))
      local api, message, err = flarelight.new { state = case[1], api_key = "k", base_url = "http://127.0.0.1",
        subscription_id = support.subscription() }
      assert.are.equal(not case[3], api ~= nil)
      if not case[3] then return api:close() end
      assert.are.equal("config", err.kind)
      assert.matches("is no URL of PostgreSQL", message)
    end)
  end
end)
