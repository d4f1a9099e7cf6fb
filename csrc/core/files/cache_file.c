/* cache_file.c: the schema of the file of shared replies. */
#include "files/cache_file.h"

static const char *const migrations[] = {
    /* Part of each place, so that a place tells nothing about a key. */
    "CREATE TABLE salt (value TEXT NOT NULL);"
    "INSERT INTO salt VALUES (hex(randomblob(32)));"
    "CREATE TABLE replies ("
    " place TEXT PRIMARY KEY," /* digest of the salt, the service, the key and the read */
    " mark TEXT NOT NULL,"     /* files/write_mark.h, when the request began */
    " began REAL NOT NULL,"    /* epoch seconds */
    " bytes INTEGER NOT NULL," /* of head and text */
    " request_id TEXT NOT NULL, head TEXT NOT NULL, text TEXT NOT NULL);"
    "CREATE INDEX replies_began ON replies (began);",
};

/* A call does not wait long for a cache. */
const fl_store_schema fl_cache_file_schema = {"cache file", 1, migrations, 200 * FL_MILLISECOND,
                                              false};
