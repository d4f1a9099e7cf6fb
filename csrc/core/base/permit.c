/* permit.c: an atomic time with a count of its references. See permit.h. */
#include "base/permit.h"

#include <stdatomic.h>
#include <stdlib.h>

struct fl_permit {
  atomic_int references;
  atomic_llong until;
};

fl_permit *fl_permit_new(void) {
  fl_permit *permit = malloc(sizeof *permit);
  if (permit == NULL) return NULL;
  atomic_init(&permit->references, 1);
  atomic_init(&permit->until, FL_NEVER);
  return permit;
}

fl_permit *fl_permit_retain(fl_permit *permit) {
  if (permit != NULL) atomic_fetch_add(&permit->references, 1);
  return permit;
}

void fl_permit_release(fl_permit *permit) {
  if (permit != NULL && atomic_fetch_sub(&permit->references, 1) == 1) free(permit);
}

bool fl_permit_is_good(const fl_permit *permit, fl_time now) {
  return permit == NULL || now < atomic_load(&permit->until);
}

void fl_permit_set(fl_permit *permit, fl_time until) { atomic_store(&permit->until, until); }
