--- Standard input and pipes as files: a copy (a spool) that can be read as often as an upload needs, and again when it
-- is resumed.
--
-- The spool stands beside the state file, or in the temporary folder if the client has none. The worker copies it in
-- steps. It belongs to the source that it was made for; an upload that the journal keeps leaves it where it is.
-- Raises failures (failure.lua). Relies on the binding's spools.

local calls = require "flarelight.calls"
local compressed = require "flarelight.compressed"
local core = require "flarelight.core"
local failure = require "flarelight.upload.failure"
local misuse = require "flarelight.misuse"
local pollable = require "flarelight.host.pollable"
local timeslice = require "flarelight.host.timeslice"

local spool = {}

local FORMATS = { csv = "csv", tsv = "tsv", jsonl = "jsonl", ndjson = "jsonl", json = "json" }
--- The compression of temporary files; nil in a build without the module of compressed files.
function spool.compression() return not compressed.writable ".zst" and ".zst" or nil end

local PIECE = 65536 -- bytes to compare before other code may run

---@class flarelight.Spool
---@field path string of the copy
---@field original string the path that was copied
---@field name string of the original, in messages
---@field format string? of the records
---@field compression string? of the original's content, as ".gz"
local Spool = {}
Spool.__index = Spool

local function name_of(path) return path == "-" and "standard input" or path end

--- Whether a path has to be copied: "-", which is standard input, or a pipe.
function spool.is_needed(path) return type(path) == "string" and core.needs_spool(path) end

--- What the paths of the client's spools begin with.
function spool.prefix(api)
  local state = calls.config(api).state_path
  if state then return state .. "-spool-" end
  local folder = os.getenv "TMPDIR"
  return (folder and folder ~= "" and folder or "/tmp") .. "/flarelight-spool-"
end

--- Deletes the spools that dead processes have left. `is_kept(path)`: whether an unfinished upload needs it.
function spool.sweep(api, is_kept)
  for _, path in ipairs(core.left_spools(spool.prefix(api))) do
    if not is_kept(path) then os.remove(path) end
  end
end

-- The format by the name, without the ending of a compression.
local function format_of(path)
  local compression = core.compression(path)
  local ending = path:sub(1, -#(compression or "") - 1):match "%.([^./]*)$"
  return ending and FORMATS[ending:lower()]
end

--- Copies standard input ("-") or a pipe. `format`: as the caller gave it; nil: the ending of the path says it.
---@return flarelight.Spool
function spool.take(api, path, format, operation)
  local name = name_of(path)
  format = format or format_of(path)
  if not format then misuse(("%s: format: is needed for %s: the name does not tell it"):format(operation, name)) end
  local handle = core.spool(path, spool.prefix(api), spool.compression())
  local self = setmetatable({ handle = handle, original = path, name = name, format = format, path = "" }, Spool)
  local good, raised = pollable.protect(function()
    repeat
      local whole, message, _, kind = calls.done(calls.job(api, handle:step(calls.blocks(api))))
      self.path = handle:path()
      if whole == nil then failure.fail(kind or "io", operation .. ": " .. message) end
    until whole
    self.compression = handle:compression()
  end)
  if not good then
    -- An interrupt comes between two steps. A worker may still be in the first step of a task that was cancelled.
    if self.path == "" and calls.blocks(api) then self.path = handle:path() end
    self:drop()
    error(raised, 0)
  end
  return self
end

local function is_file(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

--- The spool of an upload that the journal keeps: at `path`, or beside the state file, if the folder was moved.
-- `original`: the path that was copied.
---@return flarelight.Spool
function spool.known(api, path, original)
  local prefix = spool.prefix(api)
  local rest = path:match "%-spool%-([^/]*)$"
  if rest and not is_file(path) and is_file(prefix .. rest) then path = prefix .. rest end
  return setmetatable({ path = path, original = original, name = name_of(original) }, Spool)
end

--- Whether the copy can be read.
function Spool:is_there() return is_file(self.path) end

--- Deletes the copy.
function Spool:drop()
  if self.path ~= "" then os.remove(self.path) end
  self:close()
end

--- Leaves the copy to the journal.
function Spool:close()
  if self.handle then self.handle:close() end
end

--- A message in which the copy has the name of the original.
function Spool:named(message)
  local from, to = message:find(self.path, 1, true)
  return from and message:sub(1, from - 1) .. self.name .. message:sub(to + 1) or message
end

--- Whether two files hold the same bytes. False where one cannot be read.
function spool.same_content(one, other)
  local left, right = io.open(one, "rb"), io.open(other, "rb")
  local same = left ~= nil and right ~= nil
  while same do
    local piece = left:read(PIECE)
    same = piece == right:read(PIECE)
    if piece == nil then break end
    if timeslice.slice_end then timeslice.check() end
  end
  if left then left:close() end
  if right then right:close() end
  return same
end

return spool
