--- Random texts: tokens of uploads, and request ids that have to be known before a request is submitted. Relies on
-- /dev/urandom; without it on the clocks.

local core = require "flarelight.core"

local random = {}

--- `count` random bytes as hexadecimal digits.
---@param count integer
---@return string
function random.digits(count)
  local file, text = io.open("/dev/urandom", "rb"), nil
  if file then
    text = file:read(count)
    file:close()
  end
  if text and #text == count then
    return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
  end
  local parts = {}
  for i = 1, math.ceil(count / 4) do
    local mixed = os.time() * 1000003 + core.now() * 1e6 * i + math.random() * 2 ^ 32
    parts[i] = ("%08x"):format(math.floor(mixed % 2 ^ 32))
  end
  return table.concat(parts):sub(1, count * 2)
end

--- A UUID of version 4, in lower case.
---@return string
function random.uuid()
  local digits = random.digits(16)
  local variant = ("89ab"):sub(tonumber(digits:sub(17, 17), 16) % 4 + 1):sub(1, 1)
  return ("%s-%s-4%s-%s%s-%s"):format(digits:sub(1, 8), digits:sub(9, 12), digits:sub(14, 16), variant,
    digits:sub(18, 20), digits:sub(21, 32))
end

return random
