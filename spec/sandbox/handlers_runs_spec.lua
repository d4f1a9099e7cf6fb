--- What the sandbox runs: preparations, reports, automations, chart data.

local curl = require "sandbox.curl"
local sandbox = require "flarelight.sandbox"
local system = require "support.system"

local ask, start, import, data_of =
  curl.ask, curl.start, curl.import, curl.data_of

describe("the sandbox", function()
  after_each(curl.stop_all)

  describe("runs", function()
    local definitions = {
      preparations = {
        { id = 5, name = "big ones", target = "big",
          sql = "SELECT city, amount FROM \"the strikes\" WHERE amount >= ifnull(:least, 2) ORDER BY amount" },
        { id = "broken", sql = "SELECT a FROM nowhere" },
      },
      reports = {
        { id = "by-city", name = "By city", sql = "SELECT city, sum(amount) AS total, count(*) AS n FROM big GROUP BY city ORDER BY city",
          chart = { labels = "city", series = { "total" }, type = "bar" } },
        { id = 2, preparation = 5 },
        { id = 3, sql = "SELECT 1 AS a", chart = { series = { "b" } } },
      },
      automations = {
        { id = 1, name = "all of it", steps = { { preparation = 5 }, { report = "by-city" } } },
        { id = 2, steps = { { preparation = 5 } }, on_import = "the strikes", api_trigger = false },
        { id = 3, steps = { { preparation = 5 }, { preparation = "broken" } } },
      },
    }
    local strikes = '[{"city":"Oslo","amount":1},{"city":"Bergen","amount":2.5},{"city":"Oslo","amount":4,"x":true},{"city":"Oslo","amount":3}]'
    local function fill(options)
      options = options or {}
      options.definitions = definitions
      local box = start(options)
      import(box, strikes, '"name":"the strikes","sendEvents":false')
      return box
    end

    it("preparations, whose result is an import", function()
      local box = fill()
      assert.equal('[{"id":5,"name":"big ones","target":"big"},{"id":"broken","name":"preparations broken","target":"preparations broken"}]',
        data_of(ask(box, "/Preparation/All")))
      local reply = ask(box, "/Preparation/5/Execute", { body = "{}" })
      assert.equal(200, reply.status)
      assert.matches('"id":5,"name":"big ones","status":"Completed","rows":3,"import":{"id":2,"name":"big"', reply.body)
      assert.equal('[{"city":"Bergen","amount":2.5},{"city":"Oslo","amount":3},{"city":"Oslo","amount":4}]', box:rows_text(2))
      ask(box, "/Preparation/5/Execute", { body = '{"least":4}' })
      assert.equal('[{"city":"Oslo","amount":4}]', box:rows_text(2))
      assert.equal(404, ask(box, "/Preparation/6/Execute", { body = "{}" }).status)
      assert.equal(400, ask(box, "/Preparation/5/Execute", { body = "" }).status)
      local broken = ask(box, "/Preparation/broken/Execute", { body = "{}" })
      assert.equal(400, broken.status)
      assert.matches("nowhere", broken.body)
    end)

    it("reports, whose result is kept", function()
      local box = fill()
      ask(box, "/Preparation/5/Execute", { body = "{}" })
      assert.matches('{"id":"by%-city","name":"By city","status":"NotGenerated"}', ask(box, "/Report/All").body)
      assert.equal(400, ask(box, "/Report/ChartData", { body = '{"reportId":"by-city"}' }).status)
      local chart = '{"type":"bar","labels":["Bergen","Oslo"],"series":[{"name":"total","values":[2.5,7]}]}'
      local reply = ask(box, "/Report/by-city/Generate", { body = "{}" })
      assert.equal('{"id":"by-city","name":"By city","status":"Generated","rows":2,"chart":' .. chart .. "}", data_of(reply))
      assert.matches('"name":"By city","rows":2,"generatedAt":"[^"]+","status":"Generated"', ask(box, "/Report/All").body)
      assert.equal(chart, data_of(ask(box, "/Report/ChartData", { body = '{"reportId":"by-city"}' })))
      assert.matches('"labels":%["Bergen","Oslo","Oslo"%],"series":%[{"name":"amount","values":%[2.5,3,4%]}%]',
        ask(box, "/Report/2/Generate", { body = "{}" }).body)
      assert.matches('no column', ask(box, "/Report/3/Generate", { body = "{}" }).body)
      assert.equal(404, ask(box, "/Report/9/Generate", { body = "{}" }).status)
    end)

    local charts = {
      { '{"sql":"SELECT city, amount AS a, -amount AS b FROM \\"the strikes\\" WHERE amount > :n","parameters":{"n":3}}',
        '{"type":"line","labels":["Oslo"],"series":[{"name":"a","values":[4]},{"name":"b","values":[-4]}]}' },
      { '{"import":"the strikes","labels":"amount","series":["city"],"type":"pie"}',
        '{"type":"pie","labels":[1,2.5,4,3],"series":[{"name":"city","values":["Oslo","Bergen","Oslo","Oslo"]}]}' },
      { '{"sql":"SELECT x, count(*) FROM \\"The Strikes\\" GROUP BY x"}',
        '{"type":"line","labels":[null,1],"series":[{"name":"count(*)","values":[3,1]}]}' },
      { '{"sql":"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 3) SELECT n, n*n AS m FROM c"}',
        '{"type":"line","labels":[1,2,3],"series":[{"name":"m","values":[1,4,9]}]}' },
    }
    it("chart queries", function()
      local box = fill()
      for _, case in ipairs(charts) do
        assert.equal(case[2], data_of(ask(box, "/Report/ChartData", { body = case[1] })), case[1])
      end
    end)

    local forbidden = {
      "DELETE FROM rows", "INSERT INTO imports(name) VALUES('x')", "SELECT * FROM rows", "SELECT json FROM main.rows",
      "SELECT name FROM imports", "SELECT * FROM sqlite_schema", "SELECT * FROM sqlite_temp_master",
      "PRAGMA table_info(rows)", "SELECT * FROM pragma_table_info('rows')", "ATTACH ':memory:' AS other",
      "SELECT load_extension('x')", "SELECT 1; SELECT 2", "SELECT 1; DELETE FROM rows", "", "DROP TABLE rows",
      "CREATE TEMP TABLE t(x)", "SELECT 1 AS a, 2 AS a", "WITH x AS (SELECT * FROM main.rows) SELECT * FROM x",
      "BEGIN", "VACUUM INTO 'file'",
      -- The authorizer tells a common table expression by its name alone: this one is called like an import.
      'WITH \\"the strikes\\" AS (SELECT json FROM main.rows) SELECT * FROM \\"the strikes\\"',
      "SELECT count(*) FROM main.rows", "SELECT 1 FROM imports", "SELECT count(*) FROM sqlite_schema",
      "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT 1", "SELECT fts3_tokenizer('simple')", "SELECT last_insert_rowid()",
      "SELECT sqlite_version()", "SELECT * FROM dbstat", "SELECT * FROM pragma_database_list",
      'SELECT \\"no such name\\" FROM \\"the strikes\\"', 'SELECT city FROM \\"the strikes\\" WHERE city = \\"Oslo\\"',
      "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT count(*) FROM c",
      "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT n FROM c",
    }
    it("no query that does more than read imports", function()
      local box = fill { max_query_steps = 1000000, max_query_rows = 1000 }
      for _, sql in ipairs(forbidden) do
        local reply = ask(box, "/Report/ChartData", { body = '{"sql":"' .. sql .. '"}' })
        assert.equal(400, reply.status, sql)
      end
      assert.equal(400, ask(box, "/Report/ChartData", { body = "{}" }).status)
      assert.equal(4, box:counts().rows)
    end)

    local answers = {
      { "SELECT count(*) AS n FROM %s", "4" }, { "SELECT 1 AS one FROM %s", "1,1,1,1" },
      { "SELECT count(*) AS n FROM %s WHERE 1", "4" }, { "SELECT count(*) AS n FROM %s AS a, %s AS b", "16" },
      { "SELECT max(amount) AS m FROM %s", "4" }, { "SELECT total(amount) AS t FROM %s GROUP BY city", "2.5,8.0" },
      { "SELECT n FROM (SELECT count(*) AS n FROM %s)", "4" }, { "SELECT x FROM %s ORDER BY amount DESC LIMIT 1", "1" },
      { "SELECT amount FROM %s WHERE rowid = 2", "2.5" }, { "SELECT count(DISTINCT city) AS n FROM %s", "2" },
      { "SELECT group_concat(city, '') AS c FROM (SELECT DISTINCT city FROM %s)", '"OsloBergen"' },
      { "SELECT row_number() OVER (ORDER BY amount) AS n FROM %s", "1,2,3,4" },
      { "SELECT value AS v FROM json_each('[7,8]')", "7,8" },
    }
    it("aggregates, and queries that read no column", function()
      local box = fill()
      for _, case in ipairs(answers) do
        local sql = case[1]:gsub("%%s", '\\"the strikes\\"')
        local reply = ask(box, "/Report/ChartData", { body = '{"sql":"' .. sql .. '"}' })
        assert.equal(case[2], reply.body:match '"labels":%[(.-)%]', sql .. reply.body)
      end
    end)

    local refusals = {
      { "SELECT amuont FROM %s", "no such column: amuont" }, { "SELECT amount FROM strike", "no such table: strike" },
      { 'SELECT \\"amuont\\" FROM %s', 'no such column: amuont' },
      { "SELECT nosuch(amount) FROM %s", "no such function: nosuch" },
      { "SELECT fts3_tokenizer(city) FROM %s", "not authorized to use function: fts3_tokenizer" },
    }
    it("no query with a mistake, and says which", function()
      local box = fill()
      for _, case in ipairs(refusals) do
        local reply = ask(box, "/Report/ChartData", { body = '{"sql":"' .. case[1]:gsub("%%s", '\\"the strikes\\"') .. '"}' })
        assert.equal(400, reply.status, case[1])
        assert.matches(case[2], reply.body, 1, true)
      end
    end)

    it("no query for longer than it may take", function()
      local box = fill { max_query_seconds = 0.05, max_query_steps = 2 ^ 40 }
      local endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT count(*) FROM c"
      local reply = ask(box, "/Report/ChartData", { body = '{"sql":"' .. endless .. '"}' })
      assert.equal(400, reply.status)
      assert.matches("the query takes too long", reply.body)
    end)

    it("columns whose names differ in case alone", function()
      local box = start()
      import(box, '[{"a":1,"A":2},{"b\\"":3}]', '"name":"t"')
      assert.matches('"labels":%[1,null%],"series":%[{"name":"A:1","values":%[2,null%]}%]',
        ask(box, "/Report/ChartData", { body = '{"import":"t"}' }).body)
      import(box, "[{}]", '"name":"empty"')
      assert.matches('"labels":%[null%]', ask(box, "/Report/ChartData", { body = '{"import":"empty"}' }).body)
      import(box, '[{"a":1}]', '"name":"sqlite_x"')
      assert.equal(400, ask(box, "/Report/ChartData", { body = '{"import":"sqlite_x"}' }).status)
    end)

    it("finds an import called like a table of its own", function()
      local box = start()
      import(box, '[{"a":1}]', '"name":"rows"')
      import(box, '[{"a":2}]', '"name":"im\\"ports"')
      assert.matches('"labels":%[1%]', ask(box, "/Report/ChartData", { body = '{"import":"rows"}' }).body)
      assert.matches('"labels":%[2%]', ask(box, "/Report/ChartData", { body = '{"import":"im\\"ports"}' }).body)
      assert.equal(400, ask(box, "/Report/ChartData", { body = '{"sql":"SELECT key FROM rows"}' }).status)
    end)

    it("automations, step by step, all or none", function()
      local box = fill()
      local reply = ask(box, "/Automation/1/Execute", { body = "{}" })
      assert.equal(200, reply.status)
      assert.matches('"status":"Completed","steps":%[{"kind":"preparation","result":{"id":5,.-"rows":3,.-},{"kind":"report","result":{"id":"by%-city",.-"rows":2', reply.body)
      assert.matches('"status":"Generated"', ask(box, "/Report/All").body)
      assert.equal(404, ask(box, "/Automation/9/Execute", { body = "{}" }).status)
      assert.equal(400, ask(box, "/Automation/2/Execute", { body = "{}" }).status)
      local other = fill()
      assert.equal(400, ask(other, "/Automation/3/Execute", { body = "{}" }).status)
      assert.equal(1, other:counts().imports)
    end)

    it("automations when an import sends events", function()
      local box = fill()
      assert.same({ 0, 0 }, { box:counts().events, box:counts().runs })
      import(box, '[{"city":"Moss","amount":9}]', '"id":1,"sendEvents":true')
      assert.same({ 1, 1 }, { box:counts().events, box:counts().runs })
      assert.matches("Moss", box:rows_text(2))
    end)

    it("behind the reply where asked to", function()
      local box = fill { run_seconds = 1 }
      ask(box, "/Preparation/5/Execute", { body = "{}" })
      local reply = ask(box, "/Report/by-city/Generate", { body = "{}" })
      assert.matches('"status":"Running"', reply.body)
      local status
      for _ = 1, 1000 do
        status = ask(box, "/Report/All").body:match '"By city".-"status":"(%a+)"'
        if status == "Generated" then break end
      end
      assert.equal("Generated", status)
    end)

    -- What the lists show of preparation 5 and of the report, by the switch.
    local function entry(box, path, id)
      return assert(data_of(ask(box, path)):match('{"id":' .. id .. '[^}]*}'))
    end
    local function preparation(box) return entry(box, "/Preparation/All", "5") end
    local function report(box) return entry(box, "/Report/All", '"by%-city"') end
    local TIME = '"%d+%-%d+%-%d+T%d+:%d+:%d+Z"'

    it("runs that show their status", function()
      local box = fill { run_shows = "status" }
      assert.matches('"target":"big","status":"NotRun","lastRunAt":null}', preparation(box))
      assert.matches('"By city","status":"NotGenerated","lastRunAt":null}', report(box))
      ask(box, "/Automation/1/Execute", { body = "{}" })
      assert.matches('"status":"Completed","lastRunAt":' .. TIME .. "}", preparation(box))
      assert.matches('"rows":2,"generatedAt":' .. TIME .. ',"status":"Generated","lastRunAt":' .. TIME .. "}", report(box))
      box:reset()
      assert.matches('"NotRun"', preparation(box))
    end)

    it("runs that take their time, and fail", function()
      local box = fill { run_shows = "status", run_seconds = 0.3 }
      local function wait_for(status)
        for _ = 1, 2000 do
          local found = preparation(box)
          if found:find('"status":"' .. status .. '"', 1, true) then return found end
          assert.matches('"status":"Running"', found)
        end
        error "the run did not end"
      end
      box:fault { operation = "preparations.execute", kind = "fail_run", message = "no disk" }
      assert.matches('"status":"Running"', ask(box, "/Preparation/5/Execute", { body = "{}" }).body)
      assert.matches('"lastRunAt":' .. TIME .. ',"error":"no disk"}', wait_for "Failed")
      assert.equal(1, box:counts().imports)
      ask(box, "/Preparation/5/Execute", { body = "{}" })
      assert.matches('"lastRunAt":' .. TIME .. "}", wait_for "Completed")
      assert.equal(2, box:counts().imports)
      -- A run whose query is wrong fails when it is carried out.
      assert.equal(200, ask(box, "/Automation/3/Execute", { body = "{}" }).status)
      assert.matches("nowhere", wait_for "Failed")
    end)

    it("runs that fail at once, and runs that are lost", function()
      local box = fill { run_shows = "status" }
      box:fault { kind = "fail_run", operation = "reports.generate" }
      assert.matches('"status":"Failed","error":"The run failed"}', ask(box, "/Report/by-city/Generate", { body = "{}" }).body)
      assert.matches('"error":"The run failed"', report(box))
      box:fault { kind = "lose_run", operation = "preparations.execute" }
      local before = preparation(box)
      assert.matches('"status":"Running"', ask(box, "/Preparation/5/Execute", { body = "{}" }).body)
      assert.equal(before, preparation(box))
      assert.equal(1, box:counts().imports)
      local log = box:requests()
      assert.is_false(log[#log - 1].committed)
    end)

    it("runs that change only updatedAt, each to another time", function()
      local box = fill { run_shows = "updatedAt" }
      assert.matches('"target":"big","updatedAt":null}', preparation(box))
      local seen = {}
      for _ = 1, 3 do
        ask(box, "/Automation/1/Execute", { body = "{}" })
        for _, shown in ipairs { preparation(box), report(box), entry(box, "/Import/All", "2") } do
          assert.matches('"updatedAt":' .. TIME .. "}", shown)
          assert.is_nil(seen[shown])
          seen[shown] = true
        end
      end
    end)

    it("runs that show nothing", function()
      local box = fill { run_shows = "nothing" }
      ask(box, "/Automation/1/Execute", { body = "{}" })
      local lists = { preparation(box), report(box), data_of(ask(box, "/Import/All")) }
      assert.equal('{"id":"by-city","name":"By city"}', lists[2])
      for _ = 1, 2 do ask(box, "/Automation/1/Execute", { body = "{}" }) end
      assert.same(lists, { preparation(box), report(box), data_of(ask(box, "/Import/All")) })
    end)

    it("what a file defines", function()
      for ending, text in pairs {
        [".json"] = '{"preparations":[{"id":7,"name":"p","sql":"SELECT 1 AS one"}]}',
        [".lua"] = 'return { preparations = { { id = 7, name = "p", sql = "SELECT 1 AS one" } } }',
      } do
        local box = start { definitions = system.file(text, ending) }
        assert.equal('[{"id":7,"name":"p","target":"p"}]', data_of(ask(box, "/Preparation/All")))
      end
      local box, message = sandbox.start { definitions = system.path ".json" }
      assert.is_nil(box)
      assert.matches("No such file", message)
    end)
  end)
end)
