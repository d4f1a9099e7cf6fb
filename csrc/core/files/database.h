/*
 * database.h: the state of clients, wherever it is kept: in a file (files/store.h, with the locks
 * of files/lock.h), or in PostgreSQL, by the module csrc/postgres.
 *
 * The module of PostgreSQL is a library of its own, so that libpq is needed only for a state that
 * is kept there. It registers its function when it is loaded.
 *
 * Any thread. Who holds a lock keeps a reference to its database.
 */
#ifndef FL_DATABASE_H
#define FL_DATABASE_H

#include "base/permit.h"
#include "files/store.h"

/* Both sides check this number. A module of another build is refused. */
#define FL_DATABASE_VERSION 4u
/* The class of the userdata that carries the pointer to the functions from one module to the other.
 * A light userdata could not be told from any other light userdata of a script. */
#define FL_DATABASE_CLASS "flarelight.database"

typedef struct fl_database fl_database;
typedef struct fl_database_lock fl_database_lock;

typedef struct fl_database_class {
  bool remote; /* every function but retain may wait for the network */
  /* See fl_store_run. FL_STORE_LOST: a lock that this database holds has gone to another holder, so
   * nothing was run. */
  fl_store_code (*run)(fl_database *self, const fl_buffer *script, bool relaxed, fl_buffer *rows,
                       int *columns, fl_store_error *error);
  /* See fl_store_exchange. The commit does not wait for the disk. */
  fl_store_code (*exchange)(fl_database *self, const fl_buffer *script, fl_store_follow *follow,
                            void *context, fl_store_error *error);
  /* An expression of SQL: the time by the database's clock, in microseconds since the Unix epoch.
   * NULL: its clock is that of this machine. */
  const char *now;
  /* FL_STORE_OK with *lock, which is NULL if another holder has the name. */
  fl_store_code (*lock)(fl_database *self, fl_slice name, fl_database_lock **lock,
                        fl_store_error *error);
  /* NULL: for what `leave` has begun. */
  void (*unlock)(fl_database *self, fl_database_lock *lock);
  /* Of a remote database: begins to release a lock, at once. The next function that is called ends
   * that first, so that no later `lock` finds it. False if nothing is left to do: the lock was the
   * parent process's. */
  bool (*leave)(fl_database *self, fl_database_lock *lock);
  /* FL_STORE_OK with *held: whether a holder in any process has the name. */
  fl_store_code (*is_locked)(fl_database *self, fl_slice name, bool *held, fl_store_error *error);
  fl_database *(*retain)(fl_database *self);
  void (*release)(fl_database *self);
} fl_database_class;

/* The head of a larger struct. */
struct fl_database {
  const fl_database_class *class;
  fl_permit *permit; /* good while the leases of its locks last; NULL: its locks have no lease */
};

typedef struct fl_database_functions {
  unsigned version;
  /* Opens a database by its URL, without connecting. A server that does not answer is given up
   * after `patience` seconds, unless the URL says otherwise. `apart`: for what is of use only while
   * the server answers, as a cache. Its transactions do not wait for those of others, and its locks
   * end with its connection, instead of having a lease. NULL with the message, which has no
   * password. */
  fl_database *(*open)(const char *url, int patience, bool apart, fl_store_error *error);
} fl_database_functions;

/* Takes over the reference of a store. NULL without memory; the store then stays the caller's. */
fl_database *fl_database_of_store(fl_store *store);

/* Registers the functions of the module. False if the module is of another build. */
bool fl_database_install(const fl_database_functions *functions);
/* NULL: the module was not loaded. Any thread. */
const fl_database_functions *fl_database_installed(void);

#endif
