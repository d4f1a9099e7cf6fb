-- request.endpoints is the table of the operations: the client's methods, the sandbox and docs/api.md have the same.

local request = require "flarelight.request"
local support = require "support"
local system = require "support.system"

-- "imports.all GET /Import/All", … in order.
local function sorted(rows)
  table.sort(rows)
  return rows
end

local expected = {}
for name, endpoint in pairs(request.endpoints) do
  expected[#expected + 1] = ("%s %s %s"):format(name, endpoint.method, endpoint.path)
end
sorted(expected)

describe("the operations of request.lua are those of", function()
  it("the client's methods", function()
    local box = support.sandbox()
    local api = support.client(box, { max_attempts = 1 })
    box:fault { kind = "status", status = 418, times = 100 }
    for name in pairs(request.endpoints) do
      local part, method = name:match "^(.*)%.(.*)$"
      local endpoint = api[part]
      local argument = name == "imports.import" and { records = {} } or request.endpoints[name].path:find "{id}" and 1 or nil
      local _, _, err = endpoint[method](endpoint, argument)
      assert.are.same({ name, 418 }, { err.operation, err.status })
    end
    api:close()
    box:stop()
  end)

  it("the sandbox", function()
    local found = {}
    for name, method, path in system.read("csrc/sandbox/routes.h"):gmatch 'OPERATION%([%u_]+,%s+"([^"]+)",%s+"([^"]+)",%s+"([^"]+)"' do
      found[#found + 1] = ("%s %s %s"):format(name, method, path)
    end
    assert.are.same(expected, sorted(found))
  end)

  it("docs/api.md", function()
    local found = {}
    for part, name, method, path in system.read("docs/api.md"):gmatch "\n| `api%.(%l+):([%l_]+)%([^`]*%)` | (%u+) `([^`]+)`" do
      found[#found + 1] = ("%s.%s %s %s"):format(part, name, method, path)
    end
    assert.are.same(expected, sorted(found))
  end)
end)
