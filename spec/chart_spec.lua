--- Specs of lua/flarelight/chart and what draws for it.

local flarelight = require "flarelight"
local system = require "support.system"

local null = flarelight.null
local render = flarelight.chart.render

-- Charts are written indented by as much as stands before their first line.
local function drawing(text)
  local indent = text:match "^ *"
  return (("\n" .. text):gsub("\n" .. indent, "\n"):gsub(" +$", ""):sub(2))
end

local read = system.read

local function with_file(use) use(system.file "") end

local function one(values, labels, name)
  return { labels = labels or { "a", "b", "c" }, series = { { name = name, values = values } } }
end

describe("chart.render as text", function()
  local cases = {
    {
      "bars with parts of blocks, a legend and a scale",
      one({ 10, 5.5, 0.01 }, nil, "strikes"), { title = "Strikes", width = 36 }, [[
        Strikes
        █ strikes

        a │████████████████████████████ 10
        b │███████████████▍ 5.5
        c │▏ 0.01
          └─────────────┬─────────────┬
          0             5            10
      ]],
    },
    {
      "groups of several series; null is no value, zero no bar",
      { labels = { "one", "two" }, series = {
        { name = "x", values = { 1, 2 } }, { name = "y", values = { null, 4 } }, { name = "z", values = { 3, 0 } },
      } }, { width = 30 }, [[
        █ x   ▒ y   ░ z

        one │█████▊ 1
            │–
            │░░░░░░░░░░░░░░░░░ 3
            │
        two │███████████▌ 2
            │▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒ 4
            │0
            └───────────┬──────────┬
            0           2          4
      ]],
    },
    {
      "one bar a label, with the sum, where stacked",
      { labels = { "one", "two" }, series = {
        { name = "x", values = { 1, 2 } }, { name = "y", values = { null, 4 } }, { name = "z", values = { 3, 0 } },
      } }, { width = 30, stacked = true }, [[
        █ x   ▒ y   ░ z

        one │███░░░░░░░░░░░░ 4
        two │███████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒ 6
            └───────┬──────┬───────┬
            0       2      4       6
      ]],
    },
    {
      "values below zero to the left of the axis",
      one { -4, 2, -0.5 }, { width = 30 }, [[
        a   -4 █████████████│
        b                   │██████▌ 2
        c            -0.5 ▐█│
               ┬──────┬─────┼──────┬
              -4     -2     0      2
      ]],
    },
    {
      "nothing but values below zero",
      one({ -2, -1 }, { "a", "b" }), { width = 24 }, [[
        a -2 ██████████████████│
        b          -1 █████████│
             ┬────────┬────────┘
            -2       -1        0
      ]],
    },
    {
      "nothing but zero",
      one { 0, 0, null }, { width = 24 }, [[
        a │0
        b │0
        c │–
          └─────────┬────────┬
          0        0.5      1.0
      ]],
    },
    { "no data", { labels = {}, series = {} }, { title = "Nothing" }, "Nothing\n\n(no data)\n" },
    { "series without values", { labels = {}, series = { { name = "x", values = {} } } }, {}, "█ x\n\n(no data)\n" },
    {
      "long labels cut, wide and combining characters aligned, controls and broken bytes harmless",
      one({ 1, 2, 3, 4 }, { "a label that is too long", "東京都", "Zu\204\136rich", "\27[31m\255\n" }), { width = 30 }, [[
        a label t… │████ 1
            東京都 │████████ 2
            Zürich │████████████ 3
            [31m�  │████████████████ 4
                   └───────┬───────┬
                   0       2       4
      ]],
    },
    {
      "more values than labels, labels that are no text",
      one({ 1, 2, 3 }, { 2024, null }), { width = 20 }, [[
        2024 │████ 1
           – │████████ 2
           3 │████████████ 3
             └───┬───┬───┬
             0   1   2   3
      ]],
    },
  }
  for _, case in ipairs(cases) do
    local name, data, options, expected = case[1], case[2], case[3], case[4]
    it(name, function()
      assert.are.equal(drawing(expected), (render(data, options)))
    end)
  end

  it("fits twelve months of three series into 80 columns", function()
    local data = { labels = {}, series = {} }
    for month = 1, 12 do data.labels[month] = "month " .. month end
    for series = 1, 3 do
      local values = {}
      for month = 1, 12 do values[month] = month * series * 1000.125 end
      data.series[series] = { name = "series " .. series, values = values }
    end
    for line in render(data):gmatch "[^\n]+" do
      local columns = select(2, line:gsub("[^\128-\191]", ""))
      assert.is_true(columns <= 80, line)
    end
  end)

  it("prints integers of 64 bits exactly, on Luas without them too", function()
    local data = assert(flarelight.json.decode '{"labels":["a"],"series":[{"values":[9223372036854775807]}]}')
    assert.is_truthy(render(data):find(" 9223372036854775807\n", 1, true))
  end)

  it("writes the file, and answers the text all the same", function()
    with_file(function(path)
      local text = render(one { 1, 2 }, { file = path })
      assert.are.equal(text, read(path))
    end)
  end)

  it("answers an error of kind io where the file cannot be written", function()
    local text, message, err = render(one { 1 }, { file = "/nowhere/at/all" })
    assert.is_nil(text)
    assert.are.equal("io", err.kind)
    assert.is_truthy(message:find("/nowhere/at/all", 1, true))
  end)
end)

describe("chart.render refuses", function()
  local good = one { 1 }
  local cases = {
    { "no data", nil, nil, "data: should be an array" },
    { "null", null, nil, "data: should be an array, but is null" },
    { "data without labels", { series = {} }, nil, "data.labels: should be an array, but is nil" },
    { "a series without values", { labels = {}, series = { {} } }, nil, "data.series[1].values: should be an array" },
    { "text for a value", one { 1, "much" }, nil, "data.series[1].values[2]: should be a number" },
    { "NaN", one { 0 / 0 }, nil, "data.series[1].values[1]: should be a number" },
    { "infinity", one { 1 / 0 }, nil, "data.series[1].values[1]: should be a number" },
    { "a table for a label", one({ 1 }, { {} }), nil, "data.labels[1]: should be text, but is table" },
    {
      "an unknown format", good, { format = "gif" },
      'format: should be "text", "svg", "png", "pdf", "html" or "csv", but is "gif"',
    },
    { "a file that ends in another format", good, { file = "x.gif" }, "format: is needed for a file that ends in .gif" },
    { "a png without a file", good, { format = "png" }, "file: is missing; a png needs it" },
    { "a pdf without a file", good, { format = "pdf" }, "file: is missing; a pdf needs it" },
    { "an unknown axis", good, { axis = "x" }, 'axis: should be "time" or "labels", but is "x"' },
    {
      "a time axis of other labels", one({ 1, 2 }, { "2026-11-26", "x" }), { axis = "time", format = "svg" },
      'data.labels[2]: should be a date or time for axis = "time", but is x',
    },
    { "an unknown option", good, { colour = "red" }, 'unknown option "colour"' },
    { "a width of nothing", good, { width = 0 }, "width: should be a whole number above 0" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local raised, message = pcall(function() render(case[2], case[3]) end)
      assert.is_false(raised)
      assert.is_truthy(message:find(case[4], 1, true), message)
      assert.is_truthy(message:find("chart_spec.lua", 1, true), message)
    end)
  end
end)

local function succeeds(command)
  local status = os.execute(command)
  return status == true or status == 0
end
local has_gnuplot = succeeds "command -v gnuplot >/dev/null 2>&1"

--- What another Lua says that renders with this PATH.
local function with_path(path)
  local script = [[
    local flarelight = require "flarelight"
    local svg, message, err = flarelight.chart.render({ labels = {}, series = {} }, { format = "svg" })
    io.write(tostring(svg), "|", err.kind, "|", message)
  ]]
  local lua = os.getenv "SPEC_LUA"
  local pipe = io.popen(([[lua=$(command -v '%s'); PATH='%s' "$lua" -e '%s' 2>&1]]):format(lua, path, script))
  local said = pipe:read "*a"
  pipe:close()
  return said
end

describe("chart.render through gnuplot", function()
  -- What gnuplot draws does not depend on the Lua: most of it runs on one.
  local function drawn(name, test, on_every_lua)
    if not system.reference and not on_every_lua then return end
    it(name, function()
      if not has_gnuplot then return pending "gnuplot is not installed" end
      test()
    end)
  end

  it("answers an error of kind io where gnuplot is missing #slow", function()
    assert.is_truthy(with_path("/nowhere"):find("nil|io|chart: gnuplot is missing", 1, true))
  end)

  it("answers an error of kind io, with what gnuplot says, where it fails", function()
    with_file(function(path)
      os.remove(path)
      assert(succeeds(("mkdir '%s' && printf '#!/bin/sh\necho no ink >&2; exit 1\n' >'%s/gnuplot' && chmod +x '%s/gnuplot'")
        :format(path, path, path)))
      local said = with_path(path .. ":/usr/bin:/bin")
      os.execute(("rm -r '%s'"):format(path))
      assert.are.equal("nil|io|chart: gnuplot did not draw: no ink ", said)
    end)
  end)

  drawn("draws what the ending of the file says", function()
    for ending, beginning in pairs {
      [".svg"] = "<?xml", [".PNG"] = "\137PNG", [".pdf"] = "%PDF", [".html"] = "<!DOCTYPE html>", [".htm"] = "<!DOCTYPE",
      [".csv"] = "label,value\r\na,1\r\n", [".txt"] = "a ", [""] = "a ",
    } do
      local path = system.path(ending)
      assert(render(one { 1, 2 }, { file = path }))
      assert.are.equal(beginning, system.read(path):sub(1, #beginning), ending)
    end
  end)

  drawn("answers SVG, and writes it where there is a file", function()
    with_file(function(path)
      local svg = assert(render(one({ 1, 2, -3 }, nil, "strikes"), { format = "svg", file = path, title = "A title" }))
      assert.are.equal(svg, read(path))
      for _, part in ipairs { "<svg", ">A title<", ">strikes<", ">a<", ">b<", ">c<", ">-3<", "</svg>" } do
        assert.is_truthy(svg:find(part, 1, true), part)
      end
    end)
  end, true)

  drawn("writes a PNG and a PDF, and answers the file's name", function()
    for format, beginning in pairs { png = "\137PNG\r\n\26\n", pdf = "%PDF-1." } do
      with_file(function(path)
        assert.are.equal(path, assert(render(one { 1, 2 }, { format = format, file = path })))
        assert.are.equal(beginning, read(path):sub(1, #beginning))
      end)
    end
  end)

  local shapes = {
    { "lines with gaps", { type = "line", labels = { "a", "b", "c" }, series = { { values = { 1, null, 3 } } } } },
    { "lines of nothing", { type = "line", labels = { "a" }, series = { { name = "n", values = { null } } } } },
    { "bars of nothing", one({ null }, nil, "n") },
    { "zero", one { 0 } },
    { "no data", { labels = {}, series = {} } },
    { "great and small numbers", one { 1e299, -1e299, 1e-300 } },
    { "stacks", { labels = { "a" }, series = { { values = { 1 } }, { values = { -2 } } } }, { stacked = true } },
    { "one time", { type = "line", labels = { "2026-11-26" }, series = { { values = { 1 } } } } },
    { "equal times", { type = "line", labels = { "2026-11", "2026-11" }, series = { { values = { 1, 2 } } } } },
    { "bars of equal times", one({ 1, 2 }, { "2026-11", "2026-11" }), { axis = "time" } },
    { "many points", (function()
      local data = { type = "line", labels = {}, series = { { values = {} } } }
      for i = 1, 200 do data.labels[i], data.series[1].values[i] = "l" .. i, i end
      return data
    end)() },
    { "a type of its own", { type = "pie", labels = { "a" }, series = { { values = { 1 } } } } },
  }
  for _, shape in ipairs(shapes) do
    drawn("draws " .. shape[1], function()
      local options = shape[3] or {}
      options.format = "svg"
      local svg = assert(render(shape[2], options))
      assert.is_truthy(svg:find("</svg>", 1, true))
      assert.is_nil(svg:find("scale(0.00)", 1, true), "some programs refuse it")
      assert.is_truthy(render(shape[2], { stacked = options.stacked }))
    end)
  end

  drawn("shows labels, names and titles as they are, and runs nothing of them", function()
    with_file(function(path)
      os.remove(path)
      local texts = {
        ("`touch %s`"):format(path), ("'; system('touch %s'); '"):format(path), ('" | !touch %s'):format(path),
        ("\n!touch %s\n"):format(path), "END", "it's", "'first", "100%d %s", "^{x}_y @z", "back\\", "$series1 #",
        "Zürich",
      }
      for _, text in ipairs(texts) do
        for _, kind in ipairs { "bar", "line" } do
          local data = { type = kind, labels = { text }, series = { { name = text, values = { 1 } } } }
          local svg = assert(render(data, { format = "svg", title = text }))
          local shown = text:gsub("\n", " "):gsub("^ +", "")
          if #shown > 30 then shown = shown:sub(1, 20) end
          shown = shown:gsub("&", "&amp;"):gsub("<", "&lt;"):gsub(">", "&gt;")
          local count = 0
          for found in svg:gmatch ">([^<]*)</text>" do
            if found:gsub("&apos;", "'"):gsub("&quot;", '"'):find(shown, 1, true) then count = count + 1 end
          end
          for found in svg:gmatch "<tspan[^>]*>([^<]*)<" do
            if found:find(shown, 1, true) then count = count + 1 end
          end
          assert.are.equal(3, count, text .. " in\n" .. svg)
        end
      end
      assert.is_nil(io.open(path), "a label was run")
    end)
  end)

  -- A text in which every one of `characters` stands before every other, cut into pieces of `length` that share a
  -- character with the next one, so that no pair is lost.
  local function pieces_of_pairs(characters, length)
    local pairs_of = {}
    for _, left in ipairs(characters) do
      for _, right in ipairs(characters) do pairs_of[#pairs_of + 1] = left .. right end
    end
    local text, pieces = table.concat(pairs_of), {}
    for position = 1, #text - 1, length - 1 do pieces[#pieces + 1] = text:sub(position, position + length - 1) end
    return pieces
  end

  local function texts_of(svg)
    local texts = {}
    for found in svg:gmatch ">([^<]*)</text>" do texts[#texts + 1] = found end
    for found in svg:gmatch "<tspan[^>]*>([^<]*)<" do texts[#texts + 1] = found end
    for i, text in ipairs(texts) do
      texts[i] = text:gsub("&lt;", "<"):gsub("&gt;", ">"):gsub("&quot;", '"'):gsub("&apos;", "'"):gsub("&#39;", "'")
        :gsub("&amp;", "&")
      texts[texts[i]] = true
    end
    return texts
  end

  drawn("shows every printable character before every other, in titles, labels and names #slow", function()
    local all, punctuation = {}, {}
    for code = 32, 126 do
      all[#all + 1] = string.char(code)
      if string.char(code):find "[%p%d]" then punctuation[#punctuation + 1] = string.char(code) end
    end
    local labels, names = pieces_of_pairs(all, 30), pieces_of_pairs(all, 40)
    local titles = pieces_of_pairs(punctuation, 90)
    local label, name, title = 1, 1, 1
    while label <= #labels or name <= #names or title <= #titles do
      local data, wanted = { labels = {}, series = {} }, {}
      for i = 1, 30 do -- of more, not all are shown
        data.labels[i] = labels[label] or "none"
        wanted[#wanted + 1], label = data.labels[i], label + 1
      end
      for i = 1, 8 do -- a legend of more is cut
        data.series[i] = { name = names[name] or "none", values = { 1 } }
        wanted[#wanted + 1], name = data.series[i].name, name + 1
      end
      local given = titles[title] or "none"
      wanted[#wanted + 1], title = given, title + 1
      local svg = assert(render(data, { format = "svg", title = given, stacked = true }))
      assert.is_nil(svg:find "[%z\1-\8\11\12\14-\31]", "a control character is no XML")
      assert.is_nil(svg:gsub("&%a+;", ""):gsub("&#%d+;", ""):find("&", 1, true), "a bare & is no XML")
      local found = texts_of(svg)
      for _, text in ipairs(wanted) do
        assert.is_true(found[text] == true, text .. " is not in\n" .. table.concat(found, "\n"))
      end
    end
  end)

  drawn("leaves room for labels that are rotated, and shows as many as have room", function()
    local labels, values = {}, {}
    for i = 1, 40 do labels[i], values[i] = ("a label of thirty letters %d"):format(i), i end
    local svg, count, first = assert(render(one(values, labels), { format = "svg" })), 0, nil
    for x in svg:gmatch 'translate%(([%d.]+),[%d.]+%) rotate%(%-40' do
      first, count = first or tonumber(x), count + 1
    end
    assert.are.equal(20, count)
    -- The text ends at x and is 27 letters of at least 6 pixels long.
    assert.is_true(first > 27 * 6 * 0.77, first)
  end)

  drawn("takes no file name for a program", function()
    with_file(function(path)
      os.remove(path)
      local result, _, err = render(one { 1 }, { format = "png", file = "|touch " .. path })
      assert.is_nil(result)
      assert.are.equal("io", err.kind)
      assert.is_nil(io.open(path))
    end)
  end)
end)

describe("chart.render as CSV", function()
  it("has a column for each series, empty cells for holes, and all digits", function()
    local data = assert(flarelight.json.decode [[{"labels": ["a,b", "say \"x\"", null, "d"],
      "series": [{"name": "n", "values": [9223372036854775807, 0.1, null]}, {"values": [0.30000000000000004]}]}]])
    assert.are.equal('label,n,series 2\r\n"a,b",9223372036854775807,0.30000000000000004\r\n'
      .. '"say ""x""",0.1,\r\n–,,\r\nd,,\r\n', (render(data, { format = "csv" })))
  end)

  it("is read back by csv.rows", function()
    local path = system.path ".csv"
    assert(render(one({ 1, null, 2.5 }, { "a", "line\nend", " b" }, "n"), { file = path }))
    local labels, values = {}, {}
    for row in flarelight.csv.rows(path) do
      labels[#labels + 1], values[#values + 1] = row.label, row.n == null and "null" or row.n
    end
    assert.are.same({ { "a", "line\nend", " b" }, { 1, "null", 2.5 } }, { labels, values })
  end)

  it("of no data is a heading", function()
    assert.are.equal("label\r\n", (render({ labels = {}, series = {} }, { format = "csv" })))
  end)
end)

describe("the time axis", function()
  local time_axis = require "flarelight.chart.time_axis"

  local texts = {
    { "1970-01-01", 0, false }, { "2026-11-26", 1795651200, false }, { "2026-11", 1793491200, false },
    { "2000-02-29T12:30", 951827400, false }, { "2026-11-26 14:05:31", 1795701931, false },
    { "2026-11-26T14:05:31.5Z", 1795701931.5, 0 }, { "2026-11-26T14:05+01:00", 1795701900, 3600 },
    { "1969-12-31T23:59:59 -0230", -1, -9000 }, { "2026-11-26T24:00", 1795737600, false },
    { "2026" }, { "2026-13" }, { "2026-02-29" }, { "2026-11-31" }, { "2026-11-26T25:00" }, { "2026-11-26T1:00" },
    { "2026-11-26T14:05:31CET" }, { "November" }, { "" }, { "2026-11-26x" },
  }
  for _, case in ipairs(texts) do
    it("reads " .. case[1], function()
      local seconds, offset = time_axis.parse(case[1])
      assert.are.equal(case[2], seconds)
      if seconds then assert.are.equal(case[3], offset) end
    end)
  end

  it("keeps the zone that all labels have, and shows several in UTC", function()
    assert.are.same({ 3600 }, time_axis.read { "1970-01-01T01:00+01:00" })
    assert.are.same({ 0, 3600 }, time_axis.read { "1970-01-01T01:00+01:00", "1970-01-01T01:00Z" })
    assert.is_nil(time_axis.read { "1970-01-01", "–" })
    assert.is_nil(time_axis.read {})
  end)

  -- From, to, the least distance, and the ticks.
  local ranges = {
    { "2026-01-01", "2026-01-04", 86400, "1 Jan/2026 2 Jan 3 Jan 4 Jan" },
    { "2025-12-30", "2026-01-02", 86400, "30 Dec/2025 31 Dec 1 Jan/2026 2 Jan" },
    { "2026-11-20", "2026-12-20", 3600, "23 Nov/2026 30 Nov 7 Dec 14 Dec" },
    { "2026-01-01", "2026-03-01", 28 * 86400, "Jan/2026 Feb Mar" },
    { "2025-06-01", "2026-06-01", 86400, "Jul/2025 Sep Nov Jan/2026 Mar May" },
    { "1969-06-01", "2026-06-01", 86400, "1970 1980 1990 2000 2010 2020" },
    { "2026-11-26T22:30", "2026-11-27T02:10", 60, "23:00/26 Nov 2026 00:00/27 Nov 2026 01:00 02:00" },
    { "2026-11-26T10:00:58", "2026-11-26T10:01:02", 1,
      "10:00:58/26 Nov 2026 10:00:59 10:01:00 10:01:01 10:01:02" },
  }
  for _, case in ipairs(ranges) do
    it(("has ticks from %s to %s"):format(case[1], case[2]), function()
      local shown = {}
      for i, each in ipairs(time_axis.ticks(time_axis.parse(case[1]), time_axis.parse(case[2]), 6, case[3])) do
        shown[i] = each.text .. (each.below ~= "" and "/" .. each.below or "")
      end
      assert.are.equal(case[4], table.concat(shown, " "))
    end)
  end

  it("tells the date of each day of four centuries as the calendar does", function()
    local month_days, seconds = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }, 0
    for year = 1970, 2370 do
      local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
      for month, days in ipairs(month_days) do
        for day = 1, month == 2 and leap and 29 or days do
          local date = ("%d-%02d-%02d"):format(year, month, day)
          if date .. " 00:00:00" ~= time_axis.utc(seconds) or seconds ~= time_axis.parse(date) then error(date) end
          seconds = seconds + 86400
        end
      end
    end
  end)

  if not system.reference then return end

  local function svg_of(data, options)
    if not has_gnuplot then return pending "gnuplot is not installed" end
    options.format = "svg"
    return assert(render(data, options))
  end
  local days = { "2026-11-24", "2026-11-25", "2026-12-24" }

  it("places lines of dates by their distance, if axis does not say otherwise", function()
    local data = { type = "line", labels = days, series = { { values = { 1, 2, 3 } } } }
    local svg = svg_of(data, {})
    assert.is_nil(svg:find(">2026-11-24<", 1, true))
    assert.truthy(svg:find(">30 Nov<", 1, true) and svg:find(">2026<", 1, true))
    assert.truthy(svg_of(data, { axis = "labels" }):find(">2026-11-24<", 1, true))
  end)

  it("sorts the points of a line", function()
    local data = { type = "line", labels = days, series = { { values = { 1, 2, 3 } } } }
    local backward = { type = "line", labels = { days[3], days[1], days[2] }, series = { { values = { 3, 1, 2 } } } }
    assert.are.equal(svg_of(data, {}), svg_of(backward, {}))
  end)

  it("has bars only if they do not become too thin", function()
    assert.truthy(svg_of(one({ 1, 2, 3 }, days), {}):find(">2026-11-24<", 1, true))
    assert.is_nil(svg_of(one({ 1, 2, 3 }, days), { axis = "time" }):find(">2026-11-24<", 1, true))
    assert.is_nil(svg_of(one({ 1, 2, 3 }, { "2026-01", "2026-02", "2026-04" }), {}):find(">2026-01<", 1, true))
  end)
end)

describe("many series", function()
  if not system.reference then return end
  local function data(kind, count)
    local made = { type = kind, labels = { "a", "b" }, series = {} }
    for index = 1, count do made.series[index] = { name = "series number " .. index, values = { index, -index } } end
    return made
  end

  -- The style of each series' elements in the SVG: colour, dashes, shade.
  for _, kind in ipairs { "line", "bar" } do
    it(("of %ss are all in the legend, and each looks unlike every other"):format(kind), function()
      if not has_gnuplot then return pending "gnuplot is not installed" end
      local svg, seen = assert(render(data(kind, 32), { format = "svg" })), {}
      for index = 1, 32 do
        local group = assert((svg .. '"gnuplot_plot_'):match(('"gnuplot_plot_%d"(.-)"gnuplot_plot_'):format(index)), index)
        assert.truthy(group:find((">series number %d<"):format(index), 1, true), index)
        local style = kind == "line" and group:match "stroke='(rgb[^>]*)" or group:match "fill *= *'(rgb[^']+)'"
        assert.is_nil(seen[assert(style, group)], style)
        seen[style] = index
      end
    end)
  end

  it("have titles of their names in the SVG", function()
    if not has_gnuplot then return pending "gnuplot is not installed" end
    local given = { type = "line", labels = { "2026-11-24", "2026-11-25" }, series = {
      { name = "a & b", values = { 1, 2 } }, { values = { 2, 3 } }, { name = "<c>", values = { null, null } },
    } }
    local titles = {}
    for title in render(given, { format = "svg", title = "50% <x>" }):gmatch "<title>([^<]*)</title>" do
      titles[#titles + 1] = title
    end
    assert.are.same({ "50% &lt;x&gt;", "a &amp; b", "series 2", "&lt;c&gt;" }, titles)
  end)

  it("make the picture higher, and leave the plot its room", function()
    if not has_gnuplot then return pending "gnuplot is not installed" end
    local few, many = render(data("line", 3), { format = "svg" }), render(data("line", 60), { format = "svg" })
    local function height(svg) return tonumber(svg:match 'viewBox="0 0 960 (%d+)"') end
    assert.are.equal(540, height(few))
    assert.is_true(height(many) > 800)
  end)
end)

describe("a page of HTML", function()
  if not system.reference then return end
  local hostile = '</svg><script>alert(1)</script>&"\''
  local data = {
    type = "line", labels = { "2026-11-24", "2026-11-25", hostile },
    series = { { name = "strikes", values = { 0.1, null, 9007199254740991 } }, { name = hostile, values = { 1, 2, 3 } } },
  }
  local options = { format = "html", title = "A <title>", source = "https://example.org/ & more", time = 1795651200 }

  local function page()
    if not has_gnuplot then return pending "gnuplot is not installed" end
    return assert(render(data, options))
  end

  it("has the picture, the table, the source and the time, and loads nothing", function()
    local html = page()
    for _, part in ipairs {
      "<h1>A &lt;title&gt;</h1>", '<svg role="img" aria-label="A &lt;title&gt;"', '<th scope="row">2026-11-24</th><td>0.1</td>',
      '<th scope="row">2026-11-25</th><td>–</td><td>2</td>', "<td>9007199254740991</td>",
      "Source: https://example.org/ &amp; more<br>", '<time datetime="2026-11-26T00:00:00Z">2026-11-26 00:00:00 UTC</time>',
      "default-src 'none'",
    } do
      assert.truthy(html:find(part, 1, true), part)
    end
    assert.are.equal(1, select(2, html:gsub("A &lt;title&gt;</h1>", "")))
    assert.is_nil(html:find("<script", 1, true))
    assert.is_nil(html:lower():find "src *=" or html:lower():find "url%(http" or html:find("@import", 1, true))
    for address in html:gmatch 'href *= *["\']([^"\']*)' do assert.matches("^#", address) end
  end)

  it("needs neither title, names nor source", function()
    if not has_gnuplot then return pending "gnuplot is not installed" end
    local html = assert(render(one { 1 }, { format = "html" }))
    assert.truthy(html:find("<title>Chart</title>", 1, true) and html:find('<th scope="col">value</th>', 1, true))
    assert.is_nil(html:find("Source:", 1, true))
  end)

  it("opens in a browser as it was written #slow", function()
    local browser = system.shell "command -v chromium || command -v chromium-browser || command -v google-chrome"
    if browser == "" or not has_gnuplot then return pending "no Chromium is installed" end
    local path = system.file(page(), ".html")
    local dom = system.shell(("HOME=%s %s --headless --no-sandbox --disable-gpu --dump-dom file://%s 2>/dev/null"):format(
      system.folder(), browser:match "[^\n]+", path))
    assert.are.equal(3, select(2, dom:match "<tbody>(.*)</tbody>":gsub("<tr>", "")))
    assert.truthy(dom:find('<svg role="img"', 1, true) and dom:find("</footer>", 1, true), dom)
    assert.is_nil(dom:find("<script", 1, true) or dom:find("parsererror", 1, true))
    local picture = dom:match "<svg.-</svg>"
    assert.truthy(picture:find("strikes</text>", 1, true) or picture:find(">strikes<", 1, true))
    assert.are.equal(1, select(2, dom:gsub("<svg", "")))
  end)
end)
