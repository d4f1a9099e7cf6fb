--- A server that answers one request a connection with bytes given beforehand, for replies that no
-- sandbox gives. Relies on perl, which is part of every Debian and of most systems; where it is missing
-- `start` answers nil, and the spec is pending.

local raw_server = {}

local SCRIPT = [[
  use IO::Socket::INET; $| = 1; alarm 120;
  my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 8) or exit 1;
  print $$, " ", $server->sockport, "\n";
  for my $reply (@ARGV) {
    my $peer = $server->accept or exit 1;
    my $request = "";
    while ($request !~ /\r\n\r\n/) { sysread($peer, $request, 65536, length $request) or last; }
    my ($head) = $request =~ /^(.*?\r\n\r\n)/s;
    my ($body) = $request =~ /content-length: *(\d+)/i;
    while (length($request) < length($head) + $body) { sysread($peer, $request, 65536, length $request) or last; }
    print $peer pack("H*", $reply);
    close $peer;
    print unpack("H*", $request), "\n";
  }
]]

local function to_hex(text) return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)) end
local function from_hex(text) return (text:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)) end

local Server = {}
Server.__index = Server

--- Starts a server for as many requests as there are `replies`, each the bytes of a whole reply.
---@param replies string[]
function raw_server.start(replies)
  local words = { ("exec perl -e '%s' --"):format(SCRIPT) }
  for i, reply in ipairs(replies) do words[i + 1] = "'" .. to_hex(reply) .. "'" end
  local pipe = assert(io.popen(table.concat(words, " "), "r"))
  local process, port = (pipe:read "*l" or ""):match "^(%d+) (%d+)$"
  if not port then
    pipe:close()
    return nil
  end
  return setmetatable({ pipe = pipe, process = process, url = "http://127.0.0.1:" .. port }, Server)
end

--- The bytes of the next request; nil after the last.
function Server:request()
  local line = self.pipe:read "*l"
  return line and from_hex(line)
end

function Server:stop()
  os.execute(("kill %s 2>/dev/null"):format(self.process))
  self.pipe:close()
end

--- The bytes of a reply.
function raw_server.reply(status, body, headers)
  return ("HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s")
    :format(status, headers or "", #body, body)
end

return raw_server
