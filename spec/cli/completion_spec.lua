-- flarelight completion: the scripts are good for their shells, and complete commands, options and the words that only
-- this machine knows.

local command = require "support.command"
local support = require "support"
local system = require "support.system"

describe("flarelight completion #slow", function()
  if not system.reference then return end
  local opened = support.opened(after_each)
  local folder, environment

  before_each(function()
    folder = system.folder()
    environment = ("export XDG_STATE_HOME=%s/state XDG_CONFIG_HOME=%s/config"):format(folder, folder)
  end)

  local function run(line)
    local out, err, status = command.shell(folder, environment, "flarelight " .. line)
    assert.are.equal(0, status, err)
    return out
  end

  local function has(shell) return system.shell("command -v " .. shell) ~= "" end

  -- An upload that did not end, and a configuration file.
  local function prepare()
    system.shell(("mkdir -p %s/state/flarelight %s/config/flarelight"):format(folder, folder))
    system.shell("chmod 600 " .. system.write(folder .. "/config/flarelight/config.ini",
      "[prod]\nregion = eu\n[test]\nregion = us\n"))
    local sandbox, api = opened.service(nil, { state = folder .. "/state/flarelight/state.db", max_attempts = 1 })
    sandbox:fault { operation = "imports.import", kind = "status", status = 500, nth = 2, times = math.huge }
    environment = environment .. " " .. system.environment(sandbox)
    local _, _, err = api.imports:upload { file = "examples/data/birdstrikes.csv", batch_records = 1000, settle = 0.01 }
    return assert(err.token), sandbox
  end

  it("knows tokens, ids and environments without a request and without settings", function()
    assert.are.equal("", run "completion words tokens")
    assert.are.equal("", run "completion words environments")
    assert.is_nil(system.read(folder .. "/state/flarelight/state.db")) -- nothing was created
    local token, sandbox = prepare()
    local sent = #sandbox:requests()
    assert.are.equal(token .. "\n", run "completion words tokens")
    assert.are.equal("1\n", run "completion words ids")
    assert.are.equal("prod\ntest\n", run "completion words environments")
    assert.are.equal("", run "completion words nonsense")
    assert.are.equal(sent, #sandbox:requests())
  end)

  -- The words that bash offers for a line that ends at the cursor.
  local function offered_by_bash(line)
    local script = [[
      flarelight() { %s bin/flarelight "$@"; }
      source %s/flarelight.bash
      COMP_WORDS=(%s) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
      _flarelight_words
      printf '%%s\n' "${COMPREPLY[@]}"]]
    local path = system.write(folder .. "/complete", environment .. "\n" .. script:format(
      system.quote(system.interpreter), folder, line))
    local list = {}
    for word in system.shell("bash " .. path):gmatch "[^\n]+" do list[word] = true end
    return list
  end

  it("completes in bash", function()
    if not has "bash" then return pending "there is no bash" end
    system.write(folder .. "/flarelight.bash", run "completion bash")
    local token = prepare()
    local cases = {
      { "flarelight i", "imports" }, { "flarelight imports r", "resume" }, { "flarelight imports rows --fo", "--format" },
      { "flarelight imports rows --format ''", "sqlite" }, { "flarelight imports list --ca", "--ca-file" },
      { "flarelight imports resume ''", token }, { "flarelight imports rows ''", "1" },
      { "flarelight imports list --environment p", "prod" }, { "flarelight sandbox --fa", "--fault" },
    }
    for _, case in ipairs(cases) do
      assert.is_true(offered_by_bash(case[1])[case[2]], case[1])
    end
    assert.is_nil(offered_by_bash("flarelight imports list --environment p").test)
  end)

  it("is a good script for zsh and fish, with the same words", function()
    for shell, check in pairs { bash = "bash -n", zsh = "zsh -n", fish = "fish -n" } do
      local path = system.write(folder .. "/script", run("completion " .. shell))
      if has(shell) then
        local said, status = system.shell(("%s %s 2>&1"):format(check, path))
        assert.are.same({ "", 0 }, { said, status })
      end
    end
    local zsh = run "completion zsh"
    assert.are.equal(2, select(2, zsh:gsub('": :{_flarelight_words tokens}"', "")))
    assert.are.equal(2, select(2, zsh:gsub('": :{_flarelight_words ids}"', "")))
    if has "fish" then
      local token = prepare()
      system.write(folder .. "/flarelight.fish", run "completion fish")
      system.write(folder .. "/flarelight", ("#!/bin/sh\nexec %s bin/flarelight \"$@\"\n"):format(
        system.quote(system.interpreter)))
      local said = system.shell(("chmod +x %s/flarelight; %s HOME=%s PATH=%s:$PATH; export HOME; fish -c %s"):format(folder,
        environment, folder, folder, system.quote(("source %s/flarelight.fish; complete -C 'flarelight imports resume '")
          :format(folder))))
      assert.truthy(said:find(token, 1, true), said)
    end
  end)
end)
