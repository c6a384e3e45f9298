/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's helpers: what they open arrives, what can't be opened is said,
 * and one that is stuck (here: stopped) holds up nobody but its own folder.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/opener.h"
#include "supervisor/keeper/openers.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/until.h"

#define PATIENCE_MS UNTIL_MS

struct world
{
  struct loop *loop;
  struct openers *openers;
  struct tmpdir tmp;
  unsigned told_stuck, told_well;
  char folder[256];
};

struct result
{
  bool done;
  int fd, code;
  uint64_t at_ms;
};

static void
on_stuck (const char *folder, bool stuck, uint64_t since_ms, void *arg)
{
  struct world *w = arg;

  if (stuck)
    w->told_stuck++;
  else
    w->told_well++;
  snprintf (w->folder, sizeof w->folder, "%s", folder);
}

static void
on_done (int fd, int lock, const struct error *err, void *arg)
{
  struct result *r = arg;

  assert_false (r->done);
  assert_int_equal (lock, -1);
  r->done = true;
  r->fd = fd;
  r->code = err ? err->code : 0;
  r->at_ms = clock_ms ();
}

static void
ask (struct world *w, const char *path, struct result *r)
{
  struct open_req req = { .kind = OPEN_FILE, .root = w->tmp.path, .path = path };

  *r = (struct result){ .fd = -1 };
  openers_ask (w->openers, &req, on_done, r);
}

static void
await (struct world *w, const struct result *r)
{
  UNTIL_LOOP (w->loop, r->done);
}

static void
put (struct world *w, const char *name)
{
  assert_int_equal (tmpdir_put (w->tmp.fd, name, name, strlen (name)), 0);
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);
  struct error err = ERROR_INIT;

  assert_int_equal (tmpdir_make (&w->tmp), 0);
  assert_int_equal (mkdirat (w->tmp.fd, "a", 0700), 0);
  assert_int_equal (mkdirat (w->tmp.fd, "b", 0700), 0);
  put (w, "a/one");
  put (w, "a/two");
  put (w, "b/one");
  assert_int_equal (loop_new (&w->loop, &err), 0);
  assert_int_equal (openers_new (w->loop, on_stuck, w, &w->openers, &err), 0);
  *state = w;
  return 0;
}

/* Those who are stuck wait for ever. */
static void
kill_children (void)
{
  char path[64], text[1024] = "", *at = text, *end;
  long pid;
  FILE *f;

  snprintf (path, sizeof path, "/proc/self/task/%d/children",
            (int) getpid ());
  f = fopen (path, "re");
  assert_non_null (f);
  if (!fgets (text, sizeof text, f))
    text[0] = '\0';
  fclose (f);
  for (; (pid = strtol (at, &end, 10)) > 0; at = end)
    kill ((pid_t) pid, SIGKILL);
}

static int
teardown (void **state)
{
  struct world *w = *state;

  openers_free (w->openers);
  loop_free (w->loop);
  kill_children ();
  while (waitpid (-1, NULL, 0) > 0)
    ;
  tmpdir_done (&w->tmp);
  free (w);
  return 0;
}

static void
check_content (struct result *r, const char *want)
{
  char got[16] = "";

  assert_int_equal (r->code, 0);
  assert_true (r->fd >= 0);
  assert_int_equal (read (r->fd, got, sizeof got - 1), (int) strlen (want));
  assert_string_equal (got, want);
  close (r->fd);
}

/* The only child so far. */
static pid_t
only_helper (void)
{
  char path[64], text[64] = "";
  FILE *f;

  snprintf (path, sizeof path, "/proc/self/task/%d/children",
            (int) getpid ());
  f = fopen (path, "re");
  assert_non_null (f);
  assert_non_null (fgets (text, sizeof text, f));
  fclose (f);
  return (pid_t) strtol (text, NULL, 10);
}

static void
opens_and_refuses (void **state)
{
  struct world *w = *state;
  struct result good, missing, out;

  ask (w, "a/one", &good);
  ask (w, "a/none", &missing);
  ask (w, "../etc/passwd", &out);
  await (w, &good);
  await (w, &missing);
  await (w, &out);
  check_content (&good, "a/one");
  assert_int_equal (missing.code, ENOENT);
  assert_int_equal (out.code, EINVAL);
  assert_int_equal (w->told_stuck, 0);
}

static void
many_at_once (void **state)
{
  struct world *w = *state;
  struct result r[200];

  for (unsigned i = 0; i < 200; i++)
    ask (w, i % 2 ? "a/one" : "b/one", &r[i]);
  for (unsigned i = 0; i < 200; i++)
    {
      await (w, &r[i]);
      check_content (&r[i], i % 2 ? "a/one" : "b/one");
    }
}

static void
a_stuck_one_holds_up_nobody_else (void **state)
{
  struct world *w = *state;
  struct result first, stuck, other, again, file;
  uint64_t began;
  pid_t helper;

  ask (w, "a/one", &first);
  await (w, &first);
  check_content (&first, "a/one");
  helper = only_helper ();
  kill (helper, SIGSTOP);

  began = clock_ms ();
  ask (w, "a/one", &stuck);
  ask (w, "b/one", &other);
  await (w, &other);
  check_content (&other, "b/one");
  await (w, &stuck);
  assert_int_equal (stuck.code, ETIMEDOUT);
  assert_in_range (stuck.at_ms - began, OPENERS_SLOW_MS, UNTIL_MS);
  assert_int_equal (w->told_stuck, 1);
  assert_non_null (strstr (w->folder, "/a"));
  openers_tell_stuck (w->openers);
  assert_int_equal (w->told_stuck, 2);

  /* The same again is refused at once; another file there is tried. */
  ask (w, "a/one", &again);
  assert_true (again.done);
  assert_int_equal (again.code, ETIMEDOUT);
  ask (w, "a/two", &file);
  await (w, &file);
  check_content (&file, "a/two");

  kill (helper, SIGCONT);
  began = clock_ms ();
  while (!w->told_well && clock_ms () - began < PATIENCE_MS)
    loop_round (w->loop, 100, NULL);
  assert_int_equal (w->told_well, 1);
  ask (w, "a/one", &again);
  await (w, &again);
  check_content (&again, "a/one");
}

static void
a_killed_one_is_replaced (void **state)
{
  struct world *w = *state;
  struct result r;

  ask (w, "a/one", &r);
  await (w, &r);
  check_content (&r, "a/one");
  kill (only_helper (), SIGSTOP);
  ask (w, "a/one", &r);
  kill (only_helper (), SIGKILL);
  await (w, &r);
  assert_int_equal (r.code, ECANCELED);
  ask (w, "a/one", &r);
  await (w, &r);
  check_content (&r, "a/one");
}

static void
the_end_answers_all (void **state)
{
  struct world *w = *state;
  struct result r[50];

  for (unsigned i = 0; i < 50; i++)
    ask (w, "a/one", &r[i]);
  openers_free (w->openers);
  w->openers = NULL;
  for (unsigned i = 0; i < 50; i++)
    {
      assert_true (r[i].done);
      if (r[i].fd >= 0)
        close (r[i].fd);
    }
}

/* ---- mailboxes on storage that is dead ---- */

int __real_opener_do (const struct open_req *, int *, int *, struct error *);
int __wrap_opener_do (const struct open_req *, int *, int *, struct error *);

/* In the helpers, which are forks of this. */
int
__wrap_opener_do (const struct open_req *req, int *ret_fd, int *ret_lock,
                  struct error *err)
{
  while (req->kind == OPEN_MAILBOX
         || (req->kind == OPEN_HEALTH && strncmp (req->path, "8:", 2) == 0)
         || (req->kind == OPEN_PROC && strstr (req->path, "/fd/1")))
    pause ();
  return __real_opener_do (req, ret_fd, ret_lock, err);
}

static void
ask_mailbox (struct world *w, const char *root, const char *path,
             struct result *r)
{
  struct open_req req = { .kind = OPEN_MAILBOX, .root = root, .path = path };

  *r = (struct result){ .fd = -1 };
  openers_ask (w->openers, &req, on_done, r);
}

/* n guests with one each, in so many folders: all else is opened as before. */
static void
stuck_mailboxes (struct world *w, unsigned n, unsigned folders)
{
  char root[300], path[32];
  struct result r[64], file;

  assert_true (n <= 64);
  for (unsigned i = 0; i < n; i++)
    {
      snprintf (root, sizeof root, "%s/boxes%u", w->tmp.path, i % folders);
      snprintf (path, sizeof path, "guest%u.mailbox", i);
      ask_mailbox (w, root, path, &r[i]);
    }
  for (unsigned i = 0; i < n; i++)
    {
      await (w, &r[i]);
      assert_int_equal (r[i].code, ETIMEDOUT);
    }
  assert_non_null (strstr (w->folder, "(mailboxes)"));
  ask (w, "a/one", &file);
  await (w, &file);
  check_content (&file, "a/one");
}

static void
dead_mailboxes_stop_nobody_else (void **state)
{
  stuck_mailboxes (*state, OPENERS_MAX, 1);
}

static void
nor_those_of_many_folders (void **state)
{
  stuck_mailboxes (*state, 3 * OPENERS_MAX, OPENERS_MAX);
}

static void
ask_health (struct world *w, const char *number, struct result *r)
{
  const struct open_req req
      = { .kind = OPEN_HEALTH, .root = "/dev/block", .path = number };

  *r = (struct result){ .fd = -1 };
  openers_ask (w->openers, &req, on_done, r);
}

static void
ask_dead (struct world *w, unsigned n, struct result *r)
{
  char number[16];

  snprintf (number, sizeof number, "8:%u", 16 * n);
  ask_health (w, number, r);
}

/* Disks that are dead, asked how they are: another one is asked, and answers;
 * but no more than a few processes are left to them. */
static void
dead_disks_stop_nobody_else (void **state)
{
  struct world *w = *state;
  struct result r[8], other, file;

  for (unsigned i = 0; i < OPENERS_OF_HEALTH - 1; i++)
    {
      ask_dead (w, i, &r[i]);
      await (w, &r[i]);
      assert_int_equal (r[i].code, ETIMEDOUT);
    }
  assert_non_null (strstr (w->folder, "/dev/block/8:"));
  assert_non_null (strstr (w->folder, "(health)"));
  ask_health (w, "4095:4095", &other);
  await (w, &other);
  assert_int_equal (other.code, ENODEV);
  for (unsigned i = 0; i < 8; i++)
    ask_dead (w, i, &r[i]);
  ask (w, "a/one", &file);
  await (w, &file);
  check_content (&file, "a/one");
  for (unsigned i = 0; i < 8; i++)
    {
      await (w, &r[i]);
      assert_int_equal (r[i].code, ETIMEDOUT);
    }
  ask_health (w, "4095:4095", &other);
  await (w, &other);
  assert_int_equal (other.code, ETIMEDOUT);
}

/* ---- files that a QEMU has open ---- */

static void
ask_image (struct world *w, const char *what, struct result *r)
{
  char path[40];
  struct open_req req = { .kind = OPEN_PROC, .root = "/proc", .path = path,
                          .check_pid = getpid () };

  snprintf (path, sizeof path, "%d/%s", (int) getpid (), what);
  assert_int_equal (proc_start_time (getpid (), &req.check_start, NULL), 0);
  *r = (struct result){ .fd = -1 };
  openers_ask (w->openers, &req, on_done, r);
}

/* Those on dead storage say nothing of another, nor of their QEMU; and of how
 * many there may be it is said, and no file called late by it. */
static void
dead_images_stop_nobody_else (void **state)
{
  static const char *const dead[OPENERS_OF_IMAGES]
      = { "fd/100", "fd/101", "fd/102", "fd/103" };
  struct world *w = *state;
  struct result r[OPENERS_OF_IMAGES], other;

  for (unsigned i = 0; i < OPENERS_OF_IMAGES - 1; i++)
    ask_image (w, dead[i], &r[i]);
  for (unsigned i = 0; i < OPENERS_OF_IMAGES - 1; i++)
    {
      await (w, &r[i]);
      assert_int_equal (r[i].code, ETIMEDOUT);
    }
  ask_image (w, "fd/0", &other);
  await (w, &other);
  assert_int_not_equal (other.code, ETIMEDOUT);
  assert_int_not_equal (other.code, EAGAIN);
  ask_image (w, dead[OPENERS_OF_IMAGES - 1], &r[OPENERS_OF_IMAGES - 1]);
  await (w, &r[OPENERS_OF_IMAGES - 1]);
  ask_image (w, "fd/0", &other);
  await (w, &other);
  assert_int_equal (other.code, EAGAIN);
  ask_image (w, dead[0], &other);
  await (w, &other);
  assert_int_equal (other.code, ETIMEDOUT);
  ask_image (w, "status", &other);
  await (w, &other);
  assert_int_equal (other.code, 0);
  close (other.fd);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (opens_and_refuses, setup, teardown),
    cmocka_unit_test_setup_teardown (many_at_once, setup, teardown),
    cmocka_unit_test_setup_teardown (a_stuck_one_holds_up_nobody_else, setup,
                                     teardown),
    cmocka_unit_test_setup_teardown (a_killed_one_is_replaced, setup,
                                     teardown),
    cmocka_unit_test_setup_teardown (the_end_answers_all, setup, teardown),
    cmocka_unit_test_setup_teardown (dead_mailboxes_stop_nobody_else, setup,
                                     teardown),
    cmocka_unit_test_setup_teardown (nor_those_of_many_folders, setup,
                                     teardown),
    cmocka_unit_test_setup_teardown (dead_images_stop_nobody_else, setup,
                                     teardown),
    cmocka_unit_test_setup_teardown (dead_disks_stop_nobody_else, setup,
                                     teardown),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
