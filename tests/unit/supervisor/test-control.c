/* SPDX-License-Identifier: Apache-2.0
 *
 * The control room: who may what by which socket, checks that are asked for,
 * scenarios that are bound, diagnoses that are ordered, watched and called
 * off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define OUTCOMES_OF_ITS_OWN
#include "tests/unit/supervisor/control-bed.h"

/* ---- who may what ---- */

static unsigned remote; /* what the one far away may */

static unsigned
remote_may (const struct daemon *d, uid_t uid)
{
  assert_ptr_equal (d, &bed->d);
  return remote;
}

static const struct control_listener far_away
    = { .name = "controller", .setting = "remote-may", .may = remote_may };

/* Somebody who is let in by the group, whoever runs this test. */
static unsigned
group_may (const struct daemon *d, uid_t uid)
{
  return config_group_may (d->config);
}

static const struct control_listener members
    = { .setting = "group-may", .may = group_may };

static void
a_socket_says_what_may_be_asked (void **state)
{
  struct bed *b = *state;
  struct person *root = comes_in (b, &control_local);
  struct person *far = comes_in (b, &far_away);

  remote = MAY_LOOK | MAY_DIAGNOSE;
  asks (b, far, "{'op':'status'}");
  hears_end (far);
  asks (b, far, "{'op':'spool-drop','incident':'x'}");
  hears_error (far, "EPERM", "\"remote-may\" of the configuration does not "
                             "name \"admin\"");
  asks (b, far, "{'op':'probe','guest':'" A "'}");
  hears_error (far, "EPERM", "\"probe\"");
  asks (b, far, "{'op':'scenario-unbind','scenario':'x'}");
  hears_error (far, "EPERM", "\"bind\"");
  assert_int_equal (b->others, 1);
  asks (b, root, "{'op':'spool-drop','incident':'x'}");
  hears_end (root);
  assert_int_equal (b->others, 2);
  /* What it may is asked anew each time. */
  remote = MAY_ALL;
  asks (b, far, "{'op':'spool-drop','incident':'x'}");
  hears_end (far);
  remote = 0;
  asks (b, far, "{'op':'list'}");
  hears_error (far, "EPERM", "\"look\"");
  asks (b, far, "{'op':'lst'}");
  hears_error (far, "ENOSYS", "did you mean \"list\"");
}

static void
it_says_who_it_was (void **state)
{
  struct bed *b = *state;
  struct person *far = comes_in (b, &far_away);
  char who[64];

  remote = MAY_ALL;
  asks (b, far, "{'op':'diagnose','guest':'" A "'}");
  hears_row (far, "accepted", NULL, NULL);
  snprintf (who, sizeof who, "ordered by controller (pid %d)",
            (int) getpid ());
  assert_string_equal (newest (b->w)->inc.reason, who);
}

/* A console may be read along by whom it may not be typed at. */
static void
a_group_may_read_and_not_type (void **state)
{
  struct bed *b = *state;
  struct person *p = comes_in (b, &members);

  b->group_may[b->config.group_may.count++] = 0; /* "look" */
  asks (b, p, "{'op':'console','guest':'" A "'}");
  hears_end (p);
  asks (b, p, "{'op':'console','guest':'" A "','write':false}");
  hears_end (p);
  asks (b, p, "{'op':'console','guest':'" A "','write':true}");
  hears_error (p, "EPERM", "does not name \"console\"");
  asks (b, p, "{'op':'input','to':1}");
  hears_error (p, "EPERM", "\"console\"");
  asks (b, p, "{'op':'console-release','guest':'" A "'}");
  hears_error (p, "EPERM", "\"console\"");
  b->group_may[b->config.group_may.count++] = 4; /* "console" */
  asks (b, p, "{'op':'console','guest':'" A "','write':true}");
  hears_end (p);
}

/* Two sockets that are listened at, each with its own. */
static void
known_by_the_socket (void **state)
{
  static const struct control_listener *const from[]
      = { &members, &far_away };
  struct bed *b = *state;
  struct sockaddr_un { sa_family_t family; char path[108]; } at[2];
  struct person p[2] = { { .sock = -1 } };

  remote = MAY_LOOK;
  for (int i = 0; i < 2; i++)
    {
      int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
      socklen_t len = sizeof at[i];

      /* An abstract name that the kernel chooses. */
      at[i] = (struct sockaddr_un){ .family = AF_UNIX };
      assert_int_equal (bind (fd, (struct sockaddr *) &at[i],
                              sizeof (sa_family_t)),
                        0);
      assert_int_equal (getsockname (fd, (struct sockaddr *) &at[i], &len), 0);
      assert_int_equal (listen (fd, 4), 0);
      assert_int_equal (control_listen (b->d.control, fd, from[i], NULL), 0);
      p[i].sock = socket (AF_UNIX, SOCK_STREAM, 0);
      p[i].id = 0;
      assert_int_equal (connect (p[i].sock, (struct sockaddr *) &at[i], len),
                        0);
    }
  rounds (b);
  assert_int_equal (control_clients (b->d.control), 2);
  asks (b, &p[0], "{'op':'list'}");
  hears_error (&p[0], "EPERM", "\"group-may\"");
  asks (b, &p[1], "{'op':'list'}");
  hears_end (&p[1]);
  goes (&p[0]);
  goes (&p[1]);
  rounds (b);
  assert_int_equal (control_clients (b->d.control), 0);
}

/* ---- probe ---- */

static void
each_outcome_is_a_row (void **state)
{
  struct bed *b = *state;
  struct person *p = comes_in (b, &control_local);

  asks (b, p, "{'op':'probe','guest':'" A "'}");
  assert_int_equal (b->probed, 2);
  hears_nothing (p);
  comes (B, &b->w->uptime, OUTCOME_OK); /* somebody else's */
  comes (A, &b->w->uptime, OUTCOME_OK);
  rounds (b);
  hears_row (p, NULL, "scenario", "uptime");
  hears_nothing (p);
  comes (A, &b->w->tcp, OUTCOME_FAILED);
  rounds (b);
  hears_row (p, NULL, "outcome", "failed");
  hears_end (p);
}

static void
who_leaves_is_not_told (void **state)
{
  struct bed *b = *state;
  struct person *p = comes_in (b, &control_local);

  asks (b, p, "{'op':'probe','guest':'" A "'}");
  assert_non_null (b->d.probes);
  goes (p);
  rounds (b);
  assert_null (b->d.probes);
  comes (A, &b->w->uptime, OUTCOME_OK);
  asks (b, comes_in (b, &control_local),
        "{'op':'probe','guest':'nobody-of-that-name'}");
  hears_error (&b->people[1], "ENOENT", "nobody-of-that-name");
}

/* ---- bind ---- */

#define DOCUMENT(name)                                                        \
  "{'op':'scenario-bind','document':{'name':'" name "','kind':'tcp',"         \
  "'select':{'name':'*'},'interval':'1m','address':'192.0.2.1:1'}}"

static void
bound_and_told_when_it_is_kept (void **state)
{
  struct bed *b = *state;
  struct person *p = comes_in (b, &control_local);
  struct json_object *end;
  char by[64];

  asks (b, p, DOCUMENT ("web"));
  hears_nothing (p);
  snprintf (by, sizeof by, "uid %u (pid %d)", (unsigned) getuid (),
            (int) getpid ());
  assert_string_equal (b->bound, "web");
  assert_string_equal (b->bound_by, by);
  b->kept (NULL, b->keeping);
  rounds (b);
  end = hears (p);
  assert_true (json_get_bool (end, "kept", false));
  assert_false (json_get_bool (end, "replaced", true));
  json_object_put (end);
  asks (b, p, DOCUMENT ("taken"));
  hears_error (p, "EEXIST", NULL);
  asks (b, p, "{'op':'scenario-bind','document':{'name':'x','kind':'tpc'}}");
  hears_error (p, "EINVAL", "tcp");
}

/* It goes while the disk has it: nobody is told, and nothing is lost. */
static void
who_bound_it_may_go (void **state)
{
  struct bed *b = *state;
  struct person *p = comes_in (b, &control_local);

  asks (b, p, DOCUMENT ("web"));
  goes (p);
  rounds (b);
  b->kept (NULL, b->keeping);
  p = comes_in (b, &control_local);
  asks (b, p, "{'op':'scenario-unbind','scenario':'web'}");
  assert_string_equal (b->unbound, "web");
  goes (p);
  rounds (b);
  b->kept (NULL, b->keeping);
}

/* ---- diagnoses ---- */

static void
step_of (struct bed *b, unsigned n, const char *what, bool ended)
{
  struct diagnosis *dg = b->w->running[0];

  assert_true (b->w->nrunning > 0);
  dg->ops->progress (n, 3, what, ended, NULL, dg->arg);
  rounds (b);
}

/* The order, until its diagnosis runs. */
static struct person *
orders (struct bed *b)
{
  struct person *p = comes_in (b, &control_local);

  asks (b, p, "{'op':'diagnose','guest':'" A "'}");
  hears_row (p, "accepted", "incident", newest (b->w)->inc.id);
  on_disk (b->w, NULL);
  on_disk (b->w, NULL);
  assert_int_equal (newest (b->w)->life, LIFE_COLLECTING);
  return p;
}

static void
ends_for (struct bed *b, struct person *p)
{
  struct json_object *row = hears (p);

  assert_non_null (row);
  assert_string_equal (json_get_str (row, "row"), "incident");
  assert_string_equal (json_get_str (row, "id"), newest (b->w)->inc.id);
  assert_string_equal (json_get_str (row, "bundle"), "/blobs/x.tar.zst");
  assert_false (json_get_bool (row, "more", false));
  json_object_put (row);
}

static void
many_watch_one (void **state)
{
  struct bed *b = *state;
  struct person *first = orders (b), *second, *third;

  step_of (b, 1, "host", false);
  hears_row (first, "progress", "step", "host");
  /* Interrupted, and looked at again: by the guest, and by its number. */
  goes (first);
  rounds (b);
  second = comes_in (b, &control_local);
  asks (b, second, "{'op':'watch','of':'" A "'}");
  hears_row (second, "accepted", "incident", newest (b->w)->inc.id);
  hears_row (second, "progress", "step", "host");
  step_of (b, 1, "host", true);
  hears_row (second, "progress", "step", "host");
  step_of (b, 2, "monitor", false);
  hears_row (second, "progress", "step", "monitor");
  third = comes_in (b, &control_local);
  {
    char ask[120];

    snprintf (ask, sizeof ask, "{'op':'watch','of':'%s'}",
              newest (b->w)->inc.id);
    asks (b, third, ask);
  }
  /* Who comes late hears what was done, from the beginning. */
  hears_row (third, "accepted", NULL, NULL);
  hears_row (third, "progress", "step", "host");
  hears_row (third, "progress", "step", "host");
  hears_row (third, "progress", "step", "monitor");
  verdict (b->w, "kernel-panic", "high");
  packed (b->w, NULL);
  rounds (b);
  ends_for (b, second);
  ends_for (b, third);
  hears_nothing (second);
  assert_null (newest (b->w)->watchers);
}

/* Of one that is over there is the end. */
static void
watched_too_late (void **state)
{
  struct bed *b = *state;
  struct person *p = orders (b);
  char ask[120];

  snprintf (ask, sizeof ask, "{'op':'watch','of':'%s'}",
            newest (b->w)->inc.id);
  verdict (b->w, "slow", "high");
  packed (b->w, NULL);
  rounds (b);
  ends_for (b, p);
  asks (b, p, ask);
  hears_row (p, "accepted", NULL, NULL);
  ends_for (b, p);
  asks (b, p, "{'op':'watch','of':'" A "'}");
  hears_error (p, "ENOENT", "no diagnosis of guest-a is under way");
  asks (b, p, "{'op':'watch'}");
  hears_error (p, "EINVAL", NULL);
  asks (b, p, "{'op':'cancel','of':'" A "'}");
  hears_error (p, "ENOENT", NULL);
  snprintf (ask, sizeof ask, "{'op':'cancel','of':'%s'}",
            newest (b->w)->inc.id);
  asks (b, p, ask);
  hears_error (p, "EALREADY", NULL);
}

static void
so_many_watch (void **state)
{
  struct bed *b = *state;
  struct person *first = orders (b), *p = NULL;

  for (unsigned i = 1; i < MAX_WATCHERS; i++)
    {
      p = comes_in (b, &control_local);
      asks (b, p, "{'op':'watch','of':'" A "'}");
      hears_row (p, "accepted", NULL, NULL);
      hears_nothing (p);
    }
  p = comes_in (b, &control_local);
  asks (b, p, "{'op':'watch','of':'" A "'}");
  hears_row (p, "accepted", NULL, NULL);
  hears_error (p, "EBUSY", "16 watch this");
  goes (first);
  rounds (b);
  asks (b, p, "{'op':'watch','of':'" A "'}");
  hears_row (p, "accepted", NULL, NULL);
  hears_nothing (p);
}

static void
called_off_while_it_runs (void **state)
{
  struct bed *b = *state;
  struct person *p = orders (b), *other = comes_in (b, &control_local);

  asks (b, other, "{'op':'cancel','of':'" A "'}");
  hears_row (other, "cancelled", "incident", newest (b->w)->inc.id);
  assert_true (b->w->running[0]->stopped);
  /* Once is enough. */
  b->w->running[0]->stopped = false;
  asks (b, other, "{'op':'cancel','of':'" A "'}");
  hears_row (other, "cancelled", NULL, NULL);
  assert_false (b->w->running[0]->stopped);
  hears_nothing (p);
  verdict (b->w, "unknown", "low");
  packed (b->w, NULL);
  rounds (b);
  ends_for (b, p);
}

/* Before anything was done: at the next step it is seen. */
static void
called_off_before_it_begins (void **state)
{
  struct bed *b = *state;

  for (unsigned answers = 0; answers < 2; answers++)
    {
      struct person *p = comes_in (b, &control_local);

      asks (b, p, "{'op':'diagnose','guest':'" A "'}");
      hears_row (p, "accepted", NULL, NULL);
      if (answers == 1)
        on_disk (b->w, NULL); /* and now it is counted */
      asks (b, p, "{'op':'cancel','of':'" A "'}");
      hears_row (p, "cancelled", NULL, NULL);
      on_disk (b->w, NULL);
      assert_int_equal (newest (b->w)->life, LIFE_PACKING);
      assert_int_equal (b->w->nrunning, 0);
      assert_non_null (strstr (newest (b->w)->inc.verdict.sentence,
                               "called off by uid "));
      packed (b->w, NULL);
      rounds (b);
      ends_for (b, p);
    }
}

/* It waits for its turn; the others go on. */
static void
called_off_in_the_queue (void **state)
{
  struct bed *b = *state;
  struct person *p = comes_in (b, &control_local);

  b->w->incidents->max_begun = 2;
  asks (b, p, "{'op':'diagnose','guest':'" A "'}");
  asks (b, p, "{'op':'diagnose','guest':'" B "'}");
  asks (b, p, "{'op':'diagnose','guest':'" C "'}");
  while (b->w->nputs)
    on_disk (b->w, NULL);
  assert_int_equal (b->w->nrunning, 2);
  assert_int_equal (newest (b->w)->life, LIFE_WAITING);
  asks (b, p, "{'op':'cancel','of':'" C "'}");
  assert_int_equal (newest (b->w)->life, LIFE_PACKING);
  assert_int_equal (b->w->nrunning, 2);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    BED (a_socket_says_what_may_be_asked),
    BED (it_says_who_it_was),
    BED (a_group_may_read_and_not_type),
    BED (known_by_the_socket),
    BED (each_outcome_is_a_row),
    BED (who_leaves_is_not_told),
    BED (bound_and_told_when_it_is_kept),
    BED (who_bound_it_may_go),
    BED (many_watch_one),
    BED (watched_too_late),
    BED (so_many_watch),
    BED (called_off_while_it_runs),
    BED (called_off_before_it_begins),
    BED (called_off_in_the_queue),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
