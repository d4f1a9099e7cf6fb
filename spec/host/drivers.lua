--- drivers.lua HOST: runs the behaviours in a host that needs only an interpreter of Lua: script, frame, cqueues,
-- copas or luv. The environment names the sandbox.

local behaviours = require "host.behaviours"
local flarelight = require "flarelight"

local drivers = {}

function drivers.script()
  return behaviours.run({ name = "script", blocks = true, start_ticks = function() return function() end end }, print)
end

function drivers.frame()
  local loop = assert(flarelight.new { host = "frame" })
  local ticks, good = {}, nil
  local task = loop:spawn(function()
    good = behaviours.run({ name = "frame", start_ticks = function(tick)
      ticks[tick] = true
      return function() ticks[tick] = nil end
    end }, print)
  end)
  while not task:done() do
    loop:update(0.001)
    for tick in pairs(ticks) do tick() end
  end
  task:result()
  loop:close()
  return good
end

function drivers.cqueues()
  local cqueues = require "cqueues"
  local loop, good = cqueues.new(), nil
  loop:wrap(function()
    good = behaviours.run({ name = "cqueues", start_ticks = function(tick)
      local stopped
      cqueues.running():wrap(function()
        while not stopped do
          tick()
          cqueues.sleep(0.001)
        end
      end)
      return function() stopped = true end
    end }, print)
  end)
  assert(loop:loop())
  return good
end

function drivers.copas()
  local copas = require "copas"
  local good
  local socket = require "socket"
  local server = assert(socket.bind("127.0.0.1", 0))
  local address, port = server:getsockname()
  copas.autoclose = false
  copas.addthread(function()
    good = behaviours.run({ name = "copas", start_ticks = function(tick)
      -- Two sockets of luasocket send a byte to and fro, as the other work of a copas server. Each call has its own
      -- two, since the thread of the call before may still wait for its byte.
      local one = assert(socket.connect(address, port))
      local other = server:accept()
      one:settimeout(0)
      other:settimeout(0)
      local stopped
      copas.addthread(function()
        while not stopped do
          tick()
          copas.send(one, "x")
          copas.receive(other, 1)
        end
        one:close()
        other:close()
      end)
      return function() stopped = true end
    end }, print)
  end)
  repeat copas.step(1) until good ~= nil
  return good
end

function drivers.luv()
  local luv = require "luv"
  local good
  coroutine.wrap(function()
    good = behaviours.run({ name = "luv", start_ticks = function(tick)
      local timer = luv.new_timer()
      timer:start(0, 1, tick)
      return function() timer:close() end
    end }, print)
  end)()
  luv.run() -- returns when no handle is active
  return good
end

local good = assert(drivers[arg[1]], arg[1])()
io.stdout:flush()
os.exit(good and 0 or 1, true)
