/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's task about compressed files: their bytes, uncompressed, without
 * the zeros that a sparse file would not hold.
 */
#include "supervisor/parser/parser.h"
#include "supervisor/parser/parser_io.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>
#include <zstd.h>

#define IN_BYTES (128u << 10)
#define PIECE (256u << 10) /* of an answer, and of a hole */
#define MAX_WINDOW_LOG 27
#define MAX_BYTES (1ull << 42)

struct unzstd
{
  struct parser_io *io;
  unsigned char *piece;
  size_t have;
  uint64_t hole; /* bytes of zeros that were not told yet */
  uint64_t total;
};

static void
tell_hole (struct unzstd *u)
{
  struct json_object *head;

  if (u->hole == 0)
    return;
  head = parser_message ("hole");
  json_add_int (head, "bytes", (int64_t) u->hole);
  u->hole = 0;
  parser_answer (u->io, head, NULL, 0);
}

static bool
is_zero (const unsigned char *p, size_t n)
{
  return n == 0 || (p[0] == 0 && memcmp (p, p + 1, n - 1) == 0);
}

static void
tell_piece (struct unzstd *u)
{
  if (is_zero (u->piece, u->have))
    u->hole += u->have;
  else
    {
      tell_hole (u);
      parser_answer (u->io, parser_message ("data"), u->piece, u->have);
    }
  u->total += u->have;
  u->have = 0;
}

/* All of in.  Negative, or zstd's hint: 0 = a frame has ended. */
static int64_t
expand (struct unzstd *u, ZSTD_DCtx *ctx, ZSTD_inBuffer *in, struct error *err)
{
  size_t hint = 1;
  bool full = true;

  while (in->pos < in->size || full)
    {
      ZSTD_outBuffer out = { u->piece, PIECE, u->have };

      hint = ZSTD_decompressStream (ctx, &out, in);
      if (ZSTD_isError (hint))
        return error_set (err, EBADMSG, "the compressed file is damaged: %s",
                          ZSTD_getErrorName (hint));
      full = out.pos == PIECE;
      u->have = out.pos;
      if (full)
        tell_piece (u);
      if (u->total > MAX_BYTES)
        return error_set (err, EFBIG, "the compressed file is too large");
      if (parser_answered (u->io, err) < 0)
        return -EPIPE;
      if (hint == 0 && in->pos == in->size)
        break;
    }
  return (int64_t) hint;
}

static int
expand_all (struct unzstd *u, int fd, ZSTD_DCtx *ctx, struct error *err)
{
  CLEANUP_FREE unsigned char *in = malloc (IN_BYTES);
  int64_t hint = 0;

  if (!in)
    return error_set (err, ENOMEM, "no memory");
  for (;;)
    {
      ssize_t n = read (fd, in, IN_BYTES);
      ZSTD_inBuffer buf = { in, n > 0 ? (size_t) n : 0, 0 };

      if (n < 0)
        return error_errno (err, errno, "reading");
      if (n == 0)
        break;
      hint = expand (u, ctx, &buf, err);
      if (hint < 0)
        return (int) hint;
    }
  tell_piece (u);
  tell_hole (u);
  return hint == 0 ? 0
                   : error_set (err, EBADMSG,
                                "the compressed file ends before its end");
}

static int
run (struct parser_io *io, int argc, char **argv, struct error *err)
{
  struct unzstd u = { .io = io, .piece = malloc (PIECE) };
  ZSTD_DCtx *ctx = ZSTD_createDCtx ();
  int fd = parser_input (io, 0, err), r = fd < 0 ? fd : 0;
  struct json_object *end;

  if (r == 0 && (!u.piece || !ctx))
    r = error_set (err, ENOMEM, "no memory");
  if (r == 0)
    {
      ZSTD_DCtx_setParameter (ctx, ZSTD_d_windowLogMax, MAX_WINDOW_LOG);
      r = expand_all (&u, fd, ctx, err);
    }
  if (r == 0)
    {
      end = parser_message ("end");
      json_add_int (end, "bytes", (int64_t) u.total);
      parser_answer (io, end, NULL, 0);
      r = parser_answered (io, err);
    }
  ZSTD_freeDCtx (ctx);
  free (u.piece);
  return r;
}

const struct parser_task task_unzstd = {
  .name = "unzstd",
  .summary = "the bytes of a file that zstd compressed",
  .run = run,
  .memory = 256u << 20,
  .cpu_s = 120,
};
