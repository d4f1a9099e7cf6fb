--- `api:once`: a function that a script runs once, however often the script is started.
--
-- The state file knows the block by its key: that it has begun, the writes inside (writes.lua), and its result.
-- policy.lua decides what happens to a block that was begun before. docs/night.md describes it. Relies on journal.lua
-- for the records, on upload/locks.lua so that only one process runs a block, and on host/scope.lua to find the block
-- of a write.

local calls = require "flarelight.calls"
local checkpoints = require "flarelight.upload.checkpoints"
local core = require "flarelight.core"
local errors = require "flarelight.error"
local failure = require "flarelight.upload.failure"
local journal = require "flarelight.once.journal"
local json = require "flarelight.json"
local loading = require "flarelight.loading"
local locks = require "flarelight.upload.locks"
local misuse = require "flarelight.misuse"
local options = require "flarelight.options"
local policy = require "flarelight.once.policy"
local pollable = require "flarelight.host.pollable"
local scope = require "flarelight.host.scope"
local writes = require "flarelight.once.writes"

---@class flarelight.OnceOptions
---@field look nil|fun(): boolean?, any whether work in doubt was done: true and its result, false, or nil for "not known"

---@class flarelight.OnceMeta : flarelight.Meta
---@field already boolean? true: the block was done before, and its function did not run
---@field done_at number? of a block that was done before: when, epoch seconds

local wait = loading.later "flarelight.wait"

local once = {}

local known = { look = "function" }

local function fail(kind, key, words, members)
  failure.fail(kind, ("api:once: key %q: %s"):format(key, words), members)
end

local function clock(seconds) return os.date("%Y-%m-%d %H:%M:%S", math.floor(seconds)) end

-- Takes the lock of the block. Another holder is named by the state file.
local function take_lock(block)
  if locks.try(block, "once " .. block.key) then return end
  local here = locks.is_here(block, "once " .. block.key) -- now: it may end while the entry is read
  local entry = block.journal:block(block.key)
  -- The other one may not have begun yet. The entry, if there is one, is then that of an earlier run.
  local who = here and "this process" or "another process"
  local own = entry and entry.holder == core.process()
  if entry and entry.state == "running" and (own or not here) then
    who = own and "this process" or ("process %d"):format(entry.holder)
    who = ("%s has been at work on it since %s"):format(who, clock(entry.began))
  else
    who = who .. " is at work on it"
  end
  fail("conflict", block.key, who, { fate = "not_sent" })
end

-- Calls `body`, and releases the lock of the block afterwards. The block is marked first, which needs no memory: it
-- then counts as ended, and its lock as free, even if memory is short for the rest.
local function closing(block, body)
  local good, found = pollable.protect(body)
  block.ended, block.over = true, true
  if block.doubted then scope.doubt() end -- of the blocks around it
  locks.release(block)
  local result, message, err = failure.outcome(good, found)
  return result, message, err
end

local function check_outer(key, service)
  local outer = scope.current()
  while outer do
    if outer.key == key and outer.service == service then
      misuse(("api:once: key %q: the function of this block calls once with the same key"):format(key))
    end
    outer = outer.outer
  end
end

-- A result and its description as JSON. Misuse raises before anything is recorded.
local function encode(name, data, meta)
  local text, message = core.encode { data = data, meta = meta }
  if not text then misuse(("%s: the result %s"):format(name, message)) end
  return text
end

-- The recorded result: data, meta.
local function recorded(entry)
  local meta = entry.result.meta or {}
  meta.already, meta.done_at = true, entry.ended
  return entry.result.data, meta
end

-- --- looking ---

local function doubtful_of(recorded_writes)
  local list = {}
  for _, write in ipairs(recorded_writes) do
    if policy.is_doubtful(write) then list[#list + 1] = write end
  end
  return list
end

-- Calls the caller's function. Returns its answer and the result, or nil, nil and what `run` returns of a raised value;
-- fails with an error that it returns.
local function ask(look)
  if not look then return nil end
  local good, answer, result, err = pollable.protect(look)
  if not good then return nil, nil, { has_raised = true, raised = answer } end
  if answer == nil and (result ~= nil or err ~= nil) then
    failure.raise(errors.of_results(result, err))
  end
  if answer ~= nil and type(answer) ~= "boolean" then
    misuse("api:once: look: should return true, false or nil, but returns a " .. type(answer))
  end
  return answer, result
end

local function in_doubt(block, doubtful, words)
  local write = doubtful[1]
  local more = #doubtful > 1 and (" and %d more"):format(#doubtful - 1) or ""
  fail("conflict", block.key, ("it is not known whether %s %s%s was carried out (sent %s, request id %s)%s: look at "
    .. "the service, then settle the key as done or again"):format(write.operation, write.target, more,
    clock(write.sent), write.request_id, words and "; " .. words or ""),
    { fate = "in_doubt", operation = write.operation, request_id = write.request_id })
end

-- Compares what the service shows with what it showed before each start in doubt, and records the starts that are
-- shown to be carried out. Returns the writes that stay in doubt, and what the service shows of the first.
local function judge_starts(block, doubtful)
  local left, shown = {}, nil
  for _, write in ipairs(doubtful) do
    local found = wait.recover(block.journal.api, write)
    if found.words then block.journal:sighted(block.key, write.number, found.applied, found.words) end
    if found.applied then
      block.journal:ended(block.key, write.number, "applied", writes.reply_of(found.data, found.meta),
        { fate = "applied" })
    else
      left[#left + 1] = write
      if #left == 1 then shown = found.words end
    end
  end
  return left, shown
end

-- Whether the function has to run after somebody has looked; otherwise the block is done, and its result is returned.
local function look(block, recorded_writes, given)
  local doubtful = doubtful_of(recorded_writes)
  local answer, result, raised = ask(given.look)
  if raised then return raised end
  local action = policy.after_look(answer)
  if action == "in_doubt" then
    local left, shown = judge_starts(block, doubtful)
    if #left > 0 then in_doubt(block, left, shown) end
    return nil
  end
  if result == nil then result = true end
  local text = action == "done" and encode("api:once: look", result, nil)
  block.journal:looked(block.key, answer, doubtful)
  if action == "run" then return nil end
  block.journal:done(block.key, text)
  return { entry = { result = { data = result }, ended = os.time() } }
end

-- --- running ---

-- Records why the function has stopped. If the state cannot be written, or memory is short, the caller still gets the
-- first error: the entry then reads as that of a run that was killed.
local function stopped(block, message, err)
  if not core.is_ours(block.ticket) then return end
  local detail = { message = message, kind = err and err.kind, fate = err and err.fate }
  local good, raised = pollable.protect(function() block.journal:stopped(block.key, detail) end)
  if not good and not failure.is(raised) and not errors.is_of_memory(raised) then error(raised, 0) end
end

-- Records the result. If that fails, the function has run all the same: the error has the result, and the fate of what
-- was sent.
local function done(block, text, data, proof)
  local kept, _, err = failure.caught(function()
    block.journal:done(block.key, text, proof)
    return true
  end)
  if kept then return end
  err.fate, err.data = block.doubted and "in_doubt" or "applied", data
  failure.raise(err)
end

-- The second value of the function as the meta of the block. The function may return the meta of a write that an
-- earlier run has made, or of an inner block: `already` there does not say that this block was done before.
local function own_meta(meta)
  local own = {}
  for name, value in pairs(type(meta) == "table" and meta or {}) do own[name] = value end
  own.already, own.done_at = nil, nil
  if own.headers ~= nil and not core.encode(own.headers) then own.headers = nil end -- bytes that are not UTF-8
  return own
end

-- Runs the function, and records its result. Returns { data =, meta = }, or { has_raised = true, raised = } (nil can be
-- raised, too), or fails with its error.
local function run(block, fn)
  local good, data, meta, err = scope.enter(block, fn)
  if not core.is_ours(block.ticket) then
    if not good then return { has_raised = true, raised = data } end
    fail("closed", block.key, "the block belongs to the parent process", { fate = "in_doubt" })
  end
  if not good then
    stopped(block, errors.from_raised(data).message)
    return { has_raised = true, raised = data }
  end
  if data == nil and (meta ~= nil or err ~= nil) then
    local why = errors.of_results(meta, err)
    stopped(block, why.message, why)
    failure.raise(why)
  end
  if data == nil then data = json.null end
  meta = own_meta(meta)
  checkpoints.reached "once.ended"
  local text, message = core.encode { data = data, meta = meta }
  if not text then
    stopped(block, "the result " .. message)
    misuse(("api:once: key %q: the result of the function: %s"):format(block.key, message))
  end
  local proof = type(meta.proof) == "table" and meta.proof or {}
  done(block, text, data, { seen_in = proof.seen_in, seconds = proof.seconds, looks = proof.looks })
  checkpoints.reached "once.done"
  return { data = data, meta = meta }
end

-- Runs the block, or finds its result. The lock is held.
local function within_lock(block, fn, given)
  local entry = block.journal:block(block.key)
  local before = entry and block.journal:writes(block.key) or {}
  local action = policy.begin(entry, before)
  if action == "result" then return { entry = entry } end
  if action == "look" then
    local found = look(block, before, given)
    if found then return found end
    before = block.journal:writes(block.key)
  end
  block:expect(before)
  local broken_off = nil
  if entry then broken_off = entry.state == "running" end
  block.journal:begin(block.key, broken_off)
  checkpoints.reached "once.began"
  return run(block, fn)
end

--- Runs `fn` once: see docs/runs.md. Returns its `data, meta`, or those recorded before, with `meta.already` and
-- `meta.done_at`; or `nil, message, err`. What `fn` raises is raised again.
---@param api flarelight.Client
---@param key string
---@param fn fun(): any, any, any
---@param given flarelight.OnceOptions?
function once.run(api, key, fn, given)
  options.check("api:once: key", key, "string")
  if key == "" then misuse "api:once: key: should not be empty" end
  options.check("api:once: fn", fn, "function")
  given = options.table("api:once", given, known)
  calls.surface(api)
  if calls.is_closed(api) then
    return errors.fail("closed", "api:once: the client is closed", { fate = "not_sent" })
  end
  local own = journal.of(api)
  if not own then
    return errors.fail("config", "api:once: needs a state file: flarelight.new { state = path }", { fate = "not_sent" })
  end
  check_outer(key, own.service)
  local block = writes.block(key, own)
  local result, message, err = closing(block, function()
    take_lock(block)
    return within_lock(block, fn, given)
  end)
  if not result then return nil, message, err end
  if result.has_raised then error(result.raised, 0) end
  if result.entry then return recorded(result.entry) end
  return result.data, result.meta
end

-- --- deciding ---

-- Calls `body(block, entry)` under the lock of a block that is in the state file.
local function with_block(api, name, key, body)
  local own = journal.of(api)
  if not own then return errors.fail("config", name .. ": needs a state file: flarelight.new { state = path }") end
  local block = writes.block(key, own)
  local result, message, err = closing(block, function()
    local entry = own:block(key)
    if not entry and own:is_upload(key) then
      failure.fail("not_found", ("%s: the key %q is one of an upload, and not of api:once"):format(name, key))
    elseif not entry then
      failure.fail("not_found", ("%s: the state file has no key %q of this service"):format(name, key))
    end
    take_lock(block)
    body(own, own:block(key) or entry)
    return true
  end)
  return result, message, err
end

--- Decides about a block whose writes are in doubt: "done", with its result (true by default), or "again": the next
-- `once` runs its function as if it had never run. Fails with kind not_found if there is no such block, conflict if a
-- process is at work on it, or it is to be done and is done already.
---@param api flarelight.Client
---@param key string
---@param how "done"|"again"
---@param result any
---@return true? settled, string? message, flarelight.Error? err
function once.settle(api, key, how, result)
  options.check("api:settle: key", key, "string")
  if how ~= "done" and how ~= "again" then
    misuse(("api:settle: should be \"done\" or \"again\", but is %s"):format(tostring(how)))
  end
  if how == "again" and result ~= nil then misuse "api:settle: only \"done\" has a result" end
  if result == nil then result = true end
  local text = how == "done" and encode("api:settle", result, nil) or nil
  local settled, message, err = with_block(api, "api:settle", key, function(own, entry)
    if how == "done" and entry.state == "done" then
      failure.fail("conflict", ("api:settle: key %q is done already, since %s"):format(key, clock(entry.ended)))
    end
    own:settle(key, how, text)
  end)
  return settled, message, err
end

--- Whether the state file has a block of this key. Without a state file false.
function once.has(api, key)
  local own = journal.of(api)
  local has, _, err = failure.caught(function() return own ~= nil and own:block(key) ~= nil end)
  return has or false, err
end

--- Deletes a block, done or not, so that its function runs the next time.
---@return true? forgotten, string? message, flarelight.Error? err
function once.forget(api, key)
  local forgotten, message, err = with_block(api, "api:forget", key, function(own) own:forget(key) end)
  return forgotten, message, err
end

return once
