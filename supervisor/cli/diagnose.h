/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog diagnose, in pieces.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_DIAGNOSE_H
#define HANGDOG_SUPERVISOR_CLI_DIAGNOSE_H

#include "supervisor/cli/cli.h"

#include <limits.h>

/* The exit code of a verdict's class. */
int diagnose_code (const char *verdict);
/* What would be done; playbook NULL: the default one (diagnose_plan.c). */
int diagnose_plan (const struct cli *cli, const char *guest,
                   const char *playbook);
/* Each guest; dir NULL: the bundles stay where they are (diagnose_all.c). */
int diagnose_all (const struct cli *cli, const char *playbook,
                  const char *dir);

/* Makes that folder, if it is not there; and copies a bundle into it, under
 * its guest's name, whole or not at all: bundle is then where that is.  The
 * row, of the incident, says why there is none where bundle is "". */
int diagnose_folder (const char *dir, struct error *err);
int diagnose_fetch (const char *dir, const char *guest, char bundle[PATH_MAX],
                    struct json_object *row, struct error *err);

#endif
