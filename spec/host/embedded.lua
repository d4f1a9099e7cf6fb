-- The behaviours in a state that a program has opened, with the module linked into it.

local good = require("host.behaviours").run({
  name = "script", blocks = true, start_ticks = function() return function() end end,
}, print)
io.stdout:flush()
if not good then error "behaviours failed" end
