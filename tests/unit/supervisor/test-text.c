/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of guests: from a fake console's bytes to facts, what is told how
 * often, what is ours, another life, losing text, growing rings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "supervisor/text_impl.h"
#include "tests/fakes/hubscene.h"
#include "tests/lib/until.h"
#include "transports/console/hub_impl.h"

#define FACTS 4096
#define WAIT_MS 5000
#define BANNER "[    0.000000] Linux version 6.1.0-41-amd64 (debian) #1\\r\\n"
#define PANIC                                                                  \
  "[   12.345678] Kernel panic - not syncing: Attempted to kill "              \
  "init! exitcode=0x00000700\\r\\n"

struct world
{
  struct scene s;
  struct texts *t;
  unsigned threads;
  atomic_uint boots, replays;
  struct fact_sub *sub;
  pthread_mutex_t m; /* what follows */
  struct fact facts[FACTS];
  unsigned nfacts;
};

/* ---- a hub, fakes, and texts ---- */

static void
on_boot (const char *uuid, void *arg)
{
  atomic_fetch_add (&((struct world *) arg)->boots, 1);
}

static void
on_replay (const char *uuid, void *arg)
{
  atomic_fetch_add (&((struct world *) arg)->replays, 1);
}

static const struct texts_ops ops = { .boot = on_boot, .replay = on_replay };

static void
on_fact (const struct fact *f, void *arg)
{
  struct world *w = arg;
  LOCK_SCOPE (&w->m);

  if (w->nfacts < FACTS)
    w->facts[w->nfacts++] = *f;
}

static void
make_texts (void *arg)
{
  struct world *w = arg;
  struct error err = ERROR_INIT;
  struct text_rules *rules;

  /* cmocka has no say on this thread. */
  if (text_rules_new (&rules, &err) < 0)
    {
      fprintf (stderr, "%s\n", error_text (&err));
      abort ();
    }
  assert_int_equal (texts_new (w->s.w.loop, w->s.w.hub, w->s.w.bus, rules,
                               w->threads, &ops, w, &w->t, NULL),
                    0);
  assert_int_equal (
      fact_subscribe (w->s.w.bus, "test", "", on_fact, w, &w->sub, NULL), 0);
}

static void
free_texts (void *arg)
{
  struct world *w = arg;

  texts_free (w->t);
  w->t = NULL;
  fact_unsubscribe (w->sub);
}

struct told
{
  struct world *w;
  enum guest_change change;
  struct guest *g;
};

static void
tell (void *arg)
{
  struct told *o = arg;
  const struct guest *was = o->change == GUEST_GONE ? o->g : NULL;
  const struct guest *now = o->change == GUEST_GONE ? NULL : o->g;

  hub_guest (o->w->s.w.hub, o->change, was, now);
  texts_guest (o->w->t, o->change, was, now);
  guest_unref (o->g);
}

static void
guest (struct world *w, unsigned i, enum guest_change change, unsigned start,
       unsigned boot)
{
  struct told o = { w, change,
                    hubworld_snapshot (i, w->s.kind, CONSOLE_HOLD,
                                       fakecons_path (w->s.fake, i)) };

  o.g->inc.start_time = start;
  o.g->inc.boot = boot;
  hubworld_do (&w->s.w, tell, &o);
}

static struct world *
begin (unsigned n, unsigned rate, const struct hub_limits *limits)
{
  struct fakecons_config cfg
      = { .n = n, .rate = rate, .slot_ms = 2, .play = FAKE_DEAD };
  struct world *w = calloc (1, sizeof *w);

  assert_non_null (w);
  pthread_mutex_init (&w->m, NULL);
  w->threads = n > 1 ? 2 : 1;
  scene_begin (&w->s, NULL, CONSOLE_HOLD, limits);
  scene_fakes (&w->s, &cfg);
  hubworld_do (&w->s.w, make_texts, w);
  for (unsigned i = 0; i < n; i++)
    guest (w, i, GUEST_ADDED, 7, 0);
  for (unsigned i = 0; i < n; i++)
    assert_true (hubworld_wait (&w->s.w, i, CONSOLE_SILENT, WAIT_MS)
                 || rate > 0);
  return w;
}

static void
end (struct world *w)
{
  if (w->t)
    hubworld_do (&w->s.w, free_texts, w);
  scene_end (&w->s);
  free (w);
}

static void
says (struct world *w, unsigned i, const char *text)
{
  char order[2048];

  snprintf (order, sizeof order, "say %u %s", i, text);
  assert_int_equal (fakecons_command (w->s.fake, order), 0);
}

static unsigned
count (struct world *w, const char *name)
{
  unsigned n = 0;
  LOCK_SCOPE (&w->m);

  for (unsigned i = 0; i < w->nfacts; i++)
    n += strcmp (w->facts[i].name, name) == 0;
  return n;
}

static bool
heard (struct world *w, const char *name, unsigned n)
{
  for (uint64_t until = clock_ms () + WAIT_MS; clock_ms () < until; nap_ms (1))
    if (count (w, name) >= n)
      return true;
  return false;
}

static struct fact
last (struct world *w, const char *name)
{
  struct fact f = { .name = "" };
  LOCK_SCOPE (&w->m);

  for (unsigned i = 0; i < w->nfacts; i++)
    if (strcmp (w->facts[i].name, name) == 0)
      f = w->facts[i];
  return f;
}

struct seen
{
  struct world *w;
  unsigned n;
  uint64_t lines, bytes, gaps, lost;
  size_t memory;
  unsigned events;
  enum text_stage stage;
  char note[160], title[TEXT_TITLE_MAX];
  struct buf list, dump;
};

static void
see_one (const struct texts_look *l, void *arg)
{
  struct seen *v = arg;

  v->n++;
  v->lines += l->stats.lines;
  v->bytes += l->stats.bytes;
  v->gaps += l->stats.gaps;
  v->lost += l->stats.lost_bytes;
  v->memory += l->stats.memory;
  v->events += l->events;
  v->stage = l->stage->stage;
  snprintf (v->note, sizeof v->note, "%s", l->note);
  snprintf (v->title, sizeof v->title, "%s", l->title);
}

static void
see_all (void *arg)
{
  struct seen *v = arg;
  char uuid[UUID_TEXT];

  texts_each (v->w->t, NULL, see_one, v);
  v->list = (struct buf) BUF_INIT (1 << 20);
  texts_events (v->w->t, hubworld_uuid (0, uuid, sizeof uuid), &v->list);
  v->dump = (struct buf) BUF_INIT (1 << 20);
  texts_dump (v->w->t, &v->dump);
}

static void
see (struct world *w, struct seen *v)
{
  *v = (struct seen){ .w = w };
  hubworld_do (&w->s.w, see_all, v);
}

static void
seen_done (struct seen *v)
{
  buf_done (&v->list);
  buf_done (&v->dump);
}

static uint64_t
bytes_read (struct world *w)
{
  struct seen v;

  see (w, &v);
  seen_done (&v);
  return v.bytes + v.lost;
}

static bool
read_beyond (struct world *w, uint64_t n)
{
  for (uint64_t until = clock_ms () + WAIT_MS; clock_ms () < until; nap_ms (1))
    if (bytes_read (w) >= n)
      return true;
  return false;
}

static void
ours (struct world *w, char key)
{
  char uuid[UUID_TEXT];

  texts_ours (w->t, hubworld_uuid (0, uuid, sizeof uuid), key,
              clock_ms () + 10000);
}

/* ---- what is found becomes facts ---- */

static void
test_panic (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct fact f;
  struct seen v;

  says (w, 0, BANNER);
  assert_true (heard (w, "guest.stage", 1));
  assert_string_equal (last (w, "guest.stage").text, "kernel");
  assert_true (heard (w, "kernel.release", 1));
  assert_string_equal (last (w, "kernel.release").text, "6.1.0-41-amd64");
  assert_true (heard (w, "kernel.boots", 1));
  says (w, 0, PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  assert_int_equal (count (w, "kernel.trouble.panic"), 1);
  f = last (w, "kernel.trouble.panic");
  assert_non_null (strstr (f.text, "Attempted to kill init"));
  assert_int_equal (f.inc.start_time, 7);
  /* Its list has it once, whether its report is over or not. */
  see (w, &v);
  assert_int_equal (v.n, 1);
  assert_int_equal (v.events, 1);
  assert_non_null (strstr (v.title, "Attempted to kill init"));
  assert_non_null (strstr (buf_str (&v.list), "\"kind\":\"panic\""));
  assert_non_null (strstr (buf_str (&v.list), "\"console\":\"serial0\""));
  assert_non_null (strstr (buf_str (&v.list), "exitcode=0x00000700"));
  assert_ptr_equal (strchr (buf_str (&v.list), '\n'),
                    buf_str (&v.list) + v.list.len - 1);
  assert_non_null (strstr (buf_str (&v.dump), "worker 0:"));
  seen_done (&v);
  end (w);
}

/* The first at once, the others are held back. */
static void
test_a_flood_of_events (void **state)
{
  struct world *w = begin (1, 0, NULL);

  says (w, 0, BANNER);
  for (unsigned i = 0; i < 200; i++)
    says (w, 0,
          "[   99.000000] INFO: task x:99 blocked for more than 120 "
          "seconds.\\r\\n");
  says (w, 0, PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  assert_in_range (count (w, "kernel.trouble.hung_task"), 1, 2);
  end (w);
}

static void
test_silence_is_no_recovery (void **state)
{
  struct world *w = begin (1, 0, NULL);
  char line[160];
  struct seen v;

  says (w, 0, BANNER);
  for (unsigned i = 0; i < HUNG_TASK_WARNINGS; i++)
    {
      see (w, &v);
      assert_string_equal (v.note, "");
      seen_done (&v);
      snprintf (line, sizeof line,
                "[  %u.000000] INFO: task x%u:%u blocked for more than 120 "
                "seconds.\\r\\n",
                120 + i, i, 50 + i);
      says (w, 0, line);
    }
  says (w, 0, PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  see (w, &v);
  assert_non_null (strstr (v.note, "silence is no recovery"));
  seen_done (&v);
  end (w);
}

/* ---- what is ours ---- */

static void
test_our_own_keys (void **state)
{
  struct world *w = begin (1, 0, NULL);
  char uuid[UUID_TEXT];

  says (w, 0, BANNER);
  assert_true (heard (w, "guest.stage", 1));
  ours (w, 'l');
  says (w, 0,
        "[  100.000000] sysrq: Show backtrace of all active CPUs\\r\\n"
        "[  100.000100] NMI backtrace for cpu 0\\r\\n"
        "[  100.000200] CPU: 0 PID: 99 Comm: x Not tainted 6.1.0 #1\\r\\n"
        "[  100.000300] RIP: 0010:native_halt+0x5/0x10\\r\\n"
        "[  100.000400] Call Trace:\\r\\n"
        "[  100.000500]  do_nothing+0x1/0x2\\r\\n"
        "[  100.000600] INFO: task x:99 blocked for more than 120 "
        "seconds.\\r\\n");
  assert_true (read_beyond (w, 380));
  nap_ms (400); /* and what is said of it when nothing more comes */
  assert_int_equal (count (w, "kernel.trouble.hung_task"), 0);
  /* What comes when that was all is the guest's own. */
  texts_ours (w->t, hubworld_uuid (0, uuid, sizeof uuid), '\0', clock_ms ());
  nap_ms (2);
  says (w, 0,
        "[  101.000000] INFO: task y:98 blocked for more than 120 "
        "seconds.\\r\\n");
  assert_true (heard (w, "kernel.trouble.hung_task", 1));
  end (w);
}

/* ---- lives ---- */

static void
test_another_life (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct seen v;

  says (w, 0, BANNER PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  assert_int_equal (last (w, "kernel.event.panic").inc.start_time, 7);
  guest (w, 0, GUEST_REINCARNATED, 8, 0);
  assert_true (hubworld_wait (&w->s.w, 0, CONSOLE_SILENT, WAIT_MS));
  for (uint64_t until = clock_ms () + WAIT_MS; clock_ms () < until; nap_ms (1))
    {
      see (w, &v);
      seen_done (&v);
      if (v.stage == STAGE_UNKNOWN)
        break;
    }
  assert_int_equal (v.stage, STAGE_UNKNOWN);
  assert_int_equal (v.events, 0);
  assert_int_equal (v.list.len, 0);
  says (w, 0, BANNER PANIC);
  assert_true (heard (w, "kernel.event.panic", 2));
  assert_int_equal (last (w, "kernel.event.panic").inc.start_time, 8);
  end (w);
}

static void
test_boots (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct seen v;

  says (w, 0, BANNER PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  for (uint64_t until = clock_ms () + WAIT_MS;
       atomic_load (&w->boots) < 1 && clock_ms () < until; nap_ms (1))
    ;
  assert_int_equal (atomic_load (&w->boots), 1);
  /* The registry counts it: what was read of it already is not forgotten. */
  guest (w, 0, GUEST_REINCARNATED, 7, 1);
  says (w, 0, "[   13.000000] something else\\r\\n");
  assert_true (heard (w, "guest.stage", 2));
  assert_int_equal (last (w, "guest.stage").inc.boot, 1);
  assert_string_equal (last (w, "guest.stage").text, "kernel");
  see (w, &v);
  assert_int_equal (v.events, 1);
  seen_done (&v);
  assert_int_equal (atomic_load (&w->replays), 0);
  /* A log that somebody looks at. */
  says (w, 0, BANNER "[ 4000.000000] eth0: link up\\r\\n");
  for (uint64_t until = clock_ms () + WAIT_MS;
       atomic_load (&w->replays) < 1 && clock_ms () < until; nap_ms (1))
    ;
  assert_int_equal (atomic_load (&w->replays), 1);
  end (w);
}

static enum text_stage
stand (struct world *w, struct texts_stand *ret)
{
  char uuid[UUID_TEXT];

  assert_true (texts_stand (w->t, hubworld_uuid (0, uuid, sizeof uuid),
                            "serial0", ret));
  assert_false (texts_stand (w->t, uuid, "nosuch", ret));
  return ret->stage.stage;
}

/* What is known of somebody who is about to be typed at. */
static void
test_stand (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct texts_stand st;
  char uuid[UUID_TEXT];

  says (w, 0, "lab login: ");
  assert_true (heard (w, "guest.stage", 1));
  assert_int_equal (stand (w, &st), STAGE_LOGIN);
  assert_int_equal (st.reset_ms, 0);
  assert_false (st.answered);
  texts_answered (w->t, hubworld_uuid (0, uuid, sizeof uuid));
  stand (w, &st);
  assert_true (st.answered);
  /* Told of a reset, before its console says anything. */
  guest (w, 0, GUEST_REINCARNATED, 7, 1);
  stand (w, &st);
  assert_false (st.answered);
  assert_in_range (clock_ms () - st.reset_ms, 0, WAIT_MS);
  says (w, 0, BANNER);
  assert_true (heard (w, "kernel.boots", 1));
  assert_int_equal (stand (w, &st), STAGE_KERNEL);
  assert_true (st.stage.since_ms >= st.reset_ms);
  texts_answered (w->t, uuid);
  stand (w, &st);
  assert_true (st.answered);
  assert_int_equal (st.reset_ms, 0);
  /* And a boot that nobody told of. */
  says (w, 0, PANIC BANNER);
  assert_true (heard (w, "kernel.boots", 2));
  stand (w, &st);
  assert_false (st.answered);
  assert_false (texts_stand (NULL, uuid, "serial0", &st));
  end (w);
}

/* ---- a worker that lags ---- */

static void
test_room_for_one_that_lags (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct hubworld_seen seen;
  struct seen v;

  says (w, 0, BANNER);
  assert_true (heard (w, "guest.stage", 1));
  pthread_mutex_lock (&w->t->m);
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 1000000"), 0);
  while (scene_sunk (&w->s, 0) < 100000)
    nap_ms (1);
  hubworld_see (&w->s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_LARGE);
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 0"), 0);
  pthread_mutex_unlock (&w->t->m);
  assert_true (read_beyond (w, 100000));
  see (w, &v);
  assert_int_equal (v.lost, 0);
  assert_int_equal (v.gaps, 0);
  seen_done (&v);
  end (w);
}

static void
test_no_room (void **state)
{
  const struct hub_limits limits = { .ring_total = RING_SMALL };
  struct world *w = begin (1, 0, &limits);
  struct seen v;

  says (w, 0, BANNER);
  assert_true (heard (w, "guest.stage", 1));
  pthread_mutex_lock (&w->t->m);
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 1000000"), 0);
  /* The hub goes on. */
  while (scene_sunk (&w->s, 0) < 100000)
    nap_ms (1);
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 0"), 0);
  pthread_mutex_unlock (&w->t->m);
  assert_true (read_beyond (w, 100000));
  see (w, &v);
  assert_in_range (v.lost, 80000, UINT64_MAX);
  assert_in_range (v.gaps, 1, 1000);
  assert_non_null (strstr (buf_str (&v.dump), " gaps="));
  seen_done (&v);
  end (w);
}

/* ---- many, coming and going ---- */

static void
test_many (void **state)
{
  struct world *w = begin (8, 20000, NULL);
  struct seen v;

  for (unsigned round = 0; round < 6; round++)
    {
      for (unsigned i = 0; i < 8; i++)
        guest (w, i, GUEST_GONE, 7, 0);
      see (w, &v);
      assert_int_equal (v.n, 0);
      seen_done (&v);
      for (unsigned i = 0; i < 8; i++)
        guest (w, i, GUEST_ADDED, 7 + round, 0);
      nap_ms (20);
      for (unsigned i = 0; i < 8; i++)
        ours (w, 'w');
    }
  assert_true (read_beyond (w, 50000));
  see (w, &v);
  assert_int_equal (v.n, 8);
  assert_int_equal (v.gaps, 0);
  assert_non_null (strstr (buf_str (&v.dump), "worker 1: consoles 4"));
  seen_done (&v);
  end (w);
}

/* A guest that said something once, and nothing since. */
static void
test_an_idle_console_is_small (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct seen v;
  size_t own = sizeof (struct text_source) + sizeof (struct text_guest)
               + sizeof (struct tap);

  says (w, 0,
        BANNER "[    1.000000] Run /init as init process\\r\\n"
               "Welcome to Debian\\r\\nweb login: ");
  assert_true (heard (w, "guest.stage", 1));
  assert_true (read_beyond (w, 129));
  nap_ms (400); /* the prompt has been given */
  see (w, &v);
  print_message ("%zu bytes of ours, %zu of its reader\n", own, v.memory);
  assert_in_range (v.memory, 1, 4096 - own);
  seen_done (&v);
  end (w);
}

/* ---- what is told how often, with the hands of the clock turned ---- */

struct unit
{
  struct loop *loop;
  struct world w; /* its facts */
  struct texts t;
  struct text_guest g;
  struct text_source s;
  struct text_worker *worker;
};

static struct unit *
unit (void)
{
  struct unit *u = calloc (1, sizeof *u);

  assert_non_null (u);
  u->worker = calloc (1, sizeof *u->worker);
  assert_non_null (u->worker);
  assert_int_equal (loop_new_fake (&u->loop, NULL), 0);
  pthread_mutex_init (&u->w.m, NULL);
  pthread_mutex_init (&u->t.m, NULL);
  assert_int_equal (fact_bus_new (u->loop, 4096, &u->t.bus, NULL), 0);
  assert_int_equal (
      fact_subscribe (u->t.bus, "test", "", on_fact, &u->w, &u->w.sub, NULL),
      0);
  u->s.all = &u->t;
  u->s.guest = &u->g;
  u->s.serial = 1;
  snprintf (u->s.console, sizeof u->s.console, "serial0");
  return u;
}

static void
unit_done (struct unit *u)
{
  text_trouble_free_ (&u->t, &u->g);
  assert_int_equal (u->t.event_bytes, 0);
  fact_bus_free (u->t.bus);
  loop_free (u->loop);
  free (u->worker);
  free (u);
}

static void
happens (struct unit *u, uint64_t id, const char *kind, const char *title,
         bool whole)
{
  struct text_event e = { .id = id,
                          .kind = text_kind_find (kind)->name,
                          .rule = "r",
                          .severity = SEVERITY_ERROR,
                          .first_line = id,
                          .last_line = id,
                          .cpu = -1,
                          .pid = -1,
                          .seconds = -1 };

  snprintf (e.title, sizeof e.title, "%s", title);
  if (whole)
    text_say_event_ (u->worker, &u->s, &e);
  else
    text_say_suspect_ (u->worker, &u->s, &e);
  assert_int_equal (loop_round (u->loop, 0, NULL), 0);
}

static void
test_repeats (void **state)
{
  struct unit *u = unit ();
  uint64_t now = clock_ms (), due;

  happens (u, 1, "hung_task", "task hung: a", false);
  assert_int_equal (count (&u->w, "kernel.trouble.hung_task"), 1);
  /* The same with a better title is told, with the same one not. */
  happens (u, 1, "hung_task", "task hung in f", true);
  happens (u, 1, "hung_task", "task hung in f", true);
  assert_int_equal (count (&u->w, "kernel.trouble.hung_task"), 2);
  assert_string_equal (last (&u->w, "kernel.event.hung_task").text,
                       "task hung in f");
  for (uint64_t id = 2; id < 40; id++)
    happens (u, id, "hung_task", "task hung: b", false);
  assert_int_equal (count (&u->w, "kernel.trouble.hung_task"), 2);
  due = text_say_due_ (&u->s, now);
  assert_in_range (due, now + 1, now + SAID_AGAIN_MS + 1000);
  assert_int_equal (text_say_due_ (&u->s, due), CLOCK_NEVER);
  assert_int_equal (loop_round (u->loop, 0, NULL), 0);
  assert_int_equal (count (&u->w, "kernel.trouble.hung_task"), 3);
  assert_string_equal (last (&u->w, "kernel.event.hung_task").text,
                       "task hung: b (and 37 more of it in 10 s)");
  unit_done (u);
}

static void
test_rations (void **state)
{
  struct unit *u = unit ();
  unsigned n = 0, kinds = 0;

  while (text_kinds[kinds].name)
    kinds++;
  /* One kind after another, so that none is a repeat. */
  for (uint64_t id = 1; id < 3000; id++)
    happens (u, id, text_kinds[id % kinds].name, "x", false);
  for (unsigned i = 0; i < kinds; i++)
    {
      char name[FACT_NAME_MAX];

      snprintf (name, sizeof name, "kernel.event.%s", text_kinds[i].name);
      n += count (&u->w, name);
    }
  assert_in_range (n, kinds < SAID_BURST ? kinds : SAID_BURST, SAID_BURST + 10);
  assert_in_range (u->t.facts_held, 2900, 3000);
  assert_in_range (u->t.events_dropped, 1, 3000);
  unit_done (u);
}

static void
test_the_list (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (1 << 20);
  struct unit *u = unit ();
  char title[40];
  unsigned lines = 0;

  for (uint64_t id = 1; id <= 40; id++)
    {
      snprintf (title, sizeof title, "number %u.", (unsigned) id);
      happens (u, id, "hung_task", title, false);
      if (id % 2)
        happens (u, id, "hung_task", title, true);
    }
  snprintf (u->g.uuid, sizeof u->g.uuid, "x");
  for (unsigned i = 0; i < TEXT_BUCKETS; i++)
    u->t.buckets[i] = &u->g;
  texts_events (&u->t, "x", &out);
  for (const char *p = buf_str (&out); (p = strchr (p, '\n')); p++)
    lines++;
  assert_int_equal (lines, EVENTS_MAX);
  assert_non_null (strstr (buf_str (&out), "number 1."));
  assert_non_null (strstr (buf_str (&out), "number 4."));
  assert_null (strstr (buf_str (&out), "number 5."));
  assert_null (strstr (buf_str (&out), "number 28."));
  assert_non_null (strstr (buf_str (&out), "number 29."));
  assert_true (strstr (buf_str (&out), "number 29.")
               < strstr (buf_str (&out), "number 40."));
  assert_non_null (strstr (buf_str (&out), "\"whole\":true"));
  unit_done (u);
}

#define T(fn) cmocka_unit_test (fn)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_panic),
    T (test_a_flood_of_events),
    T (test_silence_is_no_recovery),
    T (test_our_own_keys),
    T (test_another_life),
    T (test_boots),
    T (test_stand),
    T (test_room_for_one_that_lags),
    T (test_no_room),
    T (test_many),
    T (test_an_idle_console_is_small),
    T (test_repeats),
    T (test_rations),
    T (test_the_list),
  };

  signal (SIGPIPE, SIG_IGN); /* of the fakes, when they are let go of */
  return cmocka_run_group_tests (tests, NULL, NULL);
}
