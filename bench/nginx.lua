-- nginx.lua latency|requests: what calls cost the other requests of an nginx worker; what a location that makes one
-- call, or takes its reply from the cache, costs beside the same by hand; and what calls one after another take. Started by
-- bench/hosts; wrk is the load. Prints each side's median and the bar, and keeps them for bench/report.
--
-- The upstream is a second nginx: /Import/All at once, /Report/All after SLOW seconds.

local nginx = require "host.nginx"

local what = arg[1]
local ROUNDS = tonumber(os.getenv "BENCH_ROUNDS") or 5
local SECONDS = tonumber(os.getenv "BENCH_SECONDS") or 4
local SLOW, WAITING = 1, 200

local reply = [[{"data":[{"id":1,"name":"strikes","records":10},{"id":2,"name":"routes","records":20},{"id":3,"name":"birds","records":30}],"messages":[]}]]

local upstream = nginx.start { connections = 4096, config = ([[
  server {
    listen 127.0.0.1:PORT backlog=4096;
    default_type application/json;
    keepalive_requests 100000000;
    location = /Import/All { return 200 '%s'; }
    location = /Report/All { content_by_lua_block { ngx.sleep(%g) ngx.print '%s' } }
  }]]):format(reply, SLOW, reply) }

local server = nginx.start {
  connections = 4096,
  environment = "FLARELIGHT_API_KEY=key FLARELIGHT_SUBSCRIPTION_ID=00000000-0000-4000-8000-000000000001 "
    .. "FLARELIGHT_BASE_URL=" .. upstream.url,
  config = ([[
  lua_socket_pool_size 256;
  init_worker_by_lua_block {
    api = assert(require("flarelight").new { max_concurrency = 256 })
    keeping = assert(require("flarelight").new { max_concurrency = 256, cache = { ttl = 3600 } })
    local cjson = require "cjson"
    function by_hand()
      local socket = ngx.socket.tcp()
      socket:settimeout(10000)
      assert(socket:connect("127.0.0.1", %d))
      assert(socket:send("GET /Import/All HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: key\r\n"
        .. "X-Subscription-Id: 00000000-0000-4000-8000-000000000001\r\nAccept: application/json\r\n\r\n"))
      local status, length = tonumber(assert(socket:receive()):match "^HTTP/1.1 (%%d+)"), nil
      while true do
        local line = assert(socket:receive())
        if line == "" then break end
        local name, value = line:match "^([^:]+):%%s*(.*)$"
        if name:lower() == "content-length" then length = tonumber(value) end
      end
      local data = cjson.decode(assert(socket:receive(length))).data
      assert(status == 200)
      socket:setkeepalive(60000, 256)
      return data
    end
  }
  server {
    listen 127.0.0.1:PORT backlog=4096;
    keepalive_requests 100000000;
    location = /other { content_by_lua_block { ngx.print "other" } }
    location = /sleeps { content_by_lua_block { ngx.sleep(%g) ngx.print "slept" } }
    location = /waits { content_by_lua_block {
      ngx.print(#assert(api.reports:all()))
    } }
    location = /calls { content_by_lua_block {
      ngx.print(#assert(api.imports:all()))
    } }
    location = /cached { content_by_lua_block {
      ngx.print(#assert(keeping.imports:all()))
    } }
    location = /by_hand { content_by_lua_block {
      ngx.print(#by_hand())
    } }
    location = /sequence { content_by_lua_block {
      local now = require("flarelight.pollable").now
      local function time_of(call)
        for _ = 1, 50 do call() end
        local begun = now()
        for _ = 1, 1000 do call() end
        return (now() - begun) * 1000
      end
      local function one() return assert(api.imports:all()) end
      ngx.print(time_of(one), " ", time_of(by_hand))
    } }
  }]]):format(upstream.port, SLOW),
}

local function finish(code)
  server.stop()
  upstream.stop()
  os.exit(code, true)
end

local function must(found, message)
  if found then return found end
  io.stderr:write(message, "\n", server.log(), "\n")
  return finish(1)
end

must(server.get "/calls" == "3" and server.get "/cached" == "3" and server.get "/by_hand" == "3" and server.get "/waits" == "3", "the locations do not work")

local scale = { us = 0.001, ms = 1, s = 1000 }

local function measure(path, connections)
  local text = nginx.shell(("wrk -t1 -c%d -d%ds --latency %s%s"):format(connections, SECONDS, server.url, path))
  must(not text:find "Non%-2xx" and not text:find "Socket errors", text)
  local value, unit = text:match "99%%%s+([%d.]+)(%a+)"
  return tonumber(value) * scale[unit], tonumber(text:match "Requests/sec:%s+([%d.]+)")
end

-- The p99 of other requests while so many wait in `path`.
local function beside(path)
  nginx.shell(("wrk -t1 -c%d -d%ds --timeout 30s %s%s >/dev/null 2>&1 &"):format(WAITING, SECONDS + 3, server.url, path))
  nginx.shell "sleep 1.5"
  local p99, rate = measure("/other", 1)
  nginx.shell "sleep 3"
  return p99, rate
end

local function median(values)
  local sorted = { (unpack or table.unpack)(values) }
  table.sort(sorted)
  return sorted[math.floor(#sorted / 2) + 1]
end

local results = assert(io.open(("build/bench/results/nginx_%s.nginx"):format(what), "w"))
local function tell(kind, ...)
  print(table.concat({ ... }, "  "))
  results:write(table.concat({ kind, "nginx", tostring(ROUNDS), ... }, "\t"), "\n")
end

local missed = 0
if what == "latency" then
  local waits, sleeps, more, rates = {}, {}, {}, { waits = {}, sleeps = {} }
  for round = 1, ROUNDS do
    local order = round % 2 == 1 and { "waits", "sleeps" } or { "sleeps", "waits" }
    for _, side in ipairs(order) do
      local p99, rate = beside("/" .. side)
      local values = side == "waits" and waits or sleeps
      values[round] = p99
      rates[side][round] = rate
    end
    more[round] = waits[round] - sleeps[round]
    print(("round %d: p99 of other requests %.3f ms beside calls, %.3f ms beside ngx.sleep"):format(round,
      waits[round], sleeps[round]))
  end
  print(("medians: %.3f ms and %.3f ms; %.0f and %.0f other requests a second"):format(median(waits), median(sleeps),
    median(rates.waits), median(rates.sleeps)))
  local value = median(more)
  if value > 2 then missed = 1 end
  tell("bar", "p99 of other requests, 200 calls waiting - 200 in ngx.sleep, ms", ("%.3f"):format(value), "<= 2",
    missed == 0 and "ok" or "MISSED")
else
  local rates, calls, by_hand = { calls = {}, cached = {}, by_hand = {} }, {}, {}
  for round = 1, ROUNDS do
    local order = round % 2 == 1 and { "calls", "cached", "by_hand" } or { "by_hand", "cached", "calls" }
    for _, side in ipairs(order) do
      local _, rate = measure("/" .. side, 32)
      rates[side][round] = rate
    end
    print(("round %d: %.0f requests a second with a call, %.0f from the cache, %.0f by hand"):format(round,
      rates.calls[round], rates.cached[round], rates.by_hand[round]))
    local call, hand = must(server.get "/sequence"):match "^(%S+) (%S+)$"
    calls[round], by_hand[round] = tonumber(call), tonumber(hand)
  end
  tell("bar", ("calls one after another / by hand, in one request (%.0f and %.0f us each)"):format(median(calls),
    median(by_hand)), ("%.2f"):format(median(calls) / median(by_hand)), "none", "")
  for _, bar in ipairs { { "calls", "one call", 0.7 }, { "cached", "a reply of the cache", 1.5 } } do
    local values, ratios = rates[bar[1]], {}
    for round = 1, ROUNDS do ratios[round] = values[round] / rates.by_hand[round] end
    local value = median(ratios)
    if value < bar[3] then missed = 1 end
    tell("bar", ("requests a second, %s / a cosocket client by hand (%.0f / %.0f)"):format(bar[2], median(values),
      median(rates.by_hand)), ("%.2f"):format(value), (">= %g"):format(bar[3]), value < bar[3] and "MISSED" or "ok")
  end
end
results:close()
finish(missed)
