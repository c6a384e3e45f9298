/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of `hangdog scenario` that are about what the daemon has.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_SCENARIO_H
#define HANGDOG_SUPERVISOR_CLI_SCENARIO_H

#include "supervisor/cli/cli.h"

int scenario_list_bound (struct cli *cli);
int scenario_show (struct cli *cli);
int scenario_run (struct cli *cli);
int scenario_bind (struct cli *cli);
int scenario_unbind (struct cli *cli);
int scenario_pause (struct cli *cli);
int scenario_resume (struct cli *cli);

#endif
