/*
 * page_columns.h: the method `columns` of pages.
 */
#ifndef FL_PAGE_COLUMNS_H
#define FL_PAGE_COLUMNS_H

#include "lua_compat.h"

/* Adds the method to the class of pages. */
void fl_lua_page_columns_open(lua_State *L);

#endif
