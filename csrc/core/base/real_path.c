/* real_path.c: realpath, which needs the file to be there, and what it lacks. See real_path.h. */
#include "base/real_path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_LINKS 40 /* as Linux follows */

static char *join(const char *folder, size_t length, const char *name) {
  char *result = malloc(length + strlen(name) + 1);
  if (result == NULL) return NULL;
  memcpy(result, folder, length);
  strcpy(result + length, name);
  return result;
}

/* The bytes of a path up to its last name. */
static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

/* Replaces the path of a link by that of its target. False: it is no link. */
static bool follow(char **path) {
  char target[PATH_MAX], *next;
  ssize_t length = readlink(*path, target, sizeof target);
  if (length <= 0 || length >= (ssize_t)sizeof target) return false;
  target[length] = '\0';
  next = target[0] == '/' ? strdup(target) : join(*path, folder_length(*path), target);
  free(*path);
  *path = next;
  return next != NULL;
}

/* The path of a missing file: the real path of its folder, and its name. */
static char *in_real_folder(const char *path) {
  size_t length = folder_length(path);
  const char *name = path + length;
  char *folder, *real, *result;
  if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return strdup(path);
  folder = length > 0 ? join(path, length, "") : strdup(".");
  if (folder == NULL) return NULL;
  real = realpath(folder, NULL);
  free(folder);
  if (real == NULL) return errno == ENOMEM ? NULL : strdup(path);
  folder = strcmp(real, "/") == 0 ? real : join(real, strlen(real), "/");
  result = folder != NULL ? join(folder, strlen(folder), name) : NULL;
  if (folder != real) free(folder);
  free(real);
  return result;
}

char *fl_real_path(const char *path, bool *linked) {
  struct stat status;
  char *real, *target;
  *linked = lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
  real = realpath(path, NULL);
  if (real != NULL || errno == ENOMEM) return real;
  if (errno != ENOENT) return strdup(path);
  target = strdup(path);
  for (int i = 0; i < MOST_LINKS && target != NULL && follow(&target); i++) continue;
  if (target == NULL) return NULL;
  real = in_real_folder(target);
  free(target);
  return real;
}
