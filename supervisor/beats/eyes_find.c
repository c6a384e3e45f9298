/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a guest's kernel keeps what moves: asked of a parser, in a job.  And
 * whether a QEMU answers, in another.
 */
#include "supervisor/beats/eyes_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/memory/look_guest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
find_free_ (void *arg)
{
  struct find *f = arg;

  guest_unref (f->guest);
  beat_table_free (f->table);
  if (f->fd >= 0)
    close (f->fd);
  free (f);
}

static uint32_t
hash_of (const unsigned char *p, size_t n)
{
  uint32_t h = 2166136261u;

  for (size_t i = 0; i < n; i++)
    h = (h ^ p[i]) * 16777619u;
  return h;
}

#define STATUS_MS 2000u

/* Somebody has it wait: QEMU says that it does not run it, and of no fault that
 * would have stopped it. */
static bool
is_made_to_wait (const char *status)
{
  static const char *const not_so[]
      = { "",         "unknown",        "running", "guest-panicked",
          "io-error", "internal-error", "watchdog" };

  for (size_t i = 0; i < ARRAY_LEN (not_so); i++)
    if (strcmp (status, not_so[i]) == 0)
      return false;
  return true;
}

/* libvirt tells of each pause, but who missed it, or came later, asks: that
 * taints nothing. */
static void
ask_libvirt (struct find *f, uint64_t deadline)
{
  uint64_t soon = clock_ms () + STATUS_MS;
  enum monitor_health health;
  struct monitor_look l;

  if (monitor_look (f->env, f->guest, 0, soon < deadline ? soon : deadline,
                    &health, &l, NULL)
      < 0)
    {
      f->blind = true;
      return;
    }
  f->stands = f->stands || is_made_to_wait (l.status);
  monitor_look_done (&l);
}

int
find_run_ (struct job *job, void *arg)
{
  struct find *f = arg;
  CLEANUP_FREE unsigned char *bytes = malloc (BEAT_MAX_TABLE);
  /* The monitor is not disturbed for it; but of what seems dead the registers
   * tell whether anything of that kernel runs at all: one that was reset lies
   * there as it died while its firmware runs.  libvirt tells of resets, and
   * registers would be a raw command there. */
  struct look_guest l = {
    .env = f->env, .guest = f->guest, .job = job,
    .no_registers = !f->doubt || f->guest->monitor != MONITOR_UNIX
  };
  size_t len = 0;
  int r;

  if (!bytes)
    return error_set (&f->why, ENOMEM, "no memory for a heartbeat");
  r = look_guest_open (&l, job_deadline (job), &f->why);
  if (r == 0)
    r = look_guest_beat (&l, job_deadline (job), bytes, &len, &f->why);
  if (r == 0)
    r = beat_table_new (bytes, len, &l.memory.map, l.memory.pagemap, &f->table,
                        &f->why);
  if (r == 0)
    {
      f->fd = steal_fd (&l.memory.fd);
      f->kernel = beat_get_canary (bytes);
      f->where = hash_of (bytes, len);
    }
  f->stands = is_made_to_wait (l.state);
  f->blind = !l.no_registers && !l.registers;
  look_guest_close (&l);
  if (f->doubt && f->guest->monitor == MONITOR_LIBVIRT)
    ask_libvirt (f, job_deadline (job));
  return r;
}

/* ---- does its QEMU answer? ---- */

void
ask_free_ (void *arg)
{
  struct question *q = arg;

  guest_unref (q->guest);
  free (q);
}

/* Greeting and capabilities come from a thread of their own there: who greets
 * lives, and who does not answer then has a main loop that stands.  Who does
 * not even greet may just have another client. */
int
ask_run_ (struct job *job, void *arg)
{
  struct question *q = arg;

  for (unsigned i = 0; i < 2 && !job_stopping (job); i++)
    {
      uint64_t soon = clock_ms () + QEMU_ASK_MS, last = job_deadline (job);
      enum monitor_health health = MONITOR_GONE;
      char status[64];
      int r = monitor_status (q->env, q->guest, soon < last ? soon : last,
                              &health, status, sizeof status, NULL);

      if (r != -ETIMEDOUT || health != MONITOR_GREETS_ONLY)
        return 0;
      q->mute = i > 0;
    }
  return 0;
}
