--- A PostgreSQL server of its own for the specs, in a folder of its own. Relies on system.lua.

local system = require "support.system"

local postgres = {}

local Server = {}
Server.__index = Server

-- Runs one of the server's programs as a user that is not root, since the server refuses root.
local function run(self, words)
  return system.shell(("cd / && %s env %s %s/%s"):format(self.as, self.environment or "", self.programs, words))
end

-- Writes a file that is the server's own and that nobody else can read; its path.
local function own_file(self, name, text)
  local path = self.folder .. "/" .. name
  system.shell(("cd / && cat %s | %s sh -c 'umask 077; cat >%s'"):format(system.file(text), self.as, path))
  return path
end

--- Starts a server; nil if none is installed. It asks for the password `secret` over TCP, and for none on its socket.
--- `given.certificate`, `given.key`: PEM texts, with which it speaks TLS, and refuses connections over TCP without it.
--- `given.locale`: of its messages, as "de_DE"; if it can be made, the member `locales` is the folder that has it.
---@param given table?
---@return table?
function postgres.start(given)
  given = given or {}
  local programs = system.shell "ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1":match "[^\n]+"
  if not programs or system.shell "command -v psql":match "^%s*$" then return nil end
  local self = setmetatable({ programs = programs }, Server)
  self.as = system.shell "id -u":match "^0" and "runuser -u nobody --" or ""
  self.folder = system.shell("cd / && " .. self.as .. " mktemp -d /tmp/flarelight-pg.XXXXXX"):match "[^\n]+"
  system.shell(("cd / && echo secret | %s tee %s/password >/dev/null"):format(self.as, self.folder))
  local out, status = run(self, ("initdb -D %s/data --auth-local=trust --auth-host=scram-sha-256 -U owner -N "
    .. "--pwfile=%s/password 2>&1"):format(self.folder, self.folder))
  assert(status == 0, out)
  self.options, self.environment = "", ""
  if given.certificate then
    self.options = ("-c ssl=on -c ssl_cert_file=%s -c ssl_key_file=%s -c hba_file=%s"):format(
      own_file(self, "server.pem", given.certificate), own_file(self, "server.key", given.key),
      own_file(self, "hba", "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"))
  end
  if given.locale then
    local _, failed = system.shell(("cd / && %s localedef -i %s -f UTF-8 %s/%s.UTF-8 2>&1"):format(self.as, given.locale,
      self.folder, given.locale))
    if failed == 0 then
      self.locales = self.folder
      self.options = ("%s -c lc_messages=%s.UTF-8"):format(self.options, given.locale)
      self.environment = "LOCPATH=" .. self.folder
    end
  end
  self:resume()
  self.databases = 0
  return self
end

-- A free port: the system gave it to a socket that is closed again.
local function free_port()
  return assert(system.shell(
    [[perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport']])
    :match "%d+")
end

--- Starts the server again, on its port.
function Server:resume()
  local given, out = self.port, nil
  -- Another process may take a free port before the server does.
  for _ = 1, given and 1 or 5 do
    self.port = given or free_port()
    local status
    out, status = run(self, ("pg_ctl -D %s/data -w -t 300 -o '-k %s -p %s -c listen_addresses=127.0.0.1 %s' -l %s/log "
      .. "start >/dev/null 2>&1 || cat %s/log"):format(self.folder, self.folder, self.port, self.options, self.folder,
      self.folder))
    if status == 0 and out == "" then return end
  end
  error(out, 0)
end

--- Kills the server, as a crash of its machine would.
function Server:kill() run(self, ("pg_ctl -D %s/data -t 300 -m immediate stop >/dev/null 2>&1"):format(self.folder)) end

--- Ends the server and deletes its folder.
function Server:stop()
  self:kill()
  system.shell("rm -rf " .. self.folder)
end

--- Runs SQL as the owner; what it printed.
function Server:sql(database, text)
  local out, status = system.shell(("psql -q -A -t -v ON_ERROR_STOP=1 -h %s -p %s -U owner -d %s -c %s 2>&1"):format(
    self.folder, self.port, database, system.quote(text)))
  assert(status == 0, out)
  return out
end

--- What pg_dump writes of a database.
function Server:dump(database)
  return (run(self, ("pg_dump -h %s -p %s -U owner %s 2>&1"):format(self.folder, self.port, database)))
end

--- The URL of a new and empty database, over TCP with a password, and its name.
function Server:database()
  self.databases = self.databases + 1
  local name = "state" .. self.databases
  self:sql("postgres", "CREATE DATABASE " .. name)
  return self:url(name), name
end

--- The URL of a database. `user`, `password`: of the owner.
function Server:url(name, user, password)
  return ("postgresql://%s:%s@127.0.0.1:%s/%s"):format(user or "owner", password or "secret", self.port, name)
end

return postgres
