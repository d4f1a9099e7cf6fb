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
      return (system.read "examples/openresty/nginx.conf":gsub("listen 8080", "listen 127.0.0.1:" .. port))
    end }
    finally(function()
      server.stop()
      api:close()
    end)
    for _ = 1, 5 do
      local body, status = server.get "/report"
      assert.are.equal(200, status, server.log())
      assert.truthy(body:find('"labels"', 1, true), body)
    end
    assert.are.equal(1, #box:requests() - before) -- all but the first come from the cache
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
