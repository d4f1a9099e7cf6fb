/*
 * survey.h: the pass over JSON records before any is given: which members there are, and whether
 * the records are as expected (expect.h) and as the mapping takes them for.
 *
 * Records of JSON need not have the same members. A name that an option gives is unknown only where
 * no record has it. The memory is bounded: of more than 4096 names the rest is not looked at.
 */
#ifndef FL_SURVEY_H
#define FL_SURVEY_H

#include "files/source_input.h"

typedef struct fl_survey fl_survey;

/* Whether the options ask for a survey. */
bool fl_survey_is_needed(const fl_source_options *options);
/* NULL without memory. */
fl_survey *fl_survey_open(fl_source_input *input);
void fl_survey_close(fl_survey *self);

/* A record, an object at node 0 of the tape, which begins on `line`. False after a failure. */
bool fl_survey_record(fl_survey *self, const fl_json_tape *tape, const char *text, int64_t line);
/* After the last record. */
void fl_survey_conclude(fl_survey *self);

#endif
