-- Without a key: a run after a run begins anew.
local flarelight = require "flarelight"
local api = assert(flarelight.new())
assert(api.imports:upload { file = arg[1], name = "careless", batch_records = 500 })
