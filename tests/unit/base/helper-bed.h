/* SPDX-License-Identifier: Apache-2.0
 *
 * A test that is a process of our own, too: under another name it is the
 * programme that is started, and as bad as it can be.  For test-helper and
 * test-helper-walls.
 */
#ifndef HANGDOG_TEST_HELPER_BED_H
#define HANGDOG_TEST_HELPER_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/helper.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>

#define PROGRAM "hangdog-false"
/* For what is waited for and comes. */
#define PATIENCE_MS 60000

/* ---- the programme ---- */

/* What it does, by the first of its words. */
struct mode
{
  const char *name;
  int (*fn) (char **words);
};

static inline int
say (struct json_object *head)
{
  int r = frame_write (HELPER_CHANNEL, head, NULL, 0, NULL, 0, CLOCK_NEVER,
                       NULL);

  json_object_put (head);
  return r < 0;
}

static inline int
be_helper (char **argv, const struct mode *modes, size_t n)
{
  for (size_t i = 0; argv[1] && i < n; i++)
    if (strcmp (modes[i].name, argv[1]) == 0)
      return modes[i].fn (argv + 2);
  return 99;
}

static inline bool
is_helper (int argc, char **argv)
{
  const char *last = strrchr (argv[0], '/');

  return argc > 1 && strcmp (last ? last + 1 : argv[0], PROGRAM) == 0;
}

/* ---- its place ---- */

struct place
{
  struct tmpdir tmp;
  int inputs[3];
};

static inline int
setup (void **state)
{
  struct place *p = calloc (1, sizeof *p);
  char self[PATH_MAX] = "", link[PATH_MAX];

  tmpdir_make (&p->tmp);
  assert_true (readlink ("/proc/self/exe", self, sizeof self - 1) > 0);
  snprintf (link, sizeof link, "%s/" PROGRAM, p->tmp.path);
  assert_int_equal (symlink (self, link), 0);
  for (unsigned i = 0; i < 3; i++)
    {
      p->inputs[i] = memfd_create ("input", MFD_CLOEXEC);
      assert_int_equal (write (p->inputs[i], &"ABC"[i], 1), 1);
    }
  *state = p;
  return 0;
}

static inline int
teardown (void **state)
{
  struct place *p = *state;

  for (unsigned i = 0; i < 3; i++)
    close (p->inputs[i]);
  tmpdir_done (&p->tmp);
  free (p);
  return 0;
}

static inline struct helper
start_with (const struct place *p, const char *mode, const char *word,
            struct helper_spec spec)
{
  const char *args[] = { mode, word, NULL };
  struct helper h = HELPER_INIT;
  struct error err = ERROR_INIT;

  spec.libexec = p->tmp.path;
  spec.program = PROGRAM;
  spec.args = args;
  if (helper_start (&spec, &h, &err) < 0)
    fail_msg ("%s", error_text (&err));
  assert_true (h.pid > 0 && h.sock >= 0);
  return h;
}

static inline struct helper
start (const struct place *p, const char *mode, const char *word)
{
  return start_with (p, mode, word, (struct helper_spec){ .nfds = 0 });
}

/* Its only answer. */
static inline struct json_object *
heard (struct helper *h)
{
  CLEANUP_FRAME struct frame f = { 0 };
  struct error err = ERROR_INIT;

  if (helper_hear (h, &f, clock_ms () + PATIENCE_MS, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return json_object_get (f.head);
}

#define TEST(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

#endif
