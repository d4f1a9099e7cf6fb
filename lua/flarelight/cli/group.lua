--- Commands that several groups have: `list`, and one that runs something by its id.

local context = require "flarelight.cli.context"
local ending = require "flarelight.cli.ending"

local group = {}

--- Defines `list`. `all(api)` requests the list; `none` is the remark for an empty list.
function group.list(define, parser, description, all, none)
  context.connecting(define(parser, "list", description, function(args, out)
    out:list(ending.expect(all(context.client(args))), nil, none)
  end))
end

--- Defines `name`, a command with an id and parameters. `run(api, id, parameters)` sends the request.
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
