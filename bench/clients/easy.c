/*
 * easy.c: libcurl's easy interface in a loop, without parsing: the cost of the transfer alone.
 *
 *   easy rows BASE ROWS    the pages of an import, up to the empty one
 *   easy calls BASE COUNT  the small call, after 100 of them to warm up
 *
 * Prints the seconds, and the rows or calls.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_ROWS 5000

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t count_bytes(char *bytes, size_t size, size_t count, void *total) {
  (void)bytes;
  *(size_t *)total += size * count;
  return size * count;
}

static size_t get(CURL *curl, const char *url, size_t *received) {
  long status = 0;
  CURLcode code;
  *received = 0;
  curl_easy_setopt(curl, CURLOPT_URL, url);
  code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK || status != 200) {
    fprintf(stderr, "%s: %s, status %ld\n", url, curl_easy_strerror(code), status);
    exit(1);
  }
  return *received;
}

int main(int count, char **arguments) {
  CURL *curl;
  struct curl_slist *headers = NULL;
  char url[256];
  size_t received;
  long done = 0, wanted;
  double begun;
  if (count != 4) return 2;
  wanted = atol(arguments[3]);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  curl = curl_easy_init();
  if (curl == NULL) return 1;
  /* The headers that the API asks for, so that both sides send the same. */
  headers = curl_slist_append(headers, "X-Api-Key: key-of-the-benchmark");
  headers = curl_slist_append(headers, "X-Subscription-Id: 6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, count_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
  if (strcmp(arguments[1], "rows") == 0) {
    begun = now();
    for (;;) {
      snprintf(url, sizeof url, "%s/Import/%s/Data?start=%ld&count=%d", arguments[2], arguments[3],
               done, PAGE_ROWS);
      if (get(curl, url, &received) < 64) break;
      done += PAGE_ROWS;
    }
  } else {
    snprintf(url, sizeof url, "%s/Import/All", arguments[2]);
    for (int warm = 0; warm < 100; warm++) get(curl, url, &received);
    begun = now();
    for (; done < wanted; done++) get(curl, url, &received);
  }
  printf("%.6f %ld\n", now() - begun, done);
  curl_easy_cleanup(curl);
  curl_slist_free_all(headers);
  curl_global_cleanup();
  return 0;
}
