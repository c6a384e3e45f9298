/* SPDX-License-Identifier: Apache-2.0
 *
 * The console hub: every console of every guest, drained.
 *
 * Loop thread, except where a function says otherwise.  The hub connects (in
 * jobs, through the opener), drains into rings, hands the bytes to the log,
 * reconnects, and gives way.  An opened console is read in every state the
 * daemon can be in; when it can't be, it is closed: an open and unread one
 * stops the guest.
 *
 * Draining: a pty that becomes readable is left alone for `sweep_ms`, then
 * read once (QEMU writes it byte by byte); a unix socket is read at once.
 *
 * Names: a console is "GUEST-UUID:NAME".  Facts: console.state (one of
 * console_state_names) and console.bytes of a guest's first console; those of
 * its further consoles are console.state.NAME and console.bytes.NAME.
 */
#ifndef HANGDOG_TRANSPORTS_HUB_H
#define HANGDOG_TRANSPORTS_HUB_H

#include "guests/guest.h"
#include "guests/registry.h"

#include <sys/types.h>

struct buf;
struct error;
struct hub;
struct job_pool;
struct json_object;
struct loop;
struct opener;
struct ring;

enum console_state
{
  CONSOLE_ABSENT,     /* the socket, pty or file is not there (yet) */
  CONSOLE_IDLE,       /* probe mode, between two dialogues */
  CONSOLE_CONNECTING,
  CONSOLE_HELD,       /* another client has it */
  CONSOLE_SILENT,     /* connected, nothing came yet since */
  CONSOLE_TALKING,    /* connected, bytes came */
  CONSOLE_GIVEN_WAY,  /* we let go for somebody else, until a time */
  CONSOLE_BROKEN,     /* an error that will not mend by itself */
  CONSOLE_STATE_MAX,
};
extern const char *const console_state_names[];

struct hub_limits
{
  unsigned sweep_ms;        /* pty sweep, default 5 */
  size_t ring_small, ring_large; /* RING_SMALL, RING_LARGE */
  size_t ring_total;        /* all rings together; growing stops there */
  uint64_t reconnect_min_ms, reconnect_max_ms; /* 200, 10000 */
  uint64_t give_way_ms;     /* how long we stay away, default 10 min or until
                               the other is gone for 3 s */
};

/* Where drained bytes go besides the ring.  Must not block: a sink that
 * can't take them drops them and says so by returning false; the hub counts
 * the gap. */
struct console_sink
{
  /* *mine is the sink's own, one for each console and NULL at first: what it
   * finds by the names once, it need not look for with every chunk. */
  bool (*bytes) (void *arg, void **mine, const char *uuid,
                 const char *console, const void *data, size_t len,
                 uint64_t wall_ms);
  /* Nothing more will come of that console; may be NULL.  Not called for one
   * whose *mine stayed NULL. */
  void (*gone) (void *arg, void *mine);
  void *arg;
};

/* From now on: how long a pty is left alone, and all rings together.  Rings
 * that have grown stay until they shrink by themselves. */
void hub_limit (struct hub *hub, unsigned sweep_ms, size_t ring_total);
int hub_new (struct loop *loop, struct job_pool *jobs, struct opener *opener,
             struct fact_bus *bus, const struct hub_limits *limits,
             const struct console_sink *sink, struct hub **ret_hub,
             struct error *err);
void hub_free (struct hub *hub);

/* Follows a guest's consoles: add, change, new incarnation (rings are kept, a
 * mark is put into the log), gone.  Called by the registry's listener. */
void hub_guest (struct hub *hub, enum guest_change change,
                const struct guest *was, const struct guest *now);

/* Lets go of a console (all of the guest's when name is NULL) for that long;
 * 0 takes it back now.  On a unix socket it is not needed (who connects is
 * seen and given way to); on a pty it is what makes room for `virsh
 * console`. */
int hub_release (struct hub *hub, const char *uuid, const char *name,
                 uint64_t ms, struct error *err);

struct console_info
{
  const char *uuid, *guest, *name;
  enum console_kind kind;
  enum console_mode mode;
  enum console_state state;
  uint64_t state_since_ms;
  uint64_t bytes, log_dropped, connects;
  uint64_t last_byte_ms; /* 0 = none yet */
  const char *holder;    /* who has it or has the lease, "" if nobody */
  const char *detail;    /* last error or hint, "" */
  size_t ring_bytes;
};
void hub_each (struct hub *hub,
               void (*fn) (const struct console_info *info, void *arg),
               void *arg);
void hub_dump (struct hub *hub, struct buf *out);

/* Any thread: one console, copied. */
struct hub_look
{
  enum console_state state;
  uint64_t state_since_ms, bytes, last_byte_ms;
  /* Why it could not be opened, 0 = it could: -EACCES and -EPERM, a right that
   * we lack, the latter a folder that the configuration does not name. */
  int code;
  char detail[160]; /* the same for people */
};
int hub_look (struct hub *hub, const char *uuid, const char *name,
              struct hub_look *ret, struct error *err);

/* Any thread, also with the loop stuck: closes every console descriptor, as
 * the process's last act.  Async-signal-safe.  (A libvirt stream has none: it
 * ends with the process.) */
void hub_let_go (struct hub *hub);

/* ---- taps: reading along ---- */

struct tap;
enum tap_start
{
  TAP_NOW,   /* what comes from now on */
  TAP_KEPT,  /* and what the ring still has */
  /* Or-ed to one of them: reason enough to connect one in probe mode, and to
   * grow its ring.  Any other reads along whenever the console is connected,
   * and changes nothing. */
  TAP_ACTIVE = 1 << 4,
  /* Or-ed, too: all of it is wanted.  While it is behind, its ring grows
   * sooner than it would lose something (as far as ring_total goes), and
   * shrinks when it has kept up for a while. */
  TAP_FOLLOW = 1 << 5,
};
/* Any thread.  A tap keeps its console's ring alive, also when the guest is
 * gone.  on_data, if given, is called on the loop thread after bytes came
 * (at most once per sweep); without it use tap_wait(). */
int hub_tap (struct hub *hub, const char *uuid, const char *console,
             const char *name, enum tap_start start,
             void (*on_data) (struct tap *tap, void *arg), void *arg,
             struct tap **ret_tap, struct error *err);
void tap_free (struct tap *tap);
size_t tap_read (struct tap *tap, void *dst, size_t n, uint64_t *ret_lost);
int tap_wait (struct tap *tap, uint64_t deadline);
enum console_state tap_state (struct tap *tap);
uint64_t tap_time_of_last (struct tap *tap); /* arrival of the last byte read */
/* Places in its ring: of the byte that tap_read() gives next (its reader's
 * thread), and behind the newest (any thread). */
uint64_t tap_at (struct tap *tap);
uint64_t tap_head (struct tap *tap);

/* Any thread: where in its ring stands what came while hangdog itself (and no
 * person) was typing there: echoes, and answers to what it asked.  The latest
 * few, oldest first; one that lasts ends at UINT64_MAX.  How many. */
struct tap_span
{
  uint64_t from, to;
};
#define TAP_SPANS 8
unsigned tap_typed (struct tap *tap, struct tap_span ret[TAP_SPANS]);

/* Any thread: what the ring of a console has now, appended to out as far as it
 * fits; connects nothing.  ret may be NULL. */
#define HUB_MARKS 32
struct hub_kept
{
  enum console_state state;
  uint64_t lost;    /* older bytes, overwritten while they were read */
  uint64_t last_ms; /* when the last byte came, 0 = there is none */
  /* From which byte of out on it came when (clock_ms()), as far as that is
   * known; and from where to where it is what came while hangdog itself typed
   * there.  None of either where bytes were lost. */
  struct hub_mark
  {
    size_t offset;
    uint64_t ms;
  } marks[HUB_MARKS];
  struct tap_span typed[TAP_SPANS];
  unsigned nmarks, ntyped;
};
int hub_kept (struct hub *hub, const char *uuid, const char *console,
              struct buf *out, struct hub_kept *ret, struct error *err);

/* Loop thread: called after the taps of a tick were told, so that who only
 * notes what he was told wakes his threads once for all.  One at a time; NULL
 * takes it away. */
void hub_after_tick (struct hub *hub, void (*fn) (void *arg), void *arg);

/* ---- leases: typing ---- */

/* One may type at a time.  A higher rank takes the lease from a lower one;
 * an equal one is refused (but a person's `take`).  A person's lease ends
 * after 5 idle minutes. */
enum lease_rank
{
  LEASE_SCENARIO,
  LEASE_DIAGNOSIS,
  LEASE_PERSON,
};
#define LEASE_PERSON_IDLE_MS (5u * 60 * 1000)

struct lease;
/* Any thread; blocks at most until deadline for the console to be connected
 * (in probe mode this is what connects it).  Errors: -EBUSY held by another
 * client or lease (err says who), -ENOENT absent, -ETIMEDOUT, -EROFS a log
 * that can't be typed into. */
int hub_lease (struct hub *hub, const char *uuid, const char *console,
               enum lease_rank rank, const char *who, bool take,
               uint64_t deadline, struct lease **ret_lease,
               struct error *err);
/* In probe mode the console is let go when the last lease and tap is. */
void lease_free (struct lease *l);
bool lease_lost (struct lease *l); /* somebody of higher rank took it */
/* Any thread: writes all within the deadline (0x01 doubled where it is an
 * escape).  -ECANCELED when lost, -ETIMEDOUT when the guest takes nothing
 * (XOFF, full FIFO), -EPIPE when the console went. */
int lease_write (struct lease *l, const void *data, size_t len,
                 uint64_t deadline, struct error *err);
/* Sends the mux escape or byte sequence given, as it is, without doubling:
 * for the SysRq routes only. */
int lease_write_raw (struct lease *l, const void *data, size_t len,
                     uint64_t deadline, struct error *err);
/* 0: the other side has read all that was written; -ETIMEDOUT: not by then.
 * Where that can't be seen (a pty) it is 0. */
int lease_await_taken (struct lease *l, uint64_t deadline);
const struct guest_console *lease_console (struct lease *l);
struct tap *lease_tap (struct lease *l); /* opened with the lease:
                                          TAP_NOW, TAP_ACTIVE */

#endif
