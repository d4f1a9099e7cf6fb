--- Charts for terminals: bars of block characters, with a label, a value, a legend and a scale. Bars of values above
-- zero grow to the right of the axis, bars of values below zero to the left. Pure.

local display = require "flarelight.chart.display"
local scale = require "flarelight.chart.scale"

local text = {}

local FILLS = { "█", "▒", "░", "▓", "▚", "═" }
-- Only the full block has parts in Unicode: eighths from the left, a half from the right.
local EIGHTHS = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }
local RIGHT_HALF, RIGHT_EDGE = "▐", "▕"
local LEAST_CELLS = 10 -- the least cells of the bars, if the width is too small for everything
local CELLS_A_TICK = 9

local function round(value) return math.floor(value + 0.5) end

--- One row for each bar: `label`, `segments` of `{value =, fill =}`, their `total`, and the `text` of the value.
local function rows_of(data, stacked)
  local rows = {}
  for index = 1, data.count do
    local row = { label = data.labels[index], segments = {}, total = 0 }
    for position, series in ipairs(data.series) do
      if not stacked then row = { label = position == 1 and data.labels[index], segments = {}, total = 0 } end
      local value = series.values[index]
      if value then
        row.segments[#row.segments + 1] = { value = value, fill = FILLS[(position - 1) % #FILLS + 1] }
        row.total = row.total + value
        row.text = series.texts[index]
      end
      if not stacked or position == #data.series then rows[#rows + 1] = row end
    end
    if stacked and #row.segments > 1 then row.text = ("%.10g"):format(row.total):gsub(",", ".") end
    rows[#rows].last = index < data.count and not stacked and #data.series > 1
  end
  return rows
end

--- The sum of a row's values on one side of the axis: `sign` is 1 for values above zero, -1 for those below.
local function extent(row, sign)
  local sum = 0
  for _, segment in ipairs(row.segments) do
    if segment.value * sign > 0 then sum = sum + segment.value * sign end
  end
  return sum
end

--- The bar on one side of the axis, and its number of cells.
local function bar(row, sign, cells_a_unit)
  local parts, sum, drawn, fill = {}, 0, 0, nil
  for _, segment in ipairs(row.segments) do
    if segment.value * sign > 0 then
      sum, fill = sum + segment.value * sign, segment.fill
      local whole = fill == FILLS[1] and math.floor(sum * cells_a_unit) or round(sum * cells_a_unit)
      if whole > drawn then
        parts[#parts + 1] = fill:rep(whole - drawn)
        drawn = whole
      end
    end
  end
  local rest = sum * cells_a_unit - drawn
  local part
  if fill == FILLS[1] then
    local eighths = round(rest * 8)
    if sign > 0 then
      part = eighths == 8 and fill or EIGHTHS[eighths]
    else
      part = eighths >= 6 and fill or eighths >= 3 and RIGHT_HALF
    end
  end
  -- The smallest value still differs from zero.
  if not part and sum > 0 and drawn == 0 then part = sign > 0 and EIGHTHS[1] or RIGHT_EDGE end
  if part then
    parts[#parts + 1] = part
    drawn = drawn + 1
  end
  if sign > 0 then return table.concat(parts), drawn end
  local outward = {}
  for index = #parts, 1, -1 do outward[#outward + 1] = parts[index] end
  return table.concat(outward), drawn
end

--- The layout. `left` and `right`: cells on each side of the axis; `before`: columns for values left of these.
local function lay_out(rows, width)
  local low, high, label_width, before, after = 0, 0, 0, 0, 0
  for _, row in ipairs(rows) do
    row.text = row.text or "–"
    low, high = math.min(low, -extent(row, -1)), math.max(high, extent(row, 1))
    if row.label then
      row.label = display.cut(display.clean(row.label), math.max(8, math.floor(width / 3)))
      label_width = math.max(label_width, display.width(row.label))
    end
    if row.total < 0 then
      before = math.max(before, display.width(row.text) + 1)
    else
      after = math.max(after, display.width(row.text) + 1)
    end
  end
  local cells = math.max(LEAST_CELLS, width - label_width - before - after - 2)
  local ruler = scale.new(low, high, math.max(3, math.floor(cells / CELLS_A_TICK)))
  local left = round(cells * -ruler.low / (ruler.high - ruler.low))
  -- A side with values gets at least one cell.
  if ruler.low < 0 then left = math.max(1, left) end
  if ruler.high > 0 then left = math.min(cells - 1, left) end
  local cells_a_unit = math.min(ruler.low < 0 and left / -ruler.low or math.huge,
    ruler.high > 0 and (cells - left) / ruler.high or math.huge)
  return {
    label_width = label_width, before = before, left = left, right = cells - left, cells_a_unit = cells_a_unit,
    ruler = ruler,
  }
end

local function bar_line(row, layout)
  local above, cells_above = bar(row, 1, layout.cells_a_unit)
  local below, cells_below = bar(row, -1, layout.cells_a_unit)
  local left = layout.before + layout.left - cells_below
  if row.total < 0 then
    below = display.right(row.text, left - 1) .. " " .. below
  else
    below = (" "):rep(left) .. below
    -- The value follows the end of its own bar.
    above = above .. (cells_above > 0 and " " or "") .. row.text
  end
  return display.right(row.label or "", layout.label_width) .. " " .. below .. "│" .. above
end

--- The axis with its ticks, and the line of their texts; texts that would touch are left out.
local function ruler_lines(layout, width)
  local line, marks = {}, {}
  local zero = layout.left + 1
  for column = 1, layout.left + 1 + layout.right do line[column] = "─" end
  local origin = layout.label_width + 1 + layout.before
  for _, tick in ipairs(layout.ruler.ticks) do
    local column = zero + round(tick.value * layout.cells_a_unit)
    line[column] = tick.value == 0 and (layout.left == 0 and "└" or layout.right == 0 and "┘" or "┼") or "┬"
    marks[#marks + 1] = { column = origin + column, text = tick.text }
  end
  local texts = ""
  for _, mark in ipairs(marks) do
    local before = math.min(mark.column - 1 - math.floor(#mark.text / 2), width - #mark.text)
    if texts == "" or before >= #texts + 2 then
      texts = texts .. (" "):rep(before - #texts) .. mark.text
    end
  end
  return (" "):rep(origin) .. table.concat(line), texts
end

local function legend_lines(data, width)
  local lines, line = {}, ""
  for position, series in ipairs(data.series) do
    local name = display.cut(display.clean(series.name), width - 2)
    if name ~= "" then
      local entry = FILLS[(position - 1) % #FILLS + 1] .. " " .. name
      if line ~= "" and display.width(line) + 3 + display.width(entry) > width then
        lines[#lines + 1] = line
        line = ""
      end
      line = line .. (line ~= "" and "   " or "") .. entry
    end
  end
  if line ~= "" then lines[#lines + 1] = line end
  return lines
end

--- Draws checked chart data. Every line ends with a line end and without trailing spaces.
function text.draw(data, given)
  local width = given.width
  local lines = {}
  if given.title then lines[1] = display.cut(display.clean(given.title), width) end
  for _, line in ipairs(legend_lines(data, width)) do lines[#lines + 1] = line end
  if #lines > 0 then lines[#lines + 1] = "" end
  if data.count == 0 or #data.series == 0 then
    lines[#lines + 1] = "(no data)"
  else
    local rows = rows_of(data, given.stacked)
    local layout = lay_out(rows, width)
    for _, row in ipairs(rows) do
      lines[#lines + 1] = bar_line(row, layout)
      if row.last then
        lines[#lines + 1] = (" "):rep(layout.label_width + 1 + layout.before + layout.left) .. "│"
      end
    end
    for _, line in ipairs { ruler_lines(layout, width) } do lines[#lines + 1] = line end
  end
  for index, line in ipairs(lines) do lines[index] = line:gsub(" +$", "") end
  return table.concat(lines, "\n") .. "\n"
end

return text
