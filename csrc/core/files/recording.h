/*
 * recording.h: records as JSON text in a temporary file: written once, then read as a source
 * (source.h).
 *
 * The file has no name: it is unlinked as soon as it is made, with mode 0600. So a process that is
 * killed leaves nothing behind. It may be compressed. Each record in it is a head and its text.
 */
#ifndef FL_RECORDING_H
#define FL_RECORDING_H

#include "base/base.h"
#include "files/archive.h"

typedef struct fl_recording fl_recording;

typedef struct fl_recording_head {
  int64_t line;    /* of the file that the record was made from; 0: none */
  uint32_t length; /* of its text, which follows */
  uint32_t part;   /* the file of the list, from 0 */
} fl_recording_head;

/* NULL: no memory. The file is made by the first write, in the folder of `prefix`, a path that its
 * name begins with. A compression needs the module of compressed files (archive.h). */
fl_recording *fl_recording_new(const char *prefix, fl_compression compression);
fl_recording *fl_recording_retain(fl_recording *self);
/* With the last reference the file is gone, unless a source still reads it. */
void fl_recording_release(fl_recording *self);

/* Writes heads and texts, in any pieces. False after a failure. Any thread. */
bool fl_recording_write(fl_recording *self, const char *bytes, size_t length);
/* Ends the file. Nothing is written afterwards. */
bool fl_recording_end(fl_recording *self);
/* Why a write failed. */
const char *fl_recording_message(const fl_recording *self);

/* The content of an ended recording as a regular file, which the caller owns. NULL without memory;
 * any other failure is in its code. One source at a time may read it. */
fl_bytes_file *fl_recording_open(fl_recording *self);
/* Of its content. */
fl_compression fl_recording_compression(const fl_recording *self);

#endif
