-- Torture: that it finds what is lost and repeated, and that an upload with a key loses and repeats nothing. The
-- whole campaign is `make torture`; here are some points of it.

local postgres = require "support.postgres"
local system = require "support.system"
local torture = require "flarelight.torture"

local interpreter, quick = system.interpreter, system.checked
-- What becomes of an upload hangs little on the Lua below it.
local thorough = system.reference
local WEATHER = "examples/data/seattle-weather.csv"

describe("torture", function()
  local folder

  setup(function() folder = system.folder() end)

  local function run(command, given)
    given.command, given.interpreter, given.folder = command, interpreter, folder
    given.settle, given.timeout = given.settle or 0.1, 60
    given.mixes, given.seed = given.mixes or 0, given.seed or 1
    return torture.run(given)
  end

  local function outcomes(results)
    local counts = {}
    for _, result in ipairs(results) do counts[result.outcome] = (counts[result.outcome] or 0) + 1 end
    return counts
  end

  it("finds the rows that a script repeats", function()
    local results = assert(run({ "spec/torture/careless.lua", WEATHER }, { only = "plain/net:committed:2" }))
    assert.are.equal("REPEATED", results[1].outcome)
    assert.are.equal(1000, results[1].repeated)
    assert.are.equal(0, results[1].lost)
  end)

  it("finds the rows that a script loses", function()
    local results = assert(run({ "spec/torture/blind.lua", WEATHER }, { only = "plain/fault:status_400:2" }))
    assert.are.equal("LOST", results[1].outcome)
    assert.are.equal(500, results[1].lost)
  end)

  local STARTING = { definitions = "examples/definitions.lua" }

  it("finds the starts of runs that a script repeats", function()
    for _, point in ipairs { "plain/step:check.end:1", "plain/net:committed@preparations.execute:1" } do
      local given = { only = point, sandbox = STARTING }
      local results = assert(run({ "spec/torture/starting.lua" }, given))
      local repeats = point:find "net" ~= nil
      assert.are.equal(repeats and "REPEATED" or "exact", results[1].outcome, results[1].output)
      assert.are.same({ 0, repeats and 1 or 0 }, { results[1].lost_starts, results[1].repeated_starts })
      if repeats then
        results = assert(run({ "spec/torture/starting.lua", "careful" }, given))
        assert.are.same({ "exact", 0 }, { results[1].outcome, results[1].repeated_starts }, results[1].output)
      end
    end
  end)

  -- Every checkpoint of a block: killed there, the next run ends the work, or says that a start is in doubt.
  it("kills a script at every checkpoint of once, and starts each run once or not again #slow", function()
    if not thorough then return end
    local results = assert(run({ "spec/torture/starting.lua", "careful" }, { servers = { "plain" }, kinds = { "step" },
      wait = 1.5, sandbox = STARTING }))
    local counts, seen = outcomes(results), {}
    for _, result in ipairs(results) do
      seen[result.point] = result.outcome
      assert.are.equal(0, result.repeated_starts + result.repeated, result.point)
      if result.outcome == "stopped in_doubt" then assert.matches("not known whether", result.message) end
    end
    assert.are.same({ #results - 2, 2 }, { counts.exact, counts["stopped in_doubt"] })
    for _, name in ipairs { "once.began", "write.answered", "write.recorded", "once.ended", "once.done" } do
      assert.are.equal("exact", seen["plain/step:" .. name .. ":2"], name)
    end
    for place = 1, 2 do -- killed before the first byte
      assert.are.equal("stopped in_doubt", seen["plain/step:write.journaled:" .. place])
    end
  end)

  it("waits for the end of a run no longer than it says, and finds a start that is lost", function()
    local function one(point, wait)
      local results = assert(run({ "spec/torture/starting.lua", "careful" }, { only = point, wait = wait,
        sandbox = STARTING }))
      local result = results[1]
      return { result.outcome, result.runs, result.lost_starts, result.repeated_starts }, result.message
    end
    local found, message = one("plain/fault:lose_run@reports.generate:1", 0.3)
    assert.are.same({ "stopped timeout", 2, 1, 0 }, found)
    assert.matches("not seen within 0.3 s", message)
    assert.are.same({ "exact", 1, 0, 0 }, (one("slow/clean", 15)))
    assert.are.same({ "stopped timeout", 2, 0, 0 }, (one("silent/clean", 1.2))) -- both runs are there, and nothing twice
    if thorough then
      assert.are.same({ "exact", 1, 0, 0 }, (one("dated/clean", 15)))
      assert.are.same({ "exact", 2, 0, 0 }, (one("slow/step:write.recorded:1", 15)))
    end
  end)

  it("says that a script does not come through, or which point there is not", function()
    local none, message = run({ "spec/torture/careless.lua", "no-such-file.csv" }, {})
    assert.is_nil(none)
    assert.matches("although nothing goes wrong", message)
    assert.matches("no%-such%-file", message)
    none, message = run({ "spec/torture/careless.lua", WEATHER }, { only = "plain/net:nonsense:1" })
    assert.is_nil(none)
    assert.matches('there is no point "plain/net:nonsense:1"', message)
  end)

  it("draws the same from the same seed", function()
    local function names(seed)
      local found = {}
      for i, result in ipairs(assert(run({ "spec/torture/loading.lua", WEATHER, "500" },
          { servers = { "plain" }, limit = 3, mixes = 2, seed = seed }))) do
        found[i] = result.point .. " " .. result.outcome
      end
      return found
    end
    assert.are.same(names(7), names(7))
  end)

  it("gives the files of uploads as other kinds of sources with the same records", function()
    local sources = require "flarelight.torture.sources"
    local api = assert(require "flarelight".new {
      api_key = "k", subscription_id = "00000000-0000-4000-8000-000000000000", base_url = "http://127.0.0.1",
    })
    local path = system.file('id,text\n1,"a\nb"\n2,"c ""d"""\n3,e\n4,f\n', ".csv")
    local expected = assert(api.imports:plan { file = path, show = 9 }).first_records
    for _, kind in ipairs(sources.KINDS) do
      for _ = 1, 2 do -- as a script that is started again
        local given = sources.replaced(kind, { file = path, show = 9 }, folder .. "/sources")
        assert.are.equal(kind == "map", given.map ~= nil)
        assert.are.equal(kind == "parts", type(given.file) == "table")
        assert.are.equal(kind == "file" or kind == "map", given.file == path)
        assert.are.same(expected, assert(api.imports:plan(given)).first_records)
      end
    end
    api:close()
    local good, message = pcall(sources.replaced, "gzip", { records = {} }, folder)
    assert.is_false(good)
    assert.are.equal("torture: --source gzip: is for uploads of one file", message)
  end)

  it("kills an upload from another kind of source, and nothing is lost or repeated", function()
    for _, source in ipairs(thorough and { "gzip", "parts", "pipe", "map" } or { "pipe" }) do
      local results = assert(run({ "spec/torture/loading.lua", WEATHER, "500" },
        { source = source, only = "plain/step:batch.answered:2" }))
      assert.are.equal("exact", results[1].outcome, source .. ": " .. (results[1].message or ""))
      assert.are.equal(2, results[1].runs)
    end
  end)

  it("ends an upload with a key at some of all points, and nothing is lost or repeated #slow", function()
    local results = assert(run({ "spec/torture/loading.lua", WEATHER, "500" },
      { servers = { "plain" }, limit = quick and 4 or thorough and 16 or 6, mixes = 4, seed = os.time() % 1000 }))
    local counts = outcomes(results)
    local bad = {}
    for _, result in ipairs(results) do
      local good = result.outcome == "exact" or result.outcome == "not reached" or result.outcome == "stopped in_doubt"
        or result.outcome == "stopped foreign"
      if not good then bad[#bad + 1] = ("%s: %s %s"):format(result.point, result.outcome, result.message or "") end
    end
    assert.are.same({}, bad)
    assert.is_true((counts.exact or 0) >= #results / 2)
  end)

  it("ends an upload whose state is in PostgreSQL, and leaves the database empty #slow", function()
    local server = thorough and pcall(require, "flarelight.postgres_core") and postgres.start()
    if not server then return end
    finally(function() server:stop() end)
    local url, name = server:database()
    local script = { "spec/torture/loading.lua", WEATHER, "500" }
    local results = assert(run(script, { state = url, servers = { "plain" }, kinds = { "step", "net", "twice" }, limit = 6 }))
    assert.are.equal(7, #results)
    for _, result in ipairs(results) do
      assert.are.equal("exact", result.outcome, ("%s: %s"):format(result.point, result.message or ""))
      -- The lease of a killed run has not stopped the next one.
      assert.is_true(result.runs >= 2 or result.kind == "clean", result.point)
      assert.is_nil(result.output:find("secret", 1, true))
    end
    for _, what in ipairs { "uploads", "batches", "history", "locks", "members" } do
      assert.are.equal("0", server:sql(name, "SELECT count(*) FROM flarelight." .. what):match "%d+", what)
    end
    server:sql(name, "INSERT INTO flarelight.history (service, subject, at, event, detail) VALUES ('s', 'x', 1, 'e', '{}')")
    local none, message = run(script, { state = url })
    assert.is_nil(none)
    assert.matches("is in use, and torture deletes what is in it", message)
    assert.is_nil(message:find("secret", 1, true))
    assert.are.equal("1", server:sql(name, "SELECT count(*) FROM flarelight.history"):match "%d+")
  end)

  it("ends an upload that sets bad records aside, and each is set aside once #slow", function()
    if not thorough then return end
    local results = assert(run({ "spec/torture/rejecting.lua" },
      { servers = { "plain" }, kinds = { "step", "net" }, limit = quick and 3 or 12, seed = os.time() % 1000,
        sandbox = { required_columns = { "amount" } } }))
    for _, result in ipairs(results) do
      assert.is_truthy(result.outcome == "exact" or result.outcome == "not reached",
        ("%s: %s %s\n%s"):format(result.point, result.outcome, result.message or "", result.output or ""))
    end
  end)

  it("meets servers that are not what one would wish #slow", function()
    if not thorough then return end
    local results = assert(run({ "spec/torture/loading.lua", WEATHER, "500" }, { limit = 1 }))
    for _, result in ipairs(results) do
      assert.is_truthy(result.outcome == "exact" or result.outcome == "not reached"
        or result.outcome == "stopped in_doubt" or result.outcome == "stopped foreign",
        ("%s: %s %s"):format(result.point, result.outcome, result.message or ""))
    end
  end)
end)
