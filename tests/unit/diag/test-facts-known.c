/* SPDX-License-Identifier: Apache-2.0
 *
 * What facts there are, and who reads them: each is asked for by a rule, a
 * facet or a finding, is told by one, decides about a step of a playbook, or
 * is left out with a reason.  A fact that is collected and that nobody reads is
 * a trouble that is seen and not named.
 */
#include "rules-bed.h"

#include "diag/facts.h"
#include "diag/ladder/rules_impl.h"
#include "diag/playbook_shipped.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* Why no rule asks for it. */
#define DETAIL "another fact of the same look says what it comes to"
#define NUMBER "a number for people: what is too much of it is not known"
#define WHO "who or which it is, not how it is"
#define HOW "how something was asked, not what came of it"
#define CHECK "a scenario hears it, and its outcome is what rules go by"
#define CLOCK "for the timeline"
#define HOST_OWN "of the host's own incidents, which no rule judges"

static const struct
{
  const char *name, *why;
} left_out[] = {
  { "host.load1", NUMBER },
  { "host.fs.used", NUMBER }, /* host.fs.full is judged */
  { "host.memory_errors", NUMBER }, /* .memory_uncorrected is judged */
  { "host.crowd", HOST_OWN },
  { "child.*", HOST_OWN },
  { "host.cpus", NUMBER },
  { "qemu.cgroup.cpus", DETAIL }, /* held_back has it where it is felt */
  { "vmm.version", WHO },
  { "vcpu.*.halted", DETAIL },    /* an idle one is halted, too */
  { "vcpu.*.irqs_off", DETAIL },  /* of one moment; vcpu.irqs_off is of two */
  { "vcpu.*.exits", NUMBER },
  { "vcpu.*.halts", NUMBER },
  { "disk.*.asleep", DETAIL }, /* why its health was not asked for */
  { "sysrq.mask", DETAIL },
  { "sysrq.route", HOW },
  { "sysrq.*.answer", DETAIL },
  { "sysrq.*.lines", DETAIL },
  { "tasks.user", NUMBER },
  { "lock.waiters", NUMBER },
  { "app.count", NUMBER },
  { "guest.clock_s", CLOCK },
  { "guest.clock_error_s", CLOCK },
  { "kernel.release", WHO },
  { "kernel.release.*", WHO },
  { "kernel.boots.*", DETAIL },
  { "guest.stage.*", DETAIL },
  { "guest.stop.*", DETAIL },
  { "guest.uptime_s", NUMBER },
  { "guest.load1", CHECK },
  { "guest.blocked", CHECK },
  { "guest.acpi_beat", DETAIL }, /* guest.ticks says what it comes to */
  { "guest.acpi_port", HOW },
  { "disk.*.longest_ms", DETAIL }, /* of an interval: .slowest_ms is judged */
  { "disk.*.pool", WHO },
  { "disk.*.pool_state", DETAIL }, /* .pool_trouble has it in words */
  { "disk.*.media_errors", DETAIL }, /* .health says what it comes to */
  { "disk.*.fs.type", WHO },
  { "disk.*.host_read_ms", NUMBER },
  { "net.connect_ms", NUMBER },
  { "net.address_from", WHO },
  { "net.captured", NUMBER },
  { "net.lease_left_s", NUMBER },
  { "console.state.*", DETAIL },
  { "console.bytes", NUMBER },
  { "console.bytes.*", NUMBER },
  { "console.kept", NUMBER },
  { "console.platform.lines", NUMBER },
  { "stack.*", DETAIL }, /* the signature is made of it */
  { "heard.*", CHECK },
  { "counted.*", CHECK },
  { "unwanted.*", CHECK },
  { "unheard.*", CHECK },
  { "look.*", CHECK },
  /* An operator's steps: his rules may ask for what they bring. */
  { "exec.*.status", CHECK },
  { "dialogue.*.end", CHECK },
  { "dialogue.*.at", CHECK },
  { "dialogue.*.saw", CHECK },
  { "guest.core", WHO },
};

/* Is what is asked for (it may have "*", too) one of that kind? */
static bool
is_of (const char *kind, const char *asked)
{
  char one[FACT_NAME_MAX], *star;

  /* "disk.*.errors" asks for no "disk.*.fs.errors". */
  for (const struct fact_kind *k = fact_kinds; k->name; k++)
    if (strcmp (k->name, asked) == 0)
      return strcmp (kind, asked) == 0;
  snprintf (one, sizeof one, "%s", kind);
  while ((star = strchr (one, '*')))
    *star = 'x';
  return fnmatch (kind, asked, 0) == 0 || fnmatch (asked, one, 0) == 0;
}

/* "a|b" */
static bool
is_among (const char *kind, const char *names)
{
  char name[FACT_NAME_MAX];

  for (size_t n; *names; names += n + (names[n] == '|'))
    {
      n = strcspn (names, "|");
      snprintf (name, sizeof name, "%.*s", (int) n, names);
      if (is_of (kind, name))
        return true;
    }
  return false;
}

struct wanted
{
  const char *kind;
  bool read;
};

static void
on_cond (const struct cond *c, const char *where, void *arg)
{
  struct wanted *w = arg;

  w->read = w->read || (c->fact && is_among (w->kind, c->fact))
            || (c->text && is_of (w->kind, c->text)); /* "@vcpu.count" */
}

static bool
is_told (const char *kind, const char *template)
{
  char names[COND_TEXT];

  for (const char *p = template; p && (p = strchr (p, '{')); p++)
    {
      snprintf (names, sizeof names, "%.*s", (int) strcspn (p + 1, "}"),
                p + 1);
      if (is_among (kind, names))
        return true;
    }
  return false;
}

/* Playbooks have their conditions as text. */
static bool
decides_a_step (const char *kind)
{
  for (const struct embedded_file *f = playbook_shipped; f->name; f++)
    if (!strchr (kind, '*') && memmem (f->text, f->len, kind, strlen (kind)))
      return true;
  return false;
}

static bool
is_read (const char *kind)
{
  struct wanted w = { kind, false };

  verdict_rules_each_cond_ (rules, on_cond, &w);
  for (size_t i = 0; i < rules->nverdicts && !w.read; i++)
    w.read = is_told (kind, rules->verdicts[i].class_)
             || is_told (kind, rules->verdicts[i].culprit)
             || is_told (kind, rules->verdicts[i].says)
             || is_told (kind, rules->verdicts[i].next);
  for (size_t i = 0; i < rules->nfindings && !w.read; i++)
    w.read = is_told (kind, rules->findings[i].says);
  return w.read || decides_a_step (kind);
}

static const char *
why_left_out (const char *kind)
{
  for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
    if (strcmp (left_out[i].name, kind) == 0)
      return left_out[i].why;
  return NULL;
}

static void
each_fact_is_read_or_left_out (void **state)
{
  unsigned bad = 0;

  for (const struct fact_kind *k = fact_kinds; k->name; k++)
    {
      const char *why = why_left_out (k->name);

      if (!is_read (k->name) && !why)
        print_error ("%s is collected, and no rule, facet or finding reads "
                     "it: write one, or say here why not\n", k->name);
      if (is_read (k->name) && why)
        print_error ("%s is read, and left out as \"%s\"\n", k->name, why);
      bad += is_read (k->name) == (why != NULL);
    }
  for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
    {
      bool there = false;

      for (const struct fact_kind *k = fact_kinds; k->name && !there; k++)
        there = strcmp (k->name, left_out[i].name) == 0;
      if (!there)
        fail_msg ("%s is no fact", left_out[i].name);
    }
  assert_int_equal (bad, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (each_fact_is_read_or_left_out),
  };

  return cmocka_run_group_tests (tests, begin_rules, end_rules);
}
