/*
 * source_csv.h: CSV and TSV files as sources.
 */
#ifndef FL_SOURCE_CSV_H
#define FL_SOURCE_CSV_H

#include "files/source_input.h"

extern const fl_source_reader fl_source_csv, fl_source_tsv;

#endif
