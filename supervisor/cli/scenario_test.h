/* SPDX-License-Identifier: Apache-2.0
 *
 * One word of hangdog scenario.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_SCENARIO_TEST_H
#define HANGDOG_SUPERVISOR_CLI_SCENARIO_TEST_H

struct cli;

/* test FILE --replay LOG [--from STATE] */
int scenario_test (struct cli *cli);

#endif
