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

--- The members of both tables; of the second where both have one.
function support.with(one, other)
  local both = {}
  for name, value in pairs(one or {}) do both[name] = value end
  for name, value in pairs(other) do both[name] = value end
  return both
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

local subscriptions = 0

--- A subscription that no other server of this run has: a port may come again, and what a client knows of
-- a service (its rate limit, what retries have cost) it knows by URL and subscription.
function support.subscription()
  subscriptions = subscriptions + 1
  return ("00000000-0000-4000-8001-%012d"):format(subscriptions)
end

--- A TCP server that answers with `replies`, byte for byte (see spec/tools/raw_server): an object with
-- `url`, `heads()` (of the requests, as they came) and `stop()`.
function support.raw_server(replies)
  local log = os.tmpname()
  local words = { "exec perl spec/tools/raw_server " .. log }
  for i, reply in ipairs(replies) do words[i + 1] = "'" .. reply:gsub("\r", "\\r"):gsub("\n", "\\n") .. "'" end
  local pipe = assert(io.popen(table.concat(words, " ")))
  local port, process = pipe:read "*l":match "^(%d+) (%d+)$"
  return {
    url = "http://127.0.0.1:" .. port,
    api_key = "raw-key", subscription_id = support.subscription(),
    heads = function()
      local heads, file = {}, assert(io.open(log))
      for head in file:read "*a":gmatch "(.-)\n\n" do heads[#heads + 1] = head end
      file:close()
      return heads
    end,
    stop = function()
      os.execute("kill " .. process .. " 2>/dev/null")
      pipe:close()
      os.remove(log)
    end,
  }
end

--- A reply in HTTP for raw_server; its `headers` say that the connection ends unless others are given.
function support.reply(status, body, headers)
  headers = headers or "Connection: close\r\n"
  return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body, headers, body)
end

--- Runs functions at the same time; what fails in one fails here.
function support.together(functions)
  local runner = support.client { url = "http://127.0.0.1:1", api_key = "k",
                                  subscription_id = "00000000-0000-4000-8000-000000000001" }
  local results = runner:all(functions)
  runner:close()
  for _, result in ipairs(results) do
    if result.err then error(result.err.value or result.err, 0) end
  end
end

--- The file and line of the caller, as they stand in the message of an error raised at its level.
function support.here(offset)
  local info = debug.getinfo(2, "Sl")
  return ("%s:%d:"):format(info.short_src, info.currentline + (offset or 0))
end

return support
