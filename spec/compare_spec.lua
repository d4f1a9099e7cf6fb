-- Comparisons of a file with the rows of an import, by the module and by the command.

local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("imports:compare", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function open(options, client_options) sandbox, api = opened.service(options, client_options) end

  local text = 'id,name,late,"a ""b"""\n1,Gull,true,1.5\n2,"a\nb",,"x,y"\n3,,false,-0\n'

  local function upload(content, ending, options)
    local file = system.file(content, ending)
    return assert(api.imports:upload(support.with({ file = file, name = "n" }, options))).id, file
  end

  it("finds a file equal to what an upload of it made, in every format and dialect", function()
    open()
    local records = '{"id":12345678901234567890,"n":{"a":[1,null]},"t":"é"}'
    for _, case in ipairs {
      { text, ".csv" }, { (text:gsub(",", "\t")), ".tsv" },
      { (text:gsub(",", ";")), ".csv", { delimiter = ";" } },
      { "1,x\n", ".csv", { header = { "id", "name" }, rename = { id = "n" }, set = { s = "nightly" } } },
      { records .. "\n" .. records .. "\n", ".jsonl" },
      { '{"features":[' .. records .. "]}", ".json", { at = "/features" } },
      { "[]", ".json" },
    } do
      local id, file = upload(case[1], case[2], case[3])
      local result = assert(api.imports:compare(id, support.with({ file = file, page_size = 2 }, case[3])))
      local count = #sandbox:rows(id)
      assert.are.same({ equal = true, alike = true, rows = count, records = count }, result)
    end
  end)

  -- Each case: the rows of the import and the file as JSON lines, then the first difference.
  local cases = {
    { "a value", '{"a":1,"b":2}\n{"a":1,"b":3}\n', '{"a":1,"b":2}\n{"a":1,"b":4}\n',
      { position = 1, line = 2, column = "b", here = 4, there = 3 } },
    { "an integer beyond 53 bits", '{"a":9007199254740993}\n', '{"a":9007199254740992}\n',
      { position = 0, line = 1, column = "a", here = 9007199254740992, there = 9007199254740993 }, luas = "5.[34]" },
    { "a type", '{"a":1}\n', '{"a":"1"}\n', { position = 0, line = 1, column = "a", here = "1", there = 1 } },
    { "a missing member", '{"a":1}\n', '{"a":1,"b":2}\n', { position = 0, line = 1, column = "b", here = 2 } },
    { "one too many", '{"a":1,"b":2}\n', '{"a":1}\n', { position = 0, line = 1, column = "b", there = 2 },
      alike = true },
    { "null for nothing", '{"a":1}\n', '{"a":1,"b":null}\n',
      { position = 0, line = 1, column = "b", here = flarelight.null }, alike = true },
    { "a nested value", '{"a":{"b":[1,2]}}\n', '{"a":{"b":[1,3]}}\n',
      { position = 0, line = 1, column = "a", here = { b = { 1, 3 } }, there = { b = { 1, 2 } } } },
    { "a row that is missing in the import", '{"a":1}\n', '{"a":1}\n{"a":2}\n',
      { position = 1, line = 2, here = { a = 2 } } },
    { "a record that is missing in the file", '{"a":1}\n{"a":2}\n', '{"a":1}\n', { position = 1, there = { a = 2 } } },
    { "the order", '{"a":1}\n{"a":2}\n', '{"a":2}\n{"a":1}\n',
      { position = 0, line = 1, column = "a", here = 2, there = 1 } },
  }
  for _, case in ipairs(cases) do
    it("tells the first difference: " .. case[1], function()
      if case.luas and not _VERSION:find(case.luas) then return end
      open(nil, { null_as_nil = true }) -- which is about rows that are given, not about rows that are compared
      local id = upload(case[2], ".jsonl")
      local result = assert(api.imports:compare(id, { file = system.file(case[3], ".jsonl") }))
      local _, rows = case[2]:gsub("\n", "")
      local _, records = case[3]:gsub("\n", "")
      assert.are.same({ equal = false, alike = case.alike or false, rows = rows, records = records,
        first_difference = case[4] }, result)
    end)
  end

  it("takes the members in the order of the file's columns, and counts to both ends", function()
    open()
    local id = upload("z,a\n1,1\n" .. ("2,2\n"):rep(1000), ".csv")
    local seen = 0
    local result = assert(api.imports:compare(id, {
      file = system.file("z,a\n9,9\n" .. ("2,2\n"):rep(1200), ".csv"), page_size = 100,
      on_progress = function(p)
        seen = seen + 1
        assert.is_true(p.bytes <= p.total_bytes)
      end,
    }))
    assert.are.same({ "z", 1001, 1201 }, { result.first_difference.column, result.rows, result.records })
    assert.is_true(seen > 2)
  end)

  it("compares a list of files as one source", function()
    open()
    local id = upload("a\n1\n2\n", ".csv")
    local files = { system.file("a\n1\n", ".csv"), system.file("a\n2\n", ".csv") }
    assert.is_true(assert(api.imports:compare(id, { file = files })).equal)
  end)

  it("returns the errors of both sides, and closes what it opened", function()
    open()
    local id = upload("a\n1\n", ".csv")
    local _, message, err = api.imports:compare(id, { file = system.file("a;b\n1;2\n", ".csv") })
    assert.matches('^imports:compare: .*delimiter = ";"', message)
    assert.are.same({ "io", 1 }, { err.kind, err.line })
    _, message, err = api.imports:compare(id, { file = "/nowhere/x.csv" })
    assert.matches("^imports:compare: /nowhere/x.csv: cannot open", message)
    assert.are.equal("io", err.kind)
    _, message, err = api.imports:compare(99, { file = system.file("a\n1\n", ".csv") })
    assert.are.equal("not_found", err.kind, message)
    _, message, err = api.imports:compare(id, { file = system.file('a\n1\n"2\n', ".csv") })
    assert.are.equal("io", err.kind, message)
    for _, given in ipairs { {}, { file = 1 }, { file = "x.csv", name = "n" }, { file = "x.csv", delimiter = "ab" } } do
      local good, raised = pcall(api.imports.compare, api.imports, id, given)
      assert.is_false(good)
      assert.matches("compare_spec.lua.*imports:compare", raised)
    end
    assert.is_false((pcall(api.imports.compare, api.imports, nil, { file = "x.csv" })))
  end)

  it("sends nothing but reads", function()
    open()
    local id, file = upload("a\n1\n", ".csv")
    sandbox:clear_log()
    assert(api.imports:compare(id, { file = file }))
    for _, request in ipairs(sandbox:requests()) do assert.are.equal("GET", request.method) end
  end)
end)
