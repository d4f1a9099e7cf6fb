/* handlers_imports.c: the handlers of the imports: the list, a page of rows, new records. */
#include "body.h"
#include "handlers.h"

#include "base/clock.h"
#include "codec/json_write.h"

#include <stdlib.h>

void sandbox_handlers_imports_all(sandbox_call *call, sandbox_reply *reply) {
  if (!sandbox_import_put_all(call->database, call->options, call->hidden_commits, &reply->body))
    sandbox_reply_refuse(reply, 500, "%s", sandbox_database_error(call->database));
}

/* --- a page of rows --- */

/* Reads the query parameter `name`. True if it is a whole number of at least `least`, or absent;
 * *value is then unchanged. */
static bool read_number(fl_slice query, const char *name, int64_t least, int64_t *value) {
  const char *cursor = query.data, *end = query.length > 0 ? query.data + query.length : cursor;
  size_t name_length = strlen(name);
  while (cursor < end) {
    const char *next = memchr(cursor, '&', (size_t)(end - cursor));
    size_t length = (size_t)((next ? next : end) - cursor);
    if (length > name_length && memcmp(cursor, name, name_length) == 0 &&
        cursor[name_length] == '=') {
      size_t digits = length - name_length - 1;
      int64_t number = 0;
      if (digits == 0 || digits > 15) return false;
      for (const char *digit = cursor + name_length + 1; digit < cursor + length; digit++) {
        if (*digit < '0' || *digit > '9') return false;
        number = number * 10 + (*digit - '0');
      }
      *value = number;
      return number >= least;
    }
    cursor += length + 1;
  }
  return true;
}

static bool past_end(const sandbox_options *options, sandbox_reply *reply) {
  switch (options->past_end) {
    case PAST_END_400:
      sandbox_reply_refuse(reply, 400, "start is past the end of the data");
      return true;
    case PAST_END_404:
      sandbox_reply_refuse(reply, 404, "There is no data from start on");
      return true;
    case PAST_END_NULL: sandbox_json_put(&reply->body, "null"); return true;
    default: return false;
  }
}

/* Reads start and count of the query, and applies the limit of the service. False if the query was
 * refused. */
static bool read_query(const sandbox_call *call, sandbox_reply *reply, int64_t *start,
                       int64_t *count) {
  const sandbox_options *options = call->options;
  if (!read_number(call->query, "start", 0, start)) {
    sandbox_reply_refuse(reply, 400, "start is not a whole number from 0 on");
    return false;
  }
  if (!read_number(call->query, "count", 1, count)) {
    sandbox_reply_refuse(reply, 400, "count is not a whole number from 1 on");
    return false;
  }
  if (options->count_cap > 0 && *count > options->count_cap) {
    if (options->over_cap == OVER_CAP_400) {
      sandbox_reply_refuse(reply, 400, "count is more than %lld", (long long)options->count_cap);
      return false;
    }
    *count = options->count_cap;
  }
  return true;
}

/* The number of records of the import that a read sees. */
static int64_t visible_records(const sandbox_call *call, const sandbox_import *import) {
  const sandbox_options *options = call->options;
  int64_t records = sandbox_import_records_before(call->database, import, call->hidden_commits);
  if (options->visible_after > 0) {
    int64_t shown = sandbox_import_records_at(
        call->database, import,
        fl_clock_wall() - (fl_time)(options->visible_after * (double)FL_SECOND));
    if (shown < records) records = shown;
  }
  return records;
}

/* A pseudo-random number for each page request, by the mixing function of SplitMix64 (Steele, Lea,
 * Flood 2014). With a number that grows evenly, a reader that also advances evenly could get the
 * same rows forever. */
static int64_t number_of(const sandbox_call *call) {
  uint64_t number = ((uint64_t)call->page + 1) * UINT64_C(0x9e3779b97f4a7c15);
  number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
  return (int64_t)(number >> 33);
}

/* The actual start of a page if the service ignores or changes `start`. */
static int64_t served_start(const sandbox_call *call, int64_t start, int64_t count,
                            int64_t records) {
  int64_t last = records > count ? records - count : 0;
  switch (call->options->start_mode) {
    case START_IGNORED: return 0;
    case START_CLAMPED: return start < last ? start : last;
    case START_REPEATED: return records > 0 ? start % records : 0;
    case START_SHUFFLED: return start < records ? (start + number_of(call)) % records : start;
    default: return start;
  }
}

static int64_t common_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* Writes the rows from `start` to `end` in a pseudo-random order of all records, which differs for
 * each request. */
static bool put_shuffled(sandbox_call *call, const sandbox_import *import, int64_t start,
                         int64_t end, int64_t records, sandbox_json_writer *out) {
  int64_t number = number_of(call), step;
  bool put = true;
  if (start >= end) return true;
  step = number % records;
  /* A step that has no divisor in common with the number of records visits each once. */
  while (common_divisor(step, records) != 1) step++;
  for (int64_t i = start; put && i < end; i++) {
    int64_t place = (number + i * step) % records;
    if (i > start) sandbox_json_put(out, ",");
    put = sandbox_import_put_rows(call->database, import, place, place + 1, false,
                                  call->options->added_member, out);
  }
  return put;
}

void sandbox_handlers_imports_data(sandbox_call *call, sandbox_reply *reply) {
  const sandbox_options *options = call->options;
  sandbox_import import = sandbox_import_find(call->database, call->id);
  int64_t start = 0, count = 100, records, end;
  bool backward, put;
  if (import.id == 0) {
    sandbox_reply_refuse(reply, 404, "There is no data import of this id");
    return;
  }
  if (!read_query(call, reply, &start, &count)) return;
  records = visible_records(call, &import);
  start = served_start(call, start, count, records);
  if (start >= records && start > 0 && past_end(options, reply)) return;
  end = start + count < records ? start + count : records;
  backward = options->row_order == ROW_ORDER_REVERSED ||
             (options->row_order == ROW_ORDER_ALTERNATING && call->page % 2);
  sandbox_json_put(&reply->body, options->rows == ROWS_RECORDS ? "{\"records\":[" : "[");
  put = options->row_order == ROW_ORDER_SHUFFLED
            ? put_shuffled(call, &import, start, end, records, &reply->body)
            : sandbox_import_put_rows(call->database, &import, backward ? records - end : start,
                                      backward ? records - start : end, backward,
                                      options->added_member, &reply->body);
  sandbox_json_put(&reply->body, options->rows == ROWS_RECORDS ? "]}" : "]");
  if (!put) sandbox_reply_refuse(reply, 500, "%s", sandbox_database_error(call->database));
}

/* --- adding records --- */

/* The columns that were found in this request so far: names within the scanned text. */
typedef struct seen_columns {
  fl_slice *names;
  size_t count;
} seen_columns;

static bool is_seen(const seen_columns *seen, size_t guess, fl_slice name) {
  /* Rows have the same members in the same order, so that the guess is nearly always right. */
  for (size_t step = 0; step < seen->count; step++) {
    const fl_slice *known = &seen->names[(guess + step) % seen->count];
    if (known->length == name.length && memcmp(known->data, name.data, name.length) == 0)
      return true;
  }
  return false;
}

static bool note_columns(sandbox_call *call, const sandbox_import *import, const sandbox_body *body,
                         uint32_t row, seen_columns *seen) {
  const fl_json_node *nodes = body->tape.nodes;
  uint32_t member = row + 1;
  for (uint32_t place = 0; place < nodes[row].value.size.length; place++) {
    fl_slice name = {body->text + nodes[member].offset, nodes[member].value.size.length};
    if (!is_seen(seen, place, name)) {
      fl_slice *names = realloc(seen->names, (seen->count + 1) * sizeof *names);
      if (names == NULL) return false;
      seen->names = names;
      names[seen->count++] = name;
      if (!sandbox_import_add_column(call->database, import, name)) return false;
    }
    member = fl_json_next(&body->tape, member + 1);
  }
  return true;
}

/* The end of the object that begins at `begin`. The text was scanned before, so it is well formed.
 */
static size_t object_end(const char *text, size_t begin) {
  size_t depth = 0, index = begin;
  for (bool quoted = false;; index++) {
    char byte = text[index];
    if (quoted) {
      if (byte == '\\') index++;
      else quoted = byte != '"';
    } else if (byte == '"') {
      quoted = true;
    } else if (byte == '{') {
      depth++;
    } else if (byte == '}' && --depth == 0) {
      return index + 1;
    }
  }
}

/* The original text of the row. Only white space and a comma stand before the next row. */
static fl_slice row_text(const sandbox_call *call, const sandbox_body *body, uint32_t row,
                         uint32_t next, uint32_t rows_end) {
  const char *text = call->body.data;
  size_t begin = body->tape.nodes[row].offset, end;
  if (next == rows_end) {
    end = object_end(text, begin);
  } else {
    end = body->tape.nodes[next].offset;
    while (text[end - 1] != '}') end--;
  }
  return (fl_slice){text + begin, end - begin};
}

/* A number's digits as a string. */
static void put_digits(const sandbox_body *body, const fl_json_node *node,
                       sandbox_json_writer *out) {
  const char *digits = body->text + node->offset;
  sandbox_json_put(out, "\"");
  sandbox_json_put_bytes(out, digits, fl_json_number_length(digits));
  sandbox_json_put(out, "\"");
}

/* Writes a row with changed values, as some services might: numbers are rounded to doubles and
 * nulls are dropped, or numbers become strings. */
static void put_changed(const sandbox_body *body, uint32_t index, sandbox_values values,
                        sandbox_json_writer *out) {
  const fl_json_node *node = &body->tape.nodes[index];
  const char *separator = "";
  uint32_t next = index + 1;
  char digits[FL_JSON_DOUBLE_ROOM];
  if (values == VALUES_TEXT && node->type >= FL_JSON_INTEGER && node->type <= FL_JSON_FLOAT) {
    put_digits(body, node, out);
    return;
  }
  switch (node->type) {
    case FL_JSON_FLOAT:
      sandbox_json_put_bytes(
          out, digits, fl_json_format_double(digits, node->value.number, FL_JSON_FLOAT_PLAIN));
      break;
    case FL_JSON_ARRAY:
      sandbox_json_put(out, "[");
      for (; next < node->value.size.end; next = fl_json_next(&body->tape, next)) {
        sandbox_json_put(out, separator);
        put_changed(body, next, values, out);
        separator = ",";
      }
      sandbox_json_put(out, "]");
      break;
    case FL_JSON_OBJECT:
      sandbox_json_put(out, "{");
      for (; next < node->value.size.end; next = fl_json_next(&body->tape, next + 1)) {
        if (values == VALUES_NORMALIZED && body->tape.nodes[next + 1].type == FL_JSON_NULL)
          continue;
        sandbox_json_put(out, separator);
        put_changed(body, next, values, out);
        sandbox_json_put(out, ":");
        put_changed(body, next + 1, values, out);
        separator = ",";
      }
      sandbox_json_put(out, "}");
      break;
    default:
      if (fl_json_write_node(&out->buffer, &body->tape, body->text, index) != FL_OK)
        out->failed = true;
  }
}

static bool add_row(sandbox_call *call, sandbox_import *import, const sandbox_body *body,
                    uint32_t row, uint32_t next, uint32_t rows_end) {
  sandbox_json_writer out;
  bool added;
  if (call->options->values == VALUES_VERBATIM)
    return sandbox_import_add_row(call->database, import,
                                  row_text(call, body, row, next, rows_end));
  sandbox_json_writer_init(&out);
  put_changed(body, row, call->options->values, &out);
  added = !out.failed && sandbox_import_add_row(call->database, import,
                                                (fl_slice){out.buffer.data, out.buffer.length});
  sandbox_json_writer_free(&out);
  return added;
}

/* The rule that a record breaks, or NULL. `column` is the missing column. */
static const char *record_fault(const sandbox_call *call, const sandbox_body *body, uint32_t row,
                                const char **column) {
  *column = "";
  if (body->tape.nodes[row].type != FL_JSON_OBJECT) return "is not an object";
  for (size_t index = 0; index < call->options->required_column_count; index++) {
    uint32_t value;
    *column = call->options->required_columns[index];
    value = fl_json_member(&body->tape, body->text, row, fl_slice_of(*column));
    if (value == 0 || body->tape.nodes[value].type == FL_JSON_NULL) return "has no ";
  }
  return NULL;
}

/* Adds the records of the array at `records`. On failure the reply names the first bad record. */
static bool add_records(sandbox_call *call, sandbox_reply *reply, sandbox_import *import,
                        const sandbox_body *body, uint32_t records) {
  const sandbox_options *options = call->options;
  uint32_t end = body->tape.nodes[records].value.size.end, next;
  seen_columns seen = {NULL, 0};
  int64_t position = 0, limit = call->record_limit;
  bool good = sandbox_import_add_begin(call->database, import);
  if (limit == RECORDS_HALF) limit = body->tape.nodes[records].value.size.length / 2;
  for (uint32_t row = records + 1; good && row < end; row = next, position++) {
    const char *column, *fault = record_fault(call, body, row, &column);
    next = fl_json_next(&body->tape, row);
    if (fault && reply->status == 200) {
      sandbox_reply_refuse(reply, 400, "Record %lld %s%s", (long long)position, fault, column);
      reply->keep = options->rejected_batch == REJECTED_KEEPS_GOOD;
      if (!reply->keep) break;
    }
    if (fault || (limit >= 0 && position >= limit)) continue;
    good =
        note_columns(call, import, body, row, &seen) && add_row(call, import, body, row, next, end);
  }
  free(seen.names);
  good = good && sandbox_import_add_end(call->database, import);
  if (!good) {
    reply->keep = false;
    sandbox_reply_refuse(reply, 500, "%s", sandbox_database_error(call->database));
  }
  return good && reply->status == 200;
}

/* The import that the request names, or a new one; 0 with a refusal. */
static sandbox_import target_import(sandbox_call *call, sandbox_reply *reply,
                                    const sandbox_body *body) {
  sandbox_import import = {0, 0};
  uint32_t member = sandbox_body_member(body, call->options->update_key);
  fl_slice id = sandbox_body_text(body, member);
  if (member == 0) {
    if (!sandbox_import_create(call->database, call->options->ids, &import)) {
      import.id = 0;
      sandbox_reply_refuse(reply, 500, "%s", sandbox_database_error(call->database));
    }
  } else if (id.data == NULL) {
    sandbox_reply_refuse(reply, 400, "%s is neither a number nor a string",
                         call->options->update_key);
  } else {
    import = sandbox_import_find(call->database, id);
    if (import.id == 0) {
      sandbox_reply_refuse(reply, 404, "There is no data import of this id");
    } else if (call->options->update == UPDATE_REPLACE &&
               !sandbox_import_clear(call->database, &import)) {
      import.id = 0;
      sandbox_reply_refuse(reply, 500, "%s", sandbox_database_error(call->database));
    }
  }
  return import;
}

static bool is_of(const sandbox_body *body, uint32_t node, fl_json_type type) {
  return node == 0 || body->tape.nodes[node].type == (uint32_t)type;
}

static void take_in(sandbox_call *call, sandbox_reply *reply, const sandbox_body *body) {
  uint32_t data = sandbox_body_member(body, "data"), name = sandbox_body_member(body, "name");
  uint32_t description = sandbox_body_member(body, "description");
  uint32_t events = sandbox_body_member(body, "sendEvents");
  uint32_t records =
      data ? fl_json_member(&body->tape, body->text, data, FL_LITERAL("records")) : 0;
  bool send_events = events == 0 || body->tape.nodes[events].type == FL_JSON_TRUE;
  sandbox_import import;
  if (records == 0 || !is_of(body, records, FL_JSON_ARRAY)) {
    sandbox_reply_refuse(reply, 400, "data.records is not an array");
  } else if (!is_of(body, name, FL_JSON_STRING)) {
    sandbox_reply_refuse(reply, 400, "name is neither a string nor null");
  } else if (!is_of(body, description, FL_JSON_STRING)) {
    sandbox_reply_refuse(reply, 400, "description is neither a string nor null");
  } else if (!is_of(body, events, FL_JSON_TRUE) && !is_of(body, events, FL_JSON_FALSE)) {
    sandbox_reply_refuse(reply, 400, "sendEvents is not a boolean");
  } else if ((import = target_import(call, reply, body)).id != 0) {
    if (!sandbox_import_describe(call->database, &import, sandbox_body_text(body, name),
                                 sandbox_body_text(body, description)))
      sandbox_reply_refuse(reply, 500, "%s", sandbox_database_error(call->database));
    else if (add_records(call, reply, &import, body, records)) {
      if (send_events) {
        call->tally->events++;
        sandbox_handlers_runs_trigger(call, &import);
      }
      sandbox_import_put(call->database, &import, call->options, &reply->body);
    }
  }
}

void sandbox_handlers_imports_import(sandbox_call *call, sandbox_reply *reply) {
  sandbox_body body;
  if (sandbox_body_read(call->body, &body, reply)) take_in(call, reply, &body);
  sandbox_body_free(&body);
}
