/*
 * standard.h: keeps files of this process away from the numbers of standard input and output.
 */
#ifndef FL_STANDARD_H
#define FL_STANDARD_H

/*
 * Takes those of the descriptors 0, 1 and 2 that are closed, so that no file or connection that is
 * opened later gets them: a script that prints would write into it. Reading from 0 and writing to 1
 * and 2 still fail with EBADF, and a program that is started finds them closed. Call it before
 * anything is opened.
 */
void fl_standard_keep(void);

#endif
