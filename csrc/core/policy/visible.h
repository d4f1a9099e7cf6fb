/*
 * visible.h: makes characters visible that change how a text is shown. Pure.
 *
 * A server's words go into messages, which go to terminals and logs. A control character of C1 may
 * begin a command to the terminal; a mark of direction may turn the order of what follows.
 */
#ifndef FL_VISIBLE_H
#define FL_VISIBLE_H

#include "base/base.h"

/*
 * Replaces, in a text of UTF-8 in an array of `size` bytes: control characters of C0 and DEL by a
 * space; those of C1, the marks of direction, line and paragraph separators by their number
 * (<U+202E>); each byte that is not UTF-8 by "?". The text may grow: it is cut between characters
 * where the array is full.
 */
void fl_visible(char *text, size_t size);

#endif
