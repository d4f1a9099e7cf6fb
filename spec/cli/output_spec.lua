--- How the command's output fits terminals: long lines are broken at spaces, and a pipe gets them whole.

local command = require "support.command"
local support = require "support"
local system = require "support.system"

-- The same for every Lua.
if not system.reference then return end

describe("on a terminal", function()
  local opened = support.opened(after_each)
  local folder, environment

  -- What a terminal of some width shows of lines of a shell.
  local function on_terminal(columns, lines, term)
    local script = system.write(folder .. "/script", ("stty cols %d\n%s\nexport TERM=%s\nflarelight() { %s bin/flarelight \"$@\"; }\n%s")
      :format(columns, environment, term or "xterm", system.quote(system.interpreter), lines))
    return (system.shell(("script -qec 'sh %s' /dev/null </dev/null"):format(script)):gsub("\r", ""))
  end

  before_each(function()
    folder = system.folder()
    local sandbox, api = opened.service { definitions = "examples/definitions.lua" }
    environment = command.environment(sandbox, folder)
    local records = { { about = ("five words in each part "):rep(20), id = 1 } }
    assert(api.imports:import { name = "long", records = records })
  end)

  if system.shell "command -v script" == "" then
    return pending("there is no program `script`", function() end)
  end

  local cases = {
    { "a row with long members", "flarelight imports data 1 --count 1", "five words in each part" },
    { "an upload in the history", "printf 'a\\n1\\n' >%s/x.csv; flarelight imports upload -q %s/x.csv --key k; flarelight runs show k",
      "%d batch 1: sent, records" },
    { "the findings of doctor", "flarelight doctor", "no configuration" },
    { "an unknown command", "flarelight nonsense", "The commands are: imports" },
    { "a failure", "flarelight imports list --ca-file /nowhere/with/a/file", "No such file or directory" },
  }
  for _, case in ipairs(cases) do
    for _, columns in ipairs { 80, 50 } do
      it(("breaks lines at spaces: %s, %d columns"):format(case[1], columns), function()
        local out = on_terminal(columns, case[2]:gsub("%%s", folder), "dumb")
        assert.matches((case[3]:gsub(" ", "%%s+")), out)
        local longer = 0
        for line in out:gsub("…", "."):gmatch "[^\n]+" do
          -- A line is longer only if its last word, as a path, has no room behind its label.
          if #line > columns and #line:match "%S+$" <= columns - 25 then longer = longer + 1 end
        end
        assert.are.equal(0, longer, out)
      end)
    end
  end

  it("draws objects and arrays within a reply in lines of their own", function()
    local _, err, code = command.shell(folder, environment,
      "flarelight imports upload -q examples/data/birdstrikes.csv --name strikes")
    assert.are.equal(0, code, err)
    for _, columns in ipairs { 80, 50 } do
      local out = on_terminal(columns, "flarelight automations execute 1", "dumb")
      assert.matches("\nstatus  Completed\nsteps\n  %- kind  preparation\n    result\n      id    1\n", out)
      assert.matches("\n          %- name    small\n            values  %d+, %d+", out)
      assert.is_nil(out:find '[{"]')
      for line in out:gmatch "[^\n]+" do assert.is_true(#line <= columns, line) end
    end
    local script = "flarelight preparations execute 1"
    assert.matches("\nimport\n  id +%d+\n  name +Strikes by month\n", on_terminal(80, script, "dumb"))
    assert.matches('\nimport +{"id":%d+,"name":"Strikes by month",[^\n]*}\n$',
      (command.shell(folder, environment, script)))
  end)

  it("shows the keys of runs whole, with the times of their beginning and end", function()
    local out = on_terminal(80, ("printf 'a\\n1\\n' >%s/x.csv; flarelight imports upload -q %s/x.csv; flarelight runs")
      :format(folder, folder), "dumb")
    local token = out:match "token +(%x+)"
    local time = "%d%d%d%d%-%d%d%-%d%d %d%d:%d%d"
    assert.matches(("\nkind    key +state  started +ended\nupload  %s  done   %s  %s\n$"):format(token, time, time), out)
  end)

  it("cuts names, and the seconds of times, where a table is too wide", function()
    local upload = "printf 'a\\n1\\n' >%s/x.csv; flarelight imports upload -q %s/x.csv --name '%s'\n"
    local lines = upload:format(folder, folder, ("a name of many words "):rep(3)) .. "flarelight imports list"
    local time = "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d"
    local wide = on_terminal(140, lines, "dumb")
    assert.matches(" 2  a name of many words a name of many words a name of many words +1  "
      .. time .. ":%d%dZ  " .. time .. ":%d%dZ\n", wide)
    local narrow = on_terminal(80, lines, "dumb")
    assert.matches(("\n 2  a name of[^\n]*…  +1  %sZ  %sZ\n"):format(time, time), narrow)
    local blocks = on_terminal(50, lines, "dumb")
    assert.matches("\nname +a name of many words a name of many\n +words a name of many words *\n", blocks)
    assert.matches("\ncreatedAt +" .. time .. ":%d%dZ\n", blocks)
  end)

  it("a pipe gets each member in one line", function()
    local out = command.shell(folder, environment, "flarelight imports data 1 --count 1")
    assert.matches(("five words in each part "):rep(20):gsub("%s+$", ""), out)
    local _, err = command.shell(folder, environment, "flarelight nonsense")
    assert.matches("The commands are: imports[^\n]*help%.\n$", err)
  end)
end)
