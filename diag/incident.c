/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents as documents, both ways.
 */
#include "diag/incident.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

const char *const incident_phase_names[]
    = { "open", "collecting", "packed", "ended", NULL };
const char *const incident_end_names[]
    = { "not-ended", "replaced", "rebooted", "recovered", "withdrawn",
        "closed", NULL };

const char *const incident_severity_names[]
    = { "", "info", "warning", "critical", NULL };

const char *const verdict_classes[] = {
  "none", /* the guest is well */
  "host-starved",    "host-log-blocked",
  "vmm-dead",        "vmm-stuck",
  "vmm-internal-error", "paused",
  "io-error",        "powered-off",
  "firmware-stuck",  "boot-stuck",
  "kernel-panic",    "kernel-oops",
  "hard-lockup",     "soft-lockup",
  "rcu-stall",       "workqueue-lockup",
  "lock-deadlock",   "storage-stalled",
  "filesystem-error", "out-of-memory",
  "task-exhaustion", "init-dead",
  "userspace-stuck", "console-lost",
  "console-busy",    "network-lost",
  "application-dead", "reboot-loop",
  "slow",            "probe-misconfigured",
  "unknown",         NULL,
};

#define BRIEF_FROM 40 /* bytes that may well be said twice */

char *
verdict_brief (const char *text, size_t room, const char *said,
               char dst[VERDICT_BRIEF])
{
  size_t len = strlen (text), n = 0, part = 0;

  /* At the end of a part of it, else of a word. */
  if (len > BRIEF_FROM && said && strstr (said, text))
    for (size_t i = 1; i < BRIEF_FROM; i++)
      if (text[i] == ' ')
        {
          n = i;
          part = strchr (",:;", text[i - 1]) ? i : part;
        }
  if (n)
    snprintf (dst, VERDICT_BRIEF, "%.*s ...", (int) (part ? part : n), text);
  else
    snprintf (dst, VERDICT_BRIEF, "%.390s%s", text,
              len + 1 >= room || len > 390 ? "..." : "");
  return dst;
}

bool
verdict_gap_says (struct json_object *gaps, const char *about,
                  const char *why)
{
  size_t n = json_object_is_type (gaps, json_type_array)
                 ? json_object_array_length (gaps)
                 : 0;

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *gap = json_object_array_get_idx (gaps, i);
      const char *who = json_get_str (gap, "collector");
      const char *what = json_get_str (gap, "what");
      size_t len = what ? strlen (what) : 0;

      if (who && len && strcmp (who, about) == 0
          && strncmp (why, what, len) == 0 && why[len] == ':')
        return true;
    }
  return false;
}

void
incident_new_id (char id[UUID_TEXT])
{
  unsigned char b[16];
  size_t got = 0;

  /* Without random bytes there is no id; early in the host's boot this waits
   * for them, as it should. */
  while (got < sizeof b)
    {
      ssize_t n = getrandom (b + got, sizeof b - got, 0);

      if (n > 0)
        got += (size_t) n;
    }
  b[6] = (unsigned char) ((b[6] & 0x0f) | 0x40); /* version 4 */
  b[8] = (unsigned char) ((b[8] & 0x3f) | 0x80); /* RFC 4122 variant */
  snprintf (id, UUID_TEXT,
            "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%"
            "02x%02x",
            b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
            b[11], b[12], b[13], b[14], b[15]);
}

bool
incident_is_by (const struct incident *inc, const char *by, const char *code)
{
  if (strcmp (inc->scenario, by) != 0)
    return false;
  /* Before there was a code, the name had to do. */
  return !inc->code[0] || strcmp (inc->code, code) == 0;
}

bool
incident_is_of_host (const struct incident *inc)
{
  return inc->key[0] != '\0';
}

/* ---- writing ---- */

static void
add_time (struct json_object *o, const char *key, uint64_t wall_ms)
{
  char text[32], ms_key[48];

  if (!wall_ms)
    return;
  /* For people, and exactly: only the number is read back. */
  json_add_str (o, key, clock_format (text, sizeof text, wall_ms));
  snprintf (ms_key, sizeof ms_key, "%s_ms", key);
  json_add_int (o, ms_key, (int64_t) wall_ms);
}

static void
add_text (struct json_object *o, const char *key, const char *s)
{
  if (*s)
    json_add_text (o, key, s, strlen (s));
}

static struct json_object *
verdict_evidence (const struct verdict *v)
{
  struct json_object *list = json_object_new_array ();

  for (unsigned i = 0; i < v->nfacts; i++)
    {
      struct json_object *o = json_object_new_object ();

      add_text (o, "name", v->facts[i].name);
      add_text (o, "value", v->facts[i].value);
      add_text (o, "source", v->facts[i].source);
      json_add_int (o, "time_ms", (int64_t) v->facts[i].time_ms);
      json_object_array_add (list, o);
    }
  return list;
}

struct json_object *
verdict_to_json (const struct verdict *v)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "class", v->class_);
  add_text (o, "culprit", v->culprit);
  json_add_str (o, "confidence", v->confidence);
  add_text (o, "sentence", v->sentence);
  add_text (o, "next", v->next);
  add_text (o, "rule", v->rule);
  add_text (o, "signature", v->signature);
  if (v->nfacts)
    json_object_object_add (o, "evidence", verdict_evidence (v));
  return o;
}

static struct json_object *
incarnation_json (const struct incarnation *inc)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "uuid", inc->uuid);
  json_add_int (o, "pid", inc->pid);
  json_add_int (o, "start_time", (int64_t) inc->start_time);
  json_add_int (o, "boot", inc->boot);
  return o;
}

struct json_object *
incident_to_json (const struct incident *inc)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "schema", INCIDENT_SCHEMA);
  json_add_str (o, "id", inc->id);
  if (inc->rev)
    json_add_int (o, "rev", (int64_t) inc->rev);
  add_text (o, "key", inc->key);
  add_text (o, "parent", inc->parent);
  if (inc->children)
    json_object_object_add (o, "children", json_object_get (inc->children));
  json_object_object_add (o, "incarnation", incarnation_json (&inc->inc));
  add_text (o, "guest", inc->guest);
  add_text (o, "scenario", inc->scenario);
  add_text (o, "code", inc->code);
  add_text (o, "reason", inc->reason);
  add_text (o, "severity", incident_severity_names[inc->severity]);
  add_text (o, "playbook", inc->playbook);
  if (inc->attempts)
    json_add_int (o, "attempts", inc->attempts);
  json_add_str (o, "phase", incident_phase_names[inc->phase]);
  json_add_str (o, "end", incident_end_names[inc->end]);
  add_time (o, "last_ok", inc->last_ok_wall_ms);
  add_time (o, "opened", inc->opened_wall_ms);
  add_time (o, "collected", inc->collected_wall_ms);
  add_time (o, "ended", inc->ended_wall_ms);
  if (inc->verdict.class_[0])
    json_object_object_add (o, "verdict", verdict_to_json (&inc->verdict));
  if (inc->moments)
    json_object_object_add (o, "timeline", incident_timeline_json (inc));
  if (inc->moments_lost)
    json_add_int (o, "timeline_lost", inc->moments_lost);
  add_text (o, "repeat_of", inc->repeat_of);
  if (inc->repeats)
    json_add_int (o, "repeats", inc->repeats);
  add_time (o, "repeated", inc->repeated_wall_ms);
  add_text (o, "no_bundle", inc->no_bundle);
  if (inc->nacts)
    json_object_object_add (o, "acts", incident_acts_json (inc));
  return o;
}

/* ---- reading ---- */

static int
read_text (struct json_object *o, const char *key, bool required, char *dst,
           size_t n, struct error *err)
{
  struct json_object *v = json_get (o, key);
  const char *s = json_get_str (o, key);

  if (!v && !required)
    {
      dst[0] = '\0';
      return 0;
    }
  if (!s)
    return error_set (err, EINVAL, "incident: %s: %s", key,
                      v ? "must be a string" : "missing");
  /* What is for people is cut: escaping may have made it longer than it was
   * when it was written.  An id that is too long is no id of ours. */
  if (required && strlen (s) >= n)
    return error_set (err, EINVAL, "incident: %s: longer than %zu bytes", key,
                      n - 1);
  snprintf (dst, n, "%s", s);
  return 0;
}

static int
read_name (struct json_object *o, const char *key, const char *const *names,
           int *ret, struct error *err)
{
  const char *s = json_get_str (o, key);

  for (int i = 0; s && names[i]; i++)
    if (strcmp (names[i], s) == 0)
      {
        *ret = i;
        return 0;
      }
  return error_set (err, EINVAL, "incident: %s: %s", key,
                    s ? "no known value" : "missing or not a string");
}

static int
read_count (struct json_object *o, const char *key, int64_t max,
            int64_t *ret, struct error *err)
{
  struct json_object *v = json_get (o, key);
  int64_t n = v && json_object_is_type (v, json_type_int)
                  ? json_object_get_int64 (v)
                  : v ? -1 : 0;

  if (n < 0 || n > max)
    return error_set (err, EINVAL, "incident: %s: not a number in range",
                      key);
  *ret = n;
  return 0;
}

static int
read_incarnation (struct json_object *o, struct incarnation *inc,
                  struct error *err)
{
  int64_t pid, start, boot;
  int rc;

  if (!json_object_is_type (o, json_type_object))
    return error_set (err, EINVAL, "incident: incarnation: missing");
  if ((rc = read_text (o, "uuid", true, inc->uuid, sizeof inc->uuid, err)) < 0
      || (rc = read_count (o, "pid", INT32_MAX, &pid, err)) < 0
      || (rc = read_count (o, "start_time", INT64_MAX, &start, err)) < 0
      || (rc = read_count (o, "boot", UINT32_MAX, &boot, err)) < 0)
    return rc;
  inc->pid = (int32_t) pid;
  inc->start_time = (uint64_t) start;
  inc->boot = (uint32_t) boot;
  return 0;
}

/* Written without it is read without it. */
static int
read_evidence (struct json_object *list, struct verdict *v, struct error *err)
{
  size_t n = json_object_is_type (list, json_type_array)
                 ? json_object_array_length (list)
                 : 0;

  for (size_t i = 0; i < n && i < VERDICT_FACTS; i++)
    {
      struct json_object *o = json_object_array_get_idx (list, i);
      struct verdict_fact *f = &v->facts[i];
      int64_t at;
      int rc;

      if (!json_object_is_type (o, json_type_object))
        return error_set (err, EINVAL,
                          "incident: verdict: evidence: must be objects");
      if ((rc = read_text (o, "name", false, f->name, sizeof f->name, err)) < 0
          || (rc = read_text (o, "value", false, f->value, sizeof f->value,
                              err))
                 < 0
          || (rc = read_text (o, "source", false, f->source,
                              sizeof f->source, err))
                 < 0
          || (rc = read_count (o, "time_ms", INT64_MAX, &at, err)) < 0)
        return rc;
      f->time_ms = (uint64_t) at;
      v->nfacts++;
    }
  return 0;
}

static int
read_verdict (struct json_object *o, struct verdict *v, struct error *err)
{
  int rc, ignored;

  if (!o)
    return 0;
  if (!json_object_is_type (o, json_type_object))
    return error_set (err, EINVAL, "incident: verdict: must be an object");
  if ((rc = read_name (o, "class", verdict_classes, &ignored, err)) < 0
      || (rc = read_text (o, "class", true, v->class_, sizeof v->class_,
                          err))
             < 0
      || (rc = read_text (o, "culprit", false, v->culprit,
                          sizeof v->culprit, err))
             < 0
      || (rc = read_text (o, "confidence", true, v->confidence,
                          sizeof v->confidence, err))
             < 0
      || (rc = read_text (o, "sentence", false, v->sentence,
                          sizeof v->sentence, err))
             < 0)
    return rc;
  if ((rc = read_text (o, "next", false, v->next, sizeof v->next, err)) < 0
      || (rc = read_text (o, "rule", false, v->rule, sizeof v->rule, err)) < 0
      || (rc = read_text (o, "signature", false, v->signature,
                          sizeof v->signature, err))
             < 0)
    return rc;
  return read_evidence (json_get (o, "evidence"), v, err);
}

static int
read_times (struct json_object *o, struct incident *inc, struct error *err)
{
  const struct
  {
    const char *key;
    uint64_t *to;
  } times[] = {
    { "last_ok_ms", &inc->last_ok_wall_ms },
    { "opened_ms", &inc->opened_wall_ms },
    { "collected_ms", &inc->collected_wall_ms },
    { "ended_ms", &inc->ended_wall_ms },
    { "repeated_ms", &inc->repeated_wall_ms },
  };

  for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
    {
      int64_t v;
      int rc = read_count (o, times[i].key, INT64_MAX, &v, err);

      if (rc < 0)
        return rc;
      *times[i].to = (uint64_t) v;
    }
  return 0;
}

int
incident_from_json (struct json_object *obj, struct incident *ret,
                    struct error *err)
{
  struct incident inc;
  const char *schema;
  int rc, phase = 0, end = 0, severity = INCIDENT_UNRATED;
  int64_t attempts = 0, rev = 0, lost = 0, repeats = 0;

  memset (&inc, 0, sizeof inc);
  if (!json_object_is_type (obj, json_type_object))
    return error_set (err, EINVAL, "incident: must be an object");
  schema = json_get_str (obj, "schema");
  if (!schema || strcmp (schema, INCIDENT_SCHEMA) != 0)
    return error_set (err, EINVAL, "incident: schema: must be \"%s\"",
                      INCIDENT_SCHEMA);
  if ((rc = read_text (obj, "id", true, inc.id, sizeof inc.id, err)) < 0
      || (rc = read_count (obj, "rev", INT64_MAX, &rev, err)) < 0
      || (rc = read_text (obj, "key", false, inc.key, sizeof inc.key, err)) < 0
      || (rc = read_text (obj, "parent", false, inc.parent,
                          sizeof inc.parent, err))
             < 0
      || (rc = read_text (obj, "repeat_of", false, inc.repeat_of,
                          sizeof inc.repeat_of, err))
             < 0
      || (rc = read_text (obj, "no_bundle", false, inc.no_bundle,
                          sizeof inc.no_bundle, err))
             < 0
      || (rc = read_count (obj, "repeats", UINT32_MAX, &repeats, err)) < 0
      || (rc = read_count (obj, "timeline_lost", UINT32_MAX, &lost, err)) < 0
      || (rc = read_incarnation (json_get (obj, "incarnation"), &inc.inc,
                                 err))
             < 0
      || (rc = read_text (obj, "guest", false, inc.guest, sizeof inc.guest,
                          err))
             < 0
      || (rc = read_text (obj, "scenario", false, inc.scenario,
                          sizeof inc.scenario, err))
             < 0
      || (rc = read_text (obj, "code", false, inc.code, sizeof inc.code, err))
             < 0
      || (rc = read_text (obj, "reason", false, inc.reason,
                          sizeof inc.reason, err))
             < 0
      || (json_get (obj, "severity")
          && (rc = read_name (obj, "severity", incident_severity_names,
                              &severity, err))
                 < 0)
      || (rc = read_text (obj, "playbook", false, inc.playbook,
                          sizeof inc.playbook, err))
             < 0
      || (rc = read_count (obj, "attempts", UINT32_MAX, &attempts, err)) < 0
      || (rc = read_name (obj, "phase", incident_phase_names, &phase, err))
             < 0
      || (rc = read_name (obj, "end", incident_end_names, &end, err)) < 0
      || (rc = read_times (obj, &inc, err)) < 0
      || (rc = read_verdict (json_get (obj, "verdict"), &inc.verdict, err))
             < 0)
    return rc;
  inc.attempts = (unsigned) attempts;
  inc.repeats = (unsigned) repeats;
  inc.rev = (uint64_t) rev;
  inc.moments_lost = (unsigned) lost;
  incident_timeline_read (json_get (obj, "timeline"), &inc);
  incident_acts_read (json_get (obj, "acts"), &inc);
  inc.phase = (enum incident_phase) phase;
  inc.severity = (enum incident_severity) severity;
  inc.end = (enum incident_end) end;
  *ret = inc;
  return 0;
}
