local entries = require "flarelight.cache.entries"

-- The bytes of an entry whose key has one character and whose reply has `size` bytes.
local function cost(size)
  local one = entries.new(math.huge)
  one:put("k", {}, size, 0)
  return one.bytes
end

describe("cache.entries", function()
  local function keys(self, names)
    local found = {}
    for name in names:gmatch "%S" do
      if self.by_key[name] then found[#found + 1] = name end
    end
    return table.concat(found)
  end

  it("drops the entries that were used longest ago", function()
    local self = entries.new(3 * cost(1000))
    for name in ("abc"):gmatch "." do self:put(name, {}, 1000, 0) end
    assert.are.equal("abc", keys(self, "a b c d"))
    self:get "a"
    self:put("d", {}, 1000, 0)
    assert.are.equal("acd", keys(self, "a b c d"))
    self:put("c", {}, 500, 0) -- replaced: counts as used, and once
    assert.are.equal(3, self.count)
    self:put("e", {}, 1000, 0)
    assert.are.equal("cde", keys(self, "a b c d e"))
    assert.are.equal(2 * cost(1000) + cost(500), self.bytes)
    self:put("f", {}, 2000, 0) -- needs the place of two
    assert.are.equal("ef", keys(self, "a b c d e f"))
  end)

  it("never holds more than it may", function()
    local self, seed = entries.new(20000), 7
    for _ = 1, 3000 do
      seed = (seed * 16807) % 2147483647
      local key = string.char(97 + seed % 23)
      local entry = self:get(key)
      if entry and seed % 5 == 0 then self:remove(entry)
      else self:put(key, {}, seed % 9000, 0) end
      local bytes, count = 0, 0
      for _, each in pairs(self.by_key) do bytes, count = bytes + each.bytes, count + 1 end
      assert.are.equal(bytes, self.bytes)
      assert.are.equal(count, self.count)
      assert.is_true(bytes <= 20000)
      local around, at = 0, self.newer
      while at ~= self do around, at = around + 1, at.newer end
      assert.are.equal(count, around)
    end
  end)

  it("stores no reply that is too large, and forgets the older reply of its key", function()
    local self = entries.new(5000)
    self:put("a", {}, 1000, 0)
    self:put("b", {}, 1000, 0)
    self:put("a", {}, 5000, 1)
    assert.are.equal("b", keys(self, "a b"))
    self:clear()
    assert.are.same({ 0, 0 }, { self.bytes, self.count })
    self:put("c", {}, 1000, 2)
    assert.are.equal(2, self:get("c").stored)
  end)
end)
