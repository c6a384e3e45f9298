/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation core: all of a guest's memory, for a file.
 *
 * Three processes share it.  A parser reads, since that may never come back;
 * the client writes, with its own rights and to its own disk, which may be
 * dead; here nothing of it passes through: the client is given one end of a
 * socket and the parser the other.  So the client gets the guest's memory and
 * not the descriptor by which it is read, that of QEMU's own.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "guests/qemu.h"
#include "guests/registry.h"
#include "transports/memory/look_guest.h"
#include "transports/memory/parser.h"

#include <string.h>
#include <sys/socket.h>

#define CORE_MS (2 * 3600 * 1000u)
#define LOOK_MS 10000   /* where its memory is, and its registers */
#define ASK_MS 4000
#define QUIET_MS 75000 /* longer than the parser waits for the client */
#define MAX_CORES 2    /* at once: reading takes what the host has */
#define MORE 2

/* Loop side. */
struct core_answer
{
  struct daemon *d;
  struct answer *answer; /* NULL when the client left */
};

/* The job's, and then the loop's again. */
struct core_job
{
  struct look_guest at;
  int out;                 /* for the parser */
  struct json_object *end; /* the answer's last row */
  struct error why;
};

/* ---- in the job ---- */

struct listen
{
  struct job *job;
  struct core_job *j;
};

/* What it says of itself is a stranger's word: taken by name and kind. */
static void
take_end (struct json_object *to, struct json_object *said)
{
  static const char *const numbers[]
      = { "bytes", "present", "unreadable", "cpus" };
  static const char *const flags[] = { "vmcoreinfo", "linear" };
  static const char *const texts[] = { "release", "kernel_why" };

  for (size_t i = 0; i < ARRAY_LEN (numbers); i++)
    json_add_int (to, numbers[i], json_get_int (said, numbers[i], 0));
  for (size_t i = 0; i < ARRAY_LEN (flags); i++)
    json_add_bool (to, flags[i], json_get_bool (said, flags[i], false));
  for (size_t i = 0; i < ARRAY_LEN (texts); i++)
    if (json_get_str (said, texts[i]))
      json_add_text (to, texts[i], json_get_str (said, texts[i]),
                     strnlen (json_get_str (said, texts[i]), 300));
}

static int
take (struct frame *f, void *arg)
{
  struct listen *l = arg;
  const char *op = json_get_str (f->head, "op");

  if (op && strcmp (op, "error") == 0)
    return look_error (json_get (f->head, "error"), &l->j->why);
  if (op && strcmp (op, "end") == 0)
    {
      take_end (l->j->end, f->head);
      return 1;
    }
  if (job_stopping (l->job))
    return error_set (&l->j->why, ECANCELED,
                      "the core was given up: hangdog "
                      "is told to end, or it took %u "
                      "hours",
                      CORE_MS / 3600000);
  return MORE;
}

static int
listen_to (struct job *job, struct core_job *j, struct parser_run *p)
{
  struct listen l = { job, j };
  int r = MORE;

  while (r == MORE)
    r = parser_run_listen (p, clock_ms () + QUIET_MS, take, &l, &j->why);
  return r < 0 ? r : 0;
}

static int
ask (struct core_job *j, struct parser_run *p)
{
  uint64_t deadline = clock_ms () + ASK_MS;
  struct json_object *head = json_object_new_object ();
  int r = parser_run_ask (p, memory_where (&j->at.memory), NULL, 0, deadline,
                          &j->why);

  json_add_str (head, "op", "core");
  if (r == 0)
    return parser_run_ask (p, head, j->at.registers, j->at.registers_len,
                           deadline, &j->why);
  json_object_put (head);
  return r;
}

static int
run_parser (struct job *job, struct core_job *j)
{
  static const char *const args[] = { "core", NULL };
  const struct memory *m = &j->at.memory;
  const int both[] = { m->fd, m->pagemap, j->out }, one[] = { m->fd, j->out };
  bool pagemap = m->pagemap >= 0;
  const struct parser_spec spec = { .libexec = j->at.env->libexec,
                                    .program = "hangdog-parser",
                                    .deadline_ms = CORE_MS,
                                    .args = args,
                                    .inputs = pagemap ? both : one,
                                    .ninputs = pagemap ? 3 : 2 };
  struct parser_run *p = NULL;
  struct parser_end spent;
  int r = parser_run_start (&spec, &p, &j->why);

  /* Once it has gone, the client is to see the end of the stream. */
  close (steal_fd (&j->out));
  if (r < 0)
    return r;
  r = ask (j, p);
  if (r >= 0 || r == -EBADMSG)
    r = listen_to (job, j, p);
  parser_run_end (p, r < 0 && r != -EBADMSG, &spent);
  return look_ended (r, &spent, &j->why);
}

/* One that ended and is not waited for yet has its number, and no memory. */
static bool
lives (const struct guest *g)
{
  struct qemu_args *args CLEANUP_QEMU_ARGS = NULL;
  struct qemu_proc proc;

  return qemu_proc_read (g->inc.pid, &proc, &args, NULL) == 0
         && proc.start_time == g->inc.start_time && proc.state != 'Z'
         && proc.state != 'X';
}

/* Whatever else went wrong: of a process that is gone nothing more is to be
 * known, and what was read of one that came after it is nobody's core. */
static int
check_life (struct core_job *j, int r)
{
  if (lives (j->at.guest))
    return r;
  return error_set (&j->why, ESTALE,
                    "%s went while its memory was read (process %d)",
                    j->at.guest->display, (int) j->at.guest->inc.pid);
}

static int
core_run (struct job *job, void *arg)
{
  struct core_job *j = arg;
  uint64_t until = clock_ms () + LOOK_MS;
  int r;

  j->at.job = job;
  r = look_guest_open (&j->at, until, &j->why);
  if (r < 0)
    return r;
  look_guest_registers (&j->at, until);
  j->end = look_guest_row (&j->at, "core");
  r = run_parser (job, j);
  look_guest_close (&j->at);
  return check_life (j, r);
}

/* ---- on the loop ---- */

static void
core_job_free (void *arg)
{
  struct core_job *j = arg;

  look_guest_close (&j->at);
  guest_unref (j->at.guest);
  json_object_put (j->end);
  if (j->out >= 0)
    close (j->out);
  free (j);
}

static void
answer_job (struct core_answer *q, struct core_job *j, int rc)
{
  struct error err = ERROR_INIT;

  if (!j)
    error_set (&err, ETIMEDOUT,
               "reading the guest's memory does not come back: this host may "
               "be what is stuck");
  else if (rc < 0)
    err = j->why;
  else if (!registry_is_current (q->d->registry, &j->at.guest->inc))
    error_set (&err, ESTALE,
               "%s was reset while its memory was read: the core would be of "
               "two lives",
               j->at.guest->display);
  if (err.code)
    answer_error (q->answer, &err);
  else
    answer_end (q->answer, steal_ptr (&j->end));
}

static void
core_ended (void *owner, void *arg, enum job_end end, int rc)
{
  struct core_answer *q = owner;
  struct core_job *j = arg;

  q->d->cores--;
  if (q->answer)
    {
      q->answer->gone = NULL;
      answer_job (q, j, rc);
    }
  if (j)
    core_job_free (j);
  free (q);
}

static void
core_gone (struct answer *a)
{
  struct core_answer *q = a->arg;

  q->answer = NULL;
}

/* The client's end goes to it at once: an error comes after. */
static int
connect_them (struct answer *a, struct core_job *j, struct error *err)
{
  CLEANUP_CLOSE int theirs = -1;
  int pair[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return error_errno (err, errno, "socketpair");
  j->out = pair[0];
  theirs = pair[1];
  if (!answer_fd (a, json_object_new_object (), theirs))
    return error_set (err, ENOBUFS, "you read too slowly");
  return 0;
}

static struct core_job *
core_job_new (struct answer *a, const struct guest *g)
{
  struct core_job *j = calloc (1, sizeof *j);

  if (!j)
    return NULL;
  j->out = -1;
  j->at.env = &a->d->env;
  j->at.guest = guest_ref (g);
  j->at.no_registers = !json_get_bool (a->head, "registers", true);
  return j;
}

static int
start (struct answer *a, struct core_job *j, struct core_answer *q,
       struct error *err)
{
  const struct job_spec spec = {
    .name = "core",
    .guest = j->at.guest->inc.uuid,
    .lane = LANE_CORE,
    .timeout_ms = CORE_MS,
    .run = core_run,
    .done = core_ended,
    .free_arg = core_job_free,
    .owner = q,
    .arg = j,
  };
  int r = connect_them (a, j, err);

  if (r < 0)
    return r;
  *q = (struct core_answer){ a->d, a };
  r = job_start (a->d->jobs, &spec, err);
  if (r < 0)
    return r;
  a->arg = q;
  a->gone = core_gone;
  a->d->cores++;
  return 0;
}

void
op_core (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  struct error err = ERROR_INIT;
  struct core_job *j;
  struct core_answer *q;
  int r;

  if (!g)
    return;
  j = core_job_new (a, g);
  q = calloc (1, sizeof *q);
  if (!j || !q)
    r = error_set (&err, ENOMEM, "no memory");
  else if (a->d->cores >= MAX_CORES)
    r = error_set (&err, EBUSY, "%u cores are being written: wait for one",
                   a->d->cores);
  else
    r = start (a, j, q, &err);
  if (r == 0)
    return;
  if (j)
    core_job_free (j);
  free (q);
  answer_error (a, &err);
}
