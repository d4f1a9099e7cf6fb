--- The outcome of a wait for a run: the proof, and the errors. Pure.
--
-- A watch (wait/init.lua) has `operation`, `subject` (as "report 3"), `timeout`, `looks`, `was_running`, `failure` (the
-- message of the last read if it failed), `rule` and `done` (whether the caller's function decides about the end).

local errors = require "flarelight.error"

local outcome = {}

--- The observations, for `meta.proof` and `err.proof`.
---@param watch table
---@param seen table? of verdict.judge; nil: nothing
---@param seconds number since the start
---@param acknowledged boolean whether the service has acknowledged the start
---@return flarelight.Proof
function outcome.proof(watch, seen, seconds, acknowledged)
  local proof = {
    profile = watch.rule ~= nil, acknowledged = acknowledged, seconds = seconds, looks = watch.looks,
  }
  for _, name in ipairs { "seen_in", "changed", "status", "entry", "value" } do proof[name] = seen and seen[name] end
  return proof
end

-- `members`: the fate, the proof, and `data`, the reply to the start.
local function fail(watch, kind, message, members)
  members.operation = watch.operation
  return errors.fail(kind, ("%s: %s"):format(watch.operation, message), members)
end

--- The error of a run that was seen to fail: `nil, message, err` of kind run_failed.
function outcome.failed(watch, seen, members)
  local said = seen.message and ": " .. seen.message or ""
  return fail(watch, "run_failed",
    ("the run of %s has failed: its status is %q%s"):format(watch.subject, seen.status, said), members)
end

--- The error of a run whose end was not seen in time: `nil, message, err` of kind timeout.
function outcome.timed_out(watch, members)
  local shown = watch.was_running and "it was under way at the last look"
    or watch.done and "the function has not said that it is over"
    or watch.is_listed == false and ("the service's list of %s does not have it"):format(watch.kind)
    or "nothing that the service shows has changed"
  local why = watch.failure and (" (the last look failed: %s)"):format(watch.failure) or ""
  return fail(watch, "timeout", ("the start was acknowledged, but the end of %s was not seen within %g s: %s%s")
    :format(watch.subject, watch.timeout, shown, why), members)
end

--- The error of a wait that an error ended: `nil, message, err` with its kind and members.
function outcome.stopped(watch, err, members)
  for name, value in pairs(err) do
    if members[name] == nil then members[name] = value end
  end
  return fail(watch, err.kind,
    ("the start was acknowledged, but the end of %s cannot be seen: %s"):format(watch.subject, err.message), members)
end

--- The error if a profile says that nothing shows the end: `nil, message, err` of kind config. Nothing was sent.
function outcome.hopeless(watch)
  return fail(watch, "config", ("the profile says that nothing shows the end of a run of %s: give wait a function done "
    .. "that tells it"):format(watch.subject), { fate = "not_sent" })
end

--- The data and meta of a run whose start was in doubt by `err`. Its end was seen, so it was started.
function outcome.resolved(err, seen)
  return seen.entry or seen.value or true, {
    messages = err.messages or {}, attempts = err.attempts or 0, elapsed = err.elapsed or 0,
    request_id = err.request_id, rate_limit = err.rate_limit, fate = "applied", cached = false,
  }
end

return outcome
