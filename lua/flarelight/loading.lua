--- Loads modules: the C module, those that a build may leave out, and at their first use the parts that most scripts
-- do not use. If the C module was
-- built for another Lua, the system's loader only names a missing symbol. This file raises a message that names that
-- Lua instead. Relies on nothing.

local loading = {}

local function file_of(name)
  for template in package.cpath:gmatch "[^;]+" do
    local path = template:gsub("%?", (name:gsub("%.", "/")))
    local file = io.open(path, "rb")
    if file then return file, path end
  end
end

-- The mark that csrc/lua/module.c leaves in each build, as "Lua 5.4". LuaJIT's is that of Lua 5.1.
local function built_for(name)
  local file, path = file_of(name)
  if not file then return nil end
  local version = (file:read "*a" or ""):match "flarelight was built for (Lua %d%.%d)"
  file:close()
  return version, path
end

--- As `require`. If the module was built for another Lua, the error names that Lua.
function loading.core()
  local loaded, core = pcall(require, "flarelight.core")
  if loaded then return core end
  local version, path = built_for "flarelight.core"
  if not version or version == _VERSION then error(core, 0) end
  error(("flarelight: %s was built for %s, and this is %s; "
    .. "`make LUA=…` and `make install LUA=…` build for another Lua")
    :format(path, version, (rawget(_G, "jit") or {}).version or _VERSION), 0)
end

-- Lua 5.1 and LuaJIT leave a mark for a module whose loading failed, as for lack of memory, and refuse to load it
-- again. The mark of LuaJIT is a value of no type of Lua: `type` calls it a number. What a module of ours returns is a
-- table or a function.
local function remove_marks()
  for name, value in pairs(package.loaded) do
    local kind = type(value)
    if kind ~= "table" and kind ~= "function" and name:find "^flarelight%." then package.loaded[name] = nil end
  end
end

--- Loads a C module that a build may leave out. Returns `nil, message` if it was left out; the message continues a
-- sentence as "environments need …". Raises what else goes wrong, as Ctrl-C while it loads.
---@param name string
---@param library string that the module needs
---@param package string of Debian that holds it
---@return table? module, string? message
function loading.optional(name, library, package)
  remove_marks()
  local found, module = pcall(require, name)
  if found then return module end
  if not tostring(module):find(("module '%s' not found"):format(name), 1, true) then error(module, 0) end
  return nil, ("the module %s, which was not built with this flarelight: it needs %s (%s in Debian)")
    :format(name, library, package)
end

--- Stands for the table of a module, which is loaded when one of its members is first read. A part that a script does
-- not use then costs no memory, and the garbage collector has less to visit.
---@param name string
---@return table
function loading.later(name)
  local busy = false
  return setmetatable({}, {
    __index = function(self, member)
      -- Before the try, since after a failure there may be no memory for it.
      if not busy then remove_marks() end
      busy = true
      local loaded, module = pcall(require, name)
      busy = false
      if not loaded then error(module, 0) end
      setmetatable(self, { __index = module })
      return module[member]
    end,
  })
end

return loading
