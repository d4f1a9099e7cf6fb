/*
 * bell.h: wakes those who can watch no descriptor of ours, and those whose event loop has no
 * timers.
 *
 * nginx lets a handler wait on its own sockets alone. So a thread listens on a unix socket in a
 * directory of mode 0700; a waiter connects to it, sends the ticket it waits for and a line feed,
 * and is sent the same line when there is something for that ticket. Only processes with our own
 * number and user are heard. Nothing but tickets passes. A connection may be used again for the
 * next wait, one ticket at a time.
 *
 * An alarm is a wake-up, of a ticket or of a mailbox, at a point in time.
 *
 * One bell a process, started by its first use; a forked child starts its own. The directory
 * carries a file that is locked for as long as the process lives, by which later processes tell
 * those that can go.
 */
#ifndef FL_WAKEUP_H
#define FL_WAKEUP_H

#include "engine/mailbox.h"

/* Starts the bell if it is not running. The path of its socket (valid until the bell stops), or
 * NULL and *message. fl_engine_prepare comes first. */
const char *fl_wakeup_path(const char **message);

/* From now on what is posted to the mailbox under this ticket rings. The caller then looks whether
 * something is in the mailbox already. False: no memory. The bell must have been started. */
bool fl_wakeup_watch(fl_mailbox *mailbox, uint64_t ticket);
/* Nobody waits for it any more. */
void fl_wakeup_unwatch(uint64_t ticket);
/* Wakes whoever waits for a ticket, and ends the watch. Any thread. */
void fl_wakeup_notify(uint64_t ticket);

/* Rings for `ticket` at `due`; where it is 0, makes the mailbox's descriptor readable then. False:
 * no bell can be had. */
bool fl_wakeup_alarm(fl_mailbox *mailbox, uint64_t ticket, fl_time due);

/* No watch and no alarm of this mailbox is left: its reader is gone. */
void fl_wakeup_leave(const fl_mailbox *mailbox);

/* Joins the thread, closes the socket and removes the directory. Nothing where no bell runs. */
void fl_wakeup_stop(void);

/* Around a fork, as the innermost of the locks. */
void fl_wakeup_before_fork(void);
void fl_wakeup_after_fork(void);

#endif
