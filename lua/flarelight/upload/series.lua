--- Series: uploads of the same kind, such as one a night. Compares the shape of a source with that of the last upload
-- of its series, and describes the differences. Pure. docs/uploads.md has the rules.
--
-- A shape is { records = number, columns = { { name, type }, … } }. The order of the columns does not matter.

local series = {}

---@class flarelight.Difference
---@field what "missing"|"retyped"|"new"|"records"
---@field column string? all but records
---@field before string|integer|nil type of the column, or number of records, in the upload before; nil: new
---@field now string|integer|nil in this source; nil: missing

-- The types of the columns by their names.
local function types_of(shape)
  local types = {}
  for _, column in ipairs(shape.columns) do types[column[1]] = column[2] end
  return types
end

--- The differences between two shapes: columns that are missing or of another type in the order of `before`, new ones
-- in the order of `now`, then the numbers of records, if there are less than half or more than twice as many.
---@return flarelight.Difference[]
function series.compare(before, now)
  local was, is, found = types_of(before), types_of(now), {}
  for _, column in ipairs(before.columns) do
    local name, kind = column[1], column[2]
    if is[name] == nil then
      found[#found + 1] = { what = "missing", column = name, before = kind }
    elseif is[name] ~= kind then
      found[#found + 1] = { what = "retyped", column = name, before = kind, now = is[name] }
    end
  end
  for _, column in ipairs(now.columns) do
    if was[column[1]] == nil then found[#found + 1] = { what = "new", column = column[1], now = column[2] } end
  end
  if now.records * 2 < before.records or now.records > before.records * 2 then
    found[#found + 1] = { what = "records", before = before.records, now = now.records }
  end
  return found
end

-- --- as text ---

local SHOWN = 40 -- bytes of a name
local MOST = 20  -- columns of a table

-- A name on one line, cut between two characters.
local function shown(name)
  local text, stop = name:gsub("%c", " "), SHOWN
  if #text <= SHOWN then return text end
  while text:find("^[\128-\191]", stop + 1) do stop = stop - 1 end
  return text:sub(1, stop) .. "…"
end

-- The number of characters, counted by the bytes that begin a character.
local function width(text) return select(2, text:gsub("[^\128-\191]", "")) end

--- A table of the differences (of the first ones if there are many), as lines separated by line ends.
---@param differences flarelight.Difference[]
---@return string
function series.table(differences)
  local rows, widths, lines, more = { { "column", "before", "now" } }, { 0, 0 }, {}, 0
  for _, each in ipairs(differences) do
    if each.what ~= "records" then
      if #rows <= MOST then rows[#rows + 1] = { shown(each.column), each.before or "missing", each.now or "missing" }
      else more = more + 1 end
    end
  end
  for _, row in ipairs(rows) do
    for place = 1, 2 do widths[place] = math.max(widths[place], width(row[place])) end
  end
  for i, row in ipairs(rows) do
    if #rows == 1 then break end
    for place = 1, 2 do row[place] = row[place] .. (" "):rep(widths[place] - width(row[place])) end
    lines[i] = "  " .. table.concat(row, "  ")
  end
  if more > 0 then lines[#lines + 1] = ("  and %d more"):format(more) end
  local last = differences[#differences]
  if last and last.what == "records" then
    lines[#lines + 1] = ("  %.0f %s, %.0f before: %s"):format(last.now, last.now == 1 and "record" or "records",
      last.before, last.now < last.before and "less than half" or "more than twice")
  end
  return table.concat(lines, "\n")
end

local function date(ended) return os.date("%Y-%m-%d", math.floor(ended)) end

--- The message that a source differs: a line, and the table.
---@param name string of the series
---@param compared { differences: flarelight.Difference[], ended: number } `ended`: of the upload before, epoch seconds
function series.message(name, compared)
  return ('series "%s": the source differs from the upload of %s: drift = "accept" sends it as it is\n%s'):format(
    shown(name), date(compared.ended), series.table(compared.differences))
end

--- The remark that a source differs and was sent.
function series.remark(compared)
  return ("the source differs from the upload of %s of its series\n%s"):format(date(compared.ended),
    series.table(compared.differences))
end

return series
