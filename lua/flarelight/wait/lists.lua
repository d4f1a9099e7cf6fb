--- Lists: what the service shows of preparations, reports and imports, for all who wait for a run of one client. They
-- share each request, and each reply is for all of them.
--
-- There is a board for each list that somebody waits for. Code that needs a look at the list takes the newest reply if
-- that is new to it, joins the request under way, or makes one itself. Nothing runs in the background. A board lives as
-- long as somebody refers to it. Relies on calls.lua for requests and waiting.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local mailbox = require "flarelight.host.mailbox"
local request = require "flarelight.request"

local lists = {}

-- A request may have lost the code that waits for its reply, where a host has ended the coroutine. After so many
-- seconds others make their own.
local GIVEN_UP = 90

local boards = setmetatable({}, { __mode = "k" }) -- client -> operation -> board

---@class flarelight.Board
---@field api flarelight.Client
---@field operation string as "reports.all"
---@field latest table? the newest reply: { begun =, data =, meta =, message =, err = }
---@field flight table? the request under way: { begun = }
---@field watchers table<table, true> the waiters to wake when a reply has come

--- The board of a client's list.
---@return flarelight.Board
function lists.board(api, operation)
  local own = boards[api] or setmetatable({}, { __mode = "v" })
  boards[api] = own
  own[operation] = own[operation] or { api = api, operation = operation, watchers = {} }
  return own[operation]
end

local function wake(board)
  for waiter in pairs(board.watchers) do mailbox.set_ready(waiter) end
end

--- Wakes all who wait for runs of a client, when the client ends.
function lists.wake(api)
  for _, board in pairs(boards[api] or {}) do wake(board) end
end

--- Sleeps for `seconds`, or until a reply has come for one of the boards, or the client is closed. True; `false,
-- message, err` where nothing can wait.
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

-- Errors of the code that asks, which are nobody else's.
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

--- A look at a list: the newest reply, if its request began after `since` by core.now; else a new one, made here or by
-- somebody else. `deadline`: seconds for a new one.
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
      -- Its own task was cancelled, or the client was closed: a call of its own says which.
      return ask({ api = board.api, operation = board.operation, watchers = {} }, deadline)
    end
  end
end

return lists
