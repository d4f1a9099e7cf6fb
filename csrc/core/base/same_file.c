/* same_file.c: compares paths by device and inode, so that links make no difference. */
#include "base/same_file.h"

#include <string.h>
#include <sys/stat.h>

bool fl_same_file(const char *one, const char *other) {
  struct stat first, second;
  if (strcmp(one, other) == 0) return true;
  return stat(one, &first) == 0 && stat(other, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}
