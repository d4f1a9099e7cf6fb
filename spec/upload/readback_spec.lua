-- Uploads to services that do not do what `start` says: each ends after few reads, with an error or the right rows,
-- and repeats nothing.

local support = require "support"
local system = require "support.system"

describe("an upload reads an import", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function open(options) sandbox, api = opened.service(options, { state = system.path() }) end

  local function reads() return #support.requests(sandbox, "imports.data") end

  -- The rows of before, then the records in order, `most` of them at least.
  local function holds(id, before, most)
    local rows = assert(sandbox:rows(id))
    for i = 1, #rows - before do assert.are.equal(i - 1, rows[before + i].n) end
    assert.is_true(#rows - before <= most, "rows are there twice")
    return #rows - before
  end

  local scenarios = {
    { "new import", 0 }, { "new import, a batch in doubt", 0, "commit_then_drop" },
    { "new import, a batch that did not arrive", 0, "empty" }, { "new import, a batch that went in by a part", 0, "partial_commit" },
    { "import of 50 rows", 50 }, { "import of 50 rows, a batch in doubt", 50, "commit_then_drop" },
    { "import of 1 row", 1 }, { "import of 1 row, a batch in doubt", 1, "commit_then_drop" },
  }
  for _, mode in ipairs { "ignored", "clamped", "repeated", "shuffled" } do
    for _, scenario in ipairs(scenarios) do
      it(("in at most 30 requests where start is %s: %s"):format(mode, scenario[1]), function()
        open { start_mode = mode }
        local before, id = scenario[2], nil
        if before > 0 then id = support.import(api, before) end
        if scenario[3] then
          sandbox:fault { operation = "imports.import", nth = before > 0 and 3 or 2, kind = scenario[3] }
        end
        local records = support.records(25)
        local result, message, err = api.imports:upload {
          records = records, batch_records = 10, id = id, update = id and "append", settle = 0.01, key = "k",
        }
        assert.is_true(reads() <= 30, reads() .. " reads")
        assert.are.same({}, sandbox:duplicates())
        local arrived = holds(result and result.id or id or 1, before, 25)
        if result then
          assert.are.equal(25, arrived)
        else
          assert.is_truthy(err.fate, message)
          if id and mode ~= "shuffled" then
            assert.are.same({ "protocol", "not_sent", 0 }, { err.kind, err.fate, arrived })
            assert.is_nil(err.token)
            assert.is_truthy(message:find("Nothing was sent", 1, true), message)
          end
          -- Nor does trying again repeat anything.
          sandbox:clear_log()
          api.imports:upload {
            records = records, batch_records = 10, id = id, update = id and "append", settle = 0.01, key = "k",
          }
          assert.is_true(reads() <= 30, reads() .. " reads")
          holds(id or 1, before, 25)
        end
      end)
    end
  end

  for _, mode in ipairs { "ignored", "clamped", "repeated" } do
    it("and stops in doubt after few reads where start is " .. mode .. " and a row of many has arrived", function()
      open { start_mode = mode }
      sandbox:fault { operation = "imports.import", kind = "partial_commit", records = 1 }
      local result, message, err = api.imports:upload { records = support.records(600), batch_records = 200, settle = 0.01 }
      assert.is_nil(result)
      assert.are.same({ "protocol", "in_doubt", 1 }, { err.kind, err.fate, err.record }, message)
      assert.is_truthy(err.token)
      assert.is_true(reads() <= 30, reads() .. " reads")
      assert.are.equal(1, #support.requests(sandbox, "imports.import"))
    end)

    it("and stops after few reads where start is " .. mode .. " and many records are refused", function()
      open { start_mode = mode, required_columns = { "a" } }
      -- The first is a batch of its own, and the only row of the import that the others are looked for in.
      local records, rejects = { { n = 0, a = ("x"):rep(2 ^ 13) } }, system.path()
      for i = 2, 600 do records[i] = { n = i } end
      local result, message, err = api.imports:upload { records = records, batch_bytes = 2 ^ 13, settle = 0.01,
        on_reject = "isolate", rejects = rejects }
      assert.is_nil(result)
      assert.is_truthy(err.fate, message)
      assert.is_true(reads() <= 30, reads() .. " reads")
    end)
  end

  -- The error of an upload; `fault` is refused with a status that is not tried again.
  local function refused(operation, given)
    local result, message, err = api.imports:upload(support.with({ settle = 0.01 }, given))
    assert.is_nil(result)
    assert.are.equal(403, err.status, message)
    assert.are.equal("forbidden", err.kind)
    assert.is_truthy(message:find(operation .. ": 403 Forbidden", 1, true), message)
    return message, err
  end

  local function refuse(operation, nth) sandbox:fault { operation = operation, kind = "status", status = 403, nth = nth } end

  it("in doubt, and tells the error of the batch with that of the read", function()
    for _, case in ipairs {
      { "imports.all", 1, "the list of imports" }, { "imports.data", 2, "the rows of the import" },
    } do
      open()
      sandbox:fault { operation = "imports.import", kind = "commit_then_drop", nth = case[2] }
      refuse(case[1])
      local message, err = refused(case[1], { records = support.records(30), batch_records = 10 })
      assert.matches("it is in doubt %(imports%.import: .+%), and " .. case[3] .. " could not be read: ", message)
      assert.are.same({ "in_doubt", 10 * case[2] - 9, 10 }, { err.fate, err.record, err.records })
    end
  end)

  it("after a refusal, and tells the refusal with the error of the read", function()
    open { required_columns = { "a" } }
    refuse "imports.data"
    local records = support.records(30)
    for i = 1, 10 do records[i].a = 1 end
    local message, err = refused("imports.data", {
      records = records, batch_records = 10, on_reject = "isolate", rejects = system.path(),
    })
    assert.matches("it was rejected %(imports%.import: 400 .+%), and the rows at its place could not be read: ", message)
    assert.are.equal("in_doubt", err.fate)
  end)

  it("to check it, and does not call a failed check a failed batch", function()
    for _, case in ipairs { { 1, 20, "whether the second batch was appended" }, { 2, 30, "whether it ends with them" } } do
      open()
      refuse("imports.data", case[1])
      local message, err = refused("imports.data", { records = support.records(30), batch_records = 10 })
      assert.is_truthy(message:find(("imports:upload: %d records were sent and acknowledged, but the import could not be "
        .. "read to see %s: "):format(case[2], case[3]), 1, true), message)
      assert.are.same({ "applied", nil, case[2] }, { err.fate, err.record, err.progress.records })
      assert.is_truthy(err.token)
      -- The check is made again by the resumed upload, before it sends anything.
      refuse("imports.data")
      local sent = #support.requests(sandbox, "imports.import")
      local result, again, wrong = api.imports:resume(err.token, { records = support.records(30) })
      assert.is_nil(result)
      assert.is_truthy(again:find(("%d records were sent"):format(case[2]), 1, true), again)
      assert.are.same({ "not_sent", nil, sent }, { wrong.fate, wrong.record, #support.requests(sandbox, "imports.import") })
      sandbox:clear_faults()
      assert.are.equal(30, assert(api.imports:resume(err.token, { records = support.records(30) })).records)
    end
  end)

  it("to find its end, and says that nothing was sent", function()
    open()
    local id = support.import(api, 5)
    refuse "imports.data"
    local message, err = refused("imports.data", { records = support.records(30), id = id, update = "append" })
    assert.is_truthy(message:find("nothing was sent, since the import could not be read to find its end", 1, true), message)
    assert.are.same({ "not_sent", nil }, { err.fate, err.token })
  end)

  it("finds the end of an import of 3,000 rows in few reads", function()
    open()
    local id = support.import(api, 3000)
    assert(api.imports:upload { records = support.records(25), id = id, update = "append" })
    assert.is_true(reads() <= 25, reads() .. " reads")
    assert.are.equal(25, holds(id, 3000, 25))
  end)

  it("twice at most before a resumed upload sends: the journal knows where it stopped", function()
    local checkpoints = require "flarelight.upload.checkpoints"
    for _, before in ipairs { 0, 30 } do
      for _, nth in ipairs { 1, 2, 3, 9 } do
        open()
        local id = before > 0 and support.import(api, before) or nil
        local seen, records = 0, support.records(200)
        checkpoints.on = function(name)
          if name == "batch.acknowledged" then seen = seen + 1 end
          if name == "batch.acknowledged" and seen == nth then error("interrupted", 0) end
        end
        pcall(function()
          return api.imports:upload { records = records, batch_records = 10, id = id, update = id and "append" }
        end)
        checkpoints.on = nil
        sandbox:clear_log()
        local first
        local result = assert(api.imports:resume(api.imports:pending()[1].token, { records = records, on_progress = function(p)
          first = first or p
        end }))
        assert.are.equal(200, holds(result.id, before, 200))
        local log, count = sandbox:requests(), 0
        while log[count + 1].operation == "imports.data" do count = count + 1 end
        assert.is_true(count <= 2, count .. " reads")
        assert.are.same({ 10 * nth, false }, { first.records, first.waiting_for_rate })
      end
    end
  end)

  it("again where it does not end as the journal says, and stops", function()
    local checkpoints = require "flarelight.upload.checkpoints"
    open()
    local records = support.records(50)
    checkpoints.on = function(name) if name == "batch.acknowledged" then error("interrupted", 0) end end
    pcall(function() return api.imports:upload { records = records, batch_records = 10, settle = 0.01 } end)
    checkpoints.on = nil
    local pending = api.imports:pending()[1]
    assert(api.imports:import { id = pending.id, records = { { n = "foreign" } } })
    sandbox:clear_log()
    local result, _, err = api.imports:resume(pending.token, { records = records })
    assert.is_nil(result)
    assert.are.same({ "conflict", "foreign" }, { err.kind, err.fate })
    assert.are.equal(0, #support.requests(sandbox, "imports.import"))
  end)
end)
