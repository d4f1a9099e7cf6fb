-- flarelight sandbox pull: one's own data in a sandbox's database, and runs that are played.

local command = require "support.command"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("flarelight sandbox pull #slow", function()
  if not system.reference then return end
  local opened = support.opened(after_each)
  local folder, path
  before_each(function()
    folder = system.folder()
    path = folder .. "/mine.db"
  end)

  -- A service with data; `options` of its sandbox.
  local function service(options)
    return opened.service(support.with({
      preparations = { { id = 5, name = "big", target = "big ones", sql = 'SELECT * FROM "strikes" WHERE n > 1' } },
      reports = {
        { id = "r", name = "By n", sql = 'SELECT n, n * 2 AS twice FROM "strikes"' }, { id = 2, sql = "SELECT 1 AS a" },
      },
    }, options))
  end

  local function fill(api)
    assert(api.imports:import { name = "strikes", description = "all", records = {
      { n = 1, big = flarelight.integer "9007199254740993" }, { n = 2, f = 1.5 }, { n = 3, t = "ä" },
    } })
    assert(api.imports:import { name = "empty", records = {} })
    assert(api.preparations:execute(5))
    assert(api.reports:generate "r")
  end

  local function run(sandbox, line, expected)
    local out, err, status = command.shell(folder, command.environment(sandbox, folder), "flarelight sandbox pull " .. line)
    assert.are.equal(expected or 0, status, err)
    return out, err
  end

  -- The sandbox of the pulled database.
  local function pulled(options)
    return opened.service(support.with({ database = path, definitions = path .. ".json" }, options))
  end

  for _, ids in ipairs { "number", "string", "uuid" } do
    it("copies lists, rows and charts of a service with ids of kind " .. ids, function()
      local sandbox, api = service { ids = ids }
      fill(api)
      sandbox:clear_log()
      local out, err = run(sandbox, "-o " .. path)
      assert.matches("^3 imports, 1 preparation, 2 reports: at most (%d+) requests more, after 3 for the lists%.\n", err)
      assert.is_true(#sandbox:requests() <= 3 + tonumber(err:match "at most (%d+)"))
      for _, request in ipairs(sandbox:requests()) do assert.is_false(request.committed) end
      assert.matches("\n5 rows in ", err)
      assert.matches("^flarelight sandbox %-%-database %S+ %-%-definitions %S+%.json", out)
      local set = out:match "%-%-set ids=(%a+)"
      local box, own = pulled { ids = set }
      assert.are.same(assert(api.imports:all()), assert(own.imports:all()))
      for _, entry in ipairs(assert(api.imports:all())) do
        assert.are.equal(sandbox:rows_text(entry.id), box:rows_text(entry.id))
      end
      assert.are.same(assert(api.reports:chart_data { reportId = "r" }), assert(own.reports:chart_data { reportId = "r" }))
      assert.are.same(assert(api.preparations:all()), assert(own.preparations:all()))
      local before = {}
      for _, entry in ipairs(assert(own.imports:all())) do before[tostring(entry.id)] = true end
      local made = assert(own.imports:import { name = "new", records = { { a = 1 } } })
      assert.is_nil(before[tostring(made.id)])
    end)
  end

  it("plays preparations and reports as they were, so that their ends are seen", function()
    local sandbox, api = service()
    fill(api)
    run(sandbox, "-q -o " .. path)
    local box, own = pulled()
    local rows = box:rows_text(3)
    local done, meta = own.preparations:execute(5, nil, { wait = 20 })
    assert.are.equal(2, assert(done, meta).rows)
    assert.are.equal(rows, box:rows_text(3))
    local generated = assert(own.reports:generate("r", nil, { wait = 20 }))
    assert.are.same(assert(api.reports:chart_data { reportId = "r" }), generated.chart)
    assert.are.equal("Generated", assert(own.reports:generate(2)).status) -- no chart was there
  end)

  it("takes the first rows only, and counts the pages", function()
    local sandbox, api = service()
    support.import(api, 30)
    local _, err = run(sandbox, "--rows 10 -o " .. path)
    assert.matches("at most 3 requests more", err) -- one page, and two reports
    assert.matches("\n10 rows in ", err)
    assert.are.equal('[{"n":0},', (pulled():rows_text(1):sub(1, 9)))
  end)

  it("goes on after an import that cannot be read, and leaves nothing behind if all ends", function()
    local sandbox, api = service()
    fill(api)
    sandbox:fault { operation = "imports.data", kind = "status", status = 404 }
    local _, err = run(sandbox, "-o " .. path, 1)
    assert.matches("\nnot pulled: import 1: .*404", err)
    assert.matches("\n2 rows in ", err)
    system.shell("rm " .. path .. "*")
    sandbox:fault { operation = "imports.data", kind = "status", status = 401, times = math.huge }
    run(sandbox, "-q -o " .. path, 1)
    assert.are.equal("", (system.shell("ls " .. folder .. " | grep mine")))
    sandbox:clear_faults()
    system.write(path, "mine")
    _, err = run(sandbox, "-o " .. path, 2)
    assert.matches("mine.db: is there already", err)
    assert.are.equal("mine", system.read(path))
  end)
end)
