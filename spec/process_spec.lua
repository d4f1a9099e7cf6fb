-- What flarelight promises to the process it lives in: it starts and leaves nothing behind, ends with
-- calls under way, lives through forks, and shares a process with other states. Each case is a process
-- of its own (spec/process/*.lua), killed when it hangs; the sandbox is here.

local core = require "flarelight.core"
local support = require "support"
local system = require "support.system"

local unpack = table.unpack or unpack -- luacheck: ignore
local helpers = os.getenv "SPEC_HELPERS"
local sanitizer = os.getenv "SPEC_SANITIZER"
local interpreter, checked, thorough, quote = system.interpreter, system.checked, system.thorough, system.quote

local environment -- of the children: how they reach the sandbox
local sanitizing = "" -- and what the sanitizer is told

-- A child leaves what its parent's engine holds as it is: that is no leak. And it starts a thread.
local fork_options = {
  address = 'ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"',
  thread = 'TSAN_OPTIONS="$TSAN_OPTIONS:die_after_fork=0"',
}

local function use(sandbox, ca_file)
  environment = system.environment(sandbox)
  if ca_file then environment = ("SPEC_CA_FILE=%s %s"):format(quote(ca_file), environment) end
end

-- Runs a program; what it printed, and its exit status (137: it hung and was killed).
local function run(program, ...)
  local words = { sanitizing, environment, "timeout -s KILL", checked and 600 or 300, program }
  for _, word in ipairs { ... } do words[#words + 1] = quote(word) end
  return system.shell("exec 2>&1; " .. table.concat(words, " "))
end

-- Output without the lines that tell of writes under way at the end, or whose outcome had arrived, for programs that end
-- with some.
local function without_doubts(output)
  return (output:gsub("flarelight: the script ended while [%w.]+ was under way: it is in doubt whether it was applied\n", "")
    :gsub("flarelight: no code took the outcome of a write%. It is %w[%w ]+: imports%.import\n", ""))
end

local function runs_well(...)
  local output, status = run(...)
  assert.are.equal("ok\n", output)
  assert.are.equal(0, status)
end

local function case(...) runs_well(quote(interpreter), "spec/process/cases.lua", ...) end

describe("a process with flarelight", function()
  local plain, tls, ca_file, id

  local function fill(url_client)
    id = support.import(url_client, 200)
    url_client:close()
  end

  setup(function()
    plain = support.sandbox { rate_limit = 0 }
    fill(support.client(plain))
    local key
    ca_file, key = system.certificate "127.0.0.1"
    if ca_file then
      tls = support.sandbox { rate_limit = 0, certificate = ca_file, private_key = key }
      fill(support.client(tls, { ca_file = ca_file }))
    end
  end)
  teardown(function()
    plain:stop()
    if tls then tls:stop() end
  end)
  before_each(function() use(plain) end)
  after_each(function()
    plain:clear_faults()
    if tls then tls:clear_faults() end
  end)

  -- Both ways to speak to a server; without openssl's command only the plain one.
  local function each_way(fn)
    fn(plain)
    if not tls then return end
    use(tls, ca_file)
    fn(tls)
    use(plain)
  end

  it("has no thread and no descriptor of ours before the first call", function() case("starts_nothing") end)

  it("has none after the last client's close #slow", function()
    each_way(function(sandbox)
      case("leaves_nothing", checked and 20 or sandbox == plain and 1000 or 100, id)
    end)
  end)

  it("forgets streams that nobody holds any more #slow", function()
    if checked then return end -- it looks at the memory
    local api = support.client(plain)
    case("forgets_streams", 60, support.import(api, 10000))
    api:close()
  end)

  it("starts programs that get none of our descriptors", function()
    case "closes_on_exec"
    if tls then
      use(tls, ca_file)
      case "closes_on_exec"
    end
  end)

  it("keeps its signal handlers", function() case "keeps_signals" end)

  it("reaches this machine without the proxy of the environment #slow", function()
    local proxy = "http://127.0.0.1:9"
    each_way(function()
      environment = ("%s http_proxy=%s https_proxy=%s ALL_PROXY=%s"):format(environment, proxy, proxy, proxy)
      case "passes_proxies_by"
    end)
  end)

  it("has clients that are apart #slow", function()
    plain:fault { operation = "imports.data", kind = "latency", seconds = 0.5 }
    case "clients_are_apart"
  end)

  it("tells on standard error of a write under way when the script ends", function()
    for closes, told in pairs {
      [""] = "the script ended while reports%.generate was under way: it is in doubt whether it was applied",
      closes = "no code took the outcome of a write%. It is %a+ %a+: reports%.generate: the client %a+ closed", -- sent or not
    } do
      plain:clear_faults()
      plain:fault { operation = "reports.generate", kind = "latency", seconds = 60 }
      plain:fault { operation = "reports.all", kind = "latency", seconds = 60 }
      local output = run(quote(interpreter), "spec/process/cases.lua", "ends_with_a_write_under_way", closes)
      assert.truthy(output:gsub("ok\n", ""):find(("^flarelight: %s\n$"):format(told)), output)
    end
  end)

  it("ends streams whose client was closed", function() case("closes_streams", id) end)

  it("collects clients with pages under way #slow", function()
    case("collects_clients", id)
  end)

  it("is interrupted by a signal of its user, and goes on #slow", function()
    if sanitizer then return end -- lua's own interpreter has the handler
    plain:fault { operation = "reports.all", kind = "stall", seconds = 60, times = math.huge }
    case("is_interrupted", "call")
    case("is_interrupted", "tasks")
    case("is_interrupted", "sleep")
  end)

  describe("that forks #slow", function()
    before_each(function() sanitizing = fork_options[sanitizer] or "" end)
    after_each(function() sanitizing = "" end)

    it("before it has used it", function() each_way(function() case "forks_before_use" end) end)
    it("after it has used it", function() each_way(function() case "forks_after_use" end) end)
    it("with calls in flight", function()
      each_way(function(sandbox)
        sandbox:fault { operation = "reports.all", kind = "latency", seconds = 1 }
        case("forks_in_flight", id)
        case "forks_and_calls_first"
      end)
    end)
    for name, what in pairs {
      forks_with_a_state_file = "with a state file open", forks_in_an_upload = "in the middle of an upload",
      forks_and_goes_on = "and goes on with a copy of an upload",
    } do
      it(what, function() case(name, system.path()) end)
    end
    it("at any moment", function()
      if not thorough then return end
      each_way(function()
        local output = run(quote(interpreter), "spec/process/cases.lua", "forks_often", checked and 10 or 100)
        assert.are.equal("ok\n", without_doubts(output))
      end)
    end)
  end)

  describe("that ends with calls in flight #slow", function()
    -- Some replies come at once, some never, some break off.
    local function disturb(sandbox)
      sandbox:fault { operation = "imports.data", kind = "stall", seconds = 300, after = "half", probability = 0.2 }
      sandbox:fault { operation = "imports.import", kind = "stall", seconds = 300, probability = 0.3 }
      sandbox:fault { operation = "reports.chart_data", kind = "reset", probability = 0.5 }
      sandbox:fault { operation = "*", kind = "latency", seconds = 300, probability = 0.3 }
    end
    -- Ends `times` processes, some at the same time; each has to end by itself and as it wants to.
    local function ends(ending, status, times)
      local script = ([[%s timeout -s KILL %d %s spec/process/ending.lua %s "$0" %s >"$1.$0" 2>&1; found=$?;]]
        .. [[ [ $found -eq %d ] || { echo "run $0 ended with status $found:"; cat "$1.$0"; }; rm -f "$1.$0"]])
        :format(environment, checked and 300 or 120, quote(interpreter), ending, quote(id), status)
      assert.are.equal("", (system.shell(("seq %d | xargs -P 4 -I {} sh -c %s {} %s 2>&1")
        :format(times, quote(script), quote(system.path())))))
    end
    local endings = {
      { "exit", 7, thorough and 100 or 10 },
      { "exit_and_close", 7, 20 },
      { "raise", 1, 5 },
      { "fall_off", 0, 10 },
      { "close", 7, 10 },
      { "close_twice", 7, 10 },
      { "collect", 7, 10 },
    }
    for _, ending in ipairs(endings) do
      it(("by %s"):format(ending[1]), function()
        each_way(function(sandbox)
          disturb(sandbox)
          ends(ending[1], ending[2], checked and math.min(ending[3], 8) or ending[3])
          sandbox:clear_faults()
        end)
      end)
    end
  end)

  describe("of several Lua states #slow", function()
    local function embed(program, pairs_of, how, ...)
      local words = {}
      for word in pairs_of:gmatch "%S+" do words[#words + 1] = word end
      words[#words + 1] = "--"
      words[#words + 1] = how
      for _, word in ipairs { ... } do words[#words + 1] = word end
      return run(helpers .. "/" .. program, unpack(words))
    end
    local function is_quiet(...)
      local output, status = embed(...)
      assert.are.equal("", without_doubts(output))
      assert.are.equal(0, status)
    end
    local script = "spec/process/work.lua"

    it("that come and go with calls under way", function()
      each_way(function()
        is_quiet("embed", (checked and "5 " or "30 ") .. script, "abruptly", id)
      end)
    end)
    it("on threads of their own", function()
      each_way(function()
        is_quiet("embed", ("5 %s 5 %s"):format(script, script), "correctly", id)
        is_quiet("embed", ("20 %s 20 %s 20 %s"):format(script, script, script), "abruptly", id)
        is_quiet("embed", ("50 %s 50 %s"):format(script, script), "a_while", id)
        -- Those that go with calls under way disturb none of those that stay.
        is_quiet("embed", ("5 %s %d spec/process/abrupt.lua 5 %s"):format(script, checked and 5 or 40, script), "correctly", id)
      end)
    end)
    it("that ends while another of them works", function()
      each_way(function()
        for _ = 1, thorough and not checked and 10 or 3 do
          is_quiet("embed", ("1 spec/process/pause.lua 0 %s 0 %s"):format(script, script), "unto_the_end", id)
        end
      end)
    end)
    -- OpenSSL reads its configuration from a pipe that is closed only when the exit has begun.
    it("that ends while another of them prepares OpenSSL", function()
      if not core.libraries():find "OpenSSL/[3-9]" then return pending "libcurl has no OpenSSL" end
      local folder = system.folder()
      local pipe, opened = folder .. "/openssl.cnf", folder .. "/opened"
      system.shell("mkfifo " .. quote(pipe))
      each_way(function()
        os.remove(opened)
        local before = environment
        finally(function() environment = before end)
        environment = ("OPENSSL_CONF=%s %s"):format(quote(pipe), environment)
        system.shell(("{ timeout 60 sh -c 'exec 3>\"$0\"; : >\"$1\"; sleep 0.5' %s %s; } >/dev/null 2>&1 &"):format(
          quote(pipe), quote(opened)))
        is_quiet("embed", ("1 spec/process/leaves_early.lua 0 %s"):format(script), "unto_the_end", id, opened)
        environment = before
      end)
    end)
    it("into which it is linked", function()
      is_quiet("embed_static", "2 " .. script, "correctly", id)
    end)
    it("and makes no call once it has ended", function()
      each_way(function()
        assert.are.equal("closed\n", (embed("embed", "1 " .. script, "at_exit", id)))
      end)
    end)
    it("that run out of memory", function()
      if not thorough then return end
      is_quiet("embed", "1 " .. script, "without_memory", id)
      is_quiet("embed", "1 " .. script, "row_by_row", id)
      is_quiet("embed", "1 " .. script, "line_by_line", id)
    end)
  end)
end)
