-- The table of outcomes of docs/delivery.md, over real HTTP. Every row is made by a fault that meets the
-- first attempt of a call; then the server recovers.

local support = require "support"

local unpack = table.unpack or unpack -- luacheck: ignore
local HUGE = math.huge

local definitions = {
  preparations = { { id = 1, sql = "SELECT 1 AS a", target = "t" } },
  automations = { { id = 1, steps = { { preparation = 1 } } } },
}

-- One call of each sort that the table tells apart. `again` is a write that may be repeated.
local calls = {
  { name = "get", operation = "imports.all", run = function(api) return api.imports:all() end },
  { name = "chart", operation = "reports.chart_data",
    run = function(api) return api.reports:chart_data { sql = "SELECT 1 AS a, 2 AS b" } end },
  { name = "import", operation = "imports.import",
    run = function(api) return api.imports:import { records = { { n = 1 } } } end },
  { name = "execute", operation = "automations.execute", run = function(api) return api.automations:execute(1) end },
  { name = "again", operation = "preparations.execute",
    run = function(api) return api.preparations:execute(1, nil, { repeatable = true }) end },
}
local sort_of = { get = "read", chart = "read", import = "write", execute = "write", again = "again" }

-- What is expected of a sort: kind of the error ("ok": none), attempts, and for writes fate and commits.
local function good(attempts, commits) return { "ok", attempts, "applied", commits or 1 } end
local function bad(kind, attempts, fate, commits) return { kind, attempts, fate, commits or 0 } end

-- Sent, and nothing usable came back: reads go again, writes are in doubt.
local function lost(name, kind, commits, fault, more)
  local case = { name, fault, read = good(2), write = bad(kind, 1, "in_doubt", commits), again = good(2, 1 + commits) }
  for key, value in pairs(more or {}) do case[key] = value end
  return case
end
-- Nobody goes again.
local function final(name, kind, fate, fault, more)
  local case = { name, fault, read = bad(kind, 1), write = bad(kind, 1, fate), again = bad(kind, 1, fate) }
  for key, value in pairs(more or {}) do case[key] = value end
  return case
end
-- Everybody waits and goes again.
local function throttled(name, fault, more)
  local case = { name, fault, read = good(2), write = good(2), again = good(2) }
  for key, value in pairs(more or {}) do case[key] = value end
  return case
end
local function status(number, more)
  local fault = { kind = "status", status = number }
  for key, value in pairs(more or {}) do fault[key] = value end
  return fault
end

-- Long enough for every attempt to be sent, and for the second to be answered, on a slow machine and under
-- valgrind: all cases wait at the same time.
local short_time = 2
local short = { read_timeout = short_time, write_timeout = short_time }
local small = { max_response_bytes = 65536 }
local elsewhere -- a sandbox that redirects point to

local function cases()
  local away = elsewhere.url .. "/Import/All"
  local list = {
    { "a good reply", nil, read = good(1), write = good(1), again = good(1) },
    lost("a connection closed after the commit", "network", 1, { kind = "commit_then_drop" }),
    lost("a late commit", "network", 0, { kind = "commit_late", seconds = 60 }),
    lost("a reset", "network", 0, { kind = "reset" }),
    lost("an empty reply", "network", 0, { kind = "empty" }),
    lost("a connection closed before the body was read", "network", 0, { kind = "refuse" }),
    lost("bytes that are no JSON", "protocol", 1, { kind = "garbage" }, { status = 200 }),
    lost("a body cut short", "network", 1, { kind = "truncate" }, { status = 200 }),
    lost("a body shorter than announced", "network", 1, { kind = "wrong_length" }, { status = 200 }),
    lost("a body that is no gzip", "protocol", 1, { kind = "bad_gzip" }, { status = 200 }),
    lost("a body that stalls", "timeout", 1, { kind = "stall", seconds = 60 }, { options = short, status = 200 }),
    lost("a head that does not come", "timeout", 1, { kind = "latency", seconds = 60 }, { options = short }),
    lost("a 500 after the commit", "server", 1, { kind = "commit_then_500" }, { status = 500 }),
    lost("a proxy's page", "server", 0, { kind = "html" }, { status = 502, body = "<h1>Gateway</h1>" }),
    lost("503 with Retry-After", "server", 0, status(503, { retry_after = 1 }), { status = 503, retry_after = 1 }),
    lost("503 with a Retry-After that is too long", "server", 0, status(503, { retry_after = 121 }),
      { status = 503, retry_after = 121, read = bad("server", 1), again = bad("server", 1, "in_doubt") }),
    final("a reply over the ceiling", "protocol", "in_doubt", { kind = "huge", bytes = 2 ^ 20 },
      { options = small, status = 200, write = bad("protocol", 1, "in_doubt", 1), again = bad("protocol", 1, "in_doubt", 1) }),
    final("a reply over the ceiling, of no announced length", "protocol", "in_doubt",
      { kind = "huge", bytes = 2 ^ 20, chunked = true },
      { options = small, status = 200, write = bad("protocol", 1, "in_doubt", 1), again = bad("protocol", 1, "in_doubt", 1) }),
    throttled("429", { kind = "throttle" }),
    throttled("429 with Retry-After", { kind = "throttle", retry_after = 1 }),
    throttled("429 with a Retry-After that has passed",
      { kind = "throttle", retry_after = "Sun, 06 Nov 1994 08:49:37 GMT" }),
    throttled("429 that says Remaining 0", { kind = "throttle", remaining = 0 }, { sandbox = { rate_window = 1 } }),
    final("429 with a Retry-After of more than two minutes", "rate_limited", "rejected",
      { kind = "throttle", retry_after = 121 }, { status = 429, retry_after = 121, retry_at = true }),
    throttled("403 that says Remaining 0", status(403, { remaining = 0 }), { sandbox = { rate_window = 1 } }),
    { "403 that says Remaining 0, twice", status(403, { remaining = 0, times = 2 }), sandbox = { rate_window = 1 },
      status = 403, read = bad("forbidden", 2), write = bad("forbidden", 2, "rejected"),
      again = bad("forbidden", 2, "rejected") },
    final("a temporary redirect", "http", "rejected", { kind = "redirect", status = 307, location = away },
      { status = 307, location = away }),
    final("See Other", "http", "in_doubt", { kind = "redirect", status = 303, location = away },
      { status = 303, location = away }),
  }
  for _, number in ipairs { 301, 302, 308 } do
    list[#list + 1] = final(tostring(number), "http", "rejected",
      { kind = "redirect", status = number, location = away }, { status = number, location = away })
  end
  for number, kind in pairs { [408] = "http", [500] = "server", [502] = "server", [503] = "server",
                              [504] = "server", [599] = "server" } do
    list[#list + 1] = lost(tostring(number), kind, 0, status(number), { status = number })
  end
  for number, kind in pairs { [400] = "invalid_request", [401] = "unauthorized", [403] = "forbidden",
                              [404] = "not_found", [409] = "http", [413] = "http", [422] = "http" } do
    list[#list + 1] = final(tostring(number), kind, "rejected", status(number), { status = number })
  end
  for _, number in ipairs { 501, 505, 511 } do
    list[#list + 1] = final(tostring(number), "server", "in_doubt", status(number), { status = number })
  end
  return list
end

-- Runs the calls of a case at the same time; their outcomes and what the server has seen of them.
local function run_case(runner, case)
  local options = { preparations = definitions.preparations, automations = definitions.automations }
  for name, value in pairs(case.sandbox or {}) do options[name] = value end
  local sandbox = support.sandbox(options)
  local given = { max_attempts = case.max_attempts or 2 }
  for name, value in pairs(case.options or {}) do given[name] = value end
  local api = support.client(sandbox, given)
  local functions = {}
  if case.sandbox then -- the window begins
    assert(api.imports:all())
    sandbox:clear_log()
  end
  for i, call in ipairs(calls) do
    if case[2] then
      local fault = { operation = call.operation }
      for name, value in pairs(case[2]) do fault[name] = value end
      sandbox:fault(fault)
    end
    functions[i] = function()
      local data, meta, err = call.run(api)
      return { data = data, message = err and meta, meta = err or meta }
    end
  end
  local results = runner:all(functions)
  local found = { duplicates = #sandbox:duplicates() }
  for i, call in ipairs(calls) do
    local requests, commits, ids = support.requests(sandbox, call.operation), 0, {}
    for _, request in ipairs(requests) do
      if request.committed then commits = commits + 1 end
      ids[request.headers["x-request-id"]] = true
    end
    found[call.name] = assert(results[i].data, tostring(results[i].err))
    found[call.name].requests, found[call.name].commits, found[call.name].ids = #requests, commits, ids
  end
  api:close()
  sandbox:stop()
  return found
end

-- All cases wait at the same time, so that their backoffs do not add up.
local function run_all(list)
  local runner = support.client(elsewhere)
  local results = runner:map(list, function(case) return run_case(runner, case) end, { concurrency = #list })
  runner:close()
  return results
end

describe("the outcome of", function()
  elsewhere = support.sandbox()
  local list = cases()
  local found
  local ids_seen = {}

  setup(function() found = run_all(list) end)
  teardown(function() elsewhere:stop() end)

  for index, case in ipairs(list) do
    for _, call in ipairs(calls) do
      it(case[1] .. " to " .. call.name, function()
        local all = found[index].data or error(found[index].err)
        local got, expected = all[call.name], case[sort_of[call.name]]
        local what, failed = got.meta, expected[1] ~= "ok"
        assert.equal(failed and expected[1] or nil, what.kind)
        assert.equal(not failed, got.data ~= nil)
        assert.equal(expected[2], what.attempts)
        assert.equal(expected[2], got.requests)
        if sort_of[call.name] ~= "read" then
          assert.equal(expected[3], what.fate)
          assert.equal(expected[4], got.commits)
        else
          assert.is_nil(what.fate)
        end
        if failed then
          assert.equal(got.message, tostring(what))
          assert.equal(got.message, what.message)
          assert.equal(call.operation .. ": ", got.message:sub(1, #call.operation + 2))
          assert.equal(case.status, what.status)
          assert.equal(case.location, what.location)
          assert.equal(case.retry_after, what.retry_after)
          if case.retry_at then assert.is_true(what.retry_at > os.time() + 60) end
          if case.body then assert.truthy(what.body:find(case.body, 1, true)) end
        end
        -- One X-Request-Id a call, the same over its attempts, another for each call.
        local id = next(got.ids)
        assert.equal(what.request_id, id)
        assert.is_nil(next(got.ids, id))
        assert.is_nil(ids_seen[id])
        ids_seen[id] = true
      end)
    end
  end

  it("redirects was never followed: nobody else has seen the key", function()
    assert.equal(0, #elsewhere:requests())
    assert.equal(0, elsewhere:counts().connections)
  end)
end)

describe("delivery", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function start(options, client_options)
    sandbox, api = opened.service(support.with(options, definitions), client_options or { max_attempts = 3 })
  end
  local function raw(replies, client_options)
    local server = opened.raw_server(replies)
    api = opened.client(server, client_options or { max_attempts = 2 })
    return server, api
  end

  describe("on a kept connection that dies after the server has read the request", function()
    -- libcurl would send again by itself and report success.
    local writes = {
      ["imports.import"] = function(options)
        return api.imports:import { records = { { n = 1 } }, repeatable = options and options.repeatable }
      end,
      ["automations.execute"] = function(options) return api.automations:execute(1, {}, options) end,
      ["preparations.execute"] = function(options)
        return api:request { method = "POST", path = "/Preparation/1/Execute",
                             repeatable = options and options.repeatable }
      end,
    }
    for operation, write in pairs(writes) do
      it(operation .. " is committed once, and in doubt", function()
        start()
        assert(api.imports:all())
        sandbox:fault { operation = operation, kind = "keepalive_kill", times = HUGE }
        local data, _, err = write()
        assert.is_nil(data)
        assert.are.same({ "network", "in_doubt", 1 }, { err.kind, err.fate, err.attempts })
        assert.equal(1, #support.requests(sandbox, operation))
        assert.are.same({}, sandbox:duplicates())
        assert.is_true(support.requests(sandbox, operation)[1].committed)
        assert.equal(1, sandbox:hits().total)
      end)

      it(operation .. " that may be repeated goes again", function()
        start()
        assert(api.imports:all())
        sandbox:fault { operation = operation, kind = "keepalive_kill" }
        local _, meta = assert(write { repeatable = true })
        assert.are.same({ "applied", 2 }, { meta.fate, meta.attempts })
        assert.equal(2, #support.requests(sandbox, operation))
        assert.equal(1, #sandbox:duplicates())
      end)
    end

    it("a read goes again", function()
      start()
      assert(api.imports:all())
      sandbox:fault { operation = "imports.all", kind = "keepalive_kill" }
      local _, meta = assert(api.imports:all())
      -- By the client, not by libcurl: each request is an attempt.
      assert.equal(2, meta.attempts)
      assert.equal(3, #sandbox:requests())
    end)

    it("a write without any body is sent once", function()
      local reply = support.reply("200 OK", '{"data":1,"messages":[]}', "")
      local server = raw { reply .. "...", "", reply, reply }
      assert(api:request { method = "DELETE", path = "/x" })
      local data, _, err = api:request { method = "DELETE", path = "/x" }
      assert.is_nil(data)
      assert.equal("in_doubt", err.fate)
      assert.equal(2, #server:requests())
    end)
  end)

  it("doubt stays, whatever a later attempt is told", function()
    start()
    sandbox:fault { operation = "imports.import", kind = "commit_then_drop" }
    sandbox:fault { operation = "imports.import", kind = "status", status = 400, times = HUGE }
    local _, _, err = api.imports:import { records = {}, repeatable = true }
    assert.are.same({ "invalid_request", "in_doubt", 2 }, { err.kind, err.fate, err.attempts })

    -- The first attempt is lost, the others find nobody.
    start(nil, { max_attempts = 3, on_event = function(event)
      if event.name == "retry" then sandbox:stop() end
    end })
    sandbox:fault { operation = "imports.import", kind = "reset", times = HUGE }
    _, _, err = api.imports:import { records = {}, repeatable = true }
    assert.are.same({ "network", "in_doubt", 3 }, { err.kind, err.fate, err.attempts })
  end)

  it("doubt stays, whatever is told to the call with another key after a 401", function()
    start()
    local keys = { sandbox.api_key, "another" }
    local client = opened.client(sandbox, { api_key = function() return table.remove(keys, 1) end })
    sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" }
    sandbox:fault { operation = "automations.execute", kind = "status", status = 401, nth = 2 }
    local _, _, err = client.automations:execute(1, nil, { repeatable = true })
    assert.are.same({ "unauthorized", "in_doubt", 0 }, { err.kind, err.fate, #keys })
  end)

  it("of a write that is refused before it is handed over is not_sent; a read has none", function()
    start()
    local function import(client) return client.imports:import { records = {} } end
    local function all(client) return client.imports:all() end
    local function cancelled(call)
      return function(client)
        local results
        local task = client:spawn(function() results = { call(client) } end)
        task:cancel()
        task:result()
        return unpack(results, 1, 3)
      end
    end
    local function closed(call)
      return function()
        local client = support.client(sandbox)
        client:close()
        return call(client)
      end
    end
    local function with(call, options)
      return function() return call(opened.client(sandbox, options)) end
    end
    local refusals = {
      cancelled = cancelled, closed = closed,
      phase = function(call) return with(call, { host = "frame" }) end,
      config = function(call) return with(call, { api_key = function() return nil, "no key today" end }) end,
    }
    for kind, refusal in pairs(refusals) do
      for fate, call in pairs { not_sent = import, none = all } do
        local data, _, err = refusal(call)(api)
        assert.is_nil(data)
        assert.are.same({ kind, fate }, { err.kind, err.fate or "none" })
      end
    end
    assert.equal(0, #sandbox:requests())
  end)

  it("gives up after max_attempts", function()
    start(nil, { max_attempts = 3 })
    sandbox:fault { kind = "status", status = 500, times = HUGE }
    local _, _, err = api.imports:all()
    assert.are.same({ "server", 3, 3 }, { err.kind, err.attempts, #sandbox:requests() })
    assert.equal("A fault of the sandbox", err.messages[1])
  end)

  describe("of replies that are no answer:", function()
    local answer = support.reply("200 OK", '{"data":{"id":1},"messages":[]}')
    local function json(body) return support.reply("200 OK", body) end
    -- reply, then of a read, a write, a repeatable write: kind (nil: done by the second attempt), attempts
    local replies = {
      { "good JSON that is not the envelope", json "[1,2]", { "protocol", 1 }, { "protocol", 1 }, { "protocol", 1 } },
      { "an object without data", json '{"messages":[]}', { "protocol", 1 }, { "protocol", 1 }, { "protocol", 1 } },
      { "an import without an id", json '{"data":{},"messages":[]}', { nil, 1 }, { "protocol", 1 } },
      { "an import that is null", json '{"data":null,"messages":[]}', { nil, 1 }, { "protocol", 1 } },
      { "no body", json "", { nil, 2 }, { "protocol", 1 }, { nil, 2 } },
      { "a status that HTTP does not know", support.reply("999 Why", ""), { "http", 1 }, { "http", 1 }, { "http", 1 } },
      { "not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", { nil, 2 }, { "protocol", 1 }, { nil, 2 } },
      { "an interim answer alone", "HTTP/1.1 103 Early Hints\r\n\r\n", { nil, 2 }, { "network", 1 }, { nil, 2 } },
      { "half a head", "HTTP/1.1 200 OK\r\nContent-Le", { nil, 2 }, { "protocol", 1 }, { nil, 2 } },
      { "half of a chunked body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"data\":\r\n",
        { nil, 2 }, { "network", 1 }, { nil, 2 } },
    }
    local function check(case, expected, call, fate)
      local server, client = raw { case[2], answer }
      local data, meta, err = call(client)
      if expected[1] then assert.is_nil(data) else assert(data ~= nil, meta) end
      local got = err or meta
      assert.are.same({ expected[1], expected[2], fate }, { got.kind, got.attempts, got.fate })
      assert.equal(expected[2], #server:requests())
    end
    for _, case in ipairs(replies) do
      it(case[1], function()
        support.together {
          function() check(case, case[3], function(a) return a.imports:all() end) end,
          function() check(case, case[4], function(a) return a.imports:import { records = {} } end, "in_doubt") end,
          function()
            if not case[5] then return end
            check(case, case[5], function(a) return a.imports:import { records = {}, repeatable = true } end,
              case[5][1] and "in_doubt" or "applied")
          end,
        }
      end)
    end

    it("a refusal whose body breaks off is a refusal all the same", function()
      raw { "HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n{" }
      local _, _, err = api.imports:import { records = {} }
      assert.are.same({ "not_found", "rejected", 1 }, { err.kind, err.fate, err.attempts })
    end)

    it("the key that a server says back is not passed on", function()
      raw { support.reply("400 Bad Request", '{"data":null,"messages":["bad raw-key"]}'),
            support.reply("200 OK", "not JSON: raw-key") }
      local _, message, err = api.imports:all()
      assert.are.same({ "imports.all: 400 Bad Request: bad *******", "bad *******" }, { message, err.messages[1] })
      _, message, err = api.imports:import { records = {} }
      assert.is_nil((message .. err.body):find("raw-key", 1, true))
    end)
  end)
end)
