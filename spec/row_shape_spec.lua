--- Rows are read through functions made for the names of their members (lua/flarelight/row_shape.lua): whatever
-- the members are, the rows are those that the general decoder makes of the same text.

local core = require "flarelight.core"
local json = require "flarelight.json"
local row_shape = require "flarelight.row_shape"
local support = require "support"
local system = require "support.system"

describe("rows by their shape", function()
  local wide = {}
  for i = 1, 101 do wide[i] = ('"c%d":%d'):format(i, i) end
  local many = {} -- more shapes than a stream looks at
  for i = 1, 40 do many[i] = ('{"id":%d,"x%d":true,"y%d":[%d]}'):format(i, i % 13, i % 7, i) end

  local cases = {
    { "all alike", '{"a":1,"b":"x"}', '{"a":2,"b":"x"}', '{"a":3,"b":"y"}' },
    { "members that are missing", '{"a":1,"b":2,"c":3}', '{"a":1}', '{"b":2}', '{"c":3}', '{"a":4,"c":5}', '{"a":6,"b":7,"c":8}' },
    { "members that come later", '{"b":1}', '{"a":0,"b":2}', '{"b":3,"c":4}', '{"a":5,"b":6,"c":7,"d":8}', '{"b":9}' },
    { "another order", '{"a":1,"b":2}', '{"b":3,"a":4}', '{"a":5,"b":6}', '{"b":7,"a":8}' },
    { "a name twice", '{"a":1,"b":2}', '{"a":3,"a":4}', '{"a":5,"b":6,"a":null}', '{"a":7,"b":8}', '{"b":1,"b":2}' },
    { "nothing in them", "{}", '{"a":1}', "{}", "{}", '{"a":2}' },
    { "nulls", '{"a":null,"b":1}', '{"a":2,"b":null}', '{"a":null,"b":null}', '{"a":3,"b":4}' },
    { "names that are code", [=[{"end":1,"a\"]=v1}os.exit()--":2,"]]":3,"\\":4,"%s":5,"VALUES":6,"v1":7}]=],
      [=[{"end":8,"a\"]=v1}os.exit()--":9,"]]":10,"\\":11,"%s":12,"VALUES":13,"v1":14}]=] },
    { "names of odd bytes", [[{"":1,"\u0000":2,"\n":3,"\r\n":4,"é":5,"\ud83d\ude00":6,"1":7,"a b":8,"\t\"":9}]],
      [[{"":9,"\u0000":8,"\n":7,"\r\n":6,"é":5,"\ud83d\ude00":4,"1":3,"a b":2,"\t\"":1}]] },
    { "names that begin alike", '{"ab":1,"a":2,"abc":3}', '{"ab":4,"a":5,"abc":6}', '{"a":7}', '{"abc":8}' },
    { "values of every kind", '{"a":9007199254740993,"b":-0.0,"c":1e300,"d":123456789012345678901,"e":{"a":[{"a":1}]}}',
      '{"a":true,"b":[],"c":{},"d":"\\u00e9","e":false}' },
    { "more members than a shape has", "{" .. table.concat(wide, ",") .. "}", "{" .. table.concat(wide, ",", 1, 100) .. "}" },
    { "more shapes than are looked at", unpack = many },
  }

  local box, api
  setup(function()
    box = support.sandbox { rate_limit = 0 }
    api = support.client(box)
  end)
  teardown(function()
    api:close()
    box:stop()
  end)

  -- Sends the rows as they are written, which no encoder would.
  local function import(rows)
    local path = system.file('{"name":"shapes","data":{"records":[' .. table.concat(rows, ",") .. "]}}")
    return json.decode((system.shell(("curl -s -H 'X-Api-Key: %s' -H 'X-Subscription-Id: %s' "
      .. "-H 'Content-Type: application/json' --data-binary @%s %s/Import/Data")
      :format(box.api_key, box.subscription_id, path, box.url)))).data.id
  end

  local function equal(expected, found)
    assert.are.same(expected, found)
    if math.type then assert.are.equal(math.type(expected), math.type(found)) end
  end

  for _, case in ipairs(cases) do
    for _, null_as_nil in ipairs { false, true } do
      it(case[1] .. (null_as_nil and ", nulls dropped" or ""), function()
        local texts = case.unpack or { (table.unpack or unpack)(case, 2) }
        local expected = core.decode("[" .. table.concat(texts, ",") .. "]", null_as_nil)
        local id = import(texts)
        local mine = support.client(box, { null_as_nil = null_as_nil })
        for way, page_size in pairs { loop = 5, next = 3, each = 1 } do
          local rows, count = mine.imports:rows(id, { page_size = page_size }), 0
          local function check(row, position)
            assert.are.equal(count, position)
            count = count + 1
            equal(expected[count], row)
          end
          if way ~= "next" then
            for row, position in rows do check(row, position) end
          else
            while true do
              local row, position, err = rows:next()
              assert.is_nil(err)
              if not position then break end
              check(row, position)
            end
          end
          assert.are.equal(#texts, count)
        end
        mine:close()
      end)
    end
  end

  it("rows that are no objects stand among them as they are", function()
    local body = '{"data":[1,"two",[3,4],{"a":1},{"a":2},null,{"a":3},true,[]],"messages":[]}'
    local ended = support.reply("200 OK", '{"data":[],"messages":[]}')
    local server = support.raw_server { support.reply("200 OK", body), ended }
    local mine, found = support.client(server, { max_attempts = 1 }), {}
    for row, position in mine.imports:rows(1, { prefetch = 0 }) do found[position + 1] = row end
    assert.are.same(core.decode(body, false).data, found)
    mine:close()
    server:stop()
  end)

  it("streams that share a shape do not disturb each other", function()
    local one, other = support.import(api, 90), support.import(api, 90)
    local streams = { api.imports:rows(one, { page_size = 7 }), api.imports:rows(other, { page_size = 11 }) }
    for n = 0, 89 do
      for _, stream in ipairs(streams) do
        assert.are.same({ n = n }, (stream:next()))
        if n % 9 == 0 then assert.are.same({ n = n }, api.imports:data(one, { start = n, count = 1 })[1]) end
      end
    end
    for _, stream in ipairs(streams) do assert.is_nil((stream:next())) end
  end)

  it("names that look alike side by side are names of their own", function()
    local one, other = import { '{"ab":1,"c":2}', '{"ab":3}' }, import { '{"a":1,"bc":2}', '{"bc":3}' }
    for _ = 1, 2 do
      assert.are.same({ { ab = 1, c = 2 }, { ab = 3 } }, api.imports:rows(one):batch(3))
      local row = api.imports:rows(one)()
      assert.are.same({ ab = 1, c = 2 }, row)
      row = api.imports:rows(other)()
      assert.are.same({ a = 1, bc = 2 }, row)
    end
  end)

  it("pages that come and go take nothing of each other", function()
    local ids = { import { '{"a":1,"b":"x"}' }, import { '{"c":"y"}', '{"a":2}' } }
    for turn = 1, 300 do
      local row = api.imports:rows(ids[turn % 2 + 1], { prefetch = 0, limit = 1 })()
      assert.are.same(turn % 2 == 0 and { a = 1, b = "x" } or { c = "y" }, row)
      collectgarbage()
    end
  end)

  it("merges names in an order that both have", function()
    local merges = {
      { "a b c", "a c", "a b c" }, { "a c", "a b c", "a b c" }, { "b", "a b", "a b" }, { "a", "a b", "a b" },
      { "a b", "b a", nil }, { "a b", "c", "c a b" }, { "a b", "b c", "a b c" }, { "a d", "b d", "b a d" },
    }
    local function split(text)
      local names = {}
      for name in text:gmatch "%S+" do names[#names + 1] = name end
      return names
    end
    for _, case in ipairs(merges) do
      local merged = row_shape.merge(split(case[1]), split(case[2]))
      assert.are.equal(case[3], merged and table.concat(merged, " "))
    end
    local most = {}
    for i = 1, row_shape.most do most[i] = "n" .. i end
    assert.are.equal(row_shape.most, #row_shape.merge(most, { "n1" }))
    assert.is_nil(row_shape.merge(most, { "n1", "another" }))
  end)

  it("a closed stream gives nothing, whatever its shape", function()
    local rows = api.imports:rows(support.import(api, 9))
    assert.are.same({ n = 0 }, (rows()))
    rows:close()
    assert.is_nil((rows()))
    assert.is_nil((rows:next()))
  end)
end)
