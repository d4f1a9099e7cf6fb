-- nasty.lua [SHAPE]: inputs whose shape is chosen to make work grow faster than their size. Each is made in doubling
-- sizes, and its CPU time is measured. Prints the time at the first and the last size, and by which power of the size it
-- grows (of three doublings, the one in the middle); ends with 1 if that is above MOST for any shape. Run by
-- `sh bench/run nasty [LUA]`; needs no server.
--
-- What is measured is the CPU time of the whole process, of which other work on the machine changes little. A time is the
-- least of several runs. Linear work has power 1, a sort a little more, quadratic work 2.

local flarelight = require "flarelight"

local json, csv = flarelight.json, flarelight.csv

local MOST = 1.7      -- linear work, with the noise of caches and of a busy machine, is below; quadratic work above
local DOUBLINGS = 3   -- an odd number
local LEAST = 0.002   -- seconds of the first size: below, the overhead of the call would hide the growth
local RUNS = 3

local folder = os.getenv "BENCH_SCRATCH" or os.getenv "TMPDIR" or "/tmp"
local path = ("%s/nasty-%d"):format(folder, math.random(1, 1e9))

local function decode(text) return function() json.decode(text) end end

-- A number that does not grow with the place, so that all pieces have one length.
local function digits(i) return ("%07d"):format(i) end

local function pieces(count, make)
  local list = {}
  for i = 1, count do list[i] = make(i) end
  return list
end

local function joined(count, make, separator) return table.concat(pieces(count, make), separator) end

-- Reads a file to its end, or to its error.
local function read(ending, text, options)
  local name = path .. ending
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
  return function()
    local rows = csv.rows(name, options)
    while rows:next() do end -- luacheck: ignore 542
    rows:close()
  end
end

-- Writes rows to a file.
local function write(ending, rows)
  return function()
    local writer = assert(csv.write(path .. ending))
    for _, row in ipairs(rows) do writer:write(row) end
    writer:close()
  end
end

local function wide(count)
  local row = {}
  for i = 1, count do row["name" .. digits(i)] = i end
  return row
end

-- A shape: its name, its function (size -> function to measure), its first size, and its largest (of shapes that have a
-- ceiling, above which they are refused).
local shapes = {
  { "JSON: arrays in arrays, again and again", function(n)
    return decode("[" .. joined(n, function() return ("["):rep(90) .. ("]"):rep(90) end, ",") .. "]")
  end, 500 },
  { "JSON: brackets that are never closed", function(n) return decode(("["):rep(n)) end, 500000, 500000 * 8 },
  { "JSON: an array of zeros", function(n) return decode("[" .. ("0,"):rep(n) .. "0]") end, 50000 },
  { "JSON: an array of empty objects", function(n) return decode("[" .. ("{},"):rep(n) .. "{}]") end, 20000 },
  { "JSON: an object of many names", function(n)
    return decode("{" .. joined(n, function(i) return ('"n%s":0'):format(digits(i)) end, ",") .. "}")
  end, 10000 },
  { "JSON: an object of one name", function(n) return decode("{" .. ('"n":0,'):rep(n) .. '"n":0}') end, 20000 },
  { "JSON: rows of ever other names", function(n)
    return decode("[" .. joined(n, function(i) return ('{"n%s":0}'):format(digits(i)) end, ",") .. "]")
  end, 10000 },
  { "JSON: a string of escapes", function(n) return decode('"' .. ("\\u0041"):rep(n) .. '"') end, 200000 },
  { "JSON: a string of quotes", function(n) return decode('"' .. ('\\"'):rep(n) .. '"') end, 500000 },
  { "JSON: a string that never ends", function(n) return decode('"' .. ("a"):rep(n)) end, 4000000 },
  { "JSON: a number of many digits", function(n) return decode("[" .. ("9"):rep(n) .. "]") end, 200000 },
  { "JSON: a fraction of many digits", function(n) return decode("[0." .. ("0"):rep(n) .. "1e5]") end, 200000 },
  { "JSON: white space", function(n) return decode((" \n"):rep(n) .. "1") end, 2000000 },
  { "JSON written: a table of many names", function(n)
    local row = wide(n)
    return function() json.encode(row) end
  end, 5000 },
  { "JSON written: a string of control characters", function(n)
    local text = ("\1"):rep(n)
    return function() json.encode(text) end
  end, 500000 },
  { "CSV: a header of many names", function(n)
    return read(".csv", joined(n, function(i) return "n" .. digits(i) end, ",") .. "\n")
  end, 2000, 16384 },
  { "CSV: a row of many cells", function(n)
    return read(".csv", joined(n, function(i) return "n" .. digits(i) end, ",") .. "\n" .. ("1,"):rep(n - 1) .. "1\n")
  end, 2000, 16384 },
  { "CSV: a cell of quotes", function(n) return read(".csv", 'a\n"' .. ('""'):rep(n) .. '"\n') end, 200000 },
  { "CSV: a quote that is never closed", function(n) return read(".csv", 'a\n"' .. ("b,\n"):rep(n)) end, 200000 },
  { "CSV: empty lines", function(n) return read(".csv", "a\n" .. ("\n"):rep(n) .. "1\n") end, 500000 },
  { "CSV: columns whose types change at the end", function(n)
    return read(".csv", "a\n" .. ("1\n"):rep(n) .. "x\n", { types = "auto" })
  end, 20000 },
  { "JSON lines: records of ever other names", function(n)
    local text = joined(n, function(i) return ('{"n%s":0}\n'):format(digits(i)) end)
    return read(".jsonl", text, { columns = { "n0000001" } })
  end, 10000 },
  { "CSV written: a row of many members", function(n) return write(".out.csv", { wide(n) }) end, 2000, 16384 },
  { "CSV written: rows that lack members", function(n)
    local rows = pieces(n, function(i) return i == 1 and wide(50) or { name0000050 = i } end)
    return write(".out.csv", rows)
  end, 5000 },
}

-- --- measuring ---

local function time_of(run)
  local best = math.huge
  for _ = 1, RUNS do
    collectgarbage()
    local begin = os.clock()
    run()
    best = math.min(best, os.clock() - begin)
  end
  return best
end

-- The power by which the time of a shape grows, the sizes and the times. The power is the median of those of the
-- doublings: memory that comes anew from the system makes a single step dear.
local function measure(shape)
  local make, size, ceiling = shape[2], shape[3], shape[4] or math.huge
  local first = time_of(make(size))
  while first < LEAST and size * 2 * 2 ^ DOUBLINGS <= ceiling do
    size = size * 2
    first = time_of(make(size))
  end
  local powers, before, last = {}, first, size
  for i = 1, DOUBLINGS do
    last = last * 2
    local now = time_of(make(last))
    powers[i], before = math.log(now / before) / math.log(2), now
  end
  table.sort(powers)
  return powers[(DOUBLINGS + 1) / 2], size, first, last, before
end

local failed = 0
print(("%-46s %9s %9s %9s %9s %6s"):format("shape", "size", "ms", "size", "ms", "power"))
for _, shape in ipairs(shapes) do
  if not arg[1] or shape[1]:find(arg[1], 1, true) then
    local power, small, first, large, largest = measure(shape)
    if power > MOST then power, small, first, large, largest = measure(shape) end -- once more: it may have been noise
    local missed = power > MOST
    if missed then failed = failed + 1 end
    print(("%-46s %9d %9.2f %9d %9.2f %6.2f%s"):format(shape[1], small, first * 1000, large, largest * 1000, power,
      missed and "  MISSED" or ""))
  end
end
for _, ending in ipairs { ".csv", ".jsonl", ".out.csv", ".out.csv.part" } do os.remove(path .. ending) end
os.exit(failed == 0)
