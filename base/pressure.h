/* SPDX-License-Identifier: Apache-2.0
 *
 * What Linux tells of the pressure on a resource (PSI), in /proc/pressure and
 * in control groups.
 */
#ifndef HANGDOG_PRESSURE_H
#define HANGDOG_PRESSURE_H

#include <stdbool.h>

/* Of the line that begins with kind ("some", "full"): in the last 10 s, in
 * percent.  False: there is no such line. */
bool pressure_avg10 (const char *text, const char *kind, double *ret);

#endif
