/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of the configuration document.
 */
#include "supervisor/conf/settings_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One more than enum console_mode: "default" is the source's own choice. */
static const char *const mode_names[]
    = { "hold", "probe", "tail", "default", NULL };
#define MODE_DEFAULT 3

static const struct json_field source_fields[] = {
  { "kind", JSON_STRING, offsetof (struct guest_source_config, kind),
    .required = true, .help = "libvirt or rundir" },
  { "uri", JSON_STRING, offsetof (struct guest_source_config, uri),
    .help = "libvirt: connection URI, such as qemu:///system" },
  { "root", JSON_STRING, offsetof (struct guest_source_config, root),
    .help = "rundir: folder with one folder per guest" },
  { "consoles", JSON_STRING, offsetof (struct guest_source_config, consoles),
    .help = "rundir: names of the console sockets, by comma" },
  { "monitor", JSON_STRING, offsetof (struct guest_source_config, monitor),
    .help = "rundir: name of the QMP socket that may be used" },
  { "pidfile", JSON_STRING, offsetof (struct guest_source_config, pidfile),
    .help = "rundir: name of the pid file" },
  { "eve", JSON_STRING, offsetof (struct guest_source_config, eve),
    .help = "rundir: root of EVE's status folders (/run)" },
  { "console-mode", JSON_ENUM,
    offsetof (struct guest_source_config, console_mode), .names = mode_names,
    .help = "hold: drained always; probe: connected for a dialogue only; "
            "tail: a log is read" },
  { 0 },
};

static const char *const intrusive_names[] = { "gdb", "nmi", NULL };
const char *const may_names[] = { "look",     "probe",   "bind",
                                  "diagnose", "console", "admin", NULL };

/* Zero would mean hold. */
static const struct guest_source_config source_defaults
    = { .console_mode = -1 };

/* None of them can be nothing: 0 would be taken for "not said" further on. */
#define BOUNDS_OF_ROOM .min = 1 << 20, .max = (int64_t) 1 << 50

static const struct json_field limit_fields[] = {
  { "console-sweep", JSON_DURATION, offsetof (struct config_limits, sweep_ms),
    .min = 1, .max = 20, .help = "how long a readable pty is left alone" },
  { "ring-total", JSON_SIZE, offsetof (struct config_limits, ring_total),
    BOUNDS_OF_ROOM, .help = "bytes of all console rings together" },
  { "log-total", JSON_SIZE, offsetof (struct config_limits, log_total),
    BOUNDS_OF_ROOM, .help = "bytes of all console logs on disk" },
  { "spool-total", JSON_SIZE, offsetof (struct config_limits, spool_total),
    BOUNDS_OF_ROOM, .help = "bytes of the spool on disk" },
  { "spool-free-floor", JSON_SIZE,
    offsetof (struct config_limits, spool_free_floor),
    .min = 1, .max = (int64_t) 1 << 50,
    .help = "bytes that stay free on the spool's volume" },
  { "max-threads", JSON_INT, offsetof (struct config_limits, max_threads),
    .min = 4, .max = 1024, .help = "threads of running jobs" },
  { "max-diagnoses", JSON_INT, offsetof (struct config_limits, max_diagnoses),
    .min = 1, .max = 8, .help = "diagnoses at one time" },
  { "text-threads", JSON_INT, offsetof (struct config_limits, text_threads),
    .min = 0, .max = 2,
    .help = "threads that read the text of guests, 0 for as many as it "
            "takes" },
  { 0 },
};

static const struct json_field config_fields[] = {
  { "schema", JSON_STRING, offsetof (struct config, schema),
    .help = CONFIG_SCHEMA },
  { "user", JSON_STRING, offsetof (struct config, user),
    .help = "user that the daemon and the writer run as" },
  { "group", JSON_STRING, offsetof (struct config, group),
    .help = "group that may use the control socket" },
  { "group-may", JSON_ARRAY, offsetof (struct config, group_may),
    .elem_kind = JSON_ENUM, .names = may_names, .max = 16, .keep_empty = true,
    .help = "what members of that group may do there; root may do all" },
  { "groups", JSON_ARRAY, offsetof (struct config, groups),
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *), .max = 16,
    .keep_empty = true,
    .help = "further groups of the daemon, such as libvirt" },
  { "sources", JSON_ARRAY, offsetof (struct config, sources),
    .sub = source_fields, .elem_size = sizeof (struct guest_source_config),
    .elem_init = &source_defaults, .max = 32, .keep_empty = true,
    .help = "where guests are found" },
  { "roots", JSON_ARRAY, offsetof (struct config, roots),
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *), .max = 64,
    .keep_empty = true,
    .help = "further folders that hold console or monitor sockets" },
  { "mailboxes", JSON_ARRAY, offsetof (struct config, mailboxes),
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *), .max = 16,
    .keep_empty = true,
    .help = "folders in which guests' mailboxes are: nothing else is opened "
            "there" },
  { "scenarios", JSON_ARRAY, offsetof (struct config, scenarios),
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *), .max = 256,
    .keep_empty = true, .help = "scenario files, or folders of them" },
  { "rules", JSON_ARRAY, offsetof (struct config, rules),
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *), .max = 64,
    .keep_empty = true, .help = "files of text rules, or folders of them" },
  { "verdicts", JSON_ARRAY, offsetof (struct config, verdicts),
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *), .max = 64,
    .keep_empty = true,
    .help = "files of rules of the verdict, or folders of them" },
  { "playbooks", JSON_ARRAY, offsetof (struct config, playbooks),
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *), .max = 64,
    .keep_empty = true, .help = "files of playbooks, or folders of them" },
  { "leases", JSON_ARRAY, offsetof (struct config, leases),
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *), .max = 16,
    .keep_empty = true,
    .help = "files of DHCP leases as dnsmasq writes them, or folders of them" },
  { "exec", JSON_ARRAY, offsetof (struct config, exec),
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *), .max = 16,
    .keep_empty = true,
    .help = "folders of programs that scenarios of kind exec may run; what "
            "is changed here counts from the next start" },
  { "repeat", JSON_DURATION, offsetof (struct config, repeat_ms),
    .max = (int64_t) 30 * 24 * 3600 * 1000,
    .help = "so long the same trouble of the same guest has one bundle, 0s: "
            "each time one" },
  { "intrusive", JSON_ARRAY, offsetof (struct config, intrusive),
    .elem_kind = JSON_ENUM, .names = intrusive_names, .max = 8,
    .keep_empty = true,
    .help = "what steps of playbooks may do to guests beyond asking: gdb "
            "stops one for a moment, by nmi one may panic; counts from the "
            "next start" },
  { "cores", JSON_STRING, offsetof (struct config, cores), .min = 1,
    .max = 400,
    .help = "folder that a step `core` of a playbook may write guests' memory "
            "to; counts from the next start" },
  { "notify", JSON_OBJECT, offsetof (struct config, notify),
    .sub = config_notify_fields,
    .help = "a program that is run when a bundle is on disk; counts from the "
            "next start" },
  { "heartbeat", JSON_DURATION, offsetof (struct config, heartbeat_ms),
    .max = 3600 * 1000,
    .help = "how often each guest's memory is read for signs of life, 0s for "
            "never" },
  { "default-scenario", JSON_BOOL, offsetof (struct config, default_scenario),
    .help = "whether a guest that no scenario is for has the built-in one, "
            "memory-heartbeat" },
  { "sink", JSON_OBJECT, offsetof (struct config, sink), .sub = config_sink,
    .help = "where documents and bundles are sent" },
  { "sinks", JSON_ARRAY, offsetof (struct config, sinks),
    .sub = config_named_sink, .elem_size = sizeof (struct sink_config),
    .elem_init = &config_sink_defaults, .max = CONFIG_MAX_SINKS,
    .help = "further ones: each gets all, by itself" },
  { "limits", JSON_OBJECT, offsetof (struct config, limits),
    .sub = limit_fields, .help = "bounds of what hangdog may use" },
  { 0 },
};

static int
add_source (struct config *cfg, const struct guest_source_config *src,
            struct error *err)
{
  struct guest_source_config *list
      = realloc (cfg->sources.items,
                 (cfg->sources.count + 1) * sizeof (*list));

  if (!list)
    return error_set (err, ENOMEM, "no memory for the configuration");
  list[cfg->sources.count++] = *src;
  cfg->sources.items = list;
  return 0;
}

static int
add_string (struct json_list *to, const char *s, struct error *err)
{
  char **list = realloc (to->items, (to->count + 1) * sizeof (*list));

  if (!list)
    return error_set (err, ENOMEM, "no memory for the configuration");
  to->items = list;
  list[to->count] = strdup (s);
  if (!list[to->count])
    return error_set (err, ENOMEM, "no memory for the configuration");
  to->count++;
  return 0;
}

/* EVE makes its run directory when the first guest starts, and may start us
 * before that. */
static bool
is_eve (void)
{
  static const char *const signs[]
      = { "/run/hypervisor/kvm", "/run/eve-hv-type", "/etc/eve-release" };

  for (size_t i = 0; i < ARRAY_LEN (signs); i++)
    if (access (signs[i], F_OK) == 0)
      return true;
  return false;
}

/* What a host without a configuration file has: libvirt's system instance if
 * its socket is there, EVE's run directory on EVE. */
static int
default_sources (struct config *cfg, struct error *err)
{
  int r = 0;

#ifdef WITH_LIBVIRT
  if (access ("/run/libvirt/libvirt-sock", F_OK) == 0
      || access ("/run/libvirt/virtqemud-sock", F_OK) == 0)
    {
      struct guest_source_config virt = { 0 };

      virt.kind = strdup ("libvirt");
      virt.uri = strdup ("qemu:///system");
      virt.console_mode = -1;
      r = add_source (cfg, &virt, err);
    }
#endif
  if (r == 0 && is_eve ())
    {
      struct guest_source_config eve = { 0 };

      eve.kind = strdup ("rundir");
      eve.root = strdup ("/run/hypervisor/kvm");
      eve.eve = strdup ("/run");
      eve.console_mode = -1;
      r = add_source (cfg, &eve, err);
    }
  return r;
}

static int
replace (char **to, const char *value, struct error *err)
{
  char *s = strdup (value);

  if (!s)
    return error_set (err, ENOMEM, "no memory for the configuration");
  free (*to);
  *to = s;
  return 0;
}

/* Whoever is let in may do all, unless somebody says otherwise. */
static int
allow_all (struct config *c, struct error *err)
{
  size_t n = ARRAY_LEN (may_names) - 1;
  int *list = calloc (n, sizeof (*list));

  if (!list)
    return error_set (err, ENOMEM, "no memory for the configuration");
  for (size_t i = 0; i < n; i++)
    list[i] = (int) i;
  c->group_may = (struct json_list){ .items = list, .count = n };
  return 0;
}

static const char *const config_leases[]
    = { "/var/lib/libvirt/dnsmasq", "/var/lib/misc/dnsmasq.leases" };

static int
set_defaults (struct config *c, struct error *err)
{
  int r;

  c->limits = (struct config_limits){
    .sweep_ms = 5,
    .ring_total = 48u << 20,
    .log_total = 1u << 30,
    .spool_total = 1u << 30,
    .spool_free_floor = 256u << 20,
    .max_threads = 64,
    .max_diagnoses = 2,
  };
  c->heartbeat_ms = 1000;
  c->repeat_ms = 6 * 3600 * 1000;
  c->default_scenario = true;
  c->notify.timeout_ms = CONFIG_NOTIFY_MS;
  c->sink.timeout_ms = config_sink_defaults.timeout_ms;
  r = replace (&c->schema, CONFIG_SCHEMA, err);
  if (r == 0)
    r = replace (&c->sink.name, CONFIG_SINK, err);
  if (r == 0)
    r = replace (&c->user, "", err);
  if (r == 0)
    r = replace (&c->group, "", err);
  if (r == 0)
    r = allow_all (c, err);
  if (r == 0)
    r = default_sources (c, err);
  if (r == 0 && access (CONFIG_SCENARIOS, F_OK) == 0)
    r = add_string (&c->scenarios, CONFIG_SCENARIOS, err);
  if (r == 0 && access (CONFIG_RULES, F_OK) == 0)
    r = add_string (&c->rules, CONFIG_RULES, err);
  if (r == 0 && access (CONFIG_VERDICTS, F_OK) == 0)
    r = add_string (&c->verdicts, CONFIG_VERDICTS, err);
  if (r == 0 && access (CONFIG_PLAYBOOKS, F_OK) == 0)
    r = add_string (&c->playbooks, CONFIG_PLAYBOOKS, err);
  for (unsigned i = 0; r == 0 && i < ARRAY_LEN (config_leases); i++)
    if (access (config_leases[i], F_OK) == 0)
      r = add_string (&c->leases, config_leases[i], err);
  /* Looked at when a program is run. */
  if (r == 0)
    r = add_string (&c->exec, CONFIG_EXEC, err);
  return r;
}

/* The keeper reads this document too and links neither the guests' room nor
 * curl, so the kinds are spelt out here. */
#ifdef WITH_LIBVIRT
#define SOURCE_KINDS "libvirt, rundir"
#else
#define SOURCE_KINDS "rundir"
#endif

static bool
known_source (const char *kind)
{
#ifdef WITH_LIBVIRT
  if (strcmp (kind, "libvirt") == 0)
    return true;
#endif
  return strcmp (kind, "rundir") == 0;
}

static int bad_source (const struct json_doc *doc, size_t i, const char *key,
                       struct error *err, const char *what, ...)
    __attribute__ ((format (printf, 5, 6)));

static int
bad_source (const struct json_doc *doc, size_t i, const char *key,
            struct error *err, const char *what, ...)
{
  char path[64], msg[400];
  va_list ap;

  va_start (ap, what);
  vsnprintf (msg, sizeof (msg), what, ap);
  va_end (ap);
  snprintf (path, sizeof (path), "sources[%zu]%s%s", i, *key ? "." : "", key);
  return json_error_at (doc, path, err, "%s", msg);
}

/* "SCHEME:" and something, in one word.  What it leads to is libvirt's. */
static bool
is_uri (const char *s)
{
  size_t scheme = strspn (s, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

  if (scheme == 0 || s[scheme] != ':' || !s[scheme + 1])
    return false;
  for (; *s; s++)
    if ((unsigned char) *s <= ' ')
      return false;
  return true;
}

/* All names in a list with commas (or the one that is there) are those of
 * files in a guest's folder. */
static bool
are_file_names (const char *list)
{
  for (;; list++)
    {
      size_t n = strcspn (list, ",/");

      if (n == 0 || list[n] == '/' || strncmp (list, "..", n) == 0)
        return false;
      list += n;
      if (!*list)
        return true;
    }
}

static int
finish_rundir (const struct json_doc *doc, struct guest_source_config *src,
               size_t i, struct error *err)
{
  static const char names[] = "a file's name in a guest's folder was expected, "
                              "not a path";
  int r = 0;

  if (!src->root)
    return bad_source (doc, i, "", err,
                       "a rundir source needs a \"root\", such as "
                       "\"/run/hypervisor/kvm\"");
  if (src->root[0] != '/')
    return bad_source (doc, i, "root", err, "it must be an absolute path");
  if (src->eve && src->eve[0] && src->eve[0] != '/')
    return bad_source (doc, i, "eve", err, "it must be an absolute path");
  if (!src->consoles)
    r = replace (&src->consoles, "cons,shim-cons", err);
  if (r == 0 && !src->monitor)
    r = replace (&src->monitor, "qmp", err);
  if (r == 0 && !src->pidfile)
    r = replace (&src->pidfile, "pid", err);
  if (r < 0)
    return r;
  if (!are_file_names (src->consoles))
    return bad_source (doc, i, "consoles", err, "%s (by comma, where there "
                       "are several)", names);
  if (!are_file_names (src->pidfile) || strchr (src->pidfile, ','))
    return bad_source (doc, i, "pidfile", err, "%s", names);
  if (!are_file_names (src->monitor) || strchr (src->monitor, ','))
    return bad_source (doc, i, "monitor", err, "%s", names);
  if (strcmp (src->monitor, "listener.qmp") == 0)
    return bad_source (doc, i, "monitor", err,
                       "listener.qmp belongs to its owner for the guest's "
                       "whole life; use \"qmp\"");
  return 0;
}

/* A source that lacks what its kind needs is told so with its place. */
static int
finish_source (const struct json_doc *doc, struct guest_source_config *src,
               size_t i, struct error *err)
{
  if (!known_source (src->kind))
    return bad_source (doc, i, "", err,
                       "this build has no source \"%.100s\" (it has: %s)",
                       src->kind, SOURCE_KINDS);
  if (strcmp (src->kind, "rundir") == 0)
    return finish_rundir (doc, src, i, err);
  if (!src->uri)
    return bad_source (doc, i, "", err,
                       "a libvirt source needs a \"uri\", such as "
                       "\"qemu:///system\"");
  if (!is_uri (src->uri))
    return bad_source (doc, i, "uri", err,
                       "this is no URI: it looks like \"qemu:///system\"");
  return 0;
}

/* On top of what is there. */
static int
parse (const char *text, size_t len, const char *origin, struct config *cfg,
       struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct guest_source_config *src;
  int r;

  r = json_parse (text, len, JSON_FILE, origin, JSON_MAX_FILE, &doc, err);
  if (r < 0)
    return r;
  r = json_decode (doc, json_root (doc), "", config_fields, cfg, err);
  if (r < 0)
    return r;
  if (strcmp (cfg->schema, CONFIG_SCHEMA) != 0)
    return json_error_at (doc, "schema", err,
                          "this is \"%s\", but \"%s\" is what I read",
                          cfg->schema, CONFIG_SCHEMA);
  cfg->leases_named = json_get (json_root (doc), "leases") != NULL;
  src = cfg->sources.items;
  for (size_t i = 0; i < cfg->sources.count; i++)
    {
      if (src[i].console_mode == MODE_DEFAULT)
        src[i].console_mode = -1;
      r = finish_source (doc, &src[i], i, err);
      if (r < 0)
        return r;
    }
  r = config_check_leave (doc, cfg, err);
  return r < 0 ? r : config_check_sinks (doc, cfg, err);
}

int
config_read (const char *text, size_t len, const char *origin,
             const struct config **ret, struct error *err)
{
  struct config *cfg = calloc (1, sizeof (*cfg));
  struct digest sum;
  int r;

  if (!cfg)
    return error_set (err, ENOMEM, "no memory for the configuration");
  atomic_init (&cfg->refs, 1);
  r = set_defaults (cfg, err);
  if (r == 0 && text)
    {
      digest_init (&sum);
      digest_add (&sum, text, len);
      digest_end_hex (&sum, cfg->sha256);
      r = parse (text, len, origin, cfg, err);
    }
  if (r < 0)
    {
      config_unref (cfg);
      return r;
    }
  *ret = cfg;
  return 0;
}

const struct config *
config_ref (const struct config *cfg)
{
  atomic_fetch_add (&((struct config *) cfg)->refs, 1);
  return cfg;
}

void
config_unref (const struct config *cfg)
{
  struct config *own = (struct config *) cfg;

  if (!own || atomic_fetch_sub (&own->refs, 1) != 1)
    return;
  json_decoded_done (config_fields, own);
  free (own->sink.name);
  free (own);
}

bool
config_wants_libvirt (const struct config *cfg)
{
  const struct guest_source_config *s = cfg->sources.items;

  for (size_t i = 0; i < cfg->sources.count; i++)
    if (strcmp (s[i].kind, "libvirt") == 0)
      return true;
  return false;
}

void
config_schema (struct buf *out)
{
  json_schema (config_fields, CONFIG_SCHEMA, "hangdog configuration", out);
}

struct json_object *
config_to_json (const struct config *cfg)
{
  struct json_object *o = json_encode (config_fields, cfg);

  /* Nothing is sent: the rest of it means nothing. */
  if (!cfg->sink.url)
    json_object_object_del (o, "sink");
  return o;
}
