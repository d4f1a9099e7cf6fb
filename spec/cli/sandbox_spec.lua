-- flarelight sandbox: faults of the command line, and a command that runs with the sandbox as its service.

local command = require "support.command"
local system = require "support.system"

describe("flarelight sandbox #slow", function()
  if not system.reference then return end
  local folder
  before_each(function() folder = system.folder() end)

  local function run(line, expected, environment)
    local out, err, status = command.shell(folder, environment or "", "flarelight sandbox " .. line)
    assert.are.equal(expected, status, err)
    return out, err
  end

  local own = ("%s bin/flarelight"):format(system.quote(system.interpreter))

  it("ends with the status of its command, and in its words for a signal", function()
    run("-- sh -c 'exit 7'", 7)
    run("-- sh -c 'kill -TERM $$'", 143)
    run("-- sh -c 'kill -KILL $$'", 137)
    run("-- nonsense_of_a_command 2>/dev/null", 127)
    assert.are.equal("a b\nc\n", (run("-- printf '%s\\n' 'a b' c", 0)))
  end)

  it("passes signals on to its command", function()
    -- It holds handlers back until waitpid returns.
    if os.getenv "SPEC_SANITIZER" == "thread" then return end
    for signal, status in pairs { TERM = 9, HUP = 9, INT = 9, USR1 = 9 } do
      local script = ("trap 'echo caught; exit 9' %s; echo $$ >%s/child; : >%s/ready; "
        .. "for _ in $(seq 6000); do sleep 0.01; done"):format(signal, folder, folder)
      os.remove(folder .. "/ready")
      -- A shell starts a background command with SIGINT ignored, so the signal comes from inside. nohup ignores SIGHUP.
      local line = ("(until [ -e %s/ready ]; do sleep 0.01; done; kill -%s $(ps -o ppid= -p $(cat %s/child))) & "
        .. "exec env --default-signal=%s %s sandbox -- sh -c %s"):format(folder, signal, folder, signal, own,
          system.quote(script))
      local out, code = system.shell("sh -c " .. system.quote(line))
      assert.are.same({ "caught\n", status }, { out, code }, signal)
    end
  end)

  it("takes none of the caller's settings along", function()
    local out = run("-- env", 0, "export FLARELIGHT_ENVIRONMENT=prod FLARELIGHT_PROXY=http://p FLARELIGHT_KEY_COMMAND=k "
      .. "FLARELIGHT_CA_FILE=/c FLARELIGHT_REGION=eu FLARELIGHT_API_KEY_FILE=/k")
    local names = {}
    for name in out:gmatch "(FLARELIGHT_[%u_]+)=" do
      if name ~= "FLARELIGHT_LUA" then names[#names + 1] = name end
    end
    table.sort(names)
    assert.are.same({ "FLARELIGHT_API_KEY", "FLARELIGHT_BASE_URL", "FLARELIGHT_STATE_FOLDER",
                      "FLARELIGHT_SUBSCRIPTION_ID" }, names)
  end)

  -- Runs a script of commands in a sandbox of its own with a port that stays the same. $1 is the command.
  local function inside(options, script)
    local out = run(("%s -- sh -c %s sh %s"):format(options, system.quote(script), folder), 0,
      ("export XDG_STATE_HOME=%s/state"):format(folder))
    return out
  end

  local function files(path)
    return (system.shell(("cd %s && find . -type f 2>/dev/null | sort"):format(system.quote(path))))
  end

  it("has a state and a profile of its own, which end with it", function()
    local csv = system.write(folder .. "/people.csv", "name\nAda\n")
    local port = system.shell(("%s sandbox -q -- sh -c 'echo $FLARELIGHT_BASE_URL'"):format(own)):match ":(%d+)\n"
    local script = ("%s imports upload -q %s --key nightly --json && %s calibrate --yes -q >$1/calibrated && "
      .. "echo $FLARELIGHT_STATE_FOLDER && ls $FLARELIGHT_STATE_FOLDER"):format(own, csv, own)
    system.shell(("mkdir -p %s/state"):format(folder))
    for _ = 1, 2 do
      local out = inside("-q --port " .. port, script)
      assert.matches('"batches": 1', out)
      assert.is_nil(out:find("already", 1, true), out)
      assert.matches("\nprofile%.json\n", out)
      assert.matches("\nstate%.db\n", out)
      assert.is_nil(io.open(out:match "\n(/[^\n]+)\n" .. "/."))
    end
    assert.are.equal("", files(folder .. "/state"))
  end)

  it("keeps the state of its command beside a database", function()
    local csv = system.write(folder .. "/people.csv", "name\nAda\n")
    local port = system.shell(("%s sandbox -q -- sh -c 'echo $FLARELIGHT_BASE_URL'"):format(own)):match ":(%d+)\n"
    local options = ("-q --port %s --database %s/box.db"):format(port, folder)
    local script = ("%s imports upload -q %s --key nightly --json"):format(own, csv)
    assert.is_nil(inside(options, script):find("already", 1, true))
    assert.matches('"already": true', inside(options, script))
    assert.matches("%./state%.db\n", files(folder .. "/box.db-state"))
  end)

  it("needs a command behind --", function()
    local _, err = run("--", 2)
    assert.matches("there is no command behind %-%-\n$", err)
  end)

  -- Runs a sandbox with an environment file, %s/e, and a line of shell beside it, where $pid is the sandbox and $box
  -- what to wait for; what the line prints. The sandbox prints the lines of the file once that would go with it, and
  -- sleeps then. `options`: of the command env.
  local function beside(line, options)
    local script = ([[rm -f %s/lines
      timeout -s KILL 60 env %s %s sandbox -q --environment-file %s/e >%s/lines & box=$!
      until [ -s %s/lines ] && ps -o stat= --ppid $box | grep -q ^S || ! kill -0 $box; do sleep 0.01; done
      pid=$(ps -o pid= --ppid $box)
      %s]]):format(folder, options or "", own, folder, folder, folder, line:gsub("%%s", folder))
    return (system.shell("sh -c " .. system.quote(script) .. " 2>/dev/null"))
  end

  it("removes its environment file, whatever signal ends it", function()
    for signal, status in pairs { TERM = 143, HUP = 129, INT = 0 } do
      local out = beside(("[ -e %%s/e ] && kill -%s $pid; wait $box; echo $?; ls %%s/e"):format(signal),
        "--default-signal=INT,HUP,TERM")
      assert.matches(signal == "INT" and "^%d+\n$" or "^" .. status .. "\n$", out, nil, nil, signal)
    end
  end)

  it("removes it, too, where Ctrl-C comes before it waits #uncounted", function()
    local before = system.write(folder .. "/before.lua", [[
      local output = require "flarelight.cli.output"
      local flush = output.flush
      function output.flush()
        output.flush = flush
        flush()
        error("interrupted!", 0)
      end
    ]])
    run(("-q --environment-file %s/e"):format(folder), 0, ("export LUA_INIT=@%s"):format(before))
    assert.is_false(system.exists(folder .. "/e"))
  end)

  it("leaves no temporary folder where a fault is refused #uncounted", function()
    local temporary = ("export LUA_INIT='os.tmpname = function() return \"%s/temporary\" end'"):format(folder)
    for _, line in ipairs { "--fault imports.all:status:0", "--port 70000" } do
      run(line .. " -- true", 2, temporary)
      assert.is_false(system.exists(folder .. "/temporary"), line)
    end
    assert.matches("/temporary\n", (run("-- env", 0, temporary)))
  end)

  it("leaves a file that another one has written since", function()
    local out = beside "echo other >%s/new; mv %s/new %s/e; kill -TERM $pid; wait $box; echo $?; cat %s/e"
    assert.are.equal("143\nother\n", out)
  end)

  it("sets faults", function()
    local _, err = run(("--fault imports.all:status:2,status=503 --fault '*:html:3,status=403' -- sh -c %s"):format(
      system.quote(("for n in 1 2 3 4; do %s imports list -q --max-attempts 1; echo $?; done"):format(own))), 0)
    assert.matches("503", err)
    assert.matches("403", err)
    assert.are.equal("0\n1\n1\n0\n", (system.read(folder .. "/out")))
    for line, message in pairs {
      ["html"] = "'html' is not OPERATION:KIND%[:NTH%]",
      ["imports.all:htl"] = "%-%-fault: unknown kind 'htl': it is none of .*commit_then_drop, ",
      ["nowhere:html"] = "%-%-fault: unknown operation 'nowhere': it is none of .*imports%.all, ",
      ["imports.all:html:0"] = "%-%-fault: nth",
      ["imports.all:html:1,colour=red"] = "%-%-fault: unknown option 'colour'",
      ["imports.all:html:1,red"] = "'red' is not NAME=VALUE",
    } do
      _, err = run("--fault " .. line .. " -- true", 2)
      assert.matches(message, err)
    end
  end)
end)
