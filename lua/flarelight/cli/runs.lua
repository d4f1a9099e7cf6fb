--- flarelight runs: list, show, forget, settle: the uploads and the keys of once in the state file.

local context = require "flarelight.cli.context"
local ending = require "flarelight.cli.ending"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local status = require "flarelight.cli.status"

local runs = {}

-- The state file may hold the name of what is forgotten; nothing is sent.
local function client(args) return context.client(args, { state = context.state(args) }) end

-- As ending.expect, for methods whose messages begin with their own name: the command's words instead.
local function expect(word, value, message, err)
  if err then err.message = err.message:gsub("^api:%l+:", "runs " .. word .. ":") end
  return ending.expect(value, message, err)
end

-- The seconds are in `runs show`: without them a token and both times fit 80 columns.
local function minute(seconds) return seconds and output.clock(seconds):match "^(.*):" end

local function list(args, out)
  local found = expect("list", client(args):runs { pending = args.pending, limit = args.limit })
  local columns, has = { "kind", "key", "state", "started" }, {}
  if not out.json then
    for _, each in ipairs(found) do
      each.key, has.ended, has.failure = each.key or each.token, has.ended or each.ended, has.failure or each.failure
      each.started, each.ended = minute(each.started), minute(each.ended)
    end
  end
  for _, name in ipairs { "ended", "failure" } do
    if has[name] then columns[#columns + 1] = name end
  end
  out:list(found, columns, args.pending and "no run is pending" or "there are no runs")
end

local function show(args, out)
  local found = expect("show", client(args):explain(args.key))
  if out.json then return output.write(output.encode(found)) end
  out:facts {
    { "kind", found.kind }, { "key", found.key }, { "token", found.token }, { "import", found.id },
    { "state", found.state }, { "started", output.clock(found.started) },
    { "ended", found.ended and output.clock(found.ended) or nil },
  }
  output.write "\n"
  for _, step in ipairs(found.steps) do
    local at = output.clock(step.at) .. "  "
    output.write(at .. output.fitted(1, step.text, #at) .. "\n")
  end
  if found.doubts then
    for _, doubt in ipairs(found.doubts) do
      local before = doubt.before and (" Before the start the list showed " .. doubt.before .. ".") or ""
      output.write("\n" .. output.fitted(1, ("look at %s: was it carried out at or after %s?%s"):format(doubt.target,
        output.clock(doubt.sent), before), 0) .. "\n")
    end
    out:note(("look at the service, then: flarelight runs settle %s --done (or --again)%s"):format(
      context.quoted(args.key), context.same_options(args)))
  end
end

local function forget(args, out)
  expect("forget", client(args):forget(args.key))
  output.did "it is forgotten"
  if out.json then return output.write(output.encode { forgotten = args.key }) end
  out:note "forgotten; what has arrived at the service stays there"
end

local function settle(args, out)
  if (args.done == nil) == (args.again == nil) then ending.fail(status.USAGE, "give either --done or --again") end
  if args.result and not args.done then ending.fail(status.USAGE, "--result goes with --done") end
  local how = args.done and "done" or "again"
  expect("settle", client(args):settle(args.key, how, args.result and args.result.value))
  output.did("it is settled: " .. how)
  if out.json then return output.write(output.encode { settled = args.key, how = how }) end
  out:note(how == "done" and "settled: it counts as done" or "settled: the next run does it again")
end

-- Converts --result: any JSON value, in a table because it may be false.
local function value(text)
  local decoded, message = json.decode(text)
  if decoded == nil then return nil, "the JSON: " .. message end
  return { value = decoded }
end

-- The options of `list`, which is also what `runs` alone does.
local function listing(command)
  command:flag("--pending"):description "Only those that are not done."
  command:option("--limit"):argname "N":convert(context.positive):description "Largest number of them. Default: 50."
  context.connecting(command)
end

function runs.define(parser, define)
  local group = define(parser, "runs", "Lists and explains uploads and keys of once, and decides about those in doubt.")
  -- Without a command it lists. argparse calls this action after that of a command.
  group:require_command(false):action(function(args) args.run = args.run or list end)
  listing(group)
  listing(define(group, "list", "Lists the uploads and keys of once in the state file, the newest first.", list))

  local function named(name, description, run)
    local command = define(group, name, description, run)
    command:argument("key"):argname "KEY":description "Key, or the token of an upload."
    context.connecting(command)
    return command
  end
  named("show", "Tells what happened to one of them, step by step.", show)
  named("forget", "Drops an upload that did not end, or a key of once.", forget)
  local command = named("settle", "Decides about a key of once whose write is in doubt.", settle)
  command:flag("--done"):description "It was done: its result is that of --result, or true."
  command:flag("--again"):description "It was not done: the next run does all of it again."
  command:option("--result"):argname "JSON":convert(value):description "With --done: the result."
end

return runs
