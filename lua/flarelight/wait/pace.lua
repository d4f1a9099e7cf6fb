--- The pace of reading lists during waits for runs, so that bulk work is not slowed down. Pure.
--
-- These reads are interactive calls. A tenth of the rate limit is kept for interactive calls, and bulk work never uses
-- it (csrc/core/policy/rate_limit.h). The reads use at most half of that tenth.

local pace = {
  FIRST = 1,   -- seconds between the first two reads; each following interval is twice as long
  LONGEST = 30,
}

local MINUTE = 60

local function kept(quota) return math.floor((quota.limit or math.huge) / 10) end

--- Seconds until the next read: `interval`, or more if the rate limit asks for it.
---@param interval number
---@param quota { limit: integer?, waiting: integer } of the client's service
---@param lists integer the number of lists to read
function pace.seconds(interval, quota, lists)
  if not quota.limit then return interval end
  if quota.waiting > 0 or kept(quota) < 1 then return math.max(interval, pace.LONGEST) end
  local looks = math.floor(kept(quota) / 2 / lists)
  return math.max(interval, looks < 1 and pace.LONGEST or MINUTE / looks)
end

--- Whether reading has to wait: calls wait for the rate limit, and the limit is too small to keep a part for
-- interactive calls.
---@param quota { limit: integer?, waiting: integer }
function pace.holds(quota) return quota.waiting > 0 and kept(quota) < 1 end

return pace
