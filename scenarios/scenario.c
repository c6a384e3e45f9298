/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading scenario documents.  The tables (fields.c and those of the kinds)
 * say what each value may be; here is what only several of them together can
 * get wrong.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MIN_INTERVAL_MS 1000
#define MIN_TIMEOUT_MS 100
#define MAX_SCENARIOS 256

const char *const outcome_names[] = { "ok", "failed", "no-verdict", NULL };
const char *const way_names[]
    = { "unknown", "alive", "unknown", "dead", "unusable", NULL };

void
scenario_path (char *dst, size_t n, const char *path, const char *key)
{
  snprintf (dst, n, "%s%s%s", path, *path ? "." : "", key);
}

int
scenario_bad (const struct scenario_at *at, const char *key, const char *fmt,
              ...)
{
  char path[256], msg[400], shown[400];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (msg, sizeof msg, fmt, ap);
  va_end (ap);
  scenario_path (path, sizeof path, at->path, key);
  return json_error_at (at->doc, path, at->err, "%s",
                        report_quote (shown, sizeof shown, msg,
                                      strlen (msg)));
}

/* ---- one value at a time ---- */

static int
check_name (const struct scenario_at *at, const char *key, const char *name)
{
  if (text_is_name (name))
    return 0;
  return scenario_bad (at, key,
                       "a name is made of letters, digits, \".\", \"_\" and "
                       "\"-\", and does not begin with \".\" or \"-\"");
}

static int
check_labels (const struct scenario_at *at, struct json_object *labels)
{
  if (!labels)
    return 0;
  if (!json_object_is_type (labels, json_type_object))
    return scenario_bad (at, "select.labels",
                         "must be an object of label: glob");
  json_object_object_foreach (labels, key, value)
  {
    char path[200];

    if (json_object_is_type (value, json_type_string))
      continue;
    snprintf (path, sizeof path, "select.labels.%s", key);
    return scenario_bad (at, path, "must be a string (a glob)");
  }
  return 0;
}

/* ---- quiet hours ---- */

int
hours_minute (const char *hhmm)
{
  int h, m;

  for (int i = 0; i < 5; i++)
    if (i == 2 ? hhmm[i] != ':' : hhmm[i] < '0' || hhmm[i] > '9')
      return -1;
  h = (hhmm[0] - '0') * 10 + hhmm[1] - '0';
  m = (hhmm[3] - '0') * 10 + hhmm[4] - '0';
  if (hhmm[5] || m > 59 || h > 24 || (h == 24 && m))
    return -1;
  return h * 60 + m;
}

int
hours_days (const char *days)
{
  static const char names[7][4]
      = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };
  int mask = 0;

  if (!days)
    return 0x7f;
  for (const char *p = days; *p; p += 3 + (p[3] == ','))
    {
      int d = 0;

      while (d < 7 && strncmp (p, names[d], 3) != 0)
        d++;
      if (d == 7 || (p[3] && p[3] != ',') || (p[3] == ',' && !p[4]))
        return -1;
      mask |= 1 << d;
    }
  return mask ? mask : -1;
}

static int
check_hours (const struct scenario_at *at, const struct scenario *s)
{
  const struct scenario_hours *h = s->quiet_hours.items;

  for (size_t i = 0; i < s->quiet_hours.count; i++, h++)
    {
      int from = hours_minute (h->from), to = hours_minute (h->to);
      char key[64];

      snprintf (key, sizeof key, "quiet-hours[%zu].%s", i,
                from < 0 ? "from" : to < 0 ? "to" : "days");
      if (from < 0 || to < 0)
        return scenario_bad (at, key, "must be a time of day as HH:MM");
      if (hours_days (h->days) < 0)
        return scenario_bad (at, key,
                             "must be days as "
                             "\"mon,tue,wed,thu,fri,sat,sun\"");
      snprintf (key, sizeof key, "quiet-hours[%zu].to", i);
      if (from == to)
        return scenario_bad (at, key,
                             "is the same as `from`; a whole day is 00:00 to "
                             "24:00");
    }
  return 0;
}

/* ---- times ---- */

static int
check_times (const struct scenario_at *at, const struct scenario *s)
{
  char a[32], b[32];
  size_t unused;

  units_format_duration (a, sizeof a, s->interval_ms);
  units_format_duration (b, sizeof b, s->timeout_ms);
  if (s->interval_ms < MIN_INTERVAL_MS)
    return scenario_bad (at, "interval", "%s is too short: 1s is the least",
                         a);
  if (s->timeout_ms < MIN_TIMEOUT_MS)
    return scenario_bad (at, "timeout", "%s is too short: 100ms is the least",
                         b);
  if (s->timeout_ms >= s->interval_ms)
    return scenario_bad (at, "timeout",
                         "%s is not shorter than the interval of %s: one run "
                         "would still wait when the next begins; shorten the "
                         "timeout or lengthen the interval",
                         b, a);
  if (s->max_time_ms >= s->timeout_ms)
    return scenario_bad (at, "max-time",
                         "is not shorter than the timeout of %s: an answer "
                         "that comes later is never seen",
                         b);
  if (s->max_time_ms && !s->kind->timed)
    return scenario_bad (at, "max-time",
                         "a scenario of kind %s is not one question with one "
                         "answer%s",
                         s->kind->name,
                         json_field_named (s->kind->fields, "max-rtt", &unused)
                             ? "; it has \"max-rtt\""
                             : "");
  if (s->jitter_ms > s->interval_ms)
    return scenario_bad (at, "jitter", "is longer than the interval of %s", a);
  if (s->retry_ms < MIN_INTERVAL_MS)
    return scenario_bad (at, "retry-interval",
                         "is too short: 1s is the least");
  return 0;
}

/* ---- kinds and transports ---- */

static bool
has_transport (const struct scenario_kind *kind, const char *name)
{
  const struct transport_ops *t;

  for (const char *const *p = kind->transports; p && *p; p++)
    if (strcmp (*p, name) == 0)
      return true;
  t = kind->commands ? transport_find (name) : NULL;
  /* Of what this build is without the kind's own check tells. */
  return t && (t->command || t->needs);
}

/* "console" or "ssh" */
static const char *
all_transports (const struct scenario_kind *kind, char *dst, size_t n)
{
  size_t len = 0;

  dst[0] = '\0';
  for (size_t i = 0; transports[i]; i++)
    if (has_transport (kind, transports[i]->name) && len < n)
      len += (size_t) snprintf (dst + len, n - len, "%s\"%s\"",
                                len ? " or " : "", transports[i]->name);
  return dst;
}

static int
check_transports (const struct scenario_at *at, const struct scenario *s)
{
  char *const *name = s->transports.items;
  char key[64], all[120], span[32];

  for (size_t i = 0; i < s->transports.count; i++)
    {
      snprintf (key, sizeof key, "transports[%zu]", i);
      if (!s->kind->transports)
        return scenario_bad (at, key, "a scenario of kind %s asks nobody",
                             s->kind->name);
      if (!has_transport (s->kind, name[i]))
        return scenario_bad (at, key, "a %s scenario can use only %s",
                             s->kind->name,
                             all_transports (s->kind, all, sizeof all));
      for (size_t k = 0; k < i; k++)
        if (strcmp (name[i], name[k]) == 0)
          return scenario_bad (at, key, "\"%s\" is there twice", name[i]);
    }
  /* Each has the whole timeout, one after another. */
  if (s->transports.count > 1
      && s->transports.count * s->timeout_ms >= s->interval_ms)
    {
      units_format_duration (span, sizeof span, s->interval_ms);
      return scenario_bad (at, "timeout",
                           "%zu transports, one after another, do not fit "
                           "into the interval of %s; shorten the timeout or "
                           "lengthen the interval",
                           s->transports.count, span);
    }
  return 0;
}

/* ---- what kind it is ---- */

/* What must be known before the rest can be read. */
struct head
{
  char *schema, *kind;
};

static const struct json_field head_fields[] = {
  { .name = "schema", .kind = JSON_STRING,
    .offset = offsetof (struct head, schema) },
  { .name = "kind", .kind = JSON_STRING,
    .offset = offsetof (struct head, kind), .required = true, .min = 1,
    .max = SCENARIO_KIND_MAX },
  { .name = NULL },
};

static int
no_such_kind (const struct scenario_at *at, const char *name)
{
  CLEANUP_FREE const char **names = scenario_kind_names ();
  char near[300] = "";

  if (names)
    text_did_you_mean (near, sizeof near, name, names);
  return scenario_bad (at, "kind", "there is no such kind%s", near);
}

static int
read_kind (const struct scenario_at *at, struct json_object *obj,
           const struct scenario_kind **ret)
{
  CLEANUP_JSON struct json_object *part = json_object_new_object ();
  struct head head = { NULL, NULL };
  int rc;

  for (const struct json_field *f = head_fields; f->name; f++)
    {
      struct json_object *v;

      if (json_object_object_get_ex (obj, f->name, &v))
        json_object_object_add (part, f->name, json_object_get (v));
    }
  rc = json_decode (at->doc, part, at->path, head_fields, &head, at->err);
  if (rc >= 0 && head.schema && strcmp (head.schema, SCENARIO_SCHEMA) != 0)
    rc = scenario_bad (at, "schema", "this hangdog reads \"%s\"",
                       SCENARIO_SCHEMA);
  if (rc >= 0)
    {
      *ret = scenario_kind_find (head.kind);
      rc = *ret ? 0 : no_such_kind (at, head.kind);
    }
  json_decoded_done (head_fields, &head);
  return rc;
}

/* ---- a key of another kind is told from a slip ---- */

#define MAX_NESTED 8

/* Where in a document: the keys of the objects on the way, and one more. */
struct way
{
  const char *keys[MAX_NESTED];
  size_t n;
};

static bool
has_key (const struct scenario_kind *kind, const struct way *way)
{
  const struct json_field *f, *fields = kind->fields;
  size_t offset;

  for (size_t i = 0; i < way->n && fields; i++)
    {
      f = json_field_named (fields, way->keys[i], &offset);
      if (!f)
        return false;
      fields = f->kind == JSON_OBJECT ? f->sub : NULL;
      if (!fields && i + 1 < way->n)
        return false;
    }
  return true;
}

static int
key_of_others (const struct scenario_at *at, const struct scenario_kind *kind,
               const struct way *way)
{
  struct buf kinds CLEANUP_BUF = BUF_INIT (200);
  struct buf path CLEANUP_BUF = BUF_INIT (160);
  const struct scenario_kind *last = NULL;
  size_t n = 0;

  for (size_t i = 0; scenario_kinds[i]; i++)
    {
      if (!has_key (scenario_kinds[i], way))
        continue;
      if (last)
        buf_printf (&kinds, "%s%s", n > 1 ? ", " : "", last->name);
      last = scenario_kinds[i];
      n++;
    }
  if (!last)
    return 0;
  for (size_t i = 0; i < way->n; i++)
    buf_printf (&path, "%s%s", i ? "." : "", way->keys[i]);
  return scenario_bad (at, buf_str (&path),
                       "\"%s\" is a key of kind%s %s%s%s, not of %s",
                       buf_str (&path), n > 1 ? "s" : "", buf_str (&kinds),
                       n > 1 ? " and " : "", last->name, kind->name);
}

/* What no kind has is left to the decoder, which knows what comes near. */
static int
check_keys (const struct scenario_at *at, const struct scenario_kind *kind,
            const struct json_field *fields, struct json_object *obj,
            struct way *way)
{
  int rc = 0;

  json_object_object_foreach (obj, key, value)
  {
    size_t offset;
    const struct json_field *f = json_field_named (fields, key, &offset);

    way->keys[way->n++] = key;
    if (!f)
      rc = key_of_others (at, kind, way);
    else if (f->kind == JSON_OBJECT && way->n < MAX_NESTED
             && json_object_is_type (value, json_type_object))
      rc = check_keys (at, kind, f->sub, value, way);
    way->n--;
    if (rc < 0)
      break;
  }
  return rc;
}

/* ---- the whole ---- */

static int
check (const struct scenario_at *at, struct scenario *s)
{
  int rc;

  /* Before anything that prints or uses them. */
  if ((rc = check_name (at, "name", s->name)) < 0
      || (rc = check_name (at, "playbook", s->playbook)) < 0)
    return rc;
  if (strcmp (s->name, "order") == 0)
    return scenario_bad (at, "name",
                         "\"order\" is what a diagnosis asked for by "
                         "somebody is called; take another");
  if ((rc = check_labels (at, s->select.labels)) < 0
      || (rc = check_times (at, s)) < 0 || (rc = check_hours (at, s)) < 0
      || (rc = check_transports (at, s)) < 0)
    return rc;
  return s->kind->check ? s->kind->check (s, at) : 0;
}

static struct scenario *
with_defaults (const struct scenario_kind *kind)
{
  struct scenario *s = calloc (1, SCENARIO_OWN_AT + kind->own_size);

  if (!s)
    return NULL;
  *s = scenario_defaults;
  s->refs = 1;
  s->kind = kind;
  s->own = (char *) s + SCENARIO_OWN_AT;
  if (kind->own_init)
    memcpy (s->own, kind->own_init, kind->own_size);
  /* One spelling: also where the document does not say it. */
  s->schema = strdup (SCENARIO_SCHEMA);
  s->playbook = strdup ("standard");
  if (s->schema && s->playbook)
    return s;
  scenario_unref (s);
  return NULL;
}

int
scenario_parse (const struct json_doc *doc, struct json_object *obj,
                const char *path, struct scenario **ret, struct error *err)
{
  const struct scenario_at at = { doc, path, err };
  const struct scenario_kind *kind = NULL;
  struct json_field table[3];
  struct way way = { .n = 0 };
  struct scenario *s;
  int rc;

  if (!json_object_is_type (obj, json_type_object))
    return json_error_at (doc, path, err, "a scenario must be an object");
  rc = read_kind (&at, obj, &kind);
  if (rc < 0)
    return rc;
  scenario_table (kind, table);
  rc = check_keys (&at, kind, table, obj, &way);
  if (rc < 0)
    return rc;
  s = with_defaults (kind);
  if (!s)
    return error_set (err, ENOMEM, "no memory");
  rc = json_decode (doc, obj, path, table, s, err);
  if (rc >= 0)
    rc = check (&at, s);
  if (rc < 0)
    {
      scenario_unref (s);
      return rc;
    }
  *ret = s;
  return 0;
}

struct scenario *
scenario_ref (struct scenario *s)
{
  __atomic_add_fetch (&s->refs, 1, __ATOMIC_RELAXED);
  return s;
}

void
scenario_unref (struct scenario *s)
{
  struct json_field table[3];

  if (!s || __atomic_sub_fetch (&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  scenario_table (s->kind, table);
  json_decoded_done (table, s);
  free (s->origin);
  free (s);
}

/* ---- files ---- */

static void
free_all (struct scenario **all, size_t n)
{
  for (size_t i = 0; all && i < n; i++)
    scenario_unref (all[i]);
  free (all);
}

static int
same_name (const struct json_doc *doc, struct scenario **all, size_t n,
           const char *path, struct error *err)
{
  char key[80];

  for (size_t i = 0; i < n; i++)
    if (strcmp (all[i]->name, all[n]->name) == 0)
      {
        scenario_path (key, sizeof key, path, "name");
        return json_error_at (doc, key, err,
                              "scenarios[%zu] has the same name \"%s\"", i,
                              all[n]->name);
      }
  return 0;
}

static int
load_array (const struct json_doc *doc, struct json_object *list,
            struct scenario ***ret, size_t *ret_n, struct error *err)
{
  size_t n, i;
  struct scenario **all;
  int rc = 0;

  if (!json_object_is_type (list, json_type_array))
    return json_error_at (doc, "scenarios", err, "must be an array");
  n = json_object_array_length (list);
  if (n > MAX_SCENARIOS)
    return json_error_at (doc, "scenarios", err,
                          "more than %d scenarios in one file",
                          MAX_SCENARIOS);
  all = calloc (n ? n : 1, sizeof *all);
  if (!all)
    return error_set (err, ENOMEM, "no memory");
  for (i = 0; i < n && rc >= 0; i++)
    {
      char path[40];

      snprintf (path, sizeof path, "scenarios[%zu]", i);
      rc = scenario_parse (doc, json_object_array_get_idx (list, i), path,
                           &all[i], err);
      if (rc >= 0)
        rc = same_name (doc, all, i, path, err);
    }
  if (rc < 0)
    {
      free_all (all, i);
      return rc;
    }
  *ret = all;
  *ret_n = n;
  return 0;
}

/* Beside "scenarios" only what says what the file is. */
static int
check_list_keys (const struct json_doc *doc, struct json_object *root,
                 struct error *err)
{
  json_object_object_foreach (root, key, value)
  {
    (void) value;
    if (strcmp (key, "scenarios") != 0 && strcmp (key, "$schema") != 0
        && strcmp (key, "description") != 0)
      return json_error_at (doc, key, err,
                            "unknown key beside \"scenarios\"; what belongs "
                            "to one scenario goes into it");
  }
  return 0;
}

void
scenario_place (const struct json_doc *doc, size_t i, const char *key,
                char *dst, size_t n)
{
  char element[40] = "";

  if (json_get (json_root (doc), "scenarios"))
    snprintf (element, sizeof element, "scenarios[%zu]", i);
  scenario_path (dst, n, element, key);
}

int
scenario_list (const struct json_doc *doc, struct scenario ***ret,
               size_t *ret_n, struct error *err)
{
  struct json_object *list = NULL, *root = json_root (doc);
  struct scenario **all;
  int rc;

  if (json_object_is_type (root, json_type_object)
      && json_object_object_get_ex (root, "scenarios", &list))
    {
      rc = check_list_keys (doc, root, err);
      return rc < 0 ? rc : load_array (doc, list, ret, ret_n, err);
    }
  all = calloc (1, sizeof *all);
  if (!all)
    return error_set (err, ENOMEM, "no memory");
  rc = scenario_parse (doc, root, "", &all[0], err);
  if (rc < 0)
    {
      free (all);
      return rc;
    }
  *ret = all;
  *ret_n = 1;
  return 0;
}
