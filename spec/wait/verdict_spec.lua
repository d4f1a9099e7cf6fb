-- The verdict on a run, by tables of cases.

local flarelight = require "flarelight"
local pace = require "flarelight.wait.pace"
local verdict = require "flarelight.wait.verdict"

-- JSON as a value; false stays false.
local function value(text) return text and assert(flarelight.json.decode(text)) end

describe("the verdict on a run", function()
  local by_status = { seen_in = "entry", status = "phase", running = { "Busy" }, done = { "Idle" }, failed = { "Broken" } }
  local by_member = { seen_in = "entry", members = { "builtAt" } }
  local by_import = { seen_in = "import", members = { "version" } }
  local by_result = { seen_in = "result" }

  -- What it is about, rule, entry before, entry now, whether it was running, verdict, where
  local entries = {
    { "nothing changed", nil, '{"id":1,"status":"Completed"}', '{"id":1,"status":"Completed"}', false, "nothing" },
    { "any member changed", nil, '{"id":1,"n":1}', '{"id":1,"n":2}', false, "done" },
    { "a member is new", nil, '{"id":1}', '{"id":1,"builtAt":"now"}', false, "done" },
    { "a member is gone", nil, '{"id":1,"n":1}', '{"id":1}', false, "done" },
    { "a member within a member changed", nil, '{"id":1,"a":{"b":[1,2]}}', '{"id":1,"a":{"b":[1,3]}}', false, "done" },
    { "null became a value", nil, '{"id":1,"n":null}', '{"id":1,"n":0}', false, "done" },
    { "large integers that are equal", nil, '{"id":1,"n":9007199254740993}', '{"id":1,"n":9007199254740993}', false, "nothing" },
    { "large integers that differ", nil, '{"id":1,"n":9007199254740993}', '{"id":1,"n":9007199254740995}', false, "done" },
    { "the entry is new", nil, false, '{"id":1}', false, "done" },
    { "there is no entry", nil, false, false, false, "nothing" },
    { "the entry is gone, as from a list that lags behind", nil, '{"id":1,"n":1}', false, false, "nothing" },
    { "it runs", nil, '{"id":1,"status":"Completed"}', '{"id":1,"status":"Running"}', false, "running" },
    { "it runs, and other members changed", nil, '{"id":1,"n":1}', '{"id":1,"n":2,"state":"In Progress"}', false, "running" },
    { "it runs no more, and all is as before", nil, '{"id":1,"status":"Completed"}', '{"id":1,"status":"Completed"}', true, "done" },
    { "it ended with a word that nobody knows", nil, '{"id":1,"status":"Idle"}', '{"id":1,"status":"Rested"}', true, "done" },
    { "it failed", nil, '{"id":1,"status":"Completed"}', '{"id":1,"status":"Failed"}', false, "failed" },
    { "it failed again after it ran", nil, '{"id":1,"lastRunStatus":"FAILED"}', '{"id":1,"lastRunStatus":"FAILED"}', true, "failed" },
    { "it failed yesterday", nil, '{"id":1,"status":"Failed"}', '{"id":1,"status":"Failed"}', false, "nothing" },
    { "it failed again, and shows when", nil, '{"id":1,"status":"Failed","at":1}', '{"id":1,"status":"Failed","at":2}', false, "failed" },
    { "a name that says failed is no status", nil, '{"id":1,"name":"Failed"}', '{"id":1,"name":"Failed","n":1}', false, "done" },
    { "a profile: another member changed", by_member, '{"id":1,"n":1}', '{"id":1,"n":2}', false, "nothing" },
    { "a profile: its member changed", by_member, '{"id":1,"builtAt":1}', '{"id":1,"builtAt":2}', false, "done" },
    { "a profile: its word for running", by_status, '{"id":1,"phase":"Idle"}', '{"id":1,"phase":"Busy","n":2}', false, "running" },
    { "a profile: its word for failing", by_status, '{"id":1,"phase":"Idle"}', '{"id":1,"phase":"Broken"}', true, "failed" },
    { "a profile: the import alone tells", by_import, '{"id":1,"n":1}', '{"id":1,"n":2}', false, "nothing" },
  }
  for _, case in ipairs(entries) do
    it("by the entry: " .. case[1], function()
      local state, seen = verdict.judge(case[2], { entry = value(case[3]) }, { entry = value(case[4]) }, case[5])
      assert.are.equal(case[6], state)
      assert.are.equal((state == "done" or state == "failed") and "entry" or nil, seen and seen.seen_in)
    end)
  end

  -- What it is about, rule, entry (before and now), imports before, imports now, verdict
  local imports = {
    { "it is new", nil, '{"id":1}', { t = false }, { t = '{"id":7}' }, "done" },
    { "it changed", nil, '{"id":1}', { t = '{"id":7,"updatedAt":1}' }, { t = '{"id":7,"updatedAt":2}' }, "done" },
    { "it did not change", nil, '{"id":1}', { t = '{"id":7}' }, { t = '{"id":7}' }, "nothing" },
    { "it is gone for a while", nil, '{"id":1}', { t = '{"id":7}' }, { t = false }, "nothing" },
    { "it changed while the entry says that it runs", nil, '{"id":1,"status":"Running"}', { t = false }, { t = '{"id":7}' }, "running" },
    { "it changed under a failure of yesterday", nil, '{"id":1,"status":"Failed"}', { t = false }, { t = '{"id":7}' }, "nothing" },
    { "a profile: its member changed", by_import, '{"id":1}', { t = '{"version":1}' }, { t = '{"version":2}' }, "done" },
    { "a profile: another member changed", by_import, '{"id":1}', { t = '{"version":1,"n":1}' }, { t = '{"version":1,"n":2}' }, "nothing" },
    { "a profile: the entry alone tells", by_member, '{"id":1}', { t = false }, { t = '{"id":7}' }, "nothing" },
  }
  for _, case in ipairs(imports) do
    it("by the import: " .. case[1], function()
      local function sight(texts)
        local found = {}
        for name, text in pairs(texts) do found[name] = value(text) end
        return { entry = value(case[3]), imports = found }
      end
      local state, seen = verdict.judge(case[2], sight(case[4]), sight(case[5]), false)
      assert.are.equal(case[6], state)
      assert.are.equal(state == "done" and "import" or nil, seen and seen.seen_in)
    end)
  end

  it("by the stored result, where a profile says that it tells", function()
    local function judge(rule, before, now)
      return (verdict.judge(rule, { entry = false, result = before }, { entry = false, result = now }, false))
    end
    assert.are.equal("done", judge(by_result, false, "[1]"))
    assert.are.equal("done", judge(by_result, "[1]", "[2]"))
    assert.are.equal("nothing", judge(by_result, "[1]", "[1]"))
    assert.are.equal("nothing", judge(by_result, "[1]", false))
    assert.are.equal("nothing", judge(nil, false, "[1]"))
  end)

  it("by the reply to the start, only where it says that the run has failed", function()
    assert.are.equal("no disk", verdict.failed_at_once({ status = "Failed", error = "no disk" }).message)
    for _, reply in ipairs { { status = "Completed" }, { status = "Running" }, {}, true, "Failed" } do
      assert.is_nil(verdict.failed_at_once(reply))
    end
  end)

  it("finds the import that an entry names", function()
    local cases = {
      { '{"id":1,"name":"p","target":"t"}', nil, "t" }, { '{"id":1,"name":"p"}', nil, "p" },
      { '{"id":1,"name":"p","outputImportId":12}', nil, "12" }, { '{"id":1,"import":{"id":"x","name":"y"}}', nil, "x" },
      { '{"id":1,"name":"p","into":"z","target":"t"}', { import = "into" }, "z" }, { '{"id":1}', nil, "" },
    }
    for _, case in ipairs(cases) do
      assert.are.equal(case[3], table.concat(verdict.import_names(value(case[1]), case[2]), " "), case[1])
    end
    local list = value '[{"id":1,"name":"t"},{"id":2,"name":"t"},{"id":12,"name":"other"},{"id":3}]'
    local found = verdict.imports(list, { "t", "12", "none" })
    assert.are.same({ 2, 12, false }, { found.t.id, found["12"].id, found.none })
  end)

  it("finds an entry by its id, however that is written", function()
    local list = value '[{"id":"a"},{"id":5},{"name":"none"},3]'
    for _, id in ipairs { 5, "5", 5.0 } do assert.are.equal(list[2], verdict.entry(list, id)) end
    assert.are.equal(list[1], verdict.entry(list, "a"))
    assert.is_false(verdict.entry(list, 6))
    assert.is_false(verdict.entry(flarelight.null, 6))
  end)
end)

describe("the pace of looks", function()
  -- limit, calls that wait, lists, interval, seconds until the next look, whether none may be made now
  local cases = {
    { nil, 0, 1, 1, 1, false }, { nil, 3, 1, 4, 4, false },
    { 6000, 0, 1, 1, 1, false }, { 6000, 0, 2, 0.1, 0.4, false }, { 6000, 1, 1, 1, 30, false },
    { 60, 0, 1, 1, 20, false }, { 60, 0, 2, 1, 60, false }, { 60, 0, 1, 30, 30, false }, { 60, 5, 1, 1, 30, false },
    { 10, 0, 1, 1, 30, false }, { 10, 1, 1, 1, 30, false }, { 9, 0, 1, 1, 30, false }, { 9, 1, 1, 1, 30, true },
  }
  for _, case in ipairs(cases) do
    it(("of %d lists at a limit of %s, with %d calls that wait"):format(case[3], tostring(case[1]), case[2]), function()
      local quota = { limit = case[1], waiting = case[2] }
      assert.are.equal(case[5], pace.seconds(case[4], quota, case[3]))
      assert.are.equal(case[6], pace.holds(quota))
    end)
  end
end)
