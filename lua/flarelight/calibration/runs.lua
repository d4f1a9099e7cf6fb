--- Calibration of runs: starts one preparation or report, watches its data at the service until nothing more changes,
-- and makes a rule for the profile (learning.lua). docs/calibration.md describes it.
--
-- It starts the run once, which replaces the result of the last run. No other program may start it meanwhile.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local learning = require "flarelight.calibration.learning"
local verdict = require "flarelight.wait.verdict"

local runs = {}

local FIRST_PAUSE, GROWTH, LONGEST_PAUSE = 0.1, 1.5, 5 -- seconds between two reads
local QUIET = 3 -- seconds without a change, at least, until a run counts as over

-- The requests for each kind: to watch it, and to start it.
local KINDS = {
  preparations = {
    list = function(api) return api.preparations:all() end,
    start = function(api, id) return api.preparations:execute(id) end,
  },
  reports = {
    list = function(api) return api.reports:all() end,
    start = function(api, id) return api.reports:generate(id) end,
    result = function(api, id) return api.reports:chart_data { reportId = id } end,
  },
}

-- The present sight; `nil, message, err` if a list cannot be read.
local function sight_of(watch)
  local list, message, err = watch.kind.list(watch.api)
  if list == nil then return nil, message, err end
  local sight = { entry = verdict.entry(list, watch.id), at = watch.begun and core.now() - watch.begun or 0 }
  if watch.kind.result then
    -- An error means that the report was not generated yet, so it has no result.
    sight.result = verdict.result_text((watch.kind.result(watch.api, watch.id)))
  else
    local imports
    imports, message, err = watch.api.imports:all()
    if imports == nil then return nil, message, err end
    watch.texts = watch.texts or learning.texts(sight.entry)
    sight.imports = verdict.imports(imports, watch.texts)
  end
  return sight
end

local function is_same(one, other)
  return verdict.equal({ one.entry, one.imports, one.result }, { other.entry, other.imports, other.result })
end

-- Reads until nothing has changed for long enough, or for `patience` seconds. Returns the first sight and each that
-- differs from the one before, and the seconds in all.
local function follow(watch, first, given)
  local sights, pause = { first }, FIRST_PAUSE
  while true do
    local sight, message, err = sight_of(watch)
    if not sight then return nil, message, err end
    if not is_same(sight, sights[#sights]) then sights[#sights + 1] = sight end
    local over = math.min(given.patience, learning.over_at(sights, given.quiet or QUIET) or given.patience)
    if sight.at >= over then return sights, sight.at end
    local slept
    slept, message, err = calls.sleep(math.min(pause, over - sight.at), watch.api)
    if not slept then return nil, message, err end
    pause = math.min(pause * GROWTH, LONGEST_PAUSE)
  end
end

local function fail(kind, message) return errors.fail(kind, "calibration: " .. message) end

--- Calibrates the runs of one kind. `given.patience`: seconds to wait for the end (600); `given.quiet`: seconds without
-- a change after which a run counts as over (3, and as long as it took until then).
---@param api flarelight.Client
---@param kind "preparations"|"reports"
---@param id flarelight.Id
---@param given { patience: number?, quiet: number? }?
---@return flarelight.RunRule? rule, string? message, flarelight.Error? err
function runs.calibrate(api, kind, id, given)
  given = { patience = given and given.patience or 600, quiet = given and given.quiet }
  local watch = { api = api, kind = KINDS[kind], id = id }
  local first, message, err = sight_of(watch)
  if not first then return nil, message, err end
  if verdict.status(first.entry) == "running" then
    return fail("conflict", ("%s %s is running already"):format(kind, verdict.text(id)))
  end
  watch.begun = core.now()
  local started, why, failure = watch.kind.start(api, id)
  if started == nil then return nil, why, failure end
  local sights, seconds
  sights, seconds, err = follow(watch, first, given)
  if not sights then return nil, seconds, err end
  if verdict.failed_at_once(started) or verdict.status(sights[#sights].entry) == "failed" then
    return fail("run_failed", ("the run of %s %s has failed, so it does not show how a good one ends")
      :format(kind, verdict.text(id)))
  end
  if verdict.status(sights[#sights].entry) == "running" then
    return fail("timeout", ("%s %s was still running after %g s"):format(kind, verdict.text(id), given.patience))
  end
  return learning.rule(sights, seconds)
end

return runs
