--- flarelight calibrate: finds out undocumented behaviour of the service, and writes the findings to a profile. It asks
-- before it sends a write. The work is in flarelight.calibration.

local calibration = require "flarelight.calibration"
local context = require "flarelight.cli.context"
local ending = require "flarelight.cli.ending"
local output = require "flarelight.cli.output"
local progress = require "flarelight.cli.progress"
local status = require "flarelight.cli.status"

local calibrate = {}

local ANNOUNCEMENT = [[
This calibrates %s.
It sends %d writes to %s and reads it %d to %d times: %d to %d requests.
No events are sent, so no automation starts. What it leaves behind is that import, with about
%s rows of its own%s; the service documents no way to delete them by a request.]]

local function announce(args, api)
  local writes, least, most = calibration.requests()
  local target = args.id and ("import %s"):format(args.id) or ("a new import named %q"):format(args.name)
  local service = tostring(api):gsub("flarelight client of ", "")
  output.complain(ANNOUNCEMENT:format(service, writes, target, least, most, writes + least, writes + most,
    output.count(calibration.ROWS), args.id and ", and without those it had if an update replaces" or ""))
end

local ORDER = {
  "ids", "rows", "values", "added_member", "visible_after", "row_order", "update", "update_key", "bad_record",
  "rejected_batch", "count_cap", "over_cap", "past_end", "list_descriptions", "messages", "notice",
  "rate_limit_headers", "rate_limit", "reset_format", "clock_skew", "gzip", "etag",
}

local function write_profile(path, profile)
  local temporary = path .. ".new"
  local file, message = io.open(temporary, "wb")
  local done = file ~= nil
  if done then
    done, message = file:write(output.encode(profile))
    local closed, why = file:close()
    if done and not closed then done, message = nil, why end
  end
  if done then done, message = os.rename(temporary, path) end
  if not done then ending.fail(status.FAILED, ("the profile could not be kept: %s"):format(message)) end
end

local function tell_left(out, left)
  if left.made and left.id ~= nil then
    out:note(("left behind: import %s%s"):format(tostring(left.id),
      left.rows and (" with about %s rows"):format(output.count(left.rows)) or ""))
  end
end

local function run(args, out)
  local api = context.client(args, { update_key = args.update_key })
  if not args.yes then
    announce(args, api)
    if not context.agreed "Go on?" then ending.fail(status.FAILED, "nothing was sent", "cancelled") end
  end
  local path = args.output or context.profile_path()
  local bar = progress.new(out, "calibrating")
  local profile, left, err, left_behind = calibration.run(api, {
    id = args.id, name = args.name, patience = args.patience,
    on_step = function(number, of) bar:update((number - 1) / of, { ("step %d of %d"):format(number, of) }) end,
  })
  if profile then bar:update(1, { "done" }) end
  bar:finish()
  if not profile then
    tell_left(out, left_behind)
    ending.expect(nil, left, err)
  end
  write_profile(path, profile)
  tell_left(out, left)
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
  command:option("--patience"):argname "SECONDS":convert(context.number):default "60"
    :description "Longest wait for records to appear."
  command:option("-o --output"):argname "FILE"
    :description "File for the profile. Default: flarelight/profile.json beside the state file."
  command:flag("-y --yes"):description "Writes without asking."
  context.connecting(command)
end

return calibrate
