/* SPDX-License-Identifier: Apache-2.0
 *
 * The frames of a guest's ACPI heartbeat (share/acpi/hangdog-beat.asl), in
 * whatever comes through its port: firmware and anybody with the rights of the
 * guest's kernel may write there, and a reader may come in the middle.
 */
#ifndef HANGDOG_TRANSPORTS_ACPI_BEAT_H
#define HANGDOG_TRANSPORTS_ACPI_BEAT_H

#include <stddef.h>
#include <stdint.h>

#define ACPI_BEAT_BYTES 16u

struct acpi_beat
{
  uint32_t sequence; /* from 1 after each boot */
  uint32_t clock;    /* the kernel's, in 100 ns: it wraps every 430 s */
  unsigned every_ms; /* between two, as the guest was asked */
};

/* All zero at first; bounded, and never allocates. */
struct acpi_beat_reader
{
  unsigned char held[ACPI_BEAT_BYTES];
  unsigned n;
  uint64_t frames, noise; /* noise: bytes that belong to no frame */
};

/* Takes all of it, in pieces of any size. */
void acpi_beat_feed (struct acpi_beat_reader *r, const void *bytes, size_t len,
                     void (*fn) (const struct acpi_beat *beat, void *arg),
                     void *arg);

#endif
