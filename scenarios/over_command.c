/* SPDX-License-Identifier: Apache-2.0
 *
 * What every kind that asks one command does, over whatever way it is asked.
 */
#include "scenarios/scenario_impl.h"

#include "base/error.h"
#include "transports/ask.h"
#include "transports/ssh/ssh.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the document ---- */

static int
check_login (const struct scenario *s, const struct json_doc *doc,
             const char *path, struct error *err)
{
  char at[200];

  scenario_path (at, sizeof at, path, "ssh");
  if (!s->ssh.user)
    return json_error_at (doc, path, err,
                          "%s scenario %sneeds \"ssh\" with a user, and a "
                          "key or a password",
                          s->kind == &kind_ssh_command ? "an ssh-command"
                                                       : "a",
                          s->kind == &kind_ssh_command ? ""
                                                       : "that may use ssh ");
  /* It would be taken for an option or a host by whoever prints it. */
  for (const char *p = s->ssh.user; *p; p++)
    if ((unsigned char) *p <= 0x20 || (unsigned char) *p >= 0x7f)
      return json_error_at (doc, at, err, "ssh.user has a byte that no user's "
                            "name has");
  if (!s->ssh.key && !s->ssh.password)
    return json_error_at (doc, at, err, "needs a \"key\" or a \"password\"");
  if ((s->ssh.key && !ssh_secret_name (s->ssh.key))
      || (s->ssh.password && !ssh_secret_name (s->ssh.password)))
    return json_error_at (doc, at, err,
                          "keys and passwords are named by a file in the "
                          "folder ssh beside the configuration, without a "
                          "path");
  if (s->ssh.password && s->ssh.hosts == HOSTS_ACCEPT_NEW)
    return json_error_at (doc, at, err,
                          "a password is not shown to a server that nobody "
                          "knows: use a key, or \"host-keys\": \"strict\"");
  return 0;
}

/* What its ways have a use for, and what they can't do without. */
static int
ways_use (const struct scenario *s, const struct json_doc *doc,
          const char *path, unsigned *ret_uses, unsigned *ret_needs,
          struct error *err)
{
  char *const *names = s->transports.items;
  size_t n = s->transports.count;
  char at[200], key[40] = "kind";

  *ret_uses = USES_COMMAND | USES_STATUS | USES_OUTPUT;
  *ret_needs = 0;
  for (size_t i = 0; i < (n ? n : 1); i++)
    {
      const struct transport_ops *t
          = transport_find (n ? names[i] : s->kind->transports[0]);

      if (n)
        snprintf (key, sizeof key, "transports[%zu]", i);
      scenario_path (at, sizeof at, path, key);
      if (!t || !t->command)
        return json_error_at (doc, at, err,
                              "this hangdog is built without ssh (configure "
                              "--without-ssh)");
      *ret_needs |= t->needs;
      if (t->lane == LANE_CONSOLE)
        *ret_uses |= USES_CONSOLE;
    }
  if (*ret_needs & ASK_NEEDS_ADDRESS)
    *ret_uses |= USES_ADDRESS;
  if (*ret_needs & ASK_NEEDS_LOGIN)
    *ret_uses |= USES_SSH;
  return 0;
}

int
scenario_check_asked (const struct scenario *s, const struct json_doc *doc,
                      const char *path, const char *why_line,
                      struct error *err)
{
  unsigned uses, needs;
  bool loopback;
  int rc = ways_use (s, doc, path, &uses, &needs, err);

  if (rc >= 0)
    rc = scenario_check_uses (s, doc, path, uses, err);
  if (rc >= 0)
    rc = scenario_check_command (s, doc, path, why_line, err);
  if (rc >= 0 && needs & ASK_NEEDS_ADDRESS)
    rc = scenario_check_address (s, doc, path, &loopback, err);
  if (rc >= 0 && needs & ASK_NEEDS_LOGIN)
    rc = check_login (s, doc, path, err);
  return rc;
}

/* ---- the asking ---- */

static void
judge (const struct scenario *s, const struct guest *g,
       const struct ask_result *said, struct outcome_report *ret)
{
  if (said->end == ASK_OK)
    {
      judge_command (&s->expect, said->status, buf_str (&said->output),
                     said->output.len, ret);
      ret->way = WAY_ANSWERS;
      ret->shell = said->shell;
      return;
    }
  judge_end (said->end, said->detail, ret);
  if (!said->begun && ret->way == WAY_UNUSABLE)
    (void) judge_process (g, ret);
}

int
scenario_over_command (const struct scenario *s, const struct guest *g,
                       const struct transport_ops *way,
                       const struct transport_env *env, struct job *job,
                       struct outcome_report *ret, struct error *err)
{
  struct outcome_report report = { .value = NAN };
  struct ask_result said = { .status = -1 };
  char who[96], address[80];
  struct ask ask = { .command = s->command,
                     .who = who,
                     .console = s->console,
                     .user = s->ssh.user,
                     .key = s->ssh.key,
                     .password = s->ssh.password,
                     .accept_new = s->ssh.hosts == HOSTS_ACCEPT_NEW };
  int rc;

  if (!way || !way->command)
    return error_set (err, EINVAL, "%s can't carry a command",
                      way ? way->name : "nothing");
  snprintf (who, sizeof who, "scenario %s", s->name);
  if (way->needs & ASK_NEEDS_ADDRESS)
    {
      ask.address = scenario_address (s, g, address, sizeof address, &report);
      if (!ask.address)
        {
          *ret = report;
          return 0;
        }
    }
  rc = way->command (env, g, &ask, job, &said, err);
  if (rc >= 0)
    judge (s, g, &said, &report);
  else if (!judge_process (g, &report))
    return rc;
  report.took_ms = said.took_ms;
  ask_result_done (&said);
  *ret = report;
  return 0;
}
