--- The public name of host/pollable.lua, for hosts outside flarelight (docs/hosts.md).

return require "flarelight.host.pollable"
