/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel in a guest's memory, made by a test: names, types, unwind tables
 * and objects, laid out as a kernel has them and read by the product's own
 * readers.
 *
 *     struct fakekernel f;
 *     fakekernel_new (&f);
 *     fakekernel_var (&f, "prb", 8);              a variable in the image
 *     fakekernel_func (&f, "schedule");
 *     fakekernel_type (&f, "task_struct", 512, "pid@16:4 thread@64=thread");
 *     fakekernel_load (&f);                       now f.k is there
 *     fakekernel_look (&f, "tasks");              its rows are in f.rows
 *     assert_row (&f, "\"pid\":1,");
 *
 * Members: name@offset:bytes, name@byte.bit~bits, name@offset=type, and *n
 * behind for an array of n.
 */
#ifndef HANGDOG_TESTS_FAKEKERNEL_H
#define HANGDOG_TESTS_FAKEKERNEL_H

#include "tests/lib/fakemem.h"

#include "kernel/memory/btf_impl.h"
#include "kernel/memory/look.h"
#include "kernel/memory/stacks.h"
#include "kernel/memory/tasks.h"
#include "kernel/memory/unwind.h"

#include <inttypes.h>

#define FAKE_SYMBOLS 512
#define FAKE_TEXT (FAKE_IMAGE + 0x10000) /* the first function */
#define FAKE_FUNC 0x100                  /* each one's length */
#define FAKE_VARS (FAKE_IMAGE + (3ULL << 20))
#define FAKE_TABLES (FAKE_RODATA + 0x1000)
#define FAKE_STACK 16384ULL

struct fakesymbol
{
  char name[64], type;
  uint64_t at;
};

struct fakekernel
{
  struct fakemem mem;
  struct mem *m;
  struct kernel *k;
  struct fakesymbol symbols[FAKE_SYMBOLS];
  unsigned nsymbols;
  uint64_t text, vars, tables; /* the next free place of each */
  unsigned char types[1 << 16];
  size_t types_len;
  char names[1 << 15];
  size_t names_len;
  uint32_t ntypes;
  int orc;       /* the format of the unwind tables, 1-4; 0 = none */
  bool orc_told; /* the types describe them */
  uint64_t now_ns;
  char *rows;
  size_t rows_len;
  struct look_tasks *tasks;
};

/* ---- names ---- */

static inline uint64_t
fakekernel_symbol (struct fakekernel *f, const char *name, uint64_t at,
                   char type)
{
  struct fakesymbol *s = &f->symbols[f->nsymbols++];

  assert_true (f->nsymbols <= FAKE_SYMBOLS);
  snprintf (s->name, sizeof s->name, "%s", name);
  s->at = at;
  s->type = type;
  return at;
}

static inline uint64_t
fakekernel_var (struct fakekernel *f, const char *name, uint64_t len)
{
  uint64_t at = (f->vars + 63) & ~63ULL;

  f->vars = at + len;
  assert_true (f->vars < FAKE_IMAGE + FAKE_IMAGE_LEN);
  return fakekernel_symbol (f, name, at, 'D');
}

static inline uint64_t
fakekernel_func (struct fakekernel *f, const char *name)
{
  uint64_t at = f->text;

  f->text += FAKE_FUNC;
  return fakekernel_symbol (f, name, at, 'T');
}

static inline uint64_t
fakekernel_at (const struct fakekernel *f, const char *name)
{
  for (unsigned i = 0; i < f->nsymbols; i++)
    if (strcmp (f->symbols[i].name, name) == 0)
      return f->symbols[i].at;
  fail_msg ("no symbol %s", name);
  return 0;
}

static inline uint64_t
fakekernel_table_ (struct fakekernel *f, uint64_t len)
{
  uint64_t at = (f->tables + 7) & ~7ULL;

  f->tables = at + len;
  assert_true (f->tables < FAKE_VARS);
  return at;
}

/* ---- types ---- */

static inline uint32_t
fakekernel_name_ (struct fakekernel *f, const char *name, size_t len)
{
  uint32_t at = (uint32_t) f->names_len;

  assert_true (f->names_len + len + 1 < sizeof f->names);
  memcpy (f->names + at, name, len);
  f->names[at + len] = '\0';
  f->names_len += len + 1;
  return at;
}

static inline void
fakekernel_word_ (struct fakekernel *f, uint32_t v)
{
  assert_true (f->types_len + 4 <= sizeof f->types);
  memcpy (f->types + f->types_len, &v, 4);
  f->types_len += 4;
}

static inline uint32_t
fakekernel_record_ (struct fakekernel *f, uint32_t name, unsigned kind,
                    unsigned vlen, bool flag, uint32_t ref)
{
  fakekernel_word_ (f, name);
  fakekernel_word_ (f, kind << 24 | vlen | (flag ? 1u << 31 : 0));
  fakekernel_word_ (f, ref);
  return ++f->ntypes;
}

/* Ids 1 to 4 are numbers of 1, 2, 4 and 8 bytes. */
static inline uint32_t
fakekernel_array_ (struct fakekernel *f, uint32_t of, uint32_t n)
{
  uint32_t id = fakekernel_record_ (f, 0, KIND_ARRAY, 0, false, 0);

  fakekernel_word_ (f, of);
  fakekernel_word_ (f, 3);
  fakekernel_word_ (f, n);
  return id;
}

static inline uint32_t
fakekernel_bytes_ (struct fakekernel *f, uint32_t n)
{
  return n == 1   ? 1
         : n == 2 ? 2
         : n == 4 ? 3
         : n == 8 ? 4
                  : fakekernel_array_ (f, 1, n);
}

/* A structure's id by its name, which an earlier call gave it. */
static inline uint32_t
fakekernel_id_ (struct fakekernel *f, const char *name, size_t len)
{
  uint32_t id = 0;

  for (size_t at = 0; at < f->types_len;)
    {
      uint32_t r[3];
      const char *have;

      memcpy (r, f->types + at, sizeof r);
      id++;
      have = f->names + r[0];
      if (strlen (have) == len && memcmp (have, name, len) == 0)
        return id;
      at += 12
            + (btf_kind_of (r[1]) == KIND_INT      ? 4
               : btf_kind_of (r[1]) == KIND_ARRAY  ? 12
               : btf_kind_of (r[1]) == KIND_STRUCT ? 12 * btf_vlen (r[1])
               : btf_kind_of (r[1]) == KIND_ENUM   ? 8 * btf_vlen (r[1])
                                                   : 0);
    }
  fail_msg ("no type %.*s", (int) len, name);
  return 0;
}

struct fakemember
{
  const char *name;
  size_t len;
  uint32_t at, bit, bits, type;
};

static inline const char *
fakekernel_member_ (struct fakekernel *f, const char *p, struct fakemember *m)
{
  uint32_t times;
  char *end;

  *m = (struct fakemember){ .name = p, .len = strcspn (p, "@") };
  p += m->len + 1;
  m->at = (uint32_t) strtoul (p, &end, 10);
  if (*end == '.')
    m->bit = (uint32_t) strtoul (end + 1, &end, 10);
  p = end + 1;
  if (*end == '~')
    {
      m->bits = (uint32_t) strtoul (p, &end, 10);
      m->type = 3;
    }
  else if (*end == ':')
    m->type = fakekernel_bytes_ (f, (uint32_t) strtoul (p, &end, 10));
  else
    {
      size_t n = strcspn (p, " *");

      m->type = fakekernel_id_ (f, p, n);
      end = (char *) p + n;
    }
  if (*end == '*')
    {
      times = (uint32_t) strtoul (end + 1, &end, 10);
      m->type = fakekernel_array_ (f, m->type, times);
    }
  return end + strspn (end, " ");
}

static inline void
fakekernel_type (struct fakekernel *f, const char *name, uint32_t size,
                 const char *members)
{
  struct fakemember m[64];
  unsigned n = 0;

  while (*members)
    {
      assert_true (n < 64);
      members = fakekernel_member_ (f, members, &m[n++]);
    }
  (void) fakekernel_record_ (f, fakekernel_name_ (f, name, strlen (name)),
                             KIND_STRUCT, n, true, size);
  for (unsigned i = 0; i < n; i++)
    {
      fakekernel_word_ (f, fakekernel_name_ (f, m[i].name, m[i].len));
      fakekernel_word_ (f, m[i].type);
      fakekernel_word_ (f, (m[i].at * 8 + m[i].bit) | m[i].bits << 24);
    }
}

/* Names with spaces between, counting from 0. */
static inline void
fakekernel_enum (struct fakekernel *f, const char *name, const char *values)
{
  unsigned n = 1;

  for (const char *p = values; *p; p++)
    n += *p == ' ';
  (void) fakekernel_record_ (f, fakekernel_name_ (f, name, strlen (name)),
                             KIND_ENUM, n, false, 4);
  for (unsigned i = 0; i < n; i++)
    {
      size_t len = strcspn (values, " ");

      fakekernel_word_ (f, fakekernel_name_ (f, values, len));
      fakekernel_word_ (f, i);
      values += len + (values[len] == ' ');
    }
}

/* ---- beginning ---- */

static inline void
fakekernel_new (struct fakekernel *f)
{
  memset (f, 0, sizeof *f);
  fakemem_new (&f->mem, 64 << 20);
  fakemem_kernel (&f->mem, "6.1.0-test");
  f->text = FAKE_TEXT;
  f->vars = FAKE_VARS;
  f->tables = FAKE_TABLES;
  f->names_len = 1;
  for (uint32_t size = 1; size <= 8; size *= 2)
    {
      (void) fakekernel_record_ (f, fakekernel_name_ (f, "int", 3), KIND_INT,
                                 0, false, size);
      fakekernel_word_ (f, size * 8);
    }
  fakekernel_type (f, "list_head", 16, "next@0:8 prev@8:8");
  fakekernel_symbol (f, "_stext", FAKE_IMAGE, 'T');
  /* Tables with less than some code are not believed. */
  fakekernel_symbol (f, "startup_64", FAKE_IMAGE + 0x40, 'T');
  fakekernel_symbol (f, "verify_cpu", FAKE_IMAGE + 0x80, 'T');
  fakekernel_symbol (f, "start_cpu0", FAKE_IMAGE + 0xc0, 'T');
}

static inline void
fakekernel_free (struct fakekernel *f)
{
  look_tasks_free (f->tasks);
  kernel_free (f->k);
  mem_free (f->m);
  fakemem_free (&f->mem);
  free (f->rows);
}

/* ---- unwind tables ---- */

struct fakerule
{
  uint64_t at;
  enum orc_type type;
  enum orc_base sp, bp;
  int sp_offset, bp_offset;
  bool signal;
};

/* As format 1 to 4 has it. */
static inline uint16_t
fakekernel_flags (int format, const struct fakerule *r)
{
  static const unsigned char first[] = {
    [ORC_PREV_SP] = 1, [ORC_DX] = 2,  [ORC_DI] = 3,          [ORC_BP] = 4,
    [ORC_SP] = 5,      [ORC_R10] = 6, [ORC_R13] = 7, [ORC_BP_INDIRECT] = 8,
    [ORC_SP_INDIRECT] = 9,
  };
  static const unsigned char later[] = {
    [ORC_DX] = 2,      [ORC_SP] = 3,      [ORC_BP] = 4,
    [ORC_DI] = 5,      [ORC_R10] = 6,     [ORC_R13] = 7,
    [ORC_PREV_SP] = 8, [ORC_SP_INDIRECT] = 9, [ORC_BP_INDIRECT] = 10,
  };
  static const unsigned char narrow[]
      = { [ORC_CALL] = 0, [ORC_REGS] = 1, [ORC_IRET] = 2 };
  const unsigned char *regs = format == 4 ? later : first;
  unsigned v = regs[r->sp] | (unsigned) regs[r->bp] << 4;

  if (format >= 3)
    return (uint16_t) (v | (unsigned) r->type << 8
                       | (unsigned) r->signal << 11);
  if (r->type != ORC_END && r->type != ORC_UNKNOWN)
    v |= (unsigned) narrow[r->type] << 8;
  if (format == 2)
    v |= (unsigned) r->signal << 10;
  if (r->type == ORC_END)
    v |= format == 1 ? 1u << 10 : 1u << 11;
  return (uint16_t) v;
}

/* Rules in the order given; most of them must be ORC_SP. */
static inline void
fakekernel_rules (struct fakekernel *f, const struct fakerule *rules,
                  unsigned n)
{
  uint64_t ips = fakekernel_table_ (f, 4 * n);
  uint64_t at = fakekernel_table_ (f, 6 * n);

  for (unsigned i = 0; i < n; i++)
    {
      int16_t sp = (int16_t) rules[i].sp_offset;
      int16_t bp = (int16_t) rules[i].bp_offset;
      uint16_t flags = fakekernel_flags (f->orc, &rules[i]);

      fakemem_u32 (&f->mem, ips + 4 * i,
                   (uint32_t) (rules[i].at - (ips + 4 * i)));
      fakemem_put (&f->mem, at + 6 * i, &sp, 2);
      fakemem_put (&f->mem, at + 6 * i + 2, &bp, 2);
      fakemem_put (&f->mem, at + 6 * i + 4, &flags, 2);
    }
  fakekernel_symbol (f, "__start_orc_unwind_ip", ips, 'R');
  fakekernel_symbol (f, "__stop_orc_unwind_ip", ips + 4 * n, 'R');
  fakekernel_symbol (f, "__start_orc_unwind", at, 'R');
  if (!f->orc_told)
    return;
  fakekernel_type (f, "orc_entry", 6,
                   f->orc == 1   ? "sp_offset@0:2 bp_offset@2:2 sp_reg@4.0~4 "
                                   "bp_reg@4.4~4 type@5.0~2 end@5.2~1"
                   : f->orc == 2 ? "sp_offset@0:2 bp_offset@2:2 sp_reg@4.0~4 "
                                   "bp_reg@4.4~4 type@5.0~2 signal@5.2~1 "
                                   "end@5.3~1"
                                 : "sp_offset@0:2 bp_offset@2:2 sp_reg@4.0~4 "
                                   "bp_reg@4.4~4 type@5.0~3 signal@5.3~1");
}

/* Every function: a word of its own and the return address above it; the one
 * that is called `last` has no caller. */
static inline void
fakekernel_plain_rules (struct fakekernel *f, const char *last)
{
  struct fakerule rules[FAKE_SYMBOLS];
  unsigned n = 0;

  for (unsigned i = 0; i < f->nsymbols; i++)
    if (f->symbols[i].type == 'T' && f->symbols[i].at >= FAKE_TEXT)
      rules[n++] = (struct fakerule){
        .at = f->symbols[i].at,
        .type = strcmp (f->symbols[i].name, last) == 0 ? ORC_END : ORC_CALL,
        .sp = ORC_SP,
        .sp_offset = 16,
      };
  fakekernel_rules (f, rules, n);
}

/* ---- making it a kernel ---- */

static inline int
fakekernel_by_place_ (const void *a, const void *b)
{
  const struct fakesymbol *x = a, *y = b;

  return x->at < y->at ? -1 : x->at > y->at;
}

/* One token for each character. */
static inline void
fakekernel_kallsyms_ (struct fakekernel *f, char *info, size_t size)
{
  unsigned n = f->nsymbols, marks = (n + 255) / 256;
  uint64_t num = fakekernel_table_ (f, 8);
  uint64_t names = fakekernel_table_ (f, 70 * n + 16), at = names, where[256];
  uint64_t markers, tokens = 0, index, places;
  char text[8];

  for (unsigned i = 0; i < n; i++)
    {
      const struct fakesymbol *s = &f->symbols[i];
      unsigned char len = (unsigned char) (strlen (s->name) + 1);

      if (i % 256 == 0)
        where[i / 256] = at - names;
      fakemem_put (&f->mem, at, &len, 1);
      fakemem_put (&f->mem, at + 1, &s->type, 1);
      fakemem_put (&f->mem, at + 2, s->name, len - 1u);
      at += len + 1u;
    }
  markers = (at + 3) & ~3ULL;
  for (unsigned i = 0; i < marks; i++)
    fakemem_u32 (&f->mem, markers + 4 * i, (uint32_t) where[i]);
  f->tables = markers + 4 * marks;
  tokens = fakekernel_table_ (f, 1024);
  index = fakekernel_table_ (f, 512);
  for (unsigned i = 0, to = 0; i < 256; i++)
    {
      bool plain = i > ' ' && i <= '~';

      snprintf (text, sizeof text, "%c", plain ? (int) i : '.');
      fakemem_text (&f->mem, tokens + to, text);
      fakemem_u16 (&f->mem, index + 2 * i, (uint16_t) to);
      to += 2;
    }
  places = fakekernel_table_ (f, 8 * n);
  for (unsigned i = 0; i < n; i++)
    fakemem_u64 (&f->mem, places + 8 * i, f->symbols[i].at);
  fakemem_u32 (&f->mem, num, n);
  snprintf (info, size,
            "OSRELEASE=6.1.0-test\nPAGESIZE=4096\n"
            "SYMBOL(kallsyms_names)=%" PRIx64 "\n"
            "SYMBOL(kallsyms_num_syms)=%" PRIx64 "\n"
            "SYMBOL(kallsyms_token_table)=%" PRIx64 "\n"
            "SYMBOL(kallsyms_token_index)=%" PRIx64 "\n"
            "SYMBOL(kallsyms_addresses)=%" PRIx64 "\n"
            "SYMBOL(_stext)=%llx\n",
            names, num, tokens, index, places, FAKE_IMAGE);
}

static inline void
fakekernel_btf_ (struct fakekernel *f)
{
  uint32_t head[6] = { 0x0001eb9fu, 24, 0, (uint32_t) f->types_len,
                       (uint32_t) f->types_len, (uint32_t) f->names_len };
  uint64_t at = fakekernel_table_ (f, 24 + f->types_len + f->names_len);

  fakemem_put (&f->mem, at, head, sizeof head);
  fakemem_put (&f->mem, at + 24, f->types, f->types_len);
  fakemem_put (&f->mem, at + 24 + f->types_len, f->names, f->names_len);
  fakekernel_symbol (f, "__start_BTF", at, 'R');
}

static inline void
fakekernel_load (struct fakekernel *f)
{
  struct error err = ERROR_INIT;
  char info[1024];

  fakekernel_symbol (f, "_etext", f->text, 'T');
  fakekernel_btf_ (f);
  qsort (f->symbols, f->nsymbols, sizeof f->symbols[0],
         fakekernel_by_place_);
  fakekernel_kallsyms_ (f, info, sizeof info);
  f->m = fakemem_open (&f->mem);
  f->k = calloc (1, sizeof *f->k);
  assert_non_null (f->k);
  f->k->mem = f->m;
  f->k->space = fakemem_space (&f->mem, f->m);
  f->k->arch = ARCH_X86_64;
  f->k->image = (struct ksyms_image){ FAKE_IMAGE, FAKE_IMAGE_LEN };
  if (vmcoreinfo_parse (info, strlen (info), &f->k->info, &err) < 0
      || kernel_symbols_ (f->k, &err) < 0 || kernel_types_ (f->k, &err) < 0)
    fail_msg ("%s", error_text (&err));
  if (f->orc > 0 && orc_load (f->k, &f->k->orc, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

/* ---- rows ---- */

static inline int
fakekernel_take_ (const void *data, size_t len, void *arg)
{
  struct fakekernel *f = arg;

  f->rows = realloc (f->rows, f->rows_len + len + 1);
  assert_non_null (f->rows);
  memcpy (f->rows + f->rows_len, data, len);
  f->rows_len += len;
  f->rows[f->rows_len] = '\0';
  return 0;
}

/* Only this section's rows; what was there before is forgotten. */
static inline void
fakekernel_look (struct fakekernel *f, const struct section *section)
{
  struct error err = ERROR_INIT;
  struct look l = { .k = f->k,
                    .rows = rows_new (fakekernel_take_, f, 0),
                    .now_ns = f->now_ns,
                    .stacks = stacks_new () };

  mem_fresh (f->m);
  look_tasks_free (f->tasks);
  f->tasks = NULL;
  (void) look_tasks_read (f->k, &f->tasks, &err);
  l.tasks = f->tasks;
  free (f->rows);
  f->rows = strdup ("");
  f->rows_len = 0;
  err = (struct error) ERROR_INIT;
  if (section->run (&l, &err) < 0)
    fail_msg ("%s: %s", section->name, error_text (&err));
  assert_int_equal (rows_flush (l.rows), 0);
  assert_false (rows_failed (l.rows));
  stacks_free (l.stacks);
  rows_free (l.rows);
}

static inline unsigned
fakekernel_count (const struct fakekernel *f, const char *what)
{
  const char *end = f->rows + strlen (f->rows);
  size_t len = strlen (what);
  unsigned n = 0;

  /* A sanitizer's strstr() measures all that is left, each time. */
  for (const char *p = f->rows;
       (p = memchr (p, *what, (size_t) (end - p))) != NULL; p++)
    n += (size_t) (end - p) >= len && memcmp (p, what, len) == 0;
  return n;
}

#define assert_row(f, what)                                                   \
  do                                                                          \
    if (!strstr ((f)->rows, what))                                            \
      fail_msg ("no %s in\n%s", what, (f)->rows);                             \
  while (0)
#define assert_no_row(f, what)                                                \
  do                                                                          \
    if (strstr ((f)->rows, what))                                             \
      fail_msg ("%s in\n%s", what, (f)->rows);                                \
  while (0)

/* ---- tasks ---- */

#define FAKE_TASK_SIZE 1024
#define FAKE_TASKS 64       /* members of a fake task_struct */
#define FAKE_THREAD_NODE 80
#define FAKE_SIGNAL 96
#define FAKE_PID 104
#define FAKE_TGID 108
#define FAKE_COMM 112
#define FAKE_STATE 128
#define FAKE_EXIT 132
#define FAKE_FLAGS 136
#define FAKE_ON_CPU 140
#define FAKE_MM 144
#define FAKE_STACK_AT 152
#define FAKE_PARENT 160
#define FAKE_NVCSW 168
#define FAKE_NIVCSW 176
#define FAKE_SCHED 184
#define FAKE_THREAD 256
#define FAKE_ARRIVAL 16 /* of sched_info */
#define FAKE_SP 24      /* of thread */
#define FAKE_HEAD 32    /* signal_struct.thread_head */

/* Types, and init_task as a variable; before fakekernel_load(). */
static inline void
fakekernel_with_tasks (struct fakekernel *f)
{
  uint64_t init = fakekernel_var (f, "init_task", FAKE_TASK_SIZE);

  fakekernel_type (f, "sched_info", 32, "last_arrival@16:8");
  fakekernel_type (f, "thread_struct", 64, "sp@24:8");
  fakekernel_type (f, "signal_struct", 64, "tty@8:8 thread_head@32=list_head rlim@64:8");
  fakekernel_type (f, "inactive_task_frame", 56, "bp@40:8 ret_addr@48:8");
  fakekernel_type (f, "thread_union", FAKE_STACK, "");
  fakekernel_type (f, "task_struct", FAKE_TASK_SIZE,
                   "tasks@64=list_head thread_node@80=list_head signal@96:8 "
                   "pid@104:4 tgid@108:4 comm@112:16 __state@128:4 "
                   "exit_state@132:4 flags@136:4 on_cpu@140:4 mm@144:8 "
                   "stack@152:8 real_parent@160:8 nvcsw@168:8 nivcsw@176:8 "
                   "sched_info@184=sched_info thread@256=thread_struct "
                   "worker_private@400:8 files@408:8 cgroups@416:8");
  fakemem_list (&f->mem, init + FAKE_TASKS);
  fakemem_text (&f->mem, init + FAKE_COMM, "swapper/0");
}

static inline uint64_t
fakekernel_thread_ (struct fakekernel *f, int pid, int tgid, const char *comm,
                    uint32_t state)
{
  uint64_t at = fakemem_alloc (&f->mem, FAKE_TASK_SIZE);

  fakemem_u32 (&f->mem, at + FAKE_PID, (uint32_t) pid);
  fakemem_u32 (&f->mem, at + FAKE_TGID, (uint32_t) tgid);
  fakemem_text (&f->mem, at + FAKE_COMM, comm);
  fakemem_u32 (&f->mem, at + FAKE_STATE, state);
  fakemem_u64 (&f->mem, at + FAKE_STACK_AT,
               fakemem_alloc (&f->mem, FAKE_STACK));
  return at;
}

static inline uint64_t
fakekernel_task (struct fakekernel *f, int pid, const char *comm,
                 uint32_t state)
{
  uint64_t at = fakekernel_thread_ (f, pid, pid, comm, state);
  uint64_t signal = fakemem_alloc (&f->mem, 64);

  fakemem_u64 (&f->mem, at + FAKE_SIGNAL, signal);
  fakemem_list (&f->mem, signal + FAKE_HEAD);
  fakemem_list_add (&f->mem, signal + FAKE_HEAD, at + FAKE_THREAD_NODE);
  fakemem_list_add (&f->mem, fakekernel_at (f, "init_task") + FAKE_TASKS,
                    at + FAKE_TASKS);
  return at;
}

static inline uint64_t
fakekernel_thread (struct fakekernel *f, uint64_t leader, int pid,
                   const char *comm, uint32_t state)
{
  uint64_t at = fakekernel_thread_ (f, pid, pid, comm, state);
  uint64_t signal = fakemem_get (&f->mem, leader + FAKE_SIGNAL);

  fakemem_put (&f->mem, at + FAKE_TGID,
               fakemem_at (&f->mem, leader + FAKE_PID), 4);
  fakemem_u64 (&f->mem, at + FAKE_SIGNAL, signal);
  fakemem_list_add (&f->mem, signal + FAKE_HEAD, at + FAKE_THREAD_NODE);
  return at;
}

/* A task that sleeps in the first of these functions, each called by the next
 * (fakekernel_plain_rules()); names with spaces between.  Returns the first
 * place above them. */
static inline uint64_t
fakekernel_sleep (struct fakekernel *f, uint64_t task, const char *names)
{
  uint64_t lo = fakemem_get (&f->mem, task + FAKE_STACK_AT);
  uint64_t sp = lo + FAKE_STACK - 2048, at = sp + 48;
  char name[64];

  fakemem_u64 (&f->mem, task + FAKE_THREAD + FAKE_SP, sp);
  for (bool first = true; *names; first = false)
    {
      size_t n = strcspn (names, " ");

      snprintf (name, sizeof name, "%.*s", (int) n, names);
      names += n + (names[n] == ' ');
      at += first ? 0 : 8;
      fakemem_u64 (&f->mem, at, fakekernel_at (f, name) + 0x10);
      at += 8;
    }
  return at + 8;
}

#endif
