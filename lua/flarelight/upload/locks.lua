--- Locks of uploads and blocks of once: an import, an upload and a block have only one writer at a time. A table
-- excludes other writers of this process, the locks of the state exclude other processes.
-- Relies on the journal for those locks.

local core = require "flarelight.core"
local failure = require "flarelight.upload.failure"
local pollable = require "flarelight.host.pollable"

---@class flarelight.LockHolder
---@field service string
---@field ticket integer
---@field journal flarelight.State?
---@field under_way table<table, true> set of the requests of writes that it waits for, with their tickets

local locks = {}

local holders = {} -- name -> { run =, in_coroutine =, lock = of the journal }
-- Holder -> its coroutine, which may be collected while it is suspended.
local coroutines = setmetatable({}, { __mode = "kv" })

-- Whether the coroutine of a holder was closed or collected early.
local function is_abandoned(holder)
  local co = coroutines[holder]
  return holder.in_coroutine and (co == nil or coroutine.status(co) == "dead")
end

-- Whether a holder can no longer release its lock: its run has ended without memory to release it, or belongs to the
-- parent process, or was abandoned.
local function is_gone(holder)
  return holder.run.over or not core.is_ours(holder.run.ticket) or is_abandoned(holder)
end

-- If memory is short, the lock stays in the table: once its run is over, the next one that asks for it releases it.
local function let_go(name)
  local holder = holders[name]
  if holder.lock then holder.run.journal:unlock(holder.lock) end
  holders[name] = nil
end

-- Writes of a run that was left (by Ctrl-C, or since its coroutine was closed) may still wait to be sent, or be under
-- way. They are cancelled before a lock is released, which may take a database many seconds: otherwise one could be
-- carried out after the next holder has looked. A lack of memory for this keeps no lock.
local function cancel_writes(run)
  if not core.is_ours(run.ticket) then return end
  for write in pairs(run.under_way) do
    if write.ticket then pcall(core.cancel, write.ticket) end
  end
end

--- Takes a lock for a run, which keeps it until `locks.release`. Returns false if another one has it.
---@param run flarelight.LockHolder an upload, or a block of once
---@param what string "import ID", "upload TOKEN" or "once KEY"
---@return boolean
function locks.try(run, what)
  local name = run.service .. " " .. what
  local holder = holders[name]
  if holder and holder.run == run then return true end
  if holder and is_gone(holder) then
    pcall(cancel_writes, holder.run)
    let_go(name)
    cancel_writes(holder.run)
    holder = nil
  end
  if not holder then
    -- In the table before it is taken: a lock that no table holds would stay until it is collected.
    local co = coroutine.running()
    local taken = { run = run, in_coroutine = co ~= nil, lock = false }
    holders[name], coroutines[taken] = taken, co
    if not run.journal then return true end
    local asked, lock = pollable.protect(function() return run.journal:lock(name) end)
    taken.lock = asked and lock
    if taken.lock then return true end
    holders[name] = nil
    if not asked then error(lock, 0) end
  end
  return false
end

--- Whether a lock that `locks.try` has refused is held in this process.
---@param run flarelight.LockHolder
---@param what string
function locks.is_here(run, what) return holders[run.service .. " " .. what] ~= nil end

-- "process 12 has been at work on this upload since …", of an upload that another holder has.
local function at_work(run, what)
  local here = locks.is_here(run, what) -- now: it may end while the entry is read
  local process, at = run.journal:holder(what)
  local own = process == core.process()
  if not process or here and not own then -- the other one has not begun yet
    return ("%s process is at work on this upload (%s)"):format(here and "this" or "another", what)
  end
  local who = own and "this process" or ("process %d"):format(process)
  return ("%s has been at work on this upload since %s (%s)"):format(who, os.date("%Y-%m-%d %H:%M:%S", at), what)
end

--- The same, but fails with kind conflict.
---@param run flarelight.UploadRun
---@param what string "import ID" or "upload TOKEN"
function locks.take(run, what)
  if locks.try(run, what) then return end
  local of_import = what:find "^import" or not run.journal
  failure.fail("conflict", "imports:upload: " .. (of_import and "another upload writes into the " .. what
    or at_work(run, what)), { fate = "not_sent" })
end

--- Releases all locks of a run. Its writes that are still under way are cancelled, twice: the lack of memory may have
-- passed.
function locks.release(run)
  pcall(cancel_writes, run)
  for name, holder in pairs(holders) do
    if holder.run == run then let_go(name) end
  end
  cancel_writes(run)
end

return locks
