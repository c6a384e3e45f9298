/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest as hangdog knows it.
 *
 * struct guest is a snapshot: immutable, counted references, safe to hand to
 * a job's thread.  When anything changes the registry makes a new one.  What
 * a job learned from a snapshot is only acted upon after
 * registry_is_current(): identity first.
 */
#ifndef HANGDOG_GUESTS_GUEST_H
#define HANGDOG_GUESTS_GUEST_H

#include "base/fact.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum guest_run
{
  GUEST_UNKNOWN,
  GUEST_RUNNING,
  GUEST_PAUSED,    /* by its owner or by the host (see reason) */
  GUEST_STARTING,  /* created, prelaunch, incoming migration */
  GUEST_STOPPING,  /* shutting down, halting */
  GUEST_OFF,       /* no process */
  GUEST_CRASHED,   /* the hypervisor itself says panicked, io-error, ... */
  GUEST_RUN_MAX,
};
extern const char *const guest_run_names[]; /* NULL terminated */

/* What its owner wants of it now.  Everything but INTENT_RUN means: what
 * looks like a hang is not one. */
enum guest_intent
{
  INTENT_RUN,
  INTENT_START,
  INTENT_PAUSE,
  INTENT_STOP,    /* halt, shutdown, purge, delete */
  INTENT_RESTART, /* restart, update */
  INTENT_MIGRATE,
  INTENT_SAVE,    /* managed save, snapshot, backup holding the guest */
  INTENT_HANDS_OFF, /* the platform captures a crash: do not touch */
  INTENT_MAX,
};
extern const char *const guest_intent_names[];

/* Who told that it began anew within its process. */
enum boot_by
{
  BOOT_BY_NOBODY, /* it did not, or what its text showed was none */
  BOOT_BY_TEXT,   /* a suspicion: nobody else has told of it yet */
  BOOT_BY_MEMORY, /* another one: another kernel, or none, is in its memory */
  BOOT_BY_BOTH,   /* text and memory, which do not know of each other */
  BOOT_BY_UPTIME,
  BOOT_BY_RESET, /* its hypervisor */
  BOOT_BY_START, /* of a remote host: it was off, and is not */
  BOOT_BY_MAX,
};
extern const char *const boot_by_names[];
/* Nobody has confirmed it yet: registry_boot_known(). */
bool boot_is_suspected (enum boot_by by);

enum console_kind
{
  CONSOLE_UNIX,   /* a chardev socket: one client at a time */
  CONSOLE_PTY,    /* a local pty, under libvirt's lock file */
  CONSOLE_STREAM, /* a libvirt stream (remote hosts) */
  CONSOLE_LOG,    /* a file that somebody else writes: read only */
  CONSOLE_KIND_MAX,
};
extern const char *const console_kind_names[];

enum console_mode
{
  CONSOLE_HOLD,  /* connected and drained always */
  CONSOLE_PROBE, /* connected for a dialogue only */
  CONSOLE_TAIL,  /* read a log file; nothing is typed */
  CONSOLE_MODE_MAX,
};
extern const char *const console_mode_names[];

/* How the guest's kernel sees this console, which decides the SysRq route. */
enum console_device
{
  CONSOLE_DEV_UNKNOWN,
  CONSOLE_DEV_SERIAL, /* BREAK, then the key */
  CONSOLE_DEV_VIRTIO, /* ^O, then the key, if it is the kernel's console */
  CONSOLE_DEV_MUX,    /* serial and virtio behind one chardev (EVE) */
};
extern const char *const console_device_names[];

/* The I/O port at which a kernel beats by share/acpi/hangdog-beat.asl. */
#define GUEST_BEAT_PORT 0x580u

#define GUEST_MAX_CONSOLES 4
#define GUEST_MAX_NICS 8
#define GUEST_MAX_DISKS 16

struct guest_console
{
  char name[32];    /* "serial0", "cons", "shim-cons": unique in the guest */
  char alias[64];   /* chardev id in QEMU, "" if unknown */
  enum console_kind kind;
  enum console_mode mode;
  enum console_device device;
  bool muxed;       /* 0x01 is an escape there: double it */
  char root[128];   /* opener root and path; CONSOLE_STREAM: path = alias */
  char path[256];
};

enum monitor_kind
{
  MONITOR_NONE,
  MONITOR_UNIX,    /* a QMP socket of our own to take, held shortly */
  MONITOR_LIBVIRT, /* through libvirt */
};

/* The guest agent's channel: a virtio port that QEMU serves at a socket. */
enum agent_kind
{
  AGENT_NONE,
  AGENT_UNIX,    /* the socket itself: one client at a time */
  AGENT_LIBVIRT, /* through libvirt, which holds the socket */
};
#define AGENT_PORT "org.qemu.guest_agent.0"

struct guest_nic
{
  char mac[18];
  char ifname[32]; /* tap on the host */
  char bridge[32]; /* of the host, that it is plugged into; "" if not known */
  char ip[46];     /* "" when not known */
  char ip2[46];    /* of the other family, or "" */
  char ip_from[16]; /* who says so: one of address_from_names */
  char refused[46]; /* it is not used: another guest, or the host, claims it */
  /* The last DHCP lease that was seen of it, whoever is believed about its
   * address; "" if none was. */
  char lease[46];
  uint64_t lease_until_s; /* of the wall clock; LEASE_FOR_EVER */
  bool lease_gone;        /* whoever gave it does not list it any more */
};
#define LEASE_FOR_EVER UINT64_MAX

struct guest_disk
{
  char target[64]; /* "vda" or the qdev id */
  /* Backing file or device on the host, "" if none; of one that a server
   * has, its address as QEMU spells it ("nbd://HOST:PORT/EXPORT"). */
  char path[256];
};

struct guest
{
  struct incarnation inc;
  enum boot_by boot_by;   /* of inc.boot; the registry's, as that is */
  char name[128];         /* the hypervisor's name of it */
  char display[128];      /* what people call it; never empty */
  char source[32];        /* "libvirt", "rundir" */
  char host[128];         /* libvirt URI, or the run directory's root */
  enum guest_run run;
  char reason[64];        /* why it is in that state, as the source says */
  enum guest_intent intent;
  char intent_from[64];   /* who said so */
  bool logs_disabled;     /* EVE: DisableLogs of the application */
  enum monitor_kind monitor;
  char monitor_root[128];
  char monitor_path[256];
  enum agent_kind agent;
  char agent_path[160]; /* AGENT_UNIX: beneath host, which is the opener's root
                           of a run directory's guest */
  /* The socket behind its GUEST_BEAT_PORT, "" if none: transports/acpi. */
  char beat_root[128];
  char beat_path[256];
  uint64_t memory_bytes;
  unsigned vcpus;
  /* What it was started as, in its starter's words; "" where nobody said. */
  char machine[48]; /* "pc-q35-7.2" */
  char accel[16];   /* "kvm", "tcg", "kvm:tcg": the first of these that works */
  char cpu[48];     /* its model: "host", "EPYC-Milan" */
  struct json_object *labels; /* strings by key; libvirt metadata, EVE fields;
                                 NULL if none; never changed once in here */
  unsigned nconsoles, nnics, ndisks;
  /* In the snapshot's own memory: room for GUEST_MAX_... of them until
   * guest_seal(), and from then on for those that there are. */
  struct guest_console *consoles;
  struct guest_nic *nics;
  struct guest_disk *disks;
};

/* A new snapshot with all members zero and one reference. */
struct guest *guest_new (void);
/* Another one of the same content, unsealed; its labels are a copy. */
struct guest *guest_clone (const struct guest *g);
/* To be called when all is in it and nobody else has it: gives back the memory
 * of the parts that it does not have, and from then on it gets no other.
 * Returns the snapshot, which may have moved. */
struct guest *guest_seal (struct guest *g);
struct guest *guest_ref (const struct guest *g);
void guest_unref (const struct guest *g); /* NULL is fine */
static inline void
guest_unrefp (const struct guest **g)
{
  guest_unref (*g);
}
#define CLEANUP_GUEST __attribute__ ((cleanup (guest_unrefp)))

/* Copies s, cut to what fits; always NUL terminated.  For the texts in here. */
void guest_copy (char *dst, size_t n, const char *s);

/* The command that gives it a console, in dst; NULL where none does. */
const char *guest_mend_console (const struct guest *g, char *dst, size_t n);

/* Everything but the reference count is the same. */
bool guest_same (const struct guest *a, const struct guest *b);
struct json_object *guest_to_json (const struct guest *g);
/* Who serves a disk of that path, as "nbd 10.0.0.1:10809"; false: it is a file,
 * a device, or not understood. */
bool guest_disk_server (const char *path, char *dst, size_t n);
const struct guest_console *guest_console_find (const struct guest *g,
                                                const char *name);

#endif
