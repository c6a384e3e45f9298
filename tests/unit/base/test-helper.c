/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of our own: what they are given, what is believed of what they
 * say, and that each is ended.
 */
#include "helper-bed.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* For what is waited for and does not come. */
#define SHORT_MS 50

extern char **environ;

/* ---- the programme ---- */

/* As often as it is asked: its words, what it was sent with the question, and
 * how long the question's body was. */
static int
do_echo (char **words)
{
  for (;;)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      struct json_object *head = json_object_new_object ();
      char c[2] = "";

      if (frame_read (HELPER_CHANNEL, &f, CLOCK_NEVER, NULL) < 0)
        {
          json_object_put (head);
          return 0;
        }
      json_add_str (head, "op", json_get_str (f.head, "op"));
      json_add_str (head, "word", words[0]);
      json_add_int (head, "len", (int64_t) f.body_len);
      if (f.nfds == 1 && pread (f.fds[0], c, 1, 0) == 1)
        json_add_str (head, "read", c);
      if (say (head))
        return 1;
    }
}

/* What the numbers behind the channel are; and how many of all numbers are one
 * of them. */
static int
do_fds (char **words)
{
  struct json_object *head = json_object_new_object ();
  struct stat is[3], st;
  char text[4] = "";
  int64_t n = 0;

  (void) words;
  for (int i = 0; i < 3; i++)
    if (pread (HELPER_CHANNEL + 1 + i, text + i, 1, 0) != 1
        || fstat (HELPER_CHANNEL + 1 + i, &is[i]) < 0)
      return 1;
  for (int fd = 0; fd < 256; fd++)
    for (int i = 0; i < 3; i++)
      if (fstat (fd, &st) == 0 && st.st_dev == is[i].st_dev
          && st.st_ino == is[i].st_ino)
        n++;
  json_add_str (head, "text", text);
  json_add_int (head, "n", n);
  return say (head);
}

static int
do_environ (char **words)
{
  struct json_object *head = json_object_new_object ();
  int64_t n = 0;

  (void) words;
  while (environ[n])
    n++;
  json_add_int (head, "n", n);
  json_add_str (head, "first", n ? environ[0] : NULL);
  json_add_str (head, "mark", getenv ("HELPER_MARK"));
  return say (head);
}

/* Ready, and then nothing, whatever is asked of it. */
static int
do_stubborn (char **words)
{
  struct json_object *head = json_object_new_object ();

  (void) words;
  for (int s = 1; s < 32; s++)
    signal (s, SIG_IGN);
  if (say (head))
    return 1;
  while (pause () < 0)
    ;
  return 0;
}

static int
do_garbage (char **words)
{
  static const char junk[] = "HTTP/1.1 200 OK\r\n\r\n\0\0\0\0\0\0\0\0\0\0";

  (void) words;
  return write (HELPER_CHANNEL, junk, sizeof junk) > 0 ? 0 : 1;
}

/* The beginning of a frame. */
static int
do_half (char **words)
{
  (void) words;
  return write (HELPER_CHANNEL, "HDF1\4\0", 6) == 6 ? 0 : 1;
}

static int
do_gone (char **words)
{
  (void) words;
  return 3;
}

static int
do_alarm (char **words)
{
  (void) words;
  alarm (1);
  pause ();
  return 0;
}

static const struct mode modes[] = {
  { "echo", do_echo },
  { "fds", do_fds },
  { "environ", do_environ },
  { "stubborn", do_stubborn },
  { "garbage", do_garbage },
  { "half", do_half },
  { "gone", do_gone },
  { "alarm", do_alarm },
};

/* ---- the tests ---- */

static void
ask (struct helper *h, const char *op, size_t len, int fd)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  char body[16] = "";

  json_add_str (head, "op", op);
  assert_int_equal (helper_say (h, head, body, len, &fd, fd >= 0,
                                clock_ms () + PATIENCE_MS, NULL),
                    0);
}

static void
test_asks_and_hears (void **state)
{
  struct place *p = *state;
  struct helper h = start (p, "echo", "a word; $(and) more");

  for (int i = 0; i < 2; i++)
    {
      CLEANUP_JSON struct json_object *head = NULL;

      ask (&h, i ? "two" : "one", (size_t) i * 7, i ? p->inputs[2] : -1);
      head = heard (&h);
      assert_string_equal (json_get_str (head, "op"), i ? "two" : "one");
      assert_string_equal (json_get_str (head, "word"), "a word; $(and) more");
      assert_int_equal (json_get_int (head, "len", -1), i * 7);
      if (i)
        assert_string_equal (json_get_str (head, "read"), "C");
      else
        assert_null (json_get_str (head, "read"));
    }
  assert_true (helper_end (&h));
  assert_int_equal (h.pid, 0);
  assert_int_equal (h.sock, -1);
  /* It, and one that never was. */
  assert_true (helper_end (&h));
}

/* 3, 4 and 5 are what the process gets its own as: whoever moves them one
 * after another overwrites what is still to be moved. */
static void
test_fds_that_cross (void **state)
{
  static const int order[] = { 5, 3, 4 };
  struct place *p = *state;
  CLEANUP_JSON struct json_object *head = NULL;
  struct helper h;
  int kept[3];

  for (int i = 0; i < 3; i++)
    kept[i] = fcntl (3 + i, F_DUPFD_CLOEXEC, 100);
  /* By way of others, for the inputs may be 3, 4 and 5 themselves. */
  for (int i = 0; i < 3; i++)
    {
      int far = fcntl (p->inputs[i], F_DUPFD_CLOEXEC, 110 + i);

      close (p->inputs[i]);
      p->inputs[i] = far;
    }
  for (int i = 0; i < 3; i++)
    assert_int_equal (dup3 (p->inputs[i], 3 + i, O_CLOEXEC), 3 + i);
  h = start_with (p, "fds", NULL,
                  (struct helper_spec){ .fds = order, .nfds = 3 });
  head = heard (&h);
  assert_true (helper_end (&h));
  for (int i = 0; i < 3; i++)
    {
      if (kept[i] >= 0)
        dup2 (kept[i], 3 + i);
      else
        close (3 + i);
      close (kept[i]);
    }
  assert_string_equal (json_get_str (head, "text"), "CAB");
  assert_int_equal (json_get_int (head, "n", 0), 3);
}

static void
test_environ (void **state)
{
  setenv ("HELPER_MARK", "here", 1);
  for (int ours = 0; ours < 2; ours++)
    {
      struct helper h = start_with (
          *state, "environ", NULL, (struct helper_spec){ .environ = ours });
      CLEANUP_JSON struct json_object *head = heard (&h);

      assert_true (helper_end (&h));
      if (ours)
        {
          assert_string_equal (json_get_str (head, "mark"), "here");
          continue;
        }
      assert_null (json_get_str (head, "mark"));
      assert_int_equal (json_get_int (head, "n", -1), 1);
      assert_string_equal (json_get_str (head, "first"), "LC_ALL=C");
    }
}

/* One that says nothing in time, and goes by no signal but the last. */
static void
test_stubborn (void **state)
{
  struct helper h = start (*state, "stubborn", NULL);
  CLEANUP_JSON struct json_object *ready = heard (&h);
  CLEANUP_FRAME struct frame f = { 0 };
  struct rusage usage = { .ru_maxrss = -5 };
  int status = -7;
  pid_t pid = h.pid;

  assert_non_null (ready);
  kill (pid, SIGTERM);
  kill (pid, SIGHUP);
  assert_int_equal (helper_hear (&h, &f, clock_ms () + SHORT_MS, NULL),
                    -ETIMEDOUT);
  assert_false (helper_wait (&h, clock_ms () + SHORT_MS, &status, &usage));
  assert_int_equal (status, -7);
  assert_int_equal (usage.ru_maxrss, -5);
  assert_int_equal (h.pid, pid);
  assert_true (helper_end (&h));
  /* Collected, too: nobody of that number is ours. */
  assert_int_equal (waitpid (pid, &status, WNOHANG), -1);
}

static void
test_garbage (void **state)
{
  static const char *const bad[] = { "garbage", "half" };

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      struct helper h = start (*state, bad[i], NULL);
      CLEANUP_FRAME struct frame f = { 0 };
      struct error err = ERROR_INIT;

      assert_int_equal (
          helper_hear (&h, &f, clock_ms () + PATIENCE_MS, &err), -EPROTO);
      assert_true (helper_end (&h));
    }
}

static void
test_ends_early (void **state)
{
  struct helper h = start (*state, "gone", NULL);
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  CLEANUP_FRAME struct frame f = { 0 };
  struct error err = ERROR_INIT;
  struct rusage usage;
  char text[64];
  int status = -7;

  assert_int_equal (helper_hear (&h, &f, clock_ms () + PATIENCE_MS, &err),
                    -EPIPE);
  assert_true (
      helper_wait (&h, clock_ms () + PATIENCE_MS, &status, &usage));
  assert_true (WIFEXITED (status));
  assert_int_equal (WEXITSTATUS (status), 3);
  assert_int_equal (h.pid, 0);
  assert_true (h.sock >= 0);
  assert_int_equal (helper_say (&h, head, NULL, 0, NULL, 0,
                                clock_ms () + PATIENCE_MS, NULL),
                    -EPIPE);
  assert_true (helper_ended_text (-EPIPE, "hangdog-x", text, sizeof text));
  assert_string_equal (text, "hangdog-x ended without an answer");
  assert_true (helper_ended_text (-ETIMEDOUT, "hangdog-x", text, sizeof text));
  assert_string_equal (text, "hangdog-x did not come back in time");
  assert_false (helper_ended_text (-EBADMSG, "hangdog-x", text, sizeof text));
  assert_int_equal (helper_lies ("hangdog-x", &err), -EBADMSG);
  assert_true (helper_end (&h));
}

/* Whoever collects all children of the process may have been first. */
static void
test_collected_by_others (void **state)
{
  struct helper h = start (*state, "gone", NULL);
  struct rusage usage;
  int status = 0;

  assert_int_equal (waitpid (h.pid, &status, 0), h.pid);
  assert_true (
      helper_wait (&h, clock_ms () + PATIENCE_MS, &status, &usage));
  assert_int_equal (status, -1);
  assert_true (helper_end (&h));
}

/* From a job's thread, which blocks all signals: its alarm must ring. */
static void *
in_a_job (void *arg)
{
  struct helper h;
  struct rusage usage;
  static int status;
  sigset_t set;

  sigfillset (&set);
  pthread_sigmask (SIG_SETMASK, &set, NULL);
  h = start (arg, "alarm", NULL);
  status = 0;
  helper_wait (&h, clock_ms () + PATIENCE_MS, &status, &usage);
  helper_end (&h);
  return &status;
}

static void
test_signals_reach_it (void **state)
{
  pthread_t thread;
  void *status;

  assert_int_equal (pthread_create (&thread, NULL, in_a_job, *state), 0);
  pthread_join (thread, &status);
  assert_true (WIFSIGNALED (*(int *) status));
  assert_int_equal (WTERMSIG (*(int *) status), SIGALRM);
}

static void
test_cannot_start (void **state)
{
  struct place *p = *state;
  const char *many[40];
  int fds[HELPER_MAX_FDS + 1];
  struct helper h = HELPER_INIT;
  struct helper_spec spec
      = { .libexec = p->tmp.path, .program = "no-such" };

  assert_int_equal (helper_start (&spec, &h, NULL), -ENOEXEC);
  spec.program = PROGRAM;
  for (size_t i = 0; i < ARRAY_LEN (many) - 1; i++)
    many[i] = "word";
  many[ARRAY_LEN (many) - 1] = NULL;
  spec.args = many;
  assert_int_equal (helper_start (&spec, &h, NULL), -E2BIG);
  spec.args = NULL;
  for (size_t i = 0; i < ARRAY_LEN (fds); i++)
    fds[i] = p->inputs[0];
  spec.fds = fds;
  spec.nfds = ARRAY_LEN (fds);
  assert_int_equal (helper_start (&spec, &h, NULL), -EINVAL);
  spec.nfds = 1;
  fds[0] = -1;
  assert_int_equal (helper_start (&spec, &h, NULL), -EBADF);
  assert_int_equal (h.pid, 0);
  assert_int_equal (h.sock, -1);
}

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    TEST (test_asks_and_hears),
    TEST (test_fds_that_cross),
    TEST (test_environ),
    TEST (test_stubborn),
    TEST (test_garbage),
    TEST (test_ends_early),
    TEST (test_collected_by_others),
    TEST (test_signals_reach_it),
    TEST (test_cannot_start),
  };

  if (is_helper (argc, argv))
    return be_helper (argv, modes, ARRAY_LEN (modes));
  return cmocka_run_group_tests_name ("helper", tests, NULL, NULL);
}
