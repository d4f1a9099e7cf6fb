local core = require "flarelight.core"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

local interpreter, read_file, shell = system.interpreter, system.read, system.shell

describe("imports:export", function()
  local opened = support.opened(after_each)
  local sandbox, api, base

  local function open(options, client_options) sandbox, api = opened.service(options, client_options) end

  local function path_of(ending) return base .. ending end
  local function write(ending, text) return system.write(path_of(ending), text) end

  -- An import of rows as they are written: JSON lines.
  local function import(lines)
    return assert(api.imports:upload { file = write("-source.jsonl", lines), name = "spec" }).id
  end

  local function to_string(id, options)
    local pieces, given = {}, {}
    for name, value in pairs(options or {}) do given[name] = value end
    given.to = function(text) pieces[#pieces + 1] = text end
    local result, message, err = api.imports:export(id, given)
    return table.concat(pieces), result, message, err
  end

  local function numbers(first, last)
    local lines = { "n" }
    for n = first, last do lines[#lines + 1] = tostring(n) end
    return table.concat(lines, "\r\n") .. "\r\n"
  end

  -- Runs Lua code in a process of its own, with `api` made for the sandbox; what it prints.
  local function run(code)
    local script = write("-child.lua", ([[
      local flarelight = require "flarelight"
      local api_key, subscription_id, base_url = %q, %q, %q
      local api = assert(flarelight.new { api_key = api_key, subscription_id = subscription_id, base_url = base_url })
      local path = %q
      %s
    ]]):format(sandbox.api_key, sandbox.subscription_id, sandbox.url, base .. ".csv", code))
    return shell(interpreter .. " " .. script .. " 2>&1")
  end

  before_each(function() base = system.path() end)

  local texts = {
    { "CSV", "csv", '{"b":1.50,"a":"x,y"}\n{"c":[1, {}],"a":null,"b":12345678901234567890}\n{"a":""}\n',
      'b,a,c\r\n1.50,"x,y",\r\n12345678901234567890,,"[1,{}]"\r\n,"",\r\n' },
    { "JSON lines", "jsonl", '{"b":1.50,"a":"x,y"}\n{"c":[1, {}],"a":null,"b":12345678901234567890}\n{"a":"\\n"}\n',
      '{"b":1.50,"a":"x,y"}\n{"c":[1,{}],"a":null,"b":12345678901234567890}\n{"a":"\\n"}\n' },
    { "chosen columns as CSV", "csv", '{"a":1,"b":2}\n{"c":3,"b":4}\n', "b,a\r\n2,1\r\n4,\r\n", { "b", "a" } },
    { "chosen columns as JSON lines", "jsonl", '{"a":1,"b":2}\n{"c":3,"b":4}\n', '{"b":2,"a":1}\n{"b":4}\n', { "b", "a" } },
  }
  local broken = {
    { "start is ignored", { start_mode = "ignored" } }, { "start is clamped", { start_mode = "clamped" } },
    { "start is repeated", { start_mode = "repeated" } }, { "start is shuffled", { start_mode = "shuffled" } },
    { "the order is shuffled", { row_order = "shuffled" } }, { "the order alternates", { row_order = "alternating" } },
  }
  for _, case in ipairs(broken) do
    for _, count in ipairs { 1, 3, 20 } do
      for _, options in ipairs { {}, { page_size = 4 } } do
        it(("ends with each row once or an error, in at most 30 requests, where %s: %d rows, %s a page")
          :format(case[1], count, options.page_size or 5000), function()
          open(case[2])
          local id = support.import(api, count)
          options.format = "jsonl"
          local text, result, _, err = to_string(id, options)
          if err then
            assert.are.equal("protocol", err.kind)
          else
            local found, wanted = {}, {}
            for n in text:gmatch '{"n":(%d+)}\n' do found[#found + 1] = tonumber(n) end
            for n = 0, count - 1 do wanted[n + 1] = n end
            table.sort(found)
            assert.are.same({ wanted, count }, { found, result.rows })
          end
          local asked = #support.requests(sandbox, "imports.data")
          assert.is_true(asked <= 30, asked .. " requests")
        end)
      end
    end
  end

  for _, case in ipairs(texts) do
    it("writes " .. case[1] .. " to a file and to a function", function()
      open()
      local id, path = import(case[3]), path_of("." .. case[2])
      local result = assert(api.imports:export(id, { to = path, columns = case[5] }))
      assert.are.equal(case[4], read_file(path))
      assert.is_nil(read_file(path .. ".part"))
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

  describe("of an import without rows", function()
    local id
    before_each(function()
      open()
      id = support.import(api, 0)
    end)

    it("writes the header where columns are given, and the reader takes the file", function()
      local path = path_of ".csv"
      local result = assert(api.imports:export(id, { to = path, columns = { "a", "b" } }))
      assert.are.equal("a,b\r\n", read_file(path))
      assert.are.equal(0, result.rows)
      assert.are.equal(0, assert(api.imports:upload { file = path, name = "again" }).records)
    end)

    it("writes an empty file of JSON lines, and the reader takes the file", function()
      local path = path_of ".jsonl"
      assert.are.equal(0, assert(api.imports:export(id, { to = path })).rows)
      assert.are.equal("", read_file(path))
      assert.are.equal(0, assert(api.imports:upload { file = path, name = "again" }).records)
    end)

    it("refuses CSV without columns, and leaves what was there", function()
      local path = write(".csv", "kept")
      local result, message, err = api.imports:export(id, { to = path })
      assert.is_nil(result)
      assert.are.equal("imports:export: there are no rows to take the columns of CSV from: give columns", message)
      assert.are.equal("conflict", err.kind)
      assert.are.equal("kept", read_file(path))
      assert.is_nil(read_file(path .. ".part"))
    end)

    it("gives a function nothing, or the header where columns are given", function()
      local text, result = to_string(id)
      assert.are.same({ "", 0, {} }, { text, result.rows, result.columns })
      assert.are.equal("", (to_string(id, { format = "jsonl", columns = { "a" } })))
      assert.are.equal("a,b\r\n", (to_string(id, { columns = { "a", "b" } })))
      assert.are.equal("n\r\n", (to_string(support.import(api, 3), { columns = { "n" }, limit = 0 })))
    end)
  end)

  it("keeps the part of another process that has no rows yet", function()
    open()
    local path = path_of ".csv"
    local other = core.exporter "csv"
    assert(other:open(path))
    assert.are.equal(path .. ".part: another process writes it", run [[
      print((select(2, api.imports:export(1, { to = path })):gsub("^imports:export: ", "")))
    ]]:gsub("%s+$", ""))
    assert.are.equal("", read_file(path .. ".part"))
    other:close()
    assert.is_nil(read_file(path .. ".part"))
  end)

  it("takes the format from the file's name", function()
    open()
    local id = import '{"a":1}\n'
    local csv, jsonl = "a\r\n1\r\n", '{"a":1}\n'
    for ending, text in pairs { [".csv"] = csv, [".CSV"] = csv, [".jsonl"] = jsonl, [".ndjson"] = jsonl, [""] = csv } do
      local path = path_of(ending)
      assert(api.imports:export(id, { to = path }))
      assert.are.equal(text, read_file(path))
    end
    assert(api.imports:export(id, { to = path_of ".json", format = "jsonl" }))
    assert.are.equal(jsonl, read_file(base .. ".json"))
  end)

  it("writes TSV, other delimiters, a byte order mark, and formulas as texts", function()
    open()
    local id = import '{"=n":"=1+2","t":"a;b,c","v":-1}\n{"=n":"@x \\"y\\"","t":"+","v":2}\n'
    assert(api.imports:export(id, { to = path_of ".tsv" }))
    assert.are.equal('=n\tt\tv\r\n=1+2\ta;b,c\t-1\r\n"@x ""y"""\t+\t2\r\n', read_file(base .. ".tsv"))
    local given = { to = path_of ".csv", delimiter = ";", bom = true, escape_formulas = true }
    assert(api.imports:export(id, given))
    local text = '\239\187\191\'=n;t;v\r\n\'=1+2;"a;b,c";-1\r\n"\'@x ""y""";\'+;2\r\n'
    assert.are.equal(text, read_file(base .. ".csv"))
    write(".csv.part", text:sub(1, -5))
    given.resume = true
    assert(api.imports:export(id, given))
    assert.are.equal(text, read_file(base .. ".csv"))
  end)

  it("writes a JSON array, which is uploaded as the same rows and resumed at each byte", function()
    open()
    local id, path = import '{"a":1}\n{"a":"]"}\n{"b":[1,{}]}\n', path_of ".json"
    local text = '[\n{"a":1},\n{"a":"]"},\n{"b":[1,{}]}\n]\n'
    assert.are.equal(3, assert(api.imports:export(id, { to = path, page_size = 2 })).rows)
    assert.are.equal(text, read_file(path))
    local again = assert(api.imports:upload { file = path, name = "again" }).id
    assert.are.equal(text, (to_string(again, { format = "json" })))
    assert.are.equal("[]\n", (to_string(support.import(api, 0), { format = "json" })))
    for length = 0, #text do
      write(".json.part", text:sub(1, length))
      assert(api.imports:export(id, { to = path, resume = true }))
      assert.are.equal(text, read_file(path), length)
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
    assert.are.equal(whole, read_file(base .. ".csv"))
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
    assert.are.equal(#read_file(path), result.bytes)
    assert.is_nil(read_file(path .. ".part"))
    if select(2, shell "command -v sqlite3") == 0 then
      assert.are.equal('CREATE TABLE "spec" ("i" INTEGER, "f" REAL, "t" TEXT, "b" BOOLEAN, "n", "m")\n'
        .. "9007199254740993|1.5|12|1||1\n2|3.0|x|0||1\n",
        (shell(("sqlite3 %s 'SELECT sql FROM sqlite_master; SELECT * FROM spec'"):format(path))))
    end
    local _, message, err = api.imports:export(import '{"a":1,"A":2}\n', { to = path_of ".sqlite", table = "x" })
    assert.are.equal("conflict", err.kind)
    assert.is_truthy(message:find("duplicate column", 1, true), message)
    assert.is_nil(read_file(path .. ".part"))
  end)

  it("names the table after the import, however its id is written", function()
    open()
    local id, path = import '{"a":1}\n', path_of ".sqlite"
    for _, same in ipairs { id, tostring(id), id + 0.0, flarelight.json.integer(tostring(id)) } do
      assert(api.imports:export(same, { to = path }))
      assert.is_truthy(read_file(path):find('CREATE TABLE "spec"', 1, true), tostring(same))
    end
  end)

  -- --- compressed files, and what is written is read back ---

  local COMPRESSIONS = { "", ".gz", ".zst", ".xz", ".bz2", ".zip" }
  -- Values that a careless writer or reader would change.
  local nasty = {
    [["t":"say \"hi\"","n":12345678901234567890,"f":-0.5]], [["t":"a,b;c\td|e","n":-9007199254740993,"f":1e-7]],
    [["t":"two\nlines","n":0,"f":-0.0]], [["t":"CR LF\r\n","n":1,"f":1.50]], [["t":"","n":null,"f":null]],
    [["t":null,"n":2,"f":100000000000000000000.25]], [["t":"=1+1","n":3,"f":0.1]], [["t":"+a","n":4,"f":3]],
    [["t":"@x\t","n":5,"f":2.5]], [["t":" leading and trailing ","n":6,"f":7]], [["t":"gül ☃ 😀","n":7,"f":8]],
    [["t":"NULL","n":8,"f":9]], [["t":"true","n":9,"f":1]], [["t":"007","n":10,"f":1]],
    [["t":"\ufeffmark","n":11,"f":1]], [["t":"'","n":12,"f":1]], [["t":"\\N \\\"","n":13,"f":1]],
  }
  local types = { t = "text", n = "number", f = "number" }

  local function nasty_import()
    local lines = {}
    for place, line in ipairs(nasty) do lines[place] = ('{"b":%s,%s}\n'):format(tostring(place % 2 == 0), line) end
    return import(table.concat(lines))
  end

  -- Uploads a file that was exported, and compares it with both imports.
  local function check_round(id, path, options)
    options = options or {}
    if path:find "%.[ct]sv" then options.types = types end
    local again = assert(api.imports:upload(support.with(options, { file = path, name = "again" }))).id
    for _, each in ipairs { id, again } do
      local result = assert(api.imports:compare(each, support.with(options, { file = path })))
      assert.are.same({ true, #nasty, #nasty, nil },
        { result.equal, result.rows, result.records, result.first_difference }, path)
    end
  end

  for _, ending in ipairs { ".csv", ".tsv", ".jsonl", ".ndjson", ".json" } do
    it("what it writes is uploaded, and is equal to both imports, in each compression: " .. ending, function()
      open()
      local id = nasty_import()
      local plain
      for _, compression in ipairs(COMPRESSIONS) do
        local path = path_of(ending .. compression)
        local result = assert(api.imports:export(id, { to = path, page_size = 5 }))
        local text = read_file(path)
        assert.are.same({ #nasty, #text, #nasty }, { result.rows, result.bytes, result.position })
        assert.is_nil(read_file(path .. ".part"))
        plain = plain or text
        if compression ~= "" then assert.are_not.equal(plain, text) end
        check_round(id, path)
      end
    end)
  end

  for _, case in ipairs {
    { ".csv", { bom = true } }, { ".tsv", { bom = true } }, { ".csv", { delimiter = ";" } },
    { ".csv", { delimiter = "|", bom = true } }, { ".tsv.gz", { bom = true } },
  } do
    it(("reads back what it writes: %s, delimiter %s, mark %s"):format(case[1], tostring(case[2].delimiter),
      tostring(case[2].bom)), function()
      open()
      local id, path = nasty_import(), path_of(case[1])
      assert(api.imports:export(id, support.with(case[2], { to = path })))
      check_round(id, path, { delimiter = case[2].delimiter })
    end)
  end

  it("writes files that the usual programs decompress, and a zip with one file of its name", function()
    open()
    local id, folder = support.import(api, 2000), system.folder()
    local programs = {
      [".gz"] = "gzip -dc", [".zst"] = "zstd -qdc", [".xz"] = "xz -dc", [".bz2"] = "bzip2 -dc", [".zip"] = "unzip -p",
    }
    for compression, program in pairs(programs) do
      for _, ending in ipairs { ".csv", ".sqlite" } do
        local path = folder .. "/x" .. ending .. compression
        local result = assert(api.imports:export(id, { to = path, format = ending:sub(2), page_size = 500 }))
        assert.are.equal(#read_file(path), result.bytes)
        local text = shell(program .. " " .. path)
        if ending == ".csv" then assert.are.equal(numbers(0, 1999), text)
        else assert.are.equal("SQLite format 3\0", text:sub(1, 16)) end
      end
    end
    assert.are.equal("x.csv\n", (shell("unzip -Z1 " .. folder .. "/x.csv.zip")))
    assert(api.imports:export(id, { to = folder .. "/y.zip", format = "tsv" }))
    assert.are.equal("y.tsv\n", (shell("unzip -Z1 " .. folder .. "/y.zip")))
    assert.are.equal(2000, assert(api.imports:compare(id, { file = folder .. "/y.zip" })).records)
    local left = shell("ls -A " .. folder .. " | grep -v '^[xy][.]'") .. shell("ls " .. folder .. " | grep 'part$\\|packed$'")
    assert.are.equal("", left)
  end)

  it("leaves no compressed part after an error, and what was there stays", function()
    open()
    local id = support.import(api, 30)
    for _, ending in ipairs { ".csv.gz", ".json.zst", ".sqlite.xz", ".tsv.zip" } do
      local path = write(ending, "kept")
      local result, _, err = api.imports:export(id, { to = path, page_size = 10, where = function(row)
        if row.n == 25 then return nil, "a reason" end
        return true
      end })
      assert.is_nil(result)
      assert.are.same({ "io", "kept", 25 }, { err.kind, read_file(path), err.progress.rows })
      for _, rest in ipairs { ".part", ".packed" } do assert.is_nil(read_file(path .. rest)) end
    end
  end)

  it("says where a compressed file cannot be written", function()
    open()
    support.import(api, 20000)
    run "" -- makes the script
    local script = read_file(base .. "-child.lua")
    for _, ending in ipairs { ".csv.gz", ".sqlite.gz" } do
      write("-child.lua", script .. ([[
        local to = path:gsub("%%.csv$", %q)
        local _, message, err = api.imports:export(1, { to = to, page_size = 5000 })
        print(err.kind, message)
      ]]):format(ending))
      local said = shell(("trap '' XFSZ; ulimit -f 20; exec %s %s-child.lua 2>&1"):format(interpreter, base))
      assert.is_truthy(said:find("io\timports:export: " .. base .. ending, 1, true), said)
      assert.is_truthy(said:find(ending == ".csv.gz" and "File too large" or "disk I/O error", 1, true), said)
      for _, rest in ipairs { "", ".part", ".packed" } do assert.is_nil(read_file(base .. ending .. rest)) end
    end
  end)

  it("says what is missing where the module of compressed files was not built", function()
    open()
    support.import(api, 3)
    local said = run [[
      package.preload["flarelight.archive_core"] = function() error "not there" end
      local _, message, err = api.imports:export(1, { to = path .. ".gz" })
      print(err.kind, message)
    ]]
    assert.is_truthy(said:find("io\timports:export: " .. base .. ".csv.gz: writing a .gz file needs the module "
      .. "flarelight.archive_core", 1, true), said)
    assert.is_nil(read_file(base .. ".csv.gz.part"))
  end)

  it("compresses in a task beside others, and can be cancelled", function()
    open()
    local id = support.import(api, 3000)
    local pages, others = 0, {}
    local task = api:spawn(function()
      return api.imports:export(id, {
        to = path_of ".csv.xz", page_size = 100, on_progress = function() pages = pages + 1 end,
      })
    end)
    local other = api:spawn(function()
      for i = 1, 3 do
        assert(api.imports:all())
        others[i] = pages
      end
    end)
    other:result()
    assert.are.equal(3000, task:result().rows)
    assert.is_true(others[1] < 30)
    assert.is_true(assert(api.imports:compare(id, { file = path_of ".csv.xz" })).equal)
    task = api:spawn(function()
      return api.imports:export(id, {
        to = path_of ".json.bz2", page_size = 100, on_progress = function() task:cancel() end,
      })
    end)
    local result, _, err = task:result()
    assert.is_nil(result)
    assert.are.equal("cancelled", err.kind)
    assert.is_nil(read_file(base .. ".json.bz2.part"))
  end)

  describe("continued", function()
    for _, ending in ipairs { ".csv", ".jsonl", ".json" } do
      it("appends the rows that came since, and nothing but them: " .. ending, function()
        open({ update = "append" }, { state = path_of ".db" })
        local id = support.import(api, 5)
        local given = { to = path_of(ending), continue = true }
        assert.are.equal(5, assert(api.imports:export(id, given)).rows)
        assert.are.equal(5, assert(api.imports:export(id, given)).rows)
        assert(api.imports:import { id = id, records = { { n = 5 }, { n = 6 } } })
        local result = assert(api.imports:export(id, given))
        local text = read_file(given.to)
        assert.are.same({ 7, 7, #text }, { result.rows, result.position, result.bytes })
        assert.are.equal((to_string(id, { format = ending:sub(2) })), text)
        given.start = 1
        local _, _, err = api.imports:export(id, given)
        assert.are.equal("conflict", err.kind)
        given.start = nil
        system.write(given.to, text .. "7\r\n")
        assert.are.equal("conflict", (select(3, api.imports:export(id, given))).kind)
      end)
    end

    -- The file is what an export of all rows gives, without a part, and continuing again adds nothing.
    local function check_whole(id, given, rows)
      local again = support.with(given, {})
      again.to, again.continue = nil, nil
      again.format = given.to:match "%.(%l+)$"
      assert.are.equal((to_string(id, again)), read_file(given.to))
      assert.is_nil(read_file(given.to .. ".part"))
      assert.are.equal(rows, assert(api.imports:export(id, given)).rows)
    end

    for _, ending in ipairs { ".csv", ".jsonl", ".json" } do
      it("appends what where keeps: " .. ending, function()
        open({ update = "append" }, { state = path_of ".db" })
        local id = support.import(api, 6) -- the last row, 5, is kept; the next last rows are not
        local given = { to = path_of(ending), continue = true, where = function(row) return row.n % 2 == 1 end }
        assert.are.equal(3, assert(api.imports:export(id, given)).rows)
        for last = 6, 12, 2 do
          assert(api.imports:import { id = id, records = { { n = last }, { n = last + 1 }, { n = last + 2 } } })
          local rows = 0
          for row in api.imports:rows(id) do rows = rows + row.n % 2 end
          assert.are.equal(rows, assert(api.imports:export(id, given)).rows)
          check_whole(id, given, rows)
        end
      end)
    end

    -- Each: a function of the child's `object`, whose methods write the entries in the state file.
    local deaths = {
      { "before the entry is announced", "local old = object.announce; function object.announce() die() end", false },
      { "after it is announced", "local old = object.announce\n"
        .. "function object.announce(...) old(...) die() end", false },
      { "before it is confirmed, when the file has its name", "function object.confirm() die() end", true },
      { "after it is confirmed", "local old = object.confirm\nfunction object.confirm(...) old(...) die() end", true },
    }
    for _, first in ipairs(deaths) do
      for _, second in ipairs(deaths) do
        it(("appends each row once, killed %s, and again %s"):format(first[1], second[1]), function()
          open({ update = "append" }, { state = path_of ".db" })
          local id = support.import(api, 5)
          local given = { to = path_of ".json", continue = true }
          assert(api.imports:export(id, given))
          local rows = 5
          for _, death in ipairs { first, second } do
            assert(api.imports:import { id = id, records = { { n = rows }, { n = rows + 1 } } })
            local before = read_file(given.to)
            local said = run(([[
              api = assert(flarelight.new { api_key = api_key, subscription_id = subscription_id, base_url = base_url,
                state = %q })
              local continuation = require "flarelight.export.continuation"
              local open = continuation.open
              local function die() os.execute "kill -9 $PPID" end
              function continuation.open(...)
                local object = open(...)
                %s
                return object
              end
              print(api.imports:export(1, { to = %q, continue = true }))
            ]]):format(path_of ".db", death[2], given.to))
            assert.are.equal("", said)
            assert.are.equal(death[3], read_file(given.to) ~= before)
            rows = rows + 2
          end
          assert.are.equal(rows, assert(api.imports:export(id, given)).rows)
          check_whole(id, given, rows)
        end)
      end
    end

    it("needs a state file", function()
      open()
      local _, _, err = api.imports:export(1, { to = path_of ".csv", continue = true })
      assert.are.equal("config", err.kind)
    end)
  end)

  local services = {
    { "a last page that is short", rows = 250 },
    { "a last page that is full", rows = 300 },
    { "no prefetch", rows = 250, prefetch = 0 },
    { "a server that caps count", rows = 1234, page_size = 500, service = { count_cap = 77 } },
    { "rows under records", rows = 250, service = { rows = "records" } },
    { "a 404 past the end", rows = 250, service = { past_end = "404" } },
    { "a start and a limit", rows = 250, start = 30, limit = 150, first = 30, last = 179 },
    { "a start past the middle", rows = 250, start = 249, first = 249, last = 249 },
  }
  for _, case in ipairs(services) do
    it("writes each row once and in order: " .. case[1], function()
      open(case.service)
      local id = support.import(api, case.rows)
      local first, last = case.first or 0, case.last or case.rows - 1
      local text, result = to_string(id, {
        page_size = case.page_size or 100, prefetch = case.prefetch, start = case.start, limit = case.limit,
      })
      assert.are.equal(numbers(first, last), text)
      assert.are.same({ last - first + 1, last + 1 }, { result.rows, result.position })
    end)
  end

  it("gives a function one string a page, and tells how far it is", function()
    open()
    local id, strings, seen = support.import(api, 25), {}, {}
    assert(api.imports:export(id, {
      to = function(text) strings[#strings + 1] = text end, page_size = 10, start = 5,
      on_progress = function(p)
        assert.is_true(p.elapsed >= 0)
        seen[#seen + 1] = ("%d %d %d"):format(p.rows, p.bytes, p.position)
      end,
    }))
    assert.are.equal(2, #strings)
    assert.are.equal(numbers(5, 14), strings[1])
    assert.are.same({ ("10 %d 15"):format(#strings[1]), ("20 %d 25"):format(#strings[1] + #strings[2]) }, seen)
  end)

  it("writes to standard output, after what Lua has printed", function()
    open()
    support.import(api, 3)
    assert.are.equal("first\n" .. numbers(0, 2) .. "last\n", run [[
      io.write "first\n"
      assert(api.imports:export(1, { to = "-" }))
      io.write "last\n"
    ]])
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
      assert.are.equal(case.text, read_file(path .. ".part"))
      assert.is_nil(read_file(path))
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

  it("a failure leaves a part of whole records, which resume goes on with", function()
    for _, ending in ipairs { ".csv", ".jsonl" } do
      open(nil, { max_attempts = 1 })
      local id, path = support.import(api, 300), path_of(ending)
      sandbox:fault { operation = "imports.data", nth = 3, times = 1, kind = "status", status = 500 }
      local result, _, err = api.imports:export(id, { to = path, page_size = 100, prefetch = 0 })
      assert.is_nil(result)
      assert.are.equal("server", err.kind)
      local part = read_file(path .. ".part")
      assert.are.same({ 200, #part, 200 }, { err.progress.rows, err.progress.bytes, err.progress.position })
      -- A record that was torn is cut off.
      local file = assert(io.open(path .. ".part", "ab"))
      file:write(ending == ".csv" and '"20\r\n' or '{"n":2')
      file:close()
      local asked = #support.requests(sandbox, "imports.data")
      result = assert(api.imports:export(id, { to = path, page_size = 100, prefetch = 0, resume = true }))
      local whole = to_string(id, { format = ending:sub(2) })
      assert.are.equal(whole, read_file(path))
      assert.is_nil(read_file(path .. ".part"))
      assert.are.same({ 300, #whole, 300 }, { result.rows, result.bytes, result.position })
      assert.is_truthy(support.requests(sandbox, "imports.data")[asked + 1].query:find("start=200", 1, true))
      api:close()
      sandbox:stop()
    end
  end)

  it("resumes after its process was killed", function()
    open()
    local id = support.import(api, 500)
    run [[api.imports:export(1, { to = path, page_size = 50, start = 20, on_progress = function(p)
      if p.rows == 100 then os.execute "kill -9 $PPID" end
    end })]]
    local part = read_file(base .. ".csv.part")
    assert.are.equal(numbers(20, 119), part)
    local result = assert(api.imports:export(id, { to = base .. ".csv", start = 20, limit = 470, resume = true }))
    assert.are.equal(numbers(20, 489), read_file(base .. ".csv"))
    assert.are.same({ 470, 490 }, { result.rows, result.position })
  end)

  it("without resume a part is replaced; with it, one that is not there or has no whole record is begun", function()
    open()
    local id, path = support.import(api, 3), base .. ".csv"
    for _, resume in ipairs { false, true } do
      write(".csv.part", resume and "n" or "n\r\n7\r\n8\r\n9\r\n10\r\n11\r\n")
      assert(api.imports:export(id, { to = path, resume = resume }))
      assert.are.equal(numbers(0, 2), read_file(path))
    end
    write(".csv", "an older file")
    assert(api.imports:export(id, { to = path, resume = true }))
    assert.are.equal(numbers(0, 2), read_file(path))
  end)

  it("a part has its columns from its header, and new ones are an error still", function()
    open()
    local id = import '{"a":1,"b":"x"}\n{"b":"y","a":2}\n{"a":3,"c":1}\n'
    write(".csv.part", 'b,a\r\n"x\r\n",1\r\n')
    local _, message, err = api.imports:export(id, { to = base .. ".csv", resume = true })
    assert.are.equal("conflict", err.kind)
    assert.is_truthy(message:find('row 2 has new columns: "c"', 1, true), message)
    assert.are.equal('b,a\r\n"x\r\n",1\r\ny,2\r\n', read_file(base .. ".csv.part"))
    assert(api.imports:export(id, { to = base .. ".csv", resume = true, columns = { "b", "a" } }))
    assert.are.equal('b,a\r\n"x\r\n",1\r\ny,2\r\n,3\r\n', read_file(base .. ".csv"))
  end)

  local strangers = {
    { "other columns", "a,b\r\n1,2\r\n", { columns = { "b", "a" } }, "does not begin with these columns" },
    { "more columns", "a,b\r\n1,2\r\n", { columns = { "a" } }, "does not begin with these columns" },
    { "a name twice", "a,a\r\n1,2\r\n", {}, "does not begin with these columns" },
    { "more rows than limit", "n\r\n1\r\n2\r\n", { limit = 1 }, "holds 2 rows, more than limit" },
  }
  for _, case in ipairs(strangers) do
    it("does not go on with a part that is another's: " .. case[1], function()
      open()
      write(".csv.part", case[2])
      case[3].to, case[3].resume = base .. ".csv", true
      local _, message, err = api.imports:export(support.import(api, 3), case[3])
      assert.are.equal("conflict", err.kind)
      assert.is_truthy(message:find(case[4], 1, true), message)
      assert.are.equal(case[2], read_file(base .. ".csv.part"))
    end)
  end

  it("two processes do not write one file", function()
    open()
    support.import(api, 3)
    local holder = core.exporter "csv"
    assert(holder:open(base .. ".csv"))
    local said = run [[
      local _, message, err = api.imports:export(1, { to = path })
      print(err.kind, message)
    ]]
    assert.is_truthy(said:find "^conflict%s+imports:export: .*%.part: another process writes it", said)
    holder:close()
    assert.are.equal("3\n", run "print(assert(api.imports:export(1, { to = path })).rows)")
  end)

  describe("tells in the system's words why a file cannot be written:", function()
    local cases = {
      { "no such folder", function() return base .. "-none/x.csv" end, "No such file or directory" },
      { "a folder", function() return "/tmp" end, "Is a directory" },
      { "a part that is a link", function()
        os.execute(("ln -s /dev/null %s.csv.part"):format(base))
        return base .. ".csv"
      end, "symbolic link" },
      { "a part that is a pipe", function()
        os.execute(("mkfifo %s.csv.part"):format(base))
        return base .. ".csv"
      end, "is no regular file" },
    }
    if io.open("/dev/full", "rb") then
      cases[#cases + 1] = { "a full disk", function() return "/dev/full" end, "No space left on device" }
    end
    for _, case in ipairs(cases) do
      it(case[1], function()
        open()
        local id, path = support.import(api, 3), case[2]()
        local result, message, err = api.imports:export(id, { to = path, format = "csv" })
        assert.is_nil(result)
        assert.are.equal("io", err.kind)
        assert.is_truthy(message:find("imports:export: " .. path, 1, true), message)
        assert.is_truthy(message:find(case[3], 1, true), message)
        assert.are.same({ 0, 0, 0 }, { err.progress.rows, err.progress.bytes, err.progress.position })
      end)
    end
  end)

  it("a file larger than the limit leaves a part of whole records", function()
    open()
    support.import(api, 3000)
    run "" -- makes the script
    local script = read_file(base .. "-child.lua")
    write("-child.lua", script .. [[
      local _, _, err = api.imports:export(1, { to = path, page_size = 500 })
      print(err.kind, err.progress.rows, err.progress.bytes)
    ]])
    -- 8 blocks of 512 bytes; without SIGXFSZ the write itself says so.
    local said = shell(("trap '' XFSZ; ulimit -f 8; exec %s %s-child.lua 2>&1"):format(interpreter, base))
    local part = read_file(base .. ".csv.part")
    assert.are.equal(("io\t500\t%d\n"):format(#part), said)
    assert.are.equal(numbers(0, 499), part)
  end)

  it("writes to what is no regular file as it is", function()
    open()
    local id = support.import(api, 3)
    assert(api.imports:export(id, { to = "/dev/null" }))
    assert.is_nil(read_file "/dev/null.part")
    local pipe = base .. "-pipe"
    os.execute(("mkfifo %s; cat %s > %s &"):format(pipe, pipe, path_of ".copy"))
    assert(api.imports:export(id, { to = pipe, format = "csv" }))
    while #(read_file(base .. ".copy") or "") < #numbers(0, 2) do os.execute "sleep 0.01" end
    assert.are.equal(numbers(0, 2), read_file(base .. ".copy"))
    local _, _, err = api.imports:export(id, { to = "/dev/null", resume = true })
    assert.are.equal("io", err.kind)
  end)

  it("what a function raises goes through", function()
    open()
    local id, mark = support.import(api, 300), {}
    local raised, value = pcall(api.imports.export, api.imports, id, { to = function() error(mark) end })
    assert.is_false(raised)
    assert.are.equal(mark, value)
    raised, value = pcall(api.imports.export, api.imports, id,
      { to = base .. ".csv", page_size = 100, on_progress = function() error(mark) end })
    assert.is_false(raised)
    assert.are.equal(mark, value)
    assert.are.equal(numbers(0, 99), read_file(base .. ".csv.part"))
    assert.are.equal(300, assert(api.imports:export(id, { to = base .. ".csv", resume = true })).rows)
  end)

  it("asks a key function again after a 401, in the middle too", function()
    for nth = 1, 4 do
      open { keys = { ["other-key"] = {} } }
      local id = support.import(api, 250)
      sandbox:fault { operation = "imports.data", nth = nth, times = 1, kind = "status", status = 401 }
      local keys = { sandbox.api_key, "other-key" }
      local other = support.client(sandbox, { api_key = function() return table.remove(keys, 1) end })
      local pieces = {}
      assert(other.imports:export(id, {
        to = function(text) pieces[#pieces + 1] = text end, page_size = 100, prefetch = 1,
      }))
      other:close()
      assert.are.equal(numbers(0, 249), table.concat(pieces))
      assert.are.equal(0, #keys)
      api:close()
      sandbox:stop()
    end
  end)

  it("does not ask for keys without end", function()
    open()
    local id, asked = support.import(api, 3), 0
    local other = support.client(sandbox, { api_key = function()
      asked = asked + 1
      return "wrong-" .. asked
    end })
    local _, _, err = other.imports:export(id, { to = function() end })
    other:close()
    assert.are.equal("unauthorized", err.kind)
    assert.are.equal(2, asked)
  end)

  it("writes no more than limit where the service gives more than it was asked for", function()
    api = opened.client(opened.raw_server { support.reply("200 OK", '{"data":[{"a":1},{"a":2}]}') })
    local text = to_string(1, { limit = 1, prefetch = 0 })
    assert.are.equal("a\r\n1\r\n", text)
  end)

  it("an import that is not there is an error with progress", function()
    open()
    local result, _, err = api.imports:export(99, { to = function() end })
    assert.is_nil(result)
    assert.are.equal("not_found", err.kind)
    assert.are.equal(0, err.progress.rows)
  end)

  describe("in a task", function()
    it("others run while it waits, and while it writes", function()
      open()
      local id = support.import(api, 1000)
      local pages, others = 0, {}
      local task = api:spawn(function()
        return api.imports:export(id, {
          to = base .. ".csv", page_size = 50, on_progress = function() pages = pages + 1 end,
        })
      end)
      local other = api:spawn(function()
        for i = 1, 3 do
          assert(api.imports:all())
          others[i] = pages
        end
      end)
      other:result()
      assert.are.equal(1000, task:result().rows)
      assert.is_true(others[1] < 20)
      assert.are.equal(numbers(0, 999), read_file(base .. ".csv"))
    end)

    it("gives way between pages when the slice of api:update is spent", function()
      open()
      local id, pages, most = support.import(api, 300), 0, 0
      local task = api:spawn(function()
        return api.imports:export(id, {
          to = function() end, page_size = 10, prefetch = 16, on_progress = function() pages = pages + 1 end,
        })
      end)
      while not task:done() do
        local before = pages
        api:update(0)
        most = math.max(most, pages - before)
      end
      assert.are.equal(300, task:result().rows)
      assert.are.equal(1, most)
    end)

    it("can be cancelled, and leaves its part", function()
      open()
      local id = support.import(api, 300)
      local task
      task = api:spawn(function()
        return api.imports:export(id, {
          to = base .. ".csv", page_size = 100, on_progress = function() task:cancel() end,
        })
      end)
      local result, _, err = task:result()
      assert.is_nil(result)
      assert.are.equal("cancelled", err.kind)
      assert.are.equal(100, err.progress.rows)
      assert.are.equal(numbers(0, 99), read_file(base .. ".csv.part"))
    end)
  end)

  it("ends with kind io where the function it writes to fails, and says how", function()
    open()
    local id = support.import(api, 20)
    local failing = {
      { function() return nil, "No space left on device", 28 end, "No space left on device" },
      { function() return nil, setmetatable({}, { __tostring = function() return "an error" end }) end, "an error" },
      { function() return false end, "it returned false" },
      { function() return false, "closed" end, "closed" },
    }
    for _, case in ipairs(failing) do
      local calls = 0
      local result, message, err = api.imports:export(id, { page_size = 5, to = function()
        calls = calls + 1
        if calls == 2 then return case[1]() end
      end })
      assert.is_nil(result)
      assert.are.same({ "io", "imports:export: to: the function failed: " .. case[2], 2 }, { err.kind, message, calls })
      assert.are.equal(5, err.progress.rows)
    end
    for _, returned in ipairs { 1, true, "", function() end } do
      assert.are.equal(20, assert(api.imports:export(id, { to = function() return returned end })).rows)
    end
    for _, quiet in ipairs { function() end, function() return nil end } do
      assert.are.equal(20, assert(api.imports:export(id, { to = quiet })).rows)
    end
    local full = io.open("/dev/full", "w")
    if not full then return end
    full:setvbuf "no"
    local _, _, err = api.imports:export(id, { to = function(text) return full:write(text) end })
    full:close()
    assert.are.equal("io", err.kind)
  end)

  local misuses = {
    { "no id", function() api.imports:export(nil, { to = "-" }) end, "id: is missing" },
    { "nowhere", function() api.imports:export(1) end, "to: is missing" },
    { "an empty path", function() api.imports:export(1, { to = "" }) end, "export.to" },
    { "a NUL in a path", function() api.imports:export(1, { to = "a\0b" }) end, "export.to" },
    { "a number to write to", function() api.imports:export(1, { to = 1 }) end, "a string or a function" },
    { "an unknown option", function() api.imports:export(1, { to = "-", form = "csv" }) end, "unknown option" },
    { "an unknown format", function() api.imports:export(1, { to = "-", format = "xml" }) end, "export.format" },
    { "a spreadsheet", function() api.imports:export(1, { to = "x.xlsx" }) end, "that ends in .xlsx" },
    { "a compressed file of another format", function() api.imports:export(1, { to = "x.txt.gz" }) end, "that ends in .txt" },
    { "a compressed file resumed", function() api.imports:export(1, { to = "x.csv.gz", resume = true }) end,
      "export.resume: a compressed file (.gz) is written in one go" },
    { "a compressed file continued", function() api.imports:export(1, { to = "x.json.ZIP", continue = true }) end,
      "export.continue: a compressed file (.zip) is written in one go" },
    { "a file of another format", function() api.imports:export(1, { to = "x.txt" }) end, "export.format" },
    { "a delimiter that numbers hold", function() api.imports:export(1, { to = "-", delimiter = "." }) end, "export.delimiter" },
    { "a delimiter of JSON", function() api.imports:export(1, { to = "x.json", delimiter = ";" }) end, "export.delimiter" },
    { "a table of CSV", function() api.imports:export(1, { to = "-", table = "t" }) end, "export.table" },
    { "a database on standard output", function() api.imports:export(1, { to = "-", format = "sqlite" }) end, "export.to" },
    { "a database resumed", function() api.imports:export(1, { to = "x.sqlite", resume = true }) end, "export.resume" },
    { "a function continued", function() api.imports:export(1, { to = print, continue = true }) end, "export.continue" },
    { "a limit of one that continues", function() api.imports:export(1, { to = "x.csv", continue = true, limit = 1 }) end, "limit" },
    { "a function resumed", function() api.imports:export(1, { to = print, resume = true }) end, "export.resume" },
    { "no columns", function() api.imports:export(1, { to = "-", columns = {} }) end, "export.columns" },
    { "a column twice", function() api.imports:export(1, { to = "-", columns = { "a", "a" } }) end, "export.columns[2]" },
    { "a column that is no name", function() api.imports:export(1, { to = "-", columns = { 1 } }) end, "export.columns[1]" },
    { "a limit below 0", function() api.imports:export(1, { to = "-", limit = -1 }) end, "limit" },
    { "a dot", function() api.imports.export(1, { to = "-" }) end, "colon" },
  }
  for _, case in ipairs(misuses) do
    it("raises misuse: " .. case[1], function()
      open()
      local good, message = pcall(case[2])
      assert.is_false(good)
      assert.is_truthy(message:find(case[3], 1, true), message)
      assert.is_truthy(message:find("export_spec.lua", 1, true), message)
      assert.are.equal(0, #sandbox:requests())
    end)
  end
end)
