-- api:runs and api:explain: what the state file knows of uploads and of keys of once, while they are at work, after they
-- have stopped, and after kills.

local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("the history", function()
  local opened = support.opened(after_each)
  local sandbox, api, state

  before_each(function()
    state = system.path()
    sandbox, api = opened.service({ definitions = "examples/definitions.lua" }, { state = state })
  end)

  local function states(given)
    local list = {}
    for place, each in ipairs(assert(api:runs(given))) do
      list[place] = ("%s %s %s"):format(each.kind, each.key or each.token and "token", each.state)
    end
    table.sort(list)
    return list
  end

  local function texts(name)
    local lines = {}
    for place, step in ipairs(assert(api:explain(name)).steps) do lines[place] = step.text end
    return table.concat(lines, "\n"), #lines
  end

  it("lists uploads and keys with their states", function()
    assert(api.imports:upload { records = support.records(2), key = "up", name = "n" })
    assert(api:once("done", function() return 1 end))
    api:once("failed", function() return nil, "later" end)
    sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" }
    api:once("doubt", function() return api.automations:execute(1) end)
    assert.are.same({ "once done done", "once doubt in_doubt", "once failed stopped", "upload up done" }, states())
    assert.are.same({ "once doubt in_doubt", "once failed stopped" }, states { pending = true })
    assert.are.equal(1, #states { limit = 1 })
    api:once("work", function()
      local seen = states { pending = true }
      assert.are.same({ "once doubt in_doubt", "once failed stopped", "once work running" }, seen)
      return 1
    end)
    local entry = assert(api:runs { pending = true })
    for _, each in ipairs(entry) do assert.is_string(each.failure) end
    local ok, raised = pcall(function() return api:runs { limit = 0 } end)
    assert.is_false(ok)
    assert.matches("api:runs.limit: should be a whole number above 0", raised)
    assert.are.equal("config", select(3, opened.client(sandbox):runs()).kind)
    assert.are.equal("config", select(3, opened.client(sandbox):explain "k").kind)
  end)

  it("tells the steps of a key of once", function()
    sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" }
    local function start() return api.automations:execute(1) end
    api:once("k", start)
    api:once("k", start, { look = function() return false end })
    api:once("k", start)
    local text = texts "k"
    for _, words in ipairs {
      "^process %d+ begins\n", "\nwrite 1: automations.execute /Automation/1/Execute sent %(request id %x+-",
      "\nwrite 1: in doubt", "\nstopped: automations.execute: .*%(fate: in_doubt%)\n",
      "\nlook says that the writes in doubt were not carried out\nprocess %d+ goes on\n",
    } do assert.matches(words, text) end
    assert.is_true(api:settle("k", "again"))
    assert.is_true(api:forget "k")
    assert.matches("\nprocess %d+ settled it: again\nprocess %d+ forgot it$", (texts "k"))
    assert.are.equal("gone", api:explain("k").state)
    local _, message, err = api:explain "none"
    assert.are.equal("not_found", err.kind)
    assert.matches('no upload and no key "none"', message)
  end)

  it("names an upload's refusals, and why it was dropped", function()
    sandbox:fault { operation = "imports.import", kind = "status", status = 413 }
    assert(api.imports:upload { records = support.records(4), key = "halved" })
    local text = texts "halved"
    assert.matches("batch 1: not applied: imports.import: 413", text)
    assert.matches("\ndone: 4 records in %d batches$", text)
    sandbox:fault { operation = "imports.import", kind = "status", status = 404 }
    local _, _, err = api.imports:upload { records = support.records(4), key = "refused" }
    assert.is_nil(err.token)
    assert.are.same({ "upload halved done" }, states())
  end)

  it("names the waits for the rate limit and the refusals of batches and writes", function()
    sandbox, api = opened.service({ definitions = "examples/definitions.lua", rate_limit = 4, rate_window = 1 },
      { state = state })
    sandbox:fault { operation = "imports.import", kind = "throttle", retry_after = 1 }
    sandbox:fault { operation = "automations.execute", kind = "throttle", retry_after = 0, times = 9 }
    assert(api.imports:upload { records = support.records(50), batch_records = 10, key = "slow", name = "n" })
    local text = texts "slow"
    assert.matches("batch 1: applied: acknowledged after 2 attempts and %d+%.%d s[^\n]*; before: 429 %(again after "
      .. "%d%.%d s%) %(request id ", text)
    assert.matches("batch %d: applied: acknowledged after %d+%.%d s, %d%.%d s of them waiting for the rate limit %(", text)
    assert.is_nil(api:once("k", function() return api.automations:execute(1) end))
    assert.matches("\nwrite 1: rejected after %d attempts and %d+%.%d s[^\n]*; before: 429 %(again after %d%.%d s%), 429",
      (texts "k"))
  end)

  -- Each process is killed at the checkpoint of its number, counted from its start.
  it("names all of five kills and three doubts of an upload", function()
    local file = system.file("n\n" .. ("1\n2\n3\n4\n5\n"):rep(12), ".csv")
    local function run(doomed, nth)
      local script = system.file(([[
        local flarelight = require "flarelight"
        local seen = 0
        require("flarelight.upload.checkpoints").on = function(name)
          if name == %q then seen = seen + 1 end
          if name == %q and seen == %d then os.execute "kill -9 $PPID" end
        end
        local api = assert(flarelight.new { state = %q })
        print(assert(api.imports:upload { file = %q, key = "k", name = "n", description = "d", batch_records = 10,
                                          settle = 0.01 }).records)
      ]]):format(doomed, doomed, nth, state, file), ".lua")
      return (system.shell(("%s %s %s 2>&1"):format(system.environment(sandbox), system.interpreter, script)))
    end
    run("upload.planned", 1)
    run("batch.acknowledged", 1)
    run("batch.acknowledged", 1)
    sandbox:fault { operation = "imports.import", nth = 1, kind = "commit_then_drop" } -- 1: and killed after it
    run("doubt.resolved", 1)
    sandbox:fault { operation = "imports.import", nth = 1, kind = "commit_then_drop" }
    sandbox:fault { operation = "imports.import", nth = 2, kind = "reset" }
    run("batch.answered", 3)
    assert.matches("^60", run("", 1))
    local text = texts "k"
    local function count(words) return select(2, text:gsub(words, "")) end
    assert.are.equal(5, count "process %d+ goes on; the run before ended without a word", text)
    assert.are.equal(3, count "batch %d: in doubt[^\n]*: imports.import: ", text)
    assert.is_true(count "rows of import 1 from row %d+ on were compared with the 10 records that were sent: all" >= 2)
    assert.matches("\ndone: 60 records in 6 batches$", text)
    local entry = api:explain "k"
    assert.are.same({ "upload", "done", entry.token }, { entry.kind, entry.state, api:explain(entry.token).token })
    assert.are.equal(60, #sandbox:rows(1))
  end)

  it("is kept for as many days as FLARELIGHT_KEEP says", function()
    assert(api:once("old", function() return 1 end))
    local calls = require "flarelight.calls"
    local aged = { "UPDATE history SET at = at - 86400 * 3", n = 0 }
    assert(calls.done(calls.job(api, calls.store(api):run({ aged }, true))))
    local script = system.file(([[
      local api, message = require "flarelight".new { state = %q }
      if not api then return print(message) end
      assert(api:once(os.getenv "KEY", function() return 1 end))
    ]]):format(state), ".lua")
    local function run(days, key)
      return (system.shell(("%s FLARELIGHT_KEEP=%s KEY=%s %s %s 2>&1"):format(system.environment(sandbox), days, key,
        system.interpreter, script)))
    end
    run("4", "new")
    assert.is_true(#assert(api:explain "old").steps > 0)
    run("2", "newer")
    assert.are.equal(0, #assert(api:explain "old").steps)
    assert.is_true(select(2, api:once("old", error)).already) -- the key itself is for good
    for _, wrong in ipairs { "0", "soon", "-1" } do assert.matches("FLARELIGHT_KEEP", run(wrong, "wrong")) end
  end)

  it("opens a state file of version 3, and forgets what is older than keep", function()
    assert(api.imports:upload { records = support.records(2), name = "n" })
    assert(api:once("k", function() return 1 end))
    local calls = require "flarelight.calls"
    local function sql(text)
      local store = calls.store(api)
      assert(calls.done(calls.job(api, store:run({ { text, n = 0 } }, true))))
    end
    sql "UPDATE history SET at = at - 86400 * 10"
    sql "UPDATE uploads SET ended = ended - 86400 * 10"
    local other = opened.client(sandbox, { state = state, keep = 9 })
    assert(other:once("l", function() return 1 end))
    assert(other.imports:upload { records = support.records(2), name = "m" })
    assert.are.equal(0, #other:explain("k").steps)
    assert.are.same({ true, 1 }, { select(2, other:once("k", error)).already, #other:runs() - 2 })
    for _, statement in ipairs { "DROP TABLE history", "DROP TABLE writes", "DROP TABLE blocks",
      "PRAGMA user_version = 3" } do sql(statement) end
    api:close()
    other:close()
    collectgarbage()
    local later = opened.client(sandbox, { state = state })
    assert(later:once("k", function() return 2 end))
    assert.are.equal(2, #later:runs())
    assert.is_truthy(flarelight)
  end)
end)
