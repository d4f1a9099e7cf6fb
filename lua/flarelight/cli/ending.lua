--- The end of the command: an exit status and, after a failure, a message on standard error, with --json as one line of
-- JSON. A command ends early by raising a value; `tell` prints its message and returns its status.

local errors = require "flarelight.error"
local json = require "flarelight.json"
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
  return errors.is_interrupt(raised)
end

--- Whether a raised value says that standard output cannot be written.
function ending.is_broken(raised) return type(raised) == "table" and getmetatable(raised) == output.Broken end

--- Loads a module that may be missing: found, and the module or the error of `require`. Ctrl-C is raised again.
---@param name string
---@return boolean found, any module_or_error
function ending.load(name)
  local found, module = pcall(require, name)
  if not found and ending.is_interrupt(module) then error(module, 0) end
  return found, module
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
---@param resume { heading: string, command: string?, forget: string?, import: any }? how to continue, or to give up;
-- without a command what remains at the service, in which import
function ending.expect(value, message, err, resume)
  if value ~= nil or err == nil then return value, message end
  if err.kind == "raised" and ending.is_interrupt(err) then error(err.value, 0) end
  ending.raise { status = status.of(err), kind = err.kind, message = message_of(err), err = err, resume = resume }
end

-- --- messages ---

-- What the fates mean that a user has to know of.
local FATES = {
  applied = "the write has happened; what came after it failed",
  in_doubt = "the write may have happened; check before you try again",
  partial = "a part of the write may have happened; check before you try again",
  foreign = "the import does not hold what was sent, or holds other rows there",
}

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
  if FATES[err.fate] and not (err.fate == "applied" and err.proof) then
    lines[#lines + 1] = ("  fate: %s: %s"):format(err.fate, FATES[err.fate])
  end
  if err.proof and err.fate == "applied" and err.kind ~= "run_failed" then
    lines[#lines + 1] = "  the run was started; look for its end before you start it again"
  end
  if err.kind == "unauthorized" then lines[#lines + 1] = "  flarelight doctor tells where the key comes from" end
  if err.retry_at then lines[#lines + 1] = "  try again after " .. output.clock(math.ceil(err.retry_at)) end
  return lines
end

local PREFIX = "flarelight: "

-- What a command with several files has not done, as names for a shell.
local function quoted_names(names)
  local words = {}
  for place, name in ipairs(names) do words[place] = wording.quoted(name) end
  return table.concat(words, " ")
end

local function tell_text(ended, file)
  local lines = ended.err and remarks(ended.err) or {}
  table.insert(lines, 1, (ended.usage and ended.usage .. "\n\n" or "")
    .. output.coloured(2, "failed", PREFIX)
    .. output.fitted(2, (file and file .. ": " or "") .. ended.message, #PREFIX, 0))
  if ended.resume then
    lines[#lines + 1] = ended.resume.heading
    if ended.resume.command then lines[#lines + 1] = "  " .. ended.resume.command end
    if ended.resume.settle then lines[#lines + 1] = "Once you know:\n  " .. ended.resume.settle end
    if ended.resume.forget then lines[#lines + 1] = "To give it up:\n  " .. ended.resume.forget end
  end
  if ended.rest and ended.rest[1] then lines[#lines + 1] = "Not uploaded: " .. quoted_names(ended.rest) end
  output.complain(table.concat(lines, "\n"))
end

local MEMBERS = {
  "fate", "status", "retry_at", "retry_after", "operation", "request_id", "token", "record", "records", "line",
  "differences", "proof", "data",
}

local function tell_json(ended, file)
  local told = { kind = ended.kind, message = ended.message, file = file }
  if ended.resume then
    told.resume, told.import = ended.resume.command, ended.resume.import
    if not ended.resume.command then told.message = told.message .. ": " .. ended.resume.heading end
  end
  if ended.rest and ended.rest[1] then told.not_uploaded = json.array(ended.rest) end
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
  if ending.is_broken(raised) then error(raised, 0) end
  local ended = ended_of(raised)
  file = file or ended.file
  progress.stop()
  if ended.text then output.write(ended.text .. "\n")
  elseif as_json then tell_json(ended, file)
  else tell_text(ended, file) end
  return ended.status
end

--- Tells that standard output cannot be written, and what the command has done all the same. If the reader has ended
-- (`| head`) and nothing was done, no message is needed.
---@param broken { message: any, rest: string[]? } an output.Broken
---@param as_json boolean
---@return integer
function ending.tell_broken(broken, as_json)
  local done, message = output.take_done(), tostring(broken.message)
  if message:find "roken pipe" and not done[1] and not broken.rest then return status.FAILED end
  message = "standard output: " .. message
  if as_json then
    if done[1] then message = message .. "; " .. table.concat(done, "; ") end
    tell_json { kind = "io", message = message, err = { fate = done.fate }, rest = broken.rest }
  else
    for _, text in ipairs(done) do message = message .. "\n  " .. text end
    tell_text { message = message, rest = broken.rest }
  end
  return status.FAILED
end

-- Ends a command with several files at one of them: adds the file, and those that it leaves undone.
local function stop_at(raised, files, place)
  local broken = ending.is_broken(raised)
  local ended = broken and raised or setmetatable(ended_of(raised), Ended)
  local rest = {}
  -- What an interrupted file has sent is told; without that it is as undone as the files after it.
  for i = (broken or ended.resume) and place + 1 or place, #files do rest[#rest + 1] = files[i] end
  ended.rest, ended.file = rest[1] and rest, not broken and files[place] or nil
  error(ended, 0)
end

--- Calls `body(file, place)` for each file. If one of several files fails, its message is printed and the others
-- continue. Returns the worst status. `uploads`: after Ctrl-C the message names the files that were not uploaded.
---@param files any[]
---@param as_json boolean
---@param uploads boolean?
---@return integer
function ending.each(files, as_json, body, uploads)
  local worst = status.DONE
  if files[2] == nil then
    body(files[1], 1)
    return worst
  end
  for place, file in ipairs(files) do
    local ran, raised = pcall(body, file, place)
    if not ran then
      local broken = ending.is_broken(raised)
      if broken or ended_of(raised).status == status.INTERRUPTED then
        if uploads then stop_at(raised, files, place) end
        error(raised, 0)
      end
      worst = math.max(worst, ending.tell(raised, as_json, file))
    end
  end
  return worst
end

return ending
