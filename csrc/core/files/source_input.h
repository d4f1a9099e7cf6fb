/*
 * source_input.h: the input and output of the readers of all formats: the file in chunks, the first
 * failure, and the batch that records are written into.
 *
 * A reader (fl_source_reader) is asked for one step through the file at a time. Whenever it has
 * found a record, it opens one here, appends the record's text to `target`, and ends it. If the
 * batch has no room, the record waits for the next batch.
 */
#ifndef FL_SOURCE_INPUT_H
#define FL_SOURCE_INPUT_H

#include <sys/stat.h>

#include "files/source_types.h"

/* The modification time in a struct stat, in nanoseconds and all. */
#if defined(__APPLE__)
#define FL_SOURCE_MODIFIED(status) ((status).st_mtimespec)
#else
#define FL_SOURCE_MODIFIED(status) ((status).st_mtim)
#endif

typedef struct fl_source_input {
  char *path;
  int descriptor;
  struct stat identity; /* of the file as it was opened */
  int64_t bytes_read;   /* by this pass */
  bool exhausted;       /* the end of the file was read */
  bool ended;           /* every record is in a batch or waits */
  fl_source_error failure;

  fl_buffer window; /* bytes read and not yet used, from `at` on */
  size_t at;
  int64_t line; /* of the byte at `at`, from 1; the JSON readers count it */

  fl_source_batch *batch; /* being filled; NULL: it is full, further records wait */
  size_t max_records, max_bytes;
  fl_source_batch waiting; /* its text is records without anything between them */
  size_t waiting_taken;    /* so many of them are in a batch since */
  fl_buffer *target;       /* of the record being written */
  size_t begin;            /* where in the target the record begins */
} fl_source_input;

/* A format. Each function answers a failure by setting the input's. */
typedef struct fl_source_reader {
  /* The state of the reader, at the first record; NULL after a failure. */
  void *(*open)(fl_source_input *input, const fl_source_options *options);
  /* One step through the file. Sets input->ended after the last record. */
  void (*pull)(void *state);
  void (*close)(void *state);                      /* NULL is allowed */
  const fl_columns *(*columns)(const void *state); /* NULL: the format has none */
} fl_source_reader;

/* Opens the file. False after a failure; either way the input is to be closed. */
bool fl_source_input_open(fl_source_input *input, const char *path);
void fl_source_input_close(fl_source_input *input);

/* Begins another pass over the file. */
bool fl_source_input_rewind(fl_source_input *input);
/* Reads a chunk behind the bytes in the window. False: the file has ended, or a failure. */
bool fl_source_input_read(fl_source_input *input);
/* False, with a failure, if the file is another than it was when it was opened. */
bool fl_source_input_check_unchanged(fl_source_input *input);

static inline bool fl_source_input_is_live(const fl_source_input *input) {
  return !input->ended && input->failure.code == FL_SOURCE_OK;
}

/* --- failures: the first one is kept; all answer false --- */

bool fl_source_input_fail_memory(fl_source_input *input);
/* The text breaks the format; if the file changed meanwhile, that is the failure. */
bool fl_source_input_fail_content(fl_source_input *input, int64_t line, const char *words);
/* FL_INVALID: the text breaks the format. */
bool fl_source_input_fail_result(fl_source_input *input, fl_result result, int64_t line,
                                 const char *words);

/* --- records --- */

/* Opens a record: the bytes appended to input->target from here on are its text. */
bool fl_source_input_begin_record(fl_source_input *input);
/* Takes back what was appended since. */
void fl_source_input_drop_record(fl_source_input *input);
/* `line`: on which the record begins. */
bool fl_source_input_end_record(fl_source_input *input, int64_t line);
/* Moves records that wait into the batch, as far as it has room. */
bool fl_source_input_take_waiting(fl_source_input *input);

#endif
