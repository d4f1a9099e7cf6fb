-- host.list is the table of the hosts: docs/hosts.md has the same in the same order, and everything that names
-- hosts names all of them. spec/host runs each of them.

local flarelight = require "flarelight"
local host = require "flarelight.host"
local system = require "support.system"

local names = {}
for place, each in ipairs(host.list) do names[place] = each.name end

describe("the hosts", function()
  it("stand in docs/hosts.md in the order in which they are tried", function()
    local found = {}
    local rows = system.read("docs/hosts.md"):match "\n| host | chosen where | a call |\n[^\n]*\n(.-)\n\n"
    for name in rows:gmatch "| `(%l+)` |[^\n]*" do found[#found + 1] = name end
    assert.are.same(names, found)
  end)

  for _, page in ipairs { "docs/api.md", "lua/flarelight/configuration.lua" } do
    it("are named by the option host in " .. page, function()
      local text = system.read(page)
      local place = text:match "\n(| `host` |[^\n]*)" or text:match "\n(%-%-%-@field host [^\n]*)"
      local found = {}
      for name in place:gmatch '"(%l+)"' do found[name] = true end
      for _, name in ipairs(names) do
        assert.is_true(found[name], name)
        found[name] = nil
      end
      assert.are.same({}, found)
    end)
  end

  it("each have a module, a name and the members of a host", function()
    for _, each in ipairs(host.list) do
      local text = system.read(("lua/%s.lua"):format(each.module:gsub("%.", "/")))
      assert.truthy(text:find(('name = "%s"'):format(each.name), 1, true), each.name)
    end
    for _, name in ipairs { "script", "frame" } do
      assert.are.equal(name, host.of_option(name).name)
    end
  end)

  it("are named to those who name another", function()
    local _, message = pcall(flarelight.new, {
      host = "emacs", api_key = "k", subscription_id = "00000000-0000-4000-8000-000000000001", region = "eu",
    })
    local list = message:match "should be one of (.-), or a table, but is \"emacs\""
    local sorted = {}
    for place, name in ipairs(names) do sorted[place] = name end
    table.sort(sorted)
    assert.are.equal(table.concat(sorted, ", "), list)
  end)
end)
