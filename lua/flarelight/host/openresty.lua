--- The host of OpenResty, and of nginx with its Lua module.
--
-- nginx cannot poll the descriptor of another library. So the core listens on a unix socket in a private directory
-- (engine/wakeup.h). One light thread a worker reads wake-ups from it for all waiting calls (nginx_reader.lua).
-- Where that thread cannot run, each waiter has a connection of its own from nginx's pool: it sends its ticket, and
-- receives the ticket when its call has ended. A connection belongs to the handler that took it; between waits it is in
-- the pool. It uses one of the worker's `worker_connections`, and a descriptor at the other end of the socket, which
-- nginx does not count.

local core = require "flarelight.core"
local timeslice = require "flarelight.host.timeslice"
local pollable = require "flarelight.host.pollable"
local nginx_reader = require "flarelight.host.nginx_reader"

local ngx = require "ngx" -- luacheck: ignore

local SLICE = 0.002    -- seconds of work that never waits before other requests run
local KEPT = 60000     -- ms that an idle connection is kept
local POOL = 1024      -- idle connections at most
local FOREVER = 2 ^ 31 - 1 -- ms, the longest time-out

local host = { name = "openresty", raises_badly = true }

-- Phases in which a handler can wait. In the others nginx cannot suspend it.
local waits = {
  server_rewrite = true, rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_client_hello = true, ssl_session_fetch = true,
}

function host.is_running() return true end

function host.refuses()
  local phase = ngx.get_phase()
  if waits[phase] then return nil end
  if phase == "init" then
    return "no request can be sent in nginx's phase init, before the workers have started"
  end
  return ("a call cannot wait in nginx's phase %s; ngx.timer.at(0, function() … end) runs it in a phase where it can")
    :format(phase)
end

function host.report(message) ngx.log(ngx.ERR, message) end

function host.spawn(run) assert(ngx.thread.spawn(run)) end

function host.give_way()
  if not waits[ngx.get_phase()] then return end
  ngx.sleep(0.001) -- without a patch of nginx, 0 is slower and logs a line each time
  timeslice.set(SLICE, host.give_way)
end

-- Waits once for the handle. False and a message if there is no connection.
local function listen(path, handle)
  local ticket = handle.wakeup_ticket
  local socket = ngx.socket.tcp()
  socket:settimeouts(5000, 5000, FOREVER) -- an alarm ends the wait in time, since nginx would log its own time-out
  local ok, message = socket:connect("unix:" .. path, { pool_size = POOL })
  if not ok then return false, message end
  if not core.watch(ticket) or handle:is_over() then
    core.unwatch(ticket)
    socket:setkeepalive(KEPT, POOL)
    return true
  end
  local timeout, line = handle:timeout(), nil
  if timeout then core.alarm(timeout, ticket) end
  ok, message = socket:send(("%d\n"):format(ticket))
  if ok then line, message = socket:receive() end
  if line then
    socket:setkeepalive(KEPT, POOL)
    return true
  end
  socket:close() -- this ends the watch
  return false, message
end

local function wake(handle) core.wakeup_notify(handle.wakeup_ticket) end

-- Waits once for the handle over a connection of its own.
local function wait_alone(handle)
  local path, message = core.wakeup_path()
  local ok = path and true
  handle.wakeup_ticket = handle.ticket or handle.wakeup_ticket or core.ticket()
  handle.wake = wake
  if ok then ok, message = listen(path, handle) end
  if not ok then
    -- Without connections or descriptors the wait polls. It is slower, but loses nothing.
    ngx.log(ngx.WARN, "flarelight polls every 10 ms: ", message)
    ngx.sleep(0.01)
  end
  handle.wake = nil
end

function host.wait(handle)
  pollable.step()
  if not handle.ticket and not handle.task and handle.due and not handle.of_tasks then
    -- No item can end this wait, only time.
    ngx.sleep(math.max(0.001, handle:timeout()))
    return
  end
  if handle:is_over() then
    timeslice.at_once(handle, SLICE, host.give_way)
  else
    while not handle:is_over() do
      if not nginx_reader.wait(handle) then
        wait_alone(handle)
        pollable.step()
      end
    end
    timeslice.set(SLICE, host.give_way)
  end
end

return host
