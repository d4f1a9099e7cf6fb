-- The least version of TLS, with a configuration of OpenSSL that allows all versions. Servers are those of the command
-- openssl, which answers GET with a page of text.

local support = require "support"
local system = require "support.system"

-- Whether this machine's OpenSSL and libcurl can be put to the test.
local has_openssl = select(2, system.shell "openssl s_server -help 2>&1 | grep -q tls1_1") == 0

-- A configuration that allows every version, whatever the system says.
local LAX = [[
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = lax
[lax]
MinProtocol = TLSv1
CipherString = ALL@SECLEVEL=0
]]

describe("the least version of TLS", function()
  local configuration, certificate, key
  setup(function()
    configuration = system.file(LAX, ".cnf")
    certificate, key = system.certificate "127.0.0.1"
  end)

  -- Starts a server that speaks one version; its port, a function that ends it, and the file with its words.
  local function server(version)
    local log = system.file("", ".log")
    local pipe = assert(io.popen(("OPENSSL_CONF=%s sh -c 'openssl s_server -accept 127.0.0.1:0 -cert %s -key %s -%s -www "
      .. "-cipher ALL@SECLEVEL=0 >%s 2>&1 & echo $!'"):format(configuration, certificate, key, version, log)))
    local process, port = pipe:read "*l", nil
    for _ = 1, 2400 do
      port = (system.read(log) or ""):match "ACCEPT 127%.0%.0%.1:(%d+)"
      if port then break end
      os.execute "sleep 0.05"
    end
    assert(port, "the server did not start")
    return port, function() os.execute("kill " .. process); pipe:close() end
  end

  -- What a process says that sends a call under the lax configuration.
  local function call(port, options, environment)
    local script = system.file(([[
      local flarelight = require "flarelight"
      local api, message = flarelight.new { api_key = "key-of-tls", subscription_id = %q, base_url = %q, ca_file = %q,
        max_attempts = 1 %s }
      if not api then return print(message) end
      local _, message, err = api.imports:all { deadline = 60 }
      print(err.kind, err.fate or "", message)
    ]]):format(support.subscription(), "https://127.0.0.1:" .. port, certificate, options or ""), ".lua")
    return (system.shell(("OPENSSL_CONF=%s %s %s %s 2>&1"):format(configuration, environment or "", system.interpreter,
      script)))
  end

  for _, case in ipairs {
    { "tls1", "", "^tls.*version" }, { "tls1_1", "", "^tls.*version" }, { "tls1_2", "", "^protocol" },
    { "tls1_3", "", "^protocol" },
    { "tls1_2", ', tls_min = "1.3"', "^tls.*version" }, { "tls1_3", ', tls_min = "1.3"', "^protocol" },
    { "tls1_2", "", "^tls.*version", "FLARELIGHT_TLS_MIN=1.3" },
    { "tls1_2", ', tls_min = "1.2"', "^protocol", "FLARELIGHT_TLS_MIN=1.3" },
    { "tls1_2", ', tls_min = "1.1"', 'tls_min: should be "1.2" or "1.3", but is "1.1"' },
    { "tls1_2", "", '^FLARELIGHT_TLS_MIN should be "1.2" or "1.3", but is "1"', "FLARELIGHT_TLS_MIN=1" },
  } do
    it(("%s%s %s"):format(case[1], case[2], case[4] or ""), function()
      if not has_openssl then return pending "there is no command openssl with TLS 1.1" end
      local port, stop = server(case[1])
      finally(stop)
      assert.matches(case[3], call(port, case[2], case[4]))
    end)
  end

  it("--tls-min", function()
    if not has_openssl then return pending "there is no command openssl with TLS 1.1" end
    local port, stop = server "tls1_2"
    finally(stop)
    local line = ("OPENSSL_CONF=%s FLARELIGHT_API_KEY=k-tls %s bin/flarelight imports list --state none "
      .. "--region eu --subscription %s --tls-min %%s 2>&1"):format(configuration, system.quote(system.interpreter), support.subscription())
    assert.matches("1.2.*1.3", (system.shell(line:format "1.1")))
    local said = system.shell(line:gsub("%-%-region eu", "--base-url https://127.0.0.1:" .. port):format "1.3")
    assert.matches("version", said)
  end)
end)
