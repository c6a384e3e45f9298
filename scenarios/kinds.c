/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of scenario kinds.  To add one: one file in kinds/, one line
 * here.
 */
#include "scenarios/scenario.h"

#include <string.h>

const struct scenario_kind *const scenario_kinds[] = {
  &kind_console_command,
  &kind_dialogue,
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
