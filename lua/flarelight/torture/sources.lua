--- Sources: the file of an upload, given as another kind of source with the same records. harness.lua replaces the
-- files of a script's uploads by these, for `flarelight torture --source`.
--
-- The files stand in a folder of their own and are made once, so that a script that is started again finds the same
-- ones. Relies on a POSIX shell, gzip, mkfifo and timeout.

local core = require "flarelight.core"
local system = require "flarelight.system"

local sources = {}

local PATIENCE = 60 -- seconds after which the writer of a pipe that nobody reads ends

local function run(command)
  local done = os.execute(command)
  if done ~= true and done ~= 0 then error("the command failed: " .. command, 0) end
end

-- Makes a file by a shell command that writes to its standard output, unless it is there.
local function made(path, command)
  if not system.read(path) then
    run(("%s >%s.new && mv %s.new %s"):format(command, system.quote(path), system.quote(path), system.quote(path)))
  end
  return path
end

-- Writes a file, unless it is there.
local function written(path, text)
  if not system.read(path) then
    local file = assert(io.open(path .. ".new", "wb"))
    assert(file:write(text))
    assert(file:close())
    assert(os.rename(path .. ".new", path))
  end
  return path
end

-- The end of the row that begins at a position. A line break between two quotes belongs to its row.
local function row_end(text, from)
  local at, quoted = from, false
  while true do
    local found = text:find('["\n]', at)
    if not found then return #text end
    if text:sub(found, found) == '"' then quoted = not quoted elseif not quoted then return found end
    at = found + 1
  end
end

-- Divides the rows of CSV, TSV or JSON lines into two files. `has_header`: both begin with the first row.
local function divide(path, target, has_header)
  local text = assert(system.read(path), path .. ": cannot be read")
  local head = has_header and text:sub(1, row_end(text, 1)) or ""
  local middle = #head
  while middle < #text / 2 do middle = row_end(text, middle + 1) end
  return { written(target("1-"), text:sub(1, middle)), written(target("2-"), head .. text:sub(middle + 1)) }
end

local replace = {}

function replace.file() end

function replace.gzip(given, target)
  given.file = made(target("") .. ".gz", "gzip -n -c <" .. system.quote(given.file))
end

function replace.parts(given, target)
  local ending = (given.format or given.file:match "%.([^./]*)$" or ""):lower()
  if ending == "json" or core.compression(given.file) then
    error("torture: --source parts: is for plain CSV, TSV and JSON lines", 0)
  end
  local table_format = ending == "csv" or ending == "tsv"
  given.file = divide(given.file, target, table_format and (given.header == nil or given.header == true))
end

-- A pipe of its own for each upload: the writer of one that was killed may still wait.
function replace.pipe(given, target)
  local name = os.tmpname()
  os.remove(name)
  local path = target(name:match "[^/]*$" .. "-")
  run("mkfifo " .. system.quote(path))
  os.execute(("{ timeout %d cat %s >%s; } </dev/null 2>/dev/null &"):format(PATIENCE, system.quote(given.file),
    system.quote(path)))
  given.file = path
end

function replace.map(given)
  given.map = given.map or function(record) return record end
end

--- The kinds of sources.
sources.KINDS = { "file", "gzip", "parts", "pipe", "map" }

--- The options of an upload with its file given as another kind of source. Raises if they have no file that can be.
---@param kind string one of sources.KINDS
---@param given table
---@param folder string for the files
---@return table given a copy
function sources.replaced(kind, given, folder)
  local copy = {}
  for name, value in pairs(given) do copy[name] = value end
  if kind == "file" then return copy end
  if type(copy.file) ~= "string" or core.needs_spool(copy.file) then
    error(("torture: --source %s: is for uploads of one file"):format(kind), 0)
  end
  run("mkdir -p " .. system.quote(folder))
  local name = copy.file:match "[^/]*$"
  replace[kind](copy, function(beginning) return folder .. "/" .. beginning .. name end)
  return copy
end

return sources
