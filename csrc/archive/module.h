/*
 * module.h: the parts of flarelight.archive_core: the functions that open each compression.
 *
 * The module links no file of the core. It uses csrc/core/files/archive.h, and the inline functions
 * of the core's headers.
 */
#ifndef FL_ARCHIVE_MODULE_H
#define FL_ARCHIVE_MODULE_H

#include "files/archive.h"

/* These functions return the results of fl_archive_functions.open. */
fl_bytes *fl_gzip_open(fl_bytes_file *inner);
fl_bytes *fl_packed_open(fl_bytes_file *inner, fl_compression compression);

/* Reads the bytes of `inner` ahead. The result owns `inner`. NULL without memory; `inner` then
 * stays the caller's. */
fl_bytes *fl_ahead_open(fl_bytes *inner);
/* The source that `self` reads ahead; `self` itself if it is no such source. */
fl_bytes *fl_ahead_inner(fl_bytes *self);

/* These are the functions of the same names in fl_archive_functions. */
fl_packer *fl_pack(int descriptor, fl_compression compression, const char *member, bool fast);
bool fl_pack_bytes(fl_packer *self, const char *bytes, size_t length);
bool fl_pack_end(fl_packer *self);
void fl_pack_free(fl_packer *self);

/* The name of the file in a zip that fl_packed_open opened; else NULL. */
const char *fl_packed_member(fl_bytes *self);

#endif
