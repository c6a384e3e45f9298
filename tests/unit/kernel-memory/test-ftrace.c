/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "ftrace": rings of several CPUs in one order of time, events by what
 * the kernel says of them; whole, torn and absurd.
 */
#include "tests/unit/kernel-memory/trace-bed.h"

#include "kernel/memory/trace.h"

#define SWITCH 300
#define MARKED "{\"row\":\"trace\",\"ns\":"

static void
begin (struct fakekernel *f, struct tracebed *b, unsigned cpus)
{
  make_system (f);
  fakekernel_with_tasks (f);
  trace_types (f);
  fakekernel_func (f, "tracing_mark_write");
  fakekernel_func (f, "schedule");
  fakekernel_func (f, "do_exit");
  fakekernel_load (f);
  *b = (struct tracebed){ .f = f, .take = trace_take };
  trace_buffer (b, cpus);
  trace_own (b);
  trace_switch (b, SWITCH);
}

static void
add_switch (struct tracebed *b, uint64_t page, uint32_t delta, uint32_t pid,
            const char *prev)
{
  struct traceevent e = { .type = SWITCH, .flags = 1, .preempt = 2,
                          .pid = pid };

  snprintf ((char *) e.rest, 16, "%s", prev);
  memcpy (e.rest + 16, &pid, 4);
  e.rest[24] = 2;
  (void) trace_event (b, page, delta, &e, 32);
}

static void
add_mark (struct tracebed *b, uint64_t page, uint32_t delta, const char *text)
{
  struct traceevent e = { .type = 5, .pid = 77 };
  uint64_t ip = var (b->f, "tracing_mark_write") + 4;

  memcpy (e.rest, &ip, 8);
  snprintf ((char *) e.rest + 8, 64, "%s", text);
  (void) trace_event (b, page, delta, &e,
                      (uint32_t) ((8 + strlen (text) + 4) & ~3ULL));
}

/* What the rows are in, one after the other. */
static void
assert_order (struct fakekernel *f, const char *const *what)
{
  const char *p = f->rows;

  for (; *what; what++)
    if (!(p = strstr (p, *what)))
      fail_msg ("no %s, or not there, in\n%s", *what, f->rows);
}

/* ---- what is well ---- */

static void
test_order (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  uint64_t reader, page[3], other[1], ring;

  begin (&f, &b, 2);
  reader = trace_page (&b, 1000000000);
  add_mark (&b, reader, 0, "taken out");
  fakemem_u32 (&f.mem, reader + 24,
               (uint32_t) fakemem_get (&f.mem, trace_data (&b, reader) + 8));
  add_switch (&b, reader, 5000, 10, "first");
  page[0] = trace_page (&b, 2000000000);
  add_switch (&b, page[0], 7, 11, "third");
  page[1] = trace_page (&b, 3000000000);
  add_switch (&b, page[1], 0, 12, "fifth");
  page[2] = trace_page (&b, 0); /* written next */
  ring = trace_ring (&b, 0, reader, page, 3);
  fakemem_u64 (&f.mem, ring + 96, 10);
  fakemem_u64 (&f.mem, ring + 104, 240);
  fakemem_u64 (&f.mem, ring + 112, 5);
  fakemem_u64 (&f.mem, ring + 120, 1);
  fakemem_u64 (&f.mem, ring + 128, 2);
  fakemem_u64 (&f.mem, ring + 136, 1);
  other[0] = trace_page (&b, 1950000000);
  add_switch (&b, other[0], 0, 20, "second");
  add_switch (&b, other[0], 40000000, 20, "not yet third");
  add_switch (&b, other[0], 110000000, 21, "fourth");
  (void) trace_ring (&b, 1, trace_page (&b, 0), other, 1);
  fakekernel_look (&f, &section_ftrace);
  assert_no_row (&f, "lacks");
  assert_no_row (&f, "taken out");
  assert_row (&f, "{\"row\":\"trace_buffer\",\"tracer\":\"nop\",\"on\":true,"
                  "\"clock\":\"local\",\"entries\":4,\"overrun\":5,\"lost\":3,"
                  "\"cpus\":2}");
  assert_row (&f, "{\"row\":\"trace_cpu\",\"cpu\":0,\"entries\":4,"
                  "\"overrun\":5,\"lost\":3,\"bytes\":240,\"pages\":3}");
  assert_row (&f, "{\"row\":\"trace\",\"ns\":1000005000,\"cpu\":0,\"pid\":10,"
                  "\"flags\":\"d..2.\",\"event\":\"sched_switch\","
                  "\"system\":\"sched\",\"fields\":{\"prev_comm\":\"first\","
                  "\"prev_pid\":10,\"prev_state\":2}}");
  assert_order (&f, (const char *const[]){
                        "first", "second", "not yet third",
                        MARKED "2000000007,\"cpu\":0", "third",
                        MARKED "2100000000,\"cpu\":1", "fourth",
                        MARKED "3000000000,\"cpu\":0", "fifth", NULL });
  assert_int_equal (fakekernel_count (&f, MARKED), 6);
  fakekernel_free (&f);
}

/* Time that is more than an event has room for, and what is no event. */
static void
test_time (void **state)
{
  static const uint64_t high = UINT64_C (3) << 59;
  struct fakekernel f;
  struct tracebed b;
  uint64_t page;
  uint32_t word;

  begin (&f, &b, 1);
  page = trace_page (&b, high + 4000000000);
  add_mark (&b, page, 1, "a");
  word = 3;
  (void) trace_record (&b, page, 30, 100, &word, 4); /* it goes on */
  add_mark (&b, page, 10, "b");
  (void) trace_record (&b, page, 29, 1000, &(uint32_t[]){ 8, 0 }, 8);
  add_mark (&b, page, 1, "c");
  word = (uint32_t) (5000000000ULL >> 27);
  (void) trace_record (&b, page, 31, 5000000000ULL & ((1u << 27) - 1), &word,
                       4);
  add_mark (&b, page, 2, "d");
  /* Behind this one its lower bits begin anew. */
  (void) trace_record (&b, page, 31, 7, &(uint32_t){ 0 }, 4);
  add_mark (&b, page, 0, "e");
  (void) trace_record (&b, page, 29, 0, &(uint32_t){ 0 }, 4);
  add_mark (&b, page, 0, "behind the end");
  (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
  fakekernel_look (&f, &section_ftrace);
  for (unsigned i = 0; i < 5; i++)
    {
      static const uint64_t add[]
          = { 4000000001, 4000000001 + 100 + (3ULL << 27) + 10,
              4000000001 + 100 + (3ULL << 27) + 11, 5000000002,
              (1ULL << 59) + 7 };
      char text[200];

      snprintf (text, sizeof text,
                MARKED "%" PRIu64 ",\"cpu\":0,\"pid\":77,\"flags\":\".....\","
                       "\"event\":\"print\",\"system\":\"ftrace\",\"by\":"
                       "\"tracing_mark_write\",\"text\":\"%c\"}",
                high + add[i], 'a' + i);
      assert_row (&f, text);
    }
  assert_int_equal (fakekernel_count (&f, MARKED), 5);
  fakekernel_free (&f);
}

/* An event that is all of a page, with its length in a word of its own. */
static void
test_long (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  uint64_t page, at, ip;
  uint32_t len = 4 + 8 + 8 + 1000;

  begin (&f, &b, 1);
  ip = var (&f, "tracing_mark_write");
  page = trace_page (&b, 1000);
  at = trace_more (&b, page, 4 + len);
  fakemem_u32 (&f.mem, at, 0 | 5u << 5);
  fakemem_u32 (&f.mem, at + 4, len);
  fakemem_u16 (&f.mem, at + 8, 5);
  fakemem_u64 (&f.mem, at + 16, ip);
  for (unsigned i = 0; i < 999; i++)
    fakemem_put (&f.mem, at + 24 + i, "x", 1);
  add_mark (&b, page, 1, "next");
  (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, MARKED "1005,\"cpu\":0,\"pid\":0,\"comm\":\"<idle>\"");
  assert_row (&f, "xxxxxxxxx\"}");
  assert_row (&f, "\"text\":\"next\"");
  fakekernel_free (&f);
}

static void
test_who (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  uint64_t page, saved, pids, names;

  begin (&f, &b, 1);
  saved = fakemem_alloc (&f.mem, SAVED_SIZE);
  pids = trace_get (&b, 4 * 4);
  names = trace_get (&b, 4 * 16);
  fakemem_u64 (&f.mem, var (&f, "savedcmd"), saved);
  memset (fakemem_at (&f.mem, saved), 0xff, 131076);
  fakemem_u64 (&f.mem, saved + 131080, pids);
  fakemem_u32 (&f.mem, saved + 131088, 4);
  fakemem_u64 (&f.mem, saved + 131096, names);
  fakemem_u32 (&f.mem, saved + 4 * 10, 2);
  fakemem_u32 (&f.mem, pids + 4 * 2, 10);
  fakemem_text (&f.mem, names + 16 * 2, "gone by now");
  fakemem_u32 (&f.mem, saved + 4 * 11, 3);
  fakemem_u32 (&f.mem, pids + 4 * 3, 11 + 0x8000); /* another one's */
  fakemem_u32 (&f.mem, saved + 4 * 12, 99);        /* beyond their number */
  (void) fakekernel_task (&f, 11, "there yet", 0);
  page = trace_page (&b, 0);
  add_switch (&b, page, 1, 10, "x");
  add_switch (&b, page, 1, 11, "x");
  add_switch (&b, page, 1, 12, "x");
  add_switch (&b, page, 1, 11 + 0x8000, "x");
  (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
  fakemem_text (&f.mem, names + 16 * 3, "named");
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"pid\":10,\"comm\":\"gone by now\",");
  assert_row (&f, "\"pid\":11,\"comm\":\"there yet\",");
  assert_row (&f, "\"pid\":12,\"flags\"");
  assert_row (&f, "\"pid\":32779,\"comm\":\"named\"");
  fakekernel_free (&f);
}

/* ---- members of events ---- */

static void
test_fields (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  struct traceevent e = { .type = 400, .flags = 0x8 | 0x10, .pid = 1 };
  uint64_t page, class, fn;

  begin (&f, &b, 1);
  class = trace_class (&b, "odd") + 48;
  trace_call (&b, class - 48, 400, "every");
  trace_field (&b, class, "__data_loc char[]", "name", 8, 4, false);
  trace_field (&b, class, "__rel_loc char[]", "rel", 12, 4, false);
  trace_field (&b, class, "s16", "small", 16, 2, true);
  trace_field (&b, class, "u8[6]", "mac", 18, 6, false);
  trace_field (&b, class, "unsigned int[2]", "pair", 24, 8, false);
  trace_field (&b, class, "void *", "ptr", 32, 8, false);
  trace_field (&b, class, "struct thing", "thing", 40, 3, false);
  trace_field (&b, class, "void (*fn)(int)", "fn", 48, 8, false);
  trace_field (&b, class, "__data_loc u16[]", "many", 56, 4, false);
  trace_field (&b, class, "int", "no\\\"word", 16, 2, true);
  trace_field (&b, class, "int", "outside", 600, 4, true);
  memcpy (e.rest + 0, &(uint32_t){ 6u << 16 | 72 }, 4);
  memcpy (e.rest + 4, &(uint32_t){ 5u << 16 | (80 - 16) }, 4);
  memcpy (e.rest + 8, &(int16_t){ -7 }, 2);
  memcpy (e.rest + 10, "\x02\x00\xde\xad\xbe\xef", 6);
  memcpy (e.rest + 16, &(uint32_t[]){ 4000000000u, 5 }, 8);
  memcpy (e.rest + 24, &(uint64_t){ FAKE_LINEAR + 0x1000 }, 8);
  memcpy (e.rest + 32, "\x01\x02\x03", 3);
  fn = var (&f, "schedule") + 2;
  memcpy (e.rest + 40, &fn, 8);
  memcpy (e.rest + 48, &(uint32_t){ 4u << 16 | 88 }, 4);
  memcpy (e.rest + 64, "he\x1bllo", 6);
  memcpy (e.rest + 72, "later", 5);
  memcpy (e.rest + 80, &(uint16_t[]){ 1, 65535 }, 4);
  page = trace_page (&b, 0);
  (void) trace_event (&b, page, 1, &e, 84);
  (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"flags\":\"..H..\",\"event\":\"every\",\"system\":\"odd\","
                  "\"fields\":{\"name\":\"he\\\\ello\",\"rel\":\"later\","
                  "\"small\":-7,\"mac\":\"0200deadbeef\",\"pair\":"
                  "[4000000000,5],\"ptr\":\"0xffff888000001000\",\"thing\":"
                  "\"010203\",\"fn\":\"schedule+0x2/0x100\",\"many\":[1,65535]"
                  "}}");
  fakekernel_free (&f);
}

/* System calls have a class together and members of their own. */
static void
test_syscall (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  struct traceevent e = { .type = 500, .pid = 1 };
  uint64_t page, class, call, meta;

  begin (&f, &b, 1);
  class = trace_class (&b, "syscalls");
  fakemem_u64 (&f.mem, class + 40, var (&f, "syscall_get_enter_fields"));
  trace_field (&b, class + 48, "int", "wrong", 8, 4, true);
  call = trace_call (&b, class, 500, "sys_enter_close");
  meta = trace_get (&b, 64);
  fakemem_list (&f.mem, meta + 32);
  fakemem_u64 (&f.mem, call + 88, meta);
  trace_field (&b, meta + 32, "int", "__syscall_nr", 8, 4, true);
  trace_field (&b, meta + 32, "unsigned int", "fd", 16, 8, false);
  e.rest[0] = 3;
  e.rest[8] = 9;
  page = trace_page (&b, 0);
  (void) trace_event (&b, page, 1, &e, 16);
  (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"event\":\"sys_enter_close\",\"system\":\"syscalls\","
                  "\"fields\":{\"__syscall_nr\":3,\"fd\":9}}");
  fakekernel_free (&f);
}

static void
test_own (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  struct traceevent fn = { .type = 1, .pid = 1 }, bin = { .type = 6 };
  struct traceevent stack = { .type = 4 }, odd = { .type = 999 };
  uint64_t page, at[3];

  begin (&f, &b, 1);
  page = trace_page (&b, 0);
  at[0] = var (&f, "do_exit");
  at[1] = var (&f, "schedule") + 9;
  at[2] = UINT64_MAX;
  memcpy (fn.rest, at, 16);
  (void) trace_event (&b, page, 1, &fn, 16);
  at[0] = var (&f, "do_exit") + 1;
  at[1] = trace_text (&b, "n=%d s=%s\n");
  memcpy (bin.rest, at, 16);
  memcpy (bin.rest + 16, &(int32_t){ -3 }, 4);
  memcpy (bin.rest + 20, "text", 5);
  (void) trace_event (&b, page, 1, &bin, 28);
  at[0] = var (&f, "do_exit") + 1;
  stack.rest[0] = 8;
  memcpy (stack.rest + 8, at, 8);
  memcpy (stack.rest + 16, at + 2, 8);
  (void) trace_event (&b, page, 1, &stack, 24);
  (void) trace_event (&b, page, 1, &odd, 8);
  (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"event\":\"function\",\"system\":\"ftrace\",\"text\":"
                  "\"do_exit <-schedule\"}");
  assert_row (&f, "\"event\":\"bprint\",\"system\":\"ftrace\",\"by\":"
                  "\"do_exit\",\"text\":\"n=-3 s=text\"}");
  assert_row (&f, "\"event\":\"kernel_stack\",\"system\":\"ftrace\","
                  "\"frames\":[\"do_exit+0x1/");
  assert_row (&f, "\"flags\":\".....\",\"type\":999}");
  fakekernel_free (&f);
}

static void
print_is (struct fakekernel *f, const char *fmt, const void *words, size_t len,
          const char *want)
{
  char text[256];

  assert_int_equal (trace_print (f->k, fmt, words, len, text, sizeof text),
                    strlen (want));
  assert_string_equal (text, want);
}

static void
test_print (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  struct
  {
    uint64_t at;
  } sym;

  begin (&f, &b, 1);
  sym.at = var (&f, "schedule") + 3;
  print_is (&f, "a%%b", "", 0, "a%b");
  print_is (&f, "%5d|%-5d|%05d", (int32_t[]){ 3, 4, -5 }, 12,
            "    3|4    |-0005");
  print_is (&f, "%+d% d%u", (int32_t[]){ 3, 4, -1 }, 12, "+3 44294967295");
  print_is (&f, "%#x %X %o %.4x", (uint32_t[]){ 0xbeef, 0xab, 8, 5 }, 16,
            "0xbeef AB 10 0005");
  print_is (&f, "%lld %lu", (uint32_t[]){ ~0u, ~0u, 1, 1 }, 16,
            "-1 4294967297");
  print_is (&f, "%hhd %hd", "\x80\0\x34\x12", 4, "-128 4660");
  print_is (&f, "%*d|%-*d|", (int32_t[]){ 4, 1, 3, 2 }, 16, "   1|2  |");
  print_is (&f, "%*d|", (int32_t[]){ -3, 2 }, 8, "2  |");
  print_is (&f, "%c%s%c", "xab\0y", 5, "xaby");
  print_is (&f, "%.2s|%4s|%-4s|", "abc\0d\0e\0", 8, "ab|   d|e   |");
  print_is (&f, "%ps", &sym, 8, "schedule");
  print_is (&f, "%pS", &sym, 8, "schedule+0x3/0x100");
  print_is (&f, "%p", (uint64_t[]){ 0x12 }, 8, "0000000000000012");
  print_is (&f, "%pM!%d", "01:02\0\0\0\x09\0\0\0", 12, "01:02!9");
  /* The words end too early, or what follows is not known. */
  print_is (&f, "%d %d", (int32_t[]){ 1 }, 4, "1 0...");
  print_is (&f, "%s", "abc", 3, "...");
  print_is (&f, "a%ya", "", 0, "a...");
  print_is (&f, "100%", "", 0, "100...");
  print_is (&f, "%999999999d", (int32_t[]){ 1 }, 4,
            "                                                              "
            "                                                              "
            "   1");
  fakekernel_free (&f);
}

/* ---- little, much ---- */

static void
test_empty (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  uint64_t page;

  begin (&f, &b, 1);
  page = trace_page (&b, 0);
  (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
  fakemem_u32 (&f.mem, b.buffer + 8, 1u << 20);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"on\":false,\"clock\":\"local\",\"entries\":0,");
  assert_no_row (&f, "\"held\"");
  assert_no_row (&f, "lacks");
  fakemem_u32 (&f.mem, b.buffer + 8, 1);
  fakemem_u64 (&f.mem, b.buffer + 88, var (&f, "trace_clock_counter"));
  add_switch (&b, page, 17, 1, "x");
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"on\":true,\"held\":true,\"clock\":\"counter\",");
  assert_row (&f, "{\"row\":\"trace\",\"count\":17,\"cpu\":0,");
  fakekernel_free (&f);
}

/* Instances have buffers of their own; one list holds all. */
static void
test_instances (void **state)
{
  struct fakekernel f;
  struct tracebed b, other;
  uint64_t page;

  begin (&f, &b, 1);
  page = trace_page (&b, 0);
  (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
  other = b;
  other.array = trace_get (&b, 128);
  other.buffer = trace_get (&b, 128);
  other.rings = trace_get (&b, 8);
  fakemem_u64 (&f.mem, other.array + 16, trace_text (&b, "mine"));
  fakemem_u64 (&f.mem, other.array + 32, other.buffer);
  fakemem_u32 (&f.mem, other.buffer + 4, 1);
  fakemem_u64 (&f.mem, other.buffer + 64, other.rings);
  fakemem_u64 (&f.mem, other.buffer + 88, var (&f, "trace_clock_local"));
  fakemem_list_add (&f.mem, var (&f, "ftrace_trace_arrays"), other.array);
  page = trace_page (&other, 0);
  add_mark (&other, page, 1, "apart");
  (void) trace_ring (&other, 0, trace_page (&b, 0), &page, 1);
  fakekernel_look (&f, &section_ftrace);
  assert_order (&f, (const char *const[]){
                        "\"tracer\":\"nop\"",
                        "{\"row\":\"trace_buffer\",\"instance\":\"mine\"",
                        "apart", NULL });
  /* Before there is a list there is the first of them. */
  fakemem_u64 (&f.mem, var (&f, "ftrace_trace_arrays"), 0);
  fakemem_u64 (&f.mem, var (&f, "ftrace_trace_arrays") + 8, 0);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"tracer\":\"nop\"");
  assert_no_row (&f, "mine");
  fakekernel_free (&f);
}

/* Of more than can be told the newest of all CPUs. */
static void
test_much (void **state)
{
  enum { PAGES = 300, EACH = 200 };
  struct fakekernel f;
  struct tracebed b;
  static uint64_t page[PAGES];
  uint64_t old;
  struct traceevent e = { .type = 1 };

  begin (&f, &b, 2);
  for (unsigned i = 0; i < PAGES; i++)
    {
      page[i] = trace_page (&b, 1000000 + 1000 * i);
      for (unsigned n = 0; n < EACH; n++)
        (void) trace_event (&b, page[i], 1, &e, 4);
    }
  (void) trace_ring (&b, 1, trace_page (&b, 0), page, PAGES);
  old = trace_page (&b, 10);
  add_mark (&b, old, 0, "long ago");
  (void) trace_ring (&b, 0, trace_page (&b, 0), &old, 1);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"what\":\"older events\"");
  assert_no_row (&f, "long ago");
  assert_row (&f, MARKED "1299200,\"cpu\":1"); /* the last */
  assert_in_range (fakekernel_count (&f, MARKED), 49000, 51000);
  fakekernel_free (&f);
}

/* ---- what is not well ---- */

static void
test_torn (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  uint64_t page[3], ring;

  begin (&f, &b, 1);
  for (unsigned i = 0; i < 3; i++)
    {
      page[i] = trace_page (&b, 1000 * i + 1000);
      add_switch (&b, page[i], 1, 10 + i, "x");
    }
  ring = trace_ring (&b, 0, trace_page (&b, 0), page, 3);
  /* The third does not point back. */
  fakemem_u64 (&f.mem, page[2] + 8, page[0]);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"pid\":10");
  assert_row (&f, "\"pid\":11");
  assert_no_row (&f, "\"pid\":12");
  assert_row (&f, "\"what\":\"some events\"");
  fakemem_u64 (&f.mem, page[2] + 8, page[1]);
  /* A page whose data are nowhere. */
  fakemem_u64 (&f.mem, page[1] + 48, 0x1000);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"pid\":10");
  assert_row (&f, "are damaged");
  /* More pages than there can be, none. */
  fakemem_u64 (&f.mem, ring + 40, 1u << 30);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "are damaged");
  assert_no_row (&f, "\"pid\":10");
  fakemem_u64 (&f.mem, ring + 40, 0);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "are damaged");
  /* A circle that never comes to where it is written. */
  fakemem_u64 (&f.mem, page[1] + 48, trace_data (&b, page[0]));
  fakemem_u64 (&f.mem, ring + 40, 3);
  fakemem_u64 (&f.mem, ring + 72, 0xdead0000);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"pid\":12");
  /* Buffers of too many CPUs, of none that can be. */
  fakemem_u32 (&f.mem, b.buffer + 4, 1u << 30);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "it makes no sense");
  fakekernel_free (&f);
}

static void
test_absurd (void **state)
{
  static const uint32_t heads[][2] = {
    { 0 | 1 << 5, 0xfffffff0 }, { 0 | 1 << 5, 0 }, { 29 | 1 << 5, 0xffffffff },
    { 29 | 1 << 5, 3 },         { 28, 0 },         { 30, 0xffffffff },
  };
  struct fakekernel f;
  struct tracebed b;
  uint64_t page, at;

  for (unsigned i = 0; i < sizeof heads / sizeof heads[0]; i++)
    {
      begin (&f, &b, 1);
      page = trace_page (&b, 1000);
      add_switch (&b, page, 1, 10, "x");
      at = trace_more (&b, page, 8);
      fakemem_put (&f.mem, at, heads[i], 8);
      (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
      fakekernel_look (&f, &section_ftrace);
      assert_int_equal (fakekernel_count (&f, "\"row\":\"trace\","), 1);
      /* More of a page than a page. */
      fakemem_u64 (&f.mem, trace_data (&b, page) + 8, 0x100000);
      fakekernel_look (&f, &section_ftrace);
      assert_int_equal (fakekernel_count (&f, "\"row\":\"trace\","), 0);
      assert_row (&f, "written over while");
      fakekernel_free (&f);
    }
}

/* Without types, without names: one sentence, and no more. */
static void
test_unknown (void **state)
{
  struct fakekernel f;

  make_system (&f);
  fakekernel_with_tasks (&f);
  fakekernel_load (&f);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "{\"row\":\"lacks\",\"section\":\"ftrace\",\"what\":\"all\"");
  assert_row (&f, "it has none");
  assert_int_equal (fakekernel_count (&f, "\"row\""), 1);
  btf_free (f.k->btf);
  f.k->btf = NULL;
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "no types (BTF)");
  assert_int_equal (fakekernel_count (&f, "\"row\""), 1);
  fakekernel_free (&f);
}

/* The list of events is nowhere: their numbers are there all the same. */
static void
test_nameless (void **state)
{
  struct fakekernel f;
  struct tracebed b;
  uint64_t page;

  begin (&f, &b, 1);
  fakemem_u64 (&f.mem, var (&f, "ftrace_events"), 0);
  fakemem_u64 (&f.mem, var (&f, "ftrace_events") + 8, 0);
  page = trace_page (&b, 0);
  add_switch (&b, page, 1, 10, "x");
  (void) trace_ring (&b, 0, trace_page (&b, 0), &page, 1);
  fakekernel_look (&f, &section_ftrace);
  assert_row (&f, "\"what\":\"names of events\"");
  assert_row (&f, "\"flags\":\"d..2.\",\"type\":300}");
  fakekernel_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_order),   cmocka_unit_test (test_time),
    cmocka_unit_test (test_long),    cmocka_unit_test (test_who),
    cmocka_unit_test (test_fields),  cmocka_unit_test (test_syscall),
    cmocka_unit_test (test_own),     cmocka_unit_test (test_print),
    cmocka_unit_test (test_empty),   cmocka_unit_test (test_instances),
    cmocka_unit_test (test_much),    cmocka_unit_test (test_torn),
    cmocka_unit_test (test_absurd),  cmocka_unit_test (test_unknown),
    cmocka_unit_test (test_nameless),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
