--- The examples of the README and of docs/ run as they stand. Each ```lua block is a chunk of its own,
-- with `flarelight`, a client `api`, the sandbox behind it, and `id`, an import of three rows. What a line
-- prints is what stands behind its `-->`, where … is anything. Files that are named without a folder are
-- taken to that of temporary files.

local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

local PAGES = {
  "README.md", "docs/api.md", "docs/cache.md", "docs/files.md", "docs/hosts.md", "docs/moving.md", "docs/sandbox.md",
  "docs/environments.md", "docs/observing.md", "docs/runs.md", "docs/tasks.md",
}
local FILES = { csv = true, jsonl = true, svg = true, db = true }
local STRIKES = "name,cost,Origin State,Cost Total $\nGull,10,Ohio,12\nOwl,,Iowa,0\nCrow,2.50,Utah,3\n"

local function read(path) return assert(system.read(path), path) end

local function blocks_of(page)
  local blocks, block, line_number, begin = {}, nil, 0, nil
  for line in io.lines(page) do
    line_number = line_number + 1
    if block and line == "```" then
      blocks[#blocks + 1] = { line = begin, code = table.concat(block, "\n") }
      block = nil
    elseif block then
      block[#block + 1] = line
    elseif line == "```lua" then
      block, begin = {}, line_number
    end
  end
  return blocks
end

-- The pattern of what each line prints, by its number.
local function expected_of(code)
  local expected, number = {}, 0
  for line in (code .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local text = line:match "%-%->%s*(.-)$"
    if text then expected[number] = "^" .. text:gsub("%p", "%%%0"):gsub("%%?\226%%?\128%%?\166", ".-") .. "$" end
  end
  return expected
end

local function compile(code, name, environment)
  if rawget(_G, "setfenv") then
    local chunk, message = loadstring(code, name) -- luacheck: ignore
    return chunk and setfenv(chunk, environment), message -- luacheck: ignore
  end
  return load(code, name, "t", environment)
end

describe("the example in", function()
  local opened = support.opened(after_each)
  local sandbox, api, folder, getenv

  before_each(function()
    sandbox, api = opened.service { definitions = "examples/definitions.lua" }
    assert(api.imports:import { name = "strikes", records = {
      { ["Flight Date"] = "1990-01-08", ["Wildlife Size"] = "Large" },
    } })
    assert(api.automations:execute(1))
    folder, getenv = system.folder(), os.getenv
    -- flarelight.new() without options finds the sandbox.
    local variables = {
      FLARELIGHT_API_KEY = sandbox.api_key, FLARELIGHT_SUBSCRIPTION_ID = sandbox.subscription_id,
      FLARELIGHT_BASE_URL = sandbox.url,
    }
    os.getenv = function(name) return variables[name] or getenv(name) end -- luacheck: ignore
  end)
  after_each(function()
    os.getenv = getenv -- luacheck: ignore
  end)

  local function elsewhere(name, ending)
    if not FILES[ending] then return nil end
    local path = folder .. "/" .. name
    if name == "strikes.csv" and not system.exists(path) then system.write(path, STRIKES) end
    return '"' .. path .. '"'
  end

  for _, page in ipairs(PAGES) do
    local blocks = blocks_of(page)
    assert(#blocks > 0, page .. " has no examples")
    for _, block in ipairs(blocks) do
      local name = ("%s:%d"):format(page, block.line)
      it(name, function()
        local id = assert(api.imports:import { records = {
          { name = "Gull", cost = 10 }, { name = "Owl" }, { name = "Crow", cost = 2.5 },
        } }).id
        local code = block.code:gsub('"([%w_%-]+%.(%l+)%.?%l*)"', elsewhere)
        local expected = expected_of(block.code)
        local environment = setmetatable({
          flarelight = flarelight, api = api, sandbox = sandbox, id = id,
          print = function(...)
            local line = debug.getinfo(2, "l").currentline
            local printed = {}
            for i = 1, select("#", ...) do printed[i] = tostring((select(i, ...))) end
            local text = table.concat(printed, "   ")
            if expected[line] then assert.truthy(text:find(expected[line]), ("line %d printed: %s"):format(line, text)) end
            expected[line] = nil
          end,
        }, { __index = _G })
        local chunk = assert(compile(code, "=" .. name, environment))
        chunk()
        for line in pairs(expected) do error(("line %d was not reached"):format(line)) end
      end)
    end
  end
end)

-- The files of docs/testing.md, each in a block of its own, run by busted in a folder.
describe("the files of docs/testing.md", function()
  it("pass", function()
    local folder, count = system.folder(), 0
    for name, code in read "docs/testing.md":gmatch "\n```lua file=([%w_]+%.lua)\n(.-\n)```" do
      system.write(folder .. "/" .. name, code)
      count = count + 1
    end
    assert.are.equal(2, count)
    local out, status = system.shell(("cd %s && LUA_PATH=\"?.lua;$LUA_PATH\" %s /usr/bin/busted --output=plainTerminal "
      .. "load_spec.lua 2>&1"):format(folder, system.quote(system.interpreter)))
    assert.are.equal(0, status, out)
    assert.truthy(out:find("3 successes / 0 failures / 0 errors", 1, true), out)
  end)
end)

-- The lines of README.md, "From a shell", one after the other, in a shell whose service is a sandbox.
describe("the shell of README.md #slow", function()
  it("runs line by line on a sandbox", function()
    if system.checked or not system.reference then return end
    local text = read "README.md"
    local lines = assert(text:match "\n## From a shell\n.-```sh.-```.-```sh\n(.-)```")
    local start = assert(text:match '\n(flarelight sandbox [^\n]* %-%- )"$SHELL"\n')
    local folder, root = system.folder(), system.shell "pwd":match "[^\n]+"
    system.shell(("ln -s %s/* %s/ && mkdir %s/programs"):format(root, folder, folder))
    system.write(folder .. "/programs/flarelight", ("#!/bin/sh\nexec %s %s/bin/flarelight \"$@\"\n"):format(
      system.quote(system.interpreter), root))
    system.write(folder .. "/lines", "set -e\n" .. lines)
    local out, status = system.shell(("cd %s && chmod +x programs/flarelight && PATH=$PWD/programs:$PATH "
      .. "XDG_STATE_HOME=$PWD/state FLARELIGHT_API_KEY= FLARELIGHT_BASE_URL= && export XDG_STATE_HOME && %s sh lines 2>&1")
      :format(folder, start))
    assert.are.equal(0, status, out)
    for _, part in ipairs { "requests +%d+: %d+ writes", "records +10000\n", "Completed", "│", "update +append", "lost 0, repeated 0" } do
      assert.matches(part, out)
    end
    assert.are.equal(10001, select(2, read(folder .. "/rows.csv"):gsub("\n", "")))
  end)
end)

-- An option that does not exist is answered with those that do.
describe("every option stands in the documents and among the annotations:", function()
  local api = assert(flarelight.new {
    api_key = "k", subscription_id = "00000000-0000-4000-8000-000000000001", region = "eu",
  })
  local wrong = { ["no such"] = true }
  local cases = {
    { "flarelight.new", "configuration", function() flarelight.new(wrong) end },
    { "imports:all", "calls", function() api.imports:all(wrong) end },
    { "imports:data", "imports", function() api.imports:data(1, wrong) end, "calls" },
    { "imports:import", "imports", function() api.imports:import(wrong) end, "calls" },
    { "imports:rows", "pages", function() api.imports:rows(1, wrong) end, "calls" },
    { "imports:upload", "upload/init", function() api.imports:upload(wrong) end, "file_options" },
    { "api:request", "client", function() api:request(wrong) end },
    { "api:map", "client", function() api:map({}, print, wrong) end, page = "docs/tasks.md" },
    { "api:wait_until", "client", function() api:wait_until(print, wrong) end, page = "docs/runs.md" },
    { "chart.render", "chart/init", function() flarelight.chart.render({}, wrong) end },
    { "csv.rows", "csv", function() flarelight.csv.rows("x.csv", wrong) end, "file_options" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local path = case.page or "docs/api.md"
      local page = read(path)
      local annotations = read("lua/flarelight/" .. case[2] .. ".lua")
        .. (case[4] and read("lua/flarelight/" .. case[4] .. ".lua") or "")
      local _, message = pcall(case[3])
      local names = assert(message:match "%(known: (.-)%)", message)
      for name in names:gmatch "[%w_]+" do
        assert.truthy(page:find("%f[%w_]" .. name .. "%f[^%w_]"), path .. ": " .. name)
        assert.truthy(annotations:find("%-%-%-@[^\n]*%f[%w_]" .. name .. "%f[^%w_]"), "annotations: " .. name)
      end
    end)
  end
end)

describe("every link leads somewhere:", function()
  local pages = { "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "examples/data/README.md" }
  for path in system.shell "ls docs/*.md":gmatch "[^\n]+" do pages[#pages + 1] = path end
  local function anchors_of(text)
    local anchors = {}
    for heading in ("\n" .. text):gmatch "\n#+ ([^\n]+)" do
      anchors[heading:lower():gsub("[^%w %-]", ""):gsub(" ", "-")] = true
    end
    return anchors
  end
  for _, page in ipairs(pages) do
    it(page, function()
      local text = read(page)
      for target in text:gmatch "%]%(([^)]+)%)" do
        local path, anchor = target:match "^([^#]*)#?(.*)$"
        if not path:find "^https?:" then
          local to = path == "" and page or (page:match "^(.*/)" or "") .. path
          local found = read(to)
          assert.is_true(anchor == "" or anchors_of(found)[anchor] == true, target)
        end
      end
    end)
  end
end)

describe("the code", function()
  it("names documents that are there", function()
    local count = 0
    for path in system.shell "grep -rhoE 'docs/[a-z_]+\\.(md|html)' lua bin csrc examples debian Makefile .luarc.json | sort -u"
      :gmatch "[^\n]+" do
      -- build/docs is made by `make docs`.
      assert.is_true(path == "docs/index.html" or system.exists(path), path)
      count = count + 1
    end
    assert.is_true(count >= 10, count)
  end)
end)

describe("SECURITY.md", function()
  it("names specs and checks that are there", function()
    local count = 0
    for path in read("SECURITY.md"):gmatch "`(%l+/[%w_/.]+)`" do
      assert.is_true(system.exists(path), path)
      count = count + 1
    end
    assert.is_true(count >= 20)
  end)

  it("names a spec or a check for each promise", function()
    local promises = assert(read("SECURITY.md"):match "\n| promise | shown by |\n|[ %-|]+|\n(.-)\n\n")
    local count = 0
    for promise, shown in promises:gmatch "| ([^\n|]+) | ([^\n]*) |" do
      assert.truthy(shown:find "`%l+/[%w_/.]+`", promise)
      count = count + 1
    end
    assert.is_true(count >= 15)
  end)
end)
