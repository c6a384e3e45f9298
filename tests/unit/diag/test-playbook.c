/* SPDX-License-Identifier: Apache-2.0
 *
 * Playbooks: what is read, what is refused and where it is said to be, that
 * they are written as they are read, and that whoever runs one keeps it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/ladder/cond.h"
#include "diag/ladder/ladder.h"
#include "diag/playbook.h"
#include "diag/playbook_shipped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- collectors as they might be ---- */

struct knock
{
  char *address;
  int64_t times;
};

static const struct json_field knock_fields[] = {
  { .name = "address", .kind = JSON_STRING,
    .offset = offsetof (struct knock, address), .min = 1, .max = 20 },
  { .name = "times", .kind = JSON_INT,
    .offset = offsetof (struct knock, times), .min = 1, .max = 9 },
  { .name = NULL },
};
static const struct knock knock_init = { .times = 3 };

static int
knock_check (const struct json_doc *doc, const char *path, const void *own,
             uint64_t budget_ms, struct error *err)
{
  const struct knock *k = own;
  char at[64];

  snprintf (at, sizeof at, "%s.times", path);
  if (k->address && k->times == 9)
    return json_error_at (doc, at, err, "too often for one address");
  if ((uint64_t) k->times * 1000 > budget_ms)
    return json_error_at (doc, at, err, "more than its budget");
  return 0;
}

/* Those that shipped ones say something of. */
struct memory
{
  uint64_t apart_ms;
  int registers;
};
static const char *const registers[] = { "never", "untainted", "always", NULL };
static const struct json_field memory_fields[] = {
  { .name = "apart", .kind = JSON_DURATION,
    .offset = offsetof (struct memory, apart_ms) },
  { .name = "registers", .kind = JSON_ENUM,
    .offset = offsetof (struct memory, registers), .names = registers },
  { .name = NULL },
};
struct keys
{
  char *keys;
  int by;
};
static const char *const by[]
    = { "kernel", "keyboard", "console", "agent", "ssh", NULL };
static const struct json_field keys_fields[] = {
  { .name = "keys", .kind = JSON_STRING,
    .offset = offsetof (struct keys, keys) },
  { .name = "by", .kind = JSON_ENUM, .offset = offsetof (struct keys, by),
    .names = by },
  { .name = NULL },
};
static const struct collector memory = { .name = "memory",
                                         .summary = "y",
                                         .fields = memory_fields,
                                         .own_size = sizeof (struct memory),
                                         .touch = TOUCH_MONITOR };

struct raw
{
  bool raw;
};
static const struct json_field raw_fields[] = {
  { .name = "raw", .kind = JSON_BOOL, .offset = offsetof (struct raw, raw) },
  { .name = NULL },
};
static const struct collector host = { .name = "host", .summary = "h" };
static const struct collector console = { .name = "console", .summary = "c" };
static const struct collector monitor
    = { .name = "monitor", .summary = "m", .fields = raw_fields,
        .own_size = sizeof (struct raw), .touch = TOUCH_MONITOR };
static const struct collector disk = { .name = "disk", .summary = "d" };
static const struct collector screen = { .name = "screen", .summary = "s" };
static const struct collector image = { .name = "image", .summary = "i" };
struct net
{
  uint64_t capture_ms;
};
static const struct json_field net_fields[] = {
  { .name = "capture", .kind = JSON_DURATION,
    .offset = offsetof (struct net, capture_ms) },
  { .name = NULL },
};
static const struct collector net = { .name = "net",
                                      .summary = "n",
                                      .fields = net_fields,
                                      .own_size = sizeof (struct net) };
static const struct collector sysrq = { .name = "sysrq",
                                        .summary = "s",
                                        .fields = keys_fields,
                                        .own_size = sizeof (struct keys) };
static const char *const ways[] = { "console", "agent", "ssh", NULL };
struct inside
{
  int way;
};
static const struct json_field inside_fields[] = {
  { .name = "way", .kind = JSON_ENUM,
    .offset = offsetof (struct inside, way), .names = ways },
  { .name = NULL },
};
static const struct collector inside = { .name = "inside",
                                         .summary = "i",
                                         .fields = inside_fields,
                                         .own_size = sizeof (struct inside) };
static const struct collector application
    = { .name = "application",
        .summary = "a",
        .fields = inside_fields,
        .own_size = sizeof (struct inside) };
static const struct collector knock = { .name = "knock",
                                        .summary = "k",
                                        .fields = knock_fields,
                                        .own_size = sizeof (struct knock),
                                        .own_init = &knock_init,
                                        .budget_ms = 8500,
                                        .check = knock_check };
static const struct collector xon = { .name = "xon", .summary = "x" };
const struct collector *const collectors[]
    = { &host, &memory, &console, &monitor, &disk, &screen, &image, &net,
        &sysrq, &inside, &application, &xon, &knock, NULL };

const struct collector *
collector_find (const char *name)
{
  for (size_t i = 0; collectors[i]; i++)
    if (strcmp (collectors[i]->name, name) == 0)
      return collectors[i];
  return NULL;
}

/* ---- reading ---- */

static int
read_text (const char *text, struct playbook **ret, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;

  assert_int_equal (json_parse (text, strlen (text), JSON_FILE, "f",
                                JSON_MAX_FILE, &doc, NULL),
                    0);
  return playbook_read (doc, json_root (doc), "", "file f", ret, err);
}

static struct playbook *
playbook_of (const char *text)
{
  struct playbook *p = NULL;
  struct error err = ERROR_INIT;
  int r = read_text (text, &p, &err);

  if (r < 0)
    fail_msg ("%s", error_text (&err));
  return p;
}

static void
test_whole (void **state)
{
  struct playbook *p = playbook_of (
      "{ // comments may be\n"
      "  \"schema\": \"hangdog/playbook/1\", \"name\": \"storage\","
      "  \"summary\": \"disks first\", \"budget\": \"30s\","
      "  \"bytes\": \"32MiB\", \"steps\": [ \"host\","
      "  { \"do\": \"knock\", \"name\": \"first\", \"budget\": \"5s\","
      "    \"address\": \"a:1\" },"
      "  { \"do\": \"knock\", \"times\": 2 } ] }");
  const struct knock *k;

  assert_string_equal (p->name, "storage");
  assert_string_equal (p->summary, "disks first");
  assert_string_equal (p->origin, "file f");
  assert_int_equal (p->budget_ms, 30000);
  assert_int_equal (p->bytes, 32u << 20);
  assert_int_equal (p->nsteps, 3);
  assert_ptr_equal (p->steps[0].collector, &host);
  assert_string_equal (p->steps[0].name, "host");
  assert_int_equal (p->steps[0].budget_ms, 0);
  assert_null (p->steps[0].own);
  assert_ptr_equal (playbook_step_named (p, "first"), &p->steps[1]);
  assert_int_equal (p->steps[1].budget_ms, 5000);
  assert_null (p->steps[1].when);
  k = p->steps[1].own;
  assert_string_equal (k->address, "a:1");
  assert_int_equal (k->times, 3); /* what is not said is as it begins */
  k = p->steps[2].own;
  assert_null (k->address);
  assert_int_equal (k->times, 2);
  assert_string_equal (p->steps[2].name, "knock");
  playbook_unref (p);
}

#define HEAD "\"name\":\"x\",\"steps\":"

static void
test_refused (void **state)
{
  static const struct
  {
    const char *text, *says;
  } cases[] = {
    { "[]", "a playbook must be an object" },
    { "{}", "name" },
    { "{\"name\":\"x\"}", "steps" },
    { "{" HEAD "[]}", "steps" },
    { "{" HEAD "[7]}", "f:1:22: steps[0]: must be a collector's name" },
    { "{" HEAD "[\"hots\"]}", "steps[0]: there is no such collector (did you "
                              "mean \"host\"?)" },
    { "{" HEAD "[{\"do\":\"knok\"}]}",
      "f:1:23: steps[0].do: there is no such collector (did you mean "
      "\"knock\"?)" },
    { "{" HEAD "[{}]}", "steps[0]: the key \"do\" is missing" },
    { "{" HEAD "[{\"do\":7}]}", "steps[0].do: " },
    { "{" HEAD "[{\"do\":\"\"}]}", "steps[0].do: " },
    { "{" HEAD "[{\"do\":\"host\",\"budgt\":\"1s\"}]}", "budget" },
    { "{" HEAD "[{\"do\":\"host\",\"budget\":\"9h\"}]}", "steps[0].budget" },
    { "{" HEAD "[{\"do\":\"host\",\"times\":1}]}", "steps[0].times" },
    { "{" HEAD "[{\"do\":\"knock\",\"times\":0}]}", "steps[0].times" },
    { "{" HEAD "[{\"do\":\"knock\",\"times\":5,\"budget\":\"4s\"}]}",
      "steps[0].times: more than its budget" },
    { "{" HEAD "[{\"do\":\"knock\",\"times\":9}]}",
      "steps[0].times: more than its budget" },
    { "{" HEAD "[{\"do\":\"knock\",\"times\":9,\"address\":\"a\"}]}",
      "steps[0].times: too often" },
    { "{" HEAD "[{\"do\":\"host\",\"name\":\"../x\"}]}", "steps[0].name: a name "
                                                       "is made" },
    { "{" HEAD "[{\"do\":\"host\",\"if\":7}]}", "steps[0].if" },
    { "{" HEAD "[\"host\",{\"do\":\"disk\",\"if\":[\"vmm == alive\","
      "\"vmm == alife\"]}]}",
      "steps[1].if[1]" },
    { "{" HEAD "[\"host\",\"host\"]}", "steps[1]: there is another step" },
    { "{" HEAD "[\"host\"],\"schema\":\"hangdog/playbook/2\"}", "schema: must" },
    { "{\"name\":\"../x\",\"steps\":[\"host\"]}", "name: a name is made" },
    { "{\"name\":\"no-touch\",\"steps\":[\"host\",\"monitor\"]}",
      "f:1:36: steps[1]: of that name only" },
    { "{\"nam\":\"x\",\"steps\":[\"host\"]}", "did you mean \"name\"" },
    { "{" HEAD "[\"host\"],\"budget\":\"5\"}", "budget" },
    { "{" HEAD "[\"host\"],\"bytes\":\"1KiB\"}", "bytes" },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct error err = ERROR_INIT;
      struct playbook *p = NULL;

      if (read_text (cases[i].text, &p, &err) == 0
          || !strstr (error_text (&err), cases[i].says))
        fail_msg ("%s: \"%s\", not \"%s\"", cases[i].text, error_text (&err),
                  cases[i].says);
      assert_null (p);
    }
}

static void
test_many_steps (void **state)
{
  struct buf text CLEANUP_BUF = BUF_INIT (8192);
  struct playbook *p = NULL;

  buf_puts (&text, "{" HEAD "[");
  for (unsigned i = 0; i < PLAYBOOK_STEPS; i++)
    buf_printf (&text, "%s{\"do\":\"host\",\"name\":\"s%u\"}", i ? "," : "",
                i);
  buf_puts (&text, "]}");
  p = playbook_of (buf_str (&text));
  assert_int_equal (p->nsteps, PLAYBOOK_STEPS);
  playbook_unref (p);
  text.len -= 2;
  buf_puts (&text, ",\"host\"]}");
  p = NULL;
  assert_int_equal (read_text (buf_str (&text), &p, NULL), -EINVAL);
}

/* ---- writing ---- */

static void
test_round (void **state)
{
  struct playbook *p = playbook_of (
      "{" HEAD "[\"host\",{\"do\":\"knock\",\"name\":\"k\",\"budget\":\"90s\","
      "\"if\":[\"vmm  == alive\",\"no kernel.event.panic\"],"
      "\"address\":\"a:1\"},{\"do\":\"disk\",\"if\":\"disk.any_moved == "
      "false\"}],\"budget\":\"120s\",\"bytes\":1048576}");
  CLEANUP_JSON struct json_object *first = playbook_to_json (p), *second = NULL;
  struct playbook *again;

  assert_string_equal (
      json_object_to_json_string_ext (first, JSON_C_TO_STRING_PLAIN),
      "{\"schema\":\"hangdog\\/playbook\\/1\",\"name\":\"x\",\"summary\":\"\","
      "\"budget\":\"2m\",\"bytes\":1048576,\"steps\":[{\"do\":\"host\"},"
      "{\"do\":\"knock\",\"name\":\"k\",\"budget\":\"90s\",\"if\":[\"vmm == "
      "alive\",\"no kernel.event.panic\"],\"address\":\"a:1\",\"times\":3},"
      "{\"do\":\"disk\",\"if\":\"disk.any_moved == false\"}]}");
  assert_int_equal (playbook_read (NULL, first, "", "again", &again, NULL), 0);
  second = playbook_to_json (again);
  assert_true (json_object_equal (first, second));
  playbook_unref (p);
  playbook_unref (again);
}

static void
test_schema (void **state)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1u << 20);
  CLEANUP_JSON struct json_object *o = NULL;
  struct json_object *items, *any, *step;
  size_t n = 0;

  playbook_schema (&text);
  o = json_tokener_parse (buf_str (&text));
  assert_non_null (o);
  items = json_get (json_get (json_get (o, "properties"), "steps"), "items");
  any = json_get (items, "anyOf");
  assert_int_equal (json_object_array_length (any), 2);
  step = json_object_array_get_idx (any, 1);
  /* A branch for each collector. */
  while (collectors[n])
    n++;
  assert_int_equal (json_object_array_length (json_get (step, "allOf")),
                    n);
  assert_non_null (json_get (json_get (step, "properties"), "if"));
}

/* ---- sets ---- */

/* Who wants but their names looks at those of their files. */
static bool
is_shipped_as (const char *name)
{
  char file[80];

  snprintf (file, sizeof file, "%s.json", name);
  for (const struct embedded_file *f = playbook_shipped; f->name; f++)
    if (strcmp (f->name, file) == 0)
      return true;
  return false;
}

/* Would it be done, by what was found so far? */
static bool
is_done (const struct playbook_step *s, const char *count, const char *answer)
{
  struct fact facts[2] = { { .type = FACT_INT, .source = "memory", .i = 40 },
                           { .type = FACT_TEXT, .source = "sysrq" } };
  struct ladder ladder = { .facets = { { .state = FACET_UNKNOWN } } };
  struct fact_set *set;
  bool done;

  snprintf (facts[0].name, sizeof facts[0].name, "%s", count);
  snprintf (facts[1].name, sizeof facts[1].name, "kernel.answers");
  snprintf (facts[1].text, sizeof facts[1].text, "%s", answer);
  assert_int_equal (fact_set_new (8, &set, NULL), 0);
  fact_set_fill (set, facts, 2);
  done = cond_list_holds (s->when, set, &ladder, NULL, NULL);
  fact_set_free (set);
  return done;
}

/* The states of a guest's tasks are told by its memory, or else by itself: at
 * last, for that is the most that it is made to say. */
static void
test_tasks_are_told (void **state)
{
  struct playbook_set *set;
  const struct playbook_step *s;
  const struct playbook *p;
  struct error err = ERROR_INIT;

  if (playbook_set_new (NULL, 0, &set, &err) < 0)
    fail_msg ("%s", error_text (&err));
  p = playbook_find (set, playbook_default);
  s = playbook_step_named (p, "sysrq-tasks");
  assert_non_null (s);
  assert_ptr_equal (s, &p->steps[p->nsteps - 1]);
  assert_true (is_done (s, "tasks.in_io", "shown"));
  assert_false (is_done (s, "tasks.count", "shown"));
  assert_false (is_done (s, "tasks.in_io", "none"));
  assert_false (is_done (s, "tasks.in_io", "disabled"));
  playbook_set_unref (set);
}

static void
test_shipped (void **state)
{
  struct playbook_set *set;
  const struct playbook *harmless;
  struct error err = ERROR_INIT;
  unsigned n = 0;

  if (playbook_set_new (NULL, 0, &set, &err) < 0)
    fail_msg ("%s", error_text (&err));
  for (const struct embedded_file *f = playbook_shipped; f->name; f++)
    n++;
  assert_int_equal (n, set->n);
  for (unsigned i = 0; i < set->n; i++)
    {
      const struct playbook *p = set->list[i];

      assert_true (i == 0 || strcmp (set->list[i - 1]->name, p->name) < 0);
      assert_true (is_shipped_as (p->name));
      assert_string_equal (p->origin, "shipped");
      assert_true (p->summary[0] && p->budget_ms && p->bytes);
    }
  assert_non_null (playbook_find (set, playbook_default));
  assert_non_null (playbook_find (set, "quick"));
  assert_non_null (playbook_find (set, "deep"));
  harmless = playbook_find (set, playbook_harmless);
  assert_non_null (harmless);
  for (unsigned i = 0; i < harmless->nsteps; i++)
    assert_int_equal (harmless->steps[i].collector->touch, TOUCH_NOTHING);
  playbook_set_unref (set);
}

static void
test_own (void **state)
{
  struct playbook *own[] = {
    playbook_of ("{\"name\":\"zeal\",\"steps\":[\"host\"]}"),
    playbook_of ("{\"name\":\"quick\",\"steps\":[\"disk\"]}"),
  };
  struct playbook *kept;
  struct playbook_set *set;
  struct error err = ERROR_INIT;

  assert_int_equal (playbook_set_new (own, 2, &set, NULL), 0);
  playbook_unref (own[0]);
  playbook_unref (own[1]);
  assert_int_equal (set->n, 5);
  assert_string_equal (set->list[4]->name, "zeal");
  assert_string_equal (playbook_find (set, "quick")->origin, "file f");
  assert_int_equal (playbook_find (set, "quick")->nsteps, 1);

  assert_int_equal (playbook_check (set, NULL, &err), 0);
  assert_int_equal (playbook_check (set, "", &err), 0);
  assert_int_equal (playbook_check (set, "zeal", &err), 0);
  assert_int_equal (playbook_check (set, "zeel", &err), -EINVAL);
  assert_non_null (strstr (error_text (&err), "did you mean \"zeal\""));
  assert_null (playbook_find (set, "zeel"));

  /* Who runs one has it, whatever becomes of the set. */
  kept = playbook_ref (playbook_find (set, "zeal"));
  playbook_set_ref (set);
  playbook_set_unref (set);
  playbook_set_unref (set);
  assert_string_equal (kept->steps[0].name, "host");
  playbook_unref (kept);
}

static void
test_own_twice (void **state)
{
  struct playbook *own[] = {
    playbook_of ("{\"name\":\"zeal\",\"steps\":[\"host\"]}"),
    playbook_of ("{\"name\":\"zeal\",\"steps\":[\"disk\"]}"),
  };
  struct playbook_set *set = NULL;
  struct error err = ERROR_INIT;

  assert_int_equal (playbook_set_new (own, 2, &set, &err), -EEXIST);
  assert_null (set);
  assert_non_null (strstr (error_text (&err), "another playbook named"));
  playbook_unref (own[0]);
  playbook_unref (own[1]);
  playbook_unref (NULL);
  playbook_set_unref (NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_whole),      cmocka_unit_test (test_refused),
    cmocka_unit_test (test_many_steps), cmocka_unit_test (test_round),
    cmocka_unit_test (test_schema),     cmocka_unit_test (test_shipped),
    cmocka_unit_test (test_tasks_are_told),
    cmocka_unit_test (test_own),        cmocka_unit_test (test_own_twice),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
