/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a parser: what it is given, how it is ended, and what is believed of
 * what it says.  The parser here is this programme itself under another name,
 * and as bad as it can be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"
#include "transports/memory/look.h"
#include "transports/memory/parser.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the false parser ---- */

static void
say (const char *op, const char *body)
{
  struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", op);
  frame_write (3, head, body, body ? strlen (body) : 0, NULL, 0, CLOCK_NEVER,
               NULL);
  json_object_put (head);
}

static int
false_echo (void)
{
  struct frame f = { 0 };
  char c[2] = "";

  /* Two questions, and a byte of each of two inputs. */
  while (frame_read (3, &f, CLOCK_NEVER, NULL) == 0)
    {
      c[0] = 0;
      if (pread (4, c, 1, 0) == 1)
        say (json_get_str (f.head, "op"), c);
      if (pread (5, c, 1, 0) == 1)
        say ("second", c);
      frame_done (&f);
    }
  return fcntl (6, F_GETFD) < 0 ? 0 : 7;
}

static int
false_silent (void)
{
  pause ();
  return 0;
}

/* Does not even go when it is asked to. */
static int
false_stubborn (void)
{
  for (int s = 1; s < 32; s++)
    signal (s, SIG_IGN);
  while (pause () < 0)
    ;
  return 0;
}

static int
false_gone (void)
{
  return 3;
}

static int
false_garbage (void)
{
  static const char junk[] = "HTTP/1.1 200 OK\r\n\r\n\0\0\0\0\0\0\0\0\0\0";

  return write (3, junk, sizeof junk) > 0 ? 0 : 1;
}

static int
false_crash (void)
{
  signal (SIGSEGV, SIG_DFL);
  raise (SIGSEGV);
  return 0;
}

static int
false_alarm (void)
{
  /* As the real one's deadline, which nobody may have blocked. */
  alarm (1);
  pause ();
  return 0;
}

static int
rows (const char *text)
{
  struct frame f = { 0 };

  frame_read (3, &f, CLOCK_NEVER, NULL);
  frame_done (&f);
  frame_read (3, &f, CLOCK_NEVER, NULL);
  frame_done (&f);
  say ("rows", text);
  say ("end", NULL);
  return 0;
}

static int
false_good (void)
{
  return rows ("{\"row\":\"a\"}\n{\"row\":\"b\",\"n\":1}\n");
}

static int
false_escape (void)
{
  return rows ("{\"row\":\"a\"}\n{\"row\":\"\302\2332J\"}\n");
}

static int
false_half (void)
{
  return rows ("{\"row\":\"a\"}\n{\"row\":");
}

static int
false_long (void)
{
  char *text = malloc (LOOK_MAX_ROW + 64);

  memset (text, 'x', LOOK_MAX_ROW + 64);
  memcpy (text, "{\"row\":\"", 8);
  memcpy (text + LOOK_MAX_ROW + 20, "\"}\n", 4);
  return rows (text);
}

/* Rows that only who runs it may say. */
static int
false_guest (void)
{
  return rows ("{\"row\":\"a\"}\n{\"row\":\"guest\",\"guest\":\"other\"}\n");
}

static int
false_sample (void)
{
  return rows ("{\"row\":\"\\u0073ample\",\"n\":1}\n");
}

static int
false_nameless (void)
{
  return rows ("{\"n\":1,\"row\":\"a\"}\n");
}

static int
false_endless (void)
{
  static char text[60000];

  for (size_t i = 0; i + 12 < sizeof text; i += 12)
    memcpy (text + i, "{\"row\":\"a\"}\n", 12);
  for (unsigned i = 0; i < 1000000; i++)
    say ("rows", text);
  return 0;
}

/* An end that would keep who listens to us waiting, or blame somebody else. */
static int
false_end (void)
{
  static const char end[]
      = "{\"op\":\"end\",\"found\":1,\"why\":\"a\\u001bb\",\"more\":true,"
        "\"re\":7,\"row\":\"guest\",\"error\":{\"code\":\"EIO\"},"
        "\"dropped\":\"x\",\"lacks\":{\"types\":[],\"x\":\"y\","
        "\"symbols\":\"none\"},\"cost\":{\"bytes\":5,\"z\":{}},\"spent\":{}}";
  struct json_object *head = json_tokener_parse (end);

  return frame_write (3, head, NULL, 0, NULL, 0, CLOCK_NEVER, NULL) < 0;
}

static int
false_no (void)
{
  struct json_object *head = json_object_new_object ();
  struct json_object *e = json_object_new_object ();

  json_add_str (head, "op", "error");
  json_add_int (e, "errno", EOPNOTSUPP);
  json_add_str (e, "message", "not that");
  json_object_object_add (head, "error", e);
  return frame_write (3, head, NULL, 0, NULL, 0, CLOCK_NEVER, NULL) < 0;
}

static const struct
{
  const char *name;
  int (*fn) (void);
} modes[] = {
  { "echo", false_echo },     { "silent", false_silent },
  { "stubborn", false_stubborn }, { "gone", false_gone },
  { "garbage", false_garbage }, { "crash", false_crash },
  { "alarm", false_alarm },   { "good", false_good },
  { "escape", false_escape }, { "half", false_half },
  { "long", false_long },     { "no", false_no },
  { "guest", false_guest },   { "sample", false_sample },
  { "nameless", false_nameless }, { "endless", false_endless },
  { "end", false_end },
};

static int
be_false (void)
{
  const char *mode = getenv ("FALSE_PARSER");

  for (size_t i = 0; mode && i < ARRAY_LEN (modes); i++)
    if (strcmp (modes[i].name, mode) == 0)
      return modes[i].fn ();
  return 99;
}

/* ---- the tests ---- */

struct place
{
  struct tmpdir tmp;
  int inputs[2];
};

static int
setup (void **state)
{
  struct place *p = calloc (1, sizeof *p);
  char self[PATH_MAX] = "", link[PATH_MAX];

  tmpdir_make (&p->tmp);
  assert_true (readlink ("/proc/self/exe", self, sizeof self - 1) > 0);
  snprintf (link, sizeof link, "%s/hangdog-parser", p->tmp.path);
  assert_int_equal (symlink (self, link), 0);
  for (unsigned i = 0; i < 2; i++)
    {
      p->inputs[i] = memfd_create ("input", MFD_CLOEXEC);
      assert_int_equal (write (p->inputs[i], i ? "B" : "A", 1), 1);
    }
  *state = p;
  return 0;
}

static int
teardown (void **state)
{
  struct place *p = *state;

  close (p->inputs[0]);
  close (p->inputs[1]);
  tmpdir_done (&p->tmp);
  free (p);
  return 0;
}

static struct parser_run *
start (const struct place *p, const char *mode)
{
  static const char *const args[] = { "task", NULL };
  const struct parser_spec spec = { .libexec = p->tmp.path,
                                    .program = "hangdog-parser",
                                    .args = args,
                                    .inputs = p->inputs,
                                    .ninputs = 2 };
  struct parser_run *run = NULL;
  struct error err = ERROR_INIT;

  setenv ("FALSE_PARSER", mode, 1);
  if (parser_run_start (&spec, &run, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return run;
}

static int
gather (struct frame *f, void *arg)
{
  struct buf *all = arg;

  buf_printf (all, "%s:%.*s ", json_get_str (f->head, "op"),
              (int) f->body_len, f->body ? (const char *) f->body : "");
  return strcmp (json_get_str (f->head, "op"), "second") == 0;
}

static struct json_object *
op (const char *name)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", name);
  return o;
}

static void
test_asks_twice (void **state)
{
  struct parser_run *run = start (*state, "echo");
  struct buf all CLEANUP_BUF = BUF_INIT (4096);
  struct parser_end end;

  for (unsigned i = 0; i < 2; i++)
    {
      assert_int_equal (parser_run_ask (run, op (i ? "two" : "one"), NULL, 0,
                                        clock_ms () + 20000, NULL),
                        0);
      assert_int_equal (parser_run_listen (run, clock_ms () + 20000, gather,
                                           &all, NULL),
                        1);
    }
  parser_run_end (run, false, &end);
  assert_string_equal (buf_str (&all), "one:A second:B two:A second:B ");
  /* It ended by itself, and had nothing else open. */
  assert_int_equal (end.signal, 0);
  assert_int_equal (end.status, 0);
  assert_false (end.left);
  assert_true (end.wall_us > 0 && end.peak_bytes > 0);
}

/* Small numbers of ours are not in the way of its own. */
static void
test_low_descriptors (void **state)
{
  struct place *p = *state, low = *p;
  struct buf all CLEANUP_BUF = BUF_INIT (4096);
  struct parser_run *run;

  for (unsigned i = 0; i < 2; i++)
    low.inputs[i] = fcntl (p->inputs[1 - i], F_DUPFD_CLOEXEC, 3);
  run = start (&low, "echo");
  assert_int_equal (parser_run_ask (run, op ("x"), NULL, 0, CLOCK_NEVER, NULL),
                    0);
  assert_int_equal (parser_run_listen (run, clock_ms () + 20000, gather, &all,
                                       NULL),
                    1);
  parser_run_end (run, false, NULL);
  assert_string_equal (buf_str (&all), "x:B second:A ");
  close (low.inputs[0]);
  close (low.inputs[1]);
}

static void
test_bad_ends (void **state)
{
  static const struct
  {
    const char *mode;
    int r;
  } cases[] = { { "gone", -EBADMSG },
                { "garbage", -EBADMSG },
                { "crash", -EBADMSG },
                { "silent", -ETIMEDOUT },
                { "stubborn", -ETIMEDOUT } };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct parser_run *run = start (*state, cases[i].mode);
      struct buf all CLEANUP_BUF = BUF_INIT (4096);
      uint64_t begun = clock_ms (), ms = cases[i].r == -ETIMEDOUT ? 150 : 20000;
      struct error err = ERROR_INIT;
      struct parser_end end;
      int r = parser_run_listen (run, begun + ms, gather, &all, &err);

      if (r != cases[i].r)
        fail_msg ("%s: %d %s", cases[i].mode, r, error_text (&err));
      parser_run_end (run, r == -ETIMEDOUT, &end);
      assert_false (end.left);
      assert_true (clock_ms () - begun < 10000);
      if (r == -ETIMEDOUT)
        assert_int_equal (end.signal, SIGKILL);
      if (strcmp (cases[i].mode, "crash") == 0)
        assert_int_equal (end.signal, SIGSEGV);
      if (strcmp (cases[i].mode, "gone") == 0)
        assert_int_equal (end.status, 3);
    }
}

static void
test_cannot_start (void **state)
{
  struct place *p = *state;
  static const char *const args[] = { "task", NULL };
  struct parser_spec spec = { .libexec = p->tmp.path,
                              .program = "no-such",
                              .args = args,
                              .inputs = p->inputs,
                              .ninputs = 1 };
  struct parser_run *run = NULL;

  assert_int_equal (parser_run_start (&spec, &run, NULL), -EIO);
  spec.ninputs = 9;
  assert_int_equal (parser_run_start (&spec, &run, NULL), -EINVAL);
  assert_null (run);
}

/* From a job's thread, which blocks all signals: a deadline must ring. */
static void *
in_a_job (void *arg)
{
  struct parser_run *run;
  struct parser_end *end = arg;
  struct buf all CLEANUP_BUF = BUF_INIT (64);
  sigset_t set;

  sigfillset (&set);
  pthread_sigmask (SIG_SETMASK, &set, NULL);
  run = start (*(void **) ((char *) arg + sizeof *end), "alarm");
  parser_run_listen (run, clock_ms () + 20000, gather, &all, NULL);
  parser_run_end (run, false, end);
  return NULL;
}

static void
test_signals_reach_it (void **state)
{
  struct
  {
    struct parser_end end;
    void *place;
  } both = { .place = *state };
  pthread_t thread;

  assert_int_equal (pthread_create (&thread, NULL, in_a_job, &both), 0);
  pthread_join (thread, NULL);
  assert_int_equal (both.end.signal, SIGALRM);
}

/* ---- rows ---- */

static void
test_lines (void **state)
{
  static const char *const good[]
      = { "", "{}\n", "{\"row\":\"a\",\"b\":[1,2,{\"c\":\"\\u001b\"}]}\n{}\n",
          "{\"a\":\"\303\244\"}\n" };
  static const char *const bad[]
      = { "{}",         "\n",        "[]\n",           "{}\n\n",
          "{\"a\":}\n", "{}{}\n",    "{\"a\":\"\177\"}\n",
          "x\n",        "{\"a\":1}\r\n", "{\"a\":\"\302\205\"}\n",
          "{\"a\":\"\377\"}\n", "{\"a\":\"\033[2J\"}\n",
          "{\"a\":\"\342\200\256\"}\n",
          "{\"a\":1,\"a\":2}\n", "{\"a\":\"too long for this\"}\n" };

  for (size_t i = 0; i < ARRAY_LEN (good); i++)
    if (parser_lines_check (good[i], strlen (good[i]), 60, NULL) != 0)
      fail_msg ("%s", good[i]);
  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    if (parser_lines_check (bad[i], strlen (bad[i]), 24, NULL) != -EBADMSG)
      fail_msg ("%s", bad[i]);
}

static int
take_rows (const void *lines, size_t len, void *arg)
{
  buf_append (arg, lines, len);
  return 0;
}

static int
look (struct place *p, const char *libexec, const char *mode,
      struct buf *out, struct error *err)
{
  CLEANUP_JSON struct json_object *where = op ("core");
  CLEANUP_JSON struct json_object *end = NULL;
  const struct look_source src = { .libexec = libexec,
                                   .inputs = p->inputs,
                                   .ninputs = 2,
                                   .where = where };
  const struct look_question q = { .registers = "text", .registers_len = 4 };

  setenv ("FALSE_PARSER", mode, 1);
  return look_once (&src, &q, clock_ms () + 60000, take_rows, out, &end, err);
}

static void
test_look_believes_nothing (void **state)
{
  static const struct
  {
    const char *mode;
    int r;
    const char *out;
  } cases[] = {
    { "good", 0, "{\"row\":\"a\"}\n{\"row\":\"b\",\"n\":1}\n" },
    { "escape", -EBADMSG, "" },
    { "half", -EBADMSG, "" },
    { "long", -EBADMSG, "" },
    { "crash", -EBADMSG, "" },
    { "garbage", -EBADMSG, "" },
    { "no", -EOPNOTSUPP, "" },
    { "alarm", -ETIMEDOUT, "" },
    { "guest", -EBADMSG, "" },
    { "sample", -EBADMSG, "" },
    { "nameless", -EBADMSG, "" },
  };
  struct place *p = *state;

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct buf out CLEANUP_BUF = BUF_INIT (4096);
      struct error err = ERROR_INIT;
      int r = look (p, p->tmp.path, cases[i].mode, &out, &err);

      if (r != cases[i].r || strcmp (buf_str (&out), cases[i].out) != 0)
        fail_msg ("%s: %d %s: %s", cases[i].mode, r, error_text (&err),
                  buf_str (&out));
    }
}

static int
count_rows (const void *lines, size_t len, void *arg)
{
  *(uint64_t *) arg += len;
  return 0;
}

/* One that says rows for ever is stopped by what it said, not by the time. */
static void
test_look_is_bounded (void **state)
{
  CLEANUP_JSON struct json_object *where = op ("core");
  struct place *p = *state;
  struct json_object *end = NULL;
  uint64_t bytes = 0;
  const struct look_source src = { .libexec = p->tmp.path,
                                   .inputs = p->inputs,
                                   .ninputs = 1,
                                   .where = where };
  const struct look_question q = { 0 };

  setenv ("FALSE_PARSER", "endless", 1);
  assert_int_equal (look_once (&src, &q, clock_ms () + 600000, count_rows, &bytes,
                               &end, NULL),
                    -EFBIG);
  assert_null (end);
  assert_in_range (bytes, 1, LOOK_MAX_BYTES);
}

/* Of its end the members that are known, of the kinds that they have. */
static void
test_look_end (void **state)
{
  CLEANUP_JSON struct json_object *where = op ("core");
  CLEANUP_JSON struct json_object *end = NULL;
  struct place *p = *state;
  uint64_t bytes = 0;
  const struct look_source src = { .libexec = p->tmp.path,
                                   .inputs = p->inputs,
                                   .ninputs = 1,
                                   .where = where };
  const struct look_question q = { 0 };

  setenv ("FALSE_PARSER", "end", 1);
  assert_int_equal (look_once (&src, &q, clock_ms () + 60000, count_rows, &bytes,
                               &end, NULL),
                    0);
  json_object_object_del (end, "spent");
  assert_string_equal (
      json_object_to_json_string_ext (end, JSON_C_TO_STRING_PLAIN),
      "{\"found\":false,\"why\":\"a\\\\eb\",\"dropped\":0,\"lacks\":{"
      "\"symbols\":\"none\"},\"cost\":{\"bytes\":5}}");
}

/* The real one, with what is no core. */
static void
test_the_real_one (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (4096);
  struct error err = ERROR_INIT;
  char path[PATH_MAX];
  int r;

  built_path (path, "hangdog-parser");
  if (access (path, X_OK) < 0)
    skip ();
  *strrchr (path, '/') = '\0';
  r = look (*state, path, "", &out, &err);
  assert_int_equal (r, -EBADMSG);
  assert_non_null (strstr (error_text (&err), "ELF"));
}

int
main (int argc, char **argv)
{
  const char *name = strrchr (argv[0], '/');
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_asks_twice),
    cmocka_unit_test (test_low_descriptors),
    cmocka_unit_test (test_bad_ends),
    cmocka_unit_test (test_cannot_start),
    cmocka_unit_test (test_signals_reach_it),
    cmocka_unit_test (test_lines),
    cmocka_unit_test (test_look_believes_nothing),
    cmocka_unit_test (test_look_is_bounded),
    cmocka_unit_test (test_look_end),
    cmocka_unit_test (test_the_real_one),
  };

  if (strcmp (name ? name + 1 : argv[0], "hangdog-parser") == 0)
    _exit (be_false ());
  return cmocka_run_group_tests (tests, setup, teardown);
}
