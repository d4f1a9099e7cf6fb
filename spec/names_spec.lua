--- The keys of tables as sorted lists.

local flarelight = require "flarelight"
local names = require "flarelight.names"
local support = require "support"

describe("names.sorted", function()
  local cases = {
    { "of no table", nil, {} },
    { "of an empty table", {}, {} },
    { "of texts", { b = 1, a = false, ["10"] = 1, ["9"] = 1 }, { "10", "9", "a", "b" } },
    { "of numbers", { [10] = 1, [9] = 1, [-1.5] = 1 }, { -1.5, 9, 10 } },
    { "of numbers and texts", { a = 1, [2] = 1, ["1"] = 1, [10] = 1 }, { 2, 10, "1", "a" } },
  }
  for _, case in ipairs(cases) do
    it(case[1], function() assert.are.same(case[3], names.sorted(case[2])) end)
  end
end)

describe("a table with names of several types", function()
  local opened = support.opened(after_each)

  it("is misuse where names of labels are expected, and no error of Lua's", function()
    local _, api = opened.service()
    local raised, message = pcall(flarelight.metrics.prometheus, api, { labels = { "x", worker = "y" } })
    assert.is_false(raised)
    assert.matches('labels: "1" is no name of a label', message)
  end)
end)
