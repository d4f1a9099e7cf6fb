--- The part of flarelight that hosts may use. docs/hosts.md is its manual.
--
-- Each Lua state has one descriptor, which turns readable when an item has arrived. `pollable.step` then gives the
-- items to the waiters. A host waits for a *handle*:
--
--   handle:is_over()    whether the wait has ended: the outcome has arrived, or cannot arrive, or the time is up
--   handle:timeout()    seconds until its time is up; nil if it has none
--   handle.wake         set by the host while it waits: called, as handle:wake(), when the step of other code has made
--                       the handle ready
--   handle.ticket       the number of the call or job; nil if the handle waits only for time or for a task

local core = require "flarelight.core"
local mailbox = require "flarelight.host.mailbox"

local pollable = {}

--- The descriptor to watch for reading. It changes after a fork.
---@return integer
function pollable.fd() return core.fd() end

--- Takes all items that have arrived, and gives them to the waiters. Never blocks, never raises.
function pollable.step() mailbox.step() end

--- Makes the descriptor readable, so that all code that watches it checks its handles.
function pollable.ring() core.mailbox_signal() end

--- Makes the descriptor readable in `seconds`: for event loops without timers.
function pollable.alarm(seconds) return core.alarm(seconds) end

--- The clock of handles, in seconds.
function pollable.now() return core.now() end

local outer_of = setmetatable({}, { __mode = "k" })
local resumer_of = setmetatable({}, { __mode = "k" }) -- inner coroutine -> the coroutine whose code resumes it

--- The coroutine that a host resumes to continue the code that runs now; nil on the main one. On Lua 5.1, where code
-- cannot yield out of a pcall, the function of a task runs in an inner coroutine. This function then returns the outer
-- one.
---@return thread?
function pollable.coroutine()
  local running, is_main = coroutine.running()
  if not running or is_main then return nil end
  return outer_of[running] or running
end

--- Whether code inside of pcall can yield. (On the main coroutine of Lua 5.1 nothing yields in any case.)
pollable.pcall_yields = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

--- Whether the code that runs now can yield; nil if only a try shows it.
---@return boolean?
function pollable.can_yield()
  local can = core.is_yieldable()
  if can ~= nil then return can end -- nil on Lua 5.1 and 5.2
  if pollable.pcall_yields then return nil end
  -- On Lua 5.1 nothing yields out of a function that was called by C. Metamethods and the iterators of `for` cannot
  -- yield either, but nothing on the stack shows that.
  -- Code that runs in inner coroutines yields out of all of them. Level 0 of a resumer is coroutine.resume.
  local co, level = coroutine.running(), 2
  while co do
    local info = debug.getinfo(co, level, "S")
    while info do
      if info.what == "C" then return false end
      level = level + 1
      info = debug.getinfo(co, level, "S")
    end
    co, level = resumer_of[co], 1
  end
  return nil
end

--- Calls a function that yields. True; false if it cannot yield here, which raises on Lua 5.1 outside of C functions.
---@param run fun()
---@return boolean
function pollable.try_yield(run)
  local can = pollable.can_yield()
  if can == false then return false end
  if can or not pollable.pcall_yields then
    run()
    return true
  end
  return (pcall(run))
end

--- Prepares a protected call, so that the call itself needs no memory. Returns a function to be called once, by the
-- coroutine that runs now. It calls `run` and returns the error that it raises, as pcall does: true and the results, or
-- false, the error and its traceback.
---@param run fun(): ...
---@return fun(): boolean, ...
function pollable.prepare(run)
  if pollable.pcall_yields or not coroutine.running() then
    local trace
    local function keep(raised)
      trace = debug.traceback("", 2)
      return raised
    end
    local function after(ok, ...)
      if ok then return true, ... end
      return false, ..., trace
    end
    return function() return after(xpcall(run, keep)) end
  end
  local inner = coroutine.create(run)
  outer_of[inner], resumer_of[inner] = pollable.coroutine(), coroutine.running()
  local function relay(ok, ...)
    if not ok then return false, ..., debug.traceback(inner, "") end
    if coroutine.status(inner) == "dead" then return true, ... end
    return relay(coroutine.resume(inner, coroutine.yield(...)))
  end
  return function() return relay(coroutine.resume(inner)) end
end

--- Calls `run` under protection: pollable.prepare and the call in one.
---@param run fun(): ...
---@return boolean ok, ...
function pollable.protect(run) return pollable.prepare(run)() end

return pollable
