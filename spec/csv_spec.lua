-- Rows of files as Lua sees them, and the texts that uploads send. What a file may hold is specified
-- beside the core (spec/core/files/source_spec.c, spec/core/codec/columns_spec.c).

local core = require "flarelight.core"
local csv = require "flarelight.csv"
local errors = require "flarelight.error"
local system = require "support.system"

local null = core.null

local function file(ending, content) return system.file(content, ending) end

local function read(rows)
  local list, lines = {}, {}
  for row, line in rows do
    list[#list + 1] = row
    lines[#lines + 1] = line
  end
  return list, lines
end

describe("csv.rows", function()
  it("gives typed rows and their lines", function()
    local path = file(".csv", 'id,name,share,ok,zip\n1,"a\nb",1.50,true,007\n2,,2,false,100\n3,"",,,\n')
    local rows = csv.rows(path)
    assert.are.same({
      { name = "id", type = "number" }, { name = "name", type = "text" }, { name = "share", type = "number" },
      { name = "ok", type = "boolean" }, { name = "zip", type = "text" },
    }, rows:columns())
    local list, lines = read(rows)
    assert.are.same({
      { id = 1, name = "a\nb", share = 1.5, ok = true, zip = "007" },
      { id = 2, name = null, share = 2, ok = false, zip = "100" },
      { id = 3, name = "", share = null, ok = null, zip = null },
    }, list)
    assert.are.same({ 2, 4, 5 }, lines)
    if math.type then assert.are.equal("integer", math.type(list[1].id)) end
  end)

  it("takes types and formats", function()
    local path = file(".txt", "a\tb\n01\t2\n")
    assert.are.same({ { a = "01", b = 2 } }, (read(csv.rows(path, { format = "tsv" }))))
    assert.are.same({ { a = "01", b = "2" } }, (read(csv.rows(path, { format = "tsv", types = "text" }))))
    assert.are.same({ { a = "01", b = "2" } }, (read(csv.rows(path, { format = "tsv", types = { b = "text" } }))))
    assert.are.same({ { ["a\tb"] = "01\t2" } }, (read(csv.rows(path, { format = "csv", delimiter = "," }))))
  end)

  it("finds the type \"auto\" of a column out as that of all", function()
    local path = file(".csv", 'a,b\n1,x\n"",y\n,z\n')
    local expected = { { a = 1, b = "x" }, { a = "", b = "y" }, { a = null, b = "z" } }
    for _, types in ipairs { "auto", { a = "auto" }, { a = "auto", b = "text" } } do
      local rows = csv.rows(path, { types = types })
      assert.are.equal("number", rows:columns()[1].type)
      assert.are.same(expected, (read(rows)))
    end
  end)

  it("reads the other formats of uploads", function()
    local lines = file(".jsonl", '{"a":[]}\n{"a":9007199254740993}\n')
    local list, where = read(csv.rows(lines))
    assert.are.same({ 1, 2 }, where)
    assert.are.equal(core.array_metatable, getmetatable(list[1].a))
    assert.are.equal("9007199254740993", tostring(list[2].a))
    assert.are.same({ { a = { b = null } } }, (read(csv.rows(file(".json", '{"records":[{"a":{"b":null}}]}')))))
    assert.are.same({}, csv.rows(lines):columns())
  end)

  it("goes on over many chunks of rows", function()
    local parts = { "n\n" }
    for n = 1, 1000 do parts[#parts + 1] = n .. "\n" end
    local list, lines = read(csv.rows(file(".csv", table.concat(parts))))
    assert.are.equal(1000, #list)
    for n = 1, 1000 do
      assert.are.equal(n, list[n].n)
      assert.are.equal(n + 1, lines[n])
    end
  end)

  it("ends once, and stays ended", function()
    local rows = csv.rows(file(".csv", "a\n1\n"))
    assert.are.same({ a = 1 }, (rows:next()))
    assert.is_nil(rows:next())
    assert.is_nil(rows:next())
    rows:close()
    rows:close()
  end)

  it("gives nothing after it is closed", function()
    local rows = csv.rows(file(".csv", "a\n1\n2\n"))
    rows:next()
    rows:close()
    assert.is_nil(rows:next())
  end)

  it("returns an error from next, again and again, after the rows before it", function()
    local path = file(".csv", "a,b\n1,2\n3\n")
    local rows = csv.rows(path, { types = "text" })
    assert.are.same({ a = "1", b = "2" }, (rows:next()))
    for _ = 1, 2 do
      local row, message, err = rows:next()
      assert.is_nil(row)
      assert.are.equal(path .. ", line 3: the row has 1 cell for 2 columns", message)
      assert.is_true(errors.is(err))
      assert.are.equal("io", err.kind)
      assert.are.equal(3, err.line)
      assert.are.equal(message, tostring(err))
    end
  end)

  it("raises an error in a loop", function()
    local good, err = pcall(read, csv.rows(file(".csv", "a\n\255\n")))
    assert.is_false(good)
    assert.are.equal("io", err.kind)
    assert.are.equal(2, err.line)
  end)

  it("raises the error of opening in the loop too", function()
    local rows = csv.rows "/nowhere/strikes.csv"
    for _, name in ipairs { "columns", "dialect", "remarks" } do
      local none, message, why = rows[name](rows)
      assert.are.same({ nil, "/nowhere/strikes.csv: cannot open the file: No such file or directory", "io" },
        { none, message, why.kind })
    end
    local good, err = pcall(read, rows)
    assert.is_false(good)
    assert.are.equal("io", err.kind)
    assert.is_nil(err.line)
    assert.are.equal("/nowhere/strikes.csv: cannot open the file: No such file or directory", err.message)
  end)

  it("tells a file that changed from one that is wrong", function()
    local path = file(".csv", "a\n1\n")
    local rows = csv.rows(path)
    local handle = assert(io.open(path, "ab"))
    handle:write "2\n"
    handle:close()
    rows:next()
    local _, message, err = rows:next()
    assert.are.equal(path .. ": the file changed while it was read", message)
    assert.are.equal("conflict", err.kind)
  end)

  local misuse = {
    { "a path that is no string", { 1 }, "csv.rows: path: should be a string, but is 1" },
    { "a path with a NUL", { "a.csv\0.csv" }, "csv.rows: path: holds a NUL byte" },
    { "an unknown ending", { "a.xls" },
      "csv.rows: format: is needed for a.xls: its name does not end in .csv, .tsv, .jsonl, .ndjson or .json" },
    { "an unknown format", { "a.csv", { format = "xls" } },
      'csv.rows: format: should be "csv", "tsv", "jsonl" or "json"' },
    { "an unknown type", { "a.csv", { types = "integer" } },
      'csv.rows: types: should be "auto", "text" or a table of types by column' },
    { "one type for all that is no text", { "a.csv", { types = "number" } },
      'csv.rows: types: should be "auto", "text" or a table of types by column' },
    { "an unknown type of a column", { "a.csv", { types = { a = "integer" } } },
      'csv.rows: types: the type of "a" should be "number", "text", "boolean" or "auto"' },
    { "a type that is no string", { "a.csv", { types = { a = 1 } } },
      'csv.rows: types: the type of "a" should be "number", "text", "boolean" or "auto"' },
    { "types in a list", { "a.csv", { types = { "number" } } }, "csv.rows: types: its keys should be names of columns" },
    { "types of JSON", { "a.json", { types = { a = "text" } } },
      "csv.rows: types: only the columns of CSV and TSV files are given types" },
    { "an unknown option", { "a.csv", { separator = ";" } }, "unknown option \"separator\"" },
  }
  for _, case in ipairs(misuse) do
    it("raises for " .. case[1], function()
      local good, message = pcall(csv.rows, case[2][1], case[2][2])
      assert.is_false(good)
      assert.is_truthy(message:find(case[3], 1, true), message)
    end)
  end

  it("names the line that called", function()
    local good, message = pcall(function() csv.rows(1) end)
    assert.is_false(good)
    assert.is_truthy(message:find("csv_spec.lua:%d+: flarelight: csv.rows"), message)
  end)

  it("raises where next is called with a dot", function()
    local rows = csv.rows(file(".csv", "a\n"))
    assert.has_error(function() rows.next() end)
    rows:close()
  end)
end)

describe("core.source", function()
  it("gives texts that are written verbatim", function()
    local path = file(".csv", "a,b\n1.50,x\n2,\n3,z\n")
    local source = core.source(path)
    local text, count, first, last = source:read(2, 1000)
    assert.are.same({ 2, 2, 3 }, { count, first, last })
    assert.are.equal('[{"a":1.50,"b":"x"},{"a":2,"b":null}]', core.encode(text))
    assert.are.equal('{"records":[{"a":1.50,"b":"x"},{"a":2,"b":null}]}', core.encode { records = text })
    local rest
    rest, count, first, last = source:read(2, 1000)
    assert.are.same({ 1, 4, 4 }, { count, first, last })
    assert.are.equal('[{"a":3,"b":"z"}]', core.encode(rest))
    assert.are.equal('[{"a":1.50,"b":"x"},{"a":2,"b":null}]', core.encode(text))
    assert.are.equal(0, select("#", source:read(2, 1000)))
    text:close()
    text:close()
    local good, message = core.encode(text)
    assert.is_nil(good)
    assert.are.equal("a userdata has no form in JSON", message)
    source:close()
    source:close()
    assert.has_error(function() source:read(1, 1) end)
  end)

  it("tells how far it is", function()
    local path = file(".csv", "a\n1\n")
    local source = core.source(path)
    assert.are.same({ 4, 4 }, { source:progress() })
    source:close()
  end)

  it("is not standard input, which csv.rows refuses", function()
    for _, path in ipairs { "-", { "a.csv", "-" } } do
      local good, message = pcall(csv.rows, path)
      assert.is_false(good)
      assert.matches("csv.rows: path: should be a file: standard input can be read only once", message)
    end
  end)

  it("names the file of a list that an error is about", function()
    local one, two = file(".csv", "a\n1\n"), file(".csv", "a\n1\n1,2\n")
    local _, message, err = csv.rows({ one, two }):next()
    assert.are.same({ 3, two }, { err.line, err.file })
    assert.matches(two .. ", line 3: ", message, 1, true)
  end)

  it("returns what is wrong, where, and of what kind", function()
    local path = file(".csv", "a\n1\n1,2\n")
    assert.are.same({ n = 5, nil, path .. ", line 3: the row has 2 cells for 1 column", 3, "io", path },
      { n = select("#", core.source(path)), core.source(path) })
    assert.are.same({ n = 4, nil, "path: holds a NUL byte", nil, "misuse" },
      { n = select("#", core.source "a\0b"), core.source "a\0b" })
  end)

  -- The collector does not see a text's bytes by itself: texts that nobody closes must not pile up.
  it("has the collector take texts that nobody closes", function()
    local function resident() -- in kB; nil on a system that does not tell
      local status = io.open "/proc/self/status"
      local kilobytes = status and status:read("*a"):match "VmRSS:%s*(%d+)"
      if status then status:close() end
      return tonumber(kilobytes)
    end
    if not resident() or os.getenv "SPEC_SANITIZER" then return end -- sanitizers keep what is freed
    local path = file(".jsonl", ('{"a":"%s"}\n'):format(("x"):rep(1000)):rep(20000))
    collectgarbage()
    local before, most = resident(), 0
    for _ = 1, 10 do
      local source = core.source(path)
      while source:read(1000, 2 ^ 30) do most = math.max(most, resident()) end
      source:close()
    end
    assert.is_true(most - before < 100000, ("grew by %d kB while 200,000 kB were read"):format(most - before))
  end)
end)

describe("the real data", function()
  it("has its records, types and nulls", function()
    local rows = csv.rows "examples/data/birdstrikes.csv"
    local count, cost, states, nulls = 0, 0, {}, 0
    for row in rows do
      count = count + 1
      cost = cost + (row["Cost Total $"] ~= null and row["Cost Total $"] or 0)
      states[row["Origin State"]] = true
      for _, value in pairs(row) do if value == null then nulls = nulls + 1 end end
    end
    assert.are.equal(10000, count)
    assert.is_true(states.Louisiana)
    assert.are.same({ 40545276, 2836 }, { cost, nulls })
  end)

  it("makes one whole of its batches, as the core encodes its rows", function()
    local function all(most_records, most_bytes)
      local source, parts, total = core.source "examples/data/birdstrikes.csv", {}, 0
      while true do
        local text, count = source:read(most_records, most_bytes)
        if not text then break end
        total = total + count
        parts[#parts + 1] = core.encode(text):sub(2, -2)
      end
      source:close()
      assert.are.equal(10000, total)
      return table.concat(parts, ",")
    end
    local whole = all(10000, 2 ^ 30)
    assert.are.equal(whole, all(777, 2 ^ 30))
    assert.are.equal(whole, all(10000, 50000))
    local rows = core.decode("[" .. whole .. "]")
    assert.are.equal(10000, #rows)
    local stream, same = csv.rows "examples/data/birdstrikes.csv", 0
    for n, row in ipairs(rows) do
      local other = stream:next()
      for name, value in pairs(row) do
        if other[name] ~= value then error(("row %d differs in %s"):format(n, name)) end
      end
      same = same + 1
    end
    assert.is_nil(stream:next())
    assert.are.equal(10000, same)
  end)
end)
