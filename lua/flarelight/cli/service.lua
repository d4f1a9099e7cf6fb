--- flarelight version: the versions, and the parts that were built.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local flarelight = require "flarelight"
local json = require "flarelight.json"

local service = {}

-- The parts that a build may leave out, and their modules.
local PARTS = {
  { name = "sandbox", module = "sandbox_core" }, { name = "compressed files", module = "archive_core" },
  { name = "environments", module = "ini_core" }, { name = "PostgreSQL", module = "postgres_core" },
}

-- Whether a module is where this Lua looks for modules. It is not loaded.
local function is_there(module)
  for template in package.cpath:gmatch "[^;]+" do
    local file = io.open((template:gsub("%?", "flarelight/" .. module)), "rb")
    if file then
      file:close()
      return true
    end
  end
  return package.preload["flarelight." .. module] ~= nil
end

local function version(_, out)
  local with, without = {}, {}
  for _, part in ipairs(PARTS) do
    local list = is_there(part.module) and with or without
    list[#list + 1] = part.name
  end
  local found = { version = flarelight._VERSION, lua = context.interpreter(), libraries = core.libraries(),
                  with = json.array(with), without = json.array(without) }
  out:facts({
    { "flarelight", found.version }, { "Lua", found.lua }, { "libraries", found.libraries },
    { "with", table.concat(with, ", ") }, { "without", table.concat(without, ", ") },
  }, found)
end

function service.define(parser, define)
  local command = define(parser, "version", "Prints the versions of flarelight, Lua and the libraries.", version)
  context.printing(command)
end

return service
