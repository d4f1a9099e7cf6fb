-- pause.lua: lets the other threads of the program `embed` work for a moment.
require("spec_process").sleep(0.2)
