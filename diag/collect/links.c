/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's end of the guest's network: have its taps and their bridges a
 * carrier, and how often did that change?  Looks into /sys only.
 */
#include "diag/collect/collect.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 200

/* What is seen of all of them. */
struct links
{
  struct collect_ctx *ctx;
  const char *sys;
  struct json_object *doc;
  bool any, up;
};

static int64_t
number_of (const struct links *l, const char *ifname, const char *what)
{
  struct buf text CLEANUP_BUF = BUF_INIT (64);
  char path[PATH_SIZE];

  snprintf (path, sizeof path, "%.100s/class/net/%s/%s", l->sys, ifname, what);
  return collect_slurp (path, &text, NULL) < 0 || !text.len
             ? -1
             : strtoll (buf_str (&text), NULL, 10);
}

bool
collect_is_link (const char *name)
{
  return name[0] && name[0] != '.' && strlen (name) < 32
         && !strchr (name, '/');
}

static void
look_at (struct links *l, const char *ifname)
{
  char name[FACT_NAME_MAX];
  struct json_object *o;
  int64_t carrier, n;

  if (!collect_is_link (ifname) || json_get (l->doc, ifname)
      || (n = number_of (l, ifname, "carrier_changes")) < 0)
    return;
  /* Of one that is taken down there is none to read. */
  carrier = number_of (l, ifname, "carrier");
  o = json_object_new_object ();
  json_add_int (o, "carrier", carrier);
  json_add_int (o, "carrier_changes", n);
  /* 3 is forwarding; only ports of a bridge have one. */
  json_add_int (o, "port_state", number_of (l, ifname, "brport/state"));
  json_object_object_add (l->doc, ifname, o);
  collect_name (name, sizeof name, "net.", ifname, ".carrier");
  collect_bool (l->ctx, name, "host", carrier == 1);
  collect_name (name, sizeof name, "net.", ifname, ".link_changes");
  collect_int (l->ctx, name, "host", n);
  l->any = true;
  l->up = l->up && carrier == 1;
}

/* What it is a port of, whoever has told of the guest. */
static void
look_at_master (struct links *l, const char *ifname)
{
  char path[PATH_SIZE], to[PATH_SIZE];
  const char *slash;
  ssize_t n;

  if (!collect_is_link (ifname))
    return;
  snprintf (path, sizeof path, "%.100s/class/net/%s/master", l->sys, ifname);
  n = readlink (path, to, sizeof to - 1);
  if (n <= 0)
    return;
  to[n] = '\0';
  slash = strrchr (to, '/');
  look_at (l, slash ? slash + 1 : to);
}

void
collect_links (struct collect_ctx *ctx, const char *sys,
               struct json_object *doc)
{
  const struct guest *g = ctx->guest;
  struct links l = { .ctx = ctx, .sys = sys, .doc = doc, .up = true };

  for (unsigned i = 0; i < g->nnics; i++)
    {
      look_at (&l, g->nics[i].ifname);
      look_at (&l, g->nics[i].bridge);
      look_at_master (&l, g->nics[i].ifname);
    }
  if (l.any)
    collect_bool (ctx, "net.carrier", "host", l.up);
}
