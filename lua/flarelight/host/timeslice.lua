--- Time slices: long work that never waits (over rows that have arrived already) lets other code run when its slice is
-- spent.
--
-- Hosts set the slice. Loops over such work call `timeslice.check`. A plain script has no slice and runs on. Relies on
-- the clock, and on pollable.lua to know where Lua cannot yield.

local core = require "flarelight.core"
local pollable = require "flarelight.host.pollable"

local timeslice = {}

-- The end of the slice by core.now; nil for no slice. Callers of `timeslice.check` test it first, to save the call.
timeslice.slice_end = nil
-- Called at the end of the slice: lets other code run, if the code that runs now belongs to the host.
timeslice.give_way = nil

--- Sets a slice of `seconds`, or none.
function timeslice.set(seconds, give_way)
  timeslice.slice_end, timeslice.give_way = seconds and core.now() + seconds, give_way
end

--- Lets other code run if the slice, which must be set, is spent and Lua can yield here.
function timeslice.check()
  if core.now() >= timeslice.slice_end then pollable.try_yield(timeslice.give_way) end
end

--- For a host whose handle is over before the wait begins. A sleep always lets other code run, so that a loop of short
-- sleeps does not hold it up. Any other wait lets other code run when the slice is spent, so that a loop of calls that
-- are answered at once does not hold it up either.
function timeslice.at_once(handle, seconds, give_way)
  if handle.due or (timeslice.slice_end and core.now() >= timeslice.slice_end) then
    give_way()
  elseif not timeslice.slice_end then
    timeslice.set(seconds, give_way)
  end
end

return timeslice
