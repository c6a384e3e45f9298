/* SPDX-License-Identifier: Apache-2.0
 *
 * Ways to reach a guest.
 *
 * A transport's real interface is its own header (console/session.h,
 * monitor/monitor.h, net/tcp.h, ssh/ssh.h, agent/agent.h, memory.h): they are
 * too different to be called through one.  What they share is here: a name
 * for scenarios and reports, what using it does to the guest, an answer to
 * "why does it not work?", and, of those that lead to a shell, one command and
 * its answer.
 */
#ifndef HANGDOG_TRANSPORTS_TRANSPORT_H
#define HANGDOG_TRANSPORTS_TRANSPORT_H

#include "base/job.h"
#include "guests/guest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agents;
struct ask;
struct ask_result;
struct buf;
struct disk;
struct error;
struct fact_bus;
struct http_pool;
struct hub;
struct job;
struct opener;

/* May anything be typed here, by what somebody else knows of the guest? */
enum typing
{
  TYPING_FREE,    /* nothing speaks against it */
  TYPING_LOGIN,   /* nobody has logged in since a login prompt was seen: if
                     the console says nothing at all, no command */
  TYPING_BOOTING, /* nothing: what is typed now may stop the boot */
};
/* Any thread.  What was seen goes into what (of size n), for people. */
typedef enum typing typing_fn (void *arg, const char *uuid,
                               const char *console, char *what, size_t n);

/* Any thread: has the guest's kernel printed on that console in this boot, by
 * what was read there?  1, 0; -1: nobody has read it. */
typedef int kernel_prints_fn (void *arg, const char *uuid,
                              const char *console);

/* What disturbs a guest beyond a question, and is done only where the
 * configuration allows it by name (settings.c has those, by bit). */
enum intrusive
{
  INTRUSIVE_GDB = 1 << 0, /* stops it for a moment */
  INTRUSIVE_NMI = 1 << 1, /* its kernel may be told to panic by one */
};

/* What every job that talks to a guest is given: one of it, which does not
 * change, and stays as long as any job of the pool may run.  Jobs that are left
 * behind end with the process. */
struct transport_env
{
  struct opener *opener;
  struct hub *hub;
  struct fact_bus *bus;
  /* Any thread: a SysRq key is about to be pressed, and what this guest
   * prints of it, until that time at most, is no trouble of its own; a key of
   * 0: it is all there, what comes after that time is the guest's.  NULL =
   * nobody reads along. */
  void (*own_text) (void *arg, const char *uuid, char key, uint64_t until_ms);
  void *own_text_arg;
  /* Whether anything may be typed at a guest, by its text; NULL = nobody
   * reads along. */
  typing_fn *may_type;
  void *may_type_arg;
  kernel_prints_fn *kernel_prints; /* NULL = nobody reads along */
  void *kernel_prints_arg;
  const char *libexec; /* the folder of our programmes */
  const char *ssh_dir; /* keys, passwords and known hosts: ssh/ssh.h */
  struct disk *disk; /* what is known of mailboxes; NULL = there are none */
  /* Folders of the operator's programs, NULL terminated; NULL = none. */
  const char *const *exec_dirs;
  const char *exec_left; /* where those that they may write to are made; NULL
                            = nowhere */
  struct agents *agents; /* what is remembered of them; NULL = nothing */
  const char *http_dir; /* tokens, passwords and authorities: net/http.h */
  struct http_pool *http; /* who asks over HTTP; NULL = nobody */
  unsigned intrusive; /* INTRUSIVE_... that is allowed */
  const char *core_dir; /* of cores of guests; NULL or "" = none is made */
  const char *run_dir; /* where this daemon can be asked; NULL = nowhere */
};

/* One line of `hangdog doctor`. */
enum doctor_state
{
  DOCTOR_OK,
  DOCTOR_WARN, /* works, with a limit */
  DOCTOR_BAD,  /* does not work */
  DOCTOR_NA,   /* does not apply to this guest */
};

struct doctor_report
{
  /* fix: the exact command that mends it, or NULL. */
  void (*line) (struct doctor_report *r, enum doctor_state state,
                const char *what, const char *finding, const char *fix);
};

/* What of struct ask a way can't do without. */
enum ask_needs
{
  ASK_NEEDS_ADDRESS = 1 << 0,
  ASK_NEEDS_LOGIN = 1 << 1, /* a user, and a key or a password */
};

struct transport_ops
{
  const char *name;
  const char *summary;
  const char *touches; /* what using it does to the guest, for people */
  enum job_lane lane;  /* of who uses it */
  bool lane_each;      /* one for each scenario: they share nothing */
  /* In a job, back at its deadline: 0 with *ret filled whatever the guest
   * did, ask_result_done() it; < 0 only for our own failures.  NULL: it can't
   * run commands. */
  int (*command) (const struct transport_env *env, const struct guest *g,
                  const struct ask *ask, struct job *job,
                  struct ask_result *ret, struct error *err);
  unsigned needs; /* enum ask_needs */
  /* Any thread, by the snapshot alone: why this guest surely has no such way,
   * or NULL: it may have it.  That it did not work is not for here. */
  const char *(*absent) (const struct guest *g);
  /* What one command costs: this host's time, as measured (docs/bench.md), and
   * bytes over the network beside the command and its answer. */
  unsigned cpu_us, network_bytes;
  /* In a job; looks only, never types or writes to the guest. */
  void (*doctor) (const struct transport_env *env, const struct guest *g,
                  struct doctor_report *r, uint64_t deadline);
};

extern const struct transport_ops transport_acpi;
extern const struct transport_ops transport_console;
extern const struct transport_ops transport_disk;
extern const struct transport_ops transport_monitor;
extern const struct transport_ops transport_tcp;
extern const struct transport_ops transport_memory;
extern const struct transport_ops transport_ssh;
extern const struct transport_ops transport_exec;
extern const struct transport_ops transport_agent;
extern const struct transport_ops transport_http;
extern const struct transport_ops transport_icmp;
extern const struct transport_ops transport_dns;
extern const struct transport_ops transport_arp;

extern const struct transport_ops *const transports[]; /* ends with NULL */
/* NULL when there is none of that name. */
const struct transport_ops *transport_find (const char *name);

#endif
