--- A TCP server on 127.0.0.1 that answers with bytes given beforehand, for replies that the sandbox cannot give.
-- The server is spec/support/raw_server.pl, a process of its own. Relies on perl.

local system = require "support.system"

local raw_server = {}

local function to_hex(text) return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)) end
local function from_hex(text) return (text:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)) end

local Server = {}
Server.__index = Server

--- Starts a server for as many requests as there are `replies`. A reply is bytes; one that ends in "..." keeps its
-- connection for the next request, one that ends in "!" resets its connection after `go_on`, one that ends in "?" comes
-- again on its connection then (both add an empty request to the list), and after one that ends in "+" the server is
-- silent. The object has `url` and the methods below.
---@param replies string[]
function raw_server.start(replies)
  local log = system.file("", ".log")
  local words = { "exec perl spec/support/raw_server.pl", system.quote(log) }
  for _, reply in ipairs(replies) do
    local bytes, mark = reply, ""
    if reply:find "%.%.%.$" then bytes, mark = reply:sub(1, -4), "." end
    if reply:find "[+!?]$" then bytes, mark = reply:sub(1, -2), reply:sub(-1) end
    local word = "x" .. to_hex(bytes) .. mark
    -- A system bounds the length of an argument.
    words[#words + 1] = #word < 60000 and word or "@" .. system.quote(system.file(word))
  end
  local pipe = assert(io.popen(table.concat(words, " ")))
  local port, process = (pipe:read "*l" or ""):match "^(%d+) (%d+)$"
  assert(port, "the raw server did not start")
  return setmetatable({ url = "http://127.0.0.1:" .. port, pipe = pipe, process = process, log = log }, Server)
end

--- The requests that have come, as bytes.
---@return string[]
function Server:requests()
  local list = {}
  for line in io.lines(self.log) do list[#list + 1] = from_hex(line) end
  return list
end

--- Tells the server that the connection of a reply that ends in "!" or "?" is idle, and waits for what it does then.
function Server:go_on()
  local expected = #self:requests() + 1
  system.write(self.log .. ".idle", "")
  local ends = os.time() + 60
  while #self:requests() < expected do
    assert(os.time() < ends, "the raw server has not gone on")
    os.execute "sleep 0.01"
  end
end

function Server:stop()
  if not self.pipe then return end
  os.execute(("kill %s 2>/dev/null"):format(self.process))
  self.pipe:close()
  self.pipe = nil
end

--- The bytes of a reply of JSON. `headers` are lines that end in CR LF; without them the reply says that the
-- connection ends.
function raw_server.reply(status, body, headers)
  headers = headers or "Connection: close\r\n"
  if not headers:find "Content%-Type:" then headers = "Content-Type: application/json\r\n" .. headers end
  return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body, headers, body)
end

return raw_server
