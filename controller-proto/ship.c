/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of sinks, and how long to wait after a failure.
 */
#include "config.h"

#include "controller-proto/ship_impl.h"

#include "base/clock.h"
#include "base/error.h"

#include <json-c/json.h>
#include <string.h>
#include <sys/random.h>
#ifdef WITH_CURL
#include <curl/curl.h>
#endif

#define BACKOFF_BASE_MS 2000u
#define BACKOFF_CAP_MS (15u * 60 * 1000)

const struct sink_ops *const sinks[] = {
#ifdef WITH_CURL
  &sink_http,
  &sink_https,
#endif
  &sink_dir,
  NULL,
};

int
ship_init (struct error *err)
{
#ifdef WITH_CURL
  if (curl_global_init (CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return error_set (err, ENOMEM, "libcurl does not start");
#endif
  return 0;
}

const struct sink_ops *
sink_find (const char *url)
{
  size_t n = url ? strcspn (url, ":") : 0;

  if (n == 0 || url[n] != ':')
    return NULL;
  for (unsigned i = 0; sinks[i]; i++)
    if (strlen (sinks[i]->name) == n && strncmp (url, sinks[i]->name, n) == 0)
      return sinks[i];
  return NULL;
}

bool
sink_redacts (const struct sink_config *cfg)
{
  /* What cannot be meant is none of "as it is". */
  return cfg->redact
         && !(json_object_is_type (cfg->redact, json_type_boolean)
              && !json_object_get_boolean (cfg->redact));
}

uint64_t
ship_backoff_ms (unsigned attempts)
{
  uint64_t most = BACKOFF_CAP_MS, dice;

  if (attempts < 10 && (BACKOFF_BASE_MS << attempts) < BACKOFF_CAP_MS)
    most = BACKOFF_BASE_MS << attempts;
  /* Boxes that failed together must not come back together: the clock alone
   * is too alike on them, so it only stands in for the kernel's dice. */
  if (getrandom (&dice, sizeof dice, GRND_NONBLOCK) != sizeof dice)
    dice = clock_us ();
  return dice % (most + 1);
}
