/*
 * unique.c: hashes in sorted runs, merged at the end. See unique.h.
 */
#include "files/unique.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/descriptor.h"

#define MOST ((size_t)1 << 20)
#define READ_AHEAD 2048 /* entries of a run that the merge holds */

typedef struct entry {
  uint64_t hash[2];
  fl_place place;
} entry;

struct fl_unique {
  entry *entries;
  size_t count, capacity, most;
  FILE *file;   /* of the runs; NULL while there are none */
  size_t *runs; /* entries of each */
  size_t run_count;
};

fl_unique *fl_unique_open(size_t most) {
  fl_unique *self = calloc(1, sizeof *self);
  if (self != NULL) self->most = most > 0 ? most : MOST;
  return self;
}

void fl_unique_close(fl_unique *self) {
  if (self == NULL) return;
  if (self->file != NULL) (void)fclose(self->file);
  free(self->entries);
  free(self->runs);
  free(self);
}

static int compare(const void *left, const void *right) {
  const entry *one = left, *other = right;
  for (int i = 0; i < 2; i++)
    if (one->hash[i] != other->hash[i]) return one->hash[i] < other->hash[i] ? -1 : 1;
  return one->place < other->place ? -1 : one->place > other->place;
}

static bool same_hash(const entry *one, const entry *other) {
  return one->hash[0] == other->hash[0] && one->hash[1] == other->hash[1];
}

/* A file without a name, which disappears when the process ends. */
static FILE *open_temporary(void) {
  const char *folder = getenv("TMPDIR");
  char path[4096];
  int descriptor;
  FILE *file;
  snprintf(path, sizeof path, "%s/flarelight-XXXXXX",
           folder != NULL && *folder != '\0' ? folder : "/tmp");
  descriptor = fl_descriptor_temporary(path, 0);
  if (descriptor < 0) return NULL;
  unlink(path);
  file = fdopen(descriptor, "w+b");
  if (file == NULL) close(descriptor);
  return file;
}

static fl_result write_run(fl_unique *self) {
  size_t *runs = realloc(self->runs, (self->run_count + 1) * sizeof *runs);
  if (runs == NULL) return FL_NO_MEMORY;
  self->runs = runs;
  if (self->file == NULL) self->file = open_temporary();
  if (self->file == NULL) return FL_SYSTEM;
  qsort(self->entries, self->count, sizeof *self->entries, compare);
  if (fwrite(self->entries, sizeof *self->entries, self->count, self->file) != self->count)
    return FL_SYSTEM;
  self->runs[self->run_count++] = self->count;
  self->count = 0;
  return FL_OK;
}

fl_result fl_unique_add(fl_unique *self, fl_slice text, fl_place place) {
  struct sha256_ctx context;
  uint8_t digest[sizeof self->entries->hash];
  if (self->count == self->most) {
    fl_result result = write_run(self);
    if (result != FL_OK) return result;
  }
  if (self->count == self->capacity) {
    size_t capacity = self->capacity > 0 ? self->capacity * 2 : 1024;
    entry *entries = realloc(self->entries, capacity * sizeof *entries);
    if (entries == NULL) return FL_NO_MEMORY;
    self->entries = entries;
    self->capacity = capacity;
  }
  sha256_init(&context);
  sha256_update(&context, text.length, (const uint8_t *)text.data);
  sha256_digest(&context, sizeof digest, digest);
  memcpy(self->entries[self->count].hash, digest, sizeof digest);
  self->entries[self->count++].place = place;
  return FL_OK;
}

/* --- the merge --- */

typedef struct run {
  long offset; /* of the entries that are still in the file */
  size_t left; /* the number of them */
  size_t at, held;
  entry entries[READ_AHEAD];
} run;

static bool fill(fl_unique *self, run *from) {
  from->at = 0;
  from->held = from->left < READ_AHEAD ? from->left : READ_AHEAD;
  if (from->held == 0) return true;
  if (fseek(self->file, from->offset, SEEK_SET) != 0 ||
      fread(from->entries, sizeof(entry), from->held, self->file) != from->held)
    return false;
  from->left -= from->held;
  from->offset += (long)(from->held * sizeof(entry));
  return true;
}

/* The run whose next entry is the lowest, or NULL. */
static run *lowest(run *runs, size_t count) {
  run *found = NULL;
  for (size_t i = 0; i < count; i++)
    if (runs[i].at < runs[i].held &&
        (found == NULL || compare(&runs[i].entries[runs[i].at], &found->entries[found->at]) < 0))
      found = &runs[i];
  return found;
}

typedef struct watcher {
  entry first; /* the first entry of equal texts */
  bool any;
  void (*found)(void *context, fl_place first, fl_place again);
  void *context;
} watcher;

static void see(watcher *self, const entry *next) {
  if (self->any && same_hash(&self->first, next)) {
    self->found(self->context, self->first.place, next->place);
  } else {
    self->first = *next;
    self->any = true;
  }
}

static fl_result merge(fl_unique *self, run *runs, watcher *watch) {
  long offset = 0;
  for (size_t i = 0; i < self->run_count; i++) {
    runs[i] = (run){.offset = offset, .left = self->runs[i]};
    offset += (long)(self->runs[i] * sizeof(entry));
    if (!fill(self, &runs[i])) return FL_SYSTEM;
  }
  for (run *from; (from = lowest(runs, self->run_count)) != NULL;) {
    see(watch, &from->entries[from->at++]);
    if (from->at == from->held && !fill(self, from)) return FL_SYSTEM;
  }
  return FL_OK;
}

fl_result fl_unique_finish(fl_unique *self,
                           void (*found)(void *context, fl_place first, fl_place again),
                           void *context) {
  watcher watch = {.found = found, .context = context};
  fl_result result;
  run *runs;
  if (self->run_count == 0) {
    if (self->count > 1) qsort(self->entries, self->count, sizeof *self->entries, compare);
    for (size_t i = 0; i < self->count; i++) see(&watch, &self->entries[i]);
    return FL_OK;
  }
  result = self->count > 0 ? write_run(self) : FL_OK;
  if (result == FL_OK && fflush(self->file) != 0) result = FL_SYSTEM;
  if (result != FL_OK) return result;
  runs = malloc(self->run_count * sizeof *runs);
  if (runs == NULL) return FL_NO_MEMORY;
  result = merge(self, runs, &watch);
  free(runs);
  return result;
}
