--- The public name of host/pollable.lua, for hosts that others write (docs/hosts.md).

return require "flarelight.host.pollable"
