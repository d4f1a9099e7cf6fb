--- flarelight automations: execute.

local group = require "flarelight.cli.group"

local automations = {}

function automations.define(parser, define)
  local commands = define(parser, "automations", "Automations. Starts those that are set up for it.")
  group.run(define, commands, "execute", "Starts an automation.",
    function(api, id, parameters) return api.automations:execute(id, parameters) end)
end

return automations
