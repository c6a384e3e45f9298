/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of facts: it is in order, and docs/facts.md has it.
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
#include "diag/ladder/ladder.h"
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
    { "disk.vda.errors", "disk.*.errors" },
    { "disk.vda1.fs.errors", "disk.*.fs.errors" },
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
    cmocka_unit_test (the_page_has_the_table),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
