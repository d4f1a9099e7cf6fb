#include "files/export_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/owned.h"
#include "base/process.h"
#include "base/write_all.h"
#include "codec/csv.h"

#define ENDING ".part"
#define PACKED_ENDING ".packed"
#define CHUNK ((size_t)128 * 1024) /* a file is read in pieces of this size */
#define HEADER_CEILING ((size_t)64 << 20)

void fl_export_file_init(fl_export_file *self) {
  memset(self, 0, sizeof *self);
  self->descriptor = self->packed_descriptor = -1;
  self->generation = fl_process_generation();
}

bool fl_export_file_is_ours(const fl_export_file *self) {
  return self->generation == fl_process_generation();
}

static fl_export_file_code fail(fl_export_file *self, fl_export_file_code code, const char *name,
                                const char *action) {
  self->failed.name = name;
  self->failed.action = action;
  return code;
}

static fl_export_file_code fail_io(fl_export_file *self, const char *name, const char *action) {
  return fail(self, FL_EXPORT_FILE_IO, name, action);
}

static char *join(const char *text, const char *ending) {
  size_t length = strlen(text), more = strlen(ending);
  char *joined = malloc(length + more + 1);
  if (joined == NULL) return NULL;
  memcpy(joined, text, length);
  memcpy(joined + length, ending, more + 1);
  return joined;
}

static void unlock(fl_export_file *self) {
  if (self->lock == NULL) return;
  fl_lock_release(self->lock);
  self->lock = NULL;
  self->descriptor = -1;
}

/* --- opening --- */

/* Opens and locks the part. FL_INVALID: another export holds the lock; FL_SYSTEM with *fault or
 * errno; FL_NO_MEMORY. */
static fl_result open_part(fl_export_file *self, bool shared, const char **fault) {
  for (;;) {
    struct stat found, named;
    fl_result result = fl_lock_take(self->part, fl_slice_of("part"), shared, &self->lock, fault);
    if (result != FL_OK) return result;
    self->descriptor = fl_lock_descriptor(self->lock);
    if (fstat(self->descriptor, &found) != 0) return FL_SYSTEM;
    /* The holder before may have renamed the file before this export locked it. Then it is no part
     * any more. */
    if (lstat(self->part, &named) == 0 && named.st_dev == found.st_dev &&
        named.st_ino == found.st_ino)
      return FL_OK;
    unlock(self);
  }
}

fl_export_file_code fl_export_file_open(fl_export_file *self, const char *path, bool shared) {
  const char *fault = NULL;
  self->path = join(path, "");
  self->part = join(path, ENDING);
  if (self->path == NULL || self->part == NULL) return FL_EXPORT_FILE_NO_MEMORY;
  self->mode = 0666 & ~fl_owned_umask();
  switch (open_part(self, shared, &fault)) {
    case FL_OK: return FL_EXPORT_FILE_OK;
    case FL_INVALID: return fail(self, FL_EXPORT_FILE_BUSY, self->part, NULL);
    case FL_NO_MEMORY: return FL_EXPORT_FILE_NO_MEMORY;
    default: break;
  }
  if (fault != NULL) return fail(self, FL_EXPORT_FILE_REFUSED, self->part, fault);
  return fail_io(self, self->part, "open");
}

fl_export_file_code fl_export_file_open_special(fl_export_file *self, const char *path) {
  self->descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  self->owned = true;
  return self->descriptor >= 0 ? FL_EXPORT_FILE_OK : fail_io(self, path, "open");
}

void fl_export_file_open_output(fl_export_file *self) {
  self->descriptor = STDOUT_FILENO;
  self->owned = false;
}

fl_export_file_code fl_export_file_empty(fl_export_file *self) {
  return ftruncate(self->descriptor, 0) == 0 ? FL_EXPORT_FILE_OK
                                             : fail_io(self, self->part, "empty");
}

fl_export_file_code fl_export_file_open_packed(fl_export_file *self) {
  self->packed = join(self->path, PACKED_ENDING);
  if (self->packed == NULL) return FL_EXPORT_FILE_NO_MEMORY;
  /* The lock of the part keeps other exports away: a file of this name was left behind. */
  unlink(self->packed);
  self->packed_descriptor =
      open(self->packed, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  return self->packed_descriptor >= 0 ? FL_EXPORT_FILE_OK : fail_io(self, self->packed, "open");
}

/* --- resuming --- */

/* The header of a part that is resumed. */
typedef struct header {
  fl_export *export; /* has the chosen columns. If it has none, the columns of the part are added */
  bool differs;
} header;

/* Whether a cell of the header is the name of a column. */
static bool is_name(const fl_export *export, fl_slice name, fl_slice cell) {
  size_t before = export->escape && fl_export_is_formula(name);
  return cell.length == name.length + before &&
         memcmp(cell.data + before, name.data, name.length) == 0;
}

/* The name in a cell of the header. */
static fl_slice name_of(const fl_export *export, fl_slice cell) {
  fl_slice name = {cell.data + 1, cell.length - 1};
  bool escaped = export->escape && cell.length > 1 && cell.data[0] == '\'';
  return escaped && fl_export_is_formula(name) ? name : cell;
}

static bool take_header(void *context, const fl_csv_cell *cells, size_t count, int64_t line) {
  header *self = context;
  fl_export *export = self->export;
  (void)line;
  if (export->count > 0) {
    self->differs = export->count != count;
    for (size_t i = 0; i < count && !self->differs; i++)
      self->differs = !is_name(export, fl_export_column_name(export, i), cells[i].text);
  } else {
    for (size_t i = 0; i < count && !self->differs; i++)
      self->differs = fl_export_add_column(export, name_of(export, cells[i].text)) != FL_OK;
  }
  export->begun = true;
  return false;
}

/* Reads `length` bytes of the part's beginning as its header. */
static bool read_header(fl_export_file *self, fl_export *export, fl_buffer *scratch,
                        size_t length) {
  header first = {export, false};
  fl_csv_reader *reader = fl_csv_open(&(fl_csv_dialect){.delimiter = export->delimiter},
                                      HEADER_CEILING, take_header, &first);
  fl_csv_code code = FL_CSV_MEMORY;
  ssize_t got = -1;
  if (reader != NULL && fl_buffer_reserve(scratch, length) == FL_OK)
    got = pread(self->descriptor, scratch->data, length, 0);
  if (got == (ssize_t)length && (fl_json_mark_length(scratch->data, length) > 0) == export->mark)
    code = fl_csv_feed(reader, scratch->data, length);
  fl_csv_close(reader);
  return code == FL_CSV_STOPPED && !first.differs;
}

fl_export_file_code fl_export_file_resume(fl_export_file *self, fl_export *export,
                                          fl_buffer *scratch, int64_t *records) {
  fl_export_count count = {.format = export->format};
  if (fl_buffer_reserve(scratch, CHUNK) != FL_OK) return FL_EXPORT_FILE_NO_MEMORY;
  for (;;) {
    ssize_t got = read(self->descriptor, scratch->data, CHUNK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_io(self, self->part, "read");
    if (got == 0) break;
    fl_export_count_feed(&count, scratch->data, (size_t)got);
  }
  if (export->format == FL_EXPORT_CSV && count.records > 0 &&
      !read_header(self, export, scratch, (size_t)count.first_end))
    return fail(self, FL_EXPORT_FILE_DIFFERS, self->part, NULL);
  if (ftruncate(self->descriptor, (off_t)count.end) != 0 ||
      lseek(self->descriptor, (off_t)count.end, SEEK_SET) < 0)
    return fail_io(self, self->part, "cut off the incomplete end");
  self->length = count.end;
  export->any = count.records > 0;
  *records = count.records;
  return FL_EXPORT_FILE_OK;
}

bool fl_export_file_ends_with(const fl_export_file *self, fl_slice text, fl_buffer *scratch) {
  const int64_t begin = self->length - (int64_t)text.length;
  scratch->length = 0;
  errno = 0;
  return begin >= 0 && fl_buffer_reserve(scratch, text.length) == FL_OK &&
         pread(self->descriptor, scratch->data, text.length, (off_t)begin) ==
             (ssize_t)text.length &&
         memcmp(scratch->data, text.data, text.length) == 0;
}

/* Copies the content of an open file into the part, and keeps its mode. False with errno. */
static bool copy_content(fl_export_file *self, int from, fl_buffer *scratch) {
  struct stat found;
  if (fstat(from, &found) != 0) return false;
  self->mode = found.st_mode & 07777;
  for (;;) {
    ssize_t got = read(from, scratch->data, CHUNK);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0 && lseek(self->descriptor, 0, SEEK_SET) == 0;
    if (!fl_write_all(self->descriptor, scratch->data, (size_t)got)) return false;
  }
}

fl_export_file_code fl_export_file_copy(fl_export_file *self, fl_buffer *scratch) {
  int from, failure;
  bool copied;
  if (fl_buffer_reserve(scratch, CHUNK) != FL_OK) return FL_EXPORT_FILE_NO_MEMORY;
  from = open(self->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (from < 0 && errno == ENOENT) return fail(self, FL_EXPORT_FILE_ABSENT, self->path, NULL);
  if (from < 0) return fail_io(self, self->path, "open");
  copied = copy_content(self, from, scratch);
  failure = errno;
  close(from);
  errno = failure;
  return copied ? FL_EXPORT_FILE_OK : fail_io(self, self->part, "copy the file there");
}

/* --- writing --- */

fl_export_file_code fl_export_file_write(fl_export_file *self, const char *name, fl_slice text) {
  if (!fl_write_all(self->descriptor, text.data, text.length)) {
    int failure = errno;
    if (self->part != NULL && ftruncate(self->descriptor, (off_t)self->length) != 0)
      return fail_io(self, self->part, "cut off the incomplete end");
    errno = failure;
    return fail_io(self, name, "write");
  }
#ifdef SYNC_FILE_RANGE_WRITE
  /* Linux: begins to write back now, so that the fsync at the end has less to wait for. */
  if (self->part != NULL)
    (void)sync_file_range(self->descriptor, (off_t)self->length, (off_t)text.length,
                          SYNC_FILE_RANGE_WRITE);
#endif
  self->length += (int64_t)text.length;
  return FL_EXPORT_FILE_OK;
}

fl_export_file_code fl_export_file_finish(fl_export_file *self) {
  bool packed = self->packed != NULL;
  const char *complete = packed ? self->packed : self->part;
  int descriptor = packed ? self->packed_descriptor : self->descriptor;
  if (self->part == NULL) return FL_EXPORT_FILE_OK;
  /* EPERM: a shared part that another user began keeps its mode. */
  if (fchmod(descriptor, self->mode) != 0 && errno != EPERM)
    return fail_io(self, complete, "set the rights of the file");
  if (fsync(descriptor) != 0) return fail_io(self, complete, "write");
  if (rename(complete, self->path) != 0)
    return fail_io(self, self->path, "rename the complete file");
  if (packed) unlink(self->part);
  self->gone = true;
  return FL_EXPORT_FILE_OK;
}

/* --- the end --- */

static bool may_remove(const fl_export_file *self) {
  return self->lock != NULL && !self->gone && fl_export_file_is_ours(self);
}

void fl_export_file_discard(fl_export_file *self) {
  if (!may_remove(self)) return;
  if (self->packed != NULL) unlink(self->packed);
  unlink(self->part);
  self->gone = true;
}

void fl_export_file_remove_useless(fl_export_file *self) {
  struct stat found;
  if (!may_remove(self)) return;
  if (self->one_piece || (fstat(self->descriptor, &found) == 0 && found.st_size == 0))
    fl_export_file_discard(self);
}

void fl_export_file_close(fl_export_file *self) {
  if (self->packed_descriptor >= 0) close(self->packed_descriptor);
  if (self->owned && self->descriptor >= 0) close(self->descriptor);
  self->owned = false;
  unlock(self);
  self->descriptor = self->packed_descriptor = -1;
  free(self->path);
  free(self->part);
  free(self->packed);
  self->path = self->part = self->packed = NULL;
}
