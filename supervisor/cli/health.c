/* SPDX-License-Identifier: Apache-2.0
 *
 * What the words for a guest's health mean to who asks.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/status.h"

#include <string.h>

/* Who waits may wait for one to go, too. */
const char *const health_words[] = {
#define HEALTH_WORD(id, word, code) [WORD_##id] = word,
#include "supervisor/conf/health_words.def"
  [WORD_MAX] = "absent",
  NULL,
};

static const int codes[] = {
#define HEALTH_WORD(id, word, code) [WORD_##id] = code,
#include "supervisor/conf/health_words.def"
};

enum health_word
health_word_find (const char *word)
{
  unsigned i = 0;

  while (i < WORD_MAX && strcmp (health_words[i], word) != 0)
    i++;
  return (enum health_word) i;
}

int
health_code (const unsigned by_word[WORD_MAX + 1])
{
  unsigned all = 0, untold = 0;
  int code = EXIT_WELL;

  for (unsigned i = 0; i <= WORD_MAX; i++)
    all += by_word[i];
  for (unsigned i = 0; i < WORD_MAX; i++)
    if (by_word[i] && codes[i] == EXIT_TROUBLE)
      return EXIT_TROUBLE;
    else if (by_word[i] && codes[i] == EXIT_DEGRADED)
      code = EXIT_DEGRADED;
    else if (codes[i] == EXIT_NO_VERDICT)
      untold += by_word[i];
  /* Nobody is ill, but nobody was asked either: a script must not take that
   * for well. */
  return code == EXIT_WELL && all && untold == all ? EXIT_NO_VERDICT : code;
}
