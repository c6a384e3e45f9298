/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMUs' command lines, and where they put the guest's memory.
 */
#ifndef HANGDOG_TESTS_MEMORY_BED_H
#define HANGDOG_TESTS_MEMORY_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guests/qemu.h"
#include "transports/memory/memory.h"

#include <string.h>

#define MiB (1ull << 20)
#define GiB (1ull << 30)
#define X86 "/usr/bin/qemu-system-x86_64 "
#define ARM "/usr/bin/qemu-system-aarch64 "

static inline struct qemu_args *
args_of (const char *line, const char *config)
{
  struct qemu_args *a = NULL;
  char *copy = strdup (line);
  size_t len = strlen (line);

  for (size_t i = 0; i < len; i++)
    if (copy[i] == ' ')
      copy[i] = '\0';
  assert_int_equal (qemu_args_parse (copy, len + 1, &a, NULL), 0);
  if (config)
    qemu_args_add_config (a, config, strlen (config));
  free (copy);
  return a;
}

static inline int
plan (const char *line, const char *config, struct memory_plan *ret,
      struct error *err)
{
  struct qemu_args *a CLEANUP_QEMU_ARGS = args_of (line, config);

  return memory_plan_make (a, 0, ret, err);
}

#endif
