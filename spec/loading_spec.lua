--- Specs of lua/flarelight/loading.lua: a C module that this Lua cannot load.

local system = require "support.system"

-- What a new Lua says that requires flarelight while its C module is a file with this content.
local function said_of(content)
  local folder = system.folder()
  os.execute("mkdir " .. system.quote(folder .. "/flarelight"))
  system.write(folder .. "/flarelight/core.so", content)
  local script = ([[package.cpath = %q .. "/?.so"
    local _, message = pcall(require, "flarelight")
    io.write(message)]]):format(folder)
  return (system.shell(("%s -e %s 2>&1"):format(system.quote(system.interpreter), system.quote(script))))
end

describe("a C module that cannot be loaded", function()
  it("is said to be another Lua's where it is", function()
    local said = said_of "…\0flarelight was built for Lua 4.0\0…"
    assert.matches("^flarelight: .*/flarelight/core.so was built for Lua 4.0, and this is Lua[%w. -]+; `make LUA=", said)
  end)

  it("is told by the system's words where it is not", function()
    for _, mark in ipairs { "", "flarelight was built for " .. _VERSION } do
      assert.matches("error loading module 'flarelight.core'", said_of("no library " .. mark))
    end
  end)
end)
