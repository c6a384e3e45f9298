/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog wait: for scripts that would write a loop.
 */
#include "supervisor/cli/cli.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "base/units.h"

#include <string.h>

#define ASK_AGAIN_MS 200
#define DEFAULT_MS (5 * 60 * 1000)
#define WORD 32

const char *const health_words[]
    = { "well",    "hung",    "suspect", "console-lost", "way-lost", "held-off",
        "watched", "unknown", "absent",  NULL };

static bool
known_health (const char *s)
{
  for (unsigned i = 0; health_words[i]; i++)
    if (strcmp (health_words[i], s) == 0)
      return true;
  return false;
}

struct seen
{
  char health[WORD];
  bool trouble, told; /* with hangdog itself; and that is said */
};

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct seen *seen = arg;

  if (strcmp (row_str (row, "row"), "guest") == 0)
    snprintf (seen->health, WORD, "%s", row_str (row, "health"));
  if (strcmp (row_str (row, "row"), "daemon") != 0)
    return 0;
  seen->trouble = daemon_trouble (row) != NULL;
  if (seen->trouble && !seen->told)
    print_paragraph (stderr, "hangdog: ", daemon_trouble (row));
  seen->told |= seen->trouble;
  return 0;
}

/* EXIT_WELL, EXIT_NO_VERDICT when the time is over (EXIT_DEGRADED where that
 * is hangdog's own fault), or < 0. */
static int
wait_for (struct client *c, const char *guest, const char *want,
          uint64_t deadline, struct error *err)
{
  struct seen seen = { .told = false };

  for (;;)
    {
      bool met, late;
      int r;

      snprintf (seen.health, WORD, "absent");
      r = client_call (c, client_request ("status", guest), on_row, &seen,
                       err);

      /* A guest that is not there yet may come. */
      if (r < 0 && r != -ENOENT)
        return r;
      met = strcmp (seen.health, want) == 0;
      late = clock_ms () >= deadline;
      if (met || late)
        {
          printf ("health=%s guest=%s%s\n", seen.health, guest,
                  met ? "" : " timeout");
          return met            ? EXIT_WELL
                 : seen.trouble ? EXIT_DEGRADED
                                : EXIT_NO_VERDICT;
        }
      cli_nap (ASK_AGAIN_MS);
    }
}

static int
run (struct cli *cli)
{
  const char *timeout = cli_option (cli, "--timeout");
  const char *want = cli_option (cli, "--for");
  uint64_t ms = DEFAULT_MS;
  struct client *c = NULL;
  struct error err = ERROR_INIT;
  const char *guest;
  char near[80], why[160];
  int r = cli_guest (cli, &verb_wait, &guest);

  if (r)
    return r;
  if (!want)
    want = "well";
  if (!known_health (want))
    {
      snprintf (why, sizeof (why), "no health \"%.60s\"%s", want,
                text_did_you_mean (near, sizeof (near), want, health_words));
      return cli_usage (&verb_wait, why);
    }
  if (timeout && units_parse_duration (timeout, &ms, &err) < 0)
    return cli_fail (&err);
  r = client_open (cli, true, &c, &err);
  if (r == 0)
    r = wait_for (c, guest, want, clock_ms () + ms, &err);
  client_close (c);
  return r < 0 ? cli_fail (&err) : r;
}

const struct verb verb_wait = {
  .name = "wait",
  .args = "GUEST [--for HEALTH] [--timeout 5m]",
  .summary = "wait until a guest is as you say",
  .help = "HEALTH is well (when not given), hung, suspect, console-lost or "
          "way-lost (well, but\nnot by the preferred way), held-off, watched, "
          "unknown, or absent (no such guest).\n"
          "Exit codes: 0 it is, 6 it is not by then, 4 the same where "
          "hangdog itself is not well.\n"
          "\nExample:\n  hangdog wait web-1 --for hung --timeout 2m\n",
  .run = run,
};
