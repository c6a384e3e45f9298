/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting hangdog-disk, asking it once, and ending it; what it says is
 * believed only as far as it can be so.
 */
#include "transports/disk/disk_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/job.h"
#include "guests/guest.h"
#include "transports/transport.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is left to the helper for saying that time is over. */
#define MARGIN_MS 400

/* ---- one question ---- */

/* 1: f is its answer; 0: it does not come back, and detail says how. */
static int
converse (const struct transport_env *env, const char *uuid, int fd,
          struct json_object *head, uint64_t deadline, struct frame *f,
          char *detail, size_t n, struct error *err)
{
  const struct helper_spec spec
      = { .libexec = env->libexec, .program = DISK_HELPER, .fds = &fd,
          .nfds = 1 };
  struct helper h = HELPER_INIT;
  struct error why = ERROR_INIT;
  char ended[64];
  int r;

  if (disk_stuck_ (env->disk, uuid))
    {
      snprintf (detail, n, "an earlier look at its mailbox is still stuck in "
                           "this host's kernel");
      return 0;
    }
  json_add_int (head, "ms", (int64_t) helper_left (deadline, MARGIN_MS));
  r = helper_start (&spec, &h, err);
  if (r < 0)
    return r;
  r = helper_say (&h, head, NULL, 0, NULL, 0, deadline, &why);
  if (r >= 0)
    r = helper_hear (&h, f, deadline, &why);
  if (!helper_end (&h))
    disk_leave_stuck_ (env->disk, uuid, &h);
  if (r >= 0)
    return 1;
  if (helper_ended_text (r, DISK_HELPER, ended, sizeof ended))
    {
      snprintf (detail, n, "%s%s", ended,
                r == -ETIMEDOUT ? ": what the mailbox is on does not answer"
                                : "");
      return 0;
    }
  if (err)
    *err = why;
  return r;
}

static bool
get_text (struct json_object *head, const char *key, char *dst, size_t n)
{
  const char *s = json_get_str (head, key);

  if (!s || !*s || strlen (s) >= n)
    return false;
  snprintf (dst, n, "%s", s);
  return true;
}

static bool
get_count (struct json_object *head, const char *key, uint64_t max,
           uint64_t *ret)
{
  int64_t v = json_get_int (head, key, -1);

  if (v < 0 || (uint64_t) v > max)
    return false;
  *ret = (uint64_t) v;
  return true;
}

/* ---- the heartbeat ---- */

static bool
take_figures (struct json_object *o, struct mailbox_beat *b)
{
  for (const char *const *name = mailbox_figure_names; *name; name++)
    {
      struct json_object *v = json_get (o, *name);
      struct mailbox_figure *f = &b->figures[b->nfigures];

      if (!v)
        continue;
      f->value = json_object_get_double (v);
      if (!isfinite (f->value) || b->nfigures >= MAILBOX_FIGURES)
        return false;
      snprintf (f->name, sizeof f->name, "%s", *name);
      b->nfigures++;
    }
  return true;
}

static bool
take_beat (struct json_object *head, struct mailbox_beat *b)
{
  uint64_t interval;

  if (!get_text (head, "boot", b->boot, sizeof b->boot)
      || !get_text (head, "run", b->run, sizeof b->run)
      || !get_count (head, "seq", MAILBOX_SEQ_MAX, &b->slot.seq)
      || !get_count (head, "time", MAILBOX_SEQ_MAX * 10, &b->time_s)
      || !get_count (head, "uptime", MAILBOX_SEQ_MAX * 100, &b->uptime_s)
      || !get_count (head, "interval", 86400, &interval) || interval == 0)
    return false;
  b->interval_s = (unsigned) interval;
  b->commands = json_get_bool (head, "commands", false);
  b->slot.other_bad = json_get_bool (head, "other-bad", false);
  return take_figures (json_get (head, "figures"), b);
}

static bool
take_end (struct json_object *head, enum disk_end *ret_end, char *detail,
          size_t n)
{
  int64_t end = json_get_int (head, "end", -1);
  const char *why = json_get_str (head, "detail");

  if (end != DISK_OK && end != DISK_ABSENT && end != DISK_UNUSABLE)
    return false;
  *ret_end = (enum disk_end) end;
  if (end != DISK_OK)
    snprintf (detail, n, "%s", why ? why : "");
  return true;
}

int
disk_see_ (const struct transport_env *env, const char *uuid, int fd,
           const char *boot, uint64_t seq, uint64_t wait_ms,
           uint64_t deadline, enum disk_end *ret_end, struct disk_seeing *ret,
           char *detail, size_t n, struct error *err)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  CLEANUP_FRAME struct frame f = { 0 };
  struct disk_seeing s = { 0 };
  uint64_t state;
  int r;

  json_add_str (head, "op", "look");
  json_add_str (head, "boot", boot);
  json_add_int (head, "seq", (int64_t) seq);
  json_add_int (head, "wait", (int64_t) wait_ms);
  r = converse (env, uuid, fd, head, deadline, &f, detail, n, err);
  if (r < 0)
    return r;
  *ret_end = DISK_STUCK;
  if (r == 0)
    return 0;
  if (!take_end (f.head, ret_end, detail, n))
    return helper_lies (DISK_HELPER, err);
  if (*ret_end != DISK_OK)
    return 0;
  if (!get_count (f.head, "state", MAILBOX_BAD, &state)
      || (state == MAILBOX_GOOD && !take_beat (f.head, &s.beat)))
    return helper_lies (DISK_HELPER, err);
  s.state = (enum mailbox_state) state;
  s.report_only = json_get_bool (f.head, "report-only", true);
  *ret = s;
  return 0;
}

/* ---- a command ---- */

/* Those of enum ask_end that it can find out. */
static bool
may_say (int64_t end)
{
  static const enum ask_end can[]
      = { ASK_OK, ASK_SILENT, ASK_NO_ANSWER, ASK_FLOOD, ASK_NO_MAILBOX,
          ASK_REPORT_ONLY, ASK_PROTOCOL, ASK_MAILBOX_UNUSABLE };

  for (size_t i = 0; i < ARRAY_LEN (can); i++)
    if (end == (int64_t) can[i])
      return true;
  return false;
}

int
disk_run_ (const struct transport_env *env, const char *uuid, int fd,
           const char *command, uint64_t deadline, struct ask_result *ret,
           struct error *err)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  CLEANUP_FRAME struct frame f = { 0 };
  int64_t end, status;
  const char *why;
  int r;

  json_add_str (head, "op", "ask");
  json_add_str (head, "command", command);
  r = converse (env, uuid, fd, head, deadline, &f, ret->detail,
                sizeof ret->detail, err);
  if (r < 0)
    return r;
  if (r == 0)
    {
      ret->end = ASK_MAILBOX_STUCK;
      ret->begun = true;
      return 0;
    }
  end = json_get_int (f.head, "end", -1);
  status = json_get_int (f.head, "status", -1);
  why = json_get_str (f.head, "detail");
  if (!may_say (end) || f.body_len > MAILBOX_OUTPUT_MAX
      || (end == ASK_OK && (status < 0 || status > 255)))
    return helper_lies (DISK_HELPER, err);
  ret->end = (enum ask_end) end;
  ret->status = (int) status;
  ret->begun = json_get_bool (f.head, "begun", true);
  snprintf (ret->detail, sizeof ret->detail, "%s", why ? why : "");
  buf_append (&ret->output, f.body, f.body_len);
  return 0;
}

int
disk_ask (const struct transport_env *env, const struct guest *g,
          const struct ask *ask, struct job *job, struct ask_result *ret,
          struct error *err)
{
  struct ask_result r = { .status = -1,
                          .output = BUF_INIT (MAILBOX_OUTPUT_MAX) };
  uint64_t begun = clock_ms (), deadline = ask_deadline (ask, job);
  CLEANUP_CLOSE int fd = -1;
  enum disk_end end;
  int rc = 0;

  end = disk_open_ (env, g, ask->mailbox, deadline, &fd, r.detail,
                    sizeof r.detail);
  if (end != DISK_OK)
    r.end = disk_ask_end (end);
  else
    rc = disk_run_ (env, g->inc.uuid, fd, ask->command, deadline, &r, err);
  if (rc < 0)
    {
      ask_result_done (&r);
      return rc;
    }
  r.took_ms = clock_ms () - begun;
  *ret = r;
  return 0;
}

/* ---- the table ---- */

static void
disk_doctor (const struct transport_env *env, const struct guest *g,
             struct doctor_report *rep, uint64_t deadline)
{
  CLEANUP_CLOSE int fd = -1;
  char detail[256], path[4200];
  enum disk_end end;

  snprintf (path, sizeof path, "%s/%s", env->libexec ? env->libexec : "",
            DISK_HELPER);
  if (access (path, X_OK) < 0)
    {
      rep->line (rep, DOCTOR_BAD, "disk", DISK_HELPER " is not installed",
                 "make install (or set HANGDOG_LIBEXEC to the build folder)");
      return;
    }
  end = disk_open_ (env, g, NULL, deadline, &fd, detail, sizeof detail);
  if (end == DISK_OK && (fcntl (fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
    rep->line (rep, DOCTOR_WARN, "disk",
               "its mailbox can only be read here: no command goes through it",
               "ReadWritePaths= in the unit (systemctl edit hangdog), or the "
               "file's rights");
  else if (end == DISK_OK)
    rep->line (rep, DOCTOR_OK, "disk", "it has a mailbox", NULL);
  else
    rep->line (rep, end == DISK_ABSENT ? DOCTOR_NA : DOCTOR_BAD, "disk",
               detail, NULL);
}

const struct transport_ops transport_disk = {
  .name = "disk",
  .summary = "one command through a small disk, by a process of its own",
  .touches = "writes to its mailbox alone; the guest's own script runs the "
             "command",
  .lane = LANE_DISK,
  .command = disk_ask,
  .cpu_us = 3000,
  .doctor = disk_doctor,
};
