/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at a guest.
 */
#include "transports/memory/look_guest.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/job.h"
#include "base/json.h"
#include "transports/monitor/look.h"

#include <stdlib.h>
#include <string.h>

/* At most: what is left of the deadline may be less. */
#define OPEN_MS 4000
#define REGISTERS_MS 2000
#define ASK_MS 200 /* where memory is: without an answer that is a guess */

static uint64_t
within (uint64_t deadline, uint64_t ms)
{
  uint64_t end = clock_ms () + ms;

  return end < deadline ? end : deadline;
}

/* ---- the memory ---- */

int
look_guest_check (struct look_guest *l, uint64_t deadline, struct error *err)
{
  return memory_check (l->env, l->guest, within (deadline, OPEN_MS),
                       &l->memory, err);
}

int
look_guest_open (struct look_guest *l, uint64_t deadline, struct error *err)
{
  int r;

  /* What is wrong with it is said by opening it again. */
  if (l->open && look_guest_check (l, deadline, NULL) < 0)
    look_guest_close (l);
  if (l->open)
    return 0;
  r = memory_open (l->env, l->guest, within (deadline, OPEN_MS), &l->memory,
                   err);
  if (r < 0)
    return r;
  l->open = true;
  /* What cannot be had is said in the note. */
  if (!l->no_registers)
    (void) memory_ask (
        l->env, l->guest,
        within (deadline, l->memory.map.plugged ? REGISTERS_MS : ASK_MS),
        &l->memory, NULL);
  return 0;
}

static void
drop_registers (struct look_guest *l)
{
  free (l->registers);
  l->registers = NULL;
  l->registers_len = 0;
  l->state[0] = '\0';
  l->registers_why = (struct error) ERROR_INIT;
}

void
look_guest_registers (struct look_guest *l, uint64_t deadline)
{
  drop_registers (l);
  if (l->no_registers)
    error_set (&l->registers_why, ECANCELED, "not asked for");
  else
    (void) memory_registers (l->env, l->guest, within (deadline, REGISTERS_MS),
                             &l->registers, &l->registers_len, l->state,
                             &l->registers_why);
}

void
look_guest_forget (struct look_guest *l)
{
  look_close (l->session);
  l->session = NULL;
}

void
look_guest_close (struct look_guest *l)
{
  look_guest_forget (l);
  drop_registers (l);
  if (l->open)
    memory_done (&l->memory);
  l->open = false;
}

/* ---- rows ---- */

static void
add_time (struct json_object *o, const struct thread_time *t)
{
  json_object_object_add (o, "ran_s",
                          json_object_new_double ((double) t->run / 1e9));
  json_object_object_add (o, "waited_s",
                          json_object_new_double ((double) t->wait / 1e9));
}

/* A guest's clocks go on while its host does not run it: how long it could do
 * anything is known here.  Nobody is asked for it. */
static void
add_times (struct json_object *o, int pid)
{
  struct monitor_vcpu vcpus[MONITOR_MAX_VCPUS];
  size_t n = pid > 0 ? monitor_vcpus_named (pid, vcpus) : 0;
  struct json_object *list;
  struct thread_time all;

  if (pid <= 0 || !monitor_process_time (pid, &all))
    return;
  add_time (o, &all);
  if (n == 0)
    return;
  list = json_object_new_array ();
  for (size_t i = 0; i < n; i++)
    {
      struct json_object *one = json_object_new_object ();

      json_add_int (one, "vcpu", vcpus[i].number);
      add_time (one, &vcpus[i].time);
      json_object_array_add (list, one);
    }
  json_object_object_add (o, "vcpus", list);
}

struct json_object *
look_guest_row (const struct look_guest *l, const char *name)
{
  struct json_object *o = json_object_new_object ();
  const struct memory_map *map = &l->memory.map;
  const struct guest *g = l->guest;
  const char *why = error_text (&l->registers_why);

  json_add_str (o, "row", name);
  json_add_text (o, "guest", g->display, strlen (g->display));
  json_add_str (o, "uuid", g->inc.uuid);
  json_add_int (o, "pid", g->inc.pid);
  json_add_str (o, "run", guest_run_names[g->run]);
  json_add_text (o, "machine", map->machine, strlen (map->machine));
  json_add_int (o, "memory_bytes", (int64_t) map->size);
  json_add_str (o, "read_by", map->file ? "file" : "process");
  add_times (o, g->inc.pid);
  if (map->note[0])
    json_add_text (o, "note", map->note, strlen (map->note));
  json_add_bool (o, "registers", l->registers != NULL);
  if (!l->registers && l->registers_why.code)
    json_add_text (o, "registers_why", why, strlen (why));
  if (!l->registers && l->registers_why.code == ETIMEDOUT)
    json_add_bool (o, "monitor_silent", true);
  if (l->registers && g->monitor == MONITOR_LIBVIRT)
    json_add_str (o, "impact",
                  "libvirt marks the domain as tainted: custom-monitor");
  /* What QEMU says of itself is newer than what was heard of it. */
  if (l->state[0])
    json_add_text (o, "run", l->state, strlen (l->state));
  return o;
}

static int
give_row (const struct look_guest *l, look_rows_fn *fn, void *arg,
          struct error *err)
{
  CLEANUP_JSON struct json_object *o = look_guest_row (l, "guest");
  struct buf line CLEANUP_BUF = BUF_INIT (LOOK_MAX_ROW);
  int r;

  buf_puts (&line, json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  buf_putc (&line, '\n');
  r = line.cut ? -ENOMEM : fn (buf_str (&line), line.len, arg);
  return r < 0 ? error_errno (err, -r, "taking rows") : 0;
}

/* ---- the parser ---- */

static int
start (struct look_guest *l, uint64_t deadline, struct error *err)
{
  CLEANUP_JSON struct json_object *where = memory_where (&l->memory);
  const int inputs[] = { l->memory.fd, l->memory.pagemap };
  const struct look_source src = { .libexec = l->env->libexec,
                                   .inputs = inputs,
                                   .ninputs = l->memory.pagemap >= 0 ? 2 : 1,
                                   .where = where,
                                   .keep_ms = l->keep_ms };

  if (l->session)
    return 0;
  l->looks = 0;
  return look_open (&src, deadline, &l->session, err);
}

static int
no_time (const struct look_guest *l, uint64_t deadline, struct error *err)
{
  if (clock_ms () >= deadline || (l->job && job_stopping (l->job)))
    return error_set (err, ETIMEDOUT, "there was no time left to look");
  return 0;
}

int
look_guest_ask (struct look_guest *l, struct json_object *sections,
                uint64_t deadline, look_rows_fn *fn, void *arg,
                struct json_object **ret_end, struct error *err)
{
  struct look_question q = { .sections = sections, .moved = l->again };
  uint64_t begun;
  int r;

  look_guest_registers (l, deadline);
  r = give_row (l, fn, arg, err);
  if (r == 0)
    r = no_time (l, deadline, err);
  if (r < 0)
    return r;
  begun = clock_ms ();
  deadline = within (deadline, LOOK_USUAL_MS);
  q.registers = l->registers;
  q.registers_len = l->registers_len;
  r = start (l, deadline, err);
  q.apart_ms = l->looks > 0 ? begun - l->looked_ms : 0;
  if (r == 0)
    r = look_ask (l->session, &q, deadline, fn, arg, ret_end, err);
  if (r < 0)
    {
      look_guest_forget (l);
      return r;
    }
  l->looks++;
  l->looked_ms = begun;
  return 0;
}

int
look_guest_beat (struct look_guest *l, uint64_t deadline, unsigned char *dst,
                 size_t *ret_len, struct error *err)
{
  struct look_question q = { 0 };
  int r;

  look_guest_registers (l, deadline);
  r = no_time (l, deadline, err);
  if (r < 0)
    return r;
  deadline = within (deadline, LOOK_USUAL_MS);
  q.registers = l->registers;
  q.registers_len = l->registers_len;
  r = start (l, deadline, err);
  if (r == 0)
    r = look_beat (l->session, &q, deadline, dst, ret_len, err);
  /* That there is none is an answer. */
  if (r < 0 && r != -ENOENT && r != -ENXIO)
    look_guest_forget (l);
  return r;
}
