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

describe("a C module that a build may leave out", function()
  local uses = {
    { module = "archive_core", script = [[
      local out = assert(io.open(folder .. "/a.csv.gz", "w"))
      out:close()
      local _, message = require("flarelight.csv").rows(folder .. "/a.csv.gz"):next()
      error(message, 0)]],
      said = "reading a .gz file needs the module flarelight.archive_core, which was not built with this flarelight" },
    { module = "archive_core", script = [[
      local _, message = require("flarelight.csv").write(folder .. "/b.csv.gz", { columns = { "a" } })
      error(message, 0)]],
      said = "writing a .gz file needs the module flarelight.archive_core, which was not built with this flarelight: "
        .. "it needs libarchive (libarchive-dev in Debian)" },
    { module = "postgres_core", script = [[
      local _, message = require("flarelight").new { api_key = "key-of-a-spec", state = "postgresql://127.0.0.1:1/none",
        base_url = "http://127.0.0.1:1",
        subscription_id = "6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d" }
      error(message, 0)]],
      said = "a state in PostgreSQL needs the module flarelight.postgres_core, which was not built with this "
        .. "flarelight: it needs libpq (libpq-dev in Debian)" },
    { module = "ini_core", script = [[
      local _, message = require("flarelight").new { environment = "any" }
      error(message, 0)]],
      said = "environments need the module flarelight.ini_core, which was not built with this flarelight: it needs "
        .. "libinih (libinih-dev in Debian)" },
    { module = "sandbox_core", script = [[require "flarelight.sandbox"]],
      said = "the sandbox needs the module flarelight.sandbox_core, which was not built with this flarelight: it needs "
        .. "libmicrohttpd (libmicrohttpd-dev in Debian)" },
  }

  -- What is raised where `loader` stands for the module.
  local function raised(use, loader)
    local folder = system.folder()
    os.execute("mkdir " .. system.quote(folder .. "/flarelight"))
    system.write(folder .. "/flarelight/config.ini", "[any]\nkey_command = true\n")
    local script = ([[local folder = %q
      package.preload["flarelight.%s"] = function() error(%q, 0) end
      local _, message = pcall(function() %s end)
      io.write(tostring(message))]]):format(folder, use.module, loader, use.script)
    return (system.shell(("XDG_CONFIG_HOME=%s %s -e %s 2>&1"):format(system.quote(folder),
      system.quote(system.interpreter), system.quote(script))))
  end

  it("is said to be left out only where it is not there", function()
    for _, use in ipairs(uses) do
      local missing = ("module 'flarelight.%s' not found:"):format(use.module)
      local said = raised(use, missing)
      assert.is_truthy(said:find(use.said, 1, true), said)
      assert.matches("^.-[^%w]?interrupted!$", raised(use, "file.lua:1: interrupted!"))
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
