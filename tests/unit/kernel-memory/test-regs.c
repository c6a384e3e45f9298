/* SPDX-License-Identifier: Apache-2.0
 *
 * vCPUs' registers out of a monitor's text, whatever that says.
 */
#include "base/error.h"
#include "kernel/memory/regs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char x86[]
    = "\r\nCPU#0\r\n"
      "RAX=ffffffff9be178a0 RBX=0000000000000001 RCX=ffff8a0102d55ee0 "
      "RDX=4000000000000000\r\n"
      "RSI=0000000000000006 RDI=000000000002393c RBP=ffffffff9ce1aa40 "
      "RSP=ffffffff9ce03e98\r\n"
      "R8 =0000000000000008 R9 =0000000000000009 R10=00000000fffffffb "
      "R11=0000000000000000\r\n"
      "R12=0000000000000000 R13=000000000000000d R14=0000000000000000 "
      "R15=0000000000014790\r\n"
      "RIP=ffffffff9be17a0b RFL=00000216 [----AP-] CPL=0 II=0 A20=1 SMM=0 "
      "HLT=1\r\n"
      "ES =0000 0000000000000000 00000000 00000000\r\n"
      "CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]\r\n"
      "FS =0000 00007f0000000000 00000000 00000000\r\n"
      "GS =0000 ffff8a010f600000 00000000 00000000\r\n"
      "LDT=0000 0000000000000000 00000000 00008200 DPL=0 LDT\r\n"
      "TR =0040 fffffe0000003000 00004087 00008900 DPL=0 TSS64-avl\r\n"
      "GDT=     fffffe0000001000 0000007f\r\n"
      "IDT=     fffffe0000000000 00000fff\r\n"
      "CR0=80050033 CR2=000000000048ffa0 CR3=000000000be10000 "
      "CR4=000006b0\r\n"
      "DR6=00000000ffff0ff0 DR7=0000000000000400\r\n"
      "EFER=0000000000000d01\r\n"
      "FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80\r\n"
      "XMM00=00000000ff000000 0000000000000000 XMM01=0000000000000000 "
      "00000000ff000000\r\n"
      "\r\nCPU#1\r\n"
      "RAX=0000000000000000 RSP=00007ffc00000000\r\n"
      "RIP=0000000000401000 RFL=00000046 [---Z-P-] CPL=3 II=0 A20=1 SMM=0 "
      "HLT=0\r\n";

static void
of_x86 (void **state)
{
  struct vcpu_regs r[2];

  assert_int_equal (regs_parse (x86, sizeof x86 - 1, r, 2, NULL), 2);
  assert_int_equal (r[0].arch, ARCH_X86_64);
  assert_int_equal (r[0].index, 0);
  assert_true (r[0].halted);
  assert_int_equal (r[0].cpl, 0);
  assert_false (r[0].irqs_off);
  assert_true (r[0].pc == 0xffffffff9be17a0b);
  assert_true (r[0].sp == 0xffffffff9ce03e98);
  assert_true (r[0].fp == 0xffffffff9ce1aa40);
  assert_true (r[0].gpr[0] == 0xffffffff9be178a0);
  assert_int_equal (r[0].gpr[3], 1);
  assert_int_equal (r[0].gpr[6], 6);
  assert_int_equal (r[0].gpr[8], 8);
  assert_int_equal (r[0].gpr[9], 9);
  assert_int_equal (r[0].gpr[13], 13);
  assert_int_equal (r[0].gpr[15], 0x14790);
  assert_int_equal (r[0].cr0, 0x80050033);
  assert_int_equal (r[0].cr2, 0x48ffa0);
  assert_int_equal (r[0].cr3, 0xbe10000);
  assert_int_equal (r[0].cr4, 0x6b0);
  assert_int_equal (r[0].efer, 0xd01);
  assert_true (r[0].gs_base == 0xffff8a010f600000);
  assert_true (r[0].tr_base == 0xfffffe0000003000);
  assert_true (r[0].idt_base == 0xfffffe0000000000);
  assert_true (r[0].seg[SEG_CS].selector == 0x10
               && r[0].seg[SEG_CS].limit == 0xffffffff
               && r[0].seg[SEG_CS].flags == 0xaf9b00);
  assert_true (r[0].seg[SEG_TR].selector == 0x40
               && r[0].seg[SEG_TR].limit == 0x4087
               && r[0].seg[SEG_TR].base == r[0].tr_base);
  assert_true (r[0].seg[SEG_GDT].base == 0xfffffe0000001000
               && r[0].seg[SEG_GDT].limit == 0x7f);
  assert_true (r[0].seg[SEG_FS].base == 0x00007f0000000000);
  assert_int_equal (r[1].index, 1);
  assert_false (r[1].halted);
  assert_int_equal (r[1].cpl, 3);
  assert_true (r[1].irqs_off);
  assert_int_equal (r[1].cr3, 0);
}

static const char arm64[]
    = "CPU#0\r\n"
      " PC=ffffffc008d5a1f4 X00=0000000000000001 X01=ffffffc00935c940\r\n"
      "X02=0000000000000002 X03=0000000000000003 X04=0000000000000004 "
      "X05=0000000000000005\r\n"
      "X29=ffffffc009353d90 X30=ffffffc008d5a1d8  SP=ffffffc009353d80\r\n"
      "PSTATE=60400085 -ZC- NS EL1h    BTYPE=0 SVCR=00000000 --\r\n"
      "Q00=0000000000000000:0000000000000000 "
      "Q01=0000000000000000:0000000000000000\r\n"
      "CPU#1\n"
      " PC=0000aaaabbbb0000 X00=0000000000000000\n"
      "PSTATE=60001000 -ZC- EL0t\n";

static void
of_arm64 (void **state)
{
  struct vcpu_regs r[2];

  assert_int_equal (regs_parse (arm64, sizeof arm64 - 1, r, 2, NULL), 2);
  assert_int_equal (r[0].arch, ARCH_ARM64);
  assert_true (r[0].pc == 0xffffffc008d5a1f4);
  assert_int_equal (r[0].gpr[0], 1);
  assert_int_equal (r[0].gpr[5], 5);
  assert_true (r[0].fp == 0xffffffc009353d90);
  assert_true (r[0].gpr[30] == 0xffffffc008d5a1d8);
  assert_true (r[0].sp == 0xffffffc009353d80);
  assert_int_equal (r[0].cpl, 0);
  assert_true (r[0].irqs_off);
  assert_int_equal (r[1].cpl, 3);
  assert_false (r[1].irqs_off);
}

/* Firmware and 32-bit systems are told so that the reason can be. */
static void
of_32_bits (void **state)
{
  static const char text[]
      = "CPU#0\r\n"
        "EAX=00000001 EBX=00000002 ECX=00000003 EDX=00000633\r\n"
        "ESI=00000000 EDI=00000000 EBP=00000005 ESP=00006f4c\r\n"
        "EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n"
        "GS =0000 00000010 0000ffff 00009300\r\n"
        "CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\r\n"
        "EFER=0000000000000000\r\n";
  struct vcpu_regs r;

  assert_int_equal (regs_parse (text, sizeof text - 1, &r, 1, NULL), 1);
  assert_int_equal (r.arch, ARCH_X86_64);
  assert_int_equal (r.pc, 0xfff0);
  assert_int_equal (r.sp, 0x6f4c);
  assert_int_equal (r.gpr[3], 2);
  assert_int_equal (r.cr0, 0x60000010);
  assert_int_equal (r.gs_base, 0x10);
}

static void
nothing_in_it (void **state)
{
  static const char *const texts[] = { "",
                                       "\n",
                                       "CPU#0",
                                       "CPU#0\r\n",
                                       "no such command\r\n",
                                       "CPU#\nRAX=1\n",
                                       "CPU#0\nRIP=\n",
                                       "CPU#0\nRIP=zz\n",
                                       "RIP=1\nCPU#0\n",
                                       "CPU#0\nRIP=12345678901234567\n" };
  struct vcpu_regs r[2];
  struct error err;

  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (regs_parse (texts[i], strlen (texts[i]), r, 2, &err) != -EBADMSG)
      fail_msg ("a CPU in: %s", texts[i]);
  assert_non_null (strstr (error_text (&err), "no CPU"));
}

/* Cut anywhere, and more CPUs than there is room for. */
static void
cut_anywhere (void **state)
{
  struct vcpu_regs r[2];

  for (size_t n = 0; n < sizeof x86; n++)
    {
      char exact[sizeof x86];
      int got;

      memcpy (exact, x86, n);
      got = regs_parse (exact, n, r, 2, NULL);
      assert_true (got == -EBADMSG || got == 1 || got == 2);
    }
  assert_int_equal (regs_parse (x86, sizeof x86 - 1, r, 1, NULL), 1);
  assert_true (r[0].pc == 0xffffffff9be17a0b);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (of_x86),       cmocka_unit_test (of_arm64),
    cmocka_unit_test (of_32_bits),   cmocka_unit_test (nothing_in_it),
    cmocka_unit_test (cut_anywhere),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
