/* SPDX-License-Identifier: Apache-2.0
 *
 * The bundle's readers given an archive of any content.  The first byte says
 * which:
 *
 *   bit 0 clear: the rest is the archive.
 *   bit 0 set:   the rest is a tar that is compressed first, in frames of
 *                (bits 1 to 3) 0.5 to 4 KiB, so that what lies behind the
 *                checksums is reached.
 *   bit 4:       headers get right checksums first, as far as they go.
 *
 * Whatever it is: names are good, no member gets more than it said, nothing
 * exceeds its bound, and each member ends.
 */
#include "config.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller-proto/bundle_impl.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

#define MAX_BYTES (64u << 10)
#define INPUT_MAX (64u << 10)

struct seen
{
  bool own, open;
  unsigned members;
  uint64_t size, got, total;
};

static bool
on_member (void *arg, const char *name, uint64_t size)
{
  struct seen *s = arg;

  MUST (!s->open);
  MUST (name[0] != '\0' && name[0] != '/' && strlen (name) < 256);
  MUST (strstr (name, "/../") == NULL && strncmp (name, "../", 3) != 0);
  MUST (!s->own || bundle_name_ok (name));
  MUST (++s->members <= BUNDLE_MAX_MEMBERS);
  s->size = size;
  s->got = 0;
  s->total += size;
  MUST (s->total <= MAX_BYTES);
  /* Some are skipped. */
  s->open = s->members % 5 != 4;
  return s->open;
}

static void
on_data (void *arg, const void *data, size_t len)
{
  struct seen *s = arg;
  const unsigned char *p = data;
  unsigned sum = 0;

  MUST (s->open);
  s->got += len;
  MUST (s->got <= s->size);
  /* Each byte is looked at, for the sanitizer to see that it is there. */
  for (size_t i = 0; i < len; i++)
    sum += p[i];
  MUST (sum <= 255 * len);
}

static void
on_end (void *arg, bool complete)
{
  struct seen *s = arg;

  MUST (s->open);
  MUST (!complete || s->got == s->size);
  s->open = false;
}

static const struct bundle_reader_ops ops
    = { .member = on_member, .data = on_data, .member_end = on_end };

static void
mend_sums (unsigned char *tar, size_t len)
{
  for (size_t at = 0; at + TAR_BLOCK <= len; at += TAR_BLOCK)
    {
      struct ustar *h = (struct ustar *) (void *) (tar + at);

      if (memcmp (h->magic, "ustar", 5) == 0)
        snprintf (h->chksum, sizeof h->chksum, "%06o",
                  ustar_sum (h) & 0777777);
    }
}

static void
build (unsigned how, unsigned char *tar, size_t len, struct buf *out)
{
  size_t step = 512u * ((how >> 1 & 7) + 1);
  char z[8192];

  if (how & 16)
    mend_sums (tar, len);
  if (!(how & 1))
    {
      buf_append (out, tar, len);
      return;
    }
  for (size_t at = 0; at < len; at += step)
    {
      size_t n = ZSTD_compress (z, sizeof z, tar + at,
                                len - at < step ? len - at : step, 1);
      MUST (!ZSTD_isError (n));
      buf_append (out, z, n);
    }
}

static void
read_one (int fd, bool own)
{
  unsigned char *peek = malloc (BUNDLE_PEEK);
  struct bundle_source src = { .fd = fd, .peek = peek };
  struct seen s = { .own = own };
  struct error err = ERROR_INIT;
  int r;

  MUST (peek);
  lseek (fd, 0, SEEK_SET);
  if (own)
    r = bundle_read_own (&src, MAX_BYTES, &ops, &s, &err);
  else
    r = bundle_read (fd, MAX_BYTES, &ops, &s, &err);
  MUST (!s.open);
  MUST (r == 0 || (r < 0 && err.code == -r && err.msg[0]));
  free (peek);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct buf all CLEANUP_BUF = BUF_INIT (256u << 10);
  CLEANUP_FREE unsigned char *tar = NULL;
  CLEANUP_CLOSE int fd = -1;

  if (size < 2 || size > INPUT_MAX)
    return 0;
  tar = malloc (size - 1);
  fd = memfd_create ("fuzz", MFD_CLOEXEC);
  MUST (tar && fd >= 0);
  memcpy (tar, data + 1, size - 1);
  build (data[0], tar, size - 1, &all);
  MUST (write (fd, buf_str (&all), all.len) == (ssize_t) all.len);
  read_one (fd, true);
  read_one (fd, false);
  return 0;
}
