--- The file of an export: its part, what `resume` does with it, and what cannot be written.

local core = require "flarelight.core"
local csv = require "flarelight.csv"
local exports = require "support.exports"
local support = require "support"
local system = require "support.system"

describe("the file of imports:export", function()
  local opened = support.opened(after_each)
  local sandbox, api, base

  local function open(options, client_options) sandbox, api = opened.service(options, client_options) end
  local function path_of(ending) return base .. ending end
  local function write(ending, text) return system.write(base .. ending, text) end
  local function import(lines) return exports.import(api, lines) end
  local function to_string(id, options) return exports.text(api, id, options) end
  local function run(code) return exports.run(sandbox, base, code) end

  before_each(function() base = system.path() end)

  it("keeps the part of another process that has no rows yet", function()
    open()
    local path = path_of ".csv"
    local other = core.exporter "csv"
    assert(other:open(path))
    assert.are.equal(path .. ".part: another export writes it", run [[
      print((select(2, api.imports:export(1, { to = path })):gsub("^imports:export: ", "")))
    ]]:gsub("%s+$", ""))
    assert.are.equal("", system.read(path .. ".part"))
    other:close()
    assert.is_nil(system.read(path .. ".part"))
  end)

  it("gives a file to one of two exports of a process, and the other an error", function()
    open()
    local ids, path = { support.import(api, 300), support.import(api, 200) }, path_of ".csv"
    for _, given in ipairs { {}, { to = path_of ".csv.gz" }, { to = path_of ".db", format = "sqlite" } } do
      local to = given.to or path
      local results = api:map(ids, function(id)
        return api.imports:export(id, { to = to, format = given.format, page_size = 50 })
      end)
      local first, second = results[1], results[2]
      if not first.data then first, second = second, first end
      assert.are.equal(first == results[1] and 300 or 200, first.data.rows)
      assert.are.equal("conflict", second.err.kind)
      assert.matches("%.part: another export writes it$", second.err.message)
      assert.is_nil(system.read(to .. ".part"))
    end
    local _, lines = system.read(path):gsub("\r\n", "")
    assert.is_true(lines == 301 or lines == 201)
    -- What was refused has not taken the lock away from the other.
    local writer = assert(csv.write(path, { columns = { "n" } }))
    assert.are.equal("conflict", (select(3, csv.write(path))).kind)
    assert.are.equal("conflict", (select(3, api.imports:export(ids[1], { to = path }))).kind)
    assert.matches("conflict", run [[print((select(3, api.imports:export(1, { to = path }))).kind)]])
    assert(writer:write { n = 1 })
    assert.are.equal(1, assert(writer:close()).rows)
    assert.are.equal("n\r\n1\r\n", system.read(path))
    assert(api.imports:export(ids[1], { to = path }))
  end)

  it("a failure leaves a part of whole records, which resume goes on with", function()
    for _, ending in ipairs { ".csv", ".jsonl" } do
      open(nil, { max_attempts = 1 })
      local id, path = support.import(api, 300), path_of(ending)
      sandbox:fault { operation = "imports.data", nth = 3, times = 1, kind = "status", status = 500 }
      local result, _, err = api.imports:export(id, { to = path, page_size = 100, prefetch = 0 })
      assert.is_nil(result)
      assert.are.equal("server", err.kind)
      local part = system.read(path .. ".part")
      assert.are.same({ 200, #part, 200 }, { err.progress.rows, err.progress.bytes, err.progress.position })
      -- A record that was torn is cut off.
      local file = assert(io.open(path .. ".part", "ab"))
      file:write(ending == ".csv" and '"20\r\n' or '{"n":2')
      file:close()
      local asked = #support.requests(sandbox, "imports.data")
      result = assert(api.imports:export(id, { to = path, page_size = 100, prefetch = 0, resume = true }))
      local whole = to_string(id, { format = ending:sub(2) })
      assert.are.equal(whole, system.read(path))
      assert.is_nil(system.read(path .. ".part"))
      assert.are.same({ 300, #whole, 300 }, { result.rows, result.bytes, result.position })
      -- The last row of the part is asked for again, and compared.
      assert.is_truthy(support.requests(sandbox, "imports.data")[asked + 1].query:find("start=199", 1, true))
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
    local part = system.read(base .. ".csv.part")
    assert.are.equal(exports.numbers(20, 119), part)
    local result = assert(api.imports:export(id, { to = base .. ".csv", start = 20, limit = 470, resume = true }))
    assert.are.equal(exports.numbers(20, 489), system.read(base .. ".csv"))
    assert.are.same({ 470, 490 }, { result.rows, result.position })
  end)

  it("without resume a part is replaced; with it, one that is not there or has no whole record is begun", function()
    open()
    local id, path = support.import(api, 3), base .. ".csv"
    for _, resume in ipairs { false, true } do
      write(".csv.part", resume and "n" or "n\r\n7\r\n8\r\n9\r\n10\r\n11\r\n")
      assert(api.imports:export(id, { to = path, resume = resume }))
      assert.are.equal(exports.numbers(0, 2), system.read(path))
    end
    write(".csv", "an older file")
    assert(api.imports:export(id, { to = path, resume = true }))
    assert.are.equal(exports.numbers(0, 2), system.read(path))
  end)

  it("a part has its columns from its header, and new ones are an error still", function()
    open()
    local id = import '{"a":1,"b":"x\\r\\n"}\n{"b":"y","a":2}\n{"a":3,"c":1}\n'
    write(".csv.part", 'b,a\r\n"x\r\n",1\r\n')
    local _, message, err = api.imports:export(id, { to = base .. ".csv", resume = true })
    assert.are.equal("conflict", err.kind)
    assert.is_truthy(message:find('row 2 has new columns: "c"', 1, true), message)
    assert.are.equal('b,a\r\n"x\r\n",1\r\ny,2\r\n', system.read(base .. ".csv.part"))
    assert(api.imports:export(id, { to = base .. ".csv", resume = true, columns = { "b", "a" } }))
    assert.are.equal('b,a\r\n"x\r\n",1\r\ny,2\r\n,3\r\n', system.read(base .. ".csv"))
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
      assert.are.equal(case[2], system.read(base .. ".csv.part"))
    end)
  end

  it("does not go on with the part of another import, or of other options", function()
    open(nil, { max_attempts = 1 })
    local function import_of(...)
      local lines = {}
      for i, n in ipairs { ... } do lines[i] = ('{"n":%d,"t":"x"}\n'):format(n) end
      return import(table.concat(lines))
    end
    local one, other = import_of(1, 2, 3, 4), import_of(1, 7, 8, 9)
    local function is_even(row) return row.n % 2 == 0 end
    local cases = {
      { ending = ".csv" }, { ending = ".jsonl" }, { ending = ".json" }, { ending = ".tsv" },
      { ending = ".csv", where = is_even, rows = 1 }, { ending = ".csv", later = { delimiter = ";" } },
      { ending = ".csv", later = { start = 1 } }, { ending = ".jsonl", later = { start = 4 } },
    }
    for place, case in ipairs(cases) do
      local path = path_of(place .. case.ending)
      sandbox:fault { operation = "imports.data", nth = 4, times = 1, kind = "status", status = 500 }
      local given = { to = path, page_size = 1, prefetch = 0, where = case.where }
      assert.is_nil((api.imports:export(one, given)))
      sandbox:clear_faults()
      local part = system.read(path .. ".part")
      local later = support.with({ to = path, resume = true, where = case.where }, case.later)
      local result, message, err = api.imports:export(case.later and one or other, later)
      assert.is_nil(result, path)
      assert.are.equal("conflict", err.kind)
      assert.matches("belongs to another import or to other options", message)
      local left = system.read(path .. ".part")
      assert.are.equal(part:sub(1, #left), left)
      result = assert(api.imports:export(one, { to = path, resume = true, where = case.where }))
      assert.are.equal(case.where and 2 or 4, result.rows)
      assert.are.equal(to_string(one, { format = case.ending:sub(2), where = case.where }), system.read(path))
    end
  end)

  it("two processes do not write one file", function()
    open()
    support.import(api, 3)
    local holder = core.exporter "csv"
    assert(holder:open(base .. ".csv"))
    local said = run [[
      local _, message, err = api.imports:export(1, { to = path })
      print(err.kind, message)
    ]]
    assert.is_truthy(said:find "^conflict%s+imports:export: .*%.part: another export writes it", said)
    holder:close()
    assert.are.equal("3\n", run "print(assert(api.imports:export(1, { to = path })).rows)")
  end)

  it("replaces a link, and not the file that it leads to", function()
    open()
    local few, more = support.import(api, 2), support.import(api, 300)
    local target, link = write(".csv", "kept"), path_of "-link.csv"
    local function make_link() assert(select(2, system.shell(("ln -sf %s %s"):format(target, link))) == 0) end
    local function is_link() return select(2, system.shell("test -L " .. link)) == 0 end
    make_link()
    assert(api.imports:export(few, { to = link }))
    assert.is_false(is_link())
    assert.equal("kept", system.read(target))
    local of_few = system.read(link)
    make_link()
    local results = api:all { -- at the same time
      function() return api.imports:export(few, { to = link }) end,
      function() return api.imports:export(more, { to = target }) end,
    }
    assert.equal(2, assert(results[1].data).rows)
    assert.equal(300, assert(results[2].data).rows)
    assert.is_false(is_link())
    assert.equal(of_few, system.read(link))
    assert.equal(300, select(2, system.read(target):gsub("\n", "")) - 1)
    make_link()
    local writer = csv.write(link)
    assert(writer:write { n = 1 })
    assert(writer:close())
    assert.is_false(is_link())
    assert.equal(300, select(2, system.read(target):gsub("\n", "")) - 1)
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

  it("a file larger than the limit leaves a part of whole records #uncounted", function()
    open()
    support.import(api, 3000)
    run "" -- makes the script
    local script = system.read(base .. "-child.lua")
    write("-child.lua", script .. [[
      local _, _, err = api.imports:export(1, { to = path, page_size = 500 })
      print(err.kind, err.progress.rows, err.progress.bytes)
    ]])
    -- 8 blocks of 512 bytes; without SIGXFSZ the write itself says so.
    local said = system.shell(("trap '' XFSZ; ulimit -f 8; exec %s %s-child.lua 2>&1"):format(system.interpreter, base))
    local part = system.read(base .. ".csv.part")
    assert.are.equal(("io\t500\t%d\n"):format(#part), said)
    assert.are.equal(exports.numbers(0, 499), part)
  end)

  it("writes to what is no regular file as it is", function()
    open()
    local id = support.import(api, 3)
    assert(api.imports:export(id, { to = "/dev/null" }))
    assert.is_nil(system.read "/dev/null.part")
    local pipe = base .. "-pipe"
    os.execute(("mkfifo %s; cat %s > %s &"):format(pipe, pipe, path_of ".copy"))
    assert(api.imports:export(id, { to = pipe, format = "csv" }))
    while #(system.read(base .. ".copy") or "") < #exports.numbers(0, 2) do os.execute "sleep 0.01" end
    assert.are.equal(exports.numbers(0, 2), system.read(base .. ".copy"))
    local _, _, err = api.imports:export(id, { to = "/dev/null", resume = true })
    assert.are.equal("io", err.kind)
  end)
end)
