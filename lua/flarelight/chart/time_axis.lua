--- Dates and times as positions on an axis: reads labels as points in time, and finds round ticks between two of them.
-- Pure: the time zone of the machine does not matter.

local time_axis = {}

local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }
local DAY = 86400

--- The days from 1970-01-01 to a date of the Gregorian calendar.
local function days_from_date(year, month, day)
  if month <= 2 then year = year - 1 end -- years begin with March, so that the leap day is the last
  local era = math.floor(year / 400)
  local year_of_era = year - era * 400
  local day_of_year = math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  local leap_days = math.floor(year_of_era / 4) - math.floor(year_of_era / 100)
  return era * 146097 + year_of_era * 365 + leap_days + day_of_year - 719468
end

--- The date of a day: year, month, day of the month.
local function date_from_days(days)
  days = days + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  return year + era * 400 + (month <= 2 and 1 or 0), month, day
end

local function is_date(year, month, day)
  if month < 1 or month > 12 or day < 1 or day > 31 then return false end
  local _, same_month = date_from_days(days_from_date(year, month, day))
  return same_month == month
end

-- The zone at the end of a time: its offset in seconds; false if there is none, nil if it is no zone.
local function offset_of(text)
  if text == "" then return false end
  if text == "Z" or text == "z" then return 0 end
  local sign, hours, minutes = text:match "^([+-])(%d%d):?(%d%d)$"
  if not sign then return nil end
  return (sign == "-" and -1 or 1) * (hours * 3600 + minutes * 60)
end

--- Reads `2026-11`, `2026-11-26` or `2026-11-26T14:05[:31[.5]]`, with a space for the `T`, and with or without a zone
-- (`Z`, `+01:00`).
---@param text string
---@return number? seconds since 1970, as the text has them: its zone is not subtracted. nil: no date or time
---@return number|false|nil offset the zone in seconds; false without one
function time_axis.parse(text)
  local year, month, rest = text:match "^(%d%d%d%d)%-(%d%d)(.*)$"
  if not year then return nil end
  local day, clock = "01", ""
  if rest ~= "" then
    day, clock = rest:match "^%-(%d%d)(.*)$"
    if not day then return nil end
  end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  if not is_date(year, month, day) then return nil end
  local seconds = days_from_date(year, month, day) * DAY
  if clock == "" then return seconds, false end
  local hour, minute, after = clock:match "^[T ](%d%d):(%d%d)(.*)$"
  if not hour then return nil end
  local second, zone = after:match "^:(%d%d%.?%d*) ?(.*)$"
  if not second then second, zone = "0", after:match "^ ?(.*)$" end
  local offset = offset_of(zone)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if offset == nil or hour > 24 or minute > 59 or second >= 61 then return nil end
  return seconds + hour * 3600 + minute * 60 + second, offset
end

--- Whole seconds since 1970 as date and time in UTC: 2026-11-26 14:05:31.
---@param seconds integer
---@return string
function time_axis.utc(seconds)
  local year, month, day = date_from_days(math.floor(seconds / DAY))
  local of_day = seconds % DAY
  return ("%04d-%02d-%02d %02d:%02d:%02d"):format(year, month, day, math.floor(of_day / 3600),
    math.floor(of_day / 60) % 60, of_day % 60)
end

--- The times of labels, if all of them are dates or times. Labels of one zone stay in it; those of several, or of which
-- some have none, are shown in UTC.
---@param labels string[]
---@return number[]? times seconds since 1970 on the axis's clock
function time_axis.read(labels)
  local times, offsets, mixed = {}, {}, false
  for index, label in ipairs(labels) do
    local seconds, offset = time_axis.parse(label)
    if not seconds then return nil end
    times[index], offsets[index] = seconds, offset or 0
    mixed = mixed or offsets[index] ~= offsets[1]
  end
  if mixed then
    for index, offset in ipairs(offsets) do times[index] = times[index] - offset end
  end
  return #times > 0 and times or nil
end

--- The smallest distance between two of the times; nil if there are not two, 0 if two are equal.
function time_axis.spacing(times)
  local sorted, least = {}, nil
  for index, time in ipairs(times) do sorted[index] = time end
  table.sort(sorted)
  for index = 2, #sorted do
    local distance = sorted[index] - sorted[index - 1]
    if not least or distance < least then least = distance end
  end
  return least
end

-- The steps between ticks, in ascending order: the unit, how many of it, and its usual seconds.
local STEPS = {}
for _, row in ipairs {
  { "second", 1, { 1, 2, 5, 10, 15, 30 } }, { "minute", 60, { 1, 2, 5, 10, 15, 30 } },
  { "hour", 3600, { 1, 2, 3, 6, 12 } }, { "day", DAY, { 1, 2, 7, 14 } },
  { "month", 30.4 * DAY, { 1, 2, 3, 6 } },
  { "year", 365.25 * DAY, { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000 } },
} do
  for _, count in ipairs(row[3]) do STEPS[#STEPS + 1] = { unit = row[1], count = count, seconds = row[2] * count } end
end

local MONDAY = 4 -- 1970-01-05 was a Monday

--- Iterates over the ticks of a step from `low` to `high`.
local function ticks_of(step, low, high)
  local at, following
  if step.unit == "month" or step.unit == "year" then
    local months = step.count * (step.unit == "year" and 12 or 1)
    local year, month = date_from_days(math.floor(low / DAY))
    local index = math.floor((year * 12 + month - 1) / months)
    following = function()
      local first = index * months
      index = index + 1
      return days_from_date(math.floor(first / 12), first % 12 + 1, 1) * DAY
    end
  else
    local base = step.unit == "day" and step.count >= 7 and MONDAY * DAY or 0
    at = base + math.floor((low - base) / step.seconds) * step.seconds
    following = function()
      at = at + step.seconds
      return at - step.seconds
    end
  end
  return function()
    local tick = following()
    while tick < low do tick = following() end
    if tick <= high then return tick end
  end
end

--- The text of a tick in two lines. The second has the part that changes rarely; it is empty where it is that of the
-- tick before, `above`.
local function text_of(unit, tick, above)
  local year, month, day = date_from_days(math.floor(tick / DAY))
  local of_day = tick % DAY
  local fine, coarse
  if unit == "year" then return ("%d"):format(year), "" end
  if unit == "month" then
    fine, coarse = MONTHS[month], ("%d"):format(year)
  elseif unit == "day" then
    fine, coarse = ("%d %s"):format(day, MONTHS[month]), ("%d"):format(year)
  else
    fine = ("%02d:%02d"):format(math.floor(of_day / 3600), math.floor(of_day / 60) % 60)
    if unit == "second" then fine = ("%s:%02d"):format(fine, math.floor(of_day) % 60) end
    coarse = ("%d %s %d"):format(day, MONTHS[month], year)
  end
  return fine, coarse == above and "" or coarse, coarse
end

--- Round ticks from `low` to `high`, about `most` of them at most, each `{value =, text =, below =}`: the text and the
-- line below it, which may be empty.
---@param low number seconds since 1970
---@param high number
---@param most integer
---@param least number seconds between two points: ticks stand no closer, so that months are not divided into weeks
---@return { value: number, text: string, below: string }[]
function time_axis.ticks(low, high, most, least)
  local step = STEPS[#STEPS]
  for _, each in ipairs(STEPS) do
    -- Months and years differ in length.
    if (high - low) / each.seconds <= most * 1.1 and each.seconds >= least * 0.9 then
      step = each
      break
    end
  end
  local ticks, above = {}, nil
  for tick in ticks_of(step, low, high) do
    local fine, below, coarse = text_of(step.unit, tick, above)
    ticks[#ticks + 1], above = { value = tick, text = fine, below = below }, coarse
  end
  return ticks
end

return time_axis
