/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the console hub: what its files share and nobody else sees.
 *
 *   hub.c      the table, guests coming and going, looking at it
 *   connect.c  one console's connection: open, retry, give way, close
 *   drain.c    reading, the sweep, what happens to the bytes
 *   queue.c    who else wants a unix socket (socket diagnosis)
 *   tap.c, lease.c   what other threads use
 *   console_*.c      one file per kind of console
 *
 * Three locks, taken in this order and never held over a callback:
 *   hub->lock   the table, references, taps, leases, states
 *   console->io the descriptor, between the loop (which closes it) and a
 *               lease's thread (which writes to it)
 *   the ring's own
 */
#ifndef HANGDOG_TRANSPORTS_HUB_IMPL_H
#define HANGDOG_TRANSPORTS_HUB_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "transports/chardev.h"
#include "transports/console/hub.h"
#include "transports/console/ring.h"

#define HUB_BUCKETS 512
#define HUB_MAX_CONSOLES 4096
#define HUB_OPENINGS 8           /* open jobs under way at a time */
#define HUB_READ_SIZE (64u << 10)
#define HUB_OPEN_MS 4000
#define HUB_LINGER_MS 200        /* probe mode: stay for the next dialogue */
#define HUB_QUEUE_LOOK_MS 850    /* within the second we promise */
#define HUB_OTHER_GONE_MS 3000
#define HUB_TAIL_MS 500
#define HUB_BYTES_FACT_MS 10000
#define HUB_IDLE_LOOK_MS 15000
#define HUB_TELL_MS 1      /* a line that goes on is told after this */
#define HUB_SHRINK_MS 5000 /* grown rings are looked at so often */
#define HUB_LAG_MS 30000   /* a tap that fell behind may do so again */

struct console;
struct fact_bus;
struct timer;
struct watch;

/* What an open gives: everything that has to be closed again. */
struct console_link
{
  int fd;      /* -1 = none */
  int lock_fd; /* the UUCP lock of a pty; -1 = none */
  int extra_fd; /* a log's folder, watched by inotify; -1 = none */
  struct socket_file file; /* of the listener */
  off_t offset; /* CONSOLE_LOG: where to read on, in which file */
  dev_t dev;
  ino_t ino;
  void *stream; /* CONSOLE_STREAM, and the connection that it holds */
  void *stream_conn;
};
#define CONSOLE_LINK_INIT { .fd = -1, .lock_fd = -1, .extra_fd = -1 }
void console_link_close_ (struct console_link *link, struct opener *opener,
                          const struct guest_console *def);

/* What the open job is given: copies, so that the console may change
 * meanwhile. */
struct open_task
{
  struct opener *opener;
  struct incarnation inc;
  struct guest_console def;
  char host[128];
  bool by_libvirt; /* who listens at its sockets itself */
  bool first; /* never tried before: a log starts at its end */
  /* CONSOLE_LOG: the file that was read last, and how far */
  off_t offset;
  dev_t dev;
  ino_t ino;
};

/* A kind of console.  open() is called in a job, write() in a lease's thread
 * under console->io, everything else on the loop thread. */
struct console_ops
{
  const char *name;
  bool swept;  /* left alone for sweep_ms after it became readable */
  bool types;  /* can be typed into */
  int (*open) (const struct open_task *task, uint64_t deadline,
               struct console_link *ret_link, struct error *err);
  /* Begins watching; NULL = watch link.fd. */
  int (*start) (struct console *c, struct error *err);
  /* As read(2): > 0, 0 at the end, or -errno (-EAGAIN: nothing now). */
  ssize_t (*read) (struct console *c, void *dst, size_t n);
  ssize_t (*write) (struct console *c, const void *data, size_t n);
  /* Bytes typed that the other side has not taken, 0 if it cannot be told. */
  size_t (*unread) (struct console *c);
  /* Before the descriptors are closed: nothing more may come in after it. */
  void (*stop) (struct console *c);
};
extern const struct console_ops *const console_ops[CONSOLE_KIND_MAX];
void console_stream_free_ (void *stream); /* waits for libvirtd */
void console_stream_drop_ (struct console *c, void *stream); /* does not */
/* Whether this hub wants to hear of connections that are lost. */
void console_stream_listen_ (struct hub *hub, bool on);
extern const struct console_ops console_unix, console_pty, console_log,
    console_stream;

enum console_phase
{
  PHASE_DOWN,
  PHASE_QUEUED,  /* waits for its turn to be opened */
  PHASE_OPENING, /* the job is under way */
  PHASE_WAITING, /* until retry_at */
  PHASE_UP,
};

/* A list without allocation: each console is in each list at most once. */
struct console_list
{
  struct console *first, **end;
};
enum console_list_id
{
  LIST_OPEN,   /* PHASE_QUEUED */
  LIST_SWEEP,  /* readable, left alone until the tick */
  LIST_NOTIFY, /* taps to be told at the tick */
  LIST_BYTES,  /* console.bytes was published lately */
  LIST_AWAY,   /* gave way to somebody who queued, until that one is gone */
  LIST_LARGE,  /* ring grown for a tap that fell behind */
  LIST_MAX,
};

struct tap
{
  struct console *console;
  struct tap *next; /* in the console; hub->lock */
  char name[32];
  uint64_t pos, kicks, last_ms; /* the reader's own */
  void (*on_data) (struct tap *tap, void *arg);
  void *arg;
  uint64_t told; /* the round of telling it was last told in */
  bool active;
  bool counted; /* among console->active */
  bool follow;  /* among console->followers */
  atomic_uint_fast64_t at; /* pos, for the loop */
};

struct lease
{
  struct console *console;
  struct tap *tap;
  enum lease_rank rank;
  char who[64];
  uint64_t since_ms;
  atomic_uint_fast64_t used_ms;
  atomic_bool lost;
  bool typed;    /* it was typed by this lease, which is no person's: */
  uint64_t span; /* the one of console->typed; hub->lock */
  uint64_t connection; /* console->connection it was given for */
  bool echoes;     /* behind a mux: what is typed comes back, */
  bool echoless;   /* or did not, and is not waited for any more */
  unsigned misses;
  const struct console_ops *ops; /* and what they were then */
  struct guest_console def;
};

struct console
{
  struct hub *hub;
  struct console *hash_next;
  char uuid[UUID_TEXT];
  char guest[128];
  char host[128];
  struct guest_console def;
  bool primary; /* its state is the guest's console.state */
  const struct console_ops *ops;
  struct ring *ring;

  /* ---- loop thread only ---- */
  struct incarnation inc;
  enum console_phase phase;
  struct console_link link;
  unsigned slot; /* in hub->fds */
  void *log;     /* the sink's */
  struct watch *watch, *extra_watch;
  struct timer *timer;
  uint64_t retry_at, backoff_ms;
  uint64_t linger_until; /* 0 = not lingering */
  uint64_t away_until;   /* 0 = not away; CLOCK_NEVER while off */
  uint64_t other_seen;
  struct socket_file last_file; /* of the socket we gave way on */
  bool off;              /* the guest does not run */
  bool by_libvirt;
  bool opened_once;
  uint64_t idle_since; /* CONSOLE_LOG: when it grew last */
  bool reopen;           /* the endpoint changed while it was being opened */
  uint64_t bytes_said_ms, bytes_said;
  uint64_t swept_ms;     /* when it was last given back to epoll */
  uint64_t loud_until;   /* a socket that is read at once */
  uint64_t loud_since, loud_bytes; /* what it says is counted from here */
  bool streaming;        /* it was readable again at once: stay with the tick */
  struct { struct console *next, **pprev; } in[LIST_MAX];

  /* ---- hub->lock ---- */
  unsigned refs;
  bool gone;
  bool hurry;       /* a lease waits: do not sit out the backoff */
  bool closing;     /* about to be closed: no lease may begin on it */
  enum console_state state;
  uint64_t state_since;
  int code; /* why it could not be opened, 0 = it could */
  char detail[160];
  uint64_t attempts; /* openings that ended, either way */
  uint64_t connection; /* rises with each connection made */
  uint64_t connected_at; /* ring position at which it began */
  struct
  {
    uint64_t shell_on, shell_at; /* connection and position of the last shell */
    bool lines_asked; /* a shell may read lines that nobody types any more */
  } of_boot;
  atomic_uint active; /* taps and leases that want it connected */
  uint64_t active_since; /* ring position at which the first of them came */
  struct tap *taps;
  struct lease *lease;
  struct tap_span typed[TAP_SPANS]; /* a ring */
  uint64_t ntyped;
  uint64_t connects;
  bool large;       /* the ring was grown */
  atomic_uint followers; /* taps that want all of it; read by the loop without
                            the lock */
  atomic_uint_fast64_t followed; /* none of them is further behind than this */
  uint64_t lag_ms;  /* when one of them was last too far behind */
  pthread_cond_t cond; /* with hub->lock: state, connection, lease */
  atomic_uint ndata;   /* taps with on_data */
  /* Written by the loop thread alone, read by all. */
  atomic_uint_fast64_t bytes, log_dropped;

  pthread_mutex_t io;
  int io_fd; /* link.fd while up, else -1 */
  uint64_t io_connection; /* the one that these belong to, 0 = none */
  void *io_stream;
};

struct console_slot
{
  atomic_int fd, lock_fd;
};

struct hub
{
  atomic_uint refs;
  struct loop *loop;
  struct job_pool *jobs;
  struct opener *opener;
  struct fact_bus *bus;
  struct hub_limits limits;
  struct console_sink sink;
  pthread_t loop_thread;

  /* ---- loop thread only ---- */
  struct console_list lists[LIST_MAX];
  unsigned openings;
  char *read_buf;
  struct timer *open_timer;  /* the job pool was full */
  struct timer *sweep_timer; /* the shared tick */
  struct timer *bytes_timer, *tail_timer, *queue_timer, *shrink_timer;
  struct timer *idle_timer;  /* a person has a lease */
  int queue_fd;              /* netlink, -1 = none yet, -2 = not to be had */
  char *queue_buf;
  struct watch *queue_watch;
  bool queue_asked, queue_some;
  uint64_t tell_round;
  uint64_t told_ms; /* the last tick that told taps */
  void (*after_tick) (void *arg);
  void *after_arg;

  pthread_mutex_t lock;
  pthread_cond_t told; /* an on_data callback came back */
  bool dead;
  struct tap *telling; /* whose on_data runs now */
  struct console *buckets[HUB_BUCKETS];
  unsigned nconsoles;
  size_t ring_bytes;

  bool slot_used[HUB_MAX_CONSOLES]; /* loop thread */
  struct console_slot fds[HUB_MAX_CONSOLES];
};

/* hub.c */
void console_unref_ (struct console *c);
struct console *console_find_locked_ (struct hub *hub, const char *uuid,
                                      const char *name);
/* Walks all consoles on the loop thread; fn may not remove any. */
void hub_walk_ (struct hub *hub, void (*fn) (struct console *c, void *arg),
                void *arg);
void list_add_ (struct console *c, enum console_list_id id);
void list_del_ (struct console *c, enum console_list_id id);
bool list_has_ (const struct console *c, enum console_list_id id);

/* connect.c */
/* Brings the connection to what is wanted; any change ends in it. */
void console_look_ (struct console *c);
int console_post_look_ (struct console *c); /* any thread, hub->lock held */
void console_set_state_ (struct console *c, enum console_state state,
                         const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));
/* Drains what is still there, closes, and says why. */
void console_close_ (struct console *c, enum console_state state,
                     const char *why);
/* The other end went: close, and try again soon. */
void console_lost_ (struct console *c, const char *why);
void console_give_way_ (struct console *c);
void console_remove_ (struct console *c);
void console_timer_ (struct timer *t, void *arg);
void hub_open_next_ (struct timer *t, void *arg); /* t may be NULL */

/* drain.c */
int drain_start_ (struct console *c, struct error *err);
void drain_stop_ (struct console *c);
/* Reads until there is nothing, the end, or the budget is used; false when
 * the console was closed by it. */
bool drain_ (struct console *c, size_t budget);
void drain_rest_ (struct console *c, size_t budget);
void drain_tick_ (struct timer *t, void *arg);
void drain_tail_ (struct timer *t, void *arg);
void drain_bytes_ (struct timer *t, void *arg);
void drain_shrink_ (struct timer *t, void *arg);
/* The follower that is furthest behind, in bytes; hub->lock held. */
uint64_t drain_lag_locked_ (const struct console *c);

/* tap.c */
void taps_tell_ (struct console *c);
struct tap *tap_add_locked_ (struct console *c, const char *name,
                             enum tap_start start);
void tap_drop_locked_ (struct tap *tap);
/* Back to the small ring, if nobody needs the large one. */
void ring_shrink_locked_ (struct console *c);
/* The newest n bytes of the present connection, without moving the tap. */
size_t tap_peek_ (struct tap *tap, void *dst, size_t n);

/* lease.c */
void lease_lose_locked_ (struct lease *l);
/* Loop: takes leases from persons who are idle; runs while there are any. */
void lease_idle_ (struct timer *t, void *arg);
/* Bytes typed that nobody took. */
size_t lease_unread_ (struct lease *l);
void lease_pause_ (struct lease *l, uint64_t ms);
/* 0: still ours, and still the connection it was given for. */
int lease_check_ (struct lease *l, struct error *err);
/* A dialogue ended at a shell: what the next one may rely on, as long as the
 * ring still has all that came since. */
void lease_note_shell_ (struct lease *l);
/* A shell is asked to read lines until a dialogue ends at one. */
void lease_note_lines_ (struct lease *l);
bool lease_lines_asked_ (struct lease *l);
uint64_t lease_quiet_ms_ (struct lease *l); /* since the last byte came */
/* The text since then, 0 when there is none or the ring has lost some. */
bool lease_since_shell_ (struct lease *l, void *dst, size_t n,
                         size_t *ret_len);

/* echo.c: as lease_write_raw(), piece by piece, each when the one before has
 * been taken. */
int lease_write_slowly_ (struct lease *l, const char *data, size_t len,
                         uint64_t deadline, struct error *err);

/* queue.c */
void queue_watch_ (struct hub *hub); /* something to look for has begun */
void queue_look_ (struct timer *t, void *arg);
void queue_done_ (struct hub *hub);

#endif
