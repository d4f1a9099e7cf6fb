-- The nine endpoints and api:request: what goes out, as the sandbox saw it; what comes back, as data
-- and meta or as an error.

local flarelight = require "flarelight"
local support = require "support"

local json, null, array, integer = flarelight.json, flarelight.null, flarelight.array, flarelight.integer
local UUID = "5b1a2f0e-0000-4000-8000-00000000abcd"
local HERE = "endpoints_spec%.lua:%d+: flarelight: "
local query = { sql = 'SELECT 1 AS "one"' }
local definitions = {
  preparations = { { id = 1, sql = "SELECT 1 AS n" } }, reports = { { id = 1, sql = "SELECT 'a' AS l, 1 AS n" } },
  automations = { { id = 1, steps = { { preparation = 1 } } } },
}

-- call(api, options), method, path, query, body, a write
local endpoints = {
  ["imports.all"] = { function(api, o) return api.imports:all(o) end, "GET", "/Import/All" },
  ["imports.data"] = { function(api, o) return api.imports:data(1, o) end, "GET", "/Import/1/Data", "count=100&start=0" },
  ["imports.import"] = { function(api, o)
    o = o or {}
    o.records = { { n = 1 } }
    return api.imports:import(o)
  end, "POST", "/Import/Data", "", { data = { records = { { n = 1 } } }, sendEvents = true }, true },
  ["automations.execute"] = { function(api, o) return api.automations:execute(1, { p = 1 }, o) end,
    "POST", "/Automation/1/Execute", "", { p = 1 }, true },
  ["preparations.all"] = { function(api, o) return api.preparations:all(o) end, "GET", "/Preparation/All" },
  ["preparations.execute"] = { function(api, o) return api.preparations:execute(1, { p = 1 }, o) end,
    "POST", "/Preparation/1/Execute", "", { p = 1 }, true },
  ["reports.all"] = { function(api, o) return api.reports:all(o) end, "GET", "/Report/All" },
  ["reports.generate"] = { function(api, o) return api.reports:generate(1, { p = 1 }, o) end,
    "POST", "/Report/1/Generate", "", { p = 1 }, true },
  ["reports.chart_data"] = { function(api, o) return api.reports:chart_data(query, o) end, "POST", "/Report/ChartData", "", query },
}

describe("endpoints", function()
  local box, api, once
  setup(function()
    box = support.sandbox { definitions = definitions, log_requests = 1000 }
    api, once = support.client(box), support.client(box, { max_attempts = 1 })
    support.import(api, 3)
  end)
  teardown(function()
    api:close()
    once:close()
    box:stop()
  end)

  it("take no id that is an integer whose digits were replaced by a number", function()
    local id = integer "1"
    id[1] = 12345678 -- as a string it would have no owner while the request is made
    local good, raised = pcall(function() return api.imports:data(id) end)
    assert.is_false(good)
    assert.truthy(raised:find "id: should be a string or a whole number, but is a table")
  end)
  before_each(function()
    box:clear_log()
    box:clear_faults()
  end)

  local function last() local log = box:requests() return log[#log] end
  -- Misuse, raised at this level, before anything is sent.
  local function raises(pattern, run)
    local before = #box:requests()
    local ok, message = pcall(run)
    assert.is_false(ok, pattern)
    assert.matches(HERE .. pattern, message)
    assert.equal(before, #box:requests())
  end

  for name, case in pairs(endpoints) do
    local call, method, path, search, body, is_write = case[1], case[2], case[3], case[4] or "", case[5], case[6]
    describe(name, function()
      it("sends what is documented, and gives data and meta", function()
        local before = os.time()
        local data, meta, err = call(api)
        assert.is_nil(err)
        assert.is_table(data)
        local sent = last()
        assert.same({ name, method, path, search, 200 }, { sent.operation, sent.method, sent.path, sent.query, sent.status })
        local headers = sent.headers
        assert.same({ "<redacted>", box.subscription_id, "application/json" },
          { headers["x-api-key"], headers["x-subscription-id"], headers.accept })
        assert.is_nil(headers.expect)
        if body then
          assert.equal("application/json", headers["content-type"])
          assert.same(body, json.decode(sent.body))
        else
          assert.equal("", sent.body)
          assert.is_nil(headers["content-type"])
        end
        assert.same({ 200, 1, false, is_write and "applied" or nil }, { meta.status, meta.attempts, meta.cached, meta.fate })
        assert.equal(headers["x-request-id"], meta.request_id)
        assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+$", meta.request_id)
        assert.is_true(meta.elapsed >= 0)
        assert.same({}, meta.messages)
        assert.equal("[]", json.encode(meta.messages))
        assert.equal(6000, meta.rate_limit.limit)
        assert.is_true(meta.rate_limit.remaining < 6000)
        assert.is_true(meta.rate_limit.reset >= before and meta.rate_limit.reset <= os.time() + 62)
      end)

      it("takes options, sends none of them, and knows no others", function()
        for _, options in ipairs { { deadline = 30 }, { repeatable = true }, { fresh = true }, {} } do
          assert.is_table(call(api, options))
          assert.same(body or "", body and json.decode(last().body) or last().body)
          assert.equal(search, last().query)
        end
        for option, value in pairs { deadline = 0, repeatable = 1, fresh = "no", colour = "red", [1] = 5 } do
          raises(name:gsub("%.", ":") .. ".*" .. option, function() call(api, { [option] = value }) end)
        end
      end)

      it("gives an error that tells everything", function()
        local kinds = { [400] = "invalid_request", [401] = "unauthorized", [403] = "forbidden", [404] = "not_found", [409] = "http",
          [413] = "http", [418] = "http", [500] = "server", [503] = "server" }
        for status, kind in pairs(kinds) do
          box:fault { kind = "status", status = status, message = "Not like this" }
          local data, message, err = call(once)
          assert.is_nil(data)
          assert.matches(("^%s: %d.*: Not like this$"):format(name, status), message)
          assert.same({ kind, message, message, status, { "Not like this" }, 1, method, path, name },
            { err.kind, err.message, tostring(err), err.status, err.messages, err.attempts, err.method, err.path, err.operation })
          assert.equal(is_write and (status >= 500 and "in_doubt" or "rejected") or nil, err.fate)
          assert.equal(last().headers["x-request-id"], err.request_id)
          assert.is_true(err.elapsed >= 0)
          assert.is_nil(err.body or err.location or err.retry_after or err.retry_at or err.data)
        end
      end)

      it("is called with a colon", function()
        local part, function_name = name:match "^(.*)%.(.*)$"
        raises(name:gsub("%.", "%%.") .. ": call it with a colon", function() api[part][function_name]({}) end)
        raises(name:gsub("%.", "%%.") .. ": call it with a colon", function() api[part][function_name]() end)
      end)
    end)
  end

  it("raise misuse at the line of the caller, in a task as elsewhere", function()
    local here
    local function misuse()
      here = support.here(1)
      api.imports:all { colour = "red" }
    end
    for _, run in ipairs { misuse, function() api:spawn(misuse):result() end } do
      local _, message = pcall(run)
      assert.equal(here .. " flarelight: imports:all: unknown option", message:sub(1, #here + 40))
    end
  end)

  -- Those that take an id: the call, and what stands around the id.
  local with_id = {
    { function(id, client) return client.imports:data(id) end, "/Import/", "/Data" },
    { function(id, client) return client.imports:rows(id):next() end, "/Import/", "/Data" },
    { function(id, client) return client.automations:execute(id) end, "/Automation/", "/Execute" },
    { function(id, client) return client.preparations:execute(id) end, "/Preparation/", "/Execute" },
    { function(id, client) return client.reports:generate(id) end, "/Report/", "/Generate" },
  }
  it("keep an id one segment, whatever it is", function()
    local ids = {
      { 7, "7" }, { "7", "7" }, { 7.0, "7" }, { 1e15, "1000000000000000" }, { 2 ^ 53, "9007199254740992" }, { -3, "-3" }, { 0, "0" },
      { UUID, UUID }, { "a/b", "a%2Fb" }, { "../x", "..%2Fx" }, { "...", "..." }, { "ä b", "%C3%A4%20b" }, { "a?b#c%2e&d", "a%3Fb%23c%252e%26d" },
      { "A-z_0.~", "A-z_0.~" }, { "{id}", "%7Bid%7D" }, { integer "90071992547409930001", "90071992547409930001" },
      math.type and { math.maxinteger, "9223372036854775807" } or nil,
    }
    for _, case in ipairs(with_id) do
      for _, id in ipairs(ids) do
        case[1](id[1], api)
        assert.equal(case[2] .. id[2] .. case[3], last().path)
      end
    end
  end)
  it("refuse what can be no id", function()
    local wrong = { "", ".", "..", "a\nb", "\0", "\127", 1.5, 2 ^ 60, 0 / 0, math.huge, {}, { 7 }, true, print, n = 15 }
    for _, case in ipairs(with_id) do
      for i = 1, wrong.n do raises("id: ", function() case[1](wrong[i], api) end) end
    end
    for _, id in ipairs { "", 1.5, 2 ^ 60, 0 / 0, math.huge, {}, true } do
      raises(".*id: ", function() api.imports:import { records = {}, id = id } end)
    end
  end)

  it("send parameters as they are, {} where there are none", function()
    local calls = {
      function(p) return api.automations:execute(1, p) end, function(p) return api.preparations:execute(1, p) end,
      function(p) return api.reports:generate(1, p) end, function(p) return api.reports:chart_data(p) end,
    }
    for _, call in ipairs(calls) do
      for _, case in ipairs {
        { nil, "{}" }, { {}, "{}" }, { array {}, "[]" }, { { 1 }, "[1]" }, { { deadline = 1e-6 }, '{"deadline":1e-6}' },
        { { repeatable = "no" }, '{"repeatable":"no"}' }, { { a = null }, '{"a":null}' }, { { integer "90071992547409930001" }, "[90071992547409930001]" },
      } do
        call(case[1])
        assert.equal(case[2], last().body)
      end
      for _, wrong in ipairs { "x", 5, true } do
        raises("[%w_]+:[%w_]+: %w+: should be a table", function() call(wrong) end)
      end
    end
  end)

  describe("imports:import", function()
    local cases = {
      { { records = { { a = 1 } }, name = "n", description = "d" }, { data = { records = { { a = 1 } } }, name = "n", description = "d", sendEvents = true } },
      { { records = {}, send_events = false }, { data = { records = {} }, sendEvents = false } },
      { { records = {}, send_events = true, name = "" }, { data = { records = {} }, name = "", sendEvents = true } },
      { { data = { records = {}, more = 1 } }, { data = { records = {}, more = 1 }, sendEvents = true } },
      { { records = {}, id = 1 }, { data = { records = {} }, id = 1, sendEvents = true } },
      { { records = {}, id = "1" }, { data = { records = {} }, id = "1", sendEvents = true } },
    }
    for i, case in ipairs(cases) do
      it("sends the members given, " .. i, function()
        assert.truthy(api.imports:import(case[1]))
        assert.same(case[2], json.decode(last().body))
      end)
    end
    it("sends an id as whole digits", function()
      for _, case in ipairs { { 1.0, "1" }, { 1e15, "1000000000000000" }, { 2 ^ 53, "9007199254740992" }, { integer "90071992547409930001", "90071992547409930001" } } do
        api.imports:import { records = {}, id = case[1] }
        assert.truthy(last().body:find('"id":' .. case[2] .. "[,}]"), last().body)
      end
    end)
    it("names the import to update by update_key", function()
      local other = support.sandbox { update_key = "importId", ids = "uuid" }
      local client = support.client(other, { update_key = "importId" })
      local id = support.import(client, 2)
      assert.equal(id, assert(client.imports:import { records = { { n = 9 } }, id = id }).id)
      assert.equal('[{"n":0},{"n":1},{"n":9}]', other:rows_text(id))
      client:close()
      client = support.client(other, { update_key = "name" })
      raises('update_key: "name" is a member of the body already', function() client.imports:import { records = {}, id = id, name = "x" } end)
      client:close()
      other:stop()
    end)
    it("takes either records or data, of the right shape", function()
      for _, case in ipairs {
        { {}, "give either records or data" }, { nil, "give either" }, { { records = {}, data = {} }, "give either" },
        { { records = setmetatable({}, { __call = function() end }) }, "records: should be an array" },
        { { records = setmetatable({}, { __index = { {} } }) }, "records: should be an array" },
        { { records = setmetatable({}, { __pairs = function() return next, { {} } end }) }, "records: should be an array" },
        { { records = { a = 1 } }, "records: should be an array" }, { { records = "x" }, "%.records: should be a table" },
        { { data = 5 }, "%.data: should be a table" }, { { records = {}, name = 5 }, "%.name: should be a string" },
        { { records = {}, send_events = 1 }, "%.send_events: should be true or false" }, { { records = {}, sendEvents = false }, 'unknown option "sendEvents"' },
        { "x", "should be a table" },
      } do
        raises("imports:import.*" .. case[2], function() api.imports:import(case[1]) end)
      end
    end)
    it("is in doubt where the reply names no import", function()
      local server = support.raw_server { support.reply("200 OK", '{"data":{},"messages":[]}'), support.reply("200 OK", '{"data":null,"messages":[]}') }
      finally(function() server:stop() end)
      local client = support.client(server)
      for _ = 1, 2 do
        local _, message, err = client.imports:import { records = {} }
        assert.matches("no data%.id", message)
        assert.same({ "protocol", "in_doubt", 200, 1 }, { err.kind, err.fate, err.status, err.attempts })
      end
      client:close()
    end)
  end)

  it("imports:data reads the page that is asked for, and checks what is asked", function()
    local page = assert(api.imports:data(1, { start = 1, count = 1 }))
    assert.equal('[{"n":1}]', json.encode(page))
    assert.equal("count=1&start=1", last().query)
    for _, wrong in ipairs { { start = -1 }, { start = 1.5 }, { count = 0 }, { count = "5" }, { start = 0 / 0 }, { page_size = 5 } } do
      raises("imports:data", function() api.imports:data(1, wrong) end)
    end
    local other = support.sandbox { rows = "records" }
    local client = support.client(other)
    assert.equal('[{"n":0},{"n":1}]', json.encode((assert(client.imports:data(support.import(client, 2))))))
    client:close()
    other:stop()
  end)

  -- What no sandbox sends. A reply's body, then the rows or the error's kind and what its message has.
  it("take of a reply what can be relied on, and refuse the rest", function()
    local function data(client) return client.imports:data(1) end
    local function all(client) return client.imports:all() end
    local function messages(text) return '{"data":1,"messages":' .. text .. "}" end
    local cases = {
      { data, '{"data":{"records":[{"a":1}],"total":1,"x":{"y":[]}},"messages":[]}', '[{"a":1}]' }, { data, '{"data":null}', "null" },
      { data, '{"data":{"records":[],"errors":[]}}', "protocol", "an object with the members records %(an array%), errors %(an array%)$" },
      { data, '{"data":{"rows":[1]}}', "protocol", "but is an object with the member rows %(an array%)$" },
      { data, '{"data":{"records":{}}}', "protocol", "with the member records$" }, { data, '{"data":{}}', "protocol", "without members$" },
      { data, '{"data":"x"}', "protocol", "a string$" }, { data, '{"data":5}', "protocol", "a number$" }, { data, '{"data":false}', "protocol", "false$" },
      { all, '{"messages":[],"data":[1,{}]}', "[1,{}]" }, { all, '{"data":false,"messages":null}', "false" }, { all, '{"data":0}', "0" },
      { all, '{"data":1,"data":[]}', "[]" }, { all, "[]", "protocol", "not the envelope" }, { all, "{}", "protocol", "not the envelope" },
      { all, '{"messages":["x"]}', "protocol", "not the envelope" }, { all, "", "protocol", "not JSON: no value at byte 1" },
      { all, '{"data":[1,]}', "protocol", "not JSON: an unexpected character at byte 12" }, { all, '{"data":NaN}', "protocol", "not JSON" },
      { all, messages '"Hello"', "1", nil, "Hello" }, { all, messages '[{"severity":"error","text":"Bad"}]', "1", nil, { { severity = "error", text = "Bad" } } },
      { all, messages "[1,[],null]", "1", nil, { 1, {}, null } },
      { all, messages '["a",{"message":"b"},7,{"code":1},{"text":"c"}]', "invalid_request", ": a; b; c$", { "a", { message = "b" }, 7, { code = 1 }, { text = "c" } } },
      { all, messages '"Only text"', "invalid_request", "400 Bad Request: Only text$", "Only text" },
      { all, messages "null", "invalid_request", "400 Bad Request$", {} }, { all, "<html>no</html>", "invalid_request", "400 Bad Request$", {} },
    }
    local replies = {}
    for i, case in ipairs(cases) do replies[i] = support.reply(case[3] == "invalid_request" and "400 Bad" or "200 OK", case[2]) end
    local server = support.raw_server(replies)
    finally(function() server:stop() end)
    local client = support.client(server, { max_attempts = 1 })
    for _, case in ipairs(cases) do
      local value, meta, err = case[1](client)
      if err then
        assert.equal(case[3], err.kind, case[2])
        assert.matches(case[4], meta)
        assert.same({ "GET", case[1] == data and "/Import/1/Data" or "/Import/All" }, { err.method, err.path })
        local is_envelope = case[2]:find('"data":', 1, true) and not case[4]:find "JSON"
        assert.equal(not is_envelope and case[2] ~= "" and case[2] or nil, err.body)
      else
        assert.equal(case[3], json.encode(value), case[2])
        assert.is_nil(case[4])
      end
      if case[5] then assert.same(case[5], (err or meta).messages) end
    end
    client:close()
  end)

  it("make a readable text of messages that are objects", function()
    local other = support.sandbox { messages = "object", notice = "Mind the gap" }
    local client = support.client(other, { max_attempts = 1 })
    local _, meta = assert(client.imports:all())
    assert.same({ { code = 200, severity = "information", message = "Mind the gap" } }, meta.messages)
    local _, message, err = client.imports:data(7)
    assert.equal("imports.data: 404 Not Found: There is no data import of this id", message)
    assert.equal(404, err.messages[1].code)
    client:close()
    other:stop()
  end)

  it("tell of redirects, proxies' pages and throttling", function()
    local other = support.sandbox()
    local client = support.client(other, { max_attempts = 1 })
    other:fault { kind = "redirect", status = 307, location = "https://elsewhere.example/x?token=secret" }
    local _, message, err = client.imports:import { records = {} }
    assert.equal("imports.import: 307 redirects are not followed (to https://elsewhere.example/x)", message)
    assert.same({ "http", 307, "https://elsewhere.example/x?token=secret", "rejected" }, { err.kind, err.status, err.location, err.fate })
    for location, shown in pairs {
      ["https://me:secret@elsewhere.example/x@y#z"] = "https://elsewhere.example/x@y",
      ["//me:se@cret@elsewhere.example"] = "//elsewhere.example", ["/other/path@x?q"] = "/other/path@x",
    } do
      other:fault { kind = "redirect", status = 302, location = location }
      _, message = client.imports:all()
      assert.equal(("imports.all: 302 redirects are not followed (to %s)"):format(shown), message)
    end
    -- A key with a "#", at which the target is cut.
    local strange = support.sandbox { api_key = "a-key-of-twenty#letters" }
    strange:fault { kind = "redirect", status = 302, location = "https://elsewhere.example/" .. strange.api_key .. "#x" }
    _, message = support.client(strange, { max_attempts = 1 }).imports:all()
    assert.matches("%(to https://elsewhere.example/%*+%)$", message)
    strange:stop()
    other:fault { kind = "html", status = 502 }
    _, _, err = client.imports:all()
    assert.same({ "server", 502, {} }, { err.kind, err.status, err.messages })
    assert.matches("^<[%s%S]*>%s*$", err.body)
    other:fault { kind = "throttle", retry_after = 500 }
    local before = os.time()
    _, message, err = client.imports:import { records = {} }
    assert.matches("^imports%.import: 429 Too Many Requests: The rate limit is reached", message)
    assert.same({ "rate_limited", 429, 500, "rejected", 1 }, { err.kind, err.status, err.retry_after, err.fate, err.attempts })
    assert.is_true(err.retry_at >= before + 499 and err.retry_at <= os.time() + 502)
    assert.equal(6000, err.rate_limit.limit)
    client:close()
    other:stop()
  end)

  it("answer after api:close() with an error of kind closed", function()
    local client = support.client(box)
    client:close()
    client:close()
    for name, case in pairs(endpoints) do
      local data, message, err = case[1](client)
      assert.is_nil(data, name)
      assert.same({ "closed", "the client is closed", case[2] }, { err.kind, message, err.method })
    end
    assert.equal(0, #box:requests())
  end)

  describe("api:request", function()
    local function q(values) return { path = "/Import/All", query = values } end
    local cases = { -- options; method, path, query, body
      { { path = "/Import/All" }, "GET", "/Import/All", "", "" }, { { method = "GET", path = "/Import/1/Data", query = { start = 1, count = 2 } }, "GET", "/Import/1/Data", "count=2&start=1", "" },
      { q { a = "b c&d=ä", ["k/y"] = true, n = -1.5, z = false }, "GET", "/Import/All", "a=b%20c%26d%3D%C3%A4&k%2Fy=true&n=-1.5&z=false", "" },
      { q { n = 1e15, m = 2 ^ 53, l = 1e300, k = 0.1 }, "GET", "/Import/All", "k=0.1&l=1e%2B300&m=9007199254740992&n=1000000000000000", "" },
      { q {}, "GET", "/Import/All", "", "" }, { { method = "POST", path = "/Report/ChartData" }, "POST", "/Report/ChartData", "", "{}" },
      { { method = "POST", path = "/Import/Data", body = { data = { records = array {} } } }, "POST", "/Import/Data", "", '{"data":{"records":[]}}' },
      { { method = "POST", path = "/Else", body = null }, "POST", "/Else", "", "null" }, { { method = "PUT", path = "/Else", body = "text" }, "PUT", "/Else", "", '"text"' },
      { { method = "PATCH", path = "/Else", body = false }, "PATCH", "/Else", "", "false" }, { { method = "DELETE", path = "/Else/a%2Fb" }, "DELETE", "/Else/a%2Fb", "", "" },
      { { method = "PUT", path = "/Else" }, "PUT", "/Else", "", "" }, { { method = "GET", path = "/Else", body = { 1 } }, "GET", "/Else", "", "[1]" },
      { { method = "OPTIONS", path = "/Else/ä" }, "OPTIONS", "/Else/%C3%A4", "", "" }, { { path = "/" }, "GET", "/", "", "" },
    }
    if math.type then cases[#cases + 1] = { q { n = tonumber "9007199254740993" }, "GET", "/Import/All", "n=9007199254740993", "" } end
    for i, case in ipairs(cases) do
      it(("sends %d: %s %s"):format(i, case[2], case[3]), function()
        local data, message, err = api:request(case[1])
        local sent = last()
        assert.same({ case[2], case[3], case[4], case[5] }, { sent.method, sent.path, sent.query, sent.body })
        assert.equal(case[5] ~= "" and "application/json" or nil, sent.headers["content-type"])
        if sent.status == 200 then
          assert.is_nil(err)
        else
          assert.is_nil(data)
          assert.same({ case[2], case[3], sent.status, case[2] .. " " .. (case[1].path) }, { err.method, err.path, err.status, err.operation })
          assert.equal(case[2] ~= "GET" and case[2] ~= "OPTIONS" and "rejected" or nil, err.fate, message)
        end
      end)
    end
    it("sends a write again only where it may be repeated", function()
      for _, repeatable in ipairs { false, true } do
        box:fault { kind = "status", status = 500 }
        local _, meta, err = api:request { method = "POST", path = "/Import/Data", body = { data = { records = array {} } }, repeatable = repeatable }
        assert.equal(repeatable and 2 or 1, (err or meta).attempts)
        assert.equal(repeatable and "applied" or "in_doubt", (err or meta).fate)
      end
    end)
    it("knows what it can send", function()
      for _, case in ipairs {
        { nil, "path: is missing" }, { {}, "path: is missing" }, { "x", "should be a table" }, { { path = 5 }, "%.path: should be a string" },
        { { path = "" }, "path: " }, { { path = "Import/All" }, "path: " }, { { path = "/a?b=1" }, "path: has a query" }, { { path = "/a#b" }, "path: has a query" },
        { { path = "/a/../b" }, "path: holds" }, { { path = "/a/%2E%2e/b" }, "path: holds" }, { { path = "/a b" }, "path: holds" }, { { path = "/a\r\nb" }, "path: holds" },
        { { path = "/a%2" }, "path: " }, { { path = "/a", method = "get" }, 'method: "get" is not one of' }, { { path = "/a", method = "HEAD" }, "method" },
        { { path = "/a", method = "GET / HTTP/1.1\r\nX: y\r\n\r\nGET" }, "method" }, { { path = "/a", query = "x=1" }, "%.query: should be a table" },
        { { path = "/a", query = { a = {} } }, "query%.a: should be a string, a number" }, { { path = "/a", query = { 1 } }, "query: names are strings" },
        { { path = "/a", query = { a = 0 / 0 } }, "query%.a: should be" }, { { path = "/a", query = { a = -math.huge } }, "query%.a: should be" },
        { { path = "/a", deadline = -1 }, "%.deadline: " }, { { path = "/a", haeders = {} }, 'unknown option "haeders"' },
        { { path = "/a", method = "POST", body = { x = { print } } }, "x%[1%]: a function has no form" },
      } do
        raises(".*" .. case[2], function() api:request(case[1]) end)
      end
    end)
  end)
end)
