--- The pace of looks at a list while runs are waited for: how they keep out of the way of bulk work. Pure.
--
-- Looks are interactive calls: a tenth of the rate limit is kept for those, and bulk work never uses it
-- (csrc/core/policy/rate_limit.h). Looks use half of that tenth at most.

local pace = {
  FIRST = 1,   -- seconds between the first two looks; each following interval is twice as long
  LONGEST = 30,
}

local MINUTE = 60

local function kept(quota) return math.floor((quota.limit or math.huge) / 10) end

--- Seconds until the next look that was to be made in `interval`.
---@param interval number
---@param quota { limit: integer?, waiting: integer } of the client's service
---@param lists integer how many lists a look reads
function pace.seconds(interval, quota, lists)
  if not quota.limit then return interval end
  if quota.waiting > 0 or kept(quota) < 1 then return math.max(interval, pace.LONGEST) end
  local looks = math.floor(kept(quota) / 2 / lists)
  return math.max(interval, looks < 1 and pace.LONGEST or MINUTE / looks)
end

--- Whether no look may be made now: calls wait for the rate limit, and it is too small to keep a part of it.
---@param quota { limit: integer?, waiting: integer }
function pace.holds(quota) return quota.waiting > 0 and kept(quota) < 1 end

return pace
