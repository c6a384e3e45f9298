/* SPDX-License-Identifier: Apache-2.0
 *
 * The control room by itself: its clients are ends of socketpairs, incidents
 * are those of their own bed, and what else the operations ask is faked, or
 * not there.
 */
#ifndef HANGDOG_TESTS_CONTROL_BED_H
#define HANGDOG_TESTS_CONTROL_BED_H

#include "tests/unit/supervisor/incidents-bed.h"

#include "base/channel.h"
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/watch/layers.h"
#include "supervisor/watch/pauses.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEOPLE 20

/* One end of a socket, the other of which the control room has. */
struct person
{
  int sock;
  int64_t id;
};

struct bed
{
  struct world *w;
  struct daemon d;
  struct config config;
  int group_may[8];
  struct person people[PEOPLE];
  unsigned npeople;
  unsigned others; /* times that an operation ran which is not linked */
  /* Bindings. */
  unsigned probed;
  const char *lane_taken; /* the guest whose lane is */
  /* Layers. */
  char bound[64], bound_by[64], unbound[64];
  kept_done_fn *kept;
  void *keeping;
};

static struct bed *bed;

/* ---- what is not linked ---- */

#define NOT_HERE(op)                                                          \
  void op (struct answer *a, struct frame *f)                                 \
  {                                                                           \
    bed->others++;                                                            \
    answer_end (a, NULL);                                                     \
  }
NOT_HERE (op_list)
NOT_HERE (op_plan)
NOT_HERE (op_status)
NOT_HERE (op_incidents)
NOT_HERE (op_dump)
NOT_HERE (op_tables)
NOT_HERE (op_release)
NOT_HERE (op_doctor)
NOT_HERE (op_inspect)
NOT_HERE (op_core)
NOT_HERE (op_spool)
NOT_HERE (op_console)
NOT_HERE (op_input)

void
control_add_value (struct json_object *row, const struct outcome_report *last)
{
}

/* ---- bindings, beside those of incidents ---- */

int
bindings_probe (struct bindings *b, const char *uuid, const char *scenario,
                struct error *err)
{
  if (bed->lane_taken && strcmp (bed->lane_taken, uuid) == 0)
    return error_set (err, EBUSY, "its lane is taken");
  bed->probed++;
  return 0;
}

int
bindings_once (struct bindings *b, const struct guest *g, struct scenario *s,
               bindings_once_fn *fn, void *arg, struct error *err)
{
  return error_set (err, EINVAL, "not here");
}

/* An outcome of that guest's scenario. */
static inline void
comes (const char *uuid, const struct scenario *s, enum outcome how)
{
  const struct guest *g = NULL;
  struct outcome_report last = { .outcome = how, .code = "ok" };
  struct binding_info info
      = { .scenario = s, .last = &last, .health = HEALTH_WELL };

  assert_int_equal (registry_find (bed->w->d.registry, uuid, &g, NULL), 0);
  info.guest = g;
  control_outcome (&info, HEALTH_SAME, &bed->d);
  guest_unref (g);
}

/* ---- layers and pauses ---- */

int
layers_bind (struct layers *l, struct scenario *s, const char *who,
             const char *by, bool *ret_replaced, struct error *err)
{
  if (strcmp (s->name, "taken") == 0)
    return error_set (err, EEXIST, "a file has one of that name");
  *ret_replaced = strcmp (bed->bound, s->name) == 0;
  snprintf (bed->bound, sizeof bed->bound, "%s", s->name);
  snprintf (bed->bound_by, sizeof bed->bound_by, "%s", by);
  return 0;
}

int
layers_unbind (struct layers *l, const char *name, struct error *err)
{
  if (strcmp (bed->bound, name) != 0)
    return error_set (err, ENOENT, "no scenario \"%s\" is bound", name);
  bed->bound[0] = '\0';
  snprintf (bed->unbound, sizeof bed->unbound, "%s", name);
  return 0;
}

void
layers_keep (struct layers *l, kept_done_fn *done, void *arg)
{
  bed->kept = done;
  bed->keeping = arg;
}

void
layers_each (struct layers *l,
             void (*fn) (const struct layer_info *info, void *arg), void *arg)
{
}

bool
layers_find (struct layers *l, const char *name, struct layer_info *ret)
{
  return false;
}

int
pauses_add (struct pauses *p, struct pause *what, uint64_t seconds,
            struct error *err)
{
  return error_set (err, EINVAL, "not here");
}

unsigned
pauses_end (struct pauses *p, const char *uuid, const char *scenario,
            pause_fn *fn, void *arg)
{
  return 0;
}

void
pauses_each (struct pauses *p, pause_fn *fn, void *arg)
{
}

bool
pauses_hold (struct pauses *p, const char *uuid, const char *scenario,
             struct pause *ret)
{
  return false;
}

void
pauses_keep (struct pauses *p, kept_done_fn *done, void *arg)
{
}

/* ---- clients ---- */

static inline struct person *
comes_in (struct bed *b, const struct control_listener *from)
{
  struct person *p = &b->people[b->npeople++];
  int pair[2];

  assert_true (b->npeople <= PEOPLE);
  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK
                                             | SOCK_CLOEXEC,
                                0, pair),
                    0);
  assert_int_equal (control_welcome (b->d.control, pair[1], from, NULL), 0);
  p->sock = pair[0];
  p->id = 0;
  return p;
}

static inline void
goes (struct person *p)
{
  close (p->sock);
  p->sock = -1;
}

/* Rounds of the loop, until all that was sent is taken. */
static inline void
rounds (struct bed *b)
{
  for (unsigned i = 0; i < 6; i++)
    assert_int_equal (loop_round (b->w->d.loop, 0, NULL), 0);
}

/* head: JSON with ' for ".  The request's id. */
static inline int64_t
asks (struct bed *b, struct person *p, const char *head)
{
  struct json_object *o;
  char text[1024];

  snprintf (text, sizeof text, "%s", head);
  for (char *c = text; *c; c++)
    if (*c == '\'')
      *c = '"';
  o = json_tokener_parse (text);
  assert_non_null (o);
  json_add_int (o, "id", ++p->id);
  assert_int_equal (
      frame_write (p->sock, o, NULL, 0, NULL, 0, clock_ms () + 60000, NULL), 0);
  json_object_put (o);
  rounds (b);
  return p->id;
}

/* The next frame that came, but for the hello; NULL: none.  The caller's. */
static inline struct json_object *
hears (struct person *p)
{
  for (;;)
    {
      struct frame f = { .head = NULL };
      struct json_object *head;
      char c;

      if (recv (p->sock, &c, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        return NULL;
      assert_int_equal (frame_read (p->sock, &f, clock_ms () + 60000, NULL), 0);
      head = json_object_get (f.head);
      frame_done (&f);
      if (!json_get_str (head, "op"))
        return head;
      json_object_put (head);
    }
}

/* The next is a row of that kind (NULL: of none), and has that. */
static inline void
hears_row (struct person *p, const char *row, const char *key,
           const char *value)
{
  struct json_object *head = hears (p);

  assert_non_null (head);
  assert_null (json_get (head, "error"));
  if (row)
    assert_string_equal (json_get_str (head, "row"), row);
  if (key)
    assert_string_equal (json_get_str (head, key), value);
  json_object_put (head);
}

static inline void
hears_end (struct person *p)
{
  struct json_object *head = hears (p);

  assert_non_null (head);
  assert_null (json_get (head, "error"));
  assert_false (json_get_bool (head, "more", false));
  json_object_put (head);
}

static inline void
hears_nothing (struct person *p)
{
  assert_null (hears (p));
}

static inline void
hears_error (struct person *p, const char *code, const char *part)
{
  struct json_object *head = hears (p), *e;

  assert_non_null (head);
  e = json_get (head, "error");
  assert_non_null (e);
  assert_string_equal (json_get_str (e, "code"), code);
  if (part && !strstr (json_get_str (e, "message"), part))
    fail_msg ("\"%s\" is not in: %s", part, json_get_str (e, "message"));
  json_object_put (head);
}

/* ---- the house ---- */

static inline int
bed_setup (void **state)
{
  struct bed *b = calloc (1, sizeof *b);
  void *w = NULL;

  bed = b;
  up (&w);
  b->w = w;
  b->w->uptime.timeout_ms = 5000;
  b->w->tcp.timeout_ms = 60000;
  b->config.group_may.items = b->group_may;
  b->d.loop = b->w->d.loop;
  b->d.registry = b->w->d.registry;
  b->d.incidents = b->w->incidents;
  b->d.playbooks = b->w->d.playbooks;
  b->d.config = &b->config;
  assert_int_equal (control_new (&b->d, &b->d.control, NULL), 0);
  *state = b;
  return 0;
}

static inline int
bed_teardown (void **state)
{
  struct bed *b = *state;
  void *w = b->w;
  int r;

  control_free (b->d.control);
  assert_null (b->d.probes);
  for (unsigned i = 0; i < b->npeople; i++)
    if (b->people[i].sock >= 0)
      close (b->people[i].sock);
  r = teardown (&w);
  free (b);
  return r;
}

#define BED(t) cmocka_unit_test_setup_teardown (t, bed_setup, bed_teardown)

#endif
