/* SPDX-License-Identifier: Apache-2.0
 *
 * Playbooks: which collectors run in a diagnosis, in which order.
 */
#ifndef HANGDOG_DIAG_PLAYBOOKS_H
#define HANGDOG_DIAG_PLAYBOOKS_H

#include <json-c/json.h>
#include <stdint.h>

struct error;

struct diagnosis_step
{
  const char *collector;
  uint64_t budget_ms;         /* 0 = the collector's own */
  struct json_object *params; /* or NULL; borrowed until the end */
};

/* The steps of a shipped playbook; NULL when there is none of that name. */
const struct diagnosis_step *playbook_steps (const char *name,
                                             unsigned *ret_n);
extern const char *const playbook_names[]; /* ends with NULL */
extern const char *const playbook_summaries[];
/* -EINVAL when there is none of that name (NULL is fine); err names the
 * nearest. */
int playbook_check (const char *name, struct error *err);

#endif
