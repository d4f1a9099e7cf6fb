--- Tasks: functions that run concurrently, each in a coroutine of its host, so that their calls yield instead of
-- blocking. Relies on the hosts to resume them, and on pollable.lua to catch their errors.

local core = require "flarelight.core"
local mailbox = require "flarelight.host.mailbox"
local errors = require "flarelight.error"
local misuse = require "flarelight.misuse"
local host = require "flarelight.host"
local options = require "flarelight.options"
local pollable = require "flarelight.host.pollable"
local scope = require "flarelight.host.scope"

local tasks = {}

---@class flarelight.Task
local Task = {}
Task.__index = Task
Task.__name = "flarelight.task"

local of_coroutine = setmetatable({}, { __mode = "k" })

local unpack = table.unpack or unpack
local function pack(...) return { n = select("#", ...), ... } end

--- The task that runs now, or nil.
function tasks.current()
  local co = pollable.coroutine()
  return co and of_coroutine[co]
end

--- Calls `fn` when the value that this returns is collected, or when the Lua state is closed.
function tasks.when_collected(fn)
  if newproxy then -- luacheck: ignore
    local proxy = newproxy(true) -- luacheck: ignore
    getmetatable(proxy).__gc = fn
    return proxy
  end
  return setmetatable({}, { __gc = fn })
end

--- Reports an error in hosts that have no other way.
function tasks.to_standard_error(message) io.stderr:write(message, "\n") end

-- An error that a task raised is its result. If no code asks for the result before the task is collected, the error is
-- reported, unless the task was cancelled.
local function report_unless_asked(task, raised, trace)
  local report = task.host.report or tasks.to_standard_error
  local record = { asked = #task.joiners > 0 or task.cancelled }
  local message = "flarelight: a task failed, and no code asked for its result: "
    .. errors.text_of(raised) .. (trace or "")
  record.guard = tasks.when_collected(function()
    if not record.asked then report(message) end
  end)
  task.failure = record
end

local function finish(task, ok, ...)
  task.finished, task.ok, task.values = true, ok, pack(...)
  if not ok then report_unless_asked(task, ...) end
  for _, waiter in ipairs(task.joiners) do mailbox.set_ready(waiter) end
end

-- A task that never began has sent nothing: what it should have done is reported, unless it was cancelled. The record
-- is held by what the host keeps to begin the task.
local function report_unless_begun(task)
  local report, record = task.host.report or tasks.to_standard_error, { begun = false, process = core.process() }
  record.guard = tasks.when_collected(function()
    -- In a forked child the tasks of the parent never run.
    if record.begun or task.cancelled or core.process() ~= record.process then return end
    report("flarelight: a task never ran: nothing waited for it (task:result, api:all), and no api:update "
      .. "or event loop came to it")
  end)
  return record
end

--- Starts a task in a host, in the scope (scope.lua) of the code that starts it. `chosen`: the client's host, if the
-- client was given one.
function tasks.spawn(its_host, run, chosen)
  local task = setmetatable({ joiners = {}, host = its_host, chosen = chosen }, Task)
  local inherited, record = scope.current(), report_unless_begun(task)
  its_host.spawn(function()
    record.begun = true
    local co = pollable.coroutine()
    of_coroutine[co] = task
    scope.adopt(inherited)
    finish(task, pollable.protect(run))
    scope.leave()
    of_coroutine[co] = nil
  end)
  return task
end

--- Waits for a handle, in the host `handle.here`, or in the host that runs now (`handle.chosen`: the client's host, if
-- it was given one). A waiting task can be cancelled. Returns true, or `nil, message` if this code cannot wait.
function tasks.wait(handle)
  local task = tasks.current()
  handle.task = task
  if task then task.handle = handle end
  local here, message = handle.here, nil
  if not here then here, message = host.for_waiting(handle.chosen) end
  if here then
    mailbox.hold(handle, true)
    here.wait(handle)
    mailbox.hold(handle, false)
  end
  handle.task = nil
  if task then task.handle = nil end
  return here and true, message
end

--- Whether the task has ended, with or without an error.
---@return boolean
function Task:done()
  options.self(self, Task, "task.done")
  return self.finished == true
end

local function wait_for_end(self)
  local here, message = host.for_waiting(self.chosen)
  if not here then
    local _, _, err = errors.fail("phase", "task:result: " .. message)
    error(err, 0)
  end
  if here.blocks and self.host ~= host.of_option "frame" then
    misuse(("task:result: the task runs in %s, and this code does not: the task could not continue meanwhile")
      :format(self.host.name))
  end
  if self.finished then return end -- while the try to yield ran other code
  local waiter = mailbox.waiter { of_tasks = true, here = here }
  self.joiners[#self.joiners + 1] = waiter
  tasks.wait(waiter)
end

--- Waits for the end of the task. Returns what its function returned, or raises the error that it raised.
---@return any ...
function Task:result()
  options.self(self, Task, "task.result")
  if self == tasks.current() then misuse "task:result: a task cannot wait for itself" end
  if not self.finished then wait_for_end(self) end
  if not self.finished then -- this code's own task was cancelled during the wait
    local _, _, err = errors.fail("cancelled", "cancelled while waiting for a task")
    error(err, 0)
  end
  if self.ok then return unpack(self.values, 1, self.values.n) end
  self.failure.asked = true
  error(self.values[1], 0)
end

--- Ends the task's call with kind `cancelled`, and every later call. The task itself continues, and its function
-- decides its result.
function Task:cancel()
  options.self(self, Task, "task.cancel")
  if self.finished or self.cancelled then return end
  self.cancelled = true
  local handle = self.handle
  if handle and handle.ticket then core.cancel(handle.ticket) end
  -- The outcome of a cancelled call wakes the task; a cancelled pager has none.
  if handle and handle.wake and (handle.pages or not handle.ticket) then handle:wake() end
end

return tasks
