/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of collectors, the least touching first.  To add one: one file
 * here, one line below.
 */
#include "diag/collector.h"

#include <string.h>

const struct collector *const collectors[] = {
  &collect_host,
  &collect_image,
  &collect_console,
  &collect_memory,
  &collect_monitor,
  &collect_disk,
  &collect_screen,
  &collect_net,
  &collect_sysrq,
  &collect_inside,
  &collect_application,
  &collect_gdb,
  &collect_nmi,
  &collect_qmp,
  &collect_commands,
  &collect_xon,
  &collect_dialogue,
  &collect_exec,
  &collect_core,
  NULL,
};

const struct collector *
collector_find (const char *name)
{
  for (size_t i = 0; collectors[i]; i++)
    if (strcmp (collectors[i]->name, name) == 0)
      return collectors[i];
  return NULL;
}

void
collector_plan (const struct collector *c, const struct guest *g,
                const void *own, struct collect_plan *ret)
{
  *ret = (struct collect_plan){
    .touch = c->touch, .lane = c->lane, .ms = c->budget_ms, .bytes = c->bytes
  };
  if (c->plan)
    c->plan (g, own, ret);
}
