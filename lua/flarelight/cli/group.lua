--- Commands that several groups have: `list`, and one that runs something by its id.

local context = require "flarelight.cli.context"
local ending = require "flarelight.cli.ending"
local output = require "flarelight.cli.output"
local progress = require "flarelight.cli.progress"
local seeing = require "flarelight.cli.seeing"
local status = require "flarelight.cli.status"
local core = require "flarelight.core"
local names = require "flarelight.names"

local group = {}

--- Defines `list`. `all(api)` requests the list; `none` is the remark for an empty list.
function group.list(define, parser, description, all, none)
  local command = define(parser, "list", description, function(args, out)
    out:list(ending.expect(all(context.client(args))), nil, none)
  end)
  seeing.of_one_call(command)
  context.connecting(command)
end

-- The reply to a start, for a reader: after a wait its status is the one that was seen at the end.
local function seen_at_end(data, proof)
  if type(data) ~= "table" or data.status == nil or not (proof and proof.status) then return data end
  local shown = {}
  for name, value in pairs(data) do shown[name] = value end
  shown.status = proof.status
  return shown
end

-- Prints the end of a run.
local function tell_end(out, meta)
  local proof = meta.proof
  local changed = table.concat(names.sorted(proof.changed), ", ")
  local seen = changed ~= "" and "changed: " .. changed or "its status is no longer that of a run"
  local status_seen = proof.status and "; status " .. proof.status or ""
  out:note(("done after %s (%s%s)"):format(output.duration(proof.seconds), seen, status_seen))
end

-- The client's option `wait` for this command line; nil without --wait.
local function wait_of(args)
  if args.curl then return nil end -- the start is the call to print
  if not args.wait then
    if args.until_report or args.until_preparation then
      ending.fail(status.USAGE, "--until-report and --until-preparation need --wait")
    end
    return nil
  end
  return { timeout = args.wait, report = args.until_report, preparation = args.until_preparation }
end

-- After Ctrl-C during a wait: the command that shows the state of the run.
local function list_of(args, kind)
  if args.until_report then kind = "reports" elseif args.until_preparation then kind = "preparations" end
  return { heading = "The run may have been started. Its state, as far as the service shows it:",
           command = ("flarelight %s list%s"):format(kind, context.same_options(args)) }
end

-- What a key names: the command with its id, and a digest of its parameters.
local function start_of(command, args)
  local words = command:_get_fullname():gsub("^%S+ ", "")
  local digest = args.parameters ~= nil and core.digest(args.parameters) or nil
  return { command = ("%s %s"):format(words, tostring(args.id)), parameters = digest }
end

-- Calls `run`; with a key inside of `api:once`, whose record also has what was started.
local function once_of(api, key, start, run)
  if not key then
    local data, meta, err = run()
    return data, meta, err
  end
  local data, meta, err = api:once(key, function()
    local its_data, its_meta, its_err = run()
    if type(its_meta) == "table" then its_meta.start = start end
    return its_data, its_meta, its_err
  end)
  return data, meta, err
end

-- Fails if the key is one of another start, so that nobody takes that one's result for the result of this one.
local function check_start(key, start, meta)
  local other = meta.already and meta.start
  if not other or other.command == start.command and other.parameters == start.parameters then return end
  local what = other.command ~= start.command and ("of %q"):format(other.command) or "of other parameters"
  ending.fail(status.FAILED, ("the key %q is %s, done on %s: choose another key for this start"):format(key, what,
    output.clock(meta.done_at)), "conflict")
end

-- The command that tells what happened to a key, after an error that leaves its write applied or in doubt.
local function explanation_of(args, err)
  if not err or err.fate ~= "in_doubt" and err.fate ~= "applied" then return nil end
  local words = context.quoted(args.key) .. context.same_options(args)
  return {
    heading = "What happened, and what to do next:", command = "flarelight runs show " .. words,
    settle = "flarelight runs settle " .. words .. " --done (or --again)",
  }
end

--- Defines `name`, a command with an id and parameters that starts a run. `run(api, id, parameters, options)` sends the
-- request. `kind`: the list that shows the end of the run, "preparations" or "reports"; nil if only a report or
-- preparation that the user names shows it.
function group.run(define, parser, name, description, run, kind)
  local command
  command = define(parser, name, description, function(args, out)
    local wait = wait_of(args)
    local api = context.client(args, args.key and { state = context.state(args) } or nil)
    local bar = wait and progress.new(out, args.id)
    if bar then bar:update(nil, { "waiting for the end of the run" }) end
    local start = start_of(command, args)
    local ran, data, meta, err = pcall(once_of, api, args.key, start, function()
      return run(api, args.id, args.parameters, { wait = wait })
    end)
    if bar then bar:clear() end
    if wait and ending.was_interrupted(ran, data, err) then ending.interrupted(list_of(args, kind)) end
    if not ran then error(data, 0) end
    data, meta = ending.expect(data, meta, err, args.key and explanation_of(args, err) or nil)
    if args.key then check_start(args.key, start, meta) end
    if not (args.curl or args.key and meta.already) then
      output.did("the write was applied: " .. start.command, "applied")
    end
    local own = not (args.until_report or args.until_preparation) -- the proof is about the run itself
    out:value(own and not out.json and seen_at_end(data, meta.proof) or data)
    if args.key and meta.already then
      out:note(("already done on %s; nothing was sent"):format(output.clock(meta.done_at)))
    elseif wait and not out.json then
      tell_end(out, meta)
    end
  end)
  command:argument("id"):argname "ID":convert(context.id):description "Id, as the lists of the service have it."
  command:option("--parameters"):argname "JSON":convert(context.json)
    :description "An object, or @FILE, or @- for standard input."
  command:option("--key"):argname "KEY"
    :description "Names this run for good: with the same key it is started once. Needs the state file."
  local wait = command:option("--wait"):argname "SECONDS":convert(context.number)
    :description "Waits for the end of the run, 600 seconds where it stands alone."
  -- The seconds are part of the word: argparse would show them as the next one.
  wait.own_label = "--wait[=SECONDS]"
  wait._get_usage = function() return "[" .. wait.own_label .. "]" end
  if not kind then
    command:option("--until-report"):argname "ID":convert(context.id)
      :description "With --wait: the end is that of this report."
    command:option("--until-preparation"):argname "ID":convert(context.id)
      :description "With --wait: the end is that of this preparation."
  end
  seeing.of_one_call(command)
  context.connecting(command)
end

return group
