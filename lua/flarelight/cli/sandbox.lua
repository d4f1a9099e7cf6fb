--- flarelight sandbox: runs the sandbox until Ctrl-C, or while a command runs.

local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local ending = require "flarelight.cli.ending"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local pull = require "flarelight.cli.pull"
local settings = require "flarelight.settings"
local status = require "flarelight.cli.status"

local command_sandbox = {}

--- Converts NAME=VALUE, an option of the sandbox. A value that is JSON is decoded, any other is text.
function command_sandbox.setting(text)
  local name, value = text:match "^([%w_]+)=(.*)$"
  if not name then return nil, ("'%s' is not NAME=VALUE"):format(text) end
  local decoded = json.decode(value)
  if decoded == nil or decoded == core.null then decoded = value end
  return { name = name, value = decoded, text = text }
end

local function options_of(args)
  local given = {
    port = args.port, address = args.address, database = args.database, definitions = args.definitions,
    profile = args.profile, rate_limit = args.rate_limit,
    certificate = args.certificate, private_key = args.private_key, environment_file = args.environment_file,
  }
  for _, each in ipairs(args.set) do given[each.name] = each.value end
  return given
end

local function log_line(request)
  local fault = request.fault and ("  fault %s"):format(request.fault) or ""
  local query = request.query ~= "" and "?" .. request.query or ""
  return ("%s  %s  %s %s%s  %s%s"):format(os.date("%H:%M:%S", math.floor(request.time)), request.status or "---",
    request.method, request.path, query, output.bytes(request.body_bytes), fault)
end

-- Prints the requests that were answered since the last call.
local function print_requests(box, log)
  for _, request in ipairs(box:requests(log.next)) do
    output.complain(log_line(request))
    log.next = request.number + 1
  end
end

-- Prints requests until Ctrl-C raises; never returns.
local function follow(box, log)
  while true do
    if log then print_requests(box, log) end
    core.wait(log and 0.2 or 3600)
  end
end

--- Starts a sandbox with the options of the command line. Ends the command if they are wrong.
function command_sandbox.start(args)
  local built, sandbox = ending.load "flarelight.sandbox"
  if not built then ending.fail(status.FAILED, (tostring(sandbox):gsub("^flarelight: ", ""))) end
  local started, box, message = pcall(sandbox.start, options_of(args))
  if not started then
    local wrong = tostring(box):gsub("^.-sandbox%.start: ", ""):gsub("^[^:]*%.lua:%d+: ", "")
    ending.fail(status.USAGE, (wrong:gsub("^unknown option '", "--set: %0")))
  end
  if not box then
    -- Of a file that the options name; else the machine refuses, as for a port that is in use.
    local named = message:find "^cannot open " or message:find "unable to open database file"
    ending.fail(named and status.USAGE or status.FAILED, message)
  end
  return box
end

-- Runs a command with the sandbox as its service, and returns the exit status. Signals are passed on to the command.
-- `folder`: for the state and the profile of the commands of flarelight in it, since those of the caller are about
-- services that go on, and a later sandbox may have the address of this one.
local function run_command(box, words, folder)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = context.quote(word) end
  -- None of the caller's settings may lead to another service. `exec`: the command gets the signals itself.
  local how, code = core.foreground(("unset %s\n%sexport %s=%s\nexec %s"):format(
    table.concat(settings.variables(), " "), box:environment(), context.STATE_FOLDER, context.quote(folder),
    table.concat(quoted, " ")))
  if not how then ending.fail(status.FAILED, code) end
  return how == "signal" and 128 + code or code -- as in a shell
end

-- The folder for the state of the command's own commands: beside the database, whose imports it is about; else a
-- temporary one. And whether it outlives the sandbox.
local function folder_of(args)
  if not args.database or args.database == ":memory:" then return context.temporary_folder(), false end
  local path, message = core.absolute_path(args.database)
  if not path then ending.fail(status.USAGE, message) end
  return path .. "-state", true
end

-- --fault OPERATION:KIND[:NTH][,NAME=VALUE…]
function command_sandbox.fault(text)
  local head, rest = text:match "^([^,]*)(.*)$"
  local operation, kind, nth = head:match "^([^:]+):([^:]+):?(%d*)$"
  if not operation then return nil, ("'%s' is not OPERATION:KIND[:NTH]"):format(text) end
  local fault = { operation = operation, kind = kind, nth = tonumber(nth) }
  for part in rest:gmatch ",([^,]*)" do
    local setting, message = command_sandbox.setting(part)
    if not setting then return nil, message end
    fault[setting.name] = setting.value
  end
  return fault
end

local function set_faults(box, faults)
  for _, fault in ipairs(faults) do
    local set, message = pcall(box.fault, box, fault)
    if not set then
      ending.fail(status.USAGE, "--fault: " .. tostring(message):gsub("^[^:]*%.lua:%d+: ", ""):gsub("^fault: ", ""))
    end
  end
end

-- Prints the lines for a shell, then requests, until Ctrl-C raises; never returns.
local function serve(box, out, log)
  if out.json then
    output.write(output.encode { url = box.url, api_key = box.api_key, subscription_id = box.subscription_id })
  else
    output.write(box:environment())
  end
  output.flush()
  out:note(("The sandbox runs at %s until Ctrl-C. The lines above make a shell and its scripts use it.")
    :format(box.url))
  follow(box, log)
end

local function run(args, out)
  if args.no_command then ending.fail(status.USAGE, "there is no command behind --") end
  local box = command_sandbox.start(args)
  local log = not out.quiet and { next = 1 } or nil
  local folder, lasts
  -- However this ends, the sandbox and its files end with it.
  local ran, result = pcall(function()
    -- SIGTERM and SIGHUP end the process at once. The file that tells of the sandbox goes with it.
    if args.environment_file then core.remove_at_end(args.environment_file) end
    set_faults(box, args.fault)
    if #args.command_line == 0 then return serve(box, out, log) end
    folder, lasts = folder_of(args)
    return run_command(box, args.command_line, folder)
  end)
  box:stop()
  core.remove_at_end()
  if folder and not lasts then context.remove_folder(folder) end
  if ran then return result end
  if #args.command_line > 0 or not ending.is_interrupt(result) then error(result, 0) end
  if log then print_requests(box, log) end
  out:note "The sandbox has stopped."
end

function command_sandbox.define(parser, define)
  local command = define(parser, "sandbox",
    "Runs the sandbox, a local twin of the service. Until Ctrl-C, or while the command behind -- runs: the sandbox is "
      .. "then its service, and ends with it and with its status.", run)
  command:require_command(false)
  command:option("--port"):argname "N":convert(context.count):description "Port. Default: a free one."
  command:option("--address"):argname "ADDRESS":description "Address to listen on. Default: 127.0.0.1."
  command:option("--database"):argname "FILE":description "SQLite file for imports and reports. Default: in memory."
  command:option("--definitions"):argname "FILE":description "Preparations, reports and automations, in Lua or JSON."
  command:option("--profile"):argname "FILE"
    :description "Profile that calibrate wrote. The sandbox behaves like that service."
  command:option("--rate-limit"):argname "N":convert(context.count)
    :description "Requests a minute; 0: no limit. Default: 6000."
  command:option("--certificate"):argname "FILE"
    :description "Certificate in PEM. Needs --private-key; the sandbox then uses TLS."
  command:option("--private-key"):argname "FILE":description "Private key in PEM."
  command:option("--environment-file"):argname "FILE"
    :description "Writes the lines for a shell to FILE as well, complete, once the sandbox answers."
  command:option("--fault"):argname "OPERATION:KIND[:NTH]":convert(command_sandbox.fault):count "*":init {}
    :description("Lets the NTH call of an operation fail, as imports.import:commit_then_drop:2. \"*\" is every "
      .. "operation; options follow, as imports.all:status:1,status=503. docs/sandbox.md lists the kinds.")
  command:option("--set"):argname "NAME=VALUE":convert(command_sandbox.setting):count "*":init {}
    :description "Any option of docs/sandbox.md, as ids=uuid or rows=records."
  context.printing(command)
  pull.define(command, define)
end

return command_sandbox
