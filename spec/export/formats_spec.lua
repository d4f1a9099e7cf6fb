--- The formats of an export: the bytes that it writes, and the rows that a format cannot hold.

local exports = require "support.exports"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("the formats of imports:export", function()
  local opened = support.opened(after_each)
  local api, base

  local function open(options, client_options) api = select(2, opened.service(options, client_options)) end
  local function path_of(ending) return base .. ending end
  local function write(ending, text) return system.write(base .. ending, text) end
  local function import(lines) return exports.import(api, lines) end
  local function to_string(id, options) return exports.text(api, id, options) end

  before_each(function() base = system.path() end)

  local texts = {
    { "CSV", "csv", '{"b":1.50,"a":"x,y"}\n{"c":[1, {}],"a":null,"b":12345678901234567890}\n{"a":""}\n',
      'b,a,c\r\n1.50,"x,y",\r\n12345678901234567890,,"[1,{}]"\r\n,"",\r\n' },
    { "JSON lines", "jsonl", '{"b":1.50,"a":"x,y"}\n{"c":[1, {}],"a":null,"b":12345678901234567890}\n{"a":"\\n"}\n',
      '{"b":1.50,"a":"x,y"}\n{"c":[1,{}],"a":null,"b":12345678901234567890}\n{"a":"\\n"}\n' },
    { "chosen columns as CSV", "csv", '{"a":1,"b":2}\n{"c":3,"b":4}\n', "b,a\r\n2,1\r\n4,\r\n", { "b", "a" } },
    { "chosen columns as JSON lines", "jsonl", '{"a":1,"b":2}\n{"c":3,"b":4}\n', '{"b":2,"a":1}\n{"b":4}\n', { "b", "a" } },
  }

  for _, case in ipairs(texts) do
    it("writes " .. case[1] .. " to a file and to a function", function()
      open()
      local id, path = import(case[3]), path_of("." .. case[2])
      local result = assert(api.imports:export(id, { to = path, columns = case[5] }))
      assert.are.equal(case[4], system.read(path))
      assert.is_nil(system.read(path .. ".part"))
      local _, rows = case[3]:gsub("\n", "")
      assert.are.same({ rows, #case[4], rows }, { result.rows, result.bytes, result.position })
      assert.is_true(result.elapsed >= 0)
      local text, again = to_string(id, { format = case[2], columns = case[5] })
      assert.are.equal(case[4], text)
      assert.are.same(result.columns, again.columns)
      if case[2] == "jsonl" then assert.is_nil(result.columns)
      else assert.are.equal(case[4]:match "^(.-)\r", table.concat(result.columns, ",")) end
      if math.type then assert.are.equal("integer", math.type(result.rows)) end
    end)
  end

  it("takes the format from the file's name", function()
    open()
    local id = import '{"a":1}\n'
    local csv, jsonl = "a\r\n1\r\n", '{"a":1}\n'
    for ending, text in pairs { [".csv"] = csv, [".CSV"] = csv, [".jsonl"] = jsonl, [".ndjson"] = jsonl, [""] = csv } do
      local path = path_of(ending)
      assert(api.imports:export(id, { to = path }))
      assert.are.equal(text, system.read(path))
    end
    assert(api.imports:export(id, { to = path_of ".json", format = "jsonl" }))
    assert.are.equal(jsonl, system.read(base .. ".json"))
  end)

  it("writes TSV, other delimiters, a byte order mark, and formulas as texts", function()
    open()
    local id = import '{"=n":"=1+2","t":"a;b,c","v":-1}\n{"=n":"@x \\"y\\"","t":"+","v":2}\n'
    assert(api.imports:export(id, { to = path_of ".tsv" }))
    assert.are.equal('=n\tt\tv\r\n=1+2\ta;b,c\t-1\r\n"@x ""y"""\t+\t2\r\n', system.read(base .. ".tsv"))
    local given = { to = path_of ".csv", delimiter = ";", bom = true, escape_formulas = true }
    assert(api.imports:export(id, given))
    local text = '\239\187\191\'=n;t;v\r\n\'=1+2;"a;b,c";-1\r\n"\'@x ""y""";\'+;2\r\n'
    assert.are.equal(text, system.read(base .. ".csv"))
    write(".csv.part", text:sub(1, -5))
    given.resume = true
    assert(api.imports:export(id, given))
    assert.are.equal(text, system.read(base .. ".csv"))
  end)

  it("writes a JSON array, which is uploaded as the same rows and resumed at each byte", function()
    open()
    local id, path = import '{"a":1}\n{"a":"]"}\n{"b":[1,{}]}\n', path_of ".json"
    local text = '[\n{"a":1},\n{"a":"]"},\n{"b":[1,{}]}\n]\n'
    assert.are.equal(3, assert(api.imports:export(id, { to = path, page_size = 2 })).rows)
    assert.are.equal(text, system.read(path))
    local again = assert(api.imports:upload { file = path, name = "again" }).id
    assert.are.equal(text, (to_string(again, { format = "json" })))
    assert.are.equal("[]\n", (to_string(support.import(api, 0), { format = "json" })))
    for length = 0, #text do
      write(".json.part", text:sub(1, length))
      assert(api.imports:export(id, { to = path, resume = true }))
      assert.are.equal(text, system.read(path), length)
    end
  end)

  it("writes the rows that where keeps, resumed too, and ends where it says why", function()
    open()
    local id = support.import(api, 30)
    local function odd(row) return row.n % 2 == 1 end
    local text, result = to_string(id, { where = odd, page_size = 7 })
    local lines = { "n" }
    for n = 1, 29, 2 do lines[#lines + 1] = tostring(n) end
    local whole = table.concat(lines, "\r\n") .. "\r\n"
    assert.are.equal(whole, text)
    assert.are.same({ 15, 30 }, { result.rows, result.position })
    write(".csv.part", "n\r\n1\r\n3\r\n5\r\n")
    assert(api.imports:export(id, { to = base .. ".csv", where = odd, page_size = 7, resume = true }))
    assert.are.equal(whole, system.read(base .. ".csv"))
    local _, message, err = api.imports:export(id, { to = path_of ".csv", where = function(row)
      if row.n == 3 then return nil, "a reason" end
      return true
    end })
    assert.are.equal("imports:export: where: row 3: a reason", message)
    assert.are.same({ "io", 3 }, { err.kind, err.progress.rows })
  end)

  it("writes a database with typed columns", function()
    open()
    local id, path = import('{"i":9007199254740993,"f":1.5,"t":"12","b":true,"n":null,"m":1}\n'
      .. '{"i":2,"f":3,"t":"x","b":false,"n":null,"m":"1"}\n'), path_of ".sqlite"
    local result = assert(api.imports:export(id, { to = path }))
    assert.are.equal(2, result.rows)
    assert.are.equal(#system.read(path), result.bytes)
    assert.is_nil(system.read(path .. ".part"))
    if select(2, system.shell "command -v sqlite3") == 0 then
      assert.are.equal('CREATE TABLE "spec" ("i" INTEGER, "f" REAL, "t" TEXT, "b" BOOLEAN, "n", "m")\n'
        .. "9007199254740993|1.5|12|1||1\n2|3.0|x|0||1\n",
        (system.shell(("sqlite3 %s 'SELECT sql FROM sqlite_master; SELECT * FROM spec'"):format(path))))
    end
    local _, message, err = api.imports:export(import '{"a":1,"A":2}\n', { to = path_of ".sqlite", table = "x" })
    assert.are.equal("conflict", err.kind)
    assert.is_truthy(message:find("duplicate column", 1, true), message)
    assert.is_nil(system.read(path .. ".part"))
  end)

  it("names the table after the import, however its id is written", function()
    open()
    local id, path = import '{"a":1}\n', path_of ".sqlite"
    for _, same in ipairs { id, tostring(id), id + 0.0, flarelight.json.integer(tostring(id)) } do
      assert(api.imports:export(same, { to = path }))
      assert.is_truthy(system.read(path):find('CREATE TABLE "spec"', 1, true), tostring(same))
    end
  end)

  it("what it writes is uploaded as the same rows", function()
    open()
    local lines = table.concat({
      '{"text":"plain","number":1.50,"flag":true,"all":"a,\\"b\\"\\r\\nc"}',
      '{"text":"","number":-0.25,"flag":false,"all":" spaces "}',
      '{"text":null,"number":null,"flag":null,"all":"\\u00e9\\t\\u001f"}',
      '{"text":"00501","number":9007199254740993,"flag":true,"all":"null"}',
    }, "\n") .. "\n"
    local id = import(lines)
    local whole = to_string(id, { format = "jsonl" })
    local path = path_of ".csv"
    assert(api.imports:export(id, { to = path }))
    local again = assert(api.imports:upload {
      file = path, types = { text = "text", number = "number", flag = "boolean", all = "text" },
    }).id
    assert.are.equal(whole, (to_string(again, { format = "jsonl" })))
    assert.are.equal(whole, (to_string(import(whole), { format = "jsonl" })))
  end)

  local refused = {
    { "new columns", '{"a":1}\n{"a":2}\n{"a":3}\n{"z":1,"a":4,"y":2}\n', "conflict", 'row 3 has new columns: "z", "y"',
      rows = 3, text = "a\r\n1\r\n2\r\n3\r\n" },
    { "a new column with characters of terminals", '{"a":1}\n{"a":2}\n{"a":3}\n{"\\u001b]0;x\\u0007\\u202e":1}\n', "conflict",
      'row 3 has new columns: " ]0;x <U+202E>"', rows = 3, text = "a\r\n1\r\n2\r\n3\r\n" },
    { "null in the only column", '{"a":1}\n{"a":null}\n', "conflict", "row 1 has no value in the only column",
      rows = 1, text = "a\r\n1\r\n" },
    { "a NUL character", '{"a":"x\\u0000"}\n', "conflict", "row 0 holds a NUL character", rows = 0, text = "a\r\n" },
  }
  for _, case in ipairs(refused) do
    it("what CSV cannot hold ends it, and what came before is kept: " .. case[1], function()
      open()
      local id, path = import(case[2]), base .. ".csv"
      local result, message, err = api.imports:export(id, { to = path, page_size = 2 })
      assert.is_nil(result)
      assert.are.equal(case[3], err.kind)
      assert.is_truthy(message:find(case[4], 1, true), message)
      assert.are.same({ case.rows, #case.text, case.rows }, { err.progress.rows, err.progress.bytes, err.progress.position })
      assert.are.equal(case.text, system.read(path .. ".part"))
      assert.is_nil(system.read(path))
    end)
  end

  it("refuses rows with more members than a file has columns, and a header with more", function()
    open()
    local members, names = {}, {}
    for n = 1, 16385 do members[n], names[n] = ('"m%d":1'):format(n), "m" .. n end
    local id = import("{" .. table.concat(members, ",") .. "}\n")
    local _, message, err = api.imports:export(id, { to = path_of ".csv" })
    assert.are.equal("conflict", err.kind)
    assert.matches("at most 16384 columns", message)
    assert.are.equal(1, assert(api.imports:export(id, { to = path_of ".jsonl" })).rows)
    assert.are.equal("m7\r\n1\r\n", (to_string(id, { columns = { "m7" } })))
    local good, raised = pcall(api.imports.export, api.imports, id, { to = path_of ".csv", columns = names })
    assert.is_false(good)
    assert.matches("columns: should be at most 16384 names", raised)
    local file = system.file(table.concat(names, ",") .. "\n", ".csv")
    _, message = flarelight.csv.rows(file):next()
    assert.matches("the header has 16385 columns, but a file has at most 16384", message)
  end)

  it("columns that no row has are an error that names those there are", function()
    open()
    local id, path = import '{"name":"Gull","cost":1}\n{"name":"Owl","late":2}\n', path_of ".csv"
    for _, format in ipairs { "csv", "jsonl" } do
      local _, message, err = api.imports:export(id, { to = path, format = format, columns = { "nmae", "cost", "x" } })
      assert.are.equal("conflict", err.kind)
      assert.are.equal('imports:export: no row has the column "nmae", "x": there are "name", "cost"', message)
      assert.is_false(system.exists(path))
      assert.is_false(system.exists(path .. ".part"))
    end
    local _, message = api.imports:export(id, { to = path, columns = { "nmae" } })
    assert.are.equal("imports:export: row 0 has no value in the only column, so its line in CSV would be blank (JSON lines can hold it); "
      .. 'no row so far has the column "nmae": there are "name", "cost"', message)
    -- A column of some rows alone is none of them, wherever they are.
    assert.are.equal("late\r\n2\r\n", (to_string(id, { columns = { "late" }, start = 1 })))
    assert.are.equal("late,name\r\n,Gull\r\n2,Owl\r\n", (to_string(id, { columns = { "late", "name" }, page_size = 1 })))
  end)

  it("a row that is no object has no columns, but a line of JSON", function()
    local body = '{"data":[{"a":1},2]}'
    local ended = support.reply("200 OK", '{"data":[]}')
    local raw = opened.raw_server { support.reply("200 OK", body), ended }
    api = opened.client(raw)
    local _, message, err = api.imports:export(1, { to = function() end, prefetch = 0 })
    assert.are.equal("protocol", err.kind)
    assert.is_truthy(message:find("row 1 is no object", 1, true), message)
    raw = opened.raw_server { support.reply("200 OK", body), ended }
    api = opened.client(raw)
    local text = to_string(1, { format = "jsonl", prefetch = 0 })
    assert.are.equal('{"a":1}\n2\n', text)
  end)
end)
