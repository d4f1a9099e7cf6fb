/*
 * request_log.h: the log of requests and their replies, and the list of repeated commits.
 *
 * The caller holds the sandbox's lock. An entry is one block of memory that ends in its texts. A
 * reader copies the blocks under the lock, and makes Lua tables of the copies without it. The
 * oldest entries are removed when there are more than `log_requests`, or when all take more than
 * `log_bytes`; a body is cut at `log_body_bytes`. No entry holds a key: a secret header's value is
 * replaced before the entry is made.
 */
#ifndef SANDBOX_REQUEST_LOG_H
#define SANDBOX_REQUEST_LOG_H

#include "faults.h"

typedef enum {
  ENTRY_METHOD,
  ENTRY_PATH,
  ENTRY_QUERY,
  ENTRY_HEADERS, /* name NUL value NUL, repeated; the names are in lower case */
  ENTRY_BODY,
  ENTRY_TEXTS
} sandbox_entry_text;

typedef struct sandbox_entry {
  size_t size;    /* of the whole block */
  int64_t number; /* 1 is the first request since the start or the last clearing */
  int64_t connection;
  double time; /* wall clock, seconds since the epoch */
  sandbox_operation operation;
  int status;                      /* 0 = no reply was sent */
  const sandbox_fault_kind *fault; /* NULL = no fault */
  bool committed, authorized;
  int64_t body_bytes; /* before the cut */
  struct {
    size_t offset, length;
  } texts[ENTRY_TEXTS]; /* from the beginning of the block */
} sandbox_entry;

/* A commit that repeats an earlier one. Numbers are those of log entries. */
typedef struct sandbox_duplicate {
  int64_t first, again;
  sandbox_operation operation;
  char *body; /* an excerpt */
  size_t body_length;
} sandbox_duplicate;

typedef struct sandbox_request_log sandbox_request_log;

sandbox_request_log *sandbox_request_log_open(int64_t max_entries, int64_t max_bytes,
                                              int64_t max_body_bytes);
void sandbox_request_log_close(sandbox_request_log *log);
void sandbox_request_log_clear(sandbox_request_log *log);

/* Adds a copy of `entry` with the texts of the slices. Returns its number. Without memory the entry
 * is left out, and its number is not used again. */
int64_t sandbox_request_log_add(sandbox_request_log *log, const sandbox_entry *entry,
                                const fl_slice texts[ENTRY_TEXTS]);
/* Marks a request that was committed after its entry was written. */
void sandbox_request_log_mark_committed(sandbox_request_log *log, int64_t number);

/*
 * Notes that a write was committed. Two commits are the same if they have the same X-Request-Id, or
 * without one the same path and body. `request_id` is empty if there was none.
 */
bool sandbox_request_log_add_commit(sandbox_request_log *log, int64_t number,
                                    sandbox_operation operation, fl_slice path, fl_slice request_id,
                                    fl_slice body);

/* A copy of all entries from number `from` on, each in its own block; NULL without memory. Free
 * each and the array. */
sandbox_entry **sandbox_request_log_copy(const sandbox_request_log *log, int64_t from,
                                         size_t *count);
const sandbox_duplicate *sandbox_request_log_duplicates(const sandbox_request_log *log,
                                                        size_t *count);
/* The number of requests logged since the last clearing. */
int64_t sandbox_request_log_count(const sandbox_request_log *log);

#endif
