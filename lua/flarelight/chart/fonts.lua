--- Which characters the fonts of this machine have, by fontconfig's program `fc-list`.
--
-- For PNGs: gnuplot draws the mark of a character that is in no font so large that it covers the picture.

local display = require "flarelight.chart.display"

local fonts = {}

-- Latin, Greek and Cyrillic below it are in every font that gnuplot is installed with.
local FIRST = 0x500

--- A function that puts U+FFFD in place of what no font has; `all` holds every character of what
-- it will be given.
function fonts.substitute(all)
  local asked = {}
  for code, character in display.characters(all) do
    if code and code >= FIRST then asked[("%x"):format(code)] = character end
  end
  local absent, names = {}, {}
  for code in pairs(asked) do names[#names + 1] = code end
  if #names > 0 then
    local pipe = io.popen(('command -v fc-list >/dev/null 2>&1 && for code in %s; do '
      .. '[ -n "$(fc-list ":charset=$code" family)" ] || echo "$code"; done'):format(table.concat(names, " ")))
    if pipe then
      for code in pipe:lines() do absent[asked[code]] = display.REPLACEMENT end
      pipe:close()
    end
  end
  return function(text) return (text:gsub("[\194-\244][\128-\191]+", absent)) end
end

return fonts
