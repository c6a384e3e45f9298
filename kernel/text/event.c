/* SPDX-License-Identifier: Apache-2.0
 *
 * Events: their names and their JSON.  See event.h.
 */
#include "kernel/text/event.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

const char *const text_severity_names[]
    = { "info", "warning", "error", "fatal", NULL };

const char *const text_evidence_names[]
    = { "header-only", "partial", "report", NULL };

static void
add (struct json_object *o, const char *key, const char *s)
{
  if (s[0])
    json_add_text (o, key, s, strlen (s));
}

static void
add_number (struct json_object *o, const char *key, int64_t v)
{
  if (v >= 0)
    json_add_int (o, key, v);
}

static struct json_object *
frame_to_json (const struct text_frame *f)
{
  struct json_object *o = json_object_new_object ();

  add (o, "func", f->func);
  add (o, "module", f->module);
  add (o, "where", f->where);
  if (f->size)
    {
      json_add_int (o, "offset", (int64_t) f->offset);
      json_add_int (o, "size", (int64_t) f->size);
    }
  if (f->guess)
    json_add_bool (o, "guess", true);
  return o;
}

static void
add_frames (struct json_object *o, const struct text_event *e)
{
  struct json_object *list = json_object_new_array ();
  unsigned i;

  for (i = 0; i < e->nframes; i++)
    json_object_array_add (list, frame_to_json (&e->frames[i]));
  json_object_object_add (o, "frames", list);
}

static void
add_alts (struct json_object *o, const struct text_event *e)
{
  struct json_object *list;
  size_t i;

  if (!e->alt[0][0])
    return;
  list = json_object_new_array ();
  for (i = 0; i < TEXT_ALTS_MAX && e->alt[i][0]; i++)
    {
      struct json_object *one = json_object_new_object ();

      /* By way of an object: it escapes what may be in a guest's text. */
      json_add_text (one, "t", e->alt[i], strlen (e->alt[i]));
      json_object_array_add (list,
                             json_object_get (json_object_object_get (one,
                                                                      "t")));
      json_object_put (one);
    }
  json_object_object_add (o, "alt", list);
}

static void
add_place (struct json_object *o, const struct text_event *e)
{
  json_add_int (o, "first_line", (int64_t) e->first_line);
  json_add_int (o, "last_line", (int64_t) e->last_line);
  json_add_int (o, "first_at", (int64_t) e->first_at);
  json_add_int (o, "end_at", (int64_t) e->end_at);
  if (e->first_ms)
    {
      json_add_int (o, "first_ms", (int64_t) e->first_ms);
      json_add_int (o, "last_ms", (int64_t) e->last_ms);
    }
  if (e->stamp_us >= 0)
    json_object_object_add (
        o, "stamp", json_object_new_double ((double) e->stamp_us / 1e6));
}

/* In hex: JSON's numbers have no room for 64 bits. */
static void
add_registers (struct json_object *o, const struct text_event *e)
{
  struct json_object *all;
  char value[24];

  if (e->nregs == 0)
    return;
  all = json_object_new_object ();
  for (unsigned i = 0; i < e->nregs; i++)
    {
      snprintf (value, sizeof value, "0x%llx",
                (unsigned long long) e->regs[i].value);
      json_add_str (all, e->regs[i].name, value);
    }
  json_object_object_add (o, "registers", all);
}

struct json_object *
text_event_to_json (const struct text_event *e)
{
  struct json_object *o = json_object_new_object ();

  json_add_int (o, "id", (int64_t) e->id);
  add (o, "title", e->title);
  add_alts (o, e);
  json_add_str (o, "kind", e->kind);
  json_add_str (o, "rule", e->rule);
  add (o, "type", e->type);
  add (o, "class", e->class_);
  json_add_str (o, "severity", text_severity_names[e->severity]);
  json_add_bool (o, "corrupted", e->corrupted);
  json_add_str (o, "evidence", text_evidence_names[e->evidence]);
  if (e->ours)
    json_add_bool (o, "ours", true);
  if (e->repeats)
    json_add_int (o, "repeats", e->repeats);
  add_place (o, e);
  add_number (o, "cpu", e->cpu);
  add (o, "comm", e->comm);
  add_number (o, "pid", e->pid);
  if (e->seconds >= 0)
    json_object_object_add (o, "seconds",
                            json_object_new_double (e->seconds));
  add (o, "subject", e->subject);
  add (o, "other", e->other);
  add (o, "rip", e->rip);
  add (o, "kernel", e->release);
  add (o, "taint", e->taint);
  add (o, "modules", e->modules);
  add (o, "hardware", e->hardware);
  json_add_str (o, "stage", text_stage_names[e->stage]);
  add (o, "signature", e->signature);
  add_frames (o, e);
  add_registers (o, e);
  return o;
}
