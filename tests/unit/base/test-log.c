/* SPDX-License-Identifier: Apache-2.0
 *
 * The log: lines that are whole, harmless, and never wait for their reader.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* stderr goes into a pipe that the test reads. */
struct fixture
{
  int real, out;
};

static int
setup (void **state)
{
  static struct fixture f;
  int p[2];

  if (pipe2 (p, O_CLOEXEC | O_NONBLOCK) < 0)
    return -1;
  fcntl (p[1], F_SETFL, 0);
  f.real = dup (2);
  f.out = p[0];
  dup2 (p[1], 2);
  close (p[1]);
  *state = &f;
  return 0;
}

static int
teardown (void **state)
{
  struct fixture *f = *state;

  dup2 (f->real, 2);
  close (f->real);
  close (f->out);
  return 0;
}

static void
drain (struct fixture *f, struct buf *b)
{
  char chunk[4096];
  ssize_t n;

  while ((n = read (f->out, chunk, sizeof chunk)) > 0)
    buf_append (b, chunk, (size_t) n);
}

static struct json_doc *
parse_line (const char *line, size_t len)
{
  struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;

  if (json_parse (line, len, JSON_WIRE, "line", 5000, &doc, &err) < 0)
    fail_msg ("%s", err.msg);
  return doc;
}

static void
test_json (void **state)
{
  static const char uuid[] = "9c7f4b62-1f0a-4c8e-9d11-0123456789ab";
  CLEANUP_BUF struct buf b = BUF_INIT (100000);
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct json_object *o;
  char guest[64];

  snprintf (guest, sizeof guest, "%s.1.2", uuid);
  log_open ("hangdog", LOG_LEVEL_INFO, true);
  log_debug ("not said");
  log_guest (LOG_LEVEL_WARN, guest, "it said \"%s\"\n{\"level\":\"x\"}",
             "\x1b[2J\\\xff");
  drain (*state, &b);
  assert_ptr_equal (strchr (buf_str (&b), '\n'), b.data + b.len - 1);
  doc = parse_line (buf_str (&b), b.len);
  o = json_root (doc);
  assert_string_equal (json_get_str (o, "level"), "warning");
  assert_string_equal (
      json_get_str (o, "msg"),
      "it said \"\\e[2J\\\\xff\"\\x0a{\"level\":\"x\"}");
  assert_string_equal (json_get_str (o, "guest"), guest);
  assert_string_equal (json_get_str (o, "appuuid"), uuid);
  assert_string_equal (json_get_str (o, "source"), "hangdog");
  assert_string_equal (json_get_str (o, "func"), "test_json");
  assert_int_equal (json_get_int (o, "pid", 0), getpid ());
  assert_int_equal (strlen (json_get_str (o, "time")), 24);
  assert_null (json_get (o, "lost"));
}

static void
test_plain (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (100000);

  log_open ("hangdog", LOG_LEVEL_DEBUG, false);
  log_info ("well");
  log_guest (LOG_LEVEL_ERROR, "vm\x1b", "a\nb");
  drain (*state, &b);
  assert_string_equal (buf_str (&b),
                       "hangdog: well\nhangdog: error: vm\\e: a\\x0ab\n");
}

/* For a bundle: of one guest and of none, as JSON whatever stderr has. */
static void
test_kept (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (100000);
  static const char one[] = "9c7f4b62-1f0a-4c8e-9d11-0123456789ab",
                    two[] = "9c7f4b62-1f0a-4c8e-9d11-0123456789ac";
  CLEANUP_BUF struct buf all = BUF_INIT (100000), few = BUF_INIT (600);
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;

  log_open ("hangdog", LOG_LEVEL_INFO, false);
  log_info ("before");
  log_keep (4000);
  log_info ("first");
  log_guest (LOG_LEVEL_WARN, one, "of one");
  log_guest (LOG_LEVEL_WARN, two, "of two");
  log_debug ("not said");
  drain (*state, &b);
  assert_non_null (strstr (buf_str (&b), "hangdog: first\n"));
  log_kept (one, 0, &all);
  assert_null (strstr (buf_str (&all), "before"));
  assert_non_null (strstr (buf_str (&all), "\"msg\":\"of one\""));
  assert_null (strstr (buf_str (&all), "of two"));
  doc = parse_line (buf_str (&all),
                    (size_t) (strchr (buf_str (&all), '\n') - all.data) + 1);
  assert_string_equal (json_get_str (json_root (doc), "msg"), "first");
  buf_clear (&all);
  log_kept (NULL, 0, &all);
  assert_non_null (strstr (buf_str (&all), "of two"));
  buf_clear (&all);
  log_kept (NULL, clock_wall_ms () + 60000, &all);
  assert_int_equal (all.len, 0);
  /* The last ones, by bytes and by what there is room for. */
  for (unsigned i = 0; i < 1000; i++)
    {
      log_info ("line %u", i);
      drain (*state, &b);
      assert_true (log_kept_bytes () <= 4000);
    }
  log_kept (NULL, 0, &all);
  assert_null (strstr (buf_str (&all), "of one"));
  assert_int_equal (all.len, log_kept_bytes ());
  assert_int_equal (all.data[0], '{');
  log_kept (NULL, 0, &few);
  assert_true (few.len > 0 && few.len <= 600);
  assert_non_null (strstr (buf_str (&few), "line 999\""));
  assert_int_equal (few.data[0], '{');
  log_keep (0);
  assert_int_equal (log_kept_bytes (), 0);
}

/* However long and whatever is in it, a line fits PIPE_BUF and is whole. */
static void
test_long (void **state)
{
  static const char *const pieces[] = { "\"", "\\", "x", "\x1b", "\xc3\xa4",
                                        "\xf0\x9f\x98\x80", "\xff" };
  char text[6000], name[600];

  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
    for (size_t shift = 0; shift < 5; shift++)
      for (int json = 0; json < 2; json++)
        {
          CLEANUP_BUF struct buf b = BUF_INIT (100000);
          size_t n = shift, k = strlen (pieces[i]);

          memset (text, 'y', sizeof text);
          for (; n + k < sizeof text; n += k)
            memcpy (text + n, pieces[i], k);
          text[n] = '\0';
          memcpy (name, text, sizeof name);
          name[sizeof name - 1] = '\0';
          log_open (name, LOG_LEVEL_DEBUG, json);
          log_at (LOG_LEVEL_INFO, name, name, name, "%s", text);
          drain (*state, &b);
          assert_true (b.len <= 4096 && b.len > 2000);
          assert_int_equal (b.data[b.len - 1], '\n');
          if (json)
            json_doc_free (parse_line (buf_str (&b), b.len));
        }
}

/* Nobody reads: lines are lost, time is not, and the loss is told. */
static void
test_stuck_reader (void **state)
{
  struct fixture *f = *state;
  CLEANUP_BUF struct buf b = BUF_INIT (1 << 20);
  uint64_t before = clock_ms ();
  char *last;
  int64_t lost;

  log_open ("hangdog", LOG_LEVEL_DEBUG, true);
  for (int i = 0; i < 20000; i++)
    log_info ("line %d", i);
  /* Had each waited a little, it would be more, however slow the machine. */
  assert_true (clock_ms () - before < 100000);
  drain (f, &b);
  buf_clear (&b);
  log_info ("again");
  log_info ("and again");
  drain (f, &b);
  last = memchr (b.data, '\n', b.len);
  {
    CLEANUP_JSON_DOC struct json_doc *one
        = parse_line (b.data, (size_t) (last - b.data));
    CLEANUP_JSON_DOC struct json_doc *two
        = parse_line (last, b.len - (size_t) (last - b.data));

    lost = json_get_int (json_root (one), "lost", 0);
    assert_true (lost > 10000 && lost < 20000);
    assert_null (json_get (json_root (two), "lost"));
  }
}

static void
test_errno_is_kept (void **state)
{
  log_open ("hangdog", LOG_LEVEL_DEBUG, true);
  errno = ENOTTY;
  log_info ("x");
  assert_int_equal (errno, ENOTTY);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (test_json, setup, teardown),
    cmocka_unit_test_setup_teardown (test_plain, setup, teardown),
    cmocka_unit_test_setup_teardown (test_kept, setup, teardown),
    cmocka_unit_test_setup_teardown (test_long, setup, teardown),
    cmocka_unit_test_setup_teardown (test_stuck_reader, setup, teardown),
    cmocka_unit_test_setup_teardown (test_errno_is_kept, setup, teardown),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
