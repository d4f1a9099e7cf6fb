/*
 * cache_file.h: the replies that the processes with one state file share. The binding's store
 * (files/store.h) runs the statements; lua/flarelight/cache/shared.lua writes them.
 */
#ifndef FL_CACHE_FILE_H
#define FL_CACHE_FILE_H

#include "files/store.h"

#define FL_CACHE_FILE_ENDING "-cache"

extern const fl_store_schema fl_cache_file_schema;

#endif
