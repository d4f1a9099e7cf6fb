--- The verdict: whether a run is over, judged by the service's data before its start and now. Pure.
--
-- The service documents no status of a run (docs/contract.md, row 12). Its data about a preparation or a report is a
-- *sight*: { entry =, imports =, result = }. `entry` is its entry in the list, `imports` the entries of the imports
-- that it may make, by the text that names them, `result` the stored result as text. A missing part is `false`. A
-- *rule* is the part of a profile about preparations or about reports (profile.lua); it may be nil.

local core = require "flarelight.core"
local json = require "flarelight.json"
local names = require "flarelight.names"

local verdict = {}

-- The words of a status, in lower case and without spaces. A profile holds the words of its service.
local WORDS = {
  running = { "accepted", "executing", "generating", "inprogress", "pending", "processing", "queued", "refreshing",
              "running", "scheduled", "started", "starting", "submitted", "waiting" },
  done = { "completed", "complete", "done", "finished", "generated", "ok", "ready", "succeeded", "success",
           "successful" },
  failed = { "aborted", "canceled", "cancelled", "error", "errored", "failed", "failure", "faulted", "rejected",
             "terminated", "timedout" },
}

local function folded(word) return (word:lower():gsub("%A", "")) end

local class_of_word = {}
for class, words in pairs(WORDS) do
  for _, word in ipairs(words) do class_of_word[word] = class end
end

local function is_object(value)
  return type(value) == "table" and getmetatable(value) ~= core.integer_metatable
end

local function is_status_name(name)
  name = type(name) == "string" and name:lower() or ""
  return name:find("status", 1, true) ~= nil or name:find("state", 1, true) ~= nil
end

--- An id or a name as a text to compare: 1, 1.0 and "1" are the same id.
function verdict.text(value)
  if type(value) == "number" and value == math.floor(value) and math.abs(value) < 2 ^ 53 then
    return ("%.0f"):format(value)
  end
  return tostring(value)
end

--- The entry of a list with this id, or false.
---@param list any
---@param id flarelight.Id
function verdict.entry(list, id)
  for _, each in ipairs(is_object(list) and list or {}) do
    if is_object(each) and each.id ~= nil and verdict.text(each.id) == verdict.text(id) then return each end
  end
  return false
end

--- Whether two decoded JSON values are equal.
function verdict.equal(left, right)
  if is_object(left) and is_object(right) then
    for name, value in pairs(left) do
      if not verdict.equal(value, right[name]) then return false end
    end
    for name in pairs(right) do
      if left[name] == nil then return false end
    end
    return true
  end
  return left == right or type(left) == type(right) and not is_object(left) and tostring(left) == tostring(right)
end

--- The members of an entry that changed, as { [name] = { before =, now = } }, or nil. `members`: the list of members to
-- compare; nil or empty: all. Either entry may be false.
function verdict.changes(before, now, members)
  local compared, changed = {}, nil
  if members and #members > 0 then
    for _, name in ipairs(members) do compared[name] = true end
  else
    for name in pairs(before or {}) do compared[name] = true end
    for name in pairs(now or {}) do compared[name] = true end
  end
  for name in pairs(compared) do
    local was, is = before and before[name], now and now[name]
    if was == false and not before then was = nil end
    if is == false and not now then is = nil end
    if not verdict.equal(was, is) then
      changed = changed or {}
      changed[name] = { before = was, now = is }
    end
  end
  return changed
end

--- The class of a status by its word: "running", "done", "failed", or nil for an unknown word.
---@param word any
---@param rule table?
function verdict.class(word, rule)
  if type(word) ~= "string" then return nil end
  for _, class in ipairs(rule and { "failed", "done", "running" } or {}) do
    for _, each in ipairs(rule[class] or {}) do
      if each == word then return class end
    end
  end
  return class_of_word[folded(word)]
end

--- The status that an entry shows: its class, its word and the member's name. Without a rule that names the member, it
-- is the first member by name that is called status or state and has a known word.
function verdict.status(entry, rule)
  if not is_object(entry) then return nil end
  if rule and rule.status then return verdict.class(entry[rule.status], rule), entry[rule.status], rule.status end
  for _, name in ipairs(names.sorted(entry)) do
    local class = is_status_name(name) and verdict.class(entry[name], rule)
    if class then return class, entry[name], name end
  end
end

local TELLING = { "target", "import", "output", "dataset" }

local function tells_import(name)
  for _, word in ipairs(TELLING) do
    if name:lower():find(word, 1, true) then return true end
  end
  return false
end

--- The texts by which an entry names the import that its run makes: the member that the rule names; else the members
-- whose names contain target, import, output or dataset; else the entry's own name.
---@param entry table|false
---@param rule table?
---@return string[]
function verdict.import_names(entry, rule)
  local found = {}
  local function add(value)
    if is_object(value) then value = value.id or value.name end
    if type(value) == "string" or type(value) == "number" then found[#found + 1] = verdict.text(value) end
  end
  if not entry then return found end
  if rule and rule.import then
    add(entry[rule.import])
    return found
  end
  for name, value in pairs(entry) do
    if type(name) == "string" and tells_import(name) then add(value) end
  end
  if #found == 0 then add(entry.name) end
  table.sort(found)
  return found
end

--- The entries of the imports of these names or ids: { [text] = entry or false }. Of several entries the last one
-- counts, which is the newest.
function verdict.imports(list, texts)
  local found = {}
  for _, text in ipairs(texts) do
    found[text] = false
    for _, each in ipairs(is_object(list) and list or {}) do
      if is_object(each) and (each.name == text or each.id ~= nil and verdict.text(each.id) == text) then
        found[text] = each
      end
    end
  end
  return found
end

--- Whether the entry alone shows the end of a run, because it has a known status. Then the imports need not be read.
function verdict.is_told_by_entry(entry, rule)
  if rule and rule.seen_in then return rule.seen_in == "entry" end
  return verdict.status(entry, rule) ~= nil
end

local function changed_entry(rule, before, now)
  if rule and rule.seen_in and rule.seen_in ~= "entry" then return nil end
  if not now.entry then return nil end -- an outdated list, or a list that this key may no longer see
  return verdict.changes(before.entry, now.entry, rule and rule.members)
end

local function changed_import(rule, before, now)
  if rule and rule.seen_in and rule.seen_in ~= "import" then return nil end
  for text, entry in pairs(now.imports or {}) do
    local was = before.imports and before.imports[text] or false
    local changed = entry and verdict.changes(was, entry, rule and rule.members)
    if changed then return changed, entry end
  end
end

-- The messages of an entry whose run failed, as one text.
local function words_of(entry)
  for _, name in ipairs { "error", "errorMessage", "lastError", "message" } do
    local value = is_object(entry) and entry[name]
    if type(value) == "string" then return value end
  end
end

--- The verdict on a run. `was_running`: an earlier sight has shown the status of a run under way.
--
-- - A status that says "running" is no end, whatever else changed.
-- - Any change of the entry is the end: of the members that the rule names, or of any member without a rule. So is a
--   status that says "running" no more.
-- - Any change of the import that the run makes is the end; but not under a status "failed" that stood there before.
-- - A changed stored result is the end, if the rule says so.
---@param rule table?
---@param before table sight
---@param now table sight
---@param was_running boolean
---@return "nothing"|"running"|"done"|"failed" state
---@return table? seen { seen_in =, changed =, status =, entry =, message =, failed = } if it has ended
function verdict.judge(rule, before, now, was_running)
  local class, word = verdict.status(now.entry, rule)
  if class == "running" then return "running" end
  local changed = changed_entry(rule, before, now)
  if changed or was_running then
    local failed = class == "failed"
    return failed and "failed" or "done", {
      failed = failed,
      seen_in = "entry", changed = changed or {}, status = word, entry = now.entry,
      message = failed and words_of(now.entry) or nil,
    }
  end
  local import
  changed, import = changed_import(rule, before, now)
  if changed and class ~= "failed" then return "done", { seen_in = "import", changed = changed, entry = import } end
  if rule and rule.seen_in == "result" and now.result and now.result ~= before.result then
    return "done", { seen_in = "result", changed = { result = { before = before.result or nil, now = now.result } } }
  end
  return "nothing"
end

--- Whether the reply to the start says that the run has failed. A reply that says "completed" proves nothing, since it
-- may mean the start.
function verdict.failed_at_once(reply, rule)
  local class, word = verdict.status(reply, rule)
  if class ~= "failed" then return nil end
  return { seen_in = "reply", changed = {}, status = word, entry = reply, message = words_of(reply), failed = true }
end

--- The stored result as a text that can be compared.
function verdict.result_text(data)
  if data == nil then return false end
  local good, text = pcall(json.encode, data)
  return good and text or false
end

return verdict
