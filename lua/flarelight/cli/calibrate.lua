--- flarelight calibrate: finds out undocumented behaviour of the service, and writes the findings to a profile. It asks
-- before it sends a write. The work is in flarelight.calibration, and for --runs in flarelight.calibration.runs.

local calibration = require "flarelight.calibration"
local calibration_runs = require "flarelight.calibration.runs"
local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local ending = require "flarelight.cli.ending"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local profiles = require "flarelight.profile"
local progress = require "flarelight.cli.progress"
local status = require "flarelight.cli.status"

local calibrate = {}

local ANNOUNCEMENT = [[
This calibrates %s.
It sends %d writes to %s and reads it %d to %d times: %d to %d requests.
No events are sent, so no automation starts. What it leaves behind is that import, with about
%s rows of its own%s; the service documents no way to delete them by a request.]]

local ANNOUNCEMENT_OF_RUNS = [[
This calibrates runs of %s.
It starts %s once, and looks at the lists until nothing more changes, for %g s at most.
What the last run has made there is replaced.]]

local PATIENCE, PATIENCE_OF_RUNS = 60, 600

local function service_of(api) return (tostring(api):gsub("flarelight client of ", "")) end

local function agree(args)
  if not args.yes and not context.agreed "Go on?" then ending.fail(status.FAILED, "nothing was sent", "cancelled") end
end

local function announce(args, api)
  local writes, least, most = calibration.requests()
  local target = args.id and ("import %s"):format(args.id) or ("a new import named %q"):format(args.name)
  local service = service_of(api)
  output.complain(ANNOUNCEMENT:format(service, writes, target, least, most, writes + least, writes + most,
    output.count(calibration.ROWS), args.id and ", and without those it had if an update replaces" or ""))
end

local ORDER = {
  "ids", "rows", "values", "added_member", "visible_after", "row_order", "update", "update_key", "bad_record",
  "rejected_batch", "count_cap", "over_cap", "past_end", "list_descriptions", "messages", "notice",
  "rate_limit_headers", "rate_limit", "reset_format", "clock_skew", "gzip", "etag",
}

local function write_profile(path, profile)
  local done, message = core.replace_file(path, output.encode(profile))
  if not done then ending.fail(status.FAILED, ("the profile could not be kept: %s"):format(message)) end
end

local function tell_left(out, left)
  if left.made and left.id ~= nil then
    out:note(("left behind: import %s%s"):format(tostring(left.id),
      left.rows and (" with about %s rows"):format(output.count(left.rows)) or ""))
  end
end

-- --- runs ---

-- Ends the command if a profile is that of another service, whose findings are not to be lost.
local function check_service(path, profile, service)
  if profiles.gives_way(profile, service) then return end
  ending.fail(status.USAGE, ("%s is the profile of %s, not of %s; --output FILE names another"):format(path,
    profile.service, service))
end

-- The profile at `path`, to which the rules are added, or a new one if there is none.
local function profile_at(path, service)
  local file = io.open(path, "rb")
  if not file then
    return { version = profiles.VERSION, service = service, found = {}, evidence = {} }
  end
  file:close()
  local profile, message = profiles.read(path, json.decode)
  if not profile then ending.fail(status.USAGE, "the profile cannot be added to: " .. message) end
  check_service(path, profile, service)
  return profile
end

local function row_of(kind, rule)
  local seen = rule.members and ("%s: %s"):format(rule.seen_in, table.concat(rule.members, ", ")) or rule.seen_in
  return { finding = kind, value = seen, because = rule.because }
end

local function run_runs(args, out)
  local subjects, words = {}, {}
  for _, each in ipairs { { "preparations", args.preparation }, { "reports", args.report } } do
    if each[2] then
      subjects[#subjects + 1] = { kind = each[1], id = each[2] }
      words[#words + 1] = ("%s %s"):format(each[1]:gsub("s$", ""), each[2])
    end
  end
  if #subjects == 0 then ending.fail(status.USAGE, "--runs needs --preparation ID or --report ID, or both") end
  local patience = args.patience or PATIENCE_OF_RUNS
  local api = context.client(args)
  local path = args.output or context.profile_path()
  local profile = profile_at(path, service_of(api))
  if not args.yes then
    output.complain(ANNOUNCEMENT_OF_RUNS:format(service_of(api), table.concat(words, " and "), patience))
  end
  agree(args)
  local rows = {}
  profile.runs = profile.runs or {}
  for place, subject in ipairs(subjects) do
    local bar = progress.new(out, words[place])
    bar:update(nil, { "watching a run" })
    local rule, message, err = calibration_runs.calibrate(api, subject.kind, subject.id, { patience = patience })
    bar:finish()
    ending.expect(rule, message, err)
    profile.runs[subject.kind], rows[place] = rule, row_of(subject.kind, rule)
    profile.calibrated = os.date "!%Y-%m-%dT%H:%M:%SZ"
    write_profile(path, profile) -- written after each rule, since the next may fail
  end
  output.did("the profile is in " .. path)
  if out.json then return output.write(output.encode(profile)) end
  out:list(rows, { "finding", "value", "because" }, "")
  out:note(("kept in %s"):format(path))
end

local function run(args, out)
  if args.runs then return run_runs(args, out) end
  if args.preparation or args.report then ending.fail(status.USAGE, "--preparation and --report need --runs") end
  local path = args.output or context.profile_path()
  context.check_folder(path)
  local api = context.client(args)
  -- One that cannot be read is replaced.
  local former = profiles.read(path, json.decode)
  if former then check_service(path, former, service_of(api)) end
  if not args.yes then announce(args, api) end
  agree(args)
  local bar = progress.new(out, "calibrating")
  local profile, left, err, left_behind = calibration.run(api, {
    id = args.id, name = args.name, patience = args.patience or PATIENCE,
    on_step = function(number, of) bar:update((number - 1) / of, { ("step %d of %d"):format(number, of) }) end,
  })
  if profile then bar:update(1, { "done" }) end
  bar:finish()
  if not profile then
    tell_left(out, left_behind)
    ending.expect(nil, left, err)
  end
  -- A new calibration does not start runs, so the rules of --runs stay.
  profile.runs = former and former.runs
  write_profile(path, profile)
  tell_left(out, left)
  output.did("the profile is in " .. path)
  if out.json then return output.write(output.encode(profile)) end
  local rows = {}
  for _, name in ipairs(ORDER) do
    local value = profile.found[name]
    if value ~= nil then
      rows[#rows + 1] = { finding = name, value = tostring(value), because = profile.evidence[name] }
    end
  end
  out:list(rows, { "finding", "value", "because" }, "")
  out:note(("kept in %s"):format(path))
end

function calibrate.define(parser, define)
  local command = define(parser, "calibrate",
    "Finds out what the service does not document. Writes to a scratch import; asks first.", run)
  command:argument("id"):argname "ID":args "?":convert(context.id)
    :description "Scratch import to write to, with at most 100 rows. Default: a new one."
  command:option("--name"):argname "NAME":default "flarelight calibration":description "Name of the new import."
  command:option("--update-key"):argname "NAME":description "Member that names the import to update. Default: id."
  command:option("--patience"):argname "SECONDS":convert(context.number)
    :description "Longest wait for records to appear (60), or with --runs for the end of a run (600)."
  command:flag("--runs"):description "Finds out how the end of a run is seen: starts what the next two options name."
  command:option("--preparation"):argname "ID":convert(context.id):description "With --runs: the preparation to start."
  command:option("--report"):argname "ID":convert(context.id):description "With --runs: the report to start."
  command:option("-o --output"):argname "FILE"
    :description "File for the profile. Default: flarelight/profile.json beside the state file."
  command:flag("-y --yes"):description "Writes without asking."
  context.connecting(command, { update_key = true })
end

return calibrate
