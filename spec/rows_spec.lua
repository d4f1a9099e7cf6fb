local flarelight = require "flarelight"
local csv = require "flarelight.csv"
local support = require "support"
local system = require "support.system"

-- Reads a whole stream; the positions must count up from `start`.
local function read(stream, start)
  local numbers, expected = {}, start or 0
  for row, position in stream do
    assert.are.equal(expected, position)
    expected = expected + 1
    numbers[#numbers + 1] = row.n
  end
  return numbers
end

local function sequence(first, last)
  local numbers = {}
  for n = first, last do numbers[#numbers + 1] = n end
  return numbers
end

describe("rows", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function open(options, client_options) sandbox, api = opened.service(options, client_options) end

  -- Rows that an import may hold, though no row is like the one before: strings are kept from row to row by
  -- place and bytes, so each is one that such a memory could take for another.
  local strange = {
    { id = 1, state = "NY", ["16"] = "sixteen bytes ok" }, { state = "NY", id = 2, ["16"] = "sixteen bytes ok" },
    { id = 3, state = "NY\0", ["16"] = "sixteen bytes ok" }, { id = 4, state = "NY", ["16"] = "sixteen bytes ok!" },
    {}, { id = 5, state = "", of = { state = "NY", id = { 1, { id = 2 } } } }, { id = 6, state = "\0" },
    { id = 7, state = "", of = { state = "NY", id = {} } }, { id = 8, state = "12345678" },
    { id = 9, state = "12345678\0" }, { id = 10, state = "12345678" }, { id = 11, state = "123456789" },
    { id = 12, state = "12345678" }, { stat = "NY", e = "NY" }, { state = ("x"):rep(2 ^ 20), id = 13 },
    { ["\"state"] = "NY", ["state\""] = "NY", ["st\\ate"] = "NY" }, { ["\"state"] = "NY", ["state\""] = "YN" },
  }
  local function strange_rows(turns)
    local rows = {}
    for turn = 1, turns do
      for index, row in ipairs(strange) do rows[#rows + 1] = turn % 2 == 0 and strange[#strange + 1 - index] or row end
    end
    return rows
  end

  it("gives rows of every shape as they are, from two streams in turn", function()
    open()
    local sent = strange_rows(4)
    local id = assert(api.imports:import { records = sent }).id
    local other = support.import(api, #sent)
    local stream, numbers = api.imports:rows(id, { page_size = 9 }), api.imports:rows(other, { page_size = 7 })
    for index, row in ipairs(sent) do
      assert.are.same(row, (stream:next()))
      assert.are.equal(index - 1, numbers:next().n)
    end
    assert.is_nil((stream:next()))
    local columns, length = api.imports:rows(id):columns(#sent + 1)
    assert.are.equal(#sent, length)
    for index, row in ipairs(sent) do
      for name, column in pairs(columns) do
        assert.are.same(row[name] == nil and flarelight.null or row[name], column[index])
      end
    end
  end)

  it("gives more columns than there are small tables for", function()
    open()
    local wide = { {}, {}, {} }
    for index = 1, 150 do wide[index % 3 + 1]["c" .. index] = index end
    local id = assert(api.imports:import { records = wide }).id
    local stream = api.imports:rows(id, { page_size = 1 })
    local columns, length = stream:columns(3)
    assert.are.equal(3, length)
    for index = 1, 150 do
      for at = 1, 3 do
        assert.are.equal(at == index % 3 + 1 and index or flarelight.null, columns["c" .. index][at])
      end
    end
  end)

  local cases = {
    { "a last page that is short", rows = 250, page_size = 100 },
    { "a last page that is full", rows = 300, page_size = 100 },
    { "one page", rows = 7, page_size = 100 },
    { "no row", rows = 0, page_size = 100 },
    { "one row a page", rows = 9, page_size = 1 },
    { "no prefetch", rows = 250, page_size = 100, prefetch = 0 },
    { "much prefetch", rows = 1234, page_size = 100, prefetch = 16 },
    { "a server that caps count", rows = 1234, page_size = 500, service = { count_cap = 100 } },
    { "a cap that is no divisor", rows = 1000, page_size = 500, prefetch = 8, service = { count_cap = 77 } },
    { "rows under records", rows = 250, page_size = 100, service = { rows = "records" } },
    { "a 404 past the end", rows = 250, page_size = 100, service = { past_end = "404" } },
    { "a 400 past the end", rows = 250, page_size = 100, service = { past_end = "400" } },
    { "null past the end", rows = 250, page_size = 100, service = { past_end = "null" } },
    { "a server that refuses a large count", rows = 900, page_size = 1000, service = { count_cap = 300, over_cap = "400" } },
  }
  for _, case in ipairs(cases) do
    it("reads each row once and in order: " .. case[1], function()
      open(case.service)
      local id = support.import(api, case.rows)
      local stream = api.imports:rows(id, { page_size = case.page_size, prefetch = case.prefetch })
      assert.are.same(sequence(0, case.rows - 1), read(stream))
      assert.are.equal(case.rows, stream:position())
    end)
  end

  it("advances by the rows that came, and ends only with an empty page", function()
    open()
    local id = support.import(api, 250)
    read(api.imports:rows(id, { page_size = 100, prefetch = 1 }))
    local starts = {}
    for _, request in ipairs(support.requests(sandbox, "imports.data")) do
      starts[#starts + 1] = request.query:match "start=(%d+)"
    end
    assert.are.same({ "0", "100", "200", "250" }, starts)
  end)

  it("saves the last request where a short page is trusted", function()
    open(nil, { trust_short_page = true })
    local id = support.import(api, 250)
    assert.are.equal(250, #read(api.imports:rows(id, { page_size = 100, prefetch = 1 })))
    assert.are.equal(3, #support.requests(sandbox, "imports.data"))
  end)

  it("begins at start and gives at most limit rows", function()
    open()
    local id = support.import(api, 250)
    assert.are.same(sequence(30, 249), read(api.imports:rows(id, { start = 30, page_size = 100 }), 30))
    assert.are.same(sequence(0, 119), read(api.imports:rows(id, { limit = 120, page_size = 50 })))
    assert.are.same({}, read(api.imports:rows(id, { limit = 0 })))
    local last = support.requests(sandbox, "imports.data")
    assert.is_truthy(last[#last].query:find("count=20", 1, true))
  end)

  -- Only the Luas after 5.1 ask the metatable for a length, and only those after 5.2 for the elements of ipairs.
  it("is no array", function()
    open()
    local stream = api.imports:rows(support.import(api, 20), { page_size = 10 })
    for read_rows = 0, 15, 5 do
      assert.has_error(function() return stream[1] end,
        "flarelight: rows: a stream is no array; use for row in rows, or rows:batch(n)")
      if _VERSION ~= "Lua 5.1" then assert.error_matches(function() return #stream end, "rows: a stream is no array") end
      for n = 1, 5 do assert.are.equal(read_rows + n - 1, stream:next().n) end
    end
    stream = csv.rows(system.file("a\n1\n", ".csv"))
    assert.error_matches(function() return stream[1] end, "csv.rows: a stream is no array; use for row, line in rows")
    if _VERSION ~= "Lua 5.1" then assert.error_matches(function() return #stream end, "csv.rows: a stream is no") end
    assert.are.same({ a = 1 }, stream())
  end)

  it("asks for nothing before the first row", function()
    open()
    api.imports:rows(1)
    assert.are.equal(0, #sandbox:requests())
  end)

  it("goes on from a position", function()
    open()
    local id = support.import(api, 100)
    local stream = api.imports:rows(id, { page_size = 30 })
    for _ = 1, 42 do stream:next() end
    stream:close()
    assert.are.equal(42, stream:position())
    assert.are.same(sequence(42, 99), read(api.imports:rows(id, { start = stream:position() }), 42))
  end)

  it("gives batches of rows, marked as arrays, and an empty one at the end", function()
    open()
    local id = support.import(api, 250)
    local stream = api.imports:rows(id, { page_size = 100 })
    local lengths = {}
    for i = 1, 4 do
      local batch = stream:batch(120)
      lengths[i] = #batch
      if i == 2 then assert.are.equal(120, batch[1].n) end
    end
    assert.are.same({ 120, 120, 10, 0 }, lengths)
    assert.are.equal("[]", flarelight.json.encode(stream:batch(1)))
  end)

  it("gives columns, with null where a row lacks a member", function()
    open()
    local id = assert(api.imports:import {
      name = "mixed", records = { { a = 1 }, { b = "x" }, { a = 3, b = "y", c = true }, {} },
    }).id
    local stream = api.imports:rows(id)
    local columns, count = stream:columns(10)
    local null = flarelight.null
    assert.are.equal(4, count)
    assert.are.same({ a = { 1, null, 3, null }, b = { null, "x", "y", null }, c = { null, null, true, null } },
      { a = { (table.unpack or unpack)(columns.a) }, b = { (table.unpack or unpack)(columns.b) }, c = { (table.unpack or unpack)(columns.c) } })
    columns, count = stream:columns(10)
    assert.are.same({}, columns)
    assert.are.equal(0, count)
  end)

  it("says what came where it is no page of rows", function()
    open()
    sandbox:fault { operation = "imports.data", kind = "status", status = 200, times = 100 }
    local row, message, err = api.imports:rows(1):next()
    assert.is_nil(row)
    assert.are.equal("protocol", err.kind)
    assert.are.equal(message, tostring(err))
  end)

  it("gives the rows that came before an error, then the error, and raises it in a loop", function()
    open(nil, { max_attempts = 1 })
    local id = support.import(api, 300)
    sandbox:fault { operation = "imports.data", nth = 3, times = 100, kind = "status", status = 500 }
    local stream, seen = api.imports:rows(id, { page_size = 100, prefetch = 1 }), 0
    local raised, err = pcall(function()
      for _ in stream do seen = seen + 1 end
    end)
    assert.is_false(raised)
    assert.are.equal("server", err.kind)
    assert.are.equal(200, seen)
    assert.are.equal(200, stream:position())
    local row, _, again = stream:next()
    assert.is_nil(row)
    assert.are.equal("server", again.kind)
  end)

  it("tries a page again that failed for the moment", function()
    open()
    local id = support.import(api, 300)
    for nth = 1, 3 do sandbox:fault { operation = "imports.data", nth = nth, kind = "truncate" } end
    assert.are.same(sequence(0, 299), read(api.imports:rows(id, { page_size = 100 })))
  end)

  it("an import that is not there is an error, not an end", function()
    open()
    local row, _, err = api.imports:rows(99):next()
    assert.is_nil(row)
    assert.are.equal("not_found", err.kind)
  end)

  it("stops asking once it is closed or forgotten", function()
    open()
    local id = support.import(api, 1000)
    local stream = api.imports:rows(id, { page_size = 10, prefetch = 2 })
    stream:next()
    stream:close()
    assert.is_nil(stream:next())
    do
      local other = api.imports:rows(id, { page_size = 10, prefetch = 2 })
      other:next()
    end
    collectgarbage()
    collectgarbage()
    assert(api.imports:all())
    local asked = #support.requests(sandbox, "imports.data")
    assert.is_true(asked <= 8, asked .. " pages were asked for")
  end)

  it("asks no further than prefetch allows while nobody reads", function()
    open()
    local id = support.import(api, 1000)
    local stream = api.imports:rows(id, { page_size = 10, prefetch = 3 })
    stream:next()
    for _ = 1, 5 do assert(api.imports:all()) end
    assert.is_true(#support.requests(sandbox, "imports.data") <= 5)
    assert.are.equal(999, #read(stream, 1))
  end)

  -- Services that do not do what `start` says, or give the rows in another order each time.
  local broken = {
    { "start is ignored", { start_mode = "ignored" } }, { "start is clamped", { start_mode = "clamped" } },
    { "start is repeated", { start_mode = "repeated" } }, { "start is shuffled", { start_mode = "shuffled" } },
    { "the order is shuffled", { row_order = "shuffled" } }, { "the order alternates", { row_order = "alternating" } },
  }
  for _, case in ipairs(broken) do
    for _, count in ipairs { 1, 3, 20, 60 } do
      for _, options in ipairs { {}, { page_size = 4 }, { page_size = 4, prefetch = 0 }, { page_size = 20, prefetch = 16 } } do
        it(("ends with each row once or an error, in at most 30 requests, where %s: %d rows, %s a page, %s ahead")
          :format(case[1], count, options.page_size or 5000, options.prefetch or 2), function()
          open(case[2])
          local id = support.import(api, count)
          local found, stream = {}, api.imports:rows(id, options)
          local row, message, err
          repeat
            row, message, err = stream:next()
            if row then found[#found + 1] = row.n end
          until not row
          if err then
            assert.are.same({ "protocol", message }, { err.kind, tostring(err) })
            assert.is_truthy(message:find("cannot be read page by page", 1, true), message)
            assert.are.equal(message, select(2, stream:next()))
          else
            table.sort(found)
            assert.are.same(sequence(0, count - 1), found)
          end
          local asked = #support.requests(sandbox, "imports.data")
          assert.is_true(asked <= 30, asked .. " requests")
        end)
      end
    end
  end

  it("gives rows that are all equal, for four requests more", function()
    for _, count in ipairs { 3, 20, 21 } do
      open()
      local records = {}
      for i = 1, count do records[i] = { n = "equal" } end
      local id = assert(api.imports:import { records = records, name = "equal" }).id
      local found = assert(api.imports:rows(id, { page_size = 5, prefetch = 0 }):batch(100))
      assert.are.equal(count, #found)
      local far = 0
      for _, request in ipairs(support.requests(sandbox, "imports.data")) do
        if request.query:find "start=1073741824" then far = far + 1 end
      end
      assert.are.equal(count > 5 and 1 or 0, far)
      local pages = math.floor(count / 5) + (count % 5 > 0 and 2 or 1)
      assert.are.equal(pages + 4 * far, #support.requests(sandbox, "imports.data"))
    end
  end)

  it("takes any answer without rows to a start far beyond the end for a service that does what it says", function()
    for _, past_end in ipairs { "empty", "400", "404", "null" } do
      open { past_end = past_end }
      local records = {}
      for i = 1, 13 do records[i] = { n = "equal" } end
      local id = assert(api.imports:import { records = records, name = "equal" }).id
      assert.are.equal(13, #assert(api.imports:rows(id, { page_size = 5 }):batch(100)))
    end
  end)

  it("drops nulls with null_as_nil", function()
    open(nil, { null_as_nil = true })
    local id = assert(api.imports:import { name = "n", records = {
      { a = flarelight.null, b = 1 }, { b = { c = flarelight.null, d = { 1, flarelight.null, 3 } } },
    } }).id
    local rows = api.imports:rows(id)
    assert.are.same({ b = 1 }, rows:next())
    local nested = { d = { [1] = 1, [3] = 3 } }
    assert.are.same({ b = nested }, rows:next())
    assert.are.same({ b = nested }, api.imports:rows(id):batch(2)[2])
    -- In a column null is what a row lacks, so that its array has no holes; what is nested is as in rows.
    assert.are.same({ a = { flarelight.null, flarelight.null }, b = { 1, nested } }, (api.imports:rows(id):columns(2)))
  end)

  it("gives every row of an import that holds the same rows several times", function()
    open()
    local records = {}
    for n = 0, 59 do records[n + 1] = { n = n % 20 } end
    local id = assert(api.imports:import { records = records }).id
    for page_size = 1, 21 do
      local found = {}
      for row in api.imports:rows(id, { page_size = page_size }) do found[#found + 1] = row end
      assert.are.same(records, found)
    end
  end)

  it("asks a key function again after a 401 once", function()
    open()
    local id = support.import(api, 20)
    local keys = { "wrong-key", sandbox.api_key }
    local other = support.client(sandbox, { api_key = function() return table.remove(keys, 1) end })
    assert.are.equal(20, #read(other.imports:rows(id, { page_size = 5 })))
    other:close()
    assert.are.equal(0, #keys)
  end)

  local misuses = {
    { "an unknown option", function() api.imports:rows(1, { page = 3 }) end, "unknown option" },
    { "a page of no rows", function() api.imports:rows(1, { page_size = 0 }) end, "page_size" },
    { "a start below 0", function() api.imports:rows(1, { start = -1 }) end, "start" },
    { "no id", function() api.imports:rows() end, "id" },
    { "a batch of no rows", function() api.imports:rows(1):batch(0) end, "batch" },
  }
  for _, case in ipairs(misuses) do
    it("raises misuse: " .. case[1], function()
      open()
      local good, message = pcall(case[2])
      assert.is_false(good)
      assert.is_truthy(message:find(case[3], 1, true), message)
      assert.is_truthy(message:find("rows_spec.lua", 1, true), message)
    end)
  end
end)
