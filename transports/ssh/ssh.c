/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting hangdog-ssh, asking it once, and ending it.
 */
#include "config.h"

#include "transports/ssh/ssh.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/text.h"
#include "transports/net/tcp.h"
#include "transports/transport.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELPER "hangdog-ssh"
/* What is left to the helper for saying that time is over. */
#define MARGIN_MS 300

void
ssh_result_done (struct ssh_result *r)
{
  buf_done (&r->output);
}

bool
ssh_secret_name (const char *name)
{
  return text_is_name (name) && strcmp (name, SSH_CMD_KNOWN_HOSTS) != 0
         && strcmp (name, SSH_CMD_ACCEPTED) != 0;
}

/* ---- question and answer ---- */

static int
ask (struct helper *h, const struct ssh_cmd *cmd, int fd, uint64_t deadline,
     struct error *err)
{
  struct json_object *head = json_object_new_object ();
  int r;

  json_add_str (head, "op", "run");
  json_add_str (head, "address", cmd->address);
  json_add_str (head, "user", cmd->user);
  json_add_str (head, "command", cmd->command);
  json_add_str (head, "dir", cmd->dir);
  if (cmd->key)
    json_add_str (head, "key", cmd->key);
  if (cmd->password)
    json_add_str (head, "password", cmd->password);
  json_add_bool (head, "accept-new", cmd->accept_new);
  json_add_int (head, "ms",
                (int64_t) helper_left (deadline, MARGIN_MS));
  r = helper_say (h, head, NULL, 0, &fd, 1, deadline, err);
  json_object_put (head);
  return r;
}

/* A stranger's word: the server may have taken the helper over. */
static int
take (const struct frame *f, struct ssh_result *ret, struct error *err)
{
  int64_t end = json_get_int (f->head, "end", -1);
  int64_t status = json_get_int (f->head, "status", -1);
  const char *detail = json_get_str (f->head, "detail");

  if (end < 0 || end >= SSH_END_MAX || f->body_len > SSH_CMD_OUTPUT_MAX
      || (end == SSH_END_OK && (status < 0 || status > UINT32_MAX)))
    return helper_lies (HELPER, err);
  ret->end = (enum ssh_end) end;
  ret->status = status > INT32_MAX ? INT32_MAX : (int) status;
  snprintf (ret->detail, sizeof ret->detail, "%s", detail ? detail : "");
  buf_append (&ret->output, f->body, f->body_len);
  return 0;
}

static int
converse (struct helper *h, const struct ssh_cmd *cmd, int fd,
          uint64_t deadline, struct ssh_result *ret, struct error *err)
{
  CLEANUP_FRAME struct frame f = { 0 };
  struct error why = ERROR_INIT;
  int r = ask (h, cmd, fd, deadline, &why);

  if (r >= 0)
    r = helper_hear (h, &f, deadline, &why);
  if (r >= 0)
    return take (&f, ret, err);
  if (helper_ended_text (r, HELPER, ret->detail, sizeof ret->detail))
    {
      ret->end = SSH_END_STUCK;
      return 0;
    }
  if (err)
    *err = why;
  return r;
}

/* False: our own failure. */
static bool
end_of_connecting (int rc, const struct error *why, struct ssh_result *ret)
{
  static const enum ssh_end ends[ASK_MAX] = {
    [ASK_REFUSED] = SSH_END_REFUSED,
    [ASK_UNREACHABLE] = SSH_END_UNREACHABLE,
    [ASK_TIMEOUT] = SSH_END_TIMEOUT,
    [ASK_DISCONNECTED] = SSH_END_DISCONNECTED,
    [ASK_NO_ROUTE] = SSH_END_NO_ROUTE,
    [ASK_NO_NETNS] = SSH_END_NO_NETNS,
  };
  enum ask_end end = tcp_connect_end (rc);

  ret->end = end < ASK_MAX ? ends[end] : SSH_END_UNUSABLE;
  snprintf (ret->detail, sizeof ret->detail, "%.255s", error_text (why));
  return ret->end != SSH_END_UNUSABLE || rc == -EINVAL;
}

int
ssh_run (const char *libexec, const struct ssh_cmd *cmd, uint64_t deadline,
         struct ssh_result *ret, struct error *err)
{
  struct ssh_result result = { .output = BUF_INIT (SSH_CMD_OUTPUT_MAX) };
  const struct helper_spec spec = { .libexec = libexec, .program = HELPER };
  struct helper h = HELPER_INIT;
  struct error why = ERROR_INIT;
  CLEANUP_CLOSE int fd = -1;
  int r = tcp_connect (cmd->at, cmd->address, deadline, &fd, &why);

  if (r < 0)
    r = end_of_connecting (r, &why, &result) ? 0 : r;
  else if ((r = helper_start (&spec, &h, &why)) == 0)
    r = converse (&h, cmd, fd, deadline, &result, &why);
  helper_end (&h);
  if (r < 0)
    {
      if (err)
        *err = why;
      ssh_result_done (&result);
      return r;
    }
  *ret = result;
  return 0;
}

/* ---- doctor ---- */

#ifdef WITH_SSH
static void
look_at_folder (const char *dir, struct doctor_report *rep)
{
  char path[4200], text[300], fix[300];
  struct stat sb;

  if (!dir || stat (dir, &sb) < 0)
    {
      snprintf (text, sizeof text, "there is no %.200s: no keys, no hosts",
                dir ? dir : "folder of keys");
      snprintf (fix, sizeof fix, "mkdir -m 700 %.200s", dir ? dir : "");
      rep->line (rep, DOCTOR_NA, "ssh", text, dir ? fix : NULL);
      return;
    }
  snprintf (path, sizeof path, "%s/%s", dir, SSH_CMD_KNOWN_HOSTS);
  if (stat (path, &sb) == 0)
    snprintf (text, sizeof text, "keys and known_hosts are in %.200s", dir);
  else
    snprintf (text, sizeof text, "there is no known_hosts in %.200s", dir);
  snprintf (fix, sizeof fix, "ssh-keyscan ADDRESS >>%.200s", path);
  if (stat (path, &sb) == 0)
    rep->line (rep, DOCTOR_OK, "ssh", text, NULL);
  else
    rep->line (rep, DOCTOR_WARN, "ssh", text, fix);
}
#endif

static void
ssh_doctor (const struct transport_env *env, const struct guest *g,
            struct doctor_report *rep, uint64_t deadline)
{
#ifdef WITH_SSH
  char path[4200];

  snprintf (path, sizeof path, "%s/%s", env->libexec ? env->libexec : "",
            HELPER);
  if (access (path, X_OK) < 0)
    rep->line (rep, DOCTOR_BAD, "ssh", "hangdog-ssh is not installed",
               "make install (or set HANGDOG_LIBEXEC to the build folder)");
  else
    look_at_folder (env->ssh_dir, rep);
#else
  rep->line (rep, DOCTOR_NA, "ssh", "this build is without ssh", NULL);
#endif
}

const struct transport_ops transport_ssh = {
  .name = "ssh",
  .summary = "one command over ssh, by a process of its own",
  .touches = "one login and one command in the guest per check",
  .lane = LANE_SSH,
#ifdef WITH_SSH
  .command = ssh_ask,
#endif
  .needs = ASK_NEEDS_ADDRESS | ASK_NEEDS_LOGIN,
  .cpu_us = 18000,
  .network_bytes = 6000,
  .doctor = ssh_doctor,
};
