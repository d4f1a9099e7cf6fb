-- Waiting for the end of a run: that an end is seen wherever a service shows it, that nothing is started twice, and what
-- is said where nothing is seen.

local flarelight = require "flarelight"
local support = require "support"

local DEFINITIONS = {
  preparations = {
    { id = 1, name = "Sums", target = "sums", sql = 'SELECT sum(n) AS n FROM "spec"' },
    { id = 2, name = "broken", sql = "SELECT * FROM nowhere" },
  },
  reports = {
    { id = 1, name = "Chart", sql = 'SELECT 1 AS a, n FROM "spec"', chart = { labels = "a" } },
    { id = 2, name = "Broken", sql = "SELECT * FROM nowhere" },
  },
  automations = { { id = 1, steps = { { preparation = 1 }, { report = 1 } } } },
}
local SOON = { timeout = 20, interval = 0.05 }

describe("a wait for a run", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function start(options, client_options)
    sandbox, api = opened.service(support.with(options, { definitions = DEFINITIONS }), client_options)
    support.import(api, 3)
  end

  local function prepare(wait) return api.preparations:execute(1, nil, { wait = wait or SOON }) end
  local function report(wait) return api.reports:generate(1, nil, { wait = wait or SOON }) end
  local function automate(wait) return api.automations:execute(1, nil, { wait = wait }) end
  local function starts(operation) return #support.requests(sandbox, operation) end

  local function fails(kind, fate, data, message, err)
    assert.is_nil(data)
    assert.are.same({ kind, fate }, { err.kind, err.fate }, message)
    return err, message
  end

  -- Switch, what is run, where the end is seen, a member that changed, status
  local shown = {
    { "result", prepare, "import", "updatedAt" }, { "result", report, "entry", "generatedAt", "Generated" },
    { "status", prepare, "entry", "lastRunAt", "Completed" }, { "status", report, "entry", "lastRunAt", "Generated" },
    { "updatedAt", prepare, "entry", "updatedAt" }, { "updatedAt", report, "entry", "updatedAt" },
  }
  for _, seconds in ipairs { 0, 0.3 } do
    for number, case in ipairs(shown) do
      it(("sees the end where the service shows %s, after %g s (%d)"):format(case[1], seconds, number), function()
        start { run_shows = case[1], run_seconds = seconds }
        for _ = 1, 2 do -- the second run finds what the first has left
          local data, meta, err = case[2]()
          assert.is_table(data, err)
          assert.are.equal(1, data.id)
          local proof = meta.proof
          assert.are.same({ "applied", case[3], false, true, case[5] },
            { meta.fate, proof.seen_in, proof.profile, proof.acknowledged, proof.status })
          assert.is_not_nil(proof.changed[case[4]])
          assert.is_not_nil(proof.entry.id)
          assert.is_true(proof.looks >= 1 and proof.seconds >= 0)
        end
        assert.are.equal(2, starts "preparations.execute" + starts "reports.generate")
        for _, request in ipairs(support.requests(sandbox, "preparations.execute")) do assert.is_true(request.committed) end
      end)
    end
  end

  it("takes a number of seconds", function()
    start()
    assert.are.equal("import", select(2, assert(prepare(20))).proof.seen_in)
  end)

  it("of an automation looks at the report or preparation that ends with it, or asks a function", function()
    start { run_seconds = 0.2, run_shows = "status" }
    local _, meta = assert(automate { report = 1, timeout = 20, interval = 0.05 })
    assert.are.equal("Generated", meta.proof.status)
    _, meta = assert(automate { preparation = 1, timeout = 20, interval = 0.05 })
    assert.are.equal("Completed", meta.proof.status)
    for _, name in ipairs { "done", "until" } do
      local asked = 0
      _, meta = assert(automate { interval = 0.01, [name] = function()
        asked = asked + 1
        return asked == 3 and "yes"
      end })
      assert.are.same({ "done", "yes", 3, 3 }, { meta.proof.seen_in, meta.proof.value, meta.proof.looks, asked })
    end
    assert.are.equal(4, starts "automations.execute")
  end)

  it("sees a run that fails", function()
    start { run_seconds = 0.2, run_shows = "status" }
    sandbox:fault { operation = "preparations.execute", kind = "fail_run", message = "no disk" }
    local err, message = fails("run_failed", "applied", prepare())
    assert.are.equal('preparations.execute: the run of preparation 1 has failed: its status is "Failed": no disk', message)
    assert.are.same({ "Running", "Failed", "entry" }, { err.data.status, err.proof.status, err.proof.seen_in })
    err = fails("run_failed", "applied", api.preparations:execute(2, nil, { wait = SOON }))
    assert.matches("nowhere", err.message)
    assert(prepare()) -- a failure of before is no failure of now
  end)

  it("takes the word of a reply that says that the run has failed", function()
    start()
    sandbox:fault { operation = "reports.generate", kind = "fail_run" }
    local err = fails("run_failed", "applied", report())
    assert.are.equal("reply", err.proof.seen_in)
  end)

  describe("that sees nothing", function()
    it("says so, and what it knows", function()
      start { run_shows = "nothing" }
      assert(api.automations:execute(1)) -- so that there is an import already
      for _, run in ipairs { prepare, report } do
        local err, message = fails("timeout", "applied", run { timeout = 0.3, interval = 0.05 })
        assert.matches("the start was acknowledged, but the end of %a+ 1 was not seen within 0.3 s: nothing that the service "
          .. "shows has changed", message)
        assert.are.equal(1, err.data.id)
        assert.is_true(err.proof.looks >= 2)
        assert.is_truthy(err.request_id)
      end
      assert.are.same({ 1, 1 }, { starts "preparations.execute", starts "reports.generate" })
      assert.are.equal("done", select(2, assert(prepare { done = function() return true end })).proof.seen_in)
    end)

    it("says that the list does not have what is waited for", function()
      start()
      local _, message = fails("timeout", "applied", automate { report = 99, timeout = 0.3, interval = 0.05 })
      assert.matches("the end of report 99 was not seen within 0.3 s: the service's list of reports does not have it$", message)
    end)

    it("says that it still ran", function()
      start { run_shows = "status", run_seconds = 60 }
      local _, message = fails("timeout", "applied", report { timeout = 0.2, interval = 0.05 })
      assert.matches("it was under way at the last look", message)
    end)

    it("says that it was lost on the way", function()
      start { run_shows = "status" }
      sandbox:fault { operation = "reports.generate", kind = "lose_run" }
      fails("timeout", "applied", report { timeout = 0.2, interval = 0.05 })
    end)

    it("names the look that failed, and goes on until the time is up", function()
      start({ run_seconds = 60 }, { max_attempts = 1 })
      sandbox:fault { operation = "reports.all", kind = "status", status = 500, nth = 2, times = math.huge }
      local err, message = fails("timeout", "applied", report { timeout = 1, interval = 0.05 })
      assert.matches("the last look failed: reports.all: 500", message)
      assert.is_true(err.proof.looks >= 2)
    end)
  end)

  it("goes on after a look that failed", function()
    start({ run_seconds = 0.2 }, { max_attempts = 1 })
    sandbox:fault { operation = "reports.all", kind = "empty", nth = 2, times = 2 }
    assert(report())
  end)

  it("ends where no look is allowed any more", function()
    start { run_seconds = 60 }
    sandbox:fault { operation = "reports.all", kind = "status", status = 401, nth = 2 }
    local _, message = fails("unauthorized", "applied", report())
    assert.matches("the end of report 1 cannot be seen: reports.all: 401", message)
  end)

  it("starts nothing where it could not see the end", function()
    start(nil, { max_attempts = 1 })
    sandbox:fault { operation = "reports.all", kind = "status", status = 403 }
    fails("forbidden", "not_sent", report())
    local profile = { version = 1, service = sandbox.url, found = {}, runs = { reports = { seen_in = "nothing" } } }
    api = opened.client(sandbox, { profile = profile })
    local _, message = fails("config", "not_sent", report())
    assert.matches("the profile says that nothing shows the end of a run of report 1", message)
    assert.are.equal(0, starts "reports.generate")
    assert(report { done = function() return true end })
  end)

  it("ends with a start that is refused", function()
    start()
    fails("not_found", "rejected", api.preparations:execute(9, nil, { wait = SOON }))
    fails("invalid_request", "rejected", api.reports:generate(2, nil, { wait = SOON }))
  end)

  describe("whose start is in doubt", function()
    it("sees by the end that it was started", function()
      start { run_shows = "status", run_seconds = 0.2 }
      sandbox:fault { operation = "reports.generate", kind = "commit_then_drop" }
      local data, meta = report()
      assert.are.same({ "applied", false }, { meta.fate, meta.proof.acknowledged })
      assert.are.equal("Generated", data.status)
      assert.are.equal(1, starts "reports.generate")
    end)

    it("stays in doubt where nothing is seen", function()
      start()
      sandbox:fault { operation = "reports.generate", kind = "empty" }
      local err = fails("network", "in_doubt", report { timeout = 0.2, interval = 0.05 })
      assert.is_false(err.proof.acknowledged)
      assert.is_true(err.proof.looks >= 2)
      assert.are.equal(1, starts "reports.generate")
    end)
  end)

  describe("with a profile", function()
    local function with(runs, options)
      start(options)
      api = opened.client(sandbox, { profile = { version = 1, service = sandbox.url, found = {}, runs = runs } })
    end

    it("looks where the profile says, and nowhere else", function()
      with { preparations = { seen_in = "import", import = "target", members = { "updatedAt" } } }
      local _, meta = assert(prepare())
      assert.are.same({ "import", true }, { meta.proof.seen_in, meta.proof.profile })
      with({ preparations = { seen_in = "entry", members = { "lastRunAt" }, status = "status" } }, { run_shows = "status" })
      sandbox:clear_log()
      assert(prepare())
      assert.are.equal(0, starts "imports.all")
      assert.are.equal(2, starts "preparations.all")
    end)

    it("reads the stored result", function()
      with({ reports = { seen_in = "result" } }, { run_shows = "nothing", run_seconds = 0.2 })
      local _, meta = assert(report())
      assert.are.same({ "result", nil }, { meta.proof.seen_in, meta.proof.changed.result.before })
      assert.matches('"labels":%[1,1,1%]', meta.proof.changed.result.now)
      fails("timeout", "applied", report { timeout = 0.5, interval = 0.05 }) -- the same result again
      support.import(api, 2)
      assert.matches('"labels":%[1,1%]', select(2, assert(report())).proof.changed.result.now)
    end)
  end)

  it("shares its requests with all others", function()
    start { run_seconds = 0.5, run_shows = "status" }
    sandbox:clear_log()
    local items = {}
    for i = 1, 12 do items[i] = i end
    local results, failed = api:map(items, function() return prepare() end, { concurrency = 12 })
    assert.are.equal(0, failed, failed > 0 and results[1].err)
    assert.are.equal(12, starts "preparations.execute")
    -- Alone, each would look before its start, after it, and again once or more.
    assert.is_true(starts "preparations.all" <= 12, starts "preparations.all" .. " requests")
  end)

  it("takes a look of another client for none of its own", function()
    start { run_seconds = 0.2 }
    local other = opened.client(sandbox)
    support.together {
      function() assert(report()) end,
      function() assert(other.reports:generate(1, nil, { wait = SOON })) end,
    }
  end)

  it("looks seldom where the rate limit is small", function()
    start { rate_limit = 9, run_seconds = 60 }
    local err = fails("timeout", "applied", report { timeout = 0.5, interval = 0.01 })
    assert.are.equal(2, err.proof.looks) -- after the start, and when the time is up
  end)

  it("makes no look while others wait for a small rate limit", function()
    local acknowledged, bulk = false, {}
    start({ rate_limit = 9, run_seconds = 60 }, { on_event = function(event)
      if event.operation == "reports.generate" and event.name == "done" then acknowledged = true end
    end })
    sandbox:fault { operation = "reports.generate", kind = "latency", seconds = 0.3 }
    local waiting = api:spawn(function() return report { timeout = 600, interval = 0.01 } end)
    support.update_until(api, function() return starts "reports.generate" == 1 end)
    for i = 1, 12 do bulk[i] = api:spawn(function() return api.imports:all() end) end
    support.update_until(api, function() return acknowledged and api:quota().waiting > 0 end)
    for _ = 1, 20 do
      api:update(0.01)
      os.execute "sleep 0.01"
      -- No look stands among the calls that wait.
      local left = #bulk - starts "imports.all"
      assert.is_true(api:quota().waiting <= left)
    end
    assert.are.equal(1, starts "reports.all") -- before the start
    waiting:cancel()
    fails("cancelled", "applied", waiting:result())
    for _, task in ipairs(bulk) do task:cancel() end
  end)

  for _, kind in ipairs { "cancelled", "closed" } do
    it("is " .. kind, function()
      start { run_seconds = 60 }
      local waiting = api:spawn(function() return report { timeout = 600, interval = 60 } end)
      support.update_until(api, function() return starts "reports.all" >= 2 end)
      if kind == "cancelled" then
        for _ = 1, 5 do api:update(0.01) end
        waiting:cancel()
      else
        os.execute "sleep 0.1" -- so that the reply has come, and its task has not gone on yet
        api:close()
      end
      local runner = opened.client(sandbox)
      support.update_until(runner, function() return waiting:done() end)
      local err = fails(kind, "applied", waiting:result())
      assert.are.equal("Running", err.data.status)
    end)
  end

  it("ends at the deadline of the call", function()
    start { run_seconds = 60 }
    fails("timeout", "applied", api.reports:generate(1, nil, { wait = 600, deadline = 0.4 }))
  end)

  describe("asks a function that", function()
    before_each(function() start() end)
    local function asking(done) return api.preparations:execute(1, nil, { wait = { done = done, timeout = 20 } }) end

    it("raises: the error has the fate of the start", function()
      local err = fails("raised", "applied", asking(function() error({ "oh" }, 0) end))
      assert.are.equal("oh", err.value[1])
      assert.are.equal("Completed", err.data.status)
    end)

    it("returns an error: the wait ends with it", function()
      local err = fails("raised", "applied", asking(function() return nil, "no luck" end))
      assert.matches("no luck", err.message)
      err = fails("not_found", "applied", asking(function() return api.imports:data(99) end))
      assert.are.equal(404, err.status)
    end)
  end)

  it("is not ended by what on_event has raised", function()
    local raised = 0
    start({ run_seconds = 0.2 }, { on_event = function(event)
      if event.operation == "reports.all" and starts "reports.generate" > 0 then
        raised = raised + 1
        error "a mistake in a log"
      end
    end })
    assert.is_table((report()))
    assert.is_true(raised > 0)
    assert.has_error(function() api.imports:all() end)
  end)

  it("raises for misuse before anything is sent", function()
    start()
    sandbox:clear_log()
    local cases = {
      { function() automate(20) end, "the service has no list of automations in which the end could be seen: give done" },
      { function() automate {} end, "automations:execute.wait: the service has no list" },
      { function() prepare(0) end, "preparations:execute.wait: should be a number of seconds above 0 or a table, but is 0" },
      { function() prepare "long" end, "should be a number of seconds above 0 or a table" },
      { function() prepare { timeuot = 1 } end, 'preparations:execute.wait: unknown option "timeuot"' },
      { function() prepare { timeout = -1 } end, "preparations:execute.wait.timeout: should be a number of seconds" },
      { function() prepare { done = print, ["until"] = print } end, "give either done or until" },
      { function() automate { report = 1, preparation = 1 } end, "give either report or preparation" },
      { function() api.preparations:execute(nil, nil, { wait = 1 }) end, "id: is missing" },
      { function() api.preparations:execute(1, "x", { wait = 1 }) end, "parameters: should be a table" },
      { function() api.preparations.execute(1, nil, { wait = 1 }) end, "call it with a colon" },
      { function() api.preparations:execute(1, nil, { wait = 1, wiat = 1 }) end, 'unknown option "wiat"' },
      { function() api.preparations:execute(1, nil, { wiat = 1 }) end, "known: deadline, fresh, headers, repeatable, wait" },
    }
    for number, case in ipairs(cases) do
      local good, raised = pcall(case[1])
      assert.is_false(good, number)
      assert.is_truthy(raised:find(case[2], 1, true), raised)
      assert.matches("wait_spec.lua:%d+: flarelight: ", raised)
    end
    assert.are.equal(0, #sandbox:requests())
  end)

  it("keeps nothing of lists when it is over", function()
    start()
    local boards = require("flarelight.wait.lists")
    assert(prepare())
    local kept = setmetatable({ boards.board(api, "preparations.all") }, { __mode = "v" })
    collectgarbage()
    collectgarbage()
    assert.is_nil(kept[1])
    assert.is_truthy(flarelight.null)
  end)
end)
