/*
 * call.c: calls, clients, orders and their memory. A call's strings and the call are one block, so
 * that handing it over and giving it back is one step each. Relies on url.h for what a path may be.
 */
#include "engine/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/url.h"

static atomic_ullong last_ticket;
static atomic_ullong last_client;

uint64_t fl_ticket_next(void) { return atomic_fetch_add(&last_ticket, 1) + 1; }

/* The members of the settings that are strings; kept in one place so that none is forgotten. */
static const size_t setting_strings[] = {
    offsetof(fl_client_settings, base_url),    offsetof(fl_client_settings, subscription_id),
    offsetof(fl_client_settings, user_agent),  offsetof(fl_client_settings, ca_file),
    offsetof(fl_client_settings, client_cert), offsetof(fl_client_settings, client_key),
    offsetof(fl_client_settings, proxy)};
#define SETTING_STRINGS (sizeof setting_strings / sizeof setting_strings[0])

static const char **setting_at(fl_client_settings *settings, size_t which) {
  return (const char **)(void *)((char *)settings + setting_strings[which]);
}

fl_client *fl_client_new(const fl_client_settings *settings) {
  fl_client *client = calloc(1, sizeof *client);
  if (client == NULL) return NULL;
  atomic_init(&client->references, 1);
  pthread_mutex_init(&client->pool.lock, NULL);
  client->settings = *settings;
  for (size_t i = 0; i < SETTING_STRINGS; i++) *setting_at(&client->settings, i) = NULL;
  for (size_t i = 0; i < SETTING_STRINGS; i++) {
    const char **source = setting_at((fl_client_settings *)(void *)settings, i);
    if (*source == NULL) continue;
    *setting_at(&client->settings, i) = strdup(*source);
    if (*setting_at(&client->settings, i) == NULL) {
      fl_client_release(client);
      return NULL;
    }
  }
  client->number = atomic_fetch_add(&last_client, 1) + 1;
  client->loopback = fl_url_is_loopback(fl_slice_of(client->settings.base_url));
  return client;
}

fl_client *fl_client_retain(fl_client *client) {
  atomic_fetch_add(&client->references, 1);
  return client;
}

static size_t size_of_pooled(const fl_pooled_buffer *pooled) {
  return pooled->text.capacity + pooled->tape.capacity * sizeof *pooled->tape.nodes;
}

/* Under the lock. */
static bool may_keep(const fl_buffer_pool *pool, size_t size) {
  return size <= (pool->pagers > 0 ? FL_POOL_LARGEST : FL_POOL_SMALL);
}

static void free_pooled(fl_pooled_buffer *pooled) {
  fl_buffer_free(&pooled->text);
  fl_json_tape_free(&pooled->tape);
}

void fl_client_release(fl_client *client) {
  if (atomic_fetch_sub(&client->references, 1) != 1) return;
  for (size_t i = 0; i < SETTING_STRINGS; i++) free((void *)*setting_at(&client->settings, i));
  while (client->pool.count > 0) free_pooled(&client->pool.kept[--client->pool.count]);
  pthread_mutex_destroy(&client->pool.lock);
  free(client);
}

/* --- the buffer pool --- */

void fl_client_reads(fl_client *client, int change) {
  fl_buffer_pool *pool = &client->pool;
  int kept = 0;
  pthread_mutex_lock(&pool->lock);
  pool->pagers += change;
  for (int i = 0; i < pool->count; i++) {
    if (may_keep(pool, size_of_pooled(&pool->kept[i]))) pool->kept[kept++] = pool->kept[i];
    else free_pooled(&pool->kept[i]);
  }
  pool->count = kept;
  pthread_mutex_unlock(&pool->lock);
}

void fl_call_take_pooled(fl_call *call) {
  fl_buffer_pool *pool = &call->client->pool;
  if (call->text.data != NULL) return;
  pthread_mutex_lock(&pool->lock);
  if (pool->count > 0) {
    const fl_pooled_buffer *pooled = &pool->kept[--pool->count];
    const size_t ceiling = call->text.ceiling;
    call->text = pooled->text;
    call->text.length = 0;
    call->text.ceiling = ceiling;
    call->tape = pooled->tape;
    call->tape.count = 0;
  }
  pthread_mutex_unlock(&pool->lock);
}

/* What is not kept is freed. */
static void give_to_pool(fl_client *client, fl_pooled_buffer pooled) {
  fl_buffer_pool *pool = &client->pool;
  bool kept;
  pthread_mutex_lock(&pool->lock);
  kept = pooled.text.data != NULL && pool->count < FL_POOL_BUFFERS &&
         may_keep(pool, size_of_pooled(&pooled));
  if (kept) pool->kept[pool->count++] = pooled;
  pthread_mutex_unlock(&pool->lock);
  if (!kept) free_pooled(&pooled);
}

/* Copies a slice with a NUL to `*cursor` and moves it on. */
static char *place(char **cursor, fl_slice text) {
  char *start = *cursor;
  if (text.length > 0) memcpy(start, text.data, text.length);
  start[text.length] = '\0';
  *cursor += text.length + 1;
  return start;
}

static void free_item(fl_item *item) { fl_call_free((fl_call *)(void *)item); }

fl_call *fl_call_new(fl_client *client, fl_mailbox *mailbox, uint64_t ticket,
                     const fl_request *request, int *code) {
  fl_slice base = fl_slice_of(client->settings.base_url);
  fl_url_code url_code = FL_URL_OK;
  fl_buffer url;
  fl_call *call = NULL;
  fl_slice path;
  char *cursor;

  fl_buffer_init(&url, FL_BUFFER_UNLIMITED);
  *code = FL_URL_OK;
  if (fl_url_append_path(&url, base, request->path, request->id, &url_code) != FL_OK ||
      fl_buffer_append(&url, request->query.data, request->query.length) != FL_OK) {
    *code = url_code;
    goto done;
  }
  path = (fl_slice){url.data + base.length, url.length - base.length - request->query.length};
  call = calloc(1, sizeof *call + request->operation.length + request->method.length + url.length +
                       path.length + request->api_key.length + 5);
  if (call == NULL) goto done;
  cursor = (char *)(call + 1);
  call->operation = place(&cursor, request->operation);
  call->method = place(&cursor, request->method);
  call->url = place(&cursor, (fl_slice){url.data, url.length});
  call->path = place(&cursor, path);
  call->api_key = place(&cursor, request->api_key);

  call->item.type = FL_ITEM_CALL;
  call->item.free = free_item;
  call->item.ticket = ticket;
  call->client = fl_client_retain(client);
  call->mailbox = fl_mailbox_retain(mailbox);
  fl_buffer_init(&call->body, FL_BUFFER_UNLIMITED);
  if (request->body != NULL) {
    call->body = *request->body;
    fl_buffer_init(request->body, request->body->ceiling);
    call->has_body = true;
  }
  call->write = request->write;
  call->repeatable = request->repeatable;
  call->expects_id = request->expects_id;
  call->expects_rows = request->expects_rows;
  call->interactive = request->interactive;
  call->deadline = request->deadline;
  call->retry.write = request->write;
  call->retry.repeatable = request->repeatable;
  call->retry.deadline = request->deadline;
  call->retry_at_wall = FL_UNKNOWN;
  fl_response_head_init(&call->head);
  fl_buffer_init(&call->text, client->settings.max_response_bytes);
  fl_json_tape_init(&call->tape);

done:
  fl_buffer_free(&url);
  return call;
}

void fl_call_free(fl_call *call) {
  fl_wipe(call->api_key, strlen(call->api_key));
  fl_buffer_free(&call->body);
  give_to_pool(call->client, (fl_pooled_buffer){call->text, call->tape});
  fl_client_release(call->client);
  fl_mailbox_release(call->mailbox);
  free(call);
}

void fl_call_say_no_rows(fl_call *call) {
  char came[160];
  fl_page_describe(&call->tape, call->text.data, call->envelope.data, came, sizeof came);
  snprintf(
      call->message, sizeof call->message,
      "%s: data should be an array of rows, or an object whose one array is records, but is %s",
      call->operation, came);
}

static void free_command(fl_item *item) {
  fl_command *command = (fl_command *)(void *)item;
  if (command->client) fl_client_release(command->client);
  if (command->mailbox) fl_mailbox_release(command->mailbox);
  free(command);
}

fl_command *fl_command_new(fl_item_type type, uint64_t ticket, fl_client *client,
                           fl_mailbox *mailbox) {
  fl_command *command = calloc(1, sizeof *command);
  if (command == NULL) return NULL;
  command->item.type = type;
  command->item.free = free_command;
  command->item.ticket = ticket;
  command->client = client ? fl_client_retain(client) : NULL;
  command->mailbox = mailbox ? fl_mailbox_retain(mailbox) : NULL;
  return command;
}
