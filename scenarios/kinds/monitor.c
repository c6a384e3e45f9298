/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind monitor: what QEMU itself knows of the guest, which is not asked.  Two
 * looks, apart: what stands still between them is told from what is slow.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/units.h"
#include "kernel/memory/regs.h"
#include "transports/memory/memory.h"
#include "transports/monitor/look.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that spins has run, or waited to, nearly all of the time, and is found
 * no further from where it was than a function is long. */
#define SPINS 0.9
#define SPOT 4096

struct own
{
  bool run_state, block, vcpus, stuck;
  uint64_t balloon_ms; /* 0 = not looked at */
  uint64_t apart_ms;
};

static const struct own defaults
    = { .run_state = true, .block = true, .apart_ms = 1000 };

#define AT(member) .offset = offsetof (struct own, member)

static const struct json_field fields[] = {
  { .name = "run-state", .kind = JSON_BOOL, AT (run_state),
    .help = "whether it must run; one that was paused is no failure" },
  { .name = "block", .kind = JSON_BOOL, AT (block),
    .help = "whether its disks must answer: none stands still with requests, "
            "none has errors" },
  { .name = "vcpus", .kind = JSON_BOOL, AT (vcpus),
    .help = "whether a vCPU must run between the two looks; an idle guest "
            "without ticks may not" },
  { .name = "vcpus-stuck", .kind = JSON_BOOL, AT (stuck),
    .help = "whether no vCPU may stand in its kernel with interrupts off: "
            "their registers are read at both looks (not through libvirt)" },
  { .name = "balloon-age", .kind = JSON_DURATION, AT (balloon_ms),
    .min = 2000, .max = 24LL * 60 * 60 * 1000,
    .help = "for how long its balloon driver may tell nothing; default: it "
            "is not looked at" },
  { .name = "samples-apart", .kind = JSON_DURATION, AT (apart_ms),
    .min = 100, .max = 60000, .help = "time between the two looks" },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;

  if (!own->run_state && !own->block && !own->vcpus && !own->stuck
      && !own->balloon_ms)
    return scenario_bad (at, "kind",
                         "there is nothing to look at: switch on one of "
                         "run-state, block, vcpus, vcpus-stuck and "
                         "balloon-age");
  /* Each look may take as long as the monitor is held at most. */
  return scenario_check_samples (s, at, own->apart_ms, 500);
}

/* ---- asking ---- */

/* What the vCPUs hold at one look. */
struct held
{
  struct vcpu_regs cpus[MONITOR_MAX_VCPUS];
  int n; /* negative: they were not told */
};

struct looks
{
  struct monitor_look first, second;
  struct monitor_vcpu vcpus[MONITOR_MAX_VCPUS];
  size_t nvcpus;
  double busy[MONITOR_MAX_VCPUS]; /* of the time between the looks, by number */
  uint64_t ran_ns; /* all of them between the looks */
  struct held *held[2]; /* NULL: nobody asked */
  uint64_t took_ms; /* the first one */
};

static uint64_t
hold_until (const struct job *job)
{
  uint64_t until = clock_ms () + MONITOR_HOLD_MS;

  return until < job_deadline (job) ? until : job_deadline (job);
}

static void
count_time (struct looks *l, const struct guest *g, uint64_t elapsed_us)
{
  for (size_t i = 0; i < l->nvcpus; i++)
    {
      const struct thread_time *was = &l->vcpus[i].time;
      int number = l->vcpus[i].number;
      struct thread_time now;

      if (!monitor_thread_time (g->inc.pid, l->vcpus[i].tid, &now)
          || now.run < was->run || now.wait < was->wait)
        continue;
      l->ran_ns += now.run - was->run;
      if (number >= 0 && number < MONITOR_MAX_VCPUS && elapsed_us)
        l->busy[number] = (double) (now.run - was->run + now.wait - was->wait)
                          / ((double) elapsed_us * 1e3);
    }
}

/* Without it there is nothing to judge by, which judge_stuck() says. */
static struct held *
read_registers (const struct guest *g, const struct transport_env *env,
                const struct job *job)
{
  struct held *h = calloc (1, sizeof *h);
  CLEANUP_FREE char *text = NULL;
  char state[MEMORY_STATE];
  size_t len = 0;

  if (!h)
    return NULL;
  h->n = -ENOTSUP;
  if (g->monitor == MONITOR_UNIX
      && memory_registers (env, g, hold_until (job), &text, &len, state, NULL)
             >= 0)
    h->n = regs_parse (text, len, h->cpus, MONITOR_MAX_VCPUS, NULL);
  return h;
}

/* ---- what can't be asked ---- */

static void
judge_silence (const struct guest *g, enum monitor_health health, int rc,
               const struct error *why, struct outcome_report *ret)
{
  char text[150];

  report_quote (text, sizeof text, error_text (why),
                strlen (error_text (why)));
  /* Who is stopped answers nobody, which looks like one who is busy. */
  if (judge_process (g, ret))
    return;
  if (health == MONITOR_GREETS_ONLY)
    report_set (ret, OUTCOME_FAILED, "monitor-silent",
                "QEMU's monitor greets, and does not answer: its main loop "
                "stands (%s)",
                text);
  else if (health == MONITOR_HELD || health == MONITOR_NO_GREETING
           || rc == -EAGAIN || rc == -EBUSY)
    report_set (ret, OUTCOME_NO_VERDICT, "monitor-held",
                "the monitor is in other hands now: %s", text);
  else if (g->monitor == MONITOR_LIBVIRT && rc != -ENOENT && rc != -ENOTSUP)
    report_set (ret, OUTCOME_NO_VERDICT, "libvirt-silent",
                "libvirt does not answer: %s", text);
  else
    report_set (ret, OUTCOME_NO_VERDICT, "monitor-absent",
                "its monitor can't be asked: %s", text);
}

/* ---- what was seen ---- */

/* Each is false when ret was set. */

static bool
judge_run (const struct own *own, const struct monitor_look *l,
           struct outcome_report *ret)
{
  char status[64];

  if (strcmp (l->status, "running") == 0)
    return true;
  report_quote (status, sizeof status, l->status, strlen (l->status));
  if (own->run_state && !monitor_is_stopped (l->status))
    report_set (ret, OUTCOME_FAILED, "run-state", "QEMU says \"%s\"", status);
  else
    report_set (ret, OUTCOME_NO_VERDICT, "paused",
                "it does not run now: QEMU says \"%s\"", status);
  return false;
}

static bool
judge_disk (const struct looks *l, const char *name,
            struct json_object *disk, const char *apart,
            struct outcome_report *ret)
{
  struct json_object *was = json_get (l->first.disks, name);
  const char *io = json_get_str (disk, "io_status");
  int64_t waits = json_get_int (disk, "in_flight", 0), fresh;
  char shown[64], status[32];

  report_quote (shown, sizeof shown, name, strlen (name));
  if (io && strcmp (io, "ok") != 0)
    {
      report_set (ret, OUTCOME_FAILED, "disk-error",
                  "disk %s: %s on the host", shown,
                  strcmp (io, "nospace") == 0
                      ? "no space"
                      : report_quote (status, sizeof status, io,
                                      strlen (io)));
      return false;
    }
  if (!was)
    return true;
  fresh = json_get_int (disk, "errors", 0) - json_get_int (was, "errors", 0);
  if (fresh > 0)
    {
      report_set (ret, OUTCOME_FAILED, "disk-error",
                  "disk %s: %lld requests failed in %s", shown,
                  (long long) fresh, apart);
      return false;
    }
  if (waits > 0 && json_get_int (was, "in_flight", 0) > 0
      && !monitor_disk_moved (was, disk))
    {
      report_set (ret, OUTCOME_FAILED, "disk-stalled",
                  "disk %s: %lld requests wait, and none was answered in %s",
                  shown, (long long) waits, apart);
      return false;
    }
  return true;
}

static bool
judge_disks (const struct looks *l, const char *apart, bool *ret_untold,
             struct outcome_report *ret)
{
  *ret_untold = false;
  if (!l->second.disks)
    return true;
  json_object_object_foreach (l->second.disks, name, disk)
  {
    if (!judge_disk (l, name, disk, apart, ret))
      return false;
    *ret_untold |= !json_get (disk, "in_flight");
  }
  return true;
}

static bool
judge_vcpus (const struct looks *l, const char *apart,
             struct outcome_report *ret)
{
  if (l->nvcpus == 0)
    report_set (ret, OUTCOME_NO_VERDICT, "monitor-untold",
                "which threads are its vCPUs is not known here");
  else if (l->ran_ns == 0)
    report_set (ret, OUTCOME_FAILED, "vcpus-still",
                "none of its %zu vCPUs has run in %s", l->nvcpus, apart);
  else
    return true;
  return false;
}

enum stands
{
  GOES,
  SPINS_OFF,  /* runs without pause on one spot, interrupts off */
  SPINS_ON,   /* the same, and takes them */
  HALTED_OFF, /* waits for an interrupt, and takes none */
};

static enum stands
how_it_stands (const struct looks *l, const struct vcpu_regs *was,
               const struct vcpu_regs *now)
{
  uint64_t far = was->pc > now->pc ? was->pc - now->pc : now->pc - was->pc;

  if (was->index != now->index || now->index >= MONITOR_MAX_VCPUS
      || was->cpl != 0 || now->cpl != 0 || far > SPOT)
    return GOES;
  if (was->halted && now->halted)
    return was->irqs_off && now->irqs_off ? HALTED_OFF : GOES;
  if (was->halted || now->halted || l->busy[now->index] < SPINS)
    return GOES;
  return was->irqs_off && now->irqs_off ? SPINS_OFF : SPINS_ON;
}

/* A processor that was taken out of service is halted so, too: it counts where
 * no other one does anything but spin. */
static bool
judge_stuck (const struct looks *l, const char *apart,
             struct outcome_report *ret)
{
  int n = l->held[0] && l->held[1] ? l->held[1]->n : -1, halted = 0, still = 0;

  if (n <= 0 || l->held[0]->n != n)
    {
      report_set (ret, OUTCOME_NO_VERDICT, "monitor-untold",
                  "what its vCPUs hold can't be asked here");
      return false;
    }
  for (int i = 0; i < n; i++)
    {
      const struct vcpu_regs *now = &l->held[1]->cpus[i];
      enum stands how = how_it_stands (l, &l->held[0]->cpus[i], now);

      if (how == SPINS_OFF)
        {
          report_set (ret, OUTCOME_FAILED, "vcpu-spins",
                      "vCPU %u has run for %s on one spot of its kernel "
                      "(%#llx) with interrupts off",
                      now->index, apart, (unsigned long long) now->pc);
          return false;
        }
      halted += how == HALTED_OFF;
      still += how != GOES;
    }
  if (halted == 0 || still < n)
    return true;
  report_set (ret, OUTCOME_FAILED, "vcpus-halted",
              "%d of its %d vCPUs are halted with interrupts off, and no "
              "other does anything: its kernel has stopped",
              halted, n);
  return false;
}

static bool
judge_balloon (const struct own *own, const struct monitor_look *l,
               struct outcome_report *ret)
{
  char age[32];

  if (l->balloon_s < 0)
    report_set (ret, OUTCOME_NO_VERDICT, "monitor-untold",
                "its balloon is not asked: libvirt does with <memballoon>"
                "<stats period='10'/>, QEMU with guest-stats-polling-interval");
  else if ((uint64_t) l->balloon_s * 1000 > own->balloon_ms)
    report_set (ret, OUTCOME_FAILED, "balloon-old",
                "its balloon driver has told nothing for %s",
                units_format_duration (age, sizeof age,
                                       (uint64_t) l->balloon_s * 1000));
  else
    return true;
  return false;
}

static void
judge (const struct own *own, const struct looks *l,
       struct outcome_report *ret)
{
  bool untold = false;
  char apart[32];

  units_format_duration (apart, sizeof apart, own->apart_ms);
  if (!judge_run (own, &l->second, ret)
      || (own->block && !judge_disks (l, apart, &untold, ret))
      || (own->vcpus && !judge_vcpus (l, apart, ret))
      || (own->stuck && !judge_stuck (l, apart, ret))
      || (own->balloon_ms && !judge_balloon (own, &l->second, ret)))
    return;
  ret->value = (double) l->took_ms;
  report_set (ret, OUTCOME_OK, "ok",
              "it runs; the monitor answered in %llu ms%s",
              (unsigned long long) l->took_ms,
              untold ? " (of some disks it does not tell what waits)" : "");
}

/* ---- the whole ---- */

static int
look_twice (const struct own *own, const struct guest *g,
            const struct transport_env *env, struct job *job, struct looks *l,
            enum monitor_health *health, struct error *why)
{
  unsigned wants = (own->block ? (unsigned) MONITOR_WANTS_DISKS : 0)
                   | (own->balloon_ms ? (unsigned) MONITOR_WANTS_BALLOON : 0);
  uint64_t begun = clock_ms (), counted;
  int rc = monitor_look (env, g, wants, hold_until (job), health, &l->first,
                         why);

  if (rc < 0)
    return rc;
  l->took_ms = clock_ms () - begun;
  if (own->stuck)
    l->held[0] = read_registers (g, env, job);
  if (own->vcpus || own->stuck)
    l->nvcpus = monitor_vcpus (env, g, hold_until (job), l->vcpus);
  counted = clock_us ();
  if (!job_pause (job, own->apart_ms))
    return error_set (why, ECANCELED, "there was no time for a second look");
  rc = monitor_look (env, g, wants, hold_until (job), health, &l->second, why);
  count_time (l, g, clock_us () - counted);
  if (own->stuck && rc >= 0)
    l->held[1] = read_registers (g, env, job);
  return rc;
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct outcome_report report = { .value = NAN };
  enum monitor_health health = MONITOR_GONE;
  struct looks l = { .nvcpus = 0 };
  struct error why = ERROR_INIT;
  uint64_t begun = clock_ms ();
  int rc;

  (void) way;
  (void) err;
  if (g->monitor == MONITOR_NONE)
    report_set (&report, OUTCOME_NO_VERDICT, "monitor-absent",
                "this guest has no monitor that hangdog knows of");
  else
    {
      rc = look_twice (own, g, env, job, &l, &health, &why);
      if (rc == -ECANCELED)
        report_set (&report, OUTCOME_NO_VERDICT, "stopped", "%s",
                    error_text (&why));
      else if (rc < 0)
        judge_silence (g, health, rc, &why, &report);
      else
        judge (own, &l, &report);
    }
  monitor_look_done (&l.first);
  monitor_look_done (&l.second);
  free (l.held[0]);
  free (l.held[1]);
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

static const char *const uses[] = { "monitor", NULL };

const struct scenario_kind kind_monitor = {
  .name = "monitor",
  .summary = "what QEMU knows of the guest: does it run, do its disks answer",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &defaults,
  .check = check,
  .cost = scenario_cost_way,
  .ask = ask,
};
