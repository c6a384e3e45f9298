/* SPDX-License-Identifier: Apache-2.0
 *
 * The folders of this host that the keeper makes, locks, and puts the control
 * socket into.
 */
#ifndef HANGDOG_SUPERVISOR_PLACES_H
#define HANGDOG_SUPERVISOR_PLACES_H

#include <stdbool.h>
#include <sys/types.h>

struct error;

/* One that is there already is as somebody wanted it.  own: it becomes that
 * user's and group's. */
int place_folder (const char *path, mode_t mode, uid_t uid, gid_t gid,
                  bool own, struct error *err);
/* One keeper in each of them, as long as the descriptor is open; EBUSY: another
 * is.  A state folder whose file system knows no locks is nobody's. */
int place_lock_run (const char *run_path, int *ret_lock, struct error *err);
int place_lock_state (const char *state_path, int *ret_lock,
                      struct error *err);

/* The control socket, listening; for who has the lock of run_path.  group, if
 * not "", may connect, too. */
int place_control (const char *run_path, const char *group, int *ret_fd,
                   struct error *err);
/* That user may, too. */
int place_control_give (const char *run_path, uid_t uid, struct error *err);
/* So that a client is told at once that nobody is there. */
void place_control_remove (const char *run_path);

#endif
