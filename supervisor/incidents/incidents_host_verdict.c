/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said of a host of which several guests failed together, or which is
 * short of something, and what that rests on: what each of the guests' own
 * incidents came to and shows of what they have in common, that they failed
 * together, and the kernel's own pressure.
 */
#include "supervisor/incidents/hostlook.h"
#include "supervisor/incidents/incidents_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Of it so many guests are told in the evidence; the rest is counted. */
#define CHILDREN_CITED 4
/* As facet host has it (diag/rules/ladder.json). */
#define MEMORY_SHORT 10
#define CPU_SHORT 80
#define IO_SHORT 60
#define LEFT_SHORT 0.02

bool
incident_is_child (const struct active *a, const struct active *host)
{
  return strcmp (a->inc.parent, host->inc.id) == 0;
}

/* ---- what it rests on ---- */

/* In the verdict, as far as there is room, and in head. */
static void
cite (struct verdict *v, struct json_object *facts, const struct fact *f)
{
  struct verdict_fact *to = &v->facts[v->nfacts];
  struct buf value CLEANUP_BUF = BUF_INIT (sizeof (to->value) - 1);

  if (facts)
    json_object_array_add (facts, fact_to_json (f));
  if (v->nfacts == VERDICT_FACTS)
    return;
  if (f->type == FACT_REAL)
    buf_printf (&value, "%.2f", f->d);
  else
    text_escape (&value, f->text, strlen (f->text), 0);
  *to = (struct verdict_fact){ .time_ms = f->time_ms };
  snprintf (to->name, sizeof (to->name), "%s", f->name);
  snprintf (to->value, sizeof (to->value), "%s", buf_str (&value));
  snprintf (to->source, sizeof (to->source), "%s", f->source);
  v->nfacts++;
}

static struct json_object *
begin_facts (struct verdict *v, struct json_object *head)
{
  struct json_object *facts = head ? json_object_new_array () : NULL;

  v->nfacts = 0;
  if (facts)
    json_object_object_add (head, "facts", facts);
  return facts;
}

/* That they failed together, by their scenarios. */
static void
cite_reason (struct active *host, struct json_object *facts)
{
  struct fact f;

  fact_text (&f, NULL, "host.crowd", "scenario", host->inc.reason,
             strlen (host->inc.reason));
  cite (&host->inc.verdict, facts, &f);
}

/* Seen from outside the guest: what its own programs say blames no host. */
static bool
is_from_outside (const struct verdict_fact *f)
{
  static const char *const sources[]
      = { "host", "monitor", "libvirt", "rundir", "net", "memory" };

  for (size_t i = 0; i < ARRAY_LEN (sources); i++)
    if (strcmp (f->source, sources[i]) == 0)
      return true;
  return false;
}

/* What that guest shows of what they have in common; else its first fact.
 * NULL: nothing that anybody saw. */
static const struct verdict_fact *
what_shows_it (const struct active *host, const struct verdict *v)
{
  bool bridge = strncmp (host->inc.key, "bridge", 6) == 0;
  const struct verdict_fact *first = NULL;

  for (unsigned i = 0; i < v->nfacts; i++)
    {
      const struct verdict_fact *f = &v->facts[i];

      if (!is_from_outside (f))
        continue;
      if (strncmp (f->name, bridge ? "net." : "disk.", bridge ? 4 : 5) == 0)
        return f;
      if (!first)
        first = f;
    }
  return first;
}

/* True: somebody has seen it, and not the scenario alone. */
static bool
cite_child (struct active *host, struct json_object *facts,
            const struct active *a)
{
  const struct verdict *v = &a->inc.verdict;
  const struct verdict_fact *shows = what_shows_it (host, v);
  char name[FACT_NAME_MAX], text[FACT_TEXT_MAX];
  struct fact f;

  snprintf (name, sizeof (name), "child.%s", a->inc.id);
  if (shows)
    snprintf (text, sizeof (text),
              "%.40s: %s (%s), %.50s; %.40s=%.40s by %.12s", a->inc.guest,
              v->class_, v->confidence, v->culprit, shows->name, shows->value,
              shows->source);
  else
    snprintf (text, sizeof (text), "%.40s: %s (%s), %.80s", a->inc.guest,
              v->class_, v->confidence, v->culprit);
  fact_text (&f, NULL, name, "diagnosis", text, strlen (text));
  cite (&host->inc.verdict, facts, &f);
  return shows != NULL;
}

/* How many of that class somebody has seen; some of them are told. */
static unsigned
cite_children (struct active *host, struct json_object *facts,
               const char *class_)
{
  unsigned told = 0, seen = 0;

  for (const struct active *a = host->all->first; a; a = a->next)
    if (incident_is_child (a, host)
        && strcmp (a->inc.verdict.class_, class_) == 0)
      {
        if (told++ < CHILDREN_CITED)
          seen += cite_child (host, facts, a);
        else
          seen += what_shows_it (host, &a->inc.verdict) != NULL;
      }
  return seen;
}

/* What the host is short of, "" = of nothing that it shows. */
static const char *
cite_host (struct active *host, struct json_object *facts)
{
  static const struct
  {
    const char *name;
    double from;
    const char *culprit;
  } shorts[] = {
    { "host.psi.memory.full", MEMORY_SHORT, "host memory" },
    { "host.psi.cpu.some", CPU_SHORT, "host CPU" },
    { "host.psi.io.full", IO_SHORT, "host storage" },
  };
  struct fact all[HOSTLOOK_FACTS];
  unsigned n = hostlook (all);
  const char *culprit = "";

  for (unsigned i = 0; i < n; i++)
    {
      cite (&host->inc.verdict, facts, &all[i]);
      if (culprit[0])
        continue;
      if (strcmp (all[i].name, "host.memory.available") == 0
          && all[i].d < LEFT_SHORT)
        culprit = "host memory";
      for (size_t k = 0; k < ARRAY_LEN (shorts); k++)
        if (strcmp (all[i].name, shorts[k].name) == 0
            && all[i].d > shorts[k].from)
          culprit = shorts[k].culprit;
    }
  return culprit;
}

/* ---- guests that failed together ---- */

/* What a guest shows whose disk, or whose bridge, is not served. */
static bool
fits (const char *key, const char *class_)
{
  static const char *const storage[]
      = { "storage-stalled", "io-error", "filesystem-error", "vmm-stuck" };
  size_t len = strcspn (key, " ");

  if (strncmp (key, "bridge", len) == 0)
    return strcmp (class_, "network-lost") == 0;
  if (strncmp (key, "source", len) == 0)
    return false;
  for (size_t i = 0; i < ARRAY_LEN (storage); i++)
    if (strcmp (storage[i], class_) == 0)
      return true;
  return false;
}

/* It says something of the guest. */
static bool
is_class (const char *class_)
{
  return class_[0] && strcmp (class_, "unknown") != 0
         && strcmp (class_, "none") != 0;
}

static unsigned
count_class (const struct active *host, const char *class_)
{
  unsigned n = 0;

  for (const struct active *a = host->all->first; a; a = a->next)
    n += incident_is_child (a, host)
         && strcmp (a->inc.verdict.class_, class_) == 0;
  return n;
}

/* What most of them have; one that fits what they have in common before one
 * that does not. */
static const char *
best_class (const struct active *host, unsigned *ret_n)
{
  const char *best = "unknown";
  bool best_fits = false;

  *ret_n = 0;
  for (const struct active *a = host->all->first; a; a = a->next)
    {
      const char *class_ = a->inc.verdict.class_;
      unsigned n;
      bool f;

      if (!incident_is_child (a, host) || !is_class (class_))
        continue;
      n = count_class (host, class_);
      f = fits (host->inc.key, class_);
      if (f == best_fits ? n <= *ret_n : best_fits)
        continue;
      best = class_;
      best_fits = f;
      *ret_n = n;
    }
  return best;
}

static unsigned
count_all (const struct active *host)
{
  unsigned n = 0;

  for (const struct active *a = host->all->first; a; a = a->next)
    n += incident_is_child (a, host);
  return n;
}

void
incident_say_crowd (struct active *host, struct json_object *head)
{
  struct verdict *v = &host->inc.verdict;
  struct json_object *facts = begin_facts (v, head);
  unsigned all = count_all (host), n, seen;
  const char *class_ = best_class (host, &n), *name;

  cite_reason (host, facts);
  seen = cite_children (host, facts, class_);
  (void) cite_host (host, facts);
  name = strchr (host->inc.key, ' ');
  snprintf (v->class_, sizeof (v->class_), "%s", class_);
  /* That they failed together is one thing, and what two that were looked at
   * apart from each other show is another. */
  snprintf (v->confidence, sizeof (v->confidence), "%s",
            !fits (host->inc.key, class_) ? "low"
            : n >= 2 && seen >= 2         ? "high"
                                          : "medium");
  snprintf (v->culprit, sizeof (v->culprit), "%.150s", host->inc.key);
  snprintf (v->sentence, sizeof (v->sentence), "%.190s; of %u that were looked "
            "at, %u are %s.", host->inc.reason, all, n, class_);
  snprintf (v->next, sizeof (v->next),
            "Look at %.150s on this host; the incidents of the guests have "
            "what each of them shows.",
            name ? name + 1 : host->inc.key);
}

/* ---- a host that is short ---- */

void
incident_say_pressed (struct active *host, struct json_object *head)
{
  struct verdict *v = &host->inc.verdict;
  struct json_object *facts = begin_facts (v, head);
  const char *culprit;

  cite_reason (host, facts);
  culprit = cite_host (host, facts);
  snprintf (v->class_, sizeof (v->class_), "host-starved");
  /* Guests that were well say so; and the kernel, if it does. */
  snprintf (v->confidence, sizeof (v->confidence), "%s",
            culprit[0] ? "high" : "medium");
  snprintf (v->culprit, sizeof (v->culprit), "%s",
            culprit[0] ? culprit : "this host");
  snprintf (v->sentence, sizeof (v->sentence), "%.200s.", host->inc.reason);
  snprintf (v->next, sizeof (v->next),
            "Give the host what it lacks, or have it do less; the guests are "
            "not called hung for it.");
}
