/* SPDX-License-Identifier: Apache-2.0
 *
 * The larger words of `hangdog config`.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_CONFIG_SHOW_H
#define HANGDOG_SUPERVISOR_CLI_CONFIG_SHOW_H

#include "supervisor/cli/cli.h"

/* file NULL: the one of this host, if it has one. */
int config_show (struct cli *cli, const char *file, bool origins);

#endif
