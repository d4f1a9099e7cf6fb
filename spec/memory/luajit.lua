--- Shows that LuaJIT itself crashes where its memory runs out while compiled code runs. Loads no flarelight. The n-th
-- allocation fails, once:
--
--   for n in $(seq 1 20 900); do build/luajit/memory/host spec/memory/luajit.lua $n $n 1 0 lua [off]; echo "$n: $?"; done
--
-- With `off` the compiler is off, and no run crashes. So spec/memory/script.lua runs without the compiler.

if arg[1] == "off" then require("jit").off() end

local function work()
  local function row(i) return { n = i, name = "name" .. i, flag = i % 2 == 0, value = i * 1.5 } end
  local t = {}
  for i = 1, 300 do t[i] = row(i) end
  local keys = {}
  for i = 1, 300 do local r = t[i]; keys[r.name] = r; keys[i * 1.5 + 0.25] = r.value end
  local s = {}
  for i = 1, 300 do s[#s + 1] = ("%d:%s"):format(i, t[i].name) end
  local joined = table.concat(s, ",")
  local n = 0
  for word in joined:gmatch "[^,]+" do n = n + #word; s[n] = nil end
  local co = coroutine.wrap(function() for i = 1, 200 do local r = row(i); coroutine.yield(r) end end)
  for _ = 1, 200 do local r = co(); n = n + r.n end
  local function each(list, f) for i = 1, #list do f(list[i], i) end end
  each(t, function(r, i) local c = function() return r.n + i end; n = n + c() end)
  for i = 1, 300 do local _, m = pcall(error, { i }); n = n + m[1] end
  for i = 1, 200 do local sub = joined:sub(i, i + 5); keys[sub] = i; n = n + (tonumber(sub:match "%d+") or 0) end
  return n, keys
end

memory.arm()
local ok = pcall(work)
local _, failed = memory.disarm()
if failed > 0 then assert(not ok and pcall(work), "it does not go on after the failure") end
return failed > 0
