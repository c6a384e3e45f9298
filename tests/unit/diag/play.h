/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of collectors: a clock that stands still until somebody
 * waits, and a collect_out that remembers.  Included once per programme.
 */
#ifndef HANGDOG_TEST_DIAG_PLAY_H
#define HANGDOG_TEST_DIAG_PLAY_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/collector.h"
#include "diag/facts.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* PLAY_REAL_CLOCK: of those that talk to something real. */
#ifdef PLAY_REAL_CLOCK
#define now_ms clock_ms ()
#else
static uint64_t now_ms = 1000000;

uint64_t
clock_ms (void)
{
  return now_ms;
}

uint64_t
clock_us (void)
{
  return now_ms * 1000;
}

uint64_t
clock_wall_ms (void)
{
  return 1772323200000 + now_ms;
}

char *
clock_format (char *dst, size_t n, uint64_t wall_ms)
{
  snprintf (dst, n, "%llu", (unsigned long long) wall_ms);
  return dst;
}

/* What else happens while somebody sleeps. */
static void (*while_asleep) (uint64_t ms);

/* The library's own sleeping moves the hands. */
int
clock_nanosleep (clockid_t id, int flags, const struct timespec *req,
                 struct timespec *left)
{
  uint64_t ms = (uint64_t) req->tv_sec * 1000
                + (uint64_t) req->tv_nsec / 1000000;

  now_ms += ms ? ms : 1;
  if (while_asleep)
    while_asleep (ms);
  return 0;
}

#endif

/* ---- what a collector brings ---- */

struct haul
{
  struct collect_out out;
  struct fact facts[128];
  size_t nfacts;
  struct
  {
    char name[80];
    struct buf data;
  } files[32];
  size_t nfiles;
  struct buf impact, gaps;
};

static inline void
take_file (struct collect_out *out, const char *name, const void *data,
           size_t len)
{
  struct haul *h = (struct haul *) out;
  size_t i = 0;

  while (i < h->nfiles && strcmp (h->files[i].name, name) != 0)
    i++;
  assert_in_range (i, 0, 31);
  if (i == h->nfiles)
    {
      snprintf (h->files[i].name, sizeof h->files[i].name, "%s", name);
      h->files[i].data = (struct buf) BUF_INIT (8u << 20);
      h->nfiles++;
    }
  buf_append (&h->files[i].data, data, len);
}

/* Only what the table of facts has is ever asked for. */
static inline void
known_fact (const struct fact *f)
{
  const struct fact_kind *k = fact_kind_find (f->name);

  if (!k)
    fail_msg ("%s is not in diag/facts.def", f->name);
  if (k->type != f->type)
    fail_msg ("%s is %s, not %s", f->name, fact_type_names[f->type],
              fact_type_names[k->type]);
  if (f->type == FACT_TEXT && k->unit[0] && !fact_is_word (k->unit, f->text))
    fail_msg ("%s is no word of %s", f->text, f->name);
  if (!fact_source_find (f->source))
    fail_msg ("%s of %s is nobody", f->source, f->name);
}

static inline void
take_fact (struct collect_out *out, const struct fact *fact)
{
  struct haul *h = (struct haul *) out;

  assert_in_range (h->nfacts, 0, 127);
  known_fact (fact);
  h->facts[h->nfacts++] = *fact;
}

static inline void
take_impact (struct collect_out *out, const char *fmt, ...)
{
  struct haul *h = (struct haul *) out;
  va_list ap;

  va_start (ap, fmt);
  buf_vprintf (&h->impact, fmt, ap);
  va_end (ap);
  buf_putc (&h->impact, '\n');
}

static uint64_t impact_begun; /* of the last that took its time */

static inline void
take_impact_since (struct collect_out *out, uint64_t begun_ms,
                   const char *fmt, ...)
{
  struct haul *h = (struct haul *) out;
  va_list ap;

  impact_begun = begun_ms;
  va_start (ap, fmt);
  buf_vprintf (&h->impact, fmt, ap);
  va_end (ap);
  buf_putc (&h->impact, '\n');
}

static inline void
take_gap (struct collect_out *out, const char *what, const char *fmt, ...)
{
  struct haul *h = (struct haul *) out;
  va_list ap;

  buf_printf (&h->gaps, "%s: ", what);
  va_start (ap, fmt);
  buf_vprintf (&h->gaps, fmt, ap);
  va_end (ap);
  buf_putc (&h->gaps, '\n');
}

static inline struct haul *
haul_new (void)
{
  struct haul *h = calloc (1, sizeof *h);

  assert_non_null (h);
  h->out = (struct collect_out){ .file = take_file,
                                .fact = take_fact,
                                .impact = take_impact,
                                .impact_since = take_impact_since,
                                .gap = take_gap };
  h->impact = (struct buf) BUF_INIT (65536);
  h->gaps = (struct buf) BUF_INIT (65536);
  return h;
}

static inline void
haul_free (struct haul *h)
{
  for (size_t i = 0; i < h->nfiles; i++)
    buf_done (&h->files[i].data);
  buf_done (&h->impact);
  buf_done (&h->gaps);
  free (h);
}

/* What scenarios know, and which of them failed. */
static struct json_object *hinted;
static const char *failed;
static const char *step_named; /* NULL: as its collector */

/* Runs c with its own budget; params: what its step says, JSON or NULL. */
static inline int
collect (const struct collector *c, const struct guest *g,
         const struct transport_env *env, const char *params, struct haul *h,
         struct error *err)
{
  struct json_object *p = json_tokener_parse (params ? params : "{}");
  void *own = calloc (1, c->own_size + 1);
  struct collect_ctx ctx = { .guest = g,
                             .env = env,
                             .deadline = now_ms + c->budget_ms,
                             .own = c->fields ? own : NULL,
                             .hints = hinted,
                             .scenario = failed ? failed : "",
                             .step = step_named ? step_named : c->name,
                             .out = &h->out };
  uint64_t begun = now_ms;
  int rc, checked;

  if (c->own_init)
    memcpy (own, c->own_init, c->own_size);
  rc = c->fields ? json_decode (NULL, p, "", c->fields, own, err) : 0;
  if (rc == 0)
    {
      /* What it refuses is refused where a playbook is read. */
      checked = c->check ? c->check (NULL, "", own, c->budget_ms, NULL) : 0;
      rc = c->run (&ctx, err);
      assert_true (!c->check || (checked < 0) == (rc == -EPERM));
    }
  if (c->fields)
    json_decoded_done (c->fields, own);
  free (own);
  json_object_put (p);
  /* Whatever the guest does, the budget holds. */
  assert_in_range (now_ms - begun, 0, c->budget_ms);
  if (rc < 0)
    assert_true (err->msg[0]);
  return rc;
}

/* The last fact of that name, NULL if none. */
static inline const struct fact *
fact_of (const struct haul *h, const char *name)
{
  for (size_t i = h->nfacts; i > 0; i--)
    if (strcmp (h->facts[i - 1].name, name) == 0)
      return &h->facts[i - 1];
  return NULL;
}

static inline const char *
text_of (const struct haul *h, const char *name)
{
  const struct fact *f = fact_of (h, name);

  return f && f->type == FACT_TEXT ? f->text : "(none)";
}

static inline int64_t
int_of (const struct haul *h, const char *name)
{
  const struct fact *f = fact_of (h, name);

  return !f ? -999 : f->type == FACT_BOOL ? f->b : f->i;
}

static inline const char *
file_of (const struct haul *h, const char *name)
{
  for (size_t i = 0; i < h->nfiles; i++)
    if (strcmp (h->files[i].name, name) == 0)
      return buf_str (&h->files[i].data);
  return "(none)";
}

#endif
