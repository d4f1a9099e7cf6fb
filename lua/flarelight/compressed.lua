--- Loads the module of decompression if the name of a file needs it.
--
-- flarelight.archive_core is a library of its own, which only compressed files need. If it was not built, opening the
-- file fails with a message of the core.

local core = require "flarelight.core"

local compressed = {}

--- Loads the module if one of the paths (a path or a list of paths) names a compressed file.
---@param paths string|string[]
function compressed.prepare(paths)
  for _, path in ipairs(type(paths) == "table" and paths or { paths }) do
    if type(path) == "string" and not path:find "%z" and core.compression(path) then
      local found, module = pcall(require, "flarelight.archive_core")
      if found and not core.use_archive(module.functions) then
        error("flarelight.archive_core is of another build than flarelight.core", 0)
      end
      return
    end
  end
end

return compressed
