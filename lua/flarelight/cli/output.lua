--- Output of the command: results to standard output, as tables for people or as JSON for programs, everything else to
-- standard error. A result that cannot be written raises `output.Broken`. Control characters in texts of the service do
-- not reach a terminal.

local core = require "flarelight.core"
local display = require "flarelight.chart.display"
local json = require "flarelight.json"

---@class flarelight.cli.Output
---@field json boolean results as JSON
---@field quiet boolean nothing but results and errors
local Output = {}
Output.__index = Output

local output = {}

--- The class of the error that is raised if standard output cannot be written: `{ message = }`.
output.Broken = {}

--- Raises output.Broken.
function output.broken(message)
  error(setmetatable({ message = message:match "standard output: (.*)" or message }, output.Broken), 0)
end

local done = {}

--- Records what the command has done and cannot undo, for the message if its result cannot be printed.
---@param text string as "the upload is complete: import 3"
---@param fate string? of a write at the service: "applied"
function output.did(text, fate)
  done[#done + 1], done.fate = text, fate or done.fate
end

--- The texts of `did` in order, with the member `fate`; empties the list.
function output.take_done()
  local taken = done
  done = {}
  return taken
end

--- Writes a result's text.
function output.write(text)
  local written, message = io.stdout:write(text)
  if not written then output.broken(message) end
end

--- Flushes standard output. Raises output.Broken if that fails.
function output.flush()
  local flushed, message = io.stdout:flush()
  if not flushed then output.broken(message) end
end

-- --- colours ---

local STYLES = { heading = "1", ok = "32", warning = "33", failed = "1;31", skipped = "2" }

-- Whether a stream shows colours: a terminal that is not dumb, and NO_COLOR is not set or empty (no-color.org).
local function shows_colours(descriptor)
  local term, none = os.getenv "TERM", os.getenv "NO_COLOR"
  return (none == nil or none == "") and term ~= nil and term ~= "" and term ~= "dumb"
    and core.terminal(descriptor) ~= nil
end

--- A text in a style (heading, ok, warning, failed, skipped), if the stream shows colours; else as it is.
---@param descriptor integer 1 for standard output, 2 for standard error
function output.coloured(descriptor, style, text)
  if not shows_colours(descriptor) then return text end
  return ("\27[%sm%s\27[0m"):format(STYLES[style], text)
end

-- --- the width of terminals ---

local LEAST_ROOM = 20 -- columns; a narrower terminal breaks lines by itself

local function fit_line(line, room, used, margin)
  local lines, current = {}, (" "):rep(used)
  local width, empty = used, true
  for word, space in line:gmatch "(%S+)(%s*)" do
    local size = display.width(word)
    if not empty and width + size > room then
      lines[#lines + 1], current, width = current:gsub("%s+$", ""), (" "):rep(margin), margin
    end
    current, width, empty = current .. word .. space, width + size + #space, false
  end
  lines[#lines + 1] = current
  return table.concat(lines, "\n"):sub(used + 1)
end

--- A text in lines that fit the terminal of a stream, broken at spaces; as it is where there is no terminal. Words stay
-- whole, and a line that fits stays as it is.
---@param descriptor integer 1 for standard output, 2 for standard error
---@param text string
---@param used integer columns in use before the text
---@param margin integer? columns before each further line; `used` by default
---@return string
function output.fitted(descriptor, text, used, margin)
  local room = core.terminal(descriptor)
  margin = margin or used
  if not room or room - margin < LEAST_ROOM then return text end
  return (text:gsub("[^\n]+", function(line)
    local before = used
    used = margin -- the first line is the only one with something before it
    return before + display.width(line) > room and fit_line(line, room, before, margin) or nil
  end))
end

--- A line on standard error.
function output.complain(text)
  io.stderr:write(text, "\n")
end

-- --- JSON, with members in a fixed order ---

local function is_array(value)
  return getmetatable(value) == core.array_metatable or value[1] ~= nil
end

-- Members that are printed first.
local FIRST = { "id", "name", "description", "status", "records", "rows" }
local rank = {}
for place, name in ipairs(FIRST) do rank[name] = place end

local function names_of(value)
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names, function(left, right)
    local one, other = rank[left] or #FIRST + 1, rank[right] or #FIRST + 1
    if one ~= other then return one < other end
    return left < right
  end)
  return names
end

-- A value that is neither array nor object. JSON is UTF-8, but paths of files need not be.
local function encode_plain(value)
  return json.encode(type(value) == "string" and display.utf8(value) or value)
end

local encode

local function encode_array(value, indent)
  if #value == 0 then return "[]" end
  local parts = {}
  for i, element in ipairs(value) do parts[i] = indent .. "  " .. encode(element, indent .. "  ") end
  return "[\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "]"
end

local function encode_object(value, indent)
  local parts = {}
  for i, name in ipairs(names_of(value)) do
    parts[i] = indent .. "  " .. encode_plain(name) .. ": " .. encode(value[name], indent .. "  ")
  end
  if #parts == 0 then return "{}" end
  return "{\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "}"
end

function encode(value, indent)
  if type(value) ~= "table" or getmetatable(value) == core.integer_metatable then return encode_plain(value) end
  if is_array(value) then return encode_array(value, indent) end
  return encode_object(value, indent)
end

--- A value as JSON in one line, members in order.
function output.compact(value)
  if type(value) ~= "table" or getmetatable(value) == core.integer_metatable then return encode_plain(value) end
  local parts = {}
  if is_array(value) then
    for i, element in ipairs(value) do parts[i] = output.compact(element) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for i, name in ipairs(names_of(value)) do parts[i] = encode_plain(name) .. ":" .. output.compact(value[name]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- A value as indented JSON, members in order, with a line end.
function output.encode(value)
  return encode(value, "") .. "\n"
end

-- --- tables ---

--- A value as the text of a cell; nil for arrays and objects.
local function cell(value)
  if value == nil or value == json.null then return "" end
  if type(value) == "table" and getmetatable(value) ~= core.integer_metatable then return nil end
  return display.clean(tostring(value))
end

-- The columns of rows: all members that have a text in some row.
local function columns_of(rows)
  local seen = {}
  for _, row in ipairs(rows) do
    for name, value in pairs(row) do
      if cell(value) then seen[name] = true end
    end
  end
  return names_of(seen)
end

-- Never truncated: meant to be copied.
local WHOLE = { id = true, token = true, key = true }

-- A time without its seconds; nil for any other text.
local function to_minutes(text)
  local minutes, zone = text:match "^(%d%d%d%d%-%d%d%-%d%d[T ]%d%d:%d%d):%d%d[%.%d]*([Z%d:+-]*)$"
  return minutes and minutes .. zone
end

-- The cells of a column of times without their seconds, and its width; nil if a cell is no time.
local function in_minutes(lines, place)
  local cells, width, found = {}, display.width(lines[1][place]), false
  for i = 2, #lines do
    local text = lines[i][place]
    cells[i] = text == "" and "" or to_minutes(text)
    if not cells[i] then return nil end
    width, found = math.max(width, #cells[i]), found or text ~= ""
  end
  if found then return cells, width end
end

-- Narrows columns until the line fits in `room`: first times, by their seconds, which are then whole; then the widest.
-- False: it cannot fit readably.
local function fit(columns, lines, widths, room)
  local total, whole, times = 2 * (#widths - 1), {}, {}
  for _, width in ipairs(widths) do total = total + width end
  if total <= room then return true end
  for place, name in ipairs(columns) do
    local cells, width = in_minutes(lines, place)
    whole[place], times[place] = WHOLE[name] or cells ~= nil, cells
    if cells then total, widths[place] = total - widths[place] + width, width end
  end
  while total > room do
    local widest
    for place, width in ipairs(widths) do
      if not whole[place] and width > (widest and widths[widest] or 0) then widest = place end
    end
    if not widest or widths[widest] <= 10 then return false end
    widths[widest] = widths[widest] - 1
    total = total - 1
  end
  for place, cells in pairs(times) do
    for i, text in pairs(cells) do lines[i][place] = text end
  end
  return true
end

-- Draws each row as a block of lines, one a member: for terminals that are too narrow for a table.
local function draw_blocks(lines, room)
  local width, blocks = 0, {}
  for _, name in ipairs(lines[1]) do width = math.max(width, display.width(name)) end
  width = math.min(width, math.floor(room / 2))
  for i = 2, #lines do
    local parts = {}
    for place, text in ipairs(lines[i]) do
      if text ~= "" then
        local name = display.cut(lines[1][place], width)
        local label = name .. (" "):rep(width - display.width(name) + 2)
        parts[#parts + 1] = label .. output.fitted(1, text, width + 2) .. "\n"
      end
    end
    blocks[#blocks + 1] = table.concat(parts)
  end
  return table.concat(blocks, "\n")
end

local function draw(columns, rows)
  local lines, widths, numeric = { {} }, {}, {}
  for place, name in ipairs(columns) do
    lines[1][place] = display.clean(name)
    widths[place], numeric[place] = display.width(lines[1][place]), #rows > 0
  end
  for i, row in ipairs(rows) do
    lines[i + 1] = {}
    for place, name in ipairs(columns) do
      local text = cell(row[name]) or "…"
      lines[i + 1][place] = text
      widths[place] = math.max(widths[place], display.width(text))
      if type(row[name]) ~= "number" and text ~= "" then numeric[place] = false end
    end
  end
  local room = core.terminal(1)
  if room and room > 0 and not fit(columns, lines, widths, room) then return draw_blocks(lines, room) end
  for i, line in ipairs(lines) do
    local parts = {}
    for place, text in ipairs(line) do
      text = display.cut(text, widths[place])
      local space = (" "):rep(widths[place] - display.width(text))
      parts[place] = numeric[place] and space .. text or text .. space
    end
    lines[i] = table.concat(parts, "  "):gsub("%s+$", "")
    if i == 1 then lines[1] = output.coloured(1, "heading", lines[1]) end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Prints rows as a table, or as JSON. `columns` in order; else those that the rows have.
---@param rows table[]
---@param columns string[]?
---@param none string the remark on standard error if there are none
function Output:list(rows, columns, none)
  if self.json then return output.write(output.encode(json.array(rows))) end
  if #rows == 0 then return self:note(none) end
  for _, row in ipairs(rows) do
    -- The service does not document the shape of rows. A row that is no object is printed as JSON.
    if type(row) ~= "table" then return output.write(output.encode(rows)) end
  end
  output.write(draw(columns or columns_of(rows), rows))
end

--- Prints facts, one a line; with --json the object instead.
---@param facts { [1]: string, [2]: any }[] a label and its value; nil and null are left out
---@param object table for JSON
function Output:facts(facts, object)
  if self.json then return output.write(output.encode(object)) end
  local width = 0
  for _, fact in ipairs(facts) do width = math.max(width, display.width(fact[1])) end
  for _, fact in ipairs(facts) do
    local text = cell(fact[2])
    if text and text ~= "" then
      local label = fact[1] .. (" "):rep(width - display.width(fact[1]) + 2)
      output.write(label .. output.fitted(1, text, width + 2) .. "\n")
    end
  end
end

-- The elements of an array as one text; nil if one of them is an array or object, or the value is an object.
local function joined(value)
  if not is_array(value) then return nil end
  local parts = {}
  for i, element in ipairs(value) do
    parts[i] = element == json.null and "null" or cell(element)
    if not parts[i] then return nil end
  end
  return parts[1] and table.concat(parts, ", ") or "[]"
end

local add_nested

-- Adds the members of an object as lines: those that are no text with their own members below them.
local function add_members(lines, object, indent)
  local pad, width, texts = (" "):rep(indent), 0, {}
  for name, value in pairs(object) do
    texts[name] = cell(value) or joined(value)
    if (texts[name] or "") ~= "" then width = math.max(width, display.width(display.clean(name))) end
  end
  for _, name in ipairs(names_of(object)) do
    local label, text = display.clean(name), texts[name]
    if not text then
      lines[#lines + 1] = pad .. label
      add_nested(lines, object[name], indent + 2)
    elseif text ~= "" then
      local margin = indent + width + 2
      lines[#lines + 1] = pad .. label .. (" "):rep(width - display.width(label) + 2) .. output.fitted(1, text, margin)
    end
  end
end

-- Adds an object, or an array whose elements begin with a hyphen.
function add_nested(lines, value, indent)
  if not is_array(value) then return add_members(lines, value, indent) end
  for _, element in ipairs(value) do
    local first, text = #lines + 1, element == json.null and "null" or cell(element) or joined(element)
    if text then
      lines[first] = (" "):rep(indent + 2) .. output.fitted(1, text, indent + 2)
    else
      add_nested(lines, element, indent + 2)
    end
    lines[first] = (" "):rep(indent) .. "-" .. (lines[first] or ""):sub(indent + 2)
  end
end

--- Prints the data of any reply. Objects within it have lines of their own on a terminal; a pipe gets them in one line.
function Output:value(value)
  if self.json or type(value) ~= "table" or is_array(value) then return output.write(output.encode(value)) end
  if core.terminal(1) then
    local lines = {}
    add_members(lines, value, 0)
    return output.write(table.concat(lines, "\n") .. (lines[1] and "\n" or ""))
  end
  local facts = {}
  for i, name in ipairs(names_of(value)) do
    facts[i] = { name, cell(value[name]) and value[name] or output.compact(value[name]) }
  end
  self:facts(facts, value)
end

--- A remark on standard error; none with --quiet.
function Output:note(text)
  if not self.quiet then output.complain(text) end
end

---@param args table of the command line
---@return flarelight.cli.Output
function output.new(args)
  return setmetatable({ json = args.json or false, quiet = args.quiet or false }, Output)
end

--- A number with its thousands apart: 1,234,567.
function output.count(number)
  local text = ("%.0f"):format(number)
  local sign, digits = text:match "^(%-?)(%d+)$"
  digits = digits:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  return sign .. digits
end

--- A number with its noun: 1 write, 2,000 writes.
function output.counted(number, one, many)
  return output.count(number) .. " " .. (number == 1 and one or many or one .. "s")
end

--- A point in time (epoch seconds) as date and time in the local time zone.
function output.clock(seconds) return os.date("%Y-%m-%d %H:%M:%S", math.floor(seconds)) end

--- Bytes as 12 B, 3.4 kB, 1.2 MB.
function output.bytes(number)
  for _, unit in ipairs { "B", "kB", "MB", "GB" } do
    if number < 1000 or unit == "GB" then
      return (unit == "B" and "%.0f %s" or "%.1f %s"):format(number, unit)
    end
    number = number / 1000
  end
end

--- Seconds as 0.3 s, 42 s, 3:07 min, 2:05:00 h.
function output.duration(seconds)
  if seconds < 9.95 then return ("%.1f s"):format(seconds) end
  return output.whole_duration(math.floor(seconds + 0.5))
end

--- The same in whole seconds, for a time that counts down.
function output.whole_duration(seconds)
  local whole = math.ceil(seconds)
  if whole < 60 then return ("%d s"):format(whole) end
  if whole < 3600 then return ("%d:%02d min"):format(math.floor(whole / 60), whole % 60) end
  return ("%d:%02d:%02d h"):format(math.floor(whole / 3600), math.floor(whole / 60) % 60, whole % 60)
end

return output
