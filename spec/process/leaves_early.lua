-- leaves_early.lua HOW ID PATH: the main thread of the program `embed` leaves `main` as soon as the file PATH is there. The
-- last handler of the exit goes on for a second.
local sleep = require("spec_process").sleep
local path = arg[3]
while true do
  local file = io.open(path)
  if file then file:close() break end
  sleep(0.01)
end
at_exit(function() sleep(1) end) -- luacheck: ignore
