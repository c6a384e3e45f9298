/* SPDX-License-Identifier: Apache-2.0
 *
 * What collectors share: short ways to hand over what they found.
 */
#ifndef HANGDOG_DIAG_COLLECT_H
#define HANGDOG_DIAG_COLLECT_H

#include "base/buf.h"
#include "diag/collector.h"

#include <stdbool.h>

#define COLLECT_APART_MS 1000 /* between the two samples that decide */

/* text may hold guest bytes. */
void collect_text (struct collect_ctx *ctx, const char *name,
                   const char *source, const char *text, size_t len);
void collect_str (struct collect_ctx *ctx, const char *name,
                  const char *source, const char *text);
void collect_int (struct collect_ctx *ctx, const char *name,
                  const char *source, int64_t v);
void collect_real (struct collect_ctx *ctx, const char *name,
                   const char *source, double v);
void collect_bool (struct collect_ctx *ctx, const char *name,
                   const char *source, bool v);

/* Sleeps; false when the job shall stop or the budget ends first. */
bool collect_pause (struct collect_ctx *ctx, uint64_t ms);
bool collect_over (const struct collect_ctx *ctx);
/* The earlier of the budget's end and now + ms. */
uint64_t collect_until (const struct collect_ctx *ctx, uint64_t ms);

/* Does part i of n for each i, COLLECT_AT_ONCE of them at once; returns when
 * all are over.  Each has a ctx of its own, with its share of the time and
 * without an out; none is begun when the time is over. */
#define COLLECT_AT_ONCE 8
typedef void collect_part_fn (struct collect_ctx *ctx, unsigned i, void *arg);
void collect_together (const struct collect_ctx *ctx, unsigned n,
                       collect_part_fn *part, void *arg);

/* A small file of the host's own (/proc, /sys), up to the buffer's bound. */
int collect_slurp (const char *path, struct buf *out, struct error *err);
int collect_slurp_fd (int fd, struct buf *out, struct error *err);
/* The same into a file of the bundle; a failure is a gap. */
bool collect_copy (struct collect_ctx *ctx, const char *path,
                   const char *name, size_t max, struct buf *keep);
void collect_json (struct collect_ctx *ctx, const char *name,
                   struct json_object *obj);

/* Of a collector that asks the monitor, twice: what is done, and that it is not
 * where there is none. */
void collect_plan_monitor (const struct guest *g, const char *what,
                           struct collect_plan *ret);

/* Of hints->addresses the one to ask, NULL = there is none (net.c). */
struct json_object *collect_best_address (struct json_object *hints,
                                          const char *scenario);

/* "disk.vda.moved" from a prefix, a name of somebody else's, a suffix: what
 * is no fact name becomes "_". */
void collect_name (char *dst, size_t n, const char *prefix, const char *mid,
                   const char *suffix);

/* The guest's taps and what they are ports of (a bridge), by the host's "/sys":
 * into doc and facts, of each and of all together (links.c). */
void collect_links (struct collect_ctx *ctx, const char *sys,
                    struct json_object *doc);

/* Is it fit to be the name of an interface, and of a folder? */
bool collect_is_link (const char *name);

/* ---- metrics ---- */

/* One line of the OTLP file format.  All is bounded by its caller. */
struct otlp
{
  struct json_object *metrics;
  uint64_t time_ns, start_ns;
};
void otlp_begin (struct otlp *o, uint64_t start_wall_ms);
/* When what is told next was so. */
void otlp_at (struct otlp *o, uint64_t wall_ms);
/* attr and value may be NULL. */
void otlp_gauge (struct otlp *o, const char *name, const char *unit,
                 double v, const char *attr, const char *value);
void otlp_sum (struct otlp *o, const char *name, const char *unit, double v,
               const char *attr, const char *value);
/* Writes the line and frees. */
void otlp_end (struct otlp *o, struct collect_ctx *ctx, const char *file);

/* The QEMU process and its threads (qemu.c). */
void collect_qemu (struct collect_ctx *ctx, struct otlp *o);

/* The block counters (disk.c): asked once, under that name in looks; and, where
 * there is a first, the file and facts of both, that being the last of it. */
#define DISK_FIRST "first"
#define DISK_SECOND "second"
int collect_disk_look (struct collect_ctx *ctx, struct json_object *looks,
                       const char *which, struct error *err);
void collect_disk_tell (struct collect_ctx *ctx, struct json_object *looks);

/* Facts vcpu.N.share and .waited, vcpu.count and vcpu.busy. */
struct vcpu_share
{
  int number;
  double run, wait; /* of the time, 0 to 1 */
};
void collect_shares (struct collect_ctx *ctx, const char *source,
                     const struct vcpu_share *shares, size_t n);

/* SysRq by keyboard and monitor (sysrq_key.c).  sysrq_ask_monitor() takes the
 * reference of args in every case. */
bool sysrq_can_press (const struct guest *g, char key);
int sysrq_press (struct collect_ctx *ctx, char key, struct error *err);
/* Linux input codes, together; at most 8. */
int sysrq_press_libvirt_ (struct collect_ctx *ctx, const unsigned *codes,
                          unsigned n, unsigned hold_ms, struct error *err);
int sysrq_ask_monitor (struct collect_ctx *ctx, const char *command,
                       struct json_object *args, struct error *err);

/* Undoers. */
extern const struct collect_undoer sysrq_undo_focus;
extern const struct collect_undoer sysrq_undo_level;
extern const struct collect_undoer gdb_undo_pause;

/* One command over the monitor's socket, whose answer says nothing. */
int collect_order (struct collect_ctx *ctx, const char *command,
                   struct error *err);
/* Through libvirt, in calls of its own (acts_virt.c). */
int gdb_resume_libvirt_ (struct collect_ctx *ctx, struct error *err);
int nmi_libvirt_ (struct collect_ctx *ctx, struct error *err);

/* A console's text: what of it is SysRq output (free with
 * sysrq_dump_free()), how many lines are the kernel's (may be NULL)
 * (blocked.c). */
struct sysrq_dump;
int collect_sysrq_read (const char *text, size_t len, struct sysrq_dump **ret,
                        size_t *ret_kernel_lines, struct error *err);
/* What the dump of a key says: as data in sysrq/KEY.json, and that of w as
 * facts (blocked.c).  loud: nothing hides any of it, so that the header alone
 * says that nobody is blocked. */
void collect_dump (struct collect_ctx *ctx, char key, const char *text,
                   size_t len, bool loud);

/* The console's text: marks of trouble as facts (marks.c). */
void collect_marks (struct collect_ctx *ctx, const char *text, size_t len);
/* The same of who else has its text, and of lines that have a kernel's stamp
 * only those from then on. */
void collect_marks_since (struct collect_ctx *ctx, const char *source,
                          const char *text, size_t len, int64_t since_us);
/* The guest's lines in the log that EVE's memlogd keeps, where there is one:
 * console/platform.log, console.platform.lines, and marks. */
void collect_memlog (struct collect_ctx *ctx);

#endif
