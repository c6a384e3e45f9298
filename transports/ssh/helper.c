/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-ssh: one question on descriptor 3, and with it a connection to a
 * server; one answer.
 * Started by transports/ssh/ssh.c; what it may do is what a client needs, and
 * it ends with whoever started it, and at the latest by its alarm.
 */
#include "transports/ssh/client.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 2000
#define MAX_MS (24u * 60 * 60 * 1000)

static int
answer (struct ssh_result *r)
{
  struct json_object *head = json_object_new_object ();
  int rc;

  json_add_int (head, "re", 1);
  json_add_int (head, "end", r->end);
  json_add_int (head, "status", r->status);
  json_add_text (head, "detail", r->detail, strlen (r->detail));
  rc = frame_write (HELPER_CHANNEL, head, r->output.data, r->output.len, NULL,
                    0, clock_ms () + ASK_MS, NULL);
  json_object_put (head);
  return rc < 0 ? 1 : 0;
}

static const char *
in_folder (char path[4200], const struct ssh_cmd *cmd, const char *name)
{
  snprintf (path, 4200, "%s/%s", cmd->dir, name ? name : "");
  return name ? path : NULL;
}

/* One guest's server must not get at what is for another's. */
static void
enclose (const struct ssh_cmd *cmd)
{
  char key[4200], password[4200], known[4200], accepted[4200];

  helper_enclose (&(struct helper_jail){
      .read = { in_folder (key, cmd, cmd->key),
                in_folder (password, cmd, cmd->password),
                in_folder (known, cmd, SSH_CMD_KNOWN_HOSTS),
                in_folder (accepted, cmd, SSH_CMD_ACCEPTED) },
      .write = cmd->accept_new ? cmd->dir : NULL });
}

int
main (void)
{
  struct ssh_result result = { .end = SSH_END_UNUSABLE, .status = -1,
                               .output = BUF_INIT (SSH_CMD_OUTPUT_MAX) };
  struct frame f = { 0 };
  struct ssh_cmd cmd;
  int64_t ms;
  int rc;

  /* It holds a key and speaks to a stranger. */
  helper_confine (&(struct helper_limits){
      .memory_bytes = 256u << 20, .files = 32, .file_bytes = 1u << 20 });
  alarm (ASK_MS / 1000 + 1);
  if (frame_read (HELPER_CHANNEL, &f, clock_ms () + ASK_MS, NULL) < 0)
    {
      fprintf (stderr, "hangdog-ssh: started by hangdog, not by people\n");
      return 2;
    }
  cmd = (struct ssh_cmd){
    .address = json_get_str (f.head, "address"),
    .user = json_get_str (f.head, "user"),
    .command = json_get_str (f.head, "command"),
    .dir = json_get_str (f.head, "dir"),
    .key = json_get_str (f.head, "key"),
    .password = json_get_str (f.head, "password"),
    .accept_new = json_get_bool (f.head, "accept-new", false),
  };
  ms = json_get_int (f.head, "ms", 0);
  if (!cmd.address || !cmd.user || !cmd.command || !cmd.dir || ms < 0
      || ms > MAX_MS || f.nfds != 1 || !strrchr (cmd.address, ':'))
    return 2;
  alarm ((unsigned) (ms / 1000 + 2));
  enclose (&cmd);
  ssh_client (&cmd, steal_fd (&f.fds[0]), clock_ms () + (uint64_t) ms,
              &result);
  rc = answer (&result);
  buf_done (&result.output);
  frame_done (&f);
  return rc;
}
