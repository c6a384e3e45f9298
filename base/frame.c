/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames: coding, decoding, and the blocking calls.
 *
 * The other side may be anybody.  Lengths are checked before memory is asked
 * for, descriptors are owned from the moment the kernel hands them over, and
 * after the first broken rule nothing more of that stream is believed.
 */
#include "base/frame.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/le.h"
#include "base/text.h"

#define MAGIC "HDF1"
/* Calls to recvmsg() before the caller gets a look at its clock or its loop:
 * a peer that sends byte by byte must not hold either. */
#define READS_AT_ONCE 64

static void
close_all (int *fds, unsigned *nfds)
{
  for (unsigned i = 0; i < *nfds; i++)
    if (fds[i] >= 0)
      close (fds[i]);
  *nfds = 0;
}

void
frame_done (struct frame *f)
{
  if (!f)
    return;
  if (f->head)
    json_object_put (f->head);
  free (f->body);
  close_all (f->fds, &f->nfds);
  *f = (struct frame){ .head = NULL };
}

void
frame_in_done (struct frame_in *in)
{
  free (in->head);
  free (in->body);
  close_all (in->fds, &in->nfds);
  *in = (struct frame_in){ .have = 0 };
}

/* ---- in ---- */

/* All that recvmsg brought belongs to us now, whatever is wrong with it. */
static int
take_fds (struct frame_in *in, struct msghdr *msg, struct error *err)
{
  bool bad = (msg->msg_flags & MSG_CTRUNC) != 0;
  bool late = in->have > 0;
  struct cmsghdr *c;

  for (c = CMSG_FIRSTHDR (msg); c; c = CMSG_NXTHDR (msg, c))
    {
      size_t n;
      int fd;

      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        continue;
      n = (c->cmsg_len - CMSG_LEN (0)) / sizeof (int);
      for (size_t i = 0; i < n; i++)
        {
          memcpy (&fd, CMSG_DATA (c) + i * sizeof (int), sizeof fd);
          if (in->nfds < FRAME_MAX_FDS)
            in->fds[in->nfds++] = fd;
          else
            {
              close (fd);
              bad = true;
            }
          if (late)
            bad = true;
        }
    }
  /* None is kept: half of them would be taken for others by their place. */
  if (!bad)
    return 0;
  close_all (in->fds, &in->nfds);
  if (late)
    return error_set (err, EPROTO, "descriptors in the middle of a frame");
  return error_set (err, EPROTO,
                    "a frame with more than %d descriptors, or none free "
                    "here to take them",
                    FRAME_MAX_FDS);
}

/* recv() with descriptors: bytes, 0 for would-block, -EPIPE at the end. */
static ssize_t
receive (struct frame_in *in, int sock, struct iovec *iov, unsigned niov,
         struct error *err)
{
  /* Room for one more than allowed: too many is told from just enough. */
  union
  {
    char bytes[CMSG_SPACE ((FRAME_MAX_FDS + 1) * sizeof (int))];
    struct cmsghdr align;
  } control;
  struct msghdr msg = { .msg_iov = iov,
                        .msg_iovlen = niov,
                        .msg_control = &control,
                        .msg_controllen = sizeof control };
  ssize_t n;
  int r;

  do
    n = recvmsg (sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return 0;
  /* A peer that closes with our last words unread resets; to us it is gone
   * either way. */
  if (n == 0 || (n < 0 && errno == ECONNRESET))
    {
      if (in->have == 0)
        return error_set (err, EPIPE, "the other side closed the connection");
      return error_set (err, EPROTO, "the stream ended within a frame");
    }
  if (n < 0)
    return error_errno (err, errno, "receiving a frame");
  r = take_fds (in, &msg, err);
  return r < 0 ? r : n;
}

/* The header is complete: are its promises acceptable?  The memory asked for
 * is bounded, and is not touched before the bytes come. */
static int
check_header (struct frame_in *in, struct error *err)
{
  if (memcmp (in->header, MAGIC, 4) != 0)
    return error_set (err, EPROTO, "not a frame (no magic)");
  in->head_len = le_get32 (in->header + 4);
  in->body_len = le_get32 (in->header + 8);
  if (in->head_len < 2 || in->head_len > FRAME_MAX_HEAD)
    return error_set (err, EPROTO, "a frame with a head of %u bytes",
                      in->head_len);
  if (in->body_len > FRAME_MAX_BODY)
    return error_set (err, EPROTO, "a frame with a body of %u bytes",
                      in->body_len);
  in->head = malloc (in->head_len);
  in->body = in->body_len ? malloc (in->body_len) : NULL;
  if (!in->head || (in->body_len && !in->body))
    return error_errno (err, ENOMEM, "receiving a frame");
  return 0;
}

static int
finish_in (struct frame_in *in, struct frame *ret_frame, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  int r;

  r = json_parse (in->head, in->head_len, JSON_WIRE, "frame", FRAME_MAX_HEAD,
                  &doc, err);
  if (r < 0)
    return r == -ENOMEM ? r : -EPROTO;
  if (!json_object_is_type (json_root (doc), json_type_object))
    return error_set (err, EPROTO, "the head of a frame is not an object");
  /* The document goes, its tree stays. */
  *ret_frame = (struct frame){ .head = json_object_get (json_root (doc)),
                               .body = steal_ptr (&in->body),
                               .body_len = in->body_len,
                               .nfds = in->nfds };
  memcpy (ret_frame->fds, in->fds, sizeof in->fds);
  in->nfds = 0;
  frame_in_done (in);
  return 1;
}

int
frame_in_read (struct frame_in *in, int sock, struct frame *ret_frame,
               struct error *err)
{
  struct iovec iov[2];
  unsigned niov;
  size_t got;
  ssize_t n;
  int r;

  for (unsigned i = 0; i < READS_AT_ONCE; i++)
    {
      if (in->have < FRAME_HEADER)
        {
          iov[0].iov_base = in->header + in->have;
          iov[0].iov_len = FRAME_HEADER - in->have;
          niov = 1;
        }
      else
        {
          /* Never beyond this frame: the next one's descriptors come with its
           * first byte, and must not arrive with our last. */
          got = in->have - FRAME_HEADER;
          niov = 0;
          if (got < in->head_len)
            iov[niov++] = (struct iovec){ in->head + got, in->head_len - got };
          got = got > in->head_len ? got - in->head_len : 0;
          if (got < in->body_len)
            iov[niov++] = (struct iovec){ in->body + got, in->body_len - got };
        }
      n = receive (in, sock, iov, niov, err);
      if (n <= 0)
        return (int) n;
      in->have += (size_t) n;
      if (in->have == FRAME_HEADER)
        {
          r = check_header (in, err);
          if (r < 0)
            return r;
        }
      if (in->have > FRAME_HEADER
          && in->have - FRAME_HEADER == (size_t) in->head_len + in->body_len)
        return finish_in (in, ret_frame, err);
    }
  return 0;
}

/* ---- out ---- */

void
frame_out_free (struct frame_out *out)
{
  if (!out)
    return;
  close_all (out->fds, &out->nfds);
  free (out);
}

static int
copy_fds (struct frame_out *out, const int *fds, unsigned nfds,
          struct error *err)
{
  for (unsigned i = 0; i < nfds; i++)
    {
      /* Own copies: the caller may close its own at once, the frame may wait
       * long for room. */
      int fd = fcntl (fds[i], F_DUPFD_CLOEXEC, 3);

      if (fd < 0)
        return error_errno (err, errno, "copying a descriptor");
      out->fds[out->nfds++] = fd;
    }
  return 0;
}

/* json-c writes strings as they are: one invalid byte in a head, and the
 * other side would have to end the connection. */
static bool
is_utf8 (const char *s, size_t len)
{
  const unsigned char *p = (const unsigned char *) s;
  unsigned n;

  for (; len > 0; p += n, len -= n)
    {
      n = *p < 0x80 ? 1 : text_utf8 (p, len, NULL);
      if (n == 0)
        return false;
    }
  return true;
}

int
frame_out_new (struct json_object *head, const void *body, size_t body_len,
               const int *fds, unsigned nfds, struct frame_out **ret_out,
               struct error *err)
{
  struct frame_out *out;
  const char *text;
  size_t head_len = 0;
  int r;

  if (!json_object_is_type (head, json_type_object))
    return error_set (err, EINVAL, "the head of a frame must be an object");
  text = json_object_to_json_string_length (
      head, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
      &head_len);
  if (!text)
    return error_errno (err, ENOMEM, "coding a frame");
  if (head_len > FRAME_MAX_HEAD || body_len > FRAME_MAX_BODY
      || nfds > FRAME_MAX_FDS)
    return error_set (err, EMSGSIZE,
                      "a frame of %zu + %zu bytes and %u descriptors is "
                      "beyond the bounds",
                      head_len, body_len, nfds);
  if (!is_utf8 (text, head_len))
    return error_set (err, EILSEQ, "the head of a frame is not UTF-8");
  out = malloc (sizeof *out + FRAME_HEADER + head_len + body_len);
  if (!out)
    return error_errno (err, ENOMEM, "coding a frame");
  *out = (struct frame_out){ .len = FRAME_HEADER + head_len + body_len };
  memcpy (out->data, MAGIC, 4);
  le_put32 (out->data + 4, (uint32_t) head_len);
  le_put32 (out->data + 8, (uint32_t) body_len);
  memcpy (out->data + FRAME_HEADER, text, head_len);
  if (body_len)
    memcpy (out->data + FRAME_HEADER + head_len, body, body_len);
  r = copy_fds (out, fds, nfds, err);
  if (r < 0)
    {
      frame_out_free (out);
      return r;
    }
  *ret_out = out;
  return 0;
}

int
frame_out_write (struct frame_out *out, int sock, struct error *err)
{
  union
  {
    char bytes[CMSG_SPACE (FRAME_MAX_FDS * sizeof (int))];
    struct cmsghdr align;
  } control;
  struct cmsghdr *c;
  ssize_t n;

  while (out->off < out->len)
    {
      struct iovec iov = { out->data + out->off, out->len - out->off };
      struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

      if (out->nfds > 0)
        {
          memset (&control, 0, sizeof control);
          msg.msg_control = &control;
          msg.msg_controllen = CMSG_SPACE (out->nfds * sizeof (int));
          c = CMSG_FIRSTHDR (&msg);
          c->cmsg_level = SOL_SOCKET;
          c->cmsg_type = SCM_RIGHTS;
          c->cmsg_len = CMSG_LEN (out->nfds * sizeof (int));
          memcpy (CMSG_DATA (c), out->fds, out->nfds * sizeof (int));
        }
      n = sendmsg (sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
      if (n < 0)
        return error_errno (err, errno, "sending a frame");
      out->off += (size_t) n;
      /* They rode on the first byte. */
      close_all (out->fds, &out->nfds);
    }
  return 1;
}

/* ---- blocking ---- */

static int
wait_for (int sock, short events, uint64_t deadline, struct error *err)
{
  int r = io_wait (sock, events, deadline);

  if (r == -ETIMEDOUT)
    return error_set (err, ETIMEDOUT, "no %s in time",
                      events & POLLIN ? "frame" : "room to send");
  return r < 0 ? error_errno (err, -r, "waiting for a socket") : 0;
}

static void
frame_out_freep (struct frame_out **out)
{
  frame_out_free (*out);
}

int
frame_write (int sock, struct json_object *head, const void *body,
             size_t body_len, const int *fds, unsigned nfds,
             uint64_t deadline, struct error *err)
{
  CLEANUP (frame_out_freep) struct frame_out *out = NULL;
  int r;

  r = frame_out_new (head, body, body_len, fds, nfds, &out, err);
  if (r < 0)
    return r;
  /* Cut off in the middle the stream is of no use any more: the caller of a
   * timeout closes it. */
  while ((r = frame_out_write (out, sock, err)) == 0)
    {
      r = wait_for (sock, POLLOUT, deadline, err);
      if (r < 0)
        return r;
    }
  return r < 0 ? r : 0;
}

int
frame_read (int sock, struct frame *ret_frame, uint64_t deadline,
            struct error *err)
{
  CLEANUP (frame_in_done) struct frame_in in = { .have = 0 };
  int r;

  while ((r = frame_in_read (&in, sock, ret_frame, err)) == 0)
    {
      r = wait_for (sock, POLLIN, deadline, err);
      if (r < 0)
        return r;
    }
  return r < 0 ? r : 0;
}
