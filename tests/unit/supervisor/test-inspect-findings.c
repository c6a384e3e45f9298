/* SPDX-License-Identifier: Apache-2.0
 *
 * What `hangdog inspect` says first: who is the culprit, and nothing of what
 * is well or cannot be known by what was seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/cli/cli.h"
#include "supervisor/cli/inspect_view.h"

#include <stdlib.h>
#include <string.h>

/* Printing is linked alone: nobody is asked here. */
int
cli_ask (const struct cli *cli, bool start, struct json_object *head,
         client_row_fn *fn, void *arg)
{
  fail ();
  return EXIT_ERROR;
}

static int worst; /* of the last that were shown */

/* What is said before the guest's own rows, of rows written with ' for ". */
static char *
findings (enum inspect_form form, const char *rows)
{
  char *out = NULL, *text = strdup (rows), *end;
  size_t len = 0;
  FILE *to = open_memstream (&out, &len);
  struct inspect_past *past = inspect_past_new ();
  struct inspect_view *v = inspect_view_new (form, to, past);

  for (char *p = text; *p; p++)
    *p = *p == '\'' ? '"' : *p;
  assert_int_equal (inspect_view_lines (v, text, strlen (text)), 0);
  inspect_view_end (v);
  worst = inspect_view_worst (v);
  inspect_view_free (v);
  inspect_past_free (past);
  fclose (to);
  free (text);
  end = strstr (out, "\n\n");
  if (end)
    end[1] = '\0';
  return out;
}

static void
expect (const char *rows, const char *want)
{
  char *out = findings (INSPECT_TEXT, rows);
  const char *at = strstr (out, "kernel=");

  at = at ? strchr (at, '\n') : NULL;
  at = at ? strchr (at + 1, '\n') : NULL;
  assert_non_null (at);
  assert_string_equal (at + 1, want);
  free (out);
}

#define KERNEL "{'row':'kernel','release':'6.1','banner':'Linux'}\n"
#define SYSTEM "{'row':'system','cpus':2,'panicked':false}\n"
#define SPIN                                                                  \
  "{'row':'stack','id':1,'frames':['delay_tsc+0x1/0x2','spin+0x1/0x2 [zoo]',"  \
  "'kthread+0x1/0x2'],'end':'thread'}\n"
#define IPI                                                                   \
  "{'row':'stack','id':2,'frames':['smp_call_function_many_cond+0x1/0x2'],"    \
  "'end':'user'}\n"
#define CPU0                                                                  \
  "{'row':'cpu','vcpu':0,'cpu':0,'mode':'kernel','at':'delay_tsc+0x1/0x2',"    \
  "'irqs_off':true,'halted':false,'pid':9,'comm':'spinner','stack':1}\n"
#define CPU1_IDLE                                                             \
  "{'row':'cpu','vcpu':1,'cpu':1,'mode':'kernel','at':'hlt+0x1/0x2',"          \
  "'irqs_off':false,'halted':true,'pid':0,'comm':'swapper/1'}\n"
#define CPU1_WAITS                                                            \
  "{'row':'cpu','vcpu':1,'cpu':1,'mode':'kernel','at':'x+0x1/0x2','irqs_off':" \
  "false,'halted':false,'pid':5,'comm':'sh','stack':2,'waits_for_cpus':[0]}\n"
#define TASK "{'row':'task','pid':5,'comm':'sh','state':'S'}\n"

static void
names_who_takes_no_interrupts (void **state)
{
  expect (KERNEL SYSTEM SPIN CPU0 CPU1_IDLE TASK
          "{'row':'timers','cpu':0,'hrtimers':{'pending':1,'due_s':-4.8}}\n",
          "What stands out:\n"
          " * CPU 0 takes no interrupts: spinner (9) in spin [zoo], at "
          "delay_tsc, 4.8 s late for its timer\n");
  expect (KERNEL SYSTEM SPIN CPU0 IPI CPU1_WAITS TASK,
          "What stands out:\n"
          " * CPU 0 takes no interrupts: spinner (9) in spin [zoo], at "
          "delay_tsc; CPU 1, sh (5) in smp_call_function_many_cond, waits for "
          "its answer\n");
  expect (KERNEL SYSTEM SPIN CPU0 CPU1_IDLE TASK
          "{'row':'moved','what':'cpu','cpu':0,'clock':false,'switches':0}\n",
          "What stands out:\n"
          " * CPU 0 takes no interrupts: spinner (9) in spin [zoo], at "
          "delay_tsc, and its clock stood still between two looks\n");
}

/* Everybody has interrupts off now and then. */
static void
does_not_cry_wolf (void **state)
{
  expect (KERNEL SYSTEM SPIN CPU0 CPU1_IDLE TASK
          "{'row':'timers','cpu':0,'hrtimers':{'pending':1,'due_s':0.1}}\n"
          "{'row':'moved','what':'cpu','cpu':0,'clock':true,'switches':3}\n"
          "{'row':'lock','kind':'mutex','at':'0x1','waiters':[{'pid':5,"
          "'comm':'sh'}]}\n"
          "{'row':'disk','disk':'vda'}\n"
          "{'row':'request','disk':'vda','op':'read','age_s':0.2}\n"
          "{'row':'mem','total_pages':1000,'free_pages':500}\n"
          "{'row':'net','name':'eth0','tx_timed_out':false}\n"
          "{'row':'mount','type':'ext4','device':'vda','read_only':true}\n",
          "Nothing stands out in this look.\n");
  /* Halted and not in the kernel's idle loop: taken away, or never started. */
  expect (KERNEL SYSTEM
          "{'row':'cpu','vcpu':1,'cpu':1,'mode':'kernel','at':'0xfff0',"
          "'irqs_off':true,'halted':true}\n" TASK,
          "Nothing stands out in this look.\n");
  /* arm64 sleeps so. */
  expect ("{'row':'kernel','release':'6.1','arch':'arm64','banner':'L'}\n"
          SYSTEM "{'row':'cpu','vcpu':1,'cpu':1,'mode':'kernel','at':"
                 "'wfi+0x1/0x2','irqs_off':true,'halted':true}\n" TASK,
          "Nothing stands out in this look.\n");
  expect (KERNEL SYSTEM CPU1_IDLE TASK
          "{'row':'lacks','section':'io','what':'x','why':'y'}\n",
          "Nothing stands out in what could be found out.\n");
  /* Of a look at something small nothing is claimed. */
  expect (KERNEL "{'row':'dmesg','us':1,'text':'x'}\n",
          "");
}

static void
all_of_them_off (void **state)
{
  static const char off[]
      = "{'row':'guest','guest':'web','run':'running'}\n" KERNEL SYSTEM SPIN
          CPU0 TASK;

  expect (off, "What stands out:\n"
               " * its only CPU has interrupts off: spinner (9) in spin [zoo], "
               "at delay_tsc (perhaps for this moment only: --samples 2 "
               "tells)\n");
  expect (KERNEL SYSTEM
          "{'row':'cpu','vcpu':0,'cpu':0,'mode':'kernel','at':'stop+0x1/0x2',"
          "'irqs_off':true,'halted':true}\n" TASK,
          "What stands out:\n * CPU 0 is halted with interrupts off, at "
          "stop+0x1/0x2: nothing wakes it\n");
}

static void
says_panic_first (void **state)
{
  expect (KERNEL "{'row':'system','panicked':true,'panic_cpu':1}\n"
          "{'row':'deadlock','tasks':[{'pid':1,'comm':'a'},{'pid':2,'comm':"
          "'b'}]}\n"
          "{'row':'dmesg','us':1,'text':'Kernel panic - not syncing: hung_task:"
          " blocked tasks\\nCPU: 1'}\n"
          "{'row':'dmesg','us':2,'text':'---[ end Kernel panic - not syncing: "
          "hung_task: blocked tasks ]---'}\n",
          "What stands out:\n"
          " * KERNEL PANIC on CPU 1: hung_task: blocked tasks\n"
          " * DEADLOCK: a (1) waits for b (2) waits for the first\n");
  expect (KERNEL "{'row':'system','panicked':true,'panic_cpu':1}\n",
          "What stands out:\n"
          " * KERNEL PANIC on CPU 1 (its dmesg says why)\n");
  /* Another one that it stopped has no number any more. */
  expect (KERNEL "{'row':'system','panicked':true,'panic_cpu':1}\n"
          "{'row':'stack','id':1,'frames':['stop_this_cpu+0x1/0x2']}\n"
          "{'row':'stack','id':2,'frames':['lost+0x1/0x2']}\n"
          "{'row':'cpu','vcpu':0,'mode':'kernel','at':'stop_this_cpu+0x1/0x2',"
          "'irqs_off':true,'halted':true,'stack':1}\n"
          "{'row':'cpu','vcpu':2,'mode':'kernel','at':'lost+0x1/0x2',"
          "'irqs_off':true,'halted':true,'stack':2}\n",
          "What stands out:\n"
          " * KERNEL PANIC on CPU 1 (its dmesg says why)\n"
          " * vCPU 2 is halted with interrupts off, at lost+0x1/0x2: nothing "
          "wakes it\n");
}

static void
says_what_it_waits_for (void **state)
{
  expect (KERNEL SYSTEM CPU1_IDLE
          "{'row':'stack','id':1,'frames':['__schedule+0x1/0x2','hold+0x1/0x2 "
          "[zoo]']}\n"
          "{'row':'stack','id':2,'frames':['schedule+0x1/0x2','io_wait+0x1/0x2'"
          "]}\n"
          "{'row':'task','pid':8,'comm':'holder','state':'S','stack':1}\n"
          "{'row':'task','pid':5,'comm':'w','state':'D','since_s':60}\n"
          "{'row':'task','pid':6,'comm':'io','state':'D','since_s':300,"
          "'stack':2}\n"
          "{'row':'lock','kind':'mutex','at':'0xff','owner':{'pid':8,'comm':"
          "'holder'},'waiters':[{'pid':5,'comm':'w'}]}\n"
          "{'row':'request','disk':'vda','op':'write','sector':7,'age_s':9.5}\n"
          "{'row':'disk','disk':'vda'}\n"
          "{'row':'mem','total_pages':1000,'free_pages':5,'oom_kills':2}\n"
          "{'row':'net','name':'eth0','tx_timed_out':true,'tx_silent_s':7}\n"
          "{'row':'workpool','pool':3,'waiting':4,'no_progress_s':45}\n"
          "{'row':'mount','type':'ext4','device':'vda','write_error':'EIO'}\n",
          "What stands out:\n"
          " * disk vda: 1 request without an answer, the oldest (write, sector "
          "7) for 9.5 s: its host, or its driver\n"
          " * w (5) waits for the mutex 0xff, for 60.0 s; holder (8) has it, "
          "and is S in hold [zoo]\n"
          " * 1 task blocked (D) for more than 10 s; longest io (6), for 300 "
          "s, in io_wait\n"
          " * 4 works of pool 3 wait, none was begun for 45 s\n"
          " * network device eth0 has sent nothing for 7.0 s\n"
          " * file system ext4 on vda could not write: EIO\n"
          " * hardly any memory is left: 0.5 % of it could be had\n"
          " * since it was started 2 tasks were killed because there was no "
          "memory\n");
  /* A timer that only waits for its CPU to have time. */
  expect (KERNEL SYSTEM SPIN
          "{'row':'cpu','vcpu':0,'cpu':0,'mode':'kernel','at':'y+0x1/0x2',"
          "'irqs_off':false,'halted':false,'pid':9,'comm':'spinner','stack':1}"
          "\n" TASK "{'row':'timers','cpu':0,'hrtimers':{'due_s':0.003},"
          "'timers':{'due_s':-3.5}}\n",
          "What stands out:\n * CPU 0 lets nothing else run: spinner (9) in "
          "spin [zoo], at delay_tsc, a timer is 3.5 s late for that\n");
  expect (KERNEL SYSTEM SPIN
          "{'row':'cpu','vcpu':0,'cpu':0,'mode':'kernel','at':'y+0x1/0x2',"
          "'irqs_off':false,'halted':false,'pid':9,'comm':'spinner','stack':1,"
          "'rcu_reader':true}\n" TASK "{'row':'timers','cpu':0,'hrtimers':{"
          "'due_s':0.003},'timers':{'due_s':-3.5}}\n",
          "What stands out:\n * CPU 0 lets nothing else run: spinner (9) in "
          "spin [zoo], at delay_tsc, a timer is 3.5 s late for that, as a "
          "reader of RCU that does not end\n");
}

/* Whose work sleeps for ever has the blame, and not who waits for it. */
static void
sees_a_work_that_sleeps (void **state)
{
#define FLUSHES(since)                                                        \
  "{'row':'stack','id':1,'frames':['__schedule+0x1/0x2',"                  \
  "'schedule+0x1/0x2','schedule_timeout+0x1/0x2',"                            \
  "'wait_for_completion+0x1/0x2','__flush_work+0x1/0x2']}\n"                  \
  "{'row':'task','pid':9,'comm':'sh','state':'D','since_s':" since             \
  ",'stack':1}\n"
#define WORK                                                                  \
  "{'row':'work','pool':4,'state':'running','func':'w_sleep','queue':'q',"    \
  "'pid':31,'comm':'kworker/u4:1','asleep_s':15.7,'busy_at_most_s':16}\n"
  expect (KERNEL SYSTEM CPU1_IDLE FLUSHES ("8") WORK,
          "What stands out:\n * sh (9) waits for works of the kernel, of which "
          "w_sleep, of queue q, has slept for 16 s\n");
  expect (KERNEL SYSTEM CPU1_IDLE FLUSHES ("2") WORK,
          "Nothing stands out in this look.\n");
}

/* QEMU waits for the disk, and the guest's clock stands for that. */
static void
waits_with_it (void **state)
{
#define DISK "{'row':'request','disk':'vda','op':'read','sector':8,'age_s':1.5}" \
             "\n{'row':'disk','disk':'vda'}\n"
  expect ("{'row':'guest','guest':'web','run':'running','registers':false,"
          "'monitor_silent':true}\n" KERNEL SYSTEM CPU1_IDLE TASK DISK,
          "What stands out:\n * disk vda: 1 request without an answer, the "
          "oldest (read, sector 8) for 1.5 s by the guest's clock, and QEMU's "
          "monitor does not answer: QEMU waits for its storage\n");
  expect ("{'row':'guest','guest':'web','run':'running','registers':false}\n"
          KERNEL SYSTEM CPU1_IDLE TASK DISK,
          "Nothing stands out in this look.\n");
}

static void
knows_a_pause (void **state)
{
  expect ("{'row':'guest','guest':'web','run':'paused'}\n" KERNEL SYSTEM SPIN
          CPU0 CPU1_IDLE TASK,
          "What stands out:\n * it is paused: while its host does not run it "
          "nothing of it moves\n");
}

static void
sees_that_nothing_moves (void **state)
{
#define STANDS                                                                \
  "{'row':'moved','what':'cpu','cpu':1,'clock':false,'switches':0}\n"
  expect (KERNEL SYSTEM CPU1_IDLE TASK STANDS
          "{'row':'moved','what':'guest','clock_s':0}\n",
          "What stands out:\n * nothing of it moved between two looks: its "
          "host does not run it, or all of it sleeps, or nothing wakes it\n");
  expect (KERNEL SYSTEM CPU1_IDLE TASK STANDS
          "{'row':'moved','what':'cpu','cpu':0,'clock':true,'switches':1}\n",
          "Nothing stands out in this look.\n");
}

/* A watch says it, too. */
static void
in_a_watch (void **state)
{
  char *out = findings (INSPECT_TOP,
                        KERNEL SYSTEM SPIN CPU0 IPI CPU1_WAITS TASK);

  assert_true (strncmp (out, "What stands out:\n * CPU 0 takes no", 34) == 0);
  free (out);
}

/* Thousands of everything, members of other types, names that a terminal
 * would obey. */
static void
takes_anything (void **state)
{
  static const char odd[]
      = KERNEL "{'row':'system','panicked':true,'panic_cpu':'x'}\n"
        "{'row':'deadlock','tasks':3}\n{'row':'deadlock'}\n"
        "{'row':'lock','waiters':[1,{},[]]}\n{'row':'timers','hrtimers':7}\n"
        "{'row':'cpu','irqs_off':true,'mode':'kernel','waits_for_cpus':['x']}\n"
        "{'row':'moved'}\n{'row':'workpool','no_progress_s':1e300}\n"
        "{'row':'task','state':'D','since_s':1e300}\n"
        "{'row':'task','pid':7,'state':'D','since_s':1e5,'comm':'\\u001b[2J'}\n"
        "{'row':'net','tx_timed_out':true,'tx_silent_s':'x'}\n"
        "{'row':'disk'}\n{'row':'request','age_s':1e300}\n";
  char *out = findings (INSPECT_TEXT, odd), *many = NULL;
  size_t len = 0;
  FILE *to = open_memstream (&many, &len);

  assert_null (strchr (out, '\033'));
  assert_non_null (strstr (out, "\\e[2J"));
  free (out);
  fputs (KERNEL, to);
  for (unsigned i = 0; i < 30000; i++)
    fprintf (to, "{'row':'cpu','cpu':%u,'irqs_off':true,'mode':'kernel',"
                 "'waits_for_cpus':[0]}\n{'row':'deadlock'}\n", i);
  fclose (to);
  out = findings (INSPECT_TEXT, many);
  assert_non_null (strstr (out, "What stands out:"));
  free (out);
  free (many);
}

/* Programs are told the same, and scripts by the exit code. */
static void
told_to_programs (void **state)
{
  static const char spinning[]
      = KERNEL SYSTEM SPIN CPU0 CPU1_IDLE TASK
        "{'row':'timers','cpu':0,'hrtimers':{'pending':1,'due_s':-4.8}}\n";
  char *out = findings (INSPECT_JSON, spinning), *row;

  row = strstr (out, "{\"row\":\"finding\"");
  assert_non_null (row);
  assert_string_equal (row,
                       "{\"row\":\"finding\",\"weight\":\"lockup\",\"class\":"
                       "\"hard-lockup\",\"culprit\":{\"cpu\":0,\"pid\":9,"
                       "\"comm\":\"spinner\",\"function\":\"spin\","
                       "\"module\":\"zoo\"},\"text\":\"CPU 0 takes no "
                       "interrupts: spinner (9) in spin [zoo], at delay_tsc, 4.8 s late for its timer\"}\n");
  assert_int_equal (worst, EXIT_TROUBLE);
  free (out);
  out = findings (INSPECT_FOLDED, spinning);
  assert_null (strstr (out, "takes no"));
  assert_int_equal (worst, EXIT_TROUBLE);
  free (out);
  /* The same, whatever it is shown as: arm64 sleeps with interrupts off. */
  out = findings (INSPECT_JSON,
                  "{'row':'kernel','release':'6.1','arch':'arm64'}\n" SYSTEM
                  "{'row':'cpu','vcpu':1,'cpu':1,'mode':'kernel','at':"
                  "'wfi+0x1/0x2','irqs_off':true,'halted':true}\n"
                  TASK);
  assert_null (strstr (out, "finding"));
  assert_int_equal (worst, EXIT_WELL);
  free (out);
  out = findings (INSPECT_JSON, KERNEL SYSTEM CPU1_IDLE TASK);
  assert_null (strstr (out, "finding"));
  assert_int_equal (worst, EXIT_WELL);
  free (out);
  out = findings (INSPECT_JSON, KERNEL SYSTEM CPU1_IDLE TASK
                  "{'row':'mem','total_pages':1000,'free_pages':5}\n");
  assert_non_null (strstr (out, "\"weight\":\"degraded\""));
  assert_int_equal (worst, EXIT_DEGRADED);
  free (out);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (told_to_programs),
    cmocka_unit_test (names_who_takes_no_interrupts),
    cmocka_unit_test (does_not_cry_wolf),
    cmocka_unit_test (sees_a_work_that_sleeps),
    cmocka_unit_test (all_of_them_off),
    cmocka_unit_test (says_panic_first),
    cmocka_unit_test (says_what_it_waits_for),
    cmocka_unit_test (waits_with_it),
    cmocka_unit_test (knows_a_pause),
    cmocka_unit_test (sees_that_nothing_moves),
    cmocka_unit_test (in_a_watch),
    cmocka_unit_test (takes_anything),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
