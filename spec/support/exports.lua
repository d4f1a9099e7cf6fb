--- Exports, for the specs that run them.

local system = require "support.system"

local exports = {}

--- Uploads rows that are written as JSON lines. Returns the id of the import.
function exports.import(api, lines)
  return assert(api.imports:upload { file = system.file(lines, ".jsonl"), name = "spec" }).id
end

--- Exports to a function. Returns the whole text, and what the export returned.
function exports.text(api, id, options)
  local pieces, given = {}, {}
  for name, value in pairs(options or {}) do given[name] = value end
  given.to = function(text) pieces[#pieces + 1] = text end
  local result, message, err = api.imports:export(id, given)
  return table.concat(pieces), result, message, err
end

--- The rows of support.import(api, count) from a position to another as CSV.
function exports.numbers(first, last)
  local lines = { "n" }
  for n = first, last do lines[#lines + 1] = tostring(n) end
  return table.concat(lines, "\r\n") .. "\r\n"
end

--- Runs Lua code in a process of its own, with `api` made for the sandbox and `path`, a file of CSV; what it prints. The
-- script is the file BASE-child.lua.
function exports.run(sandbox, base, code)
  local script = system.write(base .. "-child.lua", ([[
      local flarelight = require "flarelight"
      local api_key, subscription_id, base_url = %q, %q, %q
      local api = assert(flarelight.new { api_key = api_key, subscription_id = subscription_id, base_url = base_url })
      local path = %q
      %s
    ]]):format(sandbox.api_key, sandbox.subscription_id, sandbox.url, base .. ".csv", code))
  return system.shell(system.interpreter .. " " .. script .. " 2>&1")
end

return exports
