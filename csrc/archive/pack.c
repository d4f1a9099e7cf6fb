/*
 * pack.c: writes a compressed file over libarchive, at the default level of each compression, or a
 * fast one. Uses only the memory of libarchive, whatever the size of the file.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <time.h>

#include "base/write_all.h"
#include "module.h"

typedef struct packer {
  fl_packer head;
  int descriptor;
  struct archive *archive;
  bool ended; /* nothing is written any more */
} packer;

static bool fail(packer *self, const char *words) {
  if (self->head.message[0] == '\0')
    snprintf(self->head.message, sizeof self->head.message, "cannot write: %s",
             words != NULL ? words : "unknown");
  return false;
}

static bool check(packer *self, la_ssize_t result) {
  if (self->head.message[0] != '\0') return false;
  return result >= ARCHIVE_WARN || fail(self, archive_error_string(self->archive));
}

/* The callback of libarchive. libarchive also calls it when an archive is freed. */
static la_ssize_t write_out(struct archive *archive, void *context, const void *bytes,
                            size_t length) {
  packer *self = context;
  (void)archive;
  if (self->ended || self->head.message[0] != '\0') return (la_ssize_t)length;
  if (!fl_write_all(self->descriptor, bytes, length)) {
    fail(self, strerror(errno));
    return ARCHIVE_FATAL;
  }
  self->head.written += (int64_t)length;
  return (la_ssize_t)length;
}

static int choose(struct archive *archive, fl_compression compression, bool fast) {
  switch (compression) {
    case FL_COMPRESSION_ZIP: return archive_write_set_format_zip(archive);
    case FL_COMPRESSION_ZSTD:
      archive_write_add_filter_zstd(archive);
      if (fast) archive_write_set_filter_option(archive, "zstd", "compression-level", "1");
      break;
    case FL_COMPRESSION_XZ: archive_write_add_filter_xz(archive); break;
    case FL_COMPRESSION_BZIP2: archive_write_add_filter_bzip2(archive); break;
    default:
      archive_write_add_filter_gzip(archive);
      /* Equal content gives equal bytes. */
      archive_write_set_filter_option(archive, "gzip", "timestamp", NULL);
      break;
  }
  return archive_write_set_format_raw(archive);
}

static void begin(packer *self, fl_compression compression, const char *member, bool fast) {
  struct archive_entry *entry = archive_entry_new2(self->archive);
  if (entry == NULL) {
    fail(self, "not enough memory");
    return;
  }
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, 0644);
  archive_entry_set_mtime(entry, time(NULL), 0);
  archive_entry_set_pathname(entry, member);
  /* No padding to whole blocks at the end. */
  if (check(self, choose(self->archive, compression, fast)) &&
      check(self, archive_write_set_bytes_per_block(self->archive, 0)) &&
      check(self, archive_write_open(self->archive, self, NULL, write_out, NULL)))
    check(self, archive_write_header(self->archive, entry));
  archive_entry_free(entry);
}

fl_packer *fl_pack(int descriptor, fl_compression compression, const char *member, bool fast) {
  packer *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->descriptor = descriptor;
  self->archive = archive_write_new();
  if (self->archive == NULL) {
    free(self);
    return NULL;
  }
  begin(self, compression, member, fast);
  return &self->head;
}

bool fl_pack_bytes(fl_packer *head, const char *bytes, size_t length) {
  packer *self = (packer *)(void *)head;
  while (length > 0 && head->message[0] == '\0') {
    la_ssize_t count = archive_write_data(self->archive, bytes, length);
    if (!check(self, count)) break;
    if (count == 0) return fail(self, "libarchive took no bytes");
    bytes += count;
    length -= (size_t)count;
  }
  return head->message[0] == '\0';
}

bool fl_pack_end(fl_packer *head) {
  packer *self = (packer *)(void *)head;
  if (head->message[0] != '\0') return false;
  return check(self, archive_write_close(self->archive));
}

void fl_pack_free(fl_packer *head) {
  packer *self = (packer *)(void *)head;
  self->ended = true;
  archive_write_free(self->archive);
  free(self);
}
