-- The options of `imports upload` and `plan` that say how a file is read: each does as the module's option does, the
-- messages speak of the options as they are typed, and several files are several uploads or the parts of one.

local command = require "support.command"
local file_options = require "flarelight.file_options"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

local null = flarelight.null

describe("files on the command line", function()
  local sandbox, api, folder, environment

  setup(function()
    folder = system.folder()
    sandbox = support.sandbox()
    api = support.client(sandbox)
  end)
  teardown(function()
    api:close()
    sandbox:stop()
  end)
  before_each(function()
    sandbox:reset()
    environment = command.environment(sandbox, folder)
    os.execute("rm -rf " .. system.quote(folder .. "/state"))
  end)

  -- Runs a line of the command and expects a status; both streams.
  local function run(status, line)
    local out, err, found = command.shell(folder, environment, "flarelight " .. line)
    assert.are.equal(status, found, line .. "\n" .. out .. err)
    return out, err
  end

  local function rows(id) return assert(api.imports:data(id, { count = 100 })) end

  it("are read by every option that the module has", function()
    local help = run(0, "imports upload --help") .. run(0, "plan --help")
    for name in pairs(file_options.known) do
      local flag = "--" .. (name == "format" and "input-format" or name == "expect" and "expect-columns" or name)
      local _, times = help:gsub("\n +" .. flag:gsub("%-", "%%-") .. "[ \n]", "")
      assert.are.equal(2, times, flag)
    end
  end)

  local CASES = {
    { "--delimiter ';'", "a;b\n1;x\n", { { a = 1, b = "x" } } },
    { "--delimiter '\\t'", "a\tb\n1\tx\n", { { a = 1, b = "x" } } },
    { "--quote \"'\"", "a,b\n1,'x,y'\n", { { a = 1, b = "x,y" } } },
    { "--no-quote", "a,b\n1,\"x\n", { { a = 1, b = '"x' } } },
    { "--no-header", "1,x\n", { { column1 = 1, column2 = "x" } } },
    { "--header 'n,\"a,b\"'", "1,x\n", { { n = 1, ["a,b"] = "x" } } },
    { "--skip 2", "by\nus\na\n1\n", { { a = 1 } } },
    { "--comment '#'", "#no\na\n#no\n1\n", { { a = 1 } } },
    { "--encoding latin1", "a\nM\246we\n", { { a = "Möwe" } } },
    { "--decimal , --delimiter ';'", "a;b\n1,50;x\n", { { a = 1.5, b = "x" } } },
    { "--nulls 'NA,\\N'", "a\n1\nNA\n\\N\n", { { a = 1 }, { a = null }, { a = null } } },
    { "--trim", "a , b\n 1, x \n", { { a = 1, b = "x" } } },
    { "--types text", "a\n1\n", { { a = "1" } } },
    { "--input-format tsv", "a\tb\n1\tx\n", { { a = 1, b = "x" } } },
    { "--at /x/0", '{"x":[[{"a":1}]]}', { { a = 1 } }, ".json" },
    { "--rename a=b --rename '\"x=y\"=z'", "a,x=y\n1,2\n", { { b = 1, z = 2 } } },
    { "--columns c,a", "a,b,c\n1,2,3\n", { { a = 1, c = 3 } } },
    { "--set year=2024 --set zip=00501 --set 'id=\"7\"' --set ok=false --set no=null --set s=", "a\n1\n",
      { { a = 1, year = 2024, zip = "00501", id = "7", ok = false, no = null, s = "" } } },
  }
  for _, case in ipairs(CASES) do
    it("are read with " .. case[1], function()
      local path = system.file(case[2], case[4] or ".csv")
      run(0, ("imports upload -q %s %s"):format(path, case[1]))
      assert.are.same(case[3], rows(1))
      local plan = flarelight.json.decode((run(0, ("plan --json %s %s"):format(path, case[1]))))
      assert.are.same(case[3], plan.first_records)
    end)
  end

  local SEMICOLONS, NUMBERS = "a;b\n1;2\n", "a,b\n1,\n1,2\n"
  -- The message of the module that the file or the options cause, as the command says it.
  local MESSAGES = {
    { 1, "", SEMICOLONS, "is one column, \"a;b\": --delimiter ';' divides it (--delimiter ',' takes it as it is)" },
    { 1, "--delimiter ','", "sep=;\na;b\n", "the delimiter is \";\", but --delimiter ',' is given" },
    { 1, "", "a\tb\n1\t2\n", "--delimiter '\\t' divides it" },
    { 1, "", "\255\254a\0", "the file is UTF-16 and not UTF-8: --encoding utf-16 reads it" },
    { 1, "", "a\n\255\n", "--encoding windows-1252, or the encoding" },
    { 1, "--columns z", NUMBERS, "column \"z\" is chosen, but the file does not have it: there are \"a\", \"b\"" },
    { 1, "--expect-columns a", NUMBERS, "--expect-columns: the column \"b\" is not expected" },
    { 1, "--expect-required b", NUMBERS, "line 2: column \"b\" has no value (--expect-required)" },
    { 1, "--expect-unique a", NUMBERS, "repeats the value of line 2 (--expect-unique)" },
    { 1, "--expect-min-records 3", NUMBERS, "2 records, but --expect-min-records is 3" },
    { 1, "", "{\"x\":[]}", "there are arrays: --at /x", ".json" },
    { 1, "--at /y", "{\"x\":[]}", "--at /y points at nothing; there are arrays: --at /x", ".json" },
    { 2, "--delimiter ';;'", SEMICOLONS, "--delimiter: should be one byte" },
    { 2, "--encoding nonsense", SEMICOLONS, "--encoding: \"nonsense\" is none that iconv knows" },
    { 2, "--at x", "{}", "--at: should be a JSON pointer", ".json" },
    { 2, "--at /x", SEMICOLONS, "--at: is for JSON files" },
    { 2, "", "a", ".xls: its name does not end in .csv", ".xls" },
    { 1, "", "{\"a\":1}\n{\"a\":2}", "give --input-format jsonl if each line is a record", ".json" },
    { 2, "--quote \"'\" --no-quote", SEMICOLONS, "can not be used together with" },
    { 2, "--header a,b --no-header", SEMICOLONS, "can not be used together with" },
    { 2, "--rename a", SEMICOLONS, "'a' is not OLD=NEW" },
    { 2, "--rename a=b --rename a=c", SEMICOLONS, "--rename: a is given twice" },
    { 2, "--set a", SEMICOLONS, "'a' is not NAME=VALUE" },
  }
  for _, case in ipairs(MESSAGES) do
    it("are refused: " .. case[4], function()
      local path = system.file(case[3], case[5] or ".csv")
      for _, verb in ipairs { "imports upload", "plan" } do
        local out, err = run(case[1], ("%s %s %s"):format(verb, path, case[2]))
        assert.are.equal("", out)
        assert.truthy(err:find(case[4], 1, true), err)
      end
      assert.are.equal(0, #support.requests(sandbox, "imports.import"))
    end)
  end

  it("keep their dialect with a key, and say so in the command's words", function()
    local path = system.file("a;b\n1;2\n", ".csv")
    run(0, ("imports upload %s --key k --delimiter ';' --no-header"):format(path))
    local _, err = run(1, ("imports upload %s --key k --delimiter ';'"):format(path))
    assert.truthy(err:find("was read with --no-header, and not", 1, true), err)
    _, err = run(1, ("imports upload %s --key k --no-header --delimiter ,"):format(path))
    assert.truthy(err:find("was read with --delimiter ';', and not", 1, true), err)
  end)

  it("are told of as plan reads them", function()
    local path = system.file("sep=|\na|b\n1|2\n", ".csv")
    assert.matches("read as +csv, delimiter '|' %(by the first line%), quote '\"', header: the first row, decimal '%.', "
      .. "encoding utf%-8\n", (run(0, "plan " .. path)))
    path = system.file("1\t2,5\n", ".tsv")
    os.execute("gzip -kf " .. path)
    assert.matches("read as +tsv, delimiter '\\t', no quotes, header: as given, decimal ',', encoding latin1, "
      .. "compressed %(%.gz%)\n", (run(0, ("plan %s.gz --no-quote --header a,b --decimal , --encoding latin1"):format(path))))
    local plan = flarelight.json.decode((run(0, "plan --json " .. path)))
    assert.are.equal("\t", plan.dialect.delimiter)
    assert.are.equal("tsv", plan.dialect.format)
    path = system.file('{"x":[{"a":1}]}', ".json")
    assert.matches("read as +json, at /x, encoding utf%-8\n", (run(0, "plan --at /x " .. path)))
  end)

  it("are remarked on where the first row looks like data", function()
    local path = system.file("1,2024-01-05\n2,2024-01-06\n", ".csv")
    local remark = 'the first row looks like data ("1", "2024-01-05"): --no-header reads it as a record'
    assert.truthy(run(0, "plan " .. path):find("remark    " .. remark, 1, true))
    assert.are.same({ remark }, flarelight.json.decode((run(0, "plan --json " .. path))).remarks)
    local _, err = run(0, "imports upload " .. path)
    assert.truthy(err:find(remark, 1, true), err)
    assert.are.same({ remark }, flarelight.json.decode((run(0, "imports upload --json " .. path))).remarks)
    _, err = run(0, "imports upload --no-header " .. path)
    assert.falsy(err:find("looks like data", 1, true))
  end)

  it("are compressed, and the import has their name", function()
    local path = folder .. "/gulls.csv"
    system.write(path, "a\n1\n")
    os.execute("gzip -f " .. path)
    run(0, ("imports upload %s.gz"):format(path))
    assert.are.equal("gulls", api.imports:all()[1].name)
  end)

  it("are compared with the last of their series, by plan and by upload", function()
    local same, other = system.file("a\n1\n", ".csv"), system.file("b\n1\n", ".csv")
    local table_of_both = "\n  column  before   now\n  a       number   missing\n  b       missing  number\n"
    assert.matches("series +s: no upload of it is done\n", (run(0, "plan --series s " .. same)))
    run(0, "imports upload --series s " .. same)
    assert.matches("series +s: as the upload of %d+%-", (run(0, "plan --series s " .. same)))
    sandbox:clear_log()
    local out = run(1, "plan --series s " .. other)
    assert.matches("series +s: differs from the upload of .*; %-%-drift accept sends the file as it is\n", out)
    assert.truthy(out:find(table_of_both, 1, true), out)
    local err
    out, err = run(1, "imports upload --series s " .. other)
    assert.are.equal("", out)
    assert.truthy(err:find('imports upload: series "s": the source differs', 1, true), err)
    assert.truthy(err:find(": --drift accept sends it as it is" .. table_of_both, 1, true), err)
    err = select(2, run(1, "imports upload --json --series s " .. other))
    assert.are.same({ { what = "missing", column = "a", before = "number" }, { what = "new", column = "b", now = "number" } },
      flarelight.json.decode(err).differences)
    assert.are.equal(0, #sandbox:requests())
    out = run(0, "plan --json --series s --drift accept " .. other)
    assert.are.equal(2, #flarelight.json.decode(out).differences)
    err = select(2, run(0, "imports upload --series s --drift accept " .. other))
    assert.truthy(err:find("differs from the upload of", 1, true), err)
    run(0, ("imports upload --series s %s %s"):format(other, other))
    for _, line in ipairs { "imports upload --series s --state none ", "plan --series s --state none " } do
      err = select(2, run(2, line .. same))
      assert.truthy(err:find("--series: needs a state file: --state FILE", 1, true), err)
    end
    for _, line in ipairs { "imports upload --drift accept ", "plan --drift accept " } do
      err = select(2, run(2, line .. same))
      assert.truthy(err:find("drift goes with", 1, true), err)
    end
  end)

  describe("that are several", function()
    local good, bad, other

    before_each(function()
      good, bad, other = folder .. "/good.csv", folder .. "/bad.csv", folder .. "/other.csv"
      system.write(good, "a\n1\n")
      system.write(bad, "a\n1,2\n")
      system.write(other, "a\n2\n3\n")
    end)

    it("are an upload each, with the worst status at the end", function()
      local out, err = run(0, ("imports upload %s %s"):format(good, other))
      assert.matches("^file +%S+good.csv\nimport +1\nrecords +1\n.*\n\nfile +%S+other.csv\nimport +2\nrecords +2\n", out)
      assert.are.equal("", err)
      out, err = run(1, ("imports upload %s %s %s"):format(good, bad, other))
      assert.matches("^file +%S+good.csv\n.*file +%S+other.csv\n", out)
      assert.matches("flarelight: %S+bad.csv: imports upload: .*the row has 2 cells", err)
      assert.are.same({ { a = 2 }, { a = 3 } }, rows(4))
    end)

    it("are in doubt with 3, whatever the others are", function()
      sandbox:fault { operation = "imports.import", kind = "commit_then_drop" }
      local _, err = run(3, ("imports upload --state none --settle 0.05 %s %s"):format(good, bad))
      assert.matches("fate: in_doubt", err)
      assert.matches("the row has 2 cells", err)
    end)

    it("give an array with --json, and a line for each error", function()
      local out, err = run(1, ("imports upload --json %s %s %s"):format(good, bad, other))
      local results = flarelight.json.decode(out)
      assert.are.equal(2, #results)
      assert.are.equal(other, results[2].file)
      assert.are.equal(2, results[2].records)
      local told = flarelight.json.decode(err)
      assert.are.equal(bad, told.file)
      assert.are.equal("io", told.kind)
      assert.are.equal(2, #flarelight.json.decode((run(0, ("plan --json %s %s"):format(good, other)))))
    end)

    it("end with Ctrl-C, after the results of those that are done", function()
      sandbox:fault { operation = "imports.import", kind = "latency", nth = 2, seconds = 60 }
      local out, err = command.shell(folder, environment, ([[
        %s bin/flarelight imports upload --json %s %s %s & running=$!
        for i in $(seq 1000); do
          flarelight imports pending --json -q | grep -q other.csv && break
          sleep 0.05
        done
        kill -INT $running; wait $running; echo "ended with $?" >&2]]):format(system.quote(system.interpreter), good, other, bad))
      assert.matches("ended with 130\n", err)
      local results = flarelight.json.decode(out)
      assert.are.equal(1, #results)
      assert.are.equal(good, results[1].file)
      local told = flarelight.json.decode((err:match "[^\n]+"))
      assert.are.equal("interrupted", told.kind)
      assert.matches("^flarelight imports resume %x+", told.resume)
      assert.are.same({ bad }, told.not_uploaded)
    end)

    it("are the parts of one import with --parts", function()
      local out = run(0, ("imports upload --parts --key k %s %s"):format(good, other))
      assert.matches("^import +1\nrecords +3\n", out)
      assert.are.same({ { a = 1 }, { a = 2 }, { a = 3 } }, rows(1))
      assert.are.equal("good", api.imports:all()[1].name)
      assert.matches("records +3\n", (run(0, ("plan --parts %s %s"):format(good, other))))
    end)

    it("that are parts go on where they were moved to", function()
      sandbox:fault { operation = "imports.import", kind = "status", status = 404, nth = 2 }
      local _, err = run(1, ("imports upload --parts --batch-records 1 %s %s"):format(good, other))
      local resume = assert(err:match "(imports resume %x+)")
      os.execute(("mv %s %s.moved; mv %s %s.moved"):format(good, good, other, other))
      run(1, resume)
      run(1, ("%s --file %s.moved"):format(resume, good))
      run(0, ("%s --file %s.moved --file %s.moved"):format(resume, good, other))
      assert.are.same({ { a = 1 }, { a = 2 }, { a = 3 } }, rows(1))
    end)

    it("cannot share what belongs to one", function()
      for _, options in ipairs { "--name n", "--key k", "--on-reject isolate --rejects r.jsonl" } do
        local _, err = run(2, ("imports upload %s %s %s"):format(good, other, options))
        assert.matches("is for one upload: give one FILE, or %-%-parts", err)
      end
      assert.are.equal(0, #sandbox:requests())
    end)
  end)
end)
