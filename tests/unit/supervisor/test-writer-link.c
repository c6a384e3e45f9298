/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writer must do is sent until it has answered: also what found no
 * place among those that wait for an answer, and what a writer that went away
 * took with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "supervisor/links/writer_link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY 1500 /* more than a channel has requests without an answer */

struct bed
{
  struct loop *loop;
  struct writer_link *link;
  struct channel *writer; /* the other end */
  struct json_object *held[MANY];
  unsigned nheld, done, failed;
  bool answers;
};

static void
up (void *arg)
{
}

static void
event (struct json_object *head, void *arg)
{
}

static const struct writer_link_ops ops = { .up = up, .event = event };

static void
answer (struct bed *b, struct json_object *head)
{
  struct frame request = { .head = head };

  assert_int_equal (channel_reply (b->writer, &request, NULL, NULL, 0, NULL, 0),
                    0);
}

static void
on_frame (struct channel *ch, struct frame *frame, void *arg)
{
  struct bed *b = arg;

  if (b->answers)
    {
      answer (b, frame->head);
      return;
    }
  assert_true (b->nheld < MANY);
  b->held[b->nheld++] = json_object_get (frame->head);
}

static void
on_close (struct channel *ch, const struct error *why, void *arg)
{
}

static const struct channel_ops writer_ops = {
  .on_frame = on_frame,
  .on_close = on_close,
};

static void
done (const struct error *err, struct json_object *head, void *arg)
{
  struct bed *b = arg;

  b->done++;
  b->failed += err != NULL;
}

static void
connect_writer (struct bed *b)
{
  struct error err = ERROR_INIT;
  int s[2], log;

  assert_int_equal (
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s),
      0);
  log = open ("/dev/null", O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  assert_true (log >= 0);
  assert_int_equal (channel_new (b->loop, "test", s[1], 32u << 20, &writer_ops,
                                 b, &b->writer, &err),
                    0);
  writer_link_connect (b->link, s[0], log);
}

static int
setup (void **state)
{
  struct bed *b = calloc (1, sizeof (*b));
  struct error err = ERROR_INIT;

  assert_non_null (b);
  assert_int_equal (loop_new (&b->loop, &err), 0);
  assert_int_equal (writer_link_new (b->loop, &ops, b, &b->link, &err), 0);
  connect_writer (b);
  *state = b;
  return 0;
}

static void
forget (struct bed *b)
{
  while (b->nheld)
    json_object_put (b->held[--b->nheld]);
}

static int
teardown (void **state)
{
  struct bed *b = *state;

  forget (b);
  writer_link_free (b->link);
  channel_free (b->writer);
  loop_free (b->loop);
  free (b);
  return 0;
}

static void
send_many (struct bed *b)
{
  for (unsigned i = 0; i < MANY; i++)
    writer_link_artifact (b->link, "11111111-2222-3333-4444-555555555555",
                          "a", i, "x", 1, done, b);
}

/* Until nothing moves any more. */
static void
settle (struct bed *b)
{
  struct error err = ERROR_INIT;
  unsigned before;

  do
    {
      before = b->nheld + b->done;
      for (unsigned i = 0; i < 50; i++)
        assert_true (loop_round (b->loop, 1, &err) >= 0);
    }
  while (b->nheld + b->done != before);
}

static void
answers_late (void **state)
{
  struct bed *b = *state;
  unsigned first;

  send_many (b);
  settle (b);
  first = b->nheld;
  assert_in_range (first, 1, MANY - 1);
  assert_int_equal (b->done, 0);

  b->answers = true;
  for (unsigned i = 0; i < first; i++)
    answer (b, b->held[i]);
  settle (b);
  assert_int_equal (b->done, MANY);
  assert_int_equal (b->failed, 0);
}

static void
goes_away (void **state)
{
  struct bed *b = *state;

  send_many (b);
  settle (b);
  assert_true (b->nheld > 0);
  forget (b);
  channel_free (b->writer);
  b->writer = NULL;
  settle (b);
  assert_int_equal (b->done, 0);

  b->answers = true;
  connect_writer (b);
  settle (b);
  assert_int_equal (b->done, MANY);
  assert_int_equal (b->failed, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (answers_late, setup, teardown),
    cmocka_unit_test_setup_teardown (goes_away, setup, teardown),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
