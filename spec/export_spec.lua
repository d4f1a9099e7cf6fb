--- imports:export: which rows are written, whatever the service and the function do. Its other subjects are in spec/export/:
-- formats, compressed files, parts and files, continuation, options.

local exports = require "support.exports"
local support = require "support"
local system = require "support.system"

describe("imports:export", function()
  local opened = support.opened(after_each)
  local sandbox, api, base

  local function open(options, client_options) sandbox, api = opened.service(options, client_options) end
  local function path_of(ending) return base .. ending end
  local function write(ending, text) return system.write(base .. ending, text) end
  local function to_string(id, options) return exports.text(api, id, options) end
  local function run(code) return exports.run(sandbox, base, code) end

  before_each(function() base = system.path() end)

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

  describe("of an import without rows", function()
    local id
    before_each(function()
      open()
      id = support.import(api, 0)
    end)

    it("writes the header where columns are given, and the reader takes the file", function()
      local path = path_of ".csv"
      local result = assert(api.imports:export(id, { to = path, columns = { "a", "b" } }))
      assert.are.equal("a,b\r\n", system.read(path))
      assert.are.equal(0, result.rows)
      assert.are.equal(0, assert(api.imports:upload { file = path, name = "again" }).records)
    end)

    it("writes an empty file of JSON lines, and the reader takes the file", function()
      local path = path_of ".jsonl"
      assert.are.equal(0, assert(api.imports:export(id, { to = path })).rows)
      assert.are.equal("", system.read(path))
      assert.are.equal(0, assert(api.imports:upload { file = path, name = "again" }).records)
    end)

    it("refuses CSV without columns, and leaves what was there", function()
      local path = write(".csv", "kept")
      local result, message, err = api.imports:export(id, { to = path })
      assert.is_nil(result)
      assert.are.equal("imports:export: there are no rows to take the columns of CSV from: give columns", message)
      assert.are.equal("conflict", err.kind)
      assert.are.equal("kept", system.read(path))
      assert.is_nil(system.read(path .. ".part"))
    end)

    it("gives a function nothing, or the header where columns are given", function()
      local text, result = to_string(id)
      assert.are.same({ "", 0, {} }, { text, result.rows, result.columns })
      assert.are.equal("", (to_string(id, { format = "jsonl", columns = { "a" } })))
      assert.are.equal("a,b\r\n", (to_string(id, { columns = { "a", "b" } })))
      assert.are.equal("n\r\n", (to_string(support.import(api, 3), { columns = { "n" }, limit = 0 })))
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
      assert.are.equal(exports.numbers(first, last), text)
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
    assert.are.equal(exports.numbers(5, 14), strings[1])
    assert.are.same({ ("10 %d 15"):format(#strings[1]), ("20 %d 25"):format(#strings[1] + #strings[2]) }, seen)
  end)

  it("writes to standard output, after what Lua has printed", function()
    open()
    support.import(api, 3)
    assert.are.equal("first\n" .. exports.numbers(0, 2) .. "last\n", run [[
      io.write "first\n"
      assert(api.imports:export(1, { to = "-" }))
      io.write "last\n"
    ]])
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
    assert.are.equal(exports.numbers(0, 99), system.read(base .. ".csv.part"))
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
      assert.are.equal(exports.numbers(0, 249), table.concat(pieces))
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
      assert.are.equal(exports.numbers(0, 999), system.read(base .. ".csv"))
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
      assert.are.equal(exports.numbers(0, 99), system.read(base .. ".csv.part"))
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

  local close = rawget(coroutine, "close") -- Lua 5.4
  if close then
    it("leaves the part at once when its coroutine is closed", function()
      open()
      local id, path, inner = support.import(api, 20), path_of ".csv", nil
      sandbox:fault { operation = "imports.data", kind = "latency", seconds = 60, times = math.huge }
      api:spawn(function()
        inner = coroutine.running()
        return api.imports:export(id, { to = path })
      end)
      support.update_until(api, function() return sandbox:hits().total > 0 end)
      local _, message, err = api.imports:export(id, { to = path })
      assert.are.equal("conflict", err.kind, message)
      sandbox:clear_faults()
      assert(close(inner))
      assert.are.equal(20, assert(api.imports:export(id, { to = path })).rows)
    end)
  end
end)
