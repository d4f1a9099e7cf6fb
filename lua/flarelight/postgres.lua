--- A state in PostgreSQL: whether the option `state` names one, and its store.
--
-- flarelight.postgres_core is a library of its own, which only such a state needs, because it alone needs libpq. It is
-- loaded when a client is given such a URL.

local core = require "flarelight.core"

local postgres = {}

--- Whether the option `state` is a URL of PostgreSQL. Anything else is the path of a file.
---@param state any
---@return boolean
function postgres.is_url(state)
  return type(state) == "string" and (state:find "^postgres://" or state:find "^postgresql://") ~= nil
end

--- The URL without its password, for messages and for the command.
---@param url string
---@return string
function postgres.shown(url)
  local scheme, rest, query = url:match "^(%w+://)([^?]*)(.*)$"
  local user, place = rest:match "^(.*)@([^@]*)$"
  if user then rest = user:gsub(":.*$", "") .. "@" .. place end
  local kept = {}
  for option in query:sub(2):gmatch "[^&]+" do
    if not option:lower():find "passw" then kept[#kept + 1] = option end
  end
  return scheme .. rest .. (#kept > 0 and "?" .. table.concat(kept, "&") or "")
end

--- A store, which has connected to nothing yet; or `nil, message` if the URL does not parse, or the module was not
-- built.
---@param url string
---@return userdata? store, string? message
function postgres.open(url)
  local found, module = pcall(require, "flarelight.postgres_core")
  if not found then
    return nil, "a state in PostgreSQL needs the module flarelight.postgres_core, which was not built with this "
      .. "flarelight: it needs libpq (libpq-dev in Debian)"
  end
  if not core.use_postgres(module.functions) then
    error("flarelight.postgres_core is of another build than flarelight.core", 0)
  end
  return core.database(url)
end

return postgres
