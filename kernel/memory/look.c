/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of sections, and a look through those that are wanted.
 */
#include "kernel/memory/look.h"

#include "base/error.h"
#include "kernel/memory/stacks.h"
#include "kernel/memory/tasks.h"

#include <stdio.h>
#include <string.h>

#define UTS_LEN 65u

const char *const kernel_part_names[PART_MAX]
    = { [PART_REGISTERS] = "registers",
        [PART_VMCOREINFO] = "vmcoreinfo",
        [PART_SYMBOLS] = "symbols",
        [PART_TYPES] = "types",
        [PART_UNWINDER] = "unwinder" };

/* In the order in which they are told. */
const struct section *const sections[] = {
  &section_system, &section_cpus, &section_tasks, &section_procs,
  &section_locks,
  &section_io,     &section_mem,  &section_timers,  &section_work,
  &section_net,    &section_mounts, &section_modules, &section_ftrace,
  &section_dmesg,  NULL,
};

const struct section *
section_find (const char *name)
{
  for (unsigned i = 0; sections[i]; i++)
    if (strcmp (sections[i]->name, name) == 0)
      return sections[i];
  return NULL;
}

void
look_lacks (struct look *l, const char *section, const char *what,
            const char *why, ...)
{
  char text[300];
  va_list ap;

  va_start (ap, why);
  vsnprintf (text, sizeof text, why, ap);
  va_end (ap);
  rows_begin (l->rows, "lacks");
  rows_str (l->rows, "section", section);
  rows_str (l->rows, "what", what);
  /* A name of the guest's may be among the words. */
  rows_text (l->rows, "why", text, strlen (text));
  rows_end (l->rows);
}

/* ---- what was found at all ---- */

static void
say_how (struct look *l)
{
  struct kernel *k = l->k;
  unsigned has = 0;

  rows_object (l->rows, "tables");
  if (k->syms)
    {
      rows_uint (l->rows, "symbols", ksyms_count (k->syms));
      rows_str (l->rows, "symbols_by", ksyms_how (k->syms));
      rows_bool (l->rows, "data_symbols", ksyms_has_data (k->syms));
    }
  if (k->btf)
    rows_uint (l->rows, "types", btf_types (k->btf));
  for (unsigned i = 0; i < FIELD_MAX; i++)
    has += fields_has (&k->fields, (enum field) i);
  rows_uint (l->rows, "members", has);
  rows_uint (l->rows, "members_of", FIELD_MAX);
  rows_bool (l->rows, "vmcoreinfo", k->info != NULL);
  rows_bool (l->rows, "unwinder", k->orc != NULL);
  rows_object_end (l->rows);
}

/* What the guest calls itself: six names of 65 bytes, the third of which is
 * the release that is known already. */
static void
say_host (struct look *l)
{
  struct kernel *k = l->k;
  uint64_t at = kernel_var (k, "init_uts_ns");
  uint32_t name = k->fields.at[UTS_NAME].offset;
  char release[UTS_LEN], host[UTS_LEN];

  if (!at
      || (!kernel_has (k, UTS_NAME)
          && (!k->info
              || !vmcoreinfo_offset (k->info, "uts_namespace.name", &name)))
      || !space_text (k->space, at + name + 2 * UTS_LEN, release,
                      sizeof release)
      || strcmp (release, k->release) != 0
      || !space_text (k->space, at + name + UTS_LEN, host, sizeof host))
    return;
  rows_text (l->rows, "host", host, strlen (host));
}

static void
say_kernel (struct look *l)
{
  struct kernel *k = l->k;

  rows_begin (l->rows, "kernel");
  rows_text (l->rows, "banner", k->banner, strnlen (k->banner,
                                                    sizeof k->banner));
  rows_text (l->rows, "release", k->release, strnlen (k->release,
                                                      sizeof k->release));
  rows_str (l->rows, "arch", k->arch == ARCH_X86_64  ? "x86-64"
                             : k->arch == ARCH_ARM64 ? "arm64"
                                                     : "unknown");
  rows_str (l->rows, "found", k->found);
  say_host (l);
  rows_object (l->rows, "image");
  rows_hex (l->rows, "va", k->image.va);
  rows_uint (l->rows, "bytes", k->image.len);
  rows_object_end (l->rows);
  rows_uint (l->rows, "memory_bytes", mem_size (k->mem));
  rows_uint (l->rows, "vcpus", k->ncpus);
  say_how (l);
  rows_end (l->rows);
  for (unsigned i = 0; i < PART_MAX; i++)
    if (k->lacks[i][0])
      look_lacks (l, "kernel", kernel_part_names[i], "%s", k->lacks[i]);
  if (mem_cut (k->mem) > 0)
    look_lacks (l, "kernel", "memory",
                "the core is cut off: %llu MiB that it tells of are not in "
                "the file",
                (unsigned long long) mem_cut (k->mem) >> 20);
}

/* ---- the look ---- */

static bool
wanted (const struct section *s, const char *const *names)
{
  if (!names)
    return s->cheap;
  for (; *names; names++)
    if (strcmp (*names, s->name) == 0 || strcmp (*names, "all") == 0)
      return true;
  return false;
}

/* What most sections need. */
static void
prepare (struct look *l)
{
  struct error err = ERROR_INIT;

  l->now_ns = look_clock (l->k);
  l->stacks = stacks_new ();
  if (look_tasks_read (l->k, &l->tasks, &err) < 0)
    look_lacks (l, "tasks", "tasks", "%s", error_text (&err));
}

/* From here on nothing can be read any more, and what sections say of it are
 * holes that look like facts. */
static bool
is_over (struct look *l, const char *section)
{
  int e = mem_over (l->k->mem);

  if (e < 0)
    look_lacks (l, section, "the rest",
                e == -ETIME ? "the time for reading was up"
                            : "as much was read as may be");
  return e < 0;
}

static int
run_section (struct look *l, const struct section *s, struct error *err)
{
  int r;

  if (is_over (l, s->name))
    return 0;
  r = s->run (l, err);
  if (r < 0)
    return error_wrap (err, "%s", s->name);
  (void) is_over (l, s->name);
  return r;
}

/* They were zeros to whoever asked: what was told may be wrong by them. */
static void
say_swapped (struct look *l)
{
  struct mem_stats s;

  mem_stats (l->k->mem, &s);
  if (s.swapped > 0)
    look_lacks (l, "kernel", "memory",
                "%s%llu pages that were asked for are swapped out on its host:"
                " they could not be read, and what is in them is missing",
                s.swapped == MEM_MAX_SWAPPED ? "more than " : "",
                (unsigned long long) s.swapped);
}

int
look_run (struct kernel *k, const char *const *names, struct rows *rows,
          struct error *err)
{
  return look_run_again (k, names, rows, NULL, err);
}

int
look_run_again (struct kernel *k, const char *const *names, struct rows *rows,
                struct moved *m, struct error *err)
{
  struct look l = { .k = k, .rows = rows, .moved = m };
  int r = 0;

  say_kernel (&l);
  prepare (&l);
  for (const char *const *n = names; n && *n; n++)
    if (strcmp (*n, "all") != 0 && !section_find (*n))
      look_lacks (&l, *n, "section", "there is no such section");
  for (unsigned i = 0; sections[i] && r == 0; i++)
    if (wanted (sections[i], names))
      r = run_section (&l, sections[i], err);
  if (m)
    moved_say (&l);
  say_swapped (&l);
  look_tasks_free (l.tasks);
  stacks_free (l.stacks);
  return r;
}
