/* SPDX-License-Identifier: Apache-2.0
 *
 * May anything be typed at a guest?  By what its text shows of its boot: a
 * key that comes to a boot loader stops it, one that comes to a guest that
 * is silent in the middle of its boot waits there for whoever asks first.
 *
 * Text is anybody's, so each stage excuses for a bounded time only.
 */
#ifndef HANGDOG_SUPERVISOR_TYPING_H
#define HANGDOG_SUPERVISOR_TYPING_H

#include "supervisor/text/text.h"
#include "transports/console/session.h"

/* From the reset to the first words of what starts. */
#define TYPING_RESET_MS (2u * 60 * 1000)
/* Where but its memory tells of it, which is late, and what its console showed
 * meanwhile was perhaps read by nobody: the prompt may stand there. */
#define TYPING_UNSEEN_MS (30u * 1000)
/* In one stage of a boot or a shutdown; where we came late and its beginning
 * was not seen it may be long over, with a prompt that is not known as one. */
#define TYPING_STAGE_MS (3u * 60 * 1000)
#define TYPING_GUESS_MS (30u * 1000)
/* Where a key does harm, or it waits for a person.  Less than what a check is
 * excused for (HEALTH_EXCUSED_MS): of a system whose boot is not understood
 * the firmware may be all that was. */
#define TYPING_HARM_MS (10u * 60 * 1000)

/* These but the last are longer for a guest whose host hardly lets it run: by
 * as much, and so many times at most. */
#define TYPING_STARVED_MAX 4u

/* Pure.  what (of size n): a sentence when it boots, else "". */
enum typing typing_at (const struct texts_stand *st, uint64_t now_ms,
                       char *what, size_t n);

/* Pure.  Its kernel has printed on that console in this boot: what somebody
 * let a log of the kernel's show there does not count. */
bool typing_kernel_prints (const struct texts_stand *st);

#endif
