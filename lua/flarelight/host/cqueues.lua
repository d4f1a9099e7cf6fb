--- The host of cqueues: a wait is cqueues.poll, in a thread of a controller.
--
-- One of the waiting threads of a controller watches the descriptor. Each thread has a condition that wakes it, to
-- continue or to become the watching thread. Code in a coroutine inside a thread watches for itself only: the coroutine
-- may never be resumed (without cqueues.auxlib it is not), so no other thread may depend on it.

local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local timeslice = require "flarelight.host.timeslice"
local pollable = require "flarelight.host.pollable"

local SLICE = 0.01 -- seconds of work that never waits before others run

local host = { name = "cqueues" }

local groups = setmetatable({}, { __mode = "k" }) -- controller -> { watcher = handle, waiting = set }

local function wake(handle) handle.condition:signal() end

function host.is_running() return cqueues.running() ~= nil end

function host.spawn(run) cqueues.running():wrap(run) end

function host.give_way()
  if not host.is_running() then return end
  cqueues.sleep(0)
  timeslice.set(SLICE, host.give_way)
end

function host.pass() cqueues.sleep(0) end

function host.wait(handle)
  pollable.step()
  if handle:is_over() then return timeslice.at_once(handle, SLICE, host.give_way) end
  local controller, is_thread = cqueues.running()
  local group = groups[controller]
  if not group then
    group = { waiting = {} }
    groups[controller] = group
  end
  handle.condition, handle.wake = condition.new(), wake
  if is_thread then group.waiting[handle] = true end
  while not handle:is_over() do
    if is_thread and group.watcher == nil then group.watcher = handle end
    if group.watcher == handle or not is_thread then
      cqueues.poll({ pollfd = pollable.fd(), events = "r" }, handle.condition, handle:timeout())
      pollable.step()
    else
      cqueues.poll(handle.condition, handle:timeout())
    end
  end
  group.waiting[handle], handle.wake = nil, nil
  if group.watcher == handle then
    group.watcher = nil
    local next_one = next(group.waiting)
    if next_one then next_one:wake() end
  end
  timeslice.set(SLICE, host.give_way)
end

return host
