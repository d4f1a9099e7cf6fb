-- The binding, called as no script should call it: errors are fine, a crash of the process is not. Each group of calls
-- runs in a process of its own.

local support = require "support"
local system = require "support.system"

-- BINDING_CALLS asks for more: 100000 take some minutes.
local CALLS = tonumber(os.getenv "BINDING_CALLS") or system.checked and 1000 or 4000

describe("the binding", function()
  local opened = support.opened(after_each)
  local folder

  before_each(function()
    folder = system.path()
    system.shell(("mkdir %s && ln -s /dev/null %s/device"):format(system.quote(folder), system.quote(folder)))
  end)

  after_each(function() system.shell("rm -rf " .. system.quote(folder)) end)

  -- The modules' paths may be relative, and the process runs in `folder`.
  local function run(arguments)
    local output, status = system.shell(([[here=$PWD; absolute() { printf %%s "$1" | sed "s|\(^\|;\)\([^/;]\)|\1$here/\2|g"; }
      LUA_PATH=$(absolute "$LUA_PATH") LUA_CPATH=$(absolute "$LUA_CPATH"); export LUA_PATH LUA_CPATH
      cd %s && %s %s 2>&1 >/dev/null]]):format(system.quote(folder), system.interpreter, arguments))
    return output, status
  end

  it("leaves standard output as it is where a file could not be opened before", function()
    local said = system.shell(([[cd %s && : >out && chmod 600 out && %s -e '
      local e = require("flarelight.core").exporter "csv"
      assert(not e:open("missing/x.csv"))
      e:standard_output()
      assert(e:finish())' >out; stat -c %%a out]]):format(system.quote(folder), system.interpreter))
    assert.are.equal("600\n", said)
  end)

  -- Each is to raise. `client`, `reply`, `job`, `page` and `p` (a path) are at hand.
  local wrong = {
    "core.guard(5).release(io.stdout)", "core.guard(5).release(core.exporter 'csv')", "core.guard(-1)", "core.guard(0/0)",
    "core.guard(1e300)", "core.guard(2^63)", "core.guard(1.5)", "getmetatable(reply).__gc(io.stdout)",
    "getmetatable(reply).__gc(core.null)", "getmetatable(reply).__gc()", "reply.outcome(job)", "job.outcome(reply)",
    "getmetatable(job).__gc(io.stdout)", "getmetatable(page).__gc(client)", "page.next(io.stdout)", "page.next(reply)",
    "page.batch({}, 0, 1)", "core.store(p):run({ 1 }, true)", "core.store(p):run({ { 'SELECT 1' } }, true)",
    "core.store(p):run({ { 'SELECT 1', n = 2^31 } }, true)", "core.store(p):run({ { 'SELECT 1', n = -1 } }, true)",
    "page:columns({ a = 5 }, 0, 3)", "page:columns({}, -1, 3)", "page:columns({}, 2^31 - 1, 3)", "page:columns({}, 0, 0/0)",
    "page:batch({}, -5, 3)", "page:batch({}, 2^53, 3)", "page:begin(0/0)", "core.cancel(-1)", "core.cancel(0/0)",
    "core.cancel(1e300)", "core.advance(0)", "core.advance(1/0)", "core.watch(0/0)", "core.unwatch(-2^63)",
    "core.wakeup_notify(0/0)", "core.alarm(0/0)", "core.alarm(1, -1)", "core.alarm(1, 0/0)", "core.wait(0/0)",
    "core.terminal(-1)", "core.terminal(2^40)", "core.terminal(0/0)", "core.is_ours(0/0)", "core.batch({}, 0, 1, 1)",
    "core.batch({}, 1, 1, 0/0)", "core.batch({ {} }, 1, 1, 1, true, 0, io.stdout)", "core.batch({}, 2^31, 1, 1)",
    "core.durable 'a\0b'", "core.store 'a\0b'", "core.same_file('a\0b', 'a')", "core.absolute_path 'a\0b'",
    "core.real_path 'a\0b'", "core.store('a', true, 'a\0b')",
    "core.exporter('csv'):open 'a\0b'", "core.exporter('csv'):add(core.exporter 'csv', 1)", "core.row_values { {} }",
    "core.row_values { 'a' } (io.stdout)", "core.row_values { 'a' } (reply)", "core.source(p .. '.csv', {}):read(0/0, 1)",
    "page:close(); page:next()", "local b = core.batch({ {} }, 1, 1, 1); b:close(); b:record(1)",
    "local e = core.exporter 'csv'; e:standard_output(); e:open(p)", "core.use_archive(core.null)",
    "core.use_archive(io.stdout)", "core.use_archive()",
    "core.recording(p):add({}, 1, 2 ^ 40)", "core.recording(p):add({}, 0, 1, nil, nil, 0)",
    "local r = core.recording(p); r:close(); r:write(true)", "core.recording_source('r', {})",
    "assert(core.recording_source('r', core.recording(p)))", "sandbox:requests(1e300)", "sandbox:requests(0/0)",
  }

  it("raises where a value is of another class or a number has no meaning", function()
    local sandbox = opened.sandbox()
    local lines = { ([[
      local core = require "flarelight.core"
      local client = core.client { base_url = %q, subscription_id = %q, user_agent = "spec" }
      local file = io.open("x.csv", "w")
      file:write "a\n1\n"
      file:close()
      local p = "x"
      local function take()
        while not core.wait(10) do end
        local _, _, value = core.take()
        return value
      end
      client:submit { operation = "o", method = "GET", path = "/Import/All", api_key = %q }
      local reply = take()
      core.durable("x.csv", true)
      local job = take()
      local function new_page()
        client:pages { operation = "o", path = "/Import/{id}/Data", id = 1, api_key = %q }
        return take()
      end
      local page = new_page()
      page:begin(10)
      local sandbox = assert(require("flarelight.sandbox").start())
    ]]):format(sandbox.url, sandbox.subscription_id, sandbox.api_key, sandbox.api_key) }
    local client = support.client(sandbox)
    assert(client.imports:import { records = support.records(7), name = "spec" })
    client:close()
    for _, code in ipairs(wrong) do
      lines[#lines + 1] = ("io.stderr:write(%q) assert(not pcall(function() %s end), %q) io.stderr:write '\\n'"):format(
        code:gsub("%c", "?"), code:gsub("%z", "\\0"), "did not raise: " .. code:gsub("%c", "?"))
    end
    lines[#lines + 1] = "io.stderr:write 'done'"
    local script = system.write(folder .. "/wrong.lua", table.concat(lines, "\n"))
    local output, status = run(script)
    assert.matches("done$", output)
    assert.are.equal(0, status, output)
  end)

  it("has no rows behind those of a batch, nor after it was closed", function()
    local output, status = run(system.write(folder .. "/rows.lua", [[
      local core = require "flarelight.core"
      local file = io.open("x.csv", "w")
      file:write "a\n1\n2\n3\n"
      file:close()
      core.source("x.csv"):fetch(3, 1000, true, true)
      while not core.wait(10) do end
      local _, _, job = core.take()
      local rows = job:outcome()
      assert(#rows:next(1) == 1 and #rows:next(5) == 2 and rows:next(1) == nil)
      rows:close()
      assert(rows:next(1) == nil)
    ]]))
    assert.are.equal(0, status, output)
  end)

  it("writes members in the order of their names, whatever objects follow one another", function()
    local json = require "flarelight.json"
    local long = ("n"):rep(50)
    local names = { "a", "b", "zz", "", "\195\164", 'q"', long, long .. "2" }
    for n = 1, 70 do names[#names + 1] = "m" .. n end
    local function value_of(n, depth)
      if n % 5 == 0 and depth < 6 then return { y = value_of(n + 1, depth + 1), x = n } end
      if n % 7 == 0 then return { 1, { c = 1, a = 2 } } end
      return n % 3 == 0 and tostring(n) or n
    end
    local function text_of(value)
      if type(value) ~= "table" or value[1] then
        return value == nil and "" or type(value) ~= "table" and json.encode(value) or '[1,{"a":2,"c":1}]'
      end
      local keys, parts = {}, {}
      for key in pairs(value) do keys[#keys + 1] = key end
      table.sort(keys)
      for i, key in ipairs(keys) do parts[i] = json.encode(key) .. ":" .. text_of(value[key]) end
      return "{" .. table.concat(parts, ",") .. "}"
    end
    local rows, random = {}, 12345
    for row = 1, 400 do
      random = (random * 1103 + 12345) % 100003
      rows[row] = row % 40 == 0 and {} or { a = row, b = tostring(row) }
      local first, last = random % #names + 1, row % 3 == 0 and #names or random % #names + 3
      if row % 4 ~= 0 then first, last = row > 200 and 5 or 1, 8 end
      for place = first, last do
        -- Long names are made anew each time.
        if names[place] then rows[row][names[place] .. ""] = value_of(random + place, 1) end
      end
    end
    local core = require "flarelight.core"
    for row = 1, #rows do
      local text = core.batch(rows, row, #rows, 2 ^ 40, true, 0):record(1)
      if next(rows[row]) then assert.are.equal(text_of(rows[row]), (text)) end
    end
    local whole = core.batch(rows, 1, #rows, 2 ^ 40, true, 0)
    for row = 1, #rows do
      if next(rows[row]) then assert.are.equal(text_of(rows[row]), (whole:record(row))) end
    end
    rows[7].b = print
    local none, message = core.batch(rows, 1, #rows, 2 ^ 40, true, 0)
    assert.is_nil(none)
    assert.are.equal("records[7].b: a function has no form in JSON", message)
  end)

  for _, seed in ipairs(system.checked and { 1 } or { 1, 2 }) do
    it("lives through random calls, of seed " .. seed, function()
      local sandbox = opened.sandbox { rate_limit = 1000000 }
      local client = support.client(sandbox)
      assert(client.imports:import { records = support.records(7), name = "spec" })
      client:close()
      local here = debug.getinfo(1, "S").source:match "^@(.*)binding_spec%.lua$"
      local script = system.write(folder .. "/random_calls.lua", system.read(here .. "binding/random_calls.lua"))
      local output, status = run(("%s %d %d %s %s %s"):format(
        script, seed, CALLS, sandbox.url, sandbox.api_key, sandbox.subscription_id))
      assert.are.equal(0, status, output)
      assert.matches(CALLS .. " calls, %d+ raised", output)
    end)

    it("of the sandbox and of compressed files lives through random calls, of seed " .. seed, function()
      local here = debug.getinfo(1, "S").source:match "^@(.*)binding_spec%.lua$"
      local script = system.write(folder .. "/random_modules.lua", system.read(here .. "binding/random_modules.lua"))
      local output, status = run(("%s %d %d"):format(script, seed, CALLS))
      assert.are.equal(0, status, output)
      assert.matches(CALLS .. " calls, %d+ raised", output)
    end)
  end
end)
