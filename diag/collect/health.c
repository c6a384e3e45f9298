/* SPDX-License-Identifier: Apache-2.0
 *
 * What devices say of themselves: only read, and nothing of it is trusted to
 * be of any shape.
 */
#include "diag/collect/health.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512

const char *const pool_state_names[]
    = { "", "ok", "out-of-data", "read-only", "needs-check", "failed" };
const char *const disk_health_names[] = { "", "ok", "warns", "failing" };

/* ---- thin pools ---- */

/* "24/4096" */
static double
share_of (const char *text)
{
  uint64_t used, total;

  if (sscanf (text, "%" SCNu64 "/%" SCNu64, &used, &total) != 2 || total == 0
      || used > total)
    return -1;
  return (double) used / (double) total;
}

/* "<transaction> <metadata> <data> <held root> <mode> <discards> <if full>
 * <needs_check or -> ..." (Documentation/admin-guide/device-mapper/
 * thin-provisioning.rst); "Fail" or "Error" where there is no telling. */
static void
read_pool (char *line, struct health *h)
{
  char *save = NULL, *word;
  enum pool_state state = POOL_OK;
  bool known = false;

  for (unsigned i = 0; (word = strtok_r (line, " ", &save)); i++)
    {
      line = NULL;
      if (i == 0 && (strcmp (word, "Fail") == 0 || strcmp (word, "Error") == 0))
        {
          h->pool = POOL_FAILED;
          return;
        }
      if (i == 1)
        h->metadata = share_of (word);
      else if (i == 2)
        h->data = share_of (word);
      else if (strcmp (word, "rw") == 0)
        known = true;
      else if (strcmp (word, "error_if_no_space") == 0)
        h->errors_if_full = true;
      else if (strcmp (word, "out_of_data_space") == 0)
        state = POOL_OUT_OF_DATA > state ? POOL_OUT_OF_DATA : state;
      else if (strcmp (word, "ro") == 0)
        state = POOL_READ_ONLY > state ? POOL_READ_ONLY : state;
      else if (strcmp (word, "needs_check") == 0)
        state = POOL_NEEDS_CHECK;
    }
  if (known || state > POOL_OK)
    h->pool = state;
}

static void
read_target (char *line, struct health *h)
{
  char type[20];
  int n = 0;

  if (sscanf (line, "%19s %n", type, &n) != 1 || n == 0)
    return;
  if (strcmp (type, "thin-pool") == 0)
    read_pool (line + n, h);
  /* Its pool does not serve it any more. */
  else if (strcmp (type, "thin") == 0 && strcmp (line + n, "Fail") == 0)
    h->pool = POOL_FAILED;
}

/* ---- disks ---- */

static size_t
read_hex (const char *text, uint8_t *dst, size_t max)
{
  size_t n = 0;
  unsigned v;

  while (n < max && strspn (text, "0123456789abcdef") >= 2
         && sscanf (text, "%2x", &v) == 1)
    {
      dst[n++] = (uint8_t) v;
      text += 2;
    }
  return n;
}

static void
warn (struct health *h, enum disk_health how, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

static void
warn (struct health *h, enum disk_health how, const char *fmt, ...)
{
  size_t n = strlen (h->why);
  va_list ap;

  h->disk = how > h->disk ? how : h->disk;
  if (n && n + 2 < sizeof h->why)
    n += (size_t) snprintf (h->why + n, sizeof h->why - n, ", ");
  va_start (ap, fmt);
  vsnprintf (h->why + n, sizeof h->why - n, fmt, ap);
  va_end (ap);
}

/* Base specification, Get Log Page 02h. */
static void
read_nvme (const char *hex, struct health *h)
{
  static const struct
  {
    enum disk_health how;
    const char *says;
  } bits[] = {
    { HEALTH_WARNS, "its spare blocks run out" },
    { HEALTH_WARNS, "too hot or too cold" },
    { HEALTH_FAILING, "not reliable any more, by its errors" },
    { HEALTH_FAILING, "its media are read-only" },
    { HEALTH_WARNS, "the backup of its volatile memory failed" },
    { HEALTH_WARNS, "its persistent memory is not reliable" },
  };
  uint8_t log[SECTOR];
  int64_t errors = 0;

  if (read_hex (hex, log, sizeof log) != sizeof log)
    return;
  h->disk = HEALTH_OK;
  for (size_t i = 0; i < ARRAY_LEN (bits); i++)
    if (log[0] >> i & 1)
      warn (h, bits[i].how, "%s", bits[i].says);
  if (log[5] >= 100)
    warn (h, HEALTH_WARNS, "%u %% of its life used", log[5]);
  /* 16 bytes; who has more errors than 7 of them hold has many. */
  for (size_t i = 7; i-- > 0;)
    errors = errors << 8 | log[160 + i];
  h->media_errors = errors;
  if (errors > 0)
    warn (h, HEALTH_WARNS, "%" PRId64 " media errors", errors);
}

/* Where LBA (mid, high) is in sense data, of either format (SAT). */
static bool
ata_lba (const uint8_t *sense, size_t n, unsigned *ret)
{
  if (n >= 22 && (sense[0] & 0x7f) == 0x72 && sense[8] == 0x09)
    *ret = (unsigned) sense[17] << 8 | sense[19];
  else if (n >= 12 && (sense[0] & 0x7f) == 0x70 && (sense[2] & 0x0f) <= 1)
    *ret = (unsigned) sense[10] << 8 | sense[11];
  else
    return false;
  return true;
}

static void
read_ata_status (const char *hex, struct health *h)
{
  uint8_t sense[32];
  unsigned lba;

  if (!ata_lba (sense, read_hex (hex, sense, sizeof sense), &lba))
    return;
  if (lba == 0xf42c)
    warn (h, HEALTH_FAILING, "it foresees its own end");
  else if (lba == 0x4fc2 && h->disk == HEALTH_UNKNOWN)
    h->disk = HEALTH_OK;
}

/* Attributes by the numbers that vendors agree on. */
static void
read_ata_data (const char *hex, struct health *h)
{
  uint8_t data[SECTOR], sum = 0;
  bool any = false;
  int64_t bad = 0;

  if (read_hex (hex, data, sizeof data) != sizeof data)
    return;
  for (size_t i = 0; i < sizeof data; i++)
    sum = (uint8_t) (sum + data[i]);
  for (size_t i = 0; i < 30 && sum == 0; i++)
    {
      const uint8_t *a = data + 2 + i * 12;
      uint32_t raw = a[5] | (uint32_t) a[6] << 8 | (uint32_t) a[7] << 16
                     | (uint32_t) a[8] << 24;

      /* Sectors that can't be read, by the disk's use or its own tests. */
      if (a[0] != 197 && a[0] != 198)
        continue;
      any = true;
      bad = raw > bad ? raw : bad;
    }
  if (!any)
    return;
  h->media_errors = bad;
  if (bad > 0)
    warn (h, HEALTH_WARNS, "%" PRId64 " sectors that it can't read", bad);
}

void
health_read (const char *text, size_t len, struct health *ret)
{
  static const struct
  {
    const char *begins;
    void (*read) (const char *rest, struct health *h);
  } disks[] = {
    { "nvme ", read_nvme },
    { "ata-status ", read_ata_status },
    { "ata-data ", read_ata_data },
  };
  CLEANUP_FREE char *copy = strndup (text, len);
  char *save = NULL;

  *ret = (struct health){ .data = -1, .metadata = -1, .media_errors = -1 };
  for (char *line = copy ? strtok_r (copy, "\n", &save) : NULL; line;
       line = strtok_r (NULL, "\n", &save))
    {
      ret->asleep = ret->asleep || strcmp (line, "asleep") == 0;
      if (strncmp (line, "dm ", 3) == 0)
        read_target (line + 3, ret);
      for (size_t i = 0; i < ARRAY_LEN (disks); i++)
        if (strncmp (line, disks[i].begins, strlen (disks[i].begins)) == 0)
          disks[i].read (line + strlen (disks[i].begins), ret);
    }
}
