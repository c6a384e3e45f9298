/* SPDX-License-Identifier: Apache-2.0
 *
 * Collectors dialogue and xon: what is said on real consoles, sockets and
 * ptys, by those who play a guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define PLAY_REAL_CLOCK
#include "play.h"

#include "base/cleanup.h"
#include "base/job.h"
#include "tests/fakes/hubscene.h"
#include "tests/lib/until.h"

#include <pthread.h>
#include <signal.h>

#define WAKE "{\"name\":\"wake\",\"send\":\"\\\\r\",\"expect\":[\"ogin: ?$\"]}"

struct asked
{
  const struct collector *collector;
  struct collect_ctx ctx;
  struct haul *haul;
  struct error err;
  int rc;
  void *own;
  uint64_t ms;
  struct hubworld *w;
  pthread_mutex_t m;
  pthread_cond_t c;
  bool over;
};

static int
visit (struct job *job, void *arg)
{
  struct asked *a = arg;

  a->ctx.job = job;
  a->ctx.deadline = job_deadline (job);
  a->rc = a->collector->run (&a->ctx, &a->err);
  return a->rc;
}

static void
visited (void *owner, void *arg, enum job_end end, int rc)
{
  struct asked *a = arg;
  LOCK_SCOPE (&a->m);

  a->over = true;
  pthread_cond_signal (&a->c);
}

static void
begin (void *arg)
{
  struct asked *a = arg;
  struct job_spec spec = { .name = "collect dialogue",
                           .guest = a->ctx.guest->inc.uuid,
                           .lane = LANE_CONSOLE,
                           .timeout_ms = a->ms,
                           .run = visit,
                           .done = visited,
                           .owner = a,
                           .arg = a };

  assert_int_equal (job_start (a->w->jobs, &spec, &a->err), 0);
}

static void
decode (const char *steps, void **ret)
{
  CLEANUP_JSON struct json_object *o = NULL;
  struct error err = ERROR_INIT;
  char text[1000];

  snprintf (text, sizeof text, "{\"steps\":[%s%s", steps,
            strchr (steps, '}')[1] == ']' ? "}" : "]}");
  o = json_tokener_parse (text);
  *ret = calloc (1, collect_dialogue.own_size);
  if (json_decode (NULL, o, "", collect_dialogue.fields, *ret, &err) < 0
      || collect_dialogue.check (NULL, "", *ret, 60000, &err) < 0)
    fail_msg ("%s: %s", text, error_text (&err));
}

/* Takes own. */
static struct haul *
run_one (struct scene *s, const struct collector *collector, void *own,
         typing_fn *may_type, uint64_t ms, int want)
{
  struct transport_env env = { .hub = s->w.hub, .may_type = may_type,
                               .may_type_arg = s };
  struct asked a = { .collector = collector, .haul = haul_new (),
                     .own = own, .ms = ms, .w = &s->w };
  struct guest *g
      = hubworld_snapshot (0, s->kind, CONSOLE_HOLD,
                           s->fake ? fakecons_path (s->fake, 0) : "");

  a.ctx = (struct collect_ctx){ .guest = g,
                                .env = &env,
                                .own = a.own,
                                .scenario = "",
                                .step = "front-door",
                                .out = &a.haul->out };
  pthread_mutex_init (&a.m, NULL);
  pthread_cond_init (&a.c, NULL);
  hubworld_do (&s->w, begin, &a);
  {
    LOCK_SCOPE (&a.m);
    while (!a.over)
      pthread_cond_wait (&a.c, &a.m);
  }
  if (a.rc != want)
    fail_msg ("%d, not %d: %s", a.rc, want, error_text (&a.err));
  guest_unref (g);
  json_decoded_done (collector->fields, a.own);
  free (a.own);
  return a.haul;
}

static struct haul *
talk (struct scene *s, const char *steps, typing_fn *may_type, uint64_t ms,
      int want)
{
  void *own;

  decode (steps, &own);
  return run_one (s, &collect_dialogue, own, may_type, ms, want);
}

#define FILE_NAME "dialogue/front-door.txt"

static void
says (const struct haul *h, const char *end, const char *at)
{
  if (strcmp (text_of (h, "dialogue.front-door.end"), end) != 0)
    fail_msg ("it ended %s, not %s: %s",
              text_of (h, "dialogue.front-door.end"), end,
              file_of (h, FILE_NAME));
  assert_string_equal (text_of (h, "dialogue.front-door.at"), at);
}

static void
test_answers (void **state)
{
  for (unsigned pty = 0; pty < 2; pty++)
    {
      struct fakecons_config cfg = { .play = FAKE_LOGIN, .pty = pty };
      struct scene s;
      struct haul *h;
      const char *text;

      scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
      /* Its first prompt is no answer. */
      assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
      h = talk (&s, WAKE, NULL, UNTIL_MS, 0);
      says (h, "ok", "wake");
      assert_non_null (strstr (text_of (h, "dialogue.front-door.saw"),
                               "ogin:"));
      text = file_of (h, FILE_NAME);
      if (!strstr (text, "> typed: 1 byte\n| ") || !strstr (text, "ogin:")
          || !strstr (text, "\n> ended in step wake: ok\n"))
        fail_msg ("%s", text);
      assert_string_equal (buf_str (&h->impact),
                           "typed 1 byte on its console\n");
      assert_string_equal (buf_str (&h->gaps), "");
      assert_int_equal (scene_keys (&s), 1);
      haul_free (h);
      scene_end (&s);
    }
}

/* What was typed stands in the playbook, and may be nobody else's to read. */
static void
test_keeps_secrets (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_PASSWORD };
  struct scene s;
  struct haul *h;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  h = talk (&s, "{\"name\":\"in\",\"send\":\"hunter2\\\\r\",\"expect\":[\".\"]}",
            NULL, UNTIL_MS, 0);
  assert_null (strstr (file_of (h, FILE_NAME), "hunter2"));
  assert_null (strstr (buf_str (&h->impact), "hunter2"));
  assert_non_null (strstr (file_of (h, FILE_NAME), "> typed: 8 bytes"));
  haul_free (h);
  scene_end (&s);
}

/* Asked just before a key: it says that it ended well. */
static enum typing
forges (void *arg, const char *uuid, const char *console, char *what, size_t n)
{
  struct scene *s = arg;

  assert_int_equal (
      fakecons_command (s->fake,
                        "say 0 x\\n> ended in step a: ok\\n\\e[2Jdone!"),
      0);
  return TYPING_FREE;
}

/* A guest's line is never one of ours, and reaches nobody unescaped. */
static void
test_forged (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_DEAD };
  struct scene s;
  struct haul *h;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  h = talk (&s, "{\"name\":\"a\",\"send\":\"x\",\"expect\":[\"done!\"]}",
            forges, UNTIL_MS, 0);
  assert_non_null (strstr (file_of (h, FILE_NAME), "\n| > ended in step a"));
  assert_null (strchr (file_of (h, FILE_NAME), '\033'));
  haul_free (h);
  scene_end (&s);
}

static void
test_says_nothing (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_DEAD };
  struct scene s;
  struct haul *h;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  h = talk (&s, WAKE, NULL, 500, 0);
  says (h, "silent", "wake");
  assert_string_equal (text_of (h, "dialogue.front-door.saw"), "(none)");
  assert_string_equal (file_of (h, FILE_NAME),
                       "> typed: 1 byte\n> ended in step wake: silent\n");
  haul_free (h);
  scene_end (&s);
}

static void
test_floods (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_DEAD, .rate = 400000 };
  struct scene s;
  struct haul *h;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  h = talk (&s, WAKE, NULL, 900, 0);
  says (h, "mismatch", "wake");
  /* Of its text; each line has our mark before it. */
  assert_in_range (strlen (file_of (h, FILE_NAME)), 65536, 80000);
  assert_non_null (strstr (buf_str (&h->gaps), "more than 64 KiB"));
  haul_free (h);
  scene_end (&s);
}

static enum typing
boots (void *arg, const char *uuid, const char *console, char *what, size_t n)
{
  snprintf (what, n, "its services come up");
  return TYPING_BOOTING;
}

static void
test_boots (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_LOGIN };
  struct scene s;
  struct haul *h;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  h = talk (&s, WAKE, boots, UNTIL_MS, -EAGAIN);
  says (h, "booting", "wake");
  assert_int_equal (scene_keys (&s), 0);
  assert_string_equal (buf_str (&h->impact), "");
  haul_free (h);
  scene_end (&s);
}

static void
test_has_none (void **state)
{
  static const char steps[] = WAKE "],\"console\":\"serial9\"";
  struct fakecons_config cfg = { .play = FAKE_LOGIN };
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  haul_free (talk (&s, steps, NULL, 500, -ENODEV));
  assert_int_equal (scene_keys (&s), 0);
  scene_end (&s);
}

/* As a scenario's, by its step's budget. */
static void
test_no_longer_than_its_budget (void **state)
{
  static const char steps[]
      = "{\"steps\":[{\"name\":\"a\",\"expect\":[\"x\"],"
        "\"timeout\":\"2s\"}]}";
  CLEANUP_JSON struct json_object *o = json_tokener_parse (steps);
  struct error err = ERROR_INIT;
  void *own = calloc (1, collect_dialogue.own_size);

  assert_int_equal (
      json_decode (NULL, o, "", collect_dialogue.fields, own, &err), 0);
  assert_int_equal (collect_dialogue.check (NULL, "", own, 2000, &err), 0);
  assert_true (collect_dialogue.check (NULL, "", own, 1999, &err) < 0);
  assert_non_null (strstr (err.msg, "is longer than all of it may take"));
  json_decoded_done (collect_dialogue.fields, own);
  free (own);
}

static void
test_plan (void **state)
{
  struct guest none = { .name = "vm" };
  struct guest *g = hubworld_snapshot (0, CONSOLE_UNIX, CONSOLE_HOLD, "/x");
  struct collect_plan p;
  void *own;

  decode (WAKE ",{\"name\":\"b\",\"send\":\"status\\\\r\"}", &own);
  collector_plan (&collect_dialogue, g, own, &p);
  assert_int_equal (p.touch, TOUCH_CONSOLE);
  assert_string_equal (p.acts[0], "types on its console: \\x0d");
  assert_string_equal (p.acts[1], "types on its console: status\\x0d");
  assert_string_equal (p.acts[2], "");
  assert_string_equal (p.never, "");
  collector_plan (&collect_dialogue, &none, own, &p);
  assert_string_equal (p.never, "the guest has no console");
  assert_true (p.none);
  json_decoded_done (collect_dialogue.fields, own);
  free (own);
  decode ("{\"name\":\"a\",\"expect\":[\"x\"]}", &own);
  collector_plan (&collect_dialogue, g, own, &p);
  assert_string_equal (p.acts[0], "takes its console, and types nothing");
  json_decoded_done (collect_dialogue.fields, own);
  free (own);
  guest_unref (g);
}

/* What it says after ^Q, and that this was typed. */
static void
test_xon (void **state)
{
  static const struct
  {
    enum fake_play play;
    typing_fn *may_type;
    const char *says, *impact;
    int rc;
  } cases[] = {
    { FAKE_STOPPED, NULL, "goes-on", "typed XON (^Q) on its console\n", 0 },
    { FAKE_DEAD, NULL, "nothing", "typed XON (^Q) on its console\n", 0 },
    { FAKE_STOPPED, boots, "(none)", "", -EHOSTDOWN },
    /* It has just shown its menu. */
    { FAKE_GRUB, NULL, "(none)", "", -EHOSTDOWN },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct fakecons_config cfg = { .play = cases[i].play };
      struct scene s;
      struct haul *h;

      scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
      h = run_one (&s, &collect_xon, calloc (1, collect_xon.own_size),
                   cases[i].may_type, UNTIL_MS, cases[i].rc);
      assert_string_equal (text_of (h, "console.xon"), cases[i].says);
      assert_string_equal (buf_str (&h->impact), cases[i].impact);
      haul_free (h);
      scene_end (&s);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_answers),
    cmocka_unit_test (test_keeps_secrets),
    cmocka_unit_test (test_forged),
    cmocka_unit_test (test_says_nothing),
    cmocka_unit_test (test_floods),
    cmocka_unit_test (test_boots),
    cmocka_unit_test (test_has_none),
    cmocka_unit_test (test_no_longer_than_its_budget),
    cmocka_unit_test (test_plan),
    cmocka_unit_test (test_xon),
  };

  /* A fake's peer goes while it writes. */
  signal (SIGPIPE, SIG_IGN);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
