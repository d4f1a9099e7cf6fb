--- The replies that a cache takes from other processes and leaves for them. cache/init.lua makes the reads and their
-- flights; this file turns a kept reply of another process into one of this client, and gives it what a flight has got.
--
-- `others` is of shared.open. Relies on calls.lua for the client's handle.

local calls = require "flarelight.calls"
local core = require "flarelight.core"

local exchange = {}

-- The reply that another process has left, as one of this client, with its bytes; nil if it does not do.
local function adopt(api, prepared, found)
  prepared.request_id, prepared.head, prepared.text = found.request_id, found.head, found.text
  local reply = calls.handle(api):answered(prepared)
  prepared.request_id, prepared.head, prepared.text = nil, nil, nil
  if not reply then return nil end
  local _, size = reply:keep()
  return reply, size
end

---@class flarelight.ForeignReply
---@field reply userdata
---@field size integer bytes
---@field stored number by core.now: when its request began

--- Looks for the reply that another process has left or is about to leave, and waits while it is under way. The flight
-- counts as alive meanwhile. Returns the reply; or nil, the lock to hold while the request is under way, and an older
-- reply that the service may confirm.
---@param api flarelight.Client
---@param others flarelight.SharedReplies
---@param ttl number seconds
---@param flight flarelight.Flight gets the mark of each look
---@param prepared table the request
---@param digest string of others:digest
---@return flarelight.ForeignReply? found, userdata? lock, flarelight.ForeignReply? older
function exchange.look(api, others, ttl, flight, prepared, digest)
  local older
  local found, lock = others:await(api, digest, flight.due, function(each)
    older, flight.seen, flight.mark = each, core.now(), others:mark(api) or flight.mark
    return each and each.age <= ttl and others.is_current(each, flight.mark)
  end)
  local seen = found or older
  if not seen then return nil, lock end
  local reply, size = adopt(api, prepared, seen)
  if not reply then return nil, lock end
  local foreign = { reply = reply, size = size, stored = core.now() - seen.age }
  if found then return foreign end
  return nil, lock, foreign
end

--- Leaves the reply of a flight for other processes, or tells them that the service has confirmed the older one.
---@param api flarelight.Client
---@param others flarelight.SharedReplies
---@param digest string of others:digest
---@param flight flarelight.Flight
---@param request_id string? of the reply
function exchange.leave(api, others, digest, flight, request_id)
  local age = core.now() - flight.begun
  if flight.confirmed then others:confirm(api, digest, flight.mark, age, request_id)
  elseif flight.text then others:put(api, digest, flight.mark, age, request_id, flight.head, flight.text) end
end

return exchange
