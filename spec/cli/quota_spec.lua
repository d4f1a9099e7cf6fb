-- flarelight quota --watch: the budget that processes share beside a state file, by process; a line each in a pipe, in
-- place on a terminal.

local command = require "support.command"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("quota --watch #timed", function()
  local opened = support.opened(after_each)
  local sandbox, folder, environment

  before_each(function()
    sandbox = opened.sandbox { rate_limit = 40, rate_window = 60 }
    folder = system.folder()
    environment = command.environment(sandbox, folder) .. " FLARELIGHT_STATE=" .. system.quote(folder .. "/state.db")
  end)

  -- Runs a command line while two processes have calls that wait for the budget, which are ended then.
  local function beside_others(line)
    local script = system.write(folder .. "/calls.lua", [[
      local folder, number = arg[1], tonumber(arg[2])
      local function exists(name)
        local file = io.open(folder .. "/" .. name)
        return file and file:close()
      end
      local function note(name) assert(io.open(folder .. "/" .. name, "w")):close() end
      local api = require("flarelight").new { state = os.getenv "FLARELIGHT_STATE" }
      assert(api.imports:all())
      -- Each has a request of the budget before one of them wants all of it.
      note("begun" .. number)
      repeat api:update(0.01) until exists("begun" .. 3 - number)
      for _ = 1, 60 do api:spawn(function() return api.imports:all() end) end
      repeat
        api:update(0.05)
        local waiting = 0
        for _, member in ipairs(require("flarelight.budget").members(api)) do
          if member.waiting > 0 then waiting = waiting + 1 end
        end
      until waiting == 2
      note "waiting"
      while true do api:update(1) end
    ]])
    local out, err, status = command.shell(folder, environment, ([[
      rm -f %s/begun? %s/waiting
      timeout 60 %s %s %s 1 >&2 & one=$!
      timeout 60 %s %s %s 2 >&2 & other=$!
      until [ -e %s/waiting ] || ! kill -0 $one $other 2>/dev/null; do sleep 0.05; done
      %s
      status=$?
      kill $one $other
      wait
      exit $status]]):format(folder, folder, system.quote(system.interpreter), script, folder,
        system.quote(system.interpreter), script, folder, folder, line))
    assert.are.equal(0, status, err)
    return out
  end

  it("prints a line a look in a pipe, and sends nothing", function()
    local out = command.shell(folder, environment, "flarelight quota --watch --count 2 --interval 0.1")
    local line = "%d+%-%d+%-%d+ %d+:%d+:%d+  no process has learned the limit yet\n"
    assert.matches("^" .. line .. line .. "$", out)
    assert.are.equal(0, #sandbox:requests())
    assert.is_nil(io.open(folder .. "/state.db-budget"))
    out = beside_others "flarelight quota --watch --count 1"
    assert.matches("  limit 40  left %d+  resets in [%d:]+ %a+  waiting %d+  by others 0  pace ", out)
    local _, members = out:gsub("  [%w%-%.]+:%d+ waiting %d+, has %d+, spent %d+, %S+", "")
    assert.are.equal(2, members, out)
  end)

  it("is JSON with --json, one object a line", function()
    local found = flarelight.json.decode((beside_others "flarelight quota --watch --count 1 --json"))
    assert.are.equal(40, found.limit)
    -- A service that names the end in whole seconds may mean one that is up to a second later (policy/rate_limit.c).
    assert.is_true(found.reset_in > 0 and found.reset_in <= 61 and found.reset > found.at, found.reset_in)
    assert.are.equal(2, #found.members)
    local waiting = 0
    for _, member in ipairs(found.members) do
      assert.is_true(member.process > 0 and member.spent > 0 and member.granted > 0)
      assert.is_string(member.machine)
      waiting = waiting + member.waiting
    end
    assert.are.equal(waiting, found.waiting)
    assert.is_true(waiting > 0)
  end)

  it("draws over itself on a terminal", function()
    if system.shell "command -v script" == "" then return end
    local line = ("stty cols 80; export TERM=xterm; %s bin/flarelight quota --watch --count 3 --interval 0.1"):format(
      system.quote(system.interpreter))
    local out = beside_others(("script -qec %s /dev/null </dev/null"):format(system.quote(line)))
    local _, tables = out:gsub("machine +process +waiting +has +spent  pace", "")
    assert.are.equal(3, tables, out)
    assert.matches("\27%[[345]A\r", out)
    for each in out:gmatch "[^\r\n]+" do
      assert.is_true(#each:gsub("\27%[%d*%a", "") < 80, each)
    end
  end)

  it("says that the file of the budget cannot be read", function()
    system.shell("mkdir " .. system.quote(folder .. "/state.db-budget"))
    local out, _, status = command.shell(folder, environment, "flarelight quota --watch --count 1")
    assert.are.equal(0, status)
    assert.matches("  the budget cannot be read: [^\n]+\n$", out)
  end)

  it("needs a state file, and --count goes with it", function()
    local _, err, status = command.shell(folder, environment, "flarelight quota --watch --state none")
    assert.are.equal(2, status)
    assert.matches("share by a state: %-%-state names it", err)
    _, err, status = command.shell(folder, environment, "flarelight quota --count 2")
    assert.are.equal(2, status)
    assert.matches("%-%-count goes with %-%-watch", err)
  end)

  it("knows what the user's other commands have sent, with the default state", function()
    environment = command.environment(sandbox, folder)
    local import = assert(opened.client(sandbox).imports:import { name = "people", records = { { name = "Ada" } } })
    local api = opened.client(sandbox)
    local id = assert(api.imports:all())[1].id
    assert.is_truthy(import)
    local before = #sandbox:requests()
    local out, err, status = command.shell(folder, environment, ([[
      flarelight imports list -q >/dev/null && flarelight imports data %d -q >/dev/null &&
      flarelight imports rows %d -q >/dev/null && flarelight api /Import/All >/dev/null &&
      flarelight quota --json]]):format(id, id))
    assert.are.equal(0, status, err)
    local found, sent = flarelight.json.decode(out), #sandbox:requests()
    assert.are.equal(5, sent - before) -- quota has sent nothing
    assert.are.same({ 40, 40 - sent }, { found.limit, found.remaining })
    -- Those before are the others.
    assert.are.equal(before, found.foreign)
    assert.is_nil(io.open(folder .. "/state/flarelight/state.db"))
  end)

  it("is no condition of a command that only reads", function()
    local base = command.environment(sandbox, folder)
    for _, trouble in ipairs {
      "export XDG_STATE_HOME=/dev/null", "unset XDG_STATE_HOME; export HOME=relative",
      ("mkdir -p %s/state/flarelight/state.db-budget"):format(folder),
      ("echo damaged >%s/damaged; export FLARELIGHT_STATE=%s/damaged"):format(folder, folder),
    } do
      local _, err, status = command.shell(folder, base .. "\n" .. trouble, "flarelight imports list")
      assert.are.same({ 0, "there are no imports\n" }, { status, err }, trouble)
    end
  end)

  it("is not touched by --curl", function()
    local _, _, status = command.shell(folder, command.environment(sandbox, folder), "flarelight imports list --curl")
    assert.are.equal(0, status)
    assert.is_nil(io.open(folder .. "/state"))
  end)
end)
