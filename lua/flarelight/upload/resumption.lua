--- Continues an upload of the journal where it stopped, or returns its result if it is done.
--
-- An upload is named by its token or by its key. Its source is opened as it was, or compared with the one that is open;
-- the batches that the journal holds are read again and checked by their hashes. Raises failures (failure.lua). Relies
-- on run.lua for the state, on source.lua and spool.lua for the source, and on delivery.lua to send what is left.

local calls = require "flarelight.calls"
local delivery = require "flarelight.upload.delivery"
local failure = require "flarelight.upload.failure"
local file_options = require "flarelight.file_options"
local locks = require "flarelight.upload.locks"
local rejects = require "flarelight.upload.rejects"
local runs = require "flarelight.upload.run"
local source = require "flarelight.upload.source"
local spool = require "flarelight.upload.spool"

local resumption = {}

local function conflict(words, members) failure.fail("conflict", "imports:upload: " .. words, members) end

-- `file`: the path, if a file is known to be another one, or nothing.
local function other_source(words, file)
  conflict(words .. ": give the original source, or forget this upload and begin another one", { file = file or nil })
end

-- The files of an entry of the journal, with their identities.
local function parts_of(kept)
  return kept.options.parts
    or { { path = kept.path, size = kept.size, modified = kept.modified, inode = kept.inode } }
end

-- The difference between the opened files and those of an entry of the journal, and the path of one that differs; or
-- nil.
local function other_file(kept, opened, moved)
  local parts = parts_of(kept)
  if #parts ~= #opened.parts then
    return ("the upload was begun with %d files, and not with %d"):format(#parts, #opened.parts)
  end
  for i, part in ipairs(parts) do
    local found = opened.parts[i]
    if found.size ~= part.size
      or not moved and (found.modified ~= part.modified or found.inode ~= part.inode) then
      return ("%s is not the same file as when the upload began"):format(found.path), found.path
    end
  end
  if opened.columns ~= kept.columns then
    return ("%s has other columns than the upload began with"):format(opened.parts[1].path), opened.parts[1].path
  end
end

-- The difference between an opened source and that of an entry of the journal, or nil.
local function difference(kept, opened, moved)
  if opened.kind ~= kept.kind then
    return ("the upload was begun with %s, and not with %s"):format(kept.kind, opened.kind)
  end
  if kept.kind == "file" then return other_file(kept, opened, moved) end
end

-- The path, or the list of paths, of an entry of the journal.
local function paths_of(kept)
  if not kept.options.parts then return kept.path end
  local paths = {}
  for i, part in ipairs(kept.options.parts) do paths[i] = part.path end
  return paths
end

-- The records of a batch in the journal, read again from the source; nil if they differ.
local function read_again(reader, row)
  if row.count == 0 then return source.empty(row.first) end
  local batch = reader:exactly(row.count)
  return batch and batch.count == row.count and batch.sha256 == row.sha256 and batch or nil
end

-- Reads the sent batches of the journal again, and checks them. Counts the applied batches, and puts a batch in doubt
-- at the front of the queue.
local function replay(run, batches)
  local lines = {}
  for _, row in ipairs(batches) do
    local batch = read_again(run.reader, row)
    if not batch then
      local mapped = run.source.mapped
      local whose = mapped and " (the file, or the result of map)" or ""
      other_source(("the source has changed since the upload began%s: batch %d, records %d to %d, differs")
        :format(whose, row.number, row.first, row.first + row.count - 1), not mapped and (run.source.paths or {})[1])
    end
    batch.number, batch.rows_before, batch.last, batch.id = row.number, row.rows_before, row.last == 1, row.id
    if row.state == "acknowledged" then
      run:count(batch, row.id or run.id)
    elseif row.state == "rejected" then
      run:count_rejected()
      lines[#lines + 1] = row.reject
    else
      batch.fate = "in_doubt"
      run.reader:push(batch)
    end
  end
  if run.options.rejects then
    rejects.check(run.api, run.options.rejects, run.source.parts)
    rejects.begin(run.options.rejects, lines)
  end
end

--- The result of an upload that was done before.
function resumption.earlier_result(kept)
  kept.result.already, kept.result.loaded_at = true, kept.ended
  return kept.result
end

-- The result of a finished upload whose key is used again. The source has to be the same, by its modification time or
-- by its records.
local function result_of(run, kept)
  local opened = run.source
  -- Only the records show whether the function `map` is the same.
  local by_time = kept.kind == "file" and not kept.options.mapped
  if by_time and not difference(kept, opened) then return resumption.earlier_result(kept) end
  local same = opened.kind == kept.kind and opened.columns == kept.columns
  if same then
    local reader = source.reader(opened, { records = kept.batch_records, bytes = kept.options.batch_bytes })
    for _, row in ipairs(run.journal:batches(kept.token)) do
      local batch = same and row.count > 0 and read_again(reader, row)
      if batch then batch.text:close() end
      same = same and (row.count == 0 or batch ~= nil)
    end
    same = same and reader:peek(1) == nil
  end
  if not same then
    conflict(("key %q: it names the upload of another source, which was loaded on %s (%s): give this one "
      .. "another key"):format(kept.key, os.date("%Y-%m-%d", math.floor(kept.ended)),
      kept.result.records == 1 and "1 record" or ("%d records"):format(kept.result.records)))
  end
  return resumption.earlier_result(kept)
end

--- The copy of standard input that an entry of the journal reads; nil if it reads none.
function resumption.spool_of(run, kept)
  return kept.options.spool and spool.known(run.api, kept.path, kept.options.spool) or nil
end

local function need_copy(copy)
  if copy:is_there() then return end
  conflict(("the copy of %s that the upload began with is gone (%s): put it back, or forget this upload and begin "
    .. "another one"):format(copy.name, copy.path))
end

--- Continues an upload of the journal, whose source may be open already. Returns its result.
---@param run flarelight.UploadRun
---@param kept table entry of the journal
---@param given table options of this call; `moved`: `file` is another path of the same source
function resumption.continue(run, kept, given)
  locks.take(run, "upload " .. kept.token)
  -- It may have ended before it was locked.
  kept = run.journal:get(kept.token)
  if not kept then conflict "the upload is no longer in the journal" end
  if kept.state == "done" then return run.source and result_of(run, kept) or resumption.earlier_result(kept) end
  run:set_up(kept, given)
  run.journal:resumed(kept.token)
  if not run.source then
    local asked = file_options.of(kept.options)
    asked.file = kept.kind == "file" and (given.moved and given.file or paths_of(kept)) or nil
    asked.spool = not given.moved and resumption.spool_of(run, kept) or nil
    if asked.spool then
      need_copy(asked.spool)
      asked.file = asked.spool.path
    end
    asked.records, asked.map = given.records, given.map
    run:take_source(source.open(run.api, asked))
  end
  -- In a database the entry may be of another machine, whose times and inodes mean nothing here. The digests of the
  -- records that were sent are compared in any case.
  local words, file = difference(kept, run.source, given.moved or calls.config(run.api).database ~= nil)
  if words then other_source(words, file) end
  run:read(kept.batch_records)
  replay(run, run.journal:batches(kept.token))
  return delivery.run(run)
end

--- Whether just one of the upload and this call has a function `map`.
function resumption.mapping_differs(kept, map) return (kept.options.mapped == true) ~= (map ~= nil) end

-- The copy that an unfinished upload was begun with is read again. Another copy has to hold the same bytes; it is
-- deleted.
local function compare_spools(run, kept)
  local copy = run.source.spool
  if not copy or kept.state == "done" then return end
  local first = resumption.spool_of(run, kept)
  if first then need_copy(first) end
  if not (first and spool.same_content(copy.path, first.path)) then
    other_source(("%s has other content than the source that the upload with the key %q began with"):format(copy.name,
      kept.key))
  end
  run.source:close()
  copy:drop()
  run:take_source(nil)
end

--- Continues the upload of a known key, or returns its result. The run's source is open. Fails with kind conflict if
-- the options or the source are not those of the upload.
function resumption.of_key(run, kept, given)
  compare_spools(run, kept)
  for _, name in ipairs { "id", "update" } do
    local was, is = runs.text_of(kept.options[name]), runs.text_of(given[name])
    if was ~= is then
      conflict(("key %q: it names an upload with %s %s, and not %s: give this one another key%s"):format(kept.key, name,
        was, is, kept.state == "done" and "" or ", or forget that one"))
    end
  end
  local name, was, is = file_options.difference(kept.options, given)
  if name then
    conflict(("key %q: it names an upload that was read with %s = %s, and not %s: give this one another key%s"):format(
      kept.key, name, was, is, kept.state == "done" and "" or ", or forget that one"))
  end
  if resumption.mapping_differs(kept, given.map) then
    conflict(("key %q: it names an upload %s map: give this one another key%s"):format(kept.key,
      kept.options.mapped and "with" or "without", kept.state == "done" and "" or ", or forget that one"))
  end
  if kept.state == "done" then return result_of(run, kept) end
  return resumption.continue(run, kept, given)
end

return resumption
