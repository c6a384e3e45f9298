/* SPDX-License-Identifier: Apache-2.0
 *
 * What one collector brings home.
 *
 * One lock guards all that the two sides share.  The loop is woken under it:
 * once haul_close() had it, the collector's thread touches neither the loop
 * nor anything the loop has taken, however late it comes back.
 */
#include "supervisor/incidents/haul.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/json.h"
#include "base/loop.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct haul_file
{
  char name[128];
  uint64_t size;
  bool cut; /* the rest of it is a gap */
};

/* On its way to the loop. */
struct piece
{
  struct piece *next;
  char name[128];
  uint64_t offset;
  size_t len;
  char data[];
};

struct haul
{
  struct collect_out out;
  struct loop *loop;
  char collector[64];
  haul_file_fn *file; /* loop side */
  void *arg;

  pthread_mutex_t m; /* what follows */
  unsigned refs;
  bool closed, woken;
  struct piece *pieces, **pieces_end;
  struct haul_file files[HAUL_MAX_FILES];
  unsigned nfiles;
  uint64_t bytes;
  bool refused; /* a file, and said so */
  struct fact facts[HAUL_MAX_FACTS];
  unsigned nfacts, facts_lost;
  struct json_object *impact, *gaps; /* the loop's, once it is closed */
};

static void
pieces_free (struct piece *p)
{
  for (struct piece *next; p; p = next)
    {
      next = p->next;
      free (p);
    }
}

struct haul *
haul_ref (struct haul *h)
{
  LOCK_SCOPE (&h->m);
  h->refs++;
  return h;
}

void
haul_unref (struct haul *h)
{
  bool last;

  if (!h)
    return;
  {
    LOCK_SCOPE (&h->m);
    last = --h->refs == 0;
  }
  if (!last)
    return;
  pieces_free (h->pieces);
  if (h->impact)
    json_object_put (h->impact);
  if (h->gaps)
    json_object_put (h->gaps);
  pthread_mutex_destroy (&h->m);
  free (h);
}

/* ---- the loop takes ---- */

static void
tell (struct haul *h, struct piece *p)
{
  for (; p; p = p->next)
    h->file (p->name, p->offset, p->data, p->len, h->arg);
}

static struct piece *
take_locked (struct haul *h)
{
  struct piece *list = h->pieces;

  h->pieces = NULL;
  h->pieces_end = &h->pieces;
  return list;
}

static void
woken (void *arg)
{
  struct haul *h = arg;
  struct piece *list = NULL;

  {
    LOCK_SCOPE (&h->m);
    h->woken = false;
    if (!h->closed)
      list = take_locked (h);
  }
  tell (h, list);
  pieces_free (list);
  haul_unref (h);
}

static void
not_woken (void *arg)
{
  haul_unref (arg);
}

/* ---- the collector puts in ---- */

static void
add_gap_locked (struct haul *h, const char *what, const char *why)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "collector", h->collector);
  json_add_text (o, "what", what, strlen (what));
  json_add_text (o, "why", why, strlen (why));
  json_object_array_add (h->gaps, o);
}

static void
out_gap (struct collect_out *out, const char *what, const char *fmt, ...)
{
  struct haul *h = container_of (out, struct haul, out);
  char text[256];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof (text), fmt, ap);
  va_end (ap);
  LOCK_SCOPE (&h->m);
  if (!h->closed)
    add_gap_locked (h, what, text);
}

static void
out_impact (struct collect_out *out, const char *fmt, ...)
{
  struct haul *h = container_of (out, struct haul, out);
  struct json_object *o;
  char text[256];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof (text), fmt, ap);
  va_end (ap);
  LOCK_SCOPE (&h->m);
  if (h->closed)
    return;
  o = json_object_new_object ();
  json_add_str (o, "collector", h->collector);
  json_add_int (o, "wall_ms", (int64_t) clock_wall_ms ());
  json_add_text (o, "what", text, strlen (text));
  json_object_array_add (h->impact, o);
}

static struct haul_file *
file_locked (struct haul *h, const char *name)
{
  struct haul_file *f;
  size_t n = strlen (name);

  for (unsigned i = 0; i < h->nfiles; i++)
    if (strcmp (h->files[i].name, name) == 0)
      return &h->files[i];
  if (h->nfiles == HAUL_MAX_FILES || n >= sizeof (f->name))
    return NULL;
  f = &h->files[h->nfiles++];
  memcpy (f->name, name, n + 1);
  return f;
}

static bool
put_piece_locked (struct haul *h, struct haul_file *f, const void *data,
                  size_t len)
{
  struct piece *p = malloc (sizeof (*p) + len);

  if (!p)
    return false;
  p->next = NULL;
  memcpy (p->name, f->name, sizeof (p->name));
  p->offset = f->size;
  p->len = len;
  memcpy (p->data, data, len);
  *h->pieces_end = p;
  h->pieces_end = &p->next;
  f->size += len;
  h->bytes += len;
  return true;
}

static void
wake_locked (struct haul *h)
{
  if (h->woken)
    return;
  h->refs++;
  /* Without memory they wait for the next call, or for the end. */
  if (loop_post (h->loop, woken, h, not_woken) < 0)
    h->refs--;
  else
    h->woken = true;
}

static void
out_file (struct collect_out *out, const char *name, const void *data,
          size_t len)
{
  struct haul *h = container_of (out, struct haul, out);
  const char *from = data;
  struct haul_file *f;
  bool fits;
  LOCK_SCOPE (&h->m);

  if (h->closed)
    return;
  f = file_locked (h, name);
  fits = f && !f->cut && h->bytes + len <= HAUL_MAX_BYTES;
  for (size_t n; fits && len > 0; from += n, len -= n)
    {
      n = len < HAUL_PIECE ? len : HAUL_PIECE;
      fits = put_piece_locked (h, f, from, n);
    }
  /* What comes after a hole would stand at the wrong place. */
  if (!fits && f)
    f->cut = true;
  if (!fits && !h->refused)
    {
      h->refused = true;
      add_gap_locked (h, name,
                      "more than 8 MiB or 64 files in one step, or no memory");
    }
  if (h->pieces)
    wake_locked (h);
}

static void
out_fact (struct collect_out *out, const struct fact *fact)
{
  struct haul *h = container_of (out, struct haul, out);
  struct fact *f;
  LOCK_SCOPE (&h->m);

  if (h->closed)
    return;
  if (h->nfacts == HAUL_MAX_FACTS)
    {
      h->facts_lost++;
      return;
    }
  f = &h->facts[h->nfacts];
  *f = *fact;
  f->sample = 1;
  for (unsigned i = 0; i < h->nfacts; i++)
    f->sample += strcmp (h->facts[i].name, f->name) == 0;
  h->nfacts++;
}

/* ---- begin and end ---- */

int
haul_new (struct loop *loop, const char *collector, haul_file_fn *file,
          void *arg, struct haul **ret, struct error *err)
{
  struct haul *h = calloc (1, sizeof (*h));

  if (!h)
    return error_set (err, ENOMEM, "no memory for the collector");
  h->out = (struct collect_out){
    .file = out_file,
    .fact = out_fact,
    .impact = out_impact,
    .gap = out_gap,
  };
  h->loop = loop;
  snprintf (h->collector, sizeof (h->collector), "%s", collector);
  h->file = file;
  h->arg = arg;
  pthread_mutex_init (&h->m, NULL);
  h->refs = 1;
  h->pieces_end = &h->pieces;
  h->impact = json_object_new_array ();
  h->gaps = json_object_new_array ();
  *ret = h;
  return 0;
}

struct collect_out *
haul_out (struct haul *h)
{
  return &h->out;
}

void
haul_close (struct haul *h, struct haul_end *ret)
{
  struct piece *list;
  char text[64];

  {
    LOCK_SCOPE (&h->m);
    h->closed = true;
    list = take_locked (h);
  }
  /* From here on the thread changes nothing in it. */
  if (ret)
    {
      tell (h, list);
      if (h->facts_lost)
        {
          snprintf (text, sizeof (text), "%u more than %u in one step",
                    h->facts_lost, HAUL_MAX_FACTS);
          add_gap_locked (h, "facts", text);
        }
      *ret = (struct haul_end){ h->facts, h->nfacts,
                                steal_ptr (&h->impact),
                                steal_ptr (&h->gaps), h->bytes };
    }
  pieces_free (list);
}
