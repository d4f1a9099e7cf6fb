--- Files and programs, for the specs and for the drivers that they start. Relies on a POSIX shell, and on nothing
-- of flarelight.

local system = {
  --- The interpreter under which the specs run.
  interpreter = os.getenv "SPEC_LUA" or "lua",
  --- Whether a sanitizer or valgrind watches, under which everything is slow.
  checked = os.getenv "SPEC_SANITIZER" ~= nil or os.getenv "SPEC_QUICK" ~= nil,
  --- Whether this is one of the two Luas (one with integers, one without) that run what depends little on the Lua.
  thorough = _VERSION == "Lua 5.4" or rawget(_G, "jit") ~= nil,
  --- Whether this is the one Lua that runs what does not depend on the Lua: documents, drawings, campaigns of kills.
  reference = _VERSION == "Lua 5.4",
}

--- The text as one word of a shell.
function system.quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

--- Runs a line of shell; what it printed to standard output, and its exit status.
function system.shell(command)
  local pipe = assert(io.popen("(" .. command .. "\n); printf '\\n%s' $?"))
  local output, status = pipe:read "*a":match "^(.*)\n(%d+)$"
  pipe:close()
  return output, tonumber(status)
end

--- Starts a program, `command`, as a shell would write it. Returns a pipe with what it prints, and the number of its
-- process. The last line of the pipe is its exit status.
function system.start(command)
  -- The outer shell would tell of the signal that has ended the program.
  local line = "exec 3>&2 2>/dev/null; sh -c %s 2>&3 3>&- & wait $!; echo $?"
  local pipe = assert(io.popen(line:format(system.quote("echo $$; exec env " .. command))))
  return pipe, assert(pipe:read "*l")
end

--- The bytes of a file; nil where there is none.
function system.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

--- Writes a file, and answers its path.
function system.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

function system.exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local folder
local paths = 0

--- A path where nothing is; `ending` follows its name. spec/tools/busted removes the files and folders that
-- stand there when the specs have ended.
function system.path(ending)
  folder = folder or system.shell "mktemp -d":match "[^\n]+"
  paths = paths + 1
  return ("%s/%d%s"):format(folder, paths, ending or "")
end

--- A file that holds `text`: its path, which ends in `ending`.
function system.file(text, ending) return system.write(system.path(ending), text) end

--- A folder that is empty.
function system.folder()
  local path = system.path()
  assert(system.shell("mkdir " .. path) == "")
  return path
end

--- What a child needs to reach a service: assignments for a shell.
function system.environment(service)
  return ("FLARELIGHT_API_KEY=%s FLARELIGHT_SUBSCRIPTION_ID=%s FLARELIGHT_BASE_URL=%s"):format(
    system.quote(service.api_key), system.quote(service.subscription_id), system.quote(service.url))
end

--- Makes a certificate for an address of this machine: the paths of it and of its key. nil where there is no
-- command openssl.
function system.certificate(address)
  local path, key = system.path ".pem", system.path ".key"
  system.shell(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s"
    .. " -addext subjectAltName=IP:%s -keyout %s -out %s 2>/dev/null"):format(address, address, key, path))
  if system.exists(key) then return path, key end
end

return system
