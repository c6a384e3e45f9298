/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest: what whoever packs was told of the incident, and what this
 * side knows of the host, of the clock and of each file.
 *
 * What stands elsewhere in it is said again in few words where a stranger
 * would look for it: vm, trigger, verdict, times, analysis, limits.
 */
#include "config.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/json.h"
#include "controller-proto/bundle_impl.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- what a file is ---- */

/* The first that fits.  secret: text that people or programs wrote, in which
 * a password may stand; internal: names, addresses, paths. */
static const struct sort
{
  const char *pattern, *sensitivity;
} sorts[] = {
  { "SHA256SUMS", "public" },
  { "metrics/*", "internal" },
  { "console/*index.jsonl", "internal" },
  { "console/*", "secret" },
  { "inside/journal*", "secret" },
  { "inside/dmesg*", "internal" },
  { "inside/containers*", "internal" },
  { "inside/*", "internal" },
  { "application/*", "secret" },
  { "dialogue/*", "secret" },
  { "exec/*", "secret" },
  { "kernel/*", "internal" },
  { "memory/dmesg*", "internal" },
  { "memory/*.json*", "internal" },
  { "sysrq/*", "internal" },
  { "monitor/*", "internal" },
  { "host/*", "internal" },
  { "qemu/environ*", "secret" },
  { "qemu/cmdline*", "secret" },
  { "qemu/*", "internal" },
  { "disk/*", "internal" },
  { "net/*.json", "internal" },
  { "analysis/*", "internal" },
  { "logs/*", "secret" }, /* quotes what a guest, or a command, has said */
  { "incident.json", "internal" },
  { "timeline.jsonl", "internal" },
  { "summary.*", "internal" },
  { "stacks.*", "internal" },
  { "index.html", "secret" },
};

static const struct
{
  const char *end, *type;
} media[] = {
  { ".json", "application/json" },
  { ".jsonl", "application/jsonl" },
  { ".html", "text/html" },
  { ".csv", "text/csv" },
  { ".svg", "image/svg+xml" },
  { ".png", "image/png" },
  { ".ppm", "image/x-portable-pixmap" },
  { ".pcap", "application/vnd.tcpdump.pcap" },
  { ".raw", "application/octet-stream" },
  { ".bin", "application/octet-stream" },
  { ".core", "application/octet-stream" },
};

const char *
bundle_sensitivity (const char *path)
{
  for (unsigned i = 0; i < ARRAY_LEN (sorts); i++)
    if (fnmatch (sorts[i].pattern, path, 0) == 0)
      return sorts[i].sensitivity;
  /* Nobody has said what is in there. */
  return "secret";
}

const char *
bundle_media_type (const char *path)
{
  size_t len = strlen (path), n;

  for (unsigned i = 0; i < ARRAY_LEN (media); i++)
    if ((n = strlen (media[i].end)) < len
        && strcmp (path + len - n, media[i].end) == 0)
      return media[i].type;
  return "text/plain";
}

/* Who brought it, by the lists of the collectors. */
static const char *
collector_of (struct json_object *head, const char *path)
{
  struct json_object *all = json_get (head, "collectors");

  if (!json_object_is_type (all, json_type_array))
    return NULL;
  for (size_t i = 0; i < json_object_array_length (all); i++)
    {
      struct json_object *c = json_object_array_get_idx (all, i);
      struct json_object *files = json_get (c, "files");

      if (!json_object_is_type (files, json_type_array))
        continue;
      for (size_t k = 0; k < json_object_array_length (files); k++)
        {
          const char *name = json_object_get_string (
              json_object_array_get_idx (files, k));

          if (name && strcmp (name, path) == 0)
            return json_get_str (c, "name");
        }
    }
  return NULL;
}

static struct json_object *
file_to_json (const struct bundle_member *m, struct json_object *head,
              struct json_object *about)
{
  struct json_object *o = json_object_new_object (), *sub;
  struct json_object *extra = json_get (about, m->path);
  char when[32];

  json_add_str (o, "path", m->path);
  json_add_int (o, "bytes", (int64_t) m->bytes);
  json_add_str (o, "sha256", m->sha256);
  json_add_str (o, "media_type", bundle_media_type (m->path));
  json_add_str (o, "sensitivity", bundle_sensitivity (m->path));
  json_add_str (o, "collector", collector_of (head, m->path));
  json_add_int (o, "lines", (int64_t) m->lines);
  json_add_str (o, "modified",
                clock_format (when, sizeof when, m->mtime_s * 1000));
  if (m->orig_bytes > m->bytes)
    {
      sub = json_object_new_object ();
      json_add_int (sub, "orig_bytes", (int64_t) m->orig_bytes);
      json_add_str (sub, "kept", "head");
      json_object_object_add (o, "truncated", sub);
    }
  if (m->read_errno)
    {
      json_add_int (o, "good_bytes", (int64_t) m->good_bytes);
      json_add_str (o, "reason", strerror (m->read_errno));
    }
  sub = json_object_new_object ();
  json_add_int (sub, "offset", (int64_t) m->frame_offset);
  json_add_int (sub, "bytes", (int64_t) m->frame_bytes);
  json_object_object_add (o, "frame", sub);
  if (extra && json_object_is_type (extra, json_type_object))
    {
      json_object_object_foreach (extra, key, value)
        {
          if (!json_object_object_get_ex (o, key, NULL))
            json_object_object_add (o, key, json_object_get (value));
        }
    }
  return o;
}

/* ---- the host and its clock ---- */

/* The first line of a small file of the host's; "" = it has none. */
static char *
host_line (const char *path, char *dst, size_t n)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  size_t len = 0;

  dst[0] = '\0';
  if (fd >= 0 && io_read (fd, dst, n - 1, &len) == 0)
    dst[len] = '\0';
  dst[strcspn (dst, "\n")] = '\0';
  return dst;
}

/* The machine's id is not for strangers: one that is made of it will do. */
static void
add_host_id (struct json_object *host)
{
  unsigned char md[DIGEST_BYTES];
  char id[64], hex[33];
  struct digest_key key;

  if (!host_line ("/etc/machine-id", id, sizeof id)[0])
    return;
  digest_key_init (&key, id, strlen (id));
  digest_mac (&key, PACKAGE_NAME, strlen (PACKAGE_NAME), md);
  for (unsigned i = 0; i < 16; i++)
    snprintf (hex + 2 * i, 3, "%02x", md[i]);
  json_add_str (host, "id", hex);
}

/* PRETTY_NAME of /etc/os-release. */
static void
add_os (struct json_object *host)
{
  static const char key[] = "PRETTY_NAME=";
  CLEANUP_CLOSE int fd
      = open ("/etc/os-release", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  char text[4096], *at;
  size_t len = 0;

  if (fd < 0 || io_read (fd, text, sizeof text - 1, &len) < 0)
    return;
  text[len] = '\0';
  at = strncmp (text, key, sizeof key - 1) == 0 ? text : strstr (text, key);
  if (!at)
    return;
  at += sizeof key - 1;
  at += *at == '"';
  json_add_text (host, "os", at, strcspn (at, "\"\n"));
}

/* Its processors and its memory; the model as x86 and a few others say it. */
static void
add_machine (struct json_object *host)
{
  static const char key[] = "\nmodel name\t: ";
  CLEANUP_CLOSE int fd
      = open ("/proc/cpuinfo", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);
  long pages = sysconf (_SC_PHYS_PAGES), page = sysconf (_SC_PAGESIZE);
  char text[4096], *at;
  size_t len = 0;

  if (fd >= 0 && io_read (fd, text, sizeof text - 1, &len) == 0)
    {
      text[len] = '\0';
      at = strstr (text, key);
      if (at)
        json_add_text (host, "cpu", at + sizeof key - 1,
                       strcspn (at + sizeof key - 1, "\n"));
    }
  if (cpus > 0)
    json_add_int (host, "cpus", cpus);
  if (pages > 0 && page > 0)
    json_add_int (host, "mem_bytes", (int64_t) pages * page);
}

struct json_object *
bundle_host (void)
{
  struct json_object *host = json_object_new_object ();
  struct utsname u;
  char boot[64];

  add_host_id (host);
  if (uname (&u) == 0)
    {
      json_add_str (host, "name", u.nodename);
      json_add_str (host, "kernel", u.release);
      json_add_str (host, "arch", u.machine);
    }
  add_os (host);
  add_machine (host);
  if (host_line ("/proc/sys/kernel/random/boot_id", boot, sizeof boot)[0])
    json_add_str (host, "boot_id", boot);
  return host;
}

static void
copy (struct json_object *to, const char *as, struct json_object *from,
      const char *key)
{
  struct json_object *v = json_get (from, key);

  if (v)
    json_object_object_add (to, as, json_object_get (v));
}

/* One moment on each clock: times of facts are of the second one. */
static struct json_object *
clock_to_json (struct json_object *guest)
{
  struct json_object *clock = json_object_new_object ();
  struct timex t = { .modes = 0 };
  char now[32];
  int state = adjtimex (&t);

  json_add_str (clock, "utc",
                clock_format (now, sizeof now, clock_wall_ms ()));
  json_add_int (clock, "monotonic_ms", (int64_t) clock_ms ());
  json_add_int (clock, "boot_ms", (int64_t) clock_boot_ms ());
  if (state >= 0)
    json_add_bool (clock, "synced",
                   state != TIME_ERROR && !(t.status & STA_UNSYNC));
  copy (clock, "guest_offset_s", guest, "guest_offset_s");
  copy (clock, "guest_error_s", guest, "guest_error_s");
  copy (clock, "guest_by", guest, "guest_by");
  return clock;
}

/* ---- what stands elsewhere, in few words ---- */

/* The newest value of a fact, or NULL. */
static struct json_object *
fact_value (struct json_object *head, const char *name)
{
  struct json_object *facts = json_get (head, "facts"), *newest = NULL;
  int64_t at = -1;

  for (size_t i = 0; i < json_count (facts); i++)
    {
      struct json_object *f = json_object_array_get_idx (facts, i);
      const char *is = json_get_str (f, "name");

      if (is && strcmp (is, name) == 0 && json_get_int (f, "time_ms", 0) > at)
        {
          at = json_get_int (f, "time_ms", 0);
          newest = json_get (f, "value");
        }
    }
  return newest;
}

static void
copy_fact (struct json_object *to, const char *as, struct json_object *head,
           const char *name)
{
  struct json_object *v = fact_value (head, name);

  if (v)
    json_object_object_add (to, as, json_object_get (v));
}

static struct json_object *
vm_to_json (struct json_object *head)
{
  struct json_object *guest = json_get (head, "guest");
  struct json_object *vm, *qemu;

  if (!json_object_is_type (guest, json_type_object))
    return NULL;
  vm = json_object_new_object ();
  qemu = json_object_new_object ();
  copy (vm, "uuid", guest, "uuid");
  copy (vm, "name", guest, json_get (guest, "display") ? "display" : "name");
  copy (qemu, "pid", guest, "pid");
  copy (qemu, "start_time", guest, "start_time");
  copy_fact (qemu, "version", head, "vmm.version");
  copy (qemu, "machine", guest, "machine");
  copy (qemu, "accel", guest, "accel");
  json_object_object_add (vm, "qemu", qemu);
  copy (vm, "boot", guest, "boot");
  copy (vm, "vcpus", guest, "vcpus");
  copy (vm, "cpu", guest, "cpu");
  copy (vm, "mem_bytes", guest, "memory_bytes");
  copy_fact (vm, "kernel", head, "kernel.release");
  copy_fact (vm, "uptime_s", head, "guest.uptime_s");
  return vm;
}

/* What is packed again, maybe elsewhere, is not of this host and moment. */
static bool
is_packed_again (struct json_object *head)
{
  return json_get (head, "source") != NULL;
}

static struct json_object *
trigger_to_json (struct json_object *incident)
{
  static const struct
  {
    const char *by, *kind;
  } kinds[] = { { "order", "operator" },
                { "monitor", "monitor" },
                { "host", "host" },
                { "kernel", "console" } };
  const char *by = json_get_str (incident, "scenario"), *kind = "scenario";
  struct json_object *o = json_object_new_object ();

  for (unsigned i = 0; by && i < ARRAY_LEN (kinds); i++)
    if (strcmp (by, kinds[i].by) == 0)
      kind = kinds[i].kind;
  json_add_str (o, "kind", kind);
  copy (o, "scenario", incident, "scenario");
  copy (o, "code", incident, "code");
  copy (o, "reason", incident, "reason");
  copy (o, "playbook", incident, "playbook");
  return o;
}

/* When collecting began: the first step of that name in its history. */
static const char *
began (struct json_object *incident)
{
  struct json_object *steps = json_get (incident, "timeline");

  for (size_t i = 0; i < json_count (steps); i++)
    {
      struct json_object *row = json_object_array_get_idx (steps, i);
      const char *step = json_get_str (row, "step");

      if (step && strcmp (step, "diagnosing") == 0)
        return json_get_str (row, "time");
    }
  return NULL;
}

static void
add_of_incident (struct json_object *m, struct json_object *head)
{
  struct json_object *incident = json_get (head, "incident"), *was, *o;
  char now[32];

  if (!json_object_is_type (incident, json_type_object))
    return;
  copy (m, "incident_id", incident, "id");
  copy (m, "seq", incident, "rev");
  o = trigger_to_json (incident);
  copy (o, "config_sha256", json_get (head, "terms"), "config_sha256");
  json_object_object_add (m, "trigger", o);
  was = json_get (incident, "verdict");
  if (was)
    {
      o = json_object_new_object ();
      copy (o, "class", was, "class");
      copy (o, "confidence", was, "confidence");
      copy (o, "culprit", was, "culprit");
      copy (o, "headline", was, "sentence");
      copy (o, "signature", was, "signature");
      json_object_object_add (m, "verdict", o);
    }
  o = json_object_new_object ();
  copy (o, "last_ok", incident, "last_ok");
  copy (o, "detected", incident, "opened");
  json_add_str (o, "started", began (incident));
  copy (o, "collected", incident, "collected");
  if (!is_packed_again (head))
    json_add_str (o, "finished",
                  clock_format (now, sizeof now, clock_wall_ms ()));
  json_object_object_add (m, "times", o);
}

static struct json_object *
analysis_to_json (struct json_object *head)
{
  struct json_object *all = json_get (head, "findings"), *o;
  int64_t pass = 0, warn = 0, fail = 0;

  if (!json_object_is_type (all, json_type_array))
    return NULL;
  for (size_t i = 0; i < json_count (all); i++)
    {
      const char *level
          = json_get_str (json_object_array_get_idx (all, i), "level");

      pass += level && strcmp (level, "pass") == 0;
      warn += level && strcmp (level, "warn") == 0;
      fail += level && strcmp (level, "fail") == 0;
    }
  o = json_object_new_object ();
  json_add_int (o, "pass", pass);
  json_add_int (o, "warn", warn);
  json_add_int (o, "fail", fail);
  json_add_int (o, "questions",
                (int64_t) json_count (json_get (head, "questions")));
  copy (o, "ruleset_sha256", json_get (head, "terms"), "ruleset_sha256");
  return o;
}

/* Where something is less than there was. */
static struct json_object *
limits_to_json (const struct bundle_members *all, struct json_object *head)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *hit = json_object_new_array ();
  struct json_object *gaps = json_get (head, "gaps");

  json_add_int (o, "max_members", BUNDLE_MAX_MEMBERS);
  json_add_int (o, "max_member_bytes", BUNDLE_MAX_MEMBER);
  copy (o, "budget_ms", json_get (head, "terms"), "budget_ms");
  copy (o, "max_bytes", json_get (head, "terms"), "max_bytes");
  for (size_t i = 0; i < all->count; i++)
    if (all->members[i].orig_bytes > all->members[i].bytes)
      json_object_array_add (
          hit, json_object_new_string (all->members[i].path));
  for (size_t i = 0; i < json_count (gaps); i++)
    {
      struct json_object *gap = json_object_array_get_idx (gaps, i);

      if (json_get_str (gap, "limit"))
        json_object_array_add (
            hit, json_object_get (json_get (gap, "what")));
    }
  if (json_get (head, "facts_left_out"))
    json_object_array_add (hit, json_object_new_string ("facts"));
  if (json_get (head, "stopped"))
    json_object_array_add (hit, json_object_new_string ("stopped"));
  json_object_object_add (o, "hit", hit);
  return o;
}

/* ---- collectors ---- */

static bool
has_gap (struct json_object *head, const char *collector)
{
  struct json_object *gaps = json_get (head, "gaps");

  for (size_t i = 0; i < json_count (gaps); i++)
    {
      const char *by
          = json_get_str (json_object_array_get_idx (gaps, i), "collector");

      if (by && strcmp (by, collector) == 0)
        return true;
    }
  return false;
}

static const char *
status_of (struct json_object *head, struct json_object *c)
{
  const char *name = json_get_str (c, "name");

  if (json_get_str (c, "skipped") || json_get_bool (c, "none", false))
    return "skipped";
  if (json_get_bool (c, "timeout", false))
    return "timeout";
  if (!json_get_bool (c, "ok", false))
    return json_get_int (c, "bytes", 0) > 0 ? "partial" : "failed";
  return name && has_gap (head, name) ? "partial" : "ok";
}

/* Each with one word for how it went; the caller's stay as they are. */
static struct json_object *
collectors_to_json (struct json_object *head)
{
  struct json_object *all = json_get (head, "collectors");
  struct json_object *list;

  if (!json_object_is_type (all, json_type_array))
    return NULL;
  list = json_object_new_array ();
  for (size_t i = 0; i < json_count (all); i++)
    {
      struct json_object *c = json_object_array_get_idx (all, i);
      struct json_object *o = json_object_new_object ();

      if (!json_object_is_type (c, json_type_object))
        {
          json_object_put (o);
          continue;
        }
      json_object_object_foreach (c, key, value)
        json_object_object_add (o, key, json_object_get (value));
      if (!json_get (o, "status"))
        json_add_str (o, "status", status_of (head, c));
      json_object_array_add (list, o);
    }
  return list;
}

/* ---- the whole ---- */

static void
add_unless_there (struct json_object *m, struct json_object *head,
                  const char *key, struct json_object *value)
{
  if (!value)
    return;
  if (json_get (head, key))
    json_object_put (value);
  else
    json_object_object_add (m, key, value);
}

static bool
is_ours (const char *key)
{
  static const char *const ours[]
      = { "about",       "files", "missing", "collectors",
          "guest_clock", "terms" };

  for (unsigned i = 0; i < ARRAY_LEN (ours); i++)
    if (strcmp (key, ours[i]) == 0)
      return true;
  return false;
}

struct json_object *
bundle_manifest (const struct bundle_members *all, struct json_object *missing,
                 const char *name, struct json_object *head)
{
  struct json_object *m = json_object_new_object ();
  struct json_object *tool = json_object_new_object ();
  struct json_object *none = json_object_new_object ();
  struct json_object *files = json_object_new_array ();
  struct json_object *about = json_get (head, "about");
  char now[32];

  json_add_str (m, "schema", BUNDLE_SCHEMA);
  json_add_str (m, "bundle", name);
  json_add_str (m, "created",
                clock_format (now, sizeof now, clock_wall_ms ()));
  json_add_str (tool, "name", PACKAGE_NAME);
  json_add_str (tool, "version", PACKAGE_VERSION);
  json_object_object_add (m, "tool", tool);
  if (!json_get (head, "incident_id"))
    add_of_incident (m, head);
  add_unless_there (m, head, "analysis", analysis_to_json (head));
  add_unless_there (m, head, "vm", vm_to_json (head));
  if (!is_packed_again (head))
    {
      add_unless_there (m, head, "host", bundle_host ());
      add_unless_there (m, head, "clock",
                        clock_to_json (json_get (head, "guest_clock")));
    }
  json_add_str (none, "mode", "none");
  add_unless_there (m, head, "redaction", none);
  add_unless_there (m, head, "limits", limits_to_json (all, head));
  json_object_object_add (m, "missing", json_object_get (missing));
  add_unless_there (m, NULL, "collectors", collectors_to_json (head));
  if (head && json_object_is_type (head, json_type_object))
    {
      json_object_object_foreach (head, key, value)
        {
          if (!is_ours (key) && !json_object_object_get_ex (m, key, NULL))
            json_object_object_add (m, key, json_object_get (value));
        }
    }
  for (size_t i = 0; i < all->count; i++)
    json_object_array_add (files,
                           file_to_json (&all->members[i], head, about));
  json_object_object_add (m, "files", files);
  return m;
}
