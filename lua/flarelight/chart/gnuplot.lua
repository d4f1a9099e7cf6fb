--- Charts as SVG and PNG, drawn by the program gnuplot.
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

local gnuplot = {}

-- Distinct for people with colour blindness too (after M. Okabe and K. Ito), the most distinct first.
local COLOURS = { "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#7f7f7f", "#c9b900" }
local TERMINALS = {
  svg = "svg size 960,540 dynamic noenhanced font 'sans-serif,15' background '#ffffff'",
  png = "pngcairo size 1440,810 noenhanced font 'Sans,15' background '#ffffff'",
}
local LABEL_COLUMNS, NAME_COLUMNS, TITLE_COLUMNS = 30, 40, 90
local MOST_LABELS = 40     -- of more labels only some are shown
local UPRIGHT_COLUMNS = 90 -- columns of all labels beside each other; wider ones are rotated
local GROUP_WIDTH = 0.8    -- of the distance between two labels

--- A gnuplot string. Not in single quotes: tick labels that begin with one would be lost. Digits are
-- escaped too, since gnuplot reads every octal digit that follows an escape as a part of it.
local function quote(text)
  return '"' .. text:gsub("[^A-Za-z\128-\255 ]", function(byte) return ("\\%03o"):format(byte:byte()) end) .. '"'
end

local function plain(value)
  return (("%.15g"):format(value):gsub(",", ".")) -- a comma in some locales
end

local function colour(position) return COLOURS[(position - 1) % #COLOURS + 1] end

--- Bars as rectangles, one list for each series: left, right, bottom, top. Also the lowest and the highest value.
local function bars_of(data, stacked)
  local low, high, bars = 0, 0, {}
  local above, below = {}, {}
  local width = GROUP_WIDTH / (stacked and 1 or #data.series)
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
        local left = index - GROUP_WIDTH / 2 + (stacked and 0 or (position - 1) * width)
        local to = from + value
        rectangles[#rectangles + 1] = { left, left + width, math.min(from, to), math.max(from, to) }
        low, high = math.min(low, to), math.max(high, to)
      end
    end
    bars[position] = rectangles
  end
  return bars, low, high
end

local function bar_plots(data, stacked, put)
  local bars, low, high = bars_of(data, stacked)
  local plots = {}
  for position, rectangles in ipairs(bars) do
    local style = ("with boxxyerror fillstyle solid 1 noborder linecolor rgb '%s'"):format(colour(position))
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

local function line_plots(data, put)
  local low, high, plots = math.huge, -math.huge, {}
  for position, series in ipairs(data.series) do
    local points = 0
    put("$series%d << END", position)
    for index = 1, data.count do
      local value = series.values[index]
      put(value and "%d %s" or "", index, value and plain(value)) -- an empty line interrupts the line
      if value then
        points, low, high = points + 1, math.min(low, value), math.max(high, value)
      end
    end
    put "END"
    plots[position] = {
      source = points > 0 and ("$series%d using 1:2"):format(position) or "NaN",
      style = ("with linespoints linewidth 2.5 pointtype 7 pointsize %s linecolor rgb '%s'"):format(
        data.count > MOST_LABELS and "0" or "0.6", colour(position)),
    }
  end
  if low > high then low, high = 0, 0 end
  return plots, low, high
end

local function put_labels(labels, put)
  local marks, columns = {}, 0
  for index = 1, #labels, math.ceil(#labels / MOST_LABELS) do
    columns = columns + display.width(labels[index]) + 2
    -- gnuplot uses a label as the format of the tick's number.
    marks[#marks + 1] = ("%s %d"):format(quote((labels[index]:gsub("%%", "%%%%"))), index)
  end
  put("set xtics scale 0 %s (%s)", columns > UPRIGHT_COLUMNS and "rotate by 40 right" or "norotate center",
    table.concat(marks, ", "))
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
  if given.format == "png" then
    local all = table.concat { shown.title or "", table.concat(shown.labels), table.concat(shown.names) }
    local substitute = fonts.substitute(all)
    shown.title = shown.title and substitute(shown.title)
    for index, label in ipairs(shown.labels) do shown.labels[index] = substitute(label) end
    for index, name in ipairs(shown.names) do shown.names[index] = substitute(name) end
  end
  return shown
end

--- The gnuplot script.
local function script_of(data, given)
  local lines = {}
  local function put(format, ...) lines[#lines + 1] = format:format(...) end
  local shown = texts_of(data, given)
  put("set terminal %s", TERMINALS[given.format])
  if shown.title then put("set title %s", quote(shown.title)) end
  if data.count == 0 or #data.series == 0 then
    put "unset border; unset tics; unset key"
    put "set label 'no data' at screen 0.5,0.5 center textcolor rgb '#7f7f7f'"
    put "plot [0:1] [0:1] NaN notitle"
    return table.concat(lines, "\n") .. "\n"
  end
  local plots, low, high
  if data.lines and not given.stacked then
    plots, low, high = line_plots(data, put)
  else
    plots, low, high = bar_plots(data, given.stacked, put)
  end
  local ruler = scale.new(low, high, 6)
  local marks = {}
  for index, tick in ipairs(ruler.ticks) do marks[index] = ("'%s' %s"):format(tick.text, plain(tick.value)) end
  put "set border 0; set grid ytics noxtics linetype 1 linewidth 0.6 linecolor rgb '#dcdcdc'"
  put "set key outside center bottom horizontal Left reverse samplen 1.2 spacing 1.3"
  put("set xrange [0.4:%s]; set yrange [%s:%s]", plain(data.count + 0.6), plain(ruler.low), plain(ruler.high))
  put("set ytics scale 0 (%s)", table.concat(marks, ", "))
  put "set xzeroaxis linetype 1 linewidth 1 linecolor rgb '#404040'"
  put_labels(shown.labels, put)
  local commands = {}
  for position, plot in ipairs(plots) do
    local name = shown.names[position]
    local title = name == "" and "notitle" or "title " .. quote(name)
    commands[position] = table.concat({ plot.source, plot.style, title }, " ")
  end
  put("plot %s", table.concat(commands, ", \\\n     "))
  return table.concat(lines, "\n") .. "\n"
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
  if drawn and content ~= "" then return content end
  return errors.fail("io", "chart: gnuplot did not draw: " .. message)
end

return gnuplot
