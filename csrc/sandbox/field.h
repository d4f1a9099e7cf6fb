/*
 * field.h: a row in the tables of options that Lua may set: those of a sandbox and those of a
 * fault.
 *
 * A row holds the name, the allowed values and the place of a member of a structure. lua_options.c
 * reads Lua tables by these rows. It also passes the rows to Lua, which checks the options of a
 * caller by them.
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
  FIELD_RETRY_AFTER, /* the same; a number of seconds is allowed, too */
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
