--- Failures inside an upload. They are raised at their place, and the functions of upload/init.lua return them as `nil,
-- message, err`, so that no code in between has to pass errors on. Relies on error.lua for the errors and on
-- host/pollable.lua, which catches them where calls yield, on Lua 5.1 too.

local errors = require "flarelight.error"
local misuse = require "flarelight.misuse"
local pollable = require "flarelight.host.pollable"

local failure = {}

-- The raised value is { err = }. Its class distinguishes it from errors that the caller's functions raise, which may be
-- errors of flarelight as well.
local Failure = { __tostring = function(raised) return raised.err.message end }

--- Raises an error (of error.lua).
function failure.raise(err) error(setmetatable({ err = err }, Failure), 0) end

--- Makes an error and raises it.
---@param kind flarelight.ErrorKind
---@param message string
---@param members table? set on the error as they are
function failure.fail(kind, message, members)
  failure.raise(select(3, errors.fail(kind, message, members)))
end

--- A failure of kind `memory`, made in advance (see errors.in_reserve). Not raised, since raising needs memory. To drop
-- its `ballast` gives Lua the memory for a few calls.
function failure.in_reserve(message)
  return setmetatable({ err = errors.in_reserve(message), ballast = errors.ballast() }, Failure)
end

-- The beginning of a message about a batch.
local function place_of(batch)
  local line = batch.line and (", from line %d"):format(batch.line) or ""
  if batch.line and batch.parts and #batch.parts > 1 then line = line .. " of " .. batch.file end
  return ("imports:upload: batch %d (records %d to %d%s): "):format(batch.number or 0, batch.record,
    batch.record + batch.count - 1, line)
end

-- The message of an error in brackets; nothing without an error.
local function in_brackets(err) return err and " (" .. err.message .. ")" or "" end

--- Raises an error about a batch. `words` describe it, `cause` is the error that caused it.
---@param fate flarelight.Fate
---@param cause flarelight.Error?
function failure.stop(kind, batch, fate, words, cause)
  failure.fail(kind, place_of(batch) .. words .. in_brackets(cause), { fate = fate, status = cause and cause.status })
end

--- Raises an error about a batch whose fate cannot be found out, since a read failed. The message has both errors.
---@param became string what the sending has shown, as "it is in doubt"
---@param cause flarelight.Error? of the sending
---@param target string what could not be read
---@param wrong flarelight.Error of the read
function failure.unread(batch, became, cause, target, wrong)
  failure.fail(wrong.kind, ("%s%s%s, and %s could not be read: %s"):format(place_of(batch), became, in_brackets(cause),
    target, wrong.message), { fate = "in_doubt", status = wrong.status, value = wrong.value })
end

--- Raises the error of a read that should have checked an import. `words` say what is known and what was to be checked.
---@param fate flarelight.Fate?
---@param wrong flarelight.Error of the read; its message and fate are changed
function failure.unchecked(words, fate, wrong)
  wrong.message, wrong.fate = ("imports:upload: %s: %s"):format(words, wrong.message), fate
  failure.raise(wrong)
end

--- Raises an error about a batch whose fate cannot be found out.
---@param cause flarelight.Error?
function failure.in_doubt(batch, words, cause)
  failure.stop(cause and cause.kind or "conflict", batch, "in_doubt", words, cause)
end

--- Whether a raised value is a failure of this file.
function failure.is(raised) return getmetatable(raised) == Failure end

--- Converts the results of `pollable.protect`: returns the result, or `nil, message, err` of a failure. Any other
-- raised value is raised again.
function failure.outcome(good, result)
  if good then return result end
  if failure.is(result) then return nil, result.err.message, result.err end
  -- On Lua 5.1 the code that found the misuse runs in an inner coroutine, so the caller's line is not on its stack. It
  -- is on the stack here.
  local text = type(result) == "string" and result:match "^flarelight: (.*)$"
  if text then misuse(text) end
  error(result, 0)
end

--- Calls `body`. Returns its result, or `nil, message, err` of a failure.
function failure.caught(body)
  local result, message, err = failure.outcome(pollable.protect(body))
  return result, message, err
end

return failure
