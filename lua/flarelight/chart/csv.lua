--- Chart data as CSV (RFC 4180): a column of labels, and one for each series. Pure.

local csv = {}

local function cell(text)
  if text:find '[",\r\n]' or text:find "^ " or text:find " $" then return '"' .. text:gsub('"', '""') .. '"' end
  return text
end

local function line(cells)
  return table.concat(cells, ",") .. "\r\n"
end

--- The text of checked chart data. A hole is an empty cell; numbers have all their digits.
function csv.draw(data)
  local head = { "label" }
  for index, series in ipairs(data.series) do head[index + 1] = cell(series.name ~= "" and series.name or "value") end
  local lines = { line(head) }
  for row = 1, data.count do
    local cells = { cell(data.labels[row]) }
    for index, series in ipairs(data.series) do cells[index + 1] = cell(series.exact[row] or "") end
    lines[row + 1] = line(cells)
  end
  return table.concat(lines)
end

return csv
