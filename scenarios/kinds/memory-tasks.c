/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind memory-tasks: whether tasks of a guest are stuck in its kernel, its
 * disks answer and its file systems still take writes, read in its memory.
 *
 * Nobody in the guest is asked.  A parser looks once; only where something
 * waits for too long it looks again a moment later, and what is the same in
 * both looks, and did not run in between, is stuck.  So a guest that is well
 * costs one look, and one that works its disks hard is well: its tasks wait
 * often, and each of them not for long.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "kernel/wait.h"
#include "scenarios/memory_log.h"
#include "transports/memory/look_guest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STUCK 64u   /* tasks, and requests, that are compared */
#define MAX_PASSED 256u /* stacks of who may wait for ever */
#define DEPTH 16u
/* One look: docs/bench.md; the second one is a tenth of it. */
#define LOOK_US 31000

struct own
{
  uint64_t blocked_ms, apart_ms;
  bool disks, filesystems;
};

static const struct own defaults = {
  .blocked_ms = 60 * 1000,
  .apart_ms = 1000,
  .disks = true,
  .filesystems = true,
};

#define AT(member) .offset = offsetof (struct own, member)

static const struct json_field fields[] = {
  { .name = "blocked-for", .kind = JSON_DURATION, AT (blocked_ms),
    .min = 2000, .max = 24LL * 60 * 60 * 1000,
    .help = "for how long a task may wait uninterruptibly (D), or a request "
            "for its disk; 1m" },
  { .name = "disks", .kind = JSON_BOOL, AT (disks),
    .help = "that a disk does not answer a request is a failure; true" },
  { .name = "filesystems", .kind = JSON_BOOL, AT (filesystems),
    .help = "that its kernel gave up a file system after an error is a "
            "failure; true" },
  { .name = "samples-apart", .kind = JSON_DURATION, AT (apart_ms),
    .min = 200, .max = 60000,
    .help = "time between two looks, where there is a second one; 1s" },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;

  return scenario_check_samples (s, at, own->apart_ms, 1000);
}

/* ---- what a look says ---- */

struct stuck
{
  int64_t pid; /* of a task; of a request its tag */
  char who[64], at[64];
  double for_s;
  bool same; /* the second look found it, and it did not move */
};

struct seen
{
  const struct own *own;
  struct memory_log *log; /* NULL: it is not read */
  int64_t passed[MAX_PASSED];
  unsigned npassed;
  struct { int64_t id; char at[64]; } places[MAX_PASSED];
  unsigned nplaces;
  struct stuck tasks[MAX_STUCK], requests[MAX_STUCK];
  unsigned ntasks, nrequests;
  char given_up[120];
};

/* Who waits here waits as long as another one likes, and nothing is amiss: for
 * the child of a vfork(), and while it is frozen.  Only of the function that
 * does the waiting: further out is also who forks, or ends, and hangs. */
static bool
is_passed (const char *func)
{
  static const char *const names[]
      = { "kernel_clone", "_do_fork", "do_fork", "__refrigerator" };
  size_t n = strcspn (func, "+. ");

  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    if (strlen (names[i]) == n && strncmp (func, names[i], n) == 0)
      return true;
  return false;
}

static void
see_stack (struct seen *s, struct json_object *row)
{
  struct json_object *frames = json_get (row, "frames");
  const char *names[DEPTH];
  int64_t id = json_get_int (row, "id", 0);
  unsigned n = 0;
  struct wait wait;

  for (size_t i = 0; json_object_is_type (frames, json_type_array)
                     && i < json_object_array_length (frames) && n < DEPTH;
       i++)
    {
      const char *f
          = json_object_get_string (json_object_array_get_idx (frames, i));

      names[n++] = f ? f : "";
    }
  wait_of (names, n, &wait);
  if (wait.at < 0)
    return;
  if (is_passed (names[wait.at]))
    {
      if (s->npassed < MAX_PASSED)
        s->passed[s->npassed++] = id;
      return;
    }
  if (s->nplaces == MAX_PASSED)
    return;
  s->places[s->nplaces].id = id;
  snprintf (s->places[s->nplaces++].at, sizeof s->places[0].at, "%.*s",
            (int) strcspn (names[wait.at], "+"), names[wait.at]);
}

static struct stuck *
add (struct stuck *list, unsigned *n, int64_t pid, const char *who,
     double for_s)
{
  struct stuck *t;

  if (*n == MAX_STUCK)
    return NULL;
  t = &list[(*n)++];
  *t = (struct stuck){ .pid = pid, .for_s = for_s };
  report_quote (t->who, sizeof t->who, who ? who : "?",
                strlen (who ? who : "?"));
  return t;
}

static void
see_task (struct seen *s, struct json_object *row)
{
  const char *state = json_get_str (row, "state");
  double since = json_object_get_double (json_get (row, "since_s"));
  int64_t stack = json_get_int (row, "stack", 0);
  struct stuck *t;

  if (!state || state[0] != 'D' || !(since * 1000 >= s->own->blocked_ms))
    return;
  for (unsigned i = 0; stack && i < s->npassed; i++)
    if (s->passed[i] == stack)
      return;
  t = add (s->tasks, &s->ntasks, json_get_int (row, "pid", 0),
           json_get_str (row, "comm"), since);
  for (unsigned i = 0; t && i < s->nplaces; i++)
    if (s->places[i].id == stack)
      report_quote (t->at, sizeof t->at, s->places[i].at,
                    strlen (s->places[i].at));
}

static void
see_request (struct seen *s, struct json_object *row)
{
  double age = json_object_get_double (json_get (row, "age_s"));

  if (s->own->disks && age * 1000 >= s->own->blocked_ms)
    (void) add (s->requests, &s->nrequests, json_get_int (row, "tag", -1),
                json_get_str (row, "disk"), age);
}

static void
see_mount (struct seen *s, struct json_object *row)
{
  const char *device = json_get_str (row, "device");
  const char *type = json_get_str (row, "type");
  char a[40], b[40];

  if (!s->own->filesystems || !device || !type)
    return;
  if (s->log)
    memory_log_device (s->log, device);
  if (json_get_bool (row, "given_up", false) && !s->given_up[0])
    snprintf (s->given_up, sizeof s->given_up,
              "%s on %s is read-only, though it was mounted for writing",
              report_quote (a, sizeof a, type, strlen (type)),
              report_quote (b, sizeof b, device, strlen (device)));
}

/* Behind all others: what is as it was. */
static void
see_moved (struct seen *s, struct json_object *row)
{
  const char *what = json_get_str (row, "what");
  bool task = what && strcmp (what, "task") == 0;
  const char *key = task ? "pid" : "tag";
  struct stuck *list = task ? s->tasks : s->requests;
  unsigned n = task ? s->ntasks : s->nrequests;

  if (!json_get_bool (row, "stuck", false)
      || (!task && (!what || strcmp (what, "request") != 0)))
    return;
  for (unsigned i = 0; i < n; i++)
    if (list[i].pid == json_get_int (row, key, -1))
      list[i].same = true;
}

static void
see_row (struct seen *s, struct json_object *row)
{
  static const struct
  {
    const char *row;
    void (*see) (struct seen *s, struct json_object *row);
  } kinds[] = { { "stack", see_stack },     { "task", see_task },
                { "request", see_request }, { "mount", see_mount },
                { "moved", see_moved } };
  const char *name = json_get_str (row, "row");

  for (size_t i = 0; name && i < ARRAY_LEN (kinds); i++)
    if (strcmp (name, kinds[i].row) == 0)
      kinds[i].see (s, row);
  if (name && s->log && strcmp (name, "dmesg") == 0
      && json_get_int (row, "facility", 0) == 0)
    memory_log_line (s->log, json_get_int (row, "us", 0),
                     json_get_str (row, "text"));
}

static int
take_rows (const void *lines, size_t len, void *arg)
{
  const char *p = lines, *end = p + len, *nl;

  for (; p < end && (nl = memchr (p, '\n', (size_t) (end - p))); p = nl + 1)
    {
      CLEANUP_JSON_DOC struct json_doc *doc = NULL;

      if (json_parse (p, (size_t) (nl - p), JSON_WIRE, "look", LOOK_MAX_ROW,
                      &doc, NULL)
          == 0)
        see_row (arg, json_root (doc));
    }
  return 0;
}

/* ---- looking ---- */

static struct json_object *
sections (const struct own *own, bool second)
{
  struct json_object *list = json_object_new_array ();

  json_object_array_add (list, json_object_new_string ("tasks"));
  if (own->disks)
    json_object_array_add (list, json_object_new_string ("io"));
  /* What was given up stays so: once is enough. */
  if (own->filesystems && !second)
    {
      json_object_array_add (list, json_object_new_string ("mounts"));
      json_object_array_add (list, json_object_new_string ("dmesg"));
    }
  return list;
}

/* -ENOENT: there is no kernel that can be read, and why. */
static int
look (struct look_guest *l, struct seen *s, bool second, struct job *job,
      struct error *err)
{
  CLEANUP_JSON struct json_object *list = sections (s->own, second);
  CLEANUP_JSON struct json_object *end = NULL;
  const char *why;
  int rc;

  s->npassed = s->nplaces = s->ntasks = s->nrequests = 0;
  rc = look_guest_ask (l, list, job_deadline (job), take_rows, s, &end, err);
  if (rc < 0 || json_get_bool (end, "found", true))
    return rc;
  why = json_get_str (end, "why");
  return error_set (err, ENOENT, "no kernel that can be read: %s",
                    why ? why : "no reason was given");
}

static int
look_as_needed (struct look_guest *l, struct seen *s, struct job *job,
                struct error *err)
{
  int rc = look_guest_open (l, job_deadline (job), err);

  if (rc == 0)
    rc = look (l, s, false, job, err);
  if (rc == 0 && s->log && !s->given_up[0])
    memory_log_given_up (s->log, s->given_up, sizeof s->given_up);
  if (rc < 0 || s->given_up[0] || s->ntasks + s->nrequests == 0)
    return rc;
  if (!job_pause (job, s->own->apart_ms))
    return error_set (err, ECANCELED, "there was no time for a second look");
  rc = look_guest_check (l, job_deadline (job), err);
  return rc < 0 ? rc : look (l, s, true, job, err);
}

/* ---- what that means ---- */

static const struct stuck *
longest (const struct stuck *list, unsigned n, unsigned *ret_same)
{
  const struct stuck *most = NULL;

  *ret_same = 0;
  for (unsigned i = 0; i < n; i++)
    if (list[i].same)
      {
        ++*ret_same;
        if (!most || list[i].for_s > most->for_s)
          most = &list[i];
      }
  return most;
}

static void
judge (const struct seen *s, struct outcome_report *ret)
{
  unsigned tasks, requests;
  const struct stuck *task = longest (s->tasks, s->ntasks, &tasks);
  const struct stuck *request = longest (s->requests, s->nrequests, &requests);

  ret->value = tasks;
  if (s->given_up[0])
    report_set (ret, OUTCOME_FAILED, "fs-given-up", "%s", s->given_up);
  else if (request)
    report_set (ret, OUTCOME_FAILED, "disk-stalled",
                "disk %s has not answered a request for %.0f s (%u in all)",
                request->who, request->for_s, requests);
  else if (task)
    report_set (ret, OUTCOME_FAILED, "tasks-stuck",
                "%u task%s in its kernel: %s (%lld) for %.0f s%s%s", tasks,
                tasks == 1 ? " waits" : "s wait", task->who,
                (long long) task->pid, task->for_s, task->at[0] ? ", in " : "",
                task->at);
  else
    report_set (ret, OUTCOME_OK, "ok", "no task of it is stuck%s",
                s->ntasks + s->nrequests ? "; what waited long got on" : "");
}

/* A pause of seconds is no wait of a task's. */
static bool
may_be_judged (const struct look_guest *l, struct outcome_report *ret)
{
  char state[64];

  if (!l->state[0] || strcmp (l->state, "running") == 0)
    return true;
  report_set (ret, OUTCOME_NO_VERDICT, "paused",
              "it does not run now: QEMU says \"%s\"",
              report_quote (state, sizeof state, l->state,
                            strlen (l->state)));
  return false;
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct outcome_report report = { .value = NAN };
  struct look_guest l = { .env = env, .guest = g, .job = job,
                          .no_registers = true, .again = true,
                          .keep_ms = own->apart_ms + s->timeout_ms };
  CLEANUP_FREE struct seen *seen = calloc (1, sizeof *seen);
  struct error why = ERROR_INIT;
  uint64_t begun = clock_ms ();
  char text[150];
  int rc;

  (void) way;
  if (!seen)
    return error_set (err, ENOMEM, "no memory for a look");
  seen->own = own;
  if (own->filesystems)
    seen->log = memory_log_new ();
  if (!judge_process (g, &report))
    {
      rc = look_as_needed (&l, seen, job, &why);
      if (rc < 0)
        report_set (&report, OUTCOME_NO_VERDICT,
                    rc == -ECANCELED ? "stopped" : "no-heartbeat", "%s",
                    report_quote (text, sizeof text, error_text (&why),
                                  strlen (error_text (&why))));
      else if (may_be_judged (&l, &report))
        judge (seen, &report);
    }
  look_guest_close (&l);
  memory_log_free (seen->log);
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

static void
cost (const struct scenario *s, const struct transport_ops *way,
      struct scenario_cost *ret)
{
  (void) s;
  (void) way;
  ret->cpu_us = LOOK_US;
}

static const char *const uses[] = { "memory", NULL };

const struct scenario_kind kind_memory_tasks = {
  .name = "memory-tasks",
  .summary = "whether tasks are stuck in its kernel, its disks answer, its "
             "file systems take writes; read in its memory",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &defaults,
  .check = check,
  .cost = cost,
  .ask = ask,
};
