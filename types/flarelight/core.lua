---@meta flarelight.core

-- Definitions of the module flarelight.core for LuaLS. Nothing loads this file. The functions are described at their
-- definitions in csrc/lua; spec/types_spec.lua compares the names here with those of the module and of csrc/lua.
--
-- A ticket names work under way. Its outcome comes from core.take. A function with `in_place` blocks if that is true.

---@class flarelight.core
---@field null lightuserdata JSON's null
---@field version string
---@field array_metatable table the metatable of arrays: flarelight.array
---@field integer_metatable table the metatable of integers that this Lua cannot hold
---@field error_metatable table the metatable of errors
---@field meta_metatable table the metatable of the tables `meta`
---@field page_methods table the methods of pages that read rows
local core = {}

---@alias flarelight.core.Ticket integer

-- --- clients and calls (client.c, command.c, take.c, reply.c) ---

---@class flarelight.core.Client
local Client = {}

--- A client with the settings of configuration.lua. Starts nothing.
---@param settings table
---@return flarelight.core.Client
function core.client(settings) end

--- Submits a call. csrc/lua/client.c lists the members of the request.
---@param request table
---@return flarelight.core.Ticket? ticket, string? kind, string? message
function Client:submit(request) end

--- A reply as if the request had got the one of its members `head` and `text`; nothing if it does not fit.
---@param request table
---@return flarelight.core.Reply?
function Client:answered(request) end

--- Starts a pager; the pages arrive under its ticket. csrc/lua/client.c lists the members of the request.
---@param request table
---@return flarelight.core.Ticket? ticket, string? kind, string? message
function Client:pages(request) end

--- The rate budget; unknown members are absent.
---@return flarelight.Quota
function Client:quota() end

--- Counters since the client was made.
---@return flarelight.Stats
function Client:stats() end

--- The number that names the client in events.
---@return integer
function Client:number() end

--- Ends the client: its calls end with kind closed.
function Client:close() end

--- The path that a call of a template and an id requests; nothing if they are refused.
---@param template string
---@param id any
---@return string?
function core.path(template, id) end

--- Ends a call or a pager, if it has not ended yet.
---@param ticket flarelight.core.Ticket
function core.cancel(ticket) end

--- The reader has taken a page of this pager.
---@param ticket flarelight.core.Ticket
function core.advance(ticket) end

--- True: submitted items do not wake the engine; false: one wake-up for all of them.
---@param whether boolean
function core.cork(whether) end

--- False for calls that a parent process made before the fork.
---@param ticket flarelight.core.Ticket
---@return boolean
function core.is_ours(ticket) end

--- The number of this process.
---@return integer
function core.process() end

--- Whether an engine runs in this process.
---@return boolean
function core.is_running() end

---@class flarelight.core.Guard
local Guard = {}

--- A userdata that cancels the pager when it is collected or released.
---@param ticket flarelight.core.Ticket
---@return flarelight.core.Guard
function core.guard(ticket) end

--- Cancels the pager.
function Guard:release() end

--- The next outcome; nothing when the mailbox is empty. A job is a "call", too.
---@return flarelight.core.Ticket? ticket, "call"|"page"|"event"|"trace"|nil kind, any value
function core.take() end

--- The fate of a write whose outcome has arrived and is not taken; nil if it has not arrived.
---@param ticket flarelight.core.Ticket
---@param blocks boolean? waits for it
---@return string?
function core.fate(ticket, blocks) end

--- The outcome of a call.
---@class flarelight.core.Reply
local Reply = {}

--- Once, unless the reply is kept.
---@param null_as_nil boolean?
---@return any data, flarelight.Meta|string|nil meta_or_message, flarelight.Error? err
function Reply:outcome(null_as_nil) end

--- The headers, names in lower case. The outcome stays.
---@return table<string, string>
function Reply:headers() end

--- The head and the text of a good reply whose request had `keeps_text`; nothing if they hold the API key.
---@return string? head, string? text
function Reply:text() end

--- From now on the outcome can be taken many times.
---@return integer? status of a call that succeeded
---@return integer bytes of memory that the reply holds
function Reply:keep() end

--- The fate of a write, without taking the outcome.
---@return string?
function Reply:fate() end

--- The outcome of a job of the worker.
---@class flarelight.core.Job
local Job = {}

--- What the function that gave the ticket says.
---@return any ...
function Job:outcome() end

--- The table of the header lines in a text.
---@param head string
---@return table<string, string>
function core.headers(head) end

-- --- waiting (wake.c) ---

--- The descriptor, readable while core.take has something to return.
---@return integer
function core.fd() end

--- Makes the descriptor readable, so that an event loop that polls it calls core.take.
function core.mailbox_signal() end

--- An unused ticket, for core.watch and core.wakeup_notify.
---@return flarelight.core.Ticket
function core.ticket() end

--- After a time sends a wake-up for the ticket; without a ticket it makes the descriptor readable.
---@param seconds number
---@param ticket flarelight.core.Ticket?
---@return boolean set
function core.alarm(seconds, ticket) end

--- The path of the socket that sends wake-ups.
---@return string? path, string? message
function core.wakeup_path() end

--- From now on an item under the ticket sends a wake-up. Returns whether the caller has to wait.
---@param ticket flarelight.core.Ticket
---@param any boolean? the next item does, whatever its ticket is
---@return boolean
function core.watch(ticket, any) end

--- Stops the wake-ups for the ticket.
---@param ticket flarelight.core.Ticket
function core.unwatch(ticket) end

--- Sends a wake-up to the connection that waits for the ticket.
---@param ticket flarelight.core.Ticket
function core.wakeup_notify(ticket) end

--- Whether core.take has something to return. Blocks for that time at most, and returns early on a signal.
---@param seconds number?
---@return boolean
function core.wait(seconds) end

--- Whether the code that runs now can yield; nil on Lua 5.1 and 5.2, where only a try shows it.
---@return boolean?
function core.is_yieldable() end

--- Whether a coroutine has yielded. The coroutine.status of nginx is "running" for a light thread that waits.
---@param co thread
---@return boolean
function core.is_suspended(co) end

--- Seconds on the monotonic clock.
---@return number
function core.now() end

-- --- pages and rows (page.c, page_columns.c, row_values.c) ---

---@class flarelight.core.Page
local Page = {}

--- Sets the most rows to give, and whether null becomes nil.
---@param most integer
---@param null_as_nil boolean?
function Page:begin(most, null_as_nil) end

--- To be called before any other method of a page whose rows were read by row_values.
---@param made integer?
function Page:settle(made) end

--- The next row and its position; nothing at the end of the page. A member of core.page_methods.
---@return any row, integer? position
function Page:next() end

--- Appends up to `most` rows to an array of `length` values, and returns their number. A member of core.page_methods.
---@param array any[]
---@param length integer
---@param most integer
---@return integer
function Page:batch(array, length, most) end

--- Adds rows to columns, which have `length` rows already. A member that a row lacks is null.
---@param columns table<string, any[]>
---@param length integer
---@param most integer
---@return integer? added, string? message
function Page:columns(columns, length, most) end

--- The names of the next row's members; false if no shape fits it; nothing at the end of the page.
---@param most integer
---@return string[]|false|nil
function Page:names(most) end

--- The rows, the position of the first, and whether it is the last page.
---@return integer rows, integer first, boolean last
function Page:count() end

--- The position of the next row, and the rows left.
---@return integer position, integer left
function Page:position() end

--- The key of the row at an index from 0; nothing if there is no such row.
---@param index integer
---@return string?
function Page:key(index) end

--- The SHA-256 of the key of the row at an index from 0; nothing if there is no such row.
---@param index integer
---@return string?
function Page:digest(index) end

--- Whether a sampled row was seen; the new count; the key of the last row. Adds the hashes of the sampled rows.
---@param seen table
---@param count integer
---@return boolean repeated, integer count, string? last
function Page:sample(seen, count) end

--- Whether one of the rows has one of the keys.
---@param one string
---@param other string?
---@return boolean
function Page:has(one, other) end

--- nil, message, err if the page is an error; nothing otherwise.
---@return nil, string? message, flarelight.Error? err
function Page:failure() end

--- The table `meta` of the page, or its error.
---@return flarelight.Meta|flarelight.Error
function Page:meta() end

--- Frees the page.
function Page:close() end

--- A function that moves to the next row of a page and returns its position and the values of these members. It returns
-- nothing for a row with other members.
---@param names string[]
---@return fun(page: flarelight.core.Page, made: integer?): integer?, ...
function core.row_values(names) end

-- --- JSON (push.c, write.c, batch.c) ---

--- The value of a JSON text.
---@param text string
---@param null_as_nil boolean?
---@return any value, string? message
function core.decode(text, null_as_nil) end

--- A value as JSON text.
---@param value any
---@param sorted boolean? the members of objects by name
---@return string? text, string? message
function core.encode(value, sorted) end

--- The SHA-256, in hexadecimal, of the value as JSON text with sorted names.
---@param value any
---@return string? digest, string? message
function core.digest(value) end

--- Records of an array as JSON text, up to a number and a size; nothing past the end.
---@param records table[]
---@param first integer
---@param most_records integer
---@param most_bytes integer
---@param sorted boolean?
---@param offset integer?
---@param into flarelight.core.Records? the records to append to
---@return flarelight.core.Records? records, integer|string|nil count_or_message
function core.batch(records, first, most_records, most_bytes, sorted, offset, into) end

--- Records as the JSON text of a batch.
---@class flarelight.core.Records
local Records = {}

--- The bytes of the JSON text.
---@return integer
function Records:size() end

--- The SHA-256 of the JSON text, in hexadecimal.
---@return string
function Records:sha256() end

--- The JSON text of a record, the line of the file on which it begins (0: none), and its file in the list, from 1.
---@param place integer
---@return string text, integer line, integer file
function Records:record(place) end

--- A copy of some records.
---@param first integer
---@param last integer
---@return flarelight.core.Records
function Records:slice(first, last) end

--- Frees the memory at once.
function Records:close() end

-- --- files to read (source.c, recording.c, spool.c) ---

---@class flarelight.core.Source
local Source = {}

--- A file, or a list of files, as records. lua/flarelight/csv.lua describes the options.
---@param path string|string[]
---@param options table
---@return flarelight.core.Source? source, string? message, integer? line, string? kind
function core.source(path, options) end

--- The same as a job.
---@param path string|string[]
---@param options table
---@param in_place boolean?
---@return flarelight.core.Source? source, flarelight.core.Ticket|string ticket_or_message, integer? line, string? kind
function core.open_source(path, options, in_place) end

--- The records of an ended recording as a source.
---@param name string of its file in messages
---@param recording flarelight.core.Recording
---@return flarelight.core.Source? source, string? message, integer? line, string? kind
function core.recording_source(name, recording) end

--- The compression that a name's ending tells.
---@param path string
---@return ".gz"|".zst"|".xz"|".bz2"|".zip"|nil
function core.compression(path) end

--- Takes the functions of flarelight.archive_core. Returns whether they are of this build.
---@param functions userdata
---@return boolean
function core.use_archive(functions) end

--- The next records; nothing at the end.
---@param max_records integer
---@param max_bytes integer
---@return flarelight.core.Records? records, integer|string|nil count_or_message, integer? first_line, integer|string|nil last_line_or_kind
function Source:read(max_records, max_bytes) end

--- The same as a job.
---@param max_records integer
---@param max_bytes integer
---@param in_place boolean?
---@param rows boolean? the outcome is rows, and no records
---@return flarelight.core.Ticket
function Source:fetch(max_records, max_bytes, in_place, rows) end

--- The next records as Lua tables, with their lines and files; nothing at the end.
---@param max_records integer
---@return table[]? rows, integer[]|string|nil lines_or_message, integer[]|nil files, string? kind
function Source:rows(max_records) end

--- The columns that are sent; empty if the format is not CSV or TSV.
---@return { name: string, type: string }[]
function Source:columns() end

--- The number of records and their columns; nil if there was no pass before the first record.
---@return { records: integer, columns: table }?
function Source:shape() end

--- The format, encoding and compression, and the dialect of CSV and TSV.
---@return table
function Source:dialect() end

--- Remarks for the user of the file.
---@return string[]
function Source:remarks() end

--- The bytes read, and the bytes in all.
---@return integer read, integer all
function Source:progress() end

--- The size, the time of change and the inode of the (first) file, as text.
---@return string size, string modified, string inode
function Source:identity() end

--- The files.
---@return { path: string, size: string, modified: string, inode: string }[]
function Source:parts() end

--- Closes the file.
function Source:close() end

--- Rows that a job has read.
---@class flarelight.core.SourceRows
local SourceRows = {}

--- The next rows, as Source:rows; nothing behind the last one.
---@param max_records integer
---@return table[]? rows, integer[]|nil lines, integer[]|nil files
function SourceRows:next(max_records) end

--- Frees the memory.
function SourceRows:close() end

--- Records of a Lua function in a temporary file.
---@class flarelight.core.Recording
local Recording = {}

--- A recording. Its file begins with the path `prefix` while it has a name.
---@param prefix string
---@param compression string? ".zst" or the like
---@return flarelight.core.Recording
function core.recording(prefix, compression) end

--- Adds the tables at some places of an array; a place that holds false is left out.
---@param records (table|false)[]
---@param first integer
---@param last integer
---@param lines integer[]
---@param parts integer[]?
---@param added integer records that were added before
---@return integer? count, integer|string|nil pending_or_message, integer? place
function Recording:add(records, first, last, lines, parts, added) end

--- Writes the records that were added, as a job.
---@param last boolean ends the recording
---@param in_place boolean?
---@return flarelight.core.Ticket
function Recording:write(last, in_place) end

--- Gives up the file, unless a source reads it.
function Recording:close() end

--- A copy of standard input or of a pipe.
---@class flarelight.core.Spool
local Spool = {}

--- A copy of a path that can be read only once; "-" is standard input.
---@param from string
---@param prefix string
---@param compression string?
---@return flarelight.core.Spool
function core.spool(from, prefix, compression) end

--- Whether reading the path would use up its content.
---@param path string
---@return boolean
function core.needs_spool(path) end

--- The paths of spools at a prefix that no process keeps open.
---@param prefix string
---@return string[]
function core.left_spools(prefix) end

--- Copies a step, as a job; its outcome is whether the copy is whole.
---@param in_place boolean?
---@return flarelight.core.Ticket
function Spool:step(in_place) end

--- The path of the copy, "" where there is none.
---@return string
function Spool:path() end

--- The compression of the content.
---@return string?
function Spool:compression() end

--- Closes the files, so that other processes may remove the copy.
function Spool:close() end

-- --- files to write (export.c, paths.c, durable.c) ---

---@class flarelight.core.Exporter
local Exporter = {}

--- A writer of rows.
---@param format string
---@param columns string[]?
---@param settings { delimiter: string?, bom: boolean?, escape_formulas: boolean?, table: string? }?
---@return flarelight.core.Exporter? exporter, string? message
function core.exporter(format, columns, settings) end

--- Opens the part of a file.
---@param path string
---@param resume boolean?
---@param member string? of a compressed file: the name of the file in a zip
---@param shared boolean?
---@return integer? rows, integer|string bytes_or_message, string? kind
function Exporter:open(path, resume, member, shared) end

--- Writes to standard output.
function Exporter:standard_output() end

--- Adds the header, if the format has one and it has not been added.
function Exporter:header() end

--- Lets the open part begin as a copy of the complete file; false: there is no such file.
---@return integer|false|nil rows, integer|string|nil bytes_or_message, string? kind
function Exporter:append() end

--- Adds rows of a page.
---@param page flarelight.core.Page
---@param most integer
---@param kept boolean[]? whether to keep each row
---@return integer passed, integer added, string? message, string? kind
function Exporter:add(page, most, kept) end

--- Adds a row. Returns the bytes of text that are not written yet.
---@param row any
---@return integer? bytes, string? message, string? kind
function Exporter:add_row(row) end

--- Adds the end of the text, or commits the database.
---@return true? done, string? message, string? kind
function Exporter:complete() end

--- Writes the text that was added.
---@param name string for the message
---@return integer? bytes, string? message, string? kind
function Exporter:write(name) end

--- Compresses the rows added since the last call.
---@param last boolean?
---@param job boolean?
---@param member string?
---@return integer? bytes_or_ticket, string? message, string? kind
function Exporter:pack(last, job, member) end

--- The rows added since the last write or text.
---@return string
function Exporter:text() end

--- Syncs the complete file and renames it.
---@return true? done, string? message, string? kind
function Exporter:finish() end

--- The names of the columns.
---@return string[]
function Exporter:columns() end

--- The columns that no row had, and the members of a row; nothing if every column was in a row.
---@return string[]? columns, string? members
function Exporter:unmet() end

--- Whether the part that is resumed ends with the row that was added last. That row is dropped.
---@return boolean
function Exporter:ends_with_added() end

--- Removes the part.
function Exporter:discard() end

--- Closes the file. The part stays.
function Exporter:close() end

--- Whether both paths name one file.
---@param one string
---@param other string
---@return boolean
function core.same_file(one, other) end

--- The path from the root.
---@param path string
---@return string? path, string? message
function core.absolute_path(path) end

--- The path without links. The second value tells whether a link is at its end.
---@param path string
---@return string path, boolean linked
function core.real_path(path) end

--- The reason why the file is refused: another user may change it; nil if there is no file.
---@param path string
---@param shared boolean?
---@return string?
function core.file_fault(path, shared) end

--- The bytes of a file that no other user may change.
---@param path string
---@param shared boolean?
---@return string? bytes, string? message
function core.read_owned(path, shared) end

--- Creates a missing file, with mode 0600 (shared: 0660).
---@param path string
---@param shared boolean?
---@return true? done, string? message
function core.create_owned(path, shared) end

--- Replaces a file; it has mode 0600.
---@param path string
---@param bytes string
---@return true? done, string? message
function core.replace_file(path, bytes) end

--- Syncs a file and its folder, as a job.
---@param path string
---@param in_place boolean?
---@return flarelight.core.Ticket
function core.durable(path, in_place) end

-- --- the state file (store.c) ---

---@class flarelight.core.Store
local Store = {}

--- The state file; opens nothing.
---@param path string
---@param shared boolean?
---@param name string? for messages; the links of the path were followed before
---@param linked boolean? a link led to the file, so it is not created
---@return flarelight.core.Store
function core.store(path, shared, name, linked) end

--- Takes the functions of flarelight.postgres_core. Returns whether they are of this build.
---@param functions userdata
---@return boolean
function core.use_postgres(functions) end

--- A store in PostgreSQL; connects to nothing. Needs core.use_postgres. `apart`: for a cache. Its transactions do not
--- wait for those of others, and its locks end with its connection.
---@param url string
---@param apart boolean?
---@return flarelight.core.Store? store, string? message, string? kind
function core.database(url, apart) end

--- The file of shared budgets beside a state file, and its path; opens nothing.
---@param path string
---@param shared boolean?
---@return userdata store, string path
function core.budget_store(path, shared) end

--- The file of shared replies beside a state file, and its path; opens nothing.
---@param path string
---@param shared boolean?
---@return userdata store, string path
function core.cache_store(path, shared) end

--- The mark of writes beside a state file; opens nothing.
---@param path string
---@param shared boolean?
---@return flarelight.core.WriteMark
function core.write_mark(path, shared) end

--- The digest of a text, in hexadecimal.
---@param text string
---@return string
function core.sha256(text) end

---@class flarelight.core.WriteMark
local WriteMark = {}

--- The mark, 8 bytes. Creates the file if it is missing.
---@return string? mark, string? message
function WriteMark:read() end

--- Changes the mark, if the file exists.
---@return true? changed, string? message
function WriteMark:change() end

--- Closes the file.
function WriteMark:close() end

--- Runs statements in one transaction, as a job.
---@param statements table
---@param in_place boolean?
---@param relaxed boolean?
---@return flarelight.core.Ticket
function Store:run(statements, in_place, relaxed) end

--- Takes a named lock; nil without a message if another holder has it. Of a database: the ticket of a job with this
--- outcome.
---@param name string
---@param in_place boolean?
---@return flarelight.core.Lock|flarelight.core.Ticket|nil lock, string? message, string? kind
function Store:lock(name, in_place) end

--- Whether a holder in any process has the lock. Of a database: the ticket of a job with this outcome.
---@param name string
---@param in_place boolean?
---@return boolean|flarelight.core.Ticket|nil locked, string? message, string? kind
function Store:is_locked(name, in_place) end

--- Whether it was not closed.
---@return boolean
function Store:is_open() end

--- Closes the state file.
function Store:close() end

---@class flarelight.core.Lock
local Lock = {}

--- Gives the lock back. In a database the worker does it, unless it is `in_place`.
---@param in_place boolean?
function Lock:release(in_place) end

-- --- settings, programs, diagnosis (settings.c, program.c, diagnosis.c, terminal.c, module.c) ---

--- The reason why a text cannot be an API key, without the text itself; nil if it can.
---@param text string
---@return string?
function core.check_key(text) end

--- Whether a text is a UUID.
---@param text string
---@return boolean
function core.is_uuid(text) end

--- Whether a text can be a region.
---@param text string
---@return boolean
function core.is_region(text) end

--- The base URL to use, or nil and the rule that it breaks.
---@param text string
---@param allow_insecure boolean?
---@return string? url, string? rule
function core.check_base(text, allow_insecure) end

--- What a command line prints, as a job.
---@param command string
---@param seconds number
---@param in_place boolean?
---@return flarelight.core.Ticket
function core.program_output(command, seconds, in_place) end

--- Runs a command line and waits for its end. Passes signals on.
---@param command string
---@return "exit"|"signal"|nil how, integer|string number_or_message
function core.foreground(command) end

--- Lets SIGTERM and SIGHUP remove a file before they end the process, unless another file has its name by then. nil: no
-- file any more.
---@param path string?
---@return true? set, string? message
function core.remove_at_end(path) end

--- The addresses of a host.
---@param host string
---@return string[]? addresses, string? message
function core.addresses(host) end

--- The certificates that a server presents, as lines "ASubject:CN = …"; the letter is the place in the chain.
---@param given { url: string, client_cert: string?, client_key: string?, proxy: string?, timeout: number? }
---@return string[]? lines, string? message
function core.certificates(given) end

--- The columns of a terminal, 0 if it does not report them; nothing if the descriptor is no terminal.
---@param descriptor integer
---@return integer?
function core.terminal(descriptor) end

--- The libraries that the core was linked with.
---@return string
function core.libraries() end

return core
