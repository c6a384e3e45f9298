/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of hangdog-check.
 */
#ifndef HANGDOG_SUPERVISOR_CHECK_IMPL_H
#define HANGDOG_SUPERVISOR_CHECK_IMPL_H

#include "scenarios/scenario.h"
#include "supervisor/conf/finding.h"

/* A line or a row of what a scenario of that file costs. */
void check_cost (const struct findings *f, const char *path,
                 const struct scenario *s);

#endif
