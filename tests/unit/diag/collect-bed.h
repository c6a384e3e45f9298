/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest, and a collector that is run on it, for test-collect and
 * test-collect-host.  What is played besides is the tests' own.
 */
#ifndef HANGDOG_TEST_COLLECT_BED_H
#define HANGDOG_TEST_COLLECT_BED_H

#include "play.h"

#include "base/opener.h"

static struct opener *the_opener;

static inline struct haul *
collected (const struct collector *c, const struct guest *g,
           const char *params, int want_rc)
{
  struct transport_env env = { the_opener, NULL, NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;
  int rc;

  rc = collect (c, g, &env, params, h, &err);
  if (rc != want_rc)
    fail_msg ("%s: %d: %s", c->name, rc, err.msg);
  return h;
}

static inline struct guest
guest (void)
{
  static struct guest_console consoles[2];
  static struct guest_nic nics[3];
  struct guest g = { .name = "vm", .display = "vm", .monitor = MONITOR_UNIX,
                     .consoles = consoles, .nics = nics };

  memset (consoles, 0, sizeof consoles);
  memset (nics, 0, sizeof nics);
  snprintf (g.inc.uuid, sizeof g.inc.uuid, "u");
  return g;
}

#endif
