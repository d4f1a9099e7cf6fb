-- A bad script: uploads without a key, so each run begins anew.
local flarelight = require "flarelight"
local api = assert(flarelight.new())
assert(api.imports:upload { file = arg[1], name = "careless", batch_records = 500 })
