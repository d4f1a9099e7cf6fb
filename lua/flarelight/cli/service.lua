--- flarelight quota, version: the rate budget; the versions, and the parts that were built.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local ending = require "flarelight.cli.ending"
local flarelight = require "flarelight"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"

local service = {}

-- The parts that a build may leave out, and their modules.
local PARTS = {
  { name = "sandbox", module = "sandbox_core" }, { name = "compressed files", module = "archive_core" },
  { name = "environments", module = "ini_core" },
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

-- --- quota ---

local function quota(args, out)
  local api = context.client(args, { state = context.state(args) })
  -- If the budget is not known, one cheap request finds it out.
  local known = api:quota()
  if not known.limit then
    ending.expect(api.imports:all())
    known = api:quota()
  end
  local function seconds(value) return value and output.duration(value) end
  out:facts({
    { "limit", known.limit and output.count(known.limit) .. " requests a minute" or "the service does not say" },
    { "left", known.remaining and output.count(known.remaining) },
    { "resets in", seconds(known.reset_in) },
    { "pace", known.pace and ("%.1f requests a second"):format(known.pace) },
    { "waiting", known.waiting }, { "spent here", known.spent }, { "spent by others", known.foreign },
    { "kept in", known.place },
  }, known)
end

function service.define(parser, define)
  local command = define(parser, "quota",
    "Prints the rate limit and what is left of it. Sends one request if nothing is known yet.", quota)
  context.connecting(command)
  command = define(parser, "version", "Prints the versions of flarelight, Lua and the libraries.", version)
  context.printing(command)
end

return service
