--- Runs in spec/memory/host.c: closes a client, without any memory, while a call waits for a server that does not reply.
-- The call has to end.

local flarelight = require "flarelight"
local api = assert(flarelight.new { base_url = arg[1], api_key = arg[2], subscription_id = arg[3] })
local task = api:spawn(function() return api.imports:all() end)
while api:stats().attempts == 0 do api:update(0.01) end
memory.arm()
local closed, raised = pcall(api.close, api)
memory.disarm()
assert(closed, raised)
-- The end of the call arrives from the engine's thread.
for _ = 1, 1000 do
  if task:done() then break end
  api:update(0.01)
end
local _, _, err = task:result()
-- The lack of memory may end the attempt before the client is closed.
assert(err and (err.kind == "closed" or err.kind == "network"), "the call did not end with the client")
print "closed"
return true
