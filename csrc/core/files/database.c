/*
 * database.c: the state in a file as a database, and the functions of the module of PostgreSQL. See
 * database.h.
 */
#include "files/database.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "files/lock.h"

#define LOCK_ENDING "-lock"

static _Atomic(const fl_database_functions *) installed;

bool fl_database_install(const fl_database_functions *functions) {
  if (functions->version != FL_DATABASE_VERSION) return false;
  atomic_store(&installed, functions);
  return true;
}

const fl_database_functions *fl_database_installed(void) { return atomic_load(&installed); }

/* --- the state file --- */

typedef struct file_database {
  fl_database base;
  atomic_int references;
  fl_store *store;
  char *lock_path;
} file_database;

static file_database *of(fl_database *base) { return (file_database *)(void *)base; }

static fl_store_code run(fl_database *self, const fl_buffer *script, bool relaxed, fl_buffer *rows,
                         int *columns, fl_store_error *error) {
  return fl_store_run(of(self)->store, script, relaxed, rows, columns, error);
}

static fl_store_code exchange(fl_database *self, const fl_buffer *script, fl_store_follow *follow,
                              void *context, fl_store_error *error) {
  return fl_store_exchange(of(self)->store, script, follow, context, error);
}

static fl_store_code fail(file_database *self, fl_store_error *error, const char *fault) {
  const char *name = self->lock_path, *refused = fault != NULL ? "is refused: " : "";
  const int reason = errno;
  if (fault == NULL) fault = strerror(reason);
  /* A missing folder is that of the state file, which is the name that the user knows. */
  if (*refused == '\0' && reason == ENOENT) {
    name = fl_store_name(self->store);
    if (fl_store_is_linked(self->store)) fault = FL_STORE_NO_TARGET;
  }
  error->code = FL_STORE_IO;
  snprintf(error->message, sizeof error->message, "%s: %s%s", name, refused, fault);
  return FL_STORE_IO;
}

static fl_store_code lock(fl_database *base, fl_slice name, fl_database_lock **taken,
                          fl_store_error *error) {
  file_database *self = of(base);
  const char *fault = NULL;
  fl_lock *found = NULL;
  fl_result result =
      fl_lock_take(self->lock_path, name, fl_store_is_shared(self->store), &found, &fault);
  *taken = (fl_database_lock *)(void *)found;
  if (result == FL_OK) return FL_STORE_OK;
  *taken = NULL;
  if (result == FL_INVALID) return FL_STORE_OK;
  return result == FL_NO_MEMORY ? FL_STORE_NO_MEMORY : fail(self, error, fault);
}

static void unlock(fl_database *self, fl_database_lock *held) {
  (void)self;
  fl_lock_release((fl_lock *)(void *)held);
}

static fl_store_code is_locked(fl_database *base, fl_slice name, bool *held,
                               fl_store_error *error) {
  file_database *self = of(base);
  if (fl_lock_is_held(self->lock_path, name, held) == FL_OK) return FL_STORE_OK;
  return fail(self, error, NULL);
}

static fl_database *retain(fl_database *self) {
  atomic_fetch_add(&of(self)->references, 1);
  return self;
}

static void release(fl_database *base) {
  file_database *self = of(base);
  if (atomic_fetch_sub(&self->references, 1) != 1) return;
  fl_store_release(self->store);
  free(self->lock_path);
  free(self);
}

static const fl_database_class file_class = {.run = run,
                                             .exchange = exchange,
                                             .lock = lock,
                                             .unlock = unlock,
                                             .is_locked = is_locked,
                                             .retain = retain,
                                             .release = release};

fl_database *fl_database_of_store(fl_store *store) {
  const char *path = fl_store_path(store);
  file_database *self = calloc(1, sizeof *self);
  char *name = malloc(strlen(path) + sizeof LOCK_ENDING);
  if (self == NULL || name == NULL) {
    free(self);
    free(name);
    return NULL;
  }
  self->base.class = &file_class;
  self->store = store;
  strcpy(name, path);
  strcat(name, LOCK_ENDING);
  self->lock_path = name;
  atomic_init(&self->references, 1);
  return &self->base;
}
