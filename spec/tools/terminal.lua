--- A picture of a terminal as SVG, from the text with escape sequences that `tmux capture-pane -e` prints.
--
--   lua5.4 spec/tools/terminal.lua COLUMNS <TEXT >PICTURE.svg
--
-- It knows bold, faint and the sixteen colours, which the command uses. Each run of one style has its own width, so that
-- columns stand below each other in any font.

local display = require "flarelight.chart.display"

local columns = assert(tonumber(arg[1]), "usage: terminal.lua COLUMNS <TEXT")
local WIDTH, HEIGHT, MARGIN = 8.4, 19, 14 -- of a character, of a line, around the text
local FOREGROUND, BACKGROUND = "#d8dee9", "#1f2430"
local COLOURS = {
  [30] = "#4c566a", [31] = "#f07178", [32] = "#a3d97a", [33] = "#f2c55c", [34] = "#6cb6ff", [35] = "#d4a6f0",
  [36] = "#5ccfe6", [37] = "#d8dee9",
}
local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

local style = {}
local function apply(codes)
  if codes == "" then codes = "0" end
  for code in codes:gmatch "%d+" do
    code = tonumber(code)
    if code == 0 then style = {}
    elseif code == 1 then style.bold = true
    elseif code == 2 then style.faint = true
    elseif code == 22 then style.bold, style.faint = nil, nil
    elseif code == 39 then style.colour = nil
    elseif code >= 90 and code <= 97 then style.colour = COLOURS[code - 60]
    elseif COLOURS[code] then style.colour = COLOURS[code] end
  end
end

local lines = {}
for line in io.lines() do lines[#lines + 1] = line end
while lines[#lines] and not lines[#lines]:gsub("\27%[[%d;]*m", ""):find "%S" do lines[#lines] = nil end

local out = {}
local function put(format, ...) out[#out + 1] = format:format(...) end
local function run(text, column, row)
  local width = display.width(text)
  local space, shown = text:match "^( *)(.-) *$"
  if shown == "" then return width end
  column, text = column + #space, shown
  put('<text x="%.1f" y="%.1f" textLength="%.1f"%s%s%s>%s</text>', MARGIN + column * WIDTH, MARGIN + row * HEIGHT - 5,
    display.width(text) * WIDTH,
    style.colour and (' fill="%s"'):format(style.colour) or "", style.bold and ' font-weight="bold"' or "",
    style.faint and ' opacity="0.6"' or "", (text:gsub("[&<>]", ENTITIES)))
  return width
end

for row, line in ipairs(lines) do
  local column = 0
  for text, codes in (line .. "\27[m"):gmatch "([^\27]*)\27%[([%d;]*)m" do
    -- Viewers make one space of several, so these divide runs.
    local place = 1
    while place <= #text do
      local first, last = text:find("  +", place)
      column = column + run(text:sub(place, (first or #text + 1) - 1), column, row) + (first and last - first + 1 or 0)
      place = (last or #text) + 1
    end
    apply(codes)
  end
end
local width, height = columns * WIDTH + 2 * MARGIN, #lines * HEIGHT + 2 * MARGIN
io.write(('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" '
  .. 'font-family="ui-monospace, SFMono-Regular, Menlo, DejaVu Sans Mono, monospace" font-size="14" fill="%s">\n'):format(width, height,
  width, height, FOREGROUND))
io.write(('<rect width="100%%" height="100%%" rx="6" fill="%s"/>\n'):format(BACKGROUND))
io.write(table.concat(out, "\n"), "\n</svg>\n")
