/*
 * source.h: the records of a file (CSV, TSV, JSON lines, JSON), read in order as batches of JSON
 * text.
 *
 * A source owns a file descriptor. One thread at a time may use it. Memory is bounded by the batch
 * and the largest record, whatever the size of the file.
 *
 * CSV and TSV: the first row names the columns, unless the options say otherwise (columns.h
 * describes their types). JSON lines: an object a line, given as it is written; blank lines are
 * skipped. JSON: an array of objects, the whole text or the part that the options point at; given
 * without white space, numbers digit for digit.
 *
 * Opening reads all files once if the options need it: to decide the type of a column, for
 * expectations, for a mapping of JSON records, for a survey, or for a list of files. Mistakes in
 * the files are then found before the first record is given. Otherwise a file that is compressed or
 * in another encoding than UTF-8 is decompressed and recoded once without being parsed, so that a
 * file that is cut off is found.
 *
 * A name that ends in .gz, .zst, .xz, .bz2 or .zip is that of a compressed file (archive.h).
 *
 * Files must be regular ones and must not change meanwhile: their size, their modification time and
 * the file behind their name are checked before the second pass and at the end.
 */
#ifndef FL_SOURCE_H
#define FL_SOURCE_H

#include "files/recording.h"
#include "files/source_types.h"

typedef struct fl_source fl_source;

/* The format of an ending (csv, tsv, jsonl, ndjson, json), in any case. */
fl_source_format fl_source_format_named(const char *ending);
/* The format of a file by its name, without the ending of a compression. */
fl_source_format fl_source_format_of(const char *path);

/* Opens a list of files of one format, whose records follow one another. NULL with *error filled.
 * The options have to live as long as the source. */
fl_source *fl_source_open(const char *const *paths, size_t count, const fl_source_options *options,
                          fl_source_error *error);

/* The records of an ended recording, as they were written. `name`: of the recording in messages. */
fl_source *fl_source_open_recording(fl_recording *recording, const char *name,
                                    const fl_source_options *options, fl_source_error *error);

/*
 * Replaces the batch's content by the next records: at most `max_records`, and text of at most
 * `max_bytes`, but always one record. FL_SOURCE_END and an empty array if none are left. Records
 * before a failure are given first. From then on every call returns that failure.
 */
fl_source_code fl_source_read(fl_source *source, size_t max_records, size_t max_bytes,
                              fl_source_batch *batch, fl_source_error *error);

/* The columns of a CSV or TSV file; none for the others. */
const fl_columns *fl_source_columns(const fl_source *source);
/* The dialect in which the files are read. */
fl_source_dialect fl_source_get_dialect(const fl_source *source);

/* The number of records; -1 if there was no pass before the first record. */
int64_t fl_source_count(const fl_source *source);
/* The member of the records at a place, from 0, without the constants of the mapping. False behind
 * the last one. Members of JSON records are known only with the option `survey`. */
bool fl_source_get_member(const fl_source *source, size_t place, fl_source_member *out);

/* The remark about the files for the user at a place from 0; NULL behind the last. */
const char *fl_source_remark(const fl_source *source, size_t place);

/* Bytes read so far by the pass that gives records, and the size of the files. */
void fl_source_progress(const fl_source *source, int64_t *read, int64_t *total);

/* The identity of the file, taken when it was opened. `modified` is in nanoseconds since the Unix
 * epoch. */
typedef struct fl_source_identity {
  int64_t size, modified;
  uint64_t inode, device;
} fl_source_identity;
fl_source_identity fl_source_identify(const fl_source *source, size_t part);
size_t fl_source_part_count(const fl_source *source);
const char *fl_source_part_path(const fl_source *source, size_t part);
void fl_source_close(fl_source *source);

#endif
