/*
 * store.h: the state file: an SQLite database that all processes of a machine may use at once.
 *
 * It holds the journal of uploads (the tables `uploads` and `batches`, which docs/uploads.md
 * describes), the state of the files of exports with `continue` (`exports`), the blocks of api:once
 * and their writes (`blocks`, `writes`), and the `history`. Migrations add later tables. The first
 * script opens it, in WAL mode with synchronous = FULL: committed data survives a crash of the
 * machine, except for that of relaxed scripts. A new file is readable by its owner alone (0600). A
 * file that another user owns or may write is refused. A script that finds the file locked waits
 * for up to 10 s.
 *
 * A script (files/script.h) runs in one transaction.
 *
 * Any thread; one script a store at a time. Around a fork no script runs and every database is
 * closed; parent and child open it anew.
 */
#ifndef FL_STORE_H
#define FL_STORE_H

#include "files/script.h"

#define FL_STORE_VERSION 4 /* of the schema: user_version */

typedef struct fl_store fl_store;

/* What a file holds. */
typedef struct fl_store_schema {
  const char *name; /* of such a file, for messages */
  int version;      /* user_version; migrations[n] leads from version n to the next */
  const char *const *migrations;
  fl_time patience; /* the most time that a script waits for a locked file, in all; the first one
                       waits for 2 s at least */
  bool durable;     /* a commit waits for the disk. Otherwise a crash of the machine may damage the
                       file: it is then deleted, and made anew */
} fl_store_schema;

/* Registers the handlers of forks and of exit, which closes all databases, once a process. A thread
 * that holds a lock around forks may release stores only if its own handlers were registered later.
 * False without memory; the next call tries again. */
bool fl_store_prepare(void);

/* Opens nothing yet. Links are followed now, and the file that was found is used from then on; the
 * missing target of a link is never created. NULL without memory. One reference is the caller's.
 * `shared`: the file may be other members' of a group of this process, and a new one may be written
 * by the group (base/owned.h). */
fl_store *fl_store_new(const char *path, bool shared);
/* The same for a file of another schema, which the caller keeps. */
fl_store *fl_store_new_of(const char *path, bool shared, const fl_store_schema *schema);
/* The same for a state file whose links were followed before: `path` is what base/real_path.h
 * answers, with `linked`, for `name`, which messages show. A link that came to `path` since then is
 * refused. */
fl_store *fl_store_new_found(const char *path, const char *name, bool linked, bool shared);
fl_store *fl_store_retain(fl_store *store);
/* Releases a reference. The last one closes the database, which may wait for the disk. */
void fl_store_release(fl_store *store);

typedef enum fl_store_code {
  FL_STORE_OK = 0,
  FL_STORE_IO,     /* the file cannot be used; see the message */
  FL_STORE_CONFIG, /* the file is of a newer version, or of another program */
  FL_STORE_GUARD,  /* a statement changed an unexpected number of rows; the transaction was rolled
                      back */
  FL_STORE_LOST,   /* of a database: another process has taken over a lock */
  FL_STORE_NO_MEMORY
} fl_store_code;

/* The fault of a link without a target, for a message behind the name. */
#define FL_STORE_NO_TARGET "is a symbolic link to a file that is not there"

typedef struct fl_store_error {
  fl_store_code code;
  char message[512]; /* with the name */
} fl_store_error;

/* --- running --- */

/*
 * Runs a script, and appends the rows of its last statement. *columns is their number of columns, 0
 * if there are no rows. A `relaxed` script is not synced: other processes see it at once, and it
 * survives the end of this process. It survives a crash of the machine once a later script that is
 * not relaxed has ended. (In a file without WAL every script is synced.)
 */
fl_store_code fl_store_run(fl_store *store, const fl_buffer *script, bool relaxed, fl_buffer *rows,
                           int *columns, fl_store_error *error);

/* Writes the statements that follow in the same transaction, after it has read the rows of the
 * first ones. */
typedef fl_result fl_store_follow(void *context, const fl_buffer *rows, int columns,
                                  fl_buffer *script);

/* Runs a script, and the one that `follow` writes, in one transaction. `follow` may be called more
 * than once, each time with new rows. */
fl_store_code fl_store_exchange(fl_store *store, const fl_buffer *script, fl_store_follow *follow,
                                void *context, fl_store_error *error);

const char *fl_store_path(const fl_store *store); /* without links */
const char *fl_store_name(const fl_store *store); /* as it was given */
bool fl_store_is_linked(const fl_store *store);   /* a link led to the file */
bool fl_store_is_shared(const fl_store *store);

#endif
