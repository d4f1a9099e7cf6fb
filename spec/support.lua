--- What the specs share: a sandbox and a client that fit together.

local flarelight = require "flarelight"

local support = {}

--- A sandbox with `options`.
function support.sandbox(options)
  return require("flarelight.sandbox").start(options or {})
end

--- A client of a sandbox; `options` are added.
function support.client(sandbox, options)
  local given = { api_key = sandbox.api_key, subscription_id = sandbox.subscription_id, base_url = sandbox.url }
  for name, value in pairs(options or {}) do given[name] = value end
  return assert(flarelight.new(given))
end

--- `n` records { n = 0 }, { n = 1 }, ….
function support.records(n)
  local records = {}
  for i = 1, n do records[i] = { n = i - 1 } end
  return records
end

--- Makes an import of `n` records and answers its id.
function support.import(api, n)
  return assert(api.imports:import { records = support.records(n), name = "spec" }).id
end

--- Requests of one operation that the sandbox has seen.
function support.requests(sandbox, operation)
  local found = {}
  for _, request in ipairs(sandbox:requests()) do
    if request.operation == operation then found[#found + 1] = request end
  end
  return found
end

--- The file and line of the caller, as they stand in the message of an error raised at its level.
function support.here(offset)
  local info = debug.getinfo(2, "Sl")
  return ("%s:%d:"):format(info.short_src, info.currentline + (offset or 0))
end

return support
