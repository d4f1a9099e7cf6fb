/*
 * store.c: fuzzes the state file. The input is a list of changes to the bytes of a good state file:
 * pairs of a place and a value. The file opens or is refused with a message, and a script on it
 * ends; what a script has written is read back.
 */
#include "fuzz.h"

#include <unistd.h>

#include "files/store.h"

#define MOST 65536

static char path[64];
static uint8_t good[MOST];
static size_t good_length;

static fl_store_code run(fl_store *store, const char *sql, const char *value, fl_buffer *rows,
                         int *columns) {
  fl_store_error error = {0};
  fl_store_code code;
  fl_buffer script;
  fl_buffer_init(&script, FL_BUFFER_UNLIMITED);
  HOLDS(fl_script_statement(&script, fl_slice_of(sql), -1) == FL_OK);
  if (value != NULL) HOLDS(fl_script_text(&script, fl_slice_of(value)) == FL_OK);
  rows->length = 0;
  *columns = 0;
  code = fl_store_run(store, &script, false, rows, columns, &error);
  HOLDS(code == FL_STORE_OK || error.message[0] != '\0');
  fl_buffer_free(&script);
  return code;
}

/* Reads all values that a script has given. */
static void read_rows(const fl_buffer *rows, int columns) {
  size_t place = 0, values = 0;
  for (;;) {
    fl_script_value value = fl_script_read(rows, &place);
    if (value.type == FL_SCRIPT_END) break;
    HOLDS(value.type <= FL_SCRIPT_TEXT && place <= rows->length);
    values++;
  }
  HOLDS(columns == 0 ? values == 0 : values % (size_t)columns == 0);
}

static void write_file(const uint8_t *bytes, size_t length) {
  FILE *file = fopen(path, "wb");
  HOLDS(file != NULL);
  HOLDS(fwrite(bytes, 1, length, file) == length);
  HOLDS(fclose(file) == 0);
}

static void remove_files(void) {
  char other[80];
  unlink(path);
  snprintf(other, sizeof other, "%s-wal", path);
  unlink(other);
  snprintf(other, sizeof other, "%s-shm", path);
  unlink(other);
}

static void prepare(void) {
  fl_buffer rows;
  fl_store *store;
  FILE *file;
  int columns;
  snprintf(path, sizeof path, "%s/flarelight-fuzz-%d.db",
           access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
  store = fl_store_new(path, false);
  fl_buffer_init(&rows, FL_BUFFER_UNLIMITED);
  HOLDS(store != NULL);
  HOLDS(run(store,
            "INSERT INTO uploads (token, service, state, kind, options, batch_records, started) "
            "VALUES (?, 's', 'planned', 'array', '{}', 5, 7)",
            "first", &rows, &columns) == FL_STORE_OK);
  fl_store_release(store);
  fl_buffer_free(&rows);
  file = fopen(path, "rb");
  HOLDS(file != NULL);
  good_length = fread(good, 1, MOST, file);
  fclose(file);
  HOLDS(good_length > 4096);
  atexit(remove_files);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static uint8_t changed[MOST];
  fuzz_input input = {bytes, length};
  fl_buffer rows;
  fl_store *store;
  int columns;
  size_t size;
  if (good_length == 0) prepare();
  memcpy(changed, good, good_length);
  size = fuzz_byte(&input) % 8 == 1 ? fuzz_number(&input) % (good_length + 1) : good_length;
  while (input.left > 0) {
    size_t place = fuzz_number(&input) % good_length;
    changed[place] = (uint8_t)fuzz_byte(&input);
  }
  remove_files();
  write_file(changed, size);
  fl_buffer_init(&rows, FL_BUFFER_UNLIMITED);
  store = fl_store_new(path, false);
  HOLDS(store != NULL);
  if (run(store, "SELECT * FROM uploads", NULL, &rows, &columns) == FL_STORE_OK)
    read_rows(&rows, columns);
  if (run(store, "SELECT * FROM batches", NULL, &rows, &columns) == FL_STORE_OK)
    read_rows(&rows, columns);
  if (run(store,
          "INSERT INTO uploads (token, service, state, kind, options, batch_records, started) "
          "VALUES (?, 's', 'planned', 'array', '{}', 5, 7)",
          "second", &rows, &columns) == FL_STORE_OK &&
      run(store, "SELECT token FROM uploads WHERE token = ?", "second", &rows, &columns) ==
          FL_STORE_OK)
    read_rows(&rows, columns);
  fl_store_release(store);
  fl_buffer_free(&rows);
  return 0;
}
