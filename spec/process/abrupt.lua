-- The script work.lua as a state that is closed with a hundred calls under way, whatever the others do.
arg[1] = "abruptly" -- luacheck: ignore
dofile "spec/process/work.lua"
