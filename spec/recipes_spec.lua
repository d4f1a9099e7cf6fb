-- The recipes of docs/recipes.md run as they stand, against a sandbox. Relies on sqlite3, xlsx2csv and zip; the recipe
-- for PostgreSQL runs where its server is installed.

local support = require "support"
local system = require "support.system"

describe("the recipe", function()
  local opened = support.opened(after_each)
  local sandbox, api, folder

  -- The ```sh blocks of a section, as one script.
  local function script_of(section)
    local text = "\n" .. system.read "docs/recipes.md" .. "\n## "
    local start, stop = text:find("\n## " .. section .. "\n", 1, true)
    assert(start, section)
    local blocks = {}
    for block in text:sub(stop):match "^.-\n## ":gmatch "\n```sh\n(.-)\n```" do blocks[#blocks + 1] = block end
    assert(#blocks > 0, section)
    return table.concat(blocks, "\n")
  end

  local function has(program) return select(2, system.shell("command -v " .. program)) == 0 end

  local function run(section, before)
    system.write(folder .. "/script", "set -e\n" .. (before or "") .. "\n" .. script_of(section) .. "\n")
    local out, status = system.shell(("cd %s && PATH=$PWD/programs:$PATH XDG_STATE_HOME=$PWD/state %s sh script 2>&1"):format(
      folder, system.environment(sandbox)))
    return status, out
  end

  local function runs(section, before)
    local status, out = run(section, before)
    assert.are.equal(0, status, out)
    return out
  end

  before_each(function()
    sandbox, api = opened.service()
    folder = system.folder()
    local root = system.shell "pwd":match "[^\n]+"
    system.shell(("mkdir %s/programs"):format(folder))
    system.write(folder .. "/programs/flarelight", ("#!/bin/sh\nexec %s %s/bin/flarelight \"$@\"\n"):format(
      system.quote(system.interpreter), root))
    system.shell(("chmod +x %s/programs/flarelight"):format(folder))
  end)

  -- What runs does not depend on the Lua; each is a few processes of it.
  if system.checked or not system.reference then return end

  it("for a query of SQLite loads its rows once #slow", function()
    if not has "sqlite3" then return pending "sqlite3 is not installed" end
    local before = "test -e shop.db || sqlite3 shop.db <tables.sql"
    system.write(folder .. "/tables.sql", [[CREATE TABLE orders (id, customer, total, day);
      INSERT INTO orders VALUES (1, 'Jörg "J"', 1.5, 20261124), (2, NULL, 3, 20261124), (3, 'x', 4, 20261123);]])
    runs("A query of SQLite", before)
    assert.matches("already loaded", runs("A query of SQLite", before))
    local rows = sandbox:rows(1)
    assert.are.same({ 2, { id = 1, customer = 'Jörg "J"', total = 1.5 } }, { #rows, rows[1] })
    assert.are.equal(1, #api.imports:all())
  end)

  it("for a query of PostgreSQL loads its rows #slow", function()
    local programs = system.shell "ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1":match "[^\n]+"
    if not programs or not has "psql" then return pending "PostgreSQL is not installed" end
    -- The server does not run as root.
    local as = system.shell "id -u":match "^0" and "runuser -u nobody --" or ""
    local data = system.shell(as .. " mktemp -d /tmp/flarelight-pg.XXXXXX"):match "[^\n]+" -- its user may not enter ours
    local out, status = system.shell(("cd / && %s %s/initdb -D %s -A trust -U shop -N >/dev/null 2>&1 && %s %s/pg_ctl -D %s -w "
      .. "-o \"-k %s -c listen_addresses= -c fsync=off\" -l %s/log start >/dev/null 2>&1"):format(as, programs, data, as, programs,
      data, data, data))
    assert.are.equal(0, status, out)
    local ran, failed = pcall(function()
      runs("A query of PostgreSQL", ([[
        export PGHOST=%s PGUSER=shop
        psql -q -d postgres -c 'CREATE DATABASE shop'
        psql -q shop -c "CREATE TABLE orders (id int, customer text, total numeric);
          INSERT INTO orders VALUES (1, '', 1.50), (2, NULL, 3), (3, 'a,\"b', 4)"
      ]]):format(data))
    end)
    system.shell(("cd / && %s %s/pg_ctl -D %s -m immediate stop >/dev/null 2>&1; rm -rf %s"):format(as, programs, data, data))
    assert(ran, failed)
    assert.are.equal('[{"id":1,"customer":"","total":1.50},{"id":2,"customer":null,"total":3},{"id":3,"customer":"a,\\"b","total":4}]',
      sandbox:rows_text(1))
  end)

  it("for Excel loads a workbook, and the CSV that Excel writes in Europe #slow", function()
    if not has "xlsx2csv" then return pending "xlsx2csv is not installed" end
    local parts = {
      ["[Content_Types].xml"] = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        .. '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        .. '<Override PartName="/xl/workbook.xml" '
        .. 'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        .. '<Override PartName="/xl/worksheets/sheet1.xml" '
        .. 'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
      ["_rels/.rels"] = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        .. '<Relationship Id="r1" Target="xl/workbook.xml" '
        .. 'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>',
      ["xl/workbook.xml"] = '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        .. 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
        .. '<sheet name="strikes" sheetId="1" r:id="r1"/></sheets></workbook>',
      ["xl/_rels/workbook.xml.rels"] = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        .. '<Relationship Id="r1" Target="worksheets/sheet1.xml" '
        .. 'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/></Relationships>',
      ["xl/worksheets/sheet1.xml"] = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        .. '<row r="1"><c r="A1" t="inlineStr"><is><t>bird</t></is></c><c r="B1" t="inlineStr"><is><t>cost</t></is></c></row>'
        .. '<row r="2"><c r="A2" t="inlineStr"><is><t>Gull, great</t></is></c><c r="B2"><v>12.5</v></c></row>'
        .. "</sheetData></worksheet>",
    }
    system.shell(("mkdir -p %s/book/_rels %s/book/xl/_rels %s/book/xl/worksheets"):format(folder, folder, folder))
    for name, text in pairs(parts) do
      system.write(folder .. "/book/" .. name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' .. text)
    end
    system.shell(("cd %s/book && zip -qr ../strikes.xlsx ."):format(folder))
    system.write(folder .. "/export.csv", "Vogel;Kosten\r\nM\246we;1234,50\r\n")
    assert.matches("delimiter", runs "Excel")
    assert.are.same({ { bird = "Gull, great", cost = 12.5 } }, sandbox:rows(1))
    assert.are.same({ { Vogel = "Möwe", Kosten = 1234.5 } }, sandbox:rows(2))
  end)

  it("for a folder loads each file once, and leaves what looks unlike the last #slow", function()
    system.shell(("mkdir %s/incoming"):format(folder))
    local function file(name, text) system.write(folder .. "/incoming/" .. name, text) end
    file("a.csv", "n,t\n1,x\n2,y\n")
    file("b.csv", "n,t\n3,x\n4,z\n")
    runs "A folder that others write into"
    assert.are.equal(2, #api.imports:all())
    file("c.csv", "n\n5\n6\n")
    local status, out = run "A folder that others write into"
    assert.are.equal(1, status)
    assert.matches("differs from the upload", out)
    assert.are.equal(2, #api.imports:all())
    assert.is_true(system.exists(folder .. "/incoming/c.csv"))
    assert.is_true(system.exists(folder .. "/incoming/done/a.csv"))
    system.shell(("mv %s/incoming/done/a.csv %s/incoming/"):format(folder, folder)) -- it comes again
    os.remove(folder .. "/incoming/c.csv")
    runs "A folder that others write into"
    assert.are.equal(2, #api.imports:all())
  end)

  it("for a spreadsheet, a file that grows, and a comparison #slow", function()
    assert(api.imports:upload { name = "s", file = system.file("n,t\n1,=1+1\n2,é\n", ".csv") })
    runs "An export that a spreadsheet opens well"
    assert.are.equal("\239\187\191n,t\r\n1,'=1+1\r\n2,é\r\n", system.read(folder .. "/strikes-excel.csv"))
    assert.are.equal("\239\187\191n;t\r\n1;'=1+1\r\n2;é\r\n", system.read(folder .. "/strikes-semicolon.csv"))
    runs "A file that grows with its import"
    assert(api.imports:import { id = 1, name = "s", records = { { t = "new", n = 3 } } })
    runs "A file that grows with its import"
    assert.are.equal(3, select(2, system.read(folder .. "/all-strikes.jsonl"):gsub("\n", "")))
    system.write(folder .. "/checked.csv", "a,b\n1,x\n")
    assert.matches("equal +yes", runs "Is it the same?")
  end)
end)
