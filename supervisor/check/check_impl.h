/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of hangdog-check.
 */
#ifndef HANGDOG_SUPERVISOR_CHECK_IMPL_H
#define HANGDOG_SUPERVISOR_CHECK_IMPL_H

#include "scenarios/scenario.h"
#include "supervisor/conf/finding.h"
#include "supervisor/conf/playbooks.h"

/* A line or a row of what a scenario of that file costs. */
void check_cost (const struct findings *f, const char *path,
                 const struct scenario *s);

/* hangdog-check --playbook ... */
int playbook_main (int argc, char **argv);
/* Those that a daemon with that configuration would have, NULL = the default
 * one; *ret NULL: not all of them could be read, which is noted. */
void check_playbooks (struct findings *f, const char *config,
                      struct playbook_set **ret);

#endif
