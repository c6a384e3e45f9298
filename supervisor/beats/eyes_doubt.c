/* SPDX-License-Identifier: Apache-2.0
 *
 * What seems dead, and when it is told.
 *
 * What was read may be what is left of a kernel before: so it is looked for
 * once more.  And who is not run by its host stands still like the dead: so
 * what stands must have had its share: the thread of one of those CPUs has run
 * for a while and its kernel did nothing with it, or it did not want to run,
 * and waited for no processor either.  That is read from /proc, where nothing
 * waits for anybody: on the loop.
 *
 * One whose host has it wait in its own kernel (state D: storage, swap) wants
 * to run and neither runs nor waits for a processor.  Then nothing of the guest
 * is dead; when that lasts it is told all the same, for somebody has to look
 * at that host.
 *
 * One whose QEMU sleeps with all its threads is no matter of its kernel either:
 * QEMU is asked, and if it does not answer twice that is told at once.
 */
#include "supervisor/beats/eyes_impl.h"

#include "base/opener.h"

#include <stdio.h>
#include <stdlib.h>

/* Who seems dead is read so often until it is told. */
#define CLOSER_MS 500u
#define RAN_NS 1500000000u
#define WANTED_NONE_MS 10000u
#define HELD_MS 30000u /* by its host, and told all the same */
#define MAX_BLOCKED 16
/* No thread of it was seen at anything for so long, and together they ran for
 * less than this part of it. */
#define ASLEEP_MS 1000u
#define ASLEEP_SHARE 100u
/* Looked at for so long before it is asked. */
#define ASLEEP_LOOK_MS 2000u

struct chance
{
  uint64_t since_ms;
  struct thread_time all; /* where its vCPUs have no names */
  struct thread_time woke; /* all of them, when that process last did a thing */
  uint64_t woke_ms;
  uint64_t held_ms;       /* its host had it wait then, 0 = never */
  size_t nblocked;        /* of its threads, at the last look */
  struct monitor_vcpu blocked[MAX_BLOCKED];
  size_t n;
  struct monitor_vcpu vcpus[];
};

static struct chance *
chance_new (int pid, uint64_t now_ms)
{
  struct monitor_vcpu vcpus[MONITOR_MAX_VCPUS];
  size_t n = monitor_vcpus_named (pid, vcpus);
  struct chance *c = calloc (1, sizeof *c + n * sizeof vcpus[0]);

  if (!c)
    return NULL;
  c->since_ms = c->woke_ms = now_ms;
  c->n = n;
  for (size_t i = 0; i < n; i++)
    c->vcpus[i] = vcpus[i];
  if (!monitor_process_time (pid, &c->all) && n == 0)
    {
      free (c);
      return NULL;
    }
  c->woke = c->all;
  return c;
}

static bool
was_blocked (const struct chance *c, const struct monitor_vcpu *thread)
{
  for (size_t i = 0; i < c->nblocked; i++)
    if (c->blocked[i].tid == thread->tid
        && c->blocked[i].time.run == thread->time.run)
      return true;
  return false;
}

/* A vCPU that waits there, or another thread that has done nothing else since
 * it was looked at last: some that serve disks wait there all the time. */
static void
look_at_host (struct chance *c, int pid, uint64_t now_ms)
{
  struct monitor_vcpu now[MONITOR_MAX_VCPUS];
  size_t n = monitor_blocked (pid, now);

  for (size_t i = 0; i < n; i++)
    if (now[i].number >= 0 || was_blocked (c, &now[i]))
      c->held_ms = now_ms;
  c->nblocked = n < MAX_BLOCKED ? n : MAX_BLOCKED;
  for (size_t i = 0; i < c->nblocked; i++)
    c->blocked[i] = now[i];
}

static bool
is_held (const struct chance *c, uint64_t now_ms)
{
  return c && c->held_ms && now_ms - c->held_ms < WANTED_NONE_MS
         && now_ms - c->since_ms < HELD_MS;
}

/* A QEMU that saves, migrates or is starved does something, or wants to; one
 * whose main loop hangs in a pipe or on a dead disk does nothing at all, and
 * its vCPUs wait for it. */
static bool
is_asleep (struct chance *c, int pid, uint64_t now_ms)
{
  struct thread_time now;
  uint64_t ms = now_ms - c->woke_ms;

  if (!monitor_process_time (pid, &now))
    return false;
  if (now.run >= c->woke.run
      && now.run - c->woke.run <= ms * 1000000 / ASLEEP_SHARE
      && monitor_sleeps (pid))
    return ms >= ASLEEP_MS;
  c->woke = now;
  c->woke_ms = now_ms;
  return false;
}

static bool
enough (const struct thread_time *was, const struct thread_time *now,
        uint64_t ran_ns, uint64_t ms, bool held)
{
  return now->run - was->run >= ran_ns
         || (ms >= WANTED_NONE_MS && !held
             && now->wait - was->wait < ms * 1000000 / 4);
}

static bool
one_had (const struct chance *c, int pid, uint64_t stopped, uint64_t ms,
         bool held)
{
  struct monitor_vcpu now[MONITOR_MAX_VCPUS];
  size_t n = monitor_vcpus_named (pid, now);

  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < c->n; k++)
      if (now[i].tid == c->vcpus[k].tid
          && (!stopped || (now[i].number < 64
                           && stopped & 1ull << now[i].number))
          && enough (&c->vcpus[k].time, &now[i].time, RAN_NS, ms, held))
        return true;
  return false;
}

static bool
chance_had (struct chance *c, int pid, uint64_t stopped, unsigned cpus,
            uint64_t now_ms)
{
  uint64_t ms;
  bool held;
  struct thread_time now;

  /* What can't be read is taken for granted. */
  if (!c)
    return true;
  ms = now_ms - c->since_ms;
  held = is_held (c, now_ms);
  if (c->n > 0)
    return one_had (c, pid, stopped, ms, held);
  if (!monitor_process_time (pid, &now))
    return true;
  /* A thread of it has ended, and took its time along. */
  if (now.run < c->all.run || now.wait < c->all.wait)
    {
      c->all = now;
      c->since_ms = now_ms;
      return false;
    }
  /* Of all its threads together: others may have had it. */
  return enough (&c->all, &now, (uint64_t) RAN_NS * (cpus ? cpus : 1), ms,
                 held);
}

/* ---- doubt ---- */

/* Who panicked says so itself. */
static bool
had_its_chance (const struct eye *eye, const struct beat *b,
                const struct beat_verdict *v, uint64_t now)
{
  return b->panic_cpu >= 0
         || chance_had (eye->chance, eye->guest->inc.pid, v->stopped,
                        b->of_cpus, now);
}

/* It was looked for while it stood still, and has not moved since then. */
static bool
is_confirmed (const struct eye *eye, const struct beat *b)
{
  return eye->confirmed_ms && b->at_ms >= eye->confirmed_ms + BEAT_APART_MS;
}

void
eye_moves_ (struct eye *eye)
{
  eye->doubt = eye->asleep = eye->mute = false;
  eye->confirmed_ms = eye->since_ms = 0;
  free (eye->chance);
  eye->chance = NULL;
}

/* Nothing at all moved, though maybe nobody has anything to do: so do all who
 * rest, and one whose QEMU hangs while they do. */
static bool
is_still (const struct beat_verdict *v)
{
  return v->vcpu.state == BEAT_UNKNOWN && v->apart_ms >= BEAT_STOPPED_MS;
}

/* A kernel that prints all its tasks stands meanwhile. */
static bool
is_excused (const struct eye *eye, uint64_t now)
{
  return now < eye->ours_until_ms
         && !eye_dead_ (&eye->verdict);
}

/* That it panicked is news, however lately it was looked for; once, for a
 * kernel does so once. */
static void
doubt_it (struct eye *eye, const struct beat *b, uint64_t now)
{
  bool news = b->panic_cpu >= 0 && !eye->panic_asked;

  if (news)
    eye->panic_asked = true;
  else if (eye->doubt)
    return;
  eye->doubt = true;
  eye->doubt_ms = news || now > eye->again_ms ? now : eye->again_ms;
}

/* Not for all who rest: what it costs is little, and they are many. */
static void
look_whether_asleep (struct eye *eye, uint64_t now)
{
  if (!eye->mute && now + ASLEEP_LOOK_MS < eye->ask_ms)
    return;
  eye->asleep = eye->chance
                && is_asleep (eye->chance, eye->guest->inc.pid, now);
  eye->mute = eye->mute && eye->asleep;
}

void
eye_question_ (struct eye *eye, const struct beat *b, struct beat_verdict *v,
               uint64_t now)
{
  bool dead = eye_dead_ (v), stands = dead || eye_stands_ (eye, b);

  if ((!stands && !is_still (v)) || is_excused (eye, now))
    {
      eye_moves_ (eye);
      if (dead)
        eye_doubt_ (v, false);
      return;
    }
  if (!eye->since_ms)
    {
      eye->since_ms = now;
      eye->chance = chance_new (eye->guest->inc.pid, now);
    }
  look_whether_asleep (eye, now);
  if (!stands)
    return;
  if (eye->chance)
    look_at_host (eye->chance, eye->guest->inc.pid, now);
  if (dead && !eye->confirmed_ms && !eye->mute
      && had_its_chance (eye, b, v, now))
    doubt_it (eye, b, now);
  if (dead && is_confirmed (eye, b))
    return;
  eye_doubt_ (v, is_held (eye->chance, now));
  if (eye->due_ms > now + CLOSER_MS && (!eye->doubt || eye->doubt_ms <= now))
    eye->due_ms = now + CLOSER_MS;
}

/* Nothing of it moved because its QEMU does not: that needs no second look, and
 * who could say more is QEMU. */
void
eye_process_ (const struct eye *eye, struct beat_verdict *v)
{
  const char *why = "its QEMU process is stopped by a signal or a debugger";
  char state;

  if (v->vcpu.state != BEAT_UNKNOWN || v->apart_ms < BEAT_STOPPED_MS)
    return;
  state = proc_state (eye->guest->inc.pid);
  if (eye->mute)
    why = "its QEMU sleeps, greets on its monitor and did not answer there, "
          "twice: its main loop stands";
  else if (state != 'T' && state != 't')
    return;
  v->vcpu.state = BEAT_DEAD;
  snprintf (v->vcpu.why, sizeof v->vcpu.why, "%s", why);
}
