--- Lists: the service's lists of preparations, reports and imports, for all waits for runs of one client. The waits
-- share the requests and their replies.
--
-- Each list that a wait reads has a board. Code that reads the list takes the newest reply if it has not used it yet,
-- waits for the request under way, or makes a request itself. Nothing runs in the background. A board lives as long as
-- it is referenced. Relies on calls.lua for requests and waiting.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local mailbox = require "flarelight.host.mailbox"
local request = require "flarelight.request"

local lists = {}

-- If a host has ended the coroutine that made a request, its reply is never taken. After this number of seconds other
-- waits make their own request.
local GIVEN_UP = 90

local boards = setmetatable({}, { __mode = "k" }) -- client -> operation -> board

---@class flarelight.Board
---@field api flarelight.Client
---@field operation string as "reports.all"
---@field latest table? the newest reply: { begun =, data =, meta =, message =, err = }
---@field flight table? the request under way: { begun = }
---@field watchers table<table, true> the waiters to wake when a reply has arrived

--- The board of a client's list.
---@return flarelight.Board
function lists.board(api, operation)
  local own = boards[api] or setmetatable({}, { __mode = "v" })
  boards[api] = own
  local board = own[operation] or { api = api, operation = operation, watchers = {} }
  own[operation] = board
  return board
end

local function wake(board)
  for waiter in pairs(board.watchers) do mailbox.set_ready(waiter) end
end

--- Wakes all waits for runs of a client, when the client ends.
function lists.wake(api)
  for _, board in pairs(boards[api] or {}) do wake(board) end
end

--- Sleeps for `seconds`, or until a reply has arrived for one of the boards, or the client is closed. Returns true;
-- `false, message, err` if this code cannot wait.
---@param api flarelight.Client
---@param watched flarelight.Board[]
---@param seconds number
function lists.pause(api, watched, seconds)
  if calls.is_closed(api) then return true end
  local waiter = mailbox.waiter {
    due = core.now() + seconds, chosen = calls.config(api).host, of_tasks = not calls.blocks(api) or nil,
  }
  for _, board in ipairs(watched) do board.watchers[waiter] = true end
  local _, message, err = calls.wait(waiter)
  for _, board in ipairs(watched) do board.watchers[waiter] = nil end
  if err then return false, message, err end
  return true
end

-- Errors that concern only the code that made the request.
local OWN = { cancelled = true, phase = true }

local function ask(board, deadline)
  local flight = { begun = core.now() }
  board.flight = flight
  local prepared = request.endpoint(board.operation, {}, { deadline = deadline }, calls.config(board.api))
  prepared.inner = true
  local data, meta, err = calls.call(board.api, prepared)
  local reply = { begun = flight.begun, data = data, meta = meta, message = data == nil and meta or nil, err = err }
  if board.flight == flight then board.flight = nil end
  if not (err and OWN[err.kind]) then board.latest = reply end
  wake(board)
  return reply
end

--- Reads a list: returns the newest reply, if its request began after `since` by core.now; else a new one, requested
-- here or by another wait. `deadline`: seconds for a new request.
---@param board flarelight.Board
---@param since number
---@param deadline number?
---@return { begun: number, data: any, meta: flarelight.Meta?, message: string?, err: flarelight.Error? } reply
function lists.look(board, since, deadline)
  while true do
    if board.latest and board.latest.begun > since then return board.latest end
    local flight = board.flight
    if not flight or core.now() > flight.begun + GIVEN_UP then return ask(board, deadline) end
    local paused, message, err = lists.pause(board.api, { board }, GIVEN_UP)
    if not paused then return { begun = core.now(), message = message, err = err } end
    if board.flight == flight and core.now() <= flight.begun + GIVEN_UP then
      -- This task was cancelled, or the client was closed: a separate call gives the right error.
      return ask({ api = board.api, operation = board.operation, watchers = {} }, deadline)
    end
  end
end

return lists
