-- The option `debug`: what its lines tell of each attempt, and that no secret stands in them.

local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

local KEY = "Marked=Key/7+x"
local ENCODED = "Marked%3DKey%2F7%2Bx"

describe("debug", function()
  local opened = support.opened(after_each)
  local lines

  local function start(options, client_options)
    lines = {}
    options = support.with({ api_key = KEY }, options)
    return opened.service(options, support.with({ debug = function(line) lines[#lines + 1] = line end }, client_options))
  end

  -- How many lines match.
  local function count(pattern)
    local found = 0
    for _, line in ipairs(lines) do
      if line:find(pattern) then found = found + 1 end
    end
    return found
  end

  local function check(patterns)
    for pattern, expected in pairs(patterns) do
      assert.equal(expected, count(pattern), pattern .. "\n" .. table.concat(lines, "\n"))
    end
  end

  it("tells of a read: request, reply, sizes, times, connection", function()
    local _, api = start()
    local _, meta = assert(api.imports:all())
    local mark = "^%[" .. meta.request_id:sub(1, 8) .. "%] "
    check {
      [mark] = #lines,
      [mark .. "%* attempt 1 of imports%.all: GET /Import/All$"] = 1,
      [mark .. "> GET /Import/All HTTP/1%.1$"] = 1, [mark .. "> Host: 127%.0%.0%.1:%d+$"] = 1,
      [mark .. "> X%-Api%-Key: %*%*%*$"] = 1, ["> X%-Request%-Id: " .. meta.request_id:gsub("%-", "%%-") .. "$"] = 1,
      ["< HTTP/1%.1 200 OK$"] = 1, ["< Content%-Type: application/json"] = 1,
      ["attempt 1: sent %d%d%d %+ 0 bytes, received %d%d%d %+ 25 bytes %(head %+ body%), new connection to 127"] = 1,
      ["attempt 1: name lookup [%d.]+ ms, connect [%d.]+ ms, first byte [%d.]+ ms, total [%d.]+ ms$"] = 1,
      ["imports%.all has ended: done, 1 attempt, [%d.]+ ms$"] = 1,
    }
  end)

  it("tells of a connection that is used again", function()
    local _, api = start()
    assert(api.imports:all())
    lines = {}
    assert(api.imports:all())
    check { ["reused connection to"] = 1, ["name lookup"] = 0, ["first byte"] = 1 }
  end)

  it("shows no characters of terminals", function()
    local box, api = start()
    box:fault { kind = "header", line = "X-Odd: a\27]0;b\7c\194\155d", operation = "imports.all" }
    assert(api.imports:all())
    box:fault { kind = "header", line = "X-Long: " .. ("ä"):rep(60) .. "\194\155" .. ("ö"):rep(40), operation = "imports.all" }
    assert(api.imports:all())
    check {
      ["< X%-Odd: a ]0;b c<U%+009B>d$"] = 1, ["[%z\1-\31\127]"] = 0,
      ["< X%-Long: " .. ("ä"):rep(60) .. "<U%+009B>" .. ("ö"):rep(40) .. "$"] = 1,
    }
  end)

  it("tells of retries, their waits, and the fate of a write", function()
    local box, api = start()
    box:fault { kind = "throttle", retry_after = 1, operation = "automations.execute" }
    box:fault { kind = "commit_then_500", nth = 2, operation = "automations.execute" }
    api.automations:execute(1)
    check {
      ["> POST /Automation/1/Execute"] = 2, ["< HTTP/1%.1 429"] = 1, ["< Retry%-After: 1$"] = 1,
      ["automations%.execute waits 1%.000 s, then attempt 2 %(throttled, 429%)$"] = 1,
      ["sent %d+ %+ 2 bytes"] = 2,
      ["attempt 2: automations%.execute: 500"] = 1, ["has ended: server, in doubt"] = 0,
      ["has ended: server, in_doubt, 2 attempts"] = 1,
    }
  end)

  it("says of a connection that closed just that: the read may be sent again", function()
    local box, api = opened.service(nil, { max_attempts = 1 })
    assert(api.imports:all())
    box:fault { kind = "empty", operation = "imports.all" }
    local _, message = api.imports:all()
    assert.matches("no whole reply after the request was sent: the connection closed before a reply came$", message)
  end)

  it("tells of a wait for the rate limit", function()
    local _, api = start { rate_limit = 1, rate_window = 1, reset_format = "epoch_ms" }
    assert(api.imports:all())
    assert(api.imports:all())
    check { ["imports%.all waits %d%.%d%d%d s for the rate limit$"] = 1 }
  end)

  it("tells of attempts that sent nothing, and of those that were stopped", function()
    local _, api = start()
    local api2 = opened.client({ url = "http://127.0.0.1:1", api_key = KEY, subscription_id = support.subscription() },
      { debug = function(line) lines[#lines + 1] = line end, max_attempts = 1 })
    api2.imports:all()
    check { ["sent 0 %+ 0 bytes, received 0 %+ 0 bytes %(head %+ body%), no connection$"] = 1,
            ["nothing was sent: "] = 1, ["> "] = 0 }
    local box, slow = start()
    box:fault { kind = "latency", seconds = 60 }
    local task = slow:spawn(function() return slow.imports:all() end)
    support.update_until(slow, function() return count "> GET" == 1 end)
    task:cancel()
    task:result()
    check { ["attempt 1: stopped$"] = 1, ["has ended: cancelled"] = 1 }
    assert(api)
  end)

  it("tells of TLS", function()
    local certificate, private_key = system.certificate "127.0.0.1"
    if not certificate then return end
    local _, api = start({ certificate = certificate, private_key = private_key }, { ca_file = certificate })
    assert(api.imports:all())
    check { ["connect [%d.]+ ms, TLS [%d.]+ ms, first byte"] = 1 }
  end)

  it("tells of every page, and of every batch of an upload", function()
    local _, api = start()
    local result = assert(api.imports:upload { records = support.records(20), batch_records = 10, name = "x" })
    assert.equal(20, #assert(api.imports:rows(result.id, { page_size = 10, prefetch = 0 }):batch(30)))
    check { ["> POST /Import/Data HTTP/1%.1"] = 2, ["> GET /Import/1/Data%?start=10&count=10 "] = 1 }
  end)

  it("works beside on_event, and one that raises does not silence the other", function()
    local events = 0
    local _, api = start(nil, {
      debug = function() error("mine", 0) end, on_event = function(event)
        events = events + 1
        assert.is_nil(event.client)
      end,
    })
    assert(api.imports:all())
    assert.equal(2, events)
    local ok, raised = pcall(function() return api.imports:all() end)
    assert.same({ false, "mine" }, { ok, raised })
  end)

  -- Runs a script with a client of a sandbox; what it printed to standard error.
  local function errors_of(variables, options)
    local box = opened.sandbox { api_key = KEY }
    local path = system.file(([[local flarelight = require "flarelight"
      local api, message = flarelight.new { %s }
      if not api then io.stderr:write(message) os.exit(1) end
      api.imports:all()]]):format(options or ""))
    local output = system.shell(("%s %s %s %s 2>&1"):format(variables, system.environment(box),
      system.quote(system.interpreter), path))
    assert.is_nil(output:find(KEY, 1, true))
    return output
  end
  for _, case in ipairs {
    { "FLARELIGHT_DEBUG=1", nil, true }, { "FLARELIGHT_DEBUG=0", nil, false }, { "FLARELIGHT_DEBUG=", nil, false },
    { "", "debug = true", true }, { "", nil, false }, { "FLARELIGHT_DEBUG=1", "debug = false", false },
    { "FLARELIGHT_DEBUG=0", "debug = true", true },
  } do
    it(("with %q and %s writes %s to standard error"):format(case[1], case[2] or "no option",
      case[3] and "lines" or "nothing"), function()
      local output = errors_of(case[1], case[2])
      if case[3] then
        assert.matches("^flarelight: %[%x+%] %* attempt 1 of imports%.all", output)
        assert.matches("flarelight: %[%x+%] > X%-Api%-Key: %*%*%*\n", output)
      else
        assert.equal("", output)
      end
    end)
  end
  it("refuses another value of FLARELIGHT_DEBUG", function()
    assert.equal('FLARELIGHT_DEBUG should be 1 or 0, but is "yes"', errors_of "FLARELIGHT_DEBUG=yes")
  end)

  -- Every text that a client can give away, while servers and callers put the key and passwords into all places.
  it("shows neither the key nor a password, in any form", function()
    local told = {}
    local function tell(value)
      if type(value) == "table" then
        for name, each in pairs(value) do
          tell(name)
          tell(each)
        end
      else
        told[#told + 1] = tostring(value)
      end
    end
    local echo = ("X-Echo: %s\r\nLocation: /a?k=%s\r\nSet-Cookie: session=cookie-secret\r\nWWW-Authenticate: %s\r\n")
      :format(KEY, ENCODED, KEY:upper()) .. "Connection: close\r\n"
    local body = ('{"data":[],"messages":["key %s","%s"]}'):format(KEY:gsub("/", "\\/"), ENCODED)
    local replies = {}
    for i, status in ipairs { "200 OK", "302 Found", "401 Unauthorized", "404 Not Found", "500 Oops", "200 OK", "200 OK" } do
      replies[i] = support.reply(status, body, echo)
    end
    local server = opened.raw_server(replies)
    local given = { debug = tell, on_event = tell, after = tell, before = tell, max_attempts = 1, api_key = KEY,
                    proxy = server.url:gsub("//", "//proxy-user:proxy-secret@") }
    local api = opened.client({ url = "http://127.0.0.1:9", subscription_id = server.subscription_id }, given)
    for _, call in ipairs {
      function() return api.imports:all { headers = { Cookie = "session=cookie-secret" } } end,
      function() return api.imports:data(KEY) end, function() return api.imports:data(1) end,
      function() return api:request { path = "/x", query = { key = KEY }, raw = true } end,
      function() return api.imports:import { records = {} } end,
      function() return api:request { path = "/x/" .. ENCODED, raw = true } end,
      function() return api.imports:rows(1):batch(10) end,
      function() return api.imports:all() end, -- the server has ended
    } do
      local data, meta, err = call()
      local about = err or meta
      tell(about)
      if type(about) == "table" then tell { about.headers or 0, about.message or 0, tostring(about) } end
      if type(data) == "table" and data.body then tell(data) end
    end
    assert.is_true(#told > 100)
    local text = table.concat(told, "\n")
    assert.matches("> GET http://127%.0%.0%.1:9/Import/All HTTP/1%.1", text)
    assert.matches("> Proxy%-Authorization: %*%*%*", text)
    assert.matches("< Set%-Cookie: %*%*%*", text)
    local lower = text:lower()
    for _, secret in ipairs { KEY, ENCODED, "proxy-secret", "proxy-user", "cHJveHktdXNlcj" } do
      -- `before` and `after` get the path and the query that the caller himself chose.
      for line in lower:gmatch "[^\n]+" do
        local own = line == "/import/" .. ENCODED:lower() .. "/data" or line == "/x/" .. ENCODED:lower()
          or line == "get /x/" .. ENCODED:lower()
          or line == "?key=" .. ENCODED:lower()
        assert.is_true(own or not line:find(secret:lower(), 1, true), secret .. " in " .. line)
      end
    end
    -- A cookie is shown only in `headers` and `head` of the reply, which callers need.
    for line in text:gmatch "%[%x+%] [<>*][^\n]*" do assert.is_nil(line:find("cookie-secret", 1, true)) end
  end)
end)

describe("api:stats().latency", function()
  local opened = support.opened(after_each)

  it("counts attempts by operation, with their times", function()
    local box, api = opened.service()
    assert.same({}, api:stats().latency)
    box:fault { kind = "status", status = 502 }
    box:fault { kind = "latency", seconds = 0.3, operation = "imports.data" }
    assert(api.imports:all())
    local id = support.import(api, 3)
    assert(api.imports:data(id))
    api:request { path = "/Any/1" }
    api:request { path = "/Any/2" }
    local latency = api:stats().latency
    local counts = {}
    for operation, found in pairs(latency) do
      counts[operation] = found.count
      assert.equal(17, #found.buckets)
      assert.equal(math.huge, found.buckets[17].le)
      assert.equal(found.count, found.buckets[17].count)
      for i = 2, 17 do
        assert.is_true(found.buckets[i].le > found.buckets[i - 1].le)
        assert.is_true(found.buckets[i].count >= found.buckets[i - 1].count)
      end
      assert.is_true(found.sum > 0)
    end
    assert.same({ ["imports.all"] = 2, ["imports.import"] = 1, ["imports.data"] = 1, request = 2 }, counts)
    assert.is_true(latency["imports.data"].sum >= 0.3)
    for _, bucket in ipairs(latency["imports.data"].buckets) do
      if bucket.le < 0.3 then assert.equal(0, bucket.count) end
    end
  end)
end)

describe("metrics.prometheus", function()
  local opened = support.opened(after_each)

  -- The samples of a text: name with labels -> value; the types by family. Checks the form of each line.
  local function parse(text)
    local samples, types, family = {}, {}, nil
    assert.equal("\n", text:sub(-1))
    for line in text:gmatch "([^\n]*)\n" do
      local help, kind = line:match "^# HELP ([%a_:][%w_:]*) .+$", { line:match "^# TYPE ([%a_:][%w_:]*) (%l+)$" }
      if help then
        assert.is_nil(types[help], "a family comes once")
        family = help
      elseif kind[1] then
        assert.equal(family, kind[1])
        types[kind[1]] = kind[2]
      else
        local name, labels, value = line:match "^([%a_:][%w_:]*)(.-) ([%d.e+-]+)$"
        assert.is_not_nil(name, line)
        assert.is_true(name == family or types[family] == "histogram" and name:sub(1, #family + 1) == family .. "_", line)
        assert.is_true(labels == "" or labels:find '^{.+}$' ~= nil, line)
        assert.is_nil(samples[name .. labels], "a sample comes once")
        samples[name .. labels] = tonumber(value)
      end
    end
    return samples, types
  end

  it("writes counters, histograms and gauges", function()
    local box, api = opened.service()
    box:fault { kind = "status", status = 502 }
    assert(api.imports:all())
    api.imports:data(99)
    local samples, types = parse(flarelight.metrics.prometheus(api))
    assert.same({ 2, 3, 1, 1 }, {
      samples.flarelight_calls_total, samples.flarelight_attempts_total, samples.flarelight_retries_total,
      samples['flarelight_errors_total{kind="not_found"}'],
    })
    local stats = api:stats()
    assert.equal(stats.bytes_in, samples.flarelight_received_bytes_total)
    assert.equal(stats.bytes_out, samples.flarelight_sent_bytes_total)
    assert.equal(6000, samples.flarelight_quota_limit)
    local name = "flarelight_attempt_duration_seconds"
    assert.equal(2, samples[name .. '_count{operation="imports.all"}'])
    assert.equal(2, samples[name .. '_bucket{operation="imports.all",le="+Inf"}'])
    assert.is_not_nil(samples[name .. '_bucket{operation="imports.all",le="0.0025"}'])
    assert.equal(stats.latency["imports.all"].sum, samples[name .. '_sum{operation="imports.all"}'])
    assert.same({ "counter", "histogram", "gauge" },
      { types.flarelight_calls_total, types[name], types.flarelight_quota_waiting })
  end)

  it("leaves out what is not known, and works for a closed client", function()
    local _, api = opened.service()
    local samples = parse(flarelight.metrics.prometheus(api))
    assert.is_nil(samples.flarelight_quota_limit)
    assert.equal(0, samples.flarelight_calls_total)
    api:close()
    assert.is_nil(parse(flarelight.metrics.prometheus(api)).flarelight_calls_total)
  end)

  it("adds labels, and escapes their values", function()
    local _, api = opened.service()
    local samples = parse(flarelight.metrics.prometheus(api, { labels = { worker = 3, note = 'a\\b "c"\nd' } }))
    assert.equal(0, samples['flarelight_calls_total{note="a\\\\b \\"c\\"\\nd",worker="3"}'])
  end)

  it("refuses what is no client and what is no label", function()
    local _, api = opened.service()
    for _, case in ipairs {
      { {}, nil, "should be given a client" }, { api, { labels = { ["a-b"] = "x" } }, '"a%-b" is no name of a label' },
      { api, { labels = { le = "x" } }, '"le" is a label of flarelight\'s own' }, { api, { labels = { __a = "x" } }, "no name" },
      { api, { labels = { a = true } }, "labels%.a: should be a string" }, { api, { label = {} }, 'unknown option "label"' },
    } do
      local ok, raised = pcall(function() return flarelight.metrics.prometheus(case[1], case[2]) end)
      assert.is_false(ok)
      assert.matches("trace_spec%.lua:%d+: flarelight: .*" .. case[3], raised)
    end
  end)
end)
