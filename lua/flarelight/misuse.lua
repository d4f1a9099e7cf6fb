--- Misuse: mistakes of the calling code (a wrong type, an unknown option, a missing argument) raise an error at
-- the line of the caller, outside of flarelight, before anything is sent. Pure.

local own_files = (debug and debug.getinfo(1, "S").source or ""):match "^(.*)misuse%.lua$"

--- Raises `message` at the level of the code that called into flarelight, however many levels up that is.
---@param message string begins with the name of the function or option at fault
return function(message)
  local level = 2
  if own_files and debug then
    local info = debug.getinfo(level, "S")
    while info and (info.what == "C" or info.what == "tail" or info.source == "=(tail call)"
        or info.source:sub(1, #own_files) == own_files) do
      level = level + 1
      info = debug.getinfo(level, "S")
    end
    if not info then level = 0 end -- no caller in this coroutine
  end
  error("flarelight: " .. message, level)
end
