/* SPDX-License-Identifier: Apache-2.0
 *
 * What a scenario asks for: by its own words, its address, and its command.
 */
#include "diag/outside/apps.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS 48
#define TOKEN 96
#define ID_MIN 12 /* digits of a container's id that nobody has by chance */

static void
add_port (struct apps_asked *a, unsigned long port)
{
  if (port == 0 || port > UINT16_MAX || a->nports == APPS_PORTS)
    return;
  for (unsigned i = 0; i < a->nports; i++)
    if (a->ports[i] == port)
      return;
  a->ports[a->nports++] = (uint16_t) port;
}

static void
add_unit (struct apps_asked *a, const char *name)
{
  if (a->nunits < APPS_WORDS && name[0])
    snprintf (a->units[a->nunits++], sizeof a->units[0], "%.63s", name);
}

static void
add_container (struct apps_asked *a, const char *name)
{
  if (a->ncontainers < APPS_WORDS && name[0])
    snprintf (a->containers[a->ncontainers++], sizeof a->containers[0],
              "%.71s", name);
}

static void
add_name (struct apps_asked *a, const char *name)
{
  if (a->nnames < APPS_WORDS && name[0])
    snprintf (a->names[a->nnames++], sizeof a->names[0], "%.23s", name);
}

/* ---- words of a command ---- */

struct tokens
{
  char list[MAX_TOKENS][TOKEN];
  unsigned n;
};

/* Quotes and what a shell has between commands stand between words. */
static void
split (const char *command, struct tokens *t)
{
  static const char between[] = " \t\"'`;|&()<>$";
  const char *p = command;

  t->n = 0;
  while (*(p += strspn (p, between)) && t->n < MAX_TOKENS)
    {
      size_t n = strcspn (p, between);

      snprintf (t->list[t->n++], TOKEN, "%.*s",
                (int) (n < TOKEN ? n : TOKEN - 1), p);
      p += n;
    }
}

static const char *
base_of (const char *word)
{
  const char *slash = strrchr (word, '/');

  return slash ? slash + 1 : word;
}

static bool
is_one_of (const char *word, const char *const *list)
{
  for (; *list; list++)
    if (strcmp (word, *list) == 0)
      return true;
  return false;
}

/* "http://127.0.0.1:8080/x", "localhost:8080", "[::1]:80": of an address of
 * the guest itself. */
static void
try_address (const char *word, struct apps_asked *a)
{
  static const struct
  {
    const char *scheme;
    unsigned port;
  } schemes[] = { { "http://", 80 },       { "https://", 443 },
                  { "redis://", 6379 },    { "postgres://", 5432 },
                  { "postgresql://", 5432 }, { "mysql://", 3306 },
                  { "amqp://", 5672 },     { "mqtt://", 1883 } };
  static const char *const own[]
      = { "localhost", "127.", "[::1]", "0.0.0.0", NULL };
  unsigned port = 0;
  const char *p = word, *colon;
  bool is_own = false;

  for (size_t i = 0; i < ARRAY_LEN (schemes); i++)
    if (strncmp (word, schemes[i].scheme, strlen (schemes[i].scheme)) == 0)
      {
        port = schemes[i].port;
        p = word + strlen (schemes[i].scheme);
      }
  if (strchr (p, '@') && strcspn (p, "@") < strcspn (p, "/"))
    p = strchr (p, '@') + 1;
  for (size_t i = 0; own[i]; i++)
    is_own = is_own || strncmp (p, own[i], strlen (own[i])) == 0;
  if (!is_own)
    return;
  colon = strchr (*p == '[' ? p + strcspn (p, "]") : p, ':');
  if (colon && isdigit ((unsigned char) colon[1]))
    port = (unsigned) strtoul (colon + 1, NULL, 10);
  add_port (a, port);
  a->known = a->known || port > 0;
}

/* Who is asked for whom: `systemctl is-active shop`. */
static void
try_verb (const struct tokens *t, unsigned at, struct apps_asked *a)
{
  static const char *const units[] = { "systemctl", "service", "rc-service",
                                       NULL };
  static const char *const acts[]
      = { "is-active", "is-failed", "status", "show", "list-units", NULL };
  static const char *const pids[] = { "pidof", "pgrep", "killall", NULL };
  static const char *const boxes[]
      = { "docker", "podman", "nerdctl", "crictl", "ctr", NULL };
  static const char *const inside[]
      = { "exec", "inspect", "logs", "top", "port", NULL };
  const char *word = base_of (t->list[at]);
  bool of_unit = is_one_of (word, units), of_name = is_one_of (word, pids);
  bool of_box = is_one_of (word, boxes);

  for (unsigned i = at + 1; (of_unit || of_name || of_box) && i < t->n; i++)
    {
      const char *next = t->list[i];

      if (next[0] == '-' || is_one_of (next, of_box ? inside : acts))
        continue;
      if (of_unit)
        add_unit (a, next);
      else if (of_name)
        add_name (a, next);
      else
        add_container (a, next);
      return;
    }
}

/* Clients that have a port of their own when they are told none. */
static unsigned
port_of_client (const char *word)
{
  static const struct
  {
    const char *name;
    unsigned port;
  } clients[] = { { "pg_isready", 5432 }, { "psql", 5432 },
                  { "redis-cli", 6379 },  { "mysqladmin", 3306 },
                  { "mysql", 3306 },      { "mongosh", 27017 },
                  { "mosquitto_pub", 1883 } };

  for (size_t i = 0; i < ARRAY_LEN (clients); i++)
    if (strcmp (word, clients[i].name) == 0)
      return clients[i].port;
  return 0;
}

static bool
is_number (const char *word)
{
  size_t n = strspn (word, "0123456789");

  return n >= 2 && n <= 5 && word[n] == '\0';
}

static bool
is_id (const char *word)
{
  return strlen (word) >= ID_MIN
         && strspn (word, "0123456789abcdef") == strlen (word);
}

void
apps_asked_words (const char *command, struct apps_asked *a)
{
  CLEANUP_FREE struct tokens *t = calloc (1, sizeof *t);
  unsigned numbers = 0;

  if (!t)
    return;
  split (command, t);
  for (unsigned i = 0; i < t->n; i++)
    {
      const char *word = t->list[i], *end = strrchr (word, '.');

      try_verb (t, i, a);
      try_address (word, a);
      if (end && strcmp (end, ".service") == 0)
        add_unit (a, word);
      else if (is_id (word))
        add_container (a, word);
      if (is_number (word) && i > 0)
        {
          add_port (a, strtoul (word, NULL, 10));
          numbers++;
        }
    }
  for (unsigned i = 0; i < t->n && a->nports == 0 && numbers == 0; i++)
    add_port (a, port_of_client (base_of (t->list[i])));
}

/* ---- hints ---- */

static bool
is_of (struct json_object *hint, const char *scenario)
{
  const char *name = json_get_str (hint, "scenario");

  return name && scenario && strcmp (name, scenario) == 0;
}

static struct json_object *
hint_of (struct json_object *hints, const char *sort, const char *scenario,
         size_t *i)
{
  struct json_object *list = json_get (hints, sort), *hint;

  if (!json_object_is_type (list, json_type_array))
    return NULL;
  while (*i < json_object_array_length (list))
    {
      hint = json_object_array_get_idx (list, (*i)++);
      if (is_of (hint, scenario))
        return hint;
    }
  return NULL;
}

/* Through a forward of its host's the port may be another one: then it counts
 * only where something listens on it. */
static void
take_address (struct json_object *hint, struct apps_asked *a)
{
  const char *address = json_get_str (hint, "address");
  const char *colon = address ? strrchr (address, ':') : NULL;
  const char *expect = json_get_str (hint, "expect");

  /* A login is not what a command asks for. */
  if (!colon || (expect && strcmp (expect, "^SSH-") == 0))
    return;
  add_port (a, strtoul (colon + 1, NULL, 10));
  if (strncmp (address, "127.", 4) != 0 && strncmp (address, "[::1]", 5) != 0)
    a->known = true;
}

static void
take_behind (struct json_object *hint, struct apps_asked *a)
{
  const char *unit = json_get_str (hint, "unit");
  const char *container = json_get_str (hint, "container");
  const char *process = json_get_str (hint, "process");
  int64_t port = json_get_int (hint, "port", 0);

  if (unit)
    add_unit (a, unit);
  if (container)
    add_container (a, container);
  if (process)
    add_name (a, process);
  if (port > 0 && port <= UINT16_MAX)
    {
      add_port (a, (unsigned long) port);
      a->known = true;
    }
}

void
apps_asked_by (struct json_object *hints, const char *scenario,
               struct apps_asked *ret)
{
  struct json_object *hint;
  size_t i = 0;

  *ret = (struct apps_asked){ .nports = 0 };
  while ((hint = hint_of (hints, "behind", scenario, &i)))
    take_behind (hint, ret);
  if (ret->nunits || ret->ncontainers || ret->nnames || ret->nports)
    return;
  for (i = 0; (hint = hint_of (hints, "addresses", scenario, &i));)
    take_address (hint, ret);
  for (i = 0; (hint = hint_of (hints, "commands", scenario, &i));)
    if (json_get_str (hint, "command"))
      apps_asked_words (json_get_str (hint, "command"), ret);
}
