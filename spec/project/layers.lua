--- Checks the layers of docs/architecture.md: reads every `#include "…"` of csrc and every `require "flarelight…"`
-- of lua, inside functions too, and refuses an arrow that leaves its layer and a circle of files.
--
--   lua5.4 spec/project/layers.lua       prints what is wrong and fails, or prints nothing

-- Layer -> the layers that it may use beside itself. A file belongs to the longest path that it begins with.
-- The listed order has no meaning.
local C = {
  ["csrc/core/base"] = {},
  ["csrc/core/codec"] = { "csrc/core/base" },
  ["csrc/core/policy"] = { "csrc/core/base", "csrc/core/codec" },
  ["csrc/core/engine"] = { "csrc/core/base", "csrc/core/codec", "csrc/core/policy" },
  ["csrc/core/files"] = { "csrc/core/base", "csrc/core/codec", "csrc/core/policy", "csrc/core/engine/mailbox",
                           "csrc/core/engine/lease_place" },
  ["csrc/archive"] = { "csrc/core/base", "csrc/core/files/archive", "csrc/core/files/bytes" },
  ["csrc/postgres"] = {
    "csrc/core/base", "csrc/core/files/database", "csrc/core/files/script", "csrc/core/files/store",
  },
  ["csrc/ini"] = {},
  ["csrc/lua"] = { "csrc/core" },
  ["csrc/sandbox"] = { "csrc/core/base", "csrc/core/codec", "csrc/core/policy" },
}

local CALLS = "lua/flarelight/calls"
local PURE = {
  "lua/flarelight/error", "lua/flarelight/misuse", "lua/flarelight/options", "lua/flarelight/json",
  "lua/flarelight/headers", "lua/flarelight/names",
}
local SYSTEM, LOADING = "lua/flarelight/system", "lua/flarelight/loading"
local function with(...)
  local list = {}
  for _, each in ipairs { ... } do
    for _, name in ipairs(type(each) == "table" and each or { each }) do list[#list + 1] = name end
  end
  return list
end

-- Modules of Lua that no row names are the top layer: they may use all but the command.
local LUA = {
  ["lua/flarelight/error"] = {},
  [SYSTEM] = {},
  [LOADING] = {},
  ["lua/flarelight/misuse"] = { "lua/flarelight/error" },
  ["lua/flarelight/json"] = { "lua/flarelight/error", "lua/flarelight/misuse" },
  ["lua/flarelight/names"] = {},
  ["lua/flarelight/options"] = { "lua/flarelight/error", "lua/flarelight/misuse", "lua/flarelight/names" },
  ["lua/flarelight/headers"] = { "lua/flarelight/error", "lua/flarelight/misuse", "lua/flarelight/options" },
  ["lua/flarelight/hooks"] = with(PURE),
  ["lua/flarelight/trace"] = {},
  ["lua/flarelight/host"] = with(PURE),
  ["lua/flarelight/request"] = with(PURE),
  ["lua/flarelight/settings"] = with(PURE),
  ["lua/flarelight/environments"] = with(PURE, LOADING, "lua/flarelight/settings"),
  ["lua/flarelight/configuration"] = with(PURE, SYSTEM, LOADING, "lua/flarelight/profile", "lua/flarelight/settings",
                                          "lua/flarelight/environments", "lua/flarelight/postgres"),
  ["lua/flarelight/postgres"] = { LOADING },
  ["lua/flarelight/profile"] = with(PURE, SYSTEM),
  ["lua/flarelight/row_shape"] = { "lua/flarelight/host/timeslice" },
  ["lua/flarelight/fates"] = { "lua/flarelight/error", "lua/flarelight/host" },
  [CALLS] = with(PURE, LOADING, "lua/flarelight/fates", "lua/flarelight/hooks", "lua/flarelight/trace",
                 "lua/flarelight/host", "lua/flarelight/request",
                 "lua/flarelight/configuration", "lua/flarelight/postgres"),
  ["lua/flarelight/upload/checkpoints"] = {},
  ["lua/flarelight/once/policy"] = {},
  ["lua/flarelight/wait/verdict"] = with(PURE),
  ["lua/flarelight/wait/outcome"] = with(PURE),
  ["lua/flarelight/wait/pace"] = {},
  ["lua/flarelight/chart"] = with(PURE, SYSTEM),
  ["lua/flarelight/sandbox"] = with(PURE, SYSTEM, LOADING, "lua/flarelight/profile"),
}

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- A file of C and its header are one: `csrc/core/policy/retry`.
local function stem(path) return (path:gsub("%.[chlua]+$", ""):gsub("/init$", "")) end

--- The arrows of a tree: { [stem] = { [stem of what it uses] = "file:line" } }. `files`: path -> text.
local function arrows_of(files)
  local arrows, known = {}, {}
  for path in pairs(files) do
    known[stem(path)] = true
    arrows[stem(path)] = arrows[stem(path)] or {}
  end
  local function add(from, to, place)
    if known[to] and from ~= to then arrows[from][to] = arrows[from][to] or place end
  end
  for path, text in pairs(files) do
    local number, from = 0, stem(path)
    for line in (text .. "\n"):gmatch "(.-)\n" do
      number = number + 1
      local place = ("%s:%d"):format(path, number)
      if path:match "%.lua$" then
        if not line:match "^%s*%-%-" then
          for name in line:gmatch "[\"'](flarelight[%w_.]*)[\"']" do
            add(from, "lua/" .. name:gsub("%.", "/"), place)
          end
        end
      else
        local name = line:match '^#include "([^"]+)"'
        if name then
          add(from, stem("csrc/core/" .. name), place)
          if not name:find "/" then add(from, stem(path:match "^.*/" .. name), place) end
        end
      end
    end
  end
  return arrows
end

local function layer_of(name, layers)
  local found
  for layer in pairs(layers) do
    if (name == layer or name:sub(1, #layer + 1) == layer .. "/") and (not found or #layer > #found) then
      found = layer
    end
  end
  return found
end

local function is_within(name, layer) return name == layer or name:sub(1, #layer + 1) == layer .. "/" end

--- What is wrong with arrows: a list of sentences.
local function faults_of(arrows, layers, forbidden)
  local faults = {}
  for from, uses in pairs(arrows) do
    local layer = layer_of(from, layers)
    for to, place in pairs(uses) do
      local allowed = layer == nil or is_within(to, layer)
      for _, name in ipairs(layer and layers[layer] or {}) do allowed = allowed or is_within(to, name) end
      if not allowed then
        faults[#faults + 1] = ("%s: %s may not use %s"):format(place, layer, to)
      elseif layer == nil and forbidden and is_within(to, forbidden) and not is_within(from, forbidden) then
        faults[#faults + 1] = ("%s: only %s itself may use %s"):format(place, forbidden, to)
      end
    end
  end
  -- A walk in depth: an arrow to a file that is still under way closes a circle.
  local state, path = {}, {}
  local function visit(name)
    state[name] = "under way"
    path[#path + 1] = name
    for to in pairs(arrows[name]) do
      if state[to] == "under way" then
        local circle = { to }
        for place = #path, 1, -1 do
          table.insert(circle, 2, path[place])
          if path[place] == to then break end
        end
        table.remove(circle, 2)
        table.insert(circle, to)
        faults[#faults + 1] = "a circle: " .. table.concat(circle, " -> ")
      elseif not state[to] then
        visit(to)
      end
    end
    path[#path] = nil
    state[name] = "done"
  end
  local names = {}
  for name in pairs(arrows) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if not state[name] then visit(name) end
  end
  table.sort(faults)
  return faults
end

-- --- the check of the check: each of these trees breaks one rule ---

local broken = {
  { "policy that includes a machine", C, {
    ["csrc/core/policy/retry.c"] = '#include "engine/loop.h"', ["csrc/core/engine/loop.h"] = "" } },
  { "a core that includes the binding", C, {
    ["csrc/core/base/buffer.c"] = '#include "lua/page.h"', ["csrc/core/lua/page.h"] = "" } },
  { "a sandbox that includes the engine", C, {
    ["csrc/sandbox/server.c"] = '#include "engine/call.h"', ["csrc/core/engine/call.h"] = "" } },
  { "two headers in a circle", C, {
    ["csrc/core/base/a.h"] = '#include "base/b.h"', ["csrc/core/base/b.c"] = '#include "base/a.h"' } },
  { "a require inside a function that closes a circle", LUA, {
    ["lua/flarelight/rows.lua"] = 'local pages = require "flarelight.pages"',
    ["lua/flarelight/pages.lua"] = 'local function f() return require("flarelight.rows") end' } },
  { "a host that requires the client", LUA, {
    ["lua/flarelight/host/luv.lua"] = 'local c = require "flarelight.client"', ["lua/flarelight/client.lua"] = "" } },
  { "a module that requires the command", LUA, {
    ["lua/flarelight/rows.lua"] = 'local o = require "flarelight.cli.output"', ["lua/flarelight/cli/output.lua"] = "" } },
}

local COMMAND = "lua/flarelight/cli"
for _, case in ipairs(broken) do
  if #faults_of(arrows_of(case[3]), case[2], COMMAND) == 0 then
    error("spec/project/layers.lua lets pass: " .. case[1])
  end
end

local bad = 0
for _, tree in ipairs { { "csrc", C }, { "lua", LUA } } do
  local files = {}
  for _, path in ipairs(lines_of("find " .. tree[1] .. " -name '*.[ch]' -o -name '*.lua'")) do
    files[path] = read(path)
  end
  for _, fault in ipairs(faults_of(arrows_of(files), tree[2], COMMAND)) do
    io.stderr:write(fault, "\n")
    bad = bad + 1
  end
end
os.exit(bad == 0)
