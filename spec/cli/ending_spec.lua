--- How the command ends where its result cannot be printed, or Ctrl-C stops it: what it has done, and what is left to do.

local command = require "support.command"
local json = require "flarelight.json"
local support = require "support"
local system = require "support.system"

describe("the end of the command", function()
  local opened = support.opened(after_each)
  local sandbox, folder, environment

  local function shell(line, meanwhile) return command.shell(folder, environment, line, meanwhile) end

  before_each(function()
    folder = system.folder()
    sandbox = opened.sandbox { definitions = {
      preparations = { { id = 1, name = "one", target = "one", sql = "SELECT 1 AS a" } },
      automations = { { id = 1, name = "all", steps = { { preparation = 1 } } } },
    } }
    environment = command.environment(sandbox, folder) .. "\ncd " .. system.quote(folder)
    -- The command is run below the folder, so it is named by its whole path.
    local here = system.shell("pwd"):gsub("%s+$", "")
    environment = environment .. ("\nln -sfn %s/bin bin"):format(system.quote(here))
    system.write(folder .. "/g.csv", "id,name\n1,a\n2,b\n3,c\n")
    system.write(folder .. "/h.csv", "id,name\n1,a\n")
  end)

  describe("names what is done where standard output cannot take it:", function()
    local cases = {
      { "an upload", "imports upload g.csv", "\n  the upload is complete: import 1, 3 records, token %x+\n$" },
      { "several", "imports upload g.csv h.csv",
        "\n  the upload is complete: g.csv is import 1, .-\n  the upload is complete: h.csv is import 2, 1 record, token %x+\n$" },
      { "a start", "automations execute 1", "\n  the write was applied: automations execute 1\n$" },
      { "any write", "api POST /Automation/1/Execute", "\n  the write was applied: POST /Automation/1/Execute\n$" },
    }
    for _, case in ipairs(cases) do
      for how, reason in pairs { [">/dev/full"] = "No space left", [">&-"] = "Bad file descriptor" } do
        it(case[1] .. " " .. how, function()
          local out, err, status = shell(("flarelight %s %s"):format(case[2], how))
          assert.are.equal("", out)
          assert.are.equal(1, status, err)
          assert.matches("^flarelight: standard output: .*" .. reason, err)
          assert.matches(case[3], err)
          _, err = shell(("flarelight %s --json %s"):format(case[2], how))
          local told = assert(json.decode(err))
          assert.are.same({ "applied", "io" }, { told.fate, told.kind })
        end)
      end
    end

    it("nothing, where nothing was written", function()
      local _, err, status = shell "flarelight imports list --json >/dev/full"
      assert.are.equal(1, status)
      local told = assert(json.decode(err))
      assert.are.same({ kind = "io", message = told.message }, told)
      assert.matches("^standard output: [^;]*$", told.message)
    end)
  end)

  -- Sends Ctrl-C in the second batch of an upload. What is printed on standard error.
  local function interrupted(words)
    sandbox:fault { operation = "imports.import", kind = "stall", nth = 2, seconds = 60, after = "head" }
    local asked = folder .. "/asked"
    local line = ("%s bin/flarelight imports upload %s --batch-records 1 & running=$!\nuntil [ -e asked ]; do sleep 0.05; done\n"
      .. "kill -INT $running; wait $running; echo \"ended with $?\" >&2"):format(system.quote(system.interpreter), words)
    local _, err = shell(line, function()
      local ends = os.time() + 60
      while sandbox:hits().total == 0 and os.time() < ends do os.execute "sleep 0.05" end
      assert(io.open(asked, "w")):close()
    end)
    return err
  end

  it("names the files that Ctrl-C has left", function()
    local err = interrupted "g.csv h.csv 'another one.csv'"
    assert.matches("flarelight: g.csv: interrupted\nWhat has arrived stays. To go on:\n  flarelight imports resume %x+\n", err)
    assert.matches("\nNot uploaded: h.csv 'another one.csv'\nended with 130\n$", err)
  end)

  it("tells what Ctrl-C leaves of an upload without a state file", function()
    local err = interrupted "g.csv --state none"
    assert.matches("flarelight: interrupted\nWithout a state file it cannot go on. Import 1 keeps what has arrived: 1 record so far\n",
      err)
    assert.matches("ended with 130\n$", err)
  end)

  it("leaves no part of a compressed export or of a database, and says so", function()
    support.import(opened.client(sandbox), 30)
    for _, name in ipairs { "e.csv.gz", "e.sqlite" } do
      sandbox:clear_faults()
      os.remove(folder .. "/asked")
      sandbox:fault { operation = "imports.data", kind = "stall", nth = 2, seconds = 60, after = "head" }
      local before = sandbox:hits().total
      local _, err = shell(([[%s bin/flarelight imports rows 1 -o %s --page-size 10 & running=$!
        until [ -e asked ]; do sleep 0.05; done
        kill -INT $running; wait $running; echo "ended with $?" >&2; ls e.* 2>&1 >&2]]):format(
        system.quote(system.interpreter), name), function()
        local ends = os.time() + 60
        while sandbox:hits().total == before and os.time() < ends do os.execute "sleep 0.05" end
        assert(io.open(folder .. "/asked", "w")):close()
      end)
      assert.are.equal("flarelight: interrupted\n" .. name .. " was not written: SQLite and compressed files are written in one go\n"
        .. "ended with 130\n", err)
    end
  end)

  it("is the same where Ctrl-C comes before it has begun #uncounted", function()
    for _, module in ipairs { "flarelight.cli.ending", "flarelight", "argparse" } do
      local _, err, status = shell(([[LUA_INIT='package.preload["%s"] = function() error "interrupted!" end' \
        flarelight imports list]]):format(module))
      assert.are.same({ "flarelight: interrupted\n", 130 }, { err, status }, module)
    end
  end)

  describe("says in the words of a shell, with 2 and before it sends anything:", function()
    local cases = {
      { "imports pending", "neither XDG_STATE_HOME nor HOME is an absolute path", "XDG_STATE_HOME=rel HOME=rel" },
      { "sandbox pull -y -o /nonexistent/m.db", "/nonexistent/m.db cannot be written: .*No such file" },
      { "calibrate -y -o /nonexistent/p.json", "/nonexistent/p.json cannot be written: .*No such file" },
      { "imports resume nope", "the state file has no upload" }, { "imports forget nope", "the state file has no upload" },
      { "runs show nope", "the state file has no upload" }, { "runs forget nope", "the state file has no upload" },
      { "runs settle nope --again", "the state file has no key" },
      { "sandbox --definitions nope.lua", "cannot open nope.lua" },
      { "sandbox --database /nonexistent/x.db", "/nonexistent/x.db: unable to open database file" },
      { "sandbox --set x=1", "%-%-set: unknown option 'x' %(known: added_member, address, " },
      { "sandbox --fault imports.all:status:1,stat=5", "unknown option 'stat' %(known: .*status" },
      { "sandbox --fault imports.all:status:0", "nth must be at least 1" },
      { "imports rows 1 -o ''", "imports rows: %-o: should be the path of a file, or %- for standard output" },
      { "imports rows 1 -o x.csv --resume --continue", "whole file, and %-%-resume with its part" },
      { "imports rows 1 -o x.csv --continue --state none", "imports rows: %-%-continue: needs a state file: %-%-state FILE" },
    }
    for _, case in ipairs(cases) do
      it(case[1], function()
        local _, err, status = shell(("%s; flarelight %s"):format(case[3] and "export " .. case[3] or ":", case[1]))
        assert.matches(case[2], err)
        assert.are.equal(2, status, err)
        assert.are.same({}, sandbox:requests())
      end)
    end
  end)

  it("names the state file, and not its lock, where the folder is missing", function()
    local _, err, status = shell "flarelight imports upload g.csv --state /nonexistent/s.db"
    assert.are.same({ "flarelight: state: /nonexistent/s.db: No such file or directory\n", 1 }, { err, status })
  end)

  it("prints the quota where no state file can be made", function()
    local out, err, status = shell "unset XDG_STATE_HOME; HOME=/proc flarelight quota"
    assert.are.equal(0, status, err)
    assert.matches("limit +6,000", out)
    assert.matches("there is no shared budget without a state file: mkdir", err)
  end)

  it("of torture is told once, where the script never gets to an upload", function()
    system.write(folder .. "/nothing.lua", "return 1")
    system.write(folder .. "/boom.lua", 'error "boom"')
    local _, err, status = shell "flarelight torture nothing.lua"
    assert.are.equal(1, status)
    assert.matches("ends with status 0, but makes no upload and starts no run", err)
    _, err = shell "flarelight torture boom.lua"
    assert.matches("the script fails although nothing goes wrong %(status 1%)", err)
    assert.are.equal(1, select(2, err:gsub("boom.lua:1: boom", "")), err)
  end)
end)
