-- coverage_report.lua GCOV HITS MISSED [partial]: reads what gcov -t printed and what coverage_hook.c noted, prints the
-- share of the lines that ran for each folder, and lists the others in the file MISSED. Fails if the core or the Lua files
-- are below LEAST, unless `partial`.

local LEAST = 92

local gcov, hits, missed, partial = ...
local files = {}   -- path -> line -> whether it ran

local function note(path, line, ran)
  files[path] = files[path] or {}
  files[path][line] = files[path][line] or ran
end

local source
for text in io.lines(gcov) do
  local count, line, rest = text:match "^%s*([^:]+):%s*(%d+):(.*)"
  if line == "0" then
    source = rest:match "^Source:(.*)" or source
  elseif count and source:find "^csrc/" and count ~= "-" then
    note(source, tonumber(line), not count:find "^[#=]")
  end
end

-- The lines that have code, by the listing of the compiler. The line of a function's `end` has some only for functions
-- that do not return before it.
local sources = io.popen "find lua -name '*.lua'"
for path in sources:lines() do
  local texts = {}
  for text in io.lines(path) do texts[#texts + 1] = text end
  local listing = io.popen(("luac5.4 -l -p '%s'"):format(path))
  for text in listing:lines() do
    local line, operation = text:match "^%s+%d+%s+%[(%d+)%]%s+(%u+)"
    line = tonumber(line)
    if line and operation ~= "VARARGPREP" and not texts[line]:find "^[%s%)%],}]*end?[%s%)%],}]*$" then
      note(path, line, false)
    end
  end
  listing:close()
end
sources:close()

for path, lines in pairs(files) do
  local file = io.open(hits .. "/" .. path:gsub("/", "%%"), "rb")
  local ran = file and file:read "a" or ""
  if file then file:close() end
  for line, known in pairs(lines) do
    if not known and (ran:byte(line + 1) or 0) ~= 0 then lines[line] = true end
  end
end

local sums, paths = {}, {}
local function add(name, ran)
  local sum = sums[name] or { ran = 0, all = 0 }
  sums[name] = sum
  sum.all = sum.all + 1
  if ran then sum.ran = sum.ran + 1 end
end
for path in pairs(files) do paths[#paths + 1] = path end
table.sort(paths)
local out = assert(io.open(missed, "w"))
for _, path in ipairs(paths) do
  local lines = {}
  for line, ran in pairs(files[path]) do
    add(path:find "^csrc/core/" and "core" or path:find "^lua/" and "Lua" or "other C", ran)
    add((path:gsub("/[^/]*$", "")), ran)
    if not ran then lines[#lines + 1] = line end
  end
  table.sort(lines)
  if #lines > 0 then out:write(path, ": ", table.concat(lines, " "), "\n") end
end
out:close()

local names, low = {}, false
for name in pairs(sums) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  local sum = sums[name]
  local share = 100 * sum.ran / sum.all
  print(("coverage: %-28s %5.1f %% of %d lines"):format(name, share, sum.all))
  if (name == "core" or name == "Lua") and share < LEAST then low = true end
end
print(("coverage: %s lists the lines that nothing ran"):format(missed))
if low and not partial then
  print(("coverage: the core or the Lua files are below %d %%"):format(LEAST))
  os.exit(1)
end
