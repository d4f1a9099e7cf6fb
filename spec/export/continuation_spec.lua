--- Exports with `continue`: the rows that came since are appended, each once, also if the process is killed.

local exports = require "support.exports"
local support = require "support"
local system = require "support.system"

describe("imports:export", function()
  local opened = support.opened(after_each)
  local sandbox, api, base

  local function open(options, client_options) sandbox, api = opened.service(options, client_options) end
  local function path_of(ending) return base .. ending end
  local function to_string(id, options) return exports.text(api, id, options) end
  local function run(code) return exports.run(sandbox, base, code) end

  before_each(function() base = system.path() end)

  describe("continued", function()
    for _, ending in ipairs { ".csv", ".jsonl", ".json" } do
      it("appends the rows that came since, and nothing but them: " .. ending, function()
        open({ update = "append" }, { state = path_of ".db" })
        local id = support.import(api, 5)
        local given = { to = path_of(ending), continue = true }
        assert.are.equal(5, assert(api.imports:export(id, given)).rows)
        assert.are.equal(5, assert(api.imports:export(id, given)).rows)
        assert(api.imports:import { id = id, records = { { n = 5 }, { n = 6 } } })
        local result = assert(api.imports:export(id, given))
        local text = system.read(given.to)
        assert.are.same({ 7, 7, #text }, { result.rows, result.position, result.bytes })
        assert.are.equal((to_string(id, { format = ending:sub(2) })), text)
        given.start = 1
        local _, _, err = api.imports:export(id, given)
        assert.are.equal("conflict", err.kind)
        given.start = nil
        system.write(given.to, text .. "7\r\n")
        assert.are.equal("conflict", (select(3, api.imports:export(id, given))).kind)
      end)
    end

    -- The file is what an export of all rows gives, without a part, and continuing again adds nothing.
    local function check_whole(id, given, rows)
      local again = support.with(given, {})
      again.to, again.continue = nil, nil
      again.format = given.to:match "%.(%l+)$"
      assert.are.equal((to_string(id, again)), system.read(given.to))
      assert.is_nil(system.read(given.to .. ".part"))
      assert.are.equal(rows, assert(api.imports:export(id, given)).rows)
    end

    for _, ending in ipairs { ".csv", ".jsonl", ".json" } do
      it("appends what where keeps: " .. ending, function()
        open({ update = "append" }, { state = path_of ".db" })
        local id = support.import(api, 6) -- the last row, 5, is kept; the next last rows are not
        local given = { to = path_of(ending), continue = true, where = function(row) return row.n % 2 == 1 end }
        assert.are.equal(3, assert(api.imports:export(id, given)).rows)
        for last = 6, 12, 2 do
          assert(api.imports:import { id = id, records = { { n = last }, { n = last + 1 }, { n = last + 2 } } })
          local rows = 0
          for row in api.imports:rows(id) do rows = rows + row.n % 2 end
          assert.are.equal(rows, assert(api.imports:export(id, given)).rows)
          check_whole(id, given, rows)
        end
      end)
    end

    -- Each: a function of the child's `object`, whose methods write the entries in the state file.
    local deaths = {
      { "before the entry is announced", "local old = object.announce; function object.announce() die() end", false },
      { "after it is announced", "local old = object.announce\n"
        .. "function object.announce(...) old(...) die() end", false },
      { "before it is confirmed, when the file has its name", "function object.confirm() die() end", true },
      { "after it is confirmed", "local old = object.confirm\nfunction object.confirm(...) old(...) die() end", true },
    }
    for _, first in ipairs(deaths) do
      for _, second in ipairs(deaths) do
        it(("appends each row once, killed %s, and again %s"):format(first[1], second[1]), function()
          open({ update = "append" }, { state = path_of ".db" })
          local id = support.import(api, 5)
          local given = { to = path_of ".json", continue = true }
          assert(api.imports:export(id, given))
          local rows = 5
          for _, death in ipairs { first, second } do
            assert(api.imports:import { id = id, records = { { n = rows }, { n = rows + 1 } } })
            local before = system.read(given.to)
            local said = run(([[
              api = assert(flarelight.new { api_key = api_key, subscription_id = subscription_id, base_url = base_url,
                state = %q })
              local continuation = require "flarelight.export.continuation"
              local open = continuation.open
              local function die() os.execute "kill -9 $PPID" end
              function continuation.open(...)
                local object = open(...)
                %s
                return object
              end
              print(api.imports:export(1, { to = %q, continue = true }))
            ]]):format(path_of ".db", death[2], given.to))
            assert.are.equal("", said)
            assert.are.equal(death[3], system.read(given.to) ~= before)
            rows = rows + 2
          end
          assert.are.equal(rows, assert(api.imports:export(id, given)).rows)
          check_whole(id, given, rows)
        end)
      end
    end

    it("needs a state file", function()
      open()
      local _, _, err = api.imports:export(1, { to = path_of ".csv", continue = true })
      assert.are.equal("config", err.kind)
    end)
  end)
end)
