-- Uploads from every kind of source, whose process is killed at each checkpoint, with and without a batch whose answer is
-- lost: a second process goes on, and each record is there once.

local support = require "support"
local system = require "support.system"

describe("an upload that is killed at each checkpoint, of", function()
  local opened = support.opened(after_each)
  local sandbox, api, state

  local RECORDS = 25

  local function lines(first, last)
    local list = { "n" }
    for n = first, last do list[#list + 1] = n end
    return table.concat(list, "\n") .. "\n"
  end

  -- Each source: the options of the upload as Lua, after making its files.
  local sources = {
    ["a file"] = function() return ("file = %q"):format(system.file(lines(1, RECORDS), ".csv")) end,
    ["a compressed file"] = function()
      local path = system.file(lines(1, RECORDS), ".csv")
      system.shell("gzip " .. path)
      return ("file = %q"):format(path .. ".gz")
    end,
    ["several parts"] = function()
      return ("file = { %q, %q }"):format(system.file(lines(1, 13), ".csv"), system.file(lines(14, RECORDS), ".csv"))
    end,
    ["standard input"] = function() return 'file = "-", format = "csv"' end,
    ["a function map"] = function()
      return ("file = %q, map = function(r) return r.n <= %d and { n = r.n } or nil end"):format(
        system.file(lines(1, 40), ".csv"), RECORDS)
    end,
  }

  -- Runs the upload in a process of its own, which kills itself at the checkpoint of this number. 0: at none.
  local function run(options, ended)
    local script = system.file(([[
      local flarelight = require "flarelight"
      local left = %d
      require("flarelight.upload.checkpoints").on = function()
        left = left - 1
        if left == 0 then os.execute "kill -9 $PPID" end
      end
      local api = assert(flarelight.new { state = %q })
      local result, message, err = api.imports:upload {
        name = "in", key = "k", batch_records = 10, settle = 0.01, %s
      }
      print(result and result.records or err.kind .. ": " .. message)
    ]]):format(ended, state, options), ".lua")
    return (system.shell(("%s %s %s <%s 2>&1"):format(system.environment(sandbox), system.interpreter, script,
      system.file(lines(1, RECORDS)))))
  end

  -- Many processes, which differ little from Lua to Lua.
  if system.checked or not system.reference then return end

  for name, make in pairs(sources) do
    for _, lost in ipairs { false, true } do
      it(name .. (lost and ", with an answer that is lost" or "") .. " #slow", function()
        sandbox, state = opened.sandbox(), system.path()
        api = opened.client(sandbox, { state = state })
        local options, killed = make(), 0
        for ended = 1, 40 do
          sandbox:reset()
          if lost then sandbox:fault { operation = "imports.import", nth = 2, kind = "commit_then_drop" } end
          local said = run(options, ended)
          local pending = #assert(api.imports:pending())
          killed = killed + pending
          local ended_well = said:match "^%d" ~= nil
          if not ended_well then said = run(options, 0) end -- under its key; it may be done already
          assert.matches("^" .. RECORDS .. "%s", said .. " ", "checkpoint " .. ended)
          local imports = assert(api.imports:all())
          assert.are.equal(1, #imports)
          local rows = sandbox:rows(imports[1].id)
          assert.are.equal(RECORDS, #rows)
          for place, row in ipairs(rows) do assert.are.equal(place, row.n) end
          assert.are.same({}, sandbox:duplicates())
          os.remove(state)
          if ended_well then break end
          state = system.path()
          api:close()
          api = opened.client(sandbox, { state = state })
        end
        assert.is_true(killed > 8, killed .. " kills")
      end)
    end
  end
end)
