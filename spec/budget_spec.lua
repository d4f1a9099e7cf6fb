-- One rate limit for many processes: the budget in the file beside the state file, and in PostgreSQL. Counts only: how
-- fast the requests go is in bench/shared_budget.lua, and the arithmetic in spec/core/policy/lease_pool_spec.c and
-- lease_spec.c.

local budget = require "flarelight.budget"
local support = require "support"
local system = require "support.system"
local postgres = require "support.postgres"

-- Runs a script in `count` processes at once, with the state in STATE. Returns their outputs.
local function processes(sandbox, state, count, script)
  local folder = system.folder()
  system.write(folder .. "/script.lua", script)
  return (system.shell(("cd %s && for n in $(seq %d); do %s STATE=%s %s script.lua & done; wait"):format(
    system.quote(folder), count, system.environment(sandbox), system.quote(state), system.quote(system.interpreter))))
end

describe("a shared budget in a file #timed", function()
  local opened = support.opened(after_each)
  local folder, state, sandbox

  before_each(function()
    folder = system.folder()
    state = folder .. "/state.db"
    sandbox = opened.sandbox { rate_limit = 40, rate_window = 60 }
  end)

  local function client(options) return opened.client(sandbox, support.with({ state = state }, options)) end

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

-- What holds for both places. `begin()` returns the option `state` of a test; nil where the place cannot be tried.
local function behaves(place, begin)
  local opened = support.opened(after_each)
  local state, sandbox

  local function test(what, run)
    it(what, function()
      state = begin()
      if not state then return pending "PostgreSQL, or the module for it, is not installed, or the Lua is not 5.4" end
      sandbox = opened.sandbox { rate_limit = 40, rate_window = 60 }
      run()
    end)
  end

  local function client(options) return opened.client(sandbox, support.with({ state = state }, options)) end

  local function statuses()
    local found = {}
    for _, request in ipairs(sandbox:requests()) do
      found[request.status] = (found[request.status] or 0) + 1
    end
    return found
  end

  test("keeps all processes within the limit, and uses it", function()
    assert(client().imports:all()) -- what is not known cannot be shared
    local out = processes(sandbox, state, 6, [[
      local api = require("flarelight").new { state = os.getenv "STATE", max_attempts = 1 }
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
    return processes(sandbox, state, 1, ([[
      local api = require("flarelight").new { state = os.getenv "STATE" }
      for _ = 1, %d do assert(api.imports:all()) end
      local quota = api:quota()
      print(quota.limit, quota.remaining, quota.foreign, quota.place)
    ]]):format(count))
  end

  test("tells a new process the limit before its first request", function()
    call(3)
    assert.matches("40%s+37%s+0%s+" .. place, call(0))
  end)

  test("gets back what a process that ended did not use", function()
    for _ = 1, 3 do call(1) end
    assert.matches("40%s+36%s+0%s+" .. place, call(1))
    assert.matches("40%s+36%s+0%s+" .. place, call(0))
  end)

  test("counts the use of others once", function()
    call(1)
    sandbox:fault { kind = "foreign_use", requests = 5 }
    call(1)
    call(2)
    assert.matches("40%s+31%s+5%s+" .. place, call(0))
  end)

  test("tells the processes that share it", function()
    local api, members = client(), nil
    local items = {}
    for n = 1, 60 do items[n] = n end
    api:map(items, function(n)
      if n > 1 then return api.imports:all { deadline = 4 } end
      return api:wait_until(function()
        members = budget.members(api)
        return #members > 0
      end, { timeout = 10, interval = 0.1 })
    end, { concurrency = 60 })
    assert.are.equal(1, #members)
    assert.is_true(members[1].spent + members[1].waiting > 1)
  end)
end

describe("a shared budget in a state file #timed", function()
  behaves("state file", function() return system.folder() .. "/state.db" end)
end)

describe("a shared budget in PostgreSQL #timed", function()
  local opened = support.opened(after_each)
  local server, name
  -- The place is C code, whatever the Lua is.
  setup(function()
    server = system.reference and pcall(require, "flarelight.postgres_core") and postgres.start() or nil
  end)
  teardown(function() if server then server:stop() end end)

  local function begin()
    if not server then return nil end
    local url
    url, name = server:database()
    return url
  end

  behaves("postgresql", begin)

  local function test(what, run)
    it(what, function()
      local url = begin()
      if not url then return pending "PostgreSQL, or the module for it, is not installed, or the Lua is not 5.4" end
      local sandbox = opened.sandbox { rate_limit = 400, rate_window = 60 }
      run(url, function() return opened.client(sandbox, { state = url }) end)
    end)
  end

  test("is in memory while the server is lost; calls go on, and it comes back by itself", function(_, client)
    local api = client()
    for _ = 1, 3 do assert(api.imports:all()) end
    assert.are.equal("postgresql", api:quota().place)
    server:kill()
    for _ = 1, 3 do assert(api.imports:all { deadline = 20 }) end
    assert.is_true(api:wait_until(function()
      assert(api.imports:all { deadline = 20 })
      return api:quota().place == "memory"
    end, { timeout = 60, interval = 0.3 }))
    server:resume()
    assert.is_true(api:wait_until(function()
      assert(api.imports:all { deadline = 20 })
      return api:quota().place == "postgresql"
    end, { timeout = 60, interval = 0.5 }))
  end)

  test("is kept in a schema of an older version, which gets its tables", function(_, client)
    local api = client()
    assert(api.imports:all())
    server:sql(name, "DROP TABLE flarelight.services, flarelight.members, flarelight.replies, flarelight.salt;"
      .. " DROP SEQUENCE flarelight.write_marks; UPDATE flarelight.version SET number = 1")
    -- The process has a connection still, and finds out with its next question.
    assert.is_true(api:wait_until(function()
      assert(api.imports:all())
      return server:sql(name, "SELECT number FROM flarelight.version") == "3\n" and api:quota().place == "postgresql"
    end, { timeout = 60, interval = 0.5 }))
    assert.are.equal("3\n", server:sql(name, "SELECT number FROM flarelight.version"))
    assert.are.equal("1\n", server:sql(name, "SELECT count(*) FROM flarelight.services"))
  end)
end)
