--- Definitions: the preparations, reports and automations of a sandbox. Reads them from a table or a file, checks them,
-- and converts them for the server.

local core = require "flarelight.sandbox_core"
local options = require "flarelight.sandbox.options"
local system = require "flarelight.system"

local definitions = {}
local id_text = options.id_text

-- The members of each kind and their types; "!": the member is required; true: an id.
local MEMBERS = {
  preparations = { id = true, name = "string", sql = "string", target = "string", played = "boolean" },
  reports = { id = true, name = "string", sql = "string", preparation = true, chart = "table", played = "boolean" },
  automations = { id = true, name = "string", steps = "table!", on_import = "string",
                  api_trigger = "boolean" },
}

local function check_member(where, name, value, rule, level)
  if rule == true then
    if value ~= nil and not id_text(value) then
      error(("%s: %s must be a whole number or a string"):format(where, name), level + 1)
    end
    return
  end
  local kind = rule:gsub("!", "")
  if value == nil and kind ~= rule then
    error(("%s: %s is missing"):format(where, name), level + 1)
  end
  if value ~= nil and type(value) ~= kind then
    error(("%s: %s must be a %s"):format(where, name, kind), level + 1)
  end
end

local read_kind = {}

function read_kind.preparations(definition, read, where, level)
  if definition.sql == nil and not definition.played then error(where .. ": sql is missing", level + 1) end
  read.played = definition.played
  read.sql, read.target = definition.sql, definition.target or read.name
end

function read_kind.reports(definition, read, where, level)
  local chart = definition.chart or {}
  for name, value in pairs(chart) do
    local kind = name == "series" and "table" or "string"
    if name ~= "labels" and name ~= "type" and name ~= "series" then
      error(("%s: unknown member chart.%s"):format(where, tostring(name)), level + 1)
    end
    check_member(where, "chart." .. name, value, kind, level + 1)
  end
  for _, column in ipairs(chart.series or {}) do
    check_member(where, "chart.series", column, "string", level + 1)
  end
  read.played = definition.played
  if not definition.played and (definition.sql == nil) == (definition.preparation == nil) then
    error(where .. ": one of sql and preparation is needed", level + 1)
  end
  read.sql, read.preparation = definition.sql, id_text(definition.preparation)
  read.labels, read.series, read.type = chart.labels, chart.series, chart.type or "line"
end

function read_kind.automations(definition, read, where, level)
  read.steps = {}
  for index, step in ipairs(definition.steps) do
    local id = type(step) == "table" and id_text(step.report or step.preparation)
    if not id then
      error(("%s: step %d names neither a preparation nor a report"):format(where, index),
        level + 1)
    end
    read.steps[index] = { report = step.report ~= nil, id = id }
  end
  read.on_import, read.api_trigger = definition.on_import, definition.api_trigger ~= false
end

-- The list of one kind in the form for the server, and the ids in it.
local function read_list(kind, list, level)
  local read, known = {}, {}
  for index, definition in ipairs(list or {}) do
    local where = ("%s[%d]"):format(kind, index)
    if type(definition) ~= "table" then error(where .. " must be a table", level + 1) end
    for name in pairs(definition) do
      if MEMBERS[kind][name] == nil then
        error(("%s: unknown member '%s'"):format(where, tostring(name)), level + 1)
      end
    end
    for name, rule in pairs(MEMBERS[kind]) do
      check_member(where, name, definition[name], rule, level + 1)
    end
    local id = definition.id == nil and index or definition.id
    local text = id_text(id)
    if known[text] then error(where .. ": this id is used twice", level + 1) end
    known[text] = true
    read[index] = {
      id = text, id_is_number = type(id) == "number", name = definition.name or kind .. " " .. text,
    }
    read_kind[kind](definition, read[index], where, level + 1)
  end
  return read, known
end

-- Returns a table as it is. Reads a file: JSON if its name ends in .json, else Lua that returns a table.
local function load(source)
  if type(source) == "table" then return source end
  local loaded, message
  if source:find "%.json$" then
    loaded, message = system.read(source)
    if loaded then loaded, message = core.decode(loaded) end
  else
    local chunk
    chunk, message = loadfile(source)
    if chunk then loaded = chunk() end
  end
  if type(loaded) == "table" then return loaded end
  if message and message:find(source, 1, true) then return nil, message end
  return nil, ("%s: %s"):format(source, message or "holds no table")
end

local function check_references(values, known, level)
  for index, report in ipairs(values.reports) do
    if report.preparation and not known.preparations[report.preparation] then
      error(("reports[%d]: there is no preparation %s"):format(index, report.preparation),
        level + 1)
    end
  end
  for index, automation in ipairs(values.automations) do
    for _, step in ipairs(automation.steps) do
      if not known[step.report and "reports" or "preparations"][step.id] then
        error(("automations[%d]: there is no %s %s"):format(index,
          step.report and "report" or "preparation", step.id), level + 1)
      end
    end
  end
end

--- Reads `given.definitions` and the lists beside it. Raises if a definition is wrong.
---@param given table the options of sandbox.start
---@param level integer of the caller to blame
---@return table? lists preparations, reports and automations; nil if the file cannot be read
---@return string? message
function definitions.read(given, level)
  local loaded, message = load(given.definitions or {})
  if not loaded then return nil, message end
  for name in pairs(loaded) do
    if not MEMBERS[name] then
      error(("definitions: unknown member '%s'"):format(tostring(name)), level + 1)
    end
  end
  local lists, known = {}, {}
  for kind in pairs(MEMBERS) do
    lists[kind], known[kind] = read_list(kind, given[kind] or loaded[kind], level + 1)
  end
  check_references(lists, known, level + 1)
  return lists
end

return definitions
