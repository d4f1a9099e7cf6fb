-- Replies that are legal and rare, or that only look like another: what each says is taken, and nothing else.

local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("a reply", function()
  local opened = support.opened(after_each)
  local good = '{"data":[],"messages":[]}'

  local function raw(replies, options)
    local server = opened.raw_server(replies)
    return opened.client(server, options or { max_attempts = 2 }), server
  end

  describe("with lines that are no headers of its head", function()
    it("that look like a status: an applied write is not sent again", function()
      local reply = support.reply("200 OK", '{"data":{"id":1},"messages":[]}', "Connection: close\r\nhttp/1.1 429 Too Many: 1\r\n")
      local api, server = raw { reply, reply, reply }
      local _, meta = assert(api.imports:import { records = { { n = 1 } } })
      assert.are.same({ 200, "applied", 1 }, { meta.status, meta.fate, meta.attempts })
      assert.equal(1, #server:requests())
    end)

    it("as trailers: they stop no call", function()
      local chunked = ("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n"
        .. "X-RateLimit-Limit: 10\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 60\r\n\r\n"):format(#good, good)
      local api = raw { chunked, support.reply("200 OK", good) }
      local _, meta = assert(api.imports:all())
      assert.is_nil(meta.rate_limit)
      assert(api.imports:all { deadline = 20 })
    end)

    it("after an interim head, which counts for nothing", function()
      local api = raw { "HTTP/1.1 103 Early Hints\r\nX-RateLimit-Remaining: 0\r\n\r\n" .. support.reply("200 OK", good) }
      local _, meta = assert(api.imports:all())
      assert.are.same({ 200 }, { meta.status, meta.rate_limit })
    end)
  end)

  describe("with a head that cannot be taken", function()
    local long = ("a"):rep(110000)
    for name, case in pairs {
      ["that switches the protocol"] = {
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n+",
        "switched to another protocol (101), which was not asked for",
      },
      ["with a header that is too long"] = {
        "HTTP/1.1 200 OK\r\nX: " .. long .. "\r\nContent-Length: 2\r\n\r\n{}", "a line of the reply's head is longer",
      },
      ["with a status line that is too long"] = {
        "HTTP/1.1 200 " .. long .. "\r\nContent-Length: 2\r\n\r\n{}", "a line of the reply's head is longer",
      },
      ["with too many headers"] = {
        "HTTP/1.1 200 OK\r\n" .. ("X: " .. long:sub(1, 90000) .. "\r\n"):rep(5) .. "\r\n{}",
        "the head of the reply is larger than 300 KB",
      },
      ["with trailers without an end"] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" .. ("X: " .. long:sub(1, 1000) .. "\r\n"):rep(100),
        "the trailers of the reply are larger than 64 KB",
      },
    } do
      it(name .. ": the message says so, and a write is in doubt", function()
        local api = raw({ case[1] }, { max_attempts = 1 })
        local _, message, err = api.automations:execute("a", {})
        assert.matches(case[2], message, 1, true)
        assert.are.same({ "protocol", "in_doubt" }, { err.kind, err.fate })
      end)
    end
  end)

  describe("whose connection ends inside its head", function()
    it("is no reply to a write", function()
      local api = raw({ "HTTP/1.1 204 No Content\r\nX-Reque" }, { max_attempts = 1 })
      local _, message, err = api.automations:execute("a", {})
      assert.matches("the connection ended inside the reply's head", message, 1, true)
      assert.are.same({ "protocol", "in_doubt" }, { err.kind, err.fate })
    end)

    it("is asked for again, also as bytes", function()
      local api = raw { "HTTP/1.1 200 OK\r\nContent-Le", support.reply("200 OK", "bytes") }
      local bytes, meta = assert(api:request { method = "GET", path = "/x", raw = true })
      assert.are.same({ "bytes", 2 }, { bytes.body, meta.attempts })
    end)

    it("has decided if its status refuses", function()
      local api = raw({ "HTTP/1.1 404 Not Found\r\nContent-Le" }, { max_attempts = 1 })
      local _, _, err = api.automations:execute("a", {})
      assert.are.same({ "not_found", "rejected" }, { err.kind, err.fate })
    end)
  end)

  describe("with more values than its bytes let expect", function()
    local function reply(count)
      return support.reply("200 OK", ('{"data":[%s0],"messages":[]}'):format(("0,"):rep(count - 1)))
    end

    it("is refused if their memory would pass max_response_bytes", function()
      local api = raw({ reply(100000) }, { max_attempts = 1, max_response_bytes = 1000000 })
      local data, message, err = api.imports:all()
      assert.is_nil(data)
      assert.matches("^imports%.all: the reply %(%d+ bytes%) has more than 65536 values: the memory for them would pass "
        .. "max_response_bytes %(1000000%)$", message)
      assert.equal("protocol", err.kind)
    end)

    it("is taken up to the limit, and up to 65,536 values in any case", function()
      for _, case in ipairs { { 65000, 200000 }, { 100000, 2000000 } } do
        local api = raw({ reply(case[1]) }, { max_attempts = 1, max_response_bytes = case[2] })
        assert.equal(case[1], #assert(api.imports:all()))
      end
    end)

    it("of a write that is refused leaves it in doubt", function()
      local api = raw({ reply(100000) }, { max_attempts = 1, max_response_bytes = 1000000 })
      local _, _, err = api.automations:execute("a", {})
      assert.are.same({ "protocol", "in_doubt" }, { err.kind, err.fate })
    end)
  end)

  describe("with words that change how they are shown", function()
    it("shows them by their numbers in messages", function()
      local api = raw({ support.reply("400 No", '{"data":null,"messages":["a\\u009b2J\\u202eb\\u0007"]}') }, { max_attempts = 1 })
      local _, message, err = api.imports:all()
      assert.equal("imports.all: 400 Bad Request: a<U+009B>2J<U+202E>b ", message)
      assert.equal(message, err.message)
    end)
  end)

  describe("that repeats the key", function()
    -- The key in other forms; no text of the error may hold it, decoded or not.
    local key = 'k/"<abcd&=+'
    local forms = {
      json = [[k\/\"<abcd&=+]], unicode = [[\u006b\u002F\u0022\u003cabcd\u0026=+]],
      percent = "k%2F%22%3Cabcd%26%3D%2b", twice = "k%252F%2522%253Cabcd%2526%253D%252B",
      entities = [[k/&quot;&lt;abcd&amp;=+]], numbers = "k&#47;&#34;&#x3C;abcd&#x26;=&#43;",
    }
    local places = {
      message = function(form) return support.reply("400 No", ('{"data":null,"messages":["bad %s!"]}'):format(form)) end,
      ["body that is no envelope"] = function(form) return support.reply("400 No", ("<p>bad %s!</p>"):format(form)) end,
      location = function(form)
        return support.reply("302 Found", "", "Connection: close\r\nLocation: /a?" .. form .. "!\r\n")
      end,
      header = function(form) return support.reply("400 No", "{}", "Connection: close\r\nX-Said: " .. form .. "!\r\n") end,
      ["content type"] = function(form)
        return support.reply("200 OK", "<", "Connection: close\r\nContent-Type: a" .. form .. "!\r\n")
      end,
    }
    for form_name, form in pairs(forms) do
      for place, reply in pairs(places) do
        it(("as %s in a %s"):format(form_name, place), function()
          local server = opened.raw_server { reply(form) }
          server.api_key = key
          local api = opened.client(server, { max_attempts = 1 })
          local _, message, err = api.imports:all()
          local texts = { message, err.message, err.body or "", err.location or "" }
          for _, value in pairs(err.headers or {}) do texts[#texts + 1] = value end
          for _, value in ipairs(err.messages or {}) do texts[#texts + 1] = tostring(value) end
          local all = table.concat(texts, "\n")
          assert.is_nil(all:lower():find("abcd", 1, true), all)
        end)
      end
    end
  end)

  describe("with a byte order mark", function()
    it("of a write: applied", function()
      local sandbox, api = opened.service()
      sandbox:fault { operation = "imports.import", kind = "bom" }
      local data, meta = assert(api.imports:import { records = { { n = 1 } } })
      assert.equal("applied", meta.fate)
      assert.is_truthy(data.id)
    end)

    it("of an error: its messages are read, and the excerpt is empty", function()
      local api = raw { support.reply("400 No", '\239\187\191{"data":null,"messages":["no such column"]}') }
      local _, message, err = api.imports:all()
      assert.equal("imports.all: 400 Bad Request: no such column", message)
      assert.is_nil(err.body)
    end)

    it("twice: the second is no JSON", function()
      local api = raw({ support.reply("200 OK", "\239\187\191\239\187\191" .. good) }, { max_attempts = 1 })
      local _, message, err = api.imports:all()
      assert.equal("protocol", err.kind)
      assert.matches("is not JSON", message)
    end)
  end)

  it("of gzip in several members, or with bytes behind it, is a protocol error that says so", function()
    for _, bytes in ipairs { 0, 10 } do
      local sandbox, api = opened.service({}, { max_attempts = 1 })
      sandbox:fault { operation = "imports.import", kind = "gzip_members", bytes = bytes }
      local data, message, err = api.imports:import { records = { { n = 1 } } }
      if data == nil then -- a libcurl that decodes it has nothing to say
        assert.are.same({ "protocol", "in_doubt" }, { err.kind, err.fate })
        assert.matches("the compressed reply has bytes after its end", message)
      end
    end
  end)

  describe("without content", function()
    local none = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

    it("to a write: applied, without data", function()
      local api = raw { none }
      local data, meta = api:request { method = "POST", path = "/Automation/1/Execute" }
      assert.are.same({ flarelight.null, "applied", 204 }, { data, meta.fate, meta.status })
    end)

    it("to a write that has to name an id: in doubt", function()
      local api = raw { none }
      local _, _, err = api.imports:import { records = {} }
      assert.are.same({ "protocol", "in_doubt", 204 }, { err.kind, err.fate, err.status })
    end)
  end)

  -- 204 and 416 say of a page what 404 says.
  for _, status in ipairs { "204 No Content", "404 Not Found", "416 Range Not Satisfiable" } do
    it(status .. " behind a short page is the end of the rows, and elsewhere an error", function()
      local page = support.reply("200 OK", '{"data":[{"n":1},{"n":2}],"messages":[]}')
      local ended = ("HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n"):format(status,
        status:find "^204" and "" or "Content-Length: 0\r\n")
      local function read(replies, page_size)
        local count = 0
        for _ in raw(replies).imports:rows(1, { page_size = page_size, prefetch = 0 }) do count = count + 1 end
        return count
      end
      assert.equal(2, read({ page, ended }, 3))
      assert.is_false((pcall(read, { page, ended }, 2)))
      assert.is_false((pcall(read, { ended }, 3)))
    end)
  end

  it("499 of a proxy proves nothing about a write, and a read goes again", function()
    local lost = support.reply("499 Closed", "")
    local api = raw { lost, support.reply("200 OK", good) }
    local _, meta = assert(api.imports:all())
    assert.equal(2, meta.attempts)
    api = raw { lost }
    local _, _, err = api.imports:import { records = {} }
    assert.are.same({ "http", "in_doubt", 1 }, { err.kind, err.fate, err.attempts })
  end)

  it("with a wait of more than a year fails at once, and says when", function()
    for _, wait in ipairs { "99999999999", "Sun, 06 Nov 2194 08:49:37 GMT" } do
      local api = raw { support.reply("429 No", good, "Connection: close\r\nRetry-After: " .. wait .. "\r\n") }
      local _, _, err = api.imports:all()
      assert.are.same({ "rate_limited", 1 }, { err.kind, err.attempts })
      assert.is_true(err.retry_at > os.time() + 365 * 86400)
    end
  end)

  it("with what has no form is refused, or read with replace_invalid", function()
    local body = '{"data":[{"a":"x\\ud800y","b":1e400},{"a":"\255","b":2}],"messages":[]}'
    local api = raw({ support.reply("200 OK", body) }, { max_attempts = 1 })
    local _, message, err = api.imports:data(1)
    assert.equal("protocol", err.kind)
    assert.matches("half of a surrogate pair", message)
    api = raw({ support.reply("200 OK", body) }, { replace_invalid = true, null_as_nil = true })
    local rows = assert(api.imports:data(1))
    assert.are.same({ { a = "x\239\191\189y" }, { a = "?", b = 2 } }, { rows[1], rows[2] })
  end)

  it("whose connection is reset while it is idle: nothing is sent on it, and the write goes on another", function()
    local kept = support.reply("200 OK", good, "")
    local api, server = raw { kept .. "!", support.reply("200 OK", '{"data":{"id":1},"messages":[]}') }
    assert(api.imports:all())
    server:go_on()
    local _, meta = assert(api.imports:import { records = {} })
    assert.are.same({ "applied", 1 }, { meta.fate, meta.attempts })
    local requests = server:requests()
    assert.equal(3, #requests)
    assert.equal("", requests[2])
  end)

  it("that comes twice: the second is no reply to the next call", function()
    local kept = support.reply("200 OK", good, "")
    local api, server = raw { kept .. "?", support.reply("200 OK", '{"data":{"id":7},"messages":[]}') }
    assert(api.imports:all())
    server:go_on()
    local data, meta = assert(api.imports:import { records = {} })
    assert.are.same({ 7, "applied", 1 }, { data.id, meta.fate, meta.attempts })
    assert.equal(3, #server:requests())
  end)
end)

describe("the option proxy", function()
  it("counts whatever no_proxy says", function()
    local proxy = support.raw_server { support.reply("200 OK", '{"data":[],"messages":[]}') }
    finally(function() proxy:stop() end)
    local script = system.file(([[
      local api = require("flarelight").new { api_key = "k", subscription_id = "00000000-0000-4000-8000-000000000001",
        base_url = "http://127.0.0.1:1", proxy = %q, max_attempts = 1 }
      print((select(2, api.imports:all())))]]):format(proxy.url), ".lua")
    local output = system.shell(("no_proxy='*' %s %s 2>&1"):format(system.interpreter, script))
    assert.matches("^table", output)
    assert.matches("^GET http://127%.0%.0%.1:1/Import/All", proxy:requests()[1])
  end)
end)
