--- Who is let in to the sandbox, and how often.

local curl = require "sandbox.curl"
local system = require "support.system"

local SUBSCRIPTION, ask, start, import =
  curl.SUBSCRIPTION, curl.ask, curl.start, curl.import

describe("the sandbox", function()
  after_each(curl.stop_all)

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

    local hosts = {
      ["127.0.0.1"] = { localhost = 200, ["LOCALHOST:80"] = 200, ["127.0.0.1:1"] = 200, ["[::1]:80"] = 200,
        ["example.com"] = 403, ["localhost.example.com"] = 403, ["127.0.0.1.example.com:80"] = 403, ["10.0.0.1"] = 403 },
      ["127.0.0.2"] = { ["127.0.0.2"] = 200, ["127.0.0.3"] = 403 },
      ["0.0.0.0"] = { ["10.0.0.1:99"] = 200, ["[fe80::1]:99"] = 200, ["example.com"] = 403, [("9"):rep(99)] = 403 },
    }
    it("answers to the names of this machine alone", function()
      for address, names in pairs(hosts) do
        local box = start { address = address }
        for name, status in pairs(names) do
          local reply = ask(box, "/Import/All", { headers = { Host = name } })
          assert.equal(status, reply.status, address .. " " .. name)
          if status == 403 then assert.matches("does not name this machine", reply.body) end
        end
      end
    end)

    it("refuses a body whose length is told in two ways", function()
      local box = start()
      local body = '{"data":{"records":[{"n":1}]}}'
      local reply = ask(box, "/Import/Data", { body = body,
        headers = { ["Transfer-Encoding"] = "chunked", ["Content-Length"] = tostring(#body) } })
      assert.equal(400, reply.status)
      assert.equal(0, box:counts().imports)
      assert.equal(200, ask(box, "/Import/Data", { body = body, headers = { ["Transfer-Encoding"] = "chunked" } }).status)
    end)

    -- Sends bytes over a connection of their own, and prints "closed" when the other end has closed it.
    local SENDER = [[perl -MIO::Socket::INET -e '
      alarm 60; my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0]) or die;
      syswrite $socket, pack "H*", $ARGV[1]; 1 while sysread $socket, my $bytes, 4096; print "closed"' %d %s]]

    local function send(box, text)
      local hex = text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
      return assert(io.popen(SENDER:format(box.port, hex)))
    end

    it("closes a connection that sends nothing more", function()
      local box = start { connection_timeout = 1 }
      for _, text in ipairs { "", "GET /Import/All HTTP/1.1\r\nHost: loc",
        "POST /Import/Data HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{" } do
        local pipe = send(box, text)
        assert.equal("closed", pipe:read "*a")
        pipe:close()
      end
    end)

    it("reserves no memory for a body before the key is known to be right", function()
      local function size() return tonumber((system.read "/proc/self/status" or ""):match "VmSize:%s*(%d+)") end
      if not size() or system.checked then return pending "the size of the process cannot be read" end
      local box = start()
      box:fault { kind = "hang", times = 99, seconds = 60 } -- counts the requests whose headers have come
      local function grown_after(headers)
        local before, hits = size(), box:hits().total
        local pipe = send(box, ("POST /Import/Data HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
          .. "Content-Length: %d\r\n%s\r\n{"):format(2 ^ 28, headers))
        while box:hits().total == hits do os.execute "sleep 0.01" end
        for _ = 1, 100 do
          if size() - before > 2 ^ 17 then break end
          os.execute "sleep 0.01"
        end
        return size() - before > 2 ^ 17, pipe
      end
      local unknown, first = grown_after "X-Api-Key: other\r\n"
      assert.is_false(unknown)
      local known, second = grown_after(("X-Api-Key: %s\r\nX-Subscription-Id: %s\r\n"):format(curl.KEY, curl.SUBSCRIPTION))
      assert.is_true(known)
      box:stop()
      first:close()
      second:close()
    end)

    it("keeps only the beginning of a body without a valid key, and refuses it as such", function()
      local box = start()
      assert.equal(401, ask(box, "/Import/Data", { key = "other", body = ("x"):rep(100000) }).status)
      assert.equal(65536, box:requests()[1].body_bytes)
    end)

    it("has no more connections than it may", function()
      local box = start { max_connections = 1 }
      box:fault { kind = "hang", seconds = 60 }
      local pipe = curl.begin(box, "/Import/All")
      while box:hits().total == 0 do os.execute "sleep 0.01" end
      local reply, code = ask(box, "/Import/All", { extra = "--max-time 1" })
      assert.same({ nil, 28 }, { reply, code })
      assert.equal(1, #box:requests())
      box:stop()
      curl.finish(pipe)
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
      local box = start { rate_limit = 2, rate_window = 60, retry_after = "seconds" }
      local first = ask(box, "/Import/All")
      assert.same({ "2", "1", "60" }, { first.headers["x-ratelimit-limit"],
        first.headers["x-ratelimit-remaining"], first.headers["x-ratelimit-reset"] })
      assert.is_nil(first.headers["retry-after"])
      assert.equal(401, ask(box, "/Import/All", { key = "other" }).status)
      assert.equal("0", ask(box, "/Import/All").headers["x-ratelimit-remaining"])
      local refused = ask(box, "/Import/All")
      assert.equal(429, refused.status)
      local seconds = tonumber(refused.headers["retry-after"]:match "^%d+$")
      assert.is_true(seconds >= 1 and seconds <= 60, seconds)
      box = start { rate_limit = 1, rate_window = 2 }
      local statuses = {}
      local ends = os.time() + 60
      repeat
        local status = ask(box, "/Import/All").status
        if status ~= statuses[#statuses] then statuses[#statuses + 1] = status end
      until #statuses == 3 or os.time() > ends
      assert.same({ 200, 429, 200 }, statuses)
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
end)
