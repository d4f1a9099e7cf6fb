--- Files and the shell: reads a whole file, quotes a word. Relies on nothing.

local system = {}

--- The bytes of a file, or `nil, message` with the path.
---@param path string
---@return string? text, string? message
function system.read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text
  text, message = file:read "*a"
  file:close()
  if not text then return nil, path .. ": " .. message end
  return text
end

--- A text as one word of a shell.
---@param text string
---@return string
function system.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

return system
