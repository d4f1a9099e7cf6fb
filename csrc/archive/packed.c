/*
 * packed.c: zstd, xz, bzip2 and zip over libarchive. Uses only the memory of libarchive, whatever
 * the size of the file. A second pass opens the archive again.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <unistd.h>

#include "module.h"

#define CHUNK ((size_t)64 * 1024)

typedef struct packed {
  fl_bytes bytes;
  fl_bytes_file *inner;
  fl_compression compression;
  struct archive *archive; /* NULL: not open */
  char *member;            /* of a zip */
  bool ended;
  bool exhausted; /* the compressed file was read to its end */
  char chunk[CHUNK];
} packed;

static bool fail_data(packed *self) {
  const char *words = archive_error_string(self->archive);
  /* Some of libarchive's messages end in a line end. */
  size_t length = words != NULL ? strcspn(words, "\r\n") : 0;
  /* A zip has its directory at its end. */
  bool may_be_cut =
      self->compression == FL_COMPRESSION_ZIP ? self->member == NULL : self->exhausted;
  if (!fl_bytes_is_well(&self->bytes, &self->inner->bytes)) return false;
  return fl_bytes_fail(&self->bytes, FL_BYTES_CONTENT, "broken %s data%s: %.*s",
                       self->compression == FL_COMPRESSION_ZIP     ? "zip"
                       : self->compression == FL_COMPRESSION_ZSTD  ? "zstd"
                       : self->compression == FL_COMPRESSION_BZIP2 ? "bzip2"
                                                                   : "xz",
                       may_be_cut ? " (the file may be cut off)" : "",
                       (int)(words != NULL ? length : strlen("unknown")),
                       words != NULL ? words : "unknown");
}

/* --- the callbacks of libarchive --- */

static la_ssize_t read_inner(struct archive *archive, void *context, const void **bytes) {
  packed *self = context;
  size_t count = self->inner->bytes.class->read(&self->inner->bytes, self->chunk, CHUNK);
  *bytes = self->chunk;
  self->exhausted = count == 0;
  if (self->inner->bytes.code == FL_BYTES_OK) return (la_ssize_t)count;
  archive_set_error(archive, -1, "%s", self->inner->bytes.message);
  return ARCHIVE_FATAL;
}

/* A zip has its directory at its end, so libarchive has to seek. */
static la_int64_t seek_inner(struct archive *archive, void *context, la_int64_t offset,
                             int whence) {
  packed *self = context;
  off_t place = lseek(self->inner->descriptor, (off_t)offset, whence);
  (void)archive;
  if (place < 0) return ARCHIVE_FATAL;
  self->inner->position = place;
  return place;
}

/* --- opening --- */

static int support(struct archive *archive, fl_compression compression, int *filter) {
  *filter = ARCHIVE_FILTER_NONE;
  switch (compression) {
    case FL_COMPRESSION_ZIP: return archive_read_support_format_zip_seekable(archive);
    case FL_COMPRESSION_ZSTD:
      *filter = ARCHIVE_FILTER_ZSTD;
      archive_read_support_filter_zstd(archive);
      break;
    case FL_COMPRESSION_XZ:
      *filter = ARCHIVE_FILTER_XZ;
      archive_read_support_filter_xz(archive);
      break;
    default:
      *filter = ARCHIVE_FILTER_BZIP2;
      archive_read_support_filter_bzip2(archive);
      break;
  }
  return archive_read_support_format_raw(archive);
}

/* Whether a warning is about a zip that contradicts itself. Other warnings are about names that
 * this locale cannot represent. */
static bool is_contradiction(const packed *self) {
  static const char words[] = "Inconsistent";
  const char *warning = archive_error_string(self->archive);
  return warning != NULL && strncmp(warning, words, sizeof words - 1) == 0;
}

/* Goes to the next file in a zip. False if there is none, or after a failure. */
static bool next_file(packed *self, struct archive_entry **entry) {
  int result;
  do {
    result = archive_read_next_header(self->archive, entry);
    if ((result < ARCHIVE_OK && result != ARCHIVE_WARN) ||
        (result == ARCHIVE_WARN && is_contradiction(self)))
      fail_data(self);
  } while (self->bytes.code == FL_BYTES_OK && result != ARCHIVE_EOF &&
           self->compression == FL_COMPRESSION_ZIP && archive_entry_filetype(*entry) != AE_IFREG);
  return self->bytes.code == FL_BYTES_OK && result != ARCHIVE_EOF;
}

/* Reads the name of the only file in a zip. The caller has to open the zip again afterwards. */
static bool name_member(packed *self) {
  struct archive_entry *entry;
  const char *name;
  if (!next_file(self, &entry))
    return fl_bytes_fail(&self->bytes, FL_BYTES_CONTENT, "there is no file in the zip");
  name = archive_entry_pathname(entry);
  self->member = strdup(name != NULL ? name : "");
  if (self->member == NULL) return fl_bytes_fail_memory(&self->bytes);
  if (next_file(self, &entry))
    return fl_bytes_fail(&self->bytes, FL_BYTES_CONTENT,
                         "there is more than one file in the zip (\"%.60s\" and others)",
                         self->member);
  return self->bytes.code == FL_BYTES_OK;
}

static bool open_archive(packed *self) {
  int filter;
  if (self->archive != NULL) archive_read_free(self->archive);
  self->archive = archive_read_new();
  if (self->archive == NULL) return fl_bytes_fail_memory(&self->bytes);
  archive_read_set_read_callback(self->archive, read_inner);
  if (self->compression == FL_COMPRESSION_ZIP)
    archive_read_set_seek_callback(self->archive, seek_inner);
  archive_read_set_callback_data(self->archive, self);
  if (support(self->archive, self->compression, &filter) < ARCHIVE_WARN ||
      archive_read_open1(self->archive) != ARCHIVE_OK)
    return fail_data(self);
  if (filter != ARCHIVE_FILTER_NONE && archive_filter_code(self->archive, 0) != filter)
    return fl_bytes_fail(&self->bytes, FL_BYTES_CONTENT,
                         "the file is not compressed as its name says");
  return true;
}

static bool begin_pass(packed *self) {
  struct archive_entry *entry;
  self->ended = !open_archive(self) || !next_file(self, &entry);
  return self->bytes.code == FL_BYTES_OK;
}

/* --- the source of bytes --- */

static size_t read_packed(fl_bytes *bytes, char *out, size_t room) {
  packed *self = (packed *)(void *)bytes;
  la_ssize_t count;
  if (bytes->code != FL_BYTES_OK || self->ended) return 0;
  count = archive_read_data(self->archive, out, room);
  /* libarchive reports a wrong length or checksum as a warning. */
  if (count < 0) fail_data(self);
  self->ended = count <= 0;
  return count > 0 ? (size_t)count : 0;
}

static bool rewind_packed(fl_bytes *bytes) {
  packed *self = (packed *)(void *)bytes;
  fl_bytes_forget_content(bytes);
  if (!self->inner->bytes.class->rewind(&self->inner->bytes))
    return fl_bytes_is_well(bytes, &self->inner->bytes);
  return begin_pass(self);
}

static void close_packed(fl_bytes *bytes) {
  packed *self = (packed *)(void *)bytes;
  if (self->archive != NULL) archive_read_free(self->archive);
  self->inner->bytes.class->close(&self->inner->bytes);
  free(self->member);
  free(self);
}

static const fl_bytes_class packed_class = {read_packed, rewind_packed, close_packed};

const char *fl_packed_member(fl_bytes *self) {
  return self->class == &packed_class ? ((packed *)(void *)self)->member : NULL;
}

fl_bytes *fl_packed_open(fl_bytes_file *inner, fl_compression compression) {
  packed *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->bytes.class = &packed_class;
  self->inner = inner;
  self->compression = compression;
  if (compression != FL_COMPRESSION_ZIP) {
    begin_pass(self);
  } else if (open_archive(self) && name_member(self)) {
    rewind_packed(&self->bytes);
  }
  return &self->bytes;
}
