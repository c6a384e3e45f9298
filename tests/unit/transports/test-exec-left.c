/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator's program leaves in its folder: what is taken of it, what
 * is not, and that the folder is gone, whoever was killed.  The real
 * hangdog-exec, and shell scripts.
 */
#include "exec-bed.h"

#include <dirent.h>

struct taken
{
  struct buf names, gaps, first; /* first: what is in the first file */
  size_t bytes;
  unsigned n;
  char last[300];
};

static void
piece (void *arg, const char *name, const void *data, size_t len)
{
  struct taken *t = arg;

  if (strcmp (t->last, name) != 0)
    {
      t->n++;
      buf_printf (&t->names, "%s\n", name);
      snprintf (t->last, sizeof t->last, "%s", name);
    }
  if (t->n == 1)
    buf_append (&t->first, data, len);
  t->bytes += len;
}

static void
gap (void *arg, const char *name, const char *why)
{
  struct taken *t = arg;

  buf_printf (&t->gaps, "%s: %s\n", name, why);
}

static enum exec_end
leave (const struct bed *b, const char *name, const char *body, uint64_t ms,
       struct taken *t)
{
  CLEANUP_JSON struct json_object *none = json_object_new_object ();
  const struct exec_left left = { .piece = piece, .gap = gap, .arg = t };
  const struct exec_program program
      = { .name = name, .environ = none, .left = &left };
  struct error err = ERROR_INIT;
  struct exec_result r;

  *t = (struct taken){ .names = BUF_INIT (65536),
                       .gaps = BUF_INIT (65536),
                       .first = BUF_INIT (8u << 20) };
  script (b, name, body);
  if (exec_run (&b->env, &program, clock_ms () + ms, &r, &err) < 0)
    fail_msg ("%s", error_text (&err));
  if (r.errors.len || r.detail[0])
    print_message ("%s: %s%s\n", name, r.detail, buf_str (&r.errors));
  exec_result_done (&r);
  return r.end;
}

static void
taken_done (struct taken *t)
{
  buf_done (&t->names);
  buf_done (&t->gaps);
  buf_done (&t->first);
}

/* How many folders of programs there are. */
static unsigned
folders (const struct bed *b)
{
  DIR *dir = opendir (b->base);
  struct dirent *e;
  unsigned n = 0;

  assert_non_null (dir);
  while ((e = readdir (dir)))
    n += e->d_name[0] != '.';
  closedir (dir);
  return n;
}

/* He who removes it is not waited for. */
static void
until_folders (const struct bed *b, unsigned wanted)
{
  uint64_t until = clock_ms () + PATIENCE_MS;

  while (folders (b) != wanted)
    {
      if (clock_ms () >= until)
        fail_msg ("%u folders, not %u", folders (b), wanted);
      poll (NULL, 0, 5);
    }
}

static void
test_leaves (void **state)
{
  struct bed *b = *state;
  struct taken t;

  assert_int_equal (
      leave (b, "two",
             "test \"$(ls -A $HANGDOG_OUTPUT)\" = '' && cd $HANGDOG_OUTPUT && "
             "stat -c %a . >a; printf 'x\\0y' >b.bin",
             PATIENCE_MS, &t),
      EXEC_EXITED);
  assert_string_equal (buf_str (&t.names), "a\nb.bin\n");
  assert_string_equal (buf_str (&t.first), "700\n");
  assert_int_equal (t.bytes, 4 + 3);
  assert_string_equal (buf_str (&t.gaps), "");
  until_folders (b, 0);
  taken_done (&t);
  /* Late, and ended: what is there is good. */
  assert_int_equal (leave (b, "late", "echo 1 >$HANGDOG_OUTPUT/a; sleep 1000",
                           2000, &t),
                    EXEC_TIMEOUT);
  assert_string_equal (buf_str (&t.first), "1\n");
  until_folders (b, 0);
  taken_done (&t);
}

/* Nothing but plain files, and those that it has itself. */
static void
test_leaves_odd_things (void **state)
{
  struct bed *b = *state;
  struct taken t;

  leave (b, "odd",
         "cd $HANGDOG_OUTPUT; ln -s /etc/passwd 1link; mkfifo 2fifo; "
         "mkdir 3dir; echo 1 >3dir/in; echo x >4one; ln 4one 5other; "
         "echo 1 >6shut; chmod 0 6shut; : >7empty; "
         "echo 1 >\"$(printf '8\\033[2J\\nx')\"; ln -s . 9loop",
         PATIENCE_MS, &t);
  assert_string_equal (buf_str (&t.names), "7empty\n8\\e[2J\nx\n");
  assert_string_equal (buf_str (&t.gaps),
                       "1link: a link is not followed\n"
                       "2fifo: it is no plain file\n"
                       "3dir: a folder in it is not looked into\n"
                       "4one: it has another name, too\n"
                       "5other: it has another name, too\n"
                       "6shut: Permission denied\n"
                       "9loop: a link is not followed\n");
  assert_int_equal (t.bytes, 2);
  until_folders (b, 0);
  taken_done (&t);
}

static void
test_leaves_too_much (void **state)
{
  struct bed *b = *state;
  struct taken t;

  leave (b, "many",
         "cd $HANGDOG_OUTPUT; for i in $(seq 10 69); do echo >$i; done",
         PATIENCE_MS, &t);
  assert_int_equal (t.n, EXEC_MAX_FILES);
  assert_string_equal (buf_str (&t.gaps),
                       ": 28 more are beyond 32 files and 4 MiB\n");
  taken_done (&t);
  leave (b, "large",
         "cd $HANGDOG_OUTPUT; echo x >a; head -c 5000000 /dev/zero >b; "
         "echo x >c",
         PATIENCE_MS, &t);
  assert_string_equal (buf_str (&t.names), "a\nb\n");
  assert_int_equal (t.bytes, EXEC_MAX_LEFT);
  assert_string_equal (buf_str (&t.gaps),
                       "b: cut off\n: 1 more are beyond 32 files and 4 MiB\n");
  until_folders (b, 0);
  taken_done (&t);
}

/* It is ended long before its time, however it does it; what it had done is
 * taken away, however deep that is. */
static void
test_fills_without_end (void **state)
{
  static const char *const ways[]
      = { "while :; do head -c 1000000 /dev/zero >>a; done",
          "i=0; while :; do : >$i; i=$((i+1)); done",
          "while :; do mkdir d; cd d; done",
          "exec >a; chmod 0 .; while :; do echo $(seq 9999); done",
          "mkdir d; cd d; while :; do head -c 1000000 /dev/zero >>a; done",
          "exec head -c 100000000 /dev/zero >a",
          ("setsid sh -c 'while :; do head -c 1000000 /dev/zero >>a; done' & "
           "wait") };
  struct bed *b = *state;
  struct taken t;

  for (size_t i = 0; i < ARRAY_LEN (ways); i++)
    {
      uint64_t begun = clock_ms ();
      char text[300];

      snprintf (text, sizeof text, "cd $HANGDOG_OUTPUT; %s", ways[i]);
      assert_int_equal (leave (b, "filler", text, 4 * PATIENCE_MS, &t),
                        EXEC_FULL);
      assert_true (clock_ms () - begun < PATIENCE_MS);
      assert_true (t.bytes <= EXEC_MAX_LEFT);
      until_folders (b, 0);
      taken_done (&t);
    }
}

/* What it can do between two looks the kernel bounds, of each file. */
static void
test_each_file_is_bounded (void **state)
{
  struct bed *b = *state;
  struct taken t;

  assert_int_equal (leave (b, "bounded", "ulimit -f >$HANGDOG_OUTPUT/a",
                           PATIENCE_MS, &t),
                    EXEC_EXITED);
  /* In blocks of whichever shell this is. */
  if (strcmp (buf_str (&t.first), "30720\n") != 0)
    assert_string_equal (buf_str (&t.first), "15360\n");
  taken_done (&t);
}

static struct helper
begin (const struct bed *b, const char *name)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  struct json_object *dirs = json_object_new_array ();
  const struct helper_spec spec
      = { .libexec = b->libexec, .program = "hangdog-exec" };
  struct helper h = HELPER_INIT;

  json_object_array_add (dirs, json_object_new_string (b->dir));
  json_add_str (head, "op", "run");
  json_object_object_add (head, "dirs", dirs);
  json_add_str (head, "name", name);
  json_object_object_add (head, "args", json_object_new_array ());
  json_object_object_add (head, "environ", json_object_new_object ());
  json_add_str (head, "folder", b->base);
  json_add_int (head, "timeout_ms", 600000);
  assert_int_equal (helper_start (&spec, &h, NULL), 0);
  assert_int_equal (helper_say (&h, head, NULL, 0, NULL, 0,
                                clock_ms () + PATIENCE_MS, NULL),
                    0);
  return h;
}

static void
sweep (const struct bed *b)
{
  struct error err = ERROR_INIT;

  if (exec_sweep (&b->env, clock_ms () + PATIENCE_MS, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

/* kill -9 of the daemon: its end of the channel closes. */
static void
test_gone_with_the_daemon (void **state)
{
  struct bed *b = *state;
  struct helper h;

  script (b, "stays", "echo 1 >$HANGDOG_OUTPUT/a; sleep 1000");
  h = begin (b, "stays");
  until_folders (b, 1);
  /* One that is at work keeps its folder. */
  sweep (b);
  assert_int_equal (folders (b), 1);
  close (h.sock);
  h.sock = -1;
  assert_true (helper_wait (&h, clock_ms () + PATIENCE_MS, NULL, NULL));
  until_folders (b, 0);
}

/* Both that run it are killed, so nobody is left who could take it away: the
 * next start does, and the next run. */
static void
test_gone_at_the_next_start (void **state)
{
  struct bed *b = *state;
  struct taken t;

  for (unsigned run = 0; run < 2; run++)
    {
      struct helper h;

      script (b, "killer",
              "cd $HANGDOG_OUTPUT; mkdir -p a/b/c; echo 1 >a/b/c/d; "
              "chmod 0 a/b/c a; chmod 0 .; kill -9 $PPID; sleep 1000");
      h = begin (b, "killer");
      assert_true (helper_wait (&h, clock_ms () + PATIENCE_MS, NULL, NULL));
      close (h.sock);
      assert_int_equal (folders (b), 1);
      if (run == 0)
        sweep (b);
      else
        {
          assert_int_equal (leave (b, "next", "ls -A $HANGDOG_OUTPUT/..",
                                   PATIENCE_MS, &t),
                            EXEC_EXITED);
          taken_done (&t);
        }
      until_folders (b, 0);
    }
}

static void
test_has_no_place (void **state)
{
  CLEANUP_JSON struct json_object *none = json_object_new_object ();
  struct bed *b = *state;
  struct taken t;
  const struct exec_left left = { .piece = piece, .gap = gap, .arg = &t };
  const struct exec_program program
      = { .name = "x", .environ = none, .left = &left };
  struct exec_result r;

  snprintf (b->base, sizeof b->base, "/nonexistent/hangdog");
  assert_int_equal (leave (b, "x", "echo ran >&2", PATIENCE_MS, &t),
                    EXEC_UNUSABLE);
  assert_string_equal (buf_str (&t.gaps), "");
  taken_done (&t);
  b->env.exec_left = NULL;
  assert_int_equal (exec_run (&b->env, &program, clock_ms () + PATIENCE_MS,
                              &r, NULL),
                    -ENOTSUP);
}

int
main (void)
{
#define T(t) cmocka_unit_test_setup_teardown (t, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (test_leaves),
    T (test_leaves_odd_things),
    T (test_leaves_too_much),
    T (test_fills_without_end),
    T (test_each_file_is_bounded),
    T (test_gone_with_the_daemon),
    T (test_gone_at_the_next_start),
    T (test_has_no_place),
  };

  return cmocka_run_group_tests_name ("exec-left", tests, NULL, NULL);
}
