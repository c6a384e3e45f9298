/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling a service manager how we are: one datagram to $NOTIFY_SOCKET, if
 * there is one.  By hand, because EVE has no libsystemd.
 */
#ifndef HANGDOG_SUPERVISOR_NOTIFY_H
#define HANGDOG_SUPERVISOR_NOTIFY_H

/* "READY=1", "STOPPING=1", "STATUS=...". */
void notify (const char *state);

#endif
