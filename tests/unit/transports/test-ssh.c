/* SPDX-License-Identifier: Apache-2.0
 *
 * One command over ssh: the helper as it is started by a job, against an sshd
 * of its own on loopback, and against what is none.  HANGDOG_SSHD names
 * another programme than /usr/sbin/sshd; without one half of it is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"
#include "transports/net/tcp.h"
#include "transports/ssh/ssh.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct tmpdir tmp;
static char libexec[PATH_MAX], dir[128], user[64], address[64];
static pid_t sshd;
static bool made_run; /* the folder that sshd wants when root starts it */
extern char **environ;

/* ---- what every test needs ---- */

static int
run_with (const struct ssh_cmd *changed, const char *command, uint64_t ms,
          struct ssh_result *ret)
{
  struct ssh_cmd cmd = *changed;
  struct error err = ERROR_INIT;
  int rc;

  cmd.command = command;
  cmd.dir = dir;
  if (!cmd.user)
    cmd.user = user;
  if (!cmd.address)
    cmd.address = address;
  if (!cmd.key && !cmd.password)
    cmd.key = "key";
  rc = ssh_run (libexec, &cmd, clock_ms () + ms, ret, &err);
  if (rc < 0)
    fail_msg ("%s", error_text (&err));
  return rc;
}

static void
ends (const struct ssh_cmd *changed, const char *command, uint64_t ms,
      enum ssh_end end, const char *says)
{
  struct ssh_result r;

  run_with (changed, command, ms, &r);
  if (r.end != end || !strstr (r.detail, says))
    fail_msg ("%s: ended as %d instead of %d: %s", command, (int) r.end,
              (int) end, r.detail);
  ssh_result_done (&r);
}

static const struct ssh_cmd usual;

static int
sh (const char *fmt, ...)
{
  char text[1024];
  char *argv[] = { (char *) (uintptr_t) "sh", (char *) (uintptr_t) "-c", text,
                   NULL };
  int status;
  va_list ap;
  pid_t pid;

  va_start (ap, fmt);
  vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  if (posix_spawnp (&pid, "sh", NULL, NULL, argv, environ) != 0
      || waitpid (pid, &status, 0) < 0)
    return -1;
  return status;
}

/* ---- peers that are no sshd ---- */

struct peer
{
  int fd;
  char address[64];
  const char *greeting;
  bool stays;
  pthread_t thread;
};

static void
peer_bind (struct peer *p)
{
  struct sockaddr_in sa = { .sin_family = AF_INET };
  socklen_t len = sizeof sa;

  sa.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  p->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (p->fd, (struct sockaddr *) &sa, sizeof sa), 0);
  assert_int_equal (getsockname (p->fd, (struct sockaddr *) &sa, &len), 0);
  snprintf (p->address, sizeof p->address, "127.0.0.1:%u",
            ntohs (sa.sin_port));
}

static void *
peer_serve (void *arg)
{
  struct peer *p = arg;
  char bytes[4096];
  int fd = accept (p->fd, NULL, NULL);

  if (fd < 0)
    return NULL;
  if (p->greeting)
    send (fd, p->greeting, strlen (p->greeting), MSG_NOSIGNAL);
  if (!p->stays)
    shutdown (fd, SHUT_WR);
  /* All that it says is read: closing on it would be a reset. */
  while (recv (fd, bytes, sizeof bytes, 0) > 0)
    continue;
  close (fd);
  return NULL;
}

static void
peer_ends (struct peer p, uint64_t ms, enum ssh_end end, const char *says)
{
  peer_bind (&p);
  assert_int_equal (listen (p.fd, 4), 0);
  assert_int_equal (pthread_create (&p.thread, NULL, peer_serve, &p), 0);
  ends (&(struct ssh_cmd){ .address = p.address }, "true", ms, end, says);
  shutdown (p.fd, SHUT_RDWR);
  pthread_join (p.thread, NULL);
  close (p.fd);
}

static void
refuses (void **state)
{
  struct peer p = { .fd = -1 };

  peer_bind (&p);
  ends (&(struct ssh_cmd){ .address = p.address }, "true", 60000,
        SSH_END_REFUSED, "refused");
  close (p.fd);
}

static void
says_nothing (void **state)
{
  uint64_t begun = clock_ms ();

  peer_ends ((struct peer){ .stays = true }, 3000, SSH_END_SILENT, "greet");
  assert_in_range (clock_ms () - begun, 1500, 60000);
}

static void
greets_only (void **state)
{
  peer_ends ((struct peer){ .greeting = "SSH-2.0-x\r\n", .stays = true }, 4000,
             SSH_END_LOGIN_TIMEOUT, "greeted");
  peer_ends ((struct peer){ .greeting = "SSH-2.0-x\r\n" }, 60000,
             SSH_END_DISCONNECTED, "");
  peer_ends ((struct peer){ .greeting = NULL }, 60000, SSH_END_DISCONNECTED,
             "");
}

/* ---- our own side ---- */

static void
fake_helper (const char *script)
{
  char path[256];
  int fd;

  snprintf (path, sizeof path, "%s/hangdog-ssh", tmp.path);
  fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
  assert_true (fd >= 0);
  assert_int_equal (write (fd, script, strlen (script)), strlen (script));
  close (fd);
}

static void
helper_fails (void **state)
{
  /* Somebody listens: the helper is started when that is so. */
  struct peer p = { .fd = -1 };
  struct ssh_cmd cmd = { .address = p.address, .user = "u", .key = "key",
                         .command = "true", .dir = dir };
  struct error err = ERROR_INIT;
  struct ssh_result r = { .end = SSH_END_MAX };
  uint64_t begun;

  peer_bind (&p);
  assert_int_equal (listen (p.fd, 4), 0);
  assert_int_equal (ssh_run ("/nowhere", &cmd, clock_ms () + 60000, &r, &err),
                    -ENOEXEC);
  assert_int_equal (r.end, SSH_END_MAX);
  fake_helper ("#!/bin/sh\nexit 0\n");
  assert_int_equal (ssh_run (tmp.path, &cmd, clock_ms () + 60000, &r, &err), 0);
  assert_int_equal (r.end, SSH_END_STUCK);
  ssh_result_done (&r);
  begun = clock_ms ();
  fake_helper ("#!/bin/sh\ntrap '' TERM ALRM\nwhile :; do sleep 9; done\n");
  assert_int_equal (ssh_run (tmp.path, &cmd, clock_ms () + 1000, &r, &err), 0);
  assert_int_equal (r.end, SSH_END_STUCK);
  assert_non_null (strstr (r.detail, "in time"));
  ssh_result_done (&r);
  assert_in_range (clock_ms () - begun, 700, 60000);
  /* Taken over: it says what is no answer, to what it was asked. */
  fake_helper ("#!/bin/sh\nhead -c 1 <&3 >/dev/null\n"
               "head -c 64 /dev/zero >&3\n");
  assert_true (ssh_run (tmp.path, &cmd, clock_ms () + 60000, &r, &err) < 0);
  close (p.fd);
}

/* ---- a real one ---- */

static void
answers (void **state)
{
  struct ssh_result r;

  run_with (&usual, "echo out; echo err >&2; exit 3", 60000, &r);
  if (r.end != SSH_END_OK)
    fail_msg ("%d: %s", (int) r.end, r.detail);
  assert_int_equal (r.status, 3);
  assert_non_null (strstr (buf_str (&r.output), "out\n"));
  assert_non_null (strstr (buf_str (&r.output), "err\n"));
  ssh_result_done (&r);
  run_with (&usual, "head -c 60000 /dev/zero | tr '\\0' x", 60000, &r);
  assert_int_equal (r.end, SSH_END_OK);
  assert_int_equal (r.output.len, 60000);
  ssh_result_done (&r);
  run_with (&usual, "exit 0", 60000, &r);
  assert_int_equal (r.end, SSH_END_OK);
  assert_int_equal (r.status, 0);
  ssh_result_done (&r);
}

static void
floods (void **state)
{
  struct ssh_result r;

  run_with (&usual, "yes", 60000, &r);
  assert_int_equal (r.end, SSH_END_FLOOD);
  assert_true (r.output.len <= SSH_CMD_OUTPUT_MAX);
  ssh_result_done (&r);
}

/* At its deadline.  What it started is ended by the server, if that does such
 * a thing: not for root. */
static void
hangs (void **state)
{
  char command[256], path[128], text[32] = "";
  uint64_t begun = clock_ms ();
  FILE *f;

  snprintf (path, sizeof path, "%s/hangs", tmp.path);
  snprintf (command, sizeof command, "echo $$ >%s; exec sleep 300", path);
  ends (&usual, command, 5000, SSH_END_NO_ANSWER, "in time");
  assert_in_range (clock_ms () - begun, 3500, 60000);
  f = fopen (path, "r");
  assert_non_null (f);
  assert_non_null (fgets (text, sizeof text, f));
  fclose (f);
  assert_true (atoi (text) > 1);
  kill (atoi (text), SIGKILL);
}

static void
ends_otherwise (void **state)
{
  ends (&usual, "kill -KILL $$", 60000, SSH_END_KILLED, "KILL");
  ends (&usual, "kill -KILL $PPID; sleep 5", 60000, SSH_END_DISCONNECTED,
        "hung up");
}

static void
not_let_in (void **state)
{
  ends (&(struct ssh_cmd){ .key = "other" }, "true", 60000, SSH_END_AUTH,
        "not let");
  ends (&(struct ssh_cmd){ .key = "open" }, "true", 60000, SSH_END_UNUSABLE,
        "chmod 600");
  ends (&(struct ssh_cmd){ .key = "absent" }, "true", 60000, SSH_END_UNUSABLE,
        "absent");
  ends (&(struct ssh_cmd){ .key = "key.pub" }, "true", 60000, SSH_END_UNUSABLE,
        "no private key");
  ends (&(struct ssh_cmd){ .password = "password", .accept_new = true },
        "true", 60000, SSH_END_UNUSABLE, "nobody knows");
}

/* ADDRESS with the key in FILE into NAME. */
static void
know (const char *name, const char *file)
{
  assert_int_equal (sh ("umask 077; if [ -n '%s' ]; then "
                        "echo \"[127.0.0.1]:%s $(cut -d' ' -f1,2 %s/%s)\"; fi "
                        ">%s/%s",
                        file, strchr (address, ':') + 1, tmp.path, file, dir,
                        name),
                    0);
}

static void
is_another (void **state)
{
  const struct ssh_cmd accept = { .accept_new = true };
  char path[160];
  struct stat sb;

  know ("known_hosts", "other.pub");
  ends (&usual, "true", 60000, SSH_END_HOST_CHANGED, "SHA256:");
  ends (&accept, "true", 60000, SSH_END_HOST_CHANGED, "known_hosts");
  /* Unknown is no reason to go on, unless it is said to be one; and then
   * the second time it is known. */
  know ("known_hosts", "");
  ends (&usual, "true", 60000, SSH_END_HOST_UNKNOWN, "SHA256:");
  snprintf (path, sizeof path, "%s/accepted", dir);
  assert_int_not_equal (stat (path, &sb), 0);
  ends (&accept, "true", 60000, SSH_END_OK, "");
  assert_int_equal (stat (path, &sb), 0);
  assert_int_equal (sb.st_mode & 077, 0);
  assert_true (sb.st_size > 0);
  ends (&accept, "true", 60000, SSH_END_OK, "");
  /* What was accepted counts for nobody else. */
  ends (&usual, "true", 60000, SSH_END_HOST_UNKNOWN, "");
  know ("accepted", "other.pub");
  ends (&accept, "true", 60000, SSH_END_HOST_CHANGED, "accepted");
  know ("known_hosts", "host.pub");
  chmod (strcat (strcpy (path, dir), "/known_hosts"), 0666);
  ends (&usual, "true", 60000, SSH_END_UNUSABLE, "can write");
  know ("known_hosts", "host.pub");
  chmod (path, 0600);
  ends (&usual, "true", 60000, SSH_END_OK, "");
}

/* ---- the server ---- */

static int
make_files (void)
{
  return sh ("set -e; umask 077; cd %s; mkdir ssh; "
             "ssh-keygen -q -t ed25519 -N '' -f host; "
             "ssh-keygen -q -t ed25519 -N '' -f other; "
             "ssh-keygen -q -t ed25519 -N '' -f ssh/key; "
             "cp other ssh/other; cp ssh/key ssh/open; chmod 644 ssh/open; "
             "cp ssh/key.pub allowed; echo secret >ssh/password; "
             "cat >sshd_config <<EOF\n"
             "ListenAddress 127.0.0.1\n"
             "HostKey %s/host\n"
             "AuthorizedKeysFile %s/allowed\n"
             "PidFile none\nStrictModes no\nUsePAM no\n"
             "PermitRootLogin yes\nPasswordAuthentication no\n"
             "EOF\n",
             tmp.path, tmp.path, tmp.path);
}

static bool
reachable (void)
{
  const struct tcp_check check = { .address = address, .expect = "^SSH-2" };
  uint64_t until = clock_ms () + 60000;
  struct timespec nap = { 0, 20000000 };
  struct tcp_result r = { .answer = NULL };

  /* sshd tells nobody when it listens. */
  while (clock_ms () < until)
    {
      if (waitpid (sshd, NULL, WNOHANG) != 0)
        {
          sshd = 0;
          return false;
        }
      if (tcp_check (&check, clock_ms () + 5000, &r, NULL) == 0)
        return true;
      nanosleep (&nap, NULL);
    }
  return false;
}

/* Between its being looked for and sshd's taking it, the port may become
 * somebody else's: false. */
static bool
start_sshd (const char *program)
{
  char config[128], port[16];
  char *argv[] = { (char *) (uintptr_t) program, (char *) (uintptr_t) "-D",
                   (char *) (uintptr_t) "-e", (char *) (uintptr_t) "-f",
                   config, (char *) (uintptr_t) "-p", port, NULL };
  struct peer p = { .fd = -1 };

  snprintf (config, sizeof config, "%s/sshd_config", tmp.path);
  peer_bind (&p);
  snprintf (address, sizeof address, "%s", p.address);
  snprintf (port, sizeof port, "%s", strchr (address, ':') + 1);
  close (p.fd);
  /* Debian's init makes it. */
  if (geteuid () == 0 && !made_run)
    made_run = mkdir ("/run/sshd", 0755) == 0;
  if (posix_spawn (&sshd, program, NULL, NULL, argv, environ) != 0)
    return false;
  if (reachable ())
    return true;
  if (sshd > 0)
    {
      kill (sshd, SIGKILL);
      waitpid (sshd, NULL, 0);
    }
  return false;
}

int
main (void)
{
  const struct CMUnitTest without[] = {
    cmocka_unit_test (refuses),
    cmocka_unit_test (says_nothing),
    cmocka_unit_test (greets_only),
    cmocka_unit_test (helper_fails),
  };
  const struct CMUnitTest with[] = {
    cmocka_unit_test (answers),        cmocka_unit_test (floods),
    cmocka_unit_test (hangs),          cmocka_unit_test (ends_otherwise),
    cmocka_unit_test (not_let_in),     cmocka_unit_test (is_another),
  };
  const char *program = getenv ("HANGDOG_SSHD");
  struct passwd *me = getpwuid (geteuid ());
  char helper[PATH_MAX];
  bool up = false;
  int rc;

  signal (SIGPIPE, SIG_IGN);
  built_path (helper, "hangdog-ssh");
  snprintf (libexec, sizeof libexec, "%.*s",
            (int) (strrchr (helper, '/') - helper), helper);
  if (tmpdir_make (&tmp) < 0 || !me)
    return 1;
  snprintf (user, sizeof user, "%s", me->pw_name);
  snprintf (dir, sizeof dir, "%s/ssh", tmp.path);
  rc = cmocka_run_group_tests_name ("without an sshd", without, NULL, NULL);
  if (rc != 0)
    goto out;
  if (!program)
    program = "/usr/sbin/sshd";
  if (access (program, X_OK) < 0 || make_files () != 0)
    {
      printf ("skipped: there is no %s, or no ssh-keygen\n", program);
      rc = 77;
      goto out;
    }
  if (strstr (me->pw_shell, "nologin") || strstr (me->pw_shell, "/false"))
    {
      printf ("skipped: no sshd lets %s in\n", user);
      rc = 77;
      goto out;
    }
  for (unsigned i = 0; i < 5 && !up; i++)
    up = start_sshd (program);
  if (!up)
    {
      printf ("skipped: %s does not start here\n", program);
      rc = 77;
      goto out;
    }
  know ("known_hosts", "host.pub");
  rc = cmocka_run_group_tests_name ("an sshd", with, NULL, NULL);
  kill (sshd, SIGTERM);
  waitpid (sshd, NULL, 0);
out:
  if (made_run)
    rmdir ("/run/sshd");
  tmpdir_done (&tmp);
  return rc;
}
