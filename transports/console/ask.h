/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking over a console, in the words of transports/ask.h.
 */
#ifndef HANGDOG_TRANSPORTS_CONSOLE_ASK_H
#define HANGDOG_TRANSPORTS_CONSOLE_ASK_H

#include "transports/ask.h"
#include "transports/console/session.h"
#include "transports/transport.h"

/* A guarded session on the guest's console of that name (NULL = the first that
 * can be typed into), taken in half of the time at most.  0 with *ret NULL and
 * result's end and detail filled when there is none to be had. */
int console_ask_open (const struct transport_env *env, const struct guest *g,
                      const char *console, enum lease_rank rank,
                      const char *who, uint64_t deadline,
                      struct session **ret, struct ask_result *result,
                      struct error *err);

/* The member `command` of transport_console. */
int console_ask (const struct transport_env *env, const struct guest *g,
                 const struct ask *ask, struct job *job,
                 struct ask_result *ret, struct error *err);

#endif
