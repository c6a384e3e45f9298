/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading scenario documents through the opener, in a job: the daemon itself
 * has no right to open files, and a folder may be on a disk that hangs.
 */
#ifndef HANGDOG_SUPERVISOR_LOAD_H
#define HANGDOG_SUPERVISOR_LOAD_H

#include "scenarios/scenario.h"
#include "supervisor/conf/settings.h"

struct error;
struct opener;
struct playbook_set;

/* All or nothing: one bad document and none is taken; with playbooks NULL what
 * they name as such is not looked at.  Whether those that look at others find
 * them is not asked here (layers.h).  *ret is malloc'ed,
 * with a reference of each.  A folder that is not there is an error, too. */
int load_scenarios (struct opener *opener, const struct config *cfg,
                    const struct playbook_set *playbooks, uint64_t deadline,
                    struct scenario ***ret, size_t *ret_n,
                    struct error *err);

/* For guests that none of them is for; NULL: there is to be none. */
struct scenario *load_builtin (const struct config *cfg);

#endif
