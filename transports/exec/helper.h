/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of hangdog-exec.
 */
#ifndef HANGDOG_TRANSPORTS_EXEC_HELPER_H
#define HANGDOG_TRANSPORTS_EXEC_HELPER_H

#include <json-c/json.h>
#include <stddef.h>
#include <sys/types.h>

struct error;

/* The program's path, in the first of those folders that has one of that name;
 * nobody but root and the user that we run as can have put it there, or can
 * put another in its place. */
int exec_find (struct json_object *dirs, const char *name, char *ret,
               size_t n, struct error *err);

/* SIGKILL for all whose parent that is, found by looking at all processes. */
void exec_kill_children (pid_t parent);

#endif
