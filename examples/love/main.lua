-- A file becomes an import while the picture moves on at 60 frames a second:
--   love examples/love [FILE.csv]
-- On the sandbox, or against the service that the environment names (FLARELIGHT_API_KEY, …). Where
-- flarelight is not installed: eval "$(make -s env LUA=luajit)" first.

local flarelight = require "flarelight"

local root = love.filesystem.getSource():gsub("[^/]+/?$", "") .. ".."
local file = arg[#arg] and arg[#arg]:match "%.csv$" and arg[#arg] or root .. "/examples/data/birdstrikes.csv"

local api, sandbox, task
local state = { title = "Uploading", done = 0, text = "", rows = {}, angle = 0, longest = 0, frames = 0 }

local function upload()
  local result, message = api.imports:upload {
    file = file, name = "live", batch_records = 500,
    on_progress = function(p)
      state.done = p.bytes / p.total_bytes
      state.text = ("%d records, %.1f s, about %.1f s to go"):format(p.records, p.elapsed, p.eta or 0)
    end,
  }
  if not result then
    state.title, state.text = "It failed", message
    return
  end
  state.title, state.done = "Reading it back", 0
  local rows, n = api.imports:rows(result.id, { page_size = 1000 }), 0
  while true do
    local row, position, err = rows:next()
    if err then
      state.title, state.text = "It failed", position
      return
    end
    if not row then break end
    n = n + 1
    state.done, state.text = n / result.records, ("%d of %d rows"):format(n, result.records)
    local line = ("%s  %s"):format(tostring(row["Flight Date"] or n), tostring(row["Wildlife Species"] or ""))
    table.insert(state.rows, 1, line)
    state.rows[9] = nil
  end
  state.title = "Done"
end

function love.load()
  local options = { host = "frame" } -- a call outside of a task is an error, and never holds a frame
  if not (os.getenv "FLARELIGHT_API_KEY" or os.getenv "FLARELIGHT_API_KEY_FILE") then
    sandbox = assert(flarelight.sandbox.start())
    -- So that there is something to watch: each batch takes a while.
    sandbox:fault { operation = "imports.import", kind = "latency", seconds = 0.15, times = math.huge }
    options.api_key, options.subscription_id, options.base_url = sandbox.api_key, sandbox.subscription_id, sandbox.url
  end
  api = assert(flarelight.new(options))
  task = api:spawn(upload)
end

function love.update(dt)
  local begun = love.timer.getTime()
  api:update(0.001)
  state.longest = math.max(state.longest, love.timer.getTime() - begun)
  state.angle, state.frames = state.angle + dt * 3, state.frames + 1
  if task and task:done() then
    task:result() -- raises what the upload raised
    task = nil
  end
end

function love.draw()
  local g = love.graphics
  g.clear(0.09, 0.10, 0.13)
  g.setColor(1, 1, 1)
  g.print(state.title, 40, 34, 0, 2, 2)
  g.setColor(0.20, 0.22, 0.28)
  g.rectangle("fill", 40, 90, 680, 26, 6, 6)
  g.setColor(0.98, 0.62, 0.20)
  if state.done > 0 then g.rectangle("fill", 40, 90, math.max(12, 680 * math.min(1, state.done)), 26, 6, 6) end
  g.setColor(0.80, 0.83, 0.90)
  g.print(state.text, 40, 128)
  for i, line in ipairs(state.rows) do
    g.setColor(0.80, 0.83, 0.90, 1 - i * 0.1)
    g.print(line, 40, 160 + i * 22)
  end
  g.setColor(0.98, 0.62, 0.20)
  g.arc("line", "open", 690, 50, 18, state.angle, state.angle + 4.5)
  g.setColor(0.50, 0.54, 0.62)
  g.print(("%d frames a second; api:update held a frame for at most %.2f ms"):format(love.timer.getFPS(),
    state.longest * 1000), 40, 388)
end

function love.quit()
  if api then api:close() end
  if sandbox then sandbox:stop() end
end
