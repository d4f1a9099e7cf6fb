--- Charts of the data of `api.reports:chart_data`: as text for a terminal, as CSV, or through gnuplot as SVG, PNG, PDF
-- or a page of HTML. This file checks the arguments and writes files; text, csv, gnuplot and html draw.

local errors = require "flarelight.error"
local json = require "flarelight.json"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local time_axis = require "flarelight.chart.time_axis"

local null = json.null

---@class flarelight.chart
local chart = {}

local known = {
  format = "string", file = "path", title = "string", width = "positive", stacked = "boolean", axis = "string",
  source = "string", time = "count",
}

local MOST_WIDTH = 10000 -- columns of a text

local function by_gnuplot(...) return require("flarelight.chart.gnuplot").draw(...) end

-- How each format is made, whether it is a picture or has one, and whether it is bytes that belong into a file. What a
-- format needs is loaded with its first use.
local formats = {
  text = { draw = function(...) return require("flarelight.chart.text").draw(...) end },
  csv = { draw = function(...) return require("flarelight.chart.csv").draw(...) end },
  svg = { picture = true, draw = by_gnuplot },
  png = { picture = true, draw = by_gnuplot, bytes = true },
  pdf = { picture = true, draw = by_gnuplot, bytes = true },
  html = {
    picture = true,
    draw = function(data, given)
      local untitled = { format = "html", axis = given.axis, stacked = given.stacked } -- the page has the title
      local svg, message, err = by_gnuplot(data, untitled)
      if not svg then return nil, message, err end
      return require("flarelight.chart.html").page(data, given, svg)
    end,
  },
}
local FORMATS = '"text", "svg", "png", "pdf", "html" or "csv"'

-- The formats by the endings of files.
local by_ending = {
  txt = "text", text = "text", svg = "svg", png = "png", pdf = "pdf", html = "html", htm = "html", csv = "csv",
}

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

--- A value as the number to draw, the text to print, and the text with all digits if that is another; nothing for null.
-- An integer that this Lua cannot hold is a string of digits, which is printed unchanged.
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
  local shown = ((whole and "%.0f" or "%.6g"):format(drawn)):gsub(",", ".") -- a comma in some locales
  return drawn, shown, whole and shown or json.encode(drawn)
end

--- Checks chart data. Returns labels as strings, and each series with `name`, `values`, `texts` and `exact` (the texts
-- with all digits); null is a hole in the last three.
local function read(data)
  array("data", data)
  local labels, series = array("data.labels", data.labels), array("data.series", data.series)
  local read_series, count = {}, #labels
  for index, each in ipairs(series) do
    local where = ("data.series[%d]"):format(index)
    array(where, each)
    local given = array(where .. ".values", each.values)
    local values, texts, exact = {}, {}, {}
    for position = 1, #given do
      values[position], texts[position], exact[position] =
        number(("%s.values[%d]"):format(where, position), given[position])
      exact[position] = exact[position] or texts[position]
    end
    count = math.max(count, #given)
    local name = text(where .. ".name", each.name, #series > 1 and "series " .. index or "")
    read_series[index] = { name = name, values = values, texts = texts, exact = exact }
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
      ("chart.render.format: is needed for a file that ends in .%s: %s"):format(ending, FORMATS))
  end
  format = format or "text"
  if not formats[format] then misuse(("chart.render.format: should be %s, but is %q"):format(FORMATS, format)) end
  if formats[format].bytes and not given.file then
    misuse(("chart.render.file: is missing; a %s needs it"):format(format))
  end
  return format
end

local function axis_of(given)
  if given.axis and given.axis ~= "time" and given.axis ~= "labels" then
    misuse(('chart.render.axis: should be "time" or "labels", but is %q'):format(given.axis))
  end
  return given.axis
end

---@class flarelight.ChartOptions
---@field format "text"|"svg"|"png"|"pdf"|"html"|"csv"|nil that of the ending of `file`, else "text"
---@field file string? path of the file to write; png and pdf need it
---@field title string? above the chart
---@field width integer? columns of the text, 80
---@field stacked boolean? stacks the series of a label in one bar
---@field axis "time"|"labels"|nil where a picture has its labels: "time" places dates and times by their distance
---@field source string? where the data come from, for the foot of a page of HTML
---@field time integer? the time in the foot of a page of HTML, in seconds since 1970; now by default

--- Draws chart data: `{labels = {…}, series = {{name =, values = {…}}, …}}`, with numbers or
-- `flarelight.null` as values; `type = "line"` draws lines in pictures.
--
-- Formats: "text" (bars of block characters, `width` columns), "csv" (the data), and by gnuplot "svg", "png", "pdf"
-- and "html" (a page with the picture and its table).
--
-- Returns the text, the SVG, the page or the CSV, for a PNG or PDF the file's name; or `nil, message, err` of kind io
-- if gnuplot is missing or fails, or the file cannot be written. Misuse raises, and so do data of another shape.
---@param data { labels: any[], series: { name: string?, values: any[] }[], type: string? }
---@param given flarelight.ChartOptions?
---@return string? result, string? message, flarelight.Error? err
function chart.render(data, given)
  given = options.table("chart.render", given, known)
  local format = format_of(given)
  local axis = axis_of(given)
  if given.width and given.width > MOST_WIDTH then
    misuse(("chart.render.width: should be %d columns at most, but is %s"):format(MOST_WIDTH, given.width))
  end
  local checked = read(data)
  if axis == "time" and formats[format].picture then
    for index, label in ipairs(checked.labels) do
      if not time_axis.parse(label) then
        wrong(("data.labels[%d]"):format(index), 'a date or time for axis = "time"', label)
      end
    end
  end
  local result, message, err = formats[format].draw(checked, {
    format = format, title = given.title, width = given.width or 80, axis = axis, source = given.source,
    time = given.time or os.time(), stacked = given.stacked and #checked.series > 1,
  })
  if not result then return nil, message, err end
  if given.file then
    local written
    written, message, err = write(given.file, result)
    if not written then return nil, message, err end
  end
  return formats[format].bytes and given.file or result
end

return chart
