--- The entries of exports with `continue` in the state file. For each import and file, an entry holds the number of
-- rows in the file, and the last row of the import that was read.
--
-- An entry is {rows =, size =, position =, digest =}: rows and bytes of the file, the position after the last row that
-- was read, and the SHA-256 of that row. An entry is announced before the new file is renamed to its place, and
-- confirmed after it. If the process is killed in between, one of the two entries still describes the file. Relies on
-- the binding's store.

local calls = require "flarelight.calls"
local core = require "flarelight.core"
local json = require "flarelight.json"

---@class flarelight.Continuation
local Continuation = {}
Continuation.__index = Continuation

local continuation = {}

--- The entries of one file. `options`: a list of the options that decide its content. Returns `nil, message, kind`
-- without a state file.
function continuation.open(api, id, path, options)
  local store, config = calls.store(api), calls.config(api)
  if not store then return nil, "continue: needs a state file (the client's option state)", "config" end
  local whole, message = core.absolute_path(path)
  if not whole then return nil, ("%s: %s"):format(path, message), "io" end
  return setmetatable({
    api = api, store = store, service = config.base_url .. " " .. config.subscription_id,
    id = type(id) == "number" and ("%.0f"):format(id) or tostring(id), path = whole,
    options = json.encode(json.array(options)),
  }, Continuation)
end

-- Runs one statement: its rows, or `nil, message, kind`.
local function run(self, text, ...)
  if not self.store:is_open() then return nil, "state: the client is closed", "closed" end
  local statement = { text, n = select("#", ...), ... }
  local rows, message, kind, closed =
    calls.done(calls.job(self.api, self.store:run({ statement }, calls.blocks(self.api))))
  if rows then return rows end
  return nil, "state: " .. tostring(message), kind or closed
end

--- The entries that may describe the file, none if it was never exported; or `nil, message, kind`. The second value
-- tells whether it was exported with these options.
function Continuation:entries()
  local rows, message, kind = run(self,
    "SELECT options, known, coming FROM exports WHERE service = ? AND import = ? AND path = ?", self.service, self.id,
    self.path)
  if not rows then return nil, message, kind end
  local entries = {}
  for _, row in ipairs(rows) do
    for _, name in ipairs { "known", "coming" } do
      if row[name] then entries[#entries + 1] = json.decode(row[name]) end
    end
  end
  return entries, rows[1] == nil or rows[1].options == self.options
end

--- Records that the file is about to get the content of the entry. `known`: the entry that describes the file now, nil
-- if there is no such file; it may be one that was announced and never confirmed. Returns true, or `nil, message,
-- kind`.
function Continuation:announce(entry, known)
  self.coming = json.encode(entry)
  local rows, message, kind = run(self,
    "INSERT INTO exports (service, import, path, options, known, coming, ended) VALUES (?, ?, ?, ?, ?, ?, ?) "
      .. "ON CONFLICT (service, import, path) DO UPDATE SET options = excluded.options, known = excluded.known, "
      .. "coming = excluded.coming, ended = excluded.ended", self.service, self.id, self.path, self.options,
    known and json.encode(known) or nil, self.coming, os.time())
  if not rows then return nil, message, kind end
  return true
end

--- Records that the file has the content of the announced entry. Returns true, or `nil, message, kind`.
function Continuation:confirm()
  local rows, message, kind = run(self, "UPDATE exports SET known = coming, coming = NULL "
    .. "WHERE service = ? AND import = ? AND path = ? AND coming = ?", self.service, self.id, self.path, self.coming)
  if not rows then return nil, message, kind end
  return true
end


return continuation
