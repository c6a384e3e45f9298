/* SPDX-License-Identifier: Apache-2.0
 *
 * One command over ssh, by libssh.
 *
 * The session does not block: every step is asked again until it is done or
 * the deadline has come, so that the step in which time ran out is known.
 * How it went wrong is told from what was reached, and from the socket; the
 * library's own words are only for people.
 */
#include "transports/ssh/client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/store.h"

#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* It may have read more than it has looked at: do not rely on the socket. */
#define LOOK_AGAIN_MS 50

struct client
{
  const struct ssh_cmd *cmd;
  struct ssh_result *ret;
  uint64_t deadline;
  ssh_session session;
  ssh_channel channel;
  struct ssh_channel_callbacks_struct hear;
  int peek; /* the socket again: the library closes its own when it fails */
  bool has_status, has_signal;
  uint32_t status;
  char signal[24];
};

static bool end (struct client *c, enum ssh_end how, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

/* False, for the step that failed to return. */
static bool
end (struct client *c, enum ssh_end how, const char *fmt, ...)
{
  va_list ap;

  c->ret->end = how;
  va_start (ap, fmt);
  vsnprintf (c->ret->detail, sizeof c->ret->detail, fmt, ap);
  va_end (ap);
  return false;
}

/* False at the deadline. */
static bool
wait_a_bit (struct client *c)
{
  struct pollfd p = { .fd = c->peek, .events = POLLIN };
  uint64_t now = clock_ms ();

  if (now >= c->deadline)
    return false;
  if (ssh_get_poll_flags (c->session) & SSH_WRITE_PENDING)
    p.events |= POLLOUT;
  now = c->deadline - now;
  poll (&p, 1, now < LOOK_AGAIN_MS ? (int) now : LOOK_AGAIN_MS);
  return true;
}

static bool
hung_up (const struct client *c)
{
  char byte;
  ssize_t n = recv (c->peek, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* A step that was given up by the library and not by the clock. */
static bool
broken (struct client *c, enum ssh_end else_end, const char *step)
{
  return end (c, hung_up (c) ? SSH_END_DISCONNECTED : else_end, "%s: %s",
              step, ssh_get_error (c->session));
}

/* ---- connection ---- */

/* Who may write it says whom we trust. */
static bool
check_hosts_file (struct client *c, const char *path)
{
  struct stat sb;

  if (stat (path, &sb) < 0)
    return errno == ENOENT
           || end (c, SSH_END_UNUSABLE, "%s: %s", path, strerror (errno));
  if (!S_ISREG (sb.st_mode) || (sb.st_uid != 0 && sb.st_uid != geteuid ())
      || (sb.st_mode & (S_IWGRP | S_IWOTH)))
    return end (c, SSH_END_UNUSABLE,
                "%s must be a file that only root or user %u can write", path,
                (unsigned) geteuid ());
  return true;
}

static void
hosts_path (const struct client *c, const char *name, char *dst, size_t n)
{
  snprintf (dst, n, "%s/%s", c->cmd->dir, name);
}

/* Both files, since the key to be asked for is one that is known. */
static bool
set_up (struct client *c, int fd)
{
  char known[4200], accepted[4200] = "/dev/null", host[64];
  const char *address = c->cmd->address, *colon = strrchr (address, ':');
  size_t six = address[0] == '[';
  unsigned port = (unsigned) strtoul (colon + 1, NULL, 10);
  int none = 0;

  snprintf (host, sizeof host, "%.*s", (int) (colon - address - 2 * six),
            address + six);
  hosts_path (c, SSH_CMD_KNOWN_HOSTS, known, sizeof known);
  if (!check_hosts_file (c, known))
    return false;
  if (c->cmd->accept_new)
    hosts_path (c, SSH_CMD_ACCEPTED, accepted, sizeof accepted);
  if (c->cmd->accept_new && !check_hosts_file (c, accepted))
    return false;
  c->session = ssh_new ();
  if (!c->session)
    return end (c, SSH_END_UNUSABLE, "no memory");
  ssh_set_blocking (c->session, 0);
  /* No file of the user's or the host's has a say. */
  if (ssh_options_set (c->session, SSH_OPTIONS_PROCESS_CONFIG, &none) < 0
      || ssh_options_set (c->session, SSH_OPTIONS_HOST, host) < 0
      || ssh_options_set (c->session, SSH_OPTIONS_PORT, &port) < 0
      || ssh_options_set (c->session, SSH_OPTIONS_USER, c->cmd->user) < 0
      || ssh_options_set (c->session, SSH_OPTIONS_SSH_DIR, c->cmd->dir) < 0
      || ssh_options_set (c->session, SSH_OPTIONS_KNOWNHOSTS, known) < 0
      || ssh_options_set (c->session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, accepted)
             < 0
      || ssh_options_set (c->session, SSH_OPTIONS_FD, &fd) < 0)
    return end (c, SSH_END_UNUSABLE, "%s", ssh_get_error (c->session));
  return true;
}

static bool
shake_hands (struct client *c)
{
  int rc;

  while ((rc = ssh_connect (c->session)) == SSH_AGAIN)
    if (!wait_a_bit (c))
      return ssh_get_serverbanner (c->session)
                 ? end (c, SSH_END_LOGIN_TIMEOUT,
                        "it greeted, and then did not agree on keys in time")
                 : end (c, SSH_END_SILENT,
                        "it took the connection, and then did not greet");
  if (rc == SSH_OK)
    return true;
  return broken (c, SSH_END_PROTOCOL, "shaking hands");
}

/* ---- is it who it must be? ---- */

static void
fingerprint (struct client *c, char *dst, size_t n)
{
  unsigned char *hash = NULL;
  char *text = NULL;
  ssh_key key = NULL;
  size_t len;

  snprintf (dst, n, "a key that can't be shown");
  if (ssh_get_server_publickey (c->session, &key) < 0)
    return;
  if (ssh_get_publickey_hash (key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len)
      == 0)
    text = ssh_get_fingerprint_hash (SSH_PUBLICKEY_HASH_SHA256, hash, len);
  if (text)
    snprintf (dst, n, "%s %s", ssh_key_type_to_char (ssh_key_type (key)),
              text);
  ssh_string_free_char (text);
  ssh_clean_pubkey_hash (&hash);
  ssh_key_free (key);
}

/* One file at a time: what the operator wrote outweighs what was accepted. */
static enum ssh_known_hosts_e
known_by (struct client *c, const char *name)
{
  char path[4200];

  hosts_path (c, name, path, sizeof path);
  if (ssh_options_set (c->session, SSH_OPTIONS_KNOWNHOSTS, path) < 0
      || ssh_options_set (c->session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS,
                          "/dev/null")
             < 0)
    return SSH_KNOWN_HOSTS_ERROR;
  return ssh_session_is_known_server (c->session);
}

static bool
check_host (struct client *c)
{
  const char *file = SSH_CMD_KNOWN_HOSTS;
  enum ssh_known_hosts_e known = known_by (c, file);
  char shown[128];

  if (c->cmd->accept_new
      && (known == SSH_KNOWN_HOSTS_UNKNOWN
          || known == SSH_KNOWN_HOSTS_NOT_FOUND))
    {
      file = SSH_CMD_ACCEPTED;
      known = known_by (c, file);
    }
  fingerprint (c, shown, sizeof shown);
  switch (known)
    {
    case SSH_KNOWN_HOSTS_OK:
      return true;
    case SSH_KNOWN_HOSTS_CHANGED:
    case SSH_KNOWN_HOSTS_OTHER:
      return end (c, SSH_END_HOST_CHANGED,
                  "the key of %s is not the one in %s, but %s: it is another "
                  "machine, or somebody stands in between",
                  c->cmd->address, file, shown);
    case SSH_KNOWN_HOSTS_UNKNOWN:
    case SSH_KNOWN_HOSTS_NOT_FOUND:
      break;
    default:
      return end (c, SSH_END_UNUSABLE, "%s/%s: %s", c->cmd->dir, file,
                  ssh_get_error (c->session));
    }
  if (!c->cmd->accept_new)
    return end (c, SSH_END_HOST_UNKNOWN,
                "%s shows %s, and known_hosts has no key of it",
                c->cmd->address, shown);
  /* Not noted down, it would be accepted each time: then anybody is. */
  if (ssh_session_update_known_hosts (c->session) != SSH_OK)
    return end (c, SSH_END_UNUSABLE, "%s/%s can't be written: %s",
                c->cmd->dir, file, ssh_get_error (c->session));
  return true;
}

/* ---- being let in ---- */

/* -1: ret was set; else what the server said. */
static int
try_key (struct client *c)
{
  struct error why = ERROR_INIT;
  char path[4200], *pem;
  ssh_key key = NULL;
  size_t len;
  int rc;

  snprintf (path, sizeof path, "%s/%s", c->cmd->dir, c->cmd->key);
  if (secret_read (path, &pem, &len, &why) < 0)
    {
      end (c, SSH_END_UNUSABLE, "%s", error_text (&why));
      return -1;
    }
  rc = ssh_pki_import_privkey_base64 (pem, NULL, NULL, NULL, &key);
  secret_free (pem, len);
  if (rc != SSH_OK)
    {
      end (c, SSH_END_UNUSABLE,
           "%s is no private key without a passphrase", path);
      return -1;
    }
  while ((rc = ssh_userauth_publickey (c->session, NULL, key))
         == SSH_AUTH_AGAIN)
    if (!wait_a_bit (c))
      break;
  ssh_key_free (key);
  return rc;
}

static int
try_password (struct client *c)
{
  struct error why = ERROR_INIT;
  char path[4200], *password;
  size_t len;
  int rc;

  snprintf (path, sizeof path, "%s/%s", c->cmd->dir, c->cmd->password);
  if (secret_read (path, &password, &len, &why) < 0)
    {
      end (c, SSH_END_UNUSABLE, "%s", error_text (&why));
      return -1;
    }
  while ((rc = ssh_userauth_password (c->session, NULL, password))
         == SSH_AUTH_AGAIN)
    if (!wait_a_bit (c))
      break;
  secret_free (password, len);
  return rc;
}

static bool
log_in (struct client *c)
{
  int rc = SSH_AUTH_DENIED;

  if (c->cmd->key)
    rc = try_key (c);
  if (c->cmd->password && (rc == SSH_AUTH_DENIED || rc == SSH_AUTH_PARTIAL))
    rc = try_password (c);
  switch (rc)
    {
    case SSH_AUTH_SUCCESS:
      return true;
    case SSH_AUTH_AGAIN:
      return end (c, SSH_END_LOGIN_TIMEOUT,
                  "it did not decide in time whether to let %s in",
                  c->cmd->user);
    case SSH_AUTH_DENIED:
    case SSH_AUTH_PARTIAL:
      return end (c, SSH_END_AUTH, "it does not let %s in with %s%s%s",
                  c->cmd->user, c->cmd->key ? c->cmd->key : "",
                  c->cmd->key && c->cmd->password ? " and " : "",
                  c->cmd->password ? c->cmd->password : "");
    case -1:
      if (c->ret->detail[0])
        return false;
      /* fall through */
    default:
      return broken (c, SSH_END_AUTH, "logging in");
    }
}

/* ---- the command ---- */

static void
on_status (ssh_session session, ssh_channel channel, int status, void *arg)
{
  struct client *c = arg;

  c->has_status = true;
  c->status = (uint32_t) status;
}

static void
on_signal (ssh_session session, ssh_channel channel, const char *signal,
           int core, const char *message, const char *lang, void *arg)
{
  struct client *c = arg;

  c->has_signal = true;
  snprintf (c->signal, sizeof c->signal, "%s", signal ? signal : "?");
}

static bool
start_command (struct client *c)
{
  int rc;

  c->channel = ssh_channel_new (c->session);
  if (!c->channel)
    return end (c, SSH_END_UNUSABLE, "no memory");
  /* Before it begins: its end may come along with the answer to that. */
  c->hear = (struct ssh_channel_callbacks_struct){
    .userdata = c,
    .channel_exit_status_function = on_status,
    .channel_exit_signal_function = on_signal,
  };
  ssh_callbacks_init (&c->hear);
  ssh_set_channel_callbacks (c->channel, &c->hear);
  while ((rc = ssh_channel_open_session (c->channel)) == SSH_AGAIN)
    if (!wait_a_bit (c))
      goto late;
  if (rc == SSH_OK)
    while ((rc = ssh_channel_request_exec (c->channel, c->cmd->command))
           == SSH_AGAIN)
      if (!wait_a_bit (c))
        goto late;
  if (rc == SSH_OK)
    return true;
  return broken (c, SSH_END_PROTOCOL, "starting the command");
late:
  return end (c, SSH_END_LOGIN_TIMEOUT,
              "it let us in, and then started no command in time");
}

static int
read_some (struct client *c, int which)
{
  char bytes[8192];
  int n = ssh_channel_read_nonblocking (c->channel, bytes, sizeof bytes,
                                        which);

  if (n > 0)
    buf_append (&c->ret->output, bytes, (size_t) n);
  return n;
}

/* Also to hear of its end, which comes after its last word.  Whether it is
 * over is asked before reading: then all that it said is there to be read. */
static bool
listen_to (struct client *c)
{
  do
    {
      /* Once it is at the end of the stream the library looks at packets only
       * for who asks for the status, which may come after that. */
      int known = ssh_channel_get_exit_status (c->channel);
      bool ended = (known >= 0 || c->has_status || c->has_signal)
                   && (ssh_channel_is_eof (c->channel)
                       || ssh_channel_is_closed (c->channel));
      bool gone = ssh_channel_is_closed (c->channel)
                  || !ssh_is_connected (c->session) || hung_up (c);
      bool more = false;

      while ((read_some (c, 0) > 0 || read_some (c, 1) > 0)
             && !c->ret->output.cut && clock_ms () < c->deadline)
        more = true;
      if (c->ret->output.cut)
        return end (c, SSH_END_FLOOD, "it said more than %u KiB",
                    SSH_CMD_OUTPUT_MAX >> 10);
      if (ended && !more)
        return true;
      if (gone && !more)
        return end (c, SSH_END_DISCONNECTED,
                    "it hung up before the command had ended");
    }
  while (wait_a_bit (c));
  /* What hangs in the guest would hang there once more with each check.  Not
   * every server does it: OpenSSH since 7.9, and not for root. */
  ssh_channel_request_send_signal (c->channel, "KILL");
  return end (c, SSH_END_NO_ANSWER, "the command did not end in time");
}

static void
judge_end (struct client *c)
{
  if (c->has_signal)
    end (c, SSH_END_KILLED, "the command was ended by signal %s", c->signal);
  else
    {
      c->ret->end = SSH_END_OK;
      c->ret->status = c->status > INT32_MAX ? INT32_MAX : (int) c->status;
      c->ret->detail[0] = '\0';
    }
}

/* ---- the whole ---- */

static void
all_steps (struct client *c, int fd)
{
  c->peek = fcntl (fd, F_DUPFD_CLOEXEC, 0);
  /* The library closes fd from here on. */
  if (!set_up (c, fd))
    {
      close (fd);
      return;
    }
  if (!shake_hands (c) || !check_host (c) || !log_in (c))
    return;
  if (start_command (c) && listen_to (c))
    judge_end (c);
}

void
ssh_client (const struct ssh_cmd *cmd, int fd, uint64_t deadline,
            struct ssh_result *ret)
{
  struct client c
      = { .cmd = cmd, .ret = ret, .deadline = deadline, .peek = -1 };

  ret->detail[0] = '\0';
  if (cmd->accept_new && cmd->password)
    {
      close (fd);
      end (&c, SSH_END_UNUSABLE,
           "a password is not shown to a server that nobody knows");
    }
  else
    all_steps (&c, fd);
  if (c.channel)
    ssh_channel_free (c.channel);
  if (c.session)
    {
      ssh_disconnect (c.session);
      ssh_free (c.session);
    }
  if (c.peek >= 0)
    close (c.peek);
}
