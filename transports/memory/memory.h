/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's memory: where its QEMU has it, and descriptors to read it by.
 *
 * Found by what /proc says of the process and by how it was started, without
 * its monitor: when that is stuck it is too late to ask.  What was found is an
 * inference, and the rules are QEMU's, for the machines that are known here:
 * memory_compare() tells whether the monitor says the same.
 *
 * Reading never stops the guest.  The memory file of the backend is preferred
 * where there is one and all the guest's memory is in it; /proc/PID/mem
 * reaches all that QEMU has, so whoever gets it must be trusted with that.
 */
#ifndef HANGDOG_TRANSPORTS_MEMORY_H
#define HANGDOG_TRANSPORTS_MEMORY_H

#include "transports/transport.h"

struct error;
struct json_object;
struct qemu_args;

#define MEMORY_MAX_RANGES 64
#define MEMORY_MAX_BLOCKS 24

/* Guest-physical gpa .. gpa+len is at va of QEMU, and at `at` of what is to be
 * read. */
struct memory_range
{
  uint64_t gpa, len, at, va;
};

struct memory_map
{
  struct memory_range ranges[MEMORY_MAX_RANGES];
  unsigned n;
  uint64_t size;    /* of all */
  bool file;        /* `at` is in the backend's file, else in the process */
  char mapping[48]; /* then: "START-END", the mapping by which it is opened */
  /* What looks like memory that was plugged in since it was started: it is in
   * no range, for where the guest has it only the monitor can tell. */
  uint64_t plugged;
  uint16_t plugged_at, plugged_len; /* of what `note` says of that */
  /* Some look alike, and which is which is a guess; 0 = nothing is. */
  bool guess;
  uint16_t guess_at, guess_len; /* of what `note` says of that */
  /* Where the rules have each range, and which mappings look plugged in (a
   * sum over them), whatever the monitor said later. */
  unsigned nrule;
  uint64_t rule_va[MEMORY_MAX_RANGES], plugged_id;
  char machine[48];
  char note[300]; /* what to be careful about, "" = nothing */
};

/* ---- the rules; pure ---- */

/* One backend: a piece of memory that QEMU asked its kernel for. */
struct memory_block
{
  char id[64];    /* "" = the machine's own */
  char path[256]; /* of its file, "" = none is named */
  uint64_t size;
  bool shared, named; /* share=on; lives in a file or memfd */
};

/* What the command line says. */
struct memory_plan
{
  struct memory_block blocks[MEMORY_MAX_BLOCKS];
  unsigned n;
  /* Which piece of which block is where; `at` is its offset in the block. */
  struct memory_piece
  {
    uint64_t gpa, len, at;
    unsigned block;
  } pieces[MEMORY_MAX_RANGES];
  unsigned npieces;
  bool pluggable; /* there is room for more than it began with */
  char machine[48], note[200];
};

/* size: what is known of the guest's memory from elsewhere, 0 = nothing; for
 * a configuration file that could not be read.  -EOPNOTSUPP with a sentence: it
 * is encrypted, or the machine is not known here; -EBADMSG: it says too
 * little. */
int memory_plan_make (const struct qemu_args *args, uint64_t size,
                      struct memory_plan *ret, struct error *err);
/* maps: the text of /proc/PID/maps.  -ENOENT: a block is not there; -EEXIST:
 * several mappings look like it, which memory that is plugged in later may
 * bring about. */
int memory_plan_place (const struct memory_plan *plan, const char *maps,
                       size_t len, struct memory_map *ret, struct error *err);

/* RAM and ROM of the flat view "memory" in `info mtree -f`, as ranges without
 * addresses.  How many, or -EBADMSG. */
int memory_mtree_parse (const char *text, size_t len, struct memory_range *dst,
                        unsigned max, struct error *err);
/* 0: what both know is at the same place (gpa, len and va of `said` count), and
 * all of the map is in `said`; -ESTALE with the first difference. */
int memory_compare (const struct memory_map *map,
                    const struct memory_range *said, unsigned n,
                    struct error *err);

/* Of a map that is a guess: as the monitor has it, if that is the same memory
 * in another order.  -ESTALE: it is not. */
int memory_settle (struct memory_map *map, const struct memory_range *said,
                   unsigned n, struct error *err);

/* Adds to the map what the monitor has beyond it, if that is as much as was
 * plugged in.  -ENOENT: it is not. */
int memory_take_plugged (struct memory_map *map,
                         const struct memory_range *said, unsigned n,
                         struct error *err);

/* Takes vectors and floating point out of `info registers -a`, in place: most
 * of the text, of no use here, and where keys are.  The new length. */
size_t memory_registers_trim (char *text, size_t len);

/* ---- a guest's ---- */

struct memory
{
  struct memory_map map;
  int fd;      /* O_RDONLY */
  int pagemap; /* of the process; -1 = the file needs none */
};

/* In a job.  Of exactly the incarnation: -ESTALE when another process is there
 * now.  The descriptors are the caller's: memory_done(). */
int memory_open (const struct transport_env *env, const struct guest *g,
                 uint64_t deadline, struct memory *ret, struct error *err);
void memory_done (struct memory *m);
/* For a parser that is given the descriptors: where it is in them. */
struct json_object *memory_where (const struct memory *m);
/* Of one that stays open: 0 when the process still lives and has the memory at
 * the same places.  Where a module was taken out meanwhile there may be QEMU's
 * own memory by now, which is nobody's to read. */
int memory_check (const struct transport_env *env, const struct guest *g,
                  uint64_t deadline, const struct memory *m,
                  struct error *err);
bool memory_map_same (const struct memory_map *a, const struct memory_map *b);

/* The same by the monitor, for a diagnosis: 0, or -ESTALE with what differs.
 * Through libvirt these are raw commands. */
int memory_cross_check (const struct transport_env *env, const struct guest *g,
                        uint64_t deadline, const struct memory_map *map,
                        struct error *err);

/* What only the monitor knows: which of those that look alike is which, and
 * what was plugged in since it was started.  0 when there is nothing to ask,
 * or all of it is in the map now (which then may be read by the process, and
 * not by a file); else m is as it was, and its note says so.  -ESTALE: the
 * monitor says another thing of the rest. */
int memory_ask (const struct transport_env *env, const struct guest *g,
                uint64_t deadline, struct memory *m, struct error *err);

#define MEMORY_STATE 32

/* `info registers -a`, malloc'ed.  Kicks each vCPU for a moment; through
 * libvirt it is a raw command.  state: what QEMU says of itself, "running",
 * "paused", ...; "" = it was not asked, or does not say. */
int memory_registers (const struct transport_env *env, const struct guest *g,
                      uint64_t deadline, char **ret, size_t *ret_len,
                      char state[MEMORY_STATE], struct error *err);

#endif
