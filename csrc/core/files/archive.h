/*
 * archive.h: the interface between the core and the module of compressed files (csrc/archive): the
 * compressions, and the table of functions that the module registers when it is loaded.
 *
 * The module is a library of its own, so that libarchive is needed only to read and write
 * compressed files.
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

/* Both sides check this number. A module of another build is refused. */
#define FL_ARCHIVE_VERSION 4u
/* The class of the userdata that carries the pointer to the functions from one module to the other.
 * A light userdata could not be told from any other light userdata of a script. */
#define FL_ARCHIVE_CLASS "flarelight.archive"

/* A compressed file that is being written: the head of a larger struct. One thread at a time may
 * use it. */
typedef struct fl_packer {
  int64_t written;   /* bytes of the compressed file so far */
  char message[200]; /* of the first failure, without the file's name; "" if there is none */
} fl_packer;

typedef struct fl_archive_functions {
  unsigned version;
  /*
   * Opens the content of the compressed file `inner`, which the result then owns. NULL without
   * memory; `inner` then stays the caller's. Any other failure is in the result's code. Memory is
   * bounded, whatever the size of the file.
   */
  fl_bytes *(*open)(fl_bytes_file *inner, fl_compression compression);
  /* The name of the file in a zip; NULL for the others, and after a failure. */
  const char *(*member)(fl_bytes *self);
  /*
   * Begins a compressed file at the descriptor, which stays the caller's. `member`: the name of the
   * file in a zip. `fast`: .zst at the fastest level, for a file that is soon gone. NULL without
   * memory; any other failure is in the result's message.
   */
  fl_packer *(*pack)(int descriptor, fl_compression compression, const char *member, bool fast);
  /* Compresses bytes and writes them. False after a failure. */
  bool (*pack_bytes)(fl_packer *self, const char *bytes, size_t length);
  /* Writes the end of the file. False after a failure. */
  bool (*pack_end)(fl_packer *self);
  /* Frees the memory and writes nothing. */
  void (*pack_free)(fl_packer *self);
} fl_archive_functions;

/* The compression of a name by its ending (.gz, .zst, .xz, .bz2, .zip), in any case. */
fl_compression fl_archive_compression_of(const char *path);
/* Its ending, as ".gz"; "" for none. */
const char *fl_archive_ending(fl_compression compression);

/* Registers the functions of the module. False if the module is of another build. */
bool fl_archive_install(const fl_archive_functions *functions);
/* NULL: the module was not loaded. Any thread. */
const fl_archive_functions *fl_archive_installed(void);

#endif
