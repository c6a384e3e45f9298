/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel that is made once, and changed by each input: what lies in one
 * piece of it is put back, then the input is laid over it.
 *
 * The input's first byte says how.  With the top bit set all further bytes are
 * the piece, from its beginning on; else each three are a place in it and what
 * to put there.
 */
#ifndef HANGDOG_TESTS_FUZZ_POKES_H
#define HANGDOG_TESTS_FUZZ_POKES_H

#include "tests/fuzz/fuzz.h"
#include "tests/lib/fakekernel.h"

struct pokes
{
  unsigned char *at, *good;
  size_t len;
};

static inline void
pokes_keep (struct pokes *p, struct fakemem *m, uint64_t va, size_t len)
{
  *p = (struct pokes){ fakemem_at (m, va), malloc (len), len };
  MUST (p->good);
  memcpy (p->good, p->at, len);
}

static inline void
pokes_apply (const struct pokes *p, const uint8_t *data, size_t size)
{
  memcpy (p->at, p->good, p->len);
  if (size > 0 && (data[0] & 0x80))
    memcpy (p->at, data + 1, size - 1 < p->len ? size - 1 : p->len);
  else
    for (size_t i = 1; i + 3 <= size; i += 3)
      p->at[(data[i] | (size_t) data[i + 1] << 8) % p->len] = data[i + 2];
}

/* Rows that come are whole lines of bounded number. */
static inline void
pokes_look (struct fakekernel *f, const struct section *section)
{
  memset (&f->k->asked, 0, sizeof f->k->asked);
  fakekernel_look (f, section);
  MUST (f->rows_len == 0 || f->rows[f->rows_len - 1] == '\n');
  for (const char *p = f->rows; *p; p = strchr (p, '\n') + 1)
    MUST (strncmp (p, "{\"row\":\"", 8) == 0);
  for (size_t i = 0; i < f->rows_len; i++)
    MUST (f->rows[i] == '\n' || (unsigned char) f->rows[i] >= ' ');
}

#endif
