/*
 * source_recorded.c: gives the records of a recording as they were written, with their lines.
 *
 * The text is not scanned again: it was made by this process, and the file has no name.
 */
#include "files/source_recorded.h"

#include "files/recording.h"

static void *open_recorded(fl_source_input *input) { return input; }
static void close_recorded(void *state) { (void)state; }
static bool begin(void *state) { return ((const fl_source_input *)state)->failure.code == 0; }
static void conclude(void *state) { (void)state; }

/* Whether this many bytes are in the window. */
static bool need(fl_source_input *input, size_t length) {
  while (input->window.length - input->at < length)
    if (!fl_source_input_read(input)) return false;
  return true;
}

static void pull(void *state) {
  fl_source_input *input = state;
  fl_recording_head head;
  if (!need(input, sizeof head) && input->window.length == input->at) {
    input->ended = true;
    return;
  }
  if (need(input, sizeof head)) {
    memcpy(&head, input->window.data + input->at, sizeof head);
    if (need(input, sizeof head + head.length)) {
      input->at += sizeof head;
      if (!fl_source_input_begin_record(input)) return;
      if (fl_buffer_append(input->target, input->window.data + input->at, head.length) != FL_OK) {
        fl_source_input_fail_memory(input);
        return;
      }
      input->at += head.length;
      fl_source_input_end_record_of(input, head.line, head.part);
      return;
    }
  }
  fl_source_input_fail_content(input, 0, "the file ends within a record");
}

const fl_source_reader fl_source_recorded = {
    .open = open_recorded,
    .begin = begin,
    .pull = pull,
    .conclude = conclude,
    .close = close_recorded,
};
