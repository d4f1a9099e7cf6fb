/*
 * binding.h: what the files of the binding share.
 *
 * The binding is thin: it moves values between Lua and the core's machines and policy, and decides
 * nothing. Its functions are leaves: none calls Lua or yields. Memory that is alive across a Lua
 * allocation belongs to a userdata or to the state's scratch, so that an error leaks nothing.
 * Misuse is returned (nil, message) and raised by the Lua face, which knows the caller's level.
 */
#ifndef FL_BINDING_H
#define FL_BINDING_H

#include "base/buffer.h"
#include "engine/call.h"
#include "codec/json_scan.h"
#include "lua_compat.h"
#include "files/worker.h"

/* What one Lua state keeps: its mailbox, and a buffer that texts are built in. */
typedef struct fl_lua_state {
  fl_mailbox *mailbox;
  fl_list taken;         /* out of the mailbox, not handed to Lua yet */
  uint64_t first_ticket; /* tickets from here on belong to this process (see fork) */
  fl_buffer scratch;
  bool corked; /* what is submitted waits for the flush */
} fl_lua_state;

/* The state's own; made when the module is opened. */
fl_lua_state *fl_lua_state_of(lua_State *L);

/* The mailbox, anew after a fork. NULL with errno set where no descriptor can be had. */
fl_mailbox *fl_lua_mailbox(fl_lua_state *state);

/* Metatables that are values of the interface; each pushes one table. */
void fl_push_array_metatable(lua_State *L);
void fl_push_integer_metatable(lua_State *L);
void fl_push_error_metatable(lua_State *L);

/* What pushing values needs: push.h. */
typedef struct fl_string_cache fl_string_cache;

/* push.c: makes the state's cache of strings. */
void fl_open_string_cache(lua_State *L);
/* Pushes the cache and its table. */
void fl_push_string_cache(lua_State *L);
/* core.decode(text, null_as_nil) -> value | nil, message */
int fl_lua_decode(lua_State *L);

/* write.c: the Lua value at `index` as JSON, appended to `out`. False: a message is pushed, with
 * the path of what has no form in JSON; `root` is the value's own name in it, "" for none.
 * `sorted`: members in the order of their names, so that the same value gives the same text in
 * every process. */
bool fl_write_value(lua_State *L, int index, fl_buffer *out, const char *root, bool sorted);
/* core.encode(value) -> text | nil, message */
int fl_lua_encode(lua_State *L);

/* reply.c: calls that have ended. Pushes `data, meta` or `nil, message, err`; the count. */
int fl_push_outcome(lua_State *L, fl_call *call, bool null_as_nil);
/* core.take() -> ticket, "call" | "page" | "event", value (a job comes as a call); nothing when the
 * mailbox is empty. */
int fl_lua_take(lua_State *L);

/* page.c of the binding: a userdata around a page; takes the call over. */
void fl_push_page(lua_State *L, fl_call *call);
/*
 * core.row_values(names) -> function(page, made) that moves to the next row and gives its position
 * and the values of the members so named, nil for those that it lacks. Nothing, and the page stays
 * where it is: at its end, or where the row is no object or has other members, or these in another
 * order. `made`: the position that it gave last, once that row's table was made. If it is another,
 * the same row is given again.
 */
int fl_lua_row_values(lua_State *L);
/* Pushes the table of its methods, which are functions of a page: for callers who call them often.
 */
void fl_push_page_methods(lua_State *L);
/* The call of the page at `index`, which must be open. */
const fl_call *fl_check_page(lua_State *L, int index);
/* Makes the class of pages. */
void fl_open_page(lua_State *L);
/* core.guard(ticket) -> userdata that gives the pager up when it is collected or released */
int fl_lua_guard(lua_State *L);

/* client.c: core.client(settings) -> client | nil, message */
int fl_lua_client(lua_State *L);

/* batch.c: core.batch(records, first, most_records, most_bytes, sorted, offset, into) -> records,
 * count */
int fl_lua_batch(lua_State *L);
/* The text of a JSON text that has not been closed, or NULL where the value is none. */
const fl_buffer *fl_to_json_text(lua_State *L, int index);

/* Records as the text of a JSON array, and where each stands in it (fl_source_span). */
typedef struct fl_records {
  fl_buffer text, spans;
} fl_records;

/* Pushes empty records, to be filled. */
fl_records *fl_new_records(lua_State *L);

/* source.c: core.source(path, options) -> source | nil, message, line, kind; records of a file */
int fl_lua_source(lua_State *L);
/* core.open_source(path, options, in_place) -> source, ticket | nil, message, line, kind */
int fl_lua_open_source(lua_State *L);

/* durable.c: core.durable(path, in_place) -> ticket; its outcome is true, or nil, message */
int fl_lua_durable(lua_State *L);

/* store.c: core.store(path) -> the state file; opens nothing */
int fl_lua_store(lua_State *L);

/* job.c: what a job of the worker is to Lua. `push` gives its outcome; the job is freed after it.
 */
typedef struct fl_lua_job_class {
  fl_job_class base;
  int (*push)(lua_State *L, fl_job *job);
} fl_lua_job_class;

/* Pushes the box of a job that has ended. */
fl_job **fl_push_job(lua_State *L);
/* The mailbox for a job, and room on the stack, before the job is made. */
fl_mailbox *fl_job_mailbox(lua_State *L);
/* Hands a job over and pushes its ticket; 1. Raises nothing. */
int fl_submit_job(lua_State *L, fl_job *job, const fl_lua_job_class *class, fl_mailbox *mailbox,
                  bool in_place);

/* export.c of the binding: core.exporter(format, columns | nil) -> exporter | nil, message */
int fl_lua_exporter(lua_State *L);
int fl_lua_terminal(lua_State *L);
int fl_lua_libraries(lua_State *L);

/* Reads a table's member without metamethods; pushes it and gives its type. */
int fl_raw_field(lua_State *L, int index, const char *name);

/* A position or a count: an integer where Lua has them, whatever their size. */
static inline void fl_push_count(lua_State *L, int64_t count) {
#if FL_LUA_HAS_INTEGERS
  lua_pushinteger(L, (lua_Integer)count);
#else
  lua_pushnumber(L, (lua_Number)count);
#endif
}

/* A duration in seconds as microseconds; anything larger than a century is FL_NEVER. */
fl_time fl_seconds(double seconds);

/* Sets functions as members of the table on top of the stack. */
void fl_set_functions(lua_State *L, const luaL_Reg *functions);

/* A metatable with methods, made once; leaves it on the stack. */
void fl_new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction collect);

#endif
