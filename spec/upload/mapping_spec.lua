-- The function `map` of uploads: what it makes of records, what it refuses, and what a resumed upload checks.

local flarelight = require "flarelight"
local checkpoints = require "flarelight.upload.checkpoints"
local support = require "support"
local system = require "support.system"

describe("an upload with map", function()
  local opened = support.opened(after_each)
  local sandbox, api
  local file

  after_each(function() checkpoints.on = nil end)

  local function open(options) sandbox, api = opened.service(options or {}, { state = system.path() }) end

  before_each(function()
    local lines = { "id,name" }
    for id = 1, 300 do lines[id + 1] = id .. ",n" .. id end
    file = system.file(table.concat(lines, "\n") .. "\n", ".csv")
  end)

  local function identity(record) return record end

  it("sends the tables that the function returns, and drops records where it returns nil", function()
    open()
    local seen = 0
    local result = assert(api.imports:upload { file = file, rename = { name = "n" }, set = { s = 1 }, batch_records = 40,
      map = function(record)
        seen = seen + 1
        if record.id % 3 == 0 then return nil end
        return { id = record.id, text = record.n .. record.s, list = flarelight.json.array { true } }
      end })
    local rows = sandbox:rows(result.id)
    assert.are.same({ 200, 200, 5 }, { #rows, result.records, result.batches })
    assert.are.same({ id = 1, text = "n11", list = { true } }, rows[1])
    assert.are.same({ id = 299, text = "n2991", list = { true } }, rows[200])
    assert.are.equal(300, seen)
  end)

  it("takes every format, compressed files and lists of files", function()
    open()
    local parts = { system.file('{"id":1}\n{"id":2}\n', ".jsonl"), system.file('{"id":3}\n', ".jsonl") }
    local result = assert(api.imports:upload { file = parts, map = function(record)
      record.twice = record.id * 2
      return record
    end })
    assert.are.same({ { id = 1, twice = 2 }, { id = 2, twice = 4 }, { id = 3, twice = 6 } }, sandbox:rows(result.id))
    result = assert(api.imports:upload { file = file, map = function() return nil end })
    assert.are.same({ 0, {} }, { result.records, sandbox:rows(result.id) })
  end)

  it("ends where the function closes the client", function()
    local box = opened.sandbox()
    local script = system.file([[
      local path = arg[1]
      local n = 0
      local api = assert(require("flarelight").new())
      local result, message, err = api.imports:upload { file = path, name = "n", map = function(record)
        n = n + 1
        if n == 1 then api:close() end
        return record
      end }
      print(result, err.kind)
    ]], ".lua")
    local path = system.file("a\n" .. ("1\n"):rep(3000), ".csv")
    for _ = 1, 5 do
      assert.are.equal("nil\tclosed\n", (system.shell(("timeout -s KILL 120 env %s %s %s %s"):format(
        system.environment(box), system.interpreter, script, path))))
    end
  end)

  -- Each case: what the function returns or raises at record 7, the kind and the message.
  local refused = {
    { "a number", function() return 5 end, "invalid_request", "should return a table, or nil to drop the record" },
    { "false", function() return false end, "invalid_request", "returned a boolean" },
    { "an error that it raises", function() error("boom", 0) end, "raised", "line 8: boom" },
    { "a table that it raises", function() error { 1 } end, "raised", "line 8: table" },
    { "nil and a message", function() return nil, "no rate" end, "io", "line 8: no rate" },
    { "a value that JSON has no form for", function(record)
      record.f = print
      return record
    end, "invalid_request", "records%[7%].f: a function has no form in JSON %(line 8 of the file%)" },
  }
  for _, case in ipairs(refused) do
    it("refuses " .. case[1] .. " with the line, and sends nothing", function()
      open()
      local result, message, err = api.imports:upload { file = file, batch_records = 3, key = "k", map = function(record)
        if record.id == 7 then return case[2](record) end
        return record
      end }
      assert.is_nil(result)
      assert.are.same({ case[3], "not_sent", 8 }, { err.kind, err.fate, err.line })
      assert.matches("^imports:upload: .*" .. case[4], message)
      assert.are.same({ 0, {} }, { #sandbox:requests(), api.imports:pending() })
      assert(api.imports:upload { file = file, key = "k", map = identity }) -- the key is free
    end)
  end

  it("names the line of the file where the service refuses a batch", function()
    open()
    sandbox:fault { operation = "imports.import", kind = "status", status = 400, nth = 2 }
    local _, _, err = api.imports:upload { file = file, batch_records = 10, map = function(record)
      return record.id % 3 == 0 and record or nil
    end }
    assert.are.same({ 11, 34 }, { err.record, err.line }) -- the 11th is 33, which stands below the header
  end)

  it("sends nothing where the disk is full, and leaves nothing", function()
    open()
    local lines, digits = { "n" }, {}
    for n = 1, 30000 do
      for i = 1, 8 do digits[i] = ("%08x"):format(math.random(0, 2 ^ 31 - 1)) end
      lines[n + 1] = table.concat(digits)
    end
    local folder = system.folder()
    local script = system.file(([[
      local api = assert(require "flarelight".new { state = %q })
      local _, message, err = api.imports:upload { file = %q, map = function(r) return r end }
      print(err.kind, err.fate, message, #api.imports:pending())
    ]]):format(folder .. "/state", system.file(table.concat(lines, "\n"), ".csv")), ".lua")
    local said = system.shell(("trap '' XFSZ; ulimit -f 1000; env %s %s %s 2>&1"):format(system.environment(sandbox),
      system.interpreter, script))
    assert.matches("^io%s+not_sent%s+imports:upload: the temporary file of map: .*File too large%s+0%s*$", said)
    assert.are.equal(0, #sandbox:requests())
    assert.are.equal("", (system.shell("ls -d " .. folder .. "/*spool* 2>/dev/null")))
  end)

  -- Begins an upload with `map`, which is ended after its second batch. Returns its options.
  local function interrupted(map)
    local answered = 0
    checkpoints.on = function(step)
      if step == "batch.answered" then answered = answered + 1 end
      if answered == 2 then error("ended", 0) end
    end
    local given = { file = file, batch_records = 50, key = "k", settle = 0.01, map = map }
    assert.is_false((pcall(api.imports.upload, api.imports, given)))
    checkpoints.on = nil
    return given
  end

  it("is resumed with the same function, each record once", function()
    open()
    local given = interrupted(function(record) return record.id % 2 == 0 and record or nil end)
    assert.is_true(assert(api.imports:upload(given)).records == 150)
    assert.are.same({}, sandbox:duplicates())
    assert.are.equal(150, #sandbox:rows(1))
    assert.is_true(assert(api.imports:upload(given)).already)
    given.map = identity
    local _, message, err = api.imports:upload(given)
    assert.are.equal("conflict", err.kind, message)
  end)

  it("stops with a conflict where the function gives another result", function()
    open()
    local given = interrupted(identity)
    given.map = function(record)
      if record.id == 20 then record.name = "other" end
      return record
    end
    local before = #sandbox:rows(1)
    local _, message, err = api.imports:upload(given)
    assert.are.equal("conflict", err.kind)
    assert.matches("began %(the file, or the result of map%): batch 1, records 1 to 50, differs", message)
    assert.are.equal(before, #sandbox:rows(1))
  end)

  it("is not resumed without its function, nor with one that it was begun without", function()
    open()
    local given = interrupted(identity)
    local token = api.imports:pending()[1].token
    local _, message, err = api.imports:resume(token)
    assert.are.same({ "config", "imports:resume: the upload was begun with a function map: give it again" },
      { err.kind, message })
    given.map = nil
    _, message, err = api.imports:upload(given)
    assert.are.equal("conflict", err.kind)
    assert.matches("names an upload with map", message)
    assert.are.equal(300, assert(api.imports:resume(token, { map = identity })).records)
  end)

  it("compares what the function returns with a series", function()
    open()
    assert(api.imports:upload { file = file, series = "s", map = identity })
    local _, _, err = api.imports:upload { file = file, series = "s", map = function(record)
      return record.id < 100 and { id = tostring(record.id), name = record.name, more = 1 } or nil
    end }
    assert.are.equal("conflict", err.kind)
    local found = {}
    for _, difference in ipairs(err.differences) do found[#found + 1] = difference.column or "records" end
    table.sort(found)
    assert.are.same({ "id", "more", "records" }, found)
  end)

  it("is planned, and compared with its import", function()
    open()
    local function map(record) return record.id <= 10 and { id = record.id } or nil end
    local plan = assert(api.imports:plan { file = file, map = map, show = 1 })
    assert.are.same({ 10, { '{"id":1}' } }, { plan.records, plan.first_records })
    local id = assert(api.imports:upload { file = file, map = map }).id
    assert.is_true(assert(api.imports:compare(id, { file = file, map = map })).equal)
    assert.is_false(assert(api.imports:compare(id, { file = file })).equal)
  end)

  it("is misuse for records", function()
    open()
    local good, message = pcall(api.imports.upload, api.imports, { records = {}, map = identity })
    assert.is_false(good)
    assert.matches("imports:upload.map: is for files", message)
  end)

  it("holds up a frame for no longer than a slice", function()
    open()
    local frames, result = 0, nil
    local task = api:spawn(function()
      result = assert(api.imports:upload { file = file, map = function(record)
        local ends = os.clock() + 0.0002
        repeat until os.clock() > ends
        return record
      end })
    end)
    repeat
      api:update(0.001)
      frames = frames + 1
    until task:done()
    assert.are.equal(300, result.records)
    assert.is_true(frames > 10, frames .. " frames")
  end)
end)
