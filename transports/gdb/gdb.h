/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMU's gdb socket: the vCPUs' registers.
 *
 * Who connects there stops the guest, at once and whatever he says, and it
 * stays so when he goes without a word: intrusive.  It is let go on as the
 * last word of gdb_close(), and whoever connects must know how to let it go on
 * when even that is not heard.
 */
#ifndef HANGDOG_TRANSPORTS_GDB_H
#define HANGDOG_TRANSPORTS_GDB_H

#include "transports/transport.h"

#define GDB_MAX_VCPUS 256
#define GDB_PATH_MAX 256

struct error;
struct gdb;

/* Where QEMU's command line has one at a unix socket: -ENOENT. */
int gdb_find (const struct guest *g, char path[GDB_PATH_MAX],
              struct error *err);
/* From here on the guest stands.  In a job's thread, as all of it. */
int gdb_open (const struct transport_env *env, const struct guest *g,
              const char *path, uint64_t deadline, struct gdb **ret,
              struct error *err);
/* Of all vCPUs, as text; what was had before it fails is there. */
int gdb_read (struct gdb *gdb, struct buf *out, struct error *err);
/* Lets it go on.  0: QEMU says so; NULL is fine. */
int gdb_close (struct gdb *gdb, struct error *err);

#endif
