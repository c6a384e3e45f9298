/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking hangdog-exec to run a program.
 */
#include "transports/exec/exec.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/io.h"
#include "base/job.h"
#include "base/json.h"
#include "transports/transport.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HELPER "hangdog-exec"
/* Beyond the deadline, for ending what the program has started. */
#define END_MS 350
/* So much earlier ends who leaves files: they have to be read then. */
#define FILES_MS 1500
/* For it to end by itself, as it does when nobody is left. */
#define FOLLOW_MS 100
/* So often it is asked whether somebody has called it off. */
#define STOP_MS 200

const char *const exec_end_names[] = {
  [EXEC_EXITED] = "exited",     [EXEC_SIGNAL] = "signal",
  [EXEC_TIMEOUT] = "timeout",   [EXEC_FULL] = "full",
  [EXEC_UNUSABLE] = "unusable", [EXEC_STUCK] = "stuck",
  [EXEC_END_MAX] = NULL,
};

uint64_t
exec_time (const struct exec_program *program, uint64_t deadline)
{
  return helper_left (deadline, program->left ? FILES_MS : 0);
}

static struct json_object *
question (const struct transport_env *env, const struct exec_program *p,
          uint64_t deadline)
{
  struct json_object *head = json_object_new_object ();
  struct json_object *dirs = json_object_new_array ();
  struct json_object *args = json_object_new_array ();

  for (const char *const *d = env->exec_dirs; d && *d; d++)
    json_object_array_add (dirs, json_object_new_string (*d));
  for (size_t i = 0; i < p->nargs; i++)
    json_object_array_add (args, json_object_new_string (p->args[i]));
  json_add_str (head, "op", "run");
  json_object_object_add (head, "dirs", dirs);
  json_add_str (head, "name", p->name);
  json_object_object_add (head, "args", args);
  json_object_object_add (head, "environ", json_object_get (p->environ));
  if (p->left)
    json_add_str (head, "folder", env->exec_left);
  json_add_int (head, "timeout_ms", (int64_t) exec_time (p, deadline));
  return head;
}

static int
end_of (const char *name)
{
  int end = 0;

  while (exec_end_names[end] && (!name || strcmp (exec_end_names[end], name)))
    end++;
  return end;
}

static int
answer (const struct frame *f, struct exec_result *ret, struct error *err)
{
  int64_t out = json_get_int (f->head, "output", -1);
  int end = end_of (json_get_str (f->head, "end"));
  const char *detail = json_get_str (f->head, "detail");

  if (end >= EXEC_STUCK || out < 0 || (uint64_t) out > f->body_len
      || out > EXEC_MAX_OUTPUT
      || f->body_len - (size_t) out > EXEC_MAX_OUTPUT)
    return error_set (err, EPROTO, HELPER " says what makes no sense");
  *ret = (struct exec_result){
    .end = (enum exec_end) end,
    .status = (int) json_get_int (f->head, "status", -1),
    .killed = (unsigned) json_get_int (f->head, "killed", 0),
    .left = json_get_bool (f->head, "left", false),
    .cut = json_get_bool (f->head, "cut", false),
    .output = BUF_INIT (EXEC_MAX_OUTPUT),
    .errors = BUF_INIT (EXEC_MAX_OUTPUT),
  };
  if (f->body_len)
    {
      buf_append (&ret->output, f->body, (size_t) out);
      buf_append (&ret->errors, (const char *) f->body + out,
               f->body_len - (size_t) out);
    }
  snprintf (ret->detail, sizeof ret->detail, "%s", detail ? detail : "");
  return 0;
}

/* ---- what it left ---- */

/* 1: there is more; 0: that was all; what it says is bounded here, too. */
static int
left_frame (const struct frame *f, const struct exec_left *left,
            uint64_t *bytes, unsigned *gaps, struct error *err)
{
  const char *op = json_get_str (f->head, "op");
  const char *name = json_get_str (f->head, "name");
  const char *why = json_get_str (f->head, "why");

  if (op && strcmp (op, "done") == 0)
    return 0;
  if (op && strcmp (op, "file") == 0 && name && *name && !strchr (name, '/')
      && *bytes + f->body_len <= EXEC_MAX_LEFT)
    {
      *bytes += f->body_len;
      left->piece (left->arg, name, f->body, f->body_len);
      return 1;
    }
  if (op && strcmp (op, "gap") == 0 && name && why
      && (*gaps)++ <= EXEC_MAX_FILES)
    {
      left->gap (left->arg, name, why);
      return 1;
    }
  return error_set (err, EPROTO, HELPER " says what makes no sense");
}

/* What came is there, whatever becomes of the rest. */
static void
take_left (struct helper *h, const struct exec_left *left, uint64_t deadline)
{
  struct error why = ERROR_INIT;
  uint64_t bytes = 0;
  unsigned gaps = 0;
  int r = 1;

  while (r > 0)
    {
      CLEANUP_FRAME struct frame f = { 0 };

      r = helper_hear (h, &f, deadline, &why);
      if (r == 0)
        r = left_frame (&f, left, &bytes, &gaps, &why);
    }
  if (r < 0)
    left->gap (left->arg, "", error_text (&why));
}

/* The end of a job's time is not that: who runs the program ends it then, and
 * says so. */
static bool
is_called_off (const struct job *job)
{
  return job && job_stopping (job) && clock_ms () < job_deadline (job);
}

static int
hear (struct helper *h, const struct job *job, struct frame *ret,
      uint64_t deadline, struct error *err)
{
  uint64_t now = clock_ms ();

  while (job && now < deadline
         && io_wait (h->sock, POLLIN,
                     now + STOP_MS < deadline ? now + STOP_MS : deadline)
                == -ETIMEDOUT)
    {
      if (is_called_off (job))
        return error_set (err, ECANCELED, "called off");
      now = clock_ms ();
    }
  return helper_hear (h, ret, deadline, err);
}

/* By the end of its channel it is asked to end.  What has to be ended by force
 * is the first of its two processes, which waits; the other one goes on ending
 * what it runs. */
static void
end (struct helper *h)
{
  close (h->sock);
  h->sock = -1;
  helper_wait (h, clock_ms () + FOLLOW_MS, NULL, NULL);
  helper_end (h);
}

int
exec_run (const struct transport_env *env, const struct exec_program *program,
          uint64_t deadline, struct exec_result *ret, struct error *err)
{
  const struct helper_spec spec
      = { .libexec = env->libexec, .program = HELPER };
  CLEANUP_JSON struct json_object *head = question (env, program, deadline);
  CLEANUP_FRAME struct frame f = { 0 };
  struct error why = ERROR_INIT;
  struct helper h = HELPER_INIT;
  int r;

  if (program->left && !env->exec_left)
    return error_set (err, ENOTSUP, "there is no folder for what programs "
                                    "leave");
  r = helper_start (&spec, &h, err);
  if (r < 0)
    return r;
  r = helper_say (&h, head, NULL, 0, NULL, 0, deadline, &why);
  if (r == 0)
    r = hear (&h, program->job, &f, deadline + END_MS, &why);
  if (r == 0)
    {
      r = answer (&f, ret, &why);
      if (r == 0 && program->left && ret->end != EXEC_UNUSABLE)
        take_left (&h, program->left, deadline + END_MS);
    }
  else if (r == -ETIMEDOUT)
    {
      *ret = (struct exec_result){ .end = EXEC_STUCK };
      snprintf (ret->detail, sizeof ret->detail,
                "%s does not answer: a folder of `exec` may be on a disk that "
                "does not",
                HELPER);
      r = 0;
    }
  end (&h);
  if (r < 0)
    error_set (err, -r, HELPER ": %s", error_text (&why));
  return r;
}

int
exec_sweep (const struct transport_env *env, uint64_t deadline,
            struct error *err)
{
  const struct helper_spec spec
      = { .libexec = env->libexec, .program = HELPER };
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  CLEANUP_FRAME struct frame f = { 0 };
  struct helper h = HELPER_INIT;
  int r = helper_start (&spec, &h, err);

  if (r < 0)
    return r;
  json_add_str (head, "op", "sweep");
  json_add_str (head, "folder", env->exec_left);
  r = helper_say (&h, head, NULL, 0, NULL, 0, deadline, err);
  if (r == 0)
    r = helper_hear (&h, &f, deadline, err);
  end (&h);
  return r;
}

static void
exec_doctor (const struct transport_env *env, const struct guest *g,
             struct doctor_report *rep, uint64_t deadline)
{
  (void) g;
  (void) deadline;
  if (!env->exec_dirs || !env->exec_dirs[0])
    rep->line (rep, DOCTOR_NA, "exec", "no folder of programs is configured",
               NULL);
}

const struct transport_ops transport_exec = {
  .name = "exec",
  .summary = "a program of the operator's on this host",
  .touches = "nothing, but for what the program does",
  .lane = LANE_EXEC,
  .lane_each = true,
  .cpu_us = 3000,
  .doctor = exec_doctor,
};
