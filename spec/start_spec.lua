-- Servers that give `start` another meaning: they ignore it, clamp it to the last page, begin again behind the end, or
-- answer from any place. Every read, export and upload of these small imports ends within thirty requests, with an error or
-- with the right data. Reads of rows in no order are the exception: they end, and whether they are right is not found out.
-- spec/rows_spec.lua and spec/export_spec.lua say how such a server is found out.

local checkpoints = require "flarelight.upload.checkpoints"
local support = require "support"
local system = require "support.system"

local ROWS, MOST = 25, 30

-- Row n of an import: each is another, or all are equal, or they repeat with the page.
local KINDS = {
  distinct = function(n) return { n = n } end,
  equal = function() return { n = 7 } end,
  periodic = function(n) return { n = n % 10 } end,
}

local function records(kind, first, last)
  local list = {}
  for n = first, last do list[#list + 1] = KINDS[kind](n) end
  return list
end

local function one_by_one(options)
  return function(api, id)
    local rows, list = api.imports:rows(id, options), {}
    while true do
      local row, position, err = rows:next()
      if row == nil then return err == nil and list or nil, position, err end
      list[#list + 1] = row
    end
  end
end

-- Each reads the whole import: the rows, or nil, message, err.
local reads = {
  ["rows, without reading ahead"] = one_by_one { page_size = 10, prefetch = 0 },
  ["rows, reading ahead"] = one_by_one { page_size = 10, prefetch = 4 },
  ["rows of small pages"] = one_by_one { page_size = 3, prefetch = 2 },
  ["rows with a limit"] = one_by_one { page_size = 10, limit = ROWS },
  ["rows in batches"] = function(api, id)
    local rows, list = api.imports:rows(id, { page_size = 10 }), {}
    while true do
      local batch, message, err = rows:batch(1000)
      if not batch then return nil, message, err end
      if #batch == 0 then return list end
      for _, row in ipairs(batch) do list[#list + 1] = row end
    end
  end,
  ["rows as columns"] = function(api, id)
    local rows, list = api.imports:rows(id, { page_size = 10 }), {}
    while true do
      local columns, length, err = rows:columns(1000)
      if not columns then return nil, length, err end
      if length == 0 then return list end
      for at = 1, length do list[#list + 1] = { n = columns.n[at] } end
    end
  end,
  ["export to a function"] = function(api, id)
    local pieces = {}
    local result, message, err = api.imports:export(id, {
      format = "jsonl", page_size = 10, to = function(text) pieces[#pieces + 1] = text end,
    })
    if not result then return nil, message, err end
    local list = {}
    for number in table.concat(pieces):gmatch '{"n":(%d+)}\n' do list[#list + 1] = { n = tonumber(number) } end
    return list
  end,
  ["export to a file"] = function(api, id)
    local path = system.path ".csv"
    local result, message, err = api.imports:export(id, { to = path, page_size = 10 })
    if not result then
      assert.is_false(system.exists(path))
      return nil, message, err
    end
    local list = {}
    for number in system.read(path):gmatch "(%d+)\r\n" do list[#list + 1] = { n = tonumber(number) } end
    return list
  end,
}

describe("where the service's start is", function()
  local opened = support.opened(after_each)
  local sandbox, api, asked

  after_each(function() checkpoints.on = nil end)

  -- A client that closes itself when it has sent far too much, so that nothing here goes on for ever.
  local function open(mode, options)
    sandbox = opened.sandbox(support.with({ start_mode = mode }, options))
    asked = 0
    api = opened.client(sandbox, { state = system.path(), on_event = function(event)
      if event.name == "start" then asked = asked + 1 end
      if asked == 2 * MOST then api:close() end
    end })
    return api
  end

  local function ended_well(from)
    local requests = #sandbox:requests() - from
    assert.is_true(requests <= MOST, requests .. " requests")
  end

  for _, mode in ipairs { "honoured", "ignored", "clamped", "repeated", "shuffled" } do
    describe(mode .. ",", function()
      for kind in pairs(KINDS) do
        for name, read in pairs(reads) do
          it(("%s of %s records end"):format(name, kind), function()
            open(mode)
            local sent = records(kind, 0, ROWS - 1)
            local id = assert(api.imports:import { records = sent, name = "n" }).id
            local before = #sandbox:requests()
            local list, message, err = read(api, id)
            ended_well(before)
            if mode == "honoured" or list then
              assert.is_not_nil(list, message)
              assert.are.same(sent, list)
            else
              assert.are.equal("protocol", err.kind, message)
            end
          end)
        end

        -- Whatever an upload looks for in an import: each record is there once at most, and once if it says success.
        local function check(id, first, last, result, message, err)
          if not result then
            assert.is_string(message)
            assert.is_not_nil(err.kind)
            assert.is_not_equal("closed", err.kind)
          end
          assert.are.same({}, sandbox:duplicates())
          local rows = sandbox:rows(id)
          if result then assert.are.same(records(kind, first, last), rows) end
          assert.is_true(#rows <= last - first + 1, #rows .. " rows")
        end

        it(("an upload of %s records into an import that is there ends"):format(kind), function()
          open(mode)
          local id = assert(api.imports:import { records = records(kind, 0, 9), name = "n" }).id
          local before = #sandbox:requests()
          local result, message, err = api.imports:upload {
            id = id, records = records(kind, 10, 34), batch_records = 10, key = "k", settle = 0.01,
          }
          ended_well(before)
          check(id, 0, 34, result, message, err)
        end)

        for _, loss in ipairs { "commit_then_drop", "reset" } do
          it(("an upload of %s records in doubt (%s) ends"):format(kind, loss), function()
            open(mode)
            sandbox:fault { operation = "imports.import", nth = 2, kind = loss }
            local result, message, err = api.imports:upload {
              records = records(kind, 0, 34), batch_records = 10, key = "k", settle = 0.01, name = "n",
            }
            ended_well(0)
            check(1, 0, 34, result, message, err)
          end)
        end

        it(("an upload of %s records that goes on ends"):format(kind), function()
          open(mode)
          local seen = 0
          checkpoints.on = function(step)
            if step == "batch.answered" then seen = seen + 1 end
            if step == "batch.answered" and seen == 2 then error("interrupted", 0) end
          end
          local given = { records = records(kind, 0, 34), batch_records = 10, key = "k", settle = 0.01, name = "n" }
          pcall(function() return api.imports:upload(given) end)
          checkpoints.on = nil
          local before = #sandbox:requests()
          local result, message, err = api.imports:upload(given)
          ended_well(before)
          check(1, 0, 34, result, message, err)
        end)
      end
    end)
  end
end)
