/* SPDX-License-Identifier: Apache-2.0
 *
 * What a look says in facts: names that are in the table, and what two looks
 * tell from one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fact.h"
#include "base/json.h"
#include "diag/facts.h"
#include "diag/outside/outside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char have[16384];

static void
on_fact (const struct fact *f, void *arg)
{
  const struct fact_kind *k = fact_kind_find (f->name);
  size_t n = strlen (have);

  if (!k || k->type != f->type)
    fail_msg ("%s is not in diag/facts.def, or of another type", f->name);
  if (f->type == FACT_TEXT && k->unit[0] && !fact_is_word (k->unit, f->text))
    fail_msg ("%s is no word of %s", f->text, f->name);
  assert_string_equal (f->source, "memory");
  assert_string_equal (f->inc.uuid, "u");
  if (f->type == FACT_TEXT)
    snprintf (have + n, sizeof have - n, "%s=%s\n", f->name, f->text);
  else if (f->type == FACT_REAL)
    snprintf (have + n, sizeof have - n, "%s=%.2f\n", f->name, f->d);
  else
    snprintf (have + n, sizeof have - n, "%s=%lld\n", f->name,
              f->type == FACT_BOOL ? (long long) f->b : (long long) f->i);
}

static void
add (struct outside *o, const char *rows, bool before)
{
  char *text = strdup (rows), *line, *rest = text;

  for (char *p = text; *p; p++)
    *p = *p == '\'' ? '"' : *p;
  while ((line = strsep (&rest, "\n")))
    if (line[0])
      {
        struct json_object *row = json_tokener_parse (line);

        if (!row)
          fail_msg ("no JSON: %s", line);
        if (before)
          outside_add_before (o, row);
        else
          outside_add (o, row);
        json_object_put (row);
      }
  free (text);
}

static void
look (const char *before, const char *rows)
{
  const struct incarnation inc = { .uuid = "u" };
  struct outside *o = outside_new ();

  assert_non_null (o);
  add (o, before, true);
  add (o, rows, false);
  outside_judge (o);
  have[0] = '\0';
  outside_facts (o, &inc, on_fact, NULL);
  outside_free (o);
}

static void
says (const char *line)
{
  char want[512];
  const char *hit;

  snprintf (want, sizeof want, "%s\n", line);
  hit = strstr (have, want);
  if (!hit || (hit > have && hit[-1] != '\n'))
    fail_msg ("\"%s\" is not said:\n%s", line, have);
}

static void
is_silent_of (const char *begin)
{
  const char *hit = strstr (have, begin);

  if (hit && (hit == have || hit[-1] == '\n'))
    fail_msg ("\"%s\" is said:\n%s", begin, have);
}

#define SYSTEM                                                                \
  "{'row':'system','clock_s':100.0,'panicked':false,'pid_max':400,'max_threads':1000}\n"
#define LOCKED                                                                \
  "{'row':'stack','id':1,'frames':['__schedule+0x1/0x2','schedule+0x1/0x2',"  \
  "'__mutex_lock.constprop.0+0x1/0x2','zoo_want+0x3/0x9 [zoo]'],"             \
  "'end':'thread'}\n"                                                         \
  "{'row':'stack','id':2,'frames':['__schedule+0x1/0x2','schedule+0x1/0x2',"  \
  "'msleep+0x1/0x2','zoo_hold+0x3/0x9 [zoo]'],'end':'thread'}\n"
#define INIT                                                                  \
  "{'row':'task','pid':1,'tgid':1,'comm':'init','state':'S','since_s':9.0}\n"
#define WAITER(pid, since)                                                    \
  "{'row':'task','pid':" pid ",'tgid':" pid ",'comm':'want','state':'D',"     \
  "'since_s':" since ",'stack':1}\n"
#define HOLDER                                                                \
  "{'row':'task','pid':9,'tgid':9,'comm':'hold','state':'S',"                 \
  "'since_s':15.0,'stack':2}\n"
#define MUTEX                                                                 \
  "{'row':'lock','at':'0xffff','name':'zoo_mutex+0x0/0x20 [zoo]',"            \
  "'kind':'mutex','owner':{'pid':9,'comm':'hold'},"                           \
  "'waiters':[{'pid':5,'comm':'want'},{'pid':6,'comm':'want'}]}\n"
#define MOVED(pid, stuck)                                                     \
  "{'row':'moved','apart_s':1.0,'what':'task','pid':" pid ",'comm':'want',"   \
  "'state':'D','switches':0,'stuck':" stuck "}\n"

static void
names_the_lock (void **state)
{
  look ("", SYSTEM LOCKED INIT WAITER ("5", "14.0") WAITER ("6", "12.0") HOLDER
              MUTEX MOVED ("5", "true") MOVED ("6", "true"));
  says ("tasks.blocked=2");
  says ("tasks.in_lock=2");
  says ("tasks.in_io=0");
  says ("tasks.culprit=want in zoo_want [zoo]");
  says ("tasks.blocked_s=14.00");
  says ("lock.waiters=2");
  says ("lock.waited_s=14.00");
  says ("lock.name=zoo_mutex [zoo]");
  says ("lock.owner=zoo_hold [zoo], lock zoo_mutex [zoo], hold (9)");
  says ("tasks.count=4");
  says ("tasks.room=100");
  says ("tasks.user=3");
  says ("init.state=sleeping");
  says ("kernel.panicked=0");
}

/* Who ran in between is not stuck, and neither is his lock. */
static void
two_looks_decide (void **state)
{
  look ("", SYSTEM LOCKED INIT WAITER ("5", "0.3") HOLDER MUTEX
              MOVED ("5", "false"));
  says ("tasks.blocked=0");
  is_silent_of ("tasks.culprit");
  is_silent_of ("lock.");
  /* Of one look it is the time that says so. */
  look ("", SYSTEM LOCKED INIT WAITER ("5", "14.0") HOLDER MUTEX);
  says ("tasks.blocked=1");
  look ("", SYSTEM LOCKED INIT WAITER ("5", "0.1") HOLDER MUTEX);
  says ("tasks.blocked=0");
}

/* Who has the lock that most wait for waits himself: the other one it is. */
static void
the_end_of_the_chain_it_is (void **state)
{
  look ("", SYSTEM LOCKED INIT WAITER ("5", "14.0") WAITER ("6", "12.0")
              WAITER ("7", "12.0") HOLDER
              "{'row':'lock','at':'0x1','name':'outer','kind':'mutex','owner':"
              "{'pid':5,'comm':'want'},'waiters':[{'pid':6},{'pid':7}]}\n"
              "{'row':'lock','at':'0x2','name':'inner','kind':'mutex','owner':"
              "{'pid':9,'comm':'hold'},'waiters':[{'pid':5}]}\n");
  says ("lock.name=inner");
  says ("lock.owner=zoo_hold [zoo], lock inner, hold (9)");
}

static void
circles_have_a_lock (void **state)
{
  look ("", SYSTEM LOCKED WAITER ("5", "14.0") WAITER ("6", "14.0")
              "{'row':'lock','at':'0x1','name':'a','kind':'mutex','owner':"
              "{'pid':6,'comm':'want'},'waiters':[{'pid':5,'comm':'want'}]}\n"
              "{'row':'deadlock','tasks':[{'pid':5,'comm':'want'},"
              "{'pid':6,'comm':'want'}]}\n");
  says ("culprit.lock_deadlock=zoo_want [zoo], lock a, want (5)");
  says ("finding.lock_deadlock=DEADLOCK: want (5) waits for want (6) waits for "
        "the first");
}

/* With whomever of them it is begun, it is known by the stacks of all. */
static void
circles_are_known_again (void **state)
{
#define TWO(first, second)                                                    \
  SYSTEM LOCKED WAITER ("5", "14.0") HOLDER                                   \
      "{'row':'deadlock','tasks':[{'pid':" first ",'comm':'x'},{'pid':" second \
      ",'comm':'y'}]}\n"
  look ("", TWO ("5", "9"));
  says ("stack.lock_deadlock=zoo_hold [zoo]|zoo_want [zoo]");
  look ("", TWO ("9", "5"));
  says ("stack.lock_deadlock=zoo_hold [zoo]|zoo_want [zoo]");
  look ("", TWO ("5", "5"));
  says ("stack.lock_deadlock=zoo_want [zoo]|zoo_want [zoo]");
}

#define SPIN                                                                  \
  "{'row':'stack','id':1,'frames':['spin+0x1/0x2 [zoo]'],'end':'thread'}\n"
#define CPU(at)                                                               \
  "{'row':'cpu','vcpu':0,'cpu':1,'mode':'kernel','at':'" at "','irqs_off':"   \
  "true,'halted':false,'pid':9,'comm':'spinner','stack':1,'pc':'0xff'}\n"
#define OTHER                                                                 \
  "{'row':'cpu','vcpu':1,'cpu':0,'mode':'user','irqs_off':false,"             \
  "'halted':false,'pid':8,'comm':'sh'}\n"
#define RAN(cpu, switches, clock)                                             \
  "{'row':'moved','apart_s':1.0,'what':'cpu','cpu':" cpu ",'clock':" clock    \
  ",'switches':" switches "}\n"

/* Others move its clock when they wake somebody on it. */
static void
the_same_code_twice (void **state)
{
  look (CPU ("spin+0x4/0x9 [zoo]"),
        SPIN CPU ("spin+0x7/0x9 [zoo]") OTHER RAN ("1", "0", "true")
            RAN ("0", "7", "true"));
  says ("vcpu.irqs_off=1");
  says ("culprit.hard_lockup=spin [zoo], spinner (9) on CPU 1");
  says ("kernel.clock_moved=1");
  says ("kernel.switches=7");
  /* Elsewhere by now, or something else ran: it was so for a moment. */
  look (CPU ("other+0x4/0x9"), SPIN CPU ("spin+0x7/0x9 [zoo]") OTHER
                                   RAN ("1", "0", "true"));
  says ("vcpu.irqs_off=0");
  is_silent_of ("finding.hard_lockup");
  look (CPU ("spin+0x4/0x9 [zoo]"),
        SPIN CPU ("spin+0x7/0x9 [zoo]") OTHER RAN ("1", "3", "true"));
  says ("vcpu.irqs_off=0");
  /* Its only CPU, for that moment. */
  look ("", SPIN CPU ("spin+0x7/0x9 [zoo]") RAN ("1", "3", "true"));
  says ("vcpu.irqs_off=0");
  is_silent_of ("finding.");
}

static void
what_serves_it (void **state)
{
  look ("{'row':'mem','total_pages':1000,'free_pages':4,'oom_kills':3}\n",
        SYSTEM
        "{'row':'mem','total_pages':1000,'free_pages':5,'inactive_file':7,"
        "'active_file':8,'oom_kills':5}\n"
        "{'row':'disk','disk':'vda','in_flight':1}\n"
        "{'row':'disk','disk':'SD/a','in_flight':0}\n"
        "{'row':'request','disk':'vda','op':'read','age_s':7.5}\n"
        "{'row':'workpool','pool':3,'waiting':2,'no_progress_s':40.5}\n"
        "{'row':'moved','what':'requests','same':1,'answered':0,'begun':0}\n");
  says ("mem.available=0.02");
  says ("mem.file_cache=0.01");
  says ("mem.oom_kills=5");
  says ("mem.new_oom_kills=2");
  says ("disk.vda.waits_s=7.50");
  says ("disk.sd_a.waits_s=0.00");
  says ("disk.any_moved=0");
  says ("workqueue.stuck_s=40.50");
  says ("culprit.storage_stalled=disk vda");
  is_silent_of ("vcpu.irqs_off");
  is_silent_of ("tasks.");
}

/* A guest's clock goes on while its host does not run it: so little of a
 * processor is no lockup. */
static void
who_is_not_run_keeps_nothing (void **state)
{
#define HOST(ran, waited, vcpu)                                               \
  "{'row':'guest','run':'running','memory_bytes':4096000,'ran_s':" ran         \
  ",'waited_s':" waited vcpu "}\n"
#define VCPU1(ran) ",'vcpus':[{'vcpu':1,'ran_s':" ran ",'waited_s':5.0}]"
#define KEEPS                                                                 \
  "{'row':'moved','what':'guest','apart_s':1.0,'clock':true}\n"                \
  "{'row':'cpu','vcpu':1,'cpu':1,'mode':'kernel','at':'x+0x1/0x2','irqs_off':" \
  "false,'pid':4,'comm':'a'}\n"                                                \
  "{'row':'task','pid':4,'comm':'a','state':'R','cpu':1,'on_cpu':true,"        \
  "'since_s':9.0}\n{'row':'runqueue','cpu':1,'running':3}\n"                   \
  "{'row':'timers','cpu':1,'timers':{'due_s':-4.0}}\n"
  look (HOST ("10.0", "10.0", ""), SYSTEM HOST ("11.9", "10.1", "") KEEPS);
  says ("culprit.soft_lockup=a (4) on CPU 1");
  look (HOST ("10.0", "10.0", ""), SYSTEM HOST ("10.3", "11.7", "") KEEPS);
  is_silent_of ("finding.soft_lockup");
  /* Its own thread says more than all of them; an idle one is none. */
  look (HOST ("10.0", "10.0", VCPU1 ("3.0")),
        SYSTEM HOST ("10.3", "11.7", VCPU1 ("3.9")) KEEPS);
  says ("culprit.soft_lockup=a (4) on CPU 1");
  look (HOST ("10.0", "10.0", VCPU1 ("3.0")),
        SYSTEM HOST ("11.9", "10.1", VCPU1 ("3.1")) KEEPS);
  is_silent_of ("finding.soft_lockup");
  /* What its host says is not known. */
  look ("", SYSTEM KEEPS);
  says ("culprit.soft_lockup=a (4) on CPU 1");
}

static void
who_has_the_memory (void **state)
{
#define LITTLE                                                                \
  "{'row':'mem','total_pages':1000,'free_pages':30,'inactive_file':9,"         \
  "'active_file':8,'shmem':700,'anon_mapped':200,'swapped_out':90}\n"
#define FULL "{'row':'system','pressure':{'memory_full':24.4}}\n"
  look ("", FULL LITTLE HOST ("1.0", "1.0", "")
        "{'row':'cgroup','cgroup':'/a.service','used':9000}\n"
        "{'row':'cgroup','cgroup':'/b.service','used':2000000}\n");
  says ("mem.waits=24.40");
  says ("mem.short=5 % is left, everything waited for some 24 % of the time");
  says ("mem.held_by=shared memory and tmpfs, most of it of /b.service");
  look ("{'row':'mem','total_pages':1000,'swapped_out':10}\n", SYSTEM LITTLE);
  says ("mem.short=5 % is left, 8 % went to swap or back meanwhile");
  says ("mem.held_by=shared memory and tmpfs");
  look ("", SYSTEM LITTLE);
  is_silent_of ("mem.short");
  is_silent_of ("mem.held_by");
}

/* A kernel may say that it has any number of CPUs: those of a guest are low. */
static void
only_so_many_cpus (void **state)
{
#define OFF(cpu)                                                              \
  "{'row':'cpu','cpu':" cpu ",'vcpu':0,'irqs_off':true,'mode':'kernel',"      \
  "'pc':'0x10','at':'f+0x1/0x2'}\n"
  look ("", SYSTEM OFF ("1023"));
  assert_non_null (strstr (have, "finding.hard_lockup="));
  look ("", SYSTEM OFF ("1024"));
  is_silent_of ("finding.hard_lockup");
}

static void
all_of_them_stopped (void **state)
{
  look ("", SYSTEM "{'row':'task','pid':1,'tgid':1,'comm':'init','state':'Z'}\n"
                   "{'row':'task','pid':2,'tgid':2,'kthread':true,"
                   "'state':'S'}\n"
                   "{'row':'task','pid':7,'tgid':7,'comm':'g','state':'T'}\n"
                   "{'row':'task','pid':8,'tgid':7,'state':'T'}\n"
                   "{'row':'task','pid':9,'tgid':9,'comm':'h','state':'t'}\n");
  says ("init.state=dead");
  says ("tasks.user=2");
  says ("tasks.stopped=2");
  says ("tasks.stopped_who=g (7), h (9)");
  says ("tasks.stopped_share=1.00");
  says ("tasks.frozen_share=0.00");
}

static void
takes_anything (void **state)
{
  look ("{'row':'cpu'}\n{'row':'mem'}\n",
        "{'row':'task'}\n{'row':'lock','waiters':3}\n{'row':'moved'}\n"
        "{'row':'cpu','irqs_off':1}\n{'row':'disk'}\n{'row':'mem'}\n"
        "{'row':'system'}\n{'row':'workpool'}\n{'row':'request'}\n");
}

/* systemd after a fatal signal: it waits for children, not for events. */
static void
init_is_frozen (void **state)
{
  look ("", SYSTEM "{'row':'task','pid':1,'tgid':1,'comm':'systemd',"
                   "'state':'S','syscall':247}\n");
  says ("init.state=frozen");
  look ("", SYSTEM "{'row':'task','pid':1,'tgid':1,'comm':'systemd',"
                   "'state':'S','syscall':232}\n");
  says ("init.state=sleeping");
  /* Of another init that is its work. */
  look ("", SYSTEM "{'row':'task','pid':1,'tgid':1,'comm':'init',"
                   "'state':'S','syscall':247}\n");
  says ("init.state=sleeping");
}

/* Who reads the console: by its keys, or in a read. */
static void
who_reads_the_console (void **state)
{
#define CONSOLE                                                               \
  "{'row':'system','cmdline':'quiet console=tty0 console=hvc0,115200'}\n"     \
  "{'row':'stack','id':1,'frames':['do_wait+0x1/0x2'],'end':'user'}\n"
#define SOME(pid, tty)                                                        \
  "{'row':'task','pid':" pid ",'tgid':" pid ",'comm':'x','state':'S',"        \
  "'stack':1}\n{'row':'process','pid':" pid ",'files':3" tty "}\n"
#define READS                                                                 \
  "{'row':'stack','id':2,'frames':['n_tty_read+0x1/0x2'],'end':'user'}\n"     \
  "{'row':'task','pid':10,'tgid':10,'comm':'x','state':'S','stack':2}\n"      \
  "{'row':'process','pid':10,'tty':'hvc0'}\n"
#define STOPS(pid)                                                            \
  "{'row':'task','pid':" pid ",'tgid':" pid ",'comm':'x','state':'T',"        \
  "'stack':1}\n{'row':'process','pid':" pid ",'tty':'hvc0'}\n"
  look ("", CONSOLE SOME ("1", "") SOME ("9", ""));
  says ("console.readers=0");
  look ("", CONSOLE SOME ("1", "") SOME ("9", ",'tty':'hvc0'"));
  says ("console.readers=1");
  look ("", CONSOLE SOME ("1", "") SOME ("9", ",'tty':'hvc'"));
  says ("console.readers=0");
  is_silent_of ("console.held_by");
  look ("", CONSOLE STOPS ("9") STOPS ("10"));
  says ("console.readers=2");
  says ("console.held_by=x (9)");
  /* A job of a shell that goes on. */
  look ("", CONSOLE STOPS ("9") READS);
  is_silent_of ("console.held_by");
  /* login, whose shell it is. */
  look ("", CONSOLE STOPS ("9") SOME ("10", ",'tty':'hvc0'"));
  says ("console.held_by=x (9)");
  look ("", SOME ("1", "") SOME ("9", ""));
  is_silent_of ("console.readers");
  look ("", CONSOLE "{'row':'task','pid':9,'state':'S','stack':1}\n");
  is_silent_of ("console.readers");
}

/* What holds the console's output back, and who waits for that. */
static void
what_stops_the_console (void **state)
{
#define SERIAL(place)                                                         \
  "{'row':'system','cmdline':'console=tty0 console=ttyS0,115200'}\n"          \
  "{'row':'stack','id':1,'frames':['schedule+0x1/0x2','" place "+0x1/0x2'],"  \
  "'end':'user'}\n"
#define HAS(pid, since, tty)                                                  \
  "{'row':'task','pid':" pid ",'tgid':" pid ",'comm':'sh','state':'S',"       \
  "'since_s':" since ",'stack':1}\n"                                          \
  "{'row':'process','pid':" pid "," tty "}\n"
#define BOTH                                                                  \
  HAS ("9", "14.4", "'tty':'ttyS0'") HAS ("10", "7", "'tty':'ttyS0'")
  look ("", SERIAL ("x") HAS ("9", "90", "'tty':'ttyS0','tty_stopped':'key'"));
  says ("console.stopped=key");
  is_silent_of ("console.waits");
  look ("", SERIAL ("x") HAS ("9", "90", "'tty':'ttyS0'")
            HAS ("10", "90", "'tty':'ttyS0','tty_stopped':'program'"));
  says ("console.stopped=program");
  /* Of another terminal; of one whose driver does not heed it; a lie. */
  look ("", SERIAL ("x") HAS ("9", "90", "'tty':'tty1','tty_stopped':'key'"));
  is_silent_of ("console.stopped");
  /* Of the screen, which such guests have as a console too. */
  look ("", "{'row':'system','cmdline':'console=tty1 console=ttyS0'}\n"
        HAS ("9", "90", "'tty':'tty1','tty_stopped':'key'"));
  is_silent_of ("console.stopped");
  look ("", CONSOLE HAS ("9", "90", "'tty':'hvc0','tty_stopped':'key'"));
  is_silent_of ("console.stopped");
  look ("", SERIAL ("x") HAS ("9", "90", "'tty':'ttyS0','tty_stopped':'me'"));
  is_silent_of ("console.stopped");
  look ("", SERIAL ("n_tty_write") BOTH);
  says ("console.waits=sh (9), for 14 s");
  is_silent_of ("console.stopped");
  look ("", SERIAL ("set_termios.part.0") BOTH);
  says ("console.waits=sh (9), for 14 s");
  look ("", SERIAL ("tty_wait_until_sent") BOTH);
  says ("console.waits=sh (9), for 14 s");
  /* In whatever order they come; of two with one number it is the first. */
  look ("", SERIAL ("n_tty_write") HAS ("30", "6", "'tty':'ttyS0'")
            HAS ("9", "8.4", "'tty':'ttyS0'") HAS ("20", "7", "'tty':'ttyS0'")
            HAS ("9", "99", "'tty':'ttyS0'"));
  says ("console.waits=sh (9), for 8 s");
  /* For a moment; and who reads. */
  look ("", SERIAL ("n_tty_write") HAS ("9", "2", "'tty':'ttyS0'"));
  is_silent_of ("console.waits");
  look ("", SERIAL ("n_tty_read") BOTH);
  is_silent_of ("console.waits");
}

static void
tells_who_stands (void **state)
{
  static const char rows[]
      = "{'row':'cpu','cpu':0,'pid':4,'comm':'a','begun':'f [m]'}\n"
        "{'row':'cpu','cpu':1,'pid':0,'comm':'swapper/1'}\n"
        "{'row':'moved','what':'cpu','cpu':1,'clock':false,'switches':0}\n";
  char all[1000];

  snprintf (all, sizeof all, "%s%s", rows,
            "{'row':'moved','what':'cpu','cpu':0,'clock':false,'switches':0}"
            "\n");
  look ("", all);
  assert_non_null (strstr (have, "kernel.stands_with=f [m], a (4) on CPU 0\n"));
  /* Whether the others take interrupts was not seen. */
  assert_null (strstr (have, "vcpu.irqs_off"));
  snprintf (all, sizeof all, "%s%s", rows,
            "{'row':'moved','what':'cpu','cpu':0,'clock':true,'switches':0}"
            "\n");
  look ("", all);
  assert_null (strstr (have, "kernel.stands_with"));
  look ("", "{'row':'cpu','cpu':0,'pid':4,'comm':'a'}\n"
            "{'row':'runqueue','cpu':0,'running':1,'behind_s':9}\n"
            "{'row':'moved','what':'cpu','cpu':0,'clock':false,'switches':0}\n"
            "{'row':'moved','what':'cpu','cpu':1,'clock':true,'switches':1}\n");
  assert_non_null (strstr (have, "vcpu.irqs_off=1\n"));
}

#define DEVICE(name, more) "{'row':'net','name':'" name "'," more "}\n"
#define LOOP DEVICE ("lo", "'up':true,'carrier':true,'hardware':false,"        \
                           "'addresses':['127.0.0.1/8']")
#define CARD "'hardware':true,"
#define LINKED "'up':true,'carrier':true,"
#define ADDRESS "'addresses':['10.0.2.15/24','fe80::5/64']"
#define NO_ADDRESS "'addresses':['fe80::5/64','169.254.7.7/16']"

static void
amiss (const char *rows, const char *word, const char *who, int well)
{
  char line[200];

  look ("", rows);
  snprintf (line, sizeof line, "net.amiss=%s", word);
  says (line);
  snprintf (line, sizeof line, "net.devices_well=%d", well);
  says (line);
  if (!who)
    is_silent_of ("net.culprit");
  else
    {
      snprintf (line, sizeof line, "net.culprit=%s", who);
      says (line);
    }
}

static void
what_keeps_it_off_its_network (void **state)
{
  amiss (LOOP DEVICE ("ens3", CARD LINKED ADDRESS), "nothing", NULL, 1);
  amiss (LOOP DEVICE ("ens3", CARD "'up':true,'carrier':false," ADDRESS),
         "no-link", "device ens3 has no carrier: its link is down", 0);
  amiss (LOOP DEVICE ("ens3", CARD "'up':false,'carrier':true," ADDRESS),
         "down", "device ens3 is down, and has kept its address", 0);
  amiss (LOOP DEVICE ("ens3", CARD "'up':false," NO_ADDRESS), "down",
         "device ens3 is down", 0);
  amiss (LOOP DEVICE ("ens3", CARD LINKED NO_ADDRESS), "no-address",
         "device ens3 is up and has no address", 0);
  amiss (LOOP DEVICE ("ens3", CARD LINKED "'addresses':['fd00::5/64']"),
         "no-ipv4", "device ens3 is up and has no IPv4 address", 1);
  amiss (LOOP DEVICE ("ens3", CARD LINKED ADDRESS ",'tx_timed_out':true"),
         "mute", "device ens3 is up, and sends nothing", 0);
  amiss (LOOP, "no-device",
         "no network device: the guest has none of its own", 0);
  /* A tunnel that was put down; one that was never begun. */
  amiss (DEVICE ("ens3", CARD LINKED ADDRESS)
             DEVICE ("wg0", "'hardware':false,'up':false,"
                            "'addresses':['10.9.0.1/24']"),
         "down", "device wg0 is down, and has kept its address", 1);
  amiss (DEVICE ("ens3", CARD LINKED ADDRESS)
             DEVICE ("sit0", "'hardware':false,'up':false,'addresses':[]"),
         "nothing", NULL, 1);
}

/* Not each device that does nothing is missed, and not each has an address of
 * its own. */
static void
devices_that_do_nothing (void **state)
{
  amiss (DEVICE ("ens3", CARD LINKED ADDRESS)
             DEVICE ("ens4", CARD "'up':false,'addresses':[]"),
         "nothing", NULL, 1);
  amiss (DEVICE ("ens3", CARD LINKED "'under':true,'addresses':[]")
             DEVICE ("br0", "'hardware':false,'over':true," LINKED ADDRESS),
         "nothing", NULL, 1);
  amiss (DEVICE ("ens3", CARD LINKED "'under':true,'addresses':[]")
             DEVICE ("docker0", "'hardware':false,'up':true,"
                                "'carrier':false," ADDRESS),
         "no-address-above",
         "device ens3 is up, and nothing above it has an address", 0);
  amiss (DEVICE ("ens3", CARD LINKED ADDRESS)
             DEVICE ("eth0", "'space':1," CARD "'up':false," ADDRESS),
         "nothing", NULL, 1);
  /* What hangs on a bus is not known. */
  look ("", DEVICE ("ens3", "'up':false," ADDRESS));
  is_silent_of ("net.amiss");
  look ("", DEVICE ("ens3", "'hardware':1,'up':'x','addresses':[1,{},[]]"));
  look ("", DEVICE ("ens3", CARD LINKED "'addresses':{'a':1}"));
}

#define BARE DEVICE ("ens3", CARD LINKED "'under':true," NO_ADDRESS)
#define SOFT "'hardware':false,"
#define GIVEN(space, more) DEVICE ("eth1", "'space':" space "," CARD more)

/* What has the guest's address need be no hardware, nor need hardware be in the
 * first name space. */
static void
addresses_elsewhere (void **state)
{
  static const char none[] = "device ens3 is up and has no address";
  static const char above[]
      = "device ens3 is up, and nothing above it has an address";

  /* A switch's own port, which is stacked on nothing; a tunnel; one that
   * stands for the whole guest. */
  amiss (LOOP BARE DEVICE ("br-ex", SOFT LINKED ADDRESS), "nothing", NULL, 1);
  amiss (LOOP DEVICE ("ens3", CARD LINKED NO_ADDRESS)
             DEVICE ("ppp0", SOFT LINKED "'addresses':['198.51.100.7/32']"),
         "nothing", NULL, 1);
  amiss (LOOP DEVICE ("ens3", CARD LINKED NO_ADDRESS)
             DEVICE ("dummy0", SOFT LINKED ADDRESS),
         "nothing", NULL, 1);
  amiss (DEVICE ("lo", LINKED SOFT "'addresses':['127.0.0.1/8','::1/128',"
                                   "'10.0.0.9/32']")
             DEVICE ("ens3", CARD LINKED NO_ADDRESS),
         "nothing", NULL, 1);
  /* What is for containers, or goes through another, is no such thing. */
  amiss (LOOP DEVICE ("ens3", CARD LINKED NO_ADDRESS)
             DEVICE ("docker0", SOFT "'over':true," LINKED ADDRESS)
                 DEVICE ("wg0", SOFT LINKED ADDRESS),
         "no-address", none, 0);
  amiss (LOOP BARE DEVICE ("docker0", SOFT "'over':true," LINKED ADDRESS),
         "no-address-above", above, 0);
  amiss (LOOP BARE, "no-address-above", above, 0);
  /* Given to a container; of it nothing is known there. */
  amiss (LOOP GIVEN ("2", LINKED ADDRESS), "nothing", NULL, 0);
  amiss (LOOP DEVICE ("ens3", CARD "'up':false,'addresses':[]")
             GIVEN ("2", LINKED ADDRESS),
         "nothing", NULL, 0);
  amiss (LOOP BARE DEVICE ("mv0", "'space':1,'over':true," SOFT LINKED ADDRESS),
         "nothing", NULL, 1);
  /* A tunnel that was put down is less than what it goes through. */
  amiss (DEVICE ("ens3", CARD "'up':true,'carrier':false," ADDRESS)
             DEVICE ("wg0", SOFT "'up':false," ADDRESS),
         "no-link", "device ens3 has no carrier: its link is down", 0);
  amiss (BARE DEVICE ("br0", SOFT "'over':true,'up':false," ADDRESS), "down",
         "device br0 is down, and has kept its address", 0);
}

static void
whose_tasks_there_are (void **state)
{
  char rows[4096] = SYSTEM;

  for (int i = 0; i < 30; i++)
    snprintf (rows + strlen (rows), sizeof rows - strlen (rows),
              "{'row':'task','pid':%d,'tgid':%d,'comm':'%s','state':'S'}\n",
              100 + i, 100 + i, i % 3 ? "burst" : "sh");
  look ("", rows);
  says ("tasks.most=burst (20 of 30 tasks of its users)");
  look ("", SYSTEM INIT);
  is_silent_of ("tasks.most");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (init_is_frozen),
    cmocka_unit_test (who_reads_the_console),
    cmocka_unit_test (what_stops_the_console),
    cmocka_unit_test (names_the_lock),
    cmocka_unit_test (two_looks_decide),
    cmocka_unit_test (the_end_of_the_chain_it_is),
    cmocka_unit_test (circles_have_a_lock),
    cmocka_unit_test (circles_are_known_again),
    cmocka_unit_test (the_same_code_twice),
    cmocka_unit_test (what_serves_it),
    cmocka_unit_test (who_is_not_run_keeps_nothing),
    cmocka_unit_test (who_has_the_memory),
    cmocka_unit_test (only_so_many_cpus),
    cmocka_unit_test (all_of_them_stopped),
    cmocka_unit_test (takes_anything),
    cmocka_unit_test (tells_who_stands),
    cmocka_unit_test (what_keeps_it_off_its_network),
    cmocka_unit_test (devices_that_do_nothing),
    cmocka_unit_test (addresses_elsewhere),
    cmocka_unit_test (whose_tasks_there_are),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
