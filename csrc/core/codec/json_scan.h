/*
 * json_scan.h: JSON text -> flat tape with container sizes, or {code, position}.
 *
 * Pure: no clock, no locale, no global state; any thread. The scanner validates everything RFC 8259
 * asks for (UTF-8, escapes, surrogate pairs, number grammar) and accepts nothing beyond it: no NaN,
 * no comments, no trailing comma or text, no byte order mark.
 *
 * The tape is an array of 16-byte nodes in document order. A container's node comes before its
 * content: an array is followed by its values, an object by key, value, key, value, … . `size.end`
 * is the index of the node after the container's last one, so that any value can be stepped over in
 * one move. Strings are unescaped in place in the text that was scanned; numbers are left as
 * written, so that they can go out again digit for digit. So a tape is read together with its text.
 *
 * Rows repeat their keys. If the scanner knows an earlier key with the same bytes, the node of a
 * key holds the index of that key: readers then compare two numbers instead of two strings.
 */
#ifndef FL_JSON_SCAN_H
#define FL_JSON_SCAN_H

#include "base/base.h"

/* Containers may nest this deep; one more is FL_JSON_DEEP. */
#define FL_JSON_DEPTH 512

/* U+FFFD, which replaces half of a surrogate pair. */
#define FL_JSON_REPLACEMENT 0xFFFD

typedef enum fl_json_type {
  FL_JSON_NULL,
  FL_JSON_FALSE,
  FL_JSON_TRUE,
  FL_JSON_INTEGER, /* no point, no exponent, fits 64 bits: value.integer; "-0" is a FLOAT */
  FL_JSON_BIG, /* an integer literal beyond 64 bits: size.length digits (sign included) at offset */
  FL_JSON_FLOAT,  /* value.number, correctly rounded, to zero if it is too small */
  FL_JSON_STRING, /* size.length bytes at offset, unescaped, valid UTF-8, may hold NUL */
  FL_JSON_ARRAY,  /* size.length values */
  FL_JSON_OBJECT  /* size.length members; repeated keys are all there, in order: the last wins */
} fl_json_type;

typedef struct fl_json_node {
  uint32_t type;   /* fl_json_type */
  uint32_t offset; /* where the value begins in the text: a string's first byte inside the quotes, a
                      number's first character, a container's bracket */
  union {
    int64_t integer;
    double number;
    struct {
      uint32_t length; /* bytes of a string or a BIG; values of an array; members of an object */
      union {
        uint32_t end;  /* containers: index of the node that follows the whole container */
        uint32_t same; /* keys: index of the first key known to have the same bytes; its own else */
      };
    } size;
  } value;
} fl_json_node;

typedef struct fl_json_tape {
  fl_json_node *nodes;
  uint32_t count;
  uint32_t capacity;
  uint32_t most; /* the capacity never passes it; 0: no ceiling */
} fl_json_tape;

typedef enum fl_json_code {
  FL_JSON_OK = 0,
  FL_JSON_EMPTY,        /* nothing but white space */
  FL_JSON_UNEXPECTED,   /* a character that cannot stand here */
  FL_JSON_ENDED,        /* the text ended inside a value */
  FL_JSON_TRAILING,     /* text after the value */
  FL_JSON_BAD_NUMBER,   /* 01, 1., .5, +1, NaN */
  FL_JSON_NUMBER_RANGE, /* a number whose magnitude no double holds, as 1e400 */
  FL_JSON_BAD_ESCAPE,   /* \x, \u12 */
  FL_JSON_SURROGATE,    /* half of a surrogate pair alone */
  FL_JSON_CONTROL,      /* a control character unescaped in a string */
  FL_JSON_BAD_UTF8,     /* bytes that are not UTF-8 (overlong and surrogate forms included) */
  FL_JSON_DEEP,         /* nested deeper than FL_JSON_DEPTH */
  FL_JSON_SIZE,         /* the text or the tape passes 32 bits */
  FL_JSON_MANY,         /* the text has more values than `most` of the tape allows */
  FL_JSON_MEMORY
} fl_json_code;

/*
 * `position` counts bytes from 0: the byte that is not allowed at its place. ENDED and EMPTY have
 * the text's length; MANY the value that is too many; DEEP the bracket; NUMBER_RANGE the number's
 * first character; SURROGATE the backslash of the half; BAD_UTF8 the first byte of the sequence.
 */
typedef struct fl_json_error {
  fl_json_code code;
  size_t position;
} fl_json_error;

/* An empty tape; allocates nothing. */
void fl_json_tape_init(fl_json_tape *tape);
void fl_json_tape_free(fl_json_tape *tape);

/*
 * Scans `length` bytes at `text`, which must be writable and have a NUL at text[length]. On success
 * the tape holds one value (node 0 and what it contains); its earlier content is replaced and its
 * memory used again. On failure `error` holds the reason and the place, the tape is empty, and the
 * text may have been changed.
 */
fl_json_code fl_json_scan(char *text, size_t length, fl_json_tape *tape, fl_json_error *error);

/*
 * The same, but accepts some texts that break RFC 8259, and replaces the invalid parts: half of a
 * surrogate pair by U+FFFD, a byte that is not UTF-8 by "?", a number beyond the range of doubles
 * by null. A control character stays as it is.
 */
fl_json_code fl_json_scan_replacing(char *text, size_t length, fl_json_tape *tape,
                                    fl_json_error *error);

/* Bytes of the UTF-8 byte order mark at the beginning of a text: 3 or 0. The scanner refuses it;
 * callers that accept one skip it. */
static inline size_t fl_json_mark_length(const char *text, size_t length) {
  return length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* Index of the node that follows the value at `index`. */
static inline uint32_t fl_json_next(const fl_json_tape *tape, uint32_t index) {
  const fl_json_node *node = &tape->nodes[index];
  return node->type >= FL_JSON_ARRAY ? node->value.size.end : index + 1;
}

/* The same for a node of the array `nodes`. */
static inline const fl_json_node *fl_json_after(const fl_json_node *nodes,
                                                const fl_json_node *value) {
  return value->type >= FL_JSON_ARRAY ? nodes + value->value.size.end : value + 1;
}

/*
 * Index of the value of the last member named `key` of the object at `index`, or 0 (which is never
 * a member's value) if the node is no object or has no such member.
 */
uint32_t fl_json_member(const fl_json_tape *tape, const char *text, uint32_t index, fl_slice key);

/* Bytes of a number's literal, which begins at a number node's offset. */
size_t fl_json_number_length(const char *literal);

/* The code in words, for messages: "a control character in a string". */
const char *fl_json_describe(fl_json_code code);

#endif
