--- flarelight automations: execute.

local context = require "flarelight.cli.context"

local automations = {}

local function execute(args, out)
  local api = context.client(args)
  out:value(context.expect(api.automations:execute(args.id, args.parameters)))
end

function automations.define(parser, define)
  local group = define(parser, "automations", "Automations. Starts those that are set up for it.")
  local command = define(group, "execute", "Starts an automation.", execute)
  command:argument("id"):argname "ID":convert(context.id)
  command:option("--parameters"):argname "JSON":convert(context.json)
    :description "An object, or @FILE, or @- for standard input."
  context.connecting(command)
end

return automations
