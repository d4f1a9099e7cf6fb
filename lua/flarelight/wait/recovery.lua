--- Starts of runs in doubt, judged later: what the service showed before the start is compared with what it shows now.
-- Pure.
--
-- A start that a block of `api:once` has recorded carries a *note*: the sight before the start (verdict.lua), and for
-- how long the start was to be watched. A change within that time counts as the end of the run, as it does for the wait
-- itself (wait/init.lua). Later only a change that carries a time of its own counts, because somebody else may have
-- started the same run in between.

local names = require "flarelight.names"
local verdict = require "flarelight.wait.verdict"

local recovery = {}

local TOLERANCE = 2 -- seconds: replies and members have whole seconds, and clocks differ

--- The note of a start: { before =, names =, kind =, id =, timeout =, ahead = }. `ahead`: the seconds by which the
-- service's clock is ahead of this one. Nil for a wait that looks at nothing.
---@param watch table see wait/init.lua
function recovery.note(watch)
  if not watch.before then return nil end
  return {
    before = watch.before, names = watch.names, kind = watch.kind, id = watch.id, timeout = watch.timeout,
    ahead = watch.ahead,
  }
end

-- Days from 1970-01-01 to a date of the Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    + math.floor((153 * (month - 3) + 2) / 5) + day - 719469
end

--- Epoch seconds of a member that holds a time: RFC 3339 with its zone, or a number of seconds or milliseconds. Nil for
-- any other value.
function recovery.moment(value)
  if type(value) == "number" then
    if value >= 1e9 and value < 1e10 then return value end
    if value >= 1e12 and value < 1e13 then return value / 1000 end
    return nil
  end
  if type(value) ~= "string" then return nil end
  local year, month, day, hour, minute, second, rest =
    value:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)[T ](%d%d):(%d%d):(%d%d%.?%d*)(.*)$"
  if not year then return nil end
  local at = days(tonumber(year), tonumber(month), tonumber(day)) * 86400 + tonumber(hour) * 3600
    + tonumber(minute) * 60 + tonumber(second)
  if rest == "Z" or rest == "z" then return at end
  local sign, hours, minutes = rest:match "^([+-])(%d%d):?(%d%d)$"
  if not sign then return nil end
  return at - (sign == "-" and -1 or 1) * (tonumber(hours) * 3600 + tonumber(minutes) * 60)
end

-- Whether a changed member holds a time between two times.
local function is_dated(changed, from, to)
  for _, each in pairs(changed) do
    local at = recovery.moment(each.now)
    if at and at >= from and at <= to then return true end
  end
  return false
end

--- The time until which any change counts, in epoch seconds by this clock.
---@param note table
---@param sent number when the start was recorded, epoch seconds by this clock
function recovery.ends(note, sent) return sent + (note.timeout or 0) end

--- Whether a sight shows that the start was carried out. If a run was under way before the start, nothing does.
---@param rule table? of a profile
---@param note table
---@param sent number epoch seconds by this clock
---@param state "nothing"|"running"|"done"|"failed" of verdict.judge
---@param seen table? of verdict.judge
---@param now number epoch seconds by this clock
function recovery.proves(rule, note, sent, state, seen, now)
  if state == "nothing" or verdict.status(note.before.entry, rule) == "running" then return false end
  local ends = recovery.ends(note, sent)
  if now <= ends + TOLERANCE then return true end
  local ahead = note.ahead or 0
  return seen ~= nil and is_dated(seen.changed, sent + ahead - TOLERANCE, ends + ahead + TOLERANCE)
end

local function shown(value)
  if type(value) == "table" then return "another value" end
  return value == nil and "nothing" or verdict.text(value)
end

-- "updatedAt was …, is …", of the first members by name.
local function list_changes(changed)
  local members, parts = names.sorted(changed), {}
  for place = 1, math.min(#members, 3) do
    local each = changed[members[place]]
    parts[place] = ("%s was %s, is %s"):format(members[place], shown(each.before), shown(each.now))
  end
  return table.concat(parts, "; ")
end

--- What the service shows now, in words: for the history and for errors.
---@param subject string as "preparation 1"
---@param state string of verdict.judge
---@param seen table? of verdict.judge
function recovery.words(subject, state, seen)
  if state == "running" then return ("a run of %s is under way"):format(subject) end
  if not seen then
    return ("nothing that the service shows of %s has changed since before the start"):format(subject)
  end
  local listed = list_changes(seen.changed)
  return ("since before the start the %s of %s has changed%s"):format(seen.seen_in, subject,
    listed ~= "" and ": " .. listed or "")
end

--- What was recorded before the start, in words: the members of the entry that hold a time or a status.
---@param note table
---@return string? words nil if the list had no such entry or member
function recovery.before(note)
  local parts, entry = {}, type(note.before) == "table" and note.before.entry or {}
  for _, name in ipairs(names.sorted(entry)) do
    local value = entry[name]
    if type(name) == "string" and (recovery.moment(value) or verdict.class(value)) then
      parts[#parts + 1] = ("%s %s"):format(name, shown(value))
    end
  end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

return recovery
