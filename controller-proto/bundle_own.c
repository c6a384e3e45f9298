/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of our own format.
 *
 * Hostile input: every size is checked against a bound before it is used,
 * and what zstd gives out is counted whether anybody wants it or not.
 *
 * A member is only said to be complete when its frame has ended well, that
 * is, when zstd's checksum was right too.  After damage the input is searched
 * for the next frame: zstd may have swallowed a whole block of what follows
 * before it noticed, so that much of the input is kept to go back into.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "controller-proto/bundle_impl.h"

#include <string.h>
#include <zstd.h>

#define OUT_BYTES (64u << 10)
#define FEED_BYTES (16u << 10)
/* The largest zstd block, its headers, and what was fed beyond them. */
#define KEEP_BYTES (192u << 10)
#define IN_BYTES (512u << 10)
/* A window of 8 MiB: the parser lives in 64 MiB. */
#define MAX_WINDOW_LOG 23

static const unsigned char frame_magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };

enum tar_state
{
  TAR_HEADER,
  TAR_DATA,
  TAR_PAD,
  TAR_END,
};

struct own
{
  struct bundle_source *src;
  const struct bundle_reader_ops *ops;
  void *arg;
  uint64_t max_bytes;
  uint64_t delivered; /* member bytes, wanted or not */
  uint64_t inflated;  /* everything that came out of zstd */
  unsigned members, damaged;

  ZSTD_DCtx *dctx;
  unsigned char *in;
  size_t in_len, in_pos;
  size_t frame_at; /* where the present frame began, in in[]; 0 if before */
  bool in_frame;
  unsigned char *out;

  enum tar_state state;
  struct ustar header;
  size_t header_fill;
  uint64_t left, pad; /* of the present member */
  bool open, wanted, full; /* full: all its data came */
};

static void
close_member (struct own *o, bool complete)
{
  if (o->open && o->wanted)
    o->ops->member_end (o->arg, complete && o->full);
  o->open = false;
  o->full = false;
}

static bool
parse_octal (const char *p, size_t n, uint64_t *ret)
{
  uint64_t v = 0;
  size_t i = 0;

  while (i < n && p[i] >= '0' && p[i] <= '7')
    v = v << 3 | (uint64_t) (p[i++] - '0');
  if (i == 0 || (i < n && p[i] != ' ' && p[i] != '\0'))
    return false;
  *ret = v;
  return true;
}

static int
begin_member (struct own *o, struct error *err)
{
  const struct ustar *h = &o->header;
  char name[sizeof h->name + 1];
  uint64_t sum, size;

  if (!parse_octal (h->chksum, sizeof h->chksum, &sum)
      || sum != ustar_sum (h)
      || !parse_octal (h->size, sizeof h->size, &size))
    return error_set (err, EILSEQ, "a damaged header");
  memcpy (name, h->name, sizeof h->name);
  name[sizeof h->name] = '\0';
  if (h->typeflag != '0' || h->prefix[0] != '\0' || !bundle_name_ok (name))
    return error_set (err, EBADMSG,
                      "a member that no bundle may hold (links, folders and "
                      "names that lead elsewhere are refused)");
  if (size > BUNDLE_MAX_MEMBER || size > o->max_bytes - o->delivered)
    return error_set (err, EFBIG, "%s is larger than allowed", name);
  if (++o->members > BUNDLE_MAX_MEMBERS)
    return error_set (err, EFBIG, "more than %u members", BUNDLE_MAX_MEMBERS);
  close_member (o, true);
  o->delivered += size;
  o->left = size;
  o->pad = (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
  o->open = true;
  o->full = size == 0;
  o->wanted = o->ops->member (o->arg, name, size);
  o->state = size > 0 ? TAR_DATA : TAR_HEADER;
  return 0;
}

static int
take_header (struct own *o, const unsigned char **p, size_t *len,
             struct error *err)
{
  static const char zeros[TAR_BLOCK];
  size_t n = TAR_BLOCK - o->header_fill;

  n = n < *len ? n : *len;
  memcpy ((char *) &o->header + o->header_fill, *p, n);
  o->header_fill += n;
  *p += n;
  *len -= n;
  if (o->header_fill < TAR_BLOCK)
    return 0;
  o->header_fill = 0;
  if (memcmp (&o->header, zeros, TAR_BLOCK) == 0)
    {
      close_member (o, true);
      o->state = TAR_END;
      return 0;
    }
  return begin_member (o, err);
}

/* What zstd gave out: 0; -EILSEQ is damage, anything else ends reading. */
static int
take (struct own *o, const unsigned char *p, size_t len, struct error *err)
{
  while (len > 0 && o->state != TAR_END)
    {
      size_t n;
      int r;

      switch (o->state)
        {
        case TAR_HEADER:
          if ((r = take_header (o, &p, &len, err)) < 0)
            return r;
          break;
        case TAR_DATA:
          n = o->left < len ? (size_t) o->left : len;
          if (o->wanted)
            o->ops->data (o->arg, p, n);
          p += n, len -= n, o->left -= n;
          if (o->left == 0)
            {
              o->full = true;
              o->state = o->pad ? TAR_PAD : TAR_HEADER;
            }
          break;
        case TAR_PAD:
          n = o->pad < len ? (size_t) o->pad : len;
          p += n, len -= n, o->pad -= n;
          if (o->pad == 0)
            o->state = TAR_HEADER;
          break;
        case TAR_END:
          break;
        }
    }
  return 0;
}

/* Makes room and reads more; 0 at the end of the input. */
static ssize_t
refill (struct own *o)
{
  if (o->in_len == IN_BYTES)
    {
      size_t drop = o->in_pos > KEEP_BYTES ? o->in_pos - KEEP_BYTES : 0;

      memmove (o->in, o->in + drop, o->in_len - drop);
      o->in_len -= drop;
      o->in_pos -= drop;
      o->frame_at = o->frame_at > drop ? o->frame_at - drop : 0;
    }
  ssize_t n = bundle_source_read (o->src, o->in + o->in_len,
                                  IN_BYTES - o->in_len);
  if (n > 0)
    o->in_len += (size_t) n;
  return n;
}

/* Goes to the next place behind the present frame's start that looks like
 * the start of a frame.  0 = there, 1 = the input is over. */
static int
resync (struct own *o, struct error *err)
{
  size_t from = o->in_pos > KEEP_BYTES ? o->in_pos - KEEP_BYTES : 0;

  /* Never back to what was delivered already. */
  if (!o->in_frame)
    from = o->in_pos;
  else if (from < o->frame_at + 4)
    from = o->frame_at + 4;
  o->damaged++;
  close_member (o, false);
  o->state = TAR_HEADER;
  o->header_fill = 0;
  o->in_frame = false;
  ZSTD_DCtx_reset (o->dctx, ZSTD_reset_session_only);
  o->in_pos = from < o->in_len ? from : o->in_len;
  for (;;)
    {
      unsigned char *hit
          = memmem (o->in + o->in_pos, o->in_len - o->in_pos, frame_magic, 4);
      if (hit)
        {
          o->in_pos = (size_t) (hit - o->in);
          return 0;
        }
      if (o->in_len - o->in_pos > 3)
        o->in_pos = o->in_len - 3;
      ssize_t n = refill (o);
      if (n < 0)
        return error_errno (err, (int) -n, "reading the bundle");
      if (n == 0)
        return 1;
    }
}

/* One step of zstd: 0; 1 when a frame has ended; -EILSEQ when it is damaged. */
static int
inflate_some (struct own *o, struct error *err)
{
  size_t feed = o->in_len - o->in_pos;
  ZSTD_inBuffer in
      = { o->in + o->in_pos, feed < FEED_BYTES ? feed : FEED_BYTES, 0 };
  ZSTD_outBuffer out = { o->out, OUT_BYTES, 0 };

  if (!o->in_frame)
    {
      o->frame_at = o->in_pos;
      o->in_frame = true;
    }
  size_t hint = ZSTD_decompressStream (o->dctx, &out, &in);
  o->in_pos += in.pos;
  if (ZSTD_isError (hint))
    return error_set (err, EILSEQ, "%s", ZSTD_getErrorName (hint));
  o->inflated += out.pos;
  if (o->inflated > o->max_bytes + (uint64_t) BUNDLE_MAX_MEMBERS * 4096)
    return error_set (err, EFBIG, "it expands to more than allowed");
  int r = take (o, o->out, out.pos, err);
  if (r < 0)
    return r;
  if (hint != 0)
    return 0;
  o->in_frame = false;
  return 1;
}

static int
run (struct own *o, struct error *err)
{
  while (o->state != TAR_END)
    {
      struct error why = ERROR_INIT;
      int r;

      if (o->in_pos == o->in_len)
        {
          ssize_t n = refill (o);

          if (n < 0)
            return error_errno (err, (int) -n, "reading the bundle");
          if (n == 0)
            break;
        }
      r = inflate_some (o, &why);
      /* A frame may hold several members, but no member more than one. */
      if (r == 1 && o->open && o->state == TAR_HEADER && o->header_fill == 0)
        close_member (o, true);
      else if (r == 1 && o->state != TAR_END
               && (o->state != TAR_HEADER || o->header_fill != 0))
        r = -EILSEQ;
      if (r == -EILSEQ && (r = resync (o, err)) < 0)
        return r;
      else if (r < 0)
        {
          if (err)
            *err = why;
          return r;
        }
    }
  return 0;
}

int
bundle_read_own (struct bundle_source *src, uint64_t max_bytes,
                 const struct bundle_reader_ops *ops, void *arg,
                 struct error *err)
{
  CLEANUP_FREE unsigned char *in = malloc (IN_BYTES);
  CLEANUP_FREE unsigned char *out = malloc (OUT_BYTES);
  struct own o = { .src = src, .ops = ops, .arg = arg, .in = in, .out = out,
                   .max_bytes = max_bytes, .dctx = ZSTD_createDCtx () };
  int r;

  if (!in || !out || !o.dctx)
    {
      ZSTD_freeDCtx (o.dctx);
      return error_set (err, ENOMEM, "no memory to read a bundle");
    }
  ZSTD_DCtx_setParameter (o.dctx, ZSTD_d_windowLogMax, MAX_WINDOW_LOG);
  r = run (&o, err);
  close_member (&o, false);
  ZSTD_freeDCtx (o.dctx);
  if (r < 0)
    return r;
  if (o.damaged > 0)
    return error_set (err, EBADMSG, "the bundle is damaged in %u place%s",
                      o.damaged, o.damaged == 1 ? "" : "s");
  if (o.state != TAR_END)
    return error_set (err, EPIPE, "the bundle ends before its end");
  return 0;
}
