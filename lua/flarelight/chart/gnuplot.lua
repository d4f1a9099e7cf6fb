--- Charts as SVG, PNG and PDF, drawn by the program gnuplot.
--
-- gnuplot never reads the data as a command. Blocks of data hold numbers only. Labels, names and titles are strings
-- in which every byte but letters and spaces is an octal escape (backquotes would run a program, `@` expands
-- macros), and the terminal reads no markup. Lua writes the user's file, since gnuplot takes a name that begins
-- with `|` for a program.

local display = require "flarelight.chart.display"
local errors = require "flarelight.error"
local fonts = require "flarelight.chart.fonts"
local scale = require "flarelight.chart.scale"
local system = require "flarelight.system"
local time_axis = require "flarelight.chart.time_axis"

local gnuplot = {}

local function plain(value)
  return (("%.15g"):format(value):gsub(",", ".")) -- a comma in some locales
end

-- Distinct for people with colour blindness too (after M. Okabe and K. Ito), the most distinct first.
local COLOURS = { "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#7f7f7f", "#c9b900" }
-- Each further round through the colours has lines of another kind, and bars that are lighter or darker.
local DASHES = { "solid", "(8,4)", "(2,3)", "(12,4,2,4)" }
local POINTS = { 7, 5, 9, 13 }
local SHADES = { 0, 0.55, -0.4, 0.3 } -- the part of white, or of black where negative
local WIDTH, HEIGHT = 960, 540        -- of a picture whose legend has one row
local LEGEND_ROW, LEGEND_CHARACTER, LEGEND_SAMPLE = 24, 8.2, 70
local TERMINALS = {
  svg = function(height)
    return ("svg size %d,%d dynamic noenhanced font 'sans-serif,15' background '#ffffff'"):format(WIDTH, height)
  end,
  png = function(height)
    return ("pngcairo size %d,%d noenhanced font 'Sans,15' background '#ffffff'"):format(WIDTH * 1.5, height * 1.5)
  end,
  pdf = function(height) -- 96 pixels are an inch
    return ("pdfcairo size %sin,%sin noenhanced font 'Sans,11' fontscale 0.75 linewidth 1.5 background '#ffffff'")
      :format(plain(WIDTH / 96), plain(height / 96))
  end,
}
TERMINALS.html = TERMINALS.svg
local LABEL_COLUMNS, NAME_COLUMNS, TITLE_COLUMNS = 30, 40, 90
local MOST_LABELS = 40     -- of more labels only some are shown
local MOST_ROTATED = 30    -- rotated ones would touch each other
local LEAN = 0.77          -- the cosine of their angle
local MOST_TICKS = 12      -- of a time axis
local UPRIGHT_COLUMNS = 90 -- columns of all labels beside each other; wider ones are rotated
local GROUP_WIDTH = 0.8    -- of the distance between two labels
local THINNEST = 3         -- bars stand on a time axis if at least every third place has one

--- A gnuplot string. Not in single quotes: tick labels that begin with one would be lost. Digits are
-- escaped too, since gnuplot reads every octal digit that follows an escape as a part of it.
local function quote(text)
  return '"' .. text:gsub("[^A-Za-z\128-\255 ]", function(byte) return ("\\%03o"):format(byte:byte()) end) .. '"'
end

--- The colour of a series; `shaded` makes those of later rounds lighter or darker.
local function colour(position, shaded)
  local base = COLOURS[(position - 1) % #COLOURS + 1]
  local shade = shaded and SHADES[math.floor((position - 1) / #COLOURS) % #SHADES + 1] or 0
  local target = shade > 0 and 255 or 0
  return (base:gsub("%x%x", function(pair)
    local part = tonumber(pair, 16)
    return ("%02x"):format(math.floor(part + (target - part) * math.abs(shade) + 0.5))
  end))
end

local function of_round(list, position) return list[math.floor((position - 1) / #COLOURS) % #list + 1] end

--- Bars as rectangles, one list for each series: left, right, bottom, top. Also the lowest and the highest value.
local function bars_of(data, stacked, places)
  local low, high, bars = 0, 0, {}
  local above, below = {}, {}
  local group = GROUP_WIDTH * places.spacing
  local width = group / (stacked and 1 or #data.series)
  for position, series in ipairs(data.series) do
    local rectangles = {}
    for index = 1, data.count do
      local value = series.values[index]
      if value then
        local from, ends = 0, stacked and (value < 0 and below or above)
        if ends then
          from = ends[index] or 0
          ends[index] = from + value
        end
        local left = places[index] - group / 2 + (stacked and 0 or (position - 1) * width)
        local to = from + value
        rectangles[#rectangles + 1] = { left, left + width, math.min(from, to), math.max(from, to) }
        low, high = math.min(low, to), math.max(high, to)
      end
    end
    bars[position] = rectangles
  end
  return bars, low, high
end

local function bar_plots(data, stacked, places, put)
  local bars, low, high = bars_of(data, stacked, places)
  local plots = {}
  for position, rectangles in ipairs(bars) do
    local style = ("with boxxyerror fillstyle solid 1 noborder linecolor rgb '%s'"):format(colour(position, true))
    -- A series of nulls only still has an entry in the legend.
    plots[position] = { source = "NaN", style = style:gsub("boxxyerror", "boxes") }
    if #rectangles > 0 then
      put("$series%d << END", position)
      for _, each in ipairs(rectangles) do
        put("%s %s %s %s", plain(each[1]), plain(each[2]), plain(each[3]), plain(each[4]))
      end
      put "END"
      plots[position] = {
        source = ("$series%d using (($1+$2)/2):(($3+$4)/2):1:2:3:4"):format(position), style = style,
      }
    end
  end
  return plots, low, high
end

local function line_plots(data, places, put)
  local low, high, plots = math.huge, -math.huge, {}
  -- Never 0: some programs refuse an SVG with such points, and a value between two gaps would not be seen.
  local size = (data.count > MOST_LABELS or #data.series > #COLOURS) and "0.2" or "0.6"
  for position, series in ipairs(data.series) do
    local points = 0
    put("$series%d << END", position)
    for _, index in ipairs(places.order) do
      local value = series.values[index]
      put(value and "%s %s" or "", plain(places[index]), value and plain(value)) -- an empty line interrupts the line
      if value then
        points, low, high = points + 1, math.min(low, value), math.max(high, value)
      end
    end
    put "END"
    plots[position] = {
      source = points > 0 and ("$series%d using 1:2"):format(position) or "NaN",
      style = ("with linespoints linewidth 2.5 dashtype %s pointtype %d pointsize %s linecolor rgb '%s'"):format(
        of_round(DASHES, position), of_round(POINTS, position), size, colour(position)),
    }
  end
  if low > high then low, high = 0, 0 end
  return plots, low, high
end

--- Where each label stands on the horizontal axis, with `order` (the labels from left to right), `spacing` (half of it
-- is free at both ends) and on a time axis `distance` (seconds between two labels). Lines stand on a time axis if all
-- labels are dates or times; bars do so if they do not become too thin.
local function places_of(data, bars, axis)
  local places = { order = {}, spacing = 1 }
  for index = 1, data.count do places[index], places.order[index] = index, index end
  local times = axis ~= "labels" and time_axis.read(data.labels)
  if not times then return places end
  local spacing = time_axis.spacing(times) or 86400
  local first, last = math.huge, -math.huge
  for _, time in ipairs(times) do first, last = math.min(first, time), math.max(last, time) end
  local thin = spacing == 0 or (last - first) / spacing > THINNEST * data.count
  if bars and (spacing == 0 or axis ~= "time" and thin) then return places end
  for index, time in ipairs(times) do places[index] = time end
  table.sort(places.order, function(one, other)
    if times[one] ~= times[other] then return times[one] < times[other] end
    return one < other
  end)
  -- Lines need no room beside their points, but a single point needs some.
  places.spacing = bars and spacing or last > first and (last - first) / 40 or 86400
  places.distance = spacing
  return places
end

-- gnuplot uses a label as the format of the tick's number.
local function tick(text, value) return ("%s %s"):format(quote((text:gsub("%%", "%%%%"))), plain(value)) end

-- The labels of the horizontal axis, rotated if they have no room beside each other. A rotated one begins to the left
-- of its tick, so the first ones need room there, which gnuplot does not leave. `before` is the width of the other
-- axis's ticks, in columns.
local function put_labels(labels, before, put)
  local columns = 0
  for index = 1, #labels, math.ceil(#labels / MOST_LABELS) do columns = columns + display.width(labels[index]) + 2 end
  local rotated = columns > UPRIGHT_COLUMNS
  local marks, left = {}, 0
  for index = 1, #labels, math.ceil(#labels / (rotated and MOST_ROTATED or MOST_LABELS)) do
    marks[#marks + 1] = tick(labels[index], index)
    -- The ticks are about equally far from each other, over the columns of the picture.
    left = math.max(left, display.width(labels[index]) * LEAN - (index - 1) / #labels * UPRIGHT_COLUMNS)
  end
  put("set xtics scale 0 %s (%s)", rotated and "rotate by 40 right" or "norotate center", table.concat(marks, ", "))
  if rotated then put("set lmargin %d; set rmargin 3", math.ceil(math.max(left, before) + 2)) end
end

local function put_times(low, high, distance, put)
  local marks = {}
  for index, each in ipairs(time_axis.ticks(low, high, MOST_TICKS, distance)) do
    marks[index] = tick(each.below ~= "" and each.text .. "\n" .. each.below or each.text, each.value)
  end
  put("set grid xtics; set xtics scale 0 norotate center (%s)", table.concat(marks, ", "))
  put "set xlabel ' '" -- keeps the legend away from the second line of the ticks
end

--- Title, labels and names, cleaned and cut for the picture.
local function texts_of(data, given)
  local shown = { labels = {}, names = {} }
  shown.title = given.title and display.cut(display.clean(given.title), TITLE_COLUMNS)
  for index, label in ipairs(data.labels) do
    shown.labels[index] = display.cut(display.clean(label), LABEL_COLUMNS)
  end
  for index, series in ipairs(data.series) do
    shown.names[index] = display.cut(display.clean(series.name), NAME_COLUMNS)
  end
  if given.format == "png" or given.format == "pdf" then
    local all = table.concat { shown.title or "", table.concat(shown.labels), table.concat(shown.names) }
    local substitute = fonts.substitute(all)
    shown.title = shown.title and substitute(shown.title)
    for index, label in ipairs(shown.labels) do shown.labels[index] = substitute(label) end
    for index, name in ipairs(shown.names) do shown.names[index] = substitute(name) end
  end
  return shown
end

--- The rows of the legend, and its columns.
local function legend_of(names)
  local widest, shown = 1, 0
  for _, name in ipairs(names) do
    if name ~= "" then shown = shown + 1 end
    widest = math.max(widest, display.width(name))
  end
  local columns = math.max(1, math.floor((WIDTH - 40) / (widest * LEGEND_CHARACTER + LEGEND_SAMPLE)))
  return math.ceil(shown / columns), math.min(columns, math.max(1, shown))
end

local function put_axes(data, places, ruler, put)
  local marks = {}
  for index, each in ipairs(ruler.ticks) do marks[index] = ("'%s' %s"):format(each.text, plain(each.value)) end
  put "set border 0; set grid ytics noxtics linetype 1 linewidth 0.6 linecolor rgb '#dcdcdc'"
  put("set ytics scale 0 (%s)", table.concat(marks, ", "))
  put "set xzeroaxis linetype 1 linewidth 1 linecolor rgb '#404040'"
  local beside = places.spacing * 0.6
  local low, high = places[places.order[1]] - beside, places[places.order[data.count]] + beside
  put("set xrange [%s:%s]; set yrange [%s:%s]", plain(low), plain(high), plain(ruler.low), plain(ruler.high))
  if places.distance then put_times(low, high, places.distance, put) end
end

--- The gnuplot script.
local function script_of(data, given)
  local lines = {}
  local function put(format, ...) lines[#lines + 1] = format:format(...) end
  local shown = texts_of(data, given)
  local rows, columns = legend_of(shown.names)
  put("set terminal %s", TERMINALS[given.format](HEIGHT + math.max(0, rows - 1) * LEGEND_ROW))
  if shown.title then put("set title %s", quote(shown.title)) end
  if data.count == 0 or #data.series == 0 then
    put "unset border; unset tics; unset key"
    put "set label 'no data' at screen 0.5,0.5 center textcolor rgb '#7f7f7f'"
    put "plot [0:1] [0:1] NaN notitle"
    return table.concat(lines, "\n") .. "\n"
  end
  local as_lines = data.lines and not given.stacked
  local places = places_of(data, not as_lines, given.axis)
  local plots, low, high
  if as_lines then
    plots, low, high = line_plots(data, places, put)
  else
    plots, low, high = bar_plots(data, given.stacked, places, put)
  end
  local ruler, before = scale.new(low, high, 6), 0
  for _, each in ipairs(ruler.ticks) do before = math.max(before, #each.text) end
  put_axes(data, places, ruler, put)
  if not places.distance then put_labels(shown.labels, before, put) end
  put("set key outside center bottom horizontal maxcols %d Left reverse samplen %s spacing 1.3", columns,
    as_lines and "3" or "1.2")
  local commands = {}
  for position, plot in ipairs(plots) do
    local name = shown.names[position]
    local title = name == "" and "notitle" or "title " .. quote(name)
    commands[position] = table.concat({ plot.source, plot.style, title }, " ")
  end
  put("plot %s", table.concat(commands, ", \\\n     "))
  return table.concat(lines, "\n") .. "\n"
end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

--- The SVG with titles that browsers show for the picture and its series: gnuplot takes the name of a plot, and
-- sometimes a label, for them.
local function with_titles(svg, data, title)
  local function element(text)
    return ("<title>%s</title>"):format((display.clean(text):gsub("[&<>]", ENTITIES)))
  end
  local given = title and element(title) or ""
  svg = svg:gsub("<title>Gnuplot</title>", (given:gsub("%%", "%%%%")), 1):gsub("<desc>[^<]*</desc>\n?", "", 1)
  return (svg:gsub('(<g id="gnuplot_plot_(%d+)" ?>)<title>[^<]*</title>', function(group, position)
    local series = data.series[tonumber(position)]
    return group .. (series and series.name ~= "" and element(series.name) or "")
  end))
end

-- os.execute returns a number on Lua 5.1, true or nil later.
local function succeeds(command)
  local status = os.execute(command)
  return status == true or status == 0
end

--- Draws checked chart data. Returns the picture's bytes, or `nil, message, err` of kind io.
function gnuplot.draw(data, given)
  if not succeeds "command -v gnuplot >/dev/null 2>&1" then
    return errors.fail("io", ("chart: gnuplot is missing, which draws %s (Debian: gnuplot-nox); "
      .. 'format = "text" needs nothing'):format(given.format))
  end
  local script, picture, complaint = os.tmpname(), os.tmpname(), os.tmpname()
  local file, message = io.open(script, "wb")
  local drawn = false
  if file then
    file:write(script_of(data, given))
    file:close()
    -- -d ignores the user's settings
    drawn = succeeds(("gnuplot -d %s >%s 2>%s </dev/null"):format(system.quote(script), system.quote(picture),
      system.quote(complaint)))
    message = (system.read(complaint) or ""):gsub("%s+", " ")
  end
  local content = system.read(picture) or ""
  for _, path in ipairs { script, picture, complaint } do os.remove(path) end
  if drawn and content ~= "" then
    return TERMINALS[given.format] == TERMINALS.svg and with_titles(content, data, given.title) or content
  end
  return errors.fail("io", "chart: gnuplot did not draw: " .. message)
end

return gnuplot
