-- The sandbox by itself, over real HTTP: curl's command line is the client, so that nothing of
-- flarelight's own client can hide a mistake.

local sandbox = require "flarelight.sandbox"

local KEY = "sandbox-key"
local SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
local UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

local function quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

local function run(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

-- The arguments of one transfer. `options`: method, body, key, subscription, type, headers, extra.
local function transfer(url, options)
  options = options or {}
  local words = { "-s -i --max-time 20 -X", options.method or (options.body and "POST" or "GET") }
  local function header(name, value, default)
    if value == false then return end
    words[#words + 1] = "-H " .. quote(name .. ": " .. (value or default))
  end
  header("X-Api-Key", options.key, KEY)
  header("X-Subscription-Id", options.subscription, SUBSCRIPTION)
  words[#words + 1] = "-H 'Expect:'"
  for name, value in pairs(options.headers or {}) do header(name, value) end
  if options.body then
    header("Content-Type", options.type, "application/json")
    words[#words + 1] = "--data-binary " .. quote(options.body)
  end
  if options.extra then words[#words + 1] = options.extra end
  words[#words + 1] = quote(url)
  return table.concat(words, " ")
end

-- Splits what curl -i printed into replies.
local function read_reply(output)
  local head, body = output:match "^(HTTP/.-\r\n\r\n)(.*)$"
  if not head then return nil, output end
  local reply = { status = tonumber(head:match "^HTTP/%S+ (%d+)"), headers = {}, body = body }
  for name, value in head:gmatch "([%w-]+): ([^\r\n]*)\r\n" do reply.headers[name:lower()] = value end
  return reply
end

-- One request in two parts: it is on its way after the first; the second answers the reply (nil if none
-- came) and curl's exit status.
local function begin(box, path, options)
  return assert(io.popen("curl " .. transfer(box.url .. path, options) .. "; printf '\\n%s' $?"))
end
local function finish(pipe)
  local text, code = pipe:read "*a":match "^(.*)\n(%d+)$"
  pipe:close()
  return read_reply(text), tonumber(code)
end
local function ask(box, path, options) return finish(begin(box, path, options)) end

-- Several requests by one curl, which keeps its connection: curl's exit status.
local function ask_many(box, requests)
  local words = {}
  for index, request in ipairs(requests) do
    words[index] = transfer(box.url .. request[1], request[2])
  end
  local output = run("curl " .. table.concat(words, " --next ") .. "; printf '\\n%s' $?")
  return tonumber(output:match "(%d+)$"), output
end

local running = {}
local function start(options)
  local box = assert(sandbox.start(options))
  running[#running + 1] = box
  return box
end

-- Posts records and answers the reply.
local function import(box, records, members, options)
  options = options or {}
  options.body = ('{"data":{"records":%s}%s}'):format(records, members and "," .. members or "")
  return ask(box, "/Import/Data", options)
end

local function data_of(reply) return reply.body:match '^{"data":(.*),"messages":%[.*%]}$' end

describe("the sandbox", function()
  after_each(function()
    for _, box in ipairs(running) do box:stop() end
    running = {}
  end)

  describe("at the door", function()
    local ask_import = { body = '{"data":{"records":[]}}' }
    local function with(changes, base)
      local copy = {}
      for name, value in pairs(base or {}) do copy[name] = value end
      for name, value in pairs(changes) do copy[name] = value end
      return copy
    end
    local cases = {
      { "lets a good GET in", "/Import/All", {}, 200 },
      { "takes the subscription in capitals", "/Import/All", { subscription = SUBSCRIPTION:upper() }, 200 },
      { "misses the key", "/Import/All", { key = false }, 401, "X%-Api%-Key header is missing" },
      { "finds the key wrong", "/Import/All", { key = "other" }, 401, "API key is not valid" },
      { "misses the subscription", "/Import/All", { subscription = false }, 401, "header is missing" },
      { "finds the subscription malformed", "/Import/All", { subscription = "17" }, 401, "not a UUID" },
      { "finds the subscription a digit short", "/Import/All", { subscription = SUBSCRIPTION:sub(1, -2) }, 401 },
      { "finds the subscription wrong", "/Import/All",
        { subscription = "00000000-0000-4000-8000-000000000002" }, 401, "subscription id is not valid" },
      { "does not know the path", "/Import/Nothing", {}, 404 },
      { "keeps to the case of paths", "/import/all", {}, 404 },
      { "does not know a longer path", "/Import/All/1", {}, 404 },
      { "asks for the key before it knows paths", "/Nothing", { key = false }, 401 },
      { "does not POST to a list", "/Import/All", { body = "{}" }, 405 },
      { "wants a Content-Type on POST", "/Import/Data", with({ type = "text/plain" }, ask_import), 400, "Content%-Type" },
      { "takes a Content-Type with a charset", "/Import/Data",
        with({ type = "application/json; charset=utf-8" }, ask_import), 200 },
    }
    it("answers as documented", function()
      local box = start()
      for _, case in ipairs(cases) do
        local reply = ask(box, case[2], case[3])
        assert.equal(case[4], reply.status, case[1])
        assert.matches('^{"data":.*,"messages":%[.*%]}$', reply.body, case[1])
        if case[5] then assert.matches(case[5], reply.body, case[1]) end
        assert.equal("application/json; charset=utf-8", reply.headers["content-type"], case[1])
      end
    end)

    it("keeps keys to what they may do, and features to what is on", function()
      local box = start { keys = { reader = { allow = { "imports.all", "imports.data" } } },
                          features = { "imports.all", "imports.import" } }
      assert.equal(200, ask(box, "/Import/All", { key = "reader" }).status)
      assert.equal(403, import(box, "[]", nil, { key = "reader" }).status)
      assert.equal(200, import(box, "[]").status)
      local reply = ask(box, "/Report/All")
      assert.equal(403, reply.status)
      assert.matches("not enabled", reply.body)
      local other = start { denied_status = 401, keys = { reader = { allow = {} } } }
      assert.equal(401, ask(other, "/Import/All", { key = "reader" }).status)
    end)

    it("writes messages as objects, and one on every 200, where asked to", function()
      local box = start { messages = "object", notice = "maintenance tonight" }
      assert.equal('{"data":[],"messages":[{"code":200,"severity":"information","message":"maintenance tonight"}]}',
        ask(box, "/Import/All").body)
      assert.matches('^{"data":null,"messages":%[{"code":404,"severity":"error","message":"', ask(box, "/x").body)
    end)
  end)

  describe("counts requests", function()
    it("and refuses those over the limit until the window ends", function()
      local box = start { rate_limit = 2, rate_window = 4, retry_after = "seconds" }
      local first = ask(box, "/Import/All")
      assert.same({ "2", "1", "4" }, { first.headers["x-ratelimit-limit"],
        first.headers["x-ratelimit-remaining"], first.headers["x-ratelimit-reset"] })
      assert.is_nil(first.headers["retry-after"])
      assert.equal(401, ask(box, "/Import/All", { key = "other" }).status)
      assert.equal("0", ask(box, "/Import/All").headers["x-ratelimit-remaining"])
      local refused = ask(box, "/Import/All")
      assert.equal(429, refused.status)
      assert.matches("^[1234]$", refused.headers["retry-after"])
      local status
      local ends = os.time() + 60
      while os.time() < ends do
        status = ask(box, "/Import/All").status
        if status == 200 then break end
      end
      assert.equal(200, status)
    end)

    it("and refuses in its own way", function()
      local box = start { rate_limit = 1, rate_limit_status = 403, retry_after = "http_date" }
      ask(box, "/Import/All")
      local refused = ask(box, "/Import/All")
      assert.equal(403, refused.status)
      assert.matches("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", refused.headers["retry-after"])
      assert.equal("0", refused.headers["x-ratelimit-remaining"])
      box = start { rate_limit = 1 }
      ask(box, "/Import/All")
      assert.is_nil(ask(box, "/Import/All").headers["retry-after"])
    end)

    it("and tells the reset in every format", function()
      local formats = {
        delta = "^60$", epoch = "^%d%d%d%d%d%d%d%d%d%d$", epoch_ms = "^%d%d%d%d%d%d%d%d%d%d%d%d%d$",
        iso = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$",
        http_date = "^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", nonsense = "^soon$",
      }
      for format, pattern in pairs(formats) do
        local box = start { reset_format = format }
        assert.matches(pattern, ask(box, "/Import/All").headers["x-ratelimit-reset"], format)
        box:stop()
      end
      assert.is_nil(ask(start { reset_format = "absent" }, "/Import/All").headers["x-ratelimit-reset"])
      assert.is_nil(ask(start { rate_limit_headers = false }, "/Import/All").headers["x-ratelimit-limit"])
      assert.is_nil(ask(start { rate_limit = 0 }, "/Import/All").headers["x-ratelimit-limit"])
    end)

    it("by a clock that may be wrong", function()
      local box = start { clock_skew = 86400 * 400, reset_format = "epoch" }
      local reply = ask(box, "/Import/All")
      local ahead = tonumber(reply.headers["x-ratelimit-reset"]) - os.time()
      assert.is_true(ahead > 86400 * 399 and ahead < 86400 * 401)
      assert.is_nil(reply.headers.date:find(os.date "!%Y", 1, true))
    end)

    it("and loses what another consumer takes", function()
      local box = start { rate_limit = 100 }
      box:fault { operation = "imports.all", nth = 2, kind = "foreign_use", requests = 50 }
      assert.equal("99", ask(box, "/Import/All").headers["x-ratelimit-remaining"])
      assert.equal("48", ask(box, "/Import/All").headers["x-ratelimit-remaining"])
      assert.equal("47", ask(box, "/Import/All").headers["x-ratelimit-remaining"])
    end)
  end)

  describe("takes imports in", function()
    it("and gives their rows back digit for digit", function()
      local box = start()
      local rows = '[{"a":1.50,"b":"x\\u00e9\\n}{","c":9007199254740993,"d":null},'
        .. ' {"a" : 1e2, "nested":{"k":["}",{}]}} , {}]'
      local reply = import(box, rows, '"name":"strikes","description":"d","sendEvents":false')
      assert.equal(200, reply.status)
      assert.matches('"id":1,"name":"strikes","description":"d","records":3', reply.body)
      local kept = '[{"a":1.50,"b":"x\\u00e9\\n}{","c":9007199254740993,"d":null},'
        .. '{"a" : 1e2, "nested":{"k":["}",{}]}},{}]'
      assert.equal('{"data":' .. kept .. ',"messages":[]}', ask(box, "/Import/1/Data").body)
      assert.equal(kept, box:rows_text(1))
      local decoded = box:rows(1)
      assert.equal(3, #decoded)
      assert.equal(1.5, decoded[1].a)
      assert.equal("x\195\169\n}{", decoded[1].b)
      assert.equal("9007199254740993", tostring(decoded[1].c))
      assert.equal(sandbox.null, decoded[1].d)
      assert.equal("}", decoded[2].nested.k[1])
      assert.is_nil(box:rows(2))
      assert.is_nil(box:rows_text "2")
    end)

    it("to the very end of the last row", function()
      local box = start()
      for index, row in ipairs { '{"q":"a\\"}"}', '{"q":"\\\\","r":{"s":"}"}}', "{ }", '{"q":[{}]}' } do
        assert.equal(200, import(box, "[" .. row .. " ] ").status)
        assert.equal("[" .. row .. "]", box:rows_text(index))
      end
    end)

    local refused = {
      { "no JSON", "{", "not JSON" }, { "an empty body", "", "not JSON" },
      { "no object", "[]", "records" }, { "no data", '{"name":"x"}', "records" },
      { "records that are no array", '{"data":{"records":{}}}', "records" },
      { "data that is an array", '{"data":[{"records":[]}]}', "records" },
      { "a record that is no object", '{"data":{"records":[{},1]}}', "Record 1 is not an object" },
      { "a name that is a number", '{"data":{"records":[]},"name":1}', "name" },
      { "a description that is an array", '{"data":{"records":[]},"description":[]}', "description" },
      { "sendEvents that is a string", '{"data":{"records":[]},"sendEvents":"yes"}', "sendEvents" },
      { "an id that is an object", '{"data":{"records":[]},"id":{}}', "id" },
    }
    it("but not what is malformed", function()
      local box = start()
      for _, case in ipairs(refused) do
        local reply = ask(box, "/Import/Data", { body = case[2] })
        assert.equal(400, reply.status, case[1])
        assert.matches(case[3], reply.body, case[1])
      end
      assert.equal(404, import(box, "[]", '"id":7').status)
      assert.equal(404, ask(box, "/Import/7/Data").status)
      assert.equal(0, box:counts().imports)
    end)

    it("takes null for members that were not given", function()
      local box = start()
      assert.equal(200, import(box, "[]", '"name":null,"description":null,"id":null,"sendEvents":null').status)
      assert.matches('"name":null,"description":null,"records":0', ask(box, "/Import/All").body)
    end)

    it("appends, or replaces where asked to", function()
      for update, rows in pairs { append = '[{"n":1},{"n":2}]', replace = '[{"n":2}]' } do
        local box = start { update = update }
        import(box, '[{"n":1}]', '"name":"first"')
        assert.equal(200, import(box, '[{"n":2}]', '"id":"1","description":"later"').status)
        assert.equal(rows, box:rows_text(1), update)
        assert.matches('"name":"first","description":"later"', ask(box, "/Import/All").body)
        box:stop()
      end
    end)

    it("names the import to update as asked to", function()
      local box = start { update_key = "importId" }
      import(box, '[{"n":1}]')
      import(box, '[{"n":2}]', '"importId":1')
      import(box, '[{"n":3}]', '"id":1')
      assert.equal('[{"n":1},{"n":2}]', box:rows_text(1))
      assert.equal('[{"n":3}]', box:rows_text(2))
    end)

    it("with ids of every kind", function()
      local box = start { ids = "uuid" }
      local first = import(box, '[{"n":1}]').body:match '"id":"([^"]+)"'
      local second = import(box, '[{"n":2}]').body:match '"id":"([^"]+)"'
      assert.matches(UUID, first)
      assert.matches(UUID, second)
      assert.not_equal(first, second)
      assert.equal('[{"n":2}]', data_of(ask(box, "/Import/" .. second .. "/Data")))
      assert.equal('[{"n":1}]', data_of(ask(box, "/Import/" .. first:gsub("-", "%%2D") .. "/Data")))
      assert.equal(404, ask(box, "/Import/1/Data").status)
      assert.matches('"id":"1"', import(start { ids = "string" }, "[]").body)
    end)

    it("refuses records that lack a column, and keeps the good ones where asked to", function()
      local records = '[{"id":1},{"id":null},{"x":1},{"id":2}]'
      local strict = start { required_columns = { "id" } }
      local reply = import(strict, records)
      assert.equal(400, reply.status)
      assert.matches("Record 1 has no id", reply.body)
      assert.equal(0, strict:counts().imports)
      local lax = start { required_columns = { "id" }, rejected_batch = "keeps_good" }
      assert.equal(400, import(lax, records).status)
      assert.equal('[{"id":1},{"id":2}]', lax:rows_text(1))
    end)

    it("changes values and adds members where asked to", function()
      local box = start { values = "normalized", added_member = "rowId" }
      import(box, '[{"a":1.50,"b":null,"c":[1.0,null,{"d":null,"e":"x"}]},{}]')
      assert.equal('[{"a":1.5,"c":[1,null,{"e":"x"}]},{}]', box:rows_text(1))
      assert.equal('[{"a":1.5,"c":[1,null,{"e":"x"}],"rowId":0},{"rowId":1}]',
        data_of(ask(box, "/Import/1/Data")))
    end)

    it("makes texts of numbers where asked to", function()
      local box = start { values = "text" }
      import(box, '[{"a":1.50,"b":null,"c":[12345678901234567890,true,{"d":-1e5}]},{}]')
      assert.equal('[{"a":"1.50","b":null,"c":["12345678901234567890",true,{"d":"-1e5"}]},{}]', box:rows_text(1))
    end)

    it("shows records some time after they came, where asked to", function()
      local box = start { visible_after = 3600 }
      import(box, '[{"a":1}]')
      assert.equal("[]", data_of(ask(box, "/Import/1/Data")))
      assert.equal('[{"a":1}]', box:rows_text(1))
      box = start { visible_after = 0.05 }
      import(box, '[{"a":1}]')
      local deadline = os.time() + 60
      while data_of(ask(box, "/Import/1/Data")) == "[]" and os.time() < deadline do end
      assert.equal('[{"a":1}]', data_of(ask(box, "/Import/1/Data")))
    end)

    it("only up to a size", function()
      local box = start { max_body_bytes = 200 }
      assert.equal(200, import(box, "[]").status)
      assert.equal(413, import(box, '[{"text":"' .. ("x"):rep(300) .. '"}]').status)
      assert.equal(1, box:counts().imports)
    end)

    it("hides descriptions where asked to", function()
      local box = start { list_descriptions = false }
      import(box, "[]", '"description":"secret"')
      assert.is_nil(ask(box, "/Import/All").body:find "secret")
    end)
  end)

  describe("gives pages", function()
    local ten = '[{"n":0},{"n":1},{"n":2},{"n":3},{"n":4},{"n":5},{"n":6},{"n":7},{"n":8},{"n":9}]'
    local cases = {
      { "", "0123456789" }, { "?start=3&count=2", "34" }, { "?count=2&start=9", "9" },
      { "?start=10", "" }, { "?start=99&count=5", "" }, { "?count=1", "0" }, { "?start=7", "789" },
      { "?other=1&start=8", "89" },
      { "?start=-1", 400 }, { "?start=x", 400 }, { "?count=0", 400 }, { "?count=", 400 },
      { "?start=1.5", 400 }, { "?count=99999999999999999999", 400 },
    }
    it("from start, count rows", function()
      local box = start()
      import(box, ten)
      for _, case in ipairs(cases) do
        local reply = ask(box, "/Import/1/Data" .. case[1])
        if type(case[2]) == "number" then
          assert.equal(case[2], reply.status, case[1])
        else
          local rows = data_of(reply):gsub("%D", "")
          assert.equal(case[2], rows, case[1])
        end
      end
    end)

    it("of a hundred rows if none says how many", function()
      local box = start()
      import(box, "[" .. ("{},"):rep(149) .. "{}]")
      local _, count = data_of(ask(box, "/Import/1/Data")):gsub("{}", "")
      assert.equal(100, count)
    end)

    local switches = {
      { { rows = "records" }, "?count=1", '{"records":[{"n":0}]}' },
      { { count_cap = 2 }, "?count=5", '[{"n":0},{"n":1}]' },
      { { count_cap = 2, over_cap = "400" }, "?count=5", 400 },
      { { count_cap = 2, over_cap = "400" }, "?count=2", '[{"n":0},{"n":1}]' },
      { { past_end = "400" }, "?start=10", 400 }, { { past_end = "404" }, "?start=10", 404 },
      { { past_end = "null" }, "?start=10", "null" }, { { past_end = "empty" }, "?start=10", "[]" },
      { { row_order = "reversed" }, "?start=1&count=2", '[{"n":8},{"n":7}]' },
    }
    it("as every switch has it", function()
      for _, case in ipairs(switches) do
        local box = start(case[1])
        import(box, ten)
        local reply = ask(box, "/Import/1/Data" .. case[2])
        if type(case[3]) == "number" then assert.equal(case[3], reply.status)
        else assert.equal(case[3], data_of(reply)) end
        box:stop()
      end
    end)

    it("in an order that changes where asked to", function()
      local box = start { row_order = "alternating" }
      import(box, '[{"n":0},{"n":1}]')
      assert.equal('[{"n":0},{"n":1}]', data_of(ask(box, "/Import/1/Data")))
      assert.equal('[{"n":1},{"n":0}]', data_of(ask(box, "/Import/1/Data")))
    end)

    it("compressed and with a tag where asked to", function()
      local box = start { gzip = true, etag = true }
      import(box, "[" .. ('{"text":"again and again"},'):rep(99) .. "{}]")
      local plain = ask(box, "/Import/1/Data")
      assert.is_nil(plain.headers["content-encoding"])
      local packed = ask(box, "/Import/1/Data", { extra = "--compressed" })
      assert.equal("gzip", packed.headers["content-encoding"])
      assert.equal(plain.body, packed.body)
      local same = ask(box, "/Import/1/Data", { headers = { ["If-None-Match"] = plain.headers.etag } })
      assert.same({ 304, "" }, { same.status, same.body })
      local log = box:requests()
      assert.equal(304, log[#log].status)
    end)
  end)

  describe("runs", function()
    local definitions = {
      preparations = {
        { id = 5, name = "big ones", target = "big",
          sql = "SELECT city, amount FROM \"the strikes\" WHERE amount >= ifnull(:least, 2) ORDER BY amount" },
        { id = "broken", sql = "SELECT a FROM nowhere" },
      },
      reports = {
        { id = "by-city", name = "By city", sql = "SELECT city, sum(amount) AS total, count(*) AS n FROM big GROUP BY city ORDER BY city",
          chart = { labels = "city", series = { "total" }, type = "bar" } },
        { id = 2, preparation = 5 },
        { id = 3, sql = "SELECT 1 AS a", chart = { series = { "b" } } },
      },
      automations = {
        { id = 1, name = "all of it", steps = { { preparation = 5 }, { report = "by-city" } } },
        { id = 2, steps = { { preparation = 5 } }, on_import = "the strikes", api_trigger = false },
        { id = 3, steps = { { preparation = 5 }, { preparation = "broken" } } },
      },
    }
    local strikes = '[{"city":"Oslo","amount":1},{"city":"Bergen","amount":2.5},{"city":"Oslo","amount":4,"x":true},{"city":"Oslo","amount":3}]'
    local function fill(options)
      options = options or {}
      options.definitions = definitions
      local box = start(options)
      import(box, strikes, '"name":"the strikes","sendEvents":false')
      return box
    end

    it("preparations, whose result is an import", function()
      local box = fill()
      assert.equal('[{"id":5,"name":"big ones","target":"big"},{"id":"broken","name":"preparations broken","target":"preparations broken"}]',
        data_of(ask(box, "/Preparation/All")))
      local reply = ask(box, "/Preparation/5/Execute", { body = "{}" })
      assert.equal(200, reply.status)
      assert.matches('"id":5,"name":"big ones","status":"Completed","rows":3,"import":{"id":2,"name":"big"', reply.body)
      assert.equal('[{"city":"Bergen","amount":2.5},{"city":"Oslo","amount":3},{"city":"Oslo","amount":4}]', box:rows_text(2))
      ask(box, "/Preparation/5/Execute", { body = '{"least":4}' })
      assert.equal('[{"city":"Oslo","amount":4}]', box:rows_text(2))
      assert.equal(404, ask(box, "/Preparation/6/Execute", { body = "{}" }).status)
      assert.equal(400, ask(box, "/Preparation/5/Execute", { body = "" }).status)
      local broken = ask(box, "/Preparation/broken/Execute", { body = "{}" })
      assert.equal(400, broken.status)
      assert.matches("nowhere", broken.body)
    end)

    it("reports, whose result is kept", function()
      local box = fill()
      ask(box, "/Preparation/5/Execute", { body = "{}" })
      assert.matches('{"id":"by%-city","name":"By city","status":"NotGenerated"}', ask(box, "/Report/All").body)
      assert.equal(400, ask(box, "/Report/ChartData", { body = '{"reportId":"by-city"}' }).status)
      local chart = '{"type":"bar","labels":["Bergen","Oslo"],"series":[{"name":"total","values":[2.5,7]}]}'
      local reply = ask(box, "/Report/by-city/Generate", { body = "{}" })
      assert.equal('{"id":"by-city","name":"By city","status":"Generated","rows":2,"chart":' .. chart .. "}", data_of(reply))
      assert.matches('"name":"By city","rows":2,"generatedAt":"[^"]+","status":"Generated"', ask(box, "/Report/All").body)
      assert.equal(chart, data_of(ask(box, "/Report/ChartData", { body = '{"reportId":"by-city"}' })))
      assert.matches('"labels":%["Bergen","Oslo","Oslo"%],"series":%[{"name":"amount","values":%[2.5,3,4%]}%]',
        ask(box, "/Report/2/Generate", { body = "{}" }).body)
      assert.matches('no column', ask(box, "/Report/3/Generate", { body = "{}" }).body)
      assert.equal(404, ask(box, "/Report/9/Generate", { body = "{}" }).status)
    end)

    local charts = {
      { '{"sql":"SELECT city, amount AS a, -amount AS b FROM \\"the strikes\\" WHERE amount > :n","parameters":{"n":3}}',
        '{"type":"line","labels":["Oslo"],"series":[{"name":"a","values":[4]},{"name":"b","values":[-4]}]}' },
      { '{"import":"the strikes","labels":"amount","series":["city"],"type":"pie"}',
        '{"type":"pie","labels":[1,2.5,4,3],"series":[{"name":"city","values":["Oslo","Bergen","Oslo","Oslo"]}]}' },
      { '{"sql":"SELECT x, count(*) FROM \\"The Strikes\\" GROUP BY x"}',
        '{"type":"line","labels":[null,1],"series":[{"name":"count(*)","values":[3,1]}]}' },
      { '{"sql":"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 3) SELECT n, n*n AS m FROM c"}',
        '{"type":"line","labels":[1,2,3],"series":[{"name":"m","values":[1,4,9]}]}' },
    }
    it("chart queries", function()
      local box = fill()
      for _, case in ipairs(charts) do
        assert.equal(case[2], data_of(ask(box, "/Report/ChartData", { body = case[1] })), case[1])
      end
    end)

    local forbidden = {
      "DELETE FROM rows", "INSERT INTO imports(name) VALUES('x')", "SELECT * FROM rows", "SELECT json FROM main.rows",
      "SELECT name FROM imports", "SELECT * FROM sqlite_schema", "SELECT * FROM sqlite_temp_master",
      "PRAGMA table_info(rows)", "SELECT * FROM pragma_table_info('rows')", "ATTACH ':memory:' AS other",
      "SELECT load_extension('x')", "SELECT 1; SELECT 2", "SELECT 1; DELETE FROM rows", "", "DROP TABLE rows",
      "CREATE TEMP TABLE t(x)", "SELECT 1 AS a, 2 AS a", "WITH x AS (SELECT * FROM main.rows) SELECT * FROM x",
      "BEGIN", "VACUUM INTO 'file'",
      "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT count(*) FROM c",
      "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT n FROM c",
    }
    it("no query that does more than read imports", function()
      local box = fill { max_query_steps = 1000000, max_query_rows = 1000 }
      for _, sql in ipairs(forbidden) do
        local reply = ask(box, "/Report/ChartData", { body = '{"sql":"' .. sql .. '"}' })
        assert.equal(400, reply.status, sql)
      end
      assert.equal(400, ask(box, "/Report/ChartData", { body = "{}" }).status)
      assert.equal(4, box:counts().rows)
    end)

    it("finds an import called like a table of its own", function()
      local box = start()
      import(box, '[{"a":1}]', '"name":"rows"')
      import(box, '[{"a":2}]', '"name":"im\\"ports"')
      assert.matches('"labels":%[1%]', ask(box, "/Report/ChartData", { body = '{"import":"rows"}' }).body)
      assert.matches('"labels":%[2%]', ask(box, "/Report/ChartData", { body = '{"import":"im\\"ports"}' }).body)
      assert.equal(400, ask(box, "/Report/ChartData", { body = '{"sql":"SELECT key FROM rows"}' }).status)
    end)

    it("automations, step by step, all or none", function()
      local box = fill()
      local reply = ask(box, "/Automation/1/Execute", { body = "{}" })
      assert.equal(200, reply.status)
      assert.matches('"status":"Completed","steps":%[{"kind":"preparation","result":{"id":5,.-"rows":3,.-},{"kind":"report","result":{"id":"by%-city",.-"rows":2', reply.body)
      assert.matches('"status":"Generated"', ask(box, "/Report/All").body)
      assert.equal(404, ask(box, "/Automation/9/Execute", { body = "{}" }).status)
      assert.equal(400, ask(box, "/Automation/2/Execute", { body = "{}" }).status)
      local other = fill()
      assert.equal(400, ask(other, "/Automation/3/Execute", { body = "{}" }).status)
      assert.equal(1, other:counts().imports)
    end)

    it("automations when an import sends events", function()
      local box = fill()
      assert.same({ 0, 0 }, { box:counts().events, box:counts().runs })
      import(box, '[{"city":"Moss","amount":9}]', '"id":1,"sendEvents":true')
      assert.same({ 1, 1 }, { box:counts().events, box:counts().runs })
      assert.matches("Moss", box:rows_text(2))
    end)

    it("behind the reply where asked to", function()
      local box = fill { run_seconds = 1 }
      ask(box, "/Preparation/5/Execute", { body = "{}" })
      local reply = ask(box, "/Report/by-city/Generate", { body = "{}" })
      assert.matches('"status":"Running"', reply.body)
      local status
      for _ = 1, 1000 do
        status = ask(box, "/Report/All").body:match '"By city".-"status":"(%a+)"'
        if status == "Generated" then break end
      end
      assert.equal("Generated", status)
    end)

    it("what a file defines", function()
      local path = os.tmpname()
      for ending, text in pairs {
        [".json"] = '{"preparations":[{"id":7,"name":"p","sql":"SELECT 1 AS one"}]}',
        [".lua"] = 'return { preparations = { { id = 7, name = "p", sql = "SELECT 1 AS one" } } }',
      } do
        local file = assert(io.open(path .. ending, "w"))
        file:write(text)
        file:close()
        local box = start { definitions = path .. ending }
        os.remove(path .. ending)
        assert.equal('[{"id":7,"name":"p","target":"p"}]', data_of(ask(box, "/Preparation/All")))
      end
      os.remove(path)
      local box, message = sandbox.start { definitions = path .. ".json" }
      assert.is_nil(box)
      assert.matches("No such file", message)
    end)
  end)

  describe("goes wrong", function()
    local one = '{"data":{"records":[{"n":1},{"n":2},{"n":3},{"n":4}]}}'
    -- kind and options, curl's exit status, the HTTP status or nil, rows that were committed
    local cases = {
      { { kind = "commit_then_drop" }, 52, nil, 4 },
      { { kind = "commit_then_500" }, 0, 500, 4 },
      { { kind = "commit_then_500", status = 503 }, 0, 503, 4 },
      { { kind = "partial_commit" }, 0, 500, 2 },
      { { kind = "partial_commit", records = 3, drop = true }, 52, nil, 3 },
      { { kind = "refuse" }, 52, nil, 0 },
      { { kind = "reset" }, 56, nil, 0 },
      { { kind = "empty" }, 52, nil, 0 },
      { { kind = "garbage" }, 0, 200, 4 },
      { { kind = "truncate" }, 18, 200, 4 },
      { { kind = "wrong_length" }, 18, 200, 4 },
      { { kind = "stall", seconds = 60 }, 28, 200, 4 },
      { { kind = "stall", seconds = 60, after = "head" }, 28, 200, 4 },
      { { kind = "stall", seconds = 0.01 }, 0, 200, 4 },
      { { kind = "latency", seconds = 60 }, 28, nil, 4 },
      { { kind = "latency", seconds = 0.01 }, 0, 200, 4 },
      { { kind = "hang", seconds = 60 }, 28, nil, 0 },
      { { kind = "hang", seconds = 0.01 }, 52, nil, 0 },
      { { kind = "slow_body", seconds = 60, bytes = 10 }, 28, 200, 4 },
      { { kind = "slow_body", seconds = 0.001, bytes = 10 }, 0, 200, 4 },
      { { kind = "throttle" }, 0, 429, 0 },
      { { kind = "status", status = 401 }, 0, 401, 0 },
      { { kind = "status", status = 502 }, 0, 502, 0 },
      { { kind = "html" }, 0, 502, 0 },
      { { kind = "bad_gzip" }, 61, 200, 4 },
      { { kind = "huge", bytes = 1000000 }, 0, 200, 4 },
      { { kind = "huge", bytes = 1000000, chunked = true }, 0, 200, 4 },
      { { kind = "redirect" }, 0, 302, 0 },
      { { kind = "read_lag" }, 0, 200, 4 },
      { { kind = "foreign_use" }, 0, 429, 0 },
      { { kind = "keepalive_kill" }, 0, 200, 4 },
    }
    it("once, as each kind says, and recovers", function()
      -- All at the same time, so that those whom curl gives up on can wait long enough for what does come.
      local boxes, pipes = {}, {}
      for i, case in ipairs(cases) do
        boxes[i] = start()
        case[1].operation = "imports.import"
        boxes[i]:fault(case[1])
        local limit = case[2] == 28 and "--max-time 3" or ""
        pipes[i] = begin(boxes[i], "/Import/Data", { body = one, extra = limit .. " --compressed" })
      end
      for i, case in ipairs(cases) do
        local box, name = boxes[i], case[1].kind
        local reply, code = finish(pipes[i])
        assert.equal(case[2], code, name)
        assert.equal(case[3], reply and reply.status, name)
        assert.equal(case[4], box:counts().rows, name)
        local log = box:requests()[1]
        assert.equal(case[4] > 0, log.committed, name)
        local hit = name == "keepalive_kill" and 0 or 1
        assert.same({ operation = "imports.import", kind = name, hits = hit, calls = hit }, box:hits()[1])
        assert.equal(hit, box:hits().total)
        assert.equal(hit == 1 and name or nil, log.fault)
        if name ~= "foreign_use" then
          assert.equal(200, import(box, "[]").status, name)
          assert.equal(hit, box:hits().total)
        end
      end
    end)

    it("with the reply that was asked for", function()
      local box = start()
      box:fault { kind = "throttle", retry_after = 7, remaining = 0, message = "slow down" }
      box:fault { kind = "throttle", nth = 2, retry_after = "Wed, 21 Oct 2037 07:28:00 GMT" }
      box:fault { kind = "redirect", nth = 3, status = 307, location = "http://example.invalid/" }
      box:fault { kind = "html", nth = 4 }
      local reply = ask(box, "/Import/All")
      assert.same({ "7", "0" }, { reply.headers["retry-after"], reply.headers["x-ratelimit-remaining"] })
      assert.equal('{"data":null,"messages":["slow down"]}', reply.body)
      assert.equal("Wed, 21 Oct 2037 07:28:00 GMT", ask(box, "/Import/All").headers["retry-after"])
      reply = ask(box, "/Import/All")
      assert.same({ 307, "http://example.invalid/" }, { reply.status, reply.headers.location })
      reply = ask(box, "/Import/All")
      assert.equal("text/html", reply.headers["content-type"])
      assert.matches("<html>", reply.body)
    end)

    it("with a body as long as asked for, and whole JSON", function()
      local box = start()
      for _, size in ipairs { 64, 65535, 65536, 200000 } do
        box:fault { kind = "huge", bytes = size }
        local body = ask(box, "/Import/All").body
        assert.equal(size, #body)
        assert.matches('^{"data":"x*","messages":%[%]}$', body)
        box:clear_faults()
      end
    end)

    it("on a kept connection only, for keepalive_kill", function()
      local box = start()
      box:fault { operation = "imports.import", kind = "keepalive_kill" }
      ask_many(box, { { "/Import/All" }, { "/Import/Data", { body = one } } })
      assert.equal(1, box:hits().total)
      local log = box:requests()
      assert.equal("keepalive_kill", log[2].fault)
      assert.equal(log[1].connection, log[2].connection)
      assert.is_nil(log[2].status)
      assert.is_true(log[2].committed)
      -- libcurl sends the POST again by itself: the very thing that the log must show
      assert.equal(3, #log)
      assert.not_equal(log[2].connection, log[3].connection)
      assert.equal(1, #box:duplicates())
    end)

    it("late: after the connection was dropped", function()
      for _, fault in ipairs { { kind = "commit_late", seconds = 1 }, { kind = "hang", seconds = 0.1, late = true } } do
        local box = start()
        fault.operation = "imports.import"
        box:fault(fault)
        local _, code = ask(box, "/Import/Data", { body = one, headers = { ["X-Request-Id"] = "a" } })
        assert.equal(52, code)
        if fault.kind == "commit_late" then assert.is_false(box:requests()[1].committed) end
        local rows
        for _ = 1, 1000 do
          ask(box, "/Import/All")
          rows = box:counts().rows
          if rows == 4 then break end
        end
        assert.equal(4, rows)
        assert.is_true(box:requests()[1].committed)
      end
    end)

    it("late, but before whatever is asked after its time", function()
      local box = start { rate_limit = 0 }
      box:fault { operation = "imports.import", kind = "commit_late", seconds = 0, times = math.huge }
      local requests, seen = {}, 0
      for i = 1, 150 do
        requests[2 * i - 1] = { "/Import/Data", { body = '{"data":{"records":[{"n":1}]}}' } }
        -- On a connection that was used before, libcurl would send the next write twice.
        requests[2 * i] = { "/Import/All", { headers = { Connection = "close" } } }
      end
      for _ = 1, 4 do
        local _, output = ask_many(box, requests)
        for list in output:gmatch '{"data":(%b[])' do
          seen = seen + 1
          assert.equal(seen, select(2, list:gsub('"id"', "")))
        end
      end
      assert.equal(600, seen)
    end)

    it("late for a run, too", function()
      local box = start { run_seconds = 60, preparations = { { id = 1, sql = "SELECT 1 AS a" } } }
      box:fault { kind = "commit_late", seconds = 0.01 }
      ask(box, "/Preparation/1/Execute", { body = "{}" })
      local rows
      for _ = 1, 1000 do
        ask(box, "/Import/All")
        rows = box:counts().rows
        if rows == 1 then break end
      end
      assert.equal(1, rows)
    end)

    it("never commits late what was to be stopped", function()
      local box = start()
      box:fault { kind = "commit_late", seconds = 60 }
      ask(box, "/Import/Data", { body = one })
      box:stop()
      assert.equal(0, box:counts().rows)
    end)

    it("by reads that lag behind", function()
      local box = start()
      import(box, '[{"n":1}]')
      import(box, '[{"n":2}]', '"id":1')
      import(box, '[{"n":3}]', '"id":1')
      for commits, rows in pairs { [0] = '[{"n":1},{"n":2},{"n":3}]', '[{"n":1},{"n":2}]', '[{"n":1}]', "[]", "[]" } do
        box:fault { operation = "imports.data", kind = "read_lag", commits = commits }
        assert.equal(rows, data_of(ask(box, "/Import/1/Data")), tostring(commits))
        box:clear_faults()
      end
      box:fault { operation = "imports.all", kind = "read_lag" }
      assert.equal("[]", data_of(ask(box, "/Import/All")))
      assert.matches('"id":1', data_of(ask(box, "/Import/All")))
    end)

    it("at the nth call, times over, of its operation", function()
      local box = start()
      box:fault { operation = "imports.all", nth = 2, times = 2, kind = "status", status = 503 }
      box:fault { operation = "*", nth = 5, kind = "status", status = 502 }
      box:fault { operation = "imports.all", nth = 3, kind = "status", status = 500 }
      local statuses = {}
      for index, path in ipairs { "/Import/All", "/Report/All", "/Import/All", "/Import/All", "/Import/All", "/Import/All" } do
        statuses[index] = ask(box, path).status
      end
      assert.same({ 200, 200, 503, 503, 502, 200 }, statuses)
      local hits = box:hits()
      assert.same({ 2, 1, 0, 3 }, { hits[1].hits, hits[2].hits, hits[3].hits, hits.total })
      assert.equal("*", hits[2].operation)
      box:fault(nil)
      assert.same({ total = 0 }, box:hits())
    end)

    it("by a chance that is the same in every run", function()
      local function sequence(seed)
        local box = start()
        box:fault { kind = "status", status = 500, probability = 0.5, seed = seed }
        local statuses = {}
        for index = 1, 12 do statuses[index] = ask(box, "/Import/All").status end
        box:stop()
        return table.concat(statuses, " ")
      end
      local first = sequence(7)
      assert.equal(first, sequence(7))
      assert.not_equal(first, sequence(8))
      assert.matches("500", first)
      assert.matches("200", first)
    end)

    it("without holding up other requests", function()
      local box = start()
      box:fault { operation = "imports.all", kind = "latency", seconds = 60 }
      local pipe = io.popen("curl " .. transfer(box.url .. "/Import/All", { extra = "--max-time 5" }))
      local asked
      for _ = 1, 1000 do
        ask(box, "/Report/All")
        asked = box:hits().total
        if asked == 1 then break end
      end
      assert.equal(1, asked)
      assert.equal(200, ask(box, "/Report/All").status)
      box:stop()
      pipe:close()
    end)
  end)

  describe("remembers", function()
    it("what was asked, without secrets", function()
      local box = start { log_body_bytes = 10 }
      ask(box, "/Import/7/Data?start=1", { headers = { Authorization = "Bearer token", ["X-Request-Id"] = "r1" } })
      import(box, "[]")
      ask(box, "/Else", { key = "bad" })
      local log = box:requests()
      assert.equal(3, #log)
      local first = log[1]
      assert.same({ "GET", "/Import/7/Data", "start=1", "imports.data", 404, "", false, true, 1 },
        { first.method, first.path, first.query, first.operation, first.status, first.body, first.committed,
          first.authorized, first.number })
      assert.equal("<redacted>", first.headers["x-api-key"])
      assert.equal("<redacted>", first.headers.authorization)
      assert.equal("r1", first.headers["x-request-id"])
      assert.equal(SUBSCRIPTION, first.headers["x-subscription-id"])
      assert.is_true(math.abs(first.time - os.time()) < 60)
      assert.same({ "imports.import", 200, true, '{"data":{"', 23 },
        { log[2].operation, log[2].status, log[2].committed, log[2].body, log[2].body_bytes })
      assert.same({ false, 401 }, { log[3].authorized, log[3].status })
      assert.is_nil(log[3].operation)
      assert.not_equal(log[1].connection, log[2].connection)
      assert.equal(1, #box:requests(3))
      box:clear_log()
      assert.same({}, box:requests())
    end)

    it("while it answers others", function()
      local box = start { log_requests = 50 }
      box:fault { kind = "latency", probability = 0.2, seconds = 0.001 }
      local url = box.url .. "/Import/Data?[1-300]"
      local pipe = io.popen("curl -s -Z " .. transfer(url, { body = '{"data":{"records":[{"n":1}]}}' })
        :gsub("^%-s %-i", "") .. " >/dev/null 2>&1; echo done")
      local counts
      repeat
        counts = box:counts()
        assert.is_true(#box:requests() <= 50)
        assert.is_true(#(box:rows(1) or {}) <= 1)
        assert.is_true(#box:snapshot() > 0)
      until counts.requests >= 300
      assert.equal("done\n", pipe:read "*a")
      pipe:close()
      assert.equal(300, box:counts().rows)
      assert.equal(299, #box:duplicates())
    end)

    it("no more requests than it may", function()
      local box = start { log_requests = 2 }
      for _ = 1, 5 do ask(box, "/Import/All") end
      local log = box:requests()
      assert.same({ 2, 4, 5 }, { #log, log[1].number, log[2].number })
      assert.equal(5, box:counts().requests)
    end)

    it("no more bytes than it may", function()
      local box = start { log_bytes = 5000 }
      for index = 1, 5 do import(box, '[{"text":"' .. tostring(index):rep(2000) .. '"}]') end
      local log = box:requests()
      assert.equal(2, #log)
      assert.matches("5555", log[2].body)
      import(box, '[{"text":"' .. ("x"):rep(9000) .. '"}]')
      assert.equal(6, box:requests()[1].number)
    end)

    it("commits that happened twice", function()
      local box = start { definitions = { preparations = { { id = 1, sql = "SELECT 1 AS a" }, { id = 2, sql = "SELECT 1 AS a" } } } }
      local function with_id(id) return { headers = { ["X-Request-Id"] = id } } end
      import(box, '[{"n":1}]')                       -- 1
      import(box, '[{"n":2}]')                       -- 2
      import(box, '[{"n":1}]')                       -- 3 repeats 1
      import(box, '[{"n":1}]', nil, with_id "x")     -- 4
      import(box, '[{"n":9}]', nil, with_id "x")     -- 5 repeats 4
      import(box, '[{"n":9}]', nil, with_id "y")     -- 6
      import(box, "[1]")                             -- 7 was refused
      import(box, "[1]")                             -- 8 was refused
      ask(box, "/Preparation/1/Execute", { body = "{}" }) -- 9
      ask(box, "/Preparation/2/Execute", { body = "{}" }) -- 10
      ask(box, "/Preparation/1/Execute", { body = "{}" }) -- 11 repeats 9
      ask(box, "/Import/All")
      ask(box, "/Import/All")
      local found = {}
      for index, duplicate in ipairs(box:duplicates()) do
        found[index] = duplicate.operation .. " " .. duplicate.first .. " " .. duplicate.again
      end
      assert.same({ "imports.import 1 3", "imports.import 4 5", "preparations.execute 9 11" }, found)
      assert.matches('"n":1', box:duplicates()[1].body)
    end)

    it("everything, in a snapshot", function()
      local box = start()
      import(box, '[{"n":1}]', '"name":"kept"')
      local snapshot = box:snapshot()
      import(box, '[{"n":2}]', '"id":1')
      import(box, '[{"n":3}]')
      box:restore(snapshot)
      assert.equal('[{"n":1}]', box:rows_text(1))
      assert.equal(1, box:counts().imports)
      assert.matches('"id":2', import(box, '[{"n":4}]').body)
      local other = start()
      other:restore(snapshot)
      assert.equal('[{"n":1}]', data_of(ask(other, "/Import/1/Data")))
      assert.has_error(function() other:restore "nonsense" end)
      assert.equal('[{"n":1}]', other:rows_text(1))
      box:fault { kind = "empty", times = math.huge }
      box:reset()
      assert.same({ imports = 0, rows = 0, results = 0, events = 0, runs = 0, requests = 0 },
        (function(counts) counts.connections = nil return counts end)(box:counts()))
      assert.matches('"id":1,', import(box, "[]").body)
    end)

    it("imports in a file", function()
      local path = os.tmpname()
      os.remove(path)
      local box = start { database = path }
      import(box, '[{"n":1}]', '"name":"kept"')
      local snapshot = box:snapshot()
      box:stop()
      running[#running] = nil
      box = nil -- luacheck: ignore
      collectgarbage() collectgarbage()
      box = start { database = path }
      assert.equal('[{"n":1}]', data_of(ask(box, "/Import/1/Data")))
      import(box, "[]")
      box:restore(snapshot)
      assert.equal(1, box:counts().imports)
      os.remove(path)
      local file = assert(io.open(path, "w"))
      file:write(("not a database"):rep(100))
      file:close()
      local none, message = sandbox.start { database = path }
      os.remove(path)
      assert.is_nil(none)
      assert.matches("not a database", message)
    end)
  end)

  describe("starts", function()
    local wrong = {
      { { colour = "red" }, "unknown option 'colour'" },
      { { port = "80" }, "port must be a whole number" }, { { port = 70000 }, "port must be from 0 to 65535" },
      { { update = "merge" }, "update must be one of append, replace" },
      { { ids = 1 }, "ids must be one of" }, { { gzip = 1 }, "gzip must be a boolean" },
      { { rate_window = 0 }, "rate_window must be from" }, { { clock_skew = 0 / 0 }, "clock_skew must be a number" },
      { { features = { "imports.none" } }, "unknown operation 'imports.none'" },
      { { keys = { k = { allow = { "x" } } } }, "unknown operation 'x'" },
      { { certificate = "x" }, "certificate and private_key go together" },
      { { api_key = "" }, "api_key must not be empty" }, { { api_key = "a\0b" }, "NUL" },
      { { definitions = 1 }, "definitions must be a table or the path" },
      { { definitions = { tables = {} } }, "unknown member 'tables'" },
      { { preparations = { {} } }, "preparations%[1%]: sql is missing" },
      { { preparations = { { sql = "SELECT 1", colour = 1 } } }, "unknown member 'colour'" },
      { { preparations = { { id = 1, sql = "a" }, { id = "1", sql = "b" } } }, "was there before" },
      { { reports = { { name = "r" } } }, "one of sql and preparation" },
      { { reports = { { preparation = 1 } } }, "there is no preparation 1" },
      { { automations = { { steps = { { report = 3 } } } } }, "there is no report 3" },
      { { automations = { { steps = { {} } } } }, "step 1 names neither" },
    }
    it("only with options it knows, and says so where it was called", function()
      for _, case in ipairs(wrong) do
        local good, message = pcall(function() sandbox.start(case[1]) end)
        assert.is_false(good, case[2])
        assert.matches(case[2], message)
        assert.matches("sandbox_spec", message)
      end
      assert.has_error(function() sandbox.start "fast" end)
    end)

    local wrong_faults = {
      { { kind = "explode" }, "unknown kind 'explode'" }, { {}, "unknown kind 'nil'" },
      { { kind = "empty", status = 500 }, "unknown option 'status'" },
      { { kind = "status" }, "status is missing" }, { { kind = "status", status = 99 }, "status must be from" },
      { { kind = "empty", operation = "imports" }, "unknown operation 'imports'" },
      { { kind = "empty", nth = 0 }, "nth must be from" }, { { kind = "empty", probability = 2 }, "probability must be" },
      { { kind = "stall", after = "lunch" }, "after must be one of" },
      { { kind = "throttle", retry_after = true }, "retry_after must be" },
    }
    it("and takes only faults it knows", function()
      local box = start()
      for _, case in ipairs(wrong_faults) do
        local good, message = pcall(function() box:fault(case[1]) end)
        assert.is_false(good, case[2])
        assert.matches(case[2], message)
        assert.matches("sandbox_spec", message)
      end
      assert.same({ total = 0 }, box:hits())
      assert.has_error(function() box:rows {} end)
    end)

    it("on a port of its own, and answers why it cannot", function()
      local box = start()
      assert.equal("http://127.0.0.1:" .. box.port, box.url)
      assert.equal(KEY, box.api_key)
      assert.equal(SUBSCRIPTION, box.subscription_id)
      local none, message = sandbox.start { port = box.port }
      assert.is_nil(none)
      assert.matches("cannot listen on 127.0.0.1 port " .. box.port, message)
      none, message = sandbox.start { address = "localhost" }
      assert.is_nil(none)
      assert.matches("IPv4", message)
      none, message = sandbox.start { database = "/nowhere/at/all" }
      assert.is_nil(none)
      assert.matches("unable to open", message)
    end)

    it("on one that no other of this process has had, whatever has stopped", function()
      local had = {}
      for _ = 1, 600 do
        local box = sandbox.start()
        assert.is_nil(had[box.port])
        had[box.port] = true
        box:stop()
      end
    end)

    it("and stops, more than once", function()
      local box = start()
      ask(box, "/Import/All")
      box:stop()
      box:stop()
      local reply, code = ask(box, "/Import/All")
      assert.is_nil(reply)
      assert.equal(7, code)
      assert.equal(1, #box:requests())
    end)

    it("with TLS", function()
      local path = os.tmpname()
      run(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1"
        .. " -keyout %s.key -out %s 2>/dev/null"):format(path, path))
      local file = io.open(path .. ".key")
      if not file then
        os.remove(path)
        pending "needs the openssl command"
        return
      end
      file:close()
      local box = start { certificate = path, private_key = path .. ".key" }
      os.remove(path)
      os.remove(path .. ".key")
      assert.matches("^https://", box.url)
      assert.equal(200, ask(box, "/Import/All", { extra = "-k" }).status)
      box:fault { kind = "reset" }
      local _, code = ask(box, "/Import/All", { extra = "-k" })
      assert.is_true(code == 56 or code == 35)
      local none = sandbox.start { certificate = "-----BEGIN nothing", private_key = "-----BEGIN nothing" }
      assert.is_nil(none)
    end)
  end)

  it("does not disturb an exit with requests in flight", function()
    local interpreter = arg and arg[-1] or "lua"
    for index = -1, -20, -1 do
      if arg and arg[index] and not arg[index]:find "^%-" then interpreter = arg[index] end
    end
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write [[
      local sandbox = require "flarelight.sandbox"
      local box = assert(sandbox.start())
      box:fault { kind = "latency", seconds = 60, times = 3 }
      for _ = 1, 3 do
        os.execute(("curl -s -m 5 %s/Import/All >/dev/null 2>&1 &"):format(box.url))
      end
      while box:hits().total < 3 do os.execute "sleep 0.01" end
      io.write "waiting"
      os.exit(tonumber(arg[1]))
    ]]
    file:close()
    for _, status in ipairs { 0, 3 } do
      local output = run(("%s %s %d; printf ' %%s' $?"):format(quote(interpreter), quote(script), status))
      assert.equal("waiting " .. status, output)
    end
    os.remove(script)
  end)
end)
