/* latency.c: histograms of the time that attempts take. */
#include "engine/latency.h"

#include <stdio.h>
#include <stdlib.h>

const fl_time fl_latency_bounds[FL_LATENCY_BOUNDS] = {
    1000,   2500,    5000,    10000,   25000,    50000,    100000,   250000,
    500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000, 300000000};

static fl_latency *find(fl_latency_list *list, const char *operation) {
  fl_latency *first = atomic_load_explicit(list, memory_order_acquire), *entry = first;
  while (entry != NULL && strcmp(entry->operation, operation) != 0) entry = entry->next;
  if (entry != NULL) return entry;
  entry = calloc(1, sizeof *entry);
  if (entry == NULL) return NULL;
  snprintf(entry->operation, sizeof entry->operation, "%s", operation);
  entry->next = first;
  atomic_store_explicit(list, entry, memory_order_release); /* only one thread adds */
  return entry;
}

void fl_latency_add(fl_latency_list *list, const char *operation, fl_time elapsed) {
  const bool named = strchr(operation, ' ') == NULL && strlen(operation) < 32;
  fl_latency *entry = find(list, named ? operation : "request");
  int bucket = 0;
  if (entry == NULL) return;
  while (bucket < FL_LATENCY_BOUNDS && elapsed > fl_latency_bounds[bucket]) bucket++;
  atomic_fetch_add(&entry->buckets[bucket], 1);
  atomic_fetch_add(&entry->sum, elapsed);
  atomic_fetch_add(&entry->count, 1);
}

void fl_latency_free(fl_latency_list *list) {
  fl_latency *entry = atomic_exchange(list, NULL);
  while (entry != NULL) {
    fl_latency *next = entry->next;
    free(entry);
    entry = next;
  }
}
