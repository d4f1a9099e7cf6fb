/*
 * module.h: the parts of flarelight.archive_core: how each kind of compression is opened.
 *
 * The module links no file of the core: it shares csrc/core/files/archive.h with it, and what is
 * inline in its headers.
 */
#ifndef ARCHIVE_MODULE_H
#define ARCHIVE_MODULE_H

#include "files/archive.h"

/* The answers of fl_archive_functions.open. */
fl_bytes *archive_open_gzip(fl_bytes_file *inner);
fl_bytes *archive_open_packed(fl_bytes_file *inner, fl_compression compression);

/* The name of the file in a zip that archive_open_packed opened; else NULL. */
const char *archive_member(fl_bytes *self);

#endif
