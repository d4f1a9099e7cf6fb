--- The writes inside of a block of `api:once`: each is in the state file before its first byte is sent. If the block
-- runs again, a write that was applied before is not sent: its recorded reply is returned.
--
-- calls.lua gives each write to `Block:write`. policy.lua has the rules, journal.lua the records. A batch of an upload
-- is none of these writes, since the upload's own journal has it.

local checkpoints = require "flarelight.upload.checkpoints"
local core = require "flarelight.core"
local effort = require "flarelight.history.effort"
local errors = require "flarelight.error"
local failure = require "flarelight.upload.failure"
local misuse = require "flarelight.misuse"
local policy = require "flarelight.once.policy"
local pollable = require "flarelight.host.pollable"
local random = require "flarelight.random"
local request = require "flarelight.request"
local scope = require "flarelight.host.scope"

---@class flarelight.Block : flarelight.Scope
---@field key string
---@field journal flarelight.BlockJournal
---@field earlier table[] applied writes of earlier runs that this run has not made yet
---@field number integer of the last write
---@field uploads table<string, integer> how many uploads of each label have got a key
---@field under_way table<table, true> see upload/locks.lua
---@field doubted boolean the fate of a write of this run is not known
---@field over boolean see upload/locks.lua
local Block = {}
Block.__index = Block

local writes = {}

--- A block of this key, without writes.
---@return flarelight.Block
function writes.block(key, journal)
  return setmetatable({
    key = key, journal = journal, service = journal.service, ticket = core.ticket(), earlier = {}, number = 0,
    uploads = {}, under_way = {}, doubted = false, ended = false, over = false,
  }, Block)
end

--- Gives a block the recorded writes of its earlier runs.
function Block:expect(recorded)
  for _, each in ipairs(recorded) do
    self.number = each.number
    if each.state == "applied" then self.earlier[#self.earlier + 1] = each end
  end
end

-- The path of a request with its id and query, and the address of another service.
local function target_of(block, prepared, base)
  local id = type(prepared.id) == "table" and prepared.id[1] or prepared.id
  local path = prepared.path:gsub("{id}", function() return (request.id_text(id):gsub("[%c ]", "?")) end)
  local own = block.service:sub(1, #base) == base
  return (own and "" or base) .. path .. (prepared.query or "")
end

-- The record of a write; nil if its body has no form in JSON, so that its submission raises.
local function identify(block, prepared, base)
  local sha256 = core.digest(prepared.has_body and prepared.body or "")
  local id = prepared.id
  if not sha256 or prepared.path:find("{id}", 1, true) and type(id) == "table" and type(id[1]) ~= "string" then
    return nil
  end
  local note = prepared.note ~= nil and core.encode(prepared.note) or nil
  return {
    operation = prepared.operation, target = target_of(block, prepared, base), sha256 = sha256, note = note,
    request_id = random.uuid(), repeatable = prepared.repeatable == true,
  }
end

local function take(list, record)
  for place, each in ipairs(list) do
    if each == record then return table.remove(list, place) end
  end
end

-- The recorded reply of a write that was applied before.
local function replay(block, record)
  take(block.earlier, record)
  block.journal:replayed(block.key, record.number)
  local reply = record.reply or { data = true }
  local data, meta = reply.data, reply.meta or {}
  meta.already, meta.note, meta.fate = true, record.note, "applied"
  return data, meta
end

local function refuse_other(block, write, record)
  return errors.fail("conflict", ("api:once: key %q: the block has made %s %s before with another body: to make it "
    .. "again might repeat it; api:settle(key, \"again\") allows it"):format(block.key, record.operation,
    record.target), { fate = "not_sent", operation = write.operation })
end

--- A reply as JSON. Bytes of a raw reply or of headers may have no form in JSON; the reply is kept without them.
function writes.reply_of(data, meta)
  return core.encode { data = data, meta = meta } or core.encode { data = data } or nil
end

-- Records how a write ended. What was raised before its submission (by `before`, the function of the key, or as misuse)
-- or after a 401 has had no effect. If its outcome is not known (Ctrl-C), the record stays as it is. `fate`: if `send`
-- has raised, see calls.lua.
local function record_outcome(block, write, fate, ok, data, meta, err)
  if not ok then
    if policy.after_write(fate) then return end
    local detail = { fate = fate, message = errors.from_raised(data).message }
    return block.journal:ended(block.key, write.number, nil, nil, detail)
  end
  fate = data ~= nil and "applied" or err.fate
  local about = data ~= nil and meta or err
  local reply = data ~= nil and writes.reply_of(data, meta) or nil
  local detail = effort.of(about)
  detail.fate, detail.message, detail.status = fate, data == nil and err.message or nil, about.status
  detail.request_id = nil -- the history has it with the write
  block.journal:ended(block.key, write.number, policy.after_write(fate), reply, detail)
end

-- Raises again what the submission of a write raised. On Lua 5.1 the line of a misuse is found here.
local function raise_again(raised)
  local text = type(raised) == "string" and raised:match "^flarelight: (.*)$"
  if text then misuse(text) end
  error(raised, 0)
end

--- Makes a write: `send()` sends `prepared`. Returns what `send` returns, or the recorded reply of an earlier run with
-- `meta.already`. An error of the state file before the write has the fate not_sent; after it that of the write.
---@param prepared table request of request.lua
---@param config table of the client that makes the write
---@param send fun(): any, any, flarelight.Error?
function Block:write(prepared, config, send)
  local write = identify(self, prepared, config.base_url)
  if not write then
    local data, meta, err = send()
    return data, meta, err
  end
  local action, record = policy.claim(self.earlier, write)
  if action == "replay" then
    local data, meta, err
    local good, message, why = failure.caught(function()
      data, meta = replay(self, record)
      return true
    end)
    if not good then data, meta, err = nil, message, why end
    return data, meta, err
  elseif action == "differs" then
    return refuse_other(self, write, record)
  end
  self.number = self.number + 1
  write.number = self.number
  self.under_way[prepared] = true
  local kept, message, why = failure.caught(function()
    self.journal:sent(self.key, write)
    return true
  end)
  if not kept then
    self.under_way[prepared] = nil
    why.fate = "not_sent"
    return nil, message, why
  end
  checkpoints.reached "write.journaled"
  prepared.request_id = write.request_id
  prepared.permit = self.journal.store -- sent only while the lock is held
  local ok, data, meta, err = pollable.protect(send)
  if ok then self.under_way[prepared] = nil end
  local fate = prepared.fate or "not_sent" -- of a write that has raised
  if ok then fate = data == nil and err.fate or "applied" end
  if fate == "in_doubt" then scope.doubt() end
  checkpoints.reached "write.answered"
  kept, message, why = failure.caught(function()
    record_outcome(self, write, fate, ok, data, meta, err)
    return true
  end)
  if not ok then raise_again(data) end
  if not kept then
    why.fate, why.data = data ~= nil and "applied" or err.fate, data
    return nil, message, why
  end
  checkpoints.reached "write.recorded"
  return data, meta, err
end

--- A key for an upload that has none: that of the block, and a word for the upload, which is the same in each run.
---@param label string name or file of the upload
---@return string
function Block:upload_key(label)
  local count = (self.uploads[label] or 0) + 1
  self.uploads[label] = count
  return ("%s/%s%s"):format(self.key, label, count > 1 and "#" .. count or "")
end

return writes
