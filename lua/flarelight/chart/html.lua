--- A chart as a page of HTML that needs nothing else: the picture as SVG, the table behind it, the source and the time.
-- The page loads nothing and has no script; its policy forbids both. Pure.

local display = require "flarelight.chart.display"
local time_axis = require "flarelight.chart.time_axis"

local html = {}

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(text) return (display.clean(text):gsub('[&<>"]', ENTITIES)) end

local STYLE = [[
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; font: 1rem/1.5 sans-serif; color: #202020 }
h1 { font-size: 1.4rem }
svg { display: block; width: 100%; height: auto }
div { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #dcdcdc; white-space: nowrap }
th:first-child { text-align: left; font-weight: normal }
thead th { white-space: normal; vertical-align: bottom; border-bottom-color: #404040 }
footer { margin-top: 1.5rem; font-size: .85rem; color: #595959; overflow-wrap: anywhere }]]

--- The element `svg` of the picture, with a name for readers who do not see it.
local function picture(svg, title)
  local element = svg:match "<svg.*</svg>" or svg
  return (element:gsub("^<svg", function() return ('<svg role="img" aria-label="%s"'):format(escape(title)) end))
end

local function table_of(data)
  local lines = { "<table>", '<thead><tr><th scope="col"></th>' }
  for _, series in ipairs(data.series) do
    lines[#lines + 1] = ('<th scope="col">%s</th>'):format(escape(series.name ~= "" and series.name or "value"))
  end
  lines[#lines + 1] = "</tr></thead>\n<tbody>"
  for row = 1, data.count do
    local cells = { ('<tr><th scope="row">%s</th>'):format(escape(data.labels[row])) }
    for index, series in ipairs(data.series) do
      cells[index + 1] = ("<td>%s</td>"):format(escape(series.exact[row] or "–"))
    end
    lines[#lines + 1] = table.concat(cells) .. "</tr>"
  end
  lines[#lines + 1] = "</tbody>\n</table>"
  return table.concat(lines, "\n")
end

--- The page of checked chart data.
---@param data table
---@param given { title: string?, source: string?, time: integer }
---@param svg string the picture, by gnuplot
function html.page(data, given, svg)
  local title = given.title or "Chart"
  local when = time_axis.utc(given.time)
  local footer = ('Drawn <time datetime="%sZ">%s UTC</time> by flarelight.'):format(when:gsub(" ", "T"), when)
  if given.source then footer = ("Source: %s<br>\n%s"):format(escape(given.source), footer) end
  return table.concat({
    "<!DOCTYPE html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ("<title>%s</title>"):format(escape(title)),
    "<style>\n" .. STYLE .. "\n</style>",
    "</head>",
    "<body>",
    given.title and ("<h1>%s</h1>"):format(escape(title)) or "",
    picture(svg, title),
    "<div>\n" .. table_of(data) .. "\n</div>",
    "<footer>" .. footer .. "</footer>",
    "</body>",
    "</html>",
  }, "\n") .. "\n"
end

return html
