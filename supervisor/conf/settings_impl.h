/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the configuration share.
 */
#ifndef HANGDOG_SUPERVISOR_SETTINGS_IMPL_H
#define HANGDOG_SUPERVISOR_SETTINGS_IMPL_H

#include "supervisor/conf/settings.h"

extern const struct json_field config_sink[], config_named_sink[];
extern const struct sink_config config_sink_defaults;
int config_check_sinks (const struct json_doc *doc, const struct config *cfg,
                        struct error *err);

/* What it gives leave for: settings_roots.c. */
extern const struct json_field config_notify_fields[];
int config_check_leave (const struct json_doc *doc, const struct config *cfg,
                        struct error *err);

#endif
