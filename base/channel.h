/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages between processes: the control socket, keeper, writer, parser.
 *
 * One frame is
 *
 *     u32 magic "HDF1" · u32 head bytes · u32 body bytes      (little endian)
 *     head: one JSON object (strict dialect) · body: raw bytes
 *
 * over a SOCK_STREAM unix socket; descriptors ride as SCM_RIGHTS on the first
 * byte of their frame.  head and body are bounded by the reader: a frame
 * beyond the bound is an error that ends the connection.
 *
 * Every head has "op" (a request or an event) or "re" (an answer to the "id"
 * of a request).  A streamed answer is any number of frames with "re" and
 * "more": true and one without.  Errors are {"re":N,"error":{"code":"EINVAL",
 * "message":"..."}}.  Unknown members are ignored; an unknown op is an error
 * answer.  The first frame on the control socket is the server's
 * {"op":"hello","protocol":1,"version":"..."}.
 */
#ifndef HANGDOG_BASE_CHANNEL_H
#define HANGDOG_BASE_CHANNEL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct error;
struct loop;
struct channel;

#define FRAME_MAX_HEAD (256u << 10)
#define FRAME_MAX_BODY (1u << 20)
#define FRAME_MAX_FDS 8

struct frame
{
  struct json_object *head; /* owned by the frame */
  void *body;               /* owned by the frame; NULL if body_len is 0 */
  size_t body_len;
  int fds[FRAME_MAX_FDS];   /* owned by the frame; steal_fd() to keep one */
  unsigned nfds;
};

void frame_done (struct frame *f);
#define CLEANUP_FRAME __attribute__ ((cleanup (frame_done)))

/* Blocking, for the command line, the parser and job threads.  A deadline in
 * clock_ms() (CLOCK_NEVER = none) covers the whole frame: -ETIMEDOUT.  A
 * clean end of the stream before a frame is -EPIPE; a rule broken by the other
 * side, -EPROTO.  sock may be blocking or not.  After a failure the place in
 * the stream is lost: close it.  Strings in a head must be UTF-8 (-EILSEQ:
 * use json_add_text() for what comes from elsewhere). */
int frame_write (int sock, struct json_object *head, const void *body,
                 size_t body_len, const int *fds, unsigned nfds,
                 uint64_t deadline, struct error *err);
int frame_read (int sock, struct frame *ret_frame, uint64_t deadline,
                struct error *err);

/* On a loop.  on_frame gets the frames with "op" (answers go to the callback
 * of their channel_call()); it may channel_send(), channel_finish() and even
 * free the channel; it may take head, body and fds out of the frame.  on_close
 * is called once and never from within a call on the channel: why->code is
 * EPIPE when the peer is gone, EPROTO or EINVAL when it broke the rules, 0
 * after channel_finish().  The channel is then dead, but still the owner's to
 * free. */
struct channel_ops
{
  void (*on_frame) (struct channel *ch, struct frame *frame, void *arg);
  void (*on_close) (struct channel *ch, const struct error *why, void *arg);
};

/* Takes sock, unless it fails.  max_queued bounds the bytes that wait to be
 * sent: a peer that does not read costs that much and no more. */
int channel_new (struct loop *loop, const char *name, int sock,
                 size_t max_queued, const struct channel_ops *ops, void *arg,
                 struct channel **ret_ch, struct error *err);
/* Closes at once, without on_close; requests without an answer get ECANCELED
 * before it returns.  NULL is fine. */
void channel_free (struct channel *ch);

/* Loop thread.  Takes the reference of head in every case (also on failure).
 * fds are duplicated.  -ENOBUFS when the queue is full: nothing was queued.
 * -EPIPE after the end. */
int channel_send (struct channel *ch, struct json_object *head,
                  const void *body, size_t body_len, const int *fds,
                  unsigned nfds);
size_t channel_queued (const struct channel *ch);
/* Takes nothing in any more, sends what is queued (for at most 5 s: then why
 * is ETIMEDOUT), closes and calls on_close. */
void channel_finish (struct channel *ch);

/* Requests with answers on top of a channel: gives each its "id", keeps the
 * callback, times out.  fn is called once per answer frame; frame NULL with
 * err set when it failed or timed out, and that is the last call.  timeout_ms
 * runs anew after each frame of a streamed answer; CLOCK_NEVER: none.  Takes
 * the reference of head in every case; fn is not called when this fails.
 * At most 1024 may wait (-ENOBUFS).  Loop thread. */
typedef void channel_reply_fn (struct frame *frame, const struct error *err,
                               void *arg);
int channel_call (struct channel *ch, struct json_object *head,
                  const void *body, size_t body_len, const int *fds,
                  unsigned nfds, uint64_t timeout_ms, channel_reply_fn *fn,
                  void *arg, struct error *err);

/* Answers, by the "id" of the request; a request without one wants none, and
 * nothing is sent.  For a streamed answer put "more": true into head. */
int channel_reply (struct channel *ch, const struct frame *request,
                   struct json_object *head /* or NULL */, const void *body,
                   size_t body_len, const int *fds, unsigned nfds);
int channel_reply_error (struct channel *ch, const struct frame *request,
                         const struct error *why);

/* SO_PEERCRED of a connected unix socket. */
int socket_peer (int sock, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid,
                 struct error *err);
/* A listening socket at path, never open to more than mode says.  A stale
 * socket is replaced; a live one, or what is no socket, is -EADDRINUSE. */
int socket_listen (const char *path, mode_t mode, int *ret_fd,
                   struct error *err);
/* Non-blocking connect: -EAGAIN when the listener's queue is full,
 * -ECONNREFUSED when nobody listens.  The socket stays non-blocking. */
int socket_connect (const char *path, int *ret_fd, struct error *err);

#endif
