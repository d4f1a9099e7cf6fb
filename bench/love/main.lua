-- Reads rows with api:update(0.001) once a frame, at 60 frames a second, and tells how long each frame was
-- held by it. love bench/love COUNT; the environment names the service, BENCH_RESULTS the file of results.

local flarelight = require "flarelight"

local count = tonumber(arg[#arg]) or 1000000
local api = assert(flarelight.new { host = "frame" })
local held, seen, sum, next_frame = {}, 0, 0, nil

local task = api:spawn(function()
  local rows = api.imports:rows(count)
  while true do
    local row, position, err = rows:next()
    if not row then
      assert(not err, position)
      return
    end
    seen, sum = seen + 1, sum + row.quantity
  end
end)

local function finish()
  table.sort(held)
  local within, above = 0, {}
  for _, seconds in ipairs(held) do
    if seconds <= 0.002 then within = within + 1 else above[#above + 1] = ("%.2f"):format(seconds * 1000) end
  end
  local share = within / #held * 100
  local good = share >= 99.9 and seen == count
  print(("%d rows in %d frames; held by api:update, ms: median %.3f, p99 %.3f, longest %.3f; above 2 ms: %s"):format(
    seen, #held, held[math.ceil(#held / 2)] * 1000, held[math.ceil(#held * 0.99)] * 1000, held[#held] * 1000,
    table.concat(above, " ")))
  local cells = { "bar", "love", "1", ("frames held at most 2 ms by api:update(0.001), %% of %d"):format(#held),
    ("%.2f"):format(share), ">= 99.9", good and "ok" or "MISSED" }
  print(table.concat(cells, "  "))
  local results = assert(io.open(assert(os.getenv "BENCH_RESULTS"), "w"))
  results:write(table.concat(cells, "\t"), "\n")
  results:close()
  api:close()
  love.event.quit(good and 0 or 1)
end

function love.update()
  if not task then return end
  local begun = love.timer.getTime()
  api:update(0.001)
  held[#held + 1] = love.timer.getTime() - begun
  if not task:done() then return end
  task:result()
  task = nil
  finish()
end

function love.draw()
  love.graphics.print(("%d rows"):format(seen), 20, 20)
  love.graphics.rectangle("fill", 20, 60, 760 * seen / count, 20)
  local now = love.timer.getTime()
  next_frame = math.max(now, (next_frame or now) + 1 / 60)
  love.timer.sleep(next_frame - now)
end
