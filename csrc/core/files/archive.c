/*
 * archive.c: compressions by name, and the functions of the module of compressed files. See
 * archive.h.
 */
#include "files/archive.h"

#include <stdatomic.h>
#include <strings.h>

static const char *const endings[] = {
    [FL_COMPRESSION_NONE] = "",  [FL_COMPRESSION_GZIP] = ".gz",   [FL_COMPRESSION_ZSTD] = ".zst",
    [FL_COMPRESSION_XZ] = ".xz", [FL_COMPRESSION_BZIP2] = ".bz2", [FL_COMPRESSION_ZIP] = ".zip",
};

static _Atomic(const fl_archive_functions *) installed;

fl_compression fl_archive_compression_of(const char *path) {
  const char *dot = strrchr(path, '.');
  for (size_t i = 1; dot != NULL && i < sizeof endings / sizeof *endings; i++)
    if (strcasecmp(dot, endings[i]) == 0) return (fl_compression)i;
  return FL_COMPRESSION_NONE;
}

const char *fl_archive_ending(fl_compression compression) { return endings[compression]; }

bool fl_archive_install(const fl_archive_functions *functions) {
  if (functions->version != FL_ARCHIVE_VERSION) return false;
  atomic_store(&installed, functions);
  return true;
}

const fl_archive_functions *fl_archive_installed(void) { return atomic_load(&installed); }
