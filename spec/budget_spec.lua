-- One rate limit for many processes: the budget in the file beside the state file. Counts only: how fast the requests go
-- is in bench/shared_budget.lua, and the arithmetic in spec/core/policy/lease_pool_spec.c and lease_spec.c.

local support = require "support"
local system = require "support.system"

describe("a shared budget", function()
  local opened = support.opened(after_each)
  local folder, state, sandbox

  before_each(function()
    folder = system.folder()
    state = folder .. "/state.db"
    sandbox = opened.sandbox { rate_limit = 40, rate_window = 60 }
  end)

  local function client(options) return opened.client(sandbox, support.with({ state = state }, options)) end

  -- Runs a script in `count` processes at once. Returns their outputs.
  local function processes(count, script)
    system.write(folder .. "/script.lua", script)
    return (system.shell(("cd %s && for n in $(seq %d); do %s %s %s script.lua & done; wait"):format(system.quote(folder), count,
      system.environment(sandbox), "ROOT=" .. system.quote(folder), system.quote(system.interpreter))))
  end

  local function statuses()
    local found = {}
    for _, request in ipairs(sandbox:requests()) do
      found[request.status] = (found[request.status] or 0) + 1
    end
    return found
  end

  it("is in a private file beside the state file, which no call without a state makes", function()
    local api = client()
    assert.equal("state file", api:quota().place)
    assert.is_nil(io.open(state .. "-budget"))
    assert(api.imports:all())
    assert.equal("state file", api:quota().place)
    assert.matches("^%-rw%-%-%-%-%-%-%-", (system.shell("ls -l " .. system.quote(state .. "-budget"))))
    assert.is_nil(io.open(state)) -- the state file itself is not needed for it
    local other = opened.client(sandbox, { subscription_id = support.subscription() })
    assert.equal("memory", other:quota().place)
  end)

  it("keeps all processes within the limit, and uses it", function()
    assert(client().imports:all()) -- what is not known cannot be shared
    local out = processes(6, [[
      local api = require("flarelight").new { state = os.getenv "ROOT" .. "/state.db", max_attempts = 1 }
      local good, refused, items = 0, 0, {}
      for n = 1, 20 do items[n] = n end
      api:map(items, function()
        local data, _, err = api.imports:all { deadline = 8 }
        if data then good = good + 1 elseif err.status == 429 then refused = refused + 1 end
      end, { concurrency = 20 })
      print(good, refused)
    ]])
    local good, refused, most, least = 0, 0, 0, 100
    for mine, no in out:gmatch "(%d+)%s+(%d+)" do
      mine = tonumber(mine)
      good, refused = good + mine, refused + tonumber(no)
      most, least = math.max(most, mine), math.min(least, mine)
    end
    assert.equal(0, refused, out)
    assert.is_nil(statuses()[429])
    assert.is_true(good >= 6 and good <= 39, out) -- eight seconds of sixty: the rest is spread
    assert.is_true(least >= 1, out)
  end)

  -- Makes `count` calls in a process of its own, which ends then. A process that goes on keeps its lease for a second.
  local function call(count)
    return processes(1, ([[
      local api = require("flarelight").new { state = os.getenv "ROOT" .. "/state.db" }
      for _ = 1, %d do assert(api.imports:all()) end
      local quota = api:quota()
      print(quota.limit, quota.remaining, quota.foreign, quota.place)
    ]]):format(count))
  end

  it("tells a new process the limit before its first request", function()
    call(3)
    assert.matches("40%s+37%s+0%s+state file", call(0))
  end)

  it("gets back what a process that ended did not use", function()
    for _ = 1, 3 do call(1) end
    assert.matches("40%s+36%s+0%s+state file", call(1))
    assert.matches("40%s+36%s+0%s+state file", call(0))
  end)

  it("counts the use of others once", function()
    call(1)
    sandbox:fault { kind = "foreign_use", requests = 5 }
    call(1)
    call(2)
    assert.matches("40%s+31%s+5%s+state file", call(0))
  end)

  it("is in memory while the file cannot be used, and calls go on", function()
    system.shell("mkdir " .. system.quote(state .. "-budget"))
    local api = client()
    for _ = 1, 3 do assert(api.imports:all()) end
    assert.equal("memory", api:quota().place)
    assert.equal(37, api:quota().remaining)
  end)

  it("leaves a file of another program alone", function()
    system.write(state .. "-budget", ("not a database, but a text of someone else\n"):rep(100))
    local api = client()
    assert(api.imports:all())
    assert.equal("memory", api:quota().place)
    assert.matches("^not a database", system.read(state .. "-budget"))
  end)

  it("costs no connection and no file without a state", function()
    local api = opened.client(sandbox)
    assert(api.imports:all())
    assert.equal("memory", api:quota().place)
    assert.equal("", (system.shell("ls " .. system.quote(folder))))
  end)
end)
