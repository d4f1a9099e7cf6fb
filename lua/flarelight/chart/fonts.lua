--- Finds out which characters the fonts of this machine have, with fontconfig's program `fc-list`. Needed for PNG:
-- gnuplot draws the mark for a missing character so large that it covers the picture.

local display = require "flarelight.chart.display"

local fonts = {}

-- The characters below are Latin, Greek and Cyrillic, which every font of gnuplot has.
local FIRST = 0x500

--- Returns a function that replaces characters that no font has by U+FFFD. `all` is a text with every character of
-- the texts that the function will be given.
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
