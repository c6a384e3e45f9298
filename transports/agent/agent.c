/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to a guest agent.
 */
#include "transports/agent/agent_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/transport.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* A program is asked after in growing intervals; for the longer ones others
 * may have the channel. */
#define POLL_FIRST_MS 20
#define POLL_MOST_MS 1000
#define POLL_REST_MS 300
#define PIECE_BYTES (16u << 10)

static struct ask_result
result_new (void)
{
  return (struct ask_result){ .status = -1,
                              .output = BUF_INIT (AGENT_MAX_OUTPUT) };
}

/* Ends the talk; *ret is taken over or given back. */
static int
conclude (struct agent_talk *t, int r, struct ask_result *result,
          struct error *why, struct ask_result *ret, struct error *err)
{
  r = agent_finish (t, r, result, why);
  agent_end (t);
  if (r < 0)
    {
      ask_result_done (result);
      if (err)
        *err = *why;
      return r;
    }
  *ret = *result;
  return 0;
}

int
agent_ping (const struct transport_env *env, const struct guest *g,
            uint64_t deadline, struct ask_result *ret, struct error *err)
{
  CLEANUP_JSON struct json_object *value = NULL;
  struct ask_result result = result_new ();
  struct error why = ERROR_INIT;
  struct agent_talk t;
  int r;

  agent_begin (&t, env, g, deadline);
  r = agent_call (&t, "guest-ping", NULL, &value, &why);
  return conclude (&t, r, &result, &why, ret, err);
}

/* ---- programs ---- */

static int
start (struct agent_talk *t, const char *program, const char *const *args,
       int64_t *ret_pid, struct error *err)
{
  CLEANUP_JSON struct json_object *value = NULL;
  struct json_object *what = json_object_new_object ();
  struct json_object *list = json_object_new_array ();
  int r;

  json_add_str (what, "path", program);
  for (; args && *args; args++)
    json_object_array_add (list, json_object_new_string (*args));
  json_object_object_add (what, "arg", list);
  json_add_bool (what, "capture-output", true);
  r = agent_call (t, "guest-exec", what, &value, err);
  if (r < 0)
    return r;
  *ret_pid = json_get_int (value, "pid", -1);
  if (*ret_pid < 0)
    return agent_fail (t, ASK_PROTOCOL, EPROTO, err,
                       "guest-exec: the agent names no process");
  return 0;
}

static int
look_after (struct agent_talk *t, int64_t pid, struct agent_status *ret,
            struct buf *out, struct error *err)
{
  CLEANUP_JSON struct json_object *value = NULL;
  struct json_object *what = json_object_new_object ();
  struct error why = ERROR_INIT;
  int r;

  json_add_int (what, "pid", pid);
  r = agent_call (t, "guest-exec-status", what, &value, err);
  if (r < 0)
    return r;
  r = agent_said_status (value, ret, out, &why);
  return r < 0 ? agent_fail (t, ASK_PROTOCOL, EPROTO, err, "%.200s",
                             error_text (&why))
               : 0;
}

static int
await_end (struct agent_talk *t, int64_t pid, struct agent_status *ret,
           struct buf *out, struct error *err)
{
  uint64_t step = POLL_FIRST_MS, now;

  for (;;)
    {
      int r = look_after (t, pid, ret, out, err);

      if (r < 0 || ret->exited)
        return r;
      now = clock_ms ();
      if (now + step >= t->deadline)
        return agent_fail (t, ASK_NO_ANSWER, ETIMEDOUT, err,
                           "the agent answers, but the program that it started "
                           "(pid %lld there) does not end in time, and goes on",
                           (long long) pid);
      if (step >= POLL_REST_MS)
        agent_rest (t);
      (void) poll (NULL, 0, (int) step);
      step = 2 * step > POLL_MOST_MS ? POLL_MOST_MS : 2 * step;
    }
}

static int
run (struct agent_talk *t, const char *program, const char *const *args,
     struct ask_result *ret, struct error *err)
{
  struct agent_status status = { 0 };
  int64_t pid;
  int r = start (t, program, args, &pid, err);

  if (r >= 0)
    r = await_end (t, pid, &status, &ret->output, err);
  if (r < 0)
    return r;
  if (status.cut)
    return agent_fail (t, ASK_FLOOD, EMSGSIZE, err,
                       "the program said more than %u KiB",
                       AGENT_MAX_OUTPUT >> 10);
  if (status.signal)
    return agent_fail (t, ASK_KILLED, EINTR, err,
                       "the program was ended by signal %d", status.signal);
  ret->status = status.status;
  return 0;
}

int
agent_exec (const struct transport_env *env, const struct guest *g,
            const char *program, const char *const *args, uint64_t deadline,
            struct ask_result *ret, struct error *err)
{
  struct ask_result result = result_new ();
  struct error why = ERROR_INIT;
  struct agent_talk t;
  int r;

  agent_begin (&t, env, g, deadline);
  r = run (&t, program, args, &result, &why);
  return conclude (&t, r, &result, &why, ret, err);
}

/* Asked once in a guest's life.  What can't be had is taken for a Unix: an
 * agent that blocks this mostly runs on one. */
static int
learn_system (struct agent_talk *t, bool *ret_windows, struct error *err)
{
  CLEANUP_JSON struct json_object *value = NULL;
  const char *id;
  int r;

  *ret_windows = t->known.windows > 0;
  if (t->known.windows >= 0)
    return 0;
  r = agent_call (t, "guest-get-osinfo", NULL, &value, err);
  if (r < 0 && t->end != ASK_BLOCKED && t->end != ASK_CANT
      && t->end != ASK_FROZEN)
    return r;
  id = r < 0 ? NULL : json_get_str (value, "id");
  *ret_windows = id && strcmp (id, "mswindows") == 0;
  if (r >= 0)
    agents_system (t->env->agents, &t->g->inc, *ret_windows);
  return 0;
}

int
agent_shell (const struct transport_env *env, const struct guest *g,
             const char *command, uint64_t deadline, struct ask_result *ret,
             struct error *err)
{
  const char *const unix_args[] = { "-c", command, NULL };
  const char *const windows_args[] = { "/c", command, NULL };
  struct ask_result result = result_new ();
  struct error why = ERROR_INIT;
  struct agent_talk t;
  bool windows, never;
  int r;

  agent_begin (&t, env, g, deadline);
  r = learn_system (&t, &windows, &why);
  if (r >= 0)
    r = run (&t, windows ? "cmd.exe" : "/bin/sh",
             windows ? windows_args : unix_args, &result, &why);
  r = conclude (&t, r, &result, &why, ret, err);
  never = t.never;
  if (r >= 0 && ret->end == ASK_SILENT && never)
    {
      ret->end = ASK_ABSENT;
      snprintf (ret->detail, sizeof ret->detail,
                "nobody has ever answered at the agent's channel: is there an "
                "agent in the guest?");
    }
  return r;
}

int
agent_ask (const struct transport_env *env, const struct guest *g,
           const struct ask *ask, struct job *job, struct ask_result *ret,
           struct error *err)
{
  return agent_shell (env, g, ask->command, ask_deadline (ask, job), ret, err);
}

/* ---- files ---- */

static int
read_pieces (struct agent_talk *t, int64_t handle, struct buf *out,
             struct error *err)
{
  bool more = true;

  while (more)
    {
      CLEANUP_JSON struct json_object *value = NULL;
      struct json_object *what = json_object_new_object ();
      struct error why = ERROR_INIT;
      int r;

      json_add_int (what, "handle", handle);
      json_add_int (what, "count", PIECE_BYTES);
      r = agent_call (t, "guest-file-read", what, &value, err);
      if (r < 0)
        return r;
      if (agent_said_piece (value, out, &more, &why) < 0)
        return agent_fail (t, ASK_PROTOCOL, EPROTO, err, "%.200s",
                           error_text (&why));
      if (out->cut)
        return agent_fail (t, ASK_FLOOD, EMSGSIZE, err,
                           "the file has more than %u KiB",
                           AGENT_MAX_OUTPUT >> 10);
    }
  return 0;
}

static int
read_file (struct agent_talk *t, const char *path, struct buf *out,
           struct error *err)
{
  CLEANUP_JSON struct json_object *value = NULL, *none = NULL;
  struct json_object *what = json_object_new_object ();
  enum ask_end end;
  int64_t handle;
  int r;

  json_add_str (what, "path", path);
  json_add_str (what, "mode", "r");
  r = agent_call (t, "guest-file-open", what, &value, err);
  if (r < 0)
    return r;
  if (!json_object_is_type (value, json_type_int))
    return agent_fail (t, ASK_PROTOCOL, EPROTO, err,
                       "guest-file-open: the agent names no file");
  handle = json_object_get_int64 (value);
  r = read_pieces (t, handle, out, err);
  end = t->end;
  /* It keeps what is not closed for as long as it lives. */
  if (r >= 0 || end == ASK_FLOOD || end == ASK_CANT || end == ASK_PROTOCOL)
    {
      what = json_object_new_object ();
      json_add_int (what, "handle", handle);
      (void) agent_call (t, "guest-file-close", what, &none, NULL);
      t->end = end;
    }
  return r;
}

static double
guest_time (struct agent_talk *t)
{
  CLEANUP_JSON struct json_object *value = NULL;

  if (agent_call (t, "guest-get-time", NULL, &value, NULL) < 0
      || !json_object_is_type (value, json_type_int))
    return NAN;
  return (double) json_object_get_int64 (value) / 1e9;
}

int
agent_file (const struct transport_env *env, const struct guest *g,
            const char *path, uint64_t deadline, double *ret_now_s,
            struct ask_result *ret, struct error *err)
{
  struct ask_result result = result_new ();
  struct error why = ERROR_INIT;
  struct agent_talk t;
  int r;

  agent_begin (&t, env, g, deadline);
  r = read_file (&t, path, &result.output, &why);
  if (ret_now_s)
    *ret_now_s = r < 0 ? NAN : guest_time (&t);
  if (r >= 0)
    result.status = 0;
  return conclude (&t, r, &result, &why, ret, err);
}

/* ---- addresses ---- */

static int
code_of (enum ask_end end)
{
  switch (end)
    {
    case ASK_ABSENT:
    case ASK_TAKEN:
      return ENOENT;
    case ASK_BUSY:
      return EBUSY;
    case ASK_BLOCKED:
    case ASK_FROZEN:
      return EACCES;
    case ASK_PROTOCOL:
    case ASK_CANT:
      return EPROTO;
    case ASK_BROKEN:
      return EIO;
    default:
      return ETIMEDOUT;
    }
}

int
agent_addresses (const struct transport_env *env, const struct guest *g,
                 uint64_t deadline, struct agent_address *ret, size_t max,
                 size_t *ret_n, struct error *err)
{
  CLEANUP_JSON struct json_object *value = NULL;
  struct error why = ERROR_INIT;
  struct agent_talk t;
  int r;

  agent_begin (&t, env, g, deadline);
  r = agent_call (&t, "guest-network-get-interfaces", NULL, &value, &why);
  if (r >= 0)
    {
      r = agent_said_addresses (value, ret, max, ret_n, &why);
      if (r < 0)
        t.end = ASK_PROTOCOL;
    }
  if (r < 0 && t.end != ASK_MAX)
    r = -code_of (t.end);
  agent_end (&t);
  return r < 0 ? error_set (err, -r, "%s", error_text (&why)) : 0;
}
