--- The rows of a sandbox after a run, compared with the expected rows by their texts, digit for digit. Relies on the
-- client, to list the imports.

local flarelight = require "flarelight"

local holdings = {}

-- The position of the quote that ends the string at `begin`, in a JSON text.
local function string_end(text, begin)
  local close = text:find('["\\]', begin + 1)
  while text:sub(close, close) == "\\" do close = text:find('["\\]', close + 2) end
  return close
end

--- Iterates the texts of the objects in the JSON text of an array.
function holdings.rows_of(text)
  local position = 2
  return function()
    local begin = text:find("{", position, true)
    if not begin then return nil end
    local depth, at = 0, begin
    while true do
      -- The next brace or quote. Strings are skipped.
      local found = text:find('[{}"]', at)
      local byte = text:sub(found, found)
      if byte == '"' then
        at = string_end(text, found) + 1
      else
        depth = depth + (byte == "{" and 1 or -1)
        at = found + 1
        if depth == 0 then
          position = at
          return text:sub(begin, found)
        end
      end
    end
  end
end

-- The texts of the members of an object, in their order in the text.
local function members_of(text)
  local members, depth, at, begin = {}, 0, 2, 2
  while at < #text do
    local found = text:find('[{}%[%],"]', at)
    local byte = text:sub(found, found)
    if byte == '"' then
      found = string_end(text, found)
    elseif byte == "," then
      if depth == 0 then
        members[#members + 1] = text:sub(begin, found - 1)
        begin = found + 1
      end
    elseif found < #text then
      depth = depth + ((byte == "{" or byte == "[") and 1 or -1)
    end
    at = found + 1
  end
  members[#members + 1] = text:sub(begin, -2)
  return members
end

--- The text of an object with its members sorted. Lua's tables have no order, so that two processes may write the
--- same record with its members in different orders.
function holdings.in_order(text)
  local members = members_of(text)
  table.sort(members)
  return "{" .. table.concat(members, ",") .. "}"
end

--- The texts of the records in rejects files, and how often each occurs. The service refused these records.
---@param lines string[] of the files
---@return table<string, integer>
function holdings.rejected(lines)
  local records = {}
  for _, line in ipairs(lines) do
    for _, member in ipairs(members_of(line)) do
      local text = member:match '^"data":(.*)$'
      if text then records[text] = (records[text] or 0) + 1 end
    end
  end
  return records
end

--- The rows of all imports of a sandbox, by the import's name: { rows = text -> number of times it occurs, count =,
--- imports = }. Removes the sandbox's faults.
---@param box flarelight.Sandbox
function holdings.of(box)
  box:clear_faults()
  local api = assert(flarelight.new {
    base_url = box.url, api_key = box.api_key, subscription_id = box.subscription_id, max_attempts = 2,
  })
  local held = {}
  for _, import in ipairs(assert(api.imports:all())) do
    local name = type(import.name) == "string" and import.name or ""
    held[name] = held[name] or { count = 0, rows = {}, imports = 0 }
    local here = held[name]
    here.imports = here.imports + 1
    -- The sandbox keeps the text of a row as it was sent, so that rows are compared digit for digit.
    for text in holdings.rows_of(box:rows_text(import.id)) do
      here.rows[text] = (here.rows[text] or 0) + 1
      here.count = here.count + 1
    end
  end
  api:close()
  return held
end

-- The same holdings, with the members of every row sorted.
local function ordered(held)
  local made = {}
  for name, here in pairs(held) do
    local rows = {}
    for text, count in pairs(here.rows) do
      local key = holdings.in_order(text)
      rows[key] = (rows[key] or 0) + count
    end
    made[name] = { rows = rows }
  end
  return made
end

--- How many rows of `expected` are neither in `held` nor in `rejected`, and how many of `held` are too many. A row that
--- is in both `held` and `rejected` is one too many. Compares the texts of the rows.
---@return integer lost, integer repeated
function holdings.compare(expected, held, rejected)
  local lost, repeated = 0, 0
  for name, wanted in pairs(expected) do
    local here = held[name] or { rows = {} }
    for text, count in pairs(wanted.rows) do
      local missing, refused = math.max(0, count - (here.rows[text] or 0)), rejected and rejected[text] or 0
      lost = lost + math.max(0, missing - refused)
      repeated = repeated + math.max(0, refused - missing)
    end
  end
  for name, here in pairs(held) do
    local wanted = expected[name] or { rows = {} }
    for text, count in pairs(here.rows) do repeated = repeated + math.max(0, count - (wanted.rows[text] or 0)) end
  end
  return lost, repeated
end

--- The same, without regard to the order of a row's members.
---@return integer lost, integer repeated
function holdings.compare_in_any_order(expected, held, rejected)
  local lost, repeated = holdings.compare(expected, held, rejected)
  if lost == 0 and repeated == 0 then return 0, 0 end
  local in_order = rejected and ordered { rejected = { rows = rejected } }.rejected.rows
  return holdings.compare(ordered(expected), ordered(held), in_order)
end

--- Whether the same imports hold the same numbers of rows.
function holdings.same_counts(left, right)
  for name, here in pairs(left) do
    if not right[name] or right[name].count ~= here.count then return false end
  end
  for name in pairs(right) do
    if not left[name] then return false end
  end
  return true
end

return holdings
