/*
 * archive.h: what the core and the module of decompression (csrc/archive) share: the compressions,
 * and the table of functions that the module hands over once it is loaded.
 *
 * The module is a library of its own, so that only who reads a compressed file needs libarchive.
 */
#ifndef FL_ARCHIVE_H
#define FL_ARCHIVE_H

#include "files/bytes.h"

typedef enum fl_compression {
  FL_COMPRESSION_NONE,
  FL_COMPRESSION_GZIP,
  FL_COMPRESSION_ZSTD,
  FL_COMPRESSION_XZ,
  FL_COMPRESSION_BZIP2,
  FL_COMPRESSION_ZIP,
} fl_compression;

/* Both sides check it: a module of another build is not used. */
#define FL_ARCHIVE_VERSION 2u
/* The class of the userdata that carries the pointer to the functions from one module to the other.
 * A light userdata would carry it, too, but any light userdata of a script would be taken for it.
 */
#define FL_ARCHIVE_CLASS "flarelight.archive"

typedef struct fl_archive_functions {
  unsigned version;
  /*
   * What the compressed file `inner`, which belongs to the result, holds. NULL without memory;
   * `inner` is left then. Any other failure is in the result's code. Memory is bounded whatever the
   * size.
   */
  fl_bytes *(*open)(fl_bytes_file *inner, fl_compression compression);
  /* The name of the file in a zip; NULL for the others, and after a failure. */
  const char *(*member)(fl_bytes *self);
} fl_archive_functions;

/* The compression that a name ends in (.gz, .zst, .xz, .bz2, .zip), whatever its case. */
fl_compression fl_archive_compression_of(const char *path);
/* Its ending, as ".gz"; "" for none. */
const char *fl_archive_ending(fl_compression compression);

/* Takes the functions of the module. False: it is one of another build. */
bool fl_archive_install(const fl_archive_functions *functions);
/* NULL: the module was not loaded. Any thread. */
const fl_archive_functions *fl_archive_installed(void);

#endif
