/* SPDX-License-Identifier: Apache-2.0
 *
 * The bundle: what was packed comes out again, plain tar reads it, a torn one
 * gives what lies before the tear, damage costs one member, and what may not
 * stand in a bundle is refused.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/bundle_impl.h"
#include "controller-proto/sha256.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zstd.h>

#define BIG (700u << 10)

struct seen
{
  char name[16][BUNDLE_MAX_NAME + 1];
  struct buf data[16];
  bool complete[16];
  unsigned count;
};

struct place
{
  struct tmpdir tmp;
  int work, out;
  struct seen seen;
};

static bool
on_member (void *arg, const char *name, uint64_t size)
{
  struct seen *s = arg;

  assert_true (s->count < 16);
  snprintf (s->name[s->count], sizeof s->name[0], "%s", name);
  s->data[s->count] = (struct buf) BUF_INIT (4u << 20);
  s->count++;
  return true;
}

static void
on_data (void *arg, const void *data, size_t len)
{
  struct seen *s = arg;

  buf_append (&s->data[s->count - 1], data, len);
}

static void
on_end (void *arg, bool complete)
{
  struct seen *s = arg;

  s->complete[s->count - 1] = complete;
}

static const struct bundle_reader_ops ops
    = { .member = on_member, .data = on_data, .member_end = on_end };

static void
seen_clear (struct seen *s)
{
  for (unsigned i = 0; i < s->count; i++)
    buf_done (&s->data[i]);
  memset (s, 0, sizeof *s);
}

static void
put (int dirfd, const char *name, const void *data, size_t len)
{
  assert_int_equal (tmpdir_put (dirfd, name, data, len), 0);
}

static int
setup (void **state)
{
  struct place *p = calloc (1, sizeof *p);
  CLEANUP_FREE char *big = malloc (BIG);

  if (tmpdir_make (&p->tmp) < 0)
    return -1;
  mkdirat (p->tmp.fd, "work", 0700);
  mkdirat (p->tmp.fd, "work/console", 0700);
  mkdirat (p->tmp.fd, "out", 0700);
  p->work = openat (p->tmp.fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  p->out = openat (p->tmp.fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  put (p->work, "incident.json", "{\"id\":1}", 8);
  put (p->work, "empty.txt", "", 0);
  put (p->work, "console/raw.log", "hello\x1b[31m\n", 11);
  /* Not compressible, so that frames are as long as their members. */
  uint32_t x = 1;
  for (size_t i = 0; i < BIG; i++)
    big[i] = (char) ((x = x * 1664525 + 1013904223) >> 24);
  put (p->work, "big.bin", big, BIG);
  *state = p;
  return 0;
}

static int
teardown (void **state)
{
  struct place *p = *state;

  seen_clear (&p->seen);
  close (p->work);
  close (p->out);
  tmpdir_done (&p->tmp);
  free (p);
  return 0;
}

static const char *const order[] = { "incident.json", "console/", NULL };

static int
pack (struct place *p, struct json_object *head, char digest[65],
      uint64_t *size)
{
  struct error err = ERROR_INIT;
  int r = bundle_pack (p->work, p->out, "b.tar.zst", head, order, digest,
                       size, &err);

  if (r < 0)
    print_message ("%s\n", err.msg);
  return r;
}

static int
unpack (struct place *p, int fd, uint64_t max, struct error *err)
{
  seen_clear (&p->seen);
  lseek (fd, 0, SEEK_SET);
  return bundle_read (fd, max, &ops, &p->seen, err);
}

static int
open_bundle (struct place *p)
{
  int fd = openat (p->out, "b.tar.zst", O_RDWR | O_CLOEXEC);

  assert_true (fd >= 0);
  return fd;
}

static struct json_object *
file_entry (struct json_object *manifest, const char *path)
{
  struct json_object *files = json_get (manifest, "files");

  for (size_t i = 0; i < json_object_array_length (files); i++)
    {
      struct json_object *f = json_object_array_get_idx (files, i);

      if (strcmp (json_get_str (f, "path"), path) == 0)
        return f;
    }
  return NULL;
}

static void
test_round (void **state)
{
  struct place *p = *state;
  CLEANUP_JSON struct json_object *head = json_tokener_parse (
      "{\"incident\":{\"id\":\"x\"},\"files\":[],\"schema\":\"no\","
      "\"about\":{\"console/raw.log\":{\"source\":\"console\",\"bytes\":9}}}");
  char digest[65], again[65];
  uint64_t size, size2;

  assert_int_equal (pack (p, head, digest, &size), 0);
  CLEANUP_CLOSE int fd = open_bundle (p);
  assert_int_equal (sha256_fd (fd, again, &size2, NULL), 0);
  assert_string_equal (digest, again);
  assert_int_equal (size, size2);
  assert_int_equal (unpack (p, fd, 10u << 20, NULL), 0);
  assert_int_equal (p->seen.count, 6);
  assert_string_equal (p->seen.name[0], "manifest.json");
  assert_string_equal (p->seen.name[1], "incident.json");
  assert_string_equal (p->seen.name[2], "console/raw.log");
  assert_string_equal (p->seen.name[3], "big.bin");
  assert_string_equal (p->seen.name[4], "empty.txt");
  assert_string_equal (p->seen.name[5], BUNDLE_SUMS);
  for (unsigned i = 0; i < 6; i++)
    assert_true (p->seen.complete[i]);
  assert_int_equal (p->seen.data[3].len, BIG);
  assert_memory_equal (p->seen.data[2].data, "hello\x1b[31m\n", 11);

  CLEANUP_JSON struct json_object *m
      = json_tokener_parse (buf_str (&p->seen.data[0]));
  assert_string_equal (json_get_str (m, "schema"), BUNDLE_SCHEMA);
  assert_non_null (json_get (m, "incident"));
  assert_null (json_get (m, "about"));
  assert_int_equal (json_object_array_length (json_get (m, "files")), 5);
  struct json_object *raw = file_entry (m, "console/raw.log");
  assert_string_equal (json_get_str (raw, "source"), "console");
  assert_int_equal (json_get_int (raw, "bytes", 0), 11);
}

/* The frame that the manifest names is that member and nothing else. */
static void
test_frames (void **state)
{
  struct place *p = *state;
  char digest[65];
  uint64_t size;

  assert_int_equal (pack (p, NULL, digest, &size), 0);
  CLEANUP_CLOSE int fd = open_bundle (p);
  assert_int_equal (unpack (p, fd, 10u << 20, NULL), 0);
  CLEANUP_JSON struct json_object *m
      = json_tokener_parse (buf_str (&p->seen.data[0]));
  CLEANUP_FREE char *all = malloc (size);
  char plain[2 * TAR_BLOCK];
  struct json_object *frame
      = json_get (file_entry (m, "console/raw.log"), "frame");

  assert_int_equal (pread (fd, all, size, 0), (ssize_t) size);
  size_t first = ZSTD_findFrameCompressedSize (all, size);
  assert_false (ZSTD_isError (first));
  size_t n = ZSTD_decompress (plain, sizeof plain,
                              all + first + json_get_int (frame, "offset", 0),
                              (size_t) json_get_int (frame, "bytes", 0));
  assert_int_equal (n, sizeof plain);
  assert_memory_equal (plain + TAR_BLOCK, "hello\x1b[31m\n", 11);
}

/* The world's tar and zstd read it. */
static void
test_plain_tar (void **state)
{
  struct place *p = *state;
  char digest[65], path[128];
  uint64_t size;
  pid_t pid;
  int st;

  assert_int_equal (pack (p, NULL, digest, &size), 0);
  snprintf (path, sizeof path, "%s/out/b.tar.zst", p->tmp.path);
  if ((pid = fork ()) == 0)
    {
      if (chdir (p->tmp.path) == 0 && mkdir ("x", 0700) == 0 && chdir ("x") == 0)
        execlp ("tar", "tar", "--zstd", "-xf", path, (char *) NULL);
      _exit (127);
    }
  waitpid (pid, &st, 0);
  if (WIFEXITED (st) && WEXITSTATUS (st) == 127)
    skip ();
  assert_int_equal (st, 0);
  assert_int_equal (faccessat (p->tmp.fd, "x/console/raw.log", R_OK, 0), 0);
  assert_int_equal (faccessat (p->tmp.fd, "x/manifest.json", R_OK, 0), 0);
}

static void
test_torn (void **state)
{
  struct place *p = *state;
  struct error err = ERROR_INIT;
  char digest[65];
  uint64_t size;

  assert_int_equal (pack (p, NULL, digest, &size), 0);
  CLEANUP_CLOSE int fd = open_bundle (p);
  assert_int_equal (ftruncate (fd, (off_t) (size * 6 / 10)), 0);
  assert_int_equal (unpack (p, fd, 10u << 20, &err), -EPIPE);
  assert_int_equal (p->seen.count, 4);
  assert_true (p->seen.complete[0] && p->seen.complete[1]
               && p->seen.complete[2]);
  assert_false (p->seen.complete[3]);
  assert_true (p->seen.data[3].len > BIG / 2 - 200000);
  /* Only the end mark is missing: all is there, and yet it is torn. */
  assert_int_equal (pack (p, NULL, digest, &size), 0);
  CLEANUP_CLOSE int fd2 = open_bundle (p);
  assert_int_equal (ftruncate (fd2, (off_t) size - 9), 0);
  assert_int_equal (unpack (p, fd2, 10u << 20, &err), -EPIPE);
  assert_int_equal (p->seen.count, 6);
  assert_true (p->seen.complete[5]);
}

static void
test_damage (void **state)
{
  struct place *p = *state;
  struct error err = ERROR_INIT;
  char digest[65];
  uint64_t size;

  assert_int_equal (pack (p, NULL, digest, &size), 0);
  CLEANUP_CLOSE int fd = open_bundle (p);
  unsigned hurt = 0;
  for (off_t at = 3000; at < (off_t) size; at += 60000)
    {
      unsigned char c, bad;

      assert_int_equal (pread (fd, &c, 1, at), 1);
      bad = c ^ 0x5a;
      assert_int_equal (pwrite (fd, &bad, 1, at), 1);
      int r = unpack (p, fd, 10u << 20, &err);
      assert_int_equal (r, -EBADMSG);
      /* It lies in big.bin: what is before and after came whole. */
      assert_int_equal (p->seen.count, 6);
      assert_true (p->seen.complete[2] && p->seen.complete[4]);
      assert_false (p->seen.complete[3]);
      assert_string_equal (p->seen.name[4], "empty.txt");
      assert_int_equal (pwrite (fd, &c, 1, at), 1);
      hurt++;
    }
  assert_true (hurt > 5);
}

/* ---- hostile archives, made by hand ---- */

static void
raw_member (struct buf *b, const char *name, char type, uint64_t size,
            size_t really)
{
  static char data[4096];
  struct ustar h;

  memset (&h, 0, sizeof h);
  snprintf (h.name, sizeof h.name, "%s", name);
  snprintf (h.mode, sizeof h.mode, "%07o", 0644);
  snprintf (h.size, sizeof h.size, "%011llo", (unsigned long long) size);
  h.typeflag = type;
  memcpy (h.magic, "ustar", 6);
  memcpy (h.version, "00", 2);
  if (type == '2' || type == '1')
    snprintf (h.linkname, sizeof h.linkname, "/etc/passwd");
  snprintf (h.chksum, sizeof h.chksum, "%06o", ustar_sum (&h));
  h.chksum[7] = ' ';
  buf_append (b, &h, sizeof h);
  buf_append (b, data, (really + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK);
}

static int
read_raw (struct place *p, const struct buf *tar, uint64_t max, bool zstd)
{
  struct error err = ERROR_INIT;
  size_t cap = ZSTD_compressBound (tar->len);
  CLEANUP_FREE char *z = malloc (cap);
  size_t n = ZSTD_compress (z, cap, tar->data, tar->len, 1);

  if (zstd)
    put (p->out, "raw", z, n);
  else
    put (p->out, "raw", tar->data, tar->len);
  CLEANUP_CLOSE int fd = openat (p->out, "raw", O_RDONLY | O_CLOEXEC);
  return unpack (p, fd, max, &err);
}

static void
test_refused (void **state)
{
  struct place *p = *state;
  static const struct
  {
    const char *name;
    char type;
    uint64_t size;
    int own, foreign;
  } cases[] = {
    { "../evil", '0', 0, -EBADMSG, -EBADMSG },
    { "a/../../evil", '0', 0, -EBADMSG, -EBADMSG },
    { "/etc/passwd", '0', 0, -EBADMSG, -EBADMSG },
    { "link", '2', 0, -EBADMSG, -EBADMSG },
    { "hard", '1', 0, -EBADMSG, -EBADMSG },
    { "dev", '3', 0, -EBADMSG, -EBADMSG },
    { "fifo", '6', 0, -EBADMSG, -EBADMSG },
    { "e\x1b[31m", '0', 0, -EBADMSG, -EBADMSG },
    { "huge", '0', 0777777777, -EFBIG, -EFBIG },
    { "more-than-allowed", '0', 5000, -EFBIG, -EFBIG },
    { "fine", '0', 100, 0, 0 },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    for (int own = 0; own < 2; own++)
      {
        struct buf b CLEANUP_BUF = BUF_INIT (1u << 20);
        static const char end[2 * TAR_BLOCK];

#ifndef WITH_LIBARCHIVE
        if (!own)
          continue;
#endif
        if (own)
          raw_member (&b, "manifest.json", '0', 0, 0);
        raw_member (&b, cases[i].name, cases[i].type, cases[i].size,
                    cases[i].size < 4096 ? (size_t) cases[i].size : 4096);
        buf_append (&b, end, sizeof end);
        int r = read_raw (p, &b, 4096, true);
        int want = own ? cases[i].own : cases[i].foreign;
        if (r != want)
          fail_msg ("%s (%s): %d, not %d", cases[i].name,
                    own ? "own" : "foreign", r, want);
        assert_int_equal (p->seen.count, (r == 0) + own);
      }
}

static void
test_bomb (void **state)
{
  struct place *p = *state;
  size_t len = 32u << 20;
  CLEANUP_FREE char *zeros = calloc (1, len);
  struct error err = ERROR_INIT;
  size_t cap = ZSTD_compressBound (len);
  CLEANUP_FREE char *z = malloc (cap);
  struct buf one CLEANUP_BUF = BUF_INIT (1u << 20);
  raw_member (&one, "manifest.json", '0', 100, 100);
  size_t n = ZSTD_compress (z, cap, one.data, one.len, 1);
  /* A frame that holds 32 MiB behind a member of 100 bytes. */
  memset (zeros, 'x', len);
  n += ZSTD_compress (z + n, cap - n, zeros, len, 1);
  put (p->out, "raw", z, n);
  CLEANUP_CLOSE int fd = openat (p->out, "raw", O_RDONLY | O_CLOEXEC);
  int r = unpack (p, fd, 4096, &err);
  assert_true (r == -EBADMSG || r == -EFBIG);
  assert_int_equal (p->seen.count, 1);
}

static bool
skip_all (void *arg, const char *name, uint64_t size)
{
  (*(unsigned *) arg)++;
  return false;
}

static void
test_too_many (void **state)
{
  struct place *p = *state;
  static const struct bundle_reader_ops skipper = { .member = skip_all };
  struct buf b CLEANUP_BUF = BUF_INIT (4u << 20);
  unsigned count = 0;

  raw_member (&b, "manifest.json", '0', 0, 0);
  for (unsigned i = 0; i < 600; i++)
    raw_member (&b, "m", '0', 0, 0);
  size_t cap = ZSTD_compressBound (b.len);
  CLEANUP_FREE char *z = malloc (cap);
  put (p->out, "raw", z, ZSTD_compress (z, cap, b.data, b.len, 1));
  CLEANUP_CLOSE int fd = openat (p->out, "raw", O_RDONLY | O_CLOEXEC);
  assert_int_equal (bundle_read (fd, 1u << 20, &skipper, &count, NULL),
                    -EFBIG);
  assert_int_equal (count, BUNDLE_MAX_MEMBERS);
}

static void
test_foreign (void **state)
{
#ifdef WITH_LIBARCHIVE
  struct place *p = *state;
  struct buf b CLEANUP_BUF = BUF_INIT (1u << 20);
  static const char end[2 * TAR_BLOCK];
  struct error err = ERROR_INIT;

  raw_member (&b, "dir/", '5', 0, 0);
  raw_member (&b, "dir/some file+.txt", '0', 600, 600);
  raw_member (&b, "./b", '0', 3, 3);
  buf_append (&b, end, sizeof end);
  assert_int_equal (read_raw (p, &b, 4096, false), 0);
  assert_int_equal (p->seen.count, 2);
  assert_string_equal (p->seen.name[0], "dir/some file+.txt");
  assert_string_equal (p->seen.name[1], "b");
  assert_int_equal (p->seen.data[0].len, 600);
  /* Torn. */
  b.len = TAR_BLOCK * 2 + 300;
  assert_int_equal (read_raw (p, &b, 4096, false), -EPIPE);
  assert_int_equal (p->seen.count, 1);
  assert_false (p->seen.complete[0]);
  /* Not an archive at all. */
  put (p->out, "raw", "this is a letter to my aunt", 27);
  CLEANUP_CLOSE int fd = openat (p->out, "raw", O_RDONLY | O_CLOEXEC);
  assert_true (unpack (p, fd, 4096, &err) < 0);
#else
  skip ();
#endif
}

/* What is not a plain file with a good name is named as missing. */
static void
test_missing (void **state)
{
  struct place *p = *state;
  char digest[65];
  uint64_t size;

  assert_int_equal (symlinkat ("/etc/passwd", p->work, "link"), 0);
  assert_int_equal (mkfifoat (p->work, "fifo", 0600), 0);
  put (p->work, "bad name", "x", 1);
  put (p->work, "manifest.json", "x", 1);
  put (p->work, "SHA256SUMS", "x", 1);
  assert_int_equal (pack (p, NULL, digest, &size), 0);
  CLEANUP_CLOSE int fd = open_bundle (p);
  assert_int_equal (unpack (p, fd, 10u << 20, NULL), 0);
  assert_int_equal (p->seen.count, 6);
  CLEANUP_JSON struct json_object *m
      = json_tokener_parse (buf_str (&p->seen.data[0]));
  assert_int_equal (json_object_array_length (json_get (m, "missing")), 5);
}

static void
test_fails_clean (void **state)
{
  struct place *p = *state;
  struct error err = ERROR_INIT;
  char digest[65] = "untouched";
  uint64_t size = 7;

  assert_int_equal (bundle_pack (p->work, p->out, "../x", NULL, NULL, digest,
                                 &size, &err), -EINVAL);
  assert_true (bundle_pack (p->work, p->work + 1000, "b.tar.zst", NULL, NULL,
                            digest, &size, &err) < 0);
  assert_string_equal (digest, "untouched");
  assert_int_equal (size, 7);
}

static void
test_names (void **state)
{
  static const char *const good[] = { "a", "a/b.c", "console/raw-1_2.log" };
  static const char *const bad[] = { "", "/a", "a/", "a//b", "..", "a/..",
                                     ".a", "a/.b", "a b", "a\n", "-a",
                                     "1/2/3/4/5/6/7/8/9" };

  for (size_t i = 0; i < ARRAY_LEN (good); i++)
    assert_true (bundle_name_ok (good[i]));
  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    assert_false (bundle_name_ok (bad[i]));
}

static void
test_sums (void **state)
{
  static const char *const hex
      = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  char b64[SHA256_BASE64], back[SHA256_HEX];

  assert_true (sha256_hex_to_base64 (hex, b64));
  assert_string_equal (b64, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  assert_true (sha256_base64_to_hex (b64, 44, back));
  assert_string_equal (back, hex);
  assert_false (sha256_base64_to_hex (b64, 43, back));
  assert_false (sha256_base64_to_hex (
      "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF!=", 44, back));
  assert_false (sha256_hex_ok ("E3b0"));
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_round), T (test_frames), T (test_plain_tar), T (test_torn),
    T (test_damage), T (test_refused), T (test_bomb), T (test_too_many),
    T (test_foreign), T (test_missing), T (test_fails_clean),
    cmocka_unit_test (test_names), cmocka_unit_test (test_sums),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
