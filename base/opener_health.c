/* SPDX-License-Identifier: Apache-2.0
 *
 * The opener, for how a block device of this host says that it is: device
 * mapper's status, NVMe's and ATA's SMART.  It takes rights, and a device that
 * is dead never answers: so it is asked here, by a process that may get stuck.
 * What is said is not looked at; it is handed over as text.
 *
 * Nothing but these questions can be asked, and none changes anything.  They
 * go with the kernel's own time limits: a shorter one would end in an abort or
 * a reset of the device.  A disk that sleeps is let sleep: it is asked for its
 * power mode first, which it can tell without its platters; and not even that
 * is done of one that the host's kernel has suspended.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/nvme_ioctl.h>
#include <scsi/sg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/opener.h"
#include "base/opener_impl.h"

#define MAX_TEXT (64u << 10)
#define DM_BYTES (32u << 10)
#define SECTOR 512

/* ---- the request ---- */

static bool
read_number (const char *path, unsigned *ret_major, unsigned *ret_minor)
{
  char again[32];

  if (sscanf (path, "%9u:%9u", ret_major, ret_minor) != 2)
    return false;
  snprintf (again, sizeof again, "%u:%u", *ret_major, *ret_minor);
  return strcmp (again, path) == 0;
}

int
check_health_ (const struct open_req *req, struct error *err)
{
  unsigned major, minor;

  if (strcmp (req->root, "/dev/block") != 0
      || !read_number (req->path, &major, &minor))
    return error_set (err, EACCES, "%s/%s is not the number of a device",
                      req->root, req->path);
  return 0;
}

/* ---- device mapper ---- */

/* "dm thin-pool 1 24/4096 ...", a line for each target. */
static int
put_targets (const struct dm_ioctl *io, struct buf *out)
{
  const char *base = (const char *) io + io->data_start;
  size_t room = DM_BYTES - io->data_start, at = 0;

  for (unsigned i = 0; i < io->target_count; i++)
    {
      struct dm_target_spec spec;
      const char *text;

      if (at >= room || room - at <= sizeof spec)
        return -EBADMSG;
      memcpy (&spec, base + at, sizeof spec);
      text = base + at + sizeof spec;
      buf_printf (out, "dm %.*s %.*s\n", (int) sizeof spec.target_type,
                  spec.target_type, (int) (room - at - sizeof spec), text);
      if (spec.next <= at)
        return i + 1 == io->target_count ? 0 : -EBADMSG;
      at = spec.next;
    }
  return 0;
}

/* Its table is not asked for: there are keys in it. */
static int
ask_dm (unsigned major, unsigned minor, struct buf *out, struct error *err)
{
  CLEANUP_CLOSE int fd = open ("/dev/mapper/control", O_RDONLY | O_CLOEXEC);
  CLEANUP_FREE struct dm_ioctl *io = calloc (1, DM_BYTES);
  int r;

  if (!io)
    return error_set (err, ENOMEM, "no memory");
  if (fd < 0)
    return error_errno (err, errno, "opening /dev/mapper/control");
  *io = (struct dm_ioctl){ .version = { DM_VERSION_MAJOR, 0, 0 },
                           .data_size = DM_BYTES,
                           .data_start = sizeof *io,
                           /* A pool would write its metadata before. */
                           .flags = DM_NOFLUSH_FLAG,
                           .dev = makedev (major, minor) };
  if (ioctl (fd, DM_TABLE_STATUS, io) < 0)
    return error_errno (err, errno, "asking device mapper for %u:%u", major,
                        minor);
  if (io->flags & DM_BUFFER_FULL_FLAG || io->data_start >= DM_BYTES)
    return error_set (err, EMSGSIZE, "device mapper says too much of %u:%u",
                      major, minor);
  r = put_targets (io, out);
  return r < 0 ? error_errno (err, -r, "reading device mapper's status") : 0;
}

/* ---- disks ---- */

static void
put_hex (struct buf *out, const char *what, const uint8_t *data, size_t n)
{
  buf_printf (out, "%s ", what);
  for (size_t i = 0; i < n; i++)
    buf_printf (out, "%02x", data[i]);
  buf_putc (out, '\n');
}

static int
open_disk (const char *name, unsigned major, unsigned minor, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  char path[64];
  struct stat st;

  snprintf (path, sizeof path, "/dev/%.40s", name);
  fd = open (path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) < 0)
    return error_errno (err, errno, "opening %s", path);
  if (!S_ISBLK (st.st_mode) || st.st_rdev != makedev (major, minor))
    return error_set (err, ESTALE, "%s is not %u:%u", path, major, minor);
  return steal_fd (&fd);
}

/* Get Log Page, SMART / Health Information, of the whole controller. */
static int
ask_nvme (int fd, const char *name, struct buf *out, struct error *err)
{
  uint8_t log[SECTOR] = { 0 };
  struct nvme_admin_cmd cmd = { .opcode = 0x02,
                                .nsid = 0xffffffff,
                                .addr = (uint64_t) (uintptr_t) log,
                                .data_len = sizeof log,
                                .cdw10 = (sizeof log / 4 - 1) << 16 | 0x02 };
  int r = ioctl (fd, NVME_IOCTL_ADMIN_CMD, &cmd);

  if (r < 0)
    return error_errno (err, errno, "asking %s for its SMART log", name);
  if (r > 0)
    return error_set (err, EIO, "%s has no SMART log (status %#x)", name,
                      (unsigned) r);
  put_hex (out, "nvme", log, sizeof log);
  return 0;
}

#define SMART 0xb0
#define CHECK_POWER_MODE 0xe5

/* ATA PASS-THROUGH (16): protocol 3 has no data, 4 a sector of it. */
static int
ata (int fd, uint8_t command, uint8_t feature, uint8_t *data,
     uint8_t sense[32])
{
  bool is_smart = command == SMART;
  uint8_t cdb[16] = { 0x85,
                      data ? 4 << 1 : 3 << 1,
                      data ? 0x0e : 0x20,
                      0,
                      feature,
                      0,
                      is_smart,
                      0,
                      0,
                      0,
                      is_smart ? 0x4f : 0,
                      0,
                      is_smart ? 0xc2 : 0,
                      0,
                      command };
  struct sg_io_hdr io = { .interface_id = 'S',
                          .dxfer_direction
                          = data ? SG_DXFER_FROM_DEV : SG_DXFER_NONE,
                          .cmd_len = sizeof cdb,
                          .mx_sb_len = 32,
                          .dxfer_len = data ? SECTOR : 0,
                          .dxferp = data,
                          .cmdp = cdb,
                          .sbp = sense };

  if (ioctl (fd, SG_IO, &io) < 0)
    return -errno;
  /* The state of its registers comes as a complaint, and data does not. */
  return io.host_status || (io.driver_status & 0x07) || (data && io.status)
             ? -EIO
             : 0;
}

/* Its count, in either format of sense data (SAT): 00h and 01h are standby, 40h
 * is spun down behind a cache that is not. */
int
open_asleep_ (const uint8_t *sense, size_t n, bool *ret)
{
  uint8_t mode;

  if (n >= 22 && (sense[0] & 0x7f) == 0x72 && sense[8] == 0x09)
    mode = sense[13];
  else if (n >= 12 && (sense[0] & 0x7f) == 0x70 && (sense[2] & 0x0f) <= 1)
    mode = sense[6];
  else
    return -EBADMSG;
  *ret = mode == 0x00 || mode == 0x01 || mode == 0x40;
  return 0;
}

bool
open_suspended_ (const char *sys, const char *number)
{
  char file[128], state[16] = "";
  CLEANUP_CLOSE int fd = -1;

  snprintf (file, sizeof file, "%.64s/%.20s/device/power/runtime_status", sys,
            number);
  fd = open (file, O_RDONLY | O_CLOEXEC);
  return fd >= 0 && read (fd, state, sizeof state - 1) > 0
         && (strncmp (state, "suspend", 7) == 0);
}

static int
ask_ata (int fd, const char *name, struct buf *out, struct error *err)
{
  uint8_t data[SECTOR] = { 0 }, sense[32] = { 0 }, unused[32];
  bool asleep = false;
  int r = ata (fd, CHECK_POWER_MODE, 0, NULL, sense);

  if (r == 0)
    r = open_asleep_ (sense, sizeof sense, &asleep);
  if (r == 0 && asleep)
    {
      buf_puts (out, "asleep\n");
      return 0;
    }
  if (r == 0)
    {
      memset (sense, 0, sizeof sense);
      r = ata (fd, SMART, 0xda, NULL, sense);
    }
  if (r == -EPERM || r == -EACCES)
    return error_set (err, EPERM, "asking %s for SMART takes CAP_SYS_RAWIO",
                      name);
  if (r < 0)
    return error_errno (err, -r, "asking %s for SMART", name);
  put_hex (out, "ata-status", sense, sizeof sense);
  if (ata (fd, SMART, 0xd0, data, unused) == 0)
    put_hex (out, "ata-data", data, sizeof data);
  return 0;
}

/* ---- which of them ---- */

/* What the kernel calls it; false: nothing that could be asked. */
static bool
name_of (const char *path, char dst[41])
{
  char link[64], to[512], *base;
  ssize_t n;

  snprintf (link, sizeof link, "/sys/dev/block/%.20s", path);
  n = readlink (link, to, sizeof to - 1);
  if (n <= 0)
    return false;
  to[n] = '\0';
  base = strrchr (to, '/');
  base = base ? base + 1 : to;
  for (const char *p = base; *p; p++)
    if (!isalnum ((unsigned char) *p) && *p != '-')
      return false;
  return snprintf (dst, 41, "%s", base) < 41;
}

/* Others than those of libata may not know what is asked, and break. */
static bool
is_ata (const char *path)
{
  char file[80], vendor[8] = "";
  CLEANUP_CLOSE int fd = -1;

  snprintf (file, sizeof file, "/sys/dev/block/%.20s/device/vendor", path);
  fd = open (file, O_RDONLY | O_CLOEXEC);
  return fd >= 0 && read (fd, vendor, sizeof vendor - 1) > 3
         && strncmp (vendor, "ATA ", 4) == 0;
}

int
open_health_ (const struct open_req *req, int *ret_fd, struct error *err)
{
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_TEXT);
  CLEANUP_CLOSE int fd = -1;
  unsigned major = 0, minor = 0;
  char name[41];
  int r;

  if (!read_number (req->path, &major, &minor) || !name_of (req->path, name))
    return error_set (err, ENODEV, "there is no device %s", req->path);
  if (strncmp (name, "dm-", 3) == 0)
    r = ask_dm (major, minor, &text, err);
  else if (strncmp (name, "nvme", 4) != 0
           && (strncmp (name, "sd", 2) != 0 || !is_ata (req->path)))
    return error_set (err, ENODEV, "%s is of a kind that says nothing", name);
  else if (open_suspended_ ("/sys/dev/block", req->path))
    {
      buf_puts (&text, "asleep\n");
      r = 0;
    }
  else
    {
      fd = open_disk (name, major, minor, err);
      if (fd < 0)
        return fd;
      r = name[0] == 'n' ? ask_nvme (fd, name, &text, err)
                         : ask_ata (fd, name, &text, err);
    }
  if (r < 0)
    return r;
  r = open_sealed_ (buf_str (&text), text.len, ret_fd);
  return r < 0 ? error_errno (err, -r, "keeping what %s says", name) : 0;
}
