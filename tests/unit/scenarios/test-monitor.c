/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind monitor: what two looks at QEMU mean.
 */
#include "kind-bed.h"

#include "base/json.h"
#include "transports/memory/memory.h"
#include "transports/monitor/look.h"

#define MON(extra)                                                            \
  "{\"name\":\"n\",\"kind\":\"monitor\",\"samples-apart\":\"100ms\"" extra "}"

static struct
{
  struct
  {
    int rc;
    enum monitor_health health;
    const char *status, *disks;
    int64_t balloon_s;
  } look[2];
  unsigned at, wants;
  size_t nvcpus;
  uint64_t ran;
  const char *registers[2];
  unsigned asked;
} qemu;

int
monitor_look (const struct transport_env *env, const struct guest *g,
              unsigned wants, uint64_t deadline,
              enum monitor_health *ret_health, struct monitor_look *ret,
              struct error *err)
{
  unsigned i = qemu.at++;

  assert_in_range (i, 0, 1);
  assert_true (deadline <= clock_ms () + MONITOR_HOLD_MS);
  qemu.wants = wants;
  *ret_health = qemu.look[i].health;
  if (qemu.look[i].rc < 0)
    return error_set (err, -qemu.look[i].rc, "so it is\033[2J");
  *ret = (struct monitor_look){ .balloon_s = qemu.look[i].balloon_s };
  snprintf (ret->status, sizeof ret->status, "%s", qemu.look[i].status);
  if (wants & MONITOR_WANTS_DISKS)
    ret->disks = json_tokener_parse (qemu.look[i].disks);
  return 0;
}

size_t
monitor_vcpus (const struct transport_env *env, const struct guest *g,
               uint64_t deadline, struct monitor_vcpu ret[MONITOR_MAX_VCPUS])
{
  for (size_t i = 0; i < qemu.nvcpus; i++)
    ret[i] = (struct monitor_vcpu){ (int) i, (int) (100 + i), { 1000, 0 } };
  return qemu.nvcpus;
}

bool
monitor_thread_time (int pid, int tid, struct thread_time *ret)
{
  *ret = (struct thread_time){ 1000 + qemu.ran, 0 };
  return true;
}

int
memory_registers (const struct transport_env *env, const struct guest *g,
                  uint64_t deadline, char **ret, size_t *ret_len,
                  char state[MEMORY_STATE], struct error *err)
{
  const char *text = qemu.registers[qemu.asked++ % 2];

  state[0] = '\0';
  if (!text)
    return error_set (err, ENOTSUP, "not told");
  *ret = strdup (text);
  *ret_len = strlen (text);
  return 0;
}

static void
healthy (void)
{
  memset (&qemu, 0, sizeof qemu);
  for (int i = 0; i < 2; i++)
    {
      qemu.look[i].health = MONITOR_ANSWERS;
      qemu.look[i].status = "running";
      qemu.look[i].disks = "{}";
      qemu.look[i].balloon_s = -1;
    }
}

static void
says_of (const struct guest *g, const char *text, enum outcome outcome,
         const char *code, const char *sentence)
{
  struct outcome_report r;

  qemu.at = 0;
  assert_int_equal (run_on (text, g, &r), 0);
  if (r.outcome != outcome || strcmp (r.code, code) != 0
      || !strstr (r.sentence, sentence))
    fail_msg ("%s %s: %s", outcome_names[r.outcome], r.code, r.sentence);
  assert_int_equal (outcome_code_find (r.code)->outcome, r.outcome);
  assert_int_equal (outcome_code_way (r.code), r.way);
}

static void
says (const char *text, enum outcome outcome, const char *code,
      const char *sentence)
{
  struct guest g = guest ();

  g.monitor = MONITOR_UNIX;
  says_of (&g, text, outcome, code, sentence);
}

static void
test_runs (void **state)
{
  static const char *const meant[] = { "paused", "prelaunch", "inmigrate",
                                       "postmigrate", "save-vm" },
                    *const trouble[]
      = { "io-error", "internal-error", "guest-panicked", "watchdog",
          "shutdown", "what\033[2J" };

  healthy ();
  says (MON (), OUTCOME_OK, "ok", "it runs");
  assert_int_equal (qemu.wants, MONITOR_WANTS_DISKS);
  for (size_t i = 0; i < ARRAY_LEN (meant); i++)
    {
      qemu.look[1].status = meant[i];
      says (MON (), OUTCOME_NO_VERDICT, "paused", meant[i]);
    }
  for (size_t i = 0; i < ARRAY_LEN (trouble); i++)
    {
      qemu.look[1].status = trouble[i];
      says (MON (), OUTCOME_FAILED, "run-state", "QEMU says");
      says (MON (",\"run-state\":false"), OUTCOME_NO_VERDICT, "paused",
            "QEMU says");
    }
}

#define DISK(ops, waits, errors, io)                                          \
  "{\"vda\":{\"rd_ops\":" ops ",\"wr_ops\":7,\"in_flight\":" waits            \
  ",\"errors\":" errors ",\"io_status\":\"" io "\"}}"

static void
test_disks (void **state)
{
  healthy ();
  qemu.look[0].disks = DISK ("5", "2", "0", "ok");
  qemu.look[1].disks = DISK ("5", "3", "0", "ok");
  says (MON (), OUTCOME_FAILED, "disk-stalled",
        "disk vda: 3 requests wait, and none was answered in 100ms");
  says (MON (",\"block\":false"), OUTCOME_OK, "ok", "");
  /* It goes on; it has nothing to do; it has only now. */
  qemu.look[1].disks = DISK ("6", "3", "0", "ok");
  says (MON (), OUTCOME_OK, "ok", "");
  qemu.look[1].disks = DISK ("5", "0", "0", "ok");
  says (MON (), OUTCOME_OK, "ok", "");
  qemu.look[0].disks = DISK ("5", "0", "0", "ok");
  qemu.look[1].disks = DISK ("5", "1", "0", "ok");
  says (MON (), OUTCOME_OK, "ok", "");
  /* Errors: of before, and of now. */
  qemu.look[0].disks = DISK ("5", "0", "4", "ok");
  qemu.look[1].disks = DISK ("5", "0", "4", "ok");
  says (MON (), OUTCOME_OK, "ok", "");
  qemu.look[1].disks = DISK ("6", "0", "6", "ok");
  says (MON (), OUTCOME_FAILED, "disk-error", "2 requests failed");
  qemu.look[1].disks = DISK ("5", "0", "4", "nospace");
  says (MON (), OUTCOME_FAILED, "disk-error", "no space on the host");
  qemu.look[1].disks = DISK ("5", "0", "4", "failed");
  says (MON (), OUTCOME_FAILED, "disk-error", "failed on the host");
  /* A disk that came in between, and one that tells little. */
  qemu.look[0].disks = "{}";
  qemu.look[1].disks = DISK ("5", "3", "4", "ok");
  says (MON (), OUTCOME_OK, "ok", "");
  qemu.look[0].disks = qemu.look[1].disks = "{\"sda\":{\"rd_ops\":1}}";
  says (MON (), OUTCOME_OK, "ok", "does not tell what waits");
  qemu.look[1].disks = "{\"sda\":5,\"sdb\":\"x\"}";
  says (MON (), OUTCOME_OK, "ok", "");
}

static void
test_vcpus (void **state)
{
  healthy ();
  says (MON (",\"vcpus\":true"), OUTCOME_NO_VERDICT, "monitor-untold",
        "not known");
  qemu.nvcpus = 2;
  says (MON (",\"vcpus\":true"), OUTCOME_FAILED, "vcpus-still",
        "none of its 2 vCPUs has run in 100ms");
  says (MON (), OUTCOME_OK, "ok", "");
  qemu.ran = 1;
  says (MON (",\"vcpus\":true"), OUTCOME_OK, "ok", "");
}

#define CPU(n, rip, efl, cpl, hlt)                                            \
  "CPU#" n "\nRAX=0000000000000000 RBX=0000000000000000\n"                    \
  "RIP=" rip " RFL=" efl " [-------] CPL=" cpl " II=0 A20=1 SMM=0 HLT=" hlt "\n"
#define KERNEL "ffffffffc0401010"
#define OFF "00000002"
#define ON "00000202"

static void
stuck (const char *before, const char *after, enum outcome outcome,
       const char *code, const char *sentence)
{
  qemu.asked = 0;
  qemu.registers[0] = before;
  qemu.registers[1] = after;
  says (MON (",\"vcpus-stuck\":true"), outcome, code, sentence);
}

/* What the vCPUs hold, twice; both have run all of the time. */
static void
test_stuck (void **state)
{
  const char *off = CPU ("0", KERNEL, ON, "0", "1")
                    CPU ("1", KERNEL, OFF, "0", "0");

  healthy ();
  stuck (NULL, NULL, OUTCOME_NO_VERDICT, "monitor-untold", "can't be asked");
  qemu.nvcpus = 2;
  qemu.ran = 1000000000;
  stuck (off, off, OUTCOME_FAILED, "vcpu-spins", "vCPU 1 has run");
  assert_int_equal (qemu.asked, 2);
  says (MON (), OUTCOME_OK, "ok", "");
  assert_int_equal (qemu.asked, 2);
  /* It takes interrupts; it is elsewhere, or in its user's code; it has
   * hardly run. */
  stuck (off, CPU ("0", KERNEL, ON, "0", "1") CPU ("1", KERNEL, ON, "0", "0"),
         OUTCOME_OK, "ok", "");
  stuck (off,
         CPU ("0", KERNEL, ON, "0", "1")
         CPU ("1", "ffffffff81001010", OFF, "0", "0"),
         OUTCOME_OK, "ok", "");
  stuck (off, CPU ("0", KERNEL, ON, "0", "1") CPU ("1", KERNEL, OFF, "3", "0"),
         OUTCOME_OK, "ok", "");
  qemu.ran = 1000;
  stuck (off, off, OUTCOME_OK, "ok", "");
}

static void
test_halted (void **state)
{
  const char *panic = CPU ("0", KERNEL, ON, "0", "0")
                      CPU ("1", KERNEL, OFF, "0", "1"),
             *all = CPU ("0", KERNEL, OFF, "0", "1")
                    CPU ("1", KERNEL, OFF, "0", "1"),
             *spare = CPU ("0", KERNEL, ON, "0", "1")
                      CPU ("1", KERNEL, OFF, "0", "1");

  healthy ();
  qemu.nvcpus = 2;
  qemu.ran = 1000000000;
  stuck (panic, panic, OUTCOME_FAILED, "vcpus-halted", "1 of its 2 vCPUs");
  /* One is out of service, and the other one idle, or busy. */
  stuck (spare, spare, OUTCOME_OK, "ok", "");
  stuck (panic, CPU ("0", "ffffffff81001010", ON, "0", "0")
         CPU ("1", KERNEL, OFF, "0", "1"), OUTCOME_OK, "ok", "");
  qemu.ran = 0;
  stuck (all, all, OUTCOME_FAILED, "vcpus-halted", "2 of its 2 vCPUs");
  /* One of them went away in between. */
  stuck (all, CPU ("0", KERNEL, OFF, "0", "1"), OUTCOME_NO_VERDICT,
         "monitor-untold", "can't be asked");
}

static void
test_balloon (void **state)
{
  healthy ();
  says (MON (",\"balloon-age\":\"30s\""), OUTCOME_NO_VERDICT,
        "monitor-untold", "balloon is not asked");
  assert_int_equal (qemu.wants, MONITOR_WANTS_DISKS | MONITOR_WANTS_BALLOON);
  qemu.look[1].balloon_s = 30;
  says (MON (",\"balloon-age\":\"30s\""), OUTCOME_OK, "ok", "");
  qemu.look[1].balloon_s = 31;
  says (MON (",\"balloon-age\":\"30s\""), OUTCOME_FAILED, "balloon-old",
        "for 31s");
}

static void
test_silence (void **state)
{
  static const struct
  {
    int rc;
    enum monitor_health health;
    enum outcome outcome;
    const char *code;
  } ends[] = {
    { -ETIMEDOUT, MONITOR_GREETS_ONLY, OUTCOME_FAILED, "monitor-silent" },
    { -ETIMEDOUT, MONITOR_NO_GREETING, OUTCOME_NO_VERDICT, "monitor-held" },
    { -EAGAIN, MONITOR_HELD, OUTCOME_NO_VERDICT, "monitor-held" },
    { -ECONNREFUSED, MONITOR_GONE, OUTCOME_NO_VERDICT, "monitor-absent" },
    { -ENOENT, MONITOR_GONE, OUTCOME_NO_VERDICT, "monitor-absent" },
  };
  struct guest g = guest ();

  for (int which = 0; which < 2; which++)
    for (size_t i = 0; i < ARRAY_LEN (ends); i++)
      {
        healthy ();
        qemu.look[which].rc = ends[i].rc;
        qemu.look[which].health = ends[i].health;
        says (MON (), ends[i].outcome, ends[i].code, "so it is");
      }
  healthy ();
  qemu.look[0].rc = -ETIMEDOUT;
  g.monitor = MONITOR_LIBVIRT;
  says_of (&g, MON (), OUTCOME_NO_VERDICT, "libvirt-silent", "so it is");
  /* The process of that number is no QEMU of ours any more. */
  g.inc.pid = 1;
  g.inc.start_time = 12345678901;
  says_of (&g, MON (), OUTCOME_FAILED, "vmm-dead", "has ended");
  g.monitor = MONITOR_NONE;
  says_of (&g, MON (), OUTCOME_NO_VERDICT, "monitor-absent", "no monitor");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_runs),    cmocka_unit_test (test_disks),
    cmocka_unit_test (test_vcpus),   cmocka_unit_test (test_balloon),
    cmocka_unit_test (test_silence), cmocka_unit_test (test_stuck),
    cmocka_unit_test (test_halted),
  };

  return cmocka_run_group_tests_name ("monitor", tests, NULL, NULL);
}
