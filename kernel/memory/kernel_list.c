/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel's lists, walked though they may be torn, endless, or made up.
 *
 * A guest that runs changes them while we go: what does not fit is looked at
 * again before it is called damaged.
 */
#include "kernel/memory/kernel.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_AGAIN 3

struct list_head
{
  uint64_t next, prev;
};

/* Nodes that were seen; 0 = a free place. */
struct seen
{
  uint64_t *at;
  size_t room, n; /* a power of two */
};

static void
seen_clear (struct seen *s)
{
  free (s->at);
}

static size_t
place_of (const struct seen *s, uint64_t node)
{
  size_t i = (size_t) (node * 0x9e3779b97f4a7c15ULL >> 20) & (s->room - 1);

  while (s->at[i] != 0 && s->at[i] != node)
    i = (i + 1) & (s->room - 1);
  return i;
}

static int
grow (struct seen *s)
{
  struct seen more = { .room = s->room > 0 ? s->room * 2 : 256, .n = s->n };

  more.at = calloc (more.room, sizeof *more.at);
  if (!more.at)
    return -ENOMEM;
  for (size_t i = 0; i < s->room; i++)
    if (s->at[i] != 0)
      more.at[place_of (&more, s->at[i])] = s->at[i];
  free (s->at);
  *s = more;
  return 0;
}

/* 1 = it is new. */
static int
see (struct seen *s, uint64_t node)
{
  size_t i;

  if (s->n * 2 >= s->room && grow (s) < 0)
    return -ENOMEM;
  i = place_of (s, node);
  if (s->at[i] == node)
    return 0;
  s->at[i] = node;
  s->n++;
  return 1;
}

struct walk
{
  struct kernel *k;
  uint64_t head;
  unsigned max;
  bool (*fn) (uint64_t node, void *arg);
  void *arg;
  struct seen seen;
  bool stop;
};

/* The node behind `from`, whose other neighbour must be `from`. */
static bool
neighbour (struct walk *w, uint64_t from, bool back, uint64_t *ret)
{
  for (unsigned i = 0; i <= LOOK_AGAIN; i++)
    {
      struct list_head here, there;
      uint64_t node;

      if (i > 0)
        mem_fresh (w->k->mem);
      if (space_read (w->k->space, from, &here, sizeof here) < 0)
        return false;
      node = back ? here.prev : here.next;
      if (node == 0 || node % 8 != 0
          || space_read (w->k->space, node, &there, sizeof there) < 0
          || (back ? there.next : there.prev) != from)
        continue;
      *ret = node;
      return true;
    }
  return false;
}

/* One direction: 0 = back at the head. */
static int
go (struct walk *w, bool back)
{
  uint64_t at = w->head;

  for (;;)
    {
      int e;

      if (!neighbour (w, at, back, &at))
        return -EFAULT;
      if (at == w->head)
        return 0;
      e = see (&w->seen, at);
      if (e < 0)
        return e;
      /* Back at what the other direction told: there is no more. */
      if (e == 0)
        return -EFAULT;
      if (w->seen.n > w->max)
        return -E2BIG;
      if (!w->fn (at, w->arg))
        {
          w->stop = true;
          return 0;
        }
    }
}

static void
walk_clear (struct walk *w)
{
  seen_clear (&w->seen);
}

int
kernel_list (struct kernel *k, uint64_t head, unsigned max,
             bool (*fn) (uint64_t node, void *arg), void *arg)
{
  CLEANUP (walk_clear)
  struct walk w = { .k = k, .head = head, .max = max, .fn = fn, .arg = arg };
  int e = go (&w, false);

  if (e == -EFAULT)
    {
      e = go (&w, true);
      if (!w.stop && e == 0)
        e = -EFAULT;
    }
  return e;
}
