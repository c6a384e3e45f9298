/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector memory: two looks, their files, facts, and reasons.  The looks are
 * played; what they mean is test-outside and test-outside-facts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "play.h"

#include "base/cleanup.h"
#include "transports/memory/look_guest.h"

static struct
{
  int open_rc, rc[2], check_rc;
  const char *rows[2]; /* with ' for " */
  const char *end;
  uint64_t takes_ms;   /* a look */
  bool huge;           /* the second look says far too much */
  unsigned asked;
  bool open, no_registers;
  uint64_t at[2];
} play;

int
look_guest_open (struct look_guest *l, uint64_t deadline, struct error *err)
{
  if (play.open_rc < 0)
    return error_set (err, -play.open_rc, "it is not here");
  assert_true (l->again);
  assert_true (l->keep_ms > 1000);
  play.no_registers = l->no_registers;
  play.open = l->open = true;
  return 0;
}

int
look_guest_check (struct look_guest *l, uint64_t deadline, struct error *err)
{
  return play.check_rc < 0 ? error_set (err, -play.check_rc, "it is another")
                           : 0;
}

void
look_guest_close (struct look_guest *l)
{
  play.open = l->open = false;
}

static void
give (const char *rows, look_rows_fn *fn, void *arg)
{
  char *text = strdup (rows);

  for (char *p = text; *p; p++)
    *p = *p == '\'' ? '"' : *p;
  assert_int_equal (fn (text, strlen (text), arg), 0);
  free (text);
}

int
look_guest_ask (struct look_guest *l, struct json_object *sections,
                uint64_t deadline, look_rows_fn *fn, void *arg,
                struct json_object **ret_end, struct error *err)
{
  unsigned i = play.asked++;
  static char junk[1u << 20];

  assert_in_range (i, 0, 1);
  play.at[i] = now_ms;
  if (now_ms + play.takes_ms > deadline)
    {
      now_ms = deadline;
      return error_set (err, ETIMEDOUT, "the time is over");
    }
  now_ms += play.takes_ms;
  give (play.rows[i], fn, arg);
  memset (junk, 'x', sizeof junk);
  for (unsigned n = 0; i == 1 && play.huge && n < 20; n++)
    assert_int_equal (fn (junk, sizeof junk, arg), 0);
  if (play.rc[i] < 0)
    return error_set (err, -play.rc[i], "the parser died");
  *ret_end = json_tokener_parse (play.end);
  return 0;
}

#define GUEST                                                                 \
  "{'row':'guest','guest':'vm','run':'running','registers':true,"             \
  "'impact':'taints it'}\n"                                                   \
  "{'row':'kernel','release':'6.1.0-test'}\n"
#define SYSTEM "{'row':'system','panicked':false,'clock_s':2000.0}\n"
#define TASKS                                                                 \
  "{'row':'task','pid':1,'tgid':1,'comm':'init','state':'S'}\n"               \
  "{'row':'cpu','cpu':0,'mode':'user','irqs_off':false,'halted':false}\n"
#define OLD                                                                   \
  "{'row':'dmesg','us':5000000,'level':3,'text':'INFO: task old:7 blocked "   \
  "for more than 120 seconds.'}\n"
#define NEW                                                                   \
  "{'row':'dmesg','us':1990000000,'level':0,'text':'watchdog: BUG: soft "     \
  "lockup - CPU#1 stuck for 26s! [spin:99]'}\n"
#define USER                                                                  \
  "{'row':'dmesg','us':1995000000,'level':0,'facility':3,'text':'Kernel "     \
  "panic - not syncing: somebody wrote this'}\n"

static void
reset (void)
{
  memset (&play, 0, sizeof play);
  play.rows[0] = play.rows[1] = GUEST SYSTEM TASKS;
  play.end = "{\"found\":true}";
  play.takes_ms = 30;
}

static struct haul *
get (int want_rc)
{
  static const struct guest g = { .name = "vm",
                                  .display = "vm",
                                  .monitor = MONITOR_UNIX,
                                  .inc = { .uuid = "u", .pid = 77 } };
  struct transport_env env = { .hub = NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;
  int rc = collect (&collect_memory, &g, &env, NULL, h, &err);

  if (rc != want_rc)
    fail_msg ("%d: %s", rc, err.msg);
  assert_false (play.open);
  return h;
}

static void
two_looks_apart (void **state)
{
  struct haul *h;

  reset ();
  play.rows[1] = GUEST SYSTEM TASKS
      "{'row':'moved','apart_s':1.0,'what':'cpu','cpu':0,'clock':true,"
      "'switches':12}\n" OLD NEW USER;
  h = get (0);
  assert_int_equal (play.asked, 2);
  /* From beginning to beginning. */
  assert_in_range (play.at[1] - play.at[0], 1000, 1050);
  assert_false (play.no_registers);
  assert_string_equal (text_of (h, "kernel.release"), "6.1.0-test");
  assert_int_equal (int_of (h, "kernel.switches"), 12);
  assert_int_equal (int_of (h, "kernel.clock_moved"), 1);
  assert_string_equal (text_of (h, "init.state"), "sleeping");
  /* The log is the second look's, and another witness. */
  assert_non_null (strstr (text_of (h, "kernel.event.soft_lockup"), "lockup"));
  assert_string_equal (fact_of (h, "kernel.event.soft_lockup")->source,
                       "memory");
  assert_string_equal (text_of (h, "kernel.class"), "soft-lockup");
  assert_string_equal (fact_of (h, "kernel.class")->source, "memory");
  assert_null (fact_of (h, "kernel.absent"));
  /* Half an hour ago is another story, and users write there, too. */
  assert_null (fact_of (h, "kernel.event.hung_task"));
  assert_null (fact_of (h, "kernel.event.panic"));
  assert_non_null (strstr (file_of (h, "memory/dmesg.txt"),
                           "[    5.000000] INFO: task old"));
  assert_non_null (strstr (file_of (h, "memory/dmesg.txt"), "somebody wrote"));
  assert_non_null (strstr (file_of (h, "memory/look.jsonl"),
                           "{\"row\":\"system\""));
  assert_null (strstr (file_of (h, "memory/look.jsonl"), "\"dmesg\""));
  assert_non_null (strstr (file_of (h, "memory/findings.json"),
                           "\"looks\":2"));
  assert_string_equal (buf_str (&h->gaps), "");
  assert_string_equal (buf_str (&h->impact), "taints it\n");
  haul_free (h);
}

static void
one_is_better_than_none (void **state)
{
  struct haul *h;

  reset ();
  play.rows[0] = GUEST SYSTEM TASKS NEW;
  play.rows[1] = "{'row':'guest'}\n";
  play.rc[1] = -EPROTO;
  h = get (0);
  assert_non_null (strstr (buf_str (&h->gaps), "no second look"));
  assert_non_null (strstr (buf_str (&h->gaps), "the parser died"));
  assert_non_null (fact_of (h, "kernel.event.soft_lockup"));
  assert_non_null (strstr (file_of (h, "memory/findings.json"),
                           "\"looks\":1"));
  haul_free (h);

  reset ();
  play.check_rc = -ESTALE;
  h = get (0);
  assert_int_equal (play.asked, 1);
  assert_non_null (strstr (buf_str (&h->gaps), "it is another"));
  haul_free (h);

  /* A first look that took all the time there is. */
  reset ();
  play.takes_ms = 7500;
  h = get (0);
  assert_non_null (strstr (buf_str (&h->gaps), "the time is over"));
  haul_free (h);
}

static void
why_there_is_none (void **state)
{
  struct haul *h;

  reset ();
  play.open_rc = -EACCES;
  haul_free (get (-EACCES));
  assert_int_equal (play.asked, 0);

  reset ();
  play.rc[0] = -EPROTO;
  haul_free (get (-EPROTO));

  reset ();
  play.rows[0] = play.rows[1]
      = "{'row':'guest','registers':false,'registers_why':'no answer'}\n"
        "{'row':'lacks','section':'io','what':'disks','why':'no types'}\n";
  play.end = "{\"found\":false,\"why\":\"no kernel here\"}";
  h = get (0);
  assert_non_null (
      strstr (buf_str (&h->gaps), "memory/registers: no answer\n"));
  assert_non_null (strstr (buf_str (&h->gaps), "memory/io: disks: no types\n"));
  assert_non_null (strstr (buf_str (&h->gaps), "no kernel here"));
  assert_null (fact_of (h, "tasks.count"));
  assert_string_equal (text_of (h, "kernel.absent"), "no kernel here");
  haul_free (h);
}

/* What is no row is nobody's, and too much is left out and said. */
static void
takes_anything (void **state)
{
  struct haul *h;

  reset ();
  play.rows[0] = "{'row':5}\n[]\n{}\n";
  play.rows[1] = "nonsense\n{'row':7}\n[1]\n\n{'row':'dmesg'}\n"
                 "{'row':'task','pid':1}\nno end";
  h = get (0);
  assert_non_null (strstr (file_of (h, "memory/dmesg.txt"), "[    0.000000]"));
  assert_string_equal (text_of (h, "init.state"), "unknown");
  haul_free (h);

  reset ();
  play.huge = true;
  h = get (0);
  assert_non_null (strstr (buf_str (&h->gaps), "beyond 6 MiB"));
  assert_string_equal (text_of (h, "init.state"), "sleeping");
  haul_free (h);
}

/* What a step says, read as a playbook's. */
static void *
step (const char *text)
{
  struct json_object *o = json_tokener_parse (text);
  void *own = calloc (1, collect_memory.own_size);

  assert_non_null (own);
  memcpy (own, collect_memory.own_init, collect_memory.own_size);
  assert_int_equal (
      json_decode (NULL, o, "", collect_memory.fields, own, NULL), 0);
  json_object_put (o);
  return own;
}

static void
says_before_what_it_does (void **state)
{
  static const struct
  {
    enum monitor_kind monitor;
    const char *step, *act;
  } cases[] = {
    { MONITOR_UNIX, "{}", "registers, twice" },
    { MONITOR_UNIX, "{\"registers\":\"never\"}", NULL },
    { MONITOR_LIBVIRT, "{}", NULL }, /* a suspicion is to leave no mark */
    { MONITOR_LIBVIRT, "{\"registers\":\"always\"}", "taints" },
    { MONITOR_NONE, "{\"registers\":\"always\"}", NULL },
  };
  struct guest g = { .inc = { .pid = 7 } };
  struct collect_plan p;

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      void *own = step (cases[i].step);

      g.monitor = cases[i].monitor;
      collector_plan (&collect_memory, &g, own, &p);
      assert_int_equal (p.touch,
                        cases[i].act ? TOUCH_MONITOR : TOUCH_NOTHING);
      if (cases[i].act)
        assert_non_null (strstr (p.acts[0], cases[i].act));
      else
        assert_string_equal (p.acts[0], "");
      assert_string_equal (p.never, "");
      free (own);
    }
  g.inc.pid = 0;
  collector_plan (&collect_memory, &g, NULL, &p);
  assert_string_not_equal (p.never, "");
}

/* And does what it says. */
static void
leaves_no_mark (void **state)
{
  static const struct guest g = { .name = "vm", .display = "vm",
                                  .monitor = MONITOR_LIBVIRT,
                                  .inc = { .uuid = "u", .pid = 77 } };
  struct transport_env env = { .hub = NULL };
  struct error err = ERROR_INIT;
  struct haul *h = haul_new ();

  reset ();
  play.rows[1] = "{'row':'guest','registers':false,'registers_why':'not'}\n";
  assert_int_equal (collect (&collect_memory, &g, &env, NULL, h, &err), 0);
  assert_true (play.no_registers);
  assert_non_null (strstr (buf_str (&h->gaps), "would taint the domain"));
  haul_free (h);
  h = haul_new ();
  reset ();
  assert_int_equal (collect (&collect_memory, &g, &env,
                             "{\"registers\":\"always\"}", h, &err),
                    0);
  assert_false (play.no_registers);
  haul_free (h);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (two_looks_apart),
    cmocka_unit_test (one_is_better_than_none),
    cmocka_unit_test (why_there_is_none),
    cmocka_unit_test (takes_anything),
    cmocka_unit_test (says_before_what_it_does),
    cmocka_unit_test (leaves_no_mark),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
