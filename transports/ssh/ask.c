/* SPDX-License-Identifier: Apache-2.0
 *
 * One command over ssh, in the words of transports/ask.h.
 */
#include "config.h"

#include "transports/ask.h"
#include "transports/net/socket.h"
#include "transports/ssh/ssh.h"
#include "transports/transport.h"

#include "base/clock.h"
#include "base/job.h"

#include <stdio.h>

static const enum ask_end ends[SSH_END_MAX] = {
  [SSH_END_OK] = ASK_OK,
  [SSH_END_KILLED] = ASK_KILLED,
  [SSH_END_NO_ROUTE] = ASK_NO_ROUTE,
  [SSH_END_UNREACHABLE] = ASK_UNREACHABLE,
  [SSH_END_REFUSED] = ASK_REFUSED,
  [SSH_END_TIMEOUT] = ASK_TIMEOUT,
  [SSH_END_SILENT] = ASK_SILENT,
  [SSH_END_PROTOCOL] = ASK_PROTOCOL,
  [SSH_END_HOST_UNKNOWN] = ASK_HOST_UNKNOWN,
  [SSH_END_HOST_CHANGED] = ASK_HOST_CHANGED,
  [SSH_END_AUTH] = ASK_AUTH,
  [SSH_END_LOGIN_TIMEOUT] = ASK_LOGIN_TIMEOUT,
  [SSH_END_NO_ANSWER] = ASK_NO_ANSWER,
  [SSH_END_DISCONNECTED] = ASK_DISCONNECTED,
  [SSH_END_FLOOD] = ASK_FLOOD,
  [SSH_END_UNUSABLE] = ASK_UNUSABLE,
  [SSH_END_STUCK] = ASK_STUCK,
  [SSH_END_NO_NETNS] = ASK_NO_NETNS,
};

int
ssh_ask (const struct transport_env *env, const struct guest *g,
         const struct ask *ask, struct job *job, struct ask_result *ret,
         struct error *err)
{
  const struct net_place place = net_place (env->opener, ask->netns, g);
  const struct ssh_cmd cmd = { .at = ask->netns ? &place : NULL,
                               .address = ask->address,
                               .user = ask->user,
                               .command = ask->command,
                               .dir = env->ssh_dir,
                               .key = ask->key,
                               .password = ask->password,
                               .accept_new = ask->accept_new };
  uint64_t begun = clock_ms ();
  struct ssh_result said;
  int rc;

  rc = ssh_run (env->libexec, &cmd, ask_deadline (ask, job), &said, err);
  if (rc < 0)
    return rc;
  *ret = (struct ask_result){ .end = ends[said.end],
                              .status = said.status,
                              .begun = true,
                              .took_ms = clock_ms () - begun,
                              .output = said.output };
  snprintf (ret->detail, sizeof ret->detail, "%s", said.detail);
  return 0;
}
