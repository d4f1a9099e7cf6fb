--- Errors: the table that a failed call returns as its third value, and the raising of misuse.
-- Relies on the binding, which makes most of them and shares their metatable.

local core = require "flarelight.core"

---@class flarelight.Error
---@field kind string config, invalid_request (400), unauthorized (401), forbidden (403), not_found (404), rate_limited, server (5xx), http (any other status), timeout, network, tls, protocol, cancelled, closed, phase, io, conflict; raised: what a task's function raised
---@field message string whole and readable; also what tostring gives
---@field status integer? of the HTTP reply
---@field messages any[]? the service's own messages, as they came
---@field attempts integer?
---@field elapsed number? seconds
---@field retry_after number? seconds the server asked to wait
---@field retry_at number? epoch seconds at which the call could have gone
---@field fate string? of a write: not_sent, rejected, applied, partial, in_doubt
---@field method string?
---@field path string?
---@field request_id string?
---@field location string? of a redirect, which is never followed
---@field body string? first KiB of a reply that was not the envelope
---@field progress table? of an upload
---@field record integer? number of the record, from 1
---@field line integer? of the file, from 1

local errors = {}

local metatable = core.error_metatable
metatable.__index = metatable
metatable.__name = "flarelight.error"
metatable.__tostring = function(err) return err.message end
-- so that `"…: " .. err` reads well in logs
metatable.__concat = function(left, right) return tostring(left) .. tostring(right) end

--- Whether a value is one of our errors.
function errors.is(value)
  return type(value) == "table" and getmetatable(value) == metatable
end

--- `nil, message, err` of a kind; `members` are set on the error as they are.
function errors.fail(kind, message, members)
  local err = setmetatable({ kind = kind, message = message }, metatable)
  for name, value in pairs(members or {}) do err[name] = value end
  return nil, message, err
end

--- Makes an error of whatever was raised: ours stay what they are.
function errors.from_raised(value)
  if errors.is(value) then return value end
  return setmetatable({ kind = "raised", message = tostring(value), value = value }, metatable)
end

local own_files = (debug and debug.getinfo(1, "S").source or ""):match "^(.*)error%.lua$"

--- Raises misuse at the level of the code that called into flarelight, however deep we are.
function errors.misuse(message)
  local level = 2
  if own_files and debug then
    local info = debug.getinfo(level, "S")
    while info and (info.what == "C" or info.what == "tail" or info.source == "=(tail call)"
        or info.source:sub(1, #own_files) == own_files) do
      level = level + 1
      info = debug.getinfo(level, "S")
    end
    if not info then level = 2 end
  end
  error("flarelight: " .. message, level)
end

return errors
