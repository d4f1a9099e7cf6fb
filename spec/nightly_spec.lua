-- The example of a night's work, as cron runs it: what it leaves, that it can be killed at every write and started
-- again, and the statuses with which it asks somebody to look.

local calls = require "flarelight.calls"
local state = require "flarelight.state"
local support = require "support"
local system = require "support.system"

local quote = system.quote
local STRIKES, WEATHER = "examples/data/birdstrikes.csv", "examples/data/seattle-weather.csv"

describe("the night's work", function()
  local opened = support.opened(after_each)
  local sandbox, folder, environment

  before_each(function()
    sandbox = opened.sandbox { definitions = "examples/definitions.lua" }
    folder = system.folder()
    environment = ("%s FLARELIGHT_STATE=%s"):format(system.environment(sandbox), quote(folder .. "/state.db"))
  end)

  local function command(strikes)
    return ("env %s %s examples/nightly.lua %s %s %s 2>&1"):format(environment, quote(system.interpreter),
      quote(strikes or STRIKES), quote(WEATHER), quote(folder))
  end

  -- Runs it and expects a status; what it printed.
  local function run(status, strikes)
    local out, found = system.shell(command(strikes))
    assert.are.equal(status, found, out)
    return out
  end

  -- A person's part, with a client of the same state file.
  local function with_client(use)
    local api = support.client(sandbox, { state = folder .. "/state.db" })
    local result = use(api)
    api:close()
    return result
  end
  local function explain(key)
    return with_client(function(api)
      local lines = {}
      for place, step in ipairs(assert(api:explain(key)).steps) do lines[place] = step.text end
      return table.concat(lines, "\n")
    end)
  end
  local function settle(key, how)
    return with_client(function(api) return assert(api:settle(key, how)) end)
  end

  local function writes()
    local count = 0
    for _, request in ipairs(sandbox:requests()) do
      if request.method == "POST" and request.operation ~= "reports.chart_data" then count = count + 1 end
    end
    return count
  end

  local function is_whole()
    local counts = sandbox:counts()
    assert.are.same({ 3, 10000 + 1461 + 12, 1 }, { counts.imports, counts.rows, counts.results })
    assert.are.equal(0, #sandbox:duplicates())
    assert.matches("^<%?xml.*</svg>", system.read(folder .. "/birdstrikes.svg"))
  end

  it("is done once, and says what it did", function()
    local out = run(0)
    for _, line in ipairs { "strikes   import 1, 10000 records\n", "weather   import 2, 1461 records\n", "prepared  ",
        "report    after .* s, seen in its entry\n", "chart     .*/birdstrikes.svg\n" } do
      assert.matches(line, out)
    end
    is_whole()
    local before = writes()
    out = run(0)
    assert.matches("strikes   import 1, 10000 records, loaded before\n", out)
    assert.are.equal(before, writes())
    is_whole()
  end)

  -- Starts it, kills it once `condition` holds, and waits for its end.
  local function kill_when(condition)
    local pipe, process = system.start(command())
    local ends = os.time() + 60
    while not condition() do
      assert(os.time() < ends, "the condition did not come true")
      os.execute "sleep 0.02"
    end
    os.execute("kill -KILL " .. process)
    pipe:read "*a"
    pipe:close()
  end

  -- Makes the writes in doubt older than the wait of the script, which would look for their end until then.
  local function pass_ten_minutes()
    with_client(function(api)
      local sql = state.sql "UPDATE writes SET sent = sent - 610"
      return assert(calls.done(calls.job(api, calls.store(api):run({ sql }, true))))
    end)
  end

  -- The waits that settle a doubt take seconds, and hang little on the Lua below.
  for _, each in ipairs(not system.reference and {} or {
    { "imports.import", 1 }, { "imports.import", 2 }, { "imports.import", 3 }, { "imports.import", 4 },
    { "preparations.execute", 1, "prepared" }, { "reports.generate", 1, "report" },
  }) do
    for _, kind in ipairs { "latency", "hang" } do -- carried out, or not
      it(("goes on after it was killed in write %d of %s, %s"):format(each[2], each[1], kind), function()
        sandbox:fault { operation = each[1], nth = each[2], kind = kind, seconds = 30 }
        kill_when(function() return sandbox:hits().total == 1 end)
        local key = each[3] and each[3] .. " of birdstrikes"
        if key and kind == "hang" then -- nothing shows whether it was carried out
          pass_ten_minutes()
          assert.matches("it is not known whether " .. each[1], run(3))
          assert.matches("it is not known whether " .. each[1], run(3))
          assert.matches("%f[%a]" .. each[1] .. " [^\n]*sent", (explain(key)))
          assert.matches("\nwrite 1: still in doubt: nothing that the service shows of ", (explain(key)))
          assert.is_true(settle(key, "again"))
        end
        run(0)
        if key and kind == "latency" then assert.matches("\nwrite 1: carried out: ", (explain(key))) end
        is_whole()
        local before = writes()
        run(0)
        assert.are.equal(before, writes())
      end)
    end
  end

  it("leaves the work to another process that is at it, and says which", function()
    sandbox:fault { operation = "imports.import", kind = "latency", seconds = 3 }
    local first, process = system.start(command())
    while sandbox:hits().total == 0 do os.execute "sleep 0.02" end
    os.execute("kill -STOP " .. process) -- so that it is at work still when the second one looks
    finally(function() os.execute("kill -CONT " .. process .. " 2>/dev/null") end)
    assert.matches("^nightly: imports:upload: process %d+ has been at work on this upload since %d+%-%d+%-%d+ [%d:]+ ",
      run(3))
    assert.are.equal(1, writes())
    os.execute("kill -CONT " .. process)
    assert.matches("\n0\n$", first:read "*a")
    first:close()
    is_whole()
  end)

  it("is done once by two processes that start at the same time", function()
    local both = ("%s; echo status $?"):format(command())
    local out = system.shell(("{ %s; } & { %s; } & wait"):format(both, both))
    local _, done = out:gsub("status 0\n", "")
    local _, left = out:gsub("status 3\n", "")
    -- The second finds the first at work, or, if the machine was slow to start it, the work done.
    assert.are.equal(2, done + left, out)
    assert.is_true(done >= 1, out)
    if left == 1 then
      local says = out:find "nightly: [^\n]*process %d+ has been at work on" or out:find "nightly: [^\n]*has just begun"
      assert.is_truthy(says, out)
    end
    is_whole()
    assert.are.equal(6, writes())
  end)

  it("asks somebody to look where the file is unlike the last one", function()
    run(0)
    local file = system.file("a,b\n1,2\n", ".csv")
    assert.matches('series "strikes"', run(3, file))
    assert.are.equal(3, sandbox:counts().imports)
  end)

  it("goes on after a service that was down", function()
    sandbox:fault { operation = "reports.generate", kind = "status", status = 404 }
    assert.matches("nightly: reports.generate: 404", run(1))
    run(0)
    is_whole()
  end)
end)
