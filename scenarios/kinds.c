/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of scenario kinds.  To add one: one file in kinds/, which has its
 * keys, what it does with them and how it is asked; and one line here.
 */
#include "scenarios/scenario_impl.h"

#include <stdlib.h>
#include <string.h>

const struct scenario_kind *const scenario_kinds[] = {
  &kind_acpi_heartbeat,
  &kind_agent_exec,
  &kind_agent_file,
  &kind_agent_ping,
  &kind_all,
  &kind_any,
  &kind_arp,
  &kind_boot_stage,
  &kind_console_command,
  &kind_console_flood,
  &kind_console_heartbeat,
  &kind_console_pattern,
  &kind_console_silence,
  &kind_dialogue,
  &kind_disk_mailbox,
  &kind_dns,
  &kind_exec,
  &kind_http,
  &kind_icmp,
  &kind_memory_heartbeat,
  &kind_memory_tasks,
  &kind_monitor,
  &kind_sequence,
  &kind_ssh_command,
  &kind_tcp,
  NULL,
};

const struct scenario_kind *
scenario_kind_find (const char *name)
{
  for (size_t i = 0; scenario_kinds[i]; i++)
    if (strcmp (scenario_kinds[i]->name, name) == 0)
      return scenario_kinds[i];
  return NULL;
}

const char **
scenario_kind_names (void)
{
  const char **names;
  size_t n = 0;

  while (scenario_kinds[n])
    n++;
  names = calloc (n + 1, sizeof *names);
  for (size_t i = 0; names && i < n; i++)
    names[i] = scenario_kinds[i]->name;
  return names;
}
