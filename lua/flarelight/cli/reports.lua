--- flarelight reports: list, generate, chart.

local calls = require "flarelight.calls"
local context = require "flarelight.cli.context"
local core = require "flarelight.core"
local render = require("flarelight.chart").render
local ending = require "flarelight.cli.ending"
local group = require "flarelight.cli.group"
local json = require "flarelight.json"
local output = require "flarelight.cli.output"
local seeing = require "flarelight.cli.seeing"
local status = require "flarelight.cli.status"

local reports = {}

local ENDINGS = {
  svg = "svg", png = "png", pdf = "pdf", html = "html", htm = "html", csv = "csv", json = "json", txt = "text",
}

local function write_file(path, text)
  local file, message = io.open(path, "wb")
  if not file then ending.fail(status.FAILED, message) end
  local written, why = file:write(text)
  local closed, reason = file:close()
  if not (written and closed) then ending.fail(status.FAILED, ("%s: %s"):format(path, why or reason)) end
end

local function query_of(args)
  if not args.query and not args.report then
    ending.fail(status.USAGE, "reports chart: give --report ID, or --query JSON")
  end
  local query = args.query or {}
  -- Digits are sent as a number, which most services use for ids; other ids are sent as text.
  local id = args.report
  if id then query.reportId = id:match "^[1-9]%d*$" and json.integer(id) or id end
  return query
end

local function chart(args, out)
  local path = args.output ~= "-" and args.output or nil
  local format = context.format(args, ENDINGS, "text")
  if (format == "png" or format == "pdf") and not path then
    ending.fail(status.USAGE, ("--format %s needs -o FILE"):format(format))
  end
  local query = query_of(args)
  local api = context.client(args)
  local data = ending.expect(api.reports:chart_data(query))
  if format == "json" then
    local text = output.encode(data)
    if path then write_file(path, text) else output.write(text) end
  else
    local width = core.terminal(1)
    local drawn, result, message, err = pcall(render, data, {
      format = format, title = args.title, stacked = args.stacked, axis = args.axis, file = path,
      source = ("%s/Report/ChartData %s"):format(calls.config(api).base_url, output.compact(query)),
      width = args.width or width and width > 20 and width or nil,
    })
    -- The options are correct, so the error is about the shape of the service's data, or about its labels.
    if not drawn then
      local why = tostring(result):gsub("^.-chart%.render: ", "")
      if why:find('for axis = "time"', 1, true) then
        ending.fail(status.FAILED, "--axis time: " .. why:gsub(' for axis = "time"', ""))
      end
      ending.fail(status.FAILED, "the service's reply is no chart: " .. why, "protocol")
    end
    result = ending.expect(result, message, err)
    if not path then output.write((result:gsub("\n*$", "\n"))) end
  end
  if path then out:note(path .. ": written") end
end

function reports.define(parser, define)
  local commands = define(parser, "reports", "Lists and generates reports, draws their charts.")
  group.list(define, commands, "The reports that the key may see.",
    function(api) return api.reports:all() end, "there are no reports")
  group.run(define, commands, "generate", "Generates a report.",
    function(api, id, parameters, given) return api.reports:generate(id, parameters, given) end, "reports")

  local command = define(commands, "chart", "Draws chart data, in the terminal or to a file.", chart)
  command:option("--query"):argname "JSON":convert(context.json)
    :description "Query: an object, or @FILE, or @- for standard input."
  command:option("--report"):argname "ID":convert(context.id):description "Adds reportId to the query."
  command:option("--format"):choices { "text", "svg", "png", "pdf", "html", "csv", "json" }
    :description "Format. Default: by the ending of FILE, else text."
  command:option("-o --output"):argname "FILE":description "File to write."
  command:option("--title"):argname "TEXT":description "Title above the chart."
  command:option("--width"):argname "N":convert(context.positive)
    :description "Columns of a text chart. Default: those of the terminal, else 80."
  command:option("--axis"):choices { "time", "labels" }
    :description("In a picture: dates and times by their distance, or labels one after the other. Default: time, if "
      .. "all labels are dates or times and bars do not become too thin.")
  command:flag("--stacked"):description "Stacks the series of a label in one bar."
  seeing.of_one_call(command)
  context.connecting(command)
end

return reports
