--- reloads.lua N: reloads an nginx N times while requests that make API calls keep coming, and looks for
-- what must not stay or happen: workers, threads, descriptors, socket files, failed requests, complaints in
-- the log. Prints what it found; exit status 0 if it is all well. Run by hosts/nginx_spec.lua and
-- `make reloads`.

local nginx = require "hosts.nginx"
local sandbox = require "hosts.sandbox"

local shell = nginx.shell
local reloads = {}

local function count(pattern) return tonumber((shell(pattern .. " 2>/dev/null | wc -l"))) end
local function directories() return count "ls -d /tmp/flarelight-*" end

local function descriptors(pid)
  local found = {}
  -- Connections of requests come and go; what stays is the rest.
  for name in shell(("ls -l /proc/%d/fd 2>/dev/null"):format(pid)):gmatch "%-> ([^\n]+)" do
    found[#found + 1] = name
  end
  return #found
end

--- Reloads `times` times under load. A list of what is wrong, and what was seen.
function reloads.run(times)
  local wrong = {}
  local function expect(what, expected, found)
    if expected ~= found then
      wrong[#wrong + 1] = ("%s: expected %s, found %s"):format(what, tostring(expected), tostring(found))
    end
  end
  local before = directories()
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
  local master_descriptors = descriptors(master)
  local load_log = server.prefix .. "/load"
  -- New connections each time: nginx may close kept ones at a reload, which is no failed request.
  shell(("wrk -t1 -c8 -d%ds -H 'Connection: close' --timeout 30s %s/call >%s 2>&1 & echo $! >%s.pid")
    :format(36000, server.url, load_log, load_log))
  local wrk = tonumber(shell("cat " .. load_log .. ".pid"))
  local last = server.workers()[1]
  for i = 1, times do
    server.signal "reload"
    local tries, workers = 0, {}
    while (#workers ~= 1 or workers[1] == last) and tries <= 1000 do
      shell "sleep 0.01"
      workers = server.workers()
      tries = tries + 1
    end
    if tries > 1000 then
      wrong[#wrong + 1] = ("reload %d: the old worker is still there"):format(i)
      break
    end
    last = workers[1]
  end
  shell(("kill -INT %d; for i in $(seq 400); do kill -0 %d 2>/dev/null || break; sleep 0.05; done"):format(wrk, wrk))
  local report = shell("cat " .. load_log)
  local requests = tonumber(report:match "(%d+) requests in") or 0
  if requests < times then wrong[#wrong + 1] = "too few requests: " .. report end
  if report:find "Socket errors" or report:find "Non%-2xx" then wrong[#wrong + 1] = report end

  shell "sleep 0.3"
  server.get "/call"
  local worker = server.workers()[1]
  expect("workers", 1, #server.workers())
  -- nginx's own, the engine's and the bell's.
  expect("threads of the worker", 3, count(("ls /proc/%d/task"):format(worker)))
  expect("descriptors of the master", master_descriptors, descriptors(master))
  expect("directories while it runs", before + 1, directories())
  for line in server.log():gmatch "[^\n]+" do
    if line:find "%[error%]" or line:find "%[alert%]" or line:find "%[crit%]" or line:find "%[emerg%]"
      or line:find "exited on signal" then
      wrong[#wrong + 1] = line
      if #wrong > 20 then break end
    end
  end
  server.stop()
  expect("directories after the end", before, directories())
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
