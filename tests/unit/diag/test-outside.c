/* SPDX-License-Identifier: Apache-2.0
 *
 * What rows of a look mean: the class, and whoever is the culprit, as a
 * diagnosis takes them.  How they are said is test-inspect-findings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "diag/outside/outside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows written with ' for ", each on a line. */
static struct outside *
judged (const char *rows)
{
  struct outside *o = outside_new ();
  char *text = strdup (rows), *line, *rest = text;

  assert_non_null (o);
  for (char *p = text; *p; p++)
    *p = *p == '\'' ? '"' : *p;
  while ((line = strsep (&rest, "\n")))
    if (line[0])
      {
        struct json_object *row = json_tokener_parse (line);

        assert_non_null (row);
        outside_add (o, row);
        json_object_put (row);
      }
  free (text);
  outside_judge (o);
  return o;
}

/* "WEIGHT CLASS CULPRIT" of each, a line. */
static void
expect (const char *rows, const char *want)
{
  struct outside *o = judged (rows);
  char have[4096] = "";

  for (size_t i = 0; i < outside_count (o); i++)
    {
      const struct outside_finding *f = outside_get (o, i);
      size_t n = strlen (have);

      assert_true (f->text[0] != '\0');
      snprintf (have + n, sizeof have - n, "%s %s %s\n",
                outside_weight_names[f->weight], f->class ? f->class : "-",
                f->culprit ? json_object_to_json_string_ext (
                    f->culprit, JSON_C_TO_STRING_PLAIN)
                           : "-");
    }
  for (char *p = have; *p; p++)
    *p = *p == '"' ? '\'' : *p;
  assert_string_equal (have, want);
  assert_null (outside_get (o, outside_count (o)));
  outside_free (o);
}

#define SPIN                                                                  \
  "{'row':'stack','id':1,'frames':['delay_tsc+0x1/0x2','spin+0x1/0x2 [zoo]',"  \
  "'kthread+0x1/0x2'],'end':'thread'}\n"
#define WAIT                                                                  \
  "{'row':'stack','id':1,'frames':['__schedule+0x1/0x2','hold+0x3/0x9 "        \
  "[zoo]'],'end':'thread'}\n"
#define CPU0                                                                  \
  "{'row':'cpu','vcpu':1,'cpu':0,'mode':'kernel','at':'delay_tsc+0x1/0x2',"    \
  "'irqs_off':true,'halted':false,'pid':9,'comm':'spinner','stack':1}\n"

static void
names_the_cpu (void **state)
{
  expect (SPIN CPU0
          "{'row':'timers','cpu':0,'hrtimers':{'pending':1,'due_s':-4.8}}\n",
          "lockup hard-lockup {'cpu':0,'pid':9,'comm':'spinner','function':"
          "'spin','module':'zoo'}\n");
  /* Of its only CPU it is nobody else. */
  expect (SPIN CPU0, "lockup hard-lockup {'cpu':0,'pid':9,'comm':'spinner',"
                     "'function':'spin','module':'zoo'}\n");
  expect (SPIN CPU0
          "{'row':'cpu','cpu':1,'mode':'kernel','irqs_off':true,'pid':5}\n",
          "lockup hard-lockup -\n");
  expect ("{'row':'cpu','cpu':1,'mode':'kernel','at':'x+0x1/0x2','irqs_off':"
          "false,'pid':4,'comm':'a'}\n"
          "{'row':'timers','cpu':1,'timers':{'due_s':-3.5}}\n",
          "lockup soft-lockup {'cpu':1,'pid':4,'comm':'a'}\n");
}

/* Whose timers are all in time, because interrupts do that much. */
static void
names_who_keeps_a_cpu (void **state)
{
#define KEPT                                                                  \
  "{'row':'cpu','cpu':1,'mode':'kernel','at':'x+0x1/0x2','irqs_off':false,"    \
  "'pid':4,'comm':'a'}\n"
#define TASK "{'row':'task','pid':4,'comm':'a','state':'R','cpu':1,"
#define QUEUE "{'row':'runqueue','cpu':1,'running':2}\n"
  static const char culprit[]
      = "lockup soft-lockup {'cpu':1,'pid':4,'comm':'a'}\n";

  expect (KEPT TASK "'on_cpu':true,'since_s':17.1}\n" QUEUE, culprit);
  expect (KEPT TASK "'on_cpu':true,'since_s':17.1}\n" QUEUE
          "{'row':'moved','what':'cpu','cpu':1,'clock':true,'switches':0}\n",
          culprit);
  /* It had its turn just now, is alone there, or passes it on. */
  expect (KEPT TASK "'on_cpu':true,'since_s':0.9}\n" QUEUE, "");
  expect (KEPT TASK "'on_cpu':true,'since_s':17.1}\n"
          "{'row':'runqueue','cpu':1,'running':1}\n", "");
  expect (KEPT TASK "'since_s':17.1}\n" QUEUE, "");
  expect (KEPT TASK "'on_cpu':true,'since_s':17.1}\n" QUEUE
          "{'row':'moved','what':'cpu','cpu':1,'clock':true,'switches':3}\n",
          "");
}

#define BARE(n, pid)                                                          \
  "{'row':'cpu','cpu':" #n ",'pid':" #pid ",'comm':'a'}\n"
#define RUNS(n, pid)                                                          \
  "{'row':'task','pid':" #pid ",'comm':'a','state':'R','cpu':" #n              \
  ",'on_cpu':true,'since_s':17.1}\n"
#define BEHIND(n, wait, s)                                                    \
  "{'row':'runqueue','cpu':" #n ",'running':" #wait ",'behind_s':" #s "}\n"
#define MOVED(n, clock, switches)                                             \
  "{'row':'moved','what':'cpu','cpu':" #n ",'clock':" #clock                   \
  ",'switches':" #switches "}\n"

/* By what its kernel has written down. */
static void
sees_without_registers (void **state)
{
  static const char soft[]
      = "lockup soft-lockup {'cpu':0,'pid':4,'comm':'a'}\n";
  static const char hard[]
      = "lockup hard-lockup {'cpu':0,'pid':4,'comm':'a'}\n";
  static const char lives[]
      = BARE (1, 0) BEHIND (1, 0, 0.0) MOVED (1, true, 3);
  char rows[2000];

#define TWO(rest)                                                             \
  (snprintf (rows, sizeof rows, "%s%s", lives, BARE (0, 4) rest), rows)
  expect (TWO (RUNS (0, 4) BEHIND (0, 3, 0.1) MOVED (0, true, 0)), soft);
  /* It is passed on; nobody waits for it. */
  expect (TWO (RUNS (0, 4) BEHIND (0, 3, 0.1) MOVED (0, true, 2)), "");
  expect (TWO (RUNS (0, 4) BEHIND (0, 1, 0.1) MOVED (0, true, 0)), "");
  /* No tick comes, whoever waits. */
  expect (TWO (RUNS (0, 4) BEHIND (0, 1, 36.1) MOVED (0, false, 0)), hard);
  expect (TWO (RUNS (0, 4) BEHIND (0, 3, 36.1) MOVED (0, false, 0)), hard);
  /* Its host may not have let it run for a moment; one that is idle sleeps. */
  expect (TWO (RUNS (0, 4) BEHIND (0, 1, 1.1) MOVED (0, false, 0)), "");
  expect (TWO (RUNS (0, 4) BEHIND (0, 1, 36.1)), "");
  snprintf (rows, sizeof rows, "%s%s", lives,
            BARE (0, 0) BEHIND (0, 0, 36.1) MOVED (0, false, 0));
  expect (rows, "");
  /* What it was made for, and where an interrupt found it. */
  expect (TWO ("{'row':'cpu','cpu':2,'pid':7,'comm':'k','begun':'spin [zoo]'}"
               "\n" BEHIND (2, 1, 9) MOVED (2, false, 0)),
          "lockup hard-lockup {'cpu':2,'pid':7,'comm':'k','function':'spin',"
          "'module':'zoo'}\n");
  expect (SPIN "{'row':'cpu','cpu':2,'pid':4,'comm':'a','at':'delay_tsc+0x1/"
               "0x2','seen':'interrupt','begun':'other','stack':1}\n"
          RUNS (2, 4) BEHIND (2, 2, 0.1) MOVED (2, true, 0),
          "lockup soft-lockup {'cpu':2,'pid':4,'comm':'a','function':'spin',"
          "'module':'zoo'}\n");
  /* Who waits for the lock is not who has it. */
  expect ("{'row':'stack','id':1,'frames':["
          "'native_queued_spin_lock_slowpath+0x1/0x2','take+0x1/0x2 [zoo]'],"
          "'end':'thread'}\n"
          "{'row':'cpu','cpu':0,'pid':4,'comm':'a','stack':1}\n" BARE (1, 5)
          RUNS (0, 4) RUNS (1, 5) BEHIND (0, 2, 0) BEHIND (1, 2, 0)
          MOVED (0, true, 0) MOVED (1, true, 0),
          "lockup soft-lockup {'cpu':1,'pid':5,'comm':'a'}\n"
          "lockup soft-lockup {'cpu':0,'pid':4,'comm':'a','function':'take',"
          "'module':'zoo'}\n");
  /* All of them: only their host knows whether they ran. */
  expect (BARE (0, 4) BARE (1, 5) MOVED (0, false, 0) MOVED (1, false, 0),
          "lockup - -\n");
}

static void
names_who_has_it (void **state)
{
  static const char tasks[]
      = WAIT "{'row':'task','pid':8,'comm':'holder','state':'S','cpu':3,"
             "'stack':1}\n"
             "{'row':'task','pid':5,'comm':'w','state':'D','since_s':60}\n"
             "{'row':'lock','kind':'mutex','at':'0xff','owner':{'pid':8,"
             "'comm':'holder'},'waiters':[{'pid':5,'comm':'w'}]}\n";

  expect (tasks, "blocked - {'pid':8,'comm':'holder','function':'hold',"
                 "'module':'zoo','lock':'0xff'}\n");
  /* Readers may all be gone. */
  expect ("{'row':'task','pid':5,'comm':'w','state':'D','since_s':60}\n"
          "{'row':'lock','kind':'rwsem','at':'0xff','readers':true,'owner':"
          "{'pid':8,'comm':'x'},'waiters':[{'pid':5,'comm':'w'}]}\n",
          "blocked - -\n");
  expect ("{'row':'deadlock','tasks':[{'pid':1,'comm':'a'},{'pid':2,'comm':"
          "'b'}]}\n",
          "deadlock lock-deadlock {'pid':1,'comm':'a'}\n");
}

static void
names_what_serves_it (void **state)
{
  expect ("{'row':'request','disk':'vda','op':'write','age_s':9.5}\n"
          "{'row':'disk','disk':'vda'}\n"
          "{'row':'net','name':'eth0','tx_timed_out':true}\n"
          "{'row':'workpool','pool':3,'waiting':4,'no_progress_s':45}\n"
          "{'row':'mount','device':'vda','write_error':'EIO'}\n"
          "{'row':'mount','device':'vdb','frozen':'writes'}\n"
          "{'row':'mount','device':'vdc','read_only':true,'given_up':true}\n"
          "{'row':'mem','total_pages':1000,'free_pages':5,'oom_kills':1}\n",
          "storage storage-stalled {'disk':'vda'}\n"
          "degraded workqueue-lockup {'pool':3}\n"
          "degraded network-lost {'device':'eth0'}\n"
          "degraded filesystem-error {'device':'vda'}\n"
          "degraded - {'device':'vdb'}\n"
          "degraded filesystem-error {'device':'vdc'}\n"
          "degraded out-of-memory -\n"
          "note - -\n");
}

/* A parent of vfork() waits in D, and is well. */
static void
leaves_parents_in_peace (void **state)
{
  expect ("{'row':'stack','id':1,'frames':['__schedule+0x1/0x2',"
          "'wait_for_completion_state+0x1/0x2','kernel_clone+0x1/0x2'],'end':"
          "'user'}\n"
          "{'row':'task','pid':5,'comm':'sh','state':'D','since_s':60,"
          "'stack':1}\n",
          "");
  expect (WAIT "{'row':'task','pid':5,'comm':'sh','state':'D','since_s':60,"
               "'stack':1}\n",
          "blocked - {'pid':5,'comm':'sh','function':'hold','module':'zoo'}\n");
}

/* Who notices and panics for it is not who did it. */
static void
names_of_whom_it_died (void **state)
{
#define WATCHDOG                                                              \
  "{'row':'cpu','vcpu':0,'cpu':0,'mode':'kernel','at':'panic+0x1/0x2',"        \
  "'pid':29,'comm':'khungtaskd','stack':1}\n"                                  \
  "{'row':'stack','id':1,'frames':['panic+0x1/0x2','watchdog.cold+0x1/0x2',"   \
  "'kthread+0x1/0x2']}\n"
#define PANIC(why)                                                            \
  "{'row':'system','panicked':true,'panic_cpu':0}\n" WATCHDOG                  \
  "{'row':'dmesg','facility':0,'us':9,'text':'Kernel panic - not syncing: "    \
  why "'}\n"
#define SAID(text) "{'row':'dmesg','facility':0,'us':8,'text':'" text "'}\n"
#define OTHER_CPU                                                             \
  "{'row':'stack','id':2,'frames':['stop_this_cpu+0x1/0x2','sysvec_reboot+"    \
  "0x1/0x2','<interrupt>','delay_tsc+0x1/0x2','spin+0x1/0x2 [zoo]']}\n"        \
  "{'row':'cpu','vcpu':1,'cpu':1,'mode':'kernel','at':'stop_this_cpu+0x1/"     \
  "0x2','pid':7,'comm':'busy','stack':2}\n"
  static const char cpu1[] = "dead kernel-panic {'cpu':1,'pid':7,'comm':'busy',"
                             "'function':'spin','module':'zoo'}\n";

  expect (SAID ("INFO: task web: a:8 blocked for more than 5 seconds.")
          PANIC ("hung_task: blocked tasks")
          "{'row':'stack','id':2,'frames':['__schedule+0x1/0x2','hold+0x3/0x9 "
          "[zoo]']}\n"
          "{'row':'task','pid':8,'comm':'web: a','state':'S','stack':2}\n",
          "dead kernel-panic {'pid':8,'comm':'web: a','function':'hold',"
          "'module':'zoo'}\n");
  /* It is gone from the list, or nobody was named. */
  expect (SAID ("INFO: task web:8 blocked for more than 5 seconds.")
          PANIC ("hung_task: blocked tasks"),
          "dead kernel-panic {'pid':8,'comm':'web'}\n");
  expect (PANIC ("hung_task: blocked tasks"),
          "dead kernel-panic {'said':'hung_task: blocked tasks'}\n");
  expect (SAID ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [busy:7]")
          PANIC ("softlockup: hung tasks") OTHER_CPU, cpu1);
  expect (SAID ("watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 1")
          PANIC ("Hard LOCKUP") OTHER_CPU, cpu1);
  expect (SAID ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:")
          SAID ("rcu: \\t1-....: (2 ticks this GP) idle=1") PANIC ("RCU Stall")
          OTHER_CPU, cpu1);
  expect (SAID ("rcu: \\tTasks blocked on level-0 rcu_node (CPUs 0-1): P8/1:b")
          PANIC ("RCU Stall")
          "{'row':'task','pid':8,'comm':'web','state':'R'}\n",
          "dead kernel-panic {'pid':8,'comm':'web'}\n");
  expect (SAID ("BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 "
                "stuck for 48s!")
          PANIC ("workqueue: stall, as ordered") OTHER_CPU, cpu1);
  /* Its log was not read. */
  expect ("{'row':'system','panicked':true,'panic_cpu':0}\n" WATCHDOG,
          "dead kernel-panic {'said':'hung_task: blocked tasks'}\n");
  /* Of one that is told to panic for want of memory nobody is. */
#define PANIC_OF_BUSY(why)                                                    \
  "{'row':'system','panicked':true,'panic_cpu':1}\n" OTHER_CPU                 \
  SAID ("Kernel panic - not syncing: " why)
  expect (SAID ("busy invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL)")
          PANIC_OF_BUSY ("Out of memory: compulsory panic_on_oom is enabled"),
          "dead kernel-panic {'said':'Out of memory: compulsory panic_on_oom "
          "is enabled'}\n");
  expect (PANIC_OF_BUSY ("System is deadlocked on memory"),
          "dead kernel-panic {'said':'System is deadlocked on memory'}\n");
  /* Of any other it is where panic() was called. */
  expect (SAID ("INFO: task web:8 blocked for more than 5 seconds.")
          PANIC_OF_BUSY ("as ordered"),
          "dead kernel-panic {'cpu':1,'pid':7,'comm':'busy','said':'as "
          "ordered'}\n");
}

/* What is not known is not none. */
static void
knows_what_it_knows (void **state)
{
  expect ("{'row':'mem','total_pages':1000}\n", "");
}

/* Little is left, and somebody waits for it. */
static void
knows_who_lacks_memory (void **state)
{
#define MEM(free)                                                             \
  "{'row':'mem','total_pages':1000,'free_pages':" free                         \
  ",'inactive_file':20,'active_file':10}\n"
#define PRESSED "{'row':'system','pressure':{'memory_full':9.5}}\n"
#define SHRINKS                                                               \
  "{'row':'stack','id':1,'frames':['shrink_node+0x1/0x2',"                     \
  "'try_to_free_pages+0x1/0x2','__alloc_pages+0x1/0x2']}\n"
  static const char lacks[] = "degraded out-of-memory -\n";

  expect (MEM ("30") PRESSED, lacks);
  expect (MEM ("300") PRESSED, "");
  expect (MEM ("30"), "");
  /* One who looks for some is none yet: with another sign he is. */
#define LOOKS "{'row':'task','pid':5,'comm':'w','state':'R','stack':1}\n"
  expect (MEM ("30") SHRINKS LOOKS, "");
  expect (MEM ("30") SHRINKS LOOKS "{'row':'zone','present':1000,'min':33,"
                                   "'free_by_order':[10,10]}\n",
          lacks);
  /* Whose work that is, and who has a bound of his own. */
  expect (MEM ("30") SHRINKS "{'row':'task','pid':5,'comm':'kswapd0','kthread':"
                             "true,'state':'R','stack':1}\n",
          "");
  expect (MEM ("30")
          "{'row':'stack','id':1,'frames':['shrink_node+0x1/0x2',"
          "'try_to_free_mem_cgroup_pages+0x1/0x2']}\n"
          "{'row':'task','pid':5,'comm':'w','state':'R','stack':1}\n",
          "");
  expect (MEM ("30") "{'row':'zone','present':1000,'min':33,'free_by_order':"
                     "[10,10]}\n",
          lacks);
  expect (MEM ("30") "{'row':'zone','present':1000,'min':30,'free_by_order':"
                     "[10,10]}\n",
          "");
  /* One that asks for memory keeps its CPU for that; another one does not. */
#define KEEPS(frame)                                                          \
  "{'row':'stack','id':1,'frames':['" frame "+0x1/0x2']}\n"                    \
  "{'row':'cpu','cpu':1,'mode':'kernel','at':'x+0x1/0x2','irqs_off':false,"    \
  "'pid':4,'comm':'a','stack':1}\n" TASK "'on_cpu':true,'since_s':17.1}\n"     \
  QUEUE
  expect (MEM ("30") PRESSED KEEPS ("__alloc_pages"), lacks);
  expect (MEM ("300") PRESSED KEEPS ("__alloc_pages"),
          "lockup soft-lockup {'cpu':1,'pid':4,'comm':'a','function':"
          "'__alloc_pages'}\n");
  expect (MEM ("30") PRESSED KEEPS ("spin"),
          "lockup soft-lockup {'cpu':1,'pid':4,'comm':'a','function':'spin'}\n"
          "degraded out-of-memory -\n");
}

/* What its host does to it comes before all that is found in it. */
static void
knows_the_state (void **state)
{
  expect ("{'row':'system','panicked':true,'panic_cpu':0}\n" CPU0
          "{'row':'guest','run':'paused'}\n",
          "not-running paused -\n"
          "dead kernel-panic {'cpu':0,'pid':9,'comm':'spinner'}\n"
          "lockup hard-lockup {'cpu':0,'pid':9,'comm':'spinner'}\n");
  expect ("{'row':'guest','run':'internal-error'}\n",
          "not-running vmm-internal-error -\n");
  expect ("{'row':'guest','run':'inmigrate'}\n", "not-running - -\n");
}

static void
knows_what_it_saw (void **state)
{
  struct outside *o
      = judged ("{'row':'system'}\n{'row':'task'}\n{'row':'cpu'}\n");

  assert_true (outside_saw_all (o));
  assert_false (outside_is_arm (o));
  outside_free (o);
  o = judged ("{'row':'system'}\n{'row':'cpu'}\n{'row':'kernel','arch':"
              "'arm64'}\n");
  assert_false (outside_saw_all (o));
  assert_true (outside_is_arm (o));
  outside_free (o);
  /* More CPUs than are compared. */
  o = judged ("{'row':'system'}\n{'row':'task'}\n{'row':'cpu','cpu':1023}\n");
  assert_true (outside_saw_all (o));
  outside_free (o);
  o = judged ("{'row':'system'}\n{'row':'task'}\n{'row':'cpu','cpu':1023}\n"
              "{'row':'cpu','vcpu':1024,'cpu':1024}\n");
  assert_false (outside_saw_all (o));
  outside_free (o);
  outside_free (NULL);
}

/* An unbound pool has no CPU, or one that there is not (WORK_CPU_UNBOUND is
 * NR_CPUS); a big guest has pools on those that are not compared. */
static void
work_of_any_cpu (void **state)
{
#define POOL(cpu)                                                             \
  "{'row':'workpool','pool':3," cpu "'waiting':4,'no_progress_s':45}\n"
  static const char *const cpus[]
      = { POOL (""), POOL ("'cpu':-1,"), POOL ("'cpu':1030,"),
          POOL ("'cpu':8192,") };

  for (size_t i = 0; i < sizeof cpus / sizeof cpus[0]; i++)
    expect (cpus[i], "degraded workqueue-lockup {'pool':3}\n");
  expect ("{'row':'request','disk':'vda','op':'write','age_s':9.5,"
          "'cpu':8192}\n{'row':'disk','disk':'vda'}\n",
          "storage storage-stalled {'disk':'vda'}\n");
}

/* Members of other kinds, numbers of stacks that nobody gave, and more than
 * are told. */
static void
takes_anything (void **state)
{
  struct outside *o;
  char *many = NULL;
  size_t len = 0;
  FILE *to = open_memstream (&many, &len);

  expect ("{'row':'deadlock','tasks':3}\n{'row':'deadlock','tasks':[1]}\n"
          "{'row':'deadlock','tasks':[]}\n{'row':5}\n{}\n"
          "{'row':'stack','id':7,'frames':3}\n{'row':'stack','id':'x'}\n"
          "{'row':'lock','waiters':[1,{},[]],'owner':'x'}\n",
          "deadlock lock-deadlock -\ndeadlock lock-deadlock -\n"
          "deadlock lock-deadlock -\n");
  for (unsigned i = 0; i < 40; i++)
    fputs ("{'row':'net','name':'eth0','tx_timed_out':true}\n", to);
  fclose (to);
  o = judged (many);
  assert_int_equal (outside_count (o), OUTSIDE_FINDINGS);
  outside_free (o);
  free (many);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (names_the_cpu),
    cmocka_unit_test (names_who_keeps_a_cpu),
    cmocka_unit_test (sees_without_registers),
    cmocka_unit_test (names_who_has_it),
    cmocka_unit_test (names_what_serves_it),
    cmocka_unit_test (leaves_parents_in_peace),
    cmocka_unit_test (names_of_whom_it_died),
    cmocka_unit_test (knows_what_it_knows),
    cmocka_unit_test (knows_who_lacks_memory),
    cmocka_unit_test (knows_the_state),
    cmocka_unit_test (knows_what_it_saw),
    cmocka_unit_test (work_of_any_cpu),
    cmocka_unit_test (takes_anything),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
