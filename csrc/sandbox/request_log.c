/* request_log.c: the log of requests, and the list of repeated commits. */
#include "request_log.h"

#include <stdlib.h>

/* Bytes of a repeated commit's body that are kept. */
#define EXCERPT ((size_t)1024)

/* A commit in the table of all commits: two 64-bit hashes stand for its text. */
typedef struct commit {
  uint64_t high, low;
  int64_t number; /* 0 = a free place */
} commit;

struct sandbox_request_log {
  sandbox_entry **entries; /* a ring */
  size_t room, head, count;
  size_t bytes; /* of all entries */
  size_t max_entries, max_bytes, max_body_bytes;
  int64_t last_number;
  commit *commits;
  size_t commit_room, commit_count;
  sandbox_duplicate *duplicates;
  size_t duplicate_count;
};

sandbox_request_log *sandbox_request_log_open(int64_t max_entries, int64_t max_bytes,
                                              int64_t max_body_bytes) {
  sandbox_request_log *log = calloc(1, sizeof *log);
  if (log == NULL) return NULL;
  log->max_entries = (size_t)max_entries;
  log->max_bytes = (size_t)max_bytes;
  log->max_body_bytes = (size_t)max_body_bytes;
  return log;
}

void sandbox_request_log_clear(sandbox_request_log *log) {
  for (size_t index = 0; index < log->count; index++)
    free(log->entries[(log->head + index) % log->room]);
  for (size_t index = 0; index < log->duplicate_count; index++) free(log->duplicates[index].body);
  free(log->entries);
  free(log->commits);
  free(log->duplicates);
  *log = (sandbox_request_log){.max_entries = log->max_entries,
                               .max_bytes = log->max_bytes,
                               .max_body_bytes = log->max_body_bytes};
}

void sandbox_request_log_close(sandbox_request_log *log) {
  if (log == NULL) return;
  sandbox_request_log_clear(log);
  free(log);
}

/* Makes room for one more entry of `size` bytes: removes the oldest ones. */
static bool make_room(sandbox_request_log *log, size_t size) {
  size_t room;
  sandbox_entry **entries;
  while (log->count > 0 && (log->count == log->max_entries || log->bytes + size > log->max_bytes)) {
    log->bytes -= log->entries[log->head]->size;
    free(log->entries[log->head]);
    log->head = (log->head + 1) % log->room;
    log->count--;
  }
  if (log->count < log->room) return true;
  room = log->room ? log->room * 2 : 64;
  entries = calloc(room, sizeof(sandbox_entry *));
  if (entries == NULL) return false;
  for (size_t index = 0; index < log->count; index++)
    entries[index] = log->entries[(log->head + index) % log->room];
  free(log->entries);
  log->entries = entries;
  log->room = room;
  log->head = 0;
  return true;
}

int64_t sandbox_request_log_add(sandbox_request_log *log, const sandbox_entry *entry,
                                const fl_slice texts[ENTRY_TEXTS]) {
  size_t size = sizeof *entry, lengths[ENTRY_TEXTS];
  sandbox_entry *block;
  int64_t number = ++log->last_number;
  if (log->max_entries == 0) return number;
  for (int text = 0; text < ENTRY_TEXTS; text++) {
    lengths[text] = texts[text].length;
    if (text == ENTRY_BODY && lengths[text] > log->max_body_bytes)
      lengths[text] = log->max_body_bytes;
    size += lengths[text];
  }
  block = make_room(log, size) ? malloc(size) : NULL;
  if (block == NULL) return number;
  *block = *entry;
  block->size = size;
  log->bytes += size;
  block->number = number;
  block->body_bytes = (int64_t)texts[ENTRY_BODY].length;
  size = sizeof *entry;
  for (int text = 0; text < ENTRY_TEXTS; text++) {
    block->texts[text].offset = size;
    block->texts[text].length = lengths[text];
    if (lengths[text] > 0) memcpy((char *)block + size, texts[text].data, lengths[text]);
    size += lengths[text];
  }
  log->entries[(log->head + log->count++) % log->room] = block;
  return number;
}

void sandbox_request_log_mark_committed(sandbox_request_log *log, int64_t number) {
  for (size_t index = log->count; index-- > 0;) {
    sandbox_entry *entry = log->entries[(log->head + index) % log->room];
    if (entry->number == number) entry->committed = true;
    if (entry->number <= number) return;
  }
}

/* Multiplies and folds eight bytes a step. Two runs from different seeds give 128 bits, so that two
 * different commits never have the same hash by chance. Not safe against texts made to collide. */
static uint64_t hash(uint64_t value, fl_slice text) {
  uint64_t piece;
  size_t index = 0;
  for (; text.length - index >= sizeof piece; index += sizeof piece) {
    memcpy(&piece, text.data + index, sizeof piece);
    value = (value ^ piece) * 0x9fb21c651e98df25u;
    value ^= value >> 32;
  }
  for (; index < text.length; index++)
    value = (value ^ (unsigned char)text.data[index]) * 0x100000001b3u;
  value = (value ^ text.length) * 0x9fb21c651e98df25u;
  return value ^ (value >> 29);
}

static commit *place_of(const commit *commits, size_t room, uint64_t high, uint64_t low) {
  size_t index = (size_t)low & (room - 1);
  while (commits[index].number != 0 && (commits[index].low != low || commits[index].high != high))
    index = (index + 1) & (room - 1);
  return (commit *)&commits[index];
}

static bool grow_commits(sandbox_request_log *log) {
  size_t room = log->commit_room ? log->commit_room * 2 : 256;
  commit *commits;
  if (log->commit_count * 2 < log->commit_room) return true;
  commits = calloc(room, sizeof *commits);
  if (commits == NULL) return false;
  for (size_t index = 0; index < log->commit_room; index++)
    if (log->commits[index].number != 0)
      *place_of(commits, room, log->commits[index].high, log->commits[index].low) =
          log->commits[index];
  free(log->commits);
  log->commits = commits;
  log->commit_room = room;
  return true;
}

static bool add_duplicate(sandbox_request_log *log, int64_t first, int64_t again,
                          sandbox_operation operation, fl_slice body) {
  size_t length = body.length < EXCERPT ? body.length : EXCERPT;
  sandbox_duplicate *list = realloc(log->duplicates, (log->duplicate_count + 1) * sizeof *list);
  char *excerpt = malloc(length + 1);
  if (list) log->duplicates = list;
  if (list == NULL || excerpt == NULL) {
    free(excerpt);
    return false;
  }
  if (length > 0) memcpy(excerpt, body.data, length);
  list[log->duplicate_count++] = (sandbox_duplicate){first, again, operation, excerpt, length};
  return true;
}

bool sandbox_request_log_add_commit(sandbox_request_log *log, int64_t number,
                                    sandbox_operation operation, fl_slice path, fl_slice request_id,
                                    fl_slice body) {
  const uint64_t seeds[2] = {0xcbf29ce484222325u, 0x6c62272e07bb0142u};
  uint64_t hashes[2];
  commit *place;
  for (int half = 0; half < 2; half++)
    hashes[half] = request_id.length > 0
                       ? hash(hash(seeds[half], FL_LITERAL("id")), request_id)
                       : hash(hash(hash(seeds[half], FL_LITERAL("body")), path), body);
  if (!grow_commits(log)) return false;
  place = place_of(log->commits, log->commit_room, hashes[0], hashes[1]);
  if (place->number != 0) return add_duplicate(log, place->number, number, operation, body);
  *place = (commit){hashes[0], hashes[1], number};
  log->commit_count++;
  return true;
}

sandbox_entry **sandbox_request_log_copy(const sandbox_request_log *log, int64_t from,
                                         size_t *count) {
  sandbox_entry **copies = calloc(log->count + 1, sizeof(sandbox_entry *));
  *count = 0;
  if (copies == NULL) return NULL;
  for (size_t index = 0; index < log->count; index++) {
    const sandbox_entry *entry = log->entries[(log->head + index) % log->room];
    if (entry->number < from) continue;
    copies[*count] = malloc(entry->size);
    if (copies[*count] == NULL) {
      while (*count > 0) free(copies[--*count]);
      free(copies);
      return NULL;
    }
    memcpy(copies[(*count)++], entry, entry->size);
  }
  return copies;
}

const sandbox_duplicate *sandbox_request_log_duplicates(const sandbox_request_log *log,
                                                        size_t *count) {
  *count = log->duplicate_count;
  return log->duplicates;
}

int64_t sandbox_request_log_count(const sandbox_request_log *log) { return log->last_number; }
