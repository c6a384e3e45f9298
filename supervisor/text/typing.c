/* SPDX-License-Identifier: Apache-2.0
 *
 * May anything be typed?  See typing.h.
 */
#include "supervisor/text/typing.h"

#include <stdio.h>

/* Stops that wait for a person, who is not us. */
static bool
waits_for_a_person (enum text_stop stop)
{
  switch (stop)
    {
    case STOP_FIRMWARE_SHELL:
    case STOP_BOOTLOADER:
    case STOP_INITRAMFS:
    case STOP_FSCK:
    case STOP_MAINTENANCE:
    case STOP_PASSPHRASE:
      return true;
    default:
      return false;
    }
}

/* For how long the stage is believed; 0 = it is none of a boot. */
static uint64_t
believed_ms (const struct stage *s)
{
  /* Dead, and to be found so. */
  if (s->stop == STOP_PANIC)
    return 0;
  if (waits_for_a_person (s->stop))
    return TYPING_HARM_MS;
  switch (s->stage)
    {
    case STAGE_FIRMWARE:
    case STAGE_BOOTLOADER:
      return TYPING_HARM_MS;
    case STAGE_KERNEL:
    case STAGE_INITRAMFS:
    case STAGE_USERSPACE:
      return s->boots > 0 ? TYPING_STAGE_MS : TYPING_GUESS_MS;
    case STAGE_SHUTDOWN:
      return TYPING_STAGE_MS;
    default:
      return 0;
    }
}

static bool
since_less (uint64_t since_ms, uint64_t now_ms, uint64_t most_ms)
{
  return now_ms < since_ms || now_ms - since_ms < most_ms;
}

static uint64_t
stretched (const struct texts_stand *st, uint64_t ms)
{
  unsigned n = st->starved < TYPING_STARVED_MAX ? st->starved
                                                : TYPING_STARVED_MAX;

  ms *= n ? n : 1;
  return ms < TYPING_HARM_MS ? ms : TYPING_HARM_MS;
}

enum typing
typing_at (const struct texts_stand *st, uint64_t now_ms, char *what, size_t n)
{
  const struct stage *s = &st->stage;
  /* What was read before the reset is another boot's. */
  bool known = s->stage != STAGE_UNKNOWN
               && (st->reset_ms == 0 || s->since_ms >= st->reset_ms);
  uint64_t most = stretched (st, believed_ms (s));
  uint64_t reset = stretched (st, st->by_memory ? TYPING_UNSEEN_MS
                                                : TYPING_RESET_MS);

  if (n > 0)
    what[0] = '\0';
  if (st->answered || s->replay)
    return TYPING_FREE;
  if (!known && st->reset_ms != 0
      && since_less (st->reset_ms, now_ms, reset))
    {
      snprintf (what, n,
                "the guest was reset %llu s ago, and its console has shown "
                "nothing since that could answer",
                (unsigned long long) (now_ms - st->reset_ms) / 1000);
      return TYPING_BOOTING;
    }
  if (!known)
    return TYPING_FREE;
  if (most > 0 && since_less (s->since_ms, now_ms, most))
    {
      snprintf (what, n, "the guest boots or shuts down: %s%s%s, for %llu s",
                text_stage_names[s->stage], s->stop ? ", stands at " : "",
                s->stop ? text_stop_names[s->stop] : "",
                (unsigned long long) (now_ms - s->since_ms) / 1000);
      return TYPING_BOOTING;
    }
  return s->stage == STAGE_LOGIN ? TYPING_LOGIN : TYPING_FREE;
}

bool
typing_kernel_prints (const struct texts_stand *st)
{
  const struct stage *s = &st->stage;

  if (st->beside)
    return false;
  /* Before the reset it was another boot, perhaps of another kernel. */
  if (s->printed_ms > 0)
    return s->printed_ms >= st->reset_ms;
  /* A kernel that gives its lines no time. */
  return s->boots > 0 && s->release[0] && s->since_ms >= st->reset_ms;
}
