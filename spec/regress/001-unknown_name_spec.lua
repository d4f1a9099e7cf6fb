--- The second try after a name that was not found ended with "A libcurl function was given a bad
-- argument", of kind config: libcurl keeps a handle's buffer then, and refuses to change its size.

local flarelight = require "flarelight"

describe("a name that is not found", function()
  it("is told as such by every try", function()
    local api = assert(flarelight.new {
      api_key = "k", subscription_id = "00000000-0000-4000-8000-000000000001",
      base_url = "https://nowhere.invalid", max_attempts = 2, connect_timeout = 5,
    })
    local data, message, err = api.imports:import { records = {} }
    api:close()
    assert.is_nil(data)
    assert.equal("imports.import: nothing was sent: ", message:match "^.-sent: ")
    assert.is_true(err.kind == "network" or err.kind == "timeout", err.kind)
    assert.equal("not_sent", err.fate)
    assert.equal(2, err.attempts)
  end)
end)
