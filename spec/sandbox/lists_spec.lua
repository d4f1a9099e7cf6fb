--- What the sandbox lists once, in C, stands in the documents and in the annotations, and nothing else does.

local core = require "flarelight.sandbox_core"
local names = require "support.names"
local system = require "support.system"

local function read(path) return assert(system.read(path), path) end

-- Rows of a table in Markdown whose first cells are those: { first cell, the whole row }.
local function rows_of(text, heading)
  local section = text:match("\n## " .. heading .. "\n(.-)\n## ") or error("no section " .. heading)
  return section:gmatch "\n| ([^|]+) (|[^\n]*)"
end

describe("the lists of the sandbox", function()
  local guide = read "docs/sandbox.md"

  it("have every option in the guide, with its values", function()
    for name, option in pairs(core.options) do
      local row = guide:match("\n(|[^\n]*`" .. name .. "`[^\n]*)\n")
      assert.is_truthy(row, name)
      for _, choice in ipairs(option.choices or {}) do
        assert.is_truthy(row:find('`"' .. choice .. '"`', 1, true), name .. ": " .. choice)
      end
    end
  end)

  it("have every option among the annotations, with its values, and no other", function()
    local fields = {}
    local text = read("lua/flarelight/sandbox/switches.lua"):match "%-%-%-@class flarelight.SandboxOptions\n(.-)\n\n"
    for name, kind in text:gmatch "@field (%S+) ([^\n]+)" do fields[name] = kind end
    for name, option in pairs(core.options) do
      assert.is_truthy(fields[name], name)
      for _, choice in ipairs(option.choices or {}) do
        assert.is_truthy(fields[name]:find('"' .. choice .. '"', 1, true), name .. ": " .. choice)
      end
      fields[name] = nil
    end
    assert.same({ "api_key", "automations", "definitions", "environment_file", "features", "keys", "preparations", "profile", "reports",
      "required_columns" }, names.sorted(fields))
  end)

  it("have every kind of fault in the guide, with its options, and no other", function()
    local kinds = {}
    for cell, row in rows_of(guide, "Faults") do
      local kind = cell:match "^`([%w_]+)`$"
      if kind then kinds[kind] = row end
    end
    assert.same(names.sorted(core.faults), names.sorted(kinds))
    for kind, options in pairs(core.faults) do
      local named = {}
      for name in kinds[kind]:match("^| ([^|]*)"):gmatch "`([a-z][%w_]+)`" do named[name] = true end
      assert.same(names.sorted(options), names.sorted(named), kind)
    end
  end)

  it("have every operation in the guide", function()
    for name in pairs(core.operations) do assert.is_truthy(guide:find("`" .. name .. "`", 1, true), name) end
    assert.equal(9, #names.sorted(core.operations))
  end)
end)
