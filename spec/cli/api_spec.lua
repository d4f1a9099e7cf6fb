-- flarelight api: any path, fields, --input, --raw, --paginate, statuses.

local commands = require "support.command"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

local decode = flarelight.json.decode

describe("flarelight api", function()
  local folder, sandbox, environment

  local function shell(line) return commands.shell(folder, environment, line) end
  local function run(status, line)
    local out, err, found = shell("flarelight api " .. line)
    assert.equal(status, found, line .. "\n" .. out .. err)
    return out, err
  end
  local function last()
    local log = sandbox:requests()
    return log[#log]
  end

  setup(function()
    folder = system.folder()
    sandbox = support.sandbox()
    environment = commands.environment(sandbox, folder)
    local api = support.client(sandbox)
    support.import(api, 25)
    api:close()
  end)
  before_each(function() sandbox:clear_log() end)
  teardown(function() sandbox:stop() end)

  -- Sent byte for byte.
  local BODY = ' {"id": 12345678901234567890, "list": [], "x": 1.50}\n'

  -- Words, and what is sent: method, path, query, body.
  local cases = {
    { "/Import/All", "GET", "/Import/All" }, { "Import/All", "GET", "/Import/All" }, { "get /Import/All", "GET", "/Import/All" },
    { "/Import/1/Data -f start=1 -F count=2", "GET", "/Import/1/Data", "count=2&start=1" },
    { "'/Import/1/Data?start=1' -f count=2", "GET", "/Import/1/Data", "count=2&start=1" },
    { "'/Any?q=a%20b+c&d=%26'", "GET", "/Any", "d=&q=a b c", raw_query = true },
    { "POST /Any", "POST", "/Any", nil, "{}" },
    { "POST /Any -f name=Ada -f empty=", "POST", "/Any", nil, { name = "Ada", empty = "" } },
    { "PATCH /Any -f year=2024 -F count=2024 -F 'list=[1,{\"a\":null}]' -F 'text=\"x\"' -F on=true", "PATCH", "/Any", nil,
      { year = "2024", count = 2024, list = { 1, { a = flarelight.null } }, text = "x", on = true } },
    { "PUT /Any -f 'formula==1+1'", "PUT", "/Any", nil, { formula = "=1+1" } },
    { "DELETE /Any", "DELETE", "/Any" },
    { "/Any --input body.json", "POST", "/Any", nil, BODY },
    { "PUT /Any --input - -f dry=1 <body.json", "PUT", "/Any", "dry=1", BODY },
    { "POST /Any -F id=12345678901234567890 -F x=1.50", "POST", "/Any", nil, '{"id":12345678901234567890,"x":1.50}' },
  }
  for _, case in ipairs(cases) do
    it("sends " .. case[1], function()
      system.write(folder .. "/body.json", BODY)
      shell(("cd %s; flarelight() { (cd %s; %s bin/flarelight \"$@\"); }; flarelight api %s"):format(folder,
        system.shell "pwd":match "[^\n]+", system.quote(system.interpreter),
        (case[1]:gsub("body%.json", folder .. "/body.json"))))
      local sent = last()
      assert.same({ case[2], case[3] }, { sent.method, sent.path })
      if not case.raw_query then assert.equal(case[4] or "", sent.query or "") end
      if type(case[5]) == "table" then assert.same(case[5], decode(sent.body))
      else assert.equal(case[5] or "", sent.body or "") end
      assert.equal((case[5] or case[2] == "POST") and "application/json" or nil, sent.headers["content-type"])
    end)
  end

  it("prints the data as JSON", function()
    local out, err = run(0, "/Import/1/Data -f count=2")
    assert.equal("", err)
    assert.same({ { n = 0 }, { n = 1 } }, decode(out))
  end)

  it("prints with --raw the reply as it came, and that of an error, too", function()
    local out = run(0, "/Import/1/Data -f count=1 --raw")
    assert.equal('{"data":[{"n":0}],"messages":[]}', out)
    local body, err = run(1, "/nowhere --raw")
    assert.equal('{"data":null,"messages":["There is no such path"]}', body)
    assert.matches("404 Not Found", err)
  end)

  it("reads all pages with --paginate", function()
    local out = run(0, "/Import/1/Data -f count=10 --paginate")
    local rows = decode(out)
    assert.equal(25, #rows)
    for i, row in ipairs(rows) do assert.same({ n = i - 1 }, row) end
    assert.equal(4, #sandbox:requests())
    assert.same({ n = 20 }, decode(run(0, "'/Import/1/Data?start=20' --paginate"))[1])
    assert.equal("[]\n", (run(0, "/Import/1/Data -f start=99 --paginate")))
  end)

  it("ends --paginate where the path has no pages, or no rows", function()
    local out, err = run(1, "/Import/All --paginate --json")
    assert.equal("", out)
    assert.same({ "protocol", "/Import/All: two pages are the same: the path ignores start" },
      { decode(err).kind, decode(err).message })
  end)

  it("has the fates and statuses of other commands", function()
    local _, err = run(1, "POST /Automation/99/Execute --json")
    assert.same({ "not_found", "rejected" }, { decode(err).kind, decode(err).fate })
    sandbox:fault { kind = "commit_then_drop", operation = "automations.execute" }
    _, err = run(3, "POST /Automation/1/Execute")
    assert.matches("in_doubt", err)
    sandbox:clear_log()
    sandbox:fault { kind = "reset", operation = "imports.import" }
    run(0, "POST /Import/Data -F 'data={\"records\":[]}' --repeatable")
    assert.equal(2, #sandbox:requests())
    sandbox:clear_faults()
  end)

  it("sends an id of the request", function()
    run(0, "/Import/All -H 'X-Request-Id: night-17'")
    assert.equal("night-17", last().headers["x-request-id"])
  end)

  for _, case in ipairs {
    { "", "missing" }, { "BREW /a", '"BREW" is not one of GET' }, { "GET", "not found", 1 }, { "GET /a /b", "too many arguments" },
    { "/a -f x", "'x' should be NAME=VALUE" }, { "/a -F x=Ada", "the value is not JSON" }, { "'/a?x=1' -f x=2", "x is given twice in the query" },
    { "POST /a -f x=1 -F x=2", "x is given twice in the body" }, { "/a --input missing.json", "%-%-input: missing.json: No such file" },
    { "https://example.com/a", "should be a path" }, { "POST /a --paginate", "%-%-paginate is for GET" },
    { "/a --paginate --raw", "either %-%-paginate or %-%-raw" }, { "/a/../b", "holds" },
    { "/a -F 'x={}'", "an object or an array cannot stand in the query" },
  } do
    it("refuses " .. case[1], function()
      local _, err = run(case[3] or 2, case[1])
      assert.matches(case[2]:lower(), err:lower())
      if not case[3] then assert.same({}, sandbox:requests()) end
    end)
  end

  it("refuses what is no JSON on standard input", function()
    local _, err, status = shell "echo '{' | flarelight api POST /a --input -"
    assert.equal(2, status)
    assert.matches("%-%-input: standard input: ", err)
  end)
end)
