-- Files as people have them, through csv.rows: every dialect, encoding, compression and division into parts gives the
-- same records, and what is wrong with a file is said before the first record is given.

local csv = require "flarelight.csv"
local json = require "flarelight.json"
local support = require "support"
local system = require "support.system"

local null = json.null

local function file(content, ending) return system.file(content, ending or ".csv") end

local core = require "flarelight.core"

-- A record as JSON, its members in the order of their names.
local function text_of(record)
  local records = core.batch({ record }, 1, 1, 1e6, true)
  return (records:record(1))
end

--- The records as texts, and where it fails the message behind them.
local function read(path, options)
  local rows, list = csv.rows(path, options), {}
  while true do
    local row, message, err = rows:next()
    if err then
      list[#list + 1] = (tostring(message):gsub("^[^,: ]+", "FILE"))
      break
    elseif not row then
      break
    end
    list[#list + 1] = text_of(row)
  end
  rows:close()
  return list
end

local function first_of(path, options) return read(path, options)[1] end

-- --- one data set in every form ---

local NAMES = { "id", "name", "amount", "ok", "note" }
local PLAIN = {
  { 1, "Jörg", "1.50", "true", "" }, { 2, "café", "-2", "false", "x y" }, { 3, "", "0", "true", "it's" },
  { 4, "€ 5", "1000000", "", " padded " },
}
-- What only quotes can hold. A table of one text is quoted everywhere.
local QUOTED = {
  { 5, "a,b;c|d\te", "7.25", "true", "say \"hi\" ''" }, { 6, "two\nlines", "8", "false", { "" } },
  { 7, "\"", "9", "true", "'" },
}

-- "none": the file has no quotes at all; "needed": around what needs them; "all": around all but nulls.
local function write_cell(value, form)
  local text = tostring(type(value) == "table" and value[1] or value)
  local quote = form.quote
  if not quote then return text end
  local needed = type(value) == "table" or text:find("[\r\n" .. quote .. "%" .. form.delimiter .. "]")
  if not needed and (form.quoting == "needed" or text == "") then return text end
  return quote .. text:gsub(quote, quote .. quote) .. quote
end

local function write_row(row, form)
  local cells = {}
  for i, value in ipairs(row) do cells[i] = write_cell(value, form) end
  return table.concat(cells, form.delimiter) .. form.line_end
end

local function rows_of(form)
  local rows = {}
  for _, row in ipairs(PLAIN) do rows[#rows + 1] = row end
  if form.quote then
    for _, row in ipairs(QUOTED) do rows[#rows + 1] = row end
  end
  return rows
end

-- Calls `each` with the code point of every character of a text in UTF-8.
local function characters(text, each)
  for character in text:gmatch "[%z\1-\127\194-\244][\128-\191]*" do
    local first, second, third = character:byte(1, 3)
    if not second then each(first)
    elseif not third then each((first - 192) * 64 + second - 128)
    else each((first - 224) * 4096 + (second - 128) * 64 + third - 128) end
  end
end

local function wide(text, big)
  local out = {}
  characters(text, function(code)
    local high, low = math.floor(code / 256), code % 256
    out[#out + 1] = big and string.char(high, low) or string.char(low, high)
  end)
  return table.concat(out)
end

local function windows(text)
  local out = {}
  characters(text, function(code) out[#out + 1] = string.char(code == 0x20AC and 0x80 or code) end)
  return table.concat(out)
end

local ENCODINGS = {
  { "UTF-8", nil, function(text) return text end },
  { "UTF-8 with a mark", nil, function(text) return "\239\187\191" .. text end },
  { "UTF-16 with a mark, little end first", "utf-16", function(text) return "\255\254" .. wide(text) end },
  { "UTF-16 with a mark, big end first", "utf-16", function(text) return "\254\255" .. wide(text, true) end },
  { "UTF-16LE", "utf-16le", function(text) return wide(text) end },
  { "UTF-16BE", "utf-16be", function(text) return wide(text, true) end },
  { "windows-1252", "windows-1252", windows },
}

local QUOTINGS = { { '"', "needed" }, { '"', "all" }, { "'", "needed" }, { "'", "all" }, { false, "none" } }
local COMPRESSIONS = { "", ".gz", ".zst", ".xz", ".bz2", ".zip" }
local PARTS = { 1, 3 }

local function forms()
  local list = {}
  for _, delimiter in ipairs { ",", ";", "\t", "|" } do
    for _, quoting in ipairs(QUOTINGS) do
      for _, line_end in ipairs { "\n", "\r\n", "\r" } do
        for _, encoding in ipairs(ENCODINGS) do
          for _, parts in ipairs(PARTS) do
            list[#list + 1] = {
              delimiter = delimiter, quote = quoting[1], quoting = quoting[2], line_end = line_end,
              encoding = encoding, parts = parts,
            }
          end
        end
      end
    end
  end
  return list
end

-- Writes the files of a form into a folder: their names. The records are divided as evenly as possible.
local function write_form(form, number, folder)
  local rows, names, at = rows_of(form), {}, 1
  for part = 1, form.parts do
    local last = math.floor(#rows * part / form.parts)
    local out = { write_row(NAMES, form) }
    while at <= last do
      out[#out + 1] = write_row(rows[at], form)
      at = at + 1
    end
    names[part] = ("%d-%d.csv"):format(number, part)
    system.write(folder .. "/" .. names[part], form.encoding[3](table.concat(out)))
  end
  return names
end

-- The records that a form has to give: those of the plain one, by what its cells hold.
local function expected_of(form)
  local list = {}
  for i, row in ipairs(rows_of(form)) do
    local record = {}
    for column, value in ipairs(row) do
      local text = type(value) == "table" and value[1] or value
      if column == 4 then text = text ~= "" and text == "true" or text == "" and null end
      if column == 1 or column == 3 then text = tonumber(text) end
      if text == "" and type(value) ~= "table" then text = null end
      if text == false and value == "false" then text = false end
      record[NAMES[column]] = text
    end
    list[i] = text_of(record)
  end
  return list
end

describe("one data set", function()
  local folder, all, names

  setup(function()
    folder, all, names = system.folder(), forms(), {}
    for number, form in ipairs(all) do names[number] = write_form(form, number, folder) end
    local _, status = system.shell(("cd %s && gzip -k *.csv && zstd -q *.csv && xz -k0 *.csv && bzip2 -k *.csv &&"
      .. " for each in *.csv; do zip -q $each.zip $each || exit 1; done"):format(folder))
    assert.are.equal(0, status)
  end)

  for _, compression in ipairs(COMPRESSIONS) do
    it("is the same in every dialect, encoding and division" .. (compression ~= "" and ", as " .. compression or ""),
      function()
        for number, form in ipairs(all) do
          local paths = {}
          for i, name in ipairs(names[number]) do paths[i] = folder .. "/" .. name .. compression end
          local got = read(#paths == 1 and paths[1] or paths, {
            delimiter = form.delimiter, quote = form.quote, encoding = form.encoding[2],
          })
          -- The floats of the records differ by Lua's version alone.
          local label = ("%q %s %s %q %s, %d parts%s"):format(form.delimiter, tostring(form.quote), form.quoting,
            form.line_end, form.encoding[1], form.parts, compression)
          local expected = expected_of(form)
          assert.are.equal(#expected, #got, label .. ": " .. tostring(got[#got]))
          for i = 1, #expected do
            local one, other = json.decode(expected[i]), json.decode(got[i])
            for _, name in ipairs(NAMES) do
              assert.are.equal(one[name], other[name], ("%s: record %d, %s"):format(label, i, name))
            end
          end
        end
      end)
  end
end)

-- --- files in another dialect than the caller thinks ---

describe("a file in another dialect", function()
  local cases = {
    { "semicolons", "a;b\n1;2\n", nil,
      'FILE, line 1: the first row is one column, "a;b": delimiter = ";" divides it (delimiter = "," takes'
        .. ' it as it is)' },
    { "tabs", "a\tb\n1\t2\n", nil,
      'FILE, line 1: the first row is one column, "a b": delimiter = "\\t" divides it (delimiter = ","'
        .. ' takes it as it is)' },
    { "pipes, without a header", "1|2\n", { header = false },
      'FILE, line 1: the first row is one column, "1|2": delimiter = "|" divides it (delimiter = "," takes'
        .. ' it as it is)' },
    { "semicolons between quotes", '"a";"b"\n1;2\n', nil,
      'FILE, line 1: a quote inside an unquoted cell, or text after a closing quote: delimiter = ";" may'
        .. ' divide the row' },
    { "semicolons between quotes, far behind the beginning of the file", ("x\n"):rep(100000) .. '"a";"b"\n1;2\n',
      { skip = 100000 },
      'FILE, line 100001: a quote inside an unquoted cell, or text after a closing quote: delimiter = ";" may'
        .. ' divide the row' },
    { "semicolons, with commas in the header and in the cells", "id;name,x;cost\n1;a,b;1,5\n", nil,
      'FILE, line 2: the row has 3 cells for 2 columns: delimiter = ";" may divide the rows' },
    { "a semicolon in a header of commas", "a;b,c\n1,2,3\n", nil, "FILE, line 2: the row has 3 cells for 2 columns" },
    { "one column that is named so", "a;b\nx\n", { delimiter = "," }, '{"a;b":"x"}' },
    { "one column, quoted", '"a;b"\nx\n', nil, '{"a;b":"x"}' },
    { "a line that says its delimiter", "sep=;\r\na;b\r\n1;2\r\n", nil, '{"a":1,"b":2}' },
    { "a quoted line that says it", '"sep=;"\na;b\n1;2\n', nil, '{"a":1,"b":2}' },
    { "such a line behind a mark", "\239\187\191sep=|\na|b\n1|2\n", nil, '{"a":1,"b":2}' },
    { "such a line that agrees", "sep=;\na;b\n1;2\n", { delimiter = ";" }, '{"a":1,"b":2}' },
    { "such a line that contradicts", "sep=;\na,b\n1,2\n", { delimiter = "," },
      'FILE, line 1: the first line says that the delimiter is ";", but delimiter = "," is given' },
    { "a header that looks like such a line", "sep=x\n1\n", nil, '{"sep=x":1}' },
    { "UTF-16", "\255\254a\0\n\0", nil,
      'FILE, line 1: the file is UTF-16 and not UTF-8: encoding = "utf-16" reads it' },
    { "UTF-16 without a mark", "a\0,\0b\0\n\0", nil,
      'FILE, line 1: the file is UTF-16 and not UTF-8: encoding = "utf-16le" reads it' },
    { "UTF-16BE without a mark", "\0a\0,\0b\0\n", nil,
      'FILE, line 1: the file is UTF-16 and not UTF-8: encoding = "utf-16be" reads it' },
    { "Latin-1", "a\nx\nJ\246rg\n", nil,
      'FILE, line 3: bytes that are not UTF-8: encoding = "windows-1252", or the encoding that the file is'
        .. ' in, reads it' },
    { "a byte that the encoding lacks", "a\nx\n\129\n", { encoding = "windows-1252" },
      'FILE, line 3: the byte 0x81 is no character of the encoding "windows-1252"' },
    { "an odd byte of UTF-16", "a\0\n\0b", { encoding = "utf-16le" },
      'FILE, line 2: the byte 0x62 is no character of the encoding "utf-16le", or the file is cut off' },
  }
  for _, case in ipairs(cases) do
    it("is read or refused: " .. case[1], function() assert.are.equal(case[4], first_of(file(case[2]), case[3])) end)
  end

  it("is refused as JSON lines, too", function()
    assert.are.equal('FILE, line 1: the file is UTF-16 and not UTF-8: encoding = "utf-16" reads it',
      first_of(file("\255\254{\0}\0", ".jsonl")))
    assert.are.same({ '{"a":"ü"}' }, read(file('{"a":"\252"}\n', ".jsonl"), { encoding = "latin1" }))
  end)

  it("is remarked on, where a column has numbers with the other decimal separator", function()
    local function remarks(content, options)
      return csv.rows(file(content), support.with({ types = "auto", delimiter = ";" }, options)):remarks()
    end
    local words = 'columns of numbers with a decimal %s are sent as text (%s): decimal = "%s" sends numbers'
    assert.are.same({ words:format("comma", '"price", "tax"', ",") },
      remarks "name;price;tax;year\nx;1,50;0,5;2020\ny;12;-3,25;2021\nz;;1,125;2022\n")
    assert.are.same({ words:format("point", '"a"', ".") }, remarks("a;b\n1.5;1,5\n", { decimal = "," }))
    assert.are.same({}, remarks "a\n1,234\n5,678\n")    -- may be thousands
    assert.are.same({}, remarks "a\n1,50\nnone\n")      -- a text
    assert.are.same({}, remarks "a\n1,50\n1.50\n")      -- both
    assert.are.same({}, remarks "a\n1.50\n1,50\n")
    assert.are.same({}, remarks "a\n00,5\n")             -- no number either way
    assert.are.same({}, remarks("a\n1,50\n", { decimal = "," }))
    assert.are.same({}, remarks("a\n1,50\n", { types = "text" }))
    local both = remarks "1;2,5\n3;4,5\n"
    assert.are.equal(2, #both)
    assert.matches("looks like data", both[1])
    assert.matches('sent as text %("2,5"%)', both[2])
    assert.are.equal('FILE, line 2: column "a": "1,50" is not a number: decimal = "," reads it as one',
      first_of(file("a\n1,50\n", ".tsv"), { types = { a = "number" } }))
  end)

  it("is remarked on, where its first row looks like data", function()
    local function remarks(content, options) return csv.rows(file(content), options):remarks() end
    local words = 'the first row looks like data (%s): header = false reads it as a record'
    assert.are.same({ words:format '"1", "2020-01-02"' }, remarks "1,2020-01-02,x\n2,2021-03-04,y\n")
    assert.are.same({ words:format '"1.1.2020"' }, remarks "1.1.2020,x\n2.1.2020,y\n")
    assert.are.same({}, remarks "id,2020\n1,2\n")        -- a column of numbers has a name
    assert.are.same({}, remarks "2020-01-02,x\nmore,y\n") -- the column holds no dates
    assert.are.same({}, remarks("1,2\n3,4\n", { header = false }))
    assert.are.same({}, remarks "id,name\n1,x\n")
  end)
end)

-- --- the options ---

describe("the options of a dialect", function()
  local cases = {
    { "no header", "1,x\n", { header = false }, '{"column1":1,"column2":"x"}' },
    { "given names", "1,x\n", { header = { "n", "t" } }, '{"n":1,"t":"x"}' },
    { "too few names", "1,x\n", { header = { "n" } }, "FILE, line 1: the row has 2 cells for 1 column" },
    { "given names, no rows", "\n", { header = { "n" } }, nil },
    { "no header, no rows", "\n", { header = false }, "FILE: the file has no rows" },
    { "lines to skip", 'a "title"\n\nn\n1\n', { skip = 2 }, '{"n":1}' },
    { "lines to skip, CRLF", 'a "title"\r\n\r\nn\r\n1\r\n', { skip = 2 }, '{"n":1}' },
    { "more lines to skip than there are", "n\n1\n", { skip = 9 },
      "FILE: the file has no header: its first row should name the columns" },
    { "comments", '# "x\nn\n#2,\n1\n', { comment = "#" }, '{"n":1}' },
    { "comments of several bytes", "n\n--no\n-1\n", { comment = "--" }, '{"n":-1}' },
    { "white space", ' a ,\t"b" \n 1 , " x " \n', { trim = true }, '{"a":1,"b":" x "}' },
    { "decimal commas", "a;b\n1,50;x\n", { delimiter = ";", decimal = "," }, '{"a":1.50,"b":"x"}', true },
    { "points are no decimal commas", "a;b\n1.50;x\n", { delimiter = ";", decimal = "," }, '{"a":"1.50","b":"x"}' },
    { "texts for null", 'a,b\nNA,"NA"\n', { nulls = { "NA", "\\N" } }, '{"a":null,"b":"NA"}' },
    { "texts for null in a column of numbers", "a,b\n\\N,2\n1,2\n", { nulls = { "\\N" } }, '{"a":null,"b":2}' },
    { "no quotes", 'a,b\n"x,y"\n', { quote = false }, '{"a":"\\"x","b":"y\\""}' },
    { "another quote", "a,b\n'x,''y',1\"\n", { quote = "'" }, '{"a":"x,\'y","b":"1\\""}' },
    { "names with quotes, delimiters and line ends", '"a ""b""","c,d","e\nf"\n1,2,3\n', {},
      '{"a \\"b\\"":1,"c,d":2,"e\\nf":3}' },
    { "another byte between the cells", "a^b\n1^2\n", { delimiter = "^" }, '{"a":1,"b":2}' },
  }
  for _, case in ipairs(cases) do
    it("are obeyed: " .. case[1], function()
      local got = first_of(file(case[2]), case[3])
      if case[5] then got, case[4] = json.decode(got).a, json.decode(case[4]).a end
      assert.are.equal(case[4], got)
    end)
  end

  it("are told", function()
    local rows = csv.rows(file("sep=;\na;b\n1;2\n"), { comment = "#", encoding = "latin1" })
    assert.are.same({
      format = "csv", encoding = "latin1", delimiter = ";", quote = '"', header = true, skip = 0, comment = "#",
      trim = false, decimal = ".", separator_line = true,
    }, rows:dialect())
    assert.are.same({ format = "jsonl", encoding = "utf-8" }, csv.rows(file("{}\n", ".jsonl")):dialect())
    assert.is_nil(csv.rows("missing.csv"):dialect())
  end)

  local wrong = {
    { { delimiter = ";;" }, "delimiter: should be one byte of ASCII and no line end" },
    { { delimiter = "\n" }, "delimiter: should be one byte of ASCII and no line end" },
    { { delimiter = '"' }, "delimiter: should be another byte than the quote" },
    { { quote = "" }, "quote: should be one byte of ASCII and no line end, or false" },
    { { header = {} }, "header: should be true, false or a list of names" },
    { { header = { "a", "a" } }, 'header: "a" is there twice' },
    { { skip = -1 }, "skip: should be" },
    { { comment = "" }, "comment: should be the text that comments begin with" },
    { { comment = '"' }, "comment: should be a text without quotes and line ends" },
    { { encoding = "klingon" }, 'encoding: "klingon" is none that iconv knows' },
    { { encoding = "latin1//IGNORE" }, 'encoding: "latin1//IGNORE" is none that iconv knows' },
    { { decimal = ";" }, 'decimal: should be "." or ","' },
    { { nulls = { 1 } }, "nulls: should be a list of texts" },
    { { rename = { a = 1 } }, "rename: should be a table of new names by old ones" },
    { { columns = {} }, "columns: should be a list of at least one name" },
    { { set = { a = print } }, "set" },
    { { expect = { column = {} } }, 'expect: there is no "column", but columns, required, unique and min_records' },
    { { expect = { min_records = 1.5 } }, "expect.min_records: should be a whole number from 0 on" },
    { { at = "/x" }, "at: is for JSON files" },
    { { at = "x", format = "json" }, 'at: should be a JSON pointer, as "/features"' },
    { { at = "/~2", format = "json" }, 'at: should be a JSON pointer, as "/features"' },
    { { trim = true, format = "jsonl" }, "trim: is for CSV and TSV files" },
  }
  for _, case in ipairs(wrong) do
    it("raise: " .. case[2], function()
      local good, message = pcall(csv.rows, "a.csv", case[1])
      assert.is_false(good)
      assert.is_truthy(message:find("csv.rows", 1, true), message)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end)
  end
end)

-- --- JSON at a pointer ---

describe("JSON at a pointer", function()
  local text = '{"type":"F","meta":{"list":[1,{"x":[]}],"a/b~c":[{"in":[{"n":9}]}]}'
    .. ',"features":[{"n":1},{"n":2}],"n":null}'
  local cases = {
    { "/features", { '{"n":1}', '{"n":2}' } },
    { "/meta/a~1b~0c/0/in", { '{"n":9}' } },
    { "/meta", { 'FILE, line 1: at = "/meta" is not an array' } },
    { "", { 'FILE, line 1: at = "" is not an array' } },
    { "/nowhere", { 'FILE, line 1: at = "/nowhere" points at nothing; there are arrays: at = "/meta/list",'
      .. ' at = "/meta/a~1b~0c", at = "/features"' } },
    { "/meta/list/00", { 'FILE, line 1: at = "/meta/list/00" points at nothing; there are arrays: at = "/meta/list",'
      .. ' at = "/meta/a~1b~0c", at = "/features"' } },
    { nil, { 'FILE, line 1: the object has no member "records"; there are arrays: at = "/meta/list",'
      .. ' at = "/meta/a~1b~0c", at = "/features"' } },
  }
  for _, case in ipairs(cases) do
    it("is found or refused: " .. tostring(case[1]), function()
      assert.are.same(case[2], read(file(text, ".json"), { at = case[1] }))
    end)
  end

  it("is found in an array", function()
    assert.are.same({ '{"a":1}' }, read(file('[[], {"x": [{"a":1}]}]', ".json"), { at = "/1/x" }))
    assert.are.same({ '{"a":1}' }, read(file('[{"a":1}]', ".json"), { at = "" }))
  end)

  it("is checked to the end of the file", function()
    assert.are.same({ '{"a":1}', "FILE, line 2: an unexpected character" },
      read(file('{"x":[{"a":1}],\n"y":[1,]}', ".json"), { at = "/x" }))
    assert.are.same({ '{"a":1}', 'FILE, line 1: at = "/x" is there twice' },
      read(file('{"x":[{"a":1}],"x":[]}', ".json"), { at = "/x" }))
  end)

  it("does not hold what is beside the records", function()
    -- More than a record may have: only what is walked through a value at a time can be read.
    local path, piece = system.path ".json", ("[1234567890],"):rep(5000)
    local out = assert(io.open(path, "wb"))
    out:write '{"big":['
    for _ = 1, 1100 do out:write(piece) end
    out:write '0],"records":[{"a":1}]}'
    out:close()
    assert.are.same({ '{"a":1}' }, read(path))
    os.remove(path)
  end)
end)

-- --- mapping ---

describe("a mapping", function()
  local files = {
    csv = file("id,name,x\n1,a,true\n2,b,false\n"),
    jsonl = file('{"id":1,"name":"a","x":true}\n{"id":2,"name":"b","x":false}\n', ".jsonl"),
    json = file('[{"id":1,"name":"a","x":true},{"id":2,"name":"b","x":false}]', ".json"),
  }
  -- The texts of the records, members in their order.
  local function texts(path, options)
    local source, message = core.source(path, options)
    if not source then return { (message:gsub("^[^,: ]+", "FILE")) } end
    local records, count = source:read(10, 10000)
    local list = {}
    for i = 1, count or 0 do list[i] = records:record(i) end
    source:close()
    return list
  end
  local cases = {
    { "other names", { rename = { id = "key", x = "id" } }, '{"key":1,"name":"a","id":true}' },
    { "a choice", { columns = { "x", "id" } }, '{"x":true,"id":1}' },
    { "constants", { set = { source = "n", b = { 1 }, name = json.null } },
      '{"id":1,"name":null,"x":true,"b":[1],"source":"n"}' },
    { "all of them", { rename = { id = "key" }, columns = { "s", "key" }, set = { s = 1, t = true } },
      '{"s":1,"key":1,"t":true}' },
  }
  for _, case in ipairs(cases) do
    for format, path in pairs(files) do
      it(("gives the same for every format: %s, %s"):format(case[1], format), function()
        assert.are.equal(case[3], texts(path, case[2])[1])
      end)
    end
  end

  it("names the columns that there are", function()
    assert.are.same({ 'FILE, line 1: column "y" is chosen, but the file does not have it: there are "key",'
      .. ' "name", "x"' },
      texts(files.csv, { rename = { id = "key" }, columns = { "y" } }))
    assert.are.same({ 'FILE, line 1: column "y" is renamed, but the file does not have it: there are "id",'
      .. ' "name", "x"' },
      texts(files.csv, { rename = { y = "z" } }))
    assert.are.same({ 'FILE: columns: no record has a member "y"; there are "id", "name", "x"' },
      texts(files.json, { columns = { "y" } }))
    assert.are.same({ 'FILE, line 1: column "name" is there twice: rename gives its name to another' },
      texts(files.csv, { rename = { id = "name" } }))
    assert.are.same({ 'FILE, line 1: rename: the record has both "id" and "name", which is "name" now' },
      texts(files.jsonl, { rename = { id = "name" } }))
  end)

  it("changes the columns that are told", function()
    assert.are.same({ { name = "x", type = "boolean" }, { name = "key", type = "number" } },
      csv.rows(files.csv, { rename = { id = "key" }, columns = { "x", "key" } }):columns())
  end)
end)

-- --- expectations ---

describe("expectations", function()
  local rows = { csv = "id,name\n1,a\n2,\n1,c\n,d\n",
    jsonl = '{"id":1,"name":"a"}\n{"id":2}\n{"id":1,"name":"c"}\n{"id":null,"name":"d"}\n' }
  for format, content in pairs(rows) do
    local path = file(content, "." .. format)
    local first = format == "csv" and 2 or 1
    it("name the first faults, in " .. format, function()
      assert.are.equal(("FILE, line %d: column \"name\" has no value (expect.required); line %d: column \"id\" repeats"
        .. " the value of line %d; line %d: column \"id\" has no value"):format(first + 1, first + 2, first, first + 3),
        first_of(path, { expect = { required = { "id", "name" }, unique = { "id" } } }))
    end)
    it("count, in " .. format, function()
      assert.are.equal("FILE: 4 records, but expect.min_records is 5",
        first_of(path, { expect = { min_records = 5 } }))
      assert.are.equal(4, #read(path, {
        expect = { min_records = 4, unique = { "name" }, columns = { "id", "name" } } }))
    end)
    it("know the columns, in " .. format, function()
      assert.is_truthy(first_of(path, { expect = { columns = { "id" } } }):find('"name" is not expected', 1, true))
      assert.is_truthy(first_of(path, { expect = { columns = { "id", "name", "x" } } })
        :find('expect.columns: there is no column "x"; there are "id", "name"', 1, true))
      assert.are.equal(4, #read(path, { columns = { "id" }, expect = { columns = { "id" } } }))
    end)
  end
end)

-- --- several files ---

describe("several files", function()
  local one, two = file "a,b\n1,x\n", file "a,b\nz,y\n2,\n"

  it("are one: types are those of all", function()
    assert.are.same({ '{"a":"1","b":"x"}', '{"a":"z","b":"y"}', '{"a":"2","b":null}' }, read { one, two })
  end)

  it("have the same columns", function()
    assert.are.same({ 'FILE, line 1: column 2 is "c", but "b" in the first file: all files of a list have'
      .. ' the same columns' },
      read { one, file "a,c\n1,2\n" })
    assert.are.same({ 'FILE, line 1: column "b" of the first file is not in this one' }, read { one, file "a\n1\n" })
    assert.are.same({ 'FILE, line 1: column "c" is not in the first file' }, read { one, file "a,b,c\n1,2,3\n" })
    -- Also where no type has to be found out.
    assert.are.same({ 'FILE, line 1: column "b" of the first file is not in this one' },
      read({ one, file "a\n1\n" }, { types = "text" }))
  end)

  it("are named in messages", function()
    local rows = csv.rows({ one, file "a,b\n1\n" })
    local _, message = rows:next()
    assert.is_nil(message:find(one, 1, true))
    local _, missing = csv.rows({ one, "missing.csv" }):next()
    assert.are.equal("missing.csv: cannot open the file: No such file or directory", missing)
  end)

  it("are unique over all of them", function()
    local _, message = csv.rows({ one, file "a,b\n1,x\n" }, { expect = { unique = { "a" } } }):next()
    assert.is_truthy(message:find('line 2: column "a" repeats the value of ' .. one .. ", line 2", 1, true), message)
  end)

  it("are of one format", function()
    local good, message = pcall(csv.rows, { "a.csv", "b.json" })
    assert.is_false(good)
    assert.is_truthy(message:find("format: a.csv and b.json have not the same by their names", 1, true))
    assert.is_false(pcall(csv.rows, {}))
  end)
end)

-- --- compressed files ---

describe("a compressed file", function()
  local folder

  setup(function()
    folder = system.folder()
    system.write(folder .. "/a.csv", "id,name\n" .. ("1,some text that repeats\n"):rep(1000))
    system.write(folder .. "/b.csv", "id\n1\n")
    local _, status = system.shell(("cd %s && gzip -k a.csv && zstd -q a.csv && xz -k a.csv && bzip2 -k"
      .. " a.csv && zip -q a.zip a.csv"
      .. " && zip -q two.zip a.csv b.csv && zip -q none.zip -i nothing a.csv; mkdir in; cp b.csv in; zip -qr in.zip in"):format(folder))
    assert.are.equal(0, status)
  end)

  local function broken(name, change)
    local path = folder .. "/broken-" .. name
    system.write(path, change(assert(system.read(folder .. "/" .. name))))
    local rows = csv.rows(path, { format = "csv" })
    local row, message = rows:next()
    assert.is_nil(row)
    return (tostring(message):gsub("^[^,: ]+", "FILE"))
  end

  it("that is cut off is refused before any record", function()
    for _, name in ipairs { "a.csv.gz", "a.csv.zst", "a.csv.xz", "a.csv.bz2", "a.zip" } do
      for _, part in ipairs { 0.3, 0.7, 0.98 } do
        local message = broken(name, function(text) return text:sub(1, math.floor(#text * part)) end)
        assert.is_truthy(message:find "^FILE", name .. ": " .. message)
      end
    end
    assert.are.equal("FILE, line 1002: the gzip file is cut off",
      broken("a.csv.gz", function(text) return text:sub(1, -2) end))
  end)

  it("of another size or checksum than it says is refused", function()
    assert.is_truthy(broken("a.csv.gz", function(text) return text:sub(1, -5) .. "\1\2\0\0" end)
      :find("broken gzip data: incorrect length check", 1, true))
    assert.is_truthy(broken("a.csv.gz", function(text) return text:sub(1, -9) .. "\1\2\3\4" .. text:sub(-4) end)
      :find("broken gzip data: incorrect data check", 1, true))
    -- The size in the directory of the zip, and the one before the file: so many bytes after their signatures.
    local function resize(text, signature, offset)
      local at = text:find(signature, 1, true)
      return text:sub(1, at + offset - 1) .. "\1\2\0\0" .. text:sub(at + offset + 4)
    end
    for _, both in ipairs { false, true } do
      local message = broken("a.zip", function(text)
        text = resize(text, "PK\1\2", 24)
        return both and resize(text, "PK\3\4", 22) or text
      end)
      assert.is_truthy(message:find("broken zip data", 1, true), message)
      assert.is_nil(message:find "[\r\n]", message)
    end
  end)

  it("that is not what its name says is refused", function()
    local plain = system.read(folder .. "/b.csv")
    for _, name in ipairs { "a.csv.gz", "a.csv.zst", "a.csv.xz", "a.csv.bz2", "a.zip" } do
      local message = broken(name, function() return plain end)
      assert.is_truthy(message:find "broken" or message:find "not compressed as its name says", message)
    end
  end)

  it("is a zip of one file, named inside", function()
    assert.are.equal(1000, #read(folder .. "/a.zip"))
    assert.are.equal(1, #read(folder .. "/in.zip"))
    local message = select(2, csv.rows(folder .. "/two.zip"):next())
    assert.is_truthy(message:find('there is more than one file in the zip ("a.csv" and others)', 1, true), message)
  end)

  it("may have several members, one after another", function()
    for _, ending in ipairs { ".gz", ".zst", ".xz", ".bz2" } do
      local one = assert(system.read(folder .. "/a.csv" .. ending))
      local list = read(file(one .. one, ".csv" .. ending), { types = "text" })
      assert.are.equal(2001, #list, ending)
      assert.are.equal('{"id":"id","name":"name"}', list[1001])
    end
  end)

  it("is checked to its end before the first record, where its records need no pass before", function()
    local lines = {}
    for n = 1, 5000 do lines[n] = ('{"n":%d,"t":"text %d"}'):format(n, n * 7919 % 10007) end
    system.write(folder .. "/lines.jsonl", table.concat(lines, "\n") .. "\n")
    assert.are.equal(0, select(2, system.shell(("cd %s && gzip lines.jsonl"):format(folder))))
    local whole = system.read(folder .. "/lines.jsonl.gz")
    assert.are.same(lines, read(folder .. "/lines.jsonl.gz"))
    for _, length in ipairs { #whole - 1, math.floor(#whole / 2) } do
      assert.matches("^FILE, line %d+: the gzip file is cut off$", first_of(file(whole:sub(1, length), ".jsonl.gz")))
    end
    local text = system.read(folder .. "/a.csv.gz")
    assert.are.equal(1000, #read(folder .. "/a.csv.gz", { types = "text" }))
    assert.are.equal("FILE, line 1002: the gzip file is cut off",
      first_of(file(text:sub(1, -2), ".csv.gz"), { types = { id = "number", name = "text" } }))
    assert.are.equal('FILE, line 5001: the byte 0x81 is no character of the encoding "windows-1252"',
      first_of(file(table.concat(lines, "\n") .. '\n"\129"', ".jsonl"), { encoding = "windows-1252" }))
    assert.are.same({ '{"a":"\197\184"}', '{"a":"x"}' },
      read(file('{"a":"\159"}\n{"a":"x"}', ".jsonl"), { encoding = "windows-1252" }))
  end)

  it("is told", function()
    assert.are.equal(".gz", csv.rows(folder .. "/a.csv.gz"):dialect().compression)
    assert.are.equal("csv", csv.rows(folder .. "/a.zip"):dialect().format)
  end)

  it("says what is missing where its module was not built", function()
    local script = file([[
      package.preload["flarelight.archive_core"] = function() error "module 'flarelight.archive_core' not found:" end
      print((select(2, require "flarelight.csv".rows(arg[1]):next())))
    ]], ".lua")
    local output = system.shell(("%s %s %s/a.csv.gz"):format(system.interpreter, script, folder))
    assert.is_truthy(output:find("reading a .gz file needs the module flarelight.archive_core, which was not built with"
      .. " this flarelight: it needs libarchive (libarchive-dev in Debian)", 1, true), output)
  end)
end)

-- --- an upload of a bad file ---

describe("an upload of a file that cannot be read", function()
  local opened = support.opened(after_each)

  -- A zip that names another size of its file, in its directory and before the file.
  local function resized(text)
    for _, place in ipairs { { "PK\1\2", 24 }, { "PK\3\4", 22 } } do
      local at = text:find(place[1], 1, true) + place[2]
      text = text:sub(1, at - 1) .. "\1\2\0\0" .. text:sub(at + 4)
    end
    return text
  end

  it("sends nothing, and says what is wrong and where", function()
    local sandbox, api = opened.service()
    local folder, lines = system.folder(), { "id,name" }
    for n = 1, 12000 do lines[n + 1] = ("%d,text %d"):format(n, n * 7919 % 10007) end
    system.write(folder .. "/a.csv", table.concat(lines, "\n") .. "\n")
    system.write(folder .. "/b.csv", "id,other\n1,2\n")
    assert.are.equal(0, select(2, system.shell(("cd %s && gzip -k a.csv && zip -q one.zip a.csv && "
      .. "zip -q two.zip a.csv b.csv"):format(folder))))
    local gzip = system.read(folder .. "/a.csv.gz")
    local given = { id = "number", name = "text" }
    for _, case in ipairs {
      { { file = file(gzip:sub(1, -20), ".csv.gz") }, "line %d+: the gzip file is cut off", true },
      { { file = file(gzip:sub(1, -20), ".csv.gz"), types = given }, "line %d+: the gzip file is cut off", true },
      { { file = file(gzip:sub(1, -20), ".csv.gz"), types = "text" }, "line %d+: the gzip file is cut off", true },
      { { file = { folder .. "/a.csv", file(gzip:sub(1, -20), ".csv.gz") }, types = given }, "line %d+: the gzip file" },
      { { file = folder .. "/two.zip" }, 'there is more than one file in the zip %("a.csv" and others%)' },
      { { file = file(resized(system.read(folder .. "/one.zip")), ".csv.zip") }, "broken zip data: [^\r\n]+$" },
      { { file = file("a\nx\n\129\n"), encoding = "windows-1252" }, 'line 3: the byte 0x81 is no character of' },
      { { file = file('{"a":"x"}\n{"a":"\129"}\n', ".jsonl"), encoding = "windows-1252" }, "line 2: the byte 0x81" },
      { { file = file('{"a":{"b":[]}}', ".json"), at = "/x" }, 'line 1: at = "/x" points at nothing; .* at = "/a/b"' },
      { { file = { folder .. "/a.csv", folder .. "/b.csv" } }, 'b.csv, line 1: column 2 is "other", but "name"' },
      { { file = folder .. "/a.csv", encoding = "nonsense" }, 'encoding: "nonsense" is none that iconv knows' },
    } do
      case[1].name, case[1].batch_records = "n", 100
      local ran, result, message, err = pcall(api.imports.upload, api.imports, case[1])
      if ran then
        assert.is_nil(result)
        assert.are.same({ "io", "not_sent" }, { err.kind, err.fate }, message)
        if case[3] then assert.is_true(err.line > 1) end
      end
      assert.matches(case[2], ran and message or result)
      assert.are.equal(0, #sandbox:requests(), message)
    end
  end)
end)
