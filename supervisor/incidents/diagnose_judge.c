/* SPDX-License-Identifier: Apache-2.0
 *
 * What a diagnosis knows, and its verdict: what the collectors brought, what
 * the house knew before, and the ladder over both.
 */
#include "supervisor/incidents/diagnose_impl.h"
#include "supervisor/text/text.h"
#include "supervisor/watch/bindings.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/loop.h"
#include "diag/facts.h"
#include "diag/ladder/cond.h"
#include "diag/ladder/ladder.h"

#include <stdio.h>
#include <string.h>

#define FACTS_BYTES (160u << 10) /* as JSON */
#define EVENTS_BYTES (256u << 10)
#define TEXT_PAST_MS (60u * 60 * 1000)

void
diagnosis_add_fact (struct diagnosis *dg, const struct fact *f)
{
  if (dg->nfacts < DIAGNOSIS_FACTS)
    dg->facts[dg->nfacts++] = *f;
  else
    dg->facts_lost++;
}

/* What its text told of long ago is no reason for how it is now; but a kernel
 * that panicked does not come back. */
static bool
is_long_past (const struct fact *f, uint64_t now)
{
  return now >= f->time_ms + TEXT_PAST_MS && fact_passes (f->name);
}

static void
know (const struct fact *f, void *arg)
{
  struct diagnosis *dg = arg;
  unsigned i = 0;

  if (is_long_past (f, clock_ms ())
      || !incarnation_equal (&f->inc, &dg->guest->inc))
    return;
  while (i < dg->nknown
         && (strcmp (dg->known[i].name, f->name) != 0
             || strcmp (dg->known[i].source, f->source) != 0))
    i++;
  if (i == DIAGNOSIS_KNOWN)
    dg->facts_lost++;
  else
    dg->known[i] = *f;
  if (i == dg->nknown && i < DIAGNOSIS_KNOWN)
    dg->nknown++;
}

void
diagnosis_ask_house (struct diagnosis *dg)
{
  fact_each (dg->env.facts, dg->guest->inc.uuid, know, dg);
}

/* A sample is newer than what the same one had said of that before.  What
 * others say of it is another's word, and stays. */
static bool
was_sampled_since (const struct diagnosis *dg, const struct fact *f)
{
  for (unsigned i = 0; i < dg->nfacts; i++)
    if (dg->facts[i].time_ms >= f->time_ms
        && strcmp (dg->facts[i].name, f->name) == 0
        && strcmp (dg->facts[i].source, f->source) == 0)
      return true;
  return false;
}

static void
add_known_facts (struct diagnosis *dg)
{
  diagnosis_ask_house (dg);
  for (unsigned i = 0; i < dg->nknown; i++)
    if (!was_sampled_since (dg, &dg->known[i]))
      diagnosis_add_fact (dg, &dg->known[i]);
}

bool
diagnosis_holds (struct diagnosis *dg, const struct cond_list *when,
                 const char **ret_failed)
{
  unsigned nfacts = dg->nfacts, lost = dg->facts_lost;
  struct ladder ladder;
  bool holds;

  if (!when)
    return true;
  add_known_facts (dg);
  fact_set_fill (dg->set, dg->facts, dg->nfacts);
  ladder_climb (dg->env.rules, dg->set, &ladder);
  holds = cond_list_holds (when, dg->set, &ladder, ret_failed, NULL);
  /* What the house knows is asked again at the end. */
  dg->nfacts = nfacts;
  dg->facts_lost = lost;
  return holds;
}

/* Read live, so also what the ring has not any more; now, when a report that
 * had only begun has come to its end. */
static void
add_text_events (struct diagnosis *dg)
{
  CLEANUP_BUF struct buf lines = BUF_INIT (EVENTS_BYTES);

  texts_events (dg->env.texts, dg->guest->inc.uuid, &lines);
  if (lines.len)
    dg->ops->file ("kernel/events.jsonl", 0, buf_str (&lines), lines.len,
                   dg->arg);
}

/* Takes o, if there is room for it: the head of a frame is bounded, and facts
 * may hold what a guest says. */
static bool
add_bounded (struct json_object *list, struct json_object *o, size_t *room)
{
  size_t len = 0;

  (void) json_object_to_json_string_length (o, JSON_C_TO_STRING_PLAIN, &len);
  if (len >= *room)
    {
      json_object_put (o);
      return false;
    }
  *room -= len + 1;
  json_object_array_add (list, o);
  return true;
}

/* Somebody ordered this, and a scenario of the guest fails: its outcome says
 * more than who ordered.  Looked at last, for it may have failed meanwhile. */
static void
what_fails (const struct binding_info *info, void *arg)
{
  struct diagnosis *dg = arg;

  if (!info->last || info->last->outcome != OUTCOME_FAILED
      || info->last_ms < dg->failed_ms)
    return;
  dg->failed_ms = info->last_ms;
  snprintf (dg->scenario, sizeof (dg->scenario), "%.63s",
            info->scenario->name);
  snprintf (dg->code, sizeof (dg->code), "%s", info->last->code);
  snprintf (dg->sentence, sizeof (dg->sentence), "%s", info->last->sentence);
}

/* Takes from, which may be NULL. */
static void
move_all (struct json_object *to, struct json_object *from)
{
  for (size_t i = 0; from && i < json_object_array_length (from); i++)
    json_object_array_add (
        to, json_object_get (json_object_array_get_idx (from, i)));
  if (from)
    json_object_put (from);
}

/* Of the files of which only a beginning came. */
static void
add_cut (struct json_object *about, struct json_object *cut)
{
  json_object_object_foreach (cut, name, bytes)
    {
      struct json_object *of = json_object_new_object ();
      struct json_object *o = json_object_new_object ();

      json_object_object_add (o, "orig_bytes", json_object_get (bytes));
      json_add_str (o, "kept", "head");
      json_object_object_add (of, "truncated", o);
      json_object_object_add (about, name, of);
    }
}

/* What it was allowed, and by what it was judged. */
static void
add_terms (struct diagnosis *dg, struct json_object *head)
{
  struct json_object *terms = json_object_new_object ();
  char sum[DIGEST_HEX];

  if (dg->budget_ms)
    json_add_int (terms, "budget_ms", (int64_t) dg->budget_ms);
  if (dg->bytes < DIAGNOSIS_NO_LIMIT)
    json_add_int (terms, "max_bytes", (int64_t) dg->bytes);
  if (dg->env.config_sha256[0])
    json_add_str (terms, "config_sha256", dg->env.config_sha256);
  verdict_rules_sum (dg->env.rules, sum);
  json_add_str (terms, "ruleset_sha256", sum);
  json_object_object_add (head, "terms", terms);
}

/* In the order of the playbook, whoever came back first. */
static void
add_legs (struct diagnosis *dg, struct json_object *head)
{
  struct json_object *impact = json_object_new_array ();
  struct json_object *gaps = json_object_new_array ();
  struct json_object *came = json_object_new_array ();
  struct json_object *attached = json_object_new_array ();
  struct json_object *about = json_object_new_object ();
  enum collect_touch level = TOUCH_NOTHING;

  for (unsigned i = 0; i < dg->nlegs; i++)
    {
      struct leg *leg = dg->legs[i];

      if (leg->impact && json_object_array_length (leg->impact) > 0
          && leg->plan.touch > level)
        level = leg->plan.touch;
      if (leg->cut)
        add_cut (about, leg->cut);
      move_all (attached, steal_ptr (&leg->attached));
      move_all (impact, steal_ptr (&leg->impact));
      move_all (gaps, steal_ptr (&leg->gaps));
      if (leg->said)
        json_object_array_add (came, steal_ptr (&leg->said));
    }
  json_object_object_add (head, "impact", impact);
  json_add_str (head, "impact_level", collect_touch_names[level]);
  json_object_object_add (head, "attachments", attached);
  json_object_object_add (head, "about", about);
  json_object_object_add (head, "gaps", gaps);
  json_object_object_add (head, "collectors", came);
}

/* Why nothing was found, where that is why. */
static void
say_stopped (const struct diagnosis *dg, struct verdict *v)
{
  size_t n = strlen (v->sentence);

  if (dg->stopped[0] && strcmp (v->class_, "unknown") == 0)
    snprintf (v->sentence + n, sizeof (v->sentence) - n, "; %s", dg->stopped);
}

void
diagnosis_judge (struct diagnosis *dg)
{
  size_t room = FACTS_BYTES;
  unsigned left_out;
  struct json_object *head = json_object_new_object ();
  struct json_object *facts = json_object_new_array ();
  struct judgement found;
  const struct cause cause = { dg->scenario, dg->code, dg->sentence };

  add_known_facts (dg);
  add_text_events (dg);
  if (dg->ordered)
    bindings_each (dg->env.bindings, dg->guest->inc.uuid, what_fails, dg);
  fact_set_fill (dg->set, dg->facts, dg->nfacts);
  add_legs (dg, head);
  add_terms (dg, head);
  ladder_judge (dg->env.rules, dg->set, &cause, json_get (head, "gaps"),
                &found);
  say_stopped (dg, &found.verdict);
  left_out = dg->facts_lost;
  for (unsigned i = 0; i < dg->nfacts; i++)
    left_out += !add_bounded (facts, fact_to_json (&dg->facts[i]), &room);
  if (left_out)
    json_add_int (head, "facts_left_out", left_out);
  json_object_object_add (head, "guest", guest_to_json (dg->guest));
  judgement_tell (&found, &cause, head);
  json_object_object_add (head, "facts", facts);
  json_add_int (head, "took_ms",
                (int64_t) (loop_now (dg->env.loop) - dg->began_ms));
  if (dg->stopped[0])
    json_add_str (head, "stopped", dg->stopped);
  dg->ops->done (&found.verdict, head, dg->arg);
  judgement_done (&found);
}
