--- Calls every function of flarelight.core, and every method of its userdata, with random arguments: values of all
-- types, numbers at the edges, userdata of other classes, closed userdata, and the functions that collect them. An
-- error is fine; the process must live. Run by spec/binding_spec.lua in a folder of its own:
--
--   lua random_calls.lua SEED CALLS URL API_KEY SUBSCRIPTION

local core = require "flarelight.core"
local names = require "support.names" -- sorted: the same calls on every run

local seed, calls, url, api_key, subscription = tonumber(arg[1]), tonumber(arg[2]), arg[3], arg[4], arg[5]
local unpack = table.unpack or unpack -- luacheck: ignore 143

-- The same numbers on every Lua.
local function random(most)
  seed = seed * 16807 % 2147483647
  return seed % most + 1
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local CSV = write("rows.csv", 'a,b\n1,x\n2,"y ""z"""\n3,\n')
local LINES = write("rows.jsonl", '{"a":1}\n{"b":[1,{"c":null}]}\n')

local function settings()
  return {
    base_url = url, subscription_id = subscription, user_agent = "spec", max_attempts = 1, events = true,
    rate_limit = 1000000,
  }
end

local client = core.client(settings())

-- --- userdata of every class, in all states ---

local objects = { io.stdout, core.null, coroutine.create(function() end) }
local methods = {} -- all functions found in metatables

local function keep(value)
  local kind = type(value)
  if kind == "userdata" or kind == "function" and random(10) == 1 then
    if #objects > 80 then table.remove(objects, random(#objects - 3) + 3) end
    objects[#objects + 1] = value
  end
  local metatable = kind == "userdata" and value ~= io.stdout and getmetatable(value)
  if not metatable or methods[metatable] then return end
  methods[metatable] = true
  local function add(list)
    for _, name in ipairs(names.texts(list)) do
      if type(list[name]) == "function" then methods[#methods + 1] = list[name] end
      if type(list[name]) == "table" and list[name] ~= list then add(list[name]) end
    end
  end
  add(metatable)
end

local function submit(what, given)
  given.api_key, given.operation = api_key, "imports.data"
  return client[what](client, given)
end

local makers = {
  function() return core.client(settings()) end,
  function() return submit("submit", { method = "GET", path = "/Import/All" }) end,
  function() return submit("pages", { path = "/Import/{id}/Data", id = 1, page_size = 3 }) end,
  function() return core.source(CSV) end,
  function() return core.source(LINES) end,
  function() return core.source(CSV):read(2, 1000) end,
  function() return core.open_source(CSV, { types = "auto" }, random(2) == 1) end,
  function() return core.source(CSV):fetch(2, 1000, false) end,
  function() return core.batch({ { a = 1 }, { b = 2 } }, 1, 5, 1000, true) end,
  function() return core.recording "recording-" end,
  function() return core.exporter "csv" end,
  function() return core.exporter("jsonl", { "a" }) end,
  function() return core.store "state.db" end,
  function() return core.store("state.db"):lock "name" end,
  function() return core.store("state.db"):run({ { "SELECT ?1 AS a", 5, n = 1 } }, random(2) == 1) end,
  function() return core.durable(CSV, false) end,
  function() return core.guard(core.ticket()) end,
  function() return core.row_values { "n", "b" } end,
  function() return core.write_mark("state.db", random(2) == 1) end,
  function() return core.cache_store "state.db" end,
  function() return core.budget_store "state.db" end,
  function() return core.spool(CSV, "spool-", random(2) == 1 and ".gz" or nil) end,
}

local function take()
  core.wait(0.01)
  for _, _, value in core.take do keep(value) end
end

-- Replies and pages come from the server: they are waited for, or the calls would be over before.
local function make_reply()
  submit("submit", { method = "GET", path = "/Import/All" })
  submit("pages", { path = "/Import/{id}/Data", id = 1, page_size = 3 })
  for _ = 1, 3 do take() end
end

local function make_one()
  if random(6) == 1 then make_reply() end
  local made = { pcall(makers[random(#makers)]) } -- fails where a call has replaced a file
  for i = 2, 4 do keep(made[i]) end
  if random(3) == 1 then take() end
end

-- --- arguments ---

local NUMBERS = {
  0, 1, -1, 2, 3, 5, 64, 0.5, -0.5, 1e9, 2 ^ 31 - 1, 2 ^ 31, -2 ^ 31, 2 ^ 32, 2 ^ 53, 2 ^ 53 + 2, -2 ^ 53, 2 ^ 63, -2 ^ 63,
  1e300, -1e300, 1 / 0, -1 / 0, 0 / 0, math.maxinteger or 7, math.mininteger or 8,
}
local STRINGS = {
  "", "a", "b", "n", ("x"):rep(17), ("y"):rep(3000), "\0", "a\0b", "csv", "jsonl", "text", "auto", "number", "GET",
  "/Import/{id}/Data", '{"a":1}', "[1,[2,{}]]", "\255\254", "SELECT ?1 AS a", "state.db", "out.csv", CSV, LINES, url,
  api_key, subscription, "device", "nowhere/", "..", "5", -- no path outside of the folder: root could write there
}
local KEYS = {
  "n", "changes", "a", "b", "method", "path", "id", "query", "body", "has_body", "write", "start", "page_size", "limit",
  "prefetch", "deadline", "types", "format", "max_concurrency", "max_response_bytes", "rate_limit", "read_timeout",
  "base_url", "subscription_id", "user_agent", "api_key", "operation", "repeatable", "expects_id", "expects_rows",
}

local value

local function table_of(depth)
  local made = random(8) == 1 and settings() or {}
  for i = 1, random(4) - 1 do made[i] = value(depth + 1) end
  for _ = 1, random(5) - 1 do made[KEYS[random(#KEYS)]] = value(depth + 1) end
  if random(30) == 1 then made.a = made end
  local metatables = { core.array_metatable, core.integer_metatable, core.error_metatable, {} }
  if random(6) == 1 then setmetatable(made, metatables[random(4)]) end
  return made
end

function value(depth)
  local kind = random(12)
  if kind == 1 then return nil end
  if kind == 2 then return random(2) == 1 end
  if kind <= 5 then return NUMBERS[random(#NUMBERS)] end
  if kind <= 7 then return STRINGS[random(#STRINGS)] end
  if kind <= 9 and depth < 3 then return table_of(depth) end
  if kind == 10 then return methods[random(#methods)] end
  return objects[random(#objects)]
end

local functions = {}
for _, name in ipairs(names.texts(core)) do
  if type(core[name]) == "function" then functions[#functions + 1] = name end
end

for _ = 1, 40 do make_one() end
keep(client)

local failed = 0
for call = 1, calls do
  local what = random(10)
  local chosen, name
  local arguments, count = {}, random(6) - 1
  for i = 1, count do arguments[i] = value(0) end
  if what <= 3 then
    name = functions[random(#functions)]
    chosen = core[name]
    if name == "wait" then arguments, count = { random(2) == 1 and 0 or "x" }, 1 end
    if name == "fate" then arguments[2] = false end -- does not wait for ever, for a call that there never was
  elseif what <= 5 then
    chosen = methods[random(#methods)]
  else -- a method of the object itself, so that arguments after it are looked at
    local object = objects[random(#objects - 3) + 3]
    local metatable = type(object) == "userdata" and getmetatable(object)
    local own = {}
    if metatable then
      for _, method in ipairs(names.texts(metatable.__index or {})) do
        if method ~= "close" or random(5) == 1 then own[#own + 1] = metatable.__index[method] end
      end
      arguments[1], count = object, math.max(count, 1)
    end
    chosen = #own > 0 and own[random(#own)] or (type(object) == "function" and object or methods[random(#methods)])
  end
  local results = { pcall(chosen, unpack(arguments, 1, count)) }
  if not results[1] then failed = failed + 1 end
  for i = 2, 6 do keep(results[i]) end
  if call % 10 == 0 then make_one() end
  if call % 50 == 0 then take() end
  if call % 200 == 0 then collectgarbage() end
end
io.stderr:write(("%d calls, %d raised\n"):format(calls, failed))
