--- Runs the examples for nginx, Neovim and LÖVE, each in the real program.

if not rawget(_G, "jit") or os.getenv "SPEC_QUICK" or os.getenv "SPEC_SANITIZER" then return end

local nginx = require "host.nginx"
local support = require "support"
local system = require "support.system"

describe("the example for #slow", function()
  local box, environment
  before_each(function()
    box = support.sandbox { rate_limit = 0, definitions = "examples/definitions.lua" }
    environment = system.environment(box)
  end)
  after_each(function() box:stop() end)

  it("OpenResty serves a cached report, and answers an upload with 202", function()
    local api = support.client(box)
    assert(api.imports:upload { file = "examples/data/birdstrikes.csv", name = "strikes" })
    assert(api.automations:execute(1))
    local before = #box:requests()
    local server = nginx.start { environment = environment, file = function(port)
      return (system.read "examples/openresty/nginx.conf":gsub("listen 8088", "listen 127.0.0.1:" .. port))
    end }
    finally(function()
      server.stop()
      api:close()
    end)
    for _ = 1, 6 do
      local body, status = server.get "/report"
      assert.are.equal(200, status, server.log())
      assert.truthy(body:find('"labels"', 1, true), body)
    end
    local sent = #box:requests() - before
    assert.is_true(sent == 1 or sent == 2, sent .. " requests") -- one for each worker that was asked
    local place, status = server.get("/upload?name=weather", "--data-binary @examples/data/seattle-weather.csv")
    assert.are.equal(202, status)
    place = place:match "%S+"
    local state
    for _ = 1, 1000 do
      state = server.get(place)
      if state ~= "waiting\n" then break end
      nginx.shell "sleep 0.05"
    end
    assert.truthy(state:find "^done: 1461 records are import", state .. server.log())
    assert.are.equal("weather", api.imports:all()[3].name)
    assert.are.equal(404, select(2, server.get "/upload/unknown"))
    assert.are.equal("", nginx.shell(("find %s/body -type f"):format(server.prefix)))
    local text, code = server.get "/metrics"
    assert.are.equal(200, code, server.log())
    assert.truthy(text:find('flarelight_calls_total{worker="%d"} %d+\n'), text)
  end)

  -- In a folder that stands for the tree, with nginx and its modules from where the specs have them.
  it("OpenResty starts as its head says", function()
    local tools = system.shell "sh spec/tools/openresty"
    local conf, root, folder = system.read "examples/openresty/nginx.conf", nginx.shell "pwd", system.folder()
    local lines = {}
    for line in conf:match("^(.-)\n# and in another shell"):gmatch "\n#   +([^\n]+)" do lines[#lines + 1] = line end
    assert.are.equal("mkdir -p run && cp examples/openresty/nginx.conf run/", lines[1])
    nginx.shell(("ln -s %s/* %s/ && mkdir %s/programs"):format(root, folder, folder))
    system.write(folder .. "/programs/nginx", ("#!/bin/sh\nexec %s \"$@\"\n"):format(tools:match "NGINX='([^\n]*)'"))
    nginx.shell(("chmod +x %s/programs/nginx"):format(folder))
    local modules = tools:match "load_module (%S+)/ndk_http_module.so"
    local script = table.concat(lines, "\n"):gsub("/usr/lib/nginx/modules", (modules:gsub("%%", "%%%%")))
    local port = nginx.shell
      [[perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport']]
    -- What differs from the head: the port, the user where that is root, and where Debian's packages are.
    script = script:gsub("\nmake ", ([[

      sed -i "s,listen 8088,listen 127.0.0.1:%s," run/nginx.conf
      [ "$(id -u)" != 0 ] || echo "user root;" >>run/modules.conf
      export PATH="$PWD/programs:$PATH" TMPDIR="$PWD/run"
      make ]]):format(port), 1)
      :gsub("\nflarelight", ('\nLUA_PATH="$LUA_PATH;%s"\nexec flarelight'):format(tools:match "NGINX_LUA_PATH='([^\n]*)'"), 1)
    system.write(folder .. "/script", "set -e\n" .. script)
    local pipe = assert(io.popen(("cd %s && sh script >out 2>&1 & echo $!"):format(folder)))
    local process = pipe:read "*l"
    pipe:close()
    finally(function() nginx.shell(("kill $(cat %s/run/nginx.pid) 2>/dev/null; wait %s"):format(folder, process)) end)
    local body, status
    for _ = 1, 2400 do
      local text = nginx.shell(("curl -s -w '\n%%{http_code}' 127.0.0.1:%s/report"):format(port))
      body, status = text:match "^(.*)\n(%d+)$"
      if status ~= "000" then break end
      nginx.shell "sleep 0.05"
    end
    assert.are.equal("200", status, system.read(folder .. "/out") .. tostring(system.read(folder .. "/run/error.log")))
    assert.truthy(body:find('"labels"', 1, true), body)
  end)

  it("Neovim fills a buffer while another is typed into", function()
    local api = support.client(box)
    assert.are.equal(1, support.import(api, 20000))
    api:close()
    local output = nginx.shell(environment .. [[ timeout -s KILL 120 nvim --headless -u NORC \
      --cmd "set runtimepath+=$PWD/examples/nvim" -c 'luafile spec/host/neovim_example.lua' -c 'qall!' 2>&1]])
    assert.truthy(output:find('flarelight://import/1: 20000 rows, the last is {"n":19999}, typed meanwhile: true', 1, true),
      output)
  end)

  it("LÖVE uploads and reads back, with frames meanwhile", function()
    local output = nginx.shell(environment
      .. " timeout -s KILL 120 xvfb-run -a love spec/host/love_example $PWD/examples/data/birdstrikes.csv 2>&1")
    assert.truthy(output:find("Done: 10000 of 10000 rows after many frames: true", 1, true), output)
  end)
end)
