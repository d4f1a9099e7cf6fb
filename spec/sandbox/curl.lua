--- The client of the sandbox's own specs is the command curl, so that a mistake in flarelight's client hides none in the
-- sandbox. Also starts and stops the sandboxes of a spec.

local sandbox = require "flarelight.sandbox"
local system = require "support.system"

local curl = {
  KEY = "sandbox-key",
  SUBSCRIPTION = "00000000-0000-4000-8000-000000000001",
  UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$",
}

local quote = system.quote

--- The arguments of one transfer. `options`: method, body, key, subscription, type, headers, extra.
function curl.transfer(url, options)
  options = options or {}
  local words = { "-s -i --max-time 60 -X", options.method or (options.body and "POST" or "GET") }
  local function header(name, value, default)
    if value == false then return end
    words[#words + 1] = "-H " .. quote(name .. ": " .. (value or default))
  end
  header("X-Api-Key", options.key, curl.KEY)
  header("X-Subscription-Id", options.subscription, curl.SUBSCRIPTION)
  words[#words + 1] = "-H 'Expect:'"
  for name, value in pairs(options.headers or {}) do header(name, value) end
  if options.body then
    header("Content-Type", options.type, "application/json")
    words[#words + 1] = "--data-binary " .. quote(options.body)
  end
  if options.extra then words[#words + 1] = options.extra end
  words[#words + 1] = quote(url)
  return table.concat(words, " ")
end

-- Splits what curl -i printed into replies.
local function read_reply(output)
  local head, body = output:match "^(HTTP/.-\r\n\r\n)(.*)$"
  if not head then return nil, output end
  local reply = { status = tonumber(head:match "^HTTP/%S+ (%d+)"), headers = {}, body = body }
  for name, value in head:gmatch "([%w-]+): ([^\r\n]*)\r\n" do reply.headers[name:lower()] = value end
  return reply
end

--- One request in two parts. `begin` sends it; `finish` returns the reply (nil if none came) and curl's exit status.
function curl.begin(box, path, options)
  return assert(io.popen("curl " .. curl.transfer(box.url .. path, options) .. "; printf '\\n%s' $?"))
end
function curl.finish(pipe)
  local text, code = pipe:read "*a":match "^(.*)\n(%d+)$"
  pipe:close()
  return read_reply(text), tonumber(code)
end
function curl.ask(box, path, options) return curl.finish(curl.begin(box, path, options)) end

--- Sends several requests over one connection. Returns curl's exit status.
function curl.ask_many(box, requests)
  local words = {}
  for index, request in ipairs(requests) do
    words[index] = curl.transfer(box.url .. request[1], request[2])
  end
  local output, status = system.shell("curl " .. table.concat(words, " --next "))
  return status, output
end

local running = {}
function curl.start(options)
  local box = assert(sandbox.start(options))
  running[#running + 1] = box
  return box
end

--- Posts records and returns the reply.
function curl.import(box, records, members, options)
  options = options or {}
  options.body = ('{"data":{"records":%s}%s}'):format(records, members and "," .. members or "")
  return curl.ask(box, "/Import/Data", options)
end

function curl.data_of(reply) return reply.body:match '^{"data":(.*),"messages":%[.*%]}$' end

--- Stops a sandbox and forgets it.
function curl.drop(box)
  box:stop()
  for i, each in ipairs(running) do
    if each == box then return table.remove(running, i) end
  end
end

--- Stops the sandboxes that were started.
function curl.stop_all()
  for _, box in ipairs(running) do box:stop() end
  running = {}
end

return curl
