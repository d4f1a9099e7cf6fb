-- Connections that cannot be had: nothing is sent, whatever curl calls the error, and writes say so.

local support = require "support"

describe("where nothing can be sent:", function()
  local sandbox, api
  local open = {}

  local function start(options, client_options)
    sandbox = support.sandbox(options)
    api = support.client(sandbox, client_options)
    local client, box = api, sandbox
    open[#open + 1] = function() client:close() box:stop() end
  end
  after_each(function()
    for _, close in ipairs(open) do close() end
    open = {}
  end)

  local directory, certificate, key, other

  setup(function()
    directory = os.tmpname()
    os.remove(directory)
    certificate, key, other = directory .. "/cert.pem", directory .. "/key.pem", directory .. "/other.pem"
    assert(os.execute("mkdir " .. directory))
    for file, name in pairs { [certificate] = "127.0.0.1", [other] = "127.0.0.2" } do
      os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=spec "
        .. "-addext subjectAltName=IP:%s -keyout %s -out %s 2>/dev/null"):format(
        name, file == certificate and key or directory .. "/other-key.pem", file))
    end
  end)
  teardown(function() os.execute("rm -r " .. directory) end)

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
    start { certificate = other, private_key = directory .. "/other-key.pem" }
    refused(support.client(sandbox, { ca_file = other }), "tls", 1)
  end)

  it("a server that speaks no TLS", function()
    start()
    local plain = { url = sandbox.url:gsub("^http", "https"), api_key = "k", subscription_id = sandbox.subscription_id }
    refused(support.client(plain, { max_attempts = 2 }), "tls", 2)
    assert.equal(0, #sandbox:requests())
  end)
end)
