--- Loads the module of compressed files if the name of a file needs it.
--
-- flarelight.archive_core is a library of its own, which only compressed files need. If it was not built, opening the
-- file fails with a message of the core.

local core = require "flarelight.core"

local compressed = {}

-- Whether the module was built.
local function load()
  local found, module = pcall(require, "flarelight.archive_core")
  if found and not core.use_archive(module.functions) then
    error("flarelight.archive_core is of another build than flarelight.core", 0)
  end
  return found
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
  if not compression or load() then return nil end
  return ("writing a %s file needs the module flarelight.archive_core, which was not built with this flarelight: it "
    .. "needs libarchive (libarchive-dev in Debian)"):format(compression), "io"
end

return compressed
