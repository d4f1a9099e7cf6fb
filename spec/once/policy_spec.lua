-- The rules of once, as tables of cases: what a block that was begun before may do, and a write inside.

local policy = require "flarelight.once.policy"

local function write(state, repeatable) return { state = state, repeatable = repeatable or false } end

describe("the rules of once:", function()
  local begin = {
    { "a new key runs", nil, {}, "run" },
    { "a key that is done gives its result", { state = "done" }, {}, "result" },
    { "one that is done gives it whatever its writes say", { state = "done" }, { write "sent" }, "result" },
    { "one that was broken off before any write runs", { state = "running" }, {}, "run" },
    { "one that failed before any write runs", { state = "stopped" }, {}, "run" },
    { "one whose writes are applied runs", { state = "running" }, { write "applied" }, "run" },
    { "one that was broken off in a write looks", { state = "running" }, { write "sent" }, "look" },
    { "one that failed with a write in doubt looks", { state = "stopped" }, { write "in_doubt" }, "look" },
    { "one write in doubt among others looks", { state = "running" }, { write "applied", write "in_doubt" }, "look" },
    { "a write that may be repeated is no reason to look", { state = "running" },
      { write("sent", true), write("in_doubt", true) }, "run" },
  }
  for _, case in ipairs(begin) do
    it(case[1], function() assert.are.equal(case[4], policy.begin(case[2], case[3])) end)
  end

  it("what was looked for is done, runs, or is in doubt", function()
    assert.are.same({ "done", "run", "in_doubt" },
      { policy.after_look(true), policy.after_look(false), policy.after_look(nil) })
  end)

  for fate, kept in pairs {
    applied = "applied", in_doubt = "in_doubt", partial = "in_doubt", foreign = "in_doubt", not_sent = false,
    rejected = false,
  } do
    it("a write that is " .. fate .. " is kept as " .. tostring(kept), function()
      assert.are.equal(kept or nil, policy.after_write(fate))
    end)
  end

  it("a write without a fate is in doubt", function() assert.are.equal("in_doubt", policy.after_write(nil)) end)

  local function made(operation, target, sha256) return { operation = operation, target = target, sha256 = sha256 } end
  local claims = {
    { "no earlier write", {}, "send" },
    { "the same write", { made("a", "/1", "x") }, "replay", 1 },
    { "the same write behind another", { made("a", "/2", "x"), made("a", "/1", "x") }, "replay", 2 },
    { "the first of two that are the same", { made("a", "/1", "x"), made("a", "/1", "x") }, "replay", 1 },
    { "another body", { made("a", "/1", "y") }, "differs", 1 },
    { "another body and the same", { made("a", "/1", "y"), made("a", "/1", "x") }, "replay", 2 },
    { "another target", { made("a", "/2", "x") }, "send" },
    { "another operation", { made("b", "/1", "x") }, "send" },
  }
  for _, case in ipairs(claims) do
    it("a write after " .. case[1] .. ": " .. case[3], function()
      local action, record = policy.claim(case[2], made("a", "/1", "x"))
      assert.are.equal(case[3], action)
      assert.are.equal(case[4] and case[2][case[4]] or nil, record)
    end)
  end
end)
