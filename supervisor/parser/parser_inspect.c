/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's task about a guest's memory: finds its kernel once, and then
 * answers questions about it until nobody asks any more.
 *
 * The memory is a descriptor that was opened by who may; what is found in it
 * is the guest's word, and is said in rows.  docs/parser-protocol.md.
 */
#include "supervisor/parser/parser.h"
#include "supervisor/parser/parser_io.h"
#include "supervisor/parser/parser_memory.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "kernel/memory/beat.h"
#include "kernel/memory/inspect.h"
#include "kernel/memory/regs.h"

#include <string.h>

#define LOOK_MS 10000        /* of one question, unless it says less */
#define MAX_ROWS (24u << 20) /* a slow reader is given as much at once */
#define MAX_NAMES 32

struct inspect_task
{
  struct parser_io *io;
  struct mem *mem;
  struct kernel *k; /* NULL = not found yet */
  bool core;
  struct vcpu_regs *regs;
  size_t nregs;
  uint64_t deadline; /* of the present question */
  struct moved *moved; /* NULL = nobody wants to know what moved */
};

/* ---- where the memory is ---- */

static int
begin (struct inspect_task *t, struct error *err)
{
  CLEANUP_FRAME struct frame f = { 0 };
  const struct mem_limits limits = { .deadline = clock_ms () + LOOK_MS };
  const char *op;
  int r = parser_question (t->io, &f, err), fd;

  if (r <= 0)
    return r < 0 ? r : error_set (err, EPIPE, "nothing was asked");
  op = json_get_str (f.head, "op");
  if (op && strcmp (op, "memory") == 0)
    return parser_memory (t->io, f.head, &limits, false, &t->mem, err);
  if (!op || strcmp (op, "core") != 0)
    return error_set (err, EINVAL, "where the memory is was not said");
  t->core = true;
  fd = parser_input (t->io, 0, err);
  return fd < 0 ? fd : mem_open_core (fd, &limits, &t->mem, err);
}

/* ---- one question ---- */

static int
take_rows (const void *lines, size_t len, void *arg)
{
  struct inspect_task *t = arg;
  const char *p = lines;

  /* Whole lines, and no more than a frame takes. */
  while (len > 0 && !t->io->failed)
    {
      size_t n = len;

      if (n > FRAME_MAX_BODY)
        {
          const char *end = memrchr (p, '\n', FRAME_MAX_BODY);

          if (!end)
            return -1;
          n = (size_t) (end - p) + 1;
        }
      parser_answer (t->io, parser_message ("rows"), p, n);
      p += n;
      len -= n;
    }
  return t->io->failed ? -1 : 0;
}

static int
take_registers (struct inspect_task *t, const struct frame *f,
                struct error *err)
{
  int n;

  if (!t->regs)
    t->regs = calloc (REGS_MAX_CPUS, sizeof *t->regs);
  if (!t->regs)
    return error_set (err, ENOMEM, "no memory for registers");
  t->nregs = 0;
  if (f->body_len > 0)
    n = regs_parse (f->body, f->body_len, t->regs, REGS_MAX_CPUS, NULL);
  else
    n = t->core ? regs_of_core (t->mem, t->regs, REGS_MAX_CPUS) : 0;
  /* Text of a sick monitor: then it is looked at as if there were none. */
  t->nregs = n > 0 ? (size_t) n : 0;
  return 0;
}

/* What was kept of the boot before would lead anywhere. */
static void
forget_if_gone (struct inspect_task *t)
{
  if (!t->k || kernel_still (t->k))
    return;
  moved_free (t->moved);
  t->moved = NULL;
  kernel_free (t->k);
  t->k = NULL;
}

static int
find (struct inspect_task *t, struct error *err)
{
  forget_if_gone (t);
  if (t->k)
    return kernel_registers (t->k, t->regs, (unsigned) t->nregs, err);
  return kernel_find (t->mem, t->nregs ? t->regs : NULL, (unsigned) t->nregs,
                      &t->k, err);
}

static const char **
names_of (struct json_object *list, const char *names[MAX_NAMES + 1])
{
  size_t n = 0;

  if (!json_object_is_type (list, json_type_array))
    return NULL;
  for (size_t i = 0; i < json_object_array_length (list) && n < MAX_NAMES; i++)
    names[n++] = json_object_get_string (json_object_array_get_idx (list, i));
  names[n] = NULL;
  return n ? names : NULL;
}

static void
add_cost (const struct inspect_task *t, struct json_object *head,
          uint64_t begun, uint64_t found)
{
  struct json_object *o = json_object_new_object ();
  struct mem_stats stats;

  mem_stats (t->mem, &stats);
  json_add_int (o, "bytes", (int64_t) stats.bytes);
  json_add_int (o, "reads", (int64_t) stats.reads);
  json_add_int (o, "cpu_us", (int64_t) (clock_cpu_us () - begun));
  json_add_int (o, "find_us", (int64_t) (found - begun));
  if (t->k)
    {
      const struct kernel_cost cost = kernel_cost (t->k);

      json_add_int (o, "locate_us", cost.find_us);
      json_add_int (o, "symbols_us", cost.symbols_us);
      json_add_int (o, "types_us", cost.types_us);
      json_add_int (o, "unwinder_us", cost.unwinder_us);
    }
  json_object_object_add (head, "cost", o);
}

/* Without memory for it nothing is said of what moved. */
static struct moved *
want_moved (struct inspect_task *t, struct json_object *head)
{
  int64_t apart = json_get_int (head, "apart_ms", 0);

  if (!json_get_bool (head, "moved", false))
    return NULL;
  if (!t->moved)
    t->moved = moved_new ();
  if (t->moved)
    moved_apart (t->moved, apart > 0 ? (uint64_t) apart : 0);
  return t->moved;
}

/* What lacks is the guest's; an error is ours, and ends the question only. */
static int
look (struct inspect_task *t, struct frame *f, struct json_object *end,
      uint64_t *ret_found, struct error *err)
{
  struct rows *rows = rows_new (take_rows, t, MAX_ROWS);
  const char *names[MAX_NAMES + 1];
  struct error why = ERROR_INIT;
  int r;

  if (!rows)
    return error_set (err, ENOMEM, "no memory for rows");
  r = find (t, &why);
  *ret_found = clock_cpu_us ();
  json_add_bool (end, "found", r == 0);
  if (r == 0)
    r = look_run_again (t->k, names_of (json_get (f->head, "sections"), names),
                        rows, want_moved (t, f->head), &why);
  if (rows_flush (rows) < 0 && r == 0 && !t->io->failed)
    r = error_set (&why, EIO, "a row was not made well");
  if (r < 0)
    json_add_text (end, "why", error_text (&why), strlen (error_text (&why)));
  json_add_int (end, "dropped", (int64_t) rows_dropped (rows));
  rows_free (rows);
  return 0;
}

static void
add_lacks (const struct kernel *k, struct json_object *end)
{
  struct json_object *o = json_object_new_object ();

  for (unsigned i = 0; k && i < PART_MAX; i++)
    {
      const char *why = kernel_lacks (k, i);

      if (why[0])
        json_add_text (o, kernel_part_names[i], why, strlen (why));
    }
  json_object_object_add (end, "lacks", o);
}

/* Where its heartbeat is.  Bytes, and no row: a daemon reads by them. */
static int
answer_beat (struct inspect_task *t, struct frame *f, struct error *err)
{
  CLEANUP_FREE unsigned char *table = malloc (BEAT_MAX_TABLE);
  struct json_object *head;
  struct error why = ERROR_INIT;
  size_t len = 0;
  int r;

  if (!table)
    return error_set (err, ENOMEM, "no memory for a heartbeat");
  r = take_registers (t, f, err);
  if (r < 0)
    return r;
  head = parser_message ("beat");
  r = find (t, &why);
  if (r == 0)
    r = kernel_beat (t->k, table, &len, &why);
  json_add_bool (head, "found", r == 0);
  /* Not only not found. */
  if (r == -ENXIO)
    json_add_bool (head, "none", true);
  if (r < 0)
    json_add_text (head, "why", error_text (&why), strlen (error_text (&why)));
  parser_answer (t->io, head, table, r == 0 ? len : 0);
  return parser_answered (t->io, err);
}

static int
answer (struct inspect_task *t, struct frame *f, struct error *err)
{
  const char *op = json_get_str (f->head, "op");
  int64_t ms = json_get_int (f->head, "deadline_ms", LOOK_MS);
  uint64_t begun = clock_cpu_us (), found = begun;
  struct json_object *end;
  int r;

  mem_again (t->mem,
             clock_ms () + (ms > 0 && ms < LOOK_MS ? (uint64_t) ms : LOOK_MS));
  if (op && strcmp (op, "beat") == 0)
    return answer_beat (t, f, err);
  if (!op || strcmp (op, "look") != 0)
    return error_set (err, EINVAL, "not a question about memory");
  r = take_registers (t, f, err);
  if (r < 0)
    return r;
  end = parser_message ("end");
  r = look (t, f, end, &found, err);
  if (r < 0)
    {
      json_object_put (end);
      return r;
    }
  add_cost (t, end, begun, found);
  add_lacks (t->k, end);
  parser_answer (t->io, end, NULL, 0);
  return parser_answered (t->io, err);
}

static int
run (struct parser_io *io, int argc, char **argv, struct error *err)
{
  struct inspect_task t = { .io = io };
  int r = begin (&t, err);

  while (r == 0)
    {
      CLEANUP_FRAME struct frame f = { 0 };

      r = parser_question (io, &f, err);
      if (r <= 0)
        break;
      r = answer (&t, &f, err);
    }
  moved_free (t.moved);
  kernel_free (t.k);
  mem_free (t.mem);
  free (t.regs);
  return r;
}

const struct parser_task task_inspect = {
  .name = "inspect",
  .summary = "a guest's kernel, in its memory or in a core",
  .run = run,
  .memory = 512u << 20,
  .cpu_s = 10,
};
