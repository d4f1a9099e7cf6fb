--- Calls every function of flarelight.sandbox_core and flarelight.archive_core, and every function found in their
-- metatables, with random arguments: values of all types, userdata of other classes, stopped and collected sandboxes.
-- An error is fine; the process must live. Run by spec/binding_spec.lua in a folder of its own:
--
--   lua random_modules.lua SEED CALLS

local core = require "flarelight.core"
local names = require "support.names" -- sorted: the same calls on every run
local sandbox_core = require "flarelight.sandbox_core"
local has_archive, archive_core = pcall(require, "flarelight.archive_core")

local seed, calls = tonumber(arg[1]), tonumber(arg[2])
local unpack = table.unpack or unpack -- luacheck: ignore 143

-- The same numbers on every Lua.
local function random(most)
  seed = seed * 16807 % 2147483647
  return seed % most + 1
end

local sandboxes, functions = {}, {}
local objects = { io.stdout, core.null, sandbox_core.null, coroutine.create(function() end), core.exporter "csv",
                  core.store "state.db" }

local function add_functions(list)
  for _, name in ipairs(names.texts(list)) do
    if type(list[name]) == "function" then functions[#functions + 1] = list[name] end
    if type(list[name]) == "table" and list[name] ~= list then add_functions(list[name]) end
  end
end
add_functions(sandbox_core)
if has_archive then
  add_functions(archive_core)
  objects[#objects + 1] = archive_core.functions
  add_functions(getmetatable(archive_core.functions) or {})
end

while #objects < 10 do objects[#objects + 1] = core.null end

-- --- arguments ---

local NUMBERS = {
  0, 1, -1, 2, 3, 64, 0.5, -0.5, 1e9, 2 ^ 31 - 1, 2 ^ 31, -2 ^ 31, 2 ^ 32, 2 ^ 53, -2 ^ 53, 2 ^ 63, -2 ^ 63, 1e300, -1e300,
  1 / 0, -1 / 0, 0 / 0, 65535, 65536,
}
local STRINGS = {
  "", "a", "1", ("x"):rep(17), ("y"):rep(3000), "\0", "a\0b", "bare", "number", "hang", "503", "*", "imports.all",
  '{"a":1}', '[1,[2,{"b":null}]]', '"\\ud800"', "[1e999", "\255\254", ("["):rep(2000), "127.0.0.1", ":memory:", "SELECT 1",
  "SQLite format 3\0" .. ("\0"):rep(84),
}
local OPTIONS, FAULTS = names.texts(sandbox_core.options), names.texts(sandbox_core.faults)
local MEMBERS = {
  "kind", "operation", "times", "every", "after", "seconds", "status", "records", "keys", "preparations", "reports",
  "automations", "features", "id", "name", "sql", "steps", "series", "labels", "allow", "key", "rejects", "value",
}

-- Options that start a sandbox, as Lua's side gives them.
local function good_options()
  local made = { keys = { { key = "k", allow = {} } }, features = {} }
  for name, rule in pairs(sandbox_core.options) do made[name] = rule.default end
  return made
end

local value

local function table_of(depth)
  local kind = random(6)
  local made = kind == 1 and good_options() or kind == 2 and { kind = FAULTS[random(#FAULTS)], operation = "*" } or {}
  for i = 1, random(4) - 1 do made[i] = value(depth + 1) end
  local members = random(3) == 1 and OPTIONS or MEMBERS
  for _ = 1, random(4) - 1 do made[members[random(#members)]] = value(depth + 1) end
  -- No memory for logs and bodies beyond that of this machine, and no address that others reach.
  made.address, made.port, made.database = made.address and "127.0.0.1", nil, nil
  if random(6) == 1 then setmetatable(made, ({ core.array_metatable, {}, core.error_metatable })[random(3)]) end
  return made
end

function value(depth)
  local kind = random(12)
  if kind == 1 then return nil end
  if kind == 2 then return random(2) == 1 end
  if kind <= 4 then return NUMBERS[random(#NUMBERS)] end
  if kind <= 6 then return STRINGS[random(#STRINGS)] end
  if kind <= 9 and depth < 3 then return table_of(depth) end
  if kind == 10 then return functions[random(#functions)] end
  if kind == 11 and #sandboxes > 0 then return sandboxes[random(#sandboxes)] end
  return objects[random(#objects)]
end

-- --- sandboxes ---

local known = {}

local function keep(made)
  local metatable = type(made) == "userdata" and getmetatable(made)
  if not metatable or type(metatable.__index) ~= "table" or not metatable.__index.snapshot then return end
  if not known[metatable] then
    known[metatable] = true
    add_functions(metatable)
  end
  if #sandboxes >= 4 then
    local old = table.remove(sandboxes, 1)
    pcall(metatable.__index.stop, old)
    if random(2) == 1 then pcall(metatable.__gc, old) end
    objects[7 + random(3)] = old -- stopped or collected, and used all the same
  end
  sandboxes[#sandboxes + 1] = made
end

keep(sandbox_core.start(good_options()))
assert(#sandboxes == 1, "the options start no sandbox")

local failed = 0
for call = 1, calls do
  local arguments, count = {}, random(5) - 1
  for i = 1, count do arguments[i] = value(0) end
  local chosen = functions[random(#functions)]
  if random(3) > 1 then -- a method of a sandbox, so that arguments after it are looked at
    arguments[1], count = sandboxes[random(#sandboxes)], math.max(count, 1)
  end
  -- Starts take long, and ends leave nothing to call.
  local slow = chosen == sandbox_core.start or chosen == getmetatable(sandboxes[1]).__gc
    or chosen == getmetatable(sandboxes[1]).__index.stop
  if not slow or random(20) == 1 then
    local results = { pcall(chosen, unpack(arguments, 1, count)) }
    if not results[1] then failed = failed + 1 end
    keep(results[2])
  end
  if call % 2000 == 0 then keep(sandbox_core.start(good_options())) end
  if call % 200 == 0 then collectgarbage() end
end
io.stderr:write(("%d calls, %d raised\n"):format(calls, failed))
