/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel's names and types: where they are, and what is made of them.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/kernel.h"

#include <stdlib.h>
#include <string.h>

#define PIECE (1u << 20)
#define HEADER 24u /* of BTF */
#define BTF_MAGIC 0x0001eb9fu
/* Blobs that begin right and are none. */
#define TRIES 16u

int
kernel_symbols_ (struct kernel *k, struct error *err)
{
  return ksyms_load (k->space, &k->image, k->info, &k->syms, err);
}

static int
take_btf (struct kernel *k, uint64_t at, size_t len, struct error *err)
{
  void *blob = malloc (len);

  if (!blob)
    return error_errno (err, ENOMEM, "BTF");
  if (space_read (k->space, at, blob, len) < 0)
    {
      free (blob);
      return error_set (err, EFAULT, "BTF is not all there");
    }
  return btf_new (blob, len, &k->btf, err);
}

/* Its own length is in its first bytes. */
static int
btf_at (struct kernel *k, uint64_t at, struct error *err)
{
  uint8_t head[HEADER];
  size_t len;

  if (space_read (k->space, at, head, sizeof head) < 0)
    return error_set (err, EFAULT, "BTF is not there");
  len = btf_length (head, sizeof head);
  if (len == 0 || at - k->image.va > k->image.len
      || len > k->image.len - (at - k->image.va))
    return error_set (err, EBADMSG, "no BTF where its symbol is");
  return take_btf (k, at, len, err);
}

static bool
btf_in_piece (struct kernel *k, const uint8_t *buf, size_t len, uint64_t va,
              unsigned *tries)
{
  for (size_t at = 0; at + HEADER <= len && *tries > 0; at += 4)
    {
      uint32_t word;

      memcpy (&word, buf + at, sizeof word);
      if (word != BTF_MAGIC || btf_length (buf + at, len - at) == 0)
        continue;
      --*tries;
      if (btf_at (k, va + at, NULL) == 0)
        return true;
    }
  return false;
}

/* Kernels that name no data do not name it either. */
static int
btf_by_magic (struct kernel *k, struct error *err)
{
  CLEANUP_FREE uint8_t *buf = malloc (PIECE);
  unsigned tries = TRIES;

  if (!buf)
    return error_errno (err, ENOMEM, "BTF");
  for (uint64_t done = 0; done < k->image.len && tries > 0;)
    {
      uint64_t left = k->image.len - done;
      size_t want = left < PIECE ? left : PIECE, got;

      got = space_read_some (k->space, k->image.va + done, buf, want);
      if (btf_in_piece (k, buf, got, k->image.va + done, &tries))
        return 0;
      if (got == want)
        done += left <= want ? left : want - 64;
      else
        done += (got & ~4095ull) + 4096;
    }
  return error_set (err, ENOENT, "the kernel carries no types (BTF)");
}

int
kernel_types_ (struct kernel *k, struct error *err)
{
  uint64_t at = k->syms ? ksyms_addr (k->syms, "__start_BTF") : 0;
  int r = -ENOENT;

  if (at > 0)
    r = btf_at (k, at, err);
  if (r < 0 && r != -ENOMEM)
    r = btf_by_magic (k, err);
  fields_fill (&k->fields, k->btf, k->info);
  /* What the kernel does not say is learned from what it has in memory. */
  if (!k->btf || (k->syms && ksyms_addr (k->syms, "init_task") == 0))
    {
      int n = fields_infer (k);

      if (!k->btf && n > 0 && r != -ENOMEM)
        r = error_set (err, ENOENT, "the kernel carries no types (BTF): %d"
                       " members were learned from its tasks", n);
    }
  return r;
}
