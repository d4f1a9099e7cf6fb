--- The side of flarelight that hosts rely on, and nothing else of it: docs/hosts.md is its manual.
--
-- One descriptor a Lua state turns readable when something has come; `pollable.step` gives it to those who
-- wait. A host waits for a *handle*:
--
--   handle:is_over()    whether to go on: what it waits for is here, or cannot come, or its time is up
--   handle:timeout()    seconds until its time is up; nil where it has none
--   handle.wake         set by the host while it waits: called, as handle:wake(), when somebody else's
--                       step has made it ready
--   handle.ticket       what it waits for by number; nil where it waits for time or for a task alone

local core = require "flarelight.core"
local mailbox = require "flarelight.host.mailbox"

local pollable = {}

--- The descriptor to watch for reading. It is another one after a fork.
---@return integer
function pollable.fd() return core.fd() end

--- Takes what has come and gives it to those who wait. Never blocks, never raises.
function pollable.step() mailbox.step() end

--- Makes the descriptor readable, so that everyone who watches it looks at its handle.
function pollable.ring() core.mailbox_signal() end

--- Does so in `seconds`: for event loops without timers.
function pollable.alarm(seconds) return core.alarm(seconds) end

--- Seconds on the clock that handles are timed by.
function pollable.now() return core.now() end

local outer_of = setmetatable({}, { __mode = "k" })

--- The coroutine that a host should resume to go on with what runs now. Nil on the main one. (On Lua 5.1,
-- where nothing can yield out of a pcall, the function of a task runs in an inner one.)
function pollable.coroutine()
  local running, is_main = coroutine.running()
  if not running or is_main then return nil end
  return outer_of[running] or running
end

-- Whether pcall lets yields through. On Lua 5.1 it does not; there, nothing yields on the main coroutine either.
local pcall_yields = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

--- Calls `run` so that what it raises is returned, as pcall does: whether it went well, and then what it
-- returned, or what it raised and where that was.
function pollable.protect(run)
  local trace
  if pcall_yields or not coroutine.running() then
    local function keep(raised)
      trace = debug.traceback("", 2)
      return raised
    end
    local function after(ok, ...)
      if ok then return true, ... end
      return false, ..., trace
    end
    return after(xpcall(run, keep))
  end
  local inner = coroutine.create(run)
  outer_of[inner] = pollable.coroutine()
  local function relay(ok, ...)
    if not ok then return false, ..., debug.traceback(inner, "") end
    if coroutine.status(inner) == "dead" then return true, ... end
    return relay(coroutine.resume(inner, coroutine.yield(...)))
  end
  return relay(coroutine.resume(inner))
end

return pollable
