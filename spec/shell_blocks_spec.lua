--- The code blocks of the documents that docs_spec and recipes_spec do not run. Lines behind `$` run as they stand, block by
-- block, in a shell whose service is a sandbox, and print what stands below them: times, numbers and tokens may differ, and …
-- is anything. Each line of each block runs somewhere, or stands in NOT_RUN with the reason.

local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

local function read(path) return assert(system.read(path), path) end

-- Lines that run elsewhere, or nowhere: the beginning of the line, and why.
local NOT_RUN = {
  { "flarelight sandbox --definitions examples/definitions.lua -- sh", "the session of the spec is in one", exact = true },
  { "flarelight sandbox --port 8080", "runs until Ctrl-C; spec/cli/sandbox_spec.lua does that" },
  { "flarelight torture --definitions", "takes minutes; make torture, and spec/torture_spec.lua has some points" },
  { "flarelight torture --only", "careless.lua is in spec/torture; spec/torture_spec.lua runs it" },
  { "flarelight calibrate", "asks; spec/calibration_spec.lua answers" },
  { "busted --lua=lua5.4 load_spec.lua", "docs_spec runs it" },
  { "sh bench/", "a measurement, by hand" }, { "make ", "a target of the Makefile, checked below" },
}
-- Blocks of a language: where each runs.
local LANGUAGES = {
  lua = { ["README.md"] = "docs_spec", ["docs/api.md"] = "docs_spec", ["docs/cache.md"] = "docs_spec",
    ["docs/files.md"] = "docs_spec", ["docs/hosts.md"] = "docs_spec", ["docs/moving.md"] = "docs_spec",
    ["docs/sandbox.md"] = "docs_spec", ["docs/environments.md"] = "docs_spec",
    ["docs/observing.md"] = "docs_spec", ["docs/runs.md"] = "docs_spec", ["docs/tasks.md"] = "docs_spec",
    ["docs/state.md"] = "spec/postgres_spec.lua has a server for it" },
  sh = { ["README.md"] = "docs_spec", ["docs/recipes.md"] = "recipes_spec", ["docs/files.md"] = "recipes_spec has it",
    ["docs/performance.md"] = "the benchmarks, by hand", ["docs/torture.md"] = "takes minutes",
    ["CONTRIBUTING.md"] = "targets of the Makefile, checked below" },
  ini = { ["docs/environments.md"] = "below" },
  json = { ["docs/calibration.md"] = "below", ["docs/uploads.md"] = "below" },
  nginx = { ["docs/cache.md"] = "spec/host/examples_spec.lua runs the whole file" },
}

local pages = { "README.md", "CONTRIBUTING.md", "SECURITY.md" }
for path in system.shell "ls docs/*.md":gmatch "[^\n]+" do pages[#pages + 1] = path end

-- The blocks of a page: { language =, lines =, line = }.
local function blocks_of(page)
  local blocks, block, number = {}, nil, 0
  for line in (read(page) .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if line:find "^```" then
      if block then
        assert(line == "```", ("%s:%d: a block begins inside another"):format(page, number))
        blocks[#blocks + 1], block = block, nil
      else
        block = { language = line:sub(4), lines = {}, line = number }
      end
    elseif block then
      -- A comment of a shell begins with one #; a heading inside a block is the sign of a missing end.
      assert(not line:find "^##+ %u", ("%s:%d: a heading stands in a block of code"):format(page, number))
      table.insert(block.lines, line)
    end
  end
  assert(not block, page .. ": the last block has no end")
  return blocks
end

describe("the blocks of code in", function()
  for _, page in ipairs(pages) do
    it(page .. " end, and run somewhere", function()
      for _, block in ipairs(blocks_of(page)) do
        local language = block.language:match "^%l*"
        if language ~= "" and not block.language:find "file=" then
          assert(LANGUAGES[language] and LANGUAGES[language][page],
            ("%s:%d: a block of %s that nothing runs"):format(page, block.line, language))
        end
      end
    end)
  end
end)

describe("the command in", function()
  if system.checked or not system.reference then return end
  local opened = support.opened(after_each)

  -- Of the lines behind `$`, the status that is not 0.
  local STATUS = {
    ["flarelight imports data 99"] = 1, ["flarelight imports data 99 --json"] = 1, ["flarelight imports upload people.csv"] = 1,
  }
  -- Blocks whose output depends on the machine or on the moment of Ctrl-C.
  local OTHER_OUTPUT = { "big%.csv", "doctor", "sandbox pull" }

  local function not_run(line)
    for _, row in ipairs(NOT_RUN) do
      if line == row[1] or not row.exact and line:sub(1, #row[1]) == row[1] then return row[2] end
    end
  end

  -- Times, tokens and numbers are alike.
  local function normal(line)
    return (line:gsub("\r", ""):gsub("%d%d%d%d%-%d%d%-%d%d[T ]%d%d:%d%d:%d%dZ?", "TIME"):gsub("%x%x%x%x%x%x%x%x%-…", "UUID")
      :gsub("%x%x%x%x%x%x%x%x%-%x[%x%-]+", "UUID")
      :gsub(("%x"):rep(24), "TOKEN"):gsub(("%x"):rep(12), "HASH"):gsub("%d[%d.,]*%d", "N"):gsub("%d", "N"):gsub(" +", " "):gsub(" $", ""))
  end

  local function expect_output(page, expected, output)
    local lines, place = {}, 1
    for line in (output .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = normal(line) end
    for _, line in ipairs(expected) do
      if line ~= "…" and line ~= "" then
        local pattern = "^" .. normal(line):gsub("%p", "%%%0"):gsub("%%?\226%%?\128%%?\166", ".-") .. "$"
        local found
        for at = place, #lines do
          if lines[at]:find(pattern) then
            found = at
            break
          end
        end
        assert(found, ("%s: this was not printed:\n%s\nbut:\n%s"):format(page, line, output))
        place = found + 1
      end
    end
  end

  -- What the lines need: files, an environment, a key whose write is in doubt.
  local function prepare(folder, sandbox, api)
    local root = system.shell "pwd":match "[^\n]+"
    -- Its path: a program of its name comes first below.
    local interpreter = system.shell("command -v " .. system.quote(system.interpreter)):match "[^\n]+"
    system.shell(("cd %s && mkdir -p programs .config/flarelight .zfunc .config/fish/completions "
      .. ".local/share/bash-completion/completions state/flarelight && ln -s %s/examples examples"):format(folder, root))
    for name, body in pairs {
      flarelight = ('exec %s %s/bin/flarelight "$@"'):format(system.quote(interpreter), root),
      ["lua5.4"] = ('exec %s "$@"'):format(system.quote(interpreter)),
    } do
      system.write(folder .. "/programs/" .. name, "#!/bin/sh\n" .. body .. "\n")
    end
    local section = ("subscription_id = %s\nbase_url = %s\napi_key_file = key\n"):format(sandbox.subscription_id, sandbox.url)
    system.write(folder .. "/.config/flarelight/config.ini", "[prod]\n" .. section .. "[test]\n" .. section)
    system.write(folder .. "/.config/flarelight/key", sandbox.api_key .. "\n")
    system.write(folder .. "/people.csv", "id;Name;cost\n1;Gull;1,5\n2;Owl;2\n")
    system.write(folder .. "/big.csv", "id\n1\n")
    system.write(folder .. "/import.json", '{"name": "raw", "data": {"records": [{"a": 1}]}}')
    system.write(folder .. "/report.lua", 'print(#assert(require("flarelight").new()).reports:all())')
    system.write(folder .. "/nightly.sh", "#!/bin/sh\nflarelight reports list -q >/dev/null || true\n")
    system.shell(("cd %s && chmod 600 .config/flarelight/* && chmod +x programs/* nightly.sh"):format(folder))
    assert(api.imports:upload { file = "examples/data/birdstrikes.csv", name = "strikes" })
    assert(api.automations:execute(1))
    local durable = support.client(sandbox, { state = folder .. "/state/flarelight/state.db", max_attempts = 1 })
    sandbox:fault { operation = "reports.generate", kind = "commit_then_drop" }
    local done, _, err = durable:once("report of strikes-2026-11-25", function() return durable.reports:generate(1) end)
    assert.are.same({ nil, "in_doubt" }, { done, err.fate })
    durable:close()
    sandbox:clear_faults()
  end

  -- The lines behind `$` of a block, each with what stands below it.
  local function commands_of(block)
    local commands = {}
    for _, line in ipairs(block.lines) do
      local command = line:match "^%$ (.*)$"
      if command then commands[#commands + 1] = { line = command, output = {} }
      elseif #commands > 0 then table.insert(commands[#commands].output, line) end
    end
    return commands
  end

  for _, page in ipairs(pages) do
    local runs = {}
    for _, block in ipairs(blocks_of(page)) do
      local commands, wanted = commands_of(block), false
      for _, each in ipairs(commands) do wanted = wanted or not not_run(each.line) end
      if wanted then runs[#runs + 1] = { commands = commands, line = block.line } end
    end
    if #runs > 0 then
      it(page .. " runs line by line #slow", function()
        local sandbox, api = opened.service { definitions = "examples/definitions.lua" }
        local folder = system.folder()
        -- The first block of docs/command.md begins with no data.
        if page ~= "docs/command.md" then prepare(folder, sandbox, api) end
        for index, each in ipairs(runs) do
          local script = { "ran=" }
          for place, command in ipairs(each.commands) do
            if not not_run(command.line) then
              script[#script + 1] = ("{ %s\n} >out.%d 2>&1\necho $? >status.%d"):format(command.line, place, place)
            end
          end
          script[#script + 1] = "[ -z \"$!\" ] || kill $!"
          if page == "docs/command.md" and index == 1 then
            prepare(folder, opened.service { definitions = "examples/definitions.lua" })
          elseif page == "docs/command.md" and index == 2 then
            system.shell("rm -rf " .. folder)
            folder = system.folder()
            sandbox, api = opened.service { definitions = "examples/definitions.lua" }
            prepare(folder, sandbox, api)
          end
          system.write(folder .. "/script", table.concat(script, "\n") .. "\n")
          local out = system.shell(("cd %s && HOME=$PWD PATH=$PWD/programs:$PATH XDG_STATE_HOME=$PWD/state XDG_CONFIG_HOME= "
            .. "LC_ALL=C.UTF-8 %s sh script 2>&1 </dev/null"):format(folder, system.environment(sandbox)))
          assert.are.equal("", out, page .. ":" .. each.line)
          for place, command in ipairs(each.commands) do
            if not not_run(command.line) then
              local where = ("%s:%d: %s"):format(page, each.line, command.line)
              local printed = read(("%s/out.%d"):format(folder, place))
              assert.are.equal(STATUS[command.line] or 0, tonumber((read(("%s/status.%d"):format(folder, place)):match "%d+")),
                where .. "\n" .. printed)
              local other = false
              for _, pattern in ipairs(OTHER_OUTPUT) do other = other or command.line:find(pattern) ~= nil end
              if not other then expect_output(where, command.output, printed) end
            end
          end
        end
      end)
    end
  end
end)

describe("the other blocks:", function()
  it("the configuration file of docs/environments.md is one", function()
    local folder = system.folder()
    for _, block in ipairs(blocks_of "docs/environments.md") do
      if block.language == "ini" then
        system.shell(("mkdir -p %s/flarelight"):format(folder))
        system.write(folder .. "/flarelight/config.ini", table.concat(block.lines, "\n") .. "\n")
        system.write(folder .. "/flarelight/test.key", "k\n")
        system.shell(("chmod 600 %s/flarelight/*"):format(folder))
        local getenv = os.getenv
        os.getenv = function(name) return name == "XDG_CONFIG_HOME" and folder or getenv(name) end -- luacheck: ignore
        for _, name in ipairs { "prod", "test" } do
          local api, message = flarelight.new { environment = name, state = false, ca_file = name == "prod" and "Makefile" or nil }
          -- The file of certificates is another machine's.
          assert(api or message:find("ca_file", 1, true), message)
        end
        os.getenv = getenv -- luacheck: ignore
        return
      end
    end
    error "there is no block of ini"
  end)

  it("JSON is JSON", function()
    local count = 0
    for _, page in ipairs(pages) do
      for _, block in ipairs(blocks_of(page)) do
        if block.language == "json" then
          for text in table.concat(block.lines, "\n"):gmatch "%b{}" do assert(flarelight.json.decode(text)) end
          count = count + 1
        end
      end
    end
    assert.is_true(count >= 2)
  end)

  it("targets of make exist", function()
    local makefile, count = read "Makefile", 0
    for _, page in ipairs(pages) do
      for _, block in ipairs(blocks_of(page)) do
        for _, line in ipairs(block.lines) do
          local words = line:match "^%$? ?make ([%l %-%[]+)"
          for target in words and words:gmatch "%f[%l]%l[%l%-]+" or function() end do
            count = count + 1
            assert(makefile:find("\n" .. target:gsub("%-", "%%-") .. ":") or makefile:find("\n[%l %-]*%f[%l]" .. target:gsub("%-", "%%-") .. "%f[^%l%-][%l %-]*:"),
              page .. ": make " .. target)
          end
        end
      end
    end
    assert.is_true(count > 10, count)
  end)
end)
