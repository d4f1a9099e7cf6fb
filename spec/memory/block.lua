--- Runs in spec/memory/host.c: memory runs out inside of a block of once, and is there again afterwards. A later write
-- outside of the block is none of it: the next run of the block, which makes the same write, sends its own.

local flarelight = require "flarelight"
if rawget(_G, "jit") then require("jit").off() end -- see spec/memory/luajit.lua
local api = assert(flarelight.new { base_url = arg[1], api_key = arg[2], subscription_id = arg[3], state = arg[4] })
local function load() return api.imports:import { records = { { a = 1 } }, name = "rows" } end
assert(api:once("before", function() return 1 end))

for _, key in ipairs { "alone", "inside" } do
  local function run_out()
    memory.arm(true)
    return {}
  end
  local function block()
    local ran, raised = pcall(api.once, api, key, run_out)
    memory.disarm()
    assert(not ran and tostring(raised):find "not enough memory", raised)
    assert(load())
    return "stops"
  end
  if key == "alone" then block() else api:once("outer", function() return nil, block() end) end
  local _, meta = assert(api:once(key, load))
  assert(not meta.already, key .. ": the write of the block was not sent")
end
-- The write of the outer block is its own.
assert(api:once("outer", function() return select(2, load()).already == true end), "the outer block has not its write")
print(#assert(api.imports:all()), "imports")
return true
