--- The options of an export that are misuse.

local support = require "support"

describe("imports:export", function()
  local opened = support.opened(after_each)
  local sandbox, api

  local function open(options, client_options) sandbox, api = opened.service(options, client_options) end

  local misuses = {
    { "no id", function() api.imports:export(nil, { to = "-" }) end, "id: is missing" },
    { "nowhere", function() api.imports:export(1) end, "to: is missing" },
    { "an empty path", function() api.imports:export(1, { to = "" }) end, "export.to" },
    { "a NUL in a path", function() api.imports:export(1, { to = "a\0b" }) end, "export.to" },
    { "a number to write to", function() api.imports:export(1, { to = 1 }) end, "a string or a function" },
    { "an unknown option", function() api.imports:export(1, { to = "-", form = "csv" }) end, "unknown option" },
    { "an unknown format", function() api.imports:export(1, { to = "-", format = "xml" }) end, "export.format" },
    { "a spreadsheet", function() api.imports:export(1, { to = "x.xlsx" }) end, "that ends in .xlsx" },
    { "a compressed file of another format", function() api.imports:export(1, { to = "x.txt.gz" }) end, "that ends in .txt" },
    { "a compressed file resumed", function() api.imports:export(1, { to = "x.csv.gz", resume = true }) end,
      "export.resume: a compressed file (.gz) is written in one go" },
    { "a compressed file continued", function() api.imports:export(1, { to = "x.json.ZIP", continue = true }) end,
      "export.continue: a compressed file (.zip) is written in one go" },
    { "a file of another format", function() api.imports:export(1, { to = "x.txt" }) end, "export.format" },
    { "a delimiter that numbers hold", function() api.imports:export(1, { to = "-", delimiter = "." }) end, "export.delimiter" },
    { "a delimiter of JSON", function() api.imports:export(1, { to = "x.json", delimiter = ";" }) end, "export.delimiter" },
    { "a table of CSV", function() api.imports:export(1, { to = "-", table = "t" }) end, "export.table" },
    { "a database on standard output", function() api.imports:export(1, { to = "-", format = "sqlite" }) end, "export.to" },
    { "a database resumed", function() api.imports:export(1, { to = "x.sqlite", resume = true }) end, "export.resume" },
    { "a function continued", function() api.imports:export(1, { to = print, continue = true }) end, "export.continue" },
    { "a limit of one that continues", function() api.imports:export(1, { to = "x.csv", continue = true, limit = 1 }) end, "limit" },
    { "a function resumed", function() api.imports:export(1, { to = print, resume = true }) end, "export.resume" },
    { "no columns", function() api.imports:export(1, { to = "-", columns = {} }) end, "export.columns" },
    { "a column twice", function() api.imports:export(1, { to = "-", columns = { "a", "a" } }) end, "export.columns[2]" },
    { "a column that is no name", function() api.imports:export(1, { to = "-", columns = { 1 } }) end, "export.columns[1]" },
    { "a limit below 0", function() api.imports:export(1, { to = "-", limit = -1 }) end, "limit" },
    { "a dot", function() api.imports.export(1, { to = "-" }) end, "colon" },
  }
  for _, case in ipairs(misuses) do
    it("raises misuse: " .. case[1], function()
      open()
      local good, message = pcall(case[2])
      assert.is_false(good)
      assert.is_truthy(message:find(case[3], 1, true), message)
      assert.is_truthy(message:find("options_spec.lua", 1, true), message)
      assert.are.equal(0, #sandbox:requests())
    end)
  end
end)
