/* SPDX-License-Identifier: Apache-2.0
 *
 * The playbooks that hangdog brings.  Apart from the running of them, because
 * hangdog-check wants to know their names.
 */
#include "diag/playbooks.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>

/* Volatile and harmless evidence first, what types into the guest last. */
static const struct diagnosis_step no_touch[] = {
  { .collector = "host" },
  { .collector = "console" },
};
static const struct diagnosis_step quick[] = {
  { .collector = "host" },
  { .collector = "console" },
  { .collector = "monitor" },
  { .collector = "disk" },
};
static const struct diagnosis_step standard[] = {
  { .collector = "host" },
  { .collector = "console" },
  { .collector = "monitor" },
  { .collector = "disk" },
  { .collector = "net" },
  { .collector = "sysrq" },
};

static const struct
{
  const char *name;
  const struct diagnosis_step *steps;
  unsigned n;
} playbooks[] = {
  { "no-touch", no_touch, ARRAY_LEN (no_touch) },
  { "quick", quick, ARRAY_LEN (quick) },
  { "standard", standard, ARRAY_LEN (standard) },
};

const char *const playbook_names[] = { "no-touch", "quick", "standard", NULL };
const char *const playbook_summaries[]
    = { "asks the host alone: pressure, the QEMU process, text already read",
        "and the monitor: run state, vCPUs, disks",
        "and the network, and the kernel by SysRq over the console", NULL };

const struct diagnosis_step *
playbook_steps (const char *name, unsigned *ret_n)
{
  for (unsigned i = 0; i < ARRAY_LEN (playbooks); i++)
    if (strcmp (playbooks[i].name, name) == 0)
      {
        *ret_n = playbooks[i].n;
        return playbooks[i].steps;
      }
  return NULL;
}

int
playbook_check (const char *name, struct error *err)
{
  char near[80];
  unsigned n;

  if (!name || playbook_steps (name, &n))
    return 0;
  return error_set (err, EINVAL, "no playbook \"%.60s\"%s", name,
                    text_did_you_mean (near, sizeof (near), name,
                                       playbook_names));
}
