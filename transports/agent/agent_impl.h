/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share.
 */
#ifndef HANGDOG_TRANSPORTS_AGENT_IMPL_H
#define HANGDOG_TRANSPORTS_AGENT_IMPL_H

#include "guests/guest.h"
#include "transports/agent/agent.h"
#include "transports/agent/wire.h"

/* ---- what is remembered ---- */

struct agent_known
{
  uint64_t first_ms; /* when this life of the guest was first asked about */
  bool answered;     /* in this life */
  bool ever;         /* in any that is remembered */
  int windows;       /* of this life: -1 = not known */
};
/* Of nobody that is known: as of a life that is first asked about now. */
void agents_look (struct agents *agents, const struct incarnation *inc,
                  uint64_t now_ms, struct agent_known *ret);
void agents_answered (struct agents *agents, const struct incarnation *inc);
void agents_system (struct agents *agents, const struct incarnation *inc,
                    bool windows);

/* ---- a talk: the commands of one question ---- */

struct agent_talk
{
  const struct transport_env *env;
  const struct guest *g;
  uint64_t begun_ms, deadline;
  struct agent_known known;
  int fd; /* of a socket; -1 = not connected */
  struct agent_wire wire;
  bool begun; /* the agent may have seen something of it */
  bool never; /* of ASK_SILENT: nobody has ever answered there */
  enum ask_end end; /* why it failed; ASK_MAX = our own failure */
};
void agent_begin (struct agent_talk *t, const struct transport_env *env,
                  const struct guest *g, uint64_t deadline);
void agent_end (struct agent_talk *t);
/* One command and its value, whose reference is the caller's; args is taken
 * over, may be NULL.  < 0 with t->end. */
int agent_call (struct agent_talk *t, const char *command,
                struct json_object *args, struct json_object **ret,
                struct error *err);
/* Whoever else wants the channel may have it until the next command. */
void agent_rest (struct agent_talk *t);
/* For who calls: what a failure of a talk is; 0, or r where it is our own. */
int agent_finish (struct agent_talk *t, int r, struct ask_result *ret,
                  struct error *err);

/* How a failure is told by those who carry: sets t->end, returns r. */
int agent_fail (struct agent_talk *t, enum ask_end end, int code,
                struct error *err, const char *fmt, ...)
    __attribute__ ((format (printf, 5, 6)));

/* agent_ask() until a deadline. */
int agent_shell (const struct transport_env *env, const struct guest *g,
                 const char *command, uint64_t deadline,
                 struct ask_result *ret, struct error *err);

/* ---- who carries: text is one line, ended; the reply is the caller's ---- */

int agent_unix_call (struct agent_talk *t, const char *text, size_t len,
                     struct json_doc **ret_doc, struct error *err);
int agent_libvirt_call (struct agent_talk *t, const char *text,
                        struct json_doc **ret_doc, struct error *err);

#endif
