/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending one bundle, or one document, to one sink.  Blocking; runs on that
 * sink's thread of the writer.  One file per kind of sink, one line in the
 * table.
 */
#ifndef HANGDOG_PROTO_SHIP_H
#define HANGDOG_PROTO_SHIP_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct json_object;

/* "sink": {"url": "http://...", "token-file": "/...", ...} */
struct sink_config
{
  char *name;       /* in the spool, and in what is said of it */
  char *url;        /* http(s)://HOST/PATH: PUT to URL/NAME; dir:/PATH */
  char *token_file; /* bearer token, read anew for each try */
  char *ca_file;    /* PEM, trusted instead of the system's */
  char *cert_file;  /* PEM, to show who we are; read anew for each try */
  char *key_file;   /* its key; NULL = it is in cert_file too */
  char *proxy;      /* NULL = of the environment, "none" = none */
  uint64_t timeout_ms;  /* without progress, default 30 s */
  uint64_t max_rate;    /* bytes per second, 0 = none */
  struct json_object *redact; /* true, "strict", or a file of rules: nothing
                                 goes there that was not redacted */
};
/* Is it to get only what was redacted? */
bool sink_redacts (const struct sink_config *cfg);

enum ship_end
{
  SHIP_DONE,   /* acknowledged */
  SHIP_RETRY,  /* try again later (see retry_after_ms) */
  SHIP_PARK,   /* refused for good: this item only */
  SHIP_DENIED, /* 401/403: nothing will go until somebody mends it */
};

struct ship_item
{
  const char *id;
  const char *name;   /* file name at the sink */
  const char *digest; /* sha256 hex */
  int fd;
  uint64_t size;
  bool replace;       /* a document: it takes the place of the one before */
};

struct sink_ops
{
  const char *name; /* the scheme: "http", "https", "dir" */
  const char *summary;
  enum ship_end (*send) (const struct sink_config *cfg,
                         const struct ship_item *item,
                         uint64_t *ret_retry_after_ms, struct error *err);
};
extern const struct sink_ops *const sinks[]; /* ends with NULL */
const struct sink_ops *sink_find (const char *url);

/* Before the first send(); more often does no harm. */
int ship_init (struct error *err);

/* Full jitter: random(0, min(cap, base * 2^attempts)); base 2 s, cap 15 min. */
uint64_t ship_backoff_ms (unsigned attempts);

#endif
