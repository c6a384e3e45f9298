/* SPDX-License-Identifier: Apache-2.0
 *
 * The run directory source, against folders and processes of its own.  This
 * programme, started again under a QEMU's name, is the QEMU.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/loop.h"
#include "base/opener.h"
#include "guests/source.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/until.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "11111111-2222-4333-8444-555555555555"
#define NAME UUID ".1.1"
#define NEXT UUID ".2.1"

struct world
{
  struct tmpdir tmp;
  char root[80], eve[80];
  struct guest_source_env env;
  struct guest_source_config cfg;
  void *source;
  unsigned added, changed, reborn, gone;
  struct guest *last; /* as it was told last */
};

static void
hear (enum guest_change change, const struct guest *was,
      const struct guest *now, void *arg)
{
  struct world *w = arg;

  w->added += change == GUEST_ADDED;
  w->changed += change == GUEST_CHANGED;
  w->reborn += change >= GUEST_REBOOTED && now;
  w->gone += change == GUEST_GONE;
  guest_unref (w->last);
  w->last = now ? guest_ref (now) : NULL;
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);

  assert_int_equal (tmpdir_make (&w->tmp), 0);
  snprintf (w->root, sizeof w->root, "%s/kvm", w->tmp.path);
  snprintf (w->eve, sizeof w->eve, "%s/eve", w->tmp.path);
  assert_int_equal (mkdir (w->root, 0700), 0);
  assert_int_equal (mkdir (w->eve, 0700), 0);
  w->env.opener = opener_local ();
  assert_int_equal (loop_new (&w->env.loop, NULL), 0);
  assert_int_equal (job_pool_new (w->env.loop, NULL, &w->env.jobs, NULL), 0);
  assert_int_equal (registry_new (w->env.loop, NULL, &w->env.registry, NULL),
                    0);
  assert_int_equal (registry_listen (w->env.registry, hear, NULL, w, NULL), 0);
  w->cfg = (struct guest_source_config){ .kind = (char *) "rundir",
                                         .root = w->root,
                                         .eve = w->eve,
                                         .console_mode = -1 };
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  guest_source_rundir.stop (w->source);
  job_pool_free (w->env.jobs, 5000);
  registry_free (w->env.registry);
  loop_free (w->env.loop);
  guest_unref (w->last);
  tmpdir_done (&w->tmp);
  free (w);
  return 0;
}

static void
start (struct world *w)
{
  struct error err = ERROR_INIT;

  if (guest_source_rundir.start (&w->env, &w->cfg, &w->source, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

/* ---- what is looked at ---- */

static void
put_file (const char *dir, const char *name, const char *text)
{
  char path[512], tmp[520];
  FILE *f;

  snprintf (path, sizeof path, "%s/%s", dir, name);
  tmpdir_parents (path);
  snprintf (tmp, sizeof tmp, "%s.tmp", path);
  f = fopen (tmp, "w");
  assert_non_null (f);
  fputs (text, f);
  fclose (f);
  assert_int_equal (rename (tmp, path), 0);
}

static void
put_socket (struct world *w, const char *folder, const char *name)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  assert_true (snprintf (sa.sun_path, sizeof sa.sun_path, "%s/%s/%s", w->root,
                         folder, name)
               < (int) sizeof sa.sun_path);
  unlink (sa.sun_path);
  assert_int_equal (bind (fd, (struct sockaddr *) &sa, sizeof sa), 0);
  close (fd);
}

static pid_t
put_qemu (struct world *w, const char *folder, const char *uuid)
{
  char pidfile[200], pid_text[16], channel[300];
  char *argv[] = { (char *) "/usr/bin/qemu-system-test",
                   (char *) "-name",
                   (char *) folder,
                   (char *) "-m",
                   (char *) "64",
                   (char *) "-chardev",
                   channel,
                   (char *) "-device",
                   (char *) "virtserialport,chardev=qga,name=" AGENT_PORT,
                   (char *) "-pidfile",
                   pidfile,
                   uuid ? (char *) "-uuid" : NULL,
                   (char *) uuid,
                   NULL };
  char self[PATH_MAX];
  ssize_t len = readlink ("/proc/self/exe", self, sizeof self - 1);
  pid_t pid;

  assert_true (len > 0);
  self[len] = '\0';
  snprintf (pidfile, sizeof pidfile, "%s/%s/pid", w->root, folder);
  snprintf (channel, sizeof channel, "socket,id=qga,path=%s/%s/qga.sock",
            w->root, folder);
  assert_int_equal (posix_spawn (&pid, self, NULL, NULL, argv, environ), 0);
  snprintf (pid_text, sizeof pid_text, "%d\n", (int) pid);
  put_file (w->root, pidfile + strlen (w->root) + 1, pid_text);
  return pid;
}

/* A process that calls itself that guest's QEMU, of these users. */
static pid_t
put_look_alike (struct world *w, const char *folder, uid_t ruid, uid_t euid)
{
  char *argv[] = { (char *) "/usr/bin/qemu-system-test",
                   (char *) "-name",
                   (char *) folder,
                   (char *) "-uuid",
                   (char *) UUID,
                   NULL };
  char cmdline[64] = "", path[64];
  int fd = open ("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  pid_t pid = fork ();

  if (pid == 0)
    {
      /* By descriptor: that user may not reach the folder of the build. */
      if (setresuid (ruid, euid, euid) == 0)
        syscall (SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
      _exit (127);
    }
  close (fd);
  assert_true (pid > 0);
  snprintf (path, sizeof path, "/proc/%d/cmdline", (int) pid);
  for (uint64_t until = clock_ms () + 60000; !strstr (cmdline, "qemu-system");)
    {
      int c = open (path, O_RDONLY | O_CLOEXEC);
      ssize_t n = read (c, cmdline, sizeof cmdline - 1);

      close (c);
      cmdline[n > 0 ? n : 0] = '\0';
      assert_true (clock_ms () < until);
    }
  return pid;
}

static void
end_qemu (pid_t pid)
{
  int status;

  kill (pid, SIGKILL);
  assert_int_equal (waitpid (pid, &status, 0), pid);
}

/* ---- tests ---- */

static void
follows_a_guest_through_its_life (void **state)
{
  struct world *w = *state;
  struct buf line CLEANUP_BUF = BUF_INIT (512);
  char path[300];
  uint64_t first;
  pid_t pid;

  start (w);
  UNTIL_LOOP (w->env.loop, guest_source_rundir.healthy (w->source));
  assert_int_equal (registry_count (w->env.registry), 0);

  snprintf (path, sizeof path, "%s/" NAME, w->root);
  assert_int_equal (mkdir (path, 0700), 0);
  pid = put_qemu (w, NAME, UUID);
  put_socket (w, NAME, "cons");
  put_socket (w, NAME, "qmp");
  put_socket (w, NAME, "listener.qmp");
  UNTIL_LOOP (w->env.loop, w->last && w->last->inc.pid == pid
                               && w->last->nconsoles == 1
                               && w->last->monitor == MONITOR_UNIX);
  first = w->last->inc.start_time;
  assert_string_equal (w->last->inc.uuid, UUID);
  assert_string_equal (w->last->name, NAME);
  assert_int_equal (w->last->run, GUEST_RUNNING);
  assert_int_equal (w->last->memory_bytes, 64u << 20);
  assert_string_equal (w->last->monitor_path, NAME "/qmp");
  /* Its options name a channel of the agent, and it is not there. */
  assert_int_equal (w->last->agent, AGENT_NONE);
  assert_int_equal (w->last->consoles[0].mode, CONSOLE_PROBE);
  assert_int_equal (w->last->consoles[0].device, CONSOLE_DEV_MUX);
  assert_true (w->last->consoles[0].muxed);

  /* Its end is noticed though nothing in the folder changes. */
  end_qemu (pid);
  UNTIL_LOOP (w->env.loop, w->last->run == GUEST_OFF);
  assert_int_equal (w->last->inc.pid, 0);
  assert_string_equal (w->last->inc.uuid, UUID);
  /* What a QEMU that was asked to end would have removed is left. */
  assert_string_equal (w->last->reason, "crashed");
  snprintf (path, sizeof path, "%s/" NAME "/qmp", w->root);
  assert_int_equal (unlink (path), 0);
  put_file (w->root, NAME "/stir", "");
  UNTIL_LOOP (w->env.loop, strcmp (w->last->reason, "no-process") == 0);
  snprintf (path, sizeof path, "%s/" NAME, w->root);

  /* The same folder again. */
  put_socket (w, NAME, "qga.sock");
  pid = put_qemu (w, NAME, UUID);
  UNTIL_LOOP (w->env.loop, w->last->inc.pid == pid);
  assert_int_equal (w->last->agent, AGENT_UNIX);
  assert_string_equal (w->last->agent_path, NAME "/qga.sock");
  assert_string_equal (w->last->host, w->root);
  assert_true (w->last->inc.start_time >= first);
  end_qemu (pid);
  tmpdir_remove (path);
  UNTIL_LOOP (w->env.loop, w->gone == 1);
  assert_int_equal (w->added, 1);
  guest_source_rundir.describe (w->source, &line);
  assert_non_null (strstr (buf_str (&line), ": 0 guests"));
}

static void
believes_no_pid_file (void **state)
{
  struct world *w = *state;
  char text[16];
  pid_t pid;

  /* The number is ours, and we are no QEMU. */
  snprintf (text, sizeof text, "%d", (int) getpid ());
  put_file (w->root, NAME "/pid", text);
  start (w);
  UNTIL_LOOP (w->env.loop, w->added == 1);
  assert_int_equal (w->last->run, GUEST_OFF);
  /* A QEMU, but of another guest. */
  put_file (w->root, "other/x", "");
  pid = put_qemu (w, "other", "22222222-2222-4333-8444-555555555555");
  snprintf (text, sizeof text, "%d", (int) pid);
  put_file (w->root, NAME "/pid", text);
  UNTIL_LOOP (w->env.loop, w->added == 2);
  guest_source_rundir.refresh (w->source);
  for (unsigned i = 0; i < 5; i++)
    loop_round (w->env.loop, 100, NULL);
  assert_int_equal (w->reborn, 0);
  end_qemu (pid);
}

static void
finds_the_process_without_a_pid_file (void **state)
{
  struct world *w = *state;
  char path[300];
  pid_t pid;

  put_file (w->root, NAME "/x", "");
  pid = put_qemu (w, NAME, UUID);
  /* As if written in another pid namespace. */
  put_file (w->root, NAME "/pid", "1\n");
  start (w);
  UNTIL_LOOP (w->env.loop, w->last && w->last->inc.pid == pid);
  snprintf (path, sizeof path, "%s/" NAME "/pid", w->root);
  unlink (path);
  guest_source_rundir.refresh (w->source);
  for (unsigned i = 0; i < 5; i++)
    loop_round (w->env.loop, 100, NULL);
  assert_int_equal (w->last->inc.pid, pid);
  end_qemu (pid);
}

/* Any local user can start a process under a QEMU's name. */
static void
takes_no_look_alike (void **state)
{
  static const uid_t others[][2] = { { 12345, 12345 }, { 12345, 0 } };
  struct world *w = *state;
  char path[300], text[16];
  pid_t pid;

  if (geteuid () != 0)
    skip ();
  put_file (w->root, NAME "/x", "");
  put_file (w->root, NAME "/pid", "1\n");
  start (w);
  UNTIL_LOOP (w->env.loop, w->added == 1);
  for (unsigned i = 0; i < ARRAY_LEN (others); i++)
    {
      pid = put_look_alike (w, NAME, others[i][0], others[i][1]);
      guest_source_rundir.refresh (w->source);
      for (unsigned k = 0; k < 5; k++)
        loop_round (w->env.loop, 100, NULL);
      assert_int_equal (w->last->run, GUEST_OFF);
      /* Also when it got the number that a stale pid file has. */
      snprintf (text, sizeof text, "%d\n", (int) pid);
      put_file (w->root, NAME "/pid", text);
      guest_source_rundir.refresh (w->source);
      for (unsigned k = 0; k < 5; k++)
        loop_round (w->env.loop, 100, NULL);
      assert_int_equal (w->last->run, GUEST_OFF);
      end_qemu (pid);
    }
  /* Whose folder it is, that one's it may be. */
  snprintf (path, sizeof path, "%s/" NAME, w->root);
  assert_int_equal (chown (path, 12345, (gid_t) -1), 0);
  put_file (w->root, NAME "/pid", "1\n");
  pid = put_look_alike (w, NAME, 12345, 12345);
  guest_source_rundir.refresh (w->source);
  UNTIL_LOOP (w->env.loop, w->last->inc.pid == pid);
  end_qemu (pid);
}

static void
names_those_without_a_uuid (void **state)
{
  struct world *w = *state;
  char uuid[UUID_TEXT];
  pid_t pid;

  put_file (w->root, "plain/x", "");
  put_file (w->root, "empty-folder/x", "");
  put_file (w->root, "bad name/x", "");
  pid = put_qemu (w, "plain", NULL);
  start (w);
  UNTIL_LOOP (w->env.loop, w->added == 1);
  strcpy (uuid, w->last->inc.uuid);
  assert_int_equal (strlen (uuid), 36);
  assert_int_equal (uuid[14], '8');
  end_qemu (pid);
  UNTIL_LOOP (w->env.loop, w->last->run == GUEST_OFF);
  assert_string_equal (w->last->inc.uuid, uuid);
  assert_int_equal (registry_count (w->env.registry), 1);
}

struct twice
{
  unsigned n, running;
  char name[128], taken[128];
};

static void
on_double (const struct guest_double *d, void *arg)
{
  struct twice *t = arg;

  assert_string_equal (d->uuid, UUID);
  t->n++;
  t->running += d->running;
  snprintf (t->name, sizeof t->name, "%s", d->name);
  snprintf (t->taken, sizeof t->taken, "%s", d->taken);
}

static struct twice
doubles (struct world *w)
{
  struct twice t = { 0 };

  guest_source_rundir.doubles (w->source, on_double, &t);
  return t;
}

/* Somebody has copied a folder, and its uuid with it. */
static void
tells_of_a_uuid_that_is_claimed_twice (void **state)
{
  struct world *w = *state;
  struct buf line CLEANUP_BUF = BUF_INIT (512);
  pid_t first, second;

  put_file (w->root, "one/x", "");
  put_file (w->root, "two/x", "");
  first = put_qemu (w, "one", UUID);
  start (w);
  UNTIL_LOOP (w->env.loop, w->added == 1);
  assert_int_equal (doubles (w).n, 0);
  second = put_qemu (w, "two", UUID);
  UNTIL_LOOP (w->env.loop, (guest_source_rundir.refresh (w->source), true)
                               && doubles (w).n == 1);
  assert_int_equal (doubles (w).running, 1);
  assert_string_not_equal (doubles (w).name, doubles (w).taken);
  assert_string_equal (doubles (w).taken, w->last->name);
  guest_source_rundir.describe (w->source, &line);
  assert_non_null (strstr (buf_str (&line), ", 1 claimed twice"));
  assert_int_equal (registry_count (w->env.registry), 1);
  end_qemu (second);
  end_qemu (first);
}

static void
takes_the_running_one_of_two_versions (void **state)
{
  struct world *w = *state;
  pid_t pid;

  put_file (w->root, NAME "/pid", "999999999\n");
  put_file (w->root, NEXT "/x", "");
  pid = put_qemu (w, NEXT, UUID);
  start (w);
  UNTIL_LOOP (w->env.loop, w->added == 1);
  for (unsigned i = 0; i < 3; i++)
    {
      guest_source_rundir.refresh (w->source);
      UNTIL_LOOP (w->env.loop, w->last->inc.pid == pid);
    }
  assert_string_equal (w->last->name, NEXT);
  assert_int_equal (registry_count (w->env.registry), 1);
  assert_int_equal (w->reborn, 0);
  assert_string_equal (doubles (w).name, NAME);
  assert_int_equal (doubles (w).running, 0);
  end_qemu (pid);
}

static void
sees_a_stopped_process (void **state)
{
  struct world *w = *state;
  pid_t pid;

  put_file (w->root, NAME "/x", "");
  pid = put_qemu (w, NAME, UUID);
  start (w);
  UNTIL_LOOP (w->env.loop, w->last && w->last->inc.pid == pid);
  kill (pid, SIGSTOP);
  UNTIL_LOOP (w->env.loop, (guest_source_rundir.refresh (w->source), true)
                               && w->last->run == GUEST_PAUSED);
  assert_string_equal (w->last->reason, "process-stopped");
  end_qemu (pid);
}

static void
tells_eves_intent_before_the_end (void **state)
{
  struct world *w = *state;
  pid_t pid;

  put_file (w->eve, "domainmgr/DomainStatus/" UUID ".json",
            "{\"DisplayName\":\"shop\",\"State\":115}");
  put_file (w->root, NAME "/x", "");
  pid = put_qemu (w, NAME, UUID);
  start (w);
  UNTIL_LOOP (w->env.loop, w->last && w->last->inc.pid == pid);
  assert_string_equal (w->last->display, "shop");
  assert_int_equal (w->last->intent, INTENT_RUN);
  put_file (w->eve, "domainmgr/DomainStatus/" UUID ".json",
            "{\"DisplayName\":\"shop\",\"State\":118}");
  UNTIL_LOOP (w->env.loop, w->last->intent == INTENT_STOP);
  assert_int_equal (w->last->run, GUEST_STOPPING);
  assert_string_equal (w->last->intent_from, "DomainStatus.State=HALTING");
  end_qemu (pid);
  UNTIL_LOOP (w->env.loop, w->last->run == GUEST_OFF);
  assert_int_equal (w->last->intent, INTENT_STOP);
}

static void
outlives_a_root_that_is_not_there (void **state)
{
  struct world *w = *state;

  w->cfg.root = (char *) "/tmp/hd-rundir-that-never-was";
  start (w);
  UNTIL_LOOP (w->env.loop, guest_source_rundir.healthy (w->source));
  assert_int_equal (registry_count (w->env.registry), 0);
}

static void
can_be_stopped_while_it_looks (void **state)
{
  struct world *w = *state;

  put_file (w->root, NAME "/pid", "1\n");
  start (w);
  loop_round (w->env.loop, 0, NULL); /* the job is under way */
  guest_source_rundir.stop (w->source);
  w->source = NULL;
  for (unsigned i = 0; i < 5; i++)
    loop_round (w->env.loop, 50, NULL);
  assert_int_equal (w->added, 0);
}

static void
refuses_bad_settings (void **state)
{
  struct world *w = *state;
  struct error err = ERROR_INIT;

  w->cfg.monitor = (char *) "listener.qmp";
  assert_int_equal (
      guest_source_rundir.start (&w->env, &w->cfg, &w->source, &err), -EINVAL);
  w->cfg.monitor = (char *) "../qmp";
  assert_int_equal (
      guest_source_rundir.start (&w->env, &w->cfg, &w->source, &err), -EINVAL);
  w->cfg.monitor = NULL;
  w->cfg.root = (char *) "kvm";
  assert_int_equal (
      guest_source_rundir.start (&w->env, &w->cfg, &w->source, &err), -EINVAL);
  assert_null (w->source);
  assert_ptr_equal (guest_source_find ("rundir"), &guest_source_rundir);
  assert_null (guest_source_find ("xen"));
}

int
main (int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (follows_a_guest_through_its_life),
    T (believes_no_pid_file),
    T (finds_the_process_without_a_pid_file),
    T (takes_no_look_alike),
    T (names_those_without_a_uuid),
    T (tells_of_a_uuid_that_is_claimed_twice),
    T (takes_the_running_one_of_two_versions),
    T (sees_a_stopped_process),
    T (tells_eves_intent_before_the_end),
    T (outlives_a_root_that_is_not_there),
    T (can_be_stopped_while_it_looks),
    T (refuses_bad_settings),
  };
  int only;

  if (strstr (argv[0], "qemu-system-"))
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      for (;;)
        pause ();
    }
  /* All of this host's processes are looked at, also the QEMUs of this very
   * test in another build: one at a time. */
  only = open ("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  flock (only, LOCK_EX);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
