--- Metrics: the counters and latencies of clients in the text format of Prometheus
-- (https://prometheus.io/docs/instrumenting/exposition_formats/). Asks the service nothing.

local misuse = require "flarelight.misuse"
local names = require "flarelight.names"
local options = require "flarelight.options"

---@class flarelight.metrics
local metrics = {}

local function escape_help(text) return (text:gsub("\\", "\\\\"):gsub("\n", "\\n")) end
local function escape(text) return (escape_help(text):gsub('"', '\\"')) end

local function number(value)
  if value == math.huge then return "+Inf" end
  if value == math.floor(value) and math.abs(value) < 2 ^ 53 then return ("%.0f"):format(value) end
  return ("%.17g"):format(value)
end

-- Bounds are written short: 0.0025, not 0.0025000000000000001.
local function bound(value) return value == math.huge and "+Inf" or ("%.14g"):format(value) end

-- A sample: its name, its labels as pairs in order, its value.
local function sample(name, labels, value)
  local parts = {}
  for i, label in ipairs(labels) do parts[i] = ('%s="%s"'):format(label[1], escape(label[2])) end
  return name .. (parts[1] and "{" .. table.concat(parts, ",") .. "}" or "") .. " " .. number(value) .. "\n"
end

local function with(labels, name, value)
  local more = {}
  for i, label in ipairs(labels) do more[i] = label end
  more[#more + 1] = { name, value }
  return more
end

-- Adds samples of a client to a list.
local function plain(read)
  return function(add, name, labels, found)
    local value = read(found)
    if value then add(sample(name, labels, value)) end
  end
end

local function errors_by_kind(add, name, labels, found)
  for _, kind in ipairs(names.sorted(found.stats.errors)) do
    add(sample(name, with(labels, "kind", kind), found.stats.errors[kind]))
  end
end

local function latencies(add, name, labels, found)
  for _, operation in ipairs(names.sorted(found.stats.latency)) do
    local latency, own = found.stats.latency[operation], with(labels, "operation", operation)
    for _, bucket in ipairs(latency.buckets) do
      add(sample(name .. "_bucket", with(own, "le", bound(bucket.le)), bucket.count))
    end
    add(sample(name .. "_sum", own, latency.sum))
    add(sample(name .. "_count", own, latency.count))
  end
end

local function stat(name) return plain(function(found) return found.stats[name] end) end
local function quota(name) return plain(function(found) return found.quota[name] end) end

-- The families in the order of the text: name, type, help, function that adds the samples of a client.
local FAMILIES = {
  { "flarelight_calls_total", "counter", "Calls of the client.", stat "calls" },
  { "flarelight_attempts_total", "counter", "HTTP requests, retries included.", stat "attempts" },
  { "flarelight_retries_total", "counter", "Attempts that followed a failed attempt.", stat "retries" },
  { "flarelight_errors_total", "counter", "Calls that failed, by kind of error.", errors_by_kind },
  { "flarelight_received_bytes_total", "counter", "Bytes received, headers included.", stat "bytes_in" },
  { "flarelight_sent_bytes_total", "counter", "Bytes sent, headers included.", stat "bytes_out" },
  { "flarelight_connections_opened_total", "counter", "Connections opened.", stat "connections" },
  { "flarelight_attempt_duration_seconds", "histogram", "Time that attempts took, by operation.", latencies },
  { "flarelight_quota_limit", "gauge", "Requests a minute that the service allows.", quota "limit" },
  { "flarelight_quota_remaining", "gauge", "Requests left in the window, an estimate.", quota "remaining" },
  { "flarelight_quota_waiting", "gauge", "Calls that wait for the rate limit.", quota "waiting" },
}

-- The labels of the caller as pairs, sorted by name.
local function labels_of(given)
  local list = {}
  for _, name in ipairs(names.sorted(given)) do
    if type(name) ~= "string" or not name:find "^[%a_][%w_]*$" or name:find "^__" then
      misuse(("metrics.prometheus: labels: %q is no name of a label"):format(tostring(name)))
    end
    if name == "le" or name == "kind" or name == "operation" then
      misuse(("metrics.prometheus: labels: %q is a label of flarelight's own"):format(name))
    end
    local value = given[name]
    if type(value) ~= "string" and type(value) ~= "number" then
      misuse(("metrics.prometheus: labels.%s: should be a string, but is a %s"):format(name, type(value)))
    end
    list[#list + 1] = { name, tostring(value) }
  end
  return list
end

local function is_client(value)
  local metatable = type(value) == "table" and getmetatable(value)
  return type(metatable) == "table" and metatable.__name == "flarelight.client"
end

--- The metrics of a client as text of the content type `text/plain; version=0.0.4`.
---@param api flarelight.Client
---@param given { labels: table<string, string|number>? }? labels of every sample, as { worker = 1 }
---@return string text
function metrics.prometheus(api, given)
  if not is_client(api) then misuse "metrics.prometheus: should be given a client" end
  given = options.table("metrics.prometheus", given, { labels = "table" })
  local labels = labels_of(given.labels or {})
  local found, text = { stats = api:stats(), quota = api:quota() }, {}
  for _, family in ipairs(FAMILIES) do
    local name, samples = family[1], {}
    family[4](function(line) samples[#samples + 1] = line end, name, labels, found)
    if samples[1] then
      text[#text + 1] = ("# HELP %s %s\n# TYPE %s %s\n"):format(name, escape_help(family[3]), name, family[2])
      text[#text + 1] = table.concat(samples)
    end
  end
  return table.concat(text)
end

return metrics
