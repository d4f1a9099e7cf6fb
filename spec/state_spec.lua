-- The state as a file: deleted, put back, closed with its client, and whole at the end of the process.

local support = require "support"
local system = require "support.system"

describe("a state file", function()
  local opened = support.opened(after_each)
  local sandbox, api, state

  local function open() sandbox, api = opened.service(nil, { state = state }) end

  before_each(function() state = system.path() end)

  it("that is deleted meanwhile ends an upload, and leaves the next file alone", function()
    open()
    local other
    local result, message, err = api.imports:upload { records = support.records(30), batch_records = 10, name = "n",
      on_progress = function(progress)
        if progress.records ~= 10 then return end
        for _, ending in ipairs { "", "-wal", "-shm" } do os.remove(state .. ending) end
        other = opened.client(sandbox, { state = state })
        assert(other:once("k", function() return "kept" end))
      end }
    assert.is_nil(result)
    assert.are.equal("io", err.kind)
    assert.matches(": the state file was deleted or replaced while this process had it open", message)
    api:close()
    assert.are.equal("kept", assert(other:once("k", error)))
    assert.are.equal("kept", assert(opened.client(sandbox, { state = state }):once("k", error)))
  end)

  it("leaves nothing of itself beside one that was put back meanwhile", function()
    open()
    local copied = opened.client(sandbox, { state = state .. "-copy" })
    assert(copied:once("k", function() return "copied" end))
    copied:close() -- with its state
    local script = system.file([[
      local path = arg[1]
      local api = assert(require("flarelight").new { state = path })
      for n = 1, 20 do assert(api:once("key " .. n, function() return ("x"):rep(1000) end)) end
      assert(os.rename(path .. "-copy", path))
      os.exit(0)
    ]], ".lua")
    system.shell(("env %s %s %s %s"):format(system.environment(sandbox), system.interpreter, script, state))
    local _, meta = assert(opened.client(sandbox, { state = state }):once("k", error))
    assert.is_true(meta.already)
  end)

  it("gives its descriptors back when its client is closed", function()
    if not system.exists "/proc/self/fd" then return pending "no /proc" end
    open()
    -- In a process of its own, where nothing else opens or closes any.
    local script = system.file([[
      local flarelight, folder = require "flarelight", arg[1]
      local number = 0
      local function count()
        local pipe = io.popen(("ls /proc/%d/fd | wc -l"):format(require("flarelight.core").process()))
        local found = tonumber((pipe:read "*a"))
        pipe:close()
        return found
      end
      local function work()
        number = number + 1
        local client = assert(flarelight.new { state = folder .. "/" .. number })
        assert(client:once("k", function() return true end))
        assert(client.imports:upload { records = { { n = 1 } }, name = "n", key = "u" .. number })
        client:close()
      end
      work()
      collectgarbage()
      collectgarbage "stop"
      local before = count()
      for _ = 1, 3 do work() end
      print(count() - before)
    ]], ".lua")
    assert.are.equal("0\n", (system.shell(("env %s %s %s %s 2>&1"):format(system.environment(sandbox), system.interpreter,
      script, system.folder()))))
  end)

  it("is whole by itself once the process has ended, also by os.exit", function()
    open()
    local path = system.path()
    local script = system.file([[
      local api = assert(require("flarelight").new { state = arg[1] })
      assert(api.imports:upload { records = { { n = 1 }, { n = 2 } }, name = "n", key = "k" })
      os.exit(0)
    ]], ".lua")
    system.shell(("env %s %s %s %s"):format(system.environment(sandbox), system.interpreter, script, path))
    assert.is_true(system.exists(path))
    for _, ending in ipairs { "-wal", "-shm", "-budget-wal" } do assert.is_false(system.exists(path .. ending), ending) end
  end)
end)
