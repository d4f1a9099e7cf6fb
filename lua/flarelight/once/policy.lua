--- The rules of `api:once`: what to do with a block that was begun before, and with a write inside. Pure: tables of the
-- state file in, decisions out. docs/night.md describes them.
--
-- A block is `running` (at work, or broken off), `stopped` (its function failed) or `done`. A write inside of a block
-- is `sent` (its outcome is not recorded), `applied` or `in_doubt`. A write that was refused or provably not sent is
-- not kept.

local policy = {}

--- Whether the fate of a recorded write is not known, so that it must not be sent again.
---@param write { state: string, repeatable: boolean }
function policy.is_doubtful(write)
  return (write.state == "sent" or write.state == "in_doubt") and not write.repeatable
end

--- What to do when `once` is called:
--
-- - "result": the block is done; its result is returned.
-- - "run": its function runs. Writes that were applied before are not sent again (`policy.claim`).
-- - "look": a write may have been applied. Somebody has to look first.
---@param block { state: string }? nil: the key is new
---@param writes { state: string, repeatable: boolean }[]
---@return "result"|"run"|"look"
function policy.begin(block, writes)
  if not block then return "run" end
  if block.state == "done" then return "result" end
  for _, write in ipairs(writes) do
    if policy.is_doubtful(write) then return "look" end
  end
  return "run"
end

--- What follows from the answer of the caller's function `look`; nil as well if there is no such function.
---@param answer boolean? true: the work was done; false: it was not; nil: not known
---@return "done"|"run"|"in_doubt"
function policy.after_look(answer)
  if answer == nil then return "in_doubt" end
  return answer and "done" or "run"
end

--- What to record after a write by its fate: a state, or nil to delete its record.
---@param fate flarelight.Fate?
---@return "applied"|"in_doubt"|nil
function policy.after_write(fate)
  if fate == "applied" then return "applied" end
  if fate == "not_sent" or fate == "rejected" then return nil end
  return "in_doubt"
end

--- What to do with a write of a block that runs again. `earlier` are the recorded writes that were applied and that no
-- write of this run has taken.
--
-- - "replay" and the record: the same write (operation, target, body) was applied; its reply is returned.
-- - "differs" and the record: a write to the same target with another body was applied. To send this one might repeat
-- - "send": it was not made before.
---@param earlier { operation: string, target: string, sha256: string }[]
---@param write { operation: string, target: string, sha256: string }
---@return "replay"|"differs"|"send", table? record
function policy.claim(earlier, write)
  local other
  for _, each in ipairs(earlier) do
    if each.operation == write.operation and each.target == write.target then
      if each.sha256 == write.sha256 then return "replay", each end
      other = other or each
    end
  end
  if other then return "differs", other end
  return "send"
end

return policy
