--- soak.lua SECONDS SEED LOG: random calls, streams, exports and uploads against a sandbox with random faults, for so
-- long; cancels, closes and forks among them. spec/tools/soak runs it, and ends it if it hangs.
--
-- Each round has a sandbox and clients of its own. It starts work for a few seconds, clears the faults, and then waits
-- without making any further call: all that is under way has to end by itself. Then it checks:
--   - each call has ended once, and each write with a fate; the rows in the sandbox agree with the fates
--   - each upload that succeeded has each record once; no record of another is there twice
--   - the process has as many descriptors and threads as after the first rounds, and about as much memory
-- Prints the counts, or the first fault and what was under way. The same seed gives the same choices, but the order in
-- which replies come differs from run to run.

local process = require "spec_process"
local flarelight = require "flarelight"

local seconds, seed, log_path = tonumber(arg[1]), tonumber(arg[2]), arg[3]
local log = assert(io.open(log_path, "a"))
local folder = log_path:match "^(.*)/" or "."

local ROUND = math.min(10, math.max(2, seconds / 8)) -- seconds in which a round starts work
-- Seconds after which something that has not ended hangs. Without X-RateLimit-Reset a client takes the window for a
-- minute; no other wait of a round is longer than 10 s. The machine may be busy.
local DRAIN = 150
local AT_ONCE = 24    -- tasks under way
local ROWS = 300      -- of the import that streams read
local WARM = 3        -- rounds before memory, descriptors and threads are first looked at
local MEMORY = os.getenv "SPEC_SANITIZER" and math.huge or 16384 -- KiB that the process may grow by
local SETTLE = 0.5    -- seconds that an upload waits before it looks for a batch in doubt; no fault commits later

-- --- chance: the same on every Lua ---

local state = seed % 2147483646 + 1
local function random(n) -- 1 to n
  state = state * 16807 % 2147483647
  return state % n + 1
end
local function chance(percent) return random(1000) <= percent * 10 end
local function pick(list) return list[random(#list)] end

-- --- the log: its last line says what the process does, and its age whether it does anything ---

local last_sign = 0
local function note(text)
  log:write(os.date "%H:%M:%S ", text, "\n")
  log:flush()
  last_sign = os.time()
end

local function give_up(text, ...)
  io.stdout:write("soak: FAILED: ", text:format(...), "\n")
  io.stdout:flush()
  process.leave(1)
end

-- --- what is counted and checked ---

local counts = {}
local function count(name, more) counts[name] = (counts[name] or 0) + (more or 1) end

local box, clients, big          -- of this round: the sandbox, the clients, the import that streams read
local under_way = {}             -- name, started, task
local ended                      -- request id -> how many events "done" told of it
local expected                   -- request id -> what the call was, of calls that returned an outcome
local writes, uploads, next_mark -- mark -> fate; number -> upload; the next of both

local KINDS = {}
for kind in ("invalid_request unauthorized forbidden not_found rate_limited server http timeout network tls protocol "
  .. "cancelled closed io conflict config"):gmatch "%S+" do KINDS[kind] = true end
local FATES = { not_sent = true, rejected = true, in_doubt = true }

-- Checks what a call returned; the fate of a write.
local function outcome(entry, write, data, meta, err)
  count "calls"
  local result = err or meta
  if data == nil and (type(err) ~= "table" or not KINDS[err.kind]) then
    give_up("%s ended with neither data nor an error: %s", entry.name, tostring(meta))
  end
  if err then count(err.kind) end
  if write and err and not FATES[err.fate] then give_up("%s failed without a fate: %s", entry.name, tostring(err)) end
  if write and not err and meta.fate ~= "applied" then give_up("%s succeeded with fate %s", entry.name, tostring(meta.fate)) end
  if not write and err and err.fate then give_up("%s, a read, has the fate %s", entry.name, err.fate) end
  -- A call that never reached the engine has no id, or no event.
  if result.request_id and (not err or (err.attempts or 0) > 0) then
    expected[result.request_id] = { name = entry.name, client = entry.client }
  end
  return write and (err and err.fate or "applied")
end

-- --- the work ---

local function options_of_call()
  return { deadline = chance(10) and random(100) / 100 or nil }
end

local function records_of(mark, first, last)
  local records = {}
  for n = first, last do records[#records + 1] = { mark = mark, n = n } end
  return records
end

local function read(name, call)
  return { name = name, run = function(entry) outcome(entry, false, call(entry.client.api, options_of_call())) end }
end
local function write(name, call)
  return { name = name, run = function(entry) outcome(entry, true, call(entry.client.api, options_of_call())) end }
end

local function follow(upload, entry)
  local given = {
    records = records_of(upload.mark, 1, upload.size), batch_records = upload.batch, name = "upload " .. upload.mark,
    key = upload.key, settle = SETTLE,
  }
  local result, message, err = entry.client.api.imports:upload(given)
  count "uploads"
  if result then
    upload.done = true
    if result.records ~= upload.size then
      give_up("%s says that it loaded %s of %d records", entry.name, tostring(result.records), upload.size)
    end
    return true
  end
  if type(err) ~= "table" or not KINDS[err.kind] then give_up("%s ended without an error: %s", entry.name, tostring(message)) end
  count("upload " .. err.kind)
  return nil, err
end

local work = {
  read("imports.all", function(api, options) return api.imports:all(options) end),
  read("imports.data", function(api, options)
    options.start, options.count = random(ROWS) - 1, random(50)
    return api.imports:data(big, options)
  end),
  read("an import that is not there", function(api, options) return api.imports:data(999999, options) end),
  read("preparations.all", function(api, options) return api.preparations:all(options) end),
  read("reports.all", function(api, options) return api.reports:all(options) end),
  read("reports.chart_data", function(api, options) return api.reports:chart_data({ sql = "SELECT 1 AS n" }, options) end),
  write("preparations.execute", function(api, options) return api.preparations:execute(1, nil, options) end),
  write("automations.execute", function(api, options) return api.automations:execute(1, nil, options) end),
  write("reports.generate", function(api, options) return api.reports:generate(1, nil, options) end),
  { name = "imports.import", run = function(entry)
    local mark, options = next_mark, options_of_call()
    next_mark = next_mark + 1
    writes[mark] = "under way"
    options.records, options.name = { { mark = mark, n = 0 } }, "written"
    writes[mark] = outcome(entry, true, entry.client.api.imports:import(options))
  end },
  { name = "imports:rows", run = function(entry)
    local stream = entry.client.api.imports:rows(big, { page_size = random(60), prefetch = random(5) - 1 })
    local most = chance(40) and random(ROWS) or math.huge
    local n = 0
    while n < most do
      local row, position, err = stream:next()
      if row == nil then
        if type(err) == "table" then
          if not KINDS[err.kind] then give_up("%s ended with %s", entry.name, tostring(err)) end
          count("rows " .. err.kind)
        elseif n ~= ROWS then
          give_up("%s ended without an error after %d of %d rows", entry.name, n, ROWS)
        end
        break
      end
      if position ~= n or row.n ~= n then
        give_up("%s gave row %s with position %s where %d comes", entry.name, tostring(row.n), tostring(position), n)
      end
      n = n + 1
    end
    count("rows", n)
    if chance(50) then stream:close() end -- the others are collected
  end },
  { name = "imports:export", run = function(entry)
    local lines = 0
    local result, _, err = entry.client.api.imports:export(big, {
      format = "jsonl", page_size = random(60), to = function(text) lines = lines + select(2, text:gsub("\n", "")) end,
    })
    if result and (lines ~= ROWS or result.rows ~= ROWS) then
      give_up("%s says success with %d of %d rows", entry.name, lines, ROWS)
    end
    if not result and not KINDS[err.kind] then give_up("%s ended with %s", entry.name, tostring(err)) end
    count "exports"
  end },
  { name = "imports:upload", run = function(entry)
    local upload = { mark = next_mark, size = random(60), batch = random(20) }
    next_mark = next_mark + 1
    upload.key = chance(70) and entry.client.state and "key " .. upload.mark or nil
    uploads[#uploads + 1] = upload
    follow(upload, entry)
  end },
  { name = "an upload again", run = function(entry)
    local upload = #uploads > 0 and pick(uploads)
    if upload and upload.key and entry.client.state then follow(upload, entry) end
  end },
}

-- --- the faults ---

local function faults()
  box:clear_faults()
  for _ = 1, random(4) - 1 do
    local fault = pick {
      { kind = "commit_then_drop" }, { kind = "commit_then_500" }, { kind = "commit_late", seconds = 0.1 },
      { kind = "partial_commit" }, { kind = "partial_commit", drop = true }, { kind = "keepalive_kill" },
      { kind = "refuse" }, { kind = "reset" }, { kind = "empty" }, { kind = "garbage" }, { kind = "truncate" },
      { kind = "stall", seconds = random(10) / 10 }, { kind = "latency", seconds = random(10) / 10 },
      { kind = "hang", seconds = random(10) / 10 }, { kind = "hang", seconds = 0.1, late = true },
      { kind = "slow_body", seconds = 0.002 }, { kind = "throttle" }, { kind = "throttle", retry_after = random(3) - 1 },
      { kind = "throttle", retry_after = 2 }, { kind = "status", status = pick { 400, 401, 403, 500, 502, 503 } },
      { kind = "html" }, { kind = "wrong_length" }, { kind = "bad_gzip" }, { kind = "redirect" }, { kind = "foreign_use" },
    }
    fault.probability, fault.seed = random(30) / 100, random(1000000)
    fault.operation = chance(50) and pick { "imports.data", "imports.import", "imports.all", "reports.all" } or "*"
    -- A 400 after a short page ends a stream, as docs/contract.md says.
    if fault.status == 400 then fault.operation = "imports.import" end
    box:fault(fault)
  end
end

-- --- a round ---

local states = 0 -- a state file a round, which half of the clients have
local function new_client()
  local client = { closed = false, state = chance(50) and ("%s/state-%d.db"):format(folder, states) or nil }
  client.api = assert(flarelight.new {
    api_key = box.api_key, subscription_id = box.subscription_id, base_url = box.url, state = client.state,
    max_concurrency = random(8), max_attempts = random(4), read_timeout = 5, write_timeout = 5,
    on_event = function(event)
      if event.name ~= "done" then return end
      ended[event.request_id] = (ended[event.request_id] or 0) + 1
      if ended[event.request_id] > 1 then give_up("%s ended twice", event.operation) end
    end,
  })
  return client
end

local function close(client)
  client.closed = true
  client.api:close()
end

local function start(blocks)
  local entry = { client = pick(clients), started = os.time() }
  local job = pick(work)
  entry.name = job.name
  count(blocks and "blocking" or "tasks")
  if blocks then
    note("blocks in " .. entry.name)
    job.run(entry)
    return note "goes on"
  end
  entry.task = entry.client.api:spawn(function() job.run(entry) end)
  under_way[#under_way + 1] = entry
end

-- A frame of a few milliseconds; tasks that have ended are taken off the list.
local function frame()
  clients[1].api:update(0.002)
  process.sleep(0.001)
  for i = #under_way, 1, -1 do
    local entry = under_way[i]
    if entry.task:done() then
      table.remove(under_way, i)
      local good, raised = pcall(entry.task.result, entry.task)
      if not good then give_up("%s raised: %s", entry.name, tostring(raised)) end
    end
  end
  if os.time() ~= last_sign then note(("%d under way"):format(#under_way)) end
end

local function fork()
  local child = process.fork()
  if child == 0 then
    clients[1].api.imports:all { deadline = 5 }
    process.leave(0)
  end
  note "waits for a child"
  local how, status = process.wait(child, 30)
  if how ~= "exit" or status ~= 0 then give_up("a forked child ended by %s %s", tostring(how), tostring(status)) end
  count "forks"
end

local function drain(what)
  local ends = os.time() + DRAIN
  while #under_way > 0 do
    frame()
    if os.time() > ends then
      for _, entry in ipairs(under_way) do
        local quota = entry.client.api:quota()
        print(("soak: under way for %d s: %s%s; of the quota of %s are left %s, reset in %s s"):format(
          os.time() - entry.started, entry.name, entry.cancelled and ", cancelled" or "", tostring(quota.limit),
          tostring(quota.remaining), tostring(quota.reset_in)))
      end
      give_up("%d of %s did not end", #under_way, what)
    end
  end
end

-- Uploads with a key that have not ended well go on without faults, each by a client with its state file.
local function finish_uploads()
  for _, upload in ipairs(uploads) do
    for _, client in ipairs(clients) do
      if upload.key and not upload.done and client.state and not client.closed then
        local entry = { name = "the end of an upload", client = client, started = os.time() }
        entry.task = client.api:spawn(function() follow(upload, entry) end)
        under_way[#under_way + 1] = entry
        break
      end
    end
  end
  drain "the uploads that go on"
end

local function check_rows()
  local found = {} -- mark -> n -> how often
  for id = 1, box:counts().imports + 100 do
    for _, row in ipairs(box:rows(id) or {}) do
      if row.mark then
        found[row.mark] = found[row.mark] or {}
        found[row.mark][row.n] = (found[row.mark][row.n] or 0) + 1
      end
    end
  end
  for mark, fate in pairs(writes) do
    local times = found[mark] and found[mark][0] or 0
    count(fate)
    if fate == "under way" then give_up("the write %d has no outcome", mark) end
    local good = times <= 1 and (fate ~= "applied" or times == 1) and (fate == "applied" or fate == "in_doubt" or times == 0)
    if not good then give_up("a write with fate %s is there %d times", fate, times) end
  end
  for _, upload in ipairs(uploads) do
    local there = 0
    for n, times in pairs(found[upload.mark] or {}) do
      if times > 1 then give_up("record %d of upload %d is there %d times", n, upload.mark, times) end
      there = there + 1
    end
    if upload.done and there ~= upload.size then
      give_up("upload %d said success; %d of its %d records are there", upload.mark, there, upload.size)
    end
  end
end

local function check_ends()
  for id, call in pairs(expected) do
    if not call.client.closed and ended[id] ~= 1 then
      give_up("%s returned, and %d events told its end", call.name, ended[id] or 0)
    end
  end
end

local function round(until_when)
  -- Under a low limit without a Reset, calls would wait for many windows of a minute, by design.
  local reset_format = pick { "delta", "epoch", "epoch_ms", "iso", "http_date", "absent" }
  box = assert(flarelight.sandbox.start {
    rows = pick { "bare", "records" }, past_end = pick { "empty", "400", "404", "null" }, count_cap = pick { 0, 0, 25 },
    rate_limit = pick(reset_format == "absent" and { 0, 6000 } or { 0, 6000, 100 }), rate_window = 1,
    reset_format = reset_format, gzip = chance(50), etag = chance(50), messages = pick { "string", "object" },
    preparations = { { id = 1, sql = "SELECT 1 AS n", target = "prepared" } }, reports = { { id = 1, sql = "SELECT 1 AS n" } },
    automations = { { id = 1, steps = { { preparation = 1 } } } },
  })
  ended, expected, writes, uploads, next_mark, states = {}, {}, {}, {}, 1, states + 1
  clients = { new_client(), new_client(), new_client() }
  local rows = {}
  for n = 1, ROWS do rows[n] = { n = n - 1 } end
  big = assert(clients[1].api.imports:import { records = rows, name = "big" }).id
  while os.time() < until_when do
    if chance(2) then faults() end
    for _ = 1, random(4) do
      if #under_way < AT_ONCE then start() end
    end
    if chance(0.3) then start(true) end
    if chance(4) and #under_way > 0 then
      local entry = pick(under_way)
      entry.cancelled = true
      entry.task:cancel()
      count "cancels"
    end
    if chance(0.2) then
      local place = random(#clients)
      close(clients[place])
      clients[place] = new_client()
      count "closes"
    end
    if chance(0.05) then fork() end
    frame()
  end
  box:clear_faults()
  drain "the calls"
  finish_uploads()
  check_ends()
  check_rows()
  for _, client in ipairs(clients) do close(client) end
  box:stop()
  -- A client that is closed keeps its state file open until it is collected, if it was used again.
  box, clients, big, ended, expected, writes, uploads = nil, nil, nil, nil, nil, nil, nil
end

-- --- the process ---

local function size_of(set)
  local n = 0
  for _ in pairs(set) do n = n + 1 end
  return n
end
local function memory() -- KiB
  local status = io.open "/proc/self/status"
  if not status then return 0 end
  local resident = status:read("*a"):match "VmRSS:%s*(%d+)"
  status:close()
  return tonumber(resident)
end

-- Looks until the process holds no more than `limits`, for a few seconds: threads and sockets end a moment later.
local function held(limits)
  local now
  for _ = 1, 500 do
    collectgarbage()
    collectgarbage()
    now = { descriptors = size_of(process.descriptors()), threads = process.threads() or 0, memory = memory() }
    if limits and now.descriptors <= limits.descriptors and now.threads <= limits.threads then break end
    process.sleep(0.01)
  end
  return now
end

note "begins"
local ends, rounds, first, now = os.time() + seconds, 0
repeat
  rounds = rounds + 1
  note("round " .. rounds)
  round(math.min(os.time() + ROUND, math.max(ends, os.time() + 1)))
  note "looks at the process"
  now = held(first)
  if rounds == WARM then first = now end
  if rounds > WARM and (now.descriptors > first.descriptors or now.threads > first.threads) then
    os.execute(("ls -l /proc/%d/fd 2>/dev/null"):format(process.pid()))
    give_up("after round %d it has %d descriptors and %d threads; after round %d there were %d and %d", rounds,
      now.descriptors, now.threads, WARM, first.descriptors, first.threads)
  end
  if rounds > WARM and now.memory > first.memory + MEMORY then
    give_up("its memory grew from %d KiB after round %d to %d KiB after round %d", first.memory, WARM, now.memory, rounds)
  end
until os.time() >= ends and rounds > WARM

local names = {}
for name in pairs(counts) do names[#names + 1] = name end
table.sort(names)
for i, name in ipairs(names) do names[i] = ("%s %d"):format(name, counts[name]) end
print("soak: " .. table.concat(names, ", "))
print(("soak: %d rounds; descriptors %d, then %d; threads %d, then %d; memory %d KiB, then %d KiB"):format(
  rounds, first.descriptors, now.descriptors, first.threads, now.threads, first.memory, now.memory))
print "soak: ok"
