--- The options of a fault, by the server's own list of kinds (csrc/sandbox/faults.h).

local core = require "flarelight.sandbox_core"
local names = require "flarelight.names"
local options = require "flarelight.sandbox.options"

local faults = {}

---@class flarelight.SandboxFault
---@field kind string one of the kinds in docs/sandbox.md, each with its own members
---@field operation string? as "imports.import"; "*"
---@field nth integer? the first call that fails, 1
---@field times integer? 1
---@field probability number? 1
---@field seed integer? 1
---@field [string] any

local RULES = { operation = { type = "string", default = "*" }, kind = { type = "string" } }

--- A fault in the form for the server. Raises on unknown kinds and options.
---@param given flarelight.SandboxFault
---@param level integer of the caller to blame
function faults.read(given, level)
  local own = core.faults[given.kind]
  if not own then
    error(("fault: unknown kind '%s': it is none of %s"):format(tostring(given.kind),
      table.concat(names.sorted(core.faults), ", ")), level + 1)
  end
  local values = options.checked("fault", given, level + 1, RULES, core.fault_options, own)
  if values.operation ~= "*" then
    options.check_operations("fault", { values.operation }, core.operations, level + 1)
  end
  if values.kind == "status" and not values.status then error("fault: status is missing", level + 1) end
  if values.line and not values.line:find "^[^:%s]+:[^\r\n]*$" then
    error("fault: line must be a header's line, NAME: VALUE", level + 1)
  end
  if type(values.retry_after) == "number" then
    values.retry_after = ("%.14g"):format(values.retry_after)
  end
  return values
end

return faults
