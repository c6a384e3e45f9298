/* SPDX-License-Identifier: Apache-2.0
 *
 * Who undoes what a collector began and could not undo itself.  To add one:
 * its file beside the collector that intends the act, one line here.
 */
#include "diag/collect/collect.h"

#include <string.h>

const struct collect_undoer *const collect_undoers[] = {
  &sysrq_undo_level,
  &sysrq_undo_focus,
  &gdb_undo_pause,
  NULL,
};

const struct collect_undoer *
collect_undoer_find (const char *act)
{
  for (size_t i = 0; collect_undoers[i]; i++)
    if (strcmp (collect_undoers[i]->act, act) == 0)
      return collect_undoers[i];
  return NULL;
}
