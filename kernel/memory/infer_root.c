/* SPDX-License-Identifier: Apache-2.0
 *
 * The first task, and through it all others, with nothing known of a task.
 *
 * init_task is named "swapper" or "swapper/0" and lies in the image.  It
 * points at itself in places that tell where it begins; and the list of all
 * tasks is the longest one through it whose nodes all belong to something that
 * has a name at the same place.
 */
#include "base/cleanup.h"
#include "kernel/memory/infer_impl.h"
#include "kernel/memory/tasks.h"

#include <stdlib.h>

#define SCAN_PIECE (256u << 10)
#define SCAN_OVERLAP 64 /* more than what is looked for has */
#define SAMPLE 128u /* from the beginning of the list, and from its end */
#define CANDIDATES 256u
#define TASKS_MIN 3u

bool
infer_is_comm_ (const char comm[INFER_COMM])
{
  size_t len = strnlen (comm, INFER_COMM);

  if (len == 0 || len == INFER_COMM)
    return false;
  for (size_t i = 0; i < len; i++)
    if ((unsigned char) comm[i] < ' ' || comm[i] == 0x7f)
      return false;
  return true;
}

static bool
is_swapper (const char comm[INFER_COMM])
{
  return strcmp (comm, "swapper/0") == 0 || strcmp (comm, "swapper") == 0;
}

/* ---- the list ---- */

struct walk
{
  struct infer *in;
  uint32_t off;
  size_t room, n;
  uint64_t *at;
  bool other; /* something that is no task */
};

static bool
task_at (struct infer *in, uint64_t task)
{
  char comm[INFER_COMM];

  return space_read (in->k->space, task + in->comm, comm, sizeof comm) == 0
         && infer_is_comm_ (comm);
}

static bool
keep (struct walk *w, uint64_t task)
{
  if (w->n == w->room)
    {
      size_t room = w->room > 0 ? w->room * 2 : 256;
      uint64_t *at = reallocarray (w->at, room, sizeof *at);

      if (!at)
        return false;
      w->at = at;
      w->room = room;
    }
  w->at[w->n++] = task;
  return true;
}

static bool
take_node (uint64_t node, void *arg)
{
  struct walk *w = arg;

  w->other = !task_at (w->in, node - w->off) || !keep (w, node - w->off);
  return !w->other;
}

/* A list through init_task at this offset, if all of its nodes are tasks. */
static void
try_list (struct infer *in, uint32_t off)
{
  struct walk w = { .in = in, .off = off };
  uint64_t next;

  if (!space_u64 (in->k->space, in->init + off, &next)
      || !space_is_kernel (in->k->space, next) || next % 8 != 0
      || next == in->init + off || !task_at (in, next - off)
      || !keep (&w, in->init)
      || kernel_list (in->k, in->init + off, TASKS_MAX, take_node, &w) < 0
      || w.other || w.n < TASKS_MIN || w.n <= in->nall)
    {
      free (w.at);
      return;
    }
  free (in->all);
  in->all = w.at;
  in->nall = w.n;
  in->tasks = off;
}

static bool
find_list (struct infer *in)
{
  const struct field_at *known = &in->k->fields.at[TASK_TASKS];

  if (known->size > 0)
    try_list (in, known->offset);
  else
    for (uint32_t off = 0; off + 16 <= INFER_PIECE; off += 8)
      try_list (in, off);
  return in->nall > 0;
}

/* ---- init_task ---- */

/* `comm` is the name of init_task at `init`. */
static bool
try_root (struct infer *in, uint64_t init, uint64_t comm)
{
  in->init = init;
  in->comm = (uint32_t) (comm - init);
  return find_list (in);
}

static bool
by_symbol (struct infer *in, uint64_t init)
{
  const struct field_at *known = &in->k->fields.at[TASK_COMM];
  CLEANUP_FREE char *buf = malloc (INFER_PIECE);
  size_t len;

  if (known->size > 0)
    return try_root (in, init, init + known->offset);
  if (!buf)
    return false;
  len = space_read_some (in->k->space, init, buf, INFER_PIECE);
  for (uint32_t off = 0; off + INFER_COMM <= len; off += 4)
    if (infer_is_comm_ (buf + off) && is_swapper (buf + off)
        && try_root (in, init, init + off))
      return true;
  return false;
}

static uint64_t
word_at (const uint8_t *buf, size_t at)
{
  uint64_t v;

  memcpy (&v, buf + at, sizeof v);
  return v;
}

static unsigned
times (const uint8_t *buf, size_t len, uint64_t v)
{
  unsigned n = 0;

  for (size_t at = 0; at + 8 <= len; at += 8)
    n += word_at (buf, at) == v;
  return n;
}

/* A name was found at `comm`: where does its task begin?  It is its own
 * parent, its own real one right before, and the leader of its group; other
 * words that come twice are lists of something else, or empty ones, which
 * point at themselves. */
static uint64_t
beginning (const uint8_t *buf, size_t len, uint64_t from, uint64_t comm)
{
  uint64_t best = 0, before = 0;
  unsigned most = 2;

  for (size_t at = 0; at + 8 <= len; at += 8)
    {
      uint64_t v = word_at (buf, at);

      if (v == before && v % 32 == 0 && v <= comm && comm - v < INFER_PIECE
          && v < from + at - 8 && v != best && times (buf, len, v) > most)
        {
          best = v;
          most = times (buf, len, v);
        }
      before = v;
    }
  return best;
}

static bool
begins_before (struct infer *in, uint64_t comm)
{
  const struct field_at *known = &in->k->fields.at[TASK_COMM];
  CLEANUP_FREE uint8_t *buf = malloc (2 * INFER_PIECE);
  uint64_t from = (comm - INFER_PIECE) & ~7ull, begin;
  size_t len;

  if (known->size > 0)
    return try_root (in, comm - known->offset, comm);
  if (!buf)
    return false;
  len = space_read_some (in->k->space, from, buf, 2 * INFER_PIECE);
  begin = beginning (buf, len, from, comm);
  return begin > 0 && try_root (in, begin, comm);
}

int
infer_scan_ (struct kernel *k, uint64_t from, infer_piece_fn *fn, void *arg)
{
  const struct ksyms_image *i = &k->image;
  CLEANUP_FREE uint8_t *buf = malloc (SCAN_PIECE);
  int r = 0;

  for (uint64_t done = from & ~4095ull; buf && done < i->len && r == 0;)
    {
      size_t want = i->len - done < SCAN_PIECE ? i->len - done : SCAN_PIECE;
      size_t got = space_read_some (k->space, i->va + done, buf, want);

      r = fn (buf, got, i->va + done, arg);
      if (got == want)
        done += want == SCAN_PIECE ? want - SCAN_OVERLAP : want;
      else
        done += (got & ~4095ull) + 4096;
    }
  return r;
}

struct by_name
{
  struct infer *in;
  unsigned left;
};

/* 1: found; -1: too many that look like it. */
static int
by_name_in (const uint8_t *buf, size_t len, uint64_t va, void *arg)
{
  struct by_name *b = arg;

  for (size_t at = 0; at + INFER_COMM <= len && b->left > 0; at += 4)
    if (memcmp (buf + at, "swap", 4) == 0
        && infer_is_comm_ ((const char *) buf + at)
        && is_swapper ((const char *) buf + at))
      {
        b->left--;
        if (begins_before (b->in, va + at))
          return 1;
      }
  return b->left > 0 ? 0 : -1;
}

static bool
by_name (struct infer *in)
{
  struct by_name b = { in, CANDIDATES };

  return infer_scan_ (in->k, 0, by_name_in, &b) > 0;
}

/* ---- copies ---- */

static bool
copy_tasks (struct infer *in)
{
  size_t n = in->nall < 2 * SAMPLE ? in->nall : 2 * SAMPLE;

  in->at = reallocarray (NULL, n, sizeof *in->at);
  in->copy = calloc (n, INFER_PIECE);
  if (!in->at || !in->copy)
    return false;
  for (size_t i = 0; i < n; i++)
    {
      size_t which = n < in->nall && i >= SAMPLE ? in->nall - n + i : i;

      in->at[i] = in->all[which];
      space_read_some (in->k->space, in->at[i], in->copy + i * INFER_PIECE,
                       INFER_PIECE);
    }
  in->n = n;
  return true;
}

bool
infer_root_ (struct infer *in)
{
  uint64_t init = kernel_var (in->k, "init_task");

  if (init > 0 ? !by_symbol (in, init) : !by_name (in))
    return false;
  return copy_tasks (in);
}

void
infer_done_ (struct infer *in)
{
  free (in->all);
  free (in->at);
  free (in->copy);
}
