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

--- Every command and group of commands by its words ("imports rows"), and the parser, as argparse's objects.
function command.all()
  local argparse, parser = require "argparse", nil
  -- The parser is caught while a line is parsed.
  package.loaded.argparse = function(...)
    parser = argparse(...)
    return parser
  end
  local parsed, why = pcall(require("flarelight.cli").parse, { "quota" })
  package.loaded.argparse = argparse
  assert(parsed, why)
  local all = {}
  local function add(group, words)
    for _, each in ipairs(group._commands) do
      local name = words .. each._name
      all[name] = each
      add(each, name .. " ")
    end
  end
  add(parser, "")
  return all, parser
end

--- Whether a command does something by itself: a group of commands may not.
function command.acts(each) return #each._commands == 0 or not each._require_command end

return command
