--- Text for a terminal: measures its columns, cuts and pads it, and removes control characters. Works on the bytes of
-- UTF-8, since not every Lua has a library for it. Pure.

local display = { REPLACEMENT = "\239\191\189" } -- U+FFFD

-- Ranges of code points that take no column (combining marks, joiners, selectors) or two columns (East Asian scripts,
-- pictures), by Unicode's East Asian Width and general categories, in ascending order.
local NONE = {
  { 0x300, 0x36F }, { 0x483, 0x489 }, { 0x591, 0x5BD }, { 0x610, 0x61A }, { 0x64B, 0x65F }, { 0x6D6, 0x6DC },
  { 0x93C, 0x93C }, { 0x941, 0x948 }, { 0x94D, 0x94D }, { 0xE31, 0xE31 }, { 0xE34, 0xE3A }, { 0xE47, 0xE4E },
  { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF }, { 0x200B, 0x200F }, { 0x2060, 0x2064 }, { 0x20D0, 0x20F0 },
  { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F }, { 0xFEFF, 0xFEFF }, { 0xE0100, 0xE01EF },
}
local TWO = {
  { 0x1100, 0x115F }, { 0x231A, 0x231B }, { 0x23E9, 0x23EC }, { 0x25FD, 0x25FE }, { 0x2614, 0x2615 },
  { 0x2648, 0x2653 }, { 0x26A1, 0x26A1 }, { 0x26BD, 0x26BE }, { 0x26C4, 0x26C5 }, { 0x2705, 0x2705 },
  { 0x274C, 0x274C }, { 0x2753, 0x2755 }, { 0x2795, 0x2797 }, { 0x2B50, 0x2B50 }, { 0x2E80, 0x303E },
  { 0x3041, 0x4DBF }, { 0x4E00, 0xA4CF }, { 0xA960, 0xA97C }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF },
  { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F }, { 0x1F680, 0x1F6FC },
  { 0x1F7E0, 0x1F7EB }, { 0x1F900, 0x1F9FF }, { 0x1FA70, 0x1FAFF }, { 0x20000, 0x3FFFD },
}

local function among(code, ranges)
  for _, range in ipairs(ranges) do
    if code <= range[2] then return code >= range[1] end
  end
  return false
end

local function columns(code)
  if code < 0x300 then return 1 end
  return among(code, NONE) and 0 or among(code, TWO) and 2 or 1
end

-- For the first byte of a UTF-8 sequence: the length of the sequence, the bits of the first byte, the smallest code
-- point that may be written with this length.
local function lead(byte)
  if byte < 0x80 then return 1, byte, 0 end
  if byte >= 0xC2 and byte < 0xE0 then return 2, byte - 0xC0, 0x80 end
  if byte >= 0xE0 and byte < 0xF0 then return 3, byte - 0xE0, 0x800 end
  if byte >= 0xF0 and byte < 0xF5 then return 4, byte - 0xF0, 0x10000 end
end

--- The code point at `position` and its length in bytes; nil and 1 if the bytes are not UTF-8.
local function code_at(text, position)
  local length, code, least = lead(text:byte(position))
  if not length then return nil, 1 end
  for index = position + 1, position + length - 1 do
    local byte = text:byte(index)
    if not byte or byte < 0x80 or byte > 0xBF then return nil, 1 end
    code = code * 64 + byte - 0x80
  end
  if code < least or code > 0x10FFFF or code >= 0xD800 and code <= 0xDFFF then return nil, 1 end
  return code, length
end

-- Whether a character controls the terminal: control characters, line separators, marks of direction.
local function steers(code)
  return code < 0x20 or code >= 0x7F and code < 0xA0 or code >= 0x2028 and code <= 0x202E
    or code >= 0x2066 and code <= 0x2069
end

--- Iterates over the characters of a text: the code point (false if it is not UTF-8), its bytes, its position.
function display.characters(text)
  local position = 1
  return function()
    if position > #text then return nil end
    local at = position
    local code, length = code_at(text, at)
    position = at + length
    return code or false, text:sub(at, position - 1), at
  end
end

--- The text with control characters replaced by spaces, and bytes that are not UTF-8 by U+FFFD.
function display.clean(text)
  local parts = {}
  for code, character in display.characters(text) do
    parts[#parts + 1] = not code and display.REPLACEMENT or steers(code) and " " or character
  end
  return table.concat(parts)
end

--- The text with bytes that are not UTF-8 replaced by U+FFFD.
function display.utf8(text)
  if not text:find "[\128-\255]" then return text end
  local parts = {}
  for code, character in display.characters(text) do parts[#parts + 1] = code and character or display.REPLACEMENT end
  return table.concat(parts)
end

--- The number of columns of a clean text.
function display.width(text)
  local width = 0
  for code in display.characters(text) do width = width + columns(code) end
  return width
end

--- A clean text cut to `most` columns, with an ellipsis if it was longer.
function display.cut(text, most)
  if display.width(text) <= most then return text end
  local width = 0
  for code, _, at in display.characters(text) do
    width = width + columns(code)
    if width > most - 1 then return text:sub(1, at - 1) .. "…" end
  end
end

--- A clean text aligned to the right in `width` columns.
function display.right(text, width)
  return (" "):rep(width - display.width(text)) .. text
end

return display
