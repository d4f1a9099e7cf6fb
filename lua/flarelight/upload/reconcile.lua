--- The policy for batches in doubt: verdicts on rows that were read back. Pure: it takes rows and counts, and returns
-- verdicts. docs/uploads.md describes the protocol.
--
-- Rows are compared in one of three ways. An acknowledged batch shows which one:
--   exact         the same members with the same values, numbers by value
--   loose         the members that were sent, with the same values; the row may have more members, null may be absent,
--                 a number may have become a string
--   unverifiable  the server changes rows further, so that no doubt can be resolved
-- Before that ("unknown") two rows are the same if they are the same in one of the first two ways.

local core = require "flarelight.core"
local request = require "flarelight.request"

local reconcile = {}

local null = core.null

-- An integer that this Lua's numbers cannot hold is decoded as a string of digits (see docs/api.md).
local function is_long(value)
  return type(value) == "string" and #value > 15 and value:find "^%-?%d+$" ~= nil
end

local function same_number(left, right)
  if left == right then return true end
  local one, other = tonumber(left), tonumber(right)
  if one == nil or other == nil then return false end
  -- Two different strings of digits may be equal as numbers of this Lua.
  if is_long(left) and is_long(right) then return false end
  return one == other
end

local function is_numeric(value)
  return type(value) == "number" or type(value) == "string" and tonumber(value) ~= nil
    and value:find "^%-?%d[%d.eE+-]*$" ~= nil
end

local same

local function same_tables(sent, found, loose)
  local is_array = getmetatable(sent) == core.array_metatable
  if is_array ~= (getmetatable(found) == core.array_metatable) then return false end
  for name, value in pairs(sent) do
    if not same(value, found[name], loose) then return false end
  end
  if loose and not is_array then return true end
  for name in pairs(found) do
    if sent[name] == nil then return false end
  end
  return true
end

--- Whether a value that was read is the value that was sent, exactly or (`loose`) loosely.
function reconcile.same(sent, found, loose)
  if sent == null then return found == null or loose == true and found == nil end
  if type(sent) == "table" and type(found) == "table" then return same_tables(sent, found, loose) end
  if type(sent) == "number" or is_long(sent) then
    if type(found) == "number" or is_long(found) or loose and is_numeric(found) then
      return same_number(sent, found)
    end
  end
  return sent == found
end
same = reconcile.same

--- Whether a row that was read is the row that was sent, by this comparison.
---@param comparison "unknown"|"exact"|"loose"
function reconcile.same_row(sent, found, comparison)
  if comparison ~= "loose" and same(sent, found, false) then return true end
  return comparison ~= "exact" and same(sent, found, true)
end

--- How rows of an import are compared, learned from the rows of an applied batch and the rows that were read at its
-- place.
---@return "exact"|"loose"|"unverifiable"
function reconcile.learn(sent, found)
  local comparison = "exact"
  if #found < #sent then return "unverifiable" end
  for place = 1, #sent do
    if not reconcile.same_row(sent[place], found[place], comparison) then
      if not same(sent[place], found[place], true) then return "unverifiable" end
      comparison = "loose"
    end
  end
  return comparison
end

--- Judges a batch by the rows that were read.
---@param sent any[] rows
---@param found any[] rows from the batch's place on; at most one more than it has
---@param anchored boolean the row before that place was read, or there is none
---@param comparison "unknown"|"exact"|"loose"|"unverifiable"
---@return "applied"|"absent"|"partial"|"foreign"|"behind"|"unverifiable" verdict, integer count of rows of the batch
--
-- behind: earlier rows are not visible yet, so nothing can be said about later ones.
function reconcile.judge(sent, found, anchored, comparison)
  if #found == 0 then return anchored and "absent" or "behind", 0 end
  if comparison == "unverifiable" then return "unverifiable", 0 end
  if #found > #sent then return "foreign", 0 end
  for place = 1, #found do
    if not reconcile.same_row(sent[place], found[place], comparison) then return "foreign", place - 1 end
  end
  return #found == #sent and "applied" or "partial", #found
end

--- The action after the verdicts so far, the newest one last: to wait and read again ("look"), or to act. "absent" and
-- "partial" count only when two reads in a row agree, since the request may still be under way at the first read.
---@param verdicts { [1]: string, [2]: integer }[]
---@param most integer the most reads
---@return "look"|"applied"|"again"|"partial"|"foreign"|"unverifiable"|"give_up" action
function reconcile.decide(verdicts, most)
  local newest, before = verdicts[#verdicts], verdicts[#verdicts - 1]
  if newest[1] == "applied" or newest[1] == "foreign" or newest[1] == "unverifiable" then return newest[1] end
  local twice = before ~= nil and before[1] == newest[1] and before[2] == newest[2]
  if twice and newest[1] == "absent" then return "again" end
  if twice and newest[1] == "partial" then return "partial" end
  return #verdicts >= most and "give_up" or "look"
end

--- Judges an import in doubt by the list of imports. Its description holds `marker`.
---@param list table[] of GET /Import/All
---@return "found"|"absent"|"hidden"|"several"|"nameless" verdict, any id
--
-- hidden: the list has no descriptions, so nothing can be said. nameless: it is there, but the list lacks its id.
function reconcile.created(list, marker)
  local count, id, shows = 0, nil, #list == 0
  for _, import in ipairs(list) do
    local description = type(import) == "table" and import.description
    if type(description) == "string" and description ~= "" then
      shows = true
      if description:find(marker, 1, true) then count, id = count + 1, import.id end
    end
  end
  if count > 1 then return "several" end
  if count == 0 then return shows and "absent" or "hidden" end
  if id == nil or id == null then return "nameless" end
  return "found", id
end

--- As `decide`, for an import in doubt.
---@return "look"|"found"|"again"|"hidden"|"several"|"nameless" action
function reconcile.decide_created(verdicts)
  local newest, before = verdicts[#verdicts], verdicts[#verdicts - 1]
  if newest ~= "absent" then return newest end
  return before == "absent" and "again" or "look"
end

--- Seconds to wait before the read of this number (from 1): `settle`, doubled each time up to 30.
function reconcile.settle(settle, look)
  return math.max(settle, math.min(30, settle * 2 ^ (look - 1)))
end

--- Whether an update appended, judged by the first row of the import after two batches.
---@param first table the first row of the first batch
---@param second table the first row of the second batch
---@param found table? the import's first row
---@return "appended"|"replaced"|"unclear" verdict unclear: only the number of rows shows it
function reconcile.appended(first, second, found, comparison)
  if found == nil then return "unclear" end
  if comparison == "unverifiable" then return "unclear" end
  local like_first = reconcile.same_row(first, found, comparison)
  local like_second = reconcile.same_row(second, found, comparison)
  if like_first ~= like_second then return like_first and "appended" or "replaced" end
  return "unclear"
end

--- See request.FAR.
reconcile.far = request.FAR

--- The search for the number of rows in an import by reading single rows: at 0, far beyond the end, then at positions
-- that grow eightfold and are bisected at last. Returns the state and the next position to read; or the state, nil and
-- the count; or the state alone if there is a row far beyond the end.
---@param state table? nil at first; then rows below `low` exist, and the row at `high` does not
---@param is_there boolean? whether there is a row at the position returned last
---@return table state, integer? position, integer? count
function reconcile.probe(state, is_there)
  if state == nil then return { low = 0, at = 0 }, 0 end
  if is_there then state.low = state.at + 1 else state.high = state.at end
  if state.high == nil then
    if state.at == reconcile.far then return state end
    state.at = reconcile.far
  elseif state.low >= state.high then
    return state, nil, state.high
  else
    state.at = math.min(state.low * 8, math.floor((state.low + state.high) / 2))
  end
  return state, state.at
end

return reconcile
