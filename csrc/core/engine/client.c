/* client.c: making and freeing clients. Relies on policy/url.h to tell loopback. */
#include "engine/client.h"

#include <stdlib.h>

#include "policy/url.h"

static atomic_ullong last_client;

/* The members of the settings that are strings, which the client copies and frees. */
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
  fl_buffer_pool_init(&client->pool);
  client->settings = *settings;
  if (settings->leases != NULL) settings->leases->retain(settings->leases);
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

void fl_client_release(fl_client *client) {
  if (atomic_fetch_sub(&client->references, 1) != 1) return;
  for (size_t i = 0; i < SETTING_STRINGS; i++) free((void *)*setting_at(&client->settings, i));
  fl_buffer_pool_destroy(&client->pool);
  fl_latency_free(&client->counters.latency);
  if (client->settings.leases != NULL) client->settings.leases->release(client->settings.leases);
  free(client);
}
