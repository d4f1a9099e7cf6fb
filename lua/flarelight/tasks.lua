--- Tasks: coroutines whose calls yield instead of blocking, run by whoever waits for them or by
-- `api:update` once a frame. One scheduler a Lua state. Relies on dispatch.lua for what has come.

local core = require "flarelight.core"
local dispatch = require "flarelight.dispatch"
local errors = require "flarelight.error"

local tasks = {}

---@class flarelight.Task
local Task = {}
Task.__index = Task
Task.__name = "flarelight.task"

local of_coroutine = setmetatable({}, { __mode = "k" })
local ready = { first = 1, last = 0 } -- tasks to resume, in order
local sleepers = {}                   -- waiters of tasks with a time to wake at

-- When the slice of the api:update under way ends (core.now); nil outside of one.
tasks.slice_end = nil

local unpack = table.unpack or unpack
local function pack(...) return { n = select("#", ...), ... } end

local function make_ready(task)
  if task.queued or task.finished then return end
  task.queued = true
  ready.last = ready.last + 1
  ready[ready.last] = task
end

--- The task that runs now, or nil.
function tasks.current()
  return of_coroutine[coroutine.running() or false]
end

local function wake_task(waiter) make_ready(waiter.task) end

-- Makes a waiter ready that no ticket stands behind.
local function set_ready(waiter)
  waiter.ready = true
  if waiter.wake then waiter.wake(waiter) end
end
tasks.set_ready = set_ready

local function finish(task, ok, ...)
  task.finished, task.ok, task.values = true, ok, pack(...)
  of_coroutine[task.coroutine] = nil
  if task.on_finish then task.on_finish(task) end
  for _, waiter in ipairs(task.joiners) do set_ready(waiter) end
end

local function after_resume(task, ok, ...)
  if not ok then
    finish(task, false, ...)
  elseif coroutine.status(task.coroutine) == "dead" then
    finish(task, true, ...)
  elseif not task.waiter then
    make_ready(task) -- it gave way by itself
  end
end

local function resume_one()
  local task = ready[ready.first]
  ready[ready.first] = nil
  ready.first = ready.first + 1
  task.queued = false
  if not task.finished then after_resume(task, coroutine.resume(task.coroutine)) end
end

-- Resumes what is ready, until the waiter is. Calls that begin meanwhile wake the engine once, together.
local function resume_ready(waiter)
  core.cork(true)
  while ready.first <= ready.last and not waiter.ready do resume_one() end
  core.cork(false)
end

local function wake_sleepers()
  if #sleepers == 0 then return end
  local now = core.now()
  for i = #sleepers, 1, -1 do
    local waiter = sleepers[i]
    if waiter.ready or waiter.due <= now then
      table.remove(sleepers, i)
      make_ready(waiter.task)
    end
  end
end

local function next_sleeper()
  local due
  for _, waiter in ipairs(sleepers) do
    if not due or waiter.due < due then due = waiter.due end
  end
  return due
end

--- Starts a task. It runs up to its first wait when somebody runs the scheduler. `on_finish(task)`, if
-- given, is called at its end.
function tasks.spawn(run, on_finish)
  local task = setmetatable({ joiners = {}, on_finish = on_finish }, Task)
  task.coroutine = coroutine.create(run)
  of_coroutine[task.coroutine] = task
  make_ready(task)
  return task
end

--- The wait of a task: gives way until the waiter is ready or `due` has passed.
function tasks.wait(task, waiter, due)
  if due then
    waiter.due = due
    sleepers[#sleepers + 1] = waiter
  end
  waiter.task, waiter.wake = task, wake_task
  while not waiter.ready and not (task.cancelled and not waiter.ticket) and dispatch.can_come(waiter) do
    if due and core.now() >= due then break end
    task.waiter = waiter
    coroutine.yield()
    task.waiter = nil
  end
  waiter.wake = nil
  if due then
    for i, each in ipairs(sleepers) do
      if each == waiter then table.remove(sleepers, i) break end
    end
  end
end

--- While there is a slice: gives way once, if this is a task and the slice is spent.
function tasks.pace()
  local task = tasks.current()
  if task and core.now() >= tasks.slice_end then coroutine.yield() end
end

--- Resumes what is ready, for at most `budget` seconds; never blocks. A frame loop's step.
function tasks.update(budget)
  local before = tasks.slice_end
  local slice_end = core.now() + budget
  tasks.slice_end = slice_end
  local ok, raised = pcall(function()
    repeat
      dispatch.step()
      wake_sleepers()
      if ready.first > ready.last then break end
      resume_one()
    until core.now() >= slice_end
  end)
  tasks.slice_end = before
  if not ok then error(raised, 0) end
end

-- Runs tasks until the waiter is ready. Blocks while there is nothing to resume.
local function run_until(waiter)
  while true do
    dispatch.step()
    wake_sleepers()
    resume_ready(waiter)
    if waiter.ready then return end
    local due = next_sleeper()
    if not due and not dispatch.is_expecting() then
      errors.misuse "the tasks wait for each other: none of them can go on"
    end
    core.wait(due and math.max(0, due - core.now()) or nil)
  end
end

--- Waits for a waiter that tasks will make ready: in a task by giving way, elsewhere by running them.
function tasks.wait_for(waiter)
  local current = tasks.current()
  if current then tasks.wait(current, waiter) else run_until(waiter) end
end

--- Whether the task has ended, well or not.
---@return boolean
function Task:done() return self.finished == true end

--- What the task's function returned; raises what it raised. Waits for its end.
---@return any ...
function Task:result()
  if self == tasks.current() then errors.misuse "task:result: a task cannot wait for itself" end
  if not self.finished then
    local waiter = {}
    self.joiners[#self.joiners + 1] = waiter
    tasks.wait_for(waiter)
  end
  if not self.finished then -- we were cancelled while waiting
    local _, _, err = errors.fail("cancelled", "cancelled while waiting for a task")
    error(err, 0)
  end
  if self.ok then return unpack(self.values, 1, self.values.n) end
  error(self.values[1], 0)
end

--- Ends the task's call with kind `cancelled`, and every later one. What it returns is its result.
function Task:cancel()
  if self.finished or self.cancelled then return end
  self.cancelled = true
  local waiter = self.waiter
  if waiter and waiter.ticket then core.cancel(waiter.ticket)
  elseif waiter then make_ready(self) end
end

return tasks
