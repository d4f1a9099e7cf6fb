local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("imports:upload", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function open(options, client_options) sandbox, api = opened.service(options, client_options) end
  local function file(ending, text) return system.file(text, ending) end
  local function posts()
    local bodies = {}
    for i, request in ipairs(support.requests(sandbox, "imports.import")) do
      bodies[i] = assert(flarelight.json.decode(request.body))
    end
    return bodies
  end

  local sources = {
    { "an array", function() return { records = support.records(25) } end },
    { "an iterator function", function()
      local n = -1
      return { records = function()
        n = n + 1
        if n < 25 then return { n = n } end
      end }
    end },
    { "a CSV file", function()
      local lines = { "n" }
      for n = 0, 24 do lines[#lines + 1] = n end
      return { file = file(".csv", table.concat(lines, "\r\n") .. "\r\n") }
    end },
    { "a TSV file", function()
      local lines = { "n\tm" }
      for n = 0, 24 do lines[#lines + 1] = n .. "\tx" end
      return { file = file(".tsv", table.concat(lines, "\n")) }
    end },
    { "JSON lines", function()
      local lines = {}
      for n = 0, 24 do lines[#lines + 1] = ('{"n": %d}'):format(n) end
      return { file = file(".jsonl", table.concat(lines, "\n")) }
    end },
    { "a JSON file", function()
      return { file = file(".json", flarelight.json.encode(support.records(25))) }
    end },
  }
  for _, source in ipairs(sources) do
    it("loads each record once and in order: " .. source[1], function()
      open()
      local given = source[2]()
      given.name, given.batch_records = "load", 10
      local progress, last = {}, nil
      given.on_progress = function(p) progress[#progress + 1], last = p.records, p end
      local result = assert(api.imports:upload(given))
      assert.are.equal(25, result.records)
      assert.are.equal(3, result.batches)
      assert.are.equal(0, result.rejected)
      assert.are.same({ 10, 20, 25 }, progress)
      if given.file then
        assert.are.equal(last.total_bytes, last.bytes)
        assert.are.equal(0, last.eta)
      else
        assert.is_true(last.bytes > 0)
        assert.is_nil(last.total_bytes)
        assert.is_nil(last.eta)
      end
      local rows = sandbox:rows(result.id)
      assert.are.equal(25, #rows)
      for i, row in ipairs(rows) do assert.are.equal(i - 1, row.n) end
    end)
  end

  it("creates with the first batch, updates with the others, and fires events with the last alone", function()
    open()
    local result = assert(api.imports:upload { records = support.records(25), name = "load", description = "d", batch_records = 10 })
    local bodies = posts()
    assert.are.equal(3, #bodies)
    assert.is_nil(bodies[1].id)
    assert.are.equal(result.id, bodies[2].id)
    assert.are.equal(result.id, bodies[3].id)
    assert.are.same({ false, false, true }, { bodies[1].sendEvents, bodies[2].sendEvents, bodies[3].sendEvents })
    assert.are.equal("load", bodies[1].name)
    assert.are.equal("d", bodies[1].description)
  end)

  it("fires no event where none is wanted", function()
    open()
    assert(api.imports:upload { records = support.records(3), send_events = false })
    assert.is_false(posts()[1].sendEvents)
  end)

  it("keeps batches within batch_bytes", function()
    open()
    local records = {}
    for i = 1, 50 do records[i] = { text = ("x"):rep(100) } end
    local result = assert(api.imports:upload { records = records, batch_bytes = 1000 })
    assert.are.equal(50, result.records)
    assert.is_true(result.batches > 5)
    for _, request in ipairs(support.requests(sandbox, "imports.import")) do
      assert.is_true(#request.body < 1200)
    end
  end)

  it("refuses records that are no tables before anything is sent", function()
    open()
    local given = 0
    for _, records in ipairs { { { n = 1 }, "x", 3 }, function()
      given = given + 1
      return given == 1 and { n = 1 } or "x"
    end } do
      local result, message, err = api.imports:upload { records = records, name = "n" }
      assert.is_nil(result)
      assert.are.same({ "invalid_request", 2, "not_sent" }, { err.kind, err.record, err.fate })
      assert.matches("record 2 is a string and no table", message)
    end
    assert.are.equal(0, #sandbox:requests())
  end)

  it("a source without records still makes the import", function()
    open()
    local result = assert(api.imports:upload { records = {}, name = "none" })
    assert.are.equal(0, result.records)
    assert.are.same({}, posts()[1].data.records)
    assert.are.equal("[]", sandbox:rows_text(result.id))
  end)

  it("sends the values of a CSV file as they are written", function()
    open()
    local path = file(".csv", 'amount,code,flag,text,empty\n1.50,00501,true,"a,""b""",\n-2,7,false,"",\n')
    local result = assert(api.imports:upload { file = path })
    assert.are.equal('[{"amount":1.50,"code":"00501","flag":true,"text":"a,\\"b\\"","empty":null},'
      .. '{"amount":-2,"code":"7","flag":false,"text":"","empty":null}]', sandbox:rows_text(result.id))
  end)

  it("takes cells apart at the delimiter alone, whatever letters stand beside it", function()
    open()
    local path = file(".csv", "a,b,c\nZürich ÄÖÜäöü,日本語日本語日本語,ñ\n" .. "¬¬¬¬¬¬¬¬¬,x,\n")
    local result = assert(api.imports:upload { file = path })
    assert.are.equal('[{"a":"Zürich ÄÖÜäöü","b":"日本語日本語日本語","c":"ñ"},{"a":"¬¬¬¬¬¬¬¬¬","b":"x","c":null}]',
      sandbox:rows_text(result.id))
  end)

  it("reads a file in the format that is named", function()
    open()
    local path = file(".txt", "a;b,c\n1,2\n")
    assert.has_error(function() api.imports:upload { file = path } end)
    local result = assert(api.imports:upload { file = path, format = "csv" })
    assert.are.equal('[{"a;b":1,"c":2}]', sandbox:rows_text(result.id))
  end)

  it("loads the 10,000 bird strikes exactly", function()
    open()
    local path = "examples/data/birdstrikes.csv"
    local result = assert(api.imports:upload { file = path, name = "strikes" })
    assert.are.equal(10000, result.records)
    local sent = flarelight.csv.rows(path)
    for row in api.imports:rows(result.id) do
      local record = sent()
      for column, value in pairs(record) do
        if row[column] ~= value then error(("%s: %s is not %s"):format(column, tostring(row[column]), tostring(value))) end
      end
    end
    assert.is_nil(sent())
  end)

  it("needs to be told what an update of an import that exists does", function()
    open()
    local id = support.import(api, 5)
    local before = #sandbox:requests()
    local result, _, err = api.imports:upload { records = support.records(2), id = id }
    assert.is_nil(result)
    assert.are.equal("config", err.kind)
    assert.are.equal(before, #sandbox:requests())
    assert.are.equal(id, assert(api.imports:upload { records = support.records(2), id = id, update = "append" }).id)
    assert.are.equal(7, #sandbox:rows(id))
  end)

  it("stops where an update replaces instead of appending", function()
    open { update = "replace" }
    local result, _, err = api.imports:upload { records = support.records(50), batch_records = 10 }
    assert.is_nil(result)
    assert.are.equal("conflict", err.kind)
    assert.are.equal(20, err.progress.records)
    assert.are.equal(2, #posts())
  end)

  it("makes an import a batch where that is asked for", function()
    open { update = "replace" }
    local result = assert(api.imports:upload {
      records = support.records(25), batch_records = 10, update = "import_per_batch", name = "part",
    })
    assert.are.equal(3, #result.ids)
    local names = {}
    for i, id in ipairs(result.ids) do
      names[i] = #sandbox:rows(id)
    end
    assert.are.same({ 10, 10, 5 }, names)
    assert.are.equal("part (2)", posts()[2].name)
  end)

  it("finds out what became of a batch in doubt, and sends nothing twice", function()
    open()
    sandbox:fault { operation = "imports.import", nth = 2, kind = "commit_then_drop" }
    local result = assert(api.imports:upload { records = support.records(30), batch_records = 10, settle = 0.01 })
    assert.are.equal(30, result.records)
    assert.are.equal(30, #sandbox:rows(result.id))
    assert.are.equal(3, #posts())
    assert.are.same({}, sandbox:duplicates())
  end)

  it("sends again what has not arrived", function()
    open()
    sandbox:fault { operation = "imports.import", nth = 2, kind = "empty" }
    local result = assert(api.imports:upload { records = support.records(30), batch_records = 10, settle = 0.01 })
    assert.are.equal(30, #sandbox:rows(result.id))
    assert.are.equal(4, #posts())
    assert.are.same({}, sandbox:duplicates())
  end)

  it("stops in doubt where it cannot find out, sends nothing twice, and says what it held", function()
    open()
    local path = file(".csv", "n\n" .. ("1\n"):rep(30))
    local id = support.import(api, 5)
    sandbox:fault { operation = "imports.import", nth = 2, kind = "commit_then_drop" }
    local result, message, err = api.imports:upload { file = path, batch_records = 10, id = id, update = "append" }
    assert.is_nil(result)
    assert.are.equal(message, tostring(err))
    assert.are.equal("in_doubt", err.fate)
    assert.are.equal(10, err.progress.records)
    assert.are.equal(1, err.progress.batches)
    assert.are.equal(11, err.record)
    assert.are.equal(12, err.line)
    assert.are.equal(10, err.records)
    assert.are.equal(25, #sandbox:rows(id))
    assert.are.same({}, sandbox:duplicates())
  end)

  it("stops in doubt where nothing tells an import that may have been made", function()
    open()
    sandbox:fault { operation = "imports.import", kind = "commit_then_drop" }
    local result, _, err = api.imports:upload { records = support.records(30), batch_records = 10 }
    assert.is_nil(result)
    assert.are.equal("in_doubt", err.fate)
    assert.are.equal(1, #posts())
  end)

  it("waits where it is throttled, and loads everything once", function()
    open()
    sandbox:fault { operation = "imports.import", nth = 2, times = 2, kind = "throttle", retry_after = 0 }
    local result = assert(api.imports:upload { records = support.records(30), batch_records = 10 })
    assert.are.equal(30, #sandbox:rows(result.id))
    assert.are.same({}, sandbox:duplicates())
  end)

  local bad = {
    { "a quote never closed", 'a,b\n1,"x\n', "io", 2 },
    { "a row with too many cells", "a,b\n1,2\n1,2,3\n", "io", 3 },
    { "bytes that are not UTF-8", "a\nx\n\255\n", "io", 3 },
    { "a header with a repeated name", "a,a\n1,2\n", "io", 1 },
    { "an empty file", "", "io", nil },
  }
  for _, case in ipairs(bad) do
    it("names the line and sends nothing: " .. case[1], function()
      open()
      local result, message, err = api.imports:upload { file = file(".csv", case[2]) }
      assert.is_nil(result)
      assert.are.equal(case[3], err.kind, message)
      assert.are.equal(case[4], err.line, message)
      assert.are.equal(0, #sandbox:requests())
    end)
  end

  -- Mistakes far behind the first batch.
  local late = {
    { "a line that is no JSON", ".jsonl", ('{"n":1}\n'):rep(100) .. '{"n":\n', {} },
    { "a record that is no object", ".json", "[\n" .. ('{"n":1},\n'):rep(99) .. "2]", {} },
    { "a cell that does not fit its type", ".csv", "n\n" .. ("1\n"):rep(99) .. "x\n", { types = { n = "number" } } },
    { "a row of two cells under types that are texts", ".csv", "n\n" .. ("1\n"):rep(99) .. "1,2\n", { types = "text" } },
  }
  for _, case in ipairs(late) do
    it("finds it before anything is sent: " .. case[1] .. ", and names its file", function()
      open()
      local first, second = file(case[2], case[2] == ".csv" and "n\n1\n" or '[{"n":1}]'), file(case[2], case[3])
      if case[2] == ".jsonl" then first = file(".jsonl", '{"n":1}\n') end
      for _, source in ipairs { second, { first, second } } do
        local given = { file = source, types = case[4].types, batch_records = 10 }
        local result, message, err = api.imports:upload(given)
        assert.is_nil(result)
        assert.are.same({ "io", 101, second }, { err.kind, err.line, err.file }, message)
        assert.are.equal("io", select(3, api.imports:plan(given)).kind)
        assert.are.equal(0, #sandbox:requests())
      end
    end)
  end

  it("names the file of a list whose batch is refused", function()
    open()
    local parts = { file(".csv", "n\n" .. ("1\n"):rep(20)), file(".csv", "n\n" .. ("1\n"):rep(20)) }
    sandbox:fault { operation = "imports.import", nth = 4, kind = "status", status = 400 }
    local _, _, err = api.imports:upload { file = parts, batch_records = 10 }
    assert.are.same({ 31, 12, parts[2] }, { err.record, err.line, err.file })
  end)

  it("a file that is not there is an error of kind io, and nothing was sent", function()
    open()
    local _, _, err = api.imports:upload { file = "/no/such/file.csv" }
    assert.are.same({ "io", "not_sent" }, { err.kind, err.fate })
  end)

  it("a record without a form in JSON is named, and nothing after it is sent", function()
    open()
    local records = support.records(5)
    records[4].bad = print
    local result, message, err = api.imports:upload { records = records, batch_records = 2 }
    assert.is_nil(result)
    assert.are.equal("invalid_request", err.kind)
    assert.is_truthy(message:find("records[4].bad", 1, true), message)
    assert.is_truthy(#posts() <= 1)
  end)

  describe("of a function that gives nil and a reason", function()
    local function from(...)
      local ends, n = { ... }, 0
      return function()
        n = n + 1
        if n <= 15 then return { n = n } end
        return (table.unpack or unpack)(ends, 1, 3)
      end
    end

    it("stops with the reason, and is not done", function()
      open()
      local result, message, err = api.imports:upload { records = from(nil, "the disk is gone"), batch_records = 10 }
      assert.is_nil(result)
      assert.are.equal("imports:upload: records: the disk is gone", message)
      assert.are.same({ "io", "not_sent", 16 }, { err.kind, err.fate, err.record })
      assert.are.equal(0, err.progress.records)
      assert.is_nil(api.imports:upload { records = from(nil, nil, "why"), batch_records = 10 })
      assert.is_nil(api.imports:upload { records = from(nil, false), batch_records = 10 })
    end)

    it("stops with an error of flarelight as it is", function()
      open()
      local _, text, own = api.imports:data(404)
      for _, records in ipairs { from(nil, text, own), from(nil, own) } do
        local result, message, err = api.imports:upload { records = records, batch_records = 10 }
        assert.is_nil(result)
        assert.are.equal(own, err)
        assert.are.same({ text, "not_found" }, { message, err.kind })
      end
    end)

    it("stops with the failure of a stream of rows", function()
      open()
      local id = support.import(api, 500)
      sandbox:fault { operation = "imports.data", nth = 3, kind = "status", status = 400 }
      local rows = api.imports:rows(id, { page_size = 100, prefetch = 0 })
      local result, message, err = api.imports:upload { records = function() return rows:next() end }
      assert.is_nil(result)
      assert.are.equal("invalid_request", err.kind, message)
      assert.are.equal(201, err.record)
    end)

    it("stops with the failure of a file that is read", function()
      open()
      local rows = flarelight.csv.rows(file(".csv", "a,b\n1,2\n3,4,5\n"), { types = "text" })
      local result, message, err = api.imports:upload { records = function() return rows:next() end }
      assert.is_nil(result)
      assert.are.equal("io", err.kind, message)
    end)
  end)

  local function nothing() end
  local misuses = {
    { "a table that is to be called", { records = setmetatable({}, { __call = nothing }) }, "should be an array" },
    { "a table whose elements come from its metatable", { records = setmetatable({}, { __index = { {}, {} } }) },
      "should be an array" },
    { "a table that only pairs fills", { records = setmetatable({}, { __pairs = function() return next, { {} } end }) },
      "come from its metatable" },
    { "an array that goes on by its metatable", { records = setmetatable({ {} }, { __index = { {}, {} } }) },
      "should be an array" },
    { "an object", { records = { n = 1 } }, "should be an array" },
    { "neither file nor records", {} , "either file or records" },
    { "both", { file = "x.csv", records = {} }, "either file or records" },
    { "an unknown option", { records = {}, batch = 3 }, "unknown option" },
    { "an unknown update", { records = {}, update = "replace" }, "update" },
    { "an array with a gap", { records = { [1] = {}, [3] = {} } }, "gaps" },
    { "batches of nothing", { records = {}, batch_records = 0 }, "batch_records" },
  }
  for _, case in ipairs(misuses) do
    it("raises misuse: " .. case[1], function()
      open()
      local good, message = pcall(function() api.imports:upload(case[2]) end)
      assert.is_false(good)
      assert.is_truthy(message:find(case[3], 1, true), message)
      assert.is_truthy(message:find("upload_spec.lua", 1, true), message)
      assert.are.equal(0, #sandbox:requests())
    end)
  end
end)
