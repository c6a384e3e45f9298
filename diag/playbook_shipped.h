/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts of the playbooks that hangdog brings, NAME.json each, from the
 * least touching on.  Apart from their reader, because to know their names
 * takes no collector.
 */
#ifndef HANGDOG_DIAG_PLAYBOOK_SHIPPED_H
#define HANGDOG_DIAG_PLAYBOOK_SHIPPED_H

#include "base/embedded.h"

extern const struct embedded_file playbook_shipped[];

#endif
