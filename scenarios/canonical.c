/* SPDX-License-Identifier: Apache-2.0
 *
 * A scenario back as a document: every member, in the table's order, in one
 * spelling, so that two documents that mean the same compare equal as text.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

static void
add_duration (struct json_object *obj, const char *key, uint64_t ms)
{
  static const struct
  {
    const char *unit;
    uint64_t ms;
  } units[] = { { "d", 86400000 },
                { "h", 3600000 },
                { "m", 60000 },
                { "s", 1000 },
                { "ms", 1 } };
  char text[32];
  size_t i = 0;

  /* Exact, unlike units_format_duration(), which is for people. */
  while (ms % units[i].ms)
    i++;
  if (ms)
    snprintf (text, sizeof text, "%llu%s",
              (unsigned long long) (ms / units[i].ms), units[i].unit);
  else
    snprintf (text, sizeof text, "0s");
  json_add_str (obj, key, text);
}

static void
add_opt (struct json_object *obj, const char *key, const char *s)
{
  if (s)
    json_add_str (obj, key, s);
}

static void
add_send (struct json_object *obj, const char *s)
{
  struct buf text CLEANUP_BUF = BUF_INIT (8192);

  if (!s)
    return;
  scenario_escape (s, &text);
  json_add_str (obj, "send", buf_str (&text));
}

static void
add_strings (struct json_object *obj, const char *key,
             const struct json_list *list)
{
  struct json_object *out = json_object_new_array ();
  char *const *items = list->items;

  for (size_t i = 0; i < list->count; i++)
    json_object_array_add (out, json_object_new_string (items[i]));
  json_object_object_add (obj, key, out);
}

/* json-c sorts arrays of pointers; theirs are not const. */
static int
by_key (const void *a, const void *b)
{
  const struct json_object *const *x = a, *const *y = b;

  return strcmp (json_object_get_string ((struct json_object *) *x),
                 json_object_get_string ((struct json_object *) *y));
}

/* In order of their keys: a JSON object has none of its own. */
static struct json_object *
sorted_labels (struct json_object *labels)
{
  struct json_object *keys = json_object_new_array ();
  struct json_object *out = json_object_new_object ();

  json_object_object_foreach (labels, key, value)
  {
    (void) value;
    json_object_array_add (keys, json_object_new_string (key));
  }
  json_object_array_sort (keys, by_key);
  for (size_t i = 0; i < json_object_array_length (keys); i++)
    {
      const char *k
          = json_object_get_string (json_object_array_get_idx (keys, i));

      json_object_object_add (
          out, k, json_object_get (json_object_object_get (labels, k)));
    }
  json_object_put (keys);
  return out;
}

static struct json_object *
select_json (const struct scenario_select *sel)
{
  struct json_object *out = json_object_new_object ();

  add_opt (out, "name", sel->name);
  add_opt (out, "uuid", sel->uuid);
  add_opt (out, "display-name", sel->display_name);
  if (sel->labels)
    json_object_object_add (out, "labels", sorted_labels (sel->labels));
  return out;
}

static void
add_ssh (struct json_object *obj, const struct scenario_ssh *ssh)
{
  struct json_object *out;

  if (!ssh->user)
    return;
  out = json_object_new_object ();
  json_add_str (out, "user", ssh->user);
  add_opt (out, "key", ssh->key);
  add_opt (out, "password", ssh->password);
  json_add_str (out, "host-keys", scenario_ssh_hosts[ssh->hosts]);
  json_object_object_add (obj, "ssh", out);
}

static struct json_object *
expect_json (const struct scenario_expect *ex)
{
  struct json_object *out = json_object_new_object ();
  struct json_object *list;
  const struct scenario_compare *c = ex->compare.items;

  json_add_int (out, "status", ex->status);
  add_opt (out, "output", ex->output);
  add_opt (out, "not-output", ex->not_output);
  if (ex->compare.count == 0)
    return out;
  list = json_object_new_array ();
  for (size_t i = 0; i < ex->compare.count; i++, c++)
    {
      struct json_object *o = json_object_new_object ();

      json_add_str (o, "capture", c->capture);
      json_add_str (o, "op", scenario_compare_ops[c->op]);
      json_object_object_add (o, "value", json_object_new_double (c->value));
      json_object_array_add (list, o);
    }
  json_object_object_add (out, "compare", list);
  return out;
}

static struct json_object *
hours_json (const struct json_list *hours)
{
  struct json_object *out = json_object_new_array ();
  const struct scenario_hours *h = hours->items;

  for (size_t i = 0; i < hours->count; i++, h++)
    {
      struct json_object *o = json_object_new_object ();

      json_add_str (o, "from", h->from);
      json_add_str (o, "to", h->to);
      add_opt (o, "days", h->days);
      json_object_array_add (out, o);
    }
  return out;
}

static struct json_object *
steps_json (const struct json_list *steps)
{
  struct json_object *out = json_object_new_array ();
  const struct scenario_step *st = steps->items;

  for (size_t i = 0; i < steps->count; i++, st++)
    {
      struct json_object *o = json_object_new_object ();

      json_add_str (o, "name", st->name);
      add_send (o, st->send);
      if (st->expect.count)
        add_strings (o, "expect", &st->expect);
      if (st->timeout_ms)
        add_duration (o, "timeout", st->timeout_ms);
      add_opt (o, "go-to", st->go_to);
      add_opt (o, "else", st->otherwise);
      add_opt (o, "fail", st->fail);
      json_object_array_add (out, o);
    }
  return out;
}

static void
add_schedule (struct json_object *out, const struct scenario *s)
{
  static const char *const severities[] = { "info", "warning", "critical" };

  add_duration (out, "interval", s->interval_ms);
  add_duration (out, "timeout", s->timeout_ms);
  add_duration (out, "jitter", s->jitter_ms);
  add_duration (out, "initial-delay", s->initial_delay_ms);
  add_duration (out, "retry-interval", s->retry_ms);
  json_add_int (out, "failure-threshold", s->failure_threshold);
  json_add_int (out, "success-threshold", s->success_threshold);
  if (s->quiet_hours.count)
    json_object_object_add (out, "quiet-hours",
                            hours_json (&s->quiet_hours));
  json_add_str (out, "severity", severities[s->severity]);
  json_add_str (out, "playbook", s->playbook);
}

struct json_object *
scenario_to_json (const struct scenario *s)
{
  struct json_object *out = json_object_new_object ();

  json_add_str (out, "schema", SCENARIO_SCHEMA);
  json_add_str (out, "name", s->name);
  json_add_str (out, "kind", s->kind_name);
  add_opt (out, "description", s->description);
  json_object_object_add (out, "select", select_json (&s->select));
  if (s->transports.count)
    add_strings (out, "transports", &s->transports);
  add_schedule (out, s);
  add_opt (out, "console", s->console);
  add_opt (out, "command", s->command);
  add_opt (out, "address", s->address);
  add_ssh (out, &s->ssh);
  add_send (out, s->send);
  if (s->kind != &kind_dialogue)
    {
      struct json_object *expect = expect_json (&s->expect);

      /* A status means nothing over tcp, and is refused there. */
      if (s->kind == &kind_tcp)
        json_object_object_del (expect, "status");
      json_object_object_add (out, "expect", expect);
    }
  if (s->steps.count)
    json_object_object_add (out, "steps", steps_json (&s->steps));
  return out;
}
