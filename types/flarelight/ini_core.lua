---@meta flarelight.ini_core

-- Definitions of the module flarelight.ini_core for LuaLS. Nothing loads this file. The source is csrc/ini.

---@class flarelight.ini_core
local ini_core = {}

--- The entries of a configuration file's text, or nil and what is wrong, for a message behind the file's name.
---@param text string
---@return { section: string, name: string, value: string, line: integer }[]? entries, string? fault
function ini_core.parse(text) end

--- The bytes of a file and who else may use it, or nil and a message.
---@param path string
---@return string? bytes, { others_write: boolean, others_read: boolean, foreign: boolean }|string access_or_message
function ini_core.read(path) end

return ini_core
