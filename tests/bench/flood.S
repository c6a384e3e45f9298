/* SPDX-License-Identifier: Apache-2.0
 *
 * The flood guest: a boot sector that writes its serial port for ever, as
 * fast as the port takes it, and counts what it wrote.
 *
 * It polls the line status register for THRE ("the transmitter is empty") and
 * writes one letter, a line feed after each 79: as a kernel's 8250 console
 * does.  The 64-bit count stands at 0x7e00, to be read from outside.
 */
        .code16
        .text
        .globl  _start
_start: cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        movl    %eax, 0x7e00
        movl    %eax, 0x7e04
        movw    $0x3f9, %dx     /* no interrupts */
        outb    %al, %dx
        movw    $0x3fb, %dx     /* 8 bits, no parity */
        movb    $3, %al
        outb    %al, %dx
        movw    $0x3fa, %dx     /* no FIFO: each write is one byte */
        xorb    %al, %al
        outb    %al, %dx
        xorb    %bl, %bl        /* column */
wait:   movw    $0x3fd, %dx
        inb     %dx, %al
        testb   $0x20, %al
        jz      wait
        movb    %bl, %al
        addb    $0x21, %al
        cmpb    $79, %bl
        jb      put
        movb    $0x0a, %al
        movb    $0xff, %bl
put:    incb    %bl
        movw    $0x3f8, %dx
        outb    %al, %dx
        addl    $1, 0x7e00
        adcl    $0, 0x7e04
        jmp     wait
        .org    510
        .word   0xaa55
