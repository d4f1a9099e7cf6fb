/*
 * source_json.h: JSON and JSON lines files as sources.
 */
#ifndef FL_SOURCE_JSON_H
#define FL_SOURCE_JSON_H

#include "files/source_input.h"

extern const fl_source_reader fl_source_json, fl_source_json_lines;

#endif
