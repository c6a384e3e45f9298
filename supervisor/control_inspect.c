/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation inspect: what a guest's kernel says, in its memory.
 *
 * The parser runs here and not at the client: whoever may ask on the control
 * socket is given rows, and never a descriptor by which all of QEMU's memory,
 * keys included, could be read.
 */
#include "supervisor/control.h"
#include "supervisor/daemon.h"
#include "supervisor/inspect.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "transports/memory.h"

#include <string.h>

#define INSPECT_MS 20000
#define OPEN_MS 4000
#define REGISTERS_MS 2000
#define MAX_ROWS (26u << 20) /* the parser stops before */
#define PIECE (512u << 10)   /* of an answer */

/* Loop side. */
struct inspect
{
  struct answer *answer; /* NULL when the client left */
};

/* The job's, and then the loop's again. */
struct inspect_job
{
  const struct guest *guest;
  struct transport_env env;
  char *libexec;
  struct json_object *sections; /* NULL = the usual ones */
  bool no_registers;
  struct buf rows;
  struct json_object *end;
  struct error why;
};

/* ---- in the job ---- */

struct json_object *
control_where (const struct memory *m)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *list = json_object_new_array ();

  json_add_str (o, "op", "memory");
  for (unsigned i = 0; i < m->map.n; i++)
    {
      const struct memory_range *r = &m->map.ranges[i];
      struct json_object *triple = json_object_new_array ();

      json_object_array_add (triple, json_object_new_int64 ((int64_t) r->gpa));
      json_object_array_add (triple, json_object_new_int64 ((int64_t) r->len));
      json_object_array_add (triple, json_object_new_int64 ((int64_t) r->at));
      json_object_array_add (list, triple);
    }
  json_object_object_add (o, "ranges", list);
  json_add_bool (o, "process", !m->map.file);
  json_add_bool (o, "pagemap", m->pagemap >= 0);
  return o;
}

struct json_object *
control_how (const char *row, const struct guest *g, const struct memory *m,
             bool registers, const struct error *why)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "row", row);
  json_add_text (o, "guest", g->display, strlen (g->display));
  json_add_str (o, "uuid", g->inc.uuid);
  json_add_int (o, "pid", g->inc.pid);
  json_add_str (o, "run", guest_run_names[g->run]);
  json_add_text (o, "machine", m->map.machine, strlen (m->map.machine));
  json_add_int (o, "memory_bytes", (int64_t) m->map.size);
  json_add_str (o, "read_by", m->map.file ? "file" : "process");
  if (m->map.note[0])
    json_add_text (o, "note", m->map.note, strlen (m->map.note));
  json_add_bool (o, "registers", registers);
  if (!registers && why->code)
    json_add_text (o, "registers_why", error_text (why),
                   strlen (error_text (why)));
  if (registers && g->monitor == MONITOR_LIBVIRT)
    json_add_str (o, "impact",
                  "libvirt marks the domain as tainted: custom-monitor");
  return o;
}

/* The first row. */
static void
say_how (struct inspect_job *j, const struct memory *m, const char *registers,
         const struct error *why)
{
  CLEANUP_JSON struct json_object *o
      = control_how ("guest", j->guest, m, registers != NULL, why);

  buf_puts (&j->rows,
            json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  buf_putc (&j->rows, '\n');
}

static int
take_rows (const void *lines, size_t len, void *arg)
{
  struct inspect_job *j = arg;

  buf_append (&j->rows, lines, len);
  return j->rows.cut ? -E2BIG : 0;
}

static uint64_t
within (struct job *job, uint64_t ms)
{
  uint64_t end = clock_ms () + ms;

  return end < job_deadline (job) ? end : job_deadline (job);
}

static int
look (struct job *job, struct inspect_job *j, const struct memory *m,
      const char *registers, size_t len)
{
  CLEANUP_JSON struct json_object *where = control_where (m);
  const int inputs[] = { m->fd, m->pagemap };
  const struct inspect_spec spec = { .libexec = j->libexec,
                                     .inputs = inputs,
                                     .ninputs = m->pagemap >= 0 ? 2 : 1,
                                     .where = where,
                                     .sections = j->sections,
                                     .registers = registers,
                                     .registers_len = len };

  if (job_stopping (job))
    return error_set (&j->why, ETIMEDOUT, "there was no time left to look");
  return inspect_run (&spec, take_rows, j, &j->end, &j->why);
}

static int
inspect_job_run (struct job *job, void *arg)
{
  struct inspect_job *j = arg;
  struct memory m = { .fd = -1, .pagemap = -1 };
  CLEANUP_FREE char *registers = NULL;
  struct error no_registers = ERROR_INIT;
  size_t len = 0;
  int r;

  r = memory_open (&j->env, j->guest, within (job, OPEN_MS), &m, &j->why);
  if (r < 0)
    return r;
  if (j->no_registers)
    error_set (&no_registers, ECANCELED, "not asked for");
  else
    memory_registers (&j->env, j->guest, within (job, REGISTERS_MS), &registers,
                      &len, &no_registers);
  say_how (j, &m, registers, &no_registers);
  r = look (job, j, &m, registers, len);
  memory_done (&m);
  return r;
}

/* ---- on the loop ---- */

static void
inspect_job_free (void *arg)
{
  struct inspect_job *j = arg;

  guest_unref (j->guest);
  json_object_put (j->sections);
  json_object_put (j->end);
  buf_done (&j->rows);
  free (j->libexec);
  free (j);
}

/* Rows as bytes of many frames, then how it ended. */
static void
give (struct answer *a, struct inspect_job *j)
{
  const char *p = buf_str (&j->rows);
  struct error err = ERROR_INIT;

  for (size_t left = j->rows.len, n; left > 0; p += n, left -= n)
    {
      n = left < PIECE ? left : PIECE;
      if (!answer_bytes (a, json_object_new_object (), p, n))
        {
          error_set (&err, ENOBUFS, "you read too slowly: rows were dropped");
          answer_error (a, &err);
          return;
        }
    }
  json_add_str (j->end, "row", "end");
  answer_end (a, steal_ptr (&j->end));
}

static void
inspect_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct inspect *i = owner;
  struct inspect_job *j = arg;
  struct error err = ERROR_INIT;

  if (i->answer)
    i->answer->gone = NULL;
  if (i->answer && j && rc == 0)
    give (i->answer, j);
  else if (i->answer && j)
    answer_error (i->answer, &j->why);
  else if (i->answer)
    {
      error_set (&err, ETIMEDOUT,
                 "the guest's memory was not read within %u s: this host may "
                 "be what is stuck",
                 INSPECT_MS / 1000);
      answer_error (i->answer, &err);
    }
  if (j)
    inspect_job_free (j);
  free (i);
}

static void
inspect_gone (struct answer *a)
{
  struct inspect *i = a->arg;

  i->answer = NULL;
}

void
op_inspect (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  struct error err = ERROR_INIT;
  struct inspect_job *j;
  struct inspect *i;

  if (!g)
    return;
  i = calloc (1, sizeof *i);
  j = calloc (1, sizeof *j);
  if (!i || !j || !(j->libexec = strdup (a->d->libexec)))
    {
      free (i);
      free (j);
      error_set (&err, ENOMEM, "no memory");
      answer_error (a, &err);
      return;
    }
  i->answer = a;
  j->guest = guest_ref (g);
  j->env = a->d->env;
  j->rows = (struct buf) BUF_INIT (MAX_ROWS);
  j->sections = json_object_get (json_get (a->head, "sections"));
  j->no_registers = !json_get_bool (a->head, "registers", true);
  struct job_spec spec = {
    .name = "inspect",
    .guest = g->inc.uuid,
    .lane = "memory",
    .timeout_ms = INSPECT_MS,
    .run = inspect_job_run,
    .done = inspect_done,
    .free_arg = inspect_job_free,
    .owner = i,
    .arg = j,
  };
  a->arg = i;
  a->gone = inspect_gone;
  if (job_start (a->d->jobs, &spec, &err) < 0)
    {
      inspect_job_free (j);
      free (i);
      a->gone = NULL;
      answer_error (a, &err);
    }
}
