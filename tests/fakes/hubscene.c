/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of consoles share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "tests/fakes/hubscene.h"
#include "tests/lib/until.h"

static bool
sink_bytes (void *arg, void **mine, const char *uuid, const char *console,
            const void *data, size_t len, uint64_t wall_ms)
{
  struct scene *s = arg;
  unsigned i = (unsigned) strtoul (uuid + 24, NULL, 16);
  LOCK_SCOPE (&s->m);

  if (s->refuse)
    return false;
  fakecheck_feed (&s->check[i], data, len);
  s->sunk[i] += len;
  if (i == 0)
    buf_append (&s->said, data, len);
  return true;
}

static void *
run_fake (void *arg)
{
  fakecons_run (arg);
  return NULL;
}

void
scene_fakes (struct scene *s, struct fakecons_config *cfg)
{
  struct error err = ERROR_INIT;

  cfg->dir = s->tmp.path;
  if (!cfg->n)
    cfg->n = 1;
  assert_true (cfg->n <= SCENE_MOST);
  s->kind = cfg->pty ? CONSOLE_PTY : CONSOLE_UNIX;
  if (fakecons_new (cfg, &s->fake, &err) < 0)
    fail_msg ("%s", error_text (&err));
  assert_int_equal (pthread_create (&s->thread, NULL, run_fake, s->fake), 0);
}

void
scene_begin (struct scene *s, struct fakecons_config *cfg,
             enum console_mode mode, const struct hub_limits *limits)
{
  struct console_sink sink = { .bytes = sink_bytes, .arg = s };

  memset (s, 0, sizeof *s);
  pthread_mutex_init (&s->m, NULL);
  s->said.max = 4u << 20;
  assert_int_equal (tmpdir_make (&s->tmp), 0);
  hubworld_start (&s->w, limits, NULL, &sink);
  if (!cfg)
    return;
  scene_fakes (s, cfg);
  for (unsigned i = 0; i < cfg->n; i++)
    hubworld_guest (&s->w, i, GUEST_ADDED, s->kind, mode,
                    fakecons_path (s->fake, i));
}

void
scene_end (struct scene *s)
{
  hubworld_stop (&s->w);
  if (s->fake)
    {
      fakecons_stop (s->fake);
      pthread_join (s->thread, NULL);
      fakecons_free (s->fake);
    }
  buf_done (&s->said);
  tmpdir_done (&s->tmp);
}

uint64_t
scene_keys (struct scene *s)
{
  struct fakecons_stats st;

  fakecons_stats (s->fake, 0, &st);
  return st.keys;
}

uint64_t
scene_sunk (struct scene *s, unsigned i)
{
  LOCK_SCOPE (&s->m);
  return s->sunk[i];
}

static uint64_t
scene_lines (struct scene *s, unsigned i)
{
  LOCK_SCOPE (&s->m);
  return s->check[i].lines;
}

bool
scene_said (struct scene *s, const char *text)
{
  LOCK_SCOPE (&s->m);
  return strstr (buf_str (&s->said), text) != NULL;
}

bool
scene_wait_said (struct scene *s, const char *text, unsigned ms)
{
  for (uint64_t until = clock_ms () + ms; clock_ms () < until; nap_ms (2))
    if (scene_said (s, text))
      return true;
  return scene_said (s, text);
}

/* All that the fakes wrote has come, and every line of it is whole. */
void
scene_check_all (struct scene *s, unsigned n)
{
  struct fakecons_stats st;

  assert_int_equal (fakecons_command (s->fake, "rate * 0"), 0);
  for (unsigned i = 0; i < n; i++)
    {
      /* A line that is made may still wait in the fake for room. */
      UNTIL ((fakecons_stats (s->fake, (int) i, &st),
              scene_sunk (s, i) >= st.bytes
                  && scene_lines (s, i) >= st.lines));
      assert_int_equal (scene_sunk (s, i), st.bytes);
      assert_int_equal (s->check[i].lost, 0);
      assert_int_equal (s->check[i].broken, 0);
      assert_int_equal (s->check[i].lines, st.lines);
      assert_true (st.lines > 0);
    }
}

int
scene_lease (struct scene *s, enum lease_rank rank, bool take, unsigned ms,
       struct lease **ret_l)
{
  char uuid[UUID_TEXT];

  return hub_lease (s->w.hub, hubworld_uuid (0, uuid, sizeof uuid), "serial0",
                    rank, "test", take, clock_ms () + ms, ret_l, NULL);
}

struct tap *
scene_tap (struct scene *s, int start,
     void (*on_data) (struct tap *tap, void *arg), void *arg)
{
  char uuid[UUID_TEXT];
  struct tap *t;

  assert_int_equal (hub_tap (s->w.hub, hubworld_uuid (0, uuid, sizeof uuid),
                             "serial0", "test", (enum tap_start) start,
                             on_data, arg, &t, NULL),
                    0);
  return t;
}

static void
release_cb (void *arg)
{
  void **v = arg;
  char uuid[UUID_TEXT];

  /* The guest writes on while the loop is busy, so that there is something
   * unread when the console is let go. */
  nap_ms (5);
  assert_int_equal (hub_release (v[0], hubworld_uuid (0, uuid, sizeof uuid),
                                 NULL, *(uint64_t *) v[1], NULL),
                    0);
}

void
scene_release (struct scene *s, uint64_t ms)
{
  void *v[2] = { s->w.hub, &ms };

  hubworld_do (&s->w, release_cb, v);
}
