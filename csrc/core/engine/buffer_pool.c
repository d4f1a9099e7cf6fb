/* buffer_pool.c: a short array behind a lock. */
#include "engine/buffer_pool.h"

static size_t size_of_pooled(const fl_pooled_buffer *pooled) {
  return pooled->text.capacity + pooled->tape.capacity * sizeof *pooled->tape.nodes;
}

/* Under the lock. */
static bool may_keep(const fl_buffer_pool *pool, const fl_pooled_buffer *pooled) {
  return size_of_pooled(pooled) <= (pool->pagers > 0 ? FL_BUFFER_POOL_LARGE : FL_BUFFER_POOL_SMALL);
}

static void free_pooled(fl_pooled_buffer *pooled) {
  fl_buffer_free(&pooled->text);
  fl_json_tape_free(&pooled->tape);
}

void fl_buffer_pool_init(fl_buffer_pool *pool) {
  pthread_mutex_init(&pool->lock, NULL);
  pool->count = pool->pagers = 0;
}

void fl_buffer_pool_destroy(fl_buffer_pool *pool) {
  while (pool->count > 0) free_pooled(&pool->kept[--pool->count]);
  pthread_mutex_destroy(&pool->lock);
}

void fl_buffer_pool_take(fl_buffer_pool *pool, fl_buffer *text, fl_json_tape *tape) {
  if (text->data != NULL) return;
  pthread_mutex_lock(&pool->lock);
  if (pool->count > 0) {
    const fl_pooled_buffer *pooled = &pool->kept[--pool->count];
    const size_t ceiling = text->ceiling;
    *text = pooled->text;
    text->length = 0;
    text->ceiling = ceiling;
    *tape = (fl_json_tape){pooled->tape.nodes, 0, pooled->tape.capacity, tape->most};
  }
  pthread_mutex_unlock(&pool->lock);
}

void fl_buffer_pool_give(fl_buffer_pool *pool, fl_pooled_buffer pooled) {
  bool kept;
  pthread_mutex_lock(&pool->lock);
  kept = pooled.text.data != NULL && pool->count < FL_BUFFER_POOL_COUNT && may_keep(pool, &pooled);
  if (kept) pool->kept[pool->count++] = pooled;
  pthread_mutex_unlock(&pool->lock);
  if (!kept) free_pooled(&pooled);
}

void fl_buffer_pool_count_pagers(fl_buffer_pool *pool, int change) {
  int kept = 0;
  pthread_mutex_lock(&pool->lock);
  pool->pagers += change;
  for (int i = 0; i < pool->count; i++) {
    if (may_keep(pool, &pool->kept[i])) pool->kept[kept++] = pool->kept[i];
    else free_pooled(&pool->kept[i]);
  }
  pool->count = kept;
  pthread_mutex_unlock(&pool->lock);
}
