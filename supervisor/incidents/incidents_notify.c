/* SPDX-License-Identifier: Apache-2.0
 *
 * When a bundle is on disk, a program of the operator's is told.
 *
 * Nothing waits for it, and nothing depends on it: whatever becomes of it the
 * incident is as it was, and the log says so.  Each bundle is told of at most
 * once: not again by a daemon that was started meanwhile.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/incidents_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "transports/exec/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AT_ONCE 4

/* The job's, and then the loop's again. */
struct telling
{
  const struct transport_env *env;
  struct incidents_notify what;
  struct json_object *told;
  char uuid[UUID_TEXT], id[UUID_TEXT];
  struct exec_result result;
  struct error why;
};

static void
telling_free (void *arg)
{
  struct telling *t = arg;

  json_object_put (t->told);
  exec_result_done (&t->result);
  free (t);
}

static int
tell (struct job *job, void *arg)
{
  struct telling *t = arg;
  const struct exec_program program = { .name = t->what.argv[0],
                                        .args = t->what.argv + 1,
                                        .nargs = t->what.nargv - 1,
                                        .environ = t->told };

  return exec_run (t->env, &program, job_deadline (job), &t->result, &t->why);
}

static void
on_told (void *owner, void *arg, enum job_end end, int rc)
{
  struct incidents *in = owner;
  struct telling *t = arg;
  const struct exec_result *r;
  CLEANUP_BUF struct buf said = BUF_INIT (200);

  in->notifying--;
  if (end == JOB_DISCARDED)
    {
      log_warn ("notify: who runs it did not come back");
      return;
    }
  r = &t->result;
  text_escape (&said, r->errors.len ? r->errors.data : r->detail,
               r->errors.len ? strnlen (r->errors.data, r->errors.len)
                             : strlen (r->detail),
               0);
  if (rc < 0)
    log_guest (LOG_LEVEL_WARN, t->uuid, "notify: incident=%s: %s", t->id,
               error_text (&t->why));
  else if (r->end == EXEC_EXITED && r->status == 0)
    log_guest (LOG_LEVEL_INFO, t->uuid, "notify: %s was told of incident=%s",
               t->what.argv[0], t->id);
  else
    log_guest (LOG_LEVEL_WARN, t->uuid,
               "notify: incident=%s: %s %s %d, %u killed: %s", t->id,
               t->what.argv[0], exec_end_names[r->end], r->status, r->killed,
               buf_str (&said));
  telling_free (t);
}

static struct json_object *
environment (const struct active *a)
{
  const struct incident *inc = &a->inc;
  struct json_object *o = a->guest ? exec_environ (a->guest)
                                   : json_object_new_object ();

  exec_tell (o, "HANGDOG_GUEST", inc->guest);
  exec_tell (o, "HANGDOG_UUID", inc->inc.uuid);
  exec_tell (o, "HANGDOG_INCIDENT", inc->id);
  exec_tell (o, "HANGDOG_CLASS", inc->verdict.class_);
  exec_tell (o, "HANGDOG_CONFIDENCE", inc->verdict.confidence);
  exec_tell (o, "HANGDOG_CULPRIT", inc->verdict.culprit);
  exec_tell (o, "HANGDOG_SENTENCE", inc->verdict.sentence);
  exec_tell (o, "HANGDOG_BUNDLE", a->bundle);
  return o;
}

void
incident_notify (struct active *a)
{
  struct incidents *in = a->all;
  const struct incidents_notify *what = &in->env.notify;
  struct error err = ERROR_INIT;
  struct job_spec spec = { .name = "notify", .guest = a->inc.inc.uuid,
                           .lane = LANE_EXEC, .part = a->inc.id,
                           .timeout_ms = what->timeout_ms, .run = tell,
                           .done = on_told, .free_arg = telling_free,
                           .owner = in };
  struct telling *t;
  int r;

  /* One that repeats another has none. */
  if (!what->nargv || !a->bundle[0])
    return;
  t = calloc (1, sizeof *t);
  r = t ? 0 : error_set (&err, ENOMEM, "no memory");
  if (r == 0 && in->notifying >= MAX_AT_ONCE)
    r = error_set (&err, EAGAIN, "%u of them run already", MAX_AT_ONCE);
  if (r == 0)
    {
      t->env = in->env.diagnosis->transports;
      t->what = *what;
      t->told = environment (a);
      snprintf (t->uuid, sizeof t->uuid, "%s", a->inc.inc.uuid);
      snprintf (t->id, sizeof t->id, "%s", a->inc.id);
      spec.arg = t;
      r = job_start (in->env.diagnosis->jobs, &spec, &err);
    }
  if (r == 0)
    {
      in->notifying++;
      return;
    }
  if (t)
    telling_free (t);
  log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
             "notify: incident=%s is told to nobody: %s", a->inc.id,
             error_text (&err));
}
