/* SPDX-License-Identifier: Apache-2.0
 *
 * An operator's program: whose it must be, what it is given, what becomes of
 * what it has started.  The real hangdog-exec, and shell scripts.
 */
#include "exec-bed.h"

static void
test_runs (void **state)
{
  static const char *const args[] = { "one", "two words", "$(id)", "*" };
  struct bed *b = *state;
  CLEANUP_JSON struct json_object *told = json_object_new_object ();
  struct exec_result r;

  json_add_str (told, "HANGDOG_GUEST", "app one");
  json_add_str (told, "LD_PRELOAD", "/tmp/evil.so");
  setenv ("SECRET", "of the daemon", 1);
  script (b, "args",
          "for a; do echo \"[$a]\"; done; pwd; env | sort | grep -v ^_=; "
          "readlink /proc/self/fd/0; echo bad >&2; exit 7");
  r = run_for (b, "args", args, 4, told, PATIENCE_MS);
  assert_int_equal (r.end, EXEC_EXITED);
  assert_int_equal (r.status, 7);
  assert_string_equal (
      buf_str (&r.output),
      "[one]\n[two words]\n[$(id)]\n[*]\n/\nHANGDOG_GUEST=app one\nLC_ALL=C\n"
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
      "PWD=/\n/dev/null\n");
  assert_string_equal (buf_str (&r.errors), "bad\n");
  assert_false (r.cut);
  assert_false (r.left);
  exec_result_done (&r);
}

/* Neither a gain of rights, nor descriptors of ours. */
static void
test_has_nothing (void **state)
{
  struct bed *b = *state;
  struct exec_result r;

  script (b, "rights",
          "grep -E '^(CapEff|CapPrm|CapAmb|NoNewPrivs):' /proc/self/status | "
          "tr -d '\\t\\n'; ls /proc/self/fd | wc -l | tr -d ' '");
  r = run (b, "rights");
  /* ls has one of its own. */
  assert_string_equal (buf_str (&r.output),
                       "CapPrm:0000000000000000CapEff:0000000000000000"
                       "CapAmb:0000000000000000NoNewPrivs:14\n");
  exec_result_done (&r);
}

static void
test_floods (void **state)
{
  struct bed *b = *state;
  struct exec_result r;

  script (b, "much", "head -c 3000000 /dev/zero | tr '\\0' x; "
                     "head -c 3000000 /dev/zero | tr '\\0' y >&2; exit 2");
  r = run (b, "much");
  assert_int_equal (r.end, EXEC_EXITED);
  assert_int_equal (r.status, 2);
  assert_true (r.cut);
  assert_int_equal (r.output.len, EXEC_MAX_OUTPUT);
  assert_int_equal (r.errors.len, EXEC_MAX_OUTPUT);
  exec_result_done (&r);
}

/* ---- who it has started ---- */

/* True when nobody of that number lives, but for one that waits to be
 * collected by who it never was a child of. */
static bool
is_dead (int pid)
{
  CLEANUP_CLOSE int fd = -1;
  char path[40], text[256] = "", *end;

  snprintf (path, sizeof path, "/proc/%d/stat", pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read (fd, text, sizeof text - 1) <= 0)
    return true;
  end = strrchr (text, ')');
  return !end || end[2] == 'Z' || end[2] == 'X';
}

/* The numbers that a script has written down, of so many processes. */
static void
assert_all_dead (const struct bed *b, int wanted)
{
  char path[200];
  FILE *f;
  int pid, n = 0;

  snprintf (path, sizeof path, "%s/pids", b->tmp.path);
  f = fopen (path, "r");
  assert_non_null (f);
  while (fscanf (f, "%d", &pid) == 1)
    {
      if (!is_dead (pid))
        {
          kill (pid, SIGKILL);
          fail_msg ("process %d lives on", pid);
        }
      n++;
    }
  fclose (f);
  assert_int_equal (n, wanted);
}

/* Three that have gone as far away as they can: out of the session, without a
 * parent, deaf to all signals.  It waits until they are there. */
#define RUN_AWAY                                                              \
  "away() { setsid sh -c 'trap \"\" HUP INT TERM USR1 QUIT; (trap \"\" HUP "  \
  "INT TERM; sh -c \"echo \\$\\$ >>%s/pids; exec sleep 1000\") & exit 0' "     \
  "</dev/null & }; away; away; away; "                                         \
  "while [ \"$(cat %s/pids 2>/dev/null | wc -l)\" -lt 3 ]; do sleep 0.02; "    \
  "done; "

static void
run_away (const struct bed *b, const char *name, const char *then)
{
  char text[2048];

  snprintf (text, sizeof text, RUN_AWAY "%s", b->tmp.path, b->tmp.path, then);
  script (b, name, text);
}

static void
test_ends_who_is_left (void **state)
{
  struct bed *b = *state;
  struct exec_result r;

  /* They hold its output, too. */
  run_away (b, "leaver", "echo done; exit 0");
  r = run (b, "leaver");
  assert_int_equal (r.end, EXEC_EXITED);
  assert_int_equal (r.status, 0);
  assert_string_equal (buf_str (&r.output), "done\n");
  assert_true (r.killed >= 3);
  assert_false (r.left);
  assert_all_dead (b, 3);
  exec_result_done (&r);
}

static void
test_ends_at_the_deadline (void **state)
{
  struct bed *b = *state;
  struct exec_result r;

  run_away (b, "late", "trap '' TERM; echo here; while :; do sleep 100; done");
  for (uint64_t ms = 2000;; ms *= 4)
    {
      char path[200];

      r = run_for (b, "late", NULL, 0, NULL, ms);
      assert_int_equal (r.end, EXEC_TIMEOUT);
      assert_false (r.left);
      /* A slow machine: it did not come as far. */
      if (r.output.len || ms > PATIENCE_MS)
        break;
      exec_result_done (&r);
      snprintf (path, sizeof path, "%s/pids", b->tmp.path);
      unlink (path);
    }
  assert_string_equal (buf_str (&r.output), "here\n");
  assert_all_dead (b, 3);
  exec_result_done (&r);
}

/* Whoever asked for it is gone in the middle. */
static void
test_ends_with_the_daemon (void **state)
{
  struct bed *b = *state;
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  struct json_object *dirs = json_object_new_array ();
  const struct helper_spec spec
      = { .libexec = b->libexec, .program = "hangdog-exec" };
  struct helper h = HELPER_INIT;
  struct stat st;
  char path[200];
  int status = -1;

  run_away (b, "orphan", "echo >$0.ready; while :; do sleep 100; done");
  snprintf (path, sizeof path, "%s/orphan.ready", b->dir);
  json_object_array_add (dirs, json_object_new_string (b->dir));
  json_add_str (head, "op", "run");
  json_object_object_add (head, "dirs", dirs);
  json_add_str (head, "name", "orphan");
  json_object_object_add (head, "args", json_object_new_array ());
  json_object_object_add (head, "environ", json_object_new_object ());
  json_add_int (head, "timeout_ms", 600000);
  assert_int_equal (helper_start (&spec, &h, NULL), 0);
  assert_int_equal (helper_say (&h, head, NULL, 0, NULL, 0,
                                clock_ms () + PATIENCE_MS, NULL),
                    0);
  while (stat (path, &st) < 0)
    poll (NULL, 0, 10);
  close (h.sock);
  h.sock = -1;
  assert_true (helper_wait (&h, clock_ms () + PATIENCE_MS, &status, NULL));
  assert_int_equal (status, 0);
  assert_all_dead (b, 3);
}

/* How many of those whose numbers are in that file live; ends them, or goes
 * on with them. */
static int
living (const struct bed *b, const char *file, int sig)
{
  char path[200];
  int pid, n = 0;
  FILE *f;

  snprintf (path, sizeof path, "%s/%s", b->tmp.path, file);
  f = fopen (path, "r");
  assert_non_null (f);
  while (fscanf (f, "%d", &pid) == 1)
    if (!is_dead (pid))
      {
        n++;
        if (sig)
          kill (pid, sig);
      }
  fclose (f);
  return n;
}

/* Whoever ends them is held up, so that the daemon gives it up and kills it:
 * they are ended all the same. */
static void
test_ends_though_given_up (void **state)
{
  struct bed *b = *state;
  struct exec_result r;
  char then[300], path[200];
  uint64_t until;

  snprintf (then, sizeof then,
            "echo $PPID >%s/asked; kill -STOP $PPID; sleep 1000", b->tmp.path);
  run_away (b, "holder", then);
  for (uint64_t ms = 2000;; ms *= 4)
    {
      r = run_for (b, "holder", NULL, 0, NULL, ms);
      exec_result_done (&r);
      if (r.end == EXEC_STUCK)
        break;
      /* A slow machine: it did not come as far. */
      assert_int_equal (r.end, EXEC_TIMEOUT);
      assert_true (ms < PATIENCE_MS);
      snprintf (path, sizeof path, "%s/pids", b->tmp.path);
      unlink (path);
    }
  (void) living (b, "asked", SIGCONT);
  for (until = clock_ms () + PATIENCE_MS; living (b, "pids", 0);)
    {
      if (clock_ms () >= until)
        fail_msg ("%d live on", living (b, "pids", SIGKILL));
      poll (NULL, 0, 10);
    }
}

/* ---- whose it is ---- */

static void
assert_unusable (const struct bed *b, const char *name, const char *says)
{
  struct exec_result r = run (b, name);

  assert_int_equal (r.end, EXEC_UNUSABLE);
  if (!strstr (r.detail, says))
    fail_msg ("%s: %s, and not %s", name, r.detail, says);
  exec_result_done (&r);
}

static void
test_refuses (void **state)
{
  struct bed *b = *state;
  char path[256], to[256];

  script (b, "good", "exit 0");
  assert_unusable (b, "missing", "no program missing");
  assert_unusable (b, "../exec.d/good", "no name of a program");
  assert_unusable (b, "/bin/true", "no name of a program");
  assert_unusable (b, ".", "no name of a program");
  snprintf (path, sizeof path, "%s/link", b->dir);
  assert_int_equal (symlink ("/bin/true", path), 0);
  assert_unusable (b, "link", "is a link");
  snprintf (path, sizeof path, "%s/fifo", b->dir);
  assert_int_equal (mkfifo (path, 0755), 0);
  assert_unusable (b, "fifo", "is no file");
  snprintf (path, sizeof path, "%s/good", b->dir);
  assert_int_equal (chmod (path, 0644), 0);
  assert_unusable (b, "good", "not executable");
  assert_int_equal (chmod (path, 0775), 0);
  assert_unusable (b, "good", "may be written to by others (mode 0775): chmod");
  assert_int_equal (chmod (path, 0757), 0);
  assert_unusable (b, "good", "may be written to by others");
  assert_int_equal (chmod (path, 0755), 0);
  assert_int_equal (chmod (b->dir, 0777), 0);
  assert_unusable (b, "good", "exec.d may be written to by others");
  /* Sticky: what is there is safe, but others may add to it. */
  assert_int_equal (chmod (b->dir, 01777), 0);
  assert_unusable (b, "good", "exec.d may be written to by others");
  assert_int_equal (chmod (b->dir, 0755), 0);
  assert_int_equal (chmod (b->tmp.path, 0777), 0);
  assert_unusable (b, "good", "may be written to by others");
  assert_int_equal (chmod (b->tmp.path, 0700), 0);
  /* A folder by a link is where that leads to. */
  snprintf (to, sizeof to, "%s/other", b->tmp.path);
  assert_int_equal (symlink (b->dir, to), 0);
  b->dirs[1] = to;
  {
    struct exec_result r = run (b, "good");

    assert_int_equal (r.end, EXEC_EXITED);
    exec_result_done (&r);
  }
}

static void
test_cannot_start (void **state)
{
  struct bed *b = *state;

  assert_int_equal (tmpdir_put (b->tmp.fd, "exec.d/garbage", "\177ELFxx", 6),
                    0);
  assert_int_equal (fchmodat (b->tmp.fd, "exec.d/garbage", 0755, 0), 0);
  assert_unusable (b, "garbage", "can't be started");
  b->dirs[1] = NULL;
  assert_unusable (b, "garbage", "no program garbage");
}

static void
test_dies (void **state)
{
  struct bed *b = *state;
  struct exec_result r;

  script (b, "dier", "echo before; kill -SEGV $$");
  r = run (b, "dier");
  assert_int_equal (r.end, EXEC_SIGNAL);
  assert_int_equal (r.status, SIGSEGV);
  assert_string_equal (buf_str (&r.output), "before\n");
  exec_result_done (&r);
}

int
main (void)
{
#define T(t) cmocka_unit_test_setup_teardown (t, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (test_runs),
    T (test_has_nothing),
    T (test_floods),
    T (test_ends_who_is_left),
    T (test_ends_at_the_deadline),
    T (test_ends_with_the_daemon),
    T (test_ends_though_given_up),
    T (test_refuses),
    T (test_cannot_start),
    T (test_dies),
  };

  return cmocka_run_group_tests_name ("exec", tests, NULL, NULL);
}
