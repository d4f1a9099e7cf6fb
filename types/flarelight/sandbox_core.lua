---@meta flarelight.sandbox_core

-- Definitions of the module flarelight.sandbox_core for LuaLS. Nothing loads this file. The functions are described at
-- their definitions in csrc/sandbox/module.c; lua/flarelight/sandbox/init.lua is the interface for programs.

---@class flarelight.sandbox_core
---@field null lightuserdata JSON's null
---@field operations table<string, boolean> the operations by name; true for a write
---@field faults table<string, table> the kinds of faults by name, with their options
---@field fault_options table<string, table> the options of faults by name
---@field options table<string, table> the switches by name: default, bounds, choices
local sandbox_core = {}

---@class flarelight.sandbox_core.Sandbox
local Sandbox = {}

--- Starts a sandbox.
---@param options table
---@return flarelight.sandbox_core.Sandbox? sandbox, string? message
function sandbox_core.start(options) end

--- The value of a JSON text: definitions and profiles.
---@param text string
---@return any value, string? message
function sandbox_core.decode(text) end

--- Replaces a file; it has mode 0600.
---@param path string
---@param bytes string
---@return true? done, string? message
function sandbox_core.replace_file(path, bytes) end

--- Stops the sandbox.
function Sandbox:stop() end

--- The port on which it listens.
---@return integer
function Sandbox:port() end

--- The log of requests.
---@return table[]
function Sandbox:requests() end

--- The writes that arrived more than once.
---@return table[]
function Sandbox:duplicates() end

--- Empties the log.
function Sandbox:clear_log() end

--- The rows of an import; nil if there is none.
---@param id string
---@return any[]?
function Sandbox:rows(id) end

--- The rows of an import as JSON text; nil if there is none.
---@param id string
---@return string?
function Sandbox:rows_text(id) end

--- Counters of the sandbox.
---@return table
function Sandbox:counts() end

--- The whole database as bytes.
---@return string
function Sandbox:snapshot() end

--- Takes the database of a snapshot. Returns whether it could.
---@param bytes string
---@return boolean
function Sandbox:restore(bytes) end

--- Gives an import another id. Returns whether there was such an import, and no other one with the new id.
---@param id string
---@param new_id string
---@param created string?
---@param updated string?
---@return boolean
function Sandbox:adopt(id, new_id, created, updated) end

--- Stores the result of a report. Returns whether it was stored.
---@param report string
---@param rows integer
---@param chart string JSON
---@return boolean
function Sandbox:store_result(report, rows, chart) end

--- Empties the database and the log, and removes all faults. Returns whether it could.
---@return boolean
function Sandbox:reset() end

--- Adds a fault.
---@param fault table
function Sandbox:fault(fault) end

--- Removes all faults.
function Sandbox:clear_faults() end

--- How often each fault was used, and `total`.
---@return table
function Sandbox:hits() end

return sandbox_core
