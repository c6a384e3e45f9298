/* SPDX-License-Identifier: Apache-2.0
 *
 * What scenarios know of a guest, for who looks at it when it is in trouble.
 */
#include "scenarios/scenario_impl.h"

#include "base/json.h"

#include <string.h>

/* A new one of that sort, NULL when there are enough. */
static struct json_object *
add (const struct scenario *s, struct json_object *all, const char *sort)
{
  struct json_object *list = json_get (all, sort);
  struct json_object *hint;

  if (!list)
    {
      list = json_object_new_array ();
      json_object_object_add (all, sort, list);
    }
  if (json_object_array_length (list) >= SCENARIO_HINTS)
    return NULL;
  hint = json_object_new_object ();
  json_add_str (hint, "scenario", s->name);
  json_object_array_add (list, hint);
  return hint;
}

static void
add_word (struct json_object *hint, const char *key, const char *word)
{
  if (word)
    json_add_text (hint, key, word, strlen (word));
}

void
scenario_hint_address (const struct scenario *s, const struct guest *g,
                       const struct scenario_place *at,
                       struct json_object *all)
{
  struct outcome_report unused = { .outcome = OUTCOME_NO_VERDICT };
  struct json_object *hint;
  const char *known;
  char own[80];

  known = scenario_address (at->address, g, own, sizeof own, &unused);
  hint = known ? add (s, all, "addresses") : NULL;
  if (!hint)
    return;
  add_word (hint, "address", known);
  add_word (hint, "netns", at->netns);
  add_word (hint, "send", at->send);
  add_word (hint, "expect", at->expect);
}

/* Whatever a server lets in, it shows itself to whoever connects. */
void
scenario_hint_ways (const struct scenario *s, const struct guest *g,
                    const struct scenario_ways *ways, struct json_object *all)
{
  const struct scenario_place at = { .address = ways->address,
                                     .netns = ways->netns,
                                     .expect = "^SSH-" };
  struct outcome_report unused = { .outcome = OUTCOME_NO_VERDICT };
  struct json_object *hint;
  char own[80];
  const char *known;

  if (ways->address)
    scenario_hint_address (s, g, &at, all);
  if (ways->address && ways->ssh.user
      && (known = scenario_address (ways->address, g, own, sizeof own, &unused))
      && (hint = add (s, all, "logins")) != NULL)
    {
      add_word (hint, "address", known);
      add_word (hint, "netns", ways->netns);
      add_word (hint, "user", ways->ssh.user);
      add_word (hint, "key", ways->ssh.key);
      add_word (hint, "password", ways->ssh.password);
      json_add_bool (hint, "accept-new",
                     ways->ssh.hosts == HOSTS_ACCEPT_NEW);
    }
  if (ways->console && (hint = add (s, all, "consoles")) != NULL)
    add_word (hint, "console", ways->console);
}

void
scenario_hint_command (const struct scenario *s, const char *command,
                       struct json_object *all)
{
  struct json_object *hint = command ? add (s, all, "commands") : NULL;

  if (hint)
    add_word (hint, "command", command);
}

static void
hint_behind (const struct scenario *s, struct json_object *all)
{
  const struct scenario_behind *b = &s->behind;
  struct json_object *hint;

  if (!b->unit && !b->container && !b->process && b->port == 0)
    return;
  hint = add (s, all, "behind");
  if (!hint)
    return;
  add_word (hint, "unit", b->unit);
  add_word (hint, "container", b->container);
  add_word (hint, "process", b->process);
  if (b->port)
    json_add_int (hint, "port", b->port);
}

void
scenario_hint_question (const struct scenario *s, const struct guest *g,
                        struct json_object *all)
{
  const struct scenario_question *own = s->own;

  scenario_hint_command (s, own->what.command, all);
  scenario_hint_ways (s, g, &own->ways, all);
}

void
scenario_hints (const struct scenario *s, const struct guest *g,
                struct json_object *all)
{
  hint_behind (s, all);
  if (s->kind->hints)
    s->kind->hints (s, g, all);
}
