/*
 * wakeup.c: a thread that listens on a unix socket for tickets, and keeps alarms.
 *
 * Only the thread opens and closes connections. fl_wakeup_notify writes to them under the lock. A
 * ticket that is not watched is answered at once: its item was posted after the waiter had checked
 * its mailbox and before its line arrived here. So no wake-up is lost.
 *
 * A connection is refused unless its peer is this process: relies on SO_PEERCRED, which tells the
 * process that connected. wakeup_directory.c makes the directory of the socket.
 */
#include "engine/wakeup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/process.h"
#include "engine/wakeup_directory.h"

#define BUCKETS 256
#define LINE 24 /* a ticket's digits, a line feed, a NUL */
/* The pause between a failed accept and the next one. */
#define REFUSED_PAUSE (100 * FL_MILLISECOND)

typedef struct connection {
  int descriptor;
  uint64_t ticket; /* the ticket for which the peer waits; 0: none. Under the lock */
  char line[LINE];
  size_t length;
} connection;

typedef struct watch {
  struct watch *next;
  uint64_t ticket;
  const fl_mailbox *mailbox; /* identifies the watches of a mailbox */
  connection *waiter;        /* NULL: the ticket has not been sent yet */
  bool lasting;              /* a wake-up does not end the watch */
  bool missed;               /* a lasting watch had no waiter at the wake-up */
} watch;

typedef struct alarm_entry {
  fl_mailbox *mailbox; /* a reference */
  uint64_t ticket;     /* 0: the mailbox itself */
  fl_time due;
} alarm_entry;

typedef struct server {
  uint64_t process;
  pthread_t thread;
  bool stop;
  int listener;
  int wake[2]; /* a pipe that makes the thread look at the alarms and at `stop` */
  fl_wakeup_directory directory;
  watch *watches[BUCKETS];
  connection **connections; /* used by the thread only */
  size_t count, capacity;
  alarm_entry *alarms;
  size_t alarm_count, alarm_capacity;
} server;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static server *current;

static bool listen_there(server *self) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, self->directory.socket, strlen(self->directory.socket) + 1);
  self->listener = fl_descriptor_socket(AF_UNIX, SOCK_STREAM, 0);
  if (self->listener < 0) return false;
  fcntl(self->listener, F_SETFL, O_NONBLOCK);
  return bind(self->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
         listen(self->listener, SOMAXCONN) == 0;
}

/* --- watches; all under the lock --- */

static watch **find_watch(server *self, uint64_t ticket) {
  watch **link = &self->watches[ticket % BUCKETS];
  while (*link != NULL && (*link)->ticket != ticket) link = &(*link)->next;
  return link;
}

static void drop_watch(watch **link) {
  watch *found = *link;
  *link = found->next;
  if (found->waiter != NULL) found->waiter->ticket = 0;
  free(found);
}

/* Does not block: a line fits into the socket of a peer that has read the line before. */
static void answer(const connection *waiter, uint64_t ticket) {
  char line[LINE];
  int length = snprintf(line, sizeof line, "%llu\n", (unsigned long long)ticket);
  ssize_t sent = send(waiter->descriptor, line, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)sent; /* an error means that the peer is gone */
}

static void notify(server *self, uint64_t ticket) {
  watch **link = find_watch(self, ticket);
  if (*link == NULL) return;
  if ((*link)->waiter != NULL) answer((*link)->waiter, ticket);
  if ((*link)->lasting) (*link)->missed = (*link)->waiter == NULL;
  else drop_watch(link);
}

static void take_ticket(server *self, connection *waiter, uint64_t ticket) {
  watch *found = *find_watch(self, ticket);
  if (found == NULL || found->waiter != NULL) {
    answer(waiter, ticket);
    return;
  }
  found->waiter = waiter;
  waiter->ticket = ticket;
  if (found->missed) answer(waiter, ticket);
  found->missed = false;
}

/* --- connections --- */

static bool is_our_own(int descriptor) {
#ifdef SO_PEERCRED
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
         peer.uid == geteuid() && peer.pid == getpid();
#else
  uid_t user;
  gid_t group;
  return getpeereid(descriptor, &user, &group) == 0 && user == geteuid();
#endif
}

static bool add_connection(server *self, int descriptor) {
  connection *added;
  if (self->count == self->capacity) {
    size_t capacity = self->capacity > 0 ? self->capacity * 2 : 32;
    connection **grown = realloc(self->connections, capacity * sizeof *grown);
    if (grown == NULL) return false;
    self->connections = grown;
    self->capacity = capacity;
  }
  added = calloc(1, sizeof *added);
  if (added == NULL) return false;
  added->descriptor = descriptor;
  self->connections[self->count++] = added;
  return true;
}

/* False if no descriptor is left. */
static bool accept_all(server *self) {
  for (;;) {
    int descriptor = fl_descriptor_accept(self->listener);
    if (descriptor < 0)
      return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED;
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    if (!is_our_own(descriptor) || !add_connection(self, descriptor)) close(descriptor);
  }
}

static void close_connection(server *self, size_t place) {
  connection *gone = self->connections[place];
  pthread_mutex_lock(&lock);
  if (gone->ticket != 0) drop_watch(find_watch(self, gone->ticket));
  pthread_mutex_unlock(&lock);
  close(gone->descriptor);
  free(gone);
  self->connections[place] = self->connections[--self->count];
}

/* Reads the lines that have arrived. False if the connection has to be closed. */
static bool read_lines(server *self, connection *from) {
  for (;;) {
    char byte;
    ssize_t got = recv(from->descriptor, &byte, 1, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (got == 0) return false;
    if (byte == '\n') {
      uint64_t ticket;
      from->line[from->length] = '\0';
      from->length = 0;
      ticket = strtoull(from->line, NULL, 10);
      if (ticket == 0) return false;
      pthread_mutex_lock(&lock);
      if (from->ticket != 0) drop_watch(find_watch(self, from->ticket));
      take_ticket(self, from, ticket);
      pthread_mutex_unlock(&lock);
    } else {
      if (byte < '0' || byte > '9' || from->length == LINE - 2) return false;
      from->line[from->length++] = byte;
    }
  }
}

/* --- alarms --- */

/* Fires the alarms that are due. Returns the time until the next one, or FL_NEVER. */
static fl_time fire_alarms(server *self) {
  fl_time now = fl_clock_now(), next = FL_NEVER;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < self->alarm_count;) {
    alarm_entry *entry = &self->alarms[i];
    if (entry->due <= now) {
      if (entry->ticket != 0) notify(self, entry->ticket);
      else fl_mailbox_signal(entry->mailbox);
      fl_mailbox_release(entry->mailbox);
      *entry = self->alarms[--self->alarm_count];
    } else {
      if (entry->due - now < next) next = entry->due - now;
      i++;
    }
  }
  pthread_mutex_unlock(&lock);
  return next;
}

/* --- the thread --- */

static bool is_stopped(server *self) {
  bool stop;
  pthread_mutex_lock(&lock);
  stop = self->stop;
  pthread_mutex_unlock(&lock);
  return stop;
}

static int to_milliseconds(fl_time time) {
  if (time == FL_NEVER) return -1;
  time = (time + FL_MILLISECOND - 1) / FL_MILLISECOND;
  return time > 60000 ? 60000 : (int)time;
}

static void *run(void *context) {
  server *self = context;
  struct pollfd *polled = NULL;
  size_t capacity = 0;
  bool accepting = true;
  while (!is_stopped(self)) {
    fl_time wait = fire_alarms(self);
    size_t count = self->count; /* connections accepted in this round are not polled yet */
    if (capacity < count + 2) {
      size_t wanted = (count + 2) * 2;
      struct pollfd *grown = realloc(polled, wanted * sizeof *grown);
      if (grown != NULL) {
        polled = grown;
        capacity = wanted;
      } else if (capacity < 2) {
        break;
      } else {
        count = capacity - 2; /* the last ones wait for the next round */
      }
    }
    if (!accepting && wait > REFUSED_PAUSE) wait = REFUSED_PAUSE;
    polled[0] = (struct pollfd){.fd = self->wake[0], .events = POLLIN};
    polled[1] = (struct pollfd){.fd = accepting ? self->listener : -1, .events = POLLIN};
    for (size_t i = 0; i < count; i++)
      polled[i + 2] = (struct pollfd){.fd = self->connections[i]->descriptor, .events = POLLIN};
    if (poll(polled, (nfds_t)(count + 2), to_milliseconds(wait)) < 0 && errno != EINTR) break;
    if (polled[0].revents != 0) {
      char drained[64];
      while (read(self->wake[0], drained, sizeof drained) > 0) {}
    }
    /* From the end, since closing a connection moves the last one into its place. */
    for (size_t i = count; i-- > 0;)
      if (polled[i + 2].revents != 0 && !read_lines(self, self->connections[i]))
        close_connection(self, i);
    accepting = accepting ? polled[1].revents == 0 || accept_all(self) : true;
  }
  free(polled);
  return NULL;
}

static void wake_thread(const server *self) {
  ssize_t written = write(self->wake[1], "", 1); /* if the pipe is full, the thread is awake */
  (void)written;
}

/* --- start and stop --- */

static void close_if_open(int descriptor) {
  if (descriptor >= 0) close(descriptor);
}

/* `whole` is false in the child after a fork. Then only descriptors are closed, since the parent's
 * thread may have been changing the memory during the fork. */
static void free_server(server *self, bool whole) {
  close_if_open(self->listener);
  fl_wakeup_directory_close(&self->directory);
  close_if_open(self->wake[0]);
  close_if_open(self->wake[1]);
  if (!whole) return;
  for (size_t i = 0; i < self->count; i++) {
    close(self->connections[i]->descriptor);
    free(self->connections[i]);
  }
  for (size_t i = 0; i < BUCKETS; i++)
    while (self->watches[i] != NULL) {
      watch *gone = self->watches[i];
      self->watches[i] = gone->next;
      free(gone);
    }
  for (size_t i = 0; i < self->alarm_count; i++) fl_mailbox_release(self->alarms[i].mailbox);
  free(self->connections);
  free(self->alarms);
  free(self);
}

static bool start_thread(server *self) {
  sigset_t all, before;
  int failed;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  failed = pthread_create(&self->thread, NULL, run, self);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed == 0;
}

static bool open_pipe(server *self) {
  if (fl_descriptor_pipe(self->wake) == 0) return true;
  self->wake[0] = self->wake[1] = -1;
  return false;
}

static server *make_server(const char **message) {
  server *self = calloc(1, sizeof *self);
  *message = "no memory for the wake-up socket";
  if (self == NULL) return NULL;
  self->process = fl_process_generation();
  self->listener = self->wake[0] = self->wake[1] = -1;
  *message = "no directory for the wake-up socket can be made in $TMPDIR or /tmp";
  if (!fl_wakeup_directory_make(&self->directory)) {
    free(self);
    return NULL;
  }
  *message = "the wake-up socket cannot be opened";
  if (listen_there(self) && open_pipe(self) && start_thread(self)) {
    *message = NULL;
    return self;
  }
  fl_wakeup_directory_remove(&self->directory);
  free_server(self, true);
  return NULL;
}

/* Under the lock: the server of this process, or NULL. The server of a parent process is not
 * touched. */
static server *own_server(void) {
  if (current != NULL && current->process != fl_process_generation()) {
    free_server(current, false);
    current = NULL;
  }
  return current;
}

static server *start(const char **message) {
  *message = NULL;
  if (own_server() == NULL) current = make_server(message);
  return current;
}

/* --- the interface --- */

const char *fl_wakeup_path(const char **message) {
  const char *path;
  pthread_mutex_lock(&lock);
  path = start(message) != NULL ? current->directory.socket : NULL;
  pthread_mutex_unlock(&lock);
  return path;
}

static bool add_watch(fl_mailbox *mailbox, uint64_t ticket, bool lasting) {
  watch **link = find_watch(current, ticket);
  if (*link != NULL) return true;
  *link = calloc(1, sizeof **link);
  if (*link == NULL) return false;
  **link = (watch){.ticket = ticket, .mailbox = mailbox, .lasting = lasting};
  return true;
}

static bool begin_watch(fl_mailbox *mailbox, uint64_t ticket, bool lasting) {
  bool running;
  pthread_mutex_lock(&lock);
  running = own_server() != NULL && add_watch(mailbox, ticket, lasting);
  pthread_mutex_unlock(&lock);
  if (running) fl_mailbox_set_notify(mailbox, fl_wakeup_notify);
  return running;
}

bool fl_wakeup_watch(fl_mailbox *mailbox, uint64_t ticket) {
  return begin_watch(mailbox, ticket, false);
}

bool fl_wakeup_attend(fl_mailbox *mailbox, uint64_t ticket) {
  if (!begin_watch(mailbox, ticket, true)) return false;
  fl_mailbox_set_attention(mailbox, ticket);
  return true;
}

void fl_wakeup_unwatch(uint64_t ticket) {
  watch **link;
  pthread_mutex_lock(&lock);
  if (own_server() != NULL) {
    link = find_watch(current, ticket);
    if (*link != NULL) drop_watch(link);
  }
  pthread_mutex_unlock(&lock);
}

void fl_wakeup_notify(uint64_t ticket) {
  pthread_mutex_lock(&lock);
  if (own_server() != NULL) notify(current, ticket);
  pthread_mutex_unlock(&lock);
}

bool fl_wakeup_alarm(fl_mailbox *mailbox, uint64_t ticket, fl_time due) {
  const char *message;
  bool set = false;
  pthread_mutex_lock(&lock);
  if (start(&message) != NULL) {
    if (current->alarm_count == current->alarm_capacity) {
      size_t capacity = current->alarm_capacity > 0 ? current->alarm_capacity * 2 : 16;
      alarm_entry *grown = realloc(current->alarms, capacity * sizeof *grown);
      if (grown != NULL) {
        current->alarms = grown;
        current->alarm_capacity = capacity;
      }
    }
    if (current->alarm_count < current->alarm_capacity) {
      current->alarms[current->alarm_count++] =
          (alarm_entry){fl_mailbox_retain(mailbox), ticket, due};
      wake_thread(current);
      set = true;
    }
  }
  pthread_mutex_unlock(&lock);
  return set;
}

void fl_wakeup_leave(const fl_mailbox *mailbox) {
  pthread_mutex_lock(&lock);
  if (own_server() != NULL) {
    for (size_t i = 0; i < BUCKETS; i++)
      for (watch **link = &current->watches[i]; *link != NULL;)
        if ((*link)->mailbox == mailbox) drop_watch(link);
        else link = &(*link)->next;
    for (size_t i = 0; i < current->alarm_count;)
      if (current->alarms[i].mailbox == mailbox) {
        fl_mailbox_release(current->alarms[i].mailbox);
        current->alarms[i] = current->alarms[--current->alarm_count];
      } else {
        i++;
      }
  }
  pthread_mutex_unlock(&lock);
}

void fl_wakeup_stop(void) {
  server *self;
  pthread_mutex_lock(&lock);
  self = own_server();
  current = NULL;
  if (self != NULL) {
    self->stop = true;
    wake_thread(self);
  }
  pthread_mutex_unlock(&lock);
  if (self == NULL) return;
  pthread_join(self->thread, NULL);
  fl_wakeup_directory_remove(&self->directory);
  free_server(self, true);
}

void fl_wakeup_before_fork(void) { pthread_mutex_lock(&lock); }
void fl_wakeup_after_fork(void) { pthread_mutex_unlock(&lock); }
