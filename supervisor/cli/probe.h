/* SPDX-License-Identifier: Apache-2.0
 *
 * Outcomes, as they are printed: of probe, and of scenario run.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_PROBE_H
#define HANGDOG_SUPERVISOR_CLI_PROBE_H

#include "supervisor/cli/cli.h"

struct probed
{
  bool json;
  unsigned ok, failed, none;
};
/* A client_row_fn of a struct probed. */
int probe_row (struct json_object *row, const void *body, size_t len,
               void *arg);
int probe_end (const struct probed *p); /* its exit code */

#endif
