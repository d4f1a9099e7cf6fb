--- What groups of the command have in common: a list of what there is, and the running of one by its id.

local context = require "flarelight.cli.context"
local ending = require "flarelight.cli.ending"

local group = {}

--- Defines `list`. `all`: function(api) that asks; `none`: what is said where there are none.
function group.list(define, parser, description, all, none)
  context.connecting(define(parser, "list", description, function(args, out)
    out:list(ending.expect(all(context.client(args))), nil, none)
  end))
end

--- Defines `name`, which takes an id and parameters. `run`: function(api, id, parameters) that asks.
function group.run(define, parser, name, description, run)
  local command = define(parser, name, description, function(args, out)
    out:value(ending.expect(run(context.client(args), args.id, args.parameters)))
  end)
  command:argument("id"):argname "ID":convert(context.id)
  command:option("--parameters"):argname "JSON":convert(context.json)
    :description "An object, or @FILE, or @- for standard input."
  context.connecting(command)
end

return group
