--- Standard input and output that are closed, full, or read by nobody, and directories in the place of input.

local command = require "support.command"
local support = require "support"
local system = require "support.system"

describe("the command", function()
  local opened = support.opened(after_each)
  local api, folder, environment

  local function shell(line) return command.shell(folder, environment, line) end

  before_each(function()
    local sandbox
    folder = system.folder()
    sandbox, api = opened.service()
    environment = command.environment(sandbox, folder)
  end)

  it("bears a standard output that is full, closed, or read by nobody", function()
    support.import(api, 2000)
    for _, words in ipairs { "imports list", "imports rows 1", "imports rows 1 --json", "version", "--help" } do
      local out, err, status = shell(("flarelight %s >/dev/full"):format(words))
      assert.are.equal("", out)
      assert.are.equal(1, status, words)
      assert.matches("standard output: .*No space left", err)
      _, err, status = shell(("flarelight %s >&-"):format(words))
      assert.are.equal(1, status, words)
      assert.matches("standard output: .*Bad file descriptor", err)
    end
    local out, err = shell "flarelight imports rows 1 | head -n 1"
    assert.are.equal("n\r\n", out)
    assert.are.equal("", err)
    -- Where the caller ignores the signal, writing fails instead; that is no news either. The reader is gone before.
    local _
    _, err = shell(([[trap '' PIPE
      { until [ -e %s/gone ]; do sleep 0.01; done; flarelight imports rows 1 --json; echo $? >&2; } |
        { exec <&-; : >%s/gone; }]]):format(folder, folder))
    assert.matches("^1\n$", (err:gsub("flarelight: imports rows: standard output: cannot write: Broken pipe\n", "")))
    -- What a closed descriptor 2 would have said goes nowhere, and no descriptor takes its place. Valgrind needs one.
    if os.getenv "SPEC_QUICK" then return end
    out = shell "flarelight imports list --json 2>&- 0<&-"
    assert.matches('"records": 2000', out)
  end)

  it("is told by a script that its standard streams are closed, and nothing else gets what it prints", function()
    support.import(api, 20)
    local script = system.file([[
      local flarelight = require "flarelight"
      local api = assert(flarelight.new { state = arg[1] })
      assert(api.imports:all())
      print "a line for nobody"
      io.stdout:flush()
      local function tell(call, done, message, err)
        io.stderr:write(call, ": ", tostring(done), " ", err.kind, " ", message, "\n")
      end
      tell("export", api.imports:export(1, { to = "-" }))
      tell("upload", api.imports:upload { file = "-", name = "n", format = "csv" })
      assert(api.imports:all())
      io.stderr:write "and all is well\n"
    ]], ".lua")
    local _, err = shell(("timeout -s KILL 60 %s %s %s/state >&- <&-"):format(system.quote(system.interpreter), script, folder))
    assert.matches("^export: nil io [^\n]*standard output: [^\n]*Bad file descriptor[^\n]*\n"
      .. "upload: nil io [^\n]*standard input: [^\n]*Bad file descriptor\nand all is well\n$", err)
  end)

  it("tells a closed standard input from an empty one", function()
    for _, words in ipairs { "api POST /x --input -", "reports generate 1 --parameters @-" } do
      local _, err, status = shell(("flarelight %s <&-"):format(words))
      assert.are.equal(2, status, words)
      assert.matches("standard input.*Bad file descriptor", err)
    end
    local _, err, status = shell "flarelight imports upload --name n --input-format csv - <&-"
    assert.are.equal(1, status)
    assert.matches("standard input: .*Bad file descriptor", err)
  end)

  it("names a directory in the place of input", function()
    for _, words in ipairs { "api POST /x --input /", "reports generate 1 --parameters @/" } do
      local _, err, status = shell("flarelight " .. words)
      assert.are.equal(2, status, words)
      assert.matches("/: .*Is a directory", err)
    end
  end)
end)
