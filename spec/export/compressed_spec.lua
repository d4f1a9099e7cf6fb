--- Compressed exports, and what an export writes read back.

local exports = require "support.exports"
local support = require "support"
local system = require "support.system"

describe("imports:export, compressed", function()
  local opened = support.opened(after_each)
  local sandbox, api, base

  local function open(options, client_options) sandbox, api = opened.service(options, client_options) end
  local function path_of(ending) return base .. ending end
  local function write(ending, text) return system.write(base .. ending, text) end
  local function import(lines) return exports.import(api, lines) end
  local function run(code) return exports.run(sandbox, base, code) end

  before_each(function() base = system.path() end)

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
        local text = system.read(path)
        assert.are.same({ #nasty, #text, #nasty }, { result.rows, result.bytes, result.position })
        assert.is_nil(system.read(path .. ".part"))
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
        assert.are.equal(#system.read(path), result.bytes)
        local text = system.shell(program .. " " .. path)
        if ending == ".csv" then assert.are.equal(exports.numbers(0, 1999), text)
        else assert.are.equal("SQLite format 3\0", text:sub(1, 16)) end
      end
    end
    assert.are.equal("x.csv\n", (system.shell("unzip -Z1 " .. folder .. "/x.csv.zip")))
    assert(api.imports:export(id, { to = folder .. "/y.zip", format = "tsv" }))
    assert.are.equal("y.tsv\n", (system.shell("unzip -Z1 " .. folder .. "/y.zip")))
    assert.are.equal(2000, assert(api.imports:compare(id, { file = folder .. "/y.zip" })).records)
    local left = system.shell("ls -A " .. folder .. " | grep -v '^[xy][.]'") .. system.shell("ls " .. folder .. " | grep 'part$\\|packed$'")
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
      assert.are.same({ "io", "kept", 25 }, { err.kind, system.read(path), err.progress.rows })
      for _, rest in ipairs { ".part", ".packed" } do assert.is_nil(system.read(path .. rest)) end
    end
  end)

  it("says where a compressed file cannot be written", function()
    open()
    support.import(api, 20000)
    run "" -- makes the script
    local script = system.read(base .. "-child.lua")
    for _, ending in ipairs { ".csv.gz", ".sqlite.gz" } do
      write("-child.lua", script .. ([[
        local to = path:gsub("%%.csv$", %q)
        local _, message, err = api.imports:export(1, { to = to, page_size = 5000 })
        print(err.kind, message)
      ]]):format(ending))
      local said = system.shell(("trap '' XFSZ; ulimit -f 20; exec %s %s-child.lua 2>&1"):format(system.interpreter, base))
      assert.is_truthy(said:find("io\timports:export: " .. base .. ending, 1, true), said)
      assert.is_truthy(said:find(ending == ".csv.gz" and "File too large" or "disk I/O error", 1, true), said)
      for _, rest in ipairs { "", ".part", ".packed" } do assert.is_nil(system.read(base .. ending .. rest)) end
    end
  end)

  it("says what is missing where the module of compressed files was not built", function()
    open()
    support.import(api, 3)
    local said = run [[
      package.preload["flarelight.archive_core"] = function() error "module 'flarelight.archive_core' not found:" end
      local _, message, err = api.imports:export(1, { to = path .. ".gz" })
      print(err.kind, message)
    ]]
    assert.is_truthy(said:find("io\timports:export: " .. base .. ".csv.gz: writing a .gz file needs the module "
      .. "flarelight.archive_core", 1, true), said)
    assert.is_nil(system.read(base .. ".csv.gz.part"))
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
    assert.is_nil(system.read(base .. ".json.bz2.part"))
  end)
end)
