-- The command's words: an option that is refused is named as it was typed, a setting by the place where it was given,
-- and a message names the way on.

local command = require "support.command"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("the command's words", function()
  local opened = support.opened(after_each)
  local folder, environment, sandbox

  before_each(function()
    folder = system.folder()
    sandbox = opened.sandbox()
    environment = command.environment(sandbox, folder)
  end)

  local function run(line, expected, before)
    local out, err, status = command.shell(folder, environment .. "\n" .. (before or ""), "flarelight " .. line)
    assert.are.equal(expected, status, out .. err)
    return err, out
  end

  it("name the option whose value is refused", function()
    for line, message in pairs {
      ["imports data 1 --count x"] = "--count: 'x' is not a whole number above 0",
      ["imports rows 3 --limit x"] = "--limit: 'x' is not a whole number",
      ["imports rows 3 --page-size 0"] = "--page-size: '0' is not a whole number above 0",
      ["imports list --deadline abc"] = "--deadline: 'abc' is not a number above 0",
      ["imports list --tls-min 1.1"] = "--tls-min: '1.1' is not 1.2 or 1.3",
      ["imports list -H x"] = "--headers: 'x' is no header, as 'X-Team: data'",
      ["imports data 1 --start -1"] = "--start: '-1' is not a whole number",
      ["imports data 1 --start=-1"] = "--start: '-1' is not a whole number",
      ["imports list --read-timeout -0.5"] = "--read-timeout: '-0.5' is not a number above 0",
      ["imports data ''"] = "ID: an id is not empty",
      ["sandbox --port x"] = "--port: 'x' is not a whole number",
    } do
      local err = run(line, 2)
      assert.is_truthy(err:find("flarelight: " .. message .. "\n", 1, true), err)
    end
    assert.are.equal(0, #sandbox:requests())
  end)

  it("leave a number with a sign alone that no option takes", function()
    assert.matches("unknown option '%-1'", (run("imports list -1", 2)))
    local path = system.write(folder .. "/people.csv", "name\n-1\nAda\n")
    local _, out = run(("imports upload -q %s --nulls -1 --json"):format(path), 0)
    assert.are.equal(2, flarelight.json.decode(out).records)
  end)

  it("name options as they are typed", function()
    assert.is_truthy((run(("imports rows 3 --limit 4 -o %s/g.csv --continue"):format(folder), 2))
      :find("so that --limit has no place", 1, true))
    local path = system.write(folder .. "/people.csv", "name\nAda\n")
    assert.is_truthy((run(("imports upload %s --drift accept"):format(path), 2))
      :find("--drift goes with --series, ", 1, true))
  end)

  it("name the place of a setting", function()
    system.shell("mkdir -p " .. folder .. "/config/flarelight")
    local missing = folder .. "/missing"
    local function with(line)
      local path = system.write(folder .. "/config/flarelight/config.ini", "[here]\n" .. line .. "\n")
      system.shell("chmod 600 " .. path)
      return path, ("export XDG_CONFIG_HOME=%s/config FLARELIGHT_ENVIRONMENT=here"):format(folder)
    end
    for _, name in ipairs { "ca_file", "client_cert", "client_key", "profile" } do
      local path, before = with(name .. " = " .. missing)
      local found = ("flarelight: %s, line 2: %s: "):format(path, name)
      local err = run("imports list", 2, before)
      assert.is_truthy(err:gsub("%s+", " "):find(found, 1, true), err)
      local variable = "FLARELIGHT_" .. name:upper()
      err = run("imports list", 2, ("export %s=%s"):format(variable, missing))
      assert.is_truthy(err:find("flarelight: " .. variable .. ": ", 1, true), err)
      local flag = "--" .. name:gsub("_", "-")
      err = run(("imports list %s %s"):format(flag, missing), 2)
      assert.is_truthy(err:find("flarelight: " .. flag .. ": ", 1, true), err)
    end
    local path, before = with("proxy = http://:1:1")
    assert.is_truthy((run("imports list", 2, before)):gsub("%s+", " ")
      :find(("flarelight: %s, line 2: proxy should be a URL"):format(path), 1, true))
    path, before = with("ca_file = " .. missing)
    local _, out = run("doctor --json", 1, before)
    local checks = {}
    for _, each in ipairs(flarelight.json.decode(out)) do checks[each.check] = each end
    assert.is_truthy(checks.configuration.detail:find(path .. ", line 2: ca_file: ", 1, true))
    assert.are.equal("correct the setting: the message begins with where it came from", checks.configuration.advice)
  end)

  it("name all ways to give the key, and who tells where it came from", function()
    local err = run("imports list", 2, "unset FLARELIGHT_API_KEY"):gsub("%s+", " ")
    assert.is_truthy(err:find("give --key-file FILE, or set FLARELIGHT_API_KEY, FLARELIGHT_API_KEY_FILE or "
      .. "FLARELIGHT_KEY_COMMAND, or give --key-command COMMAND", 1, true), err)
    err = run("imports list", 1, "export FLARELIGHT_API_KEY=wrong")
    assert.matches("401.*\n  flarelight doctor tells where the key comes from\n$", err)
  end)

  it("say that no run is pending", function()
    run(("imports upload -q %s --key k"):format(system.write(folder .. "/people.csv", "name\nAda\n")), 0)
    assert.are.equal("no run is pending\n", (run("runs --pending", 0)))
  end)

  it("count the records of a key that is in conflict", function()
    run(("imports upload -q %s --key k"):format(system.write(folder .. "/people.csv", "name\nAda\n")), 0)
    local err = run(("imports upload -q %s --key k"):format(system.write(folder .. "/others.csv", "name\nEva\n")), 1)
    assert.is_truthy(err:gsub("%s+", " "):find("(1 record): give this one", 1, true), err)
  end)

  it("count the batches of a file without records as its upload does", function()
    local path = system.write(folder .. "/empty.csv", "name\n")
    local _, out = run(("plan %s --json"):format(path), 0)
    local plan = flarelight.json.decode(out)
    _, out = run(("imports upload -q %s --json"):format(path), 0)
    assert.are.same({ 1, 1 }, { plan.batches, flarelight.json.decode(out).batches })
    assert.are.equal(plan.writes, plan.batches)
  end)

  it("name the variable of a state that is refused", function()
    for _, line in ipairs { "imports list", "runs", "imports upload x.csv --name n" } do
      local err = run(line, 2, "export FLARELIGHT_STATE='postgresql://['")
      assert.is_truthy(err:find("FLARELIGHT_STATE: ", 1, true), err)
      assert.is_nil(err:find("--state: ", 1, true), err)
    end
  end)

  it("know the rate limit of the user's other commands in a plan", function()
    run("imports list -q", 0)
    local _, out = run(("plan %s --json"):format(system.write(folder .. "/people.csv", "name\nAda\n")), 0)
    assert.are.equal(6000, flarelight.json.decode(out).rate_limit)
  end)

  it("show the trace of a script that fails once", function()
    local script = system.write(folder .. "/script.lua", [[
      local api = assert(require("flarelight").new())
      assert(api:once("k", function() return api.reports:generate(1) end))
    ]])
    local err = run(("torture --servers plain --limit 1 %s"):format(script), 1)
    assert.are.equal(1, select(2, err:gsub("stack traceback", "")), err)
  end)
end)

describe("flarelight calibrate", function()
  local opened = support.opened(after_each)

  it("does not replace the profile of another service", function()
    local folder, sandbox = system.folder(), opened.sandbox()
    local environment = command.environment(sandbox, folder)
    local text = '{"version":1,"service":"https://integration.eu.flarelight.cloud","found":{},"evidence":{}}'
    system.shell(("mkdir -p %s/state/flarelight"):format(folder))
    for path, option in pairs { [folder .. "/state/flarelight/profile.json"] = "", [folder .. "/p.json"] = "-o p.json" } do
      system.write(path, text)
      local _, err, status = command.shell(folder, environment, "flarelight calibrate --yes -q " .. option:gsub("p%.json", path))
      assert.are.equal(2, status, err)
      assert.is_truthy(err:gsub("%s+", " "):find(("%s is the profile of https://integration.eu.flarelight.cloud, not of %s; "
        .. "--output FILE names another"):format(path, sandbox.url), 1, true), err)
      assert.are.equal(text, system.read(path))
    end
    assert.are.equal(0, #sandbox:requests())
    -- Its own is replaced.
    local own = "flarelight calibrate --yes -q -o " .. folder .. "/own.json >/dev/null"
    local _, err, status = command.shell(folder, environment, own .. " && " .. own)
    assert.are.equal(0, status, err)
  end)
end)
