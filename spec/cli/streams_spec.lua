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
    -- Where the caller ignores the signal, writing fails instead; that is no news either.
    local _
    _, err = shell "trap '' PIPE; { flarelight imports rows 1 --json; echo $? >&2; } | :"
    assert.matches("^1\n$", (err:gsub("flarelight: imports rows: standard output: cannot write: Broken pipe\n", "")))
    -- What a closed descriptor 2 would have said goes nowhere, and no descriptor takes its place.
    out = shell "flarelight imports list --json 2>&- 0<&-"
    assert.matches('"records": 2000', out)
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
