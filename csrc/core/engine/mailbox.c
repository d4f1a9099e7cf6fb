/*
 * mailbox.c: hands items from one thread to another. A mailbox wakes its reader through a
 * descriptor, each time that an item is posted to an empty mailbox.
 */
#include "engine/mailbox.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/process.h"
#include "base/wake_descriptor.h"

static atomic_ullong last_ticket;

uint64_t fl_item_next_ticket(void) { return atomic_fetch_add(&last_ticket, 1) + 1; }

void fl_item_free(fl_item *item) {
  if (item != NULL) item->free(item);
}

void fl_item_free_chain(fl_item *first) {
  while (first != NULL) {
    fl_item *next = first->next;
    fl_item_free(first);
    first = next;
  }
}

void fl_list_append(fl_list *list, fl_item *item) {
  item->next = NULL;
  if (list->last) list->last->next = item;
  else list->first = item;
  list->last = item;
}

void fl_list_prepend(fl_list *list, fl_item *item) {
  item->next = list->first;
  list->first = item;
  if (list->last == NULL) list->last = item;
}

fl_item *fl_list_pop(fl_list *list) {
  fl_item *item = list->first;
  if (item == NULL) return NULL;
  list->first = item->next;
  if (list->first == NULL) list->last = NULL;
  item->next = NULL;
  return item;
}

bool fl_list_remove(fl_list *list, fl_item *item) {
  fl_item **link = &list->first, *before = NULL;
  while (*link != NULL && *link != item) {
    before = *link;
    link = &before->next;
  }
  if (*link == NULL) return false;
  *link = item->next;
  if (list->last == item) list->last = before;
  item->next = NULL;
  return true;
}

void fl_queue_init(fl_queue *queue) {
  pthread_mutex_init(&queue->lock, NULL);
  queue->list.first = queue->list.last = NULL;
}

void fl_queue_destroy(fl_queue *queue) { pthread_mutex_destroy(&queue->lock); }

bool fl_queue_post(fl_queue *queue, fl_item *item) {
  bool was_empty;
  pthread_mutex_lock(&queue->lock);
  was_empty = queue->list.first == NULL;
  fl_list_append(&queue->list, item);
  pthread_mutex_unlock(&queue->lock);
  return was_empty;
}

fl_item *fl_queue_take(fl_queue *queue) {
  fl_item *first;
  pthread_mutex_lock(&queue->lock);
  first = queue->list.first;
  queue->list.first = queue->list.last = NULL;
  pthread_mutex_unlock(&queue->lock);
  return first;
}

bool fl_queue_is_empty(fl_queue *queue) {
  bool empty;
  pthread_mutex_lock(&queue->lock);
  empty = queue->list.first == NULL;
  pthread_mutex_unlock(&queue->lock);
  return empty;
}

typedef void (*fl_mailbox_notify_function)(uint64_t ticket);

struct fl_mailbox {
  fl_queue queue;
  atomic_int references;
  atomic_bool signalled;                      /* the descriptor was written to and not read since */
  atomic_bool quiet;                          /* atomic, since jobs of the worker post meanwhile */
  _Atomic(fl_mailbox_notify_function) notify; /* NULL: none */
  atomic_ullong attention;                    /* see fl_mailbox_set_attention; 0: none */
  fl_wake_descriptor wake;
  uint64_t process; /* fl_process_generation */
};

fl_mailbox *fl_mailbox_new(void) {
  fl_mailbox *mailbox = calloc(1, sizeof *mailbox);
  if (mailbox == NULL) return NULL;
  if (!fl_wake_open(&mailbox->wake)) {
    free(mailbox);
    return NULL;
  }
  fl_queue_init(&mailbox->queue);
  atomic_init(&mailbox->references, 1);
  atomic_init(&mailbox->notify, NULL);
  atomic_init(&mailbox->quiet, false);
  atomic_init(&mailbox->attention, 0);
  mailbox->process = fl_process_generation();
  return mailbox;
}

fl_mailbox *fl_mailbox_retain(fl_mailbox *mailbox) {
  atomic_fetch_add(&mailbox->references, 1);
  return mailbox;
}

void fl_mailbox_release(fl_mailbox *mailbox) {
  if (atomic_fetch_sub(&mailbox->references, 1) != 1) return;
  fl_wake_close(&mailbox->wake);
  fl_queue_destroy(&mailbox->queue);
  free(mailbox);
}

static void signal_reader(fl_mailbox *mailbox) {
  fl_wake_set(&mailbox->wake);
  atomic_store(&mailbox->signalled, true);
}

void fl_mailbox_signal(fl_mailbox *mailbox) { signal_reader(mailbox); }

void fl_mailbox_set_notify(fl_mailbox *mailbox, void (*notify)(uint64_t ticket)) {
  atomic_store(&mailbox->notify, notify);
}

void fl_mailbox_set_attention(fl_mailbox *mailbox, uint64_t ticket) {
  atomic_store(&mailbox->attention, ticket);
}

void fl_mailbox_post(fl_mailbox *mailbox, fl_item *item) {
  const uint64_t ticket = item->ticket;
  fl_mailbox_notify_function notify;
  bool was_empty;
  /* The reader may take and free the item, with the last reference, before this function ends. */
  fl_mailbox_retain(mailbox);
  was_empty = fl_queue_post(&mailbox->queue, item);
  /* Items that were posted quietly may still be there, without a signal. */
  if (!atomic_load(&mailbox->quiet) && (was_empty || !atomic_load(&mailbox->signalled)))
    signal_reader(mailbox);
  notify = atomic_load(&mailbox->notify);
  if (notify != NULL) {
    uint64_t attention = atomic_exchange(&mailbox->attention, 0);
    if (attention != 0) notify(attention);
    notify(ticket);
  }
  fl_mailbox_release(mailbox);
}

fl_item *fl_mailbox_take(fl_mailbox *mailbox) {
  /* The flag is set after the write. If this thread does not see the flag yet, the descriptor stays
   * readable, and the next take resets both. */
  if (atomic_exchange(&mailbox->signalled, false)) fl_wake_clear(&mailbox->wake);
  return fl_queue_take(&mailbox->queue);
}

bool fl_mailbox_is_empty(fl_mailbox *mailbox) { return fl_queue_is_empty(&mailbox->queue); }

void fl_mailbox_set_quiet(fl_mailbox *mailbox, bool quiet) { atomic_store(&mailbox->quiet, quiet); }

int fl_mailbox_descriptor(const fl_mailbox *mailbox) { return mailbox->wake.reader; }

bool fl_mailbox_wait(fl_mailbox *mailbox, fl_time timeout) {
  struct pollfd ready = {.fd = mailbox->wake.reader, .events = POLLIN, .revents = 0};
  int milliseconds = -1;
  if (!fl_mailbox_is_empty(mailbox)) return true; /* it may have been posted quietly */
  if (timeout != FL_NEVER) {
    /* Rounded up: a wait that ends too early would make the caller spin. */
    fl_time rounded = timeout <= 0 ? 0 : (timeout + FL_MILLISECOND - 1) / FL_MILLISECOND;
    milliseconds = rounded > INT_MAX ? INT_MAX : (int)rounded;
  }
  if (poll(&ready, 1, milliseconds) <= 0) return false;
  /* The item of this signal was taken before its poster had set the flag. Without this read, poll
   * returns at once until the poster runs again. */
  if (fl_mailbox_is_empty(mailbox)) fl_wake_clear(&mailbox->wake);
  return true;
}

bool fl_mailbox_is_ours(const fl_mailbox *mailbox) {
  return mailbox->process == fl_process_generation();
}

void fl_mailbox_abandon(fl_mailbox *mailbox) { fl_wake_close(&mailbox->wake); }
