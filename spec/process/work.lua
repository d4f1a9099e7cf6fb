-- work.lua HOW ID: the script of one Lua state of the program `embed`, which has several.

local flarelight = require "flarelight"
local api = assert(flarelight.new { ca_file = os.getenv "SPEC_CA_FILE" })
local id = arg[2]

local hows = {}

-- Makes calls whose results have to be right, whatever other states do.
function hows.correctly()
  for _ = 1, 10 do
    local data = assert(api.imports:data(id, { count = 7 }))
    assert(#data == 7)
    local n = 0
    for row, position in api.imports:rows(id, { page_size = 20, limit = 60 }) do
      assert(row.n == position)
      n = n + 1
    end
    assert(n == 60)
  end
end

-- The state is closed with a hundred calls under way.
function hows.abruptly()
  for i = 1, 100 do
    api:spawn(function()
      if i % 3 == 0 then api.imports:rows(id, { page_size = 5 }):next() else api.imports:data(id) end
    end)
  end
  api:update(1)
end

-- Makes calls until the process ends.
function hows.unto_the_end()
  while api.imports:data(id, { count = 7 }) do end -- luacheck: ignore
end

function hows.a_while()
  for _ = 1, 3 do assert(api.imports:all()) end
end

-- Makes a call at exit, when the engine has stopped for good.
function hows.at_exit()
  assert(api.imports:all())
  at_exit(function() -- luacheck: ignore
    local data, _, err = api.imports:all()
    assert(data == nil, "a call was made while the process ends")
    io.write(err.kind, "\n")
  end)
end

-- Lets every allocation of Lua fail once: nothing is lost, and later calls succeed.
function hows.without_memory()
  -- LuaJIT itself crashes when memory runs out in code that it has compiled.
  if rawget(_G, "jit") then require("jit").off() end
  local json = flarelight.json
  local function work()
    local other = assert(flarelight.new { on_event = function() end })
    local data = assert(other.imports:data(id, { count = 3 }))
    assert(#json.decode(json.encode(data)) == 3)
    local rows = other.imports:rows(id, { page_size = 2, limit = 5 })
    assert(rows:next())
    assert(#rows:batch(2) == 2)
    assert(rows:columns(5))
    rows:close()
    assert(other.imports:import { records = data, name = "memory" })
    local _, _, err = other.imports:data(999999)
    assert(err.kind == "not_found")
    other:quota()
    other:stats()
    other:close()
  end
  work()
  local n, failed = 1 -- luacheck: ignore
  repeat
    fail_memory(n) -- luacheck: ignore
    local good = pcall(work)
    failed = fail_memory(0) -- luacheck: ignore
    assert(good or failed, "it failed without a reason")
    collectgarbage()
    work()
    n = n + tonumber(os.getenv "SPEC_STEP" or 7)
  until not failed
end

-- The same while a file is read.
function hows.line_by_line()
  if rawget(_G, "jit") then require("jit").off() end
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write "n,text\n"
  for n = 1, 200 do file:write(n, ",some text ", n, "\n") end
  file:close()
  for most = 1, 200, 3 do
    local rows, expected, short = flarelight.csv.rows(path, { format = "csv" }), 1, true
    while true do
      if short then fail_memory(most) end -- luacheck: ignore
      local good, row, line, err = pcall(rows.next, rows)
      fail_memory(0) -- luacheck: ignore
      short = good and not short
      if good and not row then
        assert(not err, err)
        break
      elseif good then
        assert(row.n == expected and line == expected + 1, ("row %d comes where %d should"):format(row.n, expected))
        expected = expected + 1
      end
    end
    assert(expected == 201, "rows are lost")
  end
  os.remove(path)
end

-- Lets memory run out now and then while a stream is read: each row comes once.
function hows.row_by_row()
  if rawget(_G, "jit") then require("jit").off() end
  for most = 1, 30 do
    local rows, expected, short = api.imports:rows(id, { page_size = 7, limit = 40 }), 0, true
    while true do
      if short then fail_memory(most) end -- luacheck: ignore
      local good, row, position, err = pcall(rows.next, rows)
      fail_memory(0) -- luacheck: ignore
      short = good
      if good and not row then
        assert(not err, err)
        break
      elseif good then
        assert(position == expected and row.n == position, "a row is lost")
        expected = expected + 1
      end
    end
    assert(expected == 40, "rows are lost")
  end
end

hows[arg[1]]()
