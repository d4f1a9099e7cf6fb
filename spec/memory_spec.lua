--- Memory that runs out, in the core, in Lua, in SQLite and in libcurl: nothing crashes, leaks or hangs, no write is
-- repeated, and each failed write has a fate. The suite lets some of the allocations fail; `make memory` all of them.

local fates = require "flarelight.fates"
local errors = require "flarelight.error"
local mailbox = require "flarelight.host.mailbox"
local sweep = require "memory.sweep"
local system = require "support.system"

local folder = os.getenv "SPEC_HELPERS":gsub("spec$", "memory")

describe("memory that runs out", function()
  -- Source of the allocations, from there on or once, every n-th.
  local sample = {
    { "core", false, 11 }, { "core", true, 37 }, { "lua", false, 2503 }, { "lua", true, 4001 },
    { "sqlite", false, 307 }, { "sqlite", true, 601 }, { "curl", false, 181 }, { "curl", true, 307 },
  }
  for _, row in ipairs(sample) do
    local source, on, step = row[1], row[2], row[3]
    it(("in %s, %s"):format(source, on and "from the n-th allocation on" or "at the n-th allocation"), function()
      -- On Lua 5.1 the modules are loaded before.
      if source == "lua" and _VERSION == "Lua 5.1" then step = math.floor(step / 8) end
      if not system.thorough then step = step * 2 end
      local result = sweep.run {
        host = folder .. "/host", cpath = folder .. "/?.so", source = source, on = on, step = step, first = 3,
      }
      assert.are.same({}, result.problems)
      assert.is_true(result.failed >= 1, "no allocation failed")
    end)
  end

  it("in libcurl, where it would tell a socket: no call waits for its time-out", function()
    local result = sweep.run {
      host = folder .. "/host", cpath = folder .. "/?.so", source = "curl", on = true, step = 1, first = 62, last = 70,
    }
    assert.are.same({}, result.problems)
    assert.are.equal(9, result.runs)
  end)
end)

describe("without memory", function()
  it("a client can be closed, and its calls end", function()
    local sandbox = require "support".sandbox {}
    finally(function() sandbox:stop() end)
    sandbox:fault { operation = "imports.all", kind = "hang", seconds = 60 }
    local output = system.shell(("LUA_CPATH=%s %s/host spec/memory/closing.lua 1 1 1 1 core %s %s %s 2>&1"):format(
      system.quote(folder .. "/?.so"), folder, sandbox.url, sandbox.api_key, sandbox.subscription_id))
    assert.is_truthy(output:find "closed", output)
  end)

  it("a block of once ends, and has none of the later writes", function()
    local sandbox = require "support".sandbox {}
    finally(function() sandbox:stop() end)
    local output = system.shell(("LUA_CPATH=%s timeout -s KILL 60 %s/host spec/memory/block.lua 1 1 1 1 lua %s %s %s %s 2>&1")
      :format(system.quote(folder .. "/?.so"), folder, sandbox.url, sandbox.api_key, sandbox.subscription_id,
      system.quote(system.path())))
    assert.are.equal("4\timports\n", output:match "[^\n]*imports\n", output)
  end)

  local function out_of_memory() error("not enough memory", 0) end

  it("a write ends with the fate that its outcome has", function()
    local reply = { fate = function() return "applied" end }
    local waiter = { ticket = 1, reply = reply, here = { blocks = true } }
    local take = fates.prepare(waiter, { operation = "imports.import", method = "POST", path = "/Import" }, out_of_memory)
    local data, message, err = take()
    assert.is_nil(data)
    assert.are.equal("imports.import: not enough memory", message)
    assert.is_true(errors.is(err))
    assert.are.same({ "memory", "applied", "POST" }, { err.kind, err.fate, err.method })
  end)

  it("a write whose outcome has not come is in doubt where nothing may block", function()
    local waiter = { ticket = 2 ^ 40, reply = false, here = { blocks = false } }
    local _, _, err = fates.prepare(waiter, { operation = "automations.execute" }, out_of_memory)()
    assert.are.equal("in_doubt", err.fate)
  end)

  it("another error is raised as it is", function()
    local waiter = { ticket = 1, reply = false, here = { blocks = false } }
    local raised = select(2, pcall(fates.prepare(waiter, { operation = "x" }, function() error "interrupted!" end)))
    assert.is_truthy(raised:find "interrupted!$")
  end)

  it("a waiter that could not be woken is woken by the next step", function()
    local woken = 0
    local waiter = mailbox.expect(2 ^ 50, { ready = false })
    waiter.wake = function()
      woken = woken + 1
      if woken == 1 then out_of_memory() end
    end
    finally(function() mailbox.forget(2 ^ 50) end)
    assert.are.equal("not enough memory", select(2, pcall(mailbox.set_ready, waiter)))
    mailbox.step()
    assert.are.equal(2, woken)
    mailbox.step()
    assert.are.equal(2, woken)
  end)
end)
