--- flarelight torture: kills a script at every checkpoint of its uploads and blocks of once, applies every fault of the
-- sandbox, and reports lost and repeated rows and starts of runs. The work is in flarelight.torture.

local context = require "flarelight.cli.context"
local ending = require "flarelight.cli.ending"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local postgres = require "flarelight.postgres"
local progress = require "flarelight.cli.progress"
local sandbox = require "flarelight.cli.sandbox"
local sources = require "flarelight.torture.sources"
local status = require "flarelight.cli.status"

local command_torture = {}

local BAD = { LOST = true, REPEATED = true, hung = true, ["stopped without a message"] = true }

local KINDS = {
  { "step", "killed at a checkpoint" }, { "net", "killed in a request" }, { "fault", "fault of the service" },
  { "twice", "killed while in doubt" },
  { "mix", "random fault and kill" }, { "clean", "none" },
}

local TROUBLE = {}
for _, kind in ipairs(KINDS) do TROUBLE[kind[1]] = kind[2] end

local function server_of(name) return name:match "^([^/]+)/" end

local function is_wrong(result) return result.outcome == "LOST" or result.outcome == "REPEATED" end

-- Adds a result to the row of its server and kind. Returns the name of the column that counts its outcome.
local function count(row, result)
  local column = is_wrong(result) and "wrong" or result.outcome
  row.points = row.points + 1
  row[column] = (row[column] or 0) + 1
  if is_wrong(result) then row.lost, row.repeated = row.lost + result.lost, row.repeated + result.repeated end
  return column
end

-- The columns of the table. The outcome "exact" is first; the others are sorted by name.
local function columns_of(outcomes)
  local columns, order = { "server", "trouble", "points" }, {}
  for name in pairs(outcomes) do order[#order + 1] = name end
  table.sort(order, function(left, right)
    if (left == "exact") ~= (right == "exact") then return left == "exact" end
    return left < right
  end)
  for _, name in ipairs(order) do columns[#columns + 1] = name end
  columns[#columns + 1], columns[#columns + 2] = "lost", "repeated"
  return columns
end

-- One row for each server and kind, which counts the outcomes of its points, and a row of totals.
local function table_of(results)
  local rows, by_name, outcomes = {}, {}, {}
  for _, result in ipairs(results) do
    local server = server_of(result.point)
    local name = server .. " " .. result.kind
    if not by_name[name] then
      by_name[name] = { server = server, trouble = TROUBLE[result.kind], points = 0, lost = 0, repeated = 0 }
      rows[#rows + 1] = by_name[name]
    end
    outcomes[count(by_name[name], result)] = true
  end
  local columns, totals = columns_of(outcomes), { server = "all", trouble = "" }
  for _, row in ipairs(rows) do
    for place = 3, #columns do
      local name = columns[place]
      row[name] = row[name] or 0
      totals[name] = (totals[name] or 0) + row[name]
    end
  end
  rows[#rows + 1] = totals
  return rows, columns, totals
end

local function describe(result)
  local rows = ""
  if is_wrong(result) then
    local of_runs = result.lost_starts + result.repeated_starts
    rows = ("  lost %d, repeated %d%s"):format(result.lost, result.repeated,
      of_runs > 0 and (" (starts of runs: %d, %d)"):format(result.lost_starts, result.repeated_starts) or "")
  elseif result.lost > 0 or result.repeated > 0 then
    rows = ("  (%d rows or starts missing, %d too many, and it says so)"):format(result.lost, result.repeated)
  end
  local message = result.outcome:find "^stopped" and result.message and "  " .. result.message or ""
  return ("%-17s %s  %d runs%s%s"):format(result.outcome, result.point, result.runs, rows, message)
end

-- The command that runs a point again.
local function replay(args, point)
  local words = { "flarelight torture --only " .. context.quote(point) }
  if args.source ~= "file" then words[#words + 1] = "--source " .. args.source end
  if args.state then words[#words + 1] = "--state " .. context.quote(postgres.shown(args.state)) end
  if args.settle ~= 0.2 then words[#words + 1] = "--settle " .. args.settle end
  if args.run_wait ~= 5 then words[#words + 1] = "--run-wait " .. args.run_wait end
  if args.lua then words[#words + 1] = "--lua " .. context.quote(args.lua) end
  if args.definitions then words[#words + 1] = "--definitions " .. context.quote(args.definitions) end
  for _, each in ipairs(args.set) do words[#words + 1] = "--set " .. context.quote(each.text) end
  for _, word in ipairs(args.script) do words[#words + 1] = context.quote(word) end
  return table.concat(words, " ")
end

local function interpreter()
  local words = rawget(_G, "arg") or {}
  local place = 0
  while words[place - 1] do place = place - 1 end
  return words[place] or "lua"
end

-- Ends the command if a given name is unknown.
local function check_names(given, what, there_are)
  local known = {}
  for _, name in ipairs(there_are) do known[name] = true end
  for _, name in ipairs(given or {}) do
    if not known[name] then
      ending.fail(status.USAGE, ("there is no %s %q (known: %s)"):format(what, name, table.concat(there_are, ", ")))
    end
  end
end

-- Ends the command if the script, the servers, the kinds or the options of the sandbox are wrong.
local function check(args)
  if args.state and not postgres.is_url(args.state) then
    ending.fail(status.USAGE, "--state: should be a URL of PostgreSQL; without it each point has a state file")
  end
  local script = io.open(args.script[1], "r")
  if not script then ending.fail(status.FAILED, args.script[1] .. ": cannot be opened") end
  script:close()
  local servers, kinds = {}, {}
  -- Loaded here, since a build may be without the sandbox.
  for i, server in ipairs(require("flarelight.torture").SERVERS) do servers[i] = server.name end
  for i, kind in ipairs(KINDS) do kinds[i] = kind[1] end
  check_names(args.servers, "server", servers)
  check_names(args.kinds, "kind", kinds)
  sandbox.start { definitions = args.definitions, set = args.set }:stop()
end

local function print_results(args, out, results)
  if out.json then
    for _, result in ipairs(results) do if not BAD[result.outcome] then result.output = nil end end
    return output.write(output.encode(json.array(results)))
  end
  local rows, columns, totals = table_of(results)
  if args.only then output.write(results[1].output or "") end
  output.write "\n"
  out:list(rows, columns, "")
  output.write(("\n%s: lost %d, repeated %d\n"):format(output.counted(totals.points, "point"), totals.lost,
    totals.repeated))
end

local function run(args, out)
  check(args)
  local folder = context.temporary_folder()
  local options = { definitions = args.definitions }
  for _, each in ipairs(args.set) do options[each.name] = each.value end
  local bar = progress.new(out, "torture")
  local wrong = {}
  local ran, results, message = pcall(require("flarelight.torture").run, {
    command = args.script, interpreter = args.lua or interpreter(), folder = folder, settle = args.settle,
    wait = args.run_wait, source = args.source, state = args.state,
    timeout = args.timeout, servers = args.servers, kinds = args.kinds, only = args.only, limit = args.limit,
    mixes = args.mixes,
    seed = args.seed, sandbox = options,
    on_result = function(result, done, of)
      if BAD[result.outcome] then wrong[#wrong + 1] = result end
      if not out.json and (BAD[result.outcome] or args.verbose or args.only) then
        bar:clear()
        output.write(describe(result) .. "\n")
        output.flush()
      end
      bar:update(done / of, { ("%d of %d, %d wrong"):format(done, of, #wrong), result.point })
    end,
  })
  bar:finish()
  if args.keep then out:note("what the last run left: " .. folder)
  else context.remove_folder(folder) end
  if not ran then error(results, 0) end
  if not results then ending.fail(status.FAILED, message) end
  print_results(args, out, results)
  for _, result in ipairs(wrong) do
    output.complain(("again: %s"):format(replay(args, result.point)))
  end
  return #wrong > 0 and status.FAILED or status.DONE
end

function command_torture.define(parser, define)
  local command = define(parser, "torture",
    "Kills a script at every checkpoint of its uploads and keys of once, and counts lost and repeated writes.", run)
  command:argument("script"):argname "SCRIPT":args "+"
    :description "Script that uploads with a key or uses once, and its arguments. Its clients reach only the sandbox."
  command:option("--servers"):argname "A,B":convert(context.list)
    :description("Servers to run on: plain, replaces, reversed, alternating, adds, normalizes, texts, hides, other, "
      .. "slow, dated, silent. Default: all but the last three.")
  command:option("--kinds"):argname "A,B":convert(context.list)
    :description "Kinds of points: step, net, fault, twice, mix. Default: all."
  command:option("--source"):choices(sources.KINDS):default "file"
    :description "Gives the files of the script's uploads as another kind of source."
  command:option("--state"):argname "URL"
    :description("Keeps the state of the script in this database of PostgreSQL, which nothing else uses: its schema "
      .. "flarelight has to be empty, and is emptied for each point. Default: a state file for each point.")
  command:option("--definitions"):argname "FILE"
    :description "Preparations, reports and automations of the sandbox, in Lua or JSON."
  command:option("--set"):argname "NAME=VALUE":convert(sandbox.setting):count "*":init {}
    :description "Any option of docs/sandbox.md, for each server that does not set it itself."
  command:option("--limit"):argname "N":convert(context.positive)
    :description "Largest number of points of each server, spread evenly."
  command:option("--only"):argname "POINT"
    :description "Runs one point, as SERVER/KIND:WHAT:N, and prints the script's output."
  command:option("--seed"):argname "N":convert(context.count):default "1"
    :description "Seed of the random choices: the mixes, and where --limit begins."
  command:option("--mixes"):argname "N":convert(context.count):default "40"
    :description "Number of points with a random fault and a random end."
  command:option("--settle"):argname "SECONDS":convert(context.number):default "0.2"
    :description "Wait before a batch in doubt is read back, unless the script sets it."
  command:option("--run-wait"):argname "SECONDS":convert(context.number):default "5"
    :description "Longest time that a start waits for the end of its run, whatever the script says."
  command:option("--timeout"):argname "SECONDS":convert(context.number):default "120"
    :description "Longest time of one run of the script."
  command:option("--lua"):argname "LUA":description "Interpreter of the script. Default: that of this command."
  command:flag("-v --verbose"):description "Prints every point, not only those that went wrong."
  command:flag("--keep"):description "Keeps the folder of the last run."
  context.printing(command)
end

return command_torture
