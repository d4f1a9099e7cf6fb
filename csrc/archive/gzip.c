/*
 * gzip.c: gzip over zlib, which checks the length and the checksum of every member. libarchive
 * checks neither.
 */
#include <stdlib.h>
#include <zlib.h>

#include "module.h"

#define CHUNK ((size_t)64 * 1024)

typedef struct gzip {
  fl_bytes bytes;
  fl_bytes *inner;
  z_stream stream;
  bool between; /* a member has ended; the file may end here, or another member follows */
  unsigned char chunk[CHUNK];
} gzip;

static const int WINDOW = 15 + 16; /* the largest window, with gzip's header */

static void fail_data(gzip *self) {
  fl_bytes_fail(&self->bytes, FL_BYTES_CONTENT, "broken gzip data: %s",
                self->stream.msg != NULL ? self->stream.msg : "unknown");
}

/* Reads the next bytes. False at the end of the file and after a failure. */
static bool fill(gzip *self) {
  size_t count = self->inner->class->read(self->inner, (char *)self->chunk, CHUNK);
  if (!fl_bytes_is_well(&self->bytes, self->inner)) return false;
  self->stream.next_in = self->chunk;
  self->stream.avail_in = (uInt)count;
  if (count == 0 && !self->between)
    return fl_bytes_fail(&self->bytes, FL_BYTES_CONTENT, "the gzip file is cut off");
  return count > 0;
}

static size_t read_gzip(fl_bytes *bytes, char *out, size_t room) {
  gzip *self = (gzip *)(void *)bytes;
  if (bytes->code != FL_BYTES_OK) return 0;
  self->stream.next_out = (Bytef *)out;
  self->stream.avail_out = room < CHUNK * 4 ? (uInt)room : (uInt)(CHUNK * 4);
  room = self->stream.avail_out;
  while (self->stream.avail_out > 0) {
    int result;
    if (self->stream.avail_in == 0 && !fill(self)) break;
    if (self->between && inflateReset(&self->stream) != Z_OK) fail_data(self);
    self->between = false;
    result = inflate(&self->stream, Z_NO_FLUSH);
    if (result == Z_STREAM_END) self->between = true;
    else if (result != Z_OK && result != Z_BUF_ERROR) fail_data(self);
    if (bytes->code != FL_BYTES_OK) break;
  }
  /* The bytes before a failure are given first, so that the reader knows the line. */
  return room - self->stream.avail_out;
}

static bool rewind_gzip(fl_bytes *bytes) {
  gzip *self = (gzip *)(void *)bytes;
  fl_bytes_forget_content(bytes);
  self->stream.avail_in = 0;
  self->between = false;
  if (!self->inner->class->rewind(self->inner)) return fl_bytes_is_well(bytes, self->inner);
  return inflateReset(&self->stream) == Z_OK || fl_bytes_fail_memory(bytes);
}

static void close_gzip(fl_bytes *bytes) {
  gzip *self = (gzip *)(void *)bytes;
  inflateEnd(&self->stream);
  self->inner->class->close(self->inner);
  free(self);
}

static const fl_bytes_class gzip_class = {read_gzip, rewind_gzip, close_gzip};

fl_bytes *fl_gzip_open(fl_bytes_file *inner) {
  gzip *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->bytes.class = &gzip_class;
  self->inner = &inner->bytes;
  if (inflateInit2(&self->stream, WINDOW) == Z_OK) return &self->bytes;
  free(self);
  return NULL;
}
