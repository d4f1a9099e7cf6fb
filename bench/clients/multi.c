/*
 * multi.c: the small call through libcurl's multi interface, AT_ONCE at a time on as many easy
 * handles, without parsing: the cost of the transfers alone.
 *
 *   multi calls BASE COUNT AT_ONCE   after 100 calls to warm up
 *
 * Prints the seconds and the calls.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WARM 100
#define MOST 1024

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

static void must(int good, const char *what) {
  if (good) return;
  fprintf(stderr, "%s\n", what);
  exit(1);
}

/* Takes the transfers that have ended, and starts others on their handles. Returns how many have
 * ended. */
static long turn(CURLM *multi, long *left) {
  CURLMsg *message;
  int queued;
  long ended = 0;
  while ((message = curl_multi_info_read(multi, &queued)) != NULL) {
    CURL *easy = message->easy_handle;
    long status = 0;
    must(message->msg == CURLMSG_DONE && message->data.result == CURLE_OK, "a transfer failed");
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    must(status == 200, "a reply has another status");
    curl_multi_remove_handle(multi, easy);
    ended++;
    if (*left > 0) {
      curl_multi_add_handle(multi, easy);
      (*left)--;
    }
  }
  return ended;
}

/* Makes `count` calls, as many at once as there are handles. */
static void run(CURLM *multi, CURL **handles, int width, long count) {
  long left = count, done = 0;
  for (int i = 0; i < width && left > 0; i++, left--) curl_multi_add_handle(multi, handles[i]);
  while (done < count) {
    int running;
    must(curl_multi_perform(multi, &running) == CURLM_OK, "curl_multi_perform");
    done += turn(multi, &left);
    if (done < count)
      must(curl_multi_poll(multi, NULL, 0, 1000, NULL) == CURLM_OK, "curl_multi_poll");
  }
}

int main(int count, char **arguments) {
  CURLM *multi;
  CURL *handles[MOST];
  struct curl_slist *headers = NULL;
  char url[256];
  size_t received = 0;
  int width;
  double begun;
  if (count != 5 || strcmp(arguments[1], "calls") != 0) return 2;
  width = atoi(arguments[4]);
  if (width < 1 || width > MOST) return 2;
  curl_global_init(CURL_GLOBAL_DEFAULT);
  multi = curl_multi_init();
  must(multi != NULL, "no memory");
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)width);
  /* The headers that the API asks for, so that both sides send the same. */
  headers = curl_slist_append(headers, "X-Api-Key: key-of-the-benchmark");
  headers = curl_slist_append(headers, "X-Subscription-Id: 6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d");
  snprintf(url, sizeof url, "%s/Import/All", arguments[2]);
  for (int i = 0; i < width; i++) {
    handles[i] = curl_easy_init();
    must(handles[i] != NULL, "no memory");
    curl_easy_setopt(handles[i], CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handles[i], CURLOPT_URL, url);
    curl_easy_setopt(handles[i], CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handles[i], CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(handles[i], CURLOPT_WRITEDATA, &received);
  }
  run(multi, handles, width, WARM);
  begun = now();
  run(multi, handles, width, atol(arguments[3]));
  printf("%.6f %s\n", now() - begun, arguments[3]);
  for (int i = 0; i < width; i++) curl_easy_cleanup(handles[i]);
  curl_multi_cleanup(multi);
  curl_slist_free_all(headers);
  curl_global_cleanup();
  return 0;
}
