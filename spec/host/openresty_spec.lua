--- Behaviour of nginx beside that of every host: phases, code that is not cached, reloads, killed workers, requests
-- that go away.

if not rawget(_G, "jit") or os.getenv "SPEC_QUICK" or os.getenv "SPEC_SANITIZER" then return end

local nginx = require "host.nginx"
local sandbox = require "host.sandbox"

describe("in nginx #slow", function()
  local box, environment, server
  setup(function() box, environment = sandbox.start() end)
  teardown(function() box:stop() end)
  after_each(function()
    if server then server.stop() end
    server = nil
  end)

  local function start(config, options)
    options = options or {}
    options.config, options.environment = config, environment
    server = nginx.start(options)
    return server
  end

  local function eventually(fn)
    for _ = 1, 1000 do
      local found = fn()
      if found then return found end
      nginx.shell "sleep 0.05"
    end
    return nil
  end

  it("a call works where a handler can wait, and says so where it cannot, in every phase", function()
    start [[
      lua_shared_dict kinds 1m;
      init_by_lua_block {
        local api = assert(require("flarelight").new())
        function try(phase)
          local data, message, err = api.imports:data(1, { count = 1 })
          local streamed, _, failed = api.imports:rows(1, { page_size = 1 }):next()
          assert((data ~= nil) == (streamed ~= nil), phase)
          ngx.shared.kinds:set(phase, data and "good" or err.kind .. " " .. failed.kind .. " " .. message)
        end
        try "init"
      }
      init_worker_by_lua_block {
        try "init_worker"
        ngx.timer.at(0, function() try "timer" end)
      }
      upstream there {
        server 0.0.0.1;
        balancer_by_lua_block {
          try "balancer"
          require("ngx.balancer").set_current_peer("127.0.0.1", PORT)
        }
      }
      server {
        listen 127.0.0.1:PORT;
        location = /there { return 200 there; }
        location = /try {
          set_by_lua_block $nothing { try "set" return "" }
          rewrite_by_lua_block { try "rewrite" }
          access_by_lua_block { try "access" }
          header_filter_by_lua_block { try "header_filter" }
          body_filter_by_lua_block { try "body_filter" }
          log_by_lua_block { try "log" }
          content_by_lua_block { try "content" ngx.say "tried" }
        }
        location = /balanced { proxy_pass http://there/there; }
        location = /kinds { content_by_lua_block {
          for _, phase in ipairs(ngx.shared.kinds:get_keys()) do ngx.say(phase, ": ", ngx.shared.kinds:get(phase)) end
        } }
      }]]
    assert.are.equal("tried\n", (server.get "/try"))
    assert.are.equal("there", (server.get "/balanced"))
    local kinds = assert(eventually(function()
      local text = server.get "/kinds"
      return text:find "timer: " and text:find "log: " and text
    end), server.log())
    for _, phase in ipairs { "rewrite", "access", "content", "timer" } do
      assert.truthy(("\n" .. kinds):find("\n" .. phase .. ": good\n"), phase .. "\n" .. kinds)
    end
    for _, phase in ipairs { "init_worker", "set", "header_filter", "body_filter", "log", "balancer" } do
      assert.truthy(("\n" .. kinds):find("\n" .. phase .. ": phase phase imports.data: a call cannot wait in nginx's phase "
        .. phase .. "; ngx.timer.at(0", 1, true), phase .. "\n" .. kinds)
    end
    assert.truthy(("\n" .. kinds):find "\ninit: phase phase imports.data: no request can be sent in nginx's phase init", kinds)
  end)

  it("code that is not cached has a state a request, and each ends its own calls alone", function()
    start([[
      lua_code_cache off;
      server {
        listen 127.0.0.1:PORT;
        location = /rows { content_by_lua_block {
          local n = 0
          for row in assert(require("flarelight").new()).imports:rows(1, { page_size = 50 }) do n = n + 1 end
          ngx.say(n)
        } }
        location = /leaves { content_by_lua_block {
          local api = assert(require("flarelight").new())
          for i = 1, 20 do api:spawn(function() return api.preparations:all() end) end
          ngx.exit(200)
        } }
      }]], { level = "error" })
    local pids = {}
    for i = 1, 6 do
      pids[i] = ("(for n in 1 2 3 4 5; do curl -s -m 30 %s%s || echo failed; done) & "):format(server.url, i % 2 == 0 and "/leaves" or "/rows")
    end
    local output = nginx.shell("(" .. table.concat(pids) .. "wait)")
    assert.are.equal(("500\n"):rep(15), output .. "\n")
    assert.are.equal("", (server.log():gsub("[^\n]*lua_code_cache is off[^\n]*\n", "")))
  end)

  it("a worker that is killed leaves a directory that the next one removes", function()
    start [[
      server { listen 127.0.0.1:PORT;
        location = /call { content_by_lua_block {
          ngx.say(#assert(assert(require("flarelight").new()).imports:data(1, { count = 3 })))
        } }
      }]]
    assert.are.equal("3\n", (server.get "/call"))
    local first, pid = server.directories(), server.workers()[1]
    assert.truthy(first:find "^[^\n]+$")
    nginx.shell("kill -9 " .. pid)
    assert(eventually(function() return server.workers()[1] and server.workers()[1] ~= pid end))
    assert.are.equal("3\n", (server.get "/call"))
    local second = server.directories()
    assert.are_not.equal(first, second)
    assert.truthy(second:find "^[^\n]+$")
    server.quit()
    assert.are.equal("", server.directories())
  end)

  it("requests that their clients give up leave nothing that waits", function()
    start([[
      server { listen 127.0.0.1:PORT; lua_check_client_abort on;
        location = /stalls { content_by_lua_block {
          api = api or assert(require("flarelight").new { max_concurrency = 100 })
          api.preparations:all()
        } }
        location = /call { content_by_lua_block {
          api = api or assert(require("flarelight").new { max_concurrency = 100 })
          ngx.say(#assert(api.imports:data(1, { count = 3 })))
        } }
      }]], { level = "error" })
    nginx.shell(("(for i in $(seq 40); do curl -s -m 0.3 %s/stalls & done; wait)"):format(server.url))
    local function sockets()
      return tonumber(nginx.shell(("ls -l /proc/%d/fd | grep -c socket:"):format(server.workers()[1])))
    end
    for _ = 1, 5 do assert.are.equal("3\n", (server.get "/call")) end
    -- The calls go on, since nobody cancelled them. Only their waiters are gone.
    assert.truthy(eventually(function() return sockets() < 40 + 12 end), sockets())
    assert.are.equal("", server.log())
  end)

  -- The connections to the wake-up socket of this server, and its listener.
  local function wakeup_sockets()
    return tonumber(nginx.shell(("grep -c '%s/flarelight-' /proc/net/unix"):format(server.prefix)))
  end

  local function with_reader(inside, options)
    return start(inside .. [[
      server { listen 127.0.0.1:PORT;
        location = /stalls { content_by_lua_block {
          api = api or assert(require("flarelight").new { max_concurrency = 100 })
          api.preparations:all()
        } }
        location = /end { content_by_lua_block { -- the calls
          api:close()
          api = nil
          ngx.say "ended"
        } }
        location = /call { content_by_lua_block {
          api = api or assert(require("flarelight").new { max_concurrency = 100 })
          ngx.say(#assert(api.imports:data(1, { count = 3 })))
        } }
        location = /timers { content_by_lua_block { ngx.say(ngx.timer.running_count()) } }
      }]], options or { level = "error" })
  end

  it("one connection serves all waiting calls of a worker, in a timer that ends with them", function()
    with_reader ""
    nginx.shell(("(for i in $(seq 20); do curl -s -m 60 %s/stalls >/dev/null & done) >/dev/null 2>&1"):format(server.url))
    assert(eventually(function() return server.get "/timers" == "1\n" end), server.log())
    assert.are.equal("3\n", (server.get "/call"))
    assert.are.equal(2, wakeup_sockets())
    assert.are.equal("ended\n", (server.get "/end"))
    assert(eventually(function() return server.get "/timers" == "0\n" end), server.log())
    assert.are.equal("3\n", (server.get "/call"))
    assert.are.equal("", server.log())
  end)

  -- ngx.sleep takes a millisecond at least.
  it("a call that can wait does not sleep first, and one that cannot wait sends nothing", function()
    start [[
      server {
        listen 127.0.0.1:PORT;
        location = /sleeps { content_by_lua_block {
          local api = assert(require("flarelight").new())
          assert(api.imports:data(1, { count = 1 }))
          local sleeps, sleep = 0, ngx.sleep
          ngx.sleep = function(seconds)
            sleeps = sleeps + 1
            return sleep(seconds)
          end
          for _ = 1, 10 do assert(api.imports:data(1, { count = 1 })) end
          local kind
          string.gsub("x", "x", function() kind = select(3, api.imports:data(1, { count = 1 })).kind end)
          ngx.sleep = sleep
          ngx.say(sleeps < 5, " ", kind) -- a call may give way once its slice is spent
        } }
      }]]
    assert.equal("true phase", nginx.shell("curl -s " .. server.url .. "/sleeps"))
  end)

  it("takes calls without ngx.semaphore, and without a timer", function()
    with_reader [[init_by_lua_block { package.preload["ngx.semaphore"] = function() error "missing" end }]]
    for _ = 1, 3 do assert.are.equal("3\n", (server.get "/call")) end
    assert.are.equal("0\n", (server.get "/timers"))
    assert.are.equal("", server.log())
    server.stop()
    with_reader([[lua_max_running_timers 1;
      init_worker_by_lua_block { ngx.timer.at(0, function() ngx.sleep(20) end) }]], { level = "emerg" })
    assert.are.equal("1\n", (server.get "/timers"))
    for _ = 1, 3 do assert.are.equal("3\n", (server.get "/call")) end
  end)

  it("takes calls when it is out of connections, more slowly", function()
    start([[
      server { listen 127.0.0.1:PORT;
        location = /many { content_by_lua_block {
          local api = assert(require("flarelight").new { max_concurrency = 50 })
          local functions = {}
          for i = 1, 60 do functions[i] = function() return api.imports:data(1, { count = 1 }) end end
          local _, failed = api:all(functions)
          ngx.say(failed)
        } }
      }]], { level = "alert", connections = 16 })
    assert.are.equal("0\n", (server.get "/many"))
  end)

  it("reloads under load leave nothing and fail no request", function()
    local wrong, seen = require("host.reloads").run(10)
    assert.are.equal("", table.concat(wrong, "\n"), seen)
  end)
end)
