--- Locks of runs that were abandoned: their coroutine was closed, or collected while it was suspended.

local support = require "support"
local system = require "support.system"

describe("an upload that was abandoned", function()
  local opened = support.opened(after_each)
  -- There a coroutine that waits inside of a protected call is never collected.
  local collects = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

  it("gives its key to the next one once its coroutine is collected", function()
    if not collects then return end
    local sandbox, api = opened.service(nil, { state = system.path() })
    local function given(wait)
      local n = 0
      return { key = "k", name = "n", settle = 0.01, records = function()
        wait()
        n = n + 1
        return n <= 5 and { n = n } or nil
      end }
    end
    local co = coroutine.create(function() api.imports:upload(given(coroutine.yield)) end)
    assert(coroutine.resume(co))
    assert.are.equal("suspended", coroutine.status(co))
    assert.are.equal("conflict", select(3, api.imports:upload(given(function() end))).kind)
    co = nil -- luacheck: ignore 311
    for _ = 1, 4 do collectgarbage() end
    local result = assert(api.imports:upload(given(function() end)))
    assert.are.equal(5, #sandbox:rows(result.id))
  end)

  it("gives the key of once, too", function()
    if not collects then return end
    local _, api = opened.service(nil, { state = system.path() })
    local co = coroutine.create(function() api:once("k", function() coroutine.yield() end) end)
    assert(coroutine.resume(co))
    assert.are.equal("conflict", select(3, api:once("k", function() return 1 end)).kind)
    co = nil -- luacheck: ignore 311
    for _ = 1, 4 do collectgarbage() end
    assert.are.equal(2, assert(api:once("k", function() return 2 end)))
  end)

  it("has its write cancelled before its lock is released, which a database may take seconds for", function()
    local core, state, pollable = require "flarelight.core", require "flarelight.state", require "flarelight.pollable"
    local sandbox = opened.sandbox { automations = {} }
    local is_interrupted = false
    local host = { name = "own", is_running = function() return true end, spawn = function(run) run() end }
    function host.wait(handle)
      while not handle:is_over() do
        if is_interrupted and #support.requests(sandbox, "automations.execute") > 0 then error("interrupted!", 0) end
        pollable.step()
      end
    end
    local api = opened.client(sandbox, { state = system.path(), host = host })
    sandbox:fault { operation = "automations.execute", kind = "throttle", retry_after = 60 }
    local cancel, unlock, order = core.cancel, state.class.unlock, {}
    core.cancel = function(...)
      order[#order + 1] = "cancel"
      return cancel(...)
    end
    state.class.unlock = function(...)
      order[#order + 1] = "unlock"
      return unlock(...)
    end
    finally(function() core.cancel, state.class.unlock = cancel, unlock end)
    local good, raised = pcall(api.once, api, "k", function()
      is_interrupted = true
      return api.automations:execute(1)
    end)
    assert.are.same({ false, "interrupted!" }, { good, raised })
    assert.are.same({ "cancel", "unlock" }, { order[1], order[2] })
  end)

  -- Only some hosts can close the coroutine of a call, and only from Lua 5.4 on.
  it("has its write cancelled before the next one looks", function()
    if not coroutine.close or not pcall(require, "luv") then return end -- luacheck: ignore 143
    local sandbox = opened.sandbox()
    sandbox:fault { operation = "imports.import", nth = 2, times = 1, kind = "hang", seconds = 20 }
    local script = system.file([[
      local luv = require "luv"
      local starts = 0
      local api = assert(require("flarelight").new { state = arg[1], on_event = function(event)
        if event.name == "start" and event.operation == "imports.import" then starts = starts + 1 end
        if event.name == "done" and event.kind then print(event.operation, event.kind) end
      end })
      local records = {}
      for n = 1, 6 do records[n] = { n = n } end
      local function upload()
        return api.imports:upload { records = records, name = "n", batch_records = 2, key = "k", settle = 0.01 }
      end
      local co = coroutine.create(upload)
      assert(coroutine.resume(co))
      local timer = luv.new_timer()
      timer:start(10, 10, function()
        if starts < 2 then return end
        timer:stop()
        timer:close()
        coroutine.close(co)
        coroutine.wrap(function()
          print(assert(upload()).records)
          os.exit(0, true)
        end)()
      end)
      luv.run()
    ]], ".lua")
    local out = system.shell(("timeout -s KILL 60 env %s %s %s %s"):format(system.environment(sandbox),
      system.interpreter, script, system.path()))
    assert.are.equal("imports.import\tcancelled\n6\n", out)
    assert.are.equal(6, sandbox:counts().rows)
  end)
end)
