/* SPDX-License-Identifier: Apache-2.0
 *
 * One command over ssh.
 *
 * libssh is not in this process: a helper, hangdog-ssh, is started for each
 * command, and killed when its time is over.  So the daemon carries no
 * libssh, whatever a server does to libssh happens in a process that has no
 * console and no other guest, and "it does not come back" has an answer that
 * needs no help of the library's.  A check every half minute costs one exec.
 *
 * Secrets and host keys are in one folder; who asks names files in it and no
 * paths, since who asks may be a controller: it must not be able to send any
 * file of the daemon's as a password to an address of its choice.
 *
 *     known_hosts   the operator's, in OpenSSH's format; nothing writes to it
 *     accepted      keys that were taken on first sight, where that is asked
 *     NAME          private keys and passwords, mode 0600
 */
#ifndef HANGDOG_TRANSPORTS_SSH_H
#define HANGDOG_TRANSPORTS_SSH_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct ask;
struct ask_result;
struct error;
struct guest;
struct job;
struct net_place;
struct transport_env;

#define SSH_CMD_KNOWN_HOSTS "known_hosts"
#define SSH_CMD_ACCEPTED "accepted"
/* Of what the command may say; a server that says more is not listened to. */
#define SSH_CMD_OUTPUT_MAX (64u << 10)

struct ssh_cmd
{
  const struct net_place *at; /* net/socket.h; NULL = plain, the host's */
  const char *address;  /* numeric, with a port: as of tcp_connect() */
  const char *user;
  const char *command;
  const char *dir;      /* the folder */
  const char *key;      /* a name in it, or NULL */
  const char *password; /* a name in it, or NULL; not with accept_new */
  bool accept_new;      /* a server that was never seen may be who it says */
};

enum ssh_end
{
  SSH_END_OK,            /* the command ended, with a status */
  SSH_END_KILLED,        /* it ended by a signal */
  SSH_END_NO_ROUTE,      /* this host has no way there */
  SSH_END_UNREACHABLE,
  SSH_END_REFUSED,
  SSH_END_TIMEOUT,       /* nobody answered the connection */
  SSH_END_SILENT,        /* connected, and then not a word */
  SSH_END_PROTOCOL,      /* not ssh, or none that both understand */
  SSH_END_HOST_UNKNOWN,  /* nobody has said which key it must have */
  SSH_END_HOST_CHANGED,  /* it has another key than it must have */
  SSH_END_AUTH,          /* it does not let us in */
  SSH_END_LOGIN_TIMEOUT, /* spoke, but did not let us as far as a command */
  SSH_END_NO_ANSWER,     /* the command did not end in time */
  SSH_END_DISCONNECTED,  /* it hung up */
  SSH_END_FLOOD,         /* the command said more than SSH_CMD_OUTPUT_MAX */
  SSH_END_UNUSABLE,      /* our side: a key file, the known hosts */
  SSH_END_STUCK,         /* our side: the helper had to be killed */
  SSH_END_NO_NETNS,      /* our side: the network namespace can't be had */
  SSH_END_MAX,
};

struct ssh_result
{
  enum ssh_end end;
  int status;        /* of SSH_END_OK */
  char detail[256];  /* for people; not escaped */
  struct buf output; /* both streams as they came */
};

void ssh_result_done (struct ssh_result *r);

/* Blocking, for jobs; back at the deadline.  libexec: the folder of our
 * programmes.  < 0 only for failures of our own, -ENOEXEC: there is no such
 * helper.  ssh_result_done() it after success. */
int ssh_run (const char *libexec, const struct ssh_cmd *cmd,
             uint64_t deadline, struct ssh_result *ret, struct error *err);

/* The member `command` of transport_ssh: with an address, and a user and a key
 * or a password. */
int ssh_ask (const struct transport_env *env, const struct guest *g,
             const struct ask *ask, struct job *job, struct ask_result *ret,
             struct error *err);

/* A name of a file in the folder that may be a secret. */
bool ssh_secret_name (const char *name);

#endif
