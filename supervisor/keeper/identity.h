/* SPDX-License-Identifier: Apache-2.0
 *
 * Who the keeper's children run as: the configuration's user, else a user
 * hangdog, else the daemon as nobody and the writer as root without
 * capabilities.  A keeper that is not root drops nothing.
 */
#ifndef HANGDOG_SUPERVISOR_IDENTITY_H
#define HANGDOG_SUPERVISOR_IDENTITY_H

struct child_spec;
struct config;
struct error;

/* Fills uid, gid, groups and drop of both. */
int children_identity (const struct config *cfg, struct child_spec *daemon,
                       struct child_spec *writer, struct error *err);
/* Are there all users and groups that the configuration names?  Says what the
 * first of them lacks. */
int identity_check (const struct config *cfg, struct error *err);

#endif
