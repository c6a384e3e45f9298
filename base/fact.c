/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts: the bus that carries them from any thread to the loop thread.
 *
 * Publishing must never wait for the loop: it copies into one of a fixed
 * number of slots under a short lock, and counts what finds none.  Free slots
 * are taken last-in-first-out, so that a quiet bus touches few pages of the
 * memory it may use.  The table of latest facts is in fact_table.c.
 */
#include "base/fact.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"

/* Guests with a gap that is not yet told; more share one of the host's. */
#define MAX_GAPS 64
#define NONE UINT32_MAX
#define SLOTS_KEPT 256 /* used at a time without a rush */

struct slot
{
  struct fact fact;
  uint32_t next; /* in the queue, or among the free */
};

struct gap
{
  char uuid[UUID_TEXT];
  uint64_t lost;
};

struct fact_sub
{
  struct fact_bus *bus;
  char name[40];
  char prefix[FACT_NAME_MAX];
  size_t prefix_len;
  void (*fn) (const struct fact *fact, void *arg);
  void *arg;
  uint64_t born; /* of the facts delivered before it, it wants none */
  bool dead;
  struct fact_sub *next;
};

struct fact_bus
{
  struct loop *loop;
  struct watch *watch;
  int efd;

  /* Loop thread only. */
  struct fact_sub *subs;
  uint64_t delivered;
  bool delivering;
  bool any_dead;

  pthread_mutex_t m; /* guards what follows; nothing is called under it */
  struct slot *slots;
  uint32_t nslots, used; /* slots beyond `used` were never touched */
  uint32_t free, nfree;
  uint32_t first, last;
  uint64_t dropped;
  struct gap gaps[MAX_GAPS];
  unsigned ngaps;
  uint64_t lost_elsewhere;
};

/* ---- facts ---- */

bool
incarnation_equal (const struct incarnation *a, const struct incarnation *b)
{
  return a->pid == b->pid && a->start_time == b->start_time
         && a->boot == b->boot && strcmp (a->uuid, b->uuid) == 0;
}

char *
incarnation_format (char *dst, size_t n, const struct incarnation *inc)
{
  snprintf (dst, n, "%s/%" PRId32 "/%" PRIu64 "/%" PRIu32, inc->uuid,
            inc->pid, inc->start_time, inc->boot);
  return dst;
}

/* Cuts to n - 1 bytes, not within a UTF-8 sequence.  A NUL from a guest would
 * hide what follows it. */
static void
put_text (char *dst, size_t n, const char *src, size_t len)
{
  if (len > n - 1)
    {
      len = n - 1;
      for (int i = 0; i < 3 && len > 0 && (src[len] & 0xc0) == 0x80; i++)
        len--;
    }
  for (size_t i = 0; i < len; i++)
    dst[i] = src[i] ? src[i] : ' ';
  dst[len] = '\0';
}

static void
fact_init (struct fact *f, const struct incarnation *inc, const char *name,
           const char *source, enum fact_type type)
{
  memset (f, 0, sizeof *f);
  if (inc)
    f->inc = *inc;
  put_text (f->name, sizeof f->name, name, strlen (name));
  put_text (f->source, sizeof f->source, source, strlen (source));
  f->type = type;
  f->time_ms = clock_ms ();
}

void
fact_text (struct fact *f, const struct incarnation *inc, const char *name,
           const char *source, const char *text, size_t len)
{
  fact_init (f, inc, name, source, FACT_TEXT);
  put_text (f->text, sizeof f->text, text, len);
}

void
fact_int (struct fact *f, const struct incarnation *inc, const char *name,
          const char *source, int64_t v)
{
  fact_init (f, inc, name, source, FACT_INT);
  f->i = v;
}

void
fact_real (struct fact *f, const struct incarnation *inc, const char *name,
           const char *source, double v)
{
  fact_init (f, inc, name, source, FACT_REAL);
  f->d = v;
}

void
fact_bool (struct fact *f, const struct incarnation *inc, const char *name,
           const char *source, bool v)
{
  fact_init (f, inc, name, source, FACT_BOOL);
  f->b = v;
}

struct json_object *
fact_to_json (const struct fact *f)
{
  struct json_object *o = json_object_new_object ();
  char inc[96];

  if (!o)
    return NULL;
  json_add_text (o, "guest", f->inc.uuid, strlen (f->inc.uuid));
  if (f->inc.uuid[0])
    {
      incarnation_format (inc, sizeof inc, &f->inc);
      json_add_text (o, "incarnation", inc, strlen (inc));
    }
  json_add_text (o, "name", f->name, strlen (f->name));
  switch (f->type)
    {
    case FACT_TEXT:
      json_add_text (o, "value", f->text, strlen (f->text));
      break;
    case FACT_INT:
      json_add_int (o, "value", f->i);
      break;
    case FACT_REAL:
      /* JSON has no NaN and no infinity. */
      json_object_object_add (
          o, "value", isfinite (f->d) ? json_object_new_double (f->d) : NULL);
      break;
    case FACT_BOOL:
      json_add_bool (o, "value", f->b);
      break;
    }
  if (f->sample)
    json_add_int (o, "sample", f->sample);
  if (f->more)
    json_add_int (o, "more", f->more);
  if (f->kernel_us && f->kernel_us <= INT64_MAX)
    json_add_int (o, "kernel_us", (int64_t) f->kernel_us);
  json_add_text (o, "source", f->source, strlen (f->source));
  json_add_int (o, "time_ms", (int64_t) f->time_ms);
  return o;
}

/* ---- publishing: any thread ---- */

static uint32_t
take_slot (struct fact_bus *bus)
{
  uint32_t i = bus->free;

  if (i != NONE)
    bus->free = bus->slots[i].next;
  else
    i = bus->used++;
  bus->nfree--;
  return i;
}

static void
enqueue (struct fact_bus *bus, const struct fact *fact)
{
  uint32_t i = take_slot (bus);

  bus->slots[i].fact = *fact;
  bus->slots[i].next = NONE;
  if (bus->last == NONE)
    bus->first = i;
  else
    bus->slots[bus->last].next = i;
  bus->last = i;
}

static struct gap *
find_gap (struct fact_bus *bus, const char *uuid)
{
  for (unsigned i = 0; i < bus->ngaps; i++)
    if (strcmp (bus->gaps[i].uuid, uuid) == 0)
      return &bus->gaps[i];
  return NULL;
}

static void
count_lost (struct fact_bus *bus, const struct fact *fact)
{
  struct gap *gap = find_gap (bus, fact->inc.uuid);

  bus->dropped++;
  if (!gap && bus->ngaps < MAX_GAPS)
    {
      gap = &bus->gaps[bus->ngaps++];
      put_text (gap->uuid, sizeof gap->uuid, fact->inc.uuid,
                strlen (fact->inc.uuid));
      gap->lost = 0;
    }
  if (gap)
    gap->lost++;
  else
    bus->lost_elsewhere++;
}

static void
enqueue_gap (struct fact_bus *bus, const struct fact *before,
             struct gap *gap)
{
  struct fact f;

  fact_int (&f, &before->inc, "fact.gap", "bus", (int64_t) gap->lost);
  enqueue (bus, &f);
  *gap = bus->gaps[--bus->ngaps];
}

/* Losses of guests that found no place in the table are the host's. */
static void
enqueue_elsewhere (struct fact_bus *bus)
{
  struct fact f;

  fact_int (&f, NULL, "fact.gap", "bus", (int64_t) bus->lost_elsewhere);
  enqueue (bus, &f);
  bus->lost_elsewhere = 0;
}

void
fact_publish (struct fact_bus *bus, const struct fact *fact)
{
  uint64_t one = 1;
  struct gap *gap;
  bool first;

  LOCK_SCOPE (&bus->m);
  first = bus->first == NONE;
  gap = bus->ngaps ? find_gap (bus, fact->inc.uuid) : NULL;
  if (bus->nfree < (gap ? 2u : 1u))
    {
      count_lost (bus, fact);
      return;
    }
  if (gap)
    enqueue_gap (bus, fact, gap);
  enqueue (bus, fact);
  if (bus->lost_elsewhere && bus->nfree > 0)
    enqueue_elsewhere (bus);
  if (first)
    (void) !write (bus->efd, &one, sizeof one);
}

uint64_t
fact_bus_dropped (struct fact_bus *bus)
{
  LOCK_SCOPE (&bus->m);
  return bus->dropped;
}

/* ---- delivering: loop thread ---- */

static void
reap_subs (struct fact_bus *bus)
{
  struct fact_sub **at = &bus->subs, *sub;

  while ((sub = *at))
    if (sub->dead)
      {
        *at = sub->next;
        free (sub);
      }
    else
      at = &sub->next;
  bus->any_dead = false;
}

static void
deliver (struct fact_bus *bus, const struct fact *fact)
{
  struct fact_sub *sub;

  bus->delivered++;
  for (sub = bus->subs; sub; sub = sub->next)
    if (!sub->dead && sub->born < bus->delivered
        && strncmp (fact->name, sub->prefix, sub->prefix_len) == 0)
      sub->fn (fact, sub->arg);
}

/* bus->m held.  All are free: after a rush, such as the start with a thousand
 * guests, the pages go back to the kernel. */
static void
rest (struct fact_bus *bus)
{
  if (bus->nfree < bus->nslots || bus->used <= SLOTS_KEPT
      || madvise (bus->slots, bus->nslots * sizeof *bus->slots, MADV_DONTNEED)
             < 0)
    return;
  bus->free = NONE;
  bus->used = 0;
}

/* Takes the queue as it is; what is published meanwhile waits for the next
 * round.  The slots count as taken until all of them are delivered. */
static void
on_facts (struct watch *w, int fd, unsigned events, void *arg)
{
  struct fact_bus *bus = arg;
  uint32_t first, last = NONE, i, n = 0;
  uint64_t v;

  (void) !read (fd, &v, sizeof v);
  {
    LOCK_SCOPE (&bus->m);
    first = bus->first;
    bus->first = bus->last = NONE;
  }
  if (first == NONE)
    return;
  bus->delivering = true;
  for (i = first; i != NONE; i = bus->slots[i].next)
    {
      deliver (bus, &bus->slots[i].fact);
      last = i;
      n++;
    }
  bus->delivering = false;
  {
    LOCK_SCOPE (&bus->m);
    bus->slots[last].next = bus->free;
    bus->free = first;
    bus->nfree += n;
    rest (bus);
  }
  if (bus->any_dead)
    reap_subs (bus);
}

int
fact_subscribe (struct fact_bus *bus, const char *name, const char *prefix,
                void (*fn) (const struct fact *fact, void *arg), void *arg,
                struct fact_sub **ret_sub, struct error *err)
{
  struct fact_sub *sub, **at;

  if (strlen (prefix) >= FACT_NAME_MAX)
    return error_set (err, EINVAL, "%s: no fact has a name as long as %s",
                      name, prefix);
  sub = calloc (1, sizeof *sub);
  if (!sub)
    return error_errno (err, ENOMEM, "subscribing %s", name);
  sub->bus = bus;
  put_text (sub->name, sizeof sub->name, name, strlen (name));
  put_text (sub->prefix, sizeof sub->prefix, prefix, strlen (prefix));
  sub->prefix_len = strlen (prefix);
  sub->fn = fn;
  sub->arg = arg;
  sub->born = bus->delivered;
  for (at = &bus->subs; *at; at = &(*at)->next)
    ;
  *at = sub;
  *ret_sub = sub;
  return 0;
}

void
fact_unsubscribe (struct fact_sub *sub)
{
  if (!sub)
    return;
  sub->dead = true;
  sub->bus->any_dead = true;
  if (!sub->bus->delivering)
    reap_subs (sub->bus);
}

/* Pages of its own, touched by those that are used. */
static struct slot *
slots_new (size_t n)
{
  void *p = mmap (NULL, n * sizeof (struct slot), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  return p == MAP_FAILED ? NULL : p;
}

int
fact_bus_new (struct loop *loop, size_t max_queued, struct fact_bus **ret_bus,
              struct error *err)
{
  struct fact_bus *bus;
  int r;

  if (max_queued < 2 || max_queued > UINT32_MAX / 2)
    return error_set (err, EINVAL, "a fact bus of %zu facts", max_queued);
  bus = calloc (1, sizeof *bus);
  if (!bus)
    return error_errno (err, ENOMEM, "making a fact bus");
  pthread_mutex_init (&bus->m, NULL);
  bus->loop = loop;
  bus->nslots = bus->nfree = (uint32_t) max_queued;
  bus->free = bus->first = bus->last = NONE;
  bus->slots = slots_new (max_queued);
  bus->efd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!bus->slots)
    r = error_errno (err, ENOMEM, "making a fact bus");
  else if (bus->efd < 0)
    r = error_errno (err, errno, "making a fact bus");
  else
    r = loop_watch (loop, "facts", bus->efd, LOOP_READ, on_facts, bus,
                    &bus->watch, err);
  if (r < 0)
    {
      fact_bus_free (bus);
      return r;
    }
  *ret_bus = bus;
  return 0;
}

void
fact_bus_free (struct fact_bus *bus)
{
  struct fact_sub *sub;

  if (!bus)
    return;
  watch_free (bus->watch);
  if (bus->efd >= 0)
    close (bus->efd);
  while ((sub = bus->subs))
    {
      bus->subs = sub->next;
      free (sub);
    }
  if (bus->slots)
    munmap (bus->slots, bus->nslots * sizeof *bus->slots);
  pthread_mutex_destroy (&bus->m);
  free (bus);
}
