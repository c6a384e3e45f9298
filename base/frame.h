/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the channel: the coding of frames, shared by the blocking calls and
 * the channel on a loop.  Everybody else wants base/channel.h.
 */
#ifndef HANGDOG_BASE_FRAME_H
#define HANGDOG_BASE_FRAME_H

#include "base/channel.h"

#define FRAME_HEADER 12

/* A frame on its way in: as much of it as has come. */
struct frame_in
{
  unsigned char header[FRAME_HEADER];
  size_t have; /* bytes of header, head and body together */
  uint32_t head_len, body_len;
  char *head;
  char *body;
  int fds[FRAME_MAX_FDS];
  unsigned nfds;
};

void frame_in_done (struct frame_in *in);

/* Reads what is there, never beyond the end of this frame: descriptors come
 * with the bytes of the next one.  1: the frame is complete and in is empty
 * again; 0: wait until the socket is readable; negative: the stream ended
 * (-EPIPE between frames) or cannot be trusted any more. */
int frame_in_read (struct frame_in *in, int sock, struct frame *ret_frame,
                   struct error *err);

/* A frame on its way out. */
struct frame_out
{
  struct frame_out *next;
  int fds[FRAME_MAX_FDS]; /* own copies, closed when they are sent */
  unsigned nfds;
  size_t len, off;
  char data[];
};

/* Codes one; fds are duplicated.  head stays with the caller. */
int frame_out_new (struct json_object *head, const void *body,
                   size_t body_len, const int *fds, unsigned nfds,
                   struct frame_out **ret_out, struct error *err);
void frame_out_free (struct frame_out *out);

/* Writes what the socket takes.  1: all is gone; 0: -EAGAIN. */
int frame_out_write (struct frame_out *out, int sock, struct error *err);

#endif
