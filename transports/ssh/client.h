/* SPDX-License-Identifier: Apache-2.0
 *
 * The side of hangdog-ssh that knows libssh.
 */
#ifndef HANGDOG_TRANSPORTS_SSH_CLIENT_H
#define HANGDOG_TRANSPORTS_SSH_CLIENT_H

#include "transports/ssh/ssh.h"

/* Over fd, which is connected, and is closed in every case.  Sets ret in every
 * case; ret->output is the caller's, empty and bounded. */
void ssh_client (const struct ssh_cmd *cmd, int fd, uint64_t deadline,
                 struct ssh_result *ret);

#endif
