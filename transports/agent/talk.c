/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of one question to a guest agent, and what their failure means.
 */
#include "transports/agent/agent_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/opener.h"
#include "transports/transport.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATUS_COMMAND "guest-fsfreeze-status"

void
agent_begin (struct agent_talk *t, const struct transport_env *env,
             const struct guest *g, uint64_t deadline)
{
  *t = (struct agent_talk){ .env = env,
                            .g = g,
                            .begun_ms = clock_ms (),
                            .deadline = deadline,
                            .fd = -1,
                            .end = ASK_MAX };
  agent_wire_init (&t->wire);
  agents_look (env->agents, &g->inc, t->begun_ms, &t->known);
}

void
agent_rest (struct agent_talk *t)
{
  cleanup_close_ (&t->fd);
  t->fd = -1;
}

void
agent_end (struct agent_talk *t)
{
  agent_rest (t);
  agent_wire_done (&t->wire);
}

int
agent_fail (struct agent_talk *t, enum ask_end end, int code,
            struct error *err, const char *fmt, ...)
{
  char text[300];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  t->end = end;
  return error_set (err, code, "%s", text);
}

/* ---- one command ---- */

static int
carry (struct agent_talk *t, const char *command, struct json_object *args,
       struct json_doc **ret_doc, struct error *err)
{
  CLEANUP_JSON struct json_object *msg = json_object_new_object ();
  struct buf line CLEANUP_BUF = BUF_INIT (64u << 10);

  json_add_str (msg, "execute", command);
  if (args)
    json_object_object_add (msg, "arguments", args);
  buf_puts (&line,
            json_object_to_json_string_ext (msg, JSON_C_TO_STRING_PLAIN));
  buf_putc (&line, '\n');
  t->end = ASK_MAX;
  if (line.cut)
    return error_set (err, EMSGSIZE, "%s: its arguments are too long", command);
  switch (t->g->agent)
    {
    case AGENT_UNIX:
      return agent_unix_call (t, line.data, line.len, ret_doc, err);
    case AGENT_LIBVIRT:
      return agent_libvirt_call (t, line.data, ret_doc, err);
    case AGENT_NONE:
      break;
    }
  return agent_fail (t, ASK_ABSENT, ENOENT, err,
                     "the guest has no channel for a guest agent");
}

/* While its file systems are frozen the agent blocks nearly all of its
 * commands, and whoever asks for one is to wait, not to mend anything. */
static bool
is_frozen (struct agent_talk *t)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct json_object *value = NULL;

  return carry (t, STATUS_COMMAND, NULL, &doc, NULL) == 0
         && agent_wire_value (doc, &value, NULL) == 0
         && json_object_is_type (value, json_type_string)
         && strcmp (json_object_get_string (value), "frozen") == 0;
}

static int
say_refusal (struct agent_talk *t, const char *command, int r,
             struct error *err)
{
  struct error why = ERROR_INIT;

  if (err)
    why = *err;
  switch (r)
    {
    case -EACCES:
      if (is_frozen (t))
        return agent_fail (t, ASK_FROZEN, EACCES, err,
                           "the guest's file systems are frozen, for a backup "
                           "or a snapshot: its agent does no %s", command);
      return agent_fail (t, ASK_BLOCKED, EACCES, err,
                         "its agent blocks %s: take it off the block list of "
                         "qemu-ga in the guest (block-rpcs, blacklist)",
                         command);
    case -ENOSYS:
      return agent_fail (t, ASK_BLOCKED, EACCES, err,
                         "its agent has no %s: it is too old, or not of that "
                         "system", command);
    case -EREMOTEIO:
      return agent_fail (t, ASK_CANT, EREMOTEIO, err, "%s: %.150s", command,
                         error_text (&why));
    default:
      return agent_fail (t, ASK_PROTOCOL, EPROTO, err, "%s: %.150s", command,
                         error_text (&why));
    }
}

int
agent_call (struct agent_talk *t, const char *command,
            struct json_object *args, struct json_object **ret,
            struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error why = ERROR_INIT;
  struct json_object *value = NULL;
  int r = carry (t, command, args, &doc, &why);

  if (r == 0)
    {
      agents_answered (t->env->agents, &t->g->inc);
      t->known.answered = true;
      r = agent_wire_value (doc, &value, &why);
      if (r < 0)
        r = say_refusal (t, command, r, &why);
    }
  if (r < 0)
    {
      if (err)
        *err = why;
      return r;
    }
  *ret = json_object_get (value);
  return 0;
}

/* ---- what it comes to ---- */

/* How long the guest lives at least, or at most where only its process is
 * known: what was restarted before we looked is taken for older than it is. */
static uint64_t
age_ms (const struct agent_talk *t)
{
  const struct incarnation *inc = &t->g->inc;
  uint64_t now = clock_ms (), seen, since_boot, start;
  struct timespec ts;
  long hz = sysconf (_SC_CLK_TCK);

  seen = now > t->known.first_ms ? now - t->known.first_ms : 0;
  if (inc->pid <= 0 || inc->boot > 0 || hz <= 0
      || clock_gettime (CLOCK_BOOTTIME, &ts) < 0)
    return seen;
  since_boot = (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
  start = inc->start_time * 1000 / (uint64_t) hz;
  if (since_boot > start && since_boot - start > seen)
    return since_boot - start;
  return seen;
}

/* Nobody answers: it hangs, or it has not come up yet, or there is none. */
static void
settle_silence (struct agent_talk *t, struct error *why)
{
  uint64_t age;

  if (t->end != ASK_SILENT || t->known.answered)
    return;
  age = age_ms (t);
  if (age < AGENT_GRACE_MS)
    agent_fail (t, ASK_NOT_YET, ETIMEDOUT, why,
                "its agent has not answered yet, and the guest began %llu s "
                "ago",
                (unsigned long long) age / 1000);
  t->never = !t->known.ever;
}

int
agent_finish (struct agent_talk *t, int r, struct ask_result *ret,
              struct error *err)
{
  ret->begun = t->begun;
  ret->took_ms = clock_ms () - t->begun_ms;
  if (r >= 0)
    {
      ret->end = ASK_OK;
      return 0;
    }
  if (t->end == ASK_MAX)
    return r;
  settle_silence (t, err);
  ret->end = t->end;
  snprintf (ret->detail, sizeof ret->detail, "%s", error_text (err));
  return 0;
}
