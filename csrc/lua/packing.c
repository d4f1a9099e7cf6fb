/*
 * packing.c: compresses the text of an export. See packing.h.
 */
#include "packing.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/process.h"
#include "job.h"

#define CHUNK ((size_t)128 * 1024)

struct fl_lua_packing {
  atomic_int references;
  uint64_t generation;  /* of the process; a fork may leave the lock taken in the child */
  pthread_mutex_t lock; /* held while a piece is compressed, and when the packing is closed */
  const fl_archive_functions *functions;
  fl_packer *packer; /* NULL once it is closed */
};

fl_lua_packing *fl_lua_packing_open(const fl_archive_functions *functions, int descriptor,
                                    fl_compression compression, const char *member) {
  fl_lua_packing *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->functions = functions;
  self->packer = functions->pack(descriptor, compression, member, false);
  if (self->packer == NULL) {
    free(self);
    return NULL;
  }
  atomic_init(&self->references, 1);
  pthread_mutex_init(&self->lock, NULL);
  self->generation = fl_process_generation();
  return self;
}

static void release(fl_lua_packing *self) {
  if (atomic_fetch_sub(&self->references, 1) != 1) return;
  pthread_mutex_destroy(&self->lock);
  free(self);
}

void fl_lua_packing_close(fl_lua_packing *self) {
  if (self == NULL || self->generation != fl_process_generation()) return;
  pthread_mutex_lock(&self->lock);
  self->functions->pack_free(self->packer);
  self->packer = NULL;
  pthread_mutex_unlock(&self->lock);
  release(self);
}

/* --- one piece; any thread --- */

typedef struct outcome {
  int64_t written;
  char message[sizeof((fl_packer *)0)->message];
} outcome;

static bool pack_file(fl_lua_packing *self, int from, outcome *out) {
  char *chunk = malloc(CHUNK);
  off_t place = 0;
  ssize_t got = 1;
  if (chunk == NULL) snprintf(out->message, sizeof out->message, "not enough memory");
  while (chunk != NULL && got > 0) {
    got = pread(from, chunk, CHUNK, place);
    if (got < 0 && errno == EINTR) got = 1;
    else if (got < 0)
      snprintf(out->message, sizeof out->message, "cannot read: %s", strerror(errno));
    else if (!self->functions->pack_bytes(self->packer, chunk, (size_t)got)) break;
    else place += got;
  }
  free(chunk);
  return out->message[0] == '\0';
}

static void pack(fl_lua_packing *self, const fl_buffer *text, int from, bool last, outcome *out) {
  const fl_archive_functions *functions = self->functions;
  out->message[0] = '\0';
  pthread_mutex_lock(&self->lock);
  if (self->packer == NULL) {
    snprintf(out->message, sizeof out->message, "the file is closed");
  } else {
    bool good = functions->pack_bytes(self->packer, text->data, text->length);
    if (good && from >= 0) good = pack_file(self, from, out);
    if (good && last) functions->pack_end(self->packer);
    out->written = self->packer->written;
    if (out->message[0] == '\0') memcpy(out->message, self->packer->message, sizeof out->message);
  }
  pthread_mutex_unlock(&self->lock);
}

static int push_outcome(lua_State *L, const outcome *out) {
  if (out->message[0] == '\0') {
    fl_lua_push_count(L, out->written);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, out->message);
  lua_pushliteral(L, "io");
  return 3;
}

int fl_lua_packing_write(lua_State *L, fl_lua_packing *self, fl_lua_packing_piece piece) {
  outcome out;
  pack(self, piece.text, piece.from, piece.last, &out);
  piece.text->length = 0;
  return push_outcome(L, &out);
}

/* --- as a job --- */

typedef struct pack_job {
  fl_job job;
  fl_lua_packing *packing;
  fl_buffer text;
  int from;
  bool last;
  outcome out;
} pack_job;

static void run(fl_job *job) {
  pack_job *self = (pack_job *)(void *)job;
  pack(self->packing, &self->text, self->from, self->last, &self->out);
}

static void free_job(fl_job *job) {
  pack_job *self = (pack_job *)(void *)job;
  release(self->packing);
  fl_buffer_free(&self->text);
  free(self);
}

static int push(lua_State *L, fl_job *job) {
  int count = push_outcome(L, &((const pack_job *)(const void *)job)->out);
  if (count == 1) return 1;
  lua_pushnil(L);
  lua_insert(L, -2);
  return 4;
}

static const fl_lua_job_class job_class = {{run, free_job}, push};

int fl_lua_packing_submit(lua_State *L, fl_lua_packing *self, fl_lua_packing_piece piece) {
  fl_mailbox *mailbox = fl_lua_job_mailbox(L);
  /* No Lua call from here to fl_lua_job_submit. */
  pack_job *job = calloc(1, sizeof *job);
  if (job == NULL) return luaL_error(L, "not enough memory");
  atomic_fetch_add(&self->references, 1);
  job->packing = self;
  job->text = *piece.text;
  fl_buffer_init(piece.text, FL_BUFFER_UNLIMITED);
  job->from = piece.from;
  job->last = piece.last;
  return fl_lua_job_submit(L, &job->job, &job_class, mailbox, false);
}
