/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest agent: a process in the guest that answers questions in JSON over
 * a virtio port, at a socket of QEMU's or through libvirt.
 *
 * The socket serves one client at a time, and others need it: each question
 * below connects, asks and lets go, and while a program in the guest is waited
 * for it is let go of in between.  What the agent says is the guest's word:
 * AGENT_MAX_BYTES of it are read per question, whatever they are.
 *
 * All are called in a job, and are back at the deadline.  A program that was
 * started can't be ended by the agent: what does not end in time goes on there.
 */
#ifndef HANGDOG_TRANSPORTS_AGENT_AGENT_H
#define HANGDOG_TRANSPORTS_AGENT_AGENT_H

#include "transports/ask.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agents;
struct error;
struct guest;
struct job;
struct transport_env;

#define AGENT_MAX_BYTES (1u << 20)
/* Of a program or a file; what has more ends as ASK_FLOOD. */
#define AGENT_MAX_OUTPUT (64u << 10)
/* How long a guest's agent may take to come up: so long after the guest began,
 * one that has not answered yet is waited for. */
#define AGENT_GRACE_MS (3u * 60 * 1000)
#define AGENT_MAX_ARGS 64

/* ---- questions: 0 with *ret filled whatever the guest did, to be given to
 * ask_result_done(); < 0 only for our own failures ---- */

/* ASK_OK: it answered. */
int agent_ping (const struct transport_env *env, const struct guest *g,
                uint64_t deadline, struct ask_result *ret, struct error *err);

/* A program, not a shell; args ends with NULL and does not have the program
 * itself.  ASK_OK: it ended with ret->status, and said ret->output: its
 * standard output, then its standard error. */
int agent_exec (const struct transport_env *env, const struct guest *g,
                const char *program, const char *const *args,
                uint64_t deadline, struct ask_result *ret, struct error *err);

/* The beginning of a file in the guest; ret_now_s: what time it is there, NAN
 * where the agent does not say.  A FIFO without a writer hangs the agent. */
int agent_file (const struct transport_env *env, const struct guest *g,
                const char *path, uint64_t deadline, double *ret_now_s,
                struct ask_result *ret, struct error *err);

/* One shell command, whatever its shell is: for transport_agent.  An agent
 * that has never answered is ASK_ABSENT here, for nobody said that there must
 * be one. */
int agent_ask (const struct transport_env *env, const struct guest *g,
               const struct ask *ask, struct job *job, struct ask_result *ret,
               struct error *err);

/* ---- the guest's addresses ---- */

struct agent_address
{
  char ifname[32]; /* as the guest calls it */
  char mac[18];    /* lower case, "" where it has none */
  char ip[46];     /* IPv4 or IPv6, checked; no loopback, no link-local one */
  bool v6;
  unsigned prefix;
};
/* At most max of them.  0 with *ret_n (which may be 0), or why not: -ENOENT no
 * channel or no agent, -ETIMEDOUT no answer in time, -EBUSY held by another,
 * -EACCES blocked, -EPROTO what came is no such answer. */
int agent_addresses (const struct transport_env *env, const struct guest *g,
                     uint64_t deadline, struct agent_address *ret, size_t max,
                     size_t *ret_n, struct error *err);

/* ---- what is remembered of each guest's agent; any thread ---- */

/* Bounded; env->agents may be NULL: then nothing is remembered. */
int agents_new (struct agents **ret, struct error *err);
void agents_free (struct agents *agents);

#endif
