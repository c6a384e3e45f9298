/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a scenario where its playbook counts, too: a scenario's room does
 * not know of any.
 */
#ifndef HANGDOG_SUPERVISOR_SCENARIO_READ_H
#define HANGDOG_SUPERVISOR_SCENARIO_READ_H

#include "base/json.h"
#include "diag/playbook.h"
#include "scenarios/scenario.h"

struct error;

/* scenario_parse(), and its playbook has to be one of these. */
int scenario_read (const struct json_doc *doc, struct json_object *obj,
                   const char *path, const struct playbook_set *playbooks,
                   struct scenario **ret, struct error *err);
/* The half of it for the i-th of a document that was read by
 * scenario_list(). */
int scenario_playbook (const struct json_doc *doc, size_t i,
                       const struct scenario *s,
                       const struct playbook_set *playbooks,
                       struct error *err);

#endif
