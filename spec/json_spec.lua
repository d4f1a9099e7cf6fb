-- JSON: what survives table -> wire -> table, and what is refused. By flarelight.json, and by real
-- imports whose text the sandbox keeps digit for digit.

local flarelight = require "flarelight"
local support = require "support"

local json, null, array, integer = flarelight.json, flarelight.null, flarelight.array, flarelight.integer
local has_integers = math.type ~= nil
local cjson = (function()
  local found, module = pcall(require, "cjson")
  return found and module or nil
end)()
local minus_zero = -1 / math.huge

-- What a text becomes, as one where every Lua agrees, else as { with integers, without }.
local function of_this_lua(choice)
  if type(choice) == "table" and choice.integers ~= nil then
    return has_integers and choice.integers or choice.doubles
  end
  return choice
end

-- Same value, same kind of number, same sign of zero, same mark of an array.
local function identical(left, right)
  if type(left) ~= type(right) then return false end
  if type(left) == "number" then
    if has_integers and math.type(left) ~= math.type(right) then return false end
    return left == right and 1 / left == 1 / right
  end
  if type(left) ~= "table" then return left == right end
  if getmetatable(left) ~= getmetatable(right) then return false end
  for name, value in pairs(left) do
    if not identical(value, right[name]) then return false end
  end
  for name in pairs(right) do
    if left[name] == nil then return false end
  end
  return true
end

local function assert_identical(expected, found, what)
  if identical(expected, found) then return end
  local function show(value) return type(value) == "table" and json.encode(value) or type(value) .. " " .. tostring(value) end
  error(("%s: expected %s, found %s"):format(what, show(expected), show(found)), 2)
end

local emoji = "\240\159\152\128"
local digits_53, digits_18, digits_20 = "9007199254740993", "123456789012345678", "18446744073709551616"

-- text -> value -> text. `value` and `again` may differ by Lua; `again` is the text itself where absent.
local texts = {
  { "0", 0 }, { "-1", -1 }, { "1", 1 }, { "9007199254740992", 9007199254740992 },
  { digits_53, { integers = tonumber(digits_53), doubles = digits_53 }, { integers = digits_53, doubles = '"' .. digits_53 .. '"' } },
  { "-" .. digits_53, { integers = -tonumber(digits_53), doubles = "-" .. digits_53 },
    { integers = "-" .. digits_53, doubles = '"-' .. digits_53 .. '"' } },
  { digits_18, { integers = tonumber(digits_18), doubles = digits_18 }, { integers = digits_18, doubles = '"' .. digits_18 .. '"' } },
  { "9223372036854775807", { integers = math.maxinteger or 0, doubles = "9223372036854775807" },
    { integers = "9223372036854775807", doubles = '"9223372036854775807"' } },
  { "-9223372036854775808", { integers = math.mininteger or 0, doubles = "-9223372036854775808" },
    { integers = "-9223372036854775808", doubles = '"-9223372036854775808"' } },
  { "9223372036854775808", "9223372036854775808", '"9223372036854775808"' },
  { digits_20, digits_20, '"' .. digits_20 .. '"' },
  { "9007199254740993.0", 9007199254740992.0, { integers = "9007199254740992.0", doubles = "9007199254740992" } },
  { "1e16", 1e16, { integers = "10000000000000000.0", doubles = "1e+16" } },
  { "1e308", 1e308, "1e+308" }, { "1E+2", 100.0, { integers = "100.0", doubles = "100" } },
  { "1.0", 1.0, { integers = "1.0", doubles = "1" } }, { "-0.0", minus_zero }, { "-0", minus_zero, "-0.0" },
  { "5e-324", 5e-324 }, { "2.2250738585072014e-308", 2.2250738585072014e-308 },
  { "1.7976931348623157e308", 1.7976931348623157e308, "1.7976931348623157e+308" },
  { "0.1", 0.1 }, { "0.30000000000000004", 0.1 + 0.2 }, { "0.300000000000000040", 0.1 + 0.2, "0.30000000000000004" },
  { "1.50", 1.5, "1.5" }, { "1e-400", 0.0, { integers = "0.0", doubles = "0" } },
  { "true", true }, { "false", false }, { "null", null },
  { '""', "" }, { '"\\u0000"', "\0" }, { '"\\ud83d\\ude00"', emoji, '"' .. emoji .. '"' },
  { '"' .. emoji .. '"', emoji }, { '"\\/\\u002f\\b\\f\\n\\r\\t\\u001f\\u007f"', "//\b\f\n\r\t\31\127", '"//\\b\\f\\n\\r\\t\\u001f\127"' },
  { '"\\u00e4\\u20AC"', "\195\164\226\130\172", '"\195\164\226\130\172"' }, { '"\\"\\\\"', '"\\' },
  { "[]", array {} }, { "{}", {} }, { "[null]", array { null } }, { "[[],{}]", array { array {}, {} } },
  { ' [ 1 , "a" ]\r\n\t', array { 1, "a" }, '[1,"a"]' }, { '{"a":{"b":[]}}', { a = { b = array {} } } },
  { '{"":1}', { [""] = 1 } }, { '{"1":2}', { ["1"] = 2 } }, { '{"a":1,"b":2,"a":[3]}', { a = array { 3 }, b = 2 }, false },
}

describe("json", function()
  it("reads and writes every value exactly", function()
    for _, case in ipairs(texts) do
      local value, message = json.decode(case[1])
      assert.is_nil(message, case[1])
      assert_identical(of_this_lua(case[2]), value, case[1])
      if case[3] ~= false then assert.equal(of_this_lua(case[3] or case[1]), json.encode(value)) end
    end
  end)

  it("skips one byte order mark, and counts it in positions", function()
    local mark = "\239\187\191"
    assert.are.same({ a = 1 }, json.decode(mark .. '{"a":1}'))
    assert.matches("at byte 5$", select(2, json.decode(mark .. "[")))
    for _, text in ipairs { mark .. mark .. "1", mark, " " .. mark .. "1", "1" .. mark, mark:sub(1, 2) .. "1" } do
      assert.is_nil((json.decode(text)))
    end
  end)

  -- Over the wire: each value a record's member, so that the text of a row is known to the byte.
  describe("over the wire", function()
    local box, api
    setup(function()
      box = support.sandbox()
      api = support.client(box)
    end)
    teardown(function()
      api:close()
      box:stop()
    end)

    it("keeps every value, to the digit", function()
      local records, rows, values = {}, {}, {}
      for _, case in ipairs(texts) do
        if case[3] ~= false then
          values[#values + 1] = of_this_lua(case[2])
          records[#records + 1] = { v = json.decode(case[1]) }
          rows[#rows + 1] = '{"v":' .. of_this_lua(case[3] or case[1]) .. "}"
        end
      end
      local expected = "[" .. table.concat(rows, ",") .. "]"
      local made = assert(api.imports:import { records = records })
      local sent = support.requests(box, "imports.import")
      assert.truthy(sent[#sent].body:find('"records":' .. expected, 1, true), sent[#sent].body)
      assert.equal(expected, box:rows_text(made.id))

      local page = assert(api.imports:data(made.id, { count = #values }))
      assert.equal(#values, #page)
      local streamed = api.imports:rows(made.id, { page_size = 7 })
      for i, value in ipairs(values) do
        assert_identical({ v = value }, page[i], rows[i])
        assert_identical({ v = value }, (streamed:next()), rows[i])
      end
      assert.is_nil((streamed:next()))
    end)

    it("sends the digits of flarelight.integer as a number", function()
      local made = assert(api.imports:import { records = { { v = integer(digits_53) }, { v = integer(digits_20) } } })
      assert.equal(('[{"v":%s},{"v":%s}]'):format(digits_53, digits_20), box:rows_text(made.id))
    end)

    it("sends records as an array, also when there are none", function()
      for _, given in ipairs { {}, array {} } do
        local made = assert(api.imports:import { records = given })
        assert.equal("[]", box:rows_text(made.id))
        local sent = box:requests()
        assert.truthy(sent[#sent].body:find('"records":[]', 1, true))
      end
    end)

    it("names the path of what it cannot send, and sends nothing", function()
      local before = #box:requests()
      local ok, message = pcall(function()
        return api.imports:import { records = { { v = 1 }, { v = { 1, 0 / 0 } } } }
      end)
      assert.is_false(ok)
      assert.matches("json_spec%.lua:%d+: flarelight: data%.records%[2%]%.v%[2%]: NaN has no form in JSON$", message)
      assert.equal(before, #box:requests())
    end)

    it("drops nulls where it is told to, but never a null data", function()
      local made = assert(api.imports:import { records = { { a = null, b = { 1, null, 3 }, c = { d = null } } } })
      local dropping = support.client(box, { null_as_nil = true })
      local kept, dropped = assert(api.imports:data(made.id))[1], assert(dropping.imports:data(made.id))[1]
      assert_identical({ a = null, b = array { 1, null, 3 }, c = { d = null } }, kept, "kept")
      assert_identical({ b = array { 1, nil, 3 }, c = {} }, dropped, "dropped")
      assert_identical({ b = array { 1, nil, 3 }, c = {} }, (dropping.imports:rows(made.id):next()), "dropped row")
      dropping:close()
      local odd = support.sandbox { past_end = "null" }
      local reader = support.client(odd, { null_as_nil = true })
      made = assert(reader.imports:import { records = {} })
      assert.equal(null, (assert(reader.imports:data(made.id, { start = 5 }))))
      reader:close()
      odd:stop()
    end)
  end)

  describe("refuses to write", function()
    local cyclic, deep = { a = {} }, {}
    cyclic.a.b = { cyclic.a }
    for _ = 1, 512 do deep = { deep } end
    local cases = {
      { 0 / 0, "NaN has no form" }, { { a = { 1, 0 / 0 } }, "a%[2%]: NaN has no form" },
      { { math.huge }, "%[1%]: infinity has no form" }, { { a = { b = -math.huge } }, "a%.b: infinity has no form" },
      { { f = print }, "f: a function has no form" }, { { a = { coroutine.create(function() end) } }, "a%[1%]: a thread has no form" },
      { io.stdout, "a userdata has no form" }, { cyclic, "a%.b%[1%]: the table contains itself" },
      { { a = { [1] = 1, [3] = 3 } }, "a: the array is sparse" }, { { [2] = 1 }, "the array is sparse" },
      { array { [1] = 1, [4] = 1 }, "the array is sparse" }, { { [2 ^ 53] = 1 }, "the array is sparse" },
      { { a = { 1, b = 2 } }, "a: the table mixes keys" }, { { b = 2, c = 3, 1 }, "the table mixes keys" },
      { { 1, nil, 3, [5] = 5 }, "the array is sparse" }, { array { a = 1 }, "the table mixes keys" }, { { [0] = 1 }, "no place in an array" },
      { { [1.5] = 1 }, "no place in an array" }, { { [-1] = 1 }, "no place in an array" },
      { { [true] = 1 }, "neither a string nor a place" }, { { a = { [{}] = 1 } }, "a: a key is neither" },
      { { s = "ab\255" }, "s: the string is not UTF%-8 %(at byte 3%)" }, { { { "\237\160\128" } }, "%[1%]%[1%]: the string is not UTF%-8" },
      { "\192\128", "the string is not UTF%-8 %(at byte 1%)" }, { { a = { ["\255"] = 1 } }, "a: a key is not UTF%-8" },
      { deep, "nested deeper than 512" },
    }
    for i, case in ipairs(cases) do
      it(("%d: %s"):format(i, case[2]:gsub("%%", "")), function()
        local ok, message = pcall(function() json.encode(case[1]) end)
        assert.is_false(ok)
        assert.matches("json_spec%.lua:%d+: flarelight: json%.encode: .*" .. case[2], message)
      end)
    end

    it("only where it must: a table may stand in two places, and 512 is deep enough", function()
      local shared = { 1 }
      assert.equal("[[1],[1]]", json.encode { shared, shared })
      local text = ("["):rep(512) .. ("]"):rep(512)
      assert.equal(text, json.encode((assert(json.decode(text)))))
      text = ('{"a":'):rep(511) .. "{}" .. ("}"):rep(511)
      assert.equal(text, json.encode((assert(json.decode(text)))))
    end)

    it("without asking metamethods", function()
      local value = setmetatable({ a = 1 }, { __index = error, __pairs = error, __len = error, __tostring = error })
      assert.equal('{"a":1}', json.encode(value))
    end)
  end)

  describe("refuses to read", function()
    local cases = {
      { "", "no value", 1 }, { "  ", "no value", 3 }, { "[1,]", "unexpected character", 4 }, { '{"a" 1}', "unexpected character", 6 },
      { "{a:1}", "unexpected character", 2 }, { "[1", "ends inside", 3 }, { '{"a":', "ends inside", 6 }, { '"ab', "ends inside", 4 },
      { "tru", "ends inside", 4 }, { "1 2", "text after", 3 }, { "{}x", "text after", 3 }, { "\239\187{}", "unexpected character", 1 },
      { "01", "malformed number", 2 }, { "1.", "ends inside", 3 }, { "[1.]", "malformed number", 4 }, { "+1", nil, 1 }, { ".5", nil, 1 },
      { "NaN", nil, 1 }, { "[Infinity]", nil, 2 }, { "-Infinity", "malformed number", 2 }, { "0x10", nil, 2 }, { "nan", nil, 2 },
      { "1e400", "beyond the range", nil }, { "[-1e400]", "beyond the range", nil },
      { '"\\x41"', "malformed escape", nil }, { '"\\u12G4"', "malformed escape", nil },
      { '"\\ud83d"', "half of a surrogate pair", 2 }, { '"\\ude00"', "half of a surrogate pair", 2 },
      { '"\\ud83dx"', "half of a surrogate pair", 2 }, { '"\\ud83d\\u0041"', "half of a surrogate pair", 2 },
      { '"a\nb"', "control character", 3 }, { '"a\0b"', "control character", 3 }, { '"a\255"', "not UTF%-8", 3 },
      { '"\237\160\128"', "not UTF%-8", 2 }, { '"\192\175"', "not UTF%-8", 2 }, { '{"\244\144\128\128":1}', "not UTF%-8", 3 },
      { "[1] // no", "text after", 5 }, { "[1,/**/2]", nil, 4 }, { "['a']", "unexpected character", 2 },
      { ("["):rep(513) .. ("]"):rep(513), "nested too deep", 513 },
    }
    for i, case in ipairs(cases) do
      it(("%d: %s"):format(i, case[1]:sub(1, 12):gsub("[^\32-\126]", "?")), function()
        local value, message = json.decode(case[1])
        assert.is_nil(value)
        assert.matches((case[2] or "") .. ".* at byte %d+$", message)
        if case[3] then assert.equal(case[3], tonumber(message:match "(%d+)$")) end
      end)
    end

    it("what is no string, where it was called", function()
      for _, wrong in ipairs { 1, {}, true } do
        local ok, message = pcall(function() json.decode(wrong) end)
        assert.is_false(ok)
        assert.matches("json_spec%.lua:%d+: flarelight: json%.decode: should be given a string", message)
      end
    end)
  end)

  describe("integer", function()
    it("takes digits of any length, and whole numbers", function()
      for _, case in ipairs {
        { "0", "0" }, { digits_20, digits_20 }, { "-5", "-5" }, { 7, "7" }, { 2 ^ 53, "9007199254740992" },
        { -3.0, "-3" }, { 1e15, "1000000000000000" }, has_integers and { math.maxinteger, "9223372036854775807" } or nil,
      } do
        assert.equal(case[2], json.encode(integer(case[1])))
        assert.equal(case[2], tostring(integer(case[1])))
      end
      assert.is_true(integer "7" == integer(7))
      assert.is_false(integer "7" == integer "8")
    end)
    it("and nothing else", function()
      for _, wrong in ipairs { "", "1.0", "1e5", "+1", " 1", "0x10", "-", "12a", 1.5, 2 ^ 54, 0 / 0, math.huge, "007", {}, true } do
        local ok, message = pcall(function() integer(wrong) end)
        assert.is_false(ok, tostring(wrong))
        assert.matches("json_spec%.lua:%d+: flarelight: integer: ", message)
      end
      local changed = integer "5"
      changed[1] = "5,6"
      assert.has_error(function() json.encode { changed } end)
    end)
  end)

  describe("array", function()
    it("marks a table, the one that it is given", function()
      local t = {}
      assert.equal(t, array(t))
      assert.equal('[[],{},[1],[]]', json.encode { t, {}, { 1 }, array() })
      assert.has_error(function() array "x" end)
    end)
    it("is what cjson says, where the cjson at hand says it", function()
      -- A light userdata that is not null: registries are keyed by them.
      local mark
      for key in pairs(debug.getregistry()) do
        if type(key) == "userdata" and key ~= null then mark = key break end
      end
      local kept, kept_safe = package.loaded["cjson"], package.loaded["cjson.safe"]
      local array_mt = {}
      for _, name in ipairs { "cjson", "cjson.safe" } do
        package.loaded["cjson"], package.loaded["cjson.safe"] = nil, nil
        local unmarked = pcall(json.encode, { mark })
        package.loaded[name] = { null = null, array_mt = array_mt, empty_array = mark }
        local ok, text = pcall(json.encode, { mark, setmetatable({}, array_mt), {}, null })
        package.loaded["cjson"], package.loaded["cjson.safe"] = kept, kept_safe
        assert.is_false(unmarked)
        assert.is_true(ok, text)
        assert.equal("[[],[],{},null]", text)
      end
    end)
    it("and null is cjson's", function()
      if not cjson then pending "needs lua-cjson" return end
      assert.equal(cjson.null, null)
      assert.equal("[null]", json.encode { cjson.null })
    end)
  end)

  -- The same documents on every Lua and in every run.
  local function generator(seed)
    local state = seed
    return function(most)
      state = (state * 16807) % 2147483647
      return state % most
    end
  end
  local pieces = { "a", "\"", "\\", "/", "\0", "\n", "\31", "\127", "\195\164", "\226\130\172", emoji, "\244\143\191\191", "x" }
  local function random_string(random)
    local parts = {}
    for i = 1, random(6) do parts[i] = pieces[random(#pieces) + 1] end
    return table.concat(parts)
  end
  local function wide_number(random)
    local kind = random(4)
    if kind == 0 then return random(2000000) - 1000000 end
    local number = (random(2 ^ 30) * 2 ^ 22 + random(2 ^ 22)) * 2.0 ^ (random(2000) - 1060)
    return kind == 1 and -number or number + 0.0
  end
  local function short_number(random) return (random(2000000) - 1000000) / 8 end
  local function random_value(random, number, least, depth)
    local kind = random(depth > 0 and 7 or 5)
    if kind == 0 then return null
    elseif kind == 1 then return random(2) == 0
    elseif kind == 2 then return random_string(random)
    elseif kind <= 4 then return number(random) end
    local value = {}
    for i = 1, least + random(5) do
      local name = kind == 5 and i or random_string(random)
      value[name] = random_value(random, number, least, depth - 1)
    end
    return kind == 5 and array(value) or value
  end

  it("gives random documents back as they were", function()
    local random = generator(20240607)
    for i = 1, 300 do
      local value = random_value(random, wide_number, 0, 4)
      local text = json.encode(value)
      assert_identical(value, (json.decode(text)), "document " .. i)
    end
  end)

  it("agrees with lua-cjson where that is exact", function()
    if not cjson then pending "needs lua-cjson" return end
    local random = generator(4711)
    local accepted = 0
    for _ = 1, 200 do
      local value = random_value(random, short_number, 1, 3)
      local text = json.encode(value)
      assert.same(value, cjson.decode("[" .. text .. "]")[1])
      assert.same(value, assert(json.decode(cjson.encode { value }))[1])
      -- One byte broken: what is still JSON to us is so to cjson, which is more lenient, and means the same.
      local at = random(#text) + 1
      local broken = "[" .. text:sub(1, at - 1) .. ('[]{}",:0-.e\\n'):sub(random(13) + 1):sub(1, 1) .. text:sub(at + 1) .. "]"
      local read = json.decode(broken)
      if read then
        accepted = accepted + 1
        assert.same(cjson.decode(broken), read)
      end
    end
    assert.is_true(accepted > 10)
  end)

  it("agrees with lua-cjson on real documents", function()
    if not cjson then pending "needs lua-cjson" return end
    for _, path in ipairs { "examples/data/birdstrikes.csv", "examples/data/seattle-weather.csv" } do
      local rows = {}
      for row in flarelight.csv.rows(path) do rows[#rows + 1] = row end
      assert.is_true(#rows > 1000)
      -- Whole, since strings are kept from row to row.
      assert.same(rows, cjson.decode(json.encode(rows)))
      assert.same(cjson.decode(cjson.encode(rows)), (json.decode(cjson.encode(rows))))
    end
  end)

  it("writes and reads numbers with a point whatever the locale", function()
    local before, comma = os.setlocale(nil, "numeric"), nil
    for _, name in ipairs { "de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR.utf8", "nl_NL.UTF-8", "pl_PL.UTF-8" } do
      comma = comma or os.setlocale(name, "numeric")
    end
    if not comma then pending "needs a locale with a decimal comma" return end
    local ok, text = pcall(json.encode, { 0.1, 1e300, 5e-324, 1.5 })
    local value = json.decode "[0.5,1.25e-7,0.30000000000000004,1234567890.12345678901234]"
    os.setlocale(before, "numeric")
    assert.is_true(ok, text)
    assert.equal("[0.1,1e+300,5e-324,1.5]", text)
    assert_identical(array { 0.5, 1.25e-7, 0.1 + 0.2, 1234567890.12345678901234 }, value, "numbers")
  end)
end)
