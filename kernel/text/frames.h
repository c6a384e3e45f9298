/* SPDX-License-Identifier: Apache-2.0
 *
 * One line of a stack, as any kernel prints it.
 *
 * x86 (RIP, EIP, IP; with and without addresses and code segments), arm
 * ("(f) from [<..>] (g+0x1/0x2)" and "f from g+0x1/0x2"), arm64, riscv, ppc,
 * s390, mips; stamped with "? " where the unwinder guesses; with the file and
 * line of a symbolizer behind it, or "[inline]".
 */
#ifndef HANGDOG_KERNEL_TEXT_FRAMES_H
#define HANGDOG_KERNEL_TEXT_FRAMES_H

#include "kernel/text/event.h"

enum frame_form
{
  FRAME_NOT,  /* no line of a stack */
  FRAME_CALL, /* one of a trace */
  FRAME_IP,   /* where the CPU was */
  FRAME_LR,   /* whereto it would have returned */
  FRAME_USER, /* where userspace was: the kernel's stack ends here */
  FRAME_RAW,  /* an address only: a stack without names */
};

/* Fills *ret for the forms that have a name (CALL, IP, LR); never more than
 * what is in its arrays.  *ret is untouched otherwise. */
enum frame_form frame_parse (const char *text, size_t len,
                             struct text_frame *ret);

/* "SyS_read", "__x64_sys_read", "ksys_read", ... as "sys_read"; others as
 * they are.  dst may be func. */
void frame_generic_syscall (const char *func, char *dst, size_t n);

#endif
