/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's own heartbeat: an SSDT for QEMU's -acpitable, nothing else.
 *
 * A thermal zone that asks the guest's kernel to look at its temperature each
 * five seconds.  Looking writes 16 bytes to a port behind which hangdog
 * listens.  So each beat says: timers run, a workqueue runs, and ACPI's
 * interpreter does.
 *
 * What is seen of it in the guest: one thermal zone ("acpitz") of 25 degrees,
 * critical at 127.  The temperature is a constant: no kernel can be led to
 * slow down or to power off by it.
 *
 *   0  A5 'H' 'D' 01     what it is, and its version
 *   4  sequence, 4 bytes, the lowest first: 1 after each boot
 *   8  the kernel's clock in 100 ns, its lowest 4 bytes
 *  12  tenths of a second between two beats, 2 bytes
 *  14  Fletcher-16 of the 14 bytes before
 *
 * QEMU's DSDT makes all integers 32 bits wide, so nothing here needs more.
 */
DefinitionBlock ("hangdog-beat.aml", "SSDT", 2, "HANGDG", "HDBEAT", 1)
{
  Scope (\_TZ)
  {
    ThermalZone (HDBT)
    {
      /* Not 0x402: firmware talks there. */
      OperationRegion (PORT, SystemIO, 0x0580, 1)
      Field (PORT, ByteAcc, NoLock, WriteAsZeros)
      {
        BYTE, 8
      }

      Name (SEQN, 0)
      Name (SUMA, 0)
      Name (SUMB, 0)

      Name (_TZP, 50)
      Method (_CRT, 0, NotSerialized)
      {
        Return (4002)
      }

      /* One byte out, into the sums. */
      Method (PUTB, 1, Serialized)
      {
        Local0 = Arg0 & 0xFF
        SUMA = (SUMA + Local0) % 255
        SUMB = (SUMB + SUMA) % 255
        BYTE = Local0
      }
      Method (PUTW, 1, Serialized)
      {
        PUTB (Arg0)
        PUTB (Arg0 >> 8)
      }

      /* A second caller waits, so that frames are not mixed. */
      Method (_TMP, 0, Serialized)
      {
        SEQN++
        SUMA = 0
        SUMB = 0
        PUTW (0x48A5)
        PUTW (0x0144)
        PUTW (SEQN)
        PUTW (SEQN >> 16)
        Local0 = ToInteger (Timer)
        PUTW (Local0)
        PUTW (Local0 >> 16)
        PUTW (_TZP)
        Local1 = SUMA
        Local2 = SUMB
        BYTE = Local1
        BYTE = Local2
        Return (2982)
      }
    }
  }
}
