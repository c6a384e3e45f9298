/* SPDX-License-Identifier: Apache-2.0
 *
 * The store given a file of any content.  The first byte says which:
 *
 *   bit 0 clear: the rest is the file.  Opening may refuse a later version
 *                and nothing else.
 *   bit 0 set:   the rest is a list of what to put together: good records,
 *                spoilt ones, garbage, zeros; checksums are right where they
 *                should be, so what must come back is known exactly.  Bit 1:
 *                the file's own head is damaged.
 *
 * In both cases one more record goes in, and afterwards the same records and
 * that one are there and no damage is left.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/store.h"
#include "base/store_scan.h"
#include "tests/lib/tmpdir.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 4096
#define MAX_SEEN 4200
/* No byte of it above 0x7f, and every byte of data is: so data never holds
 * it, which is what a random one gives in earnest. */
#define MARKER 0x0102030405060708u

struct seen
{
  size_t n;
  uint32_t sum[MAX_SEEN];
};

struct image
{
  unsigned char bytes[64 * INPUT_MAX];
  size_t len;
  uint64_t seq;
  bool ended;         /* a head says that the rest of the file is its data */
  bool first_whole;   /* the first record's head can stand in for the file's */
  bool first_foreign; /* it can, and belongs to another file */
  struct seen want;
};

static uint32_t
sum_of (uint16_t type, const void *data, size_t len)
{
  return crc32c (crc32c (0, &type, sizeof type), data, len);
}

static int
see (uint16_t type, const void *data, size_t len, void *arg)
{
  struct seen *s = arg;

  MUST (len <= STORE_MAX_RECORD && s->n < MAX_SEEN);
  s->sum[s->n++] = sum_of (type, data, len);
  return 0;
}

enum op
{
  OP_GOOD,
  OP_BAD_DATA,
  OP_BAD_HEAD,
  OP_REPEAT, /* a number that was there before */
  OP_OVERLONG,
  OP_GARBAGE,
  OP_ZEROS,
  OP_FOREIGN, /* a record of another file */
};

static void
put (struct image *im, const void *data, size_t len)
{
  MUST (len <= sizeof im->bytes - im->len);
  memcpy (im->bytes + im->len, data, len);
  im->len += len;
}

static void
put_record (struct image *im, enum op op, unsigned arg,
            const unsigned char *body, size_t len)
{
  unsigned char head[STORE_HEAD];
  struct store_head h = {
    .marker = op == OP_FOREIGN ? MARKER + 1 : MARKER,
    .seq = im->seq + (op != OP_REPEAT),
    .len = op == OP_OVERLONG ? STORE_MAX_RECORD : (uint32_t) len,
    .data_crc = crc32c (0, body, len) ^ (op == OP_BAD_DATA),
    .type = (uint16_t) arg,
  };

  store_pack_head (head, &h);
  if (op == OP_BAD_HEAD)
    head[arg % STORE_HEAD] ^= 0x40;
  if (im->len == STORE_FILE_HEAD)
    {
      im->first_whole = op != OP_BAD_HEAD;
      im->first_foreign = op == OP_FOREIGN;
    }
  put (im, head, sizeof head);
  put (im, body, len);
  if (im->ended || op == OP_BAD_HEAD || op == OP_FOREIGN || op == OP_REPEAT)
    return;
  if (op == OP_OVERLONG)
    im->ended = true;
  else
    im->seq++;
  if (op == OP_GOOD)
    im->want.sum[im->want.n++] = sum_of ((uint16_t) arg, body, len);
}

/* Three bytes say what comes; its data follows them in the input. */
static void
assemble (struct image *im, const uint8_t *data, size_t size)
{
  static const unsigned char zeros[2048];
  unsigned char body[64];

  im->len = STORE_FILE_HEAD;
  store_pack_file_head (im->bytes, MARKER);
  for (size_t i = 0; i + 3 <= size;)
    {
      enum op op = data[i] & 7;
      unsigned arg = data[i + 1];
      size_t len = data[i + 2] & 63;

      i += 3;
      if (len > size - i)
        len = size - i;
      for (size_t k = 0; k < len; k++)
        body[k] = data[i + k] | 0x80;
      i += len;
      if (op == OP_GARBAGE)
        put (im, body, len);
      else if (op == OP_ZEROS)
        put (im, zeros, arg % 128);
      else
        put_record (im, op, arg, body, len);
    }
}

static int
open_store (struct tmpdir *t, struct seen *s, struct store_stats *stats,
            struct store **ret)
{
  struct error err = ERROR_INIT;

  s->n = 0;
  int r = store_open (t->fd, "log", see, s, ret, &err);
  if (r == 0)
    store_stats (*ret, stats);
  else
    MUST (r == -EPROTONOSUPPORT && err.code == EPROTONOSUPPORT);
  return r;
}

static void
check (struct tmpdir *t, const struct image *im, const struct seen *want)
{
  static struct seen first, again;
  struct store_stats stats;
  struct store *st = NULL;

  tmpdir_clear (t);
  CLEANUP_CLOSE int fd
      = openat (t->fd, "log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  MUST (write (fd, im->bytes, im->len) == (ssize_t) im->len);
  if (open_store (t, &first, &stats, &st) < 0)
    return;
  MUST (stats.records == first.n && stats.torn <= im->len);
  if (want)
    MUST (first.n == want->n
          && memcmp (first.sum, want->sum, 4 * want->n) == 0);
  MUST (store_append (st, 7, "more", 4, NULL) == 0);
  store_close (st);

  MUST (open_store (t, &again, &stats, &st) == 0);
  MUST (again.n == first.n + 1 && stats.bad + stats.torn == 0);
  MUST (memcmp (again.sum, first.sum, 4 * first.n) == 0);
  MUST (again.sum[first.n] == sum_of (7, "more", 4));
  store_close (st);
}

/* No input knows that it is the last. */
static struct tmpdir dir;

static void
leave (void)
{
  tmpdir_done (&dir);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static struct image im;

  if (size < 1 || size > INPUT_MAX)
    return 0;
  if (dir.path[0] == '\0')
    {
      MUST (tmpdir_make (&dir) == 0);
      atexit (leave);
    }
  memset (&im, 0, sizeof im);
  if (!(data[0] & 1))
    {
      put (&im, data + 1, size - 1);
      check (&dir, &im, NULL);
      return 0;
    }
  assemble (&im, data + 1, size - 1);
  if (data[0] & 2)
    {
      im.bytes[data[0] >> 2 & 15] ^= 0x20;
      if (!im.first_whole)
        im.want.n = 0;
    }
  check (&dir, &im, data[0] & 2 && im.first_foreign ? NULL : &im.want);
  return 0;
}
