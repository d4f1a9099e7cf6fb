--- Helpers of the specs that use flarelight: sandboxes, clients and raw servers, and the set-up of a family of specs.

local flarelight = require "flarelight"
local raw_server = require "support.raw_server"

local support = {}

--- Makes a client of a sandbox (or of any table with its url, api_key and subscription_id); `options` are added.
function support.client(sandbox, options)
  local given = { api_key = sandbox.api_key, subscription_id = sandbox.subscription_id, base_url = sandbox.url }
  for name, value in pairs(options or {}) do given[name] = value end
  return assert(flarelight.new(given))
end

--- A table with the members of both tables. The second table's value wins where both have a member.
function support.with(one, other)
  local both = {}
  for name, value in pairs(one or {}) do both[name] = value end
  for name, value in pairs(other or {}) do both[name] = value end
  return both
end

--- `n` records { n = 0 }, { n = 1 }, ….
function support.records(n)
  local records = {}
  for i = 1, n do records[i] = { n = i - 1 } end
  return records
end

--- Makes an import of `n` records and returns its id.
function support.import(api, n)
  return assert(api.imports:import { records = support.records(n), name = "spec" }).id
end

--- The requests of one operation that the sandbox has logged.
function support.requests(sandbox, operation)
  local found = {}
  for _, request in ipairs(sandbox:requests()) do
    if request.operation == operation then found[#found + 1] = request end
  end
  return found
end

--- The number of requests of this method that the sandbox has logged.
function support.count(sandbox, method)
  local count = 0
  for _, request in ipairs(sandbox:requests()) do
    if request.method == method then count = count + 1 end
  end
  return count
end

local subscriptions = 0

--- A subscription id that no other server of this run has. The core keeps the rate limit and the retries of a service
-- by URL and subscription, and a later server may get the same port.
function support.subscription()
  subscriptions = subscriptions + 1
  return ("00000000-0000-4000-8001-%012d"):format(subscriptions)
end

--- Starts a sandbox with `options`, for a subscription of its own.
function support.sandbox(options)
  local own = { subscription_id = support.subscription() }
  return assert(require("flarelight.sandbox").start(support.with(own, options)))
end

--- Starts a server that answers with `replies`, byte for byte (see support/raw_server.lua). It has an `api_key` and a
-- `subscription_id`, so `support.client` takes it like a sandbox.
function support.raw_server(replies)
  local server = raw_server.start(replies)
  server.api_key, server.subscription_id = "raw-key", support.subscription()
  return server
end

support.reply = raw_server.reply

--- The set-up of a family of specs: closes after each spec what the spec has opened, the last one first. `after_each`
-- is that of busted. The object has `sandbox`, `client` and `raw_server`, which are the functions of this module;
-- `service`, which starts a sandbox and a client of it; and `later(close)`, which calls `close` after the spec.
function support.opened(after_each)
  local closers = {}
  local opened = {}
  function opened.later(close) closers[#closers + 1] = close end
  local function opener(open, close)
    return function(...)
      local thing = open(...)
      opened.later(function() thing[close](thing) end)
      return thing
    end
  end
  opened.sandbox = opener(support.sandbox, "stop")
  opened.client = opener(support.client, "close")
  opened.raw_server = opener(support.raw_server, "stop")
  function opened.service(options, client_options)
    local sandbox = opened.sandbox(options)
    return sandbox, opened.client(sandbox, client_options)
  end
  after_each(function()
    while #closers > 0 do table.remove(closers)() end
  end)
  return opened
end

--- Runs the tasks of a client until `condition` returns true, for a minute at most.
function support.update_until(api, condition)
  local ends = os.time() + 60
  repeat
    api:update(0.01)
    assert(os.time() < ends, "the condition did not come true")
  until condition()
end

--- Runs functions at the same time. An error in one of them is raised here.
function support.together(functions)
  local runner = support.client { url = "http://127.0.0.1:1", api_key = "k",
                                  subscription_id = "00000000-0000-4000-8000-000000000001" }
  local results = runner:all(functions)
  runner:close()
  for _, result in ipairs(results) do
    if result.err then error(result.err.value or result.err, 0) end
  end
end

--- The file and line of the caller, as Lua puts them before the message of an error that is raised at this level.
function support.here(offset)
  local info = debug.getinfo(2, "Sl")
  return ("%s:%d:"):format(info.short_src, info.currentline + (offset or 0))
end

return support
