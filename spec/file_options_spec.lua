-- Uploads of files in any dialect: what is sent, what a resumed upload reads, and what a key is compared by.

local file_options = require "flarelight.file_options"
local support = require "support"
local system = require "support.system"

describe("file_options.difference", function()
  local cases = {
    { "nothing", {}, {} }, { "a default", { quote = '"', header = true, skip = 0 }, {} },
    { "UTF-8 by name", { encoding = "UTF-8" }, {} }, { "an empty table", { nulls = {} }, {} },
    { "the order of members", { rename = { a = "b", c = "d" } }, { rename = { c = "d", a = "b" } } },
    { "expectations", { expect = { min_records = 1 } }, {} },
    { "a delimiter", { delimiter = ";" }, {}, { "delimiter", '";"', "none" } },
    { "no quote", {}, { quote = false }, { "quote", "none", "false" } },
    { "a constant", { set = { a = 1 } }, { set = { a = 2 } }, { "set", '{"a":1}', '{"a":2}' } },
    { "an order of columns", { columns = { "a", "b" } }, { columns = { "b", "a" } },
      { "columns", '["a","b"]', '["b","a"]' } },
  }
  for _, case in ipairs(cases) do
    it("of " .. case[1], function()
      assert.are.same(case[4] or {}, { file_options.difference(case[2], case[3]) })
    end)
  end
end)

describe("an upload of a file", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function open() sandbox, api = opened.service({}, { state = system.path() }) end

  local dialect = {
    delimiter = ";", decimal = ",", header = { "old", "name" }, encoding = "windows-1252", rename = { old = "n" },
    set = { source = "nightly" }, columns = { "name", "n", "source" },
  }

  it("sends what its options say, of several files, and tells remarks", function()
    open()
    local files = { system.file("1,5;caf\233\n", ".csv"), system.file("2;b\n", ".csv") }
    local result = assert(api.imports:upload(support.with(dialect, { file = files })))
    assert.are.same({ { name = "café", n = 1.5, source = "nightly" }, { name = "b", n = 2, source = "nightly" } },
      sandbox:rows(result.id))
    assert.is_nil(result.remarks)
    result = assert(api.imports:upload { file = system.file("1,2\n3,4\n", ".csv") })
    assert.matches("header = false", result.remarks[1])
  end)

  it("is resumed as it was begun, and its key is for these options and files", function()
    open()
    local files = { system.file(("1,5;a\n"):rep(15), ".csv"), system.file(("2,5;b\n"):rep(15), ".csv") }
    local given = support.with(dialect, { file = files, batch_records = 10, key = "k", settle = 0.01 })
    sandbox:fault { operation = "imports.import", kind = "status", status = 404, nth = 2 }
    local _, _, err = api.imports:upload(given)
    assert.is_truthy(err.token)
    assert.are.same(files, api.imports:pending()[1].files)
    sandbox:clear_faults()
    local result, message
    result, message, err = api.imports:upload(support.with(given, { set = { source = "other" } }))
    assert.is_nil(result)
    assert.are.equal("conflict", err.kind)
    assert.matches("set = ", message)
    result, _, err = api.imports:resume(err.token or api.imports:pending()[1].token, { file = files[1] })
    assert.is_nil(result)
    assert.are.equal("conflict", err.kind)
    result = assert(api.imports:resume(api.imports:pending()[1].token))
    local rows = sandbox:rows(result.id)
    assert.are.same({ 30, 1.5, 2.5 }, { #rows, rows[15].n, rows[16].n })
    assert.is_true(assert(api.imports:upload(given)).already)
  end)

  it("keeps the path from the root", function()
    open()
    sandbox:fault { operation = "imports.import", kind = "status", status = 404, nth = 2 }
    api.imports:upload { file = "examples/data/seattle-weather.csv", batch_records = 500 }
    assert.matches("^/.*/examples/data/seattle%-weather%.csv$", api.imports:pending()[1].file)
  end)

  it("is misuse with options of files for records of Lua", function()
    open()
    assert.has_error(function() api.imports:upload { records = {}, delimiter = ";" } end)
  end)
end)
