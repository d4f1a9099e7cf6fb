-- The help of the commands: examples that parse, shared options in one place, the man page, and colours and widths on
-- terminals.

local cli = require "flarelight.cli"
local command = require "support.command"
local examples = require "flarelight.cli.examples"
local settings = require "flarelight.settings"
local system = require "support.system"

-- The words of a line, as a shell divides them.
local function words_of(line)
  local words = {}
  local output = system.shell("set -f; printf '%s\\n' " .. line:gsub(">", "\\>"))
  for word in output:gmatch "[^\n]+" do words[#words + 1] = word end
  return words
end

describe("every example", function()
  for name, list in pairs(examples) do
    for _, each in ipairs(list) do
      it("parses: " .. each[1], function()
        local words = words_of(each[1])
        assert.are.equal("flarelight", table.remove(words, 1))
        -- The second example of `sandbox pull` uses what it has made.
        local group = name:match "^%S+"
        assert.are.equal(each == list[1] and name or group,
          table.concat(words, " "):sub(1, each == list[1] and #name or #group))
        for place, word in ipairs(words) do
          if word:sub(1, 1) == ">" then words[place] = nil end -- a redirection
        end
        local parsed, args = pcall(cli.parse, words)
        assert.is_true(parsed, type(args) == "table" and args.message or tostring(args))
        assert.are.equal("function", type(args.run))
      end)
    end
  end
end)

it("every argument and option has a description", function()
  for name, each in pairs((command.all())) do
    for _, kind in ipairs { "_arguments", "_options" } do
      for _, element in ipairs(each[kind]) do
        assert.is_true(element._hidden or (element._description or "") ~= "", name .. " " .. (element._name or ""))
      end
    end
  end
end)

describe("the command #slow", function()
  if not system.reference then return end
  local folder
  before_each(function() folder = system.folder() end)

  local function run(line, environment)
    local out, err, status = command.shell(folder, environment or "", "flarelight " .. line)
    assert.are.equal(0, status, err)
    return out
  end

  -- What a terminal of some width shows.
  local function on_terminal(line, columns, environment)
    local script = ("stty cols %d 2>/dev/null; %s %s bin/flarelight %s"):format(columns, environment or "",
      system.quote(system.interpreter), line)
    return (system.shell(("script -qec %s /dev/null </dev/null"):format(system.quote(script))):gsub("\r", ""))
  end
  local has_script = system.shell "command -v script" ~= ""

  it("shows examples with the help of every command, and shared options in one place", function()
    for name in pairs(examples) do
      local out = run(name .. " --help")
      assert.truthy(out:find("\n   " .. examples[name][1][1] .. "\n", 1, true), name)
      assert.is_nil(out:find "%-%-ca%-file", name)
    end
    assert.are.equal(run "imports upload --help", run "help imports upload")
    assert.are.equal(run "--help", run "help")
    local options = run "help options"
    for _, row in ipairs(settings.list) do
      if row.flag then
        assert.truthy(options:find("\n   " .. row.flag .. (row.argname and " " .. row.argname or "") .. "\n", 1, true), row.flag)
        assert.truthy(options:find(row.variable, 1, true), row.variable)
      end
    end
    local _, err, status = command.shell(folder, "", "flarelight help imports nonsense")
    assert.are.equal(2, status)
    assert.matches('there is no command "imports nonsense"', err)
  end)

  it("names arguments as its usage does, and all names of an option in one line", function()
    local out = run "api --help"
    assert.matches("%[%-%-curl%]%s+%[METHOD%] PATH\n", out)
    assert.matches("\n   %[METHOD%] PATH  +GET", out)
    assert.matches("\n   %-f, %-%-raw%-field NAME=VALUE\n", out)
    assert.matches("\n   FILE  +File in CSV", run "plan --help")
    assert.matches("\n   %-%-decimal MARK ", run "plan --help")
    local _, err, status = command.shell(folder, "", "flarelight api")
    assert.are.equal(2, status)
    assert.matches("missing argument 'path'", err)
    _, err, status = command.shell(folder, "", "flarelight plan --decimal x f.csv")
    assert.are.equal(2, status)
    assert.matches("'%-%-decimal' must be one of '%.', ','", err)
  end)

  it("is shown to whoever types no command, on standard error and with status 2", function()
    for line, shown in pairs { [""] = "\n   imports +Lists ", imports = "\n   upload +Uploads " } do
      local out, err, status = command.shell(folder, "", "flarelight " .. line)
      assert.are.same({ "", 2 }, { out, status })
      assert.matches("^Usage: .*" .. shown .. ".*\nflarelight: a command is required\n$", err)
    end
  end)

  it("names the groups of a command that was typed without its group, or in another one", function()
    for line, expected in pairs {
      upload = "unknown command 'upload': is it flarelight imports upload%?\n",
      ["imports execute"] = "is it flarelight automations execute or flarelight preparations execute%?\n",
      nonsense = "unknown command 'nonsense'\n",
    } do
      local _, err, status = command.shell(folder, "", "flarelight " .. line)
      assert.are.equal(2, status)
      assert.matches(expected, err)
    end
  end)

  it("has every shared option in docs/command.md, with its variable", function()
    local page = system.read "docs/command.md"
    for _, row in ipairs(settings.list) do
      if row.flag then assert.truthy(page:find("`" .. row.flag, 1, true), row.flag) end
      local api = system.read "docs/api.md"
      assert.truthy(api:find("`" .. row.name .. "`", 1, true), row.name)
    end
  end)

  it("fits terminals of 80 and 50 columns, and colours them by NO_COLOR's rule", function()
    if not has_script then return pending "there is no program `script`" end
    for _, columns in ipairs { 80, 50 } do
      for _, line in ipairs { "--help", "imports rows --help", "help options", "sandbox --help" } do
        local out = on_terminal(line, columns, "NO_COLOR=1 TERM=xterm")
        for each in out:gmatch "[^\n]+" do
          assert.is_true(#each <= columns or each:find "^   flarelight " ~= nil, ("%d: %s"):format(columns, each))
        end
      end
    end
    local bold = "\27%[1mUsage:\27%[0m"
    for environment, coloured in pairs {
      ["TERM=xterm"] = true, ["NO_COLOR= TERM=xterm"] = true, ["NO_COLOR=1 TERM=xterm"] = false, ["TERM=dumb"] = false,
      ["TERM="] = false,
    } do
      local out = on_terminal("quota --help", 80, environment)
      assert.are.equal(coloured, out:find(bold) ~= nil, environment)
      assert.are.equal(coloured, out:find "\27" ~= nil, environment)
    end
    assert.is_nil(run("quota --help", "export TERM=xterm"):find "\27") -- a pipe
  end)

  it("has a man page that names every command and option, and that man accepts", function()
    local page = run "help man"
    assert.matches("\n%.nh\n", page) -- no variable is divided by a hyphen
    local plain = page:gsub("\\f.", ""):gsub("\\%-", "-")
    for name in pairs(examples) do assert.truthy(plain:find("\n.SS flarelight " .. name .. "\n", 1, true), name) end
    for _, row in ipairs(settings.list) do
      if row.flag then assert.truthy(plain:find(row.flag, 1, true), row.flag) end
    end
    for _, option in ipairs { "--columns", "--fault", "--expect-unique", "--stacked" } do
      assert.truthy(plain:find(option, 1, true), option)
    end
    if system.shell "command -v man" == "" then return end
    local path = system.write(folder .. "/flarelight.1", page)
    assert.are.equal("", (system.shell(("LC_ALL=C.UTF-8 man -l --warnings -E UTF-8 %s 2>&1 >/dev/null"):format(path))))
    assert.matches("SHARED OPTIONS", (system.shell(("LC_ALL=C.UTF-8 man -l %s"):format(path))))
  end)
end)
