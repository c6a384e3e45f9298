/* SPDX-License-Identifier: Apache-2.0
 *
 * The words for a guest's health, as numbers.
 */
#ifndef HANGDOG_SUPERVISOR_HEALTH_WORDS_H
#define HANGDOG_SUPERVISOR_HEALTH_WORDS_H

enum health_word
{
#define HEALTH_WORD(id, word, code) WORD_##id,
#include "supervisor/conf/health_words.def"
  WORD_MAX,
};

#endif
