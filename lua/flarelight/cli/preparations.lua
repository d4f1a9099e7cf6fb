--- flarelight preparations: list, execute.

local context = require "flarelight.cli.context"

local preparations = {}

local function list(args, out)
  local api = context.client(args)
  out:list(context.expect(api.preparations:all()), nil, "there are no data preparations")
end

local function execute(args, out)
  local api = context.client(args)
  out:value(context.expect(api.preparations:execute(args.id, args.parameters)))
end

function preparations.define(parser, define)
  local group = define(parser, "preparations", "Data preparations. Lists them, runs them.")
  context.connecting(define(group, "list", "The data preparations that the key may see.", list))
  local command = define(group, "execute", "Runs a data preparation.", execute)
  command:argument("id"):argname "ID":convert(context.id)
  command:option("--parameters"):argname "JSON":convert(context.json)
    :description "An object, or @FILE, or @- for standard input."
  context.connecting(command)
end

return preparations
