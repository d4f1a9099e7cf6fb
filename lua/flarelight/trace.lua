--- The option `debug`: events and traces of attempts as lines of text. The core has covered the API key, proxy
-- passwords and cookies in all of them (csrc/core/policy/redact.h). Pure, apart from standard error.

local trace = {}

local function milliseconds(seconds) return ("%.1f ms"):format(seconds * 1000) end

-- The beginning of each line: the first characters of the request id, which tell concurrent calls apart.
local function mark(about) return ("[%s] "):format(about.request_id:sub(1, 8)) end

-- Lines of a head, each behind `sign`.
local function head_lines(about, sign)
  local lines = {}
  for line in about.head:gmatch "([^\r\n]+)" do lines[#lines + 1] = mark(about) .. sign .. " " .. line end
  return lines
end

local STEPS = {
  { "name_lookup", "name lookup" }, { "connect", "connect" }, { "tls", "TLS" }, { "first_byte", "first byte" },
  { "total", "total" },
}

-- "name lookup 0.1 ms, …". The steps of a reused connection were taken by an earlier attempt.
local function timings(about)
  local parts = {}
  for _, step in ipairs(STEPS) do
    local value = about[step[1]]
    local own = not about.reused or step[1] == "first_byte" or step[1] == "total"
    if value and own then parts[#parts + 1] = step[2] .. " " .. milliseconds(value) end
  end
  return table.concat(parts, ", ")
end

--- The lines of a trace.
---@return string[]
function trace.lines_of_trace(about)
  if not about.ended then return head_lines(about, ">") end
  local lines = head_lines(about, "<")
  local where = about.address and ("%s connection to %s"):format(about.reused and "reused" or "new", about.address)
    or "no connection"
  local function add(words) lines[#lines + 1] = ("%s* attempt %d: %s"):format(mark(about), about.attempt, words) end
  add(("sent %d + %d bytes, received %d + %d bytes (head + body), %s"):format(about.head_sent, about.body_sent,
    about.head_received, about.body_received, where))
  local times = timings(about)
  if times ~= "" then add(times) end
  if about.error then add(about.error) end
  return lines
end

local EVENTS = {
  start = function(event)
    return ("attempt %d of %s: %s %s"):format(event.attempt, event.operation, event.method, event.path)
  end,
  wait = function(event) return ("%s waits %.3f s for the rate limit"):format(event.operation, event.delay) end,
  retry = function(event)
    return ("%s waits %.3f s, then attempt %d (%s%s)"):format(event.operation, event.delay, event.attempt + 1,
      event.reason, event.status and ", " .. event.status or "")
  end,
  done = function(event)
    return ("%s has ended: %s%s, %d %s, %s"):format(event.operation, event.kind or "done",
      event.fate and ", " .. event.fate or "", event.attempt, event.attempt == 1 and "attempt" or "attempts",
      milliseconds(event.elapsed))
  end,
}

--- The line of an event.
---@param event flarelight.Event
function trace.line_of_event(event) return mark(event) .. "* " .. EVENTS[event.name](event) end

local function to_standard_error(line) io.stderr:write("flarelight: ", line, "\n") end

--- The listener (host/mailbox.lua) of a client.
---@param debug true|fun(line: string)
---@param on_event (fun(event: flarelight.Event))?
function trace.listener(debug, on_event)
  local write = debug == true and to_standard_error or debug
  local listener = {}
  function listener.trace(about)
    for _, line in ipairs(trace.lines_of_trace(about)) do write(line) end
  end
  function listener.event(event)
    local ok, raised = pcall(function() write(trace.line_of_event(event)) end)
    if on_event then on_event(event) end
    if not ok then error(raised, 0) end
  end
  return listener
end

return trace
