--- The documents against the code, both ways: each option, flag, command, error kind, fate, status, variable, fault and
-- switch that exists stands in the documents, and each that stands there exists.

local cli = require "support.command"
local core = require "flarelight.sandbox_core"
local flarelight = require "flarelight"
local names = require "support.names"
local settings = require "flarelight.settings"
local status = require "flarelight.cli.status"
local support = require "support"
local system = require "support.system"

-- The documents are the same for every Lua.
if not system.reference then return end

local function read(path) return assert(system.read(path), path) end

-- The tables of a section of a page whose first heading is `column`: an array of { first cell, whole row }.
local function rows_of(page, section, column)
  local rows, inside, wanted, before = {}, false, false, ""
  for line in (read(page) .. "\n"):gmatch "(.-)\n" do
    local heading = line:match "^#+ (.*)$"
    if heading then inside = heading == section end
    if line:sub(1, 1) == "|" then
      local cell = line:match "^| ?(.-) |"
      if before:sub(1, 1) ~= "|" then wanted = cell == column
      elseif inside and wanted and not line:find "^| ?%-%-" then rows[#rows + 1] = { cell, line } end
    end
    before = line
  end
  assert.is_true(#rows > 0, ("%s has no table of %s in %q"):format(page, column, section))
  return rows
end

-- The names in code in the first cells of such tables.
local function names_in(page, section, column, into)
  into = into or {}
  for _, row in ipairs(rows_of(page, section, column)) do
    for name in row[1]:gmatch "`([%l_]+)[^`]*`" do into[name] = true end
  end
  return into
end

local CALL = { "docs/api.md", "The nine endpoints", "option" }
local ROWS = { "docs/api.md", "Rows", "option" }

describe("the options in the documents and in the code are the same:", function()
  local opened = support.opened(after_each)
  local wrong = { ["no such"] = true }

  -- A call with a wrong option, and the tables. `more`: names in the tables that are another function's; `named`: names
  -- that the page has elsewhere; `unused`: an option of all calls that has no effect here.
  local cases = {
    { "flarelight.new", function() flarelight.new(wrong) end, { { "docs/api.md", "Making a client", "option" } } },
    { "the option cache", function() flarelight.new { cache = wrong } end, {
      { "docs/cache.md", "The cache", "`cache.`" } } },
    { "imports:all", function(api) api.imports:all(wrong) end, { CALL }, unused = "repeatable", more = { "repeatable", "records", "data", "name",
      "description", "send_events", "id" } },
    { "imports:import", function(api) api.imports:import(wrong) end, { CALL } },
    { "imports:rows", function(api) api.imports:rows(1, wrong) end, { ROWS }, unused = "repeatable" },
    { "imports:upload", function(api) api.imports:upload(wrong) end, {
      { "docs/api.md", "Uploads", "option" }, { "docs/files.md", "Dialects", "option" } } },
    { "imports:export", function(api) api.imports:export(1, wrong) end, { { "docs/files.md", "Exporting", "option" } },
      unused = "repeatable" },
    { "api:request", function(api) api:request(wrong) end, { { "docs/api.md", "Any path", "option" } } },
    { "chart.render", function() flarelight.chart.render({}, wrong) end, { { "docs/api.md", "Charts", "option" } } },
    { "csv.write", function() flarelight.csv.write("x.csv", wrong) end, { { "docs/files.md", "Writing rows", "option" } } },
    { "the option wait", function(api) api.reports:generate(1, nil, { wait = wrong }) end, {
      { "docs/runs.md", "Waiting for a run", "`wait.`" } }, named = { "until" } },
    { "the option expect", function(api) api.imports:upload { file = system.file("a\n1\n", ".csv"), expect = wrong } end, {
      { "docs/files.md", "Expectations", "`expect.`" } } },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local _, api = opened.service()
      local raised, message = pcall(case[2], api)
      assert.is_false(raised)
      local known = {}
      for name in assert(tostring(message):match "%(known: (.-)%)" or tostring(message):match "but (.+)$",
        tostring(message)):gmatch "[%w_]+" do known[name] = name ~= "and" or nil end
      local documented = {}
      for _, each in ipairs(case[3]) do names_in(each[1], each[2], each[3], documented) end
      if case.unused then known[case.unused] = nil end
      for _, name in ipairs(case.more or {}) do
        assert.is_true(documented[name], name)
        documented[name] = nil
      end
      for _, name in ipairs(case.named or {}) do
        assert.truthy(read(case[3][1][1]):find("`" .. name .. "`", 1, true), name)
        documented[name] = true
      end
      assert.are.same(names.sorted(known), names.sorted(documented))
    end)
  end

  -- Functions whose options stand in sentences: each is named in code in the section.
  local in_text = {
    { "imports:data", function(api) api.imports:data(1, wrong) end, "The nine endpoints" },
    { "imports:compare", function(api) api.imports:compare(1, wrong) end, "Comparing" },
    { "imports:resume", function(api) api.imports:resume("t", wrong) end, "Uploads" },
    { "reports:generate", function(api) api.reports:generate(1, nil, wrong) end, "The nine endpoints" },
    { "api:map", function(api) api:map({}, print, wrong) end, "Concurrency and tasks", "docs/tasks.md" },
    { "api:wait_until", function(api) api:wait_until(print, wrong) end, "Waiting for a run", "docs/runs.md" },
    { "api:once", function(api) api:once("k", print, wrong) end, "Once", "docs/runs.md" },
    { "api:runs", function(api) api:runs(wrong) end, "What happened", "docs/runs.md" },
    { "metrics.prometheus", function(api) flarelight.metrics.prometheus(api, wrong) end, "Counters", "docs/observing.md" },
  }
  for _, case in ipairs(in_text) do
    it(case[1] .. ", in sentences", function()
      local _, api = opened.service({}, { state = system.path ".db" })
      local _, message = pcall(case[2], api)
      local known = assert(tostring(message):match "%(known: (.-)%)", tostring(message))
      local page = "\n" .. read(case[4] or "docs/api.md") .. "\n## "
      local _, from = page:find("\n#+ " .. case[3] .. "\n")
      assert(from, case[3])
      local section = page:sub(from, page:find("\n#+ ", from))
      for name in known:gmatch "[%w_]+" do
        -- The options of a file stand in a table, to which the section of uploads leads.
        assert.truthy(section:find("%f[%w_]" .. name .. "%f[^%w_]") or page:find("\n| [^\n|]*`" .. name .. "`"), name)
      end
    end)
  end
end)

describe("the functions in the documents and in the code are the same:", function()
  local opened = support.opened(after_each)
  local pages = { "README.md" }
  for path in system.shell "ls docs/*.md":gmatch "[^\n]+" do pages[#pages + 1] = path end

  -- An object, by the names that the documents have for it.
  local function objects()
    local sandbox, api = opened.service()
    local path = system.file("n\n1\n", ".csv")
    local of_csv, writer = assert(flarelight.csv.rows(path)), assert(flarelight.csv.write(system.path ".csv"))
    local task, rows = api:spawn(function() end), api.imports:rows(1)
    local found = {
      { "api:", api }, { "api.imports:", api.imports }, { "api.automations:", api.automations },
      { "api.preparations:", api.preparations }, { "api.reports:", api.reports }, { "task:", task }, { "writer:", writer },
      { "box:", sandbox, other = "sandbox:" }, { "rows:", rows, more = of_csv },
      { "flarelight.", flarelight }, { "flarelight.json.", flarelight.json }, { "flarelight.csv.", flarelight.csv },
      { "flarelight.chart.", flarelight.chart }, { "flarelight.metrics.", flarelight.metrics },
      { "flarelight.sandbox.", flarelight.sandbox },
    }
    task:result()
    rows:close()
    of_csv:close()
    writer:discard()
    return found
  end

  local function methods_of(object)
    local metatable = getmetatable(object)
    local methods, from = {}, metatable and type(metatable.__index) == "table" and metatable.__index or object
    for name, value in pairs(from) do
      if type(value) == "function" and type(name) == "string" and not name:find "^_" then methods[name] = true end
    end
    return methods
  end

  it("each is in a document, and each of the documents exists", function()
    local text = ""
    for _, page in ipairs(pages) do text = text .. "\n" .. read(page) end
    local wrong = {}
    for _, row in ipairs(objects()) do
      local prefix, methods = row[1], methods_of(row[2])
      for name in pairs(row.more and methods_of(row.more) or {}) do methods[name] = true end
      local plain = prefix:gsub("%p", "%%%0")
      for name in pairs(methods) do
        local pattern = name .. "%f[^%w_]"
        -- The README names some behind a comma: `api.preparations:all()`, `:execute(id)`.
        if not text:find(plain .. pattern) and not (row.other and text:find(row.other .. pattern))
          and not text:find("`[^`\n]*:" .. pattern) then
          wrong[#wrong + 1] = prefix .. name .. " is in no document"
        end
      end
      for name in text:gmatch("%f[%w_.]" .. plain .. "(%l[%w_]*)%f[^%w_]%(") do
        local there = methods[name] or prefix == "flarelight." and flarelight[name] ~= nil
        if not there then wrong[#wrong + 1] = prefix .. name .. " does not exist" end
      end
    end
    table.sort(wrong)
    assert.are.same({}, wrong)
  end)
end)

describe("the commands in the documents and in the code are the same:", function()
  local acts = cli.acts
  local commands, parser = cli.all()
  local pages = {}
  for path in system.shell "ls README.md docs/*.md":gmatch "[^\n]+" do pages[path] = read(path) end

  local all_flags, long_flags = { ["--help"] = true, ["--version"] = true }, {}
  for _, command in pairs(commands) do
    for _, option in ipairs(command._options) do
      for _, alias in ipairs(option._aliases) do
        all_flags[alias] = true
        if alias:find "^%-%-" then long_flags[alias] = true end
      end
    end
  end

  it("every command is in docs/command.md", function()
    local page = pages["docs/command.md"]
    for name, each in pairs(commands) do
      if acts(each) then
        local words = name:gsub("%-", "%%-")
        assert.truthy(page:find("`" .. words .. "%f[^%w]") or page:find("`flarelight " .. words .. "%f[^%w]")
          or page:find("\n%$ flarelight " .. words .. "%f[^%w]"), name)
      end
    end
  end)

  it("every flag is in docs/command.md, or in the page of its command", function()
    local text = pages["docs/command.md"] .. pages["docs/torture.md"] .. pages["docs/calibration.md"] .. pages["docs/sandbox.md"]
    local missing = {}
    for flag in pairs(long_flags) do
      if not text:find(flag:gsub("%-", "%%-") .. "%f[^%w%-]") then missing[#missing + 1] = flag end
    end
    table.sort(missing)
    assert.are.same({}, missing)
  end)

  it("every flag that the documents name exists", function()
    -- Of other programs.
    local other = names.set {
      "--compressed", "--globoff", "--path-as-is", "--now", "--separate-threads", "--tool", "--sheet", "--local", "--output",
      "--exclude-tags", "--tags", "--pattern", "--cpu", "--depth", "--recursive", "--build", "--prefix", "--checks",
      "--deps-mode",
    }
    local unknown = {}
    for path, page in pairs(pages) do
      for flag in page:gmatch "%f[%w%-](%-%-%l[%l%-]*%l)%f[^%w%-]" do
        if not all_flags[flag] and not other[flag] then unknown[#unknown + 1] = path .. ": " .. flag end
      end
    end
    table.sort(unknown)
    assert.are.same({}, unknown)
  end)

  it("every command that the documents name exists", function()
    local unknown, count = {}, 0
    for path, page in pairs(pages) do
      for line in page:gmatch "%f[%w/`$]flarelight (%l[%l ]+)" do
        local first = line:match "^%l+"
        local used = page:find("`flarelight " .. first, 1, true) or page:find("\n$ flarelight " .. first, 1, true)
        if used then
          count = count + 1
          if not commands[first] then unknown[#unknown + 1] = path .. ": " .. line end
        end
      end
      for cell in path == "docs/command.md" and page:gmatch "\n| (`[^\n]-) | " or function() end do
        for line in cell:gmatch "`(%l[^`]*)`" do
          local group, name = line:match "^(%l+) (%l+)"
          local first = line:match "^%l+"
          if commands[first] and #commands[first]._commands > 0 and group and not commands[group .. " " .. name] then
            unknown[#unknown + 1] = line
          end
        end
      end
    end
    assert.are.same({}, unknown)
    assert.is_true(count > 20, count)
  end)

  it("every flag of a line of a command is one of that command", function()
    local wrong = {}
    for path, page in pairs(pages) do
      for line in page:gmatch "\n%$ flarelight ([^\n]*)" do
        line = line:gsub("'[^']*'", "TEXT"):gsub('"[^"]*"', "TEXT"):gsub(" %-%- .*$", ""):gsub(" [|&#].*$", "")
        local first, second = line:match "^(%l+) ?([%l%-]*)"
        local command = commands[first .. " " .. (second or "")] or commands[first]
        if not command then wrong[#wrong + 1] = path .. ": " .. line
        else
          local own = { ["--help"] = true }
          for _, option in ipairs(command._options) do
            for _, alias in ipairs(option._aliases) do own[alias] = true end
          end
          -- Of `runs` and its default command.
          for _, each in ipairs(command._commands) do
            for _, option in ipairs(each._options) do
              for _, alias in ipairs(option._aliases) do own[alias] = true end
            end
          end
          for flag in line:gmatch " (%-%-?%l[%l%-]*)" do
            if not own[flag] then wrong[#wrong + 1] = ("%s: %s: %s"):format(path, line, flag) end
          end
        end
      end
    end
    assert.are.same({}, wrong)
  end)

  it("every command has an example, and every example a command", function()
    local examples = require "flarelight.cli.examples"
    for name, each in pairs(commands) do
      if acts(each) then assert.truthy(examples[name], name .. " has no example") end
    end
    for name in pairs(examples) do assert.truthy(commands[name], name .. " is no command") end
  end)

  it("every command and every flag is in the man page", function()
    local page = require("flarelight.cli.man").page(parser):gsub("\\%-", "-")
    for name, command in pairs(commands) do
      local there = page:find(".SS flarelight " .. name .. "\n", 1, true) ~= nil
      assert.are.equal(acts(command), there, name)
    end
    for flag in pairs(long_flags) do assert.truthy(page:find(flag, 1, true), flag) end
  end)
end)

describe("the words in the documents and in the code are the same:", function()
  local function alias(name)
    local set = {}
    local text = read "lua/flarelight/error.lua":match("%-%-%-@alias flarelight%." .. name .. " ([^\n]*)")
    for word in text:gmatch '"([%l_]+)"' do set[word] = true end
    return set
  end

  it("kinds of errors", function()
    local kinds = alias "ErrorKind"
    assert.are.same(names.sorted(kinds), names.sorted(names_in("docs/api.md", "Errors", "`err.kind`")))
    -- Those of the core, and those that Lua gives.
    local made = { raised = true }
    local list = read "csrc/core/policy/retry.c":match "fl_kind_name.-{(.-)};"
    for kind in list:gmatch '"([%l_]+)"' do made[kind] = kind ~= "none" or nil end
    for path in system.shell "find lua/flarelight -name '*.lua'":gmatch "[^\n]+" do
      local text = read(path)
      for kind in text:gmatch 'errors%.fail%(%s*"([%l_]+)"' do made[kind] = true end
      for kind in path ~= "lua/flarelight/error.lua" and text:gmatch '"([%l_]+)"' or function() end do
        if kinds[kind] then made[kind] = true end
      end
    end
    for kind in pairs(made) do assert.is_true(kinds[kind], kind) end
    for kind in pairs(kinds) do assert.is_true(made[kind], kind .. " is made nowhere") end
  end)

  it("fates", function()
    assert.are.same(names.sorted(alias "Fate"), names.sorted(names_in("docs/uploads.md", "Errors", "`err.fate`")))
    local of_calls = alias "Fate"
    of_calls.partial, of_calls.foreign = nil, nil
    assert.are.same(names.sorted(of_calls), names.sorted(names_in("docs/api.md", "The fate of a write", "fate")))
    assert.are.same(names.sorted(of_calls), names.sorted(names_in("docs/delivery.md", "The fate of a write", "fate")))
  end)

  -- The fields of a class, against the names in a table; `more` are documented elsewhere.
  local classes = {
    { "error.lua", "flarelight.Error", { "docs/api.md", "Errors", "`err.`" }, { "token", "differences", "file" } },
    { "calls.lua", "flarelight.Meta", { "docs/api.md", "Returns", "`meta.`" }, {} },
    { "client.lua", "flarelight.Quota", { "docs/api.md", "The rate budget", "`api:quota().`" }, {} },
  }
  for _, case in ipairs(classes) do
    it("members of " .. case[2], function()
      local fields = {}
      local text = read("lua/flarelight/" .. case[1]):match("%-%-%-@class " .. case[2]:gsub("%.", "%%.") .. "\n(.-)\n\n")
      for name in text:gmatch "%-%-%-@field ([%w_]+)" do fields[name] = true end
      local documented = names_in(case[3][1], case[3][2], case[3][3])
      for _, name in ipairs(case[4]) do
        assert.truthy(read "docs/api.md":find("err." .. name, 1, true) or read "docs/files.md":find("err." .. name, 1, true), name)
        documented[name] = true
      end
      assert.are.same(names.sorted(fields), names.sorted(documented))
    end)
  end

  it("exit statuses", function()
    local documented, made = {}, {}
    for _, row in ipairs(rows_of("docs/command.md", "Output, errors and exit statuses", "status")) do
      documented[row[1]:match "%d+"] = true
    end
    for _, code in pairs(status) do
      if type(code) == "number" then made[tostring(code)] = true end
    end
    assert.are.same(names.sorted(made), names.sorted(documented))
  end)

  it("variables of the environment", function()
    local pages = system.shell "cat README.md docs/*.md examples/*/README* 2>/dev/null"
    local folder = require("flarelight.cli.context").STATE_FOLDER
    local known = { FLARELIGHT_LUA = true, FLARELIGHT_DEBUG = true, [folder] = true }
    for _, name in ipairs(settings.variables()) do known[name] = true end
    for path in system.shell "find lua bin -type f":gmatch "[^\n]+" do
      local text = read(path)
      for name in text:gmatch '[Gg]etenv[ (]+"([%u_]+)"' do known[name] = true end
      for name in text:gmatch '[Gg]etenv[ (]+"(https?_proxy)"' do known[name] = true end
      for name in text:gmatch "FLARELIGHT_TORTURE[%u_]*" do known[name] = true end
    end
    local missing, unknown = {}, {}
    for name in pairs(known) do
      if not pages:find("%f[%w_]" .. name .. "%f[^%w_]") then missing[#missing + 1] = name end
    end
    for name in pages:gmatch "%f[%w_]FLARELIGHT_[%u_]+%f[^%w_]" do
      if not known[name] then unknown[#unknown + 1] = name end
    end
    table.sort(missing)
    assert.are.same({ {}, {} }, { missing, unknown })
  end)

  it("switches of the sandbox", function()
    local documented = names_in("docs/sandbox.md", "Start and stop", "option")
    for _, row in ipairs(rows_of("docs/sandbox.md", "Switches for undocumented behaviour", "#")) do
      for name in row[2]:match "^|[^|]*|([^|]*)|":gmatch "`([%l_]+)`" do documented[name] = true end
    end
    local known = names.set { "api_key", "definitions", "environment_file", "features", "keys", "profile", "required_columns" }
    for name in pairs(core.options) do known[name] = true end
    assert.are.same(names.sorted(known), names.sorted(documented))
  end)
end)
