/* SPDX-License-Identifier: Apache-2.0
 *
 * The step `core`: what it makes of what `hangdog core` says.  Nobody is
 * started here: the words are.
 */
#include "diag/collect/collect.h"

#include "base/clock.h"
#include "base/error.h"
#include "guests/guest.h"
#include "transports/exec/exec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PATH "/var/crash/aaaaaaaa-2222-4333-8444-555555555555.core"

static struct
{
  const char *says;
  int status;
  char asked[400];   /* its arguments */
  unsigned attached; /* and the last one of them */
  char path[200], sha256[80], send[16];
  uint64_t bytes;
} world;

int
exec_run (const struct transport_env *env, const struct exec_program *program,
          uint64_t deadline, struct exec_result *ret, struct error *err)
{
  world.asked[0] = '\0';
  for (size_t i = 0; i < program->nargs; i++)
    {
      size_t at = strlen (world.asked);

      snprintf (world.asked + at, sizeof world.asked - at, "%s ",
                program->args[i]);
    }
  *ret = (struct exec_result){ .end = EXEC_EXITED, .status = world.status };
  ret->output = (struct buf) BUF_INIT (4096);
  ret->errors = (struct buf) BUF_INIT (4096);
  buf_puts (&ret->output, world.says);
  return 0;
}

static void
no_file (struct collect_out *out, const char *name, const void *data,
         size_t len)
{
}

static void
no_fact (struct collect_out *out, const struct fact *fact)
{
}

static void
no_words (struct collect_out *out, const char *fmt, ...)
{
}

static void
no_words_since (struct collect_out *out, uint64_t begun_ms, const char *fmt,
                ...)
{
}

static void
no_gap (struct collect_out *out, const char *what, const char *fmt, ...)
{
}

static void
attach (struct collect_out *out, const struct collect_attachment *a)
{
  world.attached++;
  world.bytes = a->bytes;
  snprintf (world.path, sizeof world.path, "%s", a->path);
  snprintf (world.sha256, sizeof world.sha256, "%s", a->sha256 ? a->sha256 : "");
  snprintf (world.send, sizeof world.send, "%s", a->send);
}

static void
core (const char *says, int status)
{
  struct guest g = { .monitor = MONITOR_UNIX };
  struct collect_out out = { .file = no_file,
                             .fact = no_fact,
                             .impact = no_words,
                             .impact_since = no_words_since,
                             .gap = no_gap,
                             .attach = attach };
  struct transport_env env
      = { .core_dir = "/var/crash", .run_dir = "/run/hangdog" };
  struct collect_ctx ctx = { .guest = &g,
                             .env = &env,
                             .deadline = clock_ms () + 60000,
                             .scenario = "",
                             .out = &out };
  struct error err = ERROR_INIT;

  snprintf (g.inc.uuid, sizeof g.inc.uuid, "%s",
            "aaaaaaaa-2222-4333-8444-555555555555");
  memset (&world, 0, sizeof world);
  world.says = says;
  world.status = status;
  assert_int_equal (collect_core.run (&ctx, &err), status == 1 ? -EIO : 0);
}

static void
listed (void **state)
{
  core ("core=" PATH " guest=web size=1GiB disk=1MiB cpus=2 vmcoreinfo=yes "
        "bytes=1073741824 sha256=" SUM "\nnote: bytes=5 sha256=x\n",
        0);
  assert_non_null (strstr (world.asked, " --sum "));
  assert_int_equal (world.attached, 1);
  assert_string_equal (world.path, PATH);
  assert_int_equal (world.bytes, 1073741824);
  assert_string_equal (world.sha256, SUM);
  assert_string_equal (world.send, "never");
}

static void
attached_without_sum (void)
{
  assert_int_equal (world.attached, 1);
  assert_int_equal (world.bytes, 1073741824);
  assert_string_equal (world.sha256, "");
}

/* One that is as large as that takes longer than is spent on a sum. */
static void
without_a_sum (void **state)
{
  core ("core=" PATH " guest=web size=1GiB disk=1MiB cpus=2 vmcoreinfo=yes "
        "bytes=1073741824\n",
        5);
  attached_without_sum ();
}

/* A guest may be called anything. */
static void
what_a_guest_is_called (void **state)
{
  core ("core=" PATH " guest=x bytes=1 sha256=" SUM " size=1GiB disk=1MiB "
        "cpus=2 vmcoreinfo=yes bytes=1073741824\n",
        0);
  attached_without_sum ();
}

static void
of_what_failed_nothing (void **state)
{
  core ("core=" PATH " guest=x bytes=1 sha256=" SUM "\n", 1);
  assert_int_equal (world.attached, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (listed),
    cmocka_unit_test (without_a_sum),
    cmocka_unit_test (what_a_guest_is_called),
    cmocka_unit_test (of_what_failed_nothing),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
