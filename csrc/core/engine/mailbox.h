/*
 * mailbox.h: hands items from one thread to another. Defines items, lists of items, a list behind a
 * lock (fl_queue), and the mailbox of a Lua state, which wakes its reader.
 *
 * Everything that passes between the thread of a Lua state and the engine or a worker is an fl_item
 * at the head of a larger struct. An item has one owner at a time: posting it gives it away.
 */
#ifndef FL_MAILBOX_H
#define FL_MAILBOX_H

#include <pthread.h>

#include "base/base.h"

typedef enum fl_item_type {
  FL_ITEM_CALL,         /* fl_call: a request to the engine, an outcome from it */
  FL_ITEM_PAGE,         /* fl_call: one page of a pager, in order */
  FL_ITEM_PAGER,        /* fl_pager: to the engine */
  FL_ITEM_EVENT,        /* fl_event: from the engine */
  FL_ITEM_TRACE,        /* fl_trace: from the engine */
  FL_ITEM_JOB,          /* fl_job: a job to the worker, a finished job from it */
  FL_ITEM_LEASE,        /* fl_lease_answer: to the engine */
  FL_ITEM_ADVANCE,      /* fl_command: the reader took a page of the pager `ticket` */
  FL_ITEM_CANCEL,       /* fl_command: ends the call or the pager `ticket` */
  FL_ITEM_CLOSE_CLIENT, /* fl_command: every call of `client` ends with kind closed */
  FL_ITEM_CLOSE_MAILBOX /* fl_command: every call of `mailbox` ends, and nothing is posted to it */
} fl_item_type;

typedef struct fl_item {
  struct fl_item *next;
  fl_item_type type;
  uint64_t ticket; /* names a call or a pager for as long as the process lives; never 0 */
  void (*free)(struct fl_item *item); /* frees the whole struct; set by the file that makes it */
} fl_item;

/* Frees an item of any type, or a chain of items. NULL is allowed. */
void fl_item_free(fl_item *item);
void fl_item_free_chain(fl_item *first);

/* A ticket that no item of this process or its parents has. Any thread. */
uint64_t fl_item_next_ticket(void);

/* A list, without a lock. */
typedef struct fl_list {
  fl_item *first, *last;
} fl_list;

void fl_list_append(fl_list *list, fl_item *item);
void fl_list_prepend(fl_list *list, fl_item *item);
fl_item *fl_list_pop(fl_list *list);
/* Removes an item from anywhere in the list; false if it is not there. */
bool fl_list_remove(fl_list *list, fl_item *item);

/* A list behind a lock. */
typedef struct fl_queue {
  pthread_mutex_t lock;
  fl_list list;
} fl_queue;

void fl_queue_init(fl_queue *queue);
void fl_queue_destroy(fl_queue *queue);
/* True if the queue was empty: the reader has to be woken. */
bool fl_queue_post(fl_queue *queue, fl_item *item);
/* Takes all items, in order; NULL if there are none. */
fl_item *fl_queue_take(fl_queue *queue);
bool fl_queue_is_empty(fl_queue *queue);

/*
 * The mailbox of one Lua state: a queue of items for it, and a descriptor that is readable while
 * the queue holds items. Reference-counted: a call under way keeps its mailbox after the Lua state
 * has closed.
 */
typedef struct fl_mailbox fl_mailbox;

/* NULL, with errno set, if the descriptor cannot be opened. */
fl_mailbox *fl_mailbox_new(void);
fl_mailbox *fl_mailbox_retain(fl_mailbox *mailbox);
void fl_mailbox_release(fl_mailbox *mailbox);

/* Any thread. Wakes the reader if the mailbox was empty. */
void fl_mailbox_post(fl_mailbox *mailbox, fl_item *item);
/* The reader's thread. Takes all items, and makes the descriptor unreadable again. */
fl_item *fl_mailbox_take(fl_mailbox *mailbox);
bool fl_mailbox_is_empty(fl_mailbox *mailbox);
/* While the reader itself runs the engine's turns, posting does not wake it. Set by the reader. */
void fl_mailbox_set_quiet(fl_mailbox *mailbox, bool quiet);
/* Any thread. Makes the descriptor readable although nothing was posted. */
void fl_mailbox_signal(fl_mailbox *mailbox);
/* From now on every post calls `notify` with the ticket of the item, in the thread that posts. */
void fl_mailbox_set_notify(fl_mailbox *mailbox, void (*notify)(uint64_t ticket));
/* The next post also calls `notify` with this ticket, once, whatever its own ticket is. */
void fl_mailbox_set_attention(fl_mailbox *mailbox, uint64_t ticket);
/* The descriptor to poll for reading. */
int fl_mailbox_descriptor(const fl_mailbox *mailbox);
/* Blocks until the mailbox holds an item or the time-out (a duration; FL_NEVER for none) has
 * passed. True if it holds an item. Returns early on a signal, so that the host can act on it. */
bool fl_mailbox_wait(fl_mailbox *mailbox, fl_time timeout);
/* False after a fork, in the child: the mailbox is the parent's and must not be used. */
bool fl_mailbox_is_ours(const fl_mailbox *mailbox);
/* In the child of a fork: closes the inherited descriptors. The locks may be held by a thread that
 * the child does not have, so the rest is left as it is. */
void fl_mailbox_abandon(fl_mailbox *mailbox);

#endif
