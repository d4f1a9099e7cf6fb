--- What the sandbox takes in, and the pages it gives of it.

local curl = require "sandbox.curl"
local sandbox = require "flarelight.sandbox"

local UUID, ask, start, import, data_of =
  curl.UUID, curl.ask, curl.start, curl.import, curl.data_of

describe("the sandbox", function()
  after_each(curl.stop_all)

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
      { { start_mode = "ignored" }, "?start=4&count=2", '[{"n":0},{"n":1}]' },
      { { start_mode = "ignored", past_end = "404" }, "?start=99&count=1", '[{"n":0}]' },
      { { start_mode = "clamped" }, "?start=4&count=2", '[{"n":4},{"n":5}]' },
      { { start_mode = "clamped" }, "?start=99&count=2", '[{"n":8},{"n":9}]' },
      { { start_mode = "clamped", count_cap = 1 }, "?start=99&count=5", '[{"n":9}]' },
      { { start_mode = "repeated" }, "?start=13&count=2", '[{"n":3},{"n":4}]' },
      { { start_mode = "repeated" }, "?start=19&count=2", '[{"n":9}]' },
      { { start_mode = "shuffled" }, "?start=10&count=2", "[]" },
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

    it("from places that change where asked to", function()
      local box = start { start_mode = "shuffled" }
      import(box, ten)
      local seen, places = {}, 0
      for _ = 1, 10 do
        local row = data_of(ask(box, "/Import/1/Data?start=3&count=1"))
        assert.matches('^%[{"n":%d}%]$', row)
        if not seen[row] then places = places + 1 end
        seen[row] = true
      end
      assert.is_true(places > 5)
    end)

    it("as ever from an import without rows, in every mode", function()
      for _, mode in ipairs { "honoured", "ignored", "clamped", "repeated", "shuffled" } do
        local box = start { start_mode = mode }
        import(box, "[]")
        assert.equal("[]", data_of(ask(box, "/Import/1/Data?start=5")), mode)
      end
    end)

    it("in an order that changes where asked to", function()
      local box = start { row_order = "alternating" }
      import(box, '[{"n":0},{"n":1}]')
      assert.equal('[{"n":0},{"n":1}]', data_of(ask(box, "/Import/1/Data")))
      assert.equal('[{"n":1},{"n":0}]', data_of(ask(box, "/Import/1/Data")))
    end)

    it("in another order for each request where asked to, each row once", function()
      local box = start { row_order = "shuffled" }
      import(box, ten)
      local orders, different = {}, 0
      for _ = 1, 5 do
        local rows, found = data_of(ask(box, "/Import/1/Data")), {}
        for n in rows:gmatch "%d" do found[#found + 1] = n end
        if not orders[rows] then different = different + 1 end
        orders[rows] = true
        table.sort(found)
        assert.equal("0123456789", table.concat(found))
      end
      assert.is_true(different > 2)
      import(box, "[]")
      assert.equal("[]", data_of(ask(box, "/Import/2/Data")))
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
end)
