---@meta flarelight.postgres_core

-- Definitions of the module flarelight.postgres_core for LuaLS. Nothing loads this file. The source is csrc/postgres.

---@class flarelight.postgres_core
---@field functions userdata the functions for a state in PostgreSQL, which core.use_postgres takes
local postgres_core = {}

return postgres_core
