/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: busy workqueues and worker pools.
 *
 *   workqueue events_unbound: flags=0x2
 *     pwq 4: cpus=0-1 flags=0x4 nice=0 active=1/512 refcnt=3
 *       in-flight: 29:flush_to_ldisc, 30:wb_workfn BAR(12)
 *       pending: flush_to_ldisc
 *   pool 4: cpus=0-1 flags=0x4 nice=0 hung=3s workers=4 idle: 9 7
 */
#include "kernel/text/sysrq_impl.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define MAX_WORK 4096 /* workqueues, pools, items of all */
#define MAX_PAIRS 24

static struct json_object *
add_object (struct sysrq_dump *d, struct json_object *to, const char *name)
{
  struct json_object *list = to ? dump_array (to, name) : NULL, *o;

  if (!list)
    return NULL;
  if (d->nwork == MAX_WORK)
    {
      dump_gap (d, "limit", 1, "busy workqueues");
      return NULL;
    }
  d->nwork++;
  o = json_object_new_object ();
  json_object_array_add (list, o);
  return o;
}

/* "cpus=0-1 flags=0x4 nice=0 active=1/512 refcnt=3 hung=3s" */
static void
settings (struct json_object *o, struct cursor *c)
{
  struct cursor word;
  char name[24];

  for (cur_blanks (c); o && c->p < c->end; cur_blanks (c))
    {
      struct cursor t = *c, key;
      const char *eq;
      int64_t v;

      if (!cur_word (&t, &word)
          || !(eq = memchr (word.p, '=', cur_left (&word))))
        return;
      *c = t;
      key = (struct cursor){ word.p, eq };
      cur_copy (&key, name, sizeof name);
      word.p = eq + 1;
      t = word;
      if (json_object_object_length (o) >= MAX_PAIRS || !name[0]
          || name[strspn (name, "abcdefghijklmnopqrstuvwxyz_")]
          || json_get (o, name))
        continue;
      if (cur_i64 (&t, &v) && (t.p == t.end || cur_at (&t, "s")))
        json_add_int (o, name, v);
      else
        dump_text (o, name, &word);
    }
}

/* What is no text is escaped by json_add_text(), which adds to objects. */
static void
add_text (struct json_object *list, const char *text)
{
  struct json_object *o = json_object_new_object ();

  json_add_text (o, "text", text, strlen (text));
  json_object_array_add (list, json_object_get (json_get (o, "text")));
  json_object_put (o);
}

static void
items (struct sysrq_dump *d, struct cursor c)
{
  while (d->work_list && c.p < c.end)
    {
      const char *comma = memchr (c.p, ',', cur_left (&c));
      struct cursor item = { c.p, comma ? comma : c.end };
      char text[128];

      c.p = comma ? comma + 1 : c.end;
      cur_copy (&item, text, sizeof text);
      if (!text[0] || d->nwork == MAX_WORK)
        continue;
      d->nwork++;
      add_text (d->work_list, text);
    }
}

static bool
lists (struct sysrq_dump *d, struct cursor c)
{
  static const struct
  {
    const char *says, *name;
  } kinds[] = {
    { "in-flight:", "in_flight" },
    { "pending:", "pending" },
    { "inactive:", "inactive" },
    { "delayed:", "inactive" },
  };

  for (size_t i = 0; i < ARRAY_LEN (kinds); i++)
    if (cur_lit (&c, kinds[i].says))
      {
        d->work_list = NULL;
        if (!d->pool_of_wq)
          return true;
        d->work_list = json_object_new_array ();
        json_object_object_add (d->pool_of_wq, kinds[i].name, d->work_list);
        items (d, c);
        return true;
      }
  return false;
}

static bool
numbered (struct cursor *c, const char *what, uint64_t *ret)
{
  return cur_lit (c, what) && cur_u64 (c, ret) && cur_lit (c, ":");
}

/* "idle: 9 7 30", after a pool's settings; "manager: 12" before it. */
static void
pool_tail (struct json_object *o, struct cursor c)
{
  struct json_object *list;
  uint64_t v;

  cur_blanks (&c);
  if (cur_lit (&c, "manager: ") && cur_u64 (&c, &v))
    json_add_int (o, "manager", (int64_t) (v & INT64_MAX));
  cur_blanks (&c);
  if (!cur_lit (&c, "idle:"))
    return;
  list = json_object_new_array ();
  for (cur_blanks (&c); cur_u64 (&c, &v); cur_blanks (&c))
    if (json_object_array_length (list) < 256)
      json_object_array_add (list, json_object_new_int64 (
                                       (int64_t) (v & INT64_MAX)));
  json_object_object_add (o, "idle", list);
}

static bool
work_section (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct json_object *o;
  uint64_t id;

  (void) ctx;
  cur_blanks (&c);
  if (cur_lit (&c, "workqueue "))
    {
      const char *colon = cur_find (&c, ": flags=");
      struct cursor name = { c.p, colon ? colon : c.end };

      d->pool_of_wq = d->work_list = NULL;
      d->wq = add_object (d, d->work, "workqueues");
      if (d->wq)
        dump_text (d->wq, "name", &name);
      c.p = colon ? colon + 1 : c.end;
      settings (d->wq, &c);
      return true;
    }
  if (numbered (&c, "pwq ", &id))
    {
      d->work_list = NULL;
      d->pool_of_wq = add_object (d, d->wq, "pools");
      if (d->pool_of_wq)
        json_add_int (d->pool_of_wq, "pool", (int64_t) (id & INT64_MAX));
      settings (d->pool_of_wq, &c);
      return true;
    }
  if (numbered (&c, "pool ", &id))
    {
      d->wq = d->pool_of_wq = d->work_list = NULL;
      o = add_object (d, d->work, "pools");
      if (!o)
        return true;
      json_add_int (o, "pool", (int64_t) (id & INT64_MAX));
      settings (o, &c);
      pool_tail (o, c);
      return true;
    }
  return lists (d, c);
}

bool
dump_work_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  cur_blanks (&c);
  if (!cur_at (&c, "Showing busy workqueues"))
    return false;
  dump_section (d, ctx, work_section);
  json_object_put (d->work);
  d->work = json_object_new_object ();
  json_object_object_add (d->work, "workqueues", json_object_new_array ());
  json_object_object_add (d->work, "pools", json_object_new_array ());
  d->wq = d->pool_of_wq = d->work_list = NULL;
  d->nwork = 0;
  d->after_tasks = true;
  return true;
}
