/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-beat: see beater.h.  A channel on descriptor 3, the page on 4.
 *
 *   {"op":"add","id":N}   body: a table; one descriptor
 *   {"op":"drop","id":N}
 *   {"op":"beat"}         body: numbers; answered with records
 *
 * It can read all that QEMU has, so it can do nothing else: no file is opened,
 * nobody spoken to but the one who started it, with whom it ends.
 */
#include "supervisor/beats/beater.h"
#include "supervisor/parser/parser.h"

#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SEND_MS 5000
#define PIECE (512u << 10)

struct guest_here
{
  struct beat_table *table; /* NULL = nobody */
  int fd;
};

struct here
{
  struct guest_here guests[BEATER_MAX + 1];
  _Atomic uint32_t *turn;
};

static void
forget (struct guest_here *g)
{
  if (!g->table)
    return;
  beat_table_free (g->table);
  close (g->fd);
  g->table = NULL;
}

static struct guest_here *
named (struct here *h, const struct frame *f)
{
  int64_t id = json_get_int (f->head, "id", 0);

  return id > 0 && id <= (int64_t) BEATER_MAX ? &h->guests[id] : NULL;
}

static void
add (struct here *h, struct frame *f)
{
  struct guest_here *g = named (h, f);

  if (!g || f->nfds != 1)
    return;
  forget (g);
  if (beat_table_unflat (f->body, f->body_len, &g->table, NULL) == 0)
    g->fd = steal_fd (&f->fds[0]);
}

/* What does not fit any more waits for the next frame. */
static int
send (const struct frame *f, struct buf *out, bool more)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  int r;

  json_add_int (head, "re", json_get_int (f->head, "id", 0));
  if (more)
    json_add_bool (head, "more", true);
  r = frame_write (BEATER_CHANNEL, head, out->data, out->len, NULL, 0,
                   clock_ms () + SEND_MS, NULL);
  buf_clear (out);
  return r;
}

static void
read_one (struct here *h, uint32_t id, struct buf *out)
{
  struct guest_here *g = &h->guests[id];
  struct beater_record rec = { .id = id };
  struct error err = ERROR_INIT;
  struct beat beat;

  atomic_store (h->turn, id);
  rec.rc = beat_read (g->table, g->fd, &beat, &err);
  atomic_store (h->turn, 0);
  rec.cpus = rec.rc == 0 ? beat.cpus : 0;
  buf_append (out, &rec, sizeof rec);
  if (rec.rc == 0)
    buf_append (out, &beat, BEAT_FLAT (beat.cpus));
  else
    forget (g);
}

static int
beat_all (struct here *h, const struct frame *f)
{
  struct buf out CLEANUP_BUF = BUF_INIT (FRAME_MAX_BODY);
  size_t n = f->body_len / sizeof (uint32_t);
  int r = 0;

  for (size_t i = 0; i < n && r == 0; i++)
    {
      uint32_t id;

      memcpy (&id, (const char *) f->body + i * sizeof id, sizeof id);
      if (id == 0 || id > BEATER_MAX || !h->guests[id].table)
        continue;
      read_one (h, id, &out);
      if (out.len > PIECE)
        r = send (f, &out, true);
    }
  return r < 0 ? r : send (f, &out, false);
}

static int
serve (struct here *h)
{
  for (;;)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      const char *op;
      struct guest_here *g;
      int r = frame_read (BEATER_CHANNEL, &f, CLOCK_NEVER, NULL);

      if (r < 0)
        return r == -EPIPE ? 0 : 1;
      op = json_get_str (f.head, "op");
      if (!op)
        continue;
      if (strcmp (op, "add") == 0)
        add (h, &f);
      else if (strcmp (op, "drop") == 0 && (g = named (h, &f)))
        forget (g);
      else if (strcmp (op, "beat") == 0 && beat_all (h, &f) < 0)
        return 1;
    }
}

int
main (void)
{
  const struct jail jail
      = { .memory = 256u << 20, .files = BEATER_MAX + 16 };
  struct here *h = calloc (1, sizeof *h);
  struct error err = ERROR_INIT;
  bool landlock;
  void *page = mmap (NULL, sizeof *h->turn, PROT_READ | PROT_WRITE, MAP_SHARED,
                     BEATER_PAGE, 0);

  if (!h || page == MAP_FAILED)
    return 1;
  h->turn = page;
  close (BEATER_PAGE);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (jail_enter (&jail, &landlock, &err) < 0)
    {
      dprintf (STDERR_FILENO, "hangdog-beat: %s\n", error_text (&err));
      return 1;
    }
  return serve (h);
}
