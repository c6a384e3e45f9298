/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of facts: it is in order, docs/facts.md has it, and whatever the
 * ladder's conditions ask for is in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "diag/facts.h"
#include "diag/ladder/ladder_impl.h"
#include "kernel/text/event.h"
#include "kernel/text/stage.h"
#include "transports/console/hub.h"
#include "transports/monitor/monitor.h"

#include <stdio.h>
#include <string.h>

/* ---- the table itself ---- */

/* What a kernel told an hour ago; but one that panicked stays dead. */
static void
what_passes (void **state)
{
  static const char *const passes[]
      = { "kernel.event.oops", "kernel.trouble.panic", "kernel.class",
          "kernel.title", "kernel.event.panics" };
  static const char *const stays[]
      = { "kernel.event.panic", "kernel.event.windows_stop",
          "kernel.event.hypervisor_crash", "kernel.answers", "kernel.classes",
          "qemu.state", "no.such", "" };

  for (size_t i = 0; i < ARRAY_LEN (passes); i++)
    assert_true (fact_passes (passes[i]));
  for (size_t i = 0; i < ARRAY_LEN (stays); i++)
    assert_false (fact_passes (stays[i]));
}

static void
the_table_is_in_order (void **state)
{
  for (const struct fact_kind *k = fact_kinds; k->name; k++)
    {
      const char *star = strchr (k->name, '*');
      int facet = 0;

      assert_in_range (strlen (k->name), 3, FACT_NAME_MAX - 1);
      assert_int_equal (strspn (k->name, "abcdefghijklmnopqrstuvwxyz"
                                         "0123456789_.*"),
                        strlen (k->name));
      assert_true (!star || !strchr (star + 1, '*'));
      assert_true (k->help[0] && !strchr (k->help, '|'));
      while (facet < FACET_MAX && strcmp (k->facet, facet_names[facet]) != 0)
        facet++;
      assert_true (!k->facet[0] || facet < FACET_MAX);
      for (const struct fact_kind *other = fact_kinds; other < k; other++)
        assert_string_not_equal (other->name, k->name);
      assert_ptr_equal (fact_kind_find (k->name), k);
    }
  for (const struct fact_source *s = fact_sources; s->name; s++)
    assert_ptr_equal (fact_source_find (s->name), s);
}

static void
names_are_found (void **state)
{
  static const struct
  {
    const char *name, *kind; /* NULL = none */
  } cases[] = {
    { "vcpu.12.share", "vcpu.*.share" },
    { "vcpu..share", NULL },
    { "vcpu.share", NULL },
    { "vcpu.1.shared", NULL },
    { "disk.any_moved", "disk.any_moved" },
    { "disk.vda.new_errors", "disk.*.new_errors" },
    { "disk.vda", NULL },
    { "console.state", "console.state" },
    { "console.state.shim/cons", "console.state.*" },
    { "console.states", NULL },
    { "probe.a.b", "probe.*" },
    { "probe.", NULL },
    { "tasks.block", NULL },
    { "sysrq.answer", NULL },
    { "console.text.panic", NULL },
    { "", NULL },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      const struct fact_kind *k = fact_kind_find (cases[i].name);

      if (!cases[i].kind)
        assert_null (k);
      else
        assert_string_equal (k ? k->name : "", cases[i].kind);
    }
  assert_null (fact_source_find ("somebody"));
}

static void
are_words (const char *name, const char *const *list)
{
  const char *unit = fact_kind_find (name)->unit;
  size_t n = 0, words = 1;

  for (; list[n]; n++)
    if (!fact_is_word (unit, list[n]))
      fail_msg ("%s may be \"%s\", and the table does not say so", name,
                list[n]);
  for (const char *p = unit; *p; p++)
    words += *p == '|';
  assert_int_equal (words, n);
}

/* What a fact may be is what its room has words for. */
static void
words_are_those_of_the_rooms (void **state)
{
  are_words ("console.state", console_state_names);
  are_words ("console.state.*", console_state_names);
  are_words ("vmm.monitor", monitor_health_names);
  are_words ("guest.stage", text_stage_names);
  are_words ("guest.stage.*", text_stage_names);
  are_words ("guest.stop", text_stop_names);
  are_words ("guest.stop.*", text_stop_names);
}

/* ---- what the conditions ask for ---- */

static bool
wants_text (enum cond_op op)
{
  return op == OP_IS || op == OP_ONE_OF || op == OP_ALWAYS || op == OP_HAS
         || op == OP_BEGINS;
}

static bool
wants_number (enum cond_op op)
{
  return op == OP_TRUE || op == OP_FALSE || op == OP_ABOVE || op == OP_BELOW
         || op == OP_SAME_AS;
}

/* A pattern asks for a kind of facts, or for several of them. */
static const struct fact_kind *
asked_for (const char *name)
{
  if (strncmp (name, "kernel.event.", 13) == 0 && !strchr (name, '*')
      && !text_kind_find (name + 13))
    return NULL;
  for (const struct fact_kind *k = fact_kinds; k->name; k++)
    {
      const char *star = strchr (name, '*');

      if (star && !star[1] && strncmp (k->name, name, strlen (name) - 1) == 0)
        return k;
    }
  return fact_kind_find (name);
}

static void
check_words (const struct cond *c, const struct fact_kind *k,
             struct buf *wrong)
{
  char word[64];

  if (!k->unit[0]
      || (c->op != OP_IS && c->op != OP_ONE_OF && c->op != OP_ALWAYS))
    return;
  for (const char *p = c->text; *p; p += strcspn (p, "|"), p += *p == '|')
    {
      snprintf (word, sizeof word, "%.*s", (int) strcspn (p, "|"), p);
      if (!fact_is_word (k->unit, word))
        buf_printf (wrong, "%s is never %s\n", k->name, word);
    }
}

static void
check_name (const struct cond *c, const char *name, struct buf *wrong)
{
  const struct fact_kind *k = asked_for (name);

  if (!k)
    buf_printf (wrong, "%s is no fact\n", name);
  else if (wants_text (c->op) && k->type != FACT_TEXT)
    buf_printf (wrong, "%s is no text\n", name);
  else if (wants_number (c->op) && k->type == FACT_TEXT)
    buf_printf (wrong, "%s is no number\n", name);
  else
    check_words (c, k, wrong);
}

/* Why this condition can never hold, or is not what it seems; "" = it is all
 * right. */
static void
check (const struct cond *c, const char *where, void *arg)
{
  struct buf *wrong = arg;
  size_t len, before = wrong->len;
  char name[FACT_NAME_MAX];

  for (const char *p = c->fact; *p; p += len, p += *p == '|')
    {
      len = strcspn (p, "|");
      assert_in_range (len, 1, sizeof name - 1);
      snprintf (name, sizeof name, "%.*s", (int) len, p);
      check_name (c, name, wrong);
    }
  if (c->op == OP_SAME_AS)
    check_name (c, c->text, wrong);
  if (wants_text (c->op) && !c->text)
    buf_printf (wrong, "%s: no text to compare with\n", c->fact);
  if (c->source && !fact_source_find (c->source))
    buf_printf (wrong, "%s: %s is nobody\n", c->fact, c->source);
  if (c->sources && (c->source || c->op == OP_ABSENT))
    buf_printf (wrong, "%s: so many can't say so\n", c->fact);
  if (wrong->len > before)
    buf_printf (wrong, "(%s)\n", where);
}

static void
each_condition_is_in_the_table (void **state)
{
  struct buf wrong CLEANUP_BUF = BUF_INIT (65536);

  ladder_each_cond_ (check, &wrong);
  verdict_each_cond_ (check, &wrong);
  if (wrong.len)
    fail_msg ("%s", buf_str (&wrong));
}

static void
count (const struct cond *c, const char *where, void *arg)
{
  ++*(unsigned *) arg;
}

/* The check itself: each of these is a slip that was, or could be, made. */
static void
slips_are_noticed (void **state)
{
  static const struct cond slips[] = {
    { "sysrq.answer", OP_IS, "shown" },
    { "kernel.answer", OP_IS, "shown" },
    { "kernel.answers", OP_IS, "shwon" },
    { "kernel.answers", OP_ONE_OF, "shown|disable" },
    { "kernel.answers", OP_ABOVE, NULL, 1 },
    { "kernel.answers", OP_IS, "shown", .source = "sysreq" },
    { "kernel.event.panick", OP_THERE },
    { "kernel.event.oom|kernel.event.oomkill", OP_THERE },
    { "vcpu.*.shares", OP_ABOVE, NULL, 1 },
    { "vcpu.busy", OP_SAME_AS, "vcpu.counts" },
    { "vcpu.busy", OP_IS, "2" },
    { "host.pis.*", OP_THERE },
    { "tasks.blocked", OP_ABSENT, .sources = 2 },
    { "tasks.blocked", OP_TRUE, .source = "sysrq", .sources = 2 },
    { "vmm.status", OP_IS },
  };
  unsigned n = 0;

  for (size_t i = 0; i < sizeof slips / sizeof slips[0]; i++)
    {
      struct buf wrong CLEANUP_BUF = BUF_INIT (4096);

      check (&slips[i], "here", &wrong);
      if (!wrong.len)
        fail_msg ("%s is taken for right", slips[i].fact);
    }
  /* And it sees them all. */
  ladder_each_cond_ (count, &n);
  assert_true (n > 50);
  n = 0;
  verdict_each_cond_ (count, &n);
  assert_true (n > 80);
}

/* ---- the page ---- */

static void
put_row (struct buf *page, const struct fact_kind *k)
{
  buf_printf (page, "| `%s` | %s | ", k->name, fact_type_names[k->type]);
  for (const char *p = k->unit; *p; p++)
    if (*p == '|')
      buf_puts (page, ", ");
    else
      buf_putc (page, *p);
  buf_printf (page, " | %s | %s |\n", k->facet, k->help);
}

static void
the_page_has_the_table (void **state)
{
  struct buf want CLEANUP_BUF = BUF_INIT (1u << 20);
  struct buf have CLEANUP_BUF = BUF_INIT (1u << 20);
  const char *src = getenv ("srcdir");
  char path[4096], line[1024];
  FILE *f CLEANUP_FCLOSE = NULL;

  for (const struct fact_kind *k = fact_kinds; k->name; k++)
    put_row (&want, k);
  for (const struct fact_source *s = fact_sources; s->name; s++)
    buf_printf (&want, "| `%s` | %s |\n", s->name, s->help);
  snprintf (path, sizeof path, "%s/docs/facts.md", src ? src : ".");
  f = fopen (path, "re");
  while (f && fgets (line, sizeof line, f))
    if (strncmp (line, "| `", 3) == 0)
      buf_puts (&have, line);
  if (strcmp (buf_str (&want), buf_str (&have)) == 0)
    return;
  /* Too long for a message. */
  fputs (buf_str (&want), stderr);
  fail_msg ("%s has not these rows", path);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (the_table_is_in_order),
    cmocka_unit_test (what_passes),
    cmocka_unit_test (names_are_found),
    cmocka_unit_test (words_are_those_of_the_rooms),
    cmocka_unit_test (each_condition_is_in_the_table),
    cmocka_unit_test (slips_are_noticed),
    cmocka_unit_test (the_page_has_the_table),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
