/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog wait: for scripts that would write a loop.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/status.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN_MS 200
#define DEFAULT_MS (5 * 60 * 1000)
#define WORD 32

static bool
known_health (const char *s)
{
  for (unsigned i = 0; health_words[i]; i++)
    if (strcmp (health_words[i], s) == 0)
      return true;
  return false;
}

/* What is waited for: one of these. */
enum wanted
{
  WANT_HEALTH,      /* of that word */
  WANT_READY,       /* it can be used */
  WANT_VERDICT,     /* an incident of that class */
  WANT_NO_INCIDENT, /* for a while */
};

struct waiting
{
  const char *guest;
  enum wanted wanted;
  const char *word; /* the health, or the class; NULL = any class */
  bool json;
  uint64_t quiet_ms, deadline;
  uint64_t begun_ms;
  char **known; /* incidents that were there when it began */
  size_t nknown;
};

/* What one look has shown. */
struct seen
{
  struct waiting *w;
  bool first;
  char health[WORD], stage[WORD];
  char incident[64], class_[WORD]; /* the latest that counts, "" = none */
  char parent[64]; /* the host's that it belongs to, "" = none */
  bool trouble, told; /* with hangdog itself; and that is said */
};

/* ---- one look ---- */

static bool
is_known (const struct waiting *w, const char *id)
{
  for (size_t i = 0; i < w->nknown; i++)
    if (strcmp (w->known[i], id) == 0)
      return true;
  return false;
}

static void
learn (struct waiting *w, const char *id)
{
  char **list = reallocarray (w->known, w->nknown + 1, sizeof (*list));

  if (!list)
    return;
  w->known = list;
  list[w->nknown] = strdup (id);
  if (list[w->nknown])
    w->nknown++;
}

/* One that stands counts, and one that has begun meanwhile: it may be over by
 * now, but it was there. */
static void
on_incident (struct json_object *row, struct seen *seen)
{
  const char *id = row_str (row, "id");
  const char *class_ = row_str (json_get (row, "verdict"), "class");
  bool stands = strcmp (row_str (row, "end"), "not-ended") == 0;

  if (!stands && seen->first)
    {
      learn (seen->w, id);
      return;
    }
  if (!stands && is_known (seen->w, id))
    return;
  if (seen->w->wanted == WANT_VERDICT && seen->w->word
      && strcmp (class_, seen->w->word) != 0)
    return;
  /* Its verdict comes with its diagnosis. */
  if (seen->w->wanted == WANT_VERDICT && !*class_)
    return;
  /* The host's, to which one of the guest's own belongs, is no trouble of the
   * guest's; that one says of it. */
  if (row_str (row, "key")[0])
    return;
  snprintf (seen->incident, sizeof (seen->incident), "%s", id);
  snprintf (seen->class_, WORD, "%s", class_);
  snprintf (seen->parent, sizeof (seen->parent), "%s",
            row_str (row, "parent"));
}

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct seen *seen = arg;
  const char *kind = row_str (row, "row");

  if (strcmp (kind, "guest") == 0)
    snprintf (seen->health, WORD, "%s", row_str (row, "health"));
  else if (strcmp (kind, "text") == 0)
    snprintf (seen->stage, WORD, "%s", row_str (row, "stage"));
  else if (strcmp (kind, "incident") == 0)
    on_incident (row, seen);
  if (strcmp (kind, "daemon") != 0)
    return 0;
  seen->trouble = daemon_trouble (row) != NULL;
  if (seen->trouble && !seen->told)
    print_paragraph (stderr, "hangdog: ", daemon_trouble (row));
  seen->told |= seen->trouble;
  return 0;
}

/* Its scenarios say so; where it has none, its console shows that it is up. */
static bool
is_ready (const struct seen *seen)
{
  return strcmp (seen->health, health_words[WORD_WELL]) == 0
         || (strcmp (seen->health, health_words[WORD_WATCHED]) == 0
             && (strcmp (seen->stage, "login") == 0
                 || strcmp (seen->stage, "shell") == 0));
}

/* ---- all of them ---- */

static bool
is_met (const struct seen *seen, uint64_t now)
{
  const struct waiting *w = seen->w;

  switch (w->wanted)
    {
    case WANT_HEALTH:
      return strcmp (seen->health, w->word) == 0;
    case WANT_READY:
      return is_ready (seen);
    case WANT_VERDICT:
      return seen->incident[0];
    case WANT_NO_INCIDENT:
      return !seen->incident[0] && strcmp (seen->health, "absent") != 0
             && now - w->begun_ms >= w->quiet_ms;
    }
  return false;
}

static void
print_end_row (const struct seen *seen, bool met)
{
  CLEANUP_JSON struct json_object *o = json_object_new_object ();

  json_add_str (o, "row", "wait");
  json_add_text (o, "guest", seen->w->guest, strlen (seen->w->guest));
  json_add_bool (o, "met", met);
  json_add_str (o, "health", seen->health);
  if (seen->incident[0])
    {
      json_add_str (o, "incident", seen->incident);
      json_add_str (o, "verdict", seen->class_);
      if (seen->parent[0])
        json_add_str (o, "host_incident", seen->parent);
    }
  json_add_int (o, "took_ms", (int64_t) (clock_ms () - seen->w->begun_ms));
  print_json (o);
}

static void
print_end (const struct seen *seen, bool met)
{
  if (seen->w->json)
    {
      print_end_row (seen, met);
      return;
    }
  printf ("health=%s guest=%s", seen->health, seen->w->guest);
  if (seen->incident[0])
    printf (" incident=%s verdict=%s%s%s", seen->incident,
            seen->class_[0] ? seen->class_ : "none-yet",
            seen->parent[0] ? " host-incident=" : "", seen->parent);
  puts (met || (seen->w->wanted == WANT_NO_INCIDENT && seen->incident[0])
            ? ""
            : " timeout");
}

/* EXIT_WELL, EXIT_NO_VERDICT when the time is over (EXIT_DEGRADED where that
 * is hangdog's own fault), EXIT_TROUBLE for an incident where there was to be
 * none, or < 0. */
static int
wait_for (struct client *c, struct waiting *w, struct error *err)
{
  struct seen seen = { .w = w, .first = true };

  for (;;)
    {
      bool met, late;
      int r;

      snprintf (seen.health, WORD, "absent");
      seen.incident[0] = seen.stage[0] = '\0';
      r = client_call (c, client_request ("status", w->guest), on_row, &seen,
                       err);

      /* A guest that is not there yet may come. */
      if (r < 0 && r != -ENOENT)
        return r;
      seen.first = false;
      met = is_met (&seen, clock_ms ());
      late = clock_ms () >= w->deadline;
      if (met || late
          || (w->wanted == WANT_NO_INCIDENT && seen.incident[0]))
        {
          print_end (&seen, met);
          return met                ? EXIT_WELL
                 : seen.incident[0] ? EXIT_TROUBLE
                 : seen.trouble     ? EXIT_DEGRADED
                                    : EXIT_NO_VERDICT;
        }
      cli_nap (ASK_AGAIN_MS);
    }
}

/* ---- its words ---- */

#define CLASSES_MAX 64

struct classes
{
  char names[CLASSES_MAX][WORD];
  const char *list[CLASSES_MAX + 1];
  unsigned n;
};

static int
class_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct classes *c = arg;

  if (strcmp (row_str (row, "table"), "class") == 0 && c->n < CLASSES_MAX)
    {
      snprintf (c->names[c->n], WORD, "%s", row_str (row, "name"));
      c->list[c->n] = c->names[c->n];
      c->n++;
    }
  return 0;
}

/* A class that no verdict ever has would be waited for till the end. */
static int
check_class (struct client *c, const struct waiting *w, struct error *err)
{
  struct classes all = { .n = 0 };
  char near[80];
  int r;

  if (w->wanted != WANT_VERDICT || !w->word)
    return 0;
  r = client_call (c, client_request ("tables", NULL), class_row, &all, err);
  for (unsigned i = 0; r == 0 && i < all.n; i++)
    if (strcmp (all.list[i], w->word) == 0)
      return 0;
  return r < 0 ? r
               : error_set (err, EINVAL,
                            "no verdict has the class \"%.60s\"%s; `hangdog "
                            "tables` lists them",
                            w->word,
                            text_did_you_mean (near, sizeof (near), w->word,
                                               all.list));
}

static int
health_wanted (const char *word, struct waiting *w)
{
  char near[80], why[160];
  struct error err = ERROR_INIT;
  uint64_t ms;

  w->word = word ? word : "well";
  if (known_health (w->word))
    return 0;
  if (units_parse_duration (w->word, &ms, &err) == 0)
    return cli_usage (&verb_wait,
                      "a time goes with --no-incident: how long to wait is "
                      "--timeout");
  snprintf (why, sizeof (why), "no health \"%.60s\"%s", w->word,
            text_did_you_mean (near, sizeof (near), w->word, health_words));
  return cli_usage (&verb_wait, why);
}

static int
read_words (struct cli *cli, struct waiting *w)
{
  const char *timeout = cli_option (cli, "--timeout");
  const char *word = cli_option (cli, "--for");
  const char *class_ = cli_option (cli, "--verdict");
  bool ready = cli_flag (cli, "--ready"), none = cli_flag (cli,
                                                           "--no-incident");
  struct error err = ERROR_INIT;
  uint64_t ms = DEFAULT_MS;
  int r;

  w->json = cli->json;
  w->guest = cli_option (cli, "--guest");
  r = w->guest ? cli_rest (cli, &verb_wait, 0)
               : cli_guest (cli, &verb_wait, &w->guest);
  if (r)
    return r;
  if ((class_ != NULL) + ready + none > 1 || (word && (class_ || ready)))
    return cli_usage (&verb_wait, "--for HEALTH, --ready, --verdict or "
                                  "--no-incident?");
  w->wanted = class_  ? WANT_VERDICT
              : ready ? WANT_READY
              : none  ? WANT_NO_INCIDENT
                      : WANT_HEALTH;
  if (class_ && strcmp (class_, "any") != 0)
    w->word = class_;
  if (w->wanted == WANT_HEALTH && (r = health_wanted (word, w)))
    return r;
  if (none && word && units_parse_duration (word, &w->quiet_ms, &err) < 0)
    return cli_fail (&err);
  if (timeout && units_parse_duration (timeout, &ms, &err) < 0)
    return cli_fail (&err);
  w->begun_ms = clock_ms ();
  /* Without a word of it, it is given what it needs. */
  if (!timeout && ms < 2 * w->quiet_ms)
    ms = 2 * w->quiet_ms;
  w->deadline = w->begun_ms + ms;
  return 0;
}

static int
run (struct cli *cli)
{
  struct waiting w = { 0 };
  struct client *c = NULL;
  struct error err = ERROR_INIT;
  int r = read_words (cli, &w);

  if (r)
    return r;
  r = client_open (cli, true, &c, &err);
  if (r == 0)
    r = check_class (c, &w, &err);
  if (r == 0)
    r = wait_for (c, &w, &err);
  client_close (c);
  for (size_t i = 0; i < w.nknown; i++)
    free (w.known[i]);
  free (w.known);
  return r < 0 ? cli_fail (&err) : r;
}

const struct verb verb_wait = {
  .name = "wait",
  .args = "GUEST|--guest GUEST [--for HEALTH | --ready | --verdict CLASS |\n"
          "             --no-incident [--for 60s]] [--timeout 5m]",
  .summary = "wait until a guest is as you say",
  .help = "  --for HEALTH      well (when nothing is said), hung, suspect, "
          "impaired (it\n                    lives, and a check found "
          "something), console-lost or way-lost\n                    (well, "
          "but not by the preferred way), held-off, watched,\n"
          "                    unknown, or absent (no such guest)\n"
          "  --ready           well, or, where no scenario is bound, at a "
          "login prompt or shell\n"
          "  --verdict CLASS   an incident of that class stands, or began "
          "meanwhile (`hangdog\n                    tables` lists the "
          "classes; any: whatever it is)\n"
          "  --no-incident     no incident stands, for as long as --for "
          "says\n"
          "  --guest GUEST     the same as GUEST\n"
          "With --json one row: met, health, took_ms, and incident and verdict "
          "where there\nis one, and host_incident where it is one of several "
          "guests that failed together.\n"
          "Exit codes: 0 it is, 3 there was an incident where there was to be "
          "none, 6 it is not\nby then, 4 the same where hangdog itself is not "
          "well.\n"
          "\nExamples:\n"
          "  hangdog wait web-1 --for hung --timeout 2m\n"
          "  hangdog wait web-1 --ready && run-tests\n"
          "  hangdog wait web-1 --verdict kernel-panic --timeout 3m\n"
          "  hangdog wait web-1 --no-incident --for 60s\n",
  .run = run,
};
