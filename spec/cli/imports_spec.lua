-- What `flarelight imports upload` and `resume` print when they fail: the reason, what has arrived, and the ways on.

local commands = require "support.command"
local support = require "support"
local system = require "support.system"

describe("flarelight imports", function()
  local opened = support.opened(after_each)
  local folder, environment, sandbox

  before_each(function()
    folder = system.folder()
    sandbox = opened.service()
    environment = commands.environment(sandbox, folder)
  end)

  local function run(line, expected)
    local out, err, status = commands.shell(folder, environment, "flarelight " .. line)
    assert.are.equal(expected, status, out .. err)
    return err
  end

  local function fault(operation, kind, members)
    sandbox:fault(support.with({ operation = operation, kind = kind }, members))
  end

  local function write(name, text) return system.write(folder .. "/" .. name, text) end

  local WAYS = "To go on:\n  flarelight imports resume (%x+)\nTo give it up:\n  flarelight imports forget (%x+)\n$"

  describe("upload", function()
    it("tells a check that failed, what has arrived, and both ways on", function()
      fault("imports.data", "status", { status = 404 })
      local err = run("imports upload --settle 0.01 " .. write("g.csv", "a\n1\n2\n3\n"), 1)
      assert.matches("3 records were sent and acknowledged, but the import could not be read to see whether the second "
        .. "batch was appended: imports%.data: 404 Not Found", (err:gsub("%s+", " ")))
      assert.matches("\n  fate: applied: ", err)
      assert.is_nil(err:find("its batch", 1, true), err)
      assert.matches(WAYS, err)
    end)

    it("names no way to give up what only has to be tried again", function()
      fault("imports.import", "throttle", { retry_after = 100, nth = 2, times = 20 })
      local err = run("imports upload --deadline 20 " .. write("g.csv", "a\n1\n2\n3\n"), 1)
      assert.matches("To go on:\n  flarelight imports resume %x+ [^\n]*\n$", err)
    end)

    it("says that the old file has to be there again, whatever the new one is", function()
      local path = write("g.csv", "a\n1\n2\n3\n")
      fault("imports.import", "status", { status = 404, nth = 2 })
      local token = run("imports upload --batch-records 1 " .. path, 1):match(WAYS)
      for name, change in pairs {
        empty = function() system.write(path, "") end,
        malformed = function() system.write(path, "a\n1,2\n") end,
        other = function() system.write(path, "a\n7\n8\n9\n") end,
        gone = function() os.remove(path) end,
      } do
        change()
        local err = run("imports resume", 1)
        assert.matches("With the old file in its place again, to go on:\n  flarelight imports resume " .. token
          .. "\nTo give it up:\n  flarelight imports forget " .. token .. "\n$", err, nil, nil, name)
        os.remove(path)
      end
      run("imports forget " .. token, 0)
    end)
  end)
end)
