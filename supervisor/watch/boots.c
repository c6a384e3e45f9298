/* SPDX-License-Identifier: Apache-2.0
 *
 * Boots that nobody tells of.  See boots.h.
 */
#include "supervisor/watch/boots.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long a boot in the text is waited with; a log shown again is over by
 * then. */
#define PENDING_MS 3000
/* One boot shows itself on each console, as each comes up. */
#define ECHO_MS 60000
/* A young process whose guest nobody has seen up is in its first boot. */
#define FIRST_BOOT_MS 120000
/* No guest boots and answers in less. */
#define BOOT_TAKES_MS 2000
#define BURST 4
#define REFILL_MS (5u * 60 * 1000)
/* Nothing answered since: then ever longer is waited, or who says every few
 * minutes that he boots is never told to be dead. */
#define REFILL_MOST_MS (24u * 60 * 60 * 1000)
/* Who reads the uptime, and how well a guest's clock goes. */
#define CLOCK_SLACK_MS 60000

/* One guest of which something is known. */
struct life
{
  struct life *next;
  struct incarnation inc;
  struct
  {
    struct uptime last;
    uint64_t asked_ms;   /* when it was asked for last */
    uint64_t counted_ms; /* when it was told to have begun, 0 = it is the
                            process's first */
    bool up_known;       /* last is */
    bool was_up;         /* something answered */
    bool pending;        /* its text shows one that does not count yet */
  } of_boot;
  struct
  {
    unsigned doubled; /* so often: the time until one more is believed */
  } of_process;
  uint64_t pending_ms; /* since when one is, or was */
  uint64_t refilled_ms;
  unsigned tokens;
  bool doubted; /* and said so */
};

struct boots
{
  struct loop *loop;
  struct guest_registry *registry;
  struct life *lives;
  struct timer *timer;
};

/* ---- lives ---- */

static struct life **
find (struct boots *b, const char *uuid)
{
  struct life **p = &b->lives;

  while (*p && strcmp ((*p)->inc.uuid, uuid) != 0)
    p = &(*p)->next;
  return p;
}

/* Of a current incarnation: boots_guest() puts it into each that comes. */
static struct life *
life_of (struct boots *b, const struct incarnation *inc)
{
  struct life *l = *find (b, inc->uuid);

  if (l || !(l = calloc (1, sizeof *l)))
    return l;
  l->inc = *inc;
  l->tokens = BURST;
  l->refilled_ms = loop_now (b->loop);
  l->next = b->lives;
  b->lives = l;
  return l;
}

static bool
take_token (struct boots *b, struct life *l)
{
  uint64_t now = loop_now (b->loop);
  uint64_t refill_ms = (uint64_t) REFILL_MS << l->of_process.doubled;
  uint64_t n = (now - l->refilled_ms) / refill_ms;

  l->refilled_ms += n * refill_ms;
  l->tokens = n < BURST - l->tokens ? l->tokens + (unsigned) n : BURST;
  if (l->tokens == 0)
    return false;
  if (--l->tokens == 0 && !l->of_boot.was_up && refill_ms < REFILL_MOST_MS)
    l->of_process.doubled++;
  return true;
}

static bool
believe (struct boots *b, struct life *l, const char *who)
{
  if (take_token (b, l))
    {
      l->doubted = false;
      return true;
    }
  if (!l->doubted)
    log_guest (LOG_LEVEL_WARN, l->inc.uuid,
               "%s a boot again: too many to believe it", who);
  l->doubted = true;
  return false;
}

/* Has its QEMU run for long enough to be past its first boot?  Of one whose
 * process is not known: yes. */
static bool
is_young (const struct incarnation *inc)
{
  long hz = sysconf (_SC_CLK_TCK);
  struct timespec ts;
  uint64_t now;

  if (inc->pid == 0 || hz <= 0 || clock_gettime (CLOCK_BOOTTIME, &ts) < 0)
    return false;
  now = (uint64_t) ts.tv_sec;
  return inc->start_time / (uint64_t) hz + FIRST_BOOT_MS / 1000 > now;
}

/* ---- text ---- */

/* That it is another kernel its memory has shown a moment ago. */
static bool
seen_in_memory (struct boots *b, const struct life *l)
{
  const struct guest *g CLEANUP_GUEST = NULL;

  return l->of_boot.counted_ms
         && l->pending_ms < l->of_boot.counted_ms + ECHO_MS
         && registry_find (b->registry, l->inc.uuid, &g, NULL) == 0
         && g->boot_by == BOOT_BY_MEMORY;
}

static void
count_pending (struct boots *b, struct life *l)
{
  const struct incarnation inc = l->inc;

  l->of_boot.pending = false;
  if (seen_in_memory (b, l))
    registry_boot_known (b->registry, &inc, BOOT_BY_BOTH);
  else if (believe (b, l, "its console shows"))
    registry_rebooted (b->registry, &inc, BOOT_BY_TEXT);
}

static void
due (struct timer *t, void *arg)
{
  struct boots *b = arg;
  uint64_t now = loop_now (b->loop), next = UINT64_MAX;
  struct life *l = b->lives, *after;

  for (; l; l = after)
    {
      after = l->next; /* boots_guest() frees none but of a guest gone */
      if (!l->of_boot.pending)
        continue;
      if (now >= l->pending_ms + PENDING_MS)
        count_pending (b, l);
      else if (l->pending_ms + PENDING_MS < next)
        next = l->pending_ms + PENDING_MS;
    }
  if (next != UINT64_MAX)
    timer_at (t, next);
}

/* One that is told of already, or a process's first: nobody saw it up. */
static bool
is_known (struct boots *b, const struct life *l)
{
  return (l->of_boot.counted_ms
          && loop_now (b->loop) - l->of_boot.counted_ms < ECHO_MS)
         || (l->inc.boot == 0 && !l->of_boot.was_up && is_young (&l->inc));
}

void
boots_text (struct boots *b, const char *uuid)
{
  const struct guest *g CLEANUP_GUEST = NULL;
  uint64_t now = loop_now (b->loop);
  struct life *l;

  if (registry_find (b->registry, uuid, &g, NULL) < 0
      || strcmp (g->inc.uuid, uuid) != 0)
    return;
  l = life_of (b, &g->inc);
  if (!l || l->of_boot.pending
      || (is_known (b, l) && g->boot_by != BOOT_BY_MEMORY))
    return;
  l->of_boot.pending = true;
  l->pending_ms = now;
  if (!timer_armed (b->timer))
    timer_in (b->timer, PENDING_MS);
}

void
boots_replay (struct boots *b, const char *uuid)
{
  struct life *l = *find (b, uuid);

  if (l)
    l->of_boot.pending = false;
}

/* ---- memory ---- */

void
boots_memory (struct boots *b, const struct incarnation *inc)
{
  struct life *l;
  bool shown;

  if (!registry_is_current (b->registry, inc)
      || !(l = life_of (b, inc)) || is_known (b, l))
    return;
  /* Again, and nothing has answered since: that is a loop, and no excuse. */
  if (inc->boot > 0 && !l->of_boot.was_up)
    return;
  shown = l->of_boot.pending;
  l->of_boot.pending = false;
  if (!believe (b, l, "its memory shows"))
    return;
  registry_rebooted (b->registry, inc, BOOT_BY_MEMORY);
  /* Its text was quicker: that is the same boot's. */
  l->of_boot.pending = shown && !registry_is_current (b->registry, inc);
}

/* ---- what others tell ---- */

void
boots_guest (struct boots *b, enum guest_change change, const struct guest *was,
             const struct guest *now)
{
  struct life **p = find (b, (now ? now : was)->inc.uuid), *l = *p;

  if (change == GUEST_GONE && l)
    {
      *p = l->next;
      free (l);
    }
  if (!now || change < GUEST_REBOOTED || !(l = life_of (b, &now->inc)))
    return;
  GUEST_FORGET_BOOT (l, change);
  GUEST_FORGET_PROCESS (l, change);
  l->inc = now->inc;
  /* Whoever told of this boot: its text comes with it. */
  if (now->inc.boot > 0)
    l->of_boot.counted_ms = loop_now (b->loop);
}

/* A guest that began anew since it was asked for the last one cannot be up for
 * longer than that: what fell to more is another clock, a container's say. */
static bool
fell_since (struct boots *b, const struct life *l, const struct uptime *up)
{
  double since
      = (double) (loop_now (b->loop) - l->of_boot.asked_ms + CLOCK_SLACK_MS);

  return l->of_boot.up_known && uptime_fell (&l->of_boot.last, up)
         && up->s * 1000 <= since;
}

/* A kernel that began when the text said so is up for no longer. */
static void
judge_text (struct boots *b, struct life *l, const struct uptime *up)
{
  double since = (double) (loop_now (b->loop) - l->of_boot.counted_ms
                           + PENDING_MS + CLOCK_SLACK_MS);

  registry_boot_known (b->registry, &l->inc,
                       up->s * 1000 <= since ? BOOT_BY_UPTIME
                                             : BOOT_BY_NOBODY);
}

bool
boots_answered (struct boots *b, const struct incarnation *inc,
                uint64_t begun_ms, const struct uptime *up)
{
  struct life *l;
  bool fell;

  if (!registry_is_current (b->registry, inc))
    return false;
  l = life_of (b, inc);
  if (!l)
    return false;
  fell = up && fell_since (b, l, up) && believe (b, l, "its uptime shows");
  if (l->of_boot.pending && begun_ms <= l->pending_ms
      && loop_now (b->loop) - begun_ms < BOOT_TAKES_MS)
    l->of_boot.pending = false;
  if (fell)
    {
      registry_rebooted (b->registry, inc, BOOT_BY_UPTIME);
      /* The listener above has put it into its new life, if there is one. */
      fell = !registry_is_current (b->registry, inc);
    }
  l->of_boot.was_up = true;
  l->of_process.doubled = 0;
  if (up)
    {
      judge_text (b, l, up);
      l->of_boot.last = *up;
      l->of_boot.asked_ms = begun_ms;
      l->of_boot.up_known = true;
    }
  return fell;
}

/* ---- making ---- */

int
boots_new (struct loop *loop, struct guest_registry *registry,
           struct boots **ret, struct error *err)
{
  struct boots *b = calloc (1, sizeof *b);
  int r;

  if (!b)
    return error_set (err, ENOMEM, "no memory to look for boots");
  b->loop = loop;
  b->registry = registry;
  r = loop_timer (loop, "boots", due, b, &b->timer, err);
  if (r < 0)
    {
      free (b);
      return r;
    }
  *ret = b;
  return 0;
}

void
boots_free (struct boots *b)
{
  struct life *l;

  if (!b)
    return;
  while ((l = b->lives))
    {
      b->lives = l->next;
      free (l);
    }
  timer_free (b->timer);
  free (b);
}
