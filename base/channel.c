/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels: frames on a loop, with requests and answers on top.
 *
 * A callback may do anything to its channel, freeing it included.  So the
 * channel counts who is still on the way through it (`refs`), and every path
 * looks at `state` again after it has called out.
 */
#include "base/channel.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/text.h"

#define NAME_MAX_LEN 40
/* Frames taken in one go, so that a flood on one channel leaves the others
 * their turn. */
#define FRAMES_AT_ONCE 16
#define MAX_CALLS 1024
/* What a peer that does not read may hold up channel_finish(). */
#define FINISH_MS 5000

enum state
{
  OPEN,
  FINISHING, /* sends the rest, takes nothing in */
  CLOSED,
};

struct pending
{
  struct channel *ch;
  int64_t id;
  uint64_t timeout_ms;
  channel_reply_fn *fn;
  void *arg;
  struct timer *timer; /* NULL: waits for ever */
  struct pending *next;
};

struct channel
{
  struct loop *loop;
  char name[NAME_MAX_LEN];
  int sock;
  struct watch *watch;
  struct timer *closer; /* on_close, from the loop and not from within calls */
  const struct channel_ops *ops;
  void *arg;
  enum state state;
  bool freed;
  unsigned refs;
  struct frame_in in;
  struct frame_out *out, **out_end;
  size_t queued, max_queued;
  int64_t last_id;
  struct pending *calls;
  unsigned ncalls;
};

static void
unref (struct channel *ch)
{
  if (--ch->refs > 0)
    return;
  free (ch);
}

/* ---- the end ---- */

static void
drop_queue (struct channel *ch)
{
  struct frame_out *out;

  while ((out = ch->out))
    {
      ch->out = out->next;
      frame_out_free (out);
    }
  ch->out_end = &ch->out;
  ch->queued = 0;
}

static void
pending_end (struct pending *p, struct frame *frame, const struct error *err)
{
  struct pending **at = &p->ch->calls;

  while (*at != p)
    at = &(*at)->next;
  *at = p->next;
  p->ch->ncalls--;
  timer_free (p->timer);
  p->fn (frame, err, p->arg);
  free (p);
}

/* Nothing of the socket survives this; callbacks may still be owed. */
static void
shut (struct channel *ch)
{
  ch->state = CLOSED;
  watch_free (steal_ptr (&ch->watch));
  if (ch->sock >= 0)
    close (steal_fd (&ch->sock));
  drop_queue (ch);
  frame_in_done (&ch->in);
}

static void
end_calls (struct channel *ch, const struct error *why)
{
  /* A callback may start another call: refused, the state is CLOSED. */
  while (ch->calls)
    pending_end (ch->calls, NULL, why);
}

static void
finish (struct channel *ch, const struct error *why)
{
  struct error copy = *why;

  if (ch->state == CLOSED)
    return;
  ch->refs++;
  shut (ch);
  timer_stop (ch->closer);
  if (copy.code == 0)
    end_calls (ch, &(struct error){ ECANCELED, "the channel was closed" });
  else
    end_calls (ch, &copy);
  if (!ch->freed && ch->ops->on_close)
    ch->ops->on_close (ch, &copy, ch->arg);
  unref (ch);
}

void
channel_free (struct channel *ch)
{
  if (!ch || ch->freed)
    return;
  ch->freed = true;
  shut (ch);
  end_calls (ch, &(struct error){ ECANCELED, "the channel was closed" });
  timer_free (steal_ptr (&ch->closer));
  unref (ch);
}

/* Either all was sent after channel_finish(), or the peer did not take it. */
static void
closer_fn (struct timer *t, void *arg)
{
  struct channel *ch = arg;
  struct error why = ERROR_INIT;

  if (ch->out)
    (void) error_set (&why, ETIMEDOUT, "the other side does not read");
  finish (ch, &why);
}

void
channel_finish (struct channel *ch)
{
  if (ch->state != OPEN)
    return;
  ch->state = FINISHING;
  watch_set (ch->watch, ch->out ? LOOP_WRITE : 0);
  timer_in (ch->closer, ch->out ? FINISH_MS : 0);
}

/* ---- out ---- */

static int
flush (struct channel *ch, struct error *err)
{
  struct frame_out *out;
  size_t before;
  int r = 1;

  while ((out = ch->out))
    {
      before = out->off;
      r = frame_out_write (out, ch->sock, err);
      ch->queued -= out->off - before;
      if (r <= 0)
        break;
      ch->out = out->next;
      if (!ch->out)
        ch->out_end = &ch->out;
      frame_out_free (out);
    }
  return r < 0 ? r : 0;
}

/* Mutes nothing on an error: the loop sees it too, and ends the channel from
 * there, where on_close may be called. */
static void
set_watch (struct channel *ch)
{
  unsigned events = ch->state == OPEN ? LOOP_READ : 0;

  if (ch->out)
    events |= LOOP_WRITE;
  watch_set (ch->watch, events);
}

int
channel_send (struct channel *ch, struct json_object *head, const void *body,
              size_t body_len, const int *fds, unsigned nfds)
{
  CLEANUP_JSON struct json_object *own = head;
  struct frame_out *out = NULL;
  int r;

  if (ch->state != OPEN)
    return -EPIPE;
  r = frame_out_new (own, body, body_len, fds, nfds, &out, NULL);
  if (r < 0)
    return r;
  if (out->len > ch->max_queued || ch->queued > ch->max_queued - out->len)
    {
      frame_out_free (out);
      return -ENOBUFS;
    }
  ch->queued += out->len;
  *ch->out_end = out;
  ch->out_end = &out->next;
  if (ch->out == out)
    (void) flush (ch, NULL);
  set_watch (ch);
  return 0;
}

size_t
channel_queued (const struct channel *ch)
{
  return ch->queued;
}

/* ---- requests ---- */

static const struct
{
  int code;
  const char *name;
} codes[] = {
#define CODE(c) { c, #c }
  CODE (EACCES),     CODE (EADDRINUSE),   CODE (EAGAIN),
  CODE (EALREADY),   CODE (EBADF),        CODE (EBADMSG),
  CODE (EBUSY),      CODE (ECANCELED),    CODE (ECHILD),
  CODE (ECONNREFUSED), CODE (ECONNRESET), CODE (EDEADLK),
  CODE (EEXIST),     CODE (EFAULT),       CODE (EFBIG),
  CODE (EHOSTUNREACH), CODE (EILSEQ),     CODE (EINTR),
  CODE (EINVAL),     CODE (EIO),          CODE (EISDIR),
  CODE (ELOOP),      CODE (EMFILE),       CODE (EMSGSIZE),
  CODE (ENAMETOOLONG), CODE (ENETUNREACH), CODE (ENFILE),
  CODE (ENOBUFS),    CODE (ENODEV),       CODE (ENOENT),
  CODE (ENOMEM),     CODE (ENOSPC),       CODE (ENOSYS),
  CODE (ENOTCONN),   CODE (ENOTDIR),      CODE (ENOTEMPTY),
  CODE (ENOTSUP),    CODE (ENXIO),        CODE (EPERM),
  CODE (EPIPE),      CODE (EPROTO),       CODE (ERANGE),
  CODE (EROFS),      CODE (ESRCH),        CODE (ESTALE),
  CODE (ETIMEDOUT),  CODE (EXDEV),
#undef CODE
};

/* The wire has names: the numbers differ between machines. */
static const char *
code_name (int code)
{
  for (size_t i = 0; i < ARRAY_LEN (codes); i++)
    if (codes[i].code == code)
      return codes[i].name;
  return "EIO";
}

static int
code_number (const char *name)
{
  for (size_t i = 0; name && i < ARRAY_LEN (codes); i++)
    if (strcmp (codes[i].name, name) == 0)
      return codes[i].code;
  return EIO;
}

static void
call_timed_out (struct timer *t, void *arg)
{
  struct pending *p = arg;
  struct channel *ch = p->ch;
  struct error err = ERROR_INIT;

  (void) error_set (&err, ETIMEDOUT, "%s: no answer within %llu ms", ch->name,
                    (unsigned long long) p->timeout_ms);
  pending_end (p, NULL, &err);
}

static int
pending_new (struct channel *ch, uint64_t timeout_ms, channel_reply_fn *fn,
             void *arg, struct pending **ret, struct error *err)
{
  struct pending *p = calloc (1, sizeof *p);
  int r;

  if (!p)
    return error_errno (err, ENOMEM, "%s: making a request", ch->name);
  *p = (struct pending){ .ch = ch,
                         .id = ++ch->last_id,
                         .timeout_ms = timeout_ms,
                         .fn = fn,
                         .arg = arg };
  if (timeout_ms != CLOCK_NEVER)
    {
      r = loop_timer (ch->loop, "answer", call_timed_out, p, &p->timer, err);
      if (r < 0)
        {
          free (p);
          return r;
        }
      timer_in (p->timer, timeout_ms);
    }
  *ret = p;
  return 0;
}

int
channel_call (struct channel *ch, struct json_object *head, const void *body,
              size_t body_len, const int *fds, unsigned nfds,
              uint64_t timeout_ms, channel_reply_fn *fn, void *arg,
              struct error *err)
{
  struct pending *p = NULL;
  int r;

  if (ch->ncalls >= MAX_CALLS)
    r = error_set (err, ENOBUFS, "%s: %d requests wait for an answer",
                   ch->name, MAX_CALLS);
  else
    r = pending_new (ch, timeout_ms, fn, arg, &p, err);
  if (r < 0)
    {
      json_object_put (head);
      return r;
    }
  json_add_int (head, "id", p->id);
  r = channel_send (ch, head, body, body_len, fds, nfds);
  if (r < 0)
    {
      timer_free (p->timer);
      free (p);
      return error_errno (err, -r, "%s: sending a request", ch->name);
    }
  p->next = ch->calls;
  ch->calls = p;
  ch->ncalls++;
  return 0;
}

int
channel_reply (struct channel *ch, const struct frame *request,
               struct json_object *head, const void *body, size_t body_len,
               const int *fds, unsigned nfds)
{
  struct json_object *id = json_get (request->head, "id");

  if (!json_object_is_type (id, json_type_int))
    {
      /* Nobody waits. */
      if (head)
        json_object_put (head);
      return 0;
    }
  if (!head && !(head = json_object_new_object ()))
    return -ENOMEM;
  json_add_int (head, "re", json_object_get_int64 (id));
  return channel_send (ch, head, body, body_len, fds, nfds);
}

int
channel_reply_error (struct channel *ch, const struct frame *request,
                     const struct error *why)
{
  struct json_object *head = json_object_new_object ();
  struct json_object *e = json_object_new_object ();
  const char *text = error_text (why);

  if (!head || !e)
    {
      json_object_put (head);
      json_object_put (e);
      return -ENOMEM;
    }
  json_add_str (e, "code", code_name (why->code));
  json_add_text (e, "message", text, strlen (text));
  json_object_object_add (head, "error", e);
  return channel_reply (ch, request, head, NULL, 0, NULL, 0);
}

/* ---- in ---- */

static void
on_answer (struct channel *ch, struct frame *frame)
{
  int64_t id = json_get_int (frame->head, "re", 0);
  struct json_object *e = json_get (frame->head, "error");
  struct error err = ERROR_INIT;
  struct pending *p;

  for (p = ch->calls; p && p->id != id; p = p->next)
    ;
  /* Late: it was given up already. */
  if (!p)
    return;
  if (e)
    {
      CLEANUP_BUF struct buf msg = BUF_INIT (sizeof err.msg);
      const char *text = json_get_str (e, "message");

      /* It ends in our log or on somebody's terminal. */
      text = text ? text : "refused without a reason";
      text_escape (&msg, text, strlen (text), 0);
      (void) error_set (&err, code_number (json_get_str (e, "code")), "%s",
                        buf_str (&msg));
      pending_end (p, NULL, &err);
    }
  else if (json_get_bool (frame->head, "more", false))
    {
      if (p->timer)
        timer_in (p->timer, p->timeout_ms);
      p->fn (frame, NULL, p->arg);
    }
  else
    pending_end (p, frame, NULL);
}

static int
on_frame (struct channel *ch, struct frame *frame, struct error *err)
{
  bool op = json_get_str (frame->head, "op") != NULL;
  bool re = json_object_is_type (json_get (frame->head, "re"), json_type_int);

  if (op == re)
    return error_set (err, EPROTO, "a frame must have one of \"op\", \"re\"");
  if (re)
    on_answer (ch, frame);
  else if (ch->ops->on_frame)
    ch->ops->on_frame (ch, frame, ch->arg);
  return 0;
}

static int
take_frames (struct channel *ch, struct error *err)
{
  int r;

  for (int i = 0; i < FRAMES_AT_ONCE && ch->state == OPEN; i++)
    {
      CLEANUP_FRAME struct frame frame = { .head = NULL };

      r = frame_in_read (&ch->in, ch->sock, &frame, err);
      if (r == 1)
        r = on_frame (ch, &frame, err);
      else if (r == 0)
        return 0;
      if (r < 0)
        return r;
    }
  return 0;
}

static void
channel_ready (struct watch *w, int fd, unsigned events, void *arg)
{
  struct channel *ch = arg;
  struct error err = ERROR_INIT;
  int r = 0;

  ch->refs++;
  if (ch->out)
    r = flush (ch, &err);
  /* A peer that is gone may have left frames behind: they count, so a failed
   * write is not the end while there is something to read. */
  if (ch->state == OPEN && (events & (LOOP_READ | LOOP_HANGUP)))
    {
      struct error rerr = ERROR_INIT;
      int rr = take_frames (ch, &rerr);

      if (rr < 0)
        {
          r = rr;
          err = rerr;
        }
      else if (events & LOOP_READ)
        r = 0;
    }
  if (ch->state == CLOSED)
    ;
  else if (r < 0)
    {
      if (err.code == EPIPE || err.code == ECONNRESET)
        (void) error_set (&err, EPIPE, "the other side closed the connection");
      finish (ch, &err);
    }
  else if (ch->state == FINISHING && !ch->out)
    timer_in (ch->closer, 0);
  else
    set_watch (ch);
  unref (ch);
}

int
channel_new (struct loop *loop, const char *name, int sock, size_t max_queued,
             const struct channel_ops *ops, void *arg, struct channel **ret_ch,
             struct error *err)
{
  struct channel *ch = calloc (1, sizeof *ch);
  int r;

  if (!ch)
    return error_errno (err, ENOMEM, "making a channel");
  ch->loop = loop;
  for (size_t i = 0; i < NAME_MAX_LEN - 1 && name[i]; i++)
    ch->name[i] = name[i];
  ch->sock = -1;
  ch->max_queued = max_queued;
  ch->ops = ops;
  ch->arg = arg;
  ch->refs = 1;
  ch->out_end = &ch->out;
  r = loop_timer (loop, ch->name, closer_fn, ch, &ch->closer, err);
  if (r == 0)
    r = loop_watch (loop, ch->name, sock, LOOP_READ, channel_ready, ch,
                    &ch->watch, err);
  if (r < 0)
    {
      channel_free (ch);
      return r;
    }
  ch->sock = sock;
  *ret_ch = ch;
  return 0;
}
