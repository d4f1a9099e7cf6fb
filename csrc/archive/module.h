/*
 * module.h: the parts of flarelight.archive_core: how each kind of compression is opened.
 *
 * The module links no file of the core: it shares csrc/core/files/archive.h with it, and what is
 * inline in its headers.
 */
#ifndef FL_ARCHIVE_MODULE_H
#define FL_ARCHIVE_MODULE_H

#include "files/archive.h"

/* The answers of fl_archive_functions.open. */
fl_bytes *fl_gzip_open(fl_bytes_file *inner);
fl_bytes *fl_packed_open(fl_bytes_file *inner, fl_compression compression);

/* The bytes of `inner`, which belongs to the result, read ahead. NULL without memory; `inner` is
 * left then. */
fl_bytes *fl_ahead_open(fl_bytes *inner);
/* What is read ahead; `self` where it is no such source. */
fl_bytes *fl_ahead_inner(fl_bytes *self);

/* The name of the file in a zip that fl_packed_open opened; else NULL. */
const char *fl_packed_member(fl_bytes *self);

#endif
