/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a look at a mailbox, in the words of transports/ask.h.
 */
#include "transports/disk/disk.h"

enum ask_end
disk_ask_end (enum disk_end end)
{
  switch (end)
    {
    case DISK_OK:
      return ASK_OK;
    case DISK_ABSENT:
      return ASK_NO_MAILBOX;
    case DISK_STUCK:
      return ASK_MAILBOX_STUCK;
    case DISK_UNUSABLE:
      return ASK_MAILBOX_UNUSABLE;
    }
  return ASK_MAILBOX_UNUSABLE;
}
