--- The end of the command: an exit status and, after a failure, a message on standard error, with --json as one line of
-- JSON. A command ends early by raising a value; `tell` prints its message and returns its status.

local errors = require "flarelight.error"
local output = require "flarelight.cli.output"
local progress = require "flarelight.cli.progress"
local status = require "flarelight.cli.status"
local wording = require "flarelight.cli.wording"

local ending = {}

-- The class of the tables that are raised to end the command: `{ status =, text = }` with a text for standard output,
-- or `{ status =, kind =, message =, usage =, err =, resume = }`.
local Ended = {}

--- Ends the command.
function ending.raise(members) error(setmetatable(members, Ended), 0) end

--- Ends the command with a message. `kind` is for --json; by default "usage" for status USAGE, else "io".
function ending.fail(code, message, kind)
  ending.raise { status = code, message = message, kind = kind or code == status.USAGE and "usage" or "io" }
end

--- Whether a raised value is the user's Ctrl-C, as Lua's own interpreters raise it.
function ending.is_interrupt(raised)
  if errors.is(raised) then raised = raised.value end
  return type(raised) == "string" and raised:find "interrupted!$" ~= nil
end

--- Whether Ctrl-C ended a protected call of the client. The arguments are the results of pcall.
function ending.was_interrupted(ran, result, err)
  if not ran then return ending.is_interrupt(result) end
  return result == nil and err ~= nil and err.kind == "raised" and ending.is_interrupt(err)
end

--- Ends the command after Ctrl-C. `resume` is as for `expect`.
function ending.interrupted(resume)
  ending.raise { status = status.INTERRUPTED, kind = "interrupted", message = "interrupted", resume = resume }
end

-- The message of an error in the command's words. Messages of the service are not changed.
local function message_of(err)
  local own = err.kind == "config" or err.message:find "^imports:" or err.message:find "^api:"
  return own and wording.of(err.message) or err.message
end

--- Returns the results of a call; after a failure ends the command with the message and status of the error.
---@param resume { heading: string, command: string, forget: string? }? how to continue, or to give up
function ending.expect(value, message, err, resume)
  if value ~= nil or err == nil then return value, message end
  if err.kind == "raised" and ending.is_interrupt(err) then error(err.value, 0) end
  ending.raise { status = status.of(err), kind = err.kind, message = message_of(err), err = err, resume = resume }
end

-- --- messages ---

-- Further members of an error, as lines below its message.
local function remarks(err)
  local lines = {}
  if err.record then
    local line = err.line and (", line %s of the file"):format(err.line) or ""
    lines[#lines + 1] = err.records
      and ("  its batch: %s %s from record %s on%s"):format(err.records, err.records == 1 and "record" or "records",
        err.record, line)
      or ("  record %s%s"):format(err.record, line)
  end
  if err.fate == "in_doubt" then
    lines[#lines + 1] = "  fate: in_doubt: the write may have happened; check before you try again"
  end
  if err.proof and err.fate == "applied" and err.kind ~= "run_failed" then
    lines[#lines + 1] = "  the run was started; look for its end before you start it again"
  end
  if err.retry_at then lines[#lines + 1] = "  try again after " .. output.clock(math.ceil(err.retry_at)) end
  return lines
end

local PREFIX = "flarelight: "

local function tell_text(ended, file)
  local lines = ended.err and remarks(ended.err) or {}
  table.insert(lines, 1, (ended.usage and ended.usage .. "\n\n" or "")
    .. output.coloured(2, "failed", PREFIX)
    .. output.fitted(2, (file and file .. ": " or "") .. ended.message, #PREFIX, 0))
  if ended.resume then
    lines[#lines + 1] = ended.resume.heading
    lines[#lines + 1] = "  " .. ended.resume.command
    if ended.resume.settle then lines[#lines + 1] = "Once you know:\n  " .. ended.resume.settle end
    if ended.resume.forget then lines[#lines + 1] = "To give it up:\n  " .. ended.resume.forget end
  end
  output.complain(table.concat(lines, "\n"))
end

local MEMBERS = {
  "fate", "status", "retry_at", "retry_after", "operation", "request_id", "token", "record", "records", "line",
  "differences", "proof", "data",
}

local function tell_json(ended, file)
  local told = { kind = ended.kind, message = ended.message, file = file }
  told.resume = ended.resume and ended.resume.command
  for _, name in ipairs(ended.err and MEMBERS or {}) do told[name] = ended.err[name] end
  output.complain(output.compact(told))
end

-- The message of misuse, without the file and line that Lua puts before it.
local function misuse_of(raised)
  return type(raised) == "string" and raised:match "flarelight: (.*)$"
end

-- Any raised value as an instance of Ended.
local function ended_of(raised)
  if type(raised) == "table" and getmetatable(raised) == Ended then return raised end
  if ending.is_interrupt(raised) then
    return { status = status.INTERRUPTED, kind = "interrupted", message = "interrupted" }
  end
  if errors.is(raised) then
    return { status = status.of(raised), kind = raised.kind, message = message_of(raised), err = raised }
  end
  if misuse_of(raised) then
    return { status = status.USAGE, kind = "usage", message = wording.of(misuse_of(raised)) }
  end
  return { status = status.FAILED, kind = "raised",
           message = "this is a mistake in the command itself: " .. tostring(raised) }
end

--- Prints the message of a raised value and returns the exit status. A broken standard output is raised again.
---@param raised any
---@param as_json boolean
---@param file string? the file of the message, if a command has several
---@return integer
function ending.tell(raised, as_json, file)
  if type(raised) == "table" and getmetatable(raised) == output.Broken then error(raised, 0) end
  local ended = ended_of(raised)
  progress.stop()
  if ended.text then output.write(ended.text .. "\n")
  elseif as_json then tell_json(ended, file)
  else tell_text(ended, file) end
  return ended.status
end

--- Calls `body(file, place)` for each file. If one of several files fails, its message is printed and the others
-- continue. Returns the worst status.
---@param files any[]
---@param as_json boolean
---@return integer
function ending.each(files, as_json, body)
  local worst = status.DONE
  if files[2] == nil then
    body(files[1], 1)
    return worst
  end
  for place, file in ipairs(files) do
    local ran, raised = pcall(body, file, place)
    if not ran then
      if ended_of(raised).status == status.INTERRUPTED then error(raised, 0) end
      worst = math.max(worst, ending.tell(raised, as_json, file))
    end
  end
  return worst
end

return ending
