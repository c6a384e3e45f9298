/* SPDX-License-Identifier: Apache-2.0
 *
 * Which threads of a QEMU are its vCPUs, and how long they have run.
 */
#include "transports/monitor/look.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
read_text (int pid, int tid, const char *name, char *dst, size_t n)
{
  CLEANUP_CLOSE int fd = -1;
  char path[80];
  ssize_t got;

  snprintf (path, sizeof path, "/proc/%d/task/%d/%s", pid, tid, name);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  got = fd < 0 ? -1 : read (fd, dst, n - 1);
  if (got <= 0)
    return false;
  dst[got] = '\0';
  return true;
}

bool
monitor_thread_time (int pid, int tid, struct thread_time *ret)
{
  unsigned long long user, system;
  char text[1024], *close;

  if (read_text (pid, tid, "schedstat", text, sizeof text)
      && sscanf (text, "%" SCNu64 " %" SCNu64, &ret->run, &ret->wait) == 2)
    return true;
  /* A kernel without schedstats: coarser, and blind for waiting. */
  if (!read_text (pid, tid, "stat", text, sizeof text))
    return false;
  close = strrchr (text, ')');
  if (!close
      || sscanf (close + 1,
                 " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                 &user, &system)
             != 2)
    return false;
  ret->run = (user + system) * (1000000000 / (uint64_t) sysconf (_SC_CLK_TCK));
  ret->wait = 0;
  return true;
}

bool
monitor_process_time (int pid, struct thread_time *ret)
{
  struct thread_time sum = { 0 }, one;
  bool any = false;
  char path[40];
  struct dirent *e;
  DIR *dir;

  snprintf (path, sizeof path, "/proc/%d/task", pid);
  dir = opendir (path);
  while (dir && (e = readdir (dir)))
    {
      int tid = (int) strtol (e->d_name, NULL, 10);

      if (tid <= 0 || !monitor_thread_time (pid, tid, &one))
        continue;
      sum.run += one.run;
      sum.wait += one.wait;
      any = true;
    }
  if (dir)
    closedir (dir);
  if (any)
    *ret = sum;
  return any;
}

/* query-cpus-fast does not disturb the guest. */
static struct json_object *
ask_vcpus (const struct transport_env *env, const struct guest *g,
           uint64_t deadline)
{
  enum monitor_health health = MONITOR_GONE;
  struct json_object *reply = NULL;
  struct monitor *m;
  int rc;

  if (monitor_open (env, g, deadline, &m, &health, NULL) < 0)
    return NULL;
  rc = monitor_command (m, "query-cpus-fast", NULL, deadline, &reply, NULL);
  monitor_close (m);
  return rc < 0 ? NULL : reply;
}

static size_t
by_monitor (struct json_object *reply, int pid, struct monitor_vcpu *vcpus)
{
  size_t n = 0;

  if (!json_object_is_type (reply, json_type_array))
    return 0;
  for (size_t i = 0;
       i < json_object_array_length (reply) && n < MONITOR_MAX_VCPUS; i++)
    {
      struct json_object *o = json_object_array_get_idx (reply, i);
      int64_t number = json_get_int (o, "cpu-index", -1);
      int64_t tid = json_get_int (o, "thread-id", 0);

      /* The ids are of QEMU's own pid namespace; one that is not a thread of
       * our process here drops out below. */
      if (number < 0 || number > 4096 || tid <= 0 || tid > INT32_MAX)
        continue;
      vcpus[n] = (struct monitor_vcpu){ (int) number, (int) tid, { 0, 0 } };
      if (monitor_thread_time (pid, (int) tid, &vcpus[n].time))
        n++;
    }
  return n;
}

static int
number_of (const char *comm)
{
  int n, end = 0;

  if (sscanf (comm, "CPU %d/%n", &n, &end) == 1 && end > 0 && n >= 0)
    return n;
  return -1;
}

/* NUL when it is gone. */
static char
state_of (int pid, int tid)
{
  char text[1024], *close;

  if (!read_text (pid, tid, "stat", text, sizeof text))
    return '\0';
  close = strrchr (text, ')');
  return close && close[1] == ' ' ? close[2] : '\0';
}

bool
monitor_sleeps (int pid)
{
  bool any = false, awake = false;
  char path[40];
  struct dirent *e;
  DIR *dir;

  snprintf (path, sizeof path, "/proc/%d/task", pid);
  dir = opendir (path);
  while (dir && !awake && (e = readdir (dir)))
    {
      int tid = (int) strtol (e->d_name, NULL, 10);
      char state = tid > 0 ? state_of (pid, tid) : '\0';

      any = any || state == 'S';
      awake = state == 'R' || state == 'D';
    }
  if (dir)
    closedir (dir);
  return any && !awake;
}

/* Its threads: of the vCPUs alone, or those alone that wait in the kernel. */
static size_t
threads (int pid, bool vcpus, bool blocked,
         struct monitor_vcpu ret[MONITOR_MAX_VCPUS])
{
  char path[40], comm[64];
  struct dirent *e;
  size_t n = 0;
  DIR *dir;

  snprintf (path, sizeof path, "/proc/%d/task", pid);
  dir = opendir (path);
  while (dir && n < MONITOR_MAX_VCPUS && (e = readdir (dir)))
    {
      int tid = (int) strtol (e->d_name, NULL, 10);

      if (tid <= 0 || (blocked && state_of (pid, tid) != 'D')
          || !read_text (pid, tid, "comm", comm, sizeof comm))
        continue;
      ret[n] = (struct monitor_vcpu){ number_of (comm), tid, { 0, 0 } };
      if ((!vcpus || ret[n].number >= 0)
          && monitor_thread_time (pid, tid, &ret[n].time))
        n++;
    }
  if (dir)
    closedir (dir);
  return n;
}

size_t
monitor_vcpus_named (int pid, struct monitor_vcpu vcpus[MONITOR_MAX_VCPUS])
{
  return threads (pid, true, false, vcpus);
}

size_t
monitor_blocked (int pid, struct monitor_vcpu ret[MONITOR_MAX_VCPUS])
{
  return threads (pid, false, true, ret);
}

size_t
monitor_vcpus (const struct transport_env *env, const struct guest *g,
               uint64_t deadline, struct monitor_vcpu ret[MONITOR_MAX_VCPUS])
{
  CLEANUP_JSON struct json_object *reply = NULL;

  if (g->inc.pid <= 0)
    return 0;
  if (g->monitor != MONITOR_UNIX)
    return monitor_vcpus_named (g->inc.pid, ret);
  reply = ask_vcpus (env, g, deadline);
  return by_monitor (reply, g->inc.pid, ret);
}
