--- Scales with round numbers at their ticks. Pure.

local scale = {}

local ROUND = { 1, 2, 2.5, 5, 10 }

--- A scale that covers `low` to `high` in about `wanted` steps: `low`, `high`, `step`, and `ticks`, each
-- `{value =, text =}`. `low` and `high` must be within 1e300. An empty range becomes 0 to 1.
function scale.new(low, high, wanted)
  if high - low < 1e-300 then low, high = math.min(low, 0), math.max(high, 1) end
  local raw = (high - low) / wanted
  local magnitude = 10 ^ math.floor(math.log(raw) / math.log(10) + 1e-9)
  local step
  for _, factor in ipairs(ROUND) do
    step = factor * magnitude
    if step >= raw * (1 - 1e-9) then break end
  end
  local decimals = 0
  while decimals < 6 and math.abs(step * 10 ^ decimals - math.floor(step * 10 ^ decimals + 0.5)) > 1e-6 do
    decimals = decimals + 1
  end
  local plain = step >= 1e-6 and step < 1e12
  local format = plain and ("%%.%df"):format(decimals) or "%.4g"
  local ticks = {}
  local first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
  for index = first, last do
    local value = index * step
    ticks[#ticks + 1] = { value = value, text = index == 0 and "0" or (format:format(value):gsub(",", ".")) }
  end
  return { low = first * step, high = last * step, step = step, ticks = ticks }
end

return scale
