-- imports:plan: it sends nothing, and tells what the upload then sends.

local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("imports:plan", function()
  local opened = support.opened(after_each)
  local sandbox, api

  before_each(function() sandbox, api = opened.service(nil, { state = system.path() }) end)

  local function numbers(count)
    local lines = { "n" }
    for n = 1, count do lines[#lines + 1] = n end
    return system.file(table.concat(lines, "\n") .. "\n", ".csv")
  end

  local SOURCES = {
    { "a file", function() return { file = numbers(45) } end },
    { "a file of one record", function() return { file = numbers(1) } end },
    { "a file without records", function() return { file = numbers(0) } end },
    { "a list of files", function() return { file = { numbers(20), numbers(25) } } end },
    { "an array", function() return { records = support.records(45) } end },
    { "a file without a journal", function() return { file = numbers(45), journal = false } end },
  }
  for _, each in ipairs(SOURCES) do
    it("tells what is sent of " .. each[1], function()
      for _, most in ipairs { 10, 1000 } do
        local given = each[2]()
        given.name, given.batch_records = "n", most
        local plan = assert(api.imports:plan(given))
        assert.are.equal(0, #sandbox:requests())
        assert.are.equal(plan.requests, plan.writes + plan.reads)
        local result = assert(api.imports:upload(given))
        assert.are.equal(plan.records, result.records)
        assert.are.equal(math.max(1, plan.batches), result.batches) -- without records, one without rows is sent
        assert.are.equal(plan.writes, #support.requests(sandbox, "imports.import"))
        assert.are.equal(plan.requests, #sandbox:requests())
        sandbox:clear_log()
      end
    end)
  end

  it("tells how a file is read", function()
    local path = system.file("1;2024-01-05\n2;2024-01-06\n", ".csv")
    os.execute("gzip -kf " .. path)
    local plan = assert(api.imports:plan { file = path .. ".gz", delimiter = ";", show = 5 })
    assert.are.same({ "csv", ";", '"', true, "utf-8", ".", ".gz" }, {
      plan.dialect.format, plan.dialect.delimiter, plan.dialect.quote, plan.dialect.header, plan.dialect.encoding,
      plan.dialect.decimal, plan.dialect.compression,
    })
    assert.matches("^the first row looks like data .*header = false", plan.remarks[1])
    assert.are.same({ { name = "1", type = "number" }, { name = "2024-01-05", type = "text" } }, plan.columns)
    assert.are.same({ '{"1":2,"2024-01-05":"2024-01-06"}' }, plan.first_records)
    plan = assert(api.imports:plan { records = { { a = 1 }, { a = 2 } }, show = 1 })
    assert.are.same({ '{"a":1}' }, plan.first_records)
    assert.is_nil(plan.dialect)
    assert.are.same({}, plan.remarks)
    plan = assert(api.imports:plan { file = numbers(7), show = 5, batch_records = 2 })
    assert.are.same({ '{"n":1}', '{"n":2}', '{"n":3}', '{"n":4}', '{"n":5}' }, plan.first_records)
    assert.are.same({ 4, 60, 17 }, { plan.batches, plan.bytes, plan.largest_batch })
    plan = assert(api.imports:plan { file = numbers(7) }) -- six records, and the one that is kept back
    assert.are.same({ 2, 58, 49 }, { plan.batches, plan.bytes, plan.largest_batch })
    plan = assert(api.imports:plan { file = numbers(7), journal = false })
    assert.are.same({ 1, 57, 57 }, { plan.batches, plan.bytes, plan.largest_batch })
  end)

  it("compares with the last of a series, and a difference is no error", function()
    local given = { file = numbers(3), series = "s", name = "n" }
    assert.is_nil(assert(api.imports:plan(given)).differences)
    assert(api.imports:upload(given))
    local plan = assert(api.imports:plan(given))
    assert.are.same({}, plan.differences)
    assert.is_true(math.abs(plan.compared_with - os.time()) < 1000)
    sandbox:clear_log()
    plan = assert(api.imports:plan { file = numbers(7), series = "s" })
    assert.are.same({ { what = "records", before = 3, now = 7 } }, plan.differences)
    assert.are.equal(0, #sandbox:requests())
    assert.are.same({}, api.imports:pending())
  end)

  it("fails as the upload would", function()
    local path = system.file("a\n1\n1,2\n", ".csv")
    local result, message, err = api.imports:plan { file = path }
    assert.is_nil(result)
    assert.matches("line 3: the row has 2 cells", message)
    assert.are.same({ "io", "not_sent", 3 }, { err.kind, err.fate, err.line })
    err = select(3, api.imports:plan { file = path .. ".csv" })
    assert.are.equal("io", err.kind)
  end)

  it("runs in tasks", function()
    local results, failed = api:all {
      function() return api.imports:plan { file = numbers(45), batch_records = 10 } end,
      function() return api.imports:plan { records = support.records(45), batch_records = 10 } end,
    }
    assert.are.equal(0, failed)
    assert.are.same({ 5, 5 }, { results[1].data.batches, results[2].data.batches })
  end)

  for _, case in ipairs {
    { "no options", nil, "give either file or records" },
    { "no table", 5, "should be a table" },
    { "a function", { records = function() end }, "a function gives its records only once" },
    { "show", { file = "x.csv", show = "all" }, "imports:plan.show: should be a whole number" },
    { "another option", { file = "x.csv", shw = 1 }, "unknown option" },
    { "a series without a state file", { file = "x.csv", series = "s", journal = false }, "needs a state file" },
  } do
    it("raises misuse: " .. case[1], function()
      local good, raised = pcall(function() api.imports:plan(case[2]) end)
      assert.is_false(good)
      assert.truthy(raised:find("plan_spec.lua:%d+: flarelight: .*" .. case[3]), raised)
    end)
  end

  it("gives numbers digit for digit", function()
    local plan = assert(api.imports:plan { records = { { a = flarelight.integer "12345678901234567890" } }, show = 1 })
    assert.are.same({ '{"a":12345678901234567890}' }, plan.first_records)
  end)
end)
