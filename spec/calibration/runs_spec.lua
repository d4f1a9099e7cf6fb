-- Calibration of runs: what it finds out about services that show the end of a run in different places, that a client
-- goes by it, and that a twin shows the same.

local flarelight = require "flarelight"
local learning = require "flarelight.calibration.learning"
local profiles = require "flarelight.profile"
local runs = require "flarelight.calibration.runs"
local support = require "support"

local DEFINITIONS = {
  preparations = { { id = 1, name = "Sums", target = "sums", sql = 'SELECT sum(n) AS n FROM "spec"' },
                   { id = 2, sql = "SELECT * FROM nowhere" } },
  reports = { { id = 1, name = "Chart", sql = 'SELECT count(*) AS n FROM "spec"' } },
}
local QUICK = { quiet = 0.5, patience = 30 }

describe("the calibration of runs", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function start(options)
    sandbox, api = opened.service(support.with(options, { definitions = DEFINITIONS }))
    support.import(api, 3)
    assert(api.preparations:execute(1)) -- so that what is there is replaced
  end

  -- Switch, kind, where the end is seen, members, status, words of running and of the end, member that names the import
  local cases = {
    { "result", "preparations", "import", { "updatedAt" }, nil, nil, nil, "target" },
    { "result", "reports", "entry", { "generatedAt", "rows", "status" }, "status", {}, { "Generated" } },
    { "status", "preparations", "entry", { "lastRunAt" }, "status", { "Running" }, { "Completed" } },
    { "status", "reports", "entry", { "generatedAt", "lastRunAt", "rows" }, "status", { "Running" }, { "Generated" } },
    { "updatedAt", "preparations", "entry", { "updatedAt" } },
    { "updatedAt", "reports", "entry", { "updatedAt" } },
    { "nothing", "reports", "result" },
  }
  for _, case in ipairs(cases) do
    it(("finds out where %s show their end: %s"):format(case[2], case[1]), function()
      start { run_shows = case[1], run_seconds = 0.5 }
      if case[2] == "preparations" then -- the first run is over
        assert(api:wait_until(function() return sandbox:counts().imports == 2 end, { interval = 0.05 }))
      end
      local rule = assert(runs.calibrate(api, case[2], 1, QUICK))
      assert.are.same({ case[3], case[4], case[5], case[6], case[7], case[8] },
        { rule.seen_in, rule.members, rule.status, rule.running, rule.done, rule.import })
      assert.is_true(rule.seconds > 0.3 and rule.seconds < 30)
      assert.is_string(rule.because)
      local started = #support.requests(sandbox, case[2] == "reports" and "reports.generate" or "preparations.execute")
      assert.are.equal(case[2] == "reports" and 1 or 2, started)

      -- A client goes by it, also in the twin.
      local text = flarelight.json.encode {
        version = 1, service = sandbox.url, found = {}, evidence = {}, runs = { [case[2]] = rule },
      }
      local profile = assert(profiles.read(flarelight.json.decode(text), flarelight.json.decode))
      local switches = profiles.switches(profile)
      assert.are.equal(rule.seconds, switches.run_seconds)
      if case[3] == "import" or case[3] == "entry" and case[5] ~= "status" or case[6] and #case[6] > 0 then
        assert.are.equal(case[1], switches.run_shows)
      end
      local box = opened.sandbox(support.with(DEFINITIONS, { profile = profile }))
      local client = opened.client(box, { profile = profile })
      support.import(client, 2)
      local _, meta = assert((case[2] == "reports" and client.reports.generate or client.preparations.execute)(
        client[case[2]], 1, nil, { wait = { timeout = 30, interval = 0.1 } }))
      assert.are.same({ case[3], true }, { meta.proof.seen_in, meta.proof.profile })
    end)
  end

  it("says that nothing shows it", function()
    start { run_shows = "nothing" }
    local rule = assert(runs.calibrate(api, "preparations", 1, { patience = 0.3 }))
    assert.are.equal("nothing", rule.seen_in)
    assert.matches("nothing changed within", rule.because)
  end)

  it("learns nothing from a run that fails, never ends, or was not started", function()
    start { run_shows = "status", run_seconds = 0.2 }
    local function refused(kind, text, ...)
      local _, message, err = runs.calibrate(api, ...)
      assert.are.equal(kind, err and err.kind)
      assert.matches(text, message)
    end
    refused("run_failed", "the run of preparations 2 has failed", "preparations", 2, QUICK)
    refused("not_found", "404", "preparations", 9, QUICK)
    start { run_shows = "status", run_seconds = 60 }
    refused("conflict", "preparations 1 is running already", "preparations", 1, QUICK)
    refused("timeout", "reports 1 was still running after 0.3 s", "reports", 1, { patience = 0.3 })
  end)

  it("tells the members of the end from those of the start", function()
    local function rule(...)
      local sights = {}
      for place, text in ipairs { ... } do
        sights[place] = { at = place - 1, entry = flarelight.json.decode(text) }
      end
      return learning.rule(sights, 9)
    end
    local found = rule('{"begun":1,"ended":1}', '{"begun":2,"ended":1}', '{"begun":2,"ended":2}')
    assert.are.same({ { "ended" }, 2 }, { found.members, found.seconds })
    found = rule('{"at":1}', '{"at":2}', '{"at":3}')
    assert.are.same({ "at" }, found.members)
    found = rule('{"at":1,"state":"Ready"}', '{"at":1,"state":"Waking"}', '{"at":1,"state":"At work"}', '{"at":2,"state":"Ready"}')
    assert.are.same({ { "at" }, "state", { "Waking", "At work" }, { "Ready" } },
      { found.members, found.status, found.running, found.done })
  end)
end)

describe("a profile with runs", function()
  it("that cannot be is refused", function()
    local function refused(runs_of, reason)
      local _, message = profiles.read({ version = 1, service = "s", found = {}, runs = runs_of })
      assert.matches(reason, message or "nothing")
    end
    refused(1, "has runs that are no object")
    refused({ automations = {} }, 'has the unknown kind of run "automations"')
    refused({ reports = {} }, "lacks runs.reports.seen_in")
    refused({ reports = { seen_in = "air" } }, "has the invalid member runs.reports.seen_in = air")
    refused({ reports = { seen_in = "entry", members = { 1 } } }, "has the invalid member runs.reports.members = ")
    refused({ reports = { seen_in = "entry", colour = 1 } }, "has the unknown member runs.reports.colour")
    assert.is_table(profiles.read { version = 1, service = "s", found = {}, runs = { reports = { seen_in = "entry" } } })
  end)
end)
