--- Runs the command as a process, for the specs of the command.

local system = require "support.system"

local command = {}

--- The lines of a shell after which the command finds a sandbox, and keeps its state below `folder`.
function command.environment(sandbox, folder)
  return ("export %s XDG_STATE_HOME=%s"):format(system.environment(sandbox), system.quote(folder .. "/state"))
end

--- Runs a shell line in which `flarelight` is the command; what it printed on both streams, and its status.
-- `environment`: lines before it; `folder`: for the streams; `meanwhile` is called while it runs.
function command.shell(folder, environment, line, meanwhile)
  local script = ("%s\nflarelight() { %s bin/flarelight \"$@\"; }\n%s")
    :format(environment, "timeout -s KILL 120 " .. system.quote(system.interpreter), line)
  local path = system.write(folder .. "/script", script)
  local pipe = assert(io.popen(("sh %s >%s/out 2>%s/err; echo $?"):format(path, folder, folder)))
  if meanwhile then meanwhile() end
  local status = tonumber(pipe:read "*l")
  pipe:close()
  return system.read(folder .. "/out"), system.read(folder .. "/err"), status
end

return command
