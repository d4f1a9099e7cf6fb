/*
 * expect.c: expectations, and the first faults against them. See expect.h.
 */
#include "files/expect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_FAULTS 10

typedef struct fault {
  fl_place place, first;
  fl_slice column;
  bool repeated; /* the value occurred before, at `first`; otherwise the value is missing */
} fault;

struct fl_expect {
  const fl_expectation *wanted;
  int64_t records, fault_count;
  fault faults[MOST_FAULTS]; /* the faults with the lowest places, sorted */
  size_t held;
  size_t column;    /* of `unique`, while its repetitions are found */
  fl_unique **seen; /* one a column of `unique` */
};

fl_expect *fl_expect_open(const fl_expectation *wanted) {
  fl_expect *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->wanted = wanted;
  self->seen = calloc(wanted->unique.count + 1, sizeof(fl_unique *));
  for (size_t i = 0; self->seen != NULL && i < wanted->unique.count; i++) {
    self->seen[i] = fl_unique_open(0);
    if (self->seen[i] == NULL) {
      fl_expect_close(self);
      return NULL;
    }
  }
  if (self->seen != NULL) return self;
  free(self);
  return NULL;
}

void fl_expect_close(fl_expect *self) {
  if (self == NULL) return;
  for (size_t i = 0; i < self->wanted->unique.count; i++) fl_unique_close(self->seen[i]);
  free(self->seen);
  free(self);
}

static void add_fault(fl_expect *self, fault found) {
  size_t at = self->held;
  self->fault_count++;
  while (at > 0 && self->faults[at - 1].place > found.place) at--;
  if (at == MOST_FAULTS) return;
  if (self->held == MOST_FAULTS) self->held--;
  memmove(&self->faults[at + 1], &self->faults[at], (self->held - at) * sizeof(fault));
  self->faults[at] = found;
  self->held++;
}

void fl_expect_count(fl_expect *self) { self->records++; }

void fl_expect_missing(fl_expect *self, size_t required, fl_place place) {
  add_fault(self, (fault){place, 0, self->wanted->required.list[required], false});
}

fl_result fl_expect_value(fl_expect *self, size_t unique, fl_slice text, fl_place place) {
  return fl_unique_add(self->seen[unique], text, place);
}

static void find_repetition(void *context, fl_place first, fl_place again) {
  fl_expect *self = context;
  add_fault(self, (fault){again, first, self->wanted->unique.list[self->column], true});
}

/* Appends to a message, as far as there is room. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static void
say(char *message, size_t room, const char *format, ...) {
  size_t length = strlen(message);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message + length, room - length, format, arguments);
  va_end(arguments);
}

static void say_place(char *message, size_t room, const char *const *parts, fl_place place,
                      size_t near) {
  if (fl_place_part(place) != near) say(message, room, "%s, ", parts[fl_place_part(place)]);
  say(message, room, "line %lld", (long long)fl_place_line(place));
}

static void list_faults(const fl_expect *self, const char *const *parts, char *message,
                        size_t room) {
  size_t near = fl_place_part(self->faults[0].place);
  message[0] = '\0';
  for (size_t i = 0; i < self->held; i++) {
    const fault *found = &self->faults[i];
    if (i > 0) {
      say(message, room, "; ");
      say_place(message, room, parts, found->place, near);
      say(message, room, ": ");
    }
    say(message, room, "column \"%s\" ", fl_show(found->column).text);
    if (found->repeated) {
      say(message, room, "repeats the value of ");
      say_place(message, room, parts, found->first, fl_place_part(found->place));
      say(message, room, "%s", i == 0 ? " (expect.unique)" : "");
    } else {
      say(message, room, "has no value%s", i == 0 ? " (expect.required)" : "");
    }
  }
  if (self->fault_count > (int64_t)self->held)
    say(message, room, "; and %lld more", (long long)self->fault_count - (long long)self->held);
}

fl_result fl_expect_finish(fl_expect *self, const char *const *parts, char *message, size_t room,
                           fl_place *place) {
  *place = 0;
  for (self->column = 0; self->column < self->wanted->unique.count; self->column++) {
    fl_result result = fl_unique_finish(self->seen[self->column], find_repetition, self);
    if (result != FL_OK) return result;
  }
  if (self->held > 0) {
    list_faults(self, parts, message, room);
    *place = self->faults[0].place;
    return FL_INVALID;
  }
  if (self->records >= self->wanted->min_records) return FL_OK;
  snprintf(message, room, "%lld record%s, but expect.min_records is %lld", (long long)self->records,
           self->records == 1 ? "" : "s", (long long)self->wanted->min_records);
  return FL_INVALID;
}

/* --- columns --- */

static fl_result check_known(const char *option, fl_names wanted, fl_names present, char *message,
                             size_t room) {
  for (size_t i = 0; i < wanted.count; i++) {
    if (fl_names_find(present, wanted.list[i]) < present.count) continue;
    snprintf(message, room, "expect.%s: there is no column \"%s\"; there are ", option,
             fl_show(wanted.list[i]).text);
    fl_names_show(present, message, room);
    return FL_INVALID;
  }
  return FL_OK;
}

fl_result fl_expect_columns(const fl_expectation *wanted, fl_names present, fl_names all,
                            char *message, size_t room) {
  fl_result result = check_known("columns", wanted->columns, present, message, room);
  if (result == FL_OK) result = check_known("required", wanted->required, all, message, room);
  if (result == FL_OK) result = check_known("unique", wanted->unique, all, message, room);
  if (result != FL_OK || wanted->columns.count == 0) return result;
  for (size_t i = 0; i < present.count; i++) {
    if (fl_names_find(wanted->columns, present.list[i]) < wanted->columns.count) continue;
    snprintf(message, room, "expect.columns: the column \"%s\" is not expected",
             fl_show(present.list[i]).text);
    return FL_INVALID;
  }
  return FL_OK;
}
