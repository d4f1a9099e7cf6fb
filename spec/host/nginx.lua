--- Starts an nginx with its Lua module for a spec: on a free port, in a folder of its own.

local system = require "support.system"

local nginx = {}

--- What a line of shell prints, without trailing white space.
local function shell(command) return (system.shell(command):gsub("%s+$", "")) end
nginx.shell = shell

local function variable(text, name) return assert(text:match(name .. "='([^\n]*)'")) end

local paths_form = [[
  lua_package_path '%s;%s/lua/?.lua;%s/lua/?/init.lua;%s/spec/?.lua;;';
  lua_package_cpath '%s/?.so;;';]]

local head = [[
%s
%s
daemon on;
worker_processes %d;
pid nginx.pid;
error_log error.log %s;
env FLARELIGHT_API_KEY;
env FLARELIGHT_SUBSCRIPTION_ID;
env FLARELIGHT_BASE_URL;
env TMPDIR;
events { worker_connections %d; }
http {
  access_log off;
  %s
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  %s
}
]]

--- Starts an nginx. `given` has:
--   config       the inside of the block http, in which PORT stands for the port; or instead
--   file         a function that takes the port and returns a whole configuration, which includes modules.conf and
--                paths.conf
--   environment  assignments for a shell
--   workers, connections, level (of the log)
-- Returns an object with url, prefix, master(), workers(), log(), directories() (those of its workers' wake-up
-- sockets), signal(), quit(), stop().
function nginx.start(given)
  local tools = shell "sh spec/tools/openresty"
  local root, prefix = shell "pwd", shell "mktemp -d /tmp/nginx.XXXXXXXX"
  local command = variable(tools, "NGINX")
  local user = shell "id -u" == "0" and "user root;" or ""
  local function write(name, text) system.write(prefix .. "/" .. name, text) end
  local paths = paths_form:format(variable(tools, "NGINX_LUA_PATH"), root, root, root, root .. "/build/luajit")
  local function configure(port)
    if given.file then
      write("modules.conf", variable(tools, "NGINX_LUA_MODULES") .. "\n" .. user)
      write("paths.conf", paths)
      write("nginx.conf", given.file(port))
    else
      write("nginx.conf", head:format(variable(tools, "NGINX_LUA_MODULES"), user, given.workers or 1,
        given.level or "warn", given.connections or 1024, paths, (given.config:gsub("PORT", port))))
    end
  end
  -- The wake-up sockets of its workers stand in a folder of their own, apart from those of other processes.
  local run = ("TMPDIR=%s %s %s -p %s/ -e error.log -c nginx.conf"):format(prefix, given.environment or "", command, prefix)
  local self = { prefix = prefix }

  function self.log() return assert(system.read(prefix .. "/error.log")) end
  function self.master()
    local pid = io.open(prefix .. "/nginx.pid")
    local number = pid and pid:read "*n"
    if pid then pid:close() end
    return number
  end
  function self.workers()
    local pids = {}
    for pid in shell(("pgrep -P %d"):format(self.master())):gmatch "%d+" do pids[#pids + 1] = tonumber(pid) end
    return pids
  end
  function self.directories() return shell(("ls -d %s/flarelight-* 2>/dev/null"):format(prefix)) end
  function self.signal(name) shell(("%s -s %s 2>&1"):format(run, name)) end
  --- Ends nginx, and keeps the folder for a spec to look at.
  function self.quit()
    local master = self.master()
    if not master then return end
    self.signal "stop"
    shell(("for i in $(seq 1000); do kill -0 %d 2>/dev/null || break; sleep 0.05; done"):format(master))
  end
  function self.stop()
    self.quit()
    shell("rm -rf " .. prefix)
  end
  --- The body and status of a GET, or of the request that `options` of curl ask for.
  function self.get(path, options)
    local text = shell(("curl -s -m 60 -w '\\n%%{http_code}' %s '%s%s'"):format(options or "", self.url, path))
    local body, status = text:match "^(.*)\n(%d+)$"
    return body, tonumber(status)
  end

  local output
  for _ = 1, 5 do
    -- Another process may bind the free port before nginx does.
    self.port = shell [[perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport']]
    self.url = "http://127.0.0.1:" .. self.port
    configure(self.port)
    output = shell(run .. " 2>&1")
    if self.master() then return self end
    if not output:find("Address already in use", 1, true) then break end
    shell("rm -f " .. prefix .. "/error.log")
  end
  error("nginx did not start: " .. output)
end

return nginx
