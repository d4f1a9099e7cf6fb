/*
 * wakeup.h: wake-ups over a unix socket, for event loops that cannot poll our descriptor, and
 * alarms, for event loops without timers.
 *
 * nginx lets a handler wait on its own sockets only. So a thread listens on a unix socket in a
 * directory of mode 0700. A waiter connects to it, sends the ticket that it waits for and a line
 * feed, and receives the same line once an item of that ticket is in its mailbox. The thread
 * accepts connections of this process and user only. Nothing but tickets passes. A connection may
 * be used again for the next wait, one ticket at a time. One waiter may also read for all waiters
 * of a mailbox: it sends its ticket once, and receives a line for each time that it called
 * fl_wakeup_attend and an item was posted afterwards.
 *
 * An alarm is a wake-up, of a ticket or of a mailbox, at a point in time.
 *
 * The first use starts the thread; a forked child starts its own. The directory holds a file that
 * is locked while the process lives, so that later processes can remove the directories of dead
 * ones.
 */
#ifndef FL_WAKEUP_H
#define FL_WAKEUP_H

#include "engine/mailbox.h"

/* Starts the thread if it is not running. Returns the path of its socket, valid until
 * fl_wakeup_stop, or NULL and *message. Call fl_engine_prepare first. */
const char *fl_wakeup_path(const char **message);

/* From now on an item that is posted to the mailbox under this ticket sends a wake-up. The caller
 * then checks whether the mailbox holds one already. False: no memory, or the thread does not run.
 */
bool fl_wakeup_watch(fl_mailbox *mailbox, uint64_t ticket);
/* The same for the next item of the mailbox, whatever its ticket is. The watch stays, so that the
 * ticket is sent over the socket once, and this function is called before each wait. */
bool fl_wakeup_attend(fl_mailbox *mailbox, uint64_t ticket);
/* Ends the watch of a ticket. */
void fl_wakeup_unwatch(uint64_t ticket);
/* Sends the wake-up of a ticket, and ends its watch. Any thread. */
void fl_wakeup_notify(uint64_t ticket);

/* At `due` sends the wake-up of `ticket`, or, if it is 0, makes the mailbox's descriptor readable.
 * False: the thread cannot be started, or no memory. */
bool fl_wakeup_alarm(fl_mailbox *mailbox, uint64_t ticket, fl_time due);

/* Removes every watch and alarm of a mailbox, whose reader is gone. */
void fl_wakeup_leave(const fl_mailbox *mailbox);

/* Joins the thread, closes the socket and removes the directory, if the thread runs. */
void fl_wakeup_stop(void);

/* Called around a fork: takes and releases the lock, the innermost of all. */
void fl_wakeup_before_fork(void);
void fl_wakeup_after_fork(void);

#endif
