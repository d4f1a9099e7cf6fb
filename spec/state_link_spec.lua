--- A state file that is reached by links: whatever its name is, the files beside it are the same, so the processes and
-- clients that use it exclude each other, share a rate limit and see each other's writes.

local support = require "support"
local system = require "support.system"

local opened = support.opened(after_each)
local folder, sandbox

local function shell(line, ...)
  local words = { ... }
  for i, word in ipairs(words) do words[i] = system.quote(word) end
  local said, code = system.shell(line:format((table.unpack or unpack)(words)) .. " 2>&1")
  assert(code == 0, said)
  return said
end

local function client(name, options)
  return opened.client(sandbox, support.with({ state = folder .. "/" .. name }, options or {}))
end

-- Makes a state file in another process, since this one would keep it open until its client is collected.
local function make(name)
  local script = system.file([[
    local api = assert(require "flarelight".new { state = arg[1] .. arg[2] })
    assert(api:once("made by " .. arg[2], function() return "made" end))
  ]], ".lua")
  shell(system.environment(sandbox):gsub("%%", "%%%%") .. " timeout -s KILL 60 %s %s %s %s", system.interpreter, script,
    folder .. "/", name)
end

local function value(v)
  return function() return v end
end

-- Begins a block in a coroutine: a function that ends it.
local function begin(api, key)
  local co = coroutine.create(function() return api:once(key, function() return coroutine.yield() end) end)
  assert(coroutine.resume(co))
  assert.equal("suspended", coroutine.status(co))
  return function() return assert(select(2, assert(coroutine.resume(co, 1)))) end
end

-- Within one process a table excludes; whether a block is running is asked of its lock.
local function assert_running(api, key) assert.equal("running", assert(api:explain(key)).state) end

-- The message and kind with which a state cannot be used.
local function refusal(api)
  local result, message, err = api:once("refused", value(1))
  assert.is_nil(result)
  return message, err.kind
end

-- The files of the folder whose names begin so.
local function files(beginning)
  local found = {}
  for name in shell("ls -a %s", folder):gmatch "[^\n]+" do
    if name:sub(1, #beginning) == beginning then found[#found + 1] = name end
  end
  return table.concat(found, " ")
end

local function set_up()
  folder = system.folder()
  sandbox = opened.sandbox()
  shell("mkdir %s", folder .. "/real")
  make "real/state.db"
  shell("ln -s real/state.db %s", folder .. "/link.db")
  shell("ln -s %s %s", folder .. "/link.db", folder .. "/second.db")
  shell("ln -s real %s", folder .. "/way")
end

local NAMES = { "link.db", "second.db", "way/state.db", "way/../link.db", "./real/../link.db" }

describe("a state file with several names", function()
  before_each(set_up)

  it("has one lock for a block", function()
    local api = client "real/state.db"
    for _, name in ipairs(NAMES) do
      local other = client(name)
      local finish = begin(api, name)
      assert_running(other, name)
      finish()
      finish = begin(other, "reversed " .. name)
      assert_running(api, "reversed " .. name)
      finish()
    end
    assert.equal("link.db", files "link")
    assert.equal("second.db", files "second")
  end)

  it("excludes processes from each other", function()
    local script = system.file([[
      local flarelight = require "flarelight"
      local api = assert(flarelight.new { state = arg[1] })
      local result, message, err = api:once("k", function() return api.imports:import { name = "n", records = { {} } } end)
      print(result and "ran" or err.kind)
    ]], ".lua")
    local function run(name)
      return (shell("cd %s && " .. system.environment(sandbox):gsub("%%", "%%%%")
        .. " timeout -s KILL 60 %s %s %s", folder, system.interpreter, script, name))
    end
    assert(client("real/state.db"):once("k", function()
      for _, name in ipairs(NAMES) do assert.equal("conflict\n", run(name)) end
      return 1
    end))
    assert.equal(0, #assert(client("link.db").imports:all()))
  end)

  it("excludes a command from a script", function()
    local file = system.file("a\n1\n", ".csv")
    local line = ("%s timeout -s KILL 60 %s bin/flarelight imports upload %s --name n --key k --state %s 2>&1"):format(
      system.environment(sandbox), system.interpreter, file, system.quote(folder .. "/link.db"))
    local said, code
    local n = 0
    local api = client "real/state.db"
    assert(api.imports:upload { key = "k", name = "n", settle = 0.01, records = function()
      n = n + 1
      if n == 1 then said, code = system.shell(line) end
      return n == 1 and { a = 1 } or nil
    end })
    assert.is_true(code ~= 0)
    assert.matches("has been at work on this upload", said, 1, true)
    assert.equal(1, #assert(api.imports:all()))
  end)

  it("shares the rate limit and the cache", function()
    local reader = client("link.db", { cache = { ttl = 60 } })
    assert.equal(0, #assert(reader.imports:all()))
    assert(client("real/state.db").imports:import { name = "n", records = { {} } })
    assert.equal(1, #assert(reader.imports:all()))
    assert.equal("state file", reader:quota().place)
    assert.equal("link.db", files "link")
    for _, ending in ipairs { "-budget", "-cache", "-cache-lock", "-writes" } do
      assert.is_true(system.exists(folder .. "/real/state.db" .. ending))
    end
  end)

  it("refuses what others may write beside the target", function()
    system.write(folder .. "/real/state.db-wal", "")
    shell("chmod 666 %s", folder .. "/real/state.db-wal")
    local message, kind = refusal(client "link.db")
    assert.equal("io", kind)
    assert.equal(("state: %s/link.db: the file with the ending -wal beside its target is refused: "
      .. "every user may write it"):format(folder), (message:gsub("^.-(state: /)", "%1")))
  end)

  it("leaves no log of a replaced file beside the next one", function()
    make "other.db"
    local api = client "link.db"
    for i = 1, 40 do assert(api:once("old " .. i, value(("x"):rep(500)))) end
    shell("mv %s %s", folder .. "/other.db", folder .. "/real/state.db")
    assert.equal("io", select(2, refusal(api)))
    local _, meta = assert(client("link.db"):once("made by other.db", value "again"))
    assert.is_true(meta.already)
  end)
end)

describe("a link to a state file", function()
  before_each(set_up)

  it("is followed when the client is made", function()
    make "next.db"
    local before = client "link.db"
    assert(before:once("k", value "first"))
    shell("ln -sfn next.db %s", folder .. "/link.db")
    local after, real = client "link.db", client "real/state.db"
    local finish = begin(before, "another")
    assert_running(real, "another")
    assert.equal("not_found", select(3, after:explain "another").kind)
    finish()
    assert.is_true(select(2, assert(real:once("k", value "second"))).already)
    assert.is_nil(select(2, assert(after:once("k", value "third"))).already)
  end)

  it("to its folder is followed then, too", function()
    shell("mkdir %s", folder .. "/next")
    local api = client "way/state.db"
    shell("ln -sfn next %s", folder .. "/way")
    local finish = begin(api, "k")
    assert_running(client "real/state.db", "k")
    finish()
    assert.is_false(system.exists(folder .. "/next/state.db"))
  end)

  it("to a file that is missing is refused, and nothing is made, until the file is there", function()
    shell("mv %s %s", folder .. "/real/state.db", folder .. "/real/kept.db")
    local api = client "second.db"
    local message, kind = refusal(api)
    assert.equal("io", kind)
    assert.matches("/second.db: is a symbolic link to a file that is not there", message, 1, true)
    assert.is_false(system.exists(folder .. "/real/state.db"))
    shell("mv %s %s", folder .. "/real/kept.db", folder .. "/real/state.db")
    local finish = begin(api, "k")
    assert_running(client "real/state.db", "k")
    finish()
  end)

  it("is refused as well when its target goes", function()
    local api = client "link.db"
    assert(api:once("k", value(1)))
    shell("rm %s", folder .. "/real/state.db")
    assert.equal("io", select(2, refusal(api))) -- it was deleted while it was open
    assert.matches("/link.db: is a symbolic link to a file that is not there", refusal(api), 1, true)
    assert.is_false(system.exists(folder .. "/real/state.db"))
  end)

  it("into a folder that is missing is refused, and so is one of a loop", function()
    shell("ln -s gone/state.db %s; ln -s loop.db %s", folder .. "/lost.db", folder .. "/loop.db")
    assert.matches("/lost.db: is a symbolic link to a file that is not there", refusal(client "lost.db"), 1, true)
    assert.matches("/loop.db: Too many levels of symbolic links", refusal(client "loop.db"), 1, true)
    assert.matches("/gone/state.db: No such file or directory", refusal(client "gone/state.db"), 1, true)
  end)

  it("that takes the place of the file is not followed by a client from before", function()
    for _, name in ipairs { "fresh.db", "moved.db" } do
      local api = client(name)
      if name == "moved.db" then
        assert(api:once("k", value(1)))
        shell("mv %s %s", folder .. "/moved.db", folder .. "/real/moved.db")
        shell("ln -s real/moved.db %s", folder .. "/moved.db")
        assert.equal("io", select(2, refusal(api)))
      else
        shell("ln -s real/state.db %s", folder .. "/fresh.db")
      end
      local message, kind = refusal(api)
      assert.equal("io", kind)
      assert.matches("is a symbolic link that was not followed when the client was made", message, 1, true)
      assert(client(name):once("refused", value(1)))
    end
  end)
end)
