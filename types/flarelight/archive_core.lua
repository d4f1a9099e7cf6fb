---@meta flarelight.archive_core

-- Definitions of the module flarelight.archive_core for LuaLS. Nothing loads this file. The source is csrc/archive.

---@class flarelight.archive_core
---@field functions userdata the functions for compressed files, which core.use_archive takes
local archive_core = {}

return archive_core
