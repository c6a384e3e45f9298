/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose port is open, what is read there and what is told of it.
 *
 * QEMU writes a beat byte by byte: a port that became readable is left alone
 * for a moment, so that a beat costs two wake-ups and not sixteen.
 */
#include "transports/acpi/ports.h"
#include "transports/acpi/beat.h"
#include "transports/transport.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/loop.h"
#include "base/opener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATHER_MS 100u
#define OPEN_MS 4000u
#define AGAIN_MS 5000u
#define AGAIN_MAX_MS 60000u
#define OPENINGS 8u
#define BEAT_MS 1000u
#define TELL_MS 60000u
/* A beat is 16 bytes: who writes so much in so long writes something else, and
 * is left alone for AGAIN_MAX_MS. */
#define FLOOD_BYTES (64u << 10)
#define FLOOD_MS 10000u

enum port_state
{
  PORT_WAITS, /* until due_ms */
  PORT_OPENS,
  PORT_READS,
};

struct port
{
  struct acpi_ports *all;
  struct port *next;
  const struct guest *guest; /* NULL: it is gone, and its job is still out */
  enum port_state state;
  bool again; /* where it is changed while it was being opened */
  int fd;
  struct watch *watch;
  struct acpi_beat_reader reader;
  uint64_t due_ms; /* when it is opened or read next, 0 = not */
  uint64_t wait_ms;
  uint64_t counted, counted_ms; /* bytes since then */
  uint64_t beat_ms, told_ms;
  char said[FACT_TEXT_MAX];
};

struct acpi_ports
{
  struct acpi_ports_env env;
  struct timer *timer;
  struct port *first;
  unsigned opening;
  uint64_t next_ms; /* when the timer is due, 0 = it is not */
};

/* ---- telling ---- */

static void
tell_text (struct port *p, const char *name, const char *text)
{
  struct fact fact;

  fact_text (&fact, &p->guest->inc, name, "acpi", text, strlen (text));
  fact_publish (p->all->env.bus, &fact);
}

static void
tell_state (struct port *p, const char *why)
{
  char text[FACT_TEXT_MAX];

  snprintf (text, sizeof text, "%s%.200s", why ? "unread: " : "read",
            why ? why : "");
  if (strcmp (p->said, text) == 0)
    return;
  snprintf (p->said, sizeof p->said, "%s", text);
  tell_text (p, "guest.acpi_port", text);
}

static void
on_beat (const struct acpi_beat *beat, void *arg)
{
  struct port *p = arg;
  uint64_t now = loop_now (p->all->env.loop);
  struct fact fact;

  if (p->beat_ms && now < p->beat_ms + BEAT_MS)
    return;
  p->beat_ms = now;
  fact_int (&fact, &p->guest->inc, "guest.acpi_beat", "acpi", beat->sequence);
  fact_publish (p->all->env.bus, &fact);
  /* That its scheduler goes on is so, too; but of one CPU, and who looks into
   * its memory sees all of them. */
  if (p->told_ms && now < p->told_ms + TELL_MS)
    return;
  p->told_ms = now;
  tell_text (p, "guest.ticks", "alive");
}

/* ---- when ---- */

static void
arm (struct port *p, uint64_t in_ms)
{
  struct acpi_ports *all = p->all;

  p->due_ms = loop_now (all->env.loop) + in_ms;
  if (all->next_ms && all->next_ms <= p->due_ms)
    return;
  all->next_ms = p->due_ms;
  timer_at (all->timer, all->next_ms);
}

static void
close_port (struct port *p)
{
  watch_free (p->watch);
  p->watch = NULL;
  if (p->fd >= 0)
    {
      /* QEMU's next write fails and does not wait. */
      (void) shutdown (p->fd, SHUT_RDWR);
      close (p->fd);
    }
  p->fd = -1;
  p->reader.n = 0;
}

static void
lose (struct port *p, uint64_t wait_ms, const char *why)
{
  close_port (p);
  p->state = PORT_WAITS;
  tell_state (p, why);
  arm (p, wait_ms);
}

static bool
is_open_at_all (const struct guest *g)
{
  return g->beat_path[0] && g->run != GUEST_OFF && g->run != GUEST_STARTING;
}

/* ---- reading ---- */

static void
on_readable (struct watch *w, int fd, unsigned events, void *arg)
{
  (void) fd;
  (void) events;
  watch_set (w, 0);
  arm (arg, GATHER_MS);
}

static void
read_port (struct port *p)
{
  unsigned char bytes[4096];
  uint64_t now = loop_now (p->all->env.loop);
  ssize_t n;

  if (now >= p->counted_ms + FLOOD_MS)
    {
      p->counted_ms = now;
      p->counted = 0;
    }
  while ((n = read (p->fd, bytes, sizeof bytes)) > 0)
    {
      acpi_beat_feed (&p->reader, bytes, (size_t) n, on_beat, p);
      p->counted += (size_t) n;
      if (p->counted > FLOOD_BYTES)
        {
          lose (p, AGAIN_MAX_MS, "the guest floods it");
          return;
        }
    }
  if (n == 0 || (errno != EAGAIN && errno != EINTR))
    {
      lose (p, AGAIN_MS, n == 0 ? "QEMU closed it" : strerror (errno));
      return;
    }
  p->due_ms = 0;
  watch_set (p->watch, LOOP_READ);
}

/* ---- opening: a job ---- */

struct opening
{
  struct opener *opener;
  struct incarnation inc;
  bool any; /* libvirt listens itself and hands the socket over */
  char root[128], path[256];
  int fd;
  struct error why;
};

static void
opening_free (void *arg)
{
  struct opening *o = arg;

  if (o->fd >= 0)
    close (o->fd);
  free (o);
}

static int
opening_run (struct job *job, void *arg)
{
  struct opening *o = arg;
  const struct open_req req = {
    .kind = OPEN_UNIX,
    .root = o->root,
    .path = o->path,
    .check_pid = o->any ? 0 : o->inc.pid,
    .check_start = o->any ? 0 : o->inc.start_time,
  };
  int r = o->opener->open (o->opener, &req, job_deadline (job), &o->fd, NULL,
                           &o->why);

  if (r == -EAGAIN)
    error_set (&o->why, EBUSY, "others are connected to it");
  return r;
}

static void
port_free (struct port *p)
{
  struct port **at = &p->all->first;

  while (*at != p)
    at = &(*at)->next;
  *at = p->next;
  close_port (p);
  guest_unref (p->guest);
  free (p);
}

static void
opened (struct port *p, struct opening *o)
{
  struct error err = ERROR_INIT;

  p->fd = steal_fd (&o->fd);
  if (loop_watch (p->all->env.loop, "acpi-beat", p->fd, LOOP_READ, on_readable,
                  p, &p->watch, &err)
      < 0)
    {
      lose (p, AGAIN_MAX_MS, error_text (&err));
      return;
    }
  p->state = PORT_READS;
  p->due_ms = p->wait_ms = p->counted_ms = 0;
  tell_state (p, NULL);
}

static void
opening_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct port *p = owner;
  struct opening *o = arg;

  p->all->opening--;
  if (!p->guest)
    port_free (p);
  else if (end == JOB_RETURNED && rc == 0 && !p->again)
    opened (p, o);
  else
    {
      p->wait_ms = p->again                        ? 0
                   : 2 * p->wait_ms < AGAIN_MAX_MS ? 2 * p->wait_ms + AGAIN_MS
                                                   : AGAIN_MAX_MS;
      lose (p, p->wait_ms,
            end == JOB_DISCARDED ? "opening it does not come back"
            : o->why.code        ? error_text (&o->why)
                                 : "it moved");
      p->again = false;
    }
  if (end == JOB_RETURNED)
    opening_free (o);
}

static void
begin_open (struct port *p)
{
  struct opening *o = calloc (1, sizeof *o);
  const struct guest *g = p->guest;
  const struct job_spec spec = {
    .name = "open the port of an ACPI heartbeat",
    .guest = g->inc.uuid,
    .lane = LANE_ACPI,
    .timeout_ms = OPEN_MS,
    .run = opening_run,
    .done = opening_done,
    .free_arg = opening_free,
    .owner = p,
    .arg = o,
  };

  if (!o)
    {
      arm (p, AGAIN_MS);
      return;
    }
  o->fd = -1;
  o->opener = p->all->env.opener;
  o->inc = g->inc;
  o->any = strcmp (g->source, "libvirt") == 0;
  snprintf (o->root, sizeof o->root, "%s", g->beat_root);
  snprintf (o->path, sizeof o->path, "%s", g->beat_path);
  if (job_start (p->all->env.jobs, &spec, NULL) < 0)
    {
      opening_free (o);
      arm (p, AGAIN_MS);
      return;
    }
  p->all->opening++;
  p->state = PORT_OPENS;
  p->due_ms = 0;
}

/* ---- all of them ---- */

static void
tick (struct timer *t, void *arg)
{
  struct acpi_ports *all = arg;
  uint64_t now = loop_now (all->env.loop), next = 0;

  for (struct port *p = all->first; p; p = p->next)
    {
      if (p->due_ms && p->due_ms <= now && p->state == PORT_READS)
        read_port (p);
      else if (p->due_ms && p->due_ms <= now && p->state == PORT_WAITS
               && all->opening < OPENINGS)
        begin_open (p);
      if (p->due_ms && (!next || p->due_ms < next))
        next = p->due_ms;
    }
  /* However many there are: so often at most. */
  all->next_ms = next && next < now + GATHER_MS ? now + GATHER_MS : next;
  if (next)
    timer_at (t, all->next_ms);
}

static struct port *
by_uuid (struct acpi_ports *all, const char *uuid)
{
  struct port *p = all->first;

  while (p && (!p->guest || strcmp (p->guest->inc.uuid, uuid) != 0))
    p = p->next;
  return p;
}

static void
drop (struct port *p)
{
  if (p->state != PORT_OPENS)
    {
      port_free (p);
      return;
    }
  guest_unref (p->guest);
  p->guest = NULL;
}

static void
add (struct acpi_ports *all, const struct guest *g)
{
  struct port *p = calloc (1, sizeof *p);

  if (!p)
    return;
  p->all = all;
  p->fd = -1;
  p->guest = guest_ref (g);
  p->next = all->first;
  all->first = p;
  arm (p, 0);
}

static bool
moved (const struct guest *a, const struct guest *b)
{
  return strcmp (a->beat_root, b->beat_root) != 0
         || strcmp (a->beat_path, b->beat_path) != 0;
}

static void
update (struct port *p, enum guest_change change, const struct guest *now)
{
  const struct guest *was = p->guest;
  bool elsewhere = change == GUEST_REPLACED || moved (was, now);

  p->guest = guest_ref (now);
  guest_unref (was);
  if (change >= GUEST_REBOOTED)
    p->beat_ms = p->told_ms = 0;
  if (elsewhere && p->state == PORT_OPENS)
    p->again = true;
  else if (elsewhere)
    lose (p, 0, "it is opened anew");
  else if (change >= GUEST_REBOOTED)
    /* What was told is of the life before. */
    tell_text (p, "guest.acpi_port", p->said);
}

void
acpi_ports_guest (struct acpi_ports *all, enum guest_change change,
                  const struct guest *was, const struct guest *now)
{
  struct port *p;

  if (!all)
    return;
  p = by_uuid (all, (now ? now : was)->inc.uuid);
  if (!now || !is_open_at_all (now))
    {
      if (p)
        drop (p);
    }
  else if (!p)
    add (all, now);
  else
    update (p, change, now);
}

void
acpi_ports_dump (const struct acpi_ports *all, struct buf *out)
{
  unsigned n = 0, reads = 0;
  uint64_t frames = 0, noise = 0;

  if (!all)
    return;
  for (const struct port *p = all->first; p; p = p->next)
    {
      n++;
      reads += p->state == PORT_READS;
      frames += p->reader.frames;
      noise += p->reader.noise;
    }
  if (n)
    buf_printf (out, "acpi-heartbeats ports=%u read=%u beats=%llu noise=%llu\n",
                n, reads, (unsigned long long) frames,
                (unsigned long long) noise);
}

int
acpi_ports_new (const struct acpi_ports_env *env, struct acpi_ports **ret,
                struct error *err)
{
  struct acpi_ports *all = calloc (1, sizeof *all);
  int r;

  if (!all)
    return error_set (err, ENOMEM, "no memory for ACPI heartbeats");
  all->env = *env;
  r = loop_timer (env->loop, "acpi-beats", tick, all, &all->timer, err);
  if (r < 0)
    {
      free (all);
      return r;
    }
  *ret = all;
  return 0;
}

void
acpi_ports_free (struct acpi_ports *all)
{
  if (!all)
    return;
  while (all->first)
    port_free (all->first);
  timer_free (all->timer);
  free (all);
}

/* ---- doctor ---- */

#define OPTIONS                                                               \
  "-acpitable file=hangdog-beat.aml "                                         \
  "-chardev socket,id=hangdog-beat,path=FOLDER/beat,server=on,wait=off "      \
  "-device isa-debugcon,iobase=0x580,chardev=hangdog-beat"

static void
doctor (const struct transport_env *env, const struct guest *g,
        struct doctor_report *r, uint64_t deadline)
{
  char text[480];

  (void) env;
  (void) deadline;
  if (g->beat_path[0])
    {
      snprintf (text, sizeof text,
                "the guest has the port of an ACPI heartbeat, %s/%s",
                g->beat_root, g->beat_path);
      r->line (r, DOCTOR_OK, "acpi", text, NULL);
    }
  else
    r->line (r, DOCTOR_NA, "acpi",
             "the guest has no ACPI heartbeat, which an x86 guest can be "
             "given at its next start",
             OPTIONS);
}

const struct transport_ops transport_acpi = {
  .name = "acpi",
  .summary = "beats of the guest's own kernel, by a small ACPI table",
  .touches = "nothing; the guest has a thermal zone more",
  .lane = LANE_ACPI,
  .doctor = doctor,
};
