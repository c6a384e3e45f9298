/* SPDX-License-Identifier: Apache-2.0
 *
 * An operator's program, run by the real hangdog-exec: for test-exec and
 * test-exec-left.
 */
#ifndef HANGDOG_TEST_EXEC_BED_H
#define HANGDOG_TEST_EXEC_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/json.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"
#include "transports/exec/exec.h"
#include "transports/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

/* For what comes. */
#define PATIENCE_MS 60000

struct bed
{
  struct tmpdir tmp;
  char libexec[PATH_MAX], dir[128], base[128];
  const char *dirs[3];
  struct transport_env env;
};

static inline int
setup (void **state)
{
  struct bed *b = calloc (1, sizeof *b);
  char path[PATH_MAX];

  umask (022);
  assert_int_equal (tmpdir_make (&b->tmp), 0);
  built_path (path, "hangdog-exec");
  *strrchr (path, '/') = '\0';
  snprintf (b->libexec, sizeof b->libexec, "%s", path);
  snprintf (b->dir, sizeof b->dir, "%s/exec.d", b->tmp.path);
  assert_int_equal (mkdir (b->dir, 0755), 0);
  /* The first is not there. */
  b->dirs[0] = "/nonexistent/exec.d";
  b->dirs[1] = b->dir;
  snprintf (b->base, sizeof b->base, "%s/left", b->tmp.path);
  assert_int_equal (mkdir (b->base, 0700), 0);
  b->env = (struct transport_env){ .libexec = b->libexec,
                                   .exec_dirs = b->dirs,
                                   .exec_left = b->base };
  *state = b;
  return 0;
}

static inline int
teardown (void **state)
{
  struct bed *b = *state;

  tmpdir_done (&b->tmp);
  free (b);
  return 0;
}

static inline void
script (const struct bed *b, const char *name, const char *body)
{
  char text[4096], path[256];

  snprintf (text, sizeof text, "#!/bin/sh\n%s\n", body);
  snprintf (path, sizeof path, "exec.d/%s", name);
  assert_int_equal (tmpdir_put (b->tmp.fd, path, text, strlen (text)), 0);
  assert_int_equal (fchmodat (b->tmp.fd, path, 0755, 0), 0);
}

static inline struct exec_result
run_for (const struct bed *b, const char *name, const char *const *args,
         size_t nargs, struct json_object *told, uint64_t ms)
{
  CLEANUP_JSON struct json_object *none = json_object_new_object ();
  const struct exec_program program = { .name = name,
                                        .args = args,
                                        .nargs = nargs,
                                        .environ = told ? told : none };
  struct exec_result r = { .status = -77 };
  struct error err = ERROR_INIT;

  if (exec_run (&b->env, &program, clock_ms () + ms, &r, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return r;
}

static inline struct exec_result
run (const struct bed *b, const char *name)
{
  return run_for (b, name, NULL, 0, NULL, PATIENCE_MS);
}

#endif
