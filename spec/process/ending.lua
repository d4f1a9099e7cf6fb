-- ending.lua ENDING NUMBER ID: starts calls of every kind and a stream of rows, then ends the process in the way named,
-- with status 7 where the way allows one. NUMBER varies how far the calls are by then.

local flarelight = require "flarelight"

local ending, number, id = arg[1], tonumber(arg[2]), arg[3]
local api = assert(flarelight.new { ca_file = os.getenv "SPEC_CA_FILE", max_concurrency = 6 })

local records = {}
for i = 1, 300 do records[i] = { n = i, text = ("x"):rep(200) } end

local kinds = {
  function() return api.imports:all() end,
  function() return api.imports:data(id, { count = 500 }) end,
  function() return api.imports:import { records = records, name = "ending" } end,
  function() return api.automations:execute(1) end,
  function() return api.preparations:execute(1, {}) end,
  function() return api.reports:generate(1) end,
  function() return api.reports:chart_data {} end,
  function()
    local rows = api.imports:rows(id, { page_size = 100 })
    local row, message, err
    repeat row, message, err = rows:next() until not row
    return row, message, err
  end,
}
for _, call in ipairs(kinds) do
  api:spawn(function()
    local _, err
    repeat _, _, err = call() until err and err.kind == "closed"
  end)
end
-- Two streams: the reader of the first has stopped reading, the second is collected.
api:spawn(function() api.imports:rows(id, { page_size = 10 }):next() end)
api:spawn(function()
  local rows = api.imports:rows(id, { page_size = 10 })
  rows:next()
  rows:close()
end)

local until_when = os.clock() + number % 12 * 0.003
repeat api:update(0.001) until os.clock() >= until_when

local endings = {
  exit = function() os.exit(7) end,
  exit_and_close = function() os.exit(7, true) end,
  raise = function() error("the end", 0) end,
  fall_off = function() end,
  close_twice = function()
    api:close()
    api:close()
    os.exit(7)
  end,
  -- Each waiter gets an outcome.
  close = function()
    local kinds_seen = {}
    local task = api:spawn(function()
      for _ = 1, 2 do
        local _, _, err = api.imports:data(id, { count = 1 })
        kinds_seen[#kinds_seen + 1] = err and err.kind
      end
    end)
    api:update(0)
    api:close()
    task:result()
    os.exit(kinds_seen[#kinds_seen] == "closed" and 7 or 1, true)
  end,
  collect = function()
    kinds, api = nil, nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    os.exit(7)
  end,
}
endings[ending]()
