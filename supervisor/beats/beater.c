/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's side of hangdog-beat.
 */
#include "supervisor/beats/beater.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER "hangdog-beat"
#define QUEUE_BYTES (8u << 20)
#define REAP_MS 200

struct beater
{
  struct loop *loop;
  const char *libexec;
  const struct beater_ops *ops;
  void *arg;
  struct channel *ch; /* NULL: no process */
  pid_t pid;
  _Atomic uint32_t *turn; /* the page; NULL: no process */
  bool asked;             /* and not answered yet */
  pid_t dead[8];          /* killed, and not gone yet: some may never go */
  unsigned ndead;
  struct timer *reaper;
};

/* ---- its end ---- */

static void
reap (struct timer *t, void *arg)
{
  struct beater *b = arg;

  for (unsigned i = b->ndead; i-- > 0;)
    if (waitpid (b->dead[i], NULL, WNOHANG) != 0)
      b->dead[i] = b->dead[--b->ndead];
  if (b->ndead > 0)
    timer_in (t, REAP_MS);
}

static void
end (struct beater *b)
{
  channel_free (b->ch);
  b->ch = NULL;
  b->asked = false;
  if (b->turn)
    munmap ((void *) (uintptr_t) b->turn, sizeof *b->turn);
  b->turn = NULL;
  if (b->pid <= 0)
    return;
  kill (b->pid, SIGKILL);
  if (b->ndead < ARRAY_LEN (b->dead))
    b->dead[b->ndead++] = b->pid;
  b->pid = 0;
  timer_in (b->reaper, 0);
}

/* Whoever is told may add guests again at once, to another process. */
static void
lost (struct beater *b, const char *why)
{
  uint32_t id = b->turn ? atomic_load (b->turn) : 0;

  log_warn (HELPER " is lost: %s", why);
  end (b);
  b->ops->lost (id <= BEATER_MAX ? id : 0, b->arg);
}

static void
on_close (struct channel *ch, const struct error *why, void *arg)
{
  lost (arg, why->code == EPIPE ? "it ended" : error_text (why));
}

static const struct channel_ops channel_callbacks = { .on_close = on_close };

/* ---- its beginning ---- */

static int
make_page (struct beater *b, int *ret, struct error *err)
{
  CLEANUP_CLOSE int fd = memfd_create ("turn", MFD_CLOEXEC);
  void *page;

  if (fd < 0 || ftruncate (fd, (off_t) sizeof *b->turn) < 0)
    return error_errno (err, errno, "memory for %s", HELPER);
  page = mmap (NULL, sizeof *b->turn, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
               0);
  if (page == MAP_FAILED)
    return error_errno (err, errno, "memory for %s", HELPER);
  b->turn = page;
  *ret = steal_fd (&fd);
  return 0;
}

static int
begin (struct beater *b, struct error *err)
{
  struct helper h = HELPER_INIT;
  CLEANUP_CLOSE int page = -1;
  int r = make_page (b, &page, err);

  if (r == 0)
    r = helper_start (&(struct helper_spec){ .libexec = b->libexec,
                                             .program = HELPER,
                                             .fds = &page,
                                             .nfds = 1 },
                      &h, err);
  if (r == 0)
    {
      /* It is ended as all others are: nobody waits for it on the loop. */
      b->pid = h.pid;
      r = channel_new (b->loop, "beat", h.sock, QUEUE_BYTES,
                       &channel_callbacks, b, &b->ch, err);
      if (r < 0)
        close (h.sock);
    }
  if (r < 0)
    end (b);
  return r;
}

/* ---- guests ---- */

int
beater_add (struct beater *b, uint32_t id, const struct beat_table *table,
            int fd, struct error *err)
{
  struct json_object *head;
  const void *flat;
  size_t len;
  int r = b->ch ? 0 : begin (b, err);

  if (r < 0)
    return r;
  flat = beat_table_flat (table, &len);
  head = json_object_new_object ();
  json_add_str (head, "op", "add");
  json_add_int (head, "id", id);
  r = channel_send (b->ch, head, flat, len, &fd, 1);
  return r < 0 ? error_errno (err, -r, "%s", HELPER) : 0;
}

void
beater_drop (struct beater *b, uint32_t id)
{
  struct json_object *head;

  if (!b->ch)
    return;
  head = json_object_new_object ();
  json_add_str (head, "op", "drop");
  json_add_int (head, "id", id);
  channel_send (b->ch, head, NULL, 0, NULL, 0);
}

/* ---- beats ---- */

/* One record; how long it is, 0 if it is none. */
static size_t
take_record (struct beater *b, const char *at, size_t left)
{
  struct beater_record rec;
  struct error why = ERROR_INIT;
  struct beat beat;
  size_t len;

  if (left < sizeof rec)
    return 0;
  memcpy (&rec, at, sizeof rec);
  if (rec.id == 0 || rec.id > BEATER_MAX || rec.cpus > BEAT_MAX_CPUS)
    return 0;
  if (rec.rc != 0)
    {
      error_errno (&why, rec.rc < 0 ? -rec.rc : EIO,
                   "reading the guest's memory");
      b->ops->failed (rec.id, &why, b->arg);
      return sizeof rec;
    }
  len = sizeof rec + BEAT_FLAT (rec.cpus);
  if (left < len)
    return 0;
  memset (&beat, 0, sizeof beat);
  memcpy (&beat, at + sizeof rec, BEAT_FLAT (rec.cpus));
  if (beat.cpus != rec.cpus)
    return 0;
  b->ops->beat (rec.id, &beat, b->arg);
  return len;
}

static void
on_answer (struct frame *f, const struct error *err, void *arg)
{
  struct beater *b = arg;

  if (!f)
    {
      /* ECANCELED: the channel is being freed, by end(). */
      if (err->code == ETIMEDOUT)
        lost (b, "it reads a guest's memory, and does not come back");
      return;
    }
  if (!json_get_bool (f->head, "more", false))
    b->asked = false;
  for (size_t at = 0; at < f->body_len;)
    {
      size_t n
          = take_record (b, (const char *) f->body + at, f->body_len - at);

      if (n == 0)
        {
          lost (b, "it says what makes no sense");
          return;
        }
      at += n;
      if (!b->ch)
        return; /* by a callback */
    }
}

bool
beater_ask (struct beater *b, const uint32_t *ids, unsigned n)
{
  struct json_object *head;

  if (!b->ch || b->asked || n == 0)
    return false;
  if (n > BEATER_ASK_MAX)
    n = BEATER_ASK_MAX;
  head = json_object_new_object ();
  json_add_str (head, "op", "beat");
  b->asked = channel_call (b->ch, head, ids, n * sizeof *ids, NULL, 0,
                           BEATER_STUCK_MS, on_answer, b, NULL)
             == 0;
  return b->asked;
}

pid_t
beater_pid (const struct beater *b)
{
  return b->pid;
}

/* ---- making ---- */

int
beater_new (struct loop *loop, const char *libexec,
            const struct beater_ops *ops, void *arg, struct beater **ret,
            struct error *err)
{
  struct beater *b = calloc (1, sizeof *b);
  int r;

  if (!b)
    return error_set (err, ENOMEM, "no memory for heartbeats");
  *b = (struct beater){ .loop = loop, .libexec = libexec, .ops = ops,
                        .arg = arg };
  r = loop_timer (loop, "beat-reaper", reap, b, &b->reaper, err);
  if (r < 0)
    {
      free (b);
      return r;
    }
  *ret = b;
  return 0;
}

void
beater_free (struct beater *b)
{
  if (!b)
    return;
  end (b);
  for (unsigned i = 0; i < b->ndead; i++)
    (void) waitpid (b->dead[i], NULL, WNOHANG);
  timer_free (b->reaper);
  free (b);
}
