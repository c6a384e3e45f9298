/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's network devices, as somebody in it lists them: the rows that its
 * memory gives of them (docs/inspect-json.md).
 *
 * "= eth0 0x1003 up 1 0 0": flags, state, whether it hangs on a bus, whether
 * others are stacked on it, or it on others.  "+ eth0 10.0.2.15/24": addresses,
 * behind all of these.  Of no address at all it is not known how many there
 * are: not even the loopback's was told.  "~ eth0 00000000": routes, with where
 * to, in the kernel's order, behind their title; that of zeros is for all else.
 */
#include "diag/collect/inside.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "diag/outside/outside.h"

#include <stdio.h>
#include <string.h>

#define MAX_LINKS 64
#define MAX_ADDRESSES 256
#define MAX_ROUTES 256
#define IFF_UP 1u

struct links
{
  struct json_object *rows[MAX_LINKS];
  char names[MAX_LINKS][16];
  unsigned n, addresses;
};

static void
add_list (struct json_object *row)
{
  json_object_object_add (row, "addresses", json_object_new_array ());
}

static void
add_link (struct links *l, const char *line)
{
  char name[16], state[20];
  unsigned flags, hardware, under, over;
  struct json_object *row;

  if (l->n == MAX_LINKS
      || sscanf (line, "= %15s %x %19s %u %u %u", name, &flags, state,
                 &hardware, &under, &over)
             != 6
      || !(row = json_object_new_object ()))
    return;
  json_add_str (row, "row", "net");
  json_add_str (row, "name", name);
  json_add_bool (row, "up", (flags & IFF_UP) != 0);
  json_add_bool (row, "carrier",
                 strcmp (state, "down") != 0
                     && strcmp (state, "lowerlayerdown") != 0);
  json_add_bool (row, "hardware", hardware != 0);
  if (under)
    json_add_bool (row, "under", true);
  if (over)
    json_add_bool (row, "over", true);
  /* Who lists them may have put one behind its addresses. */
  if (l->addresses > 0)
    add_list (row);
  snprintf (l->names[l->n], sizeof l->names[0], "%s", name);
  l->rows[l->n++] = row;
}

static void
add_address (struct links *l, const char *line)
{
  char name[16], address[64];

  if (l->addresses == MAX_ADDRESSES
      || sscanf (line, "+ %15s %63s", name, address) != 2)
    return;
  for (unsigned i = 0; l->addresses == 0 && i < l->n; i++)
    add_list (l->rows[i]);
  l->addresses++;
  for (unsigned i = 0; i < l->n; i++)
    if (strcmp (l->names[i], name) == 0)
      {
        json_object_array_add (json_get (l->rows[i], "addresses"),
                               json_object_new_string (address));
        return;
      }
}

/* Their title is one, too: of none at all it says that they are known. */
static void
add_route (struct outside *o, unsigned *n, const char *line)
{
  char name[16], to[16];
  struct json_object *row;

  if ((*n)++ >= MAX_ROUTES || sscanf (line, "~ %15s %15s", name, to) != 2
      || !(row = json_object_new_object ()))
    return;
  json_add_str (row, "row", "route");
  json_add_str (row, "name", name);
  json_add_bool (row, "default", strcmp (to, "00000000") == 0);
  outside_add (o, row);
  json_object_put (row);
}

void
inside_links (const char *text, struct outside *o)
{
  struct links l = { .n = 0 };
  unsigned routes = 0;
  char line[160];

  while (*text)
    {
      size_t n = strcspn (text, "\n");

      snprintf (line, sizeof line, "%.*s", (int) (n < 159 ? n : 159), text);
      if (line[0] == '=')
        add_link (&l, line);
      else if (line[0] == '+')
        add_address (&l, line);
      else if (line[0] == '~')
        add_route (o, &routes, line);
      text += n + (text[n] == '\n');
    }
  for (unsigned i = 0; i < l.n; i++)
    {
      outside_add (o, l.rows[i]);
      json_object_put (l.rows[i]);
    }
}
