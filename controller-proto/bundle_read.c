/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a bundle: where the bytes come from, and which reader gets them.
 */
#include "config.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "controller-proto/bundle_impl.h"

#include <string.h>
#include <zstd.h>

static ssize_t
read_some (int fd, void *dst, size_t len)
{
  for (;;)
    {
      ssize_t n = read (fd, dst, len);

      if (n >= 0 || errno != EINTR)
        return n < 0 ? -errno : n;
    }
}

ssize_t
bundle_source_read (struct bundle_source *src, void *dst, size_t len)
{
  size_t n = src->peek_len - src->peek_pos;

  if (n > 0)
    {
      n = n < len ? n : len;
      memcpy (dst, src->peek + src->peek_pos, n);
      src->peek_pos += n;
      return (ssize_t) n;
    }
  if (src->at_end)
    return 0;
  ssize_t r = read_some (src->fd, dst, len);
  if (r == 0)
    src->at_end = true;
  return r;
}

static int
fill_peek (struct bundle_source *src, struct error *err)
{
  while (src->peek_len < BUNDLE_PEEK && !src->at_end)
    {
      ssize_t n = read_some (src->fd, src->peek + src->peek_len,
                             BUNDLE_PEEK - src->peek_len);
      if (n < 0)
        return error_errno (err, (int) -n, "reading the archive");
      if (n == 0)
        src->at_end = true;
      src->peek_len += (size_t) n;
    }
  return 0;
}

/* Ours is what begins with a zstd frame whose first bytes are the header of
 * manifest.json.  It gets our own reader also where libarchive is at hand:
 * that one stops at the first damaged byte, ours goes on behind it. */
static bool
looks_own (const struct bundle_source *src)
{
  struct ustar h;
  ZSTD_inBuffer in = { src->peek, src->peek_len, 0 };
  ZSTD_outBuffer out = { &h, sizeof h, 0 };
  ZSTD_DCtx *d;
  bool own = false;

  if (src->peek_len < 4 || memcmp (src->peek, "\x28\xb5\x2f\xfd", 4) != 0
      || (d = ZSTD_createDCtx ()) == NULL)
    return false;
  ZSTD_DCtx_setParameter (d, ZSTD_d_windowLogMax, 23);
  while (out.pos < out.size && in.pos < in.size)
    if (ZSTD_isError (ZSTD_decompressStream (d, &out, &in)))
      break;
  if (out.pos == sizeof h)
    own = strncmp (h.name, "manifest.json", sizeof h.name) == 0
          && h.prefix[0] == '\0' && h.typeflag == '0';
  ZSTD_freeDCtx (d);
  return own;
}

int
bundle_read (int fd, uint64_t max_bytes, const struct bundle_reader_ops *ops,
             void *arg, struct error *err)
{
  CLEANUP_FREE unsigned char *peek = malloc (BUNDLE_PEEK);
  struct bundle_source src = { .fd = fd, .peek = peek };

  if (peek == NULL)
    return error_set (err, ENOMEM, "no memory to read an archive");
  int r = fill_peek (&src, err);
  if (r < 0)
    return r;
  if (src.peek_len == 0)
    return error_set (err, EPIPE, "the archive is empty");
#if defined(WITH_LIBARCHIVE) && defined(BUNDLE_OWN_ONLY)
  if (!looks_own (&src))
    return error_set (err, ENOEXEC, "this is no bundle of hangdog's");
#elif defined(WITH_LIBARCHIVE)
  if (!looks_own (&src))
    return bundle_read_foreign (&src, max_bytes, ops, arg, err);
#else
  (void) looks_own;
#endif
  return bundle_read_own (&src, max_bytes, ops, arg, err);
}
