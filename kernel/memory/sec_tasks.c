/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "tasks": every task with its state, how long it has not run, its
 * control group, and where it sleeps.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/cgroup.h"
#include "kernel/memory/stacks.h"
#include "kernel/memory/tasks.h"

#include <errno.h>
#include <string.h>

#define CGROUP_DEPTH 32
#define MAX_USER_AT 1000u
/* Tasks may be as many as they like, and the sections behind them are what
 * tells why. */
#define LEAVE (8u << 20)

/* What its names say of whose it is. */
static void
say_owner (struct look *l, const char *path)
{
  struct cgroup_owner o;
  const struct
  {
    const char *name, *value;
  } members[] = {
    { "unit", o.unit },       { "container", o.container },
    { "pod", o.pod },         { "machine", o.machine },
    { "session", o.session }, { "user", o.user },
  };

  if (!cgroup_owner_of (path, &o))
    return;
  for (size_t i = 0; i < ARRAY_LEN (members); i++)
    if (members[i].value[0])
      rows_str (l->rows, members[i].name, members[i].value);
  rows_str (l->rows, "runtime", o.runtime);
}

/* From its leaf to the root. */
const char *
look_cgroup_path (struct kernel *k, uint64_t cgroup, char path[LOOK_CGROUP])
{
  char name[256];
  uint64_t kn, at, parent;
  size_t from = LOOK_CGROUP - 1, n;

  if (!kernel_get (k, cgroup, CGROUP_KN, &kn))
    return NULL;
  path[from] = '\0';
  for (unsigned depth = 0; kn && depth < CGROUP_DEPTH; depth++, kn = parent)
    {
      if (!kernel_get (k, kn, KN_PARENT, &parent) || parent == kn)
        return NULL;
      if (parent == 0)
        break; /* the root's own name is empty */
      if (!kernel_get (k, kn, KN_NAME, &at)
          || !space_text (k->space, at, name, sizeof name))
        return NULL;
      n = strlen (name);
      if (n + 1 > from)
        return NULL;
      from -= n;
      memcpy (path + from, name, n);
      path[--from] = '/';
    }
  if (from == LOOK_CGROUP - 1)
    path[--from] = '/';
  return path + from;
}

static void
say_cgroup (struct look *l, const struct look_task *t)
{
  char buf[LOOK_CGROUP];
  uint64_t set, group;
  const char *path;

  if (!kernel_get (l->k, t->at, TASK_CGROUPS, &set)
      || !kernel_get (l->k, set, CSS_SET_CGROUP, &group)
      || !(path = look_cgroup_path (l->k, group, buf)))
    return;
  rows_str (l->rows, "cgroup", path);
  say_owner (l, path);
}

/* Where its programme asked for it: of those that are stuck, and of as many
 * others as that takes no time. */
static void
say_user_at (struct look *l, const struct look_task *t, const char *state,
             const struct stack *s, unsigned *asked)
{
  char where[1100];

  if ((state[0] == 'D' || (*asked)++ < MAX_USER_AT) && s->user_pc
      && look_user_at (l->k, t->mm, s->user_pc, where, sizeof where))
    rows_str (l->rows, "user_at", where);
}

static void
say_task (struct look *l, const struct look_task *t, unsigned *asked)
{
  struct stack s;
  char state[8], name[LOOK_TASK_NAME];
  unsigned stack = 0;
  bool walked = !t->on_cpu && unwind_task (l->k, t->at, &s) == 0;

  if (walked)
    stack = stacks_say (l, &s);
  rows_begin (l->rows, "task");
  rows_int (l->rows, "pid", t->pid);
  rows_int (l->rows, "tgid", t->tgid);
  rows_text (l->rows, "comm", t->comm, strlen (t->comm));
  if (look_task_name (l->k, t, name))
    rows_str (l->rows, "name", name);
  rows_str (l->rows, "state", task_state_text (t, state));
  rows_int (l->rows, "ppid", t->parent);
  if (t->cpu >= 0)
    rows_int (l->rows, "cpu", t->cpu);
  if (t->on_cpu)
    rows_bool (l->rows, "on_cpu", true);
  if (t->kernel_thread)
    rows_bool (l->rows, "kthread", true);
  if (l->now_ns && t->last_arrival_ns && t->last_arrival_ns <= l->now_ns)
    rows_real (l->rows, "since_s",
               (double) (l->now_ns - t->last_arrival_ns) / 1e9, 3);
  rows_uint (l->rows, "switches", t->switches);
  if (t->ran_ns)
    rows_real (l->rows, "ran_s", (double) t->ran_ns / 1e9, 3);
  if (stack)
    rows_uint (l->rows, "stack", stack);
  if (walked)
    {
      stacks_user (l, &s);
      say_user_at (l, t, state, &s, asked);
    }
  if (!t->kernel_thread)
    say_cgroup (l, t);
  rows_hex (l->rows, "at", t->at);
  rows_end (l->rows);
}

static int
run (struct look *l, struct error *err)
{
  unsigned asked = 0;
  size_t i;

  if (!l->tasks)
    return 0; /* look_run said why */
  for (i = 0; i < l->tasks->n && !rows_failed (l->rows)
              && rows_left (l->rows) > LEAVE;
       i++)
    say_task (l, &l->tasks->tasks[i], &asked);
  if (i < l->tasks->n)
    look_lacks (l, "tasks", "some tasks", "%zu more than are told",
                l->tasks->n - i);
  if (l->tasks->damaged)
    look_lacks (l, "tasks", "some tasks",
                "a list of tasks is damaged or changed while it was read");
  return 0;
}

const struct section section_tasks = {
  .name = "tasks",
  .summary = "all tasks with their states and kernel stacks",
  .cheap = true,
  .run = run,
};
