/*
 * envelope.h: reads the JSON of a reply: the envelope {data, messages}, and the rows in its data.
 *
 * Pure. docs/contract.md has the rules and their sources, in rows 2 and 9.
 */
#ifndef FL_ENVELOPE_H
#define FL_ENVELOPE_H

#include "codec/json_scan.h"

typedef struct fl_envelope {
  bool found;        /* the root is an object with a member "data" */
  uint32_t data;     /* node of "data" (the last, if repeated); 0 = absent */
  uint32_t messages; /* node of "messages"; 0 = absent */
} fl_envelope;

fl_envelope fl_envelope_of(const fl_json_tape *tape, const char *text);

/* Whether `data` is an object with a member `id` that is a number or a string not empty. */
bool fl_envelope_has_id(const fl_json_tape *tape, const char *text, const fl_envelope *envelope);

/*
 * The messages as one readable text, joined by "; ": a string as it is, an object by its member
 * `message` or `text`. Other values are left out. A single string or object is read like an array
 * of one. Control characters become spaces. Writes at most `size` bytes with the NUL, cut between
 * two characters. Returns the length.
 */
size_t fl_envelope_text(const fl_json_tape *tape, const char *text, uint32_t messages, char *out,
                        size_t size);

typedef enum fl_rows_code {
  FL_ROWS_OK = 0,
  FL_ROWS_NULL,   /* data is null */
  FL_ROWS_STRANGE /* neither an array nor an object whose one array member is "records" */
} fl_rows_code;

/* Finds the array of rows in `data`: itself, or its member "records". *rows is its node. */
fl_rows_code fl_envelope_rows(const fl_json_tape *tape, const char *text, uint32_t data,
                              uint32_t *rows);

/* Describes data that holds no rows, for an error: "an object with the members id, names (an
 * array)", "a string". Names eight members at most. Cuts like fl_envelope_text, and returns the
 * length. */
size_t fl_envelope_describe(const fl_json_tape *tape, const char *text, uint32_t data, char *out,
                            size_t size);

#endif
