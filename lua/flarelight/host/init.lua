--- Hosts: how a call waits depends on the code that makes it. Chosen anew at each call.
-- Relies on the files beside this one, one for each host; docs/hosts.md is their contract.

local core = require "flarelight.core"
local errors = require "flarelight.error"
local frame = require "flarelight.host.frame"
local mailbox = require "flarelight.host.mailbox"
local misuse = require "flarelight.misuse"
local pollable = require "flarelight.host.pollable"
local script = require "flarelight.host.script"

---@class flarelight.Host
---@field name string
---@field is_running fun(): boolean whether the code that runs now belongs to the host, so that it may wait there
---@field wait fun(handle: flarelight.Handle) returns when handle:is_over()
---@field spawn fun(run: fun()) begins `run`, which raises nothing, in a coroutine of the host
---@field refuses nil|fun(): string? the reason why nothing can wait now, although the host runs
---@field report nil|fun(message: string) reports errors that no code asks for; without it they go to standard error
---@field begins_anywhere boolean? `spawn` works outside of the host, too
---@field raises_badly boolean? the host shows only raised strings completely: an error that a loop raises is also reported
---@field blocks boolean? waiting holds up the whole Lua state
---@field give_way nil|fun() lets other code run during long work that never waits
---@field pass nil|fun() yields and continues as soon as possible, which shows whether Lua can yield; without it `wait` is called with no time

---@class flarelight.Handle
---@field wake fun(self: flarelight.Handle)|nil
---@field ticket number?
---@field due number?
---@field is_over fun(self: flarelight.Handle): boolean
---@field timeout fun(self: flarelight.Handle): number?

local host = {}

--- All hosts, in the order in which they are tried. Each is the module `flarelight.host.NAME`. `needs`: the module that
-- has to be loaded already, since a library that is not loaded runs no code.
host.list = {
  { name = "frame" },
  { name = "openresty", needs = "ngx" },
  { name = "cqueues", needs = "cqueues" },
  { name = "copas", needs = "copas" },
  { name = "luv", needs = "luv" },
  { name = "script" },
}

local candidates, names = {}, {}
for _, each in ipairs(host.list) do
  each.module = "flarelight.host." .. each.name
  if each.needs then candidates[#candidates + 1] = each end
  names[#names + 1], names[each.name] = each.name, each
end
table.sort(names)

local loaded = package.loaded

local members = { name = "string", is_running = "function", wait = "function", spawn = "function" }

--- The host that the option `host` names: a name or a table. Misuse raises.
---@param given string|flarelight.Host|nil
---@return flarelight.Host?
function host.of_option(given)
  if given == nil then return nil end
  if type(given) == "string" then
    if not names[given] then
      misuse(("flarelight.new.host: should be one of %s, or a table, but is %q")
        :format(table.concat(names, ", "), given))
    end
    local ok, found = pcall(require, names[given].module)
    if not ok and errors.is_interrupt(found) then error(found, 0) end
    if not ok then misuse(("flarelight.new.host: %s is not available: %s"):format(given, tostring(found))) end
    return found
  end
  for name, kind in pairs(members) do
    if type(given[name]) ~= kind then
      misuse(("flarelight.new.host: its member %s should be a %s, but is a %s"):format(name, kind, type(given[name])))
    end
  end
  return given
end

-- The first host that has its library loaded and passes `test`.
local function find(test)
  for i = 1, #candidates do
    local module = loaded[candidates[i].needs] and require(candidates[i].module)
    if module and test(module) then return module end
  end
end

local function is_running(module) return module.is_running() end
local function begins_anywhere(module) return module.begins_anywhere end

--- The host of the code that runs now; or `nil, message` if that code cannot wait. `chosen`: the client's own host, if
-- it was given one. A task of the host `frame` always waits there, whatever else runs around it.
---@param chosen flarelight.Host?
---@return flarelight.Host? host, string? message
function host.current(chosen)
  local found
  if frame.is_running() then
    found = frame
  elseif chosen then
    if not chosen.is_running() then
      return nil, ("the client's host is %s, and this code does not run in it"):format(chosen.name)
        .. (chosen == frame and ": put it into api:spawn" or "")
    end
    found = chosen
  else
    found = find(is_running) or script
  end
  local message = found.refuses and found.refuses()
  if message then return nil, message end
  return found
end

--- As `host.current`, for code that is about to wait. Fails if Lua cannot yield here, which must be known before
-- anything is sent. On Lua 5.1 and 5.2 only a try shows it, so the host yields once. In a metamethod or an iterator of
-- `for` on Lua 5.1 this raises Lua's own error.
---@param chosen flarelight.Host?
---@return flarelight.Host? host, string? message
function host.for_waiting(chosen)
  local here, message = host.current(chosen)
  if not here or here.blocks or not pollable.coroutine() then return here, message end
  local can_yield = pollable.can_yield()
  if can_yield == nil then
    can_yield = pollable.try_yield(here.pass or function() here.wait(mailbox.waiter { due = core.now() }) end)
  end
  if can_yield then return here end
  return nil, "nothing can wait here: Lua cannot yield out of a function that C calls (as in string.gsub, table.sort, "
    .. "require" .. (pollable.pcall_yields and ")" or ", pcall)")
end

--- The host for a task that is started in `here`. A host that blocks runs no tasks by itself.
---@param here flarelight.Host
---@return flarelight.Host
function host.for_tasks(here)
  if not here.blocks then return here end
  return find(begins_anywhere) or frame
end

--- As `host.current`, for code that needs a host in any case.
---@param chosen flarelight.Host?
---@return flarelight.Host
function host.any(chosen) return host.current(chosen) or chosen or script end

return host
