-- Files that another user owns or may write are refused, unless they are shared with a group of this process; files
-- that are made here are their owner's alone.

local core = require "flarelight.core"
local csv = require "flarelight.csv"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

local KEY = "owned-key"

local function chmod(mode, path) assert(select(2, system.shell(("chmod %s %s"):format(mode, path))) == 0) end

local function mode_of(path) return (system.shell("stat -c %a " .. system.quote(path)):match "%d+") end

local is_root = system.shell "id -u":match "%d+" == "0"

describe("files of others", function()
  local close, sandbox
  setup(function() sandbox = support.sandbox { api_key = KEY } end)
  teardown(function() sandbox:stop() end)
  after_each(function()
    if close then close() end
    close = nil
  end)

  local function client(options)
    local api, message, err = flarelight.new(support.with({
      api_key = KEY, subscription_id = sandbox.subscription_id, base_url = sandbox.url,
    }, options))
    if api then close = function() api:close() end end
    return api, message, err
  end

  local profile = ('{"version":1,"service":%q,"calibrated":"2024-01-01","found":{},"evidence":{}}')

  -- Each way that a file is taken: makes the file, and uses it. The use returns the message of a refusal, or nil.
  local ways = {
    profile = function()
      local path = system.file(profile:format(sandbox.url), ".json")
      return path, function(shared) return select(2, client { profile = path, shared_files = shared }) end
    end,
    ["key file"] = function()
      local path = system.file(KEY .. "\n", ".key")
      return path, function(shared)
        local configuration = require "flarelight.configuration"
        local found, message = configuration.read(
          { subscription_id = sandbox.subscription_id, base_url = sandbox.url, shared_files = shared },
          function(name) return name == "FLARELIGHT_API_KEY_FILE" and path or nil end)
        return not found and message or nil
      end
    end,
    ["ca_file"] = function()
      local path = system.file("", ".pem")
      return path, function(shared) return select(2, client { ca_file = path, shared_files = shared }) end
    end,
    ["client_key"] = function()
      local path = system.file("", ".pem")
      return path, function(shared) return select(2, client { client_key = path, shared_files = shared }) end
    end,
    ["state file"] = function()
      local path = system.path ".db"
      assert(client { state = path }).imports:pending()
      close()
      return path, function(shared)
        local list, message = assert(client { state = path, shared_files = shared }).imports:pending()
        close()
        close = nil
        return list == nil and message or nil
      end
    end,
    ["log of the state file"] = function()
      local path = system.path ".db"
      assert(client { state = path }).imports:pending()
      close()
      system.write(path .. "-wal", "")
      return path .. "-wal", function(shared)
        local list, message = assert(client { state = path, shared_files = shared }).imports:pending()
        close()
        close = nil
        return list == nil and message or nil
      end
    end,
    ["lock"] = function()
      local path = system.path ".db"
      system.write(path .. "-lock", "")
      return path .. "-lock", function(shared)
        local api = assert(client { state = path, shared_files = shared })
        local result, message = api.imports:upload { records = support.records(1), name = "a" }
        close()
        close = nil
        return result == nil and message or nil
      end
    end,
    ["part"] = function()
      local path = system.path ".csv"
      system.write(path .. ".part", "n\r\n0\r\n")
      return path .. ".part", function(shared)
        local api = assert(client { shared_files = shared })
        local id = support.import(api, 2)
        local result, message = api.imports:export(id, { to = path, resume = true, format = "csv" })
        close()
        close = nil
        -- The next use finds the part again.
        if result then os.rename(path, path .. ".part") end
        return result == nil and message or nil
      end
    end,
  }

  for name, make in pairs(ways) do
    it(("as %s are refused by their mode"):format(name), function()
      local path, use = make()
      chmod("600", path)
      assert.is_nil(use())
      if name == "log of the state file" then system.write(path, "") end
      chmod("620", path)
      assert.matches("refused: its group may write it", use(), 1, true)
      chmod("602", path)
      assert.matches("refused: every user may write it", use(), 1, true)
      assert.matches("refused: every user may write it", use(true), 1, true)
      chmod("620", path)
      assert.is_nil(use(true))
    end)

    it(("as %s are refused by their owner"):format(name), function()
      if not is_root then return pending "only the superuser can make files of others" end
      local path, use = make()
      chmod("644", path)
      system.shell("chown 54321 " .. path)
      assert.matches("refused: belongs to another user", use(), 1, true)
      assert.is_nil(use(true))
    end)
  end

  it("are refused for --key-file, and taken with --shared-files", function()
    local path = system.file(KEY, ".key")
    chmod("660", path)
    local command = ("%s bin/flarelight imports list --state none --base-url %s --subscription %s --key-file %s"):format(
      system.interpreter, sandbox.url, sandbox.subscription_id, path)
    local said, status = system.shell(command .. " 2>&1")
    assert.equal(2, status)
    assert.matches("refused: its group may write it", said, 1, true)
    assert.equal(0, select(2, system.shell(command .. " --shared-files")))
  end)

  it("refuses a link in place of a lock or a part", function()
    local elsewhere = system.file "kept"
    local path = system.path ".csv"
    system.shell(("ln -s %s %s.part"):format(elsewhere, path))
    local writer, message = csv.write(path)
    assert.is_nil(writer)
    assert.matches("is a symbolic link", message, 1, true)
    assert.equal("kept", system.read(elsewhere))
  end)
end)

describe("files that are made here", function()
  it("are their owner's alone under any umask", function()
    local made = system.path()
    local script = ([[
      local flarelight, support = require "flarelight", require "support"
      local sandbox = support.sandbox { environment_file = %q .. ".env" }
      local api = support.client(sandbox, { state = %q .. ".db" })
      assert(api.imports:upload { records = support.records(1), name = "a" })
      local writer = require("flarelight.csv").write(%q .. ".csv")
      assert(writer:write { n = 1 })
      os.execute("cp -p " .. %q .. ".env " .. %q .. ".env.kept")
      os.execute("cp -p " .. %q .. ".csv.part " .. %q .. ".part.kept")
      assert(writer:close())
      sandbox:stop()
    ]]):gsub("%%q", function() return ("%q"):format(made) end)
    local file = system.file(script, ".lua")
    for _, umask in ipairs { "000", "022", "077" } do
      local said, status = system.shell(("umask %s; %s %s 2>&1"):format(umask, system.interpreter, file))
      assert.equal(0, status, said)
      for _, ending in ipairs { ".env.kept", ".db", ".db-lock", ".part.kept" } do
        assert.equal("600", mode_of(made .. ending), ending .. " under " .. umask)
      end
      -- The complete file is the caller's: it has the rights that the umask leaves.
      assert.equal(({ ["000"] = "666", ["022"] = "644", ["077"] = "600" })[umask], mode_of(made .. ".csv"))
      system.shell("rm -f " .. made .. ".*")
    end
  end)

  it("replace others whole, under names that cannot be guessed", function()
    local folder = system.folder()
    system.shell(("ln -s /nonexistent/a %s/profile.new"):format(folder)) -- the name that was used before
    assert(core.replace_file(folder .. "/profile", "text"))
    assert.equal("text", system.read(folder .. "/profile"))
    assert.equal("600", mode_of(folder .. "/profile"))
  end)
end)
