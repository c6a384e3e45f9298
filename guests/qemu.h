/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMU processes and what their command lines say.
 *
 * Reads /proc/PID/cmdline and stat, which anybody may, and understands enough
 * of QEMU's options (and of a -readconfig file) to name the guest and to
 * tell its memory, processors, disks, interfaces and consoles.  For job
 * threads: nothing here blocks for long, but /proc of a process in trouble
 * may.
 */
#ifndef HANGDOG_GUESTS_QEMU_H
#define HANGDOG_GUESTS_QEMU_H

#include "guests/guest.h"

struct error;
struct qemu_args;

/* cmdline: NUL separated as in /proc.  -EINVAL when it is no QEMU's. */
int qemu_args_parse (const char *cmdline, size_t len,
                     struct qemu_args **ret_args, struct error *err);
/* Adds what a -readconfig file says.  Lines that are not understood are
 * skipped: the file is QEMU's, not ours to refuse. */
void qemu_args_add_config (struct qemu_args *args, const char *text,
                           size_t len);
void qemu_args_free (struct qemu_args *args);
static inline void
qemu_args_freep (struct qemu_args **args)
{
  qemu_args_free (*args);
}
#define CLEANUP_QEMU_ARGS __attribute__ ((cleanup (qemu_args_freep)))

/* Never NULL; "" if not said. */
const char *qemu_args_name (const struct qemu_args *args);
const char *qemu_args_uuid (const struct qemu_args *args);
const char *qemu_args_pidfile (const struct qemu_args *args);
const char *qemu_args_readconfig (const struct qemu_args *args);

/* ---- any option, for who knows what it means ---- */

/* "qemu-system-x86_64" */
const char *qemu_args_program (const struct qemu_args *args);
/* How often an option was given; "M" is "machine", and those of a -readconfig
 * file count. */
unsigned qemu_args_count (const struct qemu_args *args, const char *kind);
/* The n-th of them: the value of key, "on" for one without, NULL when it has
 * none; its id is "id".  Options in JSON are the same; what is nested there
 * is JSON text. */
const char *qemu_args_value (const struct qemu_args *args, const char *kind,
                             unsigned n, const char *key);
/* Of the last of them that has the key. */
const char *qemu_args_last (const struct qemu_args *args, const char *kind,
                            const char *key);

/* Memory, vcpus, nics and disks, where g does not have them yet. */
void qemu_args_fill (const struct qemu_args *args, struct guest *g);

/* Whether the text stands anywhere in what the options say: a path without
 * commas and equals signs is found in libvirt's JSON too. */
bool qemu_args_mention (const struct qemu_args *args, const char *text);

/* Device, alias and muxed of the console whose socket is FOLDER/FILE (paths
 * may be seen from another mount namespace: only the last two components are
 * compared).  False when no chardev has it. */
bool qemu_args_console (const struct qemu_args *args, const char *folder,
                        const char *file, struct guest_console *c);

/* FILE of the guest agent's socket, where that is FOLDER/FILE (seen as above).
 * False when there is no such channel, or it is elsewhere. */
bool qemu_args_agent (const struct qemu_args *args, const char *folder,
                      char *file, size_t n);
/* The path of the socket behind GUEST_BEAT_PORT, NULL if there is none. */
const char *qemu_args_beat (const struct qemu_args *args);

struct qemu_proc
{
  int32_t pid;
  uint64_t start_time;
  char state; /* R S D T t Z X as in /proc/PID/stat */
  /* Whose it is: who started it, and with whose rights it runs.  A set-uid
   * programme has two, and its command line is that of the first. */
  uint32_t ruid, euid;
};
#define QEMU_SYSTEM_UID_MAX 999u

/* That process, which must look like a QEMU. -ESRCH when it is gone or became
 * another one while being looked at. */
int qemu_proc_read (int32_t pid, struct qemu_proc *ret_proc,
                    struct qemu_args **ret_args, struct error *err);

/* Calls fn for every QEMU of this host until it returns true.  Returns 1 when
 * it did, 0 when none was taken.  Those of the system's users come first:
 * anybody can call a process a QEMU and give it a guest's uuid, so who looks
 * for one takes the first. */
int qemu_proc_find (bool (*fn) (const struct qemu_proc *proc,
                                const struct qemu_args *args, void *arg),
                    void *arg, struct error *err);

/* 8-4-4-4-12 hexadecimal digits and nothing else. */
bool uuid_is_valid (const char *s);
/* Lower case; dst of UUID_TEXT bytes.  False (dst untouched) if it is none. */
bool uuid_copy (char *dst, const char *s);

#endif
