/*
 * check.h: for specs that are tables of cases. Includes cmocka and what it needs, in the order it
 * asks for, and has checks that name the failed case.
 */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/base.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define check(label, condition)                                       \
  do {                                                                \
    if (!(condition)) fail_msg("case \"%s\": %s", label, #condition); \
  } while (0)

#define check_number(label, got, wanted)                                         \
  do {                                                                           \
    long long got_ = (long long)(got), wanted_ = (long long)(wanted);            \
    if (got_ != wanted_)                                                         \
      fail_msg("case \"%s\": %s is %lld, not %lld", label, #got, got_, wanted_); \
  } while (0)

#define check_text(label, got, wanted)                                                         \
  do {                                                                                         \
    const char *text_ = (got);                                                                 \
    if (text_ == NULL || strcmp(text_, wanted) != 0)                                           \
      fail_msg("case \"%s\": %s is \"%s\", not \"%s\"", label, #got, text_ ? text_ : "(none)", \
               wanted);                                                                        \
  } while (0)

#endif
