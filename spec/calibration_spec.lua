-- Calibration: what it finds out about sandboxes with every switch set differently, and that a sandbox which
-- is started from the profile calibrates to the same.

local calibration = require "flarelight.calibration"
local flarelight = require "flarelight"
local profiles = require "flarelight.profile"
local support = require "support"
local system = require "support.system"

local DEFAULTS = {
  ids = "number", rows = "bare", count_cap = 0, past_end = "empty", row_order = "kept", update_key = "id",
  update = "append", values = "verbatim", visible_after = 0, rejected_batch = "dropped", bad_record = "refused",
  list_descriptions = true, messages = "string", rate_limit = 6000, rate_limit_headers = true, clock_skew = 0,
  reset_format = "delta", gzip = false, etag = false,
}

-- What is measured with a clock.
local function near(found, name, tolerance)
  if found[name] == nil then return end
  found[name] = math.floor(found[name] / tolerance + 0.5) * tolerance
end

local function calibrate(options, given)
  local box = support.sandbox(options)
  local api = support.client(box, { update_key = options.update_key, max_attempts = 1 })
  local profile, left, err, behind = calibration.run(api, given or {})
  local requests = #box:requests()
  local events = box:counts().events
  api:close()
  box:stop()
  return profile, left, err, behind, requests, events
end

-- The switches, and what is found differently from the defaults; `false`: not found.
local CASES = {
  { {}, {} },
  { { ids = "string" }, { ids = "string" } },
  { { ids = "uuid" }, { ids = "uuid" } },
  { { rows = "records" }, { rows = "records" } },
  { { count_cap = 1000 }, { count_cap = 1000, over_cap = "cut" } },
  { { count_cap = 777, over_cap = "400" }, { count_cap = 777, over_cap = "400" } },
  { { past_end = "400" }, { past_end = "400" } },
  { { past_end = "404" }, { past_end = "404" } },
  { { past_end = "null", rows = "records" }, { past_end = "null", rows = "records" } },
  { { row_order = "reversed" }, { row_order = "reversed" } },
  { { row_order = "alternating" }, { row_order = "alternating" } },
  { { update_key = "importId" }, { update_key = "importId" } },
  { { update = "replace" }, { update = "replace" } },
  { { update = "replace", rejected_batch = "keeps_good" }, { update = "replace", rejected_batch = "keeps_good" } },
  { { values = "normalized" }, { values = "normalized" } },
  { { values = "text" }, { values = "text" } },
  { { added_member = "rowId", values = "text" }, { added_member = "rowId", values = "text" } },
  { { rejected_batch = "keeps_good" }, { rejected_batch = "keeps_good" } },
  { { list_descriptions = false }, { list_descriptions = false } },
  { { messages = "object" }, { messages = "object" } },
  { { notice = "Soon closed" }, { notice = "Soon closed" } },
  { { rate_limit = 120 }, { rate_limit = 120 } },
  { { rate_limit_headers = false }, { rate_limit_headers = false, rate_limit = false, reset_format = "absent" } },
  { { reset_format = "epoch" }, { reset_format = "epoch" } },
  { { reset_format = "epoch_ms" }, { reset_format = "epoch_ms" } },
  { { reset_format = "iso" }, { reset_format = "iso" } },
  { { reset_format = "http_date" }, { reset_format = "http_date" } },
  { { reset_format = "absent" }, { reset_format = "absent" } },
  { { reset_format = "nonsense" }, { reset_format = "nonsense" } },
  { { clock_skew = 3600 }, { clock_skew = 3600 } },
  { { clock_skew = -600, reset_format = "epoch" }, { clock_skew = -600, reset_format = "epoch" } },
  { { gzip = true, etag = true }, { gzip = true, etag = true } },
  { { visible_after = 0.5 }, { visible_after = 0.5 } },
  { { visible_after = 0.5, row_order = "reversed", update = "replace" },
    { visible_after = 0.5, row_order = "reversed", update = "replace" } },
  { { ids = "uuid", rows = "records", count_cap = 500, over_cap = "400", past_end = "404", row_order = "alternating",
      update_key = "import", values = "normalized", added_member = "_row", rejected_batch = "keeps_good",
      list_descriptions = false, messages = "object", notice = "n", rate_limit = 900, reset_format = "iso", gzip = true },
    { ids = "uuid", rows = "records", count_cap = 500, over_cap = "400", past_end = "404", row_order = "alternating",
      update_key = "import", values = "normalized", added_member = "_row", rejected_batch = "keeps_good",
      list_descriptions = false, messages = "object", notice = "n", rate_limit = 900, reset_format = "iso", gzip = true } },
}

describe("calibration", function()
  for _, case in ipairs(CASES) do
    local names = {}
    for name, value in pairs(case[1]) do names[#names + 1] = name .. "=" .. tostring(value) end
    table.sort(names)
    it("finds out " .. (#names > 0 and table.concat(names, " ") or "the defaults"), function()
      local expected = {}
      for name, value in pairs(DEFAULTS) do expected[name] = value end
      for name, value in pairs(case[2]) do expected[name] = value end
      for name, value in pairs(expected) do if value == false and DEFAULTS[name] ~= false
        and type(DEFAULTS[name]) ~= "boolean" then expected[name] = nil end end
      local profile, message, _, _, requests, events = calibrate(case[1])
      assert.is_table(profile, message)
      local function same(found)
        near(found, "visible_after", 0.5)
        near(found, "clock_skew", 10)
        assert.are.same(expected, found)
      end
      same(profile.found)
      for name in pairs(profile.found) do assert.is_string(profile.evidence[name], name) end
      local writes, least, most = calibration.requests()
      assert.is_true(requests >= writes + least and requests <= writes + most, requests .. " requests")
      assert.are.equal(0, events)
      -- The twin: through the text of the file, as it is kept.
      local text = flarelight.json.encode(profile)
      local twin = assert(profiles.switches(assert(profiles.read(flarelight.json.decode(text), flarelight.json.decode))))
      same(assert(calibrate(twin)).found)
    end)
  end

  it("takes a scratch import, and keeps the hands off one with many rows", function()
    local box = support.sandbox()
    local api = support.client(box)
    local id, large = support.import(api, 50), support.import(api, 101)
    local profile, left = assert(calibration.run(api, { id = id }))
    assert.are.equal("append", profile.found.update)
    assert.is_false(left.made)
    assert.are.equal(2, box:counts().imports)
    local _, message, err = calibration.run(api, { id = tostring(large) })
    assert.are.equal("config", err.kind)
    assert.matches("more than 100 rows", message)
    _, _, err = calibration.run(api, { id = 99 })
    assert.are.equal("not_found", err.kind)
    assert.are.equal(101, #box:rows(large))
    api:close()
    box:stop()
  end)

  it("says that the update key is another, and what is left behind", function()
    local box = support.sandbox { update_key = "importId" }
    local api = support.client(box)
    local none, message, err, behind = calibration.run(api, {})
    assert.is_nil(none)
    assert.are.equal("conflict", err.kind)
    assert.matches("update_key names the member", message)
    assert.are.same({ id = 1, made = true }, behind)
    api:close()
    box:stop()
  end)

  it("stops where records do not show", function()
    local profile, message, err = calibrate({ visible_after = 3600 }, { patience = 0.3 })
    assert.is_nil(profile)
    assert.are.equal("timeout", err.kind)
    assert.matches("not visible within 0.3 s", message)
  end)

  it("stops where a write is in doubt", function()
    local box = support.sandbox()
    local api = support.client(box)
    for nth = 1, 4 do
      box:reset()
      box:fault { operation = "imports.import", nth = nth, kind = "commit_then_drop" }
      local profile, _, err = calibration.run(api, {})
      assert.is_nil(profile)
      assert.are.equal("in_doubt", err.fate)
    end
    api:close()
    box:stop()
  end)
end)

describe("a profile", function()
  local path, profile

  setup(function()
    profile = assert(calibrate { update = "append", update_key = "importId" })
    path = system.file(flarelight.json.encode(profile))
  end)

  it("tells a client the update key", function()
    local box = assert(flarelight.sandbox.start { profile = path })
    local api = support.client(box, { profile = path })
    local id = support.import(api, 2)
    assert(api.imports:import { id = id, records = { { n = 2 } } })
    assert.are.equal(3, #box:rows(id))
    api:close()
    box:stop()
  end)

  it("lets an upload go by what an update does", function()
    local box = assert(flarelight.sandbox.start { profile = path })
    local api = support.client(box, { profile = path })
    local id = support.import(api, 2)
    assert(api.imports:upload { id = id, records = support.records(3) })
    assert.are.equal(5, #box:rows(id))
    api:close()
    box:stop()

    local replacing = assert(calibrate { update = "replace" })
    box = assert(flarelight.sandbox.start { profile = replacing })
    api = support.client(box, { profile = replacing, state = system.path() })
    id = support.import(api, 2)
    for _, update in ipairs { "append", false } do
      local none, message, err = api.imports:upload { id = id, update = update or nil, records = support.records(3) }
      assert.is_nil(none)
      assert.are.equal("config", err.kind)
      assert.matches("an update replaces", message)
    end
    assert.are.equal(2, #box:rows(id))
    local requests = #box:requests()
    local none, message, err = api.imports:upload { records = support.records(7), batch_records = 5 }
    assert.is_nil(none)
    assert.are.equal("config", err.kind)
    assert.matches("more than one batch", message)
    assert.are.equal(requests, #box:requests())
    local result = assert(api.imports:upload { records = support.records(7) })
    assert.are.equal(7, #box:rows(result.id))
    result = assert(api.imports:upload { records = support.records(7), batch_records = 5, update = "import_per_batch" })
    assert.are.equal(2, #result.ids)
    api:close()
    box:stop()
  end)

  it("is one service's, and its twins' on this machine", function()
    local key = { api_key = "k", subscription_id = "00000000-0000-4000-8000-000000000001", profile = profile }
    local function new(url)
      key.base_url = url
      return flarelight.new(key)
    end
    assert.is_truthy(new "http://127.0.0.1:1")
    assert.is_truthy(new "http://[::1]:1")
    local none, message, err = new "https://integration.eu.flarelight.cloud"
    assert.is_nil(none)
    assert.are.equal("config", err.kind)
    assert.matches("profile: is that of http://127.0.0.1:%d+, not of https://integration.eu", message)
    profile.service = "https://integration.eu.flarelight.cloud"
    assert.is_truthy(new "https://integration.eu.flarelight.cloud/path")
    assert.is_nil((new "https://integration.us.flarelight.cloud"))
  end)

  it("that cannot be is refused", function()
    local function refused(value, reason)
      local text = type(value) == "string" and value or flarelight.json.encode(value)
      local bad = system.file(text)
      local none, message, err = flarelight.new { api_key = "k", base_url = "http://127.0.0.1:1",
        subscription_id = "00000000-0000-4000-8000-000000000001", profile = bad }
      assert.is_nil(none)
      assert.are.equal("config", err.kind)
      assert.matches(reason, message)
      none, message = flarelight.sandbox.start { profile = bad }
      assert.is_nil(none)
      assert.matches(reason, message)
    end
    refused("{", "inside a value")
    refused("[]", "is of version nil")
    refused({ version = 2 }, "is of version 2, not 1")
    refused({ version = 1, service = "s" }, "lacks service or found")
    refused({ version = 1, service = "s", found = { nonsense = 1 } }, "unknown finding \"nonsense\"")
    refused({ version = 1, service = "s", found = { ids = "words" } }, "has the invalid finding ids = words")
    local _, message = flarelight.sandbox.start { profile = "/nowhere" }
    assert.matches("/nowhere", message)
    assert.has_error(function() flarelight.sandbox.start { profile = 1 } end)
  end)
end)
