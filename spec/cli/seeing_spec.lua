-- --debug, --headers and --curl.

local commands = require "support.command"
local support = require "support"
local system = require "support.system"

local KEY = "Marked=Key/7+x"

local folder, environment, sandbox

local function shell(line) return commands.shell(folder, environment, line) end

describe("the command", function()
  setup(function()
    folder = system.folder()
    sandbox = support.sandbox { definitions = "examples/definitions.lua", api_key = KEY }
    environment = commands.environment(sandbox, folder) .. "\ncd " .. system.shell "pwd":match "[^\n]+"
    local api = support.client(sandbox)
    assert(api.imports:upload { file = "examples/data/birdstrikes.csv", name = "strikes" })
    assert(api.automations:execute(1))
    api:close()
    system.write(folder .. "/people.csv", "id,name\n1,Ada\n2,Grace\n")
  end)
  before_each(function() sandbox:clear_log() end)
  teardown(function() sandbox:stop() end)

  it("shows attempts with --debug and with FLARELIGHT_DEBUG, and results as ever", function()
    for _, line in ipairs { "flarelight imports data 1 --count 1 --debug", "FLARELIGHT_DEBUG=1 flarelight imports data 1 --count 1" } do
      local out, err, status = shell(line)
      assert.equal(0, status)
      assert.matches("Airport Name", out)
      assert.matches("flarelight: %[%x+%] > GET /Import/1/Data%?count=1&start=0 HTTP/1%.1\n", err)
      assert.matches("flarelight: %[%x+%] > X%-Api%-Key: %*%*%*\n", err)
    end
    local _, err = shell "FLARELIGHT_DEBUG=0 flarelight imports list"
    assert.equal("", err)
  end)

  it("sends --headers with each request", function()
    local _, err, status = shell "flarelight imports rows 1 --limit 2 -H 'X-Team: data' --headers 'traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'"
    assert.equal(0, status, err)
    for _, request in ipairs(sandbox:requests()) do
      assert.same({ "data", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
        { request.headers["x-team"], request.headers.traceparent })
    end
  end)

  for _, case in ipairs {
    { "imports list -H nothing", "'nothing' is no header" }, { "imports list -H 'Host: x'", '%-%-headers: "Host" is set by' },
    { "imports list -H 'X-A: 1' -H 'X-A: 2'", '%-%-headers: "X%-A" is given twice' },
    { "imports list -H 'X-Request-Id: a'", '"X%-Request%-Id" names one call' },
    { "api /Import/All -H 'X-Api-Key: a'", '%-%-headers: "X%-Api%-Key" is the API key\'s' },
  } do
    it("refuses " .. case[1], function()
      local _, err, status = shell("flarelight " .. case[1])
      assert.equal(2, status)
      assert.matches(case[2], err)
      assert.same({}, sandbox:requests())
    end)
  end

  local curls = {
    { "imports list", "/Import/All", "GET" }, { "imports data 1 --count 2", "/Import/1/Data?count=2&start=0", "GET" },
    { "imports rows 'a b' --page-size 7 -o " .. "x.csv", "/Import/a%20b/Data?start=0&count=7", "GET" },
    { "preparations list", "/Preparation/All", "GET" }, { "reports chart --report 1", "/Report/ChartData", "POST", '{"reportId":1}' },
    { "automations execute 1 --parameters '{\"it\\u0027s\": \"$HOME `x`\"}'", "/Automation/1/Execute", "POST", [[{"it's":"$HOME `x`"}]] },
    { "preparations execute 1 --wait", "/Preparation/1/Execute", "POST", "{}" },
    { "api DELETE '/Any?x=a%20b' -H 'X-Request-Id: one'", "/Any?x=a%20b", "DELETE" },
    { "api PUT /Any -F n=1", "/Any", "PUT", '{"n":1}' },
  }
  for _, case in ipairs(curls) do
    it("prints with --curl, and curl then sends what the command does: " .. case[1], function()
      local out, err, status = shell("unset FLARELIGHT_API_KEY; flarelight " .. case[1] .. " --curl")
      assert.equal(0, status, err)
      assert.same({}, sandbox:requests())
      assert.matches('%-H "X%-Api%-Key: %$FLARELIGHT_API_KEY"', out)
      assert.is_false(system.exists(folder .. "/x.csv.part"))
      local _, _, code = shell(out)
      assert.equal(0, code)
      shell("flarelight " .. case[1]:gsub(" %-%-wait", ""):gsub("%-o x.csv", ""))
      local log = sandbox:requests()
      local by_curl, by_command = log[1], log[2]
      assert.same({ case[3], case[2] }, { by_curl.method, by_curl.path .. (by_curl.query and by_curl.query ~= "" and "?" .. by_curl.query or "") })
      assert.same(case[4], by_curl.body ~= "" and by_curl.body or nil)
      assert.same({ by_command.method, by_command.path, by_command.query, by_command.body, by_command.status },
        { by_curl.method, by_curl.path, by_curl.query, by_curl.body, by_curl.status })
      for _, name in ipairs { "user-agent", "accept", "content-type", "x-subscription-id" } do
        assert.equal(by_command.headers[name], by_curl.headers[name], name)
      end
    end)
  end

  it("prints with --curl no password of a proxy", function()
    local path = system.file(([[local api = require "flarelight".new { api_key = "k", subscription_id = "%s",
      base_url = "%s", proxy = "http://me:proxy-secret@proxy.example:3128" }
      local config = require "flarelight.calls".config(api)
      print(require "flarelight.cli.seeing".curl({ path = "/Import/All" }, "GET", config))]])
      :format(sandbox.subscription_id, sandbox.url))
    local out = system.shell(system.quote(system.interpreter) .. " " .. path)
    assert.matches([[%-%-proxy 'http://proxy%.example:3128' \
  %-%-proxy%-user "%$PROXY_USER"]], out)
    assert.is_nil(out:find("proxy-secret", 1, true))
  end)
end)
