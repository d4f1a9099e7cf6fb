--- flarelight automations: execute.

local group = require "flarelight.cli.group"

local automations = {}

function automations.define(parser, define)
  local commands = define(parser, "automations", "Starts automations. Those that are set up for API triggers.")
  group.run(define, commands, "execute", "Starts an automation.",
    function(api, id, parameters, given) return api.automations:execute(id, parameters, given) end)
end

return automations
