-- A path or a URL with an embedded NUL is misuse wherever one is taken: C would read it to the NUL only, and use another
-- file or host than a check has seen.

local csv = require "flarelight.csv"
local flarelight = require "flarelight"
local sandboxes = require "flarelight.sandbox"
local support = require "support"

describe("an embedded NUL", function()
  local sandbox, api
  setup(function()
    sandbox = support.sandbox()
    api = support.client(sandbox)
  end)
  teardown(function()
    api:close()
    sandbox:stop()
  end)

  -- Misuse raises; a fault of the configuration would be returned.
  local function new(name)
    return function(path)
      return flarelight.new(support.with({ api_key = "k", subscription_id = sandbox.subscription_id,
        base_url = sandbox.url }, { [name] = path }))
    end
  end
  local function start(name) return function(path) return sandboxes.start { [name] = path } end end

  local taken = {
    base_url = new "base_url", proxy = new "proxy", state = new "state", profile = new "profile", ca_file = new "ca_file",
    client_cert = new "client_cert", client_key = new "client_key",
    ["export's to"] = function(path) return api.imports:export("1", { to = path, format = "csv" }) end,
    ["upload's file"] = function(path) return api.imports:upload { file = path, name = "a" } end,
    ["upload's file in a list"] = function(path) return api.imports:upload { file = { path }, name = "a" } end,
    ["upload's rejects"] = function(path)
      return api.imports:upload { records = { { n = 1 } }, name = "a", on_reject = "isolate", rejects = path }
    end,
    ["plan's file"] = function(path) return api.imports:plan { file = path, name = "a" } end,
    ["compare's file"] = function(path) return api.imports:compare("1", { file = path }) end,
    ["csv.rows"] = function(path) return csv.rows(path) end,
    ["csv.write"] = function(path) return csv.write(path) end,
    ["request's path"] = function(path) return api:request { method = "GET", path = path } end,
    ["chart's file"] = function(path) return flarelight.chart.render({ labels = {}, series = {} }, { format = "svg", file = path }) end,
    ["sandbox's database"] = start "database", ["sandbox's certificate"] = start "certificate",
    ["sandbox's private key"] = start "private_key", ["sandbox's profile"] = start "profile",
    ["sandbox's definitions"] = start "definitions", ["sandbox's environment file"] = start "environment_file",
    ["sandbox's address"] = start "address",
  }
  for name, take in pairs(taken) do
    it("in " .. name, function()
      local called, message = pcall(take, "/tmp/a\0b")
      assert.is_false(called)
      assert.matches(name == "request's path" and "a control character" or "NUL", tostring(message), 1, true)
    end)
  end
end)
