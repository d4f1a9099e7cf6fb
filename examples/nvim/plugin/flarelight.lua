-- :Flarelight rows ID [LIMIT] reads the rows of an import into a new buffer, one JSON line each, while you go
-- on typing; :Flarelight imports lists them. :Flarelight stop ends what is under way.
--
--   nvim --cmd "set runtimepath+=$PWD/examples/nvim"
--
-- The environment names the service (FLARELIGHT_API_KEY, …). Where flarelight is not installed:
-- eval "$(make -s env LUA=luajit)" first.

if vim.g.loaded_flarelight then return end
vim.g.loaded_flarelight = true

local AT_ONCE = 500 -- lines that are put into the buffer together

local api
local tasks = {} -- set of those that are under way

local function say(message, level) vim.notify("flarelight: " .. message, level or vim.log.levels.INFO) end

local function client()
  if api then return api end
  local found, message = require("flarelight").new()
  if not found then return say(message, vim.log.levels.ERROR) end
  api = found
  return api
end

local function new_buffer(name)
  vim.cmd "new"
  local buffer = vim.api.nvim_get_current_buf()
  vim.bo[buffer].buftype, vim.bo[buffer].bufhidden, vim.bo[buffer].swapfile = "nofile", "hide", false
  vim.bo[buffer].filetype = "json"
  pcall(vim.api.nvim_buf_set_name, buffer, "flarelight://" .. name)
  return buffer
end

-- Puts lines at the end of a buffer, wherever the user is now. False: the buffer is gone.
local function append(buffer, lines)
  if not vim.api.nvim_buf_is_valid(buffer) then return false end
  local first = vim.api.nvim_buf_line_count(buffer) == 1 and vim.api.nvim_buf_get_lines(buffer, 0, 1, true)[1] == ""
  vim.api.nvim_buf_set_lines(buffer, first and 0 or -1, -1, true, lines)
  return true
end

-- Each is a function that runs beside the editor, given the buffer that it is to fill.
local commands = {}

function commands.rows(buffer, id, limit)
  local json = require("flarelight").json
  local rows, lines, count = api.imports:rows(id, { limit = tonumber(limit) }), {}, 0
  while true do
    local row, position, err = rows:next()
    if err then return say(position, vim.log.levels.ERROR) end
    if row then
      lines[#lines + 1] = json.encode(row)
      count = count + 1
    end
    if #lines == AT_ONCE or not row then
      if not append(buffer, lines) then return rows:close() end
      lines = {}
    end
    if not row then break end
  end
  say(("%d rows of import %s"):format(count, id))
end

function commands.imports(buffer)
  local json = require("flarelight").json
  local list, message = api.imports:all()
  if not list then return say(message, vim.log.levels.ERROR) end
  local lines = {}
  for i, each in ipairs(list) do lines[i] = json.encode(each) end
  append(buffer, lines)
end

vim.api.nvim_create_user_command("Flarelight", function(given)
  local name = given.fargs[1]
  if name == "stop" then
    for task in pairs(tasks) do task:cancel() end
    return
  end
  local id, limit = given.fargs[2], given.fargs[3]
  local wrong_limit = limit and not (limit:match "^%d+$" and tonumber(limit) > 0)
  if not commands[name] or (name == "rows" and not id) or wrong_limit then
    return say("imports, rows ID [LIMIT] or stop", vim.log.levels.ERROR)
  end
  if not client() then return end
  local buffer = new_buffer(id and "import/" .. id or name)
  -- In a task calls give way to the editor.
  local task
  task = api:spawn(function()
    commands[name](buffer, id, limit)
    tasks[task] = nil
  end)
  tasks[task] = true
end, { nargs = "+", complete = function() return { "imports", "rows", "stop" } end })
