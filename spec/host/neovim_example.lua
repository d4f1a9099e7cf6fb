-- Runs `:Flarelight rows 1` while text is typed into another buffer, and prints what both buffers hold at the end.

local typed, other = 0, vim.api.nvim_get_current_buf()
local timer = vim.loop.new_timer()
timer:start(0, 1, vim.schedule_wrap(function()
  typed = typed + 1
  vim.api.nvim_buf_set_lines(other, 0, -1, true, { "typed " .. typed })
end))
vim.cmd "Flarelight rows 1"
local rows = vim.api.nvim_get_current_buf()
local before = typed
vim.wait(20000, function() return vim.api.nvim_buf_line_count(rows) >= 20000 end, 5)
timer:stop()
local lines = vim.api.nvim_buf_get_lines(rows, 0, -1, true)
print(("%s: %d rows, the last is %s, typed meanwhile: %s"):format(vim.api.nvim_buf_get_name(rows), #lines,
  lines[#lines], tostring(typed - before > 3)))
