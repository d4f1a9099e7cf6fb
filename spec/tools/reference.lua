--- The reference as input of LDoc: reads the annotations of the public functions and classes (LuaLS's notation, which LDoc
-- does not know) and writes a file of LDoc's comments for each page.
--
--   lua5.4 spec/tools/reference.lua FOLDER     writes FOLDER/NAME.lua; run in the root of the project
--
-- spec/tools/docs runs LDoc on them. Relies on the rules that spec/types_spec.lua checks: each public function stands
-- behind its own comment.

local folder = assert(arg[1], "usage: reference.lua FOLDER")

-- The pages: a name, a title, and the files with the tables of their public functions and the prefix of these.
local PAGES = {
  { "flarelight", "The module", { { "init", { flarelight = "flarelight." } } } },
  { "api", "A client: flarelight.new()", { { "client", { Client = "api:" } } } },
  { "imports", "Data imports: api.imports", { { "imports", { Imports = "api.imports:" } } } },
  { "rows", "The rows of an import", { { "rows", { Rows = "rows:" } } } },
  { "preparations", "Data preparations: api.preparations", { { "preparations", { Preparations = "api.preparations:" } } } },
  { "reports", "Reports: api.reports", { { "reports", { Reports = "api.reports:" } } } },
  { "automations", "Automations: api.automations", { { "automations", { Automations = "api.automations:" } } } },
  { "tasks", "Tasks: api:spawn()", { { "host/tasks", { Task = "task:" } } } },
  { "chart", "Charts: flarelight.chart", { { "chart/init", { chart = "flarelight.chart." } } } },
  { "csv", "Files of rows: flarelight.csv", {
    { "csv", { csv = "flarelight.csv.", Rows = "rows:" } }, { "csv_writer", { csv_writer = "flarelight.csv.", Writer = "writer:" } },
  } },
  { "json", "JSON: flarelight.json", { { "json", { json = "flarelight.json." } } } },
  { "metrics", "Metrics: flarelight.metrics", { { "metrics", { metrics = "flarelight.metrics." } } } },
  { "sandbox", "The sandbox: flarelight.sandbox", { { "sandbox/init", { sandbox = "flarelight.sandbox.", Sandbox = "box:" } } } },
}

-- The files whose classes are public, beside those above.
local TYPES = {
  "configuration", "calls", "error", "pages", "file_options", "upload/init", "upload/plan", "upload/series", "export/options",
  "export/init", "compare", "wait/init", "once/init", "history/init", "cache/init", "hooks", "sandbox/switches", "sandbox/faults",
  "profile",
}
-- Classes of these files that are not for callers.
local PRIVATE = { ["flarelight.Hooks"] = true, ["flarelight.Flight"] = true, ["flarelight.Found"] = true }

local function lines_of(name)
  local lines = {}
  for line in io.lines(("lua/flarelight/%s.lua"):format(name)) do lines[#lines + 1] = line end
  return lines
end

local classes = {} -- name -> true

local function escape(text) return (text:gsub("&", "&amp;"):gsub("<", "&lt;"):gsub(">", "&gt;")) end

-- A type of LuaLS as HTML, with links to classes.
local function type_of(text)
  return "<code>" .. escape(text):gsub("flarelight%.[%w_]+", function(name)
    return classes[name] and ('<a href="types.html#%s">%s</a>'):format(name, name) or nil
  end) .. "</code>"
end

-- Divides "TYPE rest": a type may hold spaces in brackets, and behind a colon or a comma.
local function divide(text)
  local depth, place = 0, 1
  while place <= #text do
    local character = text:sub(place, place)
    if character:find "[%(%[{<]" then depth = depth + 1
    elseif character:find "[%)%]}>]" then depth = depth - 1
    elseif character == '"' then place = text:find('"', place + 1, true) or place
    elseif character == " " and depth == 0 and not text:sub(1, place - 1):find "[:,|]$" then
      return text:sub(1, place - 1), text:sub(place + 1)
    end
    place = place + 1
  end
  return text, ""
end

-- The comment above a line: its text, parameters, results and type.
local function comment_above(lines, number)
  local first = number
  while lines[first - 1] and lines[first - 1]:find "^%-%-" do first = first - 1 end
  local found = { text = {}, parameters = {}, results = {} }
  for place = first, number - 1 do
    local line = lines[place]
    local tag, rest = line:match "^%-%-%-@(%w+) ?(.*)$"
    if tag == "param" then
      local name, after = rest:match "^(%S+) (.*)$"
      local kind, about = divide(after)
      table.insert(found.parameters, { name = name:gsub("%?$", ""), kind = kind, about = about })
    elseif tag == "return" then table.insert(found.results, rest)
    elseif tag == "type" then found.type = rest
    elseif not tag then table.insert(found.text, (line:gsub("^%-%-%-? ?", ""))) end
  end
  return found
end

local function paragraphs(text)
  local joined = {}
  for _, line in ipairs(text) do joined[#joined + 1] = line == "" and "<br><br>" or escape(line) end
  return (table.concat(joined, "\n"):gsub("`([^`]+)`", "<code>%1</code>"):gsub("\n", "\n-- "))
end

-- The parameters and the result of a type fun(self: …, NAME: TYPE, …): RESULT.
local function take_type(found)
  local inside, result = found.type:match "^fun(%b()): (.*)$"
  inside = inside:sub(2, -2) .. ","
  for name, kind in inside:gmatch "([%w_]+): ([^,]*)," do
    if name ~= "self" then table.insert(found.parameters, { name = name, kind = kind, about = "" }) end
  end
  found.results = { result }
end

local function put_function(out, name, found)
  if found.type then take_type(found) end
  out[#out + 1] = "\n--- " .. paragraphs(found.text)
  for _, each in ipairs(found.parameters) do
    out[#out + 1] = ("-- @param %s %s %s"):format(each.name, type_of(each.kind), escape(each.about))
  end
  for _, each in ipairs(found.results) do out[#out + 1] = "-- @return " .. type_of(each) end
  out[#out + 1] = "-- @function " .. name
end

local function put_functions(out, file, tables)
  local lines, count = lines_of(file), 0
  for number, line in ipairs(lines) do
    local owner, name = line:match "^function (%w[%w_]*)[.:](%l[%w_]*)%("
    if not owner then owner, name = line:match "^(%u%w*)%.(%l[%w_]*) = %w" end
    local found = owner and tables[owner] and comment_above(lines, number)
    if found and #found.text > 0 then
      put_function(out, tables[owner] .. name, found)
      count = count + 1
    end
  end
  assert(count > 0, file .. " has no public functions")
end

-- The classes of a file: each is a list of fields, `parent` and the comment above.
local function classes_of(file)
  local lines, list = lines_of(file), {}
  for number, line in ipairs(lines) do
    local name, parent = line:match "^%-%-%-@class (%S+) ?:? ?(.*)$"
    if name and not PRIVATE[name] then
      local class = { name = name, parent = parent, fields = {}, text = comment_above(lines, number).text }
      local place = number + 1
      while lines[place]:find "^%-%-%-@field " do
        local field, rest = lines[place]:match "^%-%-%-@field (%S+) (.*)$"
        local kind, about = divide(rest)
        table.insert(class.fields, { name = field:gsub("%?$", ""), kind = kind, about = about })
        place = place + 1
      end
      if #class.fields > 0 then list[#list + 1] = class end
    end
  end
  return list
end

local function write(name, lines)
  local file = assert(io.open(("%s/%s.lua"):format(folder, name), "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
end

local all = {}
local files = {}
for _, page in ipairs(PAGES) do
  for _, each in ipairs(page[3]) do files[#files + 1] = each[1] end
end
for _, name in ipairs(TYPES) do files[#files + 1] = name end
for _, name in ipairs(files) do
  for _, class in ipairs(classes_of(name)) do
    all[#all + 1], classes[class.name] = class, true
  end
end
table.sort(all, function(one, other) return one.name:lower() < other.name:lower() end)

for _, page in ipairs(PAGES) do
  local out = { ("--- %s.\n-- @module %s"):format(page[2], page[1]) }
  for _, each in ipairs(page[3]) do put_functions(out, each[1], each[2]) end
  write(page[1], out)
end

local out = { "--- Tables that functions take and return.\n-- @module types" }
for _, class in ipairs(all) do
  local text = paragraphs(class.text)
  if class.parent ~= "" then text = text .. (" All fields of %s, and:"):format(type_of(class.parent)) end
  out[#out + 1] = "\n--- " .. (text ~= "" and text or "Fields:")
  out[#out + 1] = "-- @table " .. class.name
  for _, each in ipairs(class.fields) do
    out[#out + 1] = ("-- @field %s %s %s"):format(each.name, type_of(each.kind), escape(each.about))
  end
end
write("types", out)
