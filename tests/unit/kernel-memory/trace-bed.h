/* SPDX-License-Identifier: Apache-2.0
 *
 * A trace buffer in a fake kernel: rings of pages, and what its events are.
 */
#ifndef HANGDOG_TESTS_TRACE_BED_H
#define HANGDOG_TESTS_TRACE_BED_H

#include "tests/unit/kernel-memory/system-bed.h"

#define TRACE_POINT_FLAG 4 /* by the enum below */
#define RING_OF 256        /* a fake ring_buffer_per_cpu's size */
#define DATA_PAGE 4096
#define SAVED_SIZE 131104

static inline void
trace_types (struct fakekernel *f)
{
  fakekernel_enum (f, "trace_flags",
                   "T0 T1 TRACE_EVENT_FL_CUSTOM T3 TRACE_EVENT_FL_TRACEPOINT");
  fakekernel_type (f, "array_buffer", 40, "tr@0:8 buffer@8:8");
  fakekernel_type (f, "trace_array", 128,
                   "list@0=list_head name@16:8 array_buffer@24=array_buffer "
                   "current_trace@64:8");
  fakekernel_type (f, "tracer", 64, "name@0:8");
  fakekernel_type (f, "trace_buffer", 128,
                   "cpus@4:4 record_disabled@8:4 buffers@64:8 clock@88:8");
  fakekernel_type (f, "ring_buffer_per_cpu", RING_OF,
                   "record_disabled@4:4 nr_pages@40:8 pages@56:8 "
                   "head_page@64:8 commit_page@72:8 reader_page@80:8 "
                   "entries@96:8 entries_bytes@104:8 overrun@112:8 "
                   "commit_overrun@120:8 dropped_events@128:8 read@136:8");
  fakekernel_type (f, "buffer_page", 64,
                   "list@0=list_head read@24:4 entries@32:8 page@48:8");
  fakekernel_type (f, "buffer_data_page", 16,
                   "time_stamp@0:8 commit@8:8 data@16:1");
  fakekernel_type (f, "trace_entry", 8,
                   "type@0:2 flags@2:1 preempt_count@3:1 pid@4:4");
  fakekernel_type (f, "trace_event", 32, "type@16:4");
  fakekernel_type (f, "trace_event_call", 128,
                   "list@0=list_head class@16:8 name@24:8 "
                   "event@32=trace_event data@88:8 flags@96:4");
  fakekernel_type (f, "trace_event_class", 72,
                   "system@0:8 get_fields@40:8 fields@48=list_head");
  fakekernel_type (f, "tracepoint", 16, "name@0:8");
  fakekernel_type (f, "syscall_metadata", 64, "enter_fields@32=list_head");
  fakekernel_type (f, "ftrace_event_field", 56,
                   "link@0=list_head name@16:8 type@24:8 offset@36:4 "
                   "size@40:4 is_signed@44.0~1");
  fakekernel_type (f, "saved_cmdlines_buffer", SAVED_SIZE,
                   "map_pid_to_cmdline@0:131076 map_cmdline_to_pid@131080:8 "
                   "cmdline_num@131088:4 saved_cmdlines@131096:8");
  fakekernel_var (f, "ftrace_trace_arrays", 16);
  fakekernel_var (f, "global_trace", 128);
  fakekernel_var (f, "ftrace_events", 16);
  fakekernel_var (f, "savedcmd", 8);
  fakekernel_func (f, "trace_clock_local");
  fakekernel_func (f, "trace_clock_counter");
  fakekernel_func (f, "syscall_get_enter_fields");
}

/* ---- memory, from wherever it is taken ---- */

typedef uint64_t take_fn (struct fakekernel *f, uint64_t len, void *arg);

static inline uint64_t
trace_take (struct fakekernel *f, uint64_t len, void *arg)
{
  return fakemem_alloc (&f->mem, len);
}

struct tracebed
{
  struct fakekernel *f;
  take_fn *take;
  void *arg;
  uint64_t array, buffer, rings; /* rings: the table of them */
};

static inline uint64_t
trace_get (struct tracebed *b, uint64_t len)
{
  return b->take (b->f, len, b->arg);
}

static inline uint64_t
trace_text (struct tracebed *b, const char *text)
{
  uint64_t at = trace_get (b, (strlen (text) + 8) & ~7ULL);

  fakemem_text (&b->f->mem, at, text);
  return at;
}

/* ---- the buffer ---- */

static inline void
trace_buffer (struct tracebed *b, unsigned cpus)
{
  struct fakemem *m = &b->f->mem;
  uint64_t tracer = trace_get (b, 64);

  if (!b->take)
    b->take = trace_take;
  b->array = var (b->f, "global_trace");
  b->buffer = trace_get (b, 128);
  b->rings = trace_get (b, 8 * cpus);
  fakemem_list (m, var (b->f, "ftrace_trace_arrays"));
  fakemem_list_add (m, var (b->f, "ftrace_trace_arrays"), b->array);
  fakemem_list (m, var (b->f, "ftrace_events"));
  fakemem_u64 (m, tracer, trace_text (b, "nop"));
  fakemem_u64 (m, b->array + 32, b->buffer);
  fakemem_u64 (m, b->array + 64, tracer);
  fakemem_u32 (m, b->buffer + 4, cpus);
  fakemem_u64 (m, b->buffer + 64, b->rings);
  fakemem_u64 (m, b->buffer + 88, var (b->f, "trace_clock_local"));
}

/* A page and its data, for which `bytes` are there. */
static inline uint64_t
trace_page (struct tracebed *b, uint64_t stamp)
{
  uint64_t at = trace_get (b, 64), data = trace_get (b, DATA_PAGE);

  fakemem_u64 (&b->f->mem, at + 48, data);
  fakemem_u64 (&b->f->mem, data, stamp);
  return at;
}

static inline uint64_t
trace_data (struct tracebed *b, uint64_t page)
{
  return fakemem_get (&b->f->mem, page + 48);
}

/* Of pages, the oldest first; the last one is written. */
static inline uint64_t
trace_ring (struct tracebed *b, unsigned cpu, uint64_t reader,
            const uint64_t *pages, unsigned n)
{
  struct fakemem *m = &b->f->mem;
  uint64_t ring = trace_get (b, RING_OF);

  for (unsigned i = 0; i < n; i++)
    {
      fakemem_u64 (m, pages[i], pages[(i + 1) % n]);
      fakemem_u64 (m, pages[i] + 8, pages[(i + n - 1) % n]);
    }
  fakemem_u64 (m, pages[n - 1], pages[0] | 1); /* the head is behind it */
  fakemem_u64 (m, ring + 40, n);
  fakemem_u64 (m, ring + 56, pages[n / 2]);
  fakemem_u64 (m, ring + 64, pages[0]);
  fakemem_u64 (m, ring + 72, pages[n - 1]);
  fakemem_u64 (m, ring + 80, reader);
  fakemem_u64 (m, b->rings + 8 * cpu, ring);
  return ring;
}

/* ---- what is in a page ---- */

static inline uint64_t
trace_more (struct tracebed *b, uint64_t page, uint64_t len)
{
  uint64_t data = trace_data (b, page);
  uint64_t used = fakemem_get (&b->f->mem, data + 8);

  assert_true (16 + used + len <= DATA_PAGE);
  fakemem_u64 (&b->f->mem, data + 8, used + len);
  return data + 16 + used;
}

/* A record of its first word, and what follows that. */
static inline uint64_t
trace_record (struct tracebed *b, uint64_t page, uint32_t type,
              uint32_t delta, const void *body, uint32_t len)
{
  uint64_t at = trace_more (b, page, 4 + len);

  fakemem_u32 (&b->f->mem, at, type | delta << 5);
  fakemem_put (&b->f->mem, at + 4, body, len);
  return at;
}

struct traceevent
{
  uint16_t type;
  uint8_t flags, preempt;
  uint32_t pid;
  unsigned char rest[120];
};

/* An event with len bytes behind its head (a multiple of 4); returns where the
 * event is. */
static inline uint64_t
trace_event (struct tracebed *b, uint64_t page, uint32_t delta,
             const struct traceevent *e, uint32_t len)
{
  uint64_t entries = fakemem_get (&b->f->mem, page + 32);

  fakemem_u64 (&b->f->mem, page + 32, entries + 1);
  return trace_record (b, page, (8 + len) / 4, delta, e, 8 + len) + 4;
}

/* ---- what events are ---- */

static inline uint64_t
trace_class (struct tracebed *b, const char *system)
{
  uint64_t class = trace_get (b, 72);

  fakemem_u64 (&b->f->mem, class, trace_text (b, system));
  fakemem_list (&b->f->mem, class + 48);
  return class;
}

static inline uint64_t
trace_call (struct tracebed *b, uint64_t class, uint32_t type,
            const char *name)
{
  uint64_t call = trace_get (b, 128);

  fakemem_u64 (&b->f->mem, call + 16, class);
  fakemem_u64 (&b->f->mem, call + 24, trace_text (b, name));
  fakemem_u32 (&b->f->mem, call + 32 + 16, type);
  fakemem_list_add (&b->f->mem, var (b->f, "ftrace_events"), call);
  return call;
}

/* As the kernel does: each before those that there are. */
static inline void
trace_field (struct tracebed *b, uint64_t list, const char *type,
             const char *name, uint32_t offset, uint32_t size, bool is_signed)
{
  uint64_t at = trace_get (b, 56);

  fakemem_u64 (&b->f->mem, at + 16, trace_text (b, name));
  fakemem_u64 (&b->f->mem, at + 24, trace_text (b, type));
  fakemem_u32 (&b->f->mem, at + 36, offset);
  fakemem_u32 (&b->f->mem, at + 40, size);
  fakemem_u32 (&b->f->mem, at + 44, is_signed);
  fakemem_list_add (&b->f->mem, fakemem_get (&b->f->mem, list), at);
}

/* The usual ones. */
static inline void
trace_switch (struct tracebed *b, uint32_t type)
{
  uint64_t class = trace_class (b, "sched"), point = trace_get (b, 16), call;

  call = trace_call (b, class, type, "not this");
  fakemem_u64 (&b->f->mem, point, trace_text (b, "sched_switch"));
  fakemem_u64 (&b->f->mem, call + 24, point);
  fakemem_u32 (&b->f->mem, call + 96, TRACE_POINT_FLAG);
  trace_field (b, class + 48, "char[16]", "prev_comm", 8, 16, false);
  trace_field (b, class + 48, "pid_t", "prev_pid", 24, 4, true);
  trace_field (b, class + 48, "unsigned long", "prev_state", 32, 8, false);
}

static inline void
trace_own (struct tracebed *b)
{
  uint64_t fn = trace_class (b, "ftrace"), print = trace_class (b, "ftrace");
  uint64_t bin = trace_class (b, "ftrace"), stack = trace_class (b, "ftrace");

  trace_call (b, fn, 1, "function");
  trace_field (b, fn + 48, "unsigned long", "ip", 8, 8, false);
  trace_field (b, fn + 48, "unsigned long", "parent_ip", 16, 8, false);
  trace_call (b, print, 5, "print");
  trace_field (b, print + 48, "unsigned long", "ip", 8, 8, false);
  trace_field (b, print + 48, "char[]", "buf", 16, 0, false);
  trace_call (b, bin, 6, "bprint");
  trace_field (b, bin + 48, "unsigned long", "ip", 8, 8, false);
  trace_field (b, bin + 48, "const char *", "fmt", 16, 8, false);
  trace_field (b, bin + 48, "u32[]", "buf", 24, 0, false);
  trace_call (b, stack, 4, "kernel_stack");
  trace_field (b, stack + 48, "int", "size", 8, 4, true);
  trace_field (b, stack + 48, "unsigned long[]", "caller", 16, 0, false);
}

#endif
