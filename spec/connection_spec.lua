-- Connections that cannot be had: nothing is sent, whatever curl calls the error, and writes say so.

local support = require "support"
local system = require "support.system"

describe("where nothing can be sent:", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function start(options, client_options) sandbox, api = opened.service(options, client_options) end

  local certificate, key, other, other_key

  setup(function()
    certificate, key = system.certificate "127.0.0.1"
    other, other_key = system.certificate "127.0.0.2"
  end)

  -- Both sorts of calls end so, and the write was not sent.
  local function refused(client, kind, attempts)
    support.together {
      function()
        local _, _, err = client.imports:all()
        assert.are.same({ kind, attempts }, { err.kind, err.attempts })
      end,
      function()
        local _, _, err = client.imports:import { records = {} }
        assert.are.same({ kind, attempts, "not_sent" }, { err.kind, err.attempts, err.fate })
        assert.is_nil(err.status)
      end,
    }
    client:close()
  end

  it("a connection refused", function()
    start(nil, { max_attempts = 2 })
    sandbox:stop()
    refused(api, "network", 2)
  end)

  it("a name that is not found", function()
    start()
    refused(support.client({ url = "http://flarelight.invalid", api_key = "k",
      subscription_id = sandbox.subscription_id }, { max_attempts = 2, allow_insecure_http = true }), "network", 2)
  end)

  it("a certificate that is not trusted, or another's; the right one is good", function()
    start { certificate = certificate, private_key = key }
    refused(api, "tls", 1)
    refused(support.client(sandbox, { ca_file = other }), "tls", 1)
    assert.equal(0, #sandbox:requests())
    local trusting = support.client(sandbox, { ca_file = certificate })
    local _, meta = assert(trusting.imports:import { records = { { n = 1 } } })
    assert.equal("applied", meta.fate)
    trusting:close()
  end)

  it("a certificate for another host", function()
    start { certificate = other, private_key = other_key }
    refused(support.client(sandbox, { ca_file = other }), "tls", 1)
  end)

  it("a server that speaks no TLS", function()
    start()
    local plain = { url = sandbox.url:gsub("^http", "https"), api_key = "k", subscription_id = sandbox.subscription_id }
    refused(support.client(plain, { max_attempts = 2 }), "tls", 2)
    assert.equal(0, #sandbox:requests())
  end)

  it("no descriptor for the first call", function()
    local script = system.file [[
      local flarelight = require "flarelight"
      local api = assert(flarelight.new {
        api_key = "k-1234567", subscription_id = "00000000-0000-4000-8001-000000000001", base_url = "http://127.0.0.1:9",
      })
      local held = {}
      repeat
        local file = io.open "/dev/null"
        held[#held + 1] = file
      until not file
      table.remove(held):close() -- the mailbox has it
      local _, message, err = api.imports:all()
      print(message, err.kind)
    ]]
    assert.equal("no descriptor for the engine: too many open files\tnetwork\n", (system.shell(("ulimit -n 64; %s %s 2>&1"):format(
      system.quote(system.interpreter), system.quote(script)))))
  end)
end)
