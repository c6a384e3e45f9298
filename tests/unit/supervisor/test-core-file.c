/* SPDX-License-Identifier: Apache-2.0
 *
 * The file that a core goes into: its name, its room, and what is left of it.
 */
#include "supervisor/cli/core_file.h"
#include "supervisor/cli/progress.h"

#include "base/error.h"
#include "tests/lib/tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1ull << 20)

struct bed
{
  char dir[64], path[96];
  struct core_file *f;
  struct error err;
};

static int
setup (void **state)
{
  struct bed *b = calloc (1, sizeof *b);

  snprintf (b->dir, sizeof b->dir, "/tmp/core-file.XXXXXX");
  assert_non_null (mkdtemp (b->dir));
  snprintf (b->path, sizeof b->path, "%s/core", b->dir);
  *state = b;
  return 0;
}

static int
teardown (void **state)
{
  struct bed *b = *state;

  core_file_free (b->f);
  tmpdir_remove (b->dir);
  free (b);
  return 0;
}

static unsigned
files (const struct bed *b)
{
  DIR *d = opendir (b->dir);
  struct dirent *e;
  unsigned n = 0;

  while ((e = readdir (d)))
    n += e->d_name[0] != '.';
  closedir (d);
  return n;
}

static int
begin (struct bed *b, struct core_file_spec spec)
{
  int r;

  spec.path = b->path;
  if (spec.leave == 0)
    spec.leave = 1;
  r = core_file_new (&spec, &b->f, &b->err);
  return r < 0 ? r : core_file_begin (b->f, 100 * MIB, 2 * MIB, &b->err);
}

static int
put (struct bed *b, uint64_t at, size_t len)
{
  static char data[1 << 20];

  memset (data, 'x', sizeof data);
  return core_file_put (b->f, at, data, len, &b->err);
}

static void
whole (void **state)
{
  struct bed *b = *state;
  struct stat st;

  assert_int_equal (begin (b, (struct core_file_spec){ 0 }), 0);
  assert_int_equal (put (b, 0, 1000), 0);
  assert_int_equal (put (b, 40 * MIB, MIB), 0);
  assert_int_equal (put (b, 99 * MIB, MIB), 0);
  assert_int_equal (access (b->path, F_OK), -1); /* not yet */
  assert_int_equal (core_file_commit (b->f, &b->err), 0);
  assert_null (core_file_partial (b->f));
  assert_int_equal (core_file_written (b->f), 2 * MIB + 1000);
  core_file_free (b->f);
  b->f = NULL;
  assert_int_equal (stat (b->path, &st), 0);
  assert_int_equal (st.st_size, 100 * MIB);
  assert_int_equal (st.st_mode & 0777, 0600);
  assert_true (st.st_blocks * 512 < 4 * (off_t) MIB);
  assert_int_equal (files (b), 1);
}

/* As who reads the file would sum it, holes and all. */
static void
summed (void **state)
{
  static unsigned char piece[1 << 20];
  struct bed *b = *state;
  char is[DIGEST_HEX], want[DIGEST_HEX];
  struct digest d;
  ssize_t n;

  assert_int_equal (begin (b, (struct core_file_spec){ .sum = true }), 0);
  assert_int_equal (put (b, 0, 1000), 0);
  assert_int_equal (put (b, 40 * MIB + 17, MIB), 0);
  assert_int_equal (put (b, 98 * MIB, MIB), 0);
  assert_int_equal (core_file_commit (b->f, &b->err), 0);
  assert_true (core_file_sum (b->f, is));
  /* Once. */
  assert_false (core_file_sum (b->f, is));
  int fd = open (b->path, O_RDONLY);
  digest_init (&d);
  while ((n = read (fd, piece, sizeof piece)) > 0)
    digest_add (&d, piece, (size_t) n);
  close (fd);
  digest_end_hex (&d, want);
  assert_string_equal (is, want);
}

static void
not_summed (void **state)
{
  struct bed *b = *state;
  char is[DIGEST_HEX];

  assert_int_equal (begin (b, (struct core_file_spec){ 0 }), 0);
  assert_int_equal (put (b, 0, 1000), 0);
  assert_false (core_file_sum (b->f, is));
}

/* What one that was killed has left; nothing of others, nor what is written
 * just now. */
static void
left_over (void **state)
{
  static const char *const names[]
      = { "core.partial-aB3xyZ", "core.partial-aB3xyZ7", "core.partial-aB",
          "core2.partial-aB3xyZ", "core.partial-linked" };
  struct bed *b = *state;
  struct core_file *other;
  struct core_file_spec force = { .path = b->path, .force = true };
  char path[200], second[200];

  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    {
      snprintf (path, sizeof path, "%s/%s", b->dir, names[i]);
      close (open (path, O_CREAT | O_WRONLY, 0600));
    }
  snprintf (second, sizeof second, "%s/else", b->dir);
  assert_int_equal (link (path, second), 0);
  snprintf (path, sizeof path, "%s/core.partial-folder", b->dir);
  assert_int_equal (mkdir (path, 0700), 0);
  assert_int_equal (core_file_new (&force, &other, &b->err), 0);
  assert_int_equal (files (b), 7);
  assert_int_equal (begin (b, force), 0);
  assert_int_equal (files (b), 8);
  assert_int_equal (core_file_commit (other, &b->err), 0);
  core_file_free (other);
}

static void
broken_off (void **state)
{
  struct bed *b = *state;

  assert_int_equal (begin (b, (struct core_file_spec){ 0 }), 0);
  assert_int_equal (put (b, 0, 1000), 0);
  core_file_free (b->f);
  b->f = NULL;
  assert_int_equal (files (b), 0);
  assert_int_equal (begin (b, (struct core_file_spec){ .keep = true }), 0);
  assert_int_equal (put (b, 0, 1000), 0);
  assert_non_null (core_file_partial (b->f));
  assert_int_equal (access (core_file_partial (b->f), F_OK), 0);
  core_file_free (b->f);
  b->f = NULL;
  assert_int_equal (files (b), 1);
}

static void
over_another (void **state)
{
  struct bed *b = *state;
  int fd = open (b->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

  close (fd);
  assert_int_equal (begin (b, (struct core_file_spec){ 0 }), -EEXIST);
  assert_null (b->f);
  assert_int_equal (begin (b, (struct core_file_spec){ .force = true }), 0);
  assert_int_equal (core_file_commit (b->f, &b->err), 0);
  core_file_free (b->f);
  b->f = NULL;
  /* One that comes while it is written. */
  assert_int_equal (unlink (b->path), 0);
  assert_int_equal (begin (b, (struct core_file_spec){ 0 }), 0);
  fd = open (b->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  close (fd);
  assert_int_equal (core_file_commit (b->f, &b->err), -EEXIST);
  core_file_free (b->f);
  b->f = NULL;
  /* What is no file is never written over. */
  assert_int_equal (unlink (b->path), 0);
  assert_int_equal (symlink ("/nowhere", b->path), 0);
  assert_int_equal (begin (b, (struct core_file_spec){ .force = true }),
                    -EEXIST);
}

static void
too_large (void **state)
{
  struct bed *b = *state;

  assert_int_equal (begin (b, (struct core_file_spec){ .max = MIB }), -EFBIG);
  core_file_free (b->f);
  b->f = NULL;
  /* It grows while it is read. */
  assert_int_equal (begin (b, (struct core_file_spec){ .max = 2 * MIB }), 0);
  assert_int_equal (put (b, 0, MIB), 0);
  assert_int_equal (put (b, MIB, MIB), 0);
  assert_int_equal (put (b, 2 * MIB, 1), -EFBIG);
  core_file_free (b->f);
  b->f = NULL;
  assert_int_equal (begin (b, (struct core_file_spec){ .leave = 1ull << 60 }),
                    -ENOSPC);
  assert_non_null (strstr (error_text (&b->err), "stay free"));
}

/* From a parser that something has taken over. */
static void
hostile (void **state)
{
  struct bed *b = *state;

  assert_int_equal (begin (b, (struct core_file_spec){ 0 }), 0);
  assert_int_equal (core_file_begin (b->f, 1, 1, &b->err), -EBADMSG);
  assert_int_equal (put (b, 100, 100), 0);
  assert_int_equal (put (b, 199, 1), -EBADMSG);
  assert_int_equal (put (b, 100 * MIB - 1, 2), -EBADMSG);
  assert_int_equal (put (b, UINT64_MAX, 2), -EBADMSG);
  assert_int_equal (put (b, 100 * MIB, 0), 0);
}

static void
progress_line (void **state)
{
  char line[128];

  progress_bar (line, sizeof line, 512 * MIB, 1024 * MIB);
  assert_string_equal (line, "[===========>            ]");
  progress_bar (line, sizeof line, 0, 0);
  assert_string_equal (line, "[=======================>]");
  progress_bar (line, sizeof line, UINT64_MAX - 1, UINT64_MAX);
  progress_rate (line, sizeof line, 512 * MIB, 1024 * MIB, 2000);
  assert_string_equal (line, "512MiB of 1GiB  256MiB/s  3s left");
  progress_rate (line, sizeof line, 0, 0, 0);
  assert_string_equal (line, "0B of 0B  0B/s");
}

int
main (void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)
  const struct CMUnitTest tests[] = {
    TEST (whole),     TEST (summed),    TEST (not_summed), TEST (left_over), TEST (broken_off), TEST (over_another),
    TEST (too_large), TEST (hostile),    cmocka_unit_test (progress_line),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
