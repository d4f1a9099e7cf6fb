-- The behaviours in LÖVE's own loop, once a frame.

local behaviours = require "host.behaviours"
local flarelight = require "flarelight"

local ticks, good = {}, nil
local loop = assert(flarelight.new { host = "frame" })
local task

function love.load()
  task = loop:spawn(function()
    good = behaviours.run({ name = "frame", start_ticks = function(tick)
      ticks[tick] = true
      return function() ticks[tick] = nil end
    end }, print)
  end)
end

function love.update()
  loop:update(0.001)
  for tick in pairs(ticks) do tick() end
  if not task:done() then return end
  task:result()
  print(good and "love: frames drawn while it ran" or "love: failed")
  love.event.quit(good and 0 or 1)
end
