-- generate.lua FOLDER: the pages that every side reads: a million rows of ten columns as 200 pages of
-- 5,000, 236 MB of JSON, the same bytes on every machine and Lua. Beside them an empty page, a page of
-- ten rows, a list of imports (the small call), and rows as CSV files for uploads, in several forms.
-- In every page `quantity` is a permutation of 0 to 4,999, so its sum tells whether a side read all.

local folder = arg[1]
local pages, rows_a_page = 200, 5000

local species = {
  "European herring gull", "common kestrel", "barn swallow", "rock dove", "Canada goose", "mallard",
  "European starling", "mourning dove", "red-tailed hawk", "killdeer", "horned lark", "common buzzard",
  "grey heron", "carrion crow", "northern lapwing", "common swift", "house martin", "unknown, medium",
}
local airports = {
  "EDDH Hamburg", "EDDF Frankfurt am Main", "EGLL London Heathrow", "LFPG Paris Charles de Gaulle",
  "KDEN Denver", "KATL Atlanta", "KJFK New York", "OMDB Dubai", "RJTT Tokyo Haneda", "YSSY Sydney",
  "ZBAA Beijing", "SBGR Guarulhos", "EHAM Amsterdam", "LEMD Madrid Barajas", "LOWW Vienna",
}
local phases = { "approach", "climb", "descent", "landing roll", "take-off run", "taxi", "en route" }

-- A linear congruential generator that stays within the integers every Lua holds exactly.
local seed = 20240506
local function random(limit)
  seed = (seed * 1103 + 12345) % 2147483648
  return math.floor(seed / 65536) % limit
end

local row_format = '{"number":%d,"name":"observation %07d of the night","species":"%s","airport":"%s",'
  .. '"observed_at":"20%02d-%02d-%02dT%02d:%02d:%02dZ","cost":%d.%02d,"quantity":%d,"damaged":%s,'
  .. '"reported":%s,"phase":"%s"}'

local csv_format = "%d,observation %07d of the night,%s,%s,20%02d-%02d-%02dT%02d:%02d:%02dZ,%d.%02d,%d,%s,%s,%s\n"
local csv_header = "number,name,species,airport,observed_at,cost,quantity,damaged,reported,phase\n"

local function values(position)
  return 1000000 + position, position, species[random(#species) + 1],
    airports[random(#airports) + 1], random(25), random(12) + 1, random(28) + 1, random(24), random(60),
    random(60), random(25000), random(90) + 10, position * 2063 % rows_a_page,
    random(4) == 0 and "true" or "false", random(2) == 0 and "true" or "false", phases[random(#phases) + 1]
end

local function row(position) return row_format:format(values(position)) end

-- A cell with a comma stands in quotes.
local function line(position)
  return (csv_format:format(values(position)):gsub("unknown, medium", '"unknown, medium"'))
end

local function write(name, rows)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  assert(file:write('{"data":[', table.concat(rows, ","), '],"messages":[]}'))
  assert(file:close())
end

-- A reader of ten million rows gets the million again and again. It asks for the rows around the beginning of a page
-- again, because rows that repeat may be those of a service that ignores `start`.
local first, last = nil, nil
for page = 0, pages - 1 do
  local rows = {}
  for index = 1, rows_a_page do rows[index] = row(page * rows_a_page + index - 1) end
  write(("%d.json"):format(page * rows_a_page), rows)
  if last then write(("%d.json"):format(page * rows_a_page - 1), { last, rows[1] }) end
  first, last = first or rows[1], rows[rows_a_page]
end
write(("%d.json"):format(pages * rows_a_page - 1), { last, first })
write("empty.json", {})

local ten = {}
for index = 1, 10 do ten[index] = row(0) end -- equal rows, so that each position has the same row in all pages
write("ten.json", ten)

local imports = {}
for id = 1, 3 do imports[id] = ('{"id":%d,"name":"strikes of 20%02d","records":%d}'):format(id, id, id * 1000) end
write("imports.json", imports)

-- What is uploaded: as many rows as CSV, and the two that are read back at the end of it. The same with semicolons, as
-- windows-1252 and compressed; with the columns that "upload-mapped" sends, the two rows are others.
local function mapped(position)
  return (row(position):gsub('"cost":', '"price":'):gsub(',"phase":.*', ',"source":"nightly"}'))
end

for _, count in ipairs { 100000, 1000000 } do
  local function open(ending) return assert(io.open(("%s/%d%s"):format(folder, count, ending), "wb")) end
  local file, semicolons, windows = open ".csv", open "-semicolons.csv", open "-windows.csv"
  assert(file:write(csv_header))
  assert(windows:write(csv_header))
  assert(semicolons:write((csv_header:gsub(",", ";"))))
  seed = 20240506
  for position = 0, count - 1 do
    if position == 0 or position == count - 1 then
      local before = seed
      write(position == 0 and "first.json" or ("last%d.json"):format(count), { row(position) })
      seed = before
      write(position == 0 and "first-mapped.json" or ("last-mapped%d.json"):format(count), { mapped(position) })
      seed = before
    end
    local text = line(position)
    assert(file:write(text))
    assert(semicolons:write((text:gsub('"unknown, medium"', "unknown/ medium"):gsub(",", ";")
      :gsub("unknown/ medium", "unknown, medium"))))
    -- Not in the rows that are read back.
    if position > 0 and position < count - 1 then text = text:gsub("heron", "h\233ron") end
    assert(windows:write(text))
  end
  assert(file:close())
  assert(semicolons:close())
  assert(windows:close())
  assert(os.execute(("gzip -kf %s/%d.csv"):format(folder, count)))
end
