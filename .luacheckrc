-- For luacheck: only what every Lua has, so that nothing of one version slips in unseen; what is used
-- where a version has it is named here.
std = "min"
read_globals = {
  "unpack",
  table = { fields = { "unpack" } },
  math = { fields = { "type", "maxinteger", "mininteger" } },
  package = { fields = { "searchpath" } },
}
max_line_length = 120
max_comment_line_length = false -- annotations for editors stand on one line
files["spec"] = { std = "min+busted", max_line_length = false } -- so do the cases of tables
for _, folder in ipairs { "spec/host/love", "spec/host/love_example", "examples/love", "bench/love" } do
  files[folder] = { globals = { "love" } }
end
files["types"] = { ignore = { "2" } } -- functions without bodies, for editors
files["spec/memory"] = { read_globals = { "memory" } } -- of spec/memory/host.c
files["examples/nvim"] = { globals = { "vim" } }
files["spec/host/neovim_example.lua"] = { read_globals = { "vim" } }
files["bench/nginx.lua"] = { max_line_length = false }
files["spec/host/neovim.lua"] = { read_globals = { "vim" } }
files["bin/flarelight"] = { globals = { "_" } } -- what a shell reads there
