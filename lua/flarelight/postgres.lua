--- A state in PostgreSQL: whether the option `state` names one, and its store.
--
-- flarelight.postgres_core is a library of its own, which only such a state needs, because it alone needs libpq. It is
-- loaded when a client is given such a URL.

local core = require "flarelight.core"
local loading = require "flarelight.loading"

local postgres = {}

--- Whether the option `state` is a URL of PostgreSQL. Anything else is the path of a file.
---@param state any
---@return boolean
function postgres.is_url(state)
  return type(state) == "string" and (state:find "^postgres://" or state:find "^postgresql://") ~= nil
end

-- The options of a URL that hold no secret. Others are not shown: a password that is not written as a URL wants it may
-- look like the name of an option.
local HARMLESS = {}
for name in ("application_name channel_binding connect_timeout dbname gssencmode host hostaddr keepalives options "
  .. "passfile port require_auth service sslcert sslcrl sslkey sslmode sslrootcert target_session_attrs user")
  :gmatch "%S+" do
  HARMLESS[name] = true
end

--- The URL without its password, for messages and for the command. A URL in which the end of the password cannot be
-- told (another @ than the one before the host) is shown without all but its scheme; such a URL is no state
-- (csrc/postgres/connection.c).
---@param url string
---@return string
function postgres.shown(url)
  local scheme, rest = url:match "^(%w+://)(.*)$"
  local user, behind = rest:match "^([^@/?#]*)@(.*)$"
  if (behind or rest):find("@", 1, true) then return scheme .. "***" end
  local place, query = (behind or rest):match "^([^?]*)%??(.*)$"
  local kept = {}
  for option in query:gmatch "[^&]+" do
    if HARMLESS[option:match "^[^=]*"] then kept[#kept + 1] = option end
  end
  return scheme .. (user and user:gsub(":.*$", "") .. "@" or "") .. place
    .. (#kept > 0 and "?" .. table.concat(kept, "&") or "")
end

local function open(url, apart)
  local module, missing = loading.optional("flarelight.postgres_core", "libpq", "libpq-dev")
  if not module then return nil, "a state in PostgreSQL needs " .. missing end
  if not core.use_postgres(module.functions) then
    error("flarelight.postgres_core is of another build than flarelight.core", 0)
  end
  return core.database(url, apart)
end

--- A store, which has connected to nothing yet; or `nil, message` if the URL does not parse, or the module was not
-- built.
---@param url string
---@return userdata? store, string? message
function postgres.open(url) return open(url, false) end

--- The same for what the clients' caches share. It is given up sooner, it never waits for the transactions of the
-- state, and its locks end with its connection.
---@param url string
---@return userdata? store, string? message
function postgres.open_cache(url) return open(url, true) end

return postgres
