--- The documented name of host/pollable.lua, for hosts written outside of this project (docs/hosts.md).

return require "flarelight.host.pollable"
