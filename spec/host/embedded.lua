-- Runs the behaviours in a Lua state of the program `embed_static`, into which the module is linked.

local good = require("host.behaviours").run({
  name = "script", blocks = true, start_ticks = function() return function() end end,
}, print)
io.stdout:flush()
if not good then error "behaviours failed" end
