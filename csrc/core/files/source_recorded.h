/*
 * source_recorded.h: recordings (recording.h) as sources.
 */
#ifndef FL_SOURCE_RECORDED_H
#define FL_SOURCE_RECORDED_H

#include "files/source_input.h"

extern const fl_source_reader fl_source_recorded;

#endif
