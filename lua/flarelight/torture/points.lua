--- Points: the failures that a run of a script can meet. docs/torture.md describes them.
--
-- A point is { name =, server =, kind =, … }, named SERVER/KIND:WHAT:N. Of the kinds `step` ends the script with
-- SIGKILL at a checkpoint of its uploads and blocks of once (`what`, for the `nth` time), `net` at a moment of the
-- `nth` write to the sandbox (WHAT@OPERATION for writes that start a run), `fault` lets the sandbox go wrong, `twice`
-- ends the script while it finds out the fate of a batch, `mix` draws a fault and a checkpoint from a seed, and
-- `clean` lets the script run. Relies on nothing.

local points = {}

local LONG = 30 -- seconds that a request hangs while the script is ended

--- The servers: a plain one, others whose switches make an upload harder, and those of `runs`, on which runs take time.
points.SERVERS = {
  { name = "plain", options = {} },
  { name = "replaces", options = { update = "replace" } },
  { name = "reversed", options = { row_order = "reversed" } },
  { name = "alternating", options = { row_order = "alternating" } },
  { name = "adds", options = { added_member = "_position" } },
  { name = "normalizes", options = { values = "normalized" } },
  { name = "texts", options = { values = "text" } },
  { name = "hides", options = { list_descriptions = false } },
  { name = "other", options = {
    ids = "uuid", rows = "records", count_cap = 300, past_end = "404", messages = "object",
    rejected_batch = "keeps_good", reset_format = "absent",
  } },
  { name = "slow", runs = true, options = { run_seconds = 0.4, run_shows = "status" } },
  { name = "dated", runs = true, hides_failures = true, options = { run_seconds = 0.4, run_shows = "updatedAt" } },
  { name = "silent", runs = true, options = { run_seconds = 0.4, run_shows = "nothing" } },
}

-- Moments of a request at which the script is killed. The fault holds the request at that moment.
local MOMENTS = {
  -- The request has arrived, and is never carried out.
  { name = "received", fault = { kind = "hang", seconds = LONG } },
  -- It has arrived, and is carried out after the script's end, within the settle time.
  { name = "late", fault = { kind = "hang", late = true }, late = true },
  -- It is carried out, and no byte of the reply was sent.
  { name = "committed", fault = { kind = "latency", seconds = LONG } },
  -- Half of the reply was sent.
  { name = "replying", fault = { kind = "stall", seconds = LONG, after = "half" } },
  -- All of the reply was sent.
  { name = "replied" },
}

-- Faults, with which the script is not killed. `late`: takes effect within the settle time.
local FAULTS = {
  { name = "commit_then_drop", fault = { kind = "commit_then_drop" } },
  { name = "commit_then_500", fault = { kind = "commit_then_500" } },
  { name = "commit_then_503", fault = { kind = "commit_then_500", status = 503 } },
  { name = "commit_late", fault = { kind = "commit_late" }, late = true },
  { name = "partial_commit", fault = { kind = "partial_commit" } },
  { name = "partial_commit_drop", fault = { kind = "partial_commit", drop = true } },
  { name = "partial_commit_first", fault = { kind = "partial_commit", records = 1 } },
  { name = "partial_commit_none", fault = { kind = "partial_commit", records = 0 } },
  { name = "keepalive_kill", fault = { kind = "keepalive_kill" } },
  { name = "read_lag", fault = { kind = "commit_then_drop" },
    besides = { operation = "imports.data", kind = "read_lag" } },
  { name = "list_lag", fault = { kind = "commit_then_drop" },
    besides = { operation = "imports.all", kind = "read_lag" } },
  { name = "refuse", fault = { kind = "refuse" } },
  { name = "reset", fault = { kind = "reset" } },
  { name = "empty", fault = { kind = "empty" } },
  { name = "garbage", fault = { kind = "garbage" } },
  { name = "truncate", fault = { kind = "truncate" } },
  { name = "stall", fault = { kind = "stall", seconds = 0.2 } },
  { name = "stall_head", fault = { kind = "stall", seconds = 0.2, after = "head" } },
  { name = "latency", fault = { kind = "latency", seconds = 0.2 } },
  { name = "hang", fault = { kind = "hang", seconds = 0.2 } },
  { name = "slow_body", fault = { kind = "slow_body", seconds = 0.01 } },
  { name = "throttle", fault = { kind = "throttle" } },
  { name = "throttle_after", fault = { kind = "throttle", retry_after = 0 } },
  { name = "status_400", fault = { kind = "status", status = 400 } },
  { name = "status_401", fault = { kind = "status", status = 401 } },
  { name = "status_403", fault = { kind = "status", status = 403 } },
  { name = "status_404", fault = { kind = "status", status = 404 } },
  { name = "status_408", fault = { kind = "status", status = 408 } },
  { name = "status_413", fault = { kind = "status", status = 413 } },
  { name = "status_500", fault = { kind = "status", status = 500 } },
  { name = "status_503", fault = { kind = "status", status = 503 } },
  { name = "html", fault = { kind = "html" } },
  { name = "wrong_length", fault = { kind = "wrong_length" } },
  { name = "bad_gzip", fault = { kind = "bad_gzip" } },
  { name = "huge", fault = { kind = "huge", bytes = 260 * 2 ^ 20 } },
  { name = "gzip_members", fault = { kind = "gzip_members" } },
  { name = "gzip_garbage", fault = { kind = "gzip_members", bytes = 20 } },
  { name = "bom", fault = { kind = "bom" } },
  { name = "header", fault = { kind = "header", line = "HTTP/1.1: 429 Too Many Requests" } },
  { name = "trailer", fault = { kind = "trailer" } },
  { name = "redirect", fault = { kind = "redirect" } },
  { name = "redirect_303", fault = { kind = "redirect", status = 303 } },
  { name = "foreign_use", fault = { kind = "foreign_use", requests = 10 } },
}

-- Troubles after which a batch is in doubt, and the checkpoints at which the script is killed while it finds out.
local DOUBTS = {
  { name = "commit_then_drop", checkpoints = { "doubt.settling", "doubt.looked", "doubt.resolved" } },
  { name = "partial_commit", checkpoints = { "doubt.settling", "doubt.looked", "doubt.resolved", "batch.divided" } },
  { name = "reset", checkpoints = { "doubt.settling", "doubt.looked", "doubt.resolved" } },
  { name = "status_413", checkpoints = { "batch.divided" } },
  -- Here the first run is killed, and the second run while it looks.
  { name = "received", checkpoints = { "doubt.settling", "doubt.looked", "doubt.resolved" } },
  { name = "committed", checkpoints = { "doubt.settling", "doubt.looked", "doubt.resolved" } },
}

-- Faults that only starts of runs meet: the run fails after its start, or the reply says so; it never begins.
local RUN_FAULTS = {
  { name = "fail_run", fault = { kind = "fail_run" } }, { name = "lose_run", fault = { kind = "lose_run" } },
}

-- On servers of `hides_failures`, a run that fails looks like one that ends well, so that no script can know.
local SHOWN_RUN_FAULTS = { lose_run = true }

-- The faults at starts on the servers of `runs`, besides all of RUN_FAULTS and the moments.
local RUN_DOUBTS = { commit_then_drop = true, commit_late = true, reset = true, throttle = true }

-- The operations of writes in the order of their points, after imports.import.
local STARTS = { "automations.execute", "preparations.execute", "reports.generate" }

-- Whether a fault can befall the start of a run: it has no records, and no rows that could be read back.
local function befalls_starts(trouble)
  return trouble.fault == nil or trouble.fault.kind ~= "partial_commit" and not trouble.besides
end

local function named(list, name)
  for _, each in ipairs(list) do
    if each.name == name then return each end
  end
end

-- The faults for servers other than the plain one. There a write's fate depends on the rows that are read back.
local DOUBTFUL = {
  commit_then_drop = true, commit_late = true, partial_commit = true, reset = true, read_lag = true,
  received = true, late = true, committed = true,
}

-- Linear congruential, with the numbers of "Numerical Recipes": the same on every Lua.
local function generator(seed)
  local state = seed % 4294967296
  return function(most)
    state = (state * 1664525 + 1013904223) % 4294967296
    return math.floor(state / 4294967296 * most) + 1
  end
end

--- A point without a fault.
function points.clean(server)
  return { name = server.name .. "/clean", server = server, kind = "clean" }
end

--- A fault and a checkpoint, drawn from a seed.
---@param server table
---@param seed integer
---@param seen table the observations of the clean run: `checkpoints` and `imports`
function points.mix(server, seed, seen)
  local draw = generator(seed)
  for _ = 1, 3 do draw(2) end -- the first numbers of near seeds are near
  local given, nth = FAULTS[draw(#FAULTS)], draw(seen.imports)
  local checkpoint = seen.checkpoints[draw(#seen.checkpoints)]
  return {
    name = ("%s/mix:%d"):format(server.name, seed), server = server, kind = "mix",
    given = given, nth = nth, checkpoint = checkpoint,
  }
end

-- The points of kind `step`: each checkpoint that the clean run has reached. On servers of `runs` only those of blocks.
local function add_steps(list, server, seen)
  for _, checkpoint in ipairs(seen.checkpoints) do
    local what, nth = checkpoint:match "^(.*):(%d+)$"
    if not server.runs or what:find "^once%." or what:find "^write%." then
      list[#list + 1] = {
        name = ("%s/step:%s"):format(server.name, checkpoint), server = server, kind = "step", what = what, nth = nth,
      }
    end
  end
end

-- The points of these troubles at each write of an upload; of those in `chosen`, if it is given.
local function add_imports(list, server, seen, kind, troubles, chosen)
  for _, each in ipairs(troubles) do
    for nth = 1, (not chosen or chosen[each.name]) and seen.imports or 0 do
      list[#list + 1] = {
        name = ("%s/%s:%s:%d"):format(server.name, kind, each.name, nth), server = server, kind = kind, given = each,
        nth = nth,
      }
    end
  end
end

-- The points of these troubles at each start of a run; of those in `chosen`, if it is given.
local function add_starts(list, server, seen, kind, troubles, chosen)
  for _, operation in ipairs(STARTS) do
    for _, each in ipairs(troubles) do
      local befalls = befalls_starts(each) and (not chosen or chosen[each.name])
      for nth = 1, befalls and seen.starts[operation] or 0 do
        list[#list + 1] = {
          name = ("%s/%s:%s@%s:%d"):format(server.name, kind, each.name, operation, nth), server = server,
          kind = kind, given = each, nth = nth, operation = operation,
        }
      end
    end
  end
end

-- The points of kind `twice`.
local function add_doubts(list, server, seen)
  for _, doubt in ipairs(DOUBTS) do
    for _, checkpoint in ipairs(doubt.checkpoints) do
      for nth = 1, seen.imports do
        list[#list + 1] = {
          name = ("%s/twice:%s+%s:%d"):format(server.name, doubt.name, checkpoint, nth), server = server,
          kind = "twice", given = named(MOMENTS, doubt.name) or named(FAULTS, doubt.name), checkpoint = checkpoint,
          nth = nth,
        }
      end
    end
  end
end

-- The points of the plain server: all of them.
local function add_all(list, server, seen, given)
  add_steps(list, server, seen)
  add_imports(list, server, seen, "net", MOMENTS)
  add_starts(list, server, seen, "net", MOMENTS)
  add_imports(list, server, seen, "fault", FAULTS)
  add_starts(list, server, seen, "fault", FAULTS)
  add_starts(list, server, seen, "fault", RUN_FAULTS)
  add_doubts(list, server, seen)
  for number = 1, #seen.checkpoints > 0 and seen.imports > 0 and given.mixes or 0 do
    list[#list + 1] = points.mix(server, given.seed + number - 1, seen)
  end
end

--- All points of a server, by the observations of its clean run.
---@param server table
---@param seen table `checkpoints` that were reached, as "batch.sending:3", the number of `imports` (requests), and those
---of `starts` by operation
---@param given table of torture.run: `mixes` and `seed`
function points.all(server, seen, given)
  local list = {}
  if server.name == "plain" then
    add_all(list, server, seen, given)
  elseif server.runs then
    add_steps(list, server, seen)
    add_starts(list, server, seen, "net", MOMENTS)
    add_starts(list, server, seen, "fault", FAULTS, RUN_DOUBTS)
    add_starts(list, server, seen, "fault", RUN_FAULTS, server.hides_failures and SHOWN_RUN_FAULTS)
  else
    add_imports(list, server, seen, "net", MOMENTS, DOUBTFUL)
    add_imports(list, server, seen, "fault", FAULTS, DOUBTFUL)
  end
  return list
end

--- The points of these kinds; all if no kinds are given.
function points.of_kinds(list, kinds)
  if not kinds then return list end
  local wanted, chosen = {}, {}
  for _, kind in ipairs(kinds) do wanted[kind] = true end
  for _, point in ipairs(list) do
    if wanted[point.kind] then chosen[#chosen + 1] = point end
  end
  return chosen
end

--- At most `limit` points, evenly spread; the seed chooses the first.
function points.sample(list, limit, seed)
  if not limit or #list <= limit then return list end
  local chosen, draw = {}, generator(seed)
  local offset = draw(#list) - 1
  for place = 1, limit do
    chosen[place] = list[(offset + math.floor((place - 1) * #list / limit)) % #list + 1]
  end
  return chosen
end

-- The fault as the sandbox takes it, at the nth write of the point's operation. A late one is carried out within half
-- of the settle time.
local function fault_of(given, point, settle)
  local fault = {}
  for name, value in pairs(given.fault) do fault[name] = value end
  fault.operation, fault.nth = point.operation or "imports.import", point.nth
  if given.late then fault.seconds = settle / 2 end
  return fault
end

--- Sets the faults of a point.
---@param point table
---@param box flarelight.Sandbox
---@param settle number seconds before the script reads back for a batch in doubt
---@return string[] checkpoints to end the script at, by the number of its run
---@return (fun(): boolean)? doomed whether the first run is to be ended from here, now
function points.arrange(point, box, settle)
  if point.kind == "clean" then return {} end
  if point.kind == "step" then return { point.what .. ":" .. point.nth } end
  local given = point.given
  if given.fault then box:fault(fault_of(given, point, settle)) end
  if given.besides then box:fault(given.besides) end
  if point.kind == "mix" then return { point.checkpoint } end
  if point.kind == "fault" then return {} end
  local checkpoints = {}
  if point.kind == "twice" then
    local from_here = named(MOMENTS, given.name) ~= nil
    checkpoints[from_here and 2 or 1] = point.checkpoint .. ":1"
    if not from_here then return checkpoints end
  end
  return checkpoints, function()
    if given.fault then return box:hits().total > 0 end
    local answered = 0
    for _, request in ipairs(box:requests()) do
      if request.operation == (point.operation or "imports.import") then answered = answered + 1 end
    end
    return answered >= point.nth
  end
end

return points
