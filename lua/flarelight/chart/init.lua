--- Charts of the data of `api.reports:chart_data`: as text for a terminal, or as SVG or PNG through gnuplot. This file
-- checks the arguments and writes files; chart/text.lua and chart/gnuplot.lua draw.

local errors = require "flarelight.error"
local misuse = require "flarelight.misuse"
local null = require("flarelight.json").null
local options = require "flarelight.options"

---@class flarelight.chart
local chart = {}

local known = { format = "string", file = "path", title = "string", width = "positive", stacked = "boolean" }

local draw = {
  text = function(data, given) return require("flarelight.chart.text").draw(data, given) end,
  svg = function(data, given) return require("flarelight.chart.gnuplot").draw(data, given) end,
  png = function(data, given) return require("flarelight.chart.gnuplot").draw(data, given) end,
}

-- The formats by the endings of files.
local by_ending = { txt = "text", text = "text", svg = "svg", png = "png" }

-- Larger values could overflow in the arithmetic of scales.
local GREATEST = 1e300

local function wrong(where, should, value)
  local shown = value == null and "null" or type(value)
  if type(value) == "string" or type(value) == "number" then shown = tostring(value):sub(1, 40) end
  misuse(("chart.render: %s: should be %s, but is %s"):format(where, should, shown))
end

local function array(where, value)
  if type(value) ~= "table" then wrong(where, "an array", value) end
  return value
end

local function text(where, value, default)
  if value == nil or value == null then return default end
  if type(value) == "table" or type(value) == "function" or type(value) == "userdata" then
    wrong(where, "text", value)
  end
  return tostring(value)
end

--- A value as the number to draw and the text to print; nothing for null. An integer that this Lua cannot hold is a
-- string of digits, which is printed unchanged.
local function number(where, value)
  if value == nil or value == null then return nil end
  local drawn = value
  if type(value) == "string" and value:find "^%-?%d+$" then drawn = tonumber(value) end
  if type(drawn) ~= "number" or drawn ~= drawn or math.abs(drawn + 0.0) >= GREATEST then
    wrong(where, "a number within 1e300, or null", value)
  end
  drawn = drawn + 0.0
  if type(value) == "string" or math.type and math.type(value) == "integer" then return drawn, tostring(value) end
  local whole = drawn == math.floor(drawn) and math.abs(drawn) < 1e15
  return drawn, (((whole and "%.0f" or "%.6g"):format(drawn)):gsub(",", ".")) -- a comma in some locales
end

--- Checks chart data. Returns labels as strings, and each series with `name`, `values` and `texts`; null is a hole in
-- the last two.
local function read(data)
  array("data", data)
  local labels, series = array("data.labels", data.labels), array("data.series", data.series)
  local read_series, count = {}, #labels
  for index, each in ipairs(series) do
    local where = ("data.series[%d]"):format(index)
    array(where, each)
    local given = array(where .. ".values", each.values)
    local values, texts = {}, {}
    for position = 1, #given do
      values[position], texts[position] = number(("%s.values[%d]"):format(where, position), given[position])
    end
    count = math.max(count, #given)
    local name = text(where .. ".name", each.name, #series > 1 and "series " .. index or "")
    read_series[index] = { name = name, values = values, texts = texts }
  end
  local names = {}
  for index = 1, count do
    names[index] = text(("data.labels[%d]"):format(index), labels[index], index > #labels and tostring(index) or "–")
  end
  return { labels = names, series = read_series, count = count, lines = data.type == "line" }
end

local function write(path, content)
  local file, message = io.open(path, "wb")
  if not file then return errors.fail("io", "chart: " .. message) end
  local written, why = file:write(content)
  local closed, reason = file:close()
  if written and closed then return true end
  return errors.fail("io", ("chart: %s: %s"):format(path, tostring(why or reason)))
end

local function format_of(given)
  local format = given.format
  local ending = not format and given.file and given.file:match "%.([^./]*)$"
  if ending then
    format = by_ending[ending:lower()] or misuse(
      ('chart.render.format: is needed for a file that ends in .%s: "text", "svg" or "png"'):format(ending))
  end
  format = format or "text"
  if not draw[format] then
    misuse(('chart.render.format: should be "text", "svg" or "png", but is %q'):format(format))
  end
  if format == "png" and not given.file then misuse "chart.render.file: is missing; a png needs it" end
  return format
end

--- Draws chart data: `{labels = {…}, series = {{name =, values = {…}}, …}}`, with numbers or
-- `flarelight.null` as values; `type = "line"` draws lines (svg, png).
--
-- format: "text" (bars of block characters, `width` columns, 80 by default), "svg" or "png" (by gnuplot); the default
-- is the format of the ending of `file`, or else text; file: path of the file to write, which png needs; title: above
-- the chart; stacked: stacks the series of a label in one bar.
--
-- Returns the text or the SVG, for a PNG the file's name; or `nil, message, err` of kind io if gnuplot is missing or
-- fails, or the file cannot be written. Misuse raises, and so do data of another shape.
---@param data { labels: any[], series: { name: string?, values: any[] }[], type: string? }
---@param given { format: "text"|"svg"|"png"?, file: string?, title: string?, width: integer?, stacked: boolean? }?
---@return string? result, string? message, flarelight.Error? err
function chart.render(data, given)
  given = options.table("chart.render", given, known)
  local format = format_of(given)
  local checked = read(data)
  local result, message, err = draw[format](checked, {
    format = format, title = given.title, width = given.width or 80,
    stacked = given.stacked and #checked.series > 1,
  })
  if not result then return nil, message, err end
  if given.file then
    local written
    written, message, err = write(given.file, result)
    if not written then return nil, message, err end
  end
  return format == "png" and given.file or result
end

return chart
