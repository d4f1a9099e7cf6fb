-- Files from Lua tables, row by row: csv.write. The text is that of exports, whose spec has its details.

local flarelight = require "flarelight"
local system = require "support.system"

local csv, null = flarelight.csv, flarelight.null

describe("csv.write", function()
  local function write(path, options, rows)
    local writer = assert(csv.write(path, options))
    for _, row in ipairs(rows) do assert(writer:write(row)) end
    return assert(writer:close())
  end

  local rows = {
    { id = 1, name = "Gull", cost = 1.5 }, { id = 2, name = 'a "b", c', ok = false }, { id = 3, name = "two\nlines" },
    { id = 4, name = null, cost = 2 }, { id = 5, name = "" },
  }
  local columns = { "id", "name", "cost", "ok" }
  local texts = {
    [".csv"] = 'id,name,cost,ok\r\n1,Gull,1.5,\r\n2,"a ""b"", c",,false\r\n3,"two\nlines",,\r\n4,,2,\r\n5,"",,\r\n',
    [".jsonl"] = '{"id":1,"name":"Gull","cost":1.5}\n{"id":2,"name":"a \\"b\\", c","ok":false}\n'
      .. '{"id":3,"name":"two\\nlines"}\n{"id":4,"name":null,"cost":2}\n{"id":5,"name":""}\n',
  }
  texts[".tsv"] = 'id\tname\tcost\tok\r\n1\tGull\t1.5\t\r\n2\t"a ""b"", c"\t\tfalse\r\n3\t"two\nlines"\t\t\r\n'
    .. '4\t\t2\t\r\n5\t""\t\t\r\n'
  texts[".json"] = "[\n" .. texts[".jsonl"]:sub(1, -2):gsub("\n", ",\n") .. "\n]\n"

  for ending, text in pairs(texts) do
    it("names the formats that it can write", function()
    for _, call in ipairs {
      function() flarelight.csv.write(system.path(), { format = "xml" }) end,
      function() flarelight.csv.write(system.path ".xml") end,
    } do
      local good, message = pcall(call)
      assert.is_false(good)
      assert.matches('"csv", "tsv", "jsonl" or "json"', message)
      assert.is_nil(message:find("sqlite", 1, true))
    end
  end)

  it("writes what exports write, compressed too: " .. ending, function()
      local path = system.path(ending)
      local result = write(path, { columns = columns }, rows)
      assert.are.equal(text, system.read(path))
      assert.are.same({ 5, #text }, { result.rows, result.bytes })
      assert.are.same(ending:find "sv" and columns or nil, result.columns)
      assert.is_nil(system.read(path .. ".part"))
      for _, compression in ipairs { ".gz", ".zst", ".xz", ".bz2", ".zip" } do
        path = system.path(ending .. compression)
        result = write(path, { columns = columns }, rows)
        assert.are.equal(#system.read(path), result.bytes)
        local found = {}
        for row in csv.rows(path) do found[#found + 1] = row.name end
        assert.are.same({ "Gull", 'a "b", c', "two\nlines", null, "" }, found)
      end
    end)
  end

  it("takes the columns of the first row, by name, and the options of CSV", function()
    local path = system.path ".csv"
    write(path, { delimiter = ";", bom = true, escape_formulas = true }, { { b = "=1", a = -1 }, { a = "-x" } })
    assert.are.equal("\239\187\191a;b\r\n-1;'=1\r\n'-x;\r\n", system.read(path))
    write(path, { columns = { "a" } }, { { a = 1, b = 2 } })
    assert.are.equal("a\r\n1\r\n", system.read(path))
    assert.are.equal(0, write(path, { columns = { "a" } }, {}).rows)
    assert.are.equal("a\r\n", system.read(path))
  end)

  it("keeps every digit", function()
    local path = system.path ".csv"
    write(path, nil, { { n = flarelight.integer "12345678901234567890", f = 0.1 } })
    assert.are.equal("f,n\r\n0.1,12345678901234567890\r\n", system.read(path))
  end)

  it("writes any number of rows, and keeps what was there until it is closed", function()
    local path = system.file("kept", ".csv")
    local writer = assert(csv.write(path))
    for n = 1, 100000 do assert(writer:write { n = n }) end
    assert.are.equal("kept", system.read(path))
    local result = assert(writer:close())
    assert.are.equal(result, assert(writer:close()))
    local last
    for row in csv.rows(path) do last = row.n end
    assert.are.same({ 100000, 100000, #system.read(path) }, { last, result.rows, result.bytes })
    local good, message = pcall(writer.write, writer, { n = 1 })
    assert.is_false(good)
    assert.matches("csv_writer_spec.lua.*writer.write: the writer is closed", message)
  end)

  -- Each: rows, the last of which is refused; the words of the error.
  local refused = {
    { "a new column", { { a = 1 }, { a = 1, b = 2 } }, 'row 2 has new columns: "b"' },
    { "a blank line", { { a = 1 }, { a = null } }, "row 2 " },
    { "a NUL", { { a = "x\0y" } }, "row 1 " },
    { "no columns", { {} }, "row 1 has no members, and there are no columns" },
  }
  for _, case in ipairs(refused) do
    for _, compression in ipairs { "", ".gz" } do
      it("ends with an error and without a file: " .. case[1] .. compression, function()
        local path = system.file("kept", ".csv" .. compression)
        local writer = assert(csv.write(path))
        for place, row in ipairs(case[2]) do
          local done, message, err = writer:write(row)
          assert.are.equal(place < #case[2] or nil, done)
          if not done then
            assert.is_truthy(message:find("csv.write: " .. case[3], 1, true), message)
            assert.are.same({ "conflict", place, message }, { err.kind, err.record, tostring(err) })
          end
        end
        for _, again in ipairs { writer.close, writer.write } do
          local done, _, err = again(writer, { a = 1 })
          assert.are.same({ nil, "conflict" }, { done, err.kind })
        end
        assert.are.equal("kept", system.read(path))
        assert.is_nil(system.read(path .. ".part"))
      end)
    end
  end

  it("can be given up", function()
    local path = system.file("kept", ".csv")
    local writer = assert(csv.write(path))
    for n = 1, 100000 do assert(writer:write { n = n }) end
    writer:discard()
    assert.are.equal("cancelled", (select(3, writer:close())).kind)
    assert.are.equal("kept", system.read(path))
    assert.is_nil(system.read(path .. ".part"))
  end)

  it("returns the system's errors", function()
    local writer, message, err = csv.write "/nowhere/x.csv"
    assert.is_nil(writer)
    assert.are.equal("csv.write: /nowhere/x.csv.part: cannot open: No such file or directory", message)
    assert.are.equal("io", err.kind)
    local path = system.path ".csv"
    local other = assert(csv.write(path))
    local script = system.file(([[
      print((select(2, require "flarelight".csv.write(%q))))
    ]]):format(path), ".lua")
    assert.are.equal(("csv.write: %s.part: another export writes it\n"):format(path),
      (system.shell(system.interpreter .. " " .. script)))
    other:discard()
    if not system.exists "/dev/full" then return end
    local full = assert(csv.write("/dev/full", { format = "csv" }))
    assert(full:write { a = 1 })
    writer, message, err = full:close()
    assert.is_nil(writer)
    assert.are.same({ "io", "csv.write: /dev/full: cannot write: No space left on device" }, { err.kind, message })
    assert.are.equal("io", (select(3, csv.write("/dev/full", { columns = { "a" } }):close())).kind)
    writer, message, err = csv.write(system.path ".csv"):close()
    assert.is_nil(writer)
    assert.are.same({ "conflict", "csv.write: there are no rows to take the columns from: give columns" },
      { err.kind, message })
  end)

  it("raises for a value without a form, and goes on", function()
    local path = system.path ".csv"
    local writer = assert(csv.write(path))
    assert(writer:write { a = 1 })
    for _, row in ipairs { { a = print }, { a = 0 / 0 }, { 1, 2 }, "x" } do
      local good, message = pcall(writer.write, writer, row)
      assert.is_false(good)
      assert.matches("csv_writer_spec.lua.*writer:write: row", message)
    end
    assert(writer:write { a = 2 })
    assert.are.equal(2, assert(writer:close()).rows)
    assert.are.equal("a\r\n1\r\n2\r\n", system.read(path))
  end)

  local misuses = {
    { function() csv.write() end, "csv.write: path" }, { function() csv.write "" end, "csv.write: path" },
    { function() csv.write "x.txt" end, "csv.write.format" }, { function() csv.write "x.csv.txt.gz" end, "ends in .txt" },
    { function() csv.write "x.sqlite" end, "csv.write.format" },
    { function() csv.write("x.csv", { where = print }) end, "unknown option" },
    { function() csv.write("x.csv", { columns = {} }) end, "csv.write.columns" },
    { function() csv.write("x.csv", { delimiter = "." }) end, "csv.write.delimiter" },
    { function() csv.write("x.json", { bom = true }) end, "csv.write.bom" },
    { function()
      local writer = csv.write(system.path ".csv")
      writer.write {}
    end, "writer.write: call it with a colon" },
  }
  for _, case in ipairs(misuses) do
    it("raises misuse: " .. case[2], function()
      local good, message = pcall(case[1])
      assert.is_false(good)
      assert.is_truthy(message:find(case[2], 1, true), message)
      assert.is_truthy(message:find("csv_writer_spec.lua", 1, true), message)
    end)
  end

  if _VERSION == "Lua 5.4" then
    it("a writer in a variable with <close> gives its file up, unless it was closed", function()
      local run = load [[
        local csv, path, complete = ...
        local writer <close> = assert(csv.write(path))
        assert(writer:write { n = 1 })
        if complete then assert(writer:close()) end
      ]]
      local path = system.path() .. ".csv"
      run(csv, path, false)
      assert.is_nil(system.read(path))
      assert.is_nil(system.read(path .. ".part"))
      run(csv, path, true)
      assert.are.equal("n\r\n1\r\n", system.read(path))
    end)
  end
end)
