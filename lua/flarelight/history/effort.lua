--- The effort of a call, for the history: its attempts, its time, how long the rate limit held it, and what refused it
-- before it was tried again. Pure.

local effort = {}

-- "429 (again after 12.0 s)", of an attempt.
local function refusal(retry)
  local what = retry.status and ("%.0f"):format(retry.status) or "no reply"
  return ("%s (again after %.1f s)"):format(what, retry.delay)
end

--- The members of an event: { attempts =, seconds =, request_id =, waited =, refused = }. `refused` is a text.
---@param about table meta or error of a call
---@return table detail
function effort.of(about)
  local parts = {}
  for place, retry in ipairs(about.retries or {}) do parts[place] = refusal(retry) end
  local more = (about.attempts or 0) - 1 - #parts
  if #parts > 0 and more > 0 then parts[#parts + 1] = ("and %.0f more"):format(more) end
  return {
    attempts = about.attempts, seconds = about.elapsed, request_id = about.request_id, waited = about.waited,
    refused = #parts > 0 and table.concat(parts, ", ") or nil,
  }
end

--- "after 2 attempts and 3.1 s, 2.0 s of them waiting for the rate limit; before: 429 (again after 1.0 s)",
-- of what is known, with a space in front; "" of nothing.
---@param detail table
---@return string
function effort.words(detail)
  local parts = {}
  if detail.attempts and detail.attempts > 1 then parts[#parts + 1] = ("%.0f attempts"):format(detail.attempts) end
  if detail.seconds then parts[#parts + 1] = ("%.1f s"):format(detail.seconds) end
  local text = #parts > 0 and " after " .. table.concat(parts, " and ") or ""
  if detail.waited then text = text .. (", %.1f s of them waiting for the rate limit"):format(detail.waited) end
  if detail.refused then text = text .. "; before: " .. detail.refused end
  return text .. (detail.request_id and (" (request id %s)"):format(detail.request_id) or "")
end

return effort
