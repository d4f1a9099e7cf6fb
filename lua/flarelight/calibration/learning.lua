--- Learns how the end of a run can be recognised, from a run that was watched from before its start until nothing more
-- changed. Pure; runs.lua watches.
--
-- The result is a rule of a profile (profile.lua):
--   { seen_in = "entry" | "import" | "result" | "nothing", members = names of the members that the end changes,
--     status = name of the member with a status, running =, done = its words, import = name of the entry's member that
--     names the import, seconds = how long the run took, because = how it was found out }

local names = require "flarelight.names"
local verdict = require "flarelight.wait.verdict"

local learning = {}

-- The changes of one part of the sights: { { at =, changed = }, … }. `pick` takes this part from a sight.
local function steps_of(sights, pick)
  local steps = {}
  for place = 2, #sights do
    local was, is = pick(sights[place - 1]), pick(sights[place])
    local changed = is and verdict.changes(was, is)
    if changed then steps[#steps + 1] = { at = sights[place].at, changed = changed } end
  end
  return steps
end

-- The members that only the last step changed; if there are none, all members that it changed.
local function telling(steps)
  local earlier, told = {}, {}
  for place = 1, #steps - 1 do
    for name in pairs(steps[place].changed) do earlier[name] = true end
  end
  local last = names.sorted(steps[#steps].changed)
  for _, name in ipairs(last) do
    if not earlier[name] then told[#told + 1] = name end
  end
  return #told > 0 and told or last
end

-- Learns the member with a status, and its words during the run and at its end.
local function learn_status(rule, sights)
  local last = sights[#sights].entry
  local _, word, name = verdict.status(last)
  if not name then return end
  local running, known, changed = {}, { [word] = true }, false
  for place = 2, #sights do
    local here = sights[place].entry and sights[place].entry[name]
    local before = sights[1].entry and sights[1].entry[name]
    changed = changed or not verdict.equal(here, before)
    if changed and type(here) == "string" and not known[here] then
      running[#running + 1], known[here] = here, true
    end
  end
  if changed then rule.status, rule.running, rule.done = name, running, { word } end
end

-- A member's value as a text that may name an import.
local function text_of(value)
  if type(value) == "table" then value = value.id or value.name end
  if type(value) == "string" or type(value) == "number" then return verdict.text(value) end
end

--- The texts of an entry that may name an import: all except its id.
function learning.texts(entry)
  local texts = {}
  for _, name in ipairs(names.sorted(entry or {})) do
    if name ~= "id" then texts[#texts + 1] = text_of(entry[name]) end
  end
  return texts
end

-- The entry's member that names the import that changed.
local function member_of(entry, text)
  for _, name in ipairs(names.sorted(entry)) do
    if name ~= "id" and text_of(entry[name]) == text then return name end
  end
end

local function because(what, steps, members)
  return ("%s changed %d time%s within %.1f s, at last: %s"):format(what, #steps, #steps == 1 and "" or "s",
    steps[#steps].at, table.concat(members, ", "))
end

local function by_entry(sights)
  local steps = steps_of(sights, function(sight) return sight.entry end)
  if #steps == 0 then return nil end
  local rule = { seen_in = "entry", members = telling(steps), seconds = steps[#steps].at }
  learn_status(rule, sights)
  rule.because = because("its entry", steps, names.sorted(steps[#steps].changed))
  return rule
end

local function by_import(sights)
  for text in pairs(sights[#sights].imports or {}) do
    local steps = steps_of(sights, function(sight) return sight.imports[text] end)
    if #steps > 0 then
      local members = telling(steps)
      -- If the import is new, no member is known that the next run has to change.
      local is_new = not sights[1].imports[text]
      return {
        seen_in = "import", members = not is_new and members or nil, seconds = steps[#steps].at,
        import = member_of(sights[#sights].entry or {}, text),
        because = is_new and "an import appeared" or because("the import that it makes", steps, members),
      }
    end
  end
end

local function by_result(sights)
  for place = #sights, 2, -1 do
    local was, is = sights[place - 1].result, sights[place].result
    if is and is ~= was then
      return { seen_in = "result", seconds = sights[place].at, because = "the stored result changed" }
    end
  end
end

--- The rule learned from a watched run. `sights` are sights of verdict.lua with `at`, seconds since the start: one from
-- before the start, then each that differs from the one before; with `imports` for preparations and `result` for
-- reports.
---@param sights table[]
---@param seconds number the time for which it was watched
---@return flarelight.RunRule rule
function learning.rule(sights, seconds)
  return by_entry(sights) or by_import(sights) or by_result(sights)
    or { seen_in = "nothing", because = ("nothing changed within %.0f s"):format(seconds) }
end

--- The seconds since the start after which a watched run counts as over: twice the time of the last change, but at
-- least `quiet` after it. nil while nothing has changed, or a status says that it runs.
---@param sights table[]
---@param quiet number
---@return number?
function learning.over_at(sights, quiet)
  local last = sights[#sights]
  if #sights == 1 or verdict.status(last.entry) == "running" then return nil end
  return last.at + math.max(quiet, last.at)
end

return learning
