/*
 * lease_place.h: the place that keeps the shares of a rate limit (policy/lease_pool.h), as the
 * engine sees it. files/lease_store.h is one in a file or in
 * PostgreSQL.
 *
 * The engine asks with a question. The place works on the worker's threads, and posts the answer as
 * an item under the question's ticket. It converts all times: those of question and answer are by
 * the clock of this process.
 */
#ifndef FL_LEASE_PLACE_H
#define FL_LEASE_PLACE_H

#include "engine/mailbox.h"
#include "policy/lease_pool.h"

typedef struct fl_lease_question {
  const char *base_url, *subscription; /* the service; copied by the place */
  uint64_t member;                     /* a random number that names the process at the place */
  uint64_t ticket;                     /* of the answer */
  int64_t waiting;                     /* calls that wait */
  int64_t spent;                       /* requests of the process since its beginning */
  fl_lease_report report;
  bool last; /* the engine ends: questions with smaller tickets that run later change nothing */
  void (*post)(fl_item *item); /* takes ownership of the answer; any thread */
} fl_lease_question;

typedef struct fl_lease_answer {
  fl_item item; /* FL_ITEM_LEASE */
  bool lost;    /* the place cannot be used, and there is no grant */
  fl_lease_grant grant;
} fl_lease_answer;

/* The head of a larger struct. Reference-counted, from any thread. */
typedef struct fl_lease_place {
  const char *name; /* "state file", "postgresql" */
  /* `in_place`: the work is done before this function returns. False without memory: no answer
   * comes. */
  bool (*ask)(struct fl_lease_place *place, const fl_lease_question *question, bool in_place);
  struct fl_lease_place *(*retain)(struct fl_lease_place *place);
  void (*release)(struct fl_lease_place *place);
} fl_lease_place;

#endif
