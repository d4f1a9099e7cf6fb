-- A call that waited for the rate budget was cancelled; the next call of that client, made before the budget was
-- there, never started: its client was in no list of those that wait. spec/core/engine/scheduler_spec.c has the
-- rule that it broke.

local support = require "support"

describe("a call after one that was cancelled while the budget was stopped", function()
  local opened = support.opened(after_each)

  it("starts when the budget is there", function()
    local sandbox, api = opened.service({}, { max_attempts = 1 })
    sandbox:fault { operation = "imports.all", kind = "throttle", retry_after = 1 }
    local _, _, err = api.imports:all()
    assert.equal("rate_limited", err.kind)
    local waiting = api:spawn(function() return api.imports:all() end)
    support.update_until(api, function() return api:quota().waiting == 1 end)
    waiting:cancel()
    support.update_until(api, function() return api:quota().waiting == 0 end)
    assert(api.imports:all { deadline = 20 })
  end)
end)
