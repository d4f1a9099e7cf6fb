-- lua-cjson beside flarelight, loaded before and after it: the values and marks that both share. Each case is a Lua of its
-- own, since a module is loaded once.

local system = require "support.system"

local HAS_CJSON = pcall(require, "cjson")

-- What a new Lua prints that loads the two in this order. `stand_in`: code instead of the real cjson.
local function printed(order, code, stand_in)
  local load = {
    cjson = stand_in or 'local cjson = require "cjson"', flarelight = 'local flarelight = require "flarelight"',
  }
  local script = load[order[1]] .. "\n" .. load[order[2]] .. "\n" .. code
  return (system.shell(("%s -e %s 2>&1"):format(system.quote(system.interpreter), system.quote(script))))
end

-- As OpenResty's cjson, whose marks Debian's lacks: it writes a table with its metatable as an array.
local STAND_IN = [[
  local cjson = { array_mt = {} }
  function cjson.encode(value) return getmetatable(value) == cjson.array_mt and "[]" or "{}" end
  package.loaded.cjson = cjson]]

local ORDERS = { { "cjson", "flarelight" }, { "flarelight", "cjson" } }

describe("lua-cjson and flarelight", function()
  for place, order in ipairs(ORDERS) do
    local name = table.concat(order, " before ")

    it("share null, both ways: " .. name, function()
      if not HAS_CJSON then return pending "needs lua-cjson" end
      assert.are.equal('true\tnull\t[null]\ttrue\t{"a":null}\n', printed(order, [[
        print(cjson.null == flarelight.null, cjson.encode(flarelight.null), flarelight.json.encode { cjson.null },
          cjson.decode('[null]')[1] == flarelight.null, cjson.encode(flarelight.json.decode '{"a":null}'))]]))
    end)

    it("read what the other has written: " .. name, function()
      if not HAS_CJSON then return pending "needs lua-cjson" end
      assert.are.equal('[1.5,"a",{"b":[true,null]}]\t[1.5,"a",{"b":[true,null]}]\n', printed(order, [[
        local text = '[1.5,"a",{"b":[true,null]}]'
        print(cjson.encode(flarelight.json.decode(text)), flarelight.json.encode(cjson.decode(text)))]]))
    end)

    it("share the mark of arrays, where cjson has one: " .. name, function()
      -- The README says which direction needs cjson to be first.
      local expected = place == 1 and "[]\t[]\t[]\n" or "[]\t{}\t{}\n"
      assert.are.equal(expected, printed(order, [[
        print(flarelight.json.encode(setmetatable({}, cjson.array_mt)), cjson.encode(flarelight.json.decode "[]"),
          cjson.encode(flarelight.array {}))]], STAND_IN))
    end)
  end

  it("changes nothing for a cjson without marks, or one that is no table", function()
    for _, loaded in ipairs { "{}", "5", "{ array_mt = 1 }" } do
      assert.are.equal("[]\t{}\n", printed(ORDERS[1], [[
        print(flarelight.json.encode(flarelight.json.decode "[]"), flarelight.json.encode {})]],
        "package.loaded.cjson = " .. loaded))
    end
  end)
end)
