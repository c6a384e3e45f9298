/* SPDX-License-Identifier: Apache-2.0
 *
 * What is typed for a shell command.
 *
 * One line is framed by two markers of a nonce,
 *     printf '\nHD%s%s:B\n' NON CE; COMMAND; printf '\nHD%s%s:E:%d\n' NON CE $?
 * so that "HDNONCE" stands only in what a shell has executed, never in an
 * echo, however wrapped, redrawn or repeated; and old output has another
 * nonce.  The leading blank keeps it out of most shells' history.
 *
 * Of several lines only one is typed at the shell,
 *     eval "$(printf '\nHD%s%s:R\n' NON CE >&2; READ)"; printf '...:E...' ...
 * and the others, the first of which says B, when R is there: then the terminal
 * takes them, and not the shell's editor, for which each key is work, and a
 * long line too much.
 *
 * READ is a loop of the shell's own, which needs no program of a disk that may
 * be dead.  It says R, so that R means somebody who reads, and hands over what
 * it has when the last line comes, which is CENON: of half a text, or of what
 * somebody else types, nothing is ever executed.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "transports/console/session_impl.h"

#define LOOP \
  "set --;while IFS= \\read -r l;do case $l in(%s%s)" \
  "printf '%%s\\n' \"$@\";break;;esac;set -- \"$@\" \"$l\";done"

/* The command's length without what would break the frame at its end. */
int
frame_check_ (const char *command, size_t *ret_len, struct error *err)
{
  size_t n = strlen (command);

  if (n > SESSION_COMMAND_MAX)
    return error_set (err, EINVAL, "a command of %zu bytes: the most is %d",
                      n, SESSION_COMMAND_MAX);
  for (size_t i = 0; i < n; i++)
    if (((unsigned char) command[i] < 0x20 && command[i] != '\n')
        || command[i] == 0x7f)
      return error_set (err, EINVAL, "a command must be without control "
                        "characters");
  while (n > 0 && strchr (" ;\n", command[n - 1]))
    n--;
  if (n == 0)
    return error_set (err, EINVAL, "an empty command");
  *ret_len = n;
  return 0;
}

bool
frame_command_ (struct buf *frame, struct buf *lines, const char *non,
                const char *ce, const char *command, size_t len)
{
  bool several = memchr (command, '\n', len) != NULL;

  buf_printf (frame, KEYS_KILL " ");
  if (several)
    {
      buf_printf (frame, "\\eval \"$(printf '\\nHD%%s%%s:R\\n' %s %s >&2;" LOOP
                  ")\"", non, ce, ce, non);
      buf_printf (lines, " printf '\\nHD%%s%%s:B\\n' %s %s\n", non, ce);
      buf_append (lines, command, len);
      buf_printf (lines, "\n%s%s\n", ce, non);
    }
  else
    {
      buf_printf (frame, "printf '\\nHD%%s%%s:B\\n' %s %s; ", non, ce);
      buf_append (frame, command, len);
    }
  buf_printf (frame, "%s printf '\\nHD%%s%%s:E:%%d\\n' %s %s $?\r",
              !several && command[len - 1] == '&' ? "" : ";", non, ce);
  return several;
}

size_t
session_command_typed (const char *command)
{
  CLEANUP_BUF struct buf frame = BUF_INIT (FRAME_MAX);
  CLEANUP_BUF struct buf lines = BUF_INIT (FRAME_MAX);
  size_t len;

  if (frame_check_ (command, &len, NULL) < 0)
    return 0;
  (void) frame_command_ (&frame, &lines, "01234567", "89abcdef", command, len);
  return frame.len + lines.len;
}
