-- What torture compares: the texts of rows.

local holdings = require "flarelight.torture.holdings"

describe("torture", function()
  it("takes rows as they are written", function()
    local texts = {}
    for text in holdings.rows_of '[{"a":"}{\\"]\\\\"}, {"b":{"c":[{}]}},\n{}]' do texts[#texts + 1] = text end
    assert.are.same({ '{"a":"}{\\"]\\\\"}', '{"b":{"c":[{}]}}', "{}" }, texts)
    for _ in holdings.rows_of "[]" do error "there is none" end
  end)

  it("compares rows whose members stand in another order", function()
    local cases = {
      { "{}", "{}" }, { '{"a":1}', '{"a":1}' }, { '{"b":[1,{"x":2,"y":"},"}],"a":"\\",{"}', '{"a":"\\",{","b":[1,{"x":2,"y":"},"}]}' },
    }
    for _, case in ipairs(cases) do assert.are.equal(case[2], holdings.in_order(case[1])) end
  end)

  it("counts what is lost and what is repeated", function()
    local function held(rows) return { name = { rows = rows } } end
    local cases = {
      { { a = 1, b = 2 }, { a = 1, b = 2 }, 0, 0 }, { { a = 1, b = 2 }, { b = 1 }, 2, 0 },
      { { a = 1 }, { a = 3 }, 0, 2 }, { { a = 1 }, { b = 1 }, 1, 1 }, { {}, {}, 0, 0 },
      -- with a rejects file: what stands in it is not lost, but should not be there as well
      { { a = 1, b = 2 }, { a = 1, b = 1 }, 0, 0, { b = 1, bad = 3 } }, { { a = 1, b = 2 }, { a = 1 }, 1, 0, { b = 1 } },
      { { a = 1, b = 2 }, { a = 1, b = 2 }, 0, 1, { b = 1 } }, { { a = 1 }, {}, 1, 0, { bad = 1 } },
    }
    for _, case in ipairs(cases) do
      assert.are.same({ case[3], case[4] }, { holdings.compare(held(case[1]), held(case[2]), case[5]) })
    end
    assert.are.same({ ['{"a":"\\"data\\":1","b":[{}]}'] = 2, ["{}"] = 1 }, holdings.rejected {
      [[{"record":1,"line":2,"messages":["\"data\":{"],"data":{"a":"\"data\":1","b":[{}]}}]],
      [[{"record":2,"messages":[{"data":{"x":1}}],"data":{}}]],
      [[{"record":3,"line":4,"messages":[],"data":{"a":"\"data\":1","b":[{}]}}]],
    })
    assert.are.same({ 1, 1 }, { holdings.compare({ one = { rows = { a = 1 } } }, { other = { rows = { a = 1 } } }) })
  end)
end)
