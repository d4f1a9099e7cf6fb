-- api:once: a block is done once, whatever ends the script between; what it sent decides whether it may run again.

local calls = require "flarelight.calls"
local checkpoints = require "flarelight.upload.checkpoints"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("api:once", function()
  local opened = support.opened(after_each)
  local sandbox, api, state

  local function open(options, client_options)
    sandbox, api = opened.service(support.with({ definitions = "examples/definitions.lua" }, options),
      support.with(client_options, { state = state }))
  end
  local function starts(operation)
    local count = 0
    for _, request in ipairs(support.requests(sandbox, operation or "automations.execute")) do
      if request.committed then count = count + 1 end
    end
    return count
  end
  local function start() return api.automations:execute(1) end

  before_each(function()
    state = system.path()
    open()
    assert(api.imports:import { name = "strikes", records = {
      { ["Flight Date"] = "1990-01-08", ["Wildlife Size"] = "Large" },
    } })
  end)
  after_each(function() checkpoints.on = nil end)

  it("runs a function once, and gives its recorded result to other clients of the state file", function()
    local runs = 0
    local function fn()
      runs = runs + 1
      return { n = 1, list = flarelight.array {}, none = flarelight.null }, { proof = "p" }
    end
    local data, meta = api:once("k", fn)
    assert.are.same({ 1, "p" }, { data.n, meta.proof })
    assert.is_nil(meta.already)
    local other = opened.client(sandbox, { state = state })
    data, meta = other:once("k", fn)
    assert.are.equal(1, runs)
    assert.are.equal('{"list":[],"n":1,"none":null}', flarelight.json.encode(data):gsub("{(.*)}", function(inside)
      local parts = {}
      for part in inside:gmatch "[^,]+" do parts[#parts + 1] = part end
      table.sort(parts)
      return "{" .. table.concat(parts, ",") .. "}"
    end))
    assert.are.same({ true, "p" }, { meta.already, meta.proof })
    assert.is_true(math.abs(meta.done_at - os.time()) < 100)
  end)

  it("gives null for no result, and keeps false", function()
    assert.are.equal(flarelight.null, (api:once("none", function() end)))
    assert.are.equal(flarelight.null, (api:once("none", function() error "runs again" end)))
    assert.is_false((api:once("false", function() return false end)))
    assert.is_false((api:once("false", function() error "runs again" end)))
  end)

  it("makes no request of its own", function()
    local before = #sandbox:requests()
    api:once("k", function() return 1 end)
    api:once("k", function() return 1 end)
    assert.are.equal(before, #sandbox:requests())
  end)

  it("costs two syncs with one write, and one without a write", function()
    assert(api:once("warm", start))
    local class = getmetatable(calls.store(api)).__index
    local run, synced = class.run, {}
    class.run = function(store, statements, in_place, relaxed)
      local reads = #statements == 1 and statements[1][1]:find "^SELECT" ~= nil
      if not reads and not relaxed then synced[#synced + 1] = statements[#statements][1]:match "%u+ %u*" end
      return run(store, statements, in_place, relaxed)
    end
    local one = api:once("one", start)
    local two = api:once("two", function() return 1 end)
    local three = api:once("two", function() return 1 end)
    class.run = run
    assert.is_truthy(one and two and three)
    assert.are.same({ "INSERT INTO", "UPDATE ", "UPDATE " }, synced)
  end)

  it("records each write before it is sent, with the request id that is sent", function()
    local seen
    checkpoints.on = function(name)
      if name == "write.journaled" then
        seen = system.shell(("sqlite3 %s 'SELECT operation, target, length(sha256), request_id, state FROM writes'")
          :format(state))
        assert.are.equal(0, #support.requests(sandbox, "automations.execute"))
      end
    end
    assert(api:once("k", start))
    local request = support.requests(sandbox, "automations.execute")[1]
    if seen == "" then return end -- no command sqlite3
    assert.are.equal(("automations.execute|/Automation/1/Execute|64|%s|sent\n"):format(request.headers["x-request-id"]),
      seen)
  end)

  -- What fn does after its write, and what the next run does.
  it("does not repeat a write that was applied, whatever ended the function", function()
    local ends = {
      ["an error"] = function() return nil, "later" end,
      ["a raised error"] = function() error("later", 0) end,
      ["no form in JSON"] = function() return print end,
    }
    local count = 0
    for name, ending in pairs(ends) do
      local replies = {}
      local function fn()
        local reply, meta = assert(start())
        replies[#replies + 1] = { reply, meta.already or false, meta.fate }
        if #replies == 1 then return ending() end
        return reply.id
      end
      local good, data, message = pcall(function() return api:once(name, fn) end)
      assert.are.equal(name == "an error", good)
      assert.matches(name == "no form in JSON" and "form in JSON" or "later", good and message or data)
      assert(api:once(name, fn))
      count = count + 1
      assert.are.equal(count, starts(), name)
      assert.are.same(replies[1][1], replies[2][1])
      assert.are.same({ false, true, "applied" }, { replies[1][2], replies[2][2], replies[2][3] })
    end
  end)

  it("raises what the function raised, nil too, and keeps the message of an error with another third value", function()
    for _, value in ipairs { "text", { 1 }, false } do
      local good, raised = pcall(function() return api:once("raises", function() error(value, 0) end) end)
      assert.are.same({ false, value }, { good, raised })
    end
    local returned = { pcall(function() return api:once("raises", function() error() end) end) }
    assert.is_false(returned[1])
    assert.is_nil(returned[2])
    local code = { code = 7 }
    local none, message, err = api:once("returns", function() return nil, "my message", code end)
    assert.are.same({ nil, "my message", code }, { none, message, err.value })
    assert.are.equal("my message", assert(api:explain("returns")).failure)
  end)

  it("runs again where nothing was sent or the service refused, and returns the function's own error", function()
    sandbox:fault { operation = "automations.execute", kind = "status", status = 404 }
    local nowhere = opened.client({ url = "http://127.0.0.1:1", api_key = "k", subscription_id = support.subscription() },
      { max_attempts = 1 })
    for _, each in ipairs {
      { "rejected", start }, { "not_sent", function() return nowhere.automations:execute(1) end },
    } do
      local fate, first = each[1], each[2]
      local data, message, err = api:once(fate, first)
      assert.is_nil(data)
      assert.matches("^automations.execute: ", message)
      assert.are.same({ message, fate }, { err.message, err.fate })
      assert(api:once(fate, start))
    end
    assert.are.equal(2, starts())
  end)

  it("runs again where nothing was sent because `before` or the function of the key has raised", function()
    local broken, keys = true, 0
    local function fail() if broken then error({ "the vault is down" }) end end
    for name, options in pairs {
      before = { before = fail },
      key = { api_key = function()
        fail()
        return sandbox.api_key
      end },
      ["key after a 401"] = { api_key = function()
        keys = keys + 1
        if keys == 1 then return "old" end
        fail()
        return sandbox.api_key
      end },
    } do
      local client = opened.client(sandbox, support.with({ state = state }, options))
      local before, execute = starts(), function() return client.automations:execute(1) end
      broken = true
      local good, raised = pcall(client.once, client, name, execute)
      assert.are.same({ false, { "the vault is down" } }, { good, raised }, name)
      broken = false
      local data, message = client:once(name, execute)
      assert.are.equal(1, data and starts() - before, name .. ": " .. tostring(message))
    end
  end)

  it("keeps the error of the function if the state cannot be written", function()
    local function lose() assert(os.remove(state)) end
    local raised = { "mine" }
    for _, value in ipairs { raised, "file.lua:1: interrupted!" } do
      open()
      local good, found = pcall(api.once, api, "k", function()
        lose()
        error(value, 0)
      end)
      assert.are.same({ false, value }, { good, found })
    end
    open()
    sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" }
    local data, message, err = api:once("k", function()
      local none, why, its_err = start()
      lose()
      return none, why, its_err
    end)
    assert.are.same({ nil, "network", "in_doubt" }, { data, err.kind, err.fate })
    assert.are.equal(message, err.message)
    open()
    local line = select(2, pcall(function()
      api:once("k", function()
        lose()
        return print
      end)
    end))
    assert.matches("^spec/once_spec.lua:%d+: flarelight: api:once: key \"k\": the result of the function", line)
  end)

  it("gives a result that cannot be recorded with the error, and the fate", function()
    local writes = {
      applied = function() api.automations:execute(1) end,
      in_doubt = function() api.automations:execute(1) end,
      ["in_doubt, inside of another block"] = function()
        api:once("inner", function() return api.automations:execute(1) end)
      end,
    }
    for what, write in pairs(writes) do
      local fate = what:match "^[a-z_]+"
      open()
      if fate == "in_doubt" then sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" } end
      local data, _, err = api:once("k", function()
        write()
        assert(os.remove(state))
        return { n = 7 }
      end)
      assert.are.same({ nil, "io", fate, 7 }, { data, err.kind, err.fate, err.data.n })
    end
  end)

  it("says that this process is at work on it, in another task, which may not have begun", function()
    for _, entry in ipairs { "none", "of a run before" } do
      if entry == "of a run before" then -- as after a kill in a process of another number
        assert.is_nil((api:once("k", function() return nil, "stops" end)))
        assert.are.equal("", (system.shell(("sqlite3 %s \"UPDATE blocks SET state = 'running', holder = 1\" 2>/dev/null")
          :format(state))))
      end
      local results = api:all {
        function() return api:once("k", function() return nil, "stops" end) end,
        function() return api:once("k", error) end,
      }
      assert.are.equal("conflict", results[2].err.kind)
      assert.matches("key \"k\": this process ", results[2].err.message)
    end
  end)

  it("raises what look raises", function()
    sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" }
    assert.are.equal("in_doubt", select(3, api:once("k", start)).fate)
    for _, raised in ipairs { "a string", { "a table" } } do
      local good, found = pcall(api.once, api, "k", start, { look = function() error(raised, 0) end })
      assert.is_false(good)
      assert.are.equal(raised, found)
    end
    assert.are.equal("in_doubt", select(3, api:once("k", start)).fate)
    assert(api:once("k", start, { look = function() return true end }))
    assert.are.equal(1, starts())
  end)

  it("does not open the state of a closed client again", function()
    assert(api:once("k", function() return true end))
    local unused = opened.client(sandbox, { state = state })
    for _, client in ipairs { api, unused } do
      client:close()
      for _, name in ipairs { "runs", "forget", "settle" } do
        local data, _, err = client[name](client, name ~= "runs" and "k" or nil, name == "settle" and "again" or nil)
        assert.are.same({ nil, "closed" }, { data, err and err.kind }, name)
      end
    end
  end)

  it("runs nothing on a closed client", function()
    local client = opened.client(sandbox, { state = system.path() })
    client:close()
    local data, message, err = client:once("k", function() error "runs" end)
    assert.are.same({ nil, "api:once: the client is closed", "closed" }, { data, message, err.kind })
  end)

  it("asks look about a write in doubt, and stops without one", function()
    for _, each in ipairs { { true, 1 }, { false, 2 }, { nil, 1 } } do
      sandbox:clear_log()
      local key = "k" .. tostring(each[1])
      sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" }
      local _, _, err = api:once(key, start)
      assert.are.equal("in_doubt", err.fate)
      local looks = 0
      local data, meta, again = api:once(key, start, { look = function()
        looks = looks + 1
        return each[1], { found = true }
      end })
      if each[1] == nil then
        assert.are.same({ "raised", 1 }, { again.kind, looks }) -- nil and a second value are an error
        data, meta, again = api:once(key, start, { look = function() return nil end })
        assert.is_nil(data)
        assert.matches("not known whether automations.execute /Automation/1/Execute was carried out", meta)
        assert.are.same({ "conflict", "in_doubt" }, { again.kind, again.fate })
        _, _, again = api:once(key, start)
        assert.are.equal("in_doubt", again.fate)
      elseif each[1] then
        assert.are.same({ true, true }, { data.found, meta.already })
      else
        assert.is_nil(meta.already)
      end
      assert.are.equal(1, looks)
      assert.are.equal(each[2], starts(), key)
    end
  end)

  it("settles what is in doubt", function()
    local function doubt(key)
      sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" }
      assert.is_nil((api:once(key, start)))
      assert.is_nil((api:once(key, start)))
    end
    doubt "a"
    assert.is_true(api:settle("a", "done", { id = 7 }))
    local data, meta = api:once("a", start)
    assert.are.same({ 7, true, 1 }, { data.id, meta.already, starts() })
    local _, message, err = api:settle("a", "done")
    assert.are.equal("conflict", err.kind)
    assert.matches("is done already", message)
    doubt "b"
    assert.is_true(api:settle("b", "again"))
    assert(api:once("b", start))
    assert.are.equal(3, starts())
    assert.are.equal("not_found", select(3, api:settle("none", "again")).kind)
    assert(api.imports:upload { records = { { n = 1 } }, name = "n", key = "upload" })
    local _, said, why = api:settle("upload", "done")
    assert.are.equal("not_found", why.kind)
    assert.matches('the key "upload" is one of an upload, and not of api:once$', said)
    assert.is_true(api:forget "b")
    assert(api:once("b", start))
    assert.are.equal(4, starts())
    assert.are.equal("not_found", select(3, api:forget "none").kind)
  end)

  it("runs a write again that may be repeated", function()
    local function fn() return api.automations:execute(1, nil, { repeatable = true }) end
    sandbox:fault { operation = "automations.execute", kind = "commit_then_drop", times = 10 }
    assert.are.equal("in_doubt", select(3, api:once("k", fn)).fate)
    sandbox:clear_faults()
    assert(api:once("k", fn))
  end)

  it("stops where the block would make another write to the target than before", function()
    local least = 1
    local function fn()
      local data, message, err = api.preparations:execute(1, { least = least })
      if not data then return data, message, err end
      return nil, "later"
    end
    assert.is_nil((api:once("k", fn)))
    least = 2
    local _, message, err = api:once("k", fn)
    assert.matches("has made preparations.execute /Preparation/1/Execute before with another body", message)
    assert.are.same({ "conflict", "not_sent", 1 }, { err.kind, err.fate, starts "preparations.execute" })
  end)

  it("knows a body again whose members come in another order", function()
    local orders = { { a = 1, b = { c = 2, d = 3 }, e = "x" }, {} }
    orders[2].e, orders[2].b, orders[2].a = "x", {}, 1
    orders[2].b.d, orders[2].b.c = 3, 2
    local runs = 0
    local function fn()
      runs = runs + 1
      assert(api.preparations:execute(1, orders[runs]))
      if runs == 1 then return nil, "later" end
    end
    api:once("k", fn)
    assert(api:once("k", fn))
    assert.are.equal(1, starts "preparations.execute")
  end)

  it("does not record a result without a form in JSON, and names the caller's line", function()
    local ok, raised = pcall(function() return api:once("k", function() return { f = print } end) end)
    assert.is_false(ok)
    assert.matches("once_spec.lua:%d+: flarelight: api:once: key \"k\": the result of the function", raised)
    assert.are.equal(1, (api:once("k", function() return 1 end)))
  end)

  it("is misused with wrong arguments, and needs a state file", function()
    for _, case in ipairs {
      { "api:once: key: should be a string", function() api:once(nil, start) end },
      { "api:once: key: should not be empty", function() api:once("", start) end },
      { "api:once: fn: should be a function", function() api:once("k") end },
      { "api:once: unknown option", function() api:once("k", start, { lok = print }) end },
      { "api:settle: should be \"done\" or \"again\"", function() api:settle("k", "maybe") end },
      { "only \"done\" has a result", function() api:settle("k", "again", 1) end },
      { "calls once with the same key", function() api:once("k", function() api:once("k", start) end) end },
    } do
      local ok, raised = pcall(case[2])
      assert.is_false(ok)
      assert.matches(case[1], raised, 1, true)
    end
    local plain = opened.client(sandbox)
    assert.are.equal("config", select(3, plain:once("k", start)).kind)
    assert.are.equal("config", select(3, plain:settle("k", "again")).kind)
  end)

  it("may be nested: a block that runs again finds the inner ones done", function()
    local inner, outer = 0, 0
    local function fn()
      outer = outer + 1
      assert(api:once("inner", function()
        inner = inner + 1
        return start()
      end))
      assert(api.reports:generate(1))
      if outer == 1 then return nil, "later" end
      return outer
    end
    api:once("outer", fn)
    assert.are.equal(2, (api:once("outer", fn)))
    assert.are.same({ 1, 1, 1 }, { inner, starts(), starts "reports.generate" })
  end)

  it("gives uploads inside a key of its own, so that they go on", function()
    local file = system.file("n\n1\n2\n3\n", ".csv")
    local failing = true
    local function fn()
      local first = assert(api.imports:upload { file = file, name = "a" })
      assert(api.imports:upload { records = support.records(2) })
      assert(api.imports:upload { records = support.records(3) })
      assert(api.imports:upload { records = support.records(4), key = "own" })
      if failing then return nil, "later" end
      return first
    end
    api:once("k", fn)
    failing = false
    assert.is_true(assert(api:once("k", fn)).already)
    local seen = {}
    for _, import in ipairs(assert(api.imports:all())) do seen[#seen + 1] = #sandbox:rows(import.id) end
    table.sort(seen)
    assert.are.same({ 1, 2, 3, 3, 4 }, seen)
    assert.is_nil((api.imports:pending())[1])
  end)

  it("keeps its writes apart from those of tasks around it, and has those of tasks inside", function()
    local inside = 0
    local outer = api:spawn(function()
      for _ = 1, 3 do assert(api.preparations:execute(1)) end
    end)
    local function fn()
      inside = inside + 1
      local results, failed = api:map({ 1, 2 }, function(n) return api.automations:execute(1, { n = n }) end)
      assert.are.equal(0, failed, results[1].err and results[1].err.message)
      if inside == 1 then return nil, "later" end
    end
    -- With different bodies, tasks at the same time would wait for each other's places: these are their own blocks.
    local function nested()
      inside = inside + 1
      local _, failed = api:map({ 1, 2 }, function(n)
        return api:once("n" .. n, function() return api.automations:execute(1, { n = n }) end)
      end)
      assert.are.equal(0, failed)
      if inside == 1 then return nil, "later" end
    end
    api:once("k", nested)
    assert(api:once("k", nested))
    outer:result()
    assert.are.same({ 2, 3 }, { starts(), starts "preparations.execute" })
    inside = 0
    api:once("map", fn)
    assert(api:once("map", fn))
    assert.are.equal(4, starts())
  end)

  it("has the writes of a coroutine that the function resumes", function()
    local runs = 0
    local function fn()
      runs = runs + 1
      local co = coroutine.create(function() return assert(start()) end)
      assert(coroutine.resume(co))
      if runs == 1 then return nil, "later" end
    end
    api:once("k", fn)
    assert(api:once("k", fn))
    assert.are.equal(1, starts())
  end)

  it("has the writes of every client, and those of any path", function()
    local other = opened.client(sandbox)
    local runs = 0
    local function fn()
      runs = runs + 1
      assert(other.preparations:execute(1))
      assert(other:request { method = "POST", path = "/Automation/1/Execute" })
      assert(api.imports:all())
      if runs == 1 then return nil, "later" end
    end
    api:once("k", fn)
    assert(api:once("k", fn))
    assert.are.same({ 1, 1 }, { starts(), starts "preparations.execute" })
  end)

  it("sends nothing if the write cannot be recorded", function()
    local data, message, err = api:once("k", function()
      assert(system.shell(("rm %s && mkdir %s"):format(state, state)) == "")
      local other = opened.client(sandbox, { state = state })
      return other:once("l", start)
    end)
    assert.is_nil(data)
    assert.are.equal("io", err.kind)
    assert.matches("is a directory, and no state file", message) -- the error of the function
    assert.are.equal(0, starts())
  end)
end)

-- Blocks whose process is killed, and two processes with one key.
describe("a block of once, in a process that is killed", function()
  local opened = support.opened(after_each)
  local sandbox, api, state

  before_each(function()
    state = system.path()
    sandbox, api = opened.service({ definitions = "examples/definitions.lua" }, { state = state })
    assert(api.imports:import { name = "strikes", records = {
      { ["Flight Date"] = "1990-01-08", ["Wildlife Size"] = "Large" },
    } })
  end)

  local SCRIPT = [[
    local flarelight = require "flarelight"
    local doomed = %q
    require("flarelight.upload.checkpoints").on = function(name)
      if name == doomed then os.execute "kill -9 $PPID" end
    end
    local api = assert(flarelight.new { state = %q })
    local data, meta, err = api:once("k", function()
      %s
    end)
    print(data ~= nil and (meta.already and "already" or "done") or err.kind .. " " .. tostring(err.fate) .. " " .. meta)
  ]]
  local ONE = "return api.preparations:execute(1, nil, { wait = 20 })"
  local SHORT = "return api.preparations:execute(1, nil, { wait = 1 })"

  local function command(doomed, body)
    local script = system.file(SCRIPT:format(doomed, state, body or ONE), ".lua")
    return ("%s %s %s 2>&1"):format(system.environment(sandbox), system.interpreter, script)
  end
  local function run(doomed, body) return (system.shell(command(doomed, body))) end
  local function generated()
    local count = 0
    for _, request in ipairs(support.requests(sandbox, "preparations.execute")) do
      if request.committed then count = count + 1 end
    end
    return count
  end

  for _, case in ipairs {
    { "once.began", 0, "^done", 1 },
    { "write.journaled", 0, "^conflict in_doubt .*preparations.execute /Preparation/1/Execute .*nothing that the service "
      .. "shows of preparation 1 has changed since before the start: look", 0, SHORT },
    { "write.answered", 1, "^done", 1 }, -- what the service shows settles it
    { "write.recorded", 1, "^done", 1 },
    { "once.ended", 1, "^done", 1 },
    { "once.done", 1, "^already", 1 },
  } do
    it("at " .. case[1], function()
      run(case[1], case[5])
      assert.are.equal(case[2], generated())
      assert.matches(case[3], run "")
      assert.are.equal(case[4], generated())
      if case[3]:find "in_doubt" then
        assert.matches("in_doubt", run "")
        assert.is_true(api:settle("k", "again"))
        assert.matches("^done", run "")
      else
        assert.matches("^already", run "")
      end
    end)
  end

  local function texts()
    local lines = {}
    for place, step in ipairs(assert(api:explain "k").steps) do lines[place] = step.text end
    return table.concat(lines, "\n")
  end

  it("settles a start in doubt by what the service shows, and tells by what", function()
    run("write.answered")
    assert.matches("^done", run "")
    assert.matches("\nwrite 1: carried out: since before the start the import of preparation 1 has changed: [^\n]*\n"
      .. "write 1: applied\n[^\n]* goes on[^\n]*\nwrite 1: not sent again: it was applied before\ndone: ", texts())
    assert.are.equal(1, generated())
  end)

  it("leaves a start in doubt whose time is up if the change has no time of its own", function()
    run("write.journaled", SHORT)
    local seconds = os.time() + 4 -- the wait of one second, the tolerance of two, and the rest of a second
    while os.time() < seconds do system.shell "sleep 0.2" end
    assert(api.imports:import { name = "Strikes by month", records = { { n = 1 } } }) -- as by somebody else
    assert.matches("^conflict in_doubt .* the import of preparation 1 has changed[^\n]*: look at the service", run "")
    assert.matches("\nwrite 1: still in doubt: since before the start the import of preparation 1 has changed", texts())
    assert.are.equal(0, generated())
  end)

  it("leaves a wait whose time is up to the next run, which does not start again", function()
    local body = "return api.automations:execute(1, nil, { wait = { timeout = %s, interval = 0.01, done = function() "
      .. "return os.getenv 'SEEN' end } })"
    assert.matches("^timeout applied ", run("", body:format "0.05"))
    assert.matches("^timeout applied ", run("", body:format "0.05"))
    assert.matches("^done", (system.shell("SEEN=1 " .. command("", body:format "5"))))
    assert.are.equal(1, #support.requests(sandbox, "automations.execute"))
  end)

  it("says who is at work on it, and since when", function()
    sandbox:fault { operation = "preparations.execute", kind = "latency", seconds = 2 }
    local first, process = system.start(command "")
    while sandbox:hits().total == 0 do system.shell "sleep 0.02" end
    system.shell("kill -STOP " .. process) -- so that it is at work still when others look
    finally(function() system.shell("kill -CONT " .. process .. " 2>/dev/null") end)
    local _, message, err = api:once("k", function() error "runs" end)
    assert.are.same({ "conflict", "not_sent" }, { err.kind, err.fate })
    assert.matches('key "k": process %d+ has been at work on it since %d+%-%d+%-%d+ %d+:%d+:%d+$', message)
    assert.are.equal("conflict", select(3, api:settle("k", "again")).kind)
    assert.are.equal("conflict", select(3, api:forget "k").kind)
    system.shell("kill -CONT " .. process)
    assert.matches("^done", first:read "*a")
    first:close()
    assert.is_true(select(2, api:once("k", error)).already)
    assert.are.equal(1, generated())
  end)
end)
