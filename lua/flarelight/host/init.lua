--- Which host runs now: chosen at each call, by what the code that makes the call runs in.
-- Relies on the files in host/, each of which knows one host; docs/hosts.md is their contract.

local misuse = require "flarelight.misuse"
local frame = require "flarelight.host.frame"
local script = require "flarelight.host.script"

---@class flarelight.Host
---@field name string
---@field is_running fun(): boolean whether the code that runs now belongs to it, so that it may wait
---@field wait fun(handle: flarelight.Handle) returns when handle:is_over()
---@field spawn fun(run: fun()) begins `run`, which raises nothing, in a coroutine of the host
---@field refuses nil|fun(): string? why nothing can wait now though it runs
---@field report nil|fun(message: string) where errors go that nobody asks for; standard error
---@field begins_anywhere boolean? `spawn` works outside of it, too
---@field raises_badly boolean? an error that is a table is not shown whole: what a loop raises is reported as well
---@field blocks boolean? waiting holds up the whole Lua state
---@field give_way nil|fun() lets others run, for work that is long though it never waits

---@class flarelight.Handle
---@field wake fun(self: flarelight.Handle)|nil
---@field ticket number?
---@field due number?
---@field is_over fun(self: flarelight.Handle): boolean
---@field timeout fun(self: flarelight.Handle): number?

local host = {}

-- Those that are tried, in order, and the module that has to be loaded for each: a host that nobody has
-- loaded runs nothing.
local candidates = {
  { "flarelight.host.openresty", "ngx" },
  { "flarelight.host.cqueues", "cqueues" },
  { "flarelight.host.copas", "copas" },
  { "flarelight.host.luv", "luv" },
}
local loaded = package.loaded

local by_name = {
  script = "flarelight.host.script", frame = "flarelight.host.frame", openresty = "flarelight.host.openresty",
  luv = "flarelight.host.luv", cqueues = "flarelight.host.cqueues", copas = "flarelight.host.copas",
}

local members = { name = "string", is_running = "function", wait = "function", spawn = "function" }

--- The host that the option `host` names: a name or a table. Misuse raises.
function host.of_option(given)
  if given == nil then return nil end
  if type(given) == "string" then
    local module = by_name[given]
    if not module then
      misuse(("flarelight.new.host: should be one of copas, cqueues, frame, luv, openresty, script, or a "
        .. "table, but is %q"):format(given))
    end
    local ok, found = pcall(require, module)
    if not ok then misuse(("flarelight.new.host: %s is not at hand: %s"):format(given, tostring(found))) end
    return found
  end
  for name, kind in pairs(members) do
    if type(given[name]) ~= kind then
      misuse(("flarelight.new.host: its member %s should be a %s, but is a %s"):format(name, kind,
        type(given[name])))
    end
  end
  return given
end

--- The host of the code that runs now; or `nil, message` where it cannot wait. `chosen`: the client's own,
-- if it was given one. Tasks of the frame host know who resumes them, whatever else runs.
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
    for i = 1, #candidates do
      local candidate = candidates[i]
      if loaded[candidate[2]] then
        local module = require(candidate[1])
        if module.is_running() then
          found = module
          break
        end
      end
    end
  end
  found = found or script
  local message = found.refuses and found.refuses()
  if message then return nil, message end
  return found
end

--- Where a task begins that is begun in `here`: what blocks runs none by itself.
function host.for_tasks(here)
  if not here.blocks then return here end
  for _, candidate in ipairs(candidates) do
    local module = loaded[candidate[2]] and require(candidate[1])
    if module and module.begins_anywhere then return module end
  end
  return frame
end

--- As `host.current`, where it must not fail.
function host.any(chosen) return host.current(chosen) or chosen or script end

return host
