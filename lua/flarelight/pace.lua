--- Giving way: work that is ready (rows that have come) lets others run when its slice is spent.
--
-- Hosts set the slice; loops over what is ready look at it. In a script nothing is set, and nothing gives
-- way. Relies on the clock alone.

local core = require "flarelight.core"

local pace = {}

-- When the slice ends (core.now); nil: there is none. Read before `pace.check`, which costs a call.
pace.slice_end = nil
-- What to call then; it gives way if the code that runs now may.
pace.give_way = nil

--- Sets a slice of `seconds`, or none.
function pace.set(seconds, give_way)
  pace.slice_end, pace.give_way = seconds and core.now() + seconds, give_way
end

--- Where there is a slice: gives way if it is spent.
function pace.check()
  if core.now() >= pace.slice_end then pace.give_way() end
end

--- For a host whose wait finds the handle over at once: a sleep gives way in any case, or a loop around
-- one would hold up what it waits for; anything else when the slice is spent, or calls that are answered
-- before they are waited for would never let others run.
function pace.at_once(handle, seconds, give_way)
  if handle.due or (pace.slice_end and core.now() >= pace.slice_end) then
    give_way()
  elseif not pace.slice_end then
    pace.set(seconds, give_way)
  end
end

return pace
