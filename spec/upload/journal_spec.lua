-- Uploads with a state file: whatever goes wrong on the way, and wherever the process is killed, each record
-- is there once, or the upload has stopped and says so.

local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"
local checkpoints = require "flarelight.upload.checkpoints"
local journal = require "flarelight.upload.journal"
local locks = require "flarelight.upload.locks"

local interpreter = system.interpreter

describe("an upload with a state file", function()
  local opened = support.opened(after_each)
  local sandbox, api, state

  local function open(options, client_options)
    sandbox, api = opened.service(options, support.with(client_options, { state = state }))
  end
  local function another()
    return support.client(sandbox, { state = state })
  end
  local function file(text, ending)
    return system.file(text, ending or ".csv")
  end
  local function numbers(count)
    local lines = { "n" }
    for n = 0, count - 1 do lines[#lines + 1] = n end
    return table.concat(lines, "\n") .. "\n"
  end
  -- Every number from 0 on once and in order.
  local function holds(count, id)
    local rows = assert(sandbox:rows(id))
    assert.are.equal(count, #rows)
    for i, row in ipairs(rows) do
      if row.n ~= i - 1 then error(("row %d is %s"):format(i, tostring(row.n))) end
    end
  end
  -- What an upload that was done before gives, from its first result.
  local function already(result)
    return support.with(result, { already = true, loaded_at = journal.of(api):get(result.token).ended })
  end
  local function imports() return assert(api.imports:all()) end
  local function interrupt(step, nth, given)
    local seen = 0
    checkpoints.on = function(name)
      if name == step then seen = seen + 1 end
      if name == step and seen == nth then error("interrupted!", 0) end -- as Ctrl-C
    end
    local good, raised = pcall(function() return api.imports:upload(given) end)
    checkpoints.on = nil
    assert.are.equal(false, good)
    assert.are.equal("interrupted!", raised)
  end

  before_each(function() state = system.path() end)
  after_each(function()
    checkpoints.on = nil
    sandbox, api = nil, nil
    collectgarbage()
  end)

  it("loads everything once, and nothing is pending", function()
    open()
    local seen
    local result = assert(api.imports:upload {
      file = file(numbers(45)), name = "n", description = "d", batch_records = 10,
      on_progress = function(p) seen = p.token end,
    })
    holds(45, result.id)
    assert.are.equal(result.token, seen)
    assert.are.same({}, api.imports:pending())
    assert.are.equal("d", imports()[1].description)
    assert.are.equal(1, sandbox:counts().events)
  end)

  it("clears its mark, also of a source of one batch, and of none where there is one record", function()
    open()
    for count = 0, 3 do
      local result = assert(api.imports:upload { records = support.records(count), name = "n" })
      holds(count, result.id)
    end
    for _, import in ipairs(imports()) do
      assert.is_true(import.description == nil or import.description == "" or import.description == flarelight.null,
        tostring(import.description))
    end
    assert.are.equal(4, sandbox:counts().events)
  end)

  it("keeps its file to its owner, and the key out of it", function()
    open()
    interrupt("batch.acknowledged", 1, { records = support.records(30), batch_records = 10 })
    for _, ending in ipairs { "", "-wal", "-lock" } do
      local path = state .. ending
      if system.exists(path) then
        local pipe = io.popen("ls -l " .. path)
        assert.is_truthy(pipe:read "*a":find "^%-rw%-%-%-%-%-%-%-")
        pipe:close()
        local handle = io.open(path, "rb")
        assert.is_nil(handle:read "*a":find(sandbox.api_key, 1, true))
        handle:close()
      end
    end
  end)

  -- Faults at every batch: the sandbox's own words for them, and what may come of each.
  local faults = {
    { kind = "commit_then_drop" }, { kind = "commit_then_500" }, { kind = "commit_late", seconds = 0.01 },
    { kind = "partial_commit" }, { kind = "partial_commit", records = 3, drop = true },
    { kind = "partial_commit", records = 0 }, { kind = "keepalive_kill" }, { kind = "reset" }, { kind = "empty" },
    { kind = "garbage" }, { kind = "truncate" }, { kind = "html" }, { kind = "wrong_length" }, { kind = "bad_gzip" },
    { kind = "status", status = 503 }, { kind = "refuse" }, { kind = "throttle", retry_after = 0 },
  }
  for _, fault in ipairs(faults) do
    it("lives through a fault at any batch: " .. fault.kind .. (fault.drop and " and drop" or ""), function()
      for nth = 1, 4 do
        open()
        local given = { operation = "imports.import", nth = nth }
        for name, value in pairs(fault) do given[name] = value end
        sandbox:fault(given)
        local result, message, err = api.imports:upload { records = support.records(35), batch_records = 10, settle = 0.02 }
        if nth > 1 or result then
          assert(result, message)
          holds(35, result.id)
          assert.are.equal(1, #imports())
        else
          -- A create: of an account with nothing in it to show, but the import itself.
          assert.are.equal("in_doubt", err.fate)
        end
        assert.are.same({}, sandbox:duplicates())
        api:close()
        sandbox:stop()
      end
    end)
  end

  it("is found where the rows show late", function()
    open()
    sandbox:fault { operation = "imports.import", nth = 3, kind = "commit_then_drop" }
    sandbox:fault { operation = "imports.data", nth = 2, times = 2, kind = "read_lag" }
    local result = assert(api.imports:upload { records = support.records(40), batch_records = 10, settle = 0.01 })
    holds(40, result.id)
    assert.are.same({}, sandbox:duplicates())
  end)

  local servers = {
    { "replaces", { update = "replace" }, "foreign" },
    { "reorders", { row_order = "alternating" }, nil },
    { "adds members", { added_member = "row" }, nil },
    { "changes numbers", { values = "normalized" }, nil },
    { "wraps rows", { rows = "records", past_end = "404", count_cap = 3 }, nil },
    { "gives 400 past the end", { past_end = "400" }, nil },
    { "hides descriptions", { list_descriptions = false }, nil },
    { "gives UUIDs", { ids = "uuid" }, nil },
  }
  for _, server in ipairs(servers) do
    it("is right or stops, with a doubt at any batch, on a server that " .. server[1], function()
      for nth = 1, 4 do
        open(server[2])
        sandbox:fault { operation = "imports.import", nth = nth, kind = nth % 2 == 0 and "empty" or "commit_then_drop" }
        local records = {}
        for i = 1, 35 do records[i] = { n = i - 1, amount = i + 0.5, none = flarelight.null } end
        local result, _, err = api.imports:upload { records = records, batch_records = 10, settle = 0.005 }
        if result then holds(35, result.id)
        else
          assert.is_truthy(err.fate == "in_doubt" or err.fate == "foreign", err.message)
          assert.is_truthy(err.token)
        end
        if server[3] then assert.is_nil(result) end
        assert.are.same({}, sandbox:duplicates())
        api:close()
        sandbox:stop()
      end
    end)
  end

  it("stops where somebody else writes into the import", function()
    open()
    local id
    sandbox:fault { operation = "imports.import", nth = 4, kind = "empty" }
    local result, message, err = api.imports:upload {
      records = support.records(40), batch_records = 10, settle = 0.01,
      on_progress = function(p)
        if p.batches ~= 2 then return end
        id = p.id
        assert(api.imports:import { id = id, records = { { n = "foreign" } } })
      end,
    }
    assert.is_nil(result, message)
    assert.are.equal("foreign", err.fate)
    assert.are.equal("conflict", err.kind)
  end)

  it("appends to an import that exists, whose end it finds by itself", function()
    open()
    for _, before in ipairs { 1, 7, 64 } do
      local id = support.import(api, before)
      sandbox:fault { operation = "imports.import", nth = 2, kind = "partial_commit", records = 3 }
      assert(api.imports:upload { records = support.records(25), batch_records = 10, id = id, update = "append", settle = 0.01 })
      local rows = sandbox:rows(id)
      assert.are.equal(before + 25, #rows)
      for i = 1, 25 do assert.are.equal(i - 1, rows[before + i].n) end
    end
  end)

  it("makes an import a batch, each once", function()
    for nth = 1, 3 do
      open()
      api.imports:import { records = {}, description = "so that the list shows some" }
      sandbox:fault { operation = "imports.import", nth = nth, kind = "commit_then_drop" }
      local result = assert(api.imports:upload {
        records = support.records(25), batch_records = 10, update = "import_per_batch", name = "part", settle = 0.01,
      })
      assert.are.equal(3, #result.ids)
      assert.are.equal(4, #imports())
      assert.are.equal(25, sandbox:counts().rows)
      api:close()
      sandbox:stop()
    end
  end)

  describe("resumed", function()
    it("goes on where it was interrupted, at any step", function()
      local path = file(numbers(35))
      for _, step in ipairs { "upload.planned", "batch.journaled", "batch.sending", "batch.answered",
                              "batch.acknowledged", "check.append", "check.end" } do
        for nth = 1, step:find "^batch" and 4 or 1 do
          open()
          interrupt(step, nth, { file = path, batch_records = 10, name = "n" })
          local pending = assert(api.imports:pending())
          assert.are.equal(1, #pending)
          assert.are.equal(path, pending[1].file)
          local result, message = api.imports:resume(pending[1].token, { settle = 0.01 })
          assert(result, message)
          holds(35, result.id)
          assert.are.equal(35, result.records)
          assert.are.equal(1, #imports())
          assert.are.equal(1, sandbox:counts().events)
          assert.are.same(already(result), api.imports:resume(pending[1].token))
          assert.are.same({}, api.imports:pending())
          api:close()
          sandbox:stop()
        end
      end
    end)

    it("asks for the same records, and checks them", function()
      open()
      local records = support.records(35)
      local function again()
        local n = 0
        return function() n = n + 1 return records[n] end
      end
      for _, kind in ipairs { "array", "iterator" } do
        local given = { batch_records = 10, records = kind == "array" and records or again() }
        interrupt("batch.acknowledged", 2, given)
        local token = api.imports:pending()[1].token
        local _, _, err = api.imports:resume(token)
        assert.are.equal("config", err.kind)
        local others = support.records(35)
        others[3] = { n = 2, other = true }
        local n = 0
        _, _, err = api.imports:resume(token, {
          records = kind == "array" and others or function() n = n + 1 return others[n] end,
        })
        assert.are.equal("conflict", err.kind)
        local result = assert(api.imports:resume(token, { records = kind == "array" and records or again(), settle = 0.01 }))
        holds(35, result.id)
      end
    end)

    it("refuses a file that changed, and finds one that was moved", function()
      open()
      local path = file(numbers(35))
      interrupt("batch.acknowledged", 2, { file = path, batch_records = 10 })
      local token = api.imports:pending()[1].token
      local moved = file(numbers(35))
      os.remove(path)
      local _, _, err = api.imports:resume(token)
      assert.are.equal("io", err.kind)
      local handle = io.open(path, "wb")
      handle:write((numbers(35):gsub("3", "4", 1)))
      handle:close()
      _, _, err = api.imports:resume(token)
      assert.are.equal("conflict", err.kind)
      _, _, err = api.imports:resume(token, { file = path })
      assert.are.equal("conflict", err.kind)
      local result = assert(api.imports:resume(token, { file = moved }))
      holds(35, result.id)
    end)

    -- What was sent of it is as it was: by its identity alone a file is another.
    local changes = {
      { "has grown", "cp -p $f $f.old; echo 35 >>$f; touch -r $f.old $f; rm $f.old" },
      { "was written to at another time", "touch -t 200101010000 $f" },
      { "is a copy in its place", "cp -p $f $f.new; mv $f.new $f" },
    }
    for _, change in ipairs(changes) do
      it("refuses a file that " .. change[1], function()
        open()
        local path = file(numbers(35))
        interrupt("batch.acknowledged", 2, { file = path, batch_records = 10 })
        local token = api.imports:pending()[1].token
        os.execute(("f='%s'; %s"):format(path, change[2]))
        local _, message, err = api.imports:resume(token)
        assert.are.equal("conflict", err.kind)
        assert.is_truthy(message:find("is not the same file as when the upload began", 1, true), message)
      end)
    end

    it("refuses a moved file that is larger, or has other columns", function()
      open()
      interrupt("batch.acknowledged", 2, { file = file(numbers(35)), batch_records = 10 })
      local token = api.imports:pending()[1].token
      for text, words in pairs {
        [numbers(36)] = "is not the same file", [numbers(35):gsub("34\n$", "xx\n")] = "has other columns",
      } do
        local _, message, err = api.imports:resume(token, { file = file(text) })
        assert.are.equal("conflict", err.kind)
        assert.is_truthy(message:find(words, 1, true), message)
      end
    end)

    it("says which uploads it does not know", function()
      open()
      local _, _, err = api.imports:resume "none"
      assert.are.equal("config", err.kind)
      assert.has_error(function() api.imports:resume(7) end)
      assert.has_error(function() api.imports:resume("x", { batch = 1 }) end)
    end)
  end)

  it("reports a failure of the journal, not the older error of the request", function()
    open(nil, { max_attempts = 1 })
    local own, token = journal.of(api), nil
    checkpoints.on = function(name)
      if name == "batch.acknowledged" then token = api.imports:pending()[1].token end
      if name == "batch.sending" and token then sandbox:stop() end
      -- Another process takes the second batch out of the journal while it is on the wire.
      if name == "batch.answered" and token then own:withdrawn(token, 2, 10) end
    end
    local result, message, err = api.imports:upload { records = support.records(30), batch_records = 10 }
    assert.is_nil(result)
    assert.are.equal("conflict", err.kind)
    assert.is_truthy(message:find("another process has changed the journal", 1, true), message)
    assert.are.same({ 11, 10 }, { err.record, err.records })
  end)

  it("that ended while a second process was about to resume it is sent no more", function()
    open()
    local path = file(numbers(35))
    interrupt("batch.acknowledged", 2, { file = path, batch_records = 10 })
    local token, other = api.imports:pending()[1].token, another()
    local take, first = locks.take, nil
    locks.take = function(...)
      locks.take = take
      first = assert(other.imports:resume(token))
      return take(...)
    end
    local second = api.imports:resume(token)
    locks.take = take
    other:close()
    assert.are.same(already(first), second)
    holds(35, first.id)
    assert.are.equal(1, #imports())
  end)

  for _, place in ipairs { "main program", "task", "coroutine" } do
    local function run(body)
      if place == "main program" then return pcall(body) end
      if place == "task" then
        local task = api:spawn(body)
        return pcall(function() return task:result() end)
      end
      return coroutine.resume(coroutine.create(body))
    end

    it("lets errors of the caller's functions and misuse through as they are, in a " .. place, function()
      open()
      local _, _, own = api.imports:data(404)
      for _, raised in ipairs { "a string", { "a table" }, own } do
        local good, found = run(function()
          return api.imports:upload { records = support.records(3), on_progress = function() error(raised, 0) end }
        end)
        assert.is_false(good)
        assert.are.equal(raised, found)
        good, found = run(function() return api.imports:upload { records = function() error(raised, 0) end } end)
        assert.is_false(good)
        assert.are.equal(raised, found)
      end
      -- The first ones have sent their records; the others have sent nothing, and are not there any more.
      local pending = assert(api.imports:pending())
      assert.are.equal(3, #pending)
      local failures = {}
      for _, each in ipairs(pending) do
        assert.are.equal(2, each.records)
        failures[each.failure] = true
      end
      assert.is_true(failures["a string"] and failures[own.message])
      local good, message = run(function()
        local result, text, err = api.imports:upload { records = { [1] = {}, [3] = {} } }
        return result, text, err
      end)
      assert.is_false(good)
      assert.is_truthy(message:find("journal_spec%.lua:%d+: flarelight: imports:upload%.records: should be an array"), message)
      -- Locks are free again.
      for _, each in ipairs(pending) do
        holds(3, assert(api.imports:resume(each.token, { records = support.records(3), settle = 0.01 })).id)
      end
    end)
  end

  it("stops at a file that grows while it is read; nothing is sent without its entry", function()
    open()
    local path = file(numbers(100))
    local result, _, err = api.imports:upload {
      file = path, types = { n = "number" }, batch_records = 10,
      on_progress = function(p)
        if p.batches > 2 then return end
        local handle = io.open(path, "ab")
        handle:write "100\n"
        handle:close()
      end,
    }
    assert.is_nil(result)
    assert.are.equal("conflict", err.kind)
    assert.is_true(err.progress.records < 100)
    assert.are.equal(err.progress.records, #sandbox:rows(1))
    _, _, err = api.imports:resume(err.token)
    assert.are.equal("conflict", err.kind)
  end)

  it("stops at a line that is wrong far down, and says which", function()
    open()
    local path = file((numbers(35):gsub("\n30\n", "\n30,1\n")))
    local result, _, err = api.imports:upload { file = path, types = { n = "number" }, batch_records = 10 }
    assert.is_nil(result)
    assert.are.equal("io", err.kind)
    assert.are.equal(32, err.line)
    assert.are.equal("not_sent", err.fate) -- the file is read to its end before anything is sent
    assert.are.equal(0, sandbox:counts().imports)
    assert.are.same({}, api.imports:pending())
  end)

  describe("with a key", function()
    it("loads a source once, however often it is asked to", function()
      open()
      local path = file(numbers(25))
      local first = assert(api.imports:upload { file = path, key = "nightly", batch_records = 10 })
      local posts = #support.requests(sandbox, "imports.import")
      for _ = 1, 2 do
        assert.are.same(already(first), api.imports:upload { file = path, key = "nightly", batch_records = 10 })
      end
      local same = file(numbers(25))
      assert.are.same(already(first), api.imports:upload { file = same, key = "nightly" })
      assert.are.equal(posts, #support.requests(sandbox, "imports.import"))
      for _, other in ipairs { numbers(26), (numbers(25):gsub("7", "8", 1)), numbers(24) } do
        local _, _, err = api.imports:upload { file = file(other), key = "nightly" }
        assert.are.equal("conflict", err.kind)
      end
      local _, _, err = api.imports:upload { records = support.records(25), key = "nightly" }
      assert.are.equal("conflict", err.kind)
      assert.are_not.equal(first.token, assert(api.imports:upload { file = path, key = "other" }).token)
    end)

    it("goes on with what did not end", function()
      open()
      local records = support.records(35)
      interrupt("batch.answered", 2, { records = records, key = "k", batch_records = 10 })
      local result = assert(api.imports:upload { records = records, key = "k", settle = 0.01 })
      holds(35, result.id)
      assert.are.equal(1, #imports())
    end)

    it("names its target, too: another one is a conflict, and not passed over", function()
      open()
      local path = file(numbers(25))
      local one, other = support.import(api, 3), support.import(api, 4)
      local given = { file = path, key = "k", update = "append", batch_records = 10 }
      assert(api.imports:upload(support.with(given, { id = one })))
      assert(api.imports:upload(support.with(given, { id = tostring(one) })))
      for _, id in ipairs { other, "another" } do
        local _, message, err = api.imports:upload(support.with(given, { id = id }))
        assert.are.equal("conflict", err.kind)
        assert.is_truthy(message:find(("id %s, and not %s"):format(one, id), 1, true), message)
      end
      local _, message, err = api.imports:upload { file = path, key = "k" }
      assert.are.equal("conflict", err.kind)
      assert.is_truthy(message:find("and not none", 1, true), message)
      assert.are.equal(4, #sandbox:rows(other))
    end)

    it("is free again where its target is not there and nothing was sent", function()
      open()
      local path = file(numbers(25))
      local given = { file = path, key = "k", update = "append", batch_records = 10 }
      local _, _, err = api.imports:upload(support.with(given, { id = 404 }))
      assert.are.equal("not_found", err.kind)
      assert.is_nil(err.token)
      assert.are.same({}, api.imports:pending())
      local id = support.import(api, 3)
      assert.are.equal(id, assert(api.imports:upload(support.with(given, { id = id }))).id)
      assert.are.equal(28, #sandbox:rows(id))
    end)

    it("needs a state file", function()
      sandbox = support.sandbox()
      api = support.client(sandbox)
      local _, _, err = api.imports:upload { records = {}, key = "k" }
      assert.are.equal("config", err.kind)
      _, _, err = api.imports:pending()
      assert.are.equal("config", err.kind)
      _, _, err = api.imports:upload { records = {}, journal = true }
      assert.are.equal("config", err.kind)
    end)
  end)

  describe("that failed", function()
    -- Each sends nothing, or nothing that the service took.
    local unsent = {
      { "a file that is not there", function() return { file = "/no/such/file.csv" } end, "io" },
      { "a record without a form in JSON", function() return { records = { { n = print } } } end, "invalid_request" },
      { "a source that fails at once", function() return { records = function() return nil, "gone" end } end, "io" },
      { "a service that is not there", function()
        sandbox:stop()
        return { records = support.records(3) }
      end, "network" },
      { "a key that the service refuses", function()
        sandbox:fault { operation = "imports.import", kind = "status", status = 401 }
        return { records = support.records(3) }
      end, "unauthorized" },
      { "an end that cannot be read", function()
        local id = support.import(api, 3)
        sandbox:fault { operation = "imports.data", kind = "status", status = 403 }
        return { records = support.records(3), id = id, update = "append" }
      end, "forbidden" },
    }
    for _, case in ipairs(unsent) do
      it("leaves nothing behind where nothing was sent: " .. case[1], function()
        open(nil, { max_attempts = 1 })
        local given = case[2]()
        given.key = "k"
        local result, message, err = api.imports:upload(given)
        assert.is_nil(result)
        assert.are.equal(case[3], err.kind, message)
        assert.is_nil(err.token)
        assert.is_truthy(err.fate == "not_sent" or err.fate == "rejected", tostring(err.fate))
        assert.are.same({}, api.imports:pending())
      end)
    end

    it("leaves nothing behind where its id is misuse", function()
      open()
      for _, id in ipairs { "", 1.5, {}, 2 ^ 60 } do
        local good, message = pcall(function()
          return api.imports:upload { records = support.records(3), id = id, update = "append", key = "k" }
        end)
        assert.is_false(good)
        assert.is_truthy(message:find("journal_spec%.lua:%d+: flarelight: id: "), message)
        assert.are.same({}, api.imports:pending())
      end
      local other = support.client(sandbox, { state = state, update_key = "name" })
      assert.has_error(function()
        other.imports:upload { records = support.records(3), id = 1, name = "n", update = "append", key = "k" }
      end)
      other:close()
      assert.are.same({}, api.imports:pending())
    end)

    it("tells the fate of the batch at hand where the journal or the source fails", function()
      -- step, then the fate of a batch whose entry is gone from the journal
      for step, fate in pairs { ["batch.answered"] = "applied", ["batch.acknowledged"] = "not_sent" } do
        open()
        local own = journal.of(api)
        checkpoints.on = function(name)
          if name ~= step then return end
          checkpoints.on = nil
          local token = api.imports:pending()[1].token
          if step == "batch.answered" then own:withdrawn(token, 1, 10) else own:forget(token) end
        end
        local result, _, err = api.imports:upload { records = support.records(30), batch_records = 10 }
        assert.is_nil(result)
        assert.are.equal(fate, err.fate)
        api:close()
        sandbox:stop()
      end
      open()
      local n = 0
      local result, _, err = api.imports:upload { batch_records = 10, records = function()
        n = n + 1
        if n > 25 then return nil, "gone" end
        return { n = n - 1 }
      end }
      assert.is_nil(result)
      assert.are.same({ "io", "not_sent", 26, 10 }, { err.kind, err.fate, err.record, err.progress.records })
      assert.are.equal(1, #api.imports:pending())
    end)

    it("can be forgotten by its token or its key", function()
      open()
      local path = file(numbers(35))
      for _, by in ipairs { "token", "key" } do
        interrupt("batch.acknowledged", 2, { file = path, key = "k", batch_records = 10 })
        local pending = api.imports:pending()[1]
        assert.is_true(api:forget(pending[by]))
        assert.are.same({}, api.imports:pending())
        local result, _, err = api.imports:resume(pending.token)
        assert.is_nil(result)
        assert.are.equal("config", err.kind)
        assert.are.equal(0, #journal.of(api):batches(pending.token))
      end
      local result = assert(api.imports:upload { file = path, key = "k", batch_records = 10 })
      holds(35, result.id)
    end)

    it("cannot be forgotten while it runs, where it is done, or where there is none", function()
      open()
      local other, path, refusals = another(), file(numbers(35)), {}
      local function refused(...)
        local _, message, err = other:forget(...)
        assert.are.equal(message, tostring(err))
        refusals[#refusals + 1] = err.kind
      end
      local result = assert(api.imports:upload {
        file = path, key = "k", batch_records = 20, on_progress = function(p)
          refused(p.token)
          refused "k"
        end,
      })
      refused "k"
      refused(result.token)
      refused "none"
      other:close()
      assert.are.same({ "conflict", "conflict", "conflict", "conflict", "conflict", "conflict", "not_found" }, refusals)
      holds(35, result.id)
      assert.is_true(api.imports:upload({ file = path, key = "k" }).already)
      assert.has_error(function() api:forget() end)
      assert.has_error(function() api.forget "k" end)
    end)

    it("needs a state file to be forgotten", function()
      sandbox = support.sandbox()
      api = support.client(sandbox)
      local forgotten, _, err = api:forget "k"
      assert.is_nil(forgotten)
      assert.are.equal("config", err.kind)
    end)

    it("says what to do where its key meets another source", function()
      open()
      local one, other = file(numbers(35)), file(numbers(36))
      interrupt("batch.acknowledged", 2, { file = one, key = "k", batch_records = 10 })
      local _, message = api.imports:upload { file = other, key = "k" }
      assert.is_truthy(message:find("forget this upload", 1, true), message)
      _, message = api.imports:upload { file = one, key = "k", id = 7, update = "append" }
      assert.is_truthy(message:find("another key, or forget that one", 1, true), message)
      local result = assert(api.imports:upload { file = one, key = "k", settle = 0.01 })
      assert.is_nil(result.already)
      local again = assert(api.imports:upload { file = one, key = "k" })
      assert.is_true(again.already)
      assert.is_true(math.abs(os.time() - again.loaded_at) < 3600)
      _, message = api.imports:upload { file = other, key = "k" }
      assert.is_truthy(message:find(os.date("loaded on %Y-%m-%d", again.loaded_at) .. " (35 records): give this one another key",
        1, true), message)
    end)
  end)

  it("has one writer: a second gets conflict, in one process", function()
    open()
    local id = support.import(api, 3)
    local path = file(numbers(30))
    local other = another()
    local kinds = {}
    assert(api.imports:upload {
      file = path, id = id, update = "append", key = "a", batch_records = 10,
      on_progress = function()
        local _, _, err = other.imports:upload { records = support.records(2), id = id, update = "append" }
        kinds[#kinds + 1] = err.kind
        _, _, err = other.imports:upload { file = path, id = id, update = "append", key = "a" }
        kinds[#kinds + 1] = err.kind
      end,
    })
    assert.are.same({ "conflict", "conflict", "conflict", "conflict", "conflict", "conflict" }, kinds)
    assert(other.imports:upload { records = support.records(2), id = id, update = "append" })
    assert.are.equal(35, #sandbox:rows(id))
    other:close()
  end)

  it("runs in tasks, many at once, and a cancelled one can be resumed", function()
    open()
    local results, failed = api:map({ 11, 22, 33 }, function(count)
      return api.imports:upload { file = file(numbers(count)), batch_records = 10 }
    end)
    assert.are.equal(0, failed)
    for i, result in ipairs(results) do holds(11 * i, result.data.id) end
    local task
    task = api:spawn(function()
      return api.imports:upload {
        file = file(numbers(35)), batch_records = 10, on_progress = function(p) if p.batches == 2 then task:cancel() end end,
      }
    end)
    local result, _, err = task:result()
    assert.is_nil(result)
    assert.are.equal("cancelled", err.kind)
    result = assert(api.imports:resume(err.token, { settle = 0.01 }))
    holds(35, result.id)
  end)

  describe("whose process is killed", function()
    local function run(...)
      return (system.shell(table.concat({
        "exec 2>&1;", system.environment(sandbox), "timeout -s KILL 120", interpreter, "spec/process/upload.lua", ...
      }, " ")))
    end

    it("or that meets another at the same upload: the second gets conflict, nothing is there twice", function()
      open()
      local path = file(numbers(35))
      local outputs = {}
      local result = assert(api.imports:upload {
        file = path, key = "killed", name = "killed", description = "kept", batch_records = 10,
        on_progress = function() outputs[#outputs + 1] = run(state, path) end,
      })
      assert.are.equal(4, #outputs)
      for _, output in ipairs(outputs) do
        assert.is_truthy(output:find "^failed.*this upload since %d+%-%d+%-%d+ [%d:]+ %(upload %x+%)", output)
      end
      holds(35, result.id)
      assert.are.equal(("done\t35\t%d\n"):format(result.id), run(state, path))
      assert.are.equal(1, #imports())
    end)

    -- On one Lua of each kind: the journal is the same.
    if _VERSION ~= "Lua 5.4" and not rawget(_G, "jit") then return end

    it("at any step: each record is there once #slow", function()
      local path = file(numbers(35))
      local killed = 0
      for _, step in ipairs(checkpoints.names) do
        for nth = 1, 5 do
          state = system.path()
          open()
          local output = run(state, path, step, nth)
          if output:find "done" then break end
          assert.is_nil(output:find "failed", output)
          killed = killed + 1
          output = run(state, path)
          local records, id = output:match "done\t(%d+)\t(%d+)"
          assert.are.equal("35", records, output)
          holds(35, tonumber(id))
          assert.are.equal(1, #imports())
          assert.are.equal("kept", imports()[1].description)
        end
      end
      assert.is_true(killed >= 19, "killed only " .. killed .. " times")
    end)
  end)

  describe("whose state file is no good", function()
    local function kind_of(path)
      local client = support.client(sandbox, { state = path })
      local result, message, err = client.imports:upload { records = support.records(5) }
      client:close()
      assert.is_nil(result)
      assert.is_truthy(message:find(path, 1, true), message)
      assert.are.equal(0, #support.requests(sandbox, "imports.import"))
      return err.kind, message
    end
    before_each(function() open() end)

    it("says what is wrong, and sends nothing", function()
      assert.are.equal("io", kind_of "/tmp")
      assert.are.equal("io", kind_of "/no/such/folder/state")
      assert.are.equal("io", kind_of(file(("no database "):rep(100))))
    end)

    it("says that the disk is full, and what was sent is in the journal", function()
      local path = file(numbers(3000))
      local command = "exec 2>&1; trap '' XFSZ; ulimit -f %d; %s timeout -s KILL 120 %s spec/process/upload.lua %s %s"
      local function run(blocks)
        return (system.shell(command:format(blocks, system.environment(sandbox), interpreter, state, path)))
      end
      -- Too small for the file at all; then for what it grows to.
      for _, blocks in ipairs { 1, 64, 128, 300 } do
        local output = run(blocks)
        assert.is_truthy(output:find "^failed", output)
        assert.is_truthy(output:find(state, 1, true) or output:find "state:", output)
        local posts = #support.requests(sandbox, "imports.import")
        if blocks == 1 then assert.are.equal(0, posts) end
      end
      local id = run(1000000):match "done\t3000\t(%d+)"
      holds(3000, tonumber(id))
      assert.are.same({}, sandbox:duplicates())
    end)

    local function sqlite(path, sql)
      return system.shell(("python3 -c 'import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])' %s %s 2>&1")
        :format(path, system.quote(sql))) == ""
    end

    -- The schema of version 2, and what an upload of it was.
    local VERSION_2 = [[
      CREATE TABLE uploads (token TEXT PRIMARY KEY, key TEXT, service TEXT NOT NULL, state TEXT NOT NULL,
        kind TEXT NOT NULL, path TEXT, size INTEGER, modified TEXT, inode TEXT, columns TEXT, options TEXT NOT NULL,
        import TEXT, name TEXT, rows_start INTEGER, batch_records INTEGER NOT NULL,
        comparison TEXT NOT NULL DEFAULT 'unknown', checked INTEGER NOT NULL DEFAULT 0, started REAL NOT NULL,
        ended REAL, failure TEXT, result TEXT) WITHOUT ROWID;
      CREATE UNIQUE INDEX uploads_by_key ON uploads (service, key) WHERE key IS NOT NULL;
      CREATE TABLE batches (token TEXT NOT NULL REFERENCES uploads ON DELETE CASCADE, number INTEGER NOT NULL,
        first INTEGER NOT NULL, count INTEGER NOT NULL, line INTEGER, rows_before INTEGER NOT NULL,
        sha256 TEXT NOT NULL, last INTEGER NOT NULL, state TEXT NOT NULL, import TEXT, reject TEXT,
        PRIMARY KEY (token, number)) WITHOUT ROWID;
      CREATE TABLE exports (service TEXT NOT NULL, import TEXT NOT NULL, path TEXT NOT NULL, options TEXT NOT NULL,
        known TEXT, coming TEXT, ended REAL NOT NULL, PRIMARY KEY (service, import, path)) WITHOUT ROWID;
      PRAGMA application_id = 0x666c7265;
      PRAGMA user_version = 2;
      ATTACH '%s' AS present;
      INSERT INTO uploads SELECT token, key, service, state, kind, path, size, modified, inode, columns, options, import,
        name, rows_start, batch_records, comparison, checked, started, ended, failure, result FROM present.uploads;
      INSERT INTO batches SELECT token, number, first, count, line, rows_before, sha256, last, state, import, reject
        FROM present.batches;]]

    it("goes on with an upload that a flarelight of the version before has begun", function()
      local path, old = file(numbers(45)), system.path()
      if not sqlite(system.path(), "CREATE TABLE their (a)") then return end
      interrupt("batch.acknowledged", 2, { file = path, name = "n", key = "k", batch_records = 10 })
      api:close()
      assert.is_true(sqlite(old, VERSION_2:format(state)))
      api = support.client(sandbox, { state = old })
      local result = assert(api.imports:upload { file = path, name = "n", key = "k", batch_records = 10 })
      holds(45, result.id)
      assert.are.equal(1, #imports())
      assert(api.imports:upload { file = path, name = "n", series = "s" })
      assert.is_true(api.imports:upload { file = path, name = "n", key = "k" }.already)
      api:close()
    end)

    it("knows one of a newer version, and the database of another program", function()
      local path = system.path()
      if not sqlite(path, "CREATE TABLE their (a)") then return end
      assert.are.equal("config", kind_of(path))
      assert(api.imports:pending())
      assert.is_true(sqlite(state, "PRAGMA user_version = 99"))
      local kind, message = kind_of(state)
      assert.are.equal("config", kind)
      assert.is_truthy(message:find "newer", message)
    end)
  end)
end)
