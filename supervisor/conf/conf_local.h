/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of this host, for who asks no daemon.
 */
#ifndef HANGDOG_SUPERVISOR_CONF_LOCAL_H
#define HANGDOG_SUPERVISOR_CONF_LOCAL_H

#include "supervisor/conf/settings.h"

/* What the configuration says, NULL: the default file, which need not be there.
 * 1 with err when it cannot be read: ret is what it would be without. */
int local_config (const char *path, const struct config **ret,
                  struct error *err);

#endif
