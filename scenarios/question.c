/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds that are one command: what they have, and how it is asked, by
 * whatever way.  They differ in the way that is taken where the document
 * names none.
 */
#include "scenarios/scenario_impl.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the document ---- */

const struct json_field scenario_question_keys[] = {
  { .kind = JSON_GROUP, .sub = scenario_command_keys,
    .offset = offsetof (struct scenario_question, what) },
  { .kind = JSON_GROUP, .sub = scenario_ways_keys,
    .offset = offsetof (struct scenario_question, ways) },
  { .name = NULL },
};

/* Together, of all its ways. */
static int
look_at_ways (const struct scenario *s, const struct scenario_at *at,
              unsigned *ret_needs, bool *ret_console, bool *ret_disk)
{
  char *const *names = s->transports.items;
  size_t n = s->transports.count;
  char key[40] = "kind";

  *ret_needs = 0;
  *ret_console = *ret_disk = false;
  for (size_t i = 0; i < (n ? n : 1); i++)
    {
      const struct transport_ops *t
          = transport_find (n ? names[i] : s->kind->transports[0]);

      if (n)
        snprintf (key, sizeof key, "transports[%zu]", i);
      if (!t || !t->command)
        return scenario_bad (at, key,
                             "this hangdog is built without ssh (configure "
                             "--without-ssh)");
      *ret_needs |= t->needs;
      if (t->lane == LANE_CONSOLE)
        *ret_console = true;
      if (t->lane == LANE_DISK)
        *ret_disk = true;
    }
  return 0;
}

/* What no way uses is a mistake, not a decoration; what one needs is not to be
 * missed at night. */
static int
check_part (const struct scenario_at *at, const char *key, bool given,
            bool used, bool needed)
{
  if (given && !used)
    return scenario_bad (at, key, "none of its transports has a use for it");
  if (!given && needed)
    return scenario_bad (at, "", "the key \"%s\" is missing: ssh needs it",
                         key);
  return 0;
}

int
scenario_check_question (const struct scenario *s,
                         const struct scenario_at *at, const char *why_line)
{
  const struct scenario_question *own = s->own;
  const struct scenario_ways *w = &own->ways;
  bool console, disk, loopback, address, login;
  unsigned needs;
  int rc = look_at_ways (s, at, &needs, &console, &disk);

  if (rc < 0)
    return rc;
  address = (needs & ASK_NEEDS_ADDRESS) != 0;
  login = (needs & ASK_NEEDS_LOGIN) != 0;
  if ((rc = check_part (at, "console", w->console, console, false)) < 0
      || (rc = check_part (at, "mailbox", w->mailbox, disk, false)) < 0
      || (rc = check_part (at, "address", w->address, address, address)) < 0
      || (rc = check_part (at, "netns", w->netns, address, false)) < 0
      || (rc = scenario_check_netns (at, w->netns)) < 0
      || (rc = check_part (at, "ssh", w->ssh.user, login, login)) < 0
      || (rc = scenario_check_command (at, &own->what, why_line)) < 0)
    return rc;
  if (address && (rc = scenario_check_address (at, w->address, &loopback)) < 0)
    return rc;
  return login ? scenario_check_ssh (at, &w->ssh) : 0;
}

/* What a command answers is not known: a line or two of it, and the shell's
 * prompt. */
#define ANSWER_BYTES 160

void
scenario_cost_question (const struct scenario *s,
                        const struct transport_ops *way,
                        struct scenario_cost *ret)
{
  const struct scenario_question *own = s->own;

  scenario_cost_way (s, way, ret);
  if (way->lane == LANE_CONSOLE)
    {
      ret->typed = (double) session_command_typed (own->what.command);
      /* Each key comes back as its echo. */
      ret->console = ret->typed + ANSWER_BYTES;
    }
  else if (way->lane == LANE_DISK)
    ret->disk += scenario_cost_mailbox (own->what.command);
  else if (way->needs & ASK_NEEDS_ADDRESS)
    ret->network = way->network_bytes + (double) strlen (own->what.command)
                   + ANSWER_BYTES;
}

/* ---- the asking ---- */

static void
judge (const struct scenario *s, const struct guest *g,
       const struct transport_ops *way, const struct ask_result *said,
       struct outcome_report *ret)
{
  const struct scenario_question *own = s->own;

  if (said->end == ASK_OK)
    {
      judge_command (&own->what.expect, said->status, buf_str (&said->output),
                     said->output.len, ret);
      ret->shell = said->shell;
      return;
    }
  judge_end_by (way, said->end, said->detail, ret);
  if (!said->begun && ret->way == WAY_UNUSABLE)
    (void) judge_process (g, ret);
}

int
scenario_ask_question (const struct scenario *s, const struct guest *g,
                       const struct transport_ops *way,
                       const struct transport_env *env, struct job *job,
                       struct outcome_report *ret, struct error *err)
{
  const struct scenario_question *own = s->own;
  const struct scenario_ways *ways = &own->ways;
  struct outcome_report report = { .value = NAN };
  struct ask_result said = { .status = -1 };
  char who[96], address[80];
  struct ask ask = { .command = own->what.command,
                     .who = who,
                     .console = ways->console,
                     .mailbox = ways->mailbox,
                     .netns = ways->netns,
                     .user = ways->ssh.user,
                     .key = ways->ssh.key,
                     .password = ways->ssh.password,
                     .accept_new = ways->ssh.hosts == HOSTS_ACCEPT_NEW };
  int rc;

  if (!way || !way->command)
    return error_set (err, EINVAL, "%s can't carry a command",
                      way ? way->name : "nothing");
  snprintf (who, sizeof who, "scenario %s", s->name);
  if (way->needs & ASK_NEEDS_ADDRESS)
    {
      ask.address = scenario_address (ways->address, g, address,
                                      sizeof address, &report);
      if (!ask.address)
        {
          *ret = report;
          return 0;
        }
    }
  rc = way->command (env, g, &ask, job, &said, err);
  if (rc >= 0)
    judge (s, g, way, &said, &report);
  else if (!judge_process (g, &report))
    return rc;
  report.took_ms = said.took_ms;
  report.own_ms = said.own_ms;
  ask_result_done (&said);
  *ret = report;
  return 0;
}
