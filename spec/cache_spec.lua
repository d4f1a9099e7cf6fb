local core = require "flarelight.core"
local flarelight = require "flarelight"
local support = require "support"

describe("a cache", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function open(cache, options, client_options)
    sandbox, api = opened.service(options, support.with({ cache = cache }, client_options or {}))
    return support.import(api, 10)
  end

  local function sent(operation) return #support.requests(sandbox, operation) end

  it("sends the request of a read once, and gives each caller its own tables", function()
    local id = open { ttl = 60 }
    sandbox:clear_log()
    local reads = {
      { "imports.all", function(options) return api.imports:all(options) end },
      { "imports.data", function(options)
        return api.imports:data(id, support.with({ start = 2, count = 3 }, options or {}))
      end },
      { "preparations.all", function(options) return api.preparations:all(options) end },
      { "reports.all", function(options) return api.reports:all(options) end },
    }
    for _, read in ipairs(reads) do
      local first, meta = assert(read[2]())
      assert.is_false(meta.cached)
      assert.is_nil(meta.age)
      local second, again = assert(read[2]())
      assert.are.same(first, second)
      assert.are_not.equal(first, second)
      assert.is_true(again.cached)
      assert.is_true(again.age >= 0 and again.age < 60)
      assert.are.equal(0, again.attempts)
      assert.are.equal(meta.request_id, again.request_id)
      assert.are.equal(200, again.status)
      first[1] = "changed by its owner"
      assert.are.same(second, (assert(read[2]())))
      local _, fresh = assert(read[2] { fresh = true })
      assert.is_false(fresh.cached)
      assert.are.equal(2, sent(read[1]), read[1])
    end
    local stats = api:stats().cache
    assert.are.same({ 8, 8, 4 }, { stats.hits, stats.misses, stats.entries })
    assert.is_true(stats.bytes > 0)
  end)

  it("keeps reads apart that are not equal", function()
    local id = open { ttl = 60 }
    local other = support.import(api, 3)
    sandbox:clear_log()
    local seen = {}
    for _, each in ipairs { { id, 0, 1 }, { id, 1, 1 }, { id, 0, 2 }, { other, 0, 1 }, { other, 0, 2 } } do
      local rows = assert(api.imports:data(each[1], { start = each[2], count = each[3] }))
      seen[#seen + 1] = #rows .. ":" .. rows[1].n
    end
    assert.are.same({ "1:0", "1:1", "2:0", "1:0", "2:0" }, seen)
    assert.are.equal(5, sent "imports.data")
    api.imports:data(tostring(id), { start = 0, count = 1 }) -- the same path
    assert.are.equal(5, sent "imports.data")
    assert(api:request { path = "/Import/All", query = { a = 1, b = 2 } })
    assert(api:request { path = "/Import/All", query = { b = 2, a = 1 } })
    assert(api:request { path = "/Import/All", query = { a = 12 } })
    assert.are.equal(2, sent "imports.all")
  end)

  it("knows equal bodies by their content", function()
    open({ ttl = 60 }, { definitions = { reports = { { id = 1, sql = "SELECT 1 AS a", chart = { series = { "a" } } } } } })
    assert(api.reports:generate(1))
    for _, query in ipairs {
      { reportId = 1, filter = { a = 1, b = "x" } }, { filter = { b = "x", a = 1 }, reportId = 1 },
      { reportId = 1, filter = { a = 2, b = "x" } },
    } do
      assert(api.reports:chart_data(query))
    end
    assert.are.equal(2, sent "reports.chart_data")
    local ok, message = pcall(function() api.reports:chart_data { f = print } end)
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("cache_spec.lua:%d+: flarelight: f: a function"), tostring(message))
  end)

  it("keeps a reply for its time", function()
    open { ttl = 0.05 }
    sandbox:clear_log()
    local begun = core.now()
    assert(api.imports:all())
    repeat local _, meta = assert(api.imports:all()) until not meta.cached
    assert.is_true(core.now() - begun >= 0.05) -- the reply is younger than `begun`
    assert.are.equal(2, sent "imports.all")
  end)

  describe("with a write", function()
    local writes = {
      import = function(id) return api.imports:import { id = id, records = { { n = 10 } } } end,
      upload = function(id) return api.imports:upload { id = id, update = "append", records = { { n = 10 } } } end,
      ["api:request"] = function(id)
        return api:request { method = "POST", path = "/Import/Data", body = { id = id, data = { records = { { n = 10 } } } } }
      end,
    }
    for name, write in pairs(writes) do
      it("by " .. name .. ", drops what was read before", function()
        local id = open { ttl = 60 }
        assert.are.equal(10, #assert(api.imports:data(id)))
        assert(write(id))
        assert.are.equal(11, #assert(api.imports:data(id)))
      end)
    end

    it("that fails, drops what was read before", function()
      local id = open { ttl = 60 }
      assert.are.equal(10, #assert(api.imports:data(id)))
      sandbox:fault { operation = "imports.import", kind = "commit_then_drop" }
      assert.are.equal("in_doubt", select(3, api.imports:import { id = id, records = { { n = 10 } } }).fate)
      assert.are.equal(11, #assert(api.imports:data(id)))
    end)

    it("drops what was read while it was under way", function()
      local id = open { ttl = 60 }
      sandbox:fault { operation = "imports.import", kind = "hang", seconds = 0.3, late = true }
      support.together {
        function() api.imports:import { id = id, records = { { n = 10 } } } end,
        function() assert.are.equal(10, #assert(api.imports:data(id))) end,
      }
      local other = opened.client(sandbox)
      repeat until #assert(other.imports:data(id)) == 11 -- it may be applied after the connection was closed
      assert.are.equal(11, #assert(api.imports:data(id)))
    end)

    it("stores no read that began before it", function()
      local id = open { ttl = 60 }
      sandbox:fault { operation = "imports.data", kind = "latency", seconds = 0.2 }
      local early
      support.together {
        function() early = assert(api.imports:data(id)) end,
        function() assert(api.imports:import { id = id, records = { { n = 10 } } }) end,
      }
      assert.is_true(#early == 10 or #early == 11)
      assert.are.equal(11, #assert(api.imports:data(id)))
    end)
  end)

  it("sends one request for equal reads at once", function()
    open { ttl = 60 }
    sandbox:clear_log()
    local results, reads = {}, {}
    for i = 1, 100 do reads[i] = function() results[i] = assert(api.imports:all()) end end
    support.together(reads)
    assert.are.equal(1, sent "imports.all")
    for i = 2, 100 do
      assert.are.same(results[1], results[i])
      assert.are_not.equal(results[1], results[i])
    end
    local stats = api:stats().cache
    assert.are.same({ 99, 99, 1 }, { stats.hits, stats.shared, stats.misses })
  end)

  it("gives the error of one request to all equal reads, and stores none", function()
    open({ ttl = 60 }, nil, { max_attempts = 1 })
    sandbox:clear_log()
    sandbox:fault { operation = "imports.all", kind = "status", status = 404 }
    local failed, reads = {}, {}
    for i = 1, 20 do reads[i] = function() failed[i] = select(3, api.imports:all()) end end
    support.together(reads)
    for i = 1, 20 do
      assert.are.equal("not_found", failed[i].kind)
      assert.are.equal(failed[1].message, failed[i].message)
    end
    assert.are.equal(1, sent "imports.all")
    assert(api.imports:all())
    assert.are.equal(2, sent "imports.all")
  end)

  it("sends the request again if the read that sent it is cancelled", function()
    open { ttl = 60 }
    sandbox:fault { operation = "imports.all", kind = "latency", seconds = 0.2 }
    sandbox:clear_log()
    local data, first, second
    first = api:spawn(function() api.imports:all() end)
    second = api:spawn(function()
      first:cancel()
      data = assert(api.imports:all())
    end)
    support.update_until(api, function() return data ~= nil end)
    assert.is_table(data)
    assert.is_not_nil(second)
  end)

  it("gives an older reply after an error, for as long as it may", function()
    local id = open({ ttl = 1e-9, stale_if_error = 60 }, nil, { max_attempts = 1 })
    local rows = assert(api.imports:data(id))
    for _, fault in ipairs { { kind = "status", status = 503 }, { kind = "reset" }, { kind = "status", status = 429 } } do
      sandbox:fault(support.with({ operation = "imports.data" }, fault))
      local again, meta = assert(api.imports:data(id))
      assert.are.same(rows, again)
      assert.is_true(meta.cached)
    end
    sandbox:fault { operation = "imports.data", kind = "status", status = 404 }
    assert.are.equal("not_found", select(3, api.imports:data(id)).kind)
    assert.are.equal(3, api:stats().cache.stale)
  end)

  it("asks whether a tagged reply is still right", function()
    local id = open({ ttl = 1e-9 }, { etag = true })
    local rows = assert(api.imports:data(id))
    sandbox:clear_log()
    for _ = 1, 2 do
      local again, meta = assert(api.imports:data(id))
      assert.are.same(rows, again)
      assert.is_true(meta.cached)
      assert.are.equal(200, meta.status)
    end
    for _, asked in ipairs(support.requests(sandbox, "imports.data")) do assert.are.equal(304, asked.status) end
    assert.are.equal(2, sent "imports.data")
    local other = opened.client(sandbox)
    assert(other.imports:import { id = id, records = { { n = 10 } } })
    local now, meta = assert(api.imports:data(id))
    assert.are.same({ 11, false }, { #now, meta.cached })
    local stats = api:stats()
    assert.are.same({ 0, 4, 2 }, { stats.cache.hits, stats.cache.misses, stats.cache.unchanged })
    assert.are.same({}, stats.errors)
    local results = {}
    support.together {
      function() results[1] = assert(api.imports:data(id)) end, function() results[2] = assert(api.imports:data(id)) end,
    }
    assert.are.same({ now, now }, results)
  end)

  it("goes on without an entry that does not fit", function()
    local id = open { ttl = 60, max_bytes = 1 }
    for _ = 1, 3 do assert.are.equal(10, #assert(api.imports:data(id))) end
    assert.are.equal(3, sent "imports.data")
    assert.are.same({ 0, 0 }, { api:stats().cache.entries, api:stats().cache.bytes })
  end)

  it("gives no reply to another client or another key", function()
    local id = open { ttl = 60 }
    assert(api.imports:data(id))
    local other = opened.client(sandbox, { cache = { ttl = 60 }, api_key = "another-key" })
    assert.are.equal("unauthorized", select(3, other.imports:data(id)).kind)
    local keys = { sandbox.api_key }
    local rotating = opened.client(sandbox, { cache = { ttl = 60 }, api_key = function() return keys[1] end })
    assert(rotating.imports:data(id))
    keys[1] = "another-key"
    sandbox:fault { operation = "imports.all", kind = "status", status = 401 }
    rotating.imports:all()
    assert.are.equal("unauthorized", select(3, rotating.imports:data(id)).kind)
  end)

  it("is passed by for raw replies and calls with headers of their own", function()
    open { ttl = 60 }
    sandbox:clear_log()
    for _ = 1, 2 do
      assert(api.imports:all { headers = { ["X-User"] = "a" } })
      assert(api:request { path = "/Import/All", raw = true })
    end
    assert.are.equal(4, sent "imports.all")
  end)

  it("shows the headers of a kept reply, without the key", function()
    open { ttl = 60 }
    sandbox:fault { operation = "imports.all", kind = "header", line = "X-Echo: " .. sandbox.api_key }
    local _, first = assert(api.imports:all())
    local _, again = assert(api.imports:all())
    assert.is_true(again.cached)
    assert.are.same(first.headers, again.headers)
    assert.is_nil(again.head:find(sandbox.api_key, 1, true))
  end)

  it("ends with its client", function()
    open { ttl = 60 }
    assert(api.imports:all())
    api:close()
    assert.are.equal("closed", select(3, api.imports:all()).kind)
  end)

  it("has options that are checked", function()
    for _, case in ipairs {
      { {}, "flarelight.new.cache.ttl: is missing" }, { { ttl = 0 }, "cache.ttl: should be" },
      { { ttl = 1, max_bytes = 0.5 }, "cache.max_bytes: should be" }, { { ttl = 1, size = 3 }, "unknown option" },
    } do
      local ok, err = pcall(flarelight.new, { api_key = "k", subscription_id = support.subscription(),
        base_url = "http://127.0.0.1:1", cache = case[1] })
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(case[2], 1, true), tostring(err))
    end
    local _, plain = opened.service()
    assert.is_nil(plain:stats().cache)
  end)
end)
