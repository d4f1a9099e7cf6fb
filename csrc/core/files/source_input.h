/*
 * source_input.h: the input and output of the readers of all formats: the files in chunks, the
 * first failure, and the batch that records are written into.
 *
 * A reader (fl_source_reader) is asked for one step through the file at a time. Whenever it has
 * found a record, it opens one here, appends the record's text to `target`, and ends it. If the
 * batch has no room, the record waits for the next batch.
 *
 * A source may be a list of files, its parts. They are read one after another, each from its own
 * beginning, and only one of them is open at a time.
 */
#ifndef FL_SOURCE_INPUT_H
#define FL_SOURCE_INPUT_H

#include "files/source_types.h"

typedef struct fl_source_part {
  char *path;
  struct stat status; /* of the file when it was opened first; st_ino 0: not opened yet */
} fl_source_part;

typedef struct fl_source_input {
  const fl_source_options *options;
  fl_source_part *parts;
  size_t part_count, part; /* the one that is open */
  fl_bytes_file *file;     /* NULL: none is open */
  fl_bytes *archive;       /* the decompressed content, or NULL if the file is not compressed */
  fl_bytes *bytes;         /* the content that is read: decompressed and recoded */
  bool is_recording;       /* the content is no text */
  bool learning;           /* this pass only learns about the records, and gives none */
  int64_t counted;         /* records that it has read */
  bool exhausted;          /* the end of the part was read */
  bool ended;              /* every record of the part is in a batch or waits */
  fl_source_error failure;

  size_t chunk;     /* bytes to read at a time */
  fl_buffer window; /* bytes read and not yet used, from `at` on */
  size_t at;
  int64_t line; /* of the byte at `at`, from 1 */

  fl_source_batch *batch; /* being filled; NULL: it is full, further records wait */
  size_t max_records, max_bytes;
  fl_source_batch waiting; /* its text is records without anything between them */
  size_t waiting_taken;    /* the number of them that were moved into a batch */
  fl_buffer *target;       /* of the record being written */
  size_t begin;            /* where in the target the record begins */
} fl_source_input;

/* The functions of a format. Each reports a failure by setting the failure of the input. */
typedef struct fl_source_reader {
  /* The state of the reader; NULL after a failure. */
  void *(*open)(fl_source_input *input);
  /* Begins a pass over the part that the input has entered, up to its first record. The first pass
   * over the first part sets input->learning, if all parts are to be read before records are given.
   * False after a failure before that record. A later failure is reported after the records before
   * it. */
  bool (*begin)(void *state);
  /* Takes one step through the part. Sets input->ended after the last record. */
  void (*pull)(void *state);
  /* Called at the end of the learning pass. */
  void (*conclude)(void *state);
  void (*close)(void *state); /* NULL is allowed */
  /* The columns, the dialect, and the remark at a place (NULL behind the last). Each is NULL if the
   * format has none. */
  const fl_columns *(*columns)(const void *state);
  void (*describe)(const void *state, fl_source_dialect *dialect);
  const char *(*remark)(const void *state, size_t place);
  /* See fl_source_get_member. */
  bool (*member)(const void *state, size_t place, fl_source_member *out);
} fl_source_reader;

/* Opens and closes each file, then enters the first. False after a failure. The caller closes the
 * input in either case. */
bool fl_source_input_open(fl_source_input *input, const char *const *paths, size_t count,
                          const fl_source_options *options);
/* The same with one file that is open, and that the input then owns. `name`: in messages. */
bool fl_source_input_open_recording(fl_source_input *input, fl_bytes_file *file,
                                    fl_compression compression, const char *name,
                                    const fl_source_options *options);
void fl_source_input_close(fl_source_input *input);

/* Begins a pass over a part, and reads its beginning. */
bool fl_source_input_enter(fl_source_input *input, size_t part);
/* Reads a chunk behind the bytes in the window. False: the file has ended, or a failure. */
bool fl_source_input_read(fl_source_input *input);
/* Whether the bytes of the part are decompressed or recoded. */
static inline bool fl_source_input_is_filtered(const fl_source_input *input) {
  return input->bytes != &input->file->bytes;
}
/* Reads the part that was entered to its end, to see whether it can be decompressed and recoded.
 * Drops it, and the records that wait: another pass has to begin. */
bool fl_source_input_check_bytes(fl_source_input *input);
/* Line ends in a text. */
int64_t fl_source_input_count_lines(const char *text, size_t length);
/* Fails if the part has changed since it was opened. */
bool fl_source_input_check_unchanged(fl_source_input *input);

static inline bool fl_source_input_is_live(const fl_source_input *input) {
  return !input->ended && input->failure.code == FL_SOURCE_OK;
}

/* --- failures: the first one is kept; all functions return false --- */

bool fl_source_input_fail_memory(fl_source_input *input);
/* The text breaks the format. If the file has changed meanwhile, the failure says so instead. */
bool fl_source_input_fail_content(fl_source_input *input, int64_t line, const char *words);
/* FL_INVALID: the text breaks the format. */
bool fl_source_input_fail_result(fl_source_input *input, fl_result result, int64_t line,
                                 const char *words);
/* The temporary file of an expectation cannot be written or read. */
bool fl_source_input_fail_temporary(fl_source_input *input);
/* Checks the expectations after the last record, and fails if they are not met. */
void fl_source_input_conclude(fl_source_input *input, fl_expect *expect);
/* A hint for the message about text that is not UTF-8, or "" if the caller named an encoding. */
const char *fl_source_input_encoding_hint(const fl_source_input *input);

/* --- records --- */

/* Opens a record: the bytes appended to input->target from here on are its text. */
bool fl_source_input_begin_record(fl_source_input *input);
/* Removes the bytes appended since the record was opened. */
void fl_source_input_drop_record(fl_source_input *input);
/* `line`: on which the record begins. */
bool fl_source_input_end_record(fl_source_input *input, int64_t line);
/* The same for a record of another file of the list. */
bool fl_source_input_end_record_of(fl_source_input *input, int64_t line, size_t part);
/* Moves waiting records into the batch, as many as fit. */
bool fl_source_input_take_waiting(fl_source_input *input);

#endif
