/*
 * buffer_pool.h: free list of reply buffers. Allocating the memory of large pages anew costs page
 * faults, and lock contention where one thread frees what another has allocated.
 *
 * Each client has one pool. All functions may be called from any thread.
 */
#ifndef FL_BUFFER_POOL_H
#define FL_BUFFER_POOL_H

#include <pthread.h>

#include "base/buffer.h"
#include "codec/json_scan.h"

#define FL_BUFFER_POOL_COUNT 4           /* the most buffers that are kept */
#define FL_BUFFER_POOL_SMALL (64u << 10) /* bytes of a buffer that is always kept */
#define FL_BUFFER_POOL_LARGE (16u << 20) /* bytes of a buffer that is kept while pagers run */

typedef struct fl_pooled_buffer {
  fl_buffer text;
  fl_json_tape tape;
} fl_pooled_buffer;

typedef struct fl_buffer_pool {
  pthread_mutex_t lock;
  fl_pooled_buffer kept[FL_BUFFER_POOL_COUNT];
  int count;
  int pagers; /* pagers of the client that have not ended */
} fl_buffer_pool;

void fl_buffer_pool_init(fl_buffer_pool *pool);
void fl_buffer_pool_destroy(fl_buffer_pool *pool);

/* Moves kept memory into an empty text and tape; the text keeps its own ceiling. Does nothing if
 * the text has memory already, or the pool is empty. */
void fl_buffer_pool_take(fl_buffer_pool *pool, fl_buffer *text, fl_json_tape *tape);

/* Takes over the memory of a text and a tape, and keeps or frees it. */
void fl_buffer_pool_give(fl_buffer_pool *pool, fl_pooled_buffer pooled);

/* A pager begins (1) or has ended (-1). When the last one ends, large buffers are freed. */
void fl_buffer_pool_count_pagers(fl_buffer_pool *pool, int change);

#endif
