-- Records that the service refuses: batches that are too large are halved, bad records are found and written to
-- a file, and the rest are loaded once.

local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"
local checkpoints = require "flarelight.upload.checkpoints"

describe("an upload with rejects", function()
  local opened = support.opened(after_each)
  local sandbox, api, state, rejects, path

  local function open(options) sandbox, api = opened.service(options, { state = state }) end
  -- Records 0 to count - 1; those in `bad` lack what the service requires.
  local function write(count, bad)
    local handle = assert(io.open(path, "wb"))
    handle:write "n,amount\n"
    for n = 0, count - 1 do handle:write(n, ",", bad[n] and "" or n, "\n") end
    handle:close()
  end
  local function holds(id, count, bad)
    local rows, at = sandbox:rows(id), 0
    for n = 0, count - 1 do
      if not bad[n] then
        at = at + 1
        assert.are.equal(n, rows[at] and rows[at].n)
      end
    end
    assert.are.equal(at, #rows)
  end
  local function rejected()
    local found = {}
    for line in io.lines(rejects) do found[#found + 1] = assert(flarelight.json.decode(line)) end
    return found
  end
  local function check_rejects(bad)
    local seen = {}
    for _, each in ipairs(rejected()) do
      local n = each.data.n
      assert.is_nil(seen[n])
      seen[n] = true
      assert.is_true(bad[n])
      assert.are.equal(n + 1, each.record)
      assert.are.equal(n + 2, each.line)
      assert.is_truthy(tostring(each.messages[1]):find "amount")
    end
    for n in pairs(bad) do assert.is_true(seen[n]) end
  end

  before_each(function()
    state, rejects, path = system.path(), system.file("", ".rejects"), system.path ".csv"
  end)
  after_each(function()
    checkpoints.on = nil
    collectgarbage()
  end)

  local cases = {
    { "in the middle", { [13] = true } }, { "the first", { [0] = true } }, { "the last", { [34] = true } },
    { "several", { [3] = true, [4] = true, [19] = true, [30] = true } },
    { "a whole batch", { [10] = true, [11] = true, [12] = true, [13] = true, [14] = true, [15] = true, [16] = true,
                         [17] = true, [18] = true, [19] = true } },
  }
  for _, case in ipairs(cases) do
    it("writes bad records to the file and loads the rest: " .. case[1], function()
      open { required_columns = { "amount" } }
      write(35, case[2])
      local count = 0
      for _ in pairs(case[2]) do count = count + 1 end
      local result = assert(api.imports:upload {
        file = path, batch_records = 10, on_reject = "isolate", rejects = rejects, settle = 0.01, description = "d",
      })
      assert.are.equal(count, result.rejected)
      assert.are.equal(35 - count, result.records)
      holds(result.id, 35, case[2])
      check_rejects(case[2])
      assert.are.equal(1, sandbox:counts().events)
      assert.are.equal("d", api.imports:all()[1].description)
    end)
  end

  it("never writes its file over what is uploaded, nor over the state file", function()
    open {}
    write(35, {})
    local read = system.read
    local function refused(given)
      local result, message, err = api.imports:upload(support.with({
        file = path, on_reject = "isolate", settle = 0.01 }, given))
      assert.is_nil(result)
      assert.are.equal("config", err.kind)
      assert.is_truthy(message:find("rejects", 1, true), message)
    end
    local before, link = read(path), path .. ".link"
    assert(os.execute(("ln -s '%s' '%s'"):format(path, link)))
    refused { rejects = path }
    refused { rejects = link }
    refused { rejects = path:gsub("([^/]+)$", "./%1") }
    os.remove(link)
    assert.are.equal(before, read(path))
    refused { rejects = state }
    refused { rejects = state .. "-wal" }
    local done = assert(api.imports:upload { file = path, key = "kept" })
    refused { rejects = state, key = "another" }
    local result, _, err = api.imports:export(done.id, { to = state, format = "csv" })
    assert.is_nil(result)
    assert.are.equal("config", err.kind)
    local again = assert(api.imports:upload { file = path, key = "kept" })
    assert.are.same(support.with(done, { already = true, loaded_at = again.loaded_at }), again)
  end)

  it("goes on after an interrupt at any step, with each reject once", function()
    local bad = { [3] = true, [13] = true, [34] = true }
    for _, step in ipairs { "batch.journaled", "batch.answered", "batch.withdrawn", "batch.divided", "reject.journaled",
                            "reject.written", "batch.acknowledged" } do
      for nth = 1, 9, 2 do
        state = system.path()
        open { required_columns = { "amount" } }
        write(35, bad)
        local seen = 0
        checkpoints.on = function(name)
          if name == step then seen = seen + 1 end
          if name == step and seen == nth then error("interrupted", 0) end
        end
        local given = { file = path, batch_records = 10, on_reject = "isolate", rejects = rejects, settle = 0.01, key = "k" }
        pcall(function() return api.imports:upload(given) end)
        checkpoints.on = nil
        local result = assert(api.imports:upload(given))
        assert.are.equal(3, result.rejected)
        holds(result.id, 35, bad)
        check_rejects(bad)
      end
    end
    open()
  end)

  it("is on the disk before the journal forgets what is in it", function()
    open { required_columns = { "amount" } }
    write(35, { [3] = true, [13] = true })
    local order = {}
    checkpoints.on = function(name)
      if name:find "^reject" or name == "upload.done" then order[#order + 1] = name end
    end
    local given = { file = path, batch_records = 10, on_reject = "isolate", rejects = rejects, settle = 0.01, key = "k" }
    assert(api.imports:upload(given))
    assert.are.same({ "reject.journaled", "reject.written", "reject.journaled", "reject.written", "reject.durable",
                      "upload.done" }, order)
  end)

  it("that is gone at the end is no upload that is done", function()
    open { required_columns = { "amount" } }
    write(35, { [3] = true, [13] = true })
    local given = { file = path, batch_records = 10, on_reject = "isolate", rejects = rejects, settle = 0.01, key = "k" }
    checkpoints.on = function(name) if name == "check.end" then os.remove(rejects) end end
    local result, message, err = api.imports:upload(given)
    checkpoints.on = nil
    assert.is_nil(result)
    assert.are.equal("io", err.kind)
    assert.is_truthy(message:find(rejects .. ": No such file", 1, true), message)
    -- Once more, and it is written from the journal.
    assert.are.equal(2, assert(api.imports:upload(given)).rejected)
    check_rejects { [3] = true, [13] = true }
  end)

  it("stops where the service keeps a part of what it rejects", function()
    open { required_columns = { "amount" }, rejected_batch = "keeps_good" }
    write(35, { [13] = true })
    local result, message, err = api.imports:upload {
      file = path, batch_records = 10, on_reject = "isolate", rejects = rejects, settle = 0.01,
    }
    assert.is_nil(result)
    assert.are.equal("conflict", err.kind, message)
    assert.are.equal("partial", err.fate)
    assert.are.same({}, sandbox:duplicates())
    -- Nor does it go in twice when it is resumed.
    result = api.imports:resume(err.token, { settle = 0.01 })
    assert.is_nil(result)
    assert.are.same({}, sandbox:duplicates())
  end)

  it("says that every record was rejected", function()
    open { required_columns = { "amount" } }
    write(3, { [0] = true, [1] = true, [2] = true })
    local result, message, err = api.imports:upload { file = path, on_reject = "isolate", rejects = rejects, settle = 0.01 }
    assert.is_nil(result)
    assert.are.equal("invalid_request", err.kind, message)
    assert.are.equal(3, #rejected())
  end)

  it("stops at a bad record where nothing else is asked for, and names the batch", function()
    open { required_columns = { "amount" } }
    write(35, { [13] = true })
    local result, _, err = api.imports:upload { file = path, batch_records = 10 }
    assert.is_nil(result)
    assert.are.equal("invalid_request", err.kind)
    assert.are.equal("rejected", err.fate)
    assert.are.equal(11, err.record)
    assert.are.equal(10, err.records)
    assert.are.equal(12, err.line)
  end)

  it("halves batches that are too large, and those that follow", function()
    open { max_body_bytes = 300 }
    write(100, {})
    local result = assert(api.imports:upload { file = path, batch_records = 64, settle = 0.01 })
    holds(result.id, 100, {})
    local refused = 0
    for _, request in ipairs(support.requests(sandbox, "imports.import")) do
      if request.status == 413 then refused = refused + 1 end
    end
    assert.is_true(refused >= 1 and refused <= 4, refused .. " were too large")
    assert.are.same({}, sandbox:duplicates())
  end)

  it("remembers after a crash how small batches have to be", function()
    open { max_body_bytes = 300 }
    write(100, {})
    local seen = 0
    checkpoints.on = function(name)
      if name == "batch.acknowledged" then seen = seen + 1 end
      if seen == 2 then error("interrupted", 0) end
    end
    pcall(function() return api.imports:upload { file = path, batch_records = 64 } end)
    checkpoints.on = nil
    sandbox:clear_log()
    local result = assert(api.imports:resume(api.imports:pending()[1].token, { settle = 0.01 }))
    holds(result.id, 100, {})
    for _, request in ipairs(support.requests(sandbox, "imports.import")) do assert.are.equal(200, request.status) end
  end)

  it("names a record that is too large by itself", function()
    open { max_body_bytes = 400 }
    local records = support.records(5)
    records[3].text = ("x"):rep(500)
    local result, _, err = api.imports:upload { records = records, settle = 0.01 }
    assert.is_nil(result)
    assert.are.equal(413, err.status)
    assert.are.equal(3, err.record)
    assert.are.equal(1, err.records)
    result = assert(api.imports:upload { records = records, settle = 0.01, on_reject = "isolate", rejects = rejects })
    assert.are.equal(1, result.rejected)
    assert.are.equal(4, #sandbox:rows(result.id))
    assert.are.equal(3, rejected()[1].record)
  end)

  it("needs a file for the rejects, and says so where it cannot be written", function()
    open()
    assert.has_error(function() api.imports:upload { records = {}, on_reject = "isolate" } end)
    assert.has_error(function() api.imports:upload { records = {}, rejects = rejects } end)
    assert.has_error(function() api.imports:upload { records = {}, on_reject = "skip" } end)
    local _, _, err = api.imports:upload { records = {}, on_reject = "isolate", rejects = "/no/such/folder/x" }
    assert.are.equal("io", err.kind)
    assert.are.equal(0, #sandbox:requests())
  end)
end)
