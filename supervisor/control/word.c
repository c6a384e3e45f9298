/* SPDX-License-Identifier: Apache-2.0
 *
 * One guest's health in a word.
 */
#include "supervisor/control/word.h"
#include "supervisor/conf/health_words.h"
#include "supervisor/watch/meant.h"

#include <string.h>

static const char *const words[] = {
#define HEALTH_WORD(id, word, code) [WORD_##id] = word,
#include "supervisor/conf/health_words.def"
};

/* Of a code by which the guest lives all the same; NULL: it is none of
 * these. */
static const char *
finding_word (const char *code)
{
  const struct outcome_code *c = outcome_code_find (code);

  return !c                      ? NULL
         : c->flags & CODE_LIVES ? words[WORD_IMPAIRED]
         : c->flags & CODE_LOST  ? c->code
                                 : NULL;
}

void
word_part (struct word_parts *p, enum health health,
           const struct outcome_report *last)
{
  p->n++;
  /* Failing, and by what its last answer says it is well. */
  if (health >= HEALTH_SUSPECT && last && finding_word (last->code))
    {
      if (health == HEALTH_FAILED && !p->lost.code[0])
        p->lost = *last;
      else if (p->worst < HEALTH_SUSPECT && health == HEALTH_SUSPECT)
        p->worst = HEALTH_SUSPECT;
      return;
    }
  if (health > p->worst)
    p->worst = health;
}

/* Of an incident that stands for a check: what the checks say now. */
static bool
by_a_check (const struct incident *inc)
{
  return !incident_is_by (inc, BY_MONITOR, CODE_VMM_EVENT)
         && !incident_is_by (inc, BY_KERNEL, CODE_KERNEL_EVENT);
}

static const char *
what_is_lost (const struct incident *standing, const struct word_parts *p)
{
  if (p->worst == HEALTH_FAILED || (standing && !by_a_check (standing)))
    return NULL;
  if (p->lost.code[0])
    return finding_word (p->lost.code);
  /* After a restart nobody was asked yet. */
  return standing ? finding_word (standing->code) : NULL;
}

const char *
word_of (const struct guest *g, const struct incident *standing,
         const struct word_parts *p)
{
  const char *lost = what_is_lost (standing, p);

  if (g->intent != INTENT_RUN || guest_paused_by_owner (g)
      || g->run == GUEST_STARTING || g->run == GUEST_STOPPING)
    return words[WORD_HELD_OFF];
  if (lost)
    return lost;
  if (standing)
    return words[WORD_HUNG];
  if (p->n == 0)
    return words[WORD_WATCHED];
  return words[p->worst == HEALTH_FAILED    ? WORD_HUNG
               : p->worst == HEALTH_SUSPECT ? WORD_SUSPECT
               : p->worst == HEALTH_WELL    ? WORD_WELL
                                            : WORD_UNKNOWN];
}

const char *
word_finding (const struct incident *standing, const struct word_parts *p)
{
  if (!what_is_lost (standing, p))
    return NULL;
  return p->lost.code[0] ? p->lost.sentence : standing->reason;
}
