--- The exit statuses of the command, and the status of an error. Pure.

local status = {
  DONE = 0,
  FAILED = 1, -- refused or failed, with nothing in doubt
  USAGE = 2, -- a wrong command line or configuration; nothing was sent
  DOUBT = 3, -- a write may or may not have happened at the service, or the end of a run is not known
  INTERRUPTED = 130, -- Ctrl-C, as in shells
}

local doubtful = { in_doubt = true, partial = true, foreign = true }

--- The exit status of an error of the client.
---@param err flarelight.Error
---@return integer
function status.of(err)
  if doubtful[err.fate] then return status.DOUBT end
  -- A wait that has not seen the end of a run that was started.
  if err.proof and err.kind ~= "run_failed" then return status.DOUBT end
  if err.kind == "config" then return status.USAGE end
  -- A token or key that the state file does not know; the service was not asked.
  if err.kind == "not_found" and not err.status then return status.USAGE end
  return status.FAILED
end

return status
