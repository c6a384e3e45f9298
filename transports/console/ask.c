/* SPDX-License-Identifier: Apache-2.0
 *
 * One command over a console: find it, take the lease, ask, give it back.
 */
#include "transports/console/ask.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"

#include <stdio.h>
#include <string.h>

/* What an error of session_open() means; false: it is our own failure. */
static bool
open_end (int rc, enum ask_end *ret)
{
  static const struct
  {
    int rc;
    enum ask_end end;
  } known[] = {
    { -EBUSY, ASK_BUSY },           { -EAGAIN, ASK_BUSY },
    { -ENOENT, ASK_ABSENT },        { -ENXIO, ASK_ABSENT },
    { -ECONNREFUSED, ASK_ABSENT },  { -ECANCELED, ASK_TAKEN },
    { -EPIPE, ASK_TAKEN },          { -EROFS, ASK_READ_ONLY },
    { -ETIMEDOUT, ASK_OPEN_TIMEOUT }, { -EIO, ASK_BROKEN },
  };

  for (size_t i = 0; i < ARRAY_LEN (known); i++)
    if (known[i].rc == rc)
      {
        *ret = known[i].end;
        return true;
      }
  return false;
}

static void
say (struct ask_result *r, enum ask_end end, const char *detail)
{
  r->end = end;
  snprintf (r->detail, sizeof r->detail, "%s", detail);
}

/* NULL with ret filled when there is none to type into. */
static const struct guest_console *
choose (const struct guest *g, const char *name, struct ask_result *ret)
{
  const struct guest_console *c;
  char text[120];

  if (name)
    {
      c = guest_console_find (g, name);
      snprintf (text, sizeof text, "the guest has no console called \"%.60s\"",
                name);
      if (!c)
        say (ret, ASK_ABSENT, text);
      return c;
    }
  for (unsigned i = 0; i < g->nconsoles; i++)
    if (g->consoles[i].kind != CONSOLE_LOG
        && g->consoles[i].mode != CONSOLE_TAIL)
      return &g->consoles[i];
  if (g->nconsoles)
    say (ret, ASK_READ_ONLY, "the guest's only console is a log that can't be "
                             "typed into");
  else
    say (ret, ASK_ABSENT, "the guest has no console");
  return NULL;
}

/* The lease is waited for in at most half of what is left: a session that
 * began at the last moment would call a slow connect a dead guest. */
int
console_ask_open (const struct transport_env *env, const struct guest *g,
                  const char *console, enum lease_rank rank, const char *who,
                  uint64_t deadline, struct session **ret,
                  struct ask_result *result, struct error *err)
{
  const struct guest_console *con = choose (g, console, result);
  struct error why = ERROR_INIT;
  uint64_t now = clock_ms ();
  enum ask_end end;
  int rc;

  *ret = NULL;
  if (!con)
    return 0;
  rc = session_open (env->hub, g->inc.uuid, con->name, rank, who,
                     deadline > now ? now + (deadline - now) / 2 : now, ret,
                     &why);
  if (rc >= 0)
    {
      session_guard (*ret, env->may_type, env->may_type_arg);
      return 0;
    }
  *ret = NULL;
  if (open_end (rc, &end))
    {
      say (result, end,
           end == ASK_READ_ONLY
               ? "this console is a log that can't be typed into; use a "
                 "console of mode hold or probe"
               : error_text (&why));
      return 0;
    }
  if (err)
    *err = why;
  return rc;
}

static int
converse (struct session *session, const struct ask *ask, uint64_t deadline,
          struct ask_result *ret, uint64_t *ret_answer_ms, struct error *err)
{
  struct command_result said = { .status = -1 };
  int rc = session_command (session, ask->command, deadline, &said, err);

  if (rc < 0)
    return rc;
  ret->begun = true;
  say (ret, said.end, said.detail);
  ret->status = said.status;
  ret->shell = said.end == ASK_OK;
  *ret_answer_ms = said.took_ms;
  ret->output = said.output;
  ret->kernel = said.kernel;
  return 0;
}

int
console_ask (const struct transport_env *env, const struct guest *g,
             const struct ask *ask, struct job *job, struct ask_result *ret,
             struct error *err)
{
  struct ask_result result = { .status = -1 };
  uint64_t begun = clock_ms (), deadline = ask_deadline (ask, job);
  uint64_t answer_ms = 0;
  struct session *session;
  int rc = console_ask_open (env, g, ask->console, LEASE_SCENARIO, ask->who,
                             deadline, &session, &result, err);

  if (rc >= 0 && session)
    {
      rc = converse (session, ask, deadline, &result, &answer_ms, err);
      session_close (session);
    }
  if (rc < 0)
    return rc;
  result.took_ms = clock_ms () - begun;
  if (result.end == ASK_OK && result.took_ms > answer_ms)
    result.own_ms = result.took_ms - answer_ms;
  *ret = result;
  return 0;
}
