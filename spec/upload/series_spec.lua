-- Series: how sources are compared with the last upload that is done, and what an upload, an upload that is resumed,
-- and a plan make of it.

local checkpoints = require "flarelight.upload.checkpoints"
local flarelight = require "flarelight"
local series = require "flarelight.upload.series"
local support = require "support"
local system = require "support.system"

local null = flarelight.null

-- "a number, b text; 3" as a shape.
local function shape(text)
  local found = { columns = {}, records = tonumber(text:match "(%d+)$") }
  for name, kind in text:gmatch "(%w+) (%l+)" do found.columns[#found.columns + 1] = { name, kind } end
  return found
end

local function words(differences)
  local list = {}
  for i, each in ipairs(differences) do
    list[i] = ("%s %s %s>%s"):format(each.what, each.column or "-", each.before or "", each.now or "")
  end
  return table.concat(list, ", ")
end

describe("series.compare", function()
  local A = "a number, b text; 10"
  for _, case in ipairs {
    { A, A, "" },
    { A, "b text, a number; 10", "" },
    { A, "a number; 10", "missing b text>" },
    { A, "a number, b text, c text; 10", "new c >text" },
    { A, "a text, b text; 10", "retyped a number>text" },
    { A, "b number, c text; 10", "missing a number>, retyped b text>number, new c >text" },
    { A, "; 10", "missing a number>, missing b text>" },
    { "; 10", A, "new a >number, new b >text" },
    { "; 10", "; 5", "" }, { "; 10", "; 4", "records - 10>4" }, { "; 10", "; 20", "" },
    { "; 10", "; 21", "records - 10>21" }, { "; 11", "; 5", "records - 11>5" }, { "; 10", "; 0", "records - 10>0" },
    { "; 0", "; 0", "" }, { "; 0", "; 1", "records - 0>1" }, { "; 1", "; 2", "" }, { "; 1", "; 0", "records - 1>0" },
  } do
    it(("of %s and %s finds: %s"):format(case[1], case[2], case[3]), function()
      assert.are.equal(case[3], words(series.compare(shape(case[1]), shape(case[2]))))
    end)
  end

  it("is shown as a table", function()
    local long = ("ä"):rep(30)
    local found = series.compare(
      { columns = { { "Möwe", "number" }, { "b", "text" } }, records = 10 },
      { columns = { { "Möwe", "text" }, { "x\ny", "text" }, { long, "text" } }, records = 1 })
    assert.are.equal(table.concat({
      "  column                 before   now",
      "  Möwe                   number   text",
      "  b                      text     missing",
      "  x y                    missing  text",
      "  " .. ("ä"):rep(20) .. "…  missing  text",
      "  1 record, 10 before: less than half",
    }, "\n"), series.table(found))
    local many = { columns = {}, records = 10 }
    for i = 1, 100 do many.columns[i] = { "c" .. i, "text" } end
    assert.matches("\n  c20 +missing  text\n  and 80 more$", series.table(series.compare(shape "; 10", many)))
    assert.are.equal("  21 records, 10 before: more than twice", series.table(series.compare(shape "; 10", shape "; 21")))
  end)
end)

describe("an upload of a series", function()
  local opened = support.opened(after_each)
  local sandbox, api, state

  before_each(function()
    state = system.path()
    sandbox, api = opened.service(nil, { state = state })
  end)
  after_each(function() checkpoints.on = nil end)

  local function csv(text) return system.file(text, ".csv") end
  local function upload(text, more)
    return api.imports:upload(support.with({ file = text and csv(text), name = "n", series = "s" }, more))
  end
  local function posts() return #support.requests(sandbox, "imports.import") end
  -- Expects that nothing was sent.
  local function stopped(expected, ...)
    local before = #sandbox:requests()
    local result, message, err = ...
    assert.is_nil(result)
    assert.are.equal("conflict", err.kind)
    assert.are.equal("not_sent", err.fate)
    assert.is_nil(err.token)
    assert.are.equal(expected, words(err.differences))
    assert.truthy(message:find('series "s": the source differs from the upload of %d+%-%d+%-%d+: drift = "accept"'), message)
    assert.truthy(message:find(series.table(err.differences), 1, true), message)
    assert.are.equal(before, #sandbox:requests())
    assert.are.same({}, api.imports:pending())
  end

  it("stops before its first byte where it differs, until that is accepted", function()
    assert(upload "a,b\n1,x\n2,y\n")
    assert(upload "b,a\nx,1\nx,2\nx,3\n")
    local sent = posts()
    stopped("missing a number>, new c >text", upload "b,c\nx,1 m\ny,2 m\n")
    stopped("retyped a number>text", upload "a,b\n1,x\nq,x\n")
    stopped("records - 3>1", upload "a,b\n1,x\n")
    stopped("records - 3>7", upload("a,b\n" .. ("1,x\n"):rep(7)))
    assert.are.equal(sent, posts())
    local result = assert(upload("c\n1\n", { drift = "accept" }))
    assert.matches("differs from the upload of .* of its series\n.*  a +number +missing\n", result.remarks[1])
    assert.is_nil(assert(upload "c\n1\n").remarks)
    stopped("missing c number>, new a >number, new b >text, records - 1>3", upload "a,b\n1,x\n1,x\n1,x\n")
  end)

  it("is compared within its series and its service alone", function()
    assert(upload "a\n1\n")
    assert(upload("b\n1\n", { series = "t" }))
    assert(api.imports:upload { file = csv "c\n1\n", name = "n" })
    local other = support.sandbox { subscription_id = support.subscription() }
    local client = support.client(other, { state = state })
    assert(client.imports:upload { file = csv "d\n1\n", name = "n", series = "s" })
    client:close()
    other:stop()
    stopped("missing a number>, new b >number", upload "b\n1\n")
  end)

  it("is compared by what would be sent, in every format", function()
    local given = { rename = { a = "x" }, columns = { "x", "c" }, set = { night = 1 } }
    assert(upload("a,b,c\n1,2,q\n", given))
    assert(upload("x,c\n1,q\n"))
    local jsonl = system.file('{"a":2,"c":"q","b":3}\n{"a":2.5,"c":null}\n', ".jsonl")
    assert(api.imports:upload(support.with({ file = jsonl, name = "n", series = "s" }, given)))
    local document = system.file('{"in":[{"x":1,"c":"q"}]}', ".json")
    assert(api.imports:upload { file = document, at = "/in", name = "n", series = "s" })
    os.execute("gzip -kf " .. document)
    assert(api.imports:upload { file = document .. ".gz", at = "/in", name = "n", series = "s" })
    assert(api.imports:upload { file = { csv "x,c\n1,q\n", csv "x,c\n2,r\n" }, name = "n", series = "s" })
    assert(api.imports:upload { records = { { x = null, c = "q" }, { x = flarelight.integer "9223372036854775808", c = null } },
      name = "n", series = "s" })
    stopped("retyped c text>mixed, retyped x number>object",
      api.imports:upload { records = { { x = { y = 1 }, c = "q" }, { x = null, c = 1 } }, name = "n", series = "s" })
    stopped("retyped c text>number, retyped x number>boolean, new y >array, new z >null", api.imports:upload {
      records = { { x = true, c = 1, y = flarelight.array {}, z = null }, { x = false, y = { 1 } } }, name = "n", series = "s",
    })
    stopped("records - 2>5", api.imports:upload { file = { csv "x,c\n1,q\n1,q\n", csv "x,c\n2,r\n1,q\n1,q\n" }, name = "n",
      series = "s" })
  end)

  it("with types that are given is counted, too", function()
    assert(upload("a\n1\n2\n3\n", { types = "text" }))
    stopped("records - 3>1", upload("a\n1\n", { types = "text" }))
    stopped("retyped a text>number", upload("a\n1\n2\n", { types = { a = "number" } }))
  end)

  -- Ends an upload at a checkpoint, as a kill would.
  local function interrupt(step, text, more)
    checkpoints.on = function(name)
      if name == step then error("interrupted!", 0) end -- as Ctrl-C
    end
    local good = pcall(upload, text, more)
    checkpoints.on = nil
    assert.is_false(good)
    return api.imports:pending()[1].token
  end

  it("is compared when it begins, and not again when it is resumed", function()
    assert(upload "a\n1\n")
    for _, step in ipairs { "upload.planned", "batch.acknowledged" } do
      local token = interrupt(step, "a\n2\n")
      assert(upload("b\n1\n", { drift = "accept" }))
      assert(api.imports:resume(token))
      -- The upload that was begun later is the last of the series, though it was done before.
      assert(upload "b\n1\n")
      assert(upload("a\n1\n", { drift = "accept" }))
    end
  end)

  it("stays in the series with which it began", function()
    local given = { file = csv "a\n1\n", key = "k" }
    interrupt("upload.planned", nil, given)
    assert(api.imports:upload(support.with(given, { name = "n", series = "t" })))
    assert(upload("b\n1\n", { series = "t" }))
    stopped("missing a number>, new b >number", upload "b\n1\n")
  end)

  it("whose process is killed at any step goes on, and is the last of its series then #slow", function()
    if not system.thorough then return end
    local path, killed = csv(("a,b\n" .. ("1,x\n"):rep(25))), 0
    for _, step in ipairs(checkpoints.names) do
      state = system.path()
      sandbox, api = opened.service(nil, { state = state })
      -- With a description: a list of imports that shows none could not tell what became of the first batch.
      assert(upload("c\n1\n", { description = "d" }))
      assert(upload("a,b\n" .. ("1,x\n"):rep(20), { description = "d", drift = "accept" }))
      local function run(...)
        return (system.shell(table.concat({
          "exec 2>&1;", system.environment(sandbox), "SERIES=s", "timeout -s KILL 120", system.interpreter,
          "spec/process/upload.lua", state, path, ...
        }, " ")))
      end
      local output = run(step, 1)
      if not output:find "done" then
        assert.is_nil(output:find "failed", output)
        killed = killed + 1
        assert.matches("done\t25\t", run())
      end
      stopped("records - 25>12", upload("a,b\n" .. ("1,x\n"):rep(12)))
      assert.are.same({}, sandbox:duplicates())
    end
    assert.is_true(killed >= 8, "killed only " .. killed .. " times")
  end)

  it("that did not end is none to compare with", function()
    local token = interrupt("upload.planned", "a\n1\n")
    assert(upload "b\n1\n")
    assert.is_true(api:forget(token))
    assert(upload "b\n1\n")
  end)

  it("whose key is done sends nothing, whatever the series had since", function()
    local path = csv "a\n1\n"
    local given = { file = path, name = "n", series = "s", key = "k" }
    assert(api.imports:upload(given))
    assert(upload("b\n1\n", { drift = "accept" }))
    assert.is_true(assert(api.imports:upload(given)).already)
    assert(upload "b\n1\n")
  end)

  it("is kept as long as it is the last of its series", function()
    local function sqlite(sql)
      return system.shell(("python3 -c 'import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); r=c.execute(sys.argv[2]); print(r.fetchone()); c.commit()' %s %s 2>/dev/null")
        :format(state, system.quote(sql)))
    end
    assert(upload "a\n1\n")
    assert(upload "a\n2\n")
    if sqlite "UPDATE uploads SET ended = 1000" == "" then return end
    assert(api.imports:upload { file = csv "x\n1\n", name = "n" })
    assert.matches("%(2,%)", sqlite "SELECT count(*) FROM uploads")
    stopped("missing a number>, new b >number", upload "b\n1\n")
  end)

  it("runs in tasks, each compared with the last that was done before", function()
    assert(upload "a\n1\n")
    local results, failed = api:all {
      function() return upload("b\n1\n", { drift = "accept" }) end,
      function() return upload "a\n2\n" end,
      function() return api.imports:upload { records = support.records(3), name = "n", series = "s", drift = "accept" } end,
    }
    assert.are.equal(0, failed, tostring(results[1].err or results[2].err or results[3].err))
  end)

  local MISUSE = {
    { { series = "" }, "series: should not be empty" },
    { { series = 1 }, "series: should be a string" },
    { { drift = "accept" }, "drift goes with series" },
    { { series = "s", drift = "yes" }, 'drift: should be "stop" or "accept"' },
    { { series = "s", journal = false }, "series: needs a state file" },
  }
  for _, case in ipairs(MISUSE) do
    it("raises misuse: " .. case[2], function()
      local good, raised = pcall(function()
        api.imports:upload(support.with({ file = csv "a\n1\n", name = "n" }, case[1]))
      end)
      assert.is_false(good)
      assert.truthy(raised:find("series_spec.lua:%d+: flarelight: imports:upload.*" .. case[2]), raised)
      assert.are.equal(0, #sandbox:requests())
    end)
  end

  it("raises misuse for a function, and without a state file", function()
    local good, raised = pcall(function()
      api.imports:upload { records = function() end, name = "n", series = "s" }
    end)
    assert.is_false(good)
    assert.truthy(raised:find("series: is for files and arrays", 1, true), raised)
    local plain = support.client(sandbox)
    good, raised = pcall(function() plain.imports:upload { file = csv "a\n1\n", name = "n", series = "s" } end)
    plain:close()
    assert.is_false(good)
    assert.truthy(raised:find("needs a state file: flarelight.new { state = path }", 1, true), raised)
  end)
end)
