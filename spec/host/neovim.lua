-- The behaviours in a coroutine of Neovim; vim.api is called after each wait, as a plugin would.

local behaviours = require "host.behaviours"

coroutine.wrap(function()
  local lines = {}
  local good = behaviours.run({ name = "luv", start_ticks = function(tick)
    local timer = vim.loop.new_timer()
    timer:start(0, 1, tick)
    return function() timer:close() end
  end }, function(line)
    lines[#lines + 1] = line
    vim.api.nvim_buf_set_lines(0, -1, -1, true, { line })
  end)
  io.stdout:write(table.concat(lines, "\n"), "\n")
  io.stdout:flush()
  vim.defer_fn(function() vim.cmd(good and "qall!" or "cquit!") end, 100) -- messages come first
end)()
