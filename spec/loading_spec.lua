--- Specs of lua/flarelight/loading.lua: a C module that this Lua cannot load, and parts that are loaded at their first
-- use.

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

-- The loaded modules of a new Lua that makes a client and runs `script` with it as `api`. `make` makes clients with more
-- options.
local function loaded_by(script)
  local whole = ([[
    local function make(options)
      options.api_key, options.base_url = "key-of-a-spec", "http://127.0.0.1:1"
      options.subscription_id = "6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
      return require("flarelight").new(options)
    end
    local api = assert(make {})
    %s
    api:close()
    for name in pairs(package.loaded) do print(name) end]]):format(script)
  local set = {}
  for name in system.shell(("%s -e %s 2>&1"):format(system.quote(system.interpreter), system.quote(whole)))
    :gmatch "[^\n]+" do set[name] = true end
  return set
end

describe("a part that most scripts do not use", function()
  local parts = {
    ["flarelight.upload"] = "api.imports:pending()",
    ["flarelight.export"] = "pcall(api.imports.export, api.imports, 1)",
    ["flarelight.compare"] = "pcall(api.imports.compare, api.imports, 1)",
    ["flarelight.wait"] = "pcall(api.reports.generate, api.reports, 1, {}, { wait = -1 })",
    ["flarelight.waiting"] = "api:wait_until(function() return true end)",
    ["flarelight.once"] = "pcall(api.once, api, 'key', print)",
    ["flarelight.history"] = "pcall(api.runs, api)",
    ["flarelight.fates"] = "api.automations:execute(1)",
    ["flarelight.cache"] = "make { cache = { ttl = 1 } }",
    ["flarelight.trace"] = "make { debug = print }",
    ["flarelight.environments"] = "make { environment = 'none' }",
    ["flarelight.profile"] = "make { profile = '/nowhere' }",
  }

  -- The cost of the garbage collector grows with what is loaded, on LuaJIT by steps (docs/performance.md).
  local of_rows = {
    "automations", "calls", "client", "configuration", "core", "endpoint", "error", "headers", "hooks", "host",
    "host.frame", "host.mailbox", "host.pollable", "host.scope", "host.script", "host.tasks", "host.timeslice",
    "imports", "json", "loading", "misuse", "options", "pages", "postgres", "preparations", "reports", "request",
    "row_shape", "rows", "settings", "wait.method",
  }

  it("is not loaded by a client that reads rows", function()
    local found = {}
    for name in pairs(loaded_by "pcall(function() for _ in api.imports:rows(1, { deadline = 0.01 }) do end end)") do
      found[#found + 1] = name:match "^flarelight%.(.+)"
    end
    table.sort(found)
    assert.same(of_rows, found)
  end)

  it("is loaded at its first use", function()
    local before = loaded_by "api.imports:rows(1)"
    assert.is_true(before["flarelight.rows"])
    for part, script in pairs(parts) do
      assert.is_nil(before[part], part)
      assert.is_true(loaded_by(script)[part], part)
    end
  end)
end)
