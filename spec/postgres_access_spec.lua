-- How a state in PostgreSQL is reached: TLS and passwords as libpq's URL, ~/.pgpass and PGPASSWORD say, refusals of a server
-- whose messages are not English, and servers that say nothing. Each case is a process that loads two records. Without an
-- installed server it is pending.

local support = require "support"
local system = require "support.system"
local postgres = require "support.postgres"

-- A certificate that `authority` (or itself) has signed, for an address and a name: { path =, key = }.
local function certify(name, authority)
  local made = { path = system.path ".pem", key = system.path ".key" }
  local request, extension = system.path ".csr", system.file("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
  local key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" .. name .. " -keyout " .. made.key .. " 2>/dev/null"
  if authority then
    system.shell(("openssl req -out %s %s && openssl x509 -req -in %s -CA %s -CAkey %s -CAcreateserial -days 2 -extfile %s "
      .. "-out %s 2>/dev/null"):format(request, key, request, authority.path, authority.key, extension, made.path))
  else
    system.shell(("openssl req -x509 -days 2 -out %s %s"):format(made.path, key))
  end
  return system.exists(made.path) and made or nil
end

describe("a state in PostgreSQL is reached", function()
  local opened = support.opened(after_each)
  local server, sandbox, authority, stranger, name

  setup(function()
    if not pcall(require, "flarelight.postgres_core") then return end
    authority, stranger = certify "authority", certify "stranger"
    local own = authority and certify("server", authority)
    if not own then return end
    server = postgres.start { certificate = system.read(own.path), key = system.read(own.key), locale = "de_DE" }
  end)
  teardown(function() if server then server:stop() end end)

  -- What a process prints that loads two records with this state, and how many requests it has sent.
  local function load(url, environment)
    local script = system.file([[
      local flarelight = require "flarelight"
      os.setlocale "de_DE.UTF-8" -- of the host; it counts for no decision
      local api = assert(flarelight.new { state = os.getenv "FLARELIGHT_STATE", debug = true })
      local result, message, err = api.imports:upload { records = { { n = 1 }, { n = 2 } }, name = "n", key = "k" }
      for _, setting in ipairs(api:settings()) do print(setting.name, setting.value) end
      print(result and "loaded" or "refused", err and err.kind, message)
    ]], ".lua")
    local before = support.count(sandbox, "POST")
    local out = system.shell(("env -u PGPASSWORD HOME=%s LOCPATH=%s %s FLARELIGHT_STATE=%s %s %s %s 2>&1"):format(
      system.folder(), server.locales or "", system.environment(sandbox), system.quote(url), environment or "", system.interpreter, script))
    return out, support.count(sandbox, "POST") - before
  end

  local function test(what, body)
    it(what, function()
      if not server then return pending "PostgreSQL, the module for it, or openssl is not installed" end
      sandbox = opened.sandbox()
      local _
      _, name = server:database()
      body()
    end)
  end

  -- The URL of the database without a password.
  local function place(query, user)
    return ("postgresql://%s@127.0.0.1:%s/%s?%s"):format(user or "owner", server.port, name, query or "")
  end

  -- A folder as $HOME whose .pgpass has this password.
  local function home_of(password)
    local folder = system.folder()
    system.write(folder .. "/.pgpass", ("127.0.0.1:%s:*:owner:%s\n"):format(server.port, password))
    system.shell(("chmod 600 %s/.pgpass"):format(folder))
    return "HOME=" .. folder
  end

  test("over TLS, with a certificate that is checked", function()
    local verified = "sslmode=verify-full&sslrootcert=" .. authority.path
    local out, sent = load(place(verified, "owner:secret"))
    assert.matches("\nloaded", out)
    assert.is_true(sent > 0)
    local said = system.shell(("%s %s bin/flarelight doctor --state %s 2>&1"):format(system.environment(sandbox),
      system.interpreter, system.quote(place(verified, "owner:secret"))))
    assert.matches("ok +state +postgresql://owner@127%.0%.0%.1:%d+/%w+.-: PostgreSQL %d+.-, with TLS", said)
    assert.is_nil((out .. said):find("secret", 1, true))
  end)

  test("only with the right certificate, and else nothing is sent", function()
    for _, case in ipairs {
      { "sslmode=verify-full&sslrootcert=" .. stranger.path, "certificate verify failed" },
      { "sslmode=verify-ca&sslrootcert=" .. stranger.path, "certificate verify failed" },
      { "sslmode=verify-full&sslrootcert=/nowhere.pem", "/nowhere.pem" },
      { "sslmode=verify-full&host=db.example.org&hostaddr=127.0.0.1&sslrootcert=" .. authority.path, "db.example.org" },
      { "sslmode=nonsense", 'invalid sslmode value: "nonsense"' },
      { "sslmode=disable", "28000" }, -- the server takes nobody without TLS
    } do
      local out, sent = load(place(case[1], "owner:secret"))
      assert.matches("\nrefused\tconfig\tstate: postgresql://", out)
      assert.is_truthy(out:find(case[2], 1, true), out)
      assert.are.equal(0, sent)
      assert.is_nil(out:find("secret", 1, true), out)
    end
  end)

  test("at the first of several hosts that answers", function()
    local url = place("connect_timeout=20&target_session_attrs=read-write", "owner:secret")
    assert.matches("\nloaded", (load((url:gsub("@", "@127.0.0.1:1,")))))
    local out, sent = load((url:gsub("@", "@127.0.0.1:1,"):gsub("secret", "Wrong-Word")))
    assert.matches("\nrefused\tconfig\tstate: postgresql://.*28P01", out)
    assert.are.equal(0, sent)
    assert.is_nil(out:find("Wrong-Word", 1, true), out)
  end)

  test("with a password from PGPASSWORD or ~/.pgpass, which is shown nowhere", function()
    for _, environment in ipairs { "PGPASSWORD=secret", home_of "secret" } do
      local out = load(place(), environment)
      assert.matches("\nloaded", out)
      assert.is_nil(out:find("secret", 1, true), out)
    end
    local kept = server:dump(name)
    assert.matches("CREATE TABLE flarelight.uploads", kept)
    assert.is_nil(kept:find("secret", 1, true))
  end)

  -- The server's messages are German if the locale is there: what a refusal means is told by its SQLSTATE.
  test("not with a wrong password, and else nothing is sent", function()
    for _, case in ipairs {
      { place(), "PGPASSWORD=Wrong-Word", "28P01" }, { place(), home_of "Wrong-Word", "28P01" },
      { place(nil, "owner:Wrong-Word"), "", "28P01" }, { place(nil, "nobody:Wrong-Word"), "", "28P01" },
      { place(), "", "no password supplied" }, { place "port=port", "PGPASSWORD=secret", "invalid integer" },
      { place(nil, "owner:secret"):gsub("state%d+", "nowhere"), "", "3D000" },
    } do
      local out, sent = load(case[1], case[2])
      assert.matches("\nrefused\tconfig\tstate: postgresql://", out)
      assert.is_truthy(out:find(case[3], 1, true), out)
      assert.are.equal(0, sent)
      for _, word in ipairs { "Wrong-Word", "secret", "LOCATION", "auth.c" } do assert.is_nil(out:find(word, 1, true), out) end
      if server.locales and case[3] == "28P01" then assert.matches("Passwort", out) end
    end
  end)

  test("if it answers: one that accepts and says nothing is of kind io", function()
    local log = system.path()
    local pid = system.shell(([[perl -MIO::Socket::INET -e '$| = 1; $s = IO::Socket::INET->new(Listen => 9,
      LocalAddr => "127.0.0.1"); print $s->sockport, "\n"; sleep 120' >%s & echo $!]]):format(log)):match "%d+"
    system.shell(("n=0; until [ -s %s ] || [ $n = 300 ]; do sleep 0.1; n=$((n+1)); done"):format(log))
    local out, sent = load(("postgresql://owner:secret@127.0.0.1:%s/d?connect_timeout=2"):format(
      system.read(log):match "%d+"))
    system.shell("kill " .. pid)
    assert.matches("\nrefused\tio\tstate: postgresql://.*timeout expired", out)
    assert.are.equal(0, sent)
  end)

  test("again after it has stopped answering: the upload ends with kind io, and goes on over a new connection #slow",
    function()
      local api = opened.client(sandbox, { state = place("connect_timeout=2", "owner:secret") })
      local given = { records = support.records(10), batch_records = 3, name = "n", key = "k" }
      local stopped = false
      given.on_progress = function(progress)
        if stopped or progress.records < 3 then return end
        stopped = server:sql("postgres", ("SELECT pid FROM pg_stat_activity WHERE datname = '%s'"):format(name)):gsub("\n", " ")
        system.shell("kill -STOP " .. stopped)
      end
      local _, message, err = api.imports:upload(given)
      assert.are.equal("io", err and err.kind)
      assert.matches("the server has not answered for 7 s", message)
      assert.are.equal("not_sent", err.fate)
      local result = assert(api.imports:upload(given)) -- the server's old processes still stand
      system.shell("kill -CONT " .. stopped)
      assert.are.equal(10, #sandbox:rows(result.id))
    end)
end)
