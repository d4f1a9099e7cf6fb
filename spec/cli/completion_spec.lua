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
    -- A key is a text of others: no shell may expand it.
    for _, key in ipairs { "report of today", "$(touch " .. folder .. "/expanded)" } do
      assert(api:once(key, function() return 1 end))
    end
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
    local keys = {}
    for key in run("completion words keys"):gmatch "[^\n]+" do keys[key] = true end
    assert.is_true(keys["report of today"] and keys[token])
    assert.are.equal("", run "completion words doubts")
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
      { "flarelight -q imports resume --file x.csv ''", token }, { "flarelight imports --state s.db forget ''", token },
      { "flarelight completion z", "zsh" }, { "flarelight help o", "options" },
      { "flarelight help reports ''", "generate" },
      { "flarelight runs show 'report\\ of\\ t'", "report\\ of\\ today" },
    }
    for _, case in ipairs(cases) do
      assert.is_true(offered_by_bash(case[1])[case[2]], case[1])
    end
    assert.is_nil(offered_by_bash("flarelight imports list --environment p").test)
    assert.is_true(next(offered_by_bash "flarelight runs show '\\$'") ~= nil)
    offered_by_bash "flarelight runs show ''"
    assert.is_nil(system.read(folder .. "/expanded"))
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
    assert.are.equal(2, select(2, zsh:gsub('": :{_flarelight_words keys}"', "")))
    assert.are.equal(1, select(2, zsh:gsub('": :{_flarelight_words doubts}"', "")))
    assert.matches('\n    completion%)\n.-": :%(bash zsh fish%)" \\\n', zsh)
    assert.matches('\n    help%)\n.-"%*: :_flarelight_topics" \\\n', zsh)
    if has "zsh" then
      -- The words that it adds behind `help reports`, and for the keys.
      system.write(folder .. "/_flarelight", (zsh:gsub("\n_flarelight\n*$", "\n")))
      local token = prepare()
      local script = system.write(folder .. "/try", ([[%s
        flarelight() { %s bin/flarelight "$@"; }
        compadd() { if [ "$1" = -a ]; then print -rl -- "${(@P)2}"; else print -rl -- "$@"; fi; }
        source %s/_flarelight
        words=(help reports "") CURRENT=3
        _flarelight_topics
        _flarelight_words keys]]):format(environment, system.quote(system.interpreter), folder))
      local said = "\n" .. system.shell("zsh -f " .. script .. " 2>&1")
      for _, word in ipairs { "generate", "chart", token, "report of today" } do
        assert.truthy(said:find("\n" .. word .. "\n", 1, true), said)
      end
      assert.is_nil(system.read(folder .. "/expanded"))
    end
    if has "fish" then
      local token = prepare()
      system.write(folder .. "/flarelight.fish", run "completion fish")
      system.write(folder .. "/flarelight", ("#!/bin/sh\nexec %s bin/flarelight \"$@\"\n"):format(
        system.quote(system.interpreter)))
      local said = system.shell(("chmod +x %s/flarelight; %s HOME=%s PATH=%s:$PATH; export HOME; fish -c %s"):format(folder,
        environment, folder, folder, system.quote(("source %s/flarelight.fish; complete -C 'flarelight imports resume '")
          :format(folder))))
      assert.truthy(said:find(token, 1, true), said)
      said = system.shell(("%s HOME=%s PATH=%s:$PATH; export HOME; fish -c %s"):format(environment, folder, folder,
        system.quote(("source %s/flarelight.fish; "):format(folder)
          .. [[for l in 'completion ' 'help reports ' 'runs show '; complete -C "flarelight $l"; end]])))
      for _, word in ipairs { "zsh", "generate", "report of today" } do
        assert.truthy(("\n" .. said):find("\n" .. word .. "\n", 1, true), said)
      end
      assert.is_nil(system.read(folder .. "/expanded"))
    end
  end)
end)
