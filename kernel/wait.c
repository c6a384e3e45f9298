/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stack waits for, by the names of its functions.
 */
#include "kernel/wait.h"

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

const char *const wait_for_names[] = { "", "io", "lock", NULL };

enum kind
{
  NOT,    /* does something of its own */
  SLEEPS, /* says only that it waits */
  SPINS,  /* waits and does not sleep, or was interrupted */
  SLEEPS_IO,
  DOES_IO, /* whoever sleeps in it waits for storage; who runs in it works */
  LOCK,
  ASKS_LOCK, /* waits for a lock, and says for which */
  BOTTOM,    /* of a kernel thread */
};

/* The first that fits: a "*" stands for any end. */
static const struct
{
  const char *name;
  enum kind kind;
} table[] = {
  { "io_schedule*", SLEEPS_IO },
  { "bit_wait_io*", SLEEPS_IO },
  { "folio_wait*", SLEEPS_IO },
  { "__folio_lock*", SLEEPS_IO },
  { "__folio_*", DOES_IO },
  { "wait_on_page*", SLEEPS_IO },
  { "__lock_page*", SLEEPS_IO },
  { "wait_on_buffer*", SLEEPS_IO },
  { "__wait_on_buffer*", SLEEPS_IO },
  { "__wait_on_bit*", SLEEPS_IO },
  { "__lock_buffer", SLEEPS_IO },
  { "wait_transaction_*", SLEEPS_IO },
  { "wait_barrier", SLEEPS_IO },
  { "wb_wait_*", SLEEPS_IO },
  { "rpc_wait*", SLEEPS_IO },
  { "request_wait_answer", SLEEPS_IO },
  { "txg_wait_*", SLEEPS_IO },
  { "zio_wait*", SLEEPS_IO },
  { "blk_*", DOES_IO },
  { "__blk_*", DOES_IO },
  { "bio_*", DOES_IO },
  { "submit_bio*", DOES_IO },
  { "rq_qos*", DOES_IO },
  { "jbd2_*", DOES_IO },
  { "do_get_write_access", DOES_IO },
  { "xlog_*", DOES_IO },
  { "xfs_buf*", DOES_IO },
  { "xfs_log_*", DOES_IO },
  { "btrfs_wait_*", DOES_IO },
  { "balance_dirty_*", DOES_IO },
  { "nvme_*", DOES_IO },
  { "virtblk_*", DOES_IO },
  { "rpc_*", DOES_IO },
  { "nfs_*", DOES_IO },
  { "nfs4_*", DOES_IO },
  { "fuse_*", DOES_IO },
  { "p9_client_*", DOES_IO },
  { "p9_virtio_*", DOES_IO },
  { "cifs_*", DOES_IO },
  { "smb2_*", DOES_IO },
  { "ceph_*", DOES_IO },
  { "dmu_*", DOES_IO },
  { "md_*", DOES_IO },
  { "dm_*", DOES_IO },

  { "__mutex_*", LOCK },
  { "mutex_*", LOCK },
  { "ww_mutex_*", LOCK },
  { "rt_mutex_*", LOCK },
  { "__rt_mutex_*", LOCK },
  { "rwsem_*", LOCK },
  { "__rwsem_*", LOCK },
  { "call_rwsem_*", LOCK },
  { "rwbase_*", LOCK },
  { "rtlock_*", LOCK },
  { "rt_spin_*", LOCK }, /* of a real-time kernel: who waits sleeps */
  { "percpu_rwsem*", LOCK },
  { "__percpu_rwsem*", LOCK },
  { "percpu_down*", LOCK },
  { "__percpu_down*", LOCK },
  { "down", LOCK },
  { "down_*", LOCK },
  { "__down*", LOCK },
  { "__lock_sock*", LOCK },
  { "rtnl_lock*", ASKS_LOCK },

  { "_raw_spin_*", SPINS },
  { "native_queued_spin_*", SPINS },
  { "queued_spin_*", SPINS },
  { "__pv_queued_spin_*", SPINS },
  { "pv_native_*", SPINS },
  { "native_safe_halt*", SPINS },
  { "delay_*", SPINS },
  { "__delay*", SPINS },
  { "__const_udelay", SPINS },
  { "touch_*", SPINS }, /* a watchdog that is kept quiet */
  { "<interrupt>", SPINS },

  { "__schedule*", SLEEPS },
  { "schedule*", SLEEPS },
  { "preempt_schedule*", SLEEPS },
  { "context_switch", SLEEPS },
  { "__switch_to*", SLEEPS },
  { "finish_task_switch*", SLEEPS },
  { "msleep*", SLEEPS },
  { "usleep_range*", SLEEPS },
  { "__wait_*", SLEEPS },
  { "wait_*", SLEEPS },
  { "do_wait*", SLEEPS },
  { "bit_wait*", SLEEPS },
  { "out_of_line_wait*", SLEEPS },
  { "autoremove_wake*", SLEEPS },
  { "cv_wait*", SLEEPS },

  { "kthread", BOTTOM },
  { "ret_from_fork*", BOTTOM },
  { "ret_from_kernel_thread*", BOTTOM },
  { "kernel_thread_helper", BOTTOM },
};

static bool
fits (const char *pattern, const char *name, size_t len)
{
  size_t n = strcspn (pattern, "*");

  return strncmp (pattern, name, n) == 0 && (pattern[n] || n == len);
}

static enum kind
kind_of (const char *name)
{
  size_t len = strcspn (name, "+. ");

  for (size_t i = 0; i < ARRAY_LEN (table); i++)
    if (fits (table[i].name, name, len))
      return table[i].kind;
  return NOT;
}

static enum wait_for
what_of (enum kind kind)
{
  switch (kind)
    {
    case SLEEPS_IO:
    case DOES_IO:
      return WAIT_IO;
    case LOCK:
    case ASKS_LOCK:
      return WAIT_LOCK;
    case NOT:
    case SLEEPS:
    case SPINS:
    case BOTTOM:
      break;
    }
  return WAIT_OTHER;
}

enum wait_for
wait_for (const char *name)
{
  return what_of (kind_of (name));
}

void
wait_of (const char *const *names, unsigned n, struct wait *ret)
{
  bool asleep = false;
  int last = -1;

  *ret = (struct wait){ WAIT_OTHER, -1 };
  for (unsigned i = 0; i < n && (ret->at < 0 || !ret->what); i++)
    {
      enum kind kind;

      if (!names[i])
        continue;
      kind = kind_of (names[i]);
      if (!ret->what)
        ret->what = what_of (kind);
      asleep = asleep || kind == SLEEPS || kind == SLEEPS_IO || kind == LOCK;
      if (ret->at < 0 && kind == BOTTOM)
        ret->at = last >= 0 ? last : (int) i;
      else if (ret->at < 0
               && (kind == NOT || kind == ASKS_LOCK
                   || (kind == DOES_IO && !asleep)))
        ret->at = (int) i;
      last = (int) i;
    }
}
