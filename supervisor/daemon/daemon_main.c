/* SPDX-License-Identifier: Apache-2.0
 *
 * Two programmes of one daemon: hangdog-daemon and, with libvirt's libraries,
 * hangdog-daemon-libvirt.  See guests/virt_rooms.h.
 */
#include "supervisor/control/daemon.h"

#include <sys/prctl.h>

int
main (int argc, char **argv)
{
  /* People look for one name. */
  (void) prctl (PR_SET_NAME, "hangdog-daemon");
  return daemon_main (argc, argv);
}
