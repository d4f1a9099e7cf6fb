--- Loads the module of compressed files if the name of a file needs it.
--
-- flarelight.archive_core is a library of its own, which only compressed files need. If it was not built, opening the
-- file fails with a message of the core.

local core = require "flarelight.core"
local loading = require "flarelight.loading"

local compressed = {}

-- Whether the module was built; if not, also what is missing.
local function load()
  local module, missing = loading.optional("flarelight.archive_core", "libarchive", "libarchive-dev")
  if not module then return false, missing end
  if not core.use_archive(module.functions) then
    error("flarelight.archive_core is of another build than flarelight.core", 0)
  end
  return true
end

--- Loads the module if one of the paths (a path or a list of paths) names a compressed file.
---@param paths string|string[]
function compressed.prepare(paths)
  for _, path in ipairs(type(paths) == "table" and paths or { paths }) do
    if type(path) == "string" and not path:find "%z" and core.compression(path) then
      load()
      return
    end
  end
end

--- Loads the module for a file that is written with this compression, or nil for none. Returns nothing, or `message,
-- kind` if the module was not built.
---@param compression string? as ".gz"
function compressed.writable(compression)
  if not compression then return nil end
  local built, missing = load()
  if built then return nil end
  return ("writing a %s file needs %s"):format(compression, missing), "io"
end

return compressed
