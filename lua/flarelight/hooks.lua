--- The caller's part in requests: the headers of the client and of a call, and the functions `before` and `after`.
-- calls.lua calls it for each request. Relies on headers.lua for checks.

local core = require "flarelight.core"
local errors = require "flarelight.error"
local headers = require "flarelight.headers"
local misuse = require "flarelight.misuse"

-- The argument of `before`. Only its headers may be changed.
---@class flarelight.Request
---@field operation string as "imports.data"
---@field method string
---@field path string
---@field query string with its "?"; "" for none
---@field write boolean
---@field headers table<string, string> those of the client and of the call; may be changed

-- The argument of `after`.
---@class flarelight.Reply
---@field operation string
---@field method string
---@field path string
---@field request_id string
---@field attempts integer
---@field elapsed number seconds, waits included
---@field status integer? nil if no reply came
---@field headers table<string, string>? names in lower case
---@field fate flarelight.Fate? of a write
---@field kind flarelight.ErrorKind? of an error
---@field message string? of an error

---@class flarelight.Hooks
---@field active boolean whether every request has headers or a function of the caller
---@field asking thread|string|nil the coroutine in which `before` runs, to refuse calls that it makes
local Hooks = {}
Hooks.__index = Hooks

local hooks = {}

--- The hooks of a client by its configuration.
function hooks.new(config)
  return setmetatable({
    own = config.headers or {}, lines = config.headers and headers.lines(config.headers),
    before_function = config.before, after_function = config.after,
    active = config.headers ~= nil or config.before ~= nil,
  }, Hooks)
end

local function path_of(prepared) return core.path(prepared.path, prepared.id) or prepared.path end

-- Calls the function `before`. Returns the headers that it leaves.
local function ask(run, prepared, method, joined)
  local function request()
    return { operation = prepared.operation, method = method, path = path_of(prepared), query = prepared.query or "",
             write = prepared.write or false }
  end
  local given, kept = request(), request()
  given.headers = joined
  run(given)
  local function refuse(name)
    misuse(("before: request.%s: cannot be changed; only request.headers can"):format(tostring(name)))
  end
  for name, value in pairs(kept) do
    if given[name] ~= value then refuse(name) end
  end
  for name in pairs(given) do
    if kept[name] == nil and name ~= "headers" then refuse(name) end
  end
  return headers.check("before: request.headers", given.headers or {})
end

--- Sets `headers` and `request_id` of a prepared request. An error that `before` raises is raised.
function Hooks:before(prepared, method)
  if not prepared.given_headers and not self.before_function then
    prepared.headers = self.lines
    return
  end
  local joined = headers.join(self.own, prepared.given_headers or {})
  if self.before_function then
    local caller = coroutine.running() or "main"
    if self.asking == caller then misuse "before: made a call, which would call it again; it cannot make calls" end
    self.asking = caller
    local asked, result = pcall(ask, self.before_function, prepared, method, joined)
    self.asking = nil
    if not asked then error(result, 0) end
    joined = result
  end
  prepared.headers, prepared.request_id = headers.lines(joined)
end

local MEMBERS = { "request_id", "attempts", "elapsed", "status", "headers", "fate", "kind", "message" }

local function tell(run, prepared, about)
  local reply = { operation = prepared.operation, method = prepared.method or "GET", path = path_of(prepared) }
  for _, name in ipairs(MEMBERS) do reply[name] = about[name] end
  run(reply)
end

--- Calls the function `after` with the outcome of a request. An error that it raises, and a lack of memory, are kept in
-- `listener.raised`: they must not lose the outcome of a write. Ctrl-C is kept before any other.
---@param prepared table
---@param about flarelight.Meta|flarelight.Error
function Hooks:after(prepared, about, listener)
  local ok, raised = pcall(tell, self.after_function, prepared, about)
  if not ok and (listener.raised == nil or errors.is_interrupt(raised)) then listener.raised = { raised } end
end

-- The table `meta` makes its headers when they are first read.
core.meta_metatable.__index = function(meta, name)
  local head = name == "headers" and rawget(meta, "head")
  if not head then return nil end
  local found = core.headers(head)
  rawset(meta, name, found)
  return found
end

return hooks
