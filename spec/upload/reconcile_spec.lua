-- The policy of an upload in doubt, by tables of cases.

local flarelight = require "flarelight"
local reconcile = require "flarelight.upload.reconcile"

local null = flarelight.null
local function rows(text) return assert(flarelight.json.decode(text)) end

describe("reconcile", function()
  local same = {
    -- sent, found, exact, loose
    { '{"a":1}', '{"a":1}', true, true },
    { '{"a":1}', '{"a":1.0}', true, true },
    { '{"a":1}', '{"a":2}', false, false },
    { '{"a":1.50}', '{"a":1.5}', true, true },
    { '{"a":1.5}', '{"a":"1.5"}', false, true },
    { '{"a":1.5}', '{"a":"1.50"}', false, true },
    { '{"a":"1.5"}', '{"a":1.5}', false, false },
    { '{"a":1}', '{"a":"x"}', false, false },
    { '{"a":1}', '{"a":"0x1"}', false, false },
    { '{"a":1}', '{"a":true}', false, false },
    { '{"a":"x"}', '{"a":"x "}', false, false },
    { '{"a":1}', '{"a":1,"b":2}', false, true },
    { '{"a":1,"b":2}', '{"a":1}', false, false },
    { '{"a":null}', '{"a":null}', true, true },
    { '{"a":null}', '{}', false, true },
    { '{"a":null}', '{"a":0}', false, false },
    { '{"a":[1,2]}', '{"a":[1,2]}', true, true },
    { '{"a":[1,2]}', '{"a":[1,2,3]}', false, false },
    { '{"a":[]}', '{"a":[1]}', false, false },
    { '{"a":[]}', '{"a":{}}', false, false },
    { '{"a":{"b":1}}', '{"a":{"b":1,"c":2}}', false, true },
    { '{"a":9007199254740993}', '{"a":9007199254740993}', true, true },
    { '{"a":9007199254740993}', '{"a":9007199254740995}', false, false },
    { '{"a":12345678901234567890}', '{"a":12345678901234567891}', false, false },
    { '{"a":true}', '{"a":true}', true, true },
    { '{"a":false}', '{"a":null}', false, false },
  }
  it("compares rows", function()
    for _, case in ipairs(same) do
      local sent, found = rows(case[1]), rows(case[2])
      assert.are.equal(case[3], reconcile.same(sent, found, false), case[1] .. " exactly " .. case[2])
      assert.are.equal(case[4], reconcile.same(sent, found, true), case[1] .. " loosely " .. case[2])
    end
    assert.is_true(reconcile.same(null, nil, true))
  end)

  it("learns how they are compared", function()
    for _, case in ipairs {
      { '[{"a":1},{"a":2}]', '[{"a":1},{"a":2}]', "exact" },
      { '[{"a":1},{"a":2}]', '[{"a":1},{"a":2,"id":7}]', "loose" },
      { '[{"a":1},{"a":2}]', '[{"a":"1"},{"a":2}]', "loose" },
      { '[{"a":1},{"a":2}]', '[{"a":1},{"a":3}]', "unverifiable" },
      { '[{"a":1},{"a":2}]', '[{"a":1}]', "unverifiable" },
      { '[{"a":"x "}]', '[{"a":"x"}]', "unverifiable" },
    } do
      assert.are.equal(case[3], reconcile.learn(rows(case[1]), rows(case[2])), case[2])
    end
  end)

  local sent = '[{"n":1},{"n":2},{"n":3}]'
  it("judges a batch", function()
    for _, case in ipairs {
      -- found, anchored, comparison, verdict, rows of ours
      { '[]', true, "exact", "absent", 0 },
      { '[]', false, "exact", "behind", 0 },
      { sent, true, "exact", "applied", 3 },
      { sent, true, "unknown", "applied", 3 },
      { '[{"n":1},{"n":2}]', true, "exact", "partial", 2 },
      { '[{"n":2}]', true, "exact", "foreign", 0 },
      { '[{"n":1},{"n":2},{"n":9}]', true, "exact", "foreign", 2 },
      { '[{"n":1},{"n":2},{"n":3},{"n":4}]', true, "exact", "foreign", 0 },
      { '[{"n":3},{"n":2},{"n":1}]', true, "exact", "foreign", 0 },
      { '[{"n":1,"x":1},{"n":2,"x":1},{"n":3,"x":1}]', true, "exact", "foreign", 0 },
      { '[{"n":1,"x":1},{"n":2,"x":1},{"n":3,"x":1}]', true, "loose", "applied", 3 },
      { '[{"n":1,"x":1},{"n":2,"x":1},{"n":3,"x":1}]', true, "unknown", "applied", 3 },
      { sent, true, "unverifiable", "unverifiable", 0 },
      { '[]', true, "unverifiable", "absent", 0 },
    } do
      local verdict, count = reconcile.judge(rows(sent), rows(case[1]), case[2], case[3])
      if case[4] ~= "foreign" then assert.are.equal(case[5], count, case[1]) end
      assert.are.equal(case[4], verdict, case[1])
    end
  end)

  it("decides what follows", function()
    local absent, part, more = { "absent", 0 }, { "partial", 2 }, { "partial", 3 }
    local behind, applied = { "behind", 0 }, { "applied", 5 }
    for _, case in ipairs {
      { { applied }, "applied" }, { { { "foreign", 0 } }, "foreign" }, { { { "unverifiable", 0 } }, "unverifiable" },
      { { absent }, "look" }, { { absent, absent }, "again" }, { { absent, applied }, "applied" },
      { { part }, "look" }, { { part, part }, "partial" }, { { part, more }, "look" }, { { part, more, more }, "partial" },
      { { absent, part }, "look" }, { { part, absent }, "look" }, { { behind, absent }, "look" },
      { { behind, behind }, "look" }, { { behind, behind, behind, behind }, "give_up" },
      { { absent, behind, absent, behind }, "give_up" }, { { behind, behind, absent, absent }, "again" },
    } do
      assert.are.equal(case[2], reconcile.decide(case[1], 4))
    end
  end)

  it("looks for an import by its mark", function()
    local mark = "[upload 7]"
    for _, case in ipairs {
      { '[]', "absent" },
      { '[{"id":1,"description":"d [upload 7]"}]', "found", 1 },
      { '[{"id":1,"description":"d"}]', "absent" },
      { '[{"id":1}]', "hidden" }, { '[{"id":1,"description":null}]', "hidden" }, { '[{"id":1,"description":""}]', "hidden" },
      { '[{"id":1,"description":"[upload 7]"},{"id":2,"description":"[upload 7]"}]', "several" },
      { '[{"importId":1,"description":"[upload 7]"}]', "nameless" },
      { '[{"id":null,"description":"[upload 7]"},{"id":1,"description":"d"}]', "nameless" },
      { '[{"id":"x","description":"[upload 7]"},{"id":2,"description":"[upload 8]"}]', "found", "x" },
    } do
      local verdict, id = reconcile.created(rows(case[1]), mark)
      assert.are.equal(case[2], verdict, case[1])
      assert.are.equal(case[3], id)
    end
    for _, case in ipairs {
      { { "absent" }, "look" }, { { "absent", "absent" }, "again" }, { { "absent", "found" }, "found" },
      { { "hidden" }, "hidden" }, { { "absent", "several" }, "several" },
    } do
      assert.are.equal(case[2], reconcile.decide_created(case[1]))
    end
  end)

  it("tells an update that appends from one that replaces", function()
    local one, two = { a = 1 }, { a = 2 }
    assert.are.equal("appended", reconcile.appended(one, two, { a = 1 }, "unknown"))
    assert.are.equal("replaced", reconcile.appended(one, two, { a = 2 }, "unknown"))
    assert.are.equal("unclear", reconcile.appended(one, two, { a = 3 }, "unknown"))
    assert.are.equal("unclear", reconcile.appended(one, one, { a = 1 }, "unknown"))
    assert.are.equal("unclear", reconcile.appended(one, two, nil, "unknown"))
    assert.are.equal("unclear", reconcile.appended(one, two, { a = 1 }, "unverifiable"))
  end)

  it("finds the end of an import in few reads", function()
    for _, rows_there in ipairs { 0, 1, 2, 3, 4, 5, 63, 64, 65, 1000, 12345, 240000, 2 ^ 20 - 1 } do
      local state, position, count = reconcile.probe()
      local reads = 0
      while position do
        reads = reads + 1
        state, position, count = reconcile.probe(state, position < rows_there)
      end
      assert.are.equal(rows_there, count)
      assert.is_true(reads <= 30, ("%d rows took %d reads"):format(rows_there, reads))
    end
  end)

  it("ends the search where rows are everywhere", function()
    local state, position, count = reconcile.probe()
    local reads = 0
    while position do
      reads = reads + 1
      state, position, count = reconcile.probe(state, true)
    end
    assert.is_nil(count)
    assert.are.equal(2, reads)
  end)

  it("settles longer and longer", function()
    local waits = {}
    for look = 1, 6 do waits[look] = reconcile.settle(2, look) end
    assert.are.same({ 2, 4, 8, 16, 30, 30 }, waits)
    assert.are.equal(60, reconcile.settle(60, 3))
  end)
end)
