--- Scopes: a value for the code that runs inside of a function, found by its coroutine. The block of `api:once` is one,
-- and calls.lua asks for it at each write.
--
-- A scope belongs to the coroutine that entered it, to the tasks that are spawned inside, and to other coroutines that
-- code inside of it resumes. It does not belong to tasks that were spawned before, nor to a forked child. Relies on
-- pollable.lua for the coroutines, and on the binding to notice a fork.

local core = require "flarelight.core"
local pollable = require "flarelight.host.pollable"

local scope = {}

---@class flarelight.Scope
---@field ticket integer of core.ticket(), when it was made: shows a fork
---@field ended boolean it has no code any more; false when it is made, since there may be no memory for the member later
---@field doubted boolean? the fate of a write of its code is not known
---@field outer flarelight.Scope? the scope in which it was entered
---@field order integer? grows from scope to scope

local MAIN = {} -- stands for the main coroutine

-- Coroutine -> its scope; false: a task that was spawned outside of any scope.
local scopes = setmetatable({}, { __mode = "k" })
local entered = 0 -- how many scopes were entered
local open = 0    -- how many of them are open

-- A scope that has not ended: this one, or the one around it.
local function alive(value)
  while value and value.ended do value = value.outer end
  return value
end

-- The scope of the code that has resumed this coroutine, which has none of its own: a coroutine that has resumed
-- another one has the status "normal". Of several scopes it is the one that was entered last.
local function enclosing()
  local found
  for co, value in pairs(scopes) do
    value = alive(value)
    if value and (co == MAIN or coroutine.status(co) == "normal") and (not found or value.order > found.order) then
      found = value
    end
  end
  return found
end

--- The scope of the code that runs now, or nil.
---@return flarelight.Scope?
function scope.current()
  local co = pollable.coroutine()
  local found = scopes[co or MAIN]
  if found == nil and co and open > 0 then found = enclosing() end
  found = alive(found)
  if found and core.is_ours(found.ticket) then return found end
end

-- Ends a scope. Needs no memory, which may have run out inside of it.
local function leave(value, co, before, ...)
  value.ended = true
  scopes[co], open = before, open - 1
  return ...
end

--- Notes for the scopes of the running code that the fate of a write is not known.
function scope.doubt()
  local value = scope.current()
  while value do
    value.doubted = true
    value = value.outer
  end
end

--- Calls `run` inside of a scope. Returns what `pollable.protect` returns.
---@param value flarelight.Scope
---@param run fun(): ...
---@return boolean ok, ...
function scope.enter(value, run)
  local co = pollable.coroutine() or MAIN
  local before, protected = scopes[co], pollable.prepare(run)
  value.outer, value.order = scope.current(), entered + 1
  scopes[co] = value
  entered, open = entered + 1, open + 1
  return leave(value, co, before, protected())
end

--- Gives this coroutine, which a task begins, the scope in which the task was spawned; nil for none.
function scope.adopt(value) scopes[pollable.coroutine() or MAIN] = value or false end

--- Forgets the scope of this coroutine, whose task has ended.
function scope.leave() scopes[pollable.coroutine() or MAIN] = nil end

return scope
