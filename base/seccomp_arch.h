/* SPDX-License-Identifier: Apache-2.0
 *
 * SECCOMP_ARCH: where the numbers of system calls are known to a filter of our
 * own.  All of them are little endian, 64 bits.
 */
#ifndef HANGDOG_BASE_SECCOMP_ARCH_H
#define HANGDOG_BASE_SECCOMP_ARCH_H

#include <linux/audit.h>

#if defined(__x86_64__) && defined(__LP64__)
#define SECCOMP_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SECCOMP_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define SECCOMP_ARCH AUDIT_ARCH_RISCV64
#endif

#endif
