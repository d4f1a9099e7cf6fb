-- Uploads of standard input and of pipes: the copy that they are read from, where it stands, and when it goes.

local support = require "support"
local system = require "support.system"

describe("an upload of standard input", function()
  local opened = support.opened(after_each)
  local sandbox, api, state

  before_each(function()
    sandbox, state = opened.sandbox(), system.path()
    api = opened.client(sandbox, { state = state })
  end)

  -- Runs an upload in a process of its own, which reads `text`. `options` is Lua; `ended` is the number of the checkpoint
  -- at which the process kills itself. Returns what it printed.
  local function run(text, options, ended)
    local script = system.file(([[
      local flarelight = require "flarelight"
      local left = %d
      require("flarelight.upload.checkpoints").on = function()
        left = left - 1
        if left == 0 then os.execute "kill -9 $PPID" end
      end
      local api = assert(flarelight.new { state = %q })
      local given = { file = "-", format = "csv", name = "in", batch_records = 10, settle = 0.01, %s }
      local result, message, err = api.imports:upload(given)
      print(result and result.records .. (result.already and " already" or "") or err.kind .. ": " .. message)
    ]]):format(ended or 0, state, options or ""), ".lua")
    return (system.shell(("cat %s | %s %s %s 2>&1"):format(system.file(text), system.environment(sandbox),
      system.interpreter, script)))
  end

  local function spools(prefix)
    local found = {}
    for path in system.shell(("ls -d %s* 2>/dev/null"):format(prefix or state .. "-spool-")):gmatch "[^\n]+" do
      found[#found + 1] = path
    end
    return found
  end

  local function numbers(count, offset)
    local lines = { "n" }
    for n = 1, count do lines[n + 1] = n + (offset or 0) end
    return table.concat(lines, "\n") .. "\n"
  end

  local function holds(id, count)
    local rows = assert(sandbox:rows(id))
    assert.are.equal(count, #rows)
    for place, row in ipairs(rows) do assert.are.equal(place, row.n) end
  end

  it("sends what it reads, and leaves no copy", function()
    assert.are.equal("35", run(numbers(35)):match "%S+")
    holds(1, 35)
    assert.are.same({}, spools())
  end)

  it("is done once under its key: equal input is loaded already, other input is a conflict", function()
    run(numbers(35), "key = 'k'")
    assert.matches("35 already", run(numbers(35), "key = 'k'"))
    assert.matches('conflict: .*key "k"', run(numbers(36), "key = 'k'"))
    holds(1, 35)
    assert.are.same({}, spools())
  end)

  it("goes on after a kill at each checkpoint, by its token and without its input", function()
    local killed = 0
    for ended = 1, 30 do
      sandbox:reset()
      local said = run(numbers(25), nil, ended)
      local pending = assert(api.imports:pending())
      if pending[1] then
        killed = killed + 1
        assert.are.equal("-", pending[1].file)
        assert.are.equal(1, #spools())
        assert.matches("^%-rw%-%-%-%-%-%-%-", (system.shell("ls -l " .. spools()[1])))
        assert.are.equal(25, assert(api.imports:resume(pending[1].token)).records)
      end
      local imports = assert(api.imports:all())
      assert.are.equal(1, #imports, said)
      holds(imports[1].id, 25)
      assert.are.same({}, sandbox:duplicates())
      run(numbers(1)) -- which removes what a process has left that was killed before its end
      assert.are.same({}, spools())
      if said:match "^25" then break end
    end
    assert.is_true(killed > 8, killed .. " kills")
  end)

  it("goes on after a kill under its key only with the same input", function()
    run(numbers(25), "key = 'k'", 5)
    assert.are.equal("k", api.imports:pending()[1].key)
    assert.matches("conflict: .*standard input has other content", run(numbers(25, 1), "key = 'k'"))
    assert.are.equal(1, #spools())
    assert.are.equal("25", run(numbers(25), "key = 'k'"):match "%S+")
    holds(1, 25)
    assert.are.same({}, spools())
  end)

  it("keeps the copy of an upload that was interrupted where its state file is reached by another path", function()
    local folder, link, moved, first = system.folder(), system.path(), system.path(), state
    local function at(path, ...)
      state = path .. "/state.db"
      return run(...)
    end
    system.shell(("ln -s %s %s"):format(folder, link))
    at(link, numbers(25), "key = 'k'", 5)
    assert.are.equal("3", at(folder, numbers(3)):match "%S+") -- which removes copies that nothing needs
    assert.are.equal(1, #spools())
    system.shell(("mv %s %s"):format(folder, moved))
    assert.are.equal("25", at(moved, numbers(25), "key = 'k'"):match "%S+")
    assert.are.same({}, spools())
    holds(1, 25)
    state = first
  end)

  it("stops if its copy is gone, and can be forgotten", function()
    run(numbers(25), "key = 'k'", 5)
    os.remove(spools()[1])
    local gone = "conflict: .*the copy of standard input that the upload began with is gone .*forget this upload"
    assert.matches(gone, run(numbers(25), "key = 'k'"))
    local _, message, err = api.imports:resume(api.imports:pending()[1].token)
    assert.matches(gone, err.kind .. ": " .. message)
    assert(api:forget "k")
    assert.are.equal("25", run(numbers(25), "key = 'k'"):match "%S+")
    assert.are.same({}, spools())
  end)

  it("leaves no copy if it is interrupted or cancelled while it copies", function()
    local pipe = system.path ".csv"
    system.shell("mkfifo " .. pipe)
    local script = system.file(([[
      local flarelight = require "flarelight"
      flarelight.new { state = %q }.imports:upload { file = %q }
    ]]):format(state, pipe), ".lua")
    local _, status = system.shell(([[
      { exec 3>%s; printf 'n\n1234567890\n' >&3; exec sleep 600; } >/dev/null 2>&1 &
      writer=$!
      %s %s %s >/dev/null 2>&1 &
      for _ in $(seq 1200); do ls %s-spool-* >/dev/null 2>&1 && break; sleep 0.05; done
      ls %s-spool-* >/dev/null 2>&1 || { kill $! $writer; exit 9; }
      kill -INT $!
      wait $!
      status=$?
      kill $writer
      exit $status]]):format(pipe, "env " .. system.environment(sandbox), system.interpreter, script, state, state))
    assert.are.equal(1, status)
    assert.are.same({}, spools())
    local task = api:spawn(function() return api.imports:upload { file = pipe } end)
    local line = "{ exec 3>%s; printf 'n\\n1234567890\\n' >&3; exec sleep 600; } >/dev/null 2>&1 & echo $!"
    local writer = system.shell(line:format(pipe)):match "%d+"
    local function end_writer() system.shell(("kill %s 2>/dev/null"):format(writer)) end
    finally(end_writer)
    support.update_until(api, function() return #spools() == 1 end)
    task:cancel()
    end_writer() -- a read of the pipe that has begun ends with it
    support.update_until(api, function() return task:done() end)
    assert.are.same({}, spools())
  end)

  it("loses its copy when it is forgotten", function()
    run(numbers(25), "key = 'k'", 5)
    assert.are.equal(1, #spools())
    assert(api:forget "k")
    assert.are.same({}, spools())
  end)

  it("reads every format and dialect, through map too", function()
    assert.matches("^2", run("1;a\n2;b\n", 'delimiter = ";", header = { "n", "t" }, map = function(r) return r end'))
    assert.are.same({ { n = 1, t = "a" }, { n = 2, t = "b" } }, sandbox:rows(1))
    assert.matches("^1", run('{"features":[{"n":1}]}', 'format = "json", at = "/features"'))
    assert.are.same({ { n = 1 } }, sandbox:rows(2))
  end)

  it("says what is wrong of standard input, and leaves nothing", function()
    for _, case in ipairs {
      { "a;b\n1;2\n", nil, 'io: imports:upload: standard input, line 1: .*delimiter = ";"' },
      { "", nil, "io: imports:upload: standard input: the file is empty" },
      { 'a\n"1\n', nil, "io: imports:upload: standard input, line 2" },
      { "a\n1\n", "format = false", "upload.format: should be" },
      { "a\n1\n", "map = function() return 1 end", "map: standard input, line 2: the function should return a table" },
    } do
      assert.matches(case[3], run(case[1], case[2]))
      assert.are.same({}, spools())
    end
    assert.are.same({}, api.imports:pending())
    assert.are.equal(0, sandbox:counts().imports)
  end)

  it("waits for a pipe without holding up others, and takes its format from its name", function()
    local path = system.path ".csv"
    system.shell("mkfifo " .. path)
    local frames, result = 0, nil
    local task = api:spawn(function() result = assert(api.imports:upload { file = path }) end)
    repeat
      api:update(0.001)
      frames = frames + 1
      if frames == 5 then system.shell("(sleep 0.1; cat " .. system.file(numbers(5)) .. " >" .. path .. ") >/dev/null 2>&1 &") end
    until task:done()
    assert.are.equal(5, result.records)
    assert.is_true(frames > 5)
    assert.are.same({}, spools())
  end)

  it("decompresses what is compressed, by its first bytes or the name of the pipe, and plans it", function()
    for _, case in ipairs { { "gzip", ".gz" }, { "xz", ".xz" }, { "bzip2", ".bz2" }, { "zstd -q", ".zst" } } do
      sandbox:reset()
      local text = system.file(numbers(35))
      local packed = system.path()
      system.shell(("%s -c <%s >%s"):format(case[1], text, packed))
      local script = system.file(([[
        local api = assert(require "flarelight".new { state = %q })
        local plan, message = api.imports:plan { file = "-", format = "csv" }
        print(plan and plan.records .. " " .. tostring(plan.dialect.compression) or message)
      ]]):format(state), ".lua")
      local function planned(path)
        return (system.shell(("env %s %s %s <%s 2>&1"):format(system.environment(sandbox), system.interpreter, script,
          path)))
      end
      assert.matches("^35 %" .. case[2], planned(packed))
      assert.matches("^35 nil", planned(text)) -- the compression of the copy is ours
      assert.are.equal("35", run(system.read(packed)):match "%S+")
      holds(1, 35)
      local pipe = system.path(".csv" .. case[2])
      system.shell("mkfifo " .. pipe)
      system.shell(("(cat %s >%s) >/dev/null 2>&1 &"):format(packed, pipe))
      assert.are.equal(35, assert(api.imports:upload { file = pipe }).records)
      assert.are.same({}, spools())
    end
    assert.matches("io: .*standard input, line 1: broken gzip data", run("\31\139\8no gzip at all, but a text", nil))
    assert.are.same({}, spools())
  end)

  it("says that it is closed, cannot be read, or finds no room, and leaves nothing", function()
    local script = system.file(([[
      local api = assert(require "flarelight".new { state = %q })
      local _, message, err = api.imports:upload { file = "-", format = "csv" }
      print(err.kind, err.fate, message, #api.imports:pending())
    ]]):format(state), ".lua")
    local rows, digits = { "n" }, {}
    for n = 1, 30000 do
      for i = 1, 8 do digits[i] = ("%08x"):format(math.random(0, 2 ^ 31 - 1)) end
      rows[n + 1] = table.concat(digits)
    end
    local big = system.file(table.concat(rows, "\n"))
    for _, case in ipairs {
      { "%s <&-", "standard input: cannot read: Bad file descriptor" },
      { "%s </", "standard input: cannot read: Is a directory" },
      { "trap '' XFSZ; ulimit -f 1000; %s <" .. big, "File too large" },
    } do
      local said = system.shell(case[1]:format(("env %s %s %s 2>&1"):format(system.environment(sandbox),
        system.interpreter, script)))
      assert.matches("^io%s+not_sent%s+imports:upload: .*" .. case[2] .. "%s+0%s*$", said)
      assert.are.same({}, spools())
    end
    assert.are.equal(0, #sandbox:requests())
  end)

  it("is no part of a list, and no file to resume from", function()
    for _, call in ipairs {
      function() api.imports:upload { file = { "-", "x.csv" } } end,
      function() api.imports:resume("token", { file = "-" }) end,
    } do
      local good, message = pcall(call)
      assert.is_false(good)
      assert.matches("standard input and pipes", message)
    end
  end)
end)
