--- Giving way: work that is ready (rows that have come) lets others run when its slice is spent.
--
-- Hosts set the slice; loops over what is ready look at it. In a script nothing is set, and nothing gives
-- way. Relies on the clock alone.

local core = require "flarelight.core"

local timeslice = {}

-- When the slice ends (core.now); nil: there is none. Read before `timeslice.check`, which costs a call.
timeslice.slice_end = nil
-- What to call then; it gives way if the code that runs now may.
timeslice.give_way = nil

--- Sets a slice of `seconds`, or none.
function timeslice.set(seconds, give_way)
  timeslice.slice_end, timeslice.give_way = seconds and core.now() + seconds, give_way
end

--- Where there is a slice: gives way if it is spent.
function timeslice.check()
  if core.now() >= timeslice.slice_end then timeslice.give_way() end
end

--- For a host whose wait finds the handle over at once: a sleep gives way in any case, or a loop around
-- one would hold up what it waits for; anything else when the slice is spent, or calls that are answered
-- before they are waited for would never let others run.
function timeslice.at_once(handle, seconds, give_way)
  if handle.due or (timeslice.slice_end and core.now() >= timeslice.slice_end) then
    give_way()
  elseif not timeslice.slice_end then
    timeslice.set(seconds, give_way)
  end
end

return timeslice
