/* SPDX-License-Identifier: Apache-2.0
 *
 * Where bundles go, as the configuration says it.
 */
#include "supervisor/conf/settings_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

const struct json_field config_sink[] = {
  { "url", JSON_STRING, offsetof (struct sink_config, url), .min = 1,
    .max = 2048, .help = "where bundles go: http(s)://host/path or dir:/path" },
  { "token-file", JSON_STRING, offsetof (struct sink_config, token_file),
    .help = "file holding the bearer token" },
  { "ca-file", JSON_STRING, offsetof (struct sink_config, ca_file),
    .help = "certificates to trust instead of the system's" },
  { "cert-file", JSON_STRING, offsetof (struct sink_config, cert_file),
    .help = "certificate (PEM) that shows the controller who this is" },
  { "key-file", JSON_STRING, offsetof (struct sink_config, key_file),
    .help = "its key (PEM), if it is not in cert-file" },
  { "proxy", JSON_STRING, offsetof (struct sink_config, proxy), .max = 1024,
    .help = "http://HOST:PORT, socks5h://HOST:PORT or none; else as "
            "https_proxy in the environment says" },
  { "timeout", JSON_DURATION, offsetof (struct sink_config, timeout_ms),
    .min = 1000, .max = 3600 * 1000,
    .help = "give a transfer up after so long without progress" },
  { "max-rate", JSON_SIZE, offsetof (struct sink_config, max_rate),
    .help = "bytes per second, 0 for no cap" },
  { "redact", JSON_RAW, offsetof (struct sink_config, redact),
    .help = "true, \"strict\", or a file of rules: what goes there has "
            "pseudonyms for addresses and names, and no secrets" },
  { 0 },
};

const struct json_field config_named_sink[] = {
  { "name", JSON_STRING, offsetof (struct sink_config, name), .required = true,
    .min = 1, .max = SINK_NAME_MAX,
    .help = "what it is called in the spool and in messages" },
  { .kind = JSON_GROUP, .sub = config_sink },
  { 0 },
};

const struct sink_config config_sink_defaults = { .timeout_ms = 30 * 1000 };

/* ---- what is wrong with one ---- */

static bool
known_sink (const char *url)
{
  return strncmp (url, "dir:/", 5) == 0
#ifdef WITH_CURL
         || strncmp (url, "http://", 7) == 0
         || strncmp (url, "https://", 8) == 0
#endif
      ;
}

/* What is in an address is seen by everybody who looks at processes, logs or
 * the configuration. */
static bool
holds_secret (const char *url)
{
  const char *host = strstr (url, "://");

  return host && memchr (host + 3, '@', strcspn (host + 3, "/"));
}

static bool
can_redact (struct json_object *said)
{
  const char *word = json_object_is_type (said, json_type_string)
                         ? json_object_get_string (said)
                         : NULL;

  return json_object_is_type (said, json_type_boolean)
         || (word && (strcmp (word, "strict") == 0 || word[0] == '/'));
}

#define PATH(key)                                                             \
  (snprintf (path, sizeof (path), "%s." key, at), path)

static int
check_sink (const struct json_doc *doc, const char *at,
            const struct sink_config *sink, struct error *err)
{
  char path[64];

  static const char *const proxies[]
      = { "http://", "https://", "socks5://", "socks5h://" };
  bool proxy_ok = !sink->proxy || strcmp (sink->proxy, "none") == 0;

  if (sink->url && !known_sink (sink->url))
    return json_error_at (doc, PATH ("url"), err,
                          "no sink of this build takes \"%s\" (say http://, "
                          "https:// or dir:/)",
                          sink->url);
  if (sink->url && holds_secret (sink->url))
    return json_error_at (doc, PATH ("url"), err,
                          "no user or password here: put a token into a file "
                          "and name it in token-file");
  if (sink->url && strncmp (sink->url, "http", 4) == 0
      && sink->url[strcspn (sink->url, "?# \t\r\n")])
    return json_error_at (doc, PATH ("url"), err,
                          "no ?, # or blank here: /NAME of the bundle is put "
                          "behind it");
  for (size_t i = 0; i < ARRAY_LEN (proxies); i++)
    if (!proxy_ok)
      proxy_ok = strncmp (sink->proxy, proxies[i], strlen (proxies[i])) == 0;
  if (!proxy_ok)
    return json_error_at (doc, PATH ("proxy"), err,
                          "say http://, https://, socks5:// or socks5h:// and "
                          "HOST:PORT, or none");
  if (sink->proxy && holds_secret (sink->proxy))
    return json_error_at (doc, PATH ("proxy"), err,
                          "no user or password here: put them into "
                          "https_proxy in the service's environment");
  if (sink->key_file && *sink->key_file
      && !(sink->cert_file && *sink->cert_file))
    return json_error_at (doc, PATH ("key-file"), err,
                          "a key is of use only with cert-file");
  if (sink->redact && !can_redact (sink->redact))
    return json_error_at (doc, PATH ("redact"), err,
                          "say true, false, \"strict\", or the absolute path "
                          "of a file of rules");
  return 0;
}

#undef PATH

int
config_check_sinks (const struct json_doc *doc, const struct config *cfg,
                    struct error *err)
{
  const struct sink_config *all = cfg->sinks.items;
  char at[32], path[64];
  int r = check_sink (doc, "sink", &cfg->sink, err);

  for (size_t i = 0; r == 0 && i < cfg->sinks.count; i++)
    {
      bool twice = cfg->sink.url && strcmp (all[i].name, CONFIG_SINK) == 0;

      snprintf (at, sizeof (at), "sinks[%zu]", i);
      snprintf (path, sizeof (path), "%s.name", at);
      for (size_t k = 0; k < i; k++)
        twice |= strcmp (all[i].name, all[k].name) == 0;
      if (twice)
        return json_error_at (doc, path, err,
                              "there is a sink of that name already");
      if (!text_is_name (all[i].name))
        return json_error_at (doc, path, err,
                              "letters, digits, '.', '_' and '-' make a name");
      if (!all[i].url)
        return json_error_at (doc, at, err, "a sink needs a \"url\"");
      r = check_sink (doc, at, &all[i], err);
    }
  if (r == 0 && cfg->sinks.count == CONFIG_MAX_SINKS && cfg->sink.url)
    return json_error_at (doc, "sinks", err, "at most %u with \"sink\"",
                          CONFIG_MAX_SINKS);
  return r;
}

unsigned
config_sinks (const struct config *cfg, const struct sink_config **ret,
              unsigned max)
{
  unsigned n = 0;

  if (cfg->sink.url && n < max)
    ret[n++] = &cfg->sink;
  for (size_t i = 0; i < cfg->sinks.count && n < max; i++)
    ret[n++] = &((const struct sink_config *) cfg->sinks.items)[i];
  return n;
}
