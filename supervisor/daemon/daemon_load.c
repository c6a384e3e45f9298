/* SPDX-License-Identifier: Apache-2.0
 *
 * Playbooks, scenarios and text rules: read in a job, for the disk that they
 * are on may hang, and taken on the loop.
 */
#include "supervisor/conf/playbooks.h"
#include "supervisor/conf/verdict_files.h"
#include "supervisor/control/daemon.h"
#include "supervisor/incidents/incidents.h"
#include "supervisor/links/keeper_link.h"
#include "supervisor/text/text.h"
#include "supervisor/text/text_rules.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/layers.h"
#include "supervisor/watch/load.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "base/log.h"
#include "transports/disk/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_MS 15000

struct loading
{
  struct daemon *d;
  struct opener *opener;
  const struct config *config;
  struct playbooks_read playbooks;
  struct error playbooks_err;
  struct scenario **list;
  size_t n;
  struct error err;
  struct text_rules_read rules;
  struct error rules_err;
  struct verdict_files verdicts;
  bool ours; /* ours alone are news, too */
};

static int
loading_run (struct job *job, void *arg)
{
  struct loading *ld = arg;
  const struct playbook_set *named = NULL;

  (void) playbooks_read (ld->opener, &ld->config->playbooks,
                         job_deadline (job), &ld->playbooks,
                         &ld->playbooks_err);
  /* Where a file of them is not good, the one that a scenario names may be
   * in it: that is to cost evidence, and no scenario. */
  if (ld->playbooks.own.nfaults == 0)
    named = ld->playbooks.set;
  /* Neither stands in the way of the other. */
  (void) text_rules_read (ld->opener, &ld->config->rules, ld->ours,
                          job_deadline (job), &ld->rules, &ld->rules_err);
  (void) verdict_files_read (ld->opener, &ld->config->verdicts,
                             job_deadline (job), &ld->verdicts, NULL);
  return load_scenarios (ld->opener, ld->config, named, job_deadline (job),
                         &ld->list, &ld->n, &ld->err);
}

static void
loading_free (void *arg)
{
  struct loading *ld = arg;

  for (size_t i = 0; i < ld->n; i++)
    scenario_unref (ld->list[i]);
  free (ld->list);
  text_rules_read_done (&ld->rules);
  verdict_files_done (&ld->verdicts);
  playbooks_read_done (&ld->playbooks);
  config_unref (ld->config);
  free (ld);
}

/* Said to the log, and by `status` until they are read. */
static void
not_loaded (struct daemon *d, const char *what, const char *why)
{
  snprintf (d->not_loaded, sizeof (d->not_loaded), "the scenarios %s: %.240s",
            what, why);
  log_error ("%s", d->not_loaded);
}

static void
take_loaded (struct daemon *d, struct loading *ld, int rc)
{
  struct scenario *builtin = load_builtin (ld->config);
  struct error err = ERROR_INIT;

  /* Counts with those that are taken now. */
  bindings_builtin (d->bindings, builtin);
  scenario_unref (builtin);
  if (rc < 0)
    {
      not_loaded (d,
                  bindings_count (d->bindings)
                      ? "are not taken, the last good ones stay"
                      : "are not taken",
                  error_text (&ld->err));
      layers_no_files (d->layers);
    }
  else if (layers_files (d->layers, ld->list, ld->n, &err) < 0)
    not_loaded (d, "are not taken", error_text (&err));
  else
    {
      log_info ("%zu scenarios", ld->n);
      d->not_loaded[0] = '\0';
    }
}

/* Why the first of so many files is not taken, for `dump` and `status`;
 * known: there were good ones before. */
static void
say_bad (char *dst, size_t n, const char *what, bool known, unsigned files,
         const char *why)
{
  char more[40] = "";

  if (files > 1)
    snprintf (more, sizeof (more), " (and %u more)", files - 1);
  snprintf (dst, n, "%s%s are not taken%s: %.480s%s", known ? "the " : "",
            what, known ? ", the last good ones stay" : "", why, more);
}

static void
bad_rules (struct daemon *d, unsigned files, const char *why)
{
  say_bad (d->bad_rules, sizeof (d->bad_rules), "text rules", d->rules_known,
           files, why);
}

static void
bad_playbooks (struct daemon *d, unsigned files, const char *why)
{
  say_bad (d->bad_playbooks, sizeof (d->bad_playbooks), "playbooks",
           d->playbooks_known, files, why);
}

static void
say_taken (const char *what, const struct conf_taken *t)
{
  for (unsigned i = 0; i < conf_taken_told (t); i++)
    log_error ("%s are not taken: %s", what, error_text (&t->faults[i].err));
  if (t->missing)
    log_warn ("no %s of yours: %s is not there", what, t->missing);
}

/* At start what is good is taken, so that one slip does not cost the rest;
 * later all is to stay as it was. */
static void
take_rules (struct daemon *d, struct loading *ld)
{
  struct text_rules_read *r = &ld->rules;

  d->bad_rules[0] = '\0';
  if (!r->rules && ld->rules_err.code)
    {
      bad_rules (d, 1, error_text (&ld->rules_err));
      log_error ("%s", d->bad_rules);
      return;
    }
  say_taken ("text rules", &r->own);
  if (r->own.nfaults)
    bad_rules (d, r->own.nfaults, error_text (&r->own.faults[0].err));
  if (r->own.nfaults && d->rules_known)
    {
      log_error ("the last good text rules stay");
      return;
    }
  d->rules_known = true;
  /* Ours alone, as before. */
  if (!r->rules || r->own.taken + d->rules_files == 0)
    return;
  d->rules_files = r->own.taken;
  log_info ("%u text rules of %u files, %u of them in the place of ours",
            r->added, r->own.taken, r->replaced);
  texts_rules (d->texts, steal_ptr (&r->rules));
}

/* As take_rules(): who diagnoses now has the rules that he began with. */
static void
take_verdicts (struct daemon *d, struct loading *ld)
{
  struct verdict_files *v = &ld->verdicts;
  struct verdict_rules_count n;

  say_taken ("rules of the verdict", &v->own);
  if (v->own.nfaults && !d->bad_rules[0])
    snprintf (d->bad_rules, sizeof (d->bad_rules),
              "rules of the verdict are not taken%s: %.480s",
              d->verdicts_known ? ", the last good ones stay" : "",
              error_text (&v->own.faults[0].err));
  if (!v->rules || (v->own.nfaults && d->verdicts_known))
    return;
  d->verdicts_known = true;
  if (v->own.taken + d->verdict_files == 0)
    return;
  d->verdict_files = v->own.taken;
  verdict_rules_count (v->rules, &n);
  log_info ("%zu rules of the verdict of %u files, %zu of them in the place of "
            "ours", n.own, v->own.taken, n.replaced);
  verdict_rules_unref (d->diagnosis.rules);
  d->diagnosis.rules = steal_ptr (&v->rules);
}

static void
playbooks_in_force (struct daemon *d, const struct playbooks_read *r)
{
  d->playbooks_known = true;
  /* Ours alone, as before. */
  if (r->own.taken + d->playbooks_own == 0)
    return;
  d->playbooks_own = r->own.taken;
  playbook_set_unref (d->playbooks);
  d->playbooks = playbook_set_ref (r->set);
  log_info ("%u playbooks of %u files, %u of them in the place of ours",
            r->own.taken, r->own.files, r->replaced);
}

/* As of rules. */
static void
take_playbooks (struct daemon *d, const struct loading *ld)
{
  const struct playbooks_read *r = &ld->playbooks;

  d->bad_playbooks[0] = '\0';
  if (!r->set)
    {
      bad_playbooks (d, 1, error_text (&ld->playbooks_err));
      log_error ("%s", d->bad_playbooks);
      return;
    }
  say_taken ("playbooks", &r->own);
  if (r->own.nfaults)
    bad_playbooks (d, r->own.nfaults, error_text (&r->own.faults[0].err));
  if (r->own.nfaults && d->playbooks_known)
    log_error ("the last good playbooks stay");
  else
    playbooks_in_force (d, r);
}

static void
loading_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct daemon *d = owner;

  d->loading = false;
  if (end == JOB_DISCARDED)
    {
      not_loaded (d, "could not be read",
                  "the folder they are in does not answer");
      bad_rules (d, 1, "the folder they or scenarios are in does not answer");
      bad_playbooks (d, 1,
                     "the folder they or scenarios are in does not answer");
      layers_no_files (d->layers);
    }
  else
    {
      take_playbooks (d, arg);
      take_loaded (d, arg, rc);
      take_rules (d, arg);
      take_verdicts (d, arg);
      loading_free (arg);
    }
  incidents_playbooks (d->incidents, d->playbooks);
  if (d->load_again)
    daemon_load (d);
}

static void
tell_mailboxes (struct daemon *d)
{
  struct error err = ERROR_INIT;

  if (disk_folders (d->env.disk, d->config->mailboxes.items,
                    d->config->mailboxes.count, &err)
      < 0)
    log_error ("the folders of mailboxes are not taken: %s",
               error_text (&err));
}

void
daemon_load (struct daemon *d)
{
  struct loading *ld;
  struct error err = ERROR_INIT;
  struct job_spec spec = {
    .name = "read scenarios",
    .guest = "host",
    .lane = LANE_SCENARIOS,
    .timeout_ms = LOAD_MS,
    .run = loading_run,
    .done = loading_done,
    .free_arg = loading_free,
    .owner = d,
  };

  tell_mailboxes (d);
  if (d->drain_only)
    return;
  /* What is being read now may be older than what is there by now. */
  d->load_again = d->loading;
  if (d->loading)
    return;
  ld = calloc (1, sizeof (*ld));
  if (!ld)
    {
      not_loaded (d, "are not read", "no memory");
      return;
    }
  ld->d = d;
  ld->config = config_ref (d->config);
  ld->opener = keeper_link_opener (d->keeper);
  ld->ours = d->rules_files > 0;
  spec.arg = ld;
  if (job_start (d->jobs, &spec, &err) < 0)
    {
      not_loaded (d, "are not read", error_text (&err));
      loading_free (ld);
      return;
    }
  d->loading = true;
}
