-- compare.lua WHAT LUA BASE: runs the sides of one comparison in alternating rounds, and prints the ratios beside
-- their bars. bench/run starts it, after it has built the sides and begun to serve the pages at BASE.
--
-- Environment:
--   BENCH_ROUNDS   rounds; 5 by default. memory and linear run at most 3.
--   BENCH_ROWS     rows to read; 1000000 by default. 100000 gives a quick look, which proves nothing.
--   BENCH_WORK     folder of the generated files. Results go to results/ in it, for bench/report.
--   BENCH_SCRATCH  folder that is removed afterwards.
--
-- A side is a command that measures its own time, without the start of its interpreter. It prints the seconds, the
-- number of rows, pages or calls, and a sum that shows that it saw all of them. A figure is the median, over the
-- rounds, of the ratio of two sides in the same round.

local what, lua, base = arg[1], arg[2], arg[3]
local rounds = tonumber(os.getenv "BENCH_ROUNDS") or 5
local rows = tonumber(os.getenv "BENCH_ROWS") or 1000000
local work, scratch = os.getenv "BENCH_WORK", os.getenv "BENCH_SCRATCH"
local python = os.getenv "BENCH_PYTHON" or "/usr/bin/python3"
local calls = rows / 100
local quantity_a_row = 4999 / 2 -- on average, in every page

-- --- the sides ---

local function side(name, command, count)
  return { name = name, count = count,
    command = command:gsub("%u+", {
      LUA = lua, BASE = base, WORK = work, PYTHON = python, COUNT = ("%d"):format(count),
    }) }
end

local function reads(name, command, count)
  local self = side(name, command, count or rows)
  self.sum = self.count * quantity_a_row
  return self
end

local flarelight = "LUA bench/clients/flarelight.lua "
local wire = side("libcurl, bytes thrown away", "WORK/easy rows BASE COUNT", rows)
local easy = side("libcurl easy, one by one", "WORK/easy calls BASE COUNT", calls)
local multi = side("libcurl multi, 64 at once", "WORK/multi calls BASE COUNT 64", calls)
local our_rows = reads("flarelight rows", flarelight .. "rows BASE COUNT")

local function vm(way)
  return reads("the VM alone, " .. way, "LUA bench/clients/vm_limit.lua " .. way .. " WORK/pages COUNT")
end

local function grown(kind, unit, count)
  local make = kind == "rows" and reads or side
  return make(("%d %s"):format(count, unit), flarelight .. kind .. " BASE COUNT", count)
end

-- --- the comparisons: sides, and bars over them ---
-- The quantity of a bar is one of these:
--   time       the ratio of the times of two sides
--   time_each  the same, for each row or call
--   cpu        the ratio of the CPU times of the whole processes; other load on the machine changes it less
--   peak       memory: the MB of one side, or the ratio of two
-- A bar without a limit is printed and not checked. A side is named by its place. A list stands for the fastest side in
-- it.

-- The memory of each kind of upload at 10,000,000 rows, and at 100,000.
local function large_uploads()
  local found = { rounds = 1, sides = {}, bars = {} }
  for place, kind in ipairs { "upload", "upload-mapped", "upload-windows", "upload-gzip", "upload-map" } do
    found.sides[2 * place - 1], found.sides[2 * place] = grown(kind, kind, 100000), grown(kind, kind, 10000000)
    found.bars[2 * place - 1] = { kind .. ": peak memory at 10000000 rows, MB", "peak", 2 * place, at_most = 40 }
    found.bars[2 * place] =
      { kind .. ": peak memory, 10000000 / 100000", "peak", 2 * place, 2 * place - 1 }
  end
  return found
end

local comparisons = {
  large = large_uploads(),
  rows = {
    sides = {
      our_rows, vm "pages", vm "rows", vm "chunks",
      reads("luasocket + lua-cjson", "LUA bench/clients/luasocket.lua BASE COUNT"),
      reads("lua-curl + lua-cjson", "LUA bench/clients/luacurl.lua BASE COUNT"),
      reads("Python requests", "PYTHON bench/clients/requests_client.py rows BASE COUNT"),
      reads("Node fetch", "node bench/clients/fetch.mjs rows BASE COUNT"),
      reads("Go net/http + encoding/json", "WORK/nethttp BASE COUNT"),
      wire,
    },
    bars = {
      { "rows / the VM alone", "time", 1, { 2, 3, 4 }, at_most = lua == "luajit" and 1.5 or 1.15 },
      { "luasocket + lua-cjson / rows", "time", 5, 1, at_least = 3 },
      { "Python requests / rows", "time", 7, 1, at_least = 2.2 },
      { "Node fetch / rows", "time", 8, 1, at_least = 2.2 },
    },
  },
  columns = {
    sides = { our_rows, reads("flarelight rows:columns", flarelight .. "columns BASE COUNT"), vm "columns" },
    bars = {
      { "rows / rows:columns", "time", 1, 2, at_least = 2 },
      { "rows:columns / the VM alone", "time", 2, 3 },
    },
  },
  export = {
    sides = {
      side("flarelight export, CSV", flarelight .. "export-csv BASE COUNT", rows),
      side("flarelight export, JSON lines", flarelight .. "export-jsonl BASE COUNT", rows),
      side("Python requests + csv", "PYTHON bench/clients/requests_client.py export-csv BASE COUNT", rows),
      wire,
    },
    bars = {
      { "export to CSV / the wire's limit", "time", 1, 4, at_most = 5 },
      { "export to JSON lines / the wire's limit", "time", 2, 4, at_most = 5 },
      { "Python requests + csv / export to CSV", "time", 3, 1, at_least = 8 },
    },
  },
  upload = {
    sides = {
      side("flarelight upload from CSV, with its journal", flarelight .. "upload BASE COUNT", rows),
      side("the same, 100000 rows", flarelight .. "upload BASE COUNT", 100000),
      side("Python csv + requests", "PYTHON bench/clients/requests_client.py upload BASE COUNT", rows),
    },
    bars = {
      { "Python csv + requests / upload", "time", 3, 1, at_least = 5 },
      { ("peak memory, %d rows / 100000"):format(rows), "peak", 1, 2, at_most = 1.1 },
    },
  },
  files = {
    sides = {
      side("upload of a CSV file", flarelight .. "upload BASE COUNT", rows),
      side("delimiter, rename, set, columns", flarelight .. "upload-mapped BASE COUNT", rows),
      side("windows-1252", flarelight .. "upload-windows BASE COUNT", rows),
      side("gzip", flarelight .. "upload-gzip BASE COUNT", rows),
      side("map, the identity", flarelight .. "upload-map BASE COUNT", rows),
      side("Python csv + requests, mapped", "PYTHON bench/clients/requests_client.py upload-mapped BASE COUNT", rows),
      side("zcat, standard input",
        "sh -c 'zcat WORK/pages/COUNT.csv.gz | " .. flarelight .. "upload-input BASE COUNT'", rows),
    },
    bars = {
      { "delimiter, rename, set, columns / plain", "time", 2, 1, at_most = 1.1 },
      { "windows-1252 / plain", "time", 3, 1, at_most = 1.3 },
      { "gzip / plain", "time", 4, 1, at_most = 1.5 },
      { "gzip / zcat, standard input", "time", 4, 7, at_most = 1 },
      { "map, the identity / plain", "time", 5, 1, at_most = 3 },
      { "Python, mapped / the same upload", "time", 6, 2, at_least = 5 },
      { "CPU: delimiter, rename, set, columns / plain", "cpu", 2, 1 },
      { "CPU: windows-1252 / plain", "cpu", 3, 1 },
      { "CPU: gzip / plain", "cpu", 4, 1 },
      { "CPU: gzip / zcat, standard input", "cpu", 4, 7 },
      { "CPU: map, the identity / plain", "cpu", 5, 1 },
      { "CPU: Python, mapped / the same upload", "cpu", 6, 2 },
      { "peak memory of gzip, MB", "peak", 4, at_most = 40 },
      { "peak memory of map, MB", "peak", 5, at_most = 40 },
    },
  },
  calls = {
    sides = { side("flarelight, one by one", flarelight .. "calls BASE COUNT", calls), easy },
    bars = { { "calls one after another / libcurl easy", "time", 1, 2, at_most = 1.3 } },
  },
  concurrent = {
    sides = {
      side("flarelight, 64 at once", flarelight .. "concurrent BASE COUNT", calls),
      side("Node fetch, 64 at once", "node bench/clients/fetch.mjs concurrent BASE COUNT", calls),
      easy, multi,
    },
    bars = {
      { "Node fetch / calls, 64 at once", "time", 2, 1, at_least = 3 },
      { "libcurl easy / calls, 64 at once", "time", 3, 1, at_least = 1 },
      { "calls, 64 at once / libcurl multi", "time", 1, 4, at_most = 1.5 },
      { "CPU: calls, 64 at once / libcurl multi", "cpu", 1, 4 },
    },
  },
  memory = {
    rounds = 3,
    sides = { grown("rows", "rows", 100000), grown("rows", "rows", 10000000) },
    bars = {
      { "peak memory at 10000000 rows, MB", "peak", 2, at_most = 40 },
      { "peak memory, 10000000 rows / 100000", "peak", 2, 1, at_most = 1.1 },
    },
  },
  linear = {
    rounds = 3,
    sides = {
      grown("rows", "rows", rows), grown("rows", "rows", rows * 10),
      grown("pages", "pages of 10 rows", rows / 100), grown("pages", "pages of 10 rows", rows / 10),
      grown("calls", "calls", calls), grown("calls", "calls", calls * 10),
    },
    bars = {
      { ("time a row, %d / %d"):format(rows * 10, rows), "time_each", 2, 1, at_most = 1.1 },
      { ("time a page, %d / %d"):format(rows / 10, rows / 100), "time_each", 4, 3, at_most = 1.1 },
      { ("time a call, %d / %d"):format(calls * 10, calls), "time_each", 6, 5, at_most = 1.1 },
    },
  },
}

-- --- measuring ---

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local peak_path, error_path = scratch .. "/peak", scratch .. "/errors"

--- Runs a side once. Returns seconds, peak in MB, CPU seconds; or nil and a message.
local function measure(self)
  local pipe = assert(io.popen(("exec env time -q -f '%%M %%U %%S' -o '%s' timeout 170 %s 2>'%s'"):format(
    peak_path, self.command, error_path)))
  local line = pipe:read "*l" or ""
  pipe:close()
  local seconds, count, sum = line:match "^([%d.]+) (%d+) ?(%d*)$"
  if not seconds then return nil, read_file(error_path):match "[^\n]+" or "no result" end
  if tonumber(count) ~= self.count then return nil, ("%s of %d were seen"):format(count, self.count) end
  if self.sum and tonumber(sum) ~= self.sum then return nil, ("the sum is %s, not %.0f"):format(sum, self.sum) end
  local peak, user, system = read_file(peak_path):match "(%d+) ([%d.]+) ([%d.]+)"
  return tonumber(seconds), assert(tonumber(peak)) / 1024, user + system
end

local function median(values)
  table.sort(values)
  local middle = #values / 2
  if #values % 2 == 1 then return values[math.floor(middle) + 1] end
  return (values[middle] + values[middle + 1]) / 2
end

local function median_of(self, what_of)
  local values = {}
  for round, value in ipairs(self[what_of]) do values[round] = value end
  return median(values)
end

local comparison = comparisons[what]
if not comparison then
  local names = {}
  for name in pairs(comparisons) do names[#names + 1] = name end
  table.sort(names)
  io.stderr:write("what to measure: ", table.concat(names, ", "), "\n")
  os.exit(2)
end
local sides = comparison.sides
rounds = math.min(rounds, comparison.rounds or rounds)

for _, self in ipairs(sides) do self.time, self.peak, self.cpu = {}, {}, {} end
for round = 1, rounds do
  -- Every second round runs in reverse order, so that no side always follows the same other side.
  local first, last, step = 1, #sides, 1
  if round % 2 == 0 then first, last, step = last, first, -1 end
  for place = first, last, step do
    local self = sides[place]
    if not self.failure then
      local seconds, peak, cpu = measure(self)
      if seconds then self.time[round], self.peak[round], self.cpu[round] = seconds, peak, cpu
      else self.failure = peak end
    end
  end
end

-- --- output ---

local results = assert(io.open(("%s/results/%s.%s"):format(work, what, lua), "w"))

--- Prints one line to the terminal, and keeps the same cells for bench/report.
local function tell(kind, format, ...)
  print(format:format(...))
  results:write(table.concat({ kind, lua, rounds, ... }, "\t"), "\n")
end

print(("\n%s on %s, %d round%s"):format(what, lua, rounds, rounds == 1 and "" or "s"))
print(("  %-42s %9s %9s %9s %9s"):format("side", "seconds", "fastest", "peak MB", "CPU s"))
for _, self in ipairs(sides) do
  if self.failure then
    print(("  %-42s not measured: %s"):format(self.name, self.failure))
  else
    tell("side", "  %-42s %9s %9s %9s %9s", self.name, ("%.3f"):format(median_of(self, "time")),
      ("%.3f"):format(math.min((unpack or table.unpack)(self.time))), ("%.1f"):format(median_of(self, "peak")),
      ("%.2f"):format(median_of(self, "cpu")))
  end
end

--- The side that a bar names; of a list, the fastest. nil if one of them was not measured.
local function named(place)
  if type(place) == "number" then return not sides[place].failure and sides[place] or nil end
  local fastest
  for _, each in ipairs(place) do
    local self = named(each)
    if not self then return nil end
    if not fastest or median_of(self, "time") < median_of(fastest, "time") then fastest = self end
  end
  return fastest
end

local function figure(bar)
  local of, one, other = bar[2], named(bar[3]), bar[4] and named(bar[4])
  if not one or (bar[4] and not other) then return nil end
  if not other then return median_of(one, of) end
  local ratios = {}
  for round = 1, rounds do
    local key = of == "time_each" and "time" or of
    ratios[round] = one[key][round] / other[key][round]
    if of == "time_each" then ratios[round] = ratios[round] / one.count * other.count end
  end
  return median(ratios)
end

local missed = 0
print(("  %-42s %9s %9s"):format("bar", "measured", "bar"))
for _, bar in ipairs(comparison.bars) do
  local value = figure(bar)
  local kept = value and value <= (bar.at_most or math.huge) and value >= (bar.at_least or 0)
  local limit = bar.at_most and ("<= %g"):format(bar.at_most)
    or bar.at_least and (">= %g"):format(bar.at_least) or "none"
  if not kept then missed = missed + 1 end
  tell("bar", "  %-42s %9s %9s  %s", bar[1], value and ("%.2f"):format(value) or "-", limit,
    limit == "none" and "" or kept and "ok" or value and "MISSED" or "not measured")
end
results:close()
os.exit(missed == 0 and 0 or 1)
