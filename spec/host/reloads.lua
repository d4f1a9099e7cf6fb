--- reloads.lua N: reloads an nginx N times while requests that make API calls keep coming. No old worker, thread,
-- descriptor or socket file may stay, no request may fail, and the log may have no complaint. Prints the findings; exit
-- status 0 if there are none. Run by host/openresty_spec.lua and `make reloads`.

local nginx = require "host.nginx"
local sandbox = require "host.sandbox"

local shell = nginx.shell
local reloads = {}

local function count(pattern) return tonumber((shell(pattern .. " 2>/dev/null | wc -l"))) end
local function directories(server) return select(2, server.directories():gsub("[^\n]+", "")) end

-- The descriptors of a process: the number of sockets, and the names of the others, one a line.
local function descriptors(pid)
  local others, sockets = {}, 0
  for name in shell(("ls -l /proc/%d/fd 2>/dev/null"):format(pid)):gmatch "%-> ([^\n]+)" do
    if name:find "^socket:" then sockets = sockets + 1
    else others[#others + 1] = name:gsub("%d+", "N"):gsub("flarelight%-%w+", "flarelight-N") end
  end
  table.sort(others)
  return sockets, table.concat(others, "\n")
end

-- Waits until `fn` returns true, for a minute at most. Connections of requests end a moment after the requests.
local function eventually(fn)
  local ends = os.time() + 60
  repeat
    if fn() then return true end
    shell "sleep 0.05"
  until os.time() > ends
  return false
end

-- The descriptors of a process when they have stopped changing.
local function settled(pid)
  local sockets, others, same = nil, nil, 0
  eventually(function()
    local now, names = descriptors(pid)
    same = now == sockets and names == others and same + 1 or 0
    sockets, others = now, names
    return same == 5
  end)
  return sockets, others
end

-- The load is LOAD requests at once. Each call uses a connection to the service and both ends of a connection to the
-- wake-up socket; a worker keeps them for later calls.
local LOAD = 8
local KEPT = 3 * LOAD

--- Reloads `times` times under load. Returns a list of faults, and a text about what was seen.
function reloads.run(times)
  local wrong = {}
  local function expect(what, expected, found)
    if expected ~= found then
      wrong[#wrong + 1] = ("%s: expected %s, found %s"):format(what, tostring(expected), tostring(found))
    end
  end
  local box, environment = sandbox.start()
  local server = nginx.start { environment = environment, level = "notice", config = [[
    init_by_lua_block { require "flarelight" }
    server {
      listen 127.0.0.1:PORT backlog=4096;
      location = /call { content_by_lua_block {
        api = api or assert(require("flarelight").new())
        local data, message = api.imports:data(1, { count = 2 })
        if not data then ngx.log(ngx.ERR, message) return ngx.exit(500) end
        ngx.say(#data)
      } }
    }]] }
  local body, status = server.get "/call"
  expect("the first request", "2\n 200", ("%s %s"):format(body, status))
  local master = server.master()
  local master_sockets, master_others = settled(master)
  local fresh_sockets, fresh_others = settled(server.workers()[1])
  local load_log = server.prefix .. "/load"
  -- A connection for each request: nginx may close kept connections at a reload, which is no failure.
  shell(("wrk -t1 -c%d -d%ds -H 'Connection: close' --timeout 30s %s/call >%s 2>&1 & echo $! >%s.pid")
    :format(LOAD, 36000, server.url, load_log, load_log))
  local wrk = tonumber(shell("cat " .. load_log .. ".pid"))
  local last = server.workers()[1]
  local function reload(what)
    server.signal "reload"
    local workers
    local gone = eventually(function()
      workers = server.workers()
      return #workers == 1 and workers[1] ~= last
    end)
    if not gone then wrong[#wrong + 1] = what .. ": the old worker is still there" end
    last = workers[1]
    return gone
  end
  for i = 1, times do
    if not reload("reload " .. i) then break end
  end
  shell(("kill -INT %d; for i in $(seq 1000); do kill -0 %d 2>/dev/null || break; sleep 0.05; done"):format(wrk, wrk))
  local report = shell("cat " .. load_log)
  local requests = tonumber(report:match "(%d+) requests in") or 0
  if requests < times then wrong[#wrong + 1] = "too few requests: " .. report end
  if report:find "Socket errors" or report:find "Non%-2xx" then wrong[#wrong + 1] = report end

  server.get "/call"
  expect("workers", 1, #server.workers())
  -- The threads are those of nginx, of the engine and of the wake-up socket.
  expect("threads of the worker", 3, count(("ls /proc/%d/task"):format(last)))
  local sockets, others = settled(last)
  expect("descriptors but sockets of the worker after the load", fresh_others, others)
  if sockets > fresh_sockets + KEPT then expect("sockets of the worker after the load", fresh_sockets + KEPT, sockets) end
  expect("directories while it runs", 1, directories(server))
  -- The next worker has as many descriptors as the first: it would inherit any that the master had kept.
  reload "the last reload"
  expect("a request after the load", 200, select(2, server.get "/call"))
  sockets, others = settled(last)
  expect("sockets of the last worker", fresh_sockets, sockets)
  expect("its other descriptors", fresh_others, others)
  sockets, others = settled(master)
  expect("sockets of the master", master_sockets, sockets)
  expect("its other descriptors", master_others, others)
  expect("directories of the last worker", 1, directories(server))
  for line in server.log():gmatch "[^\n]+" do
    if line:find "%[error%]" or line:find "%[alert%]" or line:find "%[crit%]" or line:find "%[emerg%]"
      or line:find "exited on signal" then
      wrong[#wrong + 1] = line
      if #wrong > 20 then break end
    end
  end
  server.quit()
  expect("directories after the end", 0, directories(server))
  server.stop()
  expect("processes after the end", "", shell(("ps -o pid= -g %d"):format(master)))
  box:stop()
  return wrong, ("%d reloads, %d requests, %d wrong"):format(times, requests, #wrong)
end

if arg and arg[0] and arg[0]:find "reloads%.lua$" then
  local wrong, seen = reloads.run(tonumber(arg[1]) or 1000)
  for _, each in ipairs(wrong) do print(each) end
  print(seen)
  os.exit(#wrong == 0 and 0 or 1, true)
end

return reloads
