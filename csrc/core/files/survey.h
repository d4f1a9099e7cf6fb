/*
 * survey.h: the learning pass over JSON records, before any record is given. Collects the names of
 * members, and checks the expectations (expect.h) and the names in the mapping.
 *
 * Records of JSON need not have the same members. A name in an option is unknown only if no record
 * has it. The memory is bounded: names after the first 4096 are ignored.
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

/* Surveys a record: the object at node 0 of the tape, which begins on `line`. False after a
 * failure. */
bool fl_survey_record(fl_survey *self, const fl_json_tape *tape, const char *text, int64_t line);
/* Called after the last record. */
void fl_survey_conclude(fl_survey *self);
/* The member of the sent records at a place, from 0, without the constants of the mapping. False
 * behind the last one. */
bool fl_survey_member(const fl_survey *self, size_t place, fl_source_member *out);

#endif
