/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports of guests whose kernel beats by ACPI (share/acpi): opened, read on
 * the loop, and told as facts, source "acpi":
 *
 *   guest.acpi_beat  int   the sequence of each beat, once a second at most
 *   guest.acpi_port  text  "read", or "unread: " and why; of guests that have
 *                          such a port
 *   guest.ticks      text  "alive", with a beat, once a minute
 *
 * A port is a socket of QEMU's with one client, and QEMU waits for it when it
 * is not read, with the guest: so all there is is always taken, and who writes
 * there without end is let go.  Nothing is ever written.
 *
 * Loop thread only.
 */
#ifndef HANGDOG_TRANSPORTS_ACPI_PORTS_H
#define HANGDOG_TRANSPORTS_ACPI_PORTS_H

#include "guests/registry.h"

struct acpi_ports;
struct buf;
struct error;
struct fact_bus;
struct job_pool;
struct loop;
struct opener;

struct acpi_ports_env
{
  struct loop *loop;
  struct job_pool *jobs;
  struct fact_bus *bus;
  struct opener *opener;
};
/* env is copied. */
int acpi_ports_new (const struct acpi_ports_env *env, struct acpi_ports **ret,
                    struct error *err);
void acpi_ports_free (struct acpi_ports *p); /* after the jobs; NULL is fine */

void acpi_ports_guest (struct acpi_ports *p, enum guest_change change,
                       const struct guest *was, const struct guest *now);
void acpi_ports_dump (const struct acpi_ports *p, struct buf *out);

#endif
