/* SPDX-License-Identifier: Apache-2.0
 *
 * The layers of scenarios: whose counts, and that what is bound outlives the
 * daemon.  Bindings and the writer are faked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kept-bed.h"

#include "base/cleanup.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/layers.h"

static char names[512]; /* of those that are in force */
static unsigned settled;
static bool set_fails;

int
bindings_set (struct bindings *b, struct scenario **list, size_t n,
              struct error *err)
{
  if (set_fails)
    return error_set (err, ENOMEM, "no memory");
  names[0] = '\0';
  for (size_t i = 0; i < n; i++)
    {
      size_t len = strlen (names);

      snprintf (names + len, sizeof names - len, "%s%s", len ? " " : "",
                list[i]->name);
      scenario_unref (list[i]);
    }
  return 0;
}

static void
on_settled (void *arg)
{
  settled++;
}

static struct layers *
daemon_of_now (void)
{
  const struct layers_env env = { .loop = kept_loop,
                                  .writer = KEPT_WRITER,
                                  .settled = on_settled };
  struct layers *l;

  settled = 0;
  assert_int_equal (layers_new (&env, &l, NULL), 0);
  layers_writer_up (l);
  return l;
}

static int
begin (void **state)
{
  kept_reset ();
  set_fails = false;
  names[0] = '\0';
  *state = daemon_of_now ();
  return 0;
}

static int
end (void **state)
{
  layers_free (*state);
  kept_done ();
  return 0;
}

static struct scenario *standby;

const struct scenario *
bindings_default (const struct bindings *b)
{
  return standby;
}

static struct scenario *
document (const char *name, const char *more)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct scenario *s = NULL;
  char *text;
  int n = asprintf (&text,
                    "{\"name\":\"%s\",\"kind\":\"tcp\",%s"
                    "\"address\":\"192.0.2.1:1\"}",
                    name, more);

  assert_true (n > 0);
  assert_int_equal (json_parse (text, (size_t) n, JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, NULL),
                    0);
  assert_int_equal (scenario_parse (doc, json_root (doc), "", &s, NULL), 0);
  free (text);
  return s;
}

static int
files (struct layers *l, const char *a, const char *b)
{
  struct scenario *list[2] = { document (a, ""), b ? document (b, "") : NULL };
  int r;

  list[0]->origin = strdup ("file /etc/a.json");
  r = layers_files (l, list, b ? 2 : 1, NULL);
  for (int i = 0; r < 0 && i < 2; i++)
    scenario_unref (list[i]);
  return r;
}

static bool replaced;

static int
bind_ (struct layers *l, const char *name, const char *more)
{
  struct scenario *s = document (name, more);
  int r = layers_bind (l, s, "ann", "uid 7", &replaced, NULL);

  scenario_unref (s);
  if (r == 0)
    layers_keep (l, kept_told, NULL);
  return r;
}

static int
unbind (struct layers *l, const char *name)
{
  int r = layers_unbind (l, name, NULL);

  if (r == 0)
    layers_keep (l, kept_told, NULL);
  return r;
}

static void
test_both_count (void **state)
{
  struct layers *l = *state;
  struct layer_info info;

  assert_int_equal (bind_ (l, "x", ""), -EBUSY);
  assert_int_equal (files (l, "a", "b"), 0);
  assert_string_equal (names, "a b");
  assert_int_equal (bind_ (l, "x", ""), 0);
  assert_false (replaced);
  assert_string_equal (names, "a b x");
  assert_int_equal (bind_ (l, "a", ""), -EEXIST);
  assert_int_equal (bind_ (l, "x", "\"interval\":\"90s\","), 0);
  assert_true (replaced);
  assert_true (layers_find (l, "x", &info));
  assert_int_equal (info.scenario->interval_ms, 90000);
  assert_string_equal (info.origin, "bound");
  assert_string_equal (info.who, "ann");
  assert_true (layers_find (l, "a", &info));
  assert_string_equal (info.origin, "file /etc/a.json");
  assert_true (layers_find (l, "b", &info));
  assert_string_equal (info.origin, "built-in");
  assert_false (layers_find (l, "y", &info));
  assert_int_equal (unbind (l, "a"), -EPERM);
  assert_int_equal (unbind (l, "y"), -ENOENT);
  assert_int_equal (unbind (l, "x"), 0);
  assert_string_equal (names, "a b");
}

/* A file that comes to have the name counts, until it is gone. */
static void
test_shadowed (void **state)
{
  struct layers *l = *state;
  struct layer_info info;

  assert_int_equal (files (l, "a", NULL), 0);
  assert_int_equal (bind_ (l, "b", ""), 0);
  assert_int_equal (bind_ (l, "c", ""), 0);
  assert_int_equal (files (l, "a", "b"), 0);
  assert_string_equal (names, "a b c");
  assert_true (layers_find (l, "b", &info));
  assert_string_equal (info.origin, "built-in");
  assert_int_equal (files (l, "a", NULL), 0);
  assert_string_equal (names, "a b c");
  assert_true (layers_find (l, "b", &info));
  assert_string_equal (info.origin, "bound");
  /* Which is how to get rid of it, too. */
  assert_int_equal (files (l, "a", "b"), 0);
  assert_int_equal (unbind (l, "b"), 0);
  assert_int_equal (files (l, "a", NULL), 0);
  assert_string_equal (names, "a c");
}

/* "above" looks at those that are named. */
static struct scenario *
above (const char *name, const char *of)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct scenario *s = NULL;
  char text[200];
  int n = snprintf (text, sizeof text,
                    "{\"name\":\"%s\",\"kind\":\"all\",\"of\":[%s]}", name,
                    of);

  assert_int_equal (json_parse (text, (size_t) n, JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, NULL),
                    0);
  assert_int_equal (scenario_parse (doc, json_root (doc), "", &s, NULL), 0);
  return s;
}

static const char *
fault (struct layers *l, const char *name)
{
  static struct layer_info info;

  assert_true (layers_find (l, name, &info));
  return info.fault;
}

/* What names one that is not there is the only one that is the worse for it,
 * and only as long as it is so. */
static void
test_parts_of_any_layer (void **state)
{
  struct layers *l = *state;
  struct scenario *list[]
      = { document ("a", ""), above ("up", "\"a\",\"x\"") };
  struct scenario *other = above ("over", "\"up\"");

  assert_int_equal (layers_files (l, list, 2, NULL), 0);
  assert_string_equal (names, "a up");
  assert_string_equal (fault (l, "a"), "");
  assert_string_equal (fault (l, "up"),
                       "scenario up: of[1]: there is no scenario named \"x\" "
                       "(did you mean \"a\"?)");
  assert_int_equal (bind_ (l, "x", ""), 0);
  assert_string_equal (fault (l, "up"), "");
  assert_int_equal (layers_bind (l, other, "", "", &replaced, NULL), 0);
  assert_string_equal (names, "a up x over");
  assert_string_equal (fault (l, "over"),
                       "scenario over: of[0]: \"up\" is of kind all, which "
                       "looks at others itself; name those");
  /* It is no part of what is kept. */
  assert_null (strstr (kept_text, "looks at others"));
  assert_int_equal (unbind (l, "x"), 0);
  assert_true (strstr (fault (l, "up"), "named \"x\"") != NULL);
  assert_int_equal (files (l, "a", "x"), 0);
  assert_true (strstr (fault (l, "over"), "named \"up\"") != NULL);
  scenario_unref (other);
  /* What is not taken changes nothing. */
  other = above ("over", "\"a\"");
  set_fails = true;
  assert_int_equal (layers_bind (l, other, "", "", &replaced, NULL), -ENOMEM);
  set_fails = false;
  assert_true (strstr (fault (l, "over"), "named \"up\"") != NULL);
  assert_int_equal (layers_bind (l, other, "", "", &replaced, NULL), 0);
  assert_string_equal (fault (l, "over"), "");
  scenario_unref (other);
}

static void
test_outlives_the_daemon (void **state)
{
  struct layers *l = *state;
  struct layer_info info;

  assert_int_equal (files (l, "a", NULL), 0);
  assert_int_equal (bind_ (l, "x", "\"select\":{\"name\":\"web*\"},"), 0);
  assert_int_equal (bind_ (l, "y", ""), 0);
  assert_int_equal (kept_saved, 2);
  layers_free (l);
  *state = l = daemon_of_now ();
  /* Not before it is known which names the files have. */
  assert_int_equal (files (l, "a", NULL), 0);
  assert_string_equal (names, "a x y");
  assert_true (layers_find (l, "x", &info));
  assert_string_equal (info.scenario->select.name, "web*");
  assert_string_equal (info.by, "uid 7");
  layers_free (l);
  names[0] = '\0';
  *state = l = daemon_of_now ();
  layers_no_files (l);
  assert_string_equal (names, "x y");
}

static void
test_bounds (void **state)
{
  struct layers *l = *state;
  char name[16];
  static char big[1100];
  int length = snprintf (big, sizeof big, "\"send\":\"%01000d\",", 0);

  assert_true (length > 1000);
  assert_int_equal (files (l, "a", NULL), 0);
  for (unsigned i = 0; i < BOUND_MAX; i++)
    {
      snprintf (name, sizeof name, "n%u", i);
      assert_int_equal (bind_ (l, name, i % 2 ? "" : big), 0);
    }
  assert_int_equal (bind_ (l, "more", ""), -ENOBUFS);
  /* In the place of one there is room. */
  assert_int_equal (bind_ (l, "n7", big), 0);
  assert_true (strlen (kept_text) < 1 << 20);
}

/* What is not in force is not kept. */
static void
test_no_memory (void **state)
{
  struct layers *l = *state;
  struct layer_info info;

  assert_int_equal (files (l, "a", NULL), 0);
  assert_int_equal (bind_ (l, "x", ""), 0);
  set_fails = true;
  assert_int_equal (bind_ (l, "y", ""), -ENOMEM);
  assert_int_equal (bind_ (l, "x", "\"interval\":\"90s\","), -ENOMEM);
  assert_int_equal (files (l, "b", NULL), -ENOMEM);
  set_fails = false;
  assert_false (layers_find (l, "y", &info));
  assert_true (layers_find (l, "x", &info));
  assert_int_equal (info.scenario->interval_ms, 30000);
  assert_true (layers_find (l, "a", &info));
  assert_int_equal (unbind (l, "x"), 0);
  assert_string_equal (names, "a");
}

static void
test_hostile_file (void **state)
{
  layers_free (*state);
  kept_put ("{\"bound\":[7,{},{\"document\":{}},{\"document\":{\"name\":\"x\","
            "\"kind\":\"of tomorrow\"}},{\"document\":{\"name\":\"y\","
            "\"kind\":\"tcp\",\"playbook\":\"gone\","
            "\"address\":\"192.0.2.1:1\"}},{\"document\":{\"name\":\"z\","
            "\"kind\":\"tcp\",\"address\":\"192.0.2.1:1\"}}]}");
  *state = daemon_of_now ();
  layers_no_files (*state);
  /* Of one whose playbook is gone less is collected when it fails. */
  assert_string_equal (names, "y z");
  /* What a daemon of tomorrow bound is not lost with the next change. */
  assert_non_null (strstr (kept_bad, "of tomorrow"));
}

/* A disk that does not answer, or not yet: what is on it is not written
 * over. */
static void
test_not_read (void **state)
{
  struct layers *l = *state;

  assert_int_equal (files (l, "a", NULL), 0);
  assert_int_equal (bind_ (l, "x", ""), 0);
  layers_free (l);
  kept_unread = ETIMEDOUT;
  *state = l = daemon_of_now ();
  assert_int_equal (files (l, "a", NULL), 0);
  assert_string_equal (names, "a");
  assert_int_equal (settled, 0);
  kept_saved = 0;
  assert_int_equal (bind_ (l, "y", ""), 0);
  assert_int_equal (kept_saved, 0);
  assert_null (strstr (kept_text, "\"y\""));
  kept_wait ();
  assert_string_equal (names, "a y");
  /* By itself, and no writer was started anew. */
  kept_unread = 0;
  kept_wait ();
  assert_string_equal (names, "a y x");
  assert_true (settled > 0);
  assert_non_null (strstr (kept_text, "\"x\""));
  assert_non_null (strstr (kept_text, "\"y\""));
  assert_null (kept_bad);
}

/* Both layers, or it is not sure that a scenario is gone. */
static void
test_settled (void **state)
{
  struct layers *l = *state;

  assert_int_equal (settled, 0);
  layers_no_files (l);
  assert_int_equal (bind_ (l, "x", ""), 0);
  assert_int_equal (settled, 0);
  assert_int_equal (files (l, "a", NULL), 0);
  assert_int_equal (settled, 1);
  assert_int_equal (unbind (l, "x"), 0);
  assert_int_equal (settled, 2);
  set_fails = true;
  assert_int_equal (files (l, "b", NULL), -ENOMEM);
  assert_int_equal (settled, 2);
}

static void
list_one (const struct layer_info *info, void *arg)
{
  char *all = arg;
  size_t len = strlen (all);

  snprintf (all + len, 256 - len, "%s from %s%s, ", info->scenario->name,
            info->origin, info->standby ? " (standby)" : "");
}

/* The built-in one is listed and found, too, and steps back by its name. */
static void
test_standby (void **state)
{
  struct layers *l = *state;
  struct layer_info info;
  char all[256] = "";

  assert_int_equal (files (l, "a", NULL), 0);
  assert_false (layers_find (l, "heartbeat", &info));
  standby = document ("heartbeat", "");
  layers_each (l, list_one, all);
  assert_string_equal (all, "a from file /etc/a.json, heartbeat from built-in "
                            "(standby), ");
  assert_true (layers_find (l, "heartbeat", &info));
  assert_true (info.standby);
  assert_int_equal (bind_ (l, "heartbeat", ""), 0);
  assert_true (layers_find (l, "heartbeat", &info));
  assert_string_equal (info.origin, "bound");
  scenario_unref (standby);
  standby = NULL;
}

/* All that fits in is all that can be written: who bound it is in it, too. */
static void
test_one_state_file (void **state)
{
  struct layers *l = *state;
  static char big[4000], who[63];
  char name[16];
  unsigned n = 0;
  int r = 0;

  memset (who, 1, sizeof who - 1); /* six bytes each, once escaped */
  snprintf (big, sizeof big, "\"send\":\"");
  for (unsigned i = 0; i < 600; i++)
    memcpy (big + 8 + 6 * i, "\\u0001", 6);
  memcpy (big + 8 + 6 * 600, "\",", 3);
  assert_int_equal (files (l, "a", NULL), 0);
  for (; r == 0; n++)
    {
      struct scenario *s;

      snprintf (name, sizeof name, "n%u", n);
      s = document (name, big);
      r = layers_bind (l, s, who, who, &replaced, NULL);
      scenario_unref (s);
    }
  assert_int_equal (r, -ENOBUFS);
  assert_true (n > 100 && n < BOUND_MAX);
  layers_keep (l, kept_told, NULL);
  assert_true (strlen (kept_text) <= BOUND_ALL_MAX + 100);
}

#define L(fn) cmocka_unit_test_setup_teardown (fn, begin, end)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    L (test_both_count), L (test_shadowed), L (test_outlives_the_daemon),
    L (test_bounds),     L (test_no_memory), L (test_hostile_file),
    L (test_not_read),   L (test_settled),   L (test_one_state_file),
    L (test_standby),    L (test_parts_of_any_layer),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
