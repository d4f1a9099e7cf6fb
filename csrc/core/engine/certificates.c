/*
 * certificates.c: the chain of certificates that a server presents. See certificates.h.
 */
#include "engine/certificates.h"

#include <curl/curl.h>

static void tell_all(CURL *easy, fl_certificates_line tell, void *context) {
  struct curl_certinfo *chain = NULL;
  if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL) return;
  for (int place = 0; place < chain->num_of_certs; place++)
    for (const struct curl_slist *line = chain->certinfo[place]; line != NULL; line = line->next)
      tell(context, place, line->data);
}

#define SET(option, value)                                     \
  do {                                                         \
    CURLcode set_code = curl_easy_setopt(easy, option, value); \
    if (set_code != CURLE_OK) return set_code;                 \
  } while (0)

static CURLcode set_request(CURL *easy, const fl_certificates_request *request) {
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_URL, request->url);
  SET(CURLOPT_CONNECT_ONLY, 1L);
  SET(CURLOPT_CERTINFO, 1L);
  SET(CURLOPT_SSL_VERIFYPEER, 0L);
  SET(CURLOPT_SSL_VERIFYHOST, 0L);
  SET(CURLOPT_TIMEOUT_MS, (long)(request->timeout / FL_MILLISECOND));
  if (request->client_cert) SET(CURLOPT_SSLCERT, request->client_cert);
  if (request->client_key) SET(CURLOPT_SSLKEY, request->client_key);
  if (request->proxy) {
    SET(CURLOPT_PROXY, request->proxy);
    SET(CURLOPT_NOPROXY, "");
  }
  return CURLE_OK;
}

const char *fl_certificates_read(const fl_certificates_request *request, fl_certificates_line tell,
                                 void *context) {
  CURL *easy = curl_easy_init();
  CURLcode code;
  if (easy == NULL) return "not enough memory";
  code = set_request(easy, request);
  if (code == CURLE_OK) code = curl_easy_perform(easy);
  if (code == CURLE_OK) tell_all(easy, tell, context);
  curl_easy_cleanup(easy);
  return code == CURLE_OK ? NULL : curl_easy_strerror(code);
}
