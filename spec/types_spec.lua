--- Annotations for editors (LuaLS): every public function has its own, and the definitions of the C modules in types/ are
-- those of the modules.

local flarelight = require "flarelight"
local names = require "support.names"
local support = require "support"
local system = require "support.system"

local function read(path) return assert(system.read(path), path) end

local files = {}
local function lines_of(path)
  if not files[path] then
    files[path] = {}
    for line in (read(path) .. "\n"):gmatch "(.-)\n" do table.insert(files[path], line) end
  end
  return files[path]
end

--- The comment above a line of a file.
local function comment_above(path, number)
  local lines, comment = lines_of(path), {}
  number = number - 1
  while lines[number] and lines[number]:find "^%-%-" do
    table.insert(comment, 1, lines[number])
    number = number - 1
  end
  return "\n" .. table.concat(comment, "\n") .. "\n"
end

--- Whether the function that begins at a line returns a value.
local function returns(path, number)
  local lines, indent = lines_of(path), lines_of(path)[number]:match "^ *"
  if lines[number]:find "%f[%w]end[,)]?$" then return lines[number]:find "%f[%w]return%f[%W]" ~= nil end
  for at = number + 1, #lines do
    if lines[at]:find("^" .. indent .. "end") then return false end
    -- A function inside this one may return a value where this one does not. Then this asks for too much, which an
    -- annotation answers.
    local value = lines[at]:gsub("%-%-.*", ""):gsub("%f[%w]function *[%w_]*%b().*end", ""):match "%f[%w_]return%f[^%w_] *([%w_]*[^%s]?)"
    if value and value ~= "" and not value:find "^end" then return true end
  end
end

-- Each public function once: its name and where it is defined.
local public, seen = {}, {}
local function add(name, fn)
  if seen[fn] then return end
  seen[fn] = true
  local info = debug.getinfo(fn, "S")
  local path = info.source:match "(lua/flarelight/.*)$"
  if info.what ~= "C" and path then
    public[#public + 1] = { name = name, path = path, line = info.linedefined }
  end
end
local function add_all(prefix, from)
  for name, value in pairs(from) do
    if type(value) == "function" and type(name) == "string" and not name:find "^_" then add(prefix .. name, value) end
  end
end

describe("the annotations", function()
  local opened = support.opened(after_each)

  local function collect()
    local sandbox, api = opened.service()
    for _, part in ipairs { "json", "csv", "chart", "metrics", "sandbox" } do
      add_all("flarelight." .. part .. ".", flarelight[part])
    end
    add_all("flarelight.", flarelight)
    add_all("api:", getmetatable(api).__index)
    for _, group in ipairs { "imports", "automations", "preparations", "reports" } do
      add_all("api." .. group .. ":", getmetatable(api[group]).__index)
    end
    add_all("box:", getmetatable(sandbox).__index)
    local id = assert(api.imports:import { records = { { n = 1 } } }).id
    local rows = api.imports:rows(id)
    add_all("rows:", getmetatable(rows).__index)
    rows:close()
    local path = system.file("n\n1\n", ".csv")
    local of_csv = assert(flarelight.csv.rows(path))
    add_all("csv rows:", getmetatable(of_csv).__index)
    of_csv:close()
    local writer = assert(flarelight.csv.write(system.path ".csv"))
    add_all("writer:", getmetatable(writer).__index)
    writer:close()
    local task = api:spawn(function() end)
    add_all("task:", getmetatable(task).__index)
    task:result()
  end

  it("describe every public function, its parameters and its results", function()
    collect()
    local wrong, count = {}, 0
    local function complain(each, what)
      wrong[#wrong + 1] = ("%s (%s:%d) has no %s"):format(each.name, each.path, each.line, what)
    end
    for _, each in ipairs(public) do
      local line = lines_of(each.path)[each.line]
      local parameters = line:match "^function [%w_.:]+%((.-)%)" or line:match "^local function [%w_]+%((.-)%)"
      if parameters then
        count = count + 1
        local comment = comment_above(each.path, each.line)
        if not comment:find "\n%-%-%- [%w`]" then complain(each, "description") end
        for parameter in parameters:gmatch "[%w_.]+" do
          if parameter ~= "self" and not comment:find("\n---@param " .. parameter:gsub("%.", "%%.") .. "%??%s") then
            complain(each, "---@param " .. parameter)
          end
        end
        if returns(each.path, each.line) and not comment:find "\n%-%-%-@return " then complain(each, "---@return") end
      end
    end
    assert.are.equal("", table.concat(wrong, "\n"))
    assert.is_true(count >= 50, count .. " functions were found")
  end)

  it("are all in the reference that `make docs` makes", function()
    collect()
    local folder = system.folder()
    local out, failed = system.shell(("%s spec/tools/reference.lua %s 2>&1"):format(system.quote(system.interpreter), folder))
    assert.are.equal(0, failed, out)
    local text = system.shell("cat " .. folder .. "/*.lua")
    local missing = {}
    for _, each in ipairs(public) do
      local name = each.name:gsub("^csv rows:", "rows:")
      if not text:find("\n-- @function " .. name .. "\n", 1, true) then missing[#missing + 1] = name end
    end
    assert.are.same({}, missing)
    assert.truthy(text:find("\n-- @table flarelight.Options\n-- @field api_key <code>", 1, true))
  end)

  it("describe the methods that a function makes", function()
    local count = 0
    for _, name in ipairs { "imports", "automations", "preparations", "reports" } do
      local path = ("lua/flarelight/%s.lua"):format(name)
      for number, line in ipairs(lines_of(path)) do
        if line:find "^%u%w+%.%w+ = " then
          count = count + 1
          local comment = comment_above(path, number)
          assert.matches("\n%-%-%- %u", comment, line)
          assert.matches("\n%-%-%-@type fun%(", comment, line)
        end
      end
    end
    assert.is_true(count >= 6, count .. " were found")
  end)
end)

describe("the definitions in types/", function()
  -- The functions, methods and fields of a definition: names of the module, and methods by class.
  local function definitions_of(name)
    local members, methods, undescribed = {}, {}, {}
    local path = ("types/flarelight/%s.lua"):format(name)
    for number, line in ipairs(lines_of(path)) do
      local field = line:match "^%-%-%-@field ([%w_]+) "
      local owner, mark, method = line:match "^function ([%w_]+)([.:])([%w_]+)%("
      if field then members[field] = true end
      if owner and mark == "." then members[method] = true end
      if owner and mark == ":" then methods[#methods + 1] = method end
      local comment = owner and comment_above(path, number)
      for parameter in owner and line:match "%((.-)%)":gmatch "[%w_]+" or function() end do
        if not comment:find("\n---@param " .. parameter .. "%??%s") then undescribed[#undescribed + 1] = line end
      end
      if owner and not comment:find "\n%-%-%- %u" and not comment:find "\n%-%-%- nil" then
        undescribed[#undescribed + 1] = line
      end
    end
    table.sort(methods)
    return members, methods, undescribed
  end

  -- The methods that the C files register: the lists of luaL_Reg that are no lists of a module's functions.
  local function methods_of(folder)
    local methods = {}
    for path in system.shell("ls " .. folder .. "/*.c"):gmatch "[^\n]+" do
      for list, body in read(path):gmatch "luaL_Reg ([%w_]+)%[%] = (%b{})" do
        if list:find "methods$" then
          for name in body:gmatch '{"([%w_]+)"' do methods[#methods + 1] = name end
        end
      end
    end
    table.sort(methods)
    return methods
  end

  for name, folder in pairs {
    core = "csrc/lua", archive_core = "csrc/archive", ini_core = "csrc/ini", postgres_core = "csrc/postgres", sandbox_core = "csrc/sandbox",
  } do
    it(("are those of flarelight.%s"):format(name), function()
      local found, module = pcall(require, "flarelight." .. name)
      if not found then return pending(name .. " is not built") end
      local members, methods, undescribed = definitions_of(name)
      assert.are.same(names.sorted(module), names.sorted(members))
      assert.are.same(methods_of(folder), methods)
      assert.are.same({}, undescribed)
      assert.matches("^%-%-%-@meta flarelight%." .. name .. "\n", read(("types/flarelight/%s.lua"):format(name)))
    end)
  end

  it("compile, and are in the settings for LuaLS", function()
    for path in system.shell "ls types/flarelight/*.lua":gmatch "[^\n]+" do assert(loadfile(path)) end
    local settings = assert(flarelight.json.decode(read ".luarc.json"))
    assert.are.same({ "types" }, settings["workspace.library"])
    assert.are.same({ "lua/?.lua", "lua/?/init.lua" }, settings["runtime.path"])
  end)
end)
