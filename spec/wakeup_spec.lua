--- Wake-ups over a unix socket, for event loops that cannot poll our descriptor. luasocket stands for nginx's
-- sockets here.

local core = require "flarelight.core"
local support = require "support"
local system = require "support.system"

local function unix(path)
  local module = require "socket.unix"
  local socket = type(module) == "table" and (module.stream or module.tcp)() or module()
  socket:settimeout(10)
  assert(socket:connect(path))
  return socket
end

local shell = system.shell

describe("wake-ups over a unix socket", function()
  local path
  setup(function() path = assert(core.wakeup_path()) end)

  it("listens in a directory for its user alone", function()
    assert.are.equal(path, core.wakeup_path())
    local folder = path:match "^(.*)/wake$"
    assert.are.equal("drwx------", shell(("ls -ld %s"):format(folder)):match "^[drwx-]+")
  end)

  it("answers a ticket when it rings, and those that are not watched at once", function()
    local socket, other = unix(path), unix(path)
    for _ = 1, 3 do -- connections are used again
      local one, two = core.ticket(), core.ticket()
      assert.is_true(core.watch(one))
      assert.is_true(core.watch(two))
      socket:send(("%d\n"):format(one))
      other:send(("%d\n"):format(two))
      core.wakeup_notify(two)
      assert.are.equal(("%d"):format(two), other:receive())
      core.wakeup_notify(one)
      assert.are.equal(("%d"):format(one), socket:receive())
      -- It rings before its line arrives.
      local three = core.ticket()
      core.watch(three)
      core.wakeup_notify(three)
      socket:send(("%d\n"):format(three))
      assert.are.equal(("%d"):format(three), socket:receive())
      socket:send "99999999\n"
      assert.are.equal("99999999", socket:receive())
    end
    socket:close()
    other:close()
  end)

  it("rings when the outcome of a call is there", function()
    local sandbox = support.sandbox()
    local api = support.client(sandbox)
    assert(api.imports:all())
    local mailbox, calls = require "flarelight.host.mailbox", require "flarelight.calls"
    local request = require "flarelight.request"
    local prepared = request.endpoint("imports.all", {}, {}, calls.config(api))
    prepared.interactive = true
    local socket = unix(path)
    local function submit_slow(latency)
      assert(latency < 60, "the reply is always there before it is watched")
      sandbox:fault { operation = "imports.all", kind = "latency", seconds = latency }
      local task = api:spawn(function() return calls.submit(api, prepared) end)
      api:update(0)
      local submitted = task:result()
      return core.watch(submitted.ticket) and submitted or submit_slow(2 * latency)
    end
    local waiter = submit_slow(0.1)
    socket:send(("%d\n"):format(waiter.ticket))
    assert.are.equal(("%d"):format(waiter.ticket), socket:receive())
    assert.is_false(core.watch(waiter.ticket)) -- it is in the mailbox
    core.unwatch(waiter.ticket)
    mailbox.step()
    assert.is_true(waiter.ready)
    socket:close()
    api:close()
    sandbox:stop()
  end)

  it("rings at a time, for a ticket or for all", function()
    local socket, ticket = unix(path), core.ticket()
    assert.is_true(core.watch(ticket))
    assert.is_true(core.alarm(0.05, ticket))
    socket:send(("%d\n"):format(ticket))
    assert.are.equal(("%d"):format(ticket), socket:receive())
    socket:close()
    core.alarm(0.05)
    assert.is_true(core.wait(10))
    require("flarelight.host.mailbox").step()
  end)

  it("forgets who goes away, and hears no nonsense", function()
    local socket, ticket = unix(path), core.ticket()
    core.watch(ticket)
    socket:send(("%d\n"):format(ticket))
    socket:close()
    for _, nonsense in ipairs { "GET / HTTP/1.1\r\n", ("1"):rep(100), "\n", "0\n" } do
      local other = unix(path)
      other:send(nonsense)
      local _, message = other:receive()
      assert.are.equal("closed", message)
      other:close()
    end
    core.wakeup_notify(ticket)
  end)

  it("hears no other process", function()
    local output = shell(([[perl -MIO::Socket::UNIX -e '
      my $s = IO::Socket::UNIX->new(Peer => "%s") or die; $SIG{PIPE} = "IGNORE";
      print $s "1\n"; $s->flush; print defined(<$s>) ? "heard" : "closed"']]):format(path))
    assert.are.equal("closed", output)
  end)

  it("ends with its process, and what a killed one leaves is removed by the next", function()
    -- In a place of their own: other processes remove, too, what they find left behind.
    local place = shell "mktemp -d /tmp/wakeup.XXXXXXXX":match "%S+"
    finally(function() shell("rm -r " .. place) end)
    local function child(ending)
      return shell(([[TMPDIR=%s '%s' -e 'print((require("flarelight.core").wakeup_path())) io.stdout:flush() %s' 2>/dev/null]])
        :format(place, system.interpreter, ending)):match "^(/[^\n]*)/wake"
    end
    local function is_there(folder) return shell(("ls -d %s 2>/dev/null"):format(folder)) ~= "" end
    assert.is_false(is_there(assert(child "os.exit(0)")))
    local killed = assert(child [[os.execute("kill -9 $PPID")]])
    assert.is_true(is_there(killed))
    assert.are.equal(place, killed:match "^(.*)/")
    child "os.exit(0)"
    assert.is_false(is_there(killed))
    assert.is_true(is_there(path))
  end)
end)
