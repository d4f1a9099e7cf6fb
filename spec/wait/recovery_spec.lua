-- The later judgement of a start in doubt: tables of sights in, decisions out, with times given.

local recovery = require "flarelight.wait.recovery"

describe("the judgement of a start in doubt", function()
  local SENT = 1795658400 -- 2026-11-26T02:00:00Z

  it("reads times with their zone, and nothing else", function()
    for _, case in ipairs {
      { "2026-11-26T02:00:00Z", SENT }, { "2026-11-26T02:00:00.25Z", SENT + 0.25 },
      { "2026-11-26T03:30:00+01:30", SENT }, { "2026-11-25 21:00:00-0500", SENT }, { "1970-01-01T00:00:00Z", 0 },
      { "2024-02-29T00:00:00Z", 1709164800 }, { "2000-03-01T00:00:00Z", 951868800 },
      { SENT, SENT }, { SENT * 1000, SENT }, { 12, nil }, { "2026-11-26T02:00:00", nil }, { "2026-11-26", nil },
      { "Running", nil }, { true, nil }, { {}, nil }, { "2026-11-26T02:00:00 EST", nil },
    } do
      assert.are.equal(case[2], recovery.moment(case[1]), tostring(case[1]))
    end
  end)

  local function note(entry, ahead) return { before = { entry = entry }, timeout = 60, ahead = ahead } end
  local function seen(now) return { seen_in = "entry", changed = { at = { before = nil, now = now } } } end

  it("takes any change for proof while the start is watched, and later a change of that time alone", function()
    local within, ends, long = SENT + 30, SENT + 60, SENT + 3600
    for number, case in ipairs {
      -- proof, what is shown, when
      { false, "nothing", nil, within }, { true, "done", seen "x", within }, { true, "failed", seen "x", within },
      { true, "running", nil, within }, { true, "done", seen "x", ends + 2 }, { false, "done", seen "x", ends + 3 },
      { false, "running", nil, long }, { true, "done", seen "2026-11-26T02:00:59Z", long },
      { true, "done", seen "2026-11-26T02:00:00Z", long }, { true, "failed", seen(SENT + 5), long },
      { false, "done", seen "2026-11-26T02:02:00Z", long }, { false, "done", seen "2026-11-26T01:59:00Z", long },
    } do
      assert.are.equal(case[1], recovery.proves(nil, note { id = 1 }, SENT, case[2], case[3], case[4]), number)
    end
  end)

  it("goes by the service's clock", function()
    local late = seen "2026-11-26T02:10:30Z"
    assert.is_false(recovery.proves(nil, note({ id = 1 }, 0), SENT, "done", late, SENT + 3600))
    assert.is_true(recovery.proves(nil, note({ id = 1 }, 600), SENT, "done", late, SENT + 3600))
  end)

  it("proves nothing if a run was under way before the start", function()
    assert.is_false(recovery.proves(nil, note { id = 1, status = "Running" }, SENT, "done", seen "x", SENT + 1))
  end)

  it("says what is shown, and what was shown before the start", function()
    assert.are.equal("since before the start the entry of report 1 has changed: a was nothing, is 2; b was 1, is another "
      .. "value", recovery.words("report 1", "done",
      { seen_in = "entry", changed = { b = { before = 1, now = {} }, a = { now = 2 } } }))
    assert.are.equal("a run of report 1 is under way", recovery.words("report 1", "running"))
    assert.matches("^nothing that the service shows of report 1 has changed", recovery.words("report 1", "nothing"))
    assert.are.equal("status Completed, updatedAt 2026-11-26T02:00:00Z",
      recovery.before(note { id = 1, name = "n", status = "Completed", updatedAt = "2026-11-26T02:00:00Z" }))
    assert.is_nil(recovery.before(note(false)))
    assert.is_nil(recovery.before { before = {} })
  end)
end)
