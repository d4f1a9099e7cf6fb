--- Environments: the sections of the configuration file, `flarelight/config.ini` in $XDG_CONFIG_HOME or ~/.config. The
-- file and its module, flarelight.ini_core, are read only if an environment is named. Relies on settings.lua for the
-- names of the keys, and on loading.lua for the module. No message shows a value of the file.

local loading = require "flarelight.loading"
local settings = require "flarelight.settings"

---@class flarelight.Environment
---@field name string of the section
---@field path string of the file
---@field entries table<string, { value: string, line: integer }> by key
---@field warnings string[] about the file

local environments = {}

--- The path of the configuration file, or `nil, message`. `getenv(name)` reads a variable.
---@return string? path, string? message
function environments.path(getenv)
  local base = getenv "XDG_CONFIG_HOME"
  -- The specification says to ignore a path that is not absolute.
  if not base or base:sub(1, 1) ~= "/" then
    local home = getenv "HOME"
    if not home or home:sub(1, 1) ~= "/" then
      return nil, "there is no configuration file: neither XDG_CONFIG_HOME nor HOME is an absolute path"
    end
    base = home .. "/.config"
  end
  return base .. "/flarelight/config.ini"
end

local function load_reader()
  local reader, missing = loading.optional("flarelight.ini_core", "libinih", "libinih-dev")
  if not reader then return nil, "environments need " .. missing end
  return reader
end

-- Key of a value, by the message of one that is unknown.
local function unknown_key(name)
  local names = {}
  for _, row in ipairs(settings.list) do names[#names + 1] = row.name end
  local nearest = settings.nearest(name, names)
  if nearest then return ("the key %q is not known; is it %s?"):format(name, nearest) end
  table.sort(names)
  return ("the key %q is not known (known: %s)"):format(name, table.concat(names, ", "))
end

-- The sections of a file's entries: name -> key -> { value =, line = }; or nil, message. All sections are checked, so
-- that a mistake shows before the environment is used that has it.
local function sections_of(entries, path)
  local sections, names = {}, {}
  for _, entry in ipairs(entries) do
    local function wrong(what) return nil, ("%s, line %d: %s"):format(path, entry.line, what) end
    if entry.section == "" then return wrong "stands before the first [section]" end
    local section = sections[entry.section]
    if not section then
      section = {}
      sections[entry.section], names[#names + 1] = section, entry.section
    end
    if not settings.by_name[entry.name] then return wrong(unknown_key(entry.name)) end
    if section[entry.name] then
      return wrong(("%s stands twice in [%s]; a line that begins with white space continues the one before"):format(
        entry.name, entry.section))
    end
    section[entry.name] = { value = entry.value, line = entry.line }
  end
  return sections, names
end

-- The mistake of a file that others could have written.
local function refusal(access)
  if access.foreign then return " belongs to another user, who could set the key's destination" end
  if access.others_write then return " may be written by other users: chmod go-w takes that away" end
end

local function no_section(name, names, path)
  local nearest = settings.nearest(name, names)
  local known = #names > 0 and "it has " .. table.concat(names, ", ") or "it has none"
  return ("%s has no section [%s]%s"):format(path, name, nearest and (": is it %s?"):format(nearest) or "; " .. known)
end

--- Reads an environment. Returns it, or `nil, message`.
---@param name string
---@param getenv fun(name: string): string?
---@return flarelight.Environment? environment, string? message
function environments.read(name, getenv)
  local reader, path, message
  path, message = environments.path(getenv)
  if not path then return nil, message end
  reader, message = load_reader()
  if not reader then return nil, message end
  local text, access = reader.read(path)
  if not text then return nil, path .. access end
  local wrong = refusal(access)
  if wrong then return nil, path .. wrong end
  if text:find "%z" then return nil, path .. " holds a NUL byte" end
  local entries, fault = reader.parse(text)
  if not entries then return nil, path .. fault end
  local sections, names = sections_of(entries, path)
  if not sections then return nil, names end
  if not sections[name] then return nil, no_section(name, names, path) end
  local warnings = {}
  if access.others_read then
    for _, each in ipairs(names) do
      if sections[each].api_key then
        warnings[1] = ("%s holds a key, and other users may read it: chmod go-r takes that away"):format(path)
      end
    end
  end
  return { name = name, path = path, entries = sections[name], warnings = warnings }
end

--- The names of the environments, for completion; none if the file cannot be read.
---@return string[]
function environments.names(getenv)
  local path, reader = environments.path(getenv), load_reader()
  local text, access = nil, nil
  if path and reader then text, access = reader.read(path) end
  local entries = text and not refusal(access) and not text:find "%z" and reader.parse(text)
  local _, names = sections_of(entries or {}, path)
  return type(names) == "table" and names or {}
end

--- A path of the configuration file: `~/` is the home, and a relative path starts at the file's folder.
---@param environment flarelight.Environment
---@param text string
---@param home string?
---@return string
function environments.resolve(environment, text, home)
  if text:sub(1, 2) == "~/" and home then return home .. text:sub(2) end
  if text:sub(1, 1) == "/" or text == "" or text == "none" or text:find "^%a[%w+.-]*://" then return text end
  return environment.path:match "^(.*/)" .. text
end

return environments
