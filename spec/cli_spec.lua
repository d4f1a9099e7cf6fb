-- The command as a process: every subcommand, what goes to which stream, exit statuses, JSON, bad input.
-- The sandbox is here; the command finds it by the environment.

local commands = require "support.command"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

local interpreter, quick, quote, read = system.interpreter, system.checked, system.quote, system.read
local STRIKES = "examples/data/birdstrikes.csv"

local folder, environment

local function shell(line, meanwhile) return commands.shell(folder, environment, line, meanwhile) end

-- Runs the command and expects a status; what it printed.
local function run(status, line)
  local out, err, found = shell("flarelight " .. line)
  assert.are.equal(status, found, line .. "\n" .. out .. err)
  return out, err
end

local function json(line)
  local out, err = run(0, line .. " --json")
  assert.are.equal("", err)
  return assert(flarelight.json.decode(out))
end

local function use(sandbox) environment = commands.environment(sandbox, folder) end

describe("the command", function()
  local sandbox, api

  setup(function()
    folder = system.folder()
    sandbox = support.sandbox { definitions = "examples/definitions.lua" }
    api = support.client(sandbox)
  end)
  teardown(function()
    api:close()
    sandbox:stop()
  end)
  before_each(function()
    sandbox:reset()
    use(sandbox)
    os.execute("rm -rf " .. quote(folder .. "/state"))
  end)

  local function strikes()
    return assert(api.imports:upload { file = STRIKES, name = "strikes" }).id
  end

  describe("imports", function()
    it("lists", function()
      local out, err = run(0, "imports list")
      assert.are.equal("", out)
      assert.are.equal("there are no imports\n", err)
      assert.are.same({}, json "imports list")
      support.import(api, 3)
      out, err = run(0, "imports list")
      assert.matches("^id  name  description  records  createdAt", out)
      assert.matches("\n 1  spec +3  2", out)
      assert.are.equal("", err)
      assert.are.equal(3, json "imports list"[1].records)
    end)

    it("shows a page", function()
      assert(api.imports:import { records = { { name = "Gull\27[31m", cost = 10 }, { name = "Owl" } } })
      local out = run(0, "imports data 1")
      assert.are.equal("name       cost\nGull [31m    10\nOwl\n", out)
      out = run(0, "imports data 1 --start 1 --count 1 --json")
      assert.are.equal('[\n  {\n    "name": "Owl"\n  }\n]\n', out)
      assert.are.equal("", (run(0, "imports data 1 --start 5")))
    end)

    it("writes rows in each format", function()
      assert(api.imports:import { records = { { a = 1 }, { a = 2 }, { a = 3 } } })
      assert.are.equal("a\r\n1\r\n2\r\n3\r\n", (run(0, "imports rows 1")))
      assert.are.equal('{"a":2}\n', (run(0, "imports rows 1 --format jsonl --start 1 --limit 1")))
      assert.are.equal('[\n{"a":1},\n{"a":2},\n{"a":3}\n]\n', (run(0, "imports rows 1 --json --page-size 2")))
      assert.are.equal("[]\n", (run(0, "imports rows 1 --start 3 --json")))
      local out, err = run(0, "imports rows 1 -o " .. folder .. "/rows.jsonl")
      assert.are.equal("", out)
      assert.matches("rows.jsonl: 3 rows, 24 B", err)
      assert.are.equal('{"a":1}\n{"a":2}\n{"a":3}\n', read(folder .. "/rows.jsonl"))
      run(0, "imports rows 1 -q -o " .. folder .. "/rows.json")
      assert.are.equal('[\n{"a":1},\n{"a":2},\n{"a":3}\n]\n', read(folder .. "/rows.json"))
      assert.is_nil(io.open(folder .. "/rows.json.part"))
    end)

    it("uploads a file, and reads the same back", function()
      local out, err = run(0, ("imports upload %s --name strikes --batch-records 2500"):format(STRIKES))
      assert.matches("^import +1\nrecords +10000\nbatches +4\n", out)
      assert.are.equal("", err)
      local sent = flarelight.csv.rows(STRIKES)
      local row = sent:next()
      assert.are.same(row, json "imports data 1 --count 1"[1])
      sent:close()
      local result = json("imports upload examples/data/seattle-weather.csv")
      assert.are.equal(1461, result.records)
      assert.are.equal("seattle-weather", json "imports list"[2].name)
    end)
  end)

  describe("uploads that did not end", function()
    local function resumable(name)
      sandbox:fault { operation = "imports.import", kind = "status", status = 404, nth = 3 }
      local out, err = run(1, ("imports upload %s --name %s --batch-records 1000"):format(STRIKES, name))
      assert.are.equal("", out)
      local token = assert(err:match "What has arrived stays. To go on:\n  flarelight imports resume (%x+)\nTo give it up:\n")
      assert.matches("\n  flarelight imports forget " .. token .. "\n$", err)
      assert.matches("404", err)
      assert.matches("its batch: 1000 records from record 2001 on, line 2002 of the file", err)
      return token
    end

    it("are listed, and gone on with", function()
      local token = resumable "first"
      local list = json "imports pending"
      assert.are.equal(1, #list)
      assert.are.same({ token, 2000, 1 }, { list[1].token, list[1].records, list[1].id })
      assert.matches("^token +key +id +name +file +records +started", (run(0, "imports pending")))
      local result = json("imports resume -q " .. token)
      assert.are.same({ 10000, 10, 1, token }, { result.records, result.batches, result.id, result.token })
      assert.are.equal(10000, #sandbox:rows(1))
      local _, err = run(0, "imports pending")
      assert.are.equal("no upload is pending\n", err)
      _, err = run(0, "imports resume")
      assert.are.equal("no upload is pending\n", err)
    end)

    it("have to be named where there are two", function()
      resumable "first"
      sandbox:clear_faults()
      local second = resumable "second"
      local _, err = run(2, "imports resume")
      assert.matches("2 uploads are pending: name the token of one", err)
      run(0, "imports resume -q " .. second)
      assert.matches("\nrecords +10000\n", (run(0, "imports resume -q")))
      run(2, "imports resume nonsense")
    end)

    it("are gone on with after Ctrl-C, by what it prints", function()
      if quick then return end
      sandbox:fault { operation = "imports.import", kind = "latency", nth = 4, seconds = 60 }
      local out, err = shell(([[
        %s bin/flarelight imports upload %s --name strikes --batch-records 1000 & running=$!
        for i in $(seq 1000); do
          flarelight imports pending --json -q | grep -q '"records": 3000' && break
          sleep 0.05
        done
        kill -INT $running; wait $running; echo "ended with $?" >&2]]):format(quote(interpreter), STRIKES))
      assert.are.equal("", out)
      assert.matches("ended with 130\n", err)
      local command = assert(err:match "flarelight: interrupted\nWhat has arrived stays. To go on:\n  (flarelight imports resume %x+)\n")
      sandbox:clear_faults()
      out, err = shell(command .. " --settle 0.1 -q --json")
      assert.are.equal("", err)
      assert.are.equal(10000, flarelight.json.decode(out).records)
      assert.are.equal(10000, #sandbox:rows(1))
      assert.are.same({}, sandbox:duplicates())
    end)

    it("are forgotten where that is asked for", function()
      local token = resumable "first"
      local _, err = run(2, "imports forget")
      assert.matches("give either TOKEN or %-%-key KEY", err)
      _, err = run(2, "imports forget nonsense")
      assert.matches("imports forget: the state file has no upload \"nonsense\"", err)
      _, err = run(0, "imports forget " .. token)
      assert.are.equal("forgotten; what has arrived stays in the import\n", err)
      assert.are.same({}, json "imports pending")
      assert.are.equal(2000, #sandbox:rows(1))
      sandbox:clear_faults()
      sandbox:fault { operation = "imports.import", kind = "status", status = 404, nth = 2 }
      run(1, ("imports upload %s --key k --batch-records 5000"):format(STRIKES))
      assert.are.same({ forgotten = "k" }, json "imports forget --key k")
      _, err = run(2, "imports forget --key k")
      assert.matches("has no upload", err)
    end)

    it("that are in conflict name the way out", function()
      local path = folder .. "/changes.csv"
      system.write(path, "a\n1\n2\n3\n")
      sandbox:fault { operation = "imports.import", kind = "status", status = 404, nth = 2 }
      run(1, ("imports upload %s --batch-records 1"):format(path))
      system.write(path, "a\n4\n5\n6\n")
      local _, err = run(1, "imports resume")
      local forget = assert(err:match "forget this upload %(flarelight imports forget%) and .*To give it up:\n  (flarelight imports forget %x+)\n$", err)
      assert.are.equal(0, (select(3, shell(forget))))
    end)

    it("are not there without a state file", function()
      run(0, ("imports upload %s -q --state none"):format(STRIKES))
      local _, err = run(2, "imports pending --state none")
      assert.matches("needs a state file", err)
    end)
  end)

  it("loads a file under a key once", function()
    local first = json(("imports upload %s -q --key today"):format(STRIKES))
    local again = json(("imports upload %s -q --key today"):format(STRIKES))
    assert.are.same({ first.id, first.token, true }, { again.id, again.token, again.already })
    local _, said = run(0, ("imports upload %s --key today"):format(STRIKES))
    assert.matches("^already loaded on %d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d, 10,000 records; nothing was sent\n$", said)
    assert.are.equal(1, sandbox:counts().imports)
    local _, err = run(1, "imports upload examples/data/seattle-weather.csv -q --key today")
    assert.matches("today", err)
  end)

  it("runs automations, preparations and reports", function()
    strikes()
    assert.matches("^id +1\nname +Strikes by month and size\nstatus +Completed\nrows +12\n",
      (run(0, "preparations execute 1")))
    assert.are.equal("Strikes by month", json "preparations list"[1].target)
    assert.are.equal("Generated", json "reports generate 1".status)
    assert.matches("Strikes through the year +Generated", (run(0, "reports list")))
    assert.are.equal("Completed", json [[automations execute 1 --parameters '{"least": 3}']].status)
    local bodies = support.requests(sandbox, "automations.execute")
    assert.are.equal('{"least":3}', bodies[1].body)
    shell([[echo '{"from": "stdin"}' | flarelight automations execute 1 --parameters @-]])
    bodies = support.requests(sandbox, "automations.execute")
    assert.are.equal('{"from":"stdin"}', bodies[2].body)
  end)

  it("waits for runs", function()
    strikes()
    local out, err = run(0, "preparations execute 1 --wait")
    assert.matches("^id +1\nname +Strikes by month and size\n", out)
    assert.matches("^done after .* %(changed: .*updatedAt%)\n$", err)
    out, err = run(0, "reports generate --wait=60 1 --json")
    assert.are.equal("Generated", flarelight.json.decode(out).status)
    assert.are.equal("", err)
    err = select(2, run(0, "automations execute 1 --wait --until-report 1"))
    assert.matches("changed: generatedAt; status Generated", err)
    run(0, "automations execute 1 -q --wait=60 --until-preparation 1")
    assert.are.equal(2, sandbox:counts().runs)
    for _, case in ipairs {
      { "automations execute 1 --wait", "automations execute %-%-wait: .*: give %-%-until%-report ID or %-%-until%-preparation ID\n$" },
      { "automations execute 1 --until-report 1", "need %-%-wait" },
      { "reports generate 1 --wait=soon", "'soon' is not a number above 0" },
    } do
      err = select(2, run(2, case[1]))
      assert.matches(case[2], err)
    end
  end)

  it("shows the status at the end of a run, and with --json the reply to its start", function()
    local slow = support.sandbox { definitions = "examples/definitions.lua", run_seconds = 0.1, run_shows = "status" }
    local its_api = support.client(slow)
    assert(its_api.imports:upload { file = STRIKES, name = "strikes" })
    use(slow)
    local line = "preparations execute 1 --wait=60"
    for _ = 1, 2 do assert.matches("\nstatus +Completed\n", (run(0, line .. " --key k"))) end
    assert.are.equal("Running", flarelight.json.decode((run(0, line .. " --json"))).status)
    its_api:close()
    slow:stop()
  end)

  it("shares the rate limit by the state that is named, in reads, too", function()
    local path = folder .. "/named.db"
    run(0, "imports list --state " .. path)
    assert.is_true(system.exists(path .. "-budget"))
    os.remove(path .. "-budget")
    run(0, "imports list --state none")
    assert.is_false(system.exists(path .. "-budget"))
  end)

  it("starts a run once with a key, and tells what happened to it", function()
    strikes()
    run(0, "preparations execute 1 --key k --wait=60 -q")
    local out, err = run(0, "preparations execute 1 --key k --wait=60")
    assert.matches("^id +1\n", out)
    assert.matches("already done on .*; nothing was sent\n$", err)
    assert.are.equal(1, #support.requests(sandbox, "preparations.execute"))
    for line, other in pairs {
      ["automations execute 1 --key k"] = 'of "preparations execute 1"',
      ["preparations execute 2 --key k"] = 'of "preparations execute 1"',
      ["preparations execute 1 --key k --parameters '{\"a\":1}'"] = "of other parameters",
    } do
      err = select(2, run(1, line))
      assert.matches('the key "k" is ' .. other .. ", done on [%d%-: ]+: choose another key for this start", err)
    end
    assert.are.equal(1, #support.requests(sandbox, "preparations.execute"))
    assert.are.equal(0, #support.requests(sandbox, "automations.execute"))
    sandbox:fault { operation = "reports.generate", kind = "commit_then_drop" }
    run(3, "reports generate 1 --key 'r 1' -q")
    err = select(2, run(3, "reports generate 1 --key 'r 1'"))
    assert.matches("not known whether reports.generate /Report/1/Generate was carried out", err)
    assert.matches("\n  flarelight runs show 'r 1'\nOnce you know:\n  flarelight runs settle 'r 1' %-%-done", err)
    assert.matches("once +r 1 +in_doubt", (run(0, "runs --pending")))
    out = run(0, "runs show 'r 1'")
    assert.matches("state +in_doubt\n", out)
    assert.matches("\n%d+%-%d+%-%d+ %d+:%d+:%d+  write 1: in doubt", out)
    assert.matches("\nlook at /Report/1/Generate: was it carried out at or after %d+%-%d+%-%d+ %d+:%d+:%d+%?\n", out)
    local shown = flarelight.json.decode((run(0, "runs show k --json")))
    assert.are.same({ "once", "done" }, { shown.kind, shown.steps[#shown.steps].event })
    run(2, "runs settle 'r 1'")
    run(2, "runs settle 'r 1' --again --result 1")
    run(0, [[runs settle 'r 1' --done --result '{"seen": true}' -q]])
    assert.is_true(flarelight.json.decode((run(0, "reports generate 1 --key 'r 1' --json"))).seen)
    assert.are.equal(1, #support.requests(sandbox, "reports.generate"))
    run(0, "runs settle k --again")
    run(0, "preparations execute 1 --key k -q")
    assert.are.equal(2, #support.requests(sandbox, "preparations.execute"))
    run(0, "runs forget k")
    assert.matches("runs show: the state file has no upload", select(2, run(2, "runs show nothing")))
    assert.are.equal(1, #flarelight.json.decode((run(0, "runs list --limit 9 --json"))))
  end)

  it("says after Ctrl-C where the state of a run shows that it waited for", function()
    if quick then return end
    strikes()
    sandbox:fault { operation = "automations.execute", kind = "lose_run" }
    local out, err = shell(([[
      %s bin/flarelight automations execute 1 --wait --until-report 1 -q & running=$!
      for i in $(seq 1000); do [ -e %s/waiting ] && break; sleep 0.05; done
      kill -INT $running; wait $running; echo "ended with $?" >&2]]):format(quote(interpreter), folder), function()
      local ends = os.time() + 60
      while #support.requests(sandbox, "reports.all") < 2 and os.time() < ends do os.execute "sleep 0.05" end
      system.write(folder .. "/waiting", "")
    end)
    assert.are.equal("", out)
    assert.matches("flarelight: interrupted\nThe run may have been started. .*:\n  flarelight reports list\nended with 130\n$", err)
  end)

  it("tells whether a run that it waited for has failed, or is not known to have ended", function()
    strikes()
    sandbox:fault { operation = "preparations.execute", kind = "fail_run", message = "no disk" }
    local _, err = run(1, "preparations execute 1 --wait")
    assert.matches('^flarelight: preparations.execute: the run of preparation 1 has failed: its status is "Failed": no disk\n$', err)
    sandbox:fault { operation = "reports.generate", kind = "lose_run", times = 2 }
    _, err = run(3, "reports generate 1 --wait=0.2 -q")
    assert.matches("the end of report 1 was not seen within 0.2 s: nothing that the service shows has changed\n"
      .. "  the run was started; look for its end before you start it again\n$", err)
    _, err = run(3, "reports generate 1 --wait=0.2 --json")
    local told = assert(flarelight.json.decode(err))
    assert.are.same({ "timeout", "applied", "Running", true },
      { told.kind, told.fate, told.data.status, told.proof.acknowledged })
    run(1, "reports generate 9 --wait -q")
  end)

  it("draws charts", function()
    strikes()
    run(0, "automations execute 1 -q")
    assert.matches("Jan │[█▒░]+ 400\n", (run(0, "reports chart --report 1 --stacked --width 60")))
    assert.matches("reports chart: give %-%-report ID, or %-%-query JSON", select(2, run(2, "reports chart")))
    assert.are.equal("Jan", json [[reports chart --query '{"reportId": 1}']].labels[1])
    local out, err, _ = run(0, "reports chart --report 1 --title Strikes -o " .. folder .. "/chart.svg")
    assert.are.equal("", out)
    assert.matches("chart.svg: written", err)
    assert.matches("<svg.*Strikes", read(folder .. "/chart.svg"))
    for _, format in ipairs { "png", "pdf" } do
      _, err = run(2, "reports chart --report 1 --format " .. format)
      assert.matches("--format " .. format .. " needs -o FILE", err, 1, true)
    end
    assert.matches("^label,small,medium,large\r\nJan,", (run(0, "reports chart --report 1 --format csv")))
    _, err = run(1, "reports chart --report 1 --axis time -o " .. folder .. "/chart.pdf")
    assert.matches("--axis time: data.labels[1]: should be a date or time, but is Jan", err, 1, true)
    run(0, "reports chart --report 1 --axis labels -q -o " .. folder .. "/chart.html")
    assert.truthy(read(folder .. "/chart.html"):find(("Source: %s/Report/ChartData {&quot;reportId&quot;:1}<br>")
      :format(sandbox.url), 1, true))
  end)

  it("tells quota, versions and health, and never the key", function()
    local out = run(0, "quota")
    assert.matches("^limit +6,000 requests a minute\nleft ", out)
    assert.are.equal(6000, json "quota".limit)
    assert.are.equal(flarelight._VERSION, json "version".version)
    local err
    out, err = run(0, "doctor")
    for _, check in ipairs { "lua", "libraries", "key", "configuration", "service", "clock", "rate limit" } do
      assert.matches("ok +" .. check, out)
    end
    assert.matches("warning +tls", out)
    assert.is_nil((out .. err):find(sandbox.api_key, 1, true))
  end)

  it("says what is wrong with a setting", function()
    local function failed(changes, check, detail)
      local out, _, status = shell(changes .. " flarelight doctor --json")
      assert.are.equal(1, status)
      local found
      for _, each in ipairs(flarelight.json.decode(out)) do
        if each.check == check then found = each end
      end
      assert.are.equal("failed", found.result)
      assert.matches(detail, found.detail)
    end
    failed("export FLARELIGHT_API_KEY=;", "key", "no key")
    failed("export FLARELIGHT_API_KEY=wrong;", "service", "401")
    failed("export FLARELIGHT_SUBSCRIPTION_ID=wrong;", "configuration", "UUID")
    failed("export FLARELIGHT_BASE_URL=http://127.0.0.1:1;", "service", "127.0.0.1")
    failed("export XDG_STATE_HOME=/dev/null;", "state", "/dev/null")
    local ahead = support.sandbox { clock_skew = 3600 }
    use(ahead)
    failed("", "clock", "behind the service's")
    ahead:stop()
  end)

  it("plans an upload without key and network", function()
    environment = "unset FLARELIGHT_API_KEY FLARELIGHT_BASE_URL FLARELIGHT_SUBSCRIPTION_ID"
    local out, err = run(0, ("plan %s --rate-limit 2 --batch-records 1000 --show 1"):format(STRIKES))
    assert.are.equal("", err)
    assert.matches("records +10,000\n", out)
    assert.matches("requests +%d+: 10 writes", out)
    assert.matches("Cost Repair +number\n", out)
    assert.matches('\n  {"Airport Name":"BARKSDALE AIR FORCE BASE ARPT",.*"Speed IAS in knots":300}\n$', out)
    local plan = json(("plan %s --rate-limit 2 --batch-records 1000"):format(STRIKES))
    assert.are.equal(10, plan.writes)
    assert.are.equal(plan.requests, plan.writes + plan.reads)
    assert.are.equal(plan.requests / 2, plan.minutes_of_quota)
    assert.are.equal(300, plan.first_records[1]["Speed IAS in knots"])
    assert.are.equal(0, #sandbox:requests())
  end)

  it("plans what the upload then sends", function()
    local one = system.file("a\n1\n", ".csv")
    for _, arguments in ipairs {
      STRIKES .. " --batch-records 2500", STRIKES .. " --batch-records 10000", STRIKES .. " --batch-records 2500 --state none",
      STRIKES .. " --batch-records 10000 --state none", one, one .. " --state none",
    } do
      sandbox:clear_log()
      local plan = json("plan " .. arguments)
      run(0, "imports upload -q " .. arguments)
      assert.are.equal(plan.writes, #support.requests(sandbox, "imports.import"))
      assert.are.equal(plan.requests, #sandbox:requests())
    end
  end)

  it("calibrates once it is told to go on, and keeps the profile", function()
    local _, err, status = shell "echo n | flarelight calibrate"
    assert.are.equal(1, status)
    assert.matches("4 writes to a new import named .* 16 to %d+ requests", err)
    assert.matches("nothing was sent", err)
    assert.are.equal(0, #sandbox:requests())
    local out
    out, err, status = shell "echo y | flarelight calibrate -q"
    assert.are.equal(0, status, err)
    assert.matches("update +append +3 rows and then 3 more are 6\n", out)
    assert.are.equal(1, sandbox:counts().imports)
    local profile = json "calibrate --yes -q"
    assert.are.equal("append", profile.found.update)
    assert.are.same(profile, flarelight.json.decode(read(folder .. "/state/flarelight/profile.json")))
    _, err = run(2, "calibrate 1 --yes")
    assert.matches("has more than 100 rows", err)
    run(0, "imports list --profile " .. folder .. "/state/flarelight/profile.json")
    _, err = run(2, "imports list --profile /nowhere")
    assert.matches("/nowhere", err)
  end)

  it("calibrates runs, and waits by what it has found", function()
    strikes()
    run(0, "preparations execute 1 -q")
    for line, reason in pairs {
      ["calibrate --runs"] = "%-%-runs needs %-%-preparation ID or %-%-report ID",
      ["calibrate --report 1"] = "%-%-preparation and %-%-report need %-%-runs",
    } do
      assert.matches(reason, (select(2, run(2, line))))
    end
    local _, err, status = shell "echo n | flarelight calibrate --runs --preparation 1 --report 1"
    assert.are.equal(1, status)
    assert.matches("It starts preparation 1 and report 1 once, .*What the last run has made there is replaced", err)
    assert.are.equal(1, #support.requests(sandbox, "preparations.execute"))
    local path = folder .. "/runs.json"
    local out = run(0, "calibrate --runs --preparation 1 --report 1 --yes -o " .. path)
    assert.matches("preparations  import: updatedAt +the import that it makes changed 1 time", out)
    assert.matches("reports +entry: generatedAt, rows, status +its entry changed 1 time", out)
    local kept = assert(flarelight.json.decode(read(path)))
    assert.are.same({ "import", "target" }, { kept.runs.preparations.seen_in, kept.runs.preparations.import })
    run(0, ("preparations execute 1 --wait -q --profile %s"):format(path))
    run(0, ("calibrate --yes -q -o %s"):format(path))
    kept = assert(flarelight.json.decode(read(path)))
    assert.are.same({ "append", "entry" }, { kept.found.update, kept.runs.reports.seen_in })
    run(1, ("calibrate --runs --preparation 9 --yes -q -o %s"):format(path))
  end)

  it("tortures a script, and tells how to do it again #slow", function()
    if quick then return end
    local weather = "examples/data/seattle-weather.csv"
    local out, err = run(1, ("torture --only plain/net:committed:2 spec/torture/careless.lua %s"):format(weather))
    assert.matches("^REPEATED +plain/net:committed:2  2 runs  lost 0, repeated 1000\n", out)
    assert.matches("\n1 point: lost 0, repeated 1000\n$", out)
    assert.is_truthy(err:find("again: flarelight torture --only 'plain/net:committed:2' 'spec/torture/careless.lua' '"
      .. weather .. "'\n", 1, true))
    out = run(0, ("torture --only plain/step:batch.answered:2 --settle 0.1 --run-wait 2 %s %s 500"):format(
      "spec/torture/loading.lua", weather))
    assert.matches("^exact +plain/step:batch.answered:2  2 runs\n", out)
    assert.matches("lost 0, repeated 0\n$", out)
    local _
    _, err = run(1, "torture no-such-script.lua")
    assert.matches("no%-such%-script.lua: cannot be opened", err)
    run(2, "torture spec/torture/loading.lua --servers nonsense")
    run(2, "torture spec/torture/loading.lua --kinds nonsense")
    _, err = run(2, "torture spec/torture/loading.lua --state nightly.db")
    assert.matches("%-%-state: should be a URL of PostgreSQL", err)
    run(2, "torture")
    _, err = run(2, "torture spec/torture/loading.lua --set required_columns=must")
    assert.equal("flarelight: required_columns must be a table\n", err)
  end)

  -- Every command and every command of a group, as --help lists them.
  it("shows help everywhere, on standard output, and docs/command.md names it", function()
    local page, found = read "docs/command.md", {}
    local function visit(command)
      local out, err = run(0, command .. " --help")
      assert.matches("^Usage: flarelight " .. command, out)
      assert.are.equal("", err)
      found[command] = true
      local list = out:match "\nCommands:\n(.-)\n\n" or out:match "\nCommands:\n(.*)$"
      if not list and command ~= "" then assert.truthy(page:find(command, 1, true), command) end
      for name in ("\n" .. (list or "")):gmatch "\n   (%l+)" do visit((command .. " " .. name):gsub("^ ", "")) end
    end
    visit ""
    for _, command in ipairs { "imports list", "imports data", "imports rows", "imports upload", "imports pending",
      "imports resume", "imports forget", "automations execute", "preparations list", "preparations execute",
      "reports list", "reports generate", "reports chart", "quota", "plan", "calibrate", "torture", "doctor", "sandbox",
      "version" } do
      assert.is_true(found[command], command)
    end
    assert.matches("^flarelight %d", (run(0, "--version")))
  end)

  it("ends with 2 where it is used wrongly, and sends nothing", function()
    local cases = {
      { "", "a command is required" }, { "nonsense", "unknown command 'nonsense'" },
      { "imports", "a command is required" }, { "imports list extra", "too many arguments" },
      { "imports data", "missing argument 'id'" }, { "imports data ''", "an id is not empty" },
      { "imports data .", "" }, { "imports data 1 --count none", "not a whole number above 0" },
      { "imports list --nonsense", "unknown option '%-%-nonsense'" },
      { "imports rows 1 --format xml", "must be one of" }, { "imports rows 1 --resume", "%-o FILE" },
      { "imports rows 1 --columns ,", "a column without a name" },
      { "imports upload " .. STRIKES .. " --types zip=integer", "COLUMN=number" },
      { "imports upload " .. STRIKES .. " --id 7", "needs %-%-update append" },
      { "automations execute 1 --parameters '{'", "inside a value at byte 2" },
      { "automations execute 1 --parameters '[1]'", "should be an object" },
      { "automations execute 1 --parameters @/nowhere", "No such file" },
      { "imports list --subscription nonsense", "should be a UUID" },
      { "imports list --base-url http://example.com", "sent unencrypted; use https://\n" },
      { "imports list --key-file /nowhere", "No such file" },
      { "sandbox --set nonsense=1", "unknown option" }, { "sandbox --set ids", "is not NAME=VALUE" },
      { "sandbox --port 70000", "must be from 0 to 65535" },
    }
    for _, case in ipairs(cases) do
      local out, err = run(2, case[1])
      assert.are.equal("", out)
      assert.matches(case[2], err, 1, false)
      assert.is_nil(err:find "traceback", case[1])
    end
    local _, err, status = shell "FLARELIGHT_API_KEY= flarelight imports list"
    assert.are.equal(2, status)
    assert.matches("the API key is missing: give %-%-key%-file FILE, or set FLARELIGHT_API_KEY", err)
    assert.are.equal(0, #sandbox:requests())
  end)

  it("ends with 1 where it is refused or fails", function()
    local _, err = run(1, "imports data 99")
    assert.matches("404 Not Found", err)
    _, err = run(1, "imports upload no-such-file.csv")
    assert.matches("no%-such%-file.csv: .*No such file", err)
    _, err = run(1, "plan no-such-file.csv")
    assert.matches("No such file", err)
    _, err = run(1, "imports rows 99 -o " .. folder .. "/none.csv")
    assert.matches("404", err)
    assert.is_nil(io.open(folder .. "/none.csv"))
  end)

  it("tells errors as one line of JSON with --json", function()
    local function told(status, line)
      local out, err = run(status, line)
      assert.are.equal("", out)
      assert.matches("^[^\n]+\n$", err)
      return assert(flarelight.json.decode(err))
    end
    local err = told(1, "imports data 99 --json")
    assert.are.same({ "not_found", 404, "imports.data" }, { err.kind, err.status, err.operation })
    assert.matches("^imports.data: 404 Not Found", err.message)
    assert.are.equal("usage", told(2, "imports list --json --nonsense").kind)
    assert.are.equal("config", told(2, "imports list --json --subscription nonsense").kind)
    assert.are.equal("io", told(1, "imports upload no-such-file.csv -q --json").kind)
    sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" }
    assert.are.equal("in_doubt", told(3, "automations execute 1 -q --json").fate)
    sandbox:clear_faults()
    sandbox:fault { kind = "throttle", retry_after = 100 }
    err = told(1, "imports list --json -q --deadline 20")
    assert.are.equal("rate_limited", err.kind)
    assert.is_true(err.retry_at > os.time())
  end)

  it("says which commands there are, and which names", function()
    local _, err = run(2, "imports ls")
    assert.matches("unknown command 'ls'\nThe commands are: list, data, rows, upload, diff, pending, resume", err)
    _, err = run(2, "torture spec/torture/loading.lua --kinds nonsense")
    assert.matches("there is no kind \"nonsense\" %(known: step, net, fault, twice, mix, clean%)", err)
  end)

  it("writes no format under the name of another", function()
    support.import(api, 1)
    for _, name in ipairs { "x.xlsx", "x.html", "x.pdf", "x.xlsx.gz", "a.b/x.Txt.GZ" } do
      local _, err = run(2, ("imports rows 1 -o %s/%s"):format(folder, name))
      assert.matches("the ending %.%a+ names no format that can be written %(known: %.csv, .*%-%-format FORMAT", err)
      assert.is_false(system.exists(folder .. "/" .. name))
    end
    run(0, ("imports rows 1 -q -o %s/x.xlsx --format csv"):format(folder))
    run(0, ("imports rows 1 -q -o %s/no-ending"):format(folder))
    assert.are.equal("n\r\n0\r\n", read(folder .. "/no-ending"))
    local _, err = run(2, ("reports chart --report 1 -o %s/x.gif"):format(folder))
    assert.matches("the ending .gif names no format", err)
    assert.are.equal(0, #support.requests(sandbox, "reports.chart_data"))
  end)

  it("uploads, plans and compares standard input", function()
    local input = " - --input-format csv <" .. system.file("id\n1\n2\n", ".csv")
    local result = json("imports upload --name piped" .. input)
    assert.are.same({ { id = 1 }, { id = 2 } }, sandbox:rows(result.import or result.id))
    assert.are.equal(2, json("plan" .. input).records)
    local _, err = run(2, "imports upload - <" .. system.file("id\n1\n"))
    assert.matches("imports upload: %-%-input%-format: is needed for standard input", err)
    _, err = run(2, "plan - <" .. system.file("id\n1\n"))
    assert.matches("plan: %-%-input%-format: is needed for standard input", err)
    assert.is_nil(json("plan" .. input).dialect.compression)
    for _, command in ipairs { "imports upload", "plan" } do
      _, err = run(2, command .. " - -" .. input)
      assert.matches("standard input can be read only once", err)
    end
  end)

  it("maps the records of an upload by a file of Lua", function()
    local file = system.file("id\n1\n2\n", ".csv")
    local map = system.file("return function(r) return r.id > 1 and { n = r.id } or nil end", ".lua")
    local result = json(("imports upload %s --map %s --name mapped"):format(file, map))
    assert.are.same({ { n = 2 } }, sandbox:rows(result.import or result.id))
    assert.are.same({ "{\"n\":2}" }, { flarelight.json.encode(json(("plan %s --map %s"):format(file, map)).first_records[1]) })
    assert.matches("equal +yes", (run(0, ("imports diff %s %s --map %s"):format(file, result.import or result.id, map))))
    local bad = system.file("return function(r) return r.id end", ".lua")
    local _, err = run(1, ("imports upload %s --map %s"):format(file, bad))
    assert.matches("imports upload: map: .*, line 2: the function should return a table", err)
    _, err = run(2, ("imports upload %s --map %s"):format(file, system.file("return 5", ".lua")))
    assert.matches("should return a function", err)
  end)

  it("writes rows by every flag of an export", function()
    assert(api.imports:import { name = "spec", records = {
      { a = 1, b = "=x;y" }, { a = 2, b = "z" }, { a = 3, b = "" }, { a = 4, b = "-1" } } })
    local path = system.path ".csv"
    local odd = system.file("return function(row) return row.a % 2 == 1 end", ".lua")
    for _, case in ipairs {
      { "--delimiter ';' --columns a,b --limit 1", 'a;b\r\n1;"=x;y"\r\n' },
      { "--format tsv --columns b,a --limit 1", "b\ta\r\n=x;y\t1\r\n" },
      { "--delimiter '\\t' --columns b,a --limit 1", "b\ta\r\n=x;y\t1\r\n" },
      { "--bom --columns a --start 3", "\239\187\191a\r\n4\r\n" },
      { "--escape-formulas --columns b,a", "b,a\r\n'=x;y,1\r\nz,2\r\n\"\",3\r\n'-1,4\r\n" },
      { "--where " .. odd .. " --columns a", "a\r\n1\r\n3\r\n" },
      { "--where " .. odd .. " --columns a --format json", '[\n{"a":1},\n{"a":3}\n]\n' },
    } do
      assert.are.equal(case[2], (run(0, "imports rows 1 " .. case[1])))
      run(0, ("imports rows 1 -q %s -o %s%s"):format(case[1], path, case[1]:find "json" and " --format json" or ""))
      assert.are.equal(case[2], read(path))
    end
    for _, ending in ipairs { ".csv.gz", ".tsv.bz2", ".json.zst", ".jsonl.xz", ".json.zip" } do
      path = system.path(ending)
      local _, err = run(0, "imports rows 1 -o " .. path)
      assert.is_truthy(err:find(("%s: 4 rows, %d B"):format(path, #read(path)), 1, true), err)
      run(0, ("imports diff %s 1"):format(path))
    end
    path = system.path ".sqlite.gz"
    run(0, ("imports rows 1 -q -o %s --table birds"):format(path))
    assert.matches('CREATE TABLE "birds"', (system.shell("gzip -dc " .. path)))
    for _, case in ipairs {
      { "-o x.csv.gz --resume", "imports rows: --resume: a compressed file %(.gz%) is written in one go" },
      { "-o x.json.zip --continue", "imports rows: --continue: a compressed file %(.zip%)" },
      { "-o x.sqlite --continue", "imports rows: --continue: a database is written in one go" },
      { "-o x.csv --continue --limit 1", "imports rows: --continue: .*limit" },
      { "-o x.csv --continue --resume", "imports rows: --continue: " }, { "--continue", "%-%-continue needs %-o FILE" },
      { "-o x.json --bom", "imports rows: --bom: is an option of CSV" }, { "-o x.csv --table t", "--table: " },
      { "--delimiter 1", "imports rows: --delimiter: " }, { "--where /nowhere.lua", "nowhere.lua" },
      { "--where " .. system.file("return 1", ".lua"), "should return a function" }, { "-o x.csv.7z", "ending .7z" },
    } do
      local _, err = run(2, "imports rows 1 " .. case[1])
      assert.matches(case[2]:gsub("^imports rows: %-%-", "imports rows: %%-%%-"):gsub("^%-%-", "%%-%%-"), err)
    end
    local _, err = run(1, "imports rows 1 --where " .. system.file("return function() return nil, 'a reason' end", ".lua"))
    assert.matches("imports rows: %-%-where: row 0: a reason", err)
    for code, words in pairs {
      ["error()"] = "error%(%) was called without a message", ["error('boom', 0)"] = "boom", ["error{}"] = "table: ",
      ["error('boom')"] = "%.lua:1: boom",
    } do
      local mistaken = system.file("return function() " .. code .. " end", ".lua")
      _, err = run(1, "imports rows 1 --where " .. mistaken)
      assert.is_truthy(err:find(mistaken, 1, true), err)
      assert.matches(words, err)
      assert.is_nil(err:find("mistake in the command", 1, true))
    end
    _, err = run(2, "reports generate 1 --wait 60")
    assert.matches("%[%-%-wait%[=SECONDS%]%]", err)
    assert.matches("too many arguments %(the seconds of %-%-wait stand in its word: %-%-wait=60%)", err)
  end)

  it("appends to a file with --continue, and goes on with a JSON array with --resume", function()
    local other = support.sandbox { update = "append" }
    local client = support.client(other)
    use(other)
    for _, ending in ipairs { ".csv", ".json", ".jsonl" } do
      local id, path = assert(client.imports:import { records = { { a = 1 }, { a = 2 } } }).id, system.path(ending)
      for count = 1, 3 do
        local _, err = run(0, ("imports rows %s -o %s --continue"):format(id, path))
        assert.is_truthy(err:find(("%d row"):format(#other:rows(id)), 1, true), err)
        assert.are.equal((run(0, ("imports rows %s --format %s"):format(id, ending:sub(2)))), read(path))
        if count == 1 then assert(client.imports:import { id = id, records = { { a = 3 }, { a = 4 } } }) end
      end
      local text = read(path)
      system.write(path .. ".part", text:sub(1, -6))
      os.remove(path)
      run(0, ("imports rows %s -q -o %s --resume"):format(id, path))
      assert.are.equal(text, read(path))
      system.write(path, text:sub(1, -6))
      local _, err = run(1, ("imports rows %s -o %s --continue"):format(id, path))
      assert.matches("begin anew without", err)
    end
    client:close()
    other:stop()
  end)

  it("compares a file with an import, and ends with 1 where they differ", function()
    local id = assert(api.imports:import { records = { { a = 1 }, { a = 2 } } }).id
    local same, first, second = system.file("a\n1\n2\n", ".csv"), system.file("a\n1\n", ".csv"),
      system.file("a\n3\n", ".csv")
    assert.matches("^equal +yes\nrecords +2\nrows +2\n$", (run(0, ("imports diff %s %s"):format(same, id))))
    local parts = ("imports diff %s %s --part %s"):format(first, id, second)
    assert.matches("^equal +no\nrecords +2\nrows +2\nrow +1\nline +2\ncolumn +a\nfile +3\nimport +2\n$",
      (run(1, parts)))
    local found = flarelight.json.decode((run(1, parts .. " --json")))
    assert.are.same({ position = 1, line = 2, column = "a", here = 3, there = 2 }, found.first_difference)
    local _, err = run(1, ("imports diff %s %s"):format(system.file("a;b\n1;2\n", ".csv"), id))
    assert.matches("imports diff: .*%-%-delimiter ';' divides it", err)
    run(2, "imports diff x.csv")
  end)

  it("divides lists of columns as CSV does", function()
    assert(api.imports:import { records = { { ["a, b"] = 1, ['say "c"'] = 2, d = 3 } } })
    assert.are.equal('"a, b","say ""c"""\r\n1,2\r\n',
      (run(0, [[imports rows 1 --columns '"a, b","say ""c"""']])))
    local _, err = run(1, "imports rows 1 --columns d,e")
    assert.matches('imports rows: no row has the column "e": there are .*"a, b"', err)
    _, err = run(1, ("imports rows 1 --columns d,e -o %s"):format(system.path ".csv"))
    assert.is_nil(err:find "resume") -- it would end with the same error
    _, err = run(2, [[imports rows 1 --columns '"a, b']])
    assert.matches("a quote is not closed", err)
    local path = system.file('"Zip, code","x=y"\n00501,1\n', ".csv")
    for _, types in ipairs { '"Zip, code"=text,x=y=number', '"Zip, code=text","x=y=number"' } do
      local plan = json(("plan %s --types '%s'"):format(path, types))
      assert.are.same({ ["Zip, code"] = "00501", ["x=y"] = 1 }, plan.first_records[1])
    end
    _, err = run(1, ("plan %s --types zip=text"):format(path))
    assert.matches('column "zip" is given a type, but the file does not have it: there are "Zip, code", "x=y"', err)
  end)

  it("takes files whose names are not UTF-8", function()
    local path = folder .. "/Z\252rich.csv"
    system.write(path, "a\n1\n")
    local result = json(("imports upload %s"):format(quote(path)))
    assert.are.equal("Z\239\191\189rich", json "imports list"[1].name)
    assert.are.equal(1, result.records)
    assert.matches("Z\239\191\189rich.csv", json("plan " .. quote(path)).file)
    sandbox:fault { operation = "imports.import", kind = "status", status = 404, nth = 2 }
    system.write(path, "a\n1\n2\n3\n")
    run(1, ("imports upload %s --batch-records 1"):format(quote(path)))
    assert.matches("Z\239\191\189rich.csv", json "imports pending"[1].file)
    run(0, "imports resume -q")
  end)

  it("blames the key where the key is wrong", function()
    local out, _, status = shell "FLARELIGHT_API_KEY=wrong flarelight doctor"
    assert.are.equal(1, status)
    assert.matches("failed +service +.*401.*%(the key is from FLARELIGHT_API_KEY%)\n", out)
    assert.matches("skipped +rate limit", out)
  end)

  it("counts one as one", function()
    support.import(api, 1)
    local _, err = run(0, "imports rows 1 -o " .. folder .. "/one.csv")
    assert.matches("one.csv: 1 row, ", err)
    sandbox:fault { operation = "imports.import", kind = "status", status = 404 }
    _, err = run(1, "imports upload examples/data/seattle-weather.csv --batch-records 1")
    assert.matches("its batch: 1 record from record 1 on", err)
  end)

  it("runs a command on a sandbox of its own, and ends with its status", function()
    environment = "unset FLARELIGHT_API_KEY FLARELIGHT_BASE_URL FLARELIGHT_SUBSCRIPTION_ID; FLARELIGHT_COMMAND="
      .. quote(interpreter) .. " export FLARELIGHT_COMMAND"
    local out, err, status = shell [[flarelight sandbox --definitions examples/definitions.lua -- sh -c '
      $FLARELIGHT_COMMAND bin/flarelight preparations list --json -q; exit 7']]
    assert.are.equal(7, status, err)
    assert.matches("Strikes by month", out)
    assert.are.equal("", err)
    assert.are.equal(128 + 15, (select(3, shell "flarelight sandbox -- sh -c 'kill -TERM $$'")))
  end)

  -- What a terminal is given.
  local function on_terminal(term, line)
    local text = shell(([[TERM=%s script -qec '%s bin/flarelight %s' /dev/null </dev/null]]):format(term, interpreter, line))
    return text
  end

  it("draws a bar on a terminal, and lines on one that is dumb", function()
    if select(2, system.shell "command -v script") ~= 0 then return pending "there is no script(1)" end
    local upload = "imports upload " .. STRIKES .. " --batch-records 1000"
    assert.matches("\r[^\n]*100 %%[^\n]*\27%[K\r?\nimport +1\r?\n", on_terminal("xterm", upload))
    local dumb = on_terminal("dumb", upload)
    assert.matches("records +10000", dumb)
    assert.is_nil(dumb:gsub("\r\n", "\n"):find "[\r\27]")
    -- Rows on the terminal are progress enough: no bar stands where the prompt comes.
    assert.is_nil(on_terminal("xterm", "imports rows 1 --limit 3"):find "\27")
    -- An error begins on a line of its own.
    sandbox:fault { operation = "imports.import", kind = "status", status = 404, nth = 3 }
    assert.matches("\27%[K\r?\n\27%[1;31mflarelight: \27%[0mimports.import: 404", on_terminal("xterm", upload))
  end)

  it("counts a wait down on a terminal #slow", function()
    if select(2, system.shell "command -v script") ~= 0 then return pending "there is no script(1)" end
    sandbox:fault { operation = "imports.all", kind = "throttle", retry_after = 3 }
    local text = on_terminal("xterm", "imports list --state none")
    assert.matches("waiting 3 s: .*waiting 2 s: .*waiting 1 s: .*\r\27%[Kthere are no imports", text)
  end)

  it("ends with 3 in doubt", function()
    sandbox:fault { operation = "automations.execute", kind = "commit_then_drop" }
    local out, err = run(3, "automations execute 1")
    assert.are.equal("", out)
    assert.matches("in_doubt: the write may have happened", err)
  end)

  it("takes the key from a file, and has no option for it", function()
    local path = system.file(sandbox.api_key .. "\n")
    local _, err, status = shell("FLARELIGHT_API_KEY= flarelight imports list --key-file " .. path)
    assert.are.equal(0, status, err)
    run(2, "imports list --api-key x")
  end)

  it("runs a sandbox until it is interrupted", function()
    if quick then return end -- lua's own interpreter has the handler
    local out, err = shell(([[
      %s bin/flarelight sandbox --definitions examples/definitions.lua --set ids=uuid >%s/env 2>%s/log &
      running=$!
      for i in $(seq 1000); do grep -q SUBSCRIPTION %s/env && break; sleep 0.05; done
      . %s/env
      flarelight preparations list --json
      flarelight imports upload %s -q --json
      kill -INT $running
      wait $running
      echo "ended with $?" >&2
      cat %s/log >&2]]):gsub("%%s", function() return "%s" end)
      :format(quote(interpreter), folder, folder, folder, folder, STRIKES, folder))
    assert.matches("Strikes by month", out)
    assert.matches('"id": "%x+%-%x+%-4', out)
    assert.matches("ended with 0\n", err)
    assert.matches("The sandbox runs at http://127.0.0.1:%d+ until Ctrl%-C", err)
    assert.matches("  200  GET /Preparation/All", err)
    assert.matches("The sandbox has stopped", err)
  end)

  it("goes on with rows after Ctrl-C, by what it prints", function()
    if quick then return end
    support.import(api, 300)
    sandbox:fault { operation = "imports.data", kind = "latency", nth = 3, seconds = 60 }
    local out, err = shell(([[
      %s bin/flarelight imports rows 1 --page-size 100 --columns n -o %s/rows.csv & running=$!
      for i in $(seq 1000); do grep -q '^199' %s/rows.csv.part 2>/dev/null && break; sleep 0.05; done
      kill -INT $running; wait $running; echo "ended with $?" >&2]]):format(quote(interpreter), folder, folder))
    assert.are.equal("", out)
    assert.matches("ended with 130\n", err)
    local command = assert(err:match "^flarelight: interrupted\nThe rows so far are in [^\n]*/rows.csv.part. To go on:\n  ([^\n]+)\n")
    sandbox:clear_faults()
    local _, said, status = shell(command)
    assert.are.equal(0, status, command .. said)
    assert.are.equal(301, select(2, read(folder .. "/rows.csv"):gsub("\n", "")))
  end)

  it("leaves when it is interrupted", function()
    if quick then return end
    sandbox:fault { operation = "imports.all", kind = "stall", seconds = 60, after = "head" }
    -- Not before it has asked: until then nobody has told it what an interrupt is.
    local asked = folder .. "/asked"
    local _, err = shell(([[
      %s bin/flarelight imports list & running=$!
      until [ -e %s ]; do sleep 0.05; done
      kill -INT $running; wait $running; echo "ended with $?" >&2]]):format(quote(interpreter), asked), function()
      local ends = os.time() + 60
      while sandbox:hits().total == 0 and os.time() < ends do os.execute "sleep 0.05" end
      assert(io.open(asked, "w")):close()
    end)
    assert.matches("flarelight: interrupted\nended with 130\n", err)
  end)
end)
