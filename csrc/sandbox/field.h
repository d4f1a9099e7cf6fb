/*
 * field.h: a row of the tables of what Lua may set: the options of a sandbox and those of a fault.
 *
 * A row says which values a member of a structure may have, and where it is kept. lua_options.c
 * reads Lua tables by the rows and hands the rows to Lua, which checks by them what a caller gives.
 */
#ifndef SANDBOX_FIELD_H
#define SANDBOX_FIELD_H

#include "base/base.h"

#define FIELD_TEXT_ROOM 256

typedef enum {
  FIELD_INTEGER,     /* int64_t */
  FIELD_NUMBER,      /* double */
  FIELD_BOOLEAN,     /* bool */
  FIELD_TEXT,        /* char *, allocated; NULL = none */
  FIELD_SHORT_TEXT,  /* char [FIELD_TEXT_ROOM]; "" = none */
  FIELD_RETRY_AFTER, /* the same; a number of seconds is taken, too */
  FIELD_CHOICE       /* unsigned: the place in `choices` */
} sandbox_field_type;

typedef struct sandbox_field {
  const char *name; /* NULL ends a table */
  sandbox_field_type type;
  size_t offset;
  double fallback, least, most; /* of integers, numbers and booleans; fallback NAN: none */
  const char *text;             /* a text's fallback; NULL = none */
  const char *const *choices;   /* ends with NULL; the first is the fallback */
} sandbox_field;

#endif
