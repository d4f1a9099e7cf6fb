--- Runs spec/host/behaviours.lua in every host, each the real one and in a process of its own.
--
-- Hosts that are libraries of Lua run on the Lua of this run. nginx, Neovim and LÖVE contain LuaJIT, and run with the
-- specs on LuaJIT.

local hosts = require("flarelight.host").list
local nginx = require "host.nginx"
local sandbox = require "host.sandbox"
local system = require "support.system"

local helpers = os.getenv "SPEC_HELPERS"
local is_luajit = rawget(_G, "jit") ~= nil
local checked = system.checked

local TOLD = "a task failed, and no code asked for its result: .*lost and found"

describe("the same script, unchanged, in #slow", function()
  local box, environment
  setup(function() box, environment = sandbox.start() end)
  teardown(function() box:stop() end)

  local function run(command)
    return nginx.shell(("%s timeout -s KILL %d %s 2>&1; echo; echo status $?"):format(environment, checked and 300 or 120, command))
  end

  local function is_good(output, name)
    assert.truthy(output:find(name .. ": %d+ behaviours, 0 failed"), output)
    assert.is_nil(output:find("FAILED", 1, true), output)
    assert.truthy(output:find(TOLD), output)
    -- The fate of a write that no code waits for any more is reported.
    local left = tonumber(output:match "writes whose outcome is not taken: (%d+)")
    local _, reported = output:gsub("no code took the outcome of a write%. It is rejected: automations%.execute: 404", "")
    assert.equal(left, reported, output)
  end

  for _, each in ipairs(hosts) do
    local name = each.name
    if name ~= "openresty" then -- which is no interpreter: see below
      it(name, function()
        is_good(run(("'%s' spec/host/drivers.lua %s"):format(system.interpreter, name)), name)
      end)
    end
  end

  it("a program that has it linked in", function()
    is_good(run(("'%s/embed_static' 2 spec/host/embedded.lua"):format(helpers)), "script")
  end)

  if not is_luajit or checked then return end

  it("Neovim", function()
    -- Neovim shows the error of a task as a message.
    is_good(run "nvim --headless -u NONE -c 'luafile spec/host/neovim.lua'", "luv")
  end)

  it("LÖVE", function()
    local output = run "xvfb-run -a love spec/host/love"
    is_good(output, "frame")
    assert.truthy(output:find("love: frames drawn while it ran", 1, true), output)
  end)

  it("OpenResty", function()
    local server = nginx.start { environment = environment, config = [[
      server {
        listen 127.0.0.1:PORT;
        location = /behaviours { content_by_lua_block {
          local lines = {}
          require("host.behaviours").run({ name = "openresty", start_ticks = function(tick)
            local stopped
            ngx.thread.spawn(function()
              while not stopped do
                tick()
                ngx.sleep(0.001)
              end
            end)
            return function() stopped = true end
          end }, function(line) lines[#lines + 1] = line end)
          ngx.say(table.concat(lines, "\n"))
        } }
      }]] }
    finally(function() server.stop() end)
    local report = server.get "/behaviours"
    is_good(report .. "\n" .. server.log(), "openresty")
  end)
end)
