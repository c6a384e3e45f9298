/* SPDX-License-Identifier: Apache-2.0
 *
 * The timeline of a bundle: sorting it, bounding it, writing it.
 */
#include "diag/timeline.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const timeline_kind_names[]
    = { "incident", "verdict", "act",       "check",
        "lifecycle", "kernel", "collector", NULL };
const char *const timeline_clock_names[] = { "wall", "monotonic", NULL };

struct kept
{
  enum timeline_kind kind;
  enum timeline_clock clock;
  uint64_t ms;
  int64_t wall_ms; /* once the clocks are known */
  unsigned seq, count;
  double guest_s;
  char step[24], source[32], what[TIMELINE_WHAT];
};

struct timeline
{
  struct kept rows[TIMELINE_ROWS];
  unsigned n, seq;
  unsigned left_out[TIMELINE_KINDS];
};

int
timeline_new (struct timeline **ret, struct error *err)
{
  *ret = calloc (1, sizeof **ret);
  return *ret ? 0 : error_set (err, ENOMEM, "no memory for a timeline");
}

void
timeline_free (struct timeline *tl)
{
  free (tl);
}

static void
escaped (char *dst, size_t n, const char *text)
{
  struct buf out CLEANUP_BUF = BUF_INIT (n - 1);

  if (text)
    text_escape (&out, text, strnlen (text, 4 * n), TEXT_ASCII);
  snprintf (dst, n, "%s", buf_str (&out));
}

/* Of what says least the first that came: the last words count more than those
 * that led to them. */
static struct kept *
least (struct timeline *tl)
{
  struct kept *worst = &tl->rows[0];

  for (unsigned i = 1; i < tl->n; i++)
    if (tl->rows[i].kind > worst->kind
        || (tl->rows[i].kind == worst->kind && tl->rows[i].seq < worst->seq))
      worst = &tl->rows[i];
  return worst;
}

void
timeline_add (struct timeline *tl, const struct timeline_row *row)
{
  struct kept *k;

  if (tl->n < TIMELINE_ROWS)
    k = &tl->rows[tl->n++];
  else
    {
      k = least (tl);
      if (k->kind < row->kind)
        {
          tl->left_out[row->kind]++;
          return;
        }
      tl->left_out[k->kind]++;
    }
  *k = (struct kept){ .kind = row->kind,
                      .clock = row->clock,
                      .ms = row->ms,
                      .seq = tl->seq++,
                      .count = row->count,
                      .guest_s = row->guest_s };
  escaped (k->step, sizeof k->step, row->step);
  escaped (k->source, sizeof k->source, row->source);
  escaped (k->what, sizeof k->what, row->what);
}

static int
by_time (const void *a, const void *b)
{
  const struct kept *x = a, *y = b;

  if (x->wall_ms != y->wall_ms)
    return x->wall_ms < y->wall_ms ? -1 : 1;
  return x->seq < y->seq ? -1 : 1;
}

static void
add_text (struct json_object *o, const char *key, const char *text)
{
  if (text[0])
    json_add_text (o, key, text, strlen (text));
}

static struct json_object *
row_json (const struct kept *k, const struct timeline_clocks *c)
{
  struct json_object *o = json_object_new_object ();
  int64_t mono = k->wall_ms - c->mono_to_wall;
  char text[32];

  json_add_str (o, "time",
                clock_format (text, sizeof text, (uint64_t) k->wall_ms));
  json_add_int (o, "time_ms", k->wall_ms);
  json_add_int (o, "mono_ms", mono);
  json_add_str (o, "clock", timeline_clock_names[k->clock]);
  json_add_str (o, "kind", timeline_kind_names[k->kind]);
  add_text (o, "step", k->step);
  add_text (o, "source", k->source);
  add_text (o, "what", k->what);
  if (k->count > 1)
    json_add_int (o, "count", k->count);
  if (!(k->guest_s >= 0 && k->guest_s < 1e9))
    return o;
  json_object_object_add (o, "guest_s", json_object_new_double (k->guest_s));
  if (c->knows_guest)
    json_add_int (o, "guest_mono_ms",
                  (int64_t) (1000 * (c->guest_offset_s + k->guest_s)));
  return o;
}

/* False: there was no room for it. */
static bool
put_line (struct json_object *o, struct buf *out, size_t most)
{
  size_t len;
  const char *text = json_object_to_json_string_length (
      o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
  bool fits = out->len + len + 1 <= most;

  if (fits)
    {
      buf_append (out, text, len);
      buf_putc (out, '\n');
    }
  json_object_put (o);
  return fits;
}

static void
say_left_out (const struct timeline *tl, struct buf *out)
{
  struct buf text CLEANUP_BUF = BUF_INIT (200);
  struct json_object *o;
  unsigned all = 0;

  for (int i = 0; i < TIMELINE_KINDS; i++)
    if (tl->left_out[i])
      {
        buf_printf (&text, "%s%u %s", all ? ", " : "", tl->left_out[i],
                    timeline_kind_names[i]);
        all += tl->left_out[i];
      }
  if (!all)
    return;
  o = json_object_new_object ();
  json_add_str (o, "kind", "left-out");
  add_text (o, "what", buf_str (&text));
  json_add_int (o, "count", all);
  put_line (o, out, TIMELINE_BYTES);
}

void
timeline_write (struct timeline *tl, const struct timeline_clocks *clocks,
                struct buf *out)
{
  for (unsigned i = 0; i < tl->n; i++)
    {
      struct kept *k = &tl->rows[i];

      k->wall_ms = (int64_t) k->ms;
      if (k->clock == TIMELINE_MONOTONIC)
        k->wall_ms += clocks->mono_to_wall;
      if (k->wall_ms < 0)
        k->wall_ms = 0;
    }
  qsort (tl->rows, tl->n, sizeof tl->rows[0], by_time);
  for (unsigned i = 0; i < tl->n; i++)
    if (!put_line (row_json (&tl->rows[i], clocks), out,
                   TIMELINE_BYTES - 300))
      tl->left_out[tl->rows[i].kind]++;
  say_left_out (tl, out);
}
