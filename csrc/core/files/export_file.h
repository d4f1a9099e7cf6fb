/*
 * export_file.h: the file that an export writes. POSIX.
 *
 * A regular file is written as PATH.part and renamed to PATH when it is complete. The part holds
 * whole records: after a failed write it is cut back to its length before the write. The part is
 * locked, so that no two exports write into one, in one process or two. A later export may resume
 * it, unless `one_piece` is set: such a part (a database, a compressed file) is removed if it is
 * not complete.
 *
 * Only its owner may read and write a part. The complete file gets the rights that the umask
 * leaves, or those of the file that it continues.
 *
 * A device, a pipe and standard output are written to directly.
 *
 * In a forked child, a file of the parent is never written, renamed or removed.
 */
#ifndef FL_EXPORT_FILE_H
#define FL_EXPORT_FILE_H

#include <sys/types.h>

#include "codec/export.h"
#include "files/lock.h"

typedef enum fl_export_file_code {
  FL_EXPORT_FILE_OK = 0,
  FL_EXPORT_FILE_IO,      /* errno; failed.name and failed.action say what could not be done */
  FL_EXPORT_FILE_BUSY,    /* another export holds the lock of failed.name */
  FL_EXPORT_FILE_REFUSED, /* failed.name; failed.action says why */
  FL_EXPORT_FILE_DIFFERS, /* the header of failed.name has other columns */
  FL_EXPORT_FILE_ABSENT,  /* there is no file failed.name */
  FL_EXPORT_FILE_NO_MEMORY
} fl_export_file_code;

typedef struct fl_export_file {
  int descriptor; /* -1: none */
  bool owned;     /* the descriptor is closed with the file; false for standard output and parts */
  char *path;     /* the name of the complete file; NULL: no regular file */
  char *part;
  fl_lock *lock;  /* of the part, whose descriptor is the lock's; NULL: it is not this export's */
  bool gone;      /* the part was renamed or removed */
  bool one_piece; /* set by the caller before it writes */
  int64_t length; /* bytes of whole records in the part */
  char *packed;   /* the compressed copy of the part, which is renamed instead of it; or NULL */
  int packed_descriptor;
  mode_t mode;         /* of the complete file */
  uint64_t generation; /* of the process that made the structure */
  struct {
    const char *name;   /* of a file; valid until the structure is closed */
    const char *action; /* words that follow "cannot ", or the reason of a refusal */
  } failed;
} fl_export_file;

void fl_export_file_init(fl_export_file *self);

/* Whether this process made the structure; false in a forked child. */
bool fl_export_file_is_ours(const fl_export_file *self);

/* Opens and locks PATH.part, and creates it if it is missing. Its content is kept. A part that
 * another user may change is refused (base/owned.h, `shared`). */
fl_export_file_code fl_export_file_open(fl_export_file *self, const char *path, bool shared);

/* Opens a device or a pipe for writing. */
fl_export_file_code fl_export_file_open_special(fl_export_file *self, const char *path);

/* Standard output is the file. */
void fl_export_file_open_output(fl_export_file *self);

/* Removes the content of the part. */
fl_export_file_code fl_export_file_empty(fl_export_file *self);

/*
 * Moves to the end of the complete records of the part and cuts off the rest. *records: their
 * number, a header among them. The header of CSV has to agree with the columns of `export`; if
 * `export` has none, it gets those of the header. `scratch` is overwritten.
 */
fl_export_file_code fl_export_file_resume(fl_export_file *self, fl_export *export,
                                          fl_buffer *scratch, int64_t *records);

/* Whether the part ends with these bytes. False with errno if it cannot be read. */
bool fl_export_file_ends_with(const fl_export_file *self, fl_slice text, fl_buffer *scratch);

/* Copies the complete file, with its mode, into the empty part. `scratch` is overwritten. */
fl_export_file_code fl_export_file_copy(fl_export_file *self, fl_buffer *scratch);

/* Appends the text. `name` is the file's name for a failure. */
fl_export_file_code fl_export_file_write(fl_export_file *self, const char *name, fl_slice text);

/* Creates PATH.packed, with its descriptor in packed_descriptor. */
fl_export_file_code fl_export_file_open_packed(fl_export_file *self);

/* Syncs the part, or its packed copy, and renames it to PATH. Does nothing without a part. */
fl_export_file_code fl_export_file_finish(fl_export_file *self);

/* Removes the part and its packed copy. */
void fl_export_file_discard(fl_export_file *self);

/* Removes what no export can resume: an empty part, a part in one piece, a packed copy. */
void fl_export_file_remove_useless(fl_export_file *self);

/* Closes the descriptors and frees the names. The structure may be opened again. */
void fl_export_file_close(fl_export_file *self);

#endif
