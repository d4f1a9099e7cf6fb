-- Headers of the caller, the functions `before` and `after`, the headers of replies, and raw replies.

local flarelight = require "flarelight"
local names = require "support.names"
local support = require "support"

local TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

describe("headers", function()
  local opened = support.opened(after_each)

  local function last(box)
    local log = box:requests()
    return log[#log].headers
  end

  local calls = {
    { "imports:all", function(api, headers) return api.imports:all { headers = headers } end },
    { "imports:data", function(api, headers) return api.imports:data(1, { headers = headers }) end },
    { "imports:import", function(api, headers) return api.imports:import { records = {}, headers = headers } end },
    { "reports:chart_data", function(api, headers) return api.reports:chart_data({}, { headers = headers }) end },
    { "automations:execute", function(api, headers) return api.automations:execute(1, nil, { headers = headers }) end },
    { "api:request", function(api, headers) return api:request { path = "/Import/All", headers = headers } end },
    { "imports:rows", function(api, headers) return api.imports:rows(1, { headers = headers }):next() end },
    { "imports:export", function(api, headers)
      return api.imports:export(1, { to = function() end, format = "csv", headers = headers })
    end },
  }
  for _, case in ipairs(calls) do
    it("of the client and of the call are sent by " .. case[1], function()
      local box, api = opened.service(nil, { headers = { ["X-Team"] = "data", ["X-Job"] = "nightly" } })
      support.import(api, 3)
      box:clear_log()
      case[2](api, { ["x-job"] = "repair", traceparent = TRACE, ["X-Request-Id"] = "mine-1" })
      local sent = box:requests()
      assert.is_true(#sent > 0)
      for _, request in ipairs(sent) do
        local found = request.headers
        assert.same({ "data", "repair", TRACE, "mine-1" },
          { found["x-team"], found["x-job"], found.traceparent, found["x-request-id"] })
      end
    end)
  end

  it("are those of all attempts, and the request id is that of meta and events", function()
    local ids = {}
    local box, api = opened.service(nil, { on_event = function(event) ids[event.request_id] = true end })
    box:fault { kind = "status", status = 502 }
    local long = ("i"):rep(128)
    local _, meta = assert(api.imports:all { headers = { ["x-request-id"] = long, ["X-A"] = "1" } })
    assert.same({ long, 2 }, { meta.request_id, meta.attempts })
    assert.same({ [long] = true }, ids)
    for _, request in ipairs(box:requests()) do
      assert.same({ long, "1" }, { request.headers["x-request-id"], request.headers["x-a"] })
    end
  end)

  it("are sent with each request of an upload, and with numbers as text", function()
    local box, api = opened.service(nil, { headers = { ["X-Run"] = 7 } })
    assert(api.imports:upload { records = support.records(30), batch_records = 10, name = "x" })
    assert.is_true(#box:requests() >= 3)
    for _, request in ipairs(box:requests()) do assert.equal("7", request.headers["x-run"]) end
  end)

  it("may replace Accept and Content-Type", function()
    local box, api = opened.service()
    api:request { method = "PATCH", path = "/Import/1", body = {},
                  headers = { accept = "text/csv", ["Content-Type"] = "application/merge-patch+json" } }
    assert.same({ "text/csv", "application/merge-patch+json" }, { last(box).accept, last(box)["content-type"] })
  end)

  it("may be as many as 64, and no more", function()
    local box, api = opened.service()
    local many = {}
    for i = 1, 64 do many["X-N" .. i] = "v" .. i end
    assert(api.imports:all { headers = many })
    for i = 1, 64 do assert.equal("v" .. i, last(box)["x-n" .. i]) end
    many["X-N65"] = "v"
    local ok, raised = pcall(api.imports.all, api.imports, { headers = many })
    assert.is_false(ok)
    assert.matches("65 headers are too many", raised)
  end)

  local SECRET = "value-that-is-not-shown"
  local refused = {
    { { ["X-Api-Key"] = SECRET }, '"X%-Api%-Key" is the API key\'s' },
    { { AUTHORIZATION = SECRET }, '"AUTHORIZATION" is the API key\'s' },
    { { ["Proxy-Authorization"] = SECRET }, "option proxy" },
    { { ["x-subscription-id"] = SECRET }, "option subscription_id" },
    { { ["User-Agent"] = SECRET }, "option user_agent" },
    { { Host = SECRET }, '"Host" is set by flarelight' }, { { ["content-length"] = "5" }, "is set by" },
    { { ["Transfer-Encoding"] = "chunked" }, "is set by" }, { { Connection = SECRET }, "is set by" },
    { { Expect = SECRET }, "is set by" }, { { ["Accept-Encoding"] = SECRET }, "is set by" },
    { { A = SECRET .. "\r\nX-B: 1" }, '"A" holds a control character' }, { { A = SECRET .. "\n" }, "control character" },
    { { A = SECRET .. "\0" }, "control character" }, { { A = "\127" .. SECRET }, "control character" },
    { { ["A\r\nB"] = SECRET }, "no name of a header" }, { { ["A:"] = SECRET }, "no name" }, { { [""] = SECRET }, "no name" },
    { { ["A B"] = SECRET }, "no name" }, { { ["A\0"] = SECRET }, "no name" }, { { ["Ä"] = SECRET }, "no name" },
    { { [("n"):rep(129)] = SECRET }, "no name" },
    { { A = "" }, "is empty" }, { { A = " \t" }, "is empty" }, { { A = true }, "should be a string, but is a boolean" },
    { { SECRET }, "names are strings" }, { { ["X-A"] = SECRET, ["x-a"] = SECRET }, "is given twice" },
    { { traceparent = "00-" .. SECRET }, "W3C Trace Context" }, { { traceparent = TRACE:upper() }, "W3C" },
    { { traceparent = TRACE:gsub("^00", "ff") }, "W3C" }, { { traceparent = "00-" .. ("0"):rep(32) .. TRACE:sub(36) }, "W3C" },
    { { ["X-Request-Id"] = "two words" }, "128 visible characters" }, { { ["X-Request-Id"] = ("i"):rep(129) }, "128 visible" },
  }
  it("that would break a request, or show a secret, are misuse at the caller's line", function()
    local box, api = opened.service()
    for i, case in ipairs(refused) do
      for _, place in ipairs { "call", "before", not case[1]["X-Request-Id"] and "client" or nil } do
        local ok, raised = pcall(function()
          if place == "call" then return api.imports:all { headers = case[1] } end
          local given = { headers = place == "client" and case[1] or nil, api_key = "k",
                          subscription_id = box.subscription_id, base_url = box.url }
          given.before = place == "before" and function(request) request.headers = case[1] end or nil
          return assert(flarelight.new(given)).imports:all()
        end)
        assert.is_false(ok, ("%d %s"):format(i, place))
        assert.matches("hooks_spec%.lua:%d+: flarelight: .*" .. case[2], raised)
        assert.is_nil(raised:find(SECRET, 1, true))
      end
    end
    assert.same({}, box:requests())
  end)

  it("of a client cannot name one call", function()
    local ok, raised = pcall(flarelight.new, { headers = { ["X-Request-Id"] = "a" } })
    assert.is_false(ok)
    assert.matches("give it in the headers of the call", raised)
  end)
end)

describe("before", function()
  local opened = support.opened(after_each)

  it("sees each request and may add headers", function()
    local seen = {}
    local box, api = opened.service(nil, { headers = { ["X-Team"] = "data" }, before = function(request)
      seen[#seen + 1] = ("%s %s %s%s %s %s"):format(request.operation, request.method, request.path, request.query,
        tostring(request.write), request.headers["X-Team"])
      request.headers["X-Number"] = tostring(#seen)
    end })
    local id = support.import(api, 3)
    assert(api.imports:data(id, { start = 1 }))
    assert(api.imports:rows(id):batch(9))
    api.reports:generate("a b")
    assert.same({
      "imports.import POST /Import/Data true data", "imports.data GET /Import/1/Data?count=100&start=1 false data",
      "imports.data GET /Import/1/Data false data", "reports.generate POST /Report/a%20b/Generate true data",
    }, seen)
    local log = box:requests()
    assert.same({ "1", "2" }, { log[1].headers["x-number"], log[2].headers["x-number"] })
    -- The pages of a stream are requested ahead: `before` is asked once for all of them.
    for i = 3, #log - 1 do assert.equal("3", log[i].headers["x-number"]) end
    assert.equal("4", log[#log].headers["x-number"])
  end)

  it("is asked again for a call with another key", function()
    local count, key = 0, "old"
    local box = opened.sandbox()
    local api = opened.client(box, { api_key = function() return key end, before = function(request)
      count = count + 1
      request.headers["X-Number"] = count
      key = box.api_key
    end })
    assert(api.imports:all())
    assert.equal(2, count)
    assert.equal("2", box:requests()[2].headers["x-number"])
  end)

  for _, name in ipairs { "operation", "method", "path", "query", "write", "body", "api_key" } do
    it("cannot change the request's " .. name, function()
      local box, api = opened.service(nil, { before = function(request) request[name] = "DELETE" end })
      local ok, raised = pcall(function() return api.automations:execute(1) end)
      assert.is_false(ok)
      assert.matches("before: request%." .. name .. ": cannot be changed", raised)
      assert.same({}, box:requests())
    end)
  end

  it("cannot make calls of its client, which is told and may go on", function()
    local again = true
    local box, api
    box, api = opened.service(nil, { before = function() if again then api.imports:all() end end })
    local ok, raised = pcall(function() return api.imports:all() end)
    assert.is_false(ok)
    assert.matches("before: made a call, which would call it again; it cannot make calls", raised)
    assert.same({}, box:requests())
    again = false
    assert(api.imports:all())
    assert.equal(1, #box:requests())
  end)

  it("has neither the key nor the body", function()
    local dumped
    local _, api = opened.service(nil, { before = function(request)
      dumped = table.concat(names.sorted(request), " ")
    end })
    assert(api.imports:import { records = {} })
    assert.equal("headers method operation path query write", dumped)
  end)

  it("stops the call before it is sent by raising, at the caller", function()
    local stop
    local box, api = opened.service(nil, { before = function() if stop then error(stop, 0) end end })
    stop = { "mine" }
    local ok, raised = pcall(function() return api.automations:execute(1) end)
    assert.same({ false, stop }, { ok, raised })
    local results, failed = api:all { function() return api.imports:all() end }
    assert.same({ 1, "raised", stop }, { failed, results[1].err.kind, results[1].err.value })
    assert.same({}, box:requests())
    stop = nil
    assert(api.imports:all())
  end)

  it("ends an upload that it stops with kind raised, and nothing is in doubt", function()
    local requests = 0
    local state = require("support.system").file("", ".db")
    local box, api = opened.service(nil, { state = state, before = function(request)
      if request.write then requests = requests + 1 end
      if requests == 2 then error("no more", 0) end
    end })
    local given = { records = support.records(30), batch_records = 10, name = "x" }
    local result, message, err = api.imports:upload(given)
    assert.same({ nil, "no more", "raised", "not_sent" }, { result, message, err.kind, err.fate })
    requests = 10
    local resumed = assert(api.imports:resume(err.token, { records = given.records }))
    assert.same({ 30, 3 }, { resumed.records, #support.requests(box, "imports.import") })
    assert.same({}, box:duplicates())
  end)
end)

describe("after", function()
  local opened = support.opened(after_each)

  it("gets each outcome", function()
    local seen = {}
    local box, api = opened.service(nil, { after = function(reply)
      seen[#seen + 1] = ("%s %s %s %s %s %s %s"):format(reply.operation, reply.method, reply.path, tostring(reply.status),
        tostring(reply.kind), tostring(reply.fate), reply.headers and reply.headers["content-type"] or "no headers")
      assert.matches("^%x+%-", reply.request_id)
      assert.is_true(reply.attempts >= 1 and reply.elapsed >= 0)
    end })
    local id = support.import(api, 3)
    api.imports:data(99)
    assert.equal(3, #api.imports:rows(id, { prefetch = 0, trust_short_page = true }):batch(9))
    box:fault { operation = "automations.execute", kind = "commit_then_drop" }
    api.automations:execute(1)
    local json = "application/json; charset=utf-8"
    assert.same({
      "imports.import POST /Import/Data 200 nil applied " .. json,
      "imports.data GET /Import/99/Data 404 not_found nil " .. json,
      "imports.data GET /Import/1/Data 200 nil nil " .. json,
      "automations.execute POST /Automation/1/Execute nil network in_doubt no headers",
    }, seen)
  end)

  it("cannot lose an outcome: what it raises is raised by the next call", function()
    local box, api = opened.service(nil, { after = function() error("mine", 0) end })
    assert.equal("applied", select(2, api.automations:execute(1)) and "applied")
    assert.equal(1, #box:requests())
    local ok, raised = pcall(function() return api.imports:all() end)
    assert.same({ false, "mine" }, { ok, raised })
    assert.equal(1, #box:requests())
  end)
end)

describe("Ctrl-C inside of a function of the caller", function()
  local opened = support.opened(after_each)

  -- What is called, and how often that was when Ctrl-C comes.
  for name, case in pairs {
    ["before, in an upload"] = { { before = true }, "upload" }, ["after, in an upload"] = { { after = true }, "upload" },
    ["after, of a write"] = { { after = true }, "write" }, ["after, of rows"] = { { after = true }, "rows" },
    ["on_event"] = { { on_event = true }, "write" }, ["debug"] = { { debug = true }, "write" },
    ["map"] = { {}, "upload", "map" }, ["done"] = { {}, "write", "done" },
  } do
    it("ends the call: " .. name, function()
      local calls, stop = 0, false
      local function interrupt(value)
        if not stop then return value end
        calls = calls + 1
        error("interrupted!", 0)
      end
      local options = { state = require("support.system").path() }
      for option in pairs(case[1]) do options[option] = interrupt end
      local box, api = opened.service({ preparations = { { id = 1, sql = "SELECT 1 AS n" } },
        automations = { { id = 1, steps = { { preparation = 1 } } } } }, options)
      local id = support.import(api, 3)
      local run = {
        upload = function()
          return api.imports:upload { name = "n", batch_records = 2, key = "k", settle = 0.01,
            file = require("support.system").file("n\n1\n2\n3\n", ".csv"), map = case[3] == "map" and interrupt or nil }
        end,
        write = function()
          return api:once("k", function()
            return api.automations:execute(1, nil, { wait = case[3] == "done" and { timeout = 60, done = interrupt } or nil })
          end)
        end,
        rows = function() return api.imports:rows(id):batch(9) end,
      }
      stop = true
      assert.same({ false, "interrupted!" }, { pcall(run[case[2]]) })
      assert.is_true(calls >= 1)
      stop = false
      pcall(api.imports.all, api.imports) -- raises what was kept of another call
      if case[2] == "write" and not case[3] then
        assert(run.write()) -- its outcome was recorded
        assert.equal(1, #support.requests(box, "automations.execute"))
      end
    end)
  end
end)

describe("the head of a reply", function()
  local opened = support.opened(after_each)

  local function headers_of(text)
    local server = opened.raw_server { text }
    local api = opened.client(server, { max_attempts = 1 })
    local data, meta, err = api.imports:all()
    return (data ~= nil and meta or err).headers, data ~= nil and meta or err
  end

  it("is in meta.headers, with names in lower case", function()
    local headers, meta = headers_of(support.reply("200 OK", '{"data":[],"messages":[]}',
      "X-Served-BY: a\r\nSet-Cookie: one=1\r\nset-cookie:two=2  \r\nEmpty:\r\nConnection: close\r\n"))
    assert.same({ "a", "one=1, two=2", "", "application/json", "25" },
      { headers["x-served-by"], headers["set-cookie"], headers.empty, headers["content-type"], headers["content-length"] })
    assert.matches("^HTTP/1.1 200 OK\r\n", meta.head)
    assert.equal(headers, meta.headers)
    assert.is_nil(meta.no_such_member)
  end)
  it("is in err.headers", function()
    local headers = headers_of(support.reply("404 Not Found", '{"data":null,"messages":[]}', "X-A: b\r\nConnection: close\r\n"))
    assert.equal("b", headers["x-a"])
  end)
  it("is that of the reply, not of an interim one", function()
    local headers = headers_of("HTTP/1.1 103 Early Hints\r\nX-A: early\r\n\r\n"
      .. support.reply("200 OK", '{"data":[]}', "X-B: late\r\nConnection: close\r\n"))
    assert.same({ nil, "late" }, { headers["x-a"], headers["x-b"] })
  end)
  it("does not show the key that a server repeats, in any form", function()
    local headers, meta = headers_of(support.reply("200 OK", '{"data":[]}',
      "X-A: raw-key\r\nX-B: q?k=RAW%2dkey&x\r\nLocation: /raw\\-key\r\nConnection: close\r\n"))
    assert.same({ "*******", "q?k=*********&x", "/********" }, { headers["x-a"], headers["x-b"], headers.location })
    assert.is_nil(meta.head:lower():find("raw-key", 1, true))
  end)
  it("is absent if no reply came", function()
    local api = opened.client({ url = "http://127.0.0.1:1", api_key = "k", subscription_id = support.subscription() },
      { max_attempts = 1 })
    local _, _, err = api.imports:all()
    assert.is_nil(err.headers)
  end)
end)

describe("raw", function()
  local opened = support.opened(after_each)

  local function ask(text, given)
    local server = opened.raw_server { text }
    local api = opened.client(server, { max_attempts = 1 })
    given = support.with({ path = "/any", raw = true }, given)
    return api:request(given)
  end
  local function bytes(status, content_type, body)
    -- Not by string.format, which ends a text at its first NUL on Lua 5.1.
    return "HTTP/1.1 " .. status .. "\r\nContent-Length: " .. #body .. "\r\nContent-Type: " .. content_type
      .. "\r\nConnection: close\r\n\r\n" .. body
  end

  for _, case in ipairs {
    { "text", "text/csv", "id,name\r\n1,Ä\r\n" }, { "bytes", "application/octet-stream", "\0\1\255{" },
    { "JSON without the envelope", "application/json", '[1, 2.50, {"a": null}]' }, { "nothing", "text/plain", "" },
    { "half of JSON", "application/json", '{"data":' },
  } do
    it("gives a reply as it came: " .. case[1], function()
      local data, meta = assert(ask(bytes("201 Created", case[2], case[3])))
      assert.same({ 201, case[2], case[3] }, { data.status, data.headers["content-type"], data.body })
      assert.equal(201, meta.status)
    end)
  end

  it("asks for any content type", function()
    local box, api = opened.service()
    assert(api:request { path = "/Import/All", raw = true })
    assert.equal("*/*", box:requests()[1].headers.accept)
  end)

  it("decompresses, and covers the key", function()
    local data = assert(ask(bytes("200 OK", "text/plain", "your key is raw-key")))
    assert.equal("your key is *******", data.body)
  end)

  it("keeps errors errors, with the reply as it came beside them", function()
    local body = '{"data":null,"messages":["so\\u0020sorry"]}'
    local data, message, err = ask(bytes("409 Conflict", "application/json", body), { method = "POST" })
    assert.same({ nil, "http", "rejected", 409 }, { data, err.kind, err.fate, err.status })
    assert.matches("so sorry", message)
    assert.same({ 409, body, "application/json" }, { err.reply.status, err.reply.body, err.reply.headers["content-type"] })
    data, message, err = ask(bytes("503 Service Unavailable", "text/html", "<p>no</p>"))
    assert.same({ nil, "server", "<p>no</p>" }, { data, err.kind, err.reply.body })
    assert.matches("503", message)
  end)

  it("has the fates of writes", function()
    local _, meta = assert(ask(bytes("200 OK", "text/plain", "done"), { method = "POST" }))
    assert.equal("applied", meta.fate)
    local _, _, err = ask("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", { method = "DELETE" })
    assert.same({ "in_doubt" }, { err.fate })
  end)

  it("repeats reads as other calls do", function()
    local box, api = opened.service()
    box:fault { kind = "status", status = 502 }
    local data, meta = assert(api:request { path = "/Import/All", raw = true })
    assert.same({ 200, 2 }, { data.status, meta.attempts })
  end)
end)
