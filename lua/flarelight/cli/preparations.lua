--- flarelight preparations: list, execute.

local group = require "flarelight.cli.group"

local preparations = {}

function preparations.define(parser, define)
  local commands = define(parser, "preparations", "Lists and runs data preparations.")
  group.list(define, commands, "The data preparations that the key may see.",
    function(api) return api.preparations:all() end, "there are no data preparations")
  group.run(define, commands, "execute", "Runs a data preparation.",
    function(api, id, parameters, given) return api.preparations:execute(id, parameters, given) end, "preparations")
end

return preparations
