--- What the sandbox does wrong when it is told to.

local curl = require "sandbox.curl"
local system = require "support.system"

local transfer, begin, finish, ask, ask_many, start, import, data_of =
  curl.transfer, curl.begin, curl.finish, curl.ask, curl.ask_many, curl.start, curl.import, curl.data_of

describe("the sandbox", function()
  after_each(curl.stop_all)

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
      { { kind = "bom" }, 0, 200, 4 },
      { { kind = "header" }, 0, 200, 4 },
      { { kind = "trailer" }, 0, 200, 4 },
      { { kind = "fail_run" }, 0, 200, 4 },
      { { kind = "lose_run" }, 0, 200, 4 },
    }
    local function check(case, box, pipe)
      local name = case[1].kind
      local reply, code = finish(pipe)
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
    it("once, as each kind says, and recovers", function()
      -- Those that curl gives up on come at the same time, after the others, so that they get what does come before.
      for _, gives_up in ipairs { false, true } do
        local boxes, pipes = {}, {}
        for i, case in ipairs(cases) do
          if (case[2] == 28) == gives_up then
            boxes[i] = start()
            case[1].operation = "imports.import"
            boxes[i]:fault(case[1])
            local limit = gives_up and "--max-time 3" or ""
            pipes[i] = begin(boxes[i], "/Import/Data", { body = one, extra = limit .. " --compressed" })
          end
        end
        for i, case in ipairs(cases) do
          if pipes[i] then check(case, boxes[i], pipes[i]) end
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

    it("with bytes and lines that belong somewhere else", function()
      local box = start()
      local plain = ask(box, "/Import/All").body
      box:fault { kind = "bom" }
      assert.equal("\239\187\191" .. plain, ask(box, "/Import/All").body)
      box:fault { kind = "header", line = "HTTP/1.1: 429 Too Many" }
      local output = system.shell("curl " .. transfer(box.url .. "/Import/All"))
      assert.matches("^HTTP/1.1 200 OK\r\n.*\nHTTP/1.1: 429 Too Many\r\n.*" .. plain:gsub("%p", "%%%0") .. "$", output)
      box:fault { kind = "trailer", line = "X-RateLimit-Remaining: 0" }
      local reply = ask(box, "/Import/All", { extra = "--raw" })
      assert.matches("chunked", reply.headers["transfer-encoding"])
      assert.matches("\r\n0\r\nX%-RateLimit%-Remaining: 0\r\n\r\n$", reply.body)
    end)

    it("but not with a line that is none", function()
      local box = start()
      for _, line in ipairs { "nothing", "a: b\r\nc: d", ": x", "a b: c" } do
        assert.error_matches(function() box:fault { kind = "header", line = line } end, "line must be a header's line")
      end
    end)

    it("with a body of several members of gzip", function()
      local box = start()
      local body = ask(box, "/Import/All").body
      local path = system.path()
      for bytes, note in pairs { [0] = "", [3] = "trailing garbage" } do
        box:fault { kind = "gzip_members", bytes = bytes }
        system.write(path, (ask(box, "/Import/All").body))
        local said = system.shell("gzip -dc < " .. system.quote(path) .. " 2>&1")
        assert.matches(body, said, 1, true)
        assert.matches(note, said, 1, true)
        -- RFC 1952: a member begins with these bytes.
        local _, members = system.read(path):gsub("\31\139\8", "")
        assert.equal(2, members)
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
      local faults = { { kind = "commit_late", seconds = 0.1 }, { kind = "hang", seconds = 0.1, late = true } }
      for _, fault in ipairs(faults) do
        local box = start()
        fault.operation = "imports.import"
        box:fault(fault)
        local _, code = ask(box, "/Import/Data", { body = one, headers = { ["X-Request-Id"] = "a" } })
        assert.equal(52, code)
        local rows
        for _ = 1, 1000 do
          ask(box, "/Import/All")
          rows = box:counts().rows
          if rows == 4 then break end
        end
        assert.equal(4, rows)
        assert.is_true(box:requests()[1].committed)
      end
      local box = start()
      box:fault { kind = "commit_late", seconds = 60 }
      assert.equal(52, (select(2, ask(box, "/Import/Data", { body = one }))))
      assert.is_false(box:requests()[1].committed)
      assert.equal(0, box:counts().rows)
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
end)
