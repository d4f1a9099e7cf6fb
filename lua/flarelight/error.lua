--- Errors: the table that a failed call returns as its third value.
-- Relies on the binding, which makes most errors and shares their metatable. misuse.lua raises mistakes of the
-- calling code.

local core = require "flarelight.core"

---@alias flarelight.ErrorKind "config"|"invalid_request"|"unauthorized"|"forbidden"|"not_found"|"rate_limited"|"server"|"http"|"timeout"|"network"|"tls"|"protocol"|"cancelled"|"closed"|"phase"|"io"|"conflict"|"run_failed"|"memory"|"raised"
---@alias flarelight.Fate "not_sent"|"rejected"|"applied"|"in_doubt"|"partial"|"foreign"

---@class flarelight.Error
---@field kind flarelight.ErrorKind
---@field message string the whole message; tostring gives it, too
---@field status integer? of the HTTP reply
---@field messages any[]? the service's own messages, as they came
---@field rate_limit flarelight.RateLimit? of the reply
---@field attempts integer?
---@field elapsed number? seconds
---@field waited number? seconds of them for which the rate limit held the call
---@field retries flarelight.Retry[]? as in meta
---@field retry_after number? seconds the server asked to wait
---@field retry_at number? epoch seconds: the earliest time for another attempt
---@field fate flarelight.Fate? of a write
---@field operation string? as "imports.data"
---@field method string?
---@field path string?
---@field request_id string?
---@field location string? of a redirect, which is never followed
---@field headers table<string, string>? of the reply, names in lower case
---@field reply flarelight.RawReply? of a call with `raw`: the reply as it came
---@field body string? first KiB of a reply that was not the envelope
---@field progress flarelight.Progress? of an upload
---@field token string? of an upload: for imports:resume
---@field record integer? of an upload: the batch's first record, from 1
---@field records integer? of an upload: how many records the batch had
---@field line integer? of the file, from 1
---@field file string? of an error about a file: its path as it was given
---@field differences flarelight.Difference[]? of an upload that differs from the last of its series
---@field value any kind raised: the raised value
---@field proof flarelight.Proof? of a wait for a run: the observations
---@field data any of a wait for a run: the reply to the start; of `once`: a reply or result that could not be recorded

local errors = {}

local metatable = core.error_metatable
metatable.__index = metatable
metatable.__name = "flarelight.error"
metatable.__tostring = function(err) return err.message end
-- For logs: `"…: " .. err` is the message.
metatable.__concat = function(left, right) return tostring(left) .. tostring(right) end

--- Whether a value is an error of flarelight.
function errors.is(value)
  return type(value) == "table" and getmetatable(value) == metatable
end

--- Returns `nil, message, err`: an error of this kind with these members.
function errors.fail(kind, message, members)
  local err = setmetatable({ kind = kind, message = message }, metatable)
  for name, value in pairs(members or {}) do err[name] = value end
  return nil, message, err
end

--- Whether a raised value is the user's Ctrl-C, as Lua's own interpreters raise it.
function errors.is_interrupt(raised) return type(raised) == "string" and raised:find "interrupted!$" ~= nil end

--- Whether a raised value says that memory ran out: Lua's own message, or one of the binding.
function errors.is_of_memory(raised)
  return raised == "not enough memory" or type(raised) == "string" and raised:find("not enough memory", 1, true) ~= nil
end

--- Makes an error of kind `memory` in advance, since none can be made once memory has run out. Its fate has to be set.
---@param message string without the reason
---@param members table? becomes the error
function errors.in_reserve(message, members)
  local err = members or {}
  err.kind, err.message, err.fate = "memory", message .. ": not enough memory", "not_sent"
  return setmetatable(err, metatable)
end

--- A value of a few KB, to be dropped when memory runs out. Each one is another value.
function errors.ballast()
  local ballast = {}
  for i = 1, 256 do ballast[i] = false end
  return ballast
end

--- The text of any value, as tostring gives it. An object whose __tostring fails, or gives no text, has a text that
-- says so: the code that reports an error must not fail because of it.
---@return string
function errors.text_of(value)
  if type(value) == "string" then return value end
  local good, text = pcall(tostring, value)
  if good and type(text) == "string" then return text end
  if errors.is_interrupt(text) then error(text, 0) end
  return ("a %s whose __tostring %s"):format(type(value), good and "returned no text" or "failed")
end

--- Makes an error of a raised value. An error of flarelight stays as it is.
function errors.from_raised(value)
  if errors.is(value) then return value end
  local message = value == nil and "error() was called without a message" or errors.text_of(value)
  return setmetatable({ kind = "raised", message = message, value = value }, metatable)
end

--- The same of a value that a caller's function has raised. Ctrl-C, which may come inside of any function, is raised
-- again: it should end the script, and not one item of its work.
function errors.from_caller(value)
  if errors.is_interrupt(value) then error(value, 0) end
  return errors.from_raised(value)
end

--- The error in the results `nil, message, err` of a caller's function, whose third value may be anything: the
-- message is then the second, and `value` the third.
---@param message any
---@param err any
---@return flarelight.Error
function errors.of_results(message, err)
  if errors.is(err) or message == nil then return errors.from_raised(err) end
  if errors.is(message) or err == nil then return errors.from_raised(message) end
  return setmetatable({ kind = "raised", message = errors.text_of(message), value = err }, metatable)
end

return errors
