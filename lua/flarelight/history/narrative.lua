--- The events of the history as sentences: what happened to an upload or to a block of once, for people. Pure.

local effort = require "flarelight.history.effort"

local narrative = {}

local function seconds(value) return ("%.1f s"):format(value) end

local function going_on(d)
  local before = d.broken_off and "; the run before ended without a word: it was killed, or the machine went down" or ""
  return ("process %.0f goes on%s"):format(d.process, before)
end

local function batch(d, words) return ("batch %.0f: %s"):format(d.batch, words) end
local function write(d, words) return ("write %.0f: %s"):format(d.write, words) end

local function forgotten(d) return ("process %.0f forgot it"):format(d.process) end

local function stopped(d)
  return "stopped: " .. (d.message or "") .. (d.fate and (" (fate: %s)"):format(d.fate) or "")
end

local SEEN = {
  applied = "all records of the batch", absent = "none of the batch", partial = "only its first records",
  foreign = "other rows", behind = "not even the row before the batch", unverifiable = "rows that cannot be recognised",
}

-- Event -> its sentence, by the detail of the event.
local UPLOAD = {
  began = function(d)
    return ("process %.0f begins the upload of %s%s"):format(d.process, d.source,
      d.import and " to import " .. d.import or "")
  end,
  resumed = going_on,
  sent = function(d)
    if d.records == 0 then return batch(d, "sent, without records") end
    return batch(d, ("sent, records %.0f to %.0f%s"):format(d.record, d.record + d.records - 1,
      d.line and (", from line %.0f"):format(d.line) or ""))
  end,
  ["sent again"] = function(d) return batch(d, "sent again") end,
  applied = function(d)
    if d.by == "reading" then return batch(d, "applied: that was read, the service has not acknowledged it") end
    return batch(d, "applied: acknowledged" .. effort.words(d))
  end,
  doubt = function(d) return batch(d, "in doubt" .. effort.words(d) .. ": " .. d.message) end,
  ["read list"] = function(d)
    return batch(d, ('the list of imports was searched for the mark "%s": %s'):format(d.mark, d.verdict))
  end,
  ["read rows"] = function(d)
    local words = "%.0f rows of import %s from row %.0f on were compared with the %.0f records that were sent: %s"
    return batch(d, words:format(d.rows, d.import, d.start, d.sent, SEEN[d.verdict] or d.verdict))
  end,
  found = function(d) return batch(d, "its import is " .. d.import) end,
  withdrawn = function(d)
    return batch(d, "not applied" .. (d.message and ": " .. d.message or "") .. effort.words(d))
  end,
  divided = function(d) return batch(d, ("divided: its first %.0f records are applied"):format(d.records)) end,
  rejected = function(d) return batch(d, "its record was refused for good: " .. d.reject) end,
  stopped = stopped,
  dropped = function(d) return "stopped before anything was sent: " .. (d.message or "") end,
  forgotten = forgotten,
  done = function(d)
    return ("done: %.0f %s in %.0f %s"):format(d.records, d.records == 1 and "record" or "records", d.batches,
      d.batches == 1 and "batch" or "batches")
  end,
}

local ONCE = {
  began = function(d) return ("process %.0f begins"):format(d.process) end,
  resumed = going_on,
  sent = function(d)
    return write(d, ("%s %s sent (request id %s, body %s)"):format(d.operation, d.target, d.request_id,
      d.sha256:sub(1, 12)))
  end,
  ended = function(d)
    local fate = (d.fate or "in_doubt"):gsub("_", " ")
    return write(d, fate .. effort.words(d) .. (d.message and ": " .. d.message or ""))
  end,
  replayed = function(d) return write(d, "not sent again: it was applied before") end,
  sighted = function(d)
    return write(d, (d.applied and "carried out: " or "still in doubt: ") .. d.message)
  end,
  looked = function(d)
    return d.answer and "look says that it was done" or "look says that the writes in doubt were not carried out"
  end,
  settled = function(d) return ("process %.0f settled it: %s"):format(d.process, d.how) end,
  stopped = stopped,
  forgotten = forgotten,
  done = function(d)
    if not d.seen_in then return "done" end
    return ("done: the end of the run was seen in its %s, %s after the start, at look %.0f"):format(d.seen_in,
      seconds(d.seconds), d.looks)
  end,
}

--- The sentence of an event.
---@param kind "upload"|"once"
---@param event string
---@param detail table
---@return string
function narrative.sentence(kind, event, detail)
  local sentences = kind == "once" and ONCE or UPLOAD
  local known, text = pcall(sentences[event] or error, detail)
  return known and text or event -- of a version that knows more
end

return narrative
