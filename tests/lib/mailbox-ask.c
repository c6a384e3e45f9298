/* SPDX-License-Identifier: Apache-2.0
 *
 * mailbox-ask FILE COMMAND MS: one command through a mailbox, by hangdog-disk
 * as the daemon asks it.  Prints what the command said; the exit code is the
 * command's, or 125 with a sentence on stderr for every other end.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/opener.h"
#include "tests/lib/built.h"
#include "transports/disk/disk_impl.h"
#include "transports/transport.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main (int argc, char **argv)
{
  struct ask_result r = { .status = -1,
                          .output = BUF_INIT (MAILBOX_OUTPUT_MAX) };
  struct error err = ERROR_INIT;
  struct transport_env env = { 0 };
  char libexec[PATH_MAX];
  int fd, rc;

  if (argc != 4)
    return 125;
  built_path (libexec, DISK_HELPER);
  *strrchr (libexec, '/') = '\0';
  env.libexec = libexec;
  fd = open (argv[1], O_RDWR | O_CLOEXEC);
  rc = fd < 0 ? error_errno (&err, errno, "%s", argv[1])
              : disk_run_ (&env, "test", fd, argv[2],
                           clock_ms () + strtoull (argv[3], NULL, 10), &r,
                           &err);
  if (rc < 0 || r.end != ASK_OK)
    {
      fprintf (stderr, "mailbox-ask: end %d: %s\n", rc < 0 ? -1 : (int) r.end,
               rc < 0 ? error_text (&err) : r.detail);
      return 125;
    }
  fwrite (r.output.data, 1, r.output.len, stdout);
  return r.status;
}
