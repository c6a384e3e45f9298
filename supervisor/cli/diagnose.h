/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog diagnose, in pieces.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_DIAGNOSE_H
#define HANGDOG_SUPERVISOR_CLI_DIAGNOSE_H

#include "supervisor/cli/cli.h"

/* The exit code of a verdict's class. */
int diagnose_code (const char *verdict);
/* What would be done; playbook NULL: the default one (diagnose_plan.c). */
int diagnose_plan (const struct cli *cli, const char *guest,
                   const char *playbook);

#endif
