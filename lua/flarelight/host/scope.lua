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
---@field ended boolean? set by its owner: it has no code any more
---@field outer flarelight.Scope? the scope in which it was entered
---@field order integer? grows from scope to scope

local MAIN = {} -- stands for the main coroutine

-- Coroutine -> its scope; false: a task that was spawned outside of any scope.
local scopes = setmetatable({}, { __mode = "k" })
local entered = 0 -- how many scopes were entered
local open = 0    -- how many of them are open

-- The scope of the code that has resumed this coroutine, which has none of its own: a coroutine that has resumed
-- another one has the status "normal". Of several scopes it is the one that was entered last.
local function enclosing()
  local found
  for co, value in pairs(scopes) do
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
  if found and not found.ended and core.is_ours(found.ticket) then return found end
end

local unpack = table.unpack or unpack
local function pack(...) return { n = select("#", ...), ... } end

--- Calls `run` inside of a scope. Returns what `pollable.protect` returns.
---@param value flarelight.Scope
---@param run fun(): ...
---@return boolean ok, ...
function scope.enter(value, run)
  local co = pollable.coroutine() or MAIN
  local before = scopes[co]
  value.outer, value.order = scope.current(), entered + 1
  scopes[co], entered, open = value, entered + 1, open + 1
  local results = pack(pollable.protect(run))
  scopes[co], open = before, open - 1
  value.ended = true
  return unpack(results, 1, results.n)
end

--- Gives this coroutine, which a task begins, the scope in which the task was spawned; nil for none.
function scope.adopt(value) scopes[pollable.coroutine() or MAIN] = value or false end

--- Forgets the scope of this coroutine, whose task has ended.
function scope.leave() scopes[pollable.coroutine() or MAIN] = nil end

return scope
