--- Exit statuses of the command, and which of them an error means. Pure.

local status = {
  DONE = 0,
  FAILED = 1, -- refused or failed, and nothing is left unknown
  USAGE = 2, -- the command line or the configuration: nothing was sent
  DOUBT = 3, -- something may or may not have happened at the service: look before trying again
  INTERRUPTED = 130, -- Ctrl-C, as shells have it
}

local doubtful = { in_doubt = true, partial = true, foreign = true }

--- The exit status of an error of the client.
---@param err flarelight.Error
---@return integer
function status.of(err)
  if doubtful[err.fate] then return status.DOUBT end
  if err.kind == "config" then return status.USAGE end
  return status.FAILED
end

return status
