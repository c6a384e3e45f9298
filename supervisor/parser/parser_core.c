/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's task about a core: a guest's memory, out through a socket to
 * who writes the file.
 *
 * The memory is read here because reading it may never come back (swapped out
 * to what is dead) and because looking for its kernel reads what is hostile.
 * The file is written elsewhere because this process may write none.
 * docs/parser-protocol.md.
 */
#include "supervisor/parser/parser.h"
#include "supervisor/parser/parser_io.h"
#include "supervisor/parser/parser_memory.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "kernel/memory/core.h"
#include "kernel/memory/inspect.h"

#include <string.h>

#define FIND_MS 10000  /* its kernel, which the core is whole without */
#define STALL_MS 60000 /* the other end takes nothing */
#define TELL_MS 1000

struct task
{
  struct parser_io *io;
  int out;
  struct json_object *where; /* the first question */
  struct vcpu_regs *regs;
  unsigned nregs;
  struct core core;
  struct core_copied copied;
  uint64_t told; /* clock_ms() */
  struct error *err;
};

/* ---- to who writes the file; takes head ---- */

static int
put (struct task *t, struct json_object *head, const void *body, size_t len)
{
  int r = frame_write (t->out, head, body, len, NULL, 0, clock_ms () + STALL_MS,
                       t->err);

  json_object_put (head);
  if (r == -ETIMEDOUT)
    return error_set (t->err, ETIMEDOUT,
                      "for %u s the core was not written: its disk is stuck",
                      STALL_MS / 1000);
  if (r == -EPIPE || r == -ECONNRESET)
    return error_set (t->err, ECANCELED, "the core is not wanted any more");
  return r;
}

/* And to who started us, so that it knows that we are not stuck. */
static int
tell (struct task *t, const struct core_copied *soon)
{
  struct json_object *head;

  if (clock_ms () - t->told < TELL_MS)
    return 0;
  t->told = clock_ms ();
  head = parser_message ("progress");
  json_add_int (head, "seen", (int64_t) soon->seen);
  parser_answer (t->io, head, NULL, 0);
  head = parser_message ("progress");
  json_add_int (head, "seen", (int64_t) soon->seen);
  return put (t, head, NULL, 0);
}

static int
take (uint64_t at, const void *data, size_t len, const struct core_copied *soon,
      void *arg)
{
  struct task *t = arg;
  struct json_object *head;
  int r;

  if (len > 0)
    {
      head = parser_message ("data");
      json_add_int (head, "at", (int64_t) at);
      r = put (t, head, data, len);
      if (r < 0)
        return r;
    }
  r = tell (t, soon);
  return r < 0 ? r : parser_answered (t->io, t->err);
}

/* ---- the head ---- */

/* Its notes and virtual addresses are a gift: without them it is a core. */
static int
make_head (struct task *t, struct json_object *end)
{
  const struct mem_limits limits = { .deadline = clock_ms () + FIND_MS };
  struct error why = ERROR_INIT;
  struct kernel *k = NULL;
  struct mem *m = NULL;
  int r = parser_memory (t->io, t->where, &limits, false, &m, t->err);

  if (r < 0)
    return r;
  r = kernel_find (m, t->nregs ? t->regs : NULL, t->nregs, &k, &why);
  if (r < 0)
    json_add_text (end, "kernel_why", error_text (&why),
                   strlen (error_text (&why)));
  else
    json_add_text (end, "release", kernel_release (k),
                   strlen (kernel_release (k)));
  r = core_make (m, k, t->regs, t->nregs, &t->core, t->err);
  kernel_free (k);
  mem_free (m);
  return r;
}

static int
send_head (struct task *t, uint64_t present)
{
  struct json_object *head = parser_message ("head");

  json_add_int (head, "bytes", (int64_t) t->core.bytes);
  json_add_int (head, "present", (int64_t) present);
  return put (t, head, buf_str (&t->core.head), t->core.head.len);
}

static void
fill_end (const struct task *t, struct json_object *end)
{
  json_add_int (end, "bytes", (int64_t) t->core.bytes);
  json_add_int (end, "present", (int64_t) t->copied.seen);
  json_add_int (end, "unreadable", (int64_t) t->copied.unreadable);
  json_add_int (end, "cpus", t->core.cpus);
  json_add_bool (end, "vmcoreinfo", t->core.vmcoreinfo);
  json_add_bool (end, "linear", t->core.linear);
}

static int
write_core (struct task *t, struct json_object *end)
{
  const struct mem_limits all = { .bytes = UINT64_MAX };
  struct mem *m = NULL;
  int r = make_head (t, end);

  if (r == 0)
    r = parser_memory (t->io, t->where, &all, true, &m, t->err);
  if (r == 0 && !mem_can_scan (m))
    r = error_set (t->err, EOPNOTSUPP,
                   "what the guest has touched cannot be told from what it "
                   "has not: a core would make it larger");
  if (r == 0)
    r = send_head (t, core_present (m));
  if (r == 0)
    r = core_copy (&t->core, m, take, t, &t->copied, t->err);
  if (r == 0)
    r = put (t, parser_message ("end"), NULL, 0);
  fill_end (t, end);
  mem_free (m);
  return r;
}

/* ---- questions ---- */

static int
take_registers (struct task *t, const struct frame *f)
{
  int n;

  t->regs = calloc (REGS_MAX_CPUS, sizeof *t->regs);
  if (!t->regs)
    return error_set (t->err, ENOMEM, "no memory for registers");
  n = f->body_len > 0
          ? regs_parse (f->body, f->body_len, t->regs, REGS_MAX_CPUS, NULL)
          : 0;
  t->nregs = n > 0 ? (unsigned) n : 0;
  return 0;
}

/* Where the memory is, and that a core is wanted. */
static int
listen_to (struct task *t)
{
  static const char *const ops[] = { "memory", "core" };

  for (size_t i = 0; i < ARRAY_LEN (ops); i++)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      int r = parser_question (t->io, &f, t->err);
      const char *op = r > 0 ? json_get_str (f.head, "op") : NULL;

      if (r < 0)
        return r;
      if (!op || strcmp (op, ops[i]) != 0)
        return error_set (t->err, EINVAL, "not a question about a core");
      if (i == 0)
        t->where = json_object_get (f.head);
      else if ((r = take_registers (t, &f)) < 0)
        return r;
    }
  return 0;
}

static int
run (struct parser_io *io, int argc, char **argv, struct error *err)
{
  struct task t = { .io = io, .err = err };
  struct json_object *end = parser_message ("end");
  int r = listen_to (&t);

  /* The last input is no input. */
  if (r == 0)
    r = t.out = parser_input (io, io->ninputs - 1, err);
  if (r >= 0)
    r = write_core (&t, end);
  if (r == 0)
    {
      parser_answer (io, json_object_get (end), NULL, 0);
      r = parser_answered (io, err);
    }
  json_object_put (end);
  json_object_put (t.where);
  core_done (&t.core);
  free (t.regs);
  return r;
}

const struct parser_task task_core = {
  .name = "core",
  .summary = "a guest's memory as an ELF core, to who writes it",
  .run = run,
  .memory = 512u << 20,
  .cpu_s = 3600,
};
