/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: an answer of a DNS server.  Nothing is read behind it, its
 * text is bounded and can be shown, and what is no answer leaves none.
 *
 * The first byte chooses the type that was asked for; the question is put into
 * the packet, so that what follows is looked at.
 */
#include "base/buf.h"
#include "base/error.h"
#include "tests/fuzz/fuzz.h"
#include "transports/net/dns.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct buf text CLEANUP_BUF = BUF_INIT (DNS_TEXT_MAX);
  struct dns_answer a = { .text = &text, .count = 12345 };
  unsigned char question[DNS_QUESTION_MAX];
  unsigned char *packet;
  size_t len, n;
  int r;

  if (size < 1)
    return 0;
  n = dns_encode ("app.lan", (enum dns_type) (data[0] % DNS_TYPE_MAX), 0x1234,
                  question);
  size--;
  len = size > n ? size : n;
  packet = malloc (len);
  if (!packet)
    return 0;
  memcpy (packet, question, n);
  /* Its flags and counts are the input's. */
  if (size > 2)
    memcpy (packet + 2, data + 3, size < 12 ? size - 2 : 10);
  if (size > n)
    memcpy (packet + n, data + 1 + n, size - n);
  r = dns_decode (packet, size < n ? size : len, question, n, &a, NULL);
  if (r < 0 ? a.count != 12345 : a.count > 256)
    abort ();
  for (size_t i = 0; i < text.len; i++)
    if (text.data[i] != '\n' && (text.data[i] < 0x20 || text.data[i] == 0x7f))
      abort ();
  free (packet);
  return 0;
}
